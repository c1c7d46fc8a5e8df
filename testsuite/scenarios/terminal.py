"""The console under the hands of somebody who types fast, and of programs that print without end."""

import hashlib
import random
import time

LIMIT = 180


def pause(guest, seconds):
    end = time.monotonic() + seconds
    guest.wait_until(lambda: time.monotonic() >= end, seconds)


def start(t, **options):
    guest = t.boot(timeout=LIMIT, **options)
    guest.expect(r"# ", timeout=LIMIT)
    return guest


def test_flood(t):
    with start(t) as guest:
        guest.send("yes\n")
        pause(guest, 2)
        began = time.monotonic()
        guest.send("\x03")
        guest.expect(r"\^C.*?# ")
        took = time.monotonic() - began
        t.ok(took < 3, "[P13] Ctrl-C ends a program that prints without end", f"after {took:.1f} s")
        guest.send("yes\n")
        pause(guest, 1)
        guest.send("\x13")
        pause(guest, 2)
        held = len(guest.console)
        pause(guest, 1)
        t.equal(len(guest.console), held, "[P13] Ctrl-S holds the output")
        guest.send("\x11")
        t.ok(guest.wait_until(lambda: len(guest.console) > held + 10000, 20),
             "[P13] Ctrl-Q lets it go on")
        guest.send("\x13")
        pause(guest, 1)
        guest.send("\x03")
        guest.expect(r"\^C.*?# ")
        t.ok(True, "[P13] Ctrl-C ends a program whose output is held")


def arrives(t, guest, reader, data, name):
    """DATA is typed while READER takes it into /tmp/f."""
    guest.send(f"stty -echo; {reader}; stty sane; md5sum /tmp/f\n")
    pause(guest, 1)
    guest.send(data, timeout=60)
    got = guest.expect(r"([0-9a-f]{32})  /tmp/f.*# ", timeout=60).group(1)
    want = hashlib.md5(data.rstrip(b"\x04")).hexdigest()
    t.equal(got.decode() if isinstance(got, bytes) else got, want, name)


def test_typing_ahead(t):
    """More than all buffers hold, before anybody reads: nothing is lost."""
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    lines = b"".join(b"%d %s\n" % (i, b"x" * rng.randrange(200)) for i in range(500)) + b"\x04"
    with start(t) as guest:
        arrives(t, guest, "(sleep 3; cat) >/tmp/f", lines,
                f"[P13] lines typed before they are read are all there (seed {seed})")
        arrives(t, guest, "stty raw; sleep 2; head -c 100000 >/tmp/f", rng.randbytes(100000),
                f"[P13] so are bytes of any kind in raw mode (seed {seed})")
        guest.send("".join(f"echo e{i}\n" for i in range(300)), timeout=60)
        guest.expect(r"\ne299\r\n.*?# ", timeout=60)
        t.ok(True, "[P13] three hundred commands typed ahead are run")


def test_job_control(t):
    with start(t) as guest:
        guest.send("cat &\n")
        pause(guest, 1)
        guest.send("jobs\n")
        guest.expect(r"topped \(tty input\)")
        t.ok(True, "[P13] a background job that reads is stopped")
        guest.send("fg\n")
        pause(guest, 1)
        guest.send("to the job\n\x04")
        guest.expect(r"to the job\r\nto the job\r\n.*?# ")
        t.ok(True, "[P13] and reads on in the foreground")
        guest.send("stty tostop; (sleep 1; echo printed) & sleep 2; jobs\n")
        guest.expect(r"topped \(tty output\)")
        guest.send("stty -tostop; fg\n")
        guest.expect(r"\nprinted\r\n.*?# ")
        t.ok(True, "[P13] with tostop, so is one that prints")
        guest.send("sleep 100\n")
        pause(guest, 1)
        guest.send("\x1c")
        guest.expect(r"# ")
        guest.send("echo status $?\n")
        guest.expect(r"\nstatus 131\r\n")
        t.ok(True, "[P13] Ctrl-\\ ends a program with SIGQUIT")


def test_bash(t):
    with start(t, programs={"bin/bash": "/bin/bash-static"}) as guest:
        guest.send("bash\n")
        guest.expect(r"bash-[\d.]+# ")
        guest.send("echo $((3*4))\x1b[D\x1b[D\x7f5\n")
        guest.expect(r"\n15\r\n")
        t.ok(True, "[X1] bash edits its line")
        guest.send("sleep 100\n")
        pause(guest, 1)
        guest.send("\x1a")
        guest.expect(r"topped")
        guest.send("bg; jobs\n")
        guest.expect(r"unning")
        guest.send("kill %1; wait %1; echo status $?\n")
        guest.expect(r"\nstatus 143\r\n")
        t.ok(True, "[X1] bash stops, continues and ends a job")
        guest.send("exit 4\n")
        pause(guest, 1)
        guest.send("exit $?\n")
        t.equal(guest.finish().status, 4, "[X1] and its status comes back")


def test_full_screen(t):
    with start(t) as guest:
        guest.send("vi /tmp/v\n")
        guest.expect(r"- /tmp/v 1/1")
        pause(guest, 1)
        guest.send("ihello\x1b")
        pause(guest, 1)
        guest.send(":wq\r")
        guest.expect(r"# ")
        guest.send("cat /tmp/v\n")
        guest.expect(r"\nhello\r\n.*?# ")
        t.ok(True, "[X1] vi writes what was typed")
        guest.send("top\n")
        guest.expect(r"Mem:.*?init")
        guest.send("q")
        guest.expect(r"# ")
        t.ok(True, "[X1] top shows the processes")
