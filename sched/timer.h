/* One-shot timers in monotonic nanoseconds, in a tree for each CPU. Setting and cancelling is O(log n). */
#pragma once

#include "hal/base/types.h"
#include "hal/base/tree.h"

struct timer {
	struct tree_node node;       /* [timer lock] by deadline */
	u64 deadline;                /* [timer lock] monotonic ns */
	bool armed;                  /* [timer lock] */
	u32 cpu;                     /* [timer lock] whose tree it is in, while armed or running */
	void (*fn)(struct timer *t); /* [I] interrupt context; may set its own timer again; may not sleep */
};

void timer_init(struct timer *t, void (*fn)(struct timer *));

/* timer_set: replaces an earlier deadline. One caller at a time for one timer. */
void timer_set(struct timer *t, u64 deadline);

/* timer_cancel: => true when it was armed. On return fn neither runs nor will run (unless fn itself calls this). */
bool timer_cancel(struct timer *t);

/* sleep_until => 0; -ERESTARTSYS when interrupted */
int sleep_until(u64 deadline);
