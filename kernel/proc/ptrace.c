/* The traced side of ptrace(2): where a task stops for its tracer. The tracer's requests are in kernel/sys/ptrace.c. */
#include "kernel/proc/ptrace.h"
#include "hal/base/string.h"
#include "kernel/abi/capability.h"
#include "sched/waitq.h"
#include "vm/kmem.h"

static struct kmem_cache *tracee_cache;

void ptrace_init(void)
{
	tracee_cache = kmem_cache_create("tracee", sizeof(struct tracee), 16);
}

static bool killed(void)
{
	return current_work() & WORK_KILL;
}

bool ptrace_allowed(const struct proc *p)
{
	const struct creds *me = &proc_current()->creds, *c = &p->creds;
	bool same = me->uid == c->euid && me->uid == c->suid && me->uid == c->uid && me->gid == c->egid &&
	            me->gid == c->sgid && me->gid == c->gid;

	return p == proc_current() || (same && p->dumpable) || capable(CAP_SYS_PTRACE);
}

/* --- attaching and letting go --- */

struct tracee *ptrace_alloc(void)
{
	struct tracee *tr = kmem_cache_alloc(tracee_cache);

	if (tr)
		memset(tr, 0, sizeof(*tr));
	return tr;
}

void ptrace_free(struct tracee *tr)
{
	kmem_cache_free(tracee_cache, tr);
}

void ptrace_attach(struct tracee *tr, struct proc *tracer, struct task *t)
{
	tr->tracer = tracer;
	tr->task = t;
	tr->pid = t->pid;
	pid_get(t->pid);
	t->pid->tracee = tr;
	t->proc->traced++;
	list_push_back(&tracer->tracees, &tr->link);
}

/* step_off: the trap flag that was set for a single step is not the program's. */
static void step_off(struct task *t)
{
	if (t->stepping)
		task_frame(t)->rflags &= ~RFLAGS_TF;
	t->stepping = false;
	atomic_and(&t->thread.cpu.entry_work, ~ENTRY_STEP);
}

void ptrace_detach(struct tracee *tr, int sig)
{
	struct task *t = tr->task;

	list_remove(&tr->link);
	tr->pid->tracee = NULL;
	pid_put(tr->pid);
	if (t) {
		t->proc->traced--;
		atomic_and(&t->thread.cpu.entry_work, ~ENTRY_TRACED);
		t->resume_signal = sig;
		if (tr->state != TRACEE_RUNS)
			step_off(t);
		waitq_wake_all(&t->proc->stop_wait);
	}
	ptrace_free(tr);
}

void ptrace_forget(struct tracee *tr)
{
	struct proc *p = tr->pid->proc;
	bool leader = tr->state == TRACEE_ENDED && p && p->state == PROC_ZOMBIE;

	ptrace_detach(tr, 0);
	if (leader) /* last: P may be gone after it */
		proc_notify_end(p);
}

void ptrace_release(struct proc *p)
{
	struct tracee *tr, *next;

	list_for_each_safe (tr, next, &p->tracees, link) {
		if (tr->task && (tr->options & PTRACE_O_EXITKILL))
			signal_kernel(tr->task->proc, SIGKILL);
		ptrace_forget(tr);
	}
}

/* --- stopping --- */

/* tell: SIGCHLD to the tracer, and wake it if it waits. */
static void tell(struct tracee *tr, int code, int status)
{
	siginfo_t info = {.si_signo = SIGCHLD, .si_code = code};
	struct proc *tracer = tr->tracer;
	bool quiet = false;

	if (!tracer->sighand)
		return;
	bool on = signal_lock(tracer->sighand);
	if (tr->state != TRACEE_ENDED)
		quiet = tracer->sighand->action[SIGCHLD - 1].sa_flags & SA_NOCLDSTOP;
	signal_unlock(tracer->sighand, on);
	info.si_pid = tr->pid->nr;
	info.si_uid = tr->task ? tr->task->proc->creds.uid : 0;
	info.si_status = status;
	if (!quiet)
		signal_send_proc(tracer, &info);
	waitq_wake_all(&tracer->child_wait);
}

