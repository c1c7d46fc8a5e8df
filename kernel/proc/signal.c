/* Signals: sending, choosing, acting. Frames on the stack are made and read in sigframe.c.
 *
 * G1: pending sets, masks and actions change under the signal lock.
 * G2: a task that has an unblocked pending signal has WORK_SIGNAL set. */
#include "hal/base/assert.h"
#include "hal/base/log.h"
#include "hal/base/sabotage.h"
#include "hal/base/string.h"
#include "hal/cpu/panic.h"
#include "kernel/proc/posix_timer.h"
#include "kernel/proc/ptrace.h"
#include "kernel/proc/sigqueue.h"
#include "sched/waitq.h"
#include "vm/kmem.h"

#define STOP_SIGNALS (SIGMASK(SIGSTOP) | SIGMASK(SIGTSTP) | SIGMASK(SIGTTIN) | SIGMASK(SIGTTOU))
#define IGNORED_SIGNALS (SIGMASK(SIGCONT) | SIGMASK(SIGCHLD) | SIGMASK(SIGWINCH) | SIGMASK(SIGURG))
/* Faults come before what others sent (signal(7), "Queueing and delivery semantics"). */
#define FAULT_SIGNALS                                                                                \
	(SIGMASK(SIGSEGV) | SIGMASK(SIGBUS) | SIGMASK(SIGILL) | SIGMASK(SIGTRAP) | SIGMASK(SIGFPE) | \
	 SIGMASK(SIGSYS))
#define QUEUE_MAX 1024 /* entries of one queue */

static struct kmem_cache *entry_cache;

/* Not of the processes: an epoll that watches a signalfd may outlive the process that put it there. */
static struct waitq wait_queues[64];

struct waitq *signal_waitq(const struct proc *p)
{
	return &wait_queues[p->pid->nr % ARRAY_SIZE(wait_queues)];
}

void signal_init(void)
{
	entry_cache = kmem_cache_create("siginfo", sizeof(struct siginfo_entry), 16);
	for (u32 i = 0; i < ARRAY_SIZE(wait_queues); i++)
		waitq_init(&wait_queues[i]);
}

bool signal_lock(struct sighand *h)
{
	return spin_lock_irq(&h->lock);
}

void signal_unlock(struct sighand *h, bool irq_was_on)
{
	spin_unlock_irq(&h->lock, irq_was_on);
}

/* --- queues; all with the signal lock held --- */

/* entry_release: E has left its queue. */
static void entry_release(struct siginfo_entry *e)
{
	if (e->lent)
		e->queue = NULL;
	else
		kmem_cache_free(entry_cache, e);
}

static void queue_drop(struct sigqueue *q, u64 set)
{
	struct siginfo_entry *e, *next;

	if (!(q->set & set))
		return;
	q->set &= ~set;
	list_for_each_safe (e, next, &q->infos, link) {
		if (!(SIGMASK(e->info.si_signo) & set))
			continue;
		list_remove(&e->link);
		q->count--;
		entry_release(e);
	}
}

void signal_flush(struct sigqueue *q)
{
	queue_drop(q, ~0UL);
}

/* queue_put: a standard signal is pending once; a real-time one as often as it was sent. A standard one survives
 * without its details when memory is out. => 0 or -EAGAIN */
static int queue_put(struct sigqueue *q, const siginfo_t *info, struct siginfo_entry *e)
{
	int sig = info->si_signo;

	if ((sig < SIGRTMIN && (q->set & SIGMASK(sig))) || q->count >= QUEUE_MAX) {
		if (e)
			kmem_cache_free(entry_cache, e);
		if (q->set & SIGMASK(sig) && sig < SIGRTMIN)
			return 0;
		e = NULL;
	}
	if (!e && sig >= SIGRTMIN)
		return -EAGAIN;
	q->set |= SIGMASK(sig);
	if (e) {
		e->info = *info;
		e->lent = false;
		list_push_back(&q->infos, &e->link);
		q->count++;
	}
	return 0;
}

/* queue_find: the oldest entry of SIG after E (the head: of all). => NULL: none */
static struct siginfo_entry *queue_find(const struct sigqueue *q, const struct list *after, int sig)
{
	for (struct list *l = after->next; l != &q->infos; l = l->next) {
		struct siginfo_entry *e = list_entry(l, struct siginfo_entry, link);

		if (e->info.si_signo == sig)
			return e;
	}
	return NULL;
}

