/* Macros of our assembly files. */
#pragma once

/* This is assembler: */
/* clang-format off */

#define FUNCTION(name)                                                                                                 \
	.globl name;                                                                                                   \
	.type name, @function;                                                                                         \
	.balign 16;                                                                                                    \
	name:
#define END(name) .size name, .- name

/* EXTABLE(insn, fixup): when the instruction at label INSN faults, go on at FIXUP (usercopy_fixup). */
#define EXTABLE(insn, fixup)                                                                                           \
	.pushsection .extable, "a";                                                                                    \
	.balign 4;                                                                                                     \
	.long insn - .;                                                                                                \
	.long fixup - .;                                                                                               \
	.popsection

/* USER_ACCESS_BEGIN, _END: STAC and CLAC on a CPU with SMAP. Assembled as no-operations of the same length; cpu_init
 * writes the instructions there when the CPU has them. */
#define SMAP_SITE(opcode)                                                                                              \
	661:;                                                                                                          \
	.byte 0x0f, 0x1f, 0x00;                                                                                        \
	.pushsection .smap_sites, "a";                                                                                 \
	.balign 4;                                                                                                     \
	.long 661b - .;                                                                                                \
	.long opcode;                                                                                                  \
	.popsection
#define USER_ACCESS_BEGIN SMAP_SITE(0xcb) /* stac: 0f 01 cb */
#define USER_ACCESS_END	  SMAP_SITE(0xca) /* clac: 0f 01 ca */
