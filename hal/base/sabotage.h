/* Breaking a protection on purpose (leaf); see sabotage.def. In the release build sabotage() is false and leaves no
 * trace in the code. */
#pragma once

#include "hal/base/types.h"

#ifdef BULKHEAD_TESTING
enum sabotage {
	SABOTAGE_none,
#define SABOTAGE(name, row, guard, what) SABOTAGE_##name,
#include "hal/base/sabotage.def"
#undef SABOTAGE
};
#endif

#if defined(BULKHEAD_TESTING) && !defined(BULKHEAD_HOST)
extern enum sabotage sabotage_chosen; /* [I] */

#define sabotage(name) unlikely(sabotage_chosen == SABOTAGE_##name)

/* sabotage_init: what the command line asks for, before anything else is set up.
 * sabotage_check: panic when it asks for a name that is not there. */
void sabotage_init(const char *cmdline);
void sabotage_check(const char *cmdline);
#else
#ifdef BULKHEAD_SABOTAGE /* of a test on the host: the compiler is told which one */
#define SABOTAGE_CHOSEN_(name) SABOTAGE_##name
#define SABOTAGE_CHOSEN(name) SABOTAGE_CHOSEN_(name)
#define sabotage(name) (SABOTAGE_##name == SABOTAGE_CHOSEN(BULKHEAD_SABOTAGE))
#else
#define sabotage(name) false
#endif
#define sabotage_init(cmdline) ((void)0)
#define sabotage_check(cmdline) ((void)0)
#endif
