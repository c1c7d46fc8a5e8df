/* The kernel heap: caches of equal objects, and kmalloc over them. Never sleeps. Not from interrupts.
 * The testing build fills freed objects and ends each with a red zone: a double free, a write behind the end
 * and a write after free are found at the next free or allocation (mission B5). */
#pragma once

#include "hal/base/types.h"

struct kmem_cache;

void kmem_init(void);

/* kmem_cache_create: objects of SIZE bytes, aligned to ALIGN (a power of two, at most 64). Panics when it
 * fails: caches are made at boot. */
struct kmem_cache *kmem_cache_create(const char *name, size_t size, size_t align);
void *kmem_cache_alloc(struct kmem_cache *c); /* => NULL when memory has run out */
void kmem_cache_free(struct kmem_cache *c, void *p);

/* kmalloc: any size; 16-byte aligned, from 4096 on page-aligned. => NULL when memory has run out */
void *kmalloc(size_t size);
void *kzalloc(size_t size);
void kfree(void *p); /* NULL is fine */
char *kstrdup(const char *s);

/* Accounts. kmem_bytes_used: bytes of living objects. kmem_cache_used: living objects of C. kmem_slab_frames: frames that caches hold, for living objects and
 * free ones. kmem_cache_living: the living objects of cache number INDEX. => false: there is no such cache
 * kmem_cache_recycled: C's objects are never freed, but used again by their owner: the accounts leave them out. */
u64 kmem_bytes_used(void);
u64 kmem_slab_frames(void);
bool kmem_cache_living(u32 index, const char **ret_name, u64 *ret_count);
u64 kmem_cache_used(const struct kmem_cache *c);
void kmem_cache_recycled(struct kmem_cache *c);

#ifdef BULKHEAD_TESTING
/* kmem_fail_after: the running thread's Nth allocation of heap or frames from now on fails, once; 0: none does. One
 * thread at a time. kmem_fail_left => how many are to come until it fails; 0: it has, or there was none asked for */
void kmem_fail_after(u64 n);
u64 kmem_fail_left(void);
#endif
