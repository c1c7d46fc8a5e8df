/* The vDSO as the Makefile built it (user/vdso), in pages of its own: ring 3 maps these very frames. */
	.section .rodata
	.balign 4096
	.globl vdso_image, vdso_image_end
	.hidden vdso_image, vdso_image_end
vdso_image:
	.incbin "user/vdso/vdso.so"
	.balign 4096
vdso_image_end:
