/* The kernel heap. A slab is one page: a header, then objects of one cache. Free objects of a slab form a list
 * through their first word. Sizes above the largest cache are whole frames, or come from the dynamic area. */
#include "vm/kmem.h"
#include "hal/base/assert.h"
#include "hal/base/dmap.h"
#include "hal/base/list.h"
#include "hal/base/sabotage.h"
#include "hal/base/string.h"
#include "hal/cpu/percpu.h"
#include "hal/cpu/spinlock.h"
#include "vm/frame.h"
#include "vm/internal.h"
#include "vm/kva.h"

struct slab {
	struct list link;         /* [cache lock] cache->partial or cache->full */
	struct kmem_cache *cache; /* [I] */
	void *free;               /* [cache lock] */
	u32 used;                 /* [cache lock] */
};

struct kmem_cache {
	const char *name; /* [I] */
	struct spinlock lock;
	u32 size;            /* [I] bytes of an object as handed out */
	u32 stride;          /* [I] from an object to the next, red zone included */
	u32 first;           /* [I] offset of the first object in a slab */
	u32 per_slab;        /* [I] */
	struct list partial; /* [lock] slabs with a free object; wholly free ones at the end */
	struct list full;    /* [lock] */
	u32 empty;           /* [lock] wholly free slabs in partial */
	u32 slabs;           /* [lock] frames held */
	bool recycled;       /* [I] see kmem_cache_recycled */
	u64 used;            /* [lock] living objects */
};

#define CACHES_MAX 48
static struct kmem_cache caches[CACHES_MAX]; /* [I] after boot */
static u32 cache_count;                      /* [I] after boot */

static const u16 sizes[] = {16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 672, 1008, 1344, 2000};
/* clang-format off */
static const char *const size_names[] = {
	"kmalloc-16", "kmalloc-32", "kmalloc-48", "kmalloc-64", "kmalloc-96", "kmalloc-128",
	"kmalloc-192", "kmalloc-256", "kmalloc-384", "kmalloc-512", "kmalloc-672", "kmalloc-1008",
	"kmalloc-1344", "kmalloc-2000"
};
/* clang-format on */
static struct kmem_cache *size_cache[ARRAY_SIZE(sizes)];
static u8 size_index[2000 / 16 + 1]; /* [I] (size + 15) / 16 -> the cache's index */

static u64 large_bytes; /* [atomic] in whole frames and the dynamic area */

/* --- the testing build's checks --- */
#ifdef BULKHEAD_TESTING
#define RED_ZONE 8
#define RED_LIVING 0x5ca1ab1e5ca1ab1eUL
#define RED_FREE 0xdeadfeeddeadfeedUL
#define POISON 0x6b

static u64 *red_zone(const struct kmem_cache *c, void *p)
{
	return p + c->size;
}

static void check_alloc(struct kmem_cache *c, void *p)
{
	const u8 *bytes = p;

	if (*red_zone(c, p) != RED_FREE)
		panic("heap: %s: free object was overrun", c->name);
	for (u32 i = sizeof(void *); i < c->size && !sabotage(poison); i++)
		if (bytes[i] != POISON)
			panic("heap: %s: written after free at byte %u", c->name, i);
	*red_zone(c, p) = RED_LIVING;
}

static void check_free(struct kmem_cache *c, void *p)
{
	if (*red_zone(c, p) == RED_FREE && !sabotage(red_zone) && !sabotage(double_free))
		panic("heap: %s: freed twice", c->name);
	if (*red_zone(c, p) != RED_LIVING && !sabotage(red_zone))
		panic("heap: %s: object was overrun", c->name);
	*red_zone(c, p) = RED_FREE;
	memset(p, POISON, c->size);
}

static void check_fresh(struct kmem_cache *c, void *p)
{
	memset(p, POISON, c->size);
	*red_zone(c, p) = RED_FREE;
}

static u64 fail_countdown;               /* [atomic] 0: never */
static const struct thread *fail_thread; /* [atomic] whose allocations count */

bool kmem_fail_now(void)
{
	return unlikely(read_once(fail_countdown)) && read_once(fail_thread) == thread_current() &&
	       atomic_sub(&fail_countdown, 1) == 0;
}

void kmem_fail_after(u64 n)
{
	atomic_store(&fail_countdown, 0);
	atomic_store(&fail_thread, thread_current());
	atomic_store(&fail_countdown, n);
}

u64 kmem_fail_left(void)
{
	return atomic_load(&fail_countdown);
}
#else
#define RED_ZONE 0
static void check_alloc(struct kmem_cache *c, void *p)
{
}
static void check_free(struct kmem_cache *c, void *p)
{
}
static void check_fresh(struct kmem_cache *c, void *p)
{
}
#endif

static void cache_setup(struct kmem_cache *c, const char *name, size_t size, size_t align)
{
	size = ALIGN_UP(MAX(size, sizeof(void *)), 8UL);
	*c = (struct kmem_cache){
	        .name = name,
	        .lock = SPINLOCK_INIT(name, RANK_KMEM),
	        .size = (u32)size,
	        .stride = (u32)ALIGN_UP(size + RED_ZONE, align),
	        .first = (u32)ALIGN_UP(sizeof(struct slab), align),
	};
	c->per_slab = (u32)((PAGE_SIZE - c->first) / c->stride);
	list_init(&c->partial);
	list_init(&c->full);
	assert(c->per_slab > 0 && align >= 8 && align <= 64);
}

