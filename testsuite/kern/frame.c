/* Tests of vm/frame.c. */
#include "vm/frame.h"
#include "hal/base/dmap.h"
#include "hal/base/string.h"
#include "testsuite/kern/kern.h"
#include "vm/kmem.h"

KERNEL_TEST(frame_counts, "[V1] a frame is taken with one reference, and free after the last is dropped")
{
	u64 before = frame_free_count();
	paddr_t pa = frame_alloc();

	KT_ASSERT(pa && (pa & PAGE_MASK) == 0);
	KT_CHECK(frame_refs(pa) == 1);
	KT_CHECK(frame_free_count() == before - 1);
	for (u32 i = 0; i < 1000; i++)
		frame_get(pa);
	KT_CHECK(frame_refs(pa) == 1001);
	for (u32 i = 0; i < 1000; i++)
		frame_put(pa);
	KT_CHECK(frame_refs(pa) == 1 && frame_free_count() == before - 1);
	frame_put(pa);
	KT_CHECK(frame_refs(pa) == 0 && frame_free_count() == before);
}

KERNEL_TEST(frames_distinct, "[V1] five hundred frames are all different, hold their contents, and come back")
{
	enum {
		N = 500
	};
	u64 before = frame_free_count();
	paddr_t *pa = kmalloc(N * sizeof(*pa));

	KT_ASSERT(pa);
	for (u32 i = 0; i < N; i++) {
		pa[i] = frame_alloc();
		KT_ASSERT(pa[i]);
		*(u64 *)phys_to_virt(pa[i]) = pa[i];
	}
	for (u32 i = 0; i < N; i++)
		KT_CHECK(*(u64 *)phys_to_virt(pa[i]) == pa[i] && frame_refs(pa[i]) == 1);
	for (u32 i = 0; i < N; i++)
		frame_put(pa[i]);
	kfree(pa);
	KT_CHECK(frame_free_count() == before);
}

KERNEL_TEST(frame_zeroed, "[V3] a zeroed frame is zero, also where a dirty one was freed before")
{
	paddr_t pa = frame_alloc();
	const u64 *words;
	u64 sum = 0;

	KT_ASSERT(pa);
	memset(phys_to_virt(pa), 0xff, PAGE_SIZE);
	frame_put(pa);
	pa = frame_alloc_zeroed();
	KT_ASSERT(pa);
	words = phys_to_virt(pa);
	for (u32 i = 0; i < PAGE_SIZE / 8; i++)
		sum |= words[i];
	KT_CHECK(sum == 0);
	frame_put(pa);
}

KERNEL_TEST(zero_frame, "[V3] the shared frame of zeroes is zero and never freed")
{
	const u64 *words = phys_to_virt(frame_zero);
	u64 sum = 0;

	KT_ASSERT(frame_zero && frame_refs(frame_zero) > 0);
	for (u32 i = 0; i < PAGE_SIZE / 8; i++)
		sum |= words[i];
	KT_CHECK(sum == 0);
}

KERNEL_TEST(frame_totals, "[V1] never more frames are free than there are")
{
	KT_CHECK(frame_free_count() > 0 && frame_free_count() < frame_total());
}
