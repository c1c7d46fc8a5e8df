/* The first instruction of ours: firmware calls efi_main. It gathers, loads, leaves and jumps. */
#define BULKHEAD_STUB
#include "efi/stub.h"

#define DEBUG_EXIT_PORT 0xf4 /* QEMU's isa-debug-exit */
#define DEBUG_EXIT_FAILED 125
#define COM1 0x3f8
#define COM2 0x2f8
#define COM_LINE_STATUS 5
#define COM_TX_EMPTY 0x20
#define ASCII_RS 0x1e        /* record separator */
#define READING_TIME 5000000 /* microseconds that a message stays before firmware goes on */

EFI_SYSTEM_TABLE *st;
EFI_BOOT_SERVICES *bs;

/* mark_serial: a watcher of the line sees where firmware's output ends and the kernel's begins. */
static void mark_serial(u16 port)
{
	for (int i = 0; i < 100000 && !(inb(port + COM_LINE_STATUS) & COM_TX_EMPTY); i++)
		;
	outb(port, ASCII_RS);
}

/* boot_prepare: all that may fail, and may be undone. */
static EFI_STATUS boot_prepare(struct stub *s)
{
	EFI_STATUS status = gather_sections(s);

	if (!ok(status))
		return status;
	gather_volume(s);
	if (!ok(status = gather_cmdline(s)) || !ok(status = gather_initrd(s)) || !ok(status = gather_acpi(s)))
		return status;
	gather_framebuffer(s);
	gather_time(s);
	gather_entropy(s);
	if (!ok(status = kernel_load(s)) || !ok(status = memmap_read(s)))
		return status;
	return paging_build(s);
}

/* boot_jump: nothing of firmware is called any more, nothing can fail, nobody returns. */
static void __noreturn boot_jump(struct stub *s)
{
	s->info->tsc_exit = rdtsc();
	memset(s->random, 0, sizeof(s->random));
	if (exit_qemu) {
		mark_serial(COM1);
		mark_serial(COM2);
	}
	stub_jump(s->cr3, s->entry, s->info->dmap_base + (u64)s->info, s->stack,
	          cmdline_has(s, "wait=gdb") ? WAIT_FOR_GDB : 0);
}

/* boot_failed: the cause has been printed. */
static EFI_STATUS boot_failed(struct stub *s, EFI_STATUS status)
{
	if (s->volume)
		s->volume->Close(s->volume);
	pages_free_all();
	if (exit_qemu)
		outb(DEBUG_EXIT_PORT, DEBUG_EXIT_FAILED);
	bs->Stall(READING_TIME);
	return status;
}

EFI_STATUS EFIAPI efi_main(EFI_HANDLE handle, EFI_SYSTEM_TABLE *system)
{
	u64 entered = rdtsc();
	struct stub s = {.handle = handle};
	EFI_STATUS status;

	st = system;
	bs = system->BootServices;
	s.info = arena_alloc(sizeof(*s.info));
	if (!s.info)
		return boot_failed(&s, EFI_OUT_OF_RESOURCES);
	s.info->magic = BOOTINFO_MAGIC;
	s.info->version = BOOTINFO_VERSION;
	s.info->size = sizeof(*s.info);
	s.info->tsc_entry = entered;

	status = boot_prepare(&s);
	if (ok(status))
		status = boot_leave(&s);
	if (!ok(status))
		return boot_failed(&s, status);

	/* ------------------------------ the point of no return ------------------------------ */
	boot_jump(&s);
}
