/* What the system tells of itself, limits, names, users, randomness. */
#include "testsuite/prog/tap.h"

#include <sys/prctl.h>
#include <sys/sysinfo.h>

TEST(names, "[P9] uname: Linux for programs, x86_64, terminated strings")
{
	struct utsname u;

	OK(uname(&u));
	IS_STR(u.sysname, "Linux");
	IS_STR(u.machine, "x86_64");
	CHECK(u.release[0] >= '3' && u.release[0] <= '9' && strchr(u.release, '.'));
	CHECK(strlen(u.nodename) < 65 && strlen(u.version) < 65);
}

TEST(host_name, "[P9] sethostname changes nodename; too long is EINVAL; not for everybody")
{
	struct utsname u;
	char old[65];

	SKIP_IF(getuid() != 0, "not root");
	FAILS(syscall(SYS_sethostname, "x", 65), EINVAL);
	FAILS(syscall(SYS_sethostname, "x", -1), EINVAL);
	if (on_bulkhead()) {
		OK(uname(&u));
		strcpy(old, u.nodename);
		OK(sethostname("other", 5));
		OK(uname(&u));
		IS_STR(u.nodename, "other");
		OK(sethostname(old, strlen(old)));
	}
	OK(setresuid(1000, 1000, 1000));
	FAILS(sethostname("x", 1), EPERM);
}

TEST(memory_figures, "[P9] sysinfo: total, free, uptime, processes")
{
	struct sysinfo a, b;

	OK(sysinfo(&a));
	CHECK(a.totalram * a.mem_unit > 30UL << 20);
	CHECK(a.freeram > 0 && a.freeram < a.totalram);
	CHECK(a.procs >= 2);
	sleep_ms(1100);
	OK(sysinfo(&b));
	CHECK(b.uptime > a.uptime);
}

TEST(randomness, "[V4] getrandom: full, different each time, flags")
{
	u8 a[300] = {0}, b[300] = {0};
	u32 same = 0;

	IS(syscall(SYS_getrandom, a, 300, 0), 300);
	IS(syscall(SYS_getrandom, b, 300, 1), 300);
	for (u32 i = 0; i < 300; i++)
		same += a[i] == b[i];
	CHECK(same < 20);
	FAILS(syscall(SYS_getrandom, a, 10, 0x80), EINVAL);
	IS(CHILD({
		   syscall(SYS_getrandom, b, 300, 0);
		   CHECK(memcmp(a, b, 300) != 0);
	   }),
	   EXITED(0));
}

TEST(resource_limits, "[P9] limits: get, lower, raise up to the hard one, inherited")
{
	struct rlimit l, now;

	OK(getrlimit(RLIMIT_NOFILE, &l));
	l.rlim_cur = 50;
	l.rlim_max = 60;
	OK(setrlimit(RLIMIT_NOFILE, &l));
	l.rlim_cur = 61;
	FAILS(setrlimit(RLIMIT_NOFILE, &l), EINVAL);
	l.rlim_cur = 60;
	OK(setrlimit(RLIMIT_NOFILE, &l));
	IS(CHILD({
		   OK(getrlimit(RLIMIT_NOFILE, &now));
		   IS(now.rlim_cur, 60);
	   }),
	   EXITED(0));
	FAILS(syscall(SYS_getrlimit, 99, &l), EINVAL);
	FAILS(syscall(SYS_prlimit64, 0x7ffffff0, RLIMIT_NOFILE, NULL, &l), ESRCH);
	OK(syscall(SYS_prlimit64, getpid(), RLIMIT_STACK, NULL, &l));
	if (getuid() == 0)
		OK(setresuid(1000, 1000, 1000));
	l = (struct rlimit){60, 61};
	FAILS(setrlimit(RLIMIT_NOFILE, &l), EPERM);
}

