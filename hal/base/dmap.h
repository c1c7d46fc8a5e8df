/* The direct map: all RAM (ACPI tables and runtime services included) at one virtual offset,
 * writable and never executable (leaf). */
#pragma once

#include "hal/base/types.h"

extern u64 dmap_base; /* [I] virtual address of physical 0; set first of all by kernel_main */

static inline void *phys_to_virt(paddr_t pa)
{
	return (void *)(dmap_base + pa);
}

static inline paddr_t virt_to_phys(const void *va)
{
	return (u64)va - dmap_base;
}
