"""The screen and its keyboard: a terminal of its own beside the serial line's."""

import re
import time

LIMIT = 180
COMMAND_MODE = r"(.*\n)*- /tmp/f .*\Z"  # of vi


def pause(guest, seconds):
    end = time.monotonic() + seconds
    guest.wait_until(lambda: time.monotonic() >= end, seconds)


def shows(guest, text, seconds=40):
    """Wait until the screen shows TEXT. => the screen's text"""
    end = time.monotonic() + seconds
    while text not in (seen := guest.screendump().text()) and time.monotonic() < end:
        pause(guest, 0.3)
    return seen


def start(t, **options):
    """=> a machine with a shell on its screen"""
    guest = t.boot(show=True, timeout=LIMIT, **options)
    guest.wait_until(lambda: guest.ready, LIMIT)
    shows(guest, " #")
    return guest


def test_screen(t):
    with start(t) as guest:
        seen = guest.screendump().text()
        if not t.ok(" #" in seen, "[B7] the prompt is on the screen", guest.story() + seen):
            return
        guest.type("echo a$((1+1))bX\x7f\n")
        seen = shows(guest, "\na2b")
        t.ok("\na2b\n" in seen, "[B7] a command's answer is on the screen, an erased letter is not", seen)
        guest.type("clear; i=0; while [ $i -lt 300 ]; do echo line $i; i=$((i+1)); done; echo l''ast\n")
        seen = shows(guest, "\nlast")
        t.ok("line 298\nline 299\nlast" in seen, "[B7] the screen scrolls", seen)
        guest.type("tty; stty size\n")
        seen = shows(guest, "/dev/tty1")
        t.ok("/dev/tty1\n50 160" in seen, "[P13] it is /dev/tty1, and knows its size", seen)
        t.ok("line 299" not in guest.console.decode(), "[P13] nothing of it is on the serial line", guest.console)
        guest.send("tty; exit 5\n")
        end = guest.finish()
        t.equal((end.status, end.why), (5, None), "[B7] the serial line's shell ends the machine")


def test_screen_only(t):
    with start(t, append="console=tty0") as guest:
        guest.type("tty </dev/console; exit 6\n")
        t.equal((guest.finish().status, guest.console), (6, b""),
                "[P13] with console=tty0 the screen is the console, and the serial line silent")


def test_no_keyboard(t):
    with start(t, qemuflags=["-machine", "i8042=off"]) as guest:
        guest.send("grep -c keyboard /proc/interrupts; exit 3\n")
        t.equal(guest.finish().status, 3, "[P13] a machine without a PS/2 controller boots")
        t.ok("keyboard: no PS/2 keyboard" in guest.log, "[P13] and says so", guest.log)


def test_shell_again(t):
    with start(t) as guest:
        guest.type("exit\n")
        pause(guest, 2)
        guest.type("clear; echo ag''ain\n")
        seen = shows(guest, "again\n")
        t.ok(seen.startswith("again\n"), "[P13] whoever leaves the screen's shell gets another", seen)


def test_text_as_file(t):
    with start(t) as guest:
        guest.type("clear; printf '\\033[31;1mred\\033[0m\\303\\251\\n'; echo do''ne\n")
        shows(guest, "done\n")
        guest.expect("# ")
        guest.send("dd if=/dev/vcs1 bs=160 count=1 2>/dev/null | od -A n -t x1 -N 5\n")
        t.ok(guest.expect(r"72 65 64 e9 20"), "[P13] /dev/vcs1 has the screen's text")
        guest.send("dd if=/dev/vcsa1 bs=1 count=4 2>/dev/null | od -A n -t u1\n")
        t.ok(guest.expect(r"50 160"), "[P13] /dev/vcsa1 begins with its size")
        guest.send("dd if=/dev/vcsa1 bs=1 skip=4 count=4 2>/dev/null | od -A n -t x1\n")
        t.ok(guest.expect(r"72 09 65 09"), "[P13] and goes on with letters and colours")
        guest.send("dd if=/dev/vcsu1 bs=640 count=1 2>/dev/null | od -A n -t x4 -N 16\n")
        t.ok(guest.expect(r"00000072 00000065 00000064 000000e9"), "[P13] /dev/vcsu1 has code points")


