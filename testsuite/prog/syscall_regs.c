/* The way into the kernel: every register before and after, by both gates. */
#include "testsuite/prog/tap.h"

struct regs {
	u64 rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15, rflags;
};

/* Load all registers from *R, enter the kernel, store all registers in *R. `*_return` is where the kernel
 * comes back to. */
#define GATE(name, instruction)                                                        \
	void name(struct regs *r);                                                     \
	extern const char name##_return[];                                             \
	__asm__(".globl " #name "\n" #name ":\n"                                       \
	        "push %rbx\npush %rbp\npush %r12\npush %r13\npush %r14\npush %r15\n"   \
	        "push %rdi\n"                                                          \
	        "push 120(%rdi)\n"                                                     \
	        "mov 0(%rdi), %rax\nmov 8(%rdi), %rbx\nmov 16(%rdi), %rcx\n"           \
	        "mov 24(%rdi), %rdx\nmov 32(%rdi), %rsi\nmov 48(%rdi), %rbp\n"         \
	        "mov 56(%rdi), %r8\nmov 64(%rdi), %r9\nmov 72(%rdi), %r10\n"           \
	        "mov 80(%rdi), %r11\nmov 88(%rdi), %r12\nmov 96(%rdi), %r13\n"         \
	        "mov 104(%rdi), %r14\nmov 112(%rdi), %r15\nmov 40(%rdi), %rdi\n"       \
	        "popfq\n" instruction "\n.globl " #name "_return\n" #name "_return:\n" \
	        "xchg %rax, (%rsp)\n" /* the pointer in, the result onto the stack */  \
	        "mov %rbx, 8(%rax)\nmov %rcx, 16(%rax)\nmov %rdx, 24(%rax)\n"          \
	        "mov %rsi, 32(%rax)\nmov %rdi, 40(%rax)\nmov %rbp, 48(%rax)\n"         \
	        "mov %r8, 56(%rax)\nmov %r9, 64(%rax)\nmov %r10, 72(%rax)\n"           \
	        "mov %r11, 80(%rax)\nmov %r12, 88(%rax)\nmov %r13, 96(%rax)\n"         \
	        "mov %r14, 104(%rax)\nmov %r15, 112(%rax)\n"                           \
	        "pushfq\npop 120(%rax)\npop 0(%rax)\n"                                 \
	        "cld\npushq $0x202\npopfq\n" /* C code wants a clear direction flag */ \
	        "pop %r15\npop %r14\npop %r13\npop %r12\npop %rbp\npop %rbx\nret\n")

GATE(gate_syscall, "syscall");
GATE(gate_int80, "int $0x80");

typedef void (*gate_t)(struct regs *r);

#define FLAGS_NONE 0x202UL
#define FLAGS_ALL 0x240ed7UL /* CF PF AF ZF SF IF DF OF AC ID */

static struct regs pattern(u64 nr)
{
	return (struct regs){
	        .rax = nr,
	        .rbx = 0x1111111111111111,
	        .rcx = 0x2222222222222222,
	        .rdx = 0x3333333333333333,
	        .rsi = 0x4444444444444444,
	        .rdi = 0x5555555555555555,
	        .rbp = 0x6666666666666666,
	        .r8 = 0x7777777777777777,
	        .r9 = 0x8888888888888888,
	        .r10 = 0x9999999999999999,
	        .r11 = 0xaaaaaaaaaaaaaaaa,
	        .r12 = 0xbbbbbbbbbbbbbbbb,
	        .r13 = 0xcccccccccccccccc,
	        .r14 = 0xdddddddddddddddd,
	        .r15 = 0xeeeeeeeeeeeeeeee,
	        .rflags = FLAGS_NONE,
	};
}

static void check_preserved(const struct regs *before, const struct regs *after)
{
	IS(after->rbx, before->rbx);
	IS(after->rdx, before->rdx);
	IS(after->rsi, before->rsi);
	IS(after->rdi, before->rdi);
	IS(after->rbp, before->rbp);
	IS(after->r8, before->r8);
	IS(after->r9, before->r9);
	IS(after->r10, before->r10);
	IS(after->r12, before->r12);
	IS(after->r13, before->r13);
	IS(after->r14, before->r14);
	IS(after->r15, before->r15);
	IS(after->rflags, before->rflags);
}

static void check_syscall(struct regs before, i64 want)
{
	struct regs after = before;

	gate_syscall(&after);
	IS(after.rax, want);
	check_preserved(&before, &after);
	IS(after.rcx, gate_syscall_return);
	IS(after.r11, before.rflags);
}

