/* What a touch of memory that the tables do not allow comes to. The cases:
 *
 *   STACK   below the stack, within its limit: the region grows
 *   NONE    no region: SEGV_MAPERR
 *   DENIED  a region that forbids it: SEGV_ACCERR
 *   STALE   the tables allow it by now: try again
 *   SHARED  the object's own page, created if it is a hole
 *   FILE    private, read: the object's page, read-only
 *   ZERO    private, read, nothing there: the frame of zeroes, read-only
 *   COPY    private, write, on a shared frame: a copy for the writer alone
 *   REUSE   private, write, last owner: the frame becomes writable without a copy
 *   FRESH   private, write, nothing there: a zeroed frame */
#include "hal/base/dmap.h"
#include "hal/base/sabotage.h"
#include "hal/base/string.h"
#include "hal/cpu/percpu.h"
#include "kernel/abi/errno.h"
#include "vm/frame.h"
#include "vm/region.h"

static int map_or_put(struct aspace *as, struct page_slot *slot, paddr_t pa, u32 prot)
{
	int err = pmap_enter(&as->pmap, slot, pa, prot);

	if (unlikely(err))
		frame_put(pa);
	return err;
}

static u64 region_index(const struct region *r, vaddr_t page)
{
	return (r->offset + (page - r->start)) >> PAGE_SHIFT;
}

static int fault_shared(struct aspace *as, struct region *r, struct page_slot *slot)
{
	paddr_t pa;
	int err = object_page(r->object, region_index(r, slot->va), true, &pa);

	if (err)
		return err == -ERANGE || err == -ENOSPC ? -ENXIO : err;
	return map_or_put(as, slot, pa, r->prot);
}

/* The frame a private page starts from: the object's, or the frame of zeroes; with a reference. */
static int private_source(struct region *r, vaddr_t page, paddr_t *ret_pa)
{
	int err = r->object ? object_page(r->object, region_index(r, page), false, ret_pa) : -ENOENT;

	if (err == -ENOENT) {
		*ret_pa = frame_zero;
		frame_get(frame_zero);
		return 0;
	}
	if (!err && sabotage(file_copies)) {
		paddr_t copy = frame_alloc();

		if (copy)
			page_copy(phys_to_virt(copy), phys_to_virt(*ret_pa));
		frame_put(*ret_pa);
		*ret_pa = copy;
		return copy ? 0 : -ENOMEM;
	}
	return err == -ERANGE ? -ENXIO : err;
}

static int fault_read(struct aspace *as, struct region *r, struct page_slot *slot)
{
	paddr_t pa;
	int err = private_source(r, slot->va, &pa); /* FILE, ZERO */

	/* What is writable or executable is readable, too: the entry has no bit against that. */
	u32 prot = sabotage(zero_written) ? r->prot : r->prot & ~VM_WRITE;
	return err ? err : map_or_put(as, slot, pa, prot | VM_READ);
}

/* fault_copy: the writer gets a page of its own that starts as OLD, which somebody keeps meanwhile. */
static int __noinline fault_copy(struct aspace *as, struct region *r, struct page_slot *slot, paddr_t old)
{
	paddr_t new = frame_alloc();

	if (unlikely(!new))
		return -ENOMEM;
	page_copy(phys_to_virt(new), phys_to_virt(old));
	return map_or_put(as, slot, new, r->prot);
}

static __inline_always int fault_fresh(struct aspace *as, struct region *r, struct page_slot *slot)
{
	paddr_t new = sabotage(fresh_dirty) ? frame_alloc() : frame_alloc_zeroed();

	return likely(new) ? map_or_put(as, slot, new, r->prot) : -ENOMEM;
}

