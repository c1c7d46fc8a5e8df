/* The regions of a space, for the files of vm/ alone: a tree in order of address that knows the gaps between them.
 * Finding, linking, cutting, joining and the search for a place take logarithmic time.
 * All with the space's lock held, but for regions_init, region_new and regions_free. */
#pragma once

#include "vm/aspace.h"

#define STACK_GUARD (256 * PAGE_SIZE) /* below what grows downwards, as Linux's stack_guard_gap */

/* regions_init: FILE_GET and FILE_PUT count references to region->file. */
void regions_init(void (*file_get)(struct file *), void (*file_put)(struct file *));

/* region_new: a copy of MODEL with references of its own; NULL: out of memory. */
struct region *region_new(const struct region *model);
/* regions_free: those that were taken out of the tree; without the lock, for putting a file may sleep. */
void regions_free_all(struct region *dead);
static inline void regions_free(struct region *dead)
{
	if (unlikely(dead))
		regions_free_all(dead);
}

/* region_find => the first region that ends behind ADDR: it holds ADDR, or is the next one above; NULL at the end. */
struct region *region_find(struct aspace *as, vaddr_t addr);
struct region *region_first(struct aspace *as);
struct region *region_next(struct region *r);
struct region *region_prev(struct region *r);

/* region_floor: the lowest address that R keeps others from being placed at. */
static inline vaddr_t region_floor(const struct region *r)
{
	return r->flags & REGION_STACK ? r->start - MIN(STACK_GUARD, r->start) : r->start;
}

/* region_link, region_unlink: into AS, and out of it to DEAD.
 * region_kill: to DEAD, though the tree has it still: for a space that goes as a whole. */
void region_link(struct aspace *as, struct region *r);
void region_unlink(struct aspace *as, struct region *r, struct region **dead);
void region_kill(struct region *r, struct region **dead);

/* regions_copy: TO, which has none, gets copies of FROM's. => 0; or -ENOMEM, and it has a part of them */
int regions_copy(struct aspace *to, struct aspace *from);

/* region_resize: R takes [start, end) from now on, which nobody else has; the offset follows. */
void region_resize(struct aspace *as, struct region *r, vaddr_t start, vaddr_t end);

/* region_set_flags: of those that mlock changes. */
void region_set_flags(struct aspace *as, struct region *r, u32 flags);

/* region_split: R ends at ADDR, which lies within it, and *RET_HIGH has the rest. => 0 or -ENOMEM */
int region_split(struct aspace *as, struct region *r, vaddr_t addr, struct region **ret_high);
/* regions_merge: A3 for R, the one before it, and those behind it that start at END or below. */
void regions_merge(struct aspace *as, struct region *r, vaddr_t end, struct region **dead);
/* region_absorb: what MODEL says becomes part of a neighbour that is like it. => false: there is none */
bool region_absorb(struct aspace *as, const struct region *model, struct region **dead);

/* range_empty: nothing is at [start, end), and something can be. range_free: nor does a guard reach into it. */
bool range_empty(struct aspace *as, vaddr_t start, vaddr_t end);
bool range_free(struct aspace *as, vaddr_t start, vaddr_t end);
/* place_find: the highest free place of LEN bytes within [low, high); 0: none */
vaddr_t place_find(struct aspace *as, vaddr_t low, vaddr_t high, u64 len);

/* --- aspace.c, for its fellows --- */

/* range_reach: how far [start, end), which R was found for, is mapped without a hole and may get PROT. => 0; -ENOMEM or
 * -EACCES for what begins at *RET_STOP */
int range_reach(struct region *r, vaddr_t start, vaddr_t end, u32 prot, vaddr_t *ret_stop);
/* range_split: [start, end), which begins in R and has no hole, gets borders. => 0 and its first region; or -ENOMEM, and
 * nothing is changed */
int range_split(struct aspace *as, struct region *r, vaddr_t start, vaddr_t end, struct region **ret_first,
                struct region **dead);

/* unmap_range: take out all of [start, end). => 0; or -ENOMEM, and nothing is unmapped.
 * unmap_prepare: all of it that may fail; regions_cut: the regions' part of the rest; R was found for START. */
int unmap_range(struct aspace *as, vaddr_t start, vaddr_t end, struct region **dead);
int unmap_prepare(struct aspace *as, struct region *r, vaddr_t start, vaddr_t end);
void regions_cut(struct aspace *as, struct region *r, vaddr_t start, vaddr_t end, struct region **dead);

/* place_choose: where LEN bytes go: at the hint if that is free, else below mmap_base as high as may be, else above.
 * => 0: nowhere */
vaddr_t place_choose(struct aspace *as, vaddr_t hint, u64 len);

/* size_allowed, lock_allowed: whether the limits permit MORE bytes mapped, while [start, end) is replaced, or locked. */
bool size_allowed(struct aspace *as, u64 more, vaddr_t start, vaddr_t end);
bool lock_allowed(struct aspace *as, u64 more);

/* aspace_limit: what aspace_init was given. */
extern u64 (*aspace_limit)(enum aspace_limit which);

/* regions_truncate: unmap what shows pages of O behind SIZE, wherever it is mapped. Takes the spaces' locks itself. */
void regions_truncate(struct vmobject *o, u64 size);
