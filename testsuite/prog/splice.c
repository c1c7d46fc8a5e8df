/* splice, tee, vmsplice; openat2; times of old. */
#include "testsuite/prog/tap.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>

static int a[2], b[2];

static void pipes(void)
{
	OK(pipe(a));
	OK(pipe(b));
}

static void holds(int fd, const char *want)
{
	char text[64] = {0};

	IS(read(fd, text, sizeof(text) - 1), strlen(want));
	IS_STR(text, want);
}

TEST(between_pipes, "[P9] splice moves bytes from pipe to pipe, tee leaves them where they were")
{
	pipes();
	NEED(write(a[1], "hello world", 11) == 11);
	IS(tee(a[0], b[1], 5, 0), 5);
	holds(b[0], "hello");
	IS(splice(a[0], NULL, b[1], NULL, 6, 0), 6);
	IS(splice(a[0], NULL, b[1], NULL, 100, 0), 5);
	holds(b[0], "hello world");
	FAILS(splice(a[0], NULL, b[1], NULL, 1, SPLICE_F_NONBLOCK), EAGAIN);
	FAILS(tee(a[0], b[1], 1, SPLICE_F_NONBLOCK), EAGAIN);
	FAILS(splice(a[0], NULL, a[1], NULL, 1, 0), EINVAL);
	close(a[1]);
	IS(splice(a[0], NULL, b[1], NULL, 1, 0), 0);
	IS(tee(a[0], b[1], 1, 0), 0);
}

TEST(full, "[P9] splice between pipes whose slots are used up, at odd offsets: nothing is lost or changed")
{
	static u8 big[200000], out[200000];
	u32 got = 0, n;
	pid_t writer, mover;

	for (u32 i = 0; i < sizeof(big); i++)
		big[i] = i * 13 + i / 999;
	pipes();
	writer = SPAWN(close(a[0]); for (u32 at = 0; at < sizeof(big); at += n) {
		n = 1 + at % 7000;
		n = n < sizeof(big) - at ? n : sizeof(big) - at;
		NEED(write(a[1], big + at, n) == (ssize_t)n);
	});
	mover = SPAWN(close(a[1]); while (splice(a[0], NULL, b[1], NULL, 5001, 0) > 0););
	close(a[0]);
	close(a[1]);
	close(b[1]);
	for (ssize_t r; got < sizeof(out); got += r)
		NEED((r = read(b[0], out + got, 777)) > 0 || got == sizeof(out));
	CHECK(!memcmp(big, out, sizeof(big)));
	IS(read(b[0], out, 1), 0);
	IS(wait_status(writer), EXITED(0));
	IS(wait_status(mover), EXITED(0));
}

TEST(files, "[P9] splice between files and pipes, at the file's offset or a given one")
{
	loff_t off = 4;
	int fd, sv[2];

	enter_scratch();
	pipes();
	fd = make_file("file", "0123456789", 10, 0600);
	IS(splice(fd, &off, a[1], NULL, 3, 0), 3);
	IS(off, 7);
	IS(lseek(fd, 0, SEEK_CUR), 0);
	IS(splice(fd, NULL, a[1], NULL, 100, 0), 10);
	IS(splice(fd, NULL, a[1], NULL, 100, 0), 0);
	holds(a[0], "4560123456789");
	NEED(write(a[1], "abc", 3) == 3);
	off = 2;
	IS(splice(a[0], NULL, fd, &off, 10, 0), 3);
	IS(off, 5);
	lseek(fd, 0, SEEK_SET);
	holds(fd, "01abc56789");
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	NEED(write(a[1], "to a socket", 11) == 11);
	IS(splice(a[0], NULL, sv[0], NULL, 100, 0), 11);
	IS(splice(sv[1], NULL, a[1], NULL, 100, 0), 11);
	holds(a[0], "to a socket");
}

