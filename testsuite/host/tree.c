/* with: hal/base/tree.c */
/* The red-black tree against a sorted array, its invariants checked after each change. */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "hal/base/tree.h"
#include "testsuite/host/tap.h"

#define ITEMS 400
#define STEPS 40000

struct item {
	struct tree_node node;
	unsigned key;
	unsigned serial; /* order of insertion, to tell equals apart */
	bool in;
};

static struct item items[ITEMS];
static struct item *model[ITEMS]; /* those in the tree, in order */
static int model_count;
static struct tree tree = TREE_INIT;

static bool item_less(const struct tree_node *a, const struct tree_node *b)
{
	return tree_entry(a, struct item, node)->key < tree_entry(b, struct item, node)->key;
}

/* black_height => the number of black nodes on each way down; -1 when R2, R3 or a link is wrong */
static int black_height(const struct tree_node *n)
{
	int l, r;

	if (!n)
		return 0;
	if ((n->left && n->left->parent != n) || (n->right && n->right->parent != n))
		return -1;
	if (n->red && ((n->left && n->left->red) || (n->right && n->right->red)))
		return -1;
	l = black_height(n->left);
	r = black_height(n->right);
	return l < 0 || l != r ? -1 : l + !n->red;
}

static bool invariants_hold(void)
{
	if (!tree.root)
		return !tree.first;
	return !tree.root->red && !tree.root->parent && black_height(tree.root) >= 0;
}

/* order_matches: forwards, backwards, and both ends. */
static bool order_matches(void)
{
	struct tree_node *n = tree.first;
	int i;

	for (i = 0; i < model_count; i++, n = tree_next(n))
		if (n != &model[i]->node)
			return false;
	if (n)
		return false;
	for (n = tree_last(&tree); i > 0; n = tree_prev(n))
		if (n != &model[--i]->node)
			return false;
	return !n;
}

static void model_insert(struct item *it)
{
	int at = model_count++;

	for (; at > 0 && model[at - 1]->key > it->key; at--)
		model[at] = model[at - 1];
	model[at] = it;
}

static void model_remove(struct item *it)
{
	int at = 0;

	while (model[at] != it)
		at++;
	memmove(&model[at], &model[at + 1], (--model_count - at) * sizeof(model[0]));
}

static void item_toggle(struct item *it, unsigned keys)
{
	if (it->in) {
		tree_remove(&tree, &it->node);
		model_remove(it);
	} else {
		it->key = (unsigned)rand() % keys;
		tree_insert(&tree, &it->node, item_less);
		model_insert(it);
	}
	it->in = !it->in;
}

/* run_random: KEYS few: many equals. => false at the first difference */
static bool run_random(unsigned keys)
{
	for (int step = 0; step < STEPS; step++) {
		item_toggle(&items[rand() % ITEMS], keys);
		if (!invariants_hold() || (step % 8 == 0 && !order_matches()))
			return false;
	}
	return order_matches();
}

static bool run_empty(void)
{
	for (int i = 0; i < ITEMS; i++)
		if (items[i].in) {
			item_toggle(&items[i], 1);
			if (!invariants_hold())
				return false;
		}
	return !tree.root && !tree.first && !tree_last(&tree);
}

/* run_sorted: ascending keys, the worst case of a tree without balance. */
static bool run_sorted(void)
{
	for (int i = 0; i < ITEMS; i++) {
		items[i].key = i;
		items[i].in = true;
		tree_insert(&tree, &items[i].node, item_less);
		model_insert(&items[i]);
	}
	return invariants_hold() && order_matches() && black_height(tree.root) <= 9;
}

/* run_from_front: how a timer queue uses it. */
static bool run_from_front(void)
{
	for (int i = 0; i < ITEMS; i++) {
		if (tree.first != &items[i].node)
			return false;
		item_toggle(&items[i], 1);
	}
	return !tree.root;
}

int main(void)
{
	unsigned seed = getenv("SEED") ? atoi(getenv("SEED")) : (int)time(NULL);

	srand(seed);
	tap_plan(6);
	printf("# seed %u\n", seed);
	tap_ok(run_random(1000000), "random inserts and removes, distinct keys");
	tap_ok(run_random(10), "random inserts and removes, many equal keys keep their order");
	tap_ok(run_empty(), "removing everything leaves an empty tree");
	tap_ok(run_sorted(), "ascending inserts stay balanced");
	tap_ok(run_from_front(), "the first element is always the smallest");
	tap_ok(run_random(200) && run_empty(), "an emptied tree is as good as new");
	return tap_end();
}
