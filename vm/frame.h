/* Physical memory in frames of 4 KiB, one small record each.
 *
 * F1: refs == 0 iff the frame is free (or was never handed out).
 * F2: refs counts the mappings of ring 3, the memory objects and the kernel's own uses of the frame.
 * F3: refs > 1 implies that no private mapping of it is writable (vm/fault.c breaks the sharing).
 * Every operation is in constant time. Callable from anywhere but interrupts; never sleeps. */
#pragma once

#include "hal/base/types.h"
#include "hal/base/atomic.h"
#include "efi/bootinfo.h"

struct frame {
	u32 refs;       /* [atomic] */
	u32 next;       /* [frame lock] while free: the next free frame's number; 0 ends the list */
	u64 owner_data; /* the owner's: pmap counts a table's entries here */
};

extern struct frame *frame_array; /* [I] indexed by frame number */

/* frame_init_early: take over the USABLE ranges of the map; from now on frame_alloc works, but without
 * records: only pmap_init and frame_init use it so.
 * frame_init: map and fill the records for all memory of the map. */
void frame_init_early(const struct bootinfo *bi);
void frame_init(const struct bootinfo *bi);

/* frame_reclaim: give the LOADER ranges of the map to the allocator, except [KEEP, KEEP+SIZE)s that were
 * taken out by frame_keep before. */
void frame_keep(paddr_t base, u64 size);
void frame_reclaim(void);

/* frame_alloc: one frame with refs == 1. => its address, or 0 when memory has run out, and then the running thread has
 * WORK_MEMORY set (kernel/proc/oom.c) */
paddr_t frame_alloc(void);
paddr_t frame_alloc_zeroed(void);

/* frame_commit: set N of the free frames aside: frame_alloc leaves them alone. => 0; or -ENOMEM and WORK_MEMORY
 * frame_alloc_committed: take one of them: cannot fail. frame_put_committed: drop the only reference to a frame, and set
 * it aside. frame_uncommit: leave N of them to frame_alloc again. */
int frame_commit(u32 n);
void frame_uncommit(u32 n);
paddr_t frame_alloc_committed(void);
void frame_put_committed(paddr_t pa);

static inline struct frame *frame_of(paddr_t pa)
{
	return &frame_array[pa >> PAGE_SHIFT];
}

static inline void frame_get(paddr_t pa)
{
	__atomic_add_fetch(&frame_of(pa)->refs, 1, __ATOMIC_RELAXED);
}

/* frame_put: drop one reference; the last frees the frame. */
void frame_put(paddr_t pa);

/* frame_put_zeroed: drop the only reference to a frame that holds nothing but zeroes, as an empty page table
 * does: frame_alloc_zeroed need not clear it again. */
void frame_put_zeroed(paddr_t pa);

static inline u32 frame_refs(paddr_t pa)
{
	return atomic_load(&frame_of(pa)->refs);
}

u64 frame_total(void);      /* frames that the allocator ever owned */
u64 frame_free_count(void); /* those that frame_alloc would give */

/* The frame of zeroes that reads of untouched memory share. Never written, never freed. */
extern paddr_t frame_zero;
