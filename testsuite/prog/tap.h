/* A test program of ring 3: TAP on standard output, one line for each TEST, exit status 0 when all passed.
 *
 *	TEST(fork_returns, "[P8] fork gives 0 to the child and its pid to the parent")
 *	{
 *		IS(CHILD({ _exit(7); }), EXITED(7));
 *	}
 *
 * Each test runs in a process of its own, in its own process group, under a time limit: one that crashes or
 * hangs is one failure. Tests run in the order in which they stand. The expectation is always Linux's: each
 * program passes there too. What only Bulkhead does begins with BULKHEAD_ONLY("why").
 *
 * `program NAME` runs the tests whose names contain NAME; `program @ROLE ...` calls role_main (for programs
 * that execute themselves). */
#pragma once

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t i64;

#define PAGE 4096UL
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define UNUSED __attribute__((unused))
#define TEST_SECONDS 120 /* of one test; generous, for slow emulators */
#define STATUS_SKIPPED 77

struct tap_test {
	const char *name, *text;
	void (*fn)(void);
	u64 line;
};

#define TEST(name, text)                                                                                 \
	static void name(void);                                                                          \
	static struct tap_test tap_test_##name                                                           \
	        __attribute__((section("tap_tests"), used, aligned(8))) = {#name, text, name, __LINE__}; \
	static void name(void)

extern struct tap_test __start_tap_tests[], __stop_tap_tests[];

/* What a program that executes itself does in its other roles. */
__attribute__((weak)) int role_main(int argc, char **argv);

static u32 tap_number UNUSED; /* of the running test */
static const char *tap_text UNUSED;
static u32 tap_failures UNUSED; /* of the running process in the running test */

/* --- saying --- */

static UNUSED __attribute__((format(printf, 1, 2))) void say(const char *fmt, ...)
{
	char line[1024];
	va_list ap;
	int len, done = 0, n;

	va_start(ap, fmt);
	len = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (len >= (int)sizeof(line))
		len = sizeof(line) - 1;
	while (done < len) {
		n = write(1, line + done, len - done);
		if (n < 0 && errno != EINTR)
			return;
		done += n > 0 ? n : 0;
	}
}

#define note(fmt, ...) say("# %s:%d: " fmt "\n", __FILE__, __LINE__, ##__VA_ARGS__)

static UNUSED bool on_bulkhead(void)
{
	struct utsname u;

	return uname(&u) == 0 && strstr(u.version, "Bulkhead");
}

static UNUSED __attribute__((noreturn)) void tap_skip(const char *why)
{
	say("ok %u - %s # SKIP %s\n", tap_number, tap_text, why);
	_exit(STATUS_SKIPPED);
}

/* Only as the first thing of a test, in its own process. */
#define SKIP_IF(cond, why)             \
	do {                           \
		if (cond)              \
			tap_skip(why); \
	} while (0)
#define BULKHEAD_ONLY(why) SKIP_IF(!on_bulkhead(), "Linux differs: " why)

/* QEMU's software emulator leaves out some of what processors do. */
static UNUSED bool on_emulator(void)
{
	u32 eax = 0x40000000, name[3], ecx, edx;

	__asm__("cpuid" : "+a"(eax), "=b"(name[0]), "=c"(ecx), "=d"(edx));
	name[1] = ecx;
	name[2] = edx;
	return memcmp(name, "TCGTCGTCGTCG", 12) == 0;
}

/* --- checking: a failed check is counted, a failed NEED or OK ends the test --- */

#define CHECK(cond)                                \
	do {                                       \
		if (!(cond)) {                     \
			note("failed: %s", #cond); \
			tap_failures++;            \
		}                                  \
	} while (0)

#define NEED(cond)                                                             \
	do {                                                                   \
		if (!(cond)) {                                                 \
			note("failed: %s (errno %s)", #cond, strerror(errno)); \
			_exit(1);                                              \
		}                                                              \
	} while (0)

/* IS: two numbers are equal. */
#define IS(got, want)                                                                            \
	do {                                                                                     \
		i64 got_ = (i64)(got), want_ = (i64)(want);                                      \
		if (got_ != want_) {                                                             \
			note("%.60s is %lld (0x%llx), not %lld (0x%llx)", #got, (long long)got_, \
			     (long long)got_, (long long)want_, (long long)want_);               \
			tap_failures++;                                                          \
		}                                                                                \
	} while (0)

#define IS_STR(got, want)                                                    \
	do {                                                                 \
		const char *got_ = (got), *want_ = (want);                   \
		if (strcmp(got_, want_)) {                                   \
			note("%s is \"%s\", not \"%s\"", #got, got_, want_); \
			tap_failures++;                                      \
		}                                                            \
	} while (0)

/* OK: the call succeeds; its value. */
#define OK(call)                                                \
	({                                                      \
		__typeof__(call) ok_ = (call);                  \
		if ((i64)ok_ == -1) {                           \
			note("%s: %s", #call, strerror(errno)); \
			_exit(1);                               \
		}                                               \
		ok_;                                            \
	})

/* FAILS: the call gives -1 and this errno. */
#define FAILS(call, want)                                                                       \
	do {                                                                                    \
		errno = 0;                                                                      \
		i64 ret_ = (i64)(call);                                                         \
		if (ret_ != -1 || errno != (want)) {                                            \
			note("%s gives %lld, %s; not %s (%s)", #call, (long long)ret_,          \
			     ret_ == -1 ? strerror(errno) : "no error", #want, strerror(want)); \
			tap_failures++;                                                         \
		}                                                                               \
	} while (0)

/* --- children --- */

#define EXITED(code) ((code) << 8)
#define KILLED(sig) (sig)

static UNUSED int wait_status(pid_t pid)
{
	int status;
	pid_t got;

	do
		got = waitpid(pid, &status, 0);
	while (got < 0 && errno == EINTR);
	if (got != pid)
		return -1;
	return WIFSIGNALED(status) ? WTERMSIG(status) : status;
}

/* SPAWN: run BODY in a child; its pid. A failed check in it makes its status 1. */
#define SPAWN(...)                                   \
	({                                           \
		pid_t pid_ = fork();                 \
		NEED(pid_ >= 0);                     \
		if (pid_ == 0) {                     \
			tap_failures = 0;            \
			__VA_ARGS__;                 \
			_exit(tap_failures ? 1 : 0); \
		}                                    \
		pid_;                                \
	})

/* CHILD: run BODY in a child and wait for it: EXITED(code) or KILLED(signal). */
#define CHILD(...) wait_status(SPAWN(__VA_ARGS__))

/* --- what several programs need --- */

/* opaque: an address that the compiler knows nothing of. */
static UNUSED void *opaque(u64 va)
{
	__asm__("" : "+r"(va));
	return (void *)va;
}

static UNUSED void *pages(u64 count, int prot)
{
	void *p = mmap(NULL, count * PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	NEED(p != MAP_FAILED);
	return p;
}

static UNUSED void *shared_pages(u64 count)
{
	void *p = mmap(NULL, count * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	NEED(p != MAP_FAILED);
	return p;
}

static UNUSED void sleep_ms(u64 ms)
{
	struct timespec ts = {ms / 1000, ms % 1000 * 1000000};

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

static UNUSED u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000UL + ts.tv_nsec;
}

/* UNTIL: wait for what another process or a signal is about to do, ten seconds at most. */
#define UNTIL(cond)                                          \
	do {                                                 \
		for (int i_ = 0; i_ < 2000 && !(cond); i_++) \
			sleep_ms(5);                         \
		CHECK(cond);                                 \
	} while (0)

/* process_state: its letter in /proc/PID/stat, or 0. */
static UNUSED char process_state(pid_t pid)
{
	char name[32], text[256], *end;
	ssize_t n;
	int fd;

	snprintf(name, sizeof(name), "/proc/%d/stat", (int)pid);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	end = n > 0 ? strrchr(text, ')') : NULL;
	return end && end[1] ? end[2] : 0;
}

/* wait_asleep: until PID sleeps in a system call. */
#define wait_asleep(pid) UNTIL(process_state(pid) == 'S')

/* --- the kernel's accounts (/proc/account): exact numbers of what is in use. Linux has none --- */

struct accounts {
	char text[4096];
};

static UNUSED void accounts_read(struct accounts *a)
{
	int fd = OK(open("/proc/account", O_RDONLY | O_CLOEXEC));
	ssize_t n = OK(read(fd, a->text, sizeof(a->text) - 1));

	close(fd);
	a->text[n] = 0;
}

static struct accounts tap_accounts UNUSED; /* as they are now */

/* accounts_take: what is in use when nobody is just ending, this process's memory for counting it included. A is
 * static: a stack grows. */
static UNUSED void accounts_take(struct accounts *a)
{
	if (!on_bulkhead())
		return;
	accounts_read(&tap_accounts);
	do
		accounts_read(a);
	while (!strstr(a->text, "\nending 0\n") && sched_yield() == 0);
	accounts_read(a);
}

/* accounts_even: what was taken since BEFORE is given back, all of it; what is just ending has two seconds. */
static UNUSED bool accounts_even(const struct accounts *before)
{
	const char *was = before->text, *is = tap_accounts.text;
	long old, new;
	char name[32];

	for (int i = 0; on_bulkhead() && i < 400; i++) {
		accounts_read(&tap_accounts);
		if (!strcmp(was, is))
			return true;
		sleep_ms(5);
	}
	while (sscanf(was, "%31s %ld", name, &old) == 2 && sscanf(is, "%*s %ld", &new) == 1) {
		if (old != new)
			say("# %s: was %ld, is %ld\n", name, old, new);
		was = strchr(was, '\n') + 1;
		is = strchr(is, '\n') + 1;
	}
	return !on_bulkhead();
}

static UNUSED void tap_empty_folder(int fd)
{
	struct dirent *e;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	while (d && (e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (unlinkat(fd, e->d_name, 0) == 0)
			continue;
		fchmodat(fd, e->d_name, 0700, 0);
		tap_empty_folder(openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
		unlinkat(fd, e->d_name, AT_REMOVEDIR);
	}
	if (d)
		closedir(d);
}

/* enter_scratch: a fresh folder in /tmp as the working directory, in a child of the test below the test's; its name is in
 * scratch_dir. It is emptied and removed when the test has ended (by the test runner below). */
static char scratch_dir[64] UNUSED;
static pid_t tap_test_pid UNUSED;

static UNUSED void scratch_make(const char *name, int mode)
{
	if (mkdir(name, mode) < 0) { /* left over from one that was killed */
		NEED(errno == EEXIST);
		tap_empty_folder(open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	}
	NEED(chmod(name, mode) == 0);
}

static UNUSED void scratch_name(char *name, size_t size, pid_t pid)
{
	snprintf(name, size, "/tmp/tap-%d", (int)pid);
}

static UNUSED void enter_scratch(void)
{
	scratch_name(scratch_dir, sizeof(scratch_dir), tap_test_pid);
	if (getpid() == tap_test_pid) {
		scratch_make(scratch_dir, 0755);
	} else {
		size_t len = strlen(scratch_dir);

		if (mkdir(scratch_dir, 0755) == 0)
			NEED(chmod(scratch_dir, 01777) == 0);
		snprintf(scratch_dir + len, sizeof(scratch_dir) - len, "/%d", (int)getpid());
		scratch_make(scratch_dir, 0755);
	}
	NEED(chdir(scratch_dir) == 0);
}

static UNUSED int make_file(const char *path, const void *data, size_t size, int mode)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	NEED(fd >= 0);
	NEED(write(fd, data, size) == (ssize_t)size);
	NEED(fchmod(fd, mode) == 0);
	NEED(lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

static UNUSED void make_closed_file(const char *path, const void *data, size_t size, int mode)
{
	close(make_file(path, data, size, mode));
}

/* --- the runner --- */

static void tap_sort(void)
{
	for (struct tap_test *a = __start_tap_tests; a < __stop_tap_tests; a++)
		for (struct tap_test *b = a + 1; b < __stop_tap_tests; b++)
			if (b->line < a->line) {
				struct tap_test t = *a;

				*a = *b;
				*b = t;
			}
}

/* => whether it passed or was skipped */
static bool tap_run(const struct tap_test *t)
{
	char scratch[64];
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		tap_test_pid = getpid();
		setpgid(0, 0);
		alarm(TEST_SECONDS);
		t->fn();
		_exit(tap_failures ? 1 : 0);
	}
	status = pid < 0 ? -1 : wait_status(pid);
	if (pid > 0) {
		kill(-pid, SIGKILL);
		scratch_name(scratch, sizeof(scratch), pid);
		tap_empty_folder(open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
		rmdir(scratch);
	}
	if (status == EXITED(STATUS_SKIPPED))
		return true;
	if (status > 0 && status < 128)
		say("# %s: killed by signal %d (%s)\n", t->name, status, strsignal(status));
	else if (status != 0 && status != EXITED(1))
		say("# %s: unexpected status 0x%x\n", t->name, status);
	say("%s %u - %s\n", status == 0 ? "ok" : "not ok", tap_number, t->text);
	return status == 0;
}

int main(int argc, char **argv)
{
	const char *only = argc > 1 ? argv[1] : "";
	struct rlimit no_core = {0, 0};
	bool all_passed = true;
	u32 count = 0;

	tap_test_pid = getpid();
	if (only[0] == '@' && role_main)
		return role_main(argc, argv);
	setrlimit(RLIMIT_CORE, &no_core);
	for (int fd = 3; fd < 64; fd++)
		close(fd);
	tap_sort();
	for (struct tap_test *t = __start_tap_tests; t < __stop_tap_tests; t++)
		count += strstr(t->name, only) != NULL;
	say("1..%u\n", count);
	for (struct tap_test *t = __start_tap_tests; t < __stop_tap_tests; t++) {
		if (!strstr(t->name, only))
			continue;
		tap_number++;
		tap_text = t->text;
		all_passed &= tap_run(t);
	}
	return all_passed ? 0 : 1;
}
