/* Panic: say everything once, and end the machine. */
#include "hal/cpu/panic.h"
#include "hal/base/assert.h"
#include "hal/base/log.h"
#include "hal/base/printf.h"
#include "hal/console/console.h"
#include "hal/cpu/backtrace.h"
#include "hal/cpu/cpu.h"
#include "hal/cpu/percpu.h"
#include "hal/cpu/trapframe.h"
#include "hal/dev/power.h"
#include "hal/upcall.h"

#define PANIC_STATUS 125

static u32 panicking; /* [atomic] */

static void panic_begin(void)
{
	irq_disable();
	if (__atomic_exchange_n(&panicking, 1, __ATOMIC_SEQ_CST))
		for (;;) /* a panic within the panic, or on another CPU */
			__asm__ volatile("hlt");
	if (!(rdmsr(MSR_GS_BASE) >> 63)) /* a fault on the way out, with ring 3's %gs already */
		__asm__ volatile("swapgs" ::: "memory");
	preempt_disable();
	/* The report may run on the stack of page faults, and may cause some (backtrace_print). */
	this_cpu()->tss.ist[IST_PF - 1] = this_cpu()->tss.ist[IST_PANIC - 1];
	log_force_unlock();
	log_set_level(LOG_DEBUG);
}

static void thread_print(void)
{
	char name[32] = "none yet";

	if (this_cpu()->runq)
		upcall_thread_name(name, sizeof(name));
	klog(LOG_PANIC, "thread %s, on CPU %u", name, this_cpu()->cpu);
}

static void __noreturn panic_end(u64 rip, u64 rbp, bool returns)
{
	backtrace_print(rip, rbp, returns);
	console_flush();
	power_panic(PANIC_STATUS);
}

/* What a call preserves is still the caller's. */
static void preserved_print(u64 rip, u64 rsp, u64 rbp)
{
	u64 rbx, r12, r13, r14, r15;

	__asm__ volatile("movq %%rbx, %0; movq %%r12, %1; movq %%r13, %2; movq %%r14, %3; movq %%r15, %4"
	                 : "=m"(rbx), "=m"(r12), "=m"(r13), "=m"(r14), "=m"(r15));
	klog(LOG_PANIC, "rip %016lx  rsp %016lx  rbp %016lx  rbx %016lx", rip, rsp, rbp, rbx);
	klog(LOG_PANIC, "r12 %016lx  r13 %016lx  r14 %016lx  r15 %016lx", r12, r13, r14, r15);
	klog(LOG_PANIC, "cr0 %016lx  cr2 %016lx  cr3 %016lx  cr4 %016lx", read_cr0(), read_cr2(), read_cr3(),
	     read_cr4());
}

void panic(const char *fmt, ...)
{
	char text[160];
	va_list ap;

	panic_begin();
	va_start(ap, fmt);
	kvsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	klog(LOG_PANIC, "bulkhead: panic: %s", text);
	thread_print();
	u64 frame = (u64)__builtin_frame_address(0), rip = (u64)__builtin_return_address(0);
	preserved_print(rip, frame + 16, *(u64 *)frame);
	panic_end(rip, *(u64 *)frame, true);
}

/* Called by what the compiler puts at the end of functions (Makefile: STACK_PROTECTOR). */
void __noreturn __stack_chk_fail(void);
void __stack_chk_fail(void)
{
	u64 offset;

	panic("stack smashed: %s has written behind its variables",
	      ksyms_lookup((u64)__builtin_return_address(0) - 1, &offset));
}

static void registers_print(const struct trapframe *tf, u64 addr)
{
	klog(LOG_PANIC, "rip %04lx:%016lx  rsp %04lx:%016lx  rflags %08lx  error %lx", tf->cs, tf->rip,
	     tf->ss, tf->rsp, tf->rflags, tf->orig_rax);
	klog(LOG_PANIC, "rax %016lx  rbx %016lx  rcx %016lx  rdx %016lx", tf->rax, tf->rbx, tf->rcx, tf->rdx);
	klog(LOG_PANIC, "rsi %016lx  rdi %016lx  rbp %016lx  r8  %016lx", tf->rsi, tf->rdi, tf->rbp, tf->r8);
	klog(LOG_PANIC, "r9  %016lx  r10 %016lx  r11 %016lx  r12 %016lx", tf->r9, tf->r10, tf->r11, tf->r12);
	klog(LOG_PANIC, "r13 %016lx  r14 %016lx  r15 %016lx  cr2 %016lx", tf->r13, tf->r14, tf->r15, addr);
	klog(LOG_PANIC, "cr0 %016lx  cr3 %016lx  cr4 %016lx", read_cr0(), read_cr3(), read_cr4());
}

void panic_trap(const char *what, const struct trapframe *tf, u64 addr)
{
	u64 offset;
	const char *fn = ksyms_lookup(tf->rip, &offset);

	panic_begin();
	klog(LOG_PANIC, "bulkhead: panic: %s in %s+0x%lx, address %016lx", what, fn, offset, addr);
	thread_print();
	registers_print(tf, addr);
	panic_end(tf->rip, tf->rbp, false);
}
