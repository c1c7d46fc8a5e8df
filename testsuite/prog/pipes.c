/* Pipes and FIFOs: order, atomicity, ends, blocking. */
#include "testsuite/prog/tap.h"

#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#define CAPACITY 65536

static int queued(int fd)
{
	int n = -1;

	OK(ioctl(fd, FIONREAD, &n));
	return n;
}

TEST(in_order, "[P9] bytes come out in the order in which they went in, through many wrap-arounds")
{
	u8 in[1000], out[1000];
	int fds[2];
	u8 next_in = 0, next_out = 0;

	OK(pipe(fds));
	for (u32 round = 0; round < 500; round++) {
		u32 n = 1 + round * 37 % 1000;

		for (u32 i = 0; i < n; i++)
			in[i] = next_in++;
		IS(write(fds[1], in, n), n);
		IS(read(fds[0], out, n), n);
		for (u32 i = 0; i < n; i++)
			CHECK(out[i] == next_out++);
	}
}

TEST(big_transfer, "[P9] a megabyte through a pipe between two processes arrives unchanged")
{
	static u8 buf[10000];
	u64 total = 0;
	int fds[2];
	ssize_t n;
	pid_t child;

	OK(pipe(fds));
	child = SPAWN({
		close(fds[0]);
		for (u32 i = 0; i < 128; i++) {
			static u8 block[8192];

			for (u32 k = 0; k < 8192; k++)
				block[k] = (i * 8192 + k) * 7 >> 3;
			NEED(write(fds[1], block, 8192) == 8192);
		}
	});
	close(fds[1]);
	while ((n = read(fds[0], buf, sizeof(buf))) > 0)
		for (ssize_t i = 0; i < n; i++, total++)
			CHECK(buf[i] == (u8)(total * 7 >> 3));
	IS(n, 0);
	IS(total, 1048576);
	IS(wait_status(child), EXITED(0));
}

TEST(what_is_there, "[P9] read gives what is there, without waiting for more")
{
	char buf[100];
	int fds[2];

	OK(pipe(fds));
	IS(write(fds[1], "abc", 3), 3);
	IS(write(fds[1], "de", 2), 2);
	IS(queued(fds[0]), 5);
	IS(read(fds[0], buf, 4), 4);
	CHECK(!memcmp(buf, "abcd", 4));
	IS(read(fds[0], buf, 100), 1);
	IS(buf[0], 'e');
	IS(queued(fds[0]), 0);
}

TEST(capacity, "[P9] a pipe takes 64 KiB; then EAGAIN, or it waits")
{
	static u8 big[CAPACITY + 100];
	int fds[2];
	pid_t child;

	OK(pipe2(fds, O_NONBLOCK));
	IS(write(fds[1], big, sizeof(big)), CAPACITY);
	FAILS(write(fds[1], big, 1), EAGAIN);
	IS(queued(fds[0]), CAPACITY);
	OK(fcntl(fds[1], F_SETFL, 0));
	child = SPAWN(IS(write(fds[1], big, 8192), 8192));
	sleep_ms(50);
	int status;

	IS(waitpid(child, &status, WNOHANG), 0);
	IS(read(fds[0], big, 8192), 8192);
	IS(wait_status(child), EXITED(0));
}

TEST(atomic_nonblocking, "[P9] a non-blocking write of up to 4096 bytes goes in whole or not at all")
{
	static u8 big[CAPACITY];
	int fds[2];

	OK(pipe2(fds, O_NONBLOCK));
	IS(write(fds[1], big, CAPACITY - 100), CAPACITY - 100);
	FAILS(write(fds[1], big, 4096), EAGAIN);
	IS(queued(fds[0]), CAPACITY - 100);
	IS(read(fds[0], big, 8192), 8192);
	IS(write(fds[1], big, 4096), 4096);
}

