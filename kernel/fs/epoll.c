/* epoll(7). An item is one file in one epoll. It sits on the file's wait queues; a wake there puts it onto the epoll's
 * list of ready items and wakes who waits for the epoll, so the cost of waiting follows the items that became ready.
 * Whether an item is ready still is asked when it is taken.
 *
 * E1: an item that is on no list of its epoll will be put onto `ready` by the next wake of its file.
 * E2: an item holds no reference to its file: the file's last close removes it (epoll_forget).
 * E3: who watches whom has no circle, and no chain longer than EPOLL_CHAIN; so the locks of several epolls are always
 *     taken from the watcher to the watched (mutexes), or from the watched to the watcher (queues: RANK_EPOLL).
 * E4: an item that is taken and stays ready (level) is put back, and the next thread that waits is woken.
 * Locks: watch_lock, then epoll->lock, then what a file's poll takes; epoll->queue.lock. Letters below:
 *   w watch_lock   l epoll->lock   q epoll->queue.lock   I immutable */
#include "kernel/fs/epoll.h"
#include "kernel/fs/anon.h"
#include "kernel/fs/poll.h"
#include "kernel/fs/seq.h"
#include "hal/base/sabotage.h"
#include "vm/kmem.h"

#define EPOLL_CHAIN 5 /* epolls one in another, the outermost included */
#define EPOLL_KEPT ((u32)(EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE))
#define EPOLL_EXCLUSIVE_OK \
	((u32)(EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE))

struct epoll {
	struct mutex lock;
	struct tree items;     /* [w and l] either to read; by (file, fd) */
	struct list ready;     /* [q] */
	struct waitq queue;    /* threads in epoll_wait; RANK_EPOLL */
	struct waitq watchers; /* who polls it, or watches it as an epoll; RANK_EPOLL */
	struct file *file;     /* [I] its own */
	u64 search;            /* [w] the last search for chains that came here, and what it found */
	u32 chain;             /* [w] */
};

/* More than one wait queue of one file. */
struct epoll_more {
	struct epoll_more *next;
	struct waiter waiter;
};

struct epoll_item {
	struct tree_node node;           /* [w and l] */
	struct epoll *epoll;             /* [I] */
	struct file *file;               /* [I] E2 */
	int fd;                          /* [I] */
	u32 events;                      /* [l and q] either to read; without all but EPOLL_KEPT: disarmed */
	u64 data;                        /* [l] */
	struct list ready;               /* [q] in epoll->ready, or empty */
	struct list again;               /* [l] in what one epoll_take puts back */
	struct epoll_item *next_watcher; /* [w] of the same file */
	struct waiter waiter;            /* [w] the first queue's; queue NULL: none yet */
	struct epoll_more *more;         /* [w] */
};

static struct mutex watch_lock = MUTEX_INIT(watch_lock);

/* --- ready items --- */

/* item_arm: onto the ready list. q held. => false: it is there already */
static bool item_arm(struct epoll_item *it)
{
	if (!list_empty(&it->ready))
		return false;
	list_push_back(&it->epoll->ready, &it->ready);
	return true;
}

/* item_woken: the file of an item may have become ready. An exclusive one was of use only if it woke somebody. */
static bool item_woken(struct waiter *w, u32 events)
{
	struct epoll_item *it = w->owner;
	struct epoll *e = it->epoll;
	u32 woken = 0;
	bool armed;

	spin_lock(&e->queue.lock);
	armed = it->events & ~EPOLL_KEPT & events;
	if (armed)
		item_arm(it);
	if (armed && !sabotage(epoll_wake))
		woken = waitq_wake_one_locked(&e->queue);
	spin_unlock_no_resched(&e->queue.lock);
	if (armed)
		woken += waitq_wake_events(&e->watchers, POLLIN | POLLRDNORM);
	return !w->exclusive || woken;
}

static bool epoll_some(struct epoll *e)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return !list_empty(&e->ready);
}

/* item_events: those that it asks for and that hold. */
static u32 item_events(struct epoll_item *it, struct poll_table *pt)
{
	return file_poll(it->file, pt) & it->events & ~EPOLL_KEPT;
}

/* item_start: it was found ready when it was added or changed. */
static void item_start(struct epoll_item *it)
{
	struct epoll *e = it->epoll;
	bool on = spin_lock_irq(&e->queue.lock);

	item_arm(it);
	waitq_wake_one_locked(&e->queue);
	spin_unlock_irq(&e->queue.lock, on);
	waitq_wake_events(&e->watchers, POLLIN | POLLRDNORM);
}

/* --- taking --- */

/* One look at what is ready now: an item that becomes ready meanwhile waits for the next, so none comes twice. The
 * items of `batch` count as being on the ready list (E1) until they are taken from it. l held throughout. */
struct scan {
	struct list batch; /* [q] */
	struct list again; /* [l] stay ready */
};

static void scan_begin(struct epoll *e, struct scan *s)
{
	bool on = spin_lock_irq(&e->queue.lock);

	list_take(&s->batch, &e->ready);
	spin_unlock_irq(&e->queue.lock, on);
	list_init(&s->again);
}

/* scan_next => an item that is on no list any more, before it is asked: a wake from now on puts it back. */
static struct epoll_item *scan_next(struct epoll *e, struct scan *s)
{
	struct epoll_item *it = NULL;
	bool on = spin_lock_irq(&e->queue.lock);

	if (!list_empty(&s->batch)) {
		it = list_first(&s->batch, struct epoll_item, ready);
		list_remove(&it->ready);
	}
	spin_unlock_irq(&e->queue.lock, on);
	return it;
}

/* scan_undo: it could not be given: it stays the first. */
static void scan_undo(struct epoll *e, struct scan *s, struct epoll_item *it)
{
	bool on = spin_lock_irq(&e->queue.lock);

	list_remove(&it->ready);
	list_push_front(&s->batch, &it->ready);
	spin_unlock_irq(&e->queue.lock, on);
}

/* scan_end: what was not looked at comes first, what stays ready last (E4). Only threads are woken: watchers have
 * been, when the items became ready. */
static void scan_end(struct epoll *e, struct scan *s)
{
	struct epoll_item *it, *next;
	bool on = spin_lock_irq(&e->queue.lock);

	list_append(&s->batch, &e->ready);
	list_take(&e->ready, &s->batch);
	list_for_each_safe (it, next, &s->again, again) {
		list_remove(&it->again);
		item_arm(it);
	}
	if (!list_empty(&e->ready))
		waitq_wake_one_locked(&e->queue);
	spin_unlock_irq(&e->queue.lock, on);
}

static int item_give(const struct epoll_item *it, u32 events, uaddr_t to)
{
	struct epoll_event ev = {.events = events, .data = it->data};

	return copyout(to, &ev, sizeof(ev));
}

static void item_set_events(struct epoll_item *it, u32 events)
{
	bool on = spin_lock_irq(&it->epoll->queue.lock);

	it->events = events;
	spin_unlock_irq(&it->epoll->queue.lock, on);
}

/* item_given: EVENTS of it went out: it stays ready, waits for the next wake, or is disarmed. */
static void item_given(struct epoll_item *it, struct scan *s)
{
	if (it->events & EPOLLONESHOT)
		item_set_events(it, it->events & EPOLL_KEPT);
	else if (!(it->events & EPOLLET))
		list_push_back(&s->again, &it->again);
}

/* ready_take: l held. => how many events went out; -EFAULT */
static i64 ready_take(struct epoll *e, uaddr_t to, int max)
{
	struct epoll_item *it;
	struct scan s;
	i64 n = 0;

	scan_begin(e, &s);
	while (n < max && (it = scan_next(e, &s))) {
		u32 events = item_events(it, NULL);

		if (!events)
			continue;
		if (item_give(it, events, UADDR(to.va + n * sizeof(struct epoll_event))) < 0) {
			scan_undo(e, &s, it);
			n = n ? n : -EFAULT;
			break;
		}
		item_given(it, &s);
		n++;
	}
	scan_end(e, &s);
	return n;
}

i64 epoll_take(struct file *f, uaddr_t to, int max, u64 deadline)
{
	struct epoll *e = f->private;
	int err = deadline ? 0 : -ETIMEDOUT;
	i64 n = 0;

	for (;;) {
		if (epoll_some(e))
			WITH_MUTEX(&e->lock)
		n = ready_take(e, to, max);
		if (n || err)
			break;
		err = wait_event(&e->queue, WAIT_INTERRUPTIBLE, deadline, epoll_some(e));
	}
	if (n)
		return n;
	return err == -ETIMEDOUT ? 0 : -EINTR;
}

/* epoll_poll: readable while an item is ready. Those that are so no longer leave the list. */
static u32 epoll_poll(struct file *f, struct poll_table *pt)
{
	struct epoll *e = f->private;
	struct epoll_item *it = NULL;
	struct scan s;

	poll_wait(pt, &e->watchers);
	if (!epoll_some(e))
		return 0;
	mutex_lock(&e->lock);
	scan_begin(e, &s);
	while ((it = scan_next(e, &s)) && !item_events(it, NULL))
		;
	if (it)
		list_push_back(&s.again, &it->again);
	scan_end(e, &s);
	mutex_unlock(&e->lock);
	return it ? POLLIN | POLLRDNORM : 0;
}

/* --- who watches whom --- */

bool file_is_epoll(const struct file *f)
{
	return f->ops->poll == epoll_poll;
}

static struct epoll_item *first_item(const struct tree *t)
{
	return t->first ? tree_entry(t->first, struct epoll_item, node) : NULL;
}

static struct epoll_item *next_item(const struct epoll_item *it)
{
	struct tree_node *n = tree_next(&it->node);

	return n ? tree_entry(n, struct epoll_item, node) : NULL;
}

static u64 searches; /* [w] so far; each looks at an epoll once, however many ways lead there */

/* chain_below: the longest chain of epolls that begins with E; through WANTED it has no end. */
static u32 chain_below(struct epoll *e, const struct epoll *wanted, u64 search)
{
	u32 longest = 0;

	if (e == wanted)
		return EPOLL_CHAIN;
	if (e->search == search)
		return e->chain;
	for (struct epoll_item *it = first_item(&e->items); it; it = next_item(it))
		if (file_is_epoll(it->file))
			longest = MAX(longest, chain_below(it->file->private, wanted, search));
	e->search = search;
	e->chain = longest + 1;
	return e->chain;
}

/* chain_above: the longest chain of epolls that ends with E. */
static u32 chain_above(struct epoll *e, u64 search)
{
	u32 longest = 0;

	if (e->search == search)
		return e->chain;
	for (struct epoll_item *it = e->file->watched; it; it = it->next_watcher)
		longest = MAX(longest, chain_above(it->epoll, search));
	e->search = search;
	e->chain = longest + 1;
	return e->chain;
}

/* watch_check: may E watch INNER? w held. (E3) */
static int watch_check(struct epoll *e, struct epoll *inner)
{
	u32 above = chain_above(e, ++searches), below = chain_below(inner, e, ++searches);

	return above + below > EPOLL_CHAIN ? -ELOOP : 0;
}

/* --- items --- */

static int item_compare(const struct file *f, int fd, const struct epoll_item *it)
{
	if (f != it->file)
		return f < it->file ? -1 : 1;
	return fd < it->fd ? -1 : fd > it->fd;
}

/* item_find: l or w held. => NULL; then *RET_WHERE, *RET_PARENT are where it belongs */
static struct epoll_item *item_find(struct epoll *e, const struct file *f, int fd,
                                    struct tree_node ***ret_where, struct tree_node **ret_parent)
{
	struct tree_node **where = &e->items.root, *parent = NULL;

	while (*where) {
		struct epoll_item *it = tree_entry(*where, struct epoll_item, node);
		int c = item_compare(f, fd, it);

		if (!c)
			return it;
		parent = *where;
		where = c < 0 ? &parent->left : &parent->right;
	}
	*ret_where = where;
	*ret_parent = parent;
	return NULL;
}

/* How an item gets onto its file's queues. */
struct item_table {
	struct poll_table table;
	struct epoll_item *item;
};

static void item_wait(struct poll_table *pt, struct waitq *q)
{
	struct epoll_item *it = container_of(pt, struct item_table, table)->item;
	struct waiter *w = &it->waiter;
	struct epoll_more *more;

	if (w->queue) {
		if (!(more = kmalloc(sizeof(*more)))) {
			pt->out_of_memory = true;
			return;
		}
		more->next = it->more;
		it->more = more;
		w = &more->waiter;
	}
	w->fn = item_woken;
	w->owner = it;
	w->exclusive = it->events & EPOLLEXCLUSIVE;
	waitq_add_fn(q, w);
}

/* item_unwait: off its file's queues: no wake comes any more. */
static void item_unwait(struct epoll_item *it)
{
	struct epoll_more *more;

	if (it->waiter.queue)
		waitq_remove(&it->waiter);
	while ((more = it->more)) {
		it->more = more->next;
		waitq_remove(&more->waiter);
		kfree(more);
	}
}

/* item_leave: its file forgets it, and may be gone from then on. w held. */
static void item_leave(struct epoll_item *it)
{
	struct epoll_item **at = &it->file->watched;

	while (*at != it)
		at = &(*at)->next_watcher;
	atomic_store(at, it->next_watcher);
}

/* item_remove: w and l held. */
static void item_remove(struct epoll_item *it)
{
	struct epoll *e = it->epoll;
	bool on;

	item_unwait(it);
	on = spin_lock_irq(&e->queue.lock);
	list_remove(&it->ready);
	spin_unlock_irq(&e->queue.lock, on);
	tree_remove(&e->items, &it->node);
	item_leave(it);
	kfree(it);
}

/* item_new: in E's tree and on F's list. w and l held. => -EEXIST; -ENOMEM */
static int item_new(struct epoll *e, struct file *f, int fd, const struct epoll_event *event,
                    struct epoll_item **ret)
{
	struct tree_node **where, *parent;
	struct epoll_item *it;

