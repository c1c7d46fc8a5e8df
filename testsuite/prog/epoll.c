/* cflags: -pthread */
/* eventfd and epoll: what becomes ready is told, once or again, to one or to all, and never lost. */
#include "testsuite/prog/tap.h"

#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#ifndef EPOLLEXCLUSIVE
#define EPOLLEXCLUSIVE (1U << 28)
#endif

/* --- helpers --- */

static int add(int ep, int fd, u32 events)
{
	struct epoll_event ev = {.events = events, .data.u64 = 0xabcdef0000000000UL + fd};

	return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
}

static int change(int ep, int fd, u32 events)
{
	struct epoll_event ev = {.events = events, .data.u64 = 0xabcdef0000000000UL + fd};

	return epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev);
}

/* look: the events of the one descriptor that is ready now, 0: none is */
static u32 look(int ep)
{
	struct epoll_event ev[4];
	int n = OK(epoll_wait(ep, ev, 4, 0));

	CHECK(n <= 1);
	return n ? ev[0].events : 0;
}

static void give(int fd, u64 n)
{
	NEED(write(fd, &n, 8) == 8);
}

static u64 take(int fd)
{
	u64 n;

	NEED(read(fd, &n, 8) == 8);
	return n;
}

static short ready(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	OK(poll(&p, 1, 0));
	return p.revents;
}

static int epoll_new(void)
{
	return OK(epoll_create1(EPOLL_CLOEXEC));
}

/* --- eventfd --- */

TEST(event_count, "[P9] an eventfd adds what is written and gives it all, or one by one as a semaphore")
{
	int fd = OK(eventfd(5, EFD_NONBLOCK | EFD_CLOEXEC));
	char small[8];

	IS(fcntl(fd, F_GETFD), FD_CLOEXEC);
	IS(fcntl(fd, F_GETFL), O_RDWR | O_NONBLOCK);
	give(fd, 3);
	IS(take(fd), 8);
	FAILS(read(fd, small, 8), EAGAIN);
	FAILS(read(fd, small, 4), EINVAL);
	FAILS(write(fd, small, 4), EINVAL);
	FAILS(write(fd, opaque(8), 8), EFAULT);
	close(fd);
	fd = OK(eventfd(0, EFD_NONBLOCK | EFD_SEMAPHORE));
	IS(fcntl(fd, F_GETFD), 0);
	give(fd, 2);
	IS(take(fd), 1);
	IS(take(fd), 1);
	FAILS(read(fd, small, 8), EAGAIN);
	FAILS(eventfd(0, 1 << 20), EINVAL);
	FAILS(pread(fd, small, 8, 0), ESPIPE);
}

TEST(event_overflow, "[P9] an eventfd never overflows: a write waits for room, and of ~0 is refused")
{
	int fd = OK(eventfd(0, EFD_NONBLOCK));
	u64 all = ~0UL, one = 1;
	pid_t child;

	FAILS(write(fd, &all, 8), EINVAL);
	IS(ready(fd, POLLIN | POLLOUT), POLLOUT);
	give(fd, ~0UL - 1);
	IS(ready(fd, POLLIN | POLLOUT), POLLIN);
	FAILS(write(fd, &one, 8), EAGAIN);
	OK(fcntl(fd, F_SETFL, 0));
	child = SPAWN(give(fd, 2));
	wait_asleep(child);
	IS(take(fd), ~0UL - 1);
	IS(wait_status(child), EXITED(0));
	IS(take(fd), 2);
	child = SPAWN(IS(take(fd), 7));
	wait_asleep(child);
	give(fd, 7);
	IS(wait_status(child), EXITED(0));
}

/* --- levels, edges, once --- */

