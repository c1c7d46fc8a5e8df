/* linux: no (it uses up the machine's memory) */
/* Running out of memory: one process ends, the one that holds most, or the call fails; and all others go on. */
#include "testsuite/prog/tap.h"

#include <sched.h>
#include <sys/vfs.h>

#define MIB (1024 * 1024UL)

/* --- what there is --- */

static long meminfo_kib(const char *what)
{
	static char text[4096];
	int fd = OK(open("/proc/meminfo", O_RDONLY | O_CLOEXEC));
	ssize_t n = read(fd, text, sizeof(text) - 1);
	char *at;

	close(fd);
	text[n > 0 ? n : 0] = 0;
	at = strstr(text, what);
	return at ? strtol(at + strlen(what) + 1, NULL, 10) : -1;
}

static long total_mib(void)
{
	return meminfo_kib("MemTotal:") / 1024;
}

static long free_kib(void)
{
	return meminfo_kib("MemFree:");
}

static long at_first;

/* What an earlier test's processes had is back, too: they are ended by the runner. */
static void remember_free(void)
{
	sleep_ms(20);
	at_first = free_kib();
}

#define SLACK_KIB 512 /* caches, which keep what many at once had */
#define ALL_BACK() UNTIL(free_kib() >= at_first - SLACK_KIB)

/* --- those who take it --- */

/* take: COUNT pages, each touched. */
static u8 *take(u64 count)
{
	u8 *p = pages(count, PROT_READ | PROT_WRITE);

	for (u64 i = 0; i < count; i++)
		p[i * PAGE] = 1;
	return p;
}

static __attribute__((noreturn)) void hog(void)
{
	for (;;)
		take(MIB / PAGE);
}

/* fill: all but LEFT KiB. */
static void fill(long left)
{
	while (free_kib() > left + 1024)
		take(MIB / PAGE);
	while (free_kib() > left)
		take(16);
}

/* sleeping_hog: one that has taken nearly all, and sleeps. */
static pid_t sleeping_hog(long left)
{
	int ready[2];
	pid_t pid;
	char c;

	OK(pipe(ready));
	pid = SPAWN({
		alarm(40); /* if nothing else ends it */
		fill(left);
		NEED(write(ready[1], "x", 1) == 1);
		for (;;)
			pause();
	});
	close(ready[1]);
	NEED(read(ready[0], &c, 1) == 1);
	close(ready[0]);
	return pid;
}

static bool is_alive(pid_t pid)
{
	char state = process_state(pid);

	return state && state != 'Z';
}

/* An innocent one with some memory, which it looks at when it is woken. */
static pid_t sleeper(void)
{
	pid_t pid = SPAWN({
		u8 *mine = take(64);
		sigset_t usr1;

		sigemptyset(&usr1);
		sigaddset(&usr1, SIGUSR1);
		sigprocmask(SIG_BLOCK, &usr1, NULL);
		sigwaitinfo(&usr1, NULL);
		for (u32 i = 0; i < 64; i++)
			CHECK(mine[i * PAGE] == 1);
	});

	wait_asleep(pid);
	return pid;
}

static void sleeper_is_well(pid_t pid)
{
	CHECK(is_alive(pid));
	kill(pid, SIGUSR1);
	IS(wait_status(pid), EXITED(0));
}

/* --- who ends --- */

TEST(hog_ends, "[V10] the one that takes all memory ends, an innocent sleeper does not")
{
	pid_t innocent = sleeper();

	remember_free();
	for (u32 i = 0; i < 3; i++) {
		IS(CHILD(hog()), KILLED(SIGKILL));
		ALL_BACK();
	}
	sleeper_is_well(innocent);
}

TEST(sleeping_hog_ends,
     "[V10] not the one that wants the last page ends, but the one that holds most, asleep")
{
	pid_t innocent = sleeper(), big;

	remember_free();
	big = sleeping_hog(1024);
	IS(CHILD(take(8 * MIB / PAGE)), EXITED(0));
	IS(wait_status(big), KILLED(SIGKILL));
	sleeper_is_well(innocent);
	ALL_BACK();
}

TEST(stopped_hog_ends, "[V10] one that is stopped ends, too")
{
	pid_t big = sleeping_hog(1024);

	OK(kill(big, SIGSTOP));
	UNTIL(process_state(big) == 'T');
	IS(CHILD(take(8 * MIB / PAGE)), EXITED(0));
	IS(wait_status(big), KILLED(SIGKILL));
}

TEST(four_hogs, "[V10] four at once: each of them ends, the sleeper does not")
{
	pid_t innocent = sleeper(), child[4];

	remember_free();
	for (u32 i = 0; i < 4; i++)
		child[i] = SPAWN(hog());
	for (u32 i = 0; i < 4; i++)
		IS(wait_status(child[i]), KILLED(SIGKILL));
	sleeper_is_well(innocent);
	ALL_BACK();
}

static int share_main(void *arg)
{
	(void)arg;
	for (;;)
		pause();
	return 0;
}

