/* cflags: -mno-red-zone */
/* I1 to I4: what a program may not do ends that program, with Linux's signal, and nothing else. */
#include "testsuite/prog/tap.h"

#include <cpuid.h>
#include <sched.h>
#include <ucontext.h>

#define NR_SHARE 400
#define NR_FETCH 401
#define NR_RANGES 403

/* --- victim and attacker --- */

static volatile u64 secret = 0x5ec7e75ec7e7;

/* The victim shares where its secret lies; the attacker, a process of another image, touches that address. */
TEST(victim_attacker,
     "[I1] [P2] the attacker that touches the victim's address dies, the victim's secret is intact")
{
	char *read_it[] = {"isolation", "@attack-read", NULL},
	     *write_it[] = {"isolation", "@attack-write", NULL};
	char *probe_it[] = {"isolation", "@attack-fetch", NULL};
	volatile u64 *private;
	int ready[2], gate[2];
	pid_t victim;
	char c;

	BULKHEAD_ONLY("system calls 400 and 401 do not exist");
	OK(pipe(ready));
	OK(pipe(gate));
	victim = SPAWN({
		/* Far from anything that another process has mapped. */
		private = mmap((void *)0x2badc0de0000, PAGE, PROT_READ | PROT_WRITE,
		               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		NEED(private != MAP_FAILED);
		*private = 0x5ec7e75ec7e7;
		IS(syscall(NR_SHARE, private), 0);
		NEED(write(ready[1], "x", 1) == 1);
		NEED(read(gate[0], &c, 1) == 1);
		IS(*private, 0x5ec7e75ec7e7);
	});
	NEED(read(ready[0], &c, 1) == 1);
	IS(CHILD(execv("/proc/self/exe", probe_it)), EXITED(0));
	IS(CHILD(execv("/proc/self/exe", read_it)), KILLED(SIGSEGV));
	IS(CHILD(execv("/proc/self/exe", write_it)), KILLED(SIGSEGV));
	NEED(write(gate[1], "x", 1) == 1);
	IS(wait_status(victim), EXITED(0));
}

static int role_attack(const char *how)
{
	volatile u64 *address = (volatile u64 *)syscall(NR_FETCH);

	if (address == (void *)-1 && errno == ENOSYS)
		return 2;
	if (!strcmp(how, "@attack-fetch"))
		return (u64)address == 0x2badc0de0000 ? 0 : 1;
	if (!strcmp(how, "@attack-read"))
		return *address == 0x5ec7e75ec7e7 ? 66 : 67;
	*address = 0;
	return 66;
}

int role_main(int argc, char **argv)
{
	(void)argc;
	return role_attack(argv[1]);
}

TEST(no_share_on_linux, "[I1] 400, 401 and 403 are unknown numbers elsewhere")
{
	SKIP_IF(on_bulkhead(), "this is the testing build");
	FAILS(syscall(NR_SHARE, &secret), ENOSYS);
	FAILS(syscall(NR_FETCH), ENOSYS);
	FAILS(syscall(NR_RANGES, &secret, 0), ENOSYS);
}

/* --- privileged instructions --- */

#define DIES(text, signal)                                   \
	do {                                                 \
		int got_ = CHILD(__asm__ volatile(text));    \
		if (got_ != KILLED(signal))                  \
			note("%s: status 0x%x", text, got_); \
		CHECK(got_ == KILLED(signal));               \
	} while (0)

/* What a CPU does not have is undefined to it, what it has is not for ring 3. */
static void dies_somehow(int status)
{
	CHECK(status == KILLED(SIGILL) || status == KILLED(SIGSEGV));
}

TEST(privileged_flags, "[I2] cli, sti, hlt")
{
	DIES("cli", SIGSEGV);
	DIES("sti", SIGSEGV);
	DIES("hlt", SIGSEGV);
}

TEST(privileged_ports, "[I2] in, out, ins, outs, at any port and width")
{
	static const u16 ports[] = {0, 0x20, 0x60, 0x64, 0x80, 0xcf8, 0xf4, 0x3f8, 0x604, 0xffff};

	/* The first that is let through is the last that is tried: some of these end the machine. */
	for (u32 i = 0; i < ARRAY_SIZE(ports); i++) {
		NEED(CHILD(__asm__ volatile("outb %%al, %%dx" ::"a"(0), "d"(ports[i]))) == KILLED(SIGSEGV));
		NEED(CHILD(__asm__ volatile("inb %%dx, %%al" ::"d"(ports[i]) : "al")) == KILLED(SIGSEGV));
		NEED(CHILD(__asm__ volatile("outl %%eax, %%dx" ::"a"(0), "d"(ports[i]))) == KILLED(SIGSEGV));
		NEED(CHILD(__asm__ volatile("inl %%dx, %%eax" ::"d"(ports[i]) : "eax")) == KILLED(SIGSEGV));
	}
	DIES("inb $0x60, %al", SIGSEGV);
	DIES("outb %al, $0x64", SIGSEGV);
	DIES("mov $0x3f8, %dx\nmov %rsp, %rdi\nsub $64, %rdi\ninsb", SIGSEGV);
	DIES("mov $0x3f8, %dx\nmov %rsp, %rsi\noutsb", SIGSEGV);
}

TEST(privileged_tables, "[I2] lgdt, lidt, lldt, ltr, lmsw, clts")
{
	DIES("lgdt (%rsp)", SIGSEGV);
	DIES("lidt (%rsp)", SIGSEGV);
	DIES("mov $0, %ax\nlldt %ax", SIGSEGV);
	DIES("mov $0x40, %ax\nltr %ax", SIGSEGV);
	DIES("mov $1, %ax\nlmsw %ax", SIGSEGV);
	DIES("clts", SIGSEGV);
}

TEST(privileged_control, "[I2] mov to and from control registers")
{
	DIES("mov %cr0, %rax", SIGSEGV);
	DIES("mov %cr2, %rax", SIGSEGV);
	DIES("mov %cr3, %rax", SIGSEGV);
	DIES("mov %cr4, %rax", SIGSEGV);
	DIES("mov %cr8, %rax", SIGSEGV);
	DIES("xor %eax, %eax\nmov %rax, %cr0", SIGSEGV);
	DIES("xor %eax, %eax\nmov %rax, %cr3", SIGSEGV);
	DIES("xor %eax, %eax\nmov %rax, %cr4", SIGSEGV);
	DIES("xor %eax, %eax\nmov %rax, %cr8", SIGSEGV);
}

TEST(privileged_debug, "[I2] mov to and from debug registers")
{
	DIES("mov %dr0, %rax", SIGSEGV);
	DIES("mov %dr6, %rax", SIGSEGV);
	DIES("mov %dr7, %rax", SIGSEGV);
	DIES("mov %rax, %dr0", SIGSEGV);
	DIES("mov %rax, %dr7", SIGSEGV);
}

TEST(privileged_msr, "[I2] rdmsr, wrmsr, rdpmc")
{
	DIES("mov $0xc0000080, %ecx\nrdmsr", SIGSEGV);
	DIES("mov $0xc0000082, %ecx\nrdmsr", SIGSEGV);
	DIES("mov $0xc0000082, %ecx\nxor %eax, %eax\nxor %edx, %edx\nwrmsr", SIGSEGV);
	DIES("mov $0xc0000101, %ecx\nxor %eax, %eax\nxor %edx, %edx\nwrmsr", SIGSEGV);
	DIES("mov $0x7fffffff, %ecx\nrdpmc", SIGSEGV);
}

TEST(privileged_memory, "[I2] invlpg, wbinvd, invd")
{
	DIES("invlpg (%rsp)", SIGSEGV);
	DIES("wbinvd", SIGSEGV);
	DIES("invd", SIGSEGV);
}

TEST(privileged_return, "[I2] swapgs, sysret, iret to ring 0, far jumps to the kernel's segments")
{
	DIES("swapgs", SIGSEGV);
	DIES("lea 1f(%rip), %rcx\nmov $0x202, %r11\nsysretq\n1:", SIGSEGV);
	DIES("mov %rsp, %rax\npush $0x18\npush %rax\npush $0x202\npush $0x10\nlea 1f(%rip), %rax\npush "
	     "%rax\niretq\n1:",
	     SIGSEGV);
	DIES("mov %rsp, %rax\npush $0x2b\npush %rax\npush $0x202\npush $0x10\nlea 1f(%rip), %rax\npush "
	     "%rax\niretq\n1:",
	     SIGSEGV);
	DIES("push $0x10\nlea 1f(%rip), %rax\npush %rax\nlretq\n1:", SIGSEGV);
	DIES("push $0x08\nlea 1f(%rip), %rax\npush %rax\nlretq\n1:", SIGSEGV);
	DIES("mov $0x18, %ax\nmov %ax, %ss", SIGSEGV);
	DIES("mov $0x10, %ax\nmov %ax, %ds", SIGSEGV);
	DIES("mov $0x40, %ax\nmov %ax, %es", SIGSEGV);
}

TEST(privileged_others, "[I2] stac, clac, sysexit, rsm, mwait, invpcid, getsec, vmload, xsaves, mov to cr2")
{
	DIES("mov %rax, %cr2", SIGSEGV);
	dies_somehow(CHILD(__asm__ volatile("sysexitq" ::: "memory")));
	DIES("rsm", SIGILL);
	DIES("mwait", SIGILL);
	DIES(".byte 0x0f, 0x01, 0xcb", SIGILL); /* stac */
	DIES(".byte 0x0f, 0x01, 0xca", SIGILL); /* clac */
	dies_somehow(CHILD(__asm__ volatile("invpcid (%%rsp), %%rax" ::: "memory")));
	dies_somehow(CHILD(__asm__ volatile(".byte 0x0f, 0x37" ::: "memory")));       /* getsec */
	dies_somehow(CHILD(__asm__ volatile(".byte 0x0f, 0x01, 0xda" ::: "memory"))); /* vmload */
	dies_somehow(CHILD(__asm__ volatile(".byte 0x0f, 0x01, 0xd8" ::: "memory"))); /* vmrun */
	dies_somehow(CHILD(__asm__ volatile(".byte 0x0f, 0x01, 0xdd" ::: "memory"))); /* clgi */
	dies_somehow(CHILD(__asm__ volatile(".byte 0x0f, 0xc7, 0x6c, 0x24, 0x40" ::"a"(0), "d"(0)
	                                    : "memory")));
}

TEST(privileged_vm, "[I2] vmcall, vmxon, vmrun, monitor, mwait, xsetbv")
{
	int status = CHILD(__asm__ volatile("monitor" ::"a"(&secret), "c"(0), "d"(0)));

	CHECK(status == KILLED(SIGILL) || status == KILLED(SIGSEGV));
	status = CHILD(__asm__ volatile("vmxon (%%rsp)" ::: "memory"));
	CHECK(status == KILLED(SIGILL) || status == KILLED(SIGSEGV));
	status = CHILD(__asm__ volatile("xsetbv" ::"a"(7), "d"(0), "c"(0)));
	CHECK(status == KILLED(SIGSEGV) || status == KILLED(SIGILL));
}

TEST(gates, "[I2] software interrupts to gates that are not for ring 3")
{
	DIES("int $0", SIGSEGV);
	DIES("int $1", SIGSEGV);
	DIES("int $2", SIGSEGV);
	DIES("int $8", SIGSEGV);
	DIES("int $13", SIGSEGV);
	DIES("int $14", SIGSEGV);
	DIES("int $18", SIGSEGV);
	DIES("int $32", SIGSEGV);
	DIES("int $48", SIGSEGV);
	DIES("int $127", SIGSEGV);
	DIES("int $129", SIGSEGV);
	DIES("int $240", SIGSEGV);
	DIES("int $255", SIGSEGV);
}

/* UMIP: Linux catches these and gives dummy values. */
TEST(umip, "[I2] [V8] sgdt, sidt, smsw, sldt and str tell nothing of the kernel")
{
	static volatile u8 table[16];
	u32 eax, ebx, ecx, edx;
	int status;

	__cpuid_count(7, 0, eax, ebx, ecx, edx);
	SKIP_IF(!(ecx & 1 << 2), "no UMIP on this CPU");
	memset((void *)table, 0, sizeof(table));
	status = CHILD({
		__asm__ volatile("sgdt %0" : "=m"(table));
		CHECK(*(volatile u64 *)(table + 2) == 0xfffffffffffe0000);
	});
	CHECK(status == KILLED(SIGSEGV) || status == EXITED(0));
	status = CHILD({
		__asm__ volatile("sidt %0" : "=m"(table));
		CHECK(*(volatile u64 *)(table + 2) == 0xffffffffffff0000);
	});
	CHECK(status == KILLED(SIGSEGV) || status == EXITED(0));
}

/* --- kernel memory --- */

static const u64 kernel_places[] = {
        0xffff800000000000,
        0xffff800000001000,
        0xffff808000000000,
        0xffff80ffffffffff,
        0xffff880000000000,
        0xffff888000000000,
        0xffff888000100000,
        0xffffc00000000000,
        0xffffc90000000000,
        0xffffea0000000000,
        0xffffff0000000000,
        0xffffff7fffffffff,
        0xfffffe0000000000,
        0xffffffff00000000,
        0xffffffff7fffffff,
        0xffffffff80000000,
        0xffffffff80001000,
        0xffffffff81000000,
        0xffffffff80200000,
        0xffffffffa0000000,
        0xffffffffc0000000,
        0xffffffffff5fe000,
        0xfffffffffffff000,
        0xffffffffffffffff,
        /* Bulkhead's with nokaslr: the frames' records, the dynamic area's first stack */
        0xffffa00000000000,
        0xffffa00000001000,
        0xffffc00000001000,
        0xffffc00000004000,
};

static u64 lcg = 12345;

static u64 next_random(void)
{
	lcg = lcg * 6364136223846793005 + 1442695040888963407;
	return lcg >> 8;
}

static int read_at(u64 va)
{
	return CHILD((void)*(volatile u8 *)opaque(va));
}

static int write_at(u64 va)
{
	return CHILD(*(volatile u8 *)opaque(va) = 0x90);
}

static int jump_at(u64 va)
{
	return CHILD(((void (*)(void))opaque(va))());
}

TEST(kernel_memory, "[I3] kernel memory: no read, no write, no jump at the ends of its ranges")
{
	for (u32 i = 0; i < ARRAY_SIZE(kernel_places); i++) {
		IS(read_at(kernel_places[i]), KILLED(SIGSEGV));
		IS(write_at(kernel_places[i]), KILLED(SIGSEGV));
		IS(jump_at(kernel_places[i]), KILLED(SIGSEGV));
	}
}

static volatile u64 probes, probes_survived;

/* Many addresses in one process: a handler goes on behind the faulting instruction. */
static void on_probe(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)sig;
	(void)info;
	probes++;
	uc->uc_mcontext.gregs[REG_RIP] = uc->uc_mcontext.gregs[REG_R11];
}

