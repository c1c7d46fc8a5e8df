/* The accounts are made from counters that are kept anyway: nothing here costs those who allocate. */
#include "kernel/account.h"
#include "hal/base/assert.h"
#include "kernel/fs/fdtable.h"
#include "kernel/proc/proc.h"
#include "sched/thread.h"
#include "vm/aspace.h"
#include "vm/frame.h"
#include "vm/kmem.h"
#include "vm/pmap.h"

struct of_procs {
	u64 descriptors, tasks;
};

static bool count_proc(struct proc *p, void *arg)
{
	struct of_procs *c = arg;

	if (p->files)
		c->descriptors += fdtable_count(p->files);
	c->tasks += p->task_count;
	return true;
}

static u64 frames_in_use(void)
{
	u64 kept = kmem_slab_frames() + pmap_kernel_tables() + kstack_kept() * (KSTACK_SIZE / PAGE_SIZE);

	return frame_total() - frame_free_count() - kept;
}

u32 account_read(struct account_row rows[ACCOUNT_ROWS])
{
	struct of_procs procs = {0};
	u32 n = 6;

	proc_for_each(count_proc, &procs);
	rows[0] = (struct account_row){"frames", frames_in_use()};
	rows[1] = (struct account_row){"heap", kmem_bytes_used()};
	rows[2] = (struct account_row){"regions", aspace_regions()};
	rows[3] = (struct account_row){"descriptors", procs.descriptors};
	rows[4] = (struct account_row){"processes", proc_count()};
	rows[5] = (struct account_row){"ending", task_count() - procs.tasks};
	for (u32 i = 0; kmem_cache_living(i, &rows[n].name, &rows[n].count); i++)
		if (++n == ACCOUNT_ROWS)
			panic("more caches than rows in the accounts");
	return n;
}
