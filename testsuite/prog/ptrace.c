/* cflags: -pthread */
/* ptrace(2), process_vm_readv(2): what a tracer sees and may change. */
#include "testsuite/prog/tap.h"
#include <elf.h>
#include <pthread.h>
#include <sys/ptrace.h>
#include <sys/reg.h>
#include <sys/uio.h>
#include <sys/user.h>

#define STOPPED_BY(sig) ((sig) << 8 | 0x7f)
#define EVENT(e) (STOPPED_BY(SIGTRAP) | (e) << 16)
#define SYSGOOD STOPPED_BY(SIGTRAP | 0x80)

static i64 trace(int request, pid_t pid, u64 addr, u64 data)
{
	return syscall(SYS_ptrace, request, pid, addr, data); /* the raw call: PEEK stores through DATA */
}

static int wait_for(pid_t pid)
{
	int status = -1;

	IS(waitpid(pid, &status, __WALL), pid);
	return status;
}

/* A child that asks to be traced, stops, and then runs FN. */
static pid_t traced_child(void (*fn)(void))
{
	pid_t pid = fork();

	if (pid == 0) {
		if (trace(PTRACE_TRACEME, 0, 0, 0))
			_exit(99);
		raise(SIGSTOP);
		fn();
		_exit(0);
	}
	IS(wait_for(pid), STOPPED_BY(SIGSTOP));
	return pid;
}

static void go_on(pid_t pid, int request, int sig)
{
	OK(trace(request, pid, 0, (u64)sig));
}

static void finish(pid_t pid, int status)
{
	go_on(pid, PTRACE_CONT, 0);
	IS(wait_for(pid), status);
	FAILS(waitpid(pid, NULL, __WALL), ECHILD);
}

static volatile u64 word = 0x1122334455667788;
static volatile u64 word_seen;

static void nothing(void)
{
}

static void exits_with_word(void)
{
	_exit((int)word & 0xff);
}

static void asks_pid(void)
{
	_exit(syscall(SYS_getppid) > 0 ? 5 : 6);
}

static void raises_usr1(void)
{
	raise(SIGUSR1);
	_exit(1);
}

static void handler(int sig)
{
	word_seen = (u64)sig;
}

static void counts_signals(void)
{
	signal(SIGUSR1, handler);
	raise(SIGUSR1);
	_exit((int)word_seen);
}

static void ignores_usr1(void)
{
	signal(SIGUSR1, SIG_IGN);
	raise(SIGUSR1);
	_exit(4);
}

static void forks(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(7);
	int status;
	waitpid(pid, &status, 0);
	_exit(WEXITSTATUS(status));
}

static void vforks(void)
{
	pid_t pid = vfork();

	if (pid == 0)
		_exit(8);
	int status;
	waitpid(pid, &status, 0);
	_exit(WEXITSTATUS(status));
}

static void *thread_fn(void *arg)
{
	return arg;
}

static void makes_thread(void)
{
	pthread_t t;

	pthread_create(&t, NULL, thread_fn, NULL);
	pthread_join(t, NULL);
	_exit(9);
}

static void execs(void)
{
	execl("/proc/self/exe", "ptrace", "@exits", NULL);
	_exit(98);
}

static void spins(void)
{
	for (;;)
		__asm__ volatile("pause");
}

static void sleeps(void)
{
	for (;;)
		pause();
}

int role_main(int argc, char **argv)
{
	return argc > 1 && strcmp(argv[1], "@exits") == 0 ? 3 : 97;
}

TEST(traceme, "[X6] PTRACE_TRACEME, a stop, PTRACE_CONT, the end")
{
	pid_t pid = traced_child(nothing);

	finish(pid, 0);
	FAILS(trace(PTRACE_CONT, pid, 0, 0), ESRCH);
}

