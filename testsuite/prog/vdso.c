/* The vDSO: found as a C library finds it, and its clocks beside the system calls'. */
#include "testsuite/prog/tap.h"

#include <elf.h>
#include <link.h>
#include <sys/auxv.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <ucontext.h>

static const int clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME, CLOCK_TAI};

/* --- finding it --- */

static const char *base; /* its ELF header, 0: the program was given none */
static const ElfW(Sym) * symbols;
static const char *strings;
static const u32 *sysv_hash;
static const u16 *versions;
static const ElfW(Verdef) * definitions;
static const char *soname;

static void vdso_read(void)
{
	const ElfW(Ehdr) *head = (void *)(base = (void *)getauxval(AT_SYSINFO_EHDR));
	const ElfW(Phdr) *ph = (void *)(base + head->e_phoff);
	const ElfW(Dyn) *dyn = NULL;
	const char *bias = NULL;
	u64 name = 0;

	for (u32 i = 0; i < head->e_phnum; i++)
		if (ph[i].p_type == PT_LOAD)
			bias = base + ph[i].p_offset - ph[i].p_vaddr;
		else if (ph[i].p_type == PT_DYNAMIC)
			dyn = (void *)(base + ph[i].p_offset);
	NEED(dyn && bias);
	for (; dyn->d_tag; dyn++) {
		const void *at = bias + dyn->d_un.d_ptr;

		if (dyn->d_tag == DT_SYMTAB)
			symbols = at;
		else if (dyn->d_tag == DT_STRTAB)
			strings = at;
		else if (dyn->d_tag == DT_HASH)
			sysv_hash = at;
		else if (dyn->d_tag == DT_VERSYM)
			versions = at;
		else if (dyn->d_tag == DT_VERDEF)
			definitions = at;
		else if (dyn->d_tag == DT_SONAME)
			name = dyn->d_un.d_val;
		CHECK(dyn->d_tag != DT_RELA && dyn->d_tag != DT_REL && dyn->d_tag != DT_NEEDED);
	}
	NEED(symbols && strings && sysv_hash && versions && definitions && name);
	soname = strings + name;
}

static const char *version_of(u32 symbol)
{
	const ElfW(Verdef) *d = definitions;
	const ElfW(Verdaux) * aux;

	while (d->vd_ndx != (versions[symbol] & 0x7fff) && d->vd_next)
		d = (void *)((char *)d + d->vd_next);
	aux = (void *)((char *)d + d->vd_aux);
	return strings + aux->vda_name;
}

/* vdso_find: by the System V hash table, as musl does it (gABI, chapter 5). */
static const void *vdso_find(const char *name)
{
	u32 hash = 0;

	for (const char *s = name; *s; s++) {
		hash = (hash << 4) + (u8)*s;
		hash = (hash ^ (hash >> 24 & 0xf0)) & 0xfffffff;
	}
	for (u32 i = sysv_hash[2 + hash % sysv_hash[0]]; i; i = sysv_hash[2 + sysv_hash[0] + i])
		if (!strcmp(strings + symbols[i].st_name, name) && symbols[i].st_shndx &&
		    !strcmp(version_of(i), "LINUX_2.6"))
			return base + symbols[i].st_value;
	return NULL;
}

static int (*v_gettime)(clockid_t, struct timespec *);
static int (*v_getres)(clockid_t, struct timespec *);
static int (*v_gettimeofday)(struct timeval *, struct timezone *);
static time_t (*v_time)(time_t *);
static int (*v_getcpu)(u32 *, u32 *, void *);

static void vdso_open(void)
{
	SKIP_IF(!getauxval(AT_SYSINFO_EHDR), "this machine has no vDSO");
	vdso_read();
	v_gettime = vdso_find("__vdso_clock_gettime");
	v_getres = vdso_find("__vdso_clock_getres");
	v_gettimeofday = vdso_find("__vdso_gettimeofday");
	v_time = vdso_find("__vdso_time");
	v_getcpu = vdso_find("__vdso_getcpu");
	NEED(v_gettime && v_getres && v_gettimeofday && v_time && v_getcpu);
}

