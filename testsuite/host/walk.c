/* with: kernel/fs/walk.c kernel/fs/inode.c kernel/fs/ramfs.c hal/base/tree.c hal/base/string.c */
/* Names in memory and the walk of paths through them, without the kernel below: one thread, memory from the C
 * library (which sees what leaks), and a permission check that denies what a test says. */
#include <stdio.h>
#include <string.h>
#include "hal/base/assert.h"
#include "kernel/fs/file.h"
#include "kernel/fs/inode.h"
#include "kernel/fs/memfd.h"
#include "kernel/fs/perm.h"
#include "kernel/fs/ramfs.h"
#include "kernel/fs/walk.h"
#include "testsuite/host/tap.h"
#include "vm/frame.h"
#include "vm/kmem.h"

/* <stdlib.h> brings types that are the kernel's ABI's here */
void *malloc(size_t size);
void free(void *p);
void abort(void) __noreturn;
int atoi(const char *s);

/* --- what lies below --- */

u64 dmap_base;
static struct inode *denied; /* whose search permission is missing */
static i64 now = 1000;
static i32 memory_left = -1; /* allocations until memory runs out; -1: never */

static void *memory(size_t size)
{
	if (!memory_left)
		return NULL;
	memory_left -= memory_left > 0;
	return malloc(size);
}

struct kmem_cache {
	size_t size;
};
struct kmem_cache *kmem_cache_create(const char *name, size_t size, size_t align)
{
	static struct kmem_cache caches[8];
	static u32 count;

	caches[count].size = size;
	return &caches[count++];
}
void *kmem_cache_alloc(struct kmem_cache *c)
{
	return memory(c->size);
}
void kmem_cache_free(struct kmem_cache *c, void *p)
{
	free(p);
}
void *kmalloc(size_t size)
{
	return memory(size);
}
void kfree(void *p)
{
	free(p);
}
char *kstrdup(const char *s)
{
	char *p = memory(strlen(s) + 1);

	return p ? strcpy(p, s) : NULL;
}
void mutex_init(struct mutex *m)
{
}
void mutex_wait(struct mutex *m)
{
}
void waitq_init(struct waitq *q)
{
}
u32 waitq_wake_one(struct waitq *q)
{
	return 0;
}
bool thread_interrupted(enum wait_how how)
{
	return false;
}
u64 clock_real(void)
{
	return now;
}
void panic(const char *fmt, ...)
{
	printf("# panic: %s\n", fmt);
	abort();
}
u64 frame_total(void)
{
	return 1000;
}
u64 frame_free_count(void)
{
	return 500;
}
void frame_put(paddr_t pa)
{
}
int object_create(u64 size, struct vmobject **ret)
{
	struct vmobject *o = memory(sizeof(*o));

	if (!o)
		return -ENOMEM;
	o->pages = 0;
	*ret = o;
	return 0;
}
bool object_space(void)
{
	return true;
}

int memfd_may_write(const struct inode *i, u64 pos, u64 *n)
{
	return 0;
}

void object_put(struct vmobject *o)
{
	free(o);
}
int object_page(struct vmobject *o, u64 index, bool create, paddr_t *ret_pa)
{
	return -ENOENT;
}
void object_resize(struct vmobject *o, u64 size)
{
}
isize_t uio_in(struct uio *u, void *dst, size_t n)
{
	return 0;
}
isize_t uio_out(struct uio *u, const void *src, size_t n)
{
	return 0;
}
isize_t uio_out_zero(struct uio *u, size_t n)
{
	return 0;
}
void locks_free(struct inode *i)
{
}
const struct creds *perm_creds(void)
{
	static const struct creds stranger = {.fsuid = 1};

	return &stranger;
}
int inode_permission(struct inode *i, u32 mask)
{
	return i == denied ? -EACCES : 0;
}
int file_write_limit(u64 pos, u64 *n)
{
	return 0;
}
i64 file_seek_data(struct file *f, i64 off, int whence)
{
	return 0;
}
i64 dir_seek(struct file *f, i64 off, int whence)
{
	return 0;
}
bool dir_emit(struct dir_sink *s, const char *name, size_t len, u64 ino, u32 mode, u64 next)
{
	return false;
}
bool dir_emit_dots(struct file *f, struct dir_sink *s, u64 *pos)
{
	return false;
}

