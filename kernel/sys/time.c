/* Clocks, sleeping, interval timers. */
#include "hal/base/string.h"
#include "hal/time/clock.h"
#include "kernel/abi/capability.h"
#include "kernel/fs/timerfd.h"
#include "kernel/proc/proc.h"
#include "kernel/sys/futex.h"
#include "kernel/sys/poll.h"
#include "kernel/sys/syscall.h"
#include "kernel/sys/usertime.h"
#include "sched/mutex.h"
#include "sched/timer.h"

static int to_ns(i64 sec, i64 fraction, u64 per_unit, u64 *ret_ns)
{
	if (sec < 0 || fraction < 0 || (u64)fraction >= NS_PER_SEC / per_unit)
		return -EINVAL;
	if ((u64)sec > (1UL << 62) / NS_PER_SEC)
		*ret_ns = 1UL << 62; /* 146 years: as good as for ever */
	else
		*ret_ns = (u64)sec * NS_PER_SEC + (u64)fraction * per_unit;
	return 0;
}

int timespec_get(uaddr_t from, u64 *ret_ns)
{
	struct __kernel_timespec ts;

	return copyin(&ts, from, sizeof(ts)) < 0 ? -EFAULT : to_ns(ts.tv_sec, ts.tv_nsec, 1, ret_ns);
}

int timeval_get(uaddr_t from, u64 *ret_ns)
{
	struct timeval tv;

	return copyin(&tv, from, sizeof(tv)) < 0 ? -EFAULT
	                                         : to_ns(tv.tv_sec, tv.tv_usec, NS_PER_USEC, ret_ns);
}

static u64 cpu_time(bool whole_process)
{
	u64 user, kernel;

	WITH_LOCK (&proc_lock) {
		if (whole_process)
			proc_times(proc_current(), &user, &kernel);
		else
			task_times(thread_current(), &user, &kernel);
	}
	u64 since = clock_mono() - thread_current()->run_started; /* not charged yet */
	return user + kernel + since;
}

static int clock_read(int clock, u64 *ret_ns)
{
	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_TAI:
		*ret_ns = clock_real();
		return 0;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_BOOTTIME:
		*ret_ns = clock_mono();
		return 0;
	case CLOCK_PROCESS_CPUTIME_ID:
	case CLOCK_THREAD_CPUTIME_ID:
		*ret_ns = cpu_time(clock == CLOCK_PROCESS_CPUTIME_ID);
		return 0;
	default:
		return -EINVAL;
	}
}

i64 sys_clock_gettime(int clock, uaddr_t tp)
{
	u64 ns;
	int err = clock_read(clock, &ns);

	if (err)
		return err;
	struct __kernel_timespec ts = timespec_from_ns(ns);
	return copyout(tp, &ts, sizeof(ts));
}

i64 sys_clock_getres(int clock, uaddr_t tp)
{
	struct __kernel_timespec ts = timespec_from_ns(1);
	u64 ns;
	int err = clock_read(clock, &ns);

	if (!err && tp.va)
		err = copyout(tp, &ts, sizeof(ts));
	return err;
}

i64 sys_clock_settime(int clock, uaddr_t tp)
{
	u64 ns;
	int err = clock == CLOCK_REALTIME ? timespec_get(tp, &ns) : -EINVAL;

	if (err)
		return err;
	if (!capable(CAP_SYS_TIME))
		return -EPERM;
	clock_set_real(ns);
	timerfd_clock_was_set();
	return 0;
}

i64 sys_gettimeofday(uaddr_t tv, uaddr_t tz)
{
	struct timeval now = timeval_from_ns(clock_real());

	if (tv.va && copyout(tv, &now, sizeof(now)) < 0)
		return -EFAULT;
	return tz.va ? copyout_zero(tz, 8) : 0;
}

i64 sys_time(uaddr_t tloc)
{
	i64 now = (i64)(clock_real() / NS_PER_SEC);

	if (tloc.va && copyout(tloc, &now, sizeof(now)) < 0)
		return -EFAULT;
	return now;
}

i64 sys_times(uaddr_t buf)
{
	struct proc *p = proc_current();
	struct tms t;
	u64 user, kernel, tick = NS_PER_SEC / 100;

	WITH_LOCK (&proc_lock)
		proc_times(p, &user, &kernel);
	t.tms_utime = (long)(user / tick);
	t.tms_stime = (long)(kernel / tick);
	t.tms_cutime = (long)(p->time_child_user / tick);
	t.tms_cstime = (long)(p->time_child_kernel / tick);
	if (buf.va && copyout(buf, &t, sizeof(t)) < 0)
		return -EFAULT;
	return (i64)(clock_mono() / tick);
}

/* --- sleeping --- */

static u64 deadline_in(u64 ns)
{
	u64 now = clock_mono();

	return ns > CLOCK_NEVER - 1 - now ? CLOCK_NEVER - 1 : now + ns;
}

