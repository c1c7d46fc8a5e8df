/* A lock that sleeps. Taken before any spinlock, never from interrupts. Order: hal/base/lockrank.h. */
#pragma once

#include "hal/base/assert.h"
#include "hal/base/atomic.h"
#include "hal/base/types.h"
#include "hal/cpu/percpu.h"
#include "sched/waitq.h"

struct mutex {
	struct thread *owner; /* [atomic] NULL: free */
	struct waitq waiters;
};

#define MUTEX_INIT(m)                                             \
	{                                                         \
		.owner = NULL, .waiters = WAITQ_INIT((m).waiters) \
	}
void mutex_init(struct mutex *m);
bool mutex_held(const struct mutex *m); /* by the running thread */

static inline bool mutex_try_lock(struct mutex *m)
{
	struct thread *expect = NULL;

	return atomic_cas(&m->owner, &expect, thread_current());
}

void mutex_wait(struct mutex *m); /* until it is taken */
static inline void mutex_lock(struct mutex *m)
{
	might_sleep();
	if (unlikely(!mutex_try_lock(m)))
		mutex_wait(m);
}

#ifdef BULKHEAD_DEBUG
#define mutex_assert_held(m) assert(mutex_held(m))
#else
#define mutex_assert_held(m) ((void)(m))
#endif
static inline void mutex_unlock(struct mutex *m)
{
	mutex_assert_held(m);
	/* A full barrier: whoever queued itself before this is seen below, and who does so later finds it free. */
	(void)atomic_swap(&m->owner, NULL);
	if (unlikely(!list_empty(&m->waiters.waiters)))
		waitq_wake_one(&m->waiters);
}

static inline void mutex_unlock_scope(struct mutex **m)
{
	if (*m)
		mutex_unlock(*m);
}
/* WITH_MUTEX(&m) { ... }: as WITH_LOCK. */
#define WITH_MUTEX(m)                                                                                     \
	for (struct mutex * scope_ __cleanup(mutex_unlock_scope) = (mutex_lock(m), (m)), *once_ = scope_; \
	     once_; once_ = NULL)
