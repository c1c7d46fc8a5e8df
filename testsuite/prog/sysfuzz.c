/* cflags: -fno-stack-protector -mno-red-zone */
/* linux: no */
/* Random system calls by several processes at once: the kernel survives them, nothing is lost, and programs start
 * afterwards. Numbers come from kernel/abi/syscalls.def, which also says what an argument is; arguments lean to the
 * edges of that.
 *
 *	sysfuzz                          the short run
 *	sysfuzz @run CALLS SEED SECONDS  as many calls, or for as long
 *
 * Half of the workers are root behind a chroot, the others are nobody with the whole tree to look at. None can reach
 * pid 1, the driver or the console; what they break otherwise is their own. A worker that dies is made anew; one
 * that sleeps is first interrupted and then killed.
 *
 * Never on the machine that builds: the driver is root, and ends every process that came after it. */
#include "testsuite/prog/tap.h"

#include <dirent.h>
#include <elf.h>
#include <grp.h>
#include <sys/ioctl.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/sem.h>
#include <sys/shm.h>

#define WORKERS 6
#define TICK_MS 20
#define TICKS_TO_SIGNAL 3 /* without a call, until a worker gets a signal, */
#define TICKS_TO_KILL 6   /* is killed, */
#define TICKS_TO_DIE 1500 /* and must be dead */
#define STRAY_TICKS 25    /* between looks for what workers left behind */
#define KNOWN_MAX 512
#define IPC_SLOTS 32768 /* of each of System V's tables, at most */

/* --- what the kernel can be asked --- */

struct call {
	const char *name;
	u32 count;
	const char *type[6], *arg[6];
};

