/* What the files of sched/ share among themselves. */
#pragma once

#include "sched/thread.h"

/* One CPU's run queue. The running thread is not in the tree, but counts as on_runq. */
struct runq {
	struct spinlock lock;                /* RANK_RUNQ */
	struct tree queue;                   /* [lock] READY threads by vruntime */
	struct list rt[RT_PRIORITY_MAX + 1]; /* [lock] READY real-time threads by priority */
	u64 rt_ready[2];                     /* [lock] bit n: rt[n] is not empty */
	u64 rt_spent;                        /* [lock] ns that they had in this period */
	u64 rt_period_end;                   /* [lock] */
	u32 count;                           /* [lock] READY threads of both kinds */
	u32 cpu;                             /* [I] */
	u64 min_vruntime;                    /* [lock] never goes back: where newcomers start */
	struct thread *current;              /* [lock] */
	struct thread *idle;                 /* [I] */
	struct thread *prev;                 /* [lock] between two halves of a switch: who was left */
	u64 idle_ns;                         /* [lock] */
	u64 switches;                        /* [lock] */
	u64 ticks_user, ticks_kernel;        /* [c] */
	u64 load[3];                         /* [c] fixed point, 1 << 16 */
	u64 load_next;                       /* [c] when the next sample is due, ns */
};

/* timer_request: this CPU's one-shot interrupt at DEADLINE or earlier. Interrupts off. */
void timer_request(u64 deadline);

/* timer_tick: the interrupt came: run what is due, ask for the next. Interrupt context. */
void timer_tick(u64 now);

/* kstack_alloc: give T a kernel stack. => 0 or -ENOMEM
 * kstack_free: of a thread that never ran, or never will again. */
int kstack_alloc(struct thread *t);
void kstack_free(struct thread *t);

/* kstack_init: this CPU's reserve of frames, before any thread runs on it.
 * kstack_settle: before a switch, if the running thread's stack has grown: give that back if it is not in use, and
 * kstack_refill: fill up the reserve; again after the switch if that was needed meanwhile. Both with interrupts and
 * preemption off, no spinlock held. */
void kstack_init(void);
void kstack_settle(void);
void kstack_refill(void);

/* switch_finish: the second half of a switch, on the new thread's stack. */
void switch_finish(void);
