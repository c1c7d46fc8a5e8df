/* Paths from ring 3, and what opens, makes, removes and renames by them. */
#include "kernel/sys/path.h"
#include "hal/base/string.h"
#include "kernel/abi/capability.h"
#include "kernel/fs/file.h"
#include "kernel/fs/fsctx.h"
#include "kernel/fs/inode.h"
#include "kernel/fs/perm.h"
#include "vm/kmem.h"

int upath_get(struct upath *p, ustr_t user)
{
	isize_t n;

	p->s = p->few;
	n = copyinstr(p->few, user, sizeof(p->few));
	if (n != -ENAMETOOLONG)
		return n < 0 ? n : 0;
	if (!(p->s = kmalloc(FS_PATH_MAX)))
		return -ENOMEM;
	n = copyinstr(p->s, user, FS_PATH_MAX);
	return n < 0 ? n : 0;
}

void upath_put(struct upath *p)
{
	if (p->s != p->few)
		kfree(p->s);
}

int upath_walk(struct walk *w, int dirfd, ustr_t user, u32 flags)
{
	struct upath p __cleanup(upath_put);
	int err = upath_get(&p, user);

	if (err < 0)
		return err;
	if ((err = walk_at(w, dirfd, p.s, flags)) < 0)
		walk_unlock(w);
	return err;
}

static u32 after_umask(u32 mode)
{
	return mode & ~atomic_load(&proc_current()->fs->umask);
}

/* --- open --- */

static i64 open_at(int dirfd, ustr_t path, u32 flags, u32 mode, u32 walk_flags)
{
	struct upath p __cleanup(upath_put);
	struct file *f;
	int fd, err = upath_get(&p, path);

	if (err < 0)
		return err;
	if ((fd = fd_reserve(0, flags & O_CLOEXEC)) < 0)
		return fd;
	if ((err = vfs_open_at(dirfd, p.s, flags, mode, walk_flags, &f)) < 0) {
		fd_cancel(fd);
		return err;
	}
	fd_commit(fd, f);
	return fd;
}

/* how_get: a structure that may be longer, or older, than what is known here (openat2(2), "Extensibility").
 * => 0; -EINVAL; -E2BIG; -EFAULT */
static int how_get(uaddr_t user, u64 size, struct open_how *ret)
{
	u8 more;

	if (size < sizeof(*ret))
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	if (copyin(ret, user, sizeof(*ret)) < 0)
		return -EFAULT;
	for (u64 i = sizeof(*ret); i < size; i++) {
		if (copyin(&more, UADDR(user.va + i), 1) < 0)
			return -EFAULT;
		if (more)
			return -E2BIG;
	}
	return 0;
}

#define OPEN_KNOWN                                                                                   \
	((u32)(O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_DSYNC | \
	       __O_SYNC | FASYNC | O_DIRECT | O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_NOATIME |   \
	       O_CLOEXEC | O_PATH | __O_TMPFILE))

/* how_check: unlike open, nothing unknown is passed over. Where a path may lead (RESOLVE_*) cannot be limited but to
 * what no link is part of. */
static int how_check(const struct open_how *how)
{
	bool makes = how->flags & (O_CREAT | __O_TMPFILE);

	if ((how->flags & ~(u64)OPEN_KNOWN) || (how->resolve & ~(u64)RESOLVE_NO_SYMLINKS))
		return -EINVAL;
	return how->mode & (makes ? ~07777UL : ~0UL) ? -EINVAL : 0;
}

i64 sys_openat2(int dirfd, ustr_t path, uaddr_t user, u64 size)
{
	struct open_how how;
	int err = how_get(user, size, &how);

	if (!err)
		err = how_check(&how);
	if (err < 0)
		return err;
	return open_at(dirfd, path, how.flags, how.mode,
	               how.resolve & RESOLVE_NO_SYMLINKS ? WALK_NO_LINKS : 0);
}

i64 sys_open(ustr_t path, int flags, u32 mode)
{
	return open_at(AT_FDCWD, path, flags, mode, 0);
}

i64 sys_openat(int dirfd, ustr_t path, int flags, u32 mode)
{
	return open_at(dirfd, path, flags, mode, 0);
}

i64 sys_creat(ustr_t path, u32 mode)
{
	return open_at(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode, 0);
}