TEST(atomic_writers, "[P9] writes of up to PIPE_BUF by several writers are not mixed")
{
	static u8 block[PIPE_BUF];
	u32 seen[4] = {0};
	pid_t child[4];
	int fds[2];

	OK(pipe(fds));
	for (u32 i = 0; i < 4; i++)
		child[i] = SPAWN({
			memset(block, 'a' + i, PIPE_BUF);
			for (u32 k = 0; k < 30; k++)
				NEED(write(fds[1], block, PIPE_BUF) == PIPE_BUF);
		});
	close(fds[1]);
	for (u32 r = 0; r < 120; r++) {
		u32 got = 0;

		while (got < PIPE_BUF)
			got += OK(read(fds[0], block + got, PIPE_BUF - got));
		for (u32 k = 1; k < PIPE_BUF; k++)
			CHECK(block[k] == block[0]);
		seen[block[0] - 'a']++;
	}
	for (u32 i = 0; i < 4; i++) {
		IS(seen[i], 30);
		IS(wait_status(child[i]), EXITED(0));
	}
}

TEST(ends, "[P9] read at the end is 0, after what was left; write without reader is EPIPE")
{
	char buf[10];
	int fds[2];

	signal(SIGPIPE, SIG_IGN);
	OK(pipe(fds));
	IS(write(fds[1], "rest", 4), 4);
	OK(close(fds[1]));
	IS(read(fds[0], buf, 10), 4);
	IS(read(fds[0], buf, 10), 0);
	IS(read(fds[0], buf, 10), 0);
	OK(pipe(fds));
	OK(close(fds[0]));
	FAILS(write(fds[1], "x", 1), EPIPE);
}

TEST(reader_leaves, "[P9] a writer that waits is told when the last reader leaves")
{
	static u8 big[CAPACITY * 2];
	int fds[2];
	pid_t child;

	OK(pipe(fds));
	child = SPAWN({
		close(fds[0]);
		write(fds[1], big, sizeof(big));
	});
	close(fds[1]);
	sleep_ms(50);
	close(fds[0]);
	IS(wait_status(child), KILLED(SIGPIPE));
}

