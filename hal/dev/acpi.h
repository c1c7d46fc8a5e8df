/* ACPI tables (ACPI 6.4 chapter 5): found, checked, listed. No AML is run; the S5 sleep type is
 * read from the DSDT's \_S5 package by its byte pattern, as is common practice. */
#pragma once

#include "hal/base/types.h"

struct acpi_header {
	char signature[4];
	u32 length;
	u8 revision, checksum;
	char oem_id[6], oem_table_id[8];
	u32 oem_revision, creator_id, creator_revision;
} __packed;

/* acpi_init: walk RSDP -> XSDT/RSDT, check sums, log one line a table. => 0 or -ENODEV */
int acpi_init(paddr_t rsdp);

/* acpi_find => the INDEXth table with SIGNATURE, mapped for good; NULL when absent */
const void *acpi_find(const char *signature, u32 index);

/* madt_for_each: the MADT's entries (ACPI 5.2.12) */
struct madt_entry {
	u8 type, length;
} __packed;
void madt_for_each(void (*fn)(const struct madt_entry *e, void *arg), void *arg);
u64 madt_lapic_base(void);

/* ACPI PM timer: port, 0 when there is none; 24 or 32 bits wide; 3.579545 MHz. */
u16 acpi_pm_timer_port(u32 *ret_bits);

/* acpi_has_8042: there is a PS/2 controller, or nobody says that there is none. */
bool acpi_has_8042(void);

/* Ends of the machine, each returns only when it did not work. */
void acpi_power_off(void);
void acpi_reset(void);
