/* cflags: -mno-red-zone */
/* Signals: sending, blocking, handling, interrupting, stopping, and what a fault tells. */
#include "testsuite/prog/tap.h"

#include <poll.h>
#include <sched.h>
#include <sys/time.h>
#include <ucontext.h>

static volatile sig_atomic_t count, last_signal;
static volatile siginfo_t last_info;

static void on_signal(int sig)
{
	count++;
	last_signal = sig;
}

static void on_info(int sig, siginfo_t *info, void *context)
{
	(void)context;
	count++;
	last_signal = sig;
	last_info = *info;
}

static void handle(int sig, int flags)
{
	struct sigaction act = {.sa_flags = flags};

	if (flags & SA_SIGINFO)
		act.sa_sigaction = on_info;
	else
		act.sa_handler = on_signal;
	OK(sigaction(sig, &act, NULL));
}

static void block(int how, int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	OK(sigprocmask(how, &set, NULL));
}

static bool pending(int sig)
{
	sigset_t set;

	OK(sigpending(&set));
	return sigismember(&set, sig);
}

/* A child that sends SIG to this process when it sleeps. */
static pid_t send_later(int sig)
{
	pid_t target = getpid();

	return SPAWN({
		wait_asleep(target);
		kill(target, sig);
	});
}

static int wait_any(pid_t pid, int options)
{
	int status = -1;
	pid_t got;

	do
		got = waitpid(pid, &status, options);
	while (got < 0 && errno == EINTR);
	return got == pid ? status : -1;
}

/* --- handlers --- */

TEST(handler_runs, "[P9] a handler runs before kill to oneself returns")
{
	handle(SIGUSR1, 0);
	for (int i = 1; i <= 100; i++) {
		OK(kill(getpid(), SIGUSR1));
		IS(count, i);
	}
	IS(last_signal, SIGUSR1);
}

TEST(info_kill, "[P9] siginfo of kill: number, SI_USER, pid and uid of the sender")
{
	pid_t child, parent = getpid();

	handle(SIGUSR1, SA_SIGINFO);
	child = SPAWN(kill(parent, SIGUSR1));
	while (!count)
		sleep_ms(5);
	IS(last_info.si_signo, SIGUSR1);
	IS(last_info.si_code, SI_USER);
	IS(last_info.si_pid, child);
	IS(last_info.si_uid, getuid());
	IS(last_info.si_errno, 0);
}

TEST(info_tgkill, "[P9] siginfo of tgkill and tkill: SI_TKILL")
{
	handle(SIGUSR1, SA_SIGINFO);
	OK(syscall(SYS_tgkill, getpid(), getpid(), SIGUSR1));
	IS(count, 1);
	IS(last_info.si_code, SI_TKILL);
	IS(last_info.si_pid, getpid());
	OK(syscall(SYS_tkill, getpid(), SIGUSR1));
	IS(count, 2);
	FAILS(syscall(SYS_tgkill, getppid(), getpid(), SIGUSR1), ESRCH);
	FAILS(syscall(SYS_tgkill, getpid(), getpid(), 65), EINVAL);
	FAILS(syscall(SYS_tgkill, -1, getpid(), SIGUSR1), EINVAL);
	FAILS(syscall(SYS_tkill, 0, SIGUSR1), EINVAL);
}

TEST(info_child, "[P9] siginfo of SIGCHLD: how the child ended")
{
	pid_t child;

	handle(SIGCHLD, SA_SIGINFO);
	child = SPAWN(_exit(7));
	IS(wait_status(child), EXITED(7));
	IS(last_info.si_code, CLD_EXITED);
	IS(last_info.si_pid, child);
	IS(last_info.si_status, 7);
	child = SPAWN(kill(getpid(), SIGKILL));
	IS(wait_status(child), KILLED(SIGKILL));
	IS(last_info.si_code, CLD_KILLED);
	IS(last_info.si_status, SIGKILL);
	IS(count, 2);
}

TEST(blocked_while_handled, "[P9] a signal is blocked during its own handler, and runs once afterwards")
{
	handle(SIGUSR1, 0);
	block(SIG_BLOCK, SIGUSR1);
	for (int i = 0; i < 5; i++)
		raise(SIGUSR1);
	IS(count, 0);
	CHECK(pending(SIGUSR1));
	block(SIG_UNBLOCK, SIGUSR1);
	IS(count, 1);
	CHECK(!pending(SIGUSR1));
}

static volatile int depth, deepest, raises_left;

static void on_nested(int sig)
{
	depth++;
	if (depth > deepest)
		deepest = depth;
	if (raises_left > 0) {
		raises_left--;
		raise(sig);
	}
	depth--;
}

TEST(nested, "[P9] SA_NODEFER lets a handler interrupt itself, without it the signal waits")
{
	struct sigaction act = {.sa_handler = on_nested, .sa_flags = SA_NODEFER};

	sigaction(SIGUSR1, &act, NULL);
	raises_left = 4;
	raise(SIGUSR1);
	IS(deepest, 5);
	act.sa_flags = 0;
	sigaction(SIGUSR1, &act, NULL);
	raises_left = 4;
	deepest = 0;
	raise(SIGUSR1);
	IS(deepest, 1);
	IS(raises_left, 0);
}

static volatile int order[8], order_count;

static void on_ordered(int sig)
{
	order[order_count++] = sig;
	if (sig == SIGUSR1)
		raise(SIGUSR2);
	order[order_count++] = -sig;
}

TEST(nested_other, "[P9] another signal interrupts a handler, unless sa_mask blocks it")
{
	struct sigaction act = {.sa_handler = on_ordered};

	sigaction(SIGUSR1, &act, NULL);
	sigaction(SIGUSR2, &act, NULL);
	raise(SIGUSR1);
	IS(order[0], SIGUSR1);
	IS(order[1], SIGUSR2);
	IS(order[2], -SIGUSR2);
	IS(order[3], -SIGUSR1);
	order_count = 0;
	sigaddset(&act.sa_mask, SIGUSR2);
	sigaction(SIGUSR1, &act, NULL);
	raise(SIGUSR1);
	IS(order[0], SIGUSR1);
	IS(order[1], -SIGUSR1);
	IS(order[2], SIGUSR2);
	IS(order[3], -SIGUSR2);
}

