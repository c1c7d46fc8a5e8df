/* Ending: one task, or all of a process. What is left is a zombie, until its parent has asked for its status. */
#include "hal/base/assert.h"
#include "hal/base/log.h"
#include "hal/dev/power.h"
#include "kernel/fs/fdtable.h"
#include "kernel/fs/fsctx.h"
#include "kernel/fs/vfs.h"
#include "kernel/proc/futex.h"
#include "kernel/proc/posix_timer.h"
#include "kernel/proc/ptrace.h"
#include "kernel/sys/ipc.h"
#include "kernel/tty/tty.h"
#include "vm/aspace.h"
#include "vm/uaccess.h"

/* leave: the task is no longer one of its process. Without an exit_group the status is that of the first task, whoever
 * is the last (as on Linux). => true when it was the last */
static bool leave(struct proc *p, struct task *t, int wait_status)
{
	bool last = false;

	WITH_LOCK (&proc_lock) {
		bool on = signal_lock(p->sighand);
		u64 user, kernel;

		list_remove(&t->link);
		t->pid->task = NULL; /* P may be gone before T is: nobody comes from the number to P by it */
		last = --p->task_count == 0;
		if (!p->group_exit && t->pid == p->pid)
			p->exit_code = wait_status;
		p->group_exit |= last; /* no signal changes it any more */
		if (t == p->leader && !last)
			p->leader = list_first(&p->tasks, struct task, link);
		task_times(&t->thread, &user, &kernel);
		p->time_user += user;
		p->time_kernel += kernel;
		signal_flush(&t->sig_pending);
		signal_retarget(p, NULL,
		                ~0UL); /* T may have been woken for what it does not see to any more */
		signal_unlock(p->sighand, on);
		ptrace_task_ended(t, wait_status);
	}
	if (!last)
		waitq_wake_all(&p->stop_wait); /* exec may wait for the others' end */
	return last;
}

static struct proc *reaper(struct proc *p)
{
	for (struct proc *a = p->parent; a; a = a->parent)
		if (a->subreaper || !a->parent)
			return a;
	return NULL;
}

/* A group whose last link to its session's other groups goes with P, and which has a stopped member, is told. */
static void orphan_group(struct pid *group)
{
	struct proc *m;

	if (!group_is_orphaned(group))
		return;
	list_for_each (m, &group->group, group_link) {
		if (m->state == PROC_STOPPED) {
			signal_send_group(group, SIGHUP);
			signal_send_group(group, SIGCONT);
			return;
		}
	}
}

static void reparent_children(struct proc *p)
{
	struct proc *to = reaper(p), *c, *next;

	list_for_each_safe (c, next, &p->children, sibling) {
		list_remove(&c->sibling);
		list_push_back(&to->children, &c->sibling);
		c->parent = to;
		c->parent_nr = to->pid->nr;
		c->exit_signal = SIGCHLD;
		if (c->parent_death_signal)
			signal_kernel(c, c->parent_death_signal);
		if (c->group != p->group)
			orphan_group(c->group);
		if (c->state == PROC_ZOMBIE && !c->pid->tracee) /* last: C may be gone after it */
			proc_notify_end(c);
	}
}

void proc_notify_end(struct proc *p)
{
	bool signalled = p->exit_code & 0x7f;

	proc_notify_parent(p, signalled ? CLD_KILLED : CLD_EXITED,
	                   signalled ? p->exit_code & 0x7f : p->exit_code >> 8);
}

/* become_zombie: proc_lock held. After it, P may be freed at any time. */
static void become_zombie(struct proc *p, struct sighand *h)
{
	struct proc *parent = p->parent;

	reparent_children(p);
	ptrace_release(p);
	if (p->session == p->pid)
		tty_session_exit(p->session);
	/* P's own group, if P was what linked it to the session. */
	if (parent && parent->group != p->group && parent->session == p->session) {
		list_remove(&p->group_link);
		orphan_group(p->group);
		list_push_back(&p->group->group, &p->group_link);
	}
	bool on = signal_lock(h);
	p->state = PROC_ZOMBIE;
	signal_flush(&p->sig_pending);
	p->sighand = NULL;
	signal_unlock(h, on);
	waitq_wake_all(&p->pid->ended);
	oom_gone(p);
	if (!ptrace_proc_ended(p))
		proc_notify_end(p);
}

/* The last task: give back what the process holds, while it can still sleep. */
static void release_resources(struct proc *p)
{
	struct fdtable *files = p->files;
	struct fsctx *fs = p->fs;
	struct file *exe = p->exe;

	sem_exit(p);
	timer_cancel(&p->real_timer);
	posix_timers_end(p);
	WITH_LOCK (&proc_lock) {
		p->files = NULL;
		p->fs = NULL;
		p->exe = NULL;
	}
	fdtable_put(files);
	fsctx_put(fs);
	file_put(exe);
}

static void __noreturn init_exited(int status)
{
	power_off(status & 0x7f ? 128 + (u32)(status & 0x7f) : (u32)(status >> 8) & 0xff);
}

void __noreturn task_exit(int wait_status)
{
	struct task *t = task_current();
	struct proc *p = t->proc;
	struct sighand *h = p->sighand;
	bool last;

	ptrace_event(PTRACE_EVENT_EXIT, (u64)wait_status);
	futex_leave_space(t);
	last = leave(p, t, wait_status);
	futex_owner_gone(t, t->pid->nr);
	struct aspace *as = thread_set_aspace(NULL);
	if (last)
		proc_release_vfork(p);
	aspace_put(as);
	if (last) {
		if (!p->parent)
			init_exited(p->exit_code);
		release_resources(p);
		WITH_LOCK (&proc_lock)
			become_zombie(p, h);
		sighand_put(h);
	}
	thread_exit();
}

void __noreturn proc_exit_group(int wait_status)
{
	struct proc *p = proc_current();
	bool on = signal_lock(p->sighand);

	if (!p->group_exit) {
		p->group_exit = true;
		p->exit_code = wait_status;
		signal_end_tasks(p, task_current());
	}
	wait_status = p->exit_code;
	signal_unlock(p->sighand, on);
	task_exit(wait_status);
}
