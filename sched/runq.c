/* Choosing who runs. Real-time threads come first, by priority. The others are ordered by virtual runtime: CPU time
 * received, divided by weight. The leftmost has received least and runs next; so each gets its share, and a thread that
 * slept runs soon. */
#include "hal/base/assert.h"
#include "hal/base/sabotage.h"
#include "hal/base/string.h"
#include "hal/cpu/cpu.h"
#include "hal/cpu/fpu.h"
#include "hal/time/clock.h"
#include "kernel/abi/linux.h"
#include "sched/internal.h"
#include "sched/waitq.h"
#include "vm/aspace.h"

#define TICK (4 * NS_PER_MSEC)         /* how often a busy CPU looks whether somebody else is due */
#define SLEEP_CREDIT (6 * NS_PER_MSEC) /* how far behind the others a sleeper may start */
#define WAKE_MARGIN (1 * NS_PER_MSEC) /* how far ahead the running thread must be to be preempted by a wake */
#define LOAD_PERIOD (5 * NS_PER_SEC)
#define RT_PERIOD NS_PER_SEC /* of which real-time threads get RT_SHARE while others wait */
#define RT_SHARE (950 * NS_PER_MSEC)
#define IDLE_WEIGHT 3 /* of SCHED_IDLE */

static struct runq boot_runq;
static struct thread boot_thread; /* the context of kernel_main, until sched_start */

static inline struct runq *this_runq(void)
{
	return this_cpu_read(runq);
}

static struct runq *runq_of(const struct thread *t)
{
	return percpu_table[t->last_cpu]->runq;
}

static bool vruntime_less(const struct tree_node *a, const struct tree_node *b)
{
	return tree_entry(a, struct thread, runq_node)->vruntime <
	       tree_entry(b, struct thread, runq_node)->vruntime;
}

static struct thread *leftmost(struct runq *rq)
{
	return rq->queue.first ? tree_entry(rq->queue.first, struct thread, runq_node) : NULL;
}

/* --- real-time threads; all with the rq lock held --- */

static u32 rt_highest(const struct runq *rq)
{
	if (rq->rt_ready[1])
		return 127 - (u32)__builtin_clzl(rq->rt_ready[1]);
	return rq->rt_ready[0] ? 63 - (u32)__builtin_clzl(rq->rt_ready[0]) : 0;
}

/* rt_throttled: they have had their share, and others wait. */
static bool rt_throttled(const struct runq *rq)
{
	return rq->rt_spent >= RT_SHARE && rq->queue.first;
}

static void rt_account(struct runq *rq, struct thread *t, u64 delta, u64 now)
{
	if (now >= rq->rt_period_end) {
		rq->rt_period_end = now + RT_PERIOD;
		rq->rt_spent = 0;
	}
	if (!t->rt_priority)
		return;
	rq->rt_spent += delta;
	t->rr_left -= MIN(delta, t->rr_left);
}

/* rt_turn_over: the running thread of SCHED_RR has to let the others of its priority run. */
static bool rt_turn_over(const struct runq *rq, const struct thread *t)
{
	return t->policy == SCHED_RR && !t->rr_left && !list_empty(&rq->rt[t->rt_priority]);
}

/* --- the queue --- */

/* account: charge the running thread for its time up to NOW. => rq lock held */
static void account(struct runq *rq, struct thread *t, u64 now)
{
	u64 delta = now - t->run_started;

	t->run_started = now;
	t->runtime += delta;
	rt_account(rq, t, delta, now);
	if (t->idle) {
		rq->idle_ns += delta;
		return;
	}
	if (t->rt_priority)
		return;
	t->vruntime += t->weight == 1024 ? delta : delta * 1024 / t->weight;
	struct thread *first = leftmost(rq);
	u64 least = first ? MIN(first->vruntime, t->vruntime) : t->vruntime;
	rq->min_vruntime = MAX(rq->min_vruntime, least);
}

/* enqueue: FIRST: it has not used up its turn. */
static void enqueue(struct runq *rq, struct thread *t, bool first)
{
	u32 prio = t->rt_priority;

	rq->count++;
	if (!prio) {
		tree_insert(&rq->queue, &t->runq_node, vruntime_less);
		return;
	}
	if (first)
		list_push_front(&rq->rt[prio], &t->rt_link);
	else
		list_push_back(&rq->rt[prio], &t->rt_link);
	rq->rt_ready[prio / 64] |= BIT(prio % 64);
}

static void dequeue(struct runq *rq, struct thread *t)
{
	u32 prio = t->rt_priority;

	rq->count--;
	if (!prio) {
		tree_remove(&rq->queue, &t->runq_node);
		return;
	}
	list_remove(&t->rt_link);
	if (list_empty(&rq->rt[prio]))
		rq->rt_ready[prio / 64] &= ~BIT(prio % 64);
}

