/* Terminals as programs see them: modes, window size, job control. On Linux it is a pseudo-terminal, on
 * Bulkhead the console. */
#include "testsuite/prog/tap.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>

static int master = -1;

/* free_terminal: one that is no session's. => its path */
static const char *free_terminal(void)
{
	static char name[32] = "/dev/ttyS1";
	int unlock = 0, nr;

	if (!on_bulkhead()) {
		master = OK(open("/dev/ptmx", O_RDWR | O_NOCTTY));
		OK(ioctl(master, TIOCSPTLCK, &unlock));
		OK(ioctl(master, TIOCGPTN, &nr));
		snprintf(name, sizeof(name), "/dev/pts/%d", nr);
	}
	return name;
}

/* terminal: the caller becomes the leader of a session of its own, whose terminal this is. */
static int terminal(void)
{
	const char *name = on_bulkhead() ? "/dev/console" : free_terminal();
	int fd;

	OK(setsid());
	fd = OK(open(name, O_RDWR | O_NOCTTY));
	OK(ioctl(fd, TIOCSCTTY, 1));
	return fd;
}

/* Each test in a child: the session leader of a test has a group of its own already. */
#define ON_TERMINAL(...)                    \
	IS(CHILD({                          \
		   signal(SIGHUP, SIG_IGN); \
		   int tty = terminal();    \
		   __VA_ARGS__              \
	   }),                              \
	   EXITED(0))

TEST(not_a_terminal, "[P13] what is no terminal answers ENOTTY")
{
	int fd = OK(open("/dev/null", O_RDWR));
	struct winsize size;
	struct termios tio;
	int pipes[2];

	FAILS(tcgetattr(fd, &tio), ENOTTY);
	OK(pipe(pipes));
	FAILS(ioctl(pipes[0], TIOCGWINSZ, &size), ENOTTY);
	FAILS(ioctl(-1, TCGETS, &tio), EBADF);
}

TEST(modes, "[P13] modes are kept as they are set")
{
	ON_TERMINAL({
		struct termios tio, before, after;

		OK(tcgetattr(tty, &before));
		CHECK(before.c_lflag & ISIG);
		tio = before;
		tio.c_lflag &= ~(ICANON | ECHO);
		tio.c_cc[VMIN] = 3;
		tio.c_cc[VINTR] = 7;
		OK(tcsetattr(tty, TCSANOW, &tio));
		OK(tcgetattr(tty, &after));
		IS(after.c_lflag, tio.c_lflag);
		IS(after.c_cc[VMIN], 3);
		IS(after.c_cc[VINTR], 7);
		OK(tcsetattr(tty, TCSAFLUSH, &before));
		FAILS(ioctl(tty, TCSETS, 1), EFAULT);
		FAILS(ioctl(tty, TCGETS, -1L), EFAULT);
		FAILS(ioctl(tty, TCFLSH, 99), EINVAL);
		FAILS(ioctl(tty, TCXONC, 99), EINVAL);
		FAILS(ioctl(tty, 0x5499, 0), ENOTTY);
		OK(tcdrain(tty));
		OK(tcflush(tty, TCIOFLUSH));
	});
}

static volatile sig_atomic_t signals;

static void count_signal(int sig)
{
	(void)sig;
	signals++;
}

TEST(window, "[P13] a new window size is told by SIGWINCH")
{
	ON_TERMINAL({
		struct winsize size, got;

		OK(ioctl(tty, TIOCGWINSZ, &size));
		signal(SIGWINCH, count_signal);
		size.ws_row += 5;
		OK(ioctl(tty, TIOCSWINSZ, &size));
		IS(signals, 1);
		OK(ioctl(tty, TIOCSWINSZ, &size));
		IS(signals, 1);
		OK(ioctl(tty, TIOCGWINSZ, &got));
		IS(got.ws_row, size.ws_row);
		size.ws_row -= 5;
		OK(ioctl(tty, TIOCSWINSZ, &size));
	});
}

TEST(groups, "[P13] the foreground group is read and set, by members of the session only")
{
	ON_TERMINAL({
		pid_t child;

		IS(tcgetpgrp(tty), getpgrp());
		IS(tcgetsid(tty), getpid());
		child = SPAWN({
			setpgid(0, 0);
			pause();
		});
		setpgid(child, child);
		OK(tcsetpgrp(tty, child));
		IS(tcgetpgrp(tty), child);
		signal(SIGTTOU, SIG_IGN);
		FAILS(tcsetpgrp(tty, 1), EPERM);
		FAILS(tcsetpgrp(tty, -5), EINVAL);
		FAILS(tcsetpgrp(tty, 4000000), ESRCH);
		OK(tcsetpgrp(tty, getpgrp()));
		kill(child, SIGKILL);
		wait_status(child);
		FAILS(tcsetpgrp(tty, child), ESRCH);
	});
}

