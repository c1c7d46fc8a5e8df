/* /proc/PID and /proc/PID/task/TID. Formats: proc(5). */
#include "hal/base/printf.h"
#include "hal/base/sabotage.h"
#include "hal/base/string.h"
#include "hal/time/clock.h"
#include "kernel/abi/capability.h"
#include "kernel/fs/fdtable.h"
#include "kernel/fs/file.h"
#include "kernel/fs/fsctx.h"
#include "kernel/fs/inode.h"
#include "kernel/fs/perm.h"
#include "kernel/fs/procfs.h"
#include "kernel/proc/ptrace.h"
#include "kernel/tty/tty.h"
#include "vm/aspace.h"
#include "vm/kmem.h"

#define NS_PER_TICK (NS_PER_SEC / 100) /* USER_HZ is 100 for ever */

/* --- what a process is doing --- */

/* Facts of a process or a task, gathered under proc_lock. */
struct snapshot {
	pid_t nr, tgid, ppid, tracer, group, session, foreground;
	u32 tty, tasks, cpu;
	char state, name[16];
	u64 user, kernel, child_user, child_kernel; /* ns */
	u64 faults_minor, faults_child, start_time;
	int nice, exit_code, exit_signal;
	u64 pending, shared_pending, blocked, ignored, caught;
	u64 switches_voluntary, switches_forced;
	struct creds creds;
	u32 fd_size, umask;
	struct rlimit64 stack_limit, rss_limit;
	struct aspace *as; /* counted, or NULL */
};

static char task_state(const struct proc *p, const struct task *t)
{
	if (!t)
		return 'Z';
	if (t->pid->tracee && t->pid->tracee->state != TRACEE_RUNS)
		return 't';
	if (p->state == PROC_STOPPED)
		return 'T';
	switch (read_once(t->thread.state)) {
	case THREAD_ASLEEP:
		return t->thread.wait_how == WAIT_INTERRUPTIBLE ? 'S' : 'D';
	case THREAD_DEAD:
		return 'X';
	default:
		return 'R';
	}
}

static void snapshot_signals(struct proc *p, struct task *t, struct snapshot *s)
{
	bool irq = signal_lock(p->sighand);

	s->shared_pending = p->sig_pending.set;
	s->pending = t ? t->sig_pending.set : 0;
	s->blocked = t ? t->sig_blocked : 0;
	for (u32 i = 0; i < SIG_COUNT; i++) {
		if (p->sighand->action[i].sa_handler == SIG_IGN)
			s->ignored |= BIT(i);
		else if (p->sighand->action[i].sa_handler != SIG_DFL)
			s->caught |= BIT(i);
	}
	signal_unlock(p->sighand, irq);
}

static void snapshot_task(struct task *t, struct snapshot *s)
{
	s->cpu = t->thread.last_cpu;
	s->switches_voluntary = t->thread.switches_voluntary;
	s->switches_forced = t->thread.switches_forced;
	memcpy(s->name, t->thread.name, sizeof(s->name));
}

static void snapshot_family(struct proc *p, struct snapshot *s)
{
	s->tgid = p->pid->nr;
	s->ppid = p->parent ? p->parent->pid->nr : 0;
	s->group = p->group->nr;
	s->session = p->session->nr;
	s->tty = tty_get_number(tty_of(p));
	s->foreground = tty_get_foreground(tty_of(p));
}

static void snapshot_proc(struct proc *p, struct snapshot *s)
{
	memcpy(s->name, p->name, sizeof(s->name));
	s->child_user = p->time_child_user;
	s->child_kernel = p->time_child_kernel;
	s->faults_minor = p->faults_minor;
	s->faults_child = p->faults_child;
	s->start_time = p->start_time;
	s->nice = p->nice;
	s->exit_code = p->state == PROC_ZOMBIE ? p->exit_code : 0;
	s->exit_signal = p->exit_signal;
	s->tasks = p->task_count;
	s->creds = p->creds;
	s->fd_size = p->files ? p->files->size : 0;
	s->umask = p->fs ? atomic_load(&p->fs->umask) : 0;
	s->stack_limit = p->limits[RLIMIT_STACK];
	s->rss_limit = p->limits[RLIMIT_RSS];
	s->as = proc_aspace(p);
}

