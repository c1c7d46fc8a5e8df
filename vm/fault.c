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
#include "kernel/abi/errno.h"
#include "vm/frame.h"
#include "vm/region.h"

static int map_or_put(struct aspace *as, vaddr_t page, paddr_t pa, u32 prot)
{
	int err = pmap_enter(&as->pmap, page, pa, prot);

	if (err)
		frame_put(pa);
	return err;
}

static u64 region_index(const struct region *r, vaddr_t page)
{
	return (r->offset + (page - r->start)) >> PAGE_SHIFT;
}

static int fault_shared(struct aspace *as, struct region *r, vaddr_t page)
{
	paddr_t pa;
	int err = object_page(r->object, region_index(r, page), true, &pa);

	if (err)
		return err == -ERANGE || err == -ENOSPC ? -ENXIO : err;
	return map_or_put(as, page, pa, r->prot);
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
	return err == -ERANGE ? -ENXIO : err;
}

static int fault_read(struct aspace *as, struct region *r, vaddr_t page)
{
	paddr_t pa;
	int err = private_source(r, page, &pa); /* FILE, ZERO */

	/* What is writable or executable is readable, too: the entry has no bit against that. */
	return err ? err : map_or_put(as, page, pa, (r->prot & ~VM_WRITE) | VM_READ);
}

/* OLD: the frame that is mapped there, 0: none. */
static int fault_write(struct aspace *as, struct region *r, vaddr_t page, paddr_t old)
{
	paddr_t new;
	bool mapped = old;

	if (pmap_own_page(&as->pmap, page) < 0)
		return -ENOMEM;
	if (mapped && (frame_refs(old) == 1 || (sabotage(cow_copy) && old != frame_zero))) { /* REUSE */
		frame_get(old);
		return map_or_put(as, page, old, r->prot);
	}
	if (mapped)
		frame_get(old);
	else if (r->object) {
		int err = private_source(r, page, &old);

		if (err)
			return err;
	} else {
		old = frame_zero;
		frame_get(old);
	}
	new = old == frame_zero && !sabotage(fresh_dirty) ? frame_alloc_zeroed()
	                                                  : frame_alloc(); /* FRESH, COPY */
	if (new &&old != frame_zero)
		page_copy(phys_to_virt(new), phys_to_virt(old));
	frame_put(old);
	return new ? map_or_put(as, page, new, r->prot) : -ENOMEM;
}

/* stack_grow: R is the stack, above ADDR; STACK. */
static bool stack_grow(struct aspace *as, struct region *r, vaddr_t addr)
{
	vaddr_t page = ALIGN_DOWN(addr, PAGE_SIZE);

	if (!(r->flags & REGION_STACK) || (as->stack_top - page > as->stack_limit && !sabotage(stack_limit)))
		return false;
	/* One page stays free below, as a guard against the next mapping. */
	struct region *below = region_find(as, page - PAGE_SIZE);
	if (below != r)
		return false;
	as->size += r->start - page;
	r->start = page;
	return true;
}

static int fault_locked(struct aspace *as, vaddr_t addr, u32 access)
{
	struct region *r = region_find(as, addr);
	vaddr_t page = ALIGN_DOWN(addr, PAGE_SIZE);
	paddr_t pa;
	u32 have;

	if (!r || (r->start > addr && !stack_grow(as, r, addr)))
		return -EFAULT; /* NONE */
	if (!(r->prot & access) && !(access == VM_READ && r->prot))
		return -EACCES; /* DENIED */
	if (!pmap_query(&as->pmap, page, &pa, &have))
		pa = 0;
	else if (have & access)
		return 0; /* STALE */
	if (r->flags & REGION_SHARED)
		return fault_shared(as, r, page);
	return access == VM_WRITE ? fault_write(as, r, page, pa) : fault_read(as, r, page);
}

int aspace_fault(struct aspace *as, vaddr_t addr, u32 access)
{
	int err = -EFAULT;

	if (addr < USER_MIN || addr >= USER_MAX)
		return err;
	WITH_LOCK (&as->lock)
		err = fault_locked(as, addr, access);
	return err;
}

/* poke_locked: a page that may be written to for a debugger: of a private mapping, a copy of its own even where the
 * program itself may not write. */
static int poke_locked(struct aspace *as, vaddr_t va)
{
	struct region *r = region_find(as, va);
	vaddr_t page = ALIGN_DOWN(va, PAGE_SIZE);
	paddr_t pa;
	u32 have;

	if (!r || r->start > va || (r->flags & REGION_SHARED))
		return fault_locked(as, va, VM_WRITE);
	if (!r->prot)
		return -EACCES;
	if (!pmap_query(&as->pmap, page, &pa, &have))
		pa = 0;
	return fault_write(as, r, page, pa);
}

enum reach {
	REACH_READ,
	REACH_WRITE,
	REACH_POKE
};

/* reach: the bytes of one page of AS, through the direct map. */
static int reach(struct aspace *as, vaddr_t va, void *buf, size_t n, enum reach how)
{
	int err = -EFAULT;

	if (va < USER_MIN || va >= USER_MAX)
		return err;
	WITH_LOCK (&as->lock) {
		paddr_t pa;
		u32 prot;
		vaddr_t page = ALIGN_DOWN(va, PAGE_SIZE);
		bool ready =
		        pmap_query(&as->pmap, page, &pa, &prot) && (how == REACH_READ || (prot & VM_WRITE));

		if (!ready) {
			err = how == REACH_POKE
			              ? poke_locked(as, va)
			              : fault_locked(as, va, how == REACH_WRITE ? VM_WRITE : VM_READ);
			if (err || !pmap_query(&as->pmap, page, &pa, &prot))
				break;
		}
		if (how != REACH_READ)
			memcpy(phys_to_virt(pa) + (va & PAGE_MASK), buf, n);
		else
			memcpy(buf, phys_to_virt(pa) + (va & PAGE_MASK), n);
		err = 0;
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
