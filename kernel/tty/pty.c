/* Pseudo-terminals, see pty(7): each open of /dev/ptmx makes a pair. The slave, /dev/pts/N, is a terminal as any
 * other; the master is what a device would be to it: what is written to the master has been typed, and what the
 * terminal puts out waits in a ring until the master reads it.
 *
 * The master's file holds a reference to the slave's terminal, which the pair is part of; so the pair lives as long
 * as any file on either side, or a session, has it. The number is taken as long. */
#define KERNEL_TTY
#include "kernel/tty/internal.h"
#include "hal/base/assert.h"
#include "kernel/fs/devpts.h"
#include "kernel/fs/fdtable.h"
#include "kernel/fs/file.h"
#include "kernel/fs/poll.h"
#include "vm/kmem.h"

#define PTY_MAX 4096  /* pairs at once, as Linux has it */
#define PTY_RING 4096 /* bytes for the master to read */

#define STOP_STATUS (TIOCPKT_DOSTOP | TIOCPKT_NOSTOP)
#define FLOW_STATUS (TIOCPKT_STOP | TIOCPKT_START)

/* I immutable   l tty.lock */
struct pty {
	struct tty tty;                /* the slave */
	struct chardev dev;            /* what the slave puts out goes here */
	u32 nr;                        /* [I] */
	struct dentry *node;           /* [I] until the master has gone: /dev/pts/NR */
	bool locked;                   /* [l] TIOCSPTLCK: the slave cannot be opened */
	bool packet;                   /* [l] TIOCPKT: each read of the master begins with a byte of status */
	bool stopped;                  /* [l] what the master was told of the flow, */
	bool stops;                    /* [l] and of the keys that stop it */
	u8 status;                     /* [l] TIOCPKT_*: what the master is to be told next */
	u32 slaves;                    /* [l] files open on the slave */
	bool slave_closed;             /* [l] the last of them has gone, and no other has come */
	struct waitq readers, writers; /* of the master */
	u32 head, tail;                /* [l] free-running */
	u8 ring[PTY_RING];             /* [l] */
};

static struct mutex numbers_lock = MUTEX_INIT(numbers_lock); /* before fs_lock */
static struct pty *ptys[PTY_MAX]; /* [numbers_lock] by number, while a master is there */
static u64 numbers[PTY_MAX / 64]; /* [atomic] a bit for each that is taken */
static const struct tty_kind pty_kind;

static struct pty *pty_of(struct tty *t)
{
	return container_of(t, struct pty, tty);
}

static struct pty *file_pty(struct file *f)
{
	return f->private;
}

/* --- the slave's device --- */

static u32 ring_used(const struct pty *p)
{
	return p->head - p->tail;
}

/* pty_take: output of the slave; tty.lock held, as tty_push does. */
static size_t pty_take(struct chardev *d, const char *buf, size_t n)
{
	struct pty *p = container_of(d, struct pty, dev);
	size_t done = 0;

	while (done < n && ring_used(p) < PTY_RING)
		p->ring[p->head++ % PTY_RING] = buf[done++];
	if (done)
		waitq_wake_all(&p->readers);
	return done;
}

/* pty_drained: what the master has is gone, as far as the slave knows. */
static bool pty_drained(struct chardev *d)
{
	return true;
}

static void pty_throttle(struct chardev *d, bool on)
{
}

static bool pty_size(struct chardev *d, u16 *ret_rows, u16 *ret_cols)
{
	return false;
}

/* stop_keys: typing ^S and ^Q stops and starts the output; a master may then do so at its own end. */
static bool stop_keys(const struct termios *tio)
{
	return (tio->c_iflag & IXON) && tio->c_cc[VSTOP] == 023 && tio->c_cc[VSTART] == 021;
}

/* pty_pushed: find out what a master in packet mode has to be told. */
static void pty_pushed(struct tty *t)
{
	struct pty *p = pty_of(t);
	bool stopped = t->ldisc.stopped || t->ldisc.held, stops = stop_keys(&t->ldisc.tio);
	u8 before = p->status;

	if (ldisc_input_flushed(&t->ldisc))
		p->status |= TIOCPKT_FLUSHREAD;
	if (ldisc_output_flushed(&t->ldisc))
		p->status |= TIOCPKT_FLUSHWRITE;
	if (stopped != p->stopped)
		p->status = (p->status & ~FLOW_STATUS) | (stopped ? TIOCPKT_STOP : TIOCPKT_START);
	if (stops != p->stops)
		p->status = (p->status & ~STOP_STATUS) | (stops ? TIOCPKT_DOSTOP : TIOCPKT_NOSTOP);
	p->stopped = stopped;
	p->stops = stops;
	if (!p->packet)
		p->status = 0;
	else if (p->status & ~before)
		waitq_wake_all(&p->readers);
}

