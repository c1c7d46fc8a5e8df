/* memfd_create(2). */
#include "kernel/fs/memfd.h"
#include "hal/base/assert.h"
#include "hal/base/printf.h"
#include "kernel/abi/magic.h"
#include "kernel/fs/inode.h"
#include "kernel/fs/mount.h"
#include "kernel/fs/perm.h"
#include "kernel/fs/ramfs.h"
#include "vm/aspace.h"

#define SEALS_ALL (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)

static struct mount *memfd_mount;

void memfd_init(void)
{
	memfd_mount = mount_new("tmpfs", "none", TMPFS_MAGIC);
	if (!memfd_mount)
		panic("out of memory for memfd");
}

static int memfd_inode(struct inode **ret)
{
	const struct creds *cr = perm_creds();
	struct inode *i;

	if (!object_space())
		return -ENOSPC;
	if (!(i = inode_new(memfd_mount, S_IFREG | 0777, &ramfs_file_ops, &ramfs_file_fops)))
		return -ENOMEM;
	if (object_create(0, &i->object) < 0) {
		inode_put(i);
		return -ENOMEM;
	}
	i->nlink = 0;
	if (cr) {
		i->uid = cr->fsuid;
		i->gid = cr->fsgid;
	}
	*ret = i;
	return 0;
}

/* memfd_make: TEXT is all that ever shows: it may be longer than what a path would let it be. */
static int memfd_make(const char *text, u32 seals, struct file **ret)
{
	struct name n = name_of(text);
	struct dentry *d;
	struct inode *i;
	int err = memfd_inode(&i);

	if (err < 0)
		return err;
	i->seals = seals;
	d = dentry_new(NULL, &n, i);
	inode_put(i);
	if (!d)
		return -ENOMEM;
	err = file_open_new(d, O_RDWR | O_LARGEFILE, ret);
	dentry_put(d);
	return err;
}

int memfd_open(const char *name, u32 flags, struct file **ret)
{
	char text[sizeof("/memfd: (deleted)") + MEMFD_NAME_MAX];

	ksnprintf(text, sizeof(text), "/memfd:%s (deleted)", name);
	return memfd_make(text, flags & MFD_ALLOW_SEALING ? 0 : F_SEAL_SEAL, ret);
}

int memfd_open_sized(const char *text, u64 size, struct file **ret)
{
	struct file *f;
	int err = memfd_make(text, F_SEAL_SEAL, &f);

	if (err < 0)
		return err;
	object_resize(f->inode->object, size);
	atomic_store(&f->inode->size, size);
	*ret = f;
	return 0;
}

/* --- seals --- */

static bool file_is_memfd(const struct file *f)
{
	return f->inode->mount == memfd_mount;
}

/* object_written_by_maps: some address space maps it shared, and may write. */
static bool object_written_by_maps(struct vmobject *o)
{
	struct region *r;
	bool found = false;

	spin_lock(&o->lock);
	list_for_each (r, &o->regions, object_link)
		found |= (r->flags & REGION_SHARED) && (r->max_prot & VM_WRITE);
	spin_unlock(&o->lock);
	return found;
}

i64 memfd_add_seals(struct file *f, u64 seals)
{
	struct inode *i = f->inode;
	i64 err = 0;

	if (!file_is_memfd(f) || (seals & ~(u64)SEALS_ALL))
		return -EINVAL;
	if (!f->writable)
		return -EPERM;
	mutex_lock(&i->lock);
	if (i->seals & F_SEAL_SEAL)
		err = -EPERM;
	else if ((seals & ~i->seals & F_SEAL_WRITE) && object_written_by_maps(i->object))
		err = -EBUSY;
	else
		i->seals |= seals;
	mutex_unlock(&i->lock);
	return err;
}

i64 memfd_seals(struct file *f)
{
	return file_is_memfd(f) ? (i64)f->inode->seals : -EINVAL;
}

int memfd_may_write(const struct inode *i, u64 pos, u64 *n)
{
	if (i->seals & SEALS_WRITE)
		return -EPERM;
	if (!(i->seals & F_SEAL_GROW) || pos + *n <= i->size)
		return 0;
	if (pos >= i->size)
		return -EPERM;
	*n = i->size - pos;
	return 0;
}
