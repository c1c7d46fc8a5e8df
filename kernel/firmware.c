/* The only service used is ResetSystem: once, at the end. */
#include "kernel/firmware.h"
#include "hal/base/dmap.h"
#include "hal/cpu/cpu.h"
#include "vm/pmap.h"

#define RESET_SYSTEM_OFFSET 104 /* of ResetSystem in EFI_RUNTIME_SERVICES (UEFI 2.9, 4.5.1) */

typedef void __attribute__((ms_abi)) (*reset_system_fn)(u32 type, u64 status, u64 size, void *data);

static paddr_t runtime_services;

static void firmware_reset(u32 type)
{
	irq_disable();
	pmap_identity_begin();
	/* SMEP and SMAP concern user pages; firmware's are not. It may well write to its code: WP is off here. */
	write_cr0(read_cr0() & ~CR0_WP);
	reset_system_fn reset = *(reset_system_fn *)(runtime_services + RESET_SYSTEM_OFFSET);
	reset(type, 0, 0, NULL);
	write_cr0(read_cr0() | CR0_WP);
	pmap_identity_end();
}

void (*firmware_init(const struct bootinfo *bi))(u32 type)
{
	runtime_services = bi->efi_runtime;
	if (!runtime_services || pmap_identity_init(phys_to_virt(bi->mem), bi->mem_count) < 0)
		return NULL;
	return firmware_reset;
}
