"""Disk images: a GPT with one EFI system partition (FAT), reproducible to the byte.

mtools fill the file system, with fixed numbers where they would take random ones and with
SOURCE_DATE_EPOCH for every time. The partition table is UEFI 2.10, chapter 5.
"""

import os
import struct
import subprocess
import uuid
import zlib

MIB = 1 << 20
START = MIB  # of the partition
MIN_SIZE = 40 * MIB  # of the partition: FAT32 needs 65525 clusters of 512 bytes
TAIL = MIB  # the second GPT
SECTOR = 512
SERIAL = "B01CEAD0"
ESP_TYPE = uuid.UUID("C12A7328-F81F-11D2-BA4B-00A0C93EC93B")
DISK_GUID = uuid.UUID("B01CEAD0-0000-4000-8000-000000000001")
PART_GUID = uuid.UUID("B01CEAD0-0000-4000-8000-000000000002")
ENTRIES, ENTRY_SIZE = 128, 128
TABLE_SECTORS = ENTRIES * ENTRY_SIZE // SECTOR


def _run(*command):
    env = dict(os.environ, MTOOLS_SKIP_CHECK="1", TZ="UTC", LC_ALL="C")
    env.setdefault("SOURCE_DATE_EPOCH", "0")
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{command[0]}: {done.stdout}{done.stderr}".strip())


def _size(files):
    need = sum(os.path.getsize(source) + 65536 for source in files.values())
    return max(MIN_SIZE, (need + need // 16 + 4 * MIB) // MIB * MIB)


def _gpt_header(here, there, table, last, crc):
    fields = struct.pack("<8s4I4Q16sQ3I", b"EFI PART", 0x10000, 92, 0, 0, here, there,
                         2 + TABLE_SECTORS, last - TABLE_SECTORS - 1, DISK_GUID.bytes_le, table,
                         ENTRIES, ENTRY_SIZE, crc)
    return fields[:16] + struct.pack("<I", zlib.crc32(fields)) + fields[20:]


def _partition(disk, sectors, first, end):
    """Write both copies of a table with one partition, and the MBR that guards it."""
    last = sectors - 1
    mbr = struct.pack("<446xB3sB3sII48xH", 0, b"\0\2\0", 0xEE, b"\xff" * 3, 1,
                      min(last, 0xFFFFFFFF), 0xAA55)
    entry = struct.pack("<16s16sQQQ72s", ESP_TYPE.bytes_le, PART_GUID.bytes_le, first, end - 1, 0,
                        "Bulkhead".encode("utf-16-le"))
    table = entry.ljust(ENTRIES * ENTRY_SIZE, b"\0")
    crc = zlib.crc32(table)
    for sector, data in ((0, mbr), (1, _gpt_header(1, last, 2, last, crc)), (2, table),
                         (last - TABLE_SECTORS, table),
                         (last, _gpt_header(last, 1, last - TABLE_SECTORS, last, crc))):
        disk.seek(sector * SECTOR)
        disk.write(data)


def build(path, files):
    """Write the image PATH. files: {"EFI/BOOT/BOOTX64.EFI": source file on the host, ...}"""
    size = _size(files)
    temporary = path + ".new"
    with open(temporary, "wb") as f:
        f.truncate(START + size + TAIL)
        _partition(f, (START + size + TAIL) // SECTOR, START // SECTOR, (START + size) // SECTOR)
    fat = f"{temporary}@@{START}"
    _run("mformat", "-i", fat, "-F", "-T", str(size // SECTOR), "-h", "64", "-s", "32", "-c", "1",
         "-N", SERIAL, "-v", "BULKHEAD", "::")
    folders = {"/".join(name.split("/")[:n]) for name in files for n in range(1, name.count("/") + 1)}
    for folder in sorted(folders):
        _run("mmd", "-i", fat, "::/" + folder)
    for name, source in sorted(files.items()):
        _run("mcopy", "-i", fat, source, "::/" + name)
    os.replace(temporary, path)


def staged(efi, folder=None):
    """What lands on the system partition: the one file, and what FOLDER (esp/) holds."""
    files = {}
    for top, _, names in os.walk(folder or ""):
        for name in names:
            source = os.path.join(top, name)
            files[os.path.relpath(source, folder)] = source
    files["EFI/BOOT/BOOTX64.EFI"] = efi
    return files
