/* How threads share the CPU: policies, priorities, capabilities (sched(7), capabilities(7)). */
#include "testsuite/prog/tap.h"
#include <sched.h>

/* linux/capability.h, which musl's compiler does not find */
#define CAP_CHOWN 0
#define CAP_VERSION_1 0x19980330
#define CAP_VERSION_3 0x20080522

struct cap_header {
	u32 version;
	int pid;
};

struct cap_data {
	u32 effective, permitted, inheritable;
};

struct attr {
	u32 size, policy;
	u64 flags;
	int nice;
	u32 priority;
	u64 runtime, deadline, period;
	u32 util_min, util_max, more[4];
};

/* The raw calls: musl's library has them return ENOSYS, as POSIX means processes and Linux threads. */
static i64 set_scheduler(pid_t pid, int policy, int priority)
{
	return syscall(SYS_sched_setscheduler, pid, policy, &priority);
}

static i64 get_priority(pid_t pid)
{
	int priority = -1;

	return syscall(SYS_sched_getparam, pid, &priority) ? -1 : priority;
}

static i64 get_scheduler(pid_t pid)
{
	return syscall(SYS_sched_getscheduler, pid);
}

static void pin(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	OK(sched_setaffinity(0, sizeof(one), &one));
}

TEST(ranges, "[X6] priorities run from 1 to 99 for FIFO and RR, and are 0 for the others")
{
	IS(syscall(SYS_sched_get_priority_max, SCHED_FIFO), 99);
	IS(syscall(SYS_sched_get_priority_min, SCHED_FIFO), 1);
	IS(syscall(SYS_sched_get_priority_max, SCHED_RR), 99);
	IS(syscall(SYS_sched_get_priority_max, SCHED_OTHER), 0);
	IS(syscall(SYS_sched_get_priority_max, SCHED_BATCH), 0);
	IS(syscall(SYS_sched_get_priority_max, SCHED_IDLE), 0);
	FAILS(syscall(SYS_sched_get_priority_max, 4), EINVAL);
	FAILS(syscall(SYS_sched_get_priority_min, -1), EINVAL);
}

TEST(policies, "[X6] a policy and a priority are set and told, for each policy")
{
	static const int policies[] = {SCHED_OTHER, SCHED_BATCH, SCHED_IDLE, SCHED_FIFO, SCHED_RR};

	for (u32 i = 0; i < 5; i++) {
		int priority = i < 3 ? 0 : 7;

		OK(set_scheduler(0, policies[i], priority));
		IS(get_scheduler(0), policies[i]);
		IS(get_scheduler(getpid()), policies[i]);
		IS(get_priority(0), priority);
	}
	int priority = 33;
	OK(syscall(SYS_sched_setparam, 0, &priority));
	IS(get_priority(0), 33);
	IS(get_scheduler(0), SCHED_RR);
}

TEST(refusals,
     "[X6] EINVAL for a priority that does not fit, an unknown policy, a missing structure; ESRCH; EFAULT")
{
	int priority = 0;

	FAILS(set_scheduler(0, SCHED_FIFO, 0), EINVAL);
	FAILS(set_scheduler(0, SCHED_FIFO, 100), EINVAL);
	FAILS(set_scheduler(0, SCHED_OTHER, 1), EINVAL);
	FAILS(set_scheduler(0, 4, 0), EINVAL);
	FAILS(set_scheduler(0, -1, 0), EINVAL);
	FAILS(set_scheduler(-1, SCHED_OTHER, 0), EINVAL);
	FAILS(syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, NULL), EINVAL);
	FAILS(syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, 8), EFAULT);
	FAILS(set_scheduler(0x7ffffff, SCHED_OTHER, 0), ESRCH);
	FAILS(syscall(SYS_sched_getscheduler, -1), EINVAL);
	FAILS(syscall(SYS_sched_getparam, 0, NULL), EINVAL);
	FAILS(syscall(SYS_sched_getparam, 0x7ffffff, &priority), ESRCH);
}

TEST(attributes, "[X6] sched_setattr and sched_getattr: policy, nice, priority; sizes older and newer")
{
	struct attr a = {.size = 48, .policy = SCHED_BATCH, .nice = 5};

	OK(syscall(SYS_sched_setattr, 0, &a, 0));
	memset(&a, 0, sizeof(a));
	OK(syscall(SYS_sched_getattr, 0, &a, sizeof(a), 0));
	IS(a.policy, SCHED_BATCH);
	IS(a.nice, 5);
	IS(a.priority, 0);
	IS(getpriority(PRIO_PROCESS, 0), 5);
	a = (struct attr){.size = sizeof(a), .policy = SCHED_RR, .priority = 3};
	OK(syscall(SYS_sched_setattr, 0, &a, 0));
	IS(get_priority(0), 3);
	a.more[3] = 1;
	FAILS(syscall(SYS_sched_setattr, 0, &a, 0), E2BIG);
	a = (struct attr){.size = 8};
	FAILS(syscall(SYS_sched_setattr, 0, &a, 0), E2BIG);
	FAILS(syscall(SYS_sched_setattr, 0, NULL, 0), EINVAL);
	FAILS(syscall(SYS_sched_setattr, 0, 8, 0), EFAULT);
	FAILS(syscall(SYS_sched_getattr, 0, &a, 47, 0), EINVAL);
	a = (struct attr){.size = 48, .policy = 77};
	FAILS(syscall(SYS_sched_setattr, 0, &a, 0), EINVAL);
}

