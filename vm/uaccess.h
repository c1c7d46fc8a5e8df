/* Copies between the kernel and ring 3. A user address is an allegation: any value may be passed, and a fault
 * is -EFAULT. All of these may sleep or fault: no spinlock may be held. */
#pragma once

#include "hal/base/types.h"
#include "kernel/abi/errno.h"

int copyin(void *dst, uaddr_t src, size_t n) __must_check;
int copyout(uaddr_t dst, const void *src, size_t n) __must_check;
int copyout_zero(uaddr_t dst, size_t n) __must_check;

/* copyinstr: => length without the terminator; -EFAULT; -ENAMETOOLONG when SIZE bytes held none */
isize_t copyinstr(char *dst, uaddr_t src, size_t size) __must_check;

/* copyin_partial, copyout_partial => bytes NOT copied */
size_t copyin_partial(void *dst, uaddr_t src, size_t n);
size_t copyout_partial(uaddr_t dst, const void *src, size_t n);

/* user_range_ok: [p, p+n) lies in user space (which says nothing of what is mapped there). */
bool user_range_ok(uaddr_t p, size_t n);

/* Futex words. The _atomic forms may be called with a spinlock held: a page that is not there is -EFAULT. */
int user_load32(uaddr_t p, u32 *ret) __must_check;
int user_cas32(uaddr_t p, u32 expect, u32 desired, u32 *ret_old) __must_check;
int user_load32_atomic(uaddr_t p, u32 *ret) __must_check;
int user_cas32_atomic(uaddr_t p, u32 expect, u32 desired, u32 *ret_old) __must_check;

/* The running program's extended state (hal/cpu/fpu.h), of fpu_size bytes. */
int user_fpu_save(uaddr_t to) __must_check;
int user_fpu_restore(uaddr_t from, bool extended) __must_check;

/* struct uio: where the bytes of a read or write go or come from: kernel memory, one user range, or a list of
 * user ranges (the array itself is kernel memory, already checked). Files move bytes only by uio_in, uio_out.
 */
struct uio_seg {
	uaddr_t base;
	u64 len;
};

struct uio {
	void *kernel;         /* not NULL: kernel memory, and segs is unused */
	struct uio_seg *segs; /* user ranges left; the first may be partly done */
	u32 nsegs;
	u64 resid;          /* bytes left in all */
	struct uio_seg one; /* storage for the common case of one range */
};

void uio_kernel(struct uio *u, void *buf, size_t n);
static inline void uio_user(struct uio *u, uaddr_t base, size_t n)
{
	u->kernel = NULL;
	u->segs = &u->one;
	u->nsegs = 1;
	u->resid = n;
	u->one.base = base;
	u->one.len = n;
}

/* uio_out: N bytes from kernel memory to the reader. uio_in: N bytes from the writer to kernel memory.
 * Both advance U by what was moved, stop at resid, and return the bytes moved, or -EFAULT when a fault came
 * before the first. */
isize_t uio_out(struct uio *u, const void *src, size_t n);
isize_t uio_in(struct uio *u, void *dst, size_t n);
isize_t uio_out_zero(struct uio *u, size_t n);
