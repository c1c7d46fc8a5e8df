/* The table of instructions that may fault, and where to go on (asm.h, EXTABLE). */
#include "hal/cpu/usercopy.h"
#include "hal/base/sabotage.h"

struct extable_entry {
	i32 insn;  /* relative to this field */
	i32 fixup; /* relative to this field */
};

extern const struct extable_entry __extable_start[], __extable_end[];

u64 usercopy_fixup(u64 rip)
{
	if (sabotage(copy_fixup))
		return 0;
	for (const struct extable_entry *e = __extable_start; e < __extable_end; e++)
		if (rip == (u64)&e->insn + (u64)(i64)e->insn)
			return (u64)&e->fixup + (u64)(i64)e->fixup;
	return 0;
}
