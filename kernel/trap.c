/* What comes up from below (hal/upcall.h): system calls, faults, the tick, the way back to ring 3. */
#include "hal/upcall.h"
#include "hal/base/log.h"
#include "hal/base/printf.h"
#include "hal/base/sabotage.h"
#include "hal/cpu/cpu.h"
#include "hal/cpu/fpu.h"
#include "hal/cpu/panic.h"
#include "hal/cpu/trapframe.h"
#include "kernel/proc/ptrace.h"
#include "kernel/sys/syscall.h"
#include "kernel/trap.h"
#include "sched/thread.h"
#include "vm/aspace.h"
#include "vm/kva.h"

#define DR6_SINGLE_STEP BIT(14) /* Intel SDM vol. 3, 17.2.3 */

i64 upcall_syscall(struct trapframe *tf)
{
	return syscall_dispatch(tf);
}

static u32 fault_access(u64 error)
{
	return error & PF_FETCH ? VM_EXEC : error & PF_WRITE ? VM_WRITE : VM_READ;
}

/* In ring 3, but the CPU made the access for itself (a descriptor table; QEMU's IRETQ and far RET read the stack so):
 * no page of the program is at fault, and mapping one would not help. */
static bool implicit_supervisor(const struct trapframe *tf)
{
	return trapframe_from_user(tf) && !(tf->orig_rax & PF_USER);
}

/* fault_again: a fault gave ERR: when for want of memory, make some and try again. => whether it was resolved at last */
static bool __noinline fault_again(const struct trapframe *tf, u64 addr, int err)
{
	while (err == -ENOMEM && oom_relieve())
		err = aspace_fault(thread_current()->aspace, addr, fault_access(tf->orig_rax));
	if (err == -EFAULT && sabotage(other_space))
		err = sabotage_other_space(addr);
	proc_current()->faults_minor += !err;
	return !err;
}

bool upcall_page_fault(struct trapframe *tf, u64 addr)
{
	struct aspace *as = thread_current()->aspace;
	int err;

	if (!as || implicit_supervisor(tf))
		return false;
	/* With a spinlock held nothing can be fetched (user_load32_atomic). */
	if (this_cpu_read(preempt_count))
		return false;
	err = aspace_fault(as, addr, fault_access(tf->orig_rax));
	if (unlikely(err))
		return fault_again(tf, addr, err);
	proc_current()->faults_minor++;
	return true;
}

/* Why a page fault could not be resolved, as a signal. */
static void fault_signal(struct trapframe *tf, u64 addr)
{
	int err = implicit_supervisor(tf)
	                  ? -EACCES
	                  : aspace_fault(thread_current()->aspace, addr, fault_access(tf->orig_rax));

	switch (err) {
	case 0:
		break; /* resolved meanwhile by another thread */
	case -ENXIO:
		signal_fault(SIGBUS, BUS_ADRERR, addr);
		break;
	case -ENOMEM:
		if (!(current_work() & WORK_KILL)) /* and there is nobody else to end */
			oom_end_self();
		break;
	case -EACCES:
		signal_fault(SIGSEGV, SEGV_ACCERR, addr);
		break;
	default:
		signal_fault(SIGSEGV, SEGV_MAPERR, addr);
	}
}

/* The reason of a floating-point exception, in Linux's order of importance. */
static int fpe_code(u32 exceptions)
{
	static const struct {
		u32 bits;
		int code;
	} reasons[] = {{0x01, FPE_FLTINV},
	               {0x04, FPE_FLTDIV},
	               {0x08, FPE_FLTOVF},
	               {0x12, FPE_FLTUND},
	               {0x20, FPE_FLTRES}};

	for (u32 i = 0; i < ARRAY_SIZE(reasons); i++)
		if (exceptions & reasons[i].bits)
			return reasons[i].code;
	return FPE_FLTINV;
}

/* What Linux makes of each exception (arch/x86: signal numbers and codes; signal(7), sigaction(2)). */
void upcall_exception(u32 vector, struct trapframe *tf, u64 addr)
{
	task_current()->trap_vector = vector;
	task_current()->trap_error = tf->orig_rax;
	if (vector == VEC_PF && addr >= USER_MAX && !sabotage(fault_present))
		task_current()->trap_error |=
		        PF_PRESENT; /* whether the kernel has a page there is not told */
	task_current()->trap_addr = vector == VEC_PF ? addr : 0;
	switch (vector) {
	case VEC_PF:
		fault_signal(tf, addr);
		break;
	case VEC_DE:
		signal_fault(SIGFPE, FPE_INTDIV, tf->rip);
		break;
	case VEC_DB:
		if ((addr & DR6_SINGLE_STEP) && !ptrace_stepped())
			break;
		signal_fault(SIGTRAP, addr & DR6_SINGLE_STEP ? TRAP_TRACE : TRAP_BRKPT, tf->rip);
		break;
	case VEC_BP:
		signal_fault(SIGTRAP, SI_KERNEL, 0);
		break;
	case VEC_UD:
		signal_fault(SIGILL, ILL_ILLOPN, tf->rip);
		break;
	case VEC_MF:
	case VEC_XM:
		signal_fault(SIGFPE, fpe_code(fpu_exceptions(vector == VEC_XM)), tf->rip);
		break;
	case VEC_AC:
		signal_fault(SIGBUS, BUS_ADRALN, 0);
		break;
	case VEC_NP:
	case VEC_SS:
		signal_fault(SIGBUS, SI_KERNEL, 0);
		break;
	default: /* general protection, overflow, bounds, ... */
		signal_fault(SIGSEGV, SI_KERNEL, 0);
	}
}

void upcall_timer(bool from_user)
{
	sched_tick(from_user);
	if (thread_current()->fpu) /* not one of the kernel's own threads */
		itimer_charge(task_current(), from_user);
}

void upcall_preempt(void)
{
	sched_preempt();
}

void upcall_user_work(struct trapframe *tf)
{
	u32 work = current_work();

	if (work & WORK_MEMORY)
		oom_call_again(tf);
	if (work & (WORK_SIGNAL | WORK_RESTORE))
		signal_deliver(tf);
	if (work & WORK_RESCHED)
		sched_preempt();
}

bool upcall_stack_grow(u64 addr)
{
	return kstack_grow(addr);
}

void upcall_thread_name(char *buf, size_t size)
{
	struct thread *t = thread_current();

	if (t->tid)
		ksnprintf(buf, size, "%s (tid %d)", t->name, t->tid);
	else
		ksnprintf(buf, size, "%s", t->name);
}

void *upcall_map_device(paddr_t pa, size_t size, bool write_combining)
{
	return kva_map_device(pa, size, write_combining);
}
