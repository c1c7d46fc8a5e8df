/* Waiting for any of several files. poll, select and their kin ask each file's ops->poll twice: once with a
 * table, to be on all its queues before looking, and after each wake without.
 *
 * Rule for files: call poll_wait for every queue first, then look at the state; whoever changes the state
 * does so first and then wakes the queue. */
#pragma once

#include "hal/base/types.h"
#include "kernel/fs/vfs.h"
#include "sched/waitq.h"

/* Who asks, and how it gets onto the queues: poll_run with the thread that will sleep, an epoll with a callback. */
struct poll_table {
	void (*add)(struct poll_table *pt, struct waitq *q);
	struct file *hold;  /* who is being asked now, to be kept while waiting; or NULL */
	bool out_of_memory; /* a waiter could not be had */
};

/* poll_wait: be told of Q's wakes from now on. PT NULL: only the state is wanted. */
static inline void poll_wait(struct poll_table *pt, struct waitq *q)
{
	if (pt)
		pt->add(pt, q);
}

#define POLL_ALWAYS (POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM)

/* file_poll => POLL* that hold now */
static inline u32 file_poll(struct file *f, struct poll_table *pt)
{
	return f->ops->poll ? f->ops->poll(f, pt) : POLL_ALWAYS;
}

/* poll_run: ask by PASS, which returns how many are ready or an error, until some are, DEADLINE (monotonic ns;
 * 0: at once; CLOCK_NEVER) has passed, or a signal came.
 * => the number; 0 (deadline); -ERESTARTNOHAND; -ENOMEM; what PASS says */
int poll_run(int (*pass)(void *arg, struct poll_table *pt), void *arg, u64 deadline);
