/* Lists of buffers from ring 3 (readv(2)). */
#pragma once

#include "vm/uaccess.h"

#define IOV_FEW 8U /* so many take no allocation */

/* iov_get: U over the caller's list of COUNT buffers; FEW holds a short one. iov_put: of the U that iov_get made.
 * => 0; -EINVAL (too many, or a length below 0); -EFAULT; -ENOMEM */
int iov_get(struct uio *u, uaddr_t iov, u64 count, struct uio_seg *few);
void iov_put(struct uio_seg *segs, const struct uio_seg *few);
