/* The kernel's first instructions (boot contract C1, C2 in efi/bootinfo.h). */
#include "hal/cpu/asm.h"
#include "hal/cpu/offsets.h"

	.text
FUNCTION(kernel_entry)
	leaq	boot_stack_top(%rip), %rsp
	xorl	%ebp, %ebp		/* backtraces end here */
	leaq	boot_percpu(%rip), %rax	/* behind %gs from here on (percpu.h, P1) */
	movq	%rax, %rdx
	shrq	$32, %rdx
	movl	$GS_BASE, %ecx
	wrmsr
	call	kernel_main		/* kernel_main(bootinfo), never returns */
	ud2
END(kernel_entry)