static bool may_go_on(struct task *t)
{
	bool result = killed();

	WITH_LOCK (&proc_lock) {
		struct tracee *tr = t->pid->tracee;

		if (!tr || tr->state == TRACEE_RUNS)
			result = true;
		else if (tr->state == TRACEE_LISTENS)
			result |= tr->interrupt || t->proc->state != PROC_STOPPED;
	}
	return result;
}

struct stop {
	int code; /* the signal, and above it the event: what wait4 has above its low byte */
	int why;  /* CLD_* */
	u8 phase;
	u64 message;
	siginfo_t info;
};

/* stop_begin: => false: nobody traces the task, or it is to end */
static bool stop_begin(struct task *t, const struct stop *s)
{
	bool stopped = false;

	WITH_LOCK (&proc_lock) {
		struct tracee *tr = t->pid->tracee;

		if (!tr || killed())
			break;
		step_off(t);
		tr->state = TRACEE_STOPPED;
		tr->report = stopped = true;
		tr->interrupt = false;
		tr->status = s->code << 8 | 0x7f;
		tr->phase = s->phase;
		tr->message = s->message;
		tr->info = s->info;
		t->resume_signal = 0;
		tell(tr, s->why, s->code & 0x7f);
	}
	return stopped;
}

/* stop: the running task tells its tracer, and sleeps until that lets it go on.
 * => the signal to go on with, or 0; that of S when nobody traces the task */
static int stop(struct stop *s)
{
	struct task *t = task_current();

	if (!stop_begin(t, s))
		return s->info.si_signo;
	wait_event(&t->proc->stop_wait, WAIT_KILLABLE, CLOCK_NEVER, may_go_on(t));
	WITH_LOCK (&proc_lock) {
		struct tracee *tr = t->pid->tracee;

		if (!tr)
			break;
		if (tr->state == TRACEE_LISTENS) /* its process goes on: that is told, too */
			tr->interrupt = true;
		tr->state = TRACEE_RUNS;
		tr->report = false;
		s->info = tr->info;
	}
	if (killed())
		return 0;
	return t->resume_signal;
}

static siginfo_t event_info(int sig, u32 event)
{
	siginfo_t info = {.si_signo = sig, .si_code = (int)(event << 8) | sig};

	info.si_pid = task_current()->pid->nr;
	info.si_uid = proc_current()->creds.uid;
	return info;
}

static bool traced(void)
{
	return read_once(task_current()->pid->tracee);
}

bool ptrace_event(u32 event, u64 message)
{
	struct stop s = {.code = SIGTRAP | (int)(event << 8), .why = CLD_TRAPPED, .message = message};
	bool wanted = false;

	if (!traced())
		return false;
	WITH_LOCK (&proc_lock) {
		const struct tracee *tr = task_current()->pid->tracee;

		wanted = tr && (tr->options & BIT(event)); /* PTRACE_O_TRACEX is 1 << PTRACE_EVENT_X */
	}
	if (!wanted)
		return false;
	s.info = event_info(SIGTRAP, event);
	stop(&s);
	return true;
}

void ptrace_exec(pid_t old_nr)
{
	struct task *t = task_current();

	if (!traced() || ptrace_event(PTRACE_EVENT_EXEC, (u64)old_nr))
		return;
	WITH_LOCK (&proc_lock) {
		siginfo_t info = {.si_signo = SIGTRAP, .si_code = SI_USER};

		info.si_pid = t->pid->nr;
		if (t->pid->tracee && !t->pid->tracee->seized)
			signal_send_task(t, &info);
	}
}

