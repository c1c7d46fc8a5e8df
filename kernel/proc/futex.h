/* Futexes (futex(2)): sleeping on a word of ring 3's memory. A private word is known by address space and address, a
 * shared one by the frame that holds it. Deadlines are monotonic ns, CLOCK_NEVER: none.
 *
 * A lock with an owner (PI) holds the owner's number; the kernel hands it over. Owners are not given the priority of
 * those who wait for them: the scheduler knows none that would starve. */
#pragma once

#include "hal/base/types.h"

struct task;

/* futex_wait: sleep if the word at ADDR is VALUE. => 0; -EAGAIN (it is not); -ETIMEDOUT; -ERESTARTSYS; -EFAULT */
i64 futex_wait(uaddr_t addr, u32 value, u32 bits, bool private, u64 deadline);

struct futex_word {
	uaddr_t addr;
	u32 value;
	bool private;
};

#define FUTEX_WORDS_MAX 128 /* of one futex_wait_any, as on Linux */

/* futex_wait_any: sleep if each of the N words is as told, until one is woken. => its index; or as above, or -ENOMEM */
i64 futex_wait_any(const struct futex_word *words, u32 n, u64 deadline);

/* futex_wake: => how many of at most MOST (but always one) sleepers with a common bit were woken; or -EFAULT, -EINVAL */
i64 futex_wake(uaddr_t addr, int most, u32 bits, bool private);

struct futex_requeue {
	uaddr_t from, to;
	int wake, move; /* most: to wake, and of the others to move */
	bool private;
	bool check; /* only if the word at FROM is VALUE */
	u32 value;
};

/* futex_requeue: => number woken and moved; -EAGAIN: it is not VALUE */
i64 futex_requeue(const struct futex_requeue *r);

/* futex_wake_op: change the word at OTHER as OP tells (futex(2), FUTEX_WAKE_OP), wake MOST at ADDR, and, if what was in
 * the word is as OP tells, OTHER_MOST at OTHER. => number woken */
i64 futex_wake_op(uaddr_t addr, int most, uaddr_t other, int other_most, u32 op, bool private);

/* futex_lock: take a lock with an owner. TRY: do not wait. => 0; -EAGAIN (TRY); -EDEADLK: the caller has it; -ESRCH:
 * nobody has the number of its owner; -ETIMEDOUT; -ERESTARTNOINTR; -EFAULT */
i64 futex_lock(uaddr_t addr, bool private, bool try, u64 deadline);

/* futex_unlock: hand it to who has waited longest. => 0, -EPERM: the caller does not have it; -EFAULT */
i64 futex_unlock(uaddr_t addr, bool private);

/* futex_leave_space: what the running task does before it leaves its address space, by its end or by exec: give up the
 * locks on its robust list (get_robust_list(2)), and clear and wake the word of set_tid_address(2). */
void futex_leave_space(struct task *t);

/* futex_owner_gone: NR, which T had, names no task any more; who waits for a lock of its may take that. */
void futex_owner_gone(struct task *t, pid_t nr);
