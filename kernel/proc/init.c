/* Pid 1: made by hand, because there is nobody to fork from. */
#include "hal/base/assert.h"
#include "hal/base/log.h"
#include "hal/base/string.h"
#include "hal/cpu/random.h"
#include "hal/dev/power.h"
#include "kernel/fs/fdtable.h"
#include "kernel/fs/fsctx.h"
#include "kernel/fs/vfs.h"
#include "kernel/abi/capability.h"
#include "kernel/proc/exec.h"
#include "kernel/proc/proc.h"
#include "vm/aspace.h"
#include "vm/frame.h"

#define STATUS_NO_INIT 126

struct start {
	const char *path;
	char *const *argv, *const *envp;
	bool measure; /* `bench=boot` */
	u64 tsc_entry;
};

static struct start start; /* [I] from proc_start_init on */

static void limits_default(struct rlimit64 *l)
{
	for (u32 i = 0; i < RLIM_NLIMITS; i++)
		l[i] = (struct rlimit64){RLIM64_INFINITY, RLIM64_INFINITY};
	l[RLIMIT_STACK].rlim_cur = 8 * MIB;
	l[RLIMIT_CORE].rlim_cur = 0;
	l[RLIMIT_NOFILE] = (struct rlimit64){1024, 1048576};
	l[RLIMIT_NICE] = (struct rlimit64){0, 0};
	l[RLIMIT_RTPRIO] = (struct rlimit64){0, 0};
	l[RLIMIT_MEMLOCK] = (struct rlimit64){8 * MIB, 8 * MIB};
	l[RLIMIT_MSGQUEUE] = (struct rlimit64){819200, 819200};
}

static int open_console(void)
{
	struct file *f;
	int err = vfs_open_kernel("/dev/console", O_RDWR, 0, &f);

	for (int i = 0; !err && i < 3; i++) {
		file_get(f);
		err = fd_install(f, 0, false);
		if (err >= 0)
			err = 0;
		else
			file_put(f);
	}
	if (!err)
		file_put(f);
	return err;
}

/* init_main: in its own task, before it has seen ring 3. */
static void init_main(void *arg)
{
	struct task *t = arg;
	int err = open_console();

	if (err)
		klog(LOG_WARN, "init: cannot open /dev/console: error %d", -err);
	err = (int)exec_run(start.path, (struct exec_strings){.kernel = true, .array = start.argv},
	                    (struct exec_strings){.kernel = true, .array = start.envp});
	if (err) {
		klog(LOG_ERROR, "bulkhead: cannot run %s as pid 1: %s (error %d)", start.path,
		     err == -ENOENT    ? "there is no such file"
		     : err == -EACCES  ? "it is not an executable file"
		     : err == -ENOEXEC ? "it is no program for this machine"
		     : err == -ENOMEM  ? "out of memory"
		                       : "exec failed",
		     -err);
		power_off(STATUS_NO_INIT);
	}
	if (start.measure)
		klog(LOG_NOTICE, "boot: %lu instructions from the stub to pid 1, %lu KiB in use",
		     rdtsc() - start.tsc_entry, (frame_total() - frame_free_count()) * (PAGE_SIZE / KIB));
	cpu_enter_user(task_frame(t));
}

/* proc_measure_boot: pid 1's start is to be logged, counted from the time stamp TSC_ENTRY. With QEMU's -icount shift=0 a tick is
 * an instruction. */
void proc_measure_boot(u64 tsc_entry)
{
	start.measure = true;
	start.tsc_entry = tsc_entry;
}

int proc_start_init(const char *path, char *const argv[], char *const envp[])
{
	struct task *t = task_alloc();
	struct proc *p = proc_alloc();

	start.path = path;
	start.argv = argv;
	start.envp = envp;
	if (!t || !p)
		return -ENOMEM;
	p->sighand = sighand_alloc();
	if (pid_alloc(&t->pid) < 0 || !p->sighand || fdtable_create(&p->files) < 0 ||
	    fsctx_create(&p->fs) < 0 || thread_init(&t->thread, "init", init_main, t) < 0)
		return -ENOMEM;
	assert(t->pid->nr == 1);
	t->timer_slack = t->timer_slack_default = 50 * NS_PER_USEC;
	limits_default(p->limits);
	p->creds.caps = p->creds.caps_permitted = CAP_ALL;
	str_copy(p->name, "init", sizeof(p->name));
	WITH_LOCK (&proc_lock) {
		p->pid = t->pid;
		p->leader = t;
		proc_set_group(p, p->pid);
		proc_set_session(p, p->pid);
		proc_insert(p, NULL);
		assert(task_insert(p, t));
	}
	thread_start(&t->thread);
	return 0;
}
