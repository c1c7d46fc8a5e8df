/* Text console on a linear frame buffer: draws what the terminal's screen (vt.h) holds.
 *
 * F1: drawn[] is what the frame buffer shows. A write changes the terminal's cells only; at its end fb_refresh
 *     draws those that differ. So however much a write scrolls, each cell is drawn at most once. */
#define HAL_CONSOLE
#include "hal/console/internal.h"
#include "hal/console/console.h"
#include "hal/console/vt.h"
#include "hal/base/atomic.h"
#include "hal/base/string.h"
#include "hal/upcall.h"

/* One screen; all of it under `lock` unless marked. */
static struct screen {
	struct chardev dev; /* [I] */
	struct log_sink sink;
	struct spinlock lock;
	bool present;     /* [I] */
	struct font font; /* [I] */
	u8 *base;         /* [I] the frame buffer */
	u32 stride;       /* [I] bytes from a line to the next */
	u32 scale;        /* [I] screen pixels to a font's pixel: 1 or 2 */
	u32 cell_width;   /* [I] bytes */
	u32 cell_height;  /* [I] lines */
	u32 palette[16];  /* [I] as the frame buffer wants them */
	u32 shown_y;      /* the row that shows the cursor */
	struct vt vt;
	u32 drawn[VT_MAX_ROWS][VT_MAX_COLS] __aligned(8);
} screen;

/* --- drawing -------------------------------------------------------------------------------- */

/* draw_narrow: a glyph 8 pixels wide, unscaled: the common case. PAIR: two pixels by two bits. */
static void draw_narrow(const struct screen *s, u8 *line, const u8 *bits, const u64 *pair)
{
	u32 stride = s->stride;

	for (const u8 *end = bits + s->font.height; bits < end; bits++, line += stride) {
		u64 *out = (u64 *)line;
		u32 b = *bits;

		out[0] = pair[b >> 6];
		out[1] = pair[b >> 4 & 3];
		out[2] = pair[b >> 2 & 3];
		out[3] = pair[b & 3];
	}
}

/* draw_scaled: any width, each pixel `scale` times as wide and high. */
static void draw_scaled(const struct screen *s, u8 *line, const u8 *bits, const u64 *pair)
{
	for (u32 y = 0; y < s->font.height * s->scale; y++, line += s->stride) {
		const u8 *row = bits + y / s->scale * s->font.row_bytes;
		u32 *out = (u32 *)line;

		for (u32 x = 0; x < s->font.row_bytes * 8; x++)
			for (u32 n = 0; n < s->scale; n++)
				*out++ = pair[row[x / 8] >> (7 - x % 8) & 1 ? 3 : 0];
	}
}

/* draw_underline: in the next to last line of the glyph. PAIR: two pixels of the letter's colour. */
static void draw_underline(const struct screen *s, u8 *cell, u64 pair)
{
	for (u32 y = s->cell_height - 2 * s->scale; y < s->cell_height - s->scale; y++) {
		u64 *out = (u64 *)(cell + (u64)y * s->stride);

		for (u32 i = 0; i < s->cell_width / sizeof(*out); i++)
			out[i] = pair;
	}
}

static void draw_cell(const struct screen *s, u32 row, u32 col, u32 cell)
{
	u64 fg = s->palette[cell >> VT_FG_SHIFT & 15], bg = s->palette[cell >> VT_BG_SHIFT & 15];
	const u8 *bits = s->font.glyphs + font_glyph(VT_CHAR(cell)) * s->font.glyph_bytes;
	u8 *line = s->base + (u64)row * s->cell_height * s->stride + col * s->cell_width;
	u64 pair[4];

	if (cell & VT_CURSOR) {
		u64 swap = fg;

		fg = bg;
		bg = swap;
	}
	pair[0] = bg | bg << 32;
	pair[1] = bg | fg << 32;
	pair[2] = fg | bg << 32;
	pair[3] = fg | fg << 32;
	if (s->scale == 1 && s->font.row_bytes == 1)
		draw_narrow(s, line, bits, pair);
	else
		draw_scaled(s, line, bits, pair);
	if (cell & VT_UNDERLINE)
		draw_underline(s, line, pair[3]);
}

static void refresh_row(struct screen *s, u32 row)
{
	const u32 *cells = vt_row(&s->vt, row);
	const u64 *want = (const u64 *)cells, *have = (const u64 *)s->drawn[row];
	u32 cols = s->vt.cols;

	for (u32 pair = 0; pair * 2 < cols; pair++) {
		if (likely(want[pair] == have[pair]))
			continue;
		for (u32 col = pair * 2; col < MIN(pair * 2 + 2, cols); col++)
			if (s->drawn[row][col] != cells[col]) {
				s->drawn[row][col] = cells[col];
				draw_cell(s, row, col, cells[col]);
			}
	}
}

/* fb_refresh: the cursor is a bit of the cell that it stands on, just while this compares. */
static void fb_refresh(struct screen *s)
{
	struct vt *v = &s->vt;
	u32 y = v->now.y, *cell = vt_row(v, y) + vt_cursor_column(v);

	if (v->cursor_on)
		*cell |= VT_CURSOR;
	for (u32 row = v->dirty_first; row < v->dirty_end; row++)
		refresh_row(s, row);
	refresh_row(s, s->shown_y);
	refresh_row(s, y);
	*cell &= ~VT_CURSOR;
	s->shown_y = y;
	vt_clean(v);
}

