/* ptrace(2): what a tracer asks of a stopped task. Everything is gathered or applied under proc_lock while the task is
 * stopped, and copied from and to the caller outside of it. */
#include "kernel/abi/linux.h"
#include "hal/base/string.h"
#include "hal/cpu/fpu.h"
#include "kernel/proc/ptrace.h"
#include "kernel/sys/syscall.h"
#include "vm/aspace.h"
#include "vm/kmem.h"
#include "vm/uaccess.h"

#define USER_SIZE \
	912 /* of struct user (sys/user.h): the general registers, ..., the debug registers at its end */

/* struct user_regs_struct (sys/user.h): PTRACE_GETREGS, NT_PRSTATUS */
struct user_regs {
	struct trapframe frame;
	u64 fs_base, gs_base, ds, es, fs, gs;
};

#define OPTIONS_KNOWN (PTRACE_O_MASK & ~(PTRACE_O_SUSPEND_SECCOMP | PTRACE_O_TRACESECCOMP))

/* --- attaching --- */

static int trace_me(void)
{
	struct tracee *tr = ptrace_alloc();
	struct task *t = task_current();
	int err = -EPERM;

	if (!tr)
		return -ENOMEM;
	WITH_LOCK (&proc_lock) {
		if (!t->pid->tracee && t->proc->parent) {
			ptrace_attach(tr, t->proc->parent, t);
			err = 0;
		}
	}
	if (err)
		ptrace_free(tr);
	return err;
}

/* attach_check: => 0; -ESRCH; -EPERM. proc_lock held. */
static int attach_check(const struct pid *pid)
{
	const struct proc *p;

	if (!pid || !pid->task)
		return -ESRCH;
	p = pid->task->proc;
	if (p == proc_current() || pid->tracee || !p->parent || !ptrace_allowed(p))
		return -EPERM;
	return p->state == PROC_ZOMBIE ? -ESRCH : 0;
}

static int attach(pid_t nr, bool seize, u64 options)
{
	struct tracee *tr;
	int err = 0;

	if (seize && (options & ~(u64)OPTIONS_KNOWN))
		return -EIO;
	tr = ptrace_alloc();
	if (!tr)
		return -ENOMEM;
	tr->seized = seize;
	tr->options = (u32)options;
	WITH_LOCK (&proc_lock) {
		struct pid *pid = pid_find(nr);

		err = attach_check(pid);
		if (err)
			break;
		struct task *t = pid->task;
		siginfo_t stop = {.si_signo = SIGSTOP, .si_code = SI_USER};

		ptrace_attach(tr, proc_current(), t);
		if (!seize)
			signal_send_task(t, &stop);
		waitq_wake_all(&t->proc->stop_wait); /* it may be stopped already: that is told */
	}
	if (err)
		ptrace_free(tr);
	return err;
}

/* --- a stopped task --- */

/* tracee_of: what the caller traces by the number NR. => NULL: nothing. proc_lock held. */
static struct tracee *tracee_of(pid_t nr)
{
	struct pid *pid = pid_find(nr);
	struct tracee *tr = pid ? pid->tracee : NULL;

	return tr && tr->tracer == proc_current() && tr->task ? tr : NULL;
}

static struct tracee *stopped(pid_t nr)
{
	struct tracee *tr = tracee_of(nr);

	return tr && tr->state == TRACEE_STOPPED ? tr : NULL;
}

static void regs_get(struct task *t, struct user_regs *r)
{
	*r = (struct user_regs){
	        .frame = *task_frame(t),
	        .fs_base = t->thread.fs_base,
	        .gs_base = t->thread.gs_base,
	        .ds = t->thread.selectors.ds,
	        .es = t->thread.selectors.es,
	        .fs = t->thread.selectors.fs,
	        .gs = t->thread.selectors.gs,
	};
}

/* regs_set: what ring 3 may set of itself. Selectors stay; an address that is none is met on the way out. */
static int regs_set(struct task *t, const struct user_regs *r)
{
	struct trapframe *tf = task_frame(t), new = r->frame;

	if (r->fs_base >= USER_MAX || r->gs_base >= USER_MAX)
		return -EIO;
	new.cs = tf->cs;
	new.ss = tf->ss;
	new.rflags = (tf->rflags & ~RFLAGS_USER) | (new.rflags &RFLAGS_USER);
	*tf = new;
	t->thread.fs_base = r->fs_base;
	t->thread.gs_base = r->gs_base;
	return 0;
}

