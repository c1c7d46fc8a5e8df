/* Capability numbers: Linux's own header (leaf). */
#pragma once

#include <linux/capability.h>

#define CAP_ALL ((1UL << (CAP_LAST_CAP + 1)) - 1)
