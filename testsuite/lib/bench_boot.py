#!/usr/bin/env python3
"""Count guest instructions from the stub's first to pid 1's first, and the memory in use there.

One virtual nanosecond is one instruction (-icount shift=0), so the figure is the same on every
machine. EFI names the BOOTX64.EFI. Fails when it is over LIMIT.
"""

import os
import re
import sys

from bulkhead import machine

LIMIT = 15_000_000
LINE = re.compile(r"boot: (\d+) instructions from the stub to pid 1, (\d+) KiB in use")


def main():
    with machine.Machine(os.environ["EFI"], command="true", append="bench=boot", icount=True,
                         timeout=120) as guest:
        end = guest.finish()
        found = LINE.search(guest.log)
        if end.why or not found:
            sys.exit(f"bench-boot: {end.why or 'no figure in the log'}\n{guest.story()}")
    print(found.group())
    if int(found.group(1)) > LIMIT:
        sys.exit(f"bench-boot: more than {LIMIT} instructions")


main()
