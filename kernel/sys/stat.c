/* What files are: stat, statx, statfs, access, getdents. */
#include "hal/base/string.h"
#include "kernel/abi/file.h"
#include "kernel/abi/magic.h"
#include "kernel/fs/file.h"
#include "kernel/fs/perm.h"
#include "kernel/sys/path.h"
#include "kernel/sys/stat.h"
#include "vm/frame.h"

/* Facts of one inode, in no ABI's form. */
struct facts {
	u64 dev, ino, rdev, size, blocks;
	u32 mode, nlink, uid, gid;
	i64 atime, mtime, ctime, btime; /* ns */
};

static u64 inode_blocks(struct inode *i)
{
	if (S_ISREG(i->mode) && i->fops && i->fops->object)
		return read_once(i->object->pages) * (PAGE_SIZE / 512);
	return 0;
}

/* No lock: each field is one word, and stat promises no more. */
static void facts_get(struct inode *i, struct facts *f)
{
	if (i->ops->stat)
		i->ops->stat(i);
	f->dev = i->mount->dev;
	f->ino = i->ino;
	f->rdev = i->rdev;
	f->size = S_ISDIR(i->mode) && !i->ops->lookup ? PAGE_SIZE : atomic_load(&i->size);
	f->blocks = inode_blocks(i);
	f->mode = read_once(i->mode);
	f->nlink = read_once(i->nlink);
	f->uid = read_once(i->uid);
	f->gid = read_once(i->gid);
	f->atime = atomic_load(&i->atime);
	f->mtime = atomic_load(&i->mtime);
	f->ctime = atomic_load(&i->ctime);
	f->btime = i->btime;
}

struct split_time time_split(i64 ns)
{
	i64 sec = ns / (i64)NS_PER_SEC, rest = ns % (i64)NS_PER_SEC;

	if (rest < 0) {
		sec--;
		rest += NS_PER_SEC;
	}
	return (struct split_time){sec, rest};
}

static i64 stat_out(const struct facts *f, uaddr_t buf)
{
	struct split_time a = time_split(f->atime), m = time_split(f->mtime), c = time_split(f->ctime);
	struct stat st = {
	        .st_dev = f->dev,
	        .st_ino = f->ino,
	        .st_nlink = f->nlink,
	        .st_mode = f->mode,
	        .st_uid = f->uid,
	        .st_gid = f->gid,
	        .st_rdev = f->rdev,
	        .st_size = f->size,
	        .st_blksize = PAGE_SIZE,
	        .st_blocks = f->blocks,
	        .st_atime = a.sec,
	        .st_atime_nsec = a.ns,
	        .st_mtime = m.sec,
	        .st_mtime_nsec = m.ns,
	        .st_ctime = c.sec,
	        .st_ctime_nsec = c.ns,
	};

	return copyout(buf, &st, sizeof(st));
}

/* facts_at: of the file at PATH; of DIRFD itself when PATH is empty and AT_EMPTY_PATH is given. */
static int facts_at(int dirfd, ustr_t path, int flags, struct facts *ret)
{
	struct walk w;
	int err = upath_walk(&w, dirfd, path, at_follow(flags));

	if (err < 0)
		return err;
	facts_get(w.target->inode, ret);
	walk_unlock(&w);
	return 0;
}

static int facts_fd(int fd, struct facts *ret)
{
	struct fdref r = fd_borrow(fd);

	if (r.file)
		facts_get(r.file->inode, ret);
	fd_return(r);
	return r.file ? 0 : -EBADF;
}

/* path_is_empty: "" (or NULL, as newer Linux has it) with AT_EMPTY_PATH: the descriptor itself, which need not
 * have a name. */
static bool path_is_empty(ustr_t path, int flags)
{
	char c;

	if (!(flags & AT_EMPTY_PATH))
		return false;
	return !path.va || (copyin(&c, path, 1) == 0 && !c);
}

static int facts_any(int dirfd, ustr_t path, int flags, struct facts *ret)
{
	if (dirfd >= 0 && path_is_empty(path, flags))
		return facts_fd(dirfd, ret);
	return facts_at(dirfd, path, flags, ret);
}

i64 sys_stat(ustr_t path, uaddr_t statbuf)
{
	struct facts f;
	int err = facts_at(AT_FDCWD, path, 0, &f);

	return err < 0 ? err : stat_out(&f, statbuf);
}

i64 sys_lstat(ustr_t path, uaddr_t statbuf)
{
	struct facts f;
	int err = facts_at(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, &f);

	return err < 0 ? err : stat_out(&f, statbuf);
}

i64 sys_fstat(int fd, uaddr_t statbuf)
{
	struct facts f;
	int err = facts_fd(fd, &f);

	return err < 0 ? err : stat_out(&f, statbuf);
}

i64 sys_newfstatat(int dirfd, ustr_t path, uaddr_t statbuf, int flags)
{
	struct facts f;
	int err;

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH))
		return -EINVAL;
	err = facts_any(dirfd, path, flags, &f);
	return err < 0 ? err : stat_out(&f, statbuf);
}

static u32 dev_major(u64 dev)
{
	return dev >> 8 & 0xfff;
}

static u32 dev_minor(u64 dev)
{
	return (dev & 0xff) | (dev >> 12 & ~0xffU);
}

