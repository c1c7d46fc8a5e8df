"""Unmodified interactive shells under somebody's hands: on the screen, typed at the keyboard, and through a
pseudo-terminal (Debian's script) on the serial line. Job control, history, completion."""

import os
import re
import shutil
import subprocess
import tempfile
import time

from bulkhead import screen

LIMIT = 240
SCRIPT = "/usr/bin/script"
TERMINFO = "/lib/terminfo/l/linux"
SHELLS = {
    "ash": (None, "ash"),
    "bash": ("/bin/bash-static", "bash --norc"),
    "zsh": ("/bin/zsh-static", "zsh -f"),
    "mksh": ("/bin/mksh-static", "mksh"),
}
FONT = screen.Font()
PROMPT = "inner#"  # mksh wants that sign of root


def pause(guest, seconds):
    end = time.monotonic() + seconds
    guest.wait_until(lambda: time.monotonic() >= end, seconds)


def root_with(folder, shell):
    """A root folder with SHELL's program, what line editors know terminals by, and script with its libraries."""
    program, _ = SHELLS[shell]
    libraries = subprocess.run(["ldd", SCRIPT], check=True, capture_output=True, text=True).stdout
    files = {path: path for path in re.findall(r"/\S+", libraries)}
    files |= {TERMINFO: TERMINFO, SCRIPT: SCRIPT, **({f"/bin/{shell}": program} if program else {})}
    for target, source in files.items():
        target = folder + target
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy(os.path.realpath(source), target)
    return folder


class Screen:
    """The screen and its keyboard."""

    commands_to_clear = 1

    def __init__(self, guest):
        self.guest = guest
        guest.wait_until(lambda: guest.ready, LIMIT)
        self.sees(r"#")

    def types(self, text):
        self.guest.type(text)

    def presses(self, *keys):
        self.guest.press(*keys)

    def clears(self):
        """What was seen so far does not count any more."""
        self.types("\nclear\n")
        self.sees(r"\A" + PROMPT + r" *\Z")

    def text(self):
        return self.guest.screendump().text(FONT)

    def sees(self, pattern, seconds=40):
        """Wait until PATTERN is there. => whether it came, and what there is"""
        end = time.monotonic() + seconds
        while not (found := re.search(pattern, seen := self.text())) and time.monotonic() < end:
            pause(self.guest, 0.2)
        return bool(found), seen


class Serial:
    """The serial line."""

    commands_to_clear = 0

    KEYS = {"ctrl-z": "\x1a", "ctrl-c": "\x03", "ctrl-d": "\x04", "up": "\x1b[A", "ret": "\r", "tab": "\t"}

    def __init__(self, guest):
        self.guest = guest
        guest.expect(r"# ", timeout=LIMIT)
        self.start = len(guest.console)

    def types(self, text):
        self.guest.send(text.replace("\n", "\r"))

    def presses(self, *keys):
        for key in keys:
            self.guest.send(self.KEYS[key])

    def clears(self):
        self.start = len(self.guest.console)

    def sees(self, pattern, seconds=40):
        def found():
            return re.search(pattern, self.text())
        return bool(self.guest.wait_until(found, seconds)), self.text()

    def text(self):
        """Without the sequences of a line editor."""
        text = self.guest.console[self.start:].decode(errors="replace")
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\r|\x1b\][^\x07]*\x07", "", text)


def drive(t, who, shell, where):
    """The same for all: SHELL, which shows its prompt, under the hands of WHO."""
    def sees(pattern, name):
        found, seen = who.sees(pattern)
        return t.ok(found, f"[X1] {shell} on {where}: {name}", seen)

    # job control
    who.types("echo beg''un; sleep 100\n")
    sees(r"\nbegun", "a command")
    pause(who.guest, 1)
    who.presses("ctrl-z")
    sees(r"(?i)(stopped|suspended)", "Ctrl-Z stops a program")
    who.types("bg\n")
    who.types("clear; jobs\n")
    sees(r"(?i)running.*sleep 100", "bg lets it run on, jobs shows it")
    who.clears()
    who.types("fg\n")
    sees(r"sleep 100", "fg waits for it again")
    pause(who.guest, 1)
    who.presses("ctrl-c")
    who.types("echo status $?\n")
    sees(r"status 130", "Ctrl-C ends it")
    who.types("sleep 101 &\n")
    pause(who.guest, 1)
    who.clears()
    who.types("kill %1; wait; clear; jobs; echo d''one\n")
    sees(r"done", "kill %1 ends a job")
    # history
    who.clears()
    who.types("echo first$((40 + 2))\n")
    sees(r"first42", "another")
    who.clears()
    who.presses(*["up"] * (1 + who.commands_to_clear), "ret")
    sees(r"first42", "the arrow brings it back")
    # completion
    who.types("mkdir /tmp/c; : >/tmp/c/uniquename\n")
    who.clears()
    who.types("ls -d /tmp/c/uni\t")
    sees(r"/tmp/c/uniquename", "Tab completes a name")
    who.types("| tr a-z A-Z\n")
    sees(r"/TMP/C/UNIQUENAME", "and what was completed is the file's")
    who.clears()
    pause(who.guest, 1)
    who.presses("ctrl-d")


def on_screen(t, shell):
    with tempfile.TemporaryDirectory() as folder, \
            t.boot(show=True, timeout=LIMIT, root=root_with(folder, shell)) as guest:
        who = Screen(guest)
        who.types(f"clear; PS1='{PROMPT} ' {SHELLS[shell][1]}\n")
        who.sees(r"\A" + PROMPT + r" *\Z")
        drive(t, who, shell, "the screen")


def on_serial(t, shell):
    with tempfile.TemporaryDirectory() as folder, \
            t.boot(timeout=LIMIT, root=root_with(folder, shell)) as guest:
        who = Serial(guest)
        who.types(f"PS1='{PROMPT} ' script -q -c '{SHELLS[shell][1]}' /dev/null; echo the status is $?\n")
        who.sees(r"\n" + PROMPT + r" \Z")
        drive(t, who, shell, "a pseudo-terminal")
        found, seen = who.sees(r"the status is \d")
        t.ok(found, f"[P13] {shell} on a pseudo-terminal: script ends with it", seen)


def test_ash_on_screen(t):
    on_screen(t, "ash")


def test_ash_on_serial(t):
    on_serial(t, "ash")


def test_bash_on_screen(t):
    on_screen(t, "bash")


def test_bash_on_serial(t):
    on_serial(t, "bash")


def test_zsh_on_screen(t):
    on_screen(t, "zsh")


def test_zsh_on_serial(t):
    on_serial(t, "zsh")


def test_mksh_on_screen(t):
    on_screen(t, "mksh")


def test_mksh_on_serial(t):
    on_serial(t, "mksh")
