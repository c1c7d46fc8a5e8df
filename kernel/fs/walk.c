/* Walking a path: one component after the other, through symbolic links and mounts.
 *
 * A link that interrupts a path leaves the rest of it on a stack; the link itself stays referenced until
 * walk_done, because its text is being read. Nothing here sleeps but for fs_lock. */
#include "kernel/fs/walk.h"
#include "hal/base/assert.h"
#include "hal/base/string.h"
#include "kernel/fs/inode.h"
#include "kernel/fs/perm.h"

static void walk_move(struct walk *w, struct dentry *to)
{
	dentry_put(w->at);
	w->at = to;
}

/* component_take: the name at *P, which is no slash; *P goes behind it and the slashes that follow. */
static struct name component_take(const char **p, bool *ret_slash)
{
	const char *s = *p, *e = s;
	u32 h = NAME_HASH_START;

	for (; *e && *e != '/'; e++)
		h = NAME_HASH_STEP(h, *e);
	*ret_slash = *e == '/';
	*p = e;
	while (**p == '/')
		(*p)++;
	return (struct name){s, e - s, h};
}

static enum walk_last component_kind(const struct name *n)
{
	if (n->s[0] != '.' || n->len > 2)
		return LAST_NAME;
	if (n->len == 1)
		return LAST_DOT;
	return n->s[1] == '.' ? LAST_DOTDOT : LAST_NAME;
}

/* cross_mounts: what covers D instead of D, if anything does. */
static struct dentry *cross_mounts(struct dentry *d)
{
	while (d->mounted) {
		struct dentry *over = d->mounted->root;

		dentry_get(over);
		dentry_put(d);
		d = over;
	}
	return d;
}

struct dentry *dentry_up(struct dentry *d, struct dentry *root)
{
	while (d != root && !d->parent && d->inode->mount->root == d && d->inode->mount->covers)
		d = d->inode->mount->covers;
	if (d != root && d->parent)
		d = d->parent;
	dentry_get(d);
	return cross_mounts(d);
}

bool dentry_alive(const struct dentry *d)
{
	return d->linked || !d->parent || d->inode->ops->lookup;
}

static int walk_lookup(struct walk *w, const struct name *n, struct dentry **ret)
{
	const struct inode_ops *ops = w->at->inode->ops;
	struct dentry *d;
	int err;

	if (n->len > FS_NAME_MAX)
		return -ENAMETOOLONG;
	if (ops->lookup) {
		if ((err = ops->lookup(w->at, n, &d)) < 0)
			return err;
	} else {
		if (!(d = dir_find(w->at, n)))
			return -ENOENT;
		dentry_get(d);
	}
	*ret = cross_mounts(d);
	return 0;
}

/* walk_jump: follow the link D (a reference, taken over) that knows its target without a text. */
static int walk_jump(struct walk *w, struct dentry *d)
{
	struct dentry *to;
	int err = d->inode->ops->follow(d, &to);

	dentry_put(d);
	if (err < 0)
		return err;
	walk_move(w, to);
	return 0;
}

/* walk_follow: go on at the text of the link D (a reference, taken over); *P is the rest of the path. */
static int walk_follow(struct walk *w, struct dentry *d, const char **p)
{
	const char *text;

	if (w->links >= FS_LINKS_MAX) {
		dentry_put(d);
		return -ELOOP;
	}
	if (d->inode->ops->follow) {
		w->links++;
		w->held[w->links - 1] = NULL;
		return walk_jump(w, d);
	}
	w->held[w->links++] = d;
	text = d->inode->ops->text(d->inode);
	if (!*text)
		return -ENOENT;
	if (**p)
		w->rest[w->depth++] = *p;
	else if (!w->depth)
		w->must_be_dir |= w->slash;
	if (*text == '/') {
		dentry_get(w->root);
		walk_move(w, w->root);
		while (*text == '/')
			text++;
	}
	*p = text;
	return 0;
}

