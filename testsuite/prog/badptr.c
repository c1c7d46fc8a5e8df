/* Every pointer of every system call (kernel/abi/syscalls.def), bad in each way: EFAULT, and nothing changed. A call has
 * one line in the table below, or one for each thing it does with an operation number; what does not fit a line is in
 * uaccess.c. */
#include "testsuite/prog/badaddr.h"
#include "testsuite/prog/tap.h"

#include <poll.h>
#include <sys/param.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/timex.h>
#include <sys/times.h>
#include <sys/uio.h>
#include <grp.h>
#include <sched.h>

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

/* --- arguments --- */

enum arg_kind {
	VALUE,  /* a number */
	FD,     /* one of the descriptors below */
	SELF,   /* the caller's pid */
	IN,     /* the kernel reads VALUE's SIZE bytes */
	OUT,    /* the kernel writes SIZE bytes */
	STRING, /* the kernel reads a string */
};

enum {
	FILE_FD,
	DIR_FD,
	READ_FD,
	WRITE_FD, /* of a pipe with bytes in it */
	EPOLL_FD, /* where WRITE_FD is ready */
	EVENT_FD,
	TIMER_FD,
	ZERO_FD,
	PID_FD,
	FD_COUNT
};

struct arg {
	u8 kind;
	u64 value;
	u32 size;
};

#define V(x)                                     \
	{                                        \
		.kind = VALUE, .value = (u64)(x) \
	}
#define F(which)                           \
	{                                  \
		.kind = FD, .value = which \
	}
#define ME                   \
	{                    \
		.kind = SELF \
	}
#define I(object)                                                             \
	{                                                                     \
		.kind = IN, .value = (u64) & (object), .size = sizeof(object) \
	}
#define P(object, bytes)                                             \
	{                                                            \
		.kind = IN, .value = (u64) & (object), .size = bytes \
	}
#define O(bytes)                           \
	{                                  \
		.kind = OUT, .size = bytes \
	}
#define S(text)                                      \
	{                                            \
		.kind = STRING, .value = (u64)(text) \
	}

enum {
	PART = 1,    /* what fits may be done */
	LATE = 2,    /* Linux has done its work by the time it writes the result */
	ALIGNED = 4, /* EINVAL comes first unless the pointer is a multiple of 8 */
	TAKES = 8,   /* any pointer is taken, and used later or never */
	NO_GOOD = 16 /* not with good arguments: it would wait for ever, or change the machine */
};

struct call {
	const char *name;
	u32 nr;
	struct arg args[6];
	u32 flags;
	void (*before)(void);
};

#define CALL(name_, flags_, ...)                                                            \
	{                                                                                   \
		.name = #name_, .nr = SYS_##name_, .flags = flags_, .args = { __VA_ARGS__ } \
	}
/* AFTER: BEFORE makes what the call waits for. */
#define AFTER(before_, name_, flags_, ...)                                                                   \
	{                                                                                                    \
		.name = #name_, .nr = SYS_##name_, .flags = flags_, .args = {__VA_ARGS__}, .before = before_ \
	}

/* --- what good arguments point to --- */

static struct pollfd good_poll[2] = {{.fd = 0, .events = POLLOUT}, {.fd = 1, .events = POLLOUT}};
static struct timespec good_time = {0, 1000};
static struct timeval good_times[2];
static struct timespec good_timespecs[2];
static struct itimerval good_itimer;
static struct itimerspec good_itimerspec;
static struct rlimit good_limit = {512, 512};
static u64 good_action[4]; /* the kernel's struct sigaction */
static u64 good_mask = 1UL << 40;
static stack_t good_stack = {.ss_flags = SS_DISABLE};
static u64 good_set; /* of 64 descriptors */
static struct {
	u64 *mask;
	u64 size;
} good_mask_pair = {&good_mask, 8};
static struct flock good_lock = {.l_type = F_RDLCK};
static struct epoll_event good_event = {.events = EPOLLIN};
static char good_bytes[64], scratch[512];
static struct iovec good_iov[2] = {{good_bytes, 8}, {good_bytes + 8, 8}};
static u32 good_word;
static char page[PAGE] __attribute__((aligned(PAGE)));
static siginfo_t good_info = {.si_code = SI_QUEUE, .si_signo = SIGWINCH};
static struct timex good_timex;
static i64 good_offset;
static u64 good_clone3[8]; /* an exit signal of 0, and no stack */
static u32 good_groups[2] = {1, 2};
static char *good_argv[] = {"true", NULL};
static u64 good_affinity = 1;
static u32 good_cap[2] = {0x20080522, 0}; /* version 3, oneself */
static u32 good_cap_data[6];
static int good_priority;
static u32 good_sched_attr[14] = {48};

