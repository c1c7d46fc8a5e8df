/* Waiting for any of several files. */
#include "kernel/fs/poll.h"
#include "kernel/fs/vfs.h"
#include "sched/thread.h"
#include "vm/kmem.h"

#define CHUNK_ENTRIES 80 /* a little under a page */

struct poll_chunk {
	struct poll_chunk *next;
	u32 count;
	struct poll_entry entries[CHUNK_ENTRIES];
};

_Static_assert(sizeof(struct poll_chunk) <= PAGE_SIZE, "one page each");

void poll_table_init(struct poll_table *pt)
{
	pt->hold = NULL;
	pt->out_of_memory = false;
	pt->count = 0;
	pt->more = NULL;
}

static struct poll_entry *entry_take(struct poll_table *pt)
{
	struct poll_chunk *c = pt->more;

	if (pt->count < POLL_FEW)
		return &pt->few[pt->count++];
	if (!c || c->count == CHUNK_ENTRIES) {
		if (!(c = kmalloc(sizeof(*c))))
			return NULL;
		c->next = pt->more;
		c->count = 0;
		pt->more = c;
	}
	return &c->entries[c->count++];
}

void poll_wait_add(struct poll_table *pt, struct waitq *q)
{
	struct poll_entry *e = entry_take(pt);

	if (!e) {
		pt->out_of_memory = true;
		return;
	}
	e->file = pt->hold;
	if (e->file)
		file_get(e->file);
	waitq_add(q, &e->waiter);
}

static void entries_remove(struct poll_entry *e, u32 n)
{
	for (; n; n--, e++) {
		waitq_remove(&e->waiter);
		if (e->file)
			file_put(e->file);
	}
}

void poll_table_done(struct poll_table *pt)
{
	struct poll_chunk *c;

	entries_remove(pt->few, pt->count);
	while ((c = pt->more)) {
		pt->more = c->next;
		entries_remove(c->entries, c->count);
		kfree(c);
	}
}

/* poll_sleep: all queues have this thread on them: look again, then sleep, until PASS finds something.
 * => as poll_run */
static int poll_sleep(int (*pass)(void *arg, struct poll_table *pt), void *arg, u64 deadline)
{
	int n, err = 0;

	for (;;) {
		waitq_prepare(WAIT_INTERRUPTIBLE);
		n = pass(arg, NULL);
		if (n || err) {
			waitq_cancel();
			break;
		}
		err = waitq_block(WAIT_INTERRUPTIBLE, deadline);
	}
	if (n)
		return n;
	return err == -ETIMEDOUT ? 0 : -ERESTARTNOHAND;
}

int poll_run(int (*pass)(void *arg, struct poll_table *pt), void *arg, u64 deadline)
{
	struct poll_table pt;
	int n;

	if (!deadline)
		return pass(arg, NULL);
	poll_table_init(&pt);
	n = pass(arg, &pt);
	if (!n)
		n = pt.out_of_memory ? -ENOMEM : poll_sleep(pass, arg, deadline);
	poll_table_done(&pt);
	return n;
}
