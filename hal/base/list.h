/* Circular doubly linked list with the links inside the element (leaf). */
#pragma once

#include "hal/base/types.h"

struct list {
	struct list *next, *prev;
};

#define LIST_INIT(name)          \
	{                        \
		&(name), &(name) \
	}

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

static inline void list_insert_between(struct list *n, struct list *prev, struct list *next)
{
	n->prev = prev;
	n->next = next;
	prev->next = n;
	next->prev = n;
}

static inline void list_push_front(struct list *l, struct list *n)
{
	list_insert_between(n, l, l->next);
}

static inline void list_push_back(struct list *l, struct list *n)
{
	list_insert_between(n, l->prev, l);
}

/* list_remove: unlink N and leave it an empty list, so removing twice is harmless. */
static inline void list_remove(struct list *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	list_init(n);
}

/* list_take: move all of FROM to the empty list TO. */
static inline void list_take(struct list *to, struct list *from)
{
	list_init(to);
	if (list_empty(from))
		return;
	list_insert_between(to, from->prev, from);
	list_remove(from);
}

/* list_append: move all of FROM behind what TO holds. */
static inline void list_append(struct list *to, struct list *from)
{
	if (list_empty(from))
		return;
	to->prev->next = from->next;
	from->next->prev = to->prev;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

#define list_entry(p, type, member) container_of(p, type, member)
#define list_first(l, type, member) list_entry((l)->next, type, member)

#define list_for_each(it, l, member)                                                  \
	for (it = list_entry((l)->next, __typeof__(*it), member); &it->member != (l); \
	     it = list_entry(it->member.next, __typeof__(*it), member))

/* As list_for_each, but the body may remove IT. */
#define list_for_each_safe(it, tmp, l, member)                          \
	for (it = list_entry((l)->next, __typeof__(*it), member),       \
	    tmp = list_entry(it->member.next, __typeof__(*it), member); \
	     &it->member != (l); it = tmp, tmp = list_entry(it->member.next, __typeof__(*it), member))
