/* Wait queues. The state is set to ASLEEP before the condition is looked at: a wake that comes between finds it,
 * and sched_block then does not sleep. */
#include "sched/waitq.h"
#include "hal/base/assert.h"
#include "sched/thread.h"
#include "sched/timer.h"

void waitq_init(struct waitq *q)
{
	spin_init(&q->lock, "waitq", RANK_WAITQ);
	list_init(&q->waiters);
}

void waitq_add_fn(struct waitq *q, struct waiter *w)
{
	bool on = spin_lock_irq(&q->lock);

	w->queue = q;
	list_push_back(&q->waiters, &w->link);
	spin_unlock_irq(&q->lock, on);
}

void waitq_add(struct waitq *q, struct waiter *w)
{
	w->thread = thread_current();
	w->fn = NULL;
	w->exclusive = false;
	waitq_add_fn(q, w);
}

void waitq_remove(struct waiter *w)
{
	bool on = spin_lock_irq(&w->queue->lock);

	list_remove(&w->link);
	spin_unlock_irq(&w->queue->lock, on);
}

/* The state of the running thread changes here without the run queue's lock: a waker changes it only from ASLEEP, and
 * what it then finds is either still to be looked at by the condition or wakes it. */
void waitq_prepare(enum wait_how how)
{
	struct thread *t = thread_current();

	atomic_store(&t->wait_how, how);
	atomic_swap(&t->state, THREAD_ASLEEP); /* a full barrier: the condition is read after it */
}

void waitq_cancel(void)
{
	atomic_store(&thread_current()->state, THREAD_RUNNING);
}

struct sleep_timer {
	struct timer timer;
	struct thread *thread;
};

static void sleep_expired(struct timer *t)
{
	thread_wake(container_of(t, struct sleep_timer, timer)->thread);
}

bool thread_interrupted(enum wait_how how)
{
	static const u32 work[] = {
	        [WAIT_UNINTERRUPTIBLE] = 0,
	        [WAIT_KILLABLE] = WORK_KILL,
	        [WAIT_INTERRUPTIBLE] = WORK_SIGNAL,
	};

	return current_work() & work[how];
}

int waitq_block(enum wait_how how, u64 deadline)
{
	struct sleep_timer s = {.thread = thread_current()};

	if (thread_interrupted(how)) {
		waitq_cancel();
		return -ERESTARTSYS;
	}
	if (deadline == CLOCK_NEVER) {
		sched_block();
		return thread_interrupted(how) ? -ERESTARTSYS : 0;
	}
	if (clock_mono() >= deadline) {
		waitq_cancel();
		return -ETIMEDOUT;
	}
	timer_init(&s.timer, sleep_expired);
	timer_set(&s.timer, deadline);
	sched_block();
	timer_cancel(&s.timer);
	if (clock_mono() >= deadline)
		return -ETIMEDOUT;
	return thread_interrupted(how) ? -ERESTARTSYS : 0;
}

static u32 wake_locked(struct waitq *q, u32 most, u32 events)
{
	bool exclusive_woken = false;
	struct waiter *w;
	u32 woken = 0;

	list_for_each (w, &q->waiters, link) {
		if (w->exclusive && exclusive_woken)
			continue;
		if (!(w->fn ? w->fn(w, events) : thread_wake(w->thread)))
			continue;
		exclusive_woken |= w->exclusive;
		if (++woken == most)
			break;
	}
	return woken;
}

static u32 wake(struct waitq *q, u32 most, u32 events)
{
	bool on = spin_lock_irq(&q->lock);
	u32 woken = wake_locked(q, most, events);

	spin_unlock_irq(&q->lock, on);
	return woken;
}

u32 waitq_wake_events_locked(struct waitq *q, u32 events)
{
	return wake_locked(q, ~0U, events);
}

u32 waitq_wake_one_locked(struct waitq *q)
{
	return wake_locked(q, 1, ~0U);
}

u32 waitq_wake_events(struct waitq *q, u32 events)
{
	return wake(q, ~0U, events);
}

u32 waitq_wake_all(struct waitq *q)
{
	return wake(q, ~0U, ~0U);
}

u32 waitq_wake_one(struct waitq *q)
{
	return wake(q, 1, ~0U);
}