static void probe_read(u64 va)
{
	__asm__ volatile("lea 1f(%%rip), %%r11\nmovb (%0), %%al\nincq %1\n1:" ::"r"(va), "m"(probes_survived)
	                 : "rax", "r11", "memory");
}

static void probe_write(u64 va)
{
	__asm__ volatile("lea 1f(%%rip), %%r11\nmovb $0, (%0)\nincq %1\n1:" ::"r"(va), "m"(probes_survived)
	                 : "r11", "memory");
}

TEST(kernel_memory_random, "[I3] kernel memory: four thousand random places of its half, read and write")
{
	struct sigaction act = {.sa_sigaction = on_probe, .sa_flags = SA_SIGINFO | SA_NODEFER};

	sigaction(SIGSEGV, &act, NULL);
	for (u32 i = 0; i < 2000; i++) {
		u64 va = 0xffff800000000000 | next_random() % 0x800000000000;

		if (i % 2)
			va |= 0xffffffff80000000;
		probe_read(va);
		probe_write(va);
	}
	IS(probes, 4000);
	IS(probes_survived, 0);
}

static void probe_jump(u64 va)
{
	__asm__ volatile("lea 1f(%%rip), %%r11\njmp *%0\n1:" ::"r"(va) : "r11", "memory");
}

