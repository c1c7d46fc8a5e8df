"""Reproducible cpio archives (the "newc" format: Linux's initramfs buffer format).

The same tree gives the same bytes: entries are sorted, owned by root, dated by SOURCE_DATE_EPOCH
and numbered from 1. The data of every file of a page or more begins on a page boundary of the
archive (its name is followed by more than one NUL), so that an archive which lies page-aligned
in memory can lend its pages to the file system.
"""

import os
import stat

PAGE = 4096
HEADER = 110  # bytes: a magic of 6 and 13 fields of 8 hexadecimal digits


def epoch():
    return int(os.environ.get("SOURCE_DATE_EPOCH", "0"))


class Tree:
    """The entries of one archive, by path (without a leading slash)."""

    def __init__(self):
        self.entries = {}

    def _put(self, path, mode, data, mtime=None):
        path = path.strip("/")
        parent = os.path.dirname(path)
        if parent and parent not in self.entries:
            self.dir(parent)
        self.entries[path] = (mode, data, epoch() if mtime is None else mtime)

    def dir(self, path, mode=0o755):
        self._put(path, stat.S_IFDIR | mode, b"")

    def file(self, path, data, mode=0o644):
        self._put(path, stat.S_IFREG | mode, data)

    def link(self, path, target):
        self._put(path, stat.S_IFLNK | 0o777, os.fsencode(target))

    def program(self, path, source):
        with open(source, "rb") as f:
            self.file(path, f.read(), 0o755)

    def copy(self, folder, modes=True):
        """Lay a host folder over the tree. modes: keep them, else 0644 or 0755."""
        for top, dirs, files in os.walk(folder):
            dirs.sort()
            base = os.path.relpath(top, folder)
            base = "" if base == "." else base
            for name in sorted(dirs) + sorted(files):
                self._copy_one(os.path.join(base, name), os.path.join(top, name), modes)

    def _copy_one(self, path, source, modes):
        st = os.lstat(source)
        perm = stat.S_IMODE(st.st_mode) if modes else 0o755 if st.st_mode & 0o100 else 0o644
        if stat.S_ISLNK(st.st_mode):
            self.link(path, os.readlink(source))
        elif stat.S_ISDIR(st.st_mode):
            self.dir(path, perm if modes else 0o755)
        elif stat.S_ISREG(st.st_mode):
            with open(source, "rb") as f:
                self.file(path, f.read(), perm)
        else:
            self._put(path, stat.S_IFMT(st.st_mode) | perm, b"")

    def pack(self):
        out = bytearray()
        for ino, path in enumerate(sorted(self.entries), 1):
            mode, data, mtime = self.entries[path]
            _append(out, ino, path, mode, data, mtime)
        _append(out, 0, "TRAILER!!!", 0, b"", 0)
        return bytes(out)


def _append(out, ino, path, mode, data, mtime):
    name = os.fsencode(path) + b"\0"
    if stat.S_ISREG(mode) and len(data) >= PAGE:
        name += b"\0" * (-(len(out) + HEADER + len(name)) % PAGE)
    links = 2 if stat.S_ISDIR(mode) else 1
    fields = (ino, mode, 0, 0, links, mtime, len(data), 0, 0, 0, 0, len(name), 0)
    out += b"070701" + b"".join(b"%08x" % x for x in fields) + name
    out += b"\0" * (-len(out) % 4)
    out += data
    out += b"\0" * (-len(out) % 4)
