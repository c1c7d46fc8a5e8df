/* Waiting for any of several files. */
#include "kernel/fs/poll.h"
#include "kernel/fs/vfs.h"
#include "sched/thread.h"
#include "vm/kmem.h"

#define POLL_FEW 4
#define CHUNK_ENTRIES 64 /* a little under a page */

struct poll_entry {
	struct waiter waiter;
	struct file *file; /* counted, or NULL: nobody can close it meanwhile */
};

struct poll_chunk {
	struct poll_chunk *next;
	u32 count;
	struct poll_entry entries[CHUNK_ENTRIES];
};

_Static_assert(sizeof(struct poll_chunk) <= PAGE_SIZE, "one page each");

/* The running thread, on the queues of all files that it asked. */
struct sleeper {
	struct poll_table table;
	u32 count;               /* entries in use in few[] */
	struct poll_chunk *more; /* when few[] is full */
	struct poll_entry few[POLL_FEW];
};

static struct poll_entry *entry_take(struct sleeper *s)
{
	struct poll_chunk *c = s->more;

	if (s->count < POLL_FEW)
		return &s->few[s->count++];
	if (!c || c->count == CHUNK_ENTRIES) {
		if (!(c = kmalloc(sizeof(*c))))
			return NULL;
		c->next = s->more;
		c->count = 0;
		s->more = c;
	}
	return &c->entries[c->count++];
}

static void sleeper_add(struct poll_table *pt, struct waitq *q)
{
	struct poll_entry *e = entry_take(container_of(pt, struct sleeper, table));

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

static void sleeper_done(struct sleeper *s)
{
	struct poll_chunk *c;

	entries_remove(s->few, s->count);
	while ((c = s->more)) {
		s->more = c->next;
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
	struct sleeper s;
	int n;

	if (!deadline)
		return pass(arg, NULL);
	s.table = (struct poll_table){.add = sleeper_add};
	s.count = 0;
	s.more = NULL;
	n = pass(arg, &s.table);
	if (!n)
		n = s.table.out_of_memory ? -ENOMEM : poll_sleep(pass, arg, deadline);
	sleeper_done(&s);
	return n;
}
