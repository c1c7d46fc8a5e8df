/* Every way into the kernel and back out of it.
 *
 * All ways store a struct trapframe on the thread's kernel stack, whose top is tss.rsp0:
 *
 *   syscall     keeps RSP; RCX holds the user's RIP, R11 its RFLAGS. Interrupts off (SFMASK).
 *   gates       the CPU has switched to tss.rsp0 (from ring 3) or stayed (from ring 0) and pushed
 *               SS RSP RFLAGS CS RIP, and for some exceptions an error code. Interrupts off.
 *   IST gates   double fault, NMI, machine check, debug: on their own stacks, because they can come
 *               at an instruction where RSP or %gs is not yet the kernel's.
 *   moved gates page fault, interrupts: on their own stacks too, but only until the frame is moved to the
 *               thread's: because a kernel stack grows.
 *
 * %gs is the kernel's exactly between the SWAPGS on the way in and the one on the way out.
 *
 * Kernel stacks that grow. Of a stack's KSTACK_MAX bytes the upper KSTACK_SIZE are mapped at first, and the rest on need
 * (sched/kstack.c), whatever the kernel is doing then. Why this is sound:
 *
 *  1. Touching what is not mapped is a page fault, and that is delivered onto a stack which always is (IST_PF). Were it
 *     delivered onto the thread's, pushing its frame would fault again: a double fault, after which the CPU promises
 *     nothing about the interrupted state, so that nothing can be resumed (Intel SDM vol. 3, 6.15, interrupt 8).
 *  2. Every other event of ring 0 pushes its frame onto some stack, too. An exception's delivery that faults is given up
 *     for the page fault, and handled in turn (table 6-5: benign or contributory, then page fault): the instruction is run
 *     again and raises it again. An interrupt does not come again: its controller has been told that it was taken. So
 *     interrupts have a stack of their own (IST_IRQ), as double fault, NMI, machine check and debug have anyway. Events of
 *     ring 3 begin at the top of the thread's stack, which is mapped.
 *  3. On these two stacks nothing faults and no interrupt comes before they are left: interrupts are off, and what is
 *     touched is the stack itself, per-CPU data, the page tables through the direct map, and the thread's stack where
 *     it is mapped. So none of their frames is overwritten by a second event.
 *  4. They are left by copying the frame to the thread's stack: below the interrupted RSP, as the CPU itself would have
 *     pushed it. Before, KSTACK_MARGIN bytes below that RSP are seen to be mapped: that makes room for the copy.
 *  5. A page fault that finds less room than that has the stack grown, and its instruction run again. No access to a stack
 *     lies further below RSP than one push (there is no red zone), so every fault for want of stack is among these; one
 *     that had another cause comes again, and finds room.
 *  6. Whose stack it is, `current` tells at every instruction (percpu.h, P4). Growing it takes no lock, for the interrupted
 *     code may hold any: the frames are in a reserve of this CPU, the page table exists, one store enters each. That the
 *     reserve suffices is sched/kstack.c's business.
 *  7. What does not fit into KSTACK_MAX is a panic, on the stack that we are on. */
#include "hal/cpu/asm.h"
#include "hal/cpu/offsets.h"

#define USER_CS 0x33
#define USER_DS 0x2b

	.text

/* Behind tf->rdi: the rest of the general registers, in the order of struct trapframe. */
.macro PUSH_REST
	pushq	%rsi			/* tf->rsi */
	pushq	%rdx			/* tf->rdx */
	pushq	%rcx			/* tf->rcx */
	pushq	%rax			/* tf->rax */
	pushq	%r8			/* tf->r8 */
	pushq	%r9			/* tf->r9 */
	pushq	%r10			/* tf->r10 */
	pushq	%r11			/* tf->r11 */
	pushq	%rbx			/* tf->rbx */
	pushq	%rbp			/* tf->rbp */
	pushq	%r12			/* tf->r12 */
	pushq	%r13			/* tf->r13 */
	pushq	%r14			/* tf->r14 */
	pushq	%r15			/* tf->r15 */
.endm

.macro POP_REST
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rax
	popq	%rcx
	popq	%rdx
	popq	%rsi
