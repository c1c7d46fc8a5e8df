/* Ending the machine. */
#pragma once

#include "hal/base/types.h"

/* power_init: `exit=qemu` on the command line makes the ends below report STATUS & 0x7f through
 * isa-debug-exit at port 0xf4 first. EFI_CALL runs UEFI ResetSystem(type) under firmware's own
 * tables (handed down by kernel/, which may use vm); NULL when there are no runtime services.
 * `power=acpi` and `power=kbd` leave out the ways before that one. */
void power_init(const char *cmdline, void (*efi_call)(u32 type));

/* Each logs `bulkhead: exit status N`, flushes the consoles, then tries isa-debug-exit (if asked
 * for), UEFI runtime services, ACPI; power_restart also the keyboard controller, whose only trick it
 * is. Halts when nothing worked. */
void __noreturn power_off(u32 status);
void __noreturn power_restart(void);

/* power_panic: as power_off when `exit=qemu`; otherwise halt, so that the screen can be read. */
void __noreturn power_panic(u32 status);
