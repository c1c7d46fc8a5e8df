/* Address spaces: what the calls of the mmap family do with the regions (region.c) and the tables (pmap.c). What a
 * touch of a region does is in fault.c. */
#include "vm/aspace.h"
#include "hal/base/assert.h"
#include "hal/base/atomic.h"
#include "hal/base/sabotage.h"
#include "hal/base/string.h"
#include "hal/cpu/random.h"
#include "kernel/abi/errno.h"
#include "vm/frame.h"
#include "vm/kmem.h"
#include "vm/region.h"

bool aspace_randomize = true, aspace_allow_wx;
u64 (*aspace_limit)(enum aspace_limit which);

static struct kmem_cache *aspace_cache;

void aspace_init(void (*file_get)(struct file *), void (*file_put)(struct file *),
                 u64 (*limit)(enum aspace_limit which))
{
	aspace_limit = limit;
	aspace_cache = kmem_cache_create("aspace", sizeof(struct aspace), 16);
	regions_init(file_get, file_put);
	object_init();
}

u64 aspace_random(u32 bits)
{
	u32 r = 0;

	assert(bits <= 32);
	if (aspace_randomize && !sabotage(random_maps))
		random_bytes(&r, sizeof(r));
	return (r & (BIT(bits) - 1)) << PAGE_SHIFT;
}

/* space_truncate: unmap what AS shows of O behind SIZE. */
static void space_truncate(struct aspace *as, const struct vmobject *o, u64 size)
{
	u64 keep = ALIGN_UP(size, PAGE_SIZE);

	WITH_LOCK (&as->lock) {
		for (struct region *r = region_first(as); r; r = region_next(r)) {
			u64 shown = keep > r->offset ? keep - r->offset : 0;

			if (r->object == o && shown < r->end - r->start)
				pmap_truncate(&as->pmap, r->start + shown, r->end);
		}
	}
}

/* next_unseen: a space that maps O and was not seen by the walk with this STAMP, with a reference; or NULL. One whose
 * last reference is gone is being taken apart anyway. What was seen goes to the end of the list. */
static struct aspace *next_unseen(struct vmobject *o, u64 stamp)
{
	struct aspace *found = NULL;

	WITH_LOCK (&o->lock) {
		while (!found && !list_empty(&o->regions)) {
			struct region *r = list_first(&o->regions, struct region, object_link);

			if (r->stamp == stamp)
				break; /* round once */
			r->stamp = stamp;
			list_remove(&r->object_link);
			list_push_back(&o->regions, &r->object_link);
			if (atomic_swap(&r->aspace->truncate_stamp, stamp) != stamp &&
			    ref_get_unless_zero(&r->aspace->refs))
				found = r->aspace;
		}
	}
	return found;
}

void regions_truncate(struct vmobject *o, u64 size)
{
	static u64 last_stamp; /* [atomic] */
	u64 stamp = atomic_add(&last_stamp, 1);
	struct aspace *as;

	while ((as = next_unseen(o, stamp))) {
		space_truncate(as, o, size);
		aspace_put(as);
	}
}

/* --- spaces --- */

int aspace_create(struct aspace **ret)
{
	struct aspace *as = kmem_cache_alloc(aspace_cache);

	if (!as)
		return -ENOMEM;
	*as = (struct aspace){.refs = 1, .mmap_base = USER_MAX, .stack_top = USER_MAX};
	spin_init(&as->lock, "aspace", RANK_ASPACE);
	if (pmap_create(&as->pmap) < 0) {
		kmem_cache_free(aspace_cache, as);
		return -ENOMEM;
	}
	*ret = as;
	return 0;
}

void aspace_get(struct aspace *as)
{
	ref_get(&as->refs);
}

void aspace_put(struct aspace *as)
{
	struct region *dead = NULL;

	if (!ref_put(&as->refs))
		return;
	WITH_LOCK (&as->lock) {
		for (struct region *r = region_first(as); r; r = region_next(r)) {
			pmap_remove_tables(&as->pmap, r->start, r->end);
			region_kill(r, &dead); /* the tree goes as a whole */
		}
	}
	regions_free(dead);
	pmap_destroy(&as->pmap);
	kmem_cache_free(aspace_cache, as);
}

