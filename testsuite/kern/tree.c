/* Tests of hal/base/tree.c. */
#include "hal/base/tree.h"
#include "hal/cpu/random.h"
#include "testsuite/kern/kern.h"

struct item {
	struct tree_node node;
	u64 key;
	bool in;
};

static bool less(const struct tree_node *a, const struct tree_node *b)
{
	return tree_entry(a, struct item, node)->key < tree_entry(b, struct item, node)->key;
}

static u32 in_order(const struct tree *t)
{
	u32 count = 0;
	u64 last = 0;

	for (struct tree_node *n = t->first; n; n = tree_next(n)) {
		u64 key = tree_entry(n, struct item, node)->key;

		if (key < last)
			return 0;
		last = key;
		count++;
	}
	return count;
}

KERNEL_TEST(tree_order,
            "[V1] the search tree stays in order over two thousand random insertions and removals")
{
	enum {
		N = 300
	};
	static struct item items[N];
	struct tree t = TREE_INIT;
	u32 count = 0;

	for (u32 round = 0; round < 2000; round++) {
		struct item *i = &items[random_u64() % N];

		if (i->in) {
			tree_remove(&t, &i->node);
			count--;
		} else {
			i->key = random_u64() % 1000;
			tree_insert(&t, &i->node, less);
			count++;
		}
		i->in = !i->in;
		if (round % 50 == 0)
			KT_ASSERT(in_order(&t) == count);
	}
	for (u32 i = 0; i < N; i++)
		if (items[i].in) {
			tree_remove(&t, &items[i].node);
			items[i].in = false;
		}
	KT_CHECK(t.root == NULL && t.first == NULL && tree_last(&t) == NULL);
}
