/* cflags: -pthread */
/* What one operation costs, in ticks of the TSC. Under QEMU's `-icount shift=0` a tick is one guest instruction,
 * so that a figure is the same on every machine; elsewhere it is as good as the TSC.
 *
 *	bench            every row, each in a process of its own; "row<TAB>figure" or "row<TAB>-<TAB>why" a line
 *	bench ROW ...    only these, in this process
 *	bench -l         their names
 *
 * A row's function does N operations and gives the ticks that they took together; the figure is the median of
 * REPEATS such runs. The same program runs on Linux, whose figures are in linux.tsv. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;

#define PAGE 4096UL
#define REPEATS 15
#define ROW_SECONDS 5 /* of one row; a run-away ends here */
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define FILE_PATH "/tmp/bench.file"
#define NEW_PATH "/tmp/bench.new"
#define TINY_PATH "/tmp/bench.tiny"
#define TINY_SIZE 350 /* bytes */

/* NEED: what a row cannot do without. */
#define NEED(cond)                                                                   \
	do {                                                                         \
		if (!(cond)) {                                                       \
			printf("%s\t-\t%s: %s\n", row_name, #cond, strerror(errno)); \
			exit(1);                                                     \
		}                                                                    \
	} while (0)

static const char *row_name;

static inline u64 ticks(void)
{
	u32 lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi)::"memory");
	return (u64)hi << 32 | lo;
}

/* TICKS: what BODY, done N times, took; less the reading of the clock itself. */
#define TICKS(n, ...)                                       \
	({                                                  \
		u64 began_ = ticks();                       \
		for (u32 left_ = (n); left_ > 0; left_--) { \
			__VA_ARGS__;                        \
		}                                           \
		ticks() - began_ - clock_cost;              \
	})

static u64 clock_cost;

static void clock_cost_measure(void)
{
	clock_cost = ~0UL;
	for (u32 i = 0; i < 10; i++) {
		u64 began = ticks(), cost = ticks() - began;

		clock_cost = cost < clock_cost ? cost : clock_cost;
	}
}

/* A system call without the C library's wrapper. */
static inline long raw(long nr, long a, long b, long c)
{
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "a"(nr), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return ret;
}

static void await(pid_t pid)
{
	int status;

	NEED(waitpid(pid, &status, 0) == pid);
}

/* --- calls --- */

static u64 sys_getppid(u32 n)
{
	return TICKS(n, raw(SYS_getppid, 0, 0, 0));
}

static u64 sys_enosys(u32 n)
{
	NEED(raw(1000, 0, 0, 0) == -ENOSYS);
	return TICKS(n, raw(1000, 0, 0, 0));
}

static u64 clock_libc(u32 n)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts); /* musl looks for the vDSO */
	return TICKS(n, clock_gettime(CLOCK_MONOTONIC, &ts));
}

static u64 clock_raw(u32 n)
{
	struct timespec ts;

	return TICKS(n, raw(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&ts, 0));
}

static u64 yield_alone(u32 n)
{
	return TICKS(n, sched_yield());
}

static u64 nanosleep_1ns(u32 n)
{
	struct timespec ts = {0, 1};

	NEED(prctl(PR_SET_TIMERSLACK, 1) == 0);
	return TICKS(n, nanosleep(&ts, NULL));
}

/* --- pipes --- */

static u64 pipe_self_1b(u32 n)
{
	int p[2];
	char c = 0;

	NEED(pipe(p) == 0);
	u64 t = TICKS(n, write(p[1], &c, 1); read(p[0], &c, 1));
	close(p[0]);
	close(p[1]);
	return t;
}

/* echo: give back each byte, until the other end closes. */
static pid_t echo_start(int *ret_to, int *ret_from)
{
	int to[2], from[2];
	char c;

	NEED(pipe(to) == 0 && pipe(from) == 0);
	pid_t pid = fork();
	NEED(pid >= 0);
	if (pid == 0) {
		close(to[1]);
		while (read(to[0], &c, 1) == 1)
			write(from[1], &c, 1);
		_exit(0);
	}
	close(to[0]);
	close(from[1]);
	*ret_to = to[1];
	*ret_from = from[0];
	return pid;
}

