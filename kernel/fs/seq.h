/* Text that grows while it is written, for the files of procfs. Callable with spinlocks held. */
#pragma once

#include "hal/base/types.h"

struct seq {
	char *buf;
	size_t len, size; /* bytes */
	bool failed;      /* out of memory: what followed is missing */
};

void seq_init(struct seq *s);
void seq_free(struct seq *s);
void seq_printf(struct seq *s, const char *fmt, ...) __printf(2, 3);
void seq_write(struct seq *s, const void *data, size_t n);

/* seq_escape: TEXT with blanks, tabs, newlines and backslashes as octal numbers (/proc/mounts). */
void seq_escape(struct seq *s, const char *text);
