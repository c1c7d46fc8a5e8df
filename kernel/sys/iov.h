/* Lists of buffers from ring 3 (readv(2)). */
#pragma once

#include "vm/uaccess.h"

#define IO_MAX 0x7ffff000UL /* bytes in one call, as Linux's MAX_RW_COUNT */
#define IOV_MAX 1024U
#define IOV_FEW 8U /* so many take no allocation */

/* iov_get: U over the caller's list of COUNT buffers; FEW holds a short one. iov_put: of the U that iov_get made.
 * => 0; -EINVAL (too many, or a length below 0); -EFAULT; -ENOMEM */
int iov_get(struct uio *u, uaddr_t iov, u64 count, struct uio_seg *few);
void iov_put(struct uio_seg *segs, const struct uio_seg *few);

/* iov_one: U over one buffer, cut to IO_MAX. => 0; -EFAULT */
static inline int iov_one(struct uio *u, uaddr_t buf, u64 count)
{
	if (!user_range_ok(buf, count))
		return -EFAULT;
	uio_user(u, buf, MIN(count, IO_MAX));
	return 0;
}