static void make_zombie(void)
{
	pid_t pid = SPAWN(_exit(0));

	UNTIL(process_state(pid) == 'Z');
}

static void make_pending(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, 41);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(41);
}

static void set_groups(void)
{
	if (setgroups(2, good_groups) < 0) /* no right to */
		_exit(0);
}

#define AT V(AT_FDCWD)

static const struct call calls[] = {
        CALL(read, PART, F(FILE_FD), O(8), V(8)),
        CALL(write, PART, F(FILE_FD), I(good_bytes), V(64)),
        CALL(open, 0, S("file"), V(O_RDONLY)),
        CALL(stat, 0, S("file"), O(144)),
        CALL(fstat, 0, F(FILE_FD), O(144)),
        CALL(lstat, 0, S("link"), O(144)),
        CALL(poll, 0, I(good_poll), V(2), V(0)),
        CALL(rt_sigaction, 0, V(SIGUSR1), I(good_action), V(0), V(8)),
        CALL(rt_sigaction, 0, V(SIGUSR1), V(0), O(32), V(8)),
        CALL(rt_sigprocmask, 0, V(SIG_BLOCK), I(good_mask), V(0), V(8)),
        CALL(rt_sigprocmask, 0, V(SIG_BLOCK), V(0), O(8), V(8)),
        CALL(ioctl, 0, F(READ_FD), V(0x541b), O(4)),         /* FIONREAD */
        CALL(ioctl, 0, F(FILE_FD), V(0x5421), I(good_word)), /* FIONBIO */
        CALL(pread64, PART, F(FILE_FD), O(8), V(8), V(0)),
        CALL(pwrite64, PART, F(FILE_FD), I(good_bytes), V(64), V(0)),
        CALL(readv, 0, F(FILE_FD), I(good_iov), V(2)),
        CALL(writev, 0, F(FILE_FD), I(good_iov), V(2)),
        CALL(access, 0, S("file"), V(0)),
        CALL(pipe, 0, O(8)),
        CALL(select, 0, V(64), I(good_set), V(0), V(0), I(good_times[0])),
        CALL(select, 0, V(64), V(0), I(good_set), V(0), I(good_times[0])),
        CALL(select, 0, V(64), V(0), V(0), I(good_set), I(good_times[0])),
        CALL(nanosleep, 0, I(good_time), V(0)),
        CALL(getitimer, 0, V(ITIMER_REAL), O(32)),
        CALL(setitimer, 0, V(ITIMER_REAL), I(good_itimer), V(0)),
        CALL(setitimer, LATE, V(ITIMER_REAL), V(0), O(32)),
        CALL(mincore, 0, V(page), V(PAGE), O(1)),
        CALL(sendfile, 0, F(WRITE_FD), F(FILE_FD), I(good_offset), V(4)),
        CALL(execve, 0, S("/bin/true"), I(good_argv), V(0)),
        CALL(execve, 0, S("/bin/true"), V(good_argv), I(good_argv)),
        AFTER(make_zombie, wait4, LATE, V(-1), O(4), V(0), V(0)),
        AFTER(make_zombie, wait4, LATE, V(-1), V(0), V(0), O(144)),
        CALL(uname, 0, O(390)),
        CALL(fcntl, 0, F(FILE_FD), V(F_GETLK), I(good_lock)),
        CALL(fcntl, 0, F(FILE_FD), V(F_SETLK), I(good_lock)),
        CALL(truncate, 0, S("file"), V(8)),
        CALL(getcwd, 0, O(5), V(4096)),
        CALL(chdir, 0, S("folder")),
        CALL(rename, 0, S("file"), V("other")),
        CALL(rename, 0, V("file"), S("other")),
        CALL(mkdir, 0, S("new"), V(0700)),
        CALL(rmdir, 0, S("folder")),
        CALL(creat, 0, S("new"), V(0600)),
        CALL(link, 0, S("file"), V("new")),
        CALL(link, 0, V("file"), S("new")),
        CALL(unlink, 0, S("file")),
        CALL(symlink, 0, S("file"), V("new")),
        CALL(symlink, 0, V("file"), S("new")),
        CALL(readlink, 0, S("link"), V(scratch), V(4)),
        CALL(readlink, 0, V("link"), O(4), V(4)),
        CALL(chmod, 0, S("file"), V(0600)),
        CALL(chown, 0, S("file"), V(-1), V(-1)),
        CALL(lchown, 0, S("file"), V(-1), V(-1)),
        CALL(gettimeofday, 0, O(16), V(0)),
        CALL(gettimeofday, 0, V(0), O(8)),
        CALL(getrlimit, 0, V(RLIMIT_STACK), O(16)),
        CALL(getrusage, 0, V(RUSAGE_SELF), O(144)),
        CALL(sysinfo, 0, O(112)),
        CALL(times, 0, O(32)),
        AFTER(set_groups, getgroups, 0, V(64), O(8)),
        CALL(setgroups, NO_GOOD, V(2), I(good_groups)),
        CALL(getresuid, 0, O(4), V(scratch), V(scratch)),
        CALL(getresuid, 0, V(scratch), O(4), V(scratch)),
        CALL(getresuid, 0, V(scratch), V(scratch), O(4)),
        CALL(getresgid, 0, O(4), V(scratch), V(scratch)),
        CALL(getresgid, 0, V(scratch), O(4), V(scratch)),
        CALL(getresgid, 0, V(scratch), V(scratch), O(4)),
        CALL(rt_sigpending, 0, O(8), V(8)),
        CALL(rt_sigtimedwait, 0, I(good_mask), V(0), V(&good_time), V(8)),
        CALL(rt_sigtimedwait, 0, V(&good_mask), V(0), I(good_time), V(8)),
        AFTER(make_pending, rt_sigtimedwait, LATE, V(&good_mask), O(128), V(&good_time), V(8)),
        CALL(rt_sigsuspend, NO_GOOD, I(good_mask), V(8)),
        CALL(rt_sigqueueinfo, 0, ME, V(SIGWINCH), P(good_info, 48)),
        CALL(sigaltstack, 0, I(good_stack), V(0)),
        CALL(sigaltstack, 0, V(0), O(24)),
        CALL(utime, 0, S("file"), V(0)),
        CALL(utime, 0, V("file"), I(good_times[0])),
        CALL(mknod, 0, S("new"), V(S_IFIFO | 0600), V(0)),
        CALL(statfs, 0, S("."), O(120)),
        CALL(fstatfs, 0, F(FILE_FD), O(120)),
        CALL(prctl, 0, V(15), S("name")),
        CALL(prctl, 0, V(16), O(16)),
        CALL(prctl, 0, V(2), O(4)),
        CALL(prctl, 0, V(37), O(4)),
        CALL(arch_prctl, 0, V(0x1003), O(8)),
        CALL(arch_prctl, 0, V(0x1004), O(8)),
        CALL(setrlimit, 0, V(RLIMIT_NOFILE), I(good_limit)),
        CALL(adjtimex, 0, I(good_timex)),
        CALL(clock_adjtime, 0, V(CLOCK_REALTIME), I(good_timex)),
        CALL(chroot, NO_GOOD, S(".")),
        CALL(sethostname, NO_GOOD, I(good_bytes), V(64)),
        CALL(setxattr, 0, S("file"), V("user.a"), V("b"), V(1), V(0)),
        CALL(setxattr, 0, V("file"), S("user.a"), V("b"), V(1), V(0)),
        CALL(setxattr, 0, V("file"), V("user.a"), I(good_bytes), V(64), V(0)),
        CALL(lsetxattr, 0, S("file"), V("user.a"), V("b"), V(1), V(0)),
        CALL(lsetxattr, 0, V("file"), S("user.a"), V("b"), V(1), V(0)),
        CALL(fsetxattr, 0, F(FILE_FD), S("user.a"), V("b"), V(1), V(0)),
        CALL(getxattr, 0, S("file"), V("user.a"), V(0), V(0)),
        CALL(getxattr, 0, V("file"), S("user.a"), V(0), V(0)),
        CALL(lgetxattr, 0, S("file"), V("user.a"), V(0), V(0)),
        CALL(lgetxattr, 0, V("file"), S("user.a"), V(0), V(0)),
        CALL(fgetxattr, 0, F(FILE_FD), S("user.a"), V(0), V(0)),
        CALL(listxattr, 0, S("file"), V(0), V(0)),
        CALL(llistxattr, 0, S("file"), V(0), V(0)),
        CALL(removexattr, 0, S("file"), V("user.a")),
        CALL(removexattr, 0, V("file"), S("user.a")),
        CALL(lremovexattr, 0, S("file"), V("user.a")),
        CALL(lremovexattr, 0, V("file"), S("user.a")),
        CALL(fremovexattr, 0, F(FILE_FD), S("user.a")),
        CALL(time, 0, O(8)),
        CALL(futex, ALIGNED, I(good_word), V(0), V(0), V(&good_time), V(0), V(0)),
        CALL(futex, 0, V(&good_word), V(0), V(0), I(good_time), V(0), V(0)),
        CALL(futex, ALIGNED, V(&good_word), V(4), V(0), V(0), I(good_word), V(0)), /* CMP_REQUEUE */
        CALL(capget, 0, I(good_cap), V(scratch)),
        CALL(capget, 0, V(good_cap), O(24)),
        CALL(capset, 0, I(good_cap), V(scratch)),
        CALL(capset, NO_GOOD, V(good_cap), I(good_cap_data)),
        CALL(sched_setparam, 0, V(0), I(good_priority)),
        CALL(sched_getparam, 0, V(0), O(4)),
        CALL(sched_setscheduler, 0, V(0), V(0), I(good_priority)),
        CALL(sched_rr_get_interval, 0, V(0), O(16)),
        CALL(sched_setattr, 0, V(0), P(good_sched_attr, 48), V(0)),
        CALL(sched_getattr, 0, V(0), O(56), V(56), V(0)),
        CALL(sched_setaffinity, 0, V(0), V(8), I(good_affinity)),
        CALL(sched_getaffinity, 0, V(0), V(8), O(8)),
        CALL(getdents64, PART, F(DIR_FD), O(24), V(1024)),
        CALL(set_tid_address, TAKES, I(good_word)),
        CALL(set_robust_list, TAKES, I(good_mask), V(24)),
        CALL(epoll_ctl, 0, F(EPOLL_FD), V(EPOLL_CTL_ADD), F(EVENT_FD), I(good_event)),
        CALL(epoll_wait, 0, F(EPOLL_FD), O(12), V(1), V(0)),
        CALL(epoll_pwait, 0, F(EPOLL_FD), O(12), V(1), V(0), V(0), V(8)),
        CALL(epoll_pwait, 0, F(EPOLL_FD), V(scratch), V(1), V(0), I(good_mask), V(8)),
        CALL(epoll_pwait2, 0, F(EPOLL_FD), O(12), V(1), V(&good_time), V(0), V(8)),
        CALL(epoll_pwait2, 0, F(EPOLL_FD), V(scratch), V(1), I(good_time), V(0), V(8)),
        CALL(epoll_pwait2, 0, F(EPOLL_FD), V(scratch), V(1), V(&good_time), I(good_mask), V(8)),
        CALL(signalfd, 0, V(-1), I(good_mask), V(8)),
        CALL(signalfd4, 0, V(-1), I(good_mask), V(8), V(0)),
        CALL(timerfd_settime, 0, F(TIMER_FD), V(0), I(good_itimerspec), V(0)),
        CALL(timerfd_settime, LATE, F(TIMER_FD), V(0), V(&good_itimerspec), O(32)),
        CALL(timerfd_gettime, 0, F(TIMER_FD), O(32)),
        AFTER(make_zombie, waitid, LATE, V(0), V(0), O(24), V(WEXITED | WNOWAIT), V(0)),
        AFTER(make_zombie, waitid, LATE, V(0), V(0), V(0), V(WEXITED | WNOWAIT), O(144)),
        CALL(clock_settime, NO_GOOD, V(CLOCK_REALTIME), I(good_time)),
        CALL(clock_gettime, 0, V(CLOCK_MONOTONIC), O(16)),
        CALL(clock_getres, 0, V(CLOCK_MONOTONIC), O(16)),
        CALL(clock_nanosleep, 0, V(CLOCK_MONOTONIC), V(0), I(good_time), V(0)),
        CALL(openat, 0, AT, S("file"), V(O_RDONLY)),
        CALL(mkdirat, 0, AT, S("new"), V(0700)),
        CALL(mknodat, 0, AT, S("new"), V(S_IFIFO | 0600), V(0)),
        CALL(fchownat, 0, AT, S("file"), V(-1), V(-1), V(0)),
        CALL(newfstatat, 0, AT, S("file"), V(scratch), V(0)),
        CALL(newfstatat, 0, AT, V("file"), O(144), V(0)),
        CALL(unlinkat, 0, AT, S("file"), V(0)),
        CALL(renameat, 0, AT, S("file"), AT, V("new")),
        CALL(renameat, 0, AT, V("file"), AT, S("new")),
        CALL(linkat, 0, AT, S("file"), AT, V("new"), V(0)),
        CALL(linkat, 0, AT, V("file"), AT, S("new"), V(0)),
        CALL(symlinkat, 0, S("file"), AT, V("new")),
        CALL(symlinkat, 0, V("file"), AT, S("new")),
        CALL(readlinkat, 0, AT, S("link"), V(scratch), V(4)),
        CALL(readlinkat, 0, AT, V("link"), O(4), V(4)),
        CALL(fchmodat, 0, AT, S("file"), V(0600)),
        CALL(faccessat, 0, AT, S("file"), V(0)),
        CALL(faccessat2, 0, AT, S("file"), V(0), V(0)),
        CALL(pselect6, 0, V(64), I(good_set), V(0), V(0), V(&good_time), V(0)),
        CALL(pselect6, 0, V(64), V(0), I(good_set), V(0), V(&good_time), V(0)),
        CALL(pselect6, 0, V(64), V(0), V(0), I(good_set), V(&good_time), V(0)),
        CALL(pselect6, 0, V(64), V(0), V(0), V(0), I(good_time), V(0)),
        CALL(pselect6, 0, V(64), V(0), V(0), V(0), V(&good_time), I(good_mask_pair)),
        CALL(ppoll, 0, I(good_poll), V(2), V(&good_time), V(0), V(8)),
        CALL(ppoll, 0, V(good_poll), V(2), I(good_time), V(0), V(8)),
        CALL(ppoll, 0, V(good_poll), V(2), V(&good_time), I(good_mask), V(8)),
        CALL(utimensat, 0, AT, S("file"), V(0), V(0)),
        CALL(utimensat, 0, AT, V("file"), I(good_timespecs), V(0)),
        CALL(pipe2, 0, O(8), V(0)),
        CALL(rt_tgsigqueueinfo, 0, ME, ME, V(SIGWINCH), P(good_info, 48)),
        CALL(prlimit64, 0, V(0), V(RLIMIT_NOFILE), I(good_limit), V(0)),
        CALL(prlimit64, 0, V(0), V(RLIMIT_NOFILE), V(0), O(16)),
        CALL(getcpu, 0, O(4), V(0), V(0)),
        CALL(getcpu, 0, V(0), O(4), V(0)),
        CALL(process_vm_readv, 0, ME, I(good_iov), V(2), V(good_iov), V(2), V(0)),
        CALL(process_vm_readv, 0, ME, V(good_iov), V(2), I(good_iov), V(2), V(0)),
        CALL(process_vm_writev, 0, ME, I(good_iov), V(2), V(good_iov), V(2), V(0)),
        CALL(process_vm_writev, 0, ME, V(good_iov), V(2), I(good_iov), V(2), V(0)),
        CALL(renameat2, 0, AT, S("file"), AT, V("new"), V(0)),
        CALL(renameat2, 0, AT, V("file"), AT, S("new"), V(0)),
        CALL(getrandom, PART, O(8), V(8), V(0)),
        CALL(statx, 0, AT, S("file"), V(0), V(0x7ff), V(scratch)),
        CALL(statx, 0, AT, V("file"), V(0), V(0x7ff), O(256)),
        CALL(pidfd_send_signal, 0, F(PID_FD), V(SIGWINCH), P(good_info, 48), V(0)),
        CALL(clone3, NO_GOOD, I(good_clone3), V(64)),
};