/* probe: none of the three does anything but fault. */
static void probe(u64 va)
{
	u64 before = probes;

	probe_read(va);
	probe_write(va);
	probe_jump(va);
	if (probes != before + 3) {
		note("0x%llx: %llu faults", (unsigned long long)va, (unsigned long long)(probes - before));
		tap_failures++;
	}
}

struct range {
	u64 start, end;
};

TEST(kernel_ranges,
     "[I3] each range that is mapped for the kernel: its ends, its neighbours and places within")
{
	struct sigaction act = {.sa_sigaction = on_probe, .sa_flags = SA_SIGINFO | SA_NODEFER};
	static struct range ranges[1024];
	i64 count;

	BULKHEAD_ONLY("where the kernel lies is no program's business");
	count = OK(syscall(NR_RANGES, ranges, ARRAY_SIZE(ranges)));
	CHECK(count >= 4); /* direct map, frame records, dynamic area, image */
	sigaction(SIGSEGV, &act, NULL);
	for (i64 i = 0; i < count; i++) {
		u64 start = ranges[i].start, size = ranges[i].end - start;

		CHECK(start >> 47 == 0x1ffff && size >= PAGE);
		probe(start);
		probe(start + 8);
		probe(start - 1);
		probe(start + size - 1);
		probe(start + size / 2);
		for (u32 k = 0; k < 40; k++)
			probe(start + next_random() % size);
	}
	IS(probes_survived, 0);
	say("# %lld ranges, %llu faults\n", (long long)count, (unsigned long long)probes);
}

