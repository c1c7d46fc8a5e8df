/* Changing what files are: mode, owner, times, size. Under fs_lock, but for sizes. */
#include "hal/time/clock.h"
#include "kernel/abi/capability.h"
#include "kernel/abi/file.h"
#include "kernel/fs/file.h"
#include "kernel/fs/inode.h"
#include "kernel/fs/perm.h"
#include "kernel/sys/path.h"

/* A change, to be made to the file of a path or of a descriptor, with fs_lock held. */
struct change {
	int (*apply)(struct inode *i, const struct change *c);
	u32 mode, uid, gid;
	i64 atime, mtime;          /* ns */
	bool set_atime, set_mtime; /* else it stays */
	bool now;                  /* both are the present: writers may do that too */
};

static int change_inode(struct inode *i, const struct change *c)
{
	/* a file system that makes its files up keeps them as they are */
	if (!i->fops && S_ISREG(i->mode))
		return -EPERM;
	return c->apply(i, c);
}

static i64 change_at(int dirfd, ustr_t path, u32 walk_flags, const struct change *c)
{
	struct walk w;
	int err = upath_walk(&w, dirfd, path, walk_flags);

	if (err < 0)
		return err;
	err = change_inode(w.target->inode, c);
	walk_unlock(&w);
	return err;
}

static i64 change_fd(struct fdref r, const struct change *c)
{
	int err = -EBADF;

	if (r.file) {
		mutex_lock(&fs_lock);
		err = change_inode(r.file->inode, c);
		mutex_unlock(&fs_lock);
	}
	fd_return(r);
	return err;
}

/* --- mode --- */

static int apply_mode(struct inode *i, const struct change *c)
{
	const struct creds *cr = perm_creds();
	u32 mode = c->mode & 07777;

	if (!inode_owned(i))
		return -EPERM;
	if (S_ISLNK(i->mode))
		return -EOPNOTSUPP;
	if (cr && !perm_in_group(cr, i->gid) && !perm_capable(CAP_FSETID))
		mode &= ~S_ISGID;
	write_once(i->mode, S_TYPE(i->mode) | mode);
	inode_touch(i, TOUCH_CTIME);
	return 0;
}

i64 sys_fchmodat(int dirfd, ustr_t path, u32 mode)
{
	struct change c = {.apply = apply_mode, .mode = mode};

	return change_at(dirfd, path, WALK_FOLLOW, &c);
}

i64 sys_chmod(ustr_t path, u32 mode)
{
	return sys_fchmodat(AT_FDCWD, path, mode);
}

i64 sys_fchmod(int fd, u32 mode)
{
	struct change c = {.apply = apply_mode, .mode = mode};

	return change_fd(fd_use(fd), &c);
}

/* --- owner --- */

#define KEEP_ID (~0U)

static int owner_check(struct inode *i, const struct change *c)
{
	const struct creds *cr = perm_creds();

	if (perm_capable(CAP_CHOWN))
		return 0;
	if (cr->fsuid != i->uid || (c->uid != KEEP_ID && c->uid != i->uid))
		return -EPERM;
	return c->gid == KEEP_ID || c->gid == i->gid || perm_in_group(cr, c->gid) ? 0 : -EPERM;
}

static int apply_owner(struct inode *i, const struct change *c)
{
	int err = owner_check(i, c);

	if (err < 0)
		return err;
	if (c->uid != KEEP_ID)
		write_once(i->uid, c->uid);
	if (c->gid != KEEP_ID)
		write_once(i->gid, c->gid);
	if (!S_ISDIR(i->mode))
		write_once(i->mode, i->mode & ~(S_ISUID | (i->mode & S_IXGRP ? S_ISGID : 0)));
	inode_touch(i, TOUCH_CTIME);
	return 0;
}

i64 sys_fchownat(int dirfd, ustr_t path, u32 uid, u32 gid, int flags)
{
	struct change c = {.apply = apply_owner, .uid = uid, .gid = gid};

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	return change_at(dirfd, path, at_follow(flags), &c);
}

