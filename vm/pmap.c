/* Page tables of x86-64: four levels of 512 entries (Intel SDM vol. 3, 4.5.4). */
#include "vm/pmap.h"
#include "hal/base/assert.h"
#include "hal/base/cmdline.h"
#include "hal/base/dmap.h"
#include "hal/base/log.h"
#include "hal/base/sabotage.h"
#include "hal/base/string.h"
#include "hal/cpu/cpu.h"
#include "hal/cpu/random.h"
#include "hal/cpu/spinlock.h"
#include "kernel/abi/errno.h"
#include "vm/frame.h"
#include "vm/internal.h"

/* The bits of an entry */
#define PTE_P BIT(0)
#define PTE_W BIT(1)
#define PTE_U BIT(2)
#define PTE_PWT BIT(3)
#define PTE_PCD BIT(4)
#define PTE_A BIT(5)
#define PTE_D BIT(6)
#define PTE_PS BIT(7) /* a large page, in levels 2 and 3 */
#define PTE_G BIT(8)
#define PTE_NOACCESS BIT(9) /* ours: holds a frame, but ring 3 may not touch it (PROT_NONE); P is clear */
#define PTE_NX BIT(63)
#define PTE_FRAME 0x000ffffffffff000UL

#define ENTRIES 512
#define KERNEL_SLOT 256 /* first entry of the kernel's half */
#define LEVEL_SHIFT(level) (PAGE_SHIFT + 9 * ((level)-1))
#define LEVEL_SIZE(level) (1UL << LEVEL_SHIFT(level))

/* The kernel's upper entries. The stub keeps the direct map below FRAMES_SLOT (boot contract). */
#define DMAP_SLOT_END 320
#define FRAMES_SLOT 320  /* and up to 31 further, at random */
#define DYNAMIC_SLOT 384 /* and up to 63 further, at random */
#define IMAGE_SLOT 511

u64 dmap_base;
vaddr_t pmap_frames_base, pmap_dynamic_start, pmap_dynamic_end;

static paddr_t kernel_root;                     /* [I] a table with no user half */
static u16 kernel_slots[ENTRIES - KERNEL_SLOT]; /* [I] those of its entries that are in use, which are few */
static u32 kernel_slot_count;                   /* [I] */
static u64 nx_bit, global_bit;                  /* [I] what the CPU has */
static struct spinlock kernel_lock = SPINLOCK_INIT("pmap kernel", RANK_KVA_TABLES);

static inline u64 *table_at(paddr_t pa)
{
	return phys_to_virt(pa);
}

/* table_of: the table that the entry E lies in. */
static inline paddr_t table_of(const u64 *e)
{
	return virt_to_phys((void *)ALIGN_DOWN((u64)e, PAGE_SIZE));
}

static inline u32 slot_of(vaddr_t va, u32 level)
{
	return va >> LEVEL_SHIFT(level) & (ENTRIES - 1);
}

static inline bool pte_valid(u64 e)
{
	return e & (PTE_P | PTE_NOACCESS);
}

static inline paddr_t pte_frame(u64 e)
{
	return e & PTE_FRAME;
}

static u64 pte_make(paddr_t pa, u32 prot)
{
	u64 e = pa | PTE_A | PTE_D;

	if (!(prot & (VM_READ | VM_WRITE | VM_EXEC)))
		return e | PTE_NOACCESS | PTE_U | nx_bit;
	e |= PTE_P;
	e |= prot & VM_WRITE ? PTE_W : 0;
	e |= prot & VM_USER || sabotage(kernel_user) ? PTE_U : global_bit;
	e |= prot & VM_EXEC || (prot & VM_USER && sabotage(exec_mapped)) ? 0 : nx_bit;
	e |= prot & VM_UNCACHED ? PTE_PCD | PTE_PWT : 0;
	e |= prot & VM_WRITECOMB ? PTE_PWT : 0; /* PAT entry 1, set by pat_init */
	return e;
}

static u64 user_bits[8]; /* [I] of an entry of ring 3, by VM_READ | VM_WRITE | VM_EXEC */

static u32 pte_prot(u64 e)
{
	if (!(e & PTE_P))
		return VM_USER;
	return VM_READ | (e & PTE_W ? VM_WRITE : 0) | (e & PTE_NX || !nx_bit ? 0 : VM_EXEC) |
	       (e & PTE_U ? VM_USER : 0) | (e & PTE_PCD ? VM_UNCACHED : 0);
}

/* --- flushing --- */