TEST(level, "[P9] level: told again and again while it is so")
{
	int ep = epoll_new(), fd = OK(eventfd(0, EFD_NONBLOCK));

	OK(add(ep, fd, EPOLLIN));
	IS(look(ep), 0);
	give(fd, 1);
	IS(look(ep), EPOLLIN);
	IS(look(ep), EPOLLIN);
	take(fd);
	IS(look(ep), 0);
	OK(change(ep, fd, EPOLLIN | EPOLLOUT));
	IS(look(ep), EPOLLOUT);
	give(fd, 1);
	IS(look(ep), EPOLLIN | EPOLLOUT);
	OK(change(ep, fd, 0));
	IS(look(ep), 0);
	OK(change(ep, fd, EPOLLIN));
	IS(look(ep), EPOLLIN);
	OK(epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL));
	IS(look(ep), 0);
}

TEST(edge, "[P9] edge: told once for each change, also when data was left")
{
	int ep = epoll_new(), fd = OK(eventfd(0, EFD_NONBLOCK | EFD_SEMAPHORE)), fds[2];
	char c;

	OK(add(ep, fd, EPOLLIN | EPOLLET));
	give(fd, 1);
	IS(look(ep), EPOLLIN);
	IS(look(ep), 0);
	give(fd, 1);
	IS(look(ep), EPOLLIN);
	IS(look(ep), 0);
	take(fd); /* one is left, and what changed was not asked for */
	IS(look(ep), 0);
	OK(change(ep, fd, EPOLLIN | EPOLLET));
	IS(look(ep), EPOLLIN);
	IS(look(ep), 0);
	OK(epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL));
	OK(pipe(fds));
	OK(add(ep, fds[0], EPOLLIN | EPOLLET));
	NEED(write(fds[1], "ab", 2) == 2);
	IS(look(ep), EPOLLIN);
	NEED(read(fds[0], &c, 1) == 1);
	IS(look(ep), 0);
	NEED(write(fds[1], "c", 1) == 1);
	IS(look(ep), EPOLLIN);
	close(fds[1]);
	IS(look(ep), EPOLLIN | EPOLLHUP);
	IS(look(ep), 0);
}

TEST(one_shot, "[P9] one-shot: told once, then silent until it is changed")
{
	int ep = epoll_new(), fd = OK(eventfd(0, EFD_NONBLOCK));

	OK(add(ep, fd, EPOLLIN | EPOLLONESHOT));
	give(fd, 1);
	IS(look(ep), EPOLLIN);
	IS(look(ep), 0);
	give(fd, 1);
	IS(look(ep), 0);
	OK(change(ep, fd, EPOLLIN | EPOLLONESHOT));
	IS(look(ep), EPOLLIN);
	IS(look(ep), 0);
	FAILS(add(ep, fd, EPOLLIN), EEXIST);
}

TEST(always_told, "[P9] EPOLLHUP and EPOLLERR are told whether asked for or not")
{
	int ep = epoll_new(), in[2], out[2];

	OK(pipe(in));
	OK(pipe(out));
	OK(add(ep, in[0], 0));
	close(in[1]);
	IS(look(ep), EPOLLHUP);
	OK(epoll_ctl(ep, EPOLL_CTL_DEL, in[0], NULL));
	OK(add(ep, out[1], 0));
	IS(look(ep), 0);
	close(out[0]);
	IS(look(ep), EPOLLERR);
}

/* --- what is refused --- */