TEST(given, "[E2] every program is given a vDSO: an ELF shared object, linux-vdso.so.1, without relocations")
{
	const ElfW(Ehdr) *head = (void *)getauxval(AT_SYSINFO_EHDR);

	NEED(head);
	IS((u64)head % PAGE, 0);
	IS(memcmp(head->e_ident, ELFMAG, SELFMAG), 0);
	IS(head->e_type, ET_DYN);
	IS(head->e_machine, EM_X86_64);
	vdso_read();
	IS_STR(soname, "linux-vdso.so.1");
}

TEST(names, "[E2] its functions are found by hash, with and without __vdso_, of version LINUX_2.6")
{
	static const char *const names[] = {"clock_gettime", "gettimeofday", "time", "getcpu",
	                                    "clock_getres"};
	char full[64];

	vdso_open();
	for (u32 i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(full, sizeof(full), "__vdso_%s", names[i]);
		CHECK(vdso_find(full) && vdso_find(full) == vdso_find(names[i]));
	}
	CHECK(!vdso_find("__vdso_nothing"));
}

/* --- where it lies --- */

struct mapping {
	u64 start, end;
	char prot[8], name[32];
};

/* vdso_mappings: [vvar], whatever Linux puts beside it, and [vdso]. */
static u32 vdso_mappings(struct mapping *m, u32 most)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512];
	u32 n = 0;

	NEED(f);
	while (n < most && fgets(line, sizeof(line), f)) {
		*m[n].name = 0;
		sscanf(line, "%lx-%lx %7s %*s %*s %*s %31s", &m[n].start, &m[n].end, m[n].prot, m[n].name);
		n += !strncmp(m[n].name, "[vvar", 5) || !strcmp(m[n].name, "[vdso]");
	}
	fclose(f);
	return n;
}

TEST(mapped, "[V5] maps: [vvar] is readable, [vdso] behind it readable and executable")
{
	struct mapping m[8];
	u32 n = vdso_mappings(m, 8);

	NEED(n >= 2);
	IS_STR(m[0].name, "[vvar]");
	IS_STR(m[n - 1].name, "[vdso]");
	for (u32 i = 0; i < n; i++) {
		IS_STR(m[i].prot, i == n - 1 ? "r-xp" : "r--p");
		if (i)
			IS(m[i].start, m[i - 1].end);
	}
	IS(m[n - 1].start, getauxval(AT_SYSINFO_EHDR));
}

TEST(protected, "[V5] neither is writable, and the clocks' page never becomes so")
{
	struct mapping m[8];
	u32 n = vdso_mappings(m, 8);

	NEED(n >= 2);
	for (u32 i = 0; i < n; i++)
		IS(CHILD(*(volatile char *)opaque(m[i].start + 256) = 1), KILLED(SIGSEGV));
	FAILS(mprotect(opaque(m[0].start), m[0].end - m[0].start, PROT_READ | PROT_WRITE), EACCES);
	FAILS(mprotect(opaque(m[0].start), m[0].end - m[0].start, PROT_READ | PROT_EXEC), EACCES);
	IS(CHILD(((void (*)(void))opaque(m[0].start))()), KILLED(SIGSEGV));
}

TEST(private_copy, "[V2] a program that changes its vDSO changes nobody else's")
{
	struct mapping m[8];
	u32 n = vdso_mappings(m, 8);
	struct mapping *code = &m[n - 1];
	volatile char *last = opaque(code->end - 1);
	char before = *last;

	NEED(n >= 2);
	IS(CHILD({
		   OK(mprotect(opaque(code->start), code->end - code->start, PROT_READ | PROT_WRITE));
		   *last = 77;
		   IS(*last, 77);
		   IS(CHILD(IS(*last, 77); *last = 78), EXITED(0));
		   IS(*last, 77);
	   }),
	   EXITED(0));
	IS(*last, before);
}

TEST(unmapped, "[E2] a program without its vDSO goes on: system calls, fork, exec")
{
	struct mapping m[8];
	u32 n = vdso_mappings(m, 8);

	NEED(n >= 2);
	for (u32 i = 0; i < n; i++)
		OK(munmap(opaque(m[i].start), m[i].end - m[i].start));
	IS(vdso_mappings(m, 8), 0);
	IS(CHILD({
		   struct timespec ts;

		   OK(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &ts));
		   execl("/proc/self/exe", "vdso", "@works", NULL);
	   }),
	   EXITED(0));
}