	if (item_find(e, f, fd, &where, &parent))
		return -EEXIST;
	if (!(it = kzalloc(sizeof(*it))))
		return -ENOMEM;
	it->epoll = e;
	it->file = f;
	it->fd = fd;
	it->events = event->events | EPOLLERR | EPOLLHUP;
	it->data = event->data;
	list_init(&it->ready);
	list_init(&it->again);
	tree_link(&e->items, &it->node, parent, where);
	it->next_watcher = f->watched;
	atomic_store(&f->watched, it);
	*ret = it;
	return 0;
}

static int add_locked(struct epoll *e, struct file *f, int fd, const struct epoll_event *event)
{
	struct item_table table = {.table.add = item_wait};
	struct epoll_item *it;
	u32 events;
	int err = item_new(e, f, fd, event, &it);

	if (err < 0)
		return err;
	table.item = it;
	events = item_events(it, &table.table);
	if (table.table.out_of_memory) {
		item_remove(it);
		return -ENOMEM;
	}
	if (events)
		item_start(it);
	return 0;
}

int epoll_add(struct file *ep, struct file *f, int fd, const struct epoll_event *event)
{
	struct epoll *e = ep->private;
	int err = 0;

	if (!f->ops->poll)
		return -EPERM;
	if ((event->events & EPOLLEXCLUSIVE) && (file_is_epoll(f) || (event->events & ~EPOLL_EXCLUSIVE_OK)))
		return -EINVAL;
	mutex_lock(&watch_lock);
	if (file_is_epoll(f))
		err = watch_check(e, f->private);
	if (!err)
		WITH_MUTEX(&e->lock)
	err = add_locked(e, f, fd, event);
	mutex_unlock(&watch_lock);
	return err;
}

static int change_locked(struct epoll_item *it, const struct epoll_event *event)
{
	if (!it)
		return -ENOENT;
	if (it->events & EPOLLEXCLUSIVE)
		return -EINVAL;
	it->data = event->data;
	item_set_events(it, event->events | EPOLLERR | EPOLLHUP);
	if (item_events(it, NULL))
		item_start(it);
	return 0;
}

int epoll_change(struct file *ep, struct file *f, int fd, const struct epoll_event *event)
{
	struct epoll *e = ep->private;
	struct tree_node **where, *parent;
	int err = 0;

	if (event->events & EPOLLEXCLUSIVE)
		return -EINVAL;
	WITH_MUTEX(&e->lock)
	err = change_locked(item_find(e, f, fd, &where, &parent), event);
	return err;
}

int epoll_remove(struct file *ep, struct file *f, int fd)
{
	struct epoll *e = ep->private;
	struct tree_node **where, *parent;
	struct epoll_item *it;

	mutex_lock(&watch_lock);
	mutex_lock(&e->lock);
	if ((it = item_find(e, f, fd, &where, &parent)))
		item_remove(it);
	mutex_unlock(&e->lock);
	mutex_unlock(&watch_lock);
	return it ? 0 : -ENOENT;
}

void epoll_forget(struct file *f)
{
	struct epoll_item *it;

	mutex_lock(&watch_lock);
	while ((it = f->watched)) {
		struct epoll *e = it->epoll;

		mutex_lock(&e->lock);
		item_remove(it);
		mutex_unlock(&e->lock);
	}
	mutex_unlock(&watch_lock);
}

/* --- the epoll itself --- */

static void epoll_release(struct file *f)
{
	struct epoll *e = f->private;
	struct epoll_item *it;

	mutex_lock(&watch_lock);
	mutex_lock(&e->lock);
	while ((it = first_item(&e->items)))
		item_remove(it);
	mutex_unlock(&e->lock);
	mutex_unlock(&watch_lock);
	kfree(e);
}

static void epoll_show(struct file *f, struct seq *s)
{
	struct epoll *e = f->private;

	WITH_MUTEX(&e->lock)
	for (struct epoll_item *it = first_item(&e->items); it; it = next_item(it)) {
		const struct inode *i = it->file->inode;

		seq_printf(s, "tfd: %8d events: %8x data: %16lx  pos:%lu ino:%lx sdev:%x\n", it->fd,
		           it->events, it->data, it->file->pos, i->ino, i->mount->dev);
	}
}

static const struct file_ops epoll_fops = {
        .poll = epoll_poll,
        .release = epoll_release,
        .show = epoll_show,
        .kind = "[eventpoll]",
};

int epoll_open(struct file **ret)
{
	struct epoll *e = kzalloc(sizeof(*e));
	int err;

	if (!e)
		return -ENOMEM;
	mutex_init(&e->lock);
	list_init(&e->ready);
	waitq_init(&e->queue);
	waitq_init(&e->watchers);
	e->queue.lock.rank = e->watchers.lock.rank = RANK_EPOLL;
	if ((err = anon_file(&epoll_fops, O_RDWR, e, &e->file)) < 0) {
		kfree(e);
		return err;
	}
	*ret = e->file;
	return 0;
}
