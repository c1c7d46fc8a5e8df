/* Clocks, sleeping, interval timers. */
#include "hal/base/string.h"
#include "hal/time/clock.h"
#include "kernel/abi/capability.h"
#include "kernel/fs/timerfd.h"
#include "kernel/proc/posix_timer.h"
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

int itimerspec_get(uaddr_t from, u64 *ret_value, u64 *ret_interval)
{
	int err = timespec_get(from, ret_interval);

	return err ? err : timespec_get(UADDR(from.va + sizeof(struct __kernel_timespec)), ret_value);
}

int itimerspec_put(uaddr_t to, u64 value, u64 interval)
{
	struct __kernel_itimerspec its = {timespec_from_ns(interval), timespec_from_ns(value)};

	return copyout(to, &its, sizeof(its));
}

/* --- clocks --- */

/* A clock of CPU time by number (clock_getcpuclockid(3)): a process's or a task's, 0 for the caller's; from Linux's
 * kernel, which states it nowhere else. */
#define CPU_CLOCK(nr, kind) ((int)(~(u32)(nr) << 3 | (kind)))
#define CPU_CLOCK_NR(clock) ((pid_t) ~((clock) >> 3))
#define CPU_CLOCK_TASK 4
#define CPU_CLOCK_TYPE 3 /* mask: */
#define CPU_CLOCK_BOTH 0
#define CPU_CLOCK_USER 1
#define CPU_CLOCK_RUN 2

/* cpu_times: proc_lock held. => false: there is no such process, or no such task of the caller's process */
static bool cpu_times(int clock, u64 *ret_user, u64 *ret_kernel)
{
	struct proc *self = proc_current();
	pid_t nr = CPU_CLOCK_NR(clock);
	struct pid *pid = nr ? pid_find(nr) : clock & CPU_CLOCK_TASK ? task_current()->pid : self->pid;
	u64 since = clock_mono() - thread_current()->run_started; /* not charged yet */
	bool running;

	if (clock & CPU_CLOCK_TASK) {
		if (!pid || !pid->task || pid->task->proc != self)
			return false;
		task_times(&pid->task->thread, ret_user, ret_kernel);
		running = pid->task == task_current();
	} else {
		if (!pid || !pid->proc || pid->proc->state == PROC_ZOMBIE)
			return false;
		proc_times(pid->proc, ret_user, ret_kernel);
		running = pid->proc == self;
	}
	*ret_kernel += running ? since : 0;
	return true;
}

static int cpu_clock_read(int clock, u64 *ret_ns)
{
	u64 user = 0, kernel = 0;
	bool found = false;

	if ((clock & CPU_CLOCK_TYPE) > CPU_CLOCK_RUN)
		return -EINVAL;
	WITH_LOCK (&proc_lock)
		found = cpu_times(clock, &user, &kernel);
	*ret_ns = (clock & CPU_CLOCK_TYPE) == CPU_CLOCK_USER ? user : user + kernel;
	return found ? 0 : -EINVAL;
}

static int any_clock_read(int clock, u64 *ret_ns)
{
	if (clock_read((u32)clock, ret_ns))
		return 0;
	if (clock == CLOCK_PROCESS_CPUTIME_ID)
		clock = CPU_CLOCK(0, CPU_CLOCK_RUN);
	else if (clock == CLOCK_THREAD_CPUTIME_ID)
		clock = CPU_CLOCK(0, CPU_CLOCK_TASK | CPU_CLOCK_RUN);
	return clock < 0 ? cpu_clock_read(clock, ret_ns) : -EINVAL;
}

i64 sys_clock_gettime(int clock, uaddr_t tp)
{
	u64 ns;
	int err = any_clock_read(clock, &ns);

	if (err)
		return err;
	struct __kernel_timespec ts = timespec_from_ns(ns);
	return copyout(tp, &ts, sizeof(ts));
}

i64 sys_clock_getres(int clock, uaddr_t tp)
{
	struct __kernel_timespec ts = timespec_from_ns(1);
	u64 ns;
	int err = any_clock_read(clock, &ns);

	if (!err && tp.va)
		err = copyout(tp, &ts, sizeof(ts));
	return err;
}

/* Who sleeps until a time of day looks again when it was set. */
static struct waitq step_wait = WAITQ_INIT(step_wait);
static u32 steps; /* atomic */

