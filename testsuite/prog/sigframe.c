/* cflags: -mno-red-zone */
/* What a signal's frame tells, what its handler finds in the registers, and frames that nobody but a program with bad
 * intentions makes: rt_sigreturn believes none of them. */
#include "testsuite/prog/tap.h"

#include <cpuid.h>
#include <ucontext.h>

#define XSAVE_HEADER 512
#define SW_BYTES 464
#define MAGIC1 0x46505853

static bool have_avx(void)
{
	u32 eax, ebx, ecx, edx;

	__cpuid(1, eax, ebx, ecx, edx);
	if (!(ecx & bit_OSXSAVE) || !(ecx & bit_AVX))
		return false;
	__asm__ volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
	return (eax & 6) == 6;
}

/* --- a frame of our own: that of a signal, copied --- */

/* Linux's: without the room that the C library's ucontext_t leaves behind the mask. */
struct frame {
	u64 flags, link;
	stack_t stack;
	u64 gregs[23]; /* in the order of REG_R8 and so on */
	u8 *fp;
	u64 reserved[8];
	u64 mask;
	siginfo_t info;
};
_Static_assert(offsetof(struct frame, mask) == 296, "struct ucontext");

static struct frame *mine;
static u8 *mine_fp; /* in a place with unmapped memory behind it, at the end */
static u32 fp_size;

static void on_copy(int sig, siginfo_t *info, void *context)
{
	struct frame *f = context;
	u32 *sw = (u32 *)(f->fp + SW_BYTES);

	(void)sig;
	(void)info;
	fp_size = sw[0] == MAGIC1 ? sw[1] : 512;
	memcpy(mine, f, sizeof(*f));
	memcpy(mine_fp, f->fp, fp_size);
}

static u8 *before_gap(u64 size)
{
	u8 *p = pages(5, PROT_READ | PROT_WRITE);

	OK(munmap(p + 4 * PAGE, PAGE));
	return p + 4 * PAGE - size;
}

static u8 landing_stack[16384] __attribute__((aligned(64)));

/* LAND: where the frame leads to. */
static void make_frame(void (*land)(void))
{
	struct sigaction act = {.sa_sigaction = on_copy, .sa_flags = SA_SIGINFO};

	mine = (struct frame *)(before_gap(PAGE) + 64);
	mine_fp = before_gap(4 * PAGE) + 64;
	sigaction(SIGUSR1, &act, NULL);
	raise(SIGUSR1);
	mine->fp = mine_fp;
	mine->gregs[REG_RIP] = (u64)land;
	mine->gregs[REG_RSP] = (u64)landing_stack + sizeof(landing_stack) - 8;
}

static __attribute__((noreturn)) void go_at(void *frame)
{
	__asm__ volatile("mov %0, %%rsp\nmov $15, %%eax\nsyscall\nud2" ::"r"(frame) : "memory");
	__builtin_unreachable();
}

static void land_well(void)
{
	_exit(3);
}

/* FRAME: the end of a process that returns by a frame that BODY has changed. */
#define FRAME(land, ...)          \
	CHILD({                   \
		make_frame(land); \
		__VA_ARGS__;      \
		go_at(mine);      \
	})

TEST(sound, "[I4] a frame made by hand is as good as the kernel's, aligned or not")
{
	IS(FRAME(land_well, ), EXITED(3));
	IS(FRAME(land_well, mine = memmove((u8 *)mine + 3, mine, sizeof(*mine))), EXITED(3));
	IS(FRAME(land_well, mine->fp = NULL), EXITED(3));
}

TEST(unreadable, "[I4] a frame that cannot be read as a whole: SIGSEGV")
{
	for (u64 n = 8; n < sizeof(struct frame) - 128; n += 56)
		IS(FRAME(land_well, mine = memcpy(before_gap(n), mine, n)), KILLED(SIGSEGV));
}

static const u64 no_places[] = {1,
                                0x7ffffffff000,
                                0x7fffffffffc0,
                                0x800000000000,
                                0x8000000000000000,
                                0xffff800000000000,
                                0xffffffff80000000,
                                0xffffffffffffffc0};

