/* signalfd(2): signals of whoever reads, as records. */
#pragma once

#include "kernel/fs/vfs.h"

/* signalfd_open: MASK: which signals. => 0 and a reference; -ENOMEM */
int signalfd_open(u64 mask, u32 flags, struct file **ret);
bool file_is_signalfd(const struct file *f);
void signalfd_set(struct file *f, u64 mask);
