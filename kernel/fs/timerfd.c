/* timerfd_create(2). A timer with an interval fires once; how often it would have since is reckoned when somebody
 * asks, so no interval is too short.
 * Letters below: l timerfd->lock   q timerfd->queue.lock   c clock_lock, before l   I immutable */
#include "kernel/fs/timerfd.h"
#include "kernel/fs/anon.h"
#include "kernel/fs/poll.h"
#include "kernel/fs/seq.h"
#include "sched/timer.h"
#include "vm/kmem.h"

struct timerfd {
	struct mutex lock;
	struct timer timer; /* [l] */
	struct waitq queue; /* who waits for it to expire */
	u64 ticks;          /* [q], read with atomic_load: expirations that were not read yet */
	bool expired;       /* [q] it has fired, and was not set again since */
	bool cancelled;     /* [q], read with atomic_load: the clock was set, and nobody was told yet */
	int clock;          /* [I] */
	u32 flags;          /* [l] of the last timerfd_set */
	u64 deadline; /* [l] of the next, or of the one that made it expired; monotonic ns; 0: not armed */
	u64 interval; /* [l] ns, 0: once */
	u64 real;     /* [l] with TFD_TIMER_ABSTIME on a real-time clock: the deadline there */
	struct list real_link; /* [c] in real_timers, or empty */
};

static struct mutex clock_lock = MUTEX_INIT(clock_lock);
static struct list real_timers = LIST_INIT(real_timers); /* [c] */

/* timerfd_fired: in an interrupt. */
static void timerfd_fired(struct timer *timer)
{
	struct timerfd *t = container_of(timer, struct timerfd, timer);
	bool on = spin_lock_irq(&t->queue.lock);

	t->expired = true;
	atomic_store(&t->ticks, t->ticks + 1);
	waitq_wake_events_locked(&t->queue, POLLIN | POLLRDNORM);
	spin_unlock_irq(&t->queue.lock, on);
}

/* timerfd_reckon: an interval timer that has fired: add what it missed. l and q held.
 * => it is to run again, at its deadline, once q is free */
static bool timerfd_reckon(struct timerfd *t)
{
	u64 now = clock_mono(), missed;

	if (!t->interval || !t->deadline || !t->expired)
		return false;
	missed = now > t->deadline ? (now - t->deadline) / t->interval : 0;
	t->expired = false;
	atomic_store(&t->ticks, t->ticks + missed);
	t->deadline += (missed + 1) * t->interval;
	return true;
}

/* timerfd_catch_up: l held. */
static void timerfd_catch_up(struct timerfd *t)
{
	bool on = spin_lock_irq(&t->queue.lock), again = timerfd_reckon(t);

	spin_unlock_irq(&t->queue.lock, on);
	if (again)
		timer_set(&t->timer, t->deadline);
}

/* --- the file --- */

static bool timerfd_some(struct timerfd *t)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return atomic_load(&t->ticks) || atomic_load(&t->cancelled);
}

/* timerfd_take => expirations, 0: none; -ECANCELED. What expires from the reckoning on is for the next to take. */
static i64 timerfd_take(struct timerfd *t)
{
	bool cancelled, again;
	u64 n;

	mutex_lock(&t->lock);
	bool on = spin_lock_irq(&t->queue.lock);
	again = timerfd_reckon(t);
	cancelled = t->cancelled;
	n = t->ticks;
	atomic_store(&t->cancelled, false);
	atomic_store(&t->ticks, 0);
	spin_unlock_irq(&t->queue.lock, on);
	if (again)
		timer_set(&t->timer, t->deadline);
	mutex_unlock(&t->lock);
	return cancelled ? -ECANCELED : (i64)n;
}

static isize_t timerfd_read(struct file *f, struct uio *u, u64 *pos)
{
	struct timerfd *t = f->private;
	i64 n;
	int err;

	if (u->resid < sizeof(n))
		return -EINVAL;
	while (!timerfd_some(t) || !(n = timerfd_take(t))) {
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		err = wait_event(&t->queue, WAIT_INTERRUPTIBLE, CLOCK_NEVER, timerfd_some(t));
		if (err < 0)
			return err;
	}
	if (n < 0)
		return n;
	return uio_out(u, &n, sizeof(n)) == sizeof(n) ? (isize_t)sizeof(n) : -EFAULT;
}

static u32 timerfd_poll(struct file *f, struct poll_table *pt)
{
	struct timerfd *t = f->private;

	poll_wait(pt, &t->queue);
	return timerfd_some(t) ? POLLIN | POLLRDNORM : 0;
}

static void timerfd_release(struct file *f)
{
	struct timerfd *t = f->private;

	mutex_lock(&clock_lock);
	list_remove(&t->real_link);
	mutex_unlock(&clock_lock);
	timer_cancel(&t->timer);
	kfree(t);
}

static void show_time(struct seq *s, const char *name, u64 ns)
{
	seq_printf(s, "%s: (%lu, %lu)\n", name, ns / NS_PER_SEC, ns % NS_PER_SEC);
}

