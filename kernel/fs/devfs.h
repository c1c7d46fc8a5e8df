/* /dev, and the devices behind character nodes of any file system. */
#pragma once

#include "kernel/fs/vfs.h"

extern struct mount *dev_mount; /* [I] after vfs_init */

void devfs_init(void);

/* devfs_open: give F, whose inode is a character device, the operations of its device. fs_lock held.
 * => 0; -ENXIO */
int devfs_open(struct file *f);

extern const struct file_ops null_fops, zero_fops, full_fops, random_fops, kmsg_fops;
