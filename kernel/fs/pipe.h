/* Pipes and fifos. */
#pragma once

#include "kernel/fs/vfs.h"

#define PIPE_PAGES 16U      /* of a new pipe: 64 KiB */
#define PIPE_PAGES_MAX 256U /* for the unprivileged */

extern const struct file_ops fifo_fops; /* of named fifos; pipes only lack its open */

void pipe_init(void);

/* pipe_create: both ends; FLAGS: O_NONBLOCK, O_DIRECT. => 0; -ENOMEM */
int pipe_create(u32 flags, struct file **ret_read, struct file **ret_write);

/* pipe_capacity, pipe_set_capacity: F_GETPIPE_SZ, F_SETPIPE_SZ, bytes.
 * => the capacity; -EBADF (no pipe); -EBUSY (holds more); -EPERM; -EINVAL; -ENOMEM */
i64 pipe_capacity(struct file *f);
i64 pipe_set_capacity(struct file *f, u64 bytes);
