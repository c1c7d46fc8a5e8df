/* Laying a cpio archive over the root, at start. */
#include "hal/base/assert.h"
#include "hal/base/dmap.h"
#include "hal/base/log.h"
#include "hal/base/string.h"
#include "kernel/fs/cpio.h"
#include "kernel/fs/inode.h"
#include "kernel/fs/ramfs.h"
#include "kernel/fs/walk.h"
#include "vm/frame.h"
#include "vm/kmem.h"

/* An inode to come back to. */
struct noted {
	struct list link;
	u64 id;              /* of the archive */
	i64 mtime;           /* ns */
	struct inode *inode; /* counted */
};

struct unpack {
	struct list links; /* struct noted: files with several names: the others will link to them */
	struct list dirs;  /* struct noted: directories, which get their times when all is in them */
	const char *error; /* what is wrong with an entry, or NULL: the errno says it */
};

/* --- data --- */

static int data_put_page(struct vmobject *o, u64 index, const u8 *data, u64 n)
{
	paddr_t pa = frame_alloc();
	int err;

	if (!pa)
		return -ENOMEM;
	memcpy(phys_to_virt(pa), data, n);
	memset((char *)phys_to_virt(pa) + n, 0, PAGE_SIZE - n);
	if ((err = object_insert(o, index, pa)) < 0)
		frame_put(pa);
	return err;
}

static int data_put(struct inode *i, const u8 *data, u64 size)
{
	int err = 0;

	object_resize(i->object, size);
	for (u64 at = 0; at < size && !err; at += PAGE_SIZE)
		err = object_space() ? data_put_page(i->object, at >> PAGE_SHIFT, data + at,
		                                     MIN(size - at, PAGE_SIZE))
		                     : -ENOSPC;
	if (!err)
		atomic_store(&i->size, size);
	ramfs_count_pages(i);
	return err;
}

/* --- names --- */

static struct inode *link_find(struct unpack *u, const struct cpio_entry *e)
{
	struct noted *f;

	if (e->nlink < 2 || S_ISDIR(e->mode))
		return NULL;
	list_for_each (f, &u->links, link)
		if (f->id == e->id)
			return f->inode;
	return NULL;
}

