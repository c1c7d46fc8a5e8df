#!/usr/bin/env python3
"""Who may include whom (the layers of the tree, lowest first).

Every #include of ours is written from the root. A file of a folder may include its own folder's
headers, those of the folders below it, and the leaves: headers that include nothing but leaves.
"""

import os
import re
import sys

BELOW = {
    "efi": [],
    "hal": [],
    "vm": ["hal"],
    "sched": ["vm", "hal"],
    "kernel": ["sched", "vm", "hal"],
    "user": [],
    "testsuite": ["kernel", "sched", "vm", "hal"],
}
LEAVES = ("efi/bootinfo.h", "kernel/abi/", "hal/base/", "hal/upcall.h")
ABI_ONLY = ("kernel/abi/",)  # what ring 3 may see of the kernel
HOSTED = ("testsuite/host/", "testsuite/prog/", "testsuite/bench/", "testsuite/scenarios/")
# In the testing build the kernel's table of contents has one line more.
ALLOWED = {("kernel/main.c", "testsuite/kern/kern.h")}
SYSTEM = re.compile(r"(std(bool|arg|def|int|noreturn)|immintrin|cpuid)\.h$")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def is_leaf(path):
    return path.startswith(LEAVES)


def complaint(path, kind, target):
    """=> what is wrong with this #include, or None."""
    folder = path.split("/")[0]
    hosted = folder in ("efi", "user") or path.startswith(HOSTED)
    if kind == "<":
        if hosted or SYSTEM.match(target) or path == "hal/base/string.h":
            return None
        if path.startswith("kernel/") and target.startswith(("linux/", "asm/")):
            return None  # Linux's own statement of its ABI
        return "the kernel has no C library"
    if not os.path.exists(target):
        return "no such file from the root"
    if is_leaf(path):
        return None if is_leaf(target) else "a leaf includes leaves only"
    if folder == "user" or path.startswith("testsuite/prog"):
        allowed = target.startswith((folder + "/", "testsuite/prog/") + ABI_ONLY)
        return None if allowed else "ring 3 sees the ABI only"
    if (path, target) in ALLOWED or is_leaf(target) or target.startswith(folder + "/"):
        return None
    if target.split("/")[0] in BELOW[folder]:
        return None
    return f"{folder}/ may not include it"


def main():
    wrong = 0
    for folder in BELOW:
        for top, _, names in os.walk(folder):
            for name in sorted(names):
                if not name.endswith((".c", ".h", ".S")):
                    continue
                path = os.path.join(top, name)
                with open(path, encoding="utf-8") as f:
                    for number, line in enumerate(f, 1):
                        match = INCLUDE.match(line)
                        why = match and complaint(path, *match.groups())
                        if why:
                            wrong += 1
                            print(f"{path}:{number}: {match.group(2)}: {why}")
    sys.exit(1 if wrong else 0)


main()
