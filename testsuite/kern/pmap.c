/* Tests of vm/pmap.c: a walk of the live tables. */
#include "vm/pmap.h"
#include "testsuite/kern/kern.h"
#include "vm/frame.h"

extern char text_start[], text_end[], rodata_start[], rodata_end[], data_start[], image_end[],
        boot_stack_guard[];

struct audit {
	u64 write_exec, low, user, exec_outside;
	u64 hash, entries;
};

static void audit_run(vaddr_t start, vaddr_t end, paddr_t pa, u32 prot, void *arg)
{
	struct audit *a = arg;
	bool exec = prot & VM_EXEC, write = prot & VM_WRITE;

	a->write_exec += exec && write;
	a->low += start < ~0UL << 47;
	a->user += !!(prot & VM_USER);
	a->exec_outside += exec && (start < (u64)text_start || end > (u64)text_end);
	if (start >= ~0UL << 47) {
		a->hash = (a->hash ^ start ^ end ^ pa << 3 ^ prot) * 0x100000001b3UL;
		a->entries++;
	}
}

KERNEL_TEST(no_write_exec, "[B3] nothing in the kernel's tables is writable and executable at once")
{
	struct audit a = {0};

	pmap_audit(NULL, audit_run, &a);
	KT_CHECK(a.entries > 10);
	KT_CHECK(a.write_exec == 0);
}

KERNEL_TEST(nothing_low,
            "[B3] nothing is mapped at zero or anywhere in ring 3's half; firmware's mappings are gone")
{
	struct audit a = {0};

	pmap_audit(NULL, audit_run, &a);
	KT_CHECK(a.low == 0);
	KT_CHECK(a.user == 0);
}

KERNEL_TEST(only_text_executes, "[B3] only the kernel's text executes: no direct map, no heap, no stack")
{
	struct audit a = {0};

	pmap_audit(NULL, audit_run, &a);
	KT_CHECK(a.exec_outside == 0);
}

static u32 rights_at(vaddr_t va)
{
	paddr_t pa;
	u32 prot;

	if (!pmap_kernel_query(va, &pa, &prot))
		return 0;
	return prot & (VM_READ | VM_WRITE | VM_EXEC);
}

static void check_range(const char *start, const char *end, u32 want)
{
	for (const char *p = start; p < end; p += PAGE_SIZE)
		KT_ASSERT(rights_at((vaddr_t)p) == want);
}

KERNEL_TEST(image_sections, "[B3] text r-x, rodata r--, data rw-, and a guard below the boot stack")
{
	check_range(text_start, text_end, VM_READ | VM_EXEC);
	check_range(rodata_start, rodata_end, VM_READ);
	check_range(data_start, boot_stack_guard, VM_READ | VM_WRITE);
	check_range(boot_stack_guard + PAGE_SIZE, image_end, VM_READ | VM_WRITE);
	KT_CHECK(rights_at((vaddr_t)boot_stack_guard) == 0);
	KT_CHECK(rights_at((vaddr_t)text_start - PAGE_SIZE) == 0);
}

KERNEL_TEST(upper_half_same,
            "[P2] a fresh address space has the kernel's half, entry by entry, and nothing below")
{
	struct audit kernel = {0}, fresh = {0};
	struct pmap pm;

	KT_ASSERT(pmap_create(&pm) == 0);
	pmap_audit(NULL, audit_run, &kernel);
	pmap_audit(&pm, audit_run, &fresh);
	KT_CHECK(kernel.entries == fresh.entries && kernel.hash == fresh.hash);
	KT_CHECK(fresh.low == 0);
	pmap_destroy(&pm);
}

KERNEL_TEST(upper_half_later, "[P2] what the kernel maps later is in every address space at once")
{
	paddr_t pa = frame_alloc(), got;
	struct audit kernel = {0}, fresh = {0};
	vaddr_t va = pmap_dynamic_end - 16 * PAGE_SIZE;
	struct pmap pm;

	KT_ASSERT(pa && pmap_create(&pm) == 0);
	KT_ASSERT(pmap_kernel_enter(va, pa, VM_READ | VM_WRITE) == 0);
	pmap_audit(NULL, audit_run, &kernel);
	pmap_audit(&pm, audit_run, &fresh);
	KT_CHECK(kernel.hash == fresh.hash);
	KT_CHECK(pmap_query(&pm, va, &got, NULL) && got == pa);
	KT_CHECK(pmap_kernel_remove(va) == pa);
	KT_CHECK(!pmap_query(&pm, va, &got, NULL));
	frame_put(pa);
	pmap_destroy(&pm);
}

static int enter(struct pmap *pm, vaddr_t va, paddr_t pa, u32 prot)
{
	struct page_slot slot;

	pmap_find(pm, va, &slot);
	return pmap_enter(pm, &slot, pa, prot);
}

