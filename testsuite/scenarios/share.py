"""The processor's time is shared, and the shell answers while others compute (mission P11)."""

import time

LIMIT = 120
LOOP = "while :; do :; done"


def ticks(guest, pid):
    """User and kernel time of a process, in ticks, asked at the shell."""
    guest.send(f"awk '{{ print \"ticks=\" $14 + $15 \".\" }}' /proc/{pid}/stat\n")
    return int(guest.expect(r"ticks=(\d+)\.").group(1))


def test_endless_loops(t):
    with t.boot(timeout=LIMIT) as guest:
        guest.expect(r"# ", timeout=LIMIT)
        pids = []
        for _ in range(2):
            guest.send(f"sh -c '{LOOP}' & echo pid=$!.\n")
            pids.append(int(guest.expect(r"pid=(\d+)\.").group(1)))
        began = time.monotonic()
        guest.send("echo $((6 * 7))\n")
        guest.expect(r"\n42\r\n")
        took = time.monotonic() - began
        t.ok(took < 3, "[P11] the shell answers beside two endless loops", f"after {took:.2f} s")
        guest.send("sleep 1; echo slept\n")
        guest.expect(r"\nslept")
        first = [ticks(guest, pid) for pid in pids]
        guest.send("sleep 5; echo slept\n")
        guest.expect(r"\nslept")
        got = [ticks(guest, pid) - before for pid, before in zip(pids, first)]
        t.ok(min(got) > 50, "[P11] both loops go on", f"ticks: {got}")
        t.ok(min(got) * 1.5 >= max(got), "[P11] both get the same share", f"ticks: {got}")
        guest.send("kill $!; kill %1; wait; exit 6\n")
        t.equal(guest.finish().status, 6, "[P11] endless loops can be killed")


def test_loops_without_calls(t):
    """A loop that never makes a system call is ended by a signal; the others go on."""
    status, output, _ = t.run(f"({LOOP}) & one=$!; ({LOOP}) & two=$!; sleep 1;"
                              "kill -9 $one; kill $two;"
                              "{ wait $one; } 2>/dev/null; echo $?;"
                              "{ wait $two; } 2>/dev/null; echo $?", timeout=LIMIT)
    t.equal((status, output), (0, "137\n143\n"),
            "[P11] loops that make no system call can be killed")


def test_policies(t):
    """Where the machine's clock counts instructions, and the host's load does not show."""
    status, output, _ = t.run("/test/sched @late 0; /test/sched @late 1; /test/sched @left; /test/sched @idle",
                              icount=True, timeout=300)
    t.equal(status, 0, "[P11] the measurements run")
    ordinary, fifo, left, idle = (int(word) for word in output.split())
    t.ok(fifo < 100 < ordinary, "[P11] a SCHED_FIFO thread that wakes runs at once, whatever it had before",
         f"late by {fifo} us, an ordinary one by {ordinary} us")
    t.ok(50 <= left <= 200, "[P11] real-time threads that never sleep leave the others a twentieth",
         f"{left} of 3000 ms")
    t.ok(idle > 20000, "[P11] a SCHED_IDLE thread gets next to nothing beside an ordinary one",
         f"{idle} turns of the other to its 1000")
