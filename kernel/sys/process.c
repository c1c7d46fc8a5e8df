/* Making, ending, waiting for and naming processes. */
#include "hal/base/printf.h"
#include "hal/base/string.h"
#include "hal/base/sabotage.h"
#include "hal/cpu/cpu.h"
#include "kernel/fs/pidfd.h"
#include "kernel/proc/exec.h"
#include "kernel/proc/proc.h"
#include "kernel/proc/wait.h"
#include "kernel/sys/path.h"
#include "kernel/sys/syscall.h"
#include "kernel/sys/usertime.h"
#include "kernel/tty/tty.h"
#include "kernel/abi/capability.h"
#include "vm/aspace.h"
#include "vm/kmem.h"
#include "vm/uaccess.h"

i64 sys_clone(u64 flags, u64 stack, uaddr_t parent_tid, uaddr_t child_tid, u64 tls)
{
	struct clone_request req = {
	        .flags = (u32)flags & ~(u64)CSIGNAL, /* the upper ones are clone3's */
	        .exit_signal = (int)(flags & CSIGNAL),
	        .stack = stack,
	        .parent_tid = parent_tid,
	        .pidfd = parent_tid,
	        .child_tid = child_tid,
	        .tls = tls,
	};

	if ((flags & CLONE_PIDFD) && (flags & CLONE_PARENT_SETTID)) /* both would go to PARENT_TID */
		return -EINVAL;
	return req.exit_signal > SIG_COUNT ? -EINVAL : proc_clone(&req);
}

i64 sys_clone3(uaddr_t args, u64 size)
{
	struct clone_args a = {0};

	if (size < CLONE_ARGS_SIZE_VER0)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	if (copyin(&a, args, MIN(size, sizeof(a))) < 0)
		return -EFAULT;
	for (u64 i = sizeof(a); i < size; i++) { /* what is not known must be zero (clone3(2)) */
		u8 byte;

		if (copyin(&byte, UADDR(args.va + i), 1) < 0)
			return -EFAULT;
		if (byte)
			return -E2BIG;
	}
	if ((a.flags & (CSIGNAL | CLONE_DETACHED)) || a.exit_signal > SIG_COUNT || a.set_tid ||
	    a.set_tid_size)
		return -EINVAL;
	if ((a.flags & CLONE_SIGHAND) && (a.flags & CLONE_CLEAR_SIGHAND))
		return -EINVAL;
	if ((a.flags & (CLONE_THREAD | CLONE_PARENT)) && a.exit_signal)
		return -EINVAL;
	if ((a.stack == 0) != (a.stack_size == 0) || !user_range_ok(UADDR(a.stack), a.stack_size))
		return -EINVAL;
	struct clone_request req = {
	        .flags = a.flags,
	        .exit_signal = (int)a.exit_signal,
	        .stack = a.stack + a.stack_size,
	        .parent_tid = UADDR(a.parent_tid),
	        .pidfd = UADDR(a.pidfd),
	        .child_tid = UADDR(a.child_tid),
	        .tls = a.tls,
	};
	return proc_clone(&req);
}

i64 sys_fork(void)
{
	struct clone_request req = {.exit_signal = SIGCHLD};

	return proc_clone(&req);
}

i64 sys_vfork(void)
{
	struct clone_request req = {.flags = CLONE_VFORK | CLONE_VM, .exit_signal = SIGCHLD};

	return proc_clone(&req);
}

i64 sys_execve(ustr_t path, uaddr_t argv, uaddr_t envp)
{
	char *name = kmalloc(PATH_MAX);
	i64 err;

	if (!name)
		return -ENOMEM;
	err = copyinstr(name, path, PATH_MAX);
	if (err >= 0)
		err = exec_run(name, (struct exec_strings){.user = argv},
		               (struct exec_strings){.user = envp});
	kfree(name);
	return err ? err : (i64)task_frame(task_current())->rax;
}

