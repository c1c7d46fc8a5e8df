/* The screen's font, as the Makefile unpacked it. */
	.section .rodata
	.balign 8
	.globl font_start, font_end
	.hidden font_start, font_end
font_start:
	.incbin "font.psf"
font_end:
