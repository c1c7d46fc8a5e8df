/* with: hal/console/vt.c hal/base/printf.c hal/dev/keymap.c */
/* The screen's terminal: what TERM=linux promises, case by case, and then any bytes at all. And the keyboard's map. */
#include "hal/console/vt.h"
#include "hal/dev/keymap.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS 6
#define COLS 20

static int number, failures;

static void ok(bool good, const char *text)
{
	printf("%sok %d - [P13] %s\n", good ? "" : "not ", ++number, text);
	failures += !good;
}

static struct vt v;

static void start(void)
{
	vt_init(&v, ROWS, COLS);
}

static void put(const char *s)
{
	vt_write(&v, (const u8 *)s, strlen(s));
}

/* text: row ROW without the blanks at its end; what is no letter of ASCII as '?'. */
static const char *text(u32 row)
{
	static char s[VT_MAX_COLS + 1];
	u32 n = 0;

	for (u32 col = 0; col < v.cols; col++) {
		u32 c = VT_CHAR(vt_row(&v, row)[col]);

		s[col] = c < 0x7f ? c : '?';
		if (c != ' ')
			n = col + 1;
	}
	s[n] = 0;
	return s;
}

static bool is(u32 row, const char *want)
{
	if (!strcmp(text(row), want))
		return true;
	printf("# row %u: \"%s\", not \"%s\"\n", row, text(row), want);
	return false;
}

static bool at(u32 x, u32 y)
{
	if (v.now.x == x && v.now.y == y)
		return true;
	printf("# the cursor is at %u, %u\n", v.now.x, v.now.y);
	return false;
}

static u32 cell(u32 row, u32 col)
{
	return vt_row(&v, row)[col];
}

static u32 fg(u32 row, u32 col)
{
	return cell(row, col) >> VT_FG_SHIFT & 15;
}

static u32 bg(u32 row, u32 col)
{
	return cell(row, col) >> VT_BG_SHIFT & 15;
}

static bool replies(const char *want)
{
	u8 got[sizeof(v.reply)];
	size_t n = vt_take_reply(&v, got);

	return n == strlen(want) && !memcmp(got, want, n);
}

/* numbered: a letter at the start of each row. */
static void numbered(void)
{
	start();
	put("a\r\nb\r\nc\r\nd\r\ne\r\nf");
}

static bool rows_are(const char *want)
{
	for (u32 row = 0; row < ROWS; row++) {
		char c[2] = {want[row] == '.' ? 0 : want[row], 0};

		if (!is(row, c))
			return false;
	}
	return true;
}

static void test_text(void)
{
	start();
	put("hello\r\nworld");
	ok(is(0, "hello") && is(1, "world") && at(5, 1), "letters, return and line feed");
	put("\b\b\bW");
	ok(is(1, "woWld") && at(3, 1), "backspace moves and erases nothing");
	start();
	put("12345678901234567890");
	ok(at(COLS, 0) && vt_cursor_column(&v) == COLS - 1, "a full line waits with the wrap");
	put("x");
	ok(is(1, "x") && at(1, 1), "and the next letter wraps");
	put("\x1b[?7l\x1b[1;18Habcdef");
	ok(is(0, "12345678901234567abf"), "without DECAWM the last column is written over");
	start();
	put("a\tb\x1b[3g\x1b[1;5H\x1bH\rX\tY");
	ok(is(0, "X   Y   b"), "tab stops, set and cleared");
	start();
	put("\t\t\t\t");
	ok(at(COLS - 1, 0), "a tab ends at the edge");
	put("\x1b[Z");
	ok(at(16, 0), "CBT goes back by one");
	numbered();
	put("\r\ng");
	ok(rows_are("bcdefg"), "the last row's line feed scrolls");
	start();
	put("\x1b[20ha\nb\x1b[20l\nc");
	ok(is(1, "b") && is(2, " c"), "LNM: a line feed returns, too");
}

static void test_utf8(void)
{
	start();
	put("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80!");
	ok(VT_CHAR(cell(0, 0)) == 0xe9 && VT_CHAR(cell(0, 1)) == 0x20ac && VT_CHAR(cell(0, 2)) == 0xfffd &&
	           VT_CHAR(cell(0, 4)) == '!',
	   "UTF-8 of two, three and four bytes; wide ones take two columns");
	start();
	put("e\xcc\x81x");
	ok(at(2, 0) && is(0, "ex"), "a combining mark takes none");
	start();
	put("\xc3(\xff\x80\xc0\xaf\xed\xa0\x80|\xe2\x82");
	put("z");
	ok(is(0, "?(?????|?z"), "what is no UTF-8 shows as unknown, the rest as it is");
	start();
	put("\xe2\x82");
	put("\xac.");
	ok(VT_CHAR(cell(0, 0)) == 0x20ac && is(0, "?."), "a character may come in two pieces");
}