/* walk_last_is: remember where the last component stands, for those who will change it. */
static void walk_last_is(struct walk *w, const struct name *n, enum walk_last kind)
{
	dentry_put(w->parent);
	dentry_get(w->at);
	w->parent = w->at;
	w->last = *n;
	w->kind = kind;
}

static void walk_arrive(struct walk *w)
{
	dentry_get(w->at);
	w->target = w->at;
}

static bool link_wanted(const struct walk *w, const struct dentry *d, bool last, u32 flags)
{
	if (!S_ISLNK(d->inode->mode))
		return false;
	return !last || (flags & WALK_FOLLOW) || ((w->slash || w->must_be_dir) && !(flags & WALK_PARENT));
}

/* walk_step: one component. => 0 to go on; 1 when the last component is absent; an error */
static int walk_step(struct walk *w, const char **p, u32 flags)
{
	struct name n;
	struct dentry *d;
	enum walk_last kind;
	bool last;
	int err;

	if (!S_ISDIR(w->at->inode->mode))
		return -ENOTDIR;
	if (unlikely(!perm_by_owner(w->creds, w->at->inode, MAY_EXEC)) &&
	    (err = inode_permission(w->at->inode, MAY_EXEC)) < 0)
		return err;
	n = component_take(p, &w->slash);
	kind = component_kind(&n);
	last = !**p && !w->depth;
	if (last && (flags & WALK_PARENT))
		walk_last_is(w, &n, kind);
	if (kind == LAST_DOT)
		return 0;
	if (kind == LAST_DOTDOT) {
		walk_move(w, dentry_up(w->at, w->root));
		return 0;
	}
	if ((err = walk_lookup(w, &n, &d)) < 0)
		return err == -ENOENT && last && (flags & WALK_PARENT) ? 1 : err;
	if (link_wanted(w, d, last, flags)) {
		if (!(flags & WALK_NO_LINKS))
			return walk_follow(w, d, p);
		dentry_put(d);
		return -ELOOP;
	}
	walk_move(w, d);
	return 0;
}

static int walk_run(struct walk *w, const char *p, u32 flags)
{
	bool absent = false;
	int err;

	for (;;) {
		while (!*p && w->depth)
			p = w->rest[--w->depth];
		if (!*p)
			break;
		if ((err = walk_step(w, &p, flags)) < 0)
			return err;
		absent = err;
	}
	w->slash |= w->must_be_dir;
	if (absent)
		return 0;
	if (w->slash && !(flags & WALK_PARENT) && !S_ISDIR(w->at->inode->mode))
		return -ENOTDIR;
	walk_arrive(w);
	return 0;
}

int walk_path(struct walk *w, struct dentry *root, struct dentry *start, const char *path, u32 flags)
{
	walk_clear(w);
	w->root = root;
	w->creds = perm_creds();
	w->at = *path == '/' ? root : start;
	w->kind = *path ? LAST_ROOT : LAST_NONE;
	w->slash = w->must_be_dir = false;
	dentry_get(w->at);
	if (!*path && !(flags & WALK_EMPTY))
		return -ENOENT;
	while (*path == '/')
		path++;
	return walk_run(w, path, flags);
}

void walk_done(struct walk *w)
{
	dentry_put(w->at);
	dentry_put(w->parent);
	dentry_put(w->target);
	for (u32 i = 0; i < w->links; i++)
		dentry_put(w->held[i]);
}

void walk_unlock(struct walk *w)
{
	walk_done(w);
	mutex_unlock(&fs_lock);
}

int walk_may_create(struct walk *w)
{
	if (w->kind != LAST_NAME || w->target)
		return -EEXIST;
	if (!dentry_alive(w->parent) ||
	    w->parent->inode->ops->lookup) /* N5: what is not there cannot be made */
		return -ENOENT;
	return inode_permission(w->parent->inode, MAY_WRITE | MAY_EXEC);
}
