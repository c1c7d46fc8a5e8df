/* with: hal/base/string.c */
/* The string helpers that no C library has. (Those that one has are tested in the guest.) */
#include <string.h>
#include "hal/base/string.h"
#include "testsuite/host/tap.h"

static bool test_copy(void)
{
	char buf[4];

	memset(buf, '#', sizeof(buf));
	if (str_copy(buf, "abc", 4) != 3 || strcmp(buf, "abc"))
		return false;
	if (str_copy(buf, "abcd", 4) != -1 || strcmp(buf, "abc"))
		return false;
	if (str_copy(buf, "", 1) != 0 || buf[0] != '\0')
		return false;
	buf[0] = '#';
	return str_copy(buf, "a", 0) == -1 && buf[0] == '#';
}

static bool number_is(const char *s, u64 want, const char *rest)
{
	const char *end = NULL;
	u64 v = 0;

	return str_to_u64(s, &v, &end) && v == want && !strcmp(end, rest);
}

static bool number_refused(const char *s)
{
	const char *end = s;
	u64 v = 4711;

	return !str_to_u64(s, &v, &end) && v == 4711 && end == s;
}

static bool test_numbers(void)
{
	return number_is("0", 0, "") && number_is("10 x", 10, " x") && number_is("0x1fG", 0x1f, "G") &&
	       number_is("0XaBc", 0xabc, "") && number_is("010", 10, "") && number_is("0x", 0, "x") &&
	       number_is("0xg", 0, "xg") && number_is("18446744073709551615", ~0UL, "") &&
	       number_is("0xffffffffffffffff,", ~0UL, ",");
}

static bool test_refused(void)
{
	return number_refused("") && number_refused("x") && number_refused("-1") && number_refused(" 1") &&
	       number_refused("18446744073709551616") && number_refused("99999999999999999999") &&
	       number_refused("0x10000000000000000");
}

static bool test_pages(void)
{
	static u8 a[3 * PAGE_SIZE] __aligned(PAGE_SIZE), b[PAGE_SIZE] __aligned(PAGE_SIZE);

	memset(a, 0xaa, sizeof(a));
	for (size_t i = 0; i < PAGE_SIZE; i++)
		b[i] = i * 7;
	page_copy(a + PAGE_SIZE, b);
	if (memcmp(a + PAGE_SIZE, b, PAGE_SIZE) || a[PAGE_SIZE - 1] != 0xaa || a[2 * PAGE_SIZE] != 0xaa)
		return false;
	page_zero(a + PAGE_SIZE);
	memset(b, 0, sizeof(b));
	return !memcmp(a + PAGE_SIZE, b, PAGE_SIZE) && a[PAGE_SIZE - 1] == 0xaa && a[2 * PAGE_SIZE] == 0xaa;
}

int main(void)
{
	tap_plan(4);
	tap_ok(test_copy(), "str_copy cuts, terminates and says so");
	tap_ok(test_numbers(), "str_to_u64: decimal and hexadecimal, to the limit");
	tap_ok(test_refused(), "str_to_u64: what is no number changes nothing");
	tap_ok(test_pages(), "page_zero and page_copy touch one page");
	return tap_end();
}
