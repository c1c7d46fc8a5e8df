/* Calls about the whole machine. */
#include "hal/base/log.h"
#include "hal/base/string.h"
#include "hal/cpu/random.h"
#include "hal/dev/power.h"
#include "hal/time/clock.h"
#include "kernel/abi/capability.h"
#include "kernel/proc/proc.h"
#include "kernel/sys/syscall.h"
#include "kernel/sys/uts.h"
#include "vm/frame.h"
#include "vm/kmem.h"
#include "vm/uaccess.h"

i64 sys_uname(uaddr_t buf)
{
	struct new_utsname u = {.domainname = "(none)"};

	str_copy(u.sysname, uts_sysname, sizeof(u.sysname));
	str_copy(u.release, uts_release, sizeof(u.release));
	str_copy(u.version, uts_version, sizeof(u.version));
	str_copy(u.machine, uts_machine, sizeof(u.machine));
	uts_get_hostname(u.nodename);
	return copyout(buf, &u, sizeof(u));
}

i64 sys_sethostname(uaddr_t name, u64 len)
{
	char copy[UTS_NAME_MAX];

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (len > sizeof(copy))
		return -EINVAL;
	return copyin(copy, name, len) < 0 ? -EFAULT : uts_set_hostname(copy, len);
}

i64 sys_sysinfo(uaddr_t info)
{
	struct sysinfo si = {0};
	struct sched_stats stats;

	sched_stats(&stats);
	si.uptime = (i64)(clock_mono() / NS_PER_SEC);
	for (u32 i = 0; i < 3; i++)
		si.loads[i] = stats.load[i];
	si.totalram = frame_total() * PAGE_SIZE;
	si.freeram = frame_free_count() * PAGE_SIZE;
	si.procs = (u16)proc_count();
	si.mem_unit = 1;
	return copyout(info, &si, sizeof(si));
}

/* What the log keeps, for dmesg. Types as syslog(2) numbers them. */
enum {
	SYSLOG_READ_ALL = 3,
	SYSLOG_CONSOLE_LEVEL = 8,
	SYSLOG_SIZE_UNREAD = 9,
	SYSLOG_SIZE_BUFFER = 10,
};

static i64 syslog_read(uaddr_t buf, int len)
{
	u64 pos = 0;
	char part[256];
	i64 done = 0;

	while (done < len) {
		size_t n = log_read(pos, part, MIN(sizeof(part), (size_t)(len - done)), &pos);

		if (n == 0)
			break;
		if (copyout(UADDR(buf.va + (u64)done), part, n) < 0)
			return -EFAULT;
		done += (i64)n;
	}
	return done;
}

i64 sys_syslog(int type, uaddr_t buf, int len)
{
	switch (type) {
	case SYSLOG_READ_ALL:
		return len < 0 ? -EINVAL : syslog_read(buf, len);
	case SYSLOG_CONSOLE_LEVEL:
		if (len < 1 || len > 8)
			return -EINVAL;
		if (!capable(CAP_SYSLOG))
			return -EPERM;
		log_set_level((enum log_level)(len - 1));
		return 0;
	case SYSLOG_SIZE_UNREAD:
		return 0;
	case SYSLOG_SIZE_BUFFER:
		return 64 * KIB;
	default:
		return type >= 0 && type <= 10 ? 0 : -EINVAL;
	}
}

i64 sys_reboot(u32 magic1, u32 magic2, u32 cmd, uaddr_t arg)
{
	if (!capable(CAP_SYS_BOOT))
		return -EPERM;
	if (magic1 != LINUX_REBOOT_MAGIC1 ||
	    (magic2 != LINUX_REBOOT_MAGIC2 && magic2 != LINUX_REBOOT_MAGIC2A &&
	     magic2 != LINUX_REBOOT_MAGIC2B && magic2 != LINUX_REBOOT_MAGIC2C))
		return -EINVAL;
	switch (cmd) {
	case LINUX_REBOOT_CMD_RESTART:
	case LINUX_REBOOT_CMD_RESTART2:
		power_restart();
	case LINUX_REBOOT_CMD_HALT:
	case LINUX_REBOOT_CMD_POWER_OFF:
		power_off(0);
	case LINUX_REBOOT_CMD_CAD_ON:
	case LINUX_REBOOT_CMD_CAD_OFF:
		return 0; /* there is no Ctrl-Alt-Del to switch */
	default:
		return -EINVAL;
	}
}

i64 sys_getrandom(uaddr_t buf, u64 count, u32 flags)
{
	u8 part[256];
	u64 done = 0;

	if (flags & ~(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE))
		return -EINVAL;
	count = MIN(count, 0x7fffffffUL);
	while (done < count) {
		size_t n = MIN(sizeof(part), count - done);

		random_bytes(part, n);
		if (copyout(UADDR(buf.va + done), part, n) < 0)
			return done ? (i64)done : -EFAULT;
		done += n;
		if (done % (64 * KIB) == 0 && thread_interrupted(WAIT_INTERRUPTIBLE))
			break;
	}
	return (i64)done;
}

#ifdef BULKHEAD_TESTING
/* Mission I1: one process shows where its secret lies, another is told. The number alone is shared. */
static u64 shared_address; /* [atomic] */

i64 sys_test_share(u64 address)
{
	atomic_store(&shared_address, address);
	return 0;
}

i64 sys_test_fetch(void)
{
	return (i64)atomic_load(&shared_address);
}
#endif