/* queue_take: the details of SIG, which is pending. */
static void queue_take(struct sigqueue *q, int sig, siginfo_t *ret)
{
	struct siginfo_entry *e = queue_find(q, &q->infos, sig);

	if (!e || !queue_find(q, &e->link, sig))
		q->set &= ~SIGMASK(sig);
	if (!e) { /* memory was out when it was sent */
		*ret = (siginfo_t){.si_signo = sig, .si_code = SI_KERNEL};
		return;
	}
	*ret = e->info;
	list_remove(&e->link);
	q->count--;
	entry_release(e);
}

/* --- what an action comes to --- */

static bool action_ignores(const struct sigaction *sa, int sig)
{
	return sa->sa_handler == SIG_IGN || (sa->sa_handler == SIG_DFL && (IGNORED_SIGNALS & SIGMASK(sig)));
}

/* Pid 1 is not ended or stopped by a signal that it does not handle. */
static bool protected(const struct proc *p, int sig)
{
	return !p->parent && p->sighand->action[sig - 1].sa_handler == SIG_DFL;
}

static bool wants(const struct task *t, int sig)
{
	return !(t->sig_blocked & SIGMASK(sig));
}

/* --- sending --- */

/* Those who wait for signals as for files; the barrier pairs with that of the sleeper's look at what is pending. */
static void tell_waiters(struct proc *p)
{
	struct waitq *q = signal_waitq(p);

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!list_empty(&q->waiters))
		waitq_wake_all(q);
}

/* Signal lock held: somebody of P sees to a signal for the whole process. */
static void wake_for(struct proc *p, int sig)
{
	struct task *t;

	list_for_each (t, &p->tasks, link) {
		if (wants(t, sig) || sig == SIGKILL) {
			thread_interrupt(&t->thread, false);
			return;
		}
	}
	/* Blocked by all: one may be waiting for it (sigtimedwait, signalfd). */
	list_for_each (t, &p->tasks, link)
		if (t->sig_waited & SIGMASK(sig))
			thread_interrupt(&t->thread, false);
}

void signal_end_tasks(struct proc *p, struct task *except)
{
	struct task *t;

	list_for_each (t, &p->tasks, link)
		if (t != except)
			thread_interrupt(&t->thread, true);
	waitq_wake_all(&p->stop_wait);
}

/* A fatal signal ends the process at once: no task starts anything new. */
static void end_proc(struct proc *p, int status)
{
	if (p->group_exit)
		return;
	p->group_exit = true;
	p->exit_code = status;
	signal_end_tasks(p, NULL);
}

void signal_kill(struct proc *p)
{
	spin_assert_held(&proc_lock);
	bool on = signal_lock(p->sighand);

	end_proc(p, SIGKILL);
	signal_unlock(p->sighand, on);
}

static void continue_proc(struct proc *p)
{
	if (p->state != PROC_STOPPED)
		return;
	p->state = PROC_ALIVE;
	p->stop_report = false;
	p->cont_report = true;
	waitq_wake_all(&p->stop_wait);
}

/* undone_by: the pending signals that SIG, a stop or a continuation, takes back. */
static u64 undone_by(int sig)
{
	return sig == SIGCONT ? STOP_SIGNALS : SIGMASK(sig) & STOP_SIGNALS ? SIGMASK(SIGCONT) : 0;
}

/* Before SIG is queued: what it undoes. => true: the process was continued, and its parent is to be told */
static bool prepare(struct proc *p, int sig)
{
	struct task *t;
	u64 undo = undone_by(sig);
	bool continued = sig == SIGCONT && p->state == PROC_STOPPED;

	queue_drop(&p->sig_pending, undo);
	list_for_each (t, &p->tasks, link)
		queue_drop(&t->sig_pending, undo);
	if (sig == SIGCONT) {
		p->stop_due = false;
		continue_proc(p);
	}
	return continued;
}

