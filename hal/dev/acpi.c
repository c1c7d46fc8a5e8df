/* ACPI tables (ACPI 6.4, chapter 5), and the power registers (4.8). */
#include "hal/dev/acpi.h"
#include "hal/base/dmap.h"
#include "hal/base/log.h"
#include "hal/base/string.h"
#include "hal/cpu/regs.h"
#include "hal/upcall.h"
#include "kernel/abi/errno.h"

#define TABLES_MAX 64

struct rsdp {
	char signature[8]; /* "RSD PTR " */
	u8 checksum;       /* of the first 20 bytes */
	char oem_id[6];
	u8 revision; /* 2 and up: what follows the RSDT's address is there */
	u32 rsdt;
	u32 length;
	u64 xsdt;
	u8 extended_checksum; /* of all LENGTH bytes */
	u8 reserved[3];
} __packed;
#define RSDP_V1_SIZE 20

/* Generic address structure (5.2.3.2) */
struct gas {
	u8 space, width, offset, access;
	u64 address;
} __packed;
#define GAS_MEMORY 0
#define GAS_IO 1

struct fadt {
	struct acpi_header header;
	u32 firmware_ctrl, dsdt;
	u8 reserved0, profile;
	u16 sci_int;
	u32 smi_cmd;
	u8 acpi_enable, acpi_disable, s4bios_req, pstate_cnt;
	u32 pm1a_event, pm1b_event, pm1a_control, pm1b_control, pm2_control, pm_timer;
	u32 gpe0, gpe1;
	u8 pm1_event_len, pm1_control_len, pm2_control_len, pm_timer_len;
	u8 gpe0_len, gpe1_len, gpe1_base, cst_cnt;
	u16 c2_latency, c3_latency, flush_size, flush_stride;
	u8 duty_offset, duty_width, day_alarm, month_alarm, century;
	u16 boot_flags;
	u8 reserved1;
	u32 flags;
	struct gas reset_reg;
	u8 reset_value;
	u16 arm_boot_flags;
	u8 minor;
	u64 x_firmware_ctrl, x_dsdt;
} __packed;
_Static_assert(offsetof(struct fadt, pm_timer) == 76 && offsetof(struct fadt, flags) == 112 &&
                       offsetof(struct fadt, x_dsdt) == 140,
               "ACPI 6.4, table 5.9");
#define FADT_TIMER_32 BIT(8)
#define FADT_RESET BIT(10)
#define FADT_BOOT_8042 BIT(1)

#define PM1_SCI_EN BIT(0)
#define PM1_SLEEP_TYPE(n) ((n) << 10)
#define PM1_SLEEP_TYPE_MASK PM1_SLEEP_TYPE(7)
#define PM1_SLEEP_EN BIT(13)

struct madt {
	struct acpi_header header;
	u32 lapic;
	u32 flags;
	struct madt_entry first;
} __packed;
#define MADT_LAPIC_64 5 /* the local APIC's address in 64 bits */

static const struct acpi_header *tables[TABLES_MAX]; /* [I] after acpi_init */
static u32 table_count;                              /* [I] */
static volatile u8 *reset_register;                  /* [I] when it is in memory */
static i32 s5_type_a = -1, s5_type_b;                /* [I] SLP_TYP for S5; -1: unknown */

static bool sum_ok(const void *p, size_t n)
{
	const u8 *b = p;
	u8 sum = 0;

	while (n--)
		sum += *b++;
	return sum == 0;
}

static void table_add(paddr_t pa)
{
	const struct acpi_header *h = phys_to_virt(pa);

	if (!pa || table_count == TABLES_MAX)
		return;
	if (h->length < sizeof(*h) || !sum_ok(h, h->length)) {
		klog(LOG_WARN, "acpi: %.4s: bad checksum, ignored", h->signature);
		return;
	}
	klog(LOG_INFO, "acpi: %.4s %u bytes, revision %u", h->signature, h->length, h->revision);
	tables[table_count++] = h;
}

/* root_walk: the RSDT's or XSDT's entries, of 4 or 8 bytes each. */
static int root_walk(paddr_t pa, size_t entry_size)
{
	const struct acpi_header *root = phys_to_virt(pa);
	const u8 *p = (const u8 *)(root + 1), *end = (const u8 *)root + root->length;

	if (root->length < sizeof(*root) || !sum_ok(root, root->length))
		return -ENODEV;
	for (; p + entry_size <= end; p += entry_size) {
		paddr_t entry = 0;

		memcpy(&entry, p, entry_size);
		table_add(entry);
	}
	return 0;
}

static const struct fadt *fadt_get(void)
{
	const struct fadt *f = acpi_find("FACP", 0);

	return f && f->header.length >= offsetof(struct fadt, reset_reg) ? f : NULL;
}

static bool fadt_has(const struct fadt *f, size_t end)
{
	return f && f->header.length >= end;
}
#define FADT_END(field) (offsetof(struct fadt, field) + sizeof(((struct fadt *)0)->field))

/* aml_byte: a small integer of AML (20.2.3): ZeroOp, OneOp or BytePrefix. => -1: another thing */
static i32 aml_byte(const u8 **p, const u8 *end)
{
	const u8 *at = *p;

	if (at >= end)
		return -1;
	if (at[0] == 0x0a) {
		*p = at + 2;
		return at + 1 < end ? at[1] : -1;
	}
	*p = at + 1;
	return at[0] <= 1 ? at[0] : -1;
}