static void pty_room(struct tty *t)
{
	waitq_wake_all(&pty_of(t)->writers);
}

/* --- making and freeing --- */

static int number_take(void)
{
	for (u32 i = 0; i < ARRAY_SIZE(numbers); i++)
		if (~numbers[i]) {
			u32 bit = __builtin_ctzl(~numbers[i]);

			atomic_or(&numbers[i], BIT(bit));
			return i * 64 + bit;
		}
	return -ENOSPC;
}

/* pty_free: proc_lock may be held. */
static void pty_free(struct tty *t)
{
	struct pty *p = pty_of(t);

	atomic_and(&numbers[p->nr / 64], ~BIT(p->nr % 64));
	kfree(p);
}

static struct pty *pty_create(u32 nr)
{
	struct pty *p = kzalloc(sizeof(*p));

	if (!p)
		return NULL;
	p->dev = (struct chardev){.name = "pts",
	                          .write = pty_take,
	                          .drained = pty_drained,
	                          .throttle = pty_throttle,
	                          .size = pty_size};
	p->nr = nr;
	p->locked = true;
	waitq_init(&p->readers);
	waitq_init(&p->writers);
	tty_setup(&p->tty, &pty_kind, &p->dev, MAKEDEV(UNIX98_PTY_SLAVE_MAJOR, nr));
	p->tty.ldisc.tio.c_iflag = ICRNL | IXON;
	p->tty.ldisc.tio.c_cflag = B38400 | CS8 | CREAD;
	tty_modes_init(&p->tty);
	p->stops = stop_keys(&p->tty.ldisc.tio);
	return p;
}

/* --- the slave --- */

static int pty_opened(struct tty *t)
{
	struct pty *p = pty_of(t);
	int err = 0;

	WITH_LOCK (&t->lock) {
		if (p->locked || t->master_closed) {
			err = -EIO;
			break;
		}
		p->slaves++;
		p->slave_closed = false;
	}
	return err;
}

static void pty_closed(struct tty *t)
{
	struct pty *p = pty_of(t);

	WITH_LOCK (&t->lock) {
		p->slave_closed = --p->slaves == 0;
		tty_push(t);
	}
	waitq_wake_all(&p->readers);
	waitq_wake_all(&p->writers);
}

static const struct tty_kind pty_kind = {
        .pushed = pty_pushed,
        .room = pty_room,
        .opened = pty_opened,
        .closed = pty_closed,
        .free = pty_free,
};

/* slave_find: by number. => a reference, or NULL */
static struct tty *slave_find(u32 nr)
{
	struct tty *t = NULL;

	WITH_MUTEX(&numbers_lock)
	{
		if (nr < PTY_MAX && ptys[nr]) {
			t = &ptys[nr]->tty;
			tty_get(t);
		}
	}
	return t;
}

static int slave_open(struct file *f)
{
	struct tty *t = slave_find(DEV_MINOR(f->inode->rdev));
	int err;

	if (!t)
		return -EIO;
	err = tty_file_open(f, t, false);
	if (!err && !(f->flags & O_NOCTTY) && f->readable)
		tty_acquire(t, false); /* if it can */
	tty_put(t);
	return err;
}

static const struct file_ops slave_fops = {.open = slave_open, TTY_FOPS};

/* --- the master: reading and writing --- */

static bool master_accepts(struct pty *p)
{
	bool accepts = false;

	WITH_LOCK (&p->tty.lock)
		accepts = ldisc_accepts(&p->tty.ldisc);
	return accepts;
}

/* give: all of BUF is typed, waiting for room as often as needed. => bytes taken; fewer than N: *RET_WHY tells why */
static size_t give(struct file *f, const u8 *buf, size_t n, int *ret_why)
{
	struct pty *p = file_pty(f);
	size_t done = 0;

	for (*ret_why = 0; !*ret_why;) {
		done += tty_feed(&p->tty, buf + done, n - done);
		tty_wake(&p->tty);
		if (done == n)
			break;
		if (file_may_not_wait(f))
			*ret_why = -EAGAIN;
		else
			*ret_why =
			        wait_event(&p->writers, WAIT_INTERRUPTIBLE, CLOCK_NEVER, master_accepts(p));
	}
	return done;
}

