/* Tests of vm/kmem.c and vm/kva.c. */
#include "vm/kmem.h"
#include "hal/base/string.h"
#include "testsuite/kern/kern.h"
#include "vm/frame.h"
#include "vm/kva.h"
#include "vm/pmap.h"

#define BLOCKS 200

static size_t block_size(u32 i)
{
	static const u16 odd[] = {1,   7,    8,    16,   17,   63,   100,  128, 250,
	                          513, 1000, 1999, 2000, 2001, 4096, 4097, 9000};

	return odd[i % ARRAY_SIZE(odd)];
}

static void fill_and_free(void)
{
	static u8 *block[BLOCKS];

	for (u32 i = 0; i < BLOCKS; i++) {
		block[i] = kmalloc(block_size(i));
		KT_ASSERT(block[i]);
		KT_CHECK(((u64)block[i] & 15) == 0);
		KT_CHECK(block_size(i) < 4096 || ((u64)block[i] & PAGE_MASK) == 0);
		memset(block[i], (int)i, block_size(i));
	}
	for (u32 i = 0; i < BLOCKS; i++) {
		for (size_t k = 0; k < block_size(i); k++)
			KT_ASSERT(block[i][k] == (u8)i);
		if (i % 2)
			kfree(block[i]);
	}
	for (u32 i = 0; i < BLOCKS; i += 2)
		kfree(block[i]);
}

KERNEL_TEST(heap_blocks,
            "[B5] blocks of all sizes are aligned, do not overlap, and the heap's size comes back")
{
	u64 before;
	void *p;

	fill_and_free(); /* the dynamic area keeps its ranges */
	before = kmem_bytes_used();
	fill_and_free();
	KT_CHECK(kmem_bytes_used() == before);
	p = kmalloc(100);
	KT_CHECK(kmem_bytes_used() >= before + 100);
	kfree(p);
	kfree(NULL);
	KT_CHECK(kmem_bytes_used() == before);
}

KERNEL_TEST(heap_zeroed, "[B5] kzalloc is zero where dirt was freed before; kstrdup copies")
{
	u8 *p = kmalloc(300);
	char *s;
	u32 dirt = 0;

	KT_ASSERT(p);
	memset(p, 0xff, 300);
	kfree(p);
	p = kzalloc(300);
	KT_ASSERT(p);
	for (u32 i = 0; i < 300; i++)
		dirt += p[i] != 0;
	KT_CHECK(dirt == 0);
	kfree(p);
	s = kstrdup("a string");
	KT_ASSERT(s);
	KT_CHECK(strcmp(s, "a string") == 0);
	kfree(s);
}

KERNEL_TEST(heap_rounds, "[P10] a thousand rounds of the heap leave frames and bytes where they were")
{
	u64 bytes = 0, frames = 0;
	void *p[8];

	for (u32 round = 0; round < 1000; round++) {
		if (round == 20) {
			bytes = kmem_bytes_used();
			frames = frame_free_count();
		}
		for (u32 i = 0; i < 8; i++)
			p[i] = kmalloc(block_size(round + i));
		for (u32 i = 0; i < 8; i++) {
			KT_CHECK(p[i]);
			kfree(p[i]);
		}
	}
	KT_CHECK(kmem_bytes_used() == bytes);
	KT_CHECK(frame_free_count() + 16 >= frames);
}

KERNEL_TEST(heap_exhausted, "[V10] more than there is: NULL, and nothing is lost")
{
	u64 before = frame_free_count();

	KT_CHECK(kmalloc(1UL << 40) == NULL);
	KT_CHECK(kva_alloc((frame_total() + 1)) == NULL);
	KT_CHECK(frame_free_count() + frame_total() / 400 >=
	         before); /* page tables of the kernel's half stay */
	before = frame_free_count();
	KT_CHECK(kva_alloc((frame_total() + 1)) == NULL);
	KT_CHECK(frame_free_count() == before);
}

KERNEL_TEST(guard_pages,
            "[P3] allocations of the dynamic area: zeroed or not, never executable, unmapped on both sides")
{
	paddr_t pa;
	u32 prot;

	for (size_t pages = 1; pages <= 9; pages += 2) {
		u8 *p = kva_alloc(pages);

		KT_ASSERT(p);
		for (size_t i = 0; i < pages; i++) {
			p[i * PAGE_SIZE] = 1;
			KT_CHECK(pmap_kernel_query((vaddr_t)p + i * PAGE_SIZE, &pa, &prot) &&
			         (prot & (VM_READ | VM_WRITE | VM_EXEC)) == (VM_READ | VM_WRITE));
		}
		KT_CHECK(!pmap_kernel_query((vaddr_t)p - PAGE_SIZE, &pa, &prot));
		KT_CHECK(!pmap_kernel_query((vaddr_t)p + pages * PAGE_SIZE, &pa, &prot));
		kva_free(p);
		KT_CHECK(!pmap_kernel_query((vaddr_t)p, &pa, &prot));
	}
}

/* Each of these must be found, and end the machine with a panic that says so. */

KERNEL_CRASH(heap_double_free, "[B5] a double free is found")
{
	void *p = kmalloc(100);

	kfree(p);
	kfree(p);
}

KERNEL_CRASH(heap_overrun, "[B5] a write behind the end of a block is found")
{
	u8 *volatile p = kmalloc(96);

	p[96] = 1;
	kfree(p);
}

KERNEL_CRASH(heap_after_free, "[B5] a write after free is found")
{
	u8 *volatile p = kmalloc(96);

	kfree(p);
	p[40] = 1;
	for (u32 i = 0; i < 100; i++)
		kmalloc(96);
}