TEST(no_extended_state, "[I4] extended state that cannot be read: SIGSEGV")
{
	for (u32 i = 0; i < ARRAY_SIZE(no_places); i++)
		IS(FRAME(land_well, mine->fp = (u8 *)no_places[i]), KILLED(SIGSEGV));
	for (u32 n = 64; n < 512; n += 64)
		IS(FRAME(land_well, mine->fp = memcpy(before_gap(n), mine_fp, n)), KILLED(SIGSEGV));
}

/* Whatever stands in the state: the CPU takes it as it is mended, or the program ends. Others see nothing of it. */
static void at_most_this(int status)
{
	CHECK(status == EXITED(3) || status == KILLED(SIGSEGV) || status == KILLED(SIGFPE));
	IS(CHILD(_exit(4)), EXITED(4));
}

TEST(garbled_state, "[I4] extended state with every sort of garbage: that program at most")
{
	at_most_this(FRAME(land_well, memset(mine_fp, 0xff, 464)));
	at_most_this(FRAME(land_well, memset(mine_fp, 0xff, fp_size)));
	at_most_this(FRAME(land_well, *(u32 *)(mine_fp + 24) = 0xffffffff)); /* MXCSR */
	at_most_this(FRAME(land_well, *(u32 *)(mine_fp + SW_BYTES) = 0));    /* no magic */
	at_most_this(FRAME(land_well, *(u32 *)(mine_fp + SW_BYTES + 4) = 0xffffffff));
	at_most_this(FRAME(land_well, *(u32 *)(mine_fp + SW_BYTES + 4) = 0));
	at_most_this(FRAME(land_well, *(u32 *)(mine_fp + SW_BYTES + 16) = 0xffffffff));
	at_most_this(FRAME(land_well, *(u32 *)(mine_fp + SW_BYTES + 16) = 1));
	at_most_this(FRAME(land_well, *(u64 *)(mine_fp + SW_BYTES + 8) = ~0UL));
	at_most_this(FRAME(land_well, mine->fp = mine_fp + 1));
	at_most_this(FRAME(land_well, mine->fp = mine_fp + 8));
	if (fp_size > 512 || have_avx()) {
		for (u32 word = 0; word < 8; word++) {
			at_most_this(FRAME(land_well, ((u64 *)(mine_fp + XSAVE_HEADER))[word] = ~0UL));
			at_most_this(FRAME(land_well, ((u64 *)(mine_fp + XSAVE_HEADER))[word] = 1UL << 63));
		}
		at_most_this(FRAME(land_well, memset(mine_fp + fp_size - 4, 0, 4))); /* the second magic */
	}
}

TEST(random_frames, "[I4] two thousand frames with random words changed: that program at most")
{
	u64 seed = 88172645463325252;

	for (u32 i = 0; i < 2000; i++) {
		int status;

		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		status = FRAME(land_well, {
			alarm(5);
			for (u32 k = 0; k < 3; k++) {
				u64 r = seed * (2 * k + 3);
				u64 value = r % 3 ? ~0UL << r % 64 : r;

				if (r >> 32 & 1)
					((u64 *)mine)[(r >> 40) % 36] = value;
				else
					((u64 *)mine_fp)[(r >> 40) % (fp_size / 8)] = value;
			}
		});
		CHECK(WIFEXITED(status) || status < 32);
	}
	IS(CHILD(_exit(4)), EXITED(4));
}

/* --- selectors, flags, mask, stack --- */

static u64 seen_cs, seen_ss, seen_flags, kept_selectors;

static void land_selectors(void)
{
	__asm__ volatile("mov %%cs, %0\nmov %%ss, %1" : "=r"(seen_cs), "=r"(seen_ss));
	_exit((seen_cs & 0xffff) == 0x33 && (seen_ss & 3) == 3 ? 3 : 5);
}

TEST(selectors, "[I4] no selector of a frame leads out of ring 3")
{
	for (u64 selector = 0; selector < 0x80; selector++) {
		int code = FRAME(land_selectors, {
			kept_selectors = mine->gregs[REG_CSGSFS];
			mine->gregs[REG_CSGSFS] = (kept_selectors & ~0xffffUL) | selector;
		});
		int stack = FRAME(land_selectors, {
			kept_selectors = mine->gregs[REG_CSGSFS];
			mine->gregs[REG_CSGSFS] = (kept_selectors & ~(0xffffUL << 48)) | selector << 48;
		});

		CHECK(code == EXITED(3) || code < 32);
		CHECK(stack == EXITED(3) || stack < 32);
	}
}

