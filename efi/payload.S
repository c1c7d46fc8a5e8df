/* What the file carries, as PE sections named by the Unified Kernel Image convention, so that
 * standard tools can list and replace them. The stub finds them by its own section headers.
 */
	.section .osrel, "dr"
	.incbin "os-release"

	.section .cmdline, "dr"
	.incbin "cmdline"

	.section .kernel, "dr"
	.incbin "kernel.stripped"

	.section .initrd, "dr"
	.incbin "root.cpio"
