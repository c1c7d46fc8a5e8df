/* Time: the TSC, measured once against a counter of known frequency.
 *
 * T1: each clock is a line (kernel/abi/vdso.h): ns = line.ns + (tsc - line.tsc) * line.ns_per_tick / 2^32, with a
 *     product of 128 bits. One multiplication and one shift; no division, and no lock but the page's sequence.
 *     Where a line changes its slope it is continued from the point it has reached.
 * T2: the deadline timer counts in TSC ticks where the CPU can (TSC deadline), otherwise in the
 *     local APIC timer's own, measured in the same window as the TSC. */
#include "hal/time/clock.h"
#include "hal/base/assert.h"
#include "hal/base/atomic.h"
#include "hal/base/cmdline.h"
#include "hal/base/log.h"
#include "hal/base/sabotage.h"
#include "hal/base/string.h"
#include "hal/cpu/cpu.h"
#include "hal/cpu/regs.h"
#include "hal/cpu/spinlock.h"
#include "hal/dev/acpi.h"
#include "hal/irq/irq.h"
#include "hal/upcall.h"
#include "kernel/abi/linux.h"

#define WINDOW_NS (1 * NS_PER_MSEC)
#define PAIRS 16 /* readings at each end of it, of which the tightest counts */
#define TICKS_MAX 0xffffffffU
#define DELTA_MAX BIT(56) /* ns, two years: what a timer can be set to without overflow */

static u64 tsc_hz;       /* [I] after clock_init, as all the following */
static u64 ns_per_tick;  /* nanoseconds in a TSC tick, times 2^32 */
static u64 ticks_per_ns; /* TSC ticks in a nanosecond, times 2^32 */
static u64 timer_per_ns; /* ticks of the local APIC's timer in a nanosecond, times 2^32 */

struct clock_page clock_page; /* [writer: page_lock] */
static struct spinlock page_lock = SPINLOCK_INIT("clock", RANK_DEVICE);
static i64 adjusted; /* [page_lock] parts per million, times 2^16 */

static u64 scale(u64 v, u64 factor)
{
	return (unsigned __int128)v * factor >> 32;
}

/* factor: a / b, times 2^32. One of the two is NS_PER_SEC, so no shift below overflows. */
static u64 factor(u64 a, u64 b)
{
	return (a / b << 32) + ((a % b) << 32) / b;
}

/* --- the counters to measure against ----------------------------------------------------------- */

struct reference {
	const char *name;
	u32 (*read)(void);
	u32 mask; /* the bits that count */
	u64 hz;
};

/* HPET (IA-PC HPET 1.0a, 2.3) */
struct hpet_table {
	struct acpi_header header;
	u32 id;
	u8 space, width, offset, access;
	u64 base; /* physical */
} __packed;
#define HPET_PERIOD 0x04 /* upper half of the capabilities: femtoseconds in a tick */
#define HPET_CONFIG 0x10
#define HPET_ENABLE BIT(0)
#define HPET_COUNTER 0xf0
#define HPET_PERIOD_MAX 100000000U
#define FS_PER_SEC 1000000000000000UL

static volatile char *hpet; /* [I] */

static u32 hpet_read(void)
{
	return mmio_read32(hpet + HPET_COUNTER);
}

static bool hpet_open(struct reference *ret)
{
	const struct hpet_table *t = acpi_find("HPET", 0);
	u32 period;

	if (!t || t->header.length < sizeof(*t) || t->space != 0 || !t->base)
		return false;
	hpet = upcall_map_device(t->base, PAGE_SIZE, false);
	if (!hpet)
		return false;
	period = mmio_read32(hpet + HPET_PERIOD);
	if (!period || period > HPET_PERIOD_MAX)
		return false;
	mmio_write32(hpet + HPET_CONFIG, mmio_read32(hpet + HPET_CONFIG) | HPET_ENABLE);
	*ret = (struct reference){"HPET", hpet_read, ~0U, FS_PER_SEC / period};
	return true;
}

static u16 pm_port; /* [I] */

static u32 pm_read(void)
{
	return inl(pm_port);
}

static bool pm_open(struct reference *ret)
{
	u32 bits;

	pm_port = acpi_pm_timer_port(&bits);
	if (!pm_port)
		return false;
	*ret = (struct reference){"PM timer", pm_read, bits == 32 ? ~0U : 0xffffff, 3579545};
	return true;
}