static isize_t master_write(struct file *f, struct uio *u, u64 *pos)
{
	isize_t done = 0, n;
	u8 buf[TTY_CHUNK];
	int err = 0;

	while (!err && u->resid) {
		n = uio_in(u, buf, MIN(u->resid, sizeof(buf)));
		if (n <= 0)
			return done ? done : n;
		done += give(f, buf, n, &err);
	}
	return done ? done : err;
}

/* What a master's read finds. */
static bool master_readable(struct pty *p)
{
	return ring_used(p) || p->status;
}

static bool master_ends_waiting(struct pty *p)
{
	bool ready = false;

	WITH_LOCK (&p->tty.lock)
		ready = master_readable(p) || p->slave_closed;
	return ready;
}

/* collect: up to N bytes for the master. FIRST: of this read, which in packet mode begins with the status; the status
 * alone ends the read. => bytes */
static size_t collect(struct pty *p, u8 *buf, size_t n, bool first, bool *ret_over)
{
	size_t done = 0;

	WITH_LOCK (&p->tty.lock) {
		*ret_over = p->status;
		if (p->status && first) {
			buf[done++] = p->status;
			p->status = 0;
		}
		if (*ret_over)
			break;
		if (p->packet && first && ring_used(p))
			buf[done++] = TIOCPKT_DATA;
		while (done < n && ring_used(p))
			buf[done++] = p->ring[p->tail++ % PTY_RING];
		tty_push(&p->tty);
	}
	return done;
}

/* master_collect: what is there now. => bytes, or -EFAULT */
static isize_t master_collect(struct pty *p, struct uio *u)
{
	isize_t done = 0, n;
	u8 buf[TTY_CHUNK];
	bool over;

	do {
		n = collect(p, buf, MIN(u->resid, sizeof(buf)), !done, &over);
		n = n ? uio_out(u, buf, n) : 0;
		if (n < 0)
			return done ? done : n;
		done += n;
	} while (n && u->resid && !over);
	return done;
}

/* master_await => 0: look again; -EIO: nothing is left, and the slave is closed; -EAGAIN; -ERESTARTSYS */
static int master_await(struct file *f)
{
	struct pty *p = file_pty(f);

	WITH_LOCK (&p->tty.lock) {
		if (master_readable(p))
			return 0;
		if (p->slave_closed)
			return -EIO;
	}
	if (file_may_not_wait(f))
		return -EAGAIN;
	return wait_event(&p->readers, WAIT_INTERRUPTIBLE, CLOCK_NEVER, master_ends_waiting(p));
}

static isize_t master_read(struct file *f, struct uio *u, u64 *pos)
{
	struct pty *p = file_pty(f);
	isize_t n;
	int err;

	while (u->resid) {
		n = master_collect(p, u);
		if (n) {
			tty_wake(&p->tty);
			return n;
		}
		if ((err = master_await(f)))
			return err;
	}
	return 0;
}

static u32 master_poll(struct file *f, struct poll_table *pt)
{
	struct pty *p = file_pty(f);
	u32 events = 0;

	poll_wait(pt, &p->readers);
	poll_wait(pt, &p->writers);
	WITH_LOCK (&p->tty.lock) {
		if (master_readable(p))
			events |= POLLIN | POLLRDNORM;
		if (p->status)
			events |= POLLPRI;
		if (p->slave_closed)
			events |= POLLHUP;
		if (ldisc_accepts(&p->tty.ldisc))
			events |= POLLOUT | POLLWRNORM;
	}
	return events;
}

/* --- the master: the rest --- */

static i64 put_number(uaddr_t arg, int number)
{
	return copyout(arg, &number, sizeof(number));
}

/* set_flag: *FLAG becomes what ARG points to; in packet mode nothing is left to tell from before. */
static i64 set_flag(struct pty *p, bool *flag, uaddr_t arg)
{
	int on, err = copyin(&on, arg, sizeof(on));

	if (err)
		return err;
	WITH_LOCK (&p->tty.lock) {
		if (flag == &p->packet && *flag != !!on)
			p->status = 0;
		*flag = on;
	}
	return 0;
}

