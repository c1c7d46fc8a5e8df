/* with: kernel/tty/ldisc.c */
/* The line discipline: named cases, and then many random ones against the pseudo-terminal of the Linux that
 * runs this. `ldisc SEED [ROUNDS]` repeats a failure. */
#include "kernel/tty/ldisc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define SIGINT 2
#define SIGQUIT 3
#define SIGTSTP 20

static int number, failures;

static void ok(bool good, const char *text)
{
	printf("%sok %d - [P13] %s\n", good ? "" : "not ", ++number, text);
	failures += !good;
}

/* --- one terminal, as text --- */

static struct ldisc l;
static int last_signal;

static void start(void)
{
	ldisc_init(&l);
	l.tio.c_cc[VEOL] = ';';
	last_signal = 0;
}

static void set_flags(tcflag_t *flags, tcflag_t on, tcflag_t off)
{
	struct termios tio = l.tio;
	size_t at = (char *)flags - (char *)&l.tio;

	*(tcflag_t *)((char *)&tio + at) = (*flags | on) & ~off;
	ldisc_set_termios(&l, &tio);
}

static void type_bytes(const char *s, size_t n)
{
	for (size_t i = 0; i < n && ldisc_accepts(&l); i++) {
		int sig = ldisc_input(&l, s[i]);

		if (sig)
			last_signal = sig;
	}
}

static void type(const char *s)
{
	type_bytes(s, strlen(s));
}

/* shown: everything that reached the screen since the last call. */
static const char *shown(void)
{
	static char text[LDISC_OUTPUT + 1];
	const u8 *bytes;
	u32 n, done = 0;

	while ((n = ldisc_output(&l, &bytes))) {
		memcpy(text + done, bytes, n);
		ldisc_output_done(&l, n);
		done += n;
	}
	text[done] = 0;
	return text;
}

static char got[LDISC_INPUT + 1];
static size_t got_len;
static bool got_end;

static const char *read_some(size_t n)
{
	got_len = ldisc_read(&l, (u8 *)got, n, &got_end);
	got[got_len] = 0;
	return got;
}

static bool reads(const char *want)
{
	return !strcmp(read_some(LDISC_INPUT), want);
}

static bool shows(const char *want)
{
	const char *s = shown();

	if (!strcmp(s, want))
		return true;
	printf("# shown:");
	for (; *s; s++)
		printf(*s > ' ' ? "%c" : "<%02x>", *s);
	printf("\n");
	return false;
}

/* --- the cases --- */

static void test_lines(void)
{
	start();
	type("ab");
	ok(!ldisc_readable(&l, 1) && ldisc_available(&l) == 0, "an unfinished line cannot be read");
	type("c\rd\n");
	ok(ldisc_available(&l) == 6, "FIONREAD counts the finished lines");
	ok(reads("abc\n") && got_end, "a read gives one line; a return ends it as a newline");
	ok(reads("d\n"), "the next read gives the next line");
	ok(shows("abc\r\nd\r\n"), "what is typed is echoed");
	type("long;");
	ok(!strcmp(read_some(2), "lo") && !got_end && reads("ng;"),
	   "a short read leaves the rest of its line");
	start();
	type("x\ny");
	ok(reads("x\n") && !ldisc_readable(&l, 1), "VEOL and newline alone end a line");
}

static void test_eof(void)
{
	start();
	type("\4");
	ok(ldisc_readable(&l, 1) && ldisc_available(&l) == 0, "an end of file is there to be read");
	ok(reads("") && got_end && !ldisc_readable(&l, 1), "and reads as 0 bytes, once");
	type("ab\4");
	ok(reads("ab"), "behind text it ends the line without being part of it");
	ok(!ldisc_readable(&l, 1), "and is gone with it");
	type("ab\4");
	read_some(2);
	ldisc_skip_eof(&l);
	ok(!ldisc_readable(&l, 1), "a read that takes just the text takes its end of file too");
	ok(shows("abab"), "it is not echoed");
	type("a\n\4");
	read_some(2);
	ldisc_skip_eof(&l);
	ok(ldisc_readable(&l, 1) || got_end, "one on a line of its own stays");
}

static void test_erase(void)
{
	start();
	type("abx\x7f\n");
	ok(reads("ab\n") && shows("abx\b \b\r\n"), "VERASE rubs out one character");
	type("\x7f\x7fq\n");
	ok(reads("q\n") && shows("q\r\n"), "and nothing at the beginning of the line");
	type("one\n\x7ftwo\n");
	ok(reads("one\n") && reads("two\n"), "finished lines are out of its reach");
	shown();
	type("a\xc3\xa9\x7f\n");
	ok(reads("a\n") && shows("a\xc3\xa9\b \b\r\n"), "IUTF8: a whole character of two bytes");
	type("\xe2\x82\xac\xf0\x9f\x98\x80\x7f\n");
	ok(reads("\xe2\x82\xac\n"), "IUTF8: and of four");
	set_flags(&l.tio.c_iflag, 0, IUTF8);
	type("\xc3\xa9\x7f\n");
	ok(reads("\xc3\n"), "without IUTF8: one byte");
	shown();
	type("\x01\x7f\n");
	ok(reads("\n") && shows("^A\b \b\b \b\r\n"), "a control character takes two places away");
	set_flags(&l.tio.c_lflag, 0, ECHOE);
	type("a\x7f\n");
	ok(reads("\n") && shows("a^?\r\n"), "without ECHOE: it shows itself");
	set_flags(&l.tio.c_lflag, 0, ECHO);
	type("a\x7f"
	     "b\n");
	ok(reads("b\n") && shows(""), "without ECHO: it works unseen");
}

static void test_tabs(void)
{
	start();
	type("ab\t\x7f");
	ok(shows("ab\t\b\b\b\b\b\b"), "a tab is erased back to where it began");
	type("\x15\ta\t\x7f");
	ok(shows("\b \b\b \b\ta\t\b\b\b\b\b\b\b"), "also behind another tab");
	start();
	ldisc_write(&l, (const u8 *)"> ", 2);
	type("\t\x7f");
	ok(shows("> \t\b\b\b\b\b\b"), "also behind a prompt");
}

static void test_kill(void)
{
	start();
	type("abc\x15"
	     "d\n");
	ok(reads("d\n") && shows("abc\b \b\b \b\b \bd\r\n"), "VKILL rubs out the line");
	set_flags(&l.tio.c_lflag, 0, ECHOKE);
	type("abc\x15"
	     "d\n");
	ok(reads("d\n") && shows("abc^U\r\nd\r\n"), "without ECHOKE: shows itself and a new line");
	set_flags(&l.tio.c_lflag, 0, ECHOK);
	type("abc\x15\n");
	ok(reads("\n") && shows("abc^U\r\n"), "without ECHOK: only itself");
	start();
	type("a\n\x15");
	ok(reads("a\n"), "finished lines are out of its reach");
}

static void test_word(void)
{
	start();
	type("ls foo.bar \x17\n");
	ok(reads("ls foo.\n"), "VWERASE takes blanks and one word");
	shown();
	type("a b\x17\x17\n");
	ok(reads("\n") && shows("a b\b \b\b \b\b \b\r\n"), "one by one");
	set_flags(&l.tio.c_lflag, 0, IEXTEN);
	type("a b\x17\n");
	ok(reads("a b\x17\n"), "without IEXTEN it is a character");
}

static void test_quote(void)
{
	start();
	type("a\x16\x03\x16\x7f\x16\n"
	     "b\n");
	ok(reads("a\x03\x7f\nb\n") && !last_signal, "VLNEXT takes the special meaning away");
	ok(shows("a^\b^C^\b^?^\b^Jb\r\n"), "and is seen until the next character comes");
	type("ab\x12");
	ok(shows("ab^R\r\nab"), "VREPRINT shows the line again");
}

static void test_signals(void)
{
	start();
	type("abc\3");
	ok(last_signal == SIGINT && shows("^C"), "VINTR: SIGINT; pending echo is dropped");
	type("\n");
	ok(reads("\n"), "and the line is gone");
	type("\x1c");
	ok(last_signal == SIGQUIT, "VQUIT: SIGQUIT");
	type("\x1a");
	ok(last_signal == SIGTSTP, "VSUSP: SIGTSTP");
	set_flags(&l.tio.c_lflag, NOFLSH, 0);
	type("abc\3\n");
	ok(reads("abc\n"), "NOFLSH: what was typed stays");
	set_flags(&l.tio.c_lflag, 0, ISIG);
	last_signal = 0;
	type("\3\n");
	ok(reads("\3\n") && !last_signal, "without ISIG it is a character");
	start();
	l.tio.c_cc[VINTR] = 0;
	type_bytes("a\0\3\n", 4);
	read_some(9);
	ok(got_len == 4 && !last_signal, "0 disables a special character, and NUL is an ordinary one");
}