static u64 pipe_pingpong(u32 n)
{
	int to, from;
	char c = 0;
	pid_t pid = echo_start(&to, &from);

	write(to, &c, 1);
	read(from, &c, 1);
	u64 t = TICKS(n, write(to, &c, 1); read(from, &c, 1));
	close(to);
	close(from);
	await(pid);
	return t;
}

#define BLOCK 65536UL
static u8 block[BLOCK];

static u64 pipe_bw_64k(u32 n)
{
	int p[2];

	memset(block, 1, sizeof(block));
	NEED(pipe(p) == 0);
	pid_t pid = fork();
	NEED(pid >= 0);
	if (pid == 0) {
		close(p[1]);
		memset(block, 2, sizeof(block));
		while (read(p[0], block, BLOCK) > 0)
			;
		_exit(0);
	}
	close(p[0]);
	NEED(write(p[1], block, BLOCK) == BLOCK); /* both have run once */
	u64 t = TICKS(n, write(p[1], block, BLOCK));
	close(p[1]);
	await(pid);
	return t;
}

/* --- threads --- */

#define FUTEX_WAIT 0 /* linux/futex.h, which musl does not bring */
#define FUTEX_WAKE 1
#define FUTEX_PRIVATE_FLAG 128

static long futex(u32 *word, int op, u32 value)
{
	long ret;
	register long timeout __asm__("r10") = 0;

	__asm__ volatile("syscall"
	                 : "=a"(ret)
	                 : "a"(SYS_futex), "D"(word), "S"(op | FUTEX_PRIVATE_FLAG), "d"(value), "r"(timeout)
	                 : "rcx", "r11", "memory");
	return ret;
}

static u64 futex_wake_none(u32 n)
{
	static u32 word;

	return TICKS(n, futex(&word, FUTEX_WAKE, 1));
}

static u32 turn; /* whose it is: 0 or 1; 2: the end */

static void hand_over(u32 me)
{
	__atomic_store_n(&turn, !me, __ATOMIC_SEQ_CST);
	futex(&turn, FUTEX_WAKE, 1);
	while (__atomic_load_n(&turn, __ATOMIC_SEQ_CST) == !me)
		futex(&turn, FUTEX_WAIT, !me);
}

static void *second_player(void *arg)
{
	while (__atomic_load_n(&turn, __ATOMIC_SEQ_CST) == 0)
		futex(&turn, FUTEX_WAIT, 0);
	while (__atomic_load_n(&turn, __ATOMIC_SEQ_CST) == 1)
		hand_over(1);
	return arg;
}

static u64 futex_pingpong(u32 n)
{
	pthread_t other;

	turn = 0;
	NEED(pthread_create(&other, NULL, second_player, NULL) == 0);
	hand_over(0);
	u64 t = TICKS(n, hand_over(0));
	__atomic_store_n(&turn, 2, __ATOMIC_SEQ_CST);
	futex(&turn, FUTEX_WAKE, 1);
	pthread_join(other, NULL);
	return t;
}

static void *thread_nothing(void *arg)
{
	return arg;
}

static u64 thread_create_join(u32 n)
{
	pthread_t thread;

	NEED(pthread_create(&thread, NULL, thread_nothing, NULL) == 0);
	pthread_join(thread, NULL);
	return TICKS(n, pthread_create(&thread, NULL, thread_nothing, NULL); pthread_join(thread, NULL));
}

/* --- processes --- */

static void fork_exit_wait_once(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	int status;
	wait4(pid, &status, 0, NULL);
}

static u64 fork_exit_wait(u32 n)
{
	return TICKS(n, fork_exit_wait_once());
}

/* tiny_write: the smallest program there is: exit(0), filled up to TINY_SIZE. */
static void tiny_write(void)
{
	static const u8 code[] = {0x31, 0xff, 0xb8, 0x3c, 0,
	                          0,    0,    0x0f, 0x05}; /* edi = 0; eax = 60; syscall */
	const u64 base = 0x400000, start = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr);
	struct {
		Elf64_Ehdr header;
		Elf64_Phdr segment;
		u8 rest[TINY_SIZE - sizeof(Elf64_Ehdr) - sizeof(Elf64_Phdr)];
	} __attribute__((packed)) tiny = {
	        .header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
	                               EV_CURRENT},
	                   .e_type = ET_EXEC,
	                   .e_machine = EM_X86_64,
	                   .e_version = EV_CURRENT,
	                   .e_entry = base + start,
	                   .e_phoff = sizeof(Elf64_Ehdr),
	                   .e_ehsize = sizeof(Elf64_Ehdr),
	                   .e_phentsize = sizeof(Elf64_Phdr),
	                   .e_phnum = 1},
	        .segment = {.p_type = PT_LOAD,
	                    .p_flags = PF_R | PF_X,
	                    .p_vaddr = base,
	                    .p_paddr = base,
	                    .p_filesz = TINY_SIZE,
	                    .p_memsz = TINY_SIZE,
	                    .p_align = PAGE},
	};

	memcpy(tiny.rest, code, sizeof(code));
	int fd = open(TINY_PATH, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	NEED(fd >= 0);
	NEED(write(fd, &tiny, sizeof(tiny)) == sizeof(tiny));
	close(fd);
}

