/* Text console on a linear frame buffer.
 *
 * F1: cells[] is what the screen should show, drawn[] what it shows. A write changes cells[] only;
 *     at its end fb_refresh draws the cells in which the two differ. So however much a write
 *     scrolls, each cell is drawn at most once.
 * F2: rows outside [dirty_first, dirty_end) do not differ.
 * F3: 0 <= x <= cols; x == cols means that the line is full and the next character wraps. */
#define HAL_CONSOLE
#include "hal/console/internal.h"
#include "hal/base/string.h"
#include "hal/upcall.h"

#define MAX_COLS 240 /* even: rows are compared two cells at a time */
#define MAX_ROWS 80
#define TAB_WIDTH 8
#define PARAMS_MAX 8

/* A cell: glyph in bits 0-15, foreground 16-19, background 20-23. */
#define CELL_FG_SHIFT 16
#define CELL_BG_SHIFT 20
#define CELL_CURSOR BIT(24)

#define COLOUR_FG 7
#define COLOUR_BG 0
#define COLOUR_BRIGHT 8

enum state {
	STATE_TEXT,
	STATE_ESC,     /* after ESC */
	STATE_CSI,     /* after ESC [ */
	STATE_STRING,  /* after ESC ], P, X, ^ or _: until BEL or ESC \ */
	STATE_CHARSET, /* after ESC ( and the like: one character */
};

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
	u32 rows, cols;   /* [I] */
	u32 palette[16];  /* [I] as the frame buffer wants them */
	u32 blank;        /* [I] the glyph of a space */
	u32 x, y;         /* the cursor */
	u32 saved_x, saved_y;
	u32 shown_y; /* the row that shows the cursor */
	u8 fg, bg;
	bool bold, reverse, cursor_on;
	enum state state;
	bool private;           /* the sequence has a '?' or its like */
	u32 params[PARAMS_MAX]; /* 0: not given */
	u32 param_count;
	u32 utf8;      /* the code point being read */
	u32 utf8_more; /* bytes of it still to come */
	u32 dirty_first, dirty_end;
	u32 cells[MAX_ROWS][MAX_COLS] __aligned(8);
	u32 drawn[MAX_ROWS][MAX_COLS] __aligned(8);
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

