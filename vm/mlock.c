/* Locked memory. There is no swap: what is in memory stays there, so that to lock is to bring in, to count, and to see
 * that nothing is discarded. */
#include "kernel/abi/errno.h"
#include "vm/region.h"

/* lock_flags_set: R's flags become FLAGS, but for what is the kernel's. */
static void lock_flags_set(struct aspace *as, struct region *r, u32 flags)
{
	if (!(r->flags & REGION_SPECIAL))
		region_set_flags(as, r, (r->flags & ~REGION_LOCK_FLAGS) | flags);
}

/* bytes_locked: of [start, end). */
static u64 bytes_locked(struct aspace *as, vaddr_t start, vaddr_t end)
{
	u64 n = 0;

	for (struct region *r = region_find(as, start); r && r->start < end; r = region_next(r))
		if (r->flags & REGION_LOCKED)
			n += MIN(r->end, end) - MAX(r->start, start);
	return n;
}

/* range_lock => as aspace_lock, but for what is to be brought in. Lock held. */
static int range_lock(struct aspace *as, vaddr_t start, vaddr_t end, u32 flags, struct region **dead)
{
	struct region *first = region_find(as, start);
	vaddr_t stop;
	int err;

	if (flags && !lock_allowed(as, end - start) &&
	    !lock_allowed(as, end - start - bytes_locked(as, start, end)))
		return -ENOMEM;
	err = range_reach(first, start, end, 0, &stop);
	if (stop == start)
		return err;
	if (range_split(as, first, start, stop, &first, dead) < 0)
		return -ENOMEM;
	for (struct region *r = first; r && r->start < stop; r = region_next(r))
		lock_flags_set(as, r, flags);
	regions_merge(as, first, stop, dead);
	return err;
}

int aspace_lock(struct aspace *as, vaddr_t addr, u64 len, u32 flags)
{
	struct region *dead = NULL;
	int err = 0;

	WITH_LOCK (&as->lock)
		err = range_lock(as, addr, addr + len, flags, &dead);
	regions_free(dead);
	if (err || !flags)
		return err;
	err = aspace_populate(as, addr, addr + len);
	return err == -EFAULT ? -ENOMEM : err == -ENOMEM ? -EAGAIN : err;
}

int aspace_lock_all(struct aspace *as, bool current, u32 now, u32 future)
{
	struct region *dead = NULL;
	int err = 0;

	WITH_LOCK (&as->lock) {
		struct region *first = region_first(as);

		if (current && now && !lock_allowed(as, as->size - as->locked)) {
			err = -ENOMEM;
			break;
		}
		as->lock_future = future;
		if (!current || !first)
			break;
		for (struct region *r = first; r; r = region_next(r))
			lock_flags_set(as, r, now);
		regions_merge(as, first, USER_MAX, &dead);
	}
	regions_free(dead);
	if (!err && current && now)
		aspace_populate(as, 0, USER_MAX);
	return err;
}
