/* Descriptors to wait with: eventfd, epoll, timerfd, signalfd. */
#include "kernel/abi/capability.h"
#include "kernel/fs/epoll.h"
#include "kernel/fs/eventfd.h"
#include "kernel/fs/fdtable.h"
#include "kernel/fs/signalfd.h"
#include "kernel/fs/timerfd.h"
#include "kernel/sys/path.h"
#include "kernel/sys/poll.h"
#include "kernel/sys/syscall.h"
#include "kernel/sys/usertime.h"

/* --- eventfd --- */

i64 sys_eventfd2(u32 initval, int flags)
{
	struct file *f;
	int err;

	if (flags & ~(EFD_SEMAPHORE | EFD_CLOEXEC | EFD_NONBLOCK))
		return -EINVAL;
	if ((err = eventfd_open(initval, flags, &f)) < 0)
		return err;
	return fd_install_new(f, flags & EFD_CLOEXEC);
}

i64 sys_eventfd(u32 initval)
{
	return sys_eventfd2(initval, 0);
}

/* --- epoll --- */

i64 sys_epoll_create1(int flags)
{
	struct file *f;
	int err;

	if (flags & ~EPOLL_CLOEXEC)
		return -EINVAL;
	if ((err = epoll_open(&f)) < 0)
		return err;
	return fd_install_new(f, flags & EPOLL_CLOEXEC);
}

i64 sys_epoll_create(int size)
{
	return size <= 0 ? -EINVAL : sys_epoll_create1(0);
}

static i64 ctl(struct file *ep, int op, int fd, struct file *f, const struct epoll_event *event)
{
	if (!ep || !f)
		return -EBADF;
	if (!f->ops->poll)
		return -EPERM;
	if (ep == f || !file_is_epoll(ep))
		return -EINVAL;
	switch (op) {
	case EPOLL_CTL_ADD:
		return epoll_add(ep, f, fd, event);
	case EPOLL_CTL_MOD:
		return epoll_change(ep, f, fd, event);
	case EPOLL_CTL_DEL:
		return epoll_remove(ep, f, fd);
	default:
		return -EINVAL;
	}
}

i64 sys_epoll_ctl(int epfd, int op, int fd, uaddr_t user)
{
	struct epoll_event event = {0};
	struct fdref ep, f;
	i64 err;

	if (op != EPOLL_CTL_DEL && copyin(&event, user, sizeof(event)) < 0)
		return -EFAULT;
	ep = fd_use(epfd);
	f = fd_use(fd);
	err = ctl(ep.file, op, fd, f.file, &event);
	fd_return(f);
	fd_return(ep);
	return err;
}

/* epoll_until => how many; errors of epoll_wait(2) */
static i64 epoll_until(int epfd, uaddr_t events, int max, u64 deadline)
{
	struct fdref ep;
	i64 n;

	if (max <= 0 || (u64)max > INT32_MAX / sizeof(struct epoll_event))
		return -EINVAL;
	if (!user_range_ok(events, max * sizeof(struct epoll_event)))
		return -EFAULT;
	ep = fd_use(epfd);
	if (!ep.file)
		n = -EBADF;
	else
		n = file_is_epoll(ep.file) ? epoll_take(ep.file, events, max, deadline) : -EINVAL;
	fd_return(ep);
	return n;
}

static i64 epoll_masked(int epfd, uaddr_t events, int max, u64 deadline, uaddr_t sigmask, u64 sigsetsize)
{
	i64 n = wait_mask_set(sigmask, sigsetsize);

	if (n < 0)
		return n;
	n = epoll_until(epfd, events, max, deadline);
	wait_mask_restore(sigmask, n);
	return n;
}

i64 sys_epoll_wait(int epfd, uaddr_t events, int maxevents, int timeout)
{
	return epoll_until(epfd, events, maxevents, wait_deadline_ms(timeout));
}

i64 sys_epoll_pwait(int epfd, uaddr_t events, int maxevents, int timeout, uaddr_t sigmask, u64 sigsetsize)
{
	return epoll_masked(epfd, events, maxevents, wait_deadline_ms(timeout), sigmask, sigsetsize);
}

i64 sys_epoll_pwait2(int epfd, uaddr_t events, int maxevents, uaddr_t timeout, uaddr_t sigmask,
                     u64 sigsetsize)
{
	u64 deadline;
	int err = wait_deadline_of(timeout, NS_PER_SEC, &deadline);

	return err < 0 ? err : epoll_masked(epfd, events, maxevents, deadline, sigmask, sigsetsize);
}

/* --- timerfd --- */

i64 sys_timerfd_create(int clock, int flags)
{
	struct file *f;
	int err;

	if (flags & ~(TFD_CLOEXEC | TFD_NONBLOCK))
		return -EINVAL;
	switch (clock) {
	case CLOCK_REALTIME_ALARM:
	case CLOCK_BOOTTIME_ALARM:
		if (!capable(CAP_WAKE_ALARM))
			return -EPERM;
		break;
	case CLOCK_REALTIME:
	case CLOCK_MONOTONIC:
	case CLOCK_BOOTTIME:
		break;
	default:
		return -EINVAL;
	}
	if ((err = timerfd_open(clock, flags, &f)) < 0)
		return err;
	return fd_install_new(f, flags & TFD_CLOEXEC);
}

i64 sys_timerfd_settime(int fd, int flags, uaddr_t new, uaddr_t old)
{
	struct timerfd_time time, was;
	struct fdref r;
	i64 err;

	if (flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET))
		return -EINVAL;
	if ((err = itimerspec_get(new, &time.value, &time.interval)) < 0)
		return err;
	r = fd_use(fd);
	if (!r.file)
		err = -EBADF;
	else if (!file_is_timerfd(r.file))
		err = -EINVAL;
	else
		timerfd_set(r.file, flags, &time, &was);
	fd_return(r);
	return err || !old.va ? err : itimerspec_put(old, was.value, was.interval);
}

i64 sys_timerfd_gettime(int fd, uaddr_t value)
{
	struct timerfd_time now;
	struct fdref r = fd_use(fd);
	i64 err = 0;

	if (!r.file)
		err = -EBADF;
	else if (!file_is_timerfd(r.file))
		err = -EINVAL;
	else
		timerfd_get(r.file, &now);
	fd_return(r);
	return err ? err : itimerspec_put(value, now.value, now.interval);
}

/* --- signalfd --- */

static i64 signalfd_change(int fd, u64 mask)
{
	struct fdref r = fd_use(fd);
	i64 ret = fd;

	if (!r.file)
		ret = -EBADF;
	else if (!file_is_signalfd(r.file))
		ret = -EINVAL;
	else
		signalfd_set(r.file, mask);
	fd_return(r);
	return ret;
}

i64 sys_signalfd4(int fd, uaddr_t user, u64 sigsetsize, int flags)
{
	struct file *f;
	u64 mask;
	int err;

	if (sigsetsize != sizeof(mask))
		return -EINVAL;
	if (copyin(&mask, user, sizeof(mask)) < 0)
		return -EFAULT;
	if (flags & ~(SFD_CLOEXEC | SFD_NONBLOCK))
		return -EINVAL;
	if (fd != -1)
		return signalfd_change(fd, mask);
	if ((err = signalfd_open(mask, flags, &f)) < 0)
		return err;
	return fd_install_new(f, flags & SFD_CLOEXEC);
}

i64 sys_signalfd(int fd, uaddr_t mask, u64 sigsetsize)
{
	return sys_signalfd4(fd, mask, sigsetsize, 0);
}
