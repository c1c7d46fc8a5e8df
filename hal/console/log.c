/* The log: a ring of text, and the sinks it is handed to.
 *
 * L1: ring_end counts every byte ever logged; the ring holds the last RING_SIZE of them.
 * L2: what the ring holds from log_oldest() on is whole lines "<level>text\n". */
#define HAL_CONSOLE
#include "hal/base/log.h"
#include "hal/base/atomic.h"
#include "hal/base/printf.h"
#include "hal/base/string.h"
#include "hal/console/internal.h"
#include "hal/time/clock.h"

#define RING_SIZE (64 * KIB)
#define PREFIX_LEN 3 /* "<6>" */

static struct spinlock log_lock = SPINLOCK_INIT("log", RANK_LOG);
static char ring[RING_SIZE];     /* [log lock] */
static u64 ring_end;             /* [log lock] */
static char line[LOG_LINE_MAX];  /* [log lock] the line being made */
static struct log_sink *sinks;   /* [log lock] */
static u32 log_level = LOG_INFO; /* atomic */

bool console_forced;

static char ring_at(u64 pos)
{
	return ring[pos % RING_SIZE];
}

static void ring_put(const char *text, size_t n)
{
	size_t at = ring_end % RING_SIZE, first = MIN(n, RING_SIZE - at);

	memcpy(ring + at, text, first);
	memcpy(ring, text + first, n - first);
	ring_end += n;
}

static size_t ring_copy(u64 pos, char *buf, size_t n)
{
	size_t at = pos % RING_SIZE, first = MIN(n, RING_SIZE - at);

	memcpy(buf, ring + at, first);
	memcpy(buf + first, ring, n - first);
	return n;
}

/* log_oldest: where the oldest whole line begins. */
static u64 log_oldest(void)
{
	u64 pos;

	if (ring_end <= RING_SIZE)
		return 0;
	for (pos = ring_end - RING_SIZE; ring_at(pos) != '\n'; pos++)
		;
	return pos + 1;
}

/* line_sanitize: text may come from ring 3 (a program's name): no escape sequences in it. */
static void line_sanitize(char *s, size_t n)
{
	for (; n; s++, n--)
		if (((u8)*s < ' ' && *s != '\t') || *s == 0x7f)
			*s = '?';
}

/* line_format: "<level>[seconds.micros] text\n" into `line`. => its length */
static size_t line_format(enum log_level level, const char *fmt, va_list ap)
{
	size_t room = sizeof(line) - 1; /* one byte for the newline */
	u64 us = clock_mono() / NS_PER_USEC;
	int n = ksnprintf(line, room, "<%u>", (unsigned)level);

	if (us)
		n += ksnprintf(line + n, room - n, "[%5lu.%06lu] ", us / 1000000, us % 1000000);
	n += kvsnprintf(line + n, room - n, fmt, ap);
	n = MIN(n, (int)room - 1);
	line_sanitize(line, n);
	line[n] = '\n';
	return n + 1;
}

static void sink_replay(struct log_sink *s)
{
	u64 end = ring_end;

	for (u64 pos = log_oldest(), next; pos < end; pos = next) {
		for (next = pos; ring_at(next) != '\n'; next++)
			;
		next++;
		if ((u32)(ring_at(pos + 1) - '0') > atomic_load(&log_level))
			continue;
		ring_copy(pos, line, next - pos);
		s->write(s, line + PREFIX_LEN, next - pos - PREFIX_LEN);
	}
}

void klog(enum log_level level, const char *fmt, ...)
{
	bool irq = console_lock(&log_lock);
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	n = line_format(level, fmt, ap);
	va_end(ap);
	ring_put(line, n);
	if (level <= atomic_load(&log_level))
		for (struct log_sink *s = sinks; s; s = s->next)
			s->write(s, line + PREFIX_LEN, n - PREFIX_LEN);
	console_unlock(&log_lock, irq);
}

void log_add_sink(struct log_sink *s)
{
	bool irq = console_lock(&log_lock);

	sink_replay(s);
	s->next = sinks;
	sinks = s;
	console_unlock(&log_lock, irq);
}

void log_set_level(enum log_level level)
{
	atomic_store(&log_level, (u32)level);
}

size_t log_read(u64 pos, char *buf, size_t size, u64 *ret_pos)
{
	bool irq = console_lock(&log_lock);
	size_t n;

	pos = MIN(MAX(pos, log_oldest()), ring_end);
	n = ring_copy(pos, buf, MIN(size, ring_end - pos));
	console_unlock(&log_lock, irq);
	*ret_pos = pos + n;
	return n;
}

void log_force_unlock(void)
{
	console_forced = true;
}
