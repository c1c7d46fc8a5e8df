/* Threads and their time. A thread has a kernel stack and, when it runs programs of ring 3, an address space.
 *
 * States, and who moves them:
 *   NEW     -> READY    thread_start
 *   READY   -> RUNNING  sched_switch
 *   RUNNING -> READY    preemption, sched_yield
 *   RUNNING -> ASLEEP   the thread itself, by waitq_prepare and then sched_block
 *   ASLEEP  -> READY    thread_wake, by a waker, a timeout or thread_interrupt
 *   RUNNING -> DEAD     thread_exit, by the thread itself; its stack is freed by the thread that runs next
 *
 * T1: only the thread itself leaves RUNNING. Nobody destroys another thread's stack.
 * T2: a READY thread is in exactly one run queue. */
#pragma once

#include "hal/base/types.h"
#include "hal/base/atomic.h"
#include "hal/base/list.h"
#include "hal/base/tree.h"
#include "hal/cpu/percpu.h"
#include "hal/cpu/spinlock.h"
#include "hal/time/clock.h"

struct aspace;

enum thread_state {
	THREAD_NEW,
	THREAD_READY,
	THREAD_RUNNING,
	THREAD_ASLEEP,
	THREAD_DEAD
};

#define KSTACK_SIZE (16 * KIB) /* mapped at first, of KSTACK_MAX (sched/kstack.c) */
#define KSTACK_MAX (64 * KIB)  /* reserved, with a guard page below */

/* I immutable   r run-queue lock   c the thread itself, on its CPU   a atomic */
struct thread {
	struct cpu_thread cpu;                   /* first: hal's part */
	u8 *kstack;                              /* [I] lowest byte that is mapped from the start */
	enum thread_state state;                 /* [r] */
	bool on_runq;                            /* [r] */
	u32 wait_how;                            /* [c] enum wait_how of the sleep: what may wake it */
	bool idle;                               /* [I] a CPU's idle thread */
	u32 last_cpu;                            /* [r] */
	pid_t tid;                               /* [I] 0: a thread of the kernel */
	char name[16];                           /* [c] as in /proc/PID/comm */
	struct aspace *aspace;                   /* [c] NULL: a thread of the kernel */
	void *fpu;                               /* [c] extended state, NULL: a thread of the kernel */
	u64 fs_base, gs_base;                    /* [c] of ring 3 */
	struct cpu_selectors selectors;          /* [c] of ring 3, while switched away */
	struct tree_node runq_node;              /* [r] by vruntime */
	struct list rt_link;                     /* [r] among the ready threads of its priority */
	u8 policy;                               /* [r] SCHED_* */
	u8 rt_priority;                          /* [r] 1 .. 99: real-time; 0: shares by weight */
	bool reset_on_fork;                      /* [r] what it makes starts as an ordinary thread */
	u64 rr_left;                             /* [r] ns left of a SCHED_RR thread's turn */
	u64 vruntime;                            /* [r] weighted ns received */
	u64 run_started;                         /* [r] when it got the CPU, monotonic ns */
	u32 weight;                              /* [r] by nice level; 1024 is nice 0 */
	u64 runtime;                             /* [r] ns of CPU in all */
	u64 ticks_user, ticks_kernel;            /* [c] timer interrupts taken in each mode */
	u64 switches_voluntary, switches_forced; /* [c] */
	/* handed down by the owner: called once, on another thread's stack with preemption off, when this
	 * thread will never run again and its stack is free. May not sleep. */
	void (*on_dead)(struct thread *t);
};

/* sched_init: this CPU's run queue; threads can be made, but none runs before sched_start.
 * sched_start: the idle thread takes over the CPU; the boot stack is left for good. Interrupts may be off. */
void sched_init(void);
void __noreturn sched_start(void);

/* thread_init: fill T for fn(arg) on a fresh kernel stack; state NEW. FN runs with interrupts on and
 * preemption allowed, and must end in thread_exit. => 0 or -ENOMEM */
int thread_init(struct thread *t, const char *name, void (*fn)(void *), void *arg);

/* thread_release: free what thread_init took, of a thread that was never started. */
void thread_release(struct thread *t);
void thread_start(struct thread *t);
void __noreturn thread_exit(void);

/* thread_spawn: a thread of the kernel that frees itself. => 0 or -ENOMEM */
int thread_spawn(const char *name, void (*fn)(void *), void *arg);

/* thread_wake: make T READY if it is ASLEEP. => whether it was. Callable from interrupts. */
bool thread_wake(struct thread *t);

/* thread_interrupt: set WORK_SIGNAL (and WORK_KILL), and wake T if it sleeps so that this may wake it. Callable from
 * interrupts. */
void thread_interrupt(struct thread *t, bool kill);

/* How a thread shares the CPU (sched(7)): real-time threads by priority, and first come, first served (SCHED_FIFO) or in
 * turns (SCHED_RR) within one; all others by weight, where SCHED_BATCH and SCHED_IDLE take the CPU from nobody when they
 * wake. Real-time threads leave the others a twentieth of each second. */
#define RT_PRIORITY_MAX 99
#define RR_TURN (100 * NS_PER_MSEC)

/* thread_set_policy: of T, at any time. PRIORITY is 0 but for SCHED_FIFO and SCHED_RR; NICE counts for the others. */
void thread_set_policy(struct thread *t, u32 policy, u32 priority, int nice, bool reset_on_fork);

/* thread_set_nice: the weight of T, unless its policy gives another (nice -20 .. 19). */
void thread_set_nice(struct thread *t, int nice);

/* thread_inherit: a new thread shares the CPU as the running one does, with NICE. */
void thread_inherit(struct thread *t, int nice);

/* thread_set_aspace: the running thread moves to AS (a reference is handed over); the old one is returned. */
struct aspace *thread_set_aspace(struct aspace *as);

void sched_yield(void);
/* sched_block: give the CPU away until somebody wakes this thread. State was set by waitq_prepare. */
void sched_block(void);
/* sched_preempt: a preemption point; switch if somebody else should run. Interrupts off or on. */
void sched_preempt(void);
/* sched_tick: the one-shot timer fired: run timers, count, ask for a switch when the slice is used up. */
void sched_tick(bool from_user);
/* sched_idle: what the idle thread does, for ever. */
void __noreturn sched_idle(void);

/* kstack_grow: map the running thread's kernel stack down to TO. Interrupts off, on an interrupt stack; takes no lock.
 * => false: TO lies beyond what it may have */
bool kstack_grow(vaddr_t to);

/* kstack_kept: free kernel stacks that are kept mapped for the next thread, for accounting. */
u32 kstack_kept(void);

/* System totals, for /proc. */
struct sched_stats {
	u64 user_ticks, kernel_ticks, tick_ns, idle_ns, switches;
	u32 running, cpus;
	u64 load[3]; /* 1, 5, 15 minutes, fixed point 1 << 16 */
};
void sched_stats(struct sched_stats *ret);
