/* What a sabotage (hal/base/sabotage.def) needs beyond the line that it breaks. */
#include "kernel/abi/errno.h"
#include "kernel/proc/proc.h"
#include "kernel/trap.h"
#include "vm/aspace.h"
#include "vm/frame.h"

struct theft {
	vaddr_t page;
	paddr_t pa; /* 0: nobody has such a page */
};

static bool find_page(struct proc *p, void *arg)
{
	struct theft *t = arg;
	struct task *task;

	list_for_each (task, &p->tasks, link) {
		struct aspace *as = task->thread.aspace;

		if (!as || as == thread_current()->aspace || !pmap_query(&as->pmap, t->page, &t->pa, NULL))
			continue;
		frame_get(t->pa);
		return false;
	}
	return true;
}

static int enter_page(struct aspace *as, vaddr_t page, paddr_t pa)
{
	struct page_slot slot;
	int err = 0;

	WITH_LOCK (&as->lock) {
		pmap_find(&as->pmap, page, &slot);
		err = pmap_enter(&as->pmap, &slot, pa, VM_READ | VM_WRITE);
	}
	return err;
}

int sabotage_other_space(vaddr_t addr)
{
	struct aspace *as = thread_current()->aspace;
	struct theft t = {.page = ALIGN_DOWN(addr, PAGE_SIZE)};
	struct map_request req = {
	        .addr = t.page,
	        .len = PAGE_SIZE,
	        .prot = VM_READ | VM_WRITE,
	        .max_prot = VM_READ | VM_WRITE,
	        .fixed = true,
	};
	vaddr_t at;
	int err = -EFAULT;

	proc_for_each(find_page, &t);
	if (t.pa)
		err = aspace_map(as, &req, &at);
	if (!err)
		err = enter_page(as, t.page, t.pa);
	if (t.pa && err)
		frame_put(t.pa);
	return err;
}
