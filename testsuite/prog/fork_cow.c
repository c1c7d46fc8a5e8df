/* fork and vfork: what is copied, what is shared, and that neither side ever sees the other's writes. */
#include "testsuite/prog/tap.h"

#include <sched.h>

#define PAGES 64UL

static int data_word = 1;
static int bss_word;

static void fill(u8 *p, u64 count, u8 value)
{
	for (u64 i = 0; i < count; i++)
		memset(p + i * PAGE, value, PAGE);
}

/* => number of bytes that are not VALUE */
static u64 differing(const u8 *p, u64 count, u8 value)
{
	u64 wrong = 0;

	for (u64 i = 0; i < count * PAGE; i++)
		wrong += p[i] != value;
	return wrong;
}

/* Two processes take turns over two pipes. */
struct turns {
	int to_child[2], to_parent[2];
};

static struct turns turns_make(void)
{
	struct turns t;

	OK(pipe(t.to_child));
	OK(pipe(t.to_parent));
	return t;
}

static void turn_give(int fd)
{
	NEED(write(fd, "x", 1) == 1);
}

static void turn_take(int fd)
{
	char c;

	NEED(read(fd, &c, 1) == 1);
}

TEST(fork_returns, "[P8] fork gives 0 to the child and the child's pid to the parent")
{
	pid_t *child_pid = shared_pages(1), parent = getpid(), child;

	child = fork();
	NEED(child >= 0);
	if (child == 0) {
		child_pid[0] = getpid();
		child_pid[1] = getppid();
		_exit(21);
	}
	IS(wait_status(child), EXITED(21));
	IS(child_pid[0], child);
	IS(child_pid[1], parent);
	CHECK(child != parent);
}

TEST(same_addresses, "[P8] the child finds all memory at the same addresses, with the same contents")
{
	u8 *map = pages(PAGES, PROT_READ | PROT_WRITE);
	char stack[64] = "on the stack";

	fill(map, PAGES, 0x5a);
	data_word = 11;
	bss_word = 12;
	IS(CHILD({
		   IS(differing(map, PAGES, 0x5a), 0);
		   IS(data_word, 11);
		   IS(bss_word, 12);
		   IS_STR(stack, "on the stack");
	   }),
	   EXITED(0));
}

TEST(parent_writes_first, "[V2] the parent writes first: the child keeps the old contents")
{
	u8 *map = pages(PAGES, PROT_READ | PROT_WRITE);
	struct turns t = turns_make();
	pid_t child;

	fill(map, PAGES, 1);
	child = SPAWN({
		turn_take(t.to_child[0]);
		IS(differing(map, PAGES, 1), 0);
		fill(map, PAGES, 3);
		IS(differing(map, PAGES, 3), 0);
	});
	fill(map, PAGES, 2);
	turn_give(t.to_child[1]);
	IS(wait_status(child), EXITED(0));
	IS(differing(map, PAGES, 2), 0);
}

TEST(child_writes_first, "[V2] the child writes first: the parent keeps the old contents")
{
	u8 *map = pages(PAGES, PROT_READ | PROT_WRITE);
	struct turns t = turns_make();
	pid_t child;

	fill(map, PAGES, 1);
	child = SPAWN({
		fill(map, PAGES, 2);
		turn_give(t.to_parent[1]);
		turn_take(t.to_child[0]);
		IS(differing(map, PAGES, 2), 0);
	});
	turn_take(t.to_parent[0]);
	IS(differing(map, PAGES, 1), 0);
	fill(map, PAGES, 3);
	turn_give(t.to_child[1]);
	IS(wait_status(child), EXITED(0));
	IS(differing(map, PAGES, 3), 0);
}

