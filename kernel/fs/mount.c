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

	if (!m)
		return NULL;
	m->id = atomic_add(&count, 1);
	m->dev = MAKEDEV(0, m->id);
	m->type = type;
	m->source = source;
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
	unix_init();
	devfs_init();
}