TEST(sharers_end, "[V10] a process that shares its memory with the one that ends, ends with it")
{
	static u8 stack[16384] __attribute__((aligned(16)));
	pid_t other;
	int fds[2];

	remember_free();
	OK(pipe(fds));
	IS(CHILD({
		   other = clone(share_main, stack + sizeof(stack), CLONE_VM | SIGCHLD, NULL);
		   NEED(write(fds[1], &other, sizeof(other)) == sizeof(other));
		   hog();
	   }),
	   KILLED(SIGKILL));
	NEED(read(fds[0], &other, sizeof(other)) == sizeof(other));
	UNTIL(!is_alive(other));
	ALL_BACK();
}

static void set_adjust(const char *text)
{
	int fd = OK(open("/proc/self/oom_score_adj", O_WRONLY));

	OK(write(fd, text, strlen(text)));
	close(fd);
}

TEST(adjusted, "[V10] oom_score_adj: who is not to end does not, who is to end first does")
{
	int fds[2];
	pid_t first;
	char c;

	OK(pipe(fds));
	first = SPAWN({
		set_adjust("1000");
		NEED(write(fds[1], "x", 1) == 1);
		for (;;)
			pause();
	});
	NEED(read(fds[0], &c, 1) == 1);
	IS(CHILD(hog()), KILLED(SIGKILL));
	IS(wait_status(first), KILLED(SIGKILL));
	/* One that never ends takes three quarters, and lives; the next hog ends with less than it has. */
	pid_t never = SPAWN({
		set_adjust("-1000");
		take(total_mib() * MIB / PAGE / 4 * 3);
		NEED(write(fds[1], "x", 1) == 1);
		for (;;)
			pause();
	});
	NEED(read(fds[0], &c, 1) == 1);
	IS(CHILD(hog()), KILLED(SIGKILL));
	CHECK(is_alive(never));
	OK(kill(never, SIGKILL));
	IS(wait_status(never), KILLED(SIGKILL));
}

TEST(adjust_file, "[V10] oom_score_adj takes -1000 to 1000, and root alone lowers it")
{
	int fd = OK(open("/proc/self/oom_score_adj", O_RDWR));

	FAILS(write(fd, "1001", 4), EINVAL);
	FAILS(write(fd, "-1001", 5), EINVAL);
	FAILS(write(fd, "x", 1), EINVAL);
	IS(write(fd, "500\n", 4), 4);
	IS(CHILD({
		   int inherited = OK(open("/proc/self/oom_score_adj", O_RDWR));
		   char text[8] = {0};

		   NEED(read(inherited, text, 7) > 0);
		   IS_STR(text, "500\n");
	   }),
	   EXITED(0));
	OK(setresuid(65534, 65534, 65534));
	FAILS(write(fd, "499", 3), EACCES);
	IS(write(fd, "501", 3), 3);
}

/* --- calls in short memory --- */

TEST(calls_wait, "[V10] fork, exec, pipe and open in short memory succeed: the hog ends for them")
{
	char *argv[] = {"true", NULL};

	remember_free();
	for (u32 i = 0; i < 3; i++) {
		pid_t big = sleeping_hog(128);

		for (u32 k = 0; k < 4 || (is_alive(big) && k < 1000); k++) {
			int fds[2];

			IS(CHILD(_exit(3)), EXITED(3));
			OK(pipe(fds));
			IS(CHILD(execv("/bin/true", argv)), EXITED(0));
			close(fds[0]);
			close(fds[1]);
			if (is_alive(big))
				take(1);
		}
		IS(wait_status(big), KILLED(SIGKILL));
	}
	ALL_BACK();
}

TEST(copies_wait, "[V10] the kernel's own touch of fresh memory waits for the hog's end, too")
{
	pid_t big = sleeping_hog(256);
	u8 *map = pages(2 * MIB / PAGE, PROT_READ | PROT_WRITE);
	int fd = OK(open("/dev/urandom", O_RDONLY));

	IS(read(fd, map, 2 * MIB), 2 * MIB);
	IS(wait_status(big), KILLED(SIGKILL));
}

TEST(copying_hog, "[V10] who takes memory by the kernel's hand ends, too")
{
	int fd = OK(open("/dev/zero", O_RDONLY));

	IS(CHILD(for (;;) OK(read(fd, pages(256, PROT_READ | PROT_WRITE), MIB))), KILLED(SIGKILL));
}

/* --- what is not a process's --- */

TEST(files, "[V10] files take memory up to a limit: ENOSPC, and nobody ends for it")
{
	static char block[65536];
	pid_t innocent = sleeper();
	struct statfs st;
	ssize_t n;
	int fd;

	enter_scratch();
	remember_free();
	fd = OK(open("big", O_RDWR | O_CREAT, 0600));
	while ((n = write(fd, block, sizeof(block))) > 0)
		;
	CHECK(n < 0 && errno == ENOSPC);
	OK(statfs(".", &st));
	CHECK(free_kib() > total_mib() * 1024 / 20);
	FAILS(open("other", O_RDWR | O_CREAT, 0600), ENOSPC);
	IS(CHILD(take(64)), EXITED(0)); /* the rest is for programs */
	sleeper_is_well(innocent);
	close(fd);
	OK(unlink("big"));
	ALL_BACK();
}

