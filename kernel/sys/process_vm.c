/* process_vm_readv(2), process_vm_writev(2): bytes between the caller and another process's memory. */
#include "kernel/abi/linux.h"
#include "kernel/proc/ptrace.h"
#include "kernel/sys/iov.h"
#include "kernel/sys/syscall.h"
#include "vm/aspace.h"
#include "vm/kmem.h"

/* space_of: => 0 and the address space; -ESRCH; -EPERM */
static int space_of(pid_t nr, struct aspace **ret)
{
	int err = -ESRCH;

	WITH_LOCK (&proc_lock) {
		struct pid *pid = pid_find(nr);
		struct proc *p = pid && pid->task ? pid->task->proc : NULL;

		if (!p)
			break;
		err = ptrace_allowed(p) ? 0 : -EPERM;
		if (err)
			break;
		struct aspace *as = proc_aspace(p);

		if (as)
			*ret = as;
		else
			err = -ESRCH;
	}
	return err;
}

/* copy_part: of one page of AS at VA, N bytes through BUF. => bytes moved, or -EFAULT */
static isize_t copy_part(struct aspace *as, vaddr_t va, struct uio *local, u8 *buf, size_t n, bool write)
{
	if (!write)
		return aspace_read(as, va, buf, n) < 0 ? -EFAULT : uio_out(local, buf, n);
	isize_t got = uio_in(local, buf, n);
	if (got <= 0)
		return got;
	return aspace_write(as, va, buf, (size_t)got) < 0 ? -EFAULT : got;
}

static i64 copy_all(struct aspace *as, struct uio *remote, struct uio *local, u8 *buf, bool write)
{
	i64 done = 0;

	while (local->resid && remote->resid) {
		struct uio_seg *s = remote->segs;

		if (!s->len) {
			remote->segs++;
			continue;
		}
		size_t n = MIN(MIN(s->len, local->resid), PAGE_SIZE - (s->base.va & PAGE_MASK));
		isize_t moved = copy_part(as, s->base.va, local, buf, n, write);

		if (moved <= 0)
			return done ? done : moved;
		s->base.va += (u64)moved;
		s->len -= (u64)moved;
		remote->resid -= (u64)moved;
		done += moved;
	}
	return done;
}

static i64 process_vm(pid_t nr, uaddr_t local_iov, u64 local_count, uaddr_t remote_iov, u64 remote_count,
                      u64 flags, bool write)
{
	struct uio_seg few_local[IOV_FEW], few_remote[IOV_FEW];
	struct uio local, remote;
	struct aspace *as;

	if (flags)
		return -EINVAL;
	i64 n = iov_get(&local, local_iov, local_count, few_local);
	if (n < 0)
		return n;
	struct uio_seg *local_segs = local.segs;
	n = iov_get(&remote, remote_iov, remote_count, few_remote);
	if (!n) {
		struct uio_seg *remote_segs = remote.segs;
		u8 *buf = kmalloc(PAGE_SIZE);

		n = buf ? space_of(nr, &as) : -ENOMEM;
		if (!n) {
			n = copy_all(as, &remote, &local, buf, write);
			aspace_put(as);
		}
		kfree(buf);
		iov_put(remote_segs, few_remote);
	}
	iov_put(local_segs, few_local);
	return n;
}

i64 sys_process_vm_readv(int pid, uaddr_t local, u64 local_count, uaddr_t remote, u64 remote_count, u64 flags)
{
	return process_vm(pid, local, local_count, remote, remote_count, flags, false);
}

i64 sys_process_vm_writev(int pid, uaddr_t local, u64 local_count, uaddr_t remote, u64 remote_count,
                          u64 flags)
{
	return process_vm(pid, local, local_count, remote, remote_count, flags, true);
}
