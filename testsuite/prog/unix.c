/* cflags: -pthread */
/* Sockets of AF_UNIX: streams, datagrams, packets; names; files and credentials along the way. */
#include "testsuite/prog/tap.h"

#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

static int sv[2];

static void pair(int type)
{
	OK(socketpair(AF_UNIX, type, 0, sv));
}

static short ready(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP};

	OK(poll(&p, 1, 0));
	return p.revents;
}

static struct sockaddr_un path_addr(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	strcpy(a.sun_path, path);
	return a;
}

static int bound(int type, const char *path)
{
	struct sockaddr_un a = path_addr(path);
	int fd = OK(socket(AF_UNIX, type, 0));

	OK(bind(fd, (struct sockaddr *)&a, sizeof(a)));
	return fd;
}

static int join(int fd, const char *path)
{
	struct sockaddr_un a = path_addr(path);

	return connect(fd, (struct sockaddr *)&a, sizeof(a));
}

static int joined(int type, const char *path)
{
	int fd = OK(socket(AF_UNIX, type, 0));

	OK(join(fd, path));
	return fd;
}

/* --- making --- */

TEST(made, "[P9] socket and socketpair make what there is and refuse what there is not")
{
	struct stat st;
	int fd, fds[2];

	pair(SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK);
	IS(fcntl(sv[0], F_GETFD), FD_CLOEXEC);
	IS(fcntl(sv[1], F_GETFL), O_RDWR | O_NONBLOCK);
	OK(fstat(sv[0], &st));
	CHECK(S_ISSOCK(st.st_mode));
	fd = OK(socket(AF_UNIX, SOCK_DGRAM, 0));
	IS(fcntl(fd, F_GETFD), 0);
	FAILS(socket(AF_UNIX, 77, 0), EINVAL);
	FAILS(socket(AF_UNIX, SOCK_RDM, 0), ESOCKTNOSUPPORT);
	FAILS(socket(AF_UNIX, SOCK_STREAM, 77), EPROTONOSUPPORT);
	FAILS(socket(100, SOCK_STREAM, 0), EAFNOSUPPORT);
	FAILS(syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, 8UL), EFAULT);
	FAILS(listen(1, 5), ENOTSOCK);
	FAILS(listen(99, 5), EBADF);
	FAILS(lseek(sv[0], 0, SEEK_SET), ESPIPE);
	OK(pipe(fds));
	FAILS(send(fds[1], "x", 1, 0), ENOTSOCK);
	FAILS(send(fd, "x", 1, 0), ENOTCONN);
	fd = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	FAILS(send(fd, "x", 1, MSG_NOSIGNAL), ENOTCONN);
	FAILS(recv(fd, &st, 1, 0), EINVAL);
	IS(ready(fd), POLLOUT | POLLHUP);
}

/* --- streams --- */

TEST(stream, "[P9] a stream: bytes both ways, joined and split at will")
{
	char text[32] = {0};
	int n;

	pair(SOCK_STREAM);
	IS(ready(sv[0]), POLLOUT);
	IS(write(sv[0], "hello ", 6), 6);
	IS(send(sv[0], "world", 5, 0), 5);
	OK(ioctl(sv[1], FIONREAD, &n));
	IS(n, 11);
	IS(ready(sv[1]), POLLIN | POLLOUT);
	IS(recv(sv[1], text, 31, MSG_PEEK), 11);
	IS_STR(text, "hello world");
	memset(text, 0, sizeof(text));
	IS(read(sv[1], text, 4), 4);
	IS_STR(text, "hell");
	IS(read(sv[1], text, 31), 7);
	CHECK(!memcmp(text, "o world", 7));
	FAILS(recv(sv[1], text, 31, MSG_DONTWAIT), EAGAIN);
	IS(write(sv[1], "back", 4), 4);
	IS(read(sv[0], text, 31), 4);
	IS(write(sv[0], "", 0), 0);
	FAILS(recv(sv[1], text, 1, MSG_DONTWAIT), EAGAIN);
	FAILS(send(sv[0], opaque(8), 5, 0), EFAULT);
	FAILS(write(sv[0], opaque(1UL << 63), 5), EFAULT);
	IS(write(sv[0], "abc", 3), 3);
	FAILS(recv(sv[1], opaque(8), 3, 0), EFAULT);
	IS(recv(sv[1], text, 3, 0), 3); /* it was not lost */
}

