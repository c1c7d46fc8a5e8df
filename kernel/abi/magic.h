/* The numbers by which statfs(2) names file systems: Linux's own header (leaf). */
#pragma once

#include <linux/magic.h>
