/* Memory objects: a radix tree of frames, 64 to a node, as high as the object needs. */
#include "vm/object.h"
#include "hal/base/assert.h"
#include "hal/base/dmap.h"
#include "hal/base/string.h"
#include "kernel/abi/errno.h"
#include "vm/frame.h"
#include "vm/kmem.h"
#include "vm/region.h"

#define NODE_BITS 6
#define NODE_SLOTS (1U << NODE_BITS)

/* At height 1 slots are frames, above they are nodes; 0 is a hole. */
struct radix_node {
	u64 slots[NODE_SLOTS];
	u32 used;
};

static struct kmem_cache *object_cache, *node_cache;

void object_init(void)
{
	object_cache = kmem_cache_create("vmobject", sizeof(struct vmobject), 16);
	node_cache = kmem_cache_create("radix_node", sizeof(struct radix_node), 16);
}

static u64 height_pages(u32 height)
{
	return height ? 1UL << (NODE_BITS * height) : 0;
}

static u32 slot_index(u64 index, u32 height)
{
	return index >> (NODE_BITS * (height - 1)) & (NODE_SLOTS - 1);
}

static struct radix_node *node_create(void)
{
	struct radix_node *n = kmem_cache_alloc(node_cache);

	if (n)
		memset(n, 0, sizeof(*n));
	return n;
}

/* slot_find => the slot of page INDEX, NULL when there is no node for it. Lock held. */
static u64 *slot_find(struct vmobject *o, u64 index)
{
	struct radix_node *n = o->root;

	if (index >= height_pages(o->height))
		return NULL;
	for (u32 h = o->height; n && h > 1; h--)
		n = (struct radix_node *)n->slots[slot_index(index, h)];
	return n ? &n->slots[slot_index(index, 1)] : NULL;
}

/* slot_create: as slot_find, adding nodes; *RET_NODE is the leaf, whose count the caller keeps. Lock held. A node
 * left without use by a failure goes at the next resize. */
static u64 *slot_create(struct vmobject *o, u64 index, struct radix_node **ret_node)
{
	while (index >= height_pages(o->height)) {
		struct radix_node *n = node_create();

		if (!n)
			return NULL;
		if (o->root) {
			n->slots[0] = (u64)o->root;
			n->used = 1;
		}
		o->root = n;
		o->height++;
	}
	struct radix_node *n = o->root;
	for (u32 h = o->height; h > 1; h--) {
		u64 *slot = &n->slots[slot_index(index, h)];

		if (!*slot) {
			*slot = (u64)node_create();
			if (!*slot)
				return NULL;
			n->used++;
		}
		n = (struct radix_node *)*slot;
	}
	*ret_node = n;
	return &n->slots[slot_index(index, 1)];
}

/* node_truncate: drop the pages from index FIRST on (relative to N). => true when N itself is gone */
static bool node_truncate(struct vmobject *o, struct radix_node *n, u32 height, u64 first)
{
	u64 per_slot = height_pages(height - 1) ? height_pages(height - 1) : 1;

	for (u32 i = (u32)(first / per_slot); i < NODE_SLOTS; i++) {
		u64 base = i * per_slot, inner = first > base ? first - base : 0;

		if (!n->slots[i] || (height == 1 && inner))
			continue;
		if (height == 1) {
			frame_put(n->slots[i]);
			o->pages--;
		} else if (!node_truncate(o, (struct radix_node *)n->slots[i], height - 1, inner)) {
			continue;
		}
		n->slots[i] = 0;
		n->used--;
	}
	if (n->used)
		return false;
	kmem_cache_free(node_cache, n);
	return true;
}

static void truncate_pages(struct vmobject *o, u64 first)
{
	if (!o->root || first >= height_pages(o->height))
		return;
	if (node_truncate(o, o->root, o->height, first)) {
		o->root = NULL;
		o->height = 0;
	}
}

int object_create(u64 size, struct vmobject **ret)
{
	struct vmobject *o = kmem_cache_alloc(object_cache);

	if (!o)
		return -ENOMEM;
	*o = (struct vmobject){.refs = 1, .size = size};
	spin_init(&o->lock, "object", RANK_OBJECT);
	list_init(&o->regions);
	*ret = o;
	return 0;
}

void object_get(struct vmobject *o)
{
	ref_get(&o->refs);
}