TEST(ends, "[P9] the end of a stream: what was sent is read, then nothing; a write is EPIPE and SIGPIPE")
{
	char text[8];

	pair(SOCK_STREAM);
	IS(write(sv[0], "last", 4), 4);
	close(sv[0]);
	IS(ready(sv[1]), POLLIN | POLLOUT | POLLHUP | POLLRDHUP);
	IS(read(sv[1], text, 8), 4);
	IS(read(sv[1], text, 8), 0);
	FAILS(send(sv[1], "x", 1, MSG_NOSIGNAL), EPIPE);
	IS(CHILD(write(sv[1], "x", 1)), KILLED(SIGPIPE));
	signal(SIGPIPE, SIG_IGN);
	FAILS(write(sv[1], "x", 1), EPIPE);
	pair(SOCK_STREAM);
	IS(write(sv[0], "lost", 4), 4);
	close(sv[1]); /* with what it had not read */
	IS(ready(sv[0]), POLLIN | POLLOUT | POLLHUP | POLLRDHUP | POLLERR);
	FAILS(read(sv[0], text, 8), ECONNRESET);
	IS(read(sv[0], text, 8), 0);
}

TEST(half, "[P9] shutdown closes one way, for both ends")
{
	char text[8];

	signal(SIGPIPE, SIG_IGN);
	pair(SOCK_STREAM);
	IS(write(sv[0], "x", 1), 1);
	OK(shutdown(sv[0], SHUT_WR));
	FAILS(write(sv[0], "x", 1), EPIPE);
	IS(ready(sv[1]), POLLIN | POLLOUT | POLLRDHUP);
	IS(read(sv[1], text, 8), 1);
	IS(read(sv[1], text, 8), 0);
	IS(write(sv[1], "back", 4), 4);
	IS(read(sv[0], text, 8), 4);
	OK(shutdown(sv[0], SHUT_RD));
	FAILS(write(sv[1], "x", 1), EPIPE);
	IS(read(sv[0], text, 8), 0);
	FAILS(shutdown(sv[0], 3), EINVAL);
	IS(ready(sv[0]), POLLIN | POLLOUT | POLLHUP | POLLRDHUP);
}

TEST(full, "[P9] a full socket: the writer waits, is woken by the reader, and nothing is lost or mixed")
{
	static u8 big[1 << 20];
	u32 got = 0, total = 0;
	pid_t child;
	i64 n;

	for (u32 i = 0; i < sizeof(big); i++)
		big[i] = i * 7 + i / 256;
	pair(SOCK_STREAM);
	OK(fcntl(sv[0], F_SETFL, O_NONBLOCK));
	while ((n = write(sv[0], big, 50000)) > 0)
		total += n;
	CHECK(n < 0 && errno == EAGAIN);
	CHECK(total >= 50000 && total < 1000000);
	IS(ready(sv[0]), 0);
	for (; got < total; got += n)
		NEED((n = read(sv[1], big, sizeof(big))) > 0);
	IS(got, total);
	IS(ready(sv[0]), POLLOUT);
	for (u32 i = 0; i < sizeof(big); i++)
		big[i] = i * 7 + i / 256;
	OK(fcntl(sv[0], F_SETFL, 0));
	child = SPAWN(close(sv[1]); IS(write(sv[0], big, sizeof(big)), sizeof(big)));
	close(sv[0]);
	for (got = 0; got < sizeof(big); got += n) {
		u8 part[3000];

		NEED((n = read(sv[1], part, sizeof(part))) > 0);
		CHECK(!memcmp(part, big + got, n));
	}
	IS(read(sv[1], big, 1), 0);
	IS(wait_status(child), EXITED(0));
}

