/* Open files: opening, releasing, offsets, and what the kernel itself asks of them. */
#include "kernel/fs/file.h"
#include "hal/base/assert.h"
#include "hal/base/printf.h"
#include "hal/base/string.h"
#include "kernel/fs/devfs.h"
#include "kernel/fs/epoll.h"
#include "kernel/fs/fsctx.h"
#include "kernel/fs/inode.h"
#include "kernel/fs/locks.h"
#include "kernel/fs/perm.h"
#include "kernel/fs/pipe.h"
#include "kernel/fs/ramfs.h"
#include "kernel/fs/walk.h"
#include "kernel/proc/proc.h"
#include "vm/kmem.h"

static struct kmem_cache *file_cache;

static u32 no_poll(struct file *f, struct poll_table *pt)
{
	return POLLNVAL;
}

/* O_PATH, and files that could not be opened */
static const struct file_ops no_fops = {.poll = no_poll};

void file_init(void)
{
	file_cache = kmem_cache_create("file", sizeof(struct file), 16);
}

/* file_alloc: everything but the inode. */
static struct file *file_alloc(u32 flags)
{
	struct file *f = kmem_cache_alloc(file_cache);
	u32 access = flags & O_ACCMODE;

	if (!f)
		return NULL;
	f->refs = 1;
	f->flags = flags;
	f->ops = &no_fops;
	f->inode = NULL;
	f->dentry = NULL;
	f->private = NULL;
	f->pos = 0;
	f->readable = !(flags & O_PATH) && (access == O_RDONLY || access == O_RDWR);
	f->writable = !(flags & O_PATH) && (access == O_WRONLY || access == O_RDWR);
	f->flocked = f->executed = false;
	f->watched = NULL;
	mutex_init(&f->pos_lock);
	return f;
}

struct file *file_new(struct inode *i, const struct file_ops *ops, u32 flags, void *private)
{
	struct file *f = file_alloc(flags);

	if (!f)
		return NULL;
	f->inode = i;
	f->ops = ops;
	f->private = private;
	return f;
}

/* --- writing or executing, not both --- */

/* inode_claim: one more writer (STEP 1) or program (-1). => 0; -ETXTBSY: it has some of the other kind */
static int inode_claim(struct inode *i, i32 step)
{
	i32 was = atomic_load(&i->writers);

	do {
		if (was * step < 0)
			return -ETXTBSY;
	} while (!atomic_cas(&i->writers, &was, was + step));
	return 0;
}

static void inode_unclaim(struct inode *i, i32 step)
{
	atomic_sub(&i->writers, step);
}

static bool file_claims_write(const struct file *f)
{
	return f->writable && S_ISREG(f->inode->mode);
}

static void file_leave(struct file *f)
{
	if (file_claims_write(f))
		inode_unclaim(f->inode, 1);
	if (f->executed)
		inode_unclaim(f->inode, -1);
}

void file_put(struct file *f)
{
	if (!f || !ref_put(&f->refs))
		return;
	if (f->flocked)
		locks_release_file(f);
	if (unlikely(atomic_load(&f->watched)))
		epoll_forget(f);
	if (f->inode)
		file_leave(f);
	if (f->ops->release)
		f->ops->release(f);
	if (f->dentry)
		dentry_put(f->dentry);
	else if (f->inode)
		inode_put(f->inode);
	kmem_cache_free(file_cache, f);
}

int file_open_new(struct dentry *d, u32 flags, struct file **ret)
{
	struct file *f = file_alloc(flags);

	if (!f)
		return -ENOMEM;
	dentry_get(d);
	f->dentry = d;
	f->inode = d->inode;
	f->ops = d->inode->fops;
	if (file_claims_write(f))
		inode_claim(f->inode, 1); /* nobody runs it yet */
	*ret = f;
	return 0;
}

/* --- opening --- */

static int open_check_flags(u32 *flags)
{
	if (*flags & O_PATH)
		*flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	else
		*flags |= 0100000; /* O_LARGEFILE, as a 64-bit Linux shows it */
	if ((*flags & O_TMPFILE) == O_TMPFILE)
		return (*flags & O_ACCMODE) == O_RDONLY || (*flags & O_CREAT) ? -EINVAL : 0;
	if ((*flags & __O_TMPFILE) || (*flags & (O_CREAT | O_DIRECTORY)) == (O_CREAT | O_DIRECTORY))
		return -EINVAL;
	return 0;
}

