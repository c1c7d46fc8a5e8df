/* Advisory locks. One spinlock and one wait queue for all: locks are rare and short. */
#include "kernel/fs/locks.h"
#include "hal/base/assert.h"
#include "vm/kmem.h"

struct lock {
	struct list link;      /* [l] inode->locks */
	struct lock_request l; /* [l] */
};

/* Somebody who waits, for the search of deadlocks; lives on its stack. */
struct lock_waiter {
	struct list link;      /* [l] */
	const void *owner;     /* [I] */
	const void *waits_for; /* [l] */
};

static struct spinlock locks_lock = SPINLOCK_INIT("locks", RANK_FILE); /* "l" */
static struct waitq locks_wait = WAITQ_INIT(locks_wait);
static struct list locks_waiters = LIST_INIT(locks_waiters); /* [l] */
static struct kmem_cache *lock_cache;

void locks_init(void)
{
	lock_cache = kmem_cache_create("lock", sizeof(struct lock), 16);
}

static bool lock_same_owner(const struct lock_request *a, const struct lock_request *b)
{
	return a->kind == b->kind && a->owner == b->owner;
}

static bool lock_conflicts(const struct lock_request *held, const struct lock_request *req)
{
	if ((held->kind == LOCK_KIND_FLOCK) != (req->kind == LOCK_KIND_FLOCK) || lock_same_owner(held, req))
		return false;
	if (held->type != LOCK_TYPE_WRITE && req->type != LOCK_TYPE_WRITE)
		return false;
	return held->start <= req->end && req->start <= held->end;
}

static struct lock *lock_find_conflict(struct list *all, const struct lock_request *req)
{
	struct lock *l;

	list_for_each (l, all, link)
		if (lock_conflicts(&l->l, req))
			return l;
	return NULL;
}

/* lock_meets: L overlaps NEW or touches it. */
static bool lock_meets(const struct lock_request *l, const struct lock_request *new)
{
	u64 before = new->start ? new->start - 1 : 0;
	u64 behind = new->end == ~0UL ? new->end : new->end + 1;

	return l->start <= behind && before <= l->end;
}

static void lock_drop(struct lock *l)
{
	list_remove(&l->link);
	kmem_cache_free(lock_cache, l);
}

/* lock_cut: take [new->start, new->end] out of L; the part behind it goes to *SPARE if there are two left. */
static void lock_cut(struct list *all, struct lock *l, const struct lock_request *new, struct lock **spare)
{
	bool left = l->l.start<new->start, right = l->l.end> new->end;

	if (left && right) {
		(*spare)->l = l->l;
		(*spare)->l.start = new->end + 1;
		list_push_back(all, &(*spare)->link);
		*spare = NULL;
	}
	if (left)
		l->l.end = new->start - 1;
	else if (right)
		l->l.start = new->end + 1;
	else
		lock_drop(l);
}

static bool lock_overlaps(const struct lock_request *a, const struct lock_request *b)
{
	return a->start <= b->end && b->start <= a->end;
}

/* locks_apply: REQ conflicts with nobody: make it so. Uses up to two of SPARE. */
static void locks_apply(struct list *all, const struct lock_request *req, struct lock *spare[2])
{
	struct lock_request new = *req;
	struct lock *l, *tmp;

	list_for_each_safe (l, tmp, all, link) {
		if (!lock_same_owner(&l->l, req))
			continue;
		if (l->l.type == req->type && lock_meets(&l->l, &new)) {
			new.start = MIN(new.start, l->l.start);
			new.end = MAX(new.end, l->l.end);
			lock_drop(l);
		} else if (l->l.type != req->type && lock_overlaps(&l->l, req)) {
			lock_cut(all, l, req, &spare[1]);
		}
	}
	if (req->type == LOCK_TYPE_NONE)
		return;
	spare[0]->l = new;
	list_push_back(all, &spare[0]->link);
	spare[0] = NULL;
}

