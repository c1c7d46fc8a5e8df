/* Clocks, sleeping, interval timers. */
#include "testsuite/prog/tap.h"

#include <sys/time.h>
#include <sys/times.h>

/* The system calls themselves: a library may answer from memory. */
static u64 clock_ns(int clock)
{
	struct timespec ts;

	OK(syscall(SYS_clock_gettime, clock, &ts));
	CHECK(ts.tv_nsec >= 0 && ts.tv_nsec < 1000000000);
	return ts.tv_sec * 1000000000UL + ts.tv_nsec;
}

TEST(monotonic, "[P11] the monotonic clock never goes back, and advances by itself")
{
	u64 last = clock_ns(CLOCK_MONOTONIC), now, first = last;

	for (u32 i = 0; i < 20000; i++) {
		now = clock_ns(CLOCK_MONOTONIC);
		CHECK(now >= last);
		last = now;
	}
	CHECK(last > first);
}

TEST(monotonic_together, "[P11] the monotonic clock is one for all processes")
{
	volatile u64 *shared = shared_pages(1);
	pid_t child[3];

	for (u32 i = 0; i < 3; i++)
		child[i] = SPAWN({
			for (u32 k = 0; k < 2000; k++) {
				u64 seen = shared[0], now = clock_ns(CLOCK_MONOTONIC);

				CHECK(now >= seen);
				if (now > shared[0])
					shared[0] = now;
				if (k % 50 == 0)
					syscall(SYS_sched_yield);
			}
		});
	for (u32 i = 0; i < 3; i++)
		IS(wait_status(child[i]), EXITED(0));
}

TEST(real_time, "[I4] real time is of this decade, and time, gettimeofday and clock_gettime agree")
{
	struct timeval tv;
	u64 real = clock_ns(CLOCK_REALTIME) / 1000000000;
	time_t t = syscall(SYS_time, NULL), stored = 0;

	OK(syscall(SYS_gettimeofday, &tv, NULL));
	CHECK(real > 1700000000 && real < 4000000000);
	CHECK(t - real <= 2);
	CHECK(tv.tv_sec - real <= 2);
	IS(syscall(SYS_time, &stored), stored);
}

TEST(other_clocks, "[P9] each clock that Linux has; EINVAL for others; resolutions")
{
	struct timespec ts;
	static const int clocks[] = {CLOCK_REALTIME,          CLOCK_MONOTONIC,     CLOCK_PROCESS_CPUTIME_ID,
	                             CLOCK_THREAD_CPUTIME_ID, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE,
	                             CLOCK_MONOTONIC_COARSE,  CLOCK_BOOTTIME};

	for (u32 i = 0; i < ARRAY_SIZE(clocks); i++) {
		clock_ns(clocks[i]);
		OK(syscall(SYS_clock_getres, clocks[i], &ts));
		CHECK(ts.tv_sec == 0 && ts.tv_nsec > 0 && ts.tv_nsec <= 10000000);
	}
	FAILS(syscall(SYS_clock_gettime, 99, &ts), EINVAL);
	FAILS(syscall(SYS_clock_getres, 99, &ts), EINVAL);
	OK(syscall(SYS_clock_getres, CLOCK_MONOTONIC, NULL));
}

TEST(sleeping, "[P11] nanosleep sleeps at least its time, and not much more")
{
	static const u32 times_us[] = {1, 100, 1000, 10000, 100000};

	for (u32 i = 0; i < ARRAY_SIZE(times_us); i++) {
		struct timespec ts = {0, times_us[i] * 1000};
		u64 start = clock_ns(CLOCK_MONOTONIC), took;

		OK(nanosleep(&ts, NULL));
		took = clock_ns(CLOCK_MONOTONIC) - start;
		CHECK(took >= times_us[i] * 1000UL);
		CHECK(took < times_us[i] * 1000UL + 2000000000);
	}
}

TEST(sleep_errors, "[P9] nanosleep and clock_nanosleep: errors, absolute times")
{
	struct timespec bad = {0, 1000000000}, negative = {-1, 0}, past = {1, 0}, soon;
	u64 start;

	FAILS(nanosleep(&bad, NULL), EINVAL);
	FAILS(nanosleep(&negative, NULL), EINVAL);
	IS(clock_nanosleep(99, 0, &past, NULL), EINVAL);
	IS(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &past, NULL), 0);
	IS(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &past, NULL), 0);
	start = clock_ns(CLOCK_MONOTONIC) + 50000000;
	soon = (struct timespec){start / 1000000000, start % 1000000000};
	IS(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &soon, NULL), 0);
	CHECK(clock_ns(CLOCK_MONOTONIC) >= start);
}

