/* mmap and its kin. */
#include "hal/base/string.h"
#include "hal/base/atomic.h"
#include "kernel/abi/capability.h"
#include "kernel/fs/fdtable.h"
#include "kernel/fs/vfs.h"
#include "kernel/proc/proc.h"
#include "kernel/sys/memory.h"
#include "kernel/sys/syscall.h"
#include "vm/uaccess.h"

static u32 prot_from(int prot)
{
	return (prot & PROT_READ ? VM_READ : 0) | (prot & PROT_WRITE ? VM_WRITE : 0) |
	       (prot & PROT_EXEC ? VM_EXEC : 0);
}

static struct aspace *space(void)
{
	return thread_current()->aspace;
}

u64 memory_limit(enum aspace_limit which)
{
	static const u32 resource[] = {
	        [ASPACE_LIMIT_SIZE] = RLIMIT_AS,
	        [ASPACE_LIMIT_STACK] = RLIMIT_STACK,
	        [ASPACE_LIMIT_LOCKED] = RLIMIT_MEMLOCK,
	};

	if (!thread_current()->tid || /* a thread of the kernel */
	    (which == ASPACE_LIMIT_LOCKED && capable(CAP_IPC_LOCK)))
		return RLIM64_INFINITY;
	return read_once(proc_current()->limits[resource[which]].rlim_cur);
}

/* lock_permitted: anything at all may be locked. */
static bool lock_permitted(void)
{
	return memory_limit(ASPACE_LIMIT_LOCKED) != 0;
}

/* The file's side of a mapping: what may ever be granted, and the object. */
static int map_file(struct file *f, int flags, struct map_request *req)
{
	bool shared = req->flags & REGION_SHARED;
	int err = req->offset > INT64_MAX - req->len ? -EOVERFLOW : 0;

	if (!err)
		err = file_object(f, req->prot, shared, &req->object);
	if (err)
		return err;
	if (shared && (!f->writable || (f->inode->seals & SEALS_WRITE)))
		req->max_prot &= ~VM_WRITE;
	req->file = f;
	return 0;
}

static int map_anonymous(struct map_request *req, struct vmobject **ret_made)
{
	int err = 0;

	if (req->flags & REGION_SHARED)
		err = object_create(req->len, ret_made);
	req->object = *ret_made;
	return err;
}

i64 sys_mmap(u64 addr, u64 length, int prot, int flags, fd fd, u64 offset)
{
	u64 len = ALIGN_UP(length, PAGE_SIZE);
	int type = flags & MAP_TYPE;
	struct vmobject *made = NULL;
	struct fdref ref = {0};
	vaddr_t result = 0;
	int err = 0;

	if (length == 0 || (offset & PAGE_MASK))
		return -EINVAL;
	if (len < length || len > USER_MAX)
		return -ENOMEM;
	if ((flags & MAP_LOCKED) && !lock_permitted())
		return -EPERM;
	if (type != MAP_SHARED && type != MAP_PRIVATE && type != MAP_SHARED_VALIDATE)
		return -EINVAL;
	struct map_request req = {
	        .addr = addr,
	        .len = len,
	        .prot = prot_from(prot),
	        .max_prot = VM_READ | VM_WRITE | VM_EXEC,
	        .flags = (type != MAP_PRIVATE ? REGION_SHARED : 0) |
	                 (flags & MAP_LOCKED ? REGION_LOCKED : 0) |
	                 ((flags & MAP_GROWSDOWN) && (flags & MAP_ANONYMOUS) && type == MAP_PRIVATE
	                          ? REGION_STACK
	                          : 0),
	        .fixed = flags & (MAP_FIXED | MAP_FIXED_NOREPLACE),
	        .noreplace = flags & MAP_FIXED_NOREPLACE,
	        .populate = (flags & (MAP_POPULATE | MAP_NONBLOCK)) == MAP_POPULATE,
	        .offset = offset,
	};
	if (flags & MAP_ANONYMOUS) {
		req.offset = 0;
		err = map_anonymous(&req, &made);
	} else {
		ref = fd_borrow(fd);
		err = ref.file ? map_file(ref.file, flags, &req) : -EBADF;
		if (!err && !req.object) { /* /dev/zero */
			req.file = NULL;
			req.offset = 0;
			err = map_anonymous(&req, &made);
		}
	}
	if (!err)
		err = aspace_map(space(), &req, &result);
	if (made)
		object_put(made);
	if (ref.file)
		fd_return(ref);
	return err ? err : (i64)result;
}

i64 sys_munmap(u64 addr, u64 length)
{
	return aspace_unmap(space(), addr, length);
}

i64 sys_mprotect(u64 addr, u64 length, int prot)
{
	if (prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM))
		return -EINVAL;
	return aspace_protect(space(), addr, length, prot_from(prot));
}

i64 sys_brk(u64 addr)
{
	return (i64)aspace_brk(space(), addr);
}

