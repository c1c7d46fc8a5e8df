/* What a process sets of itself: prctl(2), personality(2); and membarrier(2). */
#include "hal/base/atomic.h"
#include "hal/base/string.h"
#include "kernel/abi/capability.h"
#include "kernel/proc/proc.h"
#include "kernel/sys/syscall.h"
#include "vm/uaccess.h"

static i64 name_set(uaddr_t from)
{
	char name[16] = {0};
	isize_t n = copyinstr(name, from, sizeof(name));

	if (n == -EFAULT)
		return n;
	name[15] = 0;
	WITH_LOCK (&proc_lock) {
		memcpy(thread_current()->name, name, sizeof(name));
		if (proc_current()->leader == task_current())
			memcpy(proc_current()->name, name, sizeof(name));
	}
	return 0;
}

static i64 int_out(uaddr_t to, int value)
{
	return copyout(to, &value, sizeof(value));
}

/* ambient: there are no ambient capabilities, and none can be raised: none is inheritable. */
static i64 ambient(u64 what, u64 cap, u64 arg4, u64 arg5)
{
	if (arg4 || arg5)
		return -EINVAL;
	if (what == PR_CAP_AMBIENT_CLEAR_ALL)
		return cap ? -EINVAL : 0;
	if (cap > CAP_LAST_CAP)
		return -EINVAL;
	return what == PR_CAP_AMBIENT_RAISE                                    ? -EPERM
	       : what == PR_CAP_AMBIENT_LOWER || what == PR_CAP_AMBIENT_IS_SET ? 0
	                                                                       : -EINVAL;
}

i64 sys_prctl(int option, u64 arg2, u64 arg3, u64 arg4, u64 arg5)
{
	struct task *t = task_current();
	struct proc *p = t->proc;
	bool others = arg3 || arg4 || arg5;

	switch (option) {
	case PR_SET_NAME:
		return name_set(UADDR(arg2));
	case PR_GET_NAME:
		return copyout(UADDR(arg2), t->thread.name, 16);
	case PR_SET_PDEATHSIG:
		if (arg2 > SIG_COUNT)
			return -EINVAL;
		p->parent_death_signal = (int)arg2;
		return 0;
	case PR_GET_PDEATHSIG:
		return int_out(UADDR(arg2), p->parent_death_signal);
	case PR_SET_DUMPABLE:
		if (arg2 > 1)
			return -EINVAL;
		p->dumpable = arg2;
		return 0;
	case PR_GET_DUMPABLE:
		return p->dumpable;
	case PR_SET_KEEPCAPS:
		if (arg2 > 1)
			return -EINVAL;
		p->keep_caps = arg2;
		return 0;
	case PR_GET_KEEPCAPS:
		return p->keep_caps;
	case PR_SET_TIMERSLACK: /* timers have none to begin with */
		t->timer_slack = arg2 ? arg2 : t->timer_slack_default;
		return 0;
	case PR_GET_TIMERSLACK:
		return (i64)t->timer_slack;
	case PR_SET_TIMING:
		return arg2 == PR_TIMING_STATISTICAL ? 0 : -EINVAL;
	case PR_GET_TIMING:
		return PR_TIMING_STATISTICAL;
	case PR_SET_NO_NEW_PRIVS:
		if (arg2 != 1 || others)
			return -EINVAL;
		p->no_new_privs = true;
		return 0;
	case PR_GET_NO_NEW_PRIVS:
		return arg2 || others ? -EINVAL : p->no_new_privs;
	case PR_SET_CHILD_SUBREAPER:
		p->subreaper = arg2;
		return 0;
	case PR_GET_CHILD_SUBREAPER:
		return int_out(UADDR(arg2), p->subreaper);
	case PR_GET_TID_ADDRESS:
		return copyout(UADDR(arg2), &t->clear_child_tid, sizeof(t->clear_child_tid));
	case PR_CAPBSET_READ:
		return arg2 > CAP_LAST_CAP ? -EINVAL : 1;
	case PR_CAP_AMBIENT:
		return ambient(arg2, arg3, arg4, arg5);
	case PR_GET_SECUREBITS:
	case PR_GET_SECCOMP:
		return 0;
	default:
		return -EINVAL;
	}
}

i64 sys_personality(u32 persona)
{
	struct proc *p = proc_current();
	u32 old = p->personality;

	if (persona != 0xffffffff)
		p->personality = persona;
	return old;
}

/* membarrier: a barrier on every CPU that runs a task of the process. One CPU runs, and the way into the kernel was one
 * for it. */
i64 sys_membarrier(int command, u32 flags, int cpu)
{
	struct proc *p = proc_current();

	(void)cpu; /* of a command that is not there */
	if (flags)
		return -EINVAL;
	switch (command) {
	case MEMBARRIER_CMD_QUERY:
		return MEMBARRIER_CMD_GLOBAL | MEMBARRIER_CMD_GLOBAL_EXPEDITED |
		       MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED | MEMBARRIER_CMD_PRIVATE_EXPEDITED |
		       MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED;
	case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED:
		p->membarrier = true;
		return 0;
	case MEMBARRIER_CMD_PRIVATE_EXPEDITED:
		if (!read_once(p->membarrier))
			return -EPERM;
		break;
	case MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED:
		return 0;
	case MEMBARRIER_CMD_GLOBAL:
	case MEMBARRIER_CMD_GLOBAL_EXPEDITED:
		break;
	default:
		return -EINVAL;
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return 0;
}

/* rseq: the C library asks each thread for it and does without. */
i64 sys_rseq(u64 area, u32 size, int flags, u32 signature)
{
	(void)area;
	(void)size;
	(void)flags;
	(void)signature;
	return -ENOSYS;
}
