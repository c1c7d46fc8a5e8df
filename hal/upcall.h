/* The few upward calls (leaf): hal calls these and does not define them. kernel/trap.c does.
 *
 * All run on the current thread's kernel stack. `tf` is where the interrupted registers lie. */
#pragma once

#include "hal/base/types.h"

struct trapframe;

/* A system call by `syscall` or `int 0x80`; interrupts on. => the result, for tf->rax */
i64 upcall_syscall(struct trapframe *tf);

/* A page fault at ADDR (CR2), interrupts as they were in the interrupted code.
 * => true when it was resolved and the instruction may run again. On false the caller (hal) looks
 *    for a user-copy fix-up, and then calls upcall_exception. */
bool upcall_page_fault(struct trapframe *tf, u64 addr);

/* Any other exception, or an unresolved page fault, from ring 3. Interrupts on.
 * Ends in a signal to the current thread. ADDR is CR2 for a page fault, DR6 for a debug exception. Exceptions of the kernel itself panic in hal. */
void upcall_exception(u32 vector, struct trapframe *tf, u64 addr);

/* The one-shot timer of this CPU fired. Interrupt context, interrupts off. */
void upcall_timer(bool from_user);

/* On the way back to ring 3 with work pending (current_work() != 0). Interrupts on.
 * Handles rescheduling, signals and kill requests; may not return. */
void upcall_user_work(struct trapframe *tf);

/* A preemption point was reached with WORK_RESCHED set and preemption allowed:
 * the end of an interrupt, or the last preempt_enable. */
void upcall_preempt(void);

/* The kernel stack of the running thread is to be mapped down to ADDR. Interrupts off, on an interrupt stack, while the
 * thread may be doing anything: takes no lock. => false: it cannot reach that far */
bool upcall_stack_grow(u64 addr);

/* The running thread's name, and the process's number, for a panic's report. */
void upcall_thread_name(char *buf, size_t size);

/* Map the device registers (or, with WRITE_COMBINING, the frame buffer) at physical [PA, PA+SIZE)
 * for good: writable, not executable, uncached. => the address of PA, or NULL. Not from interrupts.
 */
void *upcall_map_device(paddr_t pa, size_t size, bool write_combining);
