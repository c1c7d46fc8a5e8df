/* Random numbers: ChaCha20 (RFC 8439) keyed from firmware's entropy and mixed with the CPU's own
 * generator where there is one. Safe from any context. */
#pragma once

#include "hal/base/types.h"

void random_init(const u8 *seed, size_t n);
void random_bytes(void *buf, size_t n);
u64 random_u64(void);

/* random_mix: add entropy (an interrupt's time, a write to /dev/urandom). */
void random_mix(const void *buf, size_t n);
