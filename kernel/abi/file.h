/* Linux's constants of files that its user-space headers lack or keep apart (leaf). */
#pragma once

#include <linux/falloc.h>

/* utimensat(2) */
#define UTIME_NOW ((1L << 30) - 1)
#define UTIME_OMIT ((1L << 30) - 2)

/* statfs(2): f_flags */
#define ST_VALID 0x20
#define ST_RELATIME 0x1000
