/* PCI (PCI Local Bus 3.0, chapter 6; PCI Express 5.0, 7.2): configuration space and what is there.
 *
 * Buses are found from the root on, through the bridges, so only buses that exist are mapped. */
#include "hal/dev/pci.h"
#include "hal/base/log.h"
#include "hal/cpu/regs.h"
#include "hal/cpu/spinlock.h"
#include "hal/dev/acpi.h"
#include "hal/upcall.h"

#define DEVICES_MAX 128
#define BUSES 256
#define SLOTS 32
#define FUNCTIONS 8
#define BUS_SIZE MIB /* of ECAM */
#define DEPTH_MAX 16 /* bridges behind bridges */

#define PORT_ADDRESS 0xcf8
#define PORT_DATA 0xcfc
#define ADDRESS_ENABLE BIT(31)
#define PORT_SPACE 256 /* bytes of configuration space that the ports reach */

#define REG_ID 0x00
#define REG_CLASS 0x08
#define REG_HEADER 0x0c
#define REG_BUSES 0x18
#define REG_INTERFACE_SHIFT 8
#define HEADER_MULTI BIT(7)
#define HEADER_BRIDGE 1
#define CLASS_BRIDGE 6

/* ACPI's MCFG (PCI Firmware 3.2, 4.1.2) */
struct mcfg_entry {
	u64 base; /* of bus 0, though the first bus may be another */
	u16 segment;
	u8 first, last;
	u32 reserved;
} __packed;
struct mcfg {
	struct acpi_header header;
	u64 reserved;
	struct mcfg_entry entries[];
} __packed;

static const struct mcfg_entry *ecam;          /* [I] of segment 0; NULL: ports only */
static volatile char *bus_windows[BUSES];      /* [I] after pci_init; ECAM of the buses that exist */
static struct pci_device devices[DEVICES_MAX]; /* [I] the same */
static u32 device_count;                       /* [I] the same */
static struct spinlock port_lock = SPINLOCK_INIT("pci", RANK_DEVICE); /* the two ports */

static volatile char *config_address(const struct pci_device *d, u32 offset)
{
	volatile char *bus = bus_windows[d->bus];

	return bus ? bus + (d->slot << 15 | d->function << 12 | offset) : NULL;
}

static void port_select(const struct pci_device *d, u32 offset)
{
	outl(PORT_ADDRESS, ADDRESS_ENABLE | d->bus << 16 | d->slot << 11 | d->function << 8 | offset);
}

u32 pci_read32(const struct pci_device *d, u32 offset)
{
	volatile char *p = config_address(d, offset);
	bool irq;
	u32 v;

	if (p)
		return mmio_read32(p);
	if (offset >= PORT_SPACE)
		return ~0U;
	irq = spin_lock_irq(&port_lock);
	port_select(d, offset);
	v = inl(PORT_DATA);
	spin_unlock_irq(&port_lock, irq);
	return v;
}

void pci_write32(const struct pci_device *d, u32 offset, u32 v)
{
	volatile char *p = config_address(d, offset);
	bool irq;

	if (p) {
		mmio_write32(p, v);
		return;
	}
	if (offset >= PORT_SPACE)
		return;
	irq = spin_lock_irq(&port_lock);
	port_select(d, offset);
	outl(PORT_DATA, v);
	spin_unlock_irq(&port_lock, irq);
}

static void ecam_find(void)
{
	const struct mcfg *m = acpi_find("MCFG", 0);
	u32 count = m && m->header.length > sizeof(*m)
	                    ? (m->header.length - sizeof(*m)) / sizeof(m->entries[0])
	                    : 0;

	for (u32 i = 0; i < count; i++)
		if (m->entries[i].segment == 0)
			ecam = &m->entries[i];
}

static void bus_map(u32 bus)
{
	if (ecam && bus >= ecam->first && bus <= ecam->last && !bus_windows[bus])
		bus_windows[bus] = upcall_map_device(ecam->base + bus * BUS_SIZE, BUS_SIZE, false);
}

static void device_add(const struct pci_device *d)
{
	klog(LOG_INFO, "pci: %02x:%02x.%u %04x:%04x class %02x%02x%02x", d->bus, d->slot, d->function,
	     d->vendor, d->device, d->class, d->subclass, d->interface);
	if (device_count < DEVICES_MAX)
		devices[device_count++] = *d;
}

/* function_read => false when there is none */
static bool function_read(struct pci_device *d)
{
	u32 id = pci_read32(d, REG_ID), class;

	d->vendor = id;
	d->device = id >> 16;
	if (d->vendor == 0xffff)
		return false;
	class = pci_read32(d, REG_CLASS);
	d->class = class >> 24;
	d->subclass = class >> 16;
	d->interface = class >> REG_INTERFACE_SHIFT;
	d->header = pci_read32(d, REG_HEADER) >> 16;
	return true;
}

static void bus_scan(u32 bus, u32 depth);

static void slot_scan(u32 bus, u32 slot, u32 depth)
{
	struct pci_device d = {.bus = bus, .slot = slot};
	u32 functions = 1, behind;

	for (; d.function < functions; d.function++) {
		if (!function_read(&d))
			continue;
		if (d.function == 0 && (d.header & HEADER_MULTI))
			functions = FUNCTIONS;
		device_add(&d);
		if ((d.header & ~HEADER_MULTI) != HEADER_BRIDGE || d.class != CLASS_BRIDGE)
			continue;
		behind = pci_read32(&d, REG_BUSES) >> 8 & 0xff;
		if (behind > bus && depth < DEPTH_MAX)
			bus_scan(behind, depth + 1);
	}
}

static void bus_scan(u32 bus, u32 depth)
{
	bus_map(bus);
	for (u32 slot = 0; slot < SLOTS; slot++)
		slot_scan(bus, slot, depth);
}

void pci_init(void)
{
	ecam_find();
	bus_scan(ecam ? ecam->first : 0, 0);
	if (device_count == DEVICES_MAX)
		klog(LOG_WARN, "pci: more functions than the %u that fit", DEVICES_MAX);
}

u32 pci_count(void)
{
	return device_count;
}

const struct pci_device *pci_get(u32 index)
{
	return index < device_count ? &devices[index] : NULL;
}