.endm

.macro POP_ALL
	POP_REST
	popq	%rdi
.endm

/* --- syscall ------------------------------------------------------------------------------------ */
FUNCTION(syscall_entry)
	swapgs
	movq	%rsp, %gs:PCPU_USER_RSP
	movq	%gs:PCPU_RSP0, %rsp
	pushq	$USER_DS		/* tf->ss */
	pushq	%gs:PCPU_USER_RSP	/* tf->rsp */
	pushq	%r11			/* tf->rflags */
	pushq	$USER_CS		/* tf->cs */
	pushq	%rcx			/* tf->rip */
	pushq	%rax			/* tf->orig_rax */
	pushq	%rdi			/* tf->rdi */
	PUSH_REST
	sti
	xorl	%ebp, %ebp
	movq	%rsp, %rdi
	subq	$8, %rsp		/* the ABI wants RSP aligned to 16 at a call */
	call	upcall_syscall
	addq	$8, %rsp
	movq	%rax, TF_RAX(%rsp)
	cli
	movq	%gs:PCPU_CURRENT, %rax
	cmpl	$0, (%rax)		/* current_work() */
	jne	user_return
	/* SYSRET only when it restores just what the frame holds: RCX is RIP, R11 is RFLAGS, the
	 * address is canonical (else Intel's CPUs fault at SYSRET, in ring 0 on the user's stack; QEMU's
	 * emulator never does, so that no test there can show it), and neither TF nor RF is set.
	 * Everything else goes out by IRETQ. */
	movq	TF_RIP(%rsp), %rcx
	cmpq	%rcx, TF_RCX(%rsp)
	jne	user_return
	movq	TF_RFLAGS(%rsp), %r11
	cmpq	%r11, TF_R11(%rsp)
	jne	user_return
	testl	$0x10100, %r11d
	jnz	user_return
	movq	%rcx, %rax
	shrq	$47, %rax
	jnz	user_return
	POP_ALL
	movq	TF_RSP - TF_ORIG_RAX(%rsp), %rsp
	swapgs
	sysretq
END(syscall_entry)

/* --- back to ring 3 by IRETQ -------------------------------------------------------------------- */
/* RSP: the frame, at the top of the thread's stack. */
FUNCTION(user_return)
	cli
	movq	%gs:PCPU_CURRENT, %rax
	cmpl	$0, (%rax)		/* current_work() */
	jne	1f
	movq	TF_RIP(%rsp), %rax
	shrq	$47, %rax
	jnz	2f
3:	POP_ALL
	addq	$8, %rsp		/* orig_rax */
	swapgs
	iretq
1:	sti
	movq	%rsp, %rdi
	subq	$8, %rsp
	call	upcall_user_work
	addq	$8, %rsp
	jmp	user_return
2:	cmpl	$0x1ffff, %eax		/* the kernel's half: ring 3's fetch faults there */
	je	3b
	sti				/* IRETQ to a non-canonical address would fault in ring 0 */
	movq	%rsp, %rdi
	subq	$8, %rsp
	call	trap_bad_return
	addq	$8, %rsp
	jmp	user_return
END(user_return)

/* cpu_enter_user(tf) */
FUNCTION(cpu_enter_user)
	movq	%rdi, %rsp
	jmp	user_return
END(cpu_enter_user)

/* --- exceptions and interrupts ------------------------------------------------------------------ */
/* EDI: the vector; tf->orig_rax and tf->rdi are stored. */
FUNCTION(trap_common)
	testb	$3, 24(%rsp)		/* tf->cs */
	jz	trap_kernel
	swapgs
trap_user:				/* %gs is the kernel's */
	PUSH_REST
	cld
	USER_ACCESS_END
	xorl	%ebp, %ebp
	movq	%rsp, %rsi
	subq	$8, %rsp
	call	trap_handle		/* trap_handle(vector, tf) */
	addq	$8, %rsp
	jmp	user_return
trap_kernel:
	PUSH_REST
	cld
	USER_ACCESS_END
	movq	%rsp, %rsi
	subq	$8, %rsp
	call	trap_handle
	addq	$8, %rsp
	POP_ALL
	addq	$8, %rsp		/* orig_rax */
	iretq
