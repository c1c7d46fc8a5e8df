/* The dynamic area of the kernel's address space: kernel stacks, device windows, large allocations.
 * Every allocation has an unmapped guard page below and above it. Never sleeps. Not from interrupts. */
#pragma once

#include "hal/base/types.h"

void kva_init(void);

/* kva_alloc: PAGES writable, not executable pages, contents undefined. => NULL when memory or addresses ran out */
void *kva_alloc(size_t pages);
/* kva_alloc_top: reserve RESERVED pages of addresses, of which the highest MAPPED are mapped. => the lowest mapped
 * byte. For kernel stacks, which grow downwards. */
void *kva_alloc_top(size_t mapped, size_t reserved);
/* kva_extend: map FRAME as the page at VA, the next below what is mapped of such an allocation; takes no lock.
 * kva_retract: undo it, lowest page first. => the frame. */
void kva_extend(vaddr_t va, paddr_t frame);
paddr_t kva_retract(vaddr_t va);
void kva_free(void *p); /* what kva_alloc or kva_alloc_top returned */

/* kva_map_device: see upcall_map_device (hal/upcall.h), which this is. */
void *kva_map_device(paddr_t pa, size_t size, bool write_combining);

/* Pages of memory in living allocations, for accounting. */
u64 kva_pages_used(void);
