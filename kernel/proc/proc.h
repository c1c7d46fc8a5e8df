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
	struct task *task;   /* [proc_lock] the task with this number, or NULL */
	struct proc *proc;   /* [proc_lock] the process with this number, zombies included, or NULL */
	struct list group;   /* [proc_lock] processes whose group this is */
	struct list session; /* [proc_lock] processes whose session this is */
	struct tty *tty;     /* [proc_lock] as a session: its controlling terminal, or NULL */
};

#define PID_MAX 32768

extern struct spinlock proc_lock;

struct pid *pid_alloc(void);    /* => NULL: out of numbers or memory; one reference */
struct pid *pid_find(pid_t nr); /* => borrowed; proc_lock held */
void pid_get(struct pid *p);
void pid_put(struct pid *p);

/* --- credentials --- */
#define NGROUPS 32
struct creds {
	u32 uid, euid, suid, fsuid;
	u32 gid, egid, sgid, fsgid;
	u32 ngroups;
	u32 groups[NGROUPS];
	u64 caps; /* effective capabilities, bit n = capability n; all for root */
};

/* --- signals --- (signal.c) */
#define SIG_COUNT 64
#define SIGMASK(sig) (1UL << ((sig)-1))
#define SIG_UNBLOCKABLE (SIGMASK(SIGKILL) | SIGMASK(SIGSTOP))

struct sigqueue {          /* pending signals of a task or of a process */
	u64 set;           /* [signal lock] */
	struct list infos; /* [signal lock] struct siginfo_entry, oldest first */
};

struct sighand {              /* shared by CLONE_SIGHAND */
	u32 refs;             /* [atomic] */
	struct spinlock lock; /* RANK_SIGNAL; also guards the queues and masks of its processes */
	struct sigaction action[SIG_COUNT]; /* [lock] */
};

/* --- tasks --- */
struct task {
	struct thread thread;        /* first */
	struct proc *proc;           /* [I] */
	struct pid *pid;             /* [I] */
	struct list link;            /* [proc_lock] proc->tasks */
	u64 sig_blocked;             /* [signal lock] */
	u64 sig_saved;               /* [c] mask to restore after sigsuspend, ppoll, pselect */
	bool sig_restore;            /* [c] sig_saved is to be restored */
	struct sigqueue sig_pending; /* [signal lock] */
	stack_t altstack;            /* [c] */
	uaddr_t clear_child_tid;     /* [c] */
	uaddr_t set_child_tid;       /* [c] */
	uaddr_t robust_list;         /* [c] */
	u64 syscall_nr;              /* [c] number in progress, for restart; ~0 none */
	bool exiting;                /* [c] */
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
	struct list children;     /* [proc_lock] */
	struct list sibling;      /* [proc_lock] */
	struct list tasks;        /* [proc_lock] */
	u32 task_count;           /* [proc_lock] */
	struct task *leader;      /* [proc_lock] the first task, or the one that called exec */
	enum proc_state state;    /* [proc_lock] */
	bool did_exec;            /* [proc_lock] setpgid by the parent is refused from then on */
	bool stop_pending, stop_reported, cont_pending; /* [proc_lock] for wait4 */
	bool group_exit;                                /* [proc_lock] all tasks are to end with exit_code */
	int exit_code;                                  /* [proc_lock] as wait4's status */
	int exit_signal;                                /* [I] what the parent gets, usually SIGCHLD */
	int stop_signal;                                /* [proc_lock] */
	struct waitq child_wait;                        /* the parent waits here for its children */
	struct waitq stop_wait;                         /* stopped tasks wait here */
	struct waitq *vfork_done; /* [proc_lock] the parent's vfork waits here, or NULL */
	bool vfork_released;      /* [proc_lock] */

	struct fdtable *files;                /* [I] shared by the tasks; NULL in a zombie */
	struct fsctx *fs;                     /* [I] */
	struct sighand *sighand;              /* [I] */
	struct sigqueue sig_pending;          /* [signal lock] */
	struct creds creds;                   /* [proc_lock] written by the process itself */
	struct rlimit64 limits[RLIM_NLIMITS]; /* [proc_lock] */
	struct file *exe;                     /* [proc_lock] the running program */
	char name[16];                        /* [proc_lock] of the leader */
	int nice;                             /* [proc_lock] */
	u32 personality;                      /* [proc_lock] */
	bool no_new_privs, dumpable;          /* [c] */
	int parent_death_signal;              /* [c] */
	u64 start_time;                       /* [I] monotonic ns */
	u64 time_user, time_kernel, time_child_user,
	        time_child_kernel; /* [proc_lock] ns, of ended tasks and children */
	u64 faults_minor, faults_child;
	struct timer real_timer; /* ITIMER_REAL */
	u64 real_interval;       /* [signal lock] ns */
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
int proc_start_init(const char *path, char *const argv[], char *const envp[]);

/* proc_for_each: FN for every process in order of creation, with proc_lock held. FN => false ends the walk.
 */
void proc_for_each(bool (*fn)(struct proc *p, void *arg), void *arg);

/* proc_find => the process (zombies too) with proc_lock held, or NULL */
struct proc *proc_find(pid_t pid);

/* task_aspace: the address space of a process, with a reference, or NULL (a zombie). proc_lock held. */
struct aspace *proc_aspace(struct proc *p);

/* proc_times: user and kernel ns of all its tasks so far. proc_lock held. */
void proc_times(struct proc *p, u64 *ret_user, u64 *ret_kernel);

u32 proc_count(void);
pid_t proc_last_pid(void);

/* --- life --- (fork.c, exit.c, wait.c, exec.c) */
struct clone_request {
	u64 flags; /* CLONE_* */
	int exit_signal;
	u64 stack; /* 0: the caller's */
	uaddr_t parent_tid, child_tid;
	u64 tls;
};
i64 proc_clone(const struct clone_request *req);
void __noreturn proc_exit_group(int wait_status); /* all tasks of the caller's process */
void __noreturn task_exit(int wait_status);       /* the calling task alone */

/* exec: strings are kernel copies; on success it does not return to the old image. */
struct exec_args;
i64 exec_load(const char *path, struct exec_args *args);

/* --- signals --- */
/* signal_send: SIG to a whole process or to one task; INFO's si_signo is the number. Callable with proc_lock
 * held, and from interrupts. => 0 or -EAGAIN (queue limit of real-time signals) */
int signal_send_proc(struct proc *p, const siginfo_t *info);
int signal_send_task(struct task *t, const siginfo_t *info);
/* signal_send_group: to every process of the group. proc_lock held. => number of processes */
u32 signal_send_group(struct pid *group, int sig);
/* signal_kernel: the kernel itself sends SIG (SI_KERNEL). */
void signal_kernel(struct proc *p, int sig);
/* signal_fault: a synchronous fault of the running task; cannot be blocked or ignored. */
void signal_fault(int sig, int code, u64 addr);
/* signal_deliver: on the way to ring 3; builds a frame, stops, or ends the process. */
void signal_deliver(struct trapframe *tf);
/* signal_blocked_or_ignored: by the running task (background reads of a terminal ask). */
bool signal_blocked_or_ignored(int sig);
/* signal_set_mask: replace the running task's mask; _temporarily: until the next signal_deliver is through.
 */
void signal_set_mask(u64 mask);
void signal_set_mask_temporarily(u64 mask);

/* group_is_orphaned: POSIX 3.264. proc_lock held. */
bool group_is_orphaned(struct pid *group);

/* capable: the running process has the privilege (root). */
bool capable(int cap);
