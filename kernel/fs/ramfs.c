/* Files in memory.
 *
 * M1: inode->size is what readers see; it never exceeds object->size, and is raised only after the bytes
 *     before it have been written. Bytes behind it in the last page may be anything that was mapped there.
 * M2: inode->lock is held by whoever changes data or size; readers take no lock. */
#include "kernel/fs/ramfs.h"
#include "hal/base/dmap.h"
#include "hal/base/string.h"
#include "kernel/fs/file.h"
#include "kernel/fs/inode.h"
#include "kernel/fs/memfd.h"
#include "kernel/fs/perm.h"
#include "kernel/fs/walk.h"
#include "kernel/proc/proc.h"
#include "vm/frame.h"
#include "vm/kmem.h"

static u64 pages_total; /* [atomic] sum of inode->pages */

u64 ramfs_pages(void)
{
	return atomic_load(&pages_total);
}

/* inode_count_pages: bring inode->pages up to date. inode->lock held, or no reference left. */
static void inode_count_pages(struct inode *i, u64 pages)
{
	if (pages == i->pages)
		return;
	atomic_add(&pages_total, pages - i->pages);
	i->pages = pages;
}

void ramfs_count_pages(struct inode *i)
{
	inode_count_pages(i, read_once(i->object->pages));
}

/* --- names --- */

static int inode_make_data(struct inode *i)
{
	switch (S_TYPE(i->mode)) {
	case S_IFREG:
		if (object_create(0, &i->object) < 0)
			return -ENOMEM;
		i->object->keeps_free = true;
		return 0;
	case S_IFDIR:
		dir_init(&i->dir);
		i->nlink = 2;
		return 0;
	default:
		return 0;
	}
}

static const struct inode_ops *ops_of(u32 mode)
{
	switch (S_TYPE(mode)) {
	case S_IFREG:
		return &ramfs_file_ops;
	case S_IFDIR:
		return &ramfs_dir_ops;
	case S_IFLNK:
		return &ramfs_link_ops;
	default:
		return &ramfs_special_ops;
	}
}

static const struct file_ops *fops_of(u32 mode)
{
	if (S_ISREG(mode))
		return &ramfs_file_fops;
	return S_ISDIR(mode) ? &dir_fops : NULL;
}

/* The owner is the process; the group is the directory's when that has its set-group-id bit. */
static void inode_set_owner(struct inode *i, const struct inode *dir)
{
	const struct creds *cr = perm_creds();

	if (cr) {
		i->uid = cr->fsuid;
		i->gid = cr->fsgid;
	}
	if (!(dir->mode & S_ISGID))
		return;
	i->gid = dir->gid;
	if (S_ISDIR(i->mode))
		i->mode |= S_ISGID;
}

static int ramfs_inode(struct inode *dir, u32 mode, struct inode **ret)
{
	struct inode *i;
	int err;

	if (!object_space())
		return -ENOSPC;
	i = inode_new(dir->mount, mode, ops_of(mode), fops_of(mode));
	if (!i)
		return -ENOMEM;
	if ((err = inode_make_data(i)) < 0) {
		inode_put(i);
		return err;
	}
	inode_set_owner(i, dir);
	*ret = i;
	return 0;
}

static void dir_changed(struct inode *dir)
{
	inode_touch(dir, TOUCH_MTIME | TOUCH_CTIME);
}

/* ramfs_add: the name N in DIR for I, whose reference goes over. */
static int ramfs_add(struct dentry *dir, const struct name *n, struct inode *i, struct dentry **ret)
{
	struct dentry *d = dentry_new(dir, n, i);

	inode_put(i);
	if (!d)
		return -ENOMEM;
	dir_insert(d);
	if (S_ISDIR(i->mode))
		dir->inode->nlink++;
	dir_changed(dir->inode);
	*ret = d;
	return 0;
}

static int ramfs_mknod(struct dentry *dir, const struct name *n, u32 mode, u32 rdev, struct dentry **ret)
{
	struct inode *i;
	int err = ramfs_inode(dir->inode, mode, &i);

	if (err < 0)
		return err;
	i->rdev = rdev;
	return ramfs_add(dir, n, i, ret);
}

