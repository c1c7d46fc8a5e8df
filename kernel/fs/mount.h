/* Hanging file systems into the tree. */
#pragma once

#include "kernel/fs/vfs.h"

/* mount_new: not yet in the tree, its root still missing. => NULL: out of memory */
struct mount *mount_new(const char *type, const char *source, u32 magic);

/* mount_attach: M covers AT (a reference, taken over; NULL: the first root). fs_lock held. */
void mount_attach(struct mount *m, struct dentry *at);
