/* The tests' system call that tells where the kernel is mapped (mission I3). */
#include "hal/base/assert.h"
#include "kernel/abi/errno.h"
#include "kernel/sys/syscall.h"
#include "sched/thread.h"
#include "vm/aspace.h"
#include "vm/kmem.h"
#include "vm/uaccess.h"

#define RANGES_MAX 1024
#define KERNEL_HALF 0xffff800000000000

struct ranges {
	u32 count;
	struct {
		u64 start, end; /* the last byte's address is end - 1; end may be 0 */
	} at[RANGES_MAX];
};

static void range_note(vaddr_t start, vaddr_t end, paddr_t pa, u32 prot, void *arg)
{
	struct ranges *r = arg;

	if (start < KERNEL_HALF)
		return;
	if (r->count && r->at[r->count - 1].end == start)
		r->at[r->count - 1].end = end;
	else if (r->count < RANGES_MAX) {
		r->at[r->count].start = start;
		r->at[r->count++].end = end;
	}
}

/* sys_test_ranges: what of the kernel's half is mapped, as pairs of start and end, COUNT of them at most.
 * => how many there are; -ENOMEM, -EFAULT */
i64 sys_test_ranges(uaddr_t buf, u64 count)
{
	struct ranges *r = kzalloc(sizeof(*r));
	i64 ret = -EFAULT;

	if (!r)
		return -ENOMEM;
	pmap_audit(&thread_current()->aspace->pmap, range_note, r);
	if (copyout(buf, r->at, MIN(count, r->count) * sizeof(r->at[0])) == 0)
		ret = r->count;
	kfree(r);
	return ret;
}