static char *const tiny_argv[] = {(char *)"tiny", NULL};
static char *const tiny_envp[] = {NULL};

static void __attribute__((noreturn)) tiny_exec(void)
{
	execve(TINY_PATH, tiny_argv, tiny_envp);
	_exit(127);
}

static int wait_status(pid_t pid)
{
	int status = -1;

	wait4(pid, &status, 0, NULL);
	return status;
}

static int __attribute__((noinline)) vfork_exec_wait(void)
{
	pid_t pid = vfork();

	if (pid == 0)
		tiny_exec();
	return wait_status(pid);
}

static int fork_exec_wait(void)
{
	pid_t pid = fork();

	if (pid == 0)
		tiny_exec();
	return wait_status(pid);
}

static u64 vfork_exec_tiny(u32 n)
{
	tiny_write();
	NEED(vfork_exec_wait() == 0);
	return TICKS(n, vfork_exec_wait());
}

static u64 fork_exec_tiny(u32 n)
{
	tiny_write();
	NEED(fork_exec_wait() == 0);
	return TICKS(n, fork_exec_wait());
}

/* --- memory --- */

static u8 *map_pages(u64 pages)
{
	u8 *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	NEED(p != MAP_FAILED);
	madvise(p, pages * PAGE, MADV_NOHUGEPAGE);
	return p;
}

static inline void touch(u8 *p, u64 pages)
{
	for (u64 i = 0; i < pages; i++)
		((volatile u8 *)p)[i * PAGE] = 1;
}

static u64 fork64m_4k_total(u32 n)
{
	const u64 pages = (64UL << 20) / PAGE;
	static u8 *memory;

	if (!memory) {
		memory = map_pages(pages);
		touch(memory, pages);
	}
	return TICKS(n, fork_exit_wait_once());
}

static u64 fault_zero(u32 n)
{
	u8 *p = map_pages(n);
	u64 t = TICKS(1, touch(p, n));

	munmap(p, n * PAGE);
	return t;
}

static u64 fault_cow(u32 n)
{
	u8 *p = map_pages(n);
	int hold[2];
	char c;

	touch(p, n);
	NEED(pipe(hold) == 0);
	pid_t pid = fork();
	NEED(pid >= 0);
	if (pid == 0) {
		close(hold[1]);
		read(hold[0], &c, 1);
		_exit(0);
	}
	close(hold[0]);
	sched_yield();
	u64 t = TICKS(1, touch(p, n));
	close(hold[1]);
	await(pid);
	munmap(p, n * PAGE);
	return t;
}

static u64 munmap_touched(u32 n)
{
	u8 *p = map_pages(n);

	touch(p, n);
	return TICKS(1, munmap(p, n * PAGE));
}