TEST(background_read, "[P13] reading in the background stops with SIGTTIN; ignored, it fails with EIO")
{
	ON_TERMINAL({
		int status;
		char c;
		pid_t child = SPAWN({
			setpgid(0, 0);
			signal(SIGTTIN, SIG_IGN);
			FAILS(read(tty, &c, 1), EIO);
			signal(SIGTTIN, SIG_DFL);
			read(tty, &c, 1);
		});

		setpgid(child, child);
		IS(waitpid(child, &status, WUNTRACED), child);
		CHECK(WIFSTOPPED(status));
		IS(WSTOPSIG(status), SIGTTIN);
		kill(child, SIGKILL);
		wait_status(child);
	});
}

TEST(background_change, "[P13] changing a terminal from the background stops with SIGTTOU")
{
	ON_TERMINAL({
		struct termios tio;
		int status;
		pid_t child;

		OK(tcgetattr(tty, &tio));
		child = SPAWN({
			setpgid(0, 0);
			IS(write(tty, "", 0), 0);
			tcsetattr(tty, TCSANOW, &tio);
		});
		setpgid(child, child);
		IS(waitpid(child, &status, WUNTRACED), child);
		CHECK(WIFSTOPPED(status));
		IS(WSTOPSIG(status), SIGTTOU);
		kill(child, SIGKILL);
		wait_status(child);
	});
}

TEST(background_write, "[P13] with TOSTOP, writing from the background stops, too")
{
	ON_TERMINAL({
		struct termios tio;
		int status;
		pid_t child;

		OK(tcgetattr(tty, &tio));
		tio.c_lflag |= TOSTOP;
		OK(tcsetattr(tty, TCSANOW, &tio));
		child = SPAWN({
			setpgid(0, 0);
			write(tty, "", 0);
			write(tty, "#\n", 2);
		});
		setpgid(child, child);
		IS(waitpid(child, &status, WUNTRACED), child);
		CHECK(WIFSTOPPED(status));
		tio.c_lflag &= ~TOSTOP;
		OK(tcsetattr(tty, TCSANOW, &tio));
		kill(child, SIGCONT);
		IS(wait_status(child), EXITED(0));
	});
}

/* orphan_reads: in the background, once its parent has gone. */
static void orphan_reads(int tty, pid_t parent, int answer)
{
	char c = 'n';

	setpgid(0, 0);
	while (getppid() == parent)
		sleep_ms(10);
	if (read(tty, &c, 1) == -1 && errno == EIO)
		c = 'y';
	write(answer, &c, 1);
}

TEST(orphans, "[P13] an orphaned group is not stopped: its read fails with EIO")
{
	ON_TERMINAL({
		int pipes[2];
		char c = 0;

		OK(pipe(pipes));
		IS(CHILD({
			   pid_t parent = getpid();

			   SPAWN(orphan_reads(tty, parent, pipes[1]));
		   }),
		   EXITED(0));
		IS(read(pipes[0], &c, 1), 1);
		IS(c, 'y');
	});
}

TEST(timing, "[P13] VMIN and VTIME: how long a read waits")
{
	ON_TERMINAL({
		struct termios tio, before;
		u64 began;
		char c;

		OK(tcgetattr(tty, &before));
		tio = before;
		tio.c_lflag &= ~(ICANON | ECHO);
		tio.c_cc[VMIN] = 0;
		tio.c_cc[VTIME] = 0;
		OK(tcsetattr(tty, TCSANOW, &tio));
		IS(read(tty, &c, 1), 0);
		tio.c_cc[VTIME] = 3;
		OK(tcsetattr(tty, TCSANOW, &tio));
		began = now_ns();
		IS(read(tty, &c, 1), 0);
		CHECK(now_ns() - began >= 250000000UL);
		OK(fcntl(tty, F_SETFL, O_NONBLOCK));
		FAILS(read(tty, &c, 1), EAGAIN);
		tio.c_cc[VMIN] = 1;
		tio.c_cc[VTIME] = 0;
		OK(tcsetattr(tty, TCSANOW, &tio));
		FAILS(read(tty, &c, 1), EAGAIN);
		OK(fcntl(tty, F_SETFL, 0));
		signal(SIGALRM, count_signal);
		siginterrupt(SIGALRM, 1);
		alarm(1);
		FAILS(read(tty, &c, 1), EINTR);
		IS(signals, 1);
		OK(tcsetattr(tty, TCSANOW, &before));
	});
}