static u32 open_walk_flags(u32 flags)
{
	bool follow = !(flags & O_NOFOLLOW) && (flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL);

	return (follow ? WALK_FOLLOW : 0) | (flags & O_CREAT ? WALK_PARENT : 0);
}

static u32 mode_after_umask(u32 mode)
{
	struct fsctx *c = perm_fsctx();

	return mode & 07777 & ~(c ? atomic_load(&c->umask) : 0);
}

static int open_create(struct walk *w, u32 mode)
{
	const struct inode_ops *ops = w->parent->inode->ops;
	int err = walk_may_create(w);

	if (err < 0)
		return err;
	if (!ops->mknod)
		return -EPERM;
	return ops->mknod(w->parent, &w->last, S_IFREG | mode_after_umask(mode), 0, &w->target);
}

static u32 open_access(u32 flags)
{
	static const u32 masks[4] = {MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE, MAY_READ | MAY_WRITE};

	return masks[flags & O_ACCMODE] | (flags & O_TRUNC ? MAY_WRITE : 0);
}

static int open_check_type(u32 type, u32 flags)
{
	if ((flags & O_DIRECTORY) && type != S_IFDIR)
		return -ENOTDIR;
	if (type == S_IFLNK && !(flags & O_PATH))
		return -ELOOP;
	if (type == S_IFDIR && ((flags & O_CREAT) || (open_access(flags) & MAY_WRITE)))
		return -EISDIR;
	return 0;
}

static int open_existing(struct inode *i, u32 flags)
{
	int err;

	if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return -EEXIST;
	if ((err = open_check_type(S_TYPE(i->mode), flags)) < 0)
		return err;
	if (flags & O_PATH)
		return 0;
	if ((flags & O_NOATIME) && !inode_owned(i))
		return -EPERM;
	return inode_permission(i, open_access(flags));
}

static int open_tmpfile(struct walk *w, u32 flags, u32 mode)
{
	struct dentry *dir = w->target, *d;
	int err;

	if (!S_ISDIR(dir->inode->mode))
		return -ENOTDIR;
	if ((err = inode_permission(dir->inode, MAY_WRITE | MAY_EXEC)) < 0)
		return err;
	if (!dir->inode->ops->tmpfile)
		return -EOPNOTSUPP;
	if ((err = dir->inode->ops->tmpfile(dir, S_IFREG | mode_after_umask(mode), &d)) < 0)
		return err;
	d->inode->linkable = !(flags & O_EXCL);
	dentry_put(dir);
	w->target = d;
	return 0;
}

/* open_target: make sure that w->target is what is to be opened. */
static int open_target(struct walk *w, u32 flags, u32 mode, bool *ret_created)
{
	*ret_created = true;
	if ((flags & O_TMPFILE) == O_TMPFILE)
		return open_tmpfile(w, flags, mode);
	if ((flags & O_CREAT) && w->slash)
		return -EISDIR;
	if (!w->target)
		return open_create(w, mode);
	*ret_created = false;
	return open_existing(w->target->inode, flags);
}

/* file_set_ops: by the type of the file. fs_lock held. */
static int file_set_ops(struct file *f)
{
	if (f->flags & O_PATH)
		return 0;
	switch (S_TYPE(f->inode->mode)) {
	case S_IFCHR:
		if (!f->inode->fops)
			return devfs_open(f);
		f->ops = f->inode->fops;
		return 0;
	case S_IFIFO:
		f->ops = &fifo_fops;
		return 0;
	case S_IFREG:
	case S_IFDIR:
		f->ops = f->inode->fops;
		return 0;
	default:
		return -ENXIO;
	}
}

static int open_locked(struct walk *w, struct file *f, u32 mode, bool *ret_created)
{
	int err = open_target(w, f->flags, mode, ret_created);

	if (err < 0)
		return err;
	f->inode = w->target->inode;
	if (file_claims_write(f) && (err = inode_claim(f->inode, 1)) < 0) {
		f->inode = NULL;
		return err;
	}
	dentry_get(w->target);
	f->dentry = w->target;
	return file_set_ops(f);
}

/* open_finish: what needs no fs_lock. */
static int open_finish(struct file *f, bool created)
{
	int err = 0;

	if ((f->flags & O_TRUNC) && !created && S_ISREG(f->inode->mode) && f->inode->ops->resize)
		err = inode_resize(f->inode, 0);
	if (!err && f->ops->open)
		err = f->ops->open(f);
	if (err < 0)
		f->ops = &no_fops; /* nothing to release */
	f->flags &= ~FILE_OPEN_FLAGS;
	return err;
}