static void timerfd_show(struct file *f, struct seq *s)
{
	struct timerfd *t = f->private;
	struct timerfd_time now;

	timerfd_get(f, &now);
	seq_printf(s, "clockid: %d\nticks: %lu\nsettime flags: 0%u\n", t->clock, atomic_load(&t->ticks),
	           t->flags);
	show_time(s, "it_value", now.value);
	show_time(s, "it_interval", now.interval);
}

static const struct file_ops timerfd_fops = {
        .read = timerfd_read,
        .poll = timerfd_poll,
        .release = timerfd_release,
        .show = timerfd_show,
        .kind = "[timerfd]",
};

bool file_is_timerfd(const struct file *f)
{
	return f->ops == &timerfd_fops;
}

int timerfd_open(int clock, u32 flags, struct file **ret)
{
	struct timerfd *t = kzalloc(sizeof(*t));
	int err;

	if (!t)
		return -ENOMEM;
	mutex_init(&t->lock);
	waitq_init(&t->queue);
	timer_init(&t->timer, timerfd_fired);
	list_init(&t->real_link);
	t->clock = clock;
	if ((err = anon_file(&timerfd_fops, O_RDWR | (flags & O_NONBLOCK), t, ret)) < 0)
		kfree(t);
	return err;
}

/* --- setting --- */

static bool timerfd_is_real(const struct timerfd *t)
{
	return t->clock == CLOCK_REALTIME || t->clock == CLOCK_REALTIME_ALARM;
}

static u64 deadline_in(u64 ns)
{
	u64 now = clock_mono();

	return ns > CLOCK_NEVER - 1 - now ? CLOCK_NEVER - 1 : now + ns;
}

/* deadline_of: in monotonic ns; never 0, which is "not armed". */
static u64 deadline_of(const struct timerfd *t, u32 flags, u64 value)
{
	u64 now;

	if (!(flags & TFD_TIMER_ABSTIME))
		return deadline_in(value);
	if (!timerfd_is_real(t))
		return value;
	now = clock_real();
	return deadline_in(value > now ? value - now : 0);
}

/* timerfd_left: l held. */
static void timerfd_left(struct timerfd *t, struct timerfd_time *ret)
{
	u64 now = clock_mono();

	timerfd_catch_up(t);
	ret->interval = t->interval;
	ret->value = 0;
	if (t->deadline && !atomic_load(&t->expired))
		ret->value = t->deadline > now ? t->deadline - now : 1;
}

/* timerfd_start: l held; the timer is not running. */
static void timerfd_start(struct timerfd *t, u32 flags, const struct timerfd_time *time)
{
	bool on = spin_lock_irq(&t->queue.lock);

	atomic_store(&t->ticks, 0);
	atomic_store(&t->cancelled, false);
	t->expired = false;
	spin_unlock_irq(&t->queue.lock, on);
	t->flags = flags;
	t->interval = time->interval;
	t->real = time->value;
	t->deadline = time->value ? deadline_of(t, flags, time->value) : 0;
	if (t->deadline)
		timer_set(&t->timer, t->deadline);
}

void timerfd_set(struct file *f, u32 flags, const struct timerfd_time *time, struct timerfd_time *ret_old)
{
	struct timerfd *t = f->private;

	mutex_lock(&clock_lock);
	mutex_lock(&t->lock);
	timerfd_left(t, ret_old);
	timer_cancel(&t->timer);
	timerfd_start(t, flags, time);
	list_remove(&t->real_link);
	if (t->deadline && (flags & TFD_TIMER_ABSTIME) && timerfd_is_real(t))
		list_push_back(&real_timers, &t->real_link);
	mutex_unlock(&t->lock);
	mutex_unlock(&clock_lock);
}

void timerfd_get(struct file *f, struct timerfd_time *ret)
{
	struct timerfd *t = f->private;

	mutex_lock(&t->lock);
	timerfd_left(t, ret);
	mutex_unlock(&t->lock);
}

/* timerfd_move: the point in time for which it was set is elsewhere now. l held. */
static void timerfd_move(struct timerfd *t)
{
	bool armed = timer_cancel(&t->timer), on = spin_lock_irq(&t->queue.lock);

	if (t->flags & TFD_TIMER_CANCEL_ON_SET) {
		atomic_store(&t->cancelled, true);
		waitq_wake_events_locked(&t->queue, POLLIN | POLLRDNORM);
	}
	spin_unlock_irq(&t->queue.lock, on);
	if (!armed)
		return;
	t->deadline = deadline_of(t, t->flags, t->real);
	timer_set(&t->timer, t->deadline);
}

void timerfd_clock_was_set(void)
{
	struct timerfd *t;

	mutex_lock(&clock_lock);
	list_for_each (t, &real_timers, real_link)
		WITH_MUTEX(&t->lock)
	timerfd_move(t);
	mutex_unlock(&clock_lock);
}
