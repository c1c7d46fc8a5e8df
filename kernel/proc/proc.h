/* Processes and tasks. A process owns what its tasks share; a task is one thread that runs ring 3's code.
 *
 * R1: a process lives in the pid table from proc_create until its parent has waited for it.
 * R2: a process has at least one task until it is a zombie; a zombie has none and holds no resources.
 * R3: parent, children, group and session change under proc_lock only (RANK_PROC).
 * R4: killing is a request: a task ends itself on its way back to ring 3. */
#pragma once

#include "hal/base/types.h"
#include "hal/base/list.h"
#include "hal/cpu/spinlock.h"
#include "hal/cpu/trapframe.h"
#include "hal/cpu/cpu.h"
#include "kernel/abi/linux.h"
#include "sched/thread.h"
#include "sched/waitq.h"
#include "sched/timer.h"

struct fdtable;
struct fsctx;
struct file;
struct tty;
struct proc;

/* --- numbers --- (pid.c)  One number may name a task, a process, a group and a session at once; it is free
 * when none of these uses it any more. */
struct pid {
	struct list hash;    /* [proc_lock] */
	pid_t nr;            /* [I] */
	u32 refs;            /* [atomic] */
	struct waitq ended;  /* woken when the process has ended, and when it has been waited for */
	struct task *task;   /* [proc_lock] the task with this number, or NULL */
	struct proc *proc;   /* [proc_lock] the process with this number, zombies included, or NULL */
	struct list group;   /* [proc_lock] processes whose group this is */
	struct list session; /* [proc_lock] processes whose session this is */
	struct tty *tty;     /* [proc_lock] as a session: its controlling terminal, or NULL; counted */
	struct pid *
	        hung_group; /* [proc_lock] foreground group of a terminal that was hung up; counted; or NULL */
	struct tracee *tracee; /* [proc_lock] how the task is traced, NULL: it is not (ptrace.h) */
	u64 oom_size;          /* [proc_lock] as a group: the sum of its processes' */
};

#define PID_MAX 32768

extern struct spinlock proc_lock;

int pid_alloc(struct pid **ret); /* => 0 and one reference; -EAGAIN (out of numbers); -ENOMEM */
struct pid *pid_find(pid_t nr);  /* => borrowed; proc_lock held */
void pid_get(struct pid *p);
void pid_put(struct pid *p);

/* --- credentials --- */
#define NGROUPS 32
struct creds {
	u32 uid, euid, suid, fsuid;
	u32 gid, egid, sgid, fsgid;
	u32 ngroups;
	u32 groups[NGROUPS];
	/* Capabilities, bit n = capability n. CAPS are the effective ones; all for root (capabilities(7)) */
	u64 caps, caps_permitted, caps_inheritable;
};

/* --- signals --- (signal.c) */
#define SIG_COUNT 64
#define SIGMASK(sig) (1UL << ((sig)-1))
#define SIG_UNBLOCKABLE (SIGMASK(SIGKILL) | SIGMASK(SIGSTOP))

struct sigqueue {          /* pending signals of a task or of a process */
	u64 set;           /* [signal lock] */
	struct list infos; /* [signal lock] struct siginfo_entry, oldest first */
	u32 count;         /* [signal lock] of them */
};

struct sighand {              /* shared by CLONE_SIGHAND */
	u32 refs;             /* [atomic] */
	struct spinlock lock; /* RANK_SIGNAL; also guards the queues and masks of its processes */
	u64 given;            /* [lock] signals whose action sigaction gave: that of any other is all zero */
	struct sigaction action[SIG_COUNT]; /* [lock] */
};

/* --- tasks --- */
enum restart {
	RESTART_SLEEP,
	RESTART_POLL,  /* with the same arguments */
	RESTART_FUTEX, /* with the same arguments */
};

struct task {
	struct thread thread;                 /* first */
	struct proc *proc;                    /* [I] */
	struct pid *pid;                      /* [I] */
	struct list link;                     /* [proc_lock and signal lock] proc->tasks; either to read */
	u64 sig_blocked;                      /* [signal lock] */
	u64 sig_waited;                       /* [c] what sigtimedwait waits for */
	u64 sig_saved;                        /* [c] mask to restore after sigsuspend, ppoll, pselect */
	bool sig_restore;                     /* [c] sig_saved is to be restored */
	struct sigqueue sig_pending;          /* [signal lock] */
	stack_t altstack;                     /* [c] */
	uaddr_t clear_child_tid;              /* [c] */
	uaddr_t set_child_tid;                /* [c] */
	uaddr_t robust_list;                  /* [c] */
	u64 timer_slack, timer_slack_default; /* [c] ns */
	u64 charged;               /* [c] how much of thread.runtime its process's cpu_timers have seen */
	bool awaited;              /* [atomic] some wait for a lock of its (futex_owner_gone) */
	u64 restart_deadline;      /* [c] of what restart_syscall goes on with; 0: nothing */
	enum restart restart_what; /* [c] */
	uaddr_t restart_left;      /* [c] where that sleep tells what was left */
	int resume_signal;         /* [proc_lock] with which its tracer lets it go on */
	bool stepping;             /* [proc_lock] the trap flag of its frame is its tracer's */
	u64 trap_vector, trap_error, trap_addr; /* [c] of the last exception, for signal frames */
};

