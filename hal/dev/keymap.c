/* Scan codes to characters. */
#include "hal/dev/keymap.h"
#include "hal/base/string.h"

#define RELEASE 0x80
#define PREFIX 0xe0
#define PREFIX_PAUSE 0xe1

enum { /* those with a meaning of their own */
	KEY_BACKSPACE = 0x0e,
	KEY_TAB = 0x0f,
	KEY_ENTER = 0x1c,
	KEY_CTRL = 0x1d,
	KEY_SHIFT_LEFT = 0x2a,
	KEY_SLASH = 0x35,
	KEY_SHIFT_RIGHT = 0x36,
	KEY_ALT = 0x38,
	KEY_CAPS_LOCK = 0x3a,
	KEY_F1 = 0x3b,
	KEY_F10 = 0x44,
	KEY_NUM_LOCK = 0x45,
	KEY_SCROLL_LOCK = 0x46,
	KEY_PAD_FIRST = 0x47,
	KEY_PAD_LAST = 0x53,
	KEY_F11 = 0x57,
	KEY_F12 = 0x58,
};

static const char plain[] = "\0\x1b"
                            "1234567890-=\x7f\tqwertyuiop[]\r\0asdfghjkl;'`\0\\zxcvbnm,./\0*\0 ";
static const char shifted[] = "\0\x1b"
                              "!@#$%^&*()_+\x7f\tQWERTYUIOP{}\r\0ASDFGHJKL:\"~\0|ZXCVBNM<>?\0*\0 ";
_Static_assert(sizeof(plain) == 0x39 + 2 && sizeof(shifted) == sizeof(plain), "from 0 to the space bar");

/* The keypad: with and without Num Lock. A digit stands for ESC [ digit ~, a letter for ESC [ letter. */
static const char pad_digits[] = "789-456+1230.";
static const char pad_keys[] = "1A5-DGC+4B623";

static bool held(const bool *both)
{
	return both[0] || both[1];
}

static size_t put(u8 *out, const char *s)
{
	size_t n = strlen(s);

	memcpy(out, s, n);
	return n;
}

/* --- keys that type a sequence --- */

static size_t put_arrow(u8 *out, char which, bool cursor_keys)
{
	out[0] = 0x1b;
	out[1] = cursor_keys && which != 'G' ? 'O' : '[';
	out[2] = which;
	return 3;
}

/* put_pad: a key of the editing block, which the keypad repeats. */
static size_t put_pad(u8 *out, char what, bool cursor_keys)
{
	if (what == '-' || what == '+') {
		out[0] = what;
		return 1;
	}
	if (what >= 'A')
		return put_arrow(out, what, cursor_keys);
	put(out, "\x1b[?~");
	out[2] = what;
	return 4;
}

static size_t put_function(u8 *out, u32 nr)
{
	static const char *const keys[] = {"\x1b[[A",  "\x1b[[B",  "\x1b[[C",  "\x1b[[D",
	                                   "\x1b[[E",  "\x1b[17~", "\x1b[18~", "\x1b[19~",
	                                   "\x1b[20~", "\x1b[21~", "\x1b[23~", "\x1b[24~"};

	return put(out, keys[nr]);
}

/* --- keys that type a character --- */

/* control: => the control character of C, or -1 */
static int control(u8 c)
{
	static const char digits[] = "\0\x1b\x1c\x1d\x1e\x1f\x7f"; /* of 2 to 8, as on a VT220 */

	if (c == ' ' || c == '@')
		return 0;
	if (c >= '2' && c <= '8')
		return digits[c - '2'];
	if (c == '/' || c == '-')
		return 0x1f;
	if (c == '?')
		return 0x7f;
	if (c == 0x7f)
		return '\b';
	if (c < ' ')
		return c;
	return c >= 'A' && c <= 'z' ? c & 0x1f : -1;
}

static size_t put_char(const struct keymap *k, u8 c, u8 *out)
{
	size_t n = 0;
	int typed = held(k->ctrl) ? control(c) : c;

	if (typed < 0)
		return 0;
	if (held(k->alt))
		out[n++] = 0x1b;
	out[n++] = typed;
	return n;
}

static u8 char_of(const struct keymap *k, u8 code)
{
	bool shift = held(k->shift);
	u8 c = plain[code];

	if (c >= 'a' && c <= 'z' && k->caps_lock)
		shift = !shift;
	return shift ? (u8)shifted[code] : c;
}

/* --- keys --- */

/* modify: a key that is held down together with others. => false: it is none */
static bool modify(struct keymap *k, u8 key, bool extended, bool down)
{
	if (key == KEY_CTRL)
		k->ctrl[extended] = down;
	else if (key == KEY_ALT)
		k->alt[extended] = down;
	else if (key == KEY_SHIFT_LEFT && !extended) /* with the prefix it is made up around others */
		k->shift[0] = down;
	else if (key == KEY_SHIFT_RIGHT && !extended)
		k->shift[1] = down;
	else
		return false;
	return true;
}

static bool lock(struct keymap *k, u8 key)
{
	if (key == KEY_CAPS_LOCK)
		k->caps_lock = !k->caps_lock;
	else if (key == KEY_NUM_LOCK)
		k->num_lock = !k->num_lock;
	else if (key == KEY_SCROLL_LOCK)
		k->scroll_lock = !k->scroll_lock;
	else
		return false;
	return true;
}

static size_t press_extended(const struct keymap *k, u8 key, bool cursor_keys, u8 *out)
{
	if (key == KEY_ENTER || key == KEY_SLASH)
		return put_char(k, key == KEY_ENTER ? '\r' : '/', out);
	if (key < KEY_PAD_FIRST || key > KEY_PAD_LAST)
		return 0;
	return put_pad(out, pad_keys[key - KEY_PAD_FIRST], cursor_keys);
}

static size_t press(struct keymap *k, u8 key, bool cursor_keys, u8 *out)
{
	if (lock(k, key))
		return 0;
	if (key >= KEY_PAD_FIRST && key <= KEY_PAD_LAST) {
		if (k->num_lock)
			return put_char(k, pad_digits[key - KEY_PAD_FIRST], out);
		return put_pad(out, pad_keys[key - KEY_PAD_FIRST], cursor_keys);
	}
	if (key >= KEY_F1 && key <= KEY_F10)
		return put_function(out, key - KEY_F1);
	if (key == KEY_F11 || key == KEY_F12)
		return put_function(out, key - KEY_F11 + 10);
	if (key == KEY_TAB && held(k->shift))
		return put(out, "\x1b\t");
	if (key >= sizeof(plain) - 1 || !plain[key])
		return 0;
	return put_char(k, char_of(k, key), out);
}

size_t keymap_feed(struct keymap *k, u8 code, bool cursor_keys, u8 out[KEYMAP_BYTES])
{
	bool extended = k->extended, down = !(code & RELEASE);
	u8 key = code & ~RELEASE;

	if (k->skip) {
		k->skip--;
		return 0;
	}
	k->extended = code == PREFIX;
	if (code == PREFIX_PAUSE)
		k->skip = 2;
	if (code == PREFIX || code == PREFIX_PAUSE || modify(k, key, extended, down) || !down)
		return 0;
	return extended ? press_extended(k, key, cursor_keys, out) : press(k, key, cursor_keys, out);
}
