/* Strings and memory. Copies of more than 32 bytes are `rep movsq` plus one unaligned word for the
 * tail; shorter ones load everything before they store anything, so overlap does not matter. */
#include "hal/base/string.h"

struct word16 {
	u16 v;
} __packed;
struct word32 {
	u32 v;
} __packed;
struct word64 {
	u64 v;
} __packed;

#define LOAD(type, p, off) (((const struct type *)((const char *)(p) + (off)))->v)
#define STORE(type, p, off) (((struct type *)((char *)(p) + (off)))->v)

void page_zero(void *page)
{
	size_t words = PAGE_SIZE / 8;

	__asm__ volatile("rep stosq" : "+D"(page), "+c"(words) : "a"(0UL) : "memory");
}

void page_copy(void *dst, const void *src)
{
	size_t words = PAGE_SIZE / 8;

	__asm__ volatile("rep movsq" : "+D"(dst), "+S"(src), "+c"(words)::"memory");
}

isize_t str_copy(char *dst, const char *src, size_t size)
{
	size_t i;

	for (i = 0; i + 1 < size && src[i]; i++)
		dst[i] = src[i];
	if (size)
		dst[i] = '\0';
	return size && !src[i] ? (isize_t)i : -1;
}

static u32 digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? (u32)(c - 'a' + 10) : 16;
}

bool str_to_u64(const char *s, u64 *ret_value, const char **ret_end)
{
	u32 base = 10;
	u64 v = 0;

	if (s[0] == '0' && (s[1] | 0x20) == 'x' && digit_value(s[2]) < 16) {
		base = 16;
		s += 2;
	}
	if (digit_value(*s) >= base)
		return false;
	for (; digit_value(*s) < base; s++)
		if (__builtin_mul_overflow(v, (u64)base, &v) ||
		    __builtin_add_overflow(v, (u64)digit_value(*s), &v))
			return false;
	*ret_value = v;
	*ret_end = s;
	return true;
}

#if !__STDC_HOSTED__

/* move_small: N <= 32, any overlap. */
static inline void move_small(void *dst, const void *src, size_t n)
{
	if (n >= 16) {
		u64 a = LOAD(word64, src, 0), b = LOAD(word64, src, 8);
		u64 c = LOAD(word64, src, n - 16), d = LOAD(word64, src, n - 8);

		STORE(word64, dst, 0) = a;
		STORE(word64, dst, 8) = b;
		STORE(word64, dst, n - 16) = c;
		STORE(word64, dst, n - 8) = d;
	} else if (n >= 8) {
		u64 a = LOAD(word64, src, 0), b = LOAD(word64, src, n - 8);

		STORE(word64, dst, 0) = a;
		STORE(word64, dst, n - 8) = b;
	} else if (n >= 4) {
		u32 a = LOAD(word32, src, 0), b = LOAD(word32, src, n - 4);

		STORE(word32, dst, 0) = a;
		STORE(word32, dst, n - 4) = b;
	} else if (n >= 2) {
		u16 a = LOAD(word16, src, 0), b = LOAD(word16, src, n - 2);

		STORE(word16, dst, 0) = a;
		STORE(word16, dst, n - 2) = b;
	} else if (n) {
		*(char *)dst = *(const char *)src;
	}
}

/* move_up: N > 32, DST below SRC or apart from it. The tail is read before the words before it are
 * written, and written after them. */
static inline void move_up(void *dst, const void *src, size_t n)
{
	u64 tail = LOAD(word64, src, n - 8);
	void *tail_dst = (char *)dst + n - 8;
	size_t words = n / 8;

	__asm__ volatile("rep movsq" : "+D"(dst), "+S"(src), "+c"(words)::"memory");
	STORE(word64, tail_dst, 0) = tail;
}

/* move_down: N > 32, DST above SRC. The mirror image of move_up. */
static inline void move_down(void *dst, const void *src, size_t n)
{
	u64 head = LOAD(word64, src, 0);

	for (size_t left = n; left >= 8; left -= 8)
		STORE(word64, dst, left - 8) = LOAD(word64, src, left - 8);
	STORE(word64, dst, 0) = head;
}

void *(memcpy)(void *restrict dst, const void *restrict src, size_t n)
{
	if (n <= 32)
		move_small(dst, src, n);
	else
		move_up(dst, src, n);
	return dst;
}

void *(memmove)(void *dst, const void *src, size_t n)
{
	if (n <= 32)
		move_small(dst, src, n);
	else if ((u64)dst - (u64)src >= n)
		move_up(dst, src, n);
	else
		move_down(dst, src, n);
	return dst;
}

void *(memset)(void *dst, int c, size_t n)
{
	u64 v = (u8)c * 0x0101010101010101UL;

	if (n < 8) {
		for (size_t i = 0; i < n; i++)
			((u8 *)dst)[i] = (u8)c;
		return dst;
	}
	if (n <= 32) {
		for (size_t i = 0; i + 8 < n; i += 8)
			STORE(word64, dst, i) = v;
	} else {
		void *p = dst;
		size_t words = n / 8;

		__asm__ volatile("rep stosq" : "+D"(p), "+c"(words) : "a"(v) : "memory");
	}
	STORE(word64, dst, n - 8) = v;
	return dst;
}

int(memcmp)(const void *a, const void *b, size_t n)
{
	const u8 *x = a, *y = b;

	for (; n >= 8 && LOAD(word64, x, 0) == LOAD(word64, y, 0); n -= 8) {
		x += 8;
		y += 8;
	}
	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

void *memchr(const void *s, int c, size_t n)
{
	for (const u8 *p = s; n; p++, n--)
		if (*p == (u8)c)
			return (void *)p;
	return NULL;
}

size_t(strlen)(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

size_t strnlen(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && s[n])
		n++;
	return n;
}

int strcmp(const char *a, const char *b)
{
	for (; *a && *a == *b; a++)
		b++;
	return (u8)*a - (u8)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n && *a && *a == *b; a++, n--)
		b++;
	return n ? (u8)*a - (u8)*b : 0;
}

char *strchr(const char *s, int c)
{
	for (; *s != (char)c; s++)
		if (!*s)
			return NULL;
	return (char *)s;
}

char *strrchr(const char *s, int c)
{
	const char *last = NULL;

	do {
		if (*s == (char)c)
			last = s;
	} while (*s++);
	return (char *)last;
}

#endif
