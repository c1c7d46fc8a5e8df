/* A timer holds the one entry of a signal queue that it ever needs. It fires once: with an interval it is set again when
 * its signal has been taken, and what it missed meanwhile is reckoned then (the overrun). So no interval is too short,
 * and no queue grows. One whose signal is ignored is set again at once, but not more often than IGNORED_LEAST.
 *
 * Letters below: m timers_lock   s the process's signal lock   I immutable
 * While the timer is neither armed nor running (timer_cancel) what is marked ms belongs to the holder of m alone. */
#include "kernel/proc/posix_timer.h"
#include "hal/base/sabotage.h"
#include "hal/time/clock.h"
#include "kernel/abi/capability.h"
#include "kernel/proc/proc.h"
#include "kernel/proc/sigqueue.h"
#include "sched/mutex.h"
#include "vm/kmem.h"

#define IGNORED_LEAST (1 * NS_PER_MSEC)
#define TIMERS_MAX 1024 /* of one process */

struct posix_timer {
	struct list link;           /* [m] proc->posix_timers */
	struct list real_link;      /* [m] in real_timers, or empty */
	struct proc *proc;          /* [I] */
	int id;                     /* [I] */
	int clock;                  /* [I] */
	int notify;                 /* [I] SIGEV_* */
	pid_t target;               /* [I] the task that gets the signal; 0: the process */
	struct timer timer;         /* [m] who sets and cancels it; but its fn, too */
	struct siginfo_entry entry; /* [s] */
	bool fired;                 /* [s] its signal was queued, and the timer does not run */
	u64 deadline;               /* [ms] monotonic ns of the next, or of what made it fire; 0: not armed */
	u64 interval;               /* [ms] */
	u64 real;                   /* [m] while in real_timers: the deadline there */
	u32 again;   /* [s] expirations while its signal was pending: it was set again meanwhile */
	int overrun; /* [m] of the signal that was taken last */
};

static struct mutex timers_lock = MUTEX_INIT(timers_lock);
static struct list real_timers = LIST_INIT(real_timers); /* [m] absolute, on a clock that can be set */

/* mono_of: a time of day as monotonic time; what is long past is 1. */
static u64 mono_of(u64 real)
{
	u64 now = clock_mono(), now_real = clock_real();

	if (real >= now_real)
		return MIN(real - now_real, CLOCK_NEVER - 1 - now) + now;
	return now_real - real < now ? now - (now_real - real) : 1;
}

/* missed: whole intervals between the deadline and now. */
static u64 missed(const struct posix_timer *t, u64 now)
{
	return t->interval && now > t->deadline ? (now - t->deadline) / t->interval : 0;
}

/* fired: in an interrupt. */
static void fired(struct timer *timer)
{
	struct posix_timer *t = container_of(timer, struct posix_timer, timer);
	int err = signal_lend(t->proc, t->target, &t->entry, &t->fired, &t->again);

	if (err != -ESRCH || !t->interval)
		return;
	u64 now = clock_mono();
	t->deadline += (missed(t, now) + 1) * t->interval;
	timer_set(timer, MAX(t->deadline, now + IGNORED_LEAST));
}

/* --- finding --- */

/* => m held */
static struct posix_timer *find(struct proc *p, int id)
{
	struct posix_timer *t;

	list_for_each (t, &p->posix_timers, link)
		if (t->id == id)
			return t;
	return NULL;
}

/* --- making and ending --- */

static int clock_check(int clock)
{
	switch (clock) {
	case CLOCK_REALTIME_ALARM:
	case CLOCK_BOOTTIME_ALARM:
		return capable(CAP_WAKE_ALARM) ? 0 : -EPERM;
	case CLOCK_REALTIME:
	case CLOCK_MONOTONIC:
	case CLOCK_BOOTTIME:
	case CLOCK_TAI:
		return 0;
	case CLOCK_PROCESS_CPUTIME_ID:
	case CLOCK_THREAD_CPUTIME_ID:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_REALTIME_COARSE:
		return -EOPNOTSUPP;
	default:
		return -EINVAL;
	}
}

static int event_check(const struct sigevent *e)
{
	bool to_task = e->sigev_notify == (SIGEV_SIGNAL | SIGEV_THREAD_ID), ours = false;

	if (to_task) {
		WITH_LOCK (&proc_lock) {
			struct pid *pid = pid_find(e->sigev_notify_thread_id);

			ours = pid && pid->task && pid->task->proc == proc_current();
		}
		if (!ours)
			return -EINVAL;
	}
	if (e->sigev_notify == SIGEV_NONE)
		return 0;
	if (!to_task && e->sigev_notify != SIGEV_SIGNAL && e->sigev_notify != SIGEV_THREAD)
		return -EINVAL;
	return e->sigev_signo > 0 && e->sigev_signo <= SIG_COUNT ? 0 : -EINVAL;
}

/* insert: a number that none of the process's has. => 0 or -EAGAIN */
static int insert(struct proc *p, struct posix_timer *t)
{
	int err = -EAGAIN;

	WITH_MUTEX(&timers_lock)
	{
		if (p->posix_timer_count == TIMERS_MAX)
			break;
		while (find(p, p->posix_timer_next))
			p->posix_timer_next = (p->posix_timer_next + 1) & INT32_MAX;
		t->id = p->posix_timer_next;
		p->posix_timer_next = (p->posix_timer_next + 1) & INT32_MAX;
		p->posix_timer_count++;
		t->entry.info.si_tid = t->id;
		list_push_back(&p->posix_timers, &t->link);
		err = 0;
	}
	return err;
}