/* snapshot_take => 0, snapshot_free is due; -ESRCH */
static int snapshot_take(struct proc_node *n, struct snapshot *s)
{
	struct proc *p;
	struct task *t;

	memset(s, 0, sizeof(*s));
	spin_lock(&proc_lock);
	p = node_proc(n);
	t = node_task(n);
	if (!p || (n->task && !t)) {
		spin_unlock(&proc_lock);
		return -ESRCH;
	}
	s->nr = n->pid->nr;
	s->tracer = n->pid->tracee ? n->pid->tracee->tracer->pid->nr : 0;
	s->state = p->state == PROC_ZOMBIE ? 'Z' : task_state(p, t);
	snapshot_proc(p, s);
	snapshot_family(p, s);
	if (t)
		snapshot_task(t, s);
	if (n->task)
		task_times(&t->thread, &s->user, &s->kernel);
	else
		proc_times(p, &s->user, &s->kernel);
	if (p->sighand && p->state != PROC_ZOMBIE)
		snapshot_signals(p, t, s);
	spin_unlock(&proc_lock);
	s->name[sizeof(s->name) - 1] = '\0';
	return 0;
}

static void snapshot_free(struct snapshot *s)
{
	if (s->as)
		aspace_put(s->as);
}

/* node_allowed: may the running process look into that of N? As for ptrace(2). proc_lock held. */
static bool node_allowed(struct proc *p)
{
	const struct creds *cr = perm_creds();

	if (!cr || p == perm_proc())
		return true;
	if (cr->fsuid == p->creds.euid && cr->fsuid == p->creds.suid && cr->fsuid == p->creds.uid)
		return true;
	return perm_capable(CAP_SYS_PTRACE);
}

int node_aspace(struct proc_node *n, struct aspace **ret)
{
	struct proc *p;
	int err = -ESRCH;

	spin_lock(&proc_lock);
	p = node_proc(n);
	if (p)
		err = node_allowed(p) ? 0 : -EACCES;
	if (!err)
		*ret = proc_aspace(p);
	spin_unlock(&proc_lock);
	return err;
}

/* --- stat, status, statm --- */

static void stat_memory(struct seq *s, const struct snapshot *t, bool allowed)
{
	const struct aspace *as = t->as;
	bool show = as && allowed;

	seq_printf(s, " %lu %lu %lu", as ? as->size : 0, as ? aspace_resident(t->as) : 0,
	           (u64)t->rss_limit.rlim_cur);
	seq_printf(s, " %lu %lu %lu 0 0", show ? as->code_start : 0, show ? as->code_end : 0,
	           show ? as->stack_top : 0);
}

static void stat_layout(struct seq *s, const struct snapshot *t, bool allowed)
{
	const struct aspace *as = allowed ? t->as : NULL;

	seq_printf(s, " 0 0 %lu %lu %lu %lu %lu %d\n", as ? as->brk_start : 0, as ? as->arg_start : 0,
	           as ? as->arg_end : 0, as ? as->env_start : 0, as ? as->env_end : 0, t->exit_code);
}

static bool snapshot_allowed(const struct snapshot *t)
{
	const struct creds *cr = perm_creds();

	return !cr || cr->fsuid == t->creds.uid || perm_capable(CAP_SYS_PTRACE);
}