/* open_peer: TIOCGPTPEER: the slave by no name at all. => a descriptor */
static i64 open_peer(struct pty *p, u32 flags)
{
	struct file *f;
	int fd, err = vfs_open_dentry(p->node, flags & ~O_CREAT, &f);

	if (err)
		return err;
	fd = fd_install(f, 0, flags & O_CLOEXEC);
	if (fd < 0)
		file_put(f);
	return fd;
}

static i64 send_signal(struct pty *p, u64 sig)
{
	if (sig != SIGINT && sig != SIGQUIT && sig != SIGTSTP)
		return -EINVAL;
	tty_signal_foreground(&p->tty, sig);
	return 0;
}

/* master_flush: what the master has written has left it. */
static i64 master_flush(struct pty *p, u64 which)
{
	if (which != TCIFLUSH && which != TCOFLUSH && which != TCIOFLUSH)
		return -EINVAL;
	if (which == TCOFLUSH)
		return 0;
	WITH_LOCK (&p->tty.lock) {
		p->tail = p->head;
		tty_push(&p->tty);
	}
	tty_wake(&p->tty);
	return 0;
}

static i64 get_waiting(struct pty *p, uaddr_t arg)
{
	u32 n = 0;

	WITH_LOCK (&p->tty.lock)
		n = ring_used(p);
	return put_number(arg, n);
}

static i64 master_ioctl(struct file *f, u32 req, u64 arg)
{
	struct pty *p = file_pty(f);

	switch (req) {
	case TIOCGPTN:
		return put_number(UADDR(arg), p->nr);
	case TIOCSPTLCK:
		return set_flag(p, &p->locked, UADDR(arg));
	case TIOCGPTLCK:
		return put_number(UADDR(arg), read_once(p->locked));
	case TIOCPKT:
		return set_flag(p, &p->packet, UADDR(arg));
	case TIOCGPKT:
		return put_number(UADDR(arg), read_once(p->packet));
	case TIOCGPTPEER:
		return open_peer(p, arg);
	case TIOCSIG:
		return send_signal(p, arg);
	case TCFLSH:
		return master_flush(p, arg);
	case TCSBRK:
	case TCSBRKP:
		return 0; /* nothing waits: the slave has it all */
	case FIONREAD:
		return get_waiting(p, UADDR(arg));
	case TIOCOUTQ:
		return put_number(UADDR(arg), 0);
	default:
		return tty_ioctl_any(&p->tty, f, req, arg, true);
	}
}

/* --- the master: its life --- */

static int pair_make(struct pty **ret)
{
	int nr = number_take(), err;
	struct pty *p;

	if (nr < 0)
		return nr;
	if (!(p = pty_create(nr))) {
		atomic_and(&numbers[nr / 64], ~BIT(nr % 64));
		return -ENOMEM;
	}
	if ((err = devpts_add(nr, p->tty.rdev, &slave_fops, &p->node))) {
		tty_put(&p->tty);
		return err;
	}
	ptys[nr] = p;
	*ret = p;
	return 0;
}

static int master_open(struct file *f)
{
	struct pty *p;
	int err = 0;

	WITH_MUTEX(&numbers_lock)
	err = pair_make(&p);
	if (!err)
		f->private = p;
	return err;
}

static void master_release(struct file *f)
{
	struct pty *p = file_pty(f);

	WITH_MUTEX(&numbers_lock)
	ptys[p->nr] = NULL;
	devpts_remove(p->node);
	WITH_LOCK (&p->tty.lock) {
		p->tty.master_closed = true;
		ldisc_flush_input(&p->tty.ldisc);
		ldisc_flush_output(&p->tty.ldisc);
		p->tail = p->head;
	}
	WITH_LOCK (&proc_lock)
		tty_hang_up(&p->tty);
	tty_put(&p->tty);
}

static const struct file_ops master_fops = {
        .open = master_open,
        .read = master_read,
        .write = master_write,
        .poll = master_poll,
        .ioctl = master_ioctl,
        .release = master_release,
};

void pty_init(void)
{
	devpts_init();
	if (devfs_register("ptmx", 0666, MAKEDEV(TTYAUX_MAJOR, 2), &master_fops, NULL))
		panic("out of memory for /dev/ptmx");
}
