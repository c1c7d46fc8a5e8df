/* Sending and handling signals. */
#include "hal/base/string.h"
#include "hal/time/clock.h"
#include "kernel/abi/capability.h"
#include "kernel/fs/pidfd.h"
#include "kernel/fs/procfs.h"
#include "kernel/proc/proc.h"
#include "kernel/sys/path.h"
#include "kernel/sys/syscall.h"
#include "kernel/sys/usertime.h"
#include "sched/timer.h"
#include "vm/uaccess.h"

i64 sys_rt_sigaction(int sig, uaddr_t act, uaddr_t oldact, u64 sigsetsize)
{
	struct proc *p = proc_current();
	struct sigaction new, old;

	if (sigsetsize != 8 || sig < 1 || sig > SIG_COUNT)
		return -EINVAL;
	if (act.va && (SIG_UNBLOCKABLE & SIGMASK(sig)))
		return -EINVAL;
	if (act.va && copyin(&new, act, sizeof(new)) < 0)
		return -EFAULT;
	bool on = signal_lock(p->sighand);
	old = p->sighand->action[sig - 1];
	if (act.va) {
		new.sa_mask &= ~SIG_UNBLOCKABLE;
		p->sighand->given |= SIGMASK(sig);
		p->sighand->action[sig - 1] = new;
	}
	signal_unlock(p->sighand, on);
	return oldact.va ? copyout(oldact, &old, sizeof(old)) : 0;
}

i64 sys_rt_sigprocmask(int how, uaddr_t set, uaddr_t oldset, u64 sigsetsize)
{
	u64 old = task_current()->sig_blocked, new;

	if (sigsetsize != 8)
		return -EINVAL;
	if (set.va) {
		if (copyin(&new, set, 8) < 0)
			return -EFAULT;
		if (how != SIG_BLOCK && how != SIG_UNBLOCK && how != SIG_SETMASK)
			return -EINVAL;
		signal_set_mask(how == SIG_BLOCK ? old | new : how == SIG_UNBLOCK ? old & ~new : new);
	}
	return oldset.va ? copyout(oldset, &old, 8) : 0;
}

i64 sys_rt_sigpending(uaddr_t set, u64 sigsetsize)
{
	u64 pending = signal_pending() & task_current()->sig_blocked;

	return sigsetsize > 8 ? -EINVAL : copyout(set, &pending, sigsetsize);
}

i64 sys_rt_sigsuspend(uaddr_t mask, u64 sigsetsize)
{
	u64 set;

	if (sigsetsize != 8)
		return -EINVAL;
	if (copyin(&set, mask, 8) < 0)
		return -EFAULT;
	signal_set_mask_temporarily(set);
	sleep_until(CLOCK_NEVER);
	return -ERESTARTNOHAND;
}

i64 sys_rt_sigtimedwait(uaddr_t set, uaddr_t info, uaddr_t timeout, u64 sigsetsize)
{
	struct task *t = task_current();
	u64 wanted, ns, deadline = CLOCK_NEVER;
	siginfo_t si;
	int sig, err = 0;

	if (sigsetsize != 8)
		return -EINVAL;
	if (copyin(&wanted, set, 8) < 0)
		return -EFAULT;
	if (timeout.va) {
		err = timespec_get(timeout, &ns);
		if (err)
			return err;
		deadline = clock_mono() + ns;
	}
	wanted &= ~SIG_UNBLOCKABLE;
	t->sig_waited = wanted;
	while (!(sig = signal_take(wanted, &si)) && !err)
		err = sleep_until(deadline) ? -EINTR : -EAGAIN;
	t->sig_waited = 0;
	if (!sig)
		sig = signal_take(wanted, &si); /* it came with what ended the sleep */
	if (!sig)
		return err;
	return info.va && copyout(info, &si, sizeof(si)) < 0 ? -EFAULT : sig;
}

i64 sys_sigaltstack(uaddr_t ss, uaddr_t old_ss)
{
	struct task *t = task_current();
	u64 sp = task_frame(t)->rsp;
	stack_t old = t->altstack, new;
	bool on = !(old.ss_flags & SS_DISABLE) && sp - 1 - (u64)old.ss_sp < old.ss_size;

	if (on)
		old.ss_flags = SS_ONSTACK;
	if (ss.va) {
		if (copyin(&new, ss, sizeof(new)) < 0)
			return -EFAULT;
		if (on)
			return -EPERM;
		if (new.ss_flags & ~(SS_DISABLE | SS_ONSTACK))
			return -EINVAL;
		if (new.ss_flags & SS_DISABLE)
			new = (stack_t){.ss_flags = SS_DISABLE};
		else if (new.ss_size < MINSIGSTKSZ)
			return -ENOMEM;
		new.ss_flags &= SS_DISABLE;
		t->altstack = new;
	}
	return old_ss.va ? copyout(old_ss, &old, sizeof(old)) : 0;
}

/* --- sending --- */

/* => proc_lock held */
static bool may_signal(const struct proc *p, int sig)
{
	const struct creds *me = &proc_current()->creds, *to = &p->creds;

	return capable(CAP_KILL) || me->euid == to->suid || me->euid == to->uid || me->uid == to->suid ||
	       me->uid == to->uid || (sig == SIGCONT && p->session == proc_current()->session);
}

static siginfo_t sender(int sig, int code)
{
	siginfo_t info = {.si_signo = sig, .si_code = code};

	info.si_pid = proc_current()->pid->nr;
	info.si_uid = proc_current()->creds.uid;
	return info;
}

