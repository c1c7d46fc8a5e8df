/* What the files of hal/irq share; nobody else includes it. */
#pragma once

#ifndef HAL_IRQ
#error "hal/irq/internal.h is private to hal/irq"
#endif

#include "hal/base/types.h"

/* MADT entries (ACPI 6.4, 5.2.12) */
struct madt_ioapic {
	u8 type, length; /* 1, 12 */
	u8 id, reserved;
	u32 address;  /* physical */
	u32 gsi_base; /* of its first pin */
} __packed;
#define MADT_IOAPIC 1

struct madt_override {
	u8 type, length; /* 2, 10 */
	u8 bus, isa;
	u32 gsi;
	u16 flags;
} __packed;
#define MADT_OVERRIDE 2
#define MADT_POLARITY(flags) ((flags)&3)       /* 0: as the bus has it, 1: high, 3: low */
#define MADT_TRIGGER(flags) ((flags) >> 2 & 3) /* 0: as the bus has it, 1: edge, 3: level */

struct madt_nmi {
	u8 type, length; /* 4, 6 */
	u8 processor;    /* 0xff: all */
	u16 flags;
	u8 lint; /* 0 or 1 */
} __packed;
#define MADT_NMI 4

/* apic.c. lapic_map: find and map the local APIC's registers. => 0 or -ENODEV */
int lapic_map(void);
u32 lapic_id(void);

/* ioapic.c */
struct irq_route {
	u32 gsi;
	bool level, low;
};
int ioapic_init(void); /* all IO-APICs, every pin masked. => 0 or -ENODEV */
bool ioapic_has(u32 gsi);
void ioapic_route(const struct irq_route *r, u32 vector, u32 apic_id); /* and unmask */
struct irq_route isa_route(u32 isa);                                   /* by the MADT's overrides */
