"""The published table of system calls is true of the kernel that runs."""

import re
import subprocess
import sys

TABLE = "kernel/abi/SYSCALLS.md"
ROW = re.compile(r"^\| (\d+) \| `(\w+)` \| (\w+) \|", re.M)


def test_in_step(t):
    done = subprocess.run([sys.executable, "testsuite/lib/syscall_table.py", "-c"], capture_output=True, text=True,
                          check=False)
    t.equal((done.returncode, done.stderr), (0, ""), "[X6] it is in step with the kernel's own table")


def test_missing(t):
    with open(TABLE, encoding="utf-8") as f:
        rows = ROW.findall(f.read())
    missing = [number for number, _, state in rows if state == "missing"]
    known = {int(number) for number, _, _ in rows}
    missing += [str(n) for n in range(460) if n not in known and not 400 <= n < 404]
    status, output, log = t.run("/test/numbers @missing " + " ".join(missing))
    t.equal((status, output), (0, ""), "[X6] what it calls missing, and what it does not name, is ENOSYS")
    said = set(re.findall(r"system call (\d+) is not built", log))
    t.ok(set(missing) <= said, "[X6] and is told in the log, by number", sorted(set(missing) - said))
