/* timerfd: expirations are counted and can be waited for. */
#include "testsuite/prog/tap.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#define MS 1000000UL

static struct itimerspec spec(u64 value_ns, u64 interval_ns)
{
	return (struct itimerspec){{interval_ns / 1000000000, interval_ns % 1000000000},
	                           {value_ns / 1000000000, value_ns % 1000000000}};
}

static void set(int fd, int flags, u64 value_ns, u64 interval_ns)
{
	struct itimerspec its = spec(value_ns, interval_ns);

	OK(timerfd_settime(fd, flags, &its, NULL));
}

static u64 take(int fd)
{
	u64 n;

	NEED(read(fd, &n, 8) == 8);
	return n;
}

static u64 clock_ns(int clock)
{
	struct timespec ts;

	OK(clock_gettime(clock, &ts));
	return ts.tv_sec * 1000000000UL + ts.tv_nsec;
}

static short ready(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};

	OK(poll(&p, 1, ms));
	return p.revents;
}

TEST(once, "[P9] a timer fires once, after its time, and a read waits for it")
{
	int fd = OK(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
	struct itimerspec its;
	u64 start = now_ns();

	IS(fcntl(fd, F_GETFD), FD_CLOEXEC);
	IS(fcntl(fd, F_GETFL), O_RDWR);
	set(fd, 0, 30 * MS, 0);
	IS(ready(fd, 0), 0);
	IS(take(fd), 1);
	CHECK(now_ns() - start >= 30 * MS);
	OK(timerfd_gettime(fd, &its));
	IS(its.it_value.tv_sec + its.it_value.tv_nsec + its.it_interval.tv_nsec, 0);
	OK(fcntl(fd, F_SETFL, O_NONBLOCK));
	FAILS(read(fd, &start, 8), EAGAIN);
	IS(ready(fd, 0), 0);
}

TEST(interval, "[P9] an interval counts what expired between two reads, however short it is")
{
	int fd = OK(timerfd_create(CLOCK_MONOTONIC, 0));
	u64 start = now_ns(), n = 0, last = 0;

	set(fd, 0, 10 * MS, 10 * MS);
	sleep_ms(55);
	n = take(fd);
	CHECK(n >= 5);
	CHECK(n <= (now_ns() - start) / (10 * MS));
	set(fd, 0, 1, 1);
	start = now_ns();
	for (u32 i = 0; i < 100; i++)
		last = take(fd);
	CHECK(last > 0);
	CHECK(now_ns() - start < 10000 * MS);
}

TEST(absolute, "[P9] absolute times on each clock; one that is past fires at once")
{
	static const int clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME};

	for (u32 i = 0; i < ARRAY_SIZE(clocks); i++) {
		int fd = OK(timerfd_create(clocks[i], TFD_NONBLOCK));
		u64 at = clock_ns(clocks[i]) + 30 * MS;

		set(fd, TFD_TIMER_ABSTIME, at, 0);
		IS(ready(fd, -1), POLLIN);
		CHECK(clock_ns(clocks[i]) >= at);
		IS(take(fd), 1);
		set(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, 1, 0);
		IS(ready(fd, 5000), POLLIN);
		IS(take(fd), 1);
		close(fd);
	}
}

TEST(left, "[P9] settime and gettime tell what is left and the interval; zero disarms")
{
	int fd = OK(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
	struct itimerspec its, zero = spec(0, 0);
	u64 n;

	set(fd, 0, 5000 * MS, 7 * MS);
	OK(timerfd_gettime(fd, &its));
	IS(its.it_interval.tv_nsec, 7 * MS);
	CHECK(its.it_value.tv_sec == 4 && its.it_value.tv_nsec > 0);
	OK(timerfd_settime(fd, 0, &zero, &its));
	CHECK(its.it_value.tv_sec == 4);
	OK(timerfd_gettime(fd, &its));
	IS(its.it_value.tv_sec + its.it_value.tv_nsec, 0);
	set(fd, 0, 1, 0);
	IS(ready(fd, 5000), POLLIN);
	OK(timerfd_settime(fd, 0, &zero, NULL)); /* what had expired is forgotten */
	IS(ready(fd, 0), 0);
	FAILS(read(fd, &n, 8), EAGAIN);
	set(fd, 0, 20 * MS, 20 * MS);
	IS(ready(fd, 5000), POLLIN);
	OK(timerfd_gettime(fd, &its)); /* runs on */
	CHECK(its.it_value.tv_nsec > 0 && its.it_value.tv_nsec <= (long)(20 * MS));
	CHECK(take(fd) >= 1);
}

TEST(refused, "[P9] [V7] what timerfd calls refuse")
{
	int fd = OK(timerfd_create(CLOCK_MONOTONIC, 0)), fds[2];
	struct itimerspec its = spec(MS, 0);
	u64 n;

	FAILS(timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0), EINVAL);
	FAILS(timerfd_create(77, 0), EINVAL);
	FAILS(timerfd_create(CLOCK_MONOTONIC, 1), EINVAL);
	FAILS(timerfd_settime(fd, 4, &its, NULL), EINVAL);
	FAILS(timerfd_settime(99, 0, &its, NULL), EBADF);
	OK(pipe(fds));
	FAILS(timerfd_settime(fds[0], 0, &its, NULL), EINVAL);
	FAILS(timerfd_gettime(fds[0], &its), EINVAL);
	its.it_value.tv_nsec = 1000000000;
	FAILS(timerfd_settime(fd, 0, &its, NULL), EINVAL);
	its.it_value.tv_nsec = -1;
	FAILS(timerfd_settime(fd, 0, &its, NULL), EINVAL);
	FAILS(syscall(SYS_timerfd_settime, fd, 0, 8UL, NULL), EFAULT);
	FAILS(syscall(SYS_timerfd_gettime, fd, 8UL), EFAULT);
	FAILS(read(fd, &n, 4), EINVAL);
	FAILS(write(fd, &n, 8), EINVAL);
}

