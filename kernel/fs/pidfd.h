/* pidfd_open(2): a process as a descriptor. Its number is not given to another process while the descriptor is open. */
#pragma once

#include "kernel/fs/vfs.h"
#include "kernel/proc/proc.h"

/* pidfd_open: FLAGS: PIDFD_NONBLOCK. Takes a reference to PID. => 0 and a reference; -ENOMEM */
int pidfd_open(struct pid *pid, u32 flags, struct file **ret);
bool file_is_pidfd(const struct file *f);
struct pid *pidfd_pid(const struct file *f); /* borrowed */