TEST(reset_hand, "[P9] SA_RESETHAND: the second time is the default")
{
	IS(CHILD({
		   struct sigaction act = {.sa_handler = on_signal, .sa_flags = SA_RESETHAND}, now;

		   sigaction(SIGUSR1, &act, NULL);
		   raise(SIGUSR1);
		   IS(count, 1);
		   sigaction(SIGUSR1, NULL, &now);
		   CHECK(now.sa_handler == SIG_DFL);
		   raise(SIGUSR1);
	   }),
	   KILLED(SIGUSR1));
}

static volatile u64 mask_in_handler;

static void on_mask(int sig)
{
	sigset_t set;

	sigprocmask(SIG_BLOCK, NULL, &set);
	memcpy((void *)&mask_in_handler, &set, 8);
	(void)sig;
}

TEST(mask_restored, "[P9] a handler runs with sa_mask and its own signal blocked; the mask is put back")
{
	struct sigaction act = {.sa_handler = on_mask};
	u64 before, after;
	sigset_t set;

	sigaddset(&act.sa_mask, SIGHUP);
	sigaction(SIGUSR1, &act, NULL);
	block(SIG_BLOCK, SIGTERM);
	sigprocmask(SIG_BLOCK, NULL, &set);
	memcpy(&before, &set, 8);
	raise(SIGUSR1);
	sigprocmask(SIG_BLOCK, NULL, &set);
	memcpy(&after, &set, 8);
	IS(after, before);
	IS(mask_in_handler, before | 1UL << (SIGHUP - 1) | 1UL << (SIGUSR1 - 1));
}

TEST(unblockable, "[P9] SIGKILL and SIGSTOP can be neither handled nor blocked")
{
	struct sigaction act = {.sa_handler = on_signal};
	sigset_t set;

	FAILS(sigaction(SIGKILL, &act, NULL), EINVAL);
	FAILS(sigaction(SIGSTOP, &act, NULL), EINVAL);
	FAILS(syscall(SYS_rt_sigaction, 0, 0, 0, 8), EINVAL);
	FAILS(syscall(SYS_rt_sigaction, 65, 0, 0, 8), EINVAL);
	FAILS(syscall(SYS_rt_sigaction, SIGUSR1, 0, 0, 4), EINVAL);
	FAILS(syscall(SYS_rt_sigprocmask, 3, &set, 0, 8), EINVAL);
	FAILS(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, 0, 16), EINVAL);
	sigfillset(&set);
	OK(sigprocmask(SIG_SETMASK, &set, NULL));
	OK(sigprocmask(SIG_SETMASK, NULL, &set));
	IS(sigismember(&set, SIGKILL), 0);
	IS(sigismember(&set, SIGSTOP), 0);
	IS(sigismember(&set, SIGTERM), 1);
	IS(CHILD(kill(getpid(), SIGKILL)), KILLED(SIGKILL));
}

TEST(realtime_queue, "[P9] real-time signals queue, in order, with their values; others do not queue")
{
	siginfo_t info;
	sigset_t set;

	sigemptyset(&set);
	for (int sig = SIGRTMIN; sig <= SIGRTMIN + 2; sig++)
		sigaddset(&set, sig);
	OK(sigprocmask(SIG_BLOCK, &set, NULL));
	for (int i = 0; i < 3; i++) {
		union sigval value = {.sival_int = i};

		SKIP_IF(sigqueue(getpid(), SIGRTMIN + 1, value) < 0 && errno == ENOSYS, "no sigqueue");
	}
	OK(kill(getpid(), SIGRTMIN));
	IS(sigwaitinfo(&set, &info), SIGRTMIN);
	for (int i = 0; i < 3; i++) {
		IS(sigwaitinfo(&set, &info), SIGRTMIN + 1);
		IS(info.si_code, SI_QUEUE);
		IS(info.si_value.sival_int, i);
	}
}

TEST(timed_wait, "[P9] sigtimedwait takes what is pending, or gives up after the time")
{
	struct timespec short_time = {0, 20000000}, none = {0, 0};
	siginfo_t info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	block(SIG_BLOCK, SIGUSR1);
	FAILS(sigtimedwait(&set, &info, &none), EAGAIN);
	FAILS(sigtimedwait(&set, &info, &short_time), EAGAIN);
	raise(SIGUSR1);
	IS(sigtimedwait(&set, &info, &none), SIGUSR1);
	CHECK(!pending(SIGUSR1));
	send_later(SIGUSR1);
	IS(sigwaitinfo(&set, &info), SIGUSR1);
	IS(info.si_code, SI_USER);
}

/* --- interrupted calls --- */

TEST(pause_ends, "[P9] pause ends with EINTR after a handler, even with SA_RESTART")
{
	handle(SIGUSR1, SA_RESTART);
	send_later(SIGUSR1);
	FAILS(pause(), EINTR);
	IS(count, 1);
}

TEST(suspend, "[P9] sigsuspend waits under its mask, lets the handler run, and puts the mask back")
{
	sigset_t empty, now;

	handle(SIGUSR1, 0);
	block(SIG_BLOCK, SIGUSR1);
	raise(SIGUSR1);
	IS(count, 0);
	sigemptyset(&empty);
	FAILS(sigsuspend(&empty), EINTR);
	IS(count, 1);
	sigprocmask(SIG_BLOCK, NULL, &now);
	IS(sigismember(&now, SIGUSR1), 1);
	send_later(SIGUSR1);
	FAILS(sigsuspend(&empty), EINTR);
	IS(count, 2);
}