#define SYSCALL0(nr, name) [nr] = {#name, 0, {0}, {0}},
#define SYSCALL1(nr, name, t1, a1) [nr] = {#name, 1, {#t1}, {#a1}},
#define SYSCALL2(nr, name, t1, a1, t2, a2) [nr] = {#name, 2, {#t1, #t2}, {#a1, #a2}},
#define SYSCALL3(nr, name, t1, a1, t2, a2, t3, a3) [nr] = {#name, 3, {#t1, #t2, #t3}, {#a1, #a2, #a3}},
#define SYSCALL4(nr, name, t1, a1, t2, a2, t3, a3, t4, a4) \
	[nr] = {#name, 4, {#t1, #t2, #t3, #t4}, {#a1, #a2, #a3, #a4}},
#define SYSCALL5(nr, name, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5) \
	[nr] = {#name, 5, {#t1, #t2, #t3, #t4, #t5}, {#a1, #a2, #a3, #a4, #a5}},
#define SYSCALL6(nr, name, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5, t6, a6) \
	[nr] = {#name, 6, {#t1, #t2, #t3, #t4, #t5, #t6}, {#a1, #a2, #a3, #a4, #a5, #a6}},
static const struct call calls[] = {
#include "kernel/abi/syscalls.def"
};

/* --- shared by the driver and its workers --- */

struct slot {
	pid_t pid;
	u32 generation;
	u64 calls; /* made so far in this slot: its progress */
	u64 nr, arg[6];
	/* the driver's */
	u64 seen;
	u32 ticks;
	bool killed;
};

static struct shared {
	u64 calls, limit, seed;
	u32 stop;
	u64 succeeded, deaths, interrupts, kills;
	struct slot slot[WORKERS];
} * shared;

static u32 me;       /* this worker's slot */
static bool is_root; /* so it was born; behind a chroot */
static u64 rng;

static u64 rnd64(void)
{
	u64 z = rng += 0x9e3779b97f4a7c15UL; /* splitmix64 */

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9UL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebUL;
	return z ^ z >> 31;
}

static u64 rnd(u64 below)
{
	return rnd64() % below;
}

/* --- memory of each kind, at a fixed place --- */

#define ARENA 0x200000000UL
#define RW_PAGES 16
#define RW ARENA
#define RO (ARENA + 17 * PAGE)
#define NONE (ARENA + 19 * PAGE)
#define LONELY (ARENA + 21 * PAGE) /* one page, nothing on either side */
#define BEHIND (ARENA + 25 * PAGE) /* of a file's mapping, the page behind its end */
#define STRINGS (RW + (RW_PAGES - 1) * PAGE)

/* clang-format off */
static const char *const paths[] = {
	"", ".", "..", "/", "a", "b", "c", "d", "d/a", "d/b", "d/..", "d/e", "d/e/f", "./a/",
	"loop", "link", "fifo", "x", "no/such", "//a", "d//e/", "a/b", "x/..", "dangling",
	"script", "/a", "/d/a", "../a", "/dev", "/proc", "/bin", "/test", "/proc/self",
	"/proc/self/maps", "/proc/self/fd"
};
/* clang-format on */

/* For those who may not change them. */
/* clang-format off */
static const char *const system_paths[] = {
	"/dev/null", "/dev/zero", "/dev/full", "/dev/urandom", "/dev/random", "/proc/self/fd/0",
	"/proc/self/exe", "/proc/self/mem", "/proc/self/stat", "/proc/1/maps",
	"/proc/self/status", "/proc/self/cmdline", "/proc/self/environ", "/proc/self/cwd",
	"/proc/self/root", "/proc/self/task", "/proc/meminfo", "/proc/1/fd", "/proc/stat",
	"/proc/uptime", "/proc/self/limits", "/proc/mounts", "/proc/self/smaps",
	"/proc/self/auxv", "/bin/sh", "/etc/passwd", "/proc/sys/kernel", "/proc/self/fd/6"
};
/* clang-format on */

static void map_at(u64 at, u64 count, int prot)
{
	mmap((void *)at, count * PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

static void arena_make(void)
{
	int fd = open("f", O_RDWR);

	munmap((void *)ARENA, 32 * PAGE);
	map_at(RW, RW_PAGES, PROT_READ | PROT_WRITE);
	map_at(RO, 1, PROT_READ);
	map_at(NONE, 1, PROT_NONE);
	map_at(LONELY, 1, PROT_READ | PROT_WRITE);
	if (fd >= 0) {
		mmap((void *)(BEHIND - PAGE), 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
		     0);
		close(fd);
	}
}

static u64 number(void)
{
	/* clang-format off */
	static const u64 edges[] = {
		0, 1, 2, 3, -1UL, -2UL, 7, 8, 15, 16, 127, 128, 255, 256, 1000, 1024, 4095, 4096, 4097,
		8192, 65535, 65536, 0x7ffffffe, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff,
		0x100000000, -4096UL, -4095UL, 1UL << 40, 1UL << 47, 1UL << 62, INT64_MAX, INT64_MAX -
		4095, 1UL << 63, 999999999, 1000000000, 0xfffff000, 0x7ffff000, 0x7ffff001,
		0x5a5a5a5a5a5a5a5a, ~0xfffUL, 0xfff0000000000000
	};
	/* clang-format on */

	switch (rnd(8)) {
	case 0:
		return rnd64();
	case 1:
		return 1UL << rnd(64);
	case 2:
	case 3:
		return rnd(64);
	default:
		return edges[rnd(ARRAY_SIZE(edges))];
	}
}

static u64 rw_address(void);

/* N words of what system calls may find useful. */
static void fill(u64 at, u32 n)
{
	for (u32 i = 0; i < n; i++) {
		u64 value, kind = rnd(10);

		if (kind < 4)
			value = 0;
		else if (kind < 7)
			value = rnd(32);
		else if (kind < 8)
			value = RW + rnd(RW_PAGES * PAGE / 8) * 8;
		else
			value = number();
		((u64 *)at)[i] = value;
	}
}

static u64 rw_address(void)
{
	u64 at = RW + rnd((RW_PAGES - 1) * PAGE / 8 - 64) * 8;

	fill(at, 1 + (u32)rnd(24));
	return at;
}

static u64 address(void)
{
	/* clang-format off */
	/* the first pages; the end of user space; what is not canonical; the kernel's half; each kind of our own */
	static const u64 fixed[] = {
		0, 0, 1, 8, PAGE, 0xffff, 0x7ffffffff000UL, 0x7fffffffeff8UL, 0x7fffffffffffUL,
		0x800000000000UL, 0x8000000000000000UL, 0xffff7fffffffffffUL, 0xffff800000000000UL,
		0xffffffff80000000UL, 0xffffffff80001008UL, 0xfffffffffffff000UL, -1UL, -8UL, RO, RO +
		PAGE - 4, RO - 4, NONE, NONE - 4, LONELY, LONELY - 4, BEHIND, BEHIND - 4, BEHIND - PAGE,
		0x5a5a5a5a5a5a5a5aUL
	};
	/* clang-format on */

	switch (rnd(16)) {
	case 0:
	case 1:
	case 2:
		return fixed[rnd(ARRAY_SIZE(fixed))];
	case 3: /* straddles the end of what is mapped */
		return LONELY + PAGE - rnd(200);
	case 4:
		return rw_address() + rnd(8);
	case 5:
		return (u64)(rnd(2) ? (void *)calls : (void *)&fixed); /* this program's own */
	case 6:
		return RW + rnd(RW_PAGES) * PAGE;
	default:
		return rw_address();
	}
}

static u64 string(void)
{
	u64 at = STRINGS + rnd(8) * 256;
	const char *s = paths[rnd(ARRAY_SIZE(paths))];

	if (rnd(10) == 0)
		return address();
	if (!is_root && rnd(3) == 0)
		s = system_paths[rnd(ARRAY_SIZE(system_paths))];
	if (rnd(40) == 0) { /* a long one, perhaps without an end */
		memset((void *)LONELY, rnd(2) ? '/' : 'n', PAGE);
		return LONELY + rnd(PAGE);
	}
	strcpy((char *)at, s);
	return at;
}

static u64 descriptor(void)
{
	switch (rnd(12)) {
	case 0:
		return number();
	case 1:
		return (u64)AT_FDCWD;
	case 2:
		return rnd(70);
	default:
		return rnd(16);
	}
}

static u64 sibling(void)
{
	pid_t pid = shared->slot[rnd(WORKERS)].pid;

	return pid > 1 ? (u64)pid : 0x7fffffff;
}

/* Never pid 1, the driver, or everybody. */
static u64 somebody(void)
{
	switch (rnd(6)) {
	case 0:
		return 0;
	case 1:
		return 0x7ffffff0 + rnd(16);
	case 2:
		return (u64)syscall(SYS_getpid);
	case 3:
		return -sibling();
	default:
		return sibling();
	}
}

static u64 length(void)
{
	switch (rnd(6)) {
	case 0:
		return number();
	case 1:
		return rnd(9) * PAGE;
	case 2:
		return 8;
	default:
		return rnd(300);
	}
}

static u64 choice(void) /* flags, options, commands */
{
	switch (rnd(6)) {
	case 0:
		return 1UL << rnd(32);
	case 1:
		return 1UL << rnd(32) | 1UL << rnd(32) | 1UL << rnd(16);
	case 2:
		return number();
	default:
		return rnd(40);
	}
}

/* --- calls that want more than that --- */

static u64 clone_flags(void)
{
	static const u64 sets[] = {SIGCHLD,
	                           CLONE_VM | CLONE_VFORK | SIGCHLD,
	                           CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
	                                   CLONE_SYSVSEM,
	                           CLONE_VM | CLONE_FILES | SIGCHLD,
	                           CLONE_FS | CLONE_FILES | SIGCHLD,
	                           CLONE_VM | CLONE_SIGHAND | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID,
	                           CLONE_PARENT | SIGCHLD};

	return sets[rnd(ARRAY_SIZE(sets))] | (rnd(3) ? 0 : 1UL << rnd(34));
}

static u64 clone3_args(void)
{
	u64 *args = (u64 *)rw_address();

	memset(args, 0, 88);
	args[0] = clone_flags() & ~0xffUL;
	args[4] = SIGCHLD;
	if (rnd(2)) {
		args[5] = RW + 4 * PAGE;
		args[6] = 4 * PAGE;
	}
	if (rnd(4) == 0)
		args[rnd(11)] = number();
	return (u64)args;
}

static u64 request(void)
{
	/* clang-format off */
	static const u32 known[] = {
		0x5401, 0x5402, 0x5403, 0x5404, 0x5405, 0x5409, 0x540b, 0x540e, 0x540f, 0x5410, 0x5411,
		0x5413, 0x5414, 0x541b, 0x5421, 0x5422, 0x5429, 0x5450, 0x5451, 0x5452, 0x5460,
		/* those of terminals and pseudo-terminals */
		0x5406, 0x540a, 0x540c, 0x540d, 0x5412, 0x5420, 0x5423, 0x5424, 0x5425, 0x5437, 0x5441,
		0x80045430, 0x40045431, 0x40045436, 0x80045438, 0x80045439, 0x802c542a, 0x402c542b
	};
	/* clang-format on */

	return rnd(4) ? known[rnd(ARRAY_SIZE(known))] : number();
}

static u64 by_name(const char *name)
{
	static const char *const lengths[] = {"count",    "length", "len",    "size", "new_size",
	                                      "old_size", "nfds",   "iovcnt", "nfds"};
	static const char *const spots[] = {"addr", "old_addr", "new_addr", "stack",
	                                    "tls",  "arg",      "arg2",     "address"};

	if (!strcmp(name, "sig"))
		return rnd(8) ? rnd(66) : number();
	if (!strcmp(name, "sigsetsize"))
		return rnd(12) ? 8 : number();
	if (!strcmp(name, "request"))
		return request();
	if (!strcmp(name, "timeout"))
		return rnd(3);
	if (!strcmp(name, "dev"))
		return rnd(2) ? 0x103 + rnd(7) : 0;
	for (u32 i = 0; i < ARRAY_SIZE(lengths); i++)
		if (!strcmp(name, lengths[i]))
			return length();
	for (u32 i = 0; i < ARRAY_SIZE(spots); i++)
		if (!strcmp(name, spots[i]))
			return rnd(3) ? address() : address() & ~(PAGE - 1);
	return rnd(2) ? choice() : number();
}

static u64 argument(const struct call *c, u32 i)
{
	const char *type = c->type[i];

	if (rnd(24) == 0)
		return rnd(2) ? number() : address();
	if (!strcmp(type, "ustr_t"))
		return string();
	if (!strcmp(type, "uaddr_t"))
		return address();
	if (!strcmp(type, "fd"))
		return descriptor();
	return by_name(c->arg[i]);
}

/* What could reach those who have to stay, or the console, is bent aside. => false: not this call */
static bool tame(u64 nr, u64 *a)
{
	switch (nr) {
	case SYS_reboot:
	case SYS_vhangup:
	case 400: /* the tests' own */
	case 401:
	case 402:
		return false;
	case SYS_chroot: /* root could leave its own */
		a[0] = (u64) "no/such";
		break;
	case SYS_kill:
	case SYS_tkill:
	case SYS_setpgid:
	case SYS_sched_setaffinity:
	case SYS_sched_setparam:
	case SYS_sched_setscheduler:
	case SYS_sched_setattr:
	case SYS_rt_sigqueueinfo:
	case SYS_pidfd_open:
	case SYS_process_vm_readv:
		a[0] = somebody();
		break;
	case SYS_process_vm_writev: /* not: make one who is root do anything */
		a[0] = somebody();
		return !is_root;
	case SYS_ptrace:
		a[1] = somebody();
		return !is_root;
	case SYS_fcntl: /* not: let a signal come to somebody else */
		if ((u32)a[1] == F_SETOWN || (u32)a[1] == F_SETOWN_EX)
			return false;
		break;
	case SYS_rt_tgsigqueueinfo:
	case SYS_tgkill:
		a[0] = somebody();
		a[1] = rnd(2) ? a[0] : somebody();
		break;
	case SYS_prlimit64:
	case SYS_setrlimit:
		if (nr == SYS_prlimit64)
			a[0] = somebody();
		if (is_root) /* its bounds on memory, which protect the driver, are to stay */
			a[nr == SYS_prlimit64] = rnd(2) ? RLIMIT_NOFILE : RLIMIT_STACK;
		break;
	case SYS_setpriority:
		a[0] = 0;
		a[1] = somebody();
		break;
	case SYS_syslog: /* not: switch the console off */
		if (is_root)
			a[0] = rnd(2) ? 3 : 10;
		break;
	case SYS_ioctl: /* not: take the console as one's terminal */
		if (is_root && (u32)a[1] == 0x540e)
			return false;
		break;
	case SYS_clone:
		if (rnd(8))
			a[0] = clone_flags();
		if ((a[0] & CLONE_VM) && !(a[0] & CLONE_VFORK))
			a[1] = RW + (4 + rnd(8)) * PAGE;
		break;
	case SYS_clone3:
		if (rnd(4)) {
			a[0] = clone3_args();
			a[1] = rnd(4) ? 88 : rnd(120);
		}
		break;
	}
	return true;
}

/* Those that sleep or end the caller are called less often than others. */
static bool is_rare(u64 nr)
{
	/* clang-format off */
	static const u16 rare[] = {
		SYS_pause, SYS_exit, SYS_exit_group, SYS_rt_sigsuspend, SYS_rt_sigtimedwait,
		SYS_rt_sigreturn, SYS_nanosleep, SYS_clock_nanosleep, SYS_setuid, SYS_setresuid,
		SYS_setreuid, SYS_munmap, SYS_poll, SYS_ppoll, SYS_select, SYS_pselect6, SYS_wait4,
		SYS_execve, SYS_fork, SYS_vfork, SYS_futex
	};
	/* clang-format on */

	for (u32 i = 0; i < ARRAY_SIZE(rare); i++)
		if (rare[i] == nr)
			return true;
	return false;
}

static bool makes_child(u64 nr)
{
	return nr == SYS_fork || nr == SYS_vfork || nr == SYS_clone || nr == SYS_clone3;
}

__attribute__((used, noreturn)) static void child_main(void);

/* The call itself. A child goes its own way at once: its stack may be anywhere. */
static __attribute__((noinline)) i64 raw_call(u64 nr, const u64 *a, u64 child)
{
	register u64 r10 __asm__("r10") = a[3], r8 __asm__("r8") = a[4], r9 __asm__("r9") = a[5];
	i64 ret;

	__asm__ volatile("syscall\n\t"
	                 "test %%rax, %%rax\n\t"
	                 "jnz 1f\n\t"
	                 "test %[child], %[child]\n\t"
	                 "jz 1f\n\t"
	                 "and $-16, %%rsp\n\t"
	                 "xor %%ebp, %%ebp\n\t"
	                 "call child_main\n"
	                 "1:"
	                 : "=a"(ret), "+r"(r10), "+r"(r8), "+r"(r9)
	                 : "a"(nr), "D"(a[0]), "S"(a[1]), "d"(a[2]), [child] "b"(child)
	                 : "rcx", "r11", "memory", "cc");
	return ret;
}

static void random_call(bool may_fork)
{
	struct slot *s = &shared->slot[me];
	u64 nr = rnd(ARRAY_SIZE(calls)), a[6] = {0};

	if (rnd(50) == 0)
		nr = number();
	else
		while (!calls[nr].name || (is_rare(nr) && rnd(8)))
			nr = rnd(ARRAY_SIZE(calls));
	for (u32 i = 0; i < 6; i++)
		if (nr < ARRAY_SIZE(calls) && calls[nr].name && i < calls[nr].count)
			a[i] = argument(&calls[nr], i);
		else
			a[i] = rnd(2) ? number() : address();
	if (!tame((u32)nr, a) || (makes_child((u32)nr) && !may_fork))
		return;
	s->nr = nr;
	memcpy(s->arg, a, sizeof(a));
	__atomic_add_fetch(&s->calls, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&shared->calls, 1, __ATOMIC_RELAXED);
	if (raw_call(nr, a, makes_child((u32)nr)) >= 0)
		__atomic_add_fetch(&shared->succeeded, 1, __ATOMIC_RELAXED);
}

static void child_main(void)
{
	u64 none[6] = {0};

	rng ^= (u64)syscall(SYS_gettid) << 32;
	for (u32 n = (u32)rnd(6); n > 0; n--)
		random_call(false);
	for (;;)
		raw_call(SYS_exit, none, 0);
}

/* --- a worker's life --- */

static void on_signal(int sig)
{
	(void)sig;
}

/* The smallest program there is: exit(0). */
static void make_program(void)
{
	static const u8 code[] = {0x31, 0xff, 0xb8, 0x3c, 0, 0, 0, 0x0f, 0x05};
	struct {
		Elf64_Ehdr h;
		Elf64_Phdr p;
		u8 code[sizeof(code)];
	} x = {.h = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
	             .e_type = ET_EXEC,
	             .e_machine = EM_X86_64,
	             .e_version = EV_CURRENT,
	             .e_entry = 0x400000 + sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr),
	             .e_phoff = sizeof(Elf64_Ehdr),
	             .e_ehsize = sizeof(Elf64_Ehdr),
	             .e_phentsize = sizeof(Elf64_Phdr),
	             .e_phnum = 1},
	       .p = {.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = 0x400000, .p_align = PAGE}};
	int fd = open("x", O_WRONLY | O_CREAT | O_TRUNC, 0755);

	x.p.p_filesz = x.p.p_memsz = sizeof(x);
	memcpy(x.code, code, sizeof(code));
	if (fd >= 0 && write(fd, &x, sizeof(x)) == sizeof(x))
		close(fd);
}

static void make_files(void)
{
	static const char script[] = "#!/x -a\n";
	int fd;

	mkdir("d", 0755);
	mkdir("d/e", 0755);
	make_program();
	fd = open("script", O_WRONLY | O_CREAT | O_TRUNC, 0755);
	if (fd >= 0 && write(fd, script, sizeof(script) - 1) > 0)
		close(fd);
	close(open("a", O_WRONLY | O_CREAT, 0644));
	fd = open("f", O_RDWR | O_CREAT | O_TRUNC, 0644);
	if (fd >= 0 && write(fd, script, sizeof(script)) > 0)
		close(fd);
	mkfifo("fifo", 0644);
	if (symlink("loop", "loop") < 0 || symlink("a", "link") < 0 || symlink("no/such", "dangling") < 0)
		return; /* they are there already */
}

static void open_terminals(void)
{
	int unlock = 0, master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);

	ioctl(master, 0x40045431, &unlock);                    /* TIOCSPTLCK */
	ioctl(master, 0x5441, O_RDWR | O_NOCTTY | O_NONBLOCK); /* TIOCGPTPEER */
}

static void open_files(void)
{
	/* clang-format off */
	static const char *const what[] = {
		"/dev/null", "/dev/null", "/dev/null", "/dev/zero", "/dev/full", "/dev/urandom", "f",
		".", "/proc/self/maps", "/proc/self/status"
	};
	/* clang-format on */
	int fds[2];

	for (int fd = 0; fd < 64; fd++)
		close(fd);
	for (u32 i = 0; i < ARRAY_SIZE(what); i++)
		if (open(what[i], i < 7 ? O_RDWR : O_RDONLY) < 0)
			open("/dev/null", O_RDWR);
	if (pipe(fds) == 0 && pipe2(fds, O_NONBLOCK) == 0)
		dup(fds[0]);
	open_terminals();
}

static void set_limit(int what, u64 value)
{
	struct rlimit l = {value, value};

	setrlimit(what, &l);
}

/* Inside its folder, with its bounds, and without a way to what others need. */
static void worker_enter(const char *folder)
{
	char name[80];

	snprintf(name, sizeof(name), "%s/%u", folder, me);
	setsid();
	if (chdir(name) < 0)
		_exit(1);
	umask(0);
	if (!is_root && (setgroups(0, NULL) < 0 || setgid(65534) < 0 || setuid(65534) < 0))
		_exit(1);
	make_files();
	open_files();
	if (is_root && chroot(".") < 0)
		_exit(1);
	set_limit(RLIMIT_AS, 24 << 20);
	set_limit(RLIMIT_FSIZE, 256 << 10);
	set_limit(RLIMIT_NOFILE, 64);
	set_limit(RLIMIT_NPROC, 200);
	set_limit(RLIMIT_CORE, 0);
}

static __attribute__((noreturn)) void worker(const char *folder)
{
	struct sigaction act = {.sa_handler = on_signal};

	worker_enter(folder);
	sigaction(SIGUSR1, &act, NULL);
	for (u32 n = 0; !shared->stop && shared->calls < shared->limit; n++) {
		if (n % 100 == 0)
			arena_make();
		random_call(true);
	}
	_exit(0);
}

/* --- the driver --- */

static struct {
	pid_t pid;
	u32 looks; /* how often it was seen as a stray */
} known[KNOWN_MAX];
static u32 known_count; /* the first of them were there before */
static u32 old_count;

static void start(u32 i, const char *folder)
{
	struct slot *s = &shared->slot[i];
	pid_t pid;

	me = i;
	is_root = i % 2 == 0;
	rng = shared->seed + ((u64)i << 48) + ((u64)s->generation++ << 16);
	s->seen = s->calls;
	s->ticks = 0;
	s->killed = false;
	pid = fork();
	if (pid == 0)
		worker(folder);
	s->pid = pid > 0 ? pid : 0;
}

static void reap(void)
{
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG | __WALL)) > 0)
		for (u32 i = 0; i < WORKERS; i++)
			if (shared->slot[i].pid == pid) {
				shared->slot[i].pid = 0;
				shared->deaths++;
			}
}

