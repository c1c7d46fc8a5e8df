/* Walking a path. fs_lock is held from walk_begin to walk_done. */
#pragma once

#include "kernel/fs/vfs.h"

enum walk_flags {
	WALK_FOLLOW = 1,   /* a symbolic link in the last component is followed */
	WALK_PARENT = 2,   /* the last component need not exist; parent and last say where it would be */
	WALK_EMPTY = 4,    /* "" is the start itself (AT_EMPTY_PATH) */
	WALK_NO_LINKS = 8, /* no symbolic link anywhere: -ELOOP */
};

enum walk_last {
	LAST_NAME,
	LAST_DOT,
	LAST_DOTDOT,
	LAST_ROOT,
	LAST_NONE /* of an empty path */
};

struct walk {
	const struct creds *creds;         /* of the running process, or NULL: all rights */
	struct dentry *root;               /* borrowed */
	struct dentry *at;                 /* counted; where the walk is */
	struct dentry *parent;             /* WALK_PARENT: counted: the directory of the last component */
	struct dentry *target;             /* counted; NULL: absent (WALK_PARENT only) */
	struct name last;                  /* WALK_PARENT: the last component; valid until walk_done */
	enum walk_last kind;               /* of the last component */
	bool slash;                        /* there was a slash behind it */
	bool must_be_dir;                  /* a link that was followed had one behind it */
	u32 links;                         /* followed so far, and the use of held[] */
	u32 depth;                         /* use of rest[] */
	struct dentry *held[FS_LINKS_MAX]; /* counted: links whose text is being read */
	const char *rest[FS_LINKS_MAX];    /* what is left of the paths that links interrupted */
};

/* walk_clear: W holds nothing. */
static inline void walk_clear(struct walk *w)
{
	w->at = w->parent = w->target = NULL;
	w->links = w->depth = 0;
}

/* walk_path: from START, within ROOT. walk_done is due in any case.
 * => 0; -ENOENT; -ENOTDIR; -EACCES; -ELOOP; -ENAMETOOLONG; what a file system says */
int walk_path(struct walk *w, struct dentry *root, struct dentry *start, const char *path, u32 flags);

/* walk_at: as the *at calls have it: from the directory DIRFD, or AT_FDCWD; takes fs_lock, which stays held
 * whatever the result: walk_unlock is due.
 * => as above; -EBADF */
int walk_at(struct walk *w, int dirfd, const char *path, u32 flags);
int walk_at_locked(struct walk *w, int dirfd, const char *path, u32 flags); /* fs_lock is held already */

/* walk_done: drop what W holds; walk_unlock: and fs_lock. */
void walk_done(struct walk *w);
void walk_unlock(struct walk *w);

/* walk_may_create: is W (of WALK_PARENT) a free name where the running process may make a file?
 * => 0; -EEXIST; -ENOENT (a directory that was removed); -EACCES */
int walk_may_create(struct walk *w);

/* dentry_up: the directory above D, mounts and ROOT minded. => a reference */
struct dentry *dentry_up(struct dentry *d, struct dentry *root);

/* dentry_alive: D is a name that can be reached; a removed directory is not. */
bool dentry_alive(const struct dentry *d);