/* --- a small tree --- */

static struct mount root_mount, other_mount;

static struct dentry *make(struct dentry *dir, const char *name, u32 mode)
{
	struct name n = name_of(name);
	struct dentry *d;

	if (dir->inode->ops->mknod(dir, &n, mode, 0, &d) < 0)
		abort();
	dentry_put(d);
	return d; /* linked, so it stays */
}

static void make_link(struct dentry *dir, const char *name, const char *text)
{
	struct name n = name_of(name);

	if (dir->inode->ops->symlink(dir, &n, text) < 0)
		abort();
}

static void remove_all(struct dentry *dir)
{
	struct dentry *d;

	while ((d = dir_from(dir, 0))) {
		if (S_ISDIR(d->inode->mode))
			remove_all(d);
		dir->inode->ops->unlink(d);
	}
}

/*	/a/b/file  /a/link -> b/file  /a/up -> ..  /abs -> /a/b  /loop -> loop  /dangling -> a/none  /slash -> a/b/
 *	/tofile -> a/b/file/  /mnt, which a mount with /in/f covers */
static void build(void)
{
	struct dentry *a, *b, *mnt;

	root_mount.root = ramfs_root(&root_mount, 0755);
	other_mount.root = ramfs_root(&other_mount, 0755);
	a = make(root_mount.root, "a", S_IFDIR | 0755);
	b = make(a, "b", S_IFDIR | 0755);
	make(b, "file", S_IFREG | 0644);
	mnt = make(root_mount.root, "mnt", S_IFDIR | 0755);
	dentry_get(mnt);
	other_mount.covers = mnt;
	mnt->mounted = &other_mount;
	make(make(other_mount.root, "in", S_IFDIR | 0755), "f", S_IFREG | 0644);
	make_link(a, "link", "b/file");
	make_link(a, "up", "..");
	make_link(root_mount.root, "abs", "/a/b");
	make_link(root_mount.root, "loop", "loop");
	make_link(root_mount.root, "dangling", "a/none");
	make_link(root_mount.root, "slash", "a/b/");
	make_link(root_mount.root, "tofile", "a/b/file/");
}

static void tear_down(void)
{
	other_mount.covers->mounted = NULL;
	dentry_put(other_mount.covers);
	other_mount.covers = NULL;
	remove_all(other_mount.root);
	remove_all(root_mount.root);
	dentry_put(other_mount.root);
	dentry_put(root_mount.root);
}

/* path_of: of what a walk arrived at. */
static void path_of(struct dentry *d, char *buf)
{
	char rest[256] = "";

	for (;;) {
		char next[256];

		while (!d->parent && d->inode->mount->covers)
			d = d->inode->mount->covers;
		if (!d->parent)
			break;
		snprintf(next, sizeof(next), "/%s%s", d->name, rest);
		strcpy(rest, next);
		d = d->parent;
	}
	strcpy(buf, *rest ? rest : "/");
}

struct expectation {
	const char *path;
	u32 flags;
	int error;        /* or */
	const char *want; /* where it ends; with WALK_PARENT "" if the name is free */
};

