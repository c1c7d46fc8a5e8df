/* poll and select, descriptor duplication, fcntl, locks. */
#include "testsuite/prog/tap.h"

#include <poll.h>
#include <sys/file.h>
#include <sys/select.h>

static short ready(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	OK(poll(&p, 1, 0));
	return p.revents;
}

TEST(pipe_states, "[P9] poll of a pipe: readable, writable, full, ended")
{
	static u8 big[65536];
	int fds[2];

	OK(pipe2(fds, O_NONBLOCK));
	IS(ready(fds[0], POLLIN | POLLOUT), 0);
	IS(ready(fds[1], POLLIN | POLLOUT), POLLOUT);
	IS(write(fds[1], big, 65536), 65536);
	IS(ready(fds[0], POLLIN), POLLIN);
	IS(ready(fds[1], POLLOUT), 0);
	IS(read(fds[0], big, 65536), 65536);
	IS(ready(fds[1], POLLOUT), POLLOUT);
	IS(write(fds[1], "x", 1), 1);
	close(fds[1]);
	IS(ready(fds[0], POLLIN), POLLIN | POLLHUP);
	IS(read(fds[0], big, 1), 1);
	IS(ready(fds[0], POLLIN), POLLHUP);
	IS(ready(fds[0], 0), POLLHUP);
	OK(pipe(fds));
	close(fds[0]);
	IS(ready(fds[1], POLLOUT), POLLOUT | POLLERR);
}

TEST(others, "[P9] poll of files and devices is ready, of bad descriptors POLLNVAL, of negative ones nothing")
{
	enter_scratch();
	IS(ready(make_file("file", "x", 1, 0600), POLLIN | POLLOUT), POLLIN | POLLOUT);
	IS(ready(OK(open("/dev/null", O_RDWR)), POLLIN | POLLOUT), POLLIN | POLLOUT);
	IS(ready(999, POLLIN), POLLNVAL);
	IS(ready(-1, POLLIN), 0);
}

TEST(timeouts, "[P9] poll and select wait their time when nothing comes")
{
	struct timeval tv = {0, 50000};
	struct timespec ts = {0, 50000000};
	int fds[2];
	struct pollfd p;
	fd_set set;
	u64 start;

	OK(pipe(fds));
	p = (struct pollfd){.fd = fds[0], .events = POLLIN};
	start = now_ns();
	IS(poll(&p, 1, 50), 0);
	CHECK(now_ns() - start >= 50000000);
	start = now_ns();
	IS(ppoll(&p, 1, &ts, NULL), 0);
	CHECK(now_ns() - start >= 50000000);
	FD_ZERO(&set);
	FD_SET(fds[0], &set);
	start = now_ns();
	IS(select(fds[0] + 1, &set, NULL, NULL, &tv), 0);
	CHECK(now_ns() - start >= 50000000);
	CHECK(!FD_ISSET(fds[0], &set));
	IS(poll(NULL, 0, 10), 0);
}

TEST(woken, "[P9] poll without a time limit wakes when data, room or an end comes")
{
	static u8 big[65536];
	int fds[2];
	struct pollfd p;
	pid_t child;

	OK(pipe(fds));
	p = (struct pollfd){.fd = fds[0], .events = POLLIN};
	child = SPAWN(sleep_ms(50); NEED(write(fds[1], "x", 1) == 1));
	IS(poll(&p, 1, -1), 1);
	IS(p.revents, POLLIN);
	IS(wait_status(child), EXITED(0));
	NEED(read(fds[0], big, 1) == 1);
	NEED(write(fds[1], big, 65536) == 65536);
	p = (struct pollfd){.fd = fds[1], .events = POLLOUT};
	child = SPAWN(sleep_ms(50); NEED(read(fds[0], big, 65536) == 65536));
	IS(poll(&p, 1, -1), 1);
	IS(p.revents, POLLOUT);
	IS(wait_status(child), EXITED(0));
	child = SPAWN(close(fds[0]); sleep_ms(50));
	close(fds[1]);
	p = (struct pollfd){.fd = fds[0], .events = POLLIN};
	IS(poll(&p, 1, -1), 1);
	IS(p.revents, POLLHUP);
	IS(wait_status(child), EXITED(0));
}

