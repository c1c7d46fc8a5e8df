/* What is in use, counted exactly: memory without what caches keep for the next user, and objects by kind. Two
 * readings between which everything that was made has ended are equal; a difference is a leak (mission P10). */
#pragma once

#include "hal/base/types.h"

#define ACCOUNT_ROWS 64

struct account_row {
	const char *name;
	u64 count;
};

/* account_read: `frames`, `heap` (bytes of living objects), `regions`, `descriptors`, `processes`,
 * `ending` (tasks that have left their process and are about to give back what they hold), then the living objects of
 * each kmem cache under its name; the same rows in the same order each time. While processes start and end the rows
 * need not fit one another. => their number */
u32 account_read(struct account_row rows[ACCOUNT_ROWS]);
