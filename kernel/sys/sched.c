/* How a thread shares the CPU, and on which: sched(7). */
#include "hal/base/string.h"
#include "kernel/abi/capability.h"
#include "kernel/abi/linux.h"
#include "kernel/proc/proc.h"
#include "kernel/sys/syscall.h"
#include "vm/uaccess.h"

/* struct sched_attr as of Linux 3.14, with the two words that 5.3 added (sched_setattr(2)) */
struct sched_attr {
	u32 size, policy;
	u64 flags;
	i32 nice;
	u32 priority;
	u64 runtime, deadline, period;
	u32 util_min, util_max;
};
#define SCHED_ATTR_SIZE_VER0 48

/* What is asked for, or what is. */
struct sharing {
	u32 policy, priority;
	int nice;
	bool reset_on_fork, keep_policy, keep_params;
};

/* with_thread: FN on the task NR (0: the caller), with proc_lock held. => what FN says; -ESRCH; -EINVAL */
static int with_thread(int nr, int (*fn)(struct task *t, struct sharing *s), struct sharing *s)
{
	int err = -ESRCH;

	if (nr < 0)
		return -EINVAL;
	WITH_LOCK (&proc_lock) {
		struct pid *pid = nr ? pid_find(nr) : task_current()->pid;

		if (pid && pid->task)
			err = fn ? fn(pid->task, s) : 0;
	}
	return err;
}

static bool is_realtime(u32 policy)
{
	return policy == SCHED_FIFO || policy == SCHED_RR;
}

static int sharing_get(struct task *t, struct sharing *s)
{
	*s = (struct sharing){
	        .policy = t->thread.policy,
	        .priority = t->thread.rt_priority,
	        .nice = t->proc->nice,
	        .reset_on_fork = t->thread.reset_on_fork,
	};
	return 0;
}

/* sharing_allowed: as sched(7), "Privileges and resource limits", says. */
static bool sharing_allowed(const struct task *t, const struct sharing *s)
{
	const struct creds *me = &proc_current()->creds, *to = &t->proc->creds;
	u64 limit = t->proc->limits[RLIMIT_RTPRIO].rlim_cur;

	if (capable(CAP_SYS_NICE))
		return true;
	if (me->euid != to->uid && me->euid != to->euid)
		return false;
	if (is_realtime(s->policy) &&
	    (s->policy != t->thread.policy || s->priority > t->thread.rt_priority) && s->priority > limit)
		return false;
	if (t->thread.reset_on_fork && !s->reset_on_fork)
		return false;
	return is_realtime(s->policy) || s->nice >= t->proc->nice;
}

static int sharing_set(struct task *t, struct sharing *s)
{
	if (s->keep_policy) {
		s->policy = t->thread.policy;
		s->reset_on_fork |= t->thread.reset_on_fork;
	}
	if (s->keep_params) {
		s->priority = t->thread.rt_priority;
		s->nice = t->proc->nice;
	}
	if (is_realtime(s->policy) ? s->priority < 1 || s->priority > RT_PRIORITY_MAX : s->priority != 0)
		return -EINVAL;
	if (!sharing_allowed(t, s))
		return -EPERM;
	if (!is_realtime(s->policy))
		t->proc->nice = s->nice;
	thread_set_policy(&t->thread, s->policy, s->priority, t->proc->nice, s->reset_on_fork);
	return 0;
}

static bool known(u32 policy)
{
	return policy == SCHED_NORMAL || policy == SCHED_BATCH || policy == SCHED_IDLE || is_realtime(policy);
}

/* --- policy and priority --- */

/* The old calls leave the nice level alone. */
static int sharing_set_priority(struct task *t, struct sharing *s)
{
	s->nice = t->proc->nice;
	return sharing_set(t, s);
}

static i64 set_scheduler(int nr, struct sharing *s, uaddr_t param)
{
	int priority;

	if (!param.va || nr < 0)
		return -EINVAL;
	if (copyin(&priority, param, sizeof(priority)) < 0)
		return -EFAULT;
	if (priority < 0)
		return -EINVAL;
	s->priority = (u32)priority;
	return with_thread(nr, sharing_set_priority, s);
}

i64 sys_sched_setscheduler(int pid, int policy, uaddr_t param)
{
	struct sharing s = {.policy = (u32)policy & ~(u32)SCHED_RESET_ON_FORK,
	                    .reset_on_fork = policy & SCHED_RESET_ON_FORK};

	return policy < 0 || !known(s.policy) ? -EINVAL : set_scheduler(pid, &s, param);
}

i64 sys_sched_setparam(int pid, uaddr_t param)
{
	struct sharing s = {.keep_policy = true};

	return set_scheduler(pid, &s, param);
}

i64 sys_sched_getscheduler(int pid)
{
	struct sharing s;
	int err = with_thread(pid, sharing_get, &s);

	return err ? err : (i64)(s.policy | (s.reset_on_fork ? SCHED_RESET_ON_FORK : 0));
}

i64 sys_sched_getparam(int pid, uaddr_t param)
{
	struct sharing s;
	int err = param.va ? with_thread(pid, sharing_get, &s) : -EINVAL;

	return err ? err : copyout(param, &s.priority, sizeof(s.priority));
}

