/* Time, in nanoseconds. Monotonic time starts near 0 at boot and is the TSC, calibrated against
 * CPUID leaf 0x15, the HPET or the ACPI PM timer; never a loop count. */
#pragma once

#include "hal/base/types.h"
#include "kernel/abi/vdso.h"

/* The clocks, by Linux's numbers, as ring 3 sees them, too: nothing else lies in its page. */
extern struct clock_page clock_page;

/* clock_init: calibrate; REAL_SECONDS is what firmware's clock said at TSC_AT, 0 when unknown. With `tsc=unstable` on the
 * command line ring 3 is not given the counter. After irq_init. Panics only when the machine has no usable clock at all. */
void clock_init(const char *cmdline, u64 real_seconds, u64 tsc_at);

u64 clock_mono(
        void); /* ns since boot; never goes back; callable from anywhere but a non-maskable interrupt */
u64 clock_real(void); /* ns since 1970-01-01 UTC */
void clock_set_real(u64 ns);

/* clock_read: by Linux's number. => false: it is none of those that the counter tells (CPU time, unknown)
 * clock_is_real: whether it is one that clock_set_real sets. */
bool clock_read(u32 clock, u64 *ret_ns);
bool clock_is_real(u32 clock);

/* clock_adjust: from now on every clock but CLOCK_MONOTONIC_RAW is faster by PPM millionths, times 2^16, within
 * CLOCK_ADJUST_MAX either way. clock_adjusted => what it was given last */
#define CLOCK_ADJUST_MAX (500L << 16)
void clock_adjust(i64 ppm);
i64 clock_adjusted(void);
u64 clock_tsc_hz(void);

/* clock_arm: the one-shot interrupt of this CPU (upcall_timer) at monotonic time DEADLINE or soon
 * after it (before it by as much as clock_adjust slows the clock: whoever waits looks, and arms again); replaces the
 * earlier one. CLOCK_NEVER disarms. Interrupts off. */
#define CLOCK_NEVER (~0UL)
void clock_arm(u64 deadline);