TEST(alternating_pages, "[V2] writes to alternating pages by both sides at once stay apart")
{
	u8 *map = pages(PAGES, PROT_READ | PROT_WRITE);
	pid_t child;

	fill(map, PAGES, 1);
	child = SPAWN({
		for (u64 i = 0; i < PAGES; i += 2)
			map[i * PAGE + i] = 2;
		for (u64 i = 0; i < PAGES; i++)
			IS(map[i * PAGE + i], i % 2 ? 1 : 2);
	});
	for (u64 i = 1; i < PAGES; i += 2)
		map[i * PAGE + i] = 3;
	IS(wait_status(child), EXITED(0));
	for (u64 i = 0; i < PAGES; i++)
		IS(map[i * PAGE + i], i % 2 ? 3 : 1);
}

/* Generation N checks what N-1 left, forks N+1, and writes its own stripe both before and after. */
static void generation(u8 *map, u32 n, u32 last)
{
	int status;

	for (u64 i = 0; i < PAGES; i++) {
		IS(map[i * PAGE], n ? n - 1 + 100 : 1);
		map[i * PAGE] = n + 100;
	}
	if (n < last) {
		status = CHILD(generation(map, n + 1, last));
		IS(status, EXITED(0));
	}
	for (u64 i = 0; i < PAGES; i++)
		IS(map[i * PAGE], n + 100);
	for (u64 i = 0; i < PAGES; i++)
		map[i * PAGE] = 0xee;
}

TEST(generations, "[V2] eight generations each see their parent's pages and write their own")
{
	u8 *map = pages(PAGES, PROT_READ | PROT_WRITE);

	fill(map, PAGES, 1);
	generation(map, 0, 7);
}

TEST(siblings, "[V2] ten children of one parent, each with its own copy")
{
	u8 *map = pages(PAGES, PROT_READ | PROT_WRITE);
	struct turns t = turns_make();
	pid_t child[10];

	fill(map, PAGES, 77);
	for (u32 i = 0; i < 10; i++)
		child[i] = SPAWN({
			turn_take(t.to_child[0]);
			IS(differing(map, PAGES, 77), 0);
			fill(map, PAGES, i);
			sched_yield();
			IS(differing(map, PAGES, i), 0);
		});
	for (u32 i = 0; i < 10; i++)
		turn_give(t.to_child[1]);
	for (u32 i = 0; i < 10; i++)
		IS(wait_status(child[i]), EXITED(0));
	IS(differing(map, PAGES, 77), 0);
}

TEST(survives_parent, "[V2] the grandchild keeps its pages after parent and grandparent wrote or ended")
{
	u8 *map = pages(PAGES, PROT_READ | PROT_WRITE);
	struct turns t = turns_make();
	char verdict;

	fill(map, PAGES, 9);
	IS(CHILD({
		   SPAWN({
			   turn_take(t.to_child[0]);
			   verdict = differing(map, PAGES, 9) == 0 ? 'y' : 'n';
			   NEED(write(t.to_parent[1], &verdict, 1) == 1);
		   });
		   fill(map, PAGES, 8);
	   }),
	   EXITED(0));
	fill(map, PAGES, 7);
	turn_give(t.to_child[1]);
	NEED(read(t.to_parent[0], &verdict, 1) == 1);
	IS(verdict, 'y');
}

TEST(kernel_writes_copy, "[V2] a write by the kernel (read, pipe, getcwd) copies the page as well")
{
	u8 *map = pages(4, PROT_READ | PROT_WRITE);
	int fds[2];

	OK(pipe(fds));
	fill(map, 4, 1);
	IS(CHILD({
		   NEED(write(fds[1], "abcdefgh", 8) == 8);
		   NEED(read(fds[0], map + PAGE - 4, 8) == 8);
		   NEED(syscall(SYS_getcwd, map + 2 * PAGE, PAGE) > 0);
		   NEED(pipe((int *)(map + 3 * PAGE)) == 0);
		   CHECK(memcmp(map + PAGE - 4, "abcdefgh", 8) == 0);
		   CHECK(map[2 * PAGE] == '/');
	   }),
	   EXITED(0));
	IS(differing(map, 4, 1), 0);
	IS(CHILD(IS(differing(map, 4, 1), 0)), EXITED(0));
}