TEST(inherited, "[X6] fork inherits policy and priority, unless SCHED_RESET_ON_FORK says otherwise")
{
	OK(set_scheduler(0, SCHED_RR, 5));
	IS(CHILD({ _exit(get_scheduler(0) == SCHED_RR && get_priority(0) == 5 ? 7 : 1); }), EXITED(7));
	OK(set_scheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, 5));
	IS(get_scheduler(0), SCHED_RR | SCHED_RESET_ON_FORK);
	IS(CHILD({ _exit(get_scheduler(0) == SCHED_OTHER && get_priority(0) == 0 ? 7 : 1); }), EXITED(7));
}

TEST(rights, "[X6] an ordinary user gets no real-time priority, and none of another's threads")
{
	pid_t parent = getpid();

	if (geteuid() != 0)
		return;
	IS(CHILD({
		   if (setresuid(65534, 65534, 65534))
			   _exit(1);
		   if (set_scheduler(0, SCHED_FIFO, 1) != -1 || errno != EPERM)
			   _exit(2);
		   if (set_scheduler(parent, SCHED_BATCH, 0) != -1 || errno != EPERM)
			   _exit(3);
		   _exit(set_scheduler(0, SCHED_BATCH, 0) == 0 ? 7 : 4);
	   }),
	   EXITED(7));
}

/* What N children did, told through shared memory. */
static volatile struct {
	u64 turns, last;
} * shared;

static pid_t worker(int n, int policy, int priority)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (set_scheduler(0, policy, priority))
			_exit(1);
		for (;;) {
			shared[n].turns++;
			shared[n].last = now_ns();
		}
	}
	return pid;
}

