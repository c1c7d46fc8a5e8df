/* Process 1. The kernel gives it /dev/console as standard input, output and error, /proc and /dev mounted,
 * and what stands behind `--` on its command line:
 *
 *	(nothing)     a login shell on the console; when that is a serial line, another on the screen
 *	-c FILE       the shell runs the text of FILE
 *	-s            the shell, or what -c runs, gets by a pipe what comes in by the console; nothing is
 *	              echoed or translated, and an end of file (VEOF) is the end for good
 *	-t [NAME[:TESTS] ...]
 *	              run every program of /test, in order of name, or those that are named, with TESTS as argument;
 *	              each has its own time limit
 *	-a            what was taken is to be given back: the kernel's accounts (/proc/account) before and after
 *	              what -c runs are compared in the log; -t does so around each program, on its standard output
 *
 * When that has ended, so does process 1, with its status, and the kernel powers off and reports it.
 * SIGUSR2 powers off, SIGUSR1 halts, SIGTERM restarts (poweroff, halt and reboot of busybox send these). */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define SCREEN "/dev/tty1"
#define TEST_FOLDER "/test"
#define PROGRAM_SECONDS 150 /* for one program of /test */
#define GRACE_ROUNDS 20     /* of 50 ms, between asking processes to end and killing them */
#define FOREVER (365L * 24 * 3600)
#define SETTLE_ROUNDS 1000 /* of 10 ms, for what has ended to be gone */
#define ACCOUNT_BYTES 4096
#define ACCOUNT_LINE 1024
#define ACCOUNT_SHOWN 5 /* rows of /proc/account that are shown in any case */

static pid_t screen_shell;       /* 0: none yet */
static sigset_t handled, before; /* the signals that process 1 waits for; the mask it came with */

static void complain(const char *what)
{
	fprintf(stderr, "init: %s: %s\n", what, strerror(errno));
}

static int status_of(int wait_status)
{
	return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

/* --- the end of everything --- */

static void wait_for_all(void)
{
	for (int i = 0; i < GRACE_ROUNDS; i++) {
		pid_t pid;

		while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
			;
		if (pid < 0)
			return;
		usleep(50000);
	}
}

static void end_machine(int how)
{
	kill(-1, SIGTERM);
	kill(-1, SIGCONT);
	wait_for_all();
	kill(-1, SIGKILL);
	wait_for_all();
	tcdrain(STDOUT_FILENO);
	sync();
	reboot(how);
	complain("reboot");
	_exit(1);
}

/* --- children --- */

/* take_terminal: standard input, output and error become NAME. */
static void take_terminal(const char *name)
{
	int fd = open(name, O_RDWR | O_NOCTTY);

	if (fd < 0) {
		complain(name);
		_exit(1);
	}
	for (int std = 0; std <= STDERR_FILENO; std++)
		dup2(fd, std);
	if (fd > STDERR_FILENO)
		close(fd);
}

/* spawn: run ARGV in a session of its own, whose controlling terminal is TERMINAL; NULL: the console. */
static pid_t spawn(const char *path, char *const argv[], const char *terminal)
{
	pid_t pid = fork();

	if (pid < 0)
		complain("fork");
	if (pid != 0)
		return pid;
	setsid();
	if (terminal)
		take_terminal(terminal);
	ioctl(STDOUT_FILENO, TIOCSCTTY, 1);
	sigprocmask(SIG_SETMASK, &before, NULL);
	execv(path, argv);
	complain(path);
	_exit(errno == ENOENT ? 127 : 126);
}

/* screen_is_second: the screen has a terminal, and the console is elsewhere. */
static bool screen_is_second(void)
{
	struct stat screen;
	unsigned console = 0;

	return stat(SCREEN, &screen) == 0 && ioctl(STDIN_FILENO, TIOCGDEV, &console) == 0 &&
	       console != screen.st_rdev;
}

/* start_screen_shell: whoever leaves it gets a new one; the machine ends with the console's. */
static void start_screen_shell(void)
{
	char *first[] = {"-sh", NULL}, *next[] = {"sh", "-c", "sleep 1; exec sh -l", NULL};

	screen_shell = spawn("/bin/sh", screen_shell ? next : first, SCREEN);
}

/* reap: everyone who has ended, orphans included. => whether PID was among them */
static bool reap(pid_t pid, int *ret_status)
{
	bool found = false;
	int status;
	pid_t got;

	while ((got = waitpid(-1, &status, WNOHANG)) > 0) {
		if (got == screen_shell)
			start_screen_shell();
		if (got != pid)
			continue;
		*ret_status = status_of(status);
		found = true;
	}
	return found;
}

/* await: until PID has ended, or SECONDS have passed. => its status, or -1 */
static int await(pid_t pid, time_t seconds)
{
	struct timespec now, left = {0, 0};
	time_t end;
	int status;

	clock_gettime(CLOCK_MONOTONIC, &now);
	end = now.tv_sec + seconds;
	while (!reap(pid, &status)) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec >= end)
			return -1;
		left.tv_sec = end - now.tv_sec;
		switch (sigtimedwait(&handled, NULL, &left)) {
		case SIGTERM:
			end_machine(RB_AUTOBOOT);
			break;
		case SIGUSR1:
			end_machine(RB_HALT_SYSTEM);
			break;
		case SIGUSR2:
			end_machine(RB_POWER_OFF);
			break;
		}
	}
	return status;
}

