/* Running out of memory. What cannot be had fails the one call with its errno (heap, descriptors, regions, numbers,
 * the file system's share); but when there is not one frame left, somebody ends, and whoever wanted it tries again: a
 * touch of a page touches again, a system call that came to -ENOMEM is made again, which is sound because a call that
 * fails has changed nothing.
 *
 * The rule: the process that holds most ends. Among those that fall short of it by less than 1/64 of memory it is one of
 * the process group that holds most together, and of that the youngest: what multiplies does so in its group, and is
 * younger than what was there before.
 *
 * O1: "holds" is resident pages, page tables, regions, and the kernel's memory behind its descriptors, plus
 *     /proc/PID/oom_score_adj thousandths of memory. -1000 of them: never.
 * O2: pid 1, a process that shares its memory, and threads of the kernel are never chosen.
 * O3: all who share the victim's memory end with it, else none of it would come back.
 * O4: the end of a process takes no memory: no allocation on its way may be needed (prog/failalloc, "exits").
 * O5: one at a time: while one is ending, all wait for that; a process that ends anyway is waited for first. One that
 *     has not ended in PATIENCE (it waits for a mutex that we hold) is not waited for again. */
#include "hal/base/log.h"
#include "hal/base/printf.h"
#include "hal/base/sabotage.h"
#include "hal/base/string.h"
#include "hal/time/clock.h"
#include "kernel/fs/fdtable.h"
#include "kernel/proc/proc.h"
#include "vm/aspace.h"
#include "vm/frame.h"

#define PATIENCE (3 * NS_PER_SEC)
#define NEAR_SHIFT 6 /* less than 1/64 of memory is as good as nothing */
#define NEVER (-1000)

/* At most LOG_BURST lines in LOG_PERIOD. */
#define LOG_PERIOD (10 * NS_PER_SEC)
#define LOG_BURST 10

static struct waitq gone = WAITQ_INIT(gone);
static struct proc
        *ending;      /* [proc_lock], read with read_once: the victim; NULL: nobody is being waited for */
static u64 log_since; /* [proc_lock] */
static u32 log_count; /* [proc_lock] victims since then */

/* What the log says of a choice. */
struct choice {
	struct proc *victim, *second;
	u32 among;         /* so many could have been chosen */
	bool near;         /* another holds about as much */
	bool said;         /* is to be logged */
	u32 unsaid;        /* victims before it that were not */
	pid_t nr, next_nr; /* 0: none */
	char name[16], next_name[16];
	u64 size, next_size; /* pages */
};

static struct aspace *space_of(const struct proc *p)
{
	return list_empty(&p->tasks) ? NULL : list_first(&p->tasks, struct task, link)->thread.aspace;
}

static u64 proc_size(struct proc *p)
{
	return aspace_footprint(space_of(p)) + DIV_UP(fdtable_held(p->files), PAGE_SIZE);
}

static u64 adjusted(const struct proc *p, u64 size)
{
	i64 sum = (i64)size + (i64)(frame_total() / 1000) * p->oom_adjust;

	return p->oom_adjust == NEVER || sum < 0 ? 0 : (u64)sum;
}

u64 oom_score(struct proc *p)
{
	return space_of(p) ? MIN(adjusted(p, proc_size(p)) * 1000 / frame_total(), 1000UL) : 0;
}

/* --- choosing --- */

static struct aspace *init_space; /* [proc_lock] while choosing: that of pid 1, the first of the walk */

static bool forget(struct proc *p, void *arg)
{
	p->oom_size = p->group->oom_size = 0;
	return true;
}

/* consider: measure P. ARG: struct choice; its victim is the largest so far. => false: P is ending already */
static bool consider(struct proc *p, void *arg)
{
	struct choice *c = arg;
	struct aspace *as = space_of(p);

	if (!p->parent)
		init_space = as;
	if (p->state == PROC_ZOMBIE || p->oom_late)
		return true;
	if (p->group_exit) { /* O5 */
		ending = p;
		return false;
	}
	if (!as || as == init_space || p->oom_adjust == NEVER)
		return true; /* O1, O2 */
	p->oom_size = MAX(adjusted(p, proc_size(p)), 1UL);
	p->group->oom_size += p->oom_size;
	c->among++;
	if (sabotage(oom_victim) ? !c->victim : !c->victim || p->oom_size > c->victim->oom_size)
		c->victim = p;
	return true;
}