static void test_flow(void)
{
	const u8 *bytes;

	start();
	ldisc_write(&l, (const u8 *)"abc", 3);
	type("\x13");
	ok(ldisc_output(&l, &bytes) == 0 && ldisc_output_queued(&l) == 3, "VSTOP holds the output");
	type("x");
	ok(ldisc_output(&l, &bytes) == 0, "a key does not let it go");
	type("\x11");
	ok(shows("abcx"), "VSTART does");
	set_flags(&l.tio.c_iflag, IXANY, 0);
	type("\x13y");
	ok(shows("y"), "with IXANY any key does");
	type("\x13");
	set_flags(&l.tio.c_iflag, 0, IXON);
	ok(!l.stopped, "clearing IXON does");
	type("\x13\n");
	ok(reads("xy\x13\n"), "without IXON they are characters");
}

static void test_ixoff(void)
{
	start();
	set_flags(&l.tio.c_iflag, IXOFF, 0);
	set_flags(&l.tio.c_lflag, 0, ECHO | ICANON);
	for (u32 i = 0; i < LDISC_INPUT / 4 * 3; i++)
		type("z");
	ok(shows("\x13"), "IXOFF: a sender is stopped before the buffer is full");
	read_some(LDISC_INPUT);
	ok(shows("\x11"), "and started again when there is room");
}

static void test_translation(void)
{
	start();
	set_flags(&l.tio.c_iflag, INLCR, ICRNL);
	set_flags(&l.tio.c_lflag, 0, ICANON | ECHO);
	type("a\nb\r");
	ok(reads("a\rb\r"), "INLCR; no ICRNL");
	set_flags(&l.tio.c_iflag, IGNCR | ICRNL | ISTRIP, INLCR);
	type("a\r\n\xe1");
	ok(reads("a\na"), "IGNCR, ISTRIP");
	set_flags(&l.tio.c_lflag, ICANON | ECHONL, 0);
	type("a\n");
	ok(shows("\r\n"), "ECHONL shows the newline alone");
}

static bool writes(const char *s, const char *want)
{
	ldisc_write(&l, (const u8 *)s, strlen(s));
	return shows(want);
}

static void test_output(void)
{
	start();
	ok(writes("a\nb", "a\r\nb"), "ONLCR");
	set_flags(&l.tio.c_oflag, OCRNL, ONLCR);
	ok(writes("a\rb\n", "a\nb\n"), "OCRNL");
	start();
	set_flags(&l.tio.c_oflag, ONOCR, ONLCR);
	ok(writes("\ra\r\rb", "a\rb"), "ONOCR");
	start();
	set_flags(&l.tio.c_oflag, XTABS, 0);
	ok(writes("a\tb\b\t\t|", "a       b\b                |"), "XTABS");
	ok(writes("\nabc\t|", "\r\nabc     |"), "columns begin anew with each line");
	ok(writes("\r\xc3\xa9\t|", "\r\xc3\xa9       |"), "a character of several bytes takes one column");
	set_flags(&l.tio.c_oflag, 0, OPOST);
	ok(writes("a\n\t", "a\n\t"), "without OPOST nothing is changed");
}

static void test_limits(void)
{
	static char big[2 * LDISC_OUTPUT];
	size_t n;

	start();
	set_flags(&l.tio.c_lflag, 0, ECHO);
	memset(big, 'x', sizeof(big));
	type_bytes(big, LDISC_INPUT + 100);
	type("\n");
	read_some(LDISC_INPUT);
	ok(got_len == LDISC_INPUT && got[LDISC_INPUT - 1] == '\n', "a line that is too long still ends");
	type("a\n");
	type_bytes(big, LDISC_INPUT);
	ok(!ldisc_accepts(&l), "a full buffer with a line to read takes no more");
	ok(reads("a\n") && ldisc_accepts(&l), "until that was read");
	start();
	set_flags(&l.tio.c_lflag, 0, ICANON | ECHO);
	type_bytes(big, LDISC_INPUT + 1);
	ok(ldisc_available(&l) == LDISC_INPUT - 1, "outside canonical mode nothing is overwritten");
	start();
	n = ldisc_write(&l, (const u8 *)big, sizeof(big));
	ok(n < LDISC_OUTPUT && !ldisc_writable(&l), "output that does not fit is not taken");
	type("echo");
	ok(strlen(shown()) == n + 4, "and leaves room for echo");
	ok(ldisc_writable(&l), "and is asked for again");
}