static void share_memory(void)
{
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	IS(shared != MAP_FAILED, true);
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

TEST(priority_order, "[P11] of two ready real-time threads only the one of higher priority runs")
{
	BULKHEAD_ONLY("it would take a CPU of the host");
	pin();
	share_memory();
	OK(set_scheduler(0, SCHED_FIFO, 50));
	pid_t low = worker(0, SCHED_FIFO, 5), high = worker(1, SCHED_FIFO, 6);

	usleep(100000);
	u64 low_turns = shared[0].turns;
	IS(shared[1].turns > 0, true);
	usleep(100000);
	IS(shared[0].turns, low_turns);
	end(high);
	usleep(50000);
	IS(shared[0].turns > low_turns, true);
	end(low);
}

TEST(round_robin, "[P11] two SCHED_RR threads of one priority take turns")
{
	BULKHEAD_ONLY("it would take a CPU of the host");
	pin();
	share_memory();
	OK(set_scheduler(0, SCHED_FIFO, 50));
	pid_t a = worker(0, SCHED_RR, 5), b = worker(1, SCHED_RR, 5);

	usleep(450000);
	u64 turns[2] = {shared[0].turns, shared[1].turns};
	IS(turns[0] > 0 && turns[1] > 0, true);
	end(a);
	end(b);
}

TEST(interval, "[X6] sched_rr_get_interval: 100 ms for SCHED_RR, 0 for SCHED_FIFO")
{
	struct timespec t;

	OK(set_scheduler(0, SCHED_RR, 1));
	OK(syscall(SYS_sched_rr_get_interval, 0, &t));
	IS(t.tv_nsec, 100000000);
	OK(set_scheduler(0, SCHED_FIFO, 1));
	OK(syscall(SYS_sched_rr_get_interval, 0, &t));
	IS(t.tv_nsec, 0);
	FAILS(syscall(SYS_sched_rr_get_interval, -1, &t), EINVAL);
	FAILS(syscall(SYS_sched_rr_get_interval, 0, 8), EFAULT);
}

/* --- capabilities --- */

static struct cap_header header(u32 version, int pid)
{
	return (struct cap_header){version, pid};
}

TEST(capabilities, "[X6] capget and capset: what root has, what it gives up is gone, nothing grows")
{
	struct cap_header h = header(CAP_VERSION_3, 0);
	struct cap_data d[2], less[2];

	if (geteuid() != 0)
		return;
	OK(syscall(SYS_capget, &h, d));
	IS(d[0].effective & 1 << CAP_CHOWN, 1 << CAP_CHOWN);
	IS(d[0].effective & ~d[0].permitted, 0);
	memcpy(less, d, sizeof(d));
	less[0].effective &= ~(1U << CAP_CHOWN);
	OK(syscall(SYS_capset, &h, less));
	FAILS(chown("/tmp", 1, 1), EPERM);
	OK(syscall(SYS_capset, &h, d)); /* still permitted */
	less[0].permitted &= ~(1U << CAP_CHOWN);
	OK(syscall(SYS_capset, &h, less));
	FAILS(syscall(SYS_capset, &h, d), EPERM);
	less[0].effective = less[0].permitted | 1 << CAP_CHOWN;
	FAILS(syscall(SYS_capset, &h, less), EPERM);
}

TEST(capability_versions, "[X6] an unknown version is told the known one; other processes can only be asked")
{
	struct cap_header h = header(0x12345678, 0);
	struct cap_data d[2];

	FAILS(syscall(SYS_capget, &h, d), EINVAL);
	IS(h.version, CAP_VERSION_3);
	h = header(0, 0);
	OK(syscall(SYS_capget, &h, NULL));
	IS(h.version, CAP_VERSION_3);
	h = header(CAP_VERSION_1, 0);
	OK(syscall(SYS_capget, &h, d));
	h = header(CAP_VERSION_3, getppid());
	OK(syscall(SYS_capget, &h, d));
	FAILS(syscall(SYS_capset, &h, d), EPERM);
	h.pid = -1;
	FAILS(syscall(SYS_capget, &h, d), EINVAL);
	h.pid = 0x7ffffff;
	FAILS(syscall(SYS_capget, &h, d), ESRCH);
	FAILS(syscall(SYS_capget, 8, d), EFAULT);
	h.pid = 0;
	FAILS(syscall(SYS_capget, &h, 8), EFAULT);
}

TEST(caps_and_ids, "[X6] capabilities go with root's number, and effective ones come back with it")
{
	if (geteuid() != 0)
		return;
	struct cap_header h = header(CAP_VERSION_3, 0);
	struct cap_data d[2], full[2];

	OK(syscall(SYS_capget, &h, full));
	OK(syscall(SYS_setresuid, -1, 65534, -1));
	OK(syscall(SYS_capget, &h, d));
	IS(d[0].effective, 0);
	IS(d[0].permitted, full[0].permitted);
	OK(syscall(SYS_setresuid, -1, 0, -1));
	OK(syscall(SYS_capget, &h, d));
	IS(d[0].effective, full[0].permitted);
	IS(CHILD({
		   syscall(SYS_prctl, 8 /* PR_SET_KEEPCAPS */, 1);
		   syscall(SYS_setresuid, 65534, 65534, 65534);
		   syscall(SYS_capget, &h, d);
		   _exit(d[0].effective == 0 && d[0].permitted == full[0].permitted ? 7 : 1);
	   }),
	   EXITED(7));
	OK(syscall(SYS_setresuid, 65534, 65534, 65534));
	OK(syscall(SYS_capget, &h, d));
	IS(d[0].effective | d[0].permitted, 0);
}

/* --- measurements, by testsuite/scenarios/share.py, where the machine's clock counts instructions --- */

/* How late a thread of POLICY wakes beside a spinning one, after it has spun, too, in us. */
static int lateness(int policy)
{
	u64 worst = 0;
	pid_t pid = worker(0, SCHED_OTHER, 0);

	set_scheduler(0, policy, policy == SCHED_FIFO ? 10 : 0);
	for (int i = 0; i < 50; i++) {
		struct timespec t = {.tv_nsec = 1000000};

		for (u64 end = now_ns() + 6000000; now_ns() < end;)
			;
		u64 due = now_ns() + 1000000;
		nanosleep(&t, NULL);
		u64 late = now_ns() - due;
		worst = late > worst ? late : worst;
	}
	end(pid);
	printf("%lu\n", worst / 1000);
	return 0;
}

/* What an ordinary thread gets of three seconds beside a real-time one that never sleeps, in ms. */
static int left_by_realtime(void)
{
	pid_t spinner = worker(0, SCHED_FIFO, 99);
	struct rusage usage;

	for (u64 start = now_ns(); now_ns() - start < 3000000000;)
		;
	getrusage(RUSAGE_SELF, &usage);
	end(spinner);
	printf("%lu\n", (u64)usage.ru_utime.tv_sec * 1000 + (u64)usage.ru_utime.tv_usec / 1000);
	return 0;
}

/* How often an ordinary thread turns while one of SCHED_IDLE turns a thousand times. */
static int idle_share(void)
{
	set_scheduler(0, SCHED_FIFO, 50);
	pid_t idle = worker(0, SCHED_IDLE, 0), busy = worker(1, SCHED_OTHER, 0);

	sleep(2);
	end(idle);
	end(busy);
	printf("%lu\n", shared[1].turns * 1000 / (shared[0].turns + 1));
	return 0;
}

int role_main(int argc, char **argv)
{
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (argc == 3 && strcmp(argv[1], "@late") == 0)
		return lateness(atoi(argv[2]));
	if (strcmp(argv[1], "@left") == 0)
		return left_by_realtime();
	return strcmp(argv[1], "@idle") == 0 ? idle_share() : 2;
}
