/* The memory calls' side of the limits. */
#pragma once

#include "vm/aspace.h"

/* memory_limit: what the running process may have at most (for aspace_init), in bytes. */
u64 memory_limit(enum aspace_limit which);
