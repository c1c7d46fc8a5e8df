/* P10: rounds of fork, exec, touch, exit leave frames, heap and every kind of object where they were. On Linux the
 * rounds run as well, but nobody counts. */
#include "testsuite/prog/tap.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>

static void bomb(u32 count)
{
	pid_t child[300];

	for (u32 i = 0; i < count; i++)
		child[i] = SPAWN(for (;;) pause());
	for (u32 i = 0; i < count; i++)
		kill(child[i], SIGKILL);
	for (u32 i = 0; i < count; i++)
		IS(wait_status(child[i]), KILLED(SIGKILL));
}

/* Some rounds for this process's own memory, then COUNT: everything is as before, to the last object. */
static void steady(void (*round)(u32 i), u32 count)
{
	static struct accounts before;

	for (u32 i = 0; i < 20; i++)
		round(i);
	accounts_take(&before);
	for (u32 i = 0; i < count; i++)
		round(i);
	CHECK(accounts_even(&before));
}

static void round_fork(u32 i)
{
	IS(CHILD(_exit(i & 0x7f)), EXITED((int)i & 0x7f));
}

TEST(fork_exit, "[P10] a thousand rounds of fork and exit")
{
	steady(round_fork, 1000);
}

static char *const exec_argv[] = {"leak", "@touch", NULL};

static void round_exec(u32 i)
{
	(void)i;
	IS(CHILD(execv("/proc/self/exe", exec_argv)), EXITED(5));
}

int role_main(int argc, char **argv)
{
	u8 *p = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	volatile u8 stack[32 * PAGE];

	(void)argv;
	for (u32 i = 0; i < 64; i++)
		p[i * PAGE] = argc;
	for (u32 i = 0; i < 32; i++)
		stack[i * PAGE] = argc;
	return p != MAP_FAILED && stack[PAGE] == 2 ? 5 : 1;
}

TEST(fork_exec_touch_exit, "[P10] a thousand rounds of fork, exec, touch and exit")
{
	steady(round_exec, 1000);
}

static u8 *shared_map;

static void round_cow(u32 i)
{
	pid_t a = SPAWN(memset(shared_map, i, 64 * PAGE); _exit(0));
	pid_t b = SPAWN(memset(shared_map + 32 * PAGE, i, 32 * PAGE); _exit(0));

	shared_map[i % 64 * PAGE] = i;
	IS(wait_status(a), EXITED(0));
	IS(wait_status(b), EXITED(0));
}

TEST(copy_on_write, "[P10] [V1] three hundred rounds of copies in two children and the parent")
{
	shared_map = pages(64, PROT_READ | PROT_WRITE);
	memset(shared_map, 1, 64 * PAGE);
	steady(round_cow, 300);
}

static void round_map(u32 i)
{
	u8 *p = pages(100, PROT_READ | PROT_WRITE);

	for (u32 k = 0; k < 100; k += 3)
		p[k * PAGE] = i;
	OK(mprotect(p + 10 * PAGE, 10 * PAGE, PROT_READ));
	OK(munmap(p + 30 * PAGE, 10 * PAGE));
	p = mremap(p + 40 * PAGE, 60 * PAGE, 90 * PAGE, MREMAP_MAYMOVE);
	NEED(p != MAP_FAILED);
	OK(madvise(p, 5 * PAGE, MADV_DONTNEED));
	OK(munmap(p + 20 * PAGE, 60 * PAGE));
}

static void round_map_child(u32 i)
{
	IS(CHILD(round_map(i)), EXITED(0));
}

TEST(mappings, "[P10] [V1] five hundred rounds of map, protect, move, unmap, left to exit")
{
	steady(round_map_child, 500);
}