static void land_flags(void)
{
	__asm__ volatile("pushfq\npop %0" : "=r"(seen_flags));
	_exit((seen_flags & 0x3000) == 0 && (seen_flags & 0x200) && !(seen_flags & 0x1b4000) ? 3 : 5);
}

TEST(flags, "[I4] of the flags a frame changes what popf may, and the trap flag")
{
	static const u64 none = 0, all = ~0x100UL; /* without TF */

	IS(FRAME(land_flags, mine->gregs[REG_EFL] = none), EXITED(3));
	IS(FRAME(land_flags, mine->gregs[REG_EFL] = all & ~0x40000UL), EXITED(3));
	for (u32 bit = 0; bit < 64; bit++)
		if (bit != 8 && bit != 18)
			IS(FRAME(land_flags, mine->gregs[REG_EFL] = 1UL << bit), EXITED(3));
	IS(FRAME(land_well, mine->gregs[REG_EFL] |= 0x100; signal(SIGTRAP, SIG_DFL)), KILLED(SIGTRAP));
}

static void land_mask(void)
{
	u64 mask = 0;

	syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, 8);
	_exit(mask == ~(1UL << 8 | 1UL << 18) ? 3 : 5);
}

TEST(mask, "[I4] no mask of a frame blocks SIGKILL or SIGSTOP")
{
	IS(FRAME(land_mask, mine->mask = ~0UL), EXITED(3));
}

static void land_raise(void)
{
	raise(SIGUSR2);
	_exit(3);
}

static void on_nothing(int sig)
{
	(void)sig;
}

TEST(alternate_stack,
     "[I4] an alternate stack from a frame, at a place that is none: SIGSEGV when it is used")
{
	struct sigaction act = {.sa_handler = on_nothing, .sa_flags = SA_ONSTACK};

	for (u32 i = 0; i < ARRAY_SIZE(no_places); i++)
		IS(FRAME(land_raise,
		         {
			         sigaction(SIGUSR2, &act, NULL);
			         mine->stack = (stack_t){.ss_sp = (void *)no_places[i], .ss_size = 65536};
		         }),
		   KILLED(SIGSEGV));
}

/* --- what a handler finds --- */

struct found {
	u64 gpr[15]; /* rax rbx rcx rdx rsi rdi rbp r8 .. r15 */
	u64 flags;
	u32 mxcsr, pad;
	u16 control, status, pad2[2];
	u8 xmm[16][16], ymm_high[16][16];
} found __attribute__((aligned(64)));

u64 found_avx;
void record_found(int sig);

#define STORE_X(n) "movups %xmm" #n ", found+144+16*" #n "(%rip)\n"
#define STORE_Y(n) "vextractf128 $1, %ymm" #n ", found+400+16*" #n "(%rip)\n"
#define FOR_16(op) \
	op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) op(11) op(12) op(13) op(14) op(15)

__asm__(".text\n.globl record_found\nrecord_found:\n"
        "mov %rax, found+0(%rip)\nmov %rbx, found+8(%rip)\nmov %rcx, found+16(%rip)\n"
        "mov %rdx, found+24(%rip)\nmov %rsi, found+32(%rip)\nmov %rdi, found+40(%rip)\n"
        "mov %rbp, found+48(%rip)\nmov %r8, found+56(%rip)\nmov %r9, found+64(%rip)\n"
        "mov %r10, found+72(%rip)\nmov %r11, found+80(%rip)\nmov %r12, found+88(%rip)\n"
        "mov %r13, found+96(%rip)\nmov %r14, found+104(%rip)\nmov %r15, found+112(%rip)\n"
        "pushfq\npop found+120(%rip)\nstmxcsr found+128(%rip)\n"
        "fnstcw found+136(%rip)\nfnstsw found+138(%rip)\n" FOR_16(
                STORE_X) "cmpq $0, found_avx(%rip)\nje 1f\n" FOR_16(STORE_Y) "1: ret\n");
_Static_assert(offsetof(struct found, mxcsr) == 128 && offsetof(struct found, control) == 136,
               "record_found");
