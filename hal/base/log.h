/* The one log (leaf). Levels as Linux numbers them; lines go to a ring in memory and, from the
 * console level up, to the consoles that registered. Callable from anywhere, interrupts included,
 * once this CPU has its %gs. A line is at most LOG_LINE_MAX bytes long, its time stamp included;
 * control characters in it are shown as '?'. */
#pragma once

#include "hal/base/types.h"

#define LOG_LINE_MAX 512

enum log_level {
	LOG_PANIC = 0,
	LOG_ERROR = 3,
	LOG_WARN = 4,
	LOG_NOTICE = 5,
	LOG_INFO = 6,
	LOG_DEBUG = 7,
};

/* klog: one line; the newline is added. Kernel addresses do not belong here (V9). */
void klog(enum log_level level, const char *fmt, ...) __printf(2, 3);

/* log_sink: WRITE gets finished text (with "\n"), with the log's lock held: it may not sleep or
 * log. */
struct log_sink {
	void (*write)(struct log_sink *s, const char *text, size_t len);
	struct log_sink *next; /* [log lock] */
};

/* log_add_sink: S gets what the ring holds already, as far as the level lets it, and each line from
 * now on. */
void log_add_sink(struct log_sink *s);

/* log_set_level: lines at LEVEL or more urgent reach the sinks. Default LOG_INFO; "quiet" is
 * LOG_WARN. */
void log_set_level(enum log_level level);

/* log_read: copy up to SIZE bytes of the ring, oldest first, from absolute position POS; one that
 * was overwritten means the oldest line there is. Lines begin with their level as "<6>".
 * => bytes copied; *ret_pos is where to go on. For syslog(2) and /dev/kmsg. */
size_t log_read(u64 pos, char *buf, size_t size, u64 *ret_pos);

/* log_force_unlock: for panic only, which must print although another holder may be stuck: from
 * here on the log and the consoles below it take no lock. */
void log_force_unlock(void);
