/* A terminal's screen as a grid of cells, and what characters and control sequences do to it: what TERM=linux
 * promises (console_codes(4)), plus a few of xterm's. Pure logic: it neither locks nor draws (hal/console/fb.c
 * does).
 *
 * V1: vt_row(v, n) is row n of the screen; scrolling renames rows, it does not copy them.
 * V2: rows outside [dirty_first, dirty_end) have not changed since vt_clean.
 * V3: x <= cols; x == cols means that the line is full and the next character wraps.
 * V4: top < bottom <= rows: the rows that scroll. */
#pragma once

#include "hal/base/types.h"

#define VT_MAX_COLS 240 /* even: fb.c compares two cells at a time */
#define VT_MAX_ROWS 80
#define VT_PARAMS 16

/* A cell: code point in bits 0-15, foreground 16-19, background 20-23. Colours are ANSI's, 8 and up bright. */
#define VT_FG_SHIFT 16
#define VT_BG_SHIFT 20
#define VT_UNDERLINE BIT(24)
#define VT_CURSOR BIT(25) /* never in the grid: for who draws */
#define VT_CHAR(cell) ((cell)&0xffff)

/* What the cursor takes with it when it is saved. */
struct vt_cursor {
	u32 x, y;
	u8 fg, bg;
	bool bold, dim, underline, reverse, conceal;
	bool origin;     /* DECOM: rows count from `top` */
	bool graphic[2]; /* G0, G1: line drawing in place of letters */
	u8 charset;      /* 0 or 1: which of them is in use */
};

struct vt {
	u32 rows, cols;
	struct vt_cursor now, saved;
	u32 top, bottom;
	bool autowrap, insert, newline, cursor_on;
	bool cursor_keys; /* DECCKM: the keyboard sends ESC O A for an arrow */
	u32 dirty_first, dirty_end;

	/* the parser */
	u8 state;
	u8 intermediate;       /* the last of a sequence's, or 0 */
	u8 marker;             /* '?', '>' or the like before a sequence's parameters, or 0 */
	u8 palette_left;       /* digits of ESC ] P still to come */
	u32 params[VT_PARAMS]; /* 0: not given */
	u32 param_count;
	u32 utf8, utf8_more, utf8_least; /* the code point being read; bytes to come; the least it may be */
	u32 last;                        /* the last character, for REP */

	u64 tabs[VT_MAX_COLS / 64 + 1];
	u8 reply[64]; /* what the terminal answers (DSR, DA) */
	u32 reply_len;
	u8 row_of[VT_MAX_ROWS];
	u32 cells[VT_MAX_ROWS][VT_MAX_COLS] __aligned(8);
};

/* vt_init: an empty screen; ROWS and COLS at least 1, within the limits above. */
void vt_init(struct vt *v, u32 rows, u32 cols);

/* vt_write: what a program sends. vt_log: lines of the kernel's log, whatever sequence a program is in. */
void vt_write(struct vt *v, const u8 *buf, size_t n);
void vt_log(struct vt *v, const char *text, size_t n);

/* vt_take_reply: what the terminal answers to the program, at most sizeof(v->reply) bytes. => how many */
size_t vt_take_reply(struct vt *v, u8 *buf);

static inline u32 *vt_row(struct vt *v, u32 row)
{
	return v->cells[v->row_of[row]];
}

/* vt_cursor_column: where the cursor shows: on the last cell of a line that is full. */
static inline u32 vt_cursor_column(const struct vt *v)
{
	return MIN(v->now.x, v->cols - 1);
}

static inline void vt_clean(struct vt *v)
{
	v->dirty_first = v->rows;
	v->dirty_end = 0;
}
