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