TEST(nonblocking, "[P9] O_NONBLOCK: an empty pipe is EAGAIN, an ended one 0")
{
	char c;
	int fds[2];

	OK(pipe2(fds, O_NONBLOCK | O_CLOEXEC));
	IS(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
	IS(fcntl(fds[0], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	FAILS(read(fds[0], &c, 1), EAGAIN);
	close(fds[1]);
	IS(read(fds[0], &c, 1), 0);
	FAILS(pipe2(fds, 0x1000000), EINVAL);
}

TEST(wrong_end, "[P9] reading the write end, writing the read end, seeking: errors")
{
	char c;
	int fds[2];

	OK(pipe(fds));
	FAILS(read(fds[1], &c, 1), EBADF);
	FAILS(write(fds[0], "x", 1), EBADF);
	FAILS(lseek(fds[0], 0, SEEK_CUR), ESPIPE);
	FAILS(pread(fds[0], &c, 1, 0), ESPIPE);
	FAILS(pwrite(fds[1], &c, 1, 0), ESPIPE);
	FAILS(ftruncate(fds[1], 0), EINVAL);
	struct stat st;

	OK(fstat(fds[0], &st));
	CHECK(S_ISFIFO(st.st_mode));
}

TEST(vectors, "[P9] writev and readv on a pipe")
{
	char a[4] = {0}, b[4] = {0};
	struct iovec out[2] = {{"abc", 3}, {"def", 3}}, in[2] = {{a, 2}, {b, 3}};
	int fds[2];

	OK(pipe(fds));
	IS(writev(fds[1], out, 2), 6);
	IS(readv(fds[0], in, 2), 5);
	IS_STR(a, "ab");
	IS_STR(b, "cde");
}

TEST(chain, "[P9] a byte goes round a ring of thirty processes")
{
	enum {
		N = 30
	};
	int fds[N + 1][2];
	pid_t child[N];
	u8 c = 0;

	for (u32 i = 0; i <= N; i++)
		OK(pipe(fds[i]));
	for (u32 i = 0; i < N; i++)
		child[i] = SPAWN({
			for (u32 k = 0; k < 20; k++) {
				NEED(read(fds[i][0], &c, 1) == 1);
				c++;
				NEED(write(fds[i + 1][1], &c, 1) == 1);
			}
		});
	for (u32 k = 0; k < 20; k++) {
		c = k;
		NEED(write(fds[0][1], &c, 1) == 1);
		NEED(read(fds[N][0], &c, 1) == 1);
		IS(c, k + N);
	}
	for (u32 i = 0; i < N; i++)
		IS(wait_status(child[i]), EXITED(0));
}

TEST(ping_pong, "[P11] two thousand turns between two processes, no wake-up lost")
{
	int a[2], b[2];
	char c = 0;
	pid_t child;

	OK(pipe(a));
	OK(pipe(b));
	child = SPAWN({
		for (u32 i = 0; i < 2000; i++) {
			NEED(read(a[0], &c, 1) == 1);
			NEED(write(b[1], &c, 1) == 1);
		}
	});
	for (u32 i = 0; i < 2000; i++) {
		NEED(write(a[1], &c, 1) == 1);
		NEED(read(b[0], &c, 1) == 1);
	}
	IS(wait_status(child), EXITED(0));
}

TEST(many_readers, "[P9] several readers of one pipe: each byte is read once")
{
	volatile u32 *got = shared_pages(1);
	pid_t child[5];
	int fds[2];
	char c;

	OK(pipe(fds));
	for (u32 i = 0; i < 5; i++)
		child[i] = SPAWN({
			close(fds[1]);
			while (read(fds[0], &c, 1) == 1)
				__sync_fetch_and_add(&got[(u8)c], 1);
		});
	for (u32 i = 0; i < 200; i++) {
		c = i;
		NEED(write(fds[1], &c, 1) == 1);
	}
	close(fds[1]);
	for (u32 i = 0; i < 5; i++)
		IS(wait_status(child[i]), EXITED(0));
	for (u32 i = 0; i < 200; i++)
		IS(got[i], 1);
}

/* --- FIFOs --- */

TEST(fifo_opens, "[P9] a FIFO: open waits for the other end; O_NONBLOCK does not")
{
	char c = 0;
	int rd, wr;
	pid_t child;

	enter_scratch();
	OK(mkfifo("fifo", 0600));
	FAILS(open("fifo", O_WRONLY | O_NONBLOCK), ENXIO);
	rd = OK(open("fifo", O_RDONLY | O_NONBLOCK));
	IS(read(rd, &c, 1), 0); /* no writer yet */
	wr = OK(open("fifo", O_WRONLY | O_NONBLOCK));
	FAILS(read(rd, &c, 1), EAGAIN);
	IS(write(wr, "f", 1), 1);
	IS(read(rd, &c, 1), 1);
	close(rd);
	close(wr);
	child = SPAWN({
		int fd = OK(open("fifo", O_WRONLY));

		IS(write(fd, "g", 1), 1);
	});
	rd = OK(open("fifo", O_RDONLY));
	IS(read(rd, &c, 1), 1);
	IS(c, 'g');
	IS(read(rd, &c, 1), 0);
	IS(wait_status(child), EXITED(0));
}

TEST(fifo_both, "[P9] a FIFO opened for reading and writing does not wait")
{
	char c = 0;
	int fd;

	enter_scratch();
	OK(mkfifo("fifo", 0600));
	fd = OK(open("fifo", O_RDWR));
	IS(write(fd, "b", 1), 1);
	IS(read(fd, &c, 1), 1);
	IS(c, 'b');
}

TEST(fifo_interrupted, "[P9] an open that waits for the other end is interrupted by a signal")
{
	struct sigaction act = {.sa_handler = SIG_DFL};
	pid_t child;

	enter_scratch();
	OK(mkfifo("fifo", 0600));
	sigaction(SIGUSR1, &act, NULL);
	child = SPAWN(open("fifo", O_RDONLY));
	sleep_ms(50);
	OK(kill(child, SIGUSR1));
	IS(wait_status(child), KILLED(SIGUSR1));
}

/* --- /proc/self/fd --- */

TEST(reopened, "[P9] /dev/fd and /proc/self/fd open a pipe's end again")
{
	char name[32], c = 0;
	int fds[2], again;

	OK(pipe(fds));
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fds[0]);
	SKIP_IF(access(name, F_OK) < 0, "no /proc/self/fd");
	again = OK(open(name, O_RDONLY));
	IS(write(fds[1], "x", 1), 1);
	IS(read(again, &c, 1), 1);
	IS(c, 'x');
	char text[64] = {0};

	CHECK(readlink(name, text, sizeof(text) - 1) > 0);
	CHECK(!strncmp(text, "pipe:[", 6));
}
