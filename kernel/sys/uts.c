/* What the system is called. Programs compare the release with Linux's, whose calls these are. */
#include "kernel/sys/uts.h"
#include "hal/base/string.h"
#include "hal/cpu/spinlock.h"
#include "kernel/abi/errno.h"

const char uts_sysname[] = "Linux";
const char uts_release[] = "6.1.0-bulkhead";
const char uts_version[] = "#1 SMP PREEMPT Bulkhead";
const char uts_machine[] = "x86_64";

static struct spinlock name_lock = SPINLOCK_INIT("hostname", RANK_FILE);
static char hostname[UTS_NAME_MAX + 1] = "bulkhead"; /* [name_lock] */

void uts_get_hostname(char *buf)
{
	spin_lock(&name_lock);
	memcpy(buf, hostname, sizeof(hostname));
	spin_unlock(&name_lock);
}

int uts_set_hostname(const char *name, size_t len)
{
	if (len > UTS_NAME_MAX)
		return -EINVAL;
	spin_lock(&name_lock);
	memset(hostname, 0, sizeof(hostname));
	memcpy(hostname, name, len);
	spin_unlock(&name_lock);
	return 0;
}
