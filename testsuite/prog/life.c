/* cflags: -pthread -idirafter /usr/include -idirafter /usr/include/x86_64-linux-gnu */
/* How processes come, what they set of themselves, and the timers of their CPU time. */
#include "testsuite/prog/tap.h"

#include <linux/membarrier.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/time.h>

#define STACK (64 * 1024)

static int prctl_(int option, u64 a, u64 b, u64 c, u64 d)
{
	return (int)syscall(SYS_prctl, option, a, b, c, d);
}

/* --- prctl --- */

TEST(timer_slack, "[X1] prctl: the timer slack is kept, inherited, set back by 0, and small means soon")
{
	OK(prctl_(PR_SET_TIMERSLACK, 1, 0, 0, 0));
	IS(prctl_(PR_GET_TIMERSLACK, 0, 0, 0, 0), 1);
	IS(CHILD({
		   IS(prctl_(PR_GET_TIMERSLACK, 0, 0, 0, 0), 1);
		   OK(prctl_(PR_SET_TIMERSLACK, 77777, 0, 0, 0));
		   OK(prctl_(PR_SET_TIMERSLACK, 0, 0, 0, 0));
		   IS(prctl_(PR_GET_TIMERSLACK, 0, 0, 0, 0), 1); /* what it was born with */
	   }),
	   0);
	OK(prctl_(PR_SET_TIMERSLACK, ~0UL, 0, 0, 0));
	IS(prctl_(PR_GET_TIMERSLACK, 0, 0, 0, 0), -1);
}

static void *name_thread(void *arg)
{
	char name[16];

	(void)arg;
	OK(prctl_(PR_SET_NAME, (u64) "other", 0, 0, 0));
	OK(prctl_(PR_GET_NAME, (u64)name, 0, 0, 0));
	IS_STR(name, "other");
	return NULL;
}

TEST(names, "[X1] prctl: each thread has a name of its own, of fifteen characters at most")
{
	char name[16];
	pthread_t t;

	OK(prctl_(PR_SET_NAME, (u64) "a name that is too long", 0, 0, 0));
	NEED(pthread_create(&t, NULL, name_thread, NULL) == 0);
	pthread_join(t, NULL);
	OK(prctl_(PR_GET_NAME, (u64)name, 0, 0, 0));
	IS_STR(name, "a name that is ");
	FAILS(prctl_(PR_SET_NAME, 8, 0, 0, 0), EFAULT);
}