TEST(all_of_it, "[P9] MSG_WAITALL waits for all of it; time limits end a wait with EAGAIN")
{
	struct timeval tv = {0, 50000};
	char text[8];
	pid_t child;
	u64 start;

	pair(SOCK_STREAM);
	child = SPAWN({
		for (int i = 0; i < 4; i++) {
			sleep_ms(10);
			NEED(write(sv[0], "ab", 2) == 2);
		}
	});
	IS(recv(sv[1], text, 8, MSG_WAITALL), 8);
	CHECK(!memcmp(text, "abababab", 8));
	IS(wait_status(child), EXITED(0));
	OK(setsockopt(sv[1], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	start = now_ns();
	FAILS(read(sv[1], text, 1), EAGAIN);
	CHECK(now_ns() - start >= 50000000);
}

/* --- names and connections --- */

TEST(server, "[P9] bind, listen, connect and accept by path; names on both sides; who is there")
{
	struct sockaddr_un a;
	socklen_t len = sizeof(a);
	struct ucred cred;
	char text[8];
	struct stat st;
	pid_t child;
	int s, c;

	enter_scratch();
	s = bound(SOCK_STREAM, "socket");
	OK(stat("socket", &st));
	CHECK(S_ISSOCK(st.st_mode));
	FAILS(join(OK(socket(AF_UNIX, SOCK_STREAM, 0)), "socket"), ECONNREFUSED);
	OK(listen(s, 5));
	IS(ready(s), 0);
	child = SPAWN({
		int fd = joined(SOCK_STREAM, "socket");

		len = sizeof(cred);
		OK(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len));
		IS(cred.pid, getppid());
		IS(write(fd, "hello", 5), 5);
		IS(read(fd, text, 8), 2);
		len = sizeof(a);
		OK(getpeername(fd, (struct sockaddr *)&a, &len));
		IS(len, 2 + 7);
		IS_STR(a.sun_path, "socket");
	});
	len = sizeof(a);
	c = OK(accept4(s, (struct sockaddr *)&a, &len, SOCK_CLOEXEC));
	IS(len, 2);
	IS(a.sun_family, AF_UNIX);
	IS(fcntl(c, F_GETFD), FD_CLOEXEC);
	IS(read(c, text, 8), 5);
	IS(write(c, "ok", 2), 2);
	len = sizeof(cred);
	OK(getsockopt(c, SOL_SOCKET, SO_PEERCRED, &cred, &len));
	IS(cred.pid, child);
	IS(cred.uid, getuid());
	len = sizeof(a);
	OK(getsockname(c, (struct sockaddr *)&a, &len));
	IS_STR(a.sun_path, "socket");
	IS(wait_status(child), EXITED(0));
	IS(read(c, text, 8), 0);
	FAILS(accept(c, NULL, NULL), EINVAL);
	close(s);
	FAILS(join(OK(socket(AF_UNIX, SOCK_STREAM, 0)), "socket"), ECONNREFUSED);
	CHECK(stat("socket", &st) == 0); /* the name stays */
	FAILS(open("socket", O_RDWR), ENXIO);
}

TEST(refused, "[P9] what bind, connect and accept refuse")
{
	struct sockaddr_un a;
	int s, d, fd;

	enter_scratch();
	s = bound(SOCK_STREAM, "s");
	OK(listen(s, 1));
	d = bound(SOCK_DGRAM, "d");
	fd = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	a = path_addr("s");
	FAILS(bind(fd, (struct sockaddr *)&a, sizeof(a)), EADDRINUSE);
	a = path_addr("t");
	FAILS(bind(s, (struct sockaddr *)&a, sizeof(a)), EINVAL);
	FAILS(unlink("t"), ENOENT);
	FAILS(bind(fd, (struct sockaddr *)&a, 1), EINVAL);
	FAILS(bind(fd, (struct sockaddr *)&a, 200), EINVAL);
	FAILS(bind(fd, opaque(8), sizeof(a)), EFAULT);
	a = path_addr("none/x");
	FAILS(bind(fd, (struct sockaddr *)&a, sizeof(a)), ENOENT);
	a.sun_family = AF_INET;
	FAILS(bind(fd, (struct sockaddr *)&a, sizeof(a)), EINVAL);
	FAILS(join(fd, "none"), ENOENT);
	FAILS(join(fd, "d"), EPROTOTYPE);
	make_closed_file("file", "", 0, 0600);
	FAILS(join(fd, "file"), ECONNREFUSED);
	FAILS(accept(fd, NULL, NULL), EINVAL);
	FAILS(accept(d, NULL, NULL), EOPNOTSUPP);
	FAILS(listen(fd, 1), EINVAL);
	FAILS(listen(d, 1), EOPNOTSUPP);
	OK(fcntl(s, F_SETFL, O_NONBLOCK));
	FAILS(accept(s, NULL, NULL), EAGAIN);
	OK(join(fd, "s"));
	FAILS(join(fd, "s"), EISCONN);
	IS(ready(s), POLLIN);
	OK(accept(s, NULL, NULL));
}

TEST(backlog, "[P9] more connections than may wait: connect waits too; a listener's end refuses them all")
{
	int s, fd[2], late;
	char c;
	pid_t child;

	enter_scratch();
	s = bound(SOCK_STREAM, "s");
	OK(listen(s, 1));
	fd[0] = joined(SOCK_STREAM, "s");
	fd[1] = joined(SOCK_STREAM, "s");
	late = OK(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
	FAILS(join(late, "s"), EAGAIN);
	child = SPAWN({
		int mine = joined(SOCK_STREAM, "s");

		IS(read(mine, &c, 1), 1);
	});
	wait_asleep(child);
	OK(accept(s, NULL, NULL));
	OK(accept(s, NULL, NULL));
	IS(write(OK(accept(s, NULL, NULL)), "x", 1), 1);
	IS(wait_status(child), EXITED(0));
	fd[0] = joined(SOCK_STREAM, "s");
	close(s);
	FAILS(read(fd[0], &c, 1), ECONNRESET);
	IS(read(fd[0], &c, 1), 0);
}

static struct sockaddr_un abstract;
static socklen_t abstract_len;

static void abstract_name(const char *what)
{
	abstract = (struct sockaddr_un){.sun_family = AF_UNIX};
	abstract_len = offsetof(struct sockaddr_un, sun_path) +
	               snprintf(abstract.sun_path, sizeof(abstract.sun_path), "_tap-%s-%d", what, getpid());
	abstract.sun_path[0] = 0;
}

TEST(abstract_names, "[P9] abstract names: no file, gone with the socket; a name is found for who has none")
{
	int s = OK(socket(AF_UNIX, SOCK_STREAM, 0)), c, other;
	struct sockaddr_un a;
	socklen_t len = sizeof(a);

	abstract_name("one");
	OK(bind(s, (struct sockaddr *)&abstract, abstract_len));
	OK(listen(s, 5));
	c = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	other = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	FAILS(bind(other, (struct sockaddr *)&abstract, abstract_len), EADDRINUSE);
	FAILS(connect(c, (struct sockaddr *)&abstract, abstract_len - 1), ECONNREFUSED);
	OK(connect(c, (struct sockaddr *)&abstract, abstract_len));
	OK(getpeername(c, (struct sockaddr *)&a, &len));
	IS(len, abstract_len);
	CHECK(!memcmp(&a, &abstract, len));
	close(s);
	OK(bind(other, (struct sockaddr *)&abstract, abstract_len));
	c = OK(socket(AF_UNIX, SOCK_DGRAM, 0));
	a.sun_family = AF_UNIX;
	OK(bind(c, (struct sockaddr *)&a, sizeof(a.sun_family)));
	len = sizeof(a);
	OK(getsockname(c, (struct sockaddr *)&a, &len));
	IS(len, 2 + 6);
	IS(a.sun_path[0], 0);
	len = 4; /* little room: cut, and the length that it has */
	OK(getsockname(c, (struct sockaddr *)&a, &len));
	IS(len, 2 + 6);
	FAILS(getpeername(c, (struct sockaddr *)&a, &len), ENOTCONN);
}

/* --- datagrams and packets --- */

TEST(datagrams, "[P9] datagrams keep their borders and tell their sender; too small a buffer cuts")
{
	struct sockaddr_un a;
	socklen_t len = sizeof(a);
	struct iovec iov;
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	char text[16] = {0};
	int s, c, n;

	enter_scratch();
	s = bound(SOCK_DGRAM, "s");
	c = bound(SOCK_DGRAM, "c");
	a = path_addr("s");
	IS(sendto(c, "one", 3, 0, (struct sockaddr *)&a, sizeof(a)), 3);
	IS(sendto(c, "", 0, 0, (struct sockaddr *)&a, sizeof(a)), 0);
	IS(sendto(c, "three", 5, 0, (struct sockaddr *)&a, sizeof(a)), 5);
	OK(ioctl(s, FIONREAD, &n));
	IS(n, 3);
	IS(recvfrom(s, text, 16, 0, (struct sockaddr *)&a, &len), 3);
	IS(len, 4);
	IS_STR(a.sun_path, "c");
	IS(recv(s, text, 16, 0), 0);
	IS(recv(s, text, 2, MSG_PEEK | MSG_TRUNC), 5);
	iov = (struct iovec){text, 2};
	IS(recvmsg(s, &msg, 0), 2);
	IS(msg.msg_flags, MSG_TRUNC);
	FAILS(recv(s, text, 16, MSG_DONTWAIT), EAGAIN);
	OK(join(c, "s"));
	IS(send(c, "x", 1, 0), 1);
	FAILS(connect(s, (struct sockaddr *)&(struct sockaddr_un){.sun_family = AF_UNIX, .sun_path = "s"}, 1),
	      EINVAL);
	len = sizeof(a);
	OK(getpeername(c, (struct sockaddr *)&a, &len));
	IS_STR(a.sun_path, "s");
	close(s);
	FAILS(send(c, "x", 1, 0), ECONNREFUSED);
	FAILS(send(c, "x", 1, 0), ENOTCONN);
	FAILS(join(c, "s"), ECONNREFUSED);
}

TEST(packets, "[P9] SOCK_SEQPACKET: connected, in order, with borders")
{
	char text[16];
	int s, c;

	enter_scratch();
	s = bound(SOCK_SEQPACKET, "s");
	OK(listen(s, 5));
	c = joined(SOCK_SEQPACKET, "s");
	s = OK(accept(s, NULL, NULL));
	IS(send(c, "one", 3, 0), 3);
	IS(send(c, "three", 5, MSG_EOR), 5);
	IS(recv(s, text, 16, 0), 3);
	IS(recv(s, text, 2, 0), 2);
	FAILS(recv(s, text, 16, MSG_DONTWAIT), EAGAIN);
	close(c);
	IS(recv(s, text, 16, 0), 0);
	FAILS(send(s, "x", 1, MSG_NOSIGNAL), EPIPE);
	c = OK(socket(AF_UNIX, SOCK_SEQPACKET, 0));
	FAILS(recv(c, text, 16, 0), ENOTCONN);
	FAILS(send(c, "x", 1, 0), ENOTCONN);
}

TEST(big_datagram, "[P9] a datagram larger than the send buffer is EMSGSIZE")
{
	static char big[1 << 20];
	int size = 8192;
	socklen_t len = sizeof(size);

	pair(SOCK_DGRAM);
	FAILS(send(sv[0], big, sizeof(big), 0), EMSGSIZE);
	OK(setsockopt(sv[0], SOL_SOCKET, SO_SNDBUF, &size, len));
	OK(getsockopt(sv[0], SOL_SOCKET, SO_SNDBUF, &size, &len));
	IS(size, 16384);
	FAILS(send(sv[0], big, 17000, 0), EMSGSIZE);
	IS(send(sv[0], big, 8000, 0), 8000);
	IS(recv(sv[1], big, sizeof(big), 0), 8000);
}

TEST(several, "[P9] sendmmsg and recvmmsg")
{
	struct iovec out[3] = {{"a", 1}, {"bb", 2}, {"ccc", 3}}, in[4];
	struct mmsghdr msgs[4] = {{{0}, 0}};
	char text[4][8];

	pair(SOCK_DGRAM);
	for (int i = 0; i < 3; i++)
		msgs[i].msg_hdr = (struct msghdr){.msg_iov = &out[i], .msg_iovlen = 1};
	IS(sendmmsg(sv[0], msgs, 3, 0), 3);
	IS(msgs[2].msg_len, 3);
	for (int i = 0; i < 4; i++) {
		in[i] = (struct iovec){text[i], 8};
		msgs[i].msg_hdr = (struct msghdr){.msg_iov = &in[i], .msg_iovlen = 1};
	}
	IS(recvmmsg(sv[1], msgs, 4, MSG_WAITFORONE, NULL), 3);
	IS(msgs[0].msg_len, 1);
	IS(msgs[1].msg_len, 2);
	FAILS(recvmmsg(sv[1], msgs, 4, MSG_DONTWAIT, NULL), EAGAIN);
}

/* --- files and credentials --- */

union control {
	struct cmsghdr align;
	char buf[CMSG_SPACE(8 * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
};

static ssize_t send_files(int to, const int *fds, u32 count, const char *text)
{
	struct iovec iov = {(void *)text, strlen(text)};
	union control c = {.buf = {0}};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = c.buf};
	struct cmsghdr *h;

	msg.msg_controllen = CMSG_SPACE(count * sizeof(int));
	h = CMSG_FIRSTHDR(&msg);
	h->cmsg_len = CMSG_LEN(count * sizeof(int));
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	memcpy(CMSG_DATA(h), fds, count * sizeof(int));
	return sendmsg(to, &msg, MSG_NOSIGNAL);
}

/* => how many files came; *RET_FLAGS msg_flags */
static u32 receive_files(int from, int *fds, u32 room, int flags, int *ret_flags)
{
	char text[16];
	struct iovec iov = {text, sizeof(text)};
	union control c;
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = c.buf};
	struct cmsghdr *h;
	u32 n;

	msg.msg_controllen = room ? CMSG_LEN(room * sizeof(int)) : 0;
	OK(recvmsg(from, &msg, flags));
	*ret_flags = msg.msg_flags;
	h = CMSG_FIRSTHDR(&msg);
	if (!h || h->cmsg_type != SCM_RIGHTS)
		return 0;
	n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	memcpy(fds, CMSG_DATA(h), n * sizeof(int));
	return n;
}

TEST(passed, "[P9] files are passed on: the same file under a new number, in another process too")
{
	int fds[2], got[8], flags;
	char c = 0;
	pid_t child;

	pair(SOCK_STREAM);
	OK(pipe(fds));
	IS(send_files(sv[0], fds, 2, "x"), 1);
	close(fds[0]);
	close(fds[1]);
	child = SPAWN({
		IS(receive_files(sv[1], got, 2, MSG_CMSG_CLOEXEC, &flags), 2);
		IS(fcntl(got[0], F_GETFD), FD_CLOEXEC);
		IS(write(got[1], "y", 1), 1);
		IS(read(got[0], &c, 1), 1);
		IS(c, 'y');
	});
	IS(wait_status(child), EXITED(0));
	FAILS(send_files(sv[0], (int[]){99}, 1, "x"), EBADF);
	FAILS(recv(sv[1], &c, 1, MSG_DONTWAIT), EAGAIN);
}

TEST(passed_part,
     "[P9] files without room for them are dropped and told by MSG_CTRUNC; a look takes none away")
{
	int fds[2], got[8], flags;
	char c;

	pair(SOCK_STREAM);
	OK(pipe(fds));
	IS(send_files(sv[0], (int[]){fds[1], fds[1]}, 2, "x"), 1);
	close(fds[1]);
	IS(receive_files(sv[1], got, 2, MSG_PEEK, &flags), 2);
	close(got[0]);
	close(got[1]);
	IS(receive_files(sv[1], got, 1, 0, &flags), 1);
	IS(flags, MSG_CTRUNC);
	IS(fcntl(got[0], F_GETFD), 0);
	close(got[0]);
	IS(read(fds[0], &c, 1), 0); /* no writer is left anywhere */
	OK(pipe(fds));
	IS(send_files(sv[0], fds + 1, 1, "x"), 1);
	close(fds[1]);
	IS(recv(sv[1], &c, 1, 0), 1); /* by who does not ask for them */
	IS(read(fds[0], &c, 1), 0);
	OK(pipe(fds));
	IS(send_files(sv[0], fds + 1, 1, "x"), 1);
	close(fds[1]);
	close(sv[1]); /* never received */
	IS(read(fds[0], &c, 1), 0);
}

TEST(passed_border, "[P9] bytes before and after files are not joined over them")
{
	int got[8], flags, fds[2];
	char text[16];

	pair(SOCK_STREAM);
	OK(pipe(fds));
	IS(write(sv[0], "ab", 2), 2);
	IS(send_files(sv[0], fds, 1, "cd"), 2);
	IS(write(sv[0], "ef", 2), 2);
	IS(receive_files(sv[1], got, 1, 0, &flags), 1);
	IS(read(sv[1], text, 16), 2);
	CHECK(!memcmp(text, "ef", 2));
}

static ssize_t send_creds(int to, struct ucred cred)
{
	struct iovec iov = {"x", 1};
	union control c = {.buf = {0}};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = c.buf};
	struct cmsghdr *h;

	msg.msg_controllen = CMSG_SPACE(sizeof(cred));
	h = CMSG_FIRSTHDR(&msg);
	h->cmsg_len = CMSG_LEN(sizeof(cred));
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_CREDENTIALS;
	memcpy(CMSG_DATA(h), &cred, sizeof(cred));
	return sendmsg(to, &msg, 0);
}

TEST(credentials, "[P9] SO_PASSCRED: each message tells who sent it; nobody tells a lie")
{
	struct ucred cred;
	char text[16];
	struct iovec iov = {text, sizeof(text)};
	union control c;
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = c.buf};
	int on = 1;
	pid_t child;

	pair(SOCK_DGRAM);
	OK(setsockopt(sv[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)));
	child = SPAWN(IS(send(sv[0], "x", 1, 0), 1));
	IS(wait_status(child), EXITED(0));
	msg.msg_controllen = sizeof(c.buf);
	IS(recvmsg(sv[1], &msg, 0), 1);
	NEED(CMSG_FIRSTHDR(&msg) && CMSG_FIRSTHDR(&msg)->cmsg_type == SCM_CREDENTIALS);
	memcpy(&cred, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(cred));
	IS(cred.pid, child);
	IS(cred.uid, getuid());
	IS(cred.gid, getgid());
	IS(send_creds(sv[0], (struct ucred){getpid(), getuid(), getgid()}), 1);
	if (getuid() == 0) {
		IS(CHILD({
			   OK(setresuid(1000, 1000, 1000));
			   FAILS(send_creds(sv[0], (struct ucred){1, 1000, getgid()}), EPERM);
			   FAILS(send_creds(sv[0], (struct ucred){getpid(), 0, getgid()}), EPERM);
			   IS(send_creds(sv[0], (struct ucred){getpid(), 1000, getgid()}), 1);
		   }),
		   EXITED(0));
	}
}