static u64 to_ns(const struct timespec *ts)
{
	return ts->tv_sec * 1000000000UL + ts->tv_nsec;
}

static u64 vdso_ns(int clock)
{
	struct timespec ts = {-1, -1};

	IS(v_gettime(clock, &ts), 0);
	CHECK(ts.tv_sec >= 0 && ts.tv_nsec >= 0 && ts.tv_nsec < 1000000000);
	return to_ns(&ts);
}

static u64 call_ns(int clock)
{
	struct timespec ts;

	OK(syscall(SYS_clock_gettime, clock, &ts));
	return to_ns(&ts);
}

TEST(moved, "[E2] moved elsewhere as a whole it works, there and in a child")
{
	struct mapping m[8];
	u32 n = vdso_mappings(m, 8);
	u64 size, shift;

	NEED(n >= 2);
	vdso_open();
	size = m[n - 1].end - m[0].start;
	shift = (u64)pages(size / PAGE, PROT_NONE) - m[0].start;
	for (u32 i = 0; i < n; i++)
		OK(mremap(opaque(m[i].start), m[i].end - m[i].start, m[i].end - m[i].start,
		          MREMAP_MAYMOVE | MREMAP_FIXED, opaque(m[i].start + shift)));
	v_gettime = (void *)((u64)v_gettime + shift);
	CHECK(vdso_ns(CLOCK_MONOTONIC) <= call_ns(CLOCK_MONOTONIC));
	IS(CHILD(CHECK(vdso_ns(CLOCK_MONOTONIC) <= call_ns(CLOCK_MONOTONIC))), EXITED(0));
	IS(vdso_mappings(m, 8), n);
}

/* --- what it says --- */

static void interleave(int clock, u32 rounds)
{
	u64 before = call_ns(clock), told, after;

	for (u32 i = 0; i < rounds; i++, before = after) {
		told = vdso_ns(clock);
		after = call_ns(clock);
		if (told < before || told > after) {
			note("clock %d: %lu, the vDSO %lu, %lu", clock, before, told, after);
			tap_failures++;
			return;
		}
	}
}

TEST(one_clock, "[P11] read in turn with the system call, five clocks never go back, nor ahead")
{
	vdso_open();
	for (u32 i = 0; i < ARRAY_SIZE(clocks); i++)
		interleave(clocks[i], 5000);
}

/* A clock is read in the midst of a reading. */
static void on_alarm(int sig)
{
	(void)sig;
	vdso_ns(CLOCK_MONOTONIC);
}

TEST(one_clock_preempted, "[P11] nor do they in four processes at once, each under a timer's signals")
{
	struct itimerval often = {{0, 1000}, {0, 1000}};
	pid_t child[4];

	vdso_open();
	for (u32 i = 0; i < 4; i++)
		child[i] = SPAWN({
			signal(SIGALRM, on_alarm);
			setitimer(ITIMER_REAL, &often, NULL);
			for (u32 k = 0; k < 20; k++)
				interleave(clocks[(i + k) % ARRAY_SIZE(clocks)], 200);
		});
	for (u32 i = 0; i < 4; i++)
		IS(wait_status(child[i]), EXITED(0));
}

TEST(other_forms, "[I4] gettimeofday, time and clock_getres say what the system calls do")
{
	struct timeval tv;
	struct timezone tz = {77, 77}, tz_call = {78, 78};
	struct timespec res, res_call;
	time_t now, stored = 0;
	u64 before, after;

	vdso_open();
	for (u32 i = 0; i < 1000; i++) {
		before = call_ns(CLOCK_REALTIME) / 1000;
		IS(v_gettimeofday(&tv, NULL), 0);
		after = call_ns(CLOCK_REALTIME) / 1000;
		CHECK(tv.tv_sec * 1000000UL + tv.tv_usec >= before);
		CHECK(tv.tv_sec * 1000000UL + tv.tv_usec <= after);
	}
	IS(v_gettimeofday(NULL, &tz), 0);
	OK(syscall(SYS_gettimeofday, NULL, &tz_call));
	IS(memcmp(&tz, &tz_call, sizeof(tz)), 0);
	now = v_time(&stored);
	IS(now, stored);
	CHECK(v_time(NULL) - now <= 1 && (u64)labs((long)(call_ns(CLOCK_REALTIME) / 1000000000 - now)) <= 1);
	for (u32 i = 0; i < ARRAY_SIZE(clocks); i++) {
		IS(v_getres(clocks[i], &res), 0);
		OK(syscall(SYS_clock_getres, clocks[i], &res_call));
		IS(to_ns(&res), to_ns(&res_call));
		IS(v_getres(clocks[i], NULL), 0);
	}
}

