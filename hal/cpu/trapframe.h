/* The registers of interrupted code, as hal/cpu/entry.S stores them; the order is that of Linux's
 * struct pt_regs, so that ptrace and signal frames copy field by field. */
#pragma once

#include "hal/base/types.h"

struct trapframe {
	u64 r15, r14, r13, r12, rbp, rbx;
	u64 r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
	u64 orig_rax; /* the system call's number; the exception's error code; ~0 once that is seen to */
	u64 rip, cs, rflags, rsp, ss;
	/* The vector is not stored: exceptions pass it in a register (see entry.S). */
};

/* Selectors; their order in the GDT is fixed by SYSRET (Intel SDM vol. 2, SYSRET) and Linux's ABI.
 */
#define SEL_KERNEL_CS 0x10
#define SEL_KERNEL_DS 0x18
#define SEL_USER_CS32 0x23
#define SEL_USER_DS 0x2b
#define SEL_USER_CS 0x33
#define SEL_TSS 0x40

/* RFLAGS (Intel SDM vol. 1, 3.4.3) */
#define RFLAGS_CF BIT(0)
#define RFLAGS_FIXED BIT(1)
#define RFLAGS_TF BIT(8)
#define RFLAGS_IF BIT(9)
#define RFLAGS_DF BIT(10)
#define RFLAGS_IOPL (3UL << 12)
#define RFLAGS_NT BIT(14)
#define RFLAGS_RF BIT(16)
#define RFLAGS_AC BIT(18)
#define RFLAGS_ID BIT(21)
/* What ring 3 may set in a signal frame or a debugger's registers: CF PF AF ZF SF TF DF OF RF AC.
 */
#define RFLAGS_USER 0x50dd5UL

/* Exception vectors (Intel SDM vol. 3, 6.3.1) */
enum vector {
	VEC_DE = 0,
	VEC_DB = 1,
	VEC_NMI = 2,
	VEC_BP = 3,
	VEC_OF = 4,
	VEC_BR = 5,
	VEC_UD = 6,
	VEC_NM = 7,
	VEC_DF = 8,
	VEC_TS = 10,
	VEC_NP = 11,
	VEC_SS = 12,
	VEC_GP = 13,
	VEC_PF = 14,
	VEC_MF = 16,
	VEC_AC = 17,
	VEC_MC = 18,
	VEC_XM = 19,
	VEC_CP = 21,
	VEC_IRQ_BASE = 0x30,  /* device interrupts: 0x30 up to 0x7f, and 0x81 up to 0xef */
	VEC_SYSCALL = 0x80,   /* int 0x80, reachable from ring 3 */
	VEC_TIMER = 0xf0,     /* this CPU's one-shot timer */
	VEC_RESCHED = 0xf1,   /* another CPU asks this one to reschedule */
	VEC_SHOOTDOWN = 0xf2, /* another CPU asks this one to drop translations */
	VEC_STOP = 0xf3,      /* a panic elsewhere */
	VEC_SPURIOUS = 0xff,
};

/* Page-fault error code (Intel SDM vol. 3, 4.7) */
#define PF_PRESENT BIT(0)
#define PF_WRITE BIT(1)
#define PF_USER BIT(2)
#define PF_RSVD BIT(3)
#define PF_FETCH BIT(4)

static inline bool trapframe_from_user(const struct trapframe *tf)
{
	return tf->cs & 3;
}

/* trapframe_again: the system call is made again, as CALL. SYSCALL and INT 0x80 are two bytes long. */
static inline void trapframe_again(struct trapframe *tf, u64 call)
{
	tf->rax = call;
	tf->rip -= 2;
	tf->orig_rax = ~0UL;
}
