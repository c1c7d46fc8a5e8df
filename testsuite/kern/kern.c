/* Runs the tests of this folder (kern.h). */
#include "testsuite/kern/kern.h"
#include "hal/base/atomic.h"
#include "hal/base/cmdline.h"
#include "hal/base/log.h"
#include "hal/base/printf.h"
#include "hal/base/string.h"
#include "hal/console/console.h"
#include "hal/time/clock.h"
#include "kernel/system.h"
#include "sched/thread.h"
#include "sched/timer.h"

extern const struct kern_test __kerntest_start[], __kerntest_end[];

static u32 failures; /* [atomic] of the running test */

/* Straight to the device: the log may go elsewhere, or be off. */
static void print(const char *fmt, ...) __printf(1, 2);
static void print(const char *fmt, ...)
{
	struct chardev *console = console_device();
	char line[256];
	va_list ap;
	size_t done = 0, len;

	va_start(ap, fmt);
	len = MIN((size_t)kvsnprintf(line, sizeof(line), fmt, ap), sizeof(line) - 1);
	va_end(ap);
	while (console && done < len) {
		done += console->write(console, line + done, len - done);
		if (done < len)
			kern_sleep_ms(1);
	}
}

void kern_sleep_ms(u64 ms)
{
	sleep_until(clock_mono() + ms * NS_PER_MSEC);
}

void kern_test_failed(const char *file, u32 line, const char *what)
{
	print("# %s:%u: failed: %s\r\n", file, line, what);
	atomic_add(&failures, 1);
}

void kern_test_note(const char *fmt, ...)
{
	char text[200];
	va_list ap;

	va_start(ap, fmt);
	kvsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	print("# %s\r\n", text);
}

static void run_crash(const char *name)
{
	for (const struct kern_test *t = __kerntest_start; t < __kerntest_end; t++)
		if (t->crash && strcmp(t->name, name) == 0)
			t->fn();
	print("# kerncrash=%s: still here\r\n", name);
}

static void run_test(const struct kern_test *t, u32 number)
{
	atomic_store(&failures, 0);
	t->fn();
	print("%s %u - %s\r\n", atomic_load(&failures) ? "not ok" : "ok", number, t->text);
}

void kern_tests_run(void)
{
	char crash[32];
	u32 count = 0, number = 0;

	if (cmdline_get(kernel_cmdline, "kerncrash", crash, sizeof(crash)) > 0) {
		run_crash(crash);
		return;
	}
	for (const struct kern_test *t = __kerntest_start; t < __kerntest_end; t++)
		count += !t->crash;
	print("1..%u\r\n", count);
	for (const struct kern_test *t = __kerntest_start; t < __kerntest_end; t++)
		if (!t->crash)
			run_test(t, ++number);
}