TEST(ticks, "[P9] times gives ticks of a hundredth of a second")
{
	struct tms tms;
	clock_t start = times(&tms), end;

	sleep_ms(300);
	end = times(&tms);
	CHECK(end - start >= 28 && end - start < 3000);
}

static volatile u32 alarms;

static void on_alarm(int sig)
{
	(void)sig;
	alarms++;
}

TEST(real_timer, "[P9] ITIMER_REAL runs in real time, asleep or not")
{
	struct itimerval timer = {{0, 0}, {0, 100000}}, left;
	u64 start = clock_ns(CLOCK_MONOTONIC);

	signal(SIGALRM, on_alarm);
	OK(setitimer(ITIMER_REAL, &timer, NULL));
	OK(getitimer(ITIMER_REAL, &left));
	CHECK(left.it_value.tv_sec == 0 && left.it_value.tv_usec <= 100000);
	while (!alarms)
		pause();
	CHECK(clock_ns(CLOCK_MONOTONIC) - start >= 100000000);
	OK(getitimer(ITIMER_REAL, &left));
	IS(left.it_value.tv_usec, 0);
	sleep_ms(150);
	IS(alarms, 1);
}

TEST(steady_interval, "[P11] an interval timer does not drift: twenty periods take twenty periods")
{
	struct itimerval timer = {{0, 20000}, {0, 20000}};
	u64 start = clock_ns(CLOCK_MONOTONIC), took;

	signal(SIGALRM, on_alarm);
	OK(setitimer(ITIMER_REAL, &timer, NULL));
	while (alarms < 20)
		pause();
	took = clock_ns(CLOCK_MONOTONIC) - start;
	CHECK(took >= 399000000);
	CHECK(took < 4000000000);
}

TEST(wakes_others, "[P11] a thousand short sleeps in five processes end")
{
	pid_t child[5];

	for (u32 i = 0; i < 5; i++)
		child[i] = SPAWN({
			for (u32 k = 0; k < 200; k++) {
				struct timespec ts = {0, 100000 + i * 13000};

				OK(nanosleep(&ts, NULL));
			}
		});
	for (u32 i = 0; i < 5; i++)
		IS(wait_status(child[i]), EXITED(0));
}

TEST(set_clock, "[P9] clock_settime needs the right, and a clock that can be set")
{
	struct timespec ts = {1700000000, 0};

	FAILS(syscall(SYS_clock_settime, CLOCK_MONOTONIC, &ts), EINVAL);
	SKIP_IF(getuid() != 0, "not root, who could become another");
	OK(setresuid(1000, 1000, 1000));
	FAILS(syscall(SYS_clock_settime, CLOCK_REALTIME, &ts), EPERM);
}

/* --- clocks of CPU time --- */

static void burn_ms(u64 ms)
{
	struct timespec ts;
	u64 start;

	OK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts));
	start = ts.tv_sec * 1000000000UL + ts.tv_nsec;
	do
		OK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts));
	while (ts.tv_sec * 1000000000UL + ts.tv_nsec < start + ms * 1000000);
}

/* by number, 0 the caller's; kind: 0 user and kernel, 1 user, 2 as it is scheduled; 4: a thread's */
static int cpu_clock(pid_t nr, int kind)
{
	return (int)(~(u32)nr << 3 | kind);
}

TEST(cpu_clocks,
     "[P9] the CPU time of any process and of one's own threads, by clock_getcpuclockid's numbers")
{
	clockid_t id;
	pid_t busy = SPAWN(for (;;)), gone = SPAWN(_exit(0));
	u64 used;

	burn_ms(50);
	IS(clock_getcpuclockid(0, &id), 0);
	CHECK(clock_ns(id) >= 50000000);
	CHECK(clock_ns(id) <= clock_ns(CLOCK_PROCESS_CPUTIME_ID));
	CHECK(clock_ns(cpu_clock(getpid(), 2)) >= 50000000);
	CHECK(clock_ns(cpu_clock(0, 0)) > 0);
	CHECK(clock_ns(cpu_clock(0, 4 | 2)) >= 50000000);
	CHECK(clock_ns(cpu_clock(syscall(SYS_gettid), 4 | 2)) >= 50000000);
	used = clock_ns(cpu_clock(busy, 2));
	UNTIL(clock_ns(cpu_clock(busy, 2)) > used + 20000000);
	FAILS(syscall(SYS_clock_gettime, cpu_clock(busy, 4 | 2), &used), EINVAL);
	FAILS(syscall(SYS_clock_gettime, cpu_clock(0, 3), &used), EINVAL);
	FAILS(syscall(SYS_clock_gettime, cpu_clock(4194000, 2), &used), EINVAL);
	OK(syscall(SYS_clock_getres, cpu_clock(busy, 2), NULL));
	FAILS(syscall(SYS_clock_getres, cpu_clock(0, 3), NULL), EINVAL);
	kill(busy, SIGKILL);
	IS(wait_status(busy), KILLED(SIGKILL));
	IS(wait_status(gone), EXITED(0));
	FAILS(syscall(SYS_clock_gettime, cpu_clock(gone, 2), &used), EINVAL);
}