/* --- one call --- */

static int fds[FD_COUNT];

static void open_all(void)
{
	int ends[2];
	struct epoll_event ready = {.events = EPOLLOUT};

	enter_scratch();
	make_closed_file("file", "0123456789", 10, 0700);
	OK(symlink("target", "link"));
	OK(mkdir("folder", 0700));
	fds[FILE_FD] = OK(open("file", O_RDWR));
	fds[DIR_FD] = OK(open(".", O_RDONLY | O_DIRECTORY));
	fds[ZERO_FD] = OK(open("/dev/zero", O_RDWR));
	OK(pipe(ends));
	NEED(write(ends[1], "x", 1) == 1);
	fds[READ_FD] = ends[0];
	fds[WRITE_FD] = ends[1];
	fds[EVENT_FD] = OK(eventfd(0, 0));
	fds[TIMER_FD] = OK(timerfd_create(CLOCK_MONOTONIC, 0));
	fds[PID_FD] = OK(syscall(SYS_pidfd_open, getpid(), 0));
	fds[EPOLL_FD] = OK(epoll_create1(0));
	OK(epoll_ctl(fds[EPOLL_FD], EPOLL_CTL_ADD, ends[1], &ready));
}

/* What no failed call changes. */
struct state {
	char names[1024], cwd[256];
	u64 open;
	sigset_t mask;
	struct sigaction action;
	struct stat file;
	struct rlimit limit;
};

