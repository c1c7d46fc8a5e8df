/* Tests of vm/aspace.c, vm/fault.c and vm/object.c. */
#include "vm/aspace.h"
#include "hal/base/string.h"
#include "kernel/abi/errno.h"
#include "testsuite/kern/kern.h"
#include "vm/frame.h"
#include "vm/kmem.h"

#define AT 0x10000000UL
#define RW (VM_READ | VM_WRITE)

static struct aspace *make(u64 pages)
{
	struct map_request req = {
	        .addr = AT, .len = pages * PAGE_SIZE, .prot = RW, .max_prot = RW | VM_EXEC, .fixed = true};
	struct aspace *as;
	vaddr_t got;

	if (aspace_create(&as) < 0)
		return NULL;
	if (aspace_map(as, &req, &got) < 0 || got != AT) {
		aspace_put(as);
		return NULL;
	}
	return as;
}

/* Free frames, when the heap's caches hold what a fork and an object need. */
static u64 frames_before(void)
{
	struct aspace *a = make(1), *b;
	struct vmobject *o;

	if (a && aspace_fork(a, &b) == 0)
		aspace_put(b);
	if (a)
		aspace_put(a);
	if (object_create(PAGE_SIZE, &o) == 0) {
		object_write(o, 0, "x", 1);
		object_put(o);
	}
	return frame_free_count();
}

static paddr_t frame_at(struct aspace *as, vaddr_t va, u32 *ret_prot)
{
	paddr_t pa = 0;

	*ret_prot = 0;
	pmap_query(&as->pmap, va, &pa, ret_prot);
	return pa;
}

KERNEL_TEST(demand_zero,
            "[V3] a region costs no frame before it is touched; a read shares the frame of zeroes")
{
	u64 before = frames_before();
	struct aspace *as = make(1000);
	u64 made;
	u32 prot;

	KT_ASSERT(as);
	made = frame_free_count();
	KT_CHECK(before - made < 8);
	KT_CHECK(aspace_fault(as, AT, VM_READ) == 0);
	KT_CHECK(frame_at(as, AT, &prot) == frame_zero && !(prot & VM_WRITE));
	KT_CHECK(aspace_fault(as, AT, VM_WRITE) == 0);
	KT_CHECK(frame_at(as, AT, &prot) != frame_zero && prot & VM_WRITE);
	KT_CHECK(frame_refs(frame_at(as, AT, &prot)) == 1);
	aspace_put(as);
	KT_CHECK(frame_free_count() == before);
}

KERNEL_TEST(fault_errors, "[V3] faults: no region, a right that is missing")
{
	u64 before = frames_before();
	struct aspace *as = make(4);

	KT_ASSERT(as);
	KT_CHECK(aspace_fault(as, AT - PAGE_SIZE, VM_READ) == -EFAULT);
	KT_CHECK(aspace_fault(as, AT + 4 * PAGE_SIZE, VM_WRITE) == -EFAULT);
	KT_CHECK(aspace_fault(as, AT, VM_EXEC) == -EACCES);
	KT_CHECK(aspace_protect(as, AT, PAGE_SIZE, VM_READ) == 0);
	KT_CHECK(aspace_fault(as, AT, VM_WRITE) == -EACCES);
	KT_CHECK(aspace_protect(as, AT, PAGE_SIZE, 0) == 0);
	KT_CHECK(aspace_fault(as, AT, VM_READ) == -EACCES);
	KT_CHECK(aspace_protect(as, AT, 5 * PAGE_SIZE, VM_READ) == -ENOMEM);
	aspace_put(as);
	KT_CHECK(frame_free_count() == before);
}

KERNEL_TEST(write_exec_refused, "[V5] a region that is writable and executable at once is refused")
{
	struct map_request req = {.len = PAGE_SIZE, .prot = RW | VM_EXEC, .max_prot = RW | VM_EXEC};
	struct aspace *as = make(1);
	vaddr_t got;

	KT_ASSERT(as);
	KT_CHECK(aspace_map(as, &req, &got) == -EACCES);
	KT_CHECK(aspace_protect(as, AT, PAGE_SIZE, RW | VM_EXEC) == -EACCES);
	KT_CHECK(aspace_protect(as, AT, PAGE_SIZE, VM_READ | VM_EXEC) == 0);
	aspace_put(as);
}