/* --- the device ------------------------------------------------------------------------------ */

/* fb_answer: what the terminal answers to a program comes in as if it had been typed. */
static void fb_answer(struct screen *s, const u8 *bytes, size_t n)
{
	for (size_t done = 0, part; done < n && s->dev.rx; done += part) {
		part = MIN(n - done, (size_t)CHARDEV_RX_BATCH);
		s->dev.rx(s->dev.arg, bytes + done, part);
	}
}

static size_t fb_write(struct chardev *d, const char *buf, size_t n)
{
	struct screen *s = &screen;
	bool irq = console_lock(&s->lock);
	u8 answer[sizeof(s->vt.reply)];
	size_t len;

	vt_write(&s->vt, (const u8 *)buf, n);
	len = vt_take_reply(&s->vt, answer);
	fb_refresh(s);
	console_unlock(&s->lock, irq);
	fb_answer(s, answer, len);
	return n;
}

static void fb_sink_write(struct log_sink *sink, const char *text, size_t n)
{
	struct screen *s = &screen;
	bool irq = console_lock(&s->lock);

	vt_log(&s->vt, text, n);
	fb_refresh(s);
	console_unlock(&s->lock, irq);
}

static bool fb_drained(struct chardev *d)
{
	return true;
}

static void fb_throttle(struct chardev *d, bool on)
{
}

static bool fb_size(struct chardev *d, u16 *ret_rows, u16 *ret_cols)
{
	*ret_rows = screen.vt.rows;
	*ret_cols = screen.vt.cols;
	return true;
}

void screen_type(const u8 *bytes, size_t n)
{
	fb_answer(&screen, bytes, n);
}

bool screen_cursor_keys(void)
{
	return read_once(screen.vt.cursor_keys);
}

bool screen_look(u32 from, u32 *cells, u32 n, struct screen_view *ret)
{
	struct screen *s = &screen;
	struct vt *v = &s->vt;
	bool irq;

	if (!s->present)
		return false;
	irq = console_lock(&s->lock);
	*ret = (struct screen_view){v->rows, v->cols, vt_cursor_column(v), v->now.y};
	for (u32 i = 0; i < n && from + i < v->rows * v->cols; i++)
		cells[i] = vt_row(v, (from + i) / v->cols)[(from + i) % v->cols];
	console_unlock(&s->lock, irq);
	return true;
}

/* --- start ----------------------------------------------------------------------------------- */

/* The colours of VGA's text mode, 0xrrggbb, in ANSI's order. */
static const u32 vga_colours[16] = {
        0x000000, 0xaa0000, 0x00aa00, 0xaa5500, 0x0000aa, 0xaa00aa, 0x00aaaa, 0xaaaaaa,
        0x555555, 0xff5555, 0x55ff55, 0xffff55, 0x5555ff, 0xff55ff, 0x55ffff, 0xffffff,
};

static u32 pixel(u32 rgb, bool bgr)
{
	if (bgr)
		return rgb;
	return (rgb & 0xff) << 16 | (rgb & 0xff00) | rgb >> 16;
}

/* screen_layout: the font twice as large on a screen with many pixels, so that the cells suffice
 * and the eyes too. */
static void screen_layout(struct screen *s, const struct boot_framebuffer *fb)
{
	u32 rows, cols;

	s->stride = fb->stride;
	s->scale = fb->width > 2048 ? 2 : 1;
	s->cell_width = s->font.row_bytes * 8 * s->scale * sizeof(u32);
	s->cell_height = s->font.height * s->scale;
	cols = MIN(fb->width * sizeof(u32) / s->cell_width, (u64)VT_MAX_COLS);
	rows = MIN(fb->height / s->cell_height, (u32)VT_MAX_ROWS);
	if (rows && cols)
		vt_init(&s->vt, rows, cols);
	for (u32 i = 0; i < ARRAY_SIZE(s->palette); i++)
		s->palette[i] = pixel(vga_colours[i], fb->bgr);
}

static bool fb_sane(const struct boot_framebuffer *fb)
{
	return fb->base && fb->width && fb->height && fb->stride / sizeof(u32) >= fb->width &&
	       (u64)fb->stride * fb->height <= fb->size;
}

bool fb_init(const struct boot_framebuffer *fb)
{
	struct screen *s = &screen;

	if (s->present || !fb_sane(fb) || !font_init(&s->font))
		return s->present;
	screen_layout(s, fb);
	if (!s->vt.rows)
		return false;
	s->base = upcall_map_device(fb->base, (size_t)fb->stride * fb->height, true);
	if (!s->base)
		return false;

	memset(s->base, 0, (size_t)fb->stride * fb->height);
	spin_init(&s->lock, "tty1", RANK_CONSOLE);
	s->dev = (struct chardev){.name = "tty1",
	                          .write = fb_write,
	                          .drained = fb_drained,
	                          .throttle = fb_throttle,
	                          .size = fb_size};
	s->sink.write = fb_sink_write;
	for (u32 row = 0; row < s->vt.rows; row++)
		memcpy(s->drawn[row], vt_row(&s->vt, row), s->vt.cols * sizeof(u32));
	s->present = true;
	return true;
}

struct chardev *fb_chardev(void)
{
	return screen.present ? &screen.dev : NULL;
}

struct log_sink *fb_log_sink(void)
{
	return screen.present ? &screen.sink : NULL;
}