static const struct expectation expectations[] = {
        {"", 0, -ENOENT, NULL},
        {"", WALK_EMPTY, .want = "/a"},
        {"/", 0, .want = "/"},
        {"////", 0, .want = "/"},
        {".", 0, .want = "/a"},
        {"..", 0, .want = "/"},
        {"../..", 0, .want = "/"},
        {"b", 0, .want = "/a/b"},
        {"b/", 0, .want = "/a/b"},
        {"./b//file", 0, .want = "/a/b/file"},
        {"/a/b/file/", 0, -ENOTDIR, NULL},
        {"/a/b/file/x", 0, -ENOTDIR, NULL},
        {"/a/b/file/.", 0, -ENOTDIR, NULL},
        {"/a/b/file/..", 0, -ENOTDIR, NULL},
        {"/a/none", 0, -ENOENT, NULL},
        {"/none/x", 0, -ENOENT, NULL},
        {"/a/b/.././b/../b/file", 0, .want = "/a/b/file"},
        {"link", 0, .want = "/a/link"},
        {"link", WALK_FOLLOW, .want = "/a/b/file"},
        {"link/", 0, -ENOTDIR, NULL},
        {"/a/link/x", 0, -ENOTDIR, NULL},
        {"up", WALK_FOLLOW, .want = "/"},
        {"up/", 0, .want = "/"},
        {"up/a/up/a/b", 0, .want = "/a/b"},
        {"/abs", 0, .want = "/abs"},
        {"/abs/", 0, .want = "/a/b"},
        {"/abs/file", 0, .want = "/a/b/file"},
        {"/abs/..", 0, .want = "/a"},
        {"/slash", WALK_FOLLOW, .want = "/a/b"},
        {"/slash/file", 0, .want = "/a/b/file"},
        {"/tofile", WALK_FOLLOW, -ENOTDIR, NULL},
        {"/loop", 0, .want = "/loop"},
        {"/loop", WALK_FOLLOW, -ELOOP, NULL},
        {"/loop/", 0, -ELOOP, NULL},
        {"/loop/x", 0, -ELOOP, NULL},
        {"/dangling", WALK_FOLLOW, -ENOENT, NULL},
        {"/dangling", 0, .want = "/dangling"},
        {"/mnt", 0, .want = "/mnt"},
        {"/mnt/in/f", 0, .want = "/mnt/in/f"},
        {"/mnt/..", 0, .want = "/"},
        {"/mnt/in/../../mnt/in", 0, .want = "/mnt/in"},
        {"/mnt/in/../../a/link", WALK_FOLLOW, .want = "/a/b/file"},
        {"/abs", WALK_NO_LINKS, .want = "/abs"},
        {"/abs/file", WALK_NO_LINKS, -ELOOP, NULL},
        {"new", WALK_PARENT, .want = ""},
        {"new/", WALK_PARENT, .want = ""},
        {"new/x", WALK_PARENT, -ENOENT, NULL},
        {"b", WALK_PARENT, .want = "/a/b"},
        {"b/file/", WALK_PARENT, .want = "/a/b/file"},
        {"link", WALK_PARENT, .want = "/a/link"},
        {"link/", WALK_PARENT, .want = "/a/link"},
        {"link", WALK_PARENT | WALK_FOLLOW, .want = "/a/b/file"},
        {"/dangling", WALK_PARENT | WALK_FOLLOW, .want = ""},
        {"/loop", WALK_PARENT | WALK_FOLLOW, -ELOOP, NULL},
};

static bool expect(const struct expectation *e)
{
	struct dentry *a = dir_find(root_mount.root, &(struct name){"a", 1, name_hash("a", 1)});
	char got[512] = "";
	struct walk w;
	int err = walk_path(&w, root_mount.root, a, e->path, e->flags);
	bool ok = err == e->error;

	if (!err && w.target)
		path_of(w.target, got);
	walk_done(&w);
	ok = ok && (err || !strcmp(got, e->want));
	if (!ok)
		printf("# \"%s\" %u: %d \"%s\"\n", e->path, e->flags, err, got);
	return ok;
}

static bool test_walks(void)
{
	bool ok = true;

	build();
	for (u32 i = 0; i < ARRAY_SIZE(expectations); i++)
		ok &= expect(&expectations[i]);
	tear_down();
	return ok;
}

