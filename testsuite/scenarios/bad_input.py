"""What is wrong from outside ends in a clear message and a failure: never in a hang or a reset."""

from bulkhead import cpio

LIMIT = 180


def ends_clearly(t, words, name, **options):
    """A boot that must fail with a log that has one of WORDS."""
    with t.boot(timeout=LIMIT, **options) as guest:
        end = guest.finish()
        said = guest.log + guest.firmware.decode(errors="replace")
        resets = [e for e in guest.events if e["event"] == "RESET"]
        t.ok(end.status and not end.timed_out and not resets and
             any(word in said for word in words), f"[B7] {name}",
             f"status {end.status}, {end.why}, {len(resets)} resets\n{guest.story()}")


def archive():
    tree = cpio.Tree()
    tree.file("file", b"x" * 100000)
    return tree.pack()


def test_corrupt_initrd(t):
    ends_clearly(t, ("initrd", "cpio"), "an initrd.cpio that is none",
                 files={"initrd.cpio": b"not an archive" * 100})


def test_truncated_initrd(t):
    ends_clearly(t, ("initrd", "cpio"), "an initrd.cpio that is cut off",
                 files={"initrd.cpio": archive()[:50000]})


def test_no_such_init(t):
    ends_clearly(t, ("/no/such/file",), "an init= that does not exist", append="init=/no/such/file")


def test_init_is_no_program(t):
    ends_clearly(t, ("/etc/passwd",), "an init= that is no ELF", append="init=/etc/passwd")


def test_little_memory(t):
    """OVMF needs 48 MiB, and our file twice its size; the archive leaves too little of 96 for the rest."""
    tree = cpio.Tree()
    tree.file("big", bytes(range(256)) * 100000)
    ends_clearly(t, ("memory",), "too little memory", mem=96, files={"initrd.cpio": tree.pack()})