TEST(read_interrupted, "[P9] read of an empty pipe: EINTR without SA_RESTART")
{
	int fds[2];
	char c;

	OK(pipe(fds));
	handle(SIGUSR1, 0);
	send_later(SIGUSR1);
	FAILS(read(fds[0], &c, 1), EINTR);
	IS(count, 1);
}

TEST(read_restarted, "[P9] read of an empty pipe: goes on with SA_RESTART")
{
	pid_t parent = getpid();
	int fds[2];
	char c = 0;

	OK(pipe(fds));
	handle(SIGUSR1, SA_RESTART);
	SPAWN({
		wait_asleep(parent);
		kill(parent, SIGUSR1);
		sleep_ms(50);
		wait_asleep(parent);
		NEED(write(fds[1], "r", 1) == 1);
	});
	IS(read(fds[0], &c, 1), 1);
	IS(c, 'r');
	IS(count, 1);
}

TEST(ignored_not_interrupting, "[P9] an ignored signal does not interrupt, nor does stop and continue")
{
	pid_t parent = getpid();
	int fds[2];
	char c = 0;

	OK(pipe(fds));
	signal(SIGUSR1, SIG_IGN);
	SPAWN({
		sleep_ms(50);
		kill(parent, SIGUSR1);
		kill(parent, SIGCHLD);
		sleep_ms(50);
		kill(parent, SIGSTOP);
		sleep_ms(50);
		kill(parent, SIGCONT);
		sleep_ms(50);
		NEED(write(fds[1], "r", 1) == 1);
	});
	IS(read(fds[0], &c, 1), 1);
	IS(c, 'r');
}

TEST(write_interrupted, "[P9] write to a full pipe: EINTR when nothing was written, the count when some was")
{
	static char big[200000];
	int fds[2];
	ssize_t n;

	OK(pipe(fds));
	handle(SIGUSR1, 0);
	send_later(SIGUSR1);
	n = write(fds[1], big, sizeof(big));
	IS(n, 65536);
	send_later(SIGUSR1);
	FAILS(write(fds[1], big, sizeof(big)), EINTR);
}

TEST(wait_interrupted, "[P9] wait4: EINTR without SA_RESTART, goes on with it")
{
	pid_t child = SPAWN(for (;;) pause()), sender;
	int status;

	handle(SIGUSR1, 0);
	sender = send_later(SIGUSR1);
	FAILS(waitpid(child, &status, 0), EINTR);
	IS(wait_status(sender), EXITED(0));
	handle(SIGUSR1, SA_RESTART);
	sender = SPAWN({
		sleep_ms(100);
		kill(getppid(), SIGUSR1);
		sleep_ms(100);
		kill(child, SIGKILL);
	});
	IS(waitpid(child, &status, 0), child);
	IS(status, SIGKILL);
	IS(count, 2);
}

TEST(sleep_interrupted, "[P9] nanosleep: EINTR, and the time that was left")
{
	struct timespec want = {100, 0}, left = {0, 0};

	handle(SIGUSR1, SA_RESTART);
	send_later(SIGUSR1);
	FAILS(nanosleep(&want, &left), EINTR);
	CHECK(left.tv_sec >= 50 && left.tv_sec < 100);
}

TEST(sleep_ignores_ignored, "[P9] nanosleep sleeps its full time through stop and continue")
{
	struct timespec want = {0, 500000000}, left;
	u64 start = now_ns();
	pid_t parent = getpid();

	SPAWN({
		sleep_ms(100);
		kill(parent, SIGSTOP);
		sleep_ms(100);
		kill(parent, SIGCONT);
	});
	IS(nanosleep(&want, &left), 0);
	CHECK(now_ns() - start >= 500000000);
}

TEST(poll_interrupted, "[P9] poll and select: EINTR, with SA_RESTART too")
{
	struct timeval tv = {100, 0};

	handle(SIGUSR1, SA_RESTART);
	send_later(SIGUSR1);
	FAILS(poll(NULL, 0, 100000), EINTR);
	send_later(SIGUSR1);
	FAILS(select(0, NULL, NULL, NULL, &tv), EINTR);
}

TEST(ppoll_mask, "[P9] ppoll and pselect wait under their own mask")
{
	struct timespec time = {100, 0};
	sigset_t empty, now;

	sigemptyset(&empty);
	handle(SIGUSR1, 0);
	block(SIG_BLOCK, SIGUSR1);
	raise(SIGUSR1);
	FAILS(ppoll(NULL, 0, &time, &empty), EINTR);
	IS(count, 1);
	raise(SIGUSR1);
	FAILS(pselect(0, NULL, NULL, NULL, &time, &empty), EINTR);
	IS(count, 2);
	sigprocmask(SIG_BLOCK, NULL, &now);
	IS(sigismember(&now, SIGUSR1), 1);
}

/* --- default actions --- */

TEST(default_kills, "[P9] the default action ends the process, with the signal in its status")
{
	static const int deadly[] = {SIGHUP,    SIGINT,  SIGQUIT, SIGILL,    SIGTRAP, SIGABRT, SIGBUS,
	                             SIGFPE,    SIGUSR1, SIGSEGV, SIGUSR2,   SIGPIPE, SIGALRM, SIGTERM,
	                             SIGSTKFLT, SIGXCPU, SIGXFSZ, SIGVTALRM, SIGPROF, SIGIO,   SIGPWR,
	                             SIGSYS,    34,      40,      64};

	for (u32 i = 0; i < ARRAY_SIZE(deadly); i++)
		IS(CHILD(syscall(SYS_kill, getpid(), deadly[i]); sleep(1)), KILLED(deadly[i]));
}

TEST(default_ignores, "[P9] SIGCHLD, SIGURG, SIGWINCH and SIGCONT do nothing by default")
{
	static const int harmless[] = {SIGCHLD, SIGURG, SIGWINCH, SIGCONT};

	for (u32 i = 0; i < ARRAY_SIZE(harmless); i++)
		IS(CHILD(kill(getpid(), harmless[i])), EXITED(0));
}

