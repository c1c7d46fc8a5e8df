/* linux: no (it has no system call that makes allocations fail) */
/* Every allocation of every system call of calls.h is made to fail, one after another: the call fails, nothing has
 * changed, and nothing is lost. A call that does without what it did not get may succeed. Calls that need more than a
 * line are in failalloc.c. */
#include "testsuite/prog/calls.h"
#include "testsuite/prog/tap.h"

#define SYS_test_failalloc 402
#define ALLOCATIONS 500 /* more than any of these makes */

enum end {
	PASSED = 0, /* the allocation failed, and all is as it should be */
	BROKEN = 1,
	UNUSED_END = 7 /* the call does not make so many */
};

static bool is_allowed(i64 ret, i64 good)
{
	/* A copy to or from memory that cannot be had is EFAULT, and what is queued or locked may have no room. */
	return ret >= 0 || ret == good || ret == -ENOMEM || ret == -EFAULT || ret == -EAGAIN ||
	       ret == -ENOLCK;
}

/* try_failing: in a child: with allocation N failing. */
static enum end try_failing(const struct call *c, u64 n, i64 good)
{
	static struct state before, after;
	i64 ret;
	u64 left;

	if (c->before)
		c->before();
	state_take(&before);
	syscall(SYS_test_failalloc, n);
	ret = call_with(c, 6, 0);
	left = syscall(SYS_test_failalloc, 0UL);
	if (left)
		return UNUSED_END;
	state_take(&after);
	if (!is_allowed(ret, good)) {
		note("%s: with allocation %llu failing: %s", c->name, (unsigned long long)n, strerror(-ret));
		return BROKEN;
	}
	if (ret < 0 && ret != good && memcmp(&before, &after, sizeof(before))) {
		note("%s: with allocation %llu failing, something has changed", c->name,
		     (unsigned long long)n);
		return BROKEN;
	}
	return PASSED;
}

/* walk: => how many allocations C makes */
static u64 walk(const struct call *c, i64 good)
{
	for (u64 n = 1; n < ALLOCATIONS; n++) {
		int status = CALL_CHILD(_exit(try_failing(c, n, good)));

		if (status == EXITED(UNUSED_END))
			return n - 1;
		if (status != EXITED(PASSED)) {
			note("%s: with allocation %llu failing: status 0x%x", c->name, (unsigned long long)n,
			     status);
			tap_failures++;
			return n;
		}
	}
	note("%s: no end of allocations", c->name);
	tap_failures++;
	return 0;
}

static i64 *good_result;

static i64 good_of(const struct call *c)
{
	*good_result = 0;
	CALL_CHILD({
		if (c->before)
			c->before();
		*good_result = call_with(c, 6, 0);
	});
	return *good_result;
}

TEST(every_call, "[V10] each allocation of each system call fails once: the call fails, and nothing else")
{
	static struct accounts before;
	u64 total = 0;

	good_result = shared_pages(1);
	for (u32 i = 0; i < ARRAY_SIZE(calls); i++) {
		const struct call *c = &calls[i];
		i64 good;

		if ((c->flags & NO_GOOD) || c->nr == SYS_execve ||
		    c->nr == SYS_execveat) /* see failalloc.c */
			continue;
		if (i && calls[i - 1].nr == c->nr && c->nr != SYS_ioctl && c->nr != SYS_fcntl &&
		    c->nr != SYS_prctl)
			continue; /* the same, for another of its pointers */
		good = good_of(c);
		walk(c, good);
		accounts_take(&before);
		total += walk(c, good);
		if (!accounts_even(&before)) {
			note("%s: something is lost", c->name);
			tap_failures++;
		}
	}
	say("# %llu allocations\n", (unsigned long long)total);
}
