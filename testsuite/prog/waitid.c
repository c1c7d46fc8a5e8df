/* waitid(2): every option, and what the siginfo tells. */
#include "testsuite/prog/tap.h"

#define WAITID(which, id, info, options) syscall(SYS_waitid, which, id, info, options, NULL)

static pid_t child_that(void (*fn)(void))
{
	pid_t pid = fork();

	if (pid == 0) {
		fn();
		_exit(0);
	}
	return pid;
}

static void exits_7(void)
{
	_exit(7);
}

static void dies(void)
{
	raise(SIGTERM);
}

static void stops(void)
{
	raise(SIGSTOP);
	for (;;)
		pause();
}

static void sleeps(void)
{
	for (;;)
		pause();
}

TEST(exited, "[P9] waitid tells of an exit: CLD_EXITED, pid, uid, status")
{
	siginfo_t info;
	pid_t pid = child_that(exits_7);

	memset(&info, 0xff, sizeof(info));
	IS(WAITID(P_PID, pid, &info, WEXITED), 0);
	IS(info.si_signo, SIGCHLD);
	IS(info.si_errno, 0);
	IS(info.si_code, CLD_EXITED);
	IS(info.si_pid, pid);
	IS(info.si_uid, getuid());
	IS(info.si_status, 7);
	FAILS(WAITID(P_PID, pid, &info, WEXITED), ECHILD);
}

TEST(killed, "[P9] waitid tells of an end by a signal: CLD_KILLED")
{
	siginfo_t info;

	child_that(dies);
	IS(WAITID(P_ALL, 0, &info, WEXITED), 0);
	IS(info.si_code, CLD_KILLED);
	IS(info.si_status, SIGTERM);
}

TEST(writes_no_more, "[P9] waitid writes the siginfo up to si_status, and nothing behind it")
{
	union {
		siginfo_t info;
		u8 bytes[sizeof(siginfo_t)];
	} u;

	memset(&u, 0xa5, sizeof(u));
	child_that(exits_7);
	IS(WAITID(P_ALL, 0, &u.info, WEXITED), 0);
	IS(u.info.si_status, 7);
	IS(u.bytes[offsetof(siginfo_t, si_status) + 4], 0xa5);
	IS(u.bytes[sizeof(siginfo_t) - 1], 0xa5);
}

TEST(no_wait, "[P9] WNOWAIT leaves the child to be waited for")
{
	siginfo_t info;
	pid_t pid = child_that(exits_7);

	for (int i = 0; i < 3; i++) {
		IS(WAITID(P_PID, pid, &info, WEXITED | WNOWAIT), 0);
		IS(info.si_status, 7);
	}
	IS(WAITID(P_PID, pid, &info, WEXITED), 0);
	FAILS(WAITID(P_PID, pid, &info, WEXITED | WNOWAIT), ECHILD);
}

TEST(no_hang, "[P9] WNOHANG with nothing to tell: 0, and si_pid is 0")
{
	siginfo_t info;
	pid_t pid = child_that(sleeps);

	memset(&info, 0xff, sizeof(info));
	IS(WAITID(P_PID, pid, &info, WEXITED | WNOHANG), 0);
	IS(info.si_pid, 0);
	IS(info.si_signo, 0);
	kill(pid, SIGKILL);
	IS(WAITID(P_PID, pid, &info, WEXITED), 0);
	IS(info.si_status, SIGKILL);
}

TEST(stopped, "[P9] WSTOPPED and WCONTINUED, each told once; WEXITED alone does not see them")
{
	siginfo_t info;
	pid_t pid = child_that(stops);

	IS(WAITID(P_PID, pid, &info, WSTOPPED), 0);
	IS(info.si_code, CLD_STOPPED);
	IS(info.si_status, SIGSTOP);
	IS(WAITID(P_PID, pid, &info, WSTOPPED | WEXITED | WNOHANG), 0);
	IS(info.si_pid, 0);
	kill(pid, SIGCONT);
	IS(WAITID(P_PID, pid, &info, WCONTINUED), 0);
	IS(info.si_code, CLD_CONTINUED);
	IS(info.si_status, SIGCONT);
	kill(pid, SIGTERM);
	IS(WAITID(P_PID, pid, &info, WEXITED), 0);
	IS(info.si_status, SIGTERM);
}

TEST(groups, "[P9] P_PGID: a group's children, 0 for the caller's own group")
{
	siginfo_t info;
	pid_t other = child_that(sleeps), own = child_that(exits_7);

	IS(setpgid(other, other), 0);
	IS(WAITID(P_PGID, 0, &info, WEXITED), 0);
	IS(info.si_pid, own);
	FAILS(WAITID(P_PGID, getpgrp(), &info, WEXITED), ECHILD);
	kill(other, SIGKILL);
	IS(WAITID(P_PGID, other, &info, WEXITED), 0);
	IS(info.si_pid, other);
}

TEST(usage, "[P9] the raw call's fifth argument gets the child's resource usage")
{
	struct rusage usage;
	siginfo_t info;

	memset(&usage, 0xff, sizeof(usage));
	child_that(exits_7);
	IS(syscall(SYS_waitid, P_ALL, 0, &info, WEXITED, &usage), 0);
	IS(usage.ru_utime.tv_usec >= 0 && usage.ru_utime.tv_usec < 1000000, true);
	IS(usage.ru_minflt >= 0, true);
}

TEST(no_info, "[P9] without a siginfo the child is reaped all the same")
{
	pid_t pid = child_that(exits_7);

	IS(WAITID(P_PID, pid, NULL, WEXITED), 0);
	FAILS(WAITID(P_PID, pid, NULL, WEXITED), ECHILD);
}

TEST(refusals, "[P9] EINVAL for no or unknown options, for a bad kind and number")
{
	siginfo_t info;

	FAILS(WAITID(P_ALL, 0, &info, 0), EINVAL);
	FAILS(WAITID(P_ALL, 0, &info, WNOHANG), EINVAL);
	FAILS(WAITID(P_ALL, 0, &info, WEXITED | 0x100), EINVAL);
	FAILS(WAITID(77, 0, &info, WEXITED), EINVAL);
	FAILS(WAITID(P_PID, 0, &info, WEXITED), EINVAL);
	FAILS(WAITID(P_PID, -1, &info, WEXITED), EINVAL);
	FAILS(WAITID(P_PGID, -1, &info, WEXITED), EINVAL);
	FAILS(WAITID(P_ALL, 0, &info, WEXITED), ECHILD);
}

TEST(bad_pointer, "[V7] a bad siginfo: EFAULT")
{
	child_that(exits_7);
	FAILS(WAITID(P_ALL, 0, (void *)8, WEXITED), EFAULT);
}