static void state_take(struct state *s)
{
	memset(s, 0, sizeof(*s));
	lseek(fds[DIR_FD], 0, SEEK_SET);
	syscall(SYS_getdents64, fds[DIR_FD], s->names, sizeof(s->names));
	lseek(fds[DIR_FD], 0, SEEK_SET);
	NEED(getcwd(s->cwd, sizeof(s->cwd)));
	for (int fd = 0; fd < 64; fd++)
		s->open |= (u64)(fcntl(fd, F_GETFD) >= 0) << fd;
	sigprocmask(SIG_SETMASK, NULL, &s->mask);
	syscall(SYS_rt_sigaction, SIGUSR1, NULL, &s->action, 8);
	OK(fstat(fds[FILE_FD], &s->file));
	memset(&s->file.st_atim, 0, sizeof(s->file.st_atim));
	memset(&s->file.st_mtim, 0, sizeof(s->file.st_mtim)); /* of a write that then failed */
	memset(&s->file.st_ctim, 0, sizeof(s->file.st_ctim));
	getrlimit(RLIMIT_NOFILE, &s->limit);
}

static u64 good_value(const struct arg *a)
{
	return a->kind == FD     ? (u64)fds[a->value]
	       : a->kind == SELF ? (u64)getpid()
	       : a->kind == OUT  ? (u64)scratch
	                         : a->value;
}

