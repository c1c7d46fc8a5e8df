#!/usr/bin/env python3
"""The ELF fuzzer's first inputs: small files of every kind that the loader knows. See elf.c for what an input is.

usage: testsuite/fuzz/seeds.py FOLDER
"""

import os
import struct
import sys

EXEC, DYN = 2, 3
LOAD, DYNAMIC, INTERP, PHDR, STACK = 1, 2, 3, 6, 0x6474E551
X, W, R = 1, 2, 4
LOADER = b"/lib/ld.so\0"


def segment(kind, flags, offset, vaddr, filesz, memsz, align=0x1000):
    return struct.pack("<IIQQQQQQ", kind, flags, offset, vaddr, vaddr, filesz, memsz, align)


def elf(kind, entry, segments, tail=b"", phoff=64, **fields):
    """A file: header, program headers, TAIL."""
    f = {"machine": 62, "version": 1, "ehsize": 64, "phentsize": 56, "phnum": len(segments)}
    f.update(fields)
    head = b"\x7fELF\2\1\1" + bytes(9) + struct.pack(
        "<HHIQQQIHHHHHH", kind, f["machine"], f["version"], entry, phoff, 0, 0, f["ehsize"],
        f["phentsize"], f["phnum"], 64, 0, 0)
    return head + b"".join(segments) + tail


def seed(file, pages=0, more=0, allow_wx=0):
    return struct.pack("<IHBB", pages, more, allow_wx, 0) + file


def code(base, size=0x1000, flags=R | X):
    return segment(LOAD, flags, 0, base, size, size)


def seeds():
    low, half = 0x400000, 0x7FFFFFFFE000
    data = segment(LOAD, R | W, 0x1234, low + 0x2234, 0x100, 0x5000)
    yield "exec", seed(elf(EXEC, low + 0x80, [code(low)]), 1)
    yield "exec_data_bss", seed(elf(EXEC, low + 0x80, [code(low), data]), 8)
    yield "exec_only_bss", seed(elf(EXEC, low + 0x80, [code(low), segment(LOAD, R | W, 0, low + 0x1000, 0, 9)]), 1)
    yield "pie", seed(elf(DYN, 0x80, [segment(PHDR, R, 64, 64, 280, 280, 8), code(0), segment(
        LOAD, R | W, 0x2000, 0x3000, 0x10, 0x2000), segment(DYNAMIC, R | W, 0x2000, 0x3000, 16, 16, 8), segment(
            STACK, R | W, 0, 0, 0, 0, 16)]), 8)
    yield "pie_interp", seed(elf(DYN, 0x100, [segment(INTERP, R, 64 + 112, 176, len(LOADER), len(LOADER), 1),
                                              code(0)], LOADER), 1)
    yield "two_interps", seed(elf(DYN, 0x100, [segment(INTERP, R, 232, 232, 11, 11, 1)] * 2 + [code(0)], LOADER), 1)
    yield "wx_refused", seed(elf(EXEC, low, [code(low, flags=R | W | X)]), 1)
    yield "wx_allowed", seed(elf(EXEC, low, [code(low, flags=R | W | X)]), 1, allow_wx=1)
    stack = segment(STACK, R | W | X, 0, 0, 0, 0, 16)
    yield "exec_stack_refused", seed(elf(EXEC, low, [code(low), stack]), 1)
    yield "exec_stack_allowed", seed(elf(EXEC, low, [code(low), stack]), 1, allow_wx=1)
    yield "top", seed(elf(EXEC, half, [segment(LOAD, R | X, 0, half, 0x1000, 0x1000)]), 1)
    yield "over_the_top", seed(elf(EXEC, half, [segment(LOAD, R | X, 0, half, 0x1000, 0x1001)]), 1)
    yield "wraps", seed(elf(EXEC, low, [segment(LOAD, R | X, 0, low, 0x1000, 2**64 - low)]), 1)
    yield "bottom", seed(elf(EXEC, 0x80, [code(0)]), 1)
    yield "shared_page", seed(elf(EXEC, low, [code(low, 0x1800), segment(LOAD, R | W, 0x1900, low + 0x1900, 8, 8)]), 4)
    yield "descending", seed(elf(EXEC, low, [code(low), code(low - 0x10000)]), 4)
    yield "behind_the_end", seed(elf(EXEC, low, [code(low, 0x2000)]), 1)
    yield "empty_segment", seed(elf(EXEC, low, [segment(LOAD, R, 0, 0, 0, 0), code(low)]), 1)
    yield "entry_in_data", seed(elf(EXEC, low + 0x2234, [code(low), data]), 8)
    yield "many", seed(elf(EXEC, low, [code(low + i * 0x1000) for i in range(100)]), 2)
    yield "too_many", seed(elf(EXEC, low, [code(low + i * 0x1000) for i in range(101)]), 3)
    yield "no_headers", seed(elf(EXEC, low, []), 1)
    yield "headers_behind_the_end", seed(elf(EXEC, low, [code(low)], phoff=2**64 - 8), 1)
    yield "headers_at_the_end", seed(elf(EXEC, low, [code(low)], phoff=0x1000), 0, 0x1000 - 120 + 56)
    yield "empty", seed(b"")
    yield "script", seed(b"#!/bin/sh\n")
    for name, fields in {"machine": {"machine": 3}, "version": {"version": 2}, "phentsize": {"phentsize": 32},
                         "ehsize": {"ehsize": 52}, "phnum": {"phnum": 0xFFFF}}.items():
        yield "bad_" + name, seed(elf(EXEC, low, [code(low)], **fields), 4000)
    good = elf(EXEC, low, [code(low)])
    for name, at, byte in ("magic", 0, 0x7E), ("class", 4, 1), ("order", 5, 2), ("type", 16, 1), ("ident", 6, 0):
        yield "bad_" + name, seed(good[:at] + bytes([byte]) + good[at + 1:], 1)
    yield "smaller_in_memory", seed(elf(EXEC, low, [segment(LOAD, R | X, 0, low, 0x1000, 0xFFF)]), 1)
    yield "crooked", seed(elf(EXEC, low, [segment(LOAD, R | X, 0x10, low, 0x1000, 0x1000)]), 2)
    yield "bad_align", seed(elf(EXEC, low, [segment(LOAD, R | X, 0, low, 0x1000, 0x1000, 3)]), 1)
    for name, offset, size in ("short", 0, 1), ("long", 0, 5000), ("outside", 0x1F00, 0x200), ("wraps", 2**64 - 1, 4):
        yield "interp_" + name, seed(elf(DYN, 0, [segment(INTERP, R, offset, 0, size, size, 1), code(0)]), 1)


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    for name, content in seeds():
        with open(os.path.join(folder, name), "wb") as f:
            f.write(content)


main()
