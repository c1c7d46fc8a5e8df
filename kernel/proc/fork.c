/* clone, fork and vfork: first everything that can fail, then the child appears all at once. */
#include "hal/base/assert.h"
#include "hal/base/sabotage.h"
#include "hal/base/string.h"
#include "hal/cpu/fpu.h"
#include "kernel/abi/capability.h"
#include "kernel/fs/fdtable.h"
#include "kernel/fs/fsctx.h"
#include "kernel/fs/pidfd.h"
#include "kernel/fs/vfs.h"
#include "kernel/proc/ptrace.h"
#include "vm/aspace.h"
#include "vm/kmem.h"
#include "vm/uaccess.h"

#define CLONE_NAMESPACES                                                                              \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | \
	 CLONE_NEWNET)

#define CLONE_KNOWN                                                                                      \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_PTRACE | CLONE_VFORK | CLONE_PARENT | \
	 CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID |      \
	 CLONE_DETACHED | CLONE_UNTRACED | CLONE_CHILD_SETTID | CLONE_IO | CLONE_CLEAR_SIGHAND |         \
	 CLONE_PIDFD)

/* The first thing that a new task does in the kernel. */
static void task_start(void *arg)
{
	struct task *t = arg;
	int tid = t->pid->nr;

	if (t->set_child_tid.va && copyout(t->set_child_tid, &tid, sizeof(tid)) < 0)
		t->set_child_tid = UADDR(0); /* the child's own affair, as on Linux */
	cpu_enter_user(task_frame(t));
}

static int clone_check(const struct clone_request *req)
{
	u64 f = req->flags;

	if ((f & CLONE_NAMESPACES) || (f & ~CLONE_KNOWN))
		return -EINVAL;
	if ((f & CLONE_PIDFD) && (f & (CLONE_THREAD | CLONE_DETACHED))) /* it stands for a process */
		return -EINVAL;
	if ((f & CLONE_THREAD) && !(f & CLONE_SIGHAND))
		return -EINVAL;
	if ((f & CLONE_SIGHAND) && !(f & CLONE_VM))
		return -EINVAL;
	if ((f & CLONE_SETTLS) && req->tls >= USER_MAX)
		return -EPERM; /* as arch_prctl: the CPU faults on a base that is no address */
	if ((f & CLONE_PARENT) && !proc_current()->parent)
		return -EINVAL; /* pid 1 has no parent that could wait for the child */
	return 0;
}

/* --- what the child gets: shared or copied. Each => 0 or -ENOMEM, and leaves what it made for proc_free --- */

static int copy_sighand(struct proc *p, const struct proc *from, u64 flags)
{
	if (flags & CLONE_SIGHAND) {
		ref_get(&from->sighand->refs);
		p->sighand = from->sighand;
		return 0;
	}
	p->sighand = sighand_copy(from->sighand);
	if (!p->sighand)
		return -ENOMEM;
	if (flags & CLONE_CLEAR_SIGHAND)
		sighand_reset(p->sighand);
	return 0;
}

static int copy_files(struct proc *p, const struct proc *from, u64 flags)
{
	if (flags & CLONE_FILES) {
		fdtable_get(from->files);
		p->files = from->files;
		return 0;
	}
	return fdtable_fork(from->files, &p->files);
}

static int copy_fs(struct proc *p, const struct proc *from, u64 flags)
{
	if (flags & CLONE_FS) {
		fsctx_get(from->fs);
		p->fs = from->fs;
		return 0;
	}
	return fsctx_fork(from->fs, &p->fs);
}

static void copy_plain(struct proc *p, struct proc *from)
{
	p->creds = from->creds;
	memcpy(p->limits, from->limits, sizeof(p->limits));
	memcpy(p->name, from->name, sizeof(p->name));
	p->nice = from->nice;
	p->personality = from->personality;
	p->oom_adjust = from->oom_adjust;
	p->no_new_privs = from->no_new_privs;
	p->dumpable = from->dumpable;
	p->keep_caps = from->keep_caps;
	p->membarrier = from->membarrier;
	p->gave_tty_up = from->gave_tty_up;
	p->exe = from->exe;
	if (p->exe)
		file_get(p->exe);
}

static struct proc *proc_copy(struct proc *from, const struct clone_request *req)
{
	struct proc *p = proc_alloc();

