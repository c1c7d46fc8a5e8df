/* The entries of signal queues, for those who have one of their own: it is lent to a queue, and comes back. */
#pragma once

#include "hal/base/list.h"
#include "kernel/proc/proc.h"

struct siginfo_entry {
	struct list link; /* [signal lock] */
	siginfo_t info;
	bool lent;              /* [I] its owner frees it, not the queue */
	struct sigqueue *queue; /* [signal lock] of a lent one: where it is, NULL: nowhere */
};

/* signal_lend: put E into the queue of P, or of its task TARGET (0: of P); from interrupts, too. *RET_QUEUED becomes
 * true under the signal lock; E may be taken at any time after it.
 * => 0; -EBUSY (it is in a queue: *AGAIN is counted up); -ESRCH (the signal is ignored, or there is no such task) */
int signal_lend(struct proc *p, pid_t target, struct siginfo_entry *e, bool *ret_queued, u32 *again);
/* signal_unlend: E is in no queue any more. */
void signal_unlend(struct proc *p, struct siginfo_entry *e);
