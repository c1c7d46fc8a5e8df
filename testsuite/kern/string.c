/* Tests of hal/base/string.c: what the host's tests take from the C library. */
#include "hal/base/string.h"
#include "testsuite/kern/kern.h"

#define AREA 640

static u8 area[AREA], model[AREA], before[AREA];

static void areas_fill(u32 seed)
{
	for (u32 i = 0; i < AREA; i++)
		area[i] = model[i] = before[i] = (u8)(i * 7 + seed);
}

static bool areas_equal(void)
{
	for (u32 i = 0; i < AREA; i++)
		if (area[i] != model[i])
			return false;
	return true;
}

/* Lengths around each turn of the code: 0-40, then in steps to beyond any unrolling. */
#define FOR_LENGTHS(n) for (u32 n = 0; n <= 300; n += n < 40 ? 1 : 13)

KERNEL_TEST(memory_copied, "[B5] memcpy and memset write just what they should, at any alignment and length")
{
	FOR_LENGTHS(n)
	for (u32 at = 0; at < 9; at++) {
		areas_fill(n + at);
		memcpy(area + at, area + 330 - at, n);
		for (u32 i = 0; i < n; i++)
			model[at + i] = before[330 - at + i];
		KT_ASSERT(areas_equal());

		areas_fill(n + at);
		memset(area + at, (int)(0x100 | n), n);
		for (u32 i = 0; i < n; i++)
			model[at + i] = (u8)n;
		KT_ASSERT(areas_equal());
	}
}

KERNEL_TEST(memory_moved, "[B5] memmove: every overlap, up and down")
{
	FOR_LENGTHS(n)
	for (u32 to = 0; to < 90; to += to < 20 ? 1 : 7) {
		areas_fill(n + to);
		memmove(area + to, area + 40, n);
		for (u32 i = 0; i < n; i++)
			model[to + i] = before[40 + i];
		KT_ASSERT(areas_equal());
	}
}

KERNEL_TEST(memory_compared, "[B5] memcmp and memchr find the first difference, and none beyond the end")
{
	FOR_LENGTHS(n)
	for (u32 at = 0; at < n; at += 5) {
		areas_fill(0);
		KT_ASSERT(memcmp(area + 3, model + 3, n) == 0);
		model[3 + at] ^= 0x80;
		KT_ASSERT((memcmp(area + 3, model + 3, n) < 0) == (area[3 + at] < model[3 + at]));
		KT_ASSERT(memcmp(area + 3, model + 3, at) == 0);
		memset(area, 0, AREA);
		area[3 + at] = 0xff;
		KT_ASSERT(memchr(area + 3, 0xff, n) == area + 3 + at && !memchr(area + 3, 0xff, at));
	}
}

KERNEL_TEST(strings_searched, "[B5] strlen, strnlen, strcmp, strncmp, strchr, strrchr")
{
	const char *volatile s = "bulkhead";

	KT_CHECK(strlen(s) == 8 && strnlen(s, 4) == 4 && strnlen(s, 9) == 8);
	KT_CHECK(strcmp(s, "bulkhead") == 0 && strcmp(s, "bulk") > 0 && strcmp(s, "bulky") < 0);
	/* cppcheck-suppress staticStringCompare */
	KT_CHECK(strcmp("\x80", "\x7f") > 0); /* as unsigned bytes */
	KT_CHECK(strncmp(s, "bulky", 4) == 0 && strncmp(s, "bulky", 5) < 0 && strncmp(s, "x", 0) == 0);
	KT_CHECK(strchr(s, 'k') == s + 3 && strchr(s, 0) == s + 8 && !strchr(s, 'x'));
	KT_CHECK(strrchr("a/b/c", '/')[1] == 'c' && strrchr(s, 0) == s + 8 && !strrchr(s, 'x'));
}
