/* Preemption: programs that never make a system call all advance, evenly, and do not disturb the others. */
#include "testsuite/prog/tap.h"

#include <sched.h>
#include <sys/times.h>

struct spinner {
	volatile u64 count;
	volatile bool stop;
	u8 pad[64 - 9];
};

static struct spinner *spinners;
static pid_t spinner_pid[8];

/* All on one CPU, so that they compete. */
static void one_cpu(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	sched_setaffinity(0, sizeof(one), &one);
}

static void spinners_start(u32 n)
{
	spinners = shared_pages(1);
	one_cpu();
	for (u32 i = 0; i < n; i++)
		spinner_pid[i] = SPAWN({
			struct spinner *s = &spinners[i];

			while (!s->stop)
				s->count++;
		});
}

static void spinners_stop(u32 n)
{
	for (u32 i = 0; i < n; i++)
		spinners[i].stop = true;
	for (u32 i = 0; i < n; i++)
		IS(wait_status(spinner_pid[i]), EXITED(0));
}

/* Let the spinners run until each has had some MS of CPU, as the first one's count tells. */
static void run_for(u32 n, u64 ms)
{
	for (u32 i = 0; i < n; i++)
		UNTIL(spinners[i].count > 0);
	sleep_ms(ms);
}

TEST(both_advance, "[P11] two programs without system calls both advance, and the parent wakes in time")
{
	u64 first[2], start;

	spinners_start(2);
	run_for(2, 100);
	for (u32 round = 0; round < 5; round++) {
		first[0] = spinners[0].count;
		first[1] = spinners[1].count;
		start = now_ns();
		sleep_ms(200);
		CHECK(now_ns() - start < 5000000000UL);
		UNTIL(spinners[0].count > first[0]);
		UNTIL(spinners[1].count > first[1]);
	}
	spinners_stop(2);
}

/* CPU time as the kernel accounts it: the work done per time is not the same for all under an emulator. */
static u64 cpu_ns(pid_t pid)
{
	struct rusage usage;
	int status;

	NEED(wait4(pid, &status, 0, &usage) == pid);
	IS(status, EXITED(0));
	return (usage.ru_utime.tv_sec * 1000000UL + usage.ru_utime.tv_usec) * 1000;
}

/* An emulator that is itself held up charges that time to whoever runs: one good round of five is proof. */
#define ONE_OF_FIVE(round)                               \
	do {                                             \
		bool good_ = false;                      \
		for (u32 i_ = 0; i_ < 5 && !good_; i_++) \
			good_ = (round);                 \
		CHECK(good_);                            \
	} while (0)

static bool cpu_time_even(u32 n)
{
	u64 least = ~0UL, most = 0;

	spinners_start(n);
	run_for(n, 1500);
	for (u32 i = 0; i < n; i++)
		spinners[i].stop = true;
	for (u32 i = 0; i < n; i++) {
		u64 ns = cpu_ns(spinner_pid[i]);

		least = ns < least ? ns : least;
		most = ns > most ? ns : most;
	}
	say("# CPU time of %u: least %llu us, most %llu us\n", n, (unsigned long long)least / 1000,
	    (unsigned long long)most / 1000);
	return least * 3 > most * 2;
}

TEST(two_even, "[P11] two share the CPU evenly")
{
	ONE_OF_FIVE(cpu_time_even(2));
}

TEST(four_even, "[P11] four share the CPU evenly")
{
	ONE_OF_FIVE(cpu_time_even(4));
}

static bool counts_even(void)
{
	u64 a, b;

	spinners_start(2);
	run_for(2, 1500);
	a = spinners[0].count;
	b = spinners[1].count;
	spinners_stop(2);
	say("# counts %llu and %llu\n", (unsigned long long)a, (unsigned long long)b);
	return a < 2 * b && b < 2 * a;
}

TEST(even_counts, "[P11] what two equal programs count is about the same")
{
	ONE_OF_FIVE(counts_even());
}

TEST(own_pid, "[P1] getpid is the caller's own while others spin")
{
	pid_t child[4];

	spinners_start(2);
	for (u32 i = 0; i < 4; i++)
		child[i] = SPAWN({
			pid_t me = syscall(SYS_getpid);
			u64 end = now_ns() + 300000000;

			while (now_ns() < end)
				for (u32 k = 0; k < 100; k++)
					CHECK(syscall(SYS_getpid) == me && syscall(SYS_gettid) == me);
		});
	for (u32 i = 0; i < 4; i++)
		IS(wait_status(child[i]), EXITED(0));
	spinners_stop(2);
}