static int __noinline fault_write(struct aspace *as, struct region *r, struct page_slot *slot)
{
	paddr_t source;
	int err;

	if (unlikely(pmap_own_slot(&as->pmap, slot) < 0))
		return -ENOMEM;
	if (slot->pa) {
		if (slot->pa == frame_zero)
			return fault_fresh(as, r, slot); /* FRESH */
		if (frame_refs(slot->pa) > 1 && !sabotage(cow_copy))
			return fault_copy(as, r, slot, slot->pa); /* COPY */
		pmap_enter_again(&as->pmap, slot, r->prot);       /* REUSE */
		return 0;
	}
	if (!r->object)
		return fault_fresh(as, r, slot);
	err = private_source(r, slot->va, &source);
	if (err)
		return err;
	err = source == frame_zero ? fault_fresh(as, r, slot) : fault_copy(as, r, slot, source);
	frame_put(source);
	return err;
}

/* stack_grow: R grows downwards, and ADDR is below it; STACK. */
static bool stack_grow(struct aspace *as, struct region *r, vaddr_t addr)
{
	vaddr_t page = ALIGN_DOWN(addr, PAGE_SIZE);
	u64 more = r->start - page;
	struct region *prev = region_prev(r);

	if (!(r->flags & REGION_STACK))
		return false;
	if (r->end - page > aspace_limit(ASPACE_LIMIT_STACK) && !sabotage(stack_limit))
		return false;
	/* What cannot be touched, or grows itself, needs no guard, as on Linux. */
	if (prev && prev->prot && !(prev->flags & REGION_STACK) && page - prev->end < STACK_GUARD &&
	    !sabotage(stack_gap))
		return false;
	if (!size_allowed(as, more, 0, 0) || ((r->flags & REGION_LOCKED) && !lock_allowed(as, more)))
		return false;
	region_resize(as, r, page, r->end);
	return true;
}

/* fault_region => the region of ADDR, which may have grown for it; NULL: none. Most often it is that of the last fault.
 */
static inline struct region *fault_region(struct aspace *as, vaddr_t addr)
{
	struct region *r = as->recent;

	if (likely(r && r->start <= addr && addr < r->end))
		return r;
	r = region_find(as, addr);
	if (!r || (r->start > addr && !stack_grow(as, r, addr)))
		return NULL;
	as->recent = r;
	return r;
}

/* fault_resolve: the whole of it, with the lock held. Compiled into aspace_fault, where each instruction counts. */
static __inline_always int fault_resolve(struct aspace *as, vaddr_t addr, u32 access)
{
	struct region *r = fault_region(as, addr);
	struct page_slot slot;

	if (unlikely(!r))
		return -EFAULT; /* NONE */
	if (unlikely(!(r->prot & access) && !(access == VM_READ && r->prot)))
		return -EACCES; /* DENIED */
	pmap_find(&as->pmap, ALIGN_DOWN(addr, PAGE_SIZE), &slot);
	if (unlikely(slot.prot & access))
		return 0; /* STALE */
	if (r->flags & REGION_SHARED)
		return fault_shared(as, r, &slot);
	if (likely(access == VM_WRITE && slot.entry && !slot.pa && !r->object))
		return fault_fresh(as, r, &slot); /* FRESH, and no table in the way */
	return access == VM_WRITE ? fault_write(as, r, &slot) : fault_read(as, r, &slot);
}

static int __noinline fault_locked(struct aspace *as, vaddr_t addr, u32 access)
{
	return fault_resolve(as, addr, access);
}

int aspace_fault(struct aspace *as, vaddr_t addr, u32 access)
{
	int err;

	if (addr < USER_MIN || addr >= USER_MAX)
		return -EFAULT;
	spin_lock(&as->lock);
	err = fault_resolve(as, addr, access);
	spin_unlock(&as->lock);
	return err;
}

/* --- touching from within --- */

#define BATCH 32 /* pages that are brought in before others may have the lock */