static bool is_pointer(const struct arg *a)
{
	return a->kind == IN || a->kind == OUT || a->kind == STRING;
}

/* call_with: the call with good arguments but for number WHICH, which is VALUE. => what it returns, or -errno */
static i64 call_with(const struct call *c, u32 which, u64 value)
{
	u64 v[6];
	i64 ret;

	for (u32 i = 0; i < 6; i++)
		v[i] = i == which ? value : good_value(&c->args[i]);
	errno = 0;
	ret = syscall(c->nr, v[0], v[1], v[2], v[3], v[4], v[5]);
	return ret == -1 && errno ? -errno : ret;
}

static void try_bad(const struct call *c, u32 which, u64 value, const char *what, bool part)
{
	static struct state before, after;
	i64 ret;

	if (c->before)
		c->before();
	state_take(&before);
	ret = call_with(c, which, value);
	if (ret != -EFAULT && !(c->flags & TAKES) && !(part && ret > 0)) {
		note("%s: argument %u is %s (0x%llx): %lld, %s", c->name, which + 1, what,
		     (unsigned long long)value, (long long)ret, ret < 0 ? strerror(-ret) : "no error");
		tap_failures++;
	}
	state_take(&after);
	if (!part && memcmp(&before, &after, sizeof(before))) {
		note("%s: argument %u is %s: something has changed", c->name, which + 1, what);
		tap_failures++;
	}
}