static int stat_show(struct seq *s, struct proc_node *n)
{
	struct snapshot t;
	int err = snapshot_take(n, &t);

	if (err < 0)
		return err;
	seq_printf(s, "%d (%s) %c %d %d %d %d %d", t.nr, t.name, t.state, t.ppid, t.group, t.session,
	           (int)t.tty, t.foreground);
	seq_printf(s, " %u %lu %lu 0 0", t.state == 'Z' ? 0x40400cU : 0x400000U, t.faults_minor,
	           t.faults_child);
	seq_printf(s, " %lu %lu %lu %lu", t.user / NS_PER_TICK, t.kernel / NS_PER_TICK,
	           t.child_user / NS_PER_TICK, t.child_kernel / NS_PER_TICK);
	seq_printf(s, " %d %d %u 0 %lu", 20 + t.nice, t.nice, t.tasks, t.start_time / NS_PER_TICK);
	stat_memory(s, &t, snapshot_allowed(&t));
	seq_printf(s, " %lu %lu %lu %lu %lu 0 0", (t.pending | t.shared_pending) & 0x7fffffff,
	           t.blocked & 0x7fffffff, t.ignored & 0x7fffffff, t.caught & 0x7fffffff,
	           sabotage(address_proc) ? (u64)n : 0); /* where it waits, on Linux */
	seq_printf(s, " %d %u 0 0 0 0 0", t.exit_signal, t.cpu);
	stat_layout(s, &t, snapshot_allowed(&t));
	snapshot_free(&t);
	return 0;
}

static const char *state_name(char state)
{
	switch (state) {
	case 'R':
		return "running";
	case 'S':
		return "sleeping";
	case 'D':
		return "disk sleep";
	case 'T':
		return "stopped";
	case 't':
		return "tracing stop";
	case 'Z':
		return "zombie";
	default:
		return "dead";
	}
}

static void status_ids(struct seq *s, const struct snapshot *t)
{
	const struct creds *c = &t->creds;

	seq_printf(s, "Uid:\t%u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\nFDSize:\t%u\nGroups:\t", c->uid, c->euid,
	           c->suid, c->fsuid, c->gid, c->egid, c->sgid, c->fsgid, t->fd_size);
	for (u32 i = 0; i < c->ngroups; i++)
		seq_printf(s, "%u ", c->groups[i]);
	seq_printf(s, "\n");
}

/* Bytes of anonymous memory, program and libraries, told apart as far as the regions do. */
struct sizes {
	u64 data, stack, code;
};

static bool region_size(const struct region *r, void *arg)
{
	struct sizes *z = arg;
	u64 size = r->end - r->start;

	if (r->flags & REGION_STACK)
		z->stack += size;
	else if (r->prot & VM_EXEC)
		z->code += size;
	else if ((r->prot & VM_WRITE) && !(r->flags & REGION_SHARED))
		z->data += size;
	return true;
}

static void status_memory(struct seq *s, struct aspace *as)
{
	struct sizes z = {0, 0, 0};
	u64 rss = aspace_resident(as) * (PAGE_SIZE / KIB);

	aspace_for_each(as, region_size, &z);
	seq_printf(s, "VmPeak:\t%8lu kB\nVmSize:\t%8lu kB\nVmLck:\t%8lu kB\nVmPin:\t%8u kB\n", as->size / KIB,
	           as->size / KIB, as->locked / KIB, 0);
	seq_printf(
	        s,
	        "VmHWM:\t%8lu kB\nVmRSS:\t%8lu kB\nRssAnon:\t%8lu kB\nRssFile:\t%8u kB\nRssShmem:\t%8u kB\n",
	        rss, rss, rss, 0, 0);
	seq_printf(s, "VmData:\t%8lu kB\nVmStk:\t%8lu kB\nVmExe:\t%8lu kB\nVmLib:\t%8u kB\n", z.data / KIB,
	           z.stack / KIB, z.code / KIB, 0);
	seq_printf(s, "VmPTE:\t%8lu kB\nVmSwap:\t%8u kB\n", as->pmap.tables * (PAGE_SIZE / KIB), 0);
}

static void status_signals(struct seq *s, const struct snapshot *t)
{
	const struct creds *c = &t->creds;

	seq_printf(s, "Threads:\t%u\nSigQ:\t0/0\n", t->tasks);
	seq_printf(s, "SigPnd:\t%016lx\nShdPnd:\t%016lx\nSigBlk:\t%016lx\nSigIgn:\t%016lx\nSigCgt:\t%016lx\n",
	           t->pending, t->shared_pending, t->blocked, t->ignored, t->caught);
	seq_printf(s, "CapInh:\t%016lx\nCapPrm:\t%016lx\nCapEff:\t%016lx\nCapBnd:\t%016lx\nCapAmb:\t%016x\n",
	           c->caps_inheritable, c->caps_permitted, c->caps, CAP_ALL, 0);
}