/* tlb_flush: drop translations of PM's [start, end). The one place that a shootdown will extend. */
static void tlb_flush(const struct pmap *pm, vaddr_t start, vaddr_t end)
{
	if ((read_cr3() & PTE_FRAME) != pm->root)
		return;
	if (end - start > 32 * PAGE_SIZE) {
		write_cr3(pm->root);
		return;
	}
	for (vaddr_t va = start; va < end; va += PAGE_SIZE)
		invlpg(va);
}

/* Frames unmapped, in order of address; their references are dropped only when no CPU can reach them any more. */
#define GATHER_MAX 32
struct gather {
	struct pmap *pm; /* NULL: they were unmapped from several */
	vaddr_t start, end;
	u32 count;
	paddr_t frames[GATHER_MAX];
};

static void gather_init(struct gather *g, struct pmap *pm)
{
	g->pm = pm;
	g->start = ~0UL;
	g->end = 0;
	g->count = 0; /* the frames themselves are not touched */
}

static void gather_flush(struct gather *g)
{
	if (g->start < g->end && g->pm)
		tlb_flush(g->pm, g->start, g->end);
	else if (g->start < g->end)
		write_cr3(read_cr3());
	for (u32 i = 0; i < g->count; i++)
		frame_put(g->frames[i]);
	gather_init(g, g->pm);
}

static void gather_add(struct gather *g, vaddr_t va, paddr_t pa)
{
	if (g->count == GATHER_MAX)
		gather_flush(g);
	if (!g->count)
		g->start = va;
	g->end = va + PAGE_SIZE;
	g->frames[g->count++] = pa;
}

/* --- user tables: each table's frame counts its entries in frame->owner_data (M4) --- */

/* upper_find => the level-2 entry of VA, or NULL when a table on the way is missing. */
static u64 *upper_find(paddr_t root, vaddr_t va)
{
	paddr_t table = root;

	for (u32 level = 4; level > 2; level--) {
		u64 e = table_at(table)[slot_of(va, level)];

		if (!(e & PTE_P))
			return NULL;
		table = pte_frame(e);
	}
	return &table_at(table)[slot_of(va, 2)];
}

/* --- sharing level-1 tables (M5) --- */

static struct spinlock share_lock = SPINLOCK_INIT("pmap share", RANK_TABLES);

/* Tables with fewer entries are copied at fork: that is cheaper than to share them and copy them at the first write. */
#define SHARE_MIN 64

/* share_leave: give up one share of TABLE. => false: it was the last, the table is the caller's alone */
static bool share_leave(paddr_t table)
{
	bool left = false;

	WITH_LOCK (&share_lock) {
		left = frame_refs(table) > 1;
		if (left)
			frame_put(table);
	}
	return left;
}

/* share_copy: NEW becomes a copy of TABLE, of which one share is given up. Each frame gets a reference for it, and is
 * written to through neither until a fault has looked at the references (F3). => share_lock held */
static void share_copy(paddr_t table, paddr_t new)
{
	u64 *from = table_at(table), *to = table_at(new);

	for (u32 i = 0; i < ENTRIES; i++) {
		u64 e = from[i];

		if (pte_valid(e)) {
			e &= ~PTE_W;
			write_once(from[i], e);
			frame_get(pte_frame(e));
		}
		to[i] = e;
	}
	frame_of(new)->owner_data = frame_of(table)->owner_data;
	frame_put(table);
}

/* table_unshare: the table behind the level-2 entry UPPER, which may be shared, becomes PM's alone. => 0 or -ENOMEM */
static int __noinline table_unshare(struct pmap *pm, u64 *upper, vaddr_t va)
{
	paddr_t table = pte_frame(*upper), new = 0;

	if (frame_refs(table) > 1) {
		new = frame_alloc();
		if (!new)
			return -ENOMEM;
	}
	WITH_LOCK (&share_lock) {
		if (frame_refs(table) > 1) {
			share_copy(table, new);
			*upper = new | (*upper & ~PTE_FRAME);
			new = 0;
		}
		*upper |= PTE_W;
	}
	tlb_flush(pm, va, va + 1); /* the upper entry that the CPU may keep */
	if (new)
		frame_put(new);
	return 0;
}

/* table_own: the same for one that in most cases is PM's already. */
static inline int table_own(struct pmap *pm, u64 *upper, vaddr_t va)
{
	return likely(*upper & PTE_W) ? 0 : table_unshare(pm, upper, va);
}

/* entry_fill: the entry E of TABLE leads to a lower table, a new one if need be. => false: out of memory */
static bool entry_fill(struct pmap *pm, paddr_t table, u64 *e)
{
	paddr_t new;

	if (*e & PTE_P)
		return true;
	new = frame_alloc_zeroed();
	if (!new)
		return false;
	*e = new | PTE_P | PTE_W | PTE_U | PTE_A;
	frame_of(table)->owner_data++;
	pm->tables++;
	return true;
}

