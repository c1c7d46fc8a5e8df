/* Futexes: sleepers hang in hashed buckets; the word is compared while the bucket is locked against wakers, by being
 * queued first: a waker changes the word before it looks into the bucket, so it either finds the sleeper or the
 * sleeper finds the new value. */
#include "kernel/proc/futex.h"
#include "hal/base/atomic.h"
#include "hal/base/list.h"
#include "kernel/abi/linux.h"
#include "kernel/proc/proc.h"
#include "vm/aspace.h"
#include "vm/uaccess.h"

#define BUCKETS 256

struct futex_key {
	u64 space; /* address space, or 0 for a shared word */
	u64 word;  /* virtual address, or physical for a shared one */
};

struct futex_waiter {
	struct list link;            /* [bucket lock] */
	struct futex_key key;        /* [bucket lock] */
	struct futex_bucket *bucket; /* [I] */
	u32 bits;                    /* [I] */
	bool woken;                  /* [bucket lock] off the list */
	struct waitq queue;          /* the sleeper itself */
};

struct futex_bucket {
	struct spinlock lock; /* RANK_FUTEX */
	struct list waiters;
};

static struct futex_bucket buckets[BUCKETS] = {
        [0 ... BUCKETS - 1] = {.lock = SPINLOCK_INIT("futex", RANK_FUTEX)},
};

static struct futex_bucket *bucket_of(const struct futex_key *k)
{
	u64 h = (k->space ^ k->word) * 0x9e3779b97f4a7c15UL;

	return &buckets[h >> 56];
}

static void bucket_ready(struct futex_bucket *b)
{
	if (!b->waiters.next)
		list_init(&b->waiters);
}

static bool key_equal(const struct futex_key *a, const struct futex_key *b)
{
	return a->space == b->space && a->word == b->word;
}

/* key_get: touches the word, so that a shared one has a frame. */
static int key_get(uaddr_t addr, bool private, struct futex_key *ret)
{
	struct aspace *as = thread_current()->aspace;
	u32 value;
	paddr_t pa;

	if (addr.va & 3)
		return -EINVAL;
	if (user_load32(addr, &value) < 0)
		return -EFAULT;
	if (private || !aspace_shared_frame(as, addr.va, &pa))
		*ret = (struct futex_key){(u64)as, addr.va};
	else
		*ret = (struct futex_key){0, pa + (addr.va & PAGE_MASK)};
	return 0;
}

static bool waiter_woken(struct futex_waiter *w)
{
	return atomic_load(&w->woken);
}

/* waiter_leave: off its bucket. => whether it had been woken */
static bool waiter_leave(struct futex_waiter *w)
{
	bool woken = false;

	WITH_LOCK (&w->bucket->lock) {
		woken = w->woken;
		if (!woken)
			list_remove(&w->link);
	}
	return woken;
}

i64 futex_wait(uaddr_t addr, u32 value, u32 bits, bool private, u64 deadline)
{
	struct futex_waiter w = {.bits = bits};
	u32 now;
	int err = bits ? key_get(addr, private, &w.key) : -EINVAL;

	if (err)
		return err;
	waitq_init(&w.queue);
	w.bucket = bucket_of(&w.key);
	WITH_LOCK (&w.bucket->lock) {
		bucket_ready(w.bucket);
		list_push_back(&w.bucket->waiters, &w.link);
	}
	if (user_load32(addr, &now) < 0)
		err = -EFAULT;
	else if (now != value)
		err = -EAGAIN;
	else
		err = wait_event(&w.queue, WAIT_INTERRUPTIBLE, deadline, waiter_woken(&w));
	return waiter_leave(&w) ? 0 : err;
}

/* waiter_wake: => bucket lock held. After woken is set the waiter's stack may be gone: wake under the lock. */
static void waiter_wake(struct futex_waiter *w)
{
	list_remove(&w->link);
	w->woken = true;
	waitq_wake_all(&w->queue);
}

static u32 wake_key(const struct futex_key *key, u32 most, u32 bits)
{
	struct futex_bucket *b = bucket_of(key);
	struct futex_waiter *w, *next;
	u32 n = 0;

	WITH_LOCK (&b->lock) {
		bucket_ready(b);
		list_for_each_safe (w, next, &b->waiters, link) {
			if (n == most)
				break;
			if (!key_equal(&w->key, key) || !(w->bits & bits))
				continue;
			waiter_wake(w);
			n++;
		}
	}
	return n;
}

i64 futex_wake(uaddr_t addr, u32 most, u32 bits, bool private)
{
	struct futex_key key;
	int err = bits ? key_get(addr, private, &key) : -EINVAL;

	return err ? err : wake_key(&key, most, bits);
}

void futex_wake_word(uaddr_t addr)
{
	struct futex_key key;

	for (int private = 0; private < 2; private ++)
		if (key_get(addr, private, &key) == 0)
			wake_key(&key, 1, ~0U);
}

i64 futex_requeue(uaddr_t addr, uaddr_t to, u32 most, u32 move, bool private, bool check, u32 value)
{
	struct futex_key from_key, to_key;
	struct futex_waiter *w, *next;
	u32 now, moved = 0;
	int err = key_get(addr, private, &from_key);

	if (!err)
		err = key_get(to, private, &to_key);
	if (!err && check && (user_load32(addr, &now) < 0 || now != value))
		err = -EAGAIN;
	if (err)
		return err;
	u32 woken = wake_key(&from_key, most, ~0U);
	struct futex_bucket *a = bucket_of(&from_key), *b = bucket_of(&to_key);
	/* Two buckets are never locked at once: a waiter that would have to change buckets is woken instead. It returns 0
	 * to its caller, who looks at his own word again, as after any wake that came for nothing (futex(2)). */
	WITH_LOCK (&a->lock) {
		bucket_ready(a);
		if (a == b) {
			list_for_each (w, &a->waiters, link) {
				if (moved < move && key_equal(&w->key, &from_key)) {
					w->key = to_key;
					moved++;
				}
			}
		} else {
			list_for_each_safe (w, next, &a->waiters, link) {
				if (moved == move || !key_equal(&w->key, &from_key))
					continue;
				waiter_wake(w);
				moved++;
			}
		}
	}
	return woken + moved;
}