TEST(default_stops, "[P9] SIGSTOP, SIGTSTP, SIGTTIN and SIGTTOU stop; SIGCONT and SIGKILL end that")
{
	static const int stops[] = {SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU};

	for (u32 i = 0; i < ARRAY_SIZE(stops); i++) {
		pid_t child = SPAWN({
			kill(getpid(), stops[i]);
			_exit(9);
		});
		int status = wait_any(child, WUNTRACED);

		CHECK(WIFSTOPPED(status));
		IS(WSTOPSIG(status), stops[i]);
		IS(waitpid(child, &status, WNOHANG | WUNTRACED), 0); /* told once */
		OK(kill(child, SIGCONT));
		status = wait_any(child, WCONTINUED | (i % 2 ? WUNTRACED : 0));
		if (WIFCONTINUED(status))
			status = wait_any(child, 0);
		IS(status, EXITED(9));
	}
}

TEST(stopped_killed, "[P9] a stopped process holds its signals back, except SIGKILL")
{
	pid_t child = SPAWN({
		signal(SIGUSR1, SIG_DFL);
		kill(getpid(), SIGSTOP);
		for (;;)
			pause();
	});
	int status;

	CHECK(WIFSTOPPED(wait_any(child, WUNTRACED)));
	OK(kill(child, SIGUSR1));
	sleep_ms(50);
	IS(waitpid(child, &status, WNOHANG), 0);
	OK(kill(child, SIGCONT));
	IS(wait_status(child), KILLED(SIGUSR1));
	child = SPAWN(kill(getpid(), SIGSTOP));
	CHECK(WIFSTOPPED(wait_any(child, WUNTRACED)));
	OK(kill(child, SIGKILL));
	IS(wait_status(child), KILLED(SIGKILL));
}

TEST(continued_reported, "[P9] wait4 with WCONTINUED tells of SIGCONT, once")
{
	pid_t child = SPAWN({
		kill(getpid(), SIGSTOP);
		for (;;)
			pause();
	});
	int status;

	CHECK(WIFSTOPPED(wait_any(child, WUNTRACED)));
	OK(kill(child, SIGCONT));
	CHECK(WIFCONTINUED(wait_any(child, WCONTINUED)));
	IS(waitpid(child, &status, WNOHANG | WCONTINUED), 0);
	OK(kill(child, SIGKILL));
	IS(wait_status(child), KILLED(SIGKILL));
}

TEST(stop_cancels_continue, "[P9] a pending SIGCONT is taken back by a stop, a pending stop by SIGCONT")
{
	handle(SIGCONT, 0);
	block(SIG_BLOCK, SIGCONT);
	block(SIG_BLOCK, SIGTSTP);
	raise(SIGTSTP);
	CHECK(pending(SIGTSTP));
	raise(SIGCONT);
	CHECK(!pending(SIGTSTP));
	CHECK(pending(SIGCONT));
	raise(SIGTSTP);
	CHECK(!pending(SIGCONT));
	CHECK(pending(SIGTSTP));
	raise(SIGCONT);
	block(SIG_UNBLOCK, SIGTSTP);
	block(SIG_UNBLOCK, SIGCONT);
	IS(count, 1);
}

TEST(child_stop_signals, "[P9] SIGCHLD comes for stop and continue, unless SA_NOCLDSTOP")
{
	pid_t child;

	handle(SIGCHLD, SA_SIGINFO);
	child = SPAWN(for (;;) pause());
	OK(kill(child, SIGSTOP));
	CHECK(WIFSTOPPED(wait_any(child, WUNTRACED)));
	UNTIL(count == 1);
	IS(last_info.si_code, CLD_STOPPED);
	IS(last_info.si_status, SIGSTOP);
	OK(kill(child, SIGCONT));
	CHECK(WIFCONTINUED(wait_any(child, WCONTINUED)));
	UNTIL(last_info.si_code == CLD_CONTINUED);
	handle(SIGCHLD, SA_SIGINFO | SA_NOCLDSTOP);
	count = 0;
	OK(kill(child, SIGSTOP));
	CHECK(WIFSTOPPED(wait_any(child, WUNTRACED)));
	IS(count, 0);
	OK(kill(child, SIGKILL));
	IS(wait_status(child), KILLED(SIGKILL));
	IS(count, 1);
}

TEST(no_zombies, "[P9] with SIGCHLD ignored, or SA_NOCLDWAIT, children leave no zombie")
{
	int status;
	pid_t child;

	signal(SIGCHLD, SIG_IGN);
	child = SPAWN(_exit(3));
	FAILS(waitpid(child, &status, 0), ECHILD);
	handle(SIGCHLD, SA_NOCLDWAIT);
	child = SPAWN(_exit(3));
	while (waitpid(child, &status, 0) != -1 || errno == EINTR)
		;
	IS(errno, ECHILD);
}

TEST(broken_pipe, "[P9] SIGPIPE for a write without reader, EPIPE when it is ignored")
{
	int fds[2];

	OK(pipe(fds));
	close(fds[0]);
	IS(CHILD(IS(write(fds[1], "x", 1), 0)), KILLED(SIGPIPE));
	signal(SIGPIPE, SIG_IGN);
	FAILS(write(fds[1], "x", 1), EPIPE);
	handle(SIGPIPE, 0);
	FAILS(write(fds[1], "x", 1), EPIPE);
	IS(count, 1);
}

/* --- whom kill reaches --- */

TEST(kill_errors, "[P9] kill: errors, and signal 0 only asks")
{
	pid_t child = SPAWN(_exit(0));

	IS(kill(getpid(), 0), 0);
	FAILS(kill(getpid(), 65), EINVAL);
	FAILS(kill(getpid(), -1), EINVAL);
	IS(kill(child, 0), 0); /* running or zombie */
	IS(wait_status(child), EXITED(0));
	FAILS(kill(child, 0), ESRCH);
	FAILS(kill(-child, 0), ESRCH);
	FAILS(kill(0x7ffffff0, 0), ESRCH);
}