/* The first half of what the argument points to lies before the end of a mapping. */
static void try_straddle(const struct call *c, u32 which)
{
	const struct arg *a = &c->args[which];
	u32 size = a->kind == STRING ? strlen((char *)a->value) : a->size / 2;
	u8 *p = edge(size);

	if (!size || (c->flags & ALIGNED))
		return;
	if (a->kind != OUT)
		memcpy(p, (void *)a->value, size);
	try_bad(c, which, (u64)p, "across the end of a mapping", c->flags & PART);
}

static void try_argument(const struct call *c, u32 which)
{
	const struct arg *a = &c->args[which];

	FOR_BAD(b, a->kind == OUT ? BAD_WRITE : BAD_READ)
	{
		if (!(c->flags & ALIGNED) || b->addr % 8 == 0)
			try_bad(c, which, b->addr, b->what, false);
	}
	try_straddle(c, which);
}

static void try_call(const struct call *c, u8 kind)
{
	for (u32 i = 0; i < 6; i++) {
		int status;

		if (c->args[i].kind != kind)
			continue;
		status = CHILD(alarm(20); open_all(); bad_fill(); try_argument(c, i));
		if (status != EXITED(0))
			note("%s: argument %u: status 0x%x", c->name, i + 1, status);
		CHECK(status == EXITED(0));
	}
}

static void try_all(u8 kind)
{
	for (u32 i = 0; i < ARRAY_SIZE(calls); i++)
		try_call(&calls[i], kind);
}

