/* Pipes and fifos. */
#pragma once

#include "kernel/fs/vfs.h"

#define PIPE_PAGES 16U      /* of a new pipe: 64 KiB */
#define PIPE_PAGES_MAX 256U /* for the unprivileged */

extern const struct file_ops fifo_fops; /* of named fifos; pipes only lack its open */

void pipe_init(void);

/* pipe_create: both ends; FLAGS: O_NONBLOCK, O_DIRECT. => 0; -ENOMEM */
int pipe_create(u32 flags, struct file **ret_read, struct file **ret_write);

static inline bool file_is_pipe_end(const struct file *f)
{
	return f->ops == &fifo_fops;
}

/* pipe_receive, pipe_send: read and write, with the file's O_NONBLOCK or without. */
isize_t pipe_receive(struct file *f, struct uio *u, bool nonblock);
isize_t pipe_send(struct file *f, struct uio *u, bool nonblock);

/* pipe_drain: at most N bytes go from F to SINK, which says how many it took, or why none.
 * => bytes; 0: the end; -EAGAIN; -ERESTARTSYS; what SINK says */
typedef isize_t (*pipe_sink)(void *arg, const void *data, size_t n);
isize_t pipe_drain(struct file *f, u64 n, bool nonblock, pipe_sink sink, void *arg);

/* pipe_transfer: at most N bytes from one pipe into another; KEEP: they stay in the first, too.
 * => bytes; 0: the end; -EAGAIN; -EPIPE; -EINVAL (one and the same); -ENOMEM; -ERESTARTSYS */
isize_t pipe_transfer(struct file *from, struct file *to, u64 n, bool nonblock, bool keep);

/* pipe_wait_writable => how many bytes F has room for, at least 1; -EAGAIN; -EPIPE; -ERESTARTSYS */
i64 pipe_wait_writable(struct file *f, bool nonblock);

/* pipe_capacity, pipe_set_capacity: F_GETPIPE_SZ, F_SETPIPE_SZ, bytes.
 * => the capacity; -EBADF (no pipe); -EBUSY (holds more); -EPERM; -EINVAL; -ENOMEM */
i64 pipe_capacity(struct file *f);
i64 pipe_set_capacity(struct file *f, u64 bytes);