/* => false: it was killed long ago, and lives */
static bool watch(struct slot *s)
{
	if (s->seen != s->calls && !s->killed) {
		s->seen = s->calls;
		s->ticks = 0;
	} else if (++s->ticks == TICKS_TO_SIGNAL) {
		kill(s->pid, SIGUSR1);
		shared->interrupts++;
	} else if (s->ticks == TICKS_TO_KILL || shared->stop) {
		shared->kills += !s->killed;
		s->killed = true;
		kill(s->pid, SIGKILL);
	}
	return s->ticks < TICKS_TO_DIE;
}

static bool is_worker(pid_t pid)
{
	for (u32 i = 0; i < WORKERS; i++)
		if (shared->slot[i].pid == pid)
			return true;
	return pid == getpid();
}

/* => PID's place in known, where it is put when it is new; strays beyond the room are forgotten */
static u32 known_find(pid_t pid)
{
	u32 i = 0;

	while (i < known_count && known[i].pid != pid)
		i++;
	if (i < known_count)
		return i;
	if (known_count == KNOWN_MAX)
		known_count = old_count;
	known[known_count].pid = pid;
	known[known_count].looks = 0;
	return known_count++;
}

/* What workers' children are still there: those met twice are killed. => how many were there */
static u32 strays(bool at_once)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	u32 count = 0;

	while (d && (e = readdir(d))) {
		pid_t pid = atoi(e->d_name);
		u32 i;

		if (pid <= 1 || is_worker(pid) || (i = known_find(pid)) < old_count)
			continue;
		count++;
		if (known[i].looks++ > 0 || at_once)
			kill(pid, SIGKILL);
	}
	if (d)
		closedir(d);
	return count;
}

