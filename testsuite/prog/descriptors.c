/* cflags: -pthread */
/* Calls on descriptors that came later: ranges of them, vectors at offsets, copies between files, files in memory. */
#include "testsuite/prog/tap.h"

#include <sched.h>
#include <sys/uio.h>

#ifndef F_ADD_SEALS
#define F_ADD_SEALS 1033
#define F_GET_SEALS 1034
#endif
#define SEAL_SEAL 1
#define SEAL_SHRINK 2
#define SEAL_GROW 4
#define SEAL_WRITE 8
#define SEAL_FUTURE_WRITE 16
#define ALLOW_SEALING 2

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static i64 close_range_(u32 first, u32 last, u32 flags)
{
	return syscall(SYS_close_range, first, last, flags);
}

TEST(ranges, "[P9] close_range closes or marks all that is open in the range")
{
	for (int fd = 10; fd < 200; fd += 7)
		OK(dup2(1, fd));
	FAILS(close_range_(20, 10, 0), EINVAL);
	FAILS(close_range_(1, 2, 8), EINVAL);
	OK(close_range_(17, 30, 0));
	CHECK(is_open(10) && !is_open(17) && !is_open(24) && is_open(31));
	OK(close_range_(30, ~0U, 4));
	IS(fcntl(10, F_GETFD), 0);
	IS(fcntl(31, F_GETFD), FD_CLOEXEC);
	IS(fcntl(199, F_GETFD), FD_CLOEXEC);
	OK(close_range_(3, ~0U, 0));
	CHECK(!is_open(10) && !is_open(31) && !is_open(199) && is_open(1));
	OK(close_range_(500, 600, 0));
	IS(dup(1), 3);
}

static int clone_files(void)
{
	OK(close_range_(3, ~0U, 2));
	_exit(is_open(3) ? 1 : 0);
}

TEST(unshared, "[P9] close_range with UNSHARE leaves a table that is shared as it was")
{
	i64 pid;

	IS(dup(1), 3);
	pid = OK(syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0));
	if (pid == 0)
		clone_files();
	IS(wait_status(pid), EXITED(0));
	CHECK(is_open(3));
}

TEST(vectors, "[P9] preadv and pwritev at an offset, with and without flags")
{
	char a[4] = {0}, b[4] = {0};
	struct iovec iov[2] = {{a, 3}, {b, 3}};
	int fd, fds[2];

	enter_scratch();
	fd = make_file("file", "0123456789", 10, 0600);
	IS(preadv(fd, iov, 2, 2), 6);
	IS_STR(a, "234");
	IS_STR(b, "567");
	IS(pwritev(fd, iov, 2, 8), 6);
	IS(lseek(fd, 0, SEEK_CUR), 0);
	IS(lseek(fd, 0, SEEK_END), 14);
	IS(syscall(SYS_preadv2, fd, iov, 2, 0L, 0L, 0), 6);
	IS_STR(a, "012");
	lseek(fd, 8, SEEK_SET);
	IS(syscall(SYS_preadv2, fd, iov, 1, -1L, -1L, 0), 3);
	IS_STR(a, "234");
	IS(lseek(fd, 0, SEEK_CUR), 11);
	FAILS(preadv(fd, iov, 2, -5), EINVAL);
	FAILS(syscall(SYS_preadv2, fd, iov, 2, 0L, 0L, 1 << 20), EOPNOTSUPP);
	OK(pipe(fds));
	FAILS(preadv(fds[0], iov, 2, 0), ESPIPE);
	IS(syscall(SYS_pwritev2, fds[1], iov, 2, -1L, -1L, 0), 6);
	FAILS(preadv(99, iov, 2, 0), EBADF);
}

TEST(copies, "[P9] copy_file_range moves bytes between files, at their own offsets or given ones")
{
	i64 from = 2, to = 5;
	char text[32] = {0};
	int a, b, fds[2];

	enter_scratch();
	a = make_file("a", "0123456789", 10, 0600);
	b = make_file("b", "abcdefghij", 10, 0600);
	IS(syscall(SYS_copy_file_range, a, &from, b, &to, 3UL, 0), 3);
	IS(from, 5);
	IS(to, 8);
	IS(lseek(a, 0, SEEK_CUR), 0);
	IS(pread(b, text, 31, 0), 10);
	IS_STR(text, "abcde234ij");
	IS(syscall(SYS_copy_file_range, a, NULL, b, NULL, 100UL, 0), 10);
	IS(lseek(a, 0, SEEK_CUR), 10);
	IS(lseek(b, 0, SEEK_CUR), 10);
	IS(syscall(SYS_copy_file_range, a, NULL, b, NULL, 100UL, 0), 0);
	from = 0;
	to = 5;
	FAILS(syscall(SYS_copy_file_range, a, &from, a, &to, 6UL, 0), EINVAL);
	IS(syscall(SYS_copy_file_range, a, &from, a, &to, 5UL, 0), 5);
	IS(pread(a, text, 31, 0), 10);
	IS_STR(text, "0123401234");
	FAILS(syscall(SYS_copy_file_range, a, NULL, b, NULL, 1UL, 1), EINVAL);
	FAILS(syscall(SYS_copy_file_range, OK(open("a", O_WRONLY)), NULL, b, NULL, 1UL, 0), EBADF);
	FAILS(syscall(SYS_copy_file_range, a, NULL, OK(open("b", O_WRONLY | O_APPEND)), NULL, 1UL, 0), EBADF);
	FAILS(syscall(SYS_copy_file_range, OK(open(".", O_RDONLY)), NULL, b, NULL, 1UL, 0), EISDIR);
	OK(pipe(fds));
	FAILS(syscall(SYS_copy_file_range, fds[0], NULL, b, NULL, 1UL, 0), EINVAL);
	FAILS(syscall(SYS_copy_file_range, a, 8UL, b, NULL, 1UL, 0), EFAULT);
}