static int open_walk(struct file *f, int dirfd, const char *path, u32 mode, u32 flags, bool *ret_created)
{
	struct walk w;
	int err = walk_at(&w, dirfd, path, open_walk_flags(f->flags) | flags);

	if (!err)
		err = open_locked(&w, f, mode, ret_created);
	if (err < 0)
		f->ops = &no_fops;
	walk_unlock(&w);
	return err;
}

int vfs_open_at(int dirfd, const char *path, u32 flags, u32 mode, u32 walk_flags, struct file **ret)
{
	struct file *f;
	bool created;
	int err = open_check_flags(&flags);

	if (err < 0)
		return err;
	if (!(f = file_alloc(flags)))
		return -ENOMEM;
	err = open_walk(f, dirfd, path, mode, walk_flags, &created);
	if (!err)
		err = open_finish(f, created);
	if (err < 0) {
		file_put(f);
		return err;
	}
	*ret = f;
	return 0;
}

int vfs_open_dentry(struct dentry *d, u32 flags, struct file **ret)
{
	struct file *f;
	int err = open_check_flags(&flags);

	if (err < 0)
		return err;
	if (!(f = file_alloc(flags)))
		return -ENOMEM;
	dentry_get(d);
	f->dentry = d;
	f->inode = d->inode;
	WITH_MUTEX(&fs_lock)
	err = file_set_ops(f);
	if (!err)
		err = open_finish(f, false);
	if (err < 0) {
		file_put(f);
		return err;
	}
	*ret = f;
	return 0;
}

int vfs_open_kernel(const char *path, u32 flags, u32 mode, struct file **ret)
{
	return vfs_open_at(AT_FDCWD, path, flags, mode, 0, ret);
}

/* --- sizes and offsets --- */

void file_signal(int sig)
{
	siginfo_t info = {.si_signo = sig, .si_code = SI_USER};

	spin_lock(&proc_lock);
	info.si_pid = proc_current()->pid->nr;
	info.si_uid = proc_current()->creds.uid;
	signal_send_task(task_current(), &info);
	spin_unlock(&proc_lock);
}

int file_write_limit(u64 pos, u64 *n)
{
	struct proc *p = perm_proc();
	u64 limit = p ? p->limits[RLIMIT_FSIZE].rlim_cur : FS_SIZE_MAX;

	if ((i64)(pos + *n) < 0)
		return -EINVAL;
	if (pos >= limit) {
		if (p)
			file_signal(SIGXFSZ);
		return -EFBIG;
	}
	limit = MIN(limit, FS_SIZE_MAX);
	if (pos >= limit)
		return -EFBIG;
	*n = MIN(*n, limit - pos);
	return 0;
}

int inode_resize(struct inode *i, u64 size)
{
	u64 n = 1;
	int err;

	if (!i->ops->resize)
		return -EINVAL;
	if ((err = inode_claim(i, 1)) < 0)
		return err;
	mutex_lock(&i->lock);
	if (i->seals & (size > i->size ? F_SEAL_GROW : size < i->size ? F_SEAL_SHRINK : 0))
		err = -EPERM;
	else if (size > i->size)
		err = file_write_limit(size - 1, &n);
	if (!err)
		err = i->ops->resize(i, size);
	mutex_unlock(&i->lock);
	inode_unclaim(i, 1);
	return err;
}

static i64 seek_to(struct file *f, i64 base, i64 off)
{
	i64 to;

	if (__builtin_add_overflow(base, off, &to) || to < 0)
		return -EINVAL;
	f->pos = to;
	return to;
}

/* Linux allows a file to be all data: SEEK_DATA stays, SEEK_HOLE is the end (lseek(2)). */
static i64 seek_hole(struct file *f, i64 off, i64 size, bool hole)
{
	if (off < 0 || off >= size)
		return -ENXIO;
	f->pos = hole ? size : off;
	return f->pos;
}

i64 file_seek_data(struct file *f, i64 off, int whence)
{
	i64 size = atomic_load(&f->inode->size);

	switch (whence) {
	case SEEK_SET:
		return seek_to(f, 0, off);
	case SEEK_CUR:
		return seek_to(f, f->pos, off);
	case SEEK_END:
		return seek_to(f, size, off);
	case SEEK_DATA:
	case SEEK_HOLE:
		return seek_hole(f, off, size, whence == SEEK_HOLE);
	default:
		return -EINVAL;
	}
}

i64 dir_seek(struct file *f, i64 off, int whence)
{
	return whence == SEEK_SET || whence == SEEK_CUR ? file_seek_data(f, off, whence) : -EINVAL;
}