/* A relative sleep that a handler ends tells what was left; without one (stop and continue) it goes on. */
static i64 sleep_relative(u64 deadline, uaddr_t rem)
{
	struct task *t = task_current();
	int err = sleep_until(deadline);

	if (!err)
		return 0;
	if (rem.va) {
		u64 now = clock_mono();
		struct __kernel_timespec left = timespec_from_ns(deadline > now ? deadline - now : 0);

		if (copyout(rem, &left, sizeof(left)) < 0)
			return -EFAULT;
	}
	t->restart_deadline = deadline;
	t->restart_what = RESTART_SLEEP;
	t->restart_left = rem;
	return -ERESTART_RESTARTBLOCK;
}

i64 sys_nanosleep(uaddr_t req, uaddr_t rem)
{
	u64 ns;
	int err = timespec_get(req, &ns);

	return err ? err : sleep_relative(deadline_in(ns), rem);
}

i64 sys_clock_nanosleep(int clock, int flags, uaddr_t req, uaddr_t rem)
{
	u64 ns, now;
	int err = timespec_get(req, &ns);

	if (!err)
		err = clock_read(clock, &now);
	if (err)
		return err;
	if (clock == CLOCK_THREAD_CPUTIME_ID || clock == CLOCK_PROCESS_CPUTIME_ID)
		return -EINVAL;
	if (!(flags & TIMER_ABSTIME))
		return sleep_relative(deadline_in(ns), rem);
	if (ns <= now)
		return 0;
	return sleep_until(deadline_in(ns - now)) ? -ERESTARTNOHAND : 0;
}

i64 sys_pause(void)
{
	sleep_until(CLOCK_NEVER);
	return -ERESTARTNOHAND;
}

/* restart_syscall: the kernel itself makes ring 3 call this, to go on with an interrupted sleep. */
i64 sys_restart_syscall(void)
{
	struct task *t = task_current();
	u64 deadline = t->restart_deadline;

	t->restart_deadline = 0;
	if (!deadline)
		return -EINTR;
	switch (t->restart_what) {
	case RESTART_POLL:
		return poll_until(UADDR(task_frame(t)->rdi), (u32)task_frame(t)->rsi, deadline);
	case RESTART_FUTEX:
		return futex_restart(task_frame(t), deadline);
	default:
		return sleep_relative(deadline, t->restart_left);
	}
}

/* --- interval timers --- */

/* The least time between two expirations: an interval of a microsecond must not take the whole CPU. */
#define ITIMER_LEAST (100 * NS_PER_USEC)

/* Threads of one process that set its timer: one at a time (timer_set). */
static struct mutex itimer_lock = MUTEX_INIT(itimer_lock);

/* real_timer's fn: interrupt context. */
void itimer_expired(struct timer *t)
{
	struct proc *p = container_of(t, struct proc, real_timer);
	u64 interval = read_once(p->real_interval);

	signal_timer(p);
	if (interval)
		timer_set(t, MAX(t->deadline + interval, clock_mono() + ITIMER_LEAST));
}

static void itimer_read(struct proc *p, struct __kernel_old_itimerval *ret)
{
	u64 now = clock_mono();
	u64 left = p->real_timer.armed && p->real_timer.deadline > now ? p->real_timer.deadline - now : 0;

	ret->it_interval = timeval_old_from_ns(p->real_interval);
	ret->it_value = timeval_old_from_ns(left);
}

static void itimer_start(struct proc *p, u64 value, u64 interval, struct __kernel_old_itimerval *ret_old)
{
	WITH_MUTEX(&itimer_lock)
	{
		itimer_read(p, ret_old);
		timer_cancel(&p->real_timer);
		write_once(p->real_interval, interval);
		if (value)
			timer_set(&p->real_timer, deadline_in(value));
	}
}

i64 sys_getitimer(int which, uaddr_t value)
{
	struct __kernel_old_itimerval now = {0};

	if (which < ITIMER_REAL || which > ITIMER_PROF)
		return -EINVAL;
	if (which == ITIMER_REAL)
		itimer_read(proc_current(), &now);
	return copyout(value, &now, sizeof(now));
}

i64 sys_setitimer(int which, uaddr_t value, uaddr_t ovalue)
{
	struct proc *p = proc_current();
	struct __kernel_old_itimerval old;
	u64 first = 0, interval = 0;
	int err = 0;

	if (which != ITIMER_REAL) /* virtual and profiling timers are not built yet (README) */
		return -EINVAL;
	if (value.va) {
		err = timeval_get(value, &interval);
		if (!err)
			err = timeval_get(UADDR(value.va + 16), &first);
	}
	if (err)
		return err;
	itimer_start(p, first, interval, &old);
	return ovalue.va ? copyout(ovalue, &old, sizeof(old)) : 0;
}

i64 sys_alarm(u32 seconds)
{
	struct proc *p = proc_current();
	struct __kernel_old_itimerval old;

	itimer_start(p, seconds * NS_PER_SEC, 0, &old);
	return old.it_value.tv_sec +
	       (old.it_value.tv_usec >= 500000 || (!old.it_value.tv_sec && old.it_value.tv_usec));
}