TEST(bad_control, "[P9] [V7] control messages that are none are refused, and nothing is sent")
{
	struct iovec iov = {"x", 1};
	union control c = {.buf = {0}};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = c.buf};
	struct cmsghdr *h = (void *)c.buf;

	pair(SOCK_STREAM);
	msg.msg_controllen = sizeof(c.buf);
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = 5;
	FAILS(sendmsg(sv[0], &msg, 0), EINVAL);
	h->cmsg_len = 500;
	FAILS(sendmsg(sv[0], &msg, 0), EINVAL);
	h->cmsg_len = ~0U;
	FAILS(sendmsg(sv[0], &msg, 0), EINVAL);
	h->cmsg_len = CMSG_LEN(4);
	h->cmsg_type = 77;
	FAILS(sendmsg(sv[0], &msg, 0), EINVAL);
	msg.msg_control = opaque(8);
	FAILS(syscall(SYS_sendmsg, sv[0], &msg, 0), EFAULT); /* musl's own looks into it */
	msg.msg_control = NULL;
	msg.msg_controllen = 0;
	msg.msg_iovlen = 1025;
	FAILS(sendmsg(sv[0], &msg, 0), EMSGSIZE);
	FAILS(syscall(SYS_sendmsg, sv[0], 8UL, 0), EFAULT);
	FAILS(recv(sv[1], c.buf, 1, MSG_DONTWAIT), EAGAIN);
}

