"""The PE sections of a file (Microsoft PE format, 3 and 4), for looking and for damaging."""

import struct


def sections(data):
    """=> {name: (offset in the file, size)}"""
    pe = struct.unpack_from("<I", data, 0x3C)[0]
    count, = struct.unpack_from("<H", data, pe + 6)
    optional, = struct.unpack_from("<H", data, pe + 20)
    found = {}
    for i in range(count):
        name, virtual_size, _, raw_size, raw_offset = struct.unpack_from(
            "<8sIIII", data, pe + 24 + optional + 40 * i)
        found[name.rstrip(b"\0").decode()] = (raw_offset, min(virtual_size, raw_size))
    return found


def section(data, name):
    offset, size = sections(data)[name]
    return data[offset:offset + size]


def patched(data, name, at, new):
    """DATA with NEW at offset AT of section NAME."""
    offset, size = sections(data)[name]
    assert 0 <= at and at + len(new) <= size
    return data[:offset + at] + new + data[offset + at + len(new):]
