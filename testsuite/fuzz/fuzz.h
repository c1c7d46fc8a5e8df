/* Between a fuzz target and who drives it. */
#pragma once

#include "hal/base/types.h"

/* One input: any bytes. */
int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

extern u64 fuzz_accepted; /* inputs that the function under test took for good */

/* fuzz_failed: WHAT must hold after an input, and did not. A target's own ends the process; a driver may have another. */
void fuzz_failed(const char *what);
