/* Tests of sched/kstack.c and hal/cpu/entry.S: kernel stacks that grow. */
#include "hal/base/atomic.h"
#include "hal/base/dmap.h"
#include "hal/irq/irq.h"
#include "sched/thread.h"
#include "sched/timer.h"
#include "sched/waitq.h"
#include "testsuite/kern/kern.h"
#include "vm/frame.h"
#include "vm/kva.h"
#include "vm/pmap.h"

#define DEPTH (50 * KIB)
#define GROWN ((DEPTH - KSTACK_SIZE) / PAGE_SIZE) /* pages that this takes at least */

static u32 running; /* [atomic] helpers that have not ended yet */

static void start(void (*fn)(void *), void *arg)
{
	atomic_add(&running, 1);
	if (thread_spawn("digger", fn, arg) < 0) {
		KT_CHECK(!"thread_spawn");
		atomic_sub(&running, 1);
	}
}

static bool all_done(void)
{
	bool done = kern_wait(atomic_load(&running) == 0);

	kern_sleep_ms(20); /* the last one's memory */
	return done;
}

/* --- interrupts all the time --- */

#define HAMMER_NS (100 * NS_PER_USEC)

static struct timer hammer;
static u32 blows; /* [atomic] */
static bool hammering;

static void hammer_fn(struct timer *t)
{
	atomic_add(&blows, 1);
	if (read_once(hammering))
		timer_set(t, clock_mono() + HAMMER_NS);
}

static void hammer_start(void)
{
	write_once(hammering, true);
	timer_init(&hammer, hammer_fn);
	timer_set(&hammer, clock_mono() + HAMMER_NS);
}

static void hammer_stop(void)
{
	write_once(hammering, false);
	kern_sleep_ms(5);
	timer_cancel(&hammer);
}

/* --- going down --- */

struct dig {
	u64 depth;                    /* bytes of stack to have in use */
	void (*bottom)(struct dig *); /* what to do there */
	u64 seed;
};

static __attribute__((noinline)) void fill(volatile u64 *words, u32 n, u64 seed)
{
	for (u32 i = 0; i < n; i++)
		words[i] = seed * 0x9e3779b97f4a7c15UL + i;
}

static __attribute__((noinline)) bool intact(const volatile u64 *words, u32 n, u64 seed)
{
	for (u32 i = 0; i < n; i++)
		if (words[i] != seed * 0x9e3779b97f4a7c15UL + i)
			return false;
	return true;
}

static u64 depth_here(void)
{
	return thread_current()->cpu.kstack_top - (u64)__builtin_frame_address(0);
}

static __attribute__((noinline)) void dig(struct dig *d, u64 level)
{
	volatile u64 frame[100];

	fill(frame, ARRAY_SIZE(frame), d->seed + level);
	if (depth_here() < d->depth)
		dig(d, level + 1);
	else
		d->bottom(d);
	KT_CHECK(intact(frame, ARRAY_SIZE(frame), d->seed + level));
}

static void digger(void *arg)
{
	struct dig *d = arg;

	dig(d, 0);
	kern_sleep_ms(1);
	KT_CHECK(thread_current()->cpu.kstack_low == (u64)thread_current()->kstack);
	atomic_sub(&running, 1);
}

static bool mapped(vaddr_t va)
{
	paddr_t pa;
	u32 prot;

	return pmap_kernel_query(va, &pa, &prot) && prot == (VM_READ | VM_WRITE);
}

static void stay_a_while(struct dig *d)
{
	struct cpu_thread *t = &thread_current()->cpu;
	u64 until = clock_mono() + 20 * NS_PER_MSEC;

	KT_CHECK(t->kstack_low <= t->kstack_top - DEPTH);
	KT_CHECK(t->kstack_low >= t->kstack_base);
	for (u64 va = t->kstack_low; va < t->kstack_top; va += PAGE_SIZE)
		KT_CHECK(mapped(va));
	KT_CHECK(!mapped(t->kstack_low - PAGE_SIZE));
	while (clock_mono() < until)
		cpu_relax();
	kern_sleep_ms(5);
	KT_CHECK(t->kstack_low <= t->kstack_top - DEPTH);
}

