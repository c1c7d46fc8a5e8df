/* cflags: -pthread */
/* POSIX timers. By the system calls themselves, but for one test of the C library's threads. */
#include "testsuite/prog/tap.h"

#include <pthread.h>

typedef int timer_nr;

#define MS 1000000L

static long create(int clock, struct sigevent *event, timer_nr *ret)
{
	return syscall(SYS_timer_create, clock, event, ret);
}

static long settime(timer_nr id, int flags, long first_ns, long interval_ns)
{
	struct itimerspec its = {{interval_ns / 1000000000, interval_ns % 1000000000},
	                         {first_ns / 1000000000, first_ns % 1000000000}};

	return syscall(SYS_timer_settime, id, flags, &its, NULL);
}

static u64 left_of(timer_nr id)
{
	struct itimerspec its;

	OK(syscall(SYS_timer_gettime, id, &its));
	return its.it_value.tv_sec * 1000000000UL + its.it_value.tv_nsec;
}

static timer_nr timer_of(int clock, int notify, int sig, int value)
{
	struct sigevent event = {.sigev_notify = notify, .sigev_signo = sig, .sigev_value.sival_int = value};
	timer_nr id;

	OK(create(clock, &event, &id));
	return id;
}

static void block(int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	OK(sigprocmask(SIG_BLOCK, &set, NULL));
}

/* take: the next SIG, within MS milliseconds. => its number, or -1 */
static int take(int sig, u64 ms, siginfo_t *info)
{
	struct timespec limit = {ms / 1000, ms % 1000 * MS};
	sigset_t set;
	int got;

	sigemptyset(&set);
	sigaddset(&set, sig);
	do
		got = sigtimedwait(&set, info, &limit);
	while (got < 0 && errno == EINTR);
	return got;
}

TEST(once, "[P9] a timer expires once, not before its time, and says so: number, code, timer and value")
{
	static const int clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI};

	block(SIGUSR1);
	for (u32 i = 0; i < ARRAY_SIZE(clocks); i++) {
		timer_nr id = timer_of(clocks[i], SIGEV_SIGNAL, SIGUSR1, 1000 + i);
		u64 start = now_ns();
		siginfo_t info;

		IS(left_of(id), 0);
		OK(settime(id, 0, 50 * MS, 0));
		CHECK(left_of(id) > 0 && left_of(id) <= 50 * MS);
		IS(take(SIGUSR1, 10000, &info), SIGUSR1);
		CHECK(now_ns() - start >= 50 * MS);
		IS(info.si_signo, SIGUSR1);
		IS(info.si_code, SI_TIMER);
		IS(info.si_timerid, id);
		IS(info.si_value.sival_int, 1000 + i);
		IS(info.si_overrun, 0);
		IS(left_of(id), 0);
		IS(take(SIGUSR1, 100, &info), -1);
		OK(syscall(SYS_timer_delete, id));
	}
}

TEST(absolute, "[P9] TIMER_ABSTIME: a time on the clock; one that has been expires at once")
{
	static const int clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC};
	siginfo_t info;

	block(SIGUSR1);
	for (u32 i = 0; i < ARRAY_SIZE(clocks); i++) {
		timer_nr id = timer_of(clocks[i], SIGEV_SIGNAL, SIGUSR1, 0);
		struct timespec ts;
		long then;

		OK(clock_gettime(clocks[i], &ts));
		then = ts.tv_sec * 1000000000 + ts.tv_nsec + 50 * MS;
		OK(settime(id, TIMER_ABSTIME, then, 0));
		CHECK(left_of(id) <= 50 * MS); /* it is told relatively */
		IS(take(SIGUSR1, 10000, &info), SIGUSR1);
		OK(clock_gettime(clocks[i], &ts));
		CHECK(ts.tv_sec * 1000000000 + ts.tv_nsec >= then);
		OK(settime(id, TIMER_ABSTIME, 1, 0));
		IS(take(SIGUSR1, 10000, &info), SIGUSR1);
	}
}

TEST(interval, "[P11] an interval timer does not drift: twenty periods take twenty periods")
{
	timer_nr id = timer_of(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0);
	u64 start = now_ns(), periods = 0;
	siginfo_t info;

	block(SIGUSR1);
	OK(settime(id, 0, 20 * MS, 20 * MS));
	while (periods < 20) {
		NEED(take(SIGUSR1, 10000, &info) == SIGUSR1);
		periods += 1 + info.si_overrun;
		CHECK(now_ns() - start >= periods * 20 * MS);
	}
	CHECK(now_ns() - start < periods * 20 * MS + 2000 * MS);
	CHECK(left_of(id) > 0 && left_of(id) <= 20 * MS);
	OK(settime(id, 0, 0, 0));
	IS(left_of(id), 0);
	take(SIGUSR1, 0, &info);
	IS(take(SIGUSR1, 100, &info), -1);
}

