/* cflags: -pthread */
/* Several threads and processes do everything to the same files, names and descriptors at once. What each call
 * gives is left open; that the system goes on, and that nothing is left over, is not. */
#include "testsuite/prog/tap.h"

#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#define OPEN_MOST 24 /* descriptors in play: 3 .. 26 */

static __thread u64 seed;
static char buffer[16384];

static u32 dice(u32 sides)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % sides;
}

static int some_fd(void)
{
	return 3 + dice(OPEN_MOST);
}

static const char *some_path(char *path)
{
	static const char *const folders[] = {".", "a", "b", "a/c", "b/d", "link"};
	static const char *const special[] = {"/dev/null",         "/dev/zero",       "/proc/self/maps",
	                                      "/proc/self/status", "/proc/self/fd/5", "/dev/fd/7",
	                                      "/proc/self/exe",    "/proc/self/stat"};

	if (dice(12) == 0)
		strcpy(path, special[dice(ARRAY_SIZE(special))]);
	else
		sprintf(path, "%s/n%u%s", folders[dice(ARRAY_SIZE(folders))], dice(6), dice(10) ? "" : "/");
	return path;
}

/* Numbers stay small, so that the descriptors in play are all there are. */
static void keep_low(int fd)
{
	if (fd >= 3 + OPEN_MOST)
		close(fd);
}

static void open_something(void)
{
	static const int flags[] = {O_RDONLY,
	                            O_RDWR | O_CREAT,
	                            O_WRONLY | O_CREAT | O_TRUNC,
	                            O_RDWR | O_APPEND,
	                            O_RDWR | O_CREAT | O_EXCL,
	                            O_PATH,
	                            O_RDONLY | O_DIRECTORY};
	char path[64];
	int fds[2];

	if (dice(4)) {
		keep_low(
		        open(some_path(path), flags[dice(ARRAY_SIZE(flags))] | O_NONBLOCK | O_CLOEXEC, 0666));
	} else if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) == 0) {
		keep_low(fds[0]);
		keep_low(fds[1]);
	}
}

static void change_names(void)
{
	char a[64], b[64];

	some_path(a);
	some_path(b);
	switch (dice(9)) {
	case 0:
		mkdir(a, 0777);
		break;
	case 1:
		rmdir(a);
		break;
	case 2:
	case 3:
		unlink(a);
		break;
	case 4:
		rename(a, b);
		break;
	case 5:
		syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, dice(3));
		break;
	case 6:
		(void)!link(a, b);
		break;
	case 7:
		(void)!symlink(a, b);
		break;
	case 8:
		mknod(a, S_IFIFO | 0666, 0);
		break;
	}
}

static void move_bytes(void)
{
	int fd = some_fd();
	struct iovec v[2] = {{buffer, dice(3000)}, {buffer + 4096, dice(3000)}};
	off_t offset = dice(100);

	switch (dice(8)) {
	case 0:
		(void)!read(fd, buffer, dice(9000));
		break;
	case 1:
		(void)!write(fd, buffer, dice(9000));
		break;
	case 2:
		(void)!pread(fd, buffer, dice(9000), dice(20000));
		break;
	case 3:
		(void)!pwrite(fd, buffer, dice(9000), dice(20000));
		break;
	case 4:
		(void)!readv(fd, v, 2);
		break;
	case 5:
		(void)!writev(fd, v, 2);
		break;
	case 6:
		sendfile(fd, some_fd(), dice(2) ? &offset : NULL, dice(9000));
		break;
	case 7:
		(void)!ftruncate(fd, dice(20000));
		break;
	}
}

static void wait_a_moment(void)
{
	struct pollfd p[4];
	struct timeval tv = {0, 500};
	fd_set rd;

	if (dice(2)) {
		for (u32 i = 0; i < ARRAY_SIZE(p); i++)
			p[i] = (struct pollfd){.fd = some_fd(), .events = POLLIN | POLLOUT};
		poll(p, ARRAY_SIZE(p), dice(2));
		return;
	}
	FD_ZERO(&rd);
	FD_SET(some_fd(), &rd);
	select(3 + OPEN_MOST, &rd, NULL, NULL, &tv);
}

static void lock_something(void)
{
	static const int ops[] = {LOCK_SH, LOCK_EX, LOCK_UN};
	struct flock fl = {.l_type = dice(3), .l_whence = SEEK_SET, .l_start = dice(100), .l_len = dice(100)};

	if (dice(2))
		flock(some_fd(), ops[dice(3)] | LOCK_NB);
	else
		fcntl(some_fd(), F_SETLK, &fl);
}