KERNEL_TEST(
        stack_grows,
        "[P5] a kernel stack of 16 KiB takes 50, intact under interrupts and preemption, and gives them back")
{
	struct dig d[4];
	u64 frames = 0, pages = 0;

	hammer_start();
	for (u32 round = 0; round < 3; round++) {
		for (u32 i = 0; i < ARRAY_SIZE(d); i++) {
			d[i] = (struct dig){DEPTH, stay_a_while, i * 1000};
			start(digger, &d[i]);
		}
		KT_CHECK(all_done());
		if (round == 0) { /* what the first round filled stays: free stacks, slabs */
			frames = frame_free_count();
			pages = kva_pages_used();
		}
	}
	KT_CHECK(frame_free_count() == frames);
	KT_CHECK(kva_pages_used() == pages);
	hammer_stop();
}

/* --- at the edge --- */

/* Let interrupts come while RSP is TO, and touch no stack meanwhile. => how many came; 0: none within a second */
static __attribute__((noinline)) u32 spin_at(u64 to)
{
	u32 first = atomic_load(&blows), now;
	u64 until = rdtsc() + clock_tsc_hz();

	__asm__ volatile("movq %%rsp, %%rbx\n\t"
	                 "movq %[to], %%rsp\n"
	                 "1:\tpause\n\t"
	                 "rdtsc\n\t"
	                 "shlq $32, %%rdx\n\t"
	                 "orq %%rdx, %%rax\n\t"
	                 "cmpq %[until], %%rax\n\t"
	                 "movl %[blows], %%eax\n\t"
	                 "ja 2f\n\t"
	                 "movl %%eax, %%edx\n\t"
	                 "subl %[first], %%edx\n\t"
	                 "cmpl $2, %%edx\n\t"
	                 "jb 1b\n"
	                 "2:\tmovq %%rbx, %%rsp"
	                 : "=&a"(now)
	                 : [to] "r"(to), [until] "r"(until), [first] "r"(first), [blows] "m"(blows)
	                 : "rbx", "rdx", "memory", "cc");
	return now - first;
}

static void edge_sitter(void *arg)
{
	struct thread *t = thread_current();
	volatile u64 words[32];

	fill(words, ARRAY_SIZE(words), (u64)arg);
	KT_CHECK(t->cpu.kstack_low == (u64)t->kstack);
	KT_CHECK(spin_at((u64)t->kstack + (u64)arg) >= 2);
	KT_CHECK(intact(words, ARRAY_SIZE(words), (u64)arg));
	KT_CHECK(spin_at((u64)t->kstack + (u64)arg) >= 2); /* now that it has grown */
	atomic_sub(&running, 1);
}

static volatile bool spin_stop;

static void spinner(void *arg)
{
	while (!spin_stop)
		cpu_relax();
	atomic_sub(&running, 1);
}

KERNEL_TEST(stack_edge,
            "[P5] interrupts, and preemption, with RSP at each word around the end of what is mapped")
{
	hammer_start();
	spin_stop = false;
	start(spinner, NULL);
	for (i64 at = 1024; at >= -1024; at -= 8) {
		start(edge_sitter, (void *)at);
		for (u32 ms = 0; ms < 5000 && atomic_load(&running) > 1; ms++)
			kern_sleep_ms(1);
		KT_ASSERT(atomic_load(&running) == 1);
	}
	spin_stop = true;
	KT_CHECK(all_done());
	hammer_stop();
}

/* A push, a call and a store far below, each as the first to touch the page below the edge. */
static void edge_toucher(void *arg)
{
	struct thread *t = thread_current();
	u64 edge = (u64)t->kstack, sum = 0;

	__asm__ volatile("movq %%rsp, %%rbx\n\t"
	                 "movq %[edge], %%rsp\n\t"
	                 "pushq $1\n\t"
	                 "popq %[sum]\n\t"
	                 "leaq -0x1000(%[edge]), %%rsp\n\t"
	                 "call 1f\n"
	                 "1:\tpopq %%rax\n\t"
	                 "leaq -0x4000(%[edge]), %%rsp\n\t"
	                 "movq $2, 0x800(%%rsp)\n\t"
	                 "addq 0x800(%%rsp), %[sum]\n\t"
	                 "movq %%rbx, %%rsp"
	                 : [sum] "+&r"(sum)
	                 : [edge] "r"(edge)
	                 : "rax", "rbx", "memory", "cc");
	KT_CHECK(sum == 3);
	KT_CHECK(t->cpu.kstack_low == edge - 5 * PAGE_SIZE);
	atomic_sub(&running, 1);
}

