/* Waiting for any of several files. poll, select and their kin ask each file's ops->poll twice: once with a
 * table, to be on all its queues before looking, and after each wake without.
 *
 * Rule for files: call poll_wait for every queue first, then look at the state; whoever changes the state
 * does so first and then wakes the queue. */
#pragma once

#include "hal/base/types.h"
#include "sched/waitq.h"

struct file;
struct poll_chunk;

#define POLL_FEW 4

struct poll_entry {
	struct waiter waiter;
	struct file *file; /* counted, or NULL: nobody can close it meanwhile */
};

struct poll_table {
	struct file *hold;       /* who is being asked now, to be kept while waiting; or NULL */
	bool out_of_memory;      /* a waiter could not be had */
	u32 count;               /* entries in use in few[] */
	struct poll_chunk *more; /* when few[] is full */
	struct poll_entry few[POLL_FEW];
};

/* poll_wait: be woken through Q from now on. PT NULL: only the state is wanted. */
void poll_wait_add(struct poll_table *pt, struct waitq *q);
static inline void poll_wait(struct poll_table *pt, struct waitq *q)
{
	if (pt)
		poll_wait_add(pt, q);
}

void poll_table_init(struct poll_table *pt);
void poll_table_done(struct poll_table *pt); /* off all queues again */

/* poll_run: ask by PASS, which returns how many are ready or an error, until some are, DEADLINE (monotonic ns;
 * 0: at once; CLOCK_NEVER) has passed, or a signal came.
 * => the number; 0 (deadline); -ERESTARTNOHAND; -ENOMEM; what PASS says */
int poll_run(int (*pass)(void *arg, struct poll_table *pt), void *arg, u64 deadline);
