/* Processes: numbers, families, groups, sessions, ends, what wait4 tells. */
#include "testsuite/prog/tap.h"

#include <sched.h>
#include <sys/prctl.h>
#include <sys/times.h>

/* --- numbers --- */

TEST(pids_unique, "[P1] two hundred living processes all have different pids, and each its own getpid")
{
	enum {
		N = 200
	};
	pid_t *seen = shared_pages(1), child[N];
	int gate[2];
	char c;

	OK(pipe(gate));
	for (u32 i = 0; i < N; i++)
		child[i] = SPAWN({
			close(gate[1]);
			seen[i] = getpid();
			for (u32 k = 0; k < 50; k++) {
				sched_yield();
				CHECK(syscall(SYS_getpid) == seen[i]);
			}
			NEED(read(gate[0], &c, 1) == 0);
			IS(syscall(SYS_getpid), seen[i]);
			IS(syscall(SYS_gettid), seen[i]);
		});
	close(gate[1]);
	for (u32 i = 0; i < N; i++)
		IS(wait_status(child[i]), EXITED(0));
	for (u32 i = 0; i < N; i++) {
		IS(seen[i], child[i]);
		for (u32 k = 0; k < i; k++)
			CHECK(child[i] != child[k]);
	}
}

TEST(pids_advance, "[P1] a pid is not given again at once")
{
	pid_t last = 0, pid;

	for (u32 i = 0; i < 100; i++) {
		pid = SPAWN(_exit(0));
		CHECK(pid != last);
		last = pid;
		IS(wait_status(pid), EXITED(0));
	}
}

TEST(parent_number, "[P1] getppid is the parent's pid, under load too")
{
	pid_t parent = getpid(), child[20];

	for (u32 i = 0; i < 20; i++)
		child[i] = SPAWN({
			for (u32 k = 0; k < 200; k++) {
				CHECK(getppid() == parent);
				if (k % 10 == 0)
					sched_yield();
			}
		});
	for (u32 i = 0; i < 20; i++)
		IS(wait_status(child[i]), EXITED(0));
}

/* --- ends --- */

TEST(exit_codes, "[P9] wait4 tells the low 8 bits of the exit code")
{
	static const int codes[] = {0, 1, 42, 127, 128, 200, 255, 256, 511, -1, 0x1234};

	for (u32 i = 0; i < ARRAY_SIZE(codes); i++)
		IS(CHILD(_exit(codes[i])), EXITED(codes[i] & 0xff));
	IS(CHILD(syscall(SYS_exit, 17)), EXITED(17));
}

TEST(wait_kinds, "[P9] wait4 for one, for any, for a group")
{
	pid_t a = SPAWN(_exit(1)), b, c;
	int status;

	IS(waitpid(a, &status, 0), a);
	b = SPAWN(_exit(2));
	IS(waitpid(-1, &status, 0), b);
	IS(status, EXITED(2));
	b = SPAWN(_exit(3));
	IS(waitpid(0, &status, 0), b);
	b = SPAWN(setpgid(0, 0); sleep_ms(100); _exit(4));
	c = SPAWN(_exit(5));
	setpgid(b, b);
	IS(waitpid(-b, &status, 0), b);
	IS(status, EXITED(4));
	IS(waitpid(c, &status, 0), c);
	IS(status, EXITED(5));
	FAILS(waitpid(-1, &status, 0), ECHILD);
}

TEST(wait_errors, "[P9] wait4: ECHILD, EINVAL, and nothing yet with WNOHANG")
{
	pid_t child;
	int status, gate[2];
	char c;

	FAILS(waitpid(-1, &status, WNOHANG), ECHILD);
	FAILS(waitpid(1, &status, 0), ECHILD);
	FAILS(waitpid(getpid(), &status, 0), ECHILD);
	FAILS(waitpid(-1, &status, 0x100), EINVAL);
	OK(pipe(gate));
	child = SPAWN(close(gate[1]); NEED(read(gate[0], &c, 1) == 0));
	IS(waitpid(child, &status, WNOHANG), 0);
	IS(waitpid(-1, &status, WNOHANG), 0);
	close(gate[1]);
	IS(wait_status(child), EXITED(0));
	FAILS(waitpid(child, &status, 0), ECHILD);
	FAILS(syscall(SYS_wait4, 0x80000000, &status, 0, 0), ESRCH);
}

TEST(not_my_child, "[P9] neither siblings nor grandchildren can be waited for")
{
	pid_t sibling = SPAWN(sleep_ms(200));
	int status;

	IS(CHILD(FAILS(waitpid(sibling, &status, 0), ECHILD)), EXITED(0));
	IS(wait_status(sibling), EXITED(0));
}

TEST(zombie, "[P9] an ended child keeps its pid until it is waited for")
{
	pid_t child = SPAWN(_exit(6)), other;
	int status;

	sleep_ms(50);
	IS(kill(child, 0), 0);
	IS(kill(child, SIGKILL), 0);
	IS(getpgid(child), getpgrp());
	other = SPAWN(_exit(0));
	CHECK(other != child);
	IS(wait_status(other), EXITED(0));
	IS(waitpid(child, &status, 0), child);
	IS(status, EXITED(6));
	FAILS(kill(child, 0), ESRCH);
}