TEST(overrun, "[P9] what expires while its signal is pending is counted, and told with it")
{
	timer_nr id = timer_of(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0);
	siginfo_t info;

	block(SIGUSR1);
	IS(syscall(SYS_timer_getoverrun, id), 0);
	OK(settime(id, 0, 10 * MS, 10 * MS));
	sleep_ms(305);
	IS(take(SIGUSR1, 0, &info), SIGUSR1);
	CHECK(info.si_overrun >= 28 && info.si_overrun < 1000);
	IS(syscall(SYS_timer_getoverrun, id), info.si_overrun);
	OK(settime(id, 0, 0, 0));
	IS(syscall(SYS_timer_getoverrun, id), 0);
	take(SIGUSR1, 0, &info); /* the next may have come already */
	IS(take(SIGUSR1, 50, &info), -1);
}

TEST(nanosecond,
     "[I4] an interval of a nanosecond takes the machine from nobody, and its overruns are bounded")
{
	timer_nr id = timer_of(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0);
	siginfo_t info;

	block(SIGUSR1);
	OK(settime(id, 0, 1, 1));
	for (u32 i = 0; i < 20; i++) {
		sleep_ms(5);
		IS(take(SIGUSR1, 1000, &info), SIGUSR1);
		CHECK(info.si_overrun >= 0);
	}
	sleep_ms(3000);
	IS(take(SIGUSR1, 1000, &info), SIGUSR1);
	IS(info.si_overrun, 0x7fffffff);
	OK(settime(id, 0, 0, 0));
}

static volatile u32 handled;

static void on_signal(int sig)
{
	(void)sig;
	handled++;
}

TEST(ignored, "[P9] a timer whose signal is ignored goes on: a handler that comes later is called")
{
	timer_nr id = timer_of(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0);
	u64 left;

	signal(SIGUSR1, SIG_IGN);
	OK(settime(id, 0, 5 * MS, 5 * MS));
	sleep_ms(50);
	left = left_of(id);
	CHECK(left <= 5 * MS);
	IS(handled, 0);
	signal(SIGUSR1, on_signal);
	UNTIL(handled > 3);
	OK(syscall(SYS_timer_delete, id));
}

TEST(none, "[P9] SIGEV_NONE: it runs, and nobody is told")
{
	timer_nr id = timer_of(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0);
	u64 left;

	OK(settime(id, 0, 10000 * MS, 0));
	left = left_of(id);
	sleep_ms(20);
	CHECK(left_of(id) <= left - 20 * MS);
	OK(settime(id, 0, 5 * MS, 10 * MS));
	sleep_ms(40);
	CHECK(left_of(id) > 0 && left_of(id) <= 10 * MS);
	OK(settime(id, 0, 5 * MS, 0));
	sleep_ms(20);
	IS(left_of(id), 0);
}

TEST(by_default, "[P9] without an event: SIGALRM, with the timer's number as its value")
{
	timer_nr first, id;
	siginfo_t info;

	block(SIGALRM);
	alarm(0);
	OK(create(CLOCK_MONOTONIC, NULL, &first));
	OK(create(CLOCK_MONOTONIC, NULL, &id));
	CHECK(first != id);
	OK(settime(id, 0, 1 * MS, 0));
	IS(take(SIGALRM, 10000, &info), SIGALRM);
	IS(info.si_code, SI_TIMER);
	IS(info.si_value.sival_int, id);
	alarm(TEST_SECONDS);
}

TEST(several, "[P9] timers with the same signal, a real-time one or not, each send their own")
{
	int signals[] = {SIGUSR1, SIGRTMIN + 3};

	for (u32 s = 0; s < 2; s++) {
		u32 seen = 0;
		siginfo_t info;

		block(signals[s]);
		for (u32 i = 0; i < 8; i++)
			OK(settime(timer_of(CLOCK_MONOTONIC, SIGEV_SIGNAL, signals[s], i), 0, MS, 0));
		sleep_ms(50);
		while (take(signals[s], 0, &info) > 0)
			seen |= 1U << info.si_value.sival_int;
		IS(seen, 0xff);
	}
}

