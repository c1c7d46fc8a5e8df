/* Hanging file systems into the tree. */
#pragma once

#include "kernel/fs/vfs.h"

/* mount_new: not yet in the tree, its root still missing. => NULL: out of memory */
struct mount *mount_new(const char *type, const char *source, u32 magic);

/* mount_make: an empty tmpfs (MODE of its root), or a proc, on TARGET (borrowed, a directory). fs_lock held.
 * => 0; -ENODEV (no such type); -ENOTDIR; -ENOMEM */
int mount_make(const char *type, const char *source, u32 mode, u32 flags, struct dentry *target);

/* mount_remove: M is in the tree. fs_lock held. => 0; -EBUSY (something in it is in use, or it is of the system) */
int mount_remove(struct mount *m);

/* mount_attach: M covers AT (a reference, taken over; NULL: the first root). fs_lock held. */
void mount_attach(struct mount *m, struct dentry *at);
