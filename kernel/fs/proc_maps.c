/* /proc/PID/maps, smaps and smaps_rollup (proc(5)). */
#include "kernel/fs/file.h"
#include "kernel/fs/inode.h"
#include "kernel/fs/procfs.h"
#include "vm/aspace.h"
#include "vm/kmem.h"

/* A region, taken down under the address space's lock, where paths cannot be made. */
struct map_line {
	vaddr_t start, end;
	u64 offset;
	u32 prot, flags;
	struct file *file; /* counted, or NULL */
	struct region_usage usage;
};

struct map_lines {
	struct map_line *lines;
	u32 count, size;
	struct aspace *as;
	bool usage; /* it is wanted */
};

static bool maps_take(const struct region *r, void *arg)
{
	struct map_lines *m = arg;
	struct map_line *l = &m->lines[m->count];

	if (m->count == m->size)
		return false;
	m->count++;
	*l = (struct map_line){r->start, r->end, r->offset, r->prot, r->flags, r->file, {0}};
	if (m->usage)
		aspace_region_usage(m->as, r, &l->usage);
	if (r->file)
		file_get(r->file);
	return true;
}

static const char *map_name(const struct map_line *l, char *path)
{
	if (l->file)
		return file_path(l->file, path, FS_PATH_MAX) < 0 ? "" : path;
	if (l->flags & REGION_STACK)
		return "[stack]";
	if (l->flags & REGION_VDSO)
		return "[vdso]";
	if (l->flags & REGION_VVAR)
		return "[vvar]";
	return l->flags & REGION_HEAP ? "[heap]" : "";
}

static void map_show(struct seq *s, const struct map_line *l, char *path)
{
	u32 dev = l->file ? l->file->inode->mount->dev : 0;
	const char *name = map_name(l, path);
	size_t start = s->len;

	seq_printf(s, "%08lx-%08lx %c%c%c%c %08lx %02x:%02x %lu ", l->start, l->end,
	           l->prot & VM_READ ? 'r' : '-', l->prot & VM_WRITE ? 'w' : '-',
	           l->prot & VM_EXEC ? 'x' : '-', l->flags & REGION_SHARED ? 's' : 'p',
	           l->file ? l->offset : 0, dev >> 8, dev & 0xff, l->file ? l->file->inode->ino : 0);
	if (*name)
		seq_printf(s, "%*s%s", (int)(start + 73 > s->len ? start + 73 - s->len : 1), "", name);
	seq_printf(s, "\n");
}

/* --- smaps --- */

static void usage_show(struct seq *s, const struct region_usage *u)
{
	seq_printf(s, "Rss:            %8lu kB\nPss:            %8lu kB\nPss_Dirty:      %8lu kB\n",
	           u->rss / KIB, u->pss / KIB, u->pss_dirty / KIB);
	seq_printf(s, "Shared_Clean:   %8lu kB\nShared_Dirty:   %8lu kB\n", u->shared_clean / KIB,
	           u->shared_dirty / KIB);
	seq_printf(s, "Private_Clean:  %8lu kB\nPrivate_Dirty:  %8lu kB\n", u->private_clean / KIB,
	           u->private_dirty / KIB);
	seq_printf(s, "Referenced:     %8lu kB\nAnonymous:      %8lu kB\nLazyFree:       %8u kB\n",
	           u->rss / KIB, u->anonymous / KIB, 0);
	seq_printf(s, "AnonHugePages:  %8u kB\nShmemPmdMapped: %8u kB\nFilePmdMapped:  %8u kB\n", 0, 0, 0);
	seq_printf(s, "Shared_Hugetlb: %8u kB\nPrivate_Hugetlb: %7u kB\nSwap:           %8u kB\n", 0, 0, 0);
	seq_printf(s, "SwapPss:        %8u kB\nLocked:         %8lu kB\n", 0, u->locked / KIB);
}

static void smap_show(struct seq *s, const struct map_line *l, char *path)
{
	u64 size = l->end - l->start;

	map_show(s, l, path);
	seq_printf(s, "Size:           %8lu kB\nKernelPageSize: %8u kB\nMMUPageSize:    %8u kB\n", size / KIB,
	           4, 4);
	usage_show(s, &l->usage);
	seq_printf(s, "THPeligible:    0\nVmFlags:%s%s%s%s mr mw me%s%s \n", l->prot & VM_READ ? " rd" : "",
	           l->prot & VM_WRITE ? " wr" : "", l->prot & VM_EXEC ? " ex" : "",
	           l->flags & REGION_SHARED ? " sh" : "", l->flags & REGION_STACK ? " gd" : "",
	           l->usage.locked ? " lo" : "");
}

static void rollup_show(struct seq *s, const struct map_lines *m)
{
	struct region_usage all = {0};

	for (u32 i = 0; i < m->count; i++) {
		const struct region_usage *u = &m->lines[i].usage;

		all.rss += u->rss;
		all.pss += u->pss;
		all.pss_dirty += u->pss_dirty;
		all.shared_clean += u->shared_clean;
		all.shared_dirty += u->shared_dirty;
		all.private_clean += u->private_clean;
		all.private_dirty += u->private_dirty;
		all.anonymous += u->anonymous;
		all.locked += u->locked;
	}
	seq_printf(s, "%08lx-%08lx ---p %08x 00:00 0 %35s[rollup]\n", m->count ? m->lines[0].start : 0,
	           m->count ? m->lines[m->count - 1].end : 0, 0, "");
	usage_show(s, &all);
}

/* --- the files --- */

enum maps_file {
	MAPS,
	SMAPS,
	ROLLUP
};

static int show_aspace(struct seq *s, struct aspace *as, enum maps_file which)
{
	struct map_lines m = {.size = read_once(as->region_count) + 16, .as = as, .usage = which != MAPS};
	char *path = kmalloc(FS_PATH_MAX);

	m.lines = kmalloc(m.size * sizeof(*m.lines));
	if (!path || !m.lines) {
		kfree(path);
		kfree(m.lines);
		return -ENOMEM;
	}
	aspace_for_each(as, maps_take, &m);
	if (which == ROLLUP)
		rollup_show(s, &m);
	for (u32 i = 0; i < m.count; i++) {
		if (which == MAPS)
			map_show(s, &m.lines[i], path);
		else if (which == SMAPS)
			smap_show(s, &m.lines[i], path);
		file_put(m.lines[i].file);
	}
	kfree(path);
	kfree(m.lines);
	return 0;
}

static int show_node(struct seq *s, struct proc_node *n, enum maps_file which)
{
	struct aspace *as = NULL;
	int err = node_aspace(n, &as);

	if (err < 0 || !as)
		return err;
	err = show_aspace(s, as, which);
	aspace_put(as);
	return err;
}

int maps_show(struct seq *s, struct proc_node *n)
{
	return show_node(s, n, MAPS);
}

int smaps_show(struct seq *s, struct proc_node *n)
{
	return show_node(s, n, SMAPS);
}

int smaps_rollup_show(struct seq *s, struct proc_node *n)
{
	return show_node(s, n, ROLLUP);
}
