/* Inodes and dentries: their life, and the trees of a directory in memory. */
#include "kernel/fs/inode.h"
#include "hal/base/assert.h"
#include "hal/base/string.h"
#include "hal/time/clock.h"
#include "kernel/fs/locks.h"
#include "vm/kmem.h"

struct mutex fs_lock = MUTEX_INIT(fs_lock);

static struct kmem_cache *inode_cache, *dentry_cache;

void inode_init(void)
{
	inode_cache = kmem_cache_create("inode", sizeof(struct inode), 16);
	dentry_cache = kmem_cache_create("dentry", sizeof(struct dentry), 16);
}

struct inode *inode_new(struct mount *m, u32 mode, const struct inode_ops *ops, const struct file_ops *fops)
{
	struct inode *i = kmem_cache_alloc(inode_cache);

	if (!i)
		return NULL;
	memset(i, 0, sizeof(*i));
	i->refs = 1;
	i->mode = mode;
	i->nlink = 1;
	i->ino = atomic_add(&m->next_ino, 1);
	i->mount = m;
	i->ops = ops;
	i->fops = fops;
	i->atime = i->mtime = i->ctime = i->btime = clock_real();
	mutex_init(&i->lock);
	list_init(&i->locks);
	return i;
}

void inode_get(struct inode *i)
{
	ref_get(&i->refs);
}

void inode_put(struct inode *i)
{
	if (!ref_put(&i->refs))
		return;
	if (i->ops->drop)
		i->ops->drop(i);
	assert(!locks_any(i)); /* every owner is gone */
	kmem_cache_free(inode_cache, i);
}

void inode_touch(struct inode *i, u32 which)
{
	i64 now = clock_real();

	if (which & TOUCH_ATIME)
		atomic_store(&i->atime, now);
	if (which & TOUCH_MTIME)
		atomic_store(&i->mtime, now);
	if (which & TOUCH_CTIME)
		atomic_store(&i->ctime, now);
}

void inode_accessed(struct inode *i)
{
	i64 now, a = atomic_load(&i->atime);

	if (a > atomic_load(&i->mtime) && a > atomic_load(&i->ctime)) {
		now = clock_real();
		if (now - a < (i64)(24 * 3600 * NS_PER_SEC) && now >= a)
			return;
	}
	inode_touch(i, TOUCH_ATIME);
}

/* --- dentries --- */

static int dentry_set_name(struct dentry *d, const struct name *n)
{
	char *s = d->short_name;

	if (n->len >= sizeof(d->short_name) && !(s = kmalloc(n->len + 1)))
		return -ENOMEM;
	memcpy(s, n->s, n->len);
	s[n->len] = '\0';
	d->name = s;
	d->len = n->len;
	d->hash = n->hash;
	return 0;
}

static void dentry_free_name(struct dentry *d)
{
	if (d->name != d->short_name)
		kfree(d->name);
}

struct dentry *dentry_new(struct dentry *dir, const struct name *n, struct inode *i)
{
	struct dentry *d = kmem_cache_alloc(dentry_cache);

	if (!d)
		return NULL;
	d->refs = 1;
	d->linked = false;
	d->mounted = NULL;
	if (dentry_set_name(d, n) < 0) {
		kmem_cache_free(dentry_cache, d);
		return NULL;
	}
	d->inode = i;
	inode_get(i);
	d->parent = dir;
	if (dir)
		dentry_get(dir);
	return d;
}

/* dentry_free: D has no reference left; what it held of its parents may have been the last, too. */
void dentry_free(struct dentry *d)
{
	struct dentry *parent;

	do {
		parent = d->parent;
		assert(!d->linked); /* N1 */
		inode_put(d->inode);
		dentry_free_name(d);
		kmem_cache_free(dentry_cache, d);
		d = parent;
	} while (d && ref_put(&d->refs));
}

/* --- the trees of a directory --- */

u32 name_hash(const char *s, u32 len)
{
	u32 h = NAME_HASH_START;

	for (u32 i = 0; i < len; i++)
		h = NAME_HASH_STEP(h, s[i]);
	return h;
}

