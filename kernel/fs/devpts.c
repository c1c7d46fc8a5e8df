/* The file system of /dev/pts. Nobody but the kernel makes or removes names in it. */
#include "kernel/fs/devpts.h"
#include "hal/base/assert.h"
#include "hal/base/printf.h"
#include "kernel/abi/magic.h"
#include "kernel/fs/devfs.h"
#include "kernel/fs/inode.h"
#include "kernel/fs/mount.h"
#include "kernel/fs/perm.h"
#include "kernel/fs/ramfs.h"

#define TTY_GID 5 /* Debian's group `tty`, as its mount option gid=5 */
#define NODE_MODE 0620

static struct mount *pts_mount; /* [I] after devpts_init */

static const struct inode_ops pts_ops = {0};

static struct dentry *pts_root(struct mount *m)
{
	struct inode *i = inode_new(m, S_IFDIR | 0755, &pts_ops, &dir_fops);
	struct name n = name_of("");
	struct dentry *d;

	if (!i)
		return NULL;
	dir_init(&i->dir);
	i->nlink = 2;
	d = dentry_new(NULL, &n, i);
	inode_put(i);
	return d;
}

void devpts_init(void)
{
	struct mount *m = mount_new("devpts", "devpts", DEVPTS_SUPER_MAGIC);
	struct name n = name_of("pts");
	struct dentry *at;

	if (!m || !(m->root = pts_root(m)))
		panic("out of memory for /dev/pts");
	mutex_lock(&fs_lock);
	if (ramfs_dir_ops.mknod(dev_mount->root, &n, S_IFDIR | 0755, 0, &at) < 0)
		panic("out of memory for /dev/pts");
	mount_attach(m, at);
	mutex_unlock(&fs_lock);
	pts_mount = m;
}

static struct inode *node_new(u32 rdev, const struct file_ops *ops)
{
	struct inode *i = inode_new(pts_mount, S_IFCHR | NODE_MODE, &pts_ops, ops);
	const struct creds *cr = perm_creds();

	if (!i)
		return NULL;
	i->rdev = rdev;
	i->gid = TTY_GID;
	if (cr)
		i->uid = cr->fsuid;
	return i;
}

int devpts_add(u32 nr, u32 rdev, const struct file_ops *ops, struct dentry **ret)
{
	struct inode *i = node_new(rdev, ops);
	char text[16];
	struct name n;
	struct dentry *d;

	if (!i)
		return -ENOMEM;
	ksnprintf(text, sizeof(text), "%u", nr);
	n = name_of(text);
	WITH_MUTEX(&fs_lock)
	{
		d = dentry_new(pts_mount->root, &n, i);
		if (d)
			dir_insert(d);
	}
	inode_put(i);
	if (!d)
		return -ENOMEM;
	*ret = d;
	return 0;
}

void devpts_remove(struct dentry *d)
{
	WITH_MUTEX(&fs_lock)
	{
		d->inode->nlink = 0;
		dir_remove(d);
	}
	dentry_put(d);
}
