/* POSIX message queues. */
#include "kernel/fs/mqueue.h"
#include "kernel/sys/path.h"
#include "kernel/sys/syscall.h"
#include "kernel/sys/usertime.h"

static int name_get(char *buf, ustr_t user)
{
	isize_t n = copyinstr(buf, user, FS_NAME_MAX + 1);

	return n < 0 ? n : 0;
}

i64 sys_mq_open(ustr_t user, int flags, u32 mode, uaddr_t user_attr)
{
	char name[FS_NAME_MAX + 1];
	struct mq_attr attr;
	struct file *f;
	int err = name_get(name, user);

	if (err < 0)
		return err;
	if (user_attr.va && copyin(&attr, user_attr, sizeof(attr)) < 0)
		return -EFAULT;
	err = mqueue_open(name, flags, mode, user_attr.va ? &attr : NULL, &f);
	return err < 0 ? err : fd_install_new(f, true); /* mq_open(3): close-on-exec always */
}

i64 sys_mq_unlink(ustr_t user)
{
	char name[FS_NAME_MAX + 1];
	int err = name_get(name, user);

	return err < 0 ? err : mqueue_unlink(name);
}

/* deadline_get: of a point in real time; NULL: never. */
static int deadline_get(uaddr_t user, u64 *ret)
{
	u64 at, now;
	int err;

	*ret = CLOCK_NEVER;
	if (!user.va)
		return 0;
	if ((err = timespec_get(user, &at)) < 0)
		return err;
	now = clock_real();
	*ret = clock_mono() + (at > now ? at - now : 0);
	return 0;
}

/* mq_use: fd_return is due in any case. => -EBADF */
static int mq_use(int fd, struct fdref *ret)
{
	*ret = fd_use(fd);
	return ret->file && file_is_mqueue(ret->file) ? 0 : -EBADF;
}

i64 sys_mq_timedsend(int fd, uaddr_t buf, u64 len, u32 priority, uaddr_t timeout)
{
	struct fdref r;
	u64 deadline;
	int err;

	if (priority >= MQ_PRIO_MAX)
		return -EINVAL;
	if ((err = deadline_get(timeout, &deadline)) < 0)
		return err;
	err = mq_use(fd, &r);
	if (!err)
		err = r.file->writable ? mqueue_send(r.file, buf, len, priority, deadline) : -EBADF;
	fd_return(r);
	return err;
}

i64 sys_mq_timedreceive(int fd, uaddr_t buf, u64 len, uaddr_t user_priority, uaddr_t timeout)
{
	u32 priority = 0;
	struct fdref r;
	u64 deadline;
	i64 n;

	if ((n = deadline_get(timeout, &deadline)) < 0)
		return n;
	n = mq_use(fd, &r);
	if (!n)
		n = r.file->readable ? mqueue_receive(r.file, buf, len, deadline, &priority) : -EBADF;
	fd_return(r);
	if (n >= 0 && user_priority.va && copyout(user_priority, &priority, sizeof(priority)) < 0)
		return -EFAULT;
	return n;
}

static int notify(struct file *f, uaddr_t user)
{
	struct mqueue_notice notice = {0};
	sigevent_t ev;

	if (!user.va)
		return mqueue_notify(f, NULL);
	if (copyin(&ev, user, sizeof(ev)) < 0)
		return -EFAULT;
	if (ev.sigev_notify != SIGEV_NONE && ev.sigev_notify != SIGEV_SIGNAL)
		return -EINVAL; /* SIGEV_THREAD needs a socket of AF_NETLINK */
	if (ev.sigev_notify == SIGEV_SIGNAL && (ev.sigev_signo < 1 || ev.sigev_signo > SIG_COUNT))
		return -EINVAL;
	notice.sig = ev.sigev_notify == SIGEV_SIGNAL ? ev.sigev_signo : 0;
	notice.value = (u64)ev.sigev_value.sival_ptr;
	return mqueue_notify(f, &notice);
}

i64 sys_mq_notify(int fd, uaddr_t user)
{
	struct fdref r;
	int err = mq_use(fd, &r);

	if (!err)
		err = notify(r.file, user);
	fd_return(r);
	return err;
}

i64 sys_mq_getsetattr(int fd, uaddr_t new, uaddr_t old)
{
	struct mq_attr attr, was;
	struct fdref r;
	int err;

	if (new.va && copyin(&attr, new, sizeof(attr)) < 0)
		return -EFAULT;
	if (new.va && (attr.mq_flags & ~O_NONBLOCK))
		return -EINVAL;
	if ((err = mq_use(fd, &r)) == 0) {
		mqueue_attr(r.file, &was);
		if (new.va)
			atomic_store(&r.file->flags, (r.file->flags & ~O_NONBLOCK) | (u32)attr.mq_flags);
	}
	fd_return(r);
	return err || !old.va ? err : copyout(old, &was, sizeof(was));
}
