/* PCI configuration space by ECAM (MCFG) or, without it, ports 0xcf8/0xcfc. */
#pragma once

#include "hal/base/types.h"

struct pci_device {
	u16 segment;
	u8 bus, slot, function;
	u16 vendor, device;
	u8 class, subclass, interface, header;
};

/* pci_init: enumerate all buses, log one line a function. */
void pci_init(void);
u32 pci_count(void);
const struct pci_device *pci_get(u32 index); /* NULL past the end */
u32 pci_read32(const struct pci_device *d, u32 offset);
void pci_write32(const struct pci_device *d, u32 offset, u32 v);