static int status_show(struct seq *s, struct proc_node *n)
{
	struct snapshot t;
	int err = snapshot_take(n, &t);

	if (err < 0)
		return err;
	seq_printf(s,
	           "Name:\t%s\nUmask:\t0%u%u%u\nState:\t%c (%s)\nTgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\n"
	           "TracerPid:\t%d\n",
	           t.name, t.umask >> 6, t.umask >> 3 & 7, t.umask & 7, t.state, state_name(t.state), t.tgid,
	           t.nr, t.ppid, t.tracer);
	status_ids(s, &t);
	if (t.as)
		status_memory(s, t.as);
	status_signals(s, &t);
	seq_printf(s,
	           "NoNewPrivs:\t0\nSeccomp:\t0\nvoluntary_ctxt_switches:\t%lu\nnonvoluntary_ctxt_switches:"
	           "\t%lu\n",
	           t.switches_voluntary, t.switches_forced);
	snapshot_free(&t);
	return 0;
}

static int statm_show(struct seq *s, struct proc_node *n)
{
	struct sizes z = {0, 0, 0};
	struct snapshot t;
	int err = snapshot_take(n, &t);
	u64 size = 0, rss = 0;

	if (err < 0)
		return err;
	if (t.as) {
		aspace_for_each(t.as, region_size, &z);
		size = t.as->size >> PAGE_SHIFT;
		rss = aspace_resident(t.as);
	}
	seq_printf(s, "%lu %lu 0 %lu 0 %lu 0\n", size, rss, z.code >> PAGE_SHIFT,
	           (z.data + z.stack) >> PAGE_SHIFT);
	snapshot_free(&t);
	return 0;
}

/* --- the process's own memory --- */

/* show_range: bytes [START, END) of the process, as far as they are there. */
static void show_range(struct seq *s, struct aspace *as, vaddr_t start, vaddr_t end)
{
	char *buf = kmalloc(PAGE_SIZE);

	if (!buf) {
		s->failed = true;
		return;
	}
	for (vaddr_t at = start, next; at < end; at = next) {
		next = MIN(end, ALIGN_DOWN(at, PAGE_SIZE) + PAGE_SIZE);
		if (aspace_read(as, at, buf, next - at) < 0)
			break;
		seq_write(s, buf, next - at);
	}
	kfree(buf);
}

/* Anybody may read the command line, as on Linux. */
static int cmdline_show(struct seq *s, struct proc_node *n)
{
	struct snapshot t;
	int err = snapshot_take(n, &t);

	if (err < 0)
		return err;
	if (t.as)
		show_range(s, t.as, t.as->arg_start, t.as->arg_end);
	snapshot_free(&t);
	return 0;
}

static int environ_show(struct seq *s, struct proc_node *n)
{
	struct aspace *as = NULL;
	int err = node_aspace(n, &as);

	if (err < 0 || !as)
		return err;
	show_range(s, as, as->env_start, as->env_end);
	aspace_put(as);
	return 0;
}

static int auxv_show(struct seq *s, struct proc_node *n)
{
	struct aspace *as = NULL;
	int err = node_aspace(n, &as);

	if (err < 0 || !as)
		return err;
	show_range(s, as, as->aux_start, as->aux_end);
	aspace_put(as);
	return 0;
}

/* What a task waits for is told by no name: an address of the kernel would be one. */
static int wchan_show(struct seq *s, struct proc_node *n)
{
	seq_printf(s, "0");
	return 0;
}

static int comm_show(struct seq *s, struct proc_node *n)
{
	struct snapshot t;
	int err = snapshot_take(n, &t);

	if (err < 0)
		return err;
	seq_printf(s, "%s\n", t.name);
	snapshot_free(&t);
	return 0;
}

/* --- limits --- */