TEST(not_mine, "[X6] ESRCH for what is not traced, not stopped, not there")
{
	pid_t pid = fork();

	if (pid == 0)
		spins();
	FAILS(trace(PTRACE_CONT, pid, 0, 0), ESRCH);
	FAILS(trace(PTRACE_PEEKDATA, pid, (u64)&word, (u64)&word_seen), ESRCH);
	OK(trace(PTRACE_SEIZE, pid, 0, 0));
	FAILS(trace(PTRACE_CONT, pid, 0, 0), ESRCH);
	FAILS(trace(PTRACE_SEIZE, pid, 0, 0), EPERM);
	FAILS(trace(PTRACE_ATTACH, getpid(), 0, 0), EPERM);
	FAILS(trace(PTRACE_ATTACH, 0x7ffffff, 0, 0), ESRCH);
	OK(kill(pid, SIGKILL));
	IS(wait_for(pid), SIGKILL);
}

TEST(memory,
     "[X6] peek and poke of data, also where the program itself may not write; its parent is not changed")
{
	pid_t pid = traced_child(exits_with_word);
	u64 value = 0;

	OK(trace(PTRACE_PEEKDATA, pid, (u64)&word, (u64)&value));
	IS(value, 0x1122334455667788);
	OK(trace(PTRACE_POKEDATA, pid, (u64)&word, 0x42));
	IS(word, 0x1122334455667788);
	OK(trace(PTRACE_PEEKTEXT, pid, (u64)exits_with_word, (u64)&value));
	OK(trace(PTRACE_POKETEXT, pid, (u64)exits_with_word, value ^ 1));
	u64 again;
	OK(trace(PTRACE_PEEKTEXT, pid, (u64)exits_with_word, (u64)&again));
	IS(again, value ^ 1);
	IS(*(volatile u64 *)exits_with_word, value);
	OK(trace(PTRACE_POKETEXT, pid, (u64)exits_with_word, value));
	FAILS(trace(PTRACE_PEEKDATA, pid, 8, (u64)&value), EIO);
	FAILS(trace(PTRACE_POKEDATA, pid, 0xffff800000000000, 1), EIO);
	finish(pid, 0x42 << 8);
}

TEST(breakpoint, "[X6] INT3 put into code by its tracer stops the program there")
{
	pid_t pid = traced_child(exits_with_word);
	struct user_regs_struct r;
	u64 code;

	OK(trace(PTRACE_PEEKTEXT, pid, (u64)exits_with_word, (u64)&code));
	OK(trace(PTRACE_POKETEXT, pid, (u64)exits_with_word, (code & ~0xffUL) | 0xcc));
	go_on(pid, PTRACE_CONT, 0);
	IS(wait_for(pid), STOPPED_BY(SIGTRAP));
	OK(trace(PTRACE_GETREGS, pid, 0, (u64)&r));
	IS(r.rip, (u64)exits_with_word + 1);
	r.rip--;
	OK(trace(PTRACE_SETREGS, pid, 0, (u64)&r));
	OK(trace(PTRACE_POKETEXT, pid, (u64)exits_with_word, code));
	finish(pid, 0x88 << 8);
}

TEST(registers, "[X6] registers by GETREGS, GETREGSET and PEEKUSER are the same; selectors cannot be set")
{
	pid_t pid = traced_child(nothing);
	struct user_regs_struct a, b;
	struct iovec iov = {&b, sizeof(b)};
	u64 rip;

	memset(&b, 0, sizeof(b));
	OK(trace(PTRACE_GETREGS, pid, 0, (u64)&a));
	OK(trace(PTRACE_GETREGSET, pid, NT_PRSTATUS, (u64)&iov));
	IS(iov.iov_len, sizeof(b));
	IS(memcmp(&a, &b, sizeof(a)), 0);
	OK(trace(PTRACE_PEEKUSER, pid, RIP * 8, (u64)&rip));
	IS(rip, a.rip);
	IS(a.cs, 0x33);
	IS(a.ss, 0x2b);
	a.r12 = 0x1234;
	OK(trace(PTRACE_SETREGS, pid, 0, (u64)&a));
	OK(trace(PTRACE_POKEUSER, pid, R13 * 8, 77));
	OK(trace(PTRACE_GETREGS, pid, 0, (u64)&b));
	IS(b.r12, 0x1234);
	IS(b.r13, 77);
	iov = (struct iovec){&b, 16};
	OK(trace(PTRACE_GETREGSET, pid, NT_PRSTATUS, (u64)&iov));
	IS(iov.iov_len, 16);
	FAILS(trace(PTRACE_PEEKUSER, pid, 3, (u64)&rip), EIO);
	FAILS(trace(PTRACE_PEEKUSER, pid, 100000, (u64)&rip), EIO);
	FAILS(trace(PTRACE_GETREGS, pid, 0, 8), EFAULT);
	OK(kill(pid, SIGKILL));
	IS(wait_for(pid), SIGKILL);
}

