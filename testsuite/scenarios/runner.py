"""testsuite/boot as its user sees it: status, output, input, limits."""

import hashlib
import os
import pty
import random
import re
import select
import subprocess
import tempfile
import time

BOOT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "boot")
LIMIT = 120


def boot(t, *settings, data=b""):
    """=> (status, standard output, standard error)"""
    done = subprocess.run([BOOT, f"EFI={t.efi}", f"TIMEOUT={LIMIT}", *settings], input=data,
                          capture_output=True, timeout=2 * LIMIT, check=False)
    return done.returncode, done.stdout, done.stderr.decode(errors="replace")


def test_command(t):
    got = boot(t, "CMD=echo one; echo two >&2; exit 3")
    t.equal(got, (3, b"one\ntwo\n", ""), "[B7] CMD gives what it prints and its status, no more")


def test_statuses(t):
    for status in (0, 1, 127, 128, 255):
        got = boot(t, f"CMD=exit {status}")
        t.equal(got, (status, b"", ""), f"[B7] status {status} comes back")


def test_every_byte(t):
    want = bytes(range(256)) * 4
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "bytes"), "wb") as f:
            f.write(want)
        status, out, err = boot(t, f"ROOT={folder}", "CMD=cat /bytes")
    t.ok((status, out) == (0, want), "[B7] every byte of a command's output arrives as it is", err)


def test_long_output(t):
    status, out, err = boot(t, "CMD=i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done")
    want = b"".join(b"line %d\n" % i for i in range(20000))
    t.ok((status, out) == (0, want), "[B7] no byte of a long output is lost",
         f"{len(out)} of {len(want)} bytes\n{err}")


def test_script_by_pipe(t):
    script = b"x=5\necho $((x * 2))\nread line <<E\nhere\nE\necho $line\nexit 4\n"
    t.equal(boot(t, data=script), (4, b"10\nhere\n", ""), "[P13] a script piped in is the shell's")


def test_script_without_newline(t):
    t.equal(boot(t, data=b"echo end; false"), (1, b"end\n", ""),
            "[P13] input that ends without a newline ends with its last status")


def test_data_by_pipe(t):
    seed = random.randrange(1 << 32)
    data = random.Random(seed).randbytes(300000) + b"\x04\x03\x16" * 100 + b"x" * 9000
    want = hashlib.md5(data).hexdigest().encode() + b"  -\n"
    t.equal(boot(t, "CMD=md5sum", data=data), (0, want, ""),
            f"[B7] bytes piped to a command arrive as they are (seed {seed})")


def test_settings(t):
    got = boot(t, "CMD=grep -o word=1 /proc/cmdline; grep -c ^processor /proc/cpuinfo",
               "APPEND=word=1", "MEM=300M", "QEMUFLAGS=-name x")
    t.equal(got, (0, b"word=1\n1\n", ""), "[B7] APPEND, MEM and QEMUFLAGS are honoured")


def test_time_limit(t):
    began = time.monotonic()
    status, _, err = boot(t, "CMD=sleep 1000", "TIMEOUT=15")
    t.ok(status == 124 and "no end within 15 seconds" in err and re.search("^(log|firmware):", err, re.M),
         "[B7] TIMEOUT ends a machine that hangs, with status 124 and what it said last", err)
    t.ok(time.monotonic() - began < 40, "[B7] ... and in time")


class Terminal:
    """testsuite/boot at a pseudo-terminal."""

    def __init__(self, t, *settings):
        self.text = b""
        self.at = 0
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execv(BOOT, [BOOT, f"EFI={t.efi}", f"TIMEOUT={LIMIT}", *settings])

    def expect(self, pattern, seconds=60):
        rule, end = re.compile(pattern, re.S), time.monotonic() + seconds
        while not rule.search(self.text, self.at):
            left = end - time.monotonic()
            if left <= 0 or not self._read(left):
                raise TimeoutError(f"no {pattern!r} in {self.text[self.at:]!r}")
        self.at = rule.search(self.text, self.at).end()

    def _read(self, seconds):
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        self.text += data
        return bool(data)

    def type(self, keys):
        os.write(self.fd, keys)

    def finish(self):
        while self._read(LIMIT):
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_terminal(t):
    term = Terminal(t)
    term.expect(rb"# ")
    term.type(b"echo a$((1 + 1))bX\x7f\n")  # erase
    term.expect(rb"\r\na2b\r\n.*# ")
    t.ok(True, "[P13] a line is typed, erased and run")
    term.type(b"sleep 1000\n")
    time.sleep(1)
    term.type(b"\x03")
    term.expect(rb"# ")
    term.type(b"echo $?\n")
    term.expect(rb"\r\n130\r\n.*# ")
    t.ok(True, "[P13] Ctrl-C ends a program, not the shell")
    term.type(b"sleep 1000\n")
    time.sleep(1)
    term.type(b"\x1a")
    term.expect(rb"topped.*# ")
    term.type(b"kill -9 %1; echo $((40 + 2))\n")
    term.expect(rb"\r\n42\r\n.*# ")
    t.ok(True, "[P13] Ctrl-Z stops a program")
    term.type(b"(exit 9)\n")
    term.expect(rb"# ")
    term.type(b"\x04")
    t.equal(term.finish(), 9, "[P13] Ctrl-D ends the shell, and the machine with its status")


def test_stop_key(t):
    term = Terminal(t)
    term.expect(rb"# ")
    term.type(b"\x1d")
    t.ok(term.finish() != 0, "[B7] Ctrl-] stops the machine")
