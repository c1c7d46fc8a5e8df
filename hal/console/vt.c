/* The terminal's screen. Names in capitals are those of ECMA-48 and of DEC's manuals. */
#include "hal/console/vt.h"
#include "hal/base/printf.h"
#include "hal/base/string.h"

#define TAB_WIDTH 8
#define PARAM_MAX 9999
#define PALETTE_DIGITS 7
#define UNKNOWN 0xfffd

#define COLOUR_FG 7
#define COLOUR_BG 0
#define COLOUR_BRIGHT 8

enum state {
	STATE_TEXT,
	STATE_ESC,     /* after ESC, and intermediates */
	STATE_CSI,     /* after ESC [ */
	STATE_OSC,     /* after ESC ] */
	STATE_STRING,  /* in a string that nobody wants, until BEL or ESC \ */
	STATE_PALETTE, /* after ESC ] P: seven digits */
	STATE_ONE,     /* one character is to be passed over */
};

/* --- the grid --- */

static void dirty_rows(struct vt *v, u32 first, u32 end)
{
	v->dirty_first = MIN(v->dirty_first, first);
	v->dirty_end = MAX(v->dirty_end, end);
}

static u32 make_cell(const struct vt *v, u32 c)
{
	const struct vt_cursor *a = &v->now;
	u32 fg = a->fg, bg = a->bg, swap;

	if (a->bold)
		fg |= COLOUR_BRIGHT;
	else if (a->dim && fg == COLOUR_FG)
		fg = COLOUR_BRIGHT; /* dark grey */
	if (a->reverse) {
		swap = fg;
		fg = bg;
		bg = swap;
	}
	if (a->conceal)
		fg = bg;
	return c | fg << VT_FG_SHIFT | bg << VT_BG_SHIFT | (a->underline ? VT_UNDERLINE : 0);
}

/* Erased cells have the background that is set (terminfo's bce). */
static void cells_blank(struct vt *v, u32 row, u32 col, u32 end)
{
	u32 cell = ' ' | COLOUR_FG << VT_FG_SHIFT | (u32)v->now.bg << VT_BG_SHIFT;
	u32 *cells = vt_row(v, row);

	for (; col < end; col++)
		cells[col] = cell;
	dirty_rows(v, row, row + 1);
}

static void rows_blank(struct vt *v, u32 first, u32 end)
{
	for (; first < end; first++)
		cells_blank(v, first, 0, v->cols);
}

/* scroll: rows [FIRST, END) move up by N (DOWN: down), blank ones come in. */
static void scroll(struct vt *v, u32 first, u32 end, u32 n, bool down)
{
	u32 count = end - first, by;
	u8 old[VT_MAX_ROWS];

	n = MIN(n, count);
	by = down ? count - n : n;
	memcpy(old, v->row_of + first, count);
	for (u32 i = 0; i < count; i++)
		v->row_of[first + i] = old[(i + by) % count];
	dirty_rows(v, first, end);
	if (down)
		rows_blank(v, first, first + n);
	else
		rows_blank(v, end - n, end);
}

/* shift_cells: what stands right of the cursor moves N away from it (LEFT: towards it); the rest is blank. */
static void shift_cells(struct vt *v, u32 n, bool left)
{
	u32 x = vt_cursor_column(v), room = v->cols - x, *cell = vt_row(v, v->now.y) + x;

	n = MIN(n, room);
	if (left) {
		memmove(cell, cell + n, (room - n) * sizeof(*cell));
		cells_blank(v, v->now.y, v->cols - n, v->cols);
	} else {
		memmove(cell + n, cell, (room - n) * sizeof(*cell));
		cells_blank(v, v->now.y, x, x + n);
	}
}

/* --- the cursor --- */

static bool in_region(const struct vt *v)
{
	return v->now.y >= v->top && v->now.y < v->bottom;
}

static void cursor_move(struct vt *v, i64 x, i64 y)
{
	v->now.x = MAX(MIN(x, (i64)v->cols - 1), 0);
	v->now.y = MAX(MIN(y, (i64)v->rows - 1), 0);
}