static bool test_parent(void)
{
	struct walk w;
	char path[512];
	bool ok;

	build();
	walk_path(&w, root_mount.root, root_mount.root, "/dangling", WALK_PARENT | WALK_FOLLOW);
	path_of(w.parent, path);
	ok = !strcmp(path, "/a") && w.last.len == 4 && !memcmp(w.last.s, "none", 4) && w.kind == LAST_NAME &&
	     !w.slash;
	walk_done(&w);
	walk_path(&w, root_mount.root, root_mount.root, "/a/b/../", WALK_PARENT);
	ok &= w.kind == LAST_DOTDOT && w.slash;
	walk_done(&w);
	walk_path(&w, root_mount.root, root_mount.root, "/tofile", WALK_PARENT | WALK_FOLLOW);
	ok &= w.slash && w.target;
	walk_done(&w);
	walk_path(&w, root_mount.root, root_mount.root, "//", WALK_PARENT);
	ok &= w.kind == LAST_ROOT;
	walk_done(&w);
	tear_down();
	return ok;
}

static bool test_root_is_a_wall(void)
{
	struct dentry *a;
	char path[512];
	struct walk w;
	bool ok;

	build();
	a = dir_find(root_mount.root, &(struct name){"a", 1, name_hash("a", 1)});
	walk_path(&w, a, a, "/../../up/../b", 0);
	path_of(w.at, path);
	ok = !strcmp(path, "/a/b");
	walk_done(&w);
	walk_path(&w, a, a, "/up", WALK_FOLLOW);
	ok &= w.target == a;
	walk_done(&w);
	tear_down();
	return ok;
}

static bool test_links_limit(void)
{
	char name[16], text[16];
	struct walk w;
	bool ok;

	build();
	make(root_mount.root, "l0", S_IFREG | 0644);
	for (u32 i = 1; i <= FS_LINKS_MAX + 1; i++) {
		snprintf(name, sizeof(name), "l%u", i);
		snprintf(text, sizeof(text), "l%u", i - 1);
		make_link(root_mount.root, name, text);
	}
	ok = walk_path(&w, root_mount.root, root_mount.root, "l40", WALK_FOLLOW) == 0;
	walk_done(&w);
	ok &= walk_path(&w, root_mount.root, root_mount.root, "l41", WALK_FOLLOW) == -ELOOP;
	walk_done(&w);
	tear_down();
	return ok;
}

static bool test_name_length(void)
{
	struct dentry *top;
	char path[600];
	struct walk w;
	bool ok;

	build();
	top = root_mount.root;
	memset(path, 'n', sizeof(path));
	path[256] = '\0';
	ok = walk_path(&w, top, top, path, WALK_PARENT) == -ENAMETOOLONG;
	walk_done(&w);
	path[255] = '\0';
	ok &= walk_path(&w, top, top, path, WALK_PARENT) == 0;
	walk_done(&w);
	make(top, path, S_IFREG | 0644);
	ok &= walk_path(&w, top, top, path, 0) == 0;
	walk_done(&w);
	tear_down();
	return ok;
}

static bool test_permission(void)
{
	struct walk w;
	bool ok;

	build();
	denied = dir_find(root_mount.root, &(struct name){"a", 1, name_hash("a", 1)})->inode;
	denied->uid = 2;
	ok = walk_path(&w, root_mount.root, root_mount.root, "/a", 0) == 0;
	walk_done(&w);
	ok &= walk_path(&w, root_mount.root, root_mount.root, "/a/b", 0) == -EACCES;
	walk_done(&w);
	ok &= walk_path(&w, root_mount.root, root_mount.root, "/a/..", 0) == -EACCES;
	walk_done(&w);
	ok &= walk_path(&w, root_mount.root, root_mount.root, "/abs", WALK_FOLLOW) == -EACCES;
	walk_done(&w);
	denied = NULL;
	tear_down();
	return ok;
}

/* --- directories --- */

#define NAMES 400

static u64 seed = 88172645463325252;

static u32 dice(u32 sides)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % sides;
}

