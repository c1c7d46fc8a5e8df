"""The screen and the keyboard: what is typed there is read there."""

import time

LIMIT = 120


def shows(guest, text, seconds=40):
    """Wait until the screen shows TEXT. => the screen's text"""
    end = time.monotonic() + seconds
    while text not in (seen := guest.screendump().text()) and time.monotonic() < end:
        until = time.monotonic() + 0.5
        guest.wait_until(lambda: time.monotonic() > until, 0.5)
    return seen


def test_typing(t):
    with t.boot(show=True, timeout=LIMIT) as guest:
        if not t.ok(guest.wait_until(lambda: guest.ready, LIMIT), "the shell is up", guest.story()):
            return
        seen = shows(guest, "# ")
        t.ok("# " in seen, "[B7] the prompt is on the screen", seen)
        guest.type_keys("echo a$((1+1))bX\x7f; exit 5\n")
        seen = shows(guest, "\na2b")
        t.ok("\na2b" in seen, "[B7] a command typed on the keyboard answers on the screen", seen)
        end = guest.finish()
        t.equal((end.status, end.why), (5, None), "[B7] ... and its status comes back")
