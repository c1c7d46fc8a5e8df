/* Vectors and who handles them. */
#define HAL_IRQ
#include "hal/irq/internal.h"
#include "hal/irq/irq.h"
#include "hal/base/atomic.h"
#include "hal/base/log.h"
#include "hal/cpu/regs.h"
#include "hal/cpu/spinlock.h"
#include "hal/cpu/trapframe.h"
#include "kernel/abi/errno.h"

/* The two 8259s (Intel 8259A data sheet): set up and silenced. */
#define PIC1 0x20
#define PIC2 0xa0
#define PIC_VECTOR 0x20 /* 0x20-0x2f: free of exceptions, nothing else lives there */

#define VECTOR_FIRST VEC_IRQ_BASE
#define VECTOR_LAST 0xef
#define ISA_IRQS 16

struct irq_slot {
	irq_handler_t fn; /* atomic; set last, so that what it needs is there */
	void *arg;        /* [I] once fn is set */
	const char *name; /* [I] the same */
	u32 gsi;          /* [I] the same */
	u64 count;        /* atomic */
};

static struct irq_slot slots[256];
static struct spinlock irq_lock = SPINLOCK_INIT("irq", RANK_DEVICE); /* who attaches */
static u32 boot_apic_id;                                             /* [I] after irq_init */
static u32 stray_count;                                              /* atomic */

static void pic_mask(void)
{
	static const u8 setup[][2] = {
	        {0, 0x11}, {1, PIC_VECTOR}, {1, 4}, {1, 1}, /* ICW1-4: edge, vectors, cascade, 8086 */
	        {1, 0xff},                                  /* OCW1: all masked */
	};

	for (u32 i = 0; i < ARRAY_SIZE(setup); i++) {
		outb(PIC1 + setup[i][0], setup[i][1]);
		outb(PIC2 + setup[i][0], i == 1 ? PIC_VECTOR + 8 : i == 2 ? 2 : setup[i][1]);
	}
}

int irq_init(void)
{
	int err;

	pic_mask();
	err = lapic_map();
	if (err < 0)
		return err;
	lapic_init_cpu();
	boot_apic_id = lapic_id();
	return ioapic_init();
}

/* vector_choose: the lowest free one. => 0; -EBUSY when the pin has a handler already; -ENOSPC */
static int vector_choose(u32 gsi, u32 *ret_vector)
{
	u32 vector = 0;

	for (u32 v = VECTOR_LAST; v >= VECTOR_FIRST; v--) {
		if (slots[v].fn && slots[v].gsi == gsi)
			return -EBUSY;
		if (!slots[v].fn && v != VEC_SYSCALL)
			vector = v;
	}
	if (!vector)
		return -ENOSPC;
	*ret_vector = vector;
	return 0;
}

static int irq_attach(const struct irq_route *r, irq_handler_t fn, void *arg, const char *name)
{
	u32 vector;
	bool irq;
	int err;

	if (!ioapic_has(r->gsi))
		return -EINVAL;
	irq = spin_lock_irq(&irq_lock);
	err = vector_choose(r->gsi, &vector);
	if (!err) {
		slots[vector].arg = arg;
		slots[vector].name = name;
		slots[vector].gsi = r->gsi;
		atomic_store(&slots[vector].fn, fn);
	}
	spin_unlock_irq(&irq_lock, irq);
	if (!err)
		ioapic_route(r, vector, boot_apic_id);
	return err;
}

int irq_attach_isa(u32 isa, irq_handler_t fn, void *arg, const char *name)
{
	struct irq_route r;

	if (isa >= ISA_IRQS)
		return -EINVAL;
	r = isa_route(isa);
	return irq_attach(&r, fn, arg, name);
}

int irq_attach_gsi(u32 gsi, bool level, bool low, irq_handler_t fn, void *arg, const char *name)
{
	struct irq_route r = {.gsi = gsi, .level = level, .low = low};

	return irq_attach(&r, fn, arg, name);
}

/* irq_stray: an interrupt without a handler. Spurious ones of the 8259s and of the local APIC want
 * no end of interrupt. */
static void irq_stray(u32 vector)
{
	bool spurious = vector == VEC_SPURIOUS || vector < VEC_IRQ_BASE;

	if (!spurious)
		lapic_eoi();
	if (atomic_add(&stray_count, 1) == 1)
		klog(LOG_WARN, "irq: unexpected vector 0x%x%s; further ones are only counted", vector,
		     spurious ? " (spurious)" : "");
}

void irq_dispatch(u32 vector)
{
	struct irq_slot *s = &slots[vector & 0xff];
	irq_handler_t fn = atomic_load(&s->fn);

	if (unlikely(!fn)) {
		irq_stray(vector);
		return;
	}
	__atomic_add_fetch(&s->count, 1, __ATOMIC_RELAXED);
	fn(s->arg);
	lapic_eoi();
}

void irq_for_each(void (*fn)(u32 vector, const char *name, u64 count, void *arg), void *arg)
{
	for (u32 v = VECTOR_FIRST; v <= VECTOR_LAST; v++)
		if (atomic_load(&slots[v].fn))
			fn(v, slots[v].name, atomic_load(&slots[v].count), arg);
}