static void check_int80(struct regs before, i64 want)
{
	struct regs after = before;

	gate_int80(&after);
	IS(after.rax, want);
	check_preserved(&before, &after);
	IS(after.rcx, before.rcx);
	IS(after.r11, before.r11);
}

static i64 call6(gate_t gate, u64 nr, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f)
{
	struct regs r = pattern(nr);

	r.rdi = a;
	r.rsi = b;
	r.rdx = c;
	r.r10 = d;
	r.r8 = e;
	r.r9 = f;
	gate(&r);
	return r.rax;
}

#define WHY_NO_INT80 "int 0x80 is the 32-bit table there"

TEST(syscall_preserves, "[P7] syscall preserves all but rax, rcx and r11")
{
	check_syscall(pattern(SYS_getpid), getpid());
	check_syscall(pattern(SYS_getuid), getuid());
	check_syscall(pattern(SYS_sched_yield), 0);
	check_syscall(pattern(SYS_close), -EBADF);
}

TEST(int80_preserves, "[P7] int 0x80 preserves all but rax")
{
	BULKHEAD_ONLY(WHY_NO_INT80);
	check_int80(pattern(SYS_getpid), getpid());
	check_int80(pattern(SYS_getuid), getuid());
	check_int80(pattern(SYS_sched_yield), 0);
	check_int80(pattern(SYS_close), -EBADF);
}

TEST(syscall_flags, "[P7] syscall preserves every flag that ring 3 may set")
{
	struct regs r = pattern(SYS_getpid);

	for (u32 bit = 0; bit < 22; bit++) {
		if (!(FLAGS_ALL & 1UL << bit))
			continue;
		r.rflags = FLAGS_NONE | 1UL << bit;
		check_syscall(r, getpid());
	}
	r.rflags = FLAGS_ALL;
	check_syscall(r, getpid());
}

TEST(int80_flags, "[P7] int 0x80 preserves every flag that ring 3 may set")
{
	struct regs r = pattern(SYS_getpid);

	BULKHEAD_ONLY(WHY_NO_INT80);
	r.rflags = FLAGS_ALL;
	check_int80(r, getpid());
}

TEST(number_low_half, "[P7] the number is the low 32 bits of rax")
{
	static const u64 garbage[] = {1UL << 32, 0xdeadbeefUL << 32, 0x7fffffffUL << 32, 0xffffffffUL << 32,
	                              1UL << 63};

	for (u32 i = 0; i < ARRAY_SIZE(garbage); i++)
		check_syscall(pattern(SYS_getpid | garbage[i]), getpid());
}

static const u64 unknown_numbers[] = {
        ~0UL,
        ~1UL,
        ~9UL,
        ~4095UL,
        0xffffffff,
        0xfffffffe,
        0x80000000,
        0x80000027,
        0x7fffffff,
        0x7fffff00,
        0xffffffff80000000,
        0x8000000000001000,
        0x1ffffffff,
        0x4000ffff,
        340,
        350,
        386,
        387,
        399,
        405,
        423,
        1000,
        1023,
        1024,
        4095,
        4096,
        65535,
        65536,
        1 << 20,
        1 << 24,
        1 << 29,
};

TEST(unknown_number, "[P7] unknown and negative numbers are -ENOSYS")
{
	for (u32 i = 0; i < ARRAY_SIZE(unknown_numbers); i++)
		check_syscall(pattern(unknown_numbers[i]), -ENOSYS);
}

TEST(int80_unknown_number, "[P7] int 0x80: unknown and negative numbers are -ENOSYS")
{
	BULKHEAD_ONLY(WHY_NO_INT80);
	for (u32 i = 0; i < ARRAY_SIZE(unknown_numbers); i++)
		check_int80(pattern(unknown_numbers[i]), -ENOSYS);
}