void object_put(struct vmobject *o)
{
	if (!ref_put(&o->refs))
		return;
	truncate_pages(o, 0);
	assert(o->pages == 0);
	kmem_cache_free(object_cache, o);
}

void object_add_region(struct vmobject *o, struct region *r)
{
	WITH_LOCK (&o->lock)
		list_push_back(&o->regions, &r->object_link);
}

void object_remove_region(struct vmobject *o, struct region *r)
{
	WITH_LOCK (&o->lock)
		list_remove(&r->object_link);
}

bool object_space(void)
{
	return frame_free_count() > frame_total() >> OBJECT_KEPT_SHIFT;
}

/* => lock held; 0 and a borrowed frame, -ENOENT, -ENOMEM, -ENOSPC */
static int page_get(struct vmobject *o, u64 index, bool create, paddr_t *ret_pa)
{
	struct radix_node *node;
	u64 *slot = slot_find(o, index);

	if (slot && *slot) {
		*ret_pa = *slot;
		return 0;
	}
	if (!create)
		return -ENOENT;
	if (o->keeps_free && !object_space())
		return -ENOSPC;
	paddr_t pa = frame_alloc_zeroed();
	slot = pa ? slot_create(o, index, &node) : NULL;
	if (!slot) {
		if (pa)
			frame_put(pa);
		return -ENOMEM;
	}
	*slot = pa;
	node->used++;
	o->pages++;
	*ret_pa = pa;
	return 0;
}

int object_page(struct vmobject *o, u64 index, bool create, paddr_t *ret_pa)
{
	int err = -ERANGE;

	WITH_LOCK (&o->lock) {
		if (index < DIV_UP(o->size, PAGE_SIZE))
			err = page_get(o, index, create, ret_pa);
		if (!err)
			frame_get(*ret_pa);
	}
	return err;
}

int object_insert(struct vmobject *o, u64 index, paddr_t pa)
{
	struct radix_node *node;
	int err = -ENOMEM;

	WITH_LOCK (&o->lock) {
		u64 *slot = slot_create(o, index, &node);

		if (!slot)
			break;
		err = 0;
		if (*slot) {
			frame_put(*slot);
		} else {
			node->used++;
			o->pages++;
		}
		*slot = pa;
	}
	return err;
}

void object_resize(struct vmobject *o, u64 size)
{
	bool shrinks = false;

	WITH_LOCK (&o->lock) {
		paddr_t pa;

		if (size < o->size) {
			truncate_pages(o, DIV_UP(size, PAGE_SIZE));
			if ((size & PAGE_MASK) && page_get(o, size >> PAGE_SHIFT, false, &pa) == 0)
				memset(phys_to_virt(pa) + (size & PAGE_MASK), 0,
				       PAGE_SIZE - (size & PAGE_MASK));
		}
		shrinks = size < o->size;
		o->size = size;
	}
	/* A fault that comes from here on finds the new size. */
	if (shrinks)
		regions_truncate(o, size);
}

isize_t object_read(struct vmobject *o, u64 off, void *buf, size_t n)
{
	size_t done = 0;

	while (done < n) {
		u64 at = off + done, in_page = at & PAGE_MASK;
		size_t part = MIN(n - done, PAGE_SIZE - in_page);

		WITH_LOCK (&o->lock) {
			paddr_t pa;

			part = at < o->size ? MIN(part, o->size - at) : 0;
			if (part && page_get(o, at >> PAGE_SHIFT, false, &pa) == 0)
				memcpy(buf + done, phys_to_virt(pa) + in_page, part);
			else
				memset(buf + done, 0, part);
		}
		if (!part)
			break;
		done += part;
	}
	return (isize_t)done;
}

isize_t object_write(struct vmobject *o, u64 off, const void *buf, size_t n)
{
	size_t done = 0;

	while (done < n) {
		u64 at = off + done, in_page = at & PAGE_MASK;
		size_t part = MIN(n - done, PAGE_SIZE - in_page);
		int err = 0;

		WITH_LOCK (&o->lock) {
			paddr_t pa;

			err = page_get(o, at >> PAGE_SHIFT, true, &pa);
			if (!err) {
				memcpy(phys_to_virt(pa) + in_page, buf + done, part);
				o->size = MAX(o->size, at + part);
			}
		}
		if (err)
			return done ? (isize_t)done : err;
		done += part;
	}
	return (isize_t)done;
}