TEST(hostile_registers, "[I2] a tracer cannot set interrupts off, I/O rights, or ring 0")
{
	pid_t pid = traced_child(nothing);
	struct user_regs_struct r;

	OK(trace(PTRACE_GETREGS, pid, 0, (u64)&r));
	u64 flags = r.eflags;
	r.eflags = (r.eflags & ~0x200UL) | 0x3000 | 0x100000;
	OK(trace(PTRACE_SETREGS, pid, 0, (u64)&r));
	OK(trace(PTRACE_GETREGS, pid, 0, (u64)&r));
	IS(r.eflags & 0x3200, flags & 0x3200);
	r.rip = 0x8000000000000000; /* no address at all */
	OK(trace(PTRACE_SETREGS, pid, 0, (u64)&r));
	go_on(pid, PTRACE_CONT, 0);
	IS(wait_for(pid), STOPPED_BY(SIGSEGV));
	go_on(pid, PTRACE_CONT, SIGSEGV);
	IS(WTERMSIG(wait_for(pid)), SIGSEGV);
}

TEST(fp_registers, "[X6] the SSE registers by GETFPREGS, and set")
{
	pid_t pid = traced_child(nothing);
	struct user_fpregs_struct f;

	OK(trace(PTRACE_GETFPREGS, pid, 0, (u64)&f));
	IS(f.cwd, 0x37f);
	IS(f.mxcsr, 0x1f80);
	f.xmm_space[5 * 4] = 0xabcdef;
	OK(trace(PTRACE_SETFPREGS, pid, 0, (u64)&f));
	memset(&f, 0, sizeof(f));
	OK(trace(PTRACE_GETFPREGS, pid, 0, (u64)&f));
	IS(f.xmm_space[5 * 4], 0xabcdef);
	f.mxcsr = 0xffffffff;
	FAILS(trace(PTRACE_SETFPREGS, pid, 0, (u64)&f), EINVAL);
	finish(pid, 0);
}

TEST(syscalls, "[X6] PTRACE_SYSCALL: entry and exit of a call, its number, arguments and result")
{
	pid_t pid = traced_child(asks_pid);
	struct user_regs_struct r;

	OK(trace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD));
	/* What is left of raise(): until getppid comes. */
	for (int i = 0; i < 20; i++) {
		go_on(pid, PTRACE_SYSCALL, 0);
		IS(wait_for(pid), SYSGOOD);
		OK(trace(PTRACE_GETREGS, pid, 0, (u64)&r));
		if (r.orig_rax == SYS_getppid)
			break;
	}
	IS(r.orig_rax, SYS_getppid);
	IS((i64)r.rax, -ENOSYS);
	go_on(pid, PTRACE_SYSCALL, 0);
	IS(wait_for(pid), SYSGOOD);
	OK(trace(PTRACE_GETREGS, pid, 0, (u64)&r));
	IS(r.rax, getpid());
	r.rax = 0;
	OK(trace(PTRACE_SETREGS, pid, 0, (u64)&r));
	finish(pid, 6 << 8);
}

TEST(syscall_changed, "[X6] a tracer turns a call into another, and into none")
{
	pid_t pid = traced_child(asks_pid);
	struct user_regs_struct r;

	OK(trace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD));
	do {
		go_on(pid, PTRACE_SYSCALL, 0);
		IS(wait_for(pid), SYSGOOD);
		OK(trace(PTRACE_GETREGS, pid, 0, (u64)&r));
	} while (r.orig_rax != SYS_getppid);
	r.orig_rax = (u64)-1;
	OK(trace(PTRACE_SETREGS, pid, 0, (u64)&r));
	go_on(pid, PTRACE_SYSCALL, 0);
	IS(wait_for(pid), SYSGOOD);
	OK(trace(PTRACE_GETREGS, pid, 0, (u64)&r));
	IS((i64)r.rax, -ENOSYS);
	finish(pid, 6 << 8);
}