TEST(many, "[P9] poll of a hundred pipes finds the three that are ready")
{
	enum {
		N = 100
	};
	struct pollfd p[N];
	int fds[N][2];

	for (u32 i = 0; i < N; i++) {
		OK(pipe(fds[i]));
		p[i] = (struct pollfd){.fd = fds[i][0], .events = POLLIN};
	}
	NEED(write(fds[3][1], "x", 1) == 1 && write(fds[50][1], "x", 1) == 1 &&
	     write(fds[99][1], "x", 1) == 1);
	IS(poll(p, N, -1), 3);
	for (u32 i = 0; i < N; i++)
		IS(p[i].revents, i == 3 || i == 50 || i == 99 ? POLLIN : 0);
}

TEST(select_sets, "[P9] select: three sets, their count, EBADF, EINVAL")
{
	struct timeval none = {0, 0}, bad = {0, -1};
	fd_set rd, wr, ex;
	int fds[2];

	OK(pipe(fds));
	NEED(write(fds[1], "x", 1) == 1);
	FD_ZERO(&rd);
	FD_ZERO(&wr);
	FD_ZERO(&ex);
	FD_SET(fds[0], &rd);
	FD_SET(fds[1], &rd);
	FD_SET(fds[1], &wr);
	FD_SET(fds[0], &ex);
	IS(select(fds[1] + 1, &rd, &wr, &ex, &none), 2);
	CHECK(FD_ISSET(fds[0], &rd) && !FD_ISSET(fds[1], &rd) && FD_ISSET(fds[1], &wr) &&
	      !FD_ISSET(fds[0], &ex));
	FD_SET(60, &rd); /* Linux ignores what lies beyond the table: that holds 64 at least */
	FAILS(select(61, &rd, NULL, NULL, &none), EBADF);
	FAILS(syscall(SYS_select, -1, NULL, NULL, NULL, &none), EINVAL);
	FAILS(syscall(SYS_select, 0, NULL, NULL, NULL, &bad), EINVAL);
}

TEST(limits, "[P9] poll of more than the descriptor limit: EINVAL")
{
	FAILS(syscall(SYS_poll, pages(64, PROT_READ | PROT_WRITE), 30000, 0), EINVAL);
}

/* --- duplicating --- */

TEST(dups, "[P9] dup, dup2, dup3, F_DUPFD: which number, which flags, which errors")
{
	int fd = OK(open("/dev/null", O_RDWR | O_CLOEXEC)), copy;

	copy = OK(dup(fd));
	IS(fcntl(copy, F_GETFD), 0);
	IS(dup2(fd, 100), 100);
	IS(fcntl(100, F_GETFD), 0);
	IS(dup2(fd, fd), fd);
	IS(fcntl(fd, F_GETFD), FD_CLOEXEC);
	FAILS(dup2(999, 999), EBADF);
	FAILS(dup2(fd, -1), EBADF);
	FAILS(dup(999), EBADF);
	FAILS(syscall(SYS_dup3, fd, fd, 0), EINVAL);
	FAILS(syscall(SYS_dup3, fd, 101, 1), EINVAL);
	IS(dup3(fd, 101, O_CLOEXEC), 101);
	IS(fcntl(101, F_GETFD), FD_CLOEXEC);
	IS(fcntl(fd, F_DUPFD, 110), 110);
	IS(fcntl(fd, F_DUPFD, 110), 111);
	IS(fcntl(fd, F_DUPFD_CLOEXEC, 120), 120);
	IS(fcntl(120, F_GETFD), FD_CLOEXEC);
	FAILS(fcntl(fd, F_DUPFD, -1), EINVAL);
	FAILS(fcntl(fd, F_DUPFD, 1 << 30), EINVAL);
	FAILS(fcntl(999, F_DUPFD, 0), EBADF);
	FAILS(fcntl(fd, 9999, 0), EINVAL);
}

TEST(dup2_closes, "[P9] dup2 closes what was there: the pipe's other end notices")
{
	int fds[2];
	char c;

	OK(pipe(fds));
	OK(dup2(fds[0], fds[1]));
	IS(read(fds[0], &c, 1), 0);
}

TEST(status_flags, "[P9] F_SETFL changes O_APPEND and O_NONBLOCK, not the access mode")
{
	int fd;

	enter_scratch();
	fd = make_file("file", "abc", 3, 0600);
	OK(fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK | O_WRONLY | O_CREAT));
	IS(fcntl(fd, F_GETFL) & (O_APPEND | O_NONBLOCK | O_ACCMODE | O_CREAT),
	   O_APPEND | O_NONBLOCK | O_RDWR);
	IS(write(fd, "d", 1), 1);
	IS(lseek(fd, 0, SEEK_CUR), 4);
}

