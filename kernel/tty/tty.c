/* Terminals: bytes in, bytes out, and the files they are. */
#define KERNEL_TTY
#include "kernel/tty/internal.h"
#include "hal/base/assert.h"
#include "hal/base/log.h"
#include "hal/console/console.h"
#include "kernel/fs/poll.h"
#include "sched/thread.h"
#include "vm/kmem.h"

#define TTY_MAX 3                       /* the console, and two serial ports that are not part of it */
#define IN_SPARE (4 * CHARDEV_RX_BATCH) /* what may still come after the throttle, from each part of a mux */
#define CHUNK 256                       /* bytes moved at a time, on the stack */
#define DRAIN_POLL (2 * NS_PER_MSEC)
#define VTIME_UNIT (100 * NS_PER_MSEC)

static struct tty ttys[TTY_MAX]; /* [I] after tty_init */
static u32 tty_count;            /* [I] the same */
static struct waitq work_wait = WAITQ_INIT(work_wait);
static bool work_wanted; /* [atomic] */

/* --- in: the interrupt's half --- */

void tty_kick(void)
{
	atomic_store(&work_wanted, true);
	waitq_wake_all(&work_wait);
}

static u32 in_used(const struct tty *t)
{
	return t->in_head - t->in_tail;
}

/* in_throttle: the device is called with in_lock held, so that no two calls change places. */
static void in_throttle(struct tty *t, bool on)
{
	if (t->throttled == on)
		return;
	t->throttled = on;
	t->dev->throttle(t->dev, on);
}

static void tty_rx(void *arg, const u8 *buf, size_t n)
{
	struct tty *t = arg;
	bool irq = spin_lock_irq(&t->in_lock);

	for (size_t i = 0; i < n && in_used(t) < TTY_INPUT; i++)
		t->in[t->in_head++ % TTY_INPUT] = buf[i];
	if (TTY_INPUT - in_used(t) <= IN_SPARE)
		in_throttle(t, true);
	spin_unlock_irq(&t->in_lock, irq);
	tty_kick();
}

static void tty_tx_ready(void *arg)
{
	tty_kick();
}

/* --- in: the thread's half --- */

static u32 in_peek(struct tty *t, u8 *buf, u32 max)
{
	bool irq = spin_lock_irq(&t->in_lock);
	u32 n = MIN(in_used(t), max);

	for (u32 i = 0; i < n; i++)
		buf[i] = t->in[(t->in_tail + i) % TTY_INPUT];
	spin_unlock_irq(&t->in_lock, irq);
	return n;
}

static void in_drop(struct tty *t, u32 n)
{
	bool irq = spin_lock_irq(&t->in_lock);

	t->in_tail += n;
	if (in_used(t) <= TTY_INPUT / 4)
		in_throttle(t, false);
	spin_unlock_irq(&t->in_lock, irq);
}

/* feed: give the line discipline up to N bytes, up to the first that is a signal.
 * => how many it took */
static u32 feed(struct tty *t, const u8 *buf, u32 n, int *ret_sig)
{
	u32 used = 0;

	*ret_sig = 0;
	WITH_LOCK (&t->lock) {
		while (used < n && !*ret_sig && ldisc_accepts(&t->ldisc))
			*ret_sig = ldisc_input(&t->ldisc, buf[used++]);
		tty_push(t);
	}
	return used;
}

static void take_input(struct tty *t)
{
	u8 buf[CHUNK];
	u32 n, used;
	int sig;

	do {
		n = in_peek(t, buf, sizeof(buf));
		used = feed(t, buf, n, &sig);
		in_drop(t, used);
		if (sig)
			tty_signal_foreground(t, sig);
	} while (used);
}

static bool room_to_write(struct tty *t)
{
	bool room = false;

	WITH_LOCK (&t->lock)
		room = ldisc_output_queued(&t->ldisc) <= LDISC_OUTPUT / 2;
	return room;
}

static bool anything_to_read(struct tty *t)
{
	bool ready = false;

	WITH_LOCK (&t->lock)
		ready = ldisc_readable(&t->ldisc, 1);
	return ready;
}

static void tty_service(struct tty *t)
{
	take_input(t);
	WITH_LOCK (&t->lock)
		tty_push(t);
	if (anything_to_read(t))
		waitq_wake_all(&t->readers);
	if (room_to_write(t))
		waitq_wake_all(&t->writers);
}

static void __noreturn tty_thread(void *arg)
{
	for (;;) {
		wait_event(&work_wait, WAIT_UNINTERRUPTIBLE, CLOCK_NEVER, atomic_swap(&work_wanted, false));
		for (u32 i = 0; i < tty_count; i++)
			tty_service(&ttys[i]);
	}
}

/* --- out --- */

void tty_push(struct tty *t)
{
	const u8 *bytes;
	u32 n, taken;

	while ((n = ldisc_output(&t->ldisc, &bytes))) {
		taken = t->dev->write(t->dev, (const char *)bytes, n);
		ldisc_output_done(&t->ldisc, taken);
		if (taken < n)
			return; /* tx_ready will come */
	}
}