TEST(outputs, "[V7] every result of every system call, to a bad place: EFAULT, and nothing changed")
{
	try_all(OUT);
}

TEST(inputs, "[V7] every structure of every system call, at a bad place: EFAULT, and nothing changed")
{
	try_all(IN);
}

TEST(strings, "[V7] every string of every system call, at a bad place: EFAULT, and nothing changed")
{
	try_all(STRING);
}

TEST(good, "[V7] with good pointers none of these calls says EFAULT")
{
	for (u32 i = 0; i < ARRAY_SIZE(calls); i++) {
		const struct call *c = &calls[i];

		if (c->flags & NO_GOOD)
			continue;
		int status = CHILD({
			alarm(20);
			open_all();
			if (c->before)
				c->before();
			i64 ret = call_with(c, 6, 0);

			if (ret < 0)
				say("# %s: %s\n", c->name, strerror(-ret));
			CHECK(ret != -EFAULT && ret != -EINVAL && ret != -EBADF && ret != -ENOSYS);
		});
		if (status != EXITED(0))
			note("%s: status 0x%x", c->name, status);
		CHECK(status == EXITED(0));
	}
}

/* --- memory that comes and goes meanwhile --- */

static volatile bool stop_flicker;
static u8 *flicker; /* its second page comes and goes */

