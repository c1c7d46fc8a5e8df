/* See elf.h. Every check has its own words, so that the log says which one failed. */
#include "kernel/proc/elf.h"
#include "hal/base/sabotage.h"
#include "hal/base/string.h"
#include "vm/pmap.h"

/* refuse: end the check with WHY. */
#define refuse(err, why)          \
	do {                      \
		*ret_why = (why); \
		return (err);     \
	} while (0)

int elf_check_header(const Elf64_Ehdr *h, u64 file_size, const char **ret_why)
{
	u64 table;

	if (file_size < sizeof(*h))
		refuse(-ENOEXEC, "shorter than an ELF header");
	if (memcmp(h->e_ident, ELFMAG, SELFMAG) != 0)
		refuse(-ENOEXEC, "no ELF magic");
	if (h->e_ident[EI_CLASS] != ELFCLASS64)
		refuse(-ENOEXEC, "not 64-bit");
	if (h->e_ident[EI_DATA] != ELFDATA2LSB)
		refuse(-ENOEXEC, "not little-endian");
	if (h->e_ident[EI_VERSION] != EV_CURRENT || h->e_version != EV_CURRENT)
		refuse(-ENOEXEC, "unknown ELF version");
	if (h->e_machine != EM_X86_64)
		refuse(-ENOEXEC, "not for x86-64");
	if (h->e_type != ET_EXEC && h->e_type != ET_DYN)
		refuse(-ENOEXEC, "neither an executable nor position-independent");
	if (h->e_ehsize != sizeof(Elf64_Ehdr))
		refuse(-ENOEXEC, "wrong size of the ELF header");
	if (h->e_phentsize != sizeof(Elf64_Phdr))
		refuse(-ENOEXEC, "wrong size of a program header");
	if (h->e_phnum == 0)
		refuse(-ENOEXEC, "no program headers");
	if (h->e_phnum > ELF_PHDRS_MAX)
		refuse(-ENOEXEC, "too many program headers");
	table = h->e_phnum * sizeof(Elf64_Phdr);
	if (h->e_phoff > file_size || table > file_size - h->e_phoff)
		refuse(-ENOEXEC, "program headers behind the end of the file");
	return 0;
}

static u32 segment_prot(u32 flags)
{
	return (flags & PF_R ? VM_READ : 0) | (flags & PF_W ? VM_WRITE : 0) | (flags & PF_X ? VM_EXEC : 0);
}

static int check_load(const Elf64_Phdr *p, u64 file_size, bool allow_wx, const char **ret_why)
{
	if (p->p_filesz > p->p_memsz)
		refuse(-ENOEXEC, "segment smaller in memory than in the file");
	if ((p->p_offset > file_size || p->p_filesz > file_size - p->p_offset) && !sabotage(elf_bounds))
		refuse(-ENOEXEC, "segment behind the end of the file");
	if ((p->p_vaddr >= USER_MAX || p->p_memsz > USER_MAX - p->p_vaddr) && !sabotage(elf_range))
		refuse(-ENOEXEC, "segment outside user space");
	if ((p->p_offset & PAGE_MASK) != (p->p_vaddr & PAGE_MASK))
		refuse(-ENOEXEC, "segment's offset and address differ within a page");
	if (p->p_align > 1 && (p->p_align & (p->p_align - 1)))
		refuse(-ENOEXEC, "segment's alignment is no power of two");
	if (!allow_wx && (p->p_flags & (PF_W | PF_X)) == (PF_W | PF_X))
		refuse(-EACCES, "segment both writable and executable");
	return 0;
}

/* add: one PT_LOAD; they come in ascending order and do not overlap (System V ABI chapter 5, "Program header"). */
static int add(struct elf_image *img, const Elf64_Phdr *p, const char **ret_why)
{
	if (p->p_memsz == 0)
		return 0;
	if (img->count) {
		const struct elf_segment *last = &img->segments[img->count - 1];

		if (p->p_vaddr < last->vaddr)
			refuse(-ENOEXEC, "segments not in ascending order");
		if (ALIGN_DOWN(p->p_vaddr, PAGE_SIZE) < img->high && !sabotage(elf_overlap))
			refuse(-ENOEXEC, "segments overlap, or share a page");
	} else {
		img->low = ALIGN_DOWN(p->p_vaddr, PAGE_SIZE);
	}
	img->high = ALIGN_UP(p->p_vaddr + p->p_memsz, PAGE_SIZE);
	img->segments[img->count++] = (struct elf_segment){
	        .vaddr = p->p_vaddr,
	        .offset = p->p_offset,
	        .filesz = p->p_filesz,
	        .memsz = p->p_memsz,
	        .prot = segment_prot(p->p_flags),
	};
	return 0;
}

static bool entry_ok(const struct elf_image *img)
{
	for (u32 i = 0; i < img->count; i++) {
		const struct elf_segment *s = &img->segments[i];

		if ((s->prot & VM_EXEC) && img->entry >= s->vaddr && img->entry < s->vaddr + s->memsz)
			return true;
	}
	return false;
}

static u64 phdr_address(const Elf64_Ehdr *h, const struct elf_image *img)
{
	u64 end = h->e_phoff + h->e_phnum * sizeof(Elf64_Phdr);

	for (u32 i = 0; i < img->count; i++) {
		const struct elf_segment *s = &img->segments[i];

		if (h->e_phoff >= s->offset && end <= s->offset + s->filesz)
			return s->vaddr + (h->e_phoff - s->offset);
	}
	return 0;
}

int elf_check_segments(const Elf64_Ehdr *h, const Elf64_Phdr *phdrs, u64 file_size, bool allow_wx,
                       struct elf_image *ret, const char **ret_why)
{
	struct elf_image *img = ret;
	int err;

	memset(img, 0, sizeof(*img));
	img->dynamic = h->e_type == ET_DYN;
	img->entry = h->e_entry;
	img->phnum = h->e_phnum;
	for (u32 i = 0; i < h->e_phnum; i++) {
		const Elf64_Phdr *p = &phdrs[i];

		if (p->p_type == PT_INTERP) {
			if (img->interp_size)
				refuse(-ENOEXEC, "two interpreters");
			if (p->p_filesz < 2 || p->p_filesz > ELF_INTERP_MAX)
				refuse(-ENOEXEC, "interpreter's name too short or too long");
			if (p->p_offset > file_size || p->p_filesz > file_size - p->p_offset)
				refuse(-ENOEXEC, "interpreter's name behind the end of the file");
			img->interp_offset = p->p_offset;
			img->interp_size = p->p_filesz;
		}
		if (p->p_type == PT_GNU_STACK && (p->p_flags & PF_X)) {
			if (!allow_wx)
				refuse(-EACCES, "executable stack");
			img->exec_stack = true;
		}
		if (p->p_type != PT_LOAD)
			continue;
		err = check_load(p, file_size, allow_wx, ret_why);
		if (!err)
			err = add(img, p, ret_why);
		if (err)
			return err;
	}
	if (img->count == 0)
		refuse(-ENOEXEC, "nothing to load");
	if (!img->dynamic && img->low < USER_MIN)
		refuse(-EPERM, "segment at the unmapped bottom of memory");
	if (!entry_ok(img) && !sabotage(elf_entry))
		refuse(-ENOEXEC, "entry point outside executable code");
	img->phdr = phdr_address(h, img);
	return 0;
}
