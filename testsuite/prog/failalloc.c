/* cflags: -fno-stack-protector -mno-red-zone */
/* linux: no */
/* Every allocation of a system call is made to fail, one after another: the call fails in the way that is
 * documented, nothing has changed, and nothing was lost. A call that does without what it did not get may succeed. */
#include "testsuite/prog/tap.h"
#include "testsuite/prog/touch.h"

#include <dirent.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>

#define SYS_test_failalloc 402
#define ALLOCATIONS 2000 /* more than any call makes */
#define FD_HIGH 700

/* One call. PREPARE, UNDO and GONE may be missing. */
struct op {
	const char *name;
	void (*prepare)(void);
	i64 (*call)(void);     /* exactly one system call, raw */
	void (*undo)(i64 ret); /* after success */
	void (*gone)(void);    /* after failure: take back what PREPARE made */
	int errors[3];         /* documented besides ENOMEM */
};

static void fail_next(u64 n)
{
	syscall(SYS_test_failalloc, n);
}

static u64 fail_left(void)
{
	return syscall(SYS_test_failalloc, 0UL);
}

/* --- what a failed call must leave as it was --- */

struct state {
	char maps[16384], names[4096], cwd[256];
	struct sigaction action[65];
	sigset_t mask, pending;
	struct stat file;
	u64 fds[FD_HIGH / 64 + 1];
	void *brk;
};

static size_t file_text(const char *path, char *buf, size_t size)
{
	int fd = OK(open(path, O_RDONLY));
	size_t n = 0;
	ssize_t got;

	while (n < size && (got = read(fd, buf + n, size - n)) > 0)
		n += got;
	NEED(n < size);
	close(fd);
	return n;
}