/* --- making --- */

/* make_at: walk to a free name, and give it to MAKE. The path stays valid through it. */
struct make {
	u32 mode, rdev;
	const char *target;
};

static int make_at(int dirfd, ustr_t path, int (*make)(struct walk *w, const struct make *m),
                   const struct make *m)
{
	struct upath p __cleanup(upath_put);
	struct walk w;
	int err = upath_get(&p, path);

	if (err < 0)
		return err;
	err = walk_at(&w, dirfd, p.s, WALK_PARENT);
	if (!err)
		err = walk_may_create(&w);
	if (!err)
		err = make(&w, m);
	walk_unlock(&w);
	return err;
}

static int make_node(struct walk *w, const struct make *m)
{
	const struct inode_ops *ops = w->parent->inode->ops;

	if (w->slash && !S_ISDIR(m->mode))
		return -ENOENT;
	return ops->mknod ? ops->mknod(w->parent, &w->last, m->mode, m->rdev, &w->target) : -EPERM;
}

static int make_symlink(struct walk *w, const struct make *m)
{
	const struct inode_ops *ops = w->parent->inode->ops;

	if (w->slash)
		return -ENOENT;
	return ops->symlink ? ops->symlink(w->parent, &w->last, m->target) : -EPERM;
}

i64 sys_mkdirat(int dirfd, ustr_t path, u32 mode)
{
	struct make m = {.mode = S_IFDIR | after_umask(mode & 01777)};

	return make_at(dirfd, path, make_node, &m);
}

i64 sys_mkdir(ustr_t path, u32 mode)
{
	return sys_mkdirat(AT_FDCWD, path, mode);
}

i64 sys_mknodat(int dirfd, ustr_t path, u32 mode, u64 dev)
{
	u32 type = S_TYPE(mode) ? S_TYPE(mode) : S_IFREG;
	struct make m = {.mode = type | after_umask(mode & 07777), .rdev = dev};

	switch (type) {
	case S_IFREG:
	case S_IFIFO:
	case S_IFSOCK:
		m.rdev = 0;
		break;
	case S_IFCHR:
	case S_IFBLK:
		if (!perm_capable(CAP_MKNOD))
			return -EPERM;
		break;
	case S_IFDIR:
		return -EPERM;
	default:
		return -EINVAL;
	}
	return make_at(dirfd, path, make_node, &m);
}

i64 sys_mknod(ustr_t path, u32 mode, u64 dev)
{
	return sys_mknodat(AT_FDCWD, path, mode, dev);
}

i64 sys_symlinkat(ustr_t target, int newdirfd, ustr_t linkpath)
{
	struct upath p __cleanup(upath_put);
	struct make m;
	int err = upath_get(&p, target);

	if (err < 0)
		return err;
	if (!*p.s)
		return -ENOENT;
	m.target = p.s;
	return make_at(newdirfd, linkpath, make_symlink, &m);
}

i64 sys_symlink(ustr_t target, ustr_t linkpath)
{
	return sys_symlinkat(target, AT_FDCWD, linkpath);
}

/* --- linking --- */

static int link_check(struct inode *i, struct walk *to)
{
	int err = walk_may_create(to);

	if (err < 0)
		return err;
	if (to->slash)
		return -ENOENT;
	if (i->mount != to->parent->inode->mount)
		return -EXDEV;
	if (S_ISDIR(i->mode) || !to->parent->inode->ops->link)
		return -EPERM;
	if (!i->nlink && !i->linkable)
		return -ENOENT;
	return i->nlink >= 65000 ? -EMLINK : 0;
}

static int link_locked(struct walk *from, struct walk *to)
{
	struct inode *i = from->target->inode;
	int err = link_check(i, to);

	return err < 0 ? err : to->parent->inode->ops->link(to->parent, &to->last, i);
}