TEST(cpu_clock_set, "[P9] CPU time is nobody's to set")
{
	struct timespec ts = {1, 0};

	FAILS(syscall(SYS_clock_settime, cpu_clock(0, 2), &ts), EPERM);
	FAILS(syscall(SYS_clock_settime, CLOCK_PROCESS_CPUTIME_ID, &ts), EINVAL);
}

static long nanosleep_on(int clock, int flags, struct timespec *ts, struct timespec *left)
{
	return syscall(SYS_clock_nanosleep, clock, flags, ts, left);
}

TEST(sleep_clocks, "[P9] clock_nanosleep on each clock: which sleep, which are refused, and how")
{
	static const int sleeping[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI};
	static const int refused[] = {CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE,
	                              CLOCK_THREAD_CPUTIME_ID};
	struct timespec ts = {0, 20000000}, past = {0, 1};

	for (u32 i = 0; i < ARRAY_SIZE(sleeping); i++) {
		u64 start = clock_ns(CLOCK_MONOTONIC), now = clock_ns(sleeping[i]) + 20000000;
		struct timespec then = {now / 1000000000, now % 1000000000};

		OK(nanosleep_on(sleeping[i], 0, &ts, NULL));
		CHECK(clock_ns(CLOCK_MONOTONIC) - start >= 20000000);
		OK(nanosleep_on(sleeping[i], TIMER_ABSTIME, &then, NULL));
		CHECK(clock_ns(sleeping[i]) >= now);
		OK(nanosleep_on(sleeping[i], TIMER_ABSTIME, &past, NULL));
	}
	for (u32 i = 0; i < ARRAY_SIZE(refused); i++)
		FAILS(nanosleep_on(refused[i], 0, &ts, NULL), EOPNOTSUPP);
	FAILS(nanosleep_on(cpu_clock(0, 4 | 2), 0, &ts, NULL), EINVAL);
	FAILS(nanosleep_on(99, 0, &ts, NULL), EINVAL);
	ts.tv_nsec = 1000000000;
	FAILS(nanosleep_on(CLOCK_MONOTONIC, 0, &ts, NULL), EINVAL);
	FAILS(nanosleep_on(CLOCK_MONOTONIC, 0, opaque(8), NULL), EFAULT);
}

TEST(sleep_cpu, "[P9] a sleep until another process has used so much CPU time, and one that a handler ends")
{
	struct timespec ts = {0, 50000000}, hour = {3600, 0}, left = {0, 0};
	pid_t busy = SPAWN(for (;;));
	u64 used = clock_ns(cpu_clock(busy, 2));

	OK(nanosleep_on(cpu_clock(busy, 2), 0, &ts, NULL));
	CHECK(clock_ns(cpu_clock(busy, 2)) >= used + 50000000);
	signal(SIGALRM, on_alarm);
	ualarm(50000, 0);
	FAILS(nanosleep_on(cpu_clock(busy, 2), 0, &hour, &left), EINTR);
	CHECK(left.tv_sec >= 3500 && left.tv_sec < 3600);
	kill(busy, SIGKILL);
	IS(wait_status(busy), KILLED(SIGKILL));
}

TEST(sleep_until_set, "[P9] who sleeps until a time of day wakes when the clock is set to it")
{
	struct timespec now, then;
	pid_t sleeper;

	SKIP_IF(!on_bulkhead(), "it would set this machine's clock");
	OK(clock_gettime(CLOCK_REALTIME, &now));
	then = now;
	then.tv_sec += 1000;
	sleeper = SPAWN(OK(nanosleep_on(CLOCK_REALTIME, TIMER_ABSTIME, &then, NULL)));
	wait_asleep(sleeper);
	then.tv_sec++;
	OK(clock_settime(CLOCK_REALTIME, &then));
	IS(wait_status(sleeper), EXITED(0));
	OK(clock_settime(CLOCK_REALTIME, &now));
}