int range_split(struct aspace *as, struct region *r, vaddr_t start, vaddr_t end, struct region **ret_first,
                struct region **dead)
{
	struct region *first = r, *last, *high;

	if (r->start < start && region_split(as, r, start, &first) < 0)
		return -ENOMEM;
	for (last = first; last->end < end;)
		last = region_next(last);
	if (last->end > end && region_split(as, last, end, &high) < 0) {
		regions_merge(as, first, start, dead);
		return -ENOMEM;
	}
	*ret_first = first;
	return 0;
}

int unmap_prepare(struct aspace *as, struct region *r, vaddr_t start, vaddr_t end)
{
	struct region *high;

	if (pmap_own_edges(&as->pmap, start, end) < 0)
		return -ENOMEM;
	return r && r->start < start && r->end > end ? region_split(as, r, end, &high) : 0;
}

void regions_cut(struct aspace *as, struct region *r, vaddr_t start, vaddr_t end, struct region **dead)
{
	struct region *next;

	if (r && r->start < start) {
		region_resize(as, r, r->start, start);
		r = region_next(r);
	}
	for (; r && r->end <= end; r = next) {
		next = region_next(r);
		region_unlink(as, r, dead);
	}
	if (r && r->start < end)
		region_resize(as, r, end, r->end);
}

int unmap_range(struct aspace *as, vaddr_t start, vaddr_t end, struct region **dead)
{
	struct region *r = region_find(as, start);
	int err = unmap_prepare(as, r, start, end);

	if (err)
		return err;
	pmap_remove(&as->pmap, start, end);
	regions_cut(as, r, start, end, dead);
	return 0;
}

static bool prot_allowed(u32 prot)
{
	return aspace_allow_wx || sabotage(wx) || (prot & (VM_WRITE | VM_EXEC)) != (VM_WRITE | VM_EXEC);
}

static bool address_ok(vaddr_t addr, u64 len)
{
	return !(addr & PAGE_MASK) && addr >= USER_MIN && addr <= USER_MAX && len <= USER_MAX - addr;
}

vaddr_t place_choose(struct aspace *as, vaddr_t hint, u64 len)
{
	vaddr_t place;

	hint = ALIGN_DOWN(hint, PAGE_SIZE);
	if (hint && address_ok(hint, len) && range_free(as, hint, hint + len))
		return hint;
	place = place_find(as, USER_MIN, as->mmap_base, len);
	return place ? place : place_find(as, as->mmap_base, USER_MAX, len);
}

/* map_place: where the request goes. Lock held. => 0 and the address, or an error; nothing is changed */
static int map_place(struct aspace *as, const struct map_request *req, vaddr_t *ret_addr)
{
	if (req->fixed) {
		if (req->addr & PAGE_MASK)
			return -EINVAL;
		if (!address_ok(req->addr, req->len))
			return req->addr < USER_MIN ? -EPERM : -ENOMEM;
		*ret_addr = req->addr;
		return req->noreplace && !range_empty(as, req->addr, req->addr + req->len) ? -EEXIST : 0;
	}
	*ret_addr = req->len <= USER_MAX ? place_choose(as, req->addr, req->len) : 0;
	return *ret_addr ? 0 : -ENOMEM;
}

/* bytes_mapped: how much of [start, end) is mapped. */
static u64 bytes_mapped(struct aspace *as, vaddr_t start, vaddr_t end)
{
	u64 n = 0;

	for (struct region *r = region_find(as, start); r && r->start < end; r = region_next(r))
		n += MIN(r->end, end) - MAX(r->start, start);
	return n;
}

bool size_allowed(struct aspace *as, u64 more, vaddr_t start, vaddr_t end)
{
	u64 limit = aspace_limit(ASPACE_LIMIT_SIZE), size = as->size + more;

	return size <= limit || sabotage(size_limit) || size - bytes_mapped(as, start, end) <= limit;
}

bool lock_allowed(struct aspace *as, u64 more)
{
	return as->locked + more <= aspace_limit(ASPACE_LIMIT_LOCKED) || sabotage(lock_limit);
}

/* map_fixed: MODEL takes its place from what is there. */
static int map_fixed(struct aspace *as, const struct region *model, struct region **dead)
{
	struct region *r = region_new(model);
	int err = r ? unmap_range(as, r->start, r->end, dead) : -ENOMEM;

	if (err) {
		if (r) {
			r->next_dead = *dead;
			*dead = r;
		}
		return err;
	}
	region_link(as, r);
	regions_merge(as, r, r->end, dead);
	return 0;
}

