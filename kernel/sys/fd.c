/* Descriptors: close, dup, fcntl, flock, ioctl, pipe. */
#include "kernel/fs/file.h"
#include "kernel/fs/locks.h"
#include "kernel/fs/memfd.h"
#include "kernel/fs/pipe.h"
#include "kernel/sys/path.h"

i64 sys_close(int fd)
{
	return fd_close(fd);
}

/* Of a process with several threads the table is the process's: it cannot be one thread's alone. */
i64 sys_close_range(u32 first, u32 last, u32 flags)
{
	int err = 0;

	if ((flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)) || first > last)
		return -EINVAL;
	if (flags & CLOSE_RANGE_UNSHARE)
		err = proc_current()->task_count > 1 ? -EINVAL : fd_unshare();
	if (err < 0)
		return err;
	if (flags & CLOSE_RANGE_CLOEXEC)
		fd_mark_range(first, last);
	else
		fd_close_range(first, last);
	return 0;
}

i64 sys_dup(int fd)
{
	struct file *f = fd_get(fd);
	i64 new;

	if (!f)
		return -EBADF;
	if ((new = fd_install(f, 0, false)) < 0)
		file_put(f);
	return new;
}

static i64 dup_to(int oldfd, int newfd, bool cloexec)
{
	struct file *f = fd_get(oldfd);

	if (!f)
		return -EBADF;
	return fd_install_at(newfd, f, cloexec);
}

i64 sys_dup2(int oldfd, int newfd)
{
	if (oldfd == newfd)
		return fd_get_cloexec(oldfd) < 0 ? -EBADF : newfd;
	return dup_to(oldfd, newfd, false);
}

i64 sys_dup3(int oldfd, int newfd, int flags)
{
	if ((flags & ~O_CLOEXEC) || oldfd == newfd)
		return -EINVAL;
	return dup_to(oldfd, newfd, flags & O_CLOEXEC);
}

/* --- pipes --- */

static int pipe_open(int fds[2], u32 flags, uaddr_t user)
{
	struct file *ends[2];
	int err = pipe_create(flags, &ends[0], &ends[1]);

	if (err < 0)
		return err;
	if (copyout(user, fds, 2 * sizeof(fds[0])) < 0) {
		file_put(ends[0]);
		file_put(ends[1]);
		return -EFAULT;
	}
	fd_commit(fds[0], ends[0]);
	fd_commit(fds[1], ends[1]);
	return 0;
}

i64 sys_pipe2(uaddr_t user, int flags)
{
	int fds[2], err;

	if (flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT))
		return -EINVAL;
	if ((err = fd_reserve_pair(fds, flags & O_CLOEXEC)) < 0)
		return err;
	if ((err = pipe_open(fds, flags & ~O_CLOEXEC, user)) < 0) {
		fd_cancel(fds[0]);
		fd_cancel(fds[1]);
	}
	return err;
}

i64 sys_pipe(uaddr_t user)
{
	return sys_pipe2(user, 0);
}

/* --- locks --- */

static i64 flock_file(struct file *f, int op)
{
	struct lock_request req = {.kind = LOCK_KIND_FLOCK, .owner = f, .end = ~0UL};

	switch (op & ~LOCK_NB) {
	case LOCK_SH:
		req.type = LOCK_TYPE_READ;
		break;
	case LOCK_EX:
		req.type = LOCK_TYPE_WRITE;
		break;
	case LOCK_UN:
		req.type = LOCK_TYPE_NONE;
		break;
	default:
		return -EINVAL;
	}
	atomic_store(&f->flocked, true);
	return locks_set(f->inode, &req, !(op & LOCK_NB));
}

i64 sys_flock(int fd, int op)
{
	struct fdref r = fd_use(fd);
	i64 err = r.file ? flock_file(r.file, op) : -EBADF;

	fd_return(r);
	return err;
}

/* range_start: the first byte that FL means. => 0; -EINVAL; -EOVERFLOW */
static int range_start(struct file *f, const struct flock *fl, i64 *ret)
{
	i64 base = 0;

	if (fl->l_whence == SEEK_CUR)
		base = f->pos;
	else if (fl->l_whence == SEEK_END)
		base = atomic_load(&f->inode->size);
	else if (fl->l_whence != SEEK_SET)
		return -EINVAL;
	if (__builtin_add_overflow(base, fl->l_start, ret))
		return -EOVERFLOW;
	return *ret < 0 ? -EINVAL : 0;
}