TEST(kernel_addresses_from_registers, "[V9] what system calls leave in registers is no kernel address")
{
	for (u32 i = 0; i < 500; i++) {
		u64 rcx, r11, rdx, r8, r9, r10;

		__asm__ volatile("xor %%edx, %%edx\nxor %%r8d, %%r8d\nxor %%r9d, %%r9d\nxor %%r10d, %%r10d\n"
		                 "mov %6, %%eax\nxor %%edi, %%edi\nxor %%esi, %%esi\nsyscall\n"
		                 "mov %%rcx, %0\nmov %%r11, %1\nmov %%rdx, %2\nmov %%r8, %3\nmov %%r9, %4\n"
		                 "mov %%r10, %5"
		                 : "=m"(rcx), "=m"(r11), "=m"(rdx), "=m"(r8), "=m"(r9), "=m"(r10)
		                 : "r"(i % 3 ? SYS_getpid : SYS_sched_yield)
		                 : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory");
		CHECK(!(rcx >> 47) && !(r11 >> 32) && !rdx && !r8 && !r9 && !r10);
	}
}

/* --- traps --- */

static volatile u64 steps, step_code, step_at[64];

static void on_step(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)sig;
	step_code = info->si_code;
	if (steps < 64)
		step_at[steps] = uc->uc_mcontext.gregs[REG_RIP];
	steps++;
}

static void catch_steps(void)
{
	struct sigaction act = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};

	sigaction(SIGTRAP, &act, NULL);
}

extern const char step_1[], step_2[], step_3[], step_end[];