/* --- cycles --- */

TEST(cycles, "[P9] [P10] sockets that hold each other in flight are freed when nobody else has them")
{
	int fds[2], a[2], got[8], flags;
	char c;

	OK(pipe(fds));
	pair(SOCK_STREAM);
	IS(send_files(sv[1], sv, 2, "x"), 1); /* both ends lie in one of them */
	IS(send_files(sv[1], fds + 1, 1, "x"), 1);
	close(sv[0]);
	close(sv[1]);
	close(fds[1]);
	IS(read(fds[0], &c, 1), 0);
	OK(pipe(fds));
	pair(SOCK_DGRAM);
	OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, a));
	IS(send_files(sv[0], a, 2, "x"), 1);
	IS(send_files(a[0], sv, 2, "x"), 1);
	IS(send_files(a[0], fds + 1, 1, "x"), 1);
	close(fds[1]);
	close(sv[0]);
	close(a[0]);
	close(a[1]); /* sv[1] still leads to all of them */
	OK(fcntl(fds[0], F_SETFL, O_NONBLOCK));
	FAILS(read(fds[0], &c, 1), EAGAIN);
	IS(receive_files(sv[1], got, 2, 0, &flags), 2);
	IS(send_files(got[0], &got[1], 1, "y"), 1);
	close(got[0]);
	close(got[1]);
	close(sv[1]);
	OK(fcntl(fds[0], F_SETFL, 0));
	IS(read(fds[0], &c, 1), 0);
}

