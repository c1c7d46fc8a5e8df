/* Tests that run inside the kernel, in the testing build, when the command line has the word `kerntest`: before
 * process 1, in a thread of the kernel. TAP on the console, ahead of what ring 3's tests print.
 *
 *	KERNEL_TEST(frame_counts, "[V1] a frame's references are counted")
 *	{
 *		KT_ASSERT(frame_refs(pa) == 1);
 *	}
 *
 * The word `kerncrash=NAME` runs the one KERNEL_CRASH of that name instead: it must end in a panic. */
#pragma once

#include "hal/base/types.h"

struct kern_test {
	const char *name, *text;
	void (*fn)(void);
	bool crash;
};

#define KERN_TEST_ENTRY(test, description, is_crash)                                                    \
	static void test(void);                                                                         \
	static const struct kern_test kern_test_##test __section(".kerntest")                           \
	        __aligned(8) = {.name = #test, .text = (description), .fn = test, .crash = (is_crash)}; \
	static void test(void)

#define KERNEL_TEST(test, description) KERN_TEST_ENTRY(test, description, false)
#define KERNEL_CRASH(test, description) KERN_TEST_ENTRY(test, description, true)

/* KT_ASSERT: a false one fails the running test and leaves the function. */
#define KT_ASSERT(cond)                                              \
	do {                                                         \
		if (!(cond)) {                                       \
			kern_test_failed(__FILE__, __LINE__, #cond); \
			return;                                      \
		}                                                    \
	} while (0)

/* KT_CHECK: the same, but the test goes on. Callable from any thread. */
#define KT_CHECK(cond)                                               \
	do {                                                         \
		if (!(cond))                                         \
			kern_test_failed(__FILE__, __LINE__, #cond); \
	} while (0)

void kern_test_failed(const char *file, u32 line, const char *what);

/* kern_test_note: one line of explanation. */
void kern_test_note(const char *fmt, ...) __printf(1, 2);

/* kern_tests_run: all of them, or what `kerncrash=` names. Sleeps. */
void kern_tests_run(void);

/* kern_wait: let other threads run until COND, ten seconds at most. => whether it came true */
#define kern_wait(cond)                                      \
	({                                                   \
		for (u32 i_ = 0; i_ < 1000 && !(cond); i_++) \
			kern_sleep_ms(10);                   \
		(bool)(cond);                                \
	})
void kern_sleep_ms(u64 ms);