static void test_cursor(void)
{
	start();
	put("\x1b[3;5Hx");
	ok(is(2, "    x") && at(5, 2), "CUP");
	put("\x1b[2A\x1b[3D.");
	ok(is(0, "  .") && at(3, 0), "CUU, CUB");
	put("\x1b[B\x1b[2C+");
	ok(is(1, "     +"), "CUD, CUF");
	put("\x1b[99;99H");
	ok(at(COLS - 1, ROWS - 1), "no further than the corner");
	put("\x1b[H\x1b[A\x1b[D");
	ok(at(0, 0), "nor the other");
	put("\x1b[7G\x1b[4d");
	ok(at(6, 3), "CHA, VPA");
	put("\x1b[2E");
	ok(at(0, 5), "CNL");
	put("\x1b[2;3H\x1b[31m\x1b"
	    "7\x1b[H\x1b[m\x1b"
	    "8y");
	ok(at(3, 1) && fg(1, 2) == 1, "DECSC and DECRC keep place and colour");
	put("\x1b[?25l");
	ok(!v.cursor_on, "DECTCEM hides the cursor");
	put("\x1b[?25h\x1b[?0c\x1b[?1h");
	ok(v.cursor_on && v.cursor_keys, "and shows it; DECCKM is for the keyboard");
}

static void test_erase(void)
{
	numbered();
	put("\x1b[3;1H\x1b[J");
	ok(rows_are("ab...."), "ED to the end");
	numbered();
	put("\x1b[3;1H\x1b[1J");
	ok(rows_are("...def"), "ED from the start");
	numbered();
	put("\x1b[2J");
	ok(rows_are("......"), "ED all");
	start();
	put("abcdefgh\x1b[1;4H\x1b[K");
	ok(is(0, "abc"), "EL to the end");
	put("defgh\x1b[1;4H\x1b[1K");
	ok(is(0, "    efgh"), "EL from the start");
	start();
	put("abcdefgh\x1b[1;3H\x1b[2X");
	ok(is(0, "ab  efgh") && at(2, 0), "ECH");
	start();
	put("\x1b[44m\x1b[K");
	ok(bg(0, 7) == 4, "what is erased gets the background that is set");
}

static void test_insert(void)
{
	start();
	put("abcdef\x1b[1;3H\x1b[2@");
	ok(is(0, "ab  cdef"), "ICH");
	put("\x1b[3P");
	ok(is(0, "abdef"), "DCH");
	put("\x1b[4hXY\x1b[4lZ");
	ok(is(0, "abXYZef"), "IRM");
	numbered();
	put("\x1b[3;2H\x1b[2L");
	ok(rows_are("ab..cd") && at(0, 2), "IL");
	numbered();
	put("\x1b[2;1H\x1b[3M");
	ok(rows_are("aef..."), "DL");
}

static void test_region(void)
{
	numbered();
	put("\x1b[2;4r");
	ok(at(0, 0), "DECSTBM puts the cursor home");
	put("\x1b[4;1H\n");
	ok(rows_are("acd.ef"), "a line feed at the bottom margin scrolls between the margins");
	put("\x1b[2;1H\x1bM");
	ok(rows_are("a.cdef"), "RI at the top margin scrolls down");
	put("\x1b[6;1H\n");
	ok(rows_are("a.cdef") && at(0, 5), "below the margins nothing scrolls");
	put("\x1b[?6h\x1b[1;1Hx\x1b[99;1Hy\x1b[?6l");
	ok(is(1, "x") && is(3, "y"), "DECOM: rows count from the margin, and end there");
	numbered();
	put("\x1b[2;5r\x1b[3;1H\x1b[L");
	ok(rows_are("ab.cdf"), "IL stays within the margins");
	put("\x1b[6;1H\x1b[L");
	ok(rows_are("ab.cdf"), "and does nothing outside");
	put("\x1b[S");
	ok(rows_are("a.cd.f"), "SU");
	put("\x1b[2T");
	ok(rows_are("a...cf"), "SD");
	put("\x1b[5;2r\x1b[1;1r");
	ok(v.top == 1 && v.bottom == 5, "margins the wrong way round are not taken");
	put("\x1b[r");
	ok(v.top == 0 && v.bottom == ROWS, "none are given: all rows scroll");
}