_Static_assert(offsetof(struct found, xmm) == 144 && offsetof(struct found, ymm_high) == 400, "record_found");

#define FILL_X(n) "pcmpeqd %%xmm" #n ", %%xmm" #n "\n"
#define FILL_Y(n) "vcmptrueps %%ymm" #n ", %%ymm" #n ", %%ymm" #n "\n"
#define ALL_XMM                                                                                           \
	"xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", \
	        "xmm12", "xmm13", "xmm14", "xmm15"

static void fill_vectors(void)
{
	u32 mxcsr = 0x7f80;
	u16 control = 0xf7f;

	found_avx = have_avx();
	if (found_avx)
		__asm__ volatile(FOR_16(FILL_Y)::: ALL_XMM);
	else
		__asm__ volatile(FOR_16(FILL_X)::: ALL_XMM);
	__asm__ volatile("ldmxcsr %0\nfldcw %1\nfldpi" ::"m"(mxcsr), "m"(control));
}

static void check_fresh(void)
{
	IS(found.mxcsr, 0x1f80);
	IS(found.control, 0x37f);
	IS(found.status, 0);
	for (u32 i = 0; i < 256; i++) {
		CHECK(((u8 *)found.xmm)[i] == 0);
		CHECK(((u8 *)found.ymm_high)[i] == 0);
	}
}

TEST(handler_vectors, "[P6] [I5] a handler starts with fresh extended state")
{
	signal(SIGUSR1, record_found);
	fill_vectors();
	raise(SIGUSR1);
	check_fresh();
}

#define PATTERN(n) (0x5151515151510000 + n)

TEST(handler_registers,
     "[P6] [I5] a handler's registers are its arguments and what the program had, and no other")
{
	pid_t pid = getpid();

	signal(SIGUSR1, record_found);
	__asm__ volatile("push %%rbx\npush %%rbp\nmov %0, %%edi\nmov $10, %%esi\nmov $62, %%eax\n"
	                 "movabs $0x5151515151510001, %%rbx\nlea 1(%%rbx), %%rdx\nlea 2(%%rbx), %%r8\n"
	                 "lea 3(%%rbx), %%r9\nlea 4(%%rbx), %%r10\nlea 5(%%rbx), %%r12\nlea 6(%%rbx), %%r13\n"
	                 "lea 7(%%rbx), %%r14\nlea 8(%%rbx), %%r15\nlea 9(%%rbx), %%rbp\nstd\nstc\nsyscall\n"
	                 "cld\npop %%rbp\npop %%rbx" ::"r"(pid)
	                 : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
	                   "r15", "memory", "cc");
	IS(found.gpr[0], 0);           /* rax */
	IS(found.gpr[1], PATTERN(1));  /* rbx */
	IS(found.gpr[5], SIGUSR1);     /* rdi */
	IS(found.gpr[6], PATTERN(10)); /* rbp */
	IS(found.gpr[7], PATTERN(3));  /* r8 */
	IS(found.gpr[8], PATTERN(4));
	IS(found.gpr[9], PATTERN(5));
	IS(found.gpr[11], PATTERN(6)); /* r12 */
	IS(found.gpr[12], PATTERN(7));
	IS(found.gpr[13], PATTERN(8));
	IS(found.gpr[14], PATTERN(9));
	CHECK(found.gpr[2] >> 47 == 0 && found.gpr[3] >> 47 == 0 && found.gpr[4] >> 47 == 0);
	CHECK((found.gpr[10] & ~0xcd5UL) == 0x202); /* r11 is what the flags were */
	IS(found.flags & 0x400, 0);                 /* the direction flag is down */
}

/* --- a child --- */

u64 child_seen[12];

