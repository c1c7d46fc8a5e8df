"""The stub (efi/): what it carries, what it says when something is wrong, how it ends then."""

import os
import re
import struct
import subprocess
import tempfile

from bulkhead import cpio, machine, pe

LIMIT = 180
PHDR = 64  # program headers' offset in the kernel's ELF


def efi_bytes(t):
    with open(t.efi, "rb") as f:
        return f.read()


def boot_bytes(t, data, **options):
    """Boot a changed BOOTX64.EFI. => (End, firmware's console as text)"""
    with tempfile.NamedTemporaryFile(suffix=".efi") as f:
        f.write(data)
        f.flush()
        with machine.Machine(f.name, timeout=LIMIT, **options) as guest:
            end = guest.finish()
            return end, guest.firmware.decode(errors="replace")


def refused(t, data, message, name, **options):
    """A boot that must end in MESSAGE on firmware's console and in failure."""
    end, said = boot_bytes(t, data, **options)
    t.ok(message in said and end.status == machine.FAILED and not end.timed_out,
         f"[B2] {name}: {message}", f"{end.why}\n{said[-500:]}")


def test_sections(t):
    data = efi_bytes(t)
    found = pe.sections(data)
    t.ok({".kernel", ".initrd", ".cmdline", ".osrel"} <= set(found),
         "[B1] the file has the sections of the convention", found)
    with open(os.path.join(t.build, "root.cpio"), "rb") as f:
        t.ok(pe.section(data, ".initrd") == f.read(), "[B1] .initrd is the root file system")
    t.ok(b"ID=bulkhead" in pe.section(data, ".osrel"), "[B1] .osrel names us")


def test_damaged_header(t):
    data = efi_bytes(t)
    for at, new, message in ((0, b"\0ELF", "no ELF file"), (4, b"\1", "not 64-bit little-endian"),
                             (18, b"\x03", "not for x86-64"),
                             (56, b"\xff\xff", "bad program headers")):
        refused(t, pe.patched(data, ".kernel", at, new), message, "a damaged kernel")


def test_damaged_header_more(t):
    data = efi_bytes(t)
    for at, new, message in ((5, b"\2", "not 64-bit little-endian"),
                             (6, b"\0", "unknown ELF version"),
                             (16, b"\x02", "not position-independent"),
                             (32, b"\xf8" + b"\xff" * 7, "program headers beyond its end")):
        refused(t, pe.patched(data, ".kernel", at, new), message, "a damaged kernel")


def test_damaged_segments(t):
    data = efi_bytes(t)
    for at, new, message in (
            (PHDR + 4, struct.pack("<I", 7), "a segment writable and executable"),
            (PHDR + 4, struct.pack("<I", 4), "entry point outside the code"),
            (PHDR + 8, struct.pack("<Q", 1 << 63), "a segment beyond its end"),
            (PHDR + 16, struct.pack("<Q", 0x1000), "segments out of order"),
            (PHDR + 40, struct.pack("<Q", 1), "a segment longer than its memory")):
        refused(t, pe.patched(data, ".kernel", at, new), message, "a damaged kernel")


def test_damaged_more(t):
    data = efi_bytes(t)
    refused(t, pe.patched(data, ".kernel", 24, b"\0" * 8), "entry point outside the code",
            "a damaged kernel")
    refused(t, pe.patched(data, ".kernel", PHDR + 40, struct.pack("<Q", 1 << 62)),
            "a segment outside the kernel's range", "a damaged kernel")
    refused(t, data.replace(b".kernel\0", b".nothing"), "no .kernel section", "no kernel")


def test_long_command_line(t):
    refused(t, efi_bytes(t), "the command line has", "a command line of 4 KiB", append="x" * 4096)


def test_huge_initrd(t):
    refused(t, efi_bytes(t), "out of memory: no", "an initrd.cpio beyond memory", mem=64,
            files={"initrd.cpio": b"\0" * (80 << 20)})


def test_command_line(t):
    """Built in, then the ESP's file: all of it reaches /proc/cmdline, in order."""
    with tempfile.TemporaryDirectory() as folder:
        changed = os.path.join(folder, "changed.efi")
        words = os.path.join(folder, "words")
        with open(words, "w", encoding="ascii") as f:
            f.write("built=in\n")
        done = subprocess.run(["objcopy", "--update-section", f".cmdline={words}", t.efi, changed],
                              capture_output=True, text=True, check=False)
        if not t.ok(done.returncode == 0, "[B1] objcopy replaces .cmdline", done.stderr):
            return
        with machine.Machine(changed, command="cat /proc/cmdline", append="from=file",
                             timeout=LIMIT) as guest:
            end = guest.finish()
            t.ok(guest.console.startswith(b"built=in exit=qemu") and b" from=file" in guest.console,
                 "[B2] the command line is the section's words, then the file's",
                 f"{end.why}\n{guest.console}\n{guest.story()}")