TEST(single_step, "[I4] the trap flag: SIGTRAP with TRAP_TRACE after each instruction")
{
	catch_steps();
	__asm__ volatile("pushfq\norl $0x100, (%%rsp)\npopfq\n"
	                 "nop\n.globl step_1\nstep_1: nop\n.globl step_2\nstep_2: nop\n"
	                 ".globl step_3\nstep_3: pushfq\nandl $~0x100, (%%rsp)\npopfq\n"
	                 ".globl step_end\nstep_end: nop" ::
	                         : "memory", "cc");
	IS(step_at[0], step_1);
	IS(step_at[1], step_2);
	IS(step_at[2], step_3);
	IS(step_code, TRAP_TRACE);
	IS(steps, 6);
}

TEST(single_step_default, "[I4] the trap flag without a handler ends the program, the others go on")
{
	pid_t other = SPAWN(sleep_ms(100); _exit(3));

	IS(CHILD(__asm__ volatile("pushfq\norl $0x100, (%%rsp)\npopfq\nnop\nnop" ::
	                                  : "memory", "cc")),
	   KILLED(SIGTRAP));
	IS(wait_status(other), EXITED(3));
}

TEST(single_step_syscall, "[I4] the trap flag over a system call: the call works, the trap comes behind it")
{
	u64 pid;

	catch_steps();
	__asm__ volatile("mov $39, %%eax\npushfq\norl $0x100, (%%rsp)\npopfq\n"
	                 "syscall\nnop\npushfq\nandl $~0x100, (%%rsp)\npopfq\nnop\n"
	                 : "=a"(pid)
	                 :
	                 : "rcx", "r11", "memory", "cc");
	IS(pid, getpid());
	CHECK(steps >= 4 && steps <= 6);
	for (u32 i = 0; i < steps; i++)
		CHECK(step_at[i] < 0x800000000000);
}

TEST(breakpoint, "[I4] int3 and icebp: SIGTRAP, behind the instruction")
{
	catch_steps();
	__asm__ volatile("int3\n.globl after_int3\nafter_int3: nop");
	IS(steps, 1);
	IS(CHILD(signal(SIGTRAP, SIG_DFL); __asm__ volatile("int3")), KILLED(SIGTRAP));
	IS(CHILD(signal(SIGTRAP, SIG_DFL); __asm__ volatile("int $3")), KILLED(SIGTRAP));
	if (!on_emulator()) /* which takes icebp for undefined */
		IS(CHILD(signal(SIGTRAP, SIG_DFL); __asm__ volatile(".byte 0xf1")), KILLED(SIGTRAP));
}

TEST(undefined, "[I4] undefined instructions: SIGILL")
{
	DIES("ud2", SIGILL);
	DIES(".byte 0x0f, 0xff, 0xc0", SIGILL);       /* ud0 */
	DIES(".byte 0x06", SIGILL);                   /* push %es */
	DIES(".byte 0xd4, 0x0a", SIGILL);             /* aam */
	DIES(".byte 0x62, 0x00, 0, 0, 0, 0", SIGILL); /* bound, or a malformed EVEX */
	DIES(".byte 0xf0, 0x90", SIGILL);             /* lock nop */
}

TEST(division, "[I4] divide by zero: SIGFPE, the others go on")
{
	pid_t other = SPAWN(sleep_ms(100); _exit(3));

	DIES("xor %ecx, %ecx\nxor %edx, %edx\nmov $1, %eax\ndiv %ecx", SIGFPE);
	DIES("xor %ecx, %ecx\nxor %edx, %edx\nmov $1, %eax\nidiv %rcx", SIGFPE);
	DIES("mov $0x1000, %ax\nmov $1, %cl\ndiv %cl", SIGFPE);
	IS(wait_status(other), EXITED(3));
}

TEST(alignment, "[I4] an unaligned access: fine without the AC flag, SIGBUS with it")
{
	if (!on_emulator()) /* which does not check */
		DIES("pushfq\norl $0x40000, (%rsp)\npopfq\nmov 1(%rsp), %eax", SIGBUS);
	IS(CHILD(__asm__ volatile("mov 1(%%rsp), %%eax" ::: "eax")), EXITED(0));
	DIES("movaps 1(%rsp), %xmm0\nmovaps 2(%rsp), %xmm0", SIGSEGV);
}

/* --- the way back to ring 3 --- */

static volatile u64 bad_rip, bad_rsp, bad_cs, bad_ss, bad_flags;

static void on_bad_return(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	u64 selectors = uc->uc_mcontext.gregs[REG_CSGSFS];

	(void)sig;
	(void)info;
	if (bad_rip)
		uc->uc_mcontext.gregs[REG_RIP] = bad_rip;
	if (bad_rsp)
		uc->uc_mcontext.gregs[REG_RSP] = bad_rsp;
	if (bad_cs)
		selectors = (selectors & ~0xffffUL) | bad_cs;
	if (bad_ss)
		selectors = (selectors & ~(0xffffUL << 48)) | bad_ss << 48;
	uc->uc_mcontext.gregs[REG_CSGSFS] = selectors;
	if (bad_flags)
		uc->uc_mcontext.gregs[REG_EFL] = bad_flags;
}

