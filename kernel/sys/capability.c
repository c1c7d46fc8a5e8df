/* capget(2), capset(2). */
#include "kernel/abi/capability.h"
#include "hal/base/string.h"
#include "kernel/proc/proc.h"
#include "kernel/sys/syscall.h"
#include "vm/uaccess.h"

/* header_get: => the number of 32-bit words that each set has in the caller's version; -EFAULT; -EINVAL, and the version
 * that we know is told */
static int header_get(uaddr_t user, struct __user_cap_header_struct *h)
{
	u32 ours = _LINUX_CAPABILITY_VERSION_3;

	if (copyin(h, user, sizeof(*h)) < 0)
		return -EFAULT;
	switch (h->version) {
	case _LINUX_CAPABILITY_VERSION_1:
		return 1;
	case _LINUX_CAPABILITY_VERSION_2:
	case _LINUX_CAPABILITY_VERSION_3:
		return 2;
	default:
		return copyout(user, &ours, sizeof(ours)) < 0 ? -EFAULT : -EINVAL;
	}
}

i64 sys_capget(uaddr_t header, uaddr_t data)
{
	struct __user_cap_data_struct d[2];
	struct __user_cap_header_struct h;
	struct creds c = {0};
	int words = header_get(header, &h), err = -ESRCH;

	if (words < 0)
		return words == -EINVAL && !data.va ? 0 : words;
	if (h.pid < 0)
		return -EINVAL;
	WITH_LOCK (&proc_lock) {
		struct pid *pid = h.pid ? pid_find(h.pid) : task_current()->pid;

		if (!pid || !pid->task)
			break;
		c = pid->task->proc->creds;
		err = 0;
	}
	if (err || !data.va)
		return err;
	for (u32 i = 0; i < 2; i++)
		d[i] = (struct __user_cap_data_struct){
		        .effective = (u32)(c.caps >> 32 * i),
		        .permitted = (u32)(c.caps_permitted >> 32 * i),
		        .inheritable = (u32)(c.caps_inheritable >> 32 * i),
		};
	return copyout(data, d, (u32)words * sizeof(d[0]));
}

/* capset(2): no set grows beyond what was permitted. */
static int creds_set(struct creds *c, u64 effective, u64 permitted, u64 inheritable)
{
	if (inheritable & ~(c->caps_inheritable | c->caps_permitted) && !capable(CAP_SETPCAP))
		return -EPERM;
	if ((permitted & ~c->caps_permitted) || (effective & ~permitted))
		return -EPERM;
	c->caps = effective;
	c->caps_permitted = permitted;
	c->caps_inheritable = inheritable;
	return 0;
}

i64 sys_capset(uaddr_t header, uaddr_t data)
{
	struct __user_cap_data_struct d[2];
	struct __user_cap_header_struct h;
	int words = header_get(header, &h), err = 0;

	if (words < 0)
		return words;
	if (h.pid && h.pid != task_current()->pid->nr)
		return -EPERM;
	memset(d, 0, sizeof(d));
	if (copyin(d, data, (u32)words * sizeof(d[0])) < 0)
		return -EFAULT;
	WITH_LOCK (&proc_lock)
		err = creds_set(&proc_current()->creds,
		                (d[0].effective | (u64)d[1].effective << 32) & CAP_ALL,
		                (d[0].permitted | (u64)d[1].permitted << 32) & CAP_ALL,
		                (d[0].inheritable | (u64)d[1].inheritable << 32) & CAP_ALL);
	return err;
}