TEST(kill_group, "[P9] kill of a group reaches each member, and nobody else")
{
	int fds[2];
	pid_t leader, member[4], outsider;
	char c;

	OK(pipe(fds));
	leader = SPAWN({
		setpgid(0, 0);
		NEED(write(fds[1], "x", 1) == 1);
		for (;;)
			pause();
	});
	NEED(read(fds[0], &c, 1) == 1);
	for (u32 i = 0; i < 4; i++)
		member[i] = SPAWN({
			NEED(setpgid(0, leader) == 0);
			NEED(write(fds[1], "x", 1) == 1);
			for (;;)
				pause();
		});
	for (u32 i = 0; i < 4; i++)
		NEED(read(fds[0], &c, 1) == 1);
	outsider = SPAWN(sleep_ms(200); _exit(4));
	OK(kill(-leader, SIGTERM));
	IS(wait_status(leader), KILLED(SIGTERM));
	for (u32 i = 0; i < 4; i++)
		IS(wait_status(member[i]), KILLED(SIGTERM));
	IS(wait_status(outsider), EXITED(4));
}

TEST(kill_own_group, "[P9] kill(0) reaches the caller's own group, the caller too")
{
	IS(CHILD({
		   setpgid(0, 0);
		   pid_t other = SPAWN(for (;;) pause());
		   handle(SIGUSR1, 0);
		   signal(SIGUSR2, SIG_IGN);
		   OK(kill(0, SIGUSR1));
		   IS(count, 1);
		   IS(wait_status(other), KILLED(SIGUSR1));
	   }),
	   EXITED(0));
}

/* --- the signal stack --- */

static u8 alternate[65536] __attribute__((aligned(16)));
static volatile bool was_on_alternate;

static void on_alternate(int sig)
{
	u8 *here = __builtin_frame_address(0);

	(void)sig;
	was_on_alternate = here >= alternate && here < alternate + sizeof(alternate);
	count++;
}

TEST(signal_stack, "[P9] SA_ONSTACK handlers run on the signal stack, others do not")
{
	stack_t ss = {.ss_sp = alternate, .ss_size = sizeof(alternate)}, now;
	struct sigaction act = {.sa_handler = on_alternate, .sa_flags = SA_ONSTACK};

	OK(sigaltstack(NULL, &now));
	IS(now.ss_flags, SS_DISABLE);
	OK(sigaltstack(&ss, NULL));
	sigaction(SIGUSR1, &act, NULL);
	raise(SIGUSR1);
	CHECK(was_on_alternate);
	act.sa_flags = 0;
	sigaction(SIGUSR1, &act, NULL);
	raise(SIGUSR1);
	CHECK(!was_on_alternate);
	OK(sigaltstack(NULL, &now));
	CHECK(now.ss_sp == alternate && now.ss_size == sizeof(alternate) && now.ss_flags == 0);
	ss.ss_flags = SS_DISABLE;
	OK(sigaltstack(&ss, NULL));
	act.sa_flags = SA_ONSTACK;
	sigaction(SIGUSR1, &act, NULL);
	raise(SIGUSR1);
	CHECK(!was_on_alternate);
}

static void on_stack_change(int sig)
{
	stack_t ss = {.ss_sp = alternate, .ss_size = sizeof(alternate)}, now;

	(void)sig;
	OK(sigaltstack(NULL, &now));
	IS(now.ss_flags, SS_ONSTACK);
	FAILS(sigaltstack(&ss, NULL), EPERM);
	count++;
}

TEST(signal_stack_errors, "[P9] sigaltstack: errors, and no change while on it")
{
	stack_t ss = {.ss_sp = alternate, .ss_size = sizeof(alternate)};
	stack_t small = {.ss_sp = alternate, .ss_size = 1000}, odd = ss;
	struct sigaction act = {.sa_handler = on_stack_change, .sa_flags = SA_ONSTACK};

	FAILS(syscall(SYS_sigaltstack, &small, NULL), ENOMEM);
	odd.ss_flags = 0x10;
	FAILS(sigaltstack(&odd, NULL), EINVAL);
	OK(sigaltstack(&ss, NULL));
	sigaction(SIGUSR1, &act, NULL);
	raise(SIGUSR1);
	IS(count, 1);
}

TEST(bad_stack_kills, "[P9] a handler that has no usable stack: SIGSEGV, once and for all")
{
	IS(CHILD({
		   handle(SIGUSR1, 0);
		   handle(SIGSEGV, 0);
		   __asm__ volatile("mov $0x1000, %%rsp\nmov $39, %%eax\nsyscall\nmov %%eax, %%edi\n"
		                    "mov %0, %%esi\nmov $62, %%eax\nsyscall\nhlt" ::"i"(SIGUSR1)
		                    : "memory");
	   }),
	   KILLED(SIGSEGV));
}

/* --- faults --- */

/* Run BODY in a child with fault handlers that check what they are told. */
struct expected_fault {
	int sig, code;
	u64 addr, error, trap;
};

#define ANY_ADDR 0x5a5a5a5a5aUL

static struct expected_fault expected;

static void on_expected(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	IS(sig, expected.sig);
	IS(info->si_signo, expected.sig);
	IS(info->si_code, expected.code);
	if (expected.addr != ANY_ADDR)
		IS((u64)info->si_addr, expected.addr);
	IS(uc->uc_mcontext.gregs[REG_ERR], expected.error);
	IS(uc->uc_mcontext.gregs[REG_TRAPNO], expected.trap);
	if (expected.trap == 14)
		IS(uc->uc_mcontext.gregs[REG_CR2], expected.addr);
	_exit(tap_failures ? 1 : 55);
}

