/* Where paths begin, and the file mode creation mask: what CLONE_FS shares. */
#pragma once

#include "hal/base/types.h"
#include "hal/cpu/spinlock.h"

struct dentry;

struct fsctx {
	u32 refs;             /* [atomic] */
	struct spinlock lock; /* RANK_FILE */
	struct dentry *root;  /* [lock] counted */
	struct dentry *cwd;   /* [lock] counted */
	u32 umask;            /* [atomic] */
};

int fsctx_create(struct fsctx **ret); /* both at the root of the first file system, umask 022 */
void fsctx_get(struct fsctx *c);
void fsctx_put(struct fsctx *c);                        /* NULL is fine */
int fsctx_fork(struct fsctx *from, struct fsctx **ret); /* => 0 or -ENOMEM */

/* Each => a reference. */
struct dentry *fsctx_root(struct fsctx *c);
struct dentry *fsctx_cwd(struct fsctx *c);
/* Each takes over the reference to D. */
void fsctx_set_root(struct fsctx *c, struct dentry *d);
void fsctx_set_cwd(struct fsctx *c, struct dentry *d);
