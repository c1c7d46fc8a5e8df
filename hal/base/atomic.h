/* Atomic operations by their common names (leaf); thin over the compiler's own. */
#pragma once

#include "hal/base/types.h"

#define atomic_load(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define atomic_store(p, v) __atomic_store_n(p, v, __ATOMIC_RELEASE)
#define atomic_add(p, v) __atomic_add_fetch(p, v, __ATOMIC_SEQ_CST) /* => the new value */
#define atomic_sub(p, v) __atomic_sub_fetch(p, v, __ATOMIC_SEQ_CST) /* => the new value */
#define atomic_or(p, v) __atomic_fetch_or(p, v, __ATOMIC_SEQ_CST)   /* => the old value */
#define atomic_and(p, v) __atomic_fetch_and(p, v, __ATOMIC_SEQ_CST) /* => the old value */
#define atomic_swap(p, v) __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST)
#define atomic_cas(p, expect, v) \
	__atomic_compare_exchange_n(p, expect, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
#define compiler_barrier() __asm__ volatile("" ::: "memory")

/* read_once, write_once: a plain access that the compiler may not repeat, tear or drop. */
#define read_once(x) (*(const volatile __typeof__(x) *)&(x))
#define write_once(x, v) (*(volatile __typeof__(x) *)&(x) = (v))

/* Reference counts. ref_put => true when this was the last one. */
static inline void ref_get(u32 *refs)
{
	__atomic_add_fetch(refs, 1, __ATOMIC_RELAXED);
}

static inline bool ref_put(u32 *refs)
{
	return __atomic_sub_fetch(refs, 1, __ATOMIC_ACQ_REL) == 0;
}

/* ref_get_unless_zero: => false when the last reference is gone already. */
static inline bool ref_get_unless_zero(u32 *refs)
{
	u32 n = atomic_load(refs);

	while (n)
		if (atomic_cas(refs, &n, n + 1))
			return true;
	return false;
}