int ptrace_signal(int sig, siginfo_t *info)
{
	struct stop s = {.code = sig, .why = CLD_TRAPPED, .info = *info};
	struct task *t = task_current();
	bool blocked = false;

	if (!traced() || sig == SIGKILL)
		return sig;
	sig = stop(&s);
	if (!sig)
		return 0;
	*info = s.info;
	WITH_LOCK (&proc_lock) {
		if (sig != info->si_signo) {
			*info = (siginfo_t){.si_signo = sig, .si_code = SI_USER};
			info->si_pid = t->pid->tracee ? t->pid->tracee->tracer->pid->nr : 0;
		}
		blocked = (t->sig_blocked & SIGMASK(sig)) && sig != SIGKILL;
		if (blocked)
			signal_send_task(t, info);
	}
	return blocked ? 0 : sig;
}

/* group_stop: what a tracee tells when its whole process is stopped. */
static struct stop group_stop(const struct tracee *tr, int sig)
{
	struct stop s = {.code = sig, .why = CLD_STOPPED};

	if (tr->seized) {
		s.code |= PTRACE_EVENT_STOP << 8;
		s.info = event_info(sig, PTRACE_EVENT_STOP);
	}
	return s;
}

bool ptrace_pause(void)
{
	struct task *t = task_current();
	struct proc *p = t->proc;
	struct stop s = {.code = 0};

	if (!traced())
		return false;
	WITH_LOCK (&proc_lock) {
		struct tracee *tr = t->pid->tracee;

		if (!tr)
			break;
		if (p->state == PROC_STOPPED && tr->group_stops != p->stops) {
			tr->group_stops = p->stops;
			s = group_stop(tr, p->stop_signal);
		} else if (tr->interrupt) {
			s = group_stop(tr, SIGTRAP);
		}
	}
	if (!s.code)
		return false;
	stop(&s);
	return true;
}

bool ptrace_runs_on(void)
{
	bool result = false;

	if (!traced())
		return false;
	WITH_LOCK (&proc_lock) {
		const struct tracee *tr = task_current()->pid->tracee;

		result = tr && tr->group_stops == proc_current()->stops;
	}
	return result;
}

/* --- system calls and single steps --- */

/* syscall_stop: the signal with which the tracer lets it go on is sent. */
static void syscall_stop(u8 phase)
{
	struct task *t = task_current();
	struct stop s = {.code = SIGTRAP, .why = CLD_TRAPPED, .phase = phase};

	WITH_LOCK (&proc_lock) {
		if (t->pid->tracee && (t->pid->tracee->options & PTRACE_O_TRACESYSGOOD))
			s.code |= 0x80;
	}
	s.message = phase == PTRACE_SYSCALL_INFO_ENTRY ? PTRACE_EVENTMSG_SYSCALL_ENTRY
	                                               : PTRACE_EVENTMSG_SYSCALL_EXIT;
	s.info = (siginfo_t){.si_signo = SIGTRAP, .si_code = s.code};
	s.info.si_pid = t->pid->nr;
	int sig = stop(&s);
	if (!traced() || !sig)
		return;
	siginfo_t info = {.si_signo = sig, .si_code = SI_USER};
	info.si_pid = t->pid->nr;
	WITH_LOCK (&proc_lock)
		signal_send_task(t, &info);
}

bool ptrace_syscall_enter(void)
{
	syscall_stop(PTRACE_SYSCALL_INFO_ENTRY);
	return !killed();
}

void ptrace_syscall_exit(void)
{
	struct task *t = task_current();
	u32 work = atomic_load(&t->thread.cpu.entry_work);

	if (work & ENTRY_TRACED)
		syscall_stop(PTRACE_SYSCALL_INFO_EXIT);
	else if (work & ENTRY_STEP) /* the call is the step: no trap comes before the instruction behind it */
		signal_fault(SIGTRAP, TRAP_BRKPT, task_frame(t)->rip);
}

bool ptrace_stepped(void)
{
	struct task *t = task_current();
	bool ours = t->stepping, wanted = true;

	WITH_LOCK (&proc_lock) {
		wanted = !ours || t->pid->tracee;
		step_off(t);
	}
	return wanted;
}

