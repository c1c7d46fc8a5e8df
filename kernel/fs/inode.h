/* What the file systems use of inode.c beside vfs.h. All of dir_* with fs_lock held. */
#pragma once

#include "kernel/fs/vfs.h"

void inode_init(void);

enum {
	TOUCH_ATIME = 1,
	TOUCH_MTIME = 2,
	TOUCH_CTIME = 4
};
void inode_touch(struct inode *i, u32 which);
/* inode_accessed: atime as "relatime" has it: when it is not newer than the data, or a day old. */
void inode_accessed(struct inode *i);

#define NAME_HASH_START 5381
#define NAME_HASH_STEP(h, c) ((h)*33 + (u8)(c))
u32 name_hash(const char *s, u32 len);
struct name name_of(const char *s);

/* Cookies go downwards from here; 0 and 1 are "." and "..". */
#define DIR_SEQ_START (1UL << 40)

void dir_init(struct dir *dir);
struct dentry *dir_find(struct dentry *dir, const struct name *n); /* => borrowed, or NULL */
void dir_insert(struct dentry *d);                                 /* into d->parent; the name is free */
void dir_remove(struct dentry *d);
bool dir_empty(const struct dentry *d);
struct dentry *dir_from(struct dentry *dir, u64 seq); /* the first entry with a cookie >= SEQ, or NULL */
struct dentry *dir_next(struct dentry *d);            /* or NULL */

/* Giving an unlinked dentry another name and place; what may fail comes first. The name must stay valid until
 * the commit, and may be that of another dentry. */
struct dentry_move {
	struct dentry *d, *dir;
	struct name name;
	char *buf;
};
int dentry_move_prepare(struct dentry_move *m, struct dentry *d, struct dentry *dir, const struct name *n);
void dentry_move_cancel(struct dentry_move *m);
void dentry_move_commit(struct dentry_move *m);