TEST(refused, "[P9] epoll_ctl and epoll_wait refuse what Linux refuses")
{
	int ep = epoll_new(), fd = OK(eventfd(0, 0)), path;
	struct epoll_event ev[2];

	enter_scratch();
	FAILS(syscall(SYS_epoll_create, 0), EINVAL);
	FAILS(epoll_create1(1), EINVAL);
	FAILS(change(ep, fd, EPOLLIN), ENOENT);
	FAILS(epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL), ENOENT);
	FAILS(epoll_ctl(ep, 9, fd, ev), EINVAL);
	FAILS(epoll_ctl(ep, EPOLL_CTL_ADD, fd, NULL), EFAULT);
	FAILS(add(ep, 99, EPOLLIN), EBADF);
	FAILS(add(99, fd, EPOLLIN), EBADF);
	FAILS(add(fd, ep, EPOLLIN), EINVAL);
	FAILS(add(ep, ep, EPOLLIN), EINVAL);
	FAILS(add(ep, make_file("file", "x", 1, 0600), EPOLLIN), EPERM);
	FAILS(add(ep, OK(open(".", O_RDONLY)), EPOLLIN), EPERM);
	path = OK(open("file", O_PATH));
	FAILS(add(ep, path, EPOLLIN), EBADF);
	OK(add(ep, fd, EPOLLIN));
	FAILS(add(ep, fd, EPOLLIN), EEXIST);
	FAILS(epoll_wait(ep, ev, 0, 0), EINVAL);
	FAILS(epoll_wait(ep, ev, -1, 0), EINVAL);
	FAILS(syscall(SYS_epoll_wait, ep, ev, 0x7fffffff / 12 + 1, 0), EINVAL);
	FAILS(epoll_wait(fd, ev, 1, 0), EINVAL);
	FAILS(epoll_wait(99, ev, 1, 0), EBADF);
	FAILS(syscall(SYS_epoll_wait, ep, 1UL << 63, 1, 0), EFAULT);
	FAILS(read(ep, ev, 1), EINVAL);
	FAILS(write(ep, ev, 1), EINVAL);
	FAILS(syscall(SYS_epoll_pwait, ep, ev, 1, 0, ev, 4), EINVAL);
	IS(syscall(SYS_epoll_pwait, ep, ev, 1, 0, NULL, 4), 0);
}

TEST(bad_buffer, "[P9] [V7] an event that cannot be written is EFAULT, and is not lost")
{
	int ep = epoll_new(), fd[3];
	u8 *p = pages(2, PROT_READ | PROT_WRITE);
	struct epoll_event *two;

	for (u32 i = 0; i < 3; i++) {
		fd[i] = OK(eventfd(1, 0));
		OK(add(ep, fd[i], EPOLLIN | EPOLLET));
	}
	OK(munmap(p + PAGE, PAGE));
	two = (struct epoll_event *)(p + PAGE - 24);
	FAILS(epoll_wait(ep, opaque(PAGE * 16 + 8), 3, 0), EFAULT);
	IS(epoll_wait(ep, two, 3, 0), 2);
	IS(two[0].data.fd, fd[0]);
	IS(two[1].data.fd, fd[1]);
	IS(look(ep), EPOLLIN);
	IS(look(ep), 0);
}

/* --- many --- */

TEST(layout, "[P9] an event is twelve bytes, and its data come back as they were given")
{
	int ep = epoll_new(), fd[5];
	struct epoll_event ev[8];

	IS(sizeof(struct epoll_event), 12);
	for (u32 i = 0; i < 5; i++) {
		fd[i] = OK(eventfd(1, 0));
		OK(add(ep, fd[i], EPOLLIN));
	}
	memset(ev, 0x55, sizeof(ev));
	IS(epoll_wait(ep, ev, 8, 0), 5);
	for (u32 i = 0; i < 5; i++) {
		IS(ev[i].events, EPOLLIN);
		IS(ev[i].data.u64, 0xabcdef0000000000UL + fd[i]);
	}
	IS(ev[5].events, 0x55555555);
}

TEST(turns, "[P9] when more are ready than asked for, each has its turn")
{
	int ep = epoll_new(), fd[5];
	u32 seen[64] = {0};
	struct epoll_event ev[2];

	for (u32 i = 0; i < 5; i++) {
		fd[i] = OK(eventfd(1, 0));
		OK(add(ep, fd[i], EPOLLIN));
	}
	for (u32 round = 0; round < 5; round++) {
		IS(epoll_wait(ep, ev, 2, 0), 2);
		seen[ev[0].data.fd]++;
		seen[ev[1].data.fd]++;
	}
	for (u32 i = 0; i < 5; i++)
		IS(seen[fd[i]], 2);
}

