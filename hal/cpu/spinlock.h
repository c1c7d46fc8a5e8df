/* Ticket spinlocks: fair, ranked (hal/base/lockrank.h), and they alone hold off preemption.
 * The _irq forms are for locks that an interrupt handler takes too, and for nothing else.
 * A debug build checks rank, owner and depth at each operation. */
#pragma once

#include "hal/base/types.h"
#include "hal/base/assert.h"
#include "hal/base/lockrank.h"
#include "hal/cpu/percpu.h"
#include "hal/cpu/regs.h"

struct spinlock {
	union {
		u32 value;
		struct {
			u16 owner; /* the ticket being served */
			u16 next;  /* the next ticket to hand out */
		};
	};
	u32 cpu;          /* debug: who holds it, plus one; 0 when free */
	const char *name; /* [I] */
	u32 rank;         /* [I] enum lock_rank */
};

#define SPINLOCK_INIT(n, r)              \
	{                                \
		.name = (n), .rank = (r) \
	}

static inline void spin_init(struct spinlock *l, const char *name, enum lock_rank rank)
{
	*l = (struct spinlock)SPINLOCK_INIT(name, rank);
}

#ifdef BULKHEAD_DEBUG
void spin_debug_acquire(struct spinlock *l); /* before waiting: rank and recursion */
void spin_debug_acquired(struct spinlock *l);
void spin_debug_release(struct spinlock *l);
bool spin_held(const struct spinlock *l); /* by this CPU */
/* might_sleep: assert that the caller may sleep here: no spinlock, no interrupt, interrupts on. */
void might_sleep(void);
#define spin_assert_held(l) assert(spin_held(l))
#else
static inline void spin_debug_acquire(struct spinlock *l)
{
	(void)l;
}
static inline void spin_debug_acquired(struct spinlock *l)
{
	(void)l;
}
static inline void spin_debug_release(struct spinlock *l)
{
	(void)l;
}
static inline void might_sleep(void)
{
}
#define spin_assert_held(l) ((void)(l))
#endif

void spin_wait(struct spinlock *l, u16 ticket);

/* => preemption is off until spin_unlock */
static inline void spin_lock(struct spinlock *l)
{
	preempt_disable();
	spin_debug_acquire(l);
	u16 ticket = __atomic_fetch_add(&l->next, 1, __ATOMIC_ACQUIRE);
	if (unlikely(__atomic_load_n(&l->owner, __ATOMIC_ACQUIRE) != ticket))
		spin_wait(l, ticket);
	spin_debug_acquired(l);
}

static inline void spin_unlock_no_resched(struct spinlock *l)
{
	spin_debug_release(l);
	__atomic_store_n(&l->owner, l->owner + 1, __ATOMIC_RELEASE);
	preempt_enable_no_resched();
}

static inline void spin_unlock(struct spinlock *l)
{
	spin_debug_release(l);
	__atomic_store_n(&l->owner, l->owner + 1, __ATOMIC_RELEASE);
	preempt_enable();
}

/* => returns the interrupt flag to hand back to spin_unlock_irq */
static inline bool spin_lock_irq(struct spinlock *l)
{
	bool was_on = irq_save();

	spin_lock(l);
	return was_on;
}

static inline void spin_unlock_irq(struct spinlock *l, bool was_on)
{
	spin_unlock_no_resched(l);
	irq_restore(was_on);
	if (unlikely(current_work() & WORK_RESCHED))
		preempt_check();
}

/* WITH_LOCK(&x->lock) { ... }: held for the block, released on each way out of it. */
static inline void spin_unlock_scope(struct spinlock **l)
{
	if (*l)
		spin_unlock(*l);
}
#define WITH_LOCK(l)                                                                                       \
	for (struct spinlock * scope_ __cleanup(spin_unlock_scope) = (spin_lock(l), (l)), *once_ = scope_; \
	     once_; once_ = NULL)