TEST(syscall_info, "[X6] PTRACE_GET_SYSCALL_INFO at the entry and at the exit")
{
	pid_t pid = traced_child(asks_pid);
	struct __ptrace_syscall_info info;

	OK(trace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD));
	do {
		go_on(pid, PTRACE_SYSCALL, 0);
		IS(wait_for(pid), SYSGOOD);
		IS(trace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), (u64)&info) > 0, true);
	} while (info.op != 1 || info.entry.nr != SYS_getppid);
	IS(info.arch, 0xc000003e);
	go_on(pid, PTRACE_SYSCALL, 0);
	IS(wait_for(pid), SYSGOOD);
	IS(trace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), (u64)&info), 33);
	IS(info.op, 2);
	IS(info.exit.rval, getpid());
	IS(info.exit.is_error, 0);
	finish(pid, 5 << 8);
}

TEST(signals_seen, "[X6] a signal stops the tracee first: it can be let through, dropped and changed")
{
	pid_t pid = traced_child(raises_usr1);
	siginfo_t info;

	go_on(pid, PTRACE_CONT, 0);
	IS(wait_for(pid), STOPPED_BY(SIGUSR1));
	OK(trace(PTRACE_GETSIGINFO, pid, 0, (u64)&info));
	IS(info.si_signo, SIGUSR1);
	IS(info.si_pid, pid);
	finish(pid, 1 << 8);
	pid = traced_child(raises_usr1);
	go_on(pid, PTRACE_CONT, 0);
	IS(wait_for(pid), STOPPED_BY(SIGUSR1));
	go_on(pid, PTRACE_CONT, SIGUSR2);
	IS(wait_for(pid), SIGUSR2);
	pid = traced_child(counts_signals);
	go_on(pid, PTRACE_CONT, 0);
	IS(wait_for(pid), STOPPED_BY(SIGUSR1));
	go_on(pid, PTRACE_CONT, SIGUSR1);
	IS(wait_for(pid), SIGUSR1 << 8);
}

TEST(ignored_seen, "[X6] a tracer sees an ignored signal, too")
{
	pid_t pid = traced_child(ignores_usr1);

	go_on(pid, PTRACE_CONT, 0);
	IS(wait_for(pid), STOPPED_BY(SIGUSR1));
	go_on(pid, PTRACE_CONT, SIGUSR1);
	IS(wait_for(pid), 4 << 8);
}

TEST(single_step, "[X6] PTRACE_SINGLESTEP goes on by one instruction, and through a system call")
{
	pid_t pid = traced_child(asks_pid);
	struct user_regs_struct r;
	bool called = false;
	int status, steps = 0;

	do {
		OK(trace(PTRACE_SINGLESTEP, pid, 0, 0));
		status = wait_for(pid);
		if (status == STOPPED_BY(SIGTRAP)) {
			OK(trace(PTRACE_GETREGS, pid, 0, (u64)&r));
			called |= r.rax == (u64)getpid();
			IS(r.eflags & 0x100, 0);
		}
	} while (WIFSTOPPED(status) && ++steps < 20000);
	IS(status, 5 << 8);
	IS(called, true);
	IS(steps > 10, true);
}

TEST(step_to_handler, "[X6] a step with a signal ends at the handler's first instruction")
{
	pid_t pid = traced_child(counts_signals);
	struct user_regs_struct r;

	go_on(pid, PTRACE_CONT, 0);
	IS(wait_for(pid), STOPPED_BY(SIGUSR1));
	go_on(pid, PTRACE_SINGLESTEP, SIGUSR1);
	IS(wait_for(pid), STOPPED_BY(SIGTRAP));
	OK(trace(PTRACE_GETREGS, pid, 0, (u64)&r));
	IS(r.rip, (u64)handler);
	finish(pid, SIGUSR1 << 8);
}

