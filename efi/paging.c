/* The transition table (C2): what the kernel needs from its first instruction until it has tables of
 * its own (Intel SDM vol. 3, 4.5: four-level paging). */
#define BULKHEAD_STUB
#include "efi/stub.h"

#define PTE_P (1ULL << 0)
#define PTE_W (1ULL << 1)
#define PTE_PS (1ULL << 7)
#define PTE_NX (1ULL << 63)
#define PTE_PFN 0x000ffffffffff000ULL

#define CR4_LA57 (1ULL << 12)
#define MSR_EFER 0xc0000080
#define EFER_NXE (1U << 11)

#define DMAP_LOW 0xffff800000000000ULL
#define DMAP_HIGH 0xffffa00000000000ULL
#define DMAP_STEP 0x40000000ULL /* 1 GiB */

static u64 *root;
static u64 nx;          /* PTE_NX when the CPU has it */
static u32 page_levels; /* 2: pages of 4 KiB and 2 MiB; 3: of 1 GiB, too */

static u64 level_size(u32 level)
{
	return PAGE << 9 * level;
}

/* map_one: enter the largest page that fits at VIRT. => its size, or 0 when out of memory. */
static u64 map_one(u64 virt, u64 phys, u64 size, u64 flags)
{
	u64 *table = root;

	for (u32 level = 3;; level--) {
		u64 *entry = &table[virt >> (12 + 9 * level) & 511];
		u64 page = level_size(level);

		if (level < page_levels && size >= page && !((virt | phys) & (page - 1))) {
			*entry = phys | flags | PTE_P | (level ? PTE_PS : 0);
			return page;
		}
		if (!*entry) {
			u64 *next = arena_alloc(PAGE);

			if (!next)
				return 0;
			*entry = (u64)next | PTE_P | PTE_W;
		}
		table = (u64 *)(*entry & PTE_PFN);
	}
}

static bool map(u64 virt, u64 phys, u64 size, u64 flags)
{
	while (size) {
		u64 done = map_one(virt, phys, size, flags);

		if (!done)
			return false;
		virt += done, phys += done, size -= done;
	}
	return true;
}

static bool is_ram(const struct boot_mem *m)
{
	return m->type != BOOT_MEM_RESERVED && m->type != BOOT_MEM_MMIO;
}

/* map_ram: runs of the map that lie one behind another are one, whatever their types: what boot
 * services still change until they end is types alone. */
static bool map_ram(struct stub *s)
{
	u64 base = 0, end = 0;

	for (u64 i = 0; i < s->info->mem_count; i++) {
		const struct boot_mem *m = &s->mem[i];

		if (!is_ram(m))
			continue;
		if (m->base != end) {
			if (!map(s->info->dmap_base + base, base, end - base, PTE_W | nx))
				return false;
			base = m->base;
		}
		end = m->base + m->pages * PAGE;
	}
	return map(s->info->dmap_base + base, base, end - base, PTE_W | nx);
}

static bool map_segment(struct stub *s, u64 vaddr, u64 size, bool write, bool exec)
{
	u64 phys = s->info->image_phys + (vaddr - s->info->image_virt);

	return map(vaddr, phys, size, (write ? PTE_W : 0) | (exec ? 0 : nx));
}

/* dmap_place: the direct map begins at random, but so that all RAM ends before DMAP_HIGH. */
static EFI_STATUS dmap_place(struct stub *s)
{
	u64 end = 0, slots, random;

	for (u64 i = 0; i < s->info->mem_count; i++)
		if (is_ram(&s->mem[i]))
			end = MAX(end, s->mem[i].base + s->mem[i].pages * PAGE);
	end = ALIGN_UP(end, DMAP_STEP);
	if (end > DMAP_HIGH - DMAP_LOW)
		return fail(EFI_UNSUPPORTED, "RAM at %x is beyond what the kernel maps", end);
	slots = (DMAP_HIGH - DMAP_LOW - end) / DMAP_STEP + 1;
	memcpy(&random, s->random + 16, sizeof(random));
	s->info->dmap_base = DMAP_LOW;
	if (place_random(s))
		s->info->dmap_base += random % slots * DMAP_STEP;
	return EFI_SUCCESS;
}

/* nx_enable: the CPU refuses NX bits until EFER says otherwise (Intel SDM vol. 3, 4.1.1). */
static void nx_enable(void)
{
	u32 lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(MSR_EFER));
	if (!(lo & EFER_NXE))
		__asm__ volatile("wrmsr" : : "a"(lo | EFER_NXE), "d"(hi), "c"(MSR_EFER));
}

static EFI_STATUS cpu_check(void)
{
	u32 ebx, ecx, edx = 0;
	u64 cr4;

	__asm__ volatile("movq %%cr4, %0" : "=r"(cr4));
	if (cr4 & CR4_LA57)
		return fail(EFI_UNSUPPORTED, "firmware runs with five-level paging: switch it off");
	if (cpuid(0x80000000, 0, &ebx, &ecx, &edx) >= 0x80000001)
		cpuid(0x80000001, 0, &ebx, &ecx, &edx);
	nx = edx & 1U << 20 ? PTE_NX : 0;
	page_levels = edx & 1U << 26 ? 3 : 2;
	if (nx)
		nx_enable();
	return EFI_SUCCESS;
}

EFI_STATUS paging_build(struct stub *s)
{
	EFI_STATUS status = cpu_check();
	u64 self = ALIGN_DOWN((u64)stub_jump, PAGE);

	if (ok(status))
		status = dmap_place(s);
	if (!ok(status))
		return status;
	root = arena_alloc(PAGE);
	if (!root || !map_ram(s) || !kernel_segments(s, map_segment) || !map(self, self, PAGE, 0))
		return EFI_OUT_OF_RESOURCES;
	s->cr3 = (u64)root;
	return EFI_SUCCESS;
}
