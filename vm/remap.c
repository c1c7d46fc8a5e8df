/* mremap: a mapping grows, shrinks, moves or is doubled. Everything is checked before anything changes. */
#include "hal/base/sabotage.h"
#include "kernel/abi/errno.h"
#include "vm/region.h"

/* resize_check: may the OLD_LEN bytes at ADDR, in R, become a mapping of NEW_LEN in place of what is at [to, to_end)? */
static int resize_check(struct aspace *as, const struct remap_request *q, const struct region *r, u64 old_len,
                        vaddr_t to, vaddr_t to_end)
{
	u64 more = q->new_len - old_len, offset = r->offset + (q->addr - r->start);

	if (!old_len && !(r->flags & REGION_SHARED))
		return -EINVAL;
	if (q->keep && (r->flags & REGION_SPECIAL))
		return -EINVAL;
	if (old_len > r->end - q->addr)
		return -EFAULT;
	if (more) {
		if (r->object && offset + q->new_len < offset)
			return -EINVAL;
		if (r->flags & REGION_SPECIAL)
			return -EFAULT;
		if ((r->flags & REGION_LOCKED) && !lock_allowed(as, more))
			return -EAGAIN;
	}
	return size_allowed(as, more + (q->keep ? old_len : 0), to, to_end) ? 0 : -ENOMEM;
}

/* move_prepare: all that may fail about moving LEN bytes of the old place to [to, to + new_len). => 0 or -ENOMEM, and
 * there may be a border more */
static int move_prepare(struct aspace *as, const struct remap_request *q, vaddr_t to, u64 len)
{
	vaddr_t to_end = to + q->new_len, old_end = q->addr + q->old_len;

	if (q->fixed && (unmap_prepare(as, region_find(as, to), to, to_end) < 0 ||
	                 pmap_own_edges(&as->pmap, to + len, to_end) < 0))
		return -ENOMEM;
	if (!q->keep && q->old_len &&
	    (unmap_prepare(as, region_find(as, q->addr), q->addr, old_end) < 0 ||
	     pmap_own_edges(&as->pmap, q->addr + len, old_end) < 0))
		return -ENOMEM;
	return pmap_move(&as->pmap, q->addr, to,
	                 len); /* the last that can fail, and the first that changes anything */
}

static void border_heal(struct aspace *as, vaddr_t addr, struct region **dead)
{
	struct region *r = region_find(as, addr);

	if (r && r->start == addr)
		regions_merge(as, r, addr, dead);
}

/* remap_move: the mapping at the old place, in R, goes to TO. */
static int remap_move(struct aspace *as, const struct remap_request *q, struct region *r, vaddr_t to,
                      struct region **dead)
{
	vaddr_t to_end = to + q->new_len, old_end = q->addr + q->old_len;
	u64 len = MIN(q->old_len, q->new_len);
	struct region model = *r, *moved;

	if (as->region_count >= REGIONS_MAX - 3)
		return -ENOMEM;
	model.start = to;
	model.end = to_end;
	model.offset += q->addr - r->start;
	moved = region_new(&model);
	if (!moved)
		return -ENOMEM;
	if (move_prepare(as, q, to, len) < 0) {
		border_heal(as, to_end, dead);
		border_heal(as, old_end, dead);
		moved->next_dead = *dead;
		*dead = moved;
		return -ENOMEM;
	}
	if (q->fixed) {
		pmap_remove(&as->pmap, to + len, to_end);
		regions_cut(as, region_find(as, to), to, to_end, dead);
	}
	if (q->keep) {
		r = region_find(as, q->addr);
		region_set_flags(as, r, r->flags & ~REGION_LOCK_FLAGS);
		regions_merge(as, r, r->end, dead);
	} else if (q->old_len) {
		pmap_remove(&as->pmap, q->addr + len, old_end);
		regions_cut(as, region_find(as, q->addr), q->addr, old_end, dead);
	}
	region_link(as, moved);
	regions_merge(as, moved, to_end, dead);
	return 0;
}

/* remap_to: to a place that the caller chose, or with the old one kept. */
static int remap_to(struct aspace *as, const struct remap_request *q, struct region *r, vaddr_t *ret_addr,
                    struct region **dead)
{
	vaddr_t to = q->to;
	u64 len = MIN(q->old_len, q->new_len);
	int err;

	if (q->old_len > q->new_len && q->old_len > USER_MAX - q->addr)
		return -EINVAL;
	if ((to & PAGE_MASK) || q->new_len > USER_MAX || to > USER_MAX - q->new_len ||
	    (q->addr + q->old_len > to && to + q->new_len > q->addr))
		return -EINVAL;
	if (q->fixed && to < USER_MIN)
		return -EPERM;
	if (q->fixed && sabotage(remap_early))
		unmap_range(as, to, to + q->new_len, dead);
	if (q->fixed && !len && to == q->addr) /* what is doubled would be replaced by its double */
		return -EFAULT;
	err = q->fixed ? resize_check(as, q, r, len, to, to + q->new_len) : resize_check(as, q, r, len, 0, 0);
	if (!err && !q->fixed) {
		to = place_choose(as, to, q->new_len);
		err = to ? 0 : -ENOMEM;
	}
	if (!err)
		err = remap_move(as, q, r, to, dead);
	*ret_addr = to;
	return err;
}

/* remap_resize: where it is, or else, when it may, to a place of our choice. */
static int remap_resize(struct aspace *as, const struct remap_request *q, struct region *r, vaddr_t *ret_addr,
                        struct region **dead)
{
	vaddr_t old_end = q->addr + q->old_len, new_end = q->addr + q->new_len;
	int err;

	*ret_addr = q->addr;
	if (q->new_len == q->old_len)
		return 0;
	if (q->new_len < q->old_len)
		return q->old_len > USER_MAX - q->addr ? -EINVAL : unmap_range(as, new_end, old_end, dead);
	err = resize_check(as, q, r, q->old_len, 0, 0);
	if (!err && q->new_len > USER_MAX)
		err = -ENOMEM;
	if (err)
		return err;
	if (r->end == old_end && range_empty(as, old_end, new_end)) {
		region_resize(as, r, r->start, new_end);
		regions_merge(as, r, new_end, dead);
		return 0;
	}
	*ret_addr = q->may_move ? place_choose(as, 0, q->new_len) : 0;
	return *ret_addr ? remap_move(as, q, r, *ret_addr, dead) : -ENOMEM;
}

int aspace_remap(struct aspace *as, const struct remap_request *q, vaddr_t *ret_addr)
{
	struct region *dead = NULL;
	bool populate = false;
	vaddr_t at = 0;
	int err = -EFAULT;

	WITH_LOCK (&as->lock) {
		struct region *r = region_find(as, q->addr);

		if (!r || r->start > q->addr)
			break;
		populate = r->flags & REGION_LOCKED;
		err = q->fixed || q->keep ? remap_to(as, q, r, &at, &dead)
		                          : remap_resize(as, q, r, &at, &dead);
	}
	regions_free(dead);
	if (err)
		return err;
	*ret_addr = at;
	if (populate && q->new_len > q->old_len)
		aspace_populate(as, at + q->old_len, at + q->new_len);
	return 0;
}