static struct dentry *number_find(struct dentry *dir, u32 nr)
{
	char text[16];
	struct name n;

	snprintf(text, sizeof(text), "name-%u", nr);
	n = name_of(text);
	return dir_find(dir, &n);
}

static void number_flip(struct dentry *dir, u32 nr)
{
	struct dentry *d = number_find(dir, nr);
	char text[16];

	snprintf(text, sizeof(text), "name-%u", nr);
	if (d)
		dir->inode->ops->unlink(d);
	else
		make(dir, text, S_IFREG | 0644);
}

/* What is there from the beginning of a listing to its end is listed once, whatever else comes and goes. */
static bool test_cookies(void)
{
	u32 seen[NAMES] = {0};
	bool touched[NAMES] = {0}, ok = true;
	struct dentry *dir, *d;
	u64 pos = 0;

	build();
	dir = make(root_mount.root, "dir", S_IFDIR | 0755);
	printf("# seed %lu\n", seed);
	for (u32 i = 0; i < NAMES; i++)
		number_flip(dir, i);
	while ((d = dir_from(dir, pos))) {
		seen[atoi(d->name + 5)]++;
		pos = d->seq + 1;
		for (u32 n = dice(4); n; n--) {
			u32 nr = dice(NAMES);

			touched[nr] = true;
			number_flip(dir, nr);
		}
	}
	for (u32 i = 0; i < NAMES; i++)
		ok &= touched[i] || seen[i] == 1;
	tear_down();
	return ok;
}

static bool order_holds(struct dentry *dir, const bool *there)
{
	u64 last = 0;
	u32 count = 0, want = 0;

	for (struct dentry *d = dir_from(dir, 0); d; d = dir_next(d)) {
		if (d->seq <= last || !there[atoi(d->name + 5)])
			return false;
		last = d->seq;
		count++;
	}
	for (u32 i = 0; i < NAMES; i++) {
		want += there[i];
		if (!!number_find(dir, i) != there[i])
			return false;
	}
	return count == want;
}

static bool test_directory_model(void)
{
	bool there[NAMES] = {0}, ok = true;
	struct dentry *dir;

	build();
	dir = make(root_mount.root, "dir", S_IFDIR | 0755);
	for (u32 i = 0; i < 20000 && ok; i++) {
		u32 nr = dice(NAMES);

		number_flip(dir, nr);
		there[nr] = !there[nr];
		if (i % 500 == 0)
			ok = order_holds(dir, there);
	}
	tear_down();
	return ok;
}

/* --- changing names --- */

static struct dentry *at(const char *path)
{
	struct dentry *d = NULL;
	struct walk w;

	if (walk_path(&w, root_mount.root, root_mount.root, path, 0) == 0)
		d = w.target;
	walk_done(&w);
	return d;
}

static int rename_to(const char *from, const char *dir, const char *name, const char *over, bool exchange)
{
	struct dentry *d = at(from), *o = over ? at(over) : NULL;
	struct name n = name_of(name);
	int err;

	dentry_get(d);
	if (o)
		dentry_get(o);
	err = root_mount.root->inode->ops->rename(d, at(dir), &n, o, exchange);
	dentry_put(d);
	dentry_put(o);
	return err;
}

#define LONG_NAME "a-name-that-is-too-long-to-lie-within-the-dentry-itself"

static bool test_rename(void)
{
	struct inode *file;
	bool ok;

	build();
	file = at("/a/b/file")->inode;
	ok = rename_to("/a/b/file", "/", LONG_NAME, NULL, false) == 0;
	ok &= !at("/a/b/file") && at("/" LONG_NAME)->inode == file && file->nlink == 1;
	ok &= rename_to("/a/b", "/", "b2", NULL, false) == 0 && at("/a")->inode->nlink == 2 &&
	      root_mount.root->inode->nlink == 5;
	make(at("/a"), "empty", S_IFDIR | 0755);
	ok &= rename_to("/b2", "/a", "empty", "/a/empty", false) == 0 && at("/a")->inode->nlink == 3 &&
	      !at("/b2");
	ok &= rename_to("/" LONG_NAME, "/a", "empty", "/a/empty", true) == 0 &&
	      at("/a/empty")->inode == file && S_ISDIR(at("/" LONG_NAME)->inode->mode) &&
	      at("/a")->inode->nlink == 2 && root_mount.root->inode->nlink == 5;
	tear_down();
	return ok;
}