static void test_modes(void)
{
	start();
	type("abc");
	set_flags(&l.tio.c_lflag, 0, ICANON);
	ok(ldisc_readable(&l, 3) && !ldisc_readable(&l, 4),
	   "a started line can be read outside canonical mode");
	type("d");
	set_flags(&l.tio.c_lflag, ICANON, 0);
	ok(reads("abcd"), "what was there becomes a line when canonical mode comes");
	type("e\nf");
	ok(reads("e\n") && !ldisc_readable(&l, 1), "and lines go on from there");
	ldisc_flush_input(&l);
	type("\n");
	ok(reads("\n"), "flushing forgets what was typed");
}

/* --- the same on Linux --- */

static int master = -1, slave = -1;
static u64 seed;

static u32 rnd(u32 n)
{
	seed = seed * 6364136223846793005UL + 1442695040888963407UL;
	return (seed >> 33) % n;
}

static bool pty_open(void)
{
	int unlock = 0, nr;
	char name[32];

	master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
	if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock) || ioctl(master, TIOCGPTN, &nr))
		return false;
	snprintf(name, sizeof(name), "/dev/pts/%d", nr);
	slave = open(name, O_RDWR | O_NOCTTY | O_NONBLOCK);
	return slave >= 0;
}

static void pty_close(void)
{
	close(slave);
	close(master);
}

static long patience; /* us */

/* settle: bytes reach the other end by a worker of the kernel: wait until as many are there as we have, the longer
 * the more often the round was tried before: a busy machine's worker comes late. What shows no difference in number
 * takes time to trust. */
static void settle(int fd, u32 want)
{
	struct timespec pause = {0, 50000}, rest = {0, patience * 1000};
	int n = 0;

	for (long i = 0; i < 200 + patience / 4; i++) {
		if (ioctl(fd, FIONREAD, &n) == 0 && n == (int)want)
			break;
		nanosleep(&pause, NULL);
	}
	nanosleep(&rest, NULL);
}

static tcflag_t some_of(const tcflag_t *flags, size_t n)
{
	tcflag_t f = 0;

	for (size_t i = 0; i < n; i++)
		f |= rnd(2) ? flags[i] : 0;
	return f;
}
#define SOME_OF(...) some_of((tcflag_t[]){__VA_ARGS__}, sizeof((tcflag_t[]){__VA_ARGS__}) / sizeof(tcflag_t))

static void random_termios(void)
{
	struct termios tio = l.tio;

	tio.c_iflag = SOME_OF(INLCR, IUTF8, IXON, IXANY, IMAXBEL, IGNBRK, BRKINT, INPCK, IGNPAR) |
	              (rnd(8) ? 0 : SOME_OF(ISTRIP, IGNCR, IUCLC)) | (rnd(4) ? 0 : PARMRK) |
	              (rnd(4) ? ICRNL : 0);
	tio.c_oflag = SOME_OF(ONLCR, OCRNL, ONOCR, ONLRET, OFILL) | (rnd(8) ? 0 : OLCUC) |
	              (rnd(4) ? OPOST : 0) | (rnd(2) ? XTABS : 0);
	tio.c_lflag = SOME_OF(ECHONL, NOFLSH) | (rnd(4) ? 0 : ECHOPRT) | (rnd(16) ? 0 : EXTPROC) |
	              (rnd(4) ? ECHO : 0) | (rnd(4) ? ECHOE | ECHOK : 0) | (rnd(4) ? ECHOKE : 0) |
	              (rnd(4) ? ECHOCTL : 0) | (rnd(4) ? ICANON : 0) | (rnd(4) ? IEXTEN : 0) |
	              (rnd(4) ? ISIG : 0);
	tio.c_cc[VEOL] = rnd(2) ? ';' : 0;
	tio.c_cc[VEOL2] = rnd(2) ? ',' : 0;
	if (ioctl(slave, TCSETS, &tio))
		abort();
	ldisc_set_termios(&l, &tio);
}

static size_t random_text(char *buf)
{
	static const char keys[] =
	        "abc xyz_09.\t\t\n\r\n;,\x7f\x7f\x7f\x15\x17\x16\x12\x04\x03\x1c\x1a\x13\x11"
	        "\xc3\xa9\xe2\x82\xac\x80\xfe\xd7\x01\x1b\x00\b\xff\xffQZ\xc9";
	size_t n = 1 + rnd(20);

	for (size_t i = 0; i < n; i++)
		buf[i] = rnd(3) ? "ab cd"[rnd(5)] : keys[rnd(sizeof(keys) - 1)];
	return n;
}

static bool same_bytes(const char *what, const char *a, ssize_t na, const char *b, ssize_t nb)
{
	if (na == nb && (na <= 0 || !memcmp(a, b, na)))
		return true;
	printf("# %s: Linux %zd bytes, we %zd\n#   Linux:", what, na, nb);
	for (ssize_t i = 0; i < na; i++)
		printf(" %02x", (u8)a[i]);
	printf("\n#   we:   ");
	for (ssize_t i = 0; i < nb; i++)
		printf(" %02x", (u8)b[i]);
	printf("\n");
	return false;
}

