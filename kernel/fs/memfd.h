/* memfd_create(2): a file in memory without a name that leads to it, which can be sealed. */
#pragma once

#include "kernel/fs/vfs.h"

#define MEMFD_NAME_MAX (FS_NAME_MAX - 6) /* "memfd:" goes before it */

void memfd_init(void);

/* memfd_open: NAME is for who looks into /proc. FLAGS: MFD_*. => 0 and a reference; -ENOMEM; -ENOSPC */
int memfd_open(const char *name, u32 flags, struct file **ret);

/* memfd_open_sized: TEXT is what /proc shows as it is. SIZE: bytes, all of them holes. */
int memfd_open_sized(const char *text, u64 size, struct file **ret);

/* memfd_add_seals => 0; -EINVAL (no such file, no such seal); -EPERM (sealed against it, or not opened for writing);
 * -EBUSY (F_SEAL_WRITE: mapped shared and writable). memfd_seals => F_SEAL_*; -EINVAL */
i64 memfd_add_seals(struct file *f, u64 seals);
i64 memfd_seals(struct file *f);

/* memfd_may_write: how many of *N bytes at POS a sealed I lets be written. inode->lock held. => 0; -EPERM */
int memfd_may_write(const struct inode *i, u64 pos, u64 *n);
