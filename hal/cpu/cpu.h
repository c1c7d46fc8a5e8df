/* Bringing up one CPU, and what the kernel asks of it afterwards. */
#pragma once

#include "hal/base/types.h"
#include "hal/cpu/regs.h"

struct cpu_selectors;
struct cpu_thread;
struct trapframe;

/* Features found at run time (Intel SDM vol. 2, CPUID). [I] after cpu_init of the boot CPU. */
struct cpu_features {
	bool nx, smep, smap, umip, pge, page_1g, fsgsbase, xsave, xsaveopt, erms, fsrm, rdrand, rdseed;
	bool pcid, x2apic, tsc_deadline, invariant_tsc, rdtscp, hypervisor;
	u32 phys_bits;  /* width of a physical address */
	u64 xcr0;       /* extended-state components switched on; 0 without XSAVE */
	u32 xsave_size; /* bytes of one thread's extended state */
	char brand[49];
	char vendor[13];
	u32 family, model, stepping;
	u32 hwcap; /* CPUID.1:EDX, for AT_HWCAP */
};
extern struct cpu_features cpu_features;

/* cpu_init_boot: the boot CPU's GDT, TSS, IDT, %gs and features, in the order that lets an
 * exception be reported as early as possible. Called once, first, interrupts off; dmap_base is set. IMAGE_PHYS and IMAGE_VIRT
 * as in the boot contract. */
void cpu_init_boot(u64 image_phys, u64 image_virt);

/* The system-call entry's registers, and CR0/CR4/EFER as V8 wants them. On each CPU. */
void cpu_init_features(void);

/* cpu_switch: leave PREV's kernel stack for NEXT's, and make NEXT the current thread. Interrupts off. (switch.S) */
void cpu_switch(struct cpu_thread *prev, struct cpu_thread *next);

/* cpu_prepare_stack: lay out a fresh kernel stack ending at TOP such that the first cpu_switch to
 * it calls fn(arg) with interrupts off. => the stack pointer to switch to. */
u64 cpu_prepare_stack(u64 top, void (*fn)(void *), void *arg);

/* cpu_user_frame: where the registers of ring 3 lie on a kernel stack that ends at TOP. */
struct trapframe *cpu_user_frame(u64 top);

/* cpu_enter_user: leave the kernel by the frame at cpu_user_frame() of the current stack (iretq).
 * Every register comes from the frame: no kernel value is left in one. */
void __noreturn cpu_enter_user(struct trapframe *tf);

/* cpu_set_kernel_stack: where interrupts and system calls of ring 3 land from now on. Interrupts
 * off. */
void cpu_set_kernel_stack(u64 top);

/* Thread-local bases of ring 3. Interrupts off. */
void cpu_set_user_bases(u64 fs, u64 gs);

/* Ring 3's data selectors. Loading them changes the bases, which come after. Interrupts off. */
void cpu_save_selectors(struct cpu_selectors *s);
void cpu_load_selectors(const struct cpu_selectors *s);

/* cpu_send_resched: make CPU look at its run queue. */
void cpu_send_resched(u32 cpu);

/* cpu_has_hw_random => true and *ret when RDSEED or RDRAND gave a number. */
bool cpu_hw_random(u64 *ret);