/* --- the shell --- */

/* set_console: output stays as programs write it; PLAIN: input, too. */
static void set_console(bool plain)
{
	struct termios tio;

	if (tcgetattr(STDIN_FILENO, &tio) < 0)
		return;
	tio.c_oflag &= ~OPOST;
	if (plain) {
		tio.c_iflag &= ~(ICRNL | INLCR | IGNCR);
		tio.c_lflag &= ~(ECHO | ECHONL);
		tio.c_lflag |= ICANON;
	}
	tcsetattr(STDIN_FILENO, TCSANOW, &tio);
}

/* set_size: a serial line knows no size, but whoever is at its other end may have said LINES= and COLUMNS=. */
static void set_size(void)
{
	const char *lines = getenv("LINES"), *columns = getenv("COLUMNS");
	struct winsize size = {0};

	if (!lines || !columns)
		return;
	size.ws_row = atoi(lines);
	size.ws_col = atoi(columns);
	ioctl(STDIN_FILENO, TIOCSWINSZ, &size);
	unsetenv("LINES"); /* they would not follow a change */
	unsetenv("COLUMNS");
}

/* start_pump: standard input becomes a pipe, which a process fills from the console. */
static int start_pump(void)
{
	char buf[4096];
	int ends[2];
	ssize_t n;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		sigprocmask(SIG_SETMASK, &before, NULL);
		close(ends[0]);
		while ((n = read(STDIN_FILENO, buf, sizeof(buf))) > 0)
			for (ssize_t done = 0; done < n; done += write(ends[1], buf + done, n - done))
				;
		_exit(0);
	}
	if (pid > 0)
		dup2(ends[0], STDIN_FILENO);
	close(ends[0]);
	close(ends[1]);
	return pid > 0 ? 0 : -1;
}

static char *read_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *text = NULL;
	ssize_t n = -1;

	if (fd >= 0 && fstat(fd, &st) == 0 && (text = malloc(st.st_size + 1)))
		n = read(fd, text, st.st_size);
	if (n < 0) {
		complain(path);
		exit(1);
	}
	text[n] = 0;
	close(fd);
	return text;
}

/* log_line: into the kernel's log. */
static void log_line(const char *line)
{
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, line, strlen(line)) < 0)
		complain("/dev/kmsg");
	close(fd);
}

static void say_ready(void)
{
	log_line("<5>bulkhead: pid 1 ready\n");
}

/* --- the kernel's accounts --- */

static char account_before[ACCOUNT_BYTES], account_after[ACCOUNT_BYTES];

static void account_read(char *text)
{
	int fd = open("/proc/account", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, ACCOUNT_BYTES - 1);

	if (n < 0)
		complain("/proc/account");
	text[n > 0 ? n : 0] = 0;
	close(fd);
}

/* account_compare: as soon as what has ended is gone, or after long enough. LINE becomes the differences: those of the
 * first rows, and of the others where there is one. => whether there is none */
static bool account_compare(char *line, size_t size)
{
	char *was = account_before, *is = account_after, name[32];
	long old, new, n = 0;
	int status;

	for (int i = 0; i < SETTLE_ROUNDS; i++) {
		reap(0, &status);
		account_read(account_after);
		if (strcmp(account_before, account_after) == 0)
			break;
		usleep(10000);
	}
	line[0] = 0;
	for (int row = 0; n < (long)size && sscanf(was, "%31s %ld", name, &old) == 2; row++) {
		if (sscanf(is, "%*s %ld", &new) != 1)
			break;
		if (row < ACCOUNT_SHOWN || old != new)
			n += snprintf(line + n, size - n, " %s %+ld", name, new - old);
		was = strchr(was, '\n') + 1;
		is = strchr(is, '\n') + 1;
	}
	return n > 0 && strcmp(account_before, account_after) == 0;
}

