"""A short run of libFuzzer, where clang has it; `make fuzz` runs for longer (mission E4)."""

import os
import subprocess
import tempfile

RUNS = 300000
LIMIT = 300


def test_elf(t):
    with tempfile.TemporaryDirectory() as folder:
        empty = os.path.join(folder, "empty.c")
        with open(empty, "w", encoding="ascii") as f:
            f.write("int LLVMFuzzerTestOneInput(const char *p, unsigned long n) { return 0; }\n")
        have = subprocess.run(["clang", "-fsanitize=fuzzer,address,undefined", "-o", folder + "/empty", empty],
                              capture_output=True, check=False)
        if have.returncode:
            t.skip("[E4] libFuzzer finds nothing in the loader's checks", "clang comes without it here")
            return
        done = subprocess.run(["make", "-s", "fuzz", f"BUILD={folder}", f"FUZZ_RUNS={RUNS}", "FUZZ_SEED=1",
                               "FUZZ_SECONDS=60"], capture_output=True, text=True, timeout=LIMIT, check=False)
    t.ok(done.returncode == 0 and "stat::number_of_executed_units" in done.stderr,
         "[E4] libFuzzer finds nothing in the loader's checks", done.stderr[-2000:])
