/* Copies that survive a fault: each instruction that touches ring 3's memory has a fix-up. */
#include "hal/cpu/asm.h"

	.text
/* usercopy_in(dst, src, n), usercopy_out(dst, src, n): RDI, RSI, RDX => bytes not copied */
FUNCTION(usercopy_in)
	.globl usercopy_out
usercopy_out:
	USER_ACCESS_BEGIN
	movq	%rdx, %rcx
	shrq	$3, %rcx
1:	rep movsq
	movl	%edx, %ecx
	andl	$7, %ecx
2:	rep movsb
3:	USER_ACCESS_END
	movq	%rcx, %rax
	ret
4:	andl	$7, %edx		/* RCX words left: go on by bytes up to the fault */
	leaq	(%rdx, %rcx, 8), %rcx
	jmp	2b
	EXTABLE(1b, 4b)
	EXTABLE(2b, 3b)
END(usercopy_in)

/* usercopy_zero(dst, n) => bytes not cleared */
FUNCTION(usercopy_zero)
	USER_ACCESS_BEGIN
	xorl	%eax, %eax
	movq	%rsi, %rcx
	shrq	$3, %rcx
1:	rep stosq
	movl	%esi, %ecx
	andl	$7, %ecx
2:	rep stosb
3:	USER_ACCESS_END
	movq	%rcx, %rax
	ret
4:	andl	$7, %esi
	leaq	(%rsi, %rcx, 8), %rcx
	jmp	2b
	EXTABLE(1b, 4b)
	EXTABLE(2b, 3b)
END(usercopy_zero)

/* usercopy_string(dst, src, n) => length, n when there is no terminator, -1 on a fault */
FUNCTION(usercopy_string)
	USER_ACCESS_BEGIN
	xorl	%eax, %eax
1:	cmpq	%rdx, %rax
	je	3f
2:	movb	(%rsi, %rax), %cl
	movb	%cl, (%rdi, %rax)
	testb	%cl, %cl
	jz	3f
	incq	%rax
	jmp	1b
3:	USER_ACCESS_END
	ret
4:	movq	$-1, %rax
	jmp	3b
	EXTABLE(2b, 4b)
END(usercopy_string)

/* usercopy_load32(src, ret) => 0 or -1 */
FUNCTION(usercopy_load32)
	USER_ACCESS_BEGIN
	xorl	%eax, %eax
1:	movl	(%rdi), %ecx
2:	USER_ACCESS_END
	movl	%ecx, (%rsi)
	ret
3:	USER_ACCESS_END
	movl	$-1, %eax
	ret
	EXTABLE(1b, 3b)
END(usercopy_load32)

/* usercopy_cas32(dst, expect, desired, ret_old) => 0 or -1 */
FUNCTION(usercopy_cas32)
	USER_ACCESS_BEGIN
	movl	%esi, %eax
1:	lock cmpxchgl %edx, (%rdi)
	USER_ACCESS_END
	movl	%eax, (%rcx)
	xorl	%eax, %eax
	ret
2:	USER_ACCESS_END
	movl	$-1, %eax
	ret
	EXTABLE(1b, 2b)
END(usercopy_cas32)

/* usercopy_xsave(area, components), ...: extended state to or from ring 3's memory => 0 or -1 */
.macro FPU_ACCESS name, insn
FUNCTION(\name)
	movl	%esi, %eax
	movq	%rsi, %rdx
	shrq	$32, %rdx
	USER_ACCESS_BEGIN
1:	\insn	(%rdi)
	xorl	%eax, %eax
2:	USER_ACCESS_END
	ret
3:	movl	$-1, %eax
	jmp	2b
	EXTABLE(1b, 3b)
END(\name)
.endm
	FPU_ACCESS usercopy_xsave, xsave64
	FPU_ACCESS usercopy_xrstor, xrstor64
	FPU_ACCESS usercopy_fxsave, fxsave64
	FPU_ACCESS usercopy_fxrstor, fxrstor64

/* probe_read64(addr, ret) => 0 or -1: a word of the kernel's own space that may not be mapped */
FUNCTION(probe_read64)
	xorl	%eax, %eax
1:	movq	(%rdi), %rcx
	movq	%rcx, (%rsi)
	ret
2:	movl	$-1, %eax
	ret
	EXTABLE(1b, 2b)
END(probe_read64)
