/* The line discipline: what becomes of the characters between a terminal and its programs, as Linux's
 * n_tty has it (termios(3)). Pure logic: it neither locks nor sleeps; the terminal (kernel/tty/tty.c) holds
 * its lock around every call.
 *
 * L1: tail <= canon <= head, and head - tail <= LDISC_INPUT; the three count bytes for ever.
 * L2: in canonical mode [tail, canon) holds finished lines: the last byte of each is marked in `ends`, and
 *     a marked 0 stands for end of file. [canon, head) is the line being typed.
 * L3: what programs write never fills the last LDISC_ECHO bytes of the output, so an echo finds room; an
 *     echo that does not is dropped, as nobody could wait for it. */
#pragma once

#include "hal/base/types.h"

#include <asm/termbits.h>

#define LDISC_INPUT 4096 /* the longest line, its end included, as Linux's */
#define LDISC_OUTPUT 4096
#define LDISC_ECHO 512

struct ldisc {
	struct termios tio;
	u32 tail, canon, head;
	u32 out_tail, out_head;
	u32 column;        /* of the cursor */
	u32 line_column;   /* of the cursor where the line being typed begins */
	bool literal_next; /* after VLNEXT */
	bool erasing;      /* ECHOPRT: between a backslash and a slash */
	bool stopped;      /* by VSTOP */
	bool held;         /* by TCOOFF */
	bool choked;       /* the other side has been told to stop (IXOFF) */
	bool in_flushed;   /* the input was flushed since ldisc_input_flushed was last asked */
	bool out_flushed;  /* the same of the output */
	u64 ends[LDISC_INPUT / 64];
	u8 input[LDISC_INPUT];
	u8 output[LDISC_OUTPUT];
};

void ldisc_init(struct ldisc *l);

/* ldisc_set_termios: what was typed already stays; a line being typed ends where canonical mode begins. */
void ldisc_set_termios(struct ldisc *l, const struct termios *tio);

/* ldisc_accepts: the next byte may be put in. False means that readers must take some first. */
bool ldisc_accepts(const struct ldisc *l);

/* ldisc_input: C came from the device; ldisc_accepts. => the signal that the foreground group gets, or 0 */
int ldisc_input(struct ldisc *l, u8 c);

/* ldisc_readable: a read would not wait. Outside canonical mode: for MIN bytes. */
bool ldisc_readable(const struct ldisc *l, u32 min);

/* ldisc_available: bytes that a read could get, for FIONREAD. */
u32 ldisc_available(const struct ldisc *l);

/* ldisc_read: take up to N bytes; in canonical mode at most to the end of one line, which *RET_END tells.
 * => bytes, 0 with *RET_END for end of file */
size_t ldisc_read(struct ldisc *l, u8 *buf, size_t n, bool *ret_end);

/* ldisc_skip_eof: a read took all it asked for, and only an end of file is left of its line: that one has
 * served its purpose. */
void ldisc_skip_eof(struct ldisc *l);

/* ldisc_write: a program's output, processed. => bytes taken; fewer than N: no room */
size_t ldisc_write(struct ldisc *l, const u8 *buf, size_t n);
/* ldisc_writable: there is room, and the output is not stopped. */
bool ldisc_writable(const struct ldisc *l);

/* ldisc_output: the bytes that the device is to get next, in one piece. => how many (0: none, or stopped);
 * ldisc_output_done: the first N of them are gone. */
u32 ldisc_output(const struct ldisc *l, const u8 **ret_bytes);
void ldisc_output_done(struct ldisc *l, u32 n);
u32 ldisc_output_queued(const struct ldisc *l);

/* ldisc_send: have the device send the special character WHICH (VSTART, VSTOP). */
void ldisc_send(struct ldisc *l, u32 which);

/* Flushing, and whether there was any since this was last asked (a signal that is typed flushes, too). */
void ldisc_flush_input(struct ldisc *l);
void ldisc_flush_output(struct ldisc *l);
bool ldisc_input_flushed(struct ldisc *l);
bool ldisc_output_flushed(struct ldisc *l);