TEST(address_space_limit, "[V10] RLIMIT_AS: ENOMEM for one call, the program goes on")
{
	struct rlimit l = {64UL << 20, 64UL << 20};

	OK(setrlimit(RLIMIT_AS, &l));
	FAILS(mmap(NULL, 100UL << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ENOMEM);
	CHECK(mmap(NULL, 1UL << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
}

TEST(thread_name, "[P9] PR_SET_NAME and PR_GET_NAME, cut to 15 characters")
{
	char name[16];

	OK(prctl(PR_SET_NAME, "short"));
	OK(prctl(PR_GET_NAME, name));
	IS_STR(name, "short");
	OK(prctl(PR_SET_NAME, "much longer than sixteen"));
	OK(prctl(PR_GET_NAME, name));
	IS_STR(name, "much longer tha");
	IS(CHILD({
		   OK(prctl(PR_GET_NAME, name));
		   IS_STR(name, "much longer tha");
	   }),
	   EXITED(0));
	FAILS(prctl(9999), EINVAL);
}

TEST(users, "[P9] root may become anybody, anybody only what he is")
{
	uid_t r, e, s;

	SKIP_IF(getuid() != 0, "not root");
	OK(setgroups(0, NULL));
	IS(getgroups(0, NULL), 0);
	OK(setresgid(7, 8, 9));
	IS(getgid(), 7);
	IS(getegid(), 8);
	OK(setresuid(1, 2, 3));
	OK(getresuid(&r, &e, &s));
	IS(r, 1);
	IS(e, 2);
	IS(s, 3);
	OK(setresuid(-1, 3, -1));
	IS(geteuid(), 3);
	OK(setresuid(-1, 1, -1));
	FAILS(setresuid(-1, 5, -1), EPERM);
	FAILS(setuid(0), EPERM);
	FAILS(setgid(0), EPERM);
	FAILS(setgroups(0, NULL), EPERM);
	FAILS(setreuid(3, 1), EPERM); /* the saved one may become the effective one only */
	OK(setreuid(1, 3));
	IS(geteuid(), 3);
}

TEST(supplementary_groups, "[P9] setgroups and getgroups")
{
	gid_t in[3] = {5, 6, 7}, out[8];

	SKIP_IF(getuid() != 0, "not root");
	OK(setgroups(3, in));
	IS(getgroups(8, out), 3);
	IS(getgroups(0, NULL), 3);
	FAILS(getgroups(2, out), EINVAL);
	FAILS(syscall(SYS_getgroups, -1, out), EINVAL);
}

TEST(signal_rights, "[P9] a user signals only his own processes")
{
	pid_t of_root, of_user;
	int status;

	SKIP_IF(getuid() != 0, "not root");
	of_root = SPAWN(for (;;) pause());
	of_user = SPAWN(OK(setresuid(1000, 1000, 1000)); for (;;) pause());
	sleep_ms(50);
	IS(CHILD({
		   OK(setresuid(1000, 1000, 1000));
		   FAILS(kill(of_root, SIGTERM), EPERM);
		   FAILS(kill(of_root, 0), EPERM);
		   FAILS(kill(1, SIGTERM), EPERM);
		   OK(kill(of_user, SIGTERM));
	   }),
	   EXITED(0));
	IS(wait_status(of_user), KILLED(SIGTERM));
	IS(waitpid(of_root, &status, WNOHANG), 0);
	OK(kill(of_root, SIGKILL));
	IS(wait_status(of_root), KILLED(SIGKILL));
}

TEST(pid_one_safe, "[P9] pid 1 cannot be killed by accident")
{
	BULKHEAD_ONLY("the host's pid 1 is not for testing");
	kill(1, SIGKILL);
	kill(1, SIGSTOP);
	kill(1, SIGSEGV);
	kill(1, SIGINT);
	sleep_ms(50);
	IS(kill(1, 0), 0);
}

TEST(affinity, "[P9] sched_getaffinity: at least this CPU; a size below 8 is EINVAL")
{
	u64 mask[16] = {0};
	long n = syscall(SYS_sched_getaffinity, 0, sizeof(mask), mask);

	CHECK(n >= 8 && n % 8 == 0);
	CHECK(mask[0] & 1);
	FAILS(syscall(SYS_sched_getaffinity, 0, 7, mask), EINVAL);
	FAILS(syscall(SYS_sched_getaffinity, 0x7ffffff0, sizeof(mask), mask), ESRCH);
}

TEST(not_there, "[P9] calls that are not there: -ENOSYS, and nothing else")
{
	static const u16 removed[] = {134, 156, 174, 177, 178, 180, 181, 182,
	                              183, 184, 185, 212, 214, 215, 236};

	for (u32 i = 0; i < ARRAY_SIZE(removed); i++)
		FAILS(syscall(removed[i], 0, 0, 0, 0, 0, 0), ENOSYS);
}

TEST(reboot_refused, "[P9] reboot: wrong magic is EINVAL, without the right EPERM")
{
	IS(CHILD({
		   if (getuid() == 0)
			   OK(setresuid(1000, 1000, 1000));
		   FAILS(syscall(SYS_reboot, 0xfee1dead, 672274793, 0x4321fedc, 0), EPERM);
	   }),
	   EXITED(0));
	FAILS(syscall(SYS_reboot, 1, 2, 0, 0), getuid() == 0 ? EINVAL : EPERM);
}

/* --- /proc --- */

static ssize_t slurp(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t n, got = 0;

	if (fd < 0)
		return -1;
	while ((n = read(fd, buf + got, size - 1 - got)) > 0)
		got += n;
	close(fd);
	buf[got] = 0;
	return got;
}

TEST(proc_self, "[P9] /proc/self/stat, status, cmdline and exe are the reader's own")
{
	char buf[4096], link[512], *at;
	pid_t pid;
	ssize_t n;

	NEED(slurp("/proc/self/stat", buf, sizeof(buf)) > 0);
	IS(atoi(buf), getpid());
	at = strrchr(buf, ')');
	NEED(at);
	IS(at[2], 'R');
	IS(atoi(at + 4), getppid());
	NEED(slurp("/proc/self/status", buf, sizeof(buf)) > 0);
	at = strstr(buf, "\nPid:\t");
	NEED(at);
	IS(atoi(at + 6), getpid());
	NEED(slurp("/proc/self/cmdline", buf, sizeof(buf)) > 0);
	CHECK(strstr(buf, "system"));
	n = readlink("/proc/self/exe", link, sizeof(link) - 1);
	NEED(n > 0);
	link[n] = 0;
	CHECK(strstr(link, "/system"));
	pid = SPAWN(for (;;) pause());
	snprintf(link, sizeof(link), "/proc/%d/stat", pid);
	wait_asleep(pid);
	kill(pid, SIGKILL);
	UNTIL(process_state(pid) == 'Z');
	IS(wait_status(pid), KILLED(SIGKILL));
	IS(slurp(link, buf, sizeof(buf)), -1);
}

TEST(proc_addresses, "[V9] no kernel address in what /proc tells of this process")
{
	static const char *const files[] = {"/proc/self/stat",  "/proc/self/status", "/proc/self/maps",
	                                    "/proc/self/statm", "/proc/meminfo",     "/proc/stat",
	                                    "/proc/uptime"};
	static char buf[65536];

	for (u32 i = 0; i < ARRAY_SIZE(files); i++) {
		if (slurp(files[i], buf, sizeof(buf)) <= 0)
			continue;
		CHECK(!strstr(buf, "ffffffff8") && !strstr(buf, "ffff8"));
		for (char *p = buf; *p; p++) {
			unsigned long long v;
			char *end;

			if (*p < '1' || *p > '9' || (p > buf && p[-1] != ' '))
				continue;
			v = strtoull(p, &end, 10);
			/* "unlimited" is all ones; a kernel address is in between */
			CHECK(v < 0xffff800000000000 || v == ~0ULL);
			p = end - 1;
		}
	}
}

TEST(proc_write, "[P9] /proc cannot be filled with files")
{
	CHECK(open("/proc/new", O_CREAT | O_RDWR, 0600) < 0);
	CHECK(mkdir("/proc/new", 0700) < 0);
	CHECK(unlink("/proc/meminfo") < 0);
}