static int flicker_main(void *arg)
{
	u8 *second = flicker + PAGE;

	(void)arg;
	while (!stop_flicker) {
		munmap(second, PAGE);
		sched_yield();
		mmap(second, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		sched_yield();
		mprotect(second, PAGE, PROT_NONE);
		mprotect(second, PAGE, PROT_READ);
		sched_yield();
		mprotect(second, PAGE, PROT_READ | PROT_WRITE);
	}
	return 0;
}

static void race_argument(const struct call *c, u32 which)
{
	const struct arg *a = &c->args[which];
	u32 size = a->kind == STRING ? strlen((char *)a->value) + 1 : a->size;
	i64 good = call_with(c, 6, 0);
	u8 *at = flicker + PAGE - size / 2 / 8 * 8;

	for (u32 i = 0; i < 24; i++) {
		i64 ret;

		if (a->kind != OUT)
			memcpy(at, (void *)a->value, MIN(size, (u64)(flicker + PAGE - at)));
		ret = call_with(c, which, (u64)at);
		if (a->kind == OUT && ret < 0 && ret != -EFAULT && ret != good) {
			note("%s: argument %u comes and goes: %s", c->name, which + 1, strerror(-ret));
			tap_failures++;
		}
		if (ret > 2 && ret < 64 && c->args[0].kind == STRING)
			close(ret);
	}
}

static void race_call(const struct call *c, u32 which)
{
	static u8 stack[16384] __attribute__((aligned(16)));
	pid_t pid;

	alarm(30);
	open_all();
	flicker = pages(2, PROT_READ | PROT_WRITE);
	pid = OK(clone(flicker_main, stack + sizeof(stack), CLONE_VM | SIGCHLD, NULL));
	race_argument(c, which);
	stop_flicker = true;
	IS(wait_status(pid), EXITED(0));
}

TEST(races,
     "[V7] a pointer into memory that another thread unmaps and protects meanwhile: the result or EFAULT")
{
	for (u32 i = 0; i < ARRAY_SIZE(calls); i++)
		for (u32 k = 0; k < 6; k++) {
			const struct call *c = &calls[i];
			int status;

			if (!is_pointer(&c->args[k]) || c->before || (c->flags & (NO_GOOD | TAKES)) ||
			    c->nr == SYS_execve)
				continue;
			status = CHILD(race_call(c, k));
			if (status != EXITED(0))
				note("%s: argument %u: status 0x%x", c->name, k + 1, status);
			CHECK(status == EXITED(0));
		}
}

/* Linux looks at neither result of these two stores. */
TEST(clone_tids, "[V7] clone with a bad place for the child's number: the child is made, and lives")
{
	FOR_BAD(b, BAD_WRITE)
	{
		pid_t pid = syscall(SYS_clone,
		                    CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD,
		                    NULL, b->addr, b->addr, 0);

		if (pid == 0)
			_exit(3);
		CHECK(pid > 0);
		IS(wait_status(pid), EXITED(3));
	}
}

/* --- addresses that are arguments themselves --- */

TEST(addresses, "[V7] mmap and its like at addresses that no program may have")
{
	static const u64 places[] = {
	        0x7ffffffff000,     0x800000000000,     0x8000000000000000, 0xffff7ffffffff000,
	        0xffff800000000000, 0xffff888000001000, 0xffffffff80000000, -PAGE};
	u64 brk_now = syscall(SYS_brk, 0);
	u8 *own = pages(1, PROT_READ);

	for (u32 i = 0; i < ARRAY_SIZE(places); i++) {
		u64 p = places[i];

		FAILS(syscall(SYS_mmap, p, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
		      ENOMEM);
		FAILS(syscall(SYS_munmap, p, PAGE), EINVAL);
		FAILS(syscall(SYS_mprotect, p, PAGE, PROT_READ), ENOMEM);
		if (p + PAGE) /* the end is address 0 */
			FAILS(syscall(SYS_madvise, p, PAGE, MADV_DONTNEED), ENOMEM);
		FAILS(syscall(SYS_msync, p, PAGE, MS_SYNC), ENOMEM);
		FAILS(syscall(SYS_mincore, p, PAGE, scratch), ENOMEM);
		FAILS(syscall(SYS_mremap, p, PAGE, 2 * PAGE, MREMAP_MAYMOVE), EFAULT);
		FAILS(syscall(SYS_mremap, own, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p), EINVAL);
		IS(syscall(SYS_brk, p), brk_now);
	}
	IS(msync(own, PAGE, MS_SYNC), 0);
	FAILS(msync(own, 1 << 30, MS_SYNC), ENOMEM);
	FAILS(syscall(SYS_munmap, own, -PAGE), EINVAL);
	FAILS(syscall(SYS_mprotect, own, -PAGE, PROT_NONE), ENOMEM);
	IS(own[0], 0);
}

/* --- every call there is --- */

struct entry {
	const char *name, *types[6];
	u32 nr;
};

#define SYSCALL0(n, name)
#define SYSCALL1(n, name, a, b) {#name, {#a}, n},
#define SYSCALL2(n, name, a, b, c, d) {#name, {#a, #c}, n},
#define SYSCALL3(n, name, a, b, c, d, e, f) {#name, {#a, #c, #e}, n},
#define SYSCALL4(n, name, a, b, c, d, e, f, g, h) {#name, {#a, #c, #e, #g}, n},
#define SYSCALL5(n, name, a, b, c, d, e, f, g, h, i, j) {#name, {#a, #c, #e, #g, #i}, n},
#define SYSCALL6(n, name, a, b, c, d, e, f, g, h, i, j, k, l) {#name, {#a, #c, #e, #g, #i, #k}, n},
static const struct entry entries[] = {
#include "kernel/abi/syscalls.def"
};

static bool has_line(u32 nr, u32 which)
{
	for (u32 i = 0; i < ARRAY_SIZE(calls); i++)
		if (calls[i].nr == nr && is_pointer(&calls[i].args[which]))
			return true;
	return false;
}

/* What is only used later, or is no business of a test: told by hand in uaccess.c where it matters. */
static bool is_elsewhere(const struct entry *e, u32 which)
{
	static const char *const names[] = {"clone",        "reboot",      "nanosleep 2", "clock_nanosleep 4",
	                                    "getcpu 3",     "syslog",      "getxattr 3",  "lgetxattr 3",
	                                    "fgetxattr 3",  "fsetxattr 3", "lsetxattr 3", "listxattr 2",
	                                    "llistxattr 2", "flistxattr 2"};
	char name[64];

	snprintf(name, sizeof(name), "%s %u", e->name, which + 1);
	for (u32 i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(names[i], name) || !strcmp(names[i], e->name))
			return true;
	return false;
}

/* A call that has no line gets bad pointers all the same, and zeroes; what it gives is not looked at. */
TEST(no_line, "[V7] a call that the table does not know survives bad pointers, too")
{
	for (u32 i = 0; i < ARRAY_SIZE(entries); i++)
		for (u32 k = 0; k < 6; k++) {
			const struct entry *e = &entries[i];
			const char *type = e->types[k];
			struct call c = {.name = e->name, .nr = e->nr, .flags = TAKES};

			if (!type || (strcmp(type, "uaddr_t") && strcmp(type, "ustr_t")) ||
			    has_line(e->nr, k) || is_elsewhere(e, k))
				continue;
			say("# %s, argument %u (%s) has no line\n", e->name, k + 1, type);
			if (on_bulkhead())
				IS(CHILD(open_all(); c.args[k] = (struct arg)O(16); alarm(20);
				         FOR_BAD(b, BAD_BOTH) call_with(&c, k, b->addr)),
				   EXITED(0));
		}
}