i64 sys_chown(ustr_t path, u32 uid, u32 gid)
{
	return sys_fchownat(AT_FDCWD, path, uid, gid, 0);
}

i64 sys_lchown(ustr_t path, u32 uid, u32 gid)
{
	return sys_fchownat(AT_FDCWD, path, uid, gid, AT_SYMLINK_NOFOLLOW);
}

i64 sys_fchown(int fd, u32 uid, u32 gid)
{
	struct change c = {.apply = apply_owner, .uid = uid, .gid = gid};

	return change_fd(fd_use(fd), &c);
}

/* --- times --- */

static int apply_times(struct inode *i, const struct change *c)
{
	if (!inode_owned(i)) {
		if (!c->now)
			return -EPERM;
		if (inode_permission(i, MAY_WRITE) < 0)
			return -EACCES;
	}
	if (c->set_atime)
		atomic_store(&i->atime, c->atime);
	if (c->set_mtime)
		atomic_store(&i->mtime, c->mtime);
	inode_touch(i, TOUCH_CTIME);
	return 0;
}

/* time_parse: a timespec of utimensat. A time that 64 bits of ns cannot hold becomes the nearest. */
static int time_parse(const struct timespec *ts, i64 now, i64 *ret, bool *ret_set)
{
	i64 ns;

	*ret_set = ts->tv_nsec != UTIME_OMIT;
	*ret = now;
	if (ts->tv_nsec == UTIME_OMIT || ts->tv_nsec == UTIME_NOW)
		return 0;
	if ((u64)ts->tv_nsec >= NS_PER_SEC)
		return -EINVAL;
	if (__builtin_mul_overflow(ts->tv_sec, (i64)NS_PER_SEC, &ns) ||
	    __builtin_add_overflow(ns, ts->tv_nsec, &ns))
		ns = ts->tv_sec < 0 ? INT64_MIN : INT64_MAX;
	*ret = ns;
	return 0;
}

