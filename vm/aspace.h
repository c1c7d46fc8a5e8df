/* An address space: what ring 3 may touch, as regions in a tree, and the tables that follow from them.
 *
 * A1: regions do not overlap, are page-aligned, and lie within [USER_MIN, USER_MAX).
 * A2: a page that is mapped lies in a region, with no more rights than the region's.
 * A3: neighbours that could be one region are one.
 * vm never sleeps: the lock is a spinlock, and what needs memory that is not there says -ENOMEM. */
#pragma once

#include "hal/base/types.h"
#include "hal/base/list.h"
#include "hal/base/tree.h"
#include "hal/cpu/spinlock.h"
#include "vm/object.h"
#include "vm/pmap.h"

struct file; /* opaque: what a mapped file's region keeps for /proc (see aspace_file_ops) */

#define REGIONS_MAX 65530 /* of one space, as Linux's vm.max_map_count */

enum region_flags {
	REGION_SHARED = 1, /* writes go to the object */
	REGION_STACK = 2,  /* grows downwards on touch */
	REGION_HEAP = 4,   /* brk */
	REGION_NORESERVE = 8,
	REGION_VDSO = 16, /* the vDSO's code */
	REGION_VVAR = 32, /* its data */
	REGION_SPECIAL = REGION_VDSO | REGION_VVAR,
	REGION_LOCKED = 64,   /* mlock: what may be touched is in memory already */
	REGION_ONFAULT = 128, /* with it: but only once it was touched */
	REGION_LOCK_FLAGS = REGION_LOCKED | REGION_ONFAULT,
};

struct region {
	struct tree_node node;    /* [a] by start */
	u64 gap;                  /* [a] bytes free before it */
	u64 tree_gap;             /* [a] the largest gap of the tree below node, it included */
	vaddr_t start, end;       /* [a] */
	u32 prot;                 /* [a] VM_READ | VM_WRITE | VM_EXEC */
	u32 max_prot;             /* [I] what mprotect may grant (a read-only shared file: no VM_WRITE) */
	u32 flags;                /* [a] REGION_*; mlock changes two of them */
	struct vmobject *object;  /* [I] NULL: anonymous private */
	u64 offset;               /* [a] bytes into the object that start maps to */
	struct file *file;        /* [I] a counted reference, or NULL */
	struct region *next_dead; /* [its taker] after removal: see regions_free */
	struct aspace *aspace;    /* [I] whose region it is */
	struct list object_link;  /* [object lock] object->regions */
	u64 stamp;                /* [object lock] of the last walk over object->regions */
};

struct aspace {
	u32 refs;               /* [atomic] */
	struct spinlock lock;   /* RANK_ASPACE; "a" above */
	struct tree regions;    /* [a] */
	struct region *recent;  /* [a] where the last fault was, or NULL */
	struct pmap pmap;       /* [a] */
	u64 size;               /* [a] bytes mapped, for RLIMIT_AS and /proc */
	u64 locked;             /* [a] of these, in regions with REGION_LOCKED */
	u32 lock_future;        /* [a] REGION_LOCK_FLAGS that every new region gets */
	u32 region_count;       /* [a] */
	u64 truncate_stamp;     /* [atomic] of the last walk by regions_truncate that saw it */
	vaddr_t brk_start, brk; /* [a] */
	vaddr_t mmap_base;      /* [I] mmap goes downwards from here */
	vaddr_t stack_top;      /* [I] */
	/* for /proc/PID/{cmdline,environ,stat} [I] after exec */
	vaddr_t arg_start, arg_end, env_start, env_end, aux_start, aux_end, code_start, code_end;
};

/* aspace_init: FILE_GET and FILE_PUT count references to region->file, which vm never looks into. LIMIT tells what the
 * running process may have at most, in bytes; it is called with a space's lock held. */
enum aspace_limit {
	ASPACE_LIMIT_SIZE,
	ASPACE_LIMIT_STACK,
	ASPACE_LIMIT_LOCKED,
};
void aspace_init(void (*file_get)(struct file *), void (*file_put)(struct file *),
                 u64 (*limit)(enum aspace_limit which));

int aspace_create(struct aspace **ret);
void aspace_get(struct aspace *as);
void aspace_put(struct aspace *as); /* the last unmaps all; may be called by the thread that ran on it */

struct map_request {
	vaddr_t addr; /* hint, or the address with fixed */
	u64 len;      /* bytes, page-aligned, not 0 */
	u32 prot, max_prot;
	u32 flags;               /* REGION_* */
	bool fixed;              /* replaces what is there */
	bool noreplace;          /* with fixed: -EEXIST when something is there */
	bool populate;           /* its pages are to be in memory at once, as far as there is room */
	struct vmobject *object; /* a reference is taken on success */
	u64 offset;
	struct file *file; /* a reference is taken on success */
};

/* aspace_map => 0 and the address; -ENOMEM, -EINVAL, -EEXIST, -EACCES (writable and executable at once), -EAGAIN (it
 * would be locked, and too much is) */
int aspace_map(struct aspace *as, const struct map_request *req, vaddr_t *ret_addr);
int aspace_unmap(struct aspace *as, vaddr_t addr, u64 len);
/* aspace_protect => 0; -EINVAL; -ENOMEM (a hole) or -EACCES: what lies before the place that is in the way is changed,
 * as on Linux */
