/* Copies between the kernel and an address of ring 3 that survive any fault (usercopy.S).
 * Only vm/uaccess.c calls these, after checking that the range lies in user space. */
#pragma once

#include "hal/base/types.h"

/* => bytes NOT copied (0 when all went well) */
size_t usercopy_in(void *dst, u64 src, size_t n);
size_t usercopy_out(u64 dst, const void *src, size_t n);
size_t usercopy_zero(u64 dst, size_t n);

/* usercopy_string: up to N bytes including the terminator.
 * => length without terminator; N when none was found; -1 on a fault */
isize_t usercopy_string(char *dst, u64 src, size_t n);

/* Atomic 32-bit operations on a word of ring 3 (futexes). => 0, or -1 on a fault */
int usercopy_load32(u64 src, u32 *ret);
int usercopy_cas32(u64 dst, u32 expect, u32 desired, u32 *ret_old);

/* Extended state (fpu.c). => 0, or -1 on a fault */
int usercopy_xsave(u64 dst, u64 components);
int usercopy_xrstor(u64 src, u64 components);
int usercopy_fxsave(u64 dst);
int usercopy_fxrstor(u64 src);

/* usercopy_fixup: the place to go on at when the instruction at RIP faults. => 0 when there is none
 */
u64 usercopy_fixup(u64 rip);

/* probe_read64: a word at any address of the kernel's own space. => 0, or -1 when it is not mapped */
int probe_read64(u64 addr, u64 *ret);