struct old_dirent {
	u64 ino, off;
	u16 len;
	char name[];
};

TEST(old_entries, "[P9] getdents gives the records of old, the type in their last byte")
{
	char buf[1024];
	u32 seen = 0;
	i64 n;
	int fd;

	enter_scratch();
	make_closed_file("file", "", 0, 0600);
	OK(mkdir("folder", 0700));
	fd = OK(open(".", O_RDONLY | O_DIRECTORY));
	n = OK(syscall(SYS_getdents, fd, buf, sizeof(buf)));
	for (i64 at = 0; at < n;) {
		struct old_dirent *d = (struct old_dirent *)(buf + at);

		if (!strcmp(d->name, "file"))
			IS(buf[at + d->len - 1], DT_REG);
		else
			IS(buf[at + d->len - 1], DT_DIR);
		IS(d->len % 8, 0);
		seen++;
		at += d->len;
	}
	IS(seen, 4);
	IS(syscall(SYS_getdents, fd, buf, sizeof(buf)), 0);
	lseek(fd, 0, SEEK_SET);
	FAILS(syscall(SYS_getdents, fd, buf, 10), EINVAL);
}

TEST(hints, "[P9] readahead, sync_file_range and syncfs check what they are given")
{
	int fd, fds[2];

	enter_scratch();
	fd = make_file("file", "x", 1, 0600);
	OK(pipe(fds));
	IS(syscall(SYS_readahead, fd, 0L, 10UL), 0);
	FAILS(syscall(SYS_readahead, fds[0], 0L, 10UL), EINVAL);
	FAILS(syscall(SYS_readahead, 99, 0L, 10UL), EBADF);
	IS(syscall(SYS_sync_file_range, fd, 0L, 0L, 7), 0);
	FAILS(syscall(SYS_sync_file_range, fd, 0L, 0L, 8), EINVAL);
	FAILS(syscall(SYS_sync_file_range, fd, -1L, 0L, 0), EINVAL);
	FAILS(syscall(SYS_sync_file_range, fds[0], 0L, 0L, 0), ESPIPE);
	IS(syscall(SYS_syncfs, fd), 0);
	FAILS(syscall(SYS_syncfs, 99), EBADF);
}

/* --- execveat --- */

int role_main(int argc, char **argv)
{
	return argc == 3 ? atoi(argv[2]) : 1;
}

static char *const exec_argv[] = {"descriptors", "@exit", "23", NULL};

TEST(exec_at, "[P9] [E1] execveat runs what a descriptor, or a path from one, leads to")
{
	int self = OK(open("/proc/self/exe", O_RDONLY | O_CLOEXEC)), dir;
	char path[512];

	path[OK(readlink("/proc/self/exe", path, sizeof(path) - 1))] = 0;
	enter_scratch();
	OK(symlink(path, "link"));
	dir = OK(open(".", O_RDONLY | O_DIRECTORY));
	OK(chdir("/"));
	IS(CHILD(syscall(SYS_execveat, self, "", exec_argv, NULL, AT_EMPTY_PATH)), EXITED(23));
	IS(CHILD(syscall(SYS_execveat, dir, "link", exec_argv, NULL, 0)), EXITED(23));
	IS(CHILD(syscall(SYS_execveat, AT_FDCWD, path, exec_argv, NULL, 0)), EXITED(23));
	FAILS(syscall(SYS_execveat, dir, "link", exec_argv, NULL, AT_SYMLINK_NOFOLLOW), ELOOP);
	FAILS(syscall(SYS_execveat, dir, "none", exec_argv, NULL, 0), ENOENT);
	FAILS(syscall(SYS_execveat, self, "", exec_argv, NULL, 0), ENOENT);
	FAILS(syscall(SYS_execveat, self, "x", exec_argv, NULL, 0), ENOTDIR);
	FAILS(syscall(SYS_execveat, 99, "x", exec_argv, NULL, 0), EBADF);
	FAILS(syscall(SYS_execveat, self, "", exec_argv, NULL, AT_EMPTY_PATH | 1), EINVAL);
}

