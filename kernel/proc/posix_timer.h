/* POSIX timers (timer_create(2)): clocks that send their process a signal. */
#pragma once

#include "hal/base/types.h"
#include "kernel/abi/linux.h"

struct proc;

struct posix_time {
	u64 value;    /* ns until it expires, or the time on its clock; 0: not armed */
	u64 interval; /* ns, 0: once */
};

/* Of the running process. All may sleep. ID is the timer's number; an unknown one is -EINVAL.
 *
 * posix_timer_create: not armed yet. TARGET: with SIGEV_THREAD_ID the number of one of its tasks.
 * => 0; -EINVAL; -EOPNOTSUPP (a clock that has no timers); -EPERM; -EAGAIN (too many); -ENOMEM */
int posix_timer_create(int clock, const struct sigevent *event, int *ret_id);
int posix_timer_set(int id, bool absolute, const struct posix_time *time, struct posix_time *ret_was);
int posix_timer_get(int id, struct posix_time *ret);
/* posix_timer_overrun => how often it had expired again before its last signal was taken */
int posix_timer_overrun(int id);
int posix_timer_delete(int id);

/* posix_timers_end: P runs another program, or ends: its timers go, with their signals. */
void posix_timers_end(struct proc *p);
/* posix_timer_taken: the running process has taken INFO, a timer's signal, from its queue: the timer goes on. */
void posix_timer_taken(siginfo_t *info);
/* posix_timers_clock_was_set: real time was: those that wait for a time of day wait for another moment. */
void posix_timers_clock_was_set(void);
