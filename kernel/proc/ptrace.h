/* Tracing: ptrace(2). A traced task has a struct tracee, found by the task's number, from when it is attached until its
 * tracer has let go of it or has waited for its end.
 *
 * Y1: pid->tracee and the list of its tracer change under proc_lock.
 * Y2: a stopped tracee sleeps in ptrace_stop or on its way out of it: its registers lie in its frame, its extended state
 *     in its area, and only its tracer changes them.
 * A tracer is a process: any of its threads may ask, where Linux demands the one that attached. */
#pragma once

#include "hal/base/types.h"
#include "hal/base/list.h"
#include "kernel/proc/proc.h"

enum tracee_state {
	TRACEE_RUNS,
	TRACEE_STOPPED,
	TRACEE_LISTENS, /* stopped with its process, until that goes on: PTRACE_LISTEN */
	TRACEE_ENDED
};

struct tracee {
	struct list link;        /* [proc_lock] tracer->tracees */
	struct proc *tracer;     /* [I] */
	struct pid *pid;         /* [proc_lock] counted */
	struct task *task;       /* [proc_lock] NULL: it has ended */
	bool seized;             /* [I] by PTRACE_SEIZE */
	enum tracee_state state; /* [proc_lock] */
	bool report;             /* [proc_lock] its stop or end has yet to be waited for */
	bool interrupt;  /* [proc_lock] it is to stop: PTRACE_INTERRUPT, or it is new, or has listened */
	int status;      /* [proc_lock] of the stop or the end, as wait4 tells it */
	u32 options;     /* [proc_lock] PTRACE_O_* */
	u32 group_stops; /* [proc_lock] proc->stops when it last stopped with its process */
	u8 phase;        /* [proc_lock] PTRACE_SYSCALL_INFO_* of the stop */
	u64 message;     /* [proc_lock] PTRACE_GETEVENTMSG */
	siginfo_t info;  /* [proc_lock] of the stop; si_signo 0: it has none */
};

void ptrace_init(void);

/* --- what the traced task itself calls --- */

/* ptrace_signal: SIG was taken and is about to be acted on; the tracer may change it and *INFO.
 * => what to act on, 0: nothing */
int ptrace_signal(int sig, siginfo_t *info);

/* ptrace_pause: stop for the tracer, if it wants that or if the process is stopped. => true when it did */
bool ptrace_pause(void);

/* ptrace_runs_on: the tracer let the running task go on although its process is stopped. */
bool ptrace_runs_on(void);

/* ptrace_event: stop for PTRACE_EVENT_X if the tracer asked for it. => true when it had */
bool ptrace_event(u32 event, u64 message);

/* ptrace_exec: a new program is in place; OLD_NR is the number by which the tracer knew the task. */
void ptrace_exec(pid_t old_nr);

/* ptrace_syscall_enter, ptrace_syscall_exit: around a call. _enter => false when the task is to end instead. */
bool ptrace_syscall_enter(void);
void ptrace_syscall_exit(void);

/* ptrace_stepped: a single step of the running task has trapped. => false: nobody waits for it any more */
bool ptrace_stepped(void);

/* ptrace_step_end: the frame is about to be stored for a handler, without a tracer's trap flag. => true when it was there
 * ptrace_handler: stop, the frame leads to a handler now. */
bool ptrace_step_end(void);
void ptrace_handler(void);

/* --- new tasks ---
 * ptrace_clone: => 0, and in *RET what is to be given to ptrace_adopt, NULL: nothing is; -ENOMEM.
 * ptrace_adopt: the new task is traced as its maker is; proc_lock held, T is in the tables and has not run.
 * ptrace_clone_cancel: there will be no new task. */
struct ptrace_clone {
	struct tracee *tracee;
	u32 event; /* PTRACE_EVENT_*, 0: none */
};
int ptrace_clone(u64 flags, int exit_signal, struct ptrace_clone *ret);
void ptrace_adopt(struct ptrace_clone *c, struct task *t);
void ptrace_clone_cancel(struct ptrace_clone *c);

/* --- ends; proc_lock held ---
 * ptrace_task_ended: T is leaving its process. ptrace_proc_ended: P is a zombie: => true when its tracer has to see that
 * first, and its parent later. ptrace_release: P, which ends, traces nobody any more. */
void ptrace_task_ended(struct task *t, int wait_status);
bool ptrace_proc_ended(struct proc *p);
void ptrace_release(struct proc *p);

/* ptrace_renumber: T takes over the number TO (exec by a thread). proc_lock held. */
void ptrace_renumber(struct task *t, struct pid *to);

/* --- the tracer's side --- (kernel/sys/ptrace.c, wait.c)
 * ptrace_alloc: => NULL: out of memory. ptrace_free: one that was never attached.
 * With proc_lock held: ptrace_attach: TRACER traces T by TR, which says how. ptrace_detach: TR goes; its task, if it is
 * stopped, goes on with the signal SIG. ptrace_forget: the same, after the tracer has waited for the end. */
struct tracee *ptrace_alloc(void);
void ptrace_free(struct tracee *tr);
void ptrace_attach(struct tracee *tr, struct proc *tracer, struct task *t);
void ptrace_detach(struct tracee *tr, int sig);
void ptrace_forget(struct tracee *tr);

/* ptrace_allowed: may the running process look into P, and steer it (ptrace(2), "Ptrace access mode checking")?
 * proc_lock held. */
bool ptrace_allowed(const struct proc *p);