/* cursor_place: a position as programs give it, from 0: with DECOM within the rows that scroll. */
static void cursor_place(struct vt *v, i64 x, i64 y)
{
	if (v->now.origin)
		y = MIN(y + v->top, (i64)v->bottom - 1);
	cursor_move(v, x, y);
}

/* cursor_row: by BY rows, not over the edge of the rows that scroll. */
static void cursor_row(struct vt *v, i64 by)
{
	i64 y = v->now.y + by;

	if (in_region(v))
		y = MAX(MIN(y, (i64)v->bottom - 1), (i64)v->top);
	cursor_move(v, vt_cursor_column(v), y);
}

static void index_down(struct vt *v) /* IND */
{
	if (v->now.y + 1 == v->bottom)
		scroll(v, v->top, v->bottom, 1, false);
	else if (v->now.y + 1 < v->rows)
		v->now.y++;
}

static void index_up(struct vt *v) /* RI */
{
	if (v->now.y == v->top)
		scroll(v, v->top, v->bottom, 1, true);
	else if (v->now.y)
		v->now.y--;
}

static void line_feed(struct vt *v)
{
	index_down(v);
	if (v->newline)
		v->now.x = 0;
}

static void tab_set(struct vt *v, u32 x, bool on)
{
	if (on)
		v->tabs[x / 64] |= BIT(x % 64);
	else
		v->tabs[x / 64] &= ~BIT(x % 64);
}

static void tab_forward(struct vt *v, u32 n)
{
	u32 x = vt_cursor_column(v);

	for (; n && x + 1 < v->cols; n--)
		for (x++; x + 1 < v->cols && !(v->tabs[x / 64] & BIT(x % 64)); x++)
			;
	v->now.x = x;
}

static void tab_back(struct vt *v, u32 n)
{
	u32 x = vt_cursor_column(v);

	for (; n && x; n--)
		for (x--; x && !(v->tabs[x / 64] & BIT(x % 64)); x--)
			;
	v->now.x = x;
}

/* --- characters --- */

/* DEC's line drawing, from '`' to '~'. */
static const u16 graphics[] = {
        0x25c6, 0x2592, 0x2409, 0x240c, 0x240d, 0x240a, 0x00b0, 0x00b1, 0x2424, 0x240b, 0x2518,
        0x2510, 0x250c, 0x2514, 0x253c, 0x23ba, 0x23bb, 0x2500, 0x23bc, 0x23bd, 0x251c, 0x2524,
        0x2534, 0x252c, 0x2502, 0x2264, 0x2265, 0x03c0, 0x2260, 0x00a3, 0x00b7,
};
_Static_assert(sizeof(graphics) / sizeof(graphics[0]) == '~' - '`' + 1, "one each");

struct range {
	u32 first, last;
};

static bool in_ranges(u32 c, const struct range *r, size_t n)
{
	for (; n; n--, r++)
		if (c >= r->first && c <= r->last)
			return true;
	return false;
}

/* width_of: columns, as C libraries' wcwidth counts the common ones. */
static u32 width_of(u32 c)
{
	static const struct range none[] = {{0x300, 0x36f},   {0x483, 0x489},   {0x591, 0x5bd},
	                                    {0x610, 0x61a},   {0x64b, 0x65f},   {0x200b, 0x200f},
	                                    {0x202a, 0x202e}, {0x2060, 0x2064}, {0x20d0, 0x20f0},
	                                    {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}, {0xfeff, 0xfeff}};
	static const struct range two[] = {{0x1100, 0x115f},   {0x2e80, 0x303e},  {0x3041, 0xa4cf},
	                                   {0xac00, 0xd7a3},   {0xf900, 0xfaff},  {0xfe30, 0xfe6f},
	                                   {0xff00, 0xff60},   {0xffe0, 0xffe6},  {0x1f300, 0x1f64f},
	                                   {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd}};

	if (c < 0x300)
		return 1;
	if (in_ranges(c, none, ARRAY_SIZE(none)))
		return 0;
	return in_ranges(c, two, ARRAY_SIZE(two)) ? 2 : 1;
}