/* --- for the kernel --- */

isize_t file_read_kernel(struct file *f, void *buf, size_t n, u64 off)
{
	struct uio u;
	isize_t r;

	if (!f->ops->read)
		return -EINVAL;
	uio_kernel(&u, buf, n);
	while (u.resid) {
		r = f->ops->read(f, &u, &off);
		if (r < 0)
			return r;
		if (!r)
			break;
	}
	return n - u.resid;
}

int file_check_exec(struct file *f)
{
	int err;

	if (!S_ISREG(f->inode->mode) || !f->ops->object)
		return -EACCES;
	if (atomic_load(&f->inode->mount->flags) & MS_NOEXEC)
		return -EACCES;
	if ((err = inode_permission(f->inode, MAY_EXEC)) < 0)
		return err;
	if ((err = inode_claim(f->inode, -1)) < 0)
		return err;
	if (atomic_swap(&f->executed, true))
		inode_unclaim(f->inode, -1); /* it had its claim already */
	return 0;
}

int file_object(struct file *f, u32 prot, bool shared, struct vmobject **ret)
{
	struct vmobject *o = NULL;
	int err;

	if (!f->readable || (shared && (prot & PROT_WRITE) && !f->writable))
		return -EACCES;
	if (shared && (prot & PROT_WRITE) && (f->inode->seals & SEALS_WRITE))
		return -EPERM;
	if (!f->ops->object)
		return -ENODEV;
	if ((err = f->ops->object(f, &o)) < 0)
		return err;
	*ret = o;
	return 0;
}

/* --- paths --- */

/* path_prepend: "/" and the name, before *AT. */
static bool path_prepend(char *buf, char **at, const struct dentry *d)
{
	if ((size_t)(*at - buf) < (size_t)d->len + 1)
		return false;
	*at -= d->len;
	memcpy(*at, d->name, d->len);
	*--*at = '/';
	return true;
}

/* path_above: what D hangs on: its parent, or for a file system's root what it covers, not yet a step. */
static struct dentry *path_uncover(struct dentry *d, struct dentry *root)
{
	while (d != root && !d->parent && d->inode->mount->root == d && d->inode->mount->covers)
		d = d->inode->mount->covers;
	return d;
}

/* path_build: from the end of BUF backwards. => where it begins, or NULL: too long */
static char *path_build(struct dentry *d, struct dentry *root, char *buf, char *end)
{
	char *at = end;

	for (d = path_uncover(d, root); d != root && d->parent; d = path_uncover(d->parent, root))
		if (!path_prepend(buf, &at, d))
			return NULL;
	if (at == end)
		*--at = '/';
	return at;
}

static isize_t path_finish(char *buf, size_t size, char *at, char *end, const char *suffix)
{
	size_t n = end - at, more = strlen(suffix);

	if (n + more + 1 > size)
		return -ENAMETOOLONG;
	memmove(buf, at, n);
	memcpy(buf + n, suffix, more + 1);
	return n + more;
}

static bool dentry_deleted(const struct dentry *d)
{
	return d->parent && !d->linked && !d->parent->inode->ops->lookup;
}

isize_t dentry_path_from(struct dentry *d, struct dentry *root, char *buf, size_t size)
{
	char *end = buf + size, *at;

	if (!d->parent && d->inode->mount->root != d)
		return ksnprintf(buf, size, "%s", d->name);
	if (size < 2 || !(at = path_build(d, root, buf, end)))
		return -ENAMETOOLONG;
	return path_finish(buf, size, at, end, dentry_deleted(d) ? " (deleted)" : "");
}

isize_t dentry_path(struct dentry *d, char *buf, size_t size)
{
	struct fsctx *c = perm_fsctx();
	isize_t n;

	mutex_lock(&fs_lock);
	n = dentry_path_from(d, c ? c->root : mount_first->root, buf, size);
	mutex_unlock(&fs_lock);
	return n;
}

int file_kind(struct file *f, char *buf, size_t size)
{
	if (f->ops->kind)
		return ksnprintf(buf, size, "anon_inode:%s", f->ops->kind);
	return ksnprintf(buf, size, "%s:[%lu]", S_ISFIFO(f->inode->mode) ? "pipe" : "socket", f->inode->ino);
}

isize_t file_path(struct file *f, char *buf, size_t size)
{
	int n;

	if (f->dentry)
		return dentry_path(f->dentry, buf, size);
	n = file_kind(f, buf, size);
	return n < (int)size ? n : -ENAMETOOLONG;
}
