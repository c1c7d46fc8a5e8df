/* The local APIC (Intel SDM vol. 3, chapter 10), by memory or, where firmware left it in that mode,
 * by MSRs (x2APIC). */
#define HAL_IRQ
#include "hal/irq/internal.h"
#include "hal/irq/irq.h"
#include "hal/base/log.h"
#include "hal/cpu/cpu.h"
#include "hal/cpu/regs.h"
#include "hal/cpu/trapframe.h"
#include "hal/dev/acpi.h"
#include "hal/upcall.h"
#include "kernel/abi/errno.h"

/* Registers, by their offset in memory */
enum {
	REG_ID = 0x20,
	REG_TPR = 0x80,
	REG_EOI = 0xb0,
	REG_SPURIOUS = 0xf0,
	REG_ESR = 0x280,
	REG_ICR_LOW = 0x300,
	REG_ICR_HIGH = 0x310,
	REG_LVT_TIMER = 0x320,
	REG_LVT_LINT0 = 0x350,
	REG_LVT_LINT1 = 0x360,
	REG_LVT_ERROR = 0x370,
	REG_TIMER_INITIAL = 0x380,
	REG_TIMER_CURRENT = 0x390,
	REG_TIMER_DIVIDE = 0x3e0,
};

#define APIC_BASE_X2 BIT(10)
#define APIC_BASE_ENABLE BIT(11)
#define X2APIC_MSR(reg) (0x800 + ((reg) >> 4))
#define SPURIOUS_ENABLE BIT(8)
#define LVT_MASKED BIT(16)
#define LVT_NMI (4U << 8)
#define LVT_LOW BIT(13)
#define LVT_DEADLINE (2U << 17)
#define ICR_PENDING BIT(12)
#define DIVIDE_BY_16 3

static volatile char *lapic; /* [I] NULL in x2APIC mode */
static bool x2apic;          /* [I] */

static u32 lapic_read(u32 reg)
{
	return x2apic ? (u32)rdmsr(X2APIC_MSR(reg)) : mmio_read32(lapic + reg);
}

static void lapic_write(u32 reg, u32 v)
{
	if (x2apic)
		wrmsr(X2APIC_MSR(reg), v);
	else
		mmio_write32(lapic + reg, v);
}

int lapic_map(void)
{
	u64 base = rdmsr(MSR_APIC_BASE);

	x2apic = base & APIC_BASE_X2;
	if (x2apic)
		return 0;
	wrmsr(MSR_APIC_BASE, base | APIC_BASE_ENABLE);
	lapic = upcall_map_device(madt_lapic_base(), PAGE_SIZE, false);
	return lapic ? 0 : -ENODEV;
}

u32 lapic_id(void)
{
	u32 id = lapic_read(REG_ID);

	return x2apic ? id : id >> 24;
}

/* nmi_setup: the pin that the MADT says is wired to NMI. Entries for a single processor name it by
 * ACPI's number, which need not be the APIC's; machines have the same wiring for all. */
static void nmi_setup(const struct madt_entry *e, void *arg)
{
	const struct madt_nmi *nmi = (const void *)e;

	if (e->type != MADT_NMI || e->length < sizeof(*nmi))
		return;
	lapic_write(nmi->lint ? REG_LVT_LINT1 : REG_LVT_LINT0,
	            LVT_NMI | (MADT_POLARITY(nmi->flags) == 3 ? LVT_LOW : 0));
}

void lapic_init_cpu(void)
{
	lapic_write(REG_LVT_LINT0, LVT_MASKED);
	lapic_write(REG_LVT_LINT1, LVT_MASKED);
	lapic_write(REG_LVT_ERROR, LVT_MASKED);
	madt_for_each(nmi_setup, NULL);
	lapic_write(REG_TPR, 0);
	lapic_write(REG_SPURIOUS, SPURIOUS_ENABLE | VEC_SPURIOUS);
	lapic_write(REG_TIMER_DIVIDE, DIVIDE_BY_16);
	lapic_write(REG_TIMER_INITIAL, 0);
	lapic_write(REG_LVT_TIMER, VEC_TIMER | (cpu_features.tsc_deadline ? LVT_DEADLINE : 0));
	/* SDM 10.5.4.1: the write above has to be done before the first one of the deadline's MSR */
	__asm__ volatile("mfence" ::: "memory");
	lapic_eoi();
}

void lapic_eoi(void)
{
	lapic_write(REG_EOI, 0);
}

void lapic_timer_set(u32 ticks)
{
	lapic_write(REG_TIMER_INITIAL, ticks);
}

u32 lapic_timer_read(void)
{
	return lapic_read(REG_TIMER_CURRENT);
}

void lapic_send(u32 apic_id, u32 vector)
{
	bool irq = irq_save();

	if (x2apic) {
		__asm__ volatile("mfence; lfence" ::: "memory"); /* SDM 10.12.3 */
		wrmsr(X2APIC_MSR(REG_ICR_LOW), (u64)apic_id << 32 | vector);
	} else {
		while (lapic_read(REG_ICR_LOW) & ICR_PENDING)
			cpu_relax();
		lapic_write(REG_ICR_HIGH, apic_id << 24);
		lapic_write(REG_ICR_LOW, vector);
	}
	irq_restore(irq);
}
