/* The table of system calls, the dispatcher and the tracer: all made from kernel/abi/syscalls.def. */
#include "kernel/sys/syscall.h"
#include "hal/base/atomic.h"
#include "hal/base/log.h"
#include "hal/base/printf.h"
#include "hal/base/sabotage.h"
#include "hal/base/string.h"
#include "hal/cpu/trapframe.h"
#include "hal/upcall.h"
#include "kernel/proc/ptrace.h"
#include "vm/uaccess.h"

bool syscall_trace_all;

/* How each type is read from a register. */
#define AS_fd(r) ((int)(r))
#define AS_int(r) ((int)(r))
#define AS_u32(r) ((u32)(r))
#define AS_i64(r) ((i64)(r))
#define AS_u64(r) (r)
#define AS_uaddr_t(r) UADDR(r)
#define AS_ustr_t(r) UADDR(r)

typedef i64 (*syscall_fn)(const struct trapframe *tf);

/* One caller for each, which takes the arguments from the frame. */
#define SYSCALL0(nr, name)                                 \
	static i64 call_##name(const struct trapframe *tf) \
	{                                                  \
		return sys_##name();                       \
	}
#define CALLER(name, ...)                                  \
	static i64 call_##name(const struct trapframe *tf) \
	{                                                  \
		return sys_##name(__VA_ARGS__);            \
	}
