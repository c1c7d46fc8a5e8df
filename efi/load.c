/* The kernel's ELF file: checked in full, then placed, copied and relocated (System V gABI, chapters
 * 4 and 5; psABI x86-64 4.4). */
#define BULKHEAD_STUB
#include "efi/stub.h"

#define LINK_BASE 0xffffffff80000000ULL
#define IMAGE_CEILING 0xffffffffff000000ULL /* the last 16 MiB stay free */
#define IMAGE_STEP 0x200000ULL              /* the slide is a multiple of this */
#define MAX_SEGMENTS 16

struct elf_header {
	u8 ident[16];
	u16 type, machine;
	u32 version;
	u64 entry, phoff, shoff;
	u32 flags;
	u16 ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct elf_segment {
	u32 type, flags;
	u64 offset, vaddr, paddr, filesz, memsz, align;
};

struct elf_dyn {
	u64 tag, value;
};

struct elf_rela {
	u64 offset, info, addend;
};

#define ET_DYN 3
#define EM_X86_64 62
#define PT_LOAD 1
#define PT_DYNAMIC 2
#define PF_X 1
#define PF_W 2
#define DT_RELA 7
#define DT_RELASZ 8
#define DT_RELAENT 9
#define R_X86_64_RELATIVE 8

/* L1: after elf_check, the segments lie in the file, ascend without overlap from page to page in
 *     [LINK_BASE, LINK_BASE + image_size), and none is writable and executable. */
static const struct elf_header *elf;
static const struct elf_segment *segments; /* [elf->phnum] */

static EFI_STATUS bad(const char *why)
{
	return fail(EFI_LOAD_ERROR, "the kernel in this file is damaged: %s", why);
}

static EFI_STATUS header_check(struct blob file)
{
	if (!file.size)
		return fail(EFI_LOAD_ERROR, "this file has no .kernel section");
	elf = file.data;
	if (file.size < sizeof(*elf) || memcmp(elf->ident, "\177ELF", 4))
		return bad("no ELF file");
	if (elf->ident[4] != 2 || elf->ident[5] != 1)
		return bad("not 64-bit little-endian");
	if (elf->ident[6] != 1 || elf->version != 1)
		return bad("unknown ELF version");
	if (elf->machine != EM_X86_64)
		return bad("not for x86-64");
	if (elf->type != ET_DYN)
		return bad("not position-independent");
	if (elf->phentsize != sizeof(*segments) || !elf->phnum || elf->phnum > MAX_SEGMENTS)
		return bad("bad program headers");
	if (elf->phoff % 8 || elf->phoff > file.size ||
	    elf->phnum * sizeof(*segments) > file.size - elf->phoff)
		return bad("program headers beyond its end");
	segments = (const void *)((const u8 *)file.data + elf->phoff);
	return EFI_SUCCESS;
}

static EFI_STATUS segment_check(const struct elf_segment *seg, struct blob file, u64 *end)
{
	if (seg->offset > file.size || seg->filesz > file.size - seg->offset)
		return bad("a segment beyond its end");
	if (seg->filesz > seg->memsz)
		return bad("a segment longer than its memory");
	if (seg->vaddr % PAGE || seg->vaddr < *end)
		return bad("segments out of order");
	if (seg->vaddr >= IMAGE_CEILING || seg->memsz > IMAGE_CEILING - seg->vaddr)
		return bad("a segment outside the kernel's range");
	if (seg->flags & PF_W && seg->flags & PF_X)
		return bad("a segment writable and executable");
	if (elf->entry - seg->vaddr < seg->memsz && !(seg->flags & PF_X))
		return bad("entry point outside the code");
	*end = ALIGN_UP(seg->vaddr + seg->memsz, PAGE);
	return EFI_SUCCESS;
}

static EFI_STATUS elf_check(struct stub *s)
{
	u64 end = LINK_BASE;
	EFI_STATUS status = header_check(s->kernel);

	for (u32 i = 0; ok(status) && i < elf->phnum; i++)
		if (segments[i].type == PT_LOAD)
			status = segment_check(&segments[i], s->kernel, &end);
	if (!ok(status))
		return status;
	s->info->image_size = end - LINK_BASE;
	if (elf->entry < LINK_BASE || elf->entry >= end)
		return bad("entry point outside the code");
	return EFI_SUCCESS;
}

/* kernel_place: where the image and the direct map appear. The direct map's range is limited so that
 * all of RAM fits behind it. */
static void kernel_place(struct stub *s)
{
	u64 room = IMAGE_CEILING - LINK_BASE - s->info->image_size;
	u64 slots = room / IMAGE_STEP + 1, random[2];

	memcpy(random, s->random, sizeof(random));
	s->info->image_slide = 0;
	if (place_random(s))
		s->info->image_slide = random[0] % slots * IMAGE_STEP;
	s->info->image_virt = LINK_BASE + s->info->image_slide;
	s->entry = elf->entry + s->info->image_slide;
	/* kernel.ld ends the image with the boot stack. */
	s->stack = s->info->image_virt + s->info->image_size;
}

static void segments_copy(const struct stub *s, u8 *image)
{
	u64 filled = 0; /* bytes of the image that have their contents */

	for (u32 i = 0; i < elf->phnum; i++) {
		const struct elf_segment *seg = &segments[i];
		u64 at = seg->vaddr - LINK_BASE;

		if (seg->type != PT_LOAD)
			continue;
		memset(image + filled, 0, at - filled);
		memcpy(image + at, (const u8 *)s->kernel.data + seg->offset, seg->filesz);
		filled = at + seg->filesz;
	}
	memset(image + filled, 0, s->info->image_size - filled);
}

/* in_image => the bytes of the image at the linked address VADDR, or NULL. */
static void *in_image(const struct stub *s, u64 vaddr, u64 size)
{
	u64 at = vaddr - LINK_BASE;

	if (at >= s->info->image_size || size > s->info->image_size - at)
		return NULL;
	return (u8 *)s->info->image_phys + at;
}

static EFI_STATUS relocations_find(const struct stub *s, const struct elf_rela **ret_table, u64 *ret_count)
{
	const struct elf_dyn *dyn = NULL;
	u64 table = 0, size = 0, entry = sizeof(struct elf_rela), count = 0;

	for (u32 i = 0; i < elf->phnum; i++) {
		if (segments[i].type != PT_DYNAMIC)
			continue;
		dyn = in_image(s, segments[i].vaddr, segments[i].memsz);
		count = segments[i].memsz / sizeof(*dyn);
	}
	if (!dyn)
		return bad("no dynamic section");
	for (; count && dyn->tag; count--, dyn++) {
		table = dyn->tag == DT_RELA ? dyn->value : table;
		size = dyn->tag == DT_RELASZ ? dyn->value : size;
		entry = dyn->tag == DT_RELAENT ? dyn->value : entry;
	}
	*ret_count = size / sizeof(struct elf_rela);
	*ret_table = size ? in_image(s, table, size) : NULL;
	if (entry != sizeof(struct elf_rela) || (size && !*ret_table))
		return bad("relocations outside the image");
	return EFI_SUCCESS;
}

static EFI_STATUS relocate(struct stub *s)
{
	const struct elf_rela *rela;
	u64 count, slide = s->info->image_slide;
	EFI_STATUS status = relocations_find(s, &rela, &count);

	if (!ok(status))
		return status;
	for (; count; count--, rela++) {
		u64 *where = in_image(s, rela->offset, sizeof(*where));

		if (rela->info != R_X86_64_RELATIVE)
			return bad("a relocation of an unknown kind");
		if (!where)
			return bad("a relocation outside the image");
		*where = rela->addend + slide;
	}
	return EFI_SUCCESS;
}

EFI_STATUS kernel_load(struct stub *s)
{
	EFI_STATUS status = elf_check(s);
	void *image;

	if (!ok(status))
		return status;
	image = pages_alloc(s->info->image_size / PAGE, "the kernel");
	if (!image)
		return EFI_OUT_OF_RESOURCES;
	s->info->image_phys = (u64)image;
	kernel_place(s);
	segments_copy(s, image);
	return relocate(s);
}

bool kernel_segments(struct stub *s, segment_fn *fn)
{
	for (u32 i = 0; i < elf->phnum; i++) {
		const struct elf_segment *seg = &segments[i];

		if (seg->type == PT_LOAD && seg->memsz &&
		    !fn(s, seg->vaddr + s->info->image_slide, ALIGN_UP(seg->memsz, PAGE), seg->flags & PF_W,
		        seg->flags & PF_X))
			return false;
	}
	return true;
}