static void test_colours(void)
{
	start();
	put("\x1b[31;42mA\x1b[1mB\x1b[7mC\x1b[0mD\x1b[4mE\x1b[24;91;103mF\x1b[39;49mG");
	ok(fg(0, 0) == 1 && bg(0, 0) == 2, "SGR: colours");
	ok(fg(0, 1) == 9, "bold is bright");
	ok(fg(0, 2) == 2 && bg(0, 2) == 9, "reverse");
	ok(fg(0, 3) == 7 && bg(0, 3) == 0, "reset");
	ok((cell(0, 4) & VT_UNDERLINE) && !(cell(0, 5) & VT_UNDERLINE), "underline");
	ok(fg(0, 5) == 9 && bg(0, 5) == 11 && fg(0, 6) == 7, "bright ones, and the default again");
	start();
	put("\x1b[38;5;196mA\x1b[48;5;21mB\x1b[38;2;0;255;0mC\x1b[0;38;5;3;1mD\x1b[38;5mE");
	ok(fg(0, 0) == 9 && bg(0, 1) == 12 && fg(0, 2) == 10 && fg(0, 3) == 11, "256 colours become sixteen");
	start();
	put("\x1b[1;2;3;4;5;6;7;8;9;10;11;12;13;14;15;16;17;18;19mX\x1b[0m\x1b[99999999999999;1HY");
	ok(is(5, "Y"), "too many parameters, and too large ones");
}

static void test_charsets(void)
{
	start();
	put("\x0elqk\x0f q\x1b(0tqu\x1b(Bq");
	ok(VT_CHAR(cell(0, 0)) == 0x250c && VT_CHAR(cell(0, 1)) == 0x2500 && VT_CHAR(cell(0, 2)) == 0x2510 &&
	           VT_CHAR(cell(0, 4)) == 'q' && VT_CHAR(cell(0, 5)) == 0x251c && VT_CHAR(cell(0, 8)) == 'q',
	   "line drawing by SO and by ESC ( 0");
}

static void test_replies(void)
{
	start();
	put("\x1b[3;4H\x1b[6n");
	ok(replies("\x1b[3;4R"), "DSR: where the cursor is");
	put("\x1b[5n\x1b[c\x1bZ");
	ok(replies("\x1b[0n\x1b[?6c\x1b[?6c"), "DSR, DA, DECID");
	put("\x1b[2;5r\x1b[?6h\x1b[2;1H\x1b[6n");
	ok(replies("\x1b[2;1R"), "with DECOM it counts from the margin");
	for (int i = 0; i < 1000; i++)
		put("\x1b[6n");
	ok(v.reply_len <= sizeof(v.reply), "questions without end are not all answered");
}

static void test_strings(void)
{
	start();
	put("a\x1b]0;a title\x07"
	    "b\x1b]2;another\x1b\\c\x1bPq#1;2\x1b\\d\x1b_x\x1b\\e");
	ok(is(0, "abcde"), "titles and other strings are not shown");
	put("\x1b]P1ff0000f\x1b]Rg\x1b[[Ah");
	ok(is(0, "abcdefgh"), "Linux's palette has no end mark");
	put("\x1b%Gi\x1b#3j\x1b=\x1b>k\x1b[?2004hl\x1b[>0cm\x1b[!pn\x1b[ qo");
	ok(is(0, "abcdefghijklmno"), "what is not known is passed over");
	put("\x1b[3\x18p\x1b[3\x1b[1;1HX");
	ok(is(0, "Xbcdefghijklmnop"), "CAN and ESC break a sequence off");
	put("\x1b#8");
	ok(is(3, "EEEEEEEEEEEEEEEEEEEE"), "DECALN");
	put("\x1b[2;3r\x1b[4h\x1b[31m\x1b)B\x1b"
	    "c");
	ok(rows_are("......") && v.bottom == ROWS && !v.insert && v.now.fg == 7 && v.now.graphic[1], "RIS");
	put("ab\x1b[3b");
	ok(is(0, "abbbb"), "REP");
}

static void test_log(void)
{
	start();
	put("\x1b[31;7mab\x1b[3");
	vt_log(&v, "[1.0] line\n", 11);
	put("2mc");
	ok(is(0, "ab[1.0] line") && is(1, "c"), "a line of the log between the parts of a sequence");
	ok(fg(0, 3) == 7 && bg(0, 3) == 0 && bg(1, 0) == 2, "in its own colour");
}

/* --- any bytes --- */

static u64 seed = 1;

static u32 rnd(u32 n)
{
	seed = seed * 6364136223846793005UL + 1442695040888963407UL;
	return (seed >> 33) % n;
}

static size_t random_bytes(u8 *buf, size_t size)
{
	static const char *const pieces[] = {"\x1b[", "\x1b]",     "\x1b",  ";",        "?",
	                                     "\n",    "\r",        "\t",    "\xe2\x94", "9999",
	                                     "\x0e",  "\x1b[2;4r", "\x1bM", "\x1b[L",   "\x1b[?6h"};
	size_t n = 0;

	while (n + 8 < size) {
		if (rnd(3)) {
			buf[n++] = rnd(4) ? 0x20 + rnd(0x60) : rnd(256);
		} else {
			const char *p = pieces[rnd(ARRAY_SIZE(pieces))];

			memcpy(buf + n, p, strlen(p));
			n += strlen(p);
		}
	}
	return n;
}

