/* Processes as descriptors. (Signals through them: signal.c; waiting for them: process.c.) */
#include "kernel/fs/pidfd.h"
#include "kernel/proc/ptrace.h"
#include "kernel/sys/path.h"
#include "kernel/sys/syscall.h"

/* pid_of_proc: with a reference. => 0; -ESRCH; -EINVAL (a thread that is not the first of its process) */
static int pid_of_proc(pid_t nr, struct pid **ret)
{
	int err = -ESRCH;

	WITH_LOCK (&proc_lock) {
		struct pid *pid = pid_find(nr);

		if (!pid || (!pid->proc && !pid->task))
			break;
		err = pid->proc ? 0 : -EINVAL;
		if (err)
			break;
		pid_get(pid);
		*ret = pid;
	}
	return err;
}

i64 sys_pidfd_open(int nr, u32 flags)
{
	struct pid *pid;
	struct file *f;
	int err;

	if ((flags & ~PIDFD_NONBLOCK) || nr <= 0)
		return -EINVAL;
	if ((err = pid_of_proc(nr, &pid)) < 0)
		return err;
	err = pidfd_open(pid, flags, &f);
	WITH_LOCK (&proc_lock)
		pid_put(pid);
	return err < 0 ? err : fd_install_new(f, true);
}

/* take_file: what is at FD in the process of PID. => 0 and a reference; -ESRCH; -EPERM; -EBADF */
static int take_file(struct pid *pid, int fd, struct file **ret)
{
	struct fdtable *files = NULL;
	int err = -ESRCH;

	WITH_LOCK (&proc_lock) {
		if (!pid->proc || !pid->proc->files)
			break;
		err = ptrace_allowed(pid->proc) ? 0 : -EPERM;
		if (err)
			break;
		files = pid->proc->files;
		fdtable_get(files);
	}
	if (err < 0)
		return err;
	*ret = fdtable_file(files, fd);
	fdtable_put(files);
	return *ret ? 0 : -EBADF;
}

i64 sys_pidfd_getfd(int pidfd, int targetfd, u32 flags)
{
	struct file *f;
	struct fdref r;
	int err = -EBADF;

	if (flags)
		return -EINVAL;
	r = fd_use(pidfd);
	if (r.file && file_is_pidfd(r.file))
		err = take_file(pidfd_pid(r.file), targetfd, &f);
	fd_return(r);
	return err < 0 ? err : fd_install_new(f, true);
}
