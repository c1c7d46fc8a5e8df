/* Pseudo-terminals: both ends, from the first open to the last close. */
#include "testsuite/prog/tap.h"

#include <poll.h>
#include <pty.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <termios.h>

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

struct pair {
	int master, slave;
	char name[32];
};

/* pair: an unlocked pair, the slave in the given mode, nobody's controlling terminal. */
static struct pair pair_open(bool raw)
{
	struct pair p;
	struct termios tio;

	p.master = OK(posix_openpt(O_RDWR | O_NOCTTY));
	OK(grantpt(p.master));
	OK(unlockpt(p.master));
	NEED(ptsname_r(p.master, p.name, sizeof(p.name)) == 0);
	p.slave = OK(open(p.name, O_RDWR | O_NOCTTY));
	if (raw) {
		OK(tcgetattr(p.slave, &tio));
		cfmakeraw(&tio);
		OK(tcsetattr(p.slave, TCSANOW, &tio));
	}
	return p;
}

/* reads: what FD gives within a second is TEXT. */
static bool reads(int fd, const char *text)
{
	size_t want = strlen(text), got = 0;
	char buf[512];

	while (got < want) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n = poll(&p, 1, 5000) == 1 ? read(fd, buf + got, sizeof(buf) - got) : -1;

		if (n <= 0)
			break;
		got += n;
	}
	if (got == want && !memcmp(buf, text, want))
		return true;
	note("read %zu bytes: %.*s", got, (int)got, buf);
	return false;
}

static u32 events(int fd, int wanted)
{
	struct pollfd p = {.fd = fd, .events = wanted};

	return poll(&p, 1, 0) == 1 ? p.revents : 0;
}

/* await: until EVENT is there, as Linux passes bytes on in a thread of its own. */
static u32 await(int fd, int event)
{
	struct pollfd p = {.fd = fd, .events = event};

	return poll(&p, 1, 5000) == 1 ? p.revents : 0;
}

static volatile sig_atomic_t signals, last_signal;

static void count_signal(int sig)
{
	signals++;
	last_signal = sig;
}

static void await_signal(void)
{
	for (int i = 0; i < 500 && !signals; i++)
		sleep_ms(10);
}

/* --- names --- */

TEST(names, "[P13] /dev/pts/N appears with its master and vanishes with it")
{
	struct pair p = pair_open(false);
	struct stat st;
	char name[32], *slash = strrchr(p.name, '/');
	int nr = -1;

	OK(ioctl(p.master, TIOCGPTN, &nr));
	IS(nr, atoi(slash + 1));
	OK(stat(p.name, &st));
	CHECK(S_ISCHR(st.st_mode));
	IS(major(st.st_rdev), 136);
	IS(minor(st.st_rdev), nr);
	IS(st.st_uid, geteuid());
	IS(isatty(p.slave), 1);
	IS(isatty(p.master), 1);
	NEED(ttyname_r(p.slave, name, sizeof(name)) == 0);
	IS_STR(name, p.name);
	close(p.master);
	FAILS(stat(p.name, &st), ENOENT);
	FAILS(open(p.name, O_RDWR | O_NOCTTY), ENOENT);
}

TEST(numbers, "[P13] each pair has a number of its own")
{
	struct pair p[20];

	for (u32 i = 0; i < ARRAY_SIZE(p); i++) {
		p[i] = pair_open(false);
		for (u32 n = 0; n < i; n++)
			CHECK(strcmp(p[i].name, p[n].name));
	}
	for (u32 i = 0; i < ARRAY_SIZE(p); i++) {
		close(p[i].slave);
		close(p[i].master);
		CHECK(access(p[i].name, F_OK) < 0);
	}
}

