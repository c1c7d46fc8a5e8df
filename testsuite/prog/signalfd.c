/* cflags: -pthread */
/* signalfd and sigtimedwait: signals that are taken instead of handled. */
#include "testsuite/prog/tap.h"

#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

static sigset_t block(int a, int b)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, a);
	if (b)
		sigaddset(&set, b);
	OK(sigprocmask(SIG_BLOCK, &set, NULL));
	return set;
}

static int signals(int a, int b, int flags)
{
	sigset_t set = block(a, b);

	return OK(signalfd(-1, &set, flags));
}

static short ready(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};

	OK(poll(&p, 1, ms));
	return p.revents;
}

static struct signalfd_siginfo take(int fd)
{
	struct signalfd_siginfo si;

	NEED(read(fd, &si, sizeof(si)) == sizeof(si));
	return si;
}

TEST(sender, "[P9] a record tells the signal, its code and its sender; then it is pending no more")
{
	int fd = signals(SIGUSR1, SIGUSR2, SFD_NONBLOCK | SFD_CLOEXEC);
	struct signalfd_siginfo si;
	sigset_t pending;

	IS(sizeof(si), 128);
	IS(fcntl(fd, F_GETFD), FD_CLOEXEC);
	IS(ready(fd, 0), 0);
	FAILS(read(fd, &si, sizeof(si)), EAGAIN);
	OK(kill(getpid(), SIGUSR1));
	IS(ready(fd, 0), POLLIN);
	si = take(fd);
	IS(si.ssi_signo, SIGUSR1);
	IS(si.ssi_code, SI_USER);
	IS(si.ssi_pid, getpid());
	IS(si.ssi_uid, getuid());
	OK(sigpending(&pending));
	CHECK(!sigismember(&pending, SIGUSR1));
	OK(syscall(SYS_tgkill, getpid(), getpid(), SIGUSR2));
	si = take(fd);
	IS(si.ssi_signo, SIGUSR2);
	IS(si.ssi_code, SI_TKILL);
	IS(ready(fd, 0), 0);
}

TEST(values, "[P9] queued signals come in order with their values, several in one read")
{
	int fd = signals(SIGRTMIN, SIGRTMIN + 1, SFD_NONBLOCK);
	struct signalfd_siginfo si[8];

	for (int i = 0; i < 3; i++)
		OK(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = i}));
	OK(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_ptr = opaque(0x123456789abcUL)}));
	IS(read(fd, si, sizeof(si)), 4 * 128);
	IS(si[0].ssi_signo, SIGRTMIN);
	IS(si[0].ssi_ptr, 0x123456789abcUL);
	IS(si[0].ssi_code, SI_QUEUE);
	for (int i = 0; i < 3; i++) {
		IS(si[1 + i].ssi_signo, SIGRTMIN + 1);
		IS(si[1 + i].ssi_int, i);
	}
	OK(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 7}));
	OK(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 8}));
	IS(read(fd, si, 255), 128);
	IS(si[0].ssi_int, 7);
	FAILS(read(fd, si, 127), EINVAL);
	FAILS(syscall(SYS_rt_sigqueueinfo, getppid(), 0, &(siginfo_t){.si_code = SI_USER}), EPERM);
	FAILS(syscall(SYS_rt_sigqueueinfo, getpid(), 65, &(siginfo_t){.si_code = SI_QUEUE}), EINVAL);
	FAILS(syscall(SYS_rt_sigqueueinfo, getpid(), 1, 8UL), EFAULT);
	FAILS(syscall(SYS_rt_sigqueueinfo, 0x7fffffff, 0, &(siginfo_t){.si_code = SI_QUEUE}), ESRCH);
	IS(take(fd).ssi_int, 8);
}

TEST(children, "[P9] a child's end as a record, with its status")
{
	int fd = signals(SIGCHLD, 0, 0);
	struct signalfd_siginfo si;
	pid_t child = SPAWN(_exit(9));

	si = take(fd);
	IS(si.ssi_signo, SIGCHLD);
	IS(si.ssi_code, CLD_EXITED);
	IS(si.ssi_pid, child);
	IS(si.ssi_status, 9);
	IS(wait_status(child), EXITED(9));
}

TEST(waits, "[P9] read, poll and epoll wait for a signal; others in between do not matter")
{
	int fd = signals(SIGUSR1, 0, 0), ep = OK(epoll_create1(0));
	pid_t self = getpid(), child;
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET};

	signal(SIGUSR2, SIG_IGN);
	child = SPAWN({
		for (int i = 0; i < 3; i++) {
			wait_asleep(self);
			kill(self, SIGUSR2);
			sleep_ms(20);
			kill(self, SIGUSR1);
			sleep_ms(50);
		}
	});
	IS(take(fd).ssi_pid, child);
	IS(ready(fd, -1), POLLIN);
	IS(take(fd).ssi_pid, child);
	OK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	IS(epoll_wait(ep, &ev, 1, 20000), 1);
	IS(epoll_wait(ep, &ev, 1, 0), 0);
	IS(take(fd).ssi_pid, child);
	IS(wait_status(child), EXITED(0));
}

