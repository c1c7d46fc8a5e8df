/* The slow path of spinlocks, preemption points, and the debug build's checks. */
#include "hal/cpu/spinlock.h"
#include "hal/base/assert.h"
#include "hal/upcall.h"

void spin_wait(struct spinlock *l, u16 ticket)
{
	while (__atomic_load_n(&l->owner, __ATOMIC_ACQUIRE) != ticket)
		cpu_relax();
}

void preempt_check(void)
{
	struct percpu *cpu = this_cpu();

	if (cpu->preempt_count == 0 && !cpu->in_irq && irq_enabled())
		upcall_preempt();
}

#ifdef BULKHEAD_DEBUG
bool spin_held(const struct spinlock *l)
{
	return __atomic_load_n(&l->cpu, __ATOMIC_RELAXED) == this_cpu_read(cpu) + 1;
}

/* An interrupt's locks are ordered among themselves only: what the interrupted code holds is no lock that
 * interrupts take (those keep them off), and it is not going to take one before the interrupt is over. */
void spin_debug_acquire(struct spinlock *l)
{
	struct percpu *cpu = this_cpu();

	if (spin_held(l))
		panic("spinlock %s: taken twice", l->name);
	for (u32 i = cpu->held_before_irq; i < cpu->held_count; i++)
		if (cpu->held[i]->rank >= l->rank + (l->rank == RANK_EPOLL || l->rank == RANK_FUTEX))
			panic("spinlock %s (rank %u) taken while holding %s (rank %u)", l->name, l->rank,
			      cpu->held[i]->name, cpu->held[i]->rank);
}

/* Interrupts may come between the update of held[] and held_count, and take and release locks of their own
 * above: each leaves both as it found them. */
void spin_debug_acquired(struct spinlock *l)
{
	struct percpu *cpu = this_cpu();
	bool on = irq_save();

	assert(cpu->held_count < HELD_LOCKS_MAX);
	cpu->held[cpu->held_count++] = l;
	l->cpu = cpu->cpu + 1;
	irq_restore(on);
}

void spin_debug_release(struct spinlock *l)
{
	struct percpu *cpu = this_cpu();
	bool on = irq_save();

	if (!spin_held(l))
		panic("spinlock %s: released by who does not hold it", l->name);
	l->cpu = 0;
	for (u32 i = cpu->held_count; i-- > 0;) {
		if (cpu->held[i] != l)
			continue;
		for (; i + 1 < cpu->held_count; i++)
			cpu->held[i] = cpu->held[i + 1];
		cpu->held_count--;
		break;
	}
	irq_restore(on);
}

void might_sleep(void)
{
	struct percpu *cpu = this_cpu();

	if (cpu->held_count)
		panic("may sleep while holding spinlock %s", cpu->held[cpu->held_count - 1]->name);
	if (cpu->in_irq || !irq_enabled())
		panic("may sleep with interrupts off");
}
#endif
