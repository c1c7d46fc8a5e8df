/* with: vm/region.c vm/aspace.c vm/remap.c vm/mlock.c hal/base/tree.c */
/* Address spaces against a page by page model: placing, mapping over, unmapping, protecting, moving, locking, at random; and the cost
 * of each with many regions. The tables below them are stubs: what they do is tested in the kernel. */
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "hal/cpu/percpu.h"
#include "kernel/abi/errno.h"
#include "testsuite/host/tap.h"
#include "vm/region.h"

/* <stdlib.h> brings types that are the kernel's ABI's here */
void *malloc(size_t size);
void free(void *p);
void abort(void) __noreturn;
int rand(void);
void srand(unsigned seed);
char *getenv(const char *name);
int atoi(const char *s);

/* --- what lies below --- */

u64 dmap_base;
struct percpu boot_percpu;
struct frame *frame_array;
paddr_t frame_zero;
static struct cpu_thread thread;

struct kmem_cache {
	size_t size;
};
static u32 living;           /* objects */
static i32 memory_left = -1; /* allocations until memory runs out; -1: never */
static bool starved;         /* one was refused */

struct kmem_cache *kmem_cache_create(const char *name, size_t size, size_t align)
{
	static struct kmem_cache caches[4];
	static u32 count;

	caches[count].size = size;
	return &caches[count++];
}
void *kmem_cache_alloc(struct kmem_cache *c)
{
	starved |= !memory_left;
	if (!memory_left)
		return NULL;
	memory_left -= memory_left > 0;
	living++;
	return malloc(c->size);
}
void kmem_cache_free(struct kmem_cache *c, void *p)
{
	living--;
	free(p);
}
void panic(const char *fmt, ...)
{
	printf("# panic: %s\n", fmt);
	abort();
}
void spin_wait(struct spinlock *l, u16 ticket)
{
	abort();
}
void preempt_check(void)
{
}
void random_bytes(void *buf, size_t n)
{
}
u64 kmem_cache_used(const struct kmem_cache *c)
{
	return living;
}
void frame_put(paddr_t pa)
{
}
void object_init(void)
{
}
void object_get(struct vmobject *o)
{
}
void object_put(struct vmobject *o)
{
}
void object_add_region(struct vmobject *o, struct region *r)
{
}
void object_remove_region(struct vmobject *o, struct region *r)
{
}
int object_page(struct vmobject *o, u64 index, bool create, paddr_t *ret_pa)
{
	return -ENOENT;
}
int pmap_create(struct pmap *pm)
{
	return 0;
}
void pmap_destroy(struct pmap *pm)
{
}
int pmap_own(struct pmap *pm, vaddr_t start, vaddr_t end)
{
	return 0;
}
int pmap_own_edges(struct pmap *pm, vaddr_t start, vaddr_t end)
{
	return 0;
}
void pmap_remove(struct pmap *pm, vaddr_t start, vaddr_t end)
{
}
void pmap_remove_tables(struct pmap *pm, vaddr_t start, vaddr_t end)
{
}
void pmap_protect(struct pmap *pm, vaddr_t start, vaddr_t end, u32 prot, bool shared)
{
}
bool pmap_query(struct pmap *pm, vaddr_t va, paddr_t *ret_pa, u32 *ret_prot)
{
	return false;
}
int pmap_fork(struct pmap *dst, struct pmap *src, vaddr_t start, vaddr_t end, bool cow)
{
	return 0;
}
void pmap_truncate(struct pmap *pm, vaddr_t start, vaddr_t end)
{
}
int aspace_populate(struct aspace *as, vaddr_t start, vaddr_t end)
{
	return 0;
}
static u64 no_limit(enum aspace_limit which)
{
	return ~0UL;
}
u64 pmap_resident(struct pmap *pm, vaddr_t start, vaddr_t end)
{
	return 0;
}
int pmap_move(struct pmap *pm, vaddr_t from, vaddr_t to, u64 len)
{
	return 0;
}

/* --- the model: pages [BASE, BASE + PAGES) of a space that is full elsewhere --- */

#define BASE (1UL << 32)
#define PAGES 1500
#define MMAP_BASE 1000 /* what is placed goes below this page, while there is room */
#define STEPS 30000
#define MAX_PROT (VM_READ | VM_WRITE | VM_EXEC)

static struct aspace *as;
static u8 model[PAGES]; /* 0: nothing there, else the kind of the region */

/* A kind: its rights, from 1, whether it grows downwards, and whether it is locked. */
#define GROWS 8
#define LOCKED 16
#define KIND(prot, stack) ((u8)((prot) + 1 + ((stack) ? GROWS : 0)))