static u64 wait_cost(u32 watched)
{
	int ep = epoll_new(), fd[1000];
	struct epoll_event ev[16];
	u64 best = ~0UL, start;

	for (u32 i = 0; i < watched; i++) {
		fd[i] = OK(eventfd(0, 0));
		OK(add(ep, fd[i], EPOLLIN));
	}
	give(fd[watched / 2], 1);
	for (u32 round = 0; round < 20; round++) {
		start = now_ns();
		for (u32 i = 0; i < 100; i++)
			NEED(epoll_wait(ep, ev, 16, 0) == 1);
		best = best < now_ns() - start ? best : now_ns() - start;
	}
	for (u32 i = 0; i < watched; i++)
		close(fd[i]);
	close(ep);
	return best;
}

TEST(cost, "[P9] the cost of a wait follows the ready descriptors, not the watched ones")
{
	u64 few, many;
	struct rlimit most = {1100, 1100};

	OK(setrlimit(RLIMIT_NOFILE, &most));
	few = wait_cost(2);
	many = wait_cost(1000);
	say("# a hundred waits: 2 watched %lu us, 1000 watched %lu us\n", few / 1000, many / 1000);
	CHECK(many < 4 * few);
}

/* --- closing --- */

TEST(closed, "[P9] a descriptor closed while watched: the file's last close removes it")
{
	int ep = epoll_new(), fds[2], copy, again;

	OK(pipe(fds));
	OK(add(ep, fds[0], EPOLLIN));
	copy = OK(dup(fds[0]));
	close(fds[0]);
	NEED(write(fds[1], "x", 1) == 1);
	IS(look(ep), EPOLLIN); /* the file lives on under another number */
	FAILS(epoll_ctl(ep, EPOLL_CTL_DEL, fds[0], NULL), EBADF);
	close(copy);
	IS(look(ep), 0);
	again = OK(eventfd(1, 0));
	IS(again, fds[0]);
	OK(add(ep, again, EPOLLIN));
	IS(look(ep), EPOLLIN);
	copy = OK(dup(again));
	OK(add(ep, copy, EPOLLIN)); /* the same file under two numbers */
	close(again);
	close(copy);
	IS(look(ep), 0);
}

TEST(closed_epoll, "[P9] an epoll closed with what it watches left behind")
{
	signal(SIGPIPE, SIG_IGN);
	for (u32 i = 0; i < 50; i++) {
		int ep = epoll_new(), inner = epoll_new(), fds[2];

		OK(pipe(fds));
		OK(add(ep, fds[0], EPOLLIN));
		OK(add(inner, fds[0], EPOLLIN));
		OK(add(inner, fds[1], EPOLLOUT));
		OK(add(ep, inner, EPOLLIN));
		if (i % 2)
			close(inner);
		close(i % 3 ? ep : fds[0]);
		NEED(write(fds[1], "x", 1) == 1 || errno == EPIPE);
		close(i % 3 ? fds[0] : ep);
		close(fds[1]);
		if (!(i % 2))
			close(inner);
	}
}

TEST(forked, "[P9] an epoll after fork is one and the same")
{
	int ep = epoll_new(), fd = OK(eventfd(0, 0));

	OK(add(ep, fd, EPOLLIN));
	IS(CHILD({
		   int other = OK(eventfd(1, 0));

		   OK(add(ep, other, EPOLLIN));
		   IS(look(ep), EPOLLIN);
		   OK(epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL));
	   }),
	   EXITED(0));
	give(fd, 1);
	IS(look(ep), 0); /* taken away; the child's own went with the child */
}

/* --- one in another --- */

TEST(nested, "[P9] an epoll in another is readable while something in it is ready")
{
	int outer = epoll_new(), inner = epoll_new(), fd = OK(eventfd(0, EFD_NONBLOCK));
	struct epoll_event ev;
	pid_t child;

	OK(add(inner, fd, EPOLLIN));
	OK(add(outer, inner, EPOLLIN));
	IS(look(outer), 0);
	IS(ready(inner, POLLIN | POLLOUT), 0);
	give(fd, 1);
	IS(look(outer), EPOLLIN);
	IS(ready(inner, POLLIN | POLLOUT), POLLIN);
	IS(ready(outer, POLLIN | POLLOUT), POLLIN);
	take(fd);
	IS(ready(outer, POLLIN | POLLOUT), 0);
	IS(look(outer), 0);
	child = SPAWN({
		IS(epoll_wait(outer, &ev, 1, -1), 1);
		IS(ev.data.fd, inner);
		IS(look(inner), EPOLLIN);
	});
	wait_asleep(child);
	give(fd, 1);
	IS(wait_status(child), EXITED(0));
}

