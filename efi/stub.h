/* The stub's own declarations: what its files share. Private to efi/.
 *
 * The stub is a UEFI application (UEFI 2.10, 2.1.1). It runs identity-mapped with boot services, so
 * a physical address is a pointer. Everything it allocates is EfiLoaderData.
 *
 * S1: until boot_leave() has succeeded, every failure prints its cause, frees what was allocated and
 *     returns to firmware with an error. After that nothing can fail and no firmware is called.
 * S2: built for the Windows target, where `long` has 32 bits: constants beyond that are ULL. */
#pragma once

#ifndef BULKHEAD_STUB
#error "efi/stub.h is private to efi/"
#endif

#include <efi.h>
#undef __attribute__ /* gnu-efi takes every compiler of this target for Microsoft's */

#include "efi/bootinfo.h"

#define PAGE 4096ULL

static inline bool ok(EFI_STATUS status)
{
	return !EFI_ERROR(status);
}

/* A piece of memory: a PE section of ours, a file that was read. */
struct blob {
	const void *data;
	u64 size; /* bytes; 0 when there is none */
};

struct stub {
	EFI_HANDLE handle;
	EFI_LOADED_IMAGE *loaded;
	EFI_FILE_HANDLE volume; /* the file system that we came from, or NULL */
	struct blob kernel;     /* the .kernel section */
	struct bootinfo *info;
	char *cmdline; /* [BOOT_CMDLINE_MAX] */
	struct boot_mem *mem;
	u64 mem_max;      /* elements in mem */
	u64 entry, stack; /* virtual, of the kernel */
	u64 cr3;          /* the transition table */
	u8 random[64];    /* for placing the kernel; never handed to it */
};

extern EFI_SYSTEM_TABLE *st;
extern EFI_BOOT_SERVICES *bs;

/* --- console.c: words for whoever watches --- */

/* fail: print a message on the firmware's console. => STATUS, to return it in one line.
 * Conversions: %s (ASCII), %u (u64, decimal), %x (u64, hexadecimal). */
EFI_STATUS fail(EFI_STATUS status, const char *fmt, ...);

/* --- memory.c --- */

/* pages_alloc => page-aligned, or NULL (out of memory, said so with WHAT). Not zeroed. */
void *pages_alloc(u64 pages, const char *what);
void pages_free_all(void);

/* arena_alloc: SIZE bytes, zeroed, aligned to 16, or to a page when a page or more.
 * => NULL when out of memory (said). For tables that live until the kernel has read them. */
void *arena_alloc(u64 size);

/* --- gather.c: what firmware knows. Each fills its part of s->info. --- */

EFI_STATUS gather_sections(struct stub *s);
void gather_volume(struct stub *s);
EFI_STATUS gather_cmdline(struct stub *s);
EFI_STATUS gather_initrd(struct stub *s);
EFI_STATUS gather_acpi(struct stub *s);
void gather_framebuffer(struct stub *s);
void gather_time(struct stub *s);
void gather_entropy(struct stub *s); /* entropy.c */

/* cmdline_has: WORD stands on the command line, in front of "--". */
bool cmdline_has(const struct stub *s, const char *word);

/* place_random: whether the kernel and the direct map go to random places (V9). In the testing build it can be broken
 * (hal/base/sabotage.def). */
#ifdef BULKHEAD_TESTING
#define SABOTAGE_PLACE "sabotage=kernel_place"
#else
#define SABOTAGE_PLACE "nokaslr"
#endif
static inline bool place_random(const struct stub *s)
{
	return !cmdline_has(s, "nokaslr") && !cmdline_has(s, SABOTAGE_PLACE);
}

/* exit_qemu: the watcher asked for an end of the machine instead of firmware's menu. */
extern bool exit_qemu;

/* --- memmap.c --- */

/* memmap_read: the firmware's map as the contract has it, in s->mem and s->info->mem_count. */
EFI_STATUS memmap_read(struct stub *s);

/* boot_leave: ExitBootServices, and the final map. See S1. */
EFI_STATUS boot_leave(struct stub *s);

/* --- load.c: the kernel's ELF file --- */

EFI_STATUS kernel_load(struct stub *s);

/* kernel_segments: call FN for each PT_LOAD of the checked file. */
typedef bool segment_fn(struct stub *s, u64 vaddr, u64 size, bool write, bool exec);
bool kernel_segments(struct stub *s, segment_fn *fn);

/* --- paging.c: the transition table (C2) --- */

EFI_STATUS paging_build(struct stub *s);

/* --- jump.S --- */

/* stub_jump: leave firmware's tables for CR3, and start the kernel; with WAIT, once a debugger has
 * cleared it. */
#define WAIT_FOR_GDB 0x626467746961773dULL
void __noreturn stub_jump(u64 cr3, u64 entry, u64 bootinfo, u64 stack, u64 wait);

/* --- the machine --- */

static inline u64 rdtsc(void)
{
	u32 lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (u64)hi << 32 | lo;
}

static inline void outb(u16 port, u8 value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline u8 inb(u16 port)
{
	u8 value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline u32 cpuid(u32 leaf, u32 sub, u32 *ebx, u32 *ecx, u32 *edx)
{
	u32 eax;

	__asm__ volatile("cpuid" : "=a"(eax), "=b"(*ebx), "=c"(*ecx), "=d"(*edx) : "a"(leaf), "c"(sub));
	return eax;
}

void *memcpy(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
