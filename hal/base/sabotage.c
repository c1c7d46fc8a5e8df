#include "hal/base/sabotage.h"

#if defined(BULKHEAD_TESTING) && !defined(BULKHEAD_HOST)
#include "hal/base/assert.h"
#include "hal/base/cmdline.h"
#include "hal/base/string.h"

enum sabotage sabotage_chosen;

static const char *const names[] = {
#define SABOTAGE(name, row, guard, what) [SABOTAGE_##name] = #name,
#include "hal/base/sabotage.def"
#undef SABOTAGE
};

void sabotage_init(const char *cmdline)
{
	char wanted[32];

	if (cmdline_get(cmdline, "sabotage", wanted, sizeof(wanted)) < 0)
		return;
	for (u32 i = SABOTAGE_none + 1; i < ARRAY_SIZE(names); i++)
		if (strcmp(wanted, names[i]) == 0)
			sabotage_chosen = i;
}

void sabotage_check(const char *cmdline)
{
	char wanted[32];

	if (!sabotage_chosen && cmdline_get(cmdline, "sabotage", wanted, sizeof(wanted)) >= 0)
		panic("no such sabotage: %s", wanted);
}
#endif
