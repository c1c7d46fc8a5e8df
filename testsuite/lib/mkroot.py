#!/usr/bin/env python3
"""Pack the root file system.

usage: mkroot.py -o ARCHIVE [-b BUSYBOX] [-s SKELETON] [PATH=PROGRAM ...]

BUSYBOX becomes /bin/busybox with a symbolic link for each of its applets; SKELETON is a folder
laid over the tree; each PATH=PROGRAM puts one program there, in place of an applet's link.
"""

import getopt
import os
import subprocess
import sys

from bulkhead import cpio


def skeleton(tree):
    for path in "bin dev etc home mnt proc run sbin sys usr/bin usr/sbin var/log".split():
        tree.dir(path)
    tree.dir("root", 0o700)
    tree.dir("tmp", 0o1777)
    tree.dir("var/tmp", 0o1777)


def busybox(tree, program):
    tree.program("bin/busybox", program)
    listing = subprocess.run([program, "--list-full"], check=True, capture_output=True, text=True)
    for applet in sorted(listing.stdout.split()):
        if applet not in ("bin/busybox", "linuxrc"):
            tree.link(applet, "/bin/busybox")


def main():
    options, programs = getopt.getopt(sys.argv[1:], "o:b:s:")
    options = dict(options)
    tree = cpio.Tree()
    skeleton(tree)
    if "-b" in options:
        busybox(tree, options["-b"])
    if "-s" in options:
        tree.copy(options["-s"], modes=False)
        tree.dir("root", 0o700)
    for spec in programs:
        path, source = spec.split("=", 1)
        tree.program(path, source)
    temporary = options["-o"] + ".new"
    with open(temporary, "wb") as f:
        f.write(tree.pack())
    os.rename(temporary, options["-o"])


main()
