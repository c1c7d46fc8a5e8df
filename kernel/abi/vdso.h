/* What the kernel shares with the vDSO (leaf): one page of the clocks' parameters, which hal/time/clock.c writes and
 * user/vdso/vdso.c reads in ring 3. Both compute the time by the function below, so that they cannot differ.
 *
 * D1: seq is odd while the one writer is at work; a reader that saw it odd, or changed, reads again.
 * D2: a clock whose bit in `shared` is 0 is the system call's to tell: no such clock, one of CPU time, or all of
 *     them when ring 3 cannot read the counter behind them. */
#pragma once

#include "hal/base/types.h"

#define CLOCK_LINES 12 /* CLOCK_REALTIME to CLOCK_TAI */

/* A clock as a straight line: at tick TSC of the counter it shows NS, and advances by NS_PER_TICK / 2^32 with each. */
struct clock_line {
	u64 tsc, ns, ns_per_tick;
};

struct clock_page {
	u32 seq;
	u32 shared; /* bits, by clock number */
	struct clock_line
	        line[CLOCK_LINES]; /* by clock number; ns_per_tick 0: not computed from the counter */
} __aligned(4096);

/* The limit of this segment is the number of the CPU: ring 3 reads it by LSL. (Linux's is the same.) */
#define VDSO_CPU_SELECTOR 0x7b

static inline bool clock_shared(const struct clock_page *p, u32 clock)
{
	return clock < CLOCK_LINES && (p->shared >> clock & 1);
}

/* tsc_ordered: neither read before what stands before it is done (Intel SDM vol. 2, RDTSC). */
static inline u64 tsc_ordered(void)
{
	u32 lo, hi;

	__asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi)::"memory");
	return (u64)hi << 32 | lo;
}

/* clock_line_at: in signed numbers, for another CPU's counter may still be a few ticks before the line's beginning. */
static inline u64 clock_line_at(const struct clock_line *l, u64 tsc)
{
	return l->ns + (u64)((__int128)(i64)(tsc - l->tsc) * (i64)l->ns_per_tick >> 32);
}

/* clock_page_read: what CLOCK (< CLOCK_LINES) shows now, in nanoseconds. */
static inline u64 clock_page_read(const struct clock_page *p, u32 clock)
{
	const volatile u32 *seq = &p->seq;
	u32 before;
	u64 ns;

	do {
		while (__builtin_expect((before = *seq) & 1, false))
			__builtin_ia32_pause();
		__asm__ volatile("" ::: "memory");
		ns = clock_line_at(&p->line[clock], tsc_ordered());
		__asm__ volatile("" ::: "memory");
	} while (__builtin_expect(*seq != before, false));
	return ns;
}
