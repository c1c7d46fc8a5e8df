/* Times of files between ns and the ABI's seconds. */
#pragma once

#include "hal/base/types.h"

struct split_time {
	i64 sec;
	u32 ns;
};
struct split_time time_split(i64 ns); /* ns of either sign; the rest is never negative */
