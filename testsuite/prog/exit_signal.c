/* The signal that clone is told to send at a child's end: who may be sent it. */
#include "testsuite/prog/tap.h"

#include <sched.h>

static i64 clone_fork(u64 flags)
{
	return syscall(SYS_clone, flags, NULL, NULL, NULL, 0);
}

static volatile sig_atomic_t got_usr1;

static void on_usr1(int sig)
{
	(void)sig;
	got_usr1 = 1;
}

TEST(own_child, "[P8] clone's exit signal comes at the child's end")
{
	int status;
	pid_t pid;

	signal(SIGUSR1, on_usr1);
	pid = clone_fork(SIGUSR1);
	if (pid == 0)
		_exit(3);
	while (waitpid(pid, &status, __WALL) < 0)
		IS(errno, EINTR);
	IS(status, EXITED(3));
	IS(got_usr1, 1);
}

TEST(sibling, "[P8] [I1] a sibling made by CLONE_PARENT sends the parent what its maker would, not what its "
              "maker likes")
{
	pid_t maker;
	int status;
	u32 ends = 0;

	signal(SIGUSR1, on_usr1);
	maker = SPAWN({
		pid_t pid = clone_fork(CLONE_PARENT | SIGUSR1);

		if (pid == 0)
			_exit(4);
		_exit(pid > 0 ? 5 : 6);
	});
	for (;;) {
		pid_t pid = waitpid(-1, &status, __WALL);

		if (pid < 0 && errno == ECHILD)
			break;
		if (pid < 0)
			continue;
		IS(status, pid == maker ? EXITED(5) : EXITED(4));
		ends++;
	}
	IS(ends, 2);
	IS(got_usr1, 0);
}

/* @end: a program that ends when it is told to. */
int role_main(int argc, char **argv)
{
	char c;

	(void)argv;
	return argc == 2 && read(0, &c, 1) == 0 ? 7 : 1;
}

TEST(after_exec, "[P8] [I1] exec in the child puts SIGCHLD in place of clone's exit signal")
{
	int fds[2], status;
	pid_t pid;

	signal(SIGUSR1, on_usr1);
	OK(pipe(fds));
	pid = clone_fork(SIGUSR1);
	if (pid == 0) {
		dup2(fds[0], 0);
		close(fds[0]);
		close(fds[1]);
		execl("/proc/self/exe", "exit_signal", "@end", NULL);
		_exit(1);
	}
	close(fds[0]);
	close(fds[1]);
	while (waitpid(pid, &status, __WALL) < 0)
		IS(errno, EINTR);
	IS(status, EXITED(7));
	IS(got_usr1, 0);
}
