/* Times as ring 3 hands them over. */
#pragma once

#include "kernel/abi/linux.h"
#include "vm/uaccess.h"

static inline struct __kernel_old_timeval timeval_old_from_ns(u64 ns)
{
	return (struct __kernel_old_timeval){(i64)(ns / NS_PER_SEC), (i64)(ns % NS_PER_SEC / NS_PER_USEC)};
}

static inline struct timeval timeval_from_ns(u64 ns)
{
	return (struct timeval){(i64)(ns / NS_PER_SEC), (i64)(ns % NS_PER_SEC / NS_PER_USEC)};
}

static inline struct __kernel_timespec timespec_from_ns(u64 ns)
{
	return (struct __kernel_timespec){(i64)(ns / NS_PER_SEC), (i64)(ns % NS_PER_SEC)};
}

/* timespec_get: read and check one. => 0 and ns (what does not fit is the largest); -EFAULT; -EINVAL */
int timespec_get(uaddr_t from, u64 *ret_ns);
int timeval_get(uaddr_t from, u64 *ret_ns);

/* itimerspec_get, itimerspec_put: a value and an interval. => 0; -EFAULT; -EINVAL */
int itimerspec_get(uaddr_t from, u64 *ret_value, u64 *ret_interval);
int itimerspec_put(uaddr_t to, u64 value, u64 interval);

/* clock_step: set real time, and tell those who wait for a time of day. */
void clock_step(u64 real);
