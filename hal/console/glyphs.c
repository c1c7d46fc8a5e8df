/* The font: PC Screen Font, versions 1 and 2 (kbd's psf.h describes both). */
#define HAL_CONSOLE
#include "hal/console/internal.h"
#include "hal/base/string.h"

extern const u8 font_start[], font_end[]; /* font.S */

struct psf1_header {
	u8 magic[2]; /* 0x36 0x04 */
	u8 mode;
	u8 height; /* and bytes of a glyph */
} __packed;
#define PSF1_512 BIT(0)
#define PSF1_UNICODE (BIT(1) | BIT(2))
#define PSF1_END 0xffff      /* of one glyph's list */
#define PSF1_SEQUENCE 0xfffe /* combined characters follow, which are not used here */

struct psf2_header {
	u8 magic[4]; /* 0x72 0xb5 0x4a 0x86 */
	u32 version, header_bytes, flags, count, glyph_bytes, height, width;
} __packed;
#define PSF2_UNICODE BIT(0)
#define PSF2_END 0xff
#define PSF2_SEQUENCE 0xfe

#define CODE_POINTS 0x2600 /* Latin, Greek, Cyrillic, arrows, box drawing, blocks */

static u16 glyph_of[CODE_POINTS]; /* [I] index plus one; 0: the font has none */
static u32 glyph_unknown;         /* [I] */

static void map_add(u32 code_point, u32 glyph)
{
	if (code_point < CODE_POINTS && !glyph_of[code_point])
		glyph_of[code_point] = glyph + 1;
}

static void map_psf1(const u8 *p, u32 count)
{
	for (u32 glyph = 0; glyph < count; glyph++) {
		bool single = true;

		for (; p + 2 <= font_end; p += 2) {
			u32 c = p[0] | p[1] << 8;

			if (c == PSF1_END)
				break;
			single = single && c != PSF1_SEQUENCE;
			if (single)
				map_add(c, glyph);
		}
		p += 2;
	}
}

/* utf8_read: one code point at *P; a byte that begins none stands for itself. */
static u32 utf8_read(const u8 **p)
{
	u32 c = *(*p)++, more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0;

	if (more)
		c &= 0x3f >> more;
	for (; more && *p < font_end; more--)
		c = c << 6 | (*(*p)++ & 0x3f);
	return c;
}

static void map_psf2(const u8 *p, u32 count)
{
	for (u32 glyph = 0; glyph < count; glyph++) {
		bool single = true;

		while (p < font_end && *p != PSF2_END) {
			if (*p == PSF2_SEQUENCE) {
				single = false;
				p++;
				continue;
			}
			u32 c = utf8_read(&p);
			if (single)
				map_add(c, glyph);
		}
		p++;
	}
}

static void map_identity(u32 count)
{
	for (u32 c = 0; c < MIN(count, 256U); c++)
		map_add(c, c);
}

static bool font_open1(struct font *ret)
{
	const struct psf1_header *h = (const void *)font_start;
	u32 count = h->mode & PSF1_512 ? 512 : 256;
	const u8 *end = font_start + sizeof(*h) + (size_t)count * h->height;

	if (!h->height || end > font_end)
		return false;
	*ret = (struct font){font_start + sizeof(*h), count, 8, h->height, 1, h->height};
	if (h->mode & PSF1_UNICODE)
		map_psf1(end, count);
	else
		map_identity(count);
	return true;
}

static bool font_open2(struct font *ret)
{
	const struct psf2_header *h = (const void *)font_start;
	const u8 *glyphs = font_start + h->header_bytes;
	u64 bytes = (u64)h->count * h->glyph_bytes;
	u32 row = DIV_UP(h->width, 8);

	if (!h->height || !row || h->glyph_bytes < (u64)row * h->height ||
	    h->header_bytes + bytes > (u64)(font_end - font_start))
		return false;
	*ret = (struct font){glyphs, h->count, h->width, h->height, row, h->glyph_bytes};
	if (h->flags & PSF2_UNICODE)
		map_psf2(glyphs + bytes, h->count);
	else
		map_identity(h->count);
	return true;
}

bool font_init(struct font *ret)
{
	static const u8 magic1[] = {0x36, 0x04}, magic2[] = {0x72, 0xb5, 0x4a, 0x86};
	size_t size = font_end - font_start;
	bool ok = false;

	if (size > sizeof(struct psf1_header) && !memcmp(font_start, magic1, sizeof(magic1)))
		ok = font_open1(ret);
	else if (size > sizeof(struct psf2_header) && !memcmp(font_start, magic2, sizeof(magic2)))
		ok = font_open2(ret);
	if (ok)
		glyph_unknown = glyph_of['?'] ? glyph_of['?'] - 1 : 0;
	return ok;
}

u32 font_glyph(u32 code_point)
{
	if (code_point < CODE_POINTS && glyph_of[code_point])
		return glyph_of[code_point] - 1;
	return glyph_unknown;
}