TEST(nested_edge, "[P9] edge in the outer epoll: told once for each change in the inner one")
{
	int outer = epoll_new(), inner = epoll_new(), fd = OK(eventfd(0, EFD_NONBLOCK));

	OK(add(inner, fd, EPOLLIN));
	OK(add(outer, inner, EPOLLIN | EPOLLET));
	give(fd, 1);
	IS(look(outer), EPOLLIN);
	IS(look(outer), 0);
	IS(look(inner), EPOLLIN);
	IS(look(outer), 0);
	give(fd, 1);
	IS(look(outer), EPOLLIN);
	IS(look(outer), 0);
}

TEST(circles, "[P9] epolls watch each other neither in a circle nor in a long chain: ELOOP")
{
	int a = epoll_new(), b = epoll_new(), c = epoll_new(), chain[6], fd = OK(eventfd(0, 0));

	OK(add(a, b, EPOLLIN));
	OK(add(b, c, EPOLLIN));
	FAILS(add(c, a, EPOLLIN), ELOOP);
	FAILS(add(b, a, EPOLLIN), ELOOP);
	OK(add(a, c, EPOLLIN));
	chain[0] = epoll_new();
	OK(add(chain[0], fd, EPOLLIN));
	for (u32 i = 1; i < 5; i++) {
		chain[i] = epoll_new();
		OK(add(chain[i], chain[i - 1], EPOLLIN));
	}
	chain[5] = epoll_new();
	FAILS(add(chain[5], chain[4], EPOLLIN), ELOOP);
	give(fd, 1);
	IS(look(chain[4]), EPOLLIN);
}

/* --- waiting --- */

static void on_signal(int sig)
{
	(void)sig;
}

TEST(limits, "[P9] epoll_wait waits its time, and ends with EINTR at a signal, restarted or not")
{
	int ep = epoll_new();
	struct timespec ts = {0, 30000000};
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	struct epoll_event ev;
	sigset_t none, block;
	u64 start = now_ns();
	pid_t child;

	IS(epoll_wait(ep, &ev, 1, 30), 0);
	CHECK(now_ns() - start >= 30000000);
	start = now_ns();
	IS(syscall(SYS_epoll_pwait2, ep, &ev, 1, &ts, NULL, 8), 0);
	CHECK(now_ns() - start >= 30000000);
	ts.tv_nsec = 1000000000;
	FAILS(syscall(SYS_epoll_pwait2, ep, &ev, 1, &ts, NULL, 8), EINVAL);
	FAILS(syscall(SYS_epoll_pwait2, ep, &ev, 1, opaque(8), NULL, 8), EFAULT);
	OK(sigaction(SIGUSR1, &sa, NULL));
	child = SPAWN(FAILS(epoll_wait(ep, &ev, 1, -1), EINTR));
	wait_asleep(child);
	kill(child, SIGUSR1);
	IS(wait_status(child), EXITED(0));
	sigemptyset(&none);
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	child = SPAWN({
		OK(sigprocmask(SIG_BLOCK, &block, NULL));
		raise(SIGUSR1);
		FAILS(epoll_pwait(ep, &ev, 1, -1, &none), EINTR);
		OK(sigprocmask(SIG_BLOCK, NULL, &none));
		CHECK(sigismember(&none, SIGUSR1));
	});
	IS(wait_status(child), EXITED(0));
}

struct waiting {
	int ep;
	u32 woken; /* atomic */
	u32 asleep;
};