KERNEL_TEST(fork_copies_on_write,
            "[V2] after fork each writer copies for itself, the last owner writes without a copy")
{
	u64 before = frames_before();
	struct aspace *a = make(4), *b;
	paddr_t shared, copy;
	char text[8] = {0};
	u32 prot;

	KT_ASSERT(a);
	KT_ASSERT(aspace_write(a, AT, "parent", 7) == 0);
	shared = frame_at(a, AT, &prot);
	KT_ASSERT(aspace_fork(a, &b) == 0);
	KT_CHECK(frame_at(b, AT, &prot) == shared && !(prot & VM_WRITE));
	KT_CHECK(frame_at(a, AT, &prot) == shared && !(prot & VM_WRITE));
	KT_CHECK(frame_refs(shared) == 2);

	KT_CHECK(aspace_write(b, AT, "child", 6) == 0);
	copy = frame_at(b, AT, &prot);
	KT_CHECK(copy != shared && prot & VM_WRITE && frame_refs(copy) == 1 && frame_refs(shared) == 1);
	KT_CHECK(aspace_read(a, AT, text, 7) == 0 && strcmp(text, "parent") == 0);
	KT_CHECK(aspace_read(b, AT, text, 6) == 0 && strcmp(text, "child") == 0);

	KT_CHECK(aspace_fault(a, AT, VM_WRITE) == 0); /* the last owner */
	KT_CHECK(frame_at(a, AT, &prot) == shared && prot & VM_WRITE);
	aspace_put(b);
	aspace_put(a);
	KT_CHECK(frame_free_count() == before);
}

KERNEL_TEST(fork_generations, "[V1] [V2] counts are right over six generations and any order of ends")
{
	enum {
		N = 6
	};
	static const u8 order[N] = {3, 0, 5, 1, 4, 2};
	u64 before = frames_before();
	struct aspace *as[N];
	paddr_t first;
	u8 c;
	u32 prot;

	as[0] = make(8);
	KT_ASSERT(as[0]);
	for (u32 i = 0; i < 8; i++)
		KT_ASSERT(aspace_write(as[0], AT + i * PAGE_SIZE, "\0", 1) == 0);
	first = frame_at(as[0], AT + 7 * PAGE_SIZE, &prot);
	for (u32 g = 1; g < N; g++) {
		KT_ASSERT(aspace_fork(as[g - 1], &as[g]) == 0);
		c = (u8)g;
		KT_ASSERT(aspace_write(as[g], AT + g * PAGE_SIZE, &c, 1) == 0);
	}
	KT_CHECK(frame_refs(first) == N);
	for (u32 g = 0; g < N; g++)
		for (u32 i = 1; i < 8; i++) {
			KT_CHECK(aspace_read(as[g], AT + i * PAGE_SIZE, &c, 1) == 0);
			KT_CHECK(c == (i <= g && i < N ? i : 0));
		}
	for (u32 i = 0; i < N; i++) {
		KT_CHECK(frame_refs(first) == N - i);
		aspace_put(as[order[i]]);
	}
	KT_CHECK(frame_refs(first) == 0);
	KT_CHECK(frame_free_count() == before);
}

KERNEL_TEST(unmap_and_split, "[V1] unmapping and protecting parts splits regions, and no frame is lost")
{
	u64 before = frames_before();
	struct aspace *as = make(64);

	KT_ASSERT(as);
	for (u32 i = 0; i < 64; i++)
		KT_ASSERT(aspace_fault(as, AT + i * PAGE_SIZE, VM_WRITE) == 0);
	KT_CHECK(aspace_resident(as) == 64);
	for (u32 i = 0; i < 64; i += 4)
		KT_CHECK(aspace_unmap(as, AT + i * PAGE_SIZE, PAGE_SIZE) == 0);
	KT_CHECK(aspace_resident(as) == 48);
	KT_CHECK(as->region_count == 16);
	for (u32 i = 1; i < 64; i += 4)
		KT_CHECK(aspace_protect(as, AT + i * PAGE_SIZE, PAGE_SIZE, VM_READ) == 0);
	KT_CHECK(as->region_count == 32);
	KT_CHECK(aspace_discard(as, AT + 2 * PAGE_SIZE, PAGE_SIZE, false) == 0);
	KT_CHECK(aspace_resident(as) == 47);
	for (u32 i = 1; i < 64; i += 4)
		KT_CHECK(aspace_protect(as, AT + i * PAGE_SIZE, PAGE_SIZE, RW) == 0);
	KT_CHECK(as->region_count == 16); /* A3 */
	KT_CHECK(aspace_unmap(as, AT, 64 * PAGE_SIZE) == 0);
	KT_CHECK(as->region_count == 0 && as->size == 0);
	aspace_put(as);
	KT_CHECK(frame_free_count() == before);
}

KERNEL_TEST(kernel_half_refused, "[P2] no region reaches zero or the kernel's half")
{
	static const u64 bad[] = {0,         0x1000,     USER_MAX,  USER_MAX - PAGE_SIZE + 1,
	                          1UL << 47, ~0UL << 47, -PAGE_SIZE};
	struct aspace *as = make(1);
	vaddr_t got;

	KT_ASSERT(as);
	for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
		struct map_request req = {
		        .addr = bad[i], .len = 2 * PAGE_SIZE, .prot = VM_READ, .max_prot = RW, .fixed = true};

		KT_CHECK(aspace_map(as, &req, &got) < 0);
	}
	aspace_put(as);
}

