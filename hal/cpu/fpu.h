/* A thread's extended state: x87, SSE, AVX and what else XCR0 has. The layout is XSAVE's standard
 * form (Intel SDM vol. 1, 13.4), or FXSAVE's on CPUs without XSAVE; both as Linux's signal frame
 * has them. The kernel itself uses none of these registers. */
#pragma once

#include "hal/base/types.h"

/* fpu_size: bytes of one area; areas are 64-byte aligned. */
size_t fpu_size(void);

/* fpu_init_area: the state of a fresh program (System V ABI 3.4.1: x87 0x37f, MXCSR 0x1f80). Bytes that no component
 * is read from stay as they are: an area as a whole is nothing to show to ring 3. */
void fpu_init_area(void *area);

/* Preemption off for both. */
void fpu_save(void *area);
void fpu_restore(const void *area);

/* fpu_exceptions: what the running program's x87 (SIMD: SSE) registers report and do not mask: the low six bits of the
 * status word (Intel SDM vol. 1, 8.1.3), or of MXCSR (10.2.3). */
u32 fpu_exceptions(bool simd);

/* fpu_save_user, fpu_restore_user: the running program's registers straight to an area of ring 3, or from one that holds
 * anything: what the CPU does not load is a fault like any other. Only vm/uaccess.c calls these. Not EXTENDED: only x87
 * and SSE, in FXSAVE's form. => 0, or -1 on a fault, some components then loaded */
int fpu_save_user(u64 to);
int fpu_restore_user(u64 from, bool extended);

/* fpu_export: an area's components into DST, SIZE zero bytes: FPU_LEGACY_SIZE in FXSAVE's form, fpu_size() whole.
 * fpu_import: the reverse, from bytes that may be anything. => 0 or -EINVAL (what the CPU would not load) */
#define FPU_LEGACY_SIZE 512UL
void fpu_export(void *dst, const void *area, size_t size);
int fpu_import(void *area, const void *src, size_t size);