	if (!p)
		return NULL;
	/* A sibling's signal goes to one who did not ask for it: it is what our own end gives. */
	p->exit_signal = req->flags & CLONE_PARENT ? from->exit_signal : req->exit_signal;
	copy_plain(p, from);
	if (copy_sighand(p, from, req->flags) < 0 || copy_files(p, from, req->flags) < 0 ||
	    copy_fs(p, from, req->flags) < 0) {
		proc_free(p);
		return NULL;
	}
	return p;
}

static int copy_aspace(struct task *t, u64 flags)
{
	struct aspace *from = thread_current()->aspace;

	if (flags & CLONE_VM) {
		aspace_get(from);
		t->thread.aspace = from;
		return 0;
	}
	return aspace_fork(from, &t->thread.aspace);
}

static void copy_registers(struct task *t, const struct clone_request *req)
{
	struct task *me = task_current();
	struct trapframe *tf = task_frame(t);

	preempt_disable();
	cpu_save_selectors(&t->thread.selectors);
	fpu_save(t->thread.fpu);
	preempt_enable();
	*tf = *task_frame(me);
	tf->rax = sabotage(fork_result) ? tf->rax : 0;
	if (me->stepping)
		tf->rflags &= ~RFLAGS_TF;
	if (req->stack)
		tf->rsp = req->stack;
	t->thread.fs_base = req->flags & CLONE_SETTLS ? req->tls : me->thread.fs_base;
	t->thread.gs_base = me->thread.gs_base;
	t->sig_blocked = me->sig_blocked;
	t->timer_slack = t->timer_slack_default = me->timer_slack;
	if (!(req->flags & CLONE_VM) || (req->flags & CLONE_VFORK))
		t->altstack = me->altstack;
	if (req->flags & CLONE_CHILD_CLEARTID)
		t->clear_child_tid = req->child_tid;
	if (req->flags & CLONE_CHILD_SETTID)
		t->set_child_tid = req->child_tid;
}

/* task_fill: what task_alloc leaves open. => 0, -EAGAIN (no number left) or -ENOMEM */
static int task_fill(struct task *t, const struct clone_request *req)
{
	int err = pid_alloc(&t->pid);

	if (!err)
		err = thread_init(&t->thread, thread_current()->name, task_start, t);
	if (err)
		return err;
	err = copy_aspace(t, req->flags);
	if (err) {
		thread_release(&t->thread);
		return err;
	}
	copy_registers(t, req);
	thread_inherit(&t->thread, proc_current()->nice);
	return 0;
}

static int task_copy(const struct clone_request *req, struct task **ret)
{
	struct task *t = task_alloc();
	int err = t ? task_fill(t, req) : -ENOMEM;

	if (!err) {
		*ret = t;
		return 0;
	}
	WITH_LOCK (&proc_lock) {
		if (t && t->pid)
			pid_put(t->pid);
	}
	if (t)
		task_free(t);
	return err;
}

static void task_drop(struct task *t)
{
	aspace_put(t->thread.aspace);
	thread_release(&t->thread);
	WITH_LOCK (&proc_lock)
		pid_put(t->pid);
	task_free(t);
}

static bool count_tasks(struct proc *p, void *arg)
{
	u64 *left = arg;

	if (p->creds.uid == proc_current()->creds.uid)
		*left -= MIN(*left, p->task_count);
	return *left;
}

/* limit_reached: the user has as many tasks as RLIMIT_NPROC lets him. => proc_lock held */
static bool limit_reached(const struct proc *p)
{
	u64 left = p->limits[RLIMIT_NPROC].rlim_cur;

	if (left == RLIM64_INFINITY || p->creds.uid == 0 || capable(CAP_SYS_RESOURCE) ||
	    capable(CAP_SYS_ADMIN))
		return false;
	proc_walk(count_tasks, &left);
	return !left;
}

/* appear: the child enters the tables, unless the caller is ending by now. => 0, -ERESTARTNOINTR, -EAGAIN */
static int appear(struct proc *p, struct task *t, const struct clone_request *req, struct vfork_wait *wait,
                  struct ptrace_clone *trace, struct newborn *newborn)
{
	struct proc *me = proc_current();
	bool thread = req->flags & CLONE_THREAD;
	int err = 0;

