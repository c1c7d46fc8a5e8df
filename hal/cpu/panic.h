/* The end by the kernel's own defect. See also hal/base/assert.h. */
#pragma once

#include "hal/base/types.h"

struct trapframe;

/* panic_trap: an exception that the kernel must not have had, WHAT it is called and an address that matters. */
void __noreturn panic_trap(const char *what, const struct trapframe *tf, u64 addr);

/* trap_name: an exception's name, for logs. */
const char *trap_name(u32 vector);
