/* Time, in nanoseconds. Monotonic time starts near 0 at boot and is the TSC, calibrated against
 * CPUID leaf 0x15, the HPET or the ACPI PM timer; never a loop count. */
#pragma once

#include "hal/base/types.h"

/* clock_init: calibrate; REAL_SECONDS is what firmware's clock said at TSC_AT, 0 when unknown.
 * After irq_init. Panics only when the machine has no usable clock at all. */
void clock_init(u64 real_seconds, u64 tsc_at);

u64 clock_mono(void); /* ns since boot; never goes back; callable from anywhere */
u64 clock_real(void); /* ns since 1970-01-01 UTC */
void clock_set_real(u64 ns);
u64 clock_tsc_hz(void);

/* clock_arm: the one-shot interrupt of this CPU (upcall_timer) at monotonic time DEADLINE or soon
 * after it, never before; replaces the earlier one. CLOCK_NEVER disarms. Interrupts off. */
#define CLOCK_NEVER (~0UL)
void clock_arm(u64 deadline);