static void expect(struct expected_fault e)
{
	static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
	struct sigaction act = {.sa_sigaction = on_expected, .sa_flags = SA_SIGINFO};

	expected = e;
	for (u32 i = 0; i < ARRAY_SIZE(faults); i++)
		sigaction(faults[i], &act, NULL);
}

#define FAULT(body, ...)                                         \
	IS(CHILD({                                               \
		   expect((struct expected_fault){__VA_ARGS__}); \
		   body;                                         \
	   }),                                                   \
	   EXITED(55))

extern const char divide_here[], undefined_here[];

TEST(fault_segv, "[P9] SIGSEGV: si_code, si_addr, error code and CR2 of reads, writes and jumps")
{
	u8 *p = pages(2, PROT_READ);

	FAULT(*(volatile u8 *)opaque(0x1238) = 1, SIGSEGV, SEGV_MAPERR, 0x1238, 6, 14);
	FAULT((void)*(volatile u8 *)opaque(0x1238), SIGSEGV, SEGV_MAPERR, 0x1238, 4, 14);
	FAULT((void)*(volatile u8 *)p; *(volatile u8 *)(p + 5) = 1, SIGSEGV, SEGV_ACCERR, (u64)p + 5, 7, 14);
	OK(mprotect(p + PAGE, PAGE, PROT_NONE));
	FAULT((void)*(volatile u8 *)(p + PAGE), SIGSEGV, SEGV_ACCERR, (u64)p + PAGE, 4, 14);
}

TEST(fault_exec, "[P9] SIGSEGV: a jump to memory that does not execute, or is not there")
{
	void (*volatile jump)(void) = (void (*)(void))pages(1, PROT_READ);

	FAULT((void)*(volatile u8 *)jump; jump(), SIGSEGV, SEGV_ACCERR, (u64)jump, 0x15, 14);
	jump = opaque(0x5000);
	FAULT(jump(), SIGSEGV, SEGV_MAPERR, 0x5000, 0x14, 14);
}

TEST(fault_noncanonical, "[P9] SIGSEGV: a non-canonical address is a general protection fault, SI_KERNEL")
{
	FAULT((void)*(volatile u8 *)opaque(0x800000000000), SIGSEGV, SI_KERNEL, 0, 0, 13);
	FAULT(*(volatile u8 *)opaque(0xfff0000000000000) = 1, SIGSEGV, SI_KERNEL, 0, 0, 13);
}

TEST(fault_fpe, "[P9] SIGFPE: division by zero and overflow of a division")
{
	FAULT(__asm__ volatile("xor %%edx, %%edx\nmov $1, %%eax\nxor %%ecx, %%ecx\n"
	                       ".globl divide_here\ndivide_here: div %%ecx" ::
	                               : "eax", "ecx", "edx"),
	      SIGFPE, FPE_INTDIV, (u64)divide_here, 0, 0);
	FAULT(__asm__ volatile("mov $0x80000000, %%eax\ncltd\nmov $-1, %%ecx\nidiv %%ecx" ::
	                               : "eax", "ecx", "edx"),
	      SIGFPE, FPE_INTDIV, ANY_ADDR, 0, 0);
}

TEST(fault_fpe_sse, "[P9] SIGFPE: an unmasked SSE exception tells which")
{
	static u32 mxcsr = 0x1f80 & ~0x200; /* divide by zero unmasked */

	SKIP_IF(on_emulator(), "the emulator raises no SSE exceptions");
	FAULT(__asm__ volatile("ldmxcsr %0\nmov $0x3f800000, %%eax\nmovd %%eax, %%xmm0\n"
	                       "xorps %%xmm1, %%xmm1\ndivss %%xmm1, %%xmm0" ::"m"(mxcsr)
	                       : "eax", "xmm0", "xmm1"),
	      SIGFPE, FPE_FLTDIV, ANY_ADDR, 0, 19);
	mxcsr = 0x1f80 & ~0x80; /* invalid operation unmasked */
	FAULT(__asm__ volatile("ldmxcsr %0\nxorps %%xmm0, %%xmm0\nxorps %%xmm1, %%xmm1\n"
	                       "divss %%xmm1, %%xmm0" ::"m"(mxcsr)
	                       : "xmm0", "xmm1"),
	      SIGFPE, FPE_FLTINV, ANY_ADDR, 0, 19);
}

TEST(fault_fpe_x87, "[P9] SIGFPE: an unmasked x87 exception comes with the next instruction")
{
	static u16 control = 0x37f & ~4; /* divide by zero unmasked */

	FAULT(__asm__ volatile("fninit\nfldcw %0\nfld1\nfldz\nfdivrp\nfwait" ::"m"(control)), SIGFPE,
	      FPE_FLTDIV, ANY_ADDR, 0, 16);
}

TEST(fault_ill, "[P9] SIGILL: ud2, ILL_ILLOPN, at its address")
{
	FAULT(__asm__ volatile(".globl undefined_here\nundefined_here: ud2"), SIGILL, ILL_ILLOPN,
	      (u64)undefined_here, 0, 6);
}

TEST(fault_privileged, "[I2] SIGSEGV with SI_KERNEL: a privileged instruction")
{
	FAULT(__asm__ volatile("hlt"), SIGSEGV, SI_KERNEL, 0, 0, 13);
}

TEST(fault_trap, "[I4] SIGTRAP: int3, with SI_KERNEL")
{
	FAULT(__asm__ volatile("int3"), SIGTRAP, SI_KERNEL, 0, 0, 3);
}

TEST(fault_bus, "[P9] SIGBUS: behind the end of a mapped file")
{
	u8 *p;
	int fd;

	enter_scratch();
	fd = make_file("file", "x", 1, 0600);
	p = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	NEED(p != MAP_FAILED);
	FAULT((void)*(volatile u8 *)(p + PAGE + 9), SIGBUS, BUS_ADRERR, (u64)p + PAGE + 9, 4, 14);
}