/* The requests on a stopped task that move one structure of a fixed size. Each => 0 or an errno; proc_lock held. */
static int move_regs(struct tracee *tr, void *buf, bool set)
{
	if (set)
		return regs_set(tr->task, buf);
	regs_get(tr->task, buf);
	return 0;
}

static int move_info(struct tracee *tr, void *buf, bool set)
{
	if (!tr->info.si_signo)
		return -EINVAL;
	if (set)
		memcpy(&tr->info, buf, sizeof(tr->info));
	else
		memcpy(buf, &tr->info, sizeof(tr->info));
	return 0;
}

static int move_message(struct tracee *tr, void *buf, bool set)
{
	memcpy(buf, &tr->message, sizeof(tr->message));
	return 0;
}

static int move_mask(struct tracee *tr, void *buf, bool set)
{
	struct task *t = tr->task;
	bool on = signal_lock(t->proc->sighand);
	u64 *mask = buf;

	if (set)
		t->sig_blocked = *mask & ~SIG_UNBLOCKABLE;
	else
		*mask = t->sig_blocked;
	signal_unlock(t->proc->sighand, on);
	if (set)
		atomic_or(&t->thread.cpu.work, WORK_SIGNAL); /* it looks itself what is pending */
	return 0;
}

static int move_fpregs(struct tracee *tr, void *buf, bool set)
{
	if (set)
		return fpu_import(tr->task->thread.fpu, buf, FPU_LEGACY_SIZE);
	fpu_export(buf, tr->task->thread.fpu, FPU_LEGACY_SIZE);
	return 0;
}

static int move_xstate(struct tracee *tr, void *buf, bool set)
{
	if (set)
		return fpu_import(tr->task->thread.fpu, buf, fpu_size());
	fpu_export(buf, tr->task->thread.fpu, fpu_size());
	return 0;
}

typedef int (*move_fn)(struct tracee *tr, void *buf, bool set);

/* move: a structure of SIZE bytes between ADDR and the stopped task NR; ROOM is what ADDR has for it. */
static int move(pid_t nr, uaddr_t addr, size_t size, size_t room, move_fn fn, bool set)
{
	void *buf = kzalloc(size);
	int err = -ESRCH;

	if (!buf)
		return -ENOMEM;
	if (set && copyin(buf, addr, size) < 0) {
		kfree(buf);
		return -EFAULT;
	}
	WITH_LOCK (&proc_lock) {
		struct tracee *tr = stopped(nr);

		if (tr)
			err = fn(tr, buf, set);
	}
	if (!err && !set && copyout(addr, buf, room) < 0)
		err = -EFAULT;
	kfree(buf);
	return err;
}

static int move_all(pid_t nr, uaddr_t addr, size_t size, move_fn fn, bool set)
{
	return move(nr, addr, size, size, fn, set);
}

static int move_set(pid_t nr, u64 type, uaddr_t user_iov, bool set)
{
	struct iovec iov;
	size_t size = type == NT_PRSTATUS  ? sizeof(struct user_regs)
	              : type == NT_PRFPREG ? FPU_LEGACY_SIZE
	                                   : fpu_size();
	move_fn fn = type == NT_PRSTATUS ? move_regs : type == NT_PRFPREG ? move_fpregs : move_xstate;
	int err;

	if (type != NT_PRSTATUS && type != NT_PRFPREG && (type != NT_X86_XSTATE || !cpu_features.xcr0))
		return -EINVAL;
	if (copyin(&iov, user_iov, sizeof(iov)) < 0)
		return -EFAULT;
	/* Only a whole set is written; of what is read, as much as there is room for. */
	if (set && iov.iov_len < size)
		return -EINVAL;
	iov.iov_len = MIN(iov.iov_len, size);
	err = move(nr, UADDR((u64)iov.iov_base), size, iov.iov_len, fn, set);
	return err ? err : copyout(user_iov, &iov, sizeof(iov));
}

/* --- memory, and struct user --- */

/* space_of: the address space of the stopped task NR. => NULL: there is none */
static struct aspace *space_of(pid_t nr)
{
	struct aspace *as = NULL;

	WITH_LOCK (&proc_lock) {
		struct tracee *tr = stopped(nr);

		if (tr)
			as = proc_aspace(tr->task->proc);
	}
	return as;
}