/* A timer of CPU time, in ns. */
struct cpu_timer {
	u64 left;     /* [signal lock] 0: it does not run */
	u64 interval; /* [signal lock] */
};

enum proc_state {
	PROC_ALIVE,
	PROC_STOPPED,
	PROC_ZOMBIE
};

struct proc {
	struct pid *pid;          /* [I] */
	struct pid *group;        /* [proc_lock] */
	struct pid *session;      /* [proc_lock] */
	struct list group_link;   /* [proc_lock] */
	struct list session_link; /* [proc_lock] */
	struct list all_link;     /* [proc_lock] every process, oldest first */
	struct proc *parent;      /* [proc_lock] NULL for pid 1 */
	pid_t parent_nr;          /* [proc_lock, read with read_once] the parent's number; 0 for pid 1 */
	struct list children;     /* [proc_lock] */
	struct list sibling;      /* [proc_lock] */
	struct list tasks;        /* [proc_lock and signal lock] either to read */
	u32 task_count;           /* [proc_lock and signal lock] */
	struct task *leader;      /* [proc_lock] the first task, or the one that called exec */
	enum proc_state state;    /* [proc_lock and signal lock] either to read */
	bool gave_tty_up;         /* [proc_lock] TIOCNOTTY: its session's terminal is not its own any more */
	bool did_exec;            /* [proc_lock] setpgid by the parent is refused from then on */
	bool stop_report, cont_report; /* [proc_lock] wait4 has yet to tell of a stop, of a continuation */
	bool group_exit;               /* [signal lock] all tasks are to end with exit_code */
	struct task *exec_task;        /* [signal lock] who runs exec: all others are to end; or NULL */
	int exit_code;                 /* [signal lock] as wait4's status */
	int exit_signal;               /* [proc_lock] what the parent gets, usually SIGCHLD */
	int stop_signal;               /* [proc_lock] */
	struct list newborns;          /* [signal lock] struct newborn: of forks that are under way */
	bool stop_due;            /* [signal lock] a stop signal was taken, and no SIGCONT has come since */
	u32 stops;                /* [proc_lock] how often it was stopped */
	u32 traced;               /* [proc_lock] how many of its tasks are traced */
	struct list tracees;      /* [proc_lock] struct tracee: whom it traces */
	struct waitq child_wait;  /* this process waits here for its children */
	struct waitq stop_wait;   /* its stopped tasks wait here, and exec for the others' end */
	struct vfork_wait *vfork; /* [proc_lock] where the parent's vfork waits, or NULL */

	struct fdtable *files;                /* [I] shared by the tasks; NULL in a zombie */
	struct fsctx *fs;                     /* [I] */
	struct list sem_undos;                /* [ipc_lock] what its end is to undo (kernel/sys/sem.c) */
	struct sighand *sighand;              /* [I] */
	struct sigqueue sig_pending;          /* [signal lock] */
	struct creds creds;                   /* [proc_lock] written by the process itself */
	struct rlimit64 limits[RLIM_NLIMITS]; /* [proc_lock] */
	struct file *exe;                     /* [proc_lock] the running program */
	char name[16];                        /* [proc_lock] of the leader */
	int nice;                             /* [proc_lock] */
	u32 personality;                      /* [proc_lock] */
	bool no_new_privs, dumpable;          /* [c] */
	bool keep_caps;                       /* [c] PR_SET_KEEPCAPS */
	bool membarrier;                      /* [c] it will ask for barriers in its own space */
	bool subreaper;                       /* [c] orphans below become its children */
	int parent_death_signal;              /* [c] */
	u64 start_time;                       /* [I] monotonic ns */
	u64 time_user, time_kernel, time_child_user,
	        time_child_kernel; /* [proc_lock] ns, of ended tasks and children */
	u64 faults_minor, faults_child;
	struct timer real_timer;        /* ITIMER_REAL */
	u64 real_interval;              /* [signal lock] ns */
	struct cpu_timer cpu_timers[2]; /* ITIMER_VIRTUAL and ITIMER_PROF */
	struct list posix_timers;       /* [timers_lock of posix_timer.c] */
	u32 posix_timer_count;          /* [timers_lock] */
	int posix_timer_next;           /* [timers_lock] the number to try next */
	int oom_adjust;                 /* [proc_lock] as /proc/PID/oom_score_adj: thousandths of memory */
	bool oom_late;                  /* [proc_lock] was to end for its memory, and did not in time */
	u64 oom_size;                   /* [proc_lock] pages, by the last choice of whom to end */
};