TEST(mapped_files, "[V10] through a mapping, too: SIGBUS when there is no page for the file")
{
	u64 size = total_mib() * MIB;
	int fd;

	enter_scratch();
	remember_free();
	fd = OK(open("big", O_RDWR | O_CREAT, 0600));
	OK(ftruncate(fd, size));
	IS(CHILD({
		   volatile u8 *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

		   NEED(map != MAP_FAILED);
		   for (u64 at = 0; at < size; at += PAGE)
			   map[at] = 1;
	   }),
	   KILLED(SIGBUS));
	IS(CHILD(take(64)), EXITED(0));
	close(fd);
	OK(unlink("big"));
	ALL_BACK();
}

/* --- the kernel's heap --- */

static void many_descriptors(void)
{
	struct rlimit most = {1048576, 1048576};

	OK(setrlimit(RLIMIT_NOFILE, &most));
}

TEST(pipes, "[V10] a million pipes: whoever holds them ends, the sleeper does not")
{
	pid_t innocent = sleeper();

	remember_free();
	IS(CHILD({
		   int fds[2];

		   many_descriptors();
		   for (u32 i = 0; i < 500000; i++)
			   OK(pipe(fds));
	   }),
	   KILLED(SIGKILL));
	sleeper_is_well(innocent);
	ALL_BACK();
}

TEST(full_pipes, "[V10] pipes full of bytes count for who holds them")
{
	static char block[65536];
	pid_t innocent = sleeper();

	remember_free();
	IS(CHILD({
		   int fds[2];

		   many_descriptors();
		   for (;;) {
			   OK(pipe(fds));
			   NEED(write(fds[1], block, sizeof(block)) > 0);
		   }
	   }),
	   KILLED(SIGKILL));
	sleeper_is_well(innocent);
	ALL_BACK();
}

TEST(regions, "[V10] regions up to their limit: ENOMEM for one more, and all is given back")
{
	u8 *area;

	remember_free();
	area = pages(140000, PROT_READ);
	int made = 0, err = 0;

	for (u64 i = 0; i < 70000 && !err; i++, made++)
		err = mprotect(area + 2 * i * PAGE, PAGE, PROT_READ | PROT_WRITE) ? errno : 0;
	IS(err, ENOMEM);
	CHECK(made > 32000 && made < 32800); /* each makes two more */
	OK(munmap(area, 140000 * PAGE));
	ALL_BACK();
}

TEST(descriptors, "[V10] descriptors up to their limit: EMFILE for one more")
{
	struct rlimit few = {20, 20};
	int fds[2], fd;

	OK(setrlimit(RLIMIT_NOFILE, &few));
	while ((fd = dup(0)) >= 0)
		CHECK(fd < 20);
	IS(errno, EMFILE);
	close(19);
	FAILS(pipe(fds), EMFILE);
	IS(dup(0), 19);
}

/* --- processes --- */

TEST(process_limit, "[V10] RLIMIT_NPROC counts a user's own tasks: EAGAIN for one more; root is free of it")
{
	struct rlimit few = {5, 5};
	pid_t child[4];

	OK(setrlimit(RLIMIT_NPROC, &few));
	IS(CHILD(_exit(3)), EXITED(3));
	OK(setresuid(4711, 4711, 4711));
	for (u32 i = 0; i < 4; i++)
		child[i] = SPAWN(for (;;) pause());
	FAILS(fork(), EAGAIN);
	OK(kill(child[0], SIGKILL));
	IS(wait_status(child[0]), KILLED(SIGKILL));
	IS(CHILD(_exit(4)), EXITED(4));
	for (u32 i = 1; i < 4; i++) {
		OK(kill(child[i], SIGKILL));
		IS(wait_status(child[i]), KILLED(SIGKILL));
	}
}

TEST(numbers, "[V10] numbers for processes run out: EAGAIN, and they come back")
{
	pid_t pid = 0;
	volatile u32 count = 0;

	remember_free();
	/* Those that have ended and were not waited for hold nothing but their numbers. */
	while (count < 40000 && (pid = vfork()) >= 0) {
		if (pid == 0)
			_exit(0);
		count++;
	}
	IS(pid, -1);
	IS(errno, EAGAIN);
	CHECK(count > 30000 && count < 32768);
	while (waitpid(-1, NULL, 0) > 0)
		count--;
	IS(count, 0);
	IS(CHILD(_exit(3)), EXITED(3));
}

TEST(argument_space, "[V10] arguments that do not fit: E2BIG, and the old program goes on")
{
	static char longest[100000];
	static char *argv[100];

	memset(longest, 'x', sizeof(longest) - 1);
	for (u32 i = 0; i < ARRAY_SIZE(argv) - 1; i++)
		argv[i] = longest;
	FAILS(execv("/bin/true", argv), E2BIG);
}
