/* The files of /proc that tell of the whole system. Formats: proc(5). */
#include "hal/base/printf.h"
#include "hal/base/string.h"
#include "hal/cpu/cpu.h"
#include "hal/cpu/random.h"
#include "hal/irq/irq.h"
#include "hal/time/clock.h"
#include "kernel/abi/capability.h"
#include "kernel/account.h"
#include "kernel/fs/fdtable.h"
#include "kernel/fs/file.h"
#include "kernel/fs/fsctx.h"
#include "kernel/fs/inode.h"
#include "kernel/fs/perm.h"
#include "kernel/fs/procfs.h"
#include "kernel/fs/ramfs.h"
#include "kernel/sys/uts.h"
#include "kernel/system.h"
#include "vm/aspace.h"
#include "vm/frame.h"
#include "vm/kmem.h"

#define NS_PER_TICK (NS_PER_SEC / 100)

/* --- memory --- */

static u64 kib(u64 pages)
{
	return pages * (PAGE_SIZE / KIB);
}

static int meminfo_show(struct seq *s, struct proc_node *n)
{
	u64 total = kib(frame_total()), free = kib(frame_free_count()), files = kib(ramfs_pages());
	u64 kernel = kmem_bytes_used() / KIB;
	const struct {
		const char *name;
		u64 value;
	} lines[] = {
	        {"MemTotal", total},    {"MemFree", free},      {"MemAvailable", free},
	        {"Buffers", 0},         {"Cached", files},      {"SwapCached", 0},
	        {"Active", 0},          {"Inactive", 0},        {"Active(anon)", 0},
	        {"Inactive(anon)", 0},  {"Active(file)", 0},    {"Inactive(file)", 0},
	        {"Unevictable", 0},     {"Mlocked", 0},         {"SwapTotal", 0},
	        {"SwapFree", 0},        {"Dirty", 0},           {"Writeback", 0},
	        {"AnonPages", 0},       {"Mapped", 0},          {"Shmem", files},
	        {"KReclaimable", 0},    {"Slab", kernel},       {"SReclaimable", 0},
	        {"SUnreclaim", kernel}, {"CommitLimit", total}, {"Committed_AS", total - free},
	};

	for (u32 i = 0; i < ARRAY_SIZE(lines); i++)
		seq_printf(s, "%s:%*s%8lu kB\n", lines[i].name, (int)(15 - strlen(lines[i].name)), "",
		           lines[i].value);
	return 0;
}

static int vmstat_show(struct seq *s, struct proc_node *n)
{
	seq_printf(s, "nr_free_pages %lu\nnr_anon_pages 0\nnr_mapped 0\nnr_file_pages %lu\nnr_shmem %lu\n",
	           frame_free_count(), ramfs_pages(), ramfs_pages());
	seq_printf(s, "pgpgin 0\npgpgout 0\npswpin 0\npswpout 0\npgfault 0\npgmajfault 0\n");
	return 0;
}

/* Not Linux's: see kernel/account.h. */
static int account_show(struct seq *s, struct proc_node *n)
{
	struct account_row rows[ACCOUNT_ROWS];
	u32 count = account_read(rows);

	for (u32 i = 0; i < count; i++)
		seq_printf(s, "%s %lu\n", rows[i].name, rows[i].count);
	return 0;
}

/* --- time and load --- */

static void show_hundredths(struct seq *s, u64 ns)
{
	seq_printf(s, "%lu.%02lu", ns / NS_PER_SEC, ns / NS_PER_TICK % 100);
}

static int uptime_show(struct seq *s, struct proc_node *n)
{
	struct sched_stats st;

	sched_stats(&st);
	show_hundredths(s, clock_mono());
	seq_printf(s, " ");
	show_hundredths(s, st.idle_ns);
	seq_printf(s, "\n");
	return 0;
}

static int loadavg_show(struct seq *s, struct proc_node *n)
{
	struct sched_stats st;

	sched_stats(&st);
	for (u32 i = 0; i < 3; i++)
		seq_printf(s, "%lu.%02lu ", st.load[i] >> 16, (st.load[i] & 0xffff) * 100 >> 16);
	seq_printf(s, "%u/%u %d\n", st.running, proc_count(), proc_last_pid());
	return 0;
}

static void count_irq(u32 vector, const char *name, u64 count, void *arg)
{
	*(u64 *)arg += count;
}

