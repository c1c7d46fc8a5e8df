/* What belongs to one CPU, behind %gs in the kernel. Reached by nobody else without saying so.
 *
 * P1: %gs is the base of this structure whenever the kernel runs, from its first instructions on; %gs:0 holds its own
 *     address (`self`) from cpu_init on.
 * P2: tss.rsp0 is the top of the current thread's kernel stack. Interrupts from ring 3 and the
 *     system-call entry both take it from here: there is no second copy to fall out of step.
 * P3: preempt_count == 0 means that the current thread may be switched away at any interrupt.
 * P4: while RSP lies in a thread's kernel stack, `current` is that thread: cpu_switch changes both, and touches no stack
 *     in between. So who has to grow the stack in the midst of anything (entry.S) knows whose it is. */
#pragma once

#include "hal/base/types.h"
#include "hal/base/list.h"

struct thread;

#define MAX_CPUS 256

/* 64-bit TSS (Intel SDM vol. 3, 7.7) */
struct tss {
	u32 reserved0;
	u64 rsp0, rsp1, rsp2;
	u64 reserved1;
	u64 ist[7];
	u64 reserved2;
	u16 reserved3;
	u16 iomap_base;
} __packed;

enum ist {
	IST_DF = 1,
	IST_NMI = 2,
	IST_MC = 3,
	IST_DB = 4,
	IST_PF = 5, /* these two are left before anything else is done: entry.S */
	IST_IRQ = 6,
	IST_PANIC = 7, /* page faults of a panic's report */
	IST_COUNT = 7
};

/* The part of struct thread (sched/thread.h) that hal knows: its first member. */
struct cpu_thread {
	u32 work;        /* [atomic] WORK_*: what is to be done before its next instruction in ring 3 */
	u32 entry_work;  /* [atomic] ENTRY_*: what its system calls are wrapped in; above hal's concern */
	u64 sp;          /* [c] kernel stack pointer while switched away */
	u64 kstack_top;  /* [I] */
	u64 kstack_low;  /* [c] lowest mapped byte of the kernel stack */
	u64 kstack_base; /* [I] how far down it may grow; a guard page lies below */
	u64 canary;      /* [I] random: what a function puts behind its arrays, and expects to find there */
};

/* Ring 3's data selectors, which in 64-bit mode mean nothing but are kept, as Linux keeps them. */
struct cpu_selectors {
	u16 ds, es, fs, gs;
};

static inline bool selectors_null(const struct cpu_selectors *s)
{
	return !(s->ds | s->es | s->fs | s->gs);
}

#define WORK_RESCHED 1U /* another thread should run */
#define WORK_SIGNAL 2U  /* a signal, a kill or a stop request */
#define WORK_RESTORE 8U /* its signal mask is to be put back */
#define WORK_KILL 4U    /* stays set once it is: the thread is to end */
#define WORK_MEMORY 16U /* a frame was wanted, and there was none (vm/frame.c) */

#define ENTRY_LOG 1U    /* trace=syscalls */
#define ENTRY_TRACED 2U /* its tracer wants to see each system call */
#define ENTRY_STEP 4U   /* its tracer lets it do one instruction, and a system call is one */

#define HELD_LOCKS_MAX 16

struct percpu {
	struct percpu *self;    /* at 0 */
	struct thread *current; /* [c] */
	u64 user_rsp;           /* [c, interrupts off] scratch of the system-call entry */
	u64 canary;        /* [c] the current thread's; 0 until there are any. Makefile: STACK_PROTECTOR */
	u32 preempt_count; /* [c] */
	u32 cpu;           /* [I] 0 .. MAX_CPUS-1 */
	u32 apic_id;       /* [I] */
	bool in_irq;       /* [c] an interrupt handler runs */
	bool online;       /* [I] */
	struct tss tss __aligned(16); /* [c] rsp0 by sched, the rest [I] */
	u64 gdt[16];                  /* [I] */
	struct thread *fpu_owner;     /* [c] whose extended state the registers hold; NULL: nobody's */
	struct runq *runq;            /* [I] sched/runq.c */
	void *frame_cache;            /* [I] vm/frame.c */
	struct kstack_reserve *kstack_reserve; /* [I] sched/kstack.c */
	bool kstack_wanting;                   /* [c] sched/kstack.c: a frame may be missing there */
	/* debug build: the spinlocks held, in the order taken */
	u32 held_count;      /* [c] */
	u32 held_before_irq; /* [c] how many of them the interrupted code held; 0 outside interrupts */
	const struct spinlock *held[HELD_LOCKS_MAX]; /* [c] */
};

extern struct percpu boot_percpu;
extern struct percpu *percpu_table[MAX_CPUS]; /* [I] after a CPU is online */
extern u32 cpu_count;                         /* online CPUs */

#define PERCPU_OFFSET(field) offsetof(struct percpu, field)

/* One %gs-relative instruction each, so no preemption can come between address and access. */
#define this_cpu_read(field)                                                                 \
	({                                                                                   \
		__typeof__(boot_percpu.field) v_;                                            \
		__asm__ volatile("mov %%gs:%c1, %0" : "=r"(v_) : "i"(PERCPU_OFFSET(field))); \
		v_;                                                                          \
	})

/* this_cpu: valid until the next preemption; hold preemption off around its use. */
static inline struct percpu *this_cpu(void)
{
	return this_cpu_read(self);
}

/* thread_current: the running thread. Not volatile: it never changes under one thread. */
static inline struct thread *thread_current(void)
{
	struct thread *t;

	__asm__("mov %%gs:%c1, %0" : "=r"(t) : "i"(PERCPU_OFFSET(current)));
	return t;
}

static inline void preempt_disable(void)
{
	__asm__ volatile("incl %%gs:%c0" ::"i"(PERCPU_OFFSET(preempt_count)) : "memory", "cc");
}

static inline void preempt_enable_no_resched(void)
{
	__asm__ volatile("decl %%gs:%c0" ::"i"(PERCPU_OFFSET(preempt_count)) : "memory", "cc");
}

/* current_work: the WORK_ bits of the running thread. */
static inline u32 current_work(void)
{
	return __atomic_load_n(&((struct cpu_thread *)thread_current())->work, __ATOMIC_RELAXED);
}

/* current_work_add: BIT of WORK_ for the running thread to see to. */
static inline void current_work_add(u32 bit)
{
	__atomic_or_fetch(&((struct cpu_thread *)thread_current())->work, bit, __ATOMIC_RELAXED);
}

/* preempt_check: switch now if it is wanted and allowed. */
void preempt_check(void);

static inline void preempt_enable(void)
{
	bool zero;

	__asm__ volatile("decl %%gs:%c1" : "=@ccz"(zero) : "i"(PERCPU_OFFSET(preempt_count)) : "memory");
	if (zero && unlikely(current_work() & WORK_RESCHED))
		preempt_check();
}