static bool test_hard_links(void)
{
	struct name n = name_of("second");
	struct inode *file;
	bool ok;

	build();
	file = at("/a/b/file")->inode;
	ok = root_mount.root->inode->ops->link(root_mount.root, &n, file) == 0 && file->nlink == 2;
	ok &= at("/a/b")->inode->ops->unlink(at("/a/b/file")) == 0 && file->nlink == 1 &&
	      at("/second")->inode == file;
	tear_down();
	return ok;
}

/* A directory that was removed still leads up, and can be left. */
static bool test_removed_directory(void)
{
	struct dentry *b;
	struct walk w;
	bool ok;

	build();
	b = at("/a/b");
	dentry_get(b);
	remove_all(b);
	b->inode->ops->unlink(b);
	ok = walk_path(&w, root_mount.root, b, "..", 0) == 0 && w.target == at("/a");
	walk_done(&w);
	ok &= walk_path(&w, root_mount.root, b, "x", WALK_PARENT) == 0 && walk_may_create(&w) == -ENOENT;
	walk_done(&w);
	ok &= walk_path(&w, root_mount.root, b, ".", 0) == 0 && w.target == b;
	walk_done(&w);
	dentry_put(b);
	tear_down();
	return ok;
}

/* Whatever allocation fails, nothing has changed and nothing is lost. */
static bool test_no_memory(void)
{
	struct name n = name_of(LONG_NAME), n2 = name_of("new");
	struct dentry *d, *top;
	bool ok = true;

	build();
	top = root_mount.root;
	for (i32 left = 0; left < 3; left++) {
		memory_left = left;
		ok &= top->inode->ops->mknod(top, &n, S_IFREG | 0644, 0, &d) == -ENOMEM;
		memory_left = left;
		ok &= top->inode->ops->symlink(top, &n, "text") == -ENOMEM;
		memory_left = -1;
		ok &= !at("/" LONG_NAME);
	}
	memory_left = 0;
	ok &= rename_to("/a", "/", LONG_NAME, NULL, false) == -ENOMEM;
	ok &= top->inode->ops->link(top, &n2, at("/a/b/file")->inode) == -ENOMEM;
	memory_left = -1;
	ok &= at("/a/b/file")->inode->nlink == 1 && !at("/new");
	tear_down();
	return ok;
}

int main(void)
{
	tap_plan(12);
	inode_init();
	tap_ok(test_walks(), "[X6] walks end where they do on Linux: dots, slashes, links, mounts");
	tap_ok(test_parent(),
	       "[X6] a walk for a new name knows its directory, its last component and a slash");
	tap_ok(test_root_is_a_wall(), "[X6] no path leads out of its root");
	tap_ok(test_links_limit(), "[X5] forty symbolic links are followed, one more is ELOOP");
	tap_ok(test_name_length(), "[X5] a name has at most 255 bytes");
	tap_ok(test_permission(), "[X6] a directory that may not be searched stops a walk");
	tap_ok(test_cookies(), "[X5] a listing survives names that come and go meanwhile");
	tap_ok(test_directory_model(), "[X5] a directory holds what a model says it holds");
	tap_ok(test_rename(), "[X6] renaming moves, replaces and exchanges; link counts follow");
	tap_ok(test_hard_links(), "[X6] a file lives as long as one of its names");
	tap_ok(test_removed_directory(), "[X6] a removed directory can be left, and nothing made in it");
	tap_ok(test_no_memory(), "[V10] without memory nothing has changed and nothing is lost");
	return tap_end();
}