TEST(chain,
     "[P9] [P10] a chain of sockets, each in the queue of the one before, is freed without end of the stack")
{
	int first, fds[2], next[2], got = 0;
	char c;

	OK(pipe(fds));
	pair(SOCK_STREAM);
	first = sv[0];
	IS(send_files(sv[1], fds + 1, 1, "x"), 1);
	close(fds[1]);
	for (int i = 0; i < 400; i++) {
		OK(socketpair(AF_UNIX, SOCK_STREAM, 0, next));
		if (send_files(next[1], &first, 1, "x") != 1) {
			CHECK(errno == ETOOMANYREFS); /* Linux looks at how deep it is */
			close(next[0]);
			close(next[1]);
			break;
		}
		close(first);
		first = next[0];
		close(next[1]);
		got++;
	}
	CHECK(got > 3);
	close(first);
	close(sv[1]);
	IS(read(fds[0], &c, 1), 0);
}

/* --- waiting --- */

TEST(watched, "[P9] sockets in an epoll: edges for data and for room, each its own")
{
	int ep = OK(epoll_create1(0)), s, c;
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET};
	char big[4096] = {0};

	pair(SOCK_STREAM);
	OK(epoll_ctl(ep, EPOLL_CTL_ADD, sv[1], &ev));
	IS(write(sv[0], "ab", 2), 2);
	IS(epoll_wait(ep, &ev, 1, 0), 1);
	IS(read(sv[1], big, 1), 1);
	IS(write(sv[1], "room", 4), 4);
	IS(read(sv[0], big, 4), 4); /* sv[1] has room again: not what was asked for */
	IS(epoll_wait(ep, &ev, 1, 0), 0);
	IS(write(sv[0], "c", 1), 1);
	IS(epoll_wait(ep, &ev, 1, 0), 1);
	ev.events = EPOLLRDHUP | EPOLLET;
	OK(epoll_ctl(ep, EPOLL_CTL_MOD, sv[1], &ev));
	IS(epoll_wait(ep, &ev, 1, 0), 0);
	close(sv[0]);
	IS(epoll_wait(ep, &ev, 1, 0), 1);
	IS(ev.events, EPOLLRDHUP | EPOLLHUP);
	close(sv[1]);
	enter_scratch();
	s = bound(SOCK_STREAM, "s");
	OK(listen(s, 5));
	ev.events = EPOLLIN;
	OK(epoll_ctl(ep, EPOLL_CTL_ADD, s, &ev));
	IS(epoll_wait(ep, &ev, 1, 0), 0);
	c = joined(SOCK_STREAM, "s");
	IS(epoll_wait(ep, &ev, 1, 0), 1);
	close(c);
}