static bool dropped(struct proc *p, struct task *t, int sig)
{
	if (p->traced) /* a tracer sees what is ignored, too */
		return false;
	if (!action_ignores(&p->sighand->action[sig - 1], sig) && !protected(p, sig))
		return false;
	if (t)
		return wants(t, sig) && !(t->sig_waited & SIGMASK(sig));
	list_for_each (t, &p->tasks, link)
		if (!wants(t, sig) || (t->sig_waited & SIGMASK(sig)))
			return false; /* blocked: it may yet get a handler before it is unblocked */
	return true;
}

static int send(struct proc *p, struct task *t, const siginfo_t *info)
{
	int sig = info->si_signo, err = 0;
	struct siginfo_entry *e;
	bool continued = false;

	spin_assert_held(&proc_lock);
	if (p->state == PROC_ZOMBIE || !p->sighand)
		return 0;
	e = kmem_cache_alloc(entry_cache);
	bool on = signal_lock(p->sighand);
	if (sig == SIGKILL && p->parent) {
		end_proc(p, SIGKILL);
	} else {
		continued = prepare(p, sig);
		if (!dropped(p, t, sig)) {
			struct sigqueue *q = t ? &t->sig_pending : &p->sig_pending;

			err = queue_put(q, info, e);
			tell_waiters(p);
			e = NULL;
			if (err)
				;
			else if (!t)
				wake_for(p, sig);
			else if (wants(t, sig) || (t->sig_waited & SIGMASK(sig)))
				thread_interrupt(&t->thread, false);
		}
	}
	signal_unlock(p->sighand, on);
	if (e)
		kmem_cache_free(entry_cache, e);
	if (continued)
		proc_notify_parent(p, CLD_CONTINUED, SIGCONT);
	return err;
}

int signal_send_proc(struct proc *p, const siginfo_t *info)
{
	return send(p, NULL, info);
}

int signal_send_task(struct task *t, const siginfo_t *info)
{
	return send(t->proc, t, info);
}

int signal_broadcast(struct proc *p, const siginfo_t *info)
{
	int sig = info->si_signo;
	struct newborn *n;

	if (p->sighand) {
		bool on = signal_lock(p->sighand);

		list_for_each (n, &p->newborns, link)
			n->signals = (n->signals & ~undone_by(sig)) | SIGMASK(sig);
		signal_unlock(p->sighand, on);
	}
	return send(p, NULL, info);
}

void newborn_expect(struct newborn *n)
{
	struct proc *p = proc_current();
	bool on = signal_lock(p->sighand);

	n->signals = 0;
	list_push_back(&p->newborns, &n->link);
	signal_unlock(p->sighand, on);
}

void newborn_arrive(struct newborn *n, struct task *t)
{
	struct proc *p = proc_current();
	bool on = signal_lock(p->sighand);

	list_remove(&n->link);
	signal_unlock(p->sighand, on);
	for (u64 left = t && !sabotage(fork_signal) ? n->signals : 0; left; left &= left - 1)
		signal_kernel(t->proc, __builtin_ctzl(left) + 1);
}

void signal_kernel(struct proc *p, int sig)
{
	siginfo_t info = {.si_signo = sig, .si_code = SI_KERNEL};

	send(p, NULL, &info);
}

u32 signal_send_group(struct pid *group, int sig)
{
	siginfo_t info = {.si_signo = sig, .si_code = SI_KERNEL};
	struct proc *p;
	u32 n = 0;

	list_for_each (p, &group->group, group_link) {
		signal_broadcast(p, &info);
		n++;
	}
	return n;
}

void signal_timer(struct proc *p, int sig)
{
	siginfo_t info = {.si_signo = sig, .si_code = SI_KERNEL};
	bool on = signal_lock(p->sighand);

	if (!dropped(p, NULL, sig) && queue_put(&p->sig_pending, &info, NULL) == 0) {
		tell_waiters(p);
		wake_for(p, sig);
	}
	signal_unlock(p->sighand, on);
}

/* Signal lock held. => NULL: P has no such task */
static struct task *task_of(struct proc *p, pid_t tid)
{
	struct task *t;

	list_for_each (t, &p->tasks, link)
		if (t->pid->nr == tid)
			return t;
	return NULL;
}

