/* Regions, for the files of vm/ alone. All with the space's lock held. */
#pragma once

#include "vm/aspace.h"

/* region_find => the first region that ends behind ADDR: it holds ADDR, or is the next one above; NULL at the end. */
struct region *region_find(struct aspace *as, vaddr_t addr);
struct region *region_next(struct region *r);

/* regions_truncate: unmap what shows pages of O behind SIZE, wherever it is mapped. Takes the spaces' locks itself. */
void regions_truncate(struct vmobject *o, u64 size);