/* range_parse: l_len 0 is "to the end", a negative one lies before the start. */
static int range_parse(struct file *f, const struct flock *fl, struct lock_request *req)
{
	i64 start, end;
	int err = range_start(f, fl, &start);

	if (err < 0)
		return err;
	if (fl->l_len > 0) {
		if (__builtin_add_overflow(start, fl->l_len - 1, &end))
			return -EOVERFLOW;
		req->start = start;
		req->end = end;
		return 0;
	}
	if (start + fl->l_len < 0)
		return -EINVAL;
	req->start = start + fl->l_len;
	req->end = fl->l_len ? (u64)start - 1 : ~0UL;
	return 0;
}

static int lock_type_parse(const struct file *f, short type, struct lock_request *req, bool get)
{
	switch (type) {
	case F_RDLCK:
		req->type = LOCK_TYPE_READ;
		return get || f->readable ? 0 : -EBADF;
	case F_WRLCK:
		req->type = LOCK_TYPE_WRITE;
		return get || f->writable ? 0 : -EBADF;
	case F_UNLCK:
		req->type = LOCK_TYPE_NONE;
		return get ? -EINVAL : 0;
	default:
		return -EINVAL;
	}
}

static void lock_report(const struct lock_request *l, struct flock *fl)
{
	fl->l_type = l->type == LOCK_TYPE_WRITE ? F_WRLCK : F_RDLCK;
	fl->l_whence = SEEK_SET;
	fl->l_start = l->start;
	fl->l_len = l->end == ~0UL ? 0 : l->end - l->start + 1;
	fl->l_pid = l->pid;
}

/* lock_request_make: of a process, or of the open file (OFD). */
static int lock_request_make(struct file *f, const struct flock *fl, bool ofd, bool get,
                             struct lock_request *req)
{
	int err;

	if (ofd && fl->l_pid)
		return -EINVAL;
	req->kind = ofd ? LOCK_KIND_FILE : LOCK_KIND_PROCESS;
	req->owner = ofd ? (void *)f : (void *)proc_current()->files;
	req->pid = ofd ? -1 : proc_current()->pid->nr;
	if ((err = lock_type_parse(f, fl->l_type, req, get)) < 0)
		return err;
	return range_parse(f, fl, req);
}

static i64 fcntl_getlk(struct file *f, uaddr_t user, bool ofd)
{
	struct lock_request req, other;
	struct flock fl;
	int err;

	if (copyin(&fl, user, sizeof(fl)) < 0)
		return -EFAULT;
	if ((err = lock_request_make(f, &fl, ofd, true, &req)) < 0)
		return err;
	if (locks_get(f->inode, &req, &other))
		lock_report(&other, &fl);
	else
		fl.l_type = F_UNLCK;
	return copyout(user, &fl, sizeof(fl));
}

/* lock_keep: another task may have closed FD meanwhile, and with it dropped the process's locks on the file: a lock
 * that came after that must not stay. What is still there now will be dropped by the close that is to come. */
static int lock_keep(int fd, struct file *f)
{
	struct file *now = fd_get(fd);

	if (now)
		file_put(now);
	if (now == f)
		return 0;
	locks_release_process(f->inode, proc_current()->files);
	return -EBADF;
}

static i64 fcntl_setlk(int fd, struct file *f, uaddr_t user, bool ofd, bool wait)
{
	struct lock_request req;
	struct flock fl;
	int err;

	if (copyin(&fl, user, sizeof(fl)) < 0)
		return -EFAULT;
	if ((err = lock_request_make(f, &fl, ofd, false, &req)) < 0)
		return err;
	if (ofd)
		atomic_store(&f->flocked, true);
	err = locks_set(f->inode, &req, wait);
	return err || ofd || req.type == LOCK_TYPE_NONE ? err : lock_keep(fd, f);
}

/* --- fcntl --- */

