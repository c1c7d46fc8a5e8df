/* Device interrupts: local APIC and IO-APICs as ACPI's MADT describes them. */
#pragma once

#include "hal/base/types.h"

/* Runs in interrupt context, interrupts off, preemption off; may wake, may not sleep. */
typedef void (*irq_handler_t)(void *arg);

/* irq_init: mask the 8259s, map and enable the local APIC, find the IO-APICs. After acpi_init and
 * kva (vm) are up, interrupts off. => 0 or -ENODEV */
int irq_init(void);

/* irq_attach_isa: route the ISA interrupt (0..15, through the MADT's overrides) to the boot CPU.
 * irq_attach_gsi: the same for a global system interrupt; LEVEL and LOW as the device says.
 * => 0, -EINVAL (no such pin), -EBUSY (taken), -ENOSPC (no vector left) */
int irq_attach_isa(u32 isa, irq_handler_t fn, void *arg, const char *name);
int irq_attach_gsi(u32 gsi, bool level, bool low, irq_handler_t fn, void *arg, const char *name);

/* irq_dispatch: called by entry code for device vectors; calls the handler, then ends the
 * interrupt. */
void irq_dispatch(u32 vector);

/* lapic_eoi: end of interrupt, for the vectors that the CPU layer handles itself. */
void lapic_eoi(void);

/* The local APIC's one-shot timer in its own ticks (hal/time calibrates them); 0 stops it. */
void lapic_timer_set(u32 ticks);
u32 lapic_timer_read(void);
void lapic_init_cpu(void);                /* on each CPU */
void lapic_send(u32 apic_id, u32 vector); /* an inter-processor interrupt */

/* irq_for_each: name and count of each attached interrupt, for /proc/interrupts. */
void irq_for_each(void (*fn)(u32 vector, const char *name, u64 count, void *arg), void *arg);
