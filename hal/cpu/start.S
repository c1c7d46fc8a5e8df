/* The kernel's first instructions (boot contract C1, C2 in efi/bootinfo.h). */
#include "hal/cpu/asm.h"

	.text
FUNCTION(kernel_entry)
	leaq	boot_stack_top(%rip), %rsp
	xorl	%ebp, %ebp		/* backtraces end here */
	call	kernel_main		/* kernel_main(bootinfo), never returns */
	ud2
END(kernel_entry)
