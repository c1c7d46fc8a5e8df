/* Tests that run inside the kernel, in the testing build, at the word `kerntest` of the command line. Each registers
 * itself; its name begins with the mission row that it shows:
 *
 *	KERNEL_TEST(frame_counts, "[V1] a frame's count is right after get and put")
 *	{
 *		...
 *		KT_ASSERT(frame_refs(pa) == 1);
 *	}
 */
#pragma once

#include "hal/base/log.h"
#include "hal/base/types.h"

struct kernel_test {
	const char *name;
	bool (*fn)(void); /* => passed */
};

#define KERNEL_TEST(id, text)                                                                                          \
	static void test_##id(bool *kt_passed);                                                                        \
	static bool run_##id(void)                                                                                     \
	{                                                                                                              \
		bool passed = true;                                                                                    \
                                                                                                                       \
		test_##id(&passed);                                                                                    \
		return passed;                                                                                         \
	}                                                                                                              \
	static const struct kernel_test entry_##id __section(".kerntest") = {text, run_##id};                          \
	static void test_##id(bool *kt_passed)

/* KT_ASSERT: the test has failed, and ends, when COND does not hold. */
#define KT_ASSERT(cond)                                                                                                \
	do {                                                                                                           \
		if (!(cond)) {                                                                                         \
			klog(LOG_NOTICE, "TAP: # %s:%d: %s", __FILE__, __LINE__, #cond);                               \
			*kt_passed = false;                                                                            \
			return;                                                                                        \
		}                                                                                                      \
	} while (0)

/* kern_tests_run: all of them; TAP goes to the log, each line behind "TAP: ". */
void kern_tests_run(void);