KERNEL_TEST(shared_object, "[V3] an object's page is one frame for all who map it, and goes with the last")
{
	u64 before = frames_before();
	struct vmobject *o;
	struct aspace *a = make(1), *b = make(1);
	struct map_request req = {.addr = 2 * AT,
	                          .len = 2 * PAGE_SIZE,
	                          .prot = RW,
	                          .max_prot = RW,
	                          .flags = REGION_SHARED,
	                          .fixed = true};
	vaddr_t got;
	u32 prot;
	u8 c = 0;

	KT_ASSERT(a && b && object_create(2 * PAGE_SIZE, &o) == 0);
	req.object = o;
	KT_ASSERT(aspace_map(a, &req, &got) == 0 && aspace_map(b, &req, &got) == 0);
	KT_CHECK(aspace_write(a, 2 * AT + 5, "s", 1) == 0);
	KT_CHECK(aspace_read(b, 2 * AT + 5, &c, 1) == 0 && c == 's');
	KT_CHECK(frame_at(a, 2 * AT, &prot) == frame_at(b, 2 * AT, &prot));
	KT_CHECK(object_read(o, 5, &c, 1) == 1 && c == 's');
	KT_CHECK(aspace_fault(a, 2 * AT + PAGE_SIZE, VM_WRITE) == 0);
	object_resize(o, PAGE_SIZE);
	KT_CHECK(frame_at(a, 2 * AT + PAGE_SIZE, &prot) == 0);
	KT_CHECK(aspace_fault(b, 2 * AT + PAGE_SIZE, VM_READ) == -ENXIO);
	object_put(o);
	aspace_put(a);
	KT_CHECK(aspace_read(b, 2 * AT + 5, &c, 1) == 0 && c == 's');
	aspace_put(b);
	KT_CHECK(frame_free_count() == before);
}

KERNEL_TEST(object_holes, "[V3] an object: holes read as zeroes and cost nothing, far pages, shrinking")
{
	u64 before = frames_before(), far = 1UL << 33;
	struct vmobject *o;
	u8 buf[16];
	paddr_t pa;

	KT_ASSERT(object_create(0, &o) == 0);
	KT_CHECK(object_write(o, 0, "start", 5) == 5);
	KT_CHECK(object_write(o, far, "end", 3) == 3);
	KT_CHECK(o->size == far + 3 && o->pages == 2);
	KT_CHECK(object_page(o, 100, false, &pa) == -ENOENT);
	memset(buf, 1, sizeof(buf));
	KT_CHECK(object_read(o, 3, buf, 16) == 16 && memcmp(buf, "rt\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16) == 0);
	KT_CHECK(object_read(o, far, buf, 16) == 3 && memcmp(buf, "end", 3) == 0);
	KT_CHECK(object_read(o, far + 3, buf, 16) == 0);
	object_resize(o, 3);
	KT_CHECK(o->pages == 1);
	KT_CHECK(object_page(o, 5, true, &pa) == -ERANGE);
	object_resize(o, 100);
	KT_CHECK(object_read(o, 0, buf, 16) == 16 && memcmp(buf, "sta\0\0\0\0\0\0\0\0\0\0\0\0\0", 16) == 0);
	object_put(o);
	KT_CHECK(frame_free_count() + 8 >= before);
}

KERNEL_TEST(break_moves, "[P9] brk grows and shrinks, and never below its start or over a region")
{
	struct aspace *as = make(1);
	vaddr_t start = AT - 100 * PAGE_SIZE;

	KT_ASSERT(as);
	as->brk_start = as->brk = start;
	KT_CHECK(aspace_brk(as, 0) == start);
	KT_CHECK(aspace_brk(as, start + 10 * PAGE_SIZE) == start + 10 * PAGE_SIZE);
	KT_CHECK(aspace_write(as, start + 9 * PAGE_SIZE, "x", 1) == 0);
	KT_CHECK(aspace_brk(as, start - 1) == start + 10 * PAGE_SIZE);
	KT_CHECK(aspace_brk(as, AT + PAGE_SIZE) == start + 10 * PAGE_SIZE);
	KT_CHECK(aspace_brk(as, start + 5 * PAGE_SIZE) == start + 5 * PAGE_SIZE);
	KT_CHECK(aspace_fault(as, start + 9 * PAGE_SIZE, VM_READ) == -EFAULT);
	aspace_put(as);
}

KERNEL_TEST(placement_random, "[V4] offsets are page-aligned and use all their bits")
{
	u64 ones = 0;

	if (!aspace_randomize) /* norandmaps */
		return;
	for (u32 i = 0; i < 200; i++) {
		u64 r = aspace_random(28);

		KT_CHECK((r & PAGE_MASK) == 0);
		KT_CHECK(r < 1UL << (28 + PAGE_SHIFT));
		ones |= r;
	}
	KT_CHECK(ones == (1UL << (28 + PAGE_SHIFT)) - PAGE_SIZE);
}