int signal_lend(struct proc *p, pid_t target, struct siginfo_entry *e, bool *ret_queued, u32 *again)
{
	bool on = signal_lock(p->sighand);
	struct task *t = target ? task_of(p, target) : NULL;
	struct sigqueue *q = t ? &t->sig_pending : &p->sig_pending;
	int sig = e->info.si_signo, err = 0;

	if ((target && !t) || dropped(p, t, sig)) {
		err = -ESRCH;
	} else if (e->queue) {
		++*again;
		err = -EBUSY;
	} else {
		e->queue = q;
		q->set |= SIGMASK(sig);
		list_push_back(&q->infos, &e->link);
		q->count++;
		*ret_queued = true;
		tell_waiters(p);
		if (!t)
			wake_for(p, sig);
		else if (wants(t, sig) || (t->sig_waited & SIGMASK(sig)))
			thread_interrupt(&t->thread, false);
	}
	signal_unlock(p->sighand, on);
	return err;
}

void signal_unlend(struct proc *p, struct siginfo_entry *e)
{
	bool on = signal_lock(p->sighand);
	struct sigqueue *q = e->queue;

	if (q) {
		list_remove(&e->link);
		q->count--;
		e->queue = NULL;
		if (!queue_find(q, &q->infos, e->info.si_signo))
			q->set &= ~SIGMASK(e->info.si_signo);
	}
	signal_unlock(p->sighand, on);
}

void proc_notify_parent(struct proc *p, int code, int status)
{
	struct proc *parent = p->parent;
	siginfo_t info = {.si_signo = p->exit_signal, .si_code = code};
	bool zombie = p->state == PROC_ZOMBIE, discard = false;
	u64 user, kernel;

	if (!parent || !parent->sighand)
		return;
	if (!zombie)
		info.si_signo = SIGCHLD;
	proc_times(p, &user, &kernel);
	info.si_pid = p->pid->nr;
	info.si_uid = p->creds.uid;
	info.si_status = status;
	info.si_utime = (long)(user / (NS_PER_SEC / 100));
	info.si_stime = (long)(kernel / (NS_PER_SEC / 100));
	bool on = signal_lock(parent->sighand);
	struct sigaction chld = parent->sighand->action[SIGCHLD - 1];
	signal_unlock(parent->sighand, on);
	if (zombie && info.si_signo == SIGCHLD)
		discard = chld.sa_handler == SIG_IGN || (chld.sa_flags & SA_NOCLDWAIT);
	if (info.si_signo && (zombie || !(chld.sa_flags & SA_NOCLDSTOP)))
		send(parent, NULL, &info);
	waitq_wake_all(&parent->child_wait);
	if (discard)
		proc_reap(p);
}

void signal_fault(int sig, int code, u64 addr)
{
	struct task *t = task_current();
	struct proc *p = t->proc;
	siginfo_t info = {.si_signo = sig, .si_code = code};
	struct siginfo_entry *e = kmem_cache_alloc(entry_cache);
	bool on = signal_lock(p->sighand);
	struct sigaction *sa = &p->sighand->action[sig - 1];

	info.si_addr = (void *)addr;
	if (!wants(t, sig) || sa->sa_handler == SIG_IGN || protected(p, sig)) {
		/* It cannot go on, and it will not handle this: the end, for pid 1 too. */
		*sa = (struct sigaction){.sa_handler = SIG_DFL};
		t->sig_blocked &= ~SIGMASK(sig);
	}
	queue_drop(&t->sig_pending, SIGMASK(sig));
	queue_put(&t->sig_pending, &info, e);
	thread_interrupt(&t->thread, false);
	signal_unlock(p->sighand, on);
}

/* --- masks --- */

/* Signal lock held: G2 for the running task. */
static void recheck(struct task *t)
{
	if ((t->sig_pending.set | t->proc->sig_pending.set) & ~t->sig_blocked)
		atomic_or(&t->thread.cpu.work, WORK_SIGNAL);
}

void signal_retarget(struct proc *p, const struct task *except, u64 set)
{
	u64 left = p->sig_pending.set & set;
	struct task *t;

	list_for_each (t, &p->tasks, link) {
		if (t == except || !(left & ~t->sig_blocked))
			continue;
		left &= t->sig_blocked;
		thread_interrupt(&t->thread, false);
	}
}

void signal_set_mask(u64 mask)
{
	struct task *t = task_current();
	bool on = signal_lock(t->proc->sighand);
	u64 newly = mask & ~t->sig_blocked;

	t->sig_blocked = mask & ~SIG_UNBLOCKABLE;
	recheck(t);
	signal_retarget(t->proc, t, newly);
	signal_unlock(t->proc->sighand, on);
}