TEST(settings, "[P9] timer_settime gives back what was set, and setting it again forgets it")
{
	timer_nr id = timer_of(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0);
	struct itimerspec new = {{7, 8}, {1000, 5}}, old;
	siginfo_t info;

	block(SIGUSR1);
	OK(syscall(SYS_timer_settime, id, 0, &new, &old));
	IS(old.it_value.tv_sec + old.it_value.tv_nsec + old.it_interval.tv_sec, 0);
	OK(syscall(SYS_timer_settime, id, 0, &new, &old));
	CHECK(old.it_value.tv_sec >= 990 && old.it_value.tv_sec <= 1000);
	IS(old.it_interval.tv_sec, 7);
	IS(old.it_interval.tv_nsec, 8);
	OK(settime(id, 0, 20 * MS, 0));
	OK(settime(id, 0, 100000 * MS, 0));
	IS(take(SIGUSR1, 100, &info), -1);
}

TEST(errors, "[P9] what timer_create, _settime, _gettime, _getoverrun and _delete refuse")
{
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	struct itimerspec bad = {{0, 0}, {0, 1000000000}}, negative = {{0, 0}, {-1, 0}}, its;
	timer_nr id;

	FAILS(create(99, &event, &id), EINVAL);
	FAILS(create(CLOCK_MONOTONIC_RAW, &event, &id), EOPNOTSUPP);
	FAILS(create(CLOCK_MONOTONIC_COARSE, &event, &id), EOPNOTSUPP);
	FAILS(create(CLOCK_MONOTONIC, opaque(8), &id), EFAULT);
	FAILS(create(CLOCK_MONOTONIC, &event, opaque(8)), EFAULT);
	event.sigev_signo = 65;
	FAILS(create(CLOCK_MONOTONIC, &event, &id), EINVAL);
	event.sigev_signo = 0;
	FAILS(create(CLOCK_MONOTONIC, &event, &id), EINVAL);
	event = (struct sigevent){.sigev_notify = 77, .sigev_signo = SIGUSR1};
	FAILS(create(CLOCK_MONOTONIC, &event, &id), EINVAL);
	event = (struct sigevent){.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1};
	((int *)&event)[4] = getppid(); /* sigev_notify_thread_id */
	FAILS(create(CLOCK_MONOTONIC, &event, &id), EINVAL);
	FAILS(syscall(SYS_timer_gettime, 12345, &its), EINVAL);
	FAILS(syscall(SYS_timer_getoverrun, 12345), EINVAL);
	FAILS(syscall(SYS_timer_delete, 12345), EINVAL);
	FAILS(settime(12345, 0, 0, 0), EINVAL);
	OK(create(CLOCK_MONOTONIC, NULL, &id));
	FAILS(syscall(SYS_timer_settime, id, 0, &bad, NULL), EINVAL);
	FAILS(syscall(SYS_timer_settime, id, 0, &negative, NULL), EINVAL);
	FAILS(syscall(SYS_timer_settime, id, 0, opaque(8), NULL), EFAULT);
	FAILS(syscall(SYS_timer_gettime, id, opaque(8)), EFAULT);
	OK(syscall(SYS_timer_delete, id));
	FAILS(syscall(SYS_timer_delete, id), EINVAL);
}

TEST(deleted, "[P9] a timer that is deleted is heard of no more")
{
	siginfo_t info;
	timer_nr id;

	block(SIGUSR1);
	for (u32 i = 0; i < 200; i++) {
		id = timer_of(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, i);
		OK(settime(id, 0, 1 + i * 1000, i % 2 ? 1000 : 0));
		OK(syscall(SYS_timer_delete, id));
	}
	sleep_ms(20);
	while (take(SIGUSR1, 0, &info) > 0) /* what was sent before */
		;
	IS(take(SIGUSR1, 50, &info), -1);
}

/* --- threads --- */

static volatile pid_t told;

static void on_thread_signal(int sig)
{
	(void)sig;
	told = syscall(SYS_gettid);
}

static volatile pid_t worker_tid;

static void *worker(void *arg)
{
	(void)arg;
	worker_tid = syscall(SYS_gettid);
	for (;;)
		pause();
	return NULL;
}

