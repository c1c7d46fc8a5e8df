/* Root, working directory and umask. Both change with fs_lock held too, so that a walk, which holds it, may
 * borrow them. */
#include "kernel/fs/fsctx.h"
#include "kernel/fs/fdtable.h"
#include "kernel/fs/perm.h"
#include "kernel/fs/walk.h"
#include "vm/kmem.h"

static struct fsctx *fsctx_new(struct dentry *root, struct dentry *cwd, u32 umask)
{
	struct fsctx *c = kmalloc(sizeof(*c));

	if (!c)
		return NULL;
	c->refs = 1;
	spin_init(&c->lock, "fsctx", RANK_FILE);
	c->root = root;
	c->cwd = cwd;
	c->umask = umask;
	dentry_get(root);
	dentry_get(cwd);
	return c;
}

int fsctx_create(struct fsctx **ret)
{
	struct fsctx *c = fsctx_new(mount_first->root, mount_first->root, 022);

	if (!c)
		return -ENOMEM;
	*ret = c;
	return 0;
}

void fsctx_get(struct fsctx *c)
{
	ref_get(&c->refs);
}

void fsctx_put(struct fsctx *c)
{
	if (!c || !ref_put(&c->refs))
		return;
	dentry_put(c->root);
	dentry_put(c->cwd);
	kfree(c);
}

int fsctx_fork(struct fsctx *from, struct fsctx **ret)
{
	struct dentry *root = fsctx_root(from), *cwd = fsctx_cwd(from);
	struct fsctx *c = fsctx_new(root, cwd, atomic_load(&from->umask));

	dentry_put(root);
	dentry_put(cwd);
	if (!c)
		return -ENOMEM;
	*ret = c;
	return 0;
}

static struct dentry *fsctx_read(struct fsctx *c, struct dentry **where)
{
	struct dentry *d;

	spin_lock(&c->lock);
	d = *where;
	dentry_get(d);
	spin_unlock(&c->lock);
	return d;
}

static void fsctx_write(struct fsctx *c, struct dentry **where, struct dentry *d)
{
	struct dentry *old;

	spin_lock(&c->lock);
	old = *where;
	*where = d;
	spin_unlock(&c->lock);
	dentry_put(old);
}

struct dentry *fsctx_root(struct fsctx *c)
{
	return fsctx_read(c, &c->root);
}

struct dentry *fsctx_cwd(struct fsctx *c)
{
	return fsctx_read(c, &c->cwd);
}

void fsctx_set_root(struct fsctx *c, struct dentry *d)
{
	fsctx_write(c, &c->root, d);
}

void fsctx_set_cwd(struct fsctx *c, struct dentry *d)
{
	fsctx_write(c, &c->cwd, d);
}

/* walk_from_fd: start at the directory DIRFD; the file stays open while its dentry is being referenced. */
static int walk_from_fd(struct walk *w, struct dentry *root, int dirfd, const char *path, u32 flags)
{
	struct fdref r = fd_borrow(dirfd);
	int err = -EBADF;

	if (r.file && r.file->dentry)
		err = walk_path(w, root, r.file->dentry, path, flags);
	else if (r.file)
		err = -ENOTDIR;
	fd_return(r);
	return err;
}

int walk_at_locked(struct walk *w, int dirfd, const char *path, u32 flags)
{
	struct fsctx *c = perm_fsctx();
	struct dentry *root = c ? c->root : mount_first->root;

	walk_clear(w);
	if (*path == '/' || !c)
		return walk_path(w, root, root, path, flags);
	if (dirfd == AT_FDCWD)
		return walk_path(w, root, c->cwd, path, flags);
	return walk_from_fd(w, root, dirfd, path, flags);
}

int walk_at(struct walk *w, int dirfd, const char *path, u32 flags)
{
	mutex_lock(&fs_lock);
	return walk_at_locked(w, dirfd, path, flags);
}