enum {
	CLIENTS = 6,
	REQUESTS = 300
};

static void *client(void *arg)
{
	(void)arg;
	for (u32 i = 0; i < REQUESTS; i++) {
		int fd = OK(socket(AF_UNIX, SOCK_STREAM, 0));
		u32 back = 0;

		OK(connect(fd, (struct sockaddr *)&abstract, abstract_len));
		NEED(write(fd, &i, 4) == 4);
		NEED(read(fd, &back, 4) == 4);
		CHECK(back == i + 1);
		close(fd);
	}
	return NULL;
}

static void *server_thread(void *arg)
{
	int s = *(int *)arg;

	for (u32 i = 0; i < CLIENTS * REQUESTS / 2; i++) {
		int fd = OK(accept(s, NULL, NULL));
		u32 n;

		NEED(read(fd, &n, 4) == 4);
		n++;
		NEED(write(fd, &n, 4) == 4);
		close(fd);
	}
	return NULL;
}

TEST(storm, "[P9] many clients connect, ask and go, to two threads that accept from one socket")
{
	int s = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	pthread_t t[CLIENTS + 2];

	abstract_name("storm");
	OK(bind(s, (struct sockaddr *)&abstract, abstract_len));
	OK(listen(s, 2));
	for (u32 i = 0; i < CLIENTS + 2; i++)
		NEED(pthread_create(&t[i], NULL, i < CLIENTS ? client : server_thread, &s) == 0);
	for (u32 i = 0; i < CLIENTS + 2; i++)
		pthread_join(t[i], NULL);
}

