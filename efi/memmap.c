/* The firmware's memory map in the contract's form, and the end of boot services. */
#define BULKHEAD_STUB
#include "efi/stub.h"

#define SLACK 32 /* descriptors that our own allocations may still add */
#define TRIES 8

static struct {
	u8 *data;
	UINTN size, room; /* bytes */
	UINTN key, desc_size;
} map;

/* UEFI 2.10, 7.2 "memory type usage after ExitBootServices()" */
static u32 mem_type(u32 efi_type)
{
	switch (efi_type) {
	case EfiConventionalMemory:
	case EfiBootServicesCode:
	case EfiBootServicesData:
		return BOOT_MEM_USABLE;
	case EfiLoaderCode:
	case EfiLoaderData:
		return BOOT_MEM_LOADER;
	case EfiACPIReclaimMemory:
	case EfiACPIMemoryNVS:
		return BOOT_MEM_ACPI;
	case EfiRuntimeServicesCode:
	case EfiRuntimeServicesData:
		return BOOT_MEM_RUNTIME;
	case EfiMemoryMappedIO:
	case EfiMemoryMappedIOPortSpace:
		return BOOT_MEM_MMIO;
	default:
		return BOOT_MEM_RESERVED;
	}
}

static EFI_STATUS map_fetch(void)
{
	UINT32 version;
	EFI_STATUS status;

	for (;;) {
		map.size = map.room;
		status = bs->GetMemoryMap(&map.size, (EFI_MEMORY_DESCRIPTOR *)map.data, &map.key,
		                          &map.desc_size, &version);
		if (status != EFI_BUFFER_TOO_SMALL)
			break;
		map.room = map.size + SLACK * map.desc_size;
		map.data = arena_alloc(map.room);
		if (!map.data)
			return EFI_OUT_OF_RESOURCES;
	}
	return status;
}

/* mem_room: enough elements for the map as it is now. Each descriptor gives one, the image and the
 * first page may each split one in three. */
static EFI_STATUS mem_room(struct stub *s)
{
	u64 need = map.size / map.desc_size + 4;

	if (s->mem_max >= need)
		return EFI_SUCCESS;
	s->mem = arena_alloc((need + SLACK) * sizeof(*s->mem));
	if (!s->mem)
		return EFI_OUT_OF_RESOURCES;
	s->mem_max = need + SLACK;
	s->info->mem = (u64)s->mem;
	return EFI_SUCCESS;
}

static void mem_insert(struct stub *s, u64 base, u64 end, u32 type)
{
	u64 i;

	if (base >= end)
		return;
	for (i = s->info->mem_count++; i && s->mem[i - 1].base > base; i--)
		s->mem[i] = s->mem[i - 1];
	s->mem[i] = (struct boot_mem){.base = base, .pages = (end - base) / PAGE, .type = type};
}

/* mem_add: BASE..END, in pieces where the kernel's image lies in it. Page 0 stays reserved: the
 * contract's physical addresses use 0 for "none". */
static void mem_add(struct stub *s, u64 base, u64 end, u32 type)
{
	u64 image = s->info->image_phys, image_end = image + s->info->image_size;

	if (base == 0) {
		mem_insert(s, 0, PAGE, BOOT_MEM_RESERVED);
		base = PAGE;
	}
	if (type != BOOT_MEM_LOADER || image_end <= base || image >= end) {
		mem_insert(s, base, end, type);
		return;
	}
	mem_insert(s, base, image, type);
	mem_insert(s, image, image_end, BOOT_MEM_IMAGE);
	mem_insert(s, image_end, end, type);
}

/* mem_merge: no overlaps (firmware's mistake: the lower one wins), neighbours of one type as one. */
static void mem_merge(struct stub *s)
{
	u64 count = 0;

	for (u64 i = 0; i < s->info->mem_count; i++) {
		struct boot_mem m = s->mem[i], *last = &s->mem[count ? count - 1 : 0];
		u64 end = m.base + m.pages * PAGE;
		u64 last_end = count ? last->base + last->pages * PAGE : 0;

		if (end <= last_end)
			continue;
		m.base = MAX(m.base, last_end);
		m.pages = (end - m.base) / PAGE;
		if (count && m.base == last_end && m.type == last->type)
			last->pages += m.pages;
		else
			s->mem[count++] = m;
	}
	s->info->mem_count = count;
}

static void mem_convert(struct stub *s)
{
	s->info->mem_count = 0;
	for (u8 *p = map.data; p + map.desc_size <= map.data + map.size; p += map.desc_size) {
		EFI_MEMORY_DESCRIPTOR *d = (EFI_MEMORY_DESCRIPTOR *)p;
		u64 end = d->PhysicalStart + d->NumberOfPages * PAGE;

		mem_add(s, d->PhysicalStart, end, mem_type(d->Type));
	}
	mem_merge(s);
}

static EFI_STATUS memmap_fetch(struct stub *s)
{
	EFI_STATUS status;

	do {
		u64 had = s->mem_max;

		status = map_fetch();
		if (ok(status))
			status = mem_room(s);
		if (had == s->mem_max)
			break;
	} while (ok(status)); /* making room has changed the map */
	return status;
}

EFI_STATUS memmap_read(struct stub *s)
{
	EFI_STATUS status = memmap_fetch(s);

	if (!ok(status))
		return fail(status, "no memory map from firmware (%x)", (u64)status);
	mem_convert(s);
	return EFI_SUCCESS;
}

/* The key is stale when an event handler of firmware allocated between the two calls: get the map
 * again. After the first try only these two calls are allowed (UEFI 2.10, 7.4.6). */
EFI_STATUS boot_leave(struct stub *s)
{
	EFI_STATUS status = EFI_INVALID_PARAMETER;

	for (int i = 0; i < TRIES && !ok(status); i++) {
		status = memmap_fetch(s);
		if (ok(status))
			status = bs->ExitBootServices(s->handle, map.key);
	}
	if (!ok(status))
		return fail(status, "firmware does not let go of the machine (%x)", (u64)status);
	mem_convert(s);
	return EFI_SUCCESS;
}
