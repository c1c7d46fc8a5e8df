/* /dev/pts: a node for each pseudo-terminal, which appears and vanishes with its master. */
#pragma once

#include "kernel/fs/vfs.h"

void devpts_init(void); /* mount it; after devfs_init */

/* devpts_add: the node /dev/pts/NR, the caller's, device RDEV, opened by OPS. => 0 and a reference; -ENOMEM; -EEXIST */
int devpts_add(u32 nr, u32 rdev, const struct file_ops *ops, struct dentry **ret);
/* devpts_remove: the name goes, and the caller's reference. */
void devpts_remove(struct dentry *d);
