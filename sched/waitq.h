/* Sleeping until something happens, without losing the wake-up:
 *
 *	err = wait_event(&pipe->readers, WAIT_INTERRUPTIBLE, CLOCK_NEVER, pipe_has_data(pipe));
 *
 * The condition is evaluated after the thread has queued itself, each time it is woken, and may take locks.
 * The waker changes the state that the condition reads, and then calls waitq_wake_all or _one. */
#pragma once

#include "hal/base/types.h"
#include "hal/base/atomic.h"
#include "hal/base/list.h"
#include "hal/cpu/spinlock.h"
#include "hal/time/clock.h"
#include "kernel/abi/errno.h"

struct thread;

struct waitq {
	struct spinlock lock; /* RANK_WAITQ */
	struct list waiters;  /* [lock] struct waiter */
};

#define WAITQ_INIT(q)                                                                    \
	{                                                                                \
		.lock = SPINLOCK_INIT(#q, RANK_WAITQ), .waiters = LIST_INIT((q).waiters) \
	}
void waitq_init(struct waitq *q);

/* One who is told of one queue's wakes: a thread that sleeps (its waiter lives on its stack), or FN.
 * Of the exclusive waiters of a queue a wake of all wakes one. */
struct waiter {
	struct list link;    /* [queue lock] */
	struct waitq *queue; /* [I] */
	bool exclusive;      /* [I] */
	/* [I] NULL: wake the thread. Else called with the queue's lock held, interrupts off, with the POLL* that may
	 * have changed. => true: somebody was woken by it */
	bool (*fn)(struct waiter *w, u32 events);
	union {
		struct thread *thread; /* [I] */
		void *owner;           /* [I] fn's */
	};
};

/* What ends a sleep besides the wake and the deadline: nothing, only a kill, any signal. */
enum wait_how {
	WAIT_UNINTERRUPTIBLE,
	WAIT_KILLABLE,
	WAIT_INTERRUPTIBLE
};

/* thread_interrupted: the running thread has something to see to before it may sleep so. */
bool thread_interrupted(enum wait_how how);

/* waitq_add, waitq_remove: be on the queue; any number of queues at once (poll). */
void waitq_add(struct waitq *q, struct waiter *w);
void waitq_add_fn(struct waitq *q, struct waiter *w); /* fn, owner, exclusive are set */
void waitq_remove(struct waiter *w);

/* waitq_prepare: state ASLEEP from here on; the next sched_block sleeps unless a wake came between. */
void waitq_prepare(enum wait_how how);
/* waitq_cancel: back to RUNNING, the condition had come true meanwhile. */
void waitq_cancel(void);

/* waitq_block: sleep after waitq_prepare, until woken or DEADLINE (monotonic ns, CLOCK_NEVER: for ever).
 * => 0; -ETIMEDOUT when the deadline has passed; -ERESTARTSYS when interrupted */
int waitq_block(enum wait_how how, u64 deadline);

/* Wakes; callable from interrupts. => number woken */
u32 waitq_wake_all(struct waitq *q);
u32 waitq_wake_one(struct waitq *q);
/* waitq_wake_events: as _all, where it is known which of POLL* may have changed. _locked: with q->lock held. */
u32 waitq_wake_events(struct waitq *q, u32 events);
u32 waitq_wake_events_locked(struct waitq *q, u32 events);
u32 waitq_wake_one_locked(struct waitq *q);

/* => 0 when COND came true; -ETIMEDOUT; -ERESTARTSYS. Not with a spinlock held. */
#define wait_event(q, how, deadline, cond)                             \
	({                                                             \
		struct waiter w_;                                      \
		int err_ = 0;                                          \
		might_sleep();                                         \
		if (!(cond)) {                                         \
			waitq_add((q), &w_);                           \
			for (;;) {                                     \
				waitq_prepare(how);                    \
				if (cond) {                            \
					waitq_cancel();                \
					err_ = 0;                      \
					break;                         \
				}                                      \
				if (err_) {                            \
					waitq_cancel();                \
					break;                         \
				}                                      \
				err_ = waitq_block((how), (deadline)); \
			}                                              \
			waitq_remove(&w_);                             \
		}                                                      \
		err_;                                                  \
	})