i64 sys_linkat(int olddirfd, ustr_t oldpath, int newdirfd, ustr_t newpath, int flags)
{
	u32 walk_flags =
	        (flags & AT_SYMLINK_FOLLOW ? WALK_FOLLOW : 0) | (flags & AT_EMPTY_PATH ? WALK_EMPTY : 0);
	struct upath old __cleanup(upath_put) = {.s = old.few}, new __cleanup(upath_put) = {.s = new.few};
	struct walk from, to;
	int err;

	if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if ((flags & AT_EMPTY_PATH) && !perm_capable(CAP_DAC_READ_SEARCH))
		return -ENOENT;
	if ((err = upath_get(&old, oldpath)) < 0 || (err = upath_get(&new, newpath)) < 0)
		return err;
	err = walk_at(&from, olddirfd, old.s, walk_flags);
	walk_clear(&to);
	if (!err)
		err = walk_at_locked(&to, newdirfd, new.s, WALK_PARENT);
	if (!err)
		err = link_locked(&from, &to);
	walk_done(&to);
	walk_unlock(&from);
	return err;
}

i64 sys_link(ustr_t oldpath, ustr_t newpath)
{
	return sys_linkat(AT_FDCWD, oldpath, AT_FDCWD, newpath, 0);
}

/* --- removing --- */

/* remove_check: what unlink and rmdir have in common. */
static int remove_check(struct walk *w)
{
	if (!w->target)
		return -ENOENT;
	if (w->target->parent != w->parent) /* a mount covers it, or it is the root of one */
		return -EBUSY;
	return perm_may_remove(w->target);
}

static int remove_commit(struct dentry *d)
{
	const struct inode_ops *ops = d->parent->inode->ops;

	return ops->unlink ? ops->unlink(d) : -EPERM;
}

static int unlink_locked(struct walk *w)
{
	int err;

	if (w->kind != LAST_NAME)
		return -EISDIR;
	if ((err = remove_check(w)) < 0)
		return err;
	if (S_ISDIR(w->target->inode->mode))
		return -EISDIR;
	return w->slash ? -ENOTDIR : remove_commit(w->target);
}

static int rmdir_locked(struct walk *w)
{
	static const int errors[] = {[LAST_DOT] = -EINVAL, [LAST_DOTDOT] = -ENOTEMPTY, [LAST_ROOT] = -EBUSY};
	int err;

	if (w->kind != LAST_NAME)
		return errors[w->kind];
	if ((err = remove_check(w)) < 0)
		return err;
	if (!S_ISDIR(w->target->inode->mode))
		return -ENOTDIR;
	if (!w->target->inode->ops->lookup && !dir_empty(w->target))
		return -ENOTEMPTY;
	return remove_commit(w->target);
}

static i64 remove_at(int dirfd, ustr_t path, int (*remove)(struct walk *w))
{
	struct upath p __cleanup(upath_put);
	struct walk w;
	int err = upath_get(&p, path);

	if (err < 0)
		return err;
	err = walk_at(&w, dirfd, p.s, WALK_PARENT);
	if (!err)
		err = remove(&w);
	walk_unlock(&w);
	return err;
}

i64 sys_unlinkat(int dirfd, ustr_t path, int flags)
{
	if (flags & ~AT_REMOVEDIR)
		return -EINVAL;
	return remove_at(dirfd, path, flags & AT_REMOVEDIR ? rmdir_locked : unlink_locked);
}

i64 sys_unlink(ustr_t path)
{
	return remove_at(AT_FDCWD, path, unlink_locked);
}

i64 sys_rmdir(ustr_t path)
{
	return remove_at(AT_FDCWD, path, rmdir_locked);
}

/* --- renaming --- */

/* dentry_within: D is TOP or lies below it. */
static bool dentry_within(const struct dentry *d, const struct dentry *top)
{
	for (; d; d = d->parent)
		if (d == top)
			return true;
	return false;
}

/* walk_mount: where the last component lies; "/" has no directory. */
static struct mount *walk_mount(const struct walk *w)
{
	return (w->parent ? w->parent : w->at)->inode->mount;
}

/* rename_check_names: whether the two names can be exchanged or moved at all. */
static int rename_check_names(struct walk *from, struct walk *to, u32 flags)
{
	bool from_dir;

	if (walk_mount(from) != walk_mount(to))
		return -EXDEV;
	if (from->kind != LAST_NAME)
		return -EBUSY;
	if (to->kind != LAST_NAME)
		return flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
	if (!from->target || (!to->target && (flags & RENAME_EXCHANGE)))
		return -ENOENT;
	if (to->target && (flags & RENAME_NOREPLACE))
		return -EEXIST;
	from_dir = S_ISDIR(from->target->inode->mode);
	if (!from_dir && (from->slash || (to->slash && !(flags & RENAME_EXCHANGE))))
		return -ENOTDIR;
	if ((flags & RENAME_EXCHANGE) && to->slash && !S_ISDIR(to->target->inode->mode))
		return -ENOTDIR;
	return 0;
}