static int stat_show(struct seq *s, struct proc_node *n)
{
	struct sched_stats st;
	u64 user, kernel, idle, irqs = 0;

	sched_stats(&st);
	user = st.user_ticks * st.tick_ns / NS_PER_TICK;
	kernel = st.kernel_ticks * st.tick_ns / NS_PER_TICK;
	idle = st.idle_ns / NS_PER_TICK;
	irq_for_each(count_irq, &irqs);
	seq_printf(s, "cpu  %lu 0 %lu %lu 0 0 0 0 0 0\n", user, kernel, idle);
	for (u32 i = 0; i < st.cpus; i++)
		seq_printf(s, "cpu%u %lu 0 %lu %lu 0 0 0 0 0 0\n", i, user / st.cpus, kernel / st.cpus,
		           idle / st.cpus);
	seq_printf(s, "intr %lu\nctxt %lu\nbtime %lu\nprocesses %d\nprocs_running %u\nprocs_blocked 0\n",
	           irqs, st.switches, (clock_real() - clock_mono()) / NS_PER_SEC, proc_last_pid(),
	           st.running);
	return 0;
}

/* --- the machine --- */

static void show_irq(u32 vector, const char *name, u64 count, void *arg)
{
	seq_printf(arg, "%3u: %10lu   IO-APIC   %s\n", vector, count, name);
}

static int interrupts_show(struct seq *s, struct proc_node *n)
{
	seq_printf(s, "           CPU0       \n");
	irq_for_each(show_irq, s);
	return 0;
}

static int cpuinfo_show(struct seq *s, struct proc_node *n)
{
	const struct cpu_features *f = &cpu_features;
	u64 khz = clock_tsc_hz() / 1000;

	for (u32 i = 0; i < cpu_count; i++) {
		seq_printf(s, "processor\t: %u\nvendor_id\t: %s\ncpu family\t: %u\nmodel\t\t: %u\n", i,
		           f->vendor, f->family, f->model);
		seq_printf(s, "model name\t: %s\nstepping\t: %u\ncpu MHz\t\t: %lu.%03lu\n", f->brand,
		           f->stepping, khz / 1000, khz % 1000);
		seq_printf(
		        s,
		        "physical id\t: 0\nsiblings\t: %u\ncore id\t\t: %u\ncpu cores\t: %u\nfpu\t\t: yes\n",
		        cpu_count, i, cpu_count);
		seq_printf(
		        s,
		        "flags\t\t: fpu tsc msr pae cx8 apic cmov mmx fxsr sse sse2 syscall%s%s%s%s%s lm\n",
		        f->nx ? " nx" : "", f->smep ? " smep" : "", f->smap ? " smap" : "",
		        f->umip ? " umip" : "", f->rdrand ? " rdrand" : "");
		seq_printf(s, "bogomips\t: %lu.%02lu\naddress sizes\t: %u bits physical, 48 bits virtual\n\n",
		           khz * 2 / 1000, khz * 2 / 10 % 100, f->phys_bits);
	}
	return 0;
}

static int version_show(struct seq *s, struct proc_node *n)
{
	seq_printf(s, "Linux version %s (%s) %s\n", uts_release, uts_sysname, uts_version);
	return 0;
}

static int cmdline_show(struct seq *s, struct proc_node *n)
{
	seq_printf(s, "%s\n", kernel_cmdline);
	return 0;
}

static int filesystems_show(struct seq *s, struct proc_node *n)
{
	seq_printf(s, "nodev\tproc\nnodev\ttmpfs\nnodev\tdevtmpfs\nnodev\tramfs\n");
	return 0;
}

/* --- mounts --- */

/* mount_point: where M is, from the reader's root. => NULL: not below it */
static const char *mount_point(struct mount *m, char *path)
{
	struct fsctx *c = perm_fsctx();
	struct dentry *root = c ? c->root : mount_first->root;

	return dentry_path_from(m->root, root, path, FS_PATH_MAX) < 0 ? NULL : path;
}

static const char *option(const struct mount *m, u32 flag, const char *text)
{
	return m->flags & flag ? text : "";
}

static void mounts_line(struct seq *s, const struct mount *m, const char *path)
{
	seq_escape(s, m->source);
	seq_printf(s, " ");
	seq_escape(s, path);
	seq_printf(s, " %s rw%s%s%s,relatime 0 0\n", m->type, option(m, MS_NOSUID, ",nosuid"),
	           option(m, MS_NODEV, ",nodev"), option(m, MS_NOEXEC, ",noexec"));
}