struct name name_of(const char *s)
{
	u32 len = strlen(s);

	return (struct name){s, len, name_hash(s, len)};
}

static int name_compare(const struct name *n, const struct dentry *d)
{
	if (n->hash != d->hash)
		return n->hash < d->hash ? -1 : 1;
	if (n->len != d->len)
		return n->len < d->len ? -1 : 1;
	return memcmp(n->s, d->name, n->len);
}

struct dentry *dir_find(struct dentry *dir, const struct name *n)
{
	struct tree_node *t = dir->inode->dir.by_name.root;

	while (t) {
		struct dentry *d = tree_entry(t, struct dentry, name_node);
		int c = name_compare(n, d);

		if (!c)
			return d;
		t = c < 0 ? t->left : t->right;
	}
	return NULL;
}

static void dir_insert_name(struct dir *dir, struct dentry *d)
{
	struct name n = {d->name, d->len, d->hash};
	struct tree_node **where = &dir->by_name.root, *parent = NULL;

	while (*where) {
		parent = *where;
		where = name_compare(&n, tree_entry(parent, struct dentry, name_node)) < 0 ? &parent->left
		                                                                           : &parent->right;
	}
	tree_link(&dir->by_name, &d->name_node, parent, where);
}

/* A new name is before all others, so its place needs no search. */
static void dir_insert_seq(struct dir *dir, struct dentry *d)
{
	struct tree_node *first = dir->by_seq.first;

	d->seq = --dir->next_seq;
	tree_link(&dir->by_seq, &d->seq_node, first, first ? &first->left : &dir->by_seq.root);
}

void dir_init(struct dir *dir)
{
	*dir = (struct dir){TREE_INIT, TREE_INIT, DIR_SEQ_START};
}

void dir_insert(struct dentry *d)
{
	struct dir *dir = &d->parent->inode->dir;

	dir_insert_name(dir, d);
	dir_insert_seq(dir, d);
	d->linked = true;
	dentry_get(d);
}

void dir_remove(struct dentry *d)
{
	struct dir *dir = &d->parent->inode->dir;

	assert(d->linked);
	tree_remove(&dir->by_name, &d->name_node);
	tree_remove(&dir->by_seq, &d->seq_node);
	d->linked = false;
	dentry_put(d);
}

bool dir_empty(const struct dentry *d)
{
	return !d->inode->dir.by_seq.first;
}

struct dentry *dir_from(struct dentry *dir, u64 seq)
{
	struct tree_node *t = dir->inode->dir.by_seq.root;
	struct dentry *best = NULL;

	while (t) {
		struct dentry *d = tree_entry(t, struct dentry, seq_node);

		if (d->seq >= seq)
			best = d;
		t = d->seq >= seq ? t->left : t->right;
	}
	return best;
}

struct dentry *dir_next(struct dentry *d)
{
	struct tree_node *t = tree_next(&d->seq_node);

	return t ? tree_entry(t, struct dentry, seq_node) : NULL;
}

int dentry_move_prepare(struct dentry_move *m, struct dentry *d, struct dentry *dir, const struct name *n)
{
	m->d = d;
	m->dir = dir;
	m->name = *n;
	m->buf = NULL;
	if (n->len >= sizeof(d->short_name) && !(m->buf = kmalloc(n->len + 1)))
		return -ENOMEM;
	return 0;
}

void dentry_move_cancel(struct dentry_move *m)
{
	kfree(m->buf);
}

void dentry_move_commit(struct dentry_move *m)
{
	struct dentry *d = m->d, *old = d->parent;
	char *s = m->buf ? m->buf : d->short_name;

	dentry_free_name(d);
	memcpy(s, m->name.s, m->name.len);
	s[m->name.len] = '\0';
	d->name = s;
	d->len = m->name.len;
	d->hash = m->name.hash;
	dentry_get(m->dir);
	d->parent = m->dir;
	dir_insert(d);
	dentry_put(old);
}
