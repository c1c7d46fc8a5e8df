/* The system calls as a table: a line for each, or one for each thing it does with an operation number, with arguments
 * that are good. badptr.c takes each pointer for a bad one, failcalls.c makes each allocation fail. */
#pragma once

#include "testsuite/prog/tap.h"

#include <poll.h>
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
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <grp.h>
#include <sched.h>

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif
#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
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
	OTHER_FD,  /* another file */
	SOCKET_FD, /* of a pair, with bytes in it */
	FRESH_FD,  /* a socket without an address */
	LISTEN_FD, /* a listening socket, "socket" */
	TIMER_ID,  /* of timer_create */
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
static struct sockaddr_un good_address = {AF_UNIX, "socket"}, new_address = {AF_UNIX, "new"};
static u32 good_length = 16;
static struct msghdr good_message = {.msg_iov = good_iov, .msg_iovlen = 2};
static struct mmsghdr good_messages[1] = {{.msg_hdr = {.msg_iov = good_iov, .msg_iovlen = 2}}};
static struct sigevent good_event_to_come = {.sigev_signo = SIGUSR1};
static struct {
	u64 value, address;
	u32 flags, reserved;
} good_waits[1] = {{0, (u64)&good_word, 2, 0}}; /* 32 bits, shared */
static u32 good_cap[2] = {0x20080522, 0};       /* version 3, oneself */
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

static void connect_one(void)
{
	OK(connect(OK(socket(AF_UNIX, SOCK_STREAM, 0)), (struct sockaddr *)&good_address,
	           sizeof(good_address)));
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
        CALL(prctl, 0, V(40), O(8)),
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
        CALL(connect, 0, F(FRESH_FD), I(good_address), V(sizeof(good_address))),
        CALL(bind, 0, F(FRESH_FD), I(new_address), V(sizeof(new_address))),
        AFTER(connect_one, accept, LATE, F(LISTEN_FD), O(2), V(&good_length)),
        AFTER(connect_one, accept, LATE, F(LISTEN_FD), V(scratch), I(good_length)),
        AFTER(connect_one, accept4, LATE, F(LISTEN_FD), O(2), V(&good_length), V(0)),
        AFTER(connect_one, accept4, LATE, F(LISTEN_FD), V(scratch), I(good_length), V(0)),
        CALL(sendto, PART, F(SOCKET_FD), P(good_bytes, 8), V(8), V(0), V(0), V(0)),
        CALL(sendto, 0, F(SOCKET_FD), V(good_bytes), V(8), V(0), I(good_address), V(sizeof(good_address))),
        CALL(recvfrom, PART, F(SOCKET_FD), O(8), V(8), V(MSG_PEEK), V(0), V(0)),
        CALL(recvfrom, 0, F(SOCKET_FD), V(scratch), V(8), V(MSG_PEEK), V(scratch), I(good_length)),
        CALL(sendmsg, 0, F(SOCKET_FD), I(good_message), V(0)),
        CALL(recvmsg, 0, F(SOCKET_FD), I(good_message), V(MSG_PEEK)),
        CALL(sendmmsg, 0, F(SOCKET_FD), I(good_messages), V(1), V(0)),
        CALL(recvmmsg, 0, F(SOCKET_FD), I(good_messages), V(1), V(MSG_PEEK), V(0)),
        CALL(recvmmsg, 0, F(SOCKET_FD), V(good_messages), V(1), V(MSG_PEEK), I(good_time)),
        CALL(getsockname, 0, F(SOCKET_FD), O(2), V(&good_length)),
        CALL(getsockname, 0, F(SOCKET_FD), V(scratch), I(good_length)),
        CALL(getpeername, 0, F(SOCKET_FD), O(2), V(&good_length)),
        CALL(getpeername, 0, F(SOCKET_FD), V(scratch), I(good_length)),
        CALL(socketpair, 0, V(AF_UNIX), V(SOCK_STREAM), V(0), O(8)),
        CALL(setsockopt, 0, F(SOCKET_FD), V(SOL_SOCKET), V(SO_RCVBUF), I(good_word), V(4)),
        CALL(getsockopt, 0, F(SOCKET_FD), V(SOL_SOCKET), V(SO_TYPE), O(4), V(&good_length)),
        CALL(getsockopt, 0, F(SOCKET_FD), V(SOL_SOCKET), V(SO_TYPE), V(scratch), I(good_length)),
        CALL(getdents, PART, F(DIR_FD), O(24), V(1024)),
        CALL(timer_create, 0, V(CLOCK_MONOTONIC), I(good_event_to_come), V(scratch)),
        CALL(timer_create, 0, V(CLOCK_MONOTONIC), V(0), O(4)),
        CALL(timer_settime, 0, F(TIMER_ID), V(0), I(good_itimerspec), V(0)),
        CALL(timer_settime, LATE, F(TIMER_ID), V(0), V(&good_itimerspec), O(32)),
        CALL(timer_gettime, 0, F(TIMER_ID), O(32)),
        CALL(get_robust_list, 0, V(0), O(8), V(scratch)),
        CALL(get_robust_list, 0, V(0), V(scratch), O(8)),
        CALL(preadv, 0, F(FILE_FD), I(good_iov), V(2), V(0), V(0)),
        CALL(pwritev, 0, F(FILE_FD), I(good_iov), V(2), V(0), V(0)),
        CALL(preadv2, 0, F(FILE_FD), I(good_iov), V(2), V(0), V(0), V(0)),
        CALL(pwritev2, 0, F(FILE_FD), I(good_iov), V(2), V(0), V(0), V(0)),
        CALL(memfd_create, 0, S("name"), V(0)),
        CALL(execveat, 0, AT, S("/bin/true"), V(good_argv), V(0), V(0)),
        CALL(execveat, 0, AT, V("/bin/true"), I(good_argv), V(0), V(0)),
        CALL(execveat, 0, AT, V("/bin/true"), V(good_argv), I(good_argv), V(0)),
        CALL(copy_file_range, 0, F(FILE_FD), I(good_offset), F(OTHER_FD), V(0), V(4), V(0)),
        CALL(copy_file_range, 0, F(FILE_FD), V(0), F(OTHER_FD), I(good_offset), V(4), V(0)),
        CALL(futex_waitv, NO_GOOD, I(good_waits), V(1), V(0), V(0), V(0)),
        CALL(futex_waitv, 0, V(good_waits), V(1), V(0), I(good_time), V(CLOCK_MONOTONIC)),
        CALL(clone3, NO_GOOD, I(good_clone3), V(64)),
};