/* account_warm: what counting itself touches of this process's memory is touched before anything is counted. */
static void account_warm(void)
{
	char line[ACCOUNT_LINE];

	account_read(account_before);
	account_compare(line, sizeof(line));
}

/* run_shell: with ACCOUNTS, the log tells whether everything that was taken was given back. */
static int run_shell(const char *command_file, bool plain, bool accounts)
{
	char line[ACCOUNT_LINE], text[ACCOUNT_LINE + 64];
	char *login[] = {"-sh", NULL}, *reader[] = {"sh", NULL}, *command[] = {"sh", "-c", NULL, NULL};
	char **argv = plain ? reader : login;
	int status;
	pid_t pid;

	if (command_file) {
		command[2] = read_file(command_file);
		argv = command;
	}
	if (argv != login)
		set_console(plain);
	else if (chdir(getenv("HOME")) < 0)
		complain(getenv("HOME"));
	if (plain && start_pump() < 0) {
		complain("standard input");
		return 1;
	}
	account_warm();
	if (argv == login && screen_is_second())
		start_screen_shell();
	say_ready();
	account_read(account_before);
	pid = spawn("/bin/sh", argv, NULL);
	status = pid < 0 ? 1 : await(pid, FOREVER);
	if (accounts) {
		bool same = account_compare(line, sizeof(line));

		snprintf(text, sizeof(text), "<5>bulkhead: accounts %s:%s\n", same ? "even" : "differ", line);
		log_line(text);
	}
	return status;
}

/* --- the tests --- */

/* run_test: WHAT is the name of a program, and perhaps behind a colon which of its tests. */
static int run_test(const char *what)
{
	char path[512], name[256], line[ACCOUNT_LINE], *argv[] = {path, NULL, NULL};
	int status;
	pid_t pid;

	snprintf(name, sizeof(name), "%s", what);
	argv[1] = strchr(name, ':');
	if (argv[1])
		*argv[1]++ = 0;
	snprintf(path, sizeof(path), TEST_FOLDER "/%s", name);
	printf("# begin %s\n", name);
	fflush(stdout);
	account_read(account_before);
	pid = spawn(path, argv, NULL);
	status = pid < 0 ? 1 : await(pid, PROGRAM_SECONDS);
	if (status < 0) {
		printf("not ok - %s: no end within %d seconds\n", name, PROGRAM_SECONDS);
		kill(-pid, SIGKILL);
		status = await(pid, PROGRAM_SECONDS);
	}
	if (!account_compare(line, sizeof(line)))
		status |= 1;
	printf("# account %s%s\n# end %s status %d\n", name, line, name, status);
	fflush(stdout);
	return status;
}

static int is_program(const struct dirent *e)
{
	char path[512];
	struct stat st;

	snprintf(path, sizeof(path), TEST_FOLDER "/%s", e->d_name);
	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static int run_all_tests(void)
{
	struct dirent **programs;
	int n = scandir(TEST_FOLDER, &programs, is_program, alphasort);
	int status = 0;

	if (n < 0)
		complain(TEST_FOLDER);
	for (int i = 0; i < n; i++)
		status |= run_test(programs[i]->d_name);
	return n <= 0 || status;
}

static int run_tests(char *const names[])
{
	int status = 0;

	account_warm();
	say_ready();
	if (!*names)
		return run_all_tests();
	for (; *names; names++)
		status |= run_test(*names);
	return status != 0;
}

int main(int argc, char **argv)
{
	bool plain = false, tests = false, accounts = false;
	const char *command_file = NULL;
	int status;

	for (int option; (option = getopt(argc, argv, "ac:st")) != -1;) {
		if (option == 'c')
			command_file = optarg;
		plain |= option == 's';
		tests |= option == 't';
		accounts |= option == 'a';
	}
	setenv("PATH", "/sbin:/usr/sbin:/bin:/usr/bin", 1);
	setenv("HOME", "/root", 1);
	setenv("TERM", "linux", 0);
	set_size();

	sigemptyset(&handled);
	sigaddset(&handled, SIGCHLD);
	sigaddset(&handled, SIGTERM);
	sigaddset(&handled, SIGUSR1);
	sigaddset(&handled, SIGUSR2);
	sigprocmask(SIG_BLOCK, &handled, &before);

	status = tests ? run_tests(argv + optind) : run_shell(command_file, plain, accounts);
	tcdrain(STDOUT_FILENO);
	return status;
}
