/* Paths that ring 3 gives. */
#pragma once

#include "hal/base/types.h"
#include "kernel/fs/fdtable.h"
#include "kernel/fs/walk.h"
#include "kernel/sys/syscall.h"

/* A path copied into the kernel: short ones stay on the stack. */
struct upath {
	char *s;
	char few[160];
};

/* upath_get => 0; -EFAULT; -ENAMETOOLONG; -ENOMEM. upath_put is due in any case. */
int upath_get(struct upath *p, ustr_t user);
void upath_put(struct upath *p);

/* upath_walk: upath_get and walk_at with the AT_* flags of a call: AT_EMPTY_PATH, and whether a symbolic link
 * in the last component is followed. On success fs_lock is held and walk_unlock due; else neither. */
int upath_walk(struct walk *w, int dirfd, ustr_t user, u32 flags);

/* at_follow: WALK_* of calls that take AT_SYMLINK_NOFOLLOW and AT_EMPTY_PATH. */
static inline u32 at_follow(int flags)
{
	return (flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW) | (flags & AT_EMPTY_PATH ? WALK_EMPTY : 0);
}

/* fd_use: as fd_borrow, but files opened with O_PATH, which most calls refuse, are not found. */
static inline struct fdref fd_use(int fd)
{
	struct fdref r = fd_borrow(fd);

	if (r.file && unlikely(r.file->flags & O_PATH)) {
		fd_return(r);
		r.file = NULL;
		r.counted = false;
	}
	return r;
}