static void wrap(struct vt *v)
{
	v->now.x = 0;
	index_down(v);
}

static void put_cell(struct vt *v, u32 c)
{
	u32 x = vt_cursor_column(v);

	if (v->insert)
		shift_cells(v, 1, false);
	vt_row(v, v->now.y)[x] = make_cell(v, c);
	dirty_rows(v, v->now.y, v->now.y + 1);
	v->now.x = x + 1;
	if (!v->autowrap)
		v->now.x = vt_cursor_column(v);
}

/* put_char: a wide character, for which the font has no glyph, still takes two columns. */
static void put_char(struct vt *v, u32 c)
{
	u32 width = width_of(c);

	if (!width)
		return;
	if (v->now.x + width > v->cols && v->autowrap && width <= v->cols)
		wrap(v);
	v->last = c;
	put_cell(v, c > 0xffff ? UNKNOWN : c);
	if (width == 2 && v->now.x < v->cols)
		put_cell(v, ' ');
}

static void put_ascii(struct vt *v, u8 c)
{
	bool drawing = v->now.graphic[v->now.charset];

	put_char(v, drawing && c >= '`' && c <= '~' ? graphics[c - '`'] : c);
}

/* utf8_begin: the first byte of a character of several. */
static void utf8_begin(struct vt *v, u8 c)
{
	static const u32 least[] = {0, 0x80, 0x800, 0x10000};
	u32 more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;

	if (c < 0xc2 || c > 0xf4) {
		put_char(v, UNKNOWN);
		return;
	}
	v->utf8_more = more;
	v->utf8_least = least[more];
	v->utf8 = c & (0x3f >> more);
}

static bool is_code_point(u32 c, u32 least)
{
	return c >= least && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
}

/* utf8_next: one more byte of it. => false: it is none */
static bool utf8_next(struct vt *v, u8 c)
{
	if ((c & 0xc0) != 0x80) {
		v->utf8_more = 0;
		put_char(v, UNKNOWN);
		return false;
	}
	v->utf8 = v->utf8 << 6 | (c & 0x3f);
	if (--v->utf8_more)
		return true;
	if (!is_code_point(v->utf8, v->utf8_least))
		put_char(v, UNKNOWN);
	else if (v->utf8 >= 0xa0) /* those before are control characters */
		put_char(v, v->utf8);
	return true;
}

static void text_char(struct vt *v, u8 c)
{
	if (v->utf8_more && utf8_next(v, c))
		return;
	if (c < 0x80)
		put_ascii(v, c);
	else
		utf8_begin(v, c);
}

/* --- attributes --- */

static void attributes_reset(struct vt_cursor *a)
{
	a->fg = COLOUR_FG;
	a->bg = COLOUR_BG;
	a->bold = a->dim = a->underline = a->reverse = a->conceal = false;
}

/* nearest: one of the sixteen for red, green and blue of 0 to 255. */
static u8 nearest(u32 r, u32 g, u32 b)
{
	u32 most = MAX(r, MAX(g, b)), half = most / 2;
	u8 hue = (r > half) | (g > half) << 1 | (b > half) << 2;

	if (hue == COLOUR_FG && most <= 0x55)
		return COLOUR_BRIGHT;
	return most > 0xaa ? hue | COLOUR_BRIGHT : hue;
}

/* colour_256: 16 and up are a cube of 6 by 6 by 6, and a ramp of 24 greys. */
static u8 colour_256(u32 n)
{
	u32 grey;

	if (n < 16)
		return n;
	if (n < 232) {
		n -= 16;
		return nearest(n / 36 * 51, n / 6 % 6 * 51, n % 6 * 51);
	}
	grey = MIN(n - 232, 23U) * 10 + 8;
	return nearest(grey, grey, grey);
}

