/* cflags: -pthread */
/* POSIX message queues. */
#include "testsuite/prog/tap.h"

#include <mqueue.h>
#include <poll.h>
#include <pthread.h>

static char name[32];

static mqd_t made(int flags, long most, long size)
{
	struct mq_attr attr = {.mq_maxmsg = most, .mq_msgsize = size};

	snprintf(name, sizeof(name), "/tap-%d", getpid());
	mq_unlink(name);
	return OK(mq_open(name, O_RDWR | O_CREAT | O_EXCL | flags, 0600, &attr));
}

static void gone(mqd_t q)
{
	OK(mq_close(q));
	OK(mq_unlink(name));
}

static struct timespec in_ms(u64 ms)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_nsec += ms * 1000000;
	ts.tv_sec += ts.tv_nsec / 1000000000;
	ts.tv_nsec %= 1000000000;
	return ts;
}

static void got(mqd_t q, const char *want, unsigned want_priority)
{
	char text[64] = {0};
	unsigned priority;

	IS(mq_receive(q, text, 64, &priority), strlen(want));
	IS_STR(text, want);
	IS(priority, want_priority);
}

TEST(order, "[P9] the highest priority comes first, among equals the oldest")
{
	mqd_t q = made(0, 10, 64);
	struct mq_attr attr;

	IS(fcntl(q, F_GETFD), FD_CLOEXEC);
	OK(mq_send(q, "low", 3, 1));
	OK(mq_send(q, "high", 4, 9));
	OK(mq_send(q, "high too", 8, 9));
	OK(mq_send(q, "", 0, 5));
	OK(mq_getattr(q, &attr));
	IS(attr.mq_curmsgs, 4);
	IS(attr.mq_maxmsg, 10);
	IS(attr.mq_msgsize, 64);
	got(q, "high", 9);
	got(q, "high too", 9);
	got(q, "", 5);
	got(q, "low", 1);
	gone(q);
}

TEST(limits, "[P9] full and empty queues: wait, or EAGAIN, or a point in time; poll tells")
{
	mqd_t q = made(0, 2, 64);
	struct pollfd p = {.fd = q, .events = POLLIN | POLLOUT};
	struct timespec soon;
	char text[64];
	pid_t child;

	IS(poll(&p, 1, 0), 1);
	IS(p.revents, POLLOUT);
	OK(mq_send(q, "a", 1, 0));
	OK(mq_send(q, "b", 1, 0));
	IS(poll(&p, 1, 0), 1);
	IS(p.revents, POLLIN);
	soon = in_ms(30);
	FAILS(mq_timedsend(q, "c", 1, 0, &soon), ETIMEDOUT);
	child = SPAWN(OK(mq_send(q, "c", 1, 0)));
	wait_asleep(child);
	got(q, "a", 0);
	IS(wait_status(child), EXITED(0));
	got(q, "b", 0);
	got(q, "c", 0);
	soon = in_ms(30);
	FAILS(mq_timedreceive(q, text, 64, NULL, &soon), ETIMEDOUT);
	child = SPAWN(got(q, "late", 3));
	wait_asleep(child);
	OK(mq_send(q, "late", 4, 3));
	IS(wait_status(child), EXITED(0));
	OK(mq_setattr(q, &(struct mq_attr){.mq_flags = O_NONBLOCK}, NULL));
	FAILS(mq_receive(q, text, 64, NULL), EAGAIN);
	gone(q);
}

TEST(names, "[P9] names, rights, and what is refused")
{
	mqd_t q = made(0, 10, 64), other;
	struct mq_attr bad = {.mq_maxmsg = 0, .mq_msgsize = 64};
	char text[64];
	int fds[2];

	FAILS(mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, NULL), EEXIST);
	other = OK(mq_open(name, O_RDONLY));
	FAILS(mq_send(other, "x", 1, 0), EBADF);
	OK(mq_close(other));
	other = OK(mq_open(name, O_WRONLY));
	FAILS(mq_receive(other, text, 64, NULL), EBADF);
	OK(mq_send(other, "x", 1, 0));
	OK(mq_unlink(name));
	FAILS(mq_open(name, O_RDWR), ENOENT);
	FAILS(mq_unlink(name), ENOENT);
	got(q, "x", 0); /* the queue lives on */
	FAILS(mq_send(q, "x", 1, 32768), EINVAL);
	FAILS(mq_send(q, text, 65, 0), EMSGSIZE);
	FAILS(mq_receive(q, text, 63, NULL), EMSGSIZE);
	FAILS(mq_send(q, opaque(8), 5, 0), EFAULT);
	FAILS(mq_open("/tap-bad", O_RDWR | O_CREAT, 0600, &bad), EINVAL);
	FAILS(syscall(SYS_mq_open, "a/b", O_RDWR | O_CREAT, 0600, NULL), EACCES);
	FAILS(syscall(SYS_mq_open, 8UL, O_RDWR, 0600, NULL), EFAULT);
	OK(pipe(fds));
	FAILS(mq_send(fds[1], "x", 1, 0), EBADF);
	if (getuid() == 0) {
		mqd_t mine = made(0, 2, 64);

		IS(CHILD({
			   OK(setresuid(1000, 1000, 1000));
			   FAILS(mq_open(name, O_RDWR), EACCES);
			   FAILS(mq_unlink(name), EACCES);
		   }),
		   EXITED(0));
		gone(mine);
	}
}

static volatile int told, told_value;

static void on_told(int sig, siginfo_t *si, void *context)
{
	(void)sig;
	(void)context;
	told = si->si_code;
	told_value = si->si_value.sival_int;
}

TEST(notified, "[P9] mq_notify: a signal when the empty queue gets a message, once, for one process")
{
	mqd_t q = made(0, 10, 64);
	struct sigaction sa = {.sa_sigaction = on_told, .sa_flags = SA_SIGINFO};
	struct sigevent ev = {
	        .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 42};

	OK(sigaction(SIGUSR1, &sa, NULL));
	OK(mq_notify(q, &ev));
	FAILS(mq_notify(q, &ev), EBUSY);
	IS(CHILD(FAILS(mq_notify(q, &ev), EBUSY)), EXITED(0)); /* and its close takes nothing from us */
	OK(mq_send(q, "x", 1, 0));
	IS(told, SI_MESGQ);
	IS(told_value, 42);
	told = 0;
	OK(mq_send(q, "y", 1, 0));
	IS(told, 0);
	OK(mq_notify(q, &ev));
	OK(mq_notify(q, NULL));
	IS(CHILD(OK(mq_notify(q, &ev)); OK(mq_close(q)); OK(mq_open(name, O_RDWR))), EXITED(0));
	OK(mq_notify(q, &ev)); /* the child's is over */
	ev.sigev_signo = 99;
	FAILS(mq_notify(q, &ev), EINVAL);
	gone(q);
}