/* prefer: of those near the largest, by the rule. The walk is by age. */
static bool prefer(struct proc *p, void *arg)
{
	struct choice *c = arg;

	if (p->oom_size && p->oom_size + (frame_total() >> NEAR_SHIFT) > c->size &&
	    p->group->oom_size >= c->victim->group->oom_size)
		c->victim = p;
	return true;
}

/* runner_up: the largest of the others. */
static bool runner_up(struct proc *p, void *arg)
{
	struct choice *c = arg;

	if (p->oom_size && p != c->victim && (!c->second || p->oom_size > c->second->oom_size))
		c->second = p;
	return true;
}

static bool end_sharer(struct proc *p, void *arg)
{
	if (space_of(p) == arg)
		signal_kill(p);
	return true;
}

static void choice_describe(struct choice *c)
{
	u64 now = clock_mono();

	c->nr = c->victim->pid->nr;
	c->size = c->victim->oom_size;
	memcpy(c->name, c->victim->name, sizeof(c->name));
	if (c->second) {
		c->next_nr = c->second->pid->nr;
		c->next_size = c->second->oom_size;
		memcpy(c->next_name, c->second->name, sizeof(c->next_name));
		c->near = c->next_size + (frame_total() >> NEAR_SHIFT) > c->size;
	}
	if (now - log_since > LOG_PERIOD) {
		c->unsaid = log_count > LOG_BURST ? log_count - LOG_BURST : 0;
		log_since = now;
		log_count = 0;
	}
	c->said = ++log_count <= LOG_BURST;
}

/* choose: `ending` is somebody, if there is anybody. proc_lock held. */
static void choose(struct choice *c)
{
	proc_walk(forget, NULL);
	proc_walk(consider, c);
	if (ending || !c->victim || sabotage(oom_nobody))
		return;
	c->size = c->victim->oom_size;
	if (!sabotage(oom_victim))
		proc_walk(prefer, c);
	proc_walk(runner_up, c);
	choice_describe(c);
	ending = c->victim;
	proc_walk(end_sharer, space_of(c->victim)); /* O3 */
}

static void choice_log(const struct choice *c)
{
	char next[80] = "";

	if (c->unsaid)
		klog(LOG_WARN, "out of memory: %u more have ended for it", c->unsaid);
	if (!c->nr || !c->said)
		return;
	if (c->second)
		ksnprintf(next, sizeof(next), "; another is pid %d (%s) with %lu KiB", c->next_nr,
		          c->next_name, c->next_size * (PAGE_SIZE / KIB));
	klog(LOG_WARN, "out of memory: pid %d (%s) ends: it holds %lu KiB, %s of %u%s", c->nr, c->name,
	     c->size * (PAGE_SIZE / KIB), c->near ? "about the most, by its group and age" : "the most",
	     c->among, next);
}

/* --- waiting --- */

void oom_gone(struct proc *p)
{
	spin_assert_held(&proc_lock);
	if (ending != p)
		return;
	ending = NULL;
	waitq_wake_all(&gone);
}

/* give_up: P does not end: somebody else is to. It may be gone by now, or even be another. */
static void give_up(struct proc *p)
{
	WITH_LOCK (&proc_lock) {
		if (ending == p) {
			p->oom_late = true;
			oom_gone(p);
		}
	}
}

bool oom_relieve(void)
{
	struct choice c = {.victim = NULL};
	struct proc *p = NULL;

	if (!(current_work() & WORK_MEMORY) || (current_work() & WORK_KILL))
		return false;
	atomic_and(&thread_current()->cpu.work, ~WORK_MEMORY);
	WITH_LOCK (&proc_lock) {
		if (!ending)
			choose(&c);
		p = ending;
	}
	choice_log(&c);
	if (!p)
		return false;
	if (wait_event(&gone, WAIT_KILLABLE, clock_mono() + PATIENCE, read_once(ending) != p) == -ETIMEDOUT)
		give_up(p);
	return !(current_work() & WORK_KILL);
}

void oom_call_again(struct trapframe *tf)
{
	bool failed = (i64)tf->orig_rax >= 0 && (i64)tf->rax == -ENOMEM;

	if (failed && oom_relieve())
		trapframe_again(tf, tf->orig_rax);
	atomic_and(&thread_current()->cpu.work, ~WORK_MEMORY);
}

void __noreturn oom_end_self(void)
{
	klog(LOG_WARN, "out of memory: pid %d (%s) ends: it wants a page, and nobody else can end",
	     proc_current()->pid->nr, thread_current()->name);
	proc_exit_group(SIGKILL);
}