TEST(zero_page, "[V2] pages that were only read stay zero on the other side of a write")
{
	u8 *map = pages(PAGES, PROT_READ | PROT_WRITE);
	struct turns t = turns_make();
	pid_t child;

	IS(differing(map, PAGES, 0), 0);
	child = SPAWN({
		fill(map, PAGES, 4);
		turn_give(t.to_parent[1]);
		turn_take(t.to_child[0]);
		IS(differing(map, PAGES, 4), 0);
	});
	turn_take(t.to_parent[0]);
	IS(differing(map, PAGES, 0), 0);
	fill(map, PAGES, 5);
	turn_give(t.to_child[1]);
	IS(wait_status(child), EXITED(0));
}

TEST(untouched_pages, "[V2] pages that nobody had touched are each side's own zeroes")
{
	u8 *map = pages(PAGES, PROT_READ | PROT_WRITE);

	IS(CHILD({
		   fill(map, PAGES, 4);
		   IS(differing(map, PAGES, 4), 0);
	   }),
	   EXITED(0));
	IS(differing(map, PAGES, 0), 0);
}

TEST(shared_stays_shared, "[V2] shared anonymous pages are written in common, touched before fork or not")
{
	u8 *map = shared_pages(PAGES);
	struct turns t = turns_make();
	pid_t child;

	fill(map, PAGES / 2, 1);
	child = SPAWN({
		IS(differing(map, PAGES / 2, 1), 0);
		fill(map, PAGES, 2);
		turn_give(t.to_parent[1]);
		turn_take(t.to_child[0]);
		IS(differing(map, PAGES, 3), 0);
	});
	turn_take(t.to_parent[0]);
	IS(differing(map, PAGES, 2), 0);
	fill(map, PAGES, 3);
	turn_give(t.to_child[1]);
	IS(wait_status(child), EXITED(0));
}

TEST(file_private, "[V2] a private file mapping: writes reach neither the other side nor the file")
{
	char text[PAGE], now[PAGE];
	u8 *map;
	int fd;

	enter_scratch();
	memset(text, 'f', PAGE);
	fd = make_file("file", text, PAGE, 0600);
	map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	NEED(map != MAP_FAILED);
	IS(map[0], 'f');
	IS(CHILD({
		   map[0] = 'c';
		   IS(map[0], 'c');
	   }),
	   EXITED(0));
	IS(map[0], 'f');
	map[1] = 'p';
	IS(CHILD(IS(map[1], 'p')), EXITED(0));
	NEED(pread(fd, now, PAGE, 0) == (ssize_t)PAGE);
	CHECK(memcmp(now, text, PAGE) == 0);
}

TEST(protection_kept, "[V2] what was read-only before fork is read-only after it")
{
	u8 *map = pages(3, PROT_READ | PROT_WRITE);

	fill(map, 3, 1);
	OK(mprotect(map, PAGE, PROT_READ));
	OK(mprotect(map + PAGE, PAGE, PROT_NONE));
	IS(CHILD(*(volatile u8 *)map = 2), KILLED(SIGSEGV));
	IS(CHILD((void)*(volatile u8 *)(map + PAGE)), KILLED(SIGSEGV));
	IS(CHILD(*(volatile u8 *)(map + 2 * PAGE) = 2), EXITED(0));
	OK(mprotect(map, 2 * PAGE, PROT_READ | PROT_WRITE));
	IS(differing(map, 3, 1), 0);
}

TEST(protect_after_fork, "[V2] mprotect to writable after fork does not bring back the sharing")
{
	u8 *map = pages(PAGES, PROT_READ | PROT_WRITE);

	fill(map, PAGES, 1);
	OK(mprotect(map, PAGES * PAGE, PROT_READ));
	IS(CHILD({
		   OK(mprotect(map, PAGES * PAGE, PROT_READ | PROT_WRITE));
		   fill(map, PAGES, 2);
	   }),
	   EXITED(0));
	OK(mprotect(map, PAGES * PAGE, PROT_READ | PROT_WRITE));
	IS(differing(map, PAGES, 1), 0);
}

