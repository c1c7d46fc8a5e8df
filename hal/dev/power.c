/* Ending the machine, by the ways that there are, from the tidiest to the crudest. */
#include "hal/dev/power.h"
#include "hal/base/cmdline.h"
#include "hal/base/log.h"
#include "hal/base/string.h"
#include "hal/console/console.h"
#include "hal/cpu/regs.h"
#include "hal/dev/acpi.h"

#define QEMU_EXIT_PORT 0xf4 /* isa-debug-exit: N makes QEMU end with (N << 1) | 1 */

/* UEFI 2.10, 8.5.1: EFI_RESET_TYPE */
#define EFI_RESET_COLD 0
#define EFI_RESET_SHUTDOWN 2

/* The keyboard controller (8042): a pulse on its output line 0, the CPU's reset. */
#define KBC_STATUS 0x64
#define KBC_INPUT_FULL BIT(1)
#define KBC_PULSE_RESET 0xfe

enum way {
	WAY_QEMU = BIT(0),
	WAY_EFI = BIT(1),
	WAY_ACPI = BIT(2),
	WAY_KEYBOARD = BIT(3),
};

static u32 ways = WAY_ACPI | WAY_KEYBOARD; /* [I] after power_init */
static void (*power_efi_call)(u32 type);   /* [I] the same */

/* power_ways: `power=efi`, `acpi` or `kbd` tries that one first of all, and those behind it. */
static u32 power_ways(const char *cmdline)
{
	u32 w = WAY_EFI | WAY_ACPI | WAY_KEYBOARD;
	char value[8];

	if (cmdline_get(cmdline, "power", value, sizeof(value)) >= 0) {
		if (!strcmp(value, "acpi"))
			w = WAY_ACPI | WAY_KEYBOARD;
		else if (!strcmp(value, "kbd"))
			w = WAY_KEYBOARD;
	}
	if (cmdline_get(cmdline, "exit", value, sizeof(value)) >= 0 && !strcmp(value, "qemu"))
		w |= WAY_QEMU;
	return w;
}

void power_init(const char *cmdline, void (*efi_call)(u32 type))
{
	ways = power_ways(cmdline);
	power_efi_call = efi_call;
}

/* keyboard_reset: bounded, for a machine without that controller reads all ones. */
static void keyboard_reset(void)
{
	for (u32 i = 0; i < 100000 && (inb(KBC_STATUS) & KBC_INPUT_FULL); i++)
		cpu_relax();
	outb(KBC_STATUS, KBC_PULSE_RESET);
}

static void __noreturn halt_for_good(void)
{
	console_flush();
	for (;;)
		__asm__ volatile("cli; hlt");
}

static void report_status(u32 status)
{
	klog(LOG_NOTICE, "bulkhead: exit status %u", status);
	console_flush();
	if (ways & WAY_QEMU)
		outb(QEMU_EXIT_PORT, status & 0x7f);
}

/* power_begin: what both ordinary ends have in common. */
static void power_begin(u32 status, u32 efi_type)
{
	report_status(status);
	if (!(ways & WAY_EFI) || !power_efi_call)
		return;
	power_efi_call(efi_type);
	klog(LOG_WARN, "power: firmware's ResetSystem came back");
}

void __noreturn power_off(u32 status)
{
	power_begin(status, EFI_RESET_SHUTDOWN);
	irq_disable();
	if (ways & WAY_ACPI)
		acpi_power_off();
	klog(LOG_ERROR, "power: this machine does not switch itself off; it is safe to do so now");
	halt_for_good();
}

void __noreturn power_restart(void)
{
	power_begin(0, EFI_RESET_COLD);
	irq_disable();
	if (ways & WAY_ACPI)
		acpi_reset();
	keyboard_reset();
	klog(LOG_ERROR, "power: this machine does not restart itself");
	halt_for_good();
}

void __noreturn power_panic(u32 status)
{
	report_status(status);
	halt_for_good();
}