static int return_with(u64 rip, u64 rsp, u64 cs, u64 ss)
{
	struct sigaction act = {.sa_sigaction = on_bad_return, .sa_flags = SA_SIGINFO | SA_RESETHAND};

	return CHILD({
		sigaction(SIGUSR1, &act, NULL);
		bad_rip = rip;
		bad_rsp = rsp;
		bad_cs = cs;
		bad_ss = ss;
		raise(SIGUSR1);
	});
}

TEST(return_to_bad_rip, "[I4] a signal frame with a kernel or non-canonical rip: SIGSEGV for that program")
{
	static const u64 places[] = {
	        0x800000000000,     0x8000000000000000, 0xffff7fffffffffff, 0xffff800000000000,
	        0xffffffff80000000, 0xffffffffffffffff, 0x7fffffffffff,     8};

	for (u32 i = 0; i < ARRAY_SIZE(places); i++)
		IS(return_with(places[i], 0, 0, 0), KILLED(SIGSEGV));
}

/* What the signal said, after a return to where ring 3 cannot be. */
struct bad_return {
	u64 code, addr, rip, trap, error;
};
static struct bad_return *bad_return;

static void on_bad_fetch(int sig, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)sig;
	*bad_return = (struct bad_return){(u64)info->si_code, (u64)info->si_addr, (u64)regs[REG_RIP],
	                                  (u64)regs[REG_TRAPNO], (u64)regs[REG_ERR]};
	_exit(7);
}

/* As SYSRET wants them: RCX is RIP, R11 is RFLAGS. */
static void on_sysret_return(int sig, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;

	on_bad_return(sig, info, context);
	regs[REG_RCX] = regs[REG_RIP];
	regs[REG_R11] = regs[REG_EFL];
}

static void return_to(u64 rip, void (*handler)(int, siginfo_t *, void *))
{
	struct sigaction bad = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
	struct sigaction fetch = {.sa_sigaction = on_bad_fetch, .sa_flags = SA_SIGINFO};

	*bad_return = (struct bad_return){0};
	IS(CHILD({
		   sigaction(SIGUSR1, &bad, NULL);
		   sigaction(SIGSEGV, &fetch, NULL);
		   bad_rip = rip;
		   raise(SIGUSR1);
	   }),
	   EXITED(7));
	IS(bad_return->rip, rip);
}

TEST(return_bad_fetch, "[I3] [V9] a return to the kernel's half is a page fault of ring 3 there")
{
	static const u64 places[] = {0xffff800000000000, 0xffffffff80000000, 0xfffffffffffff000};

	bad_return = shared_pages(1);
	for (u32 i = 0; i < 2 * ARRAY_SIZE(places); i++) {
		return_to(places[i / 2], i % 2 ? on_sysret_return : on_bad_return);
		IS(bad_return->code, SEGV_MAPERR);
		IS(bad_return->addr, places[i / 2]);
		IS(bad_return->trap, 14);
		IS(bad_return->error, 0x15); /* whether the kernel has a page there or not */
	}
}

TEST(return_noncanonical,
     "[I3] a return to a non-canonical place is a general protection fault of the program")
{
	static const u64 places[] = {0x8000000000000000, 0x7fffffffffffffff, 0x0100000000000000};

	bad_return = shared_pages(1);
	for (u32 i = 0; i < 2 * ARRAY_SIZE(places); i++) {
		return_to(places[i / 2], i % 2 ? on_sysret_return : on_bad_return);
		IS(bad_return->code, SI_KERNEL);
		IS(bad_return->addr, 0);
		IS(bad_return->trap, 13);
		IS(bad_return->error, 0);
	}
}

TEST(return_to_bad_rsp, "[I4] a signal frame with a kernel or non-canonical rsp: a signal for that program")
{
	static const u64 places[] = {0xffff800000000000, 0xffffffff80000000, 0xfffffffffffffff8, 8};

	for (u32 i = 0; i < ARRAY_SIZE(places); i++)
		IS(return_with(0, places[i], 0, 0), KILLED(SIGSEGV));
	/* A push there is a stack fault on processors, a general protection fault in the emulator. */
	IS(return_with(0, 0x800000000000, 0, 0), KILLED(on_emulator() ? SIGSEGV : SIGBUS));
	IS(return_with(0, 0x8000000000000000, 0, 0), KILLED(on_emulator() ? SIGSEGV : SIGBUS));
}