/* set_colour: what follows 38 or 48 at params[AT]. => how many parameters that was */
static u32 set_colour(struct vt *v, u32 at, u8 *colour)
{
	const u32 *p = v->params + at;
	u32 left = v->param_count - at;

	if (left >= 3 && p[1] == 5) {
		*colour = colour_256(p[2]);
		return 3;
	}
	if (left >= 5 && p[1] == 2) {
		*colour = nearest(p[2], p[3], p[4]);
		return 5;
	}
	return left;
}

static void set_attribute(struct vt_cursor *a, u32 p)
{
	switch (p) {
	case 0:
		attributes_reset(a);
		break;
	case 1:
		a->bold = true;
		break;
	case 2:
		a->dim = true;
		break;
	case 4:
	case 21:
		a->underline = true;
		break;
	case 7:
		a->reverse = true;
		break;
	case 8:
		a->conceal = true;
		break;
	case 22:
		a->bold = a->dim = false;
		break;
	case 24:
		a->underline = false;
		break;
	case 27:
		a->reverse = false;
		break;
	case 28:
		a->conceal = false;
		break;
	case 30 ... 37:
		a->fg = p - 30;
		break;
	case 39:
		a->fg = COLOUR_FG;
		break;
	case 40 ... 47:
		a->bg = p - 40;
		break;
	case 49:
		a->bg = COLOUR_BG;
		break;
	case 90 ... 97:
		a->fg = p - 90 + COLOUR_BRIGHT;
		break;
	case 100 ... 107:
		a->bg = p - 100 + COLOUR_BRIGHT;
		break;
	}
}

static void select_graphics(struct vt *v) /* SGR */
{
	for (u32 i = 0; i < v->param_count;) {
		u32 p = v->params[i];

		if (p == 38 || p == 48) {
			i += set_colour(v, i, p == 38 ? &v->now.fg : &v->now.bg);
		} else {
			set_attribute(&v->now, p);
			i++;
		}
	}
}

/* --- control sequences --- */

static void erase_display(struct vt *v, u32 how) /* ED */
{
	u32 x = vt_cursor_column(v), y = v->now.y;

	if (how == 0) {
		cells_blank(v, y, x, v->cols);
		rows_blank(v, y + 1, v->rows);
	} else if (how == 1) {
		rows_blank(v, 0, y);
		cells_blank(v, y, 0, x + 1);
	} else {
		rows_blank(v, 0, v->rows);
	}
}

static void erase_line(struct vt *v, u32 how) /* EL */
{
	u32 x = vt_cursor_column(v);

	cells_blank(v, v->now.y, how ? 0 : x, how == 1 ? x + 1 : v->cols);
}

/* change_lines: IL, DL: rows from the cursor on move within those that scroll. */
static void change_lines(struct vt *v, u32 n, bool insert)
{
	if (!in_region(v))
		return;
	scroll(v, v->now.y, v->bottom, n, insert);
	v->now.x = 0;
}

static void set_region(struct vt *v, u32 top, u32 bottom) /* DECSTBM */
{
	if (!bottom || bottom > v->rows)
		bottom = v->rows;
	top = MAX(top, 1U) - 1;
	if (top + 1 >= bottom)
		return;
	v->top = top;
	v->bottom = bottom;
	cursor_place(v, 0, 0);
}

static void clear_tabs(struct vt *v, u32 how) /* TBC */
{
	if (how == 0)
		tab_set(v, vt_cursor_column(v), false);
	else if (how == 3)
		memset(v->tabs, 0, sizeof(v->tabs));
}

static void set_private_mode(struct vt *v, u32 mode, bool on) /* DECSET, DECRST */
{
	switch (mode) {
	case 1: /* DECCKM */
		v->cursor_keys = on;
		break;
	case 6: /* DECOM */
		v->now.origin = on;
		cursor_place(v, 0, 0);
		break;
	case 7: /* DECAWM */
		v->autowrap = on;
		break;
	case 25: /* DECTCEM */
		v->cursor_on = on;
		break;
	}
}