static bool invariants(void)
{
	bool seen[VT_MAX_ROWS] = {false};

	for (u32 row = 0; row < v.rows; row++) {
		if (v.row_of[row] >= v.rows || seen[v.row_of[row]])
			return false; /* V1 */
		seen[v.row_of[row]] = true;
		for (u32 col = 0; col < v.cols; col++)
			if (cell(row, col) & VT_CURSOR)
				return false;
	}
	return v.now.x <= v.cols && v.now.y < v.rows && v.top < v.bottom && v.bottom <= v.rows; /* V3, V4 */
}

static bool clean_rows_same(u32 (*before)[VT_MAX_COLS])
{
	for (u32 row = 0; row < v.rows; row++)
		if ((row < v.dirty_first || row >= v.dirty_end) &&
		    memcmp(before[row], vt_row(&v, row), v.cols * sizeof(u32)))
			return false; /* V2 */
	return true;
}

static void test_random(void)
{
	static u32 before[VT_MAX_ROWS][VT_MAX_COLS];
	bool good = true;
	u8 buf[256];

	for (int round = 0; round < 3000 && good; round++) {
		if (round % 50 == 0)
			vt_init(&v, 1 + rnd(VT_MAX_ROWS), 1 + rnd(VT_MAX_COLS));
		for (u32 row = 0; row < v.rows; row++)
			memcpy(before[row], vt_row(&v, row), sizeof(before[row]));
		vt_clean(&v);
		vt_write(&v, buf, random_bytes(buf, sizeof(buf)));
		good = invariants() && clean_rows_same(before);
	}
	ok(good, "any bytes leave the screen in order, and say which rows they changed");
}

/* --- the keyboard --- */

static struct keymap keys;

/* types: the scan codes CODES, as hexadecimal digits, type WANT. */
static bool types(const char *codes, const char *want)
{
	char got[128];
	size_t n = 0;

	for (; *codes; codes += 2) {
		char digits[3] = {codes[0], codes[1], 0};
		u8 out[KEYMAP_BYTES];
		size_t len = keymap_feed(&keys, strtoul(digits, NULL, 16), false, out);

		memcpy(got + n, out, len);
		n += len;
	}
	return n == strlen(want) && !memcmp(got, want, n);
}

static void test_keyboard(void)
{
	u8 out[KEYMAP_BYTES];

	ok(types("1e9e30b00282398904842b", "ab1 3\\"), "letters and digits");
	ok(types("2a1e9e0282aa36270ba7b6", "A!:)"), "with either Shift");
	ok(types("3aba1e022a1e02aa3aba1e", "A1a!a"), "Caps Lock turns letters only");
	ok(types("1d2e1a2c9d", "\x03\x1b\x1a"), "with Ctrl");
	ok(types("e01d1ee09d3830b83d", "\x01\x1b"
	                               "b\x1b[[C"),
	   "with the other Ctrl, with Alt, and a function key");
	ok(types("e048e0c8e04be04de050", "\x1b[A\x1b[D\x1b[C\x1b[B"), "arrows");
	ok(types("e047e04fe049e051e052e053", "\x1b[1~\x1b[4~\x1b[5~\x1b[6~\x1b[2~\x1b[3~"),
	   "the block above them");
	ok(types("e02ae048e0aa", "\x1b[A"), "shifts made up by the keyboard do not count");
	ok(types("474f45c5474f4a374e45c547", "\x1b[1~\x1b[4~71-*+\x1b[1~"),
	   "the keypad, with and without Num Lock");
	ok(types("e11d45e19dc51e", "a"), "Pause types nothing");
	ok(types("1c0e0f2a0faa01e01ce035", "\r\x7f\t\x1b\t\x1b\r/"),
	   "Enter, Backspace, Tab, Shift-Tab, Escape, the keypad's");
	ok(types("1e1e1e9e", "aaa"), "a key held down repeats");
	ok(types("574458", "\x1b[23~\x1b[21~\x1b[24~"), "F11, F10, F12");
	keymap_feed(&keys, 0xe0, true, out);
	ok(keymap_feed(&keys, 0x48, true, out) == 3 && !memcmp(out, "\x1bOA", 3),
	   "arrows as applications ask for them");
	memset(&keys, 0, sizeof(keys));
	for (int i = 0; i < 1000000; i++)
		if (keymap_feed(&keys, rnd(256), rnd(2), out) > sizeof(out))
			abort();
	ok(true, "any codes at all");
}

int main(void)
{
	test_text();
	test_utf8();
	test_cursor();
	test_erase();
	test_insert();
	test_region();
	test_colours();
	test_charsets();
	test_replies();
	test_strings();
	test_log();
	test_random();
	test_keyboard();
	printf("1..%d\n", number);
	return failures != 0;
}