static void remember_those_before(void)
{
	DIR *d = opendir("/proc");
	struct dirent *e;

	known_count = old_count = 0;
	while (d && (e = readdir(d)))
		if (atoi(e->d_name) > 0 && known_count < KNOWN_MAX / 2)
			known_find(atoi(e->d_name));
	old_count = known_count;
	if (d)
		closedir(d);
}

static void tell(const struct slot *s, const char *what)
{
	const char *name = s->nr < ARRAY_SIZE(calls) && calls[s->nr].name ? calls[s->nr].name : "?";

	note("worker %d %s: %s(%llu: 0x%llx, 0x%llx, 0x%llx, 0x%llx, 0x%llx, 0x%llx), seed %llu", s->pid,
	     what, name, (unsigned long long)s->nr, (unsigned long long)s->arg[0],
	     (unsigned long long)s->arg[1], (unsigned long long)s->arg[2], (unsigned long long)s->arg[3],
	     (unsigned long long)s->arg[4], (unsigned long long)s->arg[5], (unsigned long long)shared->seed);
}

/* => whether all are gone */
static bool end_all(void)
{
	u32 left = 1;

	shared->stop = 1;
	for (u32 round = 0; left && round < 500; round++) {
		left = strays(true);
		for (u32 i = 0; i < WORKERS; i++) {
			left += shared->slot[i].pid != 0;
			if (shared->slot[i].pid)
				kill(shared->slot[i].pid, SIGKILL);
		}
		reap();
		sleep_ms(TICK_MS);
	}
	for (u32 i = 0; i < WORKERS; i++)
		if (shared->slot[i].pid)
			tell(&shared->slot[i], "does not die");
	return !left;
}