TEST(spinner_killed, "[P11] a program that spins can be stopped, continued and killed")
{
	u64 count;
	int status;

	spinners_start(1);
	run_for(1, 50);
	OK(kill(spinner_pid[0], SIGSTOP));
	IS(waitpid(spinner_pid[0], &status, WUNTRACED), spinner_pid[0]);
	CHECK(WIFSTOPPED(status));
	count = spinners[0].count;
	sleep_ms(50);
	IS(spinners[0].count, count);
	OK(kill(spinner_pid[0], SIGCONT));
	UNTIL(spinners[0].count > count);
	OK(kill(spinner_pid[0], SIGKILL));
	IS(wait_status(spinner_pid[0]), KILLED(SIGKILL));
}

TEST(times_told_apart, "[P11] time in user mode and in the kernel are told apart")
{
	struct rusage usage;
	pid_t child;
	int status, fd = OK(open("/dev/zero", O_RDONLY));
	u8 *buf = pages(256, PROT_READ | PROT_WRITE);
	u64 user, kernel;

	child = SPAWN({
		u64 end = now_ns() + 500000000;

		while (now_ns() < end)
			for (volatile u32 i = 0; i < 100000; i++)
				;
	});
	IS(wait4(child, &status, 0, &usage), child);
	user = usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec;
	kernel = usage.ru_stime.tv_sec * 1000000 + usage.ru_stime.tv_usec;
	CHECK(user > 3 * kernel);
	child = SPAWN({
		u64 end = now_ns() + 500000000;

		while (now_ns() < end)
			for (u32 i = 0; i < 20; i++)
				NEED(read(fd, buf, 256 * PAGE) == 256 * (ssize_t)PAGE);
	});
	IS(wait4(child, &status, 0, &usage), child);
	user = usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec;
	kernel = usage.ru_stime.tv_sec * 1000000 + usage.ru_stime.tv_usec;
	CHECK(kernel > 3 * user);
}

TEST(cpu_clock, "[P11] the CPU clock counts while running, not while asleep")
{
	struct timespec a, b;

	OK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a));
	sleep_ms(300);
	OK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b));
	CHECK((b.tv_sec - a.tv_sec) * 1000000000L + b.tv_nsec - a.tv_nsec < 200000000L);
	for (volatile u32 i = 0; i < 10000000; i++)
		;
	OK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a));
	CHECK((a.tv_sec - b.tv_sec) * 1000000000L + a.tv_nsec - b.tv_nsec > 1000000L);
}

static bool niced_gets_less(void)
{
	u64 nice_ns, full_ns;

	spinners_start(2);
	OK(setpriority(PRIO_PROCESS, spinner_pid[1], 10));
	run_for(2, 1500);
	spinners[0].stop = spinners[1].stop = true;
	full_ns = cpu_ns(spinner_pid[0]);
	nice_ns = cpu_ns(spinner_pid[1]);
	say("# nice 0: %llu us, nice 10: %llu us\n", (unsigned long long)full_ns / 1000,
	    (unsigned long long)nice_ns / 1000);
	return nice_ns > 0 && nice_ns * 2 < full_ns;
}

TEST(nice_share, "[P11] a niced program gets less than its even share, but some")
{
	ONE_OF_FIVE(niced_gets_less());
}

static bool sleepers_in_order(void)
{
	bool in_order = true;
	u64 base = now_ns() + 500000000;
	volatile u32 *order = shared_pages(1);
	pid_t child[10];

	spinners_start(2);
	for (u32 i = 0; i < 10; i++)
		child[i] = SPAWN({
			u64 at = base + (10 - i) * 150000000;
			struct timespec ts = {at / 1000000000, at % 1000000000};

			clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
			order[1 + __sync_fetch_and_add(&order[0], 1)] = i;
		});
	for (u32 i = 0; i < 10; i++)
		IS(wait_status(child[i]), EXITED(0));
	for (u32 i = 0; i < 10; i++)
		in_order &= order[1 + i] == 9 - i;
	spinners_stop(2);
	return in_order;
}

TEST(sleepers_wake, "[P11] ten sleepers wake in order of their time while two spin")
{
	ONE_OF_FIVE(sleepers_in_order());
}
