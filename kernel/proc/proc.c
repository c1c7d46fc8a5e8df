/* The process table: making, finding and dropping processes and tasks. */
#include "kernel/proc/ptrace.h"
#include "kernel/sys/syscall.h"
#include "hal/base/assert.h"
#include "hal/base/string.h"
#include "hal/cpu/fpu.h"
#include "hal/time/clock.h"
#include "kernel/fs/fdtable.h"
#include "kernel/fs/fsctx.h"
#include "kernel/fs/vfs.h"
#include "vm/aspace.h"
#include "vm/kmem.h"

static struct kmem_cache *proc_cache, *task_cache, *sighand_cache, *fpu_cache;
static struct list all_procs = LIST_INIT(all_procs); /* [proc_lock] oldest first */
static u32 count;                                    /* [proc_lock] */

void proc_init(void)
{
	proc_cache = kmem_cache_create("proc", sizeof(struct proc), 16);
	task_cache = kmem_cache_create("task", sizeof(struct task), 16);
	sighand_cache = kmem_cache_create("sighand", sizeof(struct sighand), 16);
	fpu_cache = fpu_size() <= 2048 ? kmem_cache_create("fpu", fpu_size(), 64) : NULL;
	pid_init();
	signal_init();
	ptrace_init();
}

/* --- signal handlers, shared or not --- */

/* sighand_new: with no actions yet. */
static struct sighand *sighand_new(void)
{
	struct sighand *h = kmem_cache_alloc(sighand_cache);

	if (!h)
		return NULL;
	h->refs = 1;
	spin_init(&h->lock, "signal", RANK_SIGNAL);
	return h;
}

struct sighand *sighand_alloc(void)
{
	struct sighand *h = sighand_new();

	if (!h)
		return NULL;
	h->given = 0;
	memset(h->action, 0, sizeof(h->action));
	return h;
}

struct sighand *sighand_copy(struct sighand *from)
{
	struct sighand *h = sighand_new();

	if (!h)
		return NULL;
	bool on = signal_lock(from);
	h->given = from->given;
	memcpy(h->action, from->action, sizeof(h->action));
	signal_unlock(from, on);
	return h;
}

void sighand_reset(struct sighand *h)
{
	bool on = signal_lock(h);

	for (u64 left = h->given; left; left &= left - 1) {
		struct sigaction *sa = &h->action[__builtin_ctzl(left)];

		*sa = (struct sigaction){.sa_handler = sa->sa_handler == SIG_IGN ? SIG_IGN : SIG_DFL};
	}
	signal_unlock(h, on);
}

void sighand_put(struct sighand *h)
{
	if (h && ref_put(&h->refs))
		kmem_cache_free(sighand_cache, h);
}

/* --- tasks --- */

static void *fpu_alloc(void)
{
	return fpu_cache ? kmem_cache_alloc(fpu_cache) : kmalloc(MAX(fpu_size(), PAGE_SIZE));
}

static void fpu_free(void *area)
{
	if (fpu_cache)
		kmem_cache_free(fpu_cache, area);
	else
		kfree(area);
}

struct task *task_alloc(void)
{
	struct task *t = kmem_cache_alloc(task_cache);

	if (!t)
		return NULL;
	memset(t, 0, sizeof(*t));
	t->thread.fpu = fpu_alloc();
	if (!t->thread.fpu) {
		kmem_cache_free(task_cache, t);
		return NULL;
	}
	fpu_init_area(t->thread.fpu);
	list_init(&t->link);
	list_init(&t->sig_pending.infos);
	t->altstack.ss_flags = SS_DISABLE;
	t->thread.on_dead = task_dead;
	t->thread.cpu.entry_work = syscall_trace_all ? ENTRY_LOG : 0;
	return t;
}

void task_free(struct task *t)
{
	fpu_free(t->thread.fpu);
	kmem_cache_free(task_cache, t);
}

void task_dead(struct thread *thread)
{
	struct task *t = (struct task *)thread;

	WITH_LOCK (&proc_lock) {
		if (t->pid->task == t)
			t->pid->task = NULL;
		pid_put(t->pid);
	}
	task_free(t);
}

bool task_insert(struct proc *p, struct task *t)
{
	spin_assert_held(&proc_lock);
	bool on = signal_lock(p->sighand), ends = p->group_exit || p->exec_task;

	t->proc = p;
	if (!ends) {
		t->pid->task = t;
		t->thread.tid = t->pid->nr;
		list_push_back(&p->tasks, &t->link);
		p->task_count++;
	}
	signal_unlock(p->sighand, on);
	return !ends;
}

/* --- processes --- */

struct proc *proc_alloc(void)
{
	struct proc *p = kmem_cache_alloc(proc_cache);