static int ramfs_tmpfile(struct dentry *dir, u32 mode, struct dentry **ret)
{
	static const struct name unnamed = {"", 0, 0};
	struct inode *i;
	struct dentry *d;
	int err = ramfs_inode(dir->inode, mode, &i);

	if (err < 0)
		return err;
	d = dentry_new(dir, &unnamed, i);
	i->nlink = 0;
	inode_put(i);
	if (!d)
		return -ENOMEM;
	*ret = d;
	return 0;
}

static int ramfs_symlink(struct dentry *dir, const struct name *n, const char *target)
{
	struct dentry *d;
	struct inode *i;
	int err = ramfs_inode(dir->inode, S_IFLNK | 0777, &i);

	if (err < 0)
		return err;
	i->link = kstrdup(target);
	if (!i->link) {
		inode_put(i);
		return -ENOMEM;
	}
	i->size = strlen(target);
	if ((err = ramfs_add(dir, n, i, &d)) < 0)
		return err;
	dentry_put(d);
	return 0;
}

static int ramfs_link(struct dentry *dir, const struct name *n, struct inode *target)
{
	struct dentry *d;
	int err;

	if (!object_space())
		return -ENOSPC;
	inode_get(target);
	if ((err = ramfs_add(dir, n, target, &d)) < 0)
		return err;
	dentry_put(d);
	target->nlink++;
	inode_touch(target, TOUCH_CTIME);
	return 0;
}

/* name_removed: I has lost its name in DIR. */
static void name_removed(struct inode *dir, struct inode *i)
{
	if (S_ISDIR(i->mode)) {
		i->nlink = 0;
		dir->nlink--;
	} else {
		i->nlink--;
	}
	inode_touch(i, TOUCH_CTIME);
}

static int ramfs_unlink(struct dentry *d)
{
	struct inode *dir = d->parent->inode;

	dentry_get(d);
	dir_remove(d);
	name_removed(dir, d->inode);
	dir_changed(dir);
	dentry_put(d);
	return 0;
}

static void dir_links_move(struct dentry *d, struct inode *from, struct inode *to)
{
	if (!S_ISDIR(d->inode->mode))
		return;
	from->nlink--;
	to->nlink++;
}

static int ramfs_exchange(struct dentry *d, const struct name *n, struct dentry *over)
{
	struct dentry *from = d->parent, *to = over->parent;
	struct name old = {d->name, d->len, d->hash};
	struct dentry_move there, back;
	char saved[FS_NAME_MAX];

	memcpy(saved, d->name, d->len);
	old.s = saved;
	if (dentry_move_prepare(&there, d, to, n) < 0)
		return -ENOMEM;
	if (dentry_move_prepare(&back, over, from, &old) < 0) {
		dentry_move_cancel(&there);
		return -ENOMEM;
	}
	dir_remove(d);
	dir_remove(over);
	dir_links_move(d, from->inode, to->inode);
	dir_links_move(over, to->inode, from->inode);
	dentry_move_commit(&there);
	dentry_move_commit(&back);
	return 0;
}

static int ramfs_replace(struct dentry *d, struct dentry *dir, const struct name *n, struct dentry *over)
{
	struct dentry_move m;

	if (dentry_move_prepare(&m, d, dir, n) < 0)
		return -ENOMEM;
	if (over) {
		dir_remove(over);
		name_removed(dir->inode, over->inode);
	}
	dir_links_move(d, d->parent->inode, dir->inode);
	dir_remove(d);
	dentry_move_commit(&m);
	return 0;
}

static int ramfs_rename(struct dentry *d, struct dentry *dir, const struct name *n, struct dentry *over,
                        bool exchange)
{
	struct inode *from = d->parent->inode;
	int err = exchange ? ramfs_exchange(d, n, over) : ramfs_replace(d, dir, n, over);

	if (err < 0)
		return err;
	dir_changed(from);
	dir_changed(dir->inode);
	inode_touch(d->inode, TOUCH_CTIME);
	if (exchange)
		inode_touch(over->inode, TOUCH_CTIME);
	return 0;
}

static void ramfs_drop_file(struct inode *i)
{
	inode_count_pages(i, 0);
	if (i->object)
		object_put(i->object);
}

