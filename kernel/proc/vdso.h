/* The vDSO's place in a program: [vvar], the clocks' parameters, readable; behind it [vdso], the code. The frames are the
 * kernel image's own, shared by all programs. */
#pragma once

#include "hal/base/types.h"

struct aspace;

/* vdso_init: once, before the first program. Panics when memory has run out. */
void vdso_init(void);

/* vdso_map: into AS, which has its stack; at a random place, unless FIXED.
 * => 0 and where the vDSO's ELF header is, for AT_SYSINFO_EHDR; -ENOMEM */
int vdso_map(struct aspace *as, bool fixed, vaddr_t *ret_ehdr);
