/* cflags: -Wl,-e,entry_record */
/* The state in which a program finds the machine at its first instruction. */
#include "testsuite/prog/tap.h"

#include <cpuid.h>
#include <elf.h>

/* What entry_record stores, before anything else runs. */
struct entry_state {
	u64 gpr[16]; /* rax rbx rcx rdx rsi rdi rbp rsp r8 .. r15 */
	u64 rflags, cs, ss, ds, es, fs, gs;
	u32 mxcsr, pad;
	u16 x87_control, x87_status, x87_tag, pad2;
	u8 below_stack[128]; /* what lies below the stack pointer */
	u8 xmm[16][16];
	u8 ymm_high[16][16]; /* zeroes without AVX */
} entry_state __attribute__((aligned(64)));

#define FOR_16(op) \
	op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) op(11) op(12) op(13) op(14) op(15)
#define STORE_HIGH(n) "vextractf128 $1, %ymm" #n ", entry_state+584+16*" #n "(%rip)\n"

__asm__(".text\n.globl entry_record\nentry_record:\n"
        "mov %rax, entry_state+0(%rip)\nmov %rbx, entry_state+8(%rip)\n"
        "mov %rcx, entry_state+16(%rip)\nmov %rdx, entry_state+24(%rip)\n"
        "mov %rsi, entry_state+32(%rip)\nmov %rdi, entry_state+40(%rip)\n"
        "mov %rbp, entry_state+48(%rip)\nmov %rsp, entry_state+56(%rip)\n"
        "mov %r8, entry_state+64(%rip)\nmov %r9, entry_state+72(%rip)\n"
        "mov %r10, entry_state+80(%rip)\nmov %r11, entry_state+88(%rip)\n"
        "mov %r12, entry_state+96(%rip)\nmov %r13, entry_state+104(%rip)\n"
        "mov %r14, entry_state+112(%rip)\nmov %r15, entry_state+120(%rip)\n"
        "mov %cs, entry_state+136(%rip)\nmov %ss, entry_state+144(%rip)\n"
        "mov %ds, entry_state+152(%rip)\nmov %es, entry_state+160(%rip)\n"
        "mov %fs, entry_state+168(%rip)\nmov %gs, entry_state+176(%rip)\n"
        "stmxcsr entry_state+184(%rip)\n"
        "movups %xmm0, entry_state+328(%rip)\nmovups %xmm1, entry_state+344(%rip)\n"
        "movups %xmm2, entry_state+360(%rip)\nmovups %xmm3, entry_state+376(%rip)\n"
        "movups %xmm4, entry_state+392(%rip)\nmovups %xmm5, entry_state+408(%rip)\n"
        "movups %xmm6, entry_state+424(%rip)\nmovups %xmm7, entry_state+440(%rip)\n"
        "movups %xmm8, entry_state+456(%rip)\nmovups %xmm9, entry_state+472(%rip)\n"
        "movups %xmm10, entry_state+488(%rip)\nmovups %xmm11, entry_state+504(%rip)\n"
        "movups %xmm12, entry_state+520(%rip)\nmovups %xmm13, entry_state+536(%rip)\n"
        "movups %xmm14, entry_state+552(%rip)\nmovups %xmm15, entry_state+568(%rip)\n"
        "pushfq\npop entry_state+128(%rip)\n" /* overwrites the 8 bytes below rsp */
        "mov $1, %eax\ncpuid\nand $0x18000000, %ecx\ncmp $0x18000000, %ecx\njne 1f\n" /* OSXSAVE, AVX */
        FOR_16(STORE_HIGH) "1: xor %ebx, %ebx\nxor %edx, %edx\n"
                           "mov $16, %ecx\nlea -128(%rsp), %rsi\nlea entry_state+200(%rip), %rdi\n"
                           "rep movsq\n"
                           "sub $32, %rsp\nfnstenv -4(%rsp)\nmov -4(%rsp), %ax\nmov %ax, "
                           "entry_state+192(%rip)\n"
                           "mov 0(%rsp), %ax\nmov %ax, entry_state+194(%rip)\n"
                           "mov 4(%rsp), %ax\nmov %ax, entry_state+196(%rip)\nfldenv -4(%rsp)\n"
                           "mov entry_state+56(%rip), %rsp\nxor %eax, %eax\nxor %ecx, %ecx\nxor %esi, "
                           "%esi\nxor %edi, %edi\n"
                           "jmp _start\n");
_Static_assert(offsetof(struct entry_state, mxcsr) == 184, "entry_record");
_Static_assert(offsetof(struct entry_state, x87_control) == 192, "entry_record");
_Static_assert(offsetof(struct entry_state, below_stack) == 200, "entry_record");
_Static_assert(offsetof(struct entry_state, xmm) == 328, "entry_record");
_Static_assert(offsetof(struct entry_state, ymm_high) == 584, "entry_record");