int posix_timer_create(int clock, const struct sigevent *event, int *ret_id)
{
	struct proc *p = proc_current();
	struct posix_timer *t;
	int err = clock_check(clock);

	if (!err && event)
		err = event_check(event);
	if (err)
		return err;
	t = kzalloc(sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->proc = p;
	t->clock = clock;
	t->notify = event ? event->sigev_notify : SIGEV_SIGNAL;
	t->target = t->notify & SIGEV_THREAD_ID ? event->sigev_notify_thread_id : 0;
	t->entry.lent = true;
	t->entry.info.si_signo = event ? event->sigev_signo : SIGALRM;
	t->entry.info.si_code = SI_TIMER;
	timer_init(&t->timer, fired);
	list_init(&t->real_link);
	err = insert(p, t);
	if (err) {
		kfree(t);
		return err;
	}
	if (event)
		t->entry.info.si_value = event->sigev_value;
	else
		t->entry.info.si_int = t->id;
	*ret_id = t->id;
	return 0;
}

/* end: T is no more, nor is its signal. m held */
static void end(struct posix_timer *t)
{
	list_remove(&t->link);
	list_remove(&t->real_link);
	t->proc->posix_timer_count--;
	timer_cancel(&t->timer);
	signal_unlend(t->proc, &t->entry);
	kfree(t);
}

int posix_timer_delete(int id)
{
	struct posix_timer *t = NULL;

	WITH_MUTEX(&timers_lock)
	{
		t = find(proc_current(), id);
		if (t)
			end(t);
	}
	return t ? 0 : -EINVAL;
}

void posix_timers_end(struct proc *p)
{
	if (!p->posix_timer_count)
		return;
	WITH_MUTEX(&timers_lock)
	{
		while (!list_empty(&p->posix_timers))
			end(list_first(&p->posix_timers, struct posix_timer, link));
	}
}

/* --- setting and reading --- */

/* time_left: m held */
static void time_left(const struct posix_timer *t, struct posix_time *ret)
{
	u64 now = clock_mono(), next = t->deadline;

	*ret = (struct posix_time){.interval = t->interval};
	if (next && t->interval && next <= now)
		next += (missed(t, now) + 1) * t->interval;
	if (next > now)
		ret->value = next - now;
}

/* start: at its deadline. m held, and the timer cancelled */
static void start(struct posix_timer *t)
{
	if (t->deadline && t->notify != SIGEV_NONE)
		timer_set(&t->timer, t->deadline);
}

static void set(struct posix_timer *t, bool absolute, const struct posix_time *time)
{
	u64 now = clock_mono();

	list_remove(&t->real_link);
	list_init(&t->real_link);
	timer_cancel(&t->timer);
	t->fired = false; /* a signal that is pending stays, but does not set it again */
	t->again = 0;
	t->overrun = 0;
	t->interval = time->value ? time->interval : 0;
	if (!time->value)
		t->deadline = 0;
	else if (!absolute)
		t->deadline = MIN(time->value, CLOCK_NEVER - 1 - now) + now;
	else if (!clock_is_real((u32)t->clock))
		t->deadline = time->value;
	else {
		t->real = time->value;
		t->deadline = mono_of(t->real);
		list_push_back(&real_timers, &t->real_link);
	}
	start(t);
}

int posix_timer_set(int id, bool absolute, const struct posix_time *time, struct posix_time *ret_was)
{
	struct posix_timer *t = NULL;

	WITH_MUTEX(&timers_lock)
	{
		t = find(proc_current(), id);
		if (!t)
			break;
		time_left(t, ret_was);
		set(t, absolute, time);
	}
	return t ? 0 : -EINVAL;
}

int posix_timer_get(int id, struct posix_time *ret)
{
	struct posix_timer *t = NULL;

	WITH_MUTEX(&timers_lock)
	{
		t = find(proc_current(), id);
		if (t)
			time_left(t, ret);
	}
	return t ? 0 : -EINVAL;
}

int posix_timer_overrun(int id)
{
	int overrun = -EINVAL;

	WITH_MUTEX(&timers_lock)
	{
		struct posix_timer *t = find(proc_current(), id);

		if (t)
			overrun = t->overrun;
	}
	return overrun;
}

/* --- what comes from elsewhere --- */

void posix_timer_taken(siginfo_t *info)
{
	struct proc *p = proc_current();

	WITH_MUTEX(&timers_lock)
	{
		struct posix_timer *t = find(p, info->si_tid);
		u64 over = 0;

		if (!t) /* it is none of ours: another process sent it as if it were */
			break;
		bool on = signal_lock(p->sighand);
		bool again = t->fired && !t->entry.queue;
		if (again) {
			over = missed(t, clock_mono());
			t->fired = false;
			t->deadline += t->interval ? (over + 1) * t->interval : 0;
		}
		over += t->again;
		t->again = 0;
		signal_unlock(p->sighand, on);
		t->overrun = (int)MIN(over, (u64)INT32_MAX);
		info->si_overrun = t->overrun;
		if (again && t->interval && !sabotage(timer_again))
			start(t);
	}
}

void posix_timers_clock_was_set(void)
{
	struct posix_timer *t;

	WITH_MUTEX(&timers_lock)
	list_for_each (t, &real_timers, real_link) {
		if (!timer_cancel(&t->timer))
			continue; /* it has expired */
		t->deadline = mono_of(t->real);
		start(t);
	}
}
