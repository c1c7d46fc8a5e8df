/* What the calls that wait for files share: time limits, signal masks; and poll(2) until a point in time, for the call
 * itself and for restart_syscall(2). */
#pragma once

#include "hal/base/types.h"

/* poll_until: DEADLINE in monotonic ns; 0: do not wait; CLOCK_NEVER.
 * => the number of ready descriptors; errors of poll(2); -ERESTART_RESTARTBLOCK, and the task knows how to go on */
i64 poll_until(uaddr_t fds, u32 nfds, u64 deadline);

/* Deadlines: of so many ns, ms (negative: never) from now; of a timespec (PART_PER_SEC 10^9) or timeval (10^6), NULL:
 * never. => 0; -EFAULT; -EINVAL */
u64 wait_deadline_in(u64 ns);
u64 wait_deadline_ms(int ms);
int wait_deadline_of(uaddr_t user, u64 part_per_sec, u64 *ret);

/* wait_mask_set: wait with another signal mask; NULL: with that of now. => 0; -EINVAL; -EFAULT
 * wait_mask_restore: RESULT is the wait's: if it ended without a signal the old mask is back before any handler could
 * run. */
int wait_mask_set(uaddr_t user, u64 size);
void wait_mask_restore(uaddr_t user, i64 result);