/* upper_create: as upper_find, adding tables. => NULL: out of memory */
static u64 *upper_create(struct pmap *pm, vaddr_t va)
{
	paddr_t table = pm->root;

	for (u32 level = 4; level > 2; level--) {
		u64 *e = &table_at(table)[slot_of(va, level)];

		if (!entry_fill(pm, table, e))
			return NULL;
		table = pte_frame(*e);
	}
	return &table_at(table)[slot_of(va, 2)];
}

/* walk_create: the level-1 entry of VA, in a table that is PM's alone. => NULL: out of memory */
static u64 *walk_create(struct pmap *pm, vaddr_t va)
{
	u64 *upper = upper_create(pm, va);

	if (!upper || !entry_fill(pm, table_of(upper), upper) || table_own(pm, upper, va) < 0)
		return NULL;
	return &table_at(pte_frame(*upper))[slot_of(va, 1)];
}

/* tables_trim: give back the tables on the way to VA that have no entry left. */
static void tables_trim(struct pmap *pm, vaddr_t va)
{
	paddr_t path[5];

	path[4] = pm->root;
	u32 level = 4;
	for (; level > 1; level--) {
		u64 e = table_at(path[level])[slot_of(va, level)];

		if (!(e & PTE_P))
			break;
		path[level - 1] = pte_frame(e);
	}
	for (; level < 4 && frame_of(path[level])->owner_data == 0; level++) {
		table_at(path[level + 1])[slot_of(va, level + 1)] = 0;
		frame_of(path[level + 1])->owner_data--;
		pm->tables--;
		/* The CPU may keep the upper entry too; INVLPG drops those whatever the address (Intel SDM vol. 3,
		 * 4.10.4.1). Before the frame serves somebody else. */
		tlb_flush(pm, va, va + 1);
		frame_put_zeroed(path[level]);
	}
}

static inline void pte_set(u64 *pte, u64 e)
{
	paddr_t table = table_of(pte);

	if (!pte_valid(*pte) && pte_valid(e))
		frame_of(table)->owner_data++;
	else if (pte_valid(*pte) && !pte_valid(e))
		frame_of(table)->owner_data--;
	write_once(*pte, e);
}

/* leaf_upper: the level-2 entry that leads to VA's level-1 table, or NULL when there is none; *RET_END is the first
 * address behind what was looked at, so that a walk over a range skips what has no tables. */
static inline u64 *leaf_upper(paddr_t root, vaddr_t va, vaddr_t *ret_end)
{
	paddr_t table = root;

	for (u32 level = 4;; level--) {
		u64 *e = &table_at(table)[slot_of(va, level)];

		*ret_end = ALIGN_DOWN(va, LEVEL_SIZE(level)) + LEVEL_SIZE(level);
		if (!(*e & PTE_P))
			return NULL;
		if (level == 2)
			return e;
		table = pte_frame(*e);
	}
}

/* for_each_leaf: BODY sees `upper`, the entry that leads to a level-1 table, `table`, which is that, and [va, stop)
 * within it. */
#define for_each_leaf(root, start, end, upper, table, va, stop)               \
	for (vaddr_t va = (start), stop, next_; va < (end); va = next_)       \
		for (u64 *upper = leaf_upper((root), va, &next_),             \
		         *table = upper ? table_at(pte_frame(*upper)) : NULL; \
		     (stop = MIN(next_, (end)), upper); upper = table = NULL)