static void on_signal(int sig)
{
	(void)sig;
}

TEST(interrupted, "[P9] a read that waits ends with EINTR at a signal that is handled")
{
	int fd = signals(SIGUSR1, 0, 0);
	struct sigaction sa = {.sa_handler = on_signal};
	struct signalfd_siginfo si;
	pid_t child;

	OK(sigaction(SIGUSR2, &sa, NULL));
	child = SPAWN(FAILS(read(fd, &si, sizeof(si)), EINTR));
	wait_asleep(child);
	kill(child, SIGUSR2);
	IS(wait_status(child), EXITED(0));
}

TEST(changed, "[P9] the mask is changed in place; SIGKILL and SIGSTOP are left out; what is refused")
{
	int fd = signals(SIGUSR1, SIGUSR2, SFD_NONBLOCK), fds[2];
	sigset_t set;
	u64 word = ~0UL;

	OK(kill(getpid(), SIGUSR2));
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	IS(signalfd(fd, &set, 0), fd);
	IS(ready(fd, 0), 0);
	sigaddset(&set, SIGUSR2);
	IS(signalfd(fd, &set, 0), fd);
	IS(take(fd).ssi_signo, SIGUSR2);
	OK(syscall(SYS_signalfd4, -1, &word, 8, 0));
	FAILS(syscall(SYS_signalfd4, -1, &word, 4, 0), EINVAL);
	FAILS(syscall(SYS_signalfd4, -1, &word, 8, 1), EINVAL);
	FAILS(syscall(SYS_signalfd4, -1, 8UL, 8, 0), EFAULT);
	FAILS(syscall(SYS_signalfd4, 99, &word, 8, 0), EBADF);
	OK(pipe(fds));
	FAILS(syscall(SYS_signalfd4, fds[0], &word, 8, 0), EINVAL);
	FAILS(write(fd, &word, 8), EINVAL);
}

/* --- threads --- */

static int shared_fd;

static void *thread_read(void *arg)
{
	struct signalfd_siginfo si = take(shared_fd);

	*(u32 *)arg = si.ssi_signo;
	return NULL;
}

static void *thread_own(void *arg)
{
	sleep_ms(50);
	IS(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR2), 0);
	*(u32 *)arg = take(shared_fd).ssi_signo;
	return NULL;
}

TEST(threads, "[P9] a thread reads what is pending for the process or for itself, not for another")
{
	u32 got = 0;
	pthread_t t;

	shared_fd = signals(SIGUSR1, SIGUSR2, 0);
	NEED(pthread_create(&t, NULL, thread_read, &got) == 0);
	sleep_ms(50);
	OK(kill(getpid(), SIGUSR1));
	NEED(pthread_join(t, NULL) == 0);
	IS(got, SIGUSR1);
	OK(syscall(SYS_tgkill, getpid(), getpid(), SIGUSR1));
	NEED(pthread_create(&t, NULL, thread_own, &got) == 0);
	NEED(pthread_join(t, NULL) == 0);
	IS(got, SIGUSR2);
	IS(take(shared_fd).ssi_signo, SIGUSR1);
}

TEST(outlived, "[P9] an epoll outlives the process that put a signalfd into it")
{
	int ep = OK(epoll_create1(0)), fd = signals(SIGUSR1, 0, 0);
	struct epoll_event ev = {.events = EPOLLIN};

	IS(CHILD(OK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev))), EXITED(0));
	for (int i = 0; i < 100; i++)
		IS(CHILD(raise(SIGUSR1)), EXITED(0));
	close(fd);
	IS(epoll_wait(ep, &ev, 1, 0), 0);
}

/* --- sigtimedwait --- */

TEST(timed, "[P9] sigtimedwait takes a pending signal, waits for one, or for its time")
{
	sigset_t set = block(SIGUSR1, SIGRTMIN);
	struct timespec none = {0, 0}, soon = {0, 30000000}, bad = {0, 1000000000};
	pid_t self = getpid(), child;
	siginfo_t si;
	u64 start = now_ns();

	FAILS(sigtimedwait(&set, &si, &none), EAGAIN);
	FAILS(sigtimedwait(&set, &si, &soon), EAGAIN);
	CHECK(now_ns() - start >= 30000000);
	FAILS(sigtimedwait(&set, &si, &bad), EINVAL);
	OK(sigqueue(self, SIGRTMIN, (union sigval){.sival_int = 5}));
	IS(sigtimedwait(&set, &si, &none), SIGRTMIN);
	IS(si.si_value.sival_int, 5);
	IS(si.si_code, SI_QUEUE);
	child = SPAWN(wait_asleep(self); kill(self, SIGUSR1));
	IS(sigwaitinfo(&set, &si), SIGUSR1);
	IS(si.si_pid, child);
	IS(wait_status(child), EXITED(0));
}