static void mountinfo_line(struct seq *s, const struct mount *m, const char *path)
{
	u32 parent = m->covers ? m->covers->inode->mount->id : m->id;

	seq_printf(s, "%u %u %u:%u / ", m->id, parent, m->dev >> 8, m->dev & 0xff);
	seq_escape(s, path);
	seq_printf(s, " rw%s%s%s,relatime - %s ", option(m, MS_NOSUID, ",nosuid"),
	           option(m, MS_NODEV, ",nodev"), option(m, MS_NOEXEC, ",noexec"), m->type);
	seq_escape(s, m->source);
	seq_printf(s, " rw\n");
}

static int mounts_each(struct seq *s, void (*line)(struct seq *s, const struct mount *m, const char *path))
{
	char *buf = kmalloc(FS_PATH_MAX);
	const char *path;
	struct mount *m;

	if (!buf)
		return -ENOMEM;
	mutex_lock(&fs_lock);
	list_for_each (m, &mount_list, link)
		if ((path = mount_point(m, buf)))
			line(s, m, path);
	mutex_unlock(&fs_lock);
	kfree(buf);
	return 0;
}

int mounts_show(struct seq *s, struct proc_node *n)
{
	return mounts_each(s, mounts_line);
}

int mountinfo_show(struct seq *s, struct proc_node *n)
{
	return mounts_each(s, mountinfo_line);
}

/* --- sys/kernel --- */

static int osrelease_show(struct seq *s, struct proc_node *n)
{
	seq_printf(s, "%s\n", uts_release);
	return 0;
}

static int ostype_show(struct seq *s, struct proc_node *n)
{
	seq_printf(s, "%s\n", uts_sysname);
	return 0;
}

static int osversion_show(struct seq *s, struct proc_node *n)
{
	seq_printf(s, "%s\n", uts_version);
	return 0;
}

static int hostname_show(struct seq *s, struct proc_node *n)
{
	char name[UTS_NAME_MAX + 1];

	uts_get_hostname(name);
	seq_printf(s, "%s\n", name);
	return 0;
}

static int hostname_store(const char *text, struct proc_node *n)
{
	return uts_set_hostname(text, strlen(text));
}

static int pid_max_show(struct seq *s, struct proc_node *n)
{
	seq_printf(s, "%u\n", PID_MAX);
	return 0;
}