extern const char entry_record[];
extern const Elf64_Ehdr __ehdr_start;

static u64 *initial_stack(void)
{
	return (u64 *)entry_state.gpr[7];
}

static u64 *initial_envp(void)
{
	return initial_stack() + 1 + initial_stack()[0] + 1;
}

static Elf64_auxv_t *initial_auxv(void)
{
	u64 *p = initial_envp();

	while (*p)
		p++;
	return (Elf64_auxv_t *)(p + 1);
}

/* => the entry's value; ~0 when it is not there */
static u64 aux(u64 type)
{
	for (Elf64_auxv_t *a = initial_auxv(); a->a_type != AT_NULL; a++)
		if (a->a_type == type)
			return a->a_un.a_val;
	return ~0UL;
}

TEST(general_registers, "[P6] every general register but rsp is zero at entry")
{
	for (u32 i = 0; i < 16; i++)
		if (i != 7)
			IS(entry_state.gpr[i], 0);
}

TEST(selectors, "[P6] CS is 0x33 and SS 0x2b, the others are null")
{
	IS(entry_state.cs & 0xffff, 0x33);
	IS(entry_state.ss & 0xffff, 0x2b);
	IS(entry_state.ds & 0xffff, 0);
	IS(entry_state.es & 0xffff, 0);
	IS(entry_state.fs & 0xffff, 0);
	IS(entry_state.gs & 0xffff, 0);
}

TEST(flags, "[P6] interrupts are on and no other flag is set")
{
	IS(entry_state.rflags, 0x202);
}

TEST(extended_state, "[P6] MXCSR, x87 and SSE registers are fresh")
{
	IS(entry_state.mxcsr, 0x1f80);
	IS(entry_state.x87_control, 0x37f);
	IS(entry_state.x87_status, 0);
	IS(entry_state.x87_tag, 0xffff);
	for (u32 i = 0; i < 16; i++)
		for (u32 k = 0; k < 16; k++)
			CHECK(entry_state.xmm[i][k] == 0);
}

TEST(stack_alignment, "[P6] the stack pointer is a multiple of 16")
{
	IS(entry_state.gpr[7] & 15, 0);
}

TEST(stack_clean, "[P6] nothing lies below the stack pointer")
{
	for (u32 i = 0; i < 120; i++)
		CHECK(entry_state.below_stack[i] == 0);
}

TEST(arguments, "[P9] argc, argv and envp stand on the stack as the System V ABI says")
{
	u64 *sp = initial_stack();

	CHECK(sp[0] >= 1 && sp[0] < 10);
	CHECK(strstr((char *)sp[1], "entry"));
	IS(sp[1 + sp[0]], 0);
	for (u64 *e = initial_envp(); *e; e++)
		CHECK(strchr((char *)*e, '='));
}

TEST(aux_program, "[E1] AT_PHDR, AT_PHENT, AT_PHNUM, AT_BASE, AT_ENTRY describe the program")
{
	IS(aux(AT_PHDR), (u64)&__ehdr_start + __ehdr_start.e_phoff);
	IS(aux(AT_PHENT), sizeof(Elf64_Phdr));
	IS(aux(AT_PHNUM), __ehdr_start.e_phnum);
	IS(aux(AT_BASE), 0);
	IS(aux(AT_ENTRY), entry_record);
	IS(aux(AT_FLAGS), 0);
}

TEST(aux_machine, "[P9] AT_PAGESZ, AT_CLKTCK, AT_HWCAP and AT_PLATFORM describe the machine")
{
	u32 eax, ebx, ecx, edx;

	__cpuid(1, eax, ebx, ecx, edx);
	IS(aux(AT_PAGESZ), 4096);
	IS(aux(AT_CLKTCK), 100);
	IS(aux(AT_HWCAP), edx);
	NEED(aux(AT_PLATFORM) != ~0UL);
	IS_STR((char *)aux(AT_PLATFORM), "x86_64");
}

TEST(aux_user, "[P9] AT_UID, AT_EUID, AT_GID, AT_EGID and AT_SECURE describe the user")
{
	IS(aux(AT_UID), getuid());
	IS(aux(AT_EUID), geteuid());
	IS(aux(AT_GID), getgid());
	IS(aux(AT_EGID), getegid());
	IS(aux(AT_SECURE), 0);
}

