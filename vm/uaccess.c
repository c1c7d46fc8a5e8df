/* User copies: first whether the range is ring 3's at all, then a copy that survives what it meets. */
#include "vm/uaccess.h"
#include "hal/base/sabotage.h"
#include "hal/base/string.h"
#include "hal/cpu/fpu.h"
#include "hal/cpu/spinlock.h"
#include "hal/cpu/usercopy.h"
#include "vm/pmap.h"

bool user_range_ok(uaddr_t p, size_t n)
{
	return (p.va <= USER_MAX && n <= USER_MAX - p.va) || sabotage(user_range);
}

size_t copyin_partial(void *dst, uaddr_t src, size_t n)
{
	might_sleep();
	return user_range_ok(src, n) ? usercopy_in(dst, src.va, n) : n;
}

size_t copyout_partial(uaddr_t dst, const void *src, size_t n)
{
	might_sleep();
	return user_range_ok(dst, n) ? usercopy_out(dst.va, src, n) : n;
}

int copyin(void *dst, uaddr_t src, size_t n)
{
	size_t left = copyin_partial(dst, src, n);

	return left && !(sabotage(half_copy) && left < n) ? -EFAULT : 0;
}

int copyout(uaddr_t dst, const void *src, size_t n)
{
	return copyout_partial(dst, src, n) ? -EFAULT : 0;
}

int copyout_zero(uaddr_t dst, size_t n)
{
	might_sleep();
	return user_range_ok(dst, n) && usercopy_zero(dst.va, n) == 0 ? 0 : -EFAULT;
}

isize_t copyinstr(char *dst, uaddr_t src, size_t size)
{
	might_sleep();
	if (src.va >= USER_MAX)
		return -EFAULT;
	size_t n = MIN(size, USER_MAX - src.va);
	isize_t len = usercopy_string(dst, src.va, n);
	if (len < 0)
		return -EFAULT;
	if ((size_t)len == n)
		return n < size ? -EFAULT : -ENAMETOOLONG;
	return len;
}

int user_load32_atomic(uaddr_t p, u32 *ret)
{
	return user_range_ok(p, 4) && usercopy_load32(p.va, ret) == 0 ? 0 : -EFAULT;
}

int user_cas32_atomic(uaddr_t p, u32 expect, u32 desired, u32 *ret_old)
{
	return user_range_ok(p, 4) && usercopy_cas32(p.va, expect, desired, ret_old) == 0 ? 0 : -EFAULT;
}

int user_load32(uaddr_t p, u32 *ret)
{
	might_sleep();
	return user_load32_atomic(p, ret);
}

int user_cas32(uaddr_t p, u32 expect, u32 desired, u32 *ret_old)
{
	might_sleep();
	return user_cas32_atomic(p, expect, desired, ret_old);
}

int user_fpu_save(uaddr_t to)
{
	might_sleep();
	return user_range_ok(to, fpu_size()) && fpu_save_user(to.va) == 0 ? 0 : -EFAULT;
}

int user_fpu_restore(uaddr_t from, bool extended)
{
	might_sleep();
	return user_range_ok(from, fpu_size()) && fpu_restore_user(from.va, extended) == 0 ? 0 : -EFAULT;
}

/* --- uio --- */

void uio_kernel(struct uio *u, void *buf, size_t n)
{
	*u = (struct uio){.kernel = buf, .resid = n};
}

enum uio_op {
	UIO_OUT,
	UIO_IN,
	UIO_ZERO
};

static size_t uio_copy_part(enum uio_op op, uaddr_t user, void *buf, size_t n)
{
	switch (op) {
	case UIO_OUT:
		return n - copyout_partial(user, buf, n);
	case UIO_IN:
		return n - copyin_partial(buf, user, n);
	default:
		return user_range_ok(user, n) ? n - usercopy_zero(user.va, n) : 0;
	}
}

static isize_t uio_move(struct uio *u, enum uio_op op, void *buf, size_t n)
{
	size_t done = 0;

	n = MIN(n, u->resid);
	if (u->kernel) {
		if (op == UIO_OUT)
			memcpy(u->kernel, buf, n);
		else if (op == UIO_IN)
			memcpy(buf, u->kernel, n);
		else
			memset(u->kernel, 0, n);
		u->kernel += n;
		u->resid -= n;
		return (isize_t)n;
	}
	while (done < n) {
		struct uio_seg *s = u->segs;
		size_t part = MIN(n - done, s->len);
		size_t moved = uio_copy_part(op, s->base, buf ? buf + done : NULL, part);

		s->base.va += moved;
		s->len -= moved;
		u->resid -= moved;
		done += moved;
		if (moved < part)
			return done ? (isize_t)done : -EFAULT;
		if (s->len == 0 && u->nsegs > 1) {
			u->segs++;
			u->nsegs--;
		}
	}
	return (isize_t)done;
}

/* uio_is_one: the common case: N bytes of one user range. */
static inline bool uio_is_one(const struct uio *u, size_t n)
{
	return u->segs == &u->one && n <= u->one.len && n && user_range_ok(u->one.base, n);
}

static inline isize_t uio_one_moved(struct uio *u, size_t moved)
{
	u->one.base.va += moved;
	u->one.len -= moved;
	u->resid -= moved;
	return likely(moved) ? (isize_t)moved : -EFAULT;
}

isize_t uio_out(struct uio *u, const void *src, size_t n)
{
	might_sleep();
	if (likely(uio_is_one(u, n)))
		return uio_one_moved(u, n - usercopy_out(u->one.base.va, src, n));
	return uio_move(u, UIO_OUT, (void *)src, n);
}

isize_t uio_in(struct uio *u, void *dst, size_t n)
{
	might_sleep();
	if (likely(uio_is_one(u, n)))
		return uio_one_moved(u, n - usercopy_in(dst, u->one.base.va, n));
	return uio_move(u, UIO_IN, dst, n);
}

isize_t uio_out_zero(struct uio *u, size_t n)
{
	return uio_move(u, UIO_ZERO, NULL, n);
}