/* gone: PID is no more. A host's own pid 1 may take its time to collect. */
static bool gone(pid_t pid)
{
	return (kill(pid, 0) < 0 && errno == ESRCH) || (!on_bulkhead() && process_state(pid) == 'Z');
}

TEST(orphan, "[P9] an orphan becomes a child of pid 1, which waits for it")
{
	volatile pid_t *shared = shared_pages(1);

	IS(CHILD({
		   SPAWN({
			   pid_t parent = getppid();

			   shared[0] = getpid();
			   UNTIL(getppid() != parent);
			   shared[1] = getppid();
			   shared[2] = 1;
		   });
		   UNTIL(shared[0]);
	   }),
	   EXITED(0));
	UNTIL(shared[2]);
	if (on_bulkhead()) /* on Linux it may be a subreaper */
		IS(shared[1], 1);
	UNTIL(gone(shared[0]));
}

TEST(orphan_zombie, "[P9] a zombie of which the parent ends disappears")
{
	volatile pid_t *shared = shared_pages(1);

	IS(CHILD({
		   shared[0] = SPAWN(_exit(0));
		   sleep_ms(50);
	   }),
	   EXITED(0));
	UNTIL(gone(shared[0]));
}

TEST(parent_ends_first, "[P9] two hundred orphans in a row are all collected")
{
	volatile pid_t *shared = shared_pages(1);

	for (u32 i = 0; i < 200; i++)
		IS(CHILD(shared[i] = SPAWN(_exit(0))), EXITED(0));
	for (u32 i = 0; i < 200; i++)
		UNTIL(gone(shared[i]));
}

TEST(death_signal, "[P9] PR_SET_PDEATHSIG tells the child that its parent ended")
{
	volatile pid_t *shared = shared_pages(1);

	IS(CHILD({
		   SPAWN({
			   OK(prctl(PR_SET_PDEATHSIG, SIGKILL));
			   shared[0] = getpid();
			   for (;;)
				   pause();
		   });
		   UNTIL(shared[0]);
	   }),
	   EXITED(0));
	UNTIL(gone(shared[0]));
}

TEST(many_children, "[P9] three hundred children at once, waited for in any order, each with its code")
{
	enum {
		N = 300
	};
	pid_t child[N];
	u32 seen = 0;
	int status;

	for (u32 i = 0; i < N; i++)
		child[i] = SPAWN(_exit(i % 251));
	for (u32 i = 0; i < N; i++) {
		pid_t pid = OK(waitpid(-1, &status, 0));

		for (u32 k = 0; k < N; k++)
			if (child[k] == pid) {
				IS(status, EXITED((int)k % 251));
				child[k] = 0;
				seen++;
			}
	}
	IS(seen, N);
}

/* --- groups and sessions --- */

TEST(groups, "[P9] setpgid: oneself, a child, errors")
{
	int gate[2];
	pid_t child;
	char c;

	IS(getpgrp(), getpid()); /* the runner makes each test a group */
	IS(setpgid(0, 0), 0);
	OK(pipe(gate));
	child = SPAWN(close(gate[1]); NEED(read(gate[0], &c, 1) == 0));
	IS(getpgid(child), getpgrp());
	IS(setpgid(child, child), 0);
	IS(getpgid(child), child);
	IS(setpgid(child, getpgrp()), 0);
	FAILS(setpgid(child, 0x7ffffff0), EPERM);
	FAILS(setpgid(child, -1), EINVAL);
	FAILS(setpgid(0x7ffffff0, 0), ESRCH);
	FAILS(setpgid(getppid(), 0), ESRCH);
	FAILS(getpgid(0x7ffffff0), ESRCH);
	close(gate[1]);
	IS(wait_status(child), EXITED(0));
}

TEST(group_after_exec, "[P9] setpgid of a child that has executed is EACCES")
{
	char *argv[] = {"procs", "@wait", NULL};
	int gate[2], ready[2];
	pid_t child;
	char c;

	OK(pipe2(ready, O_CLOEXEC));
	OK(pipe(gate));
	child = SPAWN({
		dup2(gate[0], 0);
		close(gate[1]);
		execv("/proc/self/exe", argv);
	});
	close(ready[1]);
	NEED(read(ready[0], &c, 1) == 0); /* closed by exec */
	FAILS(setpgid(child, child), EACCES);
	close(gate[1]);
	IS(wait_status(child), EXITED(0));
}

int role_main(int argc, char **argv)
{
	char c;

	(void)argc;
	(void)argv;
	return read(0, &c, 1) == 0 ? 0 : 1;
}

TEST(sessions, "[P9] setsid: a new session and group; not by a group's leader")
{
	pid_t session = getsid(0);

	FAILS(setsid(), EPERM); /* leader of its group */
	IS(CHILD({
		   IS(getsid(0), session);
		   IS(setsid(), getpid());
		   IS(getsid(0), getpid());
		   IS(getpgrp(), getpid());
		   FAILS(setsid(), EPERM);
		   FAILS(setpgid(0, 0), EPERM);
	   }),
	   EXITED(0));
	FAILS(getsid(0x7ffffff0), ESRCH);
}

