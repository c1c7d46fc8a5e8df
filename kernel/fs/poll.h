/* Waiting for any of several files. poll, select and their kin ask each file's ops->poll twice: once with a
 * table, to be on all its queues before looking, and after each wake without.
 *
 * Rule for files: call poll_wait for every queue first, then look at the state; whoever changes the state
 * does so first and then wakes the queue. */
#pragma once

#include "hal/base/types.h"
#include "sched/waitq.h"

struct poll_chunk;

#define POLL_FEW 8

struct poll_table {
	u32 count;               /* waiters in use in few[] */
	bool out_of_memory;      /* a waiter could not be had */
	struct poll_chunk *more; /* when few[] is full */
	struct waiter few[POLL_FEW];
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
