/* The system calls' prototypes, made from kernel/abi/syscalls.def: i64 sys_NAME(arguments).
 * A handler runs in the calling thread, interrupts on, preemptible; it returns a result or a negative errno.
 * Argument checks come first; a call that fails has changed nothing. */
#pragma once

#include "hal/base/types.h"
#include "kernel/abi/linux.h"

typedef int fd;
typedef uaddr_t ustr_t;

#define SYSCALL0(nr, name) i64 sys_##name(void);
#define SYSCALL1(nr, name, t1, a1) i64 sys_##name(t1 a1);
#define SYSCALL2(nr, name, t1, a1, t2, a2) i64 sys_##name(t1 a1, t2 a2);
#define SYSCALL3(nr, name, t1, a1, t2, a2, t3, a3) i64 sys_##name(t1 a1, t2 a2, t3 a3);
#define SYSCALL4(nr, name, t1, a1, t2, a2, t3, a3, t4, a4) i64 sys_##name(t1 a1, t2 a2, t3 a3, t4 a4);
#define SYSCALL5(nr, name, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5) \
	i64 sys_##name(t1 a1, t2 a2, t3 a3, t4 a4, t5 a5);
#define SYSCALL6(nr, name, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5, t6, a6) \
	i64 sys_##name(t1 a1, t2 a2, t3 a3, t4 a4, t5 a5, t6 a6);
#include "kernel/abi/syscalls.def"
#undef SYSCALL0
#undef SYSCALL1
#undef SYSCALL2
#undef SYSCALL3
#undef SYSCALL4
#undef SYSCALL5
#undef SYSCALL6

struct trapframe;

/* syscall_dispatch: run the call that TF asks for. => its result, for tf->rax */
i64 syscall_dispatch(struct trapframe *tf);

/* syscall_trace_all: `trace=syscalls`: print each call to the log as strace would. Set at boot. */
extern bool syscall_trace_all;

/* What the testing build does around each call (testsuite/kern/failalloc.c). */
#ifdef BULKHEAD_TESTING
void failalloc_init(const char *cmdline); /* the boot word failalloc=N */
void failalloc_enter(void);
void failalloc_leave(void);
#else
static inline void failalloc_init(const char *cmdline)
{
}
static inline void failalloc_enter(void)
{
}
static inline void failalloc_leave(void)
{
}
#endif