static bool both_show(void)
{
	char theirs[2 * LDISC_OUTPUT];
	const u8 *bytes;
	u32 m = ldisc_output(&l, &bytes) ? ldisc_output_queued(&l) : 0;
	ssize_t n;

	settle(slave, ldisc_available(&l));
	settle(master, m);
	n = read(master, theirs, sizeof(theirs));

	return same_bytes("screen", theirs, n < 0 ? 0 : n, shown(), m);
}

static bool acts_on_output(char c)
{
	return c == l.tio.c_cc[VINTR] || c == l.tio.c_cc[VQUIT] || c == l.tio.c_cc[VSUSP] ||
	       c == l.tio.c_cc[VSTART] || c == l.tio.c_cc[VSTOP];
}

/* both_type: a signal drops pending output and VSTOP holds it, and how much is pending on Linux is a matter
 * of luck: so everything is shown before one is typed. Linux also puts off the processing of echo that is held;
 * so nothing but VSTART follows VSTOP. */
static bool both_type(void)
{
	char buf[64];
	size_t n = random_text(buf), done = 0, len;
	bool same = true;

	if (l.stopped)
		buf[0] = l.tio.c_cc[VSTART];

	while (done < n && same) {
		for (len = 1; done + len < n && !l.stopped && !acts_on_output(buf[done + len]); len++)
			;
		if (write(master, buf + done, len) != (ssize_t)len)
			abort();
		type_bytes(buf + done, len);
		same = both_show();
		done += len;
		if (l.stopped && done < n)
			buf[done] = l.tio.c_cc[VSTART];
	}
	return same;
}

static void both_write(void)
{
	char buf[64];
	size_t n = random_text(buf);

	if (l.stopped)
		return;
	if (write(slave, buf, n) != (ssize_t)n)
		abort();
	ldisc_write(&l, (u8 *)buf, n);
}

static bool both_read(void)
{
	char theirs[LDISC_INPUT], ours[LDISC_INPUT];
	size_t want = rnd(3) ? sizeof(ours) : 1 + rnd(6);
	bool end = false, ready = ldisc_readable(&l, 1);
	ssize_t n, m;

	n = read(slave, theirs, want);
	if (n < 0 && errno == EAGAIN && !ready)
		return true;
	m = ldisc_read(&l, (u8 *)ours, want, &end);
	if (m == (ssize_t)want && !end && (l.tio.c_lflag & ICANON))
		ldisc_skip_eof(&l);
	return same_bytes("read", theirs, n, ours, ready ? m : -1);
}

static bool round_of(u64 s)
{
	bool same = true;

	seed = s;
	start();
	if (!pty_open())
		return false;
	random_termios();
	for (int i = 0; i < 12 && same; i++) {
		switch (rnd(8)) {
		case 0:
			if (!l.stopped)
				random_termios();
			break;
		case 1:
			both_write();
			break;
		case 2:
		case 3:
			same = both_read();
			break;
		default:
			same = both_type();
		}
		same = same && both_show();
	}
	while (same && ldisc_readable(&l, 1))
		same = both_read();
	pty_close();
	if (!same)
		printf("# seed %lu\n", (unsigned long)s);
	return same;
}

static void test_like_linux(u64 first, u32 rounds)
{
	u32 different = 0;

	if (!pty_open()) {
		printf("ok %d - [P13] random typing as on Linux # SKIP no pseudo-terminals here\n", ++number);
		return;
	}
	pty_close();
	for (u32 i = 0; i < rounds && different < 3; i++) {
		patience = 20;
		for (u32 try = 0; try < 4 && !round_of(first + i); try++)
			patience *= 10;
		different += patience > 20000;
	}
	ok(!different, "random typing gives what Linux's pseudo-terminal gives");
}

int main(int argc, char **argv)
{
	u64 first = argc > 1 ? strtoul(argv[1], NULL, 0) : 1;
	u32 rounds = argc > 2 ? strtoul(argv[2], NULL, 0) : 600;

	test_lines();
	test_eof();
	test_erase();
	test_tabs();
	test_kill();
	test_word();
	test_quote();
	test_signals();
	test_flow();
	test_ixoff();
	test_translation();
	test_output();
	test_limits();
	test_modes();
	test_like_linux(first, rounds);
	printf("1..%d\n", number);
	return failures != 0;
}
