"""The vDSO from outside: what binutils say of the image, which programs use it, and a machine that hides its counter."""

import os
import re
import subprocess
import tempfile


def test_image(t):
    status, output, _ = t.run("/test/vdso @dump")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "vdso.so")
        with open(path, "wb") as f:
            f.write(bytes.fromhex("".join(output.split())))
        done = subprocess.run(["readelf", "-aW", "--dyn-syms", path], capture_output=True, text=True, check=False)
    t.ok(status == 0 and done.returncode == 0 and not done.stderr, "[E1] readelf has nothing to say against it",
         done.stderr)
    t.ok("Library soname: [linux-vdso.so.1]" in done.stdout and "no relocations in this file" in done.stdout,
         "[E1] its name, and no relocations", done.stdout)
    t.equal(re.findall(r"^  LOAD .* 0x\w+ (.*) 0x1000$", done.stdout, re.M), ["R E"],
            "[V5] one segment, readable and executable")
    t.equal(len(set(re.findall(r"(\w+)@@LINUX_2\.6", done.stdout))), 10, "[E2] ten names of version LINUX_2.6")


def test_glibc(t):
    """A program of Debian's, under the trace of every system call."""
    _, output, log = t.run("bash -c 'for i in 1 2 3; do echo $EPOCHREALTIME; done'", append="trace=syscalls",
                           programs={"bin/bash": "/bin/bash-static"})
    calls = re.findall(r"\b(clock_gettime|gettimeofday|time)\(", log)
    t.ok("write(1" in log and not calls, "[X1] glibc finds it: no system call for the time", f"{calls}\n{output}")
    times = [float(line) for line in output.split()]
    t.ok(len(times) == 3 and times == sorted(times), "[X1] and tells the time", output)


def test_hidden_counter(t):
    status, output, _ = t.run("/test/vdso @calls")
    t.equal((status, output), (0, "calls: 0\n"), "[P11] five clocks without a system call")
    status, output, _ = t.run("/test/vdso @calls", append="tsc=unstable")
    t.equal((status, output), (0, "calls: 5\n"), "[P11] with tsc=unstable each is a system call")
    status, output, _ = t.run("/test/vdso one_clock; /test/vdso other_forms", append="tsc=unstable", timeout=120)
    t.ok(status == 0 and "not ok" not in output, "[P11] and they tell the same", output)


def test_old_processor(t):
    status, output, _ = t.run("/test/vdso", cpu="qemu64", timeout=120)
    t.ok(status == 0 and output.count("\nok ") > 15, "[P11] all of it on a processor without RDTSCP and RDPID", output)