static void set_modes(struct vt *v, bool on) /* SM, RM */
{
	for (u32 i = 0; i < v->param_count; i++) {
		u32 mode = v->params[i];

		if (v->marker == '?')
			set_private_mode(v, mode, on);
		else if (v->marker)
			return;
		else if (mode == 4) /* IRM */
			v->insert = on;
		else if (mode == 20) /* LNM */
			v->newline = on;
	}
}

/* reply: all of it, or nothing when nobody takes the answers. */
static void reply(struct vt *v, const char *text)
{
	size_t n = strlen(text);

	if (v->reply_len + n > sizeof(v->reply))
		return;
	memcpy(v->reply + v->reply_len, text, n);
	v->reply_len += n;
}

static void report(struct vt *v, u32 what) /* DSR */
{
	u32 row = v->now.y - (v->now.origin ? v->top : 0);
	char text[24];

	if (what == 5)
		reply(v, "\x1b[0n");
	if (what != 6)
		return;
	ksnprintf(text, sizeof(text), "\x1b[%u;%uR", row + 1, vt_cursor_column(v) + 1);
	reply(v, text);
}

static void cursor_save(struct vt *v) /* DECSC */
{
	v->saved = v->now;
}

static void cursor_restore(struct vt *v) /* DECRC */
{
	v->now = v->saved;
}

static void repeat(struct vt *v, u32 n) /* REP */
{
	for (n = MIN(n, v->rows * v->cols); v->last && n; n--)
		put_char(v, v->last);
}

static void run_sequence(struct vt *v, u8 final)
{
	u32 x = vt_cursor_column(v), p = v->params[0], n = MAX(p, 1U);

	switch (final) {
	case '@': /* ICH */
		shift_cells(v, n, false);
		break;
	case 'A': /* CUU */
		cursor_row(v, -(i64)n);
		break;
	case 'B': /* CUD */
	case 'e': /* VPR */
		cursor_row(v, n);
		break;
	case 'C': /* CUF */
	case 'a': /* HPR */
		cursor_move(v, (i64)x + n, v->now.y);
		break;
	case 'D': /* CUB */
		cursor_move(v, (i64)x - n, v->now.y);
		break;
	case 'E': /* CNL */
		cursor_row(v, n);
		v->now.x = 0;
		break;
	case 'F': /* CPL */
		cursor_row(v, -(i64)n);
		v->now.x = 0;
		break;
	case 'G': /* CHA */
	case '`': /* HPA */
		cursor_move(v, (i64)n - 1, v->now.y);
		break;
	case 'd': /* VPA */
		cursor_place(v, x, (i64)n - 1);
		break;
	case 'H': /* CUP */
	case 'f': /* HVP */
		cursor_place(v, (i64)MAX(v->params[1], 1U) - 1, (i64)n - 1);
		break;
	case 'I': /* CHT */
		tab_forward(v, n);
		break;
	case 'J':
		erase_display(v, p);
		break;
	case 'K':
		erase_line(v, p);
		break;
	case 'L': /* IL */
		change_lines(v, n, true);
		break;
	case 'M': /* DL */
		change_lines(v, n, false);
		break;
	case 'P': /* DCH */
		shift_cells(v, n, true);
		break;
	case 'S': /* SU */
		scroll(v, v->top, v->bottom, n, false);
		break;
	case 'T': /* SD */
		scroll(v, v->top, v->bottom, n, true);
		break;
	case 'X': /* ECH */
		cells_blank(v, v->now.y, x, MIN(x + n, v->cols));
		break;
	case 'Z': /* CBT */
		tab_back(v, n);
		break;
	case 'b':
		repeat(v, n);
		break;
	case 'c': /* DA */
		reply(v, "\x1b[?6c");
		break;
	case 'g':
		clear_tabs(v, p);
		break;
	case 'm':
		select_graphics(v);
		break;
	case 'n':
		report(v, p);
		break;
	case 'r':
		set_region(v, p, v->params[1]);
		break;
	case 's':
		cursor_save(v);
		break;
	case 'u':
		cursor_restore(v);
		break;
	}
}

