"""The screen: what the console says is read there."""

import time

LIMIT = 120


def shows(guest, text, seconds=40):
    """Wait until the screen shows TEXT. => the screen's text"""
    end = time.monotonic() + seconds
    while text not in (seen := guest.screendump().text()) and time.monotonic() < end:
        until = time.monotonic() + 0.5
        guest.wait_until(lambda: time.monotonic() > until, 0.5)
    return seen


def test_screen(t):
    with t.boot(show=True, timeout=LIMIT) as guest:
        if not t.ok(guest.wait_until(lambda: guest.ready, LIMIT), "the shell is up", guest.story()):
            return
        seen = shows(guest, " #")
        t.ok(" #" in seen, "[B7] the prompt is on the screen", seen)
        guest.send("echo a$((1+1))bX\x7f\n")
        seen = shows(guest, "\na2b")
        t.ok("\na2b" in seen, "[B7] a command's answer is on the screen, an erased letter is not", seen)
        guest.send("clear; i=0; while [ $i -lt 300 ]; do echo line $i; i=$((i+1)); done; echo l''ast\n")
        seen = shows(guest, "\nlast")
        t.ok("line 298\nline 299\nlast" in seen, "[B7] the screen scrolls", seen)
        guest.send("exit 5\n")
        end = guest.finish()
        t.equal((end.status, end.why), (5, None), "[B7] ... and its status comes back")
