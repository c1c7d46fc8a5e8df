/* Every way into the kernel and back out of it.
 *
 * All ways store a struct trapframe on the thread's kernel stack, whose top is tss.rsp0:
 *
 *   syscall     keeps RSP; RCX holds the user's RIP, R11 its RFLAGS. Interrupts off (SFMASK).
 *   gates       the CPU has switched to tss.rsp0 (from ring 3) or stayed (from ring 0) and pushed
 *               SS RSP RFLAGS CS RIP, and for some exceptions an error code. Interrupts off.
 *   IST gates   double fault, NMI, machine check, debug: on their own stacks, because they can come
 *               at an instruction where RSP or %gs is not yet the kernel's.
 *
 * %gs is the kernel's exactly between the SWAPGS on the way in and the one on the way out. */
#include "hal/cpu/asm.h"
#include "hal/cpu/offsets.h"

#define USER_CS 0x33
#define USER_DS 0x2b
#define GS_BASE 0xc0000101

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

.macro POP_ALL
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
	 * address is canonical (a fault at SYSRET would come in ring 0 on the user's stack), and
	 * neither TF nor RF is set. Everything else goes out by IRETQ. */
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
	shrq	$47, %rax		/* IRETQ to a non-canonical address would fault in ring 0 */
	jnz	2f
	POP_ALL
	addq	$8, %rsp		/* orig_rax */
	swapgs
	iretq
1:	sti
	movq	%rsp, %rdi
	subq	$8, %rsp
	call	upcall_user_work
	addq	$8, %rsp
	jmp	user_return
2:	sti
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
	PUSH_REST
	cld
	USER_ACCESS_END
	testb	$3, TF_CS(%rsp)
	jz	1f
	swapgs
	xorl	%ebp, %ebp
	movq	%rsp, %rsi
	subq	$8, %rsp
	call	trap_handle		/* trap_handle(vector, tf) */
	addq	$8, %rsp
	jmp	user_return
1:	movq	%rsp, %rsi
	subq	$8, %rsp
	call	trap_handle
	addq	$8, %rsp
	POP_ALL
	addq	$8, %rsp		/* orig_rax */
	iretq
END(trap_common)

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

/* A debug exception of ring 3 may end in a signal, which wants the thread's own stack: move the frame
 * there. One of ring 0 is handled where it is. */
FUNCTION(trap_debug)
	testb	$3, TF_CS - TF_ORIG_RAX + 8(%rsp) /* above rdi and orig_rax */
	jz	trap_ist
	swapgs
	movq	%rsp, %rdi
	movq	%gs:PCPU_RSP0, %rsp
	pushq	48(%rdi)		/* tf->ss */
	pushq	40(%rdi)		/* tf->rsp */
	pushq	32(%rdi)		/* tf->rflags */
	pushq	24(%rdi)		/* tf->cs */
	pushq	16(%rdi)		/* tf->rip */
	pushq	8(%rdi)			/* tf->orig_rax */
	pushq	(%rdi)			/* tf->rdi */
	swapgs				/* trap_common swaps again */
	movl	$1, %edi		/* VEC_DB */
	jmp	trap_common
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
	.else
	jmp	trap_common
	.endif
	.set	vec, vec + 1
	.endr