TEST(return_to_bad_segments, "[I4] a signal frame never leads to ring 0, whatever its selectors")
{
	static const u16 code[] = {0x08, 0x10, 0x18, 0x28, 0x30, 0x40, 0xffff, 0x3, 0x13, 0x1b};
	static const u16 stack[] = {0x08, 0x10, 0x18, 0x28, 0x40, 0xffff, 0x3};

	for (u32 i = 0; i < ARRAY_SIZE(code); i++) {
		int status = return_with(0, 0, code[i], 0);

		/* Linux forces ring 3 into it: a good selector then, or a fault */
		CHECK(status == EXITED(0) || status == KILLED(SIGSEGV) || status == KILLED(SIGBUS));
	}
	for (u32 i = 0; i < ARRAY_SIZE(stack); i++) {
		int status = return_with(0, 0, 0, stack[i]);

		CHECK(status == EXITED(0) || status == KILLED(SIGSEGV) || status == KILLED(SIGBUS));
	}
}

TEST(return_with_bad_flags, "[I4] a signal frame cannot set IOPL, clear the interrupt flag or set NT")
{
	struct sigaction act = {.sa_sigaction = on_bad_return, .sa_flags = SA_SIGINFO | SA_RESETHAND};
	u64 now;

	sigaction(SIGUSR1, &act, NULL);
	bad_flags = 0x7000 | 0x10000 | 0x100000 | 0x80000; /* IOPL 3, NT, no IF, RF, VIF, VIP */
	raise(SIGUSR1);
	__asm__ volatile("pushfq\npop %0" : "=r"(now));
	IS(now & 0x3000, 0);
	IS(now & 0x200, 0x200);
	IS(now & 0x4000, 0);
	IS(CHILD(__asm__ volatile("cli")), KILLED(SIGSEGV));
}

TEST(popf_bits, "[I4] popf changes neither IOPL nor the interrupt flag")
{
	u64 now;

	__asm__ volatile("pushfq\norq $0x3000, (%%rsp)\nandq $~0x200, (%%rsp)\npopfq\npushfq\npop %0"
	                 : "=r"(now));
	IS(now & 0x3200, 0x200);
}

TEST(bad_sigreturn, "[I4] sigreturn without a frame: SIGSEGV for that program")
{
	IS(CHILD(__asm__ volatile("mov $15, %%eax\nsyscall" ::: "memory")), KILLED(SIGSEGV));
	IS(CHILD(__asm__ volatile("mov $8, %%rsp\nmov $15, %%eax\nsyscall" ::: "memory")), KILLED(SIGSEGV));
	IS(CHILD(__asm__ volatile("mov $0xffffffff80000000, %%rsp\nmov $15, %%eax\nsyscall" ::
	                                  : "memory")),
	   KILLED(SIGSEGV));
	IS(CHILD(__asm__ volatile("movabs $0x8000000000000000, %%rsp\nmov $15, %%eax\nsyscall" ::
	                                  : "memory")),
	   KILLED(SIGSEGV));
}

static void on_garbled(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	u8 *fp = (u8 *)uc->uc_mcontext.fpregs;

	(void)sig;
	(void)info;
	if (fp)
		memset(fp, 0xff, 512);
}

TEST(garbled_vector_state, "[I4] a signal frame with garbage as its SSE state: that program at most")
{
	struct sigaction act = {.sa_sigaction = on_garbled, .sa_flags = SA_SIGINFO};
	int status = CHILD(sigaction(SIGUSR1, &act, NULL); raise(SIGUSR1));

	CHECK(status == EXITED(0) || status == KILLED(SIGSEGV) || status == KILLED(SIGFPE));
	IS(CHILD(_exit(4)), EXITED(4));
}

static u32 spoiled; /* which field on_spoiled spoils */

/* One field after another of what XRSTOR checks (Intel SDM vol. 1, 13.8), and of what tells where it lies. */
static void on_spoiled(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	u8 *fp = (u8 *)uc->uc_mcontext.fpregs;
	u64 *header = (u64 *)(fp + 512);

	(void)sig;
	(void)info;
	switch (spoiled) {
	case 0:
		header[0] = ~0UL; /* components that there are not */
		break;
	case 1:
		header[1] = 1; /* a compacted form of components that are not given */
		break;
	case 2:
		header[2] = 1; /* reserved */
		break;
	case 3:
		uc->uc_mcontext.fpregs = (void *)opaque(PAGE);
		break;
	case 4:
		uc->uc_mcontext.fpregs = (void *)opaque(0xffffffff80000000);
		break;
	case 5:
		uc->uc_mcontext.fpregs = (void *)opaque(0x7fffffffffc0);
		break;
	case 6:
		uc->uc_mcontext.fpregs = (void *)opaque(0x8000000000000000);
		break;
	case 7:
		uc->uc_mcontext.fpregs = (void *)(fp + 8);
		break;
	}
}

TEST(spoiled_vector_state, "[I4] a signal frame whose extended state the CPU refuses or cannot read: SIGSEGV")
{
	struct sigaction act = {.sa_sigaction = on_spoiled, .sa_flags = SA_SIGINFO};
	u32 eax = 1, ebx, ecx, edx;

	__asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx));
	for (spoiled = ecx & 1U << 27 ? 0 : 3; spoiled < 8; spoiled++) /* OSXSAVE: there is a header */
		IS(CHILD(sigaction(SIGUSR1, &act, NULL); raise(SIGUSR1)), KILLED(SIGSEGV));
}

