"""One machine: QEMU with OVMF, our disk, and every line that leads out of it.

    with Machine(efi, command="ls /") as m:
        end = m.finish()
        print(end.status, m.console, m.log)

The guest's console is COM1 (what came before the kernel is in `firmware`), its log is COM2. The
machine's end is told twice: by the log's last line and by QEMU's own exit status (isa-debug-exit).
Both must agree, else the run has failed. No machine outlives its time limit.
"""

import json
import os
import re
import selectors
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from . import cpio, image, screen

OVMF_CODE = ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_CODE.fd")
OVMF_VARS = ("/usr/share/OVMF/OVMF_VARS_4M.fd", "/usr/share/OVMF/OVMF_VARS.fd")

MARK = b"\x1e"  # the stub sends it when it has left firmware (efi/stub.c)
READY = "bulkhead: pid 1 ready"
EXIT_LINE = re.compile(r"bulkhead: exit status (\d+)")
PANIC_LINE = re.compile(r"bulkhead: panic: .*")

# One virtual nanosecond is one instruction; the same each time. TCG counts each byte of a `rep movsb`.
ICOUNT = ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off", "-seed", "1",
          "-rtc", "base=2024-01-01T00:00:00,clock=vm"]
ICOUNT_CPU = "max,-erms"

FAILED = 125  # no machine's own status
TIMED_OUT = 124

# Characters that a terminal in canonical mode would not pass on, and the one that quotes them.
QUOTE = b"\x16"
SPECIAL = re.compile(rb"[\x03\x04\x11\x13\x15\x16\x17\x12\x1a\x1c\x7f]")
END_OF_FILE = b"\x04"
LONGEST_LINE = 1024  # bytes without a newline before they are pushed to the reader

# The characters of a US keyboard whose keys QEMU calls otherwise, and those that need Shift.
KEYS = {" ": "spc", "\n": "ret", "\t": "tab", "\x1b": "esc", "\x7f": "backspace", "-": "minus", "=": "equal",
        "[": "bracket_left", "]": "bracket_right", ";": "semicolon", "'": "apostrophe",
        "`": "grave_accent", "\\": "backslash", ",": "comma", ".": "dot", "/": "slash"}
PRESS_BATCH = 40
SHIFTED, UNSHIFTED = '~!@#$%^&*()_+{}|:"<>?', "`1234567890-=[]\\;',./"


class InputEncoder:
    """Bytes for a console in canonical mode, so that its reader gets exactly them."""

    def __init__(self):
        self.pending = 0  # bytes since the reader was last given something

    def encode(self, data):
        out = bytearray()
        for line in re.findall(rb"[^\n]*\n|[^\n]+", data):
            while line:
                piece, line = line[:LONGEST_LINE - self.pending], line[LONGEST_LINE - self.pending:]
                out += SPECIAL.sub(lambda m: QUOTE + m.group(), piece)
                self.pending += len(piece)
                if piece.endswith(b"\n"):
                    self.pending = 0
                elif self.pending >= LONGEST_LINE:
                    out += END_OF_FILE
                    self.pending = 0
        return bytes(out)

    def end(self):
        return END_OF_FILE * (2 if self.pending else 1)


class End:
    """How a machine ended. why is None when it ended as it should."""

    def __init__(self, status, why=None, timed_out=False):
        self.status = status
        self.why = why
        self.timed_out = timed_out


def _first(paths, what):
    for path in paths:
        if os.path.exists(path):
            return path
    raise FileNotFoundError(f"{what}: none of {', '.join(paths)}")


def key_of(c):
    """=> the key, as QEMU names it, that types the character C"""
    if c.isupper():
        return "shift-" + c.lower()
    if c in SHIFTED:
        return "shift-" + key_of(UNSHIFTED[SHIFTED.index(c)])
    return KEYS.get(c, c)


def tail(text, lines=25):
    return "\n".join(text.rstrip("\n").split("\n")[-lines:])