TEST(fault_alignment, "[I4] SIGBUS with BUS_ADRALN: an unaligned access with the AC flag set")
{
	static u8 buf[16] __attribute__((aligned(16)));

	SKIP_IF(on_emulator(), "the emulator does not check alignment");
	FAULT(__asm__ volatile("pushfq\norl $0x40000, (%%rsp)\npopfq\nmovl 1(%0), %%eax" ::"r"(buf)
	                       : "eax", "memory"),
	      SIGBUS, BUS_ADRALN, ANY_ADDR, 0, 17);
}

TEST(fault_blocked, "[P9] a fault while its signal is blocked or ignored ends the process")
{
	IS(CHILD(block(SIG_BLOCK, SIGSEGV); *(volatile u8 *)opaque(8) = 1), KILLED(SIGSEGV));
	IS(CHILD(handle(SIGSEGV, 0); block(SIG_BLOCK, SIGSEGV); *(volatile u8 *)opaque(8) = 1),
	   KILLED(SIGSEGV));
	IS(CHILD(signal(SIGSEGV, SIG_IGN); *(volatile u8 *)opaque(8) = 1), KILLED(SIGSEGV));
	IS(CHILD(signal(SIGILL, SIG_IGN); __asm__ volatile("ud2")), KILLED(SIGILL));
	IS(CHILD(signal(SIGFPE, SIG_IGN); __asm__ volatile("xor %%ecx, %%ecx\ndiv %%ecx" ::
	                                                           : "eax", "ecx", "edx")),
	   KILLED(SIGFPE));
}

static void on_segv_again(int sig)
{
	(void)sig;
	*(volatile u8 *)opaque(16) = 1;
}

TEST(fault_in_handler, "[P9] a second fault inside the handler ends the process")
{
	IS(CHILD(signal(SIGSEGV, on_segv_again); *(volatile u8 *)opaque(8) = 1), KILLED(SIGSEGV));
}

/* --- the frame --- */

static void on_skip(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)sig;
	(void)info;
	uc->uc_mcontext.gregs[REG_RIP] += 2; /* ud2 */
	uc->uc_mcontext.gregs[REG_RAX] = 0x1234;
	count++;
}

TEST(context_changed, "[P9] what a handler writes into the context is what the program goes on with")
{
	struct sigaction act = {.sa_sigaction = on_skip, .sa_flags = SA_SIGINFO};
	u64 rax = 1;

	sigaction(SIGILL, &act, NULL);
	__asm__ volatile("ud2" : "+a"(rax));
	IS(rax, 0x1234);
	IS(count, 1);
}

/* Fill every general register, get a signal, compare. The handler spoils what it can. */
static void on_spoil(int sig)
{
	(void)sig;
	count++;
	__asm__ volatile("xor %%eax, %%eax\nxor %%ecx, %%ecx\nxor %%edx, %%edx\nxor %%esi, %%esi\n"
	                 "xor %%edi, %%edi\nxor %%r8d, %%r8d\nxor %%r9d, %%r9d\nxor %%r10d, %%r10d\n"
	                 "xor %%r11d, %%r11d\nxorps %%xmm0, %%xmm0\nxorps %%xmm7, %%xmm7\n"
	                 "xorps %%xmm15, %%xmm15\nfninit\nstd\ncld\n" ::
	                         : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "xmm0",
	                           "xmm7", "xmm15", "cc");
}

TEST(registers_kept, "[I5] general, SSE and x87 registers and flags survive a handler")
{
	static u64 before[16], after[16];
	static u8 xmm_before[48], xmm_after[48];
	double x87 = 0;
	struct itimerval timer = {{0, 1000}, {0, 1000}};

	signal(SIGALRM, on_spoil);
	for (u32 i = 0; i < 48; i++)
		xmm_before[i] = i * 5 + 1;
	for (u32 i = 0; i < 16; i++)
		before[i] = 0x0123456789abcdef * (i + 1);
	OK(setitimer(ITIMER_REAL, &timer, NULL));
	__asm__ volatile(
	        "fninit\nfldpi\n"
	        "movups 0(%[xb]), %%xmm0\nmovups 16(%[xb]), %%xmm7\nmovups 32(%[xb]), %%xmm15\n"
	        "mov 0(%[b]), %%r8\nmov 8(%[b]), %%r9\nmov 16(%[b]), %%r10\nmov 24(%[b]), %%r11\n"
	        "mov 32(%[b]), %%r12\nmov 40(%[b]), %%r13\nmov 48(%[b]), %%rdx\nmov 56(%[b]), %%rcx\n"
	        "stc\n"
	        "1: pause\ncmpl $3, %[count]\nlea 0(%%rcx), %%rcx\njl 1b\n"
	        "mov %%r8, 0(%[a])\nmov %%r9, 8(%[a])\nmov %%r10, 16(%[a])\nmov %%r11, 24(%[a])\n"
	        "mov %%r12, 32(%[a])\nmov %%r13, 40(%[a])\nmov %%rdx, 48(%[a])\nmov %%rcx, 56(%[a])\n"
	        "movups %%xmm0, 0(%[xa])\nmovups %%xmm7, 16(%[xa])\nmovups %%xmm15, 32(%[xa])\n"
	        "fstpl %[x87]\n"
	        : [count] "+m"(count), [x87] "=m"(x87)
	        : [b] "r"(before), [a] "r"(after), [xb] "r"(xmm_before), [xa] "r"(xmm_after)
	        : "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "xmm0", "xmm7", "xmm15", "memory",
	          "cc");
	memset(&timer, 0, sizeof(timer));
	setitimer(ITIMER_REAL, &timer, NULL);
	for (u32 i = 0; i < 8; i++)
		IS(after[i], before[i]);
	CHECK(memcmp(xmm_before, xmm_after, 48) == 0);
	CHECK(x87 > 3.14159 && x87 < 3.1416);
}

static u8 xmm_found[16];