TEST(fork_event, "[X6] PTRACE_O_TRACEFORK: the event, the child's number, the child traced from its start")
{
	pid_t pid = traced_child(forks);
	u64 child = 0;

	OK(trace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEFORK));
	go_on(pid, PTRACE_CONT, 0);
	IS(wait_for(pid), EVENT(PTRACE_EVENT_FORK));
	OK(trace(PTRACE_GETEVENTMSG, pid, 0, (u64)&child));
	IS(wait_for((pid_t)child), STOPPED_BY(SIGSTOP));
	go_on(pid, PTRACE_CONT, 0);
	go_on((pid_t)child, PTRACE_CONT, 0);
	IS(wait_for((pid_t)child), 7 << 8);
	IS(wait_for(pid), STOPPED_BY(SIGCHLD));
	finish(pid, 7 << 8);
}

TEST(vfork_event, "[X6] PTRACE_O_TRACEVFORK and _TRACEVFORKDONE")
{
	pid_t pid = traced_child(vforks);
	u64 child = 0;

	OK(trace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEVFORK | PTRACE_O_TRACEVFORKDONE));
	go_on(pid, PTRACE_CONT, 0);
	IS(wait_for(pid), EVENT(PTRACE_EVENT_VFORK));
	OK(trace(PTRACE_GETEVENTMSG, pid, 0, (u64)&child));
	IS(wait_for((pid_t)child), STOPPED_BY(SIGSTOP));
	go_on(pid, PTRACE_CONT, 0);
	go_on((pid_t)child, PTRACE_CONT, 0);
	IS(wait_for((pid_t)child), 8 << 8);
	IS(wait_for(pid), EVENT(PTRACE_EVENT_VFORK_DONE));
	go_on(pid, PTRACE_CONT, 0);
	IS(wait_for(pid), STOPPED_BY(SIGCHLD));
	finish(pid, 8 << 8);
}

TEST(clone_event, "[X6] PTRACE_O_TRACECLONE: a thread is traced, and its end is told")
{
	pid_t pid = traced_child(makes_thread);
	u64 tid = 0;

	OK(trace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACECLONE));
	go_on(pid, PTRACE_CONT, 0);
	IS(wait_for(pid), EVENT(PTRACE_EVENT_CLONE));
	OK(trace(PTRACE_GETEVENTMSG, pid, 0, (u64)&tid));
	IS(wait_for((pid_t)tid), STOPPED_BY(SIGSTOP));
	go_on((pid_t)tid, PTRACE_CONT, 0);
	go_on(pid, PTRACE_CONT, 0);
	IS(wait_for((pid_t)tid), 0);
	IS(wait_for(pid), 9 << 8);
}

TEST(exec_trap, "[X6] exec: SIGTRAP, or the event with PTRACE_O_TRACEEXEC")
{
	pid_t pid = traced_child(execs);
	u64 old;

	go_on(pid, PTRACE_CONT, 0);
	IS(wait_for(pid), STOPPED_BY(SIGTRAP));
	finish(pid, 3 << 8);
	pid = traced_child(execs);
	OK(trace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEEXEC));
	go_on(pid, PTRACE_CONT, 0);
	IS(wait_for(pid), EVENT(PTRACE_EVENT_EXEC));
	OK(trace(PTRACE_GETEVENTMSG, pid, 0, (u64)&old));
	IS(old, pid);
	finish(pid, 3 << 8);
}

TEST(exit_event, "[X6] PTRACE_O_TRACEEXIT: the event with the status, before the end")
{
	pid_t pid = traced_child(asks_pid);
	u64 status;

	OK(trace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEEXIT));
	go_on(pid, PTRACE_CONT, 0);
	IS(wait_for(pid), EVENT(PTRACE_EVENT_EXIT));
	OK(trace(PTRACE_GETEVENTMSG, pid, 0, (u64)&status));
	IS(status, 5 << 8);
	finish(pid, 5 << 8);
}

