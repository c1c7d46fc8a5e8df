/* What the system is called: uname(2), /proc/version, /proc/sys/kernel. */
#pragma once

#include "hal/base/types.h"

#define UTS_NAME_MAX 64 /* bytes of a name, without the terminator */

extern const char uts_sysname[], uts_release[], uts_version[], uts_machine[];

/* uts_get_hostname: BUF holds UTS_NAME_MAX + 1 bytes. */
void uts_get_hostname(char *buf);
int uts_set_hostname(const char *name, size_t len); /* => 0; -EINVAL (too long) */
