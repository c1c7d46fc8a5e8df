/* Formatted output. */
#include "hal/base/printf.h"
#include "hal/base/string.h"

struct output {
	char *buf;
	size_t size; /* bytes of buf */
	size_t len;  /* of the whole text, which may not fit */
};

enum int_size {
	SIZE_CHAR,
	SIZE_SHORT,
	SIZE_INT,
	SIZE_LONG
};

/* One conversion: %[-0][width][.precision][size]type */
struct spec {
	bool left, zero;
	int width;
	int precision; /* -1: none given */
	enum int_size size;
};

static void put_char(struct output *o, char c)
{
	if (o->len + 1 < o->size)
		o->buf[o->len] = c;
	o->len++;
}

static void put_fill(struct output *o, char c, int n)
{
	for (; n > 0; n--)
		put_char(o, c);
}

static void put_text(struct output *o, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		put_char(o, s[i]);
}

static void put_string(struct output *o, const struct spec *sp, const char *s)
{
	size_t n;

	if (!s)
		s = "(null)";
	n = sp->precision >= 0 ? strnlen(s, sp->precision) : strlen(s);
	if (!sp->left)
		put_fill(o, ' ', sp->width - (int)n);
	put_text(o, s, n);
	if (sp->left)
		put_fill(o, ' ', sp->width - (int)n);
}

/* put_number: PREFIX ("", "-" or "0x"), zeroes as width or precision want them, digits. */
static void put_number(struct output *o, const struct spec *sp, const char *prefix, u64 v, u32 base,
                       const char *digits)
{
	char text[20]; /* 2^64 - 1 has 20 decimal digits */
	size_t at = sizeof(text), prefix_len = strlen(prefix);
	int len, zeroes;

	for (; v; v /= base)
		text[--at] = digits[v % base];
	len = sizeof(text) - at;
	zeroes = MAX(sp->precision >= 0 ? sp->precision : 1, len) - len;
	if (sp->zero && !sp->left && sp->precision < 0)
		zeroes = MAX(zeroes, sp->width - (int)prefix_len - len);
	len += zeroes + (int)prefix_len;

	if (!sp->left)
		put_fill(o, ' ', sp->width - len);
	put_text(o, prefix, prefix_len);
	put_fill(o, '0', zeroes);
	put_text(o, text + at, sizeof(text) - at);
	if (sp->left)
		put_fill(o, ' ', sp->width - len);
}

/* A va_list inside a structure can be passed on by pointer on every ABI. */
struct args {
	va_list ap;
};

static i64 arg_signed(struct args *a, enum int_size size)
{
	if (size == SIZE_LONG)
		return va_arg(a->ap, i64);
	int v = va_arg(a->ap, int);
	return size == SIZE_CHAR ? (i8)v : size == SIZE_SHORT ? (i16)v : v;
}

static u64 arg_unsigned(struct args *a, enum int_size size)
{
	if (size == SIZE_LONG)
		return va_arg(a->ap, u64);
	unsigned v = va_arg(a->ap, unsigned);
	return size == SIZE_CHAR ? (u8)v : size == SIZE_SHORT ? (u16)v : v;
}

/* parse_count: a number, or `*` for an argument. */
static int parse_count(const char **fmt, struct args *a)
{
	int v = 0;

	if (**fmt == '*') {
		(*fmt)++;
		return va_arg(a->ap, int);
	}
	for (; **fmt >= '0' && **fmt <= '9'; (*fmt)++)
		if (v < 10000)
			v = v * 10 + (**fmt - '0');
	return v;
}

/* parse_spec => the conversion character; *fmt stands behind it */
static char parse_spec(const char **fmt, struct args *a, struct spec *ret)
{
	struct spec sp = {.precision = -1, .size = SIZE_INT};

	for (; **fmt == '-' || **fmt == '0'; (*fmt)++) {
		sp.left |= **fmt == '-';
		sp.zero |= **fmt == '0';
	}
	sp.width = parse_count(fmt, a);
	if (sp.width < 0) {
		sp.left = true;
		sp.width = -sp.width;
	}
	if (**fmt == '.') {
		(*fmt)++;
		sp.precision = parse_count(fmt, a);
	}
	for (;; (*fmt)++) {
		if (**fmt == 'h')
			sp.size = sp.size == SIZE_INT ? SIZE_SHORT : SIZE_CHAR;
		else if (**fmt == 'l' || **fmt == 'z')
			sp.size = SIZE_LONG;
		else
			break;
	}
	*ret = sp;
	return **fmt ? *(*fmt)++ : '\0';
}

static void put_signed(struct output *o, const struct spec *sp, i64 v)
{
	put_number(o, sp, v < 0 ? "-" : "", v < 0 ? -(u64)v : (u64)v, 10, "0123456789");
}

static void put_conversion(struct output *o, char type, struct spec *sp, struct args *a)
{
	char c;

	switch (type) {
	case 'd':
	case 'i':
		put_signed(o, sp, arg_signed(a, sp->size));
		break;
	case 'u':
		put_number(o, sp, "", arg_unsigned(a, sp->size), 10, "0123456789");
		break;
	case 'x':
		put_number(o, sp, "", arg_unsigned(a, sp->size), 16, "0123456789abcdef");
		break;
	case 'X':
		put_number(o, sp, "", arg_unsigned(a, sp->size), 16, "0123456789ABCDEF");
		break;
	case 'p':
		put_number(o, sp, "0x", (u64)va_arg(a->ap, void *), 16, "0123456789abcdef");
		break;
	case 'c':
		c = (char)va_arg(a->ap, int);
		if (!sp->left)
			put_fill(o, ' ', sp->width - 1);
		put_char(o, c);
		if (sp->left)
			put_fill(o, ' ', sp->width - 1);
		break;
	case 's':
		put_string(o, sp, va_arg(a->ap, const char *));
		break;
	default: /* %%, and what is unknown shows as itself */
		if (type)
			put_char(o, type);
	}
}

int kvsnprintf(char *buf, size_t size, const char *fmt, va_list ap)
{
	struct output o = {.buf = buf, .size = size};
	struct args a;
	struct spec sp;

	va_copy(a.ap, ap);
	while (*fmt) {
		if (*fmt != '%') {
			put_char(&o, *fmt++);
			continue;
		}
		fmt++;
		char type = parse_spec(&fmt, &a, &sp);
		put_conversion(&o, type, &sp, &a);
	}
	va_end(a.ap);
	if (size)
		buf[MIN(o.len, size - 1)] = '\0';
	return (int)o.len;
}

int ksnprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = kvsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return n;
}
