/* TAP for the tests that run on the host. A test file says `tap_plan(N)` first and ends with
 * `return tap_end()`. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

static int tap_planned, tap_run, tap_failed;

static inline void tap_plan(int n)
{
	tap_planned = n;
	printf("1..%d\n", n);
}

static inline bool tap_ok(bool ok, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static inline bool tap_ok(bool ok, const char *fmt, ...)
{
	va_list ap;

	printf("%sok %d - ", ok ? "" : "not ", ++tap_run);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	tap_failed += !ok;
	return ok;
}

/* => the exit status */
static inline int tap_end(void)
{
	if (tap_run != tap_planned)
		printf("# planned %d, ran %d\n", tap_planned, tap_run);
	return tap_failed || tap_run != tap_planned;
}