/* map_free: MODEL's place is free. */
static int map_free(struct aspace *as, const struct region *model, struct region **dead)
{
	struct region *r;

	if (region_absorb(as, model, dead))
		return 0;
	r = region_new(model);
	if (!r)
		return -ENOMEM;
	region_link(as, r);
	return 0;
}

/* map_check: all but the memory for a region. => 0 and the whole of MODEL; nothing is changed */
static int map_check(struct aspace *as, const struct map_request *req, struct region *model)
{
	int err = as->region_count < REGIONS_MAX ? map_place(as, req, &model->start) : -ENOMEM;

	if (err)
		return err;
	model->end = model->start + req->len;
	model->flags |= as->lock_future;
	if ((model->flags & REGION_LOCKED) && !lock_allowed(as, req->len))
		return -EAGAIN;
	return size_allowed(as, req->len, model->start, model->end) ? 0 : -ENOMEM;
}

int aspace_map(struct aspace *as, const struct map_request *req, vaddr_t *ret_addr)
{
	struct region model, *dead = NULL; /* of the model, what the tree keeps is not used */
	int err = 0;

	assert(req->len && !(req->len & PAGE_MASK));
	if (!prot_allowed(req->prot) || (req->prot & ~req->max_prot))
		return -EACCES;
	model.prot = req->prot;
	model.max_prot = req->max_prot;
	model.flags = req->flags;
	model.object = req->object;
	model.offset = req->offset;
	model.file = req->file;
	WITH_LOCK (&as->lock) {
		err = map_check(as, req, &model);
		if (!err)
			err = req->fixed && !range_empty(as, model.start, model.end)
			              ? map_fixed(as, &model, &dead)
			              : map_free(as, &model, &dead);
	}
	regions_free(dead);
	if (err)
		return err;
	*ret_addr = model.start;
	if (unlikely(req->populate || (model.flags & REGION_LOCKED)))
		aspace_populate(as, model.start, model.end);
	return 0;
}

int aspace_unmap(struct aspace *as, vaddr_t addr, u64 len)
{
	struct region *dead = NULL;
	int err = -EINVAL;

	if (len == 0 || (addr & PAGE_MASK) || addr > USER_MAX || len > USER_MAX - addr)
		return -EINVAL;
	WITH_LOCK (&as->lock)
		err = unmap_range(as, addr, ALIGN_UP(addr + len, PAGE_SIZE), &dead);
	regions_free(dead);
	return err;
}

int range_reach(struct region *r, vaddr_t start, vaddr_t end, u32 prot, vaddr_t *ret_stop)
{
	vaddr_t at = start;
	int err = 0;

	for (; at < end && !err; r = region_next(r)) {
		if (!r || r->start > at)
			err = -ENOMEM;
		else if (prot & ~r->max_prot)
			err = -EACCES;
		else
			at = MIN(r->end, end);
		if (err)
			break;
	}
	*ret_stop = at;
	return err;
}

/* regions_protect: the regions of [start, end), the first of which is R, get PROT. => whether pages that are to be in
 * memory can be made writable now */
static bool regions_protect(struct aspace *as, struct region *r, vaddr_t end, u32 prot)
{
	bool populate = false;

	for (; r && r->start < end; r = region_next(r)) {
		if (r->prot == prot)
			continue;
		populate |= (r->flags & REGION_LOCKED) && (prot & ~r->prot);
		r->prot = prot;
		pmap_protect(&as->pmap, r->start, r->end, prot, r->flags & REGION_SHARED);
	}
	return populate;
}

int aspace_protect(struct aspace *as, vaddr_t addr, u64 len, u32 prot)
{
	struct region *dead = NULL, *r;
	bool populate = false;
	vaddr_t stop = addr;
	int err = 0;

	if (addr & PAGE_MASK)
		return -EINVAL;
	if (addr > USER_MAX || len > USER_MAX - addr)
		return -ENOMEM;
	if (len == 0)
		return 0;
	if (!prot_allowed(prot))
		return -EACCES;
	vaddr_t end = ALIGN_UP(addr + len, PAGE_SIZE);
	WITH_LOCK (&as->lock) {
		r = region_find(as, addr);
		err = range_reach(r, addr, end, prot, &stop);
		if (stop == addr)
			break;
		if (pmap_own(&as->pmap, addr, stop) < 0 || range_split(as, r, addr, stop, &r, &dead) < 0) {
			err = -ENOMEM;
			break;
		}
		populate = regions_protect(as, r, stop, prot);
		regions_merge(as, r, stop, &dead);
	}
	regions_free(dead);
	if (unlikely(populate))
		aspace_populate(as, addr, stop);
	return err;
}