int pmap_own(struct pmap *pm, vaddr_t start, vaddr_t end)
{
	for (vaddr_t va = start, next; va < end; va = next) {
		u64 *upper = leaf_upper(pm->root, va, &next);

		if (upper && table_own(pm, upper, va) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int own_page(struct pmap *pm, vaddr_t va)
{
	u64 *upper = upper_find(pm->root, va);

	return upper && (*upper & PTE_P) ? table_own(pm, upper, va) : 0;
}

int pmap_own_edges(struct pmap *pm, vaddr_t start, vaddr_t end)
{
	bool first_whole = !(start & (LEVEL_SIZE(2) - 1)), last_whole = !(end & (LEVEL_SIZE(2) - 1));

	if (!first_whole && own_page(pm, start) < 0)
		return -ENOMEM;
	if (last_whole ||
	    (!first_whole && ALIGN_DOWN(start, LEVEL_SIZE(2)) == ALIGN_DOWN(end, LEVEL_SIZE(2))))
		return 0;
	return own_page(pm, end - 1);
}

int pmap_create(struct pmap *pm)
{
	paddr_t root = frame_alloc_zeroed();

	if (!root)
		return -ENOMEM;
	for (u32 i = sabotage(upper_half); i < kernel_slot_count; i++) /* M1 */
		table_at(root)[kernel_slots[i]] = table_at(kernel_root)[kernel_slots[i]];
	pm->root = root;
	pm->tables = 0;
	return 0;
}

void pmap_destroy(struct pmap *pm)
{
	assert(frame_of(pm->root)->owner_data == 0 && pm->tables == 0);
	assert((read_cr3() & PTE_FRAME) != pm->root);
	for (u32 i = 0; i < kernel_slot_count; i++)
		table_at(pm->root)[kernel_slots[i]] = 0;
	frame_put_zeroed(pm->root);
	pm->root = 0;
}

void pmap_activate(struct pmap *pm)
{
	if ((read_cr3() & PTE_FRAME) != pm->root)
		write_cr3(pm->root);
}

void pmap_activate_kernel(void)
{
	write_cr3(kernel_root);
}

/* drop_shared: the table at VA, behind UPPER, may be shared. If so, and all of it is to go, PM gives up its share, and the entries
 * stay for the others. => true: done */
static inline bool drop_shared(struct pmap *pm, u64 *upper, vaddr_t va, bool whole)
{
	if (likely(*upper & PTE_W))
		return false;
	if (share_leave(pte_frame(*upper))) {
		assert(whole); /* what is to go in part was made PM's own first */
		*upper = 0;
		frame_of(table_of(upper))->owner_data--;
		pm->tables--;
		tlb_flush(pm, ALIGN_DOWN(va, LEVEL_SIZE(2)), ALIGN_DOWN(va, LEVEL_SIZE(2)) + LEVEL_SIZE(2));
		return true;
	}
	*upper |= PTE_W;
	return false;
}

void pmap_find(struct pmap *pm, vaddr_t va, struct page_slot *ret)
{
	u64 *upper = upper_find(pm->root, va), *entry, e;

	ret->va = va;
	ret->upper = upper;
	ret->entry = NULL;
	ret->pa = 0;
	ret->prot = 0;
	if (unlikely(!upper || !(*upper & PTE_P)))
		return;
	entry = &table_at(pte_frame(*upper))[slot_of(va, 1)];
	e = *entry;
	if (likely(*upper & PTE_W))
		ret->entry = entry;
	else
		e &= ~PTE_W;
	if (pte_valid(e)) {
		ret->pa = pte_frame(e);
		ret->prot = pte_prot(e);
	}
}

int pmap_own_slot_shared(struct pmap *pm, struct page_slot *slot)
{
	if (!slot->upper || !(*slot->upper & PTE_P))
		return 0;
	if (table_own(pm, slot->upper, slot->va) < 0)
		return -ENOMEM;
	pmap_find(pm, slot->va, slot); /* what the shared table held could change until now */
	return 0;
}

/* enter_rarely: where there is no table of PM's own yet, or something is mapped already. */
static int __noinline enter_rarely(struct pmap *pm, const struct page_slot *slot, u64 e)
{
	u64 *pte = slot->entry;

	if (!pte && !(pte = walk_create(pm, slot->va))) {
		tables_trim(pm, slot->va);
		return -ENOMEM;
	}
	pte_set(pte, e);
	if (slot->pa) {
		tlb_flush(pm, slot->va, slot->va + PAGE_SIZE);
		frame_put(slot->pa);
	}
	return 0;
}

int pmap_enter(struct pmap *pm, const struct page_slot *slot, paddr_t pa, u32 prot)
{
	u64 e = pa | user_bits[prot & 7];

	if (unlikely(!slot->entry || slot->pa))
		return enter_rarely(pm, slot, e);
	write_once(*slot->entry, e);
	frame_of(table_of(slot->entry))->owner_data++;
	return 0;
}

void pmap_enter_again(struct pmap *pm, struct page_slot *slot, u32 prot)
{
	write_once(*slot->entry, slot->pa | user_bits[prot & 7]);
	tlb_flush(pm, slot->va, slot->va + PAGE_SIZE);
}

/* leaf_remove: take the entries of [va, stop) out of TABLE. => whether it is empty now */
static bool leaf_remove(struct gather *g, u64 *table, vaddr_t va, vaddr_t stop)
{
	u64 *left = &frame_of(virt_to_phys(table))->owner_data;

	for (u64 *pte = &table[slot_of(va, 1)]; va < stop && *left; va += PAGE_SIZE, pte++) {
		u64 e = *pte;

		if (!pte_valid(e))
			continue;
		write_once(*pte, 0);
		(*left)--;
		gather_add(g, va, pte_frame(e));
		if (sabotage(frame_leak) && (va >> PAGE_SHIFT) % 64 == 0)
			frame_get(pte_frame(e));
	}
	return *left == 0;
}

/* remove_range: as pmap_remove; without TRIM the tables that were not shared stay. */
static inline void remove_range(struct pmap *pm, vaddr_t start, vaddr_t end, bool trim)
{
	struct gather g;

	gather_init(&g, pm);
	for_each_leaf(pm->root, start, end, upper, table, va, stop)
	{
		if (drop_shared(pm, upper, va, stop - va == LEVEL_SIZE(2))) {
			tables_trim(pm, va);
		} else if (leaf_remove(&g, table, va, stop) && trim) {
			gather_flush(&g); /* before the table itself may be used again */
			tables_trim(pm, va);
		}
	}
	gather_flush(&g);
}

void pmap_remove(struct pmap *pm, vaddr_t start, vaddr_t end)
{
	remove_range(pm, start, end, true);
}

void pmap_remove_tables(struct pmap *pm, vaddr_t start, vaddr_t end)
{
	struct gather g;

	gather_init(&g, pm);
	for_each_leaf(pm->root, start, ALIGN_UP(end, LEVEL_SIZE(2)), upper, table, va, stop)
	{
		if (!drop_shared(pm, upper, va, true)) {
			leaf_remove(&g, table, va, stop);
			gather_flush(&g);
		}
		tables_trim(pm, va);
	}
}

/* shared_truncate: take the entries of [va, stop) out of TABLE if it is shared. The lock keeps off those who would take
 * references to the frames in it (share_copy, pmap_hold). => true: done, but for giving up the table if it is empty */
static bool shared_truncate(u64 *table, vaddr_t va, vaddr_t stop)
{
	paddr_t pa = virt_to_phys(table);
	struct gather g;
	bool shared = false;

	gather_init(&g, NULL);
	WITH_LOCK (&share_lock) {
		shared = frame_refs(pa) > 1;
		if (shared && !sabotage(shown_pages)) {
			leaf_remove(&g, table, va, stop);
			gather_flush(&g);
		}
	}
	return shared;
}

void pmap_truncate(struct pmap *pm, vaddr_t start, vaddr_t end)
{
	for_each_leaf(pm->root, start, end, upper, table, va, stop)
	{
		bool whole = stop - va == LEVEL_SIZE(2);

		if (!whole && shared_truncate(table, va, stop)) {
			if (frame_of(virt_to_phys(table))->owner_data == 0 &&
			    drop_shared(pm, upper, va, true))
				tables_trim(pm, va);
			continue;
		}
		remove_range(pm, va, stop, true);
	}
}

void pmap_protect(struct pmap *pm, vaddr_t start, vaddr_t end, u32 prot, bool shared)
{
	for_each_leaf(pm->root, start, end, upper, table, va, stop)
	{
		for (vaddr_t a = va; a < stop; a += PAGE_SIZE) {
			u64 *pte = &table[slot_of(a, 1)];
			u32 p = prot;

			if (!pte_valid(*pte))
				continue;
			if (!shared && frame_refs(pte_frame(*pte)) > 1)
				p = p & VM_WRITE ? (p & ~VM_WRITE) | VM_READ : p; /* F3 */
			write_once(*pte, pte_frame(*pte) | user_bits[p & 7]);
		}
	}
	tlb_flush(pm, start, end);
}

bool pmap_query(struct pmap *pm, vaddr_t va, paddr_t *ret_pa, u32 *ret_prot)
{
	struct page_slot slot;

	pmap_find(pm, va, &slot);
	if (!slot.pa)
		return false;
	*ret_pa = slot.pa;
	if (ret_prot)
		*ret_prot = slot.prot;
	return true;
}

bool pmap_hold(struct pmap *pm, struct page_slot *slot)
{
	WITH_LOCK (&share_lock) {
		pmap_find(pm, slot->va, slot);
		if (slot->pa)
			frame_get(slot->pa);
	}
	return slot->pa;
}

/* table_share: DST gets the whole of SRC's table at VA, until one of them changes something in it. => 0 or -ENOMEM */
static int table_share(struct pmap *dst, struct pmap *src, vaddr_t va)
{
	u64 *from = upper_find(src->root, va), *to = upper_create(dst, va);

	if (!to)
		return -ENOMEM;
	if (*to & PTE_P) { /* shared with an earlier region already */
		assert(pte_frame(*to) == pte_frame(*from));
		return 0;
	}
	frame_get(pte_frame(*from));
	if (!sabotage(cow_parent))
		*from &= ~PTE_W;
	*to = *from & ~PTE_W;
	frame_of(table_of(to))->owner_data++;
	dst->tables++;
	return 0;
}

int pmap_fork(struct pmap *dst, struct pmap *src, vaddr_t start, vaddr_t end, bool cow)
{
	int err = 0;

	for_each_leaf(src->root, start, end, upper, table, va, stop)
	{
		paddr_t pa = virt_to_phys(table);

		if (!err && (frame_of(pa)->owner_data >= SHARE_MIN || frame_refs(pa) > 1)) {
			err = table_share(dst, src, va);
			if (err)
				tables_trim(dst, va);
			continue;
		}
		u64 *to = err ? NULL : walk_create(dst, va);

		if (!to) {
			tables_trim(dst, va);
			err = -ENOMEM;
			continue;
		}
		to -= slot_of(va, 1);
		u64 added = 0;
		for (u32 i = slot_of(va, 1), n = (u32)((stop - va) >> PAGE_SHIFT); n > 0; i++, n--) {
			u64 e = table[i];

			if (!pte_valid(e))
				continue;
			if (cow && (e & PTE_W) && !sabotage(cow_parent)) {
				e &= ~PTE_W;
				write_once(table[i], e);
			}
			to[i] = e;
			if (!sabotage(frame_count))
				frame_get(pte_frame(e));
			added++;
		}
		frame_of(virt_to_phys(to))->owner_data += added;
		if (!added)
			tables_trim(dst, va);
	}
	if (cow)
		tlb_flush(src, start, end);
	return err;
}

u64 pmap_resident(struct pmap *pm, vaddr_t start, vaddr_t end)
{
	u64 n = 0;

	for_each_leaf(pm->root, start, end, upper, table, va, stop)
	{
		for (vaddr_t a = va; a < stop; a += PAGE_SIZE)
			n += pte_valid(table[slot_of(a, 1)]) && pte_frame(table[slot_of(a, 1)]) != frame_zero;
	}
	return n;
}

/* trim_range: tables_trim for all tables of [start, end). */
static void trim_range(struct pmap *pm, vaddr_t start, vaddr_t end)
{
	for (vaddr_t va = start, next; va < end; va = next)
		if (leaf_upper(pm->root, va, &next))
			tables_trim(pm, va);
}

/* leaf_find: the level-1 entry of VA, whose tables exist. */
static u64 *leaf_find(struct pmap *pm, vaddr_t va)
{
	return &table_at(pte_frame(*upper_find(pm->root, va)))[slot_of(va, 1)];
}

int pmap_move(struct pmap *pm, vaddr_t from, vaddr_t to, u64 len)
{
	/* First every table that is needed, then the moves, which cannot fail. */
	if (pmap_own(pm, from, from + len) < 0 || pmap_own_edges(pm, to, to + len) < 0)
		return -ENOMEM;
	for_each_leaf(pm->root, from, from + len, upper, table, va, stop)
	{
		for (vaddr_t a = va; a < stop; a += PAGE_SIZE) {
			if (!pte_valid(table[slot_of(a, 1)]) || walk_create(pm, a - from + to))
				continue;
			tables_trim(pm, a - from + to);
			trim_range(pm, to, to + len);
			return -ENOMEM;
		}
	}
	remove_range(pm, to, to + len, false);
	for_each_leaf(pm->root, from, from + len, upper, table, va, stop)
	{
		for (vaddr_t a = va; a < stop; a += PAGE_SIZE) {
			u64 *pte = &table[slot_of(a, 1)];

			if (!pte_valid(*pte))
				continue;
			pte_set(leaf_find(pm, a - from + to), *pte);
			pte_set(pte, 0);
		}
	}
	tlb_flush(pm, from, from + len);
	/* Only now: a table that the old place has left may be one that a later page moves into. */
	trim_range(pm, from, from + len);
	trim_range(pm, to, to + len);
	return 0;
}

/* --- the kernel's half --- */

static u64 kernel_tables; /* [kernel_lock] made by kernel_walk; they stay */

u64 pmap_kernel_tables(void)
{
	return read_once(kernel_tables);
}

/* kernel_walk: the entry of VA at LEVEL, adding tables. Boot only, or kernel_lock held. => NULL: out of memory */
static u64 *kernel_walk(vaddr_t va, u32 level, bool create)
{
	paddr_t table = kernel_root;

	for (u32 l = 4; l > level; l--) {
		u64 *e = &table_at(table)[slot_of(va, l)];

		if (!(*e & PTE_P)) {
			paddr_t new = create ? frame_alloc_zeroed() : 0;

			if (!new)
				return NULL;
			*e = new | PTE_P | PTE_W | PTE_A | (sabotage(kernel_user) ? PTE_U : 0);
			kernel_tables++;
		}
		assert(!(*e & PTE_PS));
		table = pte_frame(*e);
	}
	return &table_at(table)[slot_of(va, level)];
}

int pmap_kernel_enter(vaddr_t va, paddr_t pa, u32 prot)
{
	int err = -ENOMEM;

	spin_lock(&kernel_lock);
	u64 *pte = kernel_walk(va, 1, true);
	if (pte) {
		assert(!(*pte & PTE_P));
		*pte = pte_make(pa, prot);
		err = 0;
	}
	spin_unlock(&kernel_lock);
	return err;
}

int pmap_kernel_prepare(vaddr_t start, vaddr_t end)
{
	bool ok = true;

	spin_lock(&kernel_lock);
	for (vaddr_t va = start; ok && va < end; va = ALIGN_DOWN(va, LEVEL_SIZE(2)) + LEVEL_SIZE(2))
		ok = kernel_walk(va, 1, true);
	spin_unlock(&kernel_lock);
	return ok ? 0 : -ENOMEM;
}

/* Without the lock: upper entries never change once they are there, and nobody else changes VA's own. */
void pmap_kernel_enter_prepared(vaddr_t va, paddr_t pa, u32 prot)
{
	write_once(*kernel_walk(va, 1, false), pte_make(pa, prot));
}

paddr_t pmap_kernel_remove(vaddr_t va)
{
	paddr_t pa = 0;

	spin_lock(&kernel_lock);
	u64 *pte = kernel_walk(va, 1, false);
	if (pte && (*pte & PTE_P)) {
		pa = pte_frame(*pte);
		*pte = 0;
		invlpg(va);
	}
	spin_unlock(&kernel_lock);
	return pa;
}

bool pmap_kernel_query(vaddr_t va, paddr_t *ret_pa, u32 *ret_prot)
{
	bool found = false;

	spin_lock(&kernel_lock);
	u64 *pte = kernel_walk(va, 1, false);
	if (pte && (*pte & PTE_P)) {
		found = true;
		*ret_pa = pte_frame(*pte);
		if (ret_prot)
			*ret_prot = pte_prot(*pte);
	}
	spin_unlock(&kernel_lock);
	return found;
}

/* --- boot --- */

static void boot_map_page(vaddr_t va, paddr_t pa, u32 level, u32 prot)
{
	u64 *pte = kernel_walk(va, level, true);

	if (!pte)
		panic("out of memory for the kernel's page tables");
	*pte = pte_make(pa, prot) | (level > 1 ? PTE_PS : 0);
}

/* Map [pa, pa+size) at VA by the largest pages that fit. */
static void boot_map(vaddr_t va, paddr_t pa, u64 size, u32 prot, u32 max_level)
{
	while (size) {
		u32 level = max_level;

		while (level > 1 && ((va | pa) & (LEVEL_SIZE(level) - 1) || size < LEVEL_SIZE(level)))
			level--;
		boot_map_page(va, pa, level, prot);
		va += LEVEL_SIZE(level);
		pa += LEVEL_SIZE(level);
		size -= LEVEL_SIZE(level);
	}
}

static void map_ram(const struct bootinfo *bi)
{
	const struct boot_mem *map = phys_to_virt(bi->mem);
	u32 max_level = cpu_features.page_1g ? 3 : 2;
	paddr_t start = 0, end = 0;

	/* Neighbouring entries of the map together, so that large pages fit. */
	for (u64 i = 0; i <= bi->mem_count; i++) {
		bool last = i == bi->mem_count;

		if (!last && (map[i].type == BOOT_MEM_RESERVED || map[i].type == BOOT_MEM_MMIO))
			continue;
		if (last || map[i].base != end) {
			boot_map(dmap_base + start, start, end - start,
			         VM_READ | VM_WRITE | (sabotage(dmap_exec) ? VM_EXEC : 0), max_level);
			start = last ? 0 : map[i].base;
		}
		end = last ? 0 : map[i].base + map[i].pages * PAGE_SIZE;
	}
}

static void map_image(const struct bootinfo *bi)
{
	extern char image_start[], text_start[], text_end[], rodata_start[], rodata_end[], data_start[],
	        image_end[], boot_stack_guard[];
	const struct {
		char *start, *end;
		u32 prot;
	} parts[] = {
	        {text_start, text_end, VM_READ | VM_EXEC | (sabotage(text_writable) ? VM_WRITE : 0)},
	        {rodata_start, rodata_end, VM_READ},
	        {data_start, boot_stack_guard, VM_READ | VM_WRITE},
	        {boot_stack_guard + PAGE_SIZE, image_end, VM_READ | VM_WRITE},
	};

	for (u32 i = 0; i < ARRAY_SIZE(parts); i++)
		boot_map((u64)parts[i].start, bi->image_phys + (u64)(parts[i].start - image_start),
		         ALIGN_UP((u64)(parts[i].end - parts[i].start), PAGE_SIZE), parts[i].prot, 1);
}

/* PAT entry 1 (PWT alone) becomes write-combining (Intel SDM vol. 3, 11.12). */
static void pat_init(void)
{
	const u32 MSR_PAT = 0x277;

	wrmsr(MSR_PAT, (rdmsr(MSR_PAT) & ~0xff00UL) | 0x0100);
}

void pmap_init(const struct bootinfo *bi)
{
	bool fixed = cmdline_has(phys_to_virt(bi->cmdline), "nokaslr") || sabotage(kernel_place) ||
	             sabotage(kernel_user);
	u64 random = fixed ? 0 : random_u64();
	vaddr_t top = ~0UL << 47;

	nx_bit = cpu_features.nx ? PTE_NX : 0;
	global_bit = cpu_features.pge ? PTE_G : 0;
	for (u32 prot = 0; prot < ARRAY_SIZE(user_bits); prot++)
		user_bits[prot] = pte_make(0, prot | VM_USER);
	pat_init();
	kernel_root = frame_alloc_zeroed();
	if (!kernel_root)
		panic("out of memory for the kernel's page tables");
	pmap_frames_base = top + (FRAMES_SLOT - KERNEL_SLOT + random % 32) * LEVEL_SIZE(4);
	pmap_dynamic_start = top + (DYNAMIC_SLOT - KERNEL_SLOT + (random >> 8) % 64) * LEVEL_SIZE(4) +
	                     (random >> 16) % 256 * LEVEL_SIZE(3);
	pmap_dynamic_end = ALIGN_UP(pmap_dynamic_start + 1, LEVEL_SIZE(4));
	map_ram(bi);
	map_image(bi);
	if (sabotage(address_log))
		klog(LOG_INFO, "the kernel is at 0x%lx", bi->image_virt);
	/* M1: the top-level entries of what will be mapped later, too. */
	if (!kernel_walk(pmap_frames_base, 3, true) || !kernel_walk(pmap_dynamic_start, 3, true))
		panic("out of memory for the kernel's page tables");
	if (sabotage(page_zero))
		*kernel_walk(0, 1, true) = pte_make(kernel_root, VM_READ);
	for (u16 i = KERNEL_SLOT; i < ENTRIES; i++)
		if (table_at(kernel_root)[i])
			kernel_slots[kernel_slot_count++] = i;
	write_cr3(kernel_root);
}

/* --- firmware's view, for runtime services --- */
static paddr_t identity_root, saved_root;

static int identity_map(paddr_t pa, u64 pages)
{
	for (u64 i = 0; i < pages; i++, pa += PAGE_SIZE) {
		paddr_t table = identity_root;

		for (u32 level = 4; level > 1; level--) {
			u64 *e = &table_at(table)[slot_of(pa, level)];

			if (!(*e & PTE_P)) {
				paddr_t new = frame_alloc_zeroed();

				if (!new)
					return -ENOMEM;
				*e = new | PTE_P | PTE_W | PTE_A;
			}
			table = pte_frame(*e);
		}
		table_at(table)[slot_of(pa, 1)] = pa | PTE_P | PTE_W | PTE_A | PTE_D;
	}
	return 0;
}

int pmap_identity_init(const struct boot_mem *map, u64 count)
{
	struct pmap pm;
	int err = pmap_create(&pm);

	identity_root = err ? 0 : pm.root;
	for (u64 i = 0; !err && i < count; i++)
		if (map[i].type == BOOT_MEM_RUNTIME || map[i].type == BOOT_MEM_MMIO)
			err = identity_map(map[i].base, map[i].pages);
	return err;
}

void pmap_identity_begin(void)
{
	saved_root = read_cr3();
	write_cr3(identity_root);
}

void pmap_identity_end(void)
{
	write_cr3(saved_root);
}

/* --- audit --- */
static void audit_table(paddr_t table, u32 level, vaddr_t base, pmap_audit_fn fn, void *arg)
{
	for (u32 i = 0; i < ENTRIES; i++) {
		u64 e = table_at(table)[i];
		vaddr_t va = base + i * LEVEL_SIZE(level);

		if (level == 4 && i >= KERNEL_SLOT)
			va |= ~0UL << 47;
		if (!(e & PTE_P))
			continue;
		if (level == 1 || (e & PTE_PS))
			fn(va, va + LEVEL_SIZE(level), pte_frame(e), pte_prot(e), arg);
		else
			audit_table(pte_frame(e), level - 1, va, fn, arg);
	}
}

void pmap_audit(struct pmap *pm, pmap_audit_fn fn, void *arg)
{
	audit_table(pm ? pm->root : kernel_root, 4, 0, fn, arg);
}
