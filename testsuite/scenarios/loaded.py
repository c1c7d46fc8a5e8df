"""Programs as others link them run: static and dynamic, at a fixed place and position-independent, with either libc;
and Debian's own, unmodified, with their libraries (mission E3)."""

import os
import re
import shutil
import subprocess
import tempfile

LIMIT = 120
SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "loaded.c")
GLIBC = os.environ.get("HOST_CC", "gcc")
MUSL = "musl-gcc"
MUSL_FOLDER = "/usr/lib/x86_64-linux-musl"
MUSL_LOADER = "/lib/ld-musl-x86_64.so.1"
# Debian's musl-gcc knows no -static-pie.
MUSL_STATIC_PIE = ["-fPIE", "-static", "-nostartfiles", "-Wl,-pie,--no-dynamic-linker,-z,text",
                   *(f"{MUSL_FOLDER}/{name}" for name in ("rcrt1.o", "crti.o", "crtn.o"))]
WAYS = [  # libc, how it is linked, where it lies, the compiler and its options
    ("musl", "static", "fixed", [MUSL, "-static", "-no-pie"]),
    ("musl", "static", "pie", [MUSL, *MUSL_STATIC_PIE]),
    ("musl", "dynamic", "fixed", [MUSL, "-no-pie"]),
    ("musl", "dynamic", "pie", [MUSL, "-pie", "-fPIE"]),
    ("glibc", "static", "fixed", [GLIBC, "-static", "-no-pie"]),
    ("glibc", "static", "pie", [GLIBC, "-static-pie", "-fPIE"]),
    ("glibc", "dynamic", "fixed", [GLIBC, "-no-pie"]),
    ("glibc", "dynamic", "pie", [GLIBC, "-pie", "-fPIE"]),
]
LOADED = "as it should\ndestroyed\n"


def lay(root, source, path=None):
    """A file of the build host's, as it is, at the same place below ROOT."""
    target = root + (path or source)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copy2(source, target)


def lay_libraries(root, program):
    """What the dynamic linker loads for PROGRAM, and the linker."""
    shown = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    for library in re.findall(r"(/\S+) \(0x", shown):
        lay(root, library)


def build(t, path, command):
    done = subprocess.run([*command, "-O2", "-Wall", "-pthread", "-o", path, SOURCE], capture_output=True,
                          text=True, check=False)
    if done.returncode:
        t.ok(False, f"{' '.join(command)} links", done.stderr)


def test_linked(t):
    """One program, linked in each way that there is."""
    with tempfile.TemporaryDirectory() as root:
        lines = []
        for number, (_, link, place, command) in enumerate(WAYS):
            build(t, f"{root}/loaded{number}", command)
            lines.append(f"echo; env -i ONE=1 TWO=2 /loaded{number} {link} {place}; echo status $?")
        lay(root, MUSL_LOADER)
        lay_libraries(root, "/bin/cat")
        _, output, log = t.run("\n".join(lines), root=root, timeout=LIMIT, accounts="dynamic programs")
    shown = output.split("\n\n")
    for (libc, link, place, _), got in zip(WAYS, shown):
        t.equal(got.strip("\n"), f"{LOADED}status 0", f"[E3] {libc}: {link}, {place}")
    t.ok(len(shown) == len(WAYS), "[E3] every way of linking was tried", output + log[-2000:])


def test_executable_stack(t):
    """A program that was linked with -z execstack is refused, or gets what it wants where that is allowed."""
    with tempfile.TemporaryDirectory() as root:
        build(t, f"{root}/loaded", [MUSL, "-static", "-no-pie", "-Wl,-z,execstack"])
        command = "env -i ONE=1 TWO=2 /loaded static fixed; echo status $?"
        _, refused, log = t.run(command, root=root, timeout=LIMIT)
        _, allowed, _ = t.run(command, root=root, timeout=LIMIT, append="wx=allow")
    t.ok("status 126" in refused and "executable stack" in log, "[E3] [V5] an executable stack is refused", refused)
    t.ok("wrong: rights" in allowed and "destroyed" in allowed, "[E3] with wx=allow, it is given", allowed)


def test_debian(t):
    """Debian's own ls, cat and sort, dynamically linked, do as they do here."""
    programs = ["/bin/ls", "/bin/cat", "/usr/bin/sort", "/usr/bin/env"]
    numbers = "".join(f"{n * 7919 % 30011}\n" for n in range(30011))
    with tempfile.TemporaryDirectory() as root:
        for program in programs:
            lay(root, program, "/debian/" + os.path.basename(program))
            lay_libraries(root, program)
        os.makedirs(f"{root}/data/folder")
        for name, text in {"one": "1\n", "two words": "2\n", "numbers": numbers}.items():
            with open(f"{root}/data/{name}", "w", encoding="ascii") as f:
                f.write(text)
        command = ("export TZ=UTC LC_ALL=C; cd DATA; touch -d '2023-11-14 22:13:20' one two* numbers; "
                   "BIN/ls -la --time-style=full-iso one two* numbers | BIN/cat; "
                   "BIN/ls -1pR | BIN/cat; BIN/cat one 'two words' one - </dev/null; "
                   "BIN/sort -n numbers | md5sum; BIN/sort --parallel=4 -S 100k -r numbers | md5sum; "
                   "BIN/env -i A=1 BIN/env; BIN/cat nothing 2>&1; echo $?; BIN/ls --nothing >/dev/null 2>&1; echo $?")
        here = command.replace("DATA", f"{root}/data").replace("BIN", f"{root}/debian")
        want = subprocess.run(["sh", "-c", here], capture_output=True, text=True, check=False).stdout
        status, output, log = t.run(command.replace("DATA", "/data").replace("BIN", "/debian"), root=root,
                                    timeout=LIMIT)
    t.ok((status, output) == (0, want.replace(root, "")),
         "[E3] Debian's own dynamic ls, cat, sort and env do as they do on Linux", f"{output}\n{want}\n{log[-2000:]}")
