/* Stack walks by frame pointer, and names from the kernel's own ELF symbols. */
#include "hal/cpu/backtrace.h"
#include "hal/base/log.h"
#include "hal/base/string.h"
#include "hal/cpu/usercopy.h"

/* ELF64 as far as symbols go (System V ABI, chapter 4) */
struct elf_header {
	u8 ident[16];
	u16 type, machine;
	u32 version;
	u64 entry, phoff, shoff;
	u32 flags;
	u16 ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
struct elf_section {
	u32 name, type;
	u64 flags, addr, offset, size;
	u32 link, info;
	u64 align, entsize;
};
struct elf_symbol {
	u32 name;
	u8 info, other;
	u16 section;
	u64 value, size;
};
#define SHT_SYMTAB 2
#define STT_FUNC 2

static const struct elf_symbol *symbols; /* [I] */
static u64 symbol_count;                 /* [I] */
static const char *strings;              /* [I] */
static u64 strings_size;                 /* [I] */
static u64 slide;                        /* [I] */

void ksyms_init(const void *elf, size_t size, u64 image_slide)
{
	const struct elf_header *h = elf;
	const struct elf_section *sections = elf + h->shoff;

	if (size < sizeof(*h) || h->shoff + h->shnum * sizeof(*sections) > size)
		return;
	slide = image_slide;
	for (u32 i = 0; i < h->shnum; i++) {
		const struct elf_section *s = &sections[i];

		if (s->type != SHT_SYMTAB || s->link >= h->shnum || s->offset + s->size > size)
			continue;
		const struct elf_section *str = &sections[s->link];
		if (str->offset + str->size > size || str->size == 0)
			continue;
		strings = elf + str->offset;
		strings_size = str->size;
		symbol_count = s->size / sizeof(*symbols);
		symbols = elf + s->offset;
	}
}

const char *ksyms_lookup(u64 addr, u64 *ret_offset)
{
	*ret_offset = 0;
	for (u64 i = 0; i < symbol_count; i++) {
		const struct elf_symbol *s = &symbols[i];
		u64 start = s->value + slide;

		if ((s->info & 0xf) != STT_FUNC || s->name >= strings_size)
			continue;
		if (addr >= start && addr < start + MAX(s->size, 1UL)) {
			*ret_offset = addr - start;
			return strings + s->name;
		}
	}
	return "?";
}

#define LINES_MAX 32

/* A return address lies behind the call, which may be its function's last instruction. */
static void line_print(u64 rip, bool returns)
{
	u64 offset;
	const char *name = ksyms_lookup(rip - returns, &offset);

	klog(LOG_PANIC, "  %016lx  %s+0x%lx", rip, name, offset + returns);
}

void backtrace_print(u64 rip, u64 rbp, bool returns)
{
	u64 next, last = 0;
	u32 again = 0, lines = 0;

	klog(LOG_PANIC, "backtrace:");
	while (lines < LINES_MAX) {
		if (rip == last) { /* what has recursed too deep says so in two lines */
			again++;
		} else {
			if (again)
				klog(LOG_PANIC, "  ... and %u times more", again);
			again = 0;
			lines++;
			line_print(rip, returns);
		}
		last = rip;
		returns = true;
		if (rbp < (1UL << 63) || (rbp & 7) || probe_read64(rbp, &next) || probe_read64(rbp + 8, &rip))
			return;
		if (next <= rbp) /* a stack is walked upwards only */
			return;
		rbp = next;
	}
}
