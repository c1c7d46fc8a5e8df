/* cflags: -mno-red-zone */
/* I5: no register of one process is ever seen or changed by another, under heavy switching. Each process fills
 * every register with a pattern of its own, waits for switches to happen, and compares. */
#include "testsuite/prog/tap.h"

#include <cpuid.h>
#include <sched.h>

#define PROCESSES 6
#define ROUNDS 150

static void one_cpu(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	sched_setaffinity(0, sizeof(one), &one);
}

/* Run CHECKER(i) in several processes at once, all on one CPU. */
static void compete(void (*checker)(u32 i))
{
	pid_t child[PROCESSES];

	one_cpu();
	for (u32 i = 0; i < PROCESSES; i++)
		child[i] = SPAWN(checker(i));
	for (u32 i = 0; i < PROCESSES; i++)
		IS(wait_status(child[i]), EXITED(0));
}

/* In the middle of each checker: now a system call that gives the CPU away, now only time. */
#define SWITCH_BY_YIELD "mov $24, %%eax\nsyscall\n"
#define SWITCH_BY_TIME "mov $20000, %%eax\n7: pause\ndec %%eax\njnz 7b\n"

/* --- general registers --- */

#define GENERAL(name, switching)                                                                         \
	static u64 name(u64 seed)                                                                        \
	{                                                                                                \
		u64 wrong = 0;                                                                           \
                                                                                                         \
		__asm__ volatile("mov %1, %%rbx\nlea 1(%1), %%rdx\nlea 2(%1), %%rsi\nlea 3(%1), %%rdi\n" \
		                 "lea 4(%1), %%r8\nlea 5(%1), %%r9\nlea 6(%1), %%r10\n"                  \
		                 "lea 7(%1), %%r12\nlea 8(%1), %%r13\nlea 9(%1), %%r14\n" switching      \
		                 "cmp %%rbx, %1\nje 1f\norq $1, %0\n1:\n"                                \
		                 "dec %%rdx\ncmp %%rdx, %1\nje 1f\norq $2, %0\n1:\n"                     \
		                 "sub $2, %%rsi\ncmp %%rsi, %1\nje 1f\norq $4, %0\n1:\n"                 \
		                 "sub $3, %%rdi\ncmp %%rdi, %1\nje 1f\norq $8, %0\n1:\n"                 \
		                 "sub $4, %%r8\ncmp %%r8, %1\nje 1f\norq $16, %0\n1:\n"                  \
		                 "sub $5, %%r9\ncmp %%r9, %1\nje 1f\norq $32, %0\n1:\n"                  \
		                 "sub $6, %%r10\ncmp %%r10, %1\nje 1f\norq $64, %0\n1:\n"                \
		                 "sub $7, %%r12\ncmp %%r12, %1\nje 1f\norq $128, %0\n1:\n"               \
		                 "sub $8, %%r13\ncmp %%r13, %1\nje 1f\norq $256, %0\n1:\n"               \
		                 "sub $9, %%r14\ncmp %%r14, %1\nje 1f\norq $512, %0\n1:\n"               \
		                 : "+m"(wrong)                                                           \
		                 : "r"((seed))                                                           \
		                 : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11",   \
		                   "r12", "r13", "r14", "cc", "memory");                                 \
		return wrong;                                                                            \
	}
GENERAL(general_by_yield, SWITCH_BY_YIELD)
GENERAL(general_by_time, SWITCH_BY_TIME)

static void check_general(u32 i)
{
	for (u32 k = 0; k < ROUNDS; k++) {
		IS(general_by_yield(0x0101010101010101 * (i + 1) + k), 0);
		IS(general_by_time(0x1011010101010101 * (i + 1) + k), 0);
	}
}

TEST(general, "[I5] general registers")
{
	compete(check_general);
}

/* --- SSE and AVX --- */

#define FOR_16(op) \
	op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) op(11) op(12) op(13) op(14) op(15)
#define LOAD_XMM(n) "movdqu " #n "*16(%[in]), %%xmm" #n "\n"
#define STORE_XMM(n) "movdqu %%xmm" #n ", " #n "*16(%[out])\n"
#define LOAD_YMM(n) "vmovdqu " #n "*32(%[in]), %%ymm" #n "\n"
#define STORE_YMM(n) "vmovdqu %%ymm" #n ", " #n "*32(%[out])\n"

#define ALL_XMM                                                                                           \
	"xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", \
	        "xmm12", "xmm13", "xmm14", "xmm15"

#define VECTORS(name, load, store, switching)                                                       \
	static void name(const u8 *in, u8 *out)                                                     \
	{                                                                                           \
		__asm__ volatile(FOR_16(load) switching FOR_16(store)::[in] "r"(in), [out] "r"(out) \
		                 : "rax", "rcx", "r11", "cc", "memory", ALL_XMM);                   \
	}
VECTORS(xmm_by_yield, LOAD_XMM, STORE_XMM, SWITCH_BY_YIELD)
VECTORS(xmm_by_time, LOAD_XMM, STORE_XMM, SWITCH_BY_TIME)
VECTORS(ymm_by_yield, LOAD_YMM, STORE_YMM, SWITCH_BY_YIELD)
VECTORS(ymm_by_time, LOAD_YMM, STORE_YMM, SWITCH_BY_TIME)

static void check_vectors(u32 i, u64 size, void (*fn)(const u8 *, u8 *))
{
	u8 in[512], out[512];

	for (u32 k = 0; k < ROUNDS; k++) {
		for (u32 b = 0; b < size; b++)
			in[b] = b * 7 + k + 40 * i;
		fn(in, out);
		CHECK(memcmp(in, out, size) == 0);
	}
}

static void check_xmm(u32 i)
{
	check_vectors(i, 256, xmm_by_yield);
	check_vectors(i, 256, xmm_by_time);
}

TEST(sse, "[I5] SSE registers")
{
	compete(check_xmm);
}

static bool have_avx(void)
{
	u32 eax, ebx, ecx, edx;

	__cpuid(1, eax, ebx, ecx, edx);
	if (!(ecx & bit_OSXSAVE) || !(ecx & bit_AVX))
		return false;
	__asm__ volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
	return (eax & 6) == 6;
}

static void check_ymm(u32 i)
{
	check_vectors(i, 512, ymm_by_yield);
	check_vectors(i, 512, ymm_by_time);
}

TEST(avx, "[I5] AVX registers")
{
	SKIP_IF(!have_avx(), "no AVX on this CPU");
	compete(check_ymm);
}

/* Some use vectors, some do not: one that never touched them must not find another's. */
static void check_mixed(u32 i)
{
	static u8 fresh[256];
	u8 out[256];

	if (i % 2) {
		check_xmm(i);
		return;
	}
	memset(fresh, 0, sizeof(fresh));
	xmm_by_yield(fresh, out);
	for (u32 k = 0; k < ROUNDS; k++) {
		for (volatile u32 n = 0; n < 5000; n++)
			;
		sched_yield();
	}
	xmm_by_yield(fresh, out);
	CHECK(memcmp(fresh, out, sizeof(out)) == 0);
}

TEST(mixed, "[I5] programs that use SSE among programs that do not")
{
	compete(check_mixed);
}

TEST(fork_copies_vectors,
     "[I5] fork copies the SSE registers, and what either side does to them stays its own")
{
	u8 in[256], out[256], child_in[256];
	pid_t pid;
	int status;

	for (u32 b = 0; b < 256; b++) {
		in[b] = b ^ 0x5a;
		child_in[b] = b ^ 0xa5;
	}
	__asm__ volatile(FOR_16(LOAD_XMM) "mov $57, %%eax\nsyscall\nmov %%eax, %[pid]\n" FOR_16(STORE_XMM)
	                 : [pid] "=m"(pid)
	                 : [in] "r"(in), [out] "r"(out)
	                 : "rax", "rcx", "r11", "cc", "memory", ALL_XMM);
	if (pid == 0) {
		bool same = memcmp(in, out, 256) == 0;

		xmm_by_yield(child_in, out);
		_exit(same && memcmp(child_in, out, 256) == 0 ? 0 : 1);
	}
	CHECK(memcmp(in, out, 256) == 0);
	IS(waitpid(pid, &status, 0), pid);
	IS(status, 0);
}

/* --- x87 and control words --- */

static void check_x87(u32 i)
{
	u64 seed = 1000 + i, got[8];
	u16 control = 0x37f & ~(3 << 10), now;
	u32 mxcsr = 0x1f80 | (i % 4) << 13, mxcsr_now;

	control |= (i % 4) << 10; /* rounding */
	for (u32 k = 0; k < ROUNDS; k++) {
		u64 in = seed * 1000 + k;

		__asm__ volatile(
		        "fninit\nfldcw %[control]\nldmxcsr %[mxcsr]\n"
		        "fildll %[in]\nfildll %[in]\nfildll %[in]\nfildll %[in]\n"
		        "fildll %[in]\nfildll %[in]\nfildll %[in]\nfildll %[in]\n" SWITCH_BY_YIELD
		        "fistpll 0(%[got])\nfistpll 8(%[got])\nfistpll 16(%[got])\nfistpll 24(%[got])\n"
		        "fistpll 32(%[got])\nfistpll 40(%[got])\nfistpll 48(%[got])\nfistpll 56(%[got])\n"
		        "fnstcw %[now]\nstmxcsr %[mxcsr_now]\n"
		        : [now] "=m"(now), [mxcsr_now] "=m"(mxcsr_now)
		        : [in] "m"(in), [control] "m"(control), [mxcsr] "m"(mxcsr), [got] "r"(got)
		        : "rax", "rcx", "r11", "cc", "memory");
		for (u32 n = 0; n < 8; n++)
			IS(got[n], in);
		IS(now, control);
		IS(mxcsr_now, mxcsr);
	}
}

TEST(x87, "[I5] x87 stack, control word and MXCSR")
{
	compete(check_x87);
}

/* --- FS and GS base --- */

#define ARCH_SET_GS 0x1001
#define ARCH_SET_FS 0x1002
#define ARCH_GET_FS 0x1003
#define ARCH_GET_GS 0x1004

/* Each has its word at a place of its own: where another's base leads, there is another word. */
static void check_bases(u32 i)
{
	static u64 places[64];
	u64 *here = &places[i % ARRAY_SIZE(places)], fs, now, seen;

	OK(syscall(SYS_arch_prctl, ARCH_GET_FS, &fs));
	here[0] = 0xbeef0000 + i;
	OK(syscall(SYS_arch_prctl, ARCH_SET_GS, here));
	for (u32 k = 0; k < ROUNDS; k++) {
		sched_yield();
		for (volatile u32 n = 0; n < 2000; n++)
			;
		__asm__ volatile("mov %%gs:0, %0" : "=r"(seen));
		IS(seen, here[0]);
		__asm__ volatile("mov %%fs:0, %0" : "=r"(seen));
		IS(seen, fs);
		OK(syscall(SYS_arch_prctl, ARCH_GET_GS, &now));
		IS(now, here);
	}
}

TEST(bases, "[I5] FS and GS base")
{
	compete(check_bases);
}

TEST(bases_different, "[I5] each process has a GS base of its own, kept over fork")
{
	u64 now;
	static u64 here[16];

	for (u32 i = 0; i < 8; i++) {
		OK(syscall(SYS_arch_prctl, ARCH_SET_GS, &here[i]));
		IS(CHILD({
			   OK(syscall(SYS_arch_prctl, ARCH_GET_GS, &now));
			   IS(now, &here[i]);
			   OK(syscall(SYS_arch_prctl, ARCH_SET_GS, &here[8 + i]));
			   sched_yield();
			   OK(syscall(SYS_arch_prctl, ARCH_GET_GS, &now));
			   IS(now, &here[8 + i]);
		   }),
		   EXITED(0));
		OK(syscall(SYS_arch_prctl, ARCH_GET_GS, &now));
		IS(now, &here[i]);
	}
}

TEST(bases_refused, "[I3] a base in the kernel's half or not canonical is refused")
{
	FAILS(syscall(SYS_arch_prctl, ARCH_SET_GS, 0xffff800000000000), EPERM);
	FAILS(syscall(SYS_arch_prctl, ARCH_SET_GS, 0x800000000000), EPERM);
	FAILS(syscall(SYS_arch_prctl, ARCH_SET_FS, 0xffffffff80000000), EPERM);
	FAILS(syscall(SYS_arch_prctl, ARCH_SET_FS, ~0UL), EPERM);
	FAILS(syscall(SYS_arch_prctl, 0x9999, 0), EINVAL);
}

/* The instructions, where the kernel switched them on (AT_HWCAP2 bit 1). */
#include <sys/auxv.h>

static void check_wrgsbase(u32 i)
{
	static u64 here[2];
	u64 base, seen;

	here[0] = 0xfeed0000 + i;
	for (u32 k = 0; k < ROUNDS; k++) {
		__asm__ volatile("wrgsbase %1\n" SWITCH_BY_YIELD "rdgsbase %0"
		                 : "=&r"(base)
		                 : "r"(here)
		                 : "rax", "rcx", "r11", "cc", "memory");
		__asm__ volatile("mov %%gs:0, %0" : "=r"(seen));
		IS(base, here);
		IS(seen, here[0]);
		__asm__ volatile("wrgsbase %1\n" SWITCH_BY_TIME "rdgsbase %0"
		                 : "=&r"(base)
		                 : "r"(here + 1)
		                 : "rax", "cc", "memory");
		IS(base, here + 1);
	}
}

TEST(base_instructions, "[I5] GS base written by WRGSBASE, any value of the kernel's half too")
{
	u64 base;

	SKIP_IF(!(getauxval(AT_HWCAP2) & 2), "no FSGSBASE");
	compete(check_wrgsbase);
	__asm__ volatile("wrgsbase %1\n" SWITCH_BY_YIELD "rdgsbase %0"
	                 : "=&r"(base)
	                 : "r"(0xffffffff80000000)
	                 : "rax", "rcx", "r11", "cc", "memory");
	IS(base, 0xffffffff80000000);
	IS(CHILD(__asm__ volatile("mov %%gs:0, %%rax" ::: "rax")), KILLED(SIGSEGV));
	__asm__ volatile("wrgsbase %0" ::"r"(0UL));
}

static u16 ds(void)
{
	u16 now;

	__asm__ volatile("mov %%ds, %0" : "=r"(now));
	return now;
}

static void set_data_selectors(u16 selector)
{
	__asm__ volatile("mov %0, %%ds\nmov %0, %%es" ::"r"(selector));
}

/* Half of them load data selectors; a switch may take these away, but never hand them to another. */
static void check_selectors(u32 i)
{
	for (u32 k = 0; k < ROUNDS; k++) {
		if (i % 2)
			set_data_selectors(0x2b);
		sched_yield();
		CHECK(ds() == 0 || (i % 2 && ds() == 0x2b));
	}
}

TEST(data_selectors, "[I5] data selectors")
{
	compete(check_selectors);
}

/* --- flags --- */

static void check_flags(u32 i)
{
	static const u64 flags[] = {0x202, 0x203, 0x206, 0x212,   0x242,
	                            0x282, 0xa02, 0x602, 0x40202, 0x200202};

	for (u32 k = 0; k < ROUNDS; k++) {
		u64 want = flags[(k + i) % ARRAY_SIZE(flags)], now;

		__asm__ volatile("push %1\npopfq\nmov $24, %%eax\nsyscall\npushfq\npop %0\npush $0x202\npopfq"
		                 : "=&r"(now)
		                 : "r"(want)
		                 : "rax", "rcx", "r11", "cc", "memory");
		IS(now, want);
	}
}

TEST(flags, "[I5] flags: carry to overflow, direction, alignment check, identification")
{
	compete(check_flags);
}

/* --- signals in between --- */

#include <sys/time.h>

static volatile u64 alarms;

/* The handler leaves nothing as it was. */
static void on_alarm(int sig)
{
	(void)sig;
	alarms++;
	__asm__ volatile("pcmpeqd %%xmm0, %%xmm0\npcmpeqd %%xmm7, %%xmm7\npcmpeqd %%xmm15, %%xmm15\n"
	                 "mov $-1, %%r8\nmov %%r8, %%r9\nmov %%r8, %%r10\nmov %%r8, %%r11\nfldpi\nfldz" ::
	                         : "r8", "r9", "r10", "r11", "xmm0", "xmm7", "xmm15");
	if (have_avx())
		__asm__ volatile("vcmptrueps %%ymm1, %%ymm1, %%ymm1\nvcmptrueps %%ymm9, %%ymm9, %%ymm9" ::
		                         : "xmm1", "xmm9");
}

static void start_alarms(void)
{
	struct itimerval often = {{0, 1000}, {0, 1000}};
	struct sigaction act = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};

	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
}

/* What a system call that is to be made again leaves in RAX; to a program it is a number like others. */
TEST(numbers_in_rax, "[I5] no value of RAX makes a signal that comes in between anything but a signal")
{
	static const i64 values[] = {-512, -513, -514, -516, -4, -11, -12, -14, -38, 0, -1};

	start_alarms();
	for (u32 i = 0; i < ARRAY_SIZE(values); i++) {
		u64 until = alarms + 5, now = values[i], wrong = 0;

		while (alarms < until && !wrong)
			__asm__ volatile("mov $100000, %%ecx\n1: dec %%ecx\nnop\nnop\njnz 1b\n"
			                 "cmp %2, %0\nsetne %b1"
			                 : "+a"(now), "+q"(wrong)
			                 : "r"(values[i])
			                 : "rcx", "cc", "memory");
		IS(now, values[i]);
		IS(wrong, 0);
	}
}

static void check_all_with_alarms(u32 i)
{
	start_alarms();
	check_general(i);
	check_xmm(i);
	if (have_avx())
		check_ymm(i);
	check_x87(i);
	check_flags(i);
	CHECK(alarms > 0);
}

TEST(with_signals, "[I5] all registers come through signals whose handlers change them, under switching")
{
	compete(check_all_with_alarms);
}
