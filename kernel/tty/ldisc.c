/* The line discipline. Behaviour, its odd corners included, is that of Linux's n_tty, against which
 * testsuite/host/ldisc.c compares it. */
#include "kernel/tty/ldisc.h"
#include "hal/base/string.h"

#include <asm/signal.h>

#define INPUT_MASK (LDISC_INPUT - 1)
#define OUTPUT_MASK (LDISC_OUTPUT - 1)
#define TAB_WIDTH 8
#define INPUT_HIGH (LDISC_INPUT / 4 * 3) /* IXOFF: bytes waiting when the sender is stopped, */
#define INPUT_LOW (LDISC_INPUT / 4)      /* and when it may go on */
#define OUTPUT_CHAR_MAX TAB_WIDTH        /* one character becomes at most this many bytes */

static const struct termios termios_default = {
        .c_iflag = ICRNL | IXON | IUTF8,
        .c_oflag = OPOST | ONLCR,
        .c_cflag = B115200 | CS8 | CREAD | HUPCL | CLOCAL,
        .c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
        .c_cc =
                {
                        [VINTR] = 3,
                        [VQUIT] = 28,
                        [VERASE] = 127,
                        [VKILL] = 21,
                        [VEOF] = 4,
                        [VMIN] = 1,
                        [VSTART] = 17,
                        [VSTOP] = 19,
                        [VSUSP] = 26,
                        [VREPRINT] = 18,
                        [VDISCARD] = 15,
                        [VWERASE] = 23,
                        [VLNEXT] = 22,
                },
};

void ldisc_init(struct ldisc *l)
{
	*l = (struct ldisc){.tio = termios_default};
}

static bool iflag(const struct ldisc *l, tcflag_t f)
{
	return l->tio.c_iflag & f;
}

static bool oflag(const struct ldisc *l, tcflag_t f)
{
	return l->tio.c_oflag & f;
}

static bool lflag(const struct ldisc *l, tcflag_t f)
{
	return l->tio.c_lflag & f;
}

/* is_key: C is the special character WHICH. 0 disables one. */
static bool is_key(const struct ldisc *l, u32 which, u8 c)
{
	return c && c == l->tio.c_cc[which];
}

/* is_extended_key: one that needs IEXTEN. */
static bool is_extended_key(const struct ldisc *l, u32 which, u8 c)
{
	return lflag(l, IEXTEN) && is_key(l, which, c);
}

/* is_canonical: input is read in lines. */
static bool is_canonical(const struct ldisc *l)
{
	return (l->tio.c_lflag & (ICANON | EXTPROC)) == ICANON;
}

/* Case as Linux's ctype.h knows it: Latin-1. */
static u8 to_lower(u8 c)
{
	bool upper = (c >= 'A' && c <= 'Z') || (c >= 0xc0 && c <= 0xde && c != 0xd7);

	return upper ? c + 0x20 : c;
}

static u8 to_upper(u8 c)
{
	bool lower = (c >= 'a' && c <= 'z') || (c >= 0xdf && c != 0xf7);

	return lower ? c - 0x20 : c;
}

static bool is_control(u8 c)
{
	return c < 0x20 || c == 0x7f;
}