static void *wait_once(void *arg)
{
	struct waiting *w = arg;
	struct epoll_event ev;

	__atomic_add_fetch(&w->asleep, 1, __ATOMIC_SEQ_CST);
	if (epoll_wait(w->ep, &ev, 1, 1000) == 1)
		__atomic_add_fetch(&w->woken, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

TEST(one_of_many, "[P9] one edge wakes one of the threads that wait for the same epoll")
{
	int fd = OK(eventfd(0, 0));
	struct waiting w = {.ep = epoll_new()};
	pthread_t t[4];

	OK(add(w.ep, fd, EPOLLIN | EPOLLET));
	for (u32 i = 0; i < 4; i++)
		NEED(pthread_create(&t[i], NULL, wait_once, &w) == 0);
	UNTIL(__atomic_load_n(&w.asleep, __ATOMIC_SEQ_CST) == 4);
	sleep_ms(100);
	give(fd, 1);
	for (u32 i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	IS(w.woken, 1);
}

TEST(exclusive, "[P9] EPOLLEXCLUSIVE: a change wakes one epoll at least, not all; refused where Linux does")
{
	int fd = OK(eventfd(0, 0)), inner = epoll_new();
	struct waiting w[4] = {{0}};
	pthread_t t[4];
	u32 woken = 0;

	for (u32 i = 0; i < 4; i++) {
		w[i].ep = epoll_new();
		OK(add(w[i].ep, fd, EPOLLIN | EPOLLEXCLUSIVE));
		NEED(pthread_create(&t[i], NULL, wait_once, &w[i]) == 0);
		UNTIL(__atomic_load_n(&w[i].asleep, __ATOMIC_SEQ_CST) == 1);
	}
	sleep_ms(100);
	give(fd, 1);
	sleep_ms(100);
	take(fd);
	for (u32 i = 0; i < 4; i++) {
		pthread_join(t[i], NULL);
		woken += w[i].woken;
	}
	IS(woken, 1);
	FAILS(change(w[0].ep, fd, EPOLLIN), EINVAL);
	FAILS(add(w[0].ep, inner, EPOLLIN | EPOLLEXCLUSIVE), EINVAL);
	FAILS(add(inner, fd, EPOLLIN | EPOLLONESHOT | EPOLLEXCLUSIVE), EINVAL);
}

/* --- nothing is lost --- */

enum {
	STORM_FDS = 8,
	STORM_CONSUMERS = 4,
	STORM_PRODUCERS = 4,
	STORM_EACH = 5000
};

struct storm {
	int ep, fd[STORM_FDS], end;
	u32 mode;
	u64 taken; /* atomic */
};

static void *produce(void *arg)
{
	struct storm *s = arg;

	for (u32 i = 0; i < STORM_EACH; i++)
		give(s->fd[i % STORM_FDS], 1);
	return NULL;
}

static void storm_drain(struct storm *s, int fd)
{
	u64 n;

	while (read(fd, &n, 8) == 8)
		__atomic_add_fetch(&s->taken, n, __ATOMIC_SEQ_CST);
}

static void *consume(void *arg)
{
	struct storm *s = arg;
	struct epoll_event ev[3];

	for (;;) {
		int n = epoll_wait(s->ep, ev, 3, 20000);

		NEED(n > 0); /* nobody waits for long: a wake was lost */
		for (int i = 0; i < n; i++) {
			if (ev[i].data.fd == s->end)
				return NULL;
			storm_drain(s, ev[i].data.fd);
			if (s->mode & EPOLLONESHOT)
				OK(change(s->ep, ev[i].data.fd, EPOLLIN | s->mode));
		}
	}
}

static void storm(u32 mode, bool nested)
{
	struct storm s = {.ep = epoll_new(), .mode = mode, .end = OK(eventfd(0, 0))};
	pthread_t t[STORM_CONSUMERS + STORM_PRODUCERS];
	int inner = s.ep;

	for (u32 i = 0; i < STORM_FDS; i++) {
		s.fd[i] = OK(eventfd(0, EFD_NONBLOCK));
		OK(add(s.ep, s.fd[i], EPOLLIN | mode));
	}
	OK(add(s.ep, s.end, EPOLLIN));
	if (nested)
		OK(add(epoll_new(), inner, EPOLLIN | EPOLLET));
	for (u32 i = 0; i < STORM_CONSUMERS; i++)
		NEED(pthread_create(&t[i], NULL, consume, &s) == 0);
	for (u32 i = 0; i < STORM_PRODUCERS; i++)
		NEED(pthread_create(&t[STORM_CONSUMERS + i], NULL, produce, &s) == 0);
	for (u32 i = 0; i < STORM_PRODUCERS; i++)
		pthread_join(t[STORM_CONSUMERS + i], NULL);
	UNTIL(__atomic_load_n(&s.taken, __ATOMIC_SEQ_CST) == STORM_EACH * STORM_PRODUCERS);
	give(s.end, 1);
	for (u32 i = 0; i < STORM_CONSUMERS; i++)
		pthread_join(t[i], NULL);
	IS(s.taken, STORM_EACH * STORM_PRODUCERS);
}

TEST(storm_level, "[P9] four producers, four consumers, eight descriptors: nothing is lost (level)")
{
	storm(0, false);
}

TEST(storm_edge, "[P9] the same by edges")
{
	storm(EPOLLET, false);
}

TEST(storm_one_shot, "[P9] the same by single shots, with another epoll around it")
{
	storm(EPOLLONESHOT, true);
}

static int race_ep, race_stop;

static void *race_watch(void *arg)
{
	int *fd = arg;

	while (!__atomic_load_n(&race_stop, __ATOMIC_SEQ_CST)) {
		add(race_ep, *fd, EPOLLIN);
		change(race_ep, *fd, EPOLLIN | EPOLLET);
		epoll_ctl(race_ep, EPOLL_CTL_DEL, *fd, NULL);
	}
	return NULL;
}

static void *race_close(void *arg)
{
	int *fd = arg;

	while (!__atomic_load_n(&race_stop, __ATOMIC_SEQ_CST)) {
		int new = eventfd(1, EFD_NONBLOCK);

		dup2(new, *fd);
		close(new);
	}
	return NULL;
}

TEST(race, "[P9] descriptors watched, changed, taken away and closed by several threads at once")
{
	int fd = OK(eventfd(1, EFD_NONBLOCK));
	pthread_t t[4];
	struct epoll_event ev[4];
	u64 end = now_ns() + 1000000000;

	race_ep = epoll_new();
	for (u32 i = 0; i < 4; i++)
		NEED(pthread_create(&t[i], NULL, i < 2 ? race_watch : race_close, &fd) == 0);
	while (now_ns() < end)
		CHECK(epoll_wait(race_ep, ev, 4, 1) >= 0);
	__atomic_store_n(&race_stop, 1, __ATOMIC_SEQ_CST);
	for (u32 i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
}

/* --- what /proc tells --- */

static void file_text(const char *name, char *text, size_t size)
{
	int fd = OK(open(name, O_RDONLY));
	ssize_t n = OK(read(fd, text, size - 1));

	text[n] = 0;
	close(fd);
}

TEST(told, "[P9] /proc tells what an eventfd and an epoll are, and what is in them")
{
	int ep = epoll_new(), fd = OK(eventfd(0x2a, 0));
	char name[64], text[1024], want[64];

	OK(add(ep, fd, EPOLLIN | EPOLLET));
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	text[OK(readlink(name, text, sizeof(text) - 1))] = 0;
	IS_STR(text, "anon_inode:[eventfd]");
	snprintf(name, sizeof(name), "/proc/self/fd/%d", ep);
	text[OK(readlink(name, text, sizeof(text) - 1))] = 0;
	IS_STR(text, "anon_inode:[eventpoll]");
	FAILS(open(name, O_RDONLY), ENXIO);
	snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", fd);
	file_text(name, text, sizeof(text));
	CHECK(strstr(text, "eventfd-count:               2a\n"));
	snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", ep);
	file_text(name, text, sizeof(text));
	snprintf(want, sizeof(want), "tfd: %8d events: 80000019 data: abcdef%010x ", fd, fd);
	CHECK(strstr(text, want));
}