TEST(attach, "[X6] PTRACE_ATTACH stops a running program, PTRACE_DETACH lets it run")
{
	pid_t pid = fork();

	if (pid == 0)
		spins();
	OK(trace(PTRACE_ATTACH, pid, 0, 0));
	IS(wait_for(pid), STOPPED_BY(SIGSTOP));
	OK(trace(PTRACE_DETACH, pid, 0, 0));
	FAILS(trace(PTRACE_CONT, pid, 0, 0), ESRCH);
	IS(waitpid(pid, NULL, WNOHANG), 0);
	OK(kill(pid, SIGTERM));
	IS(wait_for(pid), SIGTERM);
}

TEST(attach_sleeper,
     "[X6] a sleeping program is stopped, sleeps on when continued, and dies of a detach with SIGTERM")
{
	pid_t pid = fork();

	if (pid == 0)
		sleeps();
	usleep(20000);
	OK(trace(PTRACE_ATTACH, pid, 0, 0));
	IS(wait_for(pid), STOPPED_BY(SIGSTOP));
	go_on(pid, PTRACE_CONT, 0);
	usleep(20000);
	IS(waitpid(pid, NULL, WNOHANG), 0);
	OK(kill(pid, SIGUSR1));
	IS(wait_for(pid), STOPPED_BY(SIGUSR1));
	OK(trace(PTRACE_DETACH, pid, 0, SIGTERM));
	IS(wait_for(pid), SIGTERM);
}

TEST(seize,
     "[X6] PTRACE_SEIZE does not stop; PTRACE_INTERRUPT does; group stops are told, and listened through")
{
	pid_t pid = fork();

	if (pid == 0)
		spins();
	OK(trace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD));
	IS(waitpid(pid, NULL, WNOHANG | __WALL), 0);
	OK(trace(PTRACE_INTERRUPT, pid, 0, 0));
	IS(wait_for(pid), EVENT(PTRACE_EVENT_STOP));
	go_on(pid, PTRACE_CONT, 0);
	OK(kill(pid, SIGSTOP));
	IS(wait_for(pid), STOPPED_BY(SIGSTOP));
	go_on(pid, PTRACE_CONT, SIGSTOP);
	IS(wait_for(pid), STOPPED_BY(SIGSTOP) | PTRACE_EVENT_STOP << 16);
	OK(trace(PTRACE_LISTEN, pid, 0, 0));
	FAILS(trace(PTRACE_CONT, pid, 0, 0), ESRCH);
	usleep(20000);
	IS(waitpid(pid, NULL, WNOHANG | __WALL), 0);
	OK(kill(pid, SIGCONT));
	IS(wait_for(pid), EVENT(PTRACE_EVENT_STOP));
	go_on(pid, PTRACE_CONT, 0);
	IS(wait_for(pid), STOPPED_BY(SIGCONT));
	go_on(pid, PTRACE_CONT, SIGCONT);
	OK(kill(pid, SIGKILL));
	IS(wait_for(pid), SIGKILL);
}

TEST(kill_stopped, "[X6] SIGKILL ends a tracee that is stopped")
{
	pid_t pid = traced_child(nothing);

	OK(kill(pid, SIGKILL));
	IS(wait_for(pid), SIGKILL);
}

TEST(tracer_ends, "[X6] a tracer's end lets its tracees go on, or ends them with PTRACE_O_EXITKILL")
{
	for (int i = 0; i < 2; i++) {
		pid_t pid = fork();

		if (pid == 0)
			sleeps();
		pid_t tracer = fork();
		if (tracer == 0) {
			int status;

			if (trace(PTRACE_SEIZE, pid, 0, i ? PTRACE_O_EXITKILL : 0) ||
			    trace(PTRACE_INTERRUPT, pid, 0, 0))
				_exit(1);
			waitpid(pid, &status, __WALL);
			_exit(0);
		}
		IS(wait_for(tracer), 0);
		if (!i) {
			usleep(20000);
			IS(waitpid(pid, NULL, WNOHANG), 0);
			OK(kill(pid, SIGTERM));
		}
		IS(wait_for(pid), i ? SIGKILL : SIGTERM);
	}
}

