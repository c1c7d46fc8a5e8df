/* Terminals: ioctl(2), see ioctl_tty(2). */
#define KERNEL_TTY
#include "kernel/tty/internal.h"
#include "kernel/abi/capability.h"

/* change_wanted: before a change of the terminal: what a background process is not to do. */
static int change_wanted(struct tty *t)
{
	return tty_check_foreground(t, SIGTTOU);
}

void tty_changed(struct tty *t)
{
	tty_wake(t);
	t->kind->room(t);
}

void tty_flush(struct tty *t, bool input, bool output)
{
	WITH_LOCK (&t->lock) {
		if (input)
			ldisc_flush_input(&t->ldisc);
		if (output)
			ldisc_flush_output(&t->ldisc);
		tty_push(t);
	}
	tty_changed(t);
}

static i64 flush_queues(struct tty *t, u64 which)
{
	int err = change_wanted(t);

	if (err)
		return err;
	if (which != TCIFLUSH && which != TCOFLUSH && which != TCIOFLUSH)
		return -EINVAL;
	tty_flush(t, which != TCOFLUSH, which != TCIFLUSH);
	return 0;
}

static i64 control_flow(struct tty *t, u64 what)
{
	int err = change_wanted(t);

	if (err)
		return err;
	if (what > TCION)
		return -EINVAL;
	WITH_LOCK (&t->lock) {
		if (what == TCOOFF || what == TCOON)
			t->ldisc.held = what == TCOOFF;
		else
			ldisc_send(&t->ldisc, what == TCIOFF ? VSTOP : VSTART);
		tty_push(t);
	}
	tty_changed(t);
	return 0;
}

/* wait_output: tcdrain, and tcsendbreak, for which a character device has no means. */
static i64 wait_output(struct tty *t)
{
	int err = change_wanted(t);

	return err ? err : tty_drain(t);
}

static i64 get_size(struct tty *t, uaddr_t arg)
{
	struct winsize size;

	WITH_LOCK (&t->lock)
		size = t->size;
	return copyout(arg, &size, sizeof(size));
}

static i64 set_size(struct tty *t, uaddr_t arg)
{
	struct winsize size;
	bool changed;
	int err = copyin(&size, arg, sizeof(size));

	if (err)
		return err;
	WITH_LOCK (&t->lock) {
		changed = size.ws_row != t->size.ws_row || size.ws_col != t->size.ws_col ||
		          size.ws_xpixel != t->size.ws_xpixel || size.ws_ypixel != t->size.ws_ypixel;
		t->size = size;
	}
	if (changed)
		tty_signal_foreground(t, SIGWINCH);
	return 0;
}

static i64 put_number(uaddr_t arg, i64 err, int number)
{
	return err ? err : copyout(arg, &number, sizeof(number));
}

static i64 get_queued(struct tty *t, uaddr_t arg, bool output)
{
	int n = 0;

	WITH_LOCK (&t->lock)
		n = output ? ldisc_output_queued(&t->ldisc) : ldisc_available(&t->ldisc);
	return put_number(arg, 0, n);
}

static i64 set_group(struct tty *t, uaddr_t arg)
{
	int nr, err = copyin(&nr, arg, sizeof(nr));

	return err ? err : tty_set_group(t, nr);
}

static i64 get_group(struct tty *t, bool master, uaddr_t arg)
{
	pid_t nr = 0;
	i64 err = tty_get_group(t, master, &nr);

	return put_number(arg, err, nr);
}

static i64 get_session(struct tty *t, bool master, uaddr_t arg)
{
	pid_t nr = 0;
	i64 err = tty_get_session(t, master, &nr);

	return put_number(arg, err, nr);
}

static i64 set_exclusive(struct tty *t, bool on)
{
	WITH_LOCK (&t->lock)
		t->exclusive = on;
	return 0;
}

/* type_char: TIOCSTI: as if it had been typed. */
static i64 type_char(struct tty *t, uaddr_t arg)
{
	u8 c;
	int err;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if ((err = copyin(&c, arg, 1)))
		return err;
	tty_feed(t, &c, 1);
	tty_wake(t);
	return 0;
}

static i64 acquire(struct tty *t, struct file *f, u64 arg)
{
	if (!f->readable && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	return tty_acquire(t, arg == 1 && capable(CAP_SYS_ADMIN));
}

static i64 hang_up(struct tty *t)
{
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	WITH_LOCK (&proc_lock)
		tty_hang_up(t);
	return 0;
}

static i64 set_discipline(uaddr_t arg)
{
	int which, err = copyin(&which, arg, sizeof(which));

	if (err)
		return err;
	return which == N_TTY ? 0 : -EINVAL;
}

i64 tty_ioctl_any(struct tty *t, struct file *f, u32 req, u64 arg, bool master)
{
	switch (req) {
	case TCGETS:
	case TCGETS2:
	case TCGETA:
		return tty_get_modes(t, req, UADDR(arg));
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
	case TCSETS2:
	case TCSETSW2:
	case TCSETSF2:
	case TCSETA:
	case TCSETAW:
	case TCSETAF:
		return tty_set_modes(t, req, UADDR(arg));
	case TIOCGWINSZ:
		return get_size(t, UADDR(arg));
	case TIOCSWINSZ:
		return set_size(t, UADDR(arg));
	case TIOCGPGRP:
		return get_group(t, master, UADDR(arg));
	case TIOCSPGRP:
		return set_group(t, UADDR(arg));
	case TIOCGSID:
		return get_session(t, master, UADDR(arg));
	case TIOCSCTTY:
		return acquire(t, f, arg);
	case TIOCGDEV:
		return put_number(UADDR(arg), 0, t->rdev);
	case TIOCEXCL:
	case TIOCNXCL:
		return set_exclusive(t, req == TIOCEXCL);
	case TIOCGEXCL:
		return put_number(UADDR(arg), 0, read_once(t->exclusive));
	case TIOCGETD:
		return put_number(UADDR(arg), 0, N_TTY);
	case TIOCSETD:
		return set_discipline(UADDR(arg));
	default:
		return -ENOTTY;
	}
}

i64 tty_ioctl(struct file *f, u32 req, u64 arg)
{
	struct tty *t = file_tty(f);

	if (tty_hung_up(f))
		return req == TIOCSPGRP ? -ENOTTY : -EIO;
	switch (req) {
	case TCFLSH:
		return flush_queues(t, arg);
	case TCXONC:
		return control_flow(t, arg);
	case TCSBRK:
	case TCSBRKP:
		return wait_output(t);
	case FIONREAD:
	case TIOCOUTQ:
		return get_queued(t, UADDR(arg), req == TIOCOUTQ);
	case TIOCNOTTY:
		return tty_release(t);
	case TIOCSTI:
		return type_char(t, UADDR(arg));
	case TIOCVHANGUP:
		return hang_up(t);
	default:
		return tty_ioctl_any(t, f, req, arg, false);
	}
}