static int times_get(uaddr_t user, struct change *c)
{
	struct timespec ts[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
	i64 now = clock_real();
	int err;

	if (user.va && copyin(ts, user, sizeof(ts)) < 0)
		return -EFAULT;
	if ((err = time_parse(&ts[0], now, &c->atime, &c->set_atime)) < 0 ||
	    (err = time_parse(&ts[1], now, &c->mtime, &c->set_mtime)) < 0)
		return err;
	c->now = ts[0].tv_nsec == UTIME_NOW && ts[1].tv_nsec == UTIME_NOW;
	return 0;
}

i64 sys_utimensat(int dirfd, ustr_t path, uaddr_t times, int flags)
{
	struct change c = {.apply = apply_times};
	int err;

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if ((err = times_get(times, &c)) < 0)
		return err;
	if (!c.set_atime && !c.set_mtime)
		return 0;
	if (!path.va && dirfd != AT_FDCWD)
		return flags ? -EINVAL : change_fd(fd_use(dirfd), &c);
	return change_at(dirfd, path, at_follow(flags), &c);
}

/* Times with microseconds, as of old. */
i64 sys_futimesat(int dirfd, ustr_t path, uaddr_t times)
{
	struct change c = {.apply = apply_times, .set_atime = true, .set_mtime = true, .now = !times.va};
	struct timeval tv[2];

	c.atime = c.mtime = clock_real();
	if (times.va) {
		if (copyin(tv, times, sizeof(tv)) < 0)
			return -EFAULT;
		if ((u64)tv[0].tv_usec >= 1000000 || (u64)tv[1].tv_usec >= 1000000)
			return -EINVAL;
		c.atime = tv[0].tv_sec * NS_PER_SEC + tv[0].tv_usec * NS_PER_USEC;
		c.mtime = tv[1].tv_sec * NS_PER_SEC + tv[1].tv_usec * NS_PER_USEC;
	}
	if (!path.va && dirfd != AT_FDCWD)
		return change_fd(fd_use(dirfd), &c);
	return change_at(dirfd, path, WALK_FOLLOW, &c);
}

i64 sys_utimes(ustr_t path, uaddr_t times)
{
	return sys_futimesat(AT_FDCWD, path, times);
}

i64 sys_utime(ustr_t path, uaddr_t times)
{
	struct change c = {.apply = apply_times, .set_atime = true, .set_mtime = true, .now = !times.va};
	i64 sec[2], now = clock_real();

	c.atime = c.mtime = now;
	if (times.va) {
		if (copyin(sec, times, sizeof(sec)) < 0)
			return -EFAULT;
		c.atime = sec[0] * NS_PER_SEC;
		c.mtime = sec[1] * NS_PER_SEC;
	}
	return change_at(AT_FDCWD, path, WALK_FOLLOW, &c);
}

/* --- size --- */

static int truncate_check(struct inode *i)
{
	if (S_ISDIR(i->mode))
		return -EISDIR;
	return S_ISREG(i->mode) ? inode_permission(i, MAY_WRITE) : -EINVAL;
}

i64 sys_truncate(ustr_t path, i64 length)
{
	struct inode *i;
	struct walk w;
	int err;

	if (length < 0)
		return -EINVAL;
	if ((err = upath_walk(&w, AT_FDCWD, path, WALK_FOLLOW)) < 0)
		return err;
	i = w.target->inode;
	err = truncate_check(i);
	inode_get(i);
	walk_unlock(&w);
	if (!err)
		err = inode_resize(i, length);
	inode_put(i);
	return err;
}

i64 sys_ftruncate(int fd, i64 length)
{
	struct fdref r = fd_use(fd);
	i64 err = -EINVAL;

	if (!r.file)
		err = -EBADF;
	else if (length >= 0 && S_ISREG(r.file->inode->mode) && r.file->writable)
		err = inode_resize(r.file->inode, length);
	fd_return(r);
	return err;
}

static int fallocate_locked(struct inode *i, int mode, u64 start, u64 end)
{
	bool clear = mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE), keep = mode & FALLOC_FL_KEEP_SIZE;
	u64 n = end - start, stop = keep ? MIN(end, i->size) : end;
	int err = 0;

	if ((clear && (i->seals & SEALS_WRITE)) || (end > i->size && !keep && (i->seals & F_SEAL_GROW)))
		return -EPERM;
	if (!keep && end > i->size)
		err = file_write_limit(end - 1, &n);
	if (!err && end > i->size && !keep)
		err = i->ops->resize(i, end);
	if (!err && start < stop)
		err = i->ops->allocate(i, start, stop, clear);
	inode_touch(i, TOUCH_MTIME | TOUCH_CTIME);
	return err;
}

static i64 fallocate_file(struct file *f, int mode, u64 start, u64 end)
{
	int err;

	if (!f || !f->writable)
		return -EBADF;
	if (S_ISFIFO(f->inode->mode))
		return -ESPIPE;
	if (!S_ISREG(f->inode->mode) || !f->inode->ops->allocate)
		return S_ISDIR(f->inode->mode) ? -EISDIR : -ENODEV;
	mutex_lock(&f->inode->lock);
	err = fallocate_locked(f->inode, mode, start, end);
	mutex_unlock(&f->inode->lock);
	return err;
}

i64 sys_fallocate(int fd, int mode, i64 offset, i64 len)
{
	struct fdref r;
	i64 err, end;

	if (offset < 0 || len <= 0)
		return -EINVAL;
	if ((mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) ||
	    (mode & (FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE)) == FALLOC_FL_PUNCH_HOLE)
		return -EOPNOTSUPP;
	if (__builtin_add_overflow(offset, len, &end) || (u64)end > FS_SIZE_MAX)
		return -EFBIG;
	r = fd_use(fd);
	err = fallocate_file(r.file, mode, offset, end);
	fd_return(r);
	return err;
}
