/* Addresses that are no memory of the program, each with what makes it so. */
#pragma once

#include "testsuite/prog/tap.h"

enum kind {
	BAD_READ = 1,  /* cannot be read */
	BAD_WRITE = 2, /* cannot be written */
	BAD_BOTH = 3
};

struct bad {
	const char *what;
	u64 addr;
	u32 kind;
};

static struct bad bad[32] UNUSED;
static u32 bad_count UNUSED;

static UNUSED void bad_add(const char *what, u64 addr, u32 kind)
{
	bad[bad_count++] = (struct bad){what, addr, kind};
}

static UNUSED void bad_fill(void)
{
	u8 *area = pages(4, PROT_READ | PROT_WRITE);

	memset(area, 1, 4 * PAGE);
	OK(munmap(area + 2 * PAGE, PAGE));
	OK(mprotect(area + 3 * PAGE, PAGE, PROT_NONE));
	bad_count = 0;
	bad_add("one", 1, BAD_BOTH);
	bad_add("page zero's end", PAGE - 4, BAD_BOTH);
	bad_add("unmapped", (u64)area + 2 * PAGE, BAD_BOTH);
	bad_add("no access", (u64)area + 3 * PAGE, BAD_BOTH);
	bad_add("read-only", (u64) "constant", BAD_WRITE);
	bad_add("code", (u64)bad_fill, BAD_WRITE);
	bad_add("user space's end", 0x7ffffffff000, BAD_BOTH);
	bad_add("canonical end", 0x7ffffffffffc, BAD_BOTH);
	bad_add("first non-canonical", 0x800000000000, BAD_BOTH);
	bad_add("non-canonical", 0x8000000000000000, BAD_BOTH);
	bad_add("below the kernel", 0xffff7ffffffffff8, BAD_BOTH);
	bad_add("kernel's first", 0xffff800000000000, BAD_BOTH);
	bad_add("direct map", 0xffff888000001000, BAD_BOTH);
	bad_add("kernel image", 0xffffffff80000000, BAD_BOTH);
	bad_add("kernel image + 2 MiB", 0xffffffff80200000, BAD_BOTH);
	bad_add("minus one", ~0UL, BAD_BOTH);
	bad_add("minus four", ~3UL, BAD_BOTH);
	bad_add("minus a page", -PAGE, BAD_BOTH);
}

#define FOR_BAD(b, wanted)                                                \
	for (struct bad *b = (bad_fill(), bad); b < bad + bad_count; b++) \
		if (b->kind & (wanted))

/* The last N bytes before an unmapped page. */
static UNUSED u8 *edge(u64 n)
{
	u8 *area = pages(3, PROT_READ | PROT_WRITE);

	OK(munmap(area + 2 * PAGE, PAGE));
	memset(area, 0xee, 2 * PAGE);
	return area + 2 * PAGE - n;
}
