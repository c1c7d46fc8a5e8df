/* Sleeping locks. Taking a free one is one atomic instruction. */
#include "sched/mutex.h"
#include "hal/base/assert.h"
#include "hal/base/atomic.h"
#include "sched/thread.h"

void mutex_init(struct mutex *m)
{
	m->owner = NULL;
	waitq_init(&m->waiters);
}

bool mutex_try_lock(struct mutex *m)
{
	struct thread *expect = NULL;

	return atomic_cas(&m->owner, &expect, thread_current());
}

void mutex_lock(struct mutex *m)
{
	might_sleep();
	if (likely(mutex_try_lock(m)))
		return;
	assert(!mutex_held(m));
	wait_event(&m->waiters, WAIT_UNINTERRUPTIBLE, CLOCK_NEVER, mutex_try_lock(m));
}

void mutex_unlock(struct mutex *m)
{
	assert(mutex_held(m));
	/* A full barrier: whoever queued itself before this is seen below, and who does so later finds it free. */
	atomic_swap(&m->owner, NULL);
	if (unlikely(!list_empty(&m->waiters.waiters)))
		waitq_wake_one(&m->waiters);
}

bool mutex_held(const struct mutex *m)
{
	return atomic_load(&m->owner) == thread_current();
}