static u8 *map_once(u64 pages)
{
	return mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* Beside another mapping of the same kind, as in most programs. */
static u64 mmap_munmap_1(u32 n)
{
	u8 *beside = map_pages(4);

	touch(beside, 4);
	u64 t = TICKS(n, munmap(map_once(1), PAGE));
	munmap(beside, 4 * PAGE);
	return t;
}

static u64 mmap_touch_munmap_64(u32 n)
{
	return TICKS(n, u8 * p = map_once(64); touch(p, 64); munmap(p, 64 * PAGE));
}

/* In the middle of a mapping: Linux's figure depends on what else is mapped, by a quarter. */
static u64 mprotect_1(u32 n)
{
	u8 *p = map_pages(3);

	touch(p, 3);
	u64 t = TICKS(n / 2, mprotect(p + PAGE, PAGE, PROT_READ);
	              mprotect(p + PAGE, PAGE, PROT_READ | PROT_WRITE));
	munmap(p, 3 * PAGE);
	return t;
}

/* --- signals --- */

static void on_signal(int signal)
{
	(void)signal;
}

static u64 sigaction_row(u32 n)
{
	struct sigaction sa = {.sa_handler = on_signal};

	return TICKS(n, sigaction(SIGUSR1, &sa, NULL));
}

static u64 signal_self(u32 n)
{
	struct sigaction sa = {.sa_handler = on_signal};
	pid_t self = getpid();

	NEED(sigaction(SIGUSR1, &sa, NULL) == 0);
	return TICKS(n, kill(self, SIGUSR1));
}

#define SEGV_INSTRUCTION 2 /* bytes of `movb (%rax), %al` */

static void on_segv(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)info;
	((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += SEGV_INSTRUCTION;
}

static u64 segv_catch(u32 n)
{
	struct sigaction sa = {.sa_sigaction = on_segv, .sa_flags = SA_SIGINFO};

	NEED(sigaction(SIGSEGV, &sa, NULL) == 0);
	return TICKS(n, u64 at = 0; __asm__ volatile("movb (%%rax), %%al" : "+a"(at)));
}

/* --- files --- */

static int file_make(void)
{
	int fd = open(FILE_PATH, O_RDWR | O_CREAT, 0644);

	NEED(fd >= 0);
	NEED(pwrite(fd, block, PAGE, 0) == PAGE);
	return fd;
}

static u64 pread_row(u32 n, u64 size)
{
	int fd = file_make();
	u64 t = TICKS(n, pread(fd, block, size, 0));

	close(fd);
	return t;
}

static u64 file_pread_1b(u32 n)
{
	return pread_row(n, 1);
}

static u64 file_pread_4k(u32 n)
{
	return pread_row(n, PAGE);
}

static u64 file_pwrite_4k(u32 n)
{
	int fd = file_make();
	u64 t = TICKS(n, pwrite(fd, block, PAGE, 0));

	close(fd);
	return t;
}

static u64 file_open_close(u32 n)
{
	close(file_make());
	return TICKS(n, close(open(FILE_PATH, O_RDONLY)));
}

static u64 file_creat_unlink(u32 n)
{
	int fd = creat(NEW_PATH, 0644);

	NEED(fd >= 0 && close(fd) == 0 && unlink(NEW_PATH) == 0);
	return TICKS(n, close(creat(NEW_PATH, 0644)); unlink(NEW_PATH));
}

static u64 file_stat(u32 n)
{
	struct stat st; /* the kernel's, before musl converts it: no larger */

	close(file_make());
	NEED(raw(SYS_stat, (long)FILE_PATH, (long)&st, 0) == 0);
	return TICKS(n, raw(SYS_stat, (long)FILE_PATH, (long)&st, 0));
}

static u64 file_fstat(u32 n)
{
	struct stat st;
	int fd = file_make();
	u64 t = TICKS(n, raw(SYS_fstat, fd, (long)&st, 0));

	close(fd);
	return t;
}

/* --- waiting for many --- */

#define PIPES 64

static void pipes_open(int p[PIPES][2])
{
	for (u32 i = 0; i < PIPES; i++)
		NEED(pipe(p[i]) == 0);
}

static void pipes_close(int p[PIPES][2])
{
	for (u32 i = 0; i < PIPES; i++) {
		close(p[i][0]);
		close(p[i][1]);
	}
}

static u64 poll_64(u32 n)
{
	int p[PIPES][2];
	struct pollfd fds[PIPES];

	pipes_open(p);
	for (u32 i = 0; i < PIPES; i++)
		fds[i] = (struct pollfd){.fd = p[i][0], .events = POLLIN};
	NEED(poll(fds, PIPES, 0) == 0);
	u64 t = TICKS(n, poll(fds, PIPES, 0));
	pipes_close(p);
	return t;
}

/* Of the descriptors below 64, all that are a pipe's reading end. */
static u64 select_64(u32 n)
{
	int p[PIPES][2];
	fd_set idle, set;
	struct timeval none = {0};

	pipes_open(p);
	FD_ZERO(&idle);
	for (u32 i = 0; p[i][0] < 64; i++)
		FD_SET(p[i][0], &idle);
	set = idle;
	NEED(select(64, &set, NULL, NULL, &none) == 0);
	u64 t = TICKS(n, set = idle; select(64, &set, NULL, NULL, &none));
	pipes_close(p);
	return t;
}

/* --- all of them --- */

static const struct row {
	const char *name;
	u64 (*run)(u32 n);
	u32 n;
} rows[] = {
        {"sys_getppid", sys_getppid, 100},
        {"sys_enosys", sys_enosys, 100},
        {"clock_libc", clock_libc, 100},
        {"clock_raw", clock_raw, 100},
        {"pipe_self_1b", pipe_self_1b, 100},
        {"pipe_pingpong", pipe_pingpong, 100},
        {"yield_alone", yield_alone, 100},
        {"futex_wake_none", futex_wake_none, 100},
        {"futex_pingpong", futex_pingpong, 100},
        {"thread_create_join", thread_create_join, 10},
        {"fork_exit_wait", fork_exit_wait, 10},
        {"vfork_exec_tiny", vfork_exec_tiny, 10},
        {"fork_exec_tiny", fork_exec_tiny, 10},
        {"fork64m_4k_total", fork64m_4k_total, 1},
        {"fault_cow", fault_cow, 256},
        {"fault_zero", fault_zero, 256},
        {"munmap_touched", munmap_touched, 256},
        {"mmap_munmap_1", mmap_munmap_1, 50},
        {"mmap_touch_munmap_64", mmap_touch_munmap_64, 5},
        {"mprotect_1", mprotect_1, 50},
        {"sigaction", sigaction_row, 100},
        {"signal_self", signal_self, 50},
        {"segv_catch", segv_catch, 50},
        {"file_pread_1b", file_pread_1b, 100},
        {"file_pread_4k", file_pread_4k, 100},
        {"file_pwrite_4k", file_pwrite_4k, 100},
        {"file_open_close", file_open_close, 50},
        {"file_creat_unlink", file_creat_unlink, 20},
        {"file_stat", file_stat, 50},
        {"file_fstat", file_fstat, 50},
        {"pipe_bw_64k", pipe_bw_64k, 64},
        {"poll_64", poll_64, 20},
        {"select_64", select_64, 20},
        {"nanosleep_1ns", nanosleep_1ns, 50},
};

static int compare(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

static void run_row(const struct row *row)
{
	u64 results[REPEATS];

	row_name = row->name;
	alarm(ROW_SECONDS);
	row->run(row->n); /* what is done the first time is not counted */
	for (u32 i = 0; i < REPEATS; i++)
		results[i] = row->run(row->n);
	alarm(0);
	qsort(results, REPEATS, sizeof(results[0]), compare);
	printf("%s\t%lu\n", row->name, (results[REPEATS / 2] + row->n / 2) / row->n);
	fflush(stdout);
}

static const struct row *find_row(const char *name)
{
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++)
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	fprintf(stderr, "bench: no row %s\n", name);
	exit(2);
}

/* run_apart: one row in a process of its own, which tells about its failures itself, unless it is killed. */
static bool run_apart(const char *program, const struct row *row)
{
	char *const argv[] = {(char *)program, (char *)row->name, NULL};
	int status = 0;
	pid_t pid = vfork();

	if (pid == 0) {
		execv(program, argv);
		_exit(127);
	}
	if (pid > 0)
		waitpid(pid, &status, 0);
	if (pid < 0 || WIFSIGNALED(status) || WEXITSTATUS(status) == 127) {
		printf("%s\t-\t%s %d\n", row->name,
		       WIFSIGNALED(status) ? "killed by signal" : "did not start", WTERMSIG(status));
		fflush(stdout);
	}
	return pid > 0 && status == 0;
}

int main(int argc, char **argv)
{
	bool well = true;

	clock_cost_measure();
	if (argc == 2 && strcmp(argv[1], "-l") == 0) {
		for (u32 i = 0; i < ARRAY_SIZE(rows); i++)
			puts(rows[i].name);
		return 0;
	}
	for (int i = 1; i < argc; i++)
		run_row(find_row(argv[i]));
	for (u32 i = 0; argc == 1 && i < ARRAY_SIZE(rows); i++)
		well &= run_apart(argv[0], &rows[i]);
	return well ? 0 : 1;
}
