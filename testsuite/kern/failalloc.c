/* The tests' system call that makes an allocation fail (mission V10). */
#include "hal/base/atomic.h"
#include "hal/base/cmdline.h"
#include "hal/cpu/percpu.h"
#include "kernel/proc/proc.h"
#include "kernel/sys/syscall.h"
#include "vm/kmem.h"

static const struct thread *asker; /* [atomic] who is to fail; one thread at a time */
static u64 next;                   /* [asker] of its next call, this allocation is to fail; 0: none */
static bool running;               /* [asker] that call is being made, or never came back */
static u64 left;                   /* [asker] what was to come when it had come back */

static u32
        most; /* [I] the boot word `failalloc=N`: of N allocations in calls, but pid 1's, one fails; 0: none */
static u64 to_come; /* unlocked: until the next of these; who is preempted may lose count */

void failalloc_init(const char *cmdline)
{
	char value[16];

	if (cmdline_get(cmdline, "failalloc", value, sizeof(value)) > 0)
		for (const char *c = value; *c >= '0' && *c <= '9' && most < 1000000; c++)
			most = most * 10 + (u32)(*c - '0');
}

/* which: N on average, and the same series in each boot. */
static u32 which(void)
{
	static u64 state = 88172645463325252; /* unlocked: any value will do */

	state = state * 6364136223846793005 + 1442695040888963407;
	return (u32)(state >> 33) % (2 * most) + 1;
}

void failalloc_enter(void)
{
	if (unlikely(most) && proc_current()->parent) {
		kmem_fail_after(to_come ? to_come : which());
		return;
	}
	if (likely(read_once(asker) != thread_current()) || !next)
		return;
	running = true;
	kmem_fail_after(next);
	next = 0;
}

void failalloc_leave(void)
{
	if (unlikely(most)) {
		to_come = kmem_fail_left();
		kmem_fail_after(0);
		return;
	}
	if (likely(read_once(asker) != thread_current()) || !running)
		return;
	running = false;
	left = kmem_fail_left();
	kmem_fail_after(0);
}

/* sys_test_failalloc: the Nth allocation that the calling thread makes within its next system call fails; with 0, none.
 * Page faults of ring 3 do not count. The call may be one that does not come back, as exit.
 * => of the count before this one: how many were to come until it would have failed; 0: one has failed */
i64 sys_test_failalloc(u64 n)
{
	u64 before = running ? kmem_fail_left() : left;

	kmem_fail_after(0);
	running = false;
	left = 0;
	next = n;
	atomic_store(&asker, thread_current());
	return (i64)before;
}
