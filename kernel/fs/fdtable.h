/* Descriptor tables: small numbers for open files. A table is shared by the tasks of a process (and by
 * CLONE_FILES). The lowest free number is found through bitmaps, in time that does not grow with the number
 * of open files.
 *
 * T1: a set bit in `open` with a NULL file is a number that is reserved (open(2) in progress).
 * T2: only a task that runs on a table changes it; with one process and one task left nobody else can close a
 *     file that the running task has found, so it needs no reference of its own (fd_borrow). */
#pragma once

#include "hal/base/types.h"
#include "hal/base/atomic.h"
#include "hal/cpu/spinlock.h"
#include "kernel/proc/proc.h"
#include "kernel/fs/vfs.h"

#define FD_INLINE 64
#define FD_MAX (1U << 20) /* whatever RLIMIT_NOFILE says */

struct fdtable {
	u32 refs;                    /* [atomic] */
	struct spinlock lock;        /* RANK_FDTABLE */
	u32 size;                    /* [lock] numbers below it have a slot; a multiple of 64 */
	u32 first;                   /* [lock] all words of `open` before this one are full */
	struct file **files;         /* [lock] */
	u64 *open, *cloexec;         /* [lock] bitmaps */
	u64 bits[2];                 /* [lock] the bitmaps of the first table */
	struct file *few[FD_INLINE]; /* [lock] the slots of the first table */
};

int fdtable_create(struct fdtable **ret); /* => 0 or -ENOMEM */
void fdtable_get(struct fdtable *t);
void fdtable_put(struct fdtable *t); /* the last closes all; NULL is fine; may sleep */

/* fdtable_fork: a copy of the caller's table with one more reference to each file. => 0 or -ENOMEM */
int fdtable_fork(struct fdtable *from, struct fdtable **ret);

/* fdtable_close_exec: close what is marked so. */
void fdtable_close_exec(struct fdtable *t);

/* fdtable_file: of any table (for /proc). => a reference, or NULL */
struct file *fdtable_file(struct fdtable *t, u32 fd);
/* fdtable_next: the lowest open number from FD on, or -1. */
int fdtable_next(struct fdtable *t, u32 fd);

u32 fdtable_count(struct fdtable *t); /* open numbers */
/* fdtable_held: bytes of the kernel's memory that its files keep, roughly: those that others share count in full. */
u64 fdtable_held(struct fdtable *t);

/* The rest works on the running process's table. */

/* fd_get => a reference, or NULL (-EBADF); files opened with O_PATH are found too. */
struct file *fd_get(int fd);

/* fd_borrow, fd_return: as fd_get and file_put, without touching the count when nobody else could close it.
 * The file is valid until fd_return, in this thread. */
struct fdref {
	struct file *file; /* NULL: no such descriptor */
	bool counted;
};
struct file *fd_get_counted(struct fdtable *t, int fd);

/* fdtable_is_shared: another task may close a file of the running process's table meanwhile. */
static inline bool fdtable_is_shared(const struct proc *p)
{
	return read_once(p->task_count) != 1 || atomic_load(&p->files->refs) != 1;
}

static inline struct fdref fd_borrow(int fd)
{
	struct proc *p = proc_current();

	if (unlikely(fdtable_is_shared(p)))
		return (struct fdref){fd_get_counted(p->files, fd), true};
	return (struct fdref){(u32)fd < p->files->size ? p->files->files[fd] : NULL, false};
}

static inline void fd_return(struct fdref r)
{
	if (unlikely(r.counted))
		file_put(r.file);
}

/* fd_reserve: the lowest free number >= MIN. => the number; -EMFILE; -EINVAL (MIN beyond the limit); -ENOMEM.
 * Then one of: fd_commit, which hands over the reference to F; fd_cancel. */
int fd_reserve(u32 min, bool cloexec);
void fd_commit(int fd, struct file *f);
void fd_cancel(int fd);

/* fd_reserve_pair: two numbers. => 0, or an error and none */
int fd_reserve_pair(int fds[2], bool cloexec);

/* fd_install: both at once. On success the reference to F is the table's. => the number, or as fd_reserve */
int fd_install(struct file *f, u32 min, bool cloexec);

/* fd_install_new: as fd_install for a file just made: it is put when there is no number for it. */
int fd_install_new(struct file *f, bool cloexec);

/* fd_install_at: dup2: FD becomes F (a reference that is always taken over), what was there is closed.
 * => FD; -EBADF (beyond the limit); -EBUSY (reserved just now); -ENOMEM */
int fd_install_at(int fd, struct file *f, bool cloexec);

/* fd_close_range: all of FIRST to LAST are closed, or marked to be at exec. fd_unshare: the running process gets a
 * table of its own, if others share it. => 0 or -ENOMEM */
void fd_close_range(u32 first, u32 last);
void fd_mark_range(u32 first, u32 last);
int fd_unshare(void);

int fd_close(int fd);       /* => 0 or -EBADF */
int fd_get_cloexec(int fd); /* => 0, 1 or -EBADF */
int fd_set_cloexec(int fd, bool on);