static int rename_check_tree(struct walk *from, struct walk *to, u32 flags)
{
	if (from->target->parent != from->parent || (to->target && to->target->parent != to->parent))
		return -EBUSY;
	if (dentry_within(to->parent, from->target))
		return -EINVAL;
	if (to->target && dentry_within(from->parent, to->target))
		return flags & RENAME_EXCHANGE ? -EINVAL : -ENOTEMPTY;
	return dentry_alive(to->parent) && (to->target || !to->parent->inode->ops->lookup) ? 0 : -ENOENT;
}

/* rename_check_dir: a directory that moves gets another "..", which is a write to it. */
static int rename_check_dir(struct walk *w, struct dentry *to)
{
	if (!S_ISDIR(w->target->inode->mode) || w->parent == to)
		return 0;
	return inode_permission(w->target->inode, MAY_WRITE);
}

static int rename_check_over(struct walk *from, struct walk *to, u32 flags)
{
	bool from_dir = S_ISDIR(from->target->inode->mode), to_dir;
	int err;

	if (!to->target)
		return inode_permission(to->parent->inode, MAY_WRITE | MAY_EXEC);
	if ((err = perm_may_remove(to->target)) < 0)
		return err;
	if (flags & RENAME_EXCHANGE)
		return rename_check_dir(to, from->parent);
	to_dir = S_ISDIR(to->target->inode->mode);
	if (from_dir != to_dir)
		return from_dir ? -ENOTDIR : -EISDIR;
	return to_dir && !dir_empty(to->target) ? -ENOTEMPTY : 0;
}

static int rename_check(struct walk *from, struct walk *to, u32 flags)
{
	int err;

	if ((err = rename_check_names(from, to, flags)) < 0 || (err = rename_check_tree(from, to, flags)) < 0)
		return err;
	if (to->target && from->target->inode == to->target->inode)
		return 1;
	if ((err = perm_may_remove(from->target)) < 0 || (err = rename_check_over(from, to, flags)) < 0)
		return err;
	if ((err = rename_check_dir(from, to->parent)) < 0)
		return err;
	return from->parent->inode->ops->rename ? 0 : -EPERM;
}

/* Two names of one file: nothing happens, and that is a success. */
static int rename_locked(struct walk *from, struct walk *to, u32 flags)
{
	int err = rename_check(from, to, flags);

	if (err)
		return err < 0 ? err : 0;
	return from->parent->inode->ops->rename(from->target, to->parent, &to->last, to->target,
	                                        flags & RENAME_EXCHANGE);
}

i64 sys_renameat2(int olddirfd, ustr_t oldpath, int newdirfd, ustr_t newpath, u32 flags)
{
	struct upath old __cleanup(upath_put) = {.s = old.few}, new __cleanup(upath_put) = {.s = new.few};
	struct walk from, to;
	int err;

	if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE)) || flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	if ((err = upath_get(&old, oldpath)) < 0 || (err = upath_get(&new, newpath)) < 0)
		return err;
	err = walk_at(&from, olddirfd, old.s, WALK_PARENT);
	walk_clear(&to);
	if (!err)
		err = walk_at_locked(&to, newdirfd, new.s, WALK_PARENT);
	if (!err)
		err = rename_locked(&from, &to, flags);
	walk_done(&to);
	walk_unlock(&from);
	return err;
}

i64 sys_renameat(int olddirfd, ustr_t oldpath, int newdirfd, ustr_t newpath)
{
	return sys_renameat2(olddirfd, oldpath, newdirfd, newpath, 0);
}

i64 sys_rename(ustr_t oldpath, ustr_t newpath)
{
	return sys_renameat2(AT_FDCWD, oldpath, AT_FDCWD, newpath, 0);
}

/* --- reading links --- */