/* break_grow => whether the break may go from OLD_END to NEW_END, which then is mapped. Lock held. */
static bool break_grow(struct aspace *as, vaddr_t old_end, vaddr_t new_end, struct region **dead)
{
	struct region model = {.start = old_end,
	                       .end = new_end,
	                       .prot = VM_READ | VM_WRITE,
	                       .max_prot = VM_READ | VM_WRITE | VM_EXEC,
	                       .flags = REGION_HEAP | as->lock_future};
	u64 more = new_end - old_end;

	return range_free(as, old_end, new_end + PAGE_SIZE) && size_allowed(as, more, 0, 0) &&
	       (!as->lock_future || lock_allowed(as, more)) && map_free(as, &model, dead) == 0;
}

vaddr_t aspace_brk(struct aspace *as, vaddr_t want)
{
	struct region *dead = NULL;
	vaddr_t result = 0, grown_from = 0;

	WITH_LOCK (&as->lock) {
		vaddr_t old_end = ALIGN_UP(as->brk, PAGE_SIZE), new_end = ALIGN_UP(want, PAGE_SIZE);

		result = as->brk;
		if (want < as->brk_start || want > USER_MAX)
			break;
		if (new_end < old_end) {
			if (unmap_range(as, new_end, old_end, &dead) < 0)
				break;
		} else if (new_end > old_end) {
			if (!break_grow(as, old_end, new_end, &dead))
				break;
			grown_from = as->lock_future ? old_end : 0;
		}
		result = as->brk = want;
	}
	regions_free(dead);
	if (unlikely(grown_from))
		aspace_populate(as, grown_from, ALIGN_UP(want, PAGE_SIZE));
	return result;
}

int aspace_discard(struct aspace *as, vaddr_t addr, u64 len, bool anonymous)
{
	vaddr_t end = addr + len, stop = end, at = addr;
	int err = 0;

	WITH_LOCK (&as->lock) {
		for (struct region *r = region_find(as, addr); r && r->start < end; r = region_next(r)) {
			if ((r->flags & (REGION_LOCKED | REGION_SPECIAL)) || (anonymous && r->object)) {
				stop = MAX(r->start, addr);
				err = -EINVAL;
				break;
			}
			err = r->start > at ? -ENOMEM : err; /* a hole: told of, but no hindrance */
			at = r->end;
		}
		if (at < stop)
			err = -ENOMEM;
		if (pmap_own_edges(&as->pmap, addr, stop) < 0)
			err = -ENOMEM;
		else
			pmap_remove(&as->pmap, addr, stop);
	}
	return err;
}

int aspace_mapped(struct aspace *as, vaddr_t addr, u64 len, u32 avoid)
{
	vaddr_t end = addr + len, stop;
	int err = 0;

	WITH_LOCK (&as->lock) {
		struct region *first = region_find(as, addr);

		err = range_reach(first, addr, end, 0, &stop);
		for (struct region *r = first; r && r->start < end; r = region_next(r))
			if (r->flags & avoid)
				err = -EBUSY;
	}
	return err;
}

int aspace_page_state(struct aspace *as, vaddr_t va, u8 *ret_present)
{
	int err = -ENOMEM;

	WITH_LOCK (&as->lock) {
		struct region *r = region_find(as, va);
		paddr_t pa;

		if (!r || r->start > va)
			break;
		err = 0;
		*ret_present = pmap_query(&as->pmap, va, &pa, NULL);
		if (!*ret_present && r->object &&
		    object_page(r->object, (r->offset + (va - r->start)) >> PAGE_SHIFT, false, &pa) == 0) {
			*ret_present = 1;
			frame_put(pa);
		}
	}
	return err;
}

