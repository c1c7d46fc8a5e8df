/* Files in memory: the root, /dev, /tmp. What a file holds is a memory object, which mmap and exec map as it
 * is; names are dentries that hang on their directory. */
#pragma once

#include "kernel/fs/vfs.h"

extern const struct inode_ops ramfs_dir_ops, ramfs_file_ops, ramfs_link_ops, ramfs_special_ops;
extern const struct file_ops ramfs_file_fops, dir_fops;

/* ramfs_root: an empty root directory for M, with one reference. => NULL: out of memory */
struct dentry *ramfs_root(struct mount *m, u32 mode);

/* ramfs_pages: pages that files in memory hold. */
u64 ramfs_pages(void);
/* ramfs_count_pages: the pages of I have become more or fewer. inode->lock held, or nobody else knows I. */
void ramfs_count_pages(struct inode *i);