static void empty_tree(int fd)
{
	struct dirent *e;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	while (d && (e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") || unlinkat(fd, e->d_name, 0) == 0)
			continue;
		fchmodat(fd, e->d_name, 0700, 0);
		empty_tree(openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
		unlinkat(fd, e->d_name, AT_REMOVEDIR);
	}
	if (d)
		closedir(d);
}

/* forget_ipc: System V objects and message queues outlive those who made them. */
static void forget_ipc(void)
{
	static char buf[256]; /* for any of the structures */
	i64 id;

	for (int i = 0; i < 1024; i++) {
		if ((id = syscall(SYS_shmctl, i, 13 /* SHM_STAT */, buf)) >= 0)
			syscall(SYS_shmctl, id, 0 /* IPC_RMID */, NULL);
		if ((id = syscall(SYS_semctl, i, 0, 18 /* SEM_STAT */, buf)) >= 0)
			syscall(SYS_semctl, id, 0, 0, NULL);
		if ((id = syscall(SYS_msgctl, i, 11 /* MSG_STAT */, buf)) >= 0)
			syscall(SYS_msgctl, id, 0, NULL);
	}
	for (u32 i = 0; i < ARRAY_SIZE(paths); i++)
		syscall(SYS_mq_unlink, paths[i]);
}

/* What System V's calls made stays until somebody removes it. */
static void remove_ipc(void)
{
	static u8 ds[512];
	int id;

	for (int i = 0; i < IPC_SLOTS; i++) {
		if ((id = (int)syscall(SYS_shmctl, i, SHM_STAT, ds)) >= 0)
			syscall(SYS_shmctl, id, IPC_RMID, NULL);
		if ((id = (int)syscall(SYS_semctl, i, 0, SEM_STAT, ds)) >= 0)
			syscall(SYS_semctl, id, 0, IPC_RMID, NULL);
		if ((id = (int)syscall(SYS_msgctl, i, MSG_STAT, ds)) >= 0)
			syscall(SYS_msgctl, id, IPC_RMID, NULL);
	}
}

/* One run: LIMIT calls or SECONDS, and then everything is put away. */
static void run(u64 limit, u64 seed, u64 seconds, const char *folder)
{
	u64 end = now_ns() + seconds * 1000000000;
	bool alive = true;

	memset(shared, 0, sizeof(*shared));
	shared->limit = limit;
	shared->seed = seed;
	remember_those_before();
	OK(mkdir(folder, 0755));
	for (u32 i = 0; i < WORKERS; i++) {
		char name[80];

		snprintf(name, sizeof(name), "%s/%u", folder, i);
		OK(mkdir(name, 0755));
		OK(chown(name, i % 2 ? 65534 : 0, i % 2 ? 65534 : 0));
	}
	for (u32 tick = 0; alive && shared->calls < limit && now_ns() < end; tick++) {
		reap();
		for (u32 i = 0; i < WORKERS; i++) {
			struct slot *s = &shared->slot[i];

			if (!s->pid)
				start(i, folder);
			else if (!watch(s))
				alive = false;
		}
		if (tick % STRAY_TICKS == 0)
			strays(false);
		sleep_ms(TICK_MS);
	}
	CHECK(end_all());
	remove_ipc();
	empty_tree(open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	OK(rmdir(folder));
	forget_ipc();
}

/* shared_files: who owns those that workers hold open or may change, and who may what; none of them leaves a file in
 * /tmp meanwhile. */
static void shared_files(bool put_back)
{
	static const char *const names[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/urandom", "/tmp"};
	static struct stat was[ARRAY_SIZE(names)];

	for (u32 i = 0; i < ARRAY_SIZE(names); i++) {
		if (!put_back) {
			OK(stat(names[i], &was[i]));
			continue;
		}
		OK(chown(names[i], was[i].st_uid, was[i].st_gid));
		OK(chmod(names[i], was[i].st_mode));
	}
	if (!put_back)
		OK(chmod("/tmp", 0755));
}

/* drive: a run by a process of its own, whose memory is not counted with what the run may have lost. */
static void drive(u64 limit, u64 seed, u64 seconds, const char *folder)
{
	IS(CHILD({
		   OK(prctl(PR_SET_CHILD_SUBREAPER, 1));
		   run(limit, seed, seconds, folder);
	   }),
	   EXITED(0));
}

static void fuzz(u64 limit, u64 seed, u64 seconds)
{
	char folder[64], host[65];
	struct timespec real;
	static struct accounts before;
	u64 began;

	if (!on_bulkhead()) { /* whoever starts it, and however */
		fprintf(stderr, "sysfuzz: made for a machine of its own, under Bulkhead; not run\n");
		exit(2);
	}
	if (getuid() != 0) /* by the hand of a worker, which executes what it finds */
		exit(2);
	shared_files(false);
	snprintf(folder, sizeof(folder), "/tmp/sysfuzz-%d", (int)getpid());
	shared = shared_pages(1);
	OK(gethostname(host, sizeof(host)));
	say("# seed %llu\n", (unsigned long long)seed);
	clock_gettime(CLOCK_REALTIME, &real);
	began = now_ns();
	drive(1000, ~seed, seconds, folder); /* for this process's own memory */
	CHECK(shared->calls > 0);
	accounts_take(&before);
	drive(limit, seed, seconds, folder);
	real.tv_sec += (now_ns() - began) / 1000000000;
	clock_settime(CLOCK_REALTIME, &real);
	sethostname(host, strlen(host));
	shared_files(true);
	CHECK(accounts_even(&before));
	say("# %llu calls, %llu succeeded, %llu deaths, %llu interrupted, %llu killed asleep\n",
	    (unsigned long long)shared->calls, (unsigned long long)shared->succeeded,
	    (unsigned long long)shared->deaths, (unsigned long long)shared->interrupts,
	    (unsigned long long)shared->kills);
	IS(CHILD(execl("/proc/self/exe", "sysfuzz", "@alive", NULL)), EXITED(5));
}

TEST(random_calls, "[B5] [V7] [V10] [P10] [X5] random system calls of several processes: the kernel lives, "
                   "and nothing is lost")
{
	u64 seed = 0;

	BULKHEAD_ONLY("it would end what others run there");
	OK(getrandom(&seed, 4, 0));
	fuzz(20000, seed, 15);
}

int role_main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "@run") && on_bulkhead()) {
		fuzz(strtoull(argv[2], NULL, 0), strtoull(argv[3], NULL, 0), strtoull(argv[4], NULL, 0));
		say("%s\n", tap_failures ? "failed" : "survived");
		return tap_failures ? 1 : 0;
	}
	return argc == 2 && !strcmp(argv[1], "@alive") ? 5 : 2;
}