/* batch_populate: from *AT on. => 0 and how far; the errors of aspace_populate and where */
static int batch_populate(struct aspace *as, vaddr_t *at, vaddr_t end)
{
	for (u32 n = 0; n < BATCH && *at < end; n++) {
		struct region *r = region_find(as, *at);
		int err;

		if (!r) {
			*at = end;
			return 0;
		}
		*at = MAX(*at, r->start);
		if (*at >= end)
			return 0;
		if (r->flags & REGION_ONFAULT) {
			*at = r->end;
			continue;
		}
		bool write = (r->prot & VM_WRITE) && !(r->flags & REGION_SHARED);
		err = fault_locked(as, *at, write ? VM_WRITE : VM_READ);
		if (err) {
			*at = r->end;
			return err == -ENOMEM ? err : -EFAULT;
		}
		*at += PAGE_SIZE;
	}
	return 0;
}

int aspace_populate(struct aspace *as, vaddr_t start, vaddr_t end)
{
	int result = 0, err = 0;

	while (start < end && err != -ENOMEM) {
		if (current_work() & WORK_KILL)
			return -EINTR;
		WITH_LOCK (&as->lock)
			err = batch_populate(as, &start, end);
		result = result ? result : err;
	}
	return result;
}
/* poke_locked: a page that may be written to for a debugger: of a private mapping, a copy of its own even where the
 * program itself may not write. */
static int poke_locked(struct aspace *as, vaddr_t va)
{
	struct region *r = region_find(as, va);
	struct page_slot slot;

	if (!r || r->start > va || (r->flags & REGION_SHARED))
		return fault_locked(as, va, VM_WRITE);
	if (!r->prot)
		return -EACCES;
	pmap_find(&as->pmap, ALIGN_DOWN(va, PAGE_SIZE), &slot);
	return fault_write(as, r, &slot);
}

enum reach {
	REACH_READ,
	REACH_WRITE,
	REACH_POKE
};

/* reach_page: SLOT is VA's page, ready for HOW. => 0 or the errors of aspace_fault */
static int reach_page(struct aspace *as, vaddr_t va, enum reach how, struct page_slot *slot)
{
	vaddr_t page = ALIGN_DOWN(va, PAGE_SIZE);
	int err;

	pmap_find(&as->pmap, page, slot);
	if (slot->pa && (how == REACH_READ || (slot->prot & VM_WRITE)))
		return 0;
	err = how == REACH_POKE ? poke_locked(as, va)
	                        : fault_locked(as, va, how == REACH_WRITE ? VM_WRITE : VM_READ);
	pmap_find(&as->pmap, page, slot);
	return err ? err : slot->pa ? 0 : -EFAULT;
}

/* reach: the bytes of one page of AS, through the direct map. */
static int reach(struct aspace *as, vaddr_t va, void *buf, size_t n, enum reach how)
{
	int err = -EFAULT;

	if (va < USER_MIN || va >= USER_MAX)
		return err;
	WITH_LOCK (&as->lock) {
		struct page_slot slot;
		bool shared;

		err = reach_page(as, va, how, &slot);
		shared = !err && !slot.entry;
		if (shared && !pmap_hold(&as->pmap, &slot))
			err = -EFAULT;
		if (err)
			break;
		if (how != REACH_READ)
			memcpy(phys_to_virt(slot.pa) + (va & PAGE_MASK), buf, n);
		else
			memcpy(buf, phys_to_virt(slot.pa) + (va & PAGE_MASK), n);
		if (shared)
			frame_put(slot.pa);
	}
	return err;
}

static int reach_all(struct aspace *as, vaddr_t va, void *buf, size_t n, enum reach how)
{
	while (n) {
		size_t part = MIN(n, PAGE_SIZE - (va & PAGE_MASK));
		int err = reach(as, va, buf, part, how);

		if (err)
			return err;
		va += part;
		buf += part;
		n -= part;
	}
	return 0;
}

int aspace_write(struct aspace *as, vaddr_t va, const void *buf, size_t n)
{
	return reach_all(as, va, (void *)buf, n, REACH_WRITE);
}

int aspace_read(struct aspace *as, vaddr_t va, void *buf, size_t n)
{
	return reach_all(as, va, buf, n, REACH_READ);
}

int aspace_poke(struct aspace *as, vaddr_t va, const void *buf, size_t n)
{
	return reach_all(as, va, (void *)buf, n, REACH_POKE);
}