TEST(polling, "[P13] a terminal without input can be written to, not read")
{
	ON_TERMINAL({
		struct pollfd p = {.fd = tty, .events = POLLIN | POLLOUT};
		int n = 1;

		IS(poll(&p, 1, 0), 1);
		IS(p.revents, POLLOUT);
		p.events = POLLIN;
		IS(poll(&p, 1, 20), 0);
		OK(ioctl(tty, FIONREAD, &n));
		IS(n, 0);
		FAILS(lseek(tty, 0, SEEK_SET), ESPIPE);
		IS(isatty(tty), 1);
	});
}

TEST(dev_tty, "[P13] /dev/tty is the controlling terminal, ENXIO where there is none")
{
	ON_TERMINAL({
		int fd = OK(open("/dev/tty", O_RDWR));

		IS(tcgetpgrp(fd), getpgrp());
		OK(ioctl(tty, TIOCNOTTY, 0));
		FAILS(open("/dev/tty", O_RDWR), ENXIO);
		FAILS(tcgetpgrp(tty), ENOTTY);
		OK(ioctl(tty, TIOCSCTTY, 0));
		IS(tcgetpgrp(tty), getpgrp());
		IS(CHILD({
			   OK(setsid());
			   FAILS(open("/dev/tty", O_RDWR), ENXIO);
			   FAILS(tcgetpgrp(tty), ENOTTY);
		   }),
		   EXITED(0));
	});
}

TEST(given_up, "[P13] TIOCNOTTY: a process gives the terminal up for itself and its children")
{
	ON_TERMINAL({
		IS(CHILD({
			   OK(ioctl(tty, TIOCNOTTY, 0));
			   FAILS(open("/dev/tty", O_RDWR), ENXIO);
			   FAILS(ioctl(tty, TIOCNOTTY, 0), ENOTTY);
			   IS(CHILD(FAILS(tcgetpgrp(tty), ENOTTY)), EXITED(0));
		   }),
		   EXITED(0));
		IS(tcgetpgrp(tty), getpgrp());
	});
}

TEST(leader_ends, "[P13] the foreground group gets SIGHUP and SIGCONT when the session's leader ends")
{
	int pipes[2], ready[2];
	char c = 0;

	OK(pipe(pipes));
	OK(pipe(ready));
	IS(CHILD({
		   int tty = terminal();

		   SPAWN({
			   close(tty);
			   close(master);
			   signal(SIGHUP, count_signal);
			   write(ready[1], "r", 1);
			   for (int i = 0; i < 500 && !signals; i++)
				   sleep_ms(10);
			   write(pipes[1], signals ? "y" : "n", 1);
		   });
		   read(ready[0], &c, 1);
	   }),
	   EXITED(0));
	IS(read(pipes[0], &c, 1), 1);
	IS(c, 'y');
}

TEST(open_acquires, "[P13] a session's leader gets its terminal by opening it, but not with O_NOCTTY")
{
	IS(CHILD({
		   const char *name = free_terminal();
		   int fd;

		   OK(setsid());
		   fd = OK(open(name, O_RDWR | O_NOCTTY));
		   FAILS(tcgetpgrp(fd), ENOTTY);
		   FAILS(open("/dev/tty", O_RDWR), ENXIO);
		   IS(CHILD({
			      FAILS(ioctl(OK(open(name, O_RDWR)), TIOCGPGRP, &fd), ENOTTY);
			      FAILS(ioctl(fd, TIOCSCTTY, 0), EPERM);
		      }),
		      EXITED(0));
		   OK(open(name, O_RDWR));
		   IS(tcgetpgrp(fd), getpgrp());
		   OK(open("/dev/tty", O_RDWR));
	   }),
	   EXITED(0));
}

/* after_hang_up: what is left of a session looks at its terminal. */
static void after_hang_up(int fd, int answer)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char c = 'y';

	signal(SIGHUP, SIG_IGN);
	if (read(fd, &c, 1) != 0 || write(fd, "x", 1) != -1 || errno != EIO)
		c = 'n';
	if (poll(&p, 1, 1000) != 1 || !(p.revents & POLLHUP))
		c = 'p';
	write(answer, &c, 1);
}

TEST(hang_up, "[P13] a terminal whose session has ended reads as ended, and refuses output")
{
	BULKHEAD_ONLY("a pseudo-terminal is not hung up by its session's end");
	int pipes[2];
	char c = 0;

	OK(pipe(pipes));
	IS(CHILD({
		   OK(setsid());
		   int fd = OK(open(free_terminal(), O_RDWR));

		   SPAWN(after_hang_up(fd, pipes[1]));
		   sleep_ms(200);
	   }),
	   EXITED(0));
	IS(read(pipes[0], &c, 1), 1);
	IS(c, 'y');
	IS(CHILD({ IS(fcntl(OK(open("/dev/ttyS1", O_RDWR | O_NOCTTY)), F_GETFL) & O_ACCMODE, O_RDWR); }),
	   EXITED(0));
}
