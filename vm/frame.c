/* Frames: a list of those given back, and ranges of those never handed out, so that boot need not touch each. */
#include "vm/frame.h"
#include "hal/base/assert.h"
#include "hal/base/dmap.h"
#include "hal/base/log.h"
#include "hal/base/string.h"
#include "hal/cpu/percpu.h"
#include "hal/cpu/spinlock.h"
#include "kernel/abi/errno.h"
#include "vm/internal.h"

#define RANGES_MAX 128

/* Frames [next, end) were never handed out. */
struct frame_range {
	u64 next, end;
};

struct frame *frame_array;
paddr_t frame_zero;

static struct spinlock frame_lock = SPINLOCK_INIT("frame", RANK_FRAME);
static struct frame_range ranges[RANGES_MAX]; /* [frame_lock] the first range_count of them */
static u32 range_count;                       /* [frame_lock] */
static u32 free_list;                         /* [frame_lock] frame number, 0: empty (F1) */
static u32 zero_list;                         /* [frame_lock] of those that hold zeroes only */
static u64 free_count;                        /* [frame_lock] */
static u64 aside_count;                       /* [frame_lock] free too, but set aside (frame_commit) */
static u64 total_count;                       /* [frame_lock] */

#define KEEP_MAX 8
static struct frame_range kept[KEEP_MAX]; /* boot only */
static u32 kept_count;
static struct frame_range loader[RANGES_MAX]; /* boot only: what frame_reclaim will add */
static u32 loader_count;

static void range_add(u64 first, u64 end)
{
	if (first == 0) /* frame 0 stays out: address 0 means "none" */
		first = 1;
	if (first >= end || range_count == RANGES_MAX)
		return;
	ranges[range_count++] = (struct frame_range){first, end};
	free_count += end - first;
	total_count += end - first;
}

static const struct boot_mem *boot_map(const struct bootinfo *bi)
{
	return phys_to_virt(bi->mem);
}

void frame_init_early(const struct bootinfo *bi)
{
	const struct boot_mem *map = boot_map(bi);

	for (u64 i = 0; i < bi->mem_count; i++) {
		u64 first = map[i].base >> PAGE_SHIFT, end = first + map[i].pages;

		if (map[i].type == BOOT_MEM_USABLE)
			range_add(first, end);
		else if (map[i].type == BOOT_MEM_LOADER && loader_count < RANGES_MAX)
			loader[loader_count++] = (struct frame_range){first, end};
	}
}

/* Map the records of frames [first, end) where they are not mapped yet. */
static void records_map(const struct frame *array, u64 first, u64 end)
{
	vaddr_t va = ALIGN_DOWN((vaddr_t)&array[first], PAGE_SIZE);

	for (; va < (vaddr_t)&array[end]; va += PAGE_SIZE) {
		paddr_t pa;

		if (pmap_kernel_query(va, &pa, NULL))
			continue;
		pa = frame_alloc_zeroed();
		if (!pa || pmap_kernel_enter(va, pa, VM_READ | VM_WRITE) < 0)
			panic("out of memory for the frame records");
	}
}

static void records_fill(u64 first, u64 end)
{
	for (u64 i = first; i < end; i++)
		frame_array[i].refs = 1;
}

void frame_init(const struct bootinfo *bi)
{
	const struct boot_mem *map = boot_map(bi);
	struct frame *array = (struct frame *)pmap_frames_base;

	for (u64 i = 0; i < bi->mem_count; i++) {
		u64 first = map[i].base >> PAGE_SHIFT;

		if (map[i].type != BOOT_MEM_RESERVED && map[i].type != BOOT_MEM_MMIO)
			records_map(array, first, first + map[i].pages);
	}
	frame_array = array; /* until here frame_alloc did without records */
	/* What is not free has one owner: the kernel. */
	for (u64 i = 0; i < bi->mem_count; i++) {
		u64 first = map[i].base >> PAGE_SHIFT, end = first + map[i].pages;

		if (map[i].type == BOOT_MEM_LOADER || map[i].type == BOOT_MEM_IMAGE)
			records_fill(first, end);
		for (u32 r = 0; r < range_count; r++)
			if (ranges[r].end == end && ranges[r].next > first)
				records_fill(first, ranges[r].next);
	}
	frame_zero = frame_alloc_zeroed();
	if (!frame_zero)
		panic("out of memory at boot");
}

void frame_keep(paddr_t base, u64 size)
{
	assert(kept_count < KEEP_MAX);
	kept[kept_count++] = (struct frame_range){base >> PAGE_SHIFT, DIV_UP(base + size, PAGE_SIZE)};
}

