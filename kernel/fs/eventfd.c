/* eventfd(2): a counter to wait for. It never holds EVENT_MAX itself: a write that would make it so waits. */
#include "kernel/fs/eventfd.h"
#include "kernel/fs/anon.h"
#include "kernel/fs/poll.h"
#include "kernel/fs/seq.h"
#include "vm/kmem.h"

#define EVENT_MAX (~0UL)

struct eventfd {
	struct waitq queue; /* who waits for it to be more than 0, and for room */
	u64 count;          /* [queue.lock], read with atomic_load */
	bool semaphore;     /* [I] a read takes one */
	u32 id;             /* [I] */
};

/* eventfd_take => false: it is 0 */
static bool eventfd_take(struct eventfd *e, u64 *ret)
{
	bool on = spin_lock_irq(&e->queue.lock), some = e->count;

	if (some) {
		*ret = e->semaphore ? 1 : e->count;
		atomic_store(&e->count, e->count - *ret);
		waitq_wake_events_locked(&e->queue, POLLOUT | POLLWRNORM);
	}
	spin_unlock_irq(&e->queue.lock, on);
	return some;
}

/* eventfd_give => false: there is no room for N */
static bool eventfd_give(struct eventfd *e, u64 n)
{
	bool on = spin_lock_irq(&e->queue.lock), room = n < EVENT_MAX - e->count;

	if (room) {
		atomic_store(&e->count, e->count + n);
		waitq_wake_events_locked(&e->queue, POLLIN | POLLRDNORM);
	}
	spin_unlock_irq(&e->queue.lock, on);
	return room;
}

static isize_t eventfd_read(struct file *f, struct uio *u, u64 *pos)
{
	struct eventfd *e = f->private;
	u64 n = 0;
	int err;

	if (u->resid < sizeof(n))
		return -EINVAL;
	if (!eventfd_take(e, &n)) {
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		err = wait_event(&e->queue, WAIT_INTERRUPTIBLE, CLOCK_NEVER, eventfd_take(e, &n));
		if (err < 0)
			return err;
	}
	return uio_out(u, &n, sizeof(n)) == sizeof(n) ? (isize_t)sizeof(n) : -EFAULT;
}

static isize_t eventfd_write(struct file *f, struct uio *u, u64 *pos)
{
	struct eventfd *e = f->private;
	u64 n;
	int err;

	if (u->resid < sizeof(n))
		return -EINVAL;
	if (uio_in(u, &n, sizeof(n)) != sizeof(n))
		return -EFAULT;
	if (n == EVENT_MAX)
		return -EINVAL;
	if (!eventfd_give(e, n)) {
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		err = wait_event(&e->queue, WAIT_INTERRUPTIBLE, CLOCK_NEVER, eventfd_give(e, n));
		if (err < 0)
			return err;
	}
	return sizeof(n);
}

static u32 eventfd_poll(struct file *f, struct poll_table *pt)
{
	struct eventfd *e = f->private;
	u64 count;

	poll_wait(pt, &e->queue);
	count = atomic_load(&e->count);
	return (count ? POLLIN | POLLRDNORM : 0) | (count < EVENT_MAX - 1 ? POLLOUT | POLLWRNORM : 0);
}

static void eventfd_release(struct file *f)
{
	kfree(f->private);
}

static void eventfd_show(struct file *f, struct seq *s)
{
	struct eventfd *e = f->private;

	seq_printf(s, "eventfd-count: %16lx\neventfd-id: %u\neventfd-semaphore: %d\n", atomic_load(&e->count),
	           e->id, e->semaphore);
}

static const struct file_ops eventfd_fops = {
        .read = eventfd_read,
        .write = eventfd_write,
        .poll = eventfd_poll,
        .release = eventfd_release,
        .show = eventfd_show,
        .kind = "[eventfd]",
};

int eventfd_open(u32 initial, u32 flags, struct file **ret)
{
	static u32 ids;
	struct eventfd *e = kmalloc(sizeof(*e));
	int err;

	if (!e)
		return -ENOMEM;
	waitq_init(&e->queue);
	e->count = initial;
	e->semaphore = flags & EFD_SEMAPHORE;
	e->id = atomic_add(&ids, 1) - 1;
	if ((err = anon_file(&eventfd_fops, O_RDWR | (flags & EFD_NONBLOCK), e, ret)) < 0)
		kfree(e);
	return err;
}
