/* Formatted output into a buffer (leaf).
 * Conversions: d i u x X p c s %, with - 0 width .precision (numbers or *) and h hh l ll z.
 * Never allocates. */
#pragma once

#include "hal/base/types.h"

/* => the length the whole text would have, as snprintf(3); always terminated when size > 0. */
int kvsnprintf(char *buf, size_t size, const char *fmt, va_list ap);
int ksnprintf(char *buf, size_t size, const char *fmt, ...) __printf(3, 4);
