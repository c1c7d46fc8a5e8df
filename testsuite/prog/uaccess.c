/* Every user pointer in every system call: bad ones of each kind are EFAULT, and nothing is half done. */
#include "testsuite/prog/badaddr.h"
#include "testsuite/prog/tap.h"

#include <poll.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define FUTEX_WAIT_OP 0

static void expect_efault(const char *call, const struct bad *b, i64 ret)
{
	if (ret == -1 && errno == EFAULT)
		return;
	note("%s with %s (0x%llx): %lld, %s", call, b->what, (unsigned long long)b->addr, (long long)ret,
	     ret == -1 ? strerror(errno) : "no error");
	tap_failures++;
}

/* One call with the bad address as `p`. */
#define EFAULT_WRITE(call)                                  \
	FOR_BAD(b, BAD_WRITE)                               \
	{                                                   \
		u64 p = b->addr;                            \
		errno = 0;                                  \
		expect_efault(#call, b, (i64)syscall call); \
	}
#define EFAULT_READ(call)                                   \
	FOR_BAD(b, BAD_READ)                                \
	{                                                   \
		u64 p = b->addr;                            \
		errno = 0;                                  \
		expect_efault(#call, b, (i64)syscall call); \
	}

static int open_descriptors(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* --- results the kernel writes --- */

TEST(out_files, "[V7] results about files: EFAULT")
{
	enter_scratch();
	OK(symlink("target", "link"));
	make_closed_file("file", "contents", 8, 0600);
	int fd = OK(open("file", O_RDWR)), dir = OK(open("/", O_RDONLY | O_DIRECTORY));

	EFAULT_WRITE((SYS_stat, "/", p))
	EFAULT_WRITE((SYS_lstat, "/", p))
	EFAULT_WRITE((SYS_fstat, fd, p))
	EFAULT_WRITE((SYS_newfstatat, AT_FDCWD, "/", p, 0))
	EFAULT_WRITE((SYS_statx, AT_FDCWD, "/", 0, 0x7ff, p))
	EFAULT_WRITE((SYS_statfs, "/", p))
	EFAULT_WRITE((SYS_fstatfs, fd, p))
	EFAULT_WRITE((SYS_readlink, "link", p, 100))
	EFAULT_WRITE((SYS_readlinkat, AT_FDCWD, "link", p, 100))
	EFAULT_WRITE((SYS_getcwd, p, 4096))
	EFAULT_WRITE((SYS_getdents64, dir, p, 1024))
	EFAULT_WRITE((SYS_read, fd, p, 8))
	EFAULT_WRITE((SYS_pread64, fd, p, 8, 0))
	IS(lseek(fd, 0, SEEK_CUR), 0);
}

TEST(out_devices, "[V7] reading devices: EFAULT")
{
	int zero = OK(open("/dev/zero", O_RDONLY)), urandom = OK(open("/dev/urandom", O_RDONLY));

	EFAULT_WRITE((SYS_read, zero, p, 100))
	EFAULT_WRITE((SYS_read, urandom, p, 100))
	EFAULT_WRITE((SYS_getrandom, p, 100, 0))
}

TEST(out_time, "[V7] results about time: EFAULT"){
        EFAULT_WRITE((SYS_clock_gettime, CLOCK_MONOTONIC, p))
                EFAULT_WRITE((SYS_clock_gettime, CLOCK_REALTIME, p))
                        EFAULT_WRITE((SYS_clock_getres, CLOCK_MONOTONIC, p))
                                EFAULT_WRITE((SYS_gettimeofday, p, 0)) EFAULT_WRITE((SYS_time, p))
                                        EFAULT_WRITE((SYS_times, p)) EFAULT_WRITE((SYS_getitimer, 0, p))}

TEST(out_process, "[V7] results about processes and the system: EFAULT"){
        EFAULT_WRITE((SYS_uname, p)) EFAULT_WRITE((SYS_sysinfo, p)) EFAULT_WRITE((SYS_getrusage, 0, p))
                EFAULT_WRITE((SYS_getrlimit, RLIMIT_STACK, p))
                        EFAULT_WRITE((SYS_prlimit64, 0, RLIMIT_STACK, 0, p))
                                EFAULT_WRITE((SYS_getresuid, p, p, p)) EFAULT_WRITE((SYS_getresgid, p, p, p))
                                        EFAULT_WRITE((SYS_sched_getaffinity, 0, 128, p))
                                                EFAULT_WRITE((SYS_prctl, 16, p, 0, 0, 0))
                                                        EFAULT_WRITE((SYS_arch_prctl, 0x1003, p))}

TEST(out_signals, "[V7] results about signals: EFAULT"){
        EFAULT_WRITE((SYS_rt_sigaction, SIGUSR1, 0, p, 8))
                EFAULT_WRITE((SYS_rt_sigprocmask, SIG_BLOCK, 0, p, 8)) EFAULT_WRITE((SYS_rt_sigpending, p, 8))
                        EFAULT_WRITE((SYS_sigaltstack, 0, p))}

TEST(out_pipe, "[V7] pipe with a bad result: EFAULT and no descriptor")
{
	int before = open_descriptors();

	EFAULT_WRITE((SYS_pipe, p))
	EFAULT_WRITE((SYS_pipe2, p, O_CLOEXEC))
	FAILS(syscall(SYS_pipe, edge(4)), EFAULT);
	IS(open_descriptors(), before);
}

TEST(out_wait, "[V7] wait4 with a bad status or usage: EFAULT")
{
	FOR_BAD(b, BAD_WRITE)
	{
		pid_t child = SPAWN(_exit(0));

		expect_efault("wait4 status", b, syscall(SYS_wait4, child, b->addr, 0, 0));
		child = SPAWN(_exit(0));
		expect_efault("wait4 rusage", b, syscall(SYS_wait4, child, 0, 0, b->addr));
	}
}

TEST(out_lists, "[V7] poll, select, mincore: EFAULT")
{
	void *page = pages(1, PROT_READ);

	EFAULT_READ((SYS_poll, p, 1, 0))
	EFAULT_READ((SYS_ppoll, p, 1, 0, 0, 8))
	EFAULT_READ((SYS_select, 1, p, 0, 0, 0))
	EFAULT_READ((SYS_pselect6, 1, 0, p, 0, 0, 0))
	EFAULT_WRITE((SYS_mincore, page, PAGE, p))
}

TEST(out_ioctl, "[V7] ioctl and fcntl: EFAULT")
{
	int fds[2], fd;

	OK(pipe(fds));
	enter_scratch();
	fd = make_file("file", "x", 1, 0600);
	EFAULT_WRITE((SYS_ioctl, fds[0], 0x541b, p)) /* FIONREAD */
	EFAULT_READ((SYS_fcntl, fd, F_GETLK, p))
	EFAULT_READ((SYS_fcntl, fd, F_SETLK, p))
}

/* --- strings --- */

TEST(strings, "[V7] paths: EFAULT, and nothing happened")
{
	enter_scratch();
	make_closed_file("file", "x", 1, 0600);
	struct stat st;

	EFAULT_READ((SYS_open, p, O_RDONLY))
	EFAULT_READ((SYS_open, p, O_CREAT | O_RDWR, 0600))
	EFAULT_READ((SYS_openat, AT_FDCWD, p, O_RDONLY))
	EFAULT_READ((SYS_creat, p, 0600))
	EFAULT_READ((SYS_stat, p, &st))
	EFAULT_READ((SYS_newfstatat, AT_FDCWD, p, &st, 0))
	EFAULT_READ((SYS_access, p, 0))
	EFAULT_READ((SYS_faccessat, AT_FDCWD, p, 0))
	EFAULT_READ((SYS_chdir, p))
	EFAULT_READ((SYS_chmod, p, 0700))
	EFAULT_READ((SYS_chown, p, 0, 0))
	EFAULT_READ((SYS_mkdir, p, 0700))
	EFAULT_READ((SYS_rmdir, p))
	EFAULT_READ((SYS_unlink, p))
	EFAULT_READ((SYS_unlinkat, AT_FDCWD, p, 0))
	EFAULT_READ((SYS_rename, p, "new"))
	EFAULT_READ((SYS_rename, "file", p))
	EFAULT_READ((SYS_link, p, "new"))
	EFAULT_READ((SYS_link, "file", p))
	EFAULT_READ((SYS_symlink, p, "new"))
	EFAULT_READ((SYS_symlink, "target", p))
	EFAULT_READ((SYS_readlink, p, &st, 10))
	EFAULT_READ((SYS_truncate, p, 0))
	EFAULT_READ((SYS_mknod, p, S_IFIFO | 0600, 0))
	EFAULT_READ((SYS_statfs, p, &st))
	EFAULT_READ((SYS_utimensat, AT_FDCWD, p, 0, 0))
	EFAULT_READ((SYS_execve, p, 0, 0))
	IS(access("file", F_OK), 0);
	FAILS(access("new", F_OK), ENOENT);
}

TEST(string_at_edge, "[V7] a path that ends right before an unmapped page is fine, one byte less is EFAULT")
{
	char *p = (char *)edge(5);

	memcpy(p, "/dev", 5);
	OK(access(p, F_OK));
	p[4] = '/';
	FAILS(access(p, F_OK), EFAULT);
}

/* --- arguments the kernel reads --- */

TEST(in_structures, "[V7] structures: EFAULT, and nothing changed")
{
	struct sigaction before, after;
	int fd = OK(open("/dev/null", O_RDWR));

	signal(SIGUSR1, SIG_IGN);
	sigaction(SIGUSR1, NULL, &before);
	EFAULT_READ((SYS_rt_sigaction, SIGUSR1, p, 0, 8))
	EFAULT_READ((SYS_rt_sigprocmask, SIG_BLOCK, p, 0, 8))
	EFAULT_READ((SYS_rt_sigsuspend, p, 8))
	EFAULT_READ((SYS_rt_sigtimedwait, p, 0, 0, 8))
	EFAULT_READ((SYS_sigaltstack, p, 0))
	EFAULT_READ((SYS_nanosleep, p, 0))
	EFAULT_READ((SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, p, 0))
	EFAULT_READ((SYS_setrlimit, RLIMIT_NOFILE, p))
	EFAULT_READ((SYS_prlimit64, 0, RLIMIT_NOFILE, p, 0))
	EFAULT_READ((SYS_setitimer, 0, p, 0))
	EFAULT_READ((SYS_prctl, 15, p, 0, 0, 0))
	EFAULT_READ((SYS_utimensat, AT_FDCWD, "/tmp", p, 0))
	EFAULT_READ((SYS_writev, fd, p, 1))
	EFAULT_READ((SYS_readv, fd, p, 1))
	EFAULT_READ((SYS_clone3, p, 64))
	EFAULT_READ((SYS_poll, p, 3, 0))
	sigaction(SIGUSR1, NULL, &after);
	CHECK(before.sa_handler == after.sa_handler);
}

TEST(in_futex, "[V7] futex on a bad word: EFAULT")
{
	FOR_BAD(b, BAD_READ)
	{
		if (b->addr % 4 == 0)
			expect_efault("futex", b, syscall(SYS_futex, b->addr, FUTEX_WAIT_OP, 0, 0, 0, 0));
	}
	FAILS(syscall(SYS_futex, opaque(0x1001), FUTEX_WAIT_OP, 0, 0, 0, 0), EINVAL);
}

TEST(in_write, "[V7] write from bad memory: EFAULT, and nothing written")
{
	int fds[2], fd;
	char c;

	enter_scratch();
	fd = make_file("file", "", 0, 0600);
	OK(pipe2(fds, O_NONBLOCK));
	EFAULT_READ((SYS_write, fd, p, 100))
	EFAULT_READ((SYS_pwrite64, fd, p, 100, 0))
	EFAULT_READ((SYS_write, fds[1], p, 100))
	IS(lseek(fd, 0, SEEK_END), 0);
	FAILS(read(fds[0], &c, 1), EAGAIN);
}

TEST(in_vectors, "[V7] readv and writev: bad bases and lengths")
{
	char text[] = "text";
	struct iovec v[2] = {{text, 4}, {opaque(0xdead0000), 4}};
	int fd, fds[2];

	enter_scratch();
	fd = make_file("file", "", 0, 0600);
	OK(pipe2(fds, O_NONBLOCK));
	IS(writev(fd, v, 2), 4);
	IS(lseek(fd, 0, SEEK_CUR), 4);
	v[0] = v[1];
	FAILS(writev(fd, v, 2), EFAULT);
	v[0] = (struct iovec){text, -1UL};
	FAILS(writev(fd, v, 1), EINVAL);
	v[0] = (struct iovec){text, 1UL << 63};
	FAILS(writev(fd, v, 1), EINVAL);
	FAILS(syscall(SYS_writev, fd, v, 1025), EINVAL);
	FAILS(syscall(SYS_writev, fd, v, -1), EINVAL);
	IS(syscall(SYS_writev, fd, 0, 0), 0);
	v[0] = (struct iovec){opaque(0xffff800000000000), 8};
	FAILS(writev(fd, v, 1), EFAULT);
	FAILS(readv(fd, v, 1), EFAULT);
}

/* --- straddling the end of a mapping --- */

TEST(straddle_structures, "[V7] a structure across the end of a mapping: EFAULT")
{
	for (u32 n = 1; n < 16; n += 5) {
		FAILS(syscall(SYS_stat, "/", edge(n)), EFAULT);
		FAILS(syscall(SYS_uname, edge(n)), EFAULT);
		FAILS(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, edge(n)), EFAULT);
		FAILS(syscall(SYS_nanosleep, edge(n), 0), EFAULT);
		FAILS(syscall(SYS_rt_sigaction, SIGUSR1, edge(n), 0, 8), EFAULT);
		FAILS(syscall(SYS_rt_sigaction, SIGUSR1, 0, edge(n), 8), EFAULT);
		FAILS(syscall(SYS_getrlimit, RLIMIT_STACK, edge(n)), EFAULT);
	}
	OK(syscall(SYS_stat, "/", edge(sizeof(struct stat))));
	OK(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, edge(16)));
}

TEST(straddle_file_read, "[V7] a file read across the end of a mapping gives what fits")
{
	u8 *p = edge(10);
	int fd;

	enter_scratch();
	fd = make_file("file", "0123456789abcdefghij", 20, 0600);
	IS(read(fd, p, 20), 10);
	CHECK(memcmp(p, "0123456789", 10) == 0);
	IS(lseek(fd, 0, SEEK_CUR), 10);
	FAILS(read(fd, p + 10, 10), EFAULT);
	IS(lseek(fd, 0, SEEK_CUR), 10);
}

TEST(straddle_file_write, "[V7] a file write across the end of a mapping writes what is there")
{
	u8 *p = edge(10);
	char now[20];
	int fd;

	enter_scratch();
	fd = make_file("file", "", 0, 0600);
	memcpy(p, "0123456789", 10);
	IS(write(fd, p, 20), 10);
	IS(lseek(fd, 0, SEEK_END), 10);
	IS(pread(fd, now, 20, 0), 10);
	CHECK(memcmp(now, "0123456789", 10) == 0);
}

TEST(straddle_pipe, "[V7] a pipe read or write across the end of a mapping is EFAULT, the data stays")
{
	u8 *p = edge(10);
	char now[20];
	int fds[2];

	OK(pipe2(fds, O_NONBLOCK));
	FAILS(write(fds[1], p, 20), EFAULT);
	FAILS(read(fds[0], now, 20), EAGAIN);
	IS(write(fds[1], "0123456789abcdefghij", 20), 20);
	FAILS(read(fds[0], p, 20), EFAULT);
	IS(read(fds[0], now, 20), 20);
	CHECK(memcmp(now, "0123456789abcdefghij", 20) == 0);
}

TEST(straddle_dents, "[V7] getdents64 across the end of a mapping: EFAULT or what fits, then the rest")
{
	int fd = OK(open("/", O_RDONLY | O_DIRECTORY));
	char all[8192];
	i64 whole, part;

	whole = OK(syscall(SYS_getdents64, fd, all, sizeof(all)));
	OK(lseek(fd, 0, SEEK_SET));
	part = syscall(SYS_getdents64, fd, edge(60), 4096);
	CHECK(part > 0 ? part <= 60 : errno == EFAULT);
	part = part > 0 ? part : 0;
	IS(syscall(SYS_getdents64, fd, all, sizeof(all)) + part, whole);
}

TEST(lengths, "[V7] lengths that wrap around or reach the kernel: EFAULT or what fits, never more")
{
	static char buf[64];
	int zero = OK(open("/dev/zero", O_RDONLY)), fd;

	enter_scratch();
	fd = make_file("file", "0123456789", 10, 0600);
	IS(pread(fd, buf, 1UL << 30, 0), 10);
	FAILS(syscall(SYS_read, fd, buf, -1L), EFAULT);
	FAILS(syscall(SYS_read, fd, buf, 1UL << 63), EFAULT);
	FAILS(syscall(SYS_read, zero, opaque(0x7fffffffe000), 1UL << 47), EFAULT);
	FAILS(syscall(SYS_write, fd, buf, -1L), EFAULT);
	FAILS(syscall(SYS_getrandom, opaque(0xffffffffffffff00), 0x200, 0), EFAULT);
	IS(lseek(fd, 0, SEEK_CUR), 0);
}

TEST(zero_lengths, "[V7] a length of zero touches nothing")
{
	int fd;

	enter_scratch();
	fd = make_file("file", "0123456789", 10, 0600);
	IS(syscall(SYS_read, fd, opaque(0xdead0000), 0), 0);
	IS(syscall(SYS_write, fd, opaque(0xdead0000), 0), 0);
	IS(syscall(SYS_getrandom, opaque(0xdead0000), 0, 0), 0);
	IS(syscall(SYS_poll, opaque(0xdead0000), 0, 0), 0);
}

/* --- memory that changes while the kernel uses it --- */

TEST(read_only_file_page, "[V7] the kernel does not write where the program may not: a read-only file page")
{
	u8 *map;
	char now;
	int fd, zero = OK(open("/dev/zero", O_RDONLY));

	enter_scratch();
	fd = make_file("file", "original", 8, 0600);
	map = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	NEED(map != MAP_FAILED);
	FAILS(read(zero, map, 8), EFAULT);
	IS(map[0], 'o');
	FAILS(syscall(SYS_getrandom, map, 8, 0), EFAULT);
	NEED(pread(fd, &now, 1, 0) == 1);
	IS(now, 'o');
}

TEST(behind_file_end, "[V7] a buffer behind the end of a mapped file: EFAULT, no SIGBUS")
{
	int fd, zero = OK(open("/dev/zero", O_RDWR)), fds[2];
	u8 *map;

	enter_scratch();
	OK(pipe(fds));
	fd = make_file("file", "x", 1, 0600);
	map = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	NEED(map != MAP_FAILED);
	FAILS(read(zero, map + PAGE, 8), EFAULT);
	FAILS(write(fds[1], map + PAGE, 8), EFAULT);
	FAILS(access((char *)map + PAGE, F_OK), EFAULT);
}

TEST(fresh_memory, "[V7] the kernel's own touch brings in memory that was never touched")
{
	u8 *map = pages(64, PROT_READ | PROT_WRITE);
	int fd = OK(open("/dev/zero", O_RDONLY)), fds[2];
	char now[8];

	IS(read(fd, map + 5 * PAGE - 10, 3 * PAGE), 3 * PAGE);
	OK(syscall(SYS_stat, "/", map + 20 * PAGE - 8));
	OK(pipe(fds));
	IS(write(fds[1], map + 40 * PAGE - 4, 8), 8);
	IS(read(fds[0], now, 8), 8);
	CHECK(memcmp(now, "\0\0\0\0\0\0\0\0", 8) == 0);
}

static volatile bool stop_thread;
static u8 *volatile flicker;

static int flicker_main(void *arg)
{
	(void)arg;
	while (!stop_thread) {
		munmap(flicker, PAGE);
		mmap(flicker, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		sched_yield();
	}
	return 0;
}

TEST(unmapped_meanwhile, "[V7] a buffer that comes and goes under the call: success or EFAULT, nothing else")
{
	static u8 stack[16384] __attribute__((aligned(16)));
	int fd = OK(open("/dev/zero", O_RDONLY)), other = 0;
	pid_t pid;

	flicker = pages(1, PROT_READ | PROT_WRITE);
	pid = clone(flicker_main, stack + sizeof(stack), CLONE_VM | SIGCHLD, NULL);
	NEED(pid > 0);
	for (u32 i = 0; i < 2000; i++) {
		ssize_t n = read(fd, flicker, PAGE);

		if (n != (ssize_t)PAGE && !(n < 0 && errno == EFAULT) && !(n > 0 && n < (ssize_t)PAGE))
			other++;
		if (i % 16 == 0)
			sched_yield();
	}
	stop_thread = true;
	IS(wait_status(pid), EXITED(0));
	IS(other, 0);
}
