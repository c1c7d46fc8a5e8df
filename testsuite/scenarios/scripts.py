"""The same script, by the same programs, gives the same bytes here as on Linux (mission X1, X6)."""

import difflib
import os
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPT = os.path.join(os.path.dirname(HERE), "scripts/busybox.sh")
BUSYBOX = os.environ.get("BUSYBOX", "/bin/busybox")
BASH = os.environ.get("BASH_STATIC", "/bin/bash-static")
LIMIT = 240


def on_linux(folder, shell):
    """What the host's Linux makes of it, with busybox's tools and nothing else."""
    tools, work = os.path.join(folder, "bin"), os.path.join(folder, "work")
    os.mkdir(tools)
    os.mkdir(work)
    names = subprocess.run([BUSYBOX, "--list"], check=True, capture_output=True, text=True).stdout
    for name in names.split():
        os.symlink(BUSYBOX, os.path.join(tools, name))
    with open(SCRIPT, "rb") as source, open(os.path.join(work, "script.sh"), "wb") as copy:
        copy.write(source.read())
    done = subprocess.run([*shell, "./script.sh"], cwd=work, env={"PATH": tools, "HOME": "/root"},
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=LIMIT, check=False)
    return done.returncode, done.stdout.decode(errors="replace")


def on_bulkhead(t, shell, programs):
    with tempfile.TemporaryDirectory() as root:
        os.mkdir(os.path.join(root, "work"))
        with open(SCRIPT, "rb") as source, \
                open(os.path.join(root, "work/script.sh"), "wb") as copy:
            copy.write(source.read())
        status, output, _ = t.run("cd /work; env -i PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/root"
                                  f" {shell} ./script.sh </dev/null >/tmp/output 2>&1;"
                                  "status=$?; cat /tmp/output; exit $status",
                                  root=root, programs=programs, timeout=LIMIT)
    return status, output


def compare(t, linux, bulkhead, name, programs=None):
    with tempfile.TemporaryDirectory() as folder:
        want_status, want = on_linux(folder, linux)
    status, got = on_bulkhead(t, bulkhead, programs)
    change = difflib.unified_diff(want.splitlines(), got.splitlines(), "Linux", "Bulkhead",
                                  lineterm="")
    t.ok(got == want, f"[X1][X6] {name} prints what it prints on Linux", "\n".join(change))
    t.equal(status, want_status, f"[X1] {name} ends as on Linux")
    t.ok(want.count("\n") > 200, "the script says more than two hundred lines")


def test_ash(t):
    compare(t, [BUSYBOX, "sh"], "/bin/busybox sh", "the script under busybox's sh")


def test_bash(t):
    compare(t, [BASH], "/bin/bash", "the script under bash", {"bin/bash": BASH})