static vaddr_t va(u32 page)
{
	return BASE + page * PAGE_SIZE;
}

static int map(vaddr_t at, u64 len, u8 kind, bool fixed, vaddr_t *ret)
{
	struct map_request req = {
	        .addr = at,
	        .len = len,
	        .prot = (kind - 1) & 7,
	        .max_prot = MAX_PROT,
	        .flags = (kind - 1) & GROWS ? REGION_STACK : 0,
	        .fixed = fixed,
	};

	return aspace_map(as, &req, ret);
}

static void space_make(void)
{
	vaddr_t at;

	if (aspace_create(&as) < 0 || map(USER_MIN, BASE - USER_MIN, KIND(VM_EXEC, false), true, &at) < 0 ||
	    map(va(PAGES), USER_MAX - va(PAGES), KIND(VM_EXEC, false), true, &at) < 0)
		abort();
	as->mmap_base = va(MMAP_BASE);
	memset(model, 0, sizeof(model));
}

/* model_place => the highest run of LEN free pages, a guard's distance below what grows downwards; PAGES: none */
static u32 model_place(u32 len)
{
	static u8 taken[PAGES];
	u32 run = 0;

	memset(taken, 0, sizeof(taken));
	for (u32 i = 0; i < PAGES; i++) {
		u32 guard = model[i] && (model[i] - 1) & GROWS ? STACK_GUARD / PAGE_SIZE : 0;

		taken[i] = model[i] != 0;
		for (u32 j = i; guard && j-- > 0 && !model[j]; guard--)
			taken[j] = 1;
	}
	for (u32 i = MMAP_BASE; i-- > 0;) {
		run = taken[i] ? 0 : run + 1;
		if (run == len)
			return i;
	}
	run = 0;
	for (u32 i = PAGES; i-- > MMAP_BASE;) {
		run = taken[i] ? 0 : run + 1;
		if (run == len)
			return i;
	}
	return PAGES;
}

/* --- comparing --- */

/* tree_right: the largest gap that each node keeps of the tree below it. */
static bool tree_right(const struct tree_node *n)
{
	const struct region *r;
	u64 gap;

	if (!n)
		return true;
	r = tree_entry(n, struct region, node);
	gap = r->gap;
	if (n->left)
		gap = MAX(gap, tree_entry(n->left, struct region, node)->tree_gap);
	if (n->right)
		gap = MAX(gap, tree_entry(n->right, struct region, node)->tree_gap);
	return r->tree_gap == gap && tree_right(n->left) && tree_right(n->right);
}

/* gaps_right: the gap before each. */
static bool gaps_right(void)
{
	vaddr_t end = USER_MIN;

	for (struct region *r = region_first(as); r; end = r->end, r = region_next(r)) {
		vaddr_t floor = MAX(region_floor(r), end);

		if (r->start < end || r->gap != floor - end)
			return false;
	}
	return tree_right(as->regions.root);
}

static u8 region_kind(const struct region *r)
{
	return KIND(r->prot, r->flags & REGION_STACK) + (r->flags & REGION_LOCKED ? LOCKED : 0);
}

static bool space_right(void)
{
	u64 size = BASE - USER_MIN + USER_MAX - va(PAGES);
	struct region *r = region_next(region_first(as));
	u32 count = 2;
	u64 locked = 0;

	for (u32 i = 0; i < PAGES; count++, r = region_next(r)) {
		u32 end = i;

		while (end < PAGES && model[end] == model[i])
			end++;
		size += model[i] ? (end - i) * PAGE_SIZE : 0;
		if (!model[i]) {
			count--;
			i = end;
			r = region_prev(r);
			continue;
		}
		if (r->start != va(i) || r->end != va(end) || model[i] != region_kind(r))
			return false;
		locked += r->flags & REGION_LOCKED ? r->end - r->start : 0;
		i = end;
	}
	return r && !region_next(r) && r->start == va(PAGES) && as->size == size &&
	       as->region_count == count && as->locked == locked && gaps_right();
}

/* --- random operations --- */

static u8 random_kind(void)
{
	static const u8 prots[] = {0, VM_READ, VM_READ | VM_WRITE, VM_READ | VM_EXEC};

	return KIND(prots[rand() % 4], rand() % 6 == 0);
}

static void random_range(u32 *ret_at, u32 *ret_len)
{
	*ret_len = 1 + (rand() % 8 ? rand() % 12 : rand() % 300);
	*ret_at = rand() % (PAGES - *ret_len + 1);
}

static bool step_place(u32 len)
{
	u8 kind = random_kind();
	u32 want = model_place(len);
	vaddr_t at;
	int err = map(0, len * PAGE_SIZE, kind, false, &at);

	if (want == PAGES)
		return err == -ENOMEM;
	memset(&model[want], kind, len);
	return err == 0 && at == va(want);
}