KERNEL_TEST(enter_and_remove,
            "[V1] a mapping takes over one reference, removing it drops that one; tables go back")
{
	u64 before = frame_free_count();
	paddr_t pa = frame_alloc(), got;
	struct pmap pm;
	u32 prot;

	KT_ASSERT(pa && pmap_create(&pm) == 0);
	for (u32 i = 0; i < 20; i++) {
		vaddr_t va = USER_MIN + i * 0x7f3219000UL;

		frame_get(pa);
		KT_ASSERT(enter(&pm, va, pa, VM_READ | (i % 2 ? VM_WRITE : VM_EXEC)) == 0);
		KT_CHECK(pmap_query(&pm, va, &got, &prot) && got == pa);
		KT_CHECK(prot == (VM_READ | VM_USER | (i % 2 ? VM_WRITE : VM_EXEC)));
	}
	KT_CHECK(frame_refs(pa) == 21);
	KT_CHECK(pmap_resident(&pm, USER_MIN, USER_MAX) == 20);
	pmap_remove(&pm, USER_MIN, USER_MAX);
	KT_CHECK(frame_refs(pa) == 1);
	KT_CHECK(pm.tables == 0);
	pmap_destroy(&pm);
	frame_put(pa);
	KT_CHECK(frame_free_count() == before);
}

KERNEL_TEST(fork_shares, "[V2] pmap_fork: both sides read-only, one reference more for each page")
{
	u64 before = frame_free_count();
	struct pmap a, b;
	paddr_t pa[8], got;
	u32 prot;

	KT_ASSERT(pmap_create(&a) == 0 && pmap_create(&b) == 0);
	for (u32 i = 0; i < 8; i++) {
		pa[i] = frame_alloc();
		KT_ASSERT(pa[i] && enter(&a, USER_MIN + i * PAGE_SIZE, pa[i], VM_READ | VM_WRITE) == 0);
	}
	KT_ASSERT(pmap_fork(&b, &a, USER_MIN, USER_MIN + 8 * PAGE_SIZE, true) == 0);
	for (u32 i = 0; i < 8; i++) {
		vaddr_t va = USER_MIN + i * PAGE_SIZE;

		KT_CHECK(frame_refs(pa[i]) == 2);
		KT_CHECK(pmap_query(&a, va, &got, &prot) && got == pa[i] && !(prot & VM_WRITE));
		KT_CHECK(pmap_query(&b, va, &got, &prot) && got == pa[i] && !(prot & VM_WRITE));
	}
	pmap_protect(&a, USER_MIN, USER_MIN + PAGE_SIZE, VM_READ | VM_WRITE, false);
	KT_CHECK(pmap_query(&a, USER_MIN, &got, &prot) && !(prot & VM_WRITE)); /* F3 */
	pmap_remove(&b, USER_MIN, USER_MAX);
	KT_CHECK(frame_refs(pa[0]) == 1);
	pmap_protect(&a, USER_MIN, USER_MIN + PAGE_SIZE, VM_READ | VM_WRITE, false);
	KT_CHECK(pmap_query(&a, USER_MIN, &got, &prot) && prot & VM_WRITE);
	pmap_remove(&a, USER_MIN, USER_MAX);
	pmap_destroy(&a);
	pmap_destroy(&b);
	KT_CHECK(frame_free_count() == before);
}

KERNEL_TEST(move_entries, "[V1] pmap_move: frames keep their counts, the old place is empty")
{
	u64 before = frame_free_count();
	vaddr_t to = USER_MIN + 0x123456000;
	paddr_t pa[5], got;
	struct pmap pm;

	KT_ASSERT(pmap_create(&pm) == 0);
	for (u32 i = 0; i < 5; i++) {
		pa[i] = frame_alloc();
		KT_ASSERT(pa[i] && enter(&pm, USER_MIN + 2 * i * PAGE_SIZE, pa[i], VM_READ) == 0);
	}
	KT_ASSERT(pmap_move(&pm, USER_MIN, to, 10 * PAGE_SIZE) == 0);
	for (u32 i = 0; i < 5; i++) {
		KT_CHECK(!pmap_query(&pm, USER_MIN + 2 * i * PAGE_SIZE, &got, NULL));
		KT_CHECK(pmap_query(&pm, to + 2 * i * PAGE_SIZE, &got, NULL) && got == pa[i]);
		KT_CHECK(!pmap_query(&pm, to + (2 * i + 1) * PAGE_SIZE, &got, NULL));
		KT_CHECK(frame_refs(pa[i]) == 1);
	}
	pmap_remove(&pm, USER_MIN, USER_MAX);
	pmap_destroy(&pm);
	KT_CHECK(frame_free_count() == before);
}

KERNEL_TEST(no_access_pages, "[V3] a page without any right keeps its frame and contents")
{
	u64 before = frame_free_count();
	paddr_t pa = frame_alloc(), got;
	struct pmap pm;
	u32 prot;

	KT_ASSERT(pa && pmap_create(&pm) == 0);
	KT_ASSERT(enter(&pm, USER_MIN, pa, VM_READ | VM_WRITE) == 0);
	pmap_protect(&pm, USER_MIN, USER_MIN + PAGE_SIZE, 0, false);
	KT_CHECK(pmap_query(&pm, USER_MIN, &got, &prot) && got == pa && prot == VM_USER);
	pmap_protect(&pm, USER_MIN, USER_MIN + PAGE_SIZE, VM_READ, false);
	KT_CHECK(pmap_query(&pm, USER_MIN, &got, &prot) && got == pa && prot == (VM_READ | VM_USER));
	pmap_remove(&pm, USER_MIN, USER_MAX);
	pmap_destroy(&pm);
	KT_CHECK(frame_free_count() == before);
}