/* is_word: part of a word for VWERASE; 0xc0 and up are letters of Latin-1 and first bytes of UTF-8. */
static bool is_word(u8 c)
{
	u8 letter = c | 0x20;

	return (letter >= 'a' && letter <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
	       (c >= 0xc0 && c != 0xd7 && c != 0xf7);
}

static bool is_continuation(const struct ldisc *l, u8 c)
{
	return iflag(l, IUTF8) && (c & 0xc0) == 0x80;
}

/* --- output --- */

u32 ldisc_output_queued(const struct ldisc *l)
{
	return l->out_head - l->out_tail;
}

static u32 output_room(const struct ldisc *l)
{
	return LDISC_OUTPUT - ldisc_output_queued(l);
}

static void output_put(struct ldisc *l, u8 c)
{
	l->output[l->out_head++ & OUTPUT_MASK] = c;
}

static void output_newline(struct ldisc *l)
{
	if (oflag(l, ONLCR)) {
		output_put(l, '\r');
		l->column = 0;
	}
	if (oflag(l, ONLRET))
		l->column = 0;
	l->line_column = l->column;
	output_put(l, '\n');
}

static void output_return(struct ldisc *l)
{
	if (oflag(l, ONOCR) && l->column == 0)
		return;
	if (!oflag(l, OCRNL) || oflag(l, ONLRET))
		l->line_column = l->column = 0;
	output_put(l, oflag(l, OCRNL) ? '\n' : '\r');
}

static void output_tab(struct ldisc *l)
{
	u32 spaces = TAB_WIDTH - l->column % TAB_WIDTH;

	l->column += spaces;
	if ((l->tio.c_oflag & TABDLY) != XTABS)
		output_put(l, '\t');
	else
		while (spaces--)
			output_put(l, ' ');
}

/* output_char: C, processed as OPOST asks. There is room for OUTPUT_CHAR_MAX. */
static void output_char(struct ldisc *l, u8 c)
{
	if (!oflag(l, OPOST)) {
		output_put(l, c);
	} else if (c == '\n') {
		output_newline(l);
	} else if (c == '\r') {
		output_return(l);
	} else if (c == '\t') {
		output_tab(l);
	} else {
		if (oflag(l, OLCUC) && !is_control(c))
			c = to_upper(c);
		if (c == '\b')
			l->column -= l->column > 0;
		else if (!is_control(c) && !is_continuation(l, c))
			l->column++;
		output_put(l, c);
	}
}

size_t ldisc_write(struct ldisc *l, const u8 *buf, size_t n)
{
	size_t i;

	for (i = 0; i < n && ldisc_writable(l); i++)
		output_char(l, buf[i]);
	return i;
}

bool ldisc_writable(const struct ldisc *l)
{
	return output_room(l) >= LDISC_ECHO + OUTPUT_CHAR_MAX && !l->stopped && !l->held; /* L3 */
}

u32 ldisc_output(const struct ldisc *l, const u8 **ret_bytes)
{
	u32 start = l->out_tail & OUTPUT_MASK;

	if (l->stopped || l->held)
		return 0;
	*ret_bytes = l->output + start;
	return MIN(ldisc_output_queued(l), LDISC_OUTPUT - start);
}

void ldisc_output_done(struct ldisc *l, u32 n)
{
	l->out_tail += n;
}

void ldisc_flush_output(struct ldisc *l)
{
	l->out_tail = l->out_head;
	l->out_flushed = true;
}

bool ldisc_output_flushed(struct ldisc *l)
{
	bool was = l->out_flushed;

	l->out_flushed = false;
	return was;
}

/* --- echo --- */

/* echo_raw: as any output; but all ones, which in Linux's queue of echo is an escape, goes unprocessed. */
static void echo_raw(struct ldisc *l, u8 c)
{
	if (output_room(l) < OUTPUT_CHAR_MAX)
		return;
	if (c == 0xff) {
		output_put(l, c);
		l->column++;
	} else {
		output_char(l, c);
	}
}

/* echo_char: C as the user is to see it: a control character as ^X when ECHOCTL asks for it. */
static void echo_char(struct ldisc *l, u8 c)
{
	if (!lflag(l, ECHOCTL) || !is_control(c) || c == '\t') {
		echo_raw(l, c);
	} else if (output_room(l) >= OUTPUT_CHAR_MAX) {
		output_put(l, '^');
		output_put(l, c ^ 0x40);
		l->column += 2;
	}
}

/* echo_erasing_end: with ECHOPRT, what was erased stands between a backslash and a slash. */
static void echo_erasing_end(struct ldisc *l)
{
	if (l->erasing)
		echo_raw(l, '/');
	l->erasing = false;
}

/* echo_typed: a character that goes into the line. */
static void echo_typed(struct ldisc *l, u8 c)
{
	if (!lflag(l, ECHO))
		return;
	if (l->head == l->canon)
		l->line_column = l->column;
	echo_char(l, c);
}

static void echo_rubout(struct ldisc *l)
{
	echo_raw(l, '\b');
	echo_raw(l, ' ');
	echo_raw(l, '\b');
}

/* --- the line being typed --- */

static u8 input_at(const struct ldisc *l, u32 at)
{
	return l->input[at & INPUT_MASK];
}

static bool is_end(const struct ldisc *l, u32 at)
{
	return l->ends[(at & INPUT_MASK) / 64] & BIT(at % 64);
}

static void clear_end(struct ldisc *l, u32 at)
{
	l->ends[(at & INPUT_MASK) / 64] &= ~BIT(at % 64);
}

static void set_end(struct ldisc *l, u32 at)
{
	l->ends[(at & INPUT_MASK) / 64] |= BIT(at % 64);
}

static void input_put(struct ldisc *l, u8 c)
{
	l->input[l->head++ & INPUT_MASK] = c;
}

/* input_mark: PARMRK writes a byte of all ones twice, as one such begins a mark. */
static void input_mark(struct ldisc *l, u8 c)
{
	if (iflag(l, PARMRK) && c == 0xff)
		input_put(l, c);
}

static void input_end_line(struct ldisc *l, u8 c)
{
	set_end(l, l->head);
	input_put(l, c);
	l->canon = l->head;
}

/* last_char: where the last character of the line begins; only a whole one counts.
 * => its position, or head when there is none */
static u32 last_char(const struct ldisc *l)
{
	u32 at = l->head;

	while (at != l->canon)
		if (!is_continuation(l, input_at(l, --at)))
			return at;
	return l->head;
}

/* tab_columns: how far the tab that stood at head had moved the cursor. */
static u32 tab_columns(const struct ldisc *l)
{
	u32 at = l->head, used = 0;

	while (at != l->canon) {
		u8 c = input_at(l, --at);

		if (c == '\t')
			return TAB_WIDTH - used % TAB_WIDTH;
		if (is_control(c))
			used += lflag(l, ECHOCTL) ? 2 : 0;
		else
			used += !is_continuation(l, c);
	}
	return TAB_WIDTH - (l->line_column + used) % TAB_WIDTH;
}

/* echo_erased_print: show the character of N bytes that has just left the line once more. */
static void echo_erased_print(struct ldisc *l, u32 n)
{
	if (!l->erasing)
		echo_raw(l, '\\');
	l->erasing = true;
	echo_char(l, input_at(l, l->head));
	for (u32 i = 1; i < n; i++) {
		echo_raw(l, input_at(l, l->head + i));
		l->column -= l->column > 0;
	}
}

/* echo_erased: take the character of N bytes, which has just left the line, off the screen. */
static void echo_erased(struct ldisc *l, u32 n)
{
	u8 c = input_at(l, l->head);

	if (lflag(l, ECHOPRT)) {
		echo_erased_print(l, n);
		return;
	}
	if (c == '\t') {
		for (u32 n = tab_columns(l); n; n--) {
			if (!output_room(l))
				break;
			output_put(l, '\b');
			l->column -= l->column > 0;
		}
		return;
	}
	if (is_control(c) && lflag(l, ECHOCTL))
		echo_rubout(l);
	if (!is_control(c) || lflag(l, ECHOCTL))
		echo_rubout(l);
}

static void erase_char(struct ldisc *l)
{
	u32 at = last_char(l), n = l->head - at;

	if (!n)
		return;
	l->head = at;
	if (!lflag(l, ECHO))
		return;
	if (lflag(l, ECHOE | ECHOPRT))
		echo_erased(l, n);
	else
		echo_char(l, l->tio.c_cc[VERASE]);
}

static void erase_word(struct ldisc *l)
{
	bool in_word = false;

	for (;;) {
		u32 at = last_char(l), n = l->head - at;
		u8 c = input_at(l, at);

		if (!n || (in_word && !is_word(c)))
			return;
		in_word |= is_word(c);
		l->head = at;
		if (lflag(l, ECHO))
			echo_erased(l, n);
	}
}

static void kill_line(struct ldisc *l)
{
	tcflag_t visually = ECHO | ECHOK | ECHOKE | ECHOE;

	if (l->head == l->canon)
		return;
	if ((l->tio.c_lflag & visually) == visually) {
		for (u32 at, n; (n = l->head - (at = last_char(l)));) {
			l->head = at;
			echo_erased(l, n);
		}
		return;
	}
	l->head = l->canon;
	if (!lflag(l, ECHO))
		return;
	echo_erasing_end(l);
	echo_char(l, l->tio.c_cc[VKILL]);
	if (lflag(l, ECHOK))
		echo_raw(l, '\n');
}

static void reprint_line(struct ldisc *l)
{
	echo_erasing_end(l);
	echo_char(l, l->tio.c_cc[VREPRINT]);
	echo_raw(l, '\n');
	for (u32 at = l->canon; at != l->head; at++)
		echo_char(l, input_at(l, at));
}

static void quote_next(struct ldisc *l)
{
	l->literal_next = true;
	if (lflag(l, ECHO))
		echo_erasing_end(l);
	if (lflag(l, ECHO) && lflag(l, ECHOCTL)) {
		echo_raw(l, '^');
		echo_raw(l, '\b');
	}
}

/* --- input --- */

void ldisc_send(struct ldisc *l, u32 which)
{
	if (l->tio.c_cc[which] && output_room(l))
		output_put(l, l->tio.c_cc[which]);
}

/* hold_sender: with IXOFF, stop and start whoever sends, by how much waits to be read. */
static void hold_sender(struct ldisc *l)
{
	u32 waiting = l->head - l->tail;

	if (!l->choked && iflag(l, IXOFF) && waiting >= INPUT_HIGH) {
		l->choked = true;
		ldisc_send(l, VSTOP);
	} else if (l->choked && (!iflag(l, IXOFF) || waiting <= INPUT_LOW)) {
		l->choked = false;
		ldisc_send(l, VSTART);
	}
}

void ldisc_flush_input(struct ldisc *l)
{
	l->tail = l->canon = l->head;
	memset(l->ends, 0, sizeof(l->ends));
	l->in_flushed = true;
	l->erasing = false;
	hold_sender(l);
}

bool ldisc_input_flushed(struct ldisc *l)
{
	bool was = l->in_flushed;

	l->in_flushed = false;
	return was;
}

/* A line that has become too long still lets characters through, so that an erase or an end of line can
 * come: each takes the place of the last. */
static bool line_overflows(const struct ldisc *l)
{
	return lflag(l, ICANON) && l->canon == l->tail;
}

/* With PARMRK one byte may take the place of three. */
static u32 input_room(const struct ldisc *l)
{
	u32 room = LDISC_INPUT - (l->head - l->tail);

	return iflag(l, PARMRK) ? DIV_UP(room, 3) : room;
}

bool ldisc_accepts(const struct ldisc *l)
{
	return input_room(l) > 1 || line_overflows(l);
}

static bool input_flow(struct ldisc *l, u8 c)
{
	if (!iflag(l, IXON))
		return false;
	if (is_key(l, VSTART, c))
		l->stopped = false;
	else if (is_key(l, VSTOP, c))
		l->stopped = true;
	else
		return false;
	return true;
}

static int signal_of(const struct ldisc *l, u8 c)
{
	if (!lflag(l, ISIG))
		return 0;
	if (is_key(l, VINTR, c))
		return SIGINT;
	if (is_key(l, VQUIT, c))
		return SIGQUIT;
	return is_key(l, VSUSP, c) ? SIGTSTP : 0;
}

static void input_signal(struct ldisc *l, u8 c)
{
	if (!lflag(l, NOFLSH)) {
		ldisc_flush_input(l);
		ldisc_flush_output(l);
	}
	if (iflag(l, IXON))
		l->stopped = false;
	if (lflag(l, ECHO))
		echo_char(l, c);
}

static void input_erase(struct ldisc *l, u8 c)
{
	if (l->head == l->canon)
		return;
	if (is_key(l, VERASE, c))
		erase_char(l);
	else if (is_extended_key(l, VWERASE, c))
		erase_word(l);
	else
		kill_line(l);
	if (l->head == l->canon && lflag(l, ECHO))
		echo_erasing_end(l);
}

/* input_edit => C was an editing key of canonical mode, and is done with. */
static bool input_edit(struct ldisc *l, u8 c)
{
	if (is_key(l, VERASE, c) || is_key(l, VKILL, c) || is_extended_key(l, VWERASE, c))
		input_erase(l, c);
	else if (is_extended_key(l, VLNEXT, c))
		quote_next(l);
	else if (is_extended_key(l, VREPRINT, c) && lflag(l, ECHO))
		reprint_line(l);
	else
		return false;
	return true;
}

/* input_end => C ended the line. */
static bool input_end(struct ldisc *l, u8 c)
{
	if (c == '\n') {
		if (lflag(l, ECHO | ECHONL))
			echo_raw(l, '\n');
	} else if (is_key(l, VEOF, c)) {
		c = 0;
	} else if (is_key(l, VEOL, c) || is_extended_key(l, VEOL2, c)) {
		echo_typed(l, c);
		input_mark(l, c);
	} else {
		return false;
	}
	input_end_line(l, c);
	return true;
}

static void input_any(struct ldisc *l)
{
	if (iflag(l, IXON) && iflag(l, IXANY))
		l->stopped = false;
}

static void input_plain(struct ldisc *l, u8 c)
{
	if (lflag(l, ECHO))
		echo_erasing_end(l);
	echo_typed(l, c);
	input_mark(l, c);
	input_put(l, c);
}

static u8 input_translate(const struct ldisc *l, u8 c)
{
	if (c == '\r' && iflag(l, ICRNL))
		return '\n';
	return c == '\n' && iflag(l, INLCR) ? '\r' : c;
}

/* input_key: C is neither quoted nor a signal nor flow control. */
static void input_key(struct ldisc *l, u8 typed)
{
	u8 c = input_translate(l, typed);

	if (typed == '\r' && iflag(l, IGNCR))
		return;
	if (lflag(l, ICANON) && (input_edit(l, c) || input_end(l, c)))
		return;
	if (c == '\n' && typed == '\r') { /* echoed as what it is, and one that was typed as ^J */
		if (lflag(l, ECHO)) {
			echo_erasing_end(l);
			echo_raw(l, c);
		}
		input_put(l, c);
		return;
	}
	input_plain(l, c);
}

int ldisc_input(struct ldisc *l, u8 c)
{
	int sig;

	if (input_room(l) == 0)
		l->head--;
	if (iflag(l, ISTRIP))
		c &= 0x7f;
	if (iflag(l, IUCLC) && lflag(l, IEXTEN))
		c = to_lower(c);
	if (lflag(l, EXTPROC)) {
		input_put(l, c);
		return 0;
	}
	if (l->literal_next) {
		l->literal_next = false;
		input_any(l);
		input_plain(l, c);
		return 0;
	}
	if (input_flow(l, c))
		return 0;
	sig = signal_of(l, c);
	if (sig) {
		input_signal(l, c);
		return sig;
	}
	input_any(l);
	input_key(l, c);
	hold_sender(l);
	return 0;
}

/* --- reading --- */

bool ldisc_readable(const struct ldisc *l, u32 min)
{
	if (is_canonical(l))
		return l->canon != l->tail;
	return l->head - l->tail >= min;
}

u32 ldisc_available(const struct ldisc *l)
{
	u32 n = 0;

	if (!is_canonical(l))
		return l->head - l->tail;
	for (u32 at = l->tail; at != l->canon; at++)
		n += !is_end(l, at) || input_at(l, at);
	return n;
}

static size_t read_line(struct ldisc *l, u8 *buf, size_t n, bool *ret_end)
{
	size_t done = 0;

	while (done < n && l->tail != l->canon) {
		u32 at = l->tail++;

		*ret_end = is_end(l, at);
		clear_end(l, at);
		if (*ret_end && !input_at(l, at))
			break;
		buf[done++] = input_at(l, at);
		if (*ret_end)
			break;
	}
	return done;
}

size_t ldisc_read(struct ldisc *l, u8 *buf, size_t n, bool *ret_end)
{
	size_t done = 0;

	*ret_end = false;
	if (is_canonical(l)) {
		done = read_line(l, buf, n, ret_end);
	} else {
		while (done < n && l->tail != l->head)
			buf[done++] = input_at(l, l->tail++);
		l->canon = l->tail; /* L1 */
	}
	hold_sender(l);
	return done;
}

void ldisc_skip_eof(struct ldisc *l)
{
	if (l->tail != l->canon && is_end(l, l->tail) && !input_at(l, l->tail))
		clear_end(l, l->tail++);
}

void ldisc_set_termios(struct ldisc *l, const struct termios *tio)
{
	tcflag_t changed = l->tio.c_lflag ^ tio->c_lflag;

	if (l->tio.c_iflag & ~tio->c_iflag & IXON)
		l->stopped = false;
	l->tio = *tio;
	l->tio.c_line = 0;
	if (!(changed & (ICANON | EXTPROC)))
		return;
	memset(l->ends, 0, sizeof(l->ends));
	l->literal_next = l->erasing = false;
	l->canon = l->tail;
	if (lflag(l, ICANON) && l->head != l->tail) {
		set_end(l, l->head - 1);
		l->canon = l->head;
	}
}