static void sequence_begin(struct vt *v)
{
	memset(v->params, 0, sizeof(v->params));
	v->param_count = 1;
	v->marker = v->intermediate = 0;
	v->state = STATE_CSI;
}

static void sequence_end(struct vt *v, u8 final)
{
	v->state = STATE_TEXT;
	v->param_count = MIN(v->param_count, (u32)VT_PARAMS);
	if (v->intermediate)
		return;
	if (final == 'h' || final == 'l')
		set_modes(v, final == 'h');
	else if (!v->marker)
		run_sequence(v, final);
}

/* sequence_char: parameters past the last that fits are counted as one more, and dropped. */
static void sequence_char(struct vt *v, u8 c)
{
	u32 at = v->param_count - 1;

	if (c >= '0' && c <= '9') {
		if (at < VT_PARAMS && v->params[at] < PARAM_MAX / 10)
			v->params[at] = v->params[at] * 10 + (c - '0');
	} else if (c == ';' || c == ':') {
		v->param_count = MIN(v->param_count + 1, VT_PARAMS + 1U);
	} else if (c == '[' && !at && !v->params[0]) {
		v->state = STATE_ONE; /* Linux's function keys, sent back */
	} else if (c >= '<' && c <= '?') {
		v->marker = c;
	} else if (c >= ' ' && c <= '/') {
		v->intermediate = c;
	} else if (c >= '@' && c <= '~') {
		sequence_end(v, c);
	}
}

/* --- escapes --- */

static void reset(struct vt *v) /* RIS */
{
	v->now = (struct vt_cursor){.fg = COLOUR_FG, .bg = COLOUR_BG, .graphic = {false, true}};
	v->saved = v->now;
	v->top = 0;
	v->bottom = v->rows;
	v->autowrap = v->cursor_on = true;
	v->insert = v->newline = v->cursor_keys = false;
	v->state = STATE_TEXT;
	v->utf8_more = v->last = 0;
	for (u32 x = 0; x < VT_MAX_COLS; x++)
		tab_set(v, x, x % TAB_WIDTH == 0);
	rows_blank(v, 0, v->rows);
}

static void align(struct vt *v) /* DECALN */
{
	for (u32 row = 0; row < v->rows; row++)
		for (u32 col = 0; col < v->cols; col++)
			vt_row(v, row)[col] = make_cell(v, 'E');
	dirty_rows(v, 0, v->rows);
}

/* escape_intermediate: the end of ESC, an intermediate, and C. */
static void escape_intermediate(struct vt *v, u8 c)
{
	if (v->intermediate == '(' || v->intermediate == ')')
		v->now.graphic[v->intermediate == ')'] = c == '0';
	else if (v->intermediate == '#' && c == '8')
		align(v);
}

static void escape_final(struct vt *v, u8 c)
{
	switch (c) {
	case '[':
		sequence_begin(v);
		break;
	case ']':
		v->state = STATE_OSC;
		break;
	case 'P': /* DCS */
	case 'X': /* SOS */
	case '^': /* PM */
	case '_': /* APC */
		v->state = STATE_STRING;
		break;
	case '7':
		cursor_save(v);
		break;
	case '8':
		cursor_restore(v);
		break;
	case 'D':
		index_down(v);
		break;
	case 'E': /* NEL */
		wrap(v);
		break;
	case 'H': /* HTS */
		tab_set(v, vt_cursor_column(v), true);
		break;
	case 'M':
		index_up(v);
		break;
	case 'Z': /* DECID */
		reply(v, "\x1b[?6c");
		break;
	case 'c':
		reset(v);
		break;
	}
}

static void escape_char(struct vt *v, u8 c)
{
	if (c >= ' ' && c <= '/') {
		v->intermediate = c;
		return;
	}
	v->state = STATE_TEXT;
	if (v->intermediate)
		escape_intermediate(v, c);
	else
		escape_final(v, c);
}

/* system_char: Linux's own commands for the palette have no end mark; what others say is a title. */
static void system_char(struct vt *v, u8 c)
{
	v->state = c == 'P' ? STATE_PALETTE : c == 'R' ? STATE_TEXT : STATE_STRING;
	v->palette_left = PALETTE_DIGITS;
}