TEST(syscall_at_the_end, "[I4] a system call as the last instruction of user space")
{
	u8 *p = mmap((void *)0x7fffffffe000, PAGE, PROT_READ | PROT_WRITE,
	             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	SKIP_IF(p == MAP_FAILED, "the page is taken");
	p[PAGE - 2] = 0x0f;
	p[PAGE - 1] = 0x05;
	OK(mprotect(p, PAGE, PROT_READ | PROT_EXEC));
	IS(CHILD(__asm__ volatile("mov $39, %%eax\njmp *%0" ::"r"(p + PAGE - 2)
	                          : "rax", "rcx", "r11")),
	   KILLED(SIGSEGV));
}

TEST(syscall_without_stack, "[P4] a system call with any stack pointer works, and keeps it")
{
	static const u64 places[] = {0,
	                             8,
	                             0x800000000000,
	                             0x8000000000000000,
	                             0xffff800000000000,
	                             0xffffffff80000000,
	                             0xffffffffffffffff};

	for (u32 i = 0; i < ARRAY_SIZE(places); i++) {
		u64 kept, pid;

		__asm__ volatile("mov %%rsp, %%r12\nmov %2, %%rsp\nmov $39, %%eax\nsyscall\n"
		                 "mov %%rsp, %%r13\nmov %%r12, %%rsp\nmov %%r13, %0\n"
		                 : "=r"(kept), "=a"(pid)
		                 : "r"(places[i])
		                 : "rcx", "r11", "r12", "r13", "memory");
		IS(kept, places[i]);
		IS(pid, getpid());
	}
}

TEST(time_without_stack, "[P4] interrupts with any stack pointer in ring 3 do no harm")
{
	static const u64 places[] = {8, 0x8000000000000000, 0xffff800000000000, 0xffffffff80000000};

	for (u32 i = 0; i < ARRAY_SIZE(places); i++)
		__asm__ volatile(
		        "mov %%rsp, %%r12\nmov %0, %%rsp\nmov $30000000, %%ecx\n1: dec %%ecx\njnz 1b\n"
		        "mov %%r12, %%rsp\n" ::"r"(places[i])
		        : "rcx", "r12", "memory", "cc");
}

TEST(null_selectors, "[I4] null and odd data selectors do no harm to system calls and interrupts")
{
	__asm__ volatile("xor %%eax, %%eax\nmov %%ax, %%ds\nmov %%ax, %%es\nmov %%ax, %%gs\n"
	                 "mov $39, %%eax\nsyscall\nmov $5000000, %%ecx\n1: dec %%ecx\njnz 1b\n" ::
	                         : "rax", "rcx", "r11", "memory", "cc");
	IS(CHILD(_exit(2)), EXITED(2));
}

/* --- the others go on --- */

TEST(endless_loop, "[I4] an endless loop is ended by a signal, and disturbs nobody")
{
	pid_t loop = SPAWN(for (;;) __asm__ volatile("")), other = SPAWN(sleep_ms(200); _exit(3));

	IS(wait_status(other), EXITED(3));
	OK(kill(loop, SIGTERM));
	IS(wait_status(loop), KILLED(SIGTERM));
}

TEST(crash_storm, "[I2] two hundred crashing programs at once, and a calm one among them")
{
	static const char *const what = "the calm one's data";
	char copy[64];
	pid_t child[200];

	strcpy(copy, what);
	for (u32 i = 0; i < 200; i++)
		child[i] = SPAWN({
			if (i % 4 == 0)
				__asm__ volatile("hlt");
			if (i % 4 == 1)
				__asm__ volatile("ud2");
			if (i % 4 == 2)
				*(volatile u8 *)opaque(0xffffffff80000000 + i * PAGE) = 1;
			*(volatile u8 *)opaque(i) = 1;
		});
	for (u32 i = 0; i < 200; i++)
		IS(wait_status(child[i]), KILLED(i % 4 == 1 ? SIGILL : SIGSEGV));
	IS_STR(copy, what);
}

/* SIGSEGV is what comes of a fault in each kind of page that a program cannot have. */
TEST(one_address_two_processes, "[P2] the same address holds different memory in two processes")
{
	volatile u64 *p = mmap((void *)0x123400000000, PAGE, PROT_READ | PROT_WRITE,
	                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	pid_t child;

	NEED(p != MAP_FAILED);
	*p = 1;
	child = SPAWN({
		for (u32 i = 0; i < 200; i++) {
			*p = i;
			sched_yield();
			CHECK(*p == i);
		}
	});
	for (u32 i = 1000; i < 1200; i++) {
		*p = i;
		sched_yield();
		CHECK(*p == i);
	}
	IS(wait_status(child), EXITED(0));
}