/* exec_name: a path by which exec finds what DIRFD and PATH mean, in NAME (PATH_MAX bytes), which holds PATH. */
static int exec_name(int dirfd, char *name, int flags)
{
	char dir[32];
	size_t len = strlen(name), n;

	if (!*name && !(flags & AT_EMPTY_PATH))
		return -ENOENT;
	if (*name == '/' || (*name && dirfd == AT_FDCWD))
		return 0;
	if (dirfd == AT_FDCWD)
		n = ksnprintf(dir, sizeof(dir), ".");
	else
		n = ksnprintf(dir, sizeof(dir), "/proc/self/fd/%d%s", dirfd, len ? "/" : "");
	if (n + len >= PATH_MAX)
		return -ENAMETOOLONG;
	memmove(name + n, name, len + 1);
	memcpy(name, dir, n);
	return 0;
}

static int exec_flags_check(int dirfd, ustr_t path, int flags)
{
	struct walk w;
	int err;

	if (flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
		return -EINVAL;
	if ((err = upath_walk(&w, dirfd, path, at_follow(flags))) < 0)
		return err;
	if (S_ISLNK(w.target->inode->mode))
		err = -ELOOP;
	walk_unlock(&w);
	return err;
}

i64 sys_execveat(int dirfd, ustr_t path, uaddr_t argv, uaddr_t envp, int flags)
{
	i64 err = exec_flags_check(dirfd, path, flags);
	char *name;

	if (err < 0)
		return err;
	if (!(name = kmalloc(PATH_MAX)))
		return -ENOMEM;
	err = copyinstr(name, path, PATH_MAX);
	if (err >= 0)
		err = exec_name(dirfd, name, flags);
	if (err >= 0)
		err = exec_run(name, (struct exec_strings){.user = argv},
		               (struct exec_strings){.user = envp});
	kfree(name);
	return err ? err : (i64)task_frame(task_current())->rax;
}

i64 sys_exit(int status)
{
	task_exit((status & 0xff) << 8);
}

i64 sys_exit_group(int status)
{
	proc_exit_group((status & 0xff) << 8);
}

i64 sys_wait4(int pid, uaddr_t wstatus, int options, uaddr_t rusage)
{
	struct wait_request w = {.which = pid == -1 ? P_ALL
	                                  : pid > 0 ? P_PID
	                                            : P_PGID,
	                         .nr = pid < 0 ? -pid : pid,
	                         .options = (u32)options | WEXITED};
	struct wait_result r;
	i64 found;

	if (options & ~(WNOHANG | WUNTRACED | WCONTINUED | __WALL | __WCLONE | __WNOTHREAD))
		return -EINVAL;
	if (pid == INT32_MIN)
		return -ESRCH;
	found = proc_wait(&w, &r);
	if (found <= 0)
		return found;
	if (wstatus.va && copyout(wstatus, &r.status, sizeof(r.status)) < 0)
		return -EFAULT;
	if (rusage.va && copyout(rusage, &r.usage, sizeof(r.usage)) < 0)
		return -EFAULT;
	return found;
}

/* child_info: wait4's status as waitid's siginfo. */
static void child_info(pid_t pid, const struct wait_result *r, siginfo_t *info)
{
	int status = r->status;

	info->si_signo = SIGCHLD;
	info->si_pid = pid;
	info->si_uid = r->uid;
	if (status == 0xffff) {
		info->si_code = CLD_CONTINUED;
		info->si_status = SIGCONT;
	} else if ((status & 0xff) == 0x7f) {
		info->si_code = r->traced ? CLD_TRAPPED : CLD_STOPPED;
		info->si_status = status >> 8;
	} else if (status & 0x7f) {
		info->si_code = status & 0x80 ? CLD_DUMPED : CLD_KILLED;
		info->si_status = status & 0x7f;
	} else {
		info->si_code = CLD_EXITED;
		info->si_status = status >> 8;
	}
}

/* wait_pidfd: for the child that a descriptor stands for. -EAGAIN: it lives, and the descriptor does not wait. */
static i64 wait_pidfd(struct wait_request *w, struct wait_result *ret)
{
	struct fdref r = fd_use(w->nr);
	bool impatient = r.file && (r.file->flags & O_NONBLOCK) && !(w->options & WNOHANG);
	i64 found = -EBADF;

	if (r.file && file_is_pidfd(r.file)) {
		w->which = P_PID;
		w->nr = pidfd_pid(r.file)->nr;
		w->options |= impatient ? WNOHANG : 0;
		found = proc_wait(w, ret);
	}
	fd_return(r);
	return found || !impatient ? found : -EAGAIN;
}

i64 sys_waitid(int which, int nr, uaddr_t ret_info, int options, uaddr_t rusage)
{
	struct wait_request w = {.which = (u32)which, .nr = nr, .options = (u32)options};
	struct wait_result r;
	siginfo_t info = {0};
	i64 found;

	if (options &
	    ~(WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | __WALL | __WCLONE | __WNOTHREAD))
		return -EINVAL;
	if (!(options & (WEXITED | WSTOPPED | WCONTINUED)))
		return -EINVAL;
	if (which != P_ALL && which != P_PGID && which != P_PID && which != P_PIDFD)
		return -EINVAL;
	if ((which == P_PID && nr <= 0) || ((which == P_PGID || which == P_PIDFD) && nr < 0))
		return -EINVAL;
	found = which == P_PIDFD ? wait_pidfd(&w, &r) : proc_wait(&w, &r);
	if (found < 0)
		return found;
	if (found > 0)
		child_info((pid_t)found, &r, &info);
	if (found > 0 && rusage.va && copyout(rusage, &r.usage, sizeof(r.usage)) < 0)
		return -EFAULT;
	/* No more of it than Linux writes: what comes behind si_status stays the caller's. */
	if (ret_info.va && copyout(ret_info, &info, offsetof(siginfo_t, si_status) + sizeof(int)) < 0)
		return -EFAULT;
	return 0;
}

i64 sys_getpid(void)
{
	return sabotage(pid_same) ? 2 : proc_current()->pid->nr;
}

i64 sys_gettid(void)
{
	return task_current()->pid->nr;
}

i64 sys_getppid(void)
{
	return read_once(proc_current()->parent_nr);
}

i64 sys_set_tid_address(uaddr_t tidptr)
{
	task_current()->clear_child_tid = tidptr;
	return sys_gettid();
}

#define ARCH_SET_GS 0x1001
#define ARCH_SET_FS 0x1002
#define ARCH_GET_FS 0x1003
#define ARCH_GET_GS 0x1004

i64 sys_arch_prctl(int code, u64 addr)
{
	struct thread *t = thread_current();

	switch (code) {
	case ARCH_SET_FS:
	case ARCH_SET_GS:
		if (addr >= USER_MAX)
			return -EPERM;
		preempt_disable();
		irq_disable();
		*(code == ARCH_SET_FS ? &t->fs_base : &t->gs_base) = addr;
		cpu_set_user_bases(t->fs_base, t->gs_base);
		irq_enable();
		preempt_enable();
		return 0;
	case ARCH_GET_FS:
		return copyout(UADDR(addr), &t->fs_base, 8);
	case ARCH_GET_GS:
		return copyout(UADDR(addr), &t->gs_base, 8);
	default:
		return -EINVAL;
	}
}

/* --- groups and sessions --- */

i64 sys_setpgid(int pid, int pgid)
{
	struct proc *me = proc_current();
	i64 err = 0;

	if (pgid < 0)
		return -EINVAL;
	WITH_LOCK (&proc_lock) {
		struct proc *p = pid ? proc_find(pid) : me;
		struct pid *group;

		if (!p || (p != me && p->parent != me) || p->state == PROC_ZOMBIE)
			err = -ESRCH;
		else if (p != me && p->did_exec)
			err = -EACCES;
		else if (p->session != me->session || p->session == p->pid)
			err = -EPERM;
		if (err)
			break;
		group = pgid ? pid_find(pgid) : p->pid;
		if (group && group != p->pid &&
		    (list_empty(&group->group) ||
		     list_first(&group->group, struct proc, group_link)->session != me->session))
			group = NULL;
		if (group)
			proc_set_group(p, group);
		else
			err = -EPERM;
	}
	return err;
}

/* of: FN of the process with number PID (0: the caller). */
static i64 of(int pid, struct pid *(*fn)(struct proc *p))
{
	i64 nr = -ESRCH;

	WITH_LOCK (&proc_lock) {
		struct proc *p = pid ? proc_find(pid) : proc_current();

		if (p)
			nr = fn(p)->nr;
	}
	return nr;
}

static struct pid *group_of(struct proc *p)
{
	return p->group;
}

static struct pid *session_of(struct proc *p)
{
	return p->session;
}

i64 sys_getpgid(int pid)
{
	return of(pid, group_of);
}

i64 sys_getpgrp(void)
{
	return of(0, group_of);
}

i64 sys_getsid(int pid)
{
	return of(pid, session_of);
}

i64 sys_setsid(void)
{
	struct proc *p = proc_current();
	i64 result = -EPERM;

	WITH_LOCK (&proc_lock) {
		if (!list_empty(&p->pid->group))
			break; /* the number is a group's already */
		proc_set_group(p, p->pid);
		proc_set_session(p, p->pid);
		p->gave_tty_up = false;
		result = p->pid->nr;
	}
	return result;
}

i64 sys_vhangup(void)
{
	if (!capable(CAP_SYS_TTY_CONFIG))
		return -EPERM;
	tty_vhangup();
	return 0;
}

/* --- credentials --- */

i64 sys_getuid(void)
{
	return proc_current()->creds.uid;
}

i64 sys_geteuid(void)
{
	return proc_current()->creds.euid;
}

i64 sys_getgid(void)
{
	return proc_current()->creds.gid;
}

i64 sys_getegid(void)
{
	return proc_current()->creds.egid;
}

#define KEEP 0xffffffffU /* -1: leave this one as it is */

/* caps_update: what the change from OLD does to capabilities (capabilities(7), "Effect of user ID changes"). */
static void caps_update(struct creds *c, const struct creds *old)
{
	bool was_root = !old->uid || !old->euid || !old->suid;

	if (was_root && c->uid && c->euid && c->suid)
		c->caps_permitted &= proc_current()->keep_caps ? CAP_ALL : 0;
	if ((!old->euid && c->euid) || !c->caps_permitted)
		c->caps = 0;
	else if (old->euid && !c->euid)
		c->caps = c->caps_permitted;
}

static bool is_one_of(u32 id, u32 a, u32 b, u32 c)
{
	return id == KEEP || id == a || id == b || id == c;
}

i64 sys_setresuid(u32 ruid, u32 euid, u32 suid)
{
	struct creds *c = &proc_current()->creds, old = *c;

	if (!capable(CAP_SETUID) &&
	    !(is_one_of(ruid, c->uid, c->euid, c->suid) && is_one_of(euid, c->uid, c->euid, c->suid) &&
	      is_one_of(suid, c->uid, c->euid, c->suid)))
		return -EPERM;
	c->uid = ruid == KEEP ? c->uid : ruid;
	c->euid = euid == KEEP ? c->euid : euid;
	c->suid = suid == KEEP ? c->suid : suid;
	c->fsuid = c->euid;
	caps_update(c, &old);
	return 0;
}

i64 sys_setresgid(u32 rgid, u32 egid, u32 sgid)
{
	struct creds *c = &proc_current()->creds;

	if (!capable(CAP_SETGID) &&
	    !(is_one_of(rgid, c->gid, c->egid, c->sgid) && is_one_of(egid, c->gid, c->egid, c->sgid) &&
	      is_one_of(sgid, c->gid, c->egid, c->sgid)))
		return -EPERM;
	c->gid = rgid == KEEP ? c->gid : rgid;
	c->egid = egid == KEEP ? c->egid : egid;
	c->sgid = sgid == KEEP ? c->sgid : sgid;
	c->fsgid = c->egid;
	return 0;
}

i64 sys_setuid(u32 uid)
{
	if (uid == KEEP)
		return -EINVAL;
	return capable(CAP_SETUID) ? sys_setresuid(uid, uid, uid) : sys_setresuid(KEEP, uid, KEEP);
}

i64 sys_setgid(u32 gid)
{
	if (gid == KEEP)
		return -EINVAL;
	return capable(CAP_SETGID) ? sys_setresgid(gid, gid, gid) : sys_setresgid(KEEP, gid, KEEP);
}

/* Only the saved number may not become the real one by these. */
static bool may_be_real(u32 id, u32 real, u32 effective, int cap)
{
	return id == KEEP || id == real || id == effective || capable(cap);
}

/* The saved number follows the effective one if the real one is set, or the effective one to other than the real. */
i64 sys_setreuid(u32 ruid, u32 euid)
{
	struct creds *c = &proc_current()->creds;
	bool save = ruid != KEEP || (euid != KEEP && euid != c->uid);

	if (!may_be_real(ruid, c->uid, c->euid, CAP_SETUID))
		return -EPERM;
	return sys_setresuid(ruid, euid, save ? (euid == KEEP ? c->euid : euid) : KEEP);
}

i64 sys_setregid(u32 rgid, u32 egid)
{
	struct creds *c = &proc_current()->creds;
	bool save = rgid != KEEP || (egid != KEEP && egid != c->gid);

	if (!may_be_real(rgid, c->gid, c->egid, CAP_SETGID))
		return -EPERM;
	return sys_setresgid(rgid, egid, save ? (egid == KEEP ? c->egid : egid) : KEEP);
}

static i64 put_three(uaddr_t a, u32 va, uaddr_t b, u32 vb, uaddr_t c, u32 vc)
{
	if (copyout(a, &va, 4) < 0 || copyout(b, &vb, 4) < 0 || copyout(c, &vc, 4) < 0)
		return -EFAULT;
	return 0;
}

i64 sys_getresuid(uaddr_t ruid, uaddr_t euid, uaddr_t suid)
{
	struct creds *c = &proc_current()->creds;

	return put_three(ruid, c->uid, euid, c->euid, suid, c->suid);
}

i64 sys_getresgid(uaddr_t rgid, uaddr_t egid, uaddr_t sgid)
{
	struct creds *c = &proc_current()->creds;

	return put_three(rgid, c->gid, egid, c->egid, sgid, c->sgid);
}

i64 sys_getgroups(int size, uaddr_t list)
{
	struct creds *c = &proc_current()->creds;

	if (size < 0 || (size && (u32)size < c->ngroups))
		return -EINVAL;
	if (size && copyout(list, c->groups, c->ngroups * 4) < 0)
		return -EFAULT;
	return c->ngroups;
}

i64 sys_setgroups(int size, uaddr_t list)
{
	struct creds *c = &proc_current()->creds;
	u32 groups[NGROUPS];

	if (!capable(CAP_SETGID))
		return -EPERM;
	if (size < 0 || size > NGROUPS)
		return -EINVAL;
	if (copyin(groups, list, (u32)size * 4) < 0)
		return -EFAULT;
	memcpy(c->groups, groups, (u32)size * 4);
	c->ngroups = (u32)size;
	return 0;
}

/* --- priorities, limits, usage --- */

/* For each process that WHICH and WHO name. => whether there was one */
static bool each_named(int which, int who, void (*fn)(struct proc *p, void *arg), void *arg)
{
	bool any = false;

	WITH_LOCK (&proc_lock) {
		struct proc *me = proc_current(), *p;
		struct pid *group = which != PRIO_PGRP ? NULL : who ? pid_find(who) : me->group;

		if (which == PRIO_PROCESS && (p = who ? proc_find(who) : me)) {
			fn(p, arg);
			any = true;
		}
		if (group) {
			list_for_each (p, &group->group, group_link) {
				fn(p, arg);
				any = true;
			}
		}
	}
	return any;
}

static void nice_least(struct proc *p, void *arg)
{
	int *least = arg;

	*least = MIN(*least, p->nice);
}

i64 sys_getpriority(int which, int who)
{
	int least = 20;

	if (which == PRIO_USER)
		return 20 - proc_current()->nice;
	if (which < PRIO_PROCESS || which > PRIO_USER)
		return -EINVAL;
	return each_named(which, who, nice_least, &least) ? 20 - least : -ESRCH;
}

struct nice_change {
	int nice, err;
};

static void nice_set(struct proc *p, void *arg)
{
	struct nice_change *c = arg;
	struct task *t;

	const struct creds *me = &proc_current()->creds;

	if (me->euid != p->creds.uid && me->euid != p->creds.euid && !capable(CAP_SYS_NICE)) {
		c->err = -EPERM;
		return;
	}
	if (c->nice < p->nice && !capable(CAP_SYS_NICE)) {
		c->err = -EACCES;
		return;
	}
	p->nice = c->nice;
	list_for_each (t, &p->tasks, link)
		thread_set_nice(&t->thread, c->nice);
}

i64 sys_setpriority(int which, int who, int prio)
{
	struct nice_change c = {.nice = MAX(-20, MIN(19, prio))};

	if (which < PRIO_PROCESS || which > PRIO_USER)
		return -EINVAL;
	if (which == PRIO_USER)
		which = PRIO_PROCESS, who = 0;
	return each_named(which, who, nice_set, &c) ? c.err : -ESRCH;
}

/* prlimit(2): one's own, or those of who has all the caller's numbers. */
static bool may_limit(const struct proc *p)
{
	const struct creds *me = &proc_current()->creds, *to = &p->creds;

	return p == proc_current() || capable(CAP_SYS_RESOURCE) ||
	       (me->uid == to->uid && me->uid == to->euid && me->uid == to->suid && me->gid == to->gid &&
	        me->gid == to->egid && me->gid == to->sgid);
}

i64 sys_prlimit64(int pid, u32 resource, uaddr_t new_limit, uaddr_t old_limit)
{
	struct rlimit64 new, old;
	i64 err = 0;

	if (resource >= RLIM_NLIMITS)
		return -EINVAL;
	if (new_limit.va && copyin(&new, new_limit, sizeof(new)) < 0)
		return -EFAULT;
	if (new_limit.va && new.rlim_cur > new.rlim_max)
		return -EINVAL;
	WITH_LOCK (&proc_lock) {
		struct proc *p = pid ? proc_find(pid) : proc_current();

		if (!p) {
			err = -ESRCH;
			break;
		}
		old = p->limits[resource];
		if (!may_limit(p))
			err = -EPERM;
		else if (new_limit.va && new.rlim_max > old.rlim_max && !capable(CAP_SYS_RESOURCE))
			err = -EPERM;
		else if (new_limit.va)
			p->limits[resource] = new;
	}
	if (!err && old_limit.va)
		err = copyout(old_limit, &old, sizeof(old));
	return err;
}

i64 sys_getrlimit(u32 resource, uaddr_t rlim)
{
	return rlim.va ? sys_prlimit64(0, resource, UADDR(0), rlim) : -EFAULT;
}

i64 sys_setrlimit(u32 resource, uaddr_t rlim)
{
	return rlim.va ? sys_prlimit64(0, resource, rlim, UADDR(0)) : -EFAULT;
}

i64 sys_getrusage(int who, uaddr_t usage)
{
	struct proc *p = proc_current();
	struct rusage u = {0};
	u64 user, kernel, faults;

	if (who != RUSAGE_SELF && who != RUSAGE_CHILDREN && who != RUSAGE_THREAD)
		return -EINVAL;
	WITH_LOCK (&proc_lock) {
		if (who == RUSAGE_THREAD)
			task_times(thread_current(), &user, &kernel);
		else
			proc_times(p, &user, &kernel);
		faults = p->faults_minor;
		if (who == RUSAGE_CHILDREN) {
			user = p->time_child_user;
			kernel = p->time_child_kernel;
			faults = p->faults_child;
		}
	}
	u.ru_minflt = (long)faults;
	u.ru_utime = timeval_old_from_ns(user);
	u.ru_stime = timeval_old_from_ns(kernel);
	if (who != RUSAGE_CHILDREN) {
		u.ru_maxrss = (long)(aspace_resident(thread_current()->aspace) * (PAGE_SIZE / KIB));
		u.ru_nvcsw = (long)thread_current()->switches_voluntary;
		u.ru_nivcsw = (long)thread_current()->switches_forced;
	}
	return copyout(usage, &u, sizeof(u));
}
