/* The frame that a signal's handler finds on its stack, and that rt_sigreturn reads back: Linux's struct rt_sigframe
 * (arch/x86, and System V ABI 3.4.1 for the stack's alignment). Nothing in a frame that comes back is trusted. */
#include "hal/base/string.h"
#include "hal/base/sabotage.h"
#include "hal/cpu/fpu.h"
#include "hal/cpu/cpu.h"
#include "kernel/proc/proc.h"
#include "vm/uaccess.h"

#define RED_ZONE 128        /* below RSP, belongs to the interrupted function */
#define SW_BYTES_OFFSET 464 /* of struct _fpx_sw_bytes in an FXSAVE area */

struct rt_sigframe {
	u64 return_address;
	struct ucontext uc;
	siginfo_t info;
};

static bool on_altstack(const struct task *t, u64 sp)
{
	return sp - 1 - (u64)t->altstack.ss_sp < t->altstack.ss_size;
}

/* context_fill: every field of C, which goes to ring 3. */
static void context_fill(struct sigcontext *c, const struct trapframe *tf, const struct task *t, u64 mask,
                         u64 fp)
{
	c->r8 = tf->r8;
	c->r9 = tf->r9;
	c->r10 = tf->r10;
	c->r11 = tf->r11;
	c->r12 = tf->r12;
	c->r13 = tf->r13;
	c->r14 = tf->r14;
	c->r15 = tf->r15;
	c->rdi = tf->rdi;
	c->rsi = tf->rsi;
	c->rbp = tf->rbp;
	c->rbx = tf->rbx;
	c->rdx = tf->rdx;
	c->rax = tf->rax;
	c->rcx = tf->rcx;
	c->rsp = tf->rsp;
	c->rip = tf->rip;
	c->eflags = tf->rflags;
	c->cs = (u16)tf->cs;
	c->gs = 0;
	c->fs = 0;
	c->ss = (u16)tf->ss;
	c->err = t->trap_error;
	c->trapno = t->trap_vector;
	c->oldmask = mask;
	c->cr2 = t->trap_addr;
	c->fpstate = (struct _fpstate *)fp;
	memset(c->reserved1, 0, sizeof(c->reserved1));
}

/* fpu_push: the extended state to ring 3 at FP; what FXSAVE leaves free tells how much there is. */
static int fpu_push(u64 fp)
{
	u32 size = (u32)fpu_size(), magic2 = FP_XSTATE_MAGIC2;
	struct {
		struct _fpx_sw_bytes sw;
		u64 header[8]; /* XSAVE writes the first word only, XRSTOR wants the others to be zero */
	} between = {
	        .sw = {.magic1 = FP_XSTATE_MAGIC1,
	               .extended_size = size + sizeof(magic2),
	               .xfeatures = cpu_features.xcr0,
	               .xstate_size = size},
	};

	if (cpu_features.xcr0 && (copyout(UADDR(fp + SW_BYTES_OFFSET), &between, sizeof(between)) < 0 ||
	                          copyout(UADDR(fp + size), &magic2, sizeof(magic2)) < 0))
		return -EFAULT;
	return user_fpu_save(UADDR(fp));
}

/* A handler starts with a fresh state, as a program does. */
static void fpu_reset(struct task *t)
{
	preempt_disable();
	fpu_init_area(t->thread.fpu);
	fpu_restore(t->thread.fpu);
	preempt_enable();
}

static u64 stack_choose(const struct task *t, const struct trapframe *tf, const struct sigaction *sa)
{
	bool alt = (sa->sa_flags & SA_ONSTACK) && !(t->altstack.ss_flags & SS_DISABLE) &&
	           !on_altstack(t, tf->rsp);

	return alt ? (u64)t->altstack.ss_sp + t->altstack.ss_size : tf->rsp - RED_ZONE;
}