static bool step_fixed(u32 at, u32 len)
{
	u8 kind = random_kind();
	vaddr_t got;

	memset(&model[at], kind, len);
	return map(va(at), len * PAGE_SIZE, kind, true, &got) == 0 && got == va(at);
}

static bool step_unmap(u32 at, u32 len)
{
	memset(&model[at], 0, len);
	return aspace_unmap(as, va(at), len * PAGE_SIZE) == 0;
}

/* model_reach => how many pages from AT on are mapped, of LEN */
static u32 model_reach(u32 at, u32 len)
{
	const u8 *hole = memchr(&model[at], 0, len);

	return hole ? (u32)(hole - &model[at]) : len;
}

/* What lies before a hole is changed. */
static bool step_protect(u32 at, u32 len)
{
	u32 prot = (random_kind() - 1) & 7, reach = model_reach(at, len);

	for (u32 i = at; i < at + reach; i++)
		model[i] = KIND(prot, false) + ((model[i] - 1) & (GROWS | LOCKED));
	return aspace_protect(as, va(at), len * PAGE_SIZE, prot) == (reach < len ? -ENOMEM : 0);
}

static bool step_lock(u32 at, u32 len)
{
	u32 lock = rand() % 2 ? LOCKED : 0, reach = model_reach(at, len);

	for (u32 i = at; i < at + reach; i++)
		model[i] = ((model[i] - 1) & ~LOCKED) + lock + 1;
	return aspace_lock(as, va(at), len * PAGE_SIZE, lock ? REGION_LOCKED : 0) ==
	       (reach < len ? -ENOMEM : 0);
}

/* same_kind => how many pages from AT on are one region */
static u32 same_kind(u32 at)
{
	u32 n = 1;

	while (at + n < PAGES && model[at + n] == model[at])
		n++;
	return n;
}

static bool model_free(u32 at, u32 len)
{
	for (u32 i = at; i < at + len; i++)
		if (i >= PAGES || model[i])
			return false;
	return true;
}

/* step_move: some pages of a region become a mapping of LEN pages: at TO, or wherever the space sees fit. */
static bool step_move(u32 at, u32 len)
{
	u32 old = model[at] ? 1 + rand() % same_kind(at) : 1, to;
	bool fixed = rand() % 2, keep = rand() % 4 == 0;
	u8 kind = model[at];
	vaddr_t got;

	random_range(&to, &len);
	len = keep ? old : len;
	to = MIN(to, PAGES - len);
	struct remap_request q = {va(at), old * PAGE_SIZE,   len * PAGE_SIZE, true, fixed,
	                          keep,   fixed ? va(to) : 0};
	int err = aspace_remap(as, &q, &got);

	if (!kind)
		return err == -EFAULT;
	if (fixed && at + old > to && to + len > at)
		return err == -EINVAL;
	if (!fixed && !keep && len <= old) {
		memset(&model[at + len], 0, old - len);
		return err == 0 && got == va(at);
	}
	if (!fixed && !keep && same_kind(at) == old && model_free(at + old, len - old)) {
		memset(&model[at], kind, len);
		return err == 0 && got == va(at);
	}
	if (!fixed) {
		to = model_place(len);
		if (to == PAGES)
			return err == -ENOMEM;
	}
	if (keep && ((kind - 1) & LOCKED)) { /* all of the region that is left, as on Linux */
		u32 first = at;

		while (first > 0 && model[first - 1] == kind)
			first--;
		if (fixed)
			memset(&model[to], 0, len);
		while (model[first] != kind || first + same_kind(first) <= at)
			first++;
		memset(&model[first], kind - LOCKED, same_kind(first));
	} else if (!keep) {
		memset(&model[at], 0, old);
	}
	memset(&model[to], kind, len);
	return err == 0 && got == va(to);
}

static bool step_find(u32 at)
{
	struct region *r = region_find(as, va(at));
	u32 next = at;

	while (next < PAGES && !model[next])
		next++;
	return r && (next == at ? r->start <= va(at) : r->start == va(next)) && r->end > va(next);
}

static bool step(void)
{
	u32 at, len;

	random_range(&at, &len);
	switch (rand() % 12) {
	case 0:
	case 1:
		return step_place(len);
	case 2:
	case 3:
		return step_fixed(at, len);
	case 4:
	case 5:
		return step_protect(at, len);
	case 6:
		return step_find(at);
	case 7:
		return step_lock(at, len);
	case 8:
	case 9:
		return step_move(at, len);
	default:
		return step_unmap(at, len);
	}
}