static bool drained(struct tty *t)
{
	bool empty = false;

	WITH_LOCK (&t->lock)
		empty = ldisc_output_queued(&t->ldisc) == 0;
	return empty && t->dev->drained(t->dev);
}

int tty_drain(struct tty *t)
{
	int err;

	do
		err = wait_event(&t->writers, WAIT_INTERRUPTIBLE, clock_mono() + DRAIN_POLL, drained(t));
	while (err == -ETIMEDOUT);
	return err;
}

static bool may_not_wait(struct file *f)
{
	return atomic_load(&f->flags) & O_NONBLOCK;
}

/* put: all of BUF goes out, waiting for room as often as needed.
 * => bytes that went; fewer than N: *RET_WHY tells why */
static size_t put(struct file *f, const u8 *buf, size_t n, int *ret_why)
{
	struct tty *t = file_tty(f);
	size_t done = 0;

	*ret_why = 0;
	while (!*ret_why) {
		WITH_LOCK (&t->lock) {
			done += ldisc_write(&t->ldisc, buf + done, n - done);
			tty_push(t);
		}
		if (done == n)
			break;
		if (may_not_wait(f))
			*ret_why = -EAGAIN;
		else
			*ret_why = wait_event(&t->writers, WAIT_INTERRUPTIBLE, CLOCK_NEVER,
			                      room_to_write(t) || tty_hung_up(f));
		if (tty_hung_up(f))
			*ret_why = -EIO;
	}
	return done;
}

static bool stops_background_output(struct tty *t)
{
	bool stops = false;

	WITH_LOCK (&t->lock)
		stops = t->ldisc.tio.c_lflag & TOSTOP;
	return stops;
}

static isize_t tty_write(struct file *f, struct uio *u, u64 *pos)
{
	struct tty *t = file_tty(f);
	isize_t done = 0, n;
	u8 buf[CHUNK];
	int err = 0;

	if (tty_hung_up(f))
		return -EIO;
	if (stops_background_output(t))
		err = tty_check_foreground(t, SIGTTOU);
	while (!err && u->resid) {
		n = uio_in(u, buf, MIN(u->resid, sizeof(buf)));
		if (n <= 0)
			return done ? done : n;
		done += put(f, buf, n, &err);
	}
	return done ? done : err;
}

/* --- reading --- */

/* What a read still wants. */
struct reader {
	u32 min;      /* bytes, outside canonical mode */
	u64 gap;      /* ns that may lie between two bytes, 0: any */
	u64 deadline; /* monotonic ns; 0: it does not wait at all */
};

static void reader_init(struct tty *t, struct reader *r)
{
	const struct termios *tio = &t->ldisc.tio;
	u64 time;

	*r = (struct reader){.min = 1, .deadline = CLOCK_NEVER};
	WITH_LOCK (&t->lock) {
		if (tio->c_lflag & ICANON)
			break;
		time = tio->c_cc[VTIME] * VTIME_UNIT;
		r->min = MAX(tio->c_cc[VMIN], 1);
		if (tio->c_cc[VMIN])
			r->gap = time;
		else
			r->deadline = time ? clock_mono() + time : 0;
	}
}

/* take: what is there, at most N bytes. => bytes; *RET_OVER: the read is complete with them */
static size_t take(struct tty *t, u8 *buf, size_t n, bool last, bool *ret_over)
{
	size_t got = 0;

	WITH_LOCK (&t->lock) {
		got = ldisc_read(&t->ldisc, buf, n, ret_over);
		if (last && got == n && !*ret_over && (t->ldisc.tio.c_lflag & ICANON))
			ldisc_skip_eof(&t->ldisc);
		tty_push(t);
	}
	if (got && read_once(t->in_head) != read_once(t->in_tail))
		tty_kick(); /* input waits for the room */
	return got;
}

/* await_input => 1: something is there, or the terminal was hung up; 0: time is over, or an errno */
static int await_input(struct file *f, const struct reader *r)
{
	struct tty *t = file_tty(f);
	int err;

	if (anything_to_read(t))
		return 1;
	if (!r->deadline)
		return 0;
	if (may_not_wait(f))
		return -EAGAIN;
	err = wait_event(&t->readers, WAIT_INTERRUPTIBLE, r->deadline, anything_to_read(t) || tty_hung_up(f));
	if (err == -ETIMEDOUT)
		return 0;
	return err ? err : 1;
}