int signal_frame_push(struct trapframe *tf, const struct sigaction *sa, const siginfo_t *info, u64 mask)
{
	struct task *t = task_current();
	u64 top = stack_choose(t, tf, sa);
	u64 fp = ALIGN_DOWN(top - fpu_size() - 4, 64UL);
	u64 sp = ALIGN_DOWN(fp - sizeof(struct rt_sigframe), 16UL) - 8;
	struct rt_sigframe f;

	/* It must fit: what lies below an alternate stack is not the stack's. */
	if ((on_altstack(t, top) || on_altstack(t, tf->rsp)) && !on_altstack(t, sp + 1))
		return -EFAULT;
	if (!(sa->sa_flags & SA_RESTORER) || fpu_push(fp) < 0)
		return -EFAULT;
	f.return_address = (u64)sa->sa_restorer;
	f.uc.uc_link = NULL;
	f.uc.uc_flags = UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS | (cpu_features.xcr0 ? UC_FP_XSTATE : 0);
	memset(&f.uc.uc_stack, 0, sizeof(f.uc.uc_stack)); /* it has a hole */
	f.uc.uc_stack.ss_sp = t->altstack.ss_sp;
	f.uc.uc_stack.ss_size = t->altstack.ss_size;
	f.uc.uc_stack.ss_flags = t->altstack.ss_flags & SS_DISABLE ? SS_DISABLE
	                         : on_altstack(t, tf->rsp)         ? SS_ONSTACK
	                                                           : 0;
	f.uc.uc_sigmask = mask;
	context_fill(&f.uc.uc_mcontext, tf, t, mask, fp);
	f.info = *info;
	if (copyout(UADDR(sp), &f, sizeof(f)) < 0)
		return -EFAULT;
	fpu_reset(t);
	tf->rdi = (u64)info->si_signo;
	tf->rsi = sp + offsetof(struct rt_sigframe, info);
	tf->rdx = sp + offsetof(struct rt_sigframe, uc);
	tf->rax = 0;
	tf->rsp = sp;
	tf->rip = (u64)sa->sa_handler;
	tf->rflags &= ~(RFLAGS_DF | RFLAGS_RF | RFLAGS_TF);
	tf->orig_rax = ~0UL;
	return 0;
}

static void context_take(struct trapframe *tf, const struct sigcontext *c)
{
	tf->r8 = c->r8;
	tf->r9 = c->r9;
	tf->r10 = c->r10;
	tf->r11 = c->r11;
	tf->r12 = c->r12;
	tf->r13 = c->r13;
	tf->r14 = c->r14;
	tf->r15 = c->r15;
	tf->rdi = c->rdi;
	tf->rsi = c->rsi;
	tf->rbp = c->rbp;
	tf->rbx = c->rbx;
	tf->rdx = c->rdx;
	tf->rax = c->rax;
	tf->rcx = c->rcx;
	tf->rsp = c->rsp;
	tf->rip = c->rip; /* a non-canonical one is caught on the way out (entry.S) */
	u64 may_set = sabotage(frame_flags) ? ~0UL : RFLAGS_USER;

	tf->rflags = (tf->rflags & ~may_set) | (c->eflags & may_set);
	tf->cs = sabotage(frame_selectors) ? c->cs : SEL_USER_CS; /* whatever the frame says */
	tf->ss = sabotage(frame_selectors) ? c->ss : SEL_USER_DS;
	tf->orig_rax = ~0UL;
}

/* fpu_pop: the extended state from ring 3 at FP; 0: a fresh one. */
static int fpu_pop(struct task *t, u64 fp)
{
	struct _fpx_sw_bytes sw;

	if (fp && copyin(&sw, UADDR(fp + SW_BYTES_OFFSET), sizeof(sw)) < 0)
		return -EFAULT;
	bool extended =
	        fp && cpu_features.xcr0 && sw.magic1 == FP_XSTATE_MAGIC1 && sw.xstate_size == fpu_size();
	if (!extended)
		fpu_reset(t); /* what FXSAVE's form does not have is initial */
	return fp ? user_fpu_restore(UADDR(fp), extended) : 0;
}

i64 sys_rt_sigreturn(void)
{
	struct task *t = task_current();
	struct trapframe *tf = task_frame(t);
	struct rt_sigframe f;
	u64 sp = tf->rsp - 8; /* the handler's RET took the return address */

	if (copyin(&f, UADDR(sp), offsetof(struct rt_sigframe, info)) < 0 ||
	    fpu_pop(t, (u64)f.uc.uc_mcontext.fpstate) < 0) {
		signal_fault(SIGSEGV, SI_KERNEL, 0);
		return 0;
	}
	context_take(tf, &f.uc.uc_mcontext);
	if (!(f.uc.uc_stack.ss_flags & ~SS_DISABLE) || f.uc.uc_stack.ss_flags == SS_ONSTACK) {
		t->altstack = f.uc.uc_stack;
		t->altstack.ss_flags &= SS_DISABLE;
	}
	signal_set_mask(f.uc.uc_sigmask);
	return (i64)tf->rax;
}
