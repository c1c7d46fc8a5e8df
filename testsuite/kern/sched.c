/* Tests of sched/: stacks, preemption, sleeping and waking, mutexes, timers. */
#include "hal/base/atomic.h"
#include "hal/cpu/cpu.h"
#include "sched/mutex.h"
#include "sched/thread.h"
#include "sched/timer.h"
#include "testsuite/kern/kern.h"
#include "vm/pmap.h"

static u32 running; /* [atomic] helpers that have not ended yet */

static void start(void (*fn)(void *), void *arg)
{
	atomic_add(&running, 1);
	if (thread_spawn("kerntest", fn, arg) < 0) {
		KT_CHECK(!"thread_spawn");
		atomic_sub(&running, 1);
	}
}

static void done(void)
{
	atomic_sub(&running, 1);
}

static bool all_done(void)
{
	return kern_wait(atomic_load(&running) == 0);
}

/* --- stacks --- */

static bool mapped(vaddr_t va)
{
	paddr_t pa;
	u32 prot;

	return pmap_kernel_query(va, &pa, &prot);
}

static void check_stack(void *arg)
{
	struct thread *t = thread_current();
	u8 here;

	KT_CHECK((u64)&here > (u64)t->kstack && (u64)&here < t->cpu.kstack_top);
	KT_CHECK(t->cpu.kstack_top - (u64)t->kstack == KSTACK_SIZE);
	for (u64 va = (u64)t->kstack; va < t->cpu.kstack_top; va += PAGE_SIZE)
		KT_CHECK(mapped(va));
	KT_CHECK(t->cpu.kstack_top - t->cpu.kstack_base == KSTACK_MAX);
	for (u64 va = t->cpu.kstack_base - PAGE_SIZE; va < (u64)t->kstack; va += PAGE_SIZE)
		KT_CHECK(!mapped(va)); /* the guard, and what it may grow by */
	KT_CHECK(!mapped(t->cpu.kstack_top));
	preempt_disable();
	KT_CHECK(this_cpu()->tss.rsp0 == t->cpu.kstack_top); /* P4 */
	preempt_enable();
	if (arg)
		done();
}

KERNEL_TEST(stacks_guarded,
            "[P3] [P4] each thread runs on its own 16 KiB with a guard page below, and RSP0 says so")
{
	check_stack(NULL);
	for (u32 i = 0; i < 20; i++)
		start(check_stack, &running);
	KT_CHECK(all_done());
}

KERNEL_TEST(boot_stack_left,
            "[P3] the boot stack is not used any more; the idle thread has a stack of its own")
{
	extern char boot_stack[], boot_stack_top[];
	u8 here;

	KT_CHECK((char *)&here < boot_stack || (char *)&here >= boot_stack_top);
	KT_CHECK(((struct cpu_thread *)thread_current())->kstack_top != (u64)boot_stack_top);
}

/* --- preemption --- */

struct spin {
	volatile u64 count;
	volatile bool stop;
};

static void spin(void *arg)
{
	struct spin *s = arg;

	while (!s->stop)
		s->count++;
	done();
}

KERNEL_TEST(kernel_preempted, "[P11] threads of the kernel that spin are preempted, and share evenly")
{
	static struct spin s[3];
	u64 before[3];

	for (u32 i = 0; i < 3; i++) {
		s[i] = (struct spin){0};
		start(spin, &s[i]);
	}
	KT_CHECK(kern_wait(s[0].count && s[1].count && s[2].count));
	for (u32 i = 0; i < 3; i++)
		before[i] = s[i].count;
	kern_sleep_ms(1000);
	for (u32 i = 0; i < 3; i++)
		KT_CHECK(s[i].count > before[i]);
	for (u32 i = 0; i < 3; i++)
		s[i].stop = true;
	KT_CHECK(all_done());
	for (u32 i = 0; i < 3; i++)
		KT_CHECK(s[i].count * 3 > s[(i + 1) % 3].count);
}

KERNEL_TEST(preemption_held_off, "[P11] nobody else runs while preemption is off")
{
	static struct spin s;
	u64 count, until;

	s = (struct spin){0};
	start(spin, &s);
	KT_CHECK(kern_wait(s.count));
	preempt_disable();
	count = s.count;
	until = clock_mono() + 50 * NS_PER_MSEC;
	while (clock_mono() < until)
		cpu_relax();
	KT_CHECK(s.count == count || cpu_count > 1);
	preempt_enable();
	s.stop = true;
	KT_CHECK(all_done());
}

/* --- sleeping and waking --- */

static struct waitq queue = WAITQ_INIT(queue);
static u32 ticket, woken; /* [atomic] */

static void sleeper(void *arg)
{
	int err = wait_event(&queue, WAIT_UNINTERRUPTIBLE, CLOCK_NEVER, atomic_load(&ticket) != 0);

	KT_CHECK(err == 0);
	atomic_add(&woken, 1);
	done();
}

KERNEL_TEST(wake_all, "[P11] ten sleepers wait until their condition is true, however often they are woken")
{
	atomic_store(&ticket, 0);
	atomic_store(&woken, 0);
	for (u32 i = 0; i < 10; i++)
		start(sleeper, NULL);
	kern_sleep_ms(20);
	waitq_wake_all(&queue);
	kern_sleep_ms(20);
	KT_CHECK(atomic_load(&woken) == 0);
	atomic_store(&ticket, 1);
	waitq_wake_all(&queue);
	KT_CHECK(all_done());
	KT_CHECK(atomic_load(&woken) == 10);
}

