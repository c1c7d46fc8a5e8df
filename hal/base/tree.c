/* Red-black tree (Cormen et al., chapter 13), NULL standing for the black leaves.
 *
 * R1: the root is black.  R2: a red node has no red child.
 * R3: every way from a node down to a leaf passes the same number of black nodes. */
#include "hal/base/tree.h"

/* Below, UPDATE is the caller's, or NULL: everything that takes it is compiled for both. */
#define FOR_BOTH static __inline_always

static bool node_red(const struct tree_node *n)
{
	return n && n->red;
}

/* node_slot: the pointer that leads to N. */
static struct tree_node **node_slot(struct tree *t, struct tree_node *n)
{
	if (!n->parent)
		return &t->root;
	return n->parent->left == n ? &n->parent->left : &n->parent->right;
}

/* node_replace: what led to OLD leads to NEW (may be NULL); OLD's own links stay. */
static void node_replace(struct tree *t, struct tree_node *old, struct tree_node *new)
{
	*node_slot(t, old) = new;
	if (new)
		new->parent = old->parent;
}

static void node_set_left(struct tree_node *n, struct tree_node *child)
{
	n->left = child;
	if (child)
		child->parent = n;
}

static void node_set_right(struct tree_node *n, struct tree_node *child)
{
	n->right = child;
	if (child)
		child->parent = n;
}

/* rotate_left: N's right child takes N's place, N becomes its left child. What is above sees the same nodes below. */
FOR_BOTH void rotate_left(struct tree *t, struct tree_node *n, tree_update_fn update)
{
	struct tree_node *up = n->right;

	node_replace(t, n, up);
	node_set_right(n, up->left);
	node_set_left(up, n);
	if (update) {
		update(n);
		update(up);
	}
}

FOR_BOTH void rotate_right(struct tree *t, struct tree_node *n, tree_update_fn update)
{
	struct tree_node *up = n->left;

	node_replace(t, n, up);
	node_set_left(n, up->right);
	node_set_right(up, n);
	if (update) {
		update(n);
		update(up);
	}
}

/* link_fix: N is red; only R2 between N and its parent, or R1, may be broken. */
FOR_BOTH void link_fix(struct tree *t, struct tree_node *n, tree_update_fn update)
{
	while (node_red(n->parent)) {
		struct tree_node *p = n->parent, *g = p->parent;
		bool on_left = p == g->left;
		struct tree_node *uncle = on_left ? g->right : g->left;

		if (node_red(uncle)) {
			p->red = uncle->red = false;
			g->red = true;
			n = g;
			continue;
		}
		if (on_left && n == p->right) {
			rotate_left(t, p, update);
			p = n;
		} else if (!on_left && n == p->left) {
			rotate_right(t, p, update);
			p = n;
		}
		p->red = false;
		g->red = true;
		if (on_left)
			rotate_right(t, g, update);
		else
			rotate_left(t, g, update);
		break;
	}
	t->root->red = false;
}

FOR_BOTH void link_node(struct tree *t, struct tree_node *n, struct tree_node *parent,
                        struct tree_node **where, tree_update_fn update)
{
	n->parent = parent;
	n->left = n->right = NULL;
	n->red = true;
	*where = n;
	if (!parent || (parent == t->first && where == &parent->left))
		t->first = n;
	if (update) {
		update(n);
		tree_update(parent, update);
	}
	link_fix(t, n, update);
}

void tree_link(struct tree *t, struct tree_node *n, struct tree_node *parent, struct tree_node **where)
{
	link_node(t, n, parent, where, NULL);
}

void tree_link_updated(struct tree *t, struct tree_node *n, struct tree_node *parent,
                       struct tree_node **where, tree_update_fn update)
{
	link_node(t, n, parent, where, update);
}

