/* Between the system calls. */
#pragma once

#include "hal/base/types.h"

struct trapframe;

/* futex_restart: the FUTEX_WAIT or FUTEX_WAIT_BITSET whose arguments are in TF goes on until DEADLINE. */
i64 futex_restart(const struct trapframe *tf, u64 deadline);