TEST(aux_execfn, "[P9] AT_EXECFN is the path that was executed, above all strings")
{
	u64 name = aux(AT_EXECFN);
	u64 end = (name + strlen((char *)name) + 1 + PAGE - 1) & -PAGE;

	IS_STR((char *)name, (char *)initial_stack()[1]);
	CHECK(name > initial_stack()[1]);
	IS(*(u64 *)(end - 8), 0);
	IS(name + strlen((char *)name) + 1, end - 8);
}

/* Sixteen bytes, new in each exec: what role_main writes. */
static void read_random(u8 *ret)
{
	int fds[2];

	OK(pipe(fds));
	IS(CHILD({
		   char *argv[] = {"entry", "@random", NULL};

		   dup2(fds[1], 3);
		   execv("/proc/self/exe", argv);
	   }),
	   EXITED(0));
	NEED(read(fds[0], ret, 16) == 16);
}

/* The program that came before this one left nothing in any register. => whether that is so */
static bool entry_is_clean(void)
{
	static const u8 zeroes[256];
	const struct entry_state *e = &entry_state;
	bool clean = e->rflags == 0x202 && e->mxcsr == 0x1f80 && e->x87_control == 0x37f && !e->x87_status &&
	             e->x87_tag == 0xffff && !memcmp(e->xmm, zeroes, 256) &&
	             !memcmp(e->ymm_high, zeroes, 256);
	u64 gs = 1;

	for (u32 i = 0; i < 16; i++)
		clean &= i == 7 || !e->gpr[i];
	clean &= !((e->ds | e->es | e->fs | e->gs) & 0xffff) && (e->cs & 0xffff) == 0x33;
	return syscall(SYS_arch_prctl, 0x1004, &gs) == 0 && gs == 0 && clean;
}

static bool have_avx(void)
{
	u32 eax, ebx, ecx, edx;

	__cpuid(1, eax, ebx, ecx, edx);
	return (ecx & 0x18000000) == 0x18000000;
}

#define FILL_X(n) "pcmpeqd %%xmm" #n ", %%xmm" #n "\n"
#define FILL_Y(n) "vcmptrueps %%ymm" #n ", %%ymm" #n ", %%ymm" #n "\n"

TEST(after_another,
     "[P6] [I5] exec leaves nothing of the old program in any register, flag, selector or base")
{
	static char *argv[] = {"entry", "@clean", NULL};
	static u64 here[2];
	static u32 mxcsr = 0x7f80;
	static u16 control = 0xf7f;

	IS(CHILD({
		   OK(syscall(SYS_arch_prctl, 0x1001, here));
		   if (have_avx())
			   __asm__ volatile(FOR_16(FILL_Y)::);
		   else
			   __asm__ volatile(FOR_16(FILL_X)::);
		   __asm__ volatile("ldmxcsr %[mxcsr]\nfldcw %[control]\nfldpi\nfldpi\nfldz\n"
		                    "mov $0x2b, %%eax\nmov %%eax, %%ds\nmov %%eax, %%es\n"
		                    "mov $-1, %%rbx\nmov %%rbx, %%r8\nmov %%rbx, %%r9\nmov %%rbx, %%r10\n"
		                    "mov %%rbx, %%r12\nmov %%rbx, %%r13\nmov %%rbx, %%r14\nmov %%rbx, %%r15\n"
		                    "push $0x40ed7\npopfq\nmov $59, %%eax\nsyscall\nud2" ::[mxcsr] "m"(mxcsr),
		                    [control] "m"(control), "D"("/proc/self/exe"), "S"(argv), "d"(environ)
		                    : "rax", "rcx", "rbx", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
		                      "r15", "memory");
	   }),
	   EXITED(0));
}

int role_main(int argc, char **argv)
{
	(void)argc;
	if (!strcmp(argv[1], "@clean"))
		return entry_is_clean() ? 0 : 1;
	return write(3, (void *)aux(AT_RANDOM), 16) == 16 ? 0 : 1;
}

TEST(aux_random, "[V4] AT_RANDOM is 16 bytes that differ from exec to exec")
{
	u8 seen[4][16];

	for (u32 i = 0; i < 4; i++) {
		read_random(seen[i]);
		for (u32 k = 0; k < i; k++)
			CHECK(memcmp(seen[i], seen[k], 16) != 0);
	}
}

TEST(tls_bases, "[I5] FS base is the program's own, GS base is zero")
{
	u64 fs = 0, gs = 1;

	IS(syscall(SYS_arch_prctl, 0x1003, &fs), 0); /* ARCH_GET_FS */
	IS(syscall(SYS_arch_prctl, 0x1004, &gs), 0); /* ARCH_GET_GS */
	IS(*(u64 *)fs, fs);                          /* musl's thread pointer begins with itself */
	IS(gs, 0);
}
