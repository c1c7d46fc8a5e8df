/* Kernel stacks: KSTACK_SIZE bytes mapped at first, growing downwards to KSTACK_MAX on need, in the midst of anything
 * (hal/cpu/entry.S says how, and why that is sound).
 *
 * K1: memory for a stack's growth is never looked for when it is needed. Each stack's KSTACK_GROWTH pages are set aside
 *     among the free frames while the stack is in use (frame_commit: where that fails, no thread is made), and each CPU
 *     has a reserve of as many frames taken out already. Growing takes from the reserve. It is filled up from what is set
 *     aside before the next thread gets the CPU, and on that thread's stack once more: a switch itself may have taken a
 *     page or two. So
 *         set aside + in the reserves = KSTACK_GROWTH for each CPU + what each stack has left to grow,
 *     filling up never fails, and whoever runs finds in the reserve at least what is left to its stack.
 * K2: a stack is grown and shrunk by its own thread alone, until that is dead. It is shrunk when the thread is about to
 *     leave the CPU and what had grown is not in use any more: only who waits, or is preempted, at such depth keeps it.
 * K3: a reserve is used by its own CPU alone; a slot is emptied by growing, which may come between any two instructions,
 *     and filled by kstack_refill, which runs with interrupts off. Neither does the other's part. */
#include "hal/base/assert.h"
#include "hal/base/atomic.h"
#include "hal/base/sabotage.h"
#include "kernel/abi/errno.h"
#include "sched/internal.h"
#include "vm/frame.h"
#include "vm/kva.h"

#define KSTACK_GROWTH ((KSTACK_MAX - KSTACK_SIZE) / PAGE_SIZE)
#define KSTACK_SLACK 1024 /* what is in use below a function's own frame at most, when it asks to shrink */

struct kstack_reserve {
	paddr_t frames[KSTACK_GROWTH]; /* [c] 0: an empty slot */
};

static struct kstack_reserve boot_reserve;

/* --- growing --- */

static paddr_t reserve_take(void)
{
	struct kstack_reserve *r = this_cpu()->kstack_reserve;

	for (u32 i = 0; i < KSTACK_GROWTH; i++) {
		paddr_t pa = r->frames[i];

		if (!pa)
			continue;
		r->frames[i] = 0;
		this_cpu()->kstack_wanting = true;
		return pa;
	}
	panic("the reserve for kernel stacks is empty"); /* K1 */
}

bool kstack_grow(vaddr_t to)
{
	struct cpu_thread *t = &thread_current()->cpu;

	if (to < t->kstack_base || to >= t->kstack_low || sabotage(stack_growth))
		return false;
	while (to < t->kstack_low) {
		kva_extend(t->kstack_low - PAGE_SIZE, reserve_take());
		t->kstack_low -= PAGE_SIZE;
	}
	return true;
}

void kstack_refill(void)
{
	struct kstack_reserve *r = this_cpu()->kstack_reserve;

	this_cpu()->kstack_wanting = false; /* first: this function may itself make the stack grow */
	for (u32 i = 0; i < KSTACK_GROWTH; i++)
		if (!read_once(r->frames[i]))
			write_once(r->frames[i], frame_alloc_committed());
}

/* shrink: unmap what has grown, and set its frames aside again. */
static void shrink(struct thread *t)
{
	for (; t->cpu.kstack_low < (vaddr_t)t->kstack; t->cpu.kstack_low += PAGE_SIZE)
		frame_put_committed(kva_retract(t->cpu.kstack_low));
}

void kstack_settle(void)
{
	struct thread *t = thread_current();
	vaddr_t in_use = (vaddr_t)__builtin_frame_address(0) - KSTACK_SLACK;

	if (in_use >= (vaddr_t)t->kstack && !sabotage(stack_shrink))
		shrink(t);
	if (this_cpu()->kstack_wanting)
		kstack_refill();
}

void kstack_init(void)
{
	struct percpu *cpu = this_cpu();

	cpu->kstack_reserve = &boot_reserve;
	if (frame_commit(KSTACK_GROWTH) < 0)
		panic("out of memory at boot");
	kstack_refill();
}

/* --- making them: a few are kept mapped, because making one costs more than all the rest of a thread --- */

#define KSTACK_KEPT 32

struct kept_stack {
	struct kept_stack *next;
};

static struct spinlock kstack_lock = SPINLOCK_INIT("kstack", RANK_KMEM);
static struct kept_stack *kept; /* [kstack_lock] through the lowest word of each */
static u32 kept_count;          /* [kstack_lock] */

static u8 *stack_get(void)
{
	struct kept_stack *s = NULL;

	WITH_LOCK (&kstack_lock) {
		s = kept;
		if (s) {
			kept = s->next;
			kept_count--;
		}
	}
	return s ? (u8 *)s : kva_alloc_top(KSTACK_SIZE / PAGE_SIZE, KSTACK_MAX / PAGE_SIZE);
}

static void stack_put(u8 *stack)
{
	struct kept_stack *s = (struct kept_stack *)stack;
	bool keep = false;

	WITH_LOCK (&kstack_lock) {
		keep = kept_count < KSTACK_KEPT;
		if (keep) {
			s->next = kept;
			kept = s;
			kept_count++;
		}
	}
	if (!keep)
		kva_free(stack);
}

int kstack_alloc(struct thread *t)
{
	u8 *stack;

	if (frame_commit(KSTACK_GROWTH) < 0)
		return -ENOMEM;
	stack = stack_get();
	if (!stack) {
		frame_uncommit(KSTACK_GROWTH);
		return -ENOMEM;
	}
	t->kstack = stack;
	t->cpu.kstack_low = (vaddr_t)stack;
	t->cpu.kstack_top = t->cpu.kstack_low + KSTACK_SIZE;
	t->cpu.kstack_base = t->cpu.kstack_top - KSTACK_MAX;
	return 0;
}

void kstack_free(struct thread *t)
{
	shrink(t);
	frame_uncommit(KSTACK_GROWTH);
	stack_put(t->kstack);
}

u32 kstack_kept(void)
{
	return read_once(kept_count);
}