static inline struct task *task_current(void)
{
	return (struct task *)thread_current();
}

static inline struct proc *proc_current(void)
{
	return task_current()->proc;
}

/* The registers with which the running task came into the kernel. */
static inline struct trapframe *task_frame(struct task *t)
{
	return cpu_user_frame(t->thread.cpu.kstack_top);
}

void proc_init(void);

/* proc_start_init: pid 1: exec PATH with ARGV and ENVP on /dev/console. => 0, or why not */
void proc_measure_boot(u64 tsc_entry); /* log how long it took to come there */
int proc_start_init(const char *path, char *const argv[], char *const envp[]);

/* proc_for_each: FN for every process in order of creation, with proc_lock held. FN => false ends the walk.
 */
void proc_for_each(bool (*fn)(struct proc *p, void *arg), void *arg);
/* proc_walk: the same, with proc_lock held by the caller. */
void proc_walk(bool (*fn)(struct proc *p, void *arg), void *arg);

/* proc_find => the process (zombies too) with proc_lock held, or NULL */
struct proc *proc_find(pid_t pid);

/* task_aspace: the address space of a process, with a reference, or NULL (a zombie). proc_lock held. */
struct aspace *proc_aspace(struct proc *p);

/* proc_times: user and kernel ns of all its tasks so far. proc_lock held. */
void proc_times(struct proc *p, u64 *ret_user, u64 *ret_kernel);

/* task_times: the same of one task. */
void task_times(const struct thread *t, u64 *ret_user, u64 *ret_kernel);

u32 proc_count(void);
u64 task_count(void); /* that are in memory: of processes, and those that are on their way in or out */
pid_t proc_last_pid(void);

/* --- life --- (fork.c, exit.c, wait.c, exec.c) */
struct clone_request {
	u64 flags; /* CLONE_* */
	int exit_signal;
	u64 stack; /* 0: the caller's */
	uaddr_t parent_tid, child_tid;
	uaddr_t pidfd; /* CLONE_PIDFD: where the descriptor goes */
	u64 tls;
};
i64 proc_clone(const struct clone_request *req);
void __noreturn proc_exit_group(int wait_status); /* all tasks of the caller's process */
void __noreturn task_exit(int wait_status);       /* the calling task alone */

/* --- running out of memory --- (oom.c) */
/* oom_relieve: no frame was left for the running task: somebody ends, and the caller waits for it. May sleep, with
 * mutexes held too: the wait has an end. => whether to try again */
bool oom_relieve(void);
/* oom_call_again: on the way to ring 3 with WORK_MEMORY: a system call that failed for want of memory is made again
 * when somebody has ended. */
void oom_call_again(struct trapframe *tf);
/* oom_end_self: nobody is left who could end: the running process does, pid 1 too. */
void __noreturn oom_end_self(void);
/* oom_gone: P has given back what it had. proc_lock held. */
void oom_gone(struct proc *p);
/* oom_score: of 1000, as /proc/PID/oom_score shows it. proc_lock held. */
u64 oom_score(struct proc *p);

/* A child that is just being made: what is sent to its parent among others meanwhile is the child's, too. */
struct newborn {
	struct list link; /* [signal lock] parent->newborns */
	u64 signals;      /* [signal lock] */
};

/* --- signals --- */
/* The signal lock is proc->sighand->lock; timers take it in interrupts. */
bool signal_lock(struct sighand *h);
void signal_unlock(struct sighand *h, bool irq_was_on);

/* signal_send_proc: to a whole process; signal_send_task: to one task. INFO->si_signo is the number. proc_lock held,
 * not from interrupts. => 0 or -EAGAIN (too many queued real-time signals) */
int signal_send_proc(struct proc *p, const siginfo_t *info);
int signal_send_task(struct task *t, const siginfo_t *info);
/* signal_broadcast: to a whole process, as one of several. proc_lock held. => as above */
int signal_broadcast(struct proc *p, const siginfo_t *info);
/* newborn_expect: the running process makes a child. newborn_arrive: it did, and T, its task, gets what was sent since;
 * T NULL: it did not, or only a thread. proc_lock held, with a T. */