void signal_set_mask_temporarily(u64 mask)
{
	struct task *t = task_current();

	t->sig_saved = t->sig_blocked;
	t->sig_restore = true;
	signal_set_mask(mask);
	/* The way back to ring 3 puts the old mask back, whether a signal came or not. */
	atomic_or(&t->thread.cpu.work, WORK_RESTORE);
}

u64 signal_pending(void)
{
	struct task *t = task_current();

	return read_once(t->sig_pending.set) | read_once(t->proc->sig_pending.set);
}

int signal_take(u64 set, siginfo_t *ret_info)
{
	struct task *t = task_current();
	struct proc *p = t->proc;
	int sig = 0;
	bool on = signal_lock(p->sighand);
	u64 ready = (t->sig_pending.set | p->sig_pending.set) & set;

	if (ready) {
		u64 first = ready & FAULT_SIGNALS & t->sig_pending.set
		                    ? ready & FAULT_SIGNALS & t->sig_pending.set
		                    : ready;

		sig = __builtin_ctzl(first) + 1;
		queue_take(t->sig_pending.set & SIGMASK(sig) ? &t->sig_pending : &p->sig_pending, sig,
		           ret_info);
		if (SIGMASK(sig) & STOP_SIGNALS)
			p->stop_due = true;
	}
	signal_unlock(p->sighand, on);
	if (sig && ret_info->si_code == SI_TIMER)
		posix_timer_taken(ret_info);
	return sig;
}

bool signal_blocked_or_ignored(int sig)
{
	struct task *t = task_current();
	bool on = signal_lock(t->proc->sighand);
	bool result = !wants(t, sig) || action_ignores(&t->proc->sighand->action[sig - 1], sig);

	signal_unlock(t->proc->sighand, on);
	return result;
}

/* --- acting --- */

/* A tracer that comes meanwhile is told of the stop. */
static bool may_go_on(struct proc *p)
{
	return read_once(p->state) != PROC_STOPPED || (current_work() & WORK_KILL) ||
	       read_once(task_current()->pid->tracee);
}

/* stop: SIG stops the whole process; its tasks sleep on their way back to ring 3 (signal_deliver). */
static void stop(struct proc *p, int sig)
{
	bool first = false;

	WITH_LOCK (&proc_lock) {
		if (sig != SIGSTOP && group_is_orphaned(p->group))
			break;
		bool on = signal_lock(p->sighand);
		if (!p->group_exit && p->state == PROC_ALIVE && p->stop_due) {
			struct task *t;

			p->state = PROC_STOPPED;
			p->stops++;
			p->stop_signal = sig;
			p->stop_report = first = true;
			p->cont_report = false;
			list_for_each (t, &p->tasks, link)
				if (t != task_current())
					thread_interrupt(&t->thread, false);
		}
		signal_unlock(p->sighand, on);
		if (first)
			proc_notify_parent(p, CLD_STOPPED, sig);
	}
}

/* The line of mission I1: who touched what. */
static void log_fatal(struct task *t, int sig, const siginfo_t *info, const struct trapframe *tf)
{
	if (sabotage(fault_unsaid))
		return;
	if (sig == SIGSEGV && t->trap_vector == VEC_PF && info->si_code > 0)
		klog(LOG_INFO, "PAGE-FAULT: pid=%d rip=%016lx addr=%016lx err=%lx (%s)", t->proc->pid->nr,
		     tf->rip, (u64)info->si_addr, t->trap_error, t->thread.name);
	else if (FAULT_SIGNALS & SIGMASK(sig) && info->si_code > 0)
		klog(LOG_INFO, "%s: pid=%d rip=%016lx err=%lx (%s) ends by signal %d",
		     trap_name((u32)t->trap_vector), t->proc->pid->nr, tf->rip, t->trap_error, t->thread.name,
		     sig);
}

/* restart: a system call that was interrupted is made again or gone on with, or ends with EINTR. HANDLER: with this
 * action in between, or NULL. */