static i64 fcntl_dup(struct file *f, u64 min, bool cloexec)
{
	i64 fd;

	if (min > FD_MAX)
		return -EINVAL;
	file_get(f);
	if ((fd = fd_install(f, min, cloexec)) < 0)
		file_put(f);
	return fd;
}

static i64 fcntl_setfl(struct file *f, u32 flags)
{
	if ((flags & ~f->flags & O_NOATIME) && !inode_owned(f->inode))
		return -EPERM;
	atomic_store(&f->flags, (f->flags & ~FILE_SET_FLAGS) | (flags & FILE_SET_FLAGS));
	return 0;
}

static i64 fcntl_lock(int fd, struct file *f, u32 cmd, uaddr_t user)
{
	switch (cmd) {
	case F_GETLK:
	case F_OFD_GETLK:
		return fcntl_getlk(f, user, cmd == F_OFD_GETLK);
	case F_SETLK:
	case F_SETLKW:
		return fcntl_setlk(fd, f, user, false, cmd == F_SETLKW);
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
		return fcntl_setlk(fd, f, user, true, cmd == F_OFD_SETLKW);
	default:
		return -EINVAL;
	}
}

/* Those that work on a file opened with O_PATH as well. */
static i64 fcntl_number(int fd, struct file *f, u32 cmd, u64 arg)
{
	switch (cmd) {
	case F_DUPFD:
		return fcntl_dup(f, arg, false);
	case F_DUPFD_CLOEXEC:
		return fcntl_dup(f, arg, true);
	case F_GETFD:
		return fd_get_cloexec(fd) > 0 ? FD_CLOEXEC : 0;
	case F_SETFD:
		return fd_set_cloexec(fd, arg & FD_CLOEXEC);
	case F_GETFL:
		return f->flags;
	default:
		return f->flags & O_PATH ? -EBADF : -ENOSYS;
	}
}

static i64 fcntl_file(int fd, struct file *f, u32 cmd, u64 arg)
{
	switch (cmd) {
	case F_SETFL:
		return fcntl_setfl(f, arg);
	case F_GETPIPE_SZ:
		return pipe_capacity(f);
	case F_SETPIPE_SZ:
		return pipe_set_capacity(f, arg);
	case F_ADD_SEALS:
		return memfd_add_seals(f, arg);
	case F_GET_SEALS:
		return memfd_seals(f);
	case F_GETOWN: /* nobody: signals of readiness are not sent */
	case F_GETSIG:
		return 0;
	default:
		return fcntl_lock(fd, f, cmd, UADDR(arg));
	}
}

i64 sys_fcntl(int fd, u32 cmd, u64 arg)
{
	struct fdref r = fd_borrow(fd);
	i64 ret = -EBADF;

	if (r.file) {
		ret = fcntl_number(fd, r.file, cmd, arg);
		if (ret == -ENOSYS)
			ret = fcntl_file(fd, r.file, cmd, arg);
	}
	fd_return(r);
	return ret;
}

/* --- ioctl --- */

static i64 ioctl_nonblock(struct file *f, uaddr_t arg)
{
	int on;

	if (copyin(&on, arg, sizeof(on)) < 0)
		return -EFAULT;
	return fcntl_setfl(f, on ? f->flags | O_NONBLOCK : f->flags & ~O_NONBLOCK);
}

static i64 ioctl_left(struct file *f, uaddr_t arg)
{
	int left = atomic_load(&f->inode->size) - f->pos;

	return copyout(arg, &left, sizeof(left));
}

static i64 ioctl_file(int fd, struct file *f, u32 request, u64 arg)
{
	switch (request) {
	case FIOCLEX:
		return fd_set_cloexec(fd, true);
	case FIONCLEX:
		return fd_set_cloexec(fd, false);
	case FIONBIO:
		return ioctl_nonblock(f, UADDR(arg));
	case FIONREAD:
		if (S_ISREG(f->inode->mode))
			return ioctl_left(f, UADDR(arg));
		break;
	}
	return f->ops->ioctl ? f->ops->ioctl(f, request, arg) : -ENOTTY;
}

i64 sys_ioctl(int fd, u32 request, u64 arg)
{
	struct fdref r = fd_use(fd);
	i64 ret = r.file ? ioctl_file(fd, r.file, request, arg) : -EBADF;

	fd_return(r);
	return ret;
}