/* tsc_read: the TSC in units of 256 ticks, when CPUID told its frequency and nothing else is there
 * to measure the local APIC's timer against. */
static u32 tsc_read(void)
{
	return rdtsc() >> 8;
}

static void reference_open(struct reference *ret, u64 known_hz)
{
	if (hpet_open(ret) || pm_open(ret))
		return;
	if (!known_hz)
		panic("clock: no CPUID frequency, no HPET, no PM timer: nothing to measure time by");
	*ret = (struct reference){"CPUID", tsc_read, ~0U, known_hz >> 8};
}

/* --- measuring ----------------------------------------------------------------------------------- */

/* One instant, in the three counters. */
struct sample {
	u64 tsc;
	u32 ref, timer;
};

/* sample_once: just behind a tick of the reference, whose ticks may be far apart.
 * => how long it took, in TSC ticks: the shorter, the better it is one instant */
static u64 sample_once(const struct reference *r, struct sample *ret)
{
	u32 last = r->read();
	u64 before;

	do {
		before = rdtsc();
		ret->ref = r->read();
	} while (ret->ref == last);
	ret->tsc = rdtsc();
	ret->timer = lapic_timer_read();
	return rdtsc() - before;
}

static struct sample sample_tightest(const struct reference *r)
{
	struct sample best, s;
	u64 best_width = sample_once(r, &best), width;

	for (u32 i = 1; i < PAIRS; i++) {
		width = sample_once(r, &s);
		if (width < best_width) {
			best_width = width;
			best = s;
		}
	}
	return best;
}

/* measure: TSC and local APIC timer frequencies over one window. */
static void measure(const struct reference *r, u64 *ret_tsc_hz, u64 *ret_timer_hz)
{
	u32 window = r->hz / (NS_PER_SEC / WINDOW_NS), ticks;
	struct sample start, end;

	lapic_timer_set(TICKS_MAX);
	start = sample_tightest(r);
	while (((r->read() - start.ref) & r->mask) < window)
		cpu_relax();
	end = sample_tightest(r);
	lapic_timer_set(0);

	ticks = (end.ref - start.ref) & r->mask;
	*ret_tsc_hz = (end.tsc - start.tsc) * r->hz / ticks;
	*ret_timer_hz = (u64)(start.timer - end.timer) * r->hz / ticks;
}

/* cpuid_hz: Intel SDM vol. 3, 18.7.3. => 0 when the CPU does not say */
static u64 cpuid_hz(void)
{
	struct cpuid c;

	if (cpuid(0, 0).eax < 0x15)
		return 0;
	c = cpuid(0x15, 0);
	return c.eax && c.ebx && c.ecx ? (u64)c.ecx * c.ebx / c.eax : 0;
}

static void calibrate(void)
{
	u64 known_hz = cpuid_hz(), timer_hz = 0;
	struct reference r = {.name = "CPUID"};

	tsc_hz = known_hz;
	if (!known_hz || !cpu_features.tsc_deadline) {
		reference_open(&r, known_hz);
		measure(&r, &tsc_hz, &timer_hz);
		tsc_hz = known_hz ? known_hz : tsc_hz;
	}
	if (!tsc_hz || (!timer_hz && !cpu_features.tsc_deadline))
		panic("clock: the TSC or the local APIC's timer stands still");
	ns_per_tick = factor(NS_PER_SEC, tsc_hz);
	ticks_per_ns = factor(tsc_hz, NS_PER_SEC);
	timer_per_ns = factor(timer_hz, NS_PER_SEC);
	klog(LOG_INFO, "clock: TSC %lu.%03lu MHz by %s%s, timer %s", tsc_hz / 1000000, tsc_hz / 1000 % 1000,
	     known_hz ? "CPUID" : r.name, cpu_features.invariant_tsc ? "" : " (not invariant)",
	     cpu_features.tsc_deadline ? "TSC deadline" : "local APIC");
}

/* --- the page --------------------------------------------------------------------------------------- */

/* Those that are computed from the counter: all but those of CPU time. No machine is woken here. */
#define REAL_CLOCKS \
	(BIT(CLOCK_REALTIME) | BIT(CLOCK_REALTIME_COARSE) | BIT(CLOCK_REALTIME_ALARM) | BIT(CLOCK_TAI))
#define MONO_CLOCKS \
	(BIT(CLOCK_MONOTONIC) | BIT(CLOCK_MONOTONIC_COARSE) | BIT(CLOCK_BOOTTIME) | BIT(CLOCK_BOOTTIME_ALARM))