def test_replaced_initrd(t):
    """A larger root in place of the built-in one, by standard tools."""
    with tempfile.TemporaryDirectory() as folder:
        changed, root = os.path.join(folder, "changed.efi"), os.path.join(folder, "root")
        tree = cpio.Tree()
        tree.file("marker", b"another root\n" * 100000)
        with open(root, "wb") as f:
            f.write(tree.pack()[:-124] + pe.section(efi_bytes(t), ".initrd"))
        done = subprocess.run(["objcopy", "--remove-section", ".initrd", "--add-section",
                               f".initrd={root}", "--change-section-vma", ".initrd=0x4000000",
                               t.efi, changed], capture_output=True, text=True, check=False)
        if not t.ok(done.returncode == 0, "[B1] objcopy replaces .initrd", done.stderr):
            return
        with machine.Machine(changed, command="tail -n 1 /marker; ls /bin/sh",
                             timeout=LIMIT) as guest:
            end = guest.finish()
            t.equal((end.why, guest.console), (None, b"another root\n/bin/sh\n"),
                    "[B1] the root may be replaced by a larger one")


def test_load_options(t):
    """Firmware's shell starts us from another name, with words."""
    script = b"fs0:\r\ntool.efi from=shell -- -c /run/cmd\r\n"
    with t.boot(command="cat /proc/cmdline", cmdline="exit=qemu log=ttyS1 console=ttyS0",
                efi_name="tool.efi", files={"startup.nsh": script}, timeout=LIMIT) as guest:
        end = guest.finish()
        t.ok(re.search(rb"exit=qemu log=ttyS1 console=ttyS0 from=shell -- -c /run/cmd\n$",
                       guest.console),
             "[B2] load options come last on the command line",
             f"{end.why}\n{guest.console}\n{guest.story()}")


def test_initrd_over_root(t):
    tree = cpio.Tree()
    tree.file("etc/hostname", b"changed\n")
    tree.file("extra/program", b"#!/bin/sh\necho ran $0\n", 0o755)
    with tempfile.TemporaryDirectory() as folder:
        os.makedirs(os.path.join(folder, "extra"))
        os.makedirs(os.path.join(folder, "etc"))
        for path, (mode, data, _) in tree.entries.items():
            target = os.path.join(folder, path)
            if data:
                with open(target, "wb") as f:
                    f.write(data)
                os.chmod(target, mode & 0o7777)
        status, output, _ = t.run("cat /etc/hostname; /extra/program; ls /bin/sh", root=folder,
                                  timeout=LIMIT)
    t.equal((status, output), (0, "changed\nran /extra/program\n/bin/sh\n"),
            "[B2] \\initrd.cpio is unpacked over the built-in root")


def test_memory_sizes(t):
    for mem in (128, 3072, 5120):
        status, output, _ = t.run("echo up", mem=mem, timeout=LIMIT)
        t.equal((status, output), (0, "up\n"), f"[B2] boots with {mem} MiB")


def test_processor_models(t):
    """Without 1 GiB pages, without NX, without RDRAND."""
    for cpu in ("qemu64", "qemu64,-nx", "max,-rdrand,-rdseed"):
        status, output, _ = t.run("echo up", cpu=cpu, timeout=LIMIT)
        t.equal((status, output), (0, "up\n"), f"[B2] boots on -cpu {cpu}")


def test_random_generator(t):
    status, output, _ = t.run("echo up", qemuflags=("-device", "virtio-rng-pci"), timeout=LIMIT)
    t.equal((status, output), (0, "up\n"), "[B2] boots with firmware's random generator")


def test_reproducible(t):
    """The same inputs give the same bytes."""
    top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    with tempfile.TemporaryDirectory() as folder:
        outs = []
        for name in ("one", "two"):
            path = os.path.join(folder, name)
            subprocess.run([os.path.join(top, "testsuite/lib/mkimage.py"), path, t.efi,
                            os.path.join(top, "esp")], check=True)
            with open(path, "rb") as f:
                outs.append(f.read())
    t.ok(outs[0] == outs[1], "[B1] the disk image is reproducible")
    t.ok(re.match(rb"MZ", efi_bytes(t)), "[B1] the file is a PE")