static isize_t tty_read(struct file *f, struct uio *u, u64 *pos)
{
	struct tty *t = file_tty(f);
	struct reader r;
	u8 buf[CHUNK];
	isize_t done = 0, n;
	bool over = false;
	int err = tty_check_foreground(t, SIGTTIN);

	if (err)
		return err;
	reader_init(t, &r);
	while (u->resid && !over && (!done || done < r.min)) {
		err = await_input(f, &r);
		if (err <= 0 || tty_hung_up(f))
			break;
		do {
			n = take(t, buf, MIN(u->resid, sizeof(buf)), u->resid <= sizeof(buf), &over);
			n = n ? uio_out(u, buf, n) : 0;
			if (n < 0)
				return done ? done : n;
			done += n;
		} while (n && u->resid && !over);
		if (r.gap)
			r.deadline = clock_mono() + r.gap;
	}
	return done || err >= 0 ? done : err;
}

/* --- files --- */

bool tty_hung_up(struct file *f)
{
	const struct tty_file *tf = f->private;

	return !tf->console && atomic_load(&tf->tty->hangups) != tf->hangups;
}

static u32 tty_poll(struct file *f, struct poll_table *pt)
{
	struct tty *t = file_tty(f);
	const u8 *cc = t->ldisc.tio.c_cc;
	u32 events = 0;

	poll_wait(pt, &t->readers);
	poll_wait(pt, &t->writers);
	if (tty_hung_up(f))
		return POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM | POLLERR | POLLHUP;
	WITH_LOCK (&t->lock) {
		if (ldisc_readable(&t->ldisc, cc[VTIME] || !cc[VMIN] ? 1 : cc[VMIN]))
			events |= POLLIN | POLLRDNORM;
		if (ldisc_writable(&t->ldisc))
			events |= POLLOUT | POLLWRNORM;
	}
	return events;
}

static int tty_file_open(struct file *f, struct tty *t, bool console)
{
	struct tty_file *tf = kmalloc(sizeof(*tf));

	if (!tf)
		return -ENOMEM;
	*tf = (struct tty_file){.tty = t, .hangups = atomic_load(&t->hangups), .console = console};
	f->private = tf;
	return 0;
}

/* tty_open: as on Linux, /dev/console becomes nobody's controlling terminal by being opened. */
static int tty_open(struct file *f)
{
	struct tty *t = f->private;
	bool console = f->inode->rdev == MAKEDEV(TTYAUX_MAJOR, 1);
	int err = tty_file_open(f, t, console);

	if (!err && !console && !(f->flags & O_NOCTTY) && f->readable)
		tty_acquire(t, false); /* if it can */
	return err;
}

static int tty_open_controlling(struct file *f)
{
	struct tty *t = tty_controlling();

	return t ? tty_file_open(f, t, false) : -ENXIO;
}

static void tty_file_release(struct file *f)
{
	kfree(f->private);
}

#define TTY_FOPS                                                                    \
	.read = tty_read, .write = tty_write, .poll = tty_poll, .ioctl = tty_ioctl, \
	.release = tty_file_release
static const struct file_ops tty_fops = {.open = tty_open, TTY_FOPS};
static const struct file_ops tty_controlling_fops = {.open = tty_open_controlling, TTY_FOPS};

u32 tty_get_number(const struct tty *t)
{
	return t ? t->rdev : 0;
}

/* --- start --- */

static struct tty *tty_create(struct chardev *dev, u32 rdev)
{
	struct tty *t = &ttys[tty_count++];

	t->rdev = rdev;
	t->dev = dev;
	t->throttled = true;
	spin_init(&t->lock, "tty", RANK_TTY);
	spin_init(&t->in_lock, "tty input", RANK_INPUT);
	waitq_init(&t->readers);
	waitq_init(&t->writers);
	ldisc_init(&t->ldisc);
	dev->size(dev, &t->size.ws_row, &t->size.ws_col);
	return t;
}

/* tty_register: /dev/NAME is a terminal on DEV; devices that share a character device share the terminal. */
static void tty_register(const char *name, u32 mode, u32 rdev, struct chardev *dev)
{
	struct tty *t = NULL;
	int err;

	if (!dev)
		return;
	for (u32 i = 0; i < tty_count; i++)
		if (ttys[i].dev == dev)
			t = &ttys[i];
	if (!t)
		t = tty_create(dev, rdev);
	err = devfs_register(name, mode, rdev, &tty_fops, t);
	if (err)
		klog(LOG_ERROR, "tty: /dev/%s: error %d", name, -err);
}

void tty_init(void)
{
	tty_register("ttyS0", 0620, MAKEDEV(TTY_MAJOR, 64), serial_device(0));
	tty_register("ttyS1", 0620, MAKEDEV(TTY_MAJOR, 65), serial_device(1));
	tty_register("console", 0600, MAKEDEV(TTYAUX_MAJOR, 1), console_device());
	if (devfs_register("tty", 0666, MAKEDEV(TTYAUX_MAJOR, 0), &tty_controlling_fops, NULL) ||
	    thread_spawn("tty", tty_thread, NULL))
		panic("tty: out of memory");
	for (u32 i = 0; i < tty_count; i++) {
		struct tty *t = &ttys[i];

		t->throttled = false;
		chardev_attach(t->dev, tty_rx, tty_tx_ready, t);
	}
}