/* waits_for: whom OWNER waits for, or NULL. */
static const void *waits_for(const void *owner)
{
	struct lock_waiter *w;

	list_for_each (w, &locks_waiters, link)
		if (w->owner == owner)
			return w->waits_for;
	return NULL;
}

/* locks_deadlock: would ME, waiting for OTHER, wait for itself? A cycle of others is not ours to find. */
static bool locks_deadlock(const void *me, const void *other)
{
	for (u32 steps = 0; other && steps < 64; steps++) {
		if (other == me)
			return true;
		other = waits_for(other);
	}
	return false;
}

/* locks_try => 0; -EAGAIN, W knows whom to wait for; -EDEADLK */
static int locks_try(struct list *all, const struct lock_request *req, struct lock *spare[2],
                     struct lock_waiter *w)
{
	struct lock *l;
	int err = 0;

	spin_lock(&locks_lock);
	w->waits_for = NULL;
	l = req->type == LOCK_TYPE_NONE ? NULL : lock_find_conflict(all, req);
	if (!l) {
		locks_apply(all, req, spare);
	} else if (req->kind == LOCK_KIND_PROCESS && locks_deadlock(req->owner, l->l.owner)) {
		err = -EDEADLK;
	} else {
		w->waits_for = l->l.owner;
		err = -EAGAIN;
	}
	spin_unlock(&locks_lock);
	return err;
}

static int locks_wait_for(struct list *all, const struct lock_request *req, struct lock *spare[2],
                          struct lock_waiter *w)
{
	int err = 0, interrupted;

	interrupted = wait_event(&locks_wait, WAIT_INTERRUPTIBLE, CLOCK_NEVER,
	                         (err = locks_try(all, req, spare, w)) != -EAGAIN);
	return err == -EAGAIN ? interrupted : err;
}

static int locks_set_with(struct list *all, const struct lock_request *req, bool wait, struct lock *spare[2])
{
	struct lock_waiter w = {.owner = req->owner};
	int err;

	spin_lock(&locks_lock);
	list_push_back(&locks_waiters, &w.link);
	spin_unlock(&locks_lock);
	err = wait ? locks_wait_for(all, req, spare, &w) : locks_try(all, req, spare, &w);
	spin_lock(&locks_lock);
	list_remove(&w.link);
	spin_unlock(&locks_lock);
	if (!wait && err == -EDEADLK)
		err = -EAGAIN;
	/* locks that became smaller may let others in */
	if (!err)
		waitq_wake_all(&locks_wait);
	return err;
}

int locks_set(struct inode *i, const struct lock_request *req, bool wait)
{
	struct lock *spare[2];
	int err = -ENOLCK;

	spare[0] = kmem_cache_alloc(lock_cache);
	spare[1] = kmem_cache_alloc(lock_cache);
	if (spare[0] && spare[1])
		err = locks_set_with(&i->locks, req, wait, spare);
	for (u32 n = 0; n < 2; n++)
		if (spare[n])
			kmem_cache_free(lock_cache, spare[n]);
	return err;
}

bool locks_get(struct inode *i, const struct lock_request *req, struct lock_request *ret)
{
	struct lock *l;

	spin_lock(&locks_lock);
	l = lock_find_conflict(&i->locks, req);
	if (l)
		*ret = l->l;
	spin_unlock(&locks_lock);
	return l;
}

static void locks_release(struct inode *i, const void *owner, bool process)
{
	struct lock *l, *tmp;

	if (!locks_any(i))
		return;
	spin_lock(&locks_lock);
	list_for_each_safe (l, tmp, &i->locks, link)
		if (l->l.owner == owner && (l->l.kind == LOCK_KIND_PROCESS) == process)
			lock_drop(l);
	spin_unlock(&locks_lock);
	waitq_wake_all(&locks_wait);
}

void locks_release_process(struct inode *i, const void *owner)
{
	locks_release(i, owner, true);
}

void locks_release_file(struct file *f)
{
	locks_release(f->inode, f, false);
}
