/* mmap and its kin. */
#include "hal/base/string.h"
#include "kernel/fs/fdtable.h"
#include "kernel/fs/vfs.h"
#include "kernel/proc/proc.h"
#include "kernel/sys/syscall.h"
#include "vm/aspace.h"
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

static bool over_limit(u64 more)
{
	u64 limit = proc_current()->limits[RLIMIT_AS].rlim_cur;

	return limit != RLIM64_INFINITY && space()->size + more > limit;
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
	if (len < length || len > USER_MAX || over_limit(len))
		return -ENOMEM;
	if (type != MAP_SHARED && type != MAP_PRIVATE && type != MAP_SHARED_VALIDATE)
		return -EINVAL;
	struct map_request req = {
	        .addr = addr,
	        .len = len,
	        .prot = prot_from(prot),
	        .max_prot = VM_READ | VM_WRITE | VM_EXEC,
	        .flags = (type != MAP_PRIVATE ? REGION_SHARED : 0) |
	                 ((flags & MAP_GROWSDOWN) && (flags & MAP_ANONYMOUS) && type == MAP_PRIVATE
	                          ? REGION_STACK
	                          : 0),
	        .fixed = flags & (MAP_FIXED | MAP_FIXED_NOREPLACE),
	        .noreplace = flags & MAP_FIXED_NOREPLACE,
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
	if (prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC))
		return -EINVAL;
	return aspace_protect(space(), addr, length, prot_from(prot));
}

i64 sys_brk(u64 addr)
{
	struct aspace *as = space();

	if (addr > as->brk && over_limit(addr - as->brk))
		return (i64)as->brk;
	return (i64)aspace_brk(as, addr);
}

i64 sys_mremap(u64 old_addr, u64 old_size, u64 new_size, int flags, u64 new_addr)
{
	u64 old_len = ALIGN_UP(old_size, PAGE_SIZE), new_len = ALIGN_UP(new_size, PAGE_SIZE);
	bool fixed = flags & MREMAP_FIXED;
	vaddr_t result;
	int err;

	if ((flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED)) || (old_addr & PAGE_MASK) || !new_size || !old_len ||
	    new_len > USER_MAX || old_len > USER_MAX || (fixed && !(flags & MREMAP_MAYMOVE)))
		return -EINVAL;
	if (fixed && ((new_addr & PAGE_MASK) || new_addr < USER_MIN || new_addr > USER_MAX - new_len ||
	              (new_addr < old_addr + old_len && old_addr < new_addr + new_len)))
		return -EINVAL;
	if (new_len > old_len && over_limit(new_len - old_len))
		return -ENOMEM;
	err = aspace_remap(space(), old_addr, old_len, new_len, flags & MREMAP_MAYMOVE, fixed ? new_addr : 0,
	                   &result);
	return err ? err : (i64)result;
}

/* A stretch of addresses of which [at, end) is still to be found mapped. */
struct stretch {
	u64 at, end;
};

static bool stretch_shrink(const struct region *r, void *arg)
{
	struct stretch *s = arg;

	if (r->start <= s->at && r->end > s->at)
		s->at = r->end;
	return s->at < s->end && r->start <= s->at;
}

i64 sys_msync(u64 addr, u64 length, int flags)
{
	struct stretch s = {addr, addr + ALIGN_UP(length, PAGE_SIZE)};

	if ((addr & PAGE_MASK) || (flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) ||
	    (flags & (MS_ASYNC | MS_SYNC)) == (MS_ASYNC | MS_SYNC))
		return -EINVAL;
	if (s.end < addr)
		return -ENOMEM;
	if (s.end > addr)
		aspace_for_each(space(), stretch_shrink, &s);
	return s.at < s.end ? -ENOMEM : 0; /* files are in memory: what is written is there */
}

i64 sys_mincore(u64 addr, u64 length, uaddr_t vec)
{
	u64 pages = DIV_UP(length, PAGE_SIZE);

	if (addr & PAGE_MASK)
		return -EINVAL;
	if (addr > USER_MAX || length > USER_MAX - addr)
		return -ENOMEM;
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

	if ((addr & PAGE_MASK) || len < length)
		return -EINVAL;
	if (addr > USER_MAX || len > USER_MAX - addr)
		return -ENOMEM;
	switch (advice) {
	case MADV_DONTNEED:
	case MADV_FREE:
		return len ? aspace_discard(space(), addr, len) : 0;
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
		return 0;
	default:
		return -EINVAL;
	}
}
