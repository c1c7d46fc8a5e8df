/* Words of the kernel command line. */
#include "hal/base/cmdline.h"
#include "hal/base/string.h"

/* Reads one word, quotes taken away. */
struct reader {
	const char *p;
	bool quoted;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* reader_next => the word's next character; '\0' at its end */
static char reader_next(struct reader *r)
{
	while (*r->p == '"') {
		r->quoted = !r->quoted;
		r->p++;
	}
	if (!*r->p || (is_blank(*r->p) && !r->quoted))
		return '\0';
	return *r->p++;
}

static const char *skip_blanks(const char *p)
{
	while (is_blank(*p))
		p++;
	return p;
}

/* word_end: where the word at P ends. */
static const char *word_end(const char *p)
{
	struct reader r = {.p = p};

	while (reader_next(&r))
		;
	return r.p;
}

/* word_separator: the word at P is `--`. */
static bool word_separator(const char *p)
{
	return p[0] == '-' && p[1] == '-' && (!p[2] || is_blank(p[2]));
}

/* word_first, word_next: the kernel's own words. => NULL when there is no further one */
static const char *word_first(const char *cmdline)
{
	const char *p = skip_blanks(cmdline);

	return *p && !word_separator(p) ? p : NULL;
}

static const char *word_next(const char *p)
{
	return word_first(word_end(p));
}

/* word_match: the word that R reads begins with NAME; R stands behind it then. */
static bool word_match(struct reader *r, const char *name)
{
	for (; *name; name++)
		if (reader_next(r) != *name)
			return false;
	return true;
}

bool cmdline_has(const char *cmdline, const char *name)
{
	for (const char *p = word_first(cmdline); p; p = word_next(p)) {
		struct reader r = {.p = p};

		if (word_match(&r, name) && !reader_next(&r))
			return true;
	}
	return false;
}

isize_t cmdline_get(const char *cmdline, const char *name, char *ret, size_t size)
{
	struct reader value, end;
	bool found = false;
	size_t len = 0;

	for (const char *p = word_first(cmdline); p; p = word_next(p)) {
		struct reader r = {.p = p};

		if (word_match(&r, name) && reader_next(&r) == '=') {
			value = r;
			found = true;
		}
	}
	if (!found)
		return -1;
	for (end = value; reader_next(&end);)
		len++;
	if (len >= size)
		return -1;
	for (size_t i = 0; i < len; i++)
		ret[i] = reader_next(&value);
	ret[len] = '\0';
	return (isize_t)len;
}

/* copy_word: the word at P into BUF, terminated. => bytes used, 0 when it does not fit */
static size_t copy_word(const char *p, char *buf, size_t size)
{
	struct reader r = {.p = p};

	for (size_t n = 0; n < size; n++) {
		buf[n] = reader_next(&r);
		if (!buf[n])
			return n + 1;
	}
	return 0;
}

u32 cmdline_rest(const char *cmdline, char *buf, size_t size, char **argv, u32 max)
{
	const char *p = skip_blanks(cmdline);
	size_t used;
	u32 n;

	while (*p && !word_separator(p))
		p = skip_blanks(word_end(p));
	if (!*p)
		return 0;
	p = skip_blanks(p + 2);
	for (n = 0; n < max && *p; n++) {
		used = copy_word(p, buf, size);
		if (!used)
			break;
		argv[n] = buf;
		buf += used;
		size -= used;
		p = skip_blanks(word_end(p));
	}
	return n;
}
