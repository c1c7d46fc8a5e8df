/* Running the tests that registered themselves. */
#include "testsuite/kern/kern.h"

extern const struct kernel_test __kerntest_start[], __kerntest_end[];

void kern_tests_run(void)
{
	u32 n = 0;

	klog(LOG_NOTICE, "TAP: 1..%lu", (u64)(__kerntest_end - __kerntest_start));
	for (const struct kernel_test *t = __kerntest_start; t < __kerntest_end; t++)
		klog(LOG_NOTICE, "TAP: %s %u - %s", t->fn() ? "ok" : "not ok", ++n, t->name);
}