static void ramfs_drop_link(struct inode *i)
{
	kfree(i->link);
}

static const char *ramfs_text(struct inode *i)
{
	return i->link;
}

struct dentry *ramfs_root(struct mount *m, u32 mode)
{
	static const struct name unnamed = {"", 0, 0};
	struct inode *i = inode_new(m, S_IFDIR | mode, &ramfs_dir_ops, &dir_fops);
	struct dentry *d;

	if (!i)
		return NULL;
	inode_make_data(i);
	d = dentry_new(NULL, &unnamed, i);
	inode_put(i);
	return d;
}

/* --- reading --- */

/* ramfs_read_page: up to N bytes at P, all in one page. => bytes, -EFAULT, or 0: cut off meanwhile */
static isize_t ramfs_read_page(struct vmobject *o, struct uio *u, u64 p, u64 n)
{
	paddr_t pa;
	isize_t r;
	int err = object_page(o, p >> PAGE_SHIFT, false, &pa);

	if (err == -ENOENT)
		return uio_out_zero(u, n);
	if (err < 0)
		return 0;
	r = uio_out(u, (char *)phys_to_virt(pa) + (p & PAGE_MASK), n);
	frame_put(pa);
	return r;
}

static isize_t ramfs_read(struct file *f, struct uio *u, u64 *pos)
{
	struct inode *i = f->inode;
	u64 size = atomic_load(&i->size), start = *pos, p = start, end;
	isize_t r = 0;

	if (p >= size)
		return (i64)(p + u->resid) < 0 ? -EINVAL : 0;
	end = p + MIN(u->resid, size - p);
	while (p < end) {
		u64 n = MIN(end - p, PAGE_SIZE - (p & PAGE_MASK));

		r = ramfs_read_page(i->object, u, p, n);
		if (r > 0)
			p += r;
		if (r != (isize_t)n)
			break;
	}
	if (p == start && end > start)
		return r;
	*pos = p;
	if (!(f->flags & O_NOATIME))
		inode_accessed(i);
	return p - start;
}

/* --- writing --- */

static isize_t ramfs_write_page(struct vmobject *o, struct uio *u, u64 p, u64 n)
{
	paddr_t pa;
	isize_t r;
	int err = object_page(o, p >> PAGE_SHIFT, true, &pa);

	if (err < 0)
		return err;
	r = uio_in(u, (char *)phys_to_virt(pa) + (p & PAGE_MASK), n);
	frame_put(pa);
	return r;
}

/* ramfs_clear: bytes [FROM, TO) of one page read as zeroes; a hole does already. */
static void ramfs_clear(struct vmobject *o, u64 from, u64 to)
{
	paddr_t pa;

	if (from >= to || object_page(o, from >> PAGE_SHIFT, false, &pa) < 0)
		return;
	memset((char *)phys_to_virt(pa) + (from & PAGE_MASK), 0, to - from);
	frame_put(pa);
}

/* ramfs_grow: make room up to END. A shared mapping may have written behind the old end: clear that. */
static void ramfs_grow(struct inode *i, u64 end)
{
	u64 size = i->size;

	object_resize(i->object, end);
	ramfs_clear(i->object, size, MIN(end, ALIGN_UP(size, PAGE_SIZE)));
}

/* ramfs_write_range: [*P, END), as far as it goes. => 0, or why it stopped */
static isize_t ramfs_write_range(struct vmobject *o, struct uio *u, u64 *p, u64 end)
{
	while (*p < end) {
		u64 n = MIN(end - *p, PAGE_SIZE - (*p & PAGE_MASK));
		isize_t r = ramfs_write_page(o, u, *p, n);

		if (r < 0)
			return r;
		*p += r;
		if ((u64)r < n)
			return -EFAULT;
	}
	return 0;
}

/* inode_written: set-id bits go when somebody else than the privileged writes. */
static void inode_written(struct inode *i)
{
	inode_touch(i, TOUCH_MTIME | TOUCH_CTIME);
	if (unlikely(i->mode & (S_ISUID | S_ISGID)) && perm_creds() && perm_creds()->fsuid)
		i->mode &= ~(S_ISUID | (i->mode & S_IXGRP ? S_ISGID : 0));
}