static int note(struct list *where, const struct cpio_entry *e, struct inode *i)
{
	struct noted *f = kmalloc(sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->id = e->id;
	f->mtime = e->mtime * (i64)NS_PER_SEC;
	f->inode = i;
	inode_get(i);
	list_push_front(where, &f->link);
	return 0;
}

static int link_remember(struct unpack *u, const struct cpio_entry *e, struct inode *i)
{
	return e->nlink < 2 || S_ISDIR(e->mode) ? 0 : note(&u->links, e, i);
}

static void notes_free(struct list *notes, bool set_times)
{
	struct noted *f, *tmp;

	list_for_each_safe (f, tmp, notes, link) {
		list_remove(&f->link);
		if (set_times)
			f->inode->mtime = f->inode->atime = f->inode->ctime = f->mtime;
		inode_put(f->inode);
		kfree(f);
	}
}

static void inode_set(struct inode *i, const struct cpio_entry *e)
{
	i->mode = S_TYPE(i->mode) | (e->mode & 07777);
	i->uid = e->uid;
	i->gid = e->gid;
	i->mtime = i->atime = i->ctime = (i64)(e->mtime * NS_PER_SEC);
}

/* entry_clear: what has the name already goes, unless both are directories. => 1: it stays; 0; an error */
static int entry_clear(struct unpack *u, struct walk *w, const struct cpio_entry *e)
{
	struct dentry *d = w->target;

	if (!d)
		return 0;
	if (S_ISDIR(d->inode->mode)) {
		if (S_ISDIR(e->mode))
			return 1;
		u->error = "a file in the place of a directory";
		return -EISDIR;
	}
	w->target = NULL;
	d->parent->inode->ops->unlink(d);
	dentry_put(d);
	return 0;
}

static int make_symlink(struct walk *w, const struct cpio_entry *e)
{
	const struct inode_ops *ops = w->parent->inode->ops;
	char *text = kmalloc(e->size + 1UL);
	int err;

	if (!text)
		return -ENOMEM;
	memcpy(text, e->data, e->size);
	text[e->size] = '\0';
	err = ops->symlink ? ops->symlink(w->parent, &w->last, text) : -EPERM;
	kfree(text);
	if (err < 0)
		return err;
	w->target = dir_find(w->parent, &w->last);
	dentry_get(w->target);
	return 0;
}

static int make_other(struct unpack *u, struct walk *w, const struct cpio_entry *e)
{
	const struct inode_ops *ops = w->parent->inode->ops;
	struct inode *first = link_find(u, e);
	int err;

	if (!ops->mknod || !ops->link)
		return -EPERM;
	if (first) {
		if ((err = ops->link(w->parent, &w->last, first)) < 0)
			return err;
		w->target = dir_find(w->parent, &w->last);
		dentry_get(w->target);
		return 0;
	}
	err = ops->mknod(w->parent, &w->last, e->mode & (S_IFMT | 07777), e->rdev, &w->target);
	return err < 0 ? err : link_remember(u, e, w->target->inode);
}

static int entry_check(struct unpack *u, const struct walk *w, const struct cpio_entry *e)
{
	static const u32 types[] = {S_IFREG, S_IFDIR, S_IFLNK, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK};
	bool known = false;

	for (u32 i = 0; i < ARRAY_SIZE(types); i++)
		known |= S_TYPE(e->mode) == types[i];
	if (!known)
		u->error = "an unknown type of file";
	else if (w->kind != LAST_NAME && !S_ISDIR(e->mode))
		u->error = "a name that is no file's";
	else if (S_ISLNK(e->mode) && (!e->size || e->size >= FS_PATH_MAX || memchr(e->data, 0, e->size)))
		u->error = "a symbolic link to nowhere";
	return u->error ? -EINVAL : 0;
}

static int entry_make(struct unpack *u, struct walk *w, const struct cpio_entry *e)
{
	int err = entry_check(u, w, e);

	if (!err)
		err = entry_clear(u, w, e);
	if (err)
		return err < 0 ? err : 0;
	return S_ISLNK(e->mode) ? make_symlink(w, e) : make_other(u, w, e);
}

static int entry_unpack(struct unpack *u, const struct cpio_entry *e)
{
	struct walk w;
	int err = walk_at(&w, AT_FDCWD, *e->name ? e->name : "/", WALK_PARENT);

	if (!err)
		err = entry_make(u, &w, e);
	if (!err && S_ISREG(e->mode) && e->size)
		err = data_put(w.target->inode, e->data, e->size);
	if (!err)
		inode_set(w.target->inode, e);
	if (!err && S_ISDIR(e->mode))
		err = note(&u->dirs, e, w.target->inode);
	walk_unlock(&w);
	return err;
}

static const char *error_text(int err)
{
	switch (err) {
	case -ENOMEM:
	case -ENOSPC:
		return "out of memory";
	case -ENOENT:
		return "a file before its directory";
	case -ENOTDIR:
		return "a file below one that is no directory";
	default:
		return "a file that cannot be made";
	}
}

static int entries_unpack(struct unpack *u, struct cpio_reader *r)
{
	struct cpio_entry e;
	int err;

	while ((err = cpio_next(r, &e)) > 0) {
		err = entry_unpack(u, &e);
		if (err < 0) {
			klog(LOG_ERROR, "initrd: %s at byte %lu: \"%s\" (error %d)",
			     u->error ? u->error : error_text(err), e.at, e.name, -err);
			return err;
		}
	}
	if (err < 0)
		klog(LOG_ERROR, "initrd: %s at byte %lu of %lu", r->error, r->error_at, r->size);
	return err;
}

int cpio_unpack(const void *data, size_t size)
{
	struct unpack u = {.error = NULL};
	struct cpio_reader r;
	int err;

	list_init(&u.links);
	list_init(&u.dirs);
	cpio_open(&r, data, size);
	err = entries_unpack(&u, &r);
	notes_free(&u.links, false);
	notes_free(&u.dirs, true);
	return err;
}
