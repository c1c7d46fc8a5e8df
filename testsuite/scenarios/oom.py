"""A machine whose memory is used up: one process ends for it, the shell answers, what was taken is free again (mission
V10). Who it is, in a program: testsuite/prog/oom.c."""

import re

LIMIT = 240
LINES = re.compile(r"\[ *(\d+)\.\d+\] out of memory: ")


class Shell:
    """A machine with a shell that is typed at."""

    def __init__(self, guest):
        self.guest = guest
        self.count = 0
        guest.expect(r"# ", timeout=LIMIT)

    def ask(self, command):
        """=> what it prints on the last line"""
        self.count += 1
        mark = f"a{self.count}"
        self.guest.send(f"{command}; echo {mark}=$((6*7))\n")
        found = self.guest.expect(rf"([^\n]*)\r?\n{mark}=42", timeout=LIMIT)
        return found.group(1).strip()

    def free(self):
        return int(self.ask("sleep 0.5; awk '/^MemFree/ { print $2 }' /proc/meminfo"))

    def finish(self):
        self.guest.send("exit 3\n")
        return self.guest.finish().status


def hog(t, mem):
    with t.boot(mem=mem, timeout=LIMIT) as guest:
        sh = Shell(guest)
        sh.ask("sleep 1000 & calm=$!")
        t.equal(sh.ask("tail /dev/zero; echo $?"), "137",
                f"[V10] {mem} MiB: a program that takes all memory is killed")
        used = sh.ask("{ for i in 1 2 3 4 5; do tail /dev/zero; sleep 0.5; "
                      "awk '/^frames/ { printf \"%d \", $2 }' /proc/account; done; echo; } 2>/dev/null").split()
        t.equal(sh.ask("kill -0 $calm && echo lives"), "lives",
                f"[V10] {mem} MiB: the sleeper beside it lives, and the shell answers")
        # A task that has ended and is not dead yet holds its kernel stack: some see one more than others.
        used = [int(n) for n in used]
        t.ok(len(used) == 5 and min(used[2:]) <= min(used[:2]), f"[V10] [P10] {mem} MiB: to the last frame, it is free again",
             f"frames in use: {used}")
        t.equal(sh.finish(), 3, f"[V10] {mem} MiB: the machine ends in order")
    names = set(re.findall(r"out of memory: pid \d+ \((\w+)\) ends: it holds \d+ KiB, the most of \d+",
                           guest.log))
    t.equal(names, {"tail"}, f"[V10] {mem} MiB: the log says who ended, with its size, and why it did")


def test_hog_64(t):
    hog(t, 64)


def test_hog_96(t):
    hog(t, 96)


def test_four_hogs(t):
    with t.boot(mem=64, timeout=LIMIT) as guest:
        sh = Shell(guest)
        sh.ask("sleep 1000 & calm=$!")
        before = sh.free()
        sh.ask("for i in 1 2 3 4; do tail /dev/zero & all=\"$all $!\"; done; "
               "for p in $all; do wait $p; echo $?; done | sort -u")
        sh.ask("wait $all")
        t.equal(sh.ask("kill -0 $calm && echo lives"), "lives", "[V10] four at once end, the sleeper lives")
        t.ok(sh.free() > before - 256, "[V10] and leave the memory that they took")
        t.equal(sh.finish(), 3, "[V10] and the machine ends in order")


def test_fork_bomb(t):
    """Processes that multiply without a limit, as root."""
    with t.boot(mem=64, timeout=LIMIT) as guest:
        sh = Shell(guest)
        before = sh.free()
        sh.ask("b() { b & b & sleep 1000; }; eval 'b >/dev/null 2>&1 &'")
        guest.wait_until(lambda: "out of memory: " in guest.log, timeout=LIMIT)
        for i in range(3):
            t.equal(sh.ask(f"/bin/echo $(({i}+1000))"), str(i + 1000),
                    f"[V10] a fork bomb as root fills the memory, and the shell still runs programs ({i})")
        sh.ask("until kill -9 -1; [ $(ls -d /proc/[0-9]* | wc -l) -lt 6 ]; do :; done")
        after = sh.free()
        t.ok(after > before - 1024, "[V10] [P10] killed, it leaves the memory that it took",
             f"KiB: {before}, {after}")
        t.equal(sh.finish(), 3, "[V10] and the machine ends in order")
    seconds = [int(s) for s in LINES.findall(guest.log)]
    most = 12 * ((seconds[-1] - seconds[0]) // 10 + 1)
    t.ok(len(seconds) <= most, "[V10] the log is not flooded",
         f"{len(seconds)} lines in {seconds[-1] - seconds[0]} s")


def test_files(t):
    with t.boot(mem=64, timeout=LIMIT) as guest:
        sh = Shell(guest)
        before = sh.free()
        said = sh.ask("dd if=/dev/zero of=/tmp/big bs=64k 2>&1 | grep -o 'No space.*'")
        t.equal(said, "No space left on device", "[V10] files cannot take all memory")
        t.equal(sh.ask("ls / | grep -c proc"), "1", "[V10] with the rest programs run")
        sh.ask("rm /tmp/big")
        t.ok(sh.free() > before - 256, "[V10] removed, they leave the memory that they took")
        t.equal(sh.finish(), 3, "[V10] and the machine ends in order")
    t.ok("out of memory" not in guest.log, "[V10] and nobody ends for them", guest.log)


def test_failing_allocations(t):
    """One in eighty allocations of every program but pid 1 fails, whatever they do: they fail, the kernel goes on."""
    programs = ["files", "pipes"]
    with t.boot(init_args=["-t", *programs], append="failalloc=80", timeout=LIMIT) as guest:
        end = guest.finish()
        text = guest.console.decode(errors="replace")
    t.ok(end.why is None, "[V10] with allocations failing everywhere the machine ends in order",
         f"{end.why}\n{guest.log[-2000:]}")
    ended = re.findall(r"# end (\w+) status", text)
    t.equal(ended, programs, "[V10] and every program has come to an end")
    lost = re.findall(r"# account \w+ (.*)", text)
    t.ok(lost and all("regions +0 descriptors +0 processes +0" in line for line in lost),
         "[V10] [P10] and holds nothing any more (but files that it could not remove)", "\n".join(lost))