void clock_step(u64 real)
{
	clock_set_real(real);
	atomic_add(&steps, 1);
	waitq_wake_all(&step_wait);
	timerfd_clock_was_set();
	posix_timers_clock_was_set();
}

i64 sys_clock_settime(int clock, uaddr_t tp)
{
	u64 ns;
	int err = clock == CLOCK_REALTIME || clock < 0 ? timespec_get(tp, &ns) : -EINVAL;

	if (err)
		return err;
	if (clock < 0) /* CPU time is nobody's to set */
		return cpu_clock_read(clock, &ns) < 0 ? -EINVAL : -EPERM;
	if (!capable(CAP_SYS_TIME))
		return -EPERM;
	clock_step(ns);
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

/* tell_left: how much of a sleep until DEADLINE is left at NOW, both on its clock. => 0 or -EFAULT */
static int tell_left(uaddr_t rem, u64 deadline, u64 now)
{
	struct __kernel_timespec left = timespec_from_ns(deadline > now ? deadline - now : 0);

	return rem.va ? copyout(rem, &left, sizeof(left)) : 0;
}

/* A relative sleep that a handler ends tells what was left; without one (stop and continue) it goes on. */
static i64 sleep_relative(u64 deadline, uaddr_t rem)
{
	struct task *t = task_current();
	int err = sleep_until(deadline);

	if (!err)
		return 0;
	if (tell_left(rem, deadline, clock_mono()) < 0)
		return -EFAULT;
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

/* sleep_until_real, sleep_until_cpu: as sleep_until; the latter by looking now and then: no clock of CPU time is
 * faster than the CPUs together. */
static int sleep_until_real(u64 real)
{
	int err = 0;

	while (!err || err == -ETIMEDOUT) {
		u32 seen = atomic_load(&steps);
		u64 now = clock_real();

		if (now >= real)
			return 0;
		err = wait_event(&step_wait, WAIT_INTERRUPTIBLE, deadline_in(real - now),
		                 atomic_load(&steps) != seen);
	}
	return err;
}

#define CPU_SLEEP_LEAST (1 * NS_PER_MSEC)

static int sleep_until_cpu(int clock, u64 ns)
{
	int err = 0;
	u64 now;

	while (!err && any_clock_read(clock, &now) == 0 && now < ns)
		err = sleep_until(deadline_in(MAX((ns - now) / cpu_count, CPU_SLEEP_LEAST)));
	return err;
}

/* clock_sleeps => 0; -EINVAL (no such clock, or the caller's own CPU time); -EOPNOTSUPP */
static int clock_sleeps(int clock)
{
	u64 now;
	int err = any_clock_read(clock, &now);

	if (err)
		return err;
	switch (clock) {
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_THREAD_CPUTIME_ID:
		return -EOPNOTSUPP;
	case CLOCK_REALTIME_ALARM:
	case CLOCK_BOOTTIME_ALARM:
		return capable(CAP_WAKE_ALARM) ? 0 : -EPERM;
	default:
		return clock < 0 && (clock & CPU_CLOCK_TASK) &&
		                       (!CPU_CLOCK_NR(clock) ||
		                        CPU_CLOCK_NR(clock) == task_current()->pid->nr)
		               ? -EINVAL
		               : 0;
	}
}

i64 sys_clock_nanosleep(int clock, int flags, uaddr_t req, uaddr_t rem)
{
	bool absolute = flags & TIMER_ABSTIME, cpu = clock < 0 || clock == CLOCK_PROCESS_CPUTIME_ID;
	u64 ns, now, end;
	int err = clock_sleeps(clock);

	if (!err)
		err = timespec_get(req, &ns);
	if (!err)
		err = any_clock_read(clock, &now);
	if (err)
		return err;
	if (!absolute && !cpu)
		return sleep_relative(deadline_in(ns), rem);
	if (cpu)
		err = sleep_until_cpu(clock, absolute ? ns : now + ns);
	else if (clock_is_real((u32)clock))
		err = sleep_until_real(ns);
	else
		err = sleep_until(ns);
	if (err && !absolute)
		return any_clock_read(clock, &end) == 0 && tell_left(rem, now + ns, end) < 0 ? -EFAULT
		                                                                             : -EINTR;
	return err ? -ERESTARTNOHAND : 0;
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

	signal_timer(p, SIGALRM);
	if (interval)
		timer_set(t, MAX(t->deadline + interval, clock_mono() + ITIMER_LEAST));
}

/* cpu_timer_charge: => it has run out. Signal lock held. */
static bool cpu_timer_charge(struct cpu_timer *c, u64 ns)
{
	if (!c->left)
		return false;
	if (c->left > ns) {
		c->left -= ns;
		return false;
	}
	c->left = c->interval;
	return true;
}

/* What the task has run since its last tick counts as that tick fell: in ring 3, or in the kernel for it. In the
 * interrupt. */
void itimer_charge(struct task *t, bool from_user)
{
	struct proc *p = t->proc;
	u64 ns = t->thread.runtime - t->charged;
	bool virtual, prof;

	t->charged += ns;
	if (list_empty(&t->link)) /* it ends, and its process may be gone */
		return;
	if (!read_once(p->cpu_timers[0].left) && !read_once(p->cpu_timers[1].left))
		return;
	bool on = signal_lock(p->sighand);
	virtual = from_user && cpu_timer_charge(&p->cpu_timers[0], ns);
	prof = cpu_timer_charge(&p->cpu_timers[1], ns);
	signal_unlock(p->sighand, on);
	if (virtual)
		signal_timer(p, SIGVTALRM);
	if (prof)
		signal_timer(p, SIGPROF);
}

/* A timer's two times, in ns. */
struct itimer {
	u64 left, interval;
};

static struct itimer real_read(const struct proc *p)
{
	u64 now = clock_mono();
	u64 left = p->real_timer.armed && p->real_timer.deadline > now ? p->real_timer.deadline - now : 0;

	return (struct itimer){left, p->real_interval};
}

static struct itimer cpu_exchange(struct proc *p, int which, const struct itimer *new)
{
	struct cpu_timer *c = &p->cpu_timers[which - ITIMER_VIRTUAL];
	bool on = signal_lock(p->sighand);
	struct itimer old = {c->left, c->interval};

	if (new)
		*c = (struct cpu_timer){new->left, new->interval};
	signal_unlock(p->sighand, on);
	return old;
}

/* itimer_exchange: NEW NULL: only look. => what it was */
static struct itimer itimer_exchange(int which, const struct itimer *new)
{
	struct proc *p = proc_current();
	struct itimer old = {0, 0};

	if (which != ITIMER_REAL)
		return cpu_exchange(p, which, new);
	WITH_MUTEX(&itimer_lock)
	{
		old = real_read(p);
		if (new) {
			timer_cancel(&p->real_timer);
			write_once(p->real_interval, new->left ? new->interval : 0);
			if (new->left)
				timer_set(&p->real_timer, deadline_in(new->left));
		}
	}
	return old;
}

static int itimer_out(uaddr_t to, struct itimer t)
{
	struct __kernel_old_itimerval v = {
	        .it_interval = timeval_old_from_ns(t.interval),
	        .it_value = timeval_old_from_ns(t.left),
	};

	return copyout(to, &v, sizeof(v));
}

i64 sys_getitimer(int which, uaddr_t value)
{
	if (which < ITIMER_REAL || which > ITIMER_PROF)
		return -EINVAL;
	return itimer_out(value, itimer_exchange(which, NULL));
}

i64 sys_setitimer(int which, uaddr_t value, uaddr_t ovalue)
{
	struct itimer new = {0, 0}, old;
	int err = 0;

	if (value.va) {
		err = timeval_get(value, &new.interval);
		if (!err)
			err = timeval_get(UADDR(value.va + 16), &new.left);
	}
	if (!err && (which < ITIMER_REAL || which > ITIMER_PROF))
		err = -EINVAL;
	if (err)
		return err;
	old = itimer_exchange(which, &new);
	return ovalue.va ? itimer_out(ovalue, old) : 0;
}

i64 sys_alarm(u32 seconds)
{
	struct itimer new = {seconds * NS_PER_SEC, 0};
	u64 left = itimer_exchange(ITIMER_REAL, &new).left / NS_PER_USEC;

	/* Rounded; what is left of a second counts as one when there is no more. */
	return (i64)(left / 1000000 + (left % 1000000 >= 500000 || (left && left < 1000000)));
}
