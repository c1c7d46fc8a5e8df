/* The tests' system call that makes an allocation fail (mission V10). */
#include "hal/base/atomic.h"
#include "hal/cpu/percpu.h"
#include "kernel/sys/syscall.h"
#include "vm/kmem.h"

static const struct thread *asker; /* [atomic] who is to fail; one thread at a time */
static u64 next;                   /* [asker] of its next call, this allocation is to fail; 0: none */
static bool running;               /* [asker] that call is being made, or never came back */
static u64 left;                   /* [asker] what was to come when it had come back */

void failalloc_enter(void)
{
	if (likely(read_once(asker) != thread_current()) || !next)
		return;
	running = true;
	kmem_fail_after(next);
	next = 0;
}

void failalloc_leave(void)
{
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
