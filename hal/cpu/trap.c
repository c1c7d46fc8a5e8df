/* Sorting out exceptions and interrupts, behind entry.S. */
#include "hal/base/assert.h"
#include "hal/base/log.h"
#include "hal/base/sabotage.h"
#include "hal/cpu/cpu.h"
#include "hal/cpu/offsets.h"
#include "hal/cpu/panic.h"
#include "hal/cpu/percpu.h"
#include "hal/cpu/trapframe.h"
#include "hal/cpu/usercopy.h"
#include "hal/irq/irq.h"
#include "hal/upcall.h"

static const char *const names[32] = {
        [VEC_DE] = "divide error",
        [VEC_DB] = "debug",
        [VEC_NMI] = "non-maskable interrupt",
        [VEC_BP] = "breakpoint",
        [VEC_OF] = "overflow",
        [VEC_BR] = "bound range",
        [VEC_UD] = "invalid opcode",
        [VEC_NM] = "device not available",
        [VEC_DF] = "double fault",
        [VEC_TS] = "invalid TSS",
        [VEC_NP] = "segment not present",
        [VEC_SS] = "stack segment",
        [VEC_GP] = "general protection",
        [VEC_PF] = "page fault",
        [VEC_MF] = "x87 floating point",
        [VEC_AC] = "alignment check",
        [VEC_MC] = "machine check",
        [VEC_XM] = "SIMD floating point",
        [VEC_CP] = "control protection",
};

const char *trap_name(u32 vector)
{
	return vector < 32 && names[vector] ? names[vector] : "reserved exception";
}

static void kernel_exception(u32 vector, struct trapframe *tf, u64 addr)
{
	u64 fixup = vector == VEC_PF || vector == VEC_GP ? usercopy_fixup(tf->rip) : 0;

	if (!fixup)
		panic_trap(trap_name(vector), tf, addr);
	tf->rip = fixup;
}

static void page_fault(struct trapframe *tf)
{
	u64 addr = read_cr2();
	bool user = trapframe_from_user(tf);

	if (user || (tf->rflags & RFLAGS_IF))
		irq_enable();
	/* The kernel touches ring 3's memory only by instructions that have a fix-up: a fault of any other is a
	 * defect of its own, whatever the address. */
	if (user || usercopy_fixup(tf->rip))
		if (upcall_page_fault(tf, addr))
			return;
	if (user)
		upcall_exception(VEC_PF, tf, addr);
	else
		kernel_exception(VEC_PF, tf, addr);
}

static void exception(u32 vector, struct trapframe *tf)
{
	if (vector == VEC_PF)
		return page_fault(tf);
	if (vector == VEC_NMI || vector == VEC_DF || vector == VEC_MC)
		panic_trap(trap_name(vector), tf, vector == VEC_DF ? read_cr2() : 0);
	if (!trapframe_from_user(tf))
		return kernel_exception(vector, tf, 0);
	u64 addr = 0;
	if (vector == VEC_DB) {
		addr = read_dr6();
		write_dr6(0xffff0ff0);
	}
	irq_enable();
	upcall_exception(vector, tf, addr);
}

static void interrupt(u32 vector, struct trapframe *tf)
{
	struct percpu *cpu = this_cpu();

	cpu->in_irq = true;
	cpu->held_before_irq = cpu->held_count;
	preempt_disable();
	switch (vector) {
	case VEC_TIMER:
		lapic_eoi();
		upcall_timer(trapframe_from_user(tf));
		break;
	case VEC_RESCHED:
		lapic_eoi();
		break;
	case VEC_SPURIOUS:
		break;
	default:
		irq_dispatch(vector);
	}
	preempt_enable_no_resched();
	cpu->held_before_irq = 0;
	cpu->in_irq = false;
	/* Back to ring 3, entry.S looks at the work itself. */
	if (!trapframe_from_user(tf) && (current_work() & WORK_RESCHED) && cpu->preempt_count == 0)
		upcall_preempt();
}

/* trap_handle: from entry.S; interrupts off. */
void trap_handle(u32 vector, struct trapframe *tf)
{
	if (vector == VEC_SYSCALL) {
		tf->orig_rax = tf->rax;
		irq_enable();
		tf->rax = (u64)upcall_syscall(tf);
		irq_disable();
		return;
	}
	if (vector < 32) {
		exception(vector, tf);
		irq_disable();
	} else {
		interrupt(vector, tf);
	}
	/* Neither an error code nor nothing is the number of a call: only those are restarted. */
	if (!sabotage(stale_number))
		tf->orig_rax = ~0UL;
}

/* trap_make_room: from entry.S, in ring 0 on an interrupt stack: less than KSTACK_MARGIN is mapped below tf->rsp. */
void trap_make_room(const struct trapframe *tf)
{
	if (!upcall_stack_grow(tf->rsp - KSTACK_MARGIN))
		panic_trap("kernel stack overflow", tf, tf->rsp);
}

/* trap_bad_return: from entry.S: the frame would take ring 3 to a non-canonical address. That is the program's
 * fault, and ends as the CPU itself would end a jump there. */
void trap_bad_return(struct trapframe *tf)
{
	tf->orig_rax = 0; /* the error code */
	upcall_exception(VEC_GP, tf, 0);
	tf->orig_rax = ~0UL;
}
