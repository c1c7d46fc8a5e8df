#include "kernel/proc/posix_timer.h"
#include "kernel/sys/syscall.h"
#include "kernel/sys/usertime.h"
#include "vm/uaccess.h"

i64 sys_timer_create(int clock, uaddr_t user_event, uaddr_t user_id)
{
	struct sigevent event;
	int id, err;

	if (user_event.va && copyin(&event, user_event, sizeof(event)) < 0)
		return -EFAULT;
	err = posix_timer_create(clock, user_event.va ? &event : NULL, &id);
	if (!err && copyout(user_id, &id, sizeof(id)) < 0) {
		posix_timer_delete(id);
		err = -EFAULT;
	}
	return err;
}

i64 sys_timer_settime(int id, int flags, uaddr_t new, uaddr_t old)
{
	struct posix_time time, was;
	int err = itimerspec_get(new, &time.value, &time.interval);

	if (!err)
		err = posix_timer_set(id, flags & TIMER_ABSTIME, &time, &was);
	return err || !old.va ? err : itimerspec_put(old, was.value, was.interval);
}

i64 sys_timer_gettime(int id, uaddr_t value)
{
	struct posix_time now;
	int err = posix_timer_get(id, &now);

	return err ? err : itimerspec_put(value, now.value, now.interval);
}

i64 sys_timer_getoverrun(int id)
{
	return posix_timer_overrun(id);
}

i64 sys_timer_delete(int id)
{
	return posix_timer_delete(id);
}
