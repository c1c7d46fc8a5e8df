"""What must end the machine with a clear report: the tests of testsuite/kern that crash it on purpose."""

import re

WORDS = {
    "heap_double_free": r"panic: heap: kmalloc-\d+: freed twice",
    "heap_overrun": r"panic: heap: kmalloc-\d+: object was overrun",
    "heap_after_free": r"panic: heap: kmalloc-\d+: written after free",
    "stack_overflow": r"panic: kernel stack overflow in dig\+0x[^\n]*\n[^\n]*thread kernel_init, ",
    "stack_overrun": r"panic: stack smashed: overrun has [^\n]*\n[^\n]*thread kernel_init, ",
    "stack_overflow_irq": r"panic: kernel stack overflow in spin_at\+0x[^\n]*\n[^\n]*thread kernel_init, ",
}
ROWS = {"stack_overflow": "P3", "stack_overrun": "P3", "stack_overflow_irq": "P3"}


def crash(t, name):
    with t.boot(append=f"kerntest kerncrash={name}", timeout=60) as guest:
        end = guest.finish()
        log = guest.log
    text = f"[{ROWS.get(name, 'B5')}] {name.replace('_', ' ')}"
    t.ok(end.why and not end.timed_out and re.search(WORDS[name], log), f"{text} is found and said", log)
    t.ok(re.search(r"\b(kern_tests_run|dig|spin_at)\+0x", log), f"{text}: with a backtrace", log)


def test_double_free(t):
    crash(t, "heap_double_free")


def test_overrun(t):
    crash(t, "heap_overrun")


def test_write_after_free(t):
    crash(t, "heap_after_free")


def test_stack_overflow(t):
    crash(t, "stack_overflow")


def test_stack_overrun(t):
    crash(t, "stack_overrun")


def test_stack_overflow_by_interrupt(t):
    crash(t, "stack_overflow_irq")
