/* What a keyboard's scan codes type: set 1, as the PS/2 controller translates them (IBM, Personal System/2 Hardware
 * Interface Technical Reference), US layout, and the sequences of TERM=linux. Pure logic. */
#pragma once

#include "hal/base/types.h"

#define KEYMAP_BYTES 8 /* one key types at most so many */

struct keymap {
	bool extended;                  /* after 0xe0 */
	u8 skip;                        /* codes of a Pause key still to come */
	bool shift[2], ctrl[2], alt[2]; /* left, right: held down */
	bool caps_lock, num_lock, scroll_lock;
};

/* keymap_feed: the next code. CURSOR_KEYS: arrows are to send what applications ask for (DECCKM).
 * => bytes typed, into OUT */
size_t keymap_feed(struct keymap *k, u8 code, bool cursor_keys, u8 out[KEYMAP_BYTES]);