/* link_text: the text of the link D, into BUF. fs_lock not held. */
static isize_t link_text(struct dentry *d, char *buf, size_t size)
{
	const struct inode_ops *ops = d->inode->ops;
	const char *text;
	size_t n;

	if (ops->readlink)
		return ops->readlink(d, buf, size);
	text = ops->text(d->inode);
	n = MIN(strlen(text), size);
	memcpy(buf, text, n);
	return n;
}

static i64 readlink_dentry(struct dentry *d, uaddr_t buf, u64 size)
{
	char *text;
	isize_t n;

	if (!(text = kmalloc(FS_PATH_MAX)))
		return -ENOMEM;
	n = link_text(d, text, FS_PATH_MAX);
	if (n > 0) {
		n = MIN((u64)n, size);
		if (copyout(buf, text, n) < 0)
			n = -EFAULT;
		inode_accessed(d->inode);
	}
	kfree(text);
	return n;
}

i64 sys_readlinkat(int dirfd, ustr_t path, uaddr_t buf, u64 size)
{
	struct dentry *d;
	struct walk w;
	i64 n;

	if ((int)size <= 0)
		return -EINVAL;
	if ((n = upath_walk(&w, dirfd, path, WALK_EMPTY)) < 0)
		return n;
	d = w.target;
	n = w.kind == LAST_NONE ? -ENOENT : -EINVAL;
	if (!S_ISLNK(d->inode->mode)) {
		walk_unlock(&w);
		return n;
	}
	dentry_get(d);
	walk_unlock(&w);
	n = readlink_dentry(d, buf, (u32)size);
	dentry_put(d);
	return n;
}

i64 sys_readlink(ustr_t path, uaddr_t buf, u64 size)
{
	return sys_readlinkat(AT_FDCWD, path, buf, size);
}

/* --- where paths begin --- */

static int dir_enter(struct dentry *d)
{
	if (!S_ISDIR(d->inode->mode))
		return -ENOTDIR;
	return inode_permission(d->inode, MAY_EXEC);
}

i64 sys_chdir(ustr_t path)
{
	struct walk w;
	int err = upath_walk(&w, AT_FDCWD, path, WALK_FOLLOW);

	if (err < 0)
		return err;
	if ((err = dir_enter(w.target)) == 0) {
		dentry_get(w.target);
		fsctx_set_cwd(proc_current()->fs, w.target);
	}
	walk_unlock(&w);
	return err;
}

static i64 fchdir_file(struct file *f)
{
	int err;

	if (!f)
		return -EBADF;
	if (!f->dentry)
		return -ENOTDIR;
	mutex_lock(&fs_lock);
	if ((err = dir_enter(f->dentry)) == 0) {
		dentry_get(f->dentry);
		fsctx_set_cwd(proc_current()->fs, f->dentry);
	}
	mutex_unlock(&fs_lock);
	return err;
}

i64 sys_fchdir(int fd)
{
	struct fdref r = fd_borrow(fd);
	i64 err = fchdir_file(r.file);

	fd_return(r);
	return err;
}

i64 sys_chroot(ustr_t path)
{
	struct walk w;
	int err = upath_walk(&w, AT_FDCWD, path, WALK_FOLLOW);

	if (err < 0)
		return err;
	err = dir_enter(w.target);
	if (!err && !perm_capable(CAP_SYS_CHROOT))
		err = -EPERM;
	if (!err) {
		dentry_get(w.target);
		fsctx_set_root(proc_current()->fs, w.target);
	}
	walk_unlock(&w);
	return err;
}

static i64 getcwd_into(char *path, uaddr_t buf, u64 size)
{
	struct dentry *d = fsctx_cwd(proc_current()->fs);
	isize_t n = dentry_alive(d) ? dentry_path(d, path, FS_PATH_MAX) : -ENOENT;

	dentry_put(d);
	if (n < 0)
		return n;
	if ((u64)n + 1 > size)
		return -ERANGE;
	return copyout(buf, path, n + 1) < 0 ? -EFAULT : n + 1;
}

i64 sys_getcwd(uaddr_t buf, u64 size)
{
	char *path = kmalloc(FS_PATH_MAX);
	i64 n;

	if (!path)
		return -ENOMEM;
	n = getcwd_into(path, buf, size);
	kfree(path);
	return n;
}

i64 sys_umask(u32 mask)
{
	return atomic_swap(&proc_current()->fs->umask, mask & 0777);
}
