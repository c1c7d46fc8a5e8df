/* poll(2) until a point in time, for the call itself and for restart_syscall(2). */
#pragma once

#include "hal/base/types.h"

/* poll_until: DEADLINE in monotonic ns; 0: do not wait; CLOCK_NEVER.
 * => the number of ready descriptors; errors of poll(2); -ERESTART_RESTARTBLOCK, and the task knows how to go on */
i64 poll_until(uaddr_t fds, u32 nfds, u64 deadline);