static void restart(struct trapframe *tf, const struct sigaction *handler)
{
	i64 result = (i64)tf->rax;

	if ((i64)tf->orig_rax < 0)
		return;
	if (result != -ERESTARTSYS && result != -ERESTARTNOINTR && result != -ERESTARTNOHAND &&
	    result != -ERESTART_RESTARTBLOCK)
		return;
	if (handler && result != -ERESTARTNOINTR &&
	    (result != -ERESTARTSYS || !(handler->sa_flags & SA_RESTART))) {
		tf->rax = (u64)-EINTR;
		tf->orig_rax = ~0UL;
	} else {
		trapframe_again(tf, result == -ERESTART_RESTARTBLOCK ? __NR_restart_syscall : tf->orig_rax);
	}
}

/* handle: run the handler of SIG. */
static void handle(struct trapframe *tf, int sig, const siginfo_t *info, struct sigaction *sa)
{
	struct task *t = task_current();
	u64 mask = t->sig_restore ? t->sig_saved : t->sig_blocked;
	bool stepping = ptrace_step_end();

	restart(tf, sa);
	if (signal_frame_push(tf, sa, info, mask) < 0) {
		if (sig == SIGSEGV) /* no stack for the handler of SIGSEGV itself */
			proc_exit_group(SIGSEGV);
		signal_fault(SIGSEGV, SI_KERNEL, 0);
		return;
	}
	t->sig_restore = false;
	u64 block = sa->sa_mask | (sa->sa_flags & SA_NODEFER ? 0 : SIGMASK(sig));
	signal_set_mask(t->sig_blocked | block);
	if (stepping) /* the step led to the handler's first instruction */
		ptrace_handler();
}

/* act: => true when a handler is to run: no further signal is looked at first */
static bool act(struct trapframe *tf, int sig, const siginfo_t *info)
{
	struct task *t = task_current();
	struct proc *p = t->proc;
	bool on = signal_lock(p->sighand);
	struct sigaction sa = p->sighand->action[sig - 1];

	if (sa.sa_handler != SIG_IGN && sa.sa_handler != SIG_DFL && (sa.sa_flags & SA_RESETHAND))
		p->sighand->action[sig - 1].sa_handler = SIG_DFL;
	signal_unlock(p->sighand, on);
	if (action_ignores(&sa, sig))
		return false;
	if (protected(p, sig) && !(info->si_code > 0 && (FAULT_SIGNALS & SIGMASK(sig))))
		return false; /* it was blocked when it came */
	if (sa.sa_handler != SIG_DFL) {
		handle(tf, sig, info, &sa);
		return true;
	}
	if (STOP_SIGNALS & SIGMASK(sig)) {
		stop(p, sig);
		return false;
	}
	log_fatal(t, sig, info, tf);
	proc_exit_group(sig);
}

/* ending: the task is to end: the process does, or another task runs exec. */
static void end_if_asked(struct task *t)
{
	struct proc *p = t->proc;

	/* Who sets these asks for it afterwards (signal_end_tasks): it is not missed. */
	if (!read_once(p->group_exit) && !read_once(p->exec_task))
		return;
	bool on = signal_lock(p->sighand);
	bool group = p->group_exit, exec = p->exec_task && p->exec_task != t;
	int status = p->exit_code;

	signal_unlock(p->sighand, on);
	if (group)
		task_exit(status);
	if (exec)
		task_exit(0);
}

void signal_deliver(struct trapframe *tf)
{
	struct task *t = task_current();
	siginfo_t info;
	int sig;

	for (;;) {
		atomic_and(&t->thread.cpu.work, ~(WORK_SIGNAL | WORK_RESTORE));
		end_if_asked(t);
		if (ptrace_pause())
			continue;
		if (read_once(t->proc->state) == PROC_STOPPED && !ptrace_runs_on()) {
			wait_event(&t->proc->stop_wait, WAIT_KILLABLE, CLOCK_NEVER, may_go_on(t->proc));
			continue;
		}
		sig = signal_take(~t->sig_blocked, &info);
		if (!sig)
			break;
		sig = ptrace_signal(sig, &info);
		if (sig && act(tf, sig, &info))
			return; /* others come before the handler's first instruction: its mask was set (G2) */
	}
	restart(tf, NULL);
	if (t->sig_restore) {
		t->sig_restore = false;
		signal_set_mask(t->sig_saved);
		if (current_work() & WORK_SIGNAL)
			signal_deliver(tf);
	}
}
