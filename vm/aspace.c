/* Regions: finding, placing, splitting, merging. What a touch of one does is in fault.c. */
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

#define REGIONS_MAX 65530 /* of one space, as Linux's vm.max_map_count */

bool aspace_randomize = true, aspace_allow_wx;

static struct kmem_cache *aspace_cache, *region_cache;
static void (*file_get)(struct file *), (*file_put)(struct file *); /* [I] */

void aspace_init(void (*get)(struct file *), void (*put)(struct file *))
{
	file_get = get;
	file_put = put;
	aspace_cache = kmem_cache_create("aspace", sizeof(struct aspace), 16);
	region_cache = kmem_cache_create("region", sizeof(struct region), 16);
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

/* --- regions --- */

static bool region_less(const struct tree_node *a, const struct tree_node *b)
{
	return tree_entry(a, struct region, node)->start < tree_entry(b, struct region, node)->start;
}

static struct region *region_at(struct tree_node *n)
{
	return n ? tree_entry(n, struct region, node) : NULL;
}

struct region *region_next(struct region *r)
{
	return region_at(tree_next(&r->node));
}

static struct region *region_prev(struct region *r)
{
	return region_at(tree_prev(&r->node));
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

/* region_new: a copy of MODEL with references of its own. */
static struct region *region_new(const struct region *model)
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

/* regions_free: not with the lock held: putting a file may sleep. */
static void regions_free(struct region *dead)
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

static void region_link(struct aspace *as, struct region *r)
{
	tree_insert(&as->regions, &r->node, region_less);
	r->aspace = as;
	if (r->object) {
		WITH_LOCK (&r->object->lock)
			list_push_back(&r->object->regions, &r->object_link);
	}
	as->region_count++;
	as->size += r->end - r->start;
}

/* region_kill: R shows its object no more, and goes to DEAD; it is still in the tree. */
static void region_kill(struct region *r, struct region **dead)
{
	if (r->object) {
		WITH_LOCK (&r->object->lock)
			list_remove(&r->object_link);
	}
	r->next_dead = *dead;
	*dead = r;
}

static void region_unlink(struct aspace *as, struct region *r, struct region **dead)
{
	tree_remove(&as->regions, &r->node);
	as->region_count--;
	as->size -= r->end - r->start;
	region_kill(r, dead);
}

/* region_split: make ADDR a border between regions. => 0 or -ENOMEM */
static int region_split(struct aspace *as, vaddr_t addr)
{
	struct region *r = region_find(as, addr), *high;

	if (!r || r->start >= addr)
		return 0;
	high = as->region_count < REGIONS_MAX ? region_new(r) : NULL;
	if (!high)
		return -ENOMEM;
	high->start = addr;
	high->offset += addr - r->start;
	as->size -= r->end - addr;
	r->end = addr;
	region_link(as, high);
	return 0;
}

/* space_truncate: unmap what AS shows of O behind SIZE. */
static void space_truncate(struct aspace *as, const struct vmobject *o, u64 size)
{
	u64 keep = ALIGN_UP(size, PAGE_SIZE);

	WITH_LOCK (&as->lock) {
		for (struct region *r = region_at(as->regions.first); r; r = region_next(r)) {
			u64 shown = keep > r->offset ? keep - r->offset : 0;

			/* Without memory for a table of its own the space goes on showing the page, which is its to keep. */
			if (r->object == o && shown < r->end - r->start &&
			    pmap_own_edges(&as->pmap, r->start + shown, r->end) == 0)
				pmap_remove(&as->pmap, r->start + shown, r->end);
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

static bool region_joins(const struct region *a, const struct region *b)
{
	return a->end == b->start && a->prot == b->prot && a->max_prot == b->max_prot &&
	       a->flags == b->flags && a->object == b->object && a->file == b->file &&
	       (!a->object || a->offset + (a->end - a->start) == b->offset);
}

/* region_merge: A3 for R and its neighbours. */
static void region_merge(struct aspace *as, struct region *r, struct region **dead)
{
	struct region *prev = region_prev(r), *next = region_next(r);

	if (next && region_joins(r, next)) {
		vaddr_t end = next->end;

		region_unlink(as, next, dead);
		as->size += end - r->end;
		r->end = end;
	}
	if (prev && region_joins(prev, r)) {
		vaddr_t end = r->end;

		region_unlink(as, r, dead);
		as->size += end - prev->end;
		prev->end = end;
	}
}

static bool range_free(struct aspace *as, vaddr_t start, vaddr_t end)
{
	struct region *r = region_find(as, start);

	return start >= USER_MIN && start < end && end <= USER_MAX && (!r || r->start >= end);
}

/* The lowest address that a region at R blocks: the stack keeps room to grow. */
static vaddr_t region_floor(struct aspace *as, const struct region *r)
{
	if (!(r->flags & REGION_STACK))
		return r->start;
	vaddr_t floor = as->stack_top - MIN(as->stack_limit, as->stack_top - USER_MIN) - PAGE_SIZE;
	return MIN(floor, r->start);
}

/* place_find: the highest gap of LEN bytes below mmap_base. => 0 when there is none */
static vaddr_t place_find(struct aspace *as, u64 len)
{
	vaddr_t top = as->mmap_base;
	struct region *above = region_find(as, top);
	struct region *r = above ? region_prev(above) : region_at(tree_last(&as->regions));

	if (above)
		top = MIN(top, region_floor(as, above));
	while (r && r->end + len > top) {
		top = MIN(top, region_floor(as, r));
		r = region_prev(r);
	}
	return top >= USER_MIN + len ? top - len : 0;
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
		for (struct region *r = region_at(as->regions.first); r; r = region_next(r)) {
			pmap_remove_tables(&as->pmap, r->start, r->end);
			region_kill(r, &dead); /* the tree goes as a whole */
		}
	}
	regions_free(dead);
	pmap_destroy(&as->pmap);
	kmem_cache_free(aspace_cache, as);
}

/* border_heal: A3 for the regions on both sides of ADDR. */
static void border_heal(struct aspace *as, vaddr_t addr, struct region **dead)
{
	struct region *r = region_find(as, addr);

	if (r && r->start == addr)
		region_merge(as, r, dead);
}

/* range_split: [start, end) gets borders, and OWN makes its tables changeable. => 0; or -ENOMEM, and nothing is changed
 */
static int range_split(struct aspace *as, vaddr_t start, vaddr_t end,
                       int (*own)(struct pmap *pm, vaddr_t start, vaddr_t end), struct region **dead)
{
	if (region_split(as, start) == 0 && region_split(as, end) == 0 && own(&as->pmap, start, end) == 0)
		return 0;
	border_heal(as, start, dead);
	border_heal(as, end, dead);
	return -ENOMEM;
}

/* unmap_range: take out all of [start, end). Lock held. => 0 or -ENOMEM, then nothing is unmapped */
static int unmap_range(struct aspace *as, vaddr_t start, vaddr_t end, struct region **dead)
{
	struct region *r, *next;

	if (range_split(as, start, end, pmap_own_edges, dead) < 0)
		return -ENOMEM;
	pmap_remove(&as->pmap, start, end);
	for (r = region_find(as, start); r && r->start < end; r = next) {
		next = region_next(r);
		region_unlink(as, r, dead);
	}
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

/* map_place: where the request goes. Lock held. => 0 and the address, or an error; nothing is changed */
static int map_place(struct aspace *as, const struct map_request *req, vaddr_t *ret_addr)
{
	vaddr_t hint = ALIGN_DOWN(req->addr, PAGE_SIZE);

	if (req->fixed) {
		if (req->addr & PAGE_MASK)
			return -EINVAL;
		if (!address_ok(req->addr, req->len))
			return req->addr < USER_MIN ? -EPERM : -ENOMEM;
		*ret_addr = req->addr;
		return req->noreplace && !range_free(as, req->addr, req->addr + req->len) ? -EEXIST : 0;
	}
	if (req->len > USER_MAX)
		return -ENOMEM;
	if (hint && address_ok(hint, req->len) && range_free(as, hint, hint + req->len))
		*ret_addr = hint;
	else
		*ret_addr = place_find(as, req->len);
	return *ret_addr ? 0 : -ENOMEM;
}

int aspace_map(struct aspace *as, const struct map_request *req, vaddr_t *ret_addr)
{
	struct region model = {
	        .prot = req->prot,
	        .max_prot = req->max_prot,
	        .flags = req->flags,
	        .object = req->object,
	        .offset = req->offset,
	        .file = req->file,
	};
	struct region *r, *dead = NULL;
	int err;

	assert(req->len && !(req->len & PAGE_MASK));
	if (!prot_allowed(req->prot) || (req->prot & ~req->max_prot))
		return -EACCES;
	if (read_once(as->region_count) >= REGIONS_MAX)
		return -ENOMEM;
	r = region_new(&model);
	if (!r)
		return -ENOMEM;
	WITH_LOCK (&as->lock) {
		err = map_place(as, req, &r->start);
		if (!err && req->fixed)
			err = unmap_range(as, r->start, r->start + req->len, &dead);
		if (err) {
			r->next_dead = dead;
			dead = r;
			break;
		}
		r->end = r->start + req->len;
		*ret_addr = r->start;
		region_link(as, r);
		region_merge(as, r, &dead);
	}
	regions_free(dead);
	return err;
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

/* protect_check: may all of [addr, end) become PROT? Lock held. */
static int protect_check(struct aspace *as, vaddr_t addr, vaddr_t end, u32 prot)
{
	struct region *r = region_find(as, addr);

	for (vaddr_t at = addr; at < end; at = r->end, r = region_next(r)) {
		if (!r || r->start > at)
			return -ENOMEM;
		if (prot & ~r->max_prot)
			return -EACCES;
	}
	return 0;
}

int aspace_protect(struct aspace *as, vaddr_t addr, u64 len, u32 prot)
{
	struct region *dead = NULL, *r, *next;
	int err = 0;

	if ((addr & PAGE_MASK))
		return -EINVAL;
	if (addr > USER_MAX || len > USER_MAX - addr)
		return -ENOMEM;
	if (len == 0)
		return 0;
	if (!prot_allowed(prot))
		return -EACCES;
	vaddr_t end = ALIGN_UP(addr + len, PAGE_SIZE);
	WITH_LOCK (&as->lock) {
		err = protect_check(as, addr, end, prot);
		if (!err)
			err = range_split(as, addr, end, pmap_own, &dead);
		if (err)
			break;
		for (r = region_find(as, addr); r && r->start < end; r = next) {
			next = region_next(r);
			if (r->prot == prot)
				continue;
			r->prot = prot;
			pmap_protect(&as->pmap, r->start, r->end, prot, r->flags & REGION_SHARED);
		}
		for (r = region_find(as, addr); r && r->start <= end;) {
			vaddr_t past = r->end;

			region_merge(as, r, &dead);
			r = region_find(as, past);
		}
	}
	regions_free(dead);
	return err;
}

vaddr_t aspace_brk(struct aspace *as, vaddr_t want)
{
	struct region *dead = NULL;
	vaddr_t result = 0;

	WITH_LOCK (&as->lock) {
		vaddr_t old_end = ALIGN_UP(as->brk, PAGE_SIZE), new_end = ALIGN_UP(want, PAGE_SIZE);

		result = as->brk;
		if (want < as->brk_start || want > USER_MAX)
			break;
		if (new_end < old_end) {
			if (unmap_range(as, new_end, old_end, &dead) < 0)
				break;
		} else if (new_end > old_end) {
			struct region model = {.start = old_end,
			                       .end = new_end,
			                       .prot = VM_READ | VM_WRITE,
			                       .max_prot = VM_READ | VM_WRITE | VM_EXEC,
			                       .flags = REGION_HEAP};
			struct region *r;

			if (!range_free(as, old_end, new_end + PAGE_SIZE) || !(r = region_new(&model)))
				break;
			region_link(as, r);
			region_merge(as, r, &dead);
		}
		result = as->brk = want;
	}
	regions_free(dead);
	return result;
}

/* remap_move: the mapping of R's [addr, addr+old_len) goes to TO and is NEW_LEN long there. Lock held. */
static int remap_move(struct aspace *as, struct region *r, vaddr_t addr, u64 old_len, vaddr_t to, u64 new_len,
                      struct region **dead)
{
	struct region model = *r, *moved;

	model.start = to;
	model.end = to + new_len;
	model.offset += addr - r->start;
	moved = region_new(&model);
	if (!moved)
		return -ENOMEM;
	int err = range_split(as, addr, addr + old_len, pmap_own_edges, dead);
	if (!err && pmap_move(&as->pmap, addr, to, MIN(old_len, new_len)) < 0) {
		border_heal(as, addr, dead);
		border_heal(as, addr + old_len, dead);
		err = -ENOMEM;
	}
	if (err) {
		moved->next_dead = *dead;
		*dead = moved;
		return err;
	}
	unmap_range(as, addr, addr + old_len, dead); /* borders and tables are there: cannot fail */
	region_link(as, moved);
	region_merge(as, moved, dead);
	return 0;
}

int aspace_remap(struct aspace *as, vaddr_t addr, u64 old_len, u64 new_len, bool may_move, vaddr_t fixed_to,
                 vaddr_t *ret_addr)
{
	struct region *dead = NULL;
	int err = 0;

	WITH_LOCK (&as->lock) {
		struct region *r = region_find(as, addr);

		if (!r || r->start > addr || r->end - addr < old_len) {
			err = -EFAULT;
			break;
		}
		*ret_addr = addr;
		if (fixed_to) {
			err = unmap_range(as, fixed_to, fixed_to + new_len, &dead);
			r = err ? NULL : region_find(as, addr);
			if (r)
				err = remap_move(as, r, addr, old_len, fixed_to, new_len, &dead);
			*ret_addr = fixed_to;
		} else if (new_len <= old_len) {
			if (new_len < old_len)
				err = unmap_range(as, addr + new_len, addr + old_len, &dead);
		} else if (r->end == addr + old_len && range_free(as, r->end, addr + new_len)) {
			as->size += new_len - old_len;
			r->end = addr + new_len;
			region_merge(as, r, &dead);
		} else {
			vaddr_t to = may_move ? place_find(as, new_len) : 0;

			err = to ? remap_move(as, r, addr, old_len, to, new_len, &dead) : -ENOMEM;
			*ret_addr = to;
		}
	}
	regions_free(dead);
	return err;
}

int aspace_discard(struct aspace *as, vaddr_t addr, u64 len)
{
	vaddr_t end = addr + len;
	int err = -ENOMEM;

	WITH_LOCK (&as->lock) {
		if (pmap_own_edges(&as->pmap, addr, end) < 0)
			break;
		pmap_remove(&as->pmap, addr, end);
		err = protect_check(as, addr, end,
		                    0); /* holes are told of, but what is mapped is discarded */
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

static int fork_regions(struct aspace *from, struct aspace *to)
{
	for (struct region *r = region_at(from->regions.first); r; r = region_next(r)) {
		struct region *copy = region_new(r);

		if (!copy)
			return -ENOMEM;
		region_link(to, copy);
		/* Shared pages are found again in their object, at a touch. */
		if (!(r->flags & REGION_SHARED) &&
		    pmap_fork(&to->pmap, &from->pmap, r->start, r->end, true) < 0)
			return -ENOMEM;
	}
	return 0;
}

int aspace_fork(struct aspace *as, struct aspace **ret)
{
	struct aspace *child;
	int err = aspace_create(&child);

	if (err)
		return err;
	WITH_LOCK (&as->lock) {
		err = fork_regions(as, child);
		child->brk_start = as->brk_start;
		child->brk = as->brk;
		child->mmap_base = as->mmap_base;
		child->stack_top = as->stack_top;
		child->stack_limit = as->stack_limit;
		child->arg_start = as->arg_start;
		child->arg_end = as->arg_end;
		child->env_start = as->env_start;
		child->env_end = as->env_end;
		child->code_start = as->code_start;
		child->code_end = as->code_end;
	}
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
		for (struct region *r = region_at(as->regions.first); r && fn(r, arg); r = region_next(r))
			;
	}
}

u64 aspace_regions(void)
{
	return kmem_cache_used(region_cache);
}

u64 aspace_resident(struct aspace *as)
{
	u64 n = 0;

	WITH_LOCK (&as->lock) {
		for (struct region *r = region_at(as->regions.first); r; r = region_next(r))
			n += pmap_resident(&as->pmap, r->start, r->end);
	}
	return n;
}

u64 aspace_footprint(struct aspace *as)
{
	u64 regions = read_once(as->region_count);

	return aspace_resident(as) + read_once(as->pmap.tables) +
	       DIV_UP(regions * sizeof(struct region), PAGE_SIZE);
}