/* What clone gives the child is what the parent had: RAX apart, and RCX and R11, which SYSCALL takes. */
TEST(child_registers, "[P6] [I5] the child of fork finds the parent's registers, and no other")
{
	u64 pid;

	__asm__ volatile(
	        "push %%rbx\npush %%rbp\nmov $57, %%eax\nmovabs $0x5151515151510001, %%rbx\n"
	        "lea 1(%%rbx), %%rdx\nlea 2(%%rbx), %%r8\nlea 3(%%rbx), %%r9\nlea 4(%%rbx), %%r10\n"
	        "lea 5(%%rbx), %%r12\nlea 6(%%rbx), %%r13\nlea 7(%%rbx), %%r14\nlea 8(%%rbx), %%r15\n"
	        "lea 9(%%rbx), %%rbp\nlea 10(%%rbx), %%rsi\nlea 11(%%rbx), %%rdi\nsyscall\n"
	        "mov %%rbx, child_seen+0(%%rip)\nmov %%rdx, child_seen+8(%%rip)\nmov %%r8, "
	        "child_seen+16(%%rip)\nmov %%r9, child_seen+24(%%rip)\n"
	        "mov %%r10, child_seen+32(%%rip)\nmov %%r12, child_seen+40(%%rip)\nmov %%r13, "
	        "child_seen+48(%%rip)\n"
	        "mov %%r14, child_seen+56(%%rip)\nmov %%r15, child_seen+64(%%rip)\nmov %%rbp, "
	        "child_seen+72(%%rip)\n"
	        "mov %%rsi, child_seen+80(%%rip)\nmov %%rdi, child_seen+88(%%rip)\npop %%rbp\npop %%rbx"
	        : "=&a"(pid)
	        :
	        : "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory",
	          "cc");
	for (u32 i = 0; i < 12; i++)
		IS(child_seen[i], PATTERN(i + 1));
	if (pid == 0)
		_exit(tap_failures ? 1 : 6);
	IS(wait_status(pid), EXITED(6));
}

/* --- stepping --- */

static volatile u64 steps;
static u64 step_at[32];

static void on_step(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	if (steps < ARRAY_SIZE(step_at))
		step_at[steps] = ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
	steps++;
}

static void catch_steps(void)
{
	struct sigaction act = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};

	sigaction(SIGTRAP, &act, NULL);
	steps = 0;
}

extern const char over_1[], over_2[], over_3[];

TEST(step_over_syscall, "[I4] the trap flag over syscall: the call works, and the trap comes behind it")
{
	u64 pid;

	catch_steps();
	__asm__ volatile("mov $39, %%eax\npushfq\norl $0x100, (%%rsp)\npopfq\n"
	                 "nop\n.globl over_1\nover_1: syscall\n.globl over_2\nover_2: nop\n"
	                 ".globl over_3\nover_3: pushfq\nandl $~0x100, (%%rsp)\npopfq\nnop\n"
	                 : "=a"(pid)
	                 :
	                 : "rcx", "r11", "memory", "cc");
	IS(pid, getpid());
	IS(step_at[0], over_1);
	bool found_end = false;
	for (u32 i = 1; i < steps && i < ARRAY_SIZE(step_at); i++) {
		CHECK(step_at[i] >= (u64)over_2 && step_at[i] < (u64)over_3 + 64);
		found_end |= step_at[i] == (u64)over_3;
	}
	CHECK(found_end);
}

TEST(step_over_int80, "[I4] the trap flag over int 0x80: as over syscall")
{
	u64 pid;

	BULKHEAD_ONLY("int 0x80 is the 32-bit table there");
	catch_steps();
	__asm__ volatile("mov $39, %%eax\npushfq\norl $0x100, (%%rsp)\npopfq\nnop\nint $0x80\nnop\n"
	                 "pushfq\nandl $~0x100, (%%rsp)\npopfq\nnop\n"
	                 : "=a"(pid)
	                 :
	                 : "memory", "cc");
	IS(pid, getpid());
	CHECK(steps >= 5 && steps <= 7);
}

TEST(popf_everything,
     "[I4] popf with every bit: what ring 3 may not set stays, system calls work with the rest")
{
	for (u32 bit = 0; bit < 32; bit++) {
		u64 flags = 0x202 | 1UL << bit, now, pid;

		if (bit == 8) /* stepping is above */
			continue;
		__asm__ volatile("push %2\npopfq\nmov $39, %%eax\nsyscall\npushfq\npop %0\npush $0x202\npopfq"
		                 : "=&r"(now), "=&a"(pid)
		                 : "r"(flags)
		                 : "rcx", "r11", "memory", "cc");
		IS(pid, getpid());
		IS(now & 0x1b3200, 0x200); /* IF; no IOPL, VM, VIF, VIP, RF */
		if (1UL << bit & 0x244cd5)
			CHECK(now & 1UL << bit);
	}
}