	WITH_LOCK (&proc_lock) {
		if (current_work() & WORK_KILL)
			err = -ERESTARTNOINTR;
		else if (limit_reached(me))
			err = -EAGAIN;
		if (err)
			break;
		if (!thread) {
			struct proc *parent = req->flags & CLONE_PARENT ? me->parent : me;

			p->pid = t->pid;
			p->leader = t;
			p->vfork = wait;
			proc_set_group(p, me->group);
			proc_set_session(p, me->session);
			proc_insert(p, parent);
		}
		if (task_insert(p, t)) {
			ptrace_adopt(trace, t);
			newborn_arrive(newborn, thread ? NULL : t);
		} else {
			err = -ERESTARTNOINTR; /* never for a process of its own */
		}
	}
	return err;
}

static void vfork_wait(struct proc *child, pid_t nr, struct vfork_wait *wait)
{
	wait_event(&wait->queue, WAIT_KILLABLE, CLOCK_NEVER, read_once(wait->done));
	WITH_LOCK (&proc_lock) {
		/* Killed while waiting: the child must not touch this stack any more. */
		if (!wait->done && proc_find(nr) == child)
			child->vfork = NULL;
	}
}

void proc_release_vfork(struct proc *p)
{
	WITH_LOCK (&proc_lock) {
		struct vfork_wait *wait = p->vfork;

		p->vfork = NULL;
		if (wait) {
			wait->done = true;
			waitq_wake_all(&wait->queue);
		}
	}
}

/* The descriptor of CLONE_PIDFD, until the child has appeared. */
struct new_pidfd {
	struct file *file; /* NULL: none is asked for */
	int fd;
};

static void pidfd_drop(struct new_pidfd *n)
{
	if (!n->file)
		return;
	fd_cancel(n->fd);
	file_put(n->file);
}

/* pidfd_make => 0; -EMFILE; -ENOMEM; -EFAULT */
static int pidfd_make(const struct clone_request *req, struct pid *pid, struct new_pidfd *ret)
{
	struct new_pidfd n;
	int err;

	if (!(req->flags & CLONE_PIDFD))
		return 0;
	if ((n.fd = fd_reserve(0, true)) < 0)
		return n.fd;
	if ((err = pidfd_open(pid, 0, &n.file)) < 0) {
		fd_cancel(n.fd);
		return err;
	}
	if (copyout(req->pidfd, &n.fd, sizeof(n.fd)) < 0) {
		pidfd_drop(&n);
		return -EFAULT;
	}
	*ret = n;
	return 0;
}

/* make: => the number of the child or -errno; then NEWBORN is still expected */
static i64 make(const struct clone_request *req, struct newborn *newborn)
{
	struct new_pidfd pidfd = {NULL, -1};
	struct proc *me = proc_current(), *p = me;
	struct vfork_wait wait = {.done = false};
	struct ptrace_clone trace = {.event = 0};
	bool thread = req->flags & CLONE_THREAD, vfork = !thread && (req->flags & CLONE_VFORK);
	struct task *t;
	int err = task_copy(req, &t);

	if (err)
		return err;
	if (!thread)
		p = proc_copy(me, req);
	if (!p) {
		task_drop(t);
		return -ENOMEM;
	}
	waitq_init(&wait.queue);
	pid_t nr = t->pid->nr;
	err = pidfd_make(req, t->pid, &pidfd);
	if (!err)
		err = ptrace_clone(req->flags, req->exit_signal, &trace);
	if (!err)
		err = appear(p, t, req, vfork ? &wait : NULL, &trace, newborn);
	ptrace_clone_cancel(&trace); /* when it was not taken up */
	if (err) {
		pidfd_drop(&pidfd);
		if (!thread)
			proc_free(p);
		task_drop(t);
		return err;
	}
	if (pidfd.file)
		fd_commit(pidfd.fd, pidfd.file);
	if (req->flags & CLONE_PARENT_SETTID) /* a bad place is the caller's own affair, as on Linux */
		copyout_partial(req->parent_tid, &nr, sizeof(nr));
	thread_start(&t->thread);
	if (trace.event)
		ptrace_event(trace.event, (u64)nr);
	if (vfork) {
		vfork_wait(p, nr, &wait);
		ptrace_event(PTRACE_EVENT_VFORK_DONE, (u64)nr);
	}
	return nr;
}

i64 proc_clone(const struct clone_request *req)
{
	struct newborn newborn;
	int err = clone_check(req);

	if (err)
		return err;
	newborn_expect(&newborn);
	/* What came before the child is not the child's, and is seen to first. */
	i64 nr = current_work() & WORK_SIGNAL ? -ERESTARTNOINTR : make(req, &newborn);
	if (nr < 0)
		newborn_arrive(&newborn, NULL);
	return nr;
}
