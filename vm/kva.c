/* Addresses come from the bottom of the area upwards, in sizes of a power of two, and are used again by size:
 * constant time, and a freed stack's addresses serve the next stack. */
#include "vm/kva.h"
#include "hal/base/assert.h"
#include "hal/base/list.h"
#include "hal/base/sabotage.h"
#include "hal/base/tree.h"
#include "hal/cpu/spinlock.h"
#include "vm/frame.h"
#include "vm/kmem.h"
#include "vm/pmap.h"

#define ORDERS 20 /* up to 2^19 pages: 2 GiB */

/* One range of addresses: 2^order pages, the lowest of them and what is behind the mapped part never mapped. */
struct kva_range {
	struct tree_node node; /* [kva_lock] while allocated: by the first mapped address */
	struct list link;      /* [kva_lock] while free: free_ranges[order] */
	vaddr_t start;         /* [I] */
	u32 order;             /* [I] */
	vaddr_t mapped;        /* first mapped address */
	size_t pages;          /* mapped pages */
};

static struct spinlock kva_lock = SPINLOCK_INIT("kva", RANK_KVA);
static vaddr_t next_address;            /* [kva_lock] nothing above is in use */
static struct list free_ranges[ORDERS]; /* [kva_lock] */
static struct tree allocated;           /* [kva_lock] */
static u64 pages_used;                  /* [atomic] */
static struct kmem_cache *range_cache;

void kva_init(void)
{
	next_address = pmap_dynamic_start;
	for (u32 i = 0; i < ORDERS; i++)
		list_init(&free_ranges[i]);
	range_cache = kmem_cache_create("kva_range", sizeof(struct kva_range), 16);
	kmem_cache_recycled(range_cache);
}

static bool range_less(const struct tree_node *a, const struct tree_node *b)
{
	return tree_entry(a, struct kva_range, node)->mapped < tree_entry(b, struct kva_range, node)->mapped;
}

/* range_get: addresses for PAGES pages between two guard pages. */
static struct kva_range *range_get(size_t pages)
{
	struct kva_range *r = NULL;
	u32 order = 0;

	while ((1UL << order) < pages + 1) /* the guard above is the next range's guard below */
		order++;
	if (order >= ORDERS)
		return NULL;
	WITH_LOCK (&kva_lock) {
		if (!list_empty(&free_ranges[order])) {
			r = list_first(&free_ranges[order], struct kva_range, link);
			list_remove(&r->link);
		}
	}
	if (r)
		return r;
	r = kmem_cache_alloc(range_cache);
	if (!r)
		return NULL;
	r->order = order;
	list_init(&r->link);
	WITH_LOCK (&kva_lock) {
		r->start = next_address;
		if (next_address + (PAGE_SIZE << order) + PAGE_SIZE <= pmap_dynamic_end)
			next_address += PAGE_SIZE << order;
		else
			r->start = 0;
	}
	if (!r->start) {
		kmem_cache_free(range_cache, r);
		return NULL;
	}
	return r;
}

static void range_put(struct kva_range *r)
{
	WITH_LOCK (&kva_lock)
		list_push_front(&free_ranges[r->order], &r->link);
}

static void unmap_and_free(vaddr_t va, size_t pages)
{
	for (size_t i = 0; i < pages; i++) {
		paddr_t pa = pmap_kernel_remove(va + i * PAGE_SIZE);

		frame_put(pa);
	}
	__atomic_sub_fetch(&pages_used, pages, __ATOMIC_RELAXED);
}

static int map_fresh(vaddr_t va, size_t pages)
{
	__atomic_add_fetch(&pages_used, pages, __ATOMIC_RELAXED);
	for (size_t i = 0; i < pages; i++) {
		paddr_t pa = frame_alloc();

		if (pa && pmap_kernel_enter(va + i * PAGE_SIZE, pa, VM_READ | VM_WRITE) == 0)
			continue;
		if (pa)
			frame_put(pa);
		unmap_and_free(va, i);
		__atomic_sub_fetch(&pages_used, pages - i, __ATOMIC_RELAXED);
		return -1;
	}
	return 0;
}

void *kva_alloc_top(size_t mapped, size_t reserved)
{
	struct kva_range *r = range_get(reserved);

	if (!r)
		return NULL;
	r->pages = mapped;
	r->mapped =
	        r->start + (reserved - mapped + 1) * PAGE_SIZE; /* one guard page, then what is reserved */
	if (pmap_kernel_prepare(r->start, r->mapped) < 0 || map_fresh(r->mapped, mapped) < 0) {
		range_put(r);
		return NULL;
	}
	if (sabotage(stack_guard) && reserved > mapped)
		map_fresh(r->start, 1);
	WITH_LOCK (&kva_lock)
		tree_insert(&allocated, &r->node, range_less);
	return (void *)r->mapped;
}

void *kva_alloc(size_t pages)
{
	return kva_alloc_top(pages, pages);
}

void kva_extend(vaddr_t va, paddr_t frame)
{
	pmap_kernel_enter_prepared(va, frame, VM_READ | VM_WRITE);
	__atomic_add_fetch(&pages_used, 1, __ATOMIC_RELAXED);
}

paddr_t kva_retract(vaddr_t va)
{
	__atomic_sub_fetch(&pages_used, 1, __ATOMIC_RELAXED);
	return pmap_kernel_remove(va);
}

/* range_take: the allocated range that is mapped from VA on, no longer among them; or NULL. => kva_lock held */
static struct kva_range *range_take(vaddr_t va)
{
	struct tree_node *n = allocated.root;

	while (n) {
		struct kva_range *r = tree_entry(n, struct kva_range, node);

		if (r->mapped == va) {
			tree_remove(&allocated, n);
			return r;
		}
		n = va < r->mapped ? n->left : n->right;
	}
	return NULL;
}

void kva_free(void *p)
{
	struct kva_range *r = NULL;

	WITH_LOCK (&kva_lock)
		r = range_take((vaddr_t)p);
	assert(r); /* not ours, or freed twice */
	unmap_and_free(r->mapped, r->pages);
	range_put(r);
}

void *kva_map_device(paddr_t pa, size_t size, bool write_combining)
{
	paddr_t first = ALIGN_DOWN(pa, PAGE_SIZE);
	size_t pages = (ALIGN_UP(pa + size, PAGE_SIZE) - first) / PAGE_SIZE;
	u32 prot = VM_READ | VM_WRITE | (write_combining ? VM_WRITECOMB : VM_UNCACHED);
	struct kva_range *r = range_get(pages);

	for (size_t i = 0; r && i < pages; i++)
		if (pmap_kernel_enter(r->start + (i + 1) * PAGE_SIZE, first + i * PAGE_SIZE, prot) < 0)
			return NULL; /* at boot, out of memory: the addresses are the least loss */
	return r ? (void *)(r->start + PAGE_SIZE + (pa - first)) : NULL;
}

u64 kva_pages_used(void)
{
	return read_once(pages_used);
}
