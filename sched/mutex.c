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

void mutex_wait(struct mutex *m)
{
	assert(!mutex_held(m));
	wait_event(&m->waiters, WAIT_UNINTERRUPTIBLE, CLOCK_NEVER, mutex_try_lock(m));
}

bool mutex_held(const struct mutex *m)
{
	return atomic_load(&m->owner) == thread_current();
}
