"""Where things lie, seen from outside: the kernel's ranges over many boots, as QEMU reads them from the page tables, and
that nothing tells ring 3 of them. PLACES in the environment says how many boots."""

import concurrent.futures
import os
import re

LIMIT = 60
RANGE = re.compile(r"^(ffff[0-9a-f]{12})-[0-9a-f]{16} [0-9a-f]{16} (\S+)\r?$", re.M)
# The first address of the range of each, and how many of its bits must be seen to be random.
PARTS = {
    "direct map": (0xFFFF800000000000, 12),
    "kernel stacks": (0xFFFFC00000000000, 12),
    "image": (0xFFFFFFFF80000000, 7),
}
ADDRESS = re.compile(r"\bffff[89a-f][0-9a-f]{11}\b|0xffff[89a-f][0-9a-f]{11}", re.I)
NUMBER = re.compile(r"\b\d{20}\b")


def places(guest):
    """=> {part: where its first mapping is}, once pid 1 runs."""
    if not guest.wait_until(lambda: guest.ready, LIMIT):
        raise AssertionError(guest.story())
    starts = [int(start, 16) for start, _ in RANGE.findall(guest.monitor("info mem"))]
    return {part: next(start for start in starts if start >= low) for part, (low, _) in PARTS.items()}


def rank(values):
    """How many bits of VALUES are random and independent of each other: the rank over GF(2) of the differences."""
    basis = []
    for value in values[1:]:
        value ^= values[0]
        for b in basis:
            value = min(value, value ^ b)
        if value:
            basis.append(value)
    return len(basis)


def test_kernel_places(t):
    count = int(os.environ.get("PLACES", "20"))

    def boot(_):
        with t.boot(timeout=LIMIT) as guest:
            return places(guest)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        seen = list(pool.map(boot, range(count)))
    for part, (_, bits) in PARTS.items():
        values = [s[part] for s in seen]
        t.ok(rank(values) >= min(bits, count - 2) and len(set(values)) > count * 3 // 4,
             f"[V9] over {count} boots the {part} moves, by {bits} bits and more",
             f"{rank(values)} bits; {' '.join(f'{v:x}' for v in values)}")


def test_fixed_places(t):
    seen = []
    for _ in range(2):
        with t.boot(append="nokaslr", timeout=LIMIT) as guest:
            seen.append(places(guest))
    t.ok(seen[0] == seen[1] and seen[0]["image"] == PARTS["image"][0], "[V9] with nokaslr it does not move", seen)
    places_said = "/test/layout @say"
    _, output, _ = t.run(f"{places_said}; {places_said}", append="norandmaps")
    half = len(output) // 2
    t.ok(half > 40 and output[:half] == output[half:], "[V4] with norandmaps every program is at the same place", output)
    _, output, _ = t.run(f"{places_said}; {places_said}")
    lines = output.split()
    t.ok(all(a != b for a, b in zip(lines[:5], lines[5:])), "[V4] and without it at another", output)


def addresses(text):
    """What looks like an address of the kernel, but for those that programs made up to go there. All ones are "unlimited"."""
    text = re.sub(r"(PAGE-FAULT: pid=\d+) rip=\w+ addr=\w+", r"\1", text)
    numbers = [n for n in NUMBER.findall(text) if 0xFFFF800000000000 <= int(n) < 2 ** 64 - 2 ** 12]
    return sorted({a for a in ADDRESS.findall(text) if not a.lower().endswith("f" * 16)} | set(numbers))


def test_addresses(t):
    """All that the kernel says of itself, to root, while programs run and crash."""
    command = "/test/isolation kernel_memory >/dev/null; sleep 100 & find /proc -type f | while read f; do " \
              "echo \"$f\"; head -c 65536 \"$f\"; done 2>/dev/null; dmesg; kill $!"
    _, output, log = t.run(command, timeout=120)
    t.ok("/proc/1/stat" in output and "PAGE-FAULT" in output and "PAGE-FAULT" in log,
         "[V9] /proc, dmesg and the log were read", output[-2000:])
    t.equal(addresses(output), [], "[V9] no kernel address in /proc or dmesg")
    t.equal(addresses(log), [], "[V9] nor in the log")