static void state_take(struct state *s)
{
	int fd;

	memset(s, 0, sizeof(*s));
	file_text("/proc/self/maps", s->maps, sizeof(s->maps));
	fd = OK(open(".", O_RDONLY | O_DIRECTORY));
	syscall(SYS_getdents64, fd, s->names, sizeof(s->names));
	close(fd);
	NEED(getcwd(s->cwd, sizeof(s->cwd)));
	for (int sig = 1; sig <= 64; sig++)
		syscall(SYS_rt_sigaction, sig, NULL, &s->action[sig], 8);
	sigprocmask(SIG_SETMASK, NULL, &s->mask);
	sigpending(&s->pending);
	NEED(stat("file", &s->file) == 0);
	memset(&s->file.st_atim, 0, sizeof(s->file.st_atim));
	for (fd = 0; fd < FD_HIGH; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			s->fds[fd / 64] |= 1UL << fd % 64;
	s->brk = (void *)syscall(SYS_brk, 0);
}

static struct state before, after;

static void state_check(const struct op *op, u64 n)
{
	const char *what = NULL;

	state_take(&after);
	if (strcmp(before.maps, after.maps))
		what = "mappings";
	else if (memcmp(before.names, after.names, sizeof(before.names)))
		what = "names in the working directory";
	else if (strcmp(before.cwd, after.cwd))
		what = "the working directory";
	else if (memcmp(before.action, after.action, sizeof(before.action)) ||
	         memcmp(&before.mask, &after.mask, 8) || memcmp(&before.pending, &after.pending, 8))
		what = "signals";
	else if (memcmp(&before.file, &after.file, sizeof(before.file)))
		what = before.file.st_size != after.file.st_size ? "a file's size" : "a file";
	else if (memcmp(before.fds, after.fds, sizeof(before.fds)) || before.brk != after.brk)
		what = "descriptors or the break";
	if (what) {
		note("%s: with allocation %llu failing, %s changed", op->name, (unsigned long long)n, what);
		tap_failures++;
	}
}

/* --- the walk --- */

static bool is_documented(const struct op *op, int err)
{
	bool ok = err == ENOMEM;

	for (u32 i = 0; i < ARRAY_SIZE(op->errors); i++)
		ok |= op->errors[i] && op->errors[i] == err;
	return ok;
}

static void op_failed(const struct op *op, u64 n, int err, bool check)
{
	if (!is_documented(op, err)) {
		note("%s: with allocation %llu failing: %s", op->name, (unsigned long long)n, strerror(err));
		tap_failures++;
	}
	if (check)
		state_check(op, n);
	if (op->gone)
		op->gone();
}

/* => how many allocations the call makes. CHECK: look at the state too, which takes long */
static u64 walk(const struct op *op, bool check)
{
	for (u64 n = 1; n < ALLOCATIONS; n++) {
		u64 left;
		i64 ret;
		int err;

		if (op->prepare)
			op->prepare();
		if (check)
			state_take(&before);
		fail_next(n);
		ret = op->call();
		err = errno;
		left = fail_left();
		if (ret == -1)
			op_failed(op, n, err, check);
		else if (op->undo)
			op->undo(ret);
		if (left) {
			if (ret == -1)
				note("%s fails without a reason: %s", op->name, strerror(err));
			tap_failures += ret == -1;
			return n - 1;
		}
		if (tap_failures > 20)
			_exit(1);
	}
	note("%s: no end of allocations", op->name);
	tap_failures++;
	return 0;
}

static void walk_rounds(const struct op *op)
{
	static struct accounts before;
	u64 count = 0;

	for (u32 i = 0; i < 2; i++)
		count = walk(op, true);
	walk(op, false);
	accounts_take(&before);
	walk(op, false);
	if (!accounts_even(&before)) {
		note("%s: something is lost", op->name);
		tap_failures++;
	}
	say("# %s: %llu allocations\n", op->name, (unsigned long long)count);
}

static void walk_all(const struct op *ops, u32 count)
{
	signal(SIGPIPE, SIG_IGN);
	enter_scratch();
	make_closed_file("file", "contents", 8, 0755);
	OK(mkdir("folder", 0755));
	state_take(&before); /* has its pages from now on */
	state_take(&after);
	for (u32 i = 0; i < count; i++)
		walk_rounds(&ops[i]);
}

#define WALK(...)                                              \
	do {                                                   \
		static const struct op ops_[] = {__VA_ARGS__}; \
		walk_all(ops_, ARRAY_SIZE(ops_));              \
	} while (0)

/* --- processes --- */

static i64 call_fork(void)
{
	i64 pid = syscall(SYS_fork);

	if (pid == 0)
		_exit(3);
	return pid;
}

static void undo_child(i64 pid)
{
	IS(wait_status(pid), EXITED(3));
}

static i64 call_clone_files(void)
{
	i64 pid = syscall(SYS_clone, CLONE_FS | CLONE_FILES | SIGCHLD, NULL, NULL, NULL, 0);

	if (pid == 0)
		_exit(3);
	return pid;
}

static u8 thread_stack[16384] __attribute__((aligned(16)));
static volatile pid_t thread_tid;

static i64 call_thread(void)
{
	register u64 r10 __asm__("r10") = (u64)&thread_tid, r8 __asm__("r8") = 0;
	u64 flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
	            CLONE_CHILD_CLEARTID;
	i64 ret;

	thread_tid = 1;
	__asm__ volatile("syscall\n\t"
	                 "test %%rax, %%rax\n\t"
	                 "jnz 1f\n\t"
	                 "mov $60, %%eax\n\t" /* exit */
	                 "xor %%edi, %%edi\n\t"
	                 "syscall\n"
	                 "1:"
	                 : "=a"(ret), "+r"(r10), "+r"(r8)
	                 : "a"(SYS_clone), "D"(flags), "S"(thread_stack + sizeof(thread_stack)), "d"(0)
	                 : "rcx", "r11", "memory", "cc");
	if (ret < 0) {
		errno = (int)-ret;
		return -1;
	}
	return ret;
}

static void undo_thread(i64 tid)
{
	(void)tid;
	UNTIL(thread_tid == 0);
	sleep_ms(1); /* its stack is freed behind that */
}

TEST(processes, "[V10] each allocation of fork, clone and thread creation fails once")
{
	WALK({.name = "fork", .call = call_fork, .undo = undo_child, .errors = {EAGAIN}},
	     {.name = "clone with files", .call = call_clone_files, .undo = undo_child, .errors = {EAGAIN}},
	     {.name = "thread", .call = call_thread, .undo = undo_thread, .errors = {EAGAIN}});
}

/* exec runs in a child: @after tells whether the failure was used. */
#define EXEC_UNUSED 11
#define EXEC_USED 12

int role_main(int argc, char **argv)
{
	if (argc < 2 || strcmp(argv[1], "@after"))
		return 2;
	return fail_left() ? EXEC_UNUSED : EXEC_USED;
}

static const char *exec_path;
static char *exec_argv[8] = {"failalloc", "@after"};
static char *exec_envp[] = {"A=b", "C=d", NULL};

static void exec_child(const struct op *op, u64 n, bool check)
{
	if (check)
		state_take(&before);
	fail_next(n);
	syscall(SYS_execve, exec_path, exec_argv, exec_envp);
	int err = errno;

	fail_left();
	op_failed(op, n, err, check);
	_exit(tap_failures ? 1 : 0);
}

static u64 exec_walk(const struct op *op, bool check)
{
	for (u64 n = 1; n < ALLOCATIONS; n++) {
		int status = CHILD(exec_child(op, n, check));

		if (status == EXITED(EXEC_UNUSED))
			return n - 1;
		if (status != EXITED(0) && status != EXITED(EXEC_USED)) {
			note("%s: with allocation %llu failing: status 0x%x", op->name, (unsigned long long)n,
			     status);
			if (++tap_failures > 20)
				_exit(1);
		}
	}
	tap_failures++;
	return 0;
}

static void exec_rounds(const char *name, const char *path)
{
	const struct op op = {.name = name};
	static struct accounts before;
	u64 count;

	exec_path = path;
	count = exec_walk(&op, true);
	accounts_take(&before);
	exec_walk(&op, false);
	say("# %s: %llu allocations\n", name, (unsigned long long)count);
	CHECK(accounts_even(&before));
}

TEST(exec, "[V10] each allocation of exec fails once: of a program, with long arguments, of a script")
{
	static const char script[] = "#!/proc/self/exe @after\n";
	static char longest[20000];

	enter_scratch();
	make_closed_file("file", "contents", 8, 0755);
	make_closed_file("script", script, sizeof(script) - 1, 0755);
	state_take(&before);
	state_take(&after);
	exec_rounds("exec", "/proc/self/exe");
	exec_rounds("exec of a script", "script");
	memset(longest, 'l', sizeof(longest) - 1);
	exec_argv[2] = exec_argv[3] = longest;
	exec_rounds("exec with long arguments", "/proc/self/exe");
}

static u64 exit_walk(void)
{
	for (u64 n = 1; n < ALLOCATIONS; n++) {
		int status = CHILD({
			fail_next(n);
			syscall(SYS_exit_group, 3);
		});

		IS(status, EXITED(3));
		if (fail_left())
			return n - 1;
	}
	tap_failures++;
	return 0;
}

TEST(exits, "[V10] a process ends with its status, whatever cannot be had")
{
	say("# exit_group: %llu allocations\n", (unsigned long long)exit_walk());
}

/* --- memory --- */

static u8 *area; /* of 64 pages; all of them are there, so that fork shares their table */

static void prepare_area(void)
{
	area = pages(64, PROT_READ | PROT_WRITE);
	for (u32 i = 0; i < 64; i++)
		area[i * PAGE] = 1;
}

static void drop_area(void)
{
	OK(munmap(area, 64 * PAGE));
}

static void undo_area(i64 ret)
{
	(void)ret;
	drop_area();
}

static void undo_map(i64 at)
{
	OK(munmap((void *)at, 16 * PAGE));
}

static i64 call_mmap(void)
{
	return syscall(SYS_mmap, NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static i64 call_mmap_shared(void)
{
	return syscall(SYS_mmap, NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static int map_fd;

static void prepare_fd(void)
{
	map_fd = OK(open("file", O_RDWR));
}

static void drop_fd(void)
{
	close(map_fd);
}

static i64 call_mmap_file(void)
{
	return syscall(SYS_mmap, NULL, 16 * PAGE, PROT_READ, MAP_PRIVATE, map_fd, 0);
}

static void undo_map_file(i64 at)
{
	undo_map(at);
	drop_fd();
}

static i64 call_mmap_over(void)
{
	return syscall(SYS_mmap, area + 20 * PAGE, 9 * PAGE, PROT_READ,
	               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

static i64 call_mprotect(void)
{
	return syscall(SYS_mprotect, area + 20 * PAGE, 9 * PAGE, PROT_READ);
}

static i64 call_munmap(void)
{
	return syscall(SYS_munmap, area + 20 * PAGE, 9 * PAGE);
}

static i64 call_dontneed(void)
{
	return syscall(SYS_madvise, area + 20 * PAGE, 9 * PAGE, MADV_DONTNEED);
}

static i64 call_mremap(void)
{
	return syscall(SYS_mremap, area + 20 * PAGE, 9 * PAGE, 90 * PAGE, MREMAP_MAYMOVE, 0);
}

static void undo_mremap(i64 at)
{
	OK(munmap((void *)at, 90 * PAGE));
	drop_area();
}

static void *old_break;

static void prepare_brk(void)
{
	old_break = (void *)syscall(SYS_brk, 0);
}

static i64 call_brk(void)
{
	i64 now = syscall(SYS_brk, (u8 *)old_break + 5 * PAGE);

	errno = ENOMEM; /* it gives what the break is */
	return (void *)now == old_break ? -1 : now;
}

static void undo_brk(i64 ret)
{
	(void)ret;
	syscall(SYS_brk, old_break);
}

static i64 call_copyout(void)
{
	return syscall(SYS_read, map_fd, area + 20 * PAGE + PAGE - 4, 8);
}

static void prepare_copyout(void)
{
	prepare_area();
	OK(munmap(area, 64 * PAGE));
	area = pages(64, PROT_READ | PROT_WRITE);
	prepare_fd();
}

static void drop_copyout(void)
{
	drop_area();
	drop_fd();
}

static void undo_copyout(i64 n)
{
	CHECK(n == 8 || n == 4);
	drop_copyout();
}

TEST(memory, "[V10] each allocation of mmap, mprotect, munmap, mremap, madvise, brk and of a copy to fresh "
             "pages fails once")
{
	WALK({.name = "mmap", .call = call_mmap, .undo = undo_map},
	     {.name = "mmap shared", .call = call_mmap_shared, .undo = undo_map},
	     {.name = "mmap of a file",
	      .prepare = prepare_fd,
	      .call = call_mmap_file,
	      .undo = undo_map_file,
	      .gone = drop_fd},
	     {.name = "mmap over a part",
	      .prepare = prepare_area,
	      .call = call_mmap_over,
	      .undo = undo_area,
	      .gone = drop_area},
	     {.name = "mprotect of a part",
	      .prepare = prepare_area,
	      .call = call_mprotect,
	      .undo = undo_area,
	      .gone = drop_area},
	     {.name = "munmap of a part",
	      .prepare = prepare_area,
	      .call = call_munmap,
	      .undo = undo_area,
	      .gone = drop_area},
	     {.name = "madvise",
	      .prepare = prepare_area,
	      .call = call_dontneed,
	      .undo = undo_area,
	      .gone = drop_area},
	     {.name = "mremap",
	      .prepare = prepare_area,
	      .call = call_mremap,
	      .undo = undo_mremap,
	      .gone = drop_area},
	     {.name = "brk", .prepare = prepare_brk, .call = call_brk, .undo = undo_brk},
	     {.name = "read into fresh pages",
	      .prepare = prepare_copyout,
	      .call = call_copyout,
	      .undo = undo_copyout,
	      .gone = drop_copyout,
	      .errors = {EFAULT}});
}

/* A child shares the page tables: to change them takes a copy first. */
static pid_t sharer;
static int sharer_pipe[2];

static void prepare_shared_area(void)
{
	char c;

	prepare_area();
	OK(pipe(sharer_pipe));
	sharer = SPAWN({
		close(sharer_pipe[1]);
		read(sharer_pipe[0], &c, 1);
		_exit(3);
	});
}

static void drop_shared_area(void)
{
	close(sharer_pipe[0]);
	close(sharer_pipe[1]);
	undo_child(sharer);
	drop_area();
}

static void undo_shared_area(i64 ret)
{
	(void)ret;
	drop_shared_area();
}

static void undo_shared_mremap(i64 at)
{
	OK(munmap((void *)at, 90 * PAGE));
	drop_shared_area();
}

TEST(shared_tables,
     "[V10] [V2] so do those of mprotect, munmap, mremap, madvise and fork while a child shares page tables")
{
	WALK({.name = "mprotect",
	      .prepare = prepare_shared_area,
	      .call = call_mprotect,
	      .undo = undo_shared_area,
	      .gone = drop_shared_area},
	     {.name = "munmap",
	      .prepare = prepare_shared_area,
	      .call = call_munmap,
	      .undo = undo_shared_area,
	      .gone = drop_shared_area},
	     {.name = "mmap over a part",
	      .prepare = prepare_shared_area,
	      .call = call_mmap_over,
	      .undo = undo_shared_area,
	      .gone = drop_shared_area},
	     {.name = "madvise",
	      .prepare = prepare_shared_area,
	      .call = call_dontneed,
	      .undo = undo_shared_area,
	      .gone = drop_shared_area},
	     {.name = "mremap",
	      .prepare = prepare_shared_area,
	      .call = call_mremap,
	      .undo = undo_shared_mremap,
	      .gone = drop_shared_area});
}

/* --- files --- */

static void undo_fd(i64 fd)
{
	OK(close(fd));
}

static i64 call_open(void)
{
	return syscall(SYS_open, "file", O_RDWR);
}

static i64 call_open_folder(void)
{
	return syscall(SYS_open, ".", O_RDONLY | O_DIRECTORY);
}

static i64 call_open_proc(void)
{
	return syscall(SYS_open, "/proc/self/maps", O_RDONLY);
}

static i64 call_open_new(void)
{
	return syscall(SYS_open, "new", O_RDWR | O_CREAT | O_EXCL, 0644);
}

static i64 call_creat(void)
{
	return syscall(SYS_creat, "new", 0644);
}

static void undo_open_new(i64 fd)
{
	OK(close(fd));
	OK(unlink("new"));
}

static i64 call_mkdir(void)
{
	return syscall(SYS_mkdir, "new", 0755);
}

static void undo_mkdir(i64 ret)
{
	(void)ret;
	OK(rmdir("new"));
}

static i64 call_mknod(void)
{
	return syscall(SYS_mknod, "new", S_IFIFO | 0644, 0);
}

static i64 call_link(void)
{
	return syscall(SYS_link, "file", "new");
}

static i64 call_symlink(void)
{
	return syscall(SYS_symlink, "some/where/else", "new");
}

static void undo_name(i64 ret)
{
	(void)ret;
	OK(unlink("new"));
}

static i64 call_rename(void)
{
	return syscall(SYS_rename, "file",
	               "a-name-that-is-much-longer-than-the-old-one-was-and-fits-nowhere");
}

static void undo_rename(i64 ret)
{
	(void)ret;
	OK(rename("a-name-that-is-much-longer-than-the-old-one-was-and-fits-nowhere", "file"));
}

static void prepare_new(void)
{
	make_closed_file("new", "new", 3, 0644);
}

static i64 call_rename_over(void)
{
	return syscall(SYS_rename, "new", "other");
}

static void undo_rename_over(i64 ret)
{
	(void)ret;
	OK(unlink("other"));
}

static void prepare_rename_over(void)
{
	prepare_new();
	make_closed_file("other", "other", 5, 0644);
}

static void drop_rename_over(void)
{
	OK(unlink("new"));
	OK(unlink("other"));
}

static i64 call_unlink(void)
{
	return syscall(SYS_unlink, "new");
}

static void drop_new(void)
{
	OK(unlink("new"));
}

static i64 call_chdir(void)
{
	return syscall(SYS_chdir, "folder");
}

static void undo_chdir(i64 ret)
{
	(void)ret;
	OK(chdir(".."));
}

static char buffer[65536];

static i64 call_getcwd(void)
{
	return syscall(SYS_getcwd, buffer, sizeof(buffer));
}

static i64 call_stat(void)
{
	return syscall(SYS_stat, "folder/../file", buffer);
}

static i64 call_truncate(void)
{
	return syscall(SYS_truncate, "file", 3 * PAGE + 5);
}

static void undo_truncate(i64 ret)
{
	struct timespec times[2] = {{1, 0}, {1, 0}};

	(void)ret;
	OK(truncate("file", 8));
	OK(utimensat(AT_FDCWD, "file", times, 0));
}

static i64 call_write(void)
{
	return syscall(SYS_pwrite64, map_fd, buffer, 5 * PAGE, 3 * PAGE);
}

static void drop_write(void)
{
	drop_fd();
	undo_truncate(0);
}

static void undo_write(i64 ret)
{
	CHECK(ret > 0);
	drop_write();
}

static void prepare_maps(void)
{
	map_fd = OK(open("/proc/self/maps", O_RDONLY));
}

static i64 call_read(void)
{
	return syscall(SYS_read, map_fd, buffer, sizeof(buffer));
}

static void undo_read(i64 ret)
{
	(void)ret;
	drop_fd();
}

static void prepare_proc(void)
{
	map_fd = OK(open("/proc", O_RDONLY | O_DIRECTORY));
}

static void prepare_folder(void)
{
	map_fd = OK(open(".", O_RDONLY | O_DIRECTORY));
}

static i64 call_getdents(void)
{
	return syscall(SYS_getdents64, map_fd, buffer, sizeof(buffer));
}

static void prepare_lock(void)
{
	prepare_fd();
}

static i64 call_lock(void)
{
	static struct flock l = {.l_type = F_WRLCK, .l_start = 2, .l_len = 4};

	return syscall(SYS_fcntl, map_fd, F_SETLK, &l);
}

static i64 call_flock(void)
{
	return syscall(SYS_flock, map_fd, LOCK_EX | LOCK_NB);
}

TEST(names, "[V10] each allocation of open, creat, mkdir, mknod, link, symlink, rename, unlink, chdir, stat "
            "fails once")
{
	WALK({.name = "open", .call = call_open, .undo = undo_fd},
	     {.name = "open of a folder", .call = call_open_folder, .undo = undo_fd},
	     {.name = "open in /proc", .call = call_open_proc, .undo = undo_fd},
	     {.name = "open of a new file", .call = call_open_new, .undo = undo_open_new},
	     {.name = "creat", .call = call_creat, .undo = undo_open_new},
	     {.name = "mkdir", .call = call_mkdir, .undo = undo_mkdir},
	     {.name = "mknod", .call = call_mknod, .undo = undo_name},
	     {.name = "link", .call = call_link, .undo = undo_name},
	     {.name = "symlink", .call = call_symlink, .undo = undo_name},
	     {.name = "rename", .call = call_rename, .undo = undo_rename},
	     {.name = "rename over a file",
	      .prepare = prepare_rename_over,
	      .call = call_rename_over,
	      .undo = undo_rename_over,
	      .gone = drop_rename_over},
	     {.name = "unlink", .prepare = prepare_new, .call = call_unlink, .gone = drop_new},
	     {.name = "chdir", .call = call_chdir, .undo = undo_chdir},
	     {.name = "getcwd", .call = call_getcwd}, {.name = "stat", .call = call_stat});
}

TEST(contents, "[V10] each allocation of write, truncate, read of /proc, getdents and locks fails once")
{
	WALK({.name = "truncate", .call = call_truncate, .undo = undo_truncate, .errors = {ENOSPC}},
	     {.name = "write",
	      .prepare = prepare_fd,
	      .call = call_write,
	      .undo = undo_write,
	      .gone = drop_write,
	      .errors = {ENOSPC}},
	     {.name = "read of maps",
	      .prepare = prepare_maps,
	      .call = call_read,
	      .undo = undo_read,
	      .gone = drop_fd},
	     {.name = "getdents",
	      .prepare = prepare_folder,
	      .call = call_getdents,
	      .undo = undo_read,
	      .gone = drop_fd},
	     {.name = "getdents of /proc",
	      .prepare = prepare_proc,
	      .call = call_getdents,
	      .undo = undo_read,
	      .gone = drop_fd},
	     {.name = "fcntl lock",
	      .prepare = prepare_lock,
	      .call = call_lock,
	      .undo = undo_read,
	      .gone = drop_fd,
	      .errors = {ENOLCK}},
	     {.name = "flock",
	      .prepare = prepare_lock,
	      .call = call_flock,
	      .undo = undo_read,
	      .gone = drop_fd,
	      .errors = {ENOLCK}});
}

/* --- descriptors --- */

static int pipe_fds[2];

static i64 call_pipe(void)
{
	return syscall(SYS_pipe2, pipe_fds, 0);
}

static void undo_pipe(i64 ret)
{
	(void)ret;
	OK(close(pipe_fds[0]));
	OK(close(pipe_fds[1]));
}

static i64 call_dup_high(void)
{
	return syscall(SYS_dup2, 1, FD_HIGH - 10);
}

static i64 call_fcntl_dup(void)
{
	return syscall(SYS_fcntl, 1, F_DUPFD, 300);
}

static void prepare_pipe(void)
{
	OK(pipe(pipe_fds));
}

static i64 call_pipe_write(void)
{
	return syscall(SYS_write, pipe_fds[1], buffer, 5 * PAGE);
}

static void drop_pipe(void)
{
	undo_pipe(0);
}

static struct pollfd many[600];

static void prepare_poll(void)
{
	prepare_pipe();
	for (u32 i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = (struct pollfd){.fd = pipe_fds[0], .events = POLLIN};
}

static i64 call_poll(void)
{
	return syscall(SYS_poll, many, ARRAY_SIZE(many), 1);
}

static i64 call_select(void)
{
	static fd_set in;
	static struct timeval soon;

	soon = (struct timeval){0, 1000};
	FD_ZERO(&in);
	FD_SET(pipe_fds[0], &in);
	return syscall(SYS_select, 1000, &in, NULL, NULL, &soon);
}

/* The table grows once, and stays so: each step is a process of its own. */
static i64 in_child(i64 (*call)(void), u64 n, const char *name)
{
	return CHILD({
		struct op op = {.name = name};
		i64 ret;
		int err;

		state_take(&before);
		fail_next(n);
		ret = call();
		err = errno;
		if (fail_left())
			_exit(ret < 0 ? 1 : EXEC_UNUSED);
		if (ret == -1)
			op_failed(&op, n, err, true);
	});
}

static void walk_in_children(i64 (*call)(void), const char *name)
{
	i64 status = EXITED(0);

	for (u64 n = 1; status == EXITED(0) && n < ALLOCATIONS; n++) {
		status = in_child(call, n, name);
		if (status == EXITED(EXEC_UNUSED))
			say("# %s: %llu allocations\n", name, (unsigned long long)n - 1);
	}
	IS(status, EXITED(EXEC_UNUSED));
}

TEST(descriptors, "[V10] each allocation of pipe, dup beyond the first table, poll and select fails once")
{
	WALK({.name = "pipe", .call = call_pipe, .undo = undo_pipe},
	     {.name = "write to a pipe",
	      .prepare = prepare_pipe,
	      .call = call_pipe_write,
	      .undo = undo_pipe,
	      .gone = drop_pipe},
	     {.name = "poll",
	      .prepare = prepare_poll,
	      .call = call_poll,
	      .undo = undo_pipe,
	      .gone = drop_pipe},
	     {.name = "select",
	      .prepare = prepare_pipe,
	      .call = call_select,
	      .undo = undo_pipe,
	      .gone = drop_pipe});
	walk_in_children(call_dup_high, "dup2 beyond the first table");
	walk_in_children(call_fcntl_dup, "fcntl beyond the first table");
}

/* --- signals and time --- */

static void block(int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static void take(int sig)
{
	static const struct timespec none;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	IS(sigtimedwait(&set, NULL, &none), sig);
}

static pid_t own;

static i64 call_kill(void)
{
	return syscall(SYS_kill, own, SIGUSR1);
}

static i64 call_kill_rt(void)
{
	return syscall(SYS_tkill, own, SIGRTMIN + 3);
}

static void undo_kill(i64 ret)
{
	(void)ret;
	take(SIGUSR1);
}

static void undo_kill_rt(i64 ret)
{
	(void)ret;
	take(SIGRTMIN + 3);
}

static i64 call_sleep(void)
{
	static const struct timespec soon = {0, 1000};

	return syscall(SYS_nanosleep, &soon, NULL);
}

static i64 call_futex(void)
{
	static const struct timespec soon = {0, 1000};
	static u32 word;
	i64 ret = syscall(SYS_futex, &word, 0 /* FUTEX_WAIT */, 0, &soon, NULL, 0);

	return ret == -1 && errno == ETIMEDOUT ? 0 : ret;
}

static int wait_word;

static i64 call_wait(void)
{
	return syscall(SYS_wait4, sharer, &wait_word, 0, NULL);
}

static void prepare_wait(void)
{
	sharer = SPAWN(_exit(3));
	wait_word = 1; /* a page of our own again: the child is gone when its status cannot be told */
}

static void drop_wait(void)
{
	undo_child(sharer);
}

TEST(signals,
     "[V10] each allocation of kill, of a queued signal, of sleeps and of wait fails once; kill does without")
{
	own = getpid();
	block(SIGUSR1);
	block(SIGRTMIN + 3);
	WALK({.name = "kill", .call = call_kill, .undo = undo_kill},
	     {.name = "kill with a queued signal",
	      .call = call_kill_rt,
	      .undo = undo_kill_rt,
	      .errors = {EAGAIN}},
	     {.name = "nanosleep", .call = call_sleep}, {.name = "futex", .call = call_futex},
	     {.name = "wait4", .prepare = prepare_wait, .call = call_wait, .gone = drop_wait});
}

/* --- descriptors to wait with --- */

static int watcher, watched;

static i64 call_eventfd(void)
{
	return syscall(SYS_eventfd2, 0, 0);
}

static i64 call_epoll_create(void)
{
	return syscall(SYS_epoll_create1, 0);
}

static i64 call_timerfd(void)
{
	return syscall(SYS_timerfd_create, CLOCK_MONOTONIC, 0);
}

static i64 call_signalfd(void)
{
	static u64 mask = 1;

	return syscall(SYS_signalfd4, -1, &mask, 8, 0);
}

static i64 call_memfd(void)
{
	return syscall(SYS_memfd_create, "name", 0);
}

static void prepare_pidfd(void)
{
	own = getpid();
}

static i64 call_pidfd(void)
{
	return syscall(SYS_pidfd_open, own, 0);
}

static void prepare_watch(void)
{
	OK(mkfifo("watched", 0600));
	watched = OK(open("watched", O_RDWR)); /* two queues */
	OK(unlink("watched"));
	watcher = OK(epoll_create1(0));
}

static i64 call_watch(void)
{
	static struct epoll_event ev = {.events = EPOLLIN};

	return syscall(SYS_epoll_ctl, watcher, EPOLL_CTL_ADD, watched, &ev);
}

static void drop_watch(void)
{
	OK(close(watcher));
	OK(close(watched));
}

static void undo_watch(i64 ret)
{
	(void)ret;
	drop_watch();
}

TEST(events, "[V10] each allocation of eventfd, timerfd, signalfd, memfd, pidfd and epoll fails once")
{
	WALK({.name = "eventfd2", .call = call_eventfd, .undo = undo_fd},
	     {.name = "timerfd_create", .call = call_timerfd, .undo = undo_fd},
	     {.name = "signalfd4", .call = call_signalfd, .undo = undo_fd},
	     {.name = "memfd_create", .call = call_memfd, .undo = undo_fd},
	     {.name = "pidfd_open", .prepare = prepare_pidfd, .call = call_pidfd, .undo = undo_fd},
	     {.name = "epoll_create1", .call = call_epoll_create, .undo = undo_fd},
	     {.name = "epoll_ctl",
	      .prepare = prepare_watch,
	      .call = call_watch,
	      .undo = undo_watch,
	      .gone = drop_watch});
}

/* --- sockets --- */

static int socks[2];

static i64 call_socketpair(void)
{
	return syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, socks);
}

static void drop_socks(void)
{
	OK(close(socks[0]));
	OK(close(socks[1]));
}

static void undo_socks(i64 ret)
{
	(void)ret;
	drop_socks();
}

static void prepare_socks(void)
{
	OK(call_socketpair());
}

static i64 call_send_files(void)
{
	static struct iovec iov = {"x", 1};
	static struct {
		struct cmsghdr h;
		int fd;
	} control = {{.cmsg_len = CMSG_LEN(4), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}, 1};
	static struct msghdr msg = {
	        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_LEN(4)};

	return syscall(SYS_sendmsg, socks[0], &msg, 0);
}

static const struct sockaddr_un place = {.sun_family = AF_UNIX, .sun_path = "place"};

static void prepare_bind(void)
{
	socks[0] = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	socks[1] = OK(socket(AF_UNIX, SOCK_STREAM, 0));
}

static i64 call_bind(void)
{
	return syscall(SYS_bind, socks[0], &place, sizeof(place));
}

static void undo_bind(i64 ret)
{
	undo_socks(ret);
	OK(unlink("place"));
}

static void prepare_connect(void)
{
	prepare_bind();
	OK(call_bind());
	OK(listen(socks[0], 5));
}

static i64 call_connect(void)
{
	return syscall(SYS_connect, socks[1], &place, sizeof(place));
}

static void drop_connect(void)
{
	undo_bind(0);
}

static void prepare_accept(void)
{
	prepare_connect();
	OK(call_connect());
}

static i64 call_accept(void)
{
	return syscall(SYS_accept4, socks[0], NULL, NULL, 0);
}

static void undo_accept(i64 fd)
{
	OK(close(fd));
	drop_connect();
}

TEST(sockets, "[V10] each allocation of socketpair, bind, connect, accept and sendmsg with a file fails once")
{
	WALK({.name = "socketpair", .call = call_socketpair, .undo = undo_socks},
	     {.name = "sendmsg",
	      .prepare = prepare_socks,
	      .call = call_send_files,
	      .undo = undo_socks,
	      .gone = drop_socks},
	     {.name = "bind",
	      .prepare = prepare_bind,
	      .call = call_bind,
	      .undo = undo_bind,
	      .gone = drop_socks,
	      .errors = {ENOSPC}},
	     {.name = "connect",
	      .prepare = prepare_connect,
	      .call = call_connect,
	      .undo = undo_bind,
	      .gone = drop_connect},
	     {.name = "accept4",
	      .prepare = prepare_accept,
	      .call = call_accept,
	      .undo = undo_accept,
	      .gone = drop_connect});
}

/* --- pages of a file that a fork shares --- */

#define SHOWN 200 /* pages, enough that a fork shares their table */

/* cut_off: of the file's pages from LEFT on nothing is to be seen, before them all is as it was. */
static void cut_off(const u8 *p, u64 left)
{
	for (u64 i = 0; i < SHOWN; i++) {
		IS(touch(p + i * PAGE, false), i < left ? 0 : SIGBUS);
		if (i < left)
			IS(p[i * PAGE], i % 3 ? 7 : 8);
	}
}

static void truncate_shared(u64 left)
{
	static u8 page[PAGE];
	int fd = OK(open("long", O_RDWR | O_CREAT | O_TRUNC, 0600)), go[2];
	char c;
	u8 *p;

	memset(page, 7, sizeof(page));
	for (u32 i = 0; i < SHOWN; i++)
		NEED(write(fd, page, PAGE) == (ssize_t)PAGE);
	p = mmap(NULL, SHOWN * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	NEED(p != MAP_FAILED);
	for (u32 i = 0; i < SHOWN; i++)
		if (i % 3)
			IS(p[i * PAGE], 7);
		else
			p[i * PAGE] = 8;
	OK(pipe(go));
	pid_t child = SPAWN({
		close(go[1]);
		IS(read(go[0], &c, 1), 0);
		cut_off(p, left);
	});
	close(go[0]);
	fail_next(1);
	IS(syscall(SYS_ftruncate, fd, left * PAGE), 0);
	cut_off(p, left);
	if (left)
		p[0] = 8;
	close(go[1]);
	IS(wait_status(child), EXITED(0));
	cut_off(p, left);
	OK(munmap(p, SHOWN * PAGE));
	close(fd);
}

TEST(truncated_pages, "[V10] [V3] pages of a shortened file go from page tables that are shared, "
                      "without memory for a copy")
{
	catch_faults();
	enter_scratch();
	truncate_shared(100);
	truncate_shared(0);
	truncate_shared(199);
}