TEST(tracer_first, "[X6] a tracer that is not the parent sees the end first, and then the parent does")
{
	int go[2];

	OK(pipe(go));
	pid_t pid = fork();
	if (pid == 0)
		sleeps();
	pid_t tracer = fork();
	if (tracer == 0) {
		int status;
		char c;

		if (trace(PTRACE_SEIZE, pid, 0, 0))
			_exit(1);
		kill(pid, SIGKILL);
		usleep(50000);
		if (write(go[1], "x", 1) != 1 || read(go[0], &c, 0) != 0)
			_exit(2);
		usleep(50000);
		_exit(waitpid(pid, &status, __WALL) == pid && status == SIGKILL ? 0 : 3);
	}
	char c;
	IS(read(go[0], &c, 1), 1);
	IS(waitpid(pid, NULL, WNOHANG), 0);
	IS(wait_for(tracer), 0);
	IS(wait_for(pid), SIGKILL);
}

TEST(process_vm, "[X6] process_vm_readv and _writev over several ranges; EFAULT, ESRCH, EINVAL")
{
	static char theirs[3 * PAGE], mine[3 * PAGE];
	pid_t pid = fork();

	memset(theirs, 'o', sizeof(theirs));
	if (pid == 0)
		sleeps();
	struct iovec local[2] = {{mine, 100}, {mine + 100, sizeof(mine) - 100}};
	struct iovec remote[2] = {{theirs, PAGE + 7}, {theirs + PAGE + 7, 2 * PAGE - 7}};
	memset(mine, 'm', sizeof(mine));
	IS(process_vm_writev(pid, local, 2, remote, 2, 0), sizeof(mine));
	IS(theirs[PAGE], 'o');
	memset(mine, 0, sizeof(mine));
	IS(process_vm_readv(pid, local, 2, remote, 2, 0), sizeof(mine));
	IS(mine[0] == 'm' && mine[3 * PAGE - 1] == 'm', true);
	remote[0].iov_base = (void *)8;
	FAILS(process_vm_readv(pid, local, 2, remote, 1, 0), EFAULT);
	FAILS(process_vm_readv(0x7ffffff, local, 2, remote, 1, 0), ESRCH);
	FAILS(process_vm_readv(pid, local, 2, remote, 1, 1), EINVAL);
	IS(process_vm_readv(pid, local, 0, remote, 1, 0), 0);
	OK(kill(pid, SIGKILL));
	IS(wait_for(pid), SIGKILL);
}

TEST(rights, "[X6] an ordinary user traces only its own programs")
{
	pid_t root_one = fork();

	if (geteuid() != 0)
		return;
	if (root_one == 0)
		sleeps();
	pid_t user = fork();
	if (user == 0) {
		if (setuid(65534))
			_exit(1);
		bool refused = trace(PTRACE_SEIZE, root_one, 0, 0) == -1 && errno == EPERM;
		struct iovec iov = {(void *)&word, 8};
		refused &= process_vm_readv(root_one, &iov, 1, &iov, 1, 0) == -1 && errno == EPERM;
		_exit(refused ? 0 : 2);
	}
	IS(wait_for(user), 0);
	OK(kill(root_one, SIGKILL));
	IS(wait_for(root_one), SIGKILL);
}

TEST(restart_number,
     "[P7] a program interrupted between two instructions is not taken for one in a system call")
{
	struct itimerval soon = {.it_value = {.tv_usec = 20000}};
	u64 turns = 0;

	/* RAX holds what the kernel would restart a call for. */
	signal(SIGALRM, handler);
	word_seen = 0;
	OK(setitimer(ITIMER_REAL, &soon, NULL));
	u64 rax = (u64)-512;
	__asm__ volatile("1: incq %1\n\tcmpq $0, %2\n\tje 1b"
	                 : "+a"(rax), "+r"(turns)
	                 : "m"(word_seen)
	                 : "cc");
	IS(rax, (u64)-512);
	IS(word_seen, SIGALRM);
}