TEST(unmap_on_one_side, "[V1] unmapping on one side leaves the other's pages alone")
{
	u8 *map = pages(PAGES, PROT_READ | PROT_WRITE);

	fill(map, PAGES, 6);
	for (u32 i = 0; i < 20; i++) {
		IS(CHILD({
			   OK(munmap(map + i * PAGE, (PAGES - i) * PAGE));
			   map = pages(PAGES, PROT_READ | PROT_WRITE);
			   fill(map, PAGES, i);
		   }),
		   EXITED(0));
		IS(differing(map, PAGES, 6), 0);
	}
}

TEST(kept_after_exits, "[V1] a hundred forks and exits leave the parent's pages alone and writable")
{
	u8 *map = pages(4, PROT_READ | PROT_WRITE);

	for (u32 i = 0; i < 100; i++) {
		fill(map, 4, i);
		IS(CHILD(map[i] = 0xff), EXITED(0));
		IS(differing(map, 4, i), 0);
	}
}

TEST(offset_shared, "[P8] parent and child share one file offset")
{
	int fd;

	enter_scratch();
	fd = make_file("file", "0123456789", 10, 0600);
	IS(CHILD({
		   char c;

		   OK(lseek(fd, 4, SEEK_SET));
		   NEED(read(fd, &c, 1) == 1);
		   IS(c, '4');
	   }),
	   EXITED(0));
	IS(lseek(fd, 0, SEEK_CUR), 5);
}

TEST(offset_of_own_open, "[P8] a file opened again has an offset of its own")
{
	int a, b, c;

	enter_scratch();
	a = make_file("file", "0123456789", 10, 0600);
	b = OK(open("file", O_RDONLY));
	c = OK(dup(a));
	OK(lseek(a, 3, SEEK_SET));
	IS(lseek(b, 0, SEEK_CUR), 0);
	IS(lseek(c, 0, SEEK_CUR), 3);
}

TEST(flags_shared, "[P8] status flags are shared as the offset is, close-on-exec is not")
{
	int fd;

	enter_scratch();
	fd = make_file("file", "", 0, 0600);
	OK(fcntl(fd, F_SETFD, 0));
	IS(CHILD({
		   OK(fcntl(fd, F_SETFL, O_APPEND));
		   OK(fcntl(fd, F_SETFD, FD_CLOEXEC));
	   }),
	   EXITED(0));
	IS(fcntl(fd, F_GETFL) & O_APPEND, O_APPEND);
	IS(fcntl(fd, F_GETFD), 0);
}

TEST(close_independent, "[P8] closing a descriptor in one leaves the other's open")
{
	int fds[2];
	char c;

	OK(pipe(fds));
	IS(CHILD({
		   OK(close(fds[0]));
		   OK(close(fds[1]));
		   FAILS(write(fds[1], "x", 1), EBADF);
	   }),
	   EXITED(0));
	IS(write(fds[1], "x", 1), 1);
	IS(read(fds[0], &c, 1), 1);
	IS(CHILD(OK(dup2(0, 40))), EXITED(0));
	FAILS(fcntl(40, F_GETFD), EBADF);
}

TEST(end_of_pipe, "[P8] the pipe ends when the last writer of all processes has closed it")
{
	int fds[2];
	char c;
	pid_t child;

	OK(pipe(fds));
	child = SPAWN({
		close(fds[0]);
		sleep_ms(50);
	});
	close(fds[1]);
	IS(read(fds[0], &c, 1), 0);
	IS(wait_status(child), EXITED(0));
}

TEST(folder_and_mask, "[P8] working directory and umask are the child's own from fork on")
{
	char before[256], after[256];

	umask(022);
	NEED(getcwd(before, sizeof(before)));
	IS(CHILD({
		   IS(umask(077), 022);
		   OK(chdir("/dev"));
	   }),
	   EXITED(0));
	IS(umask(022), 022);
	NEED(getcwd(after, sizeof(after)));
	IS_STR(after, before);
}

