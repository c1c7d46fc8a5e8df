/* Advisory locks: fcntl's record locks (of a process, or of an open file description) and flock's.
 *
 * K1: the locks of one owner and kind on one inode do not overlap, and neighbours of one type are one.
 * K2: two owners' locks of the same space overlap only if both are for reading. Record locks of both kinds
 *     share one space; flock has its own. */
#pragma once

#include "hal/base/atomic.h"
#include "kernel/fs/vfs.h"

enum lock_kind {
	LOCK_KIND_PROCESS, /* owner: the descriptor table */
	LOCK_KIND_FILE,    /* owner: the open file (F_OFD_*) */
	LOCK_KIND_FLOCK,   /* owner: the open file */
};

enum lock_type {
	LOCK_TYPE_NONE, /* unlock */
	LOCK_TYPE_READ,
	LOCK_TYPE_WRITE
};

struct lock_request {
	enum lock_kind kind;
	enum lock_type type;
	const void *owner;
	u64 start, end; /* bytes, END included */
	pid_t pid;      /* who asks, for F_GETLK; -1 for LOCK_KIND_FILE */
};

void locks_init(void);

/* locks_set => 0; -EAGAIN (taken, !WAIT); -EDEADLK; -ENOLCK (memory); -ERESTARTSYS */
int locks_set(struct inode *i, const struct lock_request *req, bool wait);

/* locks_get: the first lock that would stand in the way. => false: none */
bool locks_get(struct inode *i, const struct lock_request *req, struct lock_request *ret);

/* locks_release: all record locks of a process on I, as close(2) does. */
void locks_release_process(struct inode *i, const void *owner);
/* locks_release_file: those of an open file that goes away. */
void locks_release_file(struct file *f);

/* locks_any: whether anybody has locked I; its own locks an owner always sees. */
static inline bool locks_any(const struct inode *i)
{
	return unlikely(atomic_load(&i->locks.next) != &i->locks);
}
