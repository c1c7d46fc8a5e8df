/* Runs the tests of this folder (kern.h). */
#include "testsuite/kern/kern.h"
#include "hal/base/atomic.h"
#include "hal/base/cmdline.h"
#include "hal/base/log.h"
#include "hal/base/printf.h"
#include "hal/base/string.h"
#include "hal/console/console.h"
#include "hal/time/clock.h"
#include "kernel/account.h"
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

/* --- accounts: what a test took, it gives back --- */

#define SETTLE_ROUNDS 100 /* of 10 ms, for threads that have ended to be gone */

static struct account_row before[ACCOUNT_ROWS], after[ACCOUNT_ROWS];

static bool accounts_even(u32 count)
{
	for (u32 i = 0; i < count; i++)
		if (before[i].count != after[i].count)
			return false;
	return true;
}

/* accounts_compare => whether all that was counted before the test is as it was */
static bool accounts_compare(void)
{
	u32 count = account_read(after);

	for (u32 i = 0; i < SETTLE_ROUNDS && !accounts_even(count); i++) {
		kern_sleep_ms(10);
		account_read(after);
	}
	for (u32 i = 0; i < count; i++)
		if (before[i].count != after[i].count)
			print("# account %s %ld\r\n", before[i].name,
			      (long)(after[i].count - before[i].count));
	return accounts_even(count);
}

/* --- running --- */

static void run_crash(const char *name)
{
	for (const struct kern_test *t = __kerntest_start; t < __kerntest_end; t++)
		if (t->crash && strcmp(t->name, name) == 0)
			t->fn();
	print("# kerncrash=%s: still here\r\n", name);
}

/* => whether its accounts are even */
static bool run_test(const struct kern_test *t, u32 number)
{
	bool even;

	atomic_store(&failures, 0);
	account_read(before);
	t->fn();
	even = accounts_compare();
	print("%s %u - %s\r\n", atomic_load(&failures) ? "not ok" : "ok", number, t->text);
	return even;
}

void kern_tests_run(void)
{
	char crash[32];
	u32 count = 0, number = 0;
	bool even = true;

	if (cmdline_get(kernel_cmdline, "kerncrash", crash, sizeof(crash)) > 0) {
		run_crash(crash);
		return;
	}
	for (const struct kern_test *t = __kerntest_start; t < __kerntest_end; t++)
		count += !t->crash;
	print("1..%u\r\n", count + 1);
	for (const struct kern_test *t = __kerntest_start; t < __kerntest_end; t++)
		if (!t->crash)
			even &= run_test(t, ++number);
	print("%s %u - [P10] frames, heap, regions and descriptors are as before, after each of these\r\n",
	      even ? "ok" : "not ok", number + 1);
}