/* => proc_lock held; 0 or -EPERM */
static int kill_one(struct proc *p, int sig, int (*send)(struct proc *p, const siginfo_t *info))
{
	siginfo_t info = sender(sig, SI_USER);

	if (!may_signal(p, sig))
		return -EPERM;
	return sig ? send(p, &info) : 0;
}

static i64 kill_group(struct pid *group, int sig)
{
	struct proc *p;
	i64 result = -ESRCH;

	if (!group)
		return -ESRCH;
	list_for_each (p, &group->group, group_link) {
		int err = kill_one(p, sig, signal_broadcast);

		if (result != 0)
			result = err;
	}
	return result;
}

struct broadcast {
	int sig;
	i64 result;
};

static bool kill_any(struct proc *p, void *arg)
{
	struct broadcast *b = arg;

	if (p->parent && p != proc_current()) {
		int err = kill_one(p, b->sig, signal_broadcast);

		if (b->result != 0)
			b->result = err;
	}
	return true;
}

i64 sys_kill(int pid, int sig)
{
	struct broadcast all = {sig, -ESRCH};
	i64 result = -ESRCH;

	if (sig < 0 || sig > SIG_COUNT)
		return -EINVAL;
	if (pid == -1) {
		proc_for_each(kill_any, &all);
		return all.result;
	}
	if (pid == INT32_MIN)
		return -ESRCH;
	WITH_LOCK (&proc_lock) {
		struct proc *p = pid > 0 ? proc_find(pid) : NULL;

		if (pid <= 0)
			result = kill_group(pid ? pid_find(-pid) : proc_current()->group, sig);
		else if (p)
			result = kill_one(p, sig, signal_send_proc);
	}
	return result;
}

static i64 send_task(int tgid, int tid, int sig, const siginfo_t *info)
{
	i64 result = -ESRCH;

	if (tid <= 0 || sig < 0 || sig > SIG_COUNT)
		return -EINVAL;
	WITH_LOCK (&proc_lock) {
		struct pid *pid = pid_find(tid);
		struct task *t = pid ? pid->task : NULL;

		if (!t || list_empty(&t->link) || (tgid && t->proc->pid->nr != tgid))
			break;
		result = may_signal(t->proc, sig) ? 0 : -EPERM;
		if (!result && sig)
			result = signal_send_task(t, info);
	}
	return result;
}

static i64 kill_task(int tgid, int tid, int sig)
{
	siginfo_t info = sender(sig, SI_TKILL);

	return send_task(tgid, tid, sig, &info);
}

i64 sys_tkill(int tid, int sig)
{
	return kill_task(0, tid, sig);
}

i64 sys_tgkill(int tgid, int tid, int sig)
{
	return tgid <= 0 ? -EINVAL : kill_task(tgid, tid, sig);
}

/* sent_info: what the caller says of a signal. Nobody may sign for the kernel or for kill(2), but to himself.
 * STRICT: its number must be SIG already. => 0; -EFAULT; -EINVAL; -EPERM */
static int sent_info(uaddr_t user, int pid, int sig, bool strict, siginfo_t *ret)
{
	if (copyin(ret, user, sizeof(*ret)) < 0)
		return -EFAULT;
	if (sig != ret->si_signo && strict)
		return -EINVAL;
	ret->si_signo = sig;
	if ((ret->si_code >= 0 || ret->si_code == SI_TKILL) && pid != proc_current()->pid->nr)
		return -EPERM;
	return 0;
}

/* send_proc: P NULL: there is none. proc_lock held. */
static i64 send_proc(struct proc *p, int sig, const siginfo_t *info)
{
	if (sig < 0 || sig > SIG_COUNT)
		return -EINVAL;
	if (!p)
		return -ESRCH;
	if (!may_signal(p, sig))
		return -EPERM;
	return sig ? signal_send_proc(p, info) : 0;
}

i64 sys_rt_sigqueueinfo(int pid, int sig, uaddr_t user)
{
	siginfo_t info;
	i64 result = sent_info(user, pid, sig, false, &info);

	if (!result)
		WITH_LOCK (&proc_lock)
			result = send_proc(pid > 0 ? proc_find(pid) : NULL, sig, &info);
	return result;
}

static i64 send_pidfd(struct pid *pid, int sig, uaddr_t user)
{
	siginfo_t info = sender(sig, SI_USER);
	i64 result = user.va ? sent_info(user, pid->nr, sig, true, &info) : 0;

	if (!result)
		WITH_LOCK (&proc_lock)
			result = send_proc(pid->proc, sig, &info);
	return result;
}

i64 sys_pidfd_send_signal(int pidfd, int sig, uaddr_t info, u32 flags)
{
	struct pid *pid = NULL;
	struct fdref r;
	i64 result = -EBADF;

	if (flags)
		return -EINVAL;
	r = fd_use(pidfd);
	if (r.file) /* the folder /proc/PID came before pidfds, and does as well */
		pid = file_is_pidfd(r.file) ? pidfd_pid(r.file) : procfs_folder_pid(r.file);
	if (pid)
		result = send_pidfd(pid, sig, info);
	fd_return(r);
	return result;
}

i64 sys_rt_tgsigqueueinfo(int tgid, int tid, int sig, uaddr_t user)
{
	siginfo_t info;
	int err;

	if (tgid <= 0)
		return -EINVAL;
	err = sent_info(user, tid, sig, false, &info);
	return err ? err : send_task(tgid, tid, sig, &info);
}