/* --- making one --- */

static int fds[FD_COUNT];

static void open_all(void)
{
	int ends[2], pair[2];
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
	fds[OTHER_FD] = OK(open("other-file", O_RDWR | O_CREAT, 0600));
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	NEED(write(pair[1], "0123456789abcdef", 16) == 16);
	fds[SOCKET_FD] = pair[0];
	fds[FRESH_FD] = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	fds[LISTEN_FD] = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	OK(bind(fds[LISTEN_FD], (struct sockaddr *)&good_address, sizeof(good_address)));
	OK(listen(fds[LISTEN_FD], 100));
	OK(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, &fds[TIMER_ID]));
	fds[PID_FD] = OK(syscall(SYS_pidfd_open, getpid(), 0));
	fds[EPOLL_FD] = OK(epoll_create1(0));
	OK(epoll_ctl(fds[EPOLL_FD], EPOLL_CTL_ADD, ends[1], &ready));
}

static UNUSED int call_end(pid_t pid)
{
	int status = wait_status(pid);
	char test[32], folder[64];

	scratch_name(test, sizeof(test), tap_test_pid);
	snprintf(folder, sizeof(folder), "%s/%d", test, (int)pid);
	tap_empty_folder(open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	rmdir(folder);
	return status;
}

/* CALL_CHILD: BODY in a process that has opened all of them, for twenty seconds at most; how it ended. */
#define CALL_CHILD(...) call_end(SPAWN(alarm(20); open_all(); __VA_ARGS__))

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

static UNUSED bool is_pointer(const struct arg *a)
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
