/* Timers, and the one-shot interrupt behind them. The interrupt is only ever moved to an earlier time here; one that
 * comes too early finds nothing due and asks for the next. */
#include "sched/timer.h"
#include "hal/cpu/spinlock.h"
#include "hal/time/clock.h"
#include "sched/internal.h"
#include "sched/waitq.h"

struct timer_queue {
	struct spinlock lock;  /* RANK_TIMER */
	struct tree tree;      /* [lock] */
	struct timer *running; /* [lock] whose fn is being called */
	u64 requested;         /* [c, interrupts off] when the interrupt will come */
};

static struct timer_queue queues[MAX_CPUS] = {
        [0 ... MAX_CPUS - 1] = {.lock = SPINLOCK_INIT("timer", RANK_TIMER), .requested = CLOCK_NEVER},
};

static bool timer_less(const struct tree_node *a, const struct tree_node *b)
{
	return tree_entry(a, struct timer, node)->deadline < tree_entry(b, struct timer, node)->deadline;
}

void timer_request(u64 deadline)
{
	struct timer_queue *q = &queues[this_cpu_read(cpu)];

	if (deadline >= q->requested)
		return;
	q->requested = deadline;
	clock_arm(deadline);
}

void timer_init(struct timer *t, void (*fn)(struct timer *))
{
	*t = (struct timer){.fn = fn};
}

void timer_set(struct timer *t, u64 deadline)
{
	timer_cancel(t);
	bool on = irq_save();
	struct timer_queue *q = &queues[this_cpu_read(cpu)];

	WITH_LOCK (&q->lock) {
		t->cpu = this_cpu_read(cpu);
		t->deadline = deadline;
		t->armed = true;
		tree_insert(&q->tree, &t->node, timer_less);
	}
	timer_request(deadline);
	irq_restore(on);
}

bool timer_cancel(struct timer *t)
{
	struct timer_queue *q = &queues[t->cpu];

	for (;;) {
		bool on = spin_lock_irq(&q->lock);
		bool armed = t->armed, running = q->running == t && !this_cpu()->in_irq;

		if (armed) {
			tree_remove(&q->tree, &t->node);
			t->armed = false;
		}
		spin_unlock_irq(&q->lock, on);
		if (!running)
			return armed;
		cpu_relax();
	}
}

static struct timer *take_due(struct timer_queue *q, u64 now)
{
	struct timer *t = NULL;

	WITH_LOCK (&q->lock) {
		q->running = NULL;
		if (q->tree.first)
			t = tree_entry(q->tree.first, struct timer, node);
		if (t && t->deadline <= now) {
			tree_remove(&q->tree, &t->node);
			t->armed = false;
			q->running = t;
		} else if (t) {
			timer_request(t->deadline);
			t = NULL;
		}
	}
	return t;
}

void timer_tick(u64 now)
{
	struct timer_queue *q = &queues[this_cpu_read(cpu)];
	struct timer *t;

	q->requested = CLOCK_NEVER;
	while ((t = take_due(q, now)))
		t->fn(t);
}

int sleep_until(u64 deadline)
{
	struct waitq never;
	int err;

	waitq_init(&never);
	err = wait_event(&never, WAIT_INTERRUPTIBLE, deadline, false);
	return err == -ETIMEDOUT ? 0 : err;
}
