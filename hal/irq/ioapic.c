/* IO-APICs (Intel 82093AA data sheet): which pin of which chip gives which vector. */
#define HAL_IRQ
#include "hal/irq/internal.h"
#include "hal/base/log.h"
#include "hal/cpu/regs.h"
#include "hal/cpu/spinlock.h"
#include "hal/dev/acpi.h"
#include "hal/upcall.h"
#include "kernel/abi/errno.h"

#define IOAPICS_MAX 16
#define ISA_IRQS 16

/* Two registers in memory: an index and a window onto the register it names. */
enum {
	MMIO_INDEX = 0x00,
	MMIO_WINDOW = 0x10,
	MMIO_SIZE = 0x20,
};
#define REG_VERSION 1
#define REG_PIN(n) (0x10 + 2 * (n)) /* and the next: the upper half */

#define PIN_LOW BIT(13)
#define PIN_LEVEL BIT(15)
#define PIN_MASKED BIT(16)

struct ioapic {
	volatile char *regs; /* [I]; what they hold: [ioapic lock] */
	u32 gsi_base;        /* [I] */
	u32 pins;            /* [I] */
};

static struct ioapic ioapics[IOAPICS_MAX];    /* [I] after ioapic_init */
static u32 ioapic_count;                      /* [I] the same */
static struct irq_route isa_routes[ISA_IRQS]; /* [I] the same */
static struct spinlock ioapic_lock = SPINLOCK_INIT("ioapic", RANK_DEVICE);

static u32 ioapic_read(struct ioapic *io, u32 reg)
{
	mmio_write32(io->regs + MMIO_INDEX, reg);
	return mmio_read32(io->regs + MMIO_WINDOW);
}

static void ioapic_write(struct ioapic *io, u32 reg, u32 v)
{
	mmio_write32(io->regs + MMIO_INDEX, reg);
	mmio_write32(io->regs + MMIO_WINDOW, v);
}

static void madt_add_ioapic(const struct madt_ioapic *e)
{
	struct ioapic *io = &ioapics[ioapic_count];
	u64 offset = e->address & PAGE_MASK;
	char *page;

	if (ioapic_count == IOAPICS_MAX)
		return;
	page = upcall_map_device(e->address - offset, offset + MMIO_SIZE, false);
	if (!page)
		return;
	io->regs = page + offset;
	io->gsi_base = e->gsi_base;
	io->pins = (ioapic_read(io, REG_VERSION) >> 16 & 0xff) + 1;
	for (u32 pin = 0; pin < io->pins; pin++)
		ioapic_write(io, REG_PIN(pin), PIN_MASKED);
	ioapic_count++;
	klog(LOG_INFO, "ioapic: interrupts %u-%u", io->gsi_base, io->gsi_base + io->pins - 1);
}

/* madt_add_override: the ISA bus is edge-triggered, active high, unless told otherwise. */
static void madt_add_override(const struct madt_override *e)
{
	if (e->bus != 0 || e->isa >= ISA_IRQS)
		return;
	isa_routes[e->isa] = (struct irq_route){
	        .gsi = e->gsi, .level = MADT_TRIGGER(e->flags) == 3, .low = MADT_POLARITY(e->flags) == 3};
}

static void madt_entry(const struct madt_entry *e, void *arg)
{
	if (e->type == MADT_IOAPIC && e->length >= sizeof(struct madt_ioapic))
		madt_add_ioapic((const void *)e);
	else if (e->type == MADT_OVERRIDE && e->length >= sizeof(struct madt_override))
		madt_add_override((const void *)e);
}

int ioapic_init(void)
{
	for (u32 i = 0; i < ISA_IRQS; i++)
		isa_routes[i].gsi = i;
	madt_for_each(madt_entry, NULL);
	return ioapic_count ? 0 : -ENODEV;
}

struct irq_route isa_route(u32 isa)
{
	return isa_routes[isa];
}

static struct ioapic *ioapic_of(u32 gsi)
{
	for (u32 i = 0; i < ioapic_count; i++)
		if (gsi - ioapics[i].gsi_base < ioapics[i].pins)
			return &ioapics[i];
	return NULL;
}

bool ioapic_has(u32 gsi)
{
	return ioapic_of(gsi) != NULL;
}

void ioapic_route(const struct irq_route *r, u32 vector, u32 apic_id)
{
	struct ioapic *io = ioapic_of(r->gsi);
	u32 pin = r->gsi - io->gsi_base;
	bool irq = spin_lock_irq(&ioapic_lock);

	ioapic_write(io, REG_PIN(pin), PIN_MASKED);
	ioapic_write(io, REG_PIN(pin) + 1, apic_id << 24);
	ioapic_write(io, REG_PIN(pin), vector | (r->level ? PIN_LEVEL : 0) | (r->low ? PIN_LOW : 0));
	spin_unlock_irq(&ioapic_lock, irq);
}
