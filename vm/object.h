/* A memory object: pages that can be mapped, read and written, of a file in memory or of shared anonymous
 * memory. Pages that were never written are holes and read as zeroes. */
#pragma once

#include "hal/base/types.h"
#include "hal/base/list.h"
#include "hal/cpu/spinlock.h"

struct radix_node;
struct region;

struct vmobject {
	u32 refs;                /* [atomic] */
	struct spinlock lock;    /* RANK_OBJECT */
	u64 size;                /* [lock] bytes */
	u64 pages;               /* [lock] frames held */
	struct radix_node *root; /* [lock] page index -> frame; see object.c */
	u32 height;              /* [lock] */
	struct list regions;     /* [lock] struct region that map it, in any address space */
	bool keeps_free;         /* [I] see OBJECT_KEPT_SHIFT */
};

/* One sixteenth of memory is not for files, which stay when their maker has ended: no hole of an object with
 * keeps_free is filled while less is free. */
#define OBJECT_KEPT_SHIFT 4
bool object_space(void);

void object_init(void);
int object_create(u64 size, struct vmobject **ret);
void object_get(struct vmobject *o);
void object_put(struct vmobject *o); /* the last frees the pages */

/* object_add_region, object_remove_region: R maps the object from now on, and no more. */
void object_add_region(struct vmobject *o, struct region *r);
void object_remove_region(struct vmobject *o, struct region *r);

/* object_page: the frame of page INDEX. CREATE fills a hole with a zeroed frame.
 * => 0 with one reference more on *ret_pa; -ENOENT (hole, !CREATE); -ENOMEM; -ENOSPC (keeps_free); -ERANGE (behind size) */
int object_page(struct vmobject *o, u64 index, bool create, paddr_t *ret_pa);

/* object_insert: page INDEX is the frame PA from now on; takes over the reference. For loaders. */
int object_insert(struct vmobject *o, u64 index, paddr_t pa);

/* object_resize: pages behind the new end are dropped, from all who map them too; the tail of the last page is
 * zeroed. No lock held. */
void object_resize(struct vmobject *o, u64 size);

/* object_read, object_write: kernel buffers. READ stops at size; WRITE extends size.
 * => bytes, or -ENOMEM when not even one could be written */
isize_t object_read(struct vmobject *o, u64 off, void *buf, size_t n);
isize_t object_write(struct vmobject *o, u64 off, const void *buf, size_t n);