TEST(lock, "[P13] a locked slave cannot be opened")
{
	int master = OK(open("/dev/ptmx", O_RDWR | O_NOCTTY)), locked = -1, zero = 0, nr, fd;
	char name[32];

	OK(ioctl(master, TIOCGPTN, &nr));
	snprintf(name, sizeof(name), "/dev/pts/%d", nr);
	OK(ioctl(master, TIOCGPTLCK, &locked));
	IS(locked, 1);
	FAILS(open(name, O_RDWR | O_NOCTTY), EIO);
	OK(ioctl(master, TIOCSPTLCK, &zero));
	OK(ioctl(master, TIOCGPTLCK, &locked));
	IS(locked, 0);
	fd = OK(open(name, O_RDWR | O_NOCTTY));
	FAILS(ioctl(fd, TIOCGPTN, &nr), ENOTTY);
	FAILS(ioctl(fd, TIOCSPTLCK, &zero), ENOTTY);
	FAILS(ioctl(master, TIOCSPTLCK, 1), EFAULT);
}

TEST(peer, "[P13] TIOCGPTPEER opens the slave without its name")
{
	struct pair p = pair_open(true);
	char path[64], name[64] = "";
	int fd;

	fd = OK(ioctl(p.master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
	IS(fcntl(fd, F_GETFD), FD_CLOEXEC);
	IS(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	OK(readlink(path, name, sizeof(name) - 1));
	IS_STR(name, p.name);
	IS(write(fd, "peer", 4), 4);
	CHECK(reads(p.master, "peer"));
}

TEST(libc, "[P13] openpty gives both ends with modes and size, forkpty a session on the slave")
{
	struct winsize size = {.ws_row = 31, .ws_col = 97}, got;
	int master, slave;
	pid_t pid;

	OK(openpty(&master, &slave, NULL, NULL, &size));
	OK(ioctl(slave, TIOCGWINSZ, &got));
	IS(got.ws_row, 31);
	IS(got.ws_col, 97);
	close(slave);
	close(master);
	pid = OK(forkpty(&master, NULL, NULL, &size));
	if (pid == 0) {
		int tty = open("/dev/tty", O_RDWR);

		_exit(tty >= 0 && tcgetsid(0) == getpid() && tcgetpgrp(tty) == getpid() && isatty(1) ? 5 : 1);
	}
	IS(wait_status(pid), EXITED(5));
}

/* --- bytes --- */

TEST(both_ways, "[P13] what is typed at the master is echoed and read; what the slave writes is processed")
{
	struct pair p = pair_open(false);
	char buf[64];

	IS(write(p.master, "hello\r", 6), 6);
	CHECK(reads(p.slave, "hello\n"));
	CHECK(reads(p.master, "hello\r\n"));
	IS(write(p.slave, "one\ntwo\n", 8), 8);
	CHECK(reads(p.master, "one\r\ntwo\r\n"));
	IS(write(p.master, "half", 4), 4);
	CHECK(reads(p.master, "half"));
	IS(events(p.slave, POLLIN), 0);
	IS(write(p.master, "\x7f\x7f\x04", 3), 3);
	CHECK(reads(p.slave, "ha"));
	IS(write(p.master, "\x04", 1), 1);
	IS(read(p.slave, buf, sizeof(buf)), 0);
}

TEST(counts, "[P13] FIONREAD and TIOCOUTQ count what waits")
{
	struct pair p = pair_open(true);
	int n = -1;

	IS(write(p.slave, "abc", 3), 3);
	IS(await(p.master, POLLIN), POLLIN);
	OK(ioctl(p.master, FIONREAD, &n));
	IS(n, 3);
	IS(write(p.master, "12345", 5), 5);
	IS(await(p.slave, POLLIN), POLLIN);
	OK(ioctl(p.slave, FIONREAD, &n));
	IS(n, 5);
	OK(ioctl(p.slave, TIOCOUTQ, &n));
	IS(n, 0);
	OK(tcdrain(p.slave));
}

TEST(much, "[P13] a hundred thousand bytes go through either way, in order")
{
	struct pair p = pair_open(true);
	u8 buf[1000];
	u32 total = 100000, got;

	for (int way = 0; way < 2; way++) {
		int from = way ? p.master : p.slave, to = way ? p.slave : p.master;
		pid_t pid = SPAWN({
			for (u32 at = 0; at < total; at += sizeof(buf)) {
				for (u32 i = 0; i < sizeof(buf); i++)
					buf[i] = (at + i) % 251;
				for (u32 done = 0; done < sizeof(buf);)
					done += OK(write(from, buf + done, sizeof(buf) - done));
			}
		});

		for (got = 0; got < total;) {
			ssize_t n = OK(read(to, buf, sizeof(buf)));

			for (ssize_t i = 0; i < n; i++)
				NEED(buf[i] == (got + i) % 251);
			got += n;
		}
		IS(wait_status(pid), EXITED(0));
	}
}

TEST(full, "[P13] who would have to wait gets EAGAIN and no POLLOUT, until somebody reads")
{
	struct pair p = pair_open(true);
	char buf[4096];
	u32 in = 0, out = 0;

	memset(buf, 'x', sizeof(buf));
	for (int way = 0; way < 2; way++) {
		int from = way ? p.master : p.slave, to = way ? p.slave : p.master;
		ssize_t n = 0;

		OK(fcntl(from, F_SETFL, O_NONBLOCK));
		OK(fcntl(to, F_SETFL, O_NONBLOCK));
		for (in = out = 0; in < 1000000 && (n = write(from, buf, sizeof(buf))) > 0;)
			in += n;
		IS(n, -1);
		IS(errno, EAGAIN);
		for (int quiet = 0; out < in && quiet < 100;) {
			n = read(to, buf, sizeof(buf));
			if (n > 0)
				out += n;
			else
				sleep_ms(10);
			quiet = n > 0 ? 0 : quiet + 1;
		}
		IS(out, in);
		IS(await(from, POLLOUT) & POLLOUT, POLLOUT);
		FAILS(read(to, buf, 1), EAGAIN);
	}
}

TEST(flow, "[P13] ^S holds the slave's output, ^Q lets it go")
{
	struct pair p = pair_open(false);

	IS(write(p.master, "\x13", 1), 1);
	for (int i = 0; i < 500 && events(p.slave, POLLOUT); i++)
		sleep_ms(10);
	IS(events(p.slave, POLLOUT), 0);
	OK(fcntl(p.slave, F_SETFL, O_NONBLOCK));
	FAILS(write(p.slave, "held", 4), EAGAIN);
	IS(events(p.master, POLLIN), 0);
	IS(write(p.master, "\x11", 1), 1);
	IS(await(p.slave, POLLOUT), POLLOUT);
	IS(write(p.slave, "free", 4), 4);
	CHECK(reads(p.master, "free"));
	OK(tcflow(p.slave, TCOOFF));
	FAILS(write(p.slave, "held", 4), EAGAIN);
	OK(tcflow(p.slave, TCOON));
	IS(write(p.slave, "free", 4), 4);
}

TEST(flushing, "[P13] tcflush drops what was not yet read; what the master has got by then stays")
{
	struct pair p = pair_open(true);

	IS(write(p.slave, "got", 3), 3);
	IS(await(p.master, POLLIN), POLLIN);
	OK(tcflush(p.slave, TCOFLUSH));
	CHECK(reads(p.master, "got"));
	IS(write(p.master, "lost", 4), 4);
	IS(await(p.slave, POLLIN), POLLIN);
	OK(tcflush(p.slave, TCIFLUSH));
	IS(events(p.slave, POLLIN), 0);
	IS(write(p.slave, "lost", 4), 4);
	IS(await(p.master, POLLIN), POLLIN);
	OK(tcflush(p.master, TCIFLUSH));
	IS(events(p.master, POLLIN), 0);
	IS(write(p.slave, "kept", 4), 4);
	CHECK(reads(p.master, "kept"));
}

/* --- modes, sessions, signals --- */

TEST(shared_modes, "[P13] the master sees and sets the slave's modes and size")
{
	struct pair p = pair_open(false);
	struct winsize size = {.ws_row = 20, .ws_col = 70}, got;
	struct termios a, b;
	int n = -1;

	OK(tcgetattr(p.master, &a));
	CHECK(a.c_lflag & ICANON);
	a.c_lflag &= ~ECHO;
	OK(tcsetattr(p.master, TCSANOW, &a));
	OK(tcgetattr(p.slave, &b));
	IS(b.c_lflag, a.c_lflag);
	OK(ioctl(p.master, TIOCSWINSZ, &size));
	OK(ioctl(p.slave, TIOCGWINSZ, &got));
	IS(got.ws_col, 70);
	OK(ioctl(p.master, TIOCGPGRP, &n));
	IS(n, 0);
	FAILS(ioctl(p.master, TIOCGSID, &n), ENOTTY);
	FAILS(ioctl(p.slave, TIOCGPGRP, &n), ENOTTY);
	FAILS(ioctl(p.slave, 0x5499, 0), ENOTTY);
	FAILS(ioctl(p.master, 0x5499, 0), ENOTTY);
	OK(ioctl(p.slave, TIOCGETD, &n));
	IS(n, 0);
}

/* The C library's headers and Linux's own do not go together. */
struct modes {
	u32 iflag, oflag, cflag, lflag;
	u8 line, cc[19];
	u32 ispeed, ospeed;
};
#define GET_MODES _IOR('T', 0x2a, struct modes)
#define SET_MODES _IOW('T', 0x2b, struct modes)
#define ANY_SPEED 0010000
#define ALL_SPEEDS 0010017

TEST(first_modes, "[P13] a new pair's modes are Linux's")
{
	struct pair p = pair_open(false);
	struct modes m;

	OK(ioctl(p.slave, GET_MODES, &m));
	IS(m.iflag, ICRNL | IXON);
	IS(m.oflag, OPOST | ONLCR);
	IS(m.cflag, B38400 | CS8 | CREAD);
	IS(m.lflag, ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN);
	IS(m.ospeed, 38400);
	IS(m.ispeed, 38400);
	CHECK(!memcmp(m.cc, "\x03\x1c\x7f\x15\x04\0\x01\0\x11\x13\x1a\0\x12\x0f\x17\x16\0\0", 19));
}

TEST(speeds, "[P13] any speed is remembered; character size and parity stay")
{
	struct pair p = pair_open(false);
	struct modes m;
	struct termios tio;
	short old[9]; /* struct termio */

	OK(ioctl(p.slave, GET_MODES, &m));
	m.cflag = (m.cflag & ~(ALL_SPEEDS | CSIZE)) | ANY_SPEED | PARENB | CS7;
	m.ospeed = m.ispeed = 12345;
	OK(ioctl(p.slave, SET_MODES, &m));
	OK(ioctl(p.slave, GET_MODES, &m));
	IS(m.ospeed, 12345);
	IS(m.cflag & (CSIZE | PARENB | CREAD), CS8 | CREAD);
	OK(tcgetattr(p.slave, &tio));
	cfsetspeed(&tio, B19200);
	OK(tcsetattr(p.slave, TCSADRAIN, &tio));
	OK(ioctl(p.slave, GET_MODES, &m));
	IS(m.ospeed, 19200);
	OK(ioctl(p.slave, TCGETA, old));
	IS((unsigned short)old[3], m.lflag & 0xffff);
	old[3] &= ~ECHO;
	OK(ioctl(p.slave, TCSETA, old));
	OK(tcgetattr(p.slave, &tio));
	IS(tio.c_lflag & (ECHO | ICANON), ICANON);
}

/* What VMIN and VTIME mean, in all four cases (termios(3)). */
static void set_wait(int fd, int min, int time)
{
	struct termios tio;

	OK(tcgetattr(fd, &tio));
	tio.c_cc[VMIN] = min;
	tio.c_cc[VTIME] = time;
	OK(tcsetattr(fd, TCSANOW, &tio));
}

/* later: TEXT is typed in MS milliseconds. */
static pid_t later(struct pair *p, u64 ms, const char *text)
{
	return SPAWN({
		sleep_ms(ms);
		IS(write(p->master, text, strlen(text)), strlen(text));
	});
}

TEST(min_and_time, "[P13] VMIN and VTIME: a read ends by count, by the gap between bytes, or by the clock")
{
	struct pair p = pair_open(true);
	char buf[16];
	u64 began;
	pid_t pid;

	set_wait(p.slave, 0, 0); /* what is there */
	IS(read(p.slave, buf, 8), 0);
	set_wait(p.slave, 0, 3); /* one byte, or the clock */
	began = now_ns();
	IS(read(p.slave, buf, 8), 0);
	CHECK(now_ns() - began > 250000000);
	pid = later(&p, 50, "a");
	set_wait(p.slave, 0, 100);
	IS(read(p.slave, buf, 8), 1);
	wait_status(pid);
	set_wait(p.slave, 3, 0); /* that many */
	IS(write(p.master, "ab", 2), 2);
	pid = later(&p, 100, "c");
	IS(read(p.slave, buf, 8), 3);
	wait_status(pid);
	set_wait(p.slave, 5, 2); /* that many, or a gap after the first */
	pid = later(&p, 400, "xy");
	began = now_ns();
	IS(read(p.slave, buf, 8), 2);
	CHECK(now_ns() - began > 550000000);
	wait_status(pid);
	IS(write(p.master, "12345", 5), 5);
	IS(read(p.slave, buf, 8), 5);
	IS(write(p.master, "12", 2), 2);
	IS(read(p.slave, buf, 2), 2); /* no more was asked for */
	IS(write(p.master, "z", 1), 1);
	set_wait(p.slave, 2, 0);
	sleep_ms(20);
	IS(events(p.slave, POLLIN), 0); /* poll waits for VMIN, too */
	IS(write(p.master, "z", 1), 1);
	IS(await(p.slave, POLLIN), POLLIN);
}

/* Each in a session of its own, whose terminal is the slave. */
#define IN_SESSION(raw, ...)                         \
	IS(CHILD({                                   \
		   struct pair p = pair_open(raw);   \
		   signal(SIGHUP, SIG_IGN);          \
		   OK(setsid());                     \
		   OK(ioctl(p.slave, TIOCSCTTY, 0)); \
		   __VA_ARGS__                       \
	   }),                                       \
	   EXITED(0))

TEST(keys, "[P13] ^C, ^\\ and ^Z typed at the master are signals for the foreground group, and flush")
{
	IN_SESSION(false, {
		int n = -1;

		signal(SIGINT, count_signal);
		signal(SIGQUIT, count_signal);
		signal(SIGTSTP, count_signal);
		for (int i = 0; i < 3; i++) {
			signals = 0;
			IS(write(p.master,
			         &"ab\x03"
			          "ab\x1c"
			          "ab\x1a"[3 * i],
			         3),
			   3);
			await_signal();
			IS(last_signal, i == 0 ? SIGINT : i == 1 ? SIGQUIT : SIGTSTP);
			OK(ioctl(p.slave, FIONREAD, &n));
			IS(n, 0);
		}
		signals = 0;
		OK(ioctl(p.master, TIOCSIG, SIGINT));
		await_signal();
		IS(last_signal, SIGINT);
		FAILS(ioctl(p.master, TIOCSIG, SIGKILL), EINVAL);
		OK(ioctl(p.master, TIOCGPGRP, &n));
		IS(n, getpgrp());
		OK(ioctl(p.master, TIOCGSID, &n));
		IS(n, getpid());
	});
}

TEST(window, "[P13] a new size set at the master is told to the foreground group")
{
	IN_SESSION(false, {
		struct winsize size = {.ws_row = 11, .ws_col = 22};

		signal(SIGWINCH, count_signal);
		OK(ioctl(p.master, TIOCSWINSZ, &size));
		await_signal();
		IS(signals, 1);
		OK(ioctl(p.master, TIOCSWINSZ, &size));
		sleep_ms(20);
		IS(signals, 1);
	});
}

TEST(controlling,
     "[P13] opening a slave gives a leader its terminal, not with O_NOCTTY, and never by the master")
{
	IS(CHILD({
		   struct pair p = pair_open(false);
		   int fd;

		   signal(SIGHUP, SIG_IGN);
		   OK(setsid());
		   close(OK(open("/dev/ptmx", O_RDWR)));
		   FAILS(open("/dev/tty", O_RDWR), ENXIO);
		   close(OK(open(p.name, O_RDWR | O_NOCTTY)));
		   FAILS(open("/dev/tty", O_RDWR), ENXIO);
		   close(OK(open(p.name, O_RDWR)));
		   fd = OK(open("/dev/tty", O_RDWR));
		   IS(tcgetsid(fd), getpid());
		   IS(tcgetsid(p.slave), getpid());
		   OK(ioctl(fd, TIOCNOTTY, 0));
		   FAILS(open("/dev/tty", O_RDWR), ENXIO);
	   }),
	   EXITED(0));
}

TEST(taken, "[P13] a terminal of one session is no other's, unless root steals it")
{
	IN_SESSION(false, {
		IS(CHILD({
			   OK(setsid());
			   FAILS(ioctl(p.slave, TIOCSCTTY, 0), EPERM);
			   FAILS(tcgetpgrp(p.slave), ENOTTY);
			   if (geteuid() == 0) {
				   OK(ioctl(p.slave, TIOCSCTTY, 1));
				   IS(tcgetsid(p.slave), getpid());
			   }
		   }),
		   EXITED(0));
	});
}

TEST(exclusive, "[P13] TIOCEXCL keeps others out, root excepted")
{
	struct pair p = pair_open(false);
	int n = -1;

	OK(ioctl(p.slave, TIOCEXCL, 0));
	OK(ioctl(p.slave, 0x80045440 /* TIOCGEXCL */, &n));
	IS(n, 1);
	if (geteuid() == 0) {
		OK(chmod(p.name, 0666));
		close(OK(open(p.name, O_RDWR | O_NOCTTY)));
		IS(CHILD({
			   OK(setuid(65534));
			   FAILS(open(p.name, O_RDWR | O_NOCTTY), EBUSY);
		   }),
		   EXITED(0));
	}
	OK(ioctl(p.slave, TIOCNXCL, 0));
}

/* --- ends --- */

TEST(slave_ends,
     "[P13] after the slave's last close the master reads what is left, then EIO, and polls POLLHUP")
{
	struct pair p = pair_open(true);
	char buf[16];
	int again = OK(dup(p.slave));

	IS(write(p.slave, "rest", 4), 4);
	close(p.slave);
	IS(await(p.master, POLLIN), POLLIN);
	close(again);
	IS(await(p.master, POLLIN), POLLIN | POLLHUP);
	CHECK(reads(p.master, "rest"));
	FAILS(read(p.master, buf, sizeof(buf)), EIO);
	IS(events(p.master, POLLIN) & POLLHUP, POLLHUP);
	IS(write(p.master, "later", 5), 5);
	p.slave = OK(open(p.name, O_RDWR | O_NOCTTY));
	CHECK(reads(p.slave, "later"));
	IS(events(p.master, POLLIN), 0);
	OK(fcntl(p.master, F_SETFL, O_NONBLOCK));
	FAILS(read(p.master, buf, sizeof(buf)), EAGAIN);
}

TEST(slave_not_yet, "[P13] before the slave's first open the master waits")
{
	int master = OK(posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK));
	char c;

	FAILS(read(master, &c, 1), EAGAIN);
	IS(events(master, POLLIN), 0);
}

TEST(waiting_master, "[P13] a master that waits is woken by the slave's last close, with EIO")
{
	struct pair p = pair_open(true);
	char c;
	pid_t pid = SPAWN({
		close(p.master);
		sleep_ms(100);
	});

	close(p.slave);
	FAILS(read(p.master, &c, 1), EIO);
	IS(wait_status(pid), EXITED(0));
}

TEST(master_ends, "[P13] after the master's close the slave reads as ended, writes EIO, polls POLLHUP")
{
	struct pair p = pair_open(true);
	char buf[16];
	int n;

	IS(write(p.master, "unread", 6), 6);
	IS(await(p.slave, POLLIN), POLLIN);
	close(p.master);
	IS(events(p.slave, POLLIN), POLLIN | POLLHUP | POLLERR);
	alarm(20);
	IS(read(p.slave, buf, sizeof(buf)), 0);
	FAILS(write(p.slave, "x", 1), EIO);
	FAILS(ioctl(p.slave, FIONREAD, &n), EIO);
	FAILS(tcgetpgrp(p.slave), EIO);
	FAILS(tcsetpgrp(p.slave, getpgrp()), ENOTTY);
	IS(isatty(p.slave), 0);
}

TEST(waiting_slave, "[P13] a slave that waits is woken by the master's close, with EIO")
{
	struct pair p = pair_open(true);
	char c;
	pid_t pid = SPAWN({
		close(p.slave);
		sleep_ms(100);
	});

	close(p.master);
	alarm(20);
	FAILS(read(p.slave, &c, 1), EIO);
	IS(wait_status(pid), EXITED(0));
}

TEST(hang_up,
     "[P13] the master's close sends SIGHUP to the leader, and to the foreground group when that ends")
{
	int tell[2], go[2];
	char c = 0;

	OK(pipe(tell));
	OK(pipe(go));
	struct pair p = pair_open(false);
	pid_t leader = SPAWN({
		close(p.master);
		OK(setsid());
		OK(ioctl(p.slave, TIOCSCTTY, 0));
		SPAWN({
			setpgid(0, 0);
			signal(SIGTTOU, SIG_IGN);
			OK(tcsetpgrp(p.slave, getpgrp()));
			signal(SIGHUP, count_signal);
			write(tell[1], "r", 1);
			read(go[0], &c, 1);
			c = signals ? 'h' : '-';
			write(tell[1], &c, 1);
			await_signal();
			c = last_signal == SIGHUP ? 'H' : '?';
			write(tell[1], &c, 1);
		});
		pause();
	});

	IS(read(tell[0], &c, 1), 1);
	close(p.slave);
	close(p.master);
	IS(wait_status(leader), KILLED(SIGHUP));
	write(go[1], "g", 1);
	IS(read(tell[0], &c, 1), 1);
	IS(read(tell[0], &c, 1), 1);
	IS(c, 'H');
}

TEST(leader_ends, "[P13] a slave whose session has ended stays good; the foreground group got SIGHUP")
{
	struct pair p = pair_open(true);
	int tell[2], ready[2];
	char c = 0;

	OK(pipe(tell));
	OK(pipe(ready));
	IS(CHILD({
		   OK(setsid());
		   OK(ioctl(p.slave, TIOCSCTTY, 0));
		   SPAWN({
			   signal(SIGHUP, count_signal);
			   write(ready[1], "r", 1);
			   await_signal();
			   c = signals ? 'y' : 'n';
			   write(tell[1], &c, 1);
		   });
		   read(ready[0], &c, 1);
	   }),
	   EXITED(0));
	IS(read(tell[0], &c, 1), 1);
	IS(c, 'y');
	IS(write(p.slave, "good", 4), 4);
	CHECK(reads(p.master, "good"));
	IS(events(p.slave, POLLIN | POLLOUT), POLLOUT);
}

TEST(vhangup_self, "[P13] vhangup hangs up the caller's terminal; a new open of it is good")
{
	SKIP_IF(geteuid() != 0, "needs root");
	IN_SESSION(true, {
		char c;
		int fd;

		OK(vhangup());
		alarm(20);
		IS(read(p.slave, &c, 1), 0);
		FAILS(write(p.slave, "x", 1), EIO);
		FAILS(open("/dev/tty", O_RDWR), ENXIO);
		fd = OK(open(p.name, O_RDWR | O_NOCTTY));
		IS(write(fd, "new", 3), 3);
		CHECK(reads(p.master, "new"));
	});
}

TEST(epoll_hang_up, "[P13] epoll tells of the other end's close on either side")
{
	struct pair p = pair_open(true), q = pair_open(true);
	int ep = OK(epoll_create1(0));
	struct epoll_event e = {.events = EPOLLIN, .data.fd = p.master}, got;

	OK(epoll_ctl(ep, EPOLL_CTL_ADD, p.master, &e));
	e.data.fd = q.slave;
	OK(epoll_ctl(ep, EPOLL_CTL_ADD, q.slave, &e));
	IS(epoll_wait(ep, &got, 1, 0), 0);
	close(p.slave);
	IS(epoll_wait(ep, &got, 1, 5000), 1);
	IS(got.data.fd, p.master);
	CHECK(got.events & EPOLLHUP);
	close(p.master);
	close(q.master);
	IS(epoll_wait(ep, &got, 1, 5000), 1);
	IS(got.data.fd, q.slave);
	CHECK(got.events & EPOLLHUP);
}

/* --- packet mode --- */

TEST(packets, "[P13] in packet mode each read begins with what happened at the slave")
{
	struct pair p = pair_open(false);
	struct termios tio;
	int on = 1, n = -1;
	char buf[64];

	OK(ioctl(p.master, TIOCPKT, &on));
	OK(ioctl(p.master, 0x80045438 /* TIOCGPKT */, &n));
	IS(n, 1);
	IS(write(p.slave, "data", 4), 4);
	IS(await(p.master, POLLIN), POLLIN);
	IS(read(p.master, buf, sizeof(buf)), 5);
	IS(buf[0], TIOCPKT_DATA);
	CHECK(!memcmp(buf + 1, "data", 4));
	OK(tcflow(p.slave, TCOOFF));
	IS(await(p.master, POLLIN | POLLPRI), POLLIN | POLLPRI);
	IS(read(p.master, buf, sizeof(buf)), 1);
	IS(buf[0], TIOCPKT_STOP);
	OK(tcflow(p.slave, TCOON));
	IS(read(p.master, buf, sizeof(buf)), 1);
	IS(buf[0], TIOCPKT_START);
	OK(tcflush(p.slave, TCIFLUSH));
	IS(read(p.master, buf, sizeof(buf)), 1);
	IS(buf[0], TIOCPKT_FLUSHREAD);
	OK(tcflush(p.slave, TCOFLUSH));
	IS(read(p.master, buf, sizeof(buf)), 1);
	IS(buf[0], TIOCPKT_FLUSHWRITE);
	OK(tcgetattr(p.slave, &tio));
	tio.c_iflag &= ~IXON;
	OK(tcsetattr(p.slave, TCSANOW, &tio));
	IS(read(p.master, buf, sizeof(buf)), 1);
	IS(buf[0], TIOCPKT_NOSTOP);
	on = 0;
	OK(ioctl(p.master, TIOCPKT, &on));
	IS(write(p.slave, "plain", 5), 5);
	CHECK(reads(p.master, "plain"));
}

/* --- many --- */

TEST(races, "[P13] opening, writing and closing from several processes at once")
{
	pid_t pid[4];

	for (u32 i = 0; i < ARRAY_SIZE(pid); i++)
		pid[i] = SPAWN({
			for (int n = 0; n < 100; n++) {
				struct pair p = pair_open(true);
				int again = open(p.name, O_RDWR | O_NOCTTY);

				write(p.slave, "abc", 3);
				write(p.master, "abc", 3);
				close(n & 1 ? p.master : p.slave);
				close(again);
				close(n & 1 ? p.slave : p.master);
			}
		});
	for (u32 i = 0; i < ARRAY_SIZE(pid); i++)
		IS(wait_status(pid[i]), EXITED(0));
}