/* best: who has the best claim among the ready threads. => NULL: there is none */
static struct thread *best(struct runq *rq)
{
	u32 prio = rt_highest(rq);

	return prio && !rt_throttled(rq) ? list_first(&rq->rt[prio], struct thread, rt_link) : leftmost(rq);
}

static void resched(struct runq *rq)
{
	atomic_or(&rq->current->cpu.work, WORK_RESCHED);
	cpu_send_resched(rq->cpu);
}

/* preempts: T, which has just become ready, is to run at once. */
static bool preempts(struct runq *rq, const struct thread *t)
{
	const struct thread *cur = rq->current;

	if (cur->idle || t->rt_priority || cur->rt_priority)
		return cur->idle || (t->rt_priority > cur->rt_priority && !rt_throttled(rq));
	if (t->policy != SCHED_NORMAL)
		return false;
	if (cur->policy == SCHED_IDLE)
		return true;
	u64 ran = clock_mono() - cur->run_started;
	return t->vruntime + WAKE_MARGIN < cur->vruntime + ran;
}

/* activate: T becomes runnable. => rq lock held */
static void activate(struct runq *rq, struct thread *t)
{
	u64 floor = rq->min_vruntime > SLEEP_CREDIT ? rq->min_vruntime - SLEEP_CREDIT : 0;

	t->vruntime = MAX(t->vruntime, floor);
	t->state = THREAD_READY;
	t->on_runq = true;
	enqueue(rq, t, false);
	if (preempts(rq, t))
		resched(rq);
}

bool thread_wake(struct thread *t)
{
	struct runq *rq = runq_of(t);
	bool on = spin_lock_irq(&rq->lock), woken = t->state == THREAD_ASLEEP;

	if (woken && t->on_runq) /* on its way to sleep: it stays */
		t->state = rq->current == t ? THREAD_RUNNING : THREAD_READY;
	else if (woken)
		activate(rq, t);
	spin_unlock_irq(&rq->lock, on);
	return woken;
}

void thread_interrupt(struct thread *t, bool kill)
{
	atomic_or(&t->cpu.work, kill ? WORK_SIGNAL | WORK_KILL : WORK_SIGNAL);
	/* One that is not asleep yet sees its work before it sleeps (waitq_prepare, waitq_block). */
	bool asleep = atomic_load(&t->state) == THREAD_ASLEEP;
	u32 how = atomic_load(&t->wait_how);
	if (asleep && (how == WAIT_INTERRUPTIBLE || (kill && how == WAIT_KILLABLE)))
		thread_wake(t);
	cpu_send_resched(t->last_cpu);
}

void thread_start(struct thread *t)
{
	struct runq *rq = this_runq();
	bool on = spin_lock_irq(&rq->lock);

	assert(t->state == THREAD_NEW);
	t->last_cpu = rq->cpu;
	/* It has had what its maker has had: making threads gains no time. */
	t->vruntime = MAX(rq->current->vruntime, rq->min_vruntime);
	t->state = THREAD_READY;
	t->on_runq = true;
	enqueue(rq, t, false);
	if (rq->current->idle || t->rt_priority > rq->current->rt_priority)
		resched(rq);
	spin_unlock_irq(&rq->lock, on);
}

/* --- policies --- */

static u32 nice_weight(int nice)
{
	/* Each level is a tenth more or less of the CPU (sched(7)); 1024 * 1.25^-nice */
	static const u32 weights[40] = {
	        88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916, 9548, 7620, 6100, 4904,
	        3906,  3121,  2501,  1991,  1586,  1277,  1024,  820,   655,   526,   423,  335,  272,  215,
	        172,   137,   110,   87,    70,    56,    45,    36,    29,    23,    18,   15,
	};

	return weights[MAX(-20, MIN(19, nice)) + 20];
}

void thread_set_policy(struct thread *t, u32 policy, u32 priority, int nice, bool reset_on_fork)
{
	struct runq *rq = runq_of(t);
	bool on = spin_lock_irq(&rq->lock);
	bool queued = t->on_runq && rq->current != t;

	if (queued)
		dequeue(rq, t);
	else if (rq->current == t)
		account(rq, t, clock_mono());
	if (t->rt_priority && !priority) /* what others received meanwhile is not made up for */
		t->vruntime = MAX(t->vruntime, rq->min_vruntime);
	t->policy = (u8)policy;
	t->rt_priority = (u8)priority;
	t->weight = policy == SCHED_IDLE ? IDLE_WEIGHT : nice_weight(nice);
	t->reset_on_fork = reset_on_fork;
	t->rr_left = RR_TURN;
	if (queued)
		enqueue(rq, t, false);
	if (t->on_runq)
		resched(rq);
	spin_unlock_irq(&rq->lock, on);
}