i64 sys_sched_get_priority_max(int policy)
{
	return policy < 0 || !known((u32)policy) ? -EINVAL : is_realtime((u32)policy) ? RT_PRIORITY_MAX : 0;
}

i64 sys_sched_get_priority_min(int policy)
{
	return policy < 0 || !known((u32)policy) ? -EINVAL : is_realtime((u32)policy) ? 1 : 0;
}

i64 sys_sched_rr_get_interval(int pid, uaddr_t interval)
{
	struct sharing s;
	int err = with_thread(pid, sharing_get, &s);
	struct __kernel_timespec turn = {0};

	if (err)
		return err;
	if (s.policy == SCHED_RR)
		turn.tv_nsec = RR_TURN;
	else if (s.policy != SCHED_FIFO)
		turn.tv_nsec = 4 * NS_PER_MSEC;
	return copyout(interval, &turn, sizeof(turn));
}

/* attr_in: a structure that may be older or newer than ours. => 0; -EFAULT; -E2BIG (and its size is told); -EINVAL */
static int attr_in(uaddr_t user, struct sched_attr *a)
{
	u32 size, known_size = sizeof(*a);
	u8 byte;

	if (copyin(&size, user, sizeof(size)) < 0)
		return -EFAULT;
	size = size ? size : SCHED_ATTR_SIZE_VER0;
	if (size < SCHED_ATTR_SIZE_VER0 || size > PAGE_SIZE)
		goto too_big;
	for (u32 i = known_size; i < size; i++) {
		if (copyin(&byte, UADDR(user.va + i), 1) < 0)
			return -EFAULT;
		if (byte)
			goto too_big;
	}
	memset(a, 0, sizeof(*a));
	return copyin(a, user, MIN(size, known_size));
too_big:
	return copyout(user, &known_size, sizeof(known_size)) < 0 ? -EFAULT : -E2BIG;
}

i64 sys_sched_setattr(int pid, uaddr_t uattr, u32 flags)
{
	struct sched_attr a;

	if (!uattr.va || pid < 0 || flags)
		return -EINVAL;
	int err = attr_in(uattr, &a);
	if (err)
		return err;
	struct sharing s = {
	        .policy = a.policy,
	        .priority = a.priority,
	        .nice = MAX(-20, MIN(19, a.nice)),
	        .reset_on_fork = a.flags & SCHED_FLAG_RESET_ON_FORK,
	        .keep_policy = a.flags & SCHED_FLAG_KEEP_POLICY,
	        .keep_params = a.flags & SCHED_FLAG_KEEP_PARAMS,
	};
	if (a.flags & ~(u64)(SCHED_FLAG_RESET_ON_FORK | SCHED_FLAG_KEEP_ALL))
		return -EINVAL; /* deadlines and utilization hints */
	if (!s.keep_policy && !known(s.policy))
		return -EINVAL;
	return with_thread(pid, sharing_set, &s);
}

i64 sys_sched_getattr(int pid, uaddr_t uattr, u32 size, u32 flags)
{
	struct sharing s;

	if (!uattr.va || size < SCHED_ATTR_SIZE_VER0 || size > PAGE_SIZE || flags)
		return -EINVAL;
	int err = with_thread(pid, sharing_get, &s);
	if (err)
		return err;
	struct sched_attr a = {
	        .size = MIN(size, (u32)sizeof(a)),
	        .policy = s.policy,
	        .flags = s.reset_on_fork ? SCHED_FLAG_RESET_ON_FORK : 0,
	        .nice = is_realtime(s.policy) ? 0 : s.nice,
	        .priority = s.priority,
	        .util_max = 1024,
	};
	return copyout(uattr, &a, a.size);
}

i64 sys_sched_yield(void)
{
	sched_yield();
	return 0;
}

/* --- placement: one CPU so far --- */

i64 sys_getcpu(uaddr_t cpu, uaddr_t node, uaddr_t cache)
{
	u32 here = this_cpu_read(cpu), zero = 0;

	if (cpu.va && copyout(cpu, &here, sizeof(here)) < 0)
		return -EFAULT;
	return node.va ? copyout(node, &zero, sizeof(zero)) : 0;
}

i64 sys_sched_getaffinity(int pid, u64 size, uaddr_t mask)
{
	u64 cpus = 0;

	if (size < 8 || size % 8)
		return -EINVAL;
	int err = with_thread(pid, NULL, NULL);
	if (err)
		return err;
	for (u32 i = 0; i < cpu_count && i < 64; i++)
		cpus |= BIT(i);
	return copyout(mask, &cpus, 8) < 0 ? -EFAULT : 8;
}

i64 sys_sched_setaffinity(int pid, u64 size, uaddr_t mask)
{
	u64 cpus = 0;

	if (copyin(&cpus, mask, MIN(size, 8UL)) < 0)
		return -EFAULT;
	int err = with_thread(pid, NULL, NULL);
	if (err)
		return err;
	return cpus & (cpu_count >= 64 ? ~0UL : BIT(cpu_count) - 1) ? 0 : -EINVAL;
}