TEST(flags,
     "[X1] prctl: dumpable, no_new_privs, keepcaps, subreaper, death signal: what is taken and what refused")
{
	int value = -1;

	IS(prctl_(PR_GET_DUMPABLE, 0, 0, 0, 0), 1);
	OK(prctl_(PR_SET_DUMPABLE, 0, 0, 0, 0));
	IS(prctl_(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
	FAILS(prctl_(PR_SET_DUMPABLE, 2, 0, 0, 0), EINVAL);
	IS(prctl_(PR_GET_KEEPCAPS, 0, 0, 0, 0), 0);
	OK(prctl_(PR_SET_KEEPCAPS, 1, 0, 0, 0));
	IS(prctl_(PR_GET_KEEPCAPS, 0, 0, 0, 0), 1);
	FAILS(prctl_(PR_SET_KEEPCAPS, 2, 0, 0, 0), EINVAL);
	FAILS(prctl_(PR_SET_PDEATHSIG, 65, 0, 0, 0), EINVAL);
	OK(prctl_(PR_SET_PDEATHSIG, 64, 0, 0, 0));
	OK(prctl_(PR_GET_PDEATHSIG, (u64)&value, 0, 0, 0));
	IS(value, 64);
	OK(prctl_(PR_SET_CHILD_SUBREAPER, 5, 0, 0, 0));
	OK(prctl_(PR_GET_CHILD_SUBREAPER, (u64)&value, 0, 0, 0));
	IS(value, 1);
	FAILS(prctl_(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), EINVAL);
	FAILS(prctl_(PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0), EINVAL);
	FAILS(prctl_(PR_GET_NO_NEW_PRIVS, 0, 0, 1, 0), EINVAL);
	IS(prctl_(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
	OK(prctl_(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	IS(CHILD({
		   IS(prctl_(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
		   OK(prctl_(PR_GET_PDEATHSIG, (u64)&value, 0, 0, 0));
		   IS(value, 0); /* not inherited, as is this: */
		   OK(prctl_(PR_GET_CHILD_SUBREAPER, (u64)&value, 0, 0, 0));
		   IS(value, 0);
	   }),
	   0);
	IS(prctl_(PR_GET_TIMING, 0, 0, 0, 0), 0);
	FAILS(prctl_(PR_SET_TIMING, 1, 0, 0, 0), EINVAL);
	IS(prctl_(PR_CAPBSET_READ, 0, 0, 0, 0), 1);
	FAILS(prctl_(PR_CAPBSET_READ, 64, 0, 0, 0), EINVAL);
	IS(prctl_(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 0, 0, 0), 0);
	OK(prctl_(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
	FAILS(prctl_(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 1, 0, 0), EINVAL);
	FAILS(prctl_(PR_CAP_AMBIENT, 99, 0, 0, 0), EINVAL);
	FAILS(prctl_(0x7fffffff, 0, 0, 0, 0), EINVAL);
	FAILS(prctl_(0, 0, 0, 0, 0), EINVAL);
}

/* --- orphans --- */

static volatile siginfo_t child_info;
static volatile u32 child_signals;

static void on_child(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	child_info = *info;
	child_signals++;
}

TEST(subreaper, "[P9] orphans go to the nearest subreaper, zombies among them are announced as they ended")
{
	struct sigaction act = {.sa_sigaction = on_child, .sa_flags = SA_SIGINFO | SA_RESTART};
	int status;

	for (u32 killed = 0; killed < 2; killed++) {
		pid_t *zombie = shared_pages(1);

		OK(prctl_(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));
		sigaction(SIGCHLD, &act, NULL);
		pid_t middle = SPAWN({
			signal(SIGCHLD, SIG_DFL);
			*zombie = SPAWN({
				if (killed)
					raise(SIGTERM);
				_exit(7);
			});
			UNTIL(process_state(*zombie) == 'Z');
			raise(SIGSTOP);
			pause();
		});
		OK(waitpid(middle, &status, WUNTRACED));
		/* This one's own end comes second and must not hide the other's. */
		struct sigaction ignore = {.sa_handler = SIG_DFL};
		child_signals = 0;
		kill(middle, SIGKILL);
		UNTIL(child_signals > 0);
		IS(child_info.si_signo, SIGCHLD);
		if (child_info.si_pid == *zombie) {
			IS(child_info.si_code, killed ? CLD_KILLED : CLD_EXITED);
			IS(child_info.si_status, killed ? SIGTERM : 7);
		}
		sigaction(SIGCHLD, &ignore, NULL);
		IS(wait_status(*zombie), killed ? KILLED(SIGTERM) : EXITED(7));
		IS(wait_status(middle), SIGKILL);
	}
}

/* --- signals to a group, and its newborn --- */

static volatile u32 *born;

static void fork_for_ever(void)
{
	u8 *much = pages(256 * 16, PROT_READ | PROT_WRITE);

	for (u32 i = 0; i < 256; i++) /* many tables, so that each fork takes its time */
		much[i * 16 * PAGE] = 1;
	for (;;) {
		/* Not the C library's, which blocks all signals first: one that comes just then goes past the child. */
		pid_t pid = syscall(SYS_fork);

		if (pid == 0) {
			__atomic_add_fetch(born, 1, __ATOMIC_SEQ_CST);
			for (;;)
				pause();
		}
		if (pid < 0)
			sched_yield();
		else
			waitpid(-1, NULL, WNOHANG);
	}
}

TEST(fork_signal, "[P8] a signal to a group reaches the child that is just being made")
{
	born = shared_pages(1);
	for (u32 round = 0; round < 60; round++) {
		*born = 0;
		pid_t leader = SPAWN({
			setpgid(0, 0);
			fork_for_ever();
		});

		setpgid(leader, leader);
		UNTIL(*born >= 1 + round % 5);
		OK(prctl_(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));
		kill(-leader, SIGTERM);
		alarm(10);
		for (;;) { /* all of the group end, of themselves */
			int status;
			pid_t got = waitpid(-leader, &status, 0);

			if (got < 0)
				break;
			IS(status, SIGTERM);
		}
		IS(errno, ECHILD);
		alarm(0);
	}
}

/* --- clone3 --- */

static volatile u32 ticks[65];

static void on_tick(int sig)
{
	ticks[sig]++;
}

static i64 clone3(const void *args, size_t size)
{
	return syscall(435, args, size);
}

TEST(clone3_sizes, "[X1] clone3: its structure may be shorter or longer than the kernel's")
{
	struct {
		struct clone_args args;
		u64 more[4];
	} a = {.args = {.exit_signal = SIGCHLD}};
	u8 *page = pages(3, PROT_READ | PROT_WRITE);

	for (size_t size = CLONE_ARGS_SIZE_VER0; size <= sizeof(a); size += 8) {
		pid_t pid = clone3(&a, size);

		if (pid == 0)
			_exit(3);
		IS(wait_status(pid), EXITED(3));
	}
	OK(mprotect(page + 2 * PAGE, PAGE, PROT_NONE));
	FAILS(clone3(&a, CLONE_ARGS_SIZE_VER0 - 8), EINVAL);
	FAILS(clone3(&a, 0), EINVAL);
	FAILS(clone3(page, PAGE + 8), E2BIG);
	a.more[1] = 1;
	FAILS(clone3(&a, sizeof(a)), E2BIG);
	FAILS(clone3(page + PAGE * 2 - 8, 64), EFAULT);
	FAILS(clone3(opaque(8), 64), EFAULT);
}

TEST(clone3_refused, "[X1] clone3: what it refuses")
{
	u8 *stack = pages(1, PROT_READ | PROT_WRITE);
	static const struct clone_args bad[] = {
	        {.flags = SIGCHLD},
	        {.exit_signal = 65},
	        {.exit_signal = SIGCHLD, .flags = CLONE_THREAD},
	        {.flags = CLONE_SIGHAND},
	        {.flags = CLONE_THREAD | CLONE_SIGHAND},
	        {.flags = CLONE_DETACHED},
	        {.flags = 1UL << 60},
	        {.stack_size = PAGE},
	        {.flags = CLONE_SIGHAND | CLONE_CLEAR_SIGHAND | CLONE_VM},
	        {.flags = CLONE_FS | CLONE_NEWNS},
	        {.flags = CLONE_PIDFD | CLONE_DETACHED},
	        {.set_tid_size = 1},
	        {.flags = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM, .exit_signal = SIGCHLD},
	        {.flags = CLONE_PARENT, .exit_signal = SIGCHLD},
	};

	for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
		errno = 0;
		if (clone3(&bad[i], sizeof(bad[i])) == 0)
			syscall(SYS_exit, 0);
		if (errno != EINVAL)
			note("number %u gives %s", i, strerror(errno));
		CHECK(errno == EINVAL);
	}
	struct clone_args a = {.stack = (u64)stack};
	FAILS(clone3(&a, sizeof(a)), EINVAL);
	a = (struct clone_args){.stack = 0x7ffffffff000, .stack_size = 2 * PAGE};
	FAILS(clone3(&a, sizeof(a)), EINVAL);
	IS(CHILD({ /* clone does not look at flags of the upper half */
		   i64 pid = syscall(SYS_clone, CLONE_CLEAR_SIGHAND | 1UL << 60 | SIGCHLD, 0, 0, 0, 0);

		   if (pid == 0)
			   _exit(0);
		   IS(wait_status(OK(pid)), 0);
	   }),
	   0);
}

static volatile u32 thread_ran;

TEST(clone3_vfork,
     "[X1] clone3: as posix_spawn uses it: a stack of its own, the caller waits, handlers are cleared")
{
	struct sigaction act = {.sa_handler = SIG_IGN}, now;
	u8 *stack = pages(STACK / PAGE, PROT_READ | PROT_WRITE);
	struct clone_args a = {.flags = CLONE_VM | CLONE_VFORK | CLONE_CLEAR_SIGHAND,
	                       .exit_signal = SIGCHLD,
	                       .stack = (u64)stack,
	                       .stack_size = STACK};
	i64 pid;

	sigaction(SIGUSR2, &act, NULL);
	act.sa_handler = on_tick;
	sigaction(SIGUSR1, &act, NULL);
	/* The child: thread_ran = 1; exit(9). It has no stack of the compiler's to return on. */
	__asm__ volatile(
	        "syscall\ntest %%eax, %%eax\njnz 1f\nmovl $1, %[ran]\nmov $9, %%edi\nmov $60, %%eax\n"
	        "syscall\n1:"
	        : "=a"(pid), [ran] "+m"(thread_ran)
	        : "a"(435), "D"(&a), "S"(sizeof(a))
	        : "rcx", "r11", "memory");
	CHECK(pid > 0);
	IS(thread_ran, 1); /* by now */
	IS(wait_status(pid), EXITED(9));
	OK(sigaction(SIGUSR1, NULL, &now));
	CHECK(now.sa_handler == act.sa_handler); /* the caller's are as before */
	a = (struct clone_args){.flags = CLONE_CLEAR_SIGHAND, .exit_signal = SIGCHLD};
	pid = clone3(&a, sizeof(a));
	if (pid == 0) {
		sigaction(SIGUSR1, NULL, &now);
		bool cleared = now.sa_handler == SIG_DFL;
		sigaction(SIGUSR2, NULL, &now);
		_exit(cleared && now.sa_handler == SIG_IGN ? 0 : 1);
	}
	IS(wait_status(pid), 0);
}

/* --- barriers, and what is refused --- */

TEST(membarrier, "[X1] membarrier: the commands, and EPERM before one is registered for")
{
	i64 known = OK(syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0));

	CHECK(known & MEMBARRIER_CMD_GLOBAL);
	CHECK(known & MEMBARRIER_CMD_PRIVATE_EXPEDITED);
	CHECK(known & MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
	FAILS(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0), EPERM);
	OK(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
	OK(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
	IS(CHILD(OK(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0))), 0);
	OK(syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0));
	FAILS(syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 1, 0), EINVAL);
	FAILS(syscall(SYS_membarrier, 1 << 20, 0, 0), EINVAL);
}

/* --- timers of CPU time --- */

static u64 cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000UL + t.tv_nsec;
}

TEST(cpu_timers, "[P11] ITIMER_VIRTUAL and ITIMER_PROF count the process's own CPU time, not while it sleeps")
{
	static const struct {
		int which, sig;
	} kinds[] = {{ITIMER_VIRTUAL, SIGVTALRM}, {ITIMER_PROF, SIGPROF}};

	for (u32 i = 0; i < 2; i++) {
		struct itimerval set = {{0, 40000}, {0, 40000}}, now, off = {{0, 0}, {0, 0}};

		signal(kinds[i].sig, on_tick);
		OK(setitimer(kinds[i].which, &set, NULL));
		sleep_ms(200);
		CHECK(ticks[kinds[i].sig] <= 1);
		ticks[kinds[i].sig] = 0;
		u64 start = cpu_ns();
		while (ticks[kinds[i].sig] < 5)
			;
		u64 took = cpu_ns() - start;
		CHECK(took > 100000000 && took < 600000000);
		if (took <= 100000000 || took >= 600000000)
			note("five times 40 ms took %llu ns", (unsigned long long)took);
		OK(getitimer(kinds[i].which, &now));
		IS(now.it_interval.tv_usec, 40000);
		CHECK(now.it_value.tv_sec == 0 && now.it_value.tv_usec <= 44000);
		CHECK(now.it_value.tv_usec > 0);
		IS(CHILD({ /* not inherited */
			   OK(getitimer(kinds[i].which, &now));
			   IS(now.it_value.tv_usec, 0);
		   }),
		   0);
		OK(setitimer(kinds[i].which, &off, &now));
		IS(now.it_interval.tv_usec, 40000);
		OK(getitimer(kinds[i].which, &now));
		IS(now.it_value.tv_usec, 0);
	}
	FAILS(setitimer(3, &(struct itimerval){0}, NULL), EINVAL);
	FAILS(getitimer(-1, &(struct itimerval){0}), EINVAL);
	IS(CHILD({
		   struct itimerval once = {{0, 0}, {0, 20000}};

		   signal(SIGPROF, SIG_DFL);
		   OK(setitimer(ITIMER_PROF, &once, NULL));
		   for (;;)
			   ;
	   }),
	   SIGPROF);
}

static void *end_early(void *arg)
{
	sleep_ms((u64)arg);
	return NULL;
}

TEST(threads_and_exit,
     "[P9] threads that make threads while the process ends or executes: none is left behind")
{
	for (u32 round = 0; round < 20; round++) {
		int status = CHILD({
			pthread_attr_t attr;

			pthread_attr_init(&attr);
			pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
			for (u32 i = 0; i < 30; i++) {
				pthread_t t;

				pthread_create(&t, &attr, end_early, (void *)(u64)(i % 3));
			}
			if (round % 2)
				execl("/bin/true", "true", NULL);
			_exit(0);
		});
		IS(status, 0);
	}
}
