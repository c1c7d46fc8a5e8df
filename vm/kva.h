/* The dynamic area of the kernel's address space: kernel stacks, device windows, large allocations.
 * Every allocation has an unmapped guard page below and above it. Never sleeps. */
#pragma once

#include "hal/base/types.h"

void kva_init(void);

/* kva_alloc: PAGES zeroed, writable, not executable pages. => NULL when memory or addresses ran out
 */
void *kva_alloc(size_t pages);
void kva_free(void *p);

/* kva_map_device: see upcall_map_device (hal/upcall.h), which this is. */
void *kva_map_device(paddr_t pa, size_t size, bool write_combining);
