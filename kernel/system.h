/* What the whole machine has: its names, and the boot's command line. */
#pragma once

#include "kernel/abi/linux.h"

#define SYSTEM_RELEASE "6.1.0-bulkhead" /* the Linux whose interface this is; programs read it */

extern const char *kernel_cmdline; /* [I] */

/* system_uname: a consistent copy. */
void system_uname(struct new_utsname *ret);
