/* The contract between the stub (efi/) and the kernel (leaf; both sides assert its layout).
 *
 * At the kernel's first instruction (the ELF entry point, plus the slide):
 *   C1  RDI holds the virtual address of one struct bootinfo, in the direct map. Interrupts are off.
 *       RSP is a stack of at least 16 KiB inside the kernel image (boot_stack_top of the ELF).
 *   C2  CR3 is a transition table that the stub built: the image at its slid virtual address, each
 *       PT_LOAD segment with its own permissions; all RAM in the map below, writable and not
 *       executable, at `dmap_base`; and one identity-mapped page of the stub that jumped.
 *       The kernel builds its own tables and drops these.
 *   C3  The image's PT_LOAD segments lie in memory one behind another as linked: a virtual address v
 *       of the image is at physical `image_phys + (v - image_virt)`. R_X86_64_RELATIVE relocations
 *       have been applied.
 *   C4  Every pointer here is a physical address unless it says otherwise. All of it, and what it
 *       points to, lies in ranges of type BOOT_MEM_LOADER: the kernel may reclaim them when done.
 *   C5  Boot services are gone. Runtime services were left in physical mode
 *       (SetVirtualAddressMap was not called).
 */
#pragma once

#include "hal/base/types.h"

#define BOOTINFO_MAGIC 0x444145484b4c5542UL /* "BULKHEAD", little-endian */
#define BOOTINFO_VERSION 1
#define BOOT_CMDLINE_MAX 2048 /* bytes, the terminator included; longer is refused by the stub */

enum boot_mem_type {
	BOOT_MEM_RESERVED = 0, /* never touch */
	BOOT_MEM_USABLE = 1,   /* free from the first instruction on: conventional and boot services */
	BOOT_MEM_LOADER = 2,   /* what the stub allocated, the image excluded: free once consumed */
	BOOT_MEM_IMAGE = 3,    /* the kernel's image: keep */
	BOOT_MEM_ACPI = 4,     /* ACPI tables: keep, may be read */
	BOOT_MEM_RUNTIME = 5,  /* UEFI runtime services, code or data: keep */
	BOOT_MEM_MMIO = 6,     /* runtime services' device registers */
};

/* Sorted by base, page-aligned, not overlapping, neighbours of one type merged. */
struct boot_mem {
	u64 base;  /* physical, bytes */
	u64 pages; /* of 4 KiB */
	u32 type;  /* enum boot_mem_type */
	u32 pad;
};

struct boot_framebuffer {
	u64 base;   /* physical; 0 when there is none */
	u64 size;   /* bytes */
	u32 width;  /* pixels */
	u32 height; /* pixels */
	u32 stride; /* bytes from a line to the next */
	u32 bgr;    /* 1: memory order blue, green, red, x; 0: red, green, blue, x. 32 bits a pixel */
};

struct bootinfo {
	u64 magic;
	u32 version;
	u32 size;        /* of this structure, bytes */
	u64 image_phys;  /* where the image lies, page-aligned */
	u64 image_virt;  /* where its first page is mapped (slide included) */
	u64 image_size;  /* bytes, bss included, a multiple of the page size */
	u64 image_slide; /* image_virt minus the linked address */
	u64 dmap_base;   /* virtual address of physical 0, 1 GiB aligned */
	u64 mem;         /* struct boot_mem[mem_count] */
	u64 mem_count;
	u64 cmdline;      /* NUL-terminated; built-in, then \cmdline.txt, then load options, by spaces */
	u64 cmdline_size; /* bytes, terminator included */
	u64 initrd;       /* the built-in .initrd section's cpio; 0 when empty */
	u64 initrd_size;
	u64 initrd_extra; /* \initrd.cpio of the ESP, unpacked over it; 0 when there is none */
	u64 initrd_extra_size;
	u64 kernel_elf; /* the ELF file as loaded (with .symtab, for backtraces) */
	u64 kernel_elf_size;
	u64 acpi_rsdp;   /* ACPI 2.0 RSDP */
	u64 efi_runtime; /* EFI_RUNTIME_SERVICES *; 0 when unusable */
	u64 real_time;   /* seconds since 1970-01-01 UTC by GetTime; 0 when unknown */
	u64 tsc_entry;   /* RDTSC at the stub's first instruction */
	u64 tsc_exit;    /* RDTSC when boot services had been left */
	u8 entropy[64];  /* EFI_RNG_PROTOCOL, else RDRAND, else timing; mixed, never zero */
	struct boot_framebuffer fb;
};

_Static_assert(sizeof(struct boot_mem) == 24, "boot contract");
_Static_assert(sizeof(struct boot_framebuffer) == 32, "boot contract");
_Static_assert(offsetof(struct bootinfo, entropy) == 176 && sizeof(struct bootinfo) == 272, "boot contract");
