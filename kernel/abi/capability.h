/* Capability numbers: Linux's own header (leaf). */
#pragma once

#include <linux/capability.h>