static const struct {
	const char *name, *unit;
} limit_names[RLIM_NLIMITS] = {
        [RLIMIT_CPU] = {"Max cpu time", "seconds"},
        [RLIMIT_FSIZE] = {"Max file size", "bytes"},
        [RLIMIT_DATA] = {"Max data size", "bytes"},
        [RLIMIT_STACK] = {"Max stack size", "bytes"},
        [RLIMIT_CORE] = {"Max core file size", "bytes"},
        [RLIMIT_RSS] = {"Max resident set", "bytes"},
        [RLIMIT_NPROC] = {"Max processes", "processes"},
        [RLIMIT_NOFILE] = {"Max open files", "files"},
        [RLIMIT_MEMLOCK] = {"Max locked memory", "bytes"},
        [RLIMIT_AS] = {"Max address space", "bytes"},
        [RLIMIT_LOCKS] = {"Max file locks", "locks"},
        [RLIMIT_SIGPENDING] = {"Max pending signals", "signals"},
        [RLIMIT_MSGQUEUE] = {"Max msgqueue size", "bytes"},
        [RLIMIT_NICE] = {"Max nice priority", ""},
        [RLIMIT_RTPRIO] = {"Max realtime priority", ""},
        [RLIMIT_RTTIME] = {"Max realtime timeout", "us"},
};

static void limit_show(struct seq *s, u64 value)
{
	if (value == RLIM64_INFINITY)
		seq_printf(s, "%-20s ", "unlimited");
	else
		seq_printf(s, "%-20lu ", value);
}

