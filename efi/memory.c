/* Memory from firmware, remembered so that a failure gives it back; and the three functions that the
 * compiler takes for granted. */
#define BULKHEAD_STUB
#include "efi/stub.h"

#define ARENA_PAGES 64

static struct {
	EFI_PHYSICAL_ADDRESS base;
	u64 pages;
} taken[32];
static u32 taken_count;

static u8 *arena;
static u64 arena_left; /* bytes */

void *pages_alloc(u64 pages, const char *what)
{
	EFI_PHYSICAL_ADDRESS base = 0;

	if (taken_count == ARRAY_SIZE(taken) ||
	    !ok(bs->AllocatePages(AllocateAnyPages, EfiLoaderData, pages, &base))) {
		fail(EFI_OUT_OF_RESOURCES, "out of memory: no %u KiB for %s", pages * 4, what);
		return NULL;
	}
	taken[taken_count].base = base;
	taken[taken_count++].pages = pages;
	return (void *)base;
}

void pages_free_all(void)
{
	while (taken_count) {
		taken_count--;
		bs->FreePages(taken[taken_count].base, taken[taken_count].pages);
	}
	arena_left = 0;
}

void *arena_alloc(u64 size)
{
	u8 *at;

	size = ALIGN_UP(size, size < PAGE ? 16 : PAGE);
	at = size < PAGE ? arena : (u8 *)ALIGN_UP((u64)arena, PAGE);
	if (!arena_left || (u64)(at - arena) + size > arena_left) {
		u64 pages = MAX(DIV_UP(size, PAGE), ARENA_PAGES);

		at = arena = pages_alloc(pages, "the boot tables");
		if (!arena)
			return NULL;
		arena_left = pages * PAGE;
	}
	arena_left -= (u64)(at - arena) + size;
	arena = at + size;
	return memset(at, 0, size);
}

/* By eights: TCG and old CPUs take a step for each repetition. */
void *memcpy(void *dst, const void *src, size_t n)
{
	void *d = dst;
	size_t words = n / 8, rest = n % 8;

	__asm__ volatile("rep movsq\n\tmovq %3, %%rcx\n\trep movsb"
	                 : "+&D"(d), "+&S"(src), "+&c"(words)
	                 : "r"(rest)
	                 : "memory");
	return dst;
}

void *memset(void *dst, int c, size_t n)
{
	void *d = dst;
	size_t words = n / 8, rest = n % 8;

	__asm__ volatile("rep stosq\n\tmovq %2, %%rcx\n\trep stosb"
	                 : "+&D"(d), "+&c"(words)
	                 : "r"(rest), "a"(0x0101010101010101ULL * (u8)c)
	                 : "memory");
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const u8 *x = a, *y = b;

	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}