/* --- memfd --- */

static int memfd(const char *name, u32 flags)
{
	return syscall(SYS_memfd_create, name, flags);
}

TEST(memory_file, "[P9] memfd_create: a file without a name, read, written, mapped, passed on and run")
{
	char text[300], name[64], longest[251];
	int fd = OK(memfd("hello", 1)), self, again;
	struct stat st;
	ssize_t n;
	u8 *p;

	IS(fcntl(fd, F_GETFD), FD_CLOEXEC);
	OK(fstat(fd, &st));
	CHECK(S_ISREG(st.st_mode));
	IS(st.st_mode & 0777, 0777);
	IS(st.st_nlink, 0);
	IS(st.st_size, 0);
	IS(write(fd, "words", 5), 5);
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	NEED(p != MAP_FAILED);
	p[0] = 'W';
	IS(pread(fd, text, 5, 0), 5);
	CHECK(!memcmp(text, "Words", 5));
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	text[OK(readlink(name, text, sizeof(text) - 1))] = 0;
	IS_STR(text, "/memfd:hello (deleted)");
	again = OK(open(name, O_RDONLY));
	IS(read(again, text, 9), 5);
	FAILS(memfd("x", 1 << 30), EINVAL);
	FAILS(memfd(opaque(8), 0), EFAULT);
	memset(longest, 'x', 250);
	longest[250] = 0;
	FAILS(memfd(longest, 0), EINVAL);
	longest[249] = 0;
	close(OK(memfd(longest, 0)));
	fd = OK(memfd("program", 1));
	self = OK(open("/proc/self/exe", O_RDONLY));
	while ((n = read(self, text, sizeof(text))) > 0)
		NEED(write(fd, text, n) == n);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	again = OK(open(name, O_RDONLY | O_CLOEXEC));
	close(fd); /* nobody may have it open for writing */
	IS(CHILD(syscall(SYS_execveat, again, "", exec_argv, NULL, AT_EMPTY_PATH)), EXITED(23));
}

TEST(seals, "[P9] seals: what a memfd is sealed against fails, and stays so")
{
	int fd = OK(memfd("sealed", ALLOW_SEALING)), plain = OK(memfd("plain", 0)), fds[2];
	u8 *p;

	IS(fcntl(fd, F_GET_SEALS), 0);
	IS(fcntl(plain, F_GET_SEALS), SEAL_SEAL);
	FAILS(fcntl(plain, F_ADD_SEALS, SEAL_GROW), EPERM);
	FAILS(fcntl(fd, F_ADD_SEALS, 1 << 10), EINVAL);
	OK(pipe(fds));
	FAILS(fcntl(fds[1], F_ADD_SEALS, SEAL_GROW), EINVAL);
	FAILS(fcntl(fds[1], F_GET_SEALS), EINVAL);
	OK(ftruncate(fd, 2 * PAGE));
	OK(fcntl(fd, F_ADD_SEALS, SEAL_SHRINK));
	FAILS(ftruncate(fd, PAGE), EPERM);
	OK(ftruncate(fd, 3 * PAGE));
	OK(fcntl(fd, F_ADD_SEALS, SEAL_GROW));
	FAILS(ftruncate(fd, 4 * PAGE), EPERM);
	FAILS(pwrite(fd, "xx", 2, 3 * PAGE), EPERM);
	IS(pwrite(fd, "xx", 2, 0), 2);
	FAILS(fallocate(fd, 0, 0, 4 * PAGE), EPERM);
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	NEED(p != MAP_FAILED);
	FAILS(fcntl(fd, F_ADD_SEALS, SEAL_WRITE), EBUSY);
	OK(munmap(p, PAGE));
	OK(fcntl(fd, F_ADD_SEALS, SEAL_WRITE));
	FAILS(pwrite(fd, "xx", 2, 0), EPERM);
	FAILS(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), EPERM);
	p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	NEED(p != MAP_FAILED);
	FAILS(mprotect(p, PAGE, PROT_READ | PROT_WRITE), EACCES);
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	NEED(p != MAP_FAILED);
	p[0] = 'y';
	IS(fcntl(fd, F_GET_SEALS), SEAL_SHRINK | SEAL_GROW | SEAL_WRITE);
	OK(fcntl(fd, F_ADD_SEALS, SEAL_SEAL));
	FAILS(fcntl(fd, F_ADD_SEALS, SEAL_FUTURE_WRITE), EPERM);
}

TEST(future, "[P9] F_SEAL_FUTURE_WRITE leaves the mappings that there are writable")
{
	int fd = OK(memfd("sealed", ALLOW_SEALING));
	u8 *p;

	OK(ftruncate(fd, PAGE));
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	NEED(p != MAP_FAILED);
	OK(fcntl(fd, F_ADD_SEALS, SEAL_FUTURE_WRITE));
	p[0] = 'x';
	FAILS(pwrite(fd, "xx", 2, 0), EPERM);
	FAILS(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), EPERM);
}
