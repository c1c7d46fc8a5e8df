/* Checking an ELF file before anything is changed (System V ABI chapters 4 and 5; mission E1). Pure functions: no
 * memory is taken, nothing but the arguments is read; also built for the host, and tested there. */
#pragma once

#include "kernel/abi/linux.h"

#define ELF_PHDRS_MAX 100
#define ELF_INTERP_MAX 4096

struct elf_segment {
	u64 vaddr, offset, filesz, memsz; /* as in the file */
	u32 prot;                         /* VM_READ | VM_WRITE | VM_EXEC */
};

struct elf_image {
	bool dynamic; /* ET_DYN: goes anywhere; the addresses below are then relative */
	u64 entry;
	u64 low, high; /* page-aligned bounds of all segments */
	u64 phdr;      /* address of the program headers in memory, 0 when no segment holds them */
	u32 phnum;
	bool exec_stack;                /* PT_GNU_STACK asks for an executable stack, and may */
	u64 interp_offset, interp_size; /* size 0: none */
	u32 count;
	struct elf_segment segments[]; /* there is room for one for each program header */
};

/* elf_check_header: HEAD is the file's beginning, of FILE_SIZE bytes in all.
 * => 0; or a negative errno with *RET_WHY a few words for the log */
int elf_check_header(const Elf64_Ehdr *head, u64 file_size, const char **ret_why);

/* elf_check_segments: PHDRS are the e_phnum program headers of a HEAD that passed. ALLOW_WX lets segments be writable
 * and executable. RET has room for as many segments. => as above; what *RET holds after a failure means nothing */
int elf_check_segments(const Elf64_Ehdr *head, const Elf64_Phdr *phdrs, u64 file_size, bool allow_wx,
                       struct elf_image *ret, const char **ret_why);