TEST(to_thread, "[P9] SIGEV_THREAD_ID: this one thread gets the signal")
{
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1};
	pthread_t thread;
	timer_nr id;

	signal(SIGUSR1, on_thread_signal);
	IS(pthread_create(&thread, NULL, worker, NULL), 0);
	UNTIL(worker_tid);
	((int *)&event)[4] = worker_tid;
	OK(create(CLOCK_MONOTONIC, &event, &id));
	OK(settime(id, 0, 5 * MS, 5 * MS));
	UNTIL(told);
	IS(told, worker_tid);
	((int *)&event)[4] = syscall(SYS_gettid);
	told = 0;
	OK(syscall(SYS_timer_delete, id));
	told = 0;
	OK(create(CLOCK_MONOTONIC, &event, &id));
	OK(settime(id, 0, 5 * MS, 0));
	UNTIL(told);
	IS(told, syscall(SYS_gettid));
}

static volatile u32 notified;

static void on_notify(union sigval value)
{
	notified += value.sival_int;
}

TEST(library_thread, "[P9] the C library's SIGEV_THREAD: a function in a thread of its own")
{
	struct sigevent event = {
	        .sigev_notify = SIGEV_THREAD, .sigev_notify_function = on_notify, .sigev_value.sival_int = 5};
	struct itimerspec its = {{0, 10 * MS}, {0, 10 * MS}};
	timer_t timer;

	OK(timer_create(CLOCK_MONOTONIC, &event, &timer));
	OK(timer_settime(timer, 0, &its, NULL));
	UNTIL(notified >= 15);
	OK(timer_delete(timer));
	IS(notified % 5, 0);
}

/* --- life --- */

TEST(not_inherited, "[P9] a child has none of its parent's timers, nor has a new program")
{
	timer_nr id = timer_of(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0);
	char number[16];

	signal(SIGUSR1, on_signal);
	OK(settime(id, 0, 30 * MS, 30 * MS));
	IS(CHILD({
		   FAILS(syscall(SYS_timer_delete, id), EINVAL);
		   handled = 0;
		   sleep_ms(100);
		   IS(handled, 0);
	   }),
	   EXITED(0));
	UNTIL(handled > 1);
	snprintf(number, sizeof(number), "%d", id);
	IS(CHILD({
		   /* Its own dies with exec: SIGUSR1 would end the new program. */
		   OK(settime(timer_of(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0), 0, 30 * MS, 30 * MS));
		   execl("/proc/self/exe", "timers", "@sleep", NULL);
	   }),
	   EXITED(7));
}

TEST(thousand_ends,
     "[P10] processes that end with timers armed, and signals of theirs pending, leave nothing")
{
	for (u32 i = 0; i < 100; i++)
		IS(CHILD({
			   block(SIGUSR1);
			   for (u32 k = 0; k < 10; k++)
				   OK(settime(timer_of(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, k), 0,
				              1 + k * 100000, k % 3 * MS));
			   if (i % 4 == 0)
				   sleep_ms(1);
		   }),
		   EXITED(0));
}

TEST(as_many, "[V10] timers come to an end: EAGAIN, and after one is deleted there is room again")
{
	u32 n = 0;
	timer_nr id, last = -1;

	while (n < 200000 && create(CLOCK_MONOTONIC, NULL, &id) == 0) {
		last = id;
		n++;
	}
	CHECK(n > 100);
	SKIP_IF(n == 200000, "this machine's limit is higher");
	IS(errno, EAGAIN);
	OK(syscall(SYS_timer_delete, last));
	OK(create(CLOCK_MONOTONIC, NULL, &id));
}

TEST(clock_set, "[P9] a timer for a time of day comes then, whatever the clock was set to meanwhile")
{
	struct timespec ts, then;
	timer_nr id, relative;
	siginfo_t info;

	SKIP_IF(!on_bulkhead(), "it would set this machine's clock");
	block(SIGUSR1);
	id = timer_of(CLOCK_REALTIME, SIGEV_SIGNAL, SIGUSR1, 1);
	relative = timer_of(CLOCK_REALTIME, SIGEV_SIGNAL, SIGUSR1, 2);
	OK(clock_gettime(CLOCK_REALTIME, &ts));
	OK(settime(id, TIMER_ABSTIME, (ts.tv_sec + 1000) * 1000000000L, 0));
	OK(settime(relative, 0, 1000000 * MS, 0));
	IS(take(SIGUSR1, 50, &info), -1);
	then = ts;
	then.tv_sec += 1001;
	OK(clock_settime(CLOCK_REALTIME, &then));
	IS(take(SIGUSR1, 1000, &info), SIGUSR1);
	IS(info.si_value.sival_int, 1);
	IS(take(SIGUSR1, 50, &info), -1);
	OK(clock_settime(CLOCK_REALTIME, &ts));
}

int role_main(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	sleep_ms(100);
	return 7;
}
