/* Words of the kernel command line (leaf). Words are separated by blanks; "quotes" keep blanks
 * inside. Everything behind a word `--` belongs to pid 1 and is not searched. */
#pragma once

#include "hal/base/types.h"

/* cmdline_has: the bare word NAME occurs. */
bool cmdline_has(const char *cmdline, const char *name);

/* cmdline_get: the value of the last NAME=value, quotes removed.
 * => its length, or -1 when absent or longer than SIZE - 1 */
isize_t cmdline_get(const char *cmdline, const char *name, char *ret, size_t size);

/* cmdline_rest: split what stands behind `--` into ARGV (pointers into BUF).
 * => the number of words, at most MAX */
u32 cmdline_rest(const char *cmdline, char *buf, size_t size, char **argv, u32 max);
