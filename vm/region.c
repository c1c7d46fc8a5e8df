/* The tree of regions. Each knows the gap before it, and the largest gap in the tree below it; so the search for a place
 * goes only where there is one. */
#include "vm/region.h"
#include "hal/base/sabotage.h"
#include "kernel/abi/errno.h"
#include "vm/kmem.h"

static struct kmem_cache *region_cache;
static void (*file_get)(struct file *), (*file_put)(struct file *); /* [I] */

void regions_init(void (*get)(struct file *), void (*put)(struct file *))
{
	file_get = get;
	file_put = put;
	region_cache = kmem_cache_create("region", sizeof(struct region), 16);
}

struct region *region_new(const struct region *model)
{
	struct region *r = kmem_cache_alloc(region_cache);

	if (!r)
		return NULL;
	*r = *model;
	if (r->object)
		object_get(r->object);
	if (r->file)
		file_get(r->file);
	return r;
}

void regions_free_all(struct region *dead)
{
	while (dead) {
		struct region *next = dead->next_dead;

		if (dead->object)
			object_put(dead->object);
		if (dead->file)
			file_put(dead->file);
		if (!sabotage(region_leak) || dead->start >> PAGE_SHIFT & 7)
			kmem_cache_free(region_cache, dead);
		dead = next;
	}
}

u64 aspace_regions(void)
{
	return kmem_cache_used(region_cache);
}

/* --- the tree --- */

static inline struct region *region_at(const struct tree_node *n)
{
	return n ? tree_entry(n, struct region, node) : NULL;
}

/* region_update: tree_update_fn */
static bool region_update(struct tree_node *n)
{
	struct region *r = region_at(n);
	u64 gap = r->gap, old = r->tree_gap;

	if (n->left)
		gap = MAX(gap, region_at(n->left)->tree_gap);
	if (n->right)
		gap = MAX(gap, region_at(n->right)->tree_gap);
	r->tree_gap = gap;
	return gap != old;
}

/* gap_before: what is free before R when the region before it ends at END. */
static inline u64 gap_before(const struct region *r, vaddr_t end)
{
	vaddr_t floor = region_floor(r);

	return floor > end ? floor - end : 0;
}

/* gap_set: the region before R, which may be NULL, ends at END from now on. */
static inline void gap_set(struct region *r, vaddr_t end)
{
	u64 gap = r ? gap_before(r, end) : 0;

	if (r && r->gap != gap) {
		r->gap = gap;
		tree_update(&r->node, region_update);
	}
}

/* end_before: where the region before R ends; USER_MIN when there is none. */
static vaddr_t end_before(struct region *r)
{
	if (!(r->flags & REGION_STACK))
		return r->start - r->gap;
	struct region *prev = region_prev(r);
	return prev ? prev->end : USER_MIN;
}

struct region *region_find(struct aspace *as, vaddr_t addr)
{
	struct tree_node *n = as->regions.root;
	struct region *best = NULL;

	while (n) {
		struct region *r = tree_entry(n, struct region, node);

		if (r->end > addr) {
			best = r;
			n = n->left;
		} else {
			n = n->right;
		}
	}
	return best;
}

struct region *region_first(struct aspace *as)
{
	return region_at(as->regions.first);
}

struct region *region_next(struct region *r)
{
	return region_at(tree_next(&r->node));
}

struct region *region_prev(struct region *r)
{
	return region_at(tree_prev(&r->node));
}

/* region_account: BYTES more of AS are R's; or fewer, with the negative. */
static inline void region_account(struct aspace *as, const struct region *r, u64 bytes)
{
	as->size += bytes;
	if (r->flags & REGION_LOCKED)
		as->locked += bytes;
}

/* region_added: all of linking but for the tree. */
static void region_added(struct aspace *as, struct region *r)
{
	r->aspace = as;
	if (r->object)
		object_add_region(r->object, r);
	as->region_count++;
	region_account(as, r, r->end - r->start);
}

void region_link(struct aspace *as, struct region *r)
{
	struct tree_node **where = &as->regions.root, *parent = NULL;
	struct region *prev = NULL, *next = NULL;

	while (*where) {
		parent = *where;
		if (r->start < region_at(parent)->start) {
			next = region_at(parent);
			where = &parent->left;
		} else {
			prev = region_at(parent);
			where = &parent->right;
		}
	}
	r->gap = gap_before(r, prev ? prev->end : USER_MIN);
	tree_link_updated(&as->regions, &r->node, parent, where, region_update);
	gap_set(next, r->end);
	region_added(as, r);
}

void region_kill(struct region *r, struct region **dead)
{
	if (r->object)
		object_remove_region(r->object, r);
	r->next_dead = *dead;
	*dead = r;
}

/* region_remove: R leaves the tree, and whoever comes next has seen to its gap. */
static void region_remove(struct aspace *as, struct region *r, struct region **dead)
{
	tree_remove_updated(&as->regions, &r->node, region_update);
	if (as->recent == r)
		as->recent = NULL;
	as->region_count--;
	region_account(as, r, r->start - r->end);
	region_kill(r, dead);
}

void region_unlink(struct aspace *as, struct region *r, struct region **dead)
{
	gap_set(region_next(r), end_before(r));
	region_remove(as, r, dead);
}