/* A random UUID: RFC 4122, 4.4. */
static int uuid_show(struct seq *s, struct proc_node *n)
{
	u8 b[16];

	random_bytes(b, sizeof(b));
	b[6] = (b[6] & 0x0f) | 0x40;
	b[8] = (b[8] & 0x3f) | 0x80;
	for (u32 i = 0; i < sizeof(b); i++)
		seq_printf(s, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", b[i]);
	seq_printf(s, "\n");
	return 0;
}

static int entropy_show(struct seq *s, struct proc_node *n)
{
	seq_printf(s, "256\n");
	return 0;
}

static const struct proc_entry random_entries[] = {
        {"entropy_avail", PROC_FILE, 0444, .show = entropy_show},
        {"uuid", PROC_FILE, 0444, .show = uuid_show},
        {0},
};
static const struct proc_dir random_dir = {.entries = random_entries};

/* Numbers that do not change. */
#define NUMBER(name, format, ...)                                  \
	static int name##_show(struct seq *s, struct proc_node *n) \
	{                                                          \
		seq_printf(s, format "\n", __VA_ARGS__);           \
		return 0;                                          \
	}
NUMBER(cap_last, "%u", CAP_LAST_CAP)
NUMBER(ngroups_max, "%u", NGROUPS)
NUMBER(threads_max, "%u", PID_MAX)
NUMBER(randomize, "%u", aspace_randomize ? 2 : 0)
NUMBER(file_max, "%ld", INT64_MAX)
NUMBER(nr_open, "%u", FD_MAX)
NUMBER(pipe_max_size, "%u", 1048576U)
NUMBER(overcommit, "%u", 1) /* all that fits into the address space is granted */
NUMBER(max_map_count, "%u", REGIONS_MAX)
NUMBER(mmap_min_addr, "%lu", (u64)USER_MIN)
NUMBER(swappiness, "%u", 0)

static const struct proc_entry kernel_entries[] = {
        {"cap_last_cap", PROC_FILE, 0444, .show = cap_last_show},
        {"hostname", PROC_FILE, 0644, .show = hostname_show, .store = hostname_store},
        {"ngroups_max", PROC_FILE, 0444, .show = ngroups_max_show},
        {"osrelease", PROC_FILE, 0444, .show = osrelease_show},
        {"ostype", PROC_FILE, 0444, .show = ostype_show},
        {"pid_max", PROC_FILE, 0444, .show = pid_max_show},
        {"random", PROC_DIR, 0555, .dir = &random_dir},
        {"randomize_va_space", PROC_FILE, 0444, .show = randomize_show},
        {"threads-max", PROC_FILE, 0444, .show = threads_max_show},
        {"version", PROC_FILE, 0444, .show = osversion_show},
        {0},
};
static const struct proc_dir kernel_dir = {.entries = kernel_entries};

static const struct proc_entry fs_entries[] = {
        {"file-max", PROC_FILE, 0444, .show = file_max_show},
        {"nr_open", PROC_FILE, 0444, .show = nr_open_show},
        {"pipe-max-size", PROC_FILE, 0444, .show = pipe_max_size_show},
        {0},
};
static const struct proc_dir fs_dir = {.entries = fs_entries};

static const struct proc_entry vm_entries[] = {
        {"max_map_count", PROC_FILE, 0444, .show = max_map_count_show},
        {"mmap_min_addr", PROC_FILE, 0444, .show = mmap_min_addr_show},
        {"overcommit_memory", PROC_FILE, 0444, .show = overcommit_show},
        {"swappiness", PROC_FILE, 0444, .show = swappiness_show},
        {0},
};
static const struct proc_dir vm_dir = {.entries = vm_entries};

static const struct proc_entry sys_entries[] = {
        {"fs", PROC_DIR, 0555, .dir = &fs_dir},
        {"kernel", PROC_DIR, 0555, .dir = &kernel_dir},
        {"vm", PROC_DIR, 0555, .dir = &vm_dir},
        {0},
};
static const struct proc_dir sys_dir = {.entries = sys_entries};

/* --- the root --- */

static int self_show(struct seq *s, struct proc_node *n)
{
	struct proc *p = perm_proc();

	if (!p)
		return -ENOENT;
	seq_printf(s, "%d", p->pid->nr);
	return 0;
}

static int thread_self_show(struct seq *s, struct proc_node *n)
{
	if (!perm_proc())
		return -ENOENT;
	seq_printf(s, "%d/task/%d", proc_current()->pid->nr, task_current()->pid->nr);
	return 0;
}

static int mounts_link_show(struct seq *s, struct proc_node *n)
{
	seq_printf(s, "self/mounts");
	return 0;
}

struct lowest {
	i32 from, best;
};

static bool pid_lower(struct proc *p, void *arg)
{
	struct lowest *l = arg;
	i32 nr = p->pid->nr;

	if (nr >= l->from && (l->best < 0 || nr < l->best))
		l->best = nr;
	return true;
}

static i32 pid_next(struct proc_node *dir, u32 from)
{
	struct lowest l = {from, -1};

	proc_for_each(pid_lower, &l);
	return l.best;
}

static int pid_adopt(struct proc_node *dir, u32 nr, struct proc_node *n)
{
	struct pid *pid;
	int err = -ENOENT;

	spin_lock(&proc_lock);
	pid = pid_find(nr);
	if (pid && (pid->task || pid->proc)) {
		pid_get(pid);
		n->pid = pid;
		err = 0;
	}
	spin_unlock(&proc_lock);
	return err;
}

static const struct proc_entry pid_entry = {"pid", PROC_DIR, 0555, .dir = &proc_pid_dir};

static const struct proc_entry root_entries[] = {
        {"self", PROC_TEXT_LINK, 0777, .show = self_show},
        {"thread-self", PROC_TEXT_LINK, 0777, .show = thread_self_show},
        {"account", PROC_FILE, 0400, .show = account_show},
        {"cmdline", PROC_FILE, 0444, .show = cmdline_show},
        {"cpuinfo", PROC_FILE, 0444, .show = cpuinfo_show},
        {"filesystems", PROC_FILE, 0444, .show = filesystems_show},
        {"interrupts", PROC_FILE, 0444, .show = interrupts_show},
        {"loadavg", PROC_FILE, 0444, .show = loadavg_show},
        {"meminfo", PROC_FILE, 0444, .show = meminfo_show},
        {"mounts", PROC_TEXT_LINK, 0777, .show = mounts_link_show},
        {"stat", PROC_FILE, 0444, .show = stat_show},
        {"sys", PROC_DIR, 0555, .dir = &sys_dir},
        {"uptime", PROC_FILE, 0444, .show = uptime_show},
        {"version", PROC_FILE, 0444, .show = version_show},
        {"vmstat", PROC_FILE, 0444, .show = vmstat_show},
        {0},
};

const struct proc_dir proc_root_dir = {
        .entries = root_entries,
        .numbered = &pid_entry,
        .next = pid_next,
        .adopt = pid_adopt,
};
