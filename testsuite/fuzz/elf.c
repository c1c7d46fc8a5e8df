/* Fuzz target (of libFuzzer, and of host/elf.c): the loader's checks (kernel/proc/elf.c), called as kernel/proc/exec.c calls them. What they accept
 * is then held against what mapping it takes for granted.
 *
 * An input is CONTROL and then a file, which goes on with zeros for as long as CONTROL says: so a small input can be
 * a large file. */
#include "hal/base/string.h"
#include "kernel/proc/elf.h"
#include "testsuite/fuzz/fuzz.h"
#include "vm/pmap.h"

struct control {
	u32 more_pages; /* of zeros behind the file, and MORE_BYTES */
	u16 more_bytes;
	u8 allow_wx;
	u8 unused;
};

/* The host's; its headers and the kernel's ABI headers do not go together. */
void *malloc(size_t size);
void free(void *p);

__attribute__((weak)) void fuzz_failed(const char *what)
{
	__builtin_trap();
}

#define MUST(cond)                          \
	do {                                \
		if (!(cond))                \
			fuzz_failed(#cond); \
	} while (0)

u64 fuzz_accepted;

/* The file's SIZE bytes at OFFSET, of which N are there and the rest is zero. */
static void file_read(void *to, const u8 *file, size_t n, u64 offset, size_t size)
{
	size_t part = offset < n ? MIN(size, n - offset) : 0;

	memset(to, 0, size);
	memcpy(to, file + (part ? offset : 0), part);
}

static bool is_ascending(const struct elf_image *img)
{
	u64 end = 0; /* of what the pages so far hold */

	for (u32 i = 0; i < img->count; i++) {
		const struct elf_segment *s = &img->segments[i];

		if (ALIGN_DOWN(s->vaddr, PAGE_SIZE) < end)
			return false;
		end = ALIGN_UP(s->vaddr + s->memsz, PAGE_SIZE);
	}
	return true;
}

static void check_segment(const struct elf_segment *s, u64 file_size, bool allow_wx)
{
	u64 end, pages_offset = s->offset - (s->vaddr & PAGE_MASK);

	MUST(s->memsz > 0 && s->filesz <= s->memsz);
	MUST(!__builtin_add_overflow(s->vaddr, s->memsz, &end) && end <= USER_MAX);
	MUST(!__builtin_add_overflow(s->offset, s->filesz, &end) && end <= file_size);
	MUST((pages_offset & PAGE_MASK) == 0 && pages_offset <= s->offset);
	MUST((s->prot & ~(VM_READ | VM_WRITE | VM_EXEC)) == 0);
	MUST(allow_wx || (s->prot & (VM_WRITE | VM_EXEC)) != (VM_WRITE | VM_EXEC));
}

static bool entry_is_code(const struct elf_image *img)
{
	for (u32 i = 0; i < img->count; i++) {
		const struct elf_segment *s = &img->segments[i];

		if (img->entry >= s->vaddr && img->entry - s->vaddr < s->memsz)
			return s->prot & VM_EXEC;
	}
	return false;
}

/* The program headers that the auxiliary vector names are those of the file. */
static bool phdr_is_mapped(const Elf64_Ehdr *h, const struct elf_image *img)
{
	for (u32 i = 0; i < img->count; i++) {
		const struct elf_segment *s = &img->segments[i];
		u64 table = h->e_phnum * sizeof(Elf64_Phdr);

		if (img->phdr >= s->vaddr && img->phdr - s->vaddr < s->filesz)
			return img->phdr - s->vaddr + s->offset == h->e_phoff &&
			       table <= s->filesz - (img->phdr - s->vaddr);
	}
	return false;
}

/* Nothing to load was left out, nothing was added, each as in the file. */
static void check_same(const Elf64_Ehdr *h, const Elf64_Phdr *p, const struct elf_image *img)
{
	u32 n = 0;

	for (u32 i = 0; i < h->e_phnum; i++) {
		const struct elf_segment *s = &img->segments[n];

		if (p[i].p_type != PT_LOAD || p[i].p_memsz == 0)
			continue;
		MUST(n++ < img->count);
		MUST(s->vaddr == p[i].p_vaddr && s->memsz == p[i].p_memsz);
		MUST(s->offset == p[i].p_offset && s->filesz == p[i].p_filesz);
		MUST(!(s->prot & VM_WRITE) == !(p[i].p_flags & PF_W));
		MUST(!(s->prot & VM_EXEC) == !(p[i].p_flags & PF_X));
	}
	MUST(n == img->count);
}

/* An executable stack is given if it was asked for, and never where writing and executing do not go together. */
static void check_stack(const Elf64_Ehdr *h, const Elf64_Phdr *p, const struct elf_image *img, bool allow_wx)
{
	bool asked = false;

	for (u32 i = 0; i < h->e_phnum; i++)
		asked |= p[i].p_type == PT_GNU_STACK && (p[i].p_flags & PF_X);
	MUST(img->exec_stack == asked && (allow_wx || !asked));
}

static void check_image(const Elf64_Ehdr *h, const Elf64_Phdr *phdrs, const struct elf_image *img,
                        u64 file_size, bool allow_wx)
{
	u64 end;

	MUST(img->count > 0 && img->count <= ELF_PHDRS_MAX && img->phnum == h->e_phnum);
	for (u32 i = 0; i < img->count; i++)
		check_segment(&img->segments[i], file_size, allow_wx);
	MUST(is_ascending(img));
	MUST(img->low == ALIGN_DOWN(img->segments[0].vaddr, PAGE_SIZE));
	MUST(img->high ==
	     ALIGN_UP(img->segments[img->count - 1].vaddr + img->segments[img->count - 1].memsz, PAGE_SIZE));
	MUST(img->low < img->high && img->high <= USER_MAX);
	MUST(img->dynamic || img->low >= USER_MIN);
	MUST(entry_is_code(img));
	MUST(img->phdr == 0 || phdr_is_mapped(h, img));
	MUST(img->interp_size == 0 || (img->interp_size >= 2 && img->interp_size <= ELF_INTERP_MAX));
	MUST(!__builtin_add_overflow(img->interp_offset, img->interp_size, &end) && end <= file_size);
	check_same(h, phdrs, img);
	check_stack(h, phdrs, img, allow_wx);
}

static void load(const u8 *file, size_t n, u64 file_size, bool allow_wx)
{
	/* On the heap, and no larger than in the kernel: the sanitizer sees what is read or written behind them. */
	struct elf_image *img;
	const char *why = NULL;
	Elf64_Phdr *phdrs;
	Elf64_Ehdr head;
	int err;

	file_read(&head, file, n, 0, sizeof(head));
	err = elf_check_header(&head, file_size, &why);
	MUST(err == 0 || (err == -ENOEXEC && why));
	if (!err) {
		size_t table = head.e_phnum * sizeof(Elf64_Phdr);

		MUST(table > 0 && table <= ELF_PHDRS_MAX * sizeof(Elf64_Phdr));
		MUST(head.e_phoff <= file_size && table <= file_size - head.e_phoff);
		phdrs = malloc(table);
		img = malloc(sizeof(*img) + head.e_phnum * sizeof(img->segments[0]));
		MUST(phdrs && img);
		memset(img, 0xa5, sizeof(*img));
		file_read(phdrs, file, n, head.e_phoff, table);
		err = elf_check_segments(&head, phdrs, file_size, allow_wx, img, &why);
		fuzz_accepted += !err;
		MUST(err == 0 || ((err == -ENOEXEC || err == -EACCES || err == -EPERM) && why));
		if (!err)
			check_image(&head, phdrs, img, file_size, allow_wx);
		free(phdrs);
		free(img);
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct control c;

	if (size < sizeof(c))
		return 0;
	memcpy(&c, data, sizeof(c));
	data += sizeof(c);
	size -= sizeof(c);
	load(data, size, size + (u64)c.more_pages * PAGE_SIZE + c.more_bytes, c.allow_wx & 1);
	return 0;
}