	if (!p)
		return NULL;
	memset(p, 0, sizeof(*p));
	list_init(&p->group_link);
	list_init(&p->session_link);
	list_init(&p->all_link);
	list_init(&p->children);
	list_init(&p->sibling);
	list_init(&p->tasks);
	list_init(&p->newborns);
	list_init(&p->tracees);
	list_init(&p->sem_undos);
	list_init(&p->sig_pending.infos);
	waitq_init(&p->child_wait);
	waitq_init(&p->stop_wait);
	timer_init(&p->real_timer, itimer_expired);
	list_init(&p->posix_timers);
	p->exit_signal = SIGCHLD;
	p->dumpable = true;
	p->start_time = clock_mono();
	return p;
}

void proc_free(struct proc *p)
{
	fdtable_put(p->files);
	fsctx_put(p->fs);
	sighand_put(p->sighand);
	file_put(p->exe);
	kmem_cache_free(proc_cache, p);
}

void proc_set_group(struct proc *p, struct pid *group)
{
	pid_get(group);
	list_remove(&p->group_link);
	list_push_back(&group->group, &p->group_link);
	if (p->group)
		pid_put(p->group);
	p->group = group;
}

void proc_set_session(struct proc *p, struct pid *session)
{
	pid_get(session);
	list_remove(&p->session_link);
	list_push_back(&session->session, &p->session_link);
	if (p->session)
		pid_put(p->session);
	p->session = session;
}

void proc_insert(struct proc *p, struct proc *parent)
{
	spin_assert_held(&proc_lock);
	p->pid->proc = p;
	pid_get(p->pid);
	p->parent = parent;
	p->parent_nr = parent ? parent->pid->nr : 0;
	if (parent)
		list_push_back(&parent->children, &p->sibling);
	list_push_back(&all_procs, &p->all_link);
	count++;
}

void proc_reap(struct proc *p)
{
	spin_assert_held(&proc_lock);
	assert(p->state == PROC_ZOMBIE && p->task_count == 0);
	list_remove(&p->sibling);
	list_remove(&p->all_link);
	list_remove(&p->group_link);
	list_remove(&p->session_link);
	pid_put(p->group);
	pid_put(p->session);
	p->pid->proc = NULL;
	waitq_wake_all(&p->pid->ended);
	pid_put(p->pid);
	count--;
	kmem_cache_free(proc_cache, p);
}

void proc_for_each(bool (*fn)(struct proc *p, void *arg), void *arg)
{
	WITH_LOCK (&proc_lock)
		proc_walk(fn, arg);
}

void proc_walk(bool (*fn)(struct proc *p, void *arg), void *arg)
{
	struct proc *p;

	spin_assert_held(&proc_lock);
	list_for_each (p, &all_procs, all_link)
		if (!fn(p, arg))
			break;
}

struct proc *proc_find(pid_t nr)
{
	struct pid *pid = pid_find(nr);

	return pid ? pid->proc : NULL;
}

struct aspace *proc_aspace(struct proc *p)
{
	struct aspace *as = NULL;
	struct task *t;

	spin_assert_held(&proc_lock);
	list_for_each (t, &p->tasks, link) {
		as = t->thread.aspace;
		if (as)
			break;
	}
	if (as)
		aspace_get(as);
	return as;
}

u64 task_count(void)
{
	return kmem_cache_used(task_cache);
}

u32 proc_count(void)
{
	return read_once(count);
}

/* task_times: CPU time as measured, split as the ticks fell. */
void task_times(const struct thread *t, u64 *ret_user, u64 *ret_kernel)
{
	u64 ticks = t->ticks_user + t->ticks_kernel;
	u64 user = ticks ? t->runtime / ticks * t->ticks_user : 0;

	*ret_user = user;
	*ret_kernel = t->runtime - MIN(user, t->runtime);
}

void proc_times(struct proc *p, u64 *ret_user, u64 *ret_kernel)
{
	struct task *t;

	*ret_user = p->time_user;
	*ret_kernel = p->time_kernel;
	list_for_each (t, &p->tasks, link) {
		u64 user, kernel;

		task_times(&t->thread, &user, &kernel);
		*ret_user += user;
		*ret_kernel += kernel;
	}
}

bool group_is_orphaned(struct pid *group)
{
	struct proc *p;

	spin_assert_held(&proc_lock);
	list_for_each (p, &group->group, group_link) {
		struct proc *parent = p->parent;

		if (p->state == PROC_ZOMBIE || !parent)
			continue;
		if (parent->group != group && parent->session == p->session)
			return false;
	}
	return true;
}

bool capable(int cap)
{
	return proc_current()->creds.caps & BIT(cap);
}
