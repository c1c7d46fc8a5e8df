/* Futexes (futex(2)): sleeping on a word of ring 3's memory. A private word is known by address space and address, a
 * shared one by the frame that holds it. */
#pragma once

#include "hal/base/types.h"

/* futex_wait: sleep if the word at ADDR is VALUE. DEADLINE monotonic ns. => 0; -EAGAIN (it is not); -ETIMEDOUT;
 * -ERESTARTSYS; -EFAULT */
i64 futex_wait(uaddr_t addr, u32 value, u32 bits, bool private, u64 deadline);

/* futex_wake: => how many of at most MOST sleepers with a common bit were woken, or -EFAULT */
i64 futex_wake(uaddr_t addr, u32 most, u32 bits, bool private);

/* futex_requeue: wake MOST, and move up to MOVE others to TO. CHECK: only if the word is VALUE. */
i64 futex_requeue(uaddr_t addr, uaddr_t to, u32 most, u32 move, bool private, bool check, u32 value);

/* futex_wake_word: what the end of a task does: the word may be waited for by private and by shared key. */
void futex_wake_word(uaddr_t addr);
