/* A lock that sleeps. Taken before any spinlock, never from interrupts. Order: hal/base/lockrank.h. */
#pragma once

#include "hal/base/types.h"
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
void mutex_lock(struct mutex *m);
bool mutex_try_lock(struct mutex *m);
void mutex_unlock(struct mutex *m);
bool mutex_held(const struct mutex *m); /* by the running thread */

static inline void mutex_unlock_scope(struct mutex **m)
{
	if (*m)
		mutex_unlock(*m);
}
/* WITH_MUTEX(&m) { ... }: as WITH_LOCK. */
#define WITH_MUTEX(m)                                                                                     \
	for (struct mutex * scope_ __cleanup(mutex_unlock_scope) = (mutex_lock(m), (m)), *once_ = scope_; \
	     once_; once_ = NULL)