TEST(path_descriptor, "[P9] O_PATH: only the name, not the contents")
{
	struct stat st;
	char c;
	int fd;

	enter_scratch();
	make_closed_file("file", "x", 1, 0600);
	fd = open("file", O_PATH);
	NEED(fd >= 0);
	FAILS(read(fd, &c, 1), EBADF);
	FAILS(syscall(SYS_fchmod, fd, 0700), EBADF);
	OK(fstat(fd, &st));
	IS(fcntl(fd, F_GETFL) & O_PATH, O_PATH);
}

/* --- locks --- */

static struct flock range(int type, off_t start, off_t len)
{
	return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
}

TEST(record_locks, "[P9] fcntl locks: shared, exclusive, split, asked for, gone with the process")
{
	struct flock l;
	int fd;

	enter_scratch();
	fd = make_file("file", "0123456789", 10, 0600);
	l = range(F_WRLCK, 2, 4);
	OK(fcntl(fd, F_SETLK, &l));
	IS(CHILD({
		   l = range(F_WRLCK, 5, 1);
		   FAILS(fcntl(fd, F_SETLK, &l), EAGAIN);
		   l = range(F_RDLCK, 0, 3);
		   FAILS(fcntl(fd, F_SETLK, &l), EAGAIN);
		   l = range(F_RDLCK, 0, 2);
		   OK(fcntl(fd, F_SETLK, &l));
		   l = range(F_WRLCK, 0, 0);
		   OK(fcntl(fd, F_GETLK, &l));
		   IS(l.l_type, F_WRLCK);
		   IS(l.l_start, 2);
		   IS(l.l_len, 4);
		   IS(l.l_pid, getppid());
	   }),
	   EXITED(0));
	l = range(F_WRLCK, 0, 2); /* the child's is gone */
	OK(fcntl(fd, F_SETLK, &l));
	l = range(F_UNLCK, 3, 1);
	OK(fcntl(fd, F_SETLK, &l));
	IS(CHILD({
		   l = range(F_WRLCK, 3, 1);
		   OK(fcntl(fd, F_SETLK, &l));
		   l = range(F_WRLCK, 4, 1);
		   FAILS(fcntl(fd, F_SETLK, &l), EAGAIN);
	   }),
	   EXITED(0));
	close(dup(fd)); /* closing any descriptor of the file gives up all */
	IS(CHILD({
		   l = range(F_WRLCK, 0, 0);
		   OK(fcntl(fd, F_SETLK, &l));
	   }),
	   EXITED(0));
}

TEST(waiting_lock, "[P9] F_SETLKW waits until the lock is free; a signal interrupts it")
{
	struct flock l;
	pid_t child;
	int fd;

	enter_scratch();
	fd = make_file("file", "x", 1, 0600);
	l = range(F_WRLCK, 0, 0);
	OK(fcntl(fd, F_SETLK, &l));
	child = SPAWN({
		l = range(F_WRLCK, 0, 0);
		OK(fcntl(fd, F_SETLKW, &l));
	});
	sleep_ms(50);
	int status;

	IS(waitpid(child, &status, WNOHANG), 0);
	l = range(F_UNLCK, 0, 0);
	OK(fcntl(fd, F_SETLK, &l));
	IS(wait_status(child), EXITED(0));
}

TEST(whole_file_locks, "[P9] flock: shared, exclusive, converted, by description, not by process")
{
	int a, b;

	enter_scratch();
	a = make_file("file", "x", 1, 0600);
	b = OK(open("file", O_RDWR));
	OK(flock(a, LOCK_SH));
	OK(flock(b, LOCK_SH | LOCK_NB));
	FAILS(flock(a, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	OK(flock(b, LOCK_UN));
	OK(flock(a, LOCK_EX | LOCK_NB));
	FAILS(flock(b, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	IS(CHILD(OK(flock(a, LOCK_EX | LOCK_NB)); FAILS(flock(b, LOCK_EX | LOCK_NB), EWOULDBLOCK)),
	   EXITED(0));
	close(a);
	OK(flock(b, LOCK_EX | LOCK_NB));
	FAILS(flock(b, 0), EINVAL);
	FAILS(flock(999, LOCK_SH), EBADF);
}