END(trap_common)

/* RSI: a frame as far as rdi, and rsi below. Store it on the stack that RSP has become, and take RSI back. */
.macro MOVE_FRAME
	pushq	56(%rsi)		/* tf->ss */
	pushq	48(%rsi)		/* tf->rsp */
	pushq	40(%rsi)		/* tf->rflags */
	pushq	32(%rsi)		/* tf->cs */
	pushq	24(%rsi)		/* tf->rip */
	pushq	16(%rsi)		/* tf->orig_rax */
	pushq	8(%rsi)			/* tf->rdi */
	movq	(%rsi), %rsi
.endm

/* As trap_common, on a stack that is to be left at once for the thread's own. */
FUNCTION(trap_moved)
	pushq	%rsi
	testb	$3, 32(%rsp)		/* tf->cs */
	jz	1f
	swapgs
	movq	%rsp, %rsi
	movq	%gs:PCPU_RSP0, %rsp
	MOVE_FRAME
	jmp	trap_user
1:	pushq	%rax
	movq	%gs:PCPU_CURRENT, %rax
	movq	56(%rsp), %rsi		/* tf->rsp */
	subq	$KSTACK_MARGIN, %rsi
	cmpq	CPU_THREAD_KSTACK_LOW(%rax), %rsi
	popq	%rax
	jb	2f
	movq	%rsp, %rsi
	movq	48(%rsp), %rsp		/* tf->rsp */
	andq	$-16, %rsp
	MOVE_FRAME
	jmp	trap_kernel
2:	popq	%rsi			/* make room first, and begin again */
	PUSH_REST
	cld
	USER_ACCESS_END
	movl	%edi, %ebx
	movq	%rsp, %rdi
	subq	$8, %rsp
	call	trap_make_room		/* trap_make_room(tf) */
	addq	$8, %rsp
	movl	%ebx, %edi
	POP_REST
	cmpl	$14, %edi		/* VEC_PF: with the instruction */
	jne	trap_moved
	popq	%rdi
	addq	$8, %rsp		/* orig_rax */
	iretq
END(trap_moved)

/* As trap_common, on an interrupt stack: %gs is told by its base, which is negative in the kernel.
 * EBX keeps whether to swap back. */
FUNCTION(trap_ist)
	PUSH_REST
	cld
	USER_ACCESS_END
	movl	%edi, %r12d
	xorl	%ebx, %ebx
	movl	$GS_BASE, %ecx
	rdmsr
	testl	%edx, %edx
	js	1f
	swapgs
	incl	%ebx
1:	movl	%r12d, %edi
	movq	%rsp, %rsi
	subq	$8, %rsp
	call	trap_handle
	addq	$8, %rsp
	testl	%ebx, %ebx
	jz	2f
	swapgs
2:	POP_ALL
	addq	$8, %rsp
	iretq
END(trap_ist)

/* A debug exception of ring 3 may end in a signal, which wants the thread's own stack. One of ring 0 is handled where
 * it is. */
FUNCTION(trap_debug)
	testb	$3, 24(%rsp)		/* tf->cs */
	jnz	trap_moved
	jmp	trap_ist
END(trap_debug)

/* One entry a vector, each 16 bytes long, so that the IDT is filled by arithmetic. */
	.balign 16
	.globl trap_vectors
trap_vectors:
	.set	vec, 0
	.rept	256
	.balign 16
	.if vec == 8 || (vec >= 10 && vec <= 14) || vec == 17 || vec == 21 || vec == 29 || vec == 30
	.else
	pushq	$0			/* tf->orig_rax: no error code */
	.endif
	pushq	%rdi			/* tf->rdi */
	movl	$vec, %edi
	.if vec == 1
	jmp	trap_debug
	.elseif vec == 2 || vec == 8 || vec == 18
	jmp	trap_ist
	.elseif vec == 14 || (vec >= 32 && vec != 0x80)
	jmp	trap_moved
	.else
	jmp	trap_common
	.endif
	.set	vec, vec + 1
	.endr