def sees(guest, pattern, seconds=40):
    """Wait until the screen matches PATTERN. => whether it did, and its text"""
    end = time.monotonic() + seconds
    while not (found := re.search(pattern, seen := guest.screendump().text())) and time.monotonic() < end:
        pause(guest, 0.2)
    return bool(found), seen


def check(t, found_and_text, name):
    found, text = found_and_text
    return t.ok(found, name, text)


def test_vi(t):
    with start(t) as guest:
        guest.type("for i in 1 2 3 4 5; do echo line $i; done >/tmp/f; vi /tmp/f\n")
        check(t, sees(guest, r"\Aline 1\nline 2\n(.*\n)*.*/tmp/f 1/5"), "[P13] vi shows a file")
        guest.press("down", "down", "end")
        guest.type("a and more\x1b")
        sees(guest, r"and more\n" + COMMAND_MODE)  # an escape that another key follows at once may be that key's
        guest.press("up", "up", "home")
        guest.type("dd")
        guest.press("down", "down")
        guest.type("oa new one\x1b")
        sees(guest, r"a new one\n" + COMMAND_MODE)
        guest.type("yyp")
        seen = sees(guest, r"\Aline 2\nline 3 and more\nline 4\na new one\na new one\nline 5\n~")
        check(t, seen, "[P13] arrows, End, Home; inserted, deleted, copied lines")
        guest.type(":wq\n")
        guest.type("clear; cat /tmp/f; wc -l </tmp/f\n")
        seen = sees(guest, r"\Aline 2\nline 3 and more\nline 4\na new one\na new one\nline 5\n6\n")
        check(t, seen, "[P13] and saves what was typed")


def test_less(t):
    with start(t) as guest:
        guest.type("i=1; while [ $i -lt 500 ]; do echo line $i; i=$((i+1)); done | less\n")
        check(t, sees(guest, r"\Aline 1\n(.*\n)*line 49\n"), "[P13] less shows the first page")
        guest.press("spc")
        check(t, sees(guest, r"\Aline 50\n"), "[P13] a space, the next")
        guest.press("pgdn")
        check(t, sees(guest, r"\Aline 99\n"), "[P13] so does Page Down")
        guest.press("up")
        check(t, sees(guest, r"\Aline 98\n"), "[P13] an arrow scrolls by one line")
        guest.type("/line 300\n")
        check(t, sees(guest, r"\Aline 300\n"), "[P13] a search finds its line")
        guest.type("qclear; echo ba''ck\n")
        check(t, sees(guest, r"\Aback\n"), "[P13] and the shell is back")


def test_top(t):
    with start(t) as guest:
        guest.type("(while :; do :; done) & top -d 1\n")
        shown, seen = sees(guest, r"\AMem:(.*\n)+ *PID +PPID(.*\n)+.*/sbin/init")
        t.ok(shown, "[P13] top shows the processes", seen)
        refreshed = guest.wait_until(lambda: changed(guest, seen), 20)
        t.ok(refreshed, "[P13] and refreshes them", seen)
        guest.type("q")
        guest.type("kill $!; clear; echo ba''ck\n")
        check(t, sees(guest, r"\Aback\n"), "[P13] q leaves it")


def changed(guest, seen):
    """The screen is another full one of top's."""
    pause(guest, 0.5)
    now = guest.screendump().text()
    return now != seen and re.search(r"\AMem:(.*\n)+.*/sbin/init", now)


def test_ctrl_keys(t):
    with start(t) as guest:
        guest.type("cat\n")
        pause(guest, 1)
        guest.press("a", "caps_lock", "b", "caps_lock", "shift-c", "backspace", "d", "ret", "ctrl-d")
        check(t, sees(guest, r"cat\naBd\naBd\n"), "[P13] Caps Lock, Shift, Backspace and Ctrl-D")
        guest.type("clear; cat -v\n")
        pause(guest, 1)
        guest.press("f1", "f12", "alt-x", "insert", "ret")
        check(t, sees(guest, r"\^\[\[\[A\^\[\[24~\^\[x\^\[\[2~\n\^\["),
                       "[P13] function keys, Alt, and the block above the arrows")
        guest.press("ctrl-c")
        guest.type("clear; x=$(sleep 1; date +%s); echo bu''sy; while :; do :; done\n")
        sees(guest, r"\nbusy")
        guest.press("ctrl-c")
        guest.type("echo status $?\n")
        check(t, sees(guest, r"status 130"), "[P13] Ctrl-C ends a loop")
