/* Terminals: bytes in, bytes out, and the files they are. */
#define KERNEL_TTY
#include "kernel/tty/internal.h"
#include "hal/base/assert.h"
#include "hal/base/sabotage.h"
#include "kernel/abi/capability.h"
#include "kernel/fs/poll.h"
#include "vm/kmem.h"

#define DRAIN_POLL (2 * NS_PER_MSEC)
#define VTIME_UNIT (100 * NS_PER_MSEC)

void tty_setup(struct tty *t, const struct tty_kind *kind, struct chardev *dev, u32 rdev)
{
	t->kind = kind;
	t->refs = 1;
	t->dev = dev;
	t->rdev = rdev;
	spin_init(&t->lock, "tty", RANK_TTY);
	waitq_init(&t->readers);
	waitq_init(&t->writers);
	ldisc_init(&t->ldisc);
	tty_modes_init(t);
	dev->size(dev, &t->size.ws_row, &t->size.ws_col);
}

/* --- in --- */

/* feed: give the line discipline up to N bytes, up to the first that is a signal. => how many it took */
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

u32 tty_feed(struct tty *t, const u8 *buf, u32 n)
{
	u32 done = 0, used;
	int sig;

	do {
		used = feed(t, buf + done, n - done, &sig);
		done += used;
		if (sig)
			tty_signal_foreground(t, sig);
	} while (used && done < n);
	return done;
}

static bool room_to_write(struct tty *t)
{
	bool room = false;

	WITH_LOCK (&t->lock)
		room = ldisc_output_queued(&t->ldisc) <= LDISC_OUTPUT / 2 && ldisc_writable(&t->ldisc);
	return room;
}

static bool anything_to_read(struct tty *t)
{
	bool ready = false;

	WITH_LOCK (&t->lock)
		ready = ldisc_readable(&t->ldisc, 1);
	return ready;
}

void tty_wake(struct tty *t)
{
	if (anything_to_read(t))
		waitq_wake_all(&t->readers);
	if (room_to_write(t))
		waitq_wake_all(&t->writers);
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
			break; /* tx_ready will come */
	}
	if (t->kind->pushed)
		t->kind->pushed(t);
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
		if (file_may_not_wait(f))
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

isize_t tty_write(struct file *f, struct uio *u, u64 *pos)
{
	struct tty *t = file_tty(f);
	isize_t done = 0, n;
	u8 buf[TTY_CHUNK];
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
	if (got)
		t->kind->room(t);
	return got;
}

static bool ends_reading(struct file *f)
{
	return tty_hung_up(f) && !sabotage(hangup_read);
}

/* await_input => 1: something is there; 0: time is over, or the terminal was hung up; or an errno */
static int await_input(struct file *f, const struct reader *r)
{
	struct tty *t = file_tty(f);
	int err;

	if (anything_to_read(t))
		return 1;
	if (!r->deadline)
		return 0;
	if (file_may_not_wait(f))
		return -EAGAIN;
	err = wait_event(&t->readers, WAIT_INTERRUPTIBLE, r->deadline,
	                 anything_to_read(t) || ends_reading(f));
	if (ends_reading(f))
		return read_once(t->master_closed) ? -EIO : 0;
	if (err == -ETIMEDOUT)
		return 0;
	return err ? err : 1;
}

isize_t tty_read(struct file *f, struct uio *u, u64 *pos)
{
	struct tty *t = file_tty(f);
	struct reader r;
	u8 buf[TTY_CHUNK];
	isize_t done = 0, n;
	bool over = false;
	int err;

	if (ends_reading(f))
		return 0;
	if ((err = tty_check_foreground(t, SIGTTIN)))
		return err;
	reader_init(t, &r);
	while (u->resid && !over && (!done || done < r.min)) {
		err = await_input(f, &r);
		if (err <= 0)
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

u32 tty_poll(struct file *f, struct poll_table *pt)
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

int tty_file_open(struct file *f, struct tty *t, bool console)
{
	struct tty_file *tf = kmalloc(sizeof(*tf));
	int err = 0;

	if (!tf)
		return -ENOMEM;
	if (read_once(t->exclusive) && !capable(CAP_SYS_ADMIN))
		err = -EBUSY;
	else if (t->kind->opened)
		err = t->kind->opened(t);
	if (err) {
		kfree(tf);
		return err;
	}
	tty_get(t);
	*tf = (struct tty_file){.tty = t, .hangups = atomic_load(&t->hangups), .console = console};
	f->private = tf;
	return 0;
}

void tty_file_release(struct file *f)
{
	struct tty *t = file_tty(f);

	kfree(f->private);
	if (t->kind->closed)
		t->kind->closed(t);
	tty_put(t);
}

static int tty_open_controlling(struct file *f)
{
	struct tty *t = tty_controlling();
	int err;

	if (!t)
		return -ENXIO;
	err = tty_file_open(f, t, false);
	tty_put(t);
	return err;
}

static const struct file_ops tty_controlling_fops = {.open = tty_open_controlling, TTY_FOPS};

u32 tty_get_number(const struct tty *t)
{
	return t ? t->rdev : 0;
}

void tty_init(void)
{
	if (devfs_register("tty", 0666, MAKEDEV(TTYAUX_MAJOR, 0), &tty_controlling_fops, NULL))
		panic("tty: out of memory");
	line_init();
	pty_init();
	vcs_init();
}