TEST(refused, "[P9] what splice, tee and vmsplice refuse")
{
	loff_t off = 0;
	struct iovec iov = {"x", 1};
	int fd, appends;

	enter_scratch();
	pipes();
	signal(SIGPIPE, SIG_IGN);
	fd = make_file("file", "0123456789", 10, 0600);
	appends = OK(open("file", O_WRONLY | O_APPEND));
	FAILS(splice(fd, NULL, fd, NULL, 1, 0), EINVAL);
	FAILS(splice(a[1], NULL, b[1], NULL, 1, 0), EBADF);
	FAILS(splice(99, NULL, b[1], NULL, 1, 0), EBADF);
	FAILS(splice(fd, NULL, a[1], &off, 1, 0), ESPIPE);
	FAILS(splice(a[0], &off, fd, NULL, 1, 0), ESPIPE);
	FAILS(splice(fd, NULL, a[1], NULL, 1, 64), EINVAL);
	IS(splice(fd, NULL, a[1], NULL, 0, 0), 0);
	NEED(write(a[1], "x", 1) == 1);
	FAILS(splice(a[0], NULL, appends, NULL, 1, 0), EINVAL);
	FAILS(splice(OK(open(".", O_RDONLY)), NULL, a[1], NULL, 1, 0), EINVAL);
	FAILS(tee(fd, a[1], 1, 0), EINVAL);
	FAILS(vmsplice(fd, &iov, 1, 0), EBADF);
	FAILS(vmsplice(a[1], opaque(8), 1, 0), EFAULT);
	close(b[0]);
	FAILS(splice(fd, NULL, b[1], NULL, 1, 0), EPIPE);
	FAILS(splice(a[0], NULL, b[1], NULL, 1, 0), EPIPE);
	IS(lseek(fd, 0, SEEK_CUR), 0);
}

TEST(memory, "[P9] vmsplice puts memory into a pipe, and takes it out")
{
	char one[8] = {0}, two[8] = {0};
	struct iovec out[2] = {{"hello", 5}, {"world", 5}}, in[2] = {{one, 5}, {two, 5}};
	static u8 big[70000] __attribute__((aligned(4096)));
	struct iovec much = {big, sizeof(big)};

	pipes();
	IS(vmsplice(a[1], out, 2, 0), 10);
	IS(vmsplice(a[0], in, 2, 0), 10);
	IS_STR(one, "hello");
	IS_STR(two, "world");
	IS(vmsplice(a[1], &much, 1, SPLICE_F_NONBLOCK), 65536);
	FAILS(vmsplice(a[1], &much, 1, SPLICE_F_NONBLOCK), EAGAIN);
}

/* --- openat2 --- */

struct how { /* openat2(2) */
	u64 flags, mode, resolve, more;
};

static int open2(const char *path, u64 flags, u64 mode, u64 resolve, u64 more, size_t size)
{
	struct how how = {flags, mode, resolve, more};

	return syscall(SYS_openat2, AT_FDCWD, path, &how, size);
}

TEST(opened,
     "[P9] openat2 opens as openat does, refuses what it does not know, and follows no link when told so")
{
	enter_scratch();
	make_closed_file("file", "x", 1, 0600);
	OK(symlink("file", "link"));
	OK(symlink(".", "here"));
	CHECK(OK(open2("file", O_RDWR, 0, 0, 0, 24)) >= 0);
	CHECK(OK(open2("new", O_RDWR | O_CREAT, 0640, 0, 0, 32)) >= 0);
	CHECK(OK(open2("link", O_RDONLY, 0, 0, 0, 24)) >= 0);
	FAILS(open2("link", O_RDONLY, 0, 4, 0, 24), ELOOP);
	FAILS(open2("here/file", O_RDONLY, 0, 4, 0, 24), ELOOP);
	FAILS(open2("file", O_RDONLY, 0600, 0, 0, 24), EINVAL);
	FAILS(open2("file", 1UL << 40, 0, 0, 0, 24), EINVAL);
	FAILS(open2("file", O_RDONLY, 0, 1UL << 40, 0, 24), EINVAL);
	FAILS(open2("file", O_RDONLY, 0, 0, 0, 23), EINVAL);
	FAILS(open2("file", O_RDONLY, 0, 0, 1, 32), E2BIG);
	FAILS(open2("file", O_RDONLY, 0, 0, 0, 5000), E2BIG);
	FAILS(syscall(SYS_openat2, AT_FDCWD, "file", 8UL, 24UL), EFAULT);
}

TEST(times, "[P9] utimes and futimesat set times to microseconds")
{
	struct timeval tv[2] = {{1000, 5}, {2000, 999999}};
	struct stat st;

	enter_scratch();
	make_closed_file("file", "x", 1, 0600);
	OK(syscall(SYS_utimes, "file", tv));
	OK(stat("file", &st));
	IS(st.st_atim.tv_sec, 1000);
	IS(st.st_atim.tv_nsec, 5000);
	IS(st.st_mtim.tv_nsec, 999999000);
	tv[1].tv_usec = 1000000;
	FAILS(syscall(SYS_futimesat, AT_FDCWD, "file", tv), EINVAL);
	OK(syscall(SYS_futimesat, AT_FDCWD, "file", NULL));
	OK(stat("file", &st));
	CHECK(st.st_mtim.tv_sec > 2000);
}