static void on_signal(int sig)
{
	(void)sig;
}

TEST(interrupted, "[P9] accept and recv that wait end with EINTR at a signal")
{
	struct sigaction sa = {.sa_handler = on_signal};
	pid_t child;
	char c;
	int s;

	enter_scratch();
	OK(sigaction(SIGUSR1, &sa, NULL));
	s = bound(SOCK_STREAM, "s");
	OK(listen(s, 2));
	child = SPAWN(FAILS(accept(s, NULL, NULL), EINTR));
	wait_asleep(child);
	kill(child, SIGUSR1);
	IS(wait_status(child), EXITED(0));
	pair(SOCK_STREAM);
	child = SPAWN(FAILS(recv(sv[0], &c, 1, 0), EINTR));
	wait_asleep(child);
	kill(child, SIGUSR1);
	IS(wait_status(child), EXITED(0));
}

TEST(options, "[P9] what getsockopt tells of a socket")
{
	int value = 9;
	socklen_t len = sizeof(value);

	pair(SOCK_SEQPACKET);
	OK(getsockopt(sv[0], SOL_SOCKET, SO_TYPE, &value, &len));
	IS(value, SOCK_SEQPACKET);
	OK(getsockopt(sv[0], SOL_SOCKET, SO_DOMAIN, &value, &len));
	IS(value, AF_UNIX);
	OK(getsockopt(sv[0], SOL_SOCKET, SO_ERROR, &value, &len));
	IS(value, 0);
	OK(getsockopt(sv[0], SOL_SOCKET, SO_ACCEPTCONN, &value, &len));
	IS(value, 0);
	FAILS(getsockopt(sv[0], SOL_SOCKET, 9999, &value, &len), ENOPROTOOPT);
	FAILS(getsockopt(sv[0], 41, 1, &value, &len), EOPNOTSUPP);
	FAILS(setsockopt(sv[0], SOL_SOCKET, 9999, &value, len), ENOPROTOOPT);
	FAILS(setsockopt(sv[0], SOL_SOCKET, SO_PASSCRED, &value, 1), EINVAL);
	FAILS(setsockopt(sv[0], SOL_SOCKET, SO_PASSCRED, opaque(8), 4), EFAULT);
}