TEST(other_session, "[P9] a group of another session cannot be joined")
{
	int gate[2], ready[2];
	pid_t child;
	char c;

	OK(pipe(gate));
	OK(pipe(ready));
	child = SPAWN({
		close(gate[1]);
		OK(setsid());
		NEED(write(ready[1], "x", 1) == 1);
		NEED(read(gate[0], &c, 1) == 0);
	});
	NEED(read(ready[0], &c, 1) == 1);
	FAILS(setpgid(child, getpgrp()), EPERM);
	IS(CHILD(FAILS(setpgid(0, child), EPERM)), EXITED(0));
	close(gate[1]);
	IS(wait_status(child), EXITED(0));
}

/* A stopped process of a group that becomes orphaned gets SIGHUP and SIGCONT (POSIX, _exit). */
TEST(orphaned_group, "[P9] an orphaned group with a stopped member gets SIGHUP and SIGCONT")
{
	volatile pid_t *shared = shared_pages(1);

	IS(CHILD({
		   OK(setsid());
		   IS(CHILD({
			      pid_t child = SPAWN({
				      setpgid(0, 0);
				      shared[0] = getpid();
				      kill(getpid(), SIGSTOP);
				      for (;;)
					      pause();
			      });
			      int status;

			      IS(waitpid(child, &status, WUNTRACED), child);
			      CHECK(WIFSTOPPED(status));
		      }),
		      EXITED(0));
		   UNTIL(gone(shared[0]));
	   }),
	   EXITED(0));
}

/* --- usage --- */

static void burn(u64 ms)
{
	struct rusage usage;
	volatile u64 n;

	do {
		for (n = 0; n < 100000; n++)
			;
		getrusage(RUSAGE_SELF, &usage);
	} while (usage.ru_utime.tv_sec * 1000 + usage.ru_utime.tv_usec / 1000 < (i64)ms);
}

TEST(child_usage, "[P11] a child's CPU time shows in wait4's usage, RUSAGE_CHILDREN and times")
{
	struct rusage usage, children;
	pid_t child = SPAWN(burn(200));
	struct tms tms;
	int status;

	IS(wait4(child, &status, 0, &usage), child);
	OK(getrusage(RUSAGE_CHILDREN, &children));
	CHECK(usage.ru_utime.tv_sec > 0 || usage.ru_utime.tv_usec >= 190000);
	CHECK(usage.ru_utime.tv_sec < 60);
	CHECK(children.ru_utime.tv_sec > 0 || children.ru_utime.tv_usec >= 190000);
	times(&tms);
	CHECK(tms.tms_cutime >= 15);
	FAILS(getrusage(5, &usage), EINVAL);
}

TEST(fault_counts, "[P11] touched pages are counted as minor faults, a child's in its usage")
{
	struct rusage before, after;
	u8 *p = pages(200, PROT_READ | PROT_WRITE);

	OK(madvise(p, 200 * PAGE, MADV_NORMAL));
	OK(getrusage(RUSAGE_SELF, &before));
	for (u32 i = 0; i < 200; i++)
		p[i * PAGE] = 1;
	OK(getrusage(RUSAGE_SELF, &after));
	CHECK(after.ru_minflt - before.ru_minflt >= 10); /* Linux may bring in several at once */
	pid_t child = SPAWN(for (u32 i = 0; i < 200; i++) p[i * PAGE] = 2);
	int status;

	IS(wait4(child, &status, 0, &after), child);
	CHECK(after.ru_minflt >= 200);
}

/* --- priorities --- */

TEST(nice_values, "[P11] getpriority and setpriority: inherited, bounded")
{
	IS(syscall(SYS_getpriority, PRIO_PROCESS, 0), 20);
	OK(setpriority(PRIO_PROCESS, 0, 5));
	IS(getpriority(PRIO_PROCESS, 0), 5);
	IS(CHILD(IS(getpriority(PRIO_PROCESS, 0), 5); OK(setpriority(PRIO_PROCESS, 0, 100));
	         IS(getpriority(PRIO_PROCESS, 0), 19)),
	   EXITED(0));
	FAILS(getpriority(7, 0), EINVAL);
	FAILS(getpriority(PRIO_PROCESS, 0x7ffffff0), ESRCH);
}

TEST(fork_storm, "[P10] a tree of processes three deep and five wide, and all come home")
{
	int status = CHILD({
		for (u32 a = 0; a < 5; a++)
			SPAWN({
				for (u32 b = 0; b < 5; b++)
					SPAWN({
						for (u32 c = 0; c < 5; c++)
							SPAWN(_exit(0));
						while (wait(NULL) > 0)
							;
					});
				while (wait(NULL) > 0)
					;
			});
		u32 home = 0;

		while (wait(&status) > 0)
			home += status == 0;
		IS(home, 5);
	});

	IS(status, EXITED(0));
}
