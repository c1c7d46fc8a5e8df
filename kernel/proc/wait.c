/* wait4 and waitid: what a parent learns of its children. */
#include "hal/base/string.h"
#include "kernel/proc/ptrace.h"
#include "kernel/proc/wait.h"

/* A found child, ready to be told of. */
struct report {
	pid_t pid;
	int status;
	u32 uid;
	bool traced;
	struct rusage usage;
};

static bool selects(const struct wait_request *w, const struct proc *c)
{
	if (w->which == P_PID && c->pid->nr != w->nr)
		return false;
	if (w->which == P_PGID && c->group->nr != (w->nr ? w->nr : proc_current()->group->nr))
		return false;
	bool clone_child = c->exit_signal != SIGCHLD;
	return (w->options & __WALL) || clone_child == !!(w->options & __WCLONE);
}

static void usage_fill(struct proc *c, struct rusage *u)
{
	u64 user, kernel;

	memset(u, 0, sizeof(*u));
	proc_times(c, &user, &kernel);
	user += c->time_child_user;
	kernel += c->time_child_kernel;
	u->ru_utime.tv_sec = (i64)(user / NS_PER_SEC);
	u->ru_utime.tv_usec = (i64)(user % NS_PER_SEC / NS_PER_USEC);
	u->ru_stime.tv_sec = (i64)(kernel / NS_PER_SEC);
	u->ru_stime.tv_usec = (i64)(kernel % NS_PER_SEC / NS_PER_USEC);
	u->ru_minflt = (i64)(c->faults_minor + c->faults_child);
}

/* take_zombie, take_stop: => true when C has something to tell. proc_lock held. */
static bool take_zombie(struct proc *c, u32 options, struct report *r)
{
	struct proc *me = proc_current();

	if (c->state != PROC_ZOMBIE || !(options & WEXITED) || c->pid->tracee)
		return false; /* a tracer sees the end before the parent */
	*r = (struct report){.pid = c->pid->nr, .status = c->exit_code, .uid = c->creds.uid};
	usage_fill(c, &r->usage);
	if (options & WNOWAIT)
		return true;
	me->time_child_user += c->time_user + c->time_child_user;
	me->time_child_kernel += c->time_kernel + c->time_child_kernel;
	me->faults_child += c->faults_minor + c->faults_child;
	proc_reap(c);
	return true;
}

static bool take_stop(struct proc *c, u32 options, struct report *r)
{
	int status;

	if (c->pid->tracee && c->pid->tracee->tracer == proc_current())
		return false; /* it is told of the task's stop */
	if ((options & WUNTRACED) && c->state == PROC_STOPPED && c->stop_report) {
		status = c->stop_signal << 8 | 0x7f;
		c->stop_report = c->stop_report && (options & WNOWAIT);
	} else if ((options & WCONTINUED) && c->cont_report) {
		status = 0xffff;
		c->cont_report = c->cont_report && (options & WNOWAIT);
	} else {
		return false;
	}
	*r = (struct report){.pid = c->pid->nr, .status = status, .uid = c->creds.uid};
	usage_fill(c, &r->usage);
	return true;
}

static bool selects_tracee(const struct wait_request *w, const struct tracee *tr)
{
	const struct proc *p = tr->task ? tr->task->proc : tr->pid->proc;

	if (w->which == P_PID)
		return tr->pid->nr == w->nr;
	if (w->which == P_PGID)
		return p && p->group->nr == (w->nr ? w->nr : proc_current()->group->nr);
	return true;
}

/* take_tracee: => true when TR has something to tell. proc_lock held. */
static bool take_tracee(struct tracee *tr, u32 options, struct report *r)
{
	struct proc *p = tr->task ? tr->task->proc : tr->pid->proc;
	bool end = tr->state == TRACEE_ENDED;

	if (!tr->report || (end && !(options & WEXITED)))
		return false;
	*r = (struct report){.pid = tr->pid->nr, .status = tr->status, .traced = true};
	if (p) {
		r->uid = p->creds.uid;
		usage_fill(p, &r->usage);
	}
	if (options & WNOWAIT)
		return true;
	tr->report = false;
	if (end)
		ptrace_forget(tr);
	return true;
}

/* look_at_tracees, look: => 1 and a report; 0: children, but nothing to tell; -ECHILD */
static int look_at_tracees(const struct wait_request *w, struct report *r)
{
	struct tracee *tr, *next;
	int result = -ECHILD;

	list_for_each_safe (tr, next, &proc_current()->tracees, link) {
		if (!selects_tracee(w, tr))
			continue;
		result = 0;
		if (take_tracee(tr, w->options, r))
			return 1;
	}
	return result;
}

static int look(const struct wait_request *w, struct report *r)
{
	struct proc *c, *next;
	int result = -ECHILD;

	WITH_LOCK (&proc_lock) {
		result = look_at_tracees(w, r);
		if (result > 0)
			break;
		list_for_each_safe (c, next, &proc_current()->children, sibling) {
			if (!selects(w, c))
				continue;
			result = 0;
			if (take_zombie(c, w->options, r) || take_stop(c, w->options, r)) {
				result = 1;
				break;
			}
		}
	}
	return result;
}

i64 proc_wait(const struct wait_request *w, struct wait_result *ret)
{
	struct report r;
	int found = 0;
	int err = wait_event(&proc_current()->child_wait, WAIT_INTERRUPTIBLE, CLOCK_NEVER,
	                     (found = look(w, &r)) != 0 || (w->options & WNOHANG));

	if (found == 1) {
		*ret = (struct wait_result){r.status, r.uid, r.traced, r.usage};
		return r.pid;
	}
	return found ? found : err;
}