/* mmap of a file uses all six; pread the full width of the fourth. */
static void check_six_arguments(gate_t gate)
{
	u64 wanted = (u64)pages(8, PROT_NONE) + PAGE;
	char buf[16] = {0};
	int fd;

	enter_scratch();
	fd = OK(open("file", O_RDWR | O_CREAT, 0600));
	OK(pwrite(fd, "page five", 9, 5 * PAGE));
	OK(ftruncate(fd, 8 * PAGE));
	IS(call6(gate, SYS_mmap, wanted, 2 * PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 5 * PAGE), wanted);
	IS_STR((char *)wanted, "page five");

	IS(call6(gate, SYS_mmap, wanted, 0, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0), -EINVAL);
	IS(call6(gate, SYS_mmap, wanted + 1, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0), -EINVAL);
	IS(call6(gate, SYS_mmap, wanted, PAGE, PROT_READ, MAP_FIXED, fd, 0), -EINVAL);
	IS(call6(gate, SYS_mmap, wanted, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, 999, 0), -EBADF);
	IS(call6(gate, SYS_mmap, wanted, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 1), -EINVAL);
	IS_STR((char *)wanted, "page five");

	OK(ftruncate(fd, 0x10000000000 + 4));
	IS(call6(gate, SYS_pwrite64, fd, (u64) "far", 4, 0x10000000000, -1, -1), 4);
	IS(call6(gate, SYS_pread64, fd, (u64)buf, 4, 0x10000000000, -1, -1), 4);
	IS_STR(buf, "far");
	IS(call6(gate, SYS_pread64, fd, (u64)buf, 4, 0, -1, -1), 4);
	IS(buf[0], 0);
	IS(call6(gate, SYS_lseek, fd, 0x123456789a, SEEK_SET, 0, 0, 0), 0x123456789a);
}

TEST(syscall_arguments, "[P7] all six arguments arrive by syscall, in full width")
{
	check_six_arguments(gate_syscall);
}

TEST(int80_arguments, "[P7] all six arguments arrive by int 0x80, in full width")
{
	BULKHEAD_ONLY(WHY_NO_INT80);
	check_six_arguments(gate_int80);
}

/* Arguments of 32 bits are read from the low half of their register, whatever stands above. */
TEST(narrow_arguments, "[P7] a 32-bit argument is the low half of its register")
{
	u64 high = 0xabcdef01UL << 32;
	char c;
	int fds[2];

	OK(pipe(fds));
	IS(call6(gate_syscall, SYS_write, high | fds[1], (u64) "x", 1, 0, 0, 0), 1);
	IS(call6(gate_syscall, SYS_read, high | fds[0], (u64)&c, 1, 0, 0, 0), 1);
	IS(call6(gate_syscall, SYS_kill, high | getpid(), high, 0, 0, 0, 0), 0);
	IS(call6(gate_syscall, SYS_close, high | fds[0], 0, 0, 0, 0, 0), 0);
}

/* Calls without side effects, with arguments that give each its own errno. */
TEST(both_gates_agree, "[P7] both gates give equal results, call by call")
{
	static const u64 values[] = {0, 1, 5, 999, ~0UL, 0x1000, 0xffff800000000000, 0x800000000000};
	static const u16 calls[] = {
	        SYS_read,       SYS_write,         SYS_open,      SYS_close,
	        SYS_stat,       SYS_fstat,         SYS_poll,      SYS_lseek,
	        SYS_mprotect,   SYS_rt_sigaction,  SYS_ioctl,     SYS_pread64,
	        SYS_readv,      SYS_access,        SYS_pipe,      SYS_dup,
	        SYS_getpid,     SYS_fcntl,         SYS_ftruncate, SYS_getcwd,
	        SYS_chdir,      SYS_rename,        SYS_mkdir,     SYS_rmdir,
	        SYS_link,       SYS_unlink,        SYS_readlink,  SYS_getrlimit,
	        SYS_sysinfo,    SYS_getuid,        SYS_getppid,   SYS_getpgid,
	        SYS_getdents64, SYS_clock_gettime, SYS_openat,    SYS_newfstatat,
	        SYS_dup3,       SYS_getrandom,     399,           1000,
	};

	BULKHEAD_ONLY(WHY_NO_INT80);
	for (u32 i = 0; i < ARRAY_SIZE(calls); i++)
		for (u32 v = 0; v < ARRAY_SIZE(values); v++) {
			u64 x = values[v];
			i64 a = call6(gate_syscall, calls[i], 999, x, x, x, x, x);
			i64 b = call6(gate_int80, calls[i], 999, x, x, x, x, x);

			if (a != b)
				note("call %u with 0x%llx: %lld by syscall, %lld by int 0x80", calls[i],
				     (unsigned long long)x, (long long)a, (long long)b);
			CHECK(a == b);
		}
}

TEST(many_rounds, "[P7] ten thousand calls in a row leave every register alone")
{
	struct regs before = pattern(SYS_getppid), after;
	pid_t parent = getppid();
	u32 wrong = 0;

	before.rflags = FLAGS_ALL;
	for (u32 i = 0; i < 10000; i++) {
		after = before;
		gate_syscall(&after);
		wrong += after.rax != (u64)parent || after.rcx != (u64)gate_syscall_return;
		after.rax = before.rax;
		after.rcx = before.rcx;
		after.r11 = before.r11;
		wrong += memcmp(&after, &before, sizeof(before)) != 0;
	}
	IS(wrong, 0);
}