static struct statx_timestamp statx_time(i64 ns)
{
	struct split_time t = time_split(ns);

	return (struct statx_timestamp){.tv_sec = t.sec, .tv_nsec = t.ns};
}

static i64 statx_out(const struct facts *f, uaddr_t buf)
{
	struct statx sx = {
	        .stx_mask = STATX_BASIC_STATS | STATX_BTIME,
	        .stx_blksize = PAGE_SIZE,
	        .stx_nlink = f->nlink,
	        .stx_uid = f->uid,
	        .stx_gid = f->gid,
	        .stx_mode = f->mode,
	        .stx_ino = f->ino,
	        .stx_size = f->size,
	        .stx_blocks = f->blocks,
	        .stx_atime = statx_time(f->atime),
	        .stx_btime = statx_time(f->btime),
	        .stx_ctime = statx_time(f->ctime),
	        .stx_mtime = statx_time(f->mtime),
	        .stx_rdev_major = dev_major(f->rdev),
	        .stx_rdev_minor = dev_minor(f->rdev),
	        .stx_dev_major = dev_major(f->dev),
	        .stx_dev_minor = dev_minor(f->dev),
	};

	return copyout(buf, &sx, sizeof(sx));
}

i64 sys_statx(int dirfd, ustr_t path, int flags, u32 mask, uaddr_t statxbuf)
{
	struct facts f;
	int err;

	if ((mask & STATX__RESERVED) ||
	    (flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE)) ||
	    (flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE)
		return -EINVAL;
	err = facts_any(dirfd, path, flags, &f);
	return err < 0 ? err : statx_out(&f, statxbuf);
}

/* --- file systems --- */

static void statfs_fill(struct mount *m, struct statfs *st)
{
	bool data = m->magic == TMPFS_MAGIC;

	*st = (struct statfs){
	        .f_type = m->magic,
	        .f_bsize = PAGE_SIZE,
	        .f_blocks = data ? frame_total() : 0,
	        .f_bfree = data ? frame_free_count() : 0,
	        .f_bavail = data ? frame_free_count() : 0,
	        .f_files = data ? frame_total() : 0,
	        .f_ffree = data ? frame_free_count() : 0,
	        .f_fsid = {.val = {m->dev, 0}},
	        .f_namelen = FS_NAME_MAX,
	        .f_frsize = PAGE_SIZE,
	        .f_flags = ST_VALID | ST_RELATIME,
	};
}

i64 sys_statfs(ustr_t path, uaddr_t buf)
{
	struct statfs st;
	struct walk w;
	int err = upath_walk(&w, AT_FDCWD, path, WALK_FOLLOW);

	if (err < 0)
		return err;
	statfs_fill(w.target->inode->mount, &st);
	walk_unlock(&w);
	return copyout(buf, &st, sizeof(st));
}

i64 sys_fstatfs(int fd, uaddr_t buf)
{
	struct fdref r = fd_borrow(fd);
	struct statfs st;

	if (r.file)
		statfs_fill(r.file->inode->mount, &st);
	fd_return(r);
	return r.file ? copyout(buf, &st, sizeof(st)) : -EBADF;
}

/* --- access --- */

/* access_check: with the real ids (access(2)), or with the effective ones (AT_EACCESS). */
static int access_check(struct inode *i, u32 mode, bool effective)
{
	struct creds cr = proc_current()->creds;

	if (!effective) {
		cr.fsuid = cr.uid;
		cr.fsgid = cr.gid;
		if (cr.uid)
			cr.caps = 0;
	}
	return perm_check(&cr, i, mode);
}

i64 sys_faccessat2(int dirfd, ustr_t path, u32 mode, int flags)
{
	struct walk w;
	int err;

	if ((mode & ~7U) || (flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)))
		return -EINVAL;
	if ((err = upath_walk(&w, dirfd, path, at_follow(flags))) < 0)
		return err;
	err = access_check(w.target->inode, mode, flags & AT_EACCESS);
	walk_unlock(&w);
	return err;
}

i64 sys_faccessat(int dirfd, ustr_t path, u32 mode)
{
	return sys_faccessat2(dirfd, path, mode, 0);
}

i64 sys_access(ustr_t path, u32 mode)
{
	return sys_faccessat2(AT_FDCWD, path, mode, 0);
}

/* --- directories --- */

static i64 dir_read_here(struct file *f, uaddr_t buf, u64 count, bool old)
{
	i64 n;

	if (!f || !f->readable)
		return -EBADF;
	mutex_lock(&f->pos_lock);
	n = dir_read(f, buf, count, old);
	mutex_unlock(&f->pos_lock);
	return n;
}

static i64 dir_read_fd(int fd, uaddr_t buf, u64 count, bool old)
{
	struct fdref r = fd_use(fd);
	i64 n = dir_read_here(r.file, buf, (u32)count, old);

	fd_return(r);
	return n;
}

i64 sys_getdents64(int fd, uaddr_t buf, u64 count)
{
	return dir_read_fd(fd, buf, count, false);
}

i64 sys_getdents(int fd, uaddr_t buf, u64 count)
{
	return dir_read_fd(fd, buf, count, true);
}
