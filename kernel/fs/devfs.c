/* The devices by number, and their nodes in /dev. Both under fs_lock. */
#include "kernel/fs/devfs.h"
#include "hal/base/assert.h"
#include "hal/base/string.h"
#include "kernel/fs/inode.h"
#include "kernel/fs/ramfs.h"
#include "vm/kmem.h"

struct device {
	struct tree_node node;      /* [n] by rdev */
	u32 rdev;                   /* [I] */
	const struct file_ops *ops; /* [I] */
	void *private;              /* [I] */
};

struct mount *dev_mount;
static struct tree devices = TREE_INIT; /* [n] */

static struct device *device_find(u32 rdev)
{
	struct tree_node *t = devices.root;

	while (t) {
		struct device *d = tree_entry(t, struct device, node);

		if (d->rdev == rdev)
			return d;
		t = rdev < d->rdev ? t->left : t->right;
	}
	return NULL;
}

static bool device_less(const struct tree_node *a, const struct tree_node *b)
{
	return tree_entry(a, struct device, node)->rdev < tree_entry(b, struct device, node)->rdev;
}

int devfs_open(struct file *f)
{
	struct device *d = device_find(f->inode->rdev);

	if (atomic_load(&f->inode->mount->flags) & MS_NODEV)
		return -EACCES;
	if (!d)
		return -ENXIO;
	f->ops = d->ops;
	f->private = d->private;
	return 0;
}

static int node_subdir(struct dentry *dir, const struct name *n, bool make, struct dentry **ret)
{
	struct dentry *d = dir_find(dir, n);

	if (!d)
		return make ? ramfs_dir_ops.mknod(dir, n, S_IFDIR | 0755, 0, ret) : -ENOENT;
	if (!S_ISDIR(d->inode->mode))
		return -ENOTDIR;
	dentry_get(d);
	*ret = d;
	return 0;
}

/* node_dir: the directory that is to hold NAME, made as needed; *RET_LAST is the name in it. => a reference */
static int node_dir(const char *name, bool make, struct dentry **ret, struct name *ret_last)
{
	struct dentry *dir = dev_mount->root, *d;
	const char *slash;
	int err;

	dentry_get(dir);
	for (; (slash = strchr(name, '/')); name = slash + 1) {
		u32 len = slash - name;
		struct name n = {name, len, name_hash(name, len)};

		err = node_subdir(dir, &n, make, &d);
		dentry_put(dir);
		if (err < 0)
			return err;
		dir = d;
	}
	*ret_last = name_of(name);
	*ret = dir;
	return 0;
}

static int node_make(const char *name, u32 mode, u32 rdev)
{
	struct dentry *dir, *d;
	struct name n;
	int err;

	if ((err = node_dir(name, true, &dir, &n)) < 0)
		return err;
	if (dir_find(dir, &n)) {
		err = -EEXIST;
	} else if ((err = ramfs_dir_ops.mknod(dir, &n, S_IFCHR | mode, rdev, &d)) == 0) {
		d->inode->mode = S_IFCHR | mode;
		dentry_put(d);
	}
	dentry_put(dir);
	return err;
}

static void node_remove(const char *name)
{
	struct dentry *dir, *d;
	struct name n;

	if (node_dir(name, false, &dir, &n) < 0)
		return;
	if ((d = dir_find(dir, &n)) && !S_ISDIR(d->inode->mode))
		ramfs_dir_ops.unlink(d);
	dentry_put(dir);
}

static int device_add(const char *name, u32 mode, struct device *d)
{
	int err;

	if (device_find(d->rdev))
		return -EEXIST;
	if (name && (err = node_make(name, mode, d->rdev)) < 0)
		return err;
	tree_insert(&devices, &d->node, device_less);
	return 0;
}

int devfs_register(const char *name, u32 mode, u32 rdev, const struct file_ops *ops, void *private)
{
	struct device *d = kmalloc(sizeof(*d));
	int err;

	if (!d)
		return -ENOMEM;
	d->rdev = rdev;
	d->ops = ops;
	d->private = private;
	mutex_lock(&fs_lock);
	err = device_add(name, mode, d);
	mutex_unlock(&fs_lock);
	if (err < 0)
		kfree(d);
	return err;
}

void devfs_unregister(const char *name, u32 rdev)
{
	struct device *d;

	mutex_lock(&fs_lock);
	d = device_find(rdev);
	if (d)
		tree_remove(&devices, &d->node);
	if (name)
		node_remove(name);
	mutex_unlock(&fs_lock);
	kfree(d);
}

static void make_link(const char *name, const char *target)
{
	struct name n = name_of(name);

	if (ramfs_dir_ops.symlink(dev_mount->root, &n, target) < 0)
		panic("out of memory for /dev/%s", name);
}

static void make_dir(const char *name, u32 mode)
{
	struct name n = name_of(name);
	struct dentry *d;

	if (ramfs_dir_ops.mknod(dev_mount->root, &n, S_IFDIR | mode, 0, &d) < 0)
		panic("out of memory for /dev/%s", name);
	dentry_put(d);
}

/* Numbers: Linux, Documentation/admin-guide/devices.txt, major 1. */
static const struct {
	const char *name;
	u32 mode, minor;
	const struct file_ops *ops;
} memory_devices[] = {
        {"null", 0666, 3, &null_fops},     {"zero", 0666, 5, &zero_fops},      {"full", 0666, 7, &full_fops},
        {"random", 0666, 8, &random_fops}, {"urandom", 0666, 9, &random_fops}, {"kmsg", 0644, 11, &kmsg_fops},
};

void devfs_init(void)
{
	for (u32 i = 0; i < ARRAY_SIZE(memory_devices); i++)
		if (devfs_register(memory_devices[i].name, memory_devices[i].mode,
		                   MAKEDEV(MEM_MAJOR, memory_devices[i].minor), memory_devices[i].ops,
		                   NULL) < 0)
			panic("out of memory for /dev/%s", memory_devices[i].name);
	mutex_lock(&fs_lock);
	make_link("fd", "/proc/self/fd");
	make_link("stdin", "/proc/self/fd/0");
	make_link("stdout", "/proc/self/fd/1");
	make_link("stderr", "/proc/self/fd/2");
	make_dir("shm", 01777);
	mutex_unlock(&fs_lock);
}