void thread_set_nice(struct thread *t, int nice)
{
	if (t->policy != SCHED_IDLE)
		write_once(t->weight, nice_weight(nice));
}

void thread_inherit(struct thread *t, int nice)
{
	const struct thread *me = thread_current();
	bool reset = me->reset_on_fork;

	t->policy = reset ? SCHED_NORMAL : me->policy;
	t->rt_priority = reset ? 0 : me->rt_priority;
	t->rr_left = RR_TURN;
	t->weight = t->policy == SCHED_IDLE ? IDLE_WEIGHT : nice_weight(reset && nice < 0 ? 0 : nice);
}

/* --- switching --- */

/* What belongs to ring 3 goes with the thread. Interrupts off. */
static void switch_user_state(struct thread *prev, struct thread *next)
{
	struct percpu *cpu = this_cpu();

	if (prev->fpu && !sabotage(fpu_switch))
		fpu_save(prev->fpu);
	if (next->fpu && !sabotage(fpu_switch) && (cpu->fpu_owner != next || next->last_cpu != cpu->cpu)) {
		fpu_restore(next->fpu);
		cpu->fpu_owner = next;
	}
	/* A thread of the kernel runs with null selectors, as its struct has them. */
	if (prev->fpu) /* not by its space: a task that ends has left that already */
		cpu_save_selectors(&prev->selectors);
	if (!selectors_null(&prev->selectors) || !selectors_null(&next->selectors))
		cpu_load_selectors(&next->selectors);
	if (next->aspace) {
		pmap_activate(&next->aspace->pmap);
		if (!sabotage(fs_base))
			cpu_set_user_bases(next->fs_base, next->gs_base);
	} else if (prev->aspace) {
		pmap_activate_kernel();
	}
}

void switch_finish(void)
{
	struct runq *rq = this_runq();
	struct thread *prev = rq->prev;
	bool dead = prev->state == THREAD_DEAD;

	preempt_disable();
	spin_unlock_no_resched(&rq->lock);
	if (unlikely(this_cpu()->kstack_wanting))
		kstack_refill();
	if (dead) {
		if (this_cpu()->fpu_owner == prev)
			this_cpu()->fpu_owner = NULL;
		if (prev->kstack)
			kstack_free(prev);
		if (prev->on_dead)
			prev->on_dead(prev);
	}
	preempt_enable_no_resched();
}

/* schedule: let the thread run that has the best claim. PREEMPTED: the running one did not ask for it, and stays
 * runnable even if it was about to sleep. => interrupts off, no spinlock held */
static void schedule(bool preempted)
{
	struct runq *rq = this_runq();
	struct thread *prev = thread_current(), *next;
	u64 now = clock_mono();

	if (unlikely(prev->cpu.kstack_low != (vaddr_t)prev->kstack)) {
		preempt_disable();
		kstack_settle();
		preempt_enable_no_resched();
	}
	spin_lock(&rq->lock);
	atomic_and(&prev->cpu.work, ~WORK_RESCHED);
	account(rq, prev, now);
	if (!prev->idle) {
		if (preempted || prev->state == THREAD_RUNNING) {
			if (prev->state == THREAD_RUNNING)
				prev->state = THREAD_READY;
			enqueue(rq, prev, preempted && !rt_turn_over(rq, prev));
		} else {
			prev->on_runq = false;
		}
	}
	next = best(rq);
	if (next)
		dequeue(rq, next);
	else
		next = rq->idle;
	if (next->state == THREAD_READY)
		next->state = THREAD_RUNNING;
	if (!next->rr_left)
		next->rr_left = RR_TURN;
	if (next == prev) {
		spin_unlock_no_resched(&rq->lock);
		return;
	}
	if (preempted)
		prev->switches_forced++;
	else
		prev->switches_voluntary++;
	rq->switches++;
	rq->current = next;
	rq->prev = prev;
	next->run_started = now;
	if (!next->idle)
		timer_request(now + TICK);
	switch_user_state(prev, next);
	next->last_cpu = rq->cpu;
	cpu_set_kernel_stack(next->cpu.kstack_top);
	cpu_switch(&prev->cpu, &next->cpu);
	switch_finish();
}

void sched_block(void)
{
	might_sleep();
	irq_disable();
	schedule(false);
	irq_enable();
}