class Machine:
    """A running guest. Arguments that are None or empty take the documented default.

    efi        the BOOTX64.EFI to boot
    command    a shell command line that pid 1 runs instead of a shell
    stdin      True: pid 1's shell or command reads the console as a plain stream
    init_args  words for pid 1, behind "--"
    root       a host folder laid over the root file system
    files      more files for the system partition: {name: bytes}
    append     words for the kernel's command line
    qemuflags  words for QEMU's
    cmdline    the whole of \\cmdline.txt, instead of what the above make
    programs   more of the host's programs for the root file system: {its path there: the host's}
    show       True: the screen has a terminal, too, with a keyboard (press, type, screendump)
    efi_name   where the file lies; firmware starts the default one by itself
    """

    def __init__(self, efi, *, command=None, stdin=False, init_args=(), root=None, programs=None, files=None,
                 append="", qemuflags=(), cmdline=None, mem=None, smp=None, cpu=None, accel=None,
                 timeout=60, icount=False, show=False, efi_name="EFI/BOOT/BOOTX64.EFI"):
        self.firmware = b""
        self.console = b""
        self.log = ""
        self.events = []  # QMP's
        self.qemu = None
        self.deadline = time.monotonic() + timeout
        self.timeout = timeout
        self.started = False  # the mark was seen on the console
        self._logging = False  # ... on the log's line
        self._killed = False
        self._asked = 0
        self._answers = {}
        self._qmp_text = b""
        self._matched = 0  # of the console, by expect()
        self._open = selectors.DefaultSelector()
        self._encoder = InputEncoder()
        self.folder = tempfile.mkdtemp(prefix="bulkhead-")
        try:
            seen = show or "-display" in qemuflags or "-vnc" in qemuflags
            words = self._words(append, command, stdin, init_args, seen)
            extra = self._archive(root, programs, command)
            files = {"cmdline.txt": (words if cmdline is None else cmdline).encode(),
                     **({"initrd.cpio": extra} if extra else {}), **(files or {})}
            disk = self._disk({efi_name: efi}, files)
            self._start(disk, qemuflags, mem, smp, cpu, accel, icount)
        except BaseException:
            self.close()
            raise

    # --- making it ---

    @staticmethod
    def _words(append, command, stdin, init_args, screen):
        words = ["exit=qemu", "log=ttyS1"]
        if not screen:
            words.append("console=ttyS0")  # nobody looks at it
        given = append.split()
        cut = given.index("--") if "--" in given else len(given)
        words += given[:cut] + ["--"]
        words += ["-s"] * stdin + ["-c", "/run/cmd"] * (command is not None)
        words += [*init_args, *given[cut + 1:]]
        return " ".join(words if words[-1] != "--" else words[:-1])

    @staticmethod
    def _archive(root, programs, command):
        """Two archives, one behind the other: ROOT's, then ours."""
        out = b""
        if root:
            tree = cpio.Tree()
            tree.copy(root)
            out += tree.pack()
        if programs or command is not None:
            tree = cpio.Tree()
            for path, source in (programs or {}).items():
                tree.program(path, source)
            if command is not None:
                tree.file("run/cmd", os.fsencode(command) + b"\n")
            out += tree.pack()
        return out

    def _disk(self, sources, files):
        for number, (name, data) in enumerate(files.items()):
            sources[name] = os.path.join(self.folder, f"file{number}")
            with open(sources[name], "wb") as f:
                f.write(data)
        disk = os.path.join(self.folder, "disk.img")
        image.build(disk, sources)
        return disk

    def _start(self, disk, qemuflags, mem, smp, cpu, accel, icount):
        variables = os.path.join(self.folder, "vars.fd")
        shutil.copyfile(_first(OVMF_VARS, "OVMF's variables"), variables)
        listeners = {name: self._listen(name) for name in ("console", "log", "qmp")}
        args = ["qemu-system-x86_64", "-nodefaults", "-machine", "q35", "-no-reboot",
                "-m", str(mem or 256), "-smp", str(smp or 1),
                "-cpu", cpu or (ICOUNT_CPU if icount else "max"), "-vga", "std",
                "-drive", "if=pflash,format=raw,unit=0,readonly=on,file="
                + _first(OVMF_CODE, "OVMF"),
                "-drive", "if=pflash,format=raw,unit=1,file=" + variables,
                "-drive", "if=none,id=disk,format=raw,file=" + disk,
                "-device", "virtio-blk-pci,drive=disk,bootindex=0",
                "-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
        if icount:
            args += ICOUNT
        else:
            args += ["-accel", accel or "tcg"]
        if "-display" not in qemuflags and "-vnc" not in qemuflags:
            args += ["-display", "none"]
        for name in listeners:
            args += ["-chardev", f"socket,id={name},path={self._path(name)}"]
        args += ["-serial", "chardev:console", "-serial", "chardev:log",
                 "-mon", "chardev=qmp,mode=control", *qemuflags]
        with open(self._path("stderr"), "wb") as errors:
            # A group of its own: Ctrl-C on our terminal is ours to act on.
            self.qemu = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=errors,
                                         stderr=errors, process_group=0)
        for name, listener in listeners.items():
            self._accept(name, listener)
        self.qmp_send("qmp_capabilities")

    def _path(self, name):
        return os.path.join(self.folder, name)

    def _listen(self, name):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self._path(name))
        listener.listen(1)
        listener.settimeout(0.1)
        return listener

    def _accept(self, name, listener):
        while True:
            try:
                line, _ = listener.accept()
                break
            except TimeoutError:
                if self.qemu.poll() is not None:
                    raise OSError("QEMU did not start:\n" + self.qemu_errors()) from None
        listener.close()
        line.setblocking(False)
        setattr(self, f"_{name}", line)
        self._open.register(line, selectors.EVENT_READ, getattr(self, f"_got_{name}"))

    def qemu_errors(self):
        with open(self._path("stderr"), encoding="utf-8", errors="replace") as f:
            return f.read()

    # --- what comes out ---

    def _got_console(self, data):
        if not self.started:
            self.firmware += data
            before, mark, data = self.firmware.partition(MARK)
            if not mark:
                return
            self.firmware = before
            self.started = True
        self.console += data

    def _got_log(self, data):
        if not self._logging:  # firmware writes here, too
            _, mark, data = data.partition(MARK)
            self._logging = bool(mark)
        self.log += data.decode(errors="replace").replace("\r\n", "\n")

    def _got_qmp(self, data):
        *lines, self._qmp_text = (self._qmp_text + data).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if "event" in message:
                self.events.append(message)
            elif "id" in message:
                self._answers[message["id"]] = message

    def filenos(self):
        """What to select on before poll(0)."""
        return [key.fd for key in self._open.get_map().values()]

    def poll(self, wait=1.0):
        """Take what has come within WAIT seconds. => False once the machine is gone."""
        if not self._open.get_map():
            return False
        wait = max(0, min(wait, self.deadline - time.monotonic()))
        for key, _ in self._open.select(wait):
            try:
                data = key.fileobj.recv(65536)
            except ConnectionError:
                data = b""
            if data:
                key.data(data)
            else:
                self._open.unregister(key.fileobj)
        if time.monotonic() >= self.deadline and not self._killed:
            self._killed = True
            self.qemu.kill()
        return True

    @property
    def ready(self):
        return READY in self.log

    def wait_until(self, condition, timeout=None):
        """=> condition() as soon as it is true; False at the machine's end or after TIMEOUT."""
        end = time.monotonic() + (timeout if timeout is not None else self.timeout)
        while not condition():
            if time.monotonic() >= end or not self.poll(min(1.0, end - time.monotonic())):
                return condition()
        return True

    def expect(self, pattern, timeout=30, start=None):
        """Wait for a regular expression on the console from START on (default: what was not yet
        matched). => the match, of text or of bytes as the pattern is; raises TimeoutError."""
        start = self._matched if start is None else start
        rule = re.compile(pattern, re.S)

        def found():
            # Latin-1: a character for each byte, so that positions are the same in both.
            return rule.search(self.console if isinstance(pattern, bytes)
                               else self.console.decode("latin-1"), start)
        if not self.wait_until(found, timeout):
            raise TimeoutError(f"the console never said {pattern!r}; it said:\n"
                               f"{tail(self.console[start:].decode(errors='replace'))}")
        match = found()
        self._matched = match.end()
        return match

    # --- what goes in ---

    def send(self, data, timeout=30):
        """Bytes to the console as they are."""
        data = data.encode() if isinstance(data, str) else data
        end = time.monotonic() + timeout
        while data and time.monotonic() < end:
            sent = self.try_send(data)
            data = data[sent:]
            if not sent and not self.poll(0.01):
                break

    def try_send(self, data):
        """=> how many bytes the console took without waiting."""
        try:
            return self._console.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            return len(data)  # gone: its end is reported elsewhere

    def send_stream(self, data, end=True):
        """Bytes for a reader of plain standard input (stdin=True)."""
        self.wait_until(lambda: self.ready)
        self.send(self._encoder.encode(data) + (self._encoder.end() if end else b""))

    # --- the machine itself, through QMP ---

    def qmp_send(self, command, **arguments):
        """=> the number that the answer will bear."""
        self._asked += 1
        text = json.dumps({"execute": command, "arguments": arguments, "id": self._asked})
        self._qmp.sendall(text.encode() + b"\n")
        return self._asked

    def qmp(self, command, timeout=30, **arguments):
        """=> what QEMU answers; raises OSError when it refuses."""
        number = self.qmp_send(command, **arguments)
        if not self.wait_until(lambda: number in self._answers, timeout):
            raise TimeoutError(f"QEMU does not answer {command}")
        answer = self._answers.pop(number)
        if "error" in answer:
            raise OSError(answer["error"]["desc"])
        return answer["return"]

    def monitor(self, line):
        return self.qmp("human-monitor-command", **{"command-line": line})

    def press(self, *keys, hold=20):
        """Press each of KEYS on the keyboard, by QEMU's names: "a", "ret", "ctrl-c", "shift-tab". Each is held
        for HOLD ms of the guest's time, and comes after the one before. QEMU keeps a thousand events or so, and
        drops what is more."""
        for number, key in enumerate(keys):
            if number and number % PRESS_BATCH == 0:
                self.wait_until(lambda: False, 2 * PRESS_BATCH * hold / 1000)
            self.qmp("send-key", keys=[{"type": "qcode", "data": name} for name in key.split("-")],
                     **{"hold-time": hold})

    def type(self, text):
        """TEXT on a US keyboard."""
        self.press(*(key_of(c) for c in text))

    def screendump(self):
        """=> what the screen shows (screen.Picture)"""
        path = self._path("screen.ppm")
        self.qmp("screendump", filename=path)
        with open(path, "rb") as f:
            return screen.Picture(f.read())

    # --- its end ---

    def finish(self):
        """Wait for the end. => End"""
        while self.poll():
            pass
        return self.end()

    def end(self):
        """How it ended. Only after poll() has said so."""
        code = self.qemu.wait()
        if self._killed:
            return End(TIMED_OUT, f"no end within {self.timeout:g} seconds", timed_out=True)
        said = EXIT_LINE.findall(self.log)
        if code < 0:
            return End(FAILED, f"QEMU was ended by {signal.Signals(-code).name}")
        if not code & 1:
            return End(FAILED, f"QEMU ended with status {code}: not by the guest's word"
                               f"\n{self.qemu_errors()}".rstrip())
        if not said:
            return End(FAILED, "the guest ended without its last log line")
        status = int(said[-1])
        if status & 0x7F != code >> 1:
            return End(FAILED, f"the log says status {status}, QEMU says {code >> 1}")
        panic = PANIC_LINE.search(self.log)
        return End(status, panic and panic.group())

    def story(self):
        """What to show when it ended wrongly."""
        parts = []
        if not self.started:
            text = re.sub(rb"\x1b\[[0-9;=?]*[A-Za-z]", b"", self.firmware).decode(errors="replace")
            parts.append("firmware:\n" + tail(text.replace("\r", "")))
        if self.log:
            parts.append("log:\n" + tail(self.log))
        return "\n".join(parts) or "(no output at all)"

    def close(self):
        if self.qemu:
            if self.qemu.poll() is None:
                self.qemu.kill()
            self.qemu.wait()
        for key in list(self._open.get_map().values()):
            key.fileobj.close()
        self._open.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
