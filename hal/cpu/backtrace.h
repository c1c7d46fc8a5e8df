/* Function names for addresses of the kernel, and stack walks by frame pointer. */
#pragma once

#include "hal/base/types.h"

/* ksyms_init: ELF is the kernel's own file with .symtab, mapped readable for good; SLIDE as booted.
 */
void ksyms_init(const void *elf, size_t size, u64 slide);

/* ksyms_lookup => the function's name that ADDR lies in, and *ret_offset; "?" when unknown. */
const char *ksyms_lookup(u64 addr, u64 *ret_offset);

/* backtrace_print: one log line (LOG_PANIC) a frame, from the frame pointer RBP on. RETURNS: RIP is where a call returns
 * to, not an instruction of its own. Never faults. */
void backtrace_print(u64 rip, u64 rbp, bool returns);
