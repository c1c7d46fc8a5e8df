"""What processes took is free again when they have ended (mission P10)."""

import re

LIMIT = 240

SCRIPT = r"""
bomb() { i=0; while [ $i -lt 300 ]; do sleep 2 & i=$((i+1)); done; wait; }
work() { i=0; while [ $i -lt 50 ]; do echo $i | cat | md5sum >/dev/null; i=$((i+1)); done; }
file() { dd if=/dev/zero of=$1 bs=64k count=64 2>/dev/null; }
files() { for i in 1 2 3 4 5; do mkdir /tmp/d; file /tmp/d/f; cp -a /tmp/d /tmp/e; rm -r /tmp/[de]; done; }
"""


def even(t, what, name):
    status, output, _ = t.run(SCRIPT + what, timeout=LIMIT, accounts=name)
    t.equal((status, output), (0, ""), f"{name} end well")


def test_many_processes(t):
    even(t, "bomb", "three hundred processes at once")


def test_pipelines(t):
    even(t, "work", "fifty pipelines")


def test_files(t):
    even(t, "files", "files of some MiB, removed,")


def test_fork_bomb(t):
    """Processes that multiply for as long as they are let, ended from outside."""
    with t.boot(timeout=LIMIT) as guest:
        def free():
            guest.send("sleep 1; awk '/^MemFree/ { print \"free=\" $2 \".\" }' /proc/meminfo\n")
            return int(guest.expect(r"free=(\d+)\.", timeout=LIMIT).group(1))

        guest.expect(r"# ", timeout=LIMIT)
        guest.send("bombs() { ls -ld /proc/[0-9]* | grep -c nobody; }\n")
        guest.send("su -s /bin/sh nobody -c 'ulimit -u 300; b() { b & b & sleep 1000; }; b'"
                   " >/dev/null 2>&1 &\n")
        before = free()
        guest.send("echo $(bombs) of them.\n")
        count = int(guest.expect(r"\n(\d+) of them\.", timeout=LIMIT).group(1))
        t.ok(count > 200, "[P10] a fork bomb multiplies, and the shell still answers",
             f"{count} processes")
        guest.send("until [ $(bombs) = 0 ]; do su -s /bin/sh nobody -c 'kill -9 -1'; done; echo gone\n")
        guest.expect(r"\ngone", timeout=LIMIT)
        after = free()
        t.ok(after > before + 1000, "[P10] ended, it leaves the memory that it took",
             f"KiB: {before}, {after}")
        guest.send("exit 3\n")
        t.equal(guest.finish().status, 3, "[P10] and the machine ends in order")
