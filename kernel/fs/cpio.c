/* Reading cpio archives: every length and offset is checked against what is left before it is used. */
#include "kernel/fs/cpio.h"
#include "hal/base/string.h"
#include "kernel/abi/errno.h"

#define HEADER_SIZE 110U /* a magic of 6 and 13 fields of 8 hexadecimal digits */
#define MAGIC_SIZE 6U
#define FIELD_SIZE 8U
#define PATH_LONGEST 4095U

enum field {
	F_INO,
	F_MODE,
	F_UID,
	F_GID,
	F_NLINK,
	F_MTIME,
	F_FILESIZE,
	F_DEVMAJOR,
	F_DEVMINOR,
	F_RDEVMAJOR,
	F_RDEVMINOR,
	F_NAMESIZE,
	F_CHECK,
	FIELDS
};

void cpio_open(struct cpio_reader *r, const void *data, size_t size)
{
	*r = (struct cpio_reader){.data = data, .size = size};
}

static int fail(struct cpio_reader *r, size_t at, const char *what)
{
	r->error = what;
	r->error_at = at;
	return -EINVAL;
}

static u32 hex_digit(u8 c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10U : 16;
}

/* field_parse: => false: not eight hexadecimal digits */
static bool field_parse(const u8 *s, u32 *ret)
{
	u32 v = 0;

	for (u32 i = 0; i < FIELD_SIZE; i++) {
		u32 d = hex_digit(s[i]);

		if (d > 15)
			return false;
		v = v << 4 | d;
	}
	*ret = v;
	return true;
}

static int header_parse(struct cpio_reader *r, u32 fields[FIELDS])
{
	const u8 *s = r->data + r->pos;

	if (r->size - r->pos < MAGIC_SIZE)
		return fail(r, r->size, "cut off in a header");
	if (memcmp(s, "070701", MAGIC_SIZE) && memcmp(s, "070702", MAGIC_SIZE))
		return fail(r, r->pos, "no cpio header (\"newc\" format)");
	if (r->size - r->pos < HEADER_SIZE)
		return fail(r, r->size, "cut off in a header");
	for (u32 i = 0; i < FIELDS; i++)
		if (!field_parse(s + MAGIC_SIZE + i * FIELD_SIZE, &fields[i]))
			return fail(r, r->pos + MAGIC_SIZE + i * FIELD_SIZE, "no hexadecimal number");
	return 0;
}

/* name_parse: *RET_END is where the data begin. */
static int name_parse(struct cpio_reader *r, u32 size, const char **ret, size_t *ret_end)
{
	size_t start = r->pos + HEADER_SIZE, end;
	const char *name = (const char *)r->data + start;

	if (!size)
		return fail(r, r->pos, "an empty name");
	if (size > r->size - start)
		return fail(r, r->size, "cut off in a name");
	if (name[size - 1])
		return fail(r, start + size - 1, "a name without its end");
	if (strlen(name) > PATH_LONGEST)
		return fail(r, start, "a name that is too long");
	end = ALIGN_UP(start + size, 4UL);
	if (end > r->size)
		return fail(r, r->size, "cut off behind a name");
	*ret = name;
	*ret_end = end;
	return 0;
}

/* name_check: no way out of the root. */
static int name_check(struct cpio_reader *r, const char *name)
{
	for (const char *s = name; *s; s++)
		if (s[0] == '.' && s[1] == '.' && (!s[2] || s[2] == '/') && (s == name || s[-1] == '/'))
			return fail(r, (const u8 *)s - r->data, "\"..\" in a name");
	return 0;
}

static const char *name_strip(const char *name)
{
	for (;;) {
		while (*name == '/')
			name++;
		if (name[0] != '.' || (name[1] && name[1] != '/'))
			return name;
		name++;
	}
}

/* zeroes_skip: what may lie between two archives. => whether there is anything behind */
static bool zeroes_skip(struct cpio_reader *r)
{
	while (r->pos < r->size && !r->data[r->pos])
		r->pos++;
	return r->pos < r->size;
}

static int data_check(struct cpio_reader *r, size_t start, u32 size, size_t *ret_next)
{
	if (size > r->size - start)
		return fail(r, r->size, "cut off in a file's data");
	/* the padding of the very last file need not be there, but its trailer has to follow anyway */
	*ret_next = ALIGN_UP(start + size, 4UL);
	if (*ret_next > r->size)
		return fail(r, r->size, "cut off behind a file's data");
	return 0;
}

static void entry_fill(struct cpio_entry *e, const u32 f[FIELDS])
{
	e->mode = f[F_MODE];
	e->uid = f[F_UID];
	e->gid = f[F_GID];
	e->nlink = f[F_NLINK];
	e->mtime = f[F_MTIME];
	e->size = f[F_FILESIZE];
	e->id = ((u64)f[F_DEVMAJOR] << 20 ^ f[F_DEVMINOR]) << 32 | f[F_INO];
	e->rdev = (f[F_RDEVMAJOR] << 8) | (f[F_RDEVMINOR] & 0xff) | ((f[F_RDEVMINOR] & ~0xffU) << 12);
}

/* entry_parse => 1; 0: it was the trailer; -EINVAL */
static int entry_parse(struct cpio_reader *r, struct cpio_entry *e)
{
	u32 fields[FIELDS];
	size_t data, next;
	int err;

	if ((err = header_parse(r, fields)) < 0 ||
	    (err = name_parse(r, fields[F_NAMESIZE], &e->name, &data)) < 0 ||
	    (err = name_check(r, e->name)) < 0 || (err = data_check(r, data, fields[F_FILESIZE], &next)) < 0)
		return err;
	e->at = r->pos;
	e->data = r->data + data;
	entry_fill(e, fields);
	r->pos = next;
	if (!strcmp(e->name, "TRAILER!!!"))
		return 0;
	e->name = name_strip(e->name);
	return 1;
}

int cpio_next(struct cpio_reader *r, struct cpio_entry *ret)
{
	int more;

	if (!r->pos && !zeroes_skip(r))
		return r->size ? fail(r, 0, "nothing but zeroes") : 0;
	for (;;) {
		if (r->pos >= r->size)
			return fail(r, r->size, "ends without a trailer");
		if ((more = entry_parse(r, ret)))
			return more;
		if (!zeroes_skip(r))
			return 0;
	}
}
