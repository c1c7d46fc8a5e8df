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


gdb.execute("set confirm off")
gdb.execute("set pagination off")
if not leave_the_stub():
    print("Bulkhead: the stub does not wait here. `make gdb` makes it, by the word wait=gdb.")
