/* What must be true of the kernel itself (leaf). Nothing that ring 3 does may reach these. */
#pragma once

#include "hal/base/types.h"

/* panic: print the reason, the registers and a backtrace; stop every CPU; end the machine. */
void __noreturn panic(const char *fmt, ...) __printf(1, 2);

#define assert(x)                                                                     \
	do {                                                                          \
		if (unlikely(!(x)))                                                   \
			panic("%s:%d: assertion failed: %s", __FILE__, __LINE__, #x); \
	} while (0)
