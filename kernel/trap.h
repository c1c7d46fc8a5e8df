/* What kernel/trap.c asks of the testing build. */
#pragma once

#include "hal/base/types.h"

/* sabotage_other_space: give the running program the page that some other one has at ADDR. => 0 or -EFAULT, -ENOMEM */
int sabotage_other_space(vaddr_t addr);
