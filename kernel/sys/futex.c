/* futex(2), futex_waitv(2), and the robust lists. */
#include "kernel/sys/futex.h"
#include "hal/base/string.h"
#include "hal/time/clock.h"
#include "kernel/abi/capability.h"
#include "kernel/proc/futex.h"
#include "kernel/proc/proc.h"
#include "kernel/sys/syscall.h"
#include "kernel/sys/usertime.h"
#include "sched/timer.h"
#include "vm/kmem.h"
#include "vm/uaccess.h"

/* until: a moment of the clock, in monotonic ns. */
static u64 until(u64 ns, bool real)
{
	u64 now = clock_mono(), then = real ? clock_real() : now;

	return ns > then ? now + (ns - then) : now;
}

/* deadline_get: what TIMEOUT means for CMD: FUTEX_WAIT's is a duration, the others' is a moment. */
static int deadline_get(int cmd, bool real, u64 timeout, u64 *ret)
{
	u64 ns;
	int err = timeout ? timespec_get(UADDR(timeout), &ns) : 0;

	if (err)
		return err;
	*ret = !timeout ? CLOCK_NEVER : cmd == FUTEX_WAIT ? clock_mono() + ns : until(ns, real);
	return 0;
}

/* wait: one with a deadline is gone on with after a stop; a handler ends it. */
static i64 wait(uaddr_t uaddr, u32 val, u32 bits, bool private, u64 deadline)
{
	i64 err = futex_wait(uaddr, val, bits, private, deadline);

	if (err != -ERESTARTSYS || deadline == CLOCK_NEVER)
		return err;
	task_current()->restart_deadline = deadline;
	task_current()->restart_what = RESTART_FUTEX;
	return -ERESTART_RESTARTBLOCK;
}

i64 futex_restart(const struct trapframe *tf, u64 deadline)
{
	bool plain = (tf->rsi & FUTEX_CMD_MASK) == FUTEX_WAIT;

	return wait(UADDR(tf->rdi), (u32)tf->rdx, plain ? FUTEX_BITSET_MATCH_ANY : (u32)tf->r9,
	            tf->rsi & FUTEX_PRIVATE_FLAG, deadline);
}

i64 sys_futex(uaddr_t uaddr, int op, u32 val, u64 timeout, uaddr_t uaddr2, u32 val3)
{
	bool private = op & FUTEX_PRIVATE_FLAG, real = op & FUTEX_CLOCK_REALTIME;
	int cmd = op & FUTEX_CMD_MASK, err = 0;
	u64 deadline = CLOCK_NEVER;

	if (real && cmd != FUTEX_WAIT_BITSET && cmd != FUTEX_LOCK_PI2)
		return -ENOSYS;
	if (cmd == FUTEX_WAIT || cmd == FUTEX_WAIT_BITSET || cmd == FUTEX_LOCK_PI || cmd == FUTEX_LOCK_PI2)
		err = deadline_get(cmd, real || cmd == FUTEX_LOCK_PI, timeout, &deadline);
	if (err)
		return err;
	switch (cmd) {
	case FUTEX_WAIT:
		return wait(uaddr, val, FUTEX_BITSET_MATCH_ANY, private, deadline);
	case FUTEX_WAIT_BITSET:
		return wait(uaddr, val, val3, private, deadline);
	case FUTEX_WAKE:
		return futex_wake(uaddr, (int)val, FUTEX_BITSET_MATCH_ANY, private);
	case FUTEX_WAKE_BITSET:
		return futex_wake(uaddr, (int)val, val3, private);
	case FUTEX_REQUEUE:
	case FUTEX_CMP_REQUEUE:
		return futex_requeue(&(struct futex_requeue){.from = uaddr,
		                                             .to = uaddr2,
		                                             .wake = (int)val,
		                                             .move = (int)timeout,
		                                             .private = private,
		                                             .check = cmd == FUTEX_CMP_REQUEUE,
		                                             .value = val3});
	case FUTEX_WAKE_OP:
		return futex_wake_op(uaddr, (int)val, uaddr2, (int)timeout, val3, private);
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
		return futex_lock(uaddr, private, false, deadline);
	case FUTEX_TRYLOCK_PI:
		return futex_lock(uaddr, private, true, deadline);
	case FUTEX_UNLOCK_PI:
		return futex_unlock(uaddr, private);
	default:
		return -ENOSYS;
	}
}

/* words_get: => 0 and N words, the caller's to free */
static int words_get(uaddr_t waiters, u32 n, struct futex_word **ret)
{
	struct futex_word *words = kmalloc(n * sizeof(*words));
	int err = words ? 0 : -ENOMEM;

	for (u32 i = 0; i < n && !err; i++) {
		struct futex_waitv v;

		if (copyin(&v, UADDR(waiters.va + i * sizeof(v)), sizeof(v)) < 0)
			err = -EFAULT;
		else if ((v.flags & ~FUTEX_PRIVATE_FLAG) != FUTEX_32 || v.__reserved || v.val >> 32)
			err = -EINVAL;
		else
			words[i] =
			        (struct futex_word){UADDR(v.uaddr), (u32)v.val, v.flags & FUTEX_PRIVATE_FLAG};
	}
	if (err)
		kfree(words);
	else
		*ret = words;
	return err;
}

i64 sys_futex_waitv(uaddr_t waiters, u32 n, u32 flags, uaddr_t timeout, int clock)
{
	u64 ns, deadline = CLOCK_NEVER;
	struct futex_word *words;

	if (flags || !n || n > FUTEX_WORDS_MAX || !waiters.va)
		return -EINVAL;
	if (timeout.va) {
		if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC)
			return -EINVAL;
		int err = timespec_get(timeout, &ns);
		if (err)
			return err;
		deadline = until(ns, clock == CLOCK_REALTIME);
	}
	i64 err = words_get(waiters, n, &words);
	if (err)
		return err;
	err = futex_wait_any(words, n, deadline);
	kfree(words);
	return err;
}

i64 sys_set_robust_list(uaddr_t head, u64 len)
{
	if (len != sizeof(struct robust_list_head))
		return -EINVAL;
	task_current()->robust_list = head;
	return 0;
}

i64 sys_get_robust_list(int tid, uaddr_t head, uaddr_t len)
{
	u64 size = sizeof(struct robust_list_head), at = task_current()->robust_list.va;
	int err = 0;

	if (tid)
		WITH_LOCK (&proc_lock) {
			struct pid *pid = pid_find(tid);
			struct task *t = pid ? pid->task : NULL;

			if (!t)
				err = -ESRCH;
			else if (t->proc != proc_current() && !capable(CAP_SYS_PTRACE))
				err = -EPERM;
			else
				at = read_once(t->robust_list.va);
		}
	if (err)
		return err;
	return copyout(len, &size, sizeof(size)) < 0 ? -EFAULT : copyout(head, &at, sizeof(at));
}
