/* timerfd_create(2): a timer to wait for. */
#pragma once

#include "kernel/fs/vfs.h"

/* When a timer expires next, and how often from then on; ns, 0: not at all. */
struct timerfd_time {
	u64 value, interval;
};

/* timerfd_open: CLOCK: CLOCK_REALTIME, _MONOTONIC, _BOOTTIME, and those of alarms. => 0 and a reference; -ENOMEM */
int timerfd_open(int clock, u32 flags, struct file **ret);
bool file_is_timerfd(const struct file *f);

/* timerfd_set: FLAGS: TFD_TIMER_ABSTIME: TIME's value is a point in time of its clock, TFD_TIMER_CANCEL_ON_SET.
 * timerfd_get: what is left. */
void timerfd_set(struct file *f, u32 flags, const struct timerfd_time *time, struct timerfd_time *ret_old);
void timerfd_get(struct file *f, struct timerfd_time *ret);

/* timerfd_clock_was_set: the real-time clock has jumped. */
void timerfd_clock_was_set(void);
