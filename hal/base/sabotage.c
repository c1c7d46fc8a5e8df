#include "hal/base/sabotage.h"

#if defined(BULKHEAD_TESTING) && !defined(BULKHEAD_HOST)
#include "hal/base/assert.h"
#include "hal/base/cmdline.h"
#include "hal/base/string.h"

u64 sabotage_mask;

static const char *const names[] = {
#define SABOTAGE(name, row, guard, what) #name,
#include "hal/base/sabotage.def"
#undef SABOTAGE
};

_Static_assert(ARRAY_SIZE(names) <= 64, "one bit each");

void sabotage_init(const char *cmdline)
{
	char wanted[32];

	if (cmdline_get(cmdline, "sabotage", wanted, sizeof(wanted)) < 0)
		return;
	for (u32 i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(wanted, names[i]) == 0)
			sabotage_mask = BIT(i);
}

void sabotage_check(const char *cmdline)
{
	char wanted[32];

	if (!sabotage_mask && cmdline_get(cmdline, "sabotage", wanted, sizeof(wanted)) >= 0)
		panic("no such sabotage: %s", wanted);
}
#endif