static int limits_show(struct seq *s, struct proc_node *n)
{
	struct rlimit64 limits[RLIM_NLIMITS];
	struct proc *p;

	spin_lock(&proc_lock);
	p = node_proc(n);
	if (p)
		memcpy(limits, p->limits, sizeof(limits));
	spin_unlock(&proc_lock);
	if (!p)
		return -ESRCH;
	seq_printf(s, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
	for (u32 i = 0; i < RLIM_NLIMITS; i++) {
		seq_printf(s, "%-25s ", limit_names[i].name);
		limit_show(s, limits[i].rlim_cur);
		limit_show(s, limits[i].rlim_max);
		seq_printf(s, *limit_names[i].unit ? "%-10s\n" : "%s\n", limit_names[i].unit);
	}
	return 0;
}

/* --- what happens to it when memory runs out --- */

static int oom_score_show(struct seq *s, struct proc_node *n)
{
	struct proc *p;
	u64 score = 0;

	WITH_LOCK (&proc_lock) {
		p = node_proc(n);
		if (p)
			score = oom_score(p);
	}
	seq_printf(s, "%lu\n", score);
	return p ? 0 : -ESRCH;
}

static int oom_adjust_show(struct seq *s, struct proc_node *n)
{
	struct proc *p;
	int adjust = 0;

	WITH_LOCK (&proc_lock) {
		p = node_proc(n);
		if (p)
			adjust = p->oom_adjust;
	}
	seq_printf(s, "%d\n", adjust);
	return p ? 0 : -ESRCH;
}

/* number_parse: a decimal number and nothing else. => whether it is one, of at most four digits */
static bool number_parse(const char *text, int *ret)
{
	bool minus = *text == '-';
	int value = 0, digits = 0;

	for (text += minus; *text >= '0' && *text <= '9' && digits < 5; text++, digits++)
		value = value * 10 + (*text - '0');
	*ret = minus ? -value : value;
	return digits && digits < 5 && (!*text || (*text == '\n' && !text[1]));
}

static int oom_adjust_store(const char *text, struct proc_node *n)
{
	struct proc *p;
	int adjust, err = -ESRCH;

	if (!number_parse(text, &adjust) || adjust < -1000 || adjust > 1000)
		return -EINVAL;
	WITH_LOCK (&proc_lock) {
		p = node_proc(n);
		if (!p)
			break;
		err = adjust < p->oom_adjust && !perm_capable(CAP_SYS_RESOURCE) ? -EACCES : 0;
		if (!err)
			p->oom_adjust = adjust;
	}
	return err;
}

/* --- links to what it uses --- */

/* file_dentry: F as a name to open again; a pipe gets one for the occasion. */
static int file_dentry(struct file *f, struct dentry **ret)
{
	char text[40];
	struct name n;
	struct dentry *d = f->dentry;

	if (d) {
		dentry_get(d);
	} else {
		file_kind(f, text, sizeof(text));
		n = name_of(text);
		if (!(d = dentry_new(NULL, &n, f->inode)))
			return -ENOMEM;
	}
	*ret = d;
	return 0;
}

/* node_visit: run FN on the process of N with proc_lock held. => what it says; -ENOENT; -EACCES */
static int node_visit(struct proc_node *n, int (*fn)(struct proc *p, void *arg), void *arg)
{
	struct proc *p;
	int err;

	spin_lock(&proc_lock);
	p = node_proc(n);
	if (!p || p->state == PROC_ZOMBIE)
		err = -ENOENT;
	else
		err = node_allowed(p) ? fn(p, arg) : -EACCES;
	spin_unlock(&proc_lock);
	return err;
}

static int take_exe(struct proc *p, void *arg)
{
	struct file **ret = arg;

	if (!p->exe)
		return -ENOENT;
	file_get(p->exe);
	*ret = p->exe;
	return 0;
}

static int exe_jump(struct proc_node *n, struct dentry **ret)
{
	struct file *f;
	int err = node_visit(n, take_exe, &f);

	if (err < 0)
		return err;
	err = file_dentry(f, ret);
	file_put(f);
	return err;
}

static int take_cwd(struct proc *p, void *arg)
{
	if (!p->fs)
		return -ENOENT;
	*(struct dentry **)arg = fsctx_cwd(p->fs);
	return 0;
}

static int cwd_jump(struct proc_node *n, struct dentry **ret)
{
	return node_visit(n, take_cwd, ret);
}

static int take_root(struct proc *p, void *arg)
{
	if (!p->fs)
		return -ENOENT;
	*(struct dentry **)arg = fsctx_root(p->fs);
	return 0;
}

static int root_jump(struct proc_node *n, struct dentry **ret)
{
	return node_visit(n, take_root, ret);
}

/* --- descriptors --- */

static int take_files(struct proc *p, void *arg)
{
	if (!p->files)
		return -ENOENT;
	fdtable_get(p->files);
	*(struct fdtable **)arg = p->files;
	return 0;
}

static struct file *node_file(struct proc_node *n, u32 fd)
{
	struct fdtable *t;
	struct file *f;

	if (node_visit(n, take_files, &t) < 0)
		return NULL;
	f = fdtable_file(t, fd);
	fdtable_put(t);
	return f;
}

static int fd_jump(struct proc_node *n, struct dentry **ret)
{
	struct file *f = node_file(n, n->fd);
	int err;

	if (!f)
		return -ENOENT;
	err = file_dentry(f, ret);
	file_put(f);
	return err;
}

static i32 fd_next(struct proc_node *dir, u32 from)
{
	struct fdtable *t;
	i32 fd;

	if (node_visit(dir, take_files, &t) < 0)
		return -1;
	fd = fdtable_next(t, from);
	fdtable_put(t);
	return fd;
}

static int fd_adopt(struct proc_node *dir, u32 nr, struct proc_node *n)
{
	struct file *f = node_file(dir, nr);

	if (!f)
		return -ENOENT;
	n->mode = (f->readable ? 0500 : 0) | (f->writable ? 0300 : 0);
	n->fd = nr;
	file_put(f);
	return 0;
}

static const struct proc_entry no_entries[] = {{0}};
static const struct proc_entry fd_entry = {"fd", PROC_JUMP, 0777, .jump = fd_jump, .size = 64};

static const struct proc_dir fd_dir = {
        .entries = no_entries,
        .numbered = &fd_entry,
        .next = fd_next,
        .adopt = fd_adopt,
};

static int fdinfo_show(struct seq *s, struct proc_node *n)
{
	struct file *f = node_file(n, n->fd);

	if (!f)
		return -ENOENT;
	seq_printf(s, "pos:\t%lu\nflags:\t0%u%u%u%u%u%u%u\nmnt_id:\t%u\nino:\t%lu\n", f->pos,
	           f->flags >> 18 & 7, f->flags >> 15 & 7, f->flags >> 12 & 7, f->flags >> 9 & 7,
	           f->flags >> 6 & 7, f->flags >> 3 & 7, f->flags & 7, f->inode->mount->id, f->inode->ino);
	if (f->ops->show)
		f->ops->show(f, s);
	file_put(f);
	return 0;
}

static const struct proc_entry fdinfo_entry = {"fdinfo", PROC_FILE, 0444, .show = fdinfo_show};

static const struct proc_dir fdinfo_dir = {
        .entries = no_entries,
        .numbered = &fdinfo_entry,
        .next = fd_next,
        .adopt = fd_adopt,
};

/* --- tasks --- */

static i32 task_next(struct proc_node *dir, u32 from)
{
	struct task *t;
	struct proc *p;
	i32 best = -1;

	spin_lock(&proc_lock);
	p = node_proc(dir);
	if (p)
		list_for_each (t, &p->tasks, link)
			if (t->pid->nr >= (i32)from && (best < 0 || t->pid->nr < best))
				best = t->pid->nr;
	spin_unlock(&proc_lock);
	return best;
}

static int task_adopt(struct proc_node *dir, u32 nr, struct proc_node *n)
{
	struct pid *pid;
	int err = -ENOENT;

	spin_lock(&proc_lock);
	pid = pid_find(nr);
	if (pid && pid->task && pid->task->proc == node_proc(dir)) {
		pid_get(pid);
		pid_put(n->pid);
		n->pid = pid;
		n->task = true;
		err = 0;
	}
	spin_unlock(&proc_lock);
	return err;
}

/* clang-format off */
#define PID_FILES                                                                                   \
	{"auxv", PROC_FILE, 0400, .show = auxv_show},                                               \
	{"cmdline", PROC_FILE, 0444, .show = cmdline_show},                                         \
	{"comm", PROC_FILE, 0444, .show = comm_show},                                               \
	{"cwd", PROC_JUMP, 0777, .jump = cwd_jump},                                                 \
	{"environ", PROC_FILE, 0400, .show = environ_show},                                         \
	{"exe", PROC_JUMP, 0777, .jump = exe_jump},                                                 \
	{"fd", PROC_DIR, 0500, .dir = &fd_dir},                                                     \
	{"fdinfo", PROC_DIR, 0555, .dir = &fdinfo_dir},                                             \
	{"limits", PROC_FILE, 0444, .show = limits_show},                                           \
	{"maps", PROC_FILE, 0444, .show = maps_show},                                               \
	{"mountinfo", PROC_FILE, 0444, .show = mountinfo_show},                                     \
	{"mounts", PROC_FILE, 0444, .show = mounts_show},                                           \
	{"oom_score", PROC_FILE, 0444, .show = oom_score_show},                                     \
	{"oom_score_adj", PROC_FILE, 0644, .show = oom_adjust_show, .store = oom_adjust_store},     \
	{"root", PROC_JUMP, 0777, .jump = root_jump},                                               \
	{"smaps", PROC_FILE, 0444, .show = smaps_show},                                             \
	{"smaps_rollup", PROC_FILE, 0444, .show = smaps_rollup_show},                               \
	{"stat", PROC_FILE, 0444, .show = stat_show},                                               \
	{"statm", PROC_FILE, 0444, .show = statm_show},                                             \
	{"status", PROC_FILE, 0444, .show = status_show},                                           \
	{"wchan", PROC_FILE, 0444, .show = wchan_show}
/* clang-format on */

static const struct proc_entry tid_entries[] = {PID_FILES, {0}};
static const struct proc_dir tid_dir = {.entries = tid_entries};
static const struct proc_entry tid_entry = {"tid", PROC_DIR, 0555, .dir = &tid_dir};

static const struct proc_dir task_dir = {
        .entries = no_entries,
        .numbered = &tid_entry,
        .next = task_next,
        .adopt = task_adopt,
};

static const struct proc_entry pid_entries[] = {PID_FILES, {"task", PROC_DIR, 0555, .dir = &task_dir}, {0}};
const struct proc_dir proc_pid_dir = {.entries = pid_entries};
