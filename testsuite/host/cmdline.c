/* with: hal/base/cmdline.c */
/* The kernel command line's words. */
#include <stdlib.h>
#include <string.h>
#include "hal/base/cmdline.h"
#include "testsuite/host/tap.h"

static bool get_is(const char *cmdline, const char *name, const char *want)
{
	char buf[32] = "untouched";
	isize_t n = cmdline_get(cmdline, name, buf, sizeof(buf));

	if (!want)
		return n == -1 && !strcmp(buf, "untouched");
	return n == (isize_t)strlen(want) && !strcmp(buf, want);
}

static bool test_has(void)
{
	const char *c = "  quiet\tdebug init=/bin/sh\nlast -- hidden";

	return cmdline_has(c, "quiet") && cmdline_has(c, "debug") && cmdline_has(c, "last") &&
	       !cmdline_has(c, "qui") && !cmdline_has(c, "quietly") && !cmdline_has(c, "init") &&
	       !cmdline_has(c, "hidden") && !cmdline_has("", "quiet") && !cmdline_has("   ", "quiet");
}

static bool test_get(void)
{
	const char *c = "a=1 bb=2 a=3 empty= eq=x=y init=/bin/sh -- a=4";

	return get_is(c, "a", "3") && get_is(c, "bb", "2") && get_is(c, "b", NULL) &&
	       get_is(c, "empty", "") && get_is(c, "eq", "x=y") && get_is(c, "ini", NULL) &&
	       get_is(c, "quiet", NULL) && get_is("a", "a", NULL) && get_is("", "a", NULL);
}

static bool test_quotes(void)
{
	const char *c = "one=\"a b  c\" \"two=d e\" th\"ree=f -- g\" \"quiet\" four=\"unclosed x";

	return get_is(c, "one", "a b  c") && get_is(c, "two", "d e") && get_is(c, "three", "f -- g") &&
	       cmdline_has(c, "quiet") && get_is(c, "four", "unclosed x") && !cmdline_has(c, "c\"");
}

static bool test_get_size(void)
{
	char buf[4] = "old";

	if (cmdline_get("a=1234", "a", buf, sizeof(buf)) != -1 || strcmp(buf, "old"))
		return false;
	return cmdline_get("a=123", "a", buf, sizeof(buf)) == 3 && !strcmp(buf, "123") &&
	       cmdline_get("a=", "a", buf, 0) == -1;
}

static bool rest_is(const char *cmdline, size_t size, u32 max, u32 want, const char *const *words)
{
	char buf[64], *argv[8];
	u32 n = cmdline_rest(cmdline, buf, size, argv, max);

	if (n != want)
		return false;
	for (u32 i = 0; i < n; i++)
		if (strcmp(argv[i], words[i]))
			return false;
	return true;
}

static bool test_rest(void)
{
	const char *const words[] = {"-c", "ls /; exit 3", "--", "x"};
	const char *c = "quiet a=\"-- no\" -- -c \"ls /; exit 3\" -- x ";

	return rest_is(c, 64, 8, 4, words) && rest_is(c, 64, 2, 2, words) && rest_is(c, 17, 8, 2, words) &&
	       rest_is(c, 15, 8, 1, words) && rest_is(c, 0, 8, 0, words) &&
	       rest_is("quiet", 64, 8, 0, words) && rest_is("quiet --", 64, 8, 0, words) &&
	       rest_is("--x y", 64, 8, 0, words);
}

/* test_random: no input makes it read outside the text (the sanitizer looks on). */
static bool test_random(void)
{
	static const char alphabet[] = "ab=\"- \t\n";

	srand(1);
	for (int round = 0; round < 20000; round++) {
		size_t n = rand() % 24;
		char *c = malloc(n + 1), buf[8], *argv[4];

		for (size_t i = 0; i < n; i++)
			c[i] = alphabet[rand() % (sizeof(alphabet) - 1)];
		c[n] = '\0';
		cmdline_has(c, "a");
		cmdline_get(c, "a", buf, 1 + rand() % sizeof(buf));
		cmdline_rest(c, buf, rand() % (sizeof(buf) + 1), argv, 4);
		free(c);
	}
	return true;
}

int main(void)
{
	tap_plan(6);
	tap_ok(test_has(), "bare words");
	tap_ok(test_get(), "name=value, the last one counts");
	tap_ok(test_quotes(), "quotes keep blanks together");
	tap_ok(test_get_size(), "a value that does not fit changes nothing");
	tap_ok(test_rest(), "what stands behind -- is split for pid 1");
	tap_ok(test_random(), "random command lines are read within their bounds");
	return tap_end();
}