static void map_something(void)
{
	void *m = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, dice(2) ? MAP_SHARED : MAP_PRIVATE, some_fd(),
	               dice(2) * PAGE);

	if (m == MAP_FAILED)
		return;
	(void)!syscall(SYS_read, some_fd(), m, 100);
	munmap(m, 2 * PAGE);
}

static void anything(void)
{
	struct stat st;
	char path[64];

	switch (dice(12)) {
	case 0:
	case 1:
		open_something();
		break;
	case 2:
	case 3:
		close(some_fd());
		break;
	case 4:
		dup2(some_fd(), some_fd());
		break;
	case 5:
	case 6:
		change_names();
		break;
	case 7:
	case 8:
		move_bytes();
		break;
	case 9:
		lock_something();
		break;
	case 10:
		map_something();
		break;
	case 11:
		if (dice(4) == 0)
			wait_a_moment();
		else
			stat(some_path(path), &st);
		break;
	}
}

static void *thread_main(void *arg)
{
	seed = (u64)arg;
	for (u32 i = 0; i < 1500; i++)
		anything();
	return NULL;
}

static void make_folders(void)
{
	mkdir("a", 0777);
	mkdir("b", 0777);
	mkdir("a/c", 0777);
	mkdir("b/d", 0777);
	(void)!symlink("a", "link");
}

static void race(u32 processes, u32 threads)
{
	pid_t child[4];

	signal(SIGPIPE, SIG_IGN);
	make_folders();
	for (u32 p = 0; p < processes; p++)
		child[p] = SPAWN({
			pthread_t t[4];

			for (u64 i = 0; i < threads; i++)
				NEED(pthread_create(&t[i], NULL, thread_main,
				                    (void *)(4711 * (p * 8 + i + 1))) == 0);
			for (u32 i = 0; i < threads; i++)
				pthread_join(t[i], NULL);
		});
	for (u32 p = 0; p < processes; p++)
		IS(wait_status(child[p]), EXITED(0));
}

/* Not as root, who could do harm to what the special names stand for. */
static void become_harmless(void)
{
	OK(chmod(".", 0777));
	if (getuid() == 0) {
		OK(setgroups(0, NULL));
		OK(setresgid(65534, 65534, 65534));
		OK(setresuid(65534, 65534, 65534));
	}
}

TEST(processes, "[X5] three processes at once do anything to the same names")
{
	enter_scratch();
	IS(CHILD(become_harmless(); race(3, 1)), EXITED(0));
}

TEST(threads, "[X5] three threads at once do anything to the same descriptors")
{
	enter_scratch();
	IS(CHILD(become_harmless(); race(1, 3)), EXITED(0));
}

TEST(both, "[X5] two processes of two threads do both")
{
	enter_scratch();
	IS(CHILD(become_harmless(); race(2, 2)), EXITED(0));
}

/* --- one thread closes what the other uses --- */

static volatile int shared_fd;
static volatile bool stop;

static void *closer(UNUSED void *arg)
{
	while (!stop) {
		int fd = open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

		shared_fd = fd;
		sched_yield();
		close(fd);
	}
	return NULL;
}

TEST(close_while_used, "[X5] a file lives until those who were using it are done, closed or not")
{
	struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	pthread_t t;

	enter_scratch();
	NEED(pthread_create(&t, NULL, closer, NULL) == 0);
	for (u32 i = 0; i < 3000; i++) {
		(void)!pwrite(shared_fd, buffer, sizeof(buffer), 0);
		fcntl(shared_fd, F_SETLK, &fl);
		unlink("file");
	}
	stop = true;
	pthread_join(t, NULL);
	/* whatever was locked when it was closed is not locked any more */
	int fd = OK(open("file", O_RDWR | O_CREAT, 0600));
	IS(CHILD({
		   struct flock other = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
		   OK(fcntl(fd, F_SETLK, &other));
	   }),
	   EXITED(0));
}

TEST(text_busy, "[P9] a program that runs is not written to, one that is being written to does not run")
{
	static const char script[] = "#!/bin/sh\nexit 3\n";
	int fd;

	enter_scratch();
	FAILS(open("/proc/self/exe", O_WRONLY), ETXTBSY);
	FAILS(truncate("/proc/self/exe", 0), ETXTBSY);
	fd = make_file("script", script, sizeof(script) - 1, 0755);
	IS(CHILD({
		   execl("script", "script", NULL);
		   _exit(errno == ETXTBSY ? 5 : 6);
	   }),
	   EXITED(5));
	close(fd);
	IS(CHILD(execl("script", "script", NULL)), EXITED(3));
	fd = OK(open("script", O_WRONLY));
	close(fd);
}