/* step_starved: memory runs out in the middle of it, and then nothing has changed. */
static bool step_starved(void)
{
	static u8 before[PAGES];
	bool right;

	memcpy(before, model, sizeof(before));
	memory_left = rand() % 3;
	starved = false;
	right = step();
	memory_left = -1;
	if (!starved)
		return right;
	memcpy(model, before, sizeof(before));
	return space_right();
}

/* fork_right: a copy is like its model, and with too little memory there is none. */
static bool fork_right(void)
{
	struct aspace *parent = as, *child;
	static u8 before[PAGES];
	bool right = false;

	memory_left = rand() % (as->region_count + 1);
	if (aspace_fork(parent, &child) == 0)
		abort();
	memory_left = -1;
	if (aspace_fork(parent, &child) == 0) {
		memcpy(before, model, sizeof(before));
		for (u32 i = 0; i < PAGES; i++) /* locks are not inherited */
			model[i] = model[i] ? ((model[i] - 1) & ~LOCKED) + 1 : 0;
		as = child;
		right = space_right();
		as = parent;
		memcpy(model, before, sizeof(before));
		aspace_put(child);
	}
	return right && space_right();
}

static bool run_random(void)
{
	space_make();
	for (u32 i = 0; i < STEPS; i++) {
		bool right = rand() % 4 ? step() : step_starved();

		if (!right || (i % 16 == 0 && !space_right()) || (i % 64 == 0 && !fork_right())) {
			printf("# step %u\n", i);
			return false;
		}
	}
	aspace_put(as);
	return living == 0;
}

/* --- cost --- */

static u64 cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (u64)ts.tv_sec * NS_PER_SEC + (u64)ts.tv_nsec;
}

/* run_many => nanoseconds for 2000 rounds of placing, finding, splitting, joining and unmapping, in a space of COUNT
 * regions with gaps of a page, too small for what is placed */
static u64 run_many(u32 count)
{
	vaddr_t at, low = 1UL << 40;
	u64 best = ~0UL;

	if (aspace_create(&as) < 0)
		abort();
	as->mmap_base = low + 2 * count * PAGE_SIZE;
	for (u32 i = 0; i < count; i++)
		if (map(low + 2 * i * PAGE_SIZE, PAGE_SIZE, KIND(VM_READ, false), true, &at) < 0)
			abort();
	for (u32 tries = 0; tries < 5; tries++) {
		u64 start = cpu_ns();

		for (u32 i = 0; i < 2000; i++) {
			vaddr_t hole = low + (2 * (i * 7919UL % count) + 1) * PAGE_SIZE;

			if (map(0, 2 * PAGE_SIZE, KIND(0, false), false, &at) < 0 || at >= low ||
			    aspace_unmap(as, at, 2 * PAGE_SIZE) < 0 ||
			    map(hole, PAGE_SIZE, KIND(VM_READ, false), false, &at) < 0 || at != hole ||
			    aspace_unmap(as, hole, PAGE_SIZE) < 0)
				abort();
		}
		best = MIN(best, cpu_ns() - start);
	}
	aspace_put(as);
	return best;
}

static bool run_limit(void)
{
	vaddr_t at;
	u32 count = 0;

	if (aspace_create(&as) < 0)
		abort();
	while (count < 70000 &&
	       map(USER_MIN + 2 * count * PAGE_SIZE, PAGE_SIZE, KIND(VM_READ, false), true, &at) == 0)
		count++;
	bool full = count == REGIONS_MAX && aspace_unmap(as, USER_MIN, PAGE_SIZE) == 0 &&
	            map(USER_MIN, PAGE_SIZE, KIND(VM_READ, false), true, &at) == 0;
	aspace_put(as);
	return full;
}

int main(void)
{
	unsigned seed = getenv("SEED") ? atoi(getenv("SEED")) : (int)time(NULL);
	const int ARCH_SET_GS = 0x1001;
	u64 few, many;

	boot_percpu.self = &boot_percpu;
	boot_percpu.current = (struct thread *)&thread;
	syscall(SYS_arch_prctl, ARCH_SET_GS, &boot_percpu);
	aspace_init(NULL, NULL, no_limit);
	srand(seed);
	tap_plan(3);
	tap_ok(run_random(), "[V3] %u random changes of a space are as in a model page by page (seed %u)",
	       STEPS, seed);
	tap_ok(run_limit(), "[V10] a space holds 65530 regions, and one more is refused");
	few = run_many(500);
	many = run_many(50000);
	printf("# %lu and %lu microseconds\n", few / 1000, many / 1000);
	tap_ok(many < 10 * few, "[V3] with a hundred times the regions no operation costs ten times as much");
	return tap_end();
}