struct kmem_cache *kmem_cache_create(const char *name, size_t size, size_t align)
{
	assert(cache_count < CACHES_MAX);
	cache_setup(&caches[cache_count], name, size, align);
	return &caches[cache_count++];
}

void kmem_init(void)
{
	u32 index = 0;

	for (u32 i = 0; i < ARRAY_SIZE(sizes); i++)
		size_cache[i] = kmem_cache_create(size_names[i], sizes[i], 16);
	for (u32 i = 0; i < ARRAY_SIZE(size_index); i++) {
		while (sizes[index] < i * 16)
			index++;
		size_index[i] = (u8)index;
	}
}

static inline struct slab *slab_of(void *p)
{
	return (struct slab *)ALIGN_DOWN((u64)p, PAGE_SIZE);
}

/* slab_create: a wholly free slab in c->partial. => cache lock held; false: out of memory */
static bool slab_create(struct kmem_cache *c)
{
	paddr_t pa = frame_alloc();

	if (!pa)
		return false;
	struct slab *s = phys_to_virt(pa);
	s->cache = c;
	s->used = 0;
	s->free = NULL;
	for (u32 i = c->per_slab; i-- > 0;) {
		void *p = (void *)s + c->first + i * c->stride;

		check_fresh(c, p);
		*(void **)p = s->free;
		s->free = p;
	}
	list_push_back(&c->partial, &s->link);
	c->empty++;
	c->slabs++;
	return true;
}

void *kmem_cache_alloc(struct kmem_cache *c)
{
	void *p = NULL;

	if (kmem_fail_now())
		return NULL;
	spin_lock(&c->lock);
	if (!list_empty(&c->partial) || slab_create(c)) {
		struct slab *s = list_first(&c->partial, struct slab, link);

		p = s->free;
		s->free = *(void **)p;
		check_alloc(c, p);
		c->used++;
		if (s->used++ == 0)
			c->empty--;
		if (!s->free) {
			list_remove(&s->link);
			list_push_front(&c->full, &s->link);
		}
	}
	spin_unlock(&c->lock);
	return p;
}

void kmem_cache_free(struct kmem_cache *c, void *p)
{
	struct slab *s = slab_of(p);
	struct slab *excess = NULL;

	if (sabotage(heap_leak) && (u64)p / c->stride % 64 == 0)
		return;
	spin_lock(&c->lock);
	assert(s->cache == c);
	check_free(c, p);
	if (!s->free) {
		list_remove(&s->link);
		list_push_front(&c->partial, &s->link);
	}
	*(void **)p = s->free;
	s->free = p;
	c->used--;
	if (--s->used == 0) {
		list_remove(&s->link);
		if (c->empty) { /* one is kept against going to and fro */
			excess = s;
			c->slabs--;
		} else {
			c->empty++;
			list_push_back(&c->partial, &s->link);
		}
	}
	spin_unlock(&c->lock);
	if (excess)
		frame_put(virt_to_phys(excess));
}

/* --- any size --- */

/* A large block's size lies in its (first) frame's record. */
static void *large_alloc(size_t size)
{
	size_t pages = DIV_UP(size, PAGE_SIZE);
	void *p = NULL;

	if (pages == 1) {
		paddr_t pa = frame_alloc();

		p = pa ? phys_to_virt(pa) : NULL;
	} else {
		p = kva_alloc(pages);
	}
	if (p)
		__atomic_add_fetch(&large_bytes, pages == 1 ? PAGE_SIZE : 0, __ATOMIC_RELAXED);
	return p;
}

static void large_free(void *p)
{
	if ((vaddr_t)p >= pmap_dynamic_start && (vaddr_t)p < pmap_dynamic_end) {
		kva_free(p);
		return;
	}
	__atomic_sub_fetch(&large_bytes, PAGE_SIZE, __ATOMIC_RELAXED);
	frame_put(virt_to_phys(p));
}

void *kmalloc(size_t size)
{
	if (size > sizes[ARRAY_SIZE(sizes) - 1])
		return large_alloc(size);
	return kmem_cache_alloc(size_cache[size_index[(size + 15) / 16]]);
}

void *kzalloc(size_t size)
{
	void *p = kmalloc(size);

	if (p)
		memset(p, 0, size);
	return p;
}

void kfree(void *p)
{
	if (!p)
		return;
	if (((u64)p & PAGE_MASK) == 0)
		large_free(p);
	else
		kmem_cache_free(slab_of(p)->cache, p);
}

char *kstrdup(const char *s)
{
	size_t n = strlen(s) + 1;
	char *copy = kmalloc(n);

	if (copy)
		memcpy(copy, s, n);
	return copy;
}

/* --- accounts --- */

void kmem_cache_recycled(struct kmem_cache *c)
{
	c->recycled = true;
}

u64 kmem_bytes_used(void)
{
	u64 total = read_once(large_bytes);

	for (u32 i = 0; i < cache_count; i++)
		if (!caches[i].recycled)
			total += read_once(caches[i].used) * caches[i].size;
	return total;
}

u64 kmem_slab_frames(void)
{
	u64 total = 0;

	for (u32 i = 0; i < cache_count; i++)
		total += read_once(caches[i].slabs);
	return total;
}

u64 kmem_cache_used(const struct kmem_cache *c)
{
	return c->recycled ? 0 : read_once(c->used);
}

bool kmem_cache_living(u32 index, const char **ret_name, u64 *ret_count)
{
	if (index >= cache_count)
		return false;
	*ret_name = caches[index].name;
	*ret_count = kmem_cache_used(&caches[index]);
	return true;
}