KERNEL_TEST(stack_touch,
            "[P5] push, call and a store far below what is mapped find a stack; a dead thread's goes back")
{
	u64 frames = 0;

	for (u32 round = 0; round < 4; round++) {
		start(edge_toucher, NULL); /* ends without having shrunk it */
		KT_CHECK(all_done());
		if (round == 0)
			frames = frame_free_count();
	}
	KT_CHECK(frame_free_count() == frames);
}

/* --- without memory --- */

static struct waitq bottom_queue = WAITQ_INIT(bottom_queue);
static u32 go, deep; /* [atomic] */

static void wait_deep(struct dig *d)
{
	atomic_add(&deep, 1);
	wait_event(&bottom_queue, WAIT_UNINTERRUPTIBLE, CLOCK_NEVER, atomic_load(&go) == 2);
}

static void late_digger(void *arg)
{
	wait_event(&bottom_queue, WAIT_UNINTERRUPTIBLE, CLOCK_NEVER, atomic_load(&go) == 1);
	digger(arg);
}

static void go_set(u32 to)
{
	atomic_store(&go, to);
	waitq_wake_all(&bottom_queue);
}

KERNEL_TEST(stack_no_memory, "[P5] [V10] with no memory left, ten threads wait at 50 KiB of stack each")
{
	static struct dig d[10];
	paddr_t hog = 0, pa;
	u64 pages;

	atomic_store(&go, 0);
	atomic_store(&deep, 0);
	for (u32 i = 0; i < ARRAY_SIZE(d); i++) {
		d[i] = (struct dig){DEPTH, wait_deep, i * 1000};
		start(late_digger, &d[i]);
	}
	kern_sleep_ms(20);
	while ((pa = frame_alloc())) {
		*(paddr_t *)phys_to_virt(pa) = hog;
		hog = pa;
	}
	pages = kva_pages_used();
	KT_CHECK(thread_spawn("one too many", digger, NULL) == -ENOMEM);
	go_set(1);
	KT_CHECK(kern_wait(atomic_load(&deep) == ARRAY_SIZE(d)));
	KT_CHECK(kva_pages_used() >= pages + ARRAY_SIZE(d) * GROWN);
	KT_CHECK(frame_free_count() == 0);
	go_set(2);
	KT_CHECK(all_done());
	while ((pa = hog)) {
		hog = *(paddr_t *)phys_to_virt(pa);
		frame_put(pa);
	}
}

/* --- canaries --- */

static u64 canaries[8]; /* [I] after its thread has ended */

static void tell_canary(void *arg)
{
	u64 *ret = arg;

	sched_yield();
	preempt_disable();
	*ret = thread_current()->cpu.canary;
	KT_CHECK(this_cpu()->canary == *ret);
	preempt_enable();
	atomic_sub(&running, 1);
}

KERNEL_TEST(stack_canaries,
            "[P3] each thread has a canary of its own, at random, and %gs leads to the running one's")
{
	u64 ones = 0, zeroes = ~0UL;

	for (u32 i = 0; i < ARRAY_SIZE(canaries); i++)
		start(tell_canary, &canaries[i]);
	KT_CHECK(all_done());
	for (u32 i = 0; i < ARRAY_SIZE(canaries); i++) {
		KT_CHECK((canaries[i] & 0xff) == 0); /* stops a string */
		ones |= canaries[i];
		zeroes &= canaries[i];
		for (u32 k = 0; k < i; k++)
			KT_CHECK(canaries[i] != canaries[k]);
	}
	KT_CHECK(ones >> 48 && ~zeroes >> 48);
}

/* Behind an array of 64 bytes lies the canary. */
static __attribute__((noinline)) void overrun(u32 n)
{
	volatile u8 array[64];

	fill((volatile u64 *)array, sizeof(array) / 8, 1);
	for (u32 i = 0; i < n; i++)
		((volatile u8 *)array)[i] = 0;
}

KERNEL_CRASH(stack_overrun, "[P3] a function that writes behind its array does not return")
{
	overrun(64);
	kern_test_note("within its array it does");
	overrun(72);
}

/* --- beyond it --- */

static void nothing(struct dig *d)
{
}

KERNEL_CRASH(stack_overflow, "[P3] overflowing a kernel stack is a clean report")
{
	struct dig d = {1000 * KIB, nothing, 0};

	dig(&d, 0);
}

KERNEL_CRASH(stack_overflow_irq, "[P3] so it is when an interrupt finds no room")
{
	hammer_start();
	spin_at(thread_current()->cpu.kstack_base + 64);
}