static void draw_cell(const struct screen *s, u32 row, u32 col, u32 cell)
{
	u64 fg = s->palette[cell >> CELL_FG_SHIFT & 15], bg = s->palette[cell >> CELL_BG_SHIFT & 15];
	const u8 *bits = s->font.glyphs + (cell & 0xffff) * s->font.glyph_bytes;
	u8 *line = s->base + (u64)row * s->cell_height * s->stride + col * s->cell_width;
	u64 pair[4];

	if (cell & CELL_CURSOR) {
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
}

static void refresh_row(struct screen *s, u32 row)
{
	const u64 *want = (const u64 *)s->cells[row], *have = (const u64 *)s->drawn[row];

	for (u32 pair = 0; pair * 2 < s->cols; pair++) {
		if (likely(want[pair] == have[pair]))
			continue;
		for (u32 col = pair * 2; col < MIN(pair * 2 + 2, s->cols); col++)
			if (s->cells[row][col] != s->drawn[row][col]) {
				s->drawn[row][col] = s->cells[row][col];
				draw_cell(s, row, col, s->cells[row][col]);
			}
	}
}

static void dirty_rows(struct screen *s, u32 first, u32 end)
{
	s->dirty_first = MIN(s->dirty_first, first);
	s->dirty_end = MAX(s->dirty_end, end);
}

/* fb_refresh: the cursor is a bit of the cell that it stands on, just while this compares. */
static void fb_refresh(struct screen *s)
{
	u32 *cell = &s->cells[s->y][MIN(s->x, s->cols - 1)];

	dirty_rows(s, s->shown_y, s->shown_y + 1);
	dirty_rows(s, s->y, s->y + 1);
	if (s->cursor_on)
		*cell |= CELL_CURSOR;
	for (u32 row = s->dirty_first; row < s->dirty_end; row++)
		refresh_row(s, row);
	*cell &= ~CELL_CURSOR;
	s->shown_y = s->y;
	s->dirty_first = s->rows;
	s->dirty_end = 0;
}

/* --- the cells ------------------------------------------------------------------------------ */

static u32 make_cell(const struct screen *s, u32 glyph)
{
	u32 fg = s->fg | (s->bold ? COLOUR_BRIGHT : 0), bg = s->bg;

	if (s->reverse)
		return glyph | bg << CELL_FG_SHIFT | fg << CELL_BG_SHIFT;
	return glyph | fg << CELL_FG_SHIFT | bg << CELL_BG_SHIFT;
}

static void cells_blank(struct screen *s, u32 row, u32 col, u32 end)
{
	u32 cell = s->blank | COLOUR_FG << CELL_FG_SHIFT | (u32)s->bg << CELL_BG_SHIFT;

	for (; col < end; col++)
		s->cells[row][col] = cell;
	dirty_rows(s, row, row + 1);
}

static void rows_blank(struct screen *s, u32 first, u32 end)
{
	for (; first < end; first++)
		cells_blank(s, first, 0, s->cols);
}

static void line_feed(struct screen *s)
{
	if (s->y + 1 < s->rows) {
		s->y++;
		return;
	}
	memmove(s->cells[0], s->cells[1], (s->rows - 1) * sizeof(s->cells[0]));
	cells_blank(s, s->rows - 1, 0, s->cols);
	dirty_rows(s, 0, s->rows);
}

static void put_glyph(struct screen *s, u32 code_point)
{
	if (s->x >= s->cols) {
		s->x = 0;
		line_feed(s);
	}
	s->cells[s->y][s->x++] = make_cell(s, font_glyph(code_point));
	dirty_rows(s, s->y, s->y + 1);
}

static void cursor_move(struct screen *s, i64 x, i64 y)
{
	s->x = MAX(MIN(x, (i64)s->cols - 1), 0);
	s->y = MAX(MIN(y, (i64)s->rows - 1), 0);
}

/* shift_cells: what stands right of the cursor moves by N (< 0: towards it); the rest is blank. */
static void shift_cells(struct screen *s, i64 n)
{
	u32 x = MIN(s->x, s->cols - 1), room = s->cols - x, by = MIN((u32)(n < 0 ? -n : n), room);
	u32 *cell = &s->cells[s->y][x];

	if (n < 0) {
		memmove(cell, cell + by, (room - by) * sizeof(*cell));
		cells_blank(s, s->y, s->cols - by, s->cols);
	} else {
		memmove(cell + by, cell, (room - by) * sizeof(*cell));
		cells_blank(s, s->y, x, x + by);
	}
}

/* --- control sequences (ECMA-48; names in comments as there) ---------------------------------- */

static void erase_display(struct screen *s, u32 how) /* ED */
{
	u32 x = MIN(s->x, s->cols - 1);

	if (how == 0) {
		cells_blank(s, s->y, x, s->cols);
		rows_blank(s, s->y + 1, s->rows);
	} else if (how == 1) {
		rows_blank(s, 0, s->y);
		cells_blank(s, s->y, 0, x + 1);
	} else {
		rows_blank(s, 0, s->rows);
	}
}

static void erase_line(struct screen *s, u32 how) /* EL */
{
	u32 x = MIN(s->x, s->cols - 1);

	cells_blank(s, s->y, how ? 0 : x, how == 1 ? x + 1 : s->cols);
}

static void attributes_reset(struct screen *s)
{
	s->fg = COLOUR_FG;
	s->bg = COLOUR_BG;
	s->bold = s->reverse = false;
}

/* set_attribute: one parameter of SGR. */
static void set_attribute(struct screen *s, u32 p)
{
	if (p == 0)
		attributes_reset(s);
	else if (p == 1)
		s->bold = true;
	else if (p == 7)
		s->reverse = true;
	else if (p == 22)
		s->bold = false;
	else if (p == 27)
		s->reverse = false;
	else if (p >= 30 && p <= 37)
		s->fg = p - 30;
	else if (p == 39)
		s->fg = COLOUR_FG;
	else if (p >= 40 && p <= 47)
		s->bg = p - 40;
	else if (p == 49)
		s->bg = COLOUR_BG;
	else if (p >= 90 && p <= 97)
		s->fg = p - 90 + COLOUR_BRIGHT;
	else if (p >= 100 && p <= 107)
		s->bg = p - 100 + COLOUR_BRIGHT;
}

static void select_graphics(struct screen *s) /* SGR */
{
	for (u32 i = 0; i < s->param_count; i++) {
		u32 p = s->params[i];

		if (p != 38 && p != 48) {
			set_attribute(s, p);
			continue;
		}
		/* 38;5;N: of 256 colours the first sixteen are ours; 38;2;R;G;B is passed over */
		if (i + 2 < s->param_count && s->params[i + 1] == 5 && s->params[i + 2] < 16)
			*(p == 38 ? &s->fg : &s->bg) = s->params[i + 2];
		i += i + 1 < s->param_count && s->params[i + 1] == 2 ? 4 : 2;
	}
}

static void run_private(struct screen *s, char final)
{
	if (s->params[0] == 25 && (final == 'h' || final == 'l')) /* DECTCEM */
		s->cursor_on = final == 'h';
}

static void run_sequence(struct screen *s, char final)
{
	i64 x = MIN(s->x, s->cols - 1), y = s->y, n = MAX(s->params[0], 1U);

	switch (final) {
	case 'A': /* CUU */
		cursor_move(s, x, y - n);
		break;
	case 'B': /* CUD */
		cursor_move(s, x, y + n);
		break;
	case 'C': /* CUF */
		cursor_move(s, x + n, y);
		break;
	case 'D': /* CUB */
		cursor_move(s, x - n, y);
		break;
	case 'E': /* CNL */
		cursor_move(s, 0, y + n);
		break;
	case 'F': /* CPL */
		cursor_move(s, 0, y - n);
		break;
	case 'G': /* CHA */
		cursor_move(s, n - 1, y);
		break;
	case 'd': /* VPA */
		cursor_move(s, x, n - 1);
		break;
	case 'H': /* CUP */
	case 'f': /* HVP */
		cursor_move(s, (i64)MAX(s->params[1], 1U) - 1, n - 1);
		break;
	case 'J':
		erase_display(s, s->params[0]);
		break;
	case 'K':
		erase_line(s, s->params[0]);
		break;
	case 'P': /* DCH */
		shift_cells(s, -n);
		break;
	case '@': /* ICH */
		shift_cells(s, n);
		break;
	case 'm':
		select_graphics(s);
		break;
	case 's':
		s->saved_x = s->x;
		s->saved_y = s->y;
		break;
	case 'u':
		s->x = s->saved_x;
		s->y = s->saved_y;
		break;
	}
}

static void sequence_begin(struct screen *s)
{
	memset(s->params, 0, sizeof(s->params));
	s->param_count = 1;
	s->private = false;
	s->state = STATE_CSI;
}

/* sequence_char: parameters past the last that fits are counted as one more, and dropped. */
static void sequence_char(struct screen *s, u8 c)
{
	u32 at = s->param_count - 1;

	if (c >= '0' && c <= '9') {
		if (at < PARAMS_MAX && s->params[at] < 10000)
			s->params[at] = s->params[at] * 10 + (c - '0');
	} else if (c == ';' || c == ':') {
		s->param_count = MIN(s->param_count + 1, PARAMS_MAX + 1U);
	} else if (c >= '<' && c <= '?') {
		s->private = true;
	} else if (c >= '@' && c <= '~') {
		s->state = STATE_TEXT;
		s->param_count = MIN(s->param_count, (u32)PARAMS_MAX);
		if (s->private)
			run_private(s, c);
		else
			run_sequence(s, c);
	}
}

static void screen_reset(struct screen *s)
{
	attributes_reset(s);
	s->cursor_on = true;
	s->state = STATE_TEXT;
	s->x = s->y = s->saved_x = s->saved_y = 0;
	rows_blank(s, 0, s->rows);
}

static void escape_char(struct screen *s, u8 c)
{
	s->state = STATE_TEXT;
	switch (c) {
	case '[':
		sequence_begin(s);
		break;
	case ']':
	case 'P':
	case 'X':
	case '^':
	case '_':
		s->state = STATE_STRING;
		break;
	case '(':
	case ')':
	case '*':
	case '+':
		s->state = STATE_CHARSET;
		break;
	case '7':
		run_sequence(s, 's');
		break;
	case '8':
		run_sequence(s, 'u');
		break;
	case 'c':
		screen_reset(s);
		break;
	}
}

/* --- characters ------------------------------------------------------------------------------ */

static void control_char(struct screen *s, u8 c)
{
	switch (c) {
	case '\a':
		if (s->state == STATE_STRING)
			s->state = STATE_TEXT;
		break;
	case '\b':
		s->x = MIN(s->x, s->cols - 1);
		s->x -= s->x > 0;
		break;
	case '\t':
		s->x = MIN((s->x / TAB_WIDTH + 1) * TAB_WIDTH, s->cols - 1);
		break;
	case '\n':
	case '\v':
	case '\f':
		line_feed(s);
		break;
	case '\r':
		s->x = 0;
		break;
	case 0x18: /* CAN */
	case 0x1a: /* SUB */
		s->state = STATE_TEXT;
		break;
	case 0x1b:
		s->state = STATE_ESC;
		break;
	}
}

/* text_char: UTF-8; what is wrong in it shows as an unknown character. */
static void text_char(struct screen *s, u8 c)
{
	if (c >= 0x80 && c < 0xc0 && s->utf8_more) {
		s->utf8 = s->utf8 << 6 | (c & 0x3f);
		if (--s->utf8_more == 0)
			put_glyph(s, s->utf8);
		return;
	}
	if (s->utf8_more) {
		s->utf8_more = 0;
		put_glyph(s, ~0U);
	}
	if (c < 0x80) {
		put_glyph(s, c);
	} else if (c < 0xc0 || c >= 0xf8) {
		put_glyph(s, ~0U);
	} else {
		s->utf8_more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
		s->utf8 = c & (0x3f >> s->utf8_more);
	}
}

static void screen_char(struct screen *s, u8 c)
{
	if (c < ' ') {
		control_char(s, c);
		return;
	}
	if (c == 0x7f)
		return;
	switch (s->state) {
	case STATE_TEXT:
		text_char(s, c);
		break;
	case STATE_ESC:
		escape_char(s, c);
		break;
	case STATE_CSI:
		sequence_char(s, c);
		break;
	case STATE_STRING:
		break;
	case STATE_CHARSET:
		s->state = STATE_TEXT;
		break;
	}
}

static size_t fb_write(struct chardev *d, const char *buf, size_t n)
{
	struct screen *s = &screen;
	bool irq = console_lock(&s->lock);

	for (size_t i = 0; i < n; i++)
		screen_char(s, buf[i]);
	fb_refresh(s);
	console_unlock(&s->lock, irq);
	return n;
}

/* fb_sink_write: text as the log has it, without carriage returns. */
static void fb_sink_write(struct log_sink *sink, const char *text, size_t n)
{
	struct screen *s = &screen;
	bool irq = console_lock(&s->lock);

	for (size_t i = 0; i < n; i++) {
		if (text[i] == '\n')
			screen_char(s, '\r');
		screen_char(s, text[i]);
	}
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
	*ret_rows = screen.rows;
	*ret_cols = screen.cols;
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
	s->stride = fb->stride;
	s->scale = fb->width > 2048 ? 2 : 1;
	s->cell_width = s->font.row_bytes * 8 * s->scale * sizeof(u32);
	s->cell_height = s->font.height * s->scale;
	s->cols = MIN(fb->width * sizeof(u32) / s->cell_width, (u64)MAX_COLS);
	s->rows = MIN(fb->height / s->cell_height, (u32)MAX_ROWS);
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
	if (!s->rows || !s->cols)
		return false;
	s->base = upcall_map_device(fb->base, (size_t)fb->stride * fb->height, true);
	if (!s->base)
		return false;

	memset(s->base, 0, (size_t)fb->stride * fb->height);
	spin_init(&s->lock, "tty0", RANK_CONSOLE);
	s->dev = (struct chardev){.name = "tty0",
	                          .write = fb_write,
	                          .drained = fb_drained,
	                          .throttle = fb_throttle,
	                          .size = fb_size};
	s->sink.write = fb_sink_write;
	s->blank = font_glyph(' ');
	screen_reset(s);
	memcpy(s->drawn, s->cells, sizeof(s->drawn));
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