i64 sys_mremap(u64 old_addr, u64 old_size, u64 new_size, int flags, u64 new_addr)
{
	struct remap_request req = {
	        .addr = old_addr,
	        .old_len = ALIGN_UP(old_size, PAGE_SIZE),
	        .new_len = ALIGN_UP(new_size, PAGE_SIZE),
	        .may_move = flags & MREMAP_MAYMOVE,
	        .fixed = flags & MREMAP_FIXED,
	        .keep = flags & MREMAP_DONTUNMAP,
	        .to = new_addr,
	};
	vaddr_t result;
	int err;

	if ((flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP)) || (old_addr & PAGE_MASK) ||
	    !req.new_len || ((req.fixed || req.keep) && !req.may_move) ||
	    (req.keep && req.old_len != req.new_len))
		return -EINVAL;
	err = aspace_remap(space(), &req, &result);
	return err ? err : (i64)result;
}

/* --- mlock --- */

/* range_round: all pages that [addr, addr+length) touches. => whether it is a range */
static bool range_round(u64 *addr, u64 *length)
{
	u64 len = *length + (*addr & PAGE_MASK);

	*addr = ALIGN_DOWN(*addr, PAGE_SIZE);
	*length = ALIGN_UP(len, PAGE_SIZE);
	return *addr + *length >= *addr;
}

static i64 lock_range(u64 addr, u64 length, u32 flags)
{
	if (flags && !lock_permitted())
		return -EPERM;
	if (!range_round(&addr, &length))
		return -EINVAL;
	return length ? aspace_lock(space(), addr, length, flags) : 0;
}

i64 sys_mlock(u64 addr, u64 length)
{
	return lock_range(addr, length, REGION_LOCKED);
}

i64 sys_mlock2(u64 addr, u64 length, int flags)
{
	if (flags & ~MLOCK_ONFAULT)
		return -EINVAL;
	return lock_range(addr, length, REGION_LOCKED | (flags & MLOCK_ONFAULT ? REGION_ONFAULT : 0));
}

i64 sys_munlock(u64 addr, u64 length)
{
	return lock_range(addr, length, 0);
}

i64 sys_mlockall(int flags)
{
	u32 how = REGION_LOCKED | (flags & MCL_ONFAULT ? REGION_ONFAULT : 0);

	if (!flags || (flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) || flags == MCL_ONFAULT)
		return -EINVAL;
	if (!lock_permitted())
		return -EPERM;
	return aspace_lock_all(space(), flags & MCL_CURRENT, how, flags & MCL_FUTURE ? how : 0);
}

i64 sys_munlockall(void)
{
	return aspace_lock_all(space(), true, 0, 0);
}

/* --- hints, and what is in memory --- */

/* Files are in memory: what is written is there. */
i64 sys_msync(u64 addr, u64 length, int flags)
{
	u64 len = ALIGN_UP(length, PAGE_SIZE);

	if ((addr & PAGE_MASK) || (flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) ||
	    (flags & (MS_ASYNC | MS_SYNC)) == (MS_ASYNC | MS_SYNC))
		return -EINVAL;
	if (addr + len < addr)
		return -ENOMEM;
	return len ? aspace_mapped(space(), addr, len, flags & MS_INVALIDATE ? REGION_LOCKED : 0) : 0;
}

i64 sys_mincore(u64 addr, u64 length, uaddr_t vec)
{
	u64 pages = DIV_UP(length, PAGE_SIZE);

	if (addr & PAGE_MASK)
		return -EINVAL;
	if (addr > USER_MAX || length > USER_MAX - addr)
		return -ENOMEM;
	if (!user_range_ok(vec, pages))
		return -EFAULT;
	for (u64 i = 0; i < pages; i++) {
		u8 present;
		int err = aspace_page_state(space(), addr + i * PAGE_SIZE, &present);

		if (!err)
			err = copyout(UADDR(vec.va + i), &present, 1);
		if (err)
			return err;
	}
	return 0;
}

i64 sys_madvise(u64 addr, u64 length, int advice)
{
	u64 len = ALIGN_UP(length, PAGE_SIZE);

	switch (advice) {
	case MADV_DONTNEED:
	case MADV_FREE:
	case MADV_NORMAL:
	case MADV_RANDOM:
	case MADV_SEQUENTIAL:
	case MADV_WILLNEED:
	case MADV_HUGEPAGE:
	case MADV_NOHUGEPAGE:
	case MADV_DONTDUMP:
	case MADV_DODUMP:
	case MADV_MERGEABLE:
	case MADV_UNMERGEABLE:
	case MADV_COLD:
	case MADV_PAGEOUT:
		break;
	default:
		return -EINVAL;
	}
	if ((addr & PAGE_MASK) || len < length || addr + len < addr)
		return -EINVAL;
	if (len == 0)
		return 0;
	if (addr > USER_MAX || len > USER_MAX - addr)
		return -ENOMEM;
	if (advice == MADV_DONTNEED || advice == MADV_FREE)
		return aspace_discard(space(), addr, len, advice == MADV_FREE);
	return aspace_mapped(space(), addr, len, 0);
}