static int peek(pid_t nr, u64 addr, uaddr_t ret)
{
	struct aspace *as = space_of(nr);
	u64 word;

	if (!as)
		return -ESRCH;
	int err = aspace_read(as, addr, &word, sizeof(word)) < 0 ? -EIO : copyout(ret, &word, sizeof(word));
	aspace_put(as);
	return err;
}

static int poke(pid_t nr, u64 addr, u64 word)
{
	struct aspace *as = space_of(nr);

	if (!as)
		return -ESRCH;
	int err = aspace_poke(as, addr, &word, sizeof(word)) < 0 ? -EIO : 0;
	aspace_put(as);
	return err;
}

/* user_word: the word at OFFSET of struct user, of a stopped task. */
static int user_word(pid_t nr, u64 offset, u64 *word, bool set)
{
	struct user_regs r;
	int err = -ESRCH;

	if (offset % 8 || offset >= USER_SIZE)
		return -EIO;
	WITH_LOCK (&proc_lock) {
		struct tracee *tr = stopped(nr);

		if (!tr)
			break;
		err = 0;
		if (offset >= sizeof(r)) { /* no debug register is set, and none can be */
			err = set && *word ? -EIO : 0;
			*word = 0;
			break;
		}
		regs_get(tr->task, &r);
		if (set) {
			((u64 *)&r)[offset / 8] = *word;
			err = regs_set(tr->task, &r);
		} else {
			*word = ((u64 *)&r)[offset / 8];
		}
	}
	return err;
}

static i64 syscall_info(pid_t nr, u64 size, uaddr_t ret)
{
	struct ptrace_syscall_info info = {.arch = AUDIT_ARCH_X86_64};
	size_t used = offsetof(struct ptrace_syscall_info, entry);
	int err = -ESRCH;

	WITH_LOCK (&proc_lock) {
		struct tracee *tr = stopped(nr);

		if (!tr)
			break;
		const struct trapframe *tf = task_frame(tr->task);

		err = 0;
		info.op = tr->phase;
		info.instruction_pointer = tf->rip;
		info.stack_pointer = tf->rsp;
		if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
			info.entry.nr = tf->orig_rax;
			const u64 args[6] = {tf->rdi, tf->rsi, tf->rdx, tf->r10, tf->r8, tf->r9};
			memcpy(info.entry.args, args, sizeof(args));
			used = offsetof(struct ptrace_syscall_info, entry) + sizeof(info.entry);
		} else if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
			info.exit.rval = (i64)tf->rax;
			info.exit.is_error = tf->rax >= (u64)-4095;
			/* without the padding behind is_error */
			used = offsetof(struct ptrace_syscall_info, exit.is_error) + 1;
		}
	}
	if (!err && copyout(ret, &info, MIN(size, used)) < 0)
		err = -EFAULT;
	return err ? err : (i64)used;
}

/* --- going on --- */

static int resume(pid_t nr, u64 request, u64 sig)
{
	int err = -ESRCH;

	if (sig > SIG_COUNT)
		return -EIO;
	WITH_LOCK (&proc_lock) {
		struct tracee *tr = stopped(nr);

		if (!tr)
			break;
		struct task *t = tr->task;
		u32 work = request == PTRACE_SYSCALL      ? ENTRY_TRACED
		           : request == PTRACE_SINGLESTEP ? ENTRY_STEP
		                                          : 0;

		err = 0;
		atomic_and(&t->thread.cpu.entry_work, ~(ENTRY_TRACED | ENTRY_STEP));
		atomic_or(&t->thread.cpu.entry_work, work);
		t->stepping = request == PTRACE_SINGLESTEP && !(task_frame(t)->rflags & RFLAGS_TF);
		if (t->stepping)
			task_frame(t)->rflags |= RFLAGS_TF;
		t->resume_signal = (int)sig;
		tr->state = TRACEE_RUNS;
		tr->report = false;
		waitq_wake_all(&t->proc->stop_wait);
	}
	return err;
}

static int detach(pid_t nr, u64 sig)
{
	int err = -ESRCH;

	if (sig > SIG_COUNT)
		return -EIO;
	WITH_LOCK (&proc_lock) {
		struct tracee *tr = tracee_of(nr);

		if (!tr || tr->state == TRACEE_RUNS)
			break;
		ptrace_detach(tr, (int)sig);
		err = 0;
	}
	return err;
}

