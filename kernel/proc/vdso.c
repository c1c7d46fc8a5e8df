#include "kernel/proc/vdso.h"
#include "hal/base/assert.h"
#include "hal/base/sabotage.h"
#include "hal/time/clock.h"
#include "kernel/abi/errno.h"
#include "vm/aspace.h"
#include "vm/frame.h"

#define TABLE_SPAN (2 * MIB) /* what one last-level page table maps */

extern const u8 vdso_image[], vdso_image_end[]; /* vdso_image.S */

static struct vmobject *vdso_object; /* [I] its first page is the clocks', then the image */

/* share_page: page INDEX of the object is the kernel's own page at VA. It is never freed: the kernel's reference stays. */
static int share_page(u64 index, const void *va)
{
	paddr_t pa;

	if (!pmap_kernel_query((vaddr_t)va, &pa, NULL))
		panic("vdso: a page of the image is not mapped");
	frame_get(pa);
	return object_insert(vdso_object, index, pa);
}

void vdso_init(void)
{
	u64 pages = (u64)(vdso_image_end - vdso_image) / PAGE_SIZE;
	int err = object_create((1 + pages) * PAGE_SIZE, &vdso_object);

	if (!err)
		err = share_page(0, &clock_page);
	for (u64 i = 0; i < pages && !err; i++)
		err = share_page(1 + i, vdso_image + i * PAGE_SIZE);
	if (err)
		panic("vdso: out of memory at boot");
}

/* place_above: the code's place behind the stack, with the data and a page between, and where the stack's own page
 * table reaches: a table for the vDSO alone would cost each fork more than the rest of it. Its random bits (V4) are the
 * stack's and these. */
static vaddr_t place_above(vaddr_t stack_top)
{
	vaddr_t first = stack_top + 2 * PAGE_SIZE;
	u64 room = ALIGN_UP(first + 1, TABLE_SPAN) - first;

	return first + aspace_random(20) % room;
}

int vdso_map(struct aspace *as, bool fixed, vaddr_t *ret_ehdr)
{
	vaddr_t vvar;
	/* Whoever writes there, a debugger its breakpoint, gets a copy. */
	struct map_request code = {
	        .addr = fixed ? 0 : place_above(as->stack_top),
	        .len = vdso_object->size - PAGE_SIZE,
	        .prot = VM_READ | VM_EXEC,
	        .max_prot = VM_READ | VM_WRITE | VM_EXEC,
	        .flags = REGION_VDSO,
	        .object = vdso_object,
	        .offset = PAGE_SIZE,
	};
	struct map_request data = {
	        .len = PAGE_SIZE,
	        .prot = VM_READ,
	        .max_prot = VM_READ,
	        .flags = REGION_VVAR,
	        .fixed = true,
	        .noreplace = true,
	        .object = vdso_object,
	};

	if (sabotage(vdso_place))
		code.addr = 4 * GIB;
	int err = aspace_map(as, &code, ret_ehdr);
	if (err)
		return err;
	data.addr = *ret_ehdr - PAGE_SIZE;
	return aspace_map(as, &data, &vvar);
}
