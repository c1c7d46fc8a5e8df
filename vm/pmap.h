/* Page tables (Intel SDM vol. 3, 4.5). pmap.c is the only file that knows the bits of an entry.
 *
 * M1: entries 256..511 of every top-level table are the same, filled in at boot and never changed.
 * M2: nothing is writable and executable at once, unless PROT_WX was allowed for ring 3 at boot.
 * M3: a user mapping of a frame holds one reference to it; in a shared table (M5) all its users together hold one.
 * M4: a table that has become empty is given back (its count is in its frame's record).
 * M5: fork shares whole level-1 tables. A shared one (its frame has refs > 1) is read-only by every upper entry that
 *     leads to it, holds one reference to each frame for all its users together, and is changed by nobody: who wants to
 *     takes a copy first, in which each frame gets a reference of its own. All its users have the same mapping behind each
 *     entry that is there; so what a shrunk object loses goes from it for all of them at once (pmap_truncate).
 * Locks: the caller serialises changes of one pmap (aspace->lock); the kernel's half has its own. */
#pragma once

#include "hal/base/types.h"
#include "efi/bootinfo.h"

#define USER_MIN 0x10000UL
#define USER_MAX 0x7ffffffff000UL /* first address behind user space */

enum vm_prot {
	VM_READ = 1,
	VM_WRITE = 2,
	VM_EXEC = 4,
	VM_USER = 8, /* set by pmap for user mappings */
	VM_UNCACHED = 16,
	VM_WRITECOMB = 32,
};

struct pmap {
	paddr_t root; /* [I] top-level table */
	u64 tables;   /* [aspace lock] table frames below the root */
};

/* pmap_init: build the kernel's tables from the boot contract, load them, drop the stub's. */
void pmap_init(const struct bootinfo *bi);

int pmap_create(struct pmap *pm);    /* => 0 or -ENOMEM */
void pmap_destroy(struct pmap *pm);  /* all user mappings must be gone; not the active one */
void pmap_activate(struct pmap *pm); /* preemption off */
void pmap_activate_kernel(void);     /* a table without any user mapping */

/* struct page_slot: a page's place in the tables and what is there, as one walk finds it; good until the pmap is changed
 * otherwise than through it. */
struct page_slot {
	vaddr_t va;
	u64 *upper; /* pmap.c's: the entry that leads to the level-1 table; NULL: there is not even the table that it is in */
	u64 *entry; /* pmap.c's: the page's own, in a table that is PM's alone; else NULL */
	paddr_t pa; /* 0: nothing is mapped */
	u32 prot;   /* of pa; 0 with it */
};

void pmap_find(struct pmap *pm, vaddr_t va, struct page_slot *ret);

/* pmap_enter: map SLOT's page to PA, replacing what was there; takes over the caller's reference to PA
 * (on failure it stays the caller's). The slot is used up. => 0 or -ENOMEM */
int pmap_enter(struct pmap *pm, const struct page_slot *slot, paddr_t pa, u32 prot);

/* pmap_enter_again: what SLOT's page is mapped to gets other rights, after pmap_own_slot. */
void pmap_enter_again(struct pmap *pm, struct page_slot *slot, u32 prot);

/* pmap_own_slot: make SLOT's table, if it has one, PM's alone (M5), so that frame_refs tells how many map the page.
 * => 0 or -ENOMEM */
int pmap_own_slot_shared(struct pmap *pm, struct page_slot *slot);
static inline int pmap_own_slot(struct pmap *pm, struct page_slot *slot)
{
	return likely(slot->entry) ? 0 : pmap_own_slot_shared(pm, slot);
}

/* pmap_own: make the tables of [start, end) PM's alone. => 0, -ENOMEM
 * pmap_own_edges: the same for those that lie in the range only in part: what pmap_remove wants. */
int pmap_own(struct pmap *pm, vaddr_t start, vaddr_t end);
int pmap_own_edges(struct pmap *pm, vaddr_t start, vaddr_t end);

/* pmap_remove: unmap [start, end) and drop the frames' references after the flush. After pmap_own_edges. */
void pmap_remove(struct pmap *pm, vaddr_t start, vaddr_t end);

/* pmap_truncate: unmap [start, end), which was a part of an object that is no more. Cannot fail: from a shared table the
 * pages go for all its users. */
void pmap_truncate(struct pmap *pm, vaddr_t start, vaddr_t end);

/* pmap_remove_tables: as pmap_remove, with whatever is above in the same level-1 tables: for a space that goes, region
 * by region upwards. */
void pmap_remove_tables(struct pmap *pm, vaddr_t start, vaddr_t end);

/* pmap_protect: after pmap_own: limit or widen existing entries of [start, end) to PROT. Pages of which the frame is shared
 * (refs > 1) stay read-only if !SHARED: the fault handler makes them writable. */
void pmap_protect(struct pmap *pm, vaddr_t start, vaddr_t end, u32 prot, bool shared);

/* pmap_query => true, with the frame and protection of VA's page, when present. */
bool pmap_query(struct pmap *pm, vaddr_t va, paddr_t *ret_pa, u32 *ret_prot);

/* pmap_hold: SLOT lies in a shared table: look once more, and take a reference to the frame, so that it stays whoever
 * truncates its object. => false: nothing is mapped there any more */
bool pmap_hold(struct pmap *pm, struct page_slot *slot);

/* pmap_fork: share every present page of [start, end) with DST; when COW, write-protect both sides.
 * => 0 or -ENOMEM (DST then holds a part, to be removed by the caller) */
int pmap_fork(struct pmap *dst, struct pmap *src, vaddr_t start, vaddr_t end, bool cow);

/* pmap_resident: pages present in [start, end) that are more than the frame of zeroes. */
u64 pmap_resident(struct pmap *pm, vaddr_t start, vaddr_t end);

/* pmap_move: move entries [from, from+len) to [to, to+len), whose own are removed. => 0 or -ENOMEM, nothing moved */
int pmap_move(struct pmap *pm, vaddr_t from, vaddr_t to, u64 len);

/* The kernel's half, below the dynamic area only: no reference counts. */
int pmap_kernel_enter(vaddr_t va, paddr_t pa, u32 prot);
/* pmap_kernel_prepare: make the tables for [start, end); they stay. => 0 or -ENOMEM
 * pmap_kernel_enter_prepared: pmap_kernel_enter of a page there, which takes no lock and cannot fail. */
int pmap_kernel_prepare(vaddr_t start, vaddr_t end);
void pmap_kernel_enter_prepared(vaddr_t va, paddr_t pa, u32 prot);
paddr_t pmap_kernel_remove(vaddr_t va); /* => what was mapped, or 0 */
bool pmap_kernel_query(vaddr_t va, paddr_t *ret_pa, u32 *ret_prot);
u64 pmap_kernel_tables(
        void); /* frames of tables that were added, for accounting; they are never given back */

/* The dynamic area's bounds, at a new place each boot. */
extern vaddr_t pmap_dynamic_start, pmap_dynamic_end;

/* pmap_identity_begin/end: firmware's own view: runtime services' memory at its physical addresses,
 * under the kernel's half. Interrupts off between the two. */
int pmap_identity_init(const struct boot_mem *map, u64 count);
void pmap_identity_begin(void);
void pmap_identity_end(void);

/* pmap_audit: walk a live table, both halves (mission B3). FN sees each page, of whatever size. PM NULL: the
 * kernel's own table. */
typedef void (*pmap_audit_fn)(vaddr_t start, vaddr_t end, paddr_t pa, u32 prot, void *arg);
void pmap_audit(struct pmap *pm, pmap_audit_fn fn, void *arg);
