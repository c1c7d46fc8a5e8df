/* with: hal/base/printf.c */
/* Formatted output: each conversion against the C library's. */
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include "hal/base/printf.h"
#include "testsuite/host/tap.h"

/* Both sides format the same arguments; text and length have to be equal. */
#define SAME(...)                                                                                         \
	do {                                                                                              \
		char ours[128], theirs[128];                                                              \
		int a = ksnprintf(ours, sizeof(ours), __VA_ARGS__);                                       \
		int b = snprintf(theirs, sizeof(theirs), __VA_ARGS__);                                    \
		if (a != b || strcmp(ours, theirs)) {                                                     \
			printf("# %s: \"%s\" (%d), not \"%s\" (%d)\n", #__VA_ARGS__, ours, a, theirs, b); \
			ok = false;                                                                       \
		}                                                                                         \
	} while (0)

static bool test_integers(void)
{
	bool ok = true;

	SAME("%d %i %u", 0, -1, 1U);
	SAME("%d %d", INT_MIN, INT_MAX);
	SAME("%ld %ld", LONG_MIN, LONG_MAX);
	SAME("%lu %zu %zd", ULONG_MAX, (size_t)77, (ssize_t)-77);
	SAME("%llu %lld", ULLONG_MAX, LLONG_MIN);
	SAME("%x %X %lx", 0xdeadbeefU, 0xdeadbeefU, 0x123456789abcdefUL);
	SAME("%x", 0);
	return ok;
}

static bool test_sizes(void)
{
	bool ok = true;

	SAME("%hd %hu %hhd %hhu", (short)-2, (unsigned short)65535, (signed char)-3, (unsigned char)255);
	SAME("%hhx %hx", (unsigned char)0xfe, (unsigned short)0xfedc);
	return ok;
}

static bool test_width(void)
{
	bool ok = true;

	SAME("[%5d][%-5d][%05d]", 42, 42, 42);
	SAME("[%5d][%-5d][%05d]", -42, -42, -42);
	SAME("[%2d][%02x][%016lx]", 12345, 0xabc, 0xfUL);
	SAME("[%5s][%-5s][%1s]", "abc", "abc", "abc");
	SAME("[%3c][%-3c]", 'x', 'y');
	SAME("[%*d][%-*d][%*d]", 6, 1, 6, 2, -6, 3);
	SAME("[%5lu.%06lu] ", 12UL, 345UL);
	return ok;
}

static bool test_precision(void)
{
	bool ok = true;

	SAME("[%.3s][%.0s][%8.2s][%-8.2s]", "abcdef", "abc", "abcdef", "abcdef");
	SAME("[%.5d][%8.5d][%-8.5d]", 42, -42, 42);
	SAME("[%.0d][%.1d]", 0, 0);
	SAME("[%.*s][%.*s]", 2, "abcdef", -1, "abcdef");
	return ok;
}

static bool test_precision_bounds_read(void)
{
	char unterminated[4] = {'a', 'b', 'c', 'd'};
	bool ok = true;

	SAME("%.4s", unterminated);
	return ok;
}

static bool test_text(void)
{
	bool ok = true;
	const char *empty = "", *percent = "100%% sure";

	SAME("plain");
	SAME("%s%%", "100");
	SAME("%s|%s", empty, "x");
	SAME("%s", percent);
	SAME("%c%c", 'a', 'b');
	return ok;
}

static bool test_pointer(void)
{
	bool ok = true;

	SAME("%p", (void *)0x1234abcdUL);
	SAME("[%20p]", (void *)0x1234abcdUL);
	return ok;
}

static bool test_null_string(void)
{
	const char *volatile null = NULL;
	char buf[16];

	return ksnprintf(buf, sizeof(buf), "%s", null) == 6 && !strcmp(buf, "(null)");
}

/* test_truncation: every size up to the whole; nothing behind it is touched (the sanitizer and a
 * guard byte see to it). */
static bool test_truncation(void)
{
	const char *whole = "number 12345 text abc";

	for (size_t size = 0; size <= strlen(whole) + 2; size++) {
		char buf[64];

		memset(buf, '#', sizeof(buf));
		if (ksnprintf(buf, size, "number %d text %s", 12345, "abc") != (int)strlen(whole))
			return false;
		if (buf[size] != '#')
			return false;
		size_t kept = size > strlen(whole) ? strlen(whole) : size ? size - 1 : 0;
		if (size && (strncmp(buf, whole, kept) || buf[kept]))
			return false;
	}
	return true;
}

/* A format that ends within a conversion must not be read beyond its end. */
static bool test_broken_format(void)
{
	static const char *const formats[] = {"%", "abc%", "%5", "%-0", "%l", "%.", "%.3", "%hh"};
	const char *volatile fmt;
	char buf[16];

	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		char copy[8]; /* with nothing but the sanitizer's red zone behind it */

		strcpy(copy, formats[i]);
		fmt = copy;
#pragma GCC diagnostic ignored "-Wformat-security"
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		ksnprintf(buf, sizeof(buf), fmt);
	}
	return true;
}

int main(void)
{
	tap_plan(10);
	tap_ok(test_integers(), "integers, to their limits");
	tap_ok(test_sizes(), "h, hh, l, ll, z");
	tap_ok(test_width(), "width, padding, *");
	tap_ok(test_precision(), "precision");
	tap_ok(test_precision_bounds_read(), "precision bounds what is read of a string");
	tap_ok(test_text(), "text, %%%%, %%c, %%s");
	tap_ok(test_pointer(), "pointers");
	tap_ok(test_null_string(), "a null string");
	tap_ok(test_truncation(), "every buffer size: cut, terminated, whole length returned");
	tap_ok(test_broken_format(), "a format that ends in the middle");
	return tap_end();
}
