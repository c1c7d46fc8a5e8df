/* What the file carries, as PE sections named by the Unified Kernel Image convention, so that
 * standard tools can list and replace them. The stub finds them by its own section headers.
 */
#define BOOT_CMDLINE_MAX 2048 /* efi/bootinfo.h */

	.section .osrel, "dr"
	.incbin "os-release"

	/* As long as any may be: objcopy, putting in another, leaves the section's size as it is. */
	.section .cmdline, "dr"
	.incbin "cmdline"
	.org	BOOT_CMDLINE_MAX

	.section .kernel, "dr"
	.incbin "kernel.stripped"

	.section .initrd, "dr"
	.incbin "root.cpio"