KERNEL_TEST(wait_timeout, "[P11] a wait ends at its time, not before")
{
	u64 start_at = clock_mono();

	KT_CHECK(wait_event(&queue, WAIT_UNINTERRUPTIBLE, start_at + 30 * NS_PER_MSEC, false) == -ETIMEDOUT);
	KT_CHECK(clock_mono() >= start_at + 30 * NS_PER_MSEC);
	KT_CHECK(clock_mono() < start_at + 5 * NS_PER_SEC);
	KT_CHECK(list_empty(&queue.waiters));
}

/* Two threads hand one word to and fro; a lost wake-up would hang them. */
static u32 turn; /* [atomic] */

static void player(void *arg)
{
	u32 me = (u32)(u64)arg;

	for (u32 i = 0; i < 2000; i++) {
		wait_event(&queue, WAIT_UNINTERRUPTIBLE, CLOCK_NEVER, atomic_load(&turn) == me);
		atomic_store(&turn, 1 - me);
		waitq_wake_all(&queue);
	}
	done();
}

KERNEL_TEST(no_lost_wake, "[P11] two thousand turns between two threads: no wake-up is lost")
{
	atomic_store(&turn, 0);
	start(player, (void *)0);
	start(player, (void *)1);
	KT_CHECK(all_done());
}

/* --- mutexes --- */

static struct mutex mutex = MUTEX_INIT(mutex);
static volatile u64 guarded;
static u32 inside; /* [atomic] */

static void adder(void *arg)
{
	for (u32 i = 0; i < 300; i++) {
		WITH_MUTEX(&mutex)
		{
			u64 v = guarded;

			KT_CHECK(atomic_add(&inside, 1) == 1);
			KT_CHECK(mutex_held(&mutex));
			if (i % 10 == 0)
				sched_yield();
			guarded = v + 1;
			atomic_sub(&inside, 1);
		}
	}
	done();
}

KERNEL_TEST(mutex_excludes, "[P11] a mutex lets one of eight threads in at a time")
{
	guarded = 0;
	for (u32 i = 0; i < 8; i++)
		start(adder, NULL);
	KT_CHECK(all_done());
	KT_CHECK(guarded == 8 * 300);
	KT_CHECK(mutex_try_lock(&mutex));
	KT_CHECK(mutex_held(&mutex));
	mutex_unlock(&mutex);
	KT_CHECK(!mutex_held(&mutex));
}

/* --- timers and clock --- */

static u64 fired_at[5];
static u32 fired; /* [atomic] */

static void on_timer(struct timer *t)
{
	u32 n = atomic_add(&fired, 1);

	if (n <= 5)
		fired_at[n - 1] = clock_mono();
}

KERNEL_TEST(timers_in_order, "[P11] timers fire after their time, in the order of their times, and once")
{
	struct timer t[5];
	u64 now = clock_mono();

	atomic_store(&fired, 0);
	for (u32 i = 0; i < 5; i++) {
		timer_init(&t[i], on_timer);
		timer_set(&t[i], now + (50 - 10 * i) * NS_PER_MSEC);
	}
	KT_CHECK(kern_wait(atomic_load(&fired) == 5));
	for (u32 i = 0; i < 5; i++)
		KT_CHECK(fired_at[i] >= now + (10 + 10 * i) * NS_PER_MSEC);
	kern_sleep_ms(30);
	KT_CHECK(atomic_load(&fired) == 5);
}

KERNEL_TEST(timer_cancelled, "[P11] a cancelled timer does not fire; set again it moves")
{
	struct timer t;

	atomic_store(&fired, 0);
	timer_init(&t, on_timer);
	KT_CHECK(!timer_cancel(&t));
	timer_set(&t, clock_mono() + 20 * NS_PER_MSEC);
	KT_CHECK(timer_cancel(&t));
	kern_sleep_ms(40);
	KT_CHECK(atomic_load(&fired) == 0);
	timer_set(&t, clock_mono() + 1000 * NS_PER_SEC);
	timer_set(&t, clock_mono() + 10 * NS_PER_MSEC);
	KT_CHECK(kern_wait(atomic_load(&fired) == 1));
}

KERNEL_TEST(clock_advances, "[P11] the clock never goes back, and sleeping takes its time")
{
	u64 last = clock_mono(), start_at = last;

	for (u32 i = 0; i < 10000; i++) {
		u64 now = clock_mono();

		KT_ASSERT(now >= last);
		last = now;
	}
	kern_sleep_ms(50);
	KT_CHECK(clock_mono() - start_at >= 50 * NS_PER_MSEC);
	KT_CHECK(clock_tsc_hz() > 100000000 && clock_tsc_hz() < 10000000000);
	KT_CHECK(clock_real() > 1700000000 * NS_PER_SEC);
}

KERNEL_TEST(idle_runs, "[P12] with nothing to do the idle thread runs, and its time is counted")
{
	struct sched_stats before, after;

	sched_stats(&before);
	kern_sleep_ms(100);
	sched_stats(&after);
	KT_CHECK(after.idle_ns > before.idle_ns);
	KT_CHECK(after.switches > before.switches);
	KT_CHECK(after.cpus == cpu_count);
}

KERNEL_TEST(threads_leave_nothing, "[P10] three hundred threads come and go, and leave no memory behind")
{
	extern u64 kmem_bytes_used(void);
	u64 bytes = 0;

	for (u32 round = 0; round < 15; round++) {
		if (round == 3) {
			kern_sleep_ms(20);
			bytes = kmem_bytes_used();
		}
		for (u32 i = 0; i < 20; i++)
			start(check_stack, &running);
		KT_CHECK(all_done());
	}
	kern_sleep_ms(20);
	KT_CHECK(kmem_bytes_used() == bytes);
}
