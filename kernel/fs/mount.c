/* The mounts, and what is mounted at start. */
#include "kernel/fs/mount.h"
#include "hal/base/assert.h"
#include "hal/base/string.h"
#include "kernel/abi/magic.h"
#include "kernel/fs/anon.h"
#include "kernel/fs/devfs.h"
#include "kernel/fs/file.h"
#include "kernel/fs/inode.h"
#include "kernel/fs/locks.h"
#include "kernel/fs/memfd.h"
#include "kernel/fs/mqueue.h"
#include "kernel/fs/pipe.h"
#include "kernel/fs/procfs.h"
#include "kernel/fs/ramfs.h"
#include "kernel/fs/unix.h"
#include "vm/kmem.h"

struct list mount_list = LIST_INIT(mount_list);
struct mount *mount_first;

struct mount *mount_new(const char *type, const char *source, u32 magic)
{
	static u32 count;
	struct mount *m = kzalloc(sizeof(*m));

	if (!m || !(m->source = kstrdup(source))) {
		kfree(m);
		return NULL;
	}
	m->id = atomic_add(&count, 1);
	m->dev = MAKEDEV(0, m->id);
	m->type = type;
	m->magic = magic;
	list_init(&m->link);
	return m;
}

void mount_attach(struct mount *m, struct dentry *at)
{
	m->covers = at;
	if (at)
		at->mounted = m;
	list_push_back(&mount_list, &m->link);
}

/* --- while the system runs --- */

static void mount_free(struct mount *m)
{
	kfree(m->source);
	kfree(m);
}

/* make_root => -ENODEV; -ENOMEM */
static int make_root(struct mount *m, u32 mode)
{
	if (m->magic == PROC_SUPER_MAGIC)
		m->root = procfs_root(m);
	else
		m->root = ramfs_root(m, mode);
	return m->root ? 0 : -ENOMEM;
}

int mount_make(const char *type, const char *source, u32 mode, u32 flags, struct dentry *target)
{
	static const struct {
		const char *name;
		u32 magic;
	} types[] = {{"tmpfs", TMPFS_MAGIC}, {"ramfs", RAMFS_MAGIC}, {"proc", PROC_SUPER_MAGIC}};
	struct mount *m;
	u32 i = 0;

	while (i < ARRAY_SIZE(types) && strcmp(types[i].name, type))
		i++;
	if (i == ARRAY_SIZE(types))
		return -ENODEV;
	if (!S_ISDIR(target->inode->mode))
		return -ENOTDIR;
	if (!(m = mount_new(types[i].name, source, types[i].magic)))
		return -ENOMEM;
	if (make_root(m, mode) < 0) {
		mount_free(m);
		return -ENOMEM;
	}
	m->flags = flags;
	dentry_get(target);
	mount_attach(m, target);
	return 0;
}

static struct dentry *dir_first(struct dentry *d)
{
	if (!S_ISDIR(d->inode->mode) || d->inode->ops->lookup)
		return NULL;
	return dir_from(d, 0);
}

/* tree_next: of the names below ROOT, those of a directory after it. => NULL: none is left */
static struct dentry *tree_next_name(struct dentry *d, struct dentry *root)
{
	struct dentry *next = dir_first(d);

	while (!next && d != root) {
		next = dir_next(d);
		d = d->parent;
	}
	return next;
}

/* name_busy: D is held by more than its own name, the names in it and, as ROOT, the mount. */
static bool name_busy(struct dentry *d)
{
	u32 known = 1;

	for (struct dentry *c = dir_first(d); c; c = dir_next(c))
		known++;
	return atomic_load(&d->refs) != known;
}

int mount_remove(struct mount *m)
{
	struct dentry *root = m->root, *d;

	if (m == mount_first || m == dev_mount)
		return -EBUSY;
	for (d = root; d; d = tree_next_name(d, root))
		if (name_busy(d))
			return -EBUSY;
	while ((d = dir_first(root))) {
		while (dir_first(d))
			d = dir_first(d);
		dir_remove(d);
	}
	m->covers->mounted = NULL;
	list_remove(&m->link);
	dentry_put(m->covers);
	dentry_put(root);
	mount_free(m);
	return 0;
}

/* --- at start --- */

/* mount_dir: an empty directory of the first root, to be covered. */
static struct dentry *mount_dir(const char *name)
{
	struct name n = name_of(name);
	struct dentry *d;

	if (ramfs_dir_ops.mknod(mount_first->root, &n, S_IFDIR | 0755, 0, &d) < 0)
		panic("out of memory for /%s", name);
	return d;
}

static struct mount *mount_memory(const char *type, const char *source, u32 magic, u32 mode)
{
	struct mount *m = mount_new(type, source, magic);

	if (!m || !(m->root = ramfs_root(m, mode)))
		panic("out of memory for the file systems");
	return m;
}

static void mount_all(void)
{
	struct mount *proc = mount_new("proc", "proc", PROC_SUPER_MAGIC);

	mount_first = mount_memory("tmpfs", "root", TMPFS_MAGIC, 0755);
	mount_attach(mount_first, NULL);
	dev_mount = mount_memory("devtmpfs", "devtmpfs", TMPFS_MAGIC, 0755);
	mount_attach(dev_mount, mount_dir("dev"));
	if (!proc || !(proc->root = procfs_root(proc)))
		panic("out of memory for /proc");
	mount_attach(proc, mount_dir("proc"));
}

void vfs_init(void)
{
	inode_init();
	file_init();
	locks_init();
	mutex_lock(&fs_lock);
	mount_all();
	mutex_unlock(&fs_lock);
	pipe_init();
	anon_init();
	memfd_init();
	mqueue_init();
	unix_init();
	devfs_init();
}
