/* Files without a name that are no more than their operations: eventfd, epoll and their kin. They share one inode. */
#pragma once

#include "kernel/fs/vfs.h"

void anon_init(void);

/* anon_file: FLAGS: O_*. => 0 and a reference; -ENOMEM */
int anon_file(const struct file_ops *ops, u32 flags, void *private, struct file **ret);