/* unlink_fix: the ways through N (a child of P, maybe NULL) lack one black node (R3). */
FOR_BOTH void unlink_fix(struct tree *t, struct tree_node *n, struct tree_node *p, tree_update_fn update)
{
	while (n != t->root && !node_red(n)) {
		bool on_left = n == p->left;
		struct tree_node *s = on_left ? p->right : p->left; /* not NULL, by R3 */

		if (s->red) {
			s->red = false;
			p->red = true;
			if (on_left)
				rotate_left(t, p, update);
			else
				rotate_right(t, p, update);
			s = on_left ? p->right : p->left;
		}
		if (!node_red(s->left) && !node_red(s->right)) {
			s->red = true;
			n = p;
			p = n->parent;
			continue;
		}
		if (on_left && !node_red(s->right)) {
			s->left->red = false;
			s->red = true;
			rotate_right(t, s, update);
			s = p->right;
		} else if (!on_left && !node_red(s->left)) {
			s->right->red = false;
			s->red = true;
			rotate_left(t, s, update);
			s = p->left;
		}
		s->red = p->red;
		p->red = false;
		if (on_left) {
			s->right->red = false;
			rotate_left(t, p, update);
		} else {
			s->left->red = false;
			rotate_right(t, p, update);
		}
		n = t->root;
	}
	if (n)
		n->red = false;
}

/* unlink_inner: N has two children; its successor S, which has no left child, takes its place.
 * => the node that moved up where S was, and its parent, to repair from */
FOR_BOTH struct tree_node *unlink_inner(struct tree *t, struct tree_node *n, struct tree_node **ret_parent,
                                        bool *ret_black, tree_update_fn update)
{
	struct tree_node *s = n->right, *moved;

	while (s->left)
		s = s->left;
	moved = s->right;
	*ret_black = !s->red;
	*ret_parent = s;
	if (s->parent != n) {
		*ret_parent = s->parent;
		node_replace(t, s, moved);
		node_set_right(s, n->right);
	}
	node_replace(t, n, s);
	node_set_left(s, n->left);
	s->red = n->red;
	if (update) { /* all the way: S knows what was below its old place */
		for (struct tree_node *p = *ret_parent; p != s; p = p->parent)
			update(p);
		update(s);
		tree_update(s->parent, update);
	}
	return moved;
}

FOR_BOTH void remove_node(struct tree *t, struct tree_node *n, tree_update_fn update)
{
	struct tree_node *moved, *parent = n->parent;
	bool black = !n->red;

	if (t->first == n)
		t->first = tree_next(n);
	if (n->left && n->right) {
		moved = unlink_inner(t, n, &parent, &black, update);
	} else {
		moved = n->left ? n->left : n->right;
		node_replace(t, n, moved);
		if (update)
			tree_update(parent, update);
	}
	if (black)
		unlink_fix(t, moved, parent, update);
	n->parent = n->left = n->right = NULL;
}

void tree_remove(struct tree *t, struct tree_node *n)
{
	remove_node(t, n, NULL);
}

void tree_remove_updated(struct tree *t, struct tree_node *n, tree_update_fn update)
{
	remove_node(t, n, update);
}

struct tree_node *tree_next(const struct tree_node *n)
{
	struct tree_node *p;

	if (n->right) {
		for (p = n->right; p->left;)
			p = p->left;
		return p;
	}
	for (p = n->parent; p && n == p->right; p = p->parent)
		n = p;
	return p;
}

struct tree_node *tree_prev(const struct tree_node *n)
{
	struct tree_node *p;

	if (n->left) {
		for (p = n->left; p->right;)
			p = p->right;
		return p;
	}
	for (p = n->parent; p && n == p->left; p = p->parent)
		n = p;
	return p;
}

struct tree_node *tree_last(const struct tree *t)
{
	struct tree_node *n = t->root;

	while (n && n->right)
		n = n->right;
	return n;
}

bool tree_copy(struct tree *to, const struct tree *from,
               struct tree_node *(*copy)(struct tree_node *n, void *arg), void *arg)
{
	struct tree_node *n = from->root, *made, *last = NULL;
	struct tree_node **where = &to->root;

	while (n) { /* whose copy goes to WHERE, below LAST */
		made = copy(n, arg);
		if (!made)
			break;
		made->parent = last;
		made->left = made->right = NULL;
		made->red = n->red;
		*where = last = made;
		while (n && !(n->left && !last->left) && !(n->right && !last->right)) {
			n = n->parent;
			last = n ? last->parent : NULL;
		}
		if (!n)
			break;
		where = n->left && !last->left ? &last->left : &last->right;
		n = where == &last->left ? n->left : n->right;
	}
	for (to->first = to->root; to->first && to->first->left;)
		to->first = to->first->left;
	return !n;
}
