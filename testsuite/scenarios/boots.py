"""It starts, each time. BOOTS in the environment says how often (the default is small)."""

import os

LIMIT = 60


def test_boots_in_a_row(t):
    count = int(os.environ.get("BOOTS", "3"))
    good = 0
    for _ in range(count):
        with t.boot(timeout=LIMIT) as guest:
            guest.expect(r"# ", timeout=LIMIT)
            guest.send("exit 11\n")
            good += guest.finish().status == 11
    t.equal(good, count, f"[B1] {count} boots in a row reach the prompt")


def test_killed_command(t):
    status, _, _ = t.run("kill -9 $$", timeout=LIMIT)
    t.equal(status, 137, "[B7] a command that is killed ends the machine with 128 and the signal")


def test_poweroff(t):
    for command, status in (("poweroff", 0), ("halt", 0)):
        with t.boot(timeout=LIMIT) as guest:
            guest.expect(r"# ", timeout=LIMIT)
            guest.send(command + "\n")
            end = guest.finish()
            t.equal((end.status, end.why), (status, None), f"[B7] {command} ends the machine")