/* --- everything --- */

static void control_char(struct vt *v, u8 c)
{
	switch (c) {
	case '\a':
		if (v->state == STATE_STRING || v->state == STATE_OSC)
			v->state = STATE_TEXT;
		break;
	case '\b':
		v->now.x = vt_cursor_column(v);
		v->now.x -= v->now.x > 0;
		break;
	case '\t':
		tab_forward(v, 1);
		break;
	case '\n':
	case '\v':
	case '\f':
		line_feed(v);
		break;
	case '\r':
		v->now.x = 0;
		break;
	case 0x0e: /* SO */
	case 0x0f: /* SI */
		v->now.charset = c == 0x0e;
		break;
	case 0x18: /* CAN */
	case 0x1a: /* SUB */
		v->state = STATE_TEXT;
		break;
	case 0x1b:
		v->state = STATE_ESC;
		v->intermediate = 0;
		break;
	}
}

static void vt_char(struct vt *v, u8 c)
{
	bool string = v->state == STATE_STRING || v->state == STATE_OSC;

	if (c < ' ') {
		v->utf8_more = 0;
		if (!string || c == '\a' || c >= 0x18)
			control_char(v, c);
		return;
	}
	if (c == 0x7f)
		return;
	switch (v->state) {
	case STATE_TEXT:
		text_char(v, c);
		break;
	case STATE_ESC:
		escape_char(v, c);
		break;
	case STATE_CSI:
		sequence_char(v, c);
		break;
	case STATE_OSC:
		system_char(v, c);
		break;
	case STATE_PALETTE:
		if (--v->palette_left == 0)
			v->state = STATE_TEXT;
		break;
	case STATE_ONE:
		v->state = STATE_TEXT;
		break;
	}
}

/* plain_run: the common case: letters that go into the line one after another. => how many */
static size_t plain_run(struct vt *v, const u8 *buf, size_t n)
{
	u32 *cells = vt_row(v, v->now.y), x = v->now.x, attributes;
	size_t i;

	if (v->state != STATE_TEXT || v->utf8_more || v->insert || v->now.graphic[v->now.charset] ||
	    x >= v->cols)
		return 0;
	attributes = make_cell(v, 0);
	n = MIN(n, (size_t)(v->cols - x));
	for (i = 0; i < n && buf[i] >= ' ' && buf[i] < 0x7f; i++)
		cells[x + i] = buf[i] | attributes;
	if (!i)
		return 0;
	v->last = buf[i - 1];
	v->now.x = v->autowrap ? x + i : MIN(x + (u32)i, v->cols - 1);
	dirty_rows(v, v->now.y, v->now.y + 1);
	return i;
}

void vt_write(struct vt *v, const u8 *buf, size_t n)
{
	for (size_t i = 0, run; i < n; i += run) {
		run = plain_run(v, buf + i, n - i);
		if (!run) {
			vt_char(v, buf[i]);
			run = 1;
		}
	}
}

void vt_log(struct vt *v, const char *text, size_t n)
{
	struct vt_cursor before = v->now;
	bool insert = v->insert;

	v->insert = false;
	attributes_reset(&v->now);
	for (size_t i = 0; i < n; i++) {
		if (text[i] == '\n')
			wrap(v);
		else
			put_char(v, (u8)text[i] < 0x80 ? (u8)text[i] : UNKNOWN);
	}
	before.x = v->now.x;
	before.y = v->now.y;
	v->now = before;
	v->insert = insert;
}

size_t vt_take_reply(struct vt *v, u8 *buf)
{
	size_t n = v->reply_len;

	memcpy(buf, v->reply, n);
	v->reply_len = 0;
	return n;
}

void vt_init(struct vt *v, u32 rows, u32 cols)
{
	v->rows = rows;
	v->cols = cols;
	for (u32 row = 0; row < VT_MAX_ROWS; row++)
		v->row_of[row] = row;
	v->reply_len = 0;
	reset(v);
}
