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
