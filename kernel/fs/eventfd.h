/* eventfd(2): a counter to wait for. */
#pragma once

#include "kernel/fs/vfs.h"

/* eventfd_open: FLAGS: EFD_NONBLOCK, EFD_SEMAPHORE. => 0 and a reference; -ENOMEM */
int eventfd_open(u32 initial, u32 flags, struct file **ret);
