/* The way out of firmware's tables.
 *
 * void stub_jump(u64 cr3, u64 entry, u64 bootinfo, u64 stack, u64 wait)
 *   rcx = transition table, rdx = kernel's entry, r8 = bootinfo, r9 = stack top; all virtual
 *   addresses are the kernel's (Microsoft x64 calling convention). With WAIT it goes in circles
 *   there, until a debugger sets rax to 0: rax is WAIT and rdx tells where the kernel will be.
 *
 * It runs from one page that both tables map at the same address: it is aligned to its own size or
 * more, so it never straddles two.
 */
#define CR4_PGE (1 << 7)
#define CR4_CET (1 << 23)

	.text
	.globl	stub_jump
	.p2align 8
stub_jump:
	cli
	cld
	movq	40(%rsp), %r10			/* wait: behind the return address and 32 bytes */
	movq	%cr4, %rax
	andq	$~(CR4_PGE | CR4_CET), %rax	/* no firmware translation outlives the switch */
	movq	%rax, %cr4
	movq	%rcx, %cr3
	movq	%r9, %rsp
	movq	%r8, %rdi			/* C1: struct bootinfo */
	xorl	%ebp, %ebp			/* the end of every backtrace */
	movq	%r10, %rax
1:	pause
	testq	%rax, %rax
	jnz	1b
	jmpq	*%rdx
	.org	stub_jump + 256			/* an error when it is longer than that */
