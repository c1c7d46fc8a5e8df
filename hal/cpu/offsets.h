/* Offsets of C structures for assembly; hal/cpu/cpu.c asserts each at compile time. PCPU_CANARY comes from the Makefile. */
#pragma once

#define GS_BASE 0xc0000101 /* MSR_GS_BASE (regs.h) */

#define PCPU_CURRENT 8
#define PCPU_USER_RSP 16
#define PCPU_RSP0 52 /* tss.rsp0 */

#define CPU_THREAD_SP 8
#define CPU_THREAD_KSTACK_LOW 24
#define CPU_THREAD_CANARY 40

/* How much of a kernel stack must be mapped below the interrupted RSP: a frame, and what the first functions need. */
#define KSTACK_MARGIN 512

#define TF_RAX 80
#define TF_RCX 88
#define TF_R11 48
#define TF_ORIG_RAX 120
#define TF_RIP 128
#define TF_CS 136
#define TF_RFLAGS 144
#define TF_RSP 152
#define TF_SIZE 168
