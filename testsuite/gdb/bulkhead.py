"""For gdb on a running Bulkhead. `make gdb` sources it; by hand: connect, then source it.

It finds where the kernel was placed, reads its symbols there, and adds commands.
"""

import gdb

LINK_BASE = 0xFFFFFFFF80000000
WAIT_FOR_GDB = 0x626467746961773D  # efi/stub.h


def number(expression):
    return int(gdb.parse_and_eval(expression)) & (1 << 64) - 1


def place_symbols(slide):
    """The symbols of kernel.elf, SLIDE bytes above where it was linked."""
    path = gdb.current_progspace().filename
    if slide:
        gdb.execute("symbol-file", to_string=True)
        gdb.execute(f"add-symbol-file {path} -o {slide:#x}", to_string=True)
    print(f"Bulkhead: the kernel is at {LINK_BASE + slide:#x} (slide {slide:#x}).")


def leave_the_stub():
    """The stub waits for us with the kernel's entry in rdx (efi/jump.S): let it go on, and stop at
    the kernel's first instruction."""
    for _ in range(64):
        if number("$rax") == WAIT_FOR_GDB:
            break
        gdb.execute("stepi", to_string=True)
    else:
        return False
    entry = number("$rdx")
    slide = entry - number("(long)&kernel_entry")
    gdb.execute("set $rax = 0")
    gdb.execute(f"thbreak *{entry:#x}", to_string=True)
    place_symbols(slide)
    gdb.execute("continue")
    return True


# --- looking at the kernel's structures ---


def containers(head, kind, member):
    """The elements of a struct list, as pointers to struct KIND."""
    pointer = gdb.lookup_type("struct " + kind).pointer()
    offset = next(f.bitpos // 8 for f in pointer.target().fields() if f.name == member)
    link = head["next"]
    while link != head.address:
        following = link["next"]
        yield gdb.Value(int(link) - offset).cast(pointer)
        link = following


def tree_elements(tree, kind, member):
    """The elements of a struct tree, in order."""
    pointer = gdb.lookup_type("struct " + kind).pointer()
    offset = next(f.bitpos // 8 for f in pointer.target().fields() if f.name == member)

    def walk(node):
        if int(node):
            yield from walk(node["left"])
            yield gdb.Value(int(node) - offset).cast(pointer)
            yield from walk(node["right"])
    yield from walk(tree["root"])


def all_pids():
    table = gdb.parse_and_eval("'kernel/proc/pid.c'::hash")
    low, high = table.type.range()
    for bucket in range(low, high + 1):
        if int(table[bucket]["next"]):
            yield from containers(table[bucket], "pid", "hash")


def all_tasks():
    return sorted((p["task"] for p in all_pids() if int(p["task"])),
                  key=lambda task: int(task["pid"]["nr"]))


def function_at(address):
    symbol = gdb.execute(f"info symbol {address:#x}", to_string=True)
    return symbol.split(" in section")[0] if "No symbol" not in symbol else f"{address:#x}"


def kernel_frames(thread):
    """Return addresses on the stack of a thread that does not run. cpu_switch left r15 r14 r13 r12
    rbp rbx and its return address there; every function of ours keeps a frame pointer."""
    word = gdb.lookup_type("unsigned long").pointer()
    saved = thread["cpu"]["sp"].cast(word)
    yield int(saved[6])
    frame, top = int(saved[4]), int(thread["cpu"]["kstack_top"])
    while int(thread["cpu"]["sp"]) < frame < top - 16:
        pair = gdb.Value(frame).cast(word)
        yield int(pair[1])
        frame = int(pair[0]) if int(pair[0]) > frame else 0


class Threads(gdb.Command):
    """threads [TID]: every task, or one with its kernel stack."""

    def __init__(self):
        super().__init__("threads", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        for task in all_tasks():
            thread = task["thread"]
            tid = int(task["pid"]["nr"])
            if argument and tid != int(argument):
                continue
            state = str(thread["state"]).replace("THREAD_", "").lower()
            print(f"{tid:6} of {int(task['proc']['pid']['nr']):<6} {state:8} "
                  f"{thread['name'].string():16} {thread.address}")
            if argument and state not in ("running", "dead"):
                for address in kernel_frames(thread):
                    print(f"        {function_at(address)}")


class Regions(gdb.Command):
    """regions PID: what a process has mapped."""

    def __init__(self):
        super().__init__("regions", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        for task in all_tasks():
            if int(task["pid"]["nr"]) != int(argument):
                continue
            for region in tree_elements(task["thread"]["aspace"]["regions"], "region", "node"):
                rights = int(region["prot"])
                letters = "".join(c if rights & 1 << i else "-" for i, c in enumerate("rwx"))
                kind = "object" if int(region["object"]) else "anonymous"
                print(f"{int(region['start']):#014x}-{int(region['end']):#014x} {letters} "
                      f"flags {int(region['flags']):#x} {kind}")


def frame_references():
    """The count of each frame whose record is mapped: holes in physical memory have none."""
    ranges = gdb.parse_and_eval("'vm/frame.c'::ranges")
    count = number("'vm/frame.c'::range_count")
    end = max(int(ranges[i]["end"]) for i in range(count))
    base, size = number("frame_array"), gdb.lookup_type("struct frame").sizeof
    for page in range(base & ~4095, base + end * size, 4096):
        try:
            data = bytes(gdb.selected_inferior().read_memory(page, 4096))
        except gdb.MemoryError:
            continue
        for at in range((base - page) % size, 4096, size):
            yield int.from_bytes(data[at:at + 4], "little")


class Frames(gdb.Command):
    """frames [ADDRESS]: how many frames have how many references, or one frame's record."""

    def __init__(self):
        super().__init__("frames", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        if argument:
            physical = number(argument)
            frame = gdb.parse_and_eval(f"frame_array[{physical >> 12}]")
            print(f"{physical & ~4095:#x}: refs {int(frame['refs'])}, "
                  f"private {int(frame['private']):#x}")
            return
        counts = {}
        for refs in frame_references():
            counts[refs] = counts.get(refs, 0) + 1
        for refs, count in sorted(counts.items()):
            print(f"{count:8} frames with {refs} references")


Threads()
Regions()
Frames()
gdb.execute("set confirm off")
gdb.execute("set pagination off")
if not leave_the_stub():
    print("Bulkhead: the stub does not wait here. `make gdb` makes it, by the word wait=gdb.")