static void on_signal(int sig)
{
	(void)sig;
}

TEST(interrupted, "[P9] a read that waits ends at a signal, or is made again with SA_RESTART")
{
	struct sigaction sa = {.sa_handler = on_signal};
	int fd = OK(timerfd_create(CLOCK_MONOTONIC, 0));
	pid_t child;
	u64 n;

	OK(sigaction(SIGUSR1, &sa, NULL));
	child = SPAWN(FAILS(read(fd, &n, 8), EINTR));
	wait_asleep(child);
	kill(child, SIGUSR1);
	IS(wait_status(child), EXITED(0));
	sa.sa_flags = SA_RESTART;
	OK(sigaction(SIGUSR1, &sa, NULL));
	child = SPAWN(IS(take(fd), 1));
	wait_asleep(child);
	kill(child, SIGUSR1);
	wait_asleep(child);
	set(fd, 0, 1, 0);
	IS(wait_status(child), EXITED(0));
}

TEST(watched, "[P9] a timer in an epoll, by level and by edge")
{
	int ep = OK(epoll_create1(0)), fd = OK(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
	struct epoll_event ev = {.events = EPOLLIN};

	OK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	set(fd, 0, 10 * MS, 10 * MS);
	for (u32 i = 0; i < 5; i++) {
		IS(epoll_wait(ep, &ev, 1, 5000), 1);
		IS(ev.events, EPOLLIN);
		CHECK(take(fd) >= 1);
	}
	ev.events = EPOLLIN | EPOLLET;
	OK(epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev));
	for (u32 i = 0; i < 5; i++) {
		IS(epoll_wait(ep, &ev, 1, 5000), 1);
		IS(epoll_wait(ep, &ev, 1, 0), 0);
		CHECK(take(fd) >= 1);
	}
}

TEST(many, "[P9] a thousand timers at once, each in its time")
{
	struct rlimit most = {1100, 1100};
	struct epoll_event ev[64];
	int ep = OK(epoll_create1(0)), fd[1000], n;
	u64 start = now_ns(), due[1100], done = 0;

	OK(setrlimit(RLIMIT_NOFILE, &most));
	for (u32 i = 0; i < 1000; i++) {
		fd[i] = OK(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
		ev[0] = (struct epoll_event){.events = EPOLLIN, .data.fd = fd[i]};
		OK(epoll_ctl(ep, EPOLL_CTL_ADD, fd[i], ev));
		due[fd[i]] = start + (i * 7919 % 1000) * MS / 2;
		set(fd[i], TFD_TIMER_ABSTIME, due[fd[i]], 0);
	}
	while (done < 1000) {
		NEED((n = epoll_wait(ep, ev, 64, 20000)) > 0);
		for (int i = 0; i < n; i++) {
			CHECK(now_ns() >= due[ev[i].data.fd]);
			IS(take(ev[i].data.fd), 1);
		}
		done += n;
	}
	IS(epoll_wait(ep, ev, 64, 0), 0);
}

TEST(clock_set, "[P9] a timer of the real clock follows it when it is set, or is cancelled")
{
	int fd, cancel;
	struct timespec ts;
	u64 n;

	BULKHEAD_ONLY("no test sets the host's clock");
	fd = OK(timerfd_create(CLOCK_REALTIME, 0));
	cancel = OK(timerfd_create(CLOCK_REALTIME, 0));
	OK(clock_gettime(CLOCK_REALTIME, &ts));
	ts.tv_sec += 1000;
	set(fd, TFD_TIMER_ABSTIME, ts.tv_sec * 1000000000UL, 0);
	set(cancel, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, (ts.tv_sec + 5000) * 1000000000UL, 0);
	IS(ready(fd, 0), 0);
	ts.tv_sec += 10;
	OK(clock_settime(CLOCK_REALTIME, &ts));
	IS(ready(fd, 5000), POLLIN);
	IS(take(fd), 1);
	IS(ready(cancel, 0), POLLIN);
	FAILS(read(cancel, &n, 8), ECANCELED);
	IS(ready(cancel, 0), 0);
	ts.tv_sec -= 1010;
	OK(clock_settime(CLOCK_REALTIME, &ts));
}

TEST(told, "[P9] /proc tells what a timer is")
{
	int fd = OK(timerfd_create(CLOCK_MONOTONIC, 0)), info;
	char name[64], text[1024];

	set(fd, 0, 100000 * MS, 3500 * MS);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	text[OK(readlink(name, text, sizeof(text) - 1))] = 0;
	IS_STR(text, "anon_inode:[timerfd]");
	snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", fd);
	info = OK(open(name, O_RDONLY));
	text[OK(read(info, text, sizeof(text) - 1))] = 0;
	CHECK(strstr(text, "clockid: 1\nticks: 0\nsettime flags: 00\nit_value: (99, "));
	CHECK(strstr(text, "it_interval: (3, 500000000)\n"));
}
