"""What the log says of a program that reached for another's memory, and what the release has not (mission I1)."""

import os
import re
import shutil
import tempfile

from bulkhead import machine

FAULT = re.compile(r"PAGE-FAULT: pid=\d+ rip=[0-9a-f]{16} addr=00002badc0de0000 err=([0-9a-f]+)")


def test_attack_logged(t):
    status, output, log = t.run("/test/isolation victim_attacker", timeout=60)
    t.ok(status == 0 and "ok 1" in output, "[I1] the attacker dies, the victim ends well", output)
    t.equal(FAULT.findall(log), ["4", "6"],
            "[I1] its read and its write are in the log, with the address")


def test_release_has_no_such_calls(t):
    """The program that asks for the victim's address: it gets none."""
    release = os.path.join(os.path.dirname(t.build), "release", "BOOTX64.EFI")
    if not os.path.exists(release):
        t.skip("[I1] 400 and 401 do not exist in the release", "it is not built")
        return
    with tempfile.TemporaryDirectory() as root:
        shutil.copy(os.path.join(t.build, "testsuite/prog/isolation"), root)
        with machine.Machine(release, command="/isolation @attack-fetch; echo status=$?",
                             timeout=60, root=root) as guest:
            guest.finish()
            shown = guest.console.decode(errors="replace")
            log = guest.log
    t.ok("status=2" in shown, "[I1] 400 and 401 do not exist in the release", shown + log)
