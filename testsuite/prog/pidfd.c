/* Processes as descriptors: open, wait for, send to, take from. */
#include "testsuite/prog/tap.h"

#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif
#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif
#define PIDFD_NONBLOCK O_NONBLOCK

struct clone3_args { /* clone3(2) */
	u64 flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
};

static int pidfd_open(pid_t pid, u32 flags)
{
	return syscall(SYS_pidfd_open, pid, flags);
}

static int pidfd_signal(int fd, int sig, siginfo_t *info)
{
	return syscall(SYS_pidfd_send_signal, fd, sig, info, 0);
}

static int pidfd_wait(int fd, siginfo_t *si, int options)
{
	return syscall(SYS_waitid, P_PIDFD, fd, si, options, NULL);
}

static short ready(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};

	OK(poll(&p, 1, ms));
	return p.revents;
}

TEST(opened, "[P9] a descriptor of a process: what it is, and what is refused")
{
	int fd = OK(pidfd_open(getpid(), 0));
	char c;

	IS(fcntl(fd, F_GETFD), FD_CLOEXEC);
	IS(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	IS(ready(fd, 0), 0);
	FAILS(read(fd, &c, 1), EINVAL);
	FAILS(pidfd_open(0, 0), EINVAL);
	FAILS(pidfd_open(-1, 0), EINVAL);
	FAILS(pidfd_open(getpid(), 1), EINVAL);
	FAILS(pidfd_open(0x7ffffff0, 0), ESRCH);
	fd = OK(pidfd_open(getppid(), PIDFD_NONBLOCK));
	IS(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
}

TEST(ends, "[P9] it is readable from the end of the process on, also in an epoll")
{
	pid_t child = SPAWN(sleep_ms(50));
	int fd = OK(pidfd_open(child, 0)), ep = OK(epoll_create1(0));
	struct epoll_event ev = {.events = EPOLLIN};

	OK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	IS(ready(fd, 0), 0);
	IS(ready(fd, 20000), POLLIN);
	IS(epoll_wait(ep, &ev, 1, 20000), 1);
	IS(ev.events & EPOLLIN, EPOLLIN);
	IS(wait_status(child), EXITED(0));
	IS(ready(fd, 0) & POLLIN, POLLIN);
	FAILS(pidfd_signal(fd, 0, NULL), ESRCH);
	FAILS(pidfd_open(child, 0), ESRCH);
	child = SPAWN(sleep_ms(50));
	fd = OK(pidfd_open(child, 0));
	IS(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev), 0);
	IS(ready(fd, 20000), POLLIN);
	IS(wait_status(child), EXITED(0));
}

TEST(waited, "[P9] waitid through it, with and without waiting")
{
	pid_t child = SPAWN(pause());
	int fd = OK(pidfd_open(child, 0)), impatient = OK(pidfd_open(child, PIDFD_NONBLOCK));
	siginfo_t si = {0};

	FAILS(pidfd_wait(impatient, &si, WEXITED), EAGAIN);
	IS(pidfd_wait(fd, &si, WEXITED | WNOHANG), 0);
	IS(si.si_pid, 0);
	OK(pidfd_signal(fd, SIGTERM, NULL));
	IS(pidfd_wait(fd, &si, WEXITED | WNOWAIT), 0);
	IS(si.si_pid, child);
	IS(si.si_code, CLD_KILLED);
	IS(si.si_status, SIGTERM);
	IS(pidfd_wait(impatient, &si, WEXITED), 0);
	FAILS(pidfd_wait(fd, &si, WEXITED), ECHILD);
	FAILS(pidfd_wait(1, &si, WEXITED), EBADF);
	FAILS(pidfd_wait(-1, &si, WEXITED), EINVAL);
	fd = OK(pidfd_open(getppid(), 0));
	FAILS(pidfd_wait(fd, &si, WEXITED), ECHILD);
}

static volatile int got_pid, got_value;

static void on_signal(int sig, siginfo_t *si, void *context)
{
	(void)sig;
	(void)context;
	got_pid = si->si_pid;
	got_value = si->si_value.sival_int;
}

TEST(signalled, "[P9] a signal through it, with the sender's word or its own")
{
	struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
	siginfo_t si = {.si_signo = SIGUSR1, .si_code = SI_QUEUE};
	int fd = OK(pidfd_open(getpid(), 0)), parent = OK(pidfd_open(getppid(), 0));

	OK(sigaction(SIGUSR1, &sa, NULL));
	OK(pidfd_signal(fd, SIGUSR1, NULL));
	IS(got_pid, getpid());
	si.si_value.sival_int = 77;
	OK(pidfd_signal(fd, SIGUSR1, &si));
	IS(got_value, 77);
	FAILS(pidfd_signal(fd, SIGUSR2, &si), EINVAL);
	si.si_code = SI_USER;
	FAILS(pidfd_signal(parent, SIGUSR1, &si), EPERM);
	FAILS(pidfd_signal(fd, SIGUSR1, opaque(8)), EFAULT);
	FAILS(pidfd_signal(fd, 65, NULL), EINVAL);
	FAILS(pidfd_signal(1, SIGUSR1, NULL), EBADF);
	FAILS(syscall(SYS_pidfd_send_signal, fd, SIGUSR1, NULL, 1 << 20), EINVAL);
	OK(pidfd_signal(parent, 0, NULL));
}

TEST(folder, "[P9] the folder /proc/PID, open, takes a signal as well; another of its folders does not")
{
	pid_t pid = fork();
	char name[32];

	if (pid == 0)
		for (;;)
			pause();
	snprintf(name, sizeof(name), "/proc/%d", pid);
	int fd = OK(open(name, O_RDONLY | O_DIRECTORY));
	snprintf(name, sizeof(name), "/proc/%d/fd", pid);
	int other = OK(open(name, O_RDONLY | O_DIRECTORY));

	FAILS(pidfd_signal(other, SIGKILL, NULL), EBADF);
	OK(pidfd_signal(fd, SIGTERM, NULL));
	int status;
	IS(waitpid(pid, &status, 0), pid);
	IS(status, SIGTERM);
	FAILS(pidfd_signal(fd, SIGTERM, NULL), ESRCH);
}

TEST(taken, "[P9] a descriptor is taken from another process, and is the same file")
{
	int fds[2], fd, got;
	pid_t child;
	char c = 0;

	OK(pipe(fds));
	child = SPAWN({
		dup2(fds[1], 40);
		close(fds[1]);
		pause();
	});
	close(fds[1]);
	fd = OK(pidfd_open(child, 0));
	wait_asleep(child);
	got = OK(syscall(SYS_pidfd_getfd, fd, 40, 0));
	IS(fcntl(got, F_GETFD), FD_CLOEXEC);
	IS(write(got, "x", 1), 1);
	IS(read(fds[0], &c, 1), 1);
	IS(c, 'x');
	FAILS(syscall(SYS_pidfd_getfd, fd, 41, 0), EBADF);
	FAILS(syscall(SYS_pidfd_getfd, 1, 40, 0), EBADF);
	FAILS(syscall(SYS_pidfd_getfd, fd, 40, 1), EINVAL);
	kill(child, SIGKILL);
	IS(wait_status(child), KILLED(SIGKILL));
	FAILS(syscall(SYS_pidfd_getfd, fd, 40, 0), ESRCH);
	close(got);
	IS(read(fds[0], &c, 1), 0);
	if (getuid() == 0) {
		IS(CHILD({
			   fd = OK(pidfd_open(getppid(), 0));
			   OK(setresuid(1000, 1000, 1000));
			   FAILS(syscall(SYS_pidfd_getfd, fd, 1, 0), EPERM);
			   FAILS(pidfd_signal(fd, 0, NULL), EPERM);
		   }),
		   EXITED(0));
	}
}

TEST(cloned, "[P9] clone and clone3 with CLONE_PIDFD give the child's descriptor with the child")
{
	struct clone3_args args = {.flags = CLONE_PIDFD, .exit_signal = SIGCHLD};
	struct rlimit few;
	siginfo_t si;
	int fd = -1;
	i64 pid;

	pid = OK(syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, &fd, 0, 0));
	if (pid == 0)
		_exit(5);
	IS(fcntl(fd, F_GETFD), FD_CLOEXEC);
	IS(pidfd_wait(fd, &si, WEXITED), 0);
	IS(si.si_status, 5);
	IS(si.si_pid, pid);
	close(fd);
	args.pidfd = (u64)&fd;
	fd = -1;
	pid = OK(syscall(SYS_clone3, &args, sizeof(args)));
	if (pid == 0)
		_exit(fcntl(fd, F_GETFD) < 0 ? 6 : 1); /* the child itself has none */
	IS(pidfd_wait(fd, &si, WEXITED), 0);
	IS(si.si_status, 6);
	close(fd);
	FAILS(syscall(SYS_clone, CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, 0, &fd, 0, 0), EINVAL);
	FAILS(syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, 8, 0, 0), EFAULT);
	IS(fcntl(fd, F_GETFD), -1);
	few = (struct rlimit){fd, fd};
	OK(setrlimit(RLIMIT_NOFILE, &few));
	FAILS(syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, &fd, 0, 0), EMFILE);
	FAILS(waitpid(-1, NULL, 0), ECHILD);
}

TEST(numbers, "[P9] the descriptor goes on meaning the process that ended, whoever comes after it")
{
	pid_t child = SPAWN(_exit(0));
	int fd = OK(pidfd_open(child, 0));

	IS(wait_status(child), EXITED(0));
	for (int i = 0; i < 300; i++)
		IS(CHILD(_exit(0)), EXITED(0));
	FAILS(pidfd_signal(fd, SIGKILL, NULL), ESRCH);
}
