/* Balanced (red-black) search tree with the links inside the element (leaf).
 * Insert, remove, first, next, previous are O(log n) or better; the first element is cached.
 * The caller brings its own lock and its own order. */
#pragma once

#include "hal/base/types.h"

struct tree_node {
	struct tree_node *parent, *left, *right;
	bool red;
};

struct tree {
	struct tree_node *root;
	struct tree_node *first; /* the leftmost, or NULL */
};

#define TREE_INIT          \
	{                  \
		NULL, NULL \
	}
#define tree_entry(p, type, member) container_of(p, type, member)

/* tree_link: make N a child of PARENT at *WHERE (found by the caller's descent) and rebalance.
 * WHERE is &tree->root, &parent->left or &parent->right. */
void tree_link(struct tree *t, struct tree_node *n, struct tree_node *parent, struct tree_node **where);
void tree_remove(struct tree *t, struct tree_node *n);
struct tree_node *tree_next(const struct tree_node *n);
struct tree_node *tree_prev(const struct tree_node *n);
struct tree_node *tree_last(const struct tree *t);

/* A tree whose nodes keep something about all that is below them, such as the largest: UPDATE makes it anew from the
 * node and its children, and tells whether it has changed. Every change of such a tree goes through the _updated forms,
 * and tree_update follows a change within node N that leaves its place as it is. */
typedef bool (*tree_update_fn)(struct tree_node *n);
void tree_link_updated(struct tree *t, struct tree_node *n, struct tree_node *parent,
                       struct tree_node **where, tree_update_fn update);
void tree_remove_updated(struct tree *t, struct tree_node *n, tree_update_fn update);
static __inline_always void tree_update(struct tree_node *n, tree_update_fn update)
{
	while (n && update(n))
		n = n->parent;
}

/* tree_copy: TO, which is empty, gets FROM's shape in linear time; COPY makes each node but for the links, a parent before
 * its children. => false when COPY gave NULL: TO is then a tree of those before it, out of balance. */
bool tree_copy(struct tree *to, const struct tree *from,
               struct tree_node *(*copy)(struct tree_node *n, void *arg), void *arg);

/* tree_insert: LESS(a, b) says whether a comes before b; equals go behind their equals. */
static inline void tree_insert(struct tree *t, struct tree_node *n,
                               bool (*less)(const struct tree_node *, const struct tree_node *))
{
	struct tree_node **where = &t->root, *parent = NULL;

	while (*where) {
		parent = *where;
		where = less(n, parent) ? &parent->left : &parent->right;
	}
	tree_link(t, n, parent, where);
}