static int fork_regions(struct aspace *from, struct aspace *to, struct region **dead)
{
	int err = regions_copy(to, from);

	if (!err && from->locked) /* what only mlock kept apart */
		regions_merge(to, region_first(to), USER_MAX, dead);

	/* Shared pages are found again in their object, at a touch. */
	for (struct region *r = region_first(from); r && !err; r = region_next(r))
		if (!(r->flags & REGION_SHARED))
			err = pmap_fork(&to->pmap, &from->pmap, r->start, r->end, true);
	return err;
}

int aspace_fork(struct aspace *as, struct aspace **ret)
{
	struct aspace *child;
	struct region *dead = NULL;
	int err = aspace_create(&child);

	if (err)
		return err;
	WITH_LOCK (&as->lock) {
		err = fork_regions(as, child, &dead);
		child->brk_start = as->brk_start;
		child->brk = as->brk;
		child->mmap_base = as->mmap_base;
		child->stack_top = as->stack_top;
		child->arg_start = as->arg_start;
		child->arg_end = as->arg_end;
		child->env_start = as->env_start;
		child->env_end = as->env_end;
		child->aux_start = as->aux_start;
		child->aux_end = as->aux_end;
		child->code_start = as->code_start;
		child->code_end = as->code_end;
	}
	regions_free(dead);
	if (err)
		aspace_put(child);
	else
		*ret = child;
	return err;
}

bool aspace_shared_frame(struct aspace *as, vaddr_t va, paddr_t *ret_pa)
{
	bool shared = false;

	WITH_LOCK (&as->lock) {
		struct region *r = region_find(as, va);

		shared = r && r->start <= va && (r->flags & REGION_SHARED) &&
		         pmap_query(&as->pmap, va, ret_pa, NULL);
	}
	return shared;
}

void aspace_for_each(struct aspace *as, bool (*fn)(const struct region *r, void *arg), void *arg)
{
	WITH_LOCK (&as->lock) {
		for (struct region *r = region_first(as); r && fn(r, arg); r = region_next(r))
			;
	}
}

u64 aspace_resident(struct aspace *as)
{
	u64 n = 0;

	WITH_LOCK (&as->lock) {
		for (struct region *r = region_first(as); r; r = region_next(r))
			n += pmap_resident(&as->pmap, r->start, r->end);
	}
	return n;
}

/* page_usage: one page at PA. The object's own reference is no mapping. */
static void page_usage(const struct region *r, paddr_t pa, u32 prot, struct region_usage *u)
{
	u32 refs = frame_refs(pa);
	bool of_object = r->object && ((r->flags & REGION_SHARED) || (!(prot & VM_WRITE) && refs > 1));
	u32 mappers = MAX(refs - (of_object ? 1U : 0U), 1U);
	bool dirty = !of_object || (r->flags & REGION_SHARED && !r->file);

	u->rss += PAGE_SIZE;
	u->pss += PAGE_SIZE / mappers;
	u->pss_dirty += dirty ? PAGE_SIZE / mappers : 0;
	u->anonymous += of_object ? 0 : PAGE_SIZE;
	if (mappers > 1)
		*(dirty ? &u->shared_dirty : &u->shared_clean) += PAGE_SIZE;
	else
		*(dirty ? &u->private_dirty : &u->private_clean) += PAGE_SIZE;
}

void aspace_region_usage(struct aspace *as, const struct region *r, struct region_usage *ret)
{
	const u64 block = 512 * PAGE_SIZE; /* looked through only if it holds something */

	*ret = (struct region_usage){0};
	for (vaddr_t va = r->start, end; va < r->end; va = end) {
		end = MIN(ALIGN_DOWN(va, block) + block, r->end);
		if (!pmap_resident(&as->pmap, va, end))
			continue;
		for (vaddr_t page = va; page < end; page += PAGE_SIZE) {
			paddr_t pa;
			u32 prot;

			if (pmap_query(&as->pmap, page, &pa, &prot) && pa != frame_zero)
				page_usage(r, pa, prot, ret);
		}
	}
	if (r->flags & REGION_LOCKED)
		ret->locked = ret->pss;
}

u64 aspace_footprint(struct aspace *as)
{
	u64 regions = read_once(as->region_count);

	return aspace_resident(as) + read_once(as->pmap.tables) +
	       DIV_UP(regions * sizeof(struct region), PAGE_SIZE);
}
