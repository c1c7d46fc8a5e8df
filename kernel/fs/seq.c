/* Text that grows while it is written. */
#include "kernel/fs/seq.h"
#include "hal/base/printf.h"
#include "hal/base/string.h"
#include "vm/kmem.h"

#define SEQ_START 512UL

void seq_init(struct seq *s)
{
	*s = (struct seq){NULL, 0, 0, false};
}

void seq_free(struct seq *s)
{
	kfree(s->buf);
	seq_init(s);
}

/* seq_reserve: room for N bytes and a terminator. */
static bool seq_reserve(struct seq *s, size_t n)
{
	size_t size = MAX(s->size, SEQ_START);
	char *buf;

	if (s->failed || s->len + n < s->size)
		return !s->failed;
	while (size <= s->len + n)
		size *= 2;
	if (!(buf = kmalloc(size))) {
		s->failed = true;
		return false;
	}
	if (s->len)
		memcpy(buf, s->buf, s->len);
	kfree(s->buf);
	s->buf = buf;
	s->size = size;
	return true;
}

void seq_printf(struct seq *s, const char *fmt, ...)
{
	size_t room = s->size - s->len;
	va_list ap, again;
	size_t n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = kvsnprintf(s->buf ? s->buf + s->len : NULL, room, fmt, ap);
	if (n >= room && seq_reserve(s, n))
		kvsnprintf(s->buf + s->len, n + 1, fmt, again);
	if (!s->failed)
		s->len += n;
	va_end(again);
	va_end(ap);
}

void seq_write(struct seq *s, const void *data, size_t n)
{
	if (!seq_reserve(s, n))
		return;
	memcpy(s->buf + s->len, data, n);
	s->len += n;
}

void seq_escape(struct seq *s, const char *text)
{
	for (; *text; text++) {
		u8 c = *text;

		if (c == ' ' || c == '\t' || c == '\n' || c == '\\')
			seq_printf(s, "\\%u%u%u", c >> 6, c >> 3 & 7, c & 7);
		else
			seq_write(s, text, 1);
	}
}