static isize_t ramfs_write_locked(struct inode *i, struct uio *u, u64 *pos, u64 end)
{
	u64 start = *pos, p = start;
	isize_t err;

	if (end > i->size)
		ramfs_grow(i, end);
	err = ramfs_write_range(i->object, u, &p, end);
	if (p > start && p > i->size) /* nothing was written: *POS may lie behind the end */
		atomic_store(&i->size, p);
	if (end > i->size)
		object_resize(i->object, i->size);
	ramfs_count_pages(i);
	if (p == start)
		return err;
	inode_written(i);
	*pos = p;
	return p - start;
}

static isize_t ramfs_write(struct file *f, struct uio *u, u64 *pos)
{
	struct inode *i = f->inode;
	u64 n = u->resid;
	isize_t r;

	if (!n)
		return 0;
	mutex_lock(&i->lock);
	if (f->flags & O_APPEND)
		*pos = i->size;
	r = unlikely(i->seals) ? memfd_may_write(i, *pos, &n) : 0;
	if (!r)
		r = file_write_limit(*pos, &n);
	if (!r)
		r = ramfs_write_locked(i, u, pos, *pos + n);
	mutex_unlock(&i->lock);
	return r;
}

static int ramfs_resize(struct inode *i, u64 size)
{
	if (size < i->size) {
		atomic_store(&i->size, size);
		object_resize(i->object, size);
	} else if (size > i->size) {
		ramfs_grow(i, size);
		atomic_store(&i->size, size);
	}
	ramfs_count_pages(i);
	inode_written(i);
	return 0;
}

/* ramfs_allocate: by pages, until done or a signal comes. */
static int ramfs_allocate(struct inode *i, u64 start, u64 end, bool clear)
{
	paddr_t pa;
	int err = 0;

	for (u64 at = start, next; at < end && !err; at = next) {
		next = MIN(end, ALIGN_DOWN(at, PAGE_SIZE) + PAGE_SIZE);
		if (clear)
			ramfs_clear(i->object, at, next);
		else if ((err = object_page(i->object, at >> PAGE_SHIFT, true, &pa)) == 0)
			frame_put(pa);
		if (thread_interrupted(WAIT_INTERRUPTIBLE))
			err = -EINTR;
	}
	ramfs_count_pages(i);
	return err;
}

static int ramfs_object(struct file *f, struct vmobject **ret)
{
	inode_accessed(f->inode);
	*ret = f->inode->object;
	return 0;
}

/* --- directories --- */

/* dir_iterate: 0 is ".", 1 is "..", from 2 on the cookies of the entries (newest first). */
static int dir_iterate(struct file *f, struct dir_sink *s, u64 *pos)
{
	struct dentry *dir = f->dentry, *d;

	if (!dentry_alive(dir))
		return -ENOENT;
	if (!dir_emit_dots(f, s, pos))
		return 0;
	for (d = dir_from(dir, *pos); d; d = dir_next(d)) {
		if (!dir_emit(s, d->name, d->len, d->inode->ino, d->inode->mode, d->seq + 1))
			return 0;
		*pos = d->seq + 1;
	}
	inode_accessed(dir->inode);
	return 0;
}

const struct inode_ops ramfs_dir_ops = {
        .mknod = ramfs_mknod,
        .symlink = ramfs_symlink,
        .link = ramfs_link,
        .unlink = ramfs_unlink,
        .rename = ramfs_rename,
        .tmpfile = ramfs_tmpfile,
};

const struct inode_ops ramfs_file_ops = {
        .resize = ramfs_resize,
        .allocate = ramfs_allocate,
        .drop = ramfs_drop_file,
};

const struct inode_ops ramfs_link_ops = {
        .text = ramfs_text,
        .drop = ramfs_drop_link,
};

const struct inode_ops ramfs_special_ops = {0};

const struct file_ops ramfs_file_fops = {
        .read = ramfs_read,
        .write = ramfs_write,
        .seek = file_seek_data,
        .object = ramfs_object,
};

const struct file_ops dir_fops = {
        .iterate = dir_iterate,
        .seek = dir_seek,
};