static void round_files(u32 i)
{
	char name[32];
	int fd, fds[2];
	u8 *p;

	snprintf(name, sizeof(name), "file%u", i % 7);
	fd = make_file(name, "contents", 8, 0600);
	OK(ftruncate(fd, 20 * PAGE));
	p = mmap(NULL, 20 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	NEED(p != MAP_FAILED);
	p[10 * PAGE] = i;
	OK(pipe(fds));
	NEED(write(fds[1], p, 5 * PAGE) == 5 * (ssize_t)PAGE);
	OK(munmap(p, 20 * PAGE));
	close(fds[0]);
	close(fds[1]);
	close(fd);
	OK(mkdir("folder", 0700));
	OK(symlink(name, "folder/link"));
	OK(unlink("folder/link"));
	OK(rmdir("folder"));
	OK(unlink(name));
}

TEST(files, "[P10] five hundred rounds of files, mappings of them, pipes, folders and links")
{
	enter_scratch();
	steady(round_files, 500);
}

static void round_events(u32 i)
{
	int ep = OK(epoll_create1(0)), inner = OK(epoll_create1(0)), fd = OK(eventfd(i, 0)), fds[2];
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT};
	struct itimerspec soon = {{1, 0}, {0, 1 + i % 100000}};
	int timer, signals;
	sigset_t set;

	OK(pipe(fds));
	timer = OK(timerfd_create(i % 3 ? CLOCK_REALTIME : CLOCK_MONOTONIC, 0));
	OK(timerfd_settime(timer, TFD_TIMER_ABSTIME, &soon, NULL));
	sigemptyset(&set);
	signals = OK(signalfd(-1, &set, 0));
	OK(epoll_ctl(ep, EPOLL_CTL_ADD, timer, &ev));
	OK(epoll_ctl(ep, EPOLL_CTL_ADD, signals, &ev));
	close(i % 5 ? timer : signals);
	OK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	OK(epoll_ctl(inner, EPOLL_CTL_ADD, fds[1], &ev));
	OK(epoll_ctl(ep, EPOLL_CTL_ADD, inner, &ev));
	CHECK(epoll_wait(ep, &ev, 1, 0) == 1);
	IS(CHILD(IS(epoll_ctl(ep, EPOLL_CTL_ADD, fds[0], &ev), 0)), EXITED(0));
	close(i % 2 ? ep : fd);
	close(i % 2 ? fd : ep);
	close(i % 5 ? signals : timer);
	close(fds[i % 2]);
	close(fds[!(i % 2)]);
	close(inner);
}

TEST(events, "[P10] five hundred rounds of epolls, eventfds, timers, signalfds and pipes, closed in one "
             "order and another")
{
	steady(round_events, 500);
}

/* Both ends of a pair, and a pipe, lie in the queue of one of them; and a connection that nobody accepts. */
static void round_sockets(u32 i)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "\0leak"};
	char buf[CMSG_SPACE(4 * sizeof(int))] __attribute__((aligned(8))) = {0};
	struct iovec iov = {"words", 5};
	struct msghdr msg = {
	        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = buf, .msg_controllen = sizeof(buf)};
	struct cmsghdr *h = CMSG_FIRSTHDR(&msg);
	int sv[2], fds[2], server = OK(socket(AF_UNIX, SOCK_STREAM, 0)),
	                   c = OK(socket(AF_UNIX, SOCK_STREAM, 0));

	OK(bind(server, (struct sockaddr *)&a, 8));
	OK(listen(server, 5));
	OK(connect(c, (struct sockaddr *)&a, 8));
	OK(socketpair(AF_UNIX, i % 2 ? SOCK_STREAM : SOCK_DGRAM, 0, sv));
	OK(pipe(fds));
	*h = (struct cmsghdr){.cmsg_len = CMSG_LEN(16), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
	memcpy(CMSG_DATA(h), (int[]){sv[0], sv[1], fds[0], fds[1]}, 16);
	IS(sendmsg(sv[0], &msg, 0), 5);
	IS(sendmsg(c, &msg, 0), 5);
	close(fds[0]);
	close(fds[1]);
	close(sv[i % 3 == 0]);
	close(i % 5 ? server : c);
	close(sv[i % 3 != 0]);
	close(i % 5 ? c : server);
}

TEST(sockets,
     "[P10] five hundred rounds of sockets that hold each other, pipes, and connections never accepted")
{
	steady(round_sockets, 500);
}

static void on_signal(int sig)
{
	(void)sig;
}

static void round_killed(u32 i)
{
	static const int how[] = {SIGKILL, SIGSEGV, SIGTERM, SIGSTOP};
	int sig = how[i % ARRAY_SIZE(how)], fds[2];
	pid_t child;

	OK(pipe(fds));
	child = SPAWN({
		char c;

		signal(SIGUSR1, on_signal);
		raise(SIGUSR1);
		NEED(read(fds[0], &c, 1) == 1); /* never comes: killed while asleep in the kernel */
	});
	if (i % 2)
		sched_yield();
	kill(child, sig);
	kill(child, SIGKILL);
	CHECK(wait_status(child) > 0);
	close(fds[0]);
	close(fds[1]);
}

TEST(killed, "[P10] five hundred rounds of children killed at any point")
{
	steady(round_killed, 500);
}

static void round_failing_exec(u32 i)
{
	static const char *const what[] = {"/dev/null", "/nowhere", "/tmp", "bad"};

	CHECK(execv(what[i % 4], exec_argv) == -1);
}

TEST(failing_exec, "[P10] a thousand execs that fail")
{
	enter_scratch();
	make_closed_file("bad", "\177ELF\2\1\1 and then nothing", 25, 0755);
	steady(round_failing_exec, 1000);
}

static void round_bomb_of_100(u32 i)
{
	(void)i;
	bomb(100);
}

TEST(fork_bomb, "[P10] three hundred processes at once, then a hundred at once ten times")
{
	bomb(300);
	steady(round_bomb_of_100, 10);
}