int aspace_protect(struct aspace *as, vaddr_t addr, u64 len, u32 prot);
/* aspace_brk => the break after the call (the old one when it could not be moved) */
vaddr_t aspace_brk(struct aspace *as, vaddr_t want);

/* aspace_remap: mremap(2). Lengths are page-aligned, and only OLD_LEN may be 0: a copy of a shared mapping.
 * => 0 and the address; -EFAULT, -EINVAL, -ENOMEM, -EAGAIN, and nothing is changed */
struct remap_request {
	vaddr_t addr;
	u64 old_len, new_len;
	bool may_move;
	bool fixed; /* to TO, whatever is there */
	bool keep;  /* the old place stays mapped, and is empty: MREMAP_DONTUNMAP; to TO, if that is free */
	vaddr_t to;
};
int aspace_remap(struct aspace *as, const struct remap_request *req, vaddr_t *ret_addr);

/* aspace_lock: mlock(2) of [addr, addr+len) with FLAGS of REGION_LOCK_FLAGS; none: munlock. => 0; -ENOMEM (a hole, the
 * limit, or what cannot be touched); -EAGAIN (no memory); what lies before the place that is in the way is locked, as
 * on Linux
 * aspace_lock_all: mlockall(2): all that is there gets the flags NOW, unless !CURRENT; all that will be gets FUTURE. */
int aspace_lock(struct aspace *as, vaddr_t addr, u64 len, u32 flags);
int aspace_lock_all(struct aspace *as, bool current, u32 now, u32 future);

/* aspace_populate: bring the pages of [start, end) into memory, as by a write if they may be written privately, else by
 * a read. => 0; -EFAULT (behind the end of an object, or no right at all: the rest of the region is left out), -ENOMEM,
 * -EINTR */
int aspace_populate(struct aspace *as, vaddr_t start, vaddr_t end);

/* aspace_discard: MADV_DONTNEED, or with ANONYMOUS MADV_FREE: drop private pages; the next touch finds zeroes or the
 * file. => 0; -EINVAL (locked; ANONYMOUS, and it is an object's), -ENOMEM (a hole, or no memory) */
int aspace_discard(struct aspace *as, vaddr_t addr, u64 len, bool anonymous);

/* aspace_mapped => 0 when all of the range is; -ENOMEM; -EBUSY: a region in it has one of the flags AVOID */
int aspace_mapped(struct aspace *as, vaddr_t addr, u64 len, u32 avoid);

/* aspace_page_state: whether VA's page is in memory, as mincore(2) tells it. => 0, or -ENOMEM (not mapped at all) */
int aspace_page_state(struct aspace *as, vaddr_t va, u8 *ret_present);

/* aspace_fork: a copy with shared frames; private pages become copy-on-write on both sides. => 0 or -ENOMEM
 */
int aspace_fork(struct aspace *as, struct aspace **ret);

/* aspace_fault: a touch of ADDR that the tables did not allow. ACCESS is one of VM_READ, VM_WRITE, VM_EXEC.
 * => 0 when the access may be tried again; -EFAULT no region (SEGV_MAPERR); -EACCES region forbids
 * (SEGV_ACCERR); -ENXIO behind the end of the object (SIGBUS); -ENOMEM */
int aspace_fault(struct aspace *as, vaddr_t addr, u32 access);

/* aspace_write, aspace_read: reach into a space that need not be the current one (exec, ptrace, /proc).
 * => 0 or the errors of aspace_fault */
int aspace_write(struct aspace *as, vaddr_t va, const void *buf, size_t n);
int aspace_read(struct aspace *as, vaddr_t va, void *buf, size_t n);
/* aspace_poke: as aspace_write, where the program itself may not write, too (a debugger's breakpoints): private pages
 * become copies of their own. */
int aspace_poke(struct aspace *as, vaddr_t va, const void *buf, size_t n);

/* aspace_shared_frame => true and the frame of VA's page, when it is mapped and belongs to a shared mapping. */
bool aspace_shared_frame(struct aspace *as, vaddr_t va, paddr_t *ret_pa);

/* aspace_for_each: FN for each region in order of address, with the lock held. FN => false ends the walk. */
void aspace_for_each(struct aspace *as, bool (*fn)(const struct region *r, void *arg), void *arg);
u64 aspace_resident(struct aspace *as); /* pages */

/* What a region has of memory, bytes. Pss: each page divided by how many map it. Dirty is what no file has. */
struct region_usage {
	u64 rss, pss, pss_dirty, shared_clean, shared_dirty, private_clean, private_dirty, anonymous, locked;
};
/* aspace_region_usage: of R, with the lock held (from aspace_for_each). */
void aspace_region_usage(struct aspace *as, const struct region *r, struct region_usage *ret);

u64 aspace_footprint(struct aspace *as); /* pages: these, and what the kernel keeps for them */
u64 aspace_regions(void);                /* regions of all address spaces, for accounting */

/* Boot switches: norandmaps, wx=allow. */
extern bool aspace_randomize, aspace_allow_wx;
/* aspace_random: a page-aligned offset of BITS random bits; 0 with norandmaps. */
u64 aspace_random(u32 bits);