static volatile int handled;

static void on_signal(int sig)
{
	handled = sig;
}

TEST(signal_state, "[P8] the child inherits handlers and mask, not what is pending, nor the alarm")
{
	sigset_t set;

	signal(SIGUSR1, on_signal);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR1);
	alarm(100);
	IS(CHILD({
		   sigset_t now;

		   OK(sigpending(&now));
		   IS(sigismember(&now, SIGUSR1), 0);
		   OK(sigprocmask(SIG_BLOCK, NULL, &now));
		   IS(sigismember(&now, SIGUSR1), 1);
		   IS(alarm(0), 0);
		   raise(SIGUSR1);
		   IS(handled, 0);
		   OK(sigprocmask(SIG_UNBLOCK, &set, NULL));
		   IS(handled, SIGUSR1);
	   }),
	   EXITED(0));
	IS(handled, 0);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	IS(handled, SIGUSR1);
	CHECK(alarm(0) > 90);
}

TEST(vfork_shares, "[P8] vfork: the parent waits, and sees what the child wrote")
{
	volatile int value = 1;
	pid_t child = vfork();

	if (child == 0) {
		value = 2;
		_exit(value + 40);
	}
	NEED(child > 0);
	IS(value, 2);
	IS(wait_status(child), EXITED(42));
}

TEST(vfork_exec, "[P8] vfork: the parent goes on at exec; a failed exec returns to the child")
{
	static char *argv[] = {"fork_cow", "@exit", NULL};
	volatile int failed = 0;
	pid_t child = vfork();

	if (child == 0) {
		execv("/nowhere/at/all", argv);
		failed = errno;
		execv("/proc/self/exe", argv);
		_exit(1);
	}
	NEED(child > 0);
	IS(failed, ENOENT);
	IS(wait_status(child), EXITED(33));
}

TEST(vfork_killed, "[P8] vfork: the parent goes on when the child is killed")
{
	pid_t child = vfork();

	if (child == 0) {
		kill(getpid(), SIGKILL);
		_exit(1);
	}
	NEED(child > 0);
	IS(wait_status(child), KILLED(SIGKILL));
}

TEST(clone_thread_flags, "[P8] clone refuses combinations that make no sense")
{
	FAILS(syscall(SYS_clone, CLONE_SIGHAND | SIGCHLD, 0, 0, 0, 0), EINVAL);
	FAILS(syscall(SYS_clone, CLONE_THREAD | SIGCHLD, 0, 0, 0, 0), EINVAL);
	FAILS(syscall(SYS_clone, CLONE_FS | CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0), EINVAL);
}

TEST(clone_tids, "[P8] clone writes the child's number where each side asked for it")
{
	int *shared = shared_pages(1);
	volatile int parent_tid = 0, child_tid = 0;
	pid_t child;

	child = syscall(SYS_clone, CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, 0, &parent_tid,
	                &child_tid, 0);
	if (child == 0) {
		*shared = child_tid;
		_exit(0);
	}
	NEED(child > 0);
	IS(wait_status(child), EXITED(0));
	IS(parent_tid, child);
	IS(*shared, child);
	IS(child_tid, 0);
}

TEST(exit_signal, "[P8] the child's end sends the signal that clone named")
{
	pid_t child;
	int status;

	signal(SIGUSR2, on_signal);
	child = syscall(SYS_clone, SIGUSR2, 0, 0, 0, 0);
	if (child == 0)
		_exit(5);
	FAILS(waitpid(child, &status, WNOHANG),
	      ECHILD); /* not a SIGCHLD child: only with __WALL or __WCLONE */
	while (waitpid(child, &status, __WALL) < 0 && errno == EINTR)
		;
	IS(status, EXITED(5));
	IS(handled, SIGUSR2);
}

int role_main(int argc, char **argv)
{
	(void)argc;
	return strcmp(argv[1], "@exit") ? 1 : 33;
}