TEST(handed_on, "[I4] what it cannot answer goes to the system call, and so do its errors")
{
	struct timespec ts;
	u64 spent;

	vdso_open();
	spent = vdso_ns(CLOCK_PROCESS_CPUTIME_ID);
	for (volatile u32 i = 0; i < 1000000; i++)
		;
	CHECK(vdso_ns(CLOCK_PROCESS_CPUTIME_ID) > spent);
	CHECK(vdso_ns(CLOCK_THREAD_CPUTIME_ID) > 0);
	IS(v_gettime(99, &ts), -EINVAL);
	IS(v_gettime(10, &ts), -EINVAL);
	IS(v_gettime(64, &ts), -EINVAL);
	IS(v_getres(99, &ts), -EINVAL);
	IS(v_getres(CLOCK_PROCESS_CPUTIME_ID, &ts), 0);
	IS(CHILD(v_gettime(CLOCK_MONOTONIC, opaque(8))), KILLED(SIGSEGV));
}

TEST(which_cpu, "[I4] getcpu tells the CPU and the node that the system call tells")
{
	u32 cpu = 99, node = 99, cpu_call = 98, node_call = 98, cpu_again = 97;

	vdso_open();
	for (u32 i = 0; i < 1000; i++) { /* on several CPUs we may be moved in between */
		OK(syscall(SYS_getcpu, &cpu_call, &node_call, NULL));
		IS(v_getcpu(&cpu, &node, NULL), 0);
		OK(syscall(SYS_getcpu, &cpu_again, NULL, NULL));
		if (cpu_call == cpu_again)
			break;
	}
	IS(cpu, cpu_call);
	IS(node, node_call);
	IS(v_getcpu(NULL, NULL, NULL), 0);
}

/* --- step by step --- */

static volatile u32 step, change_at; /* instructions of the vDSO so far; at which the clocks are changed */
static volatile bool asked;          /* it came to a system call of its own */
static u64 code_start, code_end;
static i64 slope = 1;

/* clocks_change: each clock goes on from where it is, but by other parameters. */
static void clocks_change(void)
{
	struct timex tx = {.modes = ADJ_FREQUENCY, .freq = slope * (400L << 16)};

	slope = -slope;
	CHECK(syscall(SYS_adjtimex, &tx) >= 0);
}

static void on_step(int sig, siginfo_t *info, void *context)
{
	u64 rip = ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];

	(void)sig;
	(void)info;
	if (rip < code_start || rip >= code_end)
		return;
	asked |= memcmp(opaque(rip), "\x0f\x05", 2) == 0;
	if (++step == change_at)
		clocks_change();
}

/* vdso_step: CLOCK, with the trap flag set; CHANGE: before which instruction the clocks are changed, 0: never. */
static u64 vdso_step(int (*gettime)(clockid_t, struct timespec *), int clock, u32 change)
{
	struct timespec ts = {-1, -1};
	long result;

	step = 0;
	change_at = change;
	__asm__ volatile("mov %%rsp, %%rbx\n\tlea -256(%%rsp), %%rsp\n\tand $-16, %%rsp\n\t"
	                 "pushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\t"
	                 "call *%[fn]\n\t"
	                 "pushfq\n\tandq $~0x100, (%%rsp)\n\tpopfq\n\t"
	                 "mov %%rbx, %%rsp"
	                 : "=a"(result)
	                 : [fn] "r"(gettime), "D"((long)clock), "S"(&ts)
	                 : "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "memory", "cc");
	IS(result, 0);
	return to_ns(&ts);
}

static void steps_begin(void)
{
	struct sigaction act = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};
	struct mapping m[8];
	u32 n = vdso_mappings(m, 8);

	NEED(n >= 2);
	vdso_open();
	code_start = m[n - 1].start;
	code_end = m[n - 1].end;
	sigaction(SIGTRAP, &act, NULL);
}