static bool frame_is_kept(u64 pfn)
{
	for (u32 i = 0; i < kept_count; i++)
		if (pfn >= kept[i].next && pfn < kept[i].end)
			return true;
	return false;
}

void frame_reclaim(void)
{
	for (u32 i = 0; i < loader_count; i++)
		for (u64 pfn = loader[i].next; pfn < loader[i].end; pfn++) {
			if (pfn == 0 || frame_is_kept(pfn))
				continue;
			total_count++;
			frame_put(pfn << PAGE_SHIFT);
		}
	loader_count = 0;
}

#ifdef BULKHEAD_DEBUG
static void check_zero(paddr_t pa)
{
	const u64 *word = phys_to_virt(pa);

	for (u32 i = 0; i < PAGE_SIZE / sizeof(*word); i++)
		assert(word[i] == 0);
}
#else
static void check_zero(paddr_t pa)
{
}
#endif

/* other_take => frame_lock held; the number of a free frame when the list that was asked for is empty: of those given
 * back, of those never handed out, of those of zeroes */
static u64 __noinline other_take(void)
{
	u32 *list = free_list ? &free_list : &zero_list;
	u64 pfn;

	for (; !free_list && range_count; range_count--) {
		struct frame_range *r = &ranges[range_count - 1];

		if (r->next < r->end)
			return r->next++;
	}
	pfn = *list;
	if (pfn)
		*list = frame_array[pfn].next;
	return pfn;
}

/* frame_take: a frame of those that COUNT counts; one of zeroes if WANT_ZERO and there is one, else any: those of zeroes
 * last. */
static __inline_always paddr_t frame_take(u64 *count, bool want_zero, bool *ret_zero)
{
	u32 *list = &free_list;
	struct frame *f;
	u64 pfn = 0;

	spin_lock(&frame_lock);
	*ret_zero = want_zero && zero_list;
	if (*ret_zero)
		list = &zero_list;
	if (likely(*count)) {
		--*count;
		pfn = *list;
		if (likely(pfn))
			*list = frame_array[pfn].next;
		else
			pfn = other_take();
	}
	spin_unlock(&frame_lock);
	if (unlikely(!pfn)) {
		current_work_add(WORK_MEMORY);
		return 0;
	}
	if (likely(frame_array)) {
		f = &frame_array[pfn];
		assert(f->refs == 0); /* F1 */
		f->refs = 1;
		f->owner_data = 0;
	}
	return pfn << PAGE_SHIFT;
}

paddr_t frame_alloc(void)
{
	bool zero;

	return kmem_fail_now() ? 0 : frame_take(&free_count, false, &zero);
}

paddr_t frame_alloc_zeroed(void)
{
	bool zero;
	paddr_t pa;

	if (kmem_fail_now())
		return 0;
	pa = frame_take(&free_count, true, &zero);
	if (pa && !zero)
		page_zero(phys_to_virt(pa));
	else if (pa)
		check_zero(pa);
	return pa;
}

static void free_add(u64 *count, u32 *list, struct frame *f, paddr_t pa)
{
	spin_lock(&frame_lock);
	f->next = *list;
	*list = (u32)(pa >> PAGE_SHIFT);
	++*count;
	spin_unlock(&frame_lock);
}

void frame_put(paddr_t pa)
{
	struct frame *f = frame_of(pa);

	assert(f->refs != 0); /* F1 */
	if (ref_put(&f->refs))
		free_add(&free_count, &free_list, f, pa);
}

void frame_put_zeroed(paddr_t pa)
{
	struct frame *f = frame_of(pa);

	assert(f->refs == 1); /* F1 */
	f->refs = 0;
	free_add(&free_count, &zero_list, f, pa);
}

int frame_commit(u32 n)
{
	bool ok;

	spin_lock(&frame_lock);
	ok = free_count >= n;
	if (ok) {
		free_count -= n;
		aside_count += n;
	}
	spin_unlock(&frame_lock);
	if (unlikely(!ok))
		current_work_add(WORK_MEMORY);
	return ok ? 0 : -ENOMEM;
}

void frame_uncommit(u32 n)
{
	spin_lock(&frame_lock);
	assert(aside_count >= n);
	aside_count -= n;
	free_count += n;
	spin_unlock(&frame_lock);
}

paddr_t frame_alloc_committed(void)
{
	bool zero;
	paddr_t pa = frame_take(&aside_count, false, &zero);

	assert(pa);
	return pa;
}

void frame_put_committed(paddr_t pa)
{
	struct frame *f = frame_of(pa);

	assert(f->refs == 1); /* F1 */
	f->refs = 0;
	free_add(&aside_count, &free_list, f, pa);
}

u64 frame_total(void)
{
	return read_once(total_count);
}

u64 frame_free_count(void)
{
	return read_once(free_count);
}
