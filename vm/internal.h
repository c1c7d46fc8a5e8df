/* What the files of vm/ share among themselves. */
#pragma once

#include "hal/base/types.h"
#include "vm/pmap.h"

/* Where the frame records are mapped; set by pmap_init. */
extern vaddr_t pmap_frames_base;

/* kmem_fail_now: whether this allocation is the one that is to fail (the testing build's kmem_fail_after). */
#ifdef BULKHEAD_TESTING
bool kmem_fail_now(void);
#else
static inline bool kmem_fail_now(void)
{
	return false;
}
#endif