TEST(no_call, "[V4] the clocks are told without a system call, and the C library takes them from there")
{
	struct timespec ts;

	steps_begin();
	vdso_step(v_gettime, CLOCK_PROCESS_CPUTIME_ID, 0);
	CHECK(asked);
	asked = false;
	for (u32 i = 0; i < ARRAY_SIZE(clocks); i++)
		CHECK(vdso_step(v_gettime, clocks[i], 0) <= call_ns(clocks[i]));
	CHECK(!asked);
	clock_gettime(CLOCK_MONOTONIC, &ts); /* it looks for the vDSO */
	vdso_step(clock_gettime, CLOCK_MONOTONIC, 0);
	CHECK(step > 0 && !asked);
}

TEST(changed_meanwhile,
     "[P11] whose parameters change before any one instruction of a reading, tells the time still")
{
	u32 length;
	u64 before, told, after;

	SKIP_IF(!on_bulkhead(), "it would adjust this machine's clock");
	steps_begin();
	vdso_step(v_gettime, CLOCK_MONOTONIC, 0);
	length = step;
	CHECK(length > 10 && length < 200);
	for (u32 i = 1; i <= length; i++) {
		sleep_ms(20); /* what a torn reading is off by */
		before = call_ns(CLOCK_MONOTONIC);
		told = vdso_step(v_gettime, CLOCK_MONOTONIC, i);
		after = call_ns(CLOCK_MONOTONIC);
		if (told < before || told > after)
			note("changed before instruction %u: %lu, the vDSO %lu, %lu", i, before, told, after);
		CHECK(told >= before && told <= after);
	}
}

TEST(changing_clocks,
     "[P11] while one process sets and adjusts the clock, others' monotonic time never goes back")
{
	pid_t changer, child[3];

	SKIP_IF(!on_bulkhead(), "it would adjust this machine's clock");
	vdso_open();
	changer = SPAWN(for (;;) {
		struct timespec ts;

		clocks_change();
		OK(syscall(SYS_clock_gettime, CLOCK_REALTIME, &ts));
		OK(syscall(SYS_clock_settime, CLOCK_REALTIME, &ts));
	});
	for (u32 i = 0; i < 3; i++)
		child[i] = SPAWN(for (u32 k = 0; k < 10; k++) interleave(CLOCK_MONOTONIC, 500));
	for (u32 i = 0; i < 3; i++)
		IS(wait_status(child[i]), EXITED(0));
	kill(changer, SIGKILL);
	IS(wait_status(changer), KILLED(SIGKILL));
}

TEST(set_clock, "[P9] a clock that is set is set for the vDSO, too; monotonic time does not notice")
{
	struct timespec ts, back;
	u64 mono, real;

	SKIP_IF(!on_bulkhead(), "it would set this machine's clock");
	vdso_open();
	OK(syscall(SYS_clock_gettime, CLOCK_REALTIME, &ts));
	back = ts;
	mono = vdso_ns(CLOCK_MONOTONIC);
	ts.tv_sec += 1000000;
	OK(syscall(SYS_clock_settime, CLOCK_REALTIME, &ts));
	real = vdso_ns(CLOCK_REALTIME);
	CHECK(real >= to_ns(&ts) && real <= call_ns(CLOCK_REALTIME));
	interleave(CLOCK_REALTIME, 1000);
	interleave(CLOCK_TAI, 1000);
	OK(syscall(SYS_clock_settime, CLOCK_REALTIME, &back));
	real = vdso_ns(CLOCK_REALTIME);
	CHECK(real >= to_ns(&back) && real < to_ns(&ts));
	CHECK(vdso_ns(CLOCK_MONOTONIC) - mono < 60000000000);
}

/* --- adjtimex --- */