static int listen(pid_t nr)
{
	int err = -ESRCH;

	WITH_LOCK (&proc_lock) {
		struct tracee *tr = stopped(nr);

		if (!tr)
			break;
		err = -EIO;
		if (!tr->seized || tr->status >> 16 != PTRACE_EVENT_STOP)
			break;
		err = 0;
		tr->state = TRACEE_LISTENS;
		waitq_wake_all(&tr->task->proc->stop_wait);
	}
	return err;
}

static int interrupt(pid_t nr)
{
	int err = -ESRCH;

	WITH_LOCK (&proc_lock) {
		struct tracee *tr = tracee_of(nr);

		if (!tr)
			break;
		err = tr->seized ? 0 : -EIO;
		if (err)
			break;
		tr->interrupt = true;
		thread_interrupt(&tr->task->thread, false);
		waitq_wake_all(&tr->task->proc->stop_wait);
	}
	return err;
}

static int set_options(pid_t nr, u64 options)
{
	int err = -ESRCH;

	if (options & ~(u64)OPTIONS_KNOWN)
		return -EINVAL;
	WITH_LOCK (&proc_lock) {
		struct tracee *tr = stopped(nr);

		if (!tr)
			break;
		tr->options = (u32)options;
		err = 0;
	}
	return err;
}

static int kill_tracee(pid_t nr)
{
	int err = -ESRCH;

	WITH_LOCK (&proc_lock) {
		struct tracee *tr = tracee_of(nr);

		if (!tr)
			break;
		signal_kernel(tr->task->proc, SIGKILL);
		err = 0;
	}
	return err;
}

i64 sys_ptrace(i64 request, i64 nr, u64 addr, u64 data)
{
	pid_t pid = (pid_t)nr;
	uaddr_t user = UADDR(data);
	u64 word = data;
	int err;

	switch (request) {
	case PTRACE_TRACEME:
		return trace_me();
	case PTRACE_ATTACH:
		return attach(pid, false, 0);
	case PTRACE_SEIZE:
		return addr ? -EIO : attach(pid, true, data);
	case PTRACE_PEEKTEXT:
	case PTRACE_PEEKDATA:
		return peek(pid, addr, user);
	case PTRACE_POKETEXT:
	case PTRACE_POKEDATA:
		return poke(pid, addr, data);
	case PTRACE_PEEKUSR:
		err = user_word(pid, addr, &word, false);
		return err ? err : copyout(user, &word, sizeof(word));
	case PTRACE_POKEUSR:
		return user_word(pid, addr, &word, true);
	case PTRACE_GETREGS:
	case PTRACE_SETREGS:
		return move_all(pid, user, sizeof(struct user_regs), move_regs, request == PTRACE_SETREGS);
	case PTRACE_GETFPREGS:
	case PTRACE_SETFPREGS:
		return move_all(pid, user, FPU_LEGACY_SIZE, move_fpregs, request == PTRACE_SETFPREGS);
	case PTRACE_GETREGSET:
	case PTRACE_SETREGSET:
		return move_set(pid, addr, user, request == PTRACE_SETREGSET);
	case PTRACE_GETSIGINFO:
	case PTRACE_SETSIGINFO:
		return move_all(pid, user, sizeof(siginfo_t), move_info, request == PTRACE_SETSIGINFO);
	case PTRACE_GETSIGMASK:
	case PTRACE_SETSIGMASK:
		if (addr != sizeof(u64))
			return -EINVAL;
		return move_all(pid, user, sizeof(u64), move_mask, request == PTRACE_SETSIGMASK);
	case PTRACE_GETEVENTMSG:
		return move_all(pid, user, sizeof(u64), move_message, false);
	case PTRACE_GET_SYSCALL_INFO:
		return syscall_info(pid, addr, user);
	case PTRACE_CONT:
	case PTRACE_SYSCALL:
	case PTRACE_SINGLESTEP:
		return resume(pid, (u64)request, data);
	case PTRACE_DETACH:
		return detach(pid, data);
	case PTRACE_LISTEN:
		return listen(pid);
	case PTRACE_INTERRUPT:
		return interrupt(pid);
	case PTRACE_SETOPTIONS:
	case PTRACE_OLDSETOPTIONS:
		return set_options(pid, data);
	case PTRACE_KILL:
		return kill_tracee(pid);
	default:
		return -EIO;
	}
}