void sched_yield(void)
{
	struct runq *rq = this_runq();

	might_sleep();
	irq_disable();
	if (rq->count) {
		struct thread *t = thread_current();

		/* A real-time thread goes behind those of its priority. Another goes behind
		 * the next one: yielding gives way even to who has received more. */
		WITH_LOCK (&rq->lock) {
			struct thread *first = leftmost(rq);

			account(rq, t, clock_mono());
			if (first)
				t->vruntime = MAX(t->vruntime, first->vruntime);
		}
		schedule(false);
	}
	irq_enable();
}

void sched_preempt(void)
{
	bool on = irq_save();

	schedule(true);
	irq_restore(on);
}

void __noreturn thread_exit(void)
{
	irq_disable();
	thread_current()->state = THREAD_DEAD;
	schedule(false);
	panic("a dead thread ran");
}

/* --- time --- */

static void load_sample(struct runq *rq, u64 now)
{
	/* exp(-5s/1min), exp(-5s/5min), exp(-5s/15min), in 1/2048 (as Linux has them) */
	static const u64 decay[3] = {1884, 2014, 2037};
	u64 running = rq->count + (rq->current->idle ? 0 : 1);

	for (; now >= rq->load_next; rq->load_next += LOAD_PERIOD)
		for (u32 i = 0; i < 3; i++)
			rq->load[i] = (rq->load[i] * decay[i] + (running << 16) * (2048 - decay[i])) / 2048;
}

/* due: somebody else has a better claim than the running T. => rq lock held */
static bool due(struct runq *rq, const struct thread *t)
{
	const struct thread *first = best(rq);

	if (!first)
		return false;
	if (first->rt_priority || t->rt_priority)
		return first->rt_priority > t->rt_priority || (!first->rt_priority && rt_throttled(rq)) ||
		       rt_turn_over(rq, t);
	return first->vruntime < t->vruntime;
}

void sched_tick(bool from_user)
{
	struct runq *rq = this_runq();
	struct thread *t = thread_current();
	u64 now = clock_mono();

	timer_tick(now);
	if (now >= rq->load_next)
		load_sample(rq, now);
	if (t->idle)
		return;
	if (from_user)
		t->ticks_user++, rq->ticks_user++;
	else
		t->ticks_kernel++, rq->ticks_kernel++;
	WITH_LOCK (&rq->lock) {
		account(rq, t, now);
		if (due(rq, t) && !sabotage(no_preemption))
			atomic_or(&t->cpu.work, WORK_RESCHED);
	}
	timer_request(now + TICK);
}

void __noreturn sched_idle(void)
{
	struct runq *rq = this_runq();

	for (;;) {
		irq_disable();
		if (read_once(rq->count))
			schedule(false);
		else
			cpu_idle();
	}
}

/* --- the beginning --- */

void sched_init(void)
{
	struct percpu *cpu = this_cpu();
	struct runq *rq = &boot_runq;

	spin_init(&rq->lock, "runq", RANK_RUNQ);
	for (u32 i = 0; i < ARRAY_SIZE(rq->rt); i++)
		list_init(&rq->rt[i]);
	rq->cpu = cpu->cpu;
	rq->load_next = LOAD_PERIOD;
	rq->current = &boot_thread;
	boot_thread.state = THREAD_RUNNING;
	boot_thread.weight = 1024;
	str_copy(boot_thread.name, "boot", sizeof(boot_thread.name));
	cpu->runq = rq;
	cpu->current = &boot_thread;
	kstack_init();
}

static void idle_main(void *arg)
{
	sched_idle();
}

void __noreturn sched_start(void)
{
	static struct thread idle;
	struct runq *rq = this_runq();

	if (thread_init(&idle, "idle", idle_main, NULL) < 0)
		panic("out of memory for the idle thread");
	idle.idle = !sabotage(idle_busy);
	idle.on_runq = true;
	idle.state = THREAD_RUNNING;
	rq->idle = &idle;
	irq_disable();
	boot_thread.state = THREAD_DEAD; /* the boot stack is not used again */
	preempt_enable_no_resched();
	schedule(false);
	panic("the boot thread ran again");
}

void sched_stats(struct sched_stats *ret)
{
	struct runq *rq = this_runq();

	*ret = (struct sched_stats){
	        .user_ticks = rq->ticks_user,
	        .kernel_ticks = rq->ticks_kernel,
	        .idle_ns = rq->idle_ns + (rq->current->idle ? clock_mono() - rq->current->run_started : 0),
	        .switches = rq->switches,
	        .running = rq->count + (rq->current->idle ? 0 : 1),
	        .cpus = cpu_count,
	        .tick_ns = TICK,
	};
	for (u32 i = 0; i < 3; i++)
		ret->load[i] = rq->load[i];
}