void region_resize(struct aspace *as, struct region *r, vaddr_t start, vaddr_t end)
{
	region_account(as, r, (end - start) - (r->end - r->start));
	if (start != r->start) {
		vaddr_t before = end_before(r);

		r->offset += start - r->start;
		r->start = start;
		gap_set(r, before);
	}
	if (end != r->end) {
		r->end = end;
		gap_set(region_next(r), end);
	}
}

void region_set_flags(struct aspace *as, struct region *r, u32 flags)
{
	region_account(as, r, r->start - r->end);
	r->flags = flags;
	region_account(as, r, r->end - r->start);
}

static struct tree_node *region_copy(struct tree_node *n, void *to)
{
	struct region *r = region_new(region_at(n));

	if (!r)
		return NULL;
	r->flags &= ~REGION_LOCK_FLAGS; /* fork(2) */
	region_added(to, r);
	return &r->node;
}

int regions_copy(struct aspace *to, struct aspace *from)
{
	return tree_copy(&to->regions, &from->regions, region_copy, to) ? 0 : -ENOMEM;
}

/* --- borders --- */

/* region_link_high: HIGH, which was R's upper part; what comes behind it has no other gap than before. */
static void region_link_high(struct aspace *as, struct region *r, struct region *high)
{
	struct tree_node *parent = &r->node, **where = &parent->right;

	while (*where) {
		parent = *where;
		where = &parent->left;
	}
	high->gap = 0;
	tree_link_updated(&as->regions, &high->node, parent, where, region_update);
	region_added(as, high);
}

int region_split(struct aspace *as, struct region *r, vaddr_t addr, struct region **ret_high)
{
	struct region *high = as->region_count < REGIONS_MAX ? region_new(r) : NULL;

	if (!high)
		return -ENOMEM;
	high->start = addr;
	high->offset += addr - r->start;
	region_account(as, r, addr - r->end);
	r->end = addr;
	region_link_high(as, r, high);
	*ret_high = high;
	return 0;
}

static bool region_joins(const struct region *a, const struct region *b)
{
	return a->end == b->start && a->prot == b->prot && a->max_prot == b->max_prot &&
	       a->flags == b->flags && a->object == b->object && a->file == b->file &&
	       (!a->object || a->offset + (a->end - a->start) == b->offset);
}

/* region_swallow: R takes over NEXT, which joins it. */
static void region_swallow(struct aspace *as, struct region *r, struct region *next, struct region **dead)
{
	region_account(as, r, next->end - next->start);
	r->end = next->end;
	region_remove(as, next, dead);
}

void regions_merge(struct aspace *as, struct region *r, vaddr_t end, struct region **dead)
{
	struct region *prev = region_prev(r), *next;

	for (r = prev ? prev : r; (next = region_next(r)) && next->start <= end;) {
		if (region_joins(r, next))
			region_swallow(as, r, next, dead);
		else
			r = next;
	}
}

bool region_absorb(struct aspace *as, const struct region *model, struct region **dead)
{
	struct region *next = region_find(as, model->start);
	struct region *prev = next ? region_prev(next) : region_at(tree_last(&as->regions));

	if (prev && region_joins(prev, model)) {
		region_resize(as, prev, prev->start, model->end);
		if (next && region_joins(prev, next))
			region_swallow(as, prev, next, dead);
		return true;
	}
	if (!next || !region_joins(model, next))
		return false;
	region_resize(as, next, model->start, next->end);
	return true;
}

/* --- places --- */

bool range_empty(struct aspace *as, vaddr_t start, vaddr_t end)
{
	struct region *r = region_find(as, start);

	return start >= USER_MIN && start < end && end <= USER_MAX && (!r || r->start >= end);
}

bool range_free(struct aspace *as, vaddr_t start, vaddr_t end)
{
	struct region *r = region_find(as, start);

	return start >= USER_MIN && start < end && end <= USER_MAX && (!r || region_floor(r) >= end);
}

/* place_below: the highest place of LEN bytes within [low, high) in the gaps that the tree below R knows. It goes in
 * vain only where LOW or HIGH cuts through a tree, which is along one way down each. */
static vaddr_t place_below(const struct region *r, vaddr_t low, vaddr_t high, u64 len)
{
	for (; r && r->tree_gap >= len; r = region_at(r->node.left)) {
		const struct region *right = region_at(r->node.right);
		vaddr_t top, found;

		if (right && right->tree_gap >= len && r->end < high) {
			found = place_below(right, low, high, len);
			if (found)
				return found;
		}
		if (r->gap >= len) {
			top = MIN(region_floor(r), high);
			if (top >= MAX(region_floor(r) - r->gap, low) + len)
				return top - len;
		}
		if (r->start <= low)
			break;
	}
	return 0;
}

vaddr_t place_find(struct aspace *as, vaddr_t low, vaddr_t high, u64 len)
{
	const struct region *last = region_at(tree_last(&as->regions));
	vaddr_t end = MAX(last ? last->end : 0, low);

	return high >= end && high - end >= len ? high - len
	                                        : place_below(region_at(as->regions.root), low, high, len);
}
