#!/usr/bin/env python3
"""kernel/abi/SYSCALLS.md, from the table of system calls and what is noted of them.

usage: syscall_table.py [-c]

Without -c the file is written; with it nothing is, and it must be as it would be written.
"""

import re
import sys

CALLS, NOTES, TABLE = "kernel/abi/syscalls.def", "kernel/abi/syscalls.notes", "kernel/abi/SYSCALLS.md"
CALL = re.compile(r"^SYSCALL\d\((\d+), (\w+)", re.M)
NOTE = re.compile(r"(\w+): (partly|refused|missing (\d+))(?: (.*))?$")
TESTING = range(400, 404)  # numbers of the testing build alone
HEAD = """\
# The system calls

Made from `syscalls.def` and `syscalls.notes` by `make syscalls`; do not edit. *Works*: nothing of
its manual page is known to be missing. *Partly*: what works, what is refused and how, what is accepted without effect.
*Missing*: `-ENOSYS`, as is every number that is not here.

"""


def calls():
    with open(CALLS, encoding="utf-8") as f:
        return {name: int(number) for number, name in CALL.findall(f.read()) if int(number) not in TESTING}


def notes():
    """=> {name: (state, number when missing, text)}"""
    found = {}
    with open(NOTES, encoding="utf-8") as f:
        for line in f:
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            match = NOTE.match(line)
            if not match or match.group(1) in found:
                sys.exit(f"{NOTES}: malformed, or the second of its name: {line}")
            name, state, number, text = match.groups()
            found[name] = (state.split()[0], number and int(number), text or "")
    return found


def rows(built, noted):
    for name, (state, number, _) in noted.items():
        if state == "missing" and name in built:
            sys.exit(f"{NOTES}: {name} is said to be missing, but it is in {CALLS}: say what of it works, "
                     "or take the line out")
        if state != "missing" and name not in built:
            sys.exit(f"{NOTES}: {name} is not in {CALLS}")
        if state == "missing":
            yield number, name, state, noted[name][2]
    for name, number in built.items():
        state, _, text = noted.get(name, ("works", None, ""))
        yield number, name, state, text


def table():
    lines = sorted(rows(calls(), notes()))
    counts = ", ".join(f"{sum(line[2] == state for line in lines)} {word}" for state, word in
                       (("works", "work"), ("partly", "partly work"), ("refused", "are refused"),
                        ("missing", "are missing")))
    out = HEAD + f"Of {len(lines)} calls {counts}.\n\n| number | call | | what of it |\n| ---: | --- | --- | --- |\n"
    return out + "".join(f"| {number} | `{name}` | {state} | {text} |\n" for number, name, state, text in lines)


def main():
    text = table()
    if sys.argv[1:] == ["-c"]:
        with open(TABLE, encoding="utf-8") as f:
            if f.read() != text:
                sys.exit(f"{TABLE} is not in step with {CALLS} and {NOTES}: run `make syscalls`")
        return
    with open(TABLE, "w", encoding="utf-8") as f:
        f.write(text)


main()