TEST(adjtimex_read, "[P9] adjtimex tells the clock's state to anybody, and changes it for those who may")
{
	struct timex tx = {0};

	CHECK(syscall(SYS_adjtimex, &tx) >= 0);
	CHECK(tx.tick >= 9000 && tx.tick <= 11000);
	IS(tx.tolerance, 500L << 16);
	CHECK(labs(tx.freq) <= tx.tolerance);
	CHECK((u64)labs((long)(tx.time.tv_sec - call_ns(CLOCK_REALTIME) / 1000000000)) <= 1);
	CHECK(syscall(SYS_clock_adjtime, CLOCK_REALTIME, &tx) >= 0);
	FAILS(syscall(SYS_clock_adjtime, CLOCK_MONOTONIC, &tx), EOPNOTSUPP);
	FAILS(syscall(SYS_clock_adjtime, 99, &tx), EINVAL);
	FAILS(syscall(SYS_adjtimex, 8), EFAULT);
	SKIP_IF(getuid() != 0, "not root, who could become another");
	OK(setresuid(1000, 1000, 1000));
	tx.modes = ADJ_FREQUENCY;
	FAILS(syscall(SYS_adjtimex, &tx), EPERM);
}

struct instant {
	u64 raw, mono, raw_after;
};

/* instant_take: both clocks at once: the tightest of many readings. */
static struct instant instant_take(void)
{
	struct instant best = {0, 0, ~0UL}, now;

	for (u32 i = 0; i < 200; i++) {
		now.raw = vdso_ns(CLOCK_MONOTONIC_RAW);
		now.mono = vdso_ns(CLOCK_MONOTONIC);
		now.raw_after = vdso_ns(CLOCK_MONOTONIC_RAW);
		if (now.raw_after - now.raw < best.raw_after - best.raw)
			best = now;
	}
	return best;
}

TEST(adjtimex_frequency,
     "[P9] a clock made 400 millionths faster gains that, and CLOCK_MONOTONIC_RAW does not")
{
	struct timex tx = {.modes = ADJ_FREQUENCY, .freq = 400L << 16};
	struct instant start, end;
	u64 least, most, mono;

	SKIP_IF(!on_bulkhead(), "it would adjust this machine's clock");
	vdso_open();
	CHECK(syscall(SYS_adjtimex, &tx) >= 0);
	start = instant_take();
	sleep_ms(1000);
	end = instant_take();
	least = end.raw - start.raw_after;
	most = end.raw_after - start.raw;
	mono = end.mono - start.mono;
	CHECK(mono > most);
	CHECK(mono >= least + least / 10000 * 4 - 1000 && mono <= most + most / 10000 * 4 + 1000);
	tx.freq = 0;
	CHECK(syscall(SYS_adjtimex, &tx) >= 0);
	IS(tx.freq, 0);
}

TEST(adjtimex_step, "[P9] ADJ_SETOFFSET moves real time by so many seconds and nanoseconds")
{
	struct timex tx = {.modes = ADJ_SETOFFSET | ADJ_NANO, .time = {100, 5}};
	u64 real = call_ns(CLOCK_REALTIME), moved;

	SKIP_IF(!on_bulkhead(), "it would set this machine's clock");
	CHECK(syscall(SYS_adjtimex, &tx) >= 0);
	moved = call_ns(CLOCK_REALTIME) - real;
	CHECK(moved >= 100000000005 && moved < 120000000000);
	tx.time.tv_sec = -100;
	tx.time.tv_usec = 0;
	CHECK(syscall(SYS_adjtimex, &tx) >= 0);
	CHECK(call_ns(CLOCK_REALTIME) - real < 20000000000);
	tx.time.tv_usec = 1000000000;
	FAILS(syscall(SYS_adjtimex, &tx), EINVAL);
}

/* --- other roles --- */

static void print_hex(const u8 *p, u64 n)
{
	for (u64 i = 0; i < n; i++)
		say("%02x%s", p[i], i % 64 == 63 ? "\n" : "");
}

/* @works: whether there is one and it tells the time. @calls: how many times of five it makes a system call for it.
 * @dump: the image, for readelf. */
int role_main(int argc, char **argv)
{
	(void)argc;
	steps_begin();
	if (!strcmp(argv[1], "@works")) {
		interleave(CLOCK_MONOTONIC, 10);
		return tap_failures != 0;
	}
	if (!strcmp(argv[1], "@calls")) {
		u32 calls = 0;

		for (u32 i = 0; i < ARRAY_SIZE(clocks); i++) {
			asked = false;
			vdso_step(v_gettime, clocks[i], 0);
			calls += asked;
		}
		say("calls: %u\n", calls);
		return tap_failures != 0;
	}
	print_hex(opaque(code_start), code_end - code_start);
	return 0;
}
