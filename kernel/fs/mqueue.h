/* POSIX message queues (mq_overview(7)): queues with names, of which the oldest message of the highest priority comes
 * first. A descriptor of one is a file; what may be done with it is asked here. */
#pragma once

#include "kernel/abi/mqueue.h"
#include "kernel/fs/vfs.h"

void mqueue_init(void);

/* mqueue_open: NAME without its slash. ATTR NULL: the defaults. FLAGS: as of open(2), with O_CREAT and O_EXCL.
 * => 0 and a reference; -ENOENT; -EEXIST; -EACCES; -EINVAL; -ENOSPC; -ENOMEM. mqueue_unlink => 0; -ENOENT; -EACCES */
int mqueue_open(const char *name, u32 flags, u32 mode, const struct mq_attr *attr, struct file **ret);
int mqueue_unlink(const char *name);
bool file_is_mqueue(const struct file *f);

/* mqueue_send, mqueue_receive: DEADLINE in monotonic ns. => 0, or how many bytes came; -EAGAIN; -ETIMEDOUT;
 * -EMSGSIZE; -EFAULT; -ENOMEM; -ERESTARTSYS */
int mqueue_send(struct file *f, uaddr_t buf, u64 len, u32 priority, u64 deadline);
i64 mqueue_receive(struct file *f, uaddr_t buf, u64 len, u64 deadline, u32 *ret_priority);

void mqueue_attr(struct file *f, struct mq_attr *ret);

/* mqueue_notify: be sent SIG with VALUE when the empty queue gets a message; SIG 0: no signal; NULL: no more.
 * => 0; -EBUSY: another process is to be */
struct mqueue_notice {
	int sig;
	u64 value;
};
int mqueue_notify(struct file *f, const struct mqueue_notice *notice);