/* s5_parse: AT is behind NameOp "_S5_": PackageOp PkgLength NumElements SLP_TYPa SLP_TYPb ... */
static bool s5_parse(const u8 *at, const u8 *end)
{
	i32 a, b;

	if (at + 3 >= end || at[0] != 0x12)
		return false;
	at += 2 + (at[1] >> 6); /* PkgLength: its upper two bits count further bytes */
	at++;
	a = aml_byte(&at, end);
	b = aml_byte(&at, end);
	if (a < 0)
		return false;
	s5_type_a = a;
	s5_type_b = b < 0 ? 0 : b;
	return true;
}

static void s5_find(const struct fadt *f)
{
	paddr_t pa = fadt_has(f, FADT_END(x_dsdt)) && f->x_dsdt ? f->x_dsdt : f->dsdt;
	const struct acpi_header *dsdt = phys_to_virt(pa);
	const u8 *p = (const u8 *)(dsdt + 1), *end = (const u8 *)dsdt + dsdt->length;

	if (!pa)
		return;
	for (; p + 8 < end; p++)
		if (*p == '_' && !memcmp(p, "_S5_", 4) && (p[-1] == 0x08 || p[-1] == '\\') &&
		    s5_parse(p + 4, end))
			return;
}

static void reset_map(const struct fadt *f)
{
	if (!fadt_has(f, FADT_END(reset_value)) || !(f->flags & FADT_RESET) ||
	    f->reset_reg.space != GAS_MEMORY)
		return;
	paddr_t page = ALIGN_DOWN(f->reset_reg.address, PAGE_SIZE);
	char *p = upcall_map_device(page, PAGE_SIZE, false);

	if (p)
		reset_register = (u8 *)p + (f->reset_reg.address - page);
}

int acpi_init(paddr_t rsdp)
{
	const struct rsdp *r = phys_to_virt(rsdp);
	int err = -ENODEV;

	if (!rsdp || memcmp(r->signature, "RSD PTR ", 8) || !sum_ok(r, RSDP_V1_SIZE))
		return -ENODEV;
	if (r->revision >= 2 && r->xsdt && sum_ok(r, r->length))
		err = root_walk(r->xsdt, sizeof(u64));
	if (err < 0)
		err = root_walk(r->rsdt, sizeof(u32));
	if (err < 0)
		return err;
	if (fadt_get()) {
		s5_find(fadt_get());
		reset_map(fadt_get());
	}
	return 0;
}

const void *acpi_find(const char *signature, u32 index)
{
	for (u32 i = 0; i < table_count; i++)
		if (!memcmp(tables[i]->signature, signature, 4) && index-- == 0)
			return tables[i];
	return NULL;
}

void madt_for_each(void (*fn)(const struct madt_entry *e, void *arg), void *arg)
{
	const struct madt *m = acpi_find("APIC", 0);
	const u8 *p, *end;

	if (!m)
		return;
	p = (const u8 *)&m->first;
	end = (const u8 *)m + m->header.length;
	while (p + sizeof(struct madt_entry) <= end) {
		const struct madt_entry *e = (const void *)p;

		if (e->length < sizeof(*e) || e->length > end - p)
			return;
		fn(e, arg);
		p += e->length;
	}
}

static void madt_find_lapic(const struct madt_entry *e, void *arg)
{
	if (e->type == MADT_LAPIC_64 && e->length >= 12)
		memcpy(arg, (const u8 *)e + 4, sizeof(u64));
}

u64 madt_lapic_base(void)
{
	const struct madt *m = acpi_find("APIC", 0);
	u64 base = m ? m->lapic : 0xfee00000;

	madt_for_each(madt_find_lapic, &base);
	return base;
}

u16 acpi_pm_timer_port(u32 *ret_bits)
{
	const struct fadt *f = fadt_get();

	if (!f || !f->pm_timer || f->pm_timer_len < 4)
		return 0;
	*ret_bits = f->flags & FADT_TIMER_32 ? 32 : 24;
	return f->pm_timer;
}

/* The flags are ACPI 2.0's (5.2.9.3); before that every PC had one. */
bool acpi_has_8042(void)
{
	const struct fadt *f = fadt_get();

	return !f || f->header.revision < 2 || (f->boot_flags & FADT_BOOT_8042);
}

static void pm1_sleep(u32 port, i32 type)
{
	u16 v;

	if (!port)
		return;
	v = inw(port) & ~(PM1_SLEEP_TYPE_MASK | PM1_SLEEP_EN);
	outw(port, v | PM1_SLEEP_TYPE(type));
	outw(port, v | PM1_SLEEP_TYPE(type) | PM1_SLEEP_EN);
}

void acpi_power_off(void)
{
	const struct fadt *f = fadt_get();

	if (!f || s5_type_a < 0 || !f->pm1a_control)
		return;
	if (f->smi_cmd && f->acpi_enable && !(inw(f->pm1a_control) & PM1_SCI_EN)) {
		outb(f->smi_cmd, f->acpi_enable);
		for (u32 i = 0; i < 1000000 && !(inw(f->pm1a_control) & PM1_SCI_EN); i++)
			cpu_relax();
	}
	pm1_sleep(f->pm1a_control, s5_type_a);
	pm1_sleep(f->pm1b_control, s5_type_b);
}

void acpi_reset(void)
{
	const struct fadt *f = fadt_get();

	if (!fadt_has(f, FADT_END(reset_value)) || !(f->flags & FADT_RESET))
		return;
	if (f->reset_reg.space == GAS_IO)
		outb(f->reset_reg.address, f->reset_value);
	else if (reset_register)
		*reset_register = f->reset_value;
}
