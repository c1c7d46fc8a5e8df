/* Terminals: the modes in the three forms in which programs give and take them: struct termios (TCGETS), with
 * speeds (TCGETS2), and System V's (TCGETA). The character size and parity are fixed, as is the speed of the
 * machine's lines: what is asked for is remembered only. */
#define KERNEL_TTY
#include "kernel/tty/internal.h"
#include "hal/base/string.h"

#define FIXED (CS8 | CREAD)
#define NOT_THERE (CSIZE | PARENB)

/* Bits per second by CBAUD, without and with CBAUDEX. */
static const u32 speeds[16] = {0,   50,   75,   110,  134,  150,  200,   300,
                               600, 1200, 1800, 2400, 4800, 9600, 19200, 38400};
static const u32 fast_speeds[16] = {0,       57600,   115200,  230400,  460800,  500000,  576000,  921600,
                                    1000000, 1152000, 1500000, 2000000, 2500000, 3000000, 3500000, 4000000};

/* speed_of: what the bits of CBAUD in FLAGS stand for; BOTHER: GIVEN. */
static u32 speed_of(tcflag_t flags, u32 given)
{
	flags &= CBAUD;
	if (flags == BOTHER)
		return given;
	return flags & CBAUDEX ? fast_speeds[flags & 15] : speeds[flags & 15];
}

static void take_speeds(struct tty *t, tcflag_t flags, u32 in, u32 out)
{
	t->ospeed = speed_of(flags, out);
	t->ispeed = flags & CIBAUD ? speed_of(flags >> IBSHIFT, in) : t->ospeed;
}

void tty_modes_init(struct tty *t)
{
	take_speeds(t, t->ldisc.tio.c_cflag, 0, 0);
}

/* modes_get: all of them; termios2 begins as termios does. */
static void modes_get(struct tty *t, struct termios2 *ret)
{
	WITH_LOCK (&t->lock) {
		memcpy(ret, &t->ldisc.tio, sizeof(t->ldisc.tio));
		ret->c_ispeed = t->ispeed;
		ret->c_ospeed = t->ospeed;
	}
}

static i64 get_old(const struct termios2 *m, uaddr_t arg)
{
	struct termio old = {m->c_iflag, m->c_oflag, m->c_cflag, m->c_lflag, m->c_line, {0}};

	memcpy(old.c_cc, m->c_cc, NCC);
	return copyout(arg, &old, sizeof(old));
}

i64 tty_get_modes(struct tty *t, u32 req, uaddr_t arg)
{
	struct termios2 m;

	modes_get(t, &m);
	if (req == TCGETA)
		return get_old(&m, arg);
	return copyout(arg, &m, req == TCGETS ? sizeof(struct termios) : sizeof(m));
}

/* set_old: the lower halves of the flags, and the first keys. */
static int set_old(struct termios2 *m, uaddr_t arg)
{
	struct termio old;
	int err = copyin(&old, arg, sizeof(old));

	if (err)
		return err;
	m->c_iflag = (m->c_iflag & ~0xffffU) | old.c_iflag;
	m->c_oflag = (m->c_oflag & ~0xffffU) | old.c_oflag;
	m->c_cflag = (m->c_cflag & ~0xffffU) | old.c_cflag;
	m->c_lflag = (m->c_lflag & ~0xffffU) | old.c_lflag;
	memcpy(m->c_cc, old.c_cc, NCC);
	return 0;
}

static void modes_set(struct tty *t, const struct termios2 *m, bool flush)
{
	struct termios tio;

	memcpy(&tio, m, sizeof(tio));
	tio.c_cflag = (tio.c_cflag & ~NOT_THERE) | FIXED;
	WITH_LOCK (&t->lock) {
		if (flush)
			ldisc_flush_input(&t->ldisc);
		ldisc_set_termios(&t->ldisc, &tio);
		take_speeds(t, tio.c_cflag, m->c_ispeed, m->c_ospeed);
		tty_push(t);
	}
	tty_changed(t);
}

i64 tty_set_modes(struct tty *t, u32 req, uaddr_t arg)
{
	bool old = req == TCSETA || req == TCSETAW || req == TCSETAF;
	bool flush = req == TCSETSF || req == TCSETSF2 || req == TCSETAF;
	bool drain = req != TCSETS && req != TCSETS2 && req != TCSETA;
	bool speeds_too = req == TCSETS2 || req == TCSETSW2 || req == TCSETSF2;
	struct termios2 m;
	int err;

	modes_get(t, &m);
	err = old ? set_old(&m, arg) : copyin(&m, arg, speeds_too ? sizeof(m) : sizeof(struct termios));
	if (!err)
		err = tty_check_foreground(t, SIGTTOU);
	if (!err && drain)
		err = tty_drain(t);
	if (!err)
		modes_set(t, &m, flush);
	return err;
}
