/* Switching between kernel stacks. Callee-saved registers lie on the stack that is left; everything
 * else is dead at a call. Interrupts are off. */
#include "hal/cpu/asm.h"
#include "hal/cpu/offsets.h"

	.text
/* cpu_switch(struct cpu_thread *prev, struct cpu_thread *next): between leaving the one stack and `current`'s change no
 * stack is touched (percpu.h, P4). */
FUNCTION(cpu_switch)
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, CPU_THREAD_SP(%rdi)
	movq	CPU_THREAD_SP(%rsi), %rsp
	movq	%rsi, %gs:PCPU_CURRENT
	movq	CPU_THREAD_CANARY(%rsi), %rax
	movq	%rax, %gs:PCPU_CANARY
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	ret
END(cpu_switch)

/* Where a fresh stack "returns" to (cpu_prepare_stack): RBX is fn, R12 its argument. */
FUNCTION(cpu_start_thread)
	xorl	%ebp, %ebp
	movq	%r12, %rdi
	call	*%rbx
	ud2				/* fn ends in thread_exit */
END(cpu_start_thread)