void newborn_expect(struct newborn *n);
void newborn_arrive(struct newborn *n, struct task *t);
/* signal_send_group: SIG from the kernel to every process of the group. proc_lock held. => number of processes */
u32 signal_send_group(struct pid *group, int sig);
/* signal_kernel: the kernel itself sends SIG (SI_KERNEL). proc_lock held. */
void signal_kernel(struct proc *p, int sig);
/* signal_timer: SIG from a timer of P; callable from interrupts, P is not a zombie. */
void signal_timer(struct proc *p, int sig);
/* signal_fault: a synchronous fault of the running task; cannot be blocked or ignored. */
void signal_fault(int sig, int code, u64 addr);
/* signal_deliver: on the way to ring 3; builds a frame, stops, or ends the process. */
void signal_deliver(struct trapframe *tf);
/* signal_blocked_or_ignored: by the running task (background reads of a terminal ask). */
bool signal_blocked_or_ignored(int sig);
/* signal_set_mask: replace the running task's mask; _temporarily: until the next signal_deliver is through. */
void signal_set_mask(u64 mask);
void signal_set_mask_temporarily(u64 mask);
/* signal_pending: what waits for the running task, blocked ones too. */
u64 signal_pending(void);
/* signal_waitq: woken when a signal becomes pending for P or one of its tasks. It is there for ever, and other
 * processes may share it. */
struct waitq *signal_waitq(const struct proc *p);
/* signal_take: take one of SET from the running task's pending signals. => its number, 0: none */
int signal_take(u64 set, siginfo_t *ret_info);
/* signal_flush: drop all that is pending in Q. Signal lock held. */
void signal_flush(struct sigqueue *q);
/* signal_kill: as an uncaught SIGKILL, whoever P is. proc_lock held. */
void signal_kill(struct proc *p);
/* signal_end_tasks: ask all tasks of P but EXCEPT to end. Signal lock held. */
void signal_end_tasks(struct proc *p, struct task *except);
/* signal_retarget: what is pending for P as a whole, and of SET, others than EXCEPT are to see to. Signal lock held. */
void signal_retarget(struct proc *p, const struct task *except, u64 set);
/* signal_frame_push: make TF run the handler of SIG. => 0, -EFAULT (no room on the stack) */
int signal_frame_push(struct trapframe *tf, const struct sigaction *sa, const siginfo_t *info, u64 mask);

/* group_is_orphaned: POSIX 3.264. proc_lock held. */
bool group_is_orphaned(struct pid *group);

/* capable: the running process has the privilege (root). */
bool capable(int cap);

/* --- between the files of kernel/proc/ --- */
struct vfork_wait {
	struct waitq queue;
	bool done; /* [proc_lock] */
};

void pid_init(void);
void fork_init(void);
void signal_init(void);

/* proc_alloc: an empty process with a sighand; task_alloc: an empty task with extended state. => NULL: out of memory */
struct proc *proc_alloc(void);
void proc_free(struct proc *p); /* never or no longer in the tables */
struct task *task_alloc(void);
void task_free(struct task *t); /* never started */
/* task_dead: thread.on_dead of every task. */
void task_dead(struct thread *t);

/* proc_insert, task_insert: into the tables. proc_lock held. task_insert => false: P's tasks are all to end, and who
 * asked them does not know of this one */
void proc_insert(struct proc *p, struct proc *parent);
bool __must_check task_insert(struct proc *p, struct task *t);

/* proc_set_group, proc_set_session: proc_lock held. */
void proc_set_group(struct proc *p, struct pid *group);
void proc_set_session(struct proc *p, struct pid *session);

/* proc_release_vfork: the parent may go on. */
void proc_release_vfork(struct proc *p);

/* proc_notify_parent: SIGCHLD and wake, for an end, a stop or a continuation. proc_lock held. */
void proc_notify_parent(struct proc *p, int code, int status);

/* proc_notify_end: the parent of the zombie P, which may be gone after it. proc_lock held. */
void proc_notify_end(struct proc *p);

/* itimer_expired: the fn of proc->real_timer. itimer_charge: the running task is at a tick. (kernel/sys/time.c) */
void itimer_expired(struct timer *t);
void itimer_charge(struct task *t, bool from_user);

/* proc_reap: take a zombie out of the tables and free it. proc_lock held. */
void proc_reap(struct proc *p);

/* sighand_alloc: every action the default; sighand_copy: as in FROM. => NULL: out of memory */
struct sighand *sighand_alloc(void);
struct sighand *sighand_copy(struct sighand *from);
/* sighand_reset: for a new program: what is not ignored becomes the default. */
void sighand_reset(struct sighand *h);
void sighand_put(struct sighand *h);
