"""The screen and its keyboard: a terminal of its own beside the serial line's."""

import time

LIMIT = 180


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


def test_shell_again(t):
    with start(t) as guest:
        guest.type("exit\n")
        pause(guest, 2)
        guest.type("clear; echo ag''ain\n")
        seen = shows(guest, "again\n")
        t.ok(seen.startswith("again\n"), "[P13] whoever leaves the screen's shell gets another", seen)


def test_text_as_file(t):
    with start(t) as guest:
        guest.type("clear; printf '\\033[31;1mred\\033[0m\\303\\251\\n'\n")
        shows(guest, "red")
        guest.expect("# ")
        guest.send("dd if=/dev/vcs1 bs=160 count=1 2>/dev/null | od -A n -t x1 -N 5\n")
        t.ok(guest.expect(r"72 65 64 e9 20"), "[P13] /dev/vcs1 has the screen's text")
        guest.send("dd if=/dev/vcsa1 bs=1 count=4 2>/dev/null | od -A n -t u1\n")
        t.ok(guest.expect(r"50 160"), "[P13] /dev/vcsa1 begins with its size")
        guest.send("dd if=/dev/vcsa1 bs=1 skip=4 count=4 2>/dev/null | od -A n -t x1\n")
        t.ok(guest.expect(r"72 09 65 09"), "[P13] and goes on with letters and colours")
        guest.send("dd if=/dev/vcsu1 bs=640 count=1 2>/dev/null | od -A n -t x4 -N 16\n")
        t.ok(guest.expect(r"00000072 00000065 00000064 000000e9"), "[P13] /dev/vcsu1 has code points")