bool ptrace_step_end(void)
{
	struct task *t = task_current();
	bool was = false;

	if (!traced())
		return false;
	WITH_LOCK (&proc_lock) {
		was = t->stepping;
		step_off(t);
	}
	return was;
}

void ptrace_handler(void)
{
	struct stop s = {.code = SIGTRAP, .why = CLD_TRAPPED};

	s.info = (siginfo_t){.si_signo = SIGTRAP, .si_code = SIGTRAP};
	s.info.si_pid = task_current()->pid->nr;
	stop(&s);
}

/* --- new tasks --- */

int ptrace_clone(u64 flags, int exit_signal, struct ptrace_clone *ret)
{
	struct ptrace_clone c = {.event = 0};
	u32 event = flags & CLONE_VFORK      ? PTRACE_EVENT_VFORK
	            : exit_signal == SIGCHLD ? PTRACE_EVENT_FORK
	                                     : PTRACE_EVENT_CLONE;
	bool adopt = false;

	*ret = c;
	if (!traced() || (flags & CLONE_UNTRACED))
		return 0;
	WITH_LOCK (&proc_lock) {
		const struct tracee *tr = task_current()->pid->tracee;

		if (tr && (tr->options & BIT(event)))
			c.event = event;
		adopt = tr && (c.event || (flags & CLONE_PTRACE));
	}
	if (adopt)
		c.tracee = ptrace_alloc();
	if (adopt && !c.tracee)
		return -ENOMEM;
	*ret = c;
	return 0;
}

void ptrace_adopt(struct ptrace_clone *c, struct task *t)
{
	const struct tracee *maker = task_current()->pid->tracee;
	struct tracee *tr = c->tracee;

	if (!tr || !maker) /* its tracer has left meanwhile: _cancel frees it */
		return;
	c->tracee = NULL;
	tr->seized = maker->seized;
	tr->options = maker->options;
	tr->interrupt = maker->seized;
	ptrace_attach(tr, maker->tracer, t);
	if (!tr->seized) {
		siginfo_t info = {.si_signo = SIGSTOP, .si_code = SI_USER};

		signal_send_task(t, &info);
	}
	atomic_or(&t->thread.cpu.work, WORK_SIGNAL);
}

void ptrace_clone_cancel(struct ptrace_clone *c)
{
	if (c->tracee)
		ptrace_free(c->tracee);
	c->tracee = NULL;
}

/* --- ends --- */

static void ended(struct tracee *tr, int wait_status)
{
	bool signalled = wait_status & 0x7f;

	tr->state = TRACEE_ENDED;
	tr->report = true;
	tr->status = wait_status;
	tell(tr, signalled ? CLD_KILLED : CLD_EXITED, signalled ? wait_status & 0x7f : wait_status >> 8);
}

void ptrace_task_ended(struct task *t, int wait_status)
{
	struct tracee *tr = t->pid->tracee;

	if (!tr)
		return;
	t->proc->traced--;
	tr->task = NULL;
	tr->state = TRACEE_RUNS;
	tr->report = false;
	if (t->pid != t->proc->pid) /* the process's own number is told of with the process */
		ended(tr, wait_status);
}

bool ptrace_proc_ended(struct proc *p)
{
	struct tracee *tr = p->pid->tracee;

	if (!tr)
		return false;
	if (tr->tracer == p->parent) { /* it is told of it once, as the parent */
		ptrace_detach(tr, 0);
		return false;
	}
	ended(tr, p->exit_code);
	return true;
}

void ptrace_renumber(struct task *t, struct pid *to)
{
	struct tracee *tr = t->pid->tracee;

	if (to->tracee)
		ptrace_detach(to->tracee, 0);
	if (!tr)
		return;
	t->pid->tracee = NULL;
	pid_put(t->pid);
	pid_get(to);
	tr->pid = to;
	to->tracee = tr;
}