#define ALL_CLOCKS (REAL_CLOCKS | MONO_CLOCKS | BIT(CLOCK_MONOTONIC_RAW))

/* page_begin, page_end: around a change. Interrupts off: a handler reads the time. */
static bool page_begin(void)
{
	bool on = spin_lock_irq(&page_lock);

	if (!sabotage(vdso_seq))
		write_once(clock_page.seq, clock_page.seq + 1);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	return on;
}

static void page_end(bool on)
{
	__atomic_thread_fence(__ATOMIC_RELEASE);
	if (!sabotage(vdso_seq))
		write_once(clock_page.seq, clock_page.seq + 1);
	spin_unlock_irq(&page_lock, on);
}

#define for_each_clock(id, set)                  \
	for (u32 id = 0; id < CLOCK_LINES; id++) \
		if ((set) >> id & 1)

void clock_init(const char *cmdline, u64 real_seconds, u64 tsc_at)
{
	u64 now = rdtsc();
	char tsc[16];
	bool hidden = cmdline_get(cmdline, "tsc", tsc, sizeof(tsc)) > 0 && strcmp(tsc, "unstable") == 0;

	calibrate();
	bool on = page_begin();
	/* from here on clock_mono gives more than 0: time began when the stub did */
	for_each_clock(id, ALL_CLOCKS) clock_page.line[id] = (struct clock_line){
	        .tsc = tsc_at && tsc_at < now ? tsc_at : now,
	        .ns = REAL_CLOCKS >> id & 1 ? real_seconds * NS_PER_SEC : 0,
	        .ns_per_tick = ns_per_tick,
	};
	clock_page.shared = hidden ? 0 : (u32)ALL_CLOCKS;
	page_end(on);
}

void clock_set_real(u64 ns)
{
	bool on = page_begin();
	u64 change = ns - clock_line_at(&clock_page.line[CLOCK_REALTIME], tsc_ordered());

	for_each_clock(id, REAL_CLOCKS) clock_page.line[id].ns += change;
	page_end(on);
}

void clock_adjust(i64 ppm)
{
	bool on = page_begin();
	u64 tsc = tsc_ordered();
	i64 more = (i64)((__int128)(i64)ns_per_tick * ppm >> 16) / 1000000;

	adjusted = ppm;
	for_each_clock(id, REAL_CLOCKS | MONO_CLOCKS)
	{
		struct clock_line *l = &clock_page.line[id];

		l->ns = clock_line_at(l, tsc);
		l->tsc = tsc;
		l->ns_per_tick = ns_per_tick + (u64)more;
	}
	page_end(on);
}

i64 clock_adjusted(void)
{
	return read_once(adjusted);
}

/* --- reading and arming ---------------------------------------------------------------------------- */

bool clock_read(u32 clock, u64 *ret_ns)
{
	if (clock >= CLOCK_LINES || !clock_page.line[clock].ns_per_tick)
		return false;
	*ret_ns = clock_page_read(&clock_page, clock);
	return true;
}

bool clock_is_real(u32 clock)
{
	return clock < CLOCK_LINES && (REAL_CLOCKS >> clock & 1);
}

u64 clock_mono(void)
{
	return clock_page_read(&clock_page, CLOCK_MONOTONIC);
}

u64 clock_real(void)
{
	return clock_page_read(&clock_page, CLOCK_REALTIME);
}

u64 clock_tsc_hz(void)
{
	return tsc_hz;
}

/* arm_timer: DELTA is how far off; the margin of 2^-14 covers what the calibration may be off, so
 * that it is not early. */
static void arm_timer(u64 delta)
{
	u64 ticks = scale(delta, timer_per_ns);

	ticks += (ticks >> 14) + 1;
	lapic_timer_set(MIN(ticks, TICKS_MAX));
}

void clock_arm(u64 deadline)
{
	u64 now, delta;

	if (deadline == CLOCK_NEVER) {
		if (cpu_features.tsc_deadline)
			wrmsr(MSR_TSC_DEADLINE, 0);
		else
			lapic_timer_set(0);
		return;
	}
	now = clock_mono();
	delta = deadline > now ? MIN(deadline - now, DELTA_MAX) : 0;
	if (!cpu_features.tsc_deadline)
		arm_timer(delta);
	else
		wrmsr(MSR_TSC_DEADLINE, rdtsc() + scale(delta, ticks_per_ns) + 2);
}