/* The handler finds fresh registers, and leaves a frame without extended state but for x87 and SSE. */
static void on_plain_frame(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)sig;
	(void)info;
	__asm__ volatile("movups %%xmm7, %0" : "=m"(xmm_found));
	__asm__ volatile("pcmpeqb %%xmm7, %%xmm7" ::: "xmm7");
	memset((u8 *)uc->uc_mcontext.fpregs + 464, 0, 4); /* magic1 */
	count++;
}

TEST(plain_frame, "[I5] a frame that holds only x87 and SSE brings these back")
{
	struct sigaction act = {.sa_sigaction = on_plain_frame, .sa_flags = SA_SIGINFO};
	static const u8 zero[16], before[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
	u8 after[16];

	sigaction(SIGUSR1, &act, NULL);
	__asm__ volatile("movups %1, %%xmm7\nsyscall\nmovups %%xmm7, %0"
	                 : "=m"(after)
	                 : "m"(before), "a"(SYS_kill), "D"(getpid()), "S"(SIGUSR1)
	                 : "rcx", "r11", "xmm7", "memory");
	IS(count, 1);
	CHECK(memcmp(xmm_found, zero, 16) == 0);
	CHECK(memcmp(after, before, 16) == 0);
}

TEST(frame_untouched, "[P9] a frame on pages that were never touched, and on one that may not be written")
{
	u8 *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	handle(SIGUSR1, SA_ONSTACK);
	for (u32 at = 0; at < PAGE; at += 64) { /* each part of the frame comes to lie across the border */
		stack_t ss = {.ss_sp = p, .ss_size = 3 * PAGE + at};

		OK(madvise(p, 4 * PAGE, MADV_DONTNEED));
		OK(sigaltstack(&ss, NULL));
		raise(SIGUSR1);
	}
	IS(count, PAGE / 64);
	OK(mprotect(p + 3 * PAGE, PAGE, PROT_READ));
	IS(CHILD(raise(SIGUSR1)), KILLED(SIGSEGV));
}

TEST(red_zone, "[P9] a handler leaves the 128 bytes below the stack pointer alone")
{
	u64 low = 0, high = 0;

	handle(SIGUSR1, 0);
	__asm__ volatile(
	        "movq $0x1111, -8(%%rsp)\nmovq $0x2222, -128(%%rsp)\n"
	        "mov $39, %%eax\nsyscall\nmov %%eax, %%edi\nmov $10, %%esi\nmov $62, %%eax\nsyscall\n"
	        "mov -8(%%rsp), %0\nmov -128(%%rsp), %1\n"
	        : "=&r"(high), "=&r"(low)
	        :
	        : "rax", "rcx", "rdi", "rsi", "r11", "memory");
	IS(count, 1);
	IS(high, 0x1111);
	IS(low, 0x2222);
}

static volatile u64 handler_rsp, handler_flags;

static void on_alignment(int sig)
{
	(void)sig;
	handler_rsp = (u64)__builtin_frame_address(0);
	__asm__ volatile("pushfq\npopq %0" : "=r"(handler_flags));
}

TEST(handler_entry, "[P9] a handler starts with an aligned stack and a clear direction flag")
{
	signal(SIGUSR1, on_alignment);
	__asm__ volatile(
	        "std\nmov $39, %%eax\nsyscall\nmov %%eax, %%edi\nmov $10, %%esi\nmov $62, %%eax\nsyscall\n"
	        "cld\n" ::
	                : "rax", "rcx", "rdi", "rsi", "r11", "memory", "cc");
	IS(handler_rsp % 16, 0); /* the frame pointer's slot: 16 below the aligned call */
	IS(handler_flags & 0x400, 0);
}

/* --- timers --- */

TEST(alarm_fires, "[P9] alarm sends SIGALRM, and tells what was left")
{
	handle(SIGALRM, 0);
	IS(alarm(50), TEST_SECONDS);
	IS(alarm(1), 50);
	FAILS(pause(), EINTR);
	IS(count, 1);
	IS(alarm(0), 0);
}

TEST(interval_fires, "[P9] setitimer repeats until it is stopped")
{
	struct itimerval timer = {{0, 20000}, {0, 20000}}, off = {{0, 0}, {0, 0}}, now;

	handle(SIGALRM, SA_SIGINFO);
	OK(setitimer(ITIMER_REAL, &timer, NULL));
	while (count < 3)
		pause();
	OK(getitimer(ITIMER_REAL, &now));
	IS(now.it_interval.tv_usec, 20000);
	CHECK(now.it_value.tv_usec <= 20000);
	OK(setitimer(ITIMER_REAL, &off, &now));
	IS(last_info.si_code, SI_KERNEL);
	count = 0;
	sleep_ms(60);
	IS(count, 0);
	timer.it_value.tv_usec = 1000000;
	FAILS(setitimer(ITIMER_REAL, &timer, NULL), EINVAL);
	FAILS(setitimer(77, &off, NULL), EINVAL);
}

/* --- under load --- */

TEST(storm, "[P9] a storm of signals from four processes: none tears the program's state")
{
	volatile u64 a = 1, b = 2, rounds = 0;
	pid_t parent = getpid(), sender[4];

	handle(SIGUSR1, 0);
	handle(SIGUSR2, SA_NODEFER);
	for (u32 i = 0; i < 4; i++)
		sender[i] = SPAWN({
			for (u32 k = 0; k < 200; k++) {
				kill(parent, i % 2 ? SIGUSR1 : SIGUSR2);
				if (k % 8 == 0)
					sched_yield();
			}
		});
	while (kill(sender[3], 0) == 0 && rounds < 2000) {
		u64 sum = 0;

		for (u32 i = 0; i < 1000; i++)
			sum += a * i + b;
		if (sum != 499500 + 2000)
			note("sum is %llu", (unsigned long long)sum);
		CHECK(sum == 499500 + 2000);
		rounds++;
	}
	for (u32 i = 0; i < 4; i++)
		IS(wait_status(sender[i]), EXITED(0));
	CHECK(count > 0);
}