#define SYSCALL1(nr, name, t1, a1) CALLER(name, AS_##t1(tf->rdi))
#define SYSCALL2(nr, name, t1, a1, t2, a2) CALLER(name, AS_##t1(tf->rdi), AS_##t2(tf->rsi))
#define SYSCALL3(nr, name, t1, a1, t2, a2, t3, a3) \
	CALLER(name, AS_##t1(tf->rdi), AS_##t2(tf->rsi), AS_##t3(tf->rdx))
#define SYSCALL4(nr, name, t1, a1, t2, a2, t3, a3, t4, a4) \
	CALLER(name, AS_##t1(tf->rdi), AS_##t2(tf->rsi), AS_##t3(tf->rdx), AS_##t4(tf->r10))
#define SYSCALL5(nr, name, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5) \
	CALLER(name, AS_##t1(tf->rdi), AS_##t2(tf->rsi), AS_##t3(tf->rdx), AS_##t4(tf->r10), AS_##t5(tf->r8))
#define SYSCALL6(nr, name, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5, t6, a6)                   \
	CALLER(name, AS_##t1(tf->rdi), AS_##t2(tf->rsi), AS_##t3(tf->rdx), AS_##t4(tf->r10), \
	       AS_##t5(tf->r8), AS_##t6(tf->r9))
#include "kernel/abi/syscalls.def"
#undef SYSCALL0
#undef SYSCALL1
#undef SYSCALL2
#undef SYSCALL3
#undef SYSCALL4
#undef SYSCALL5
#undef SYSCALL6

#define SYSCALL0(nr, name) [nr] = call_##name,
#define SYSCALL1(nr, name, ...) [nr] = call_##name,
#define SYSCALL2(nr, name, ...) [nr] = call_##name,
#define SYSCALL3(nr, name, ...) [nr] = call_##name,
#define SYSCALL4(nr, name, ...) [nr] = call_##name,
#define SYSCALL5(nr, name, ...) [nr] = call_##name,
#define SYSCALL6(nr, name, ...) [nr] = call_##name,
static const syscall_fn table[] = {
#include "kernel/abi/syscalls.def"
};
#undef SYSCALL0
#undef SYSCALL1
#undef SYSCALL2
#undef SYSCALL3
#undef SYSCALL4
#undef SYSCALL5
#undef SYSCALL6

/* For the tracer: the name, and the arguments' types, each behind a blank. */
struct syscall_text {
	const char *name, *types;
};
#define SYSCALL0(nr, name) [nr] = {#name, ""},
#define SYSCALL1(nr, name, t1, a1) [nr] = {#name, " " #t1},
#define SYSCALL2(nr, name, t1, a1, t2, a2) [nr] = {#name, " " #t1 " " #t2},
#define SYSCALL3(nr, name, t1, a1, t2, a2, t3, a3) [nr] = {#name, " " #t1 " " #t2 " " #t3},
#define SYSCALL4(nr, name, t1, a1, t2, a2, t3, a3, t4, a4) [nr] = {#name, " " #t1 " " #t2 " " #t3 " " #t4},
#define SYSCALL5(nr, name, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5) \
	[nr] = {#name, " " #t1 " " #t2 " " #t3 " " #t4 " " #t5},
#define SYSCALL6(nr, name, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5, t6, a6) \
	[nr] = {#name, " " #t1 " " #t2 " " #t3 " " #t4 " " #t5 " " #t6},
static const struct syscall_text texts[] = {
#include "kernel/abi/syscalls.def"
};
#undef SYSCALL0
#undef SYSCALL1
#undef SYSCALL2
#undef SYSCALL3
#undef SYSCALL4
#undef SYSCALL5
#undef SYSCALL6

/* Each call that is not there is named once. */
static i64 syscall_unknown(const struct trapframe *tf)
{
	static u64 named[8]; /* [atomic] */
	u64 nr = tf->orig_rax;

	if (nr < ARRAY_SIZE(named) * 64 && !(atomic_or(&named[nr / 64], BIT(nr % 64)) & BIT(nr % 64)))
		klog(LOG_INFO, "system call %lu is not built (%s, pid %d)", nr, thread_current()->name,
		     proc_current()->pid->nr);
	return -ENOSYS;
}

static void trace_argument(char *buf, size_t size, const char *type, u64 value)
{
	char text[40];

	if (strncmp(type, "ustr_t", 6) == 0 && copyinstr(text, UADDR(value), sizeof(text)) != -EFAULT) {
		text[sizeof(text) - 1] = 0;
		ksnprintf(buf, size, "\"%s\"", text);
	} else if (strncmp(type, "uaddr_t", 7) == 0 || strncmp(type, "ustr_t", 6) == 0) {
		ksnprintf(buf, size, value ? "0x%lx" : "NULL", value);
	} else if (strncmp(type, "u64", 3) == 0) {
		ksnprintf(buf, size, value < 65536 ? "%lu" : "0x%lx", value);
	} else if (strncmp(type, "i64", 3) == 0) {
		ksnprintf(buf, size, "%ld", value);
	} else {
		ksnprintf(buf, size, "%d", (int)value);
	}
}

/* trace_enter: the call as strace would print it, into BUF; before the call, which may change what it points to. */
static void trace_enter(char *buf, size_t size, u32 nr, const struct trapframe *tf)
{
	const u64 args[6] = {tf->rdi, tf->rsi, tf->rdx, tf->r10, tf->r8, tf->r9};
	const struct syscall_text *t = nr < ARRAY_SIZE(texts) && texts[nr].name ? &texts[nr] : NULL;
	size_t at = (size_t)ksnprintf(buf, size, t ? "%s(" : "syscall_%s%u(", t ? t->name : "", nr);
	const char *type = t ? strchr(t->types, ' ') : NULL;

	for (u32 i = 0; type && i < 6; i++) {
		if (i)
			at += (size_t)ksnprintf(buf + at, size - at, ", ");
		trace_argument(buf + at, size - at, type + 1, args[i]);
		at += strlen(buf + at);
		type = strchr(type + 1, ' ');
	}
	ksnprintf(buf + at, size - at, ")");
}

static i64 syscall_call(u32 nr, struct trapframe *tf)
{
	syscall_fn fn = nr < ARRAY_SIZE(table) ? table[nr] : NULL;

	return (fn ? fn : syscall_unknown)(tf);
}

static i64 syscall_logged(u32 nr, struct trapframe *tf)
{
	char text[200];

	trace_enter(text, sizeof(text), nr, tf);
	if (nr == __NR_exit || nr == __NR_exit_group || nr == __NR_rt_sigreturn)
		klog(LOG_NOTICE, "[pid %d] %s = ?", proc_current()->pid->nr, text);
	i64 result = syscall_call(nr, tf);
	klog(LOG_NOTICE, (u64)result < 65536 || result < 0 ? "[pid %d] %s = %ld" : "[pid %d] %s = 0x%lx",
	     proc_current()->pid->nr, text, result);
	return result;
}

/* syscall_watched: a call that somebody looks at: the log, or the caller's tracer, who may change it. */
static i64 syscall_watched(u32 nr, struct trapframe *tf)
{
	const u32 *work = &thread_current()->cpu.entry_work;
	i64 result = -ENOSYS;
	bool wanted = true;

	if (atomic_load(work) & ENTRY_TRACED) {
		tf->rax = (u64)result;
		wanted = ptrace_syscall_enter();
		nr = (u32)tf->orig_rax;
		result = (i64)tf->rax;
	}
	if (wanted && nr != ~0U)
		result = atomic_load(work) & ENTRY_LOG ? syscall_logged(nr, tf) : syscall_call(nr, tf);
	if (atomic_load(work) & (ENTRY_TRACED | ENTRY_STEP)) {
		tf->rax = (u64)result;
		ptrace_syscall_exit();
		result = (i64)tf->rax;
	}
	return result;
}

i64 syscall_dispatch(struct trapframe *tf)
{
	u32 nr = sabotage(number_bits) && tf->orig_rax >> 32 ? ~0U : (u32)tf->orig_rax;

	tf->orig_rax = nr; /* not negative: this frame is of a system call (signal.c) */
	failalloc_enter();
	bool watched = atomic_load(&thread_current()->cpu.entry_work);
	i64 result = unlikely(watched) ? syscall_watched(nr, tf) : syscall_call(nr, tf);
	failalloc_leave();
	return result;
}
