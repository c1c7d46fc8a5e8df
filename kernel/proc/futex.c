/* Futexes: sleepers hang in hashed buckets. The word is compared while its bucket is locked, and a waker locks the
 * bucket after it has changed the word: it finds the sleeper, or the sleeper the new value.
 *
 * Under a bucket's lock a page of ring 3 that is not there cannot be had: the access fails, and is made once more after
 * the page was touched without the lock.
 *
 * U1: two buckets are locked in order of their addresses.
 * U2: a sleeper is in the list of the bucket of its key, until it was woken. */
#include "kernel/proc/futex.h"
#include "hal/base/atomic.h"
#include "hal/base/list.h"
#include "hal/base/sabotage.h"
#include "kernel/abi/linux.h"
#include "kernel/proc/proc.h"
#include "vm/aspace.h"
#include "vm/kmem.h"
#include "vm/uaccess.h"

#define BUCKETS 256
#define ROBUST_MAX 2048 /* entries of a robust list that are looked at, as on Linux */

struct futex_key {
	u64 space; /* address space, plus one for a word that was called shared and is not; or 0 for a shared one */
	u64 word; /* virtual address, or physical for a shared one */
};

enum waiter_state {
	WAITER_QUEUED,
	WAITER_WOKEN, /* of a lock with an owner: that is gone, and it may be taken */
	WAITER_OWNER, /* of a lock with an owner: it is the waiter's now */
};

struct futex_waiter {
	struct list link;            /* [bucket lock] */
	struct futex_key key;        /* [bucket lock] */
	struct futex_bucket *bucket; /* [bucket lock] */
	u32 bits;                    /* [I] */
	enum waiter_state state;     /* [bucket lock] */
	pid_t owner;                 /* [bucket lock] who has the lock that it waits for; 0: a plain futex */
	struct task *task;           /* [I] */
	struct waitq *queue;         /* [I] where the task sleeps */
};

struct futex_bucket {
	struct spinlock lock; /* RANK_FUTEX */
	struct list waiters;
};

static struct futex_bucket buckets[BUCKETS] = {
        [0 ... BUCKETS - 1] = {.lock = SPINLOCK_INIT("futex", RANK_FUTEX)},
};

/* --- keys and buckets --- */

static struct futex_bucket *bucket_of(const struct futex_key *k)
{
	u64 h = (k->space ^ k->word) * 0x9e3779b97f4a7c15UL;

	return &buckets[h >> 56];
}

static void bucket_lock(struct futex_bucket *b)
{
	spin_lock(&b->lock);
	if (!b->waiters.next)
		list_init(&b->waiters);
}

/* U1; A may be B. */
static void pair_lock(struct futex_bucket *a, struct futex_bucket *b)
{
	bucket_lock(MIN(a, b));
	if (a != b)
		bucket_lock(MAX(a, b));
}

static void pair_unlock(struct futex_bucket *a, struct futex_bucket *b)
{
	if (a != b)
		spin_unlock(&b->lock);
	spin_unlock(&a->lock);
}

static bool key_equal(const struct futex_key *a, const struct futex_key *b)
{
	return a->space == b->space && a->word == b->word;
}

/* key_get: a shared word is touched, so that it has a frame. => 0, -EINVAL, -EFAULT */
static int key_get(uaddr_t addr, bool private, struct futex_key *ret)
{
	struct aspace *as = thread_current()->aspace;
	u32 value;
	paddr_t pa;

	if (addr.va & 3)
		return -EINVAL;
	if (!user_range_ok(addr, sizeof(value)))
		return -EFAULT;
	if (private) {
		*ret = (struct futex_key){(u64)as, addr.va};
		return 0;
	}
	if (user_load32(addr, &value) < 0)
		return -EFAULT;
	if (aspace_shared_frame(as, addr.va, &pa))
		*ret = (struct futex_key){0, pa + (addr.va & PAGE_MASK)};
	else
		*ret = (struct futex_key){(u64)as + 1, addr.va};
	return 0;
}

/* touch: make the word's page one that can be read, or written. => 0 or -EFAULT */
static int touch(uaddr_t addr, bool write)
{
	u32 value;
	int err = user_load32(addr, &value);

	return err || !write ? err : user_cas32(addr, value, value, &value);
}

/* --- waiters --- */

/* => bucket lock held */
static void waiter_queue(struct futex_waiter *w, struct futex_bucket *b)
{
	w->bucket = b;
	w->state = WAITER_QUEUED;
	list_push_back(&b->waiters, &w->link);
}

/* waiter_wake: bucket lock held. Once it is let go, the waiter's stack may be gone. */
static void waiter_wake(struct futex_waiter *w, enum waiter_state state)
{
	list_remove(&w->link);
	atomic_store(&w->state, state);
	if (!sabotage(futex_wake))
		waitq_wake_all(w->queue);
}

static bool waiter_woken(struct futex_waiter *w)
{
	return atomic_load(&w->state) != WAITER_QUEUED;
}

/* waiter_leave: off its bucket, whichever that is by now. => how it was left */
static enum waiter_state waiter_leave(struct futex_waiter *w)
{
	struct futex_bucket *b = read_once(w->bucket);

	bucket_lock(b);
	while (b != w->bucket) {
		spin_unlock(&b->lock);
		b = read_once(w->bucket);
		bucket_lock(b);
	}
	enum waiter_state state = w->state;
	if (state == WAITER_QUEUED)
		list_remove(&w->link);
	spin_unlock(&b->lock);
	return state;
}

/* --- waiting --- */

/* enter: queue W if the word is as told. => 0, -EAGAIN, -EFAULT, -EINVAL */
static int enter(struct futex_waiter *w, const struct futex_word *word)
{
	u32 now;

	for (;;) {
		int err = key_get(word->addr, word->private, &w->key);

		if (err)
			return err;
		struct futex_bucket *b = bucket_of(&w->key);
		bucket_lock(b);
		err = user_load32_atomic(word->addr, &now);
		if (!err && now != word->value)
			err = -EAGAIN;
		if (!err)
			waiter_queue(w, b);
		spin_unlock(&b->lock);
		if (err != -EFAULT || touch(word->addr, false) < 0)
			return err;
	}
}

i64 futex_wait(uaddr_t addr, u32 value, u32 bits, bool private, u64 deadline)
{
	struct futex_word word = {addr, value, private};
	struct waitq queue;
	struct futex_waiter w = {.bits = bits, .task = task_current(), .queue = &queue};
	int err = bits ? 0 : -EINVAL;

	waitq_init(&queue);
	if (!err)
		err = enter(&w, &word);
	if (err)
		return err;
	err = wait_event(&queue, WAIT_INTERRUPTIBLE, deadline, waiter_woken(&w));
	return waiter_leave(&w) == WAITER_WOKEN ? 0 : err;
}

/* leave_all: => the index of one of the N that was woken, or -1 */
static i64 leave_all(struct futex_waiter *w, u32 n)
{
	i64 woken = -1;

	for (u32 i = 0; i < n; i++)
		if (waiter_leave(&w[i]) == WAITER_WOKEN)
			woken = i;
	return woken;
}

static bool any_woken(struct futex_waiter *w, u32 n)
{
	for (u32 i = 0; i < n; i++)
		if (waiter_woken(&w[i]))
			return true;
	return false;
}

i64 futex_wait_any(const struct futex_word *words, u32 n, u64 deadline)
{
	struct futex_waiter *w = kmalloc(n * sizeof(*w));
	struct waitq queue;
	u32 entered = 0;
	int err = w ? 0 : -ENOMEM;

	waitq_init(&queue);
	for (; entered < n && !err; entered += !err) {
		w[entered] = (struct futex_waiter){
		        .bits = FUTEX_BITSET_MATCH_ANY, .task = task_current(), .queue = &queue};
		err = enter(&w[entered], &words[entered]);
	}
	if (!err)
		err = wait_event(&queue, WAIT_INTERRUPTIBLE, deadline, any_woken(w, n));
	i64 woken = leave_all(w, entered);
	kfree(w);
	return woken >= 0 ? woken : err;
}

/* --- waking --- */

/* wake_key: B is the key's bucket, and locked. => number woken; -EINVAL: somebody waits for an owner there */
static i64 wake_key(struct futex_bucket *b, const struct futex_key *key, int most, u32 bits)
{
	struct futex_waiter *w, *next;
	int n = 0;

	list_for_each_safe (w, next, &b->waiters, link) {
		if (!key_equal(&w->key, key))
			continue;
		if (w->owner)
			return -EINVAL;
		if (!(w->bits & bits))
			continue;
		waiter_wake(w, WAITER_WOKEN);
		if (++n >= most)
			break;
	}
	return n;
}

i64 futex_wake(uaddr_t addr, int most, u32 bits, bool private)
{
	struct futex_key key;
	i64 n = bits ? key_get(addr, private, &key) : -EINVAL;

	if (n)
		return n;
	struct futex_bucket *b = bucket_of(&key);
	bucket_lock(b);
	n = wake_key(b, &key, most, bits);
	spin_unlock(&b->lock);
	return n;
}

/* requeue: both buckets locked. => number woken and moved, or -EINVAL */
static i64 requeue(const struct futex_requeue *r, const struct futex_key *from, const struct futex_key *to)
{
	struct futex_bucket *a = bucket_of(from), *b = bucket_of(to);
	struct futex_waiter *w, *next;
	int n = 0;

	list_for_each_safe (w, next, &a->waiters, link) {
		if (n - r->wake >= r->move)
			break;
		if (!key_equal(&w->key, from))
			continue;
		if (w->owner)
			return -EINVAL;
		if (++n <= r->wake) {
			waiter_wake(w, WAITER_WOKEN);
			continue;
		}
		w->key = *to;
		if (a != b) { /* U2 */
			list_remove(&w->link);
			list_push_back(&b->waiters, &w->link);
			write_once(w->bucket, b);
		}
	}
	return n;
}

i64 futex_requeue(const struct futex_requeue *r)
{
	struct futex_key from, to;
	u32 now = r->value;

	if (r->wake < 0 || r->move < 0)
		return -EINVAL;
	for (;;) {
		i64 n = key_get(r->from, r->private, &from);

		if (!n)
			n = key_get(r->to, r->private, &to);
		if (n)
			return n;
		struct futex_bucket *a = bucket_of(&from), *b = bucket_of(&to);
		pair_lock(a, b);
		if (r->check)
			n = user_load32_atomic(r->from, &now);
		if (!n)
			n = now == r->value ? requeue(r, &from, &to) : -EAGAIN;
		pair_unlock(a, b);
		if (n != -EFAULT || touch(r->from, false) < 0)
			return n;
	}
}

/* --- FUTEX_WAKE_OP: OP is four bits of operation, four of comparison, and twelve each of their signed operands --- */

static i32 op_operand(u32 op, u32 shift)
{
	return (i32)(op << (20 - shift)) >> 20;
}

/* op_compute: => 0 and the word's new value, or -ENOSYS */
static int op_compute(u32 op, u32 old, u32 *ret)
{
	u32 arg = (u32)op_operand(op, 12);

	if (op >> 28 & FUTEX_OP_OPARG_SHIFT)
		arg = 1U << (arg & 31);
	switch (op >> 28 & ~FUTEX_OP_OPARG_SHIFT) {
	case FUTEX_OP_SET:
		*ret = arg;
		return 0;
	case FUTEX_OP_ADD:
		*ret = old + arg;
		return 0;
	case FUTEX_OP_OR:
		*ret = old | arg;
		return 0;
	case FUTEX_OP_ANDN:
		*ret = old & ~arg;
		return 0;
	case FUTEX_OP_XOR:
		*ret = old ^ arg;
		return 0;
	default:
		return -ENOSYS;
	}
}

/* op_compare: => 0, 1, or -ENOSYS */
static int op_compare(u32 op, u32 word)
{
	i32 old = (i32)word, arg = op_operand(op, 0);

	switch (op >> 24 & 15) {
	case FUTEX_OP_CMP_EQ:
		return old == arg;
	case FUTEX_OP_CMP_NE:
		return old != arg;
	case FUTEX_OP_CMP_LT:
		return old < arg;
	case FUTEX_OP_CMP_LE:
		return old <= arg;
	case FUTEX_OP_CMP_GT:
		return old > arg;
	case FUTEX_OP_CMP_GE:
		return old >= arg;
	default:
		return -ENOSYS;
	}
}

/* op_apply: change the word in one step. => as op_compare, or -EFAULT */
static int op_apply(uaddr_t addr, u32 op)
{
	u32 old, now, new;
	int err = user_load32_atomic(addr, &now);

	do {
		old = now;
		if (!err)
			err = op_compute(op, old, &new);
		if (!err)
			err = user_cas32_atomic(addr, old, new, &now);
	} while (!err && now != old);
	return err ? err : op_compare(op, old);
}

i64 futex_wake_op(uaddr_t addr, int most, uaddr_t other, int other_most, u32 op, bool private)
{
	struct futex_key key, other_key;

	for (;;) {
		i64 n = key_get(addr, private, &key);

		if (!n)
			n = key_get(other, private, &other_key);
		if (n)
			return n;
		struct futex_bucket *a = bucket_of(&key), *b = bucket_of(&other_key);
		pair_lock(a, b);
		int also = op_apply(other, op);
		n = also < 0 ? also : wake_key(a, &key, most, FUTEX_BITSET_MATCH_ANY);
		if (n >= 0 && also) {
			i64 more = wake_key(b, &other_key, other_most, FUTEX_BITSET_MATCH_ANY);

			n = more < 0 ? more : n + more;
		}
		pair_unlock(a, b);
		if (n != -EFAULT || touch(other, true) < 0)
			return n;
	}
}

/* --- locks with an owner --- */

/* heir: who has waited longest after W (NULL: of all). => bucket lock held; NULL: nobody */
static struct futex_waiter *heir(struct futex_bucket *b, const struct futex_key *key, struct futex_waiter *w)
{
	for (struct list *l = w ? w->link.next : b->waiters.next; l != &b->waiters; l = l->next) {
		w = list_entry(l, struct futex_waiter, link);
		if (w->owner && key_equal(&w->key, key))
			return w;
	}
	return NULL;
}

/* belongs_to: those who wait in B for the lock wait for its owner NR from now on. => bucket lock held */
static void belongs_to(struct futex_bucket *b, const struct futex_key *key, pid_t nr)
{
	for (struct futex_waiter *w = heir(b, key, NULL); w; w = heir(b, key, w))
		w->owner = nr;
}

/* inherit: W is the first who waits for its lock, and is woken for good or to take it. The others wait for W now, which
 * looks at that when it ends. => bucket lock held */
static void inherit(struct futex_bucket *b, struct futex_waiter *w, enum waiter_state state)
{
	write_once(w->task->awaited, true);
	waiter_wake(w, state);
	belongs_to(b, &w->key, w->task->pid->nr);
}

/* acquire: take the lock if nobody has it, or GONE; otherwise mark that somebody waits, but not to TRY. Bucket lock held.
 * => 0, -EDEADLK, -EFAULT, or 1 and the owner */
static int acquire(struct futex_bucket *b, const struct futex_key *key, uaddr_t addr, bool try, pid_t gone,
                   pid_t *ret_owner)
{
	struct task *me = task_current();
	u32 now, old, new;
	pid_t owner;
	int err = user_load32_atomic(addr, &now);

	do {
		if (err)
			return err;
		old = now;
		owner = (pid_t)(old & FUTEX_TID_MASK);
		if (owner == me->pid->nr)
			return -EDEADLK;
		if (!owner || owner == gone)
			new = (u32)me->pid->nr | (old & FUTEX_OWNER_DIED) | (owner ? FUTEX_OWNER_DIED : 0) |
			      (heir(b, key, NULL) ? FUTEX_WAITERS : 0);
		else
			new = try ? old : old | FUTEX_WAITERS;
		err = new == old ? 0 : user_cas32_atomic(addr, old, new, &now);
	} while (err || now != old);
	bool mine = !owner || owner == gone;
	belongs_to(b, key, mine ? me->pid->nr : owner);
	if (mine && heir(b, key, NULL))
		write_once(me->awaited, true);
	*ret_owner = owner;
	return !mine;
}

/* owner_await: the task with this number will look for who waits for it, when it ends. => false: there is none */
static bool owner_await(pid_t nr)
{
	bool found = false;

	WITH_LOCK (&proc_lock) {
		struct pid *pid = pid_find(nr);

		found = pid && pid->task && !list_empty(&pid->task->link);
		if (found)
			write_once(pid->task->awaited, true);
	}
	return found;
}

/* still_owned: the word names the same owner as before. */
static bool still_owned(uaddr_t addr, pid_t owner)
{
	u32 now;

	return user_load32(addr, &now) == 0 && (pid_t)(now & FUTEX_TID_MASK) == owner;
}

i64 futex_lock(uaddr_t addr, bool private, bool try, u64 deadline)
{
	struct waitq queue;
	struct futex_waiter w = {.task = task_current(), .queue = &queue};
	pid_t gone = 0;

	waitq_init(&queue);
	for (;;) {
		int err = key_get(addr, private, &w.key);

		if (err)
			return err;
		struct futex_bucket *b = bucket_of(&w.key);
		bucket_lock(b);
		err = acquire(b, &w.key, addr, try, gone, &w.owner);
		if (err == 1 && !try)
			waiter_queue(&w, b);
		spin_unlock(&b->lock);
		if (err == -EFAULT && touch(addr, true) == 0)
			continue;
		if (err <= 0 || try)
			return err == 1 ? -EAGAIN : err;

		pid_t owner = w.owner;
		bool found = owner_await(owner);
		if (found)
			err = wait_event(&queue, WAIT_INTERRUPTIBLE, deadline, waiter_woken(&w));
		switch (waiter_leave(&w)) {
		case WAITER_OWNER:
			return 0;
		case WAITER_WOKEN:
			gone = w.owner;
			break;
		case WAITER_QUEUED:
			if (found)
				return err == -ERESTARTSYS ? -ERESTARTNOINTR : err;
			if (still_owned(addr, owner))
				return -ESRCH;
		}
	}
}

/* release: => bucket lock held; 0, -EPERM, -EFAULT */
static int release(struct futex_bucket *b, const struct futex_key *key, uaddr_t addr)
{
	struct futex_waiter *next = heir(b, key, NULL);
	u32 new = next ? (u32)next->task->pid->nr | (heir(b, key, next) ? FUTEX_WAITERS : 0) : 0;
	u32 now, old;
	int err = user_load32_atomic(addr, &now);

	do {
		if (err)
			return err;
		old = now;
		if ((pid_t)(old & FUTEX_TID_MASK) != task_current()->pid->nr)
			return -EPERM;
		err = user_cas32_atomic(addr, old, new, &now);
	} while (err || now != old);
	if (next)
		inherit(b, next, WAITER_OWNER);
	return 0;
}

i64 futex_unlock(uaddr_t addr, bool private)
{
	struct futex_key key;

	for (;;) {
		int err = key_get(addr, private, &key);

		if (err)
			return err;
		struct futex_bucket *b = bucket_of(&key);
		bucket_lock(b);
		err = release(b, &key, addr);
		spin_unlock(&b->lock);
		if (err != -EFAULT || touch(addr, true) < 0)
			return err;
	}
}

void futex_owner_gone(struct task *t, pid_t nr)
{
	struct futex_waiter *w, *next;

	for (u32 i = 0; read_once(t->awaited) && i < BUCKETS; i++) {
		bucket_lock(&buckets[i]);
		list_for_each_safe (w, next, &buckets[i].waiters, link)
			if (w->owner == nr)
				inherit(&buckets[i], w, WAITER_WOKEN);
		spin_unlock(&buckets[i].lock);
	}
}

/* --- leaving an address space --- */

/* owner_died: the lock at ADDR was perhaps T's. PENDING: T was about to take it or to give it back, and may have died
 * before it woke the next. => false: there is no such word */
static bool owner_died(const struct task *t, uaddr_t addr, bool pi, bool pending)
{
	u32 old, now;

	if ((addr.va & 3) || user_load32(addr, &now) < 0)
		return false;
	do {
		u32 owner = now & FUTEX_TID_MASK;

		old = now;
		if (owner != (u32)t->pid->nr) {
			if (pending && !pi && !owner)
				futex_wake(addr, 1, FUTEX_BITSET_MATCH_ANY, false);
			return true;
		}
		if (user_cas32(addr, old, (old & FUTEX_WAITERS) | FUTEX_OWNER_DIED, &now) < 0)
			return false;
	} while (now != old);
	if (!pi && (old & FUTEX_WAITERS))
		futex_wake(addr, 1, FUTEX_BITSET_MATCH_ANY, false);
	return true;
}

/* An entry of a robust list: the address of the next, its lowest bit set for a lock with an owner. */
static bool entry_get(u64 from, u64 *ret)
{
	return copyin(ret, UADDR(from), sizeof(*ret)) == 0;
}

/* Ring 3's list may be anything: ever the same entry, or the middle of nowhere. */
static void robust_walk(const struct task *t)
{
	struct robust_list_head head;
	u64 start = t->robust_list.va, entry, next = 0;

	if (!start || sabotage(robust_list) || copyin(&head, t->robust_list, sizeof(head)) < 0)
		return;
	u64 pending = (u64)head.list_op_pending;
	entry = (u64)head.list.next;
	for (u32 n = 0; n < ROBUST_MAX && (entry & ~1UL) != start; n++, entry = next) {
		bool more = entry_get(entry & ~1UL, &next); /* before its owner may free it */
		uaddr_t word = UADDR((entry & ~1UL) + (u64)head.futex_offset);

		if ((entry & ~1UL) != (pending & ~1UL) && !owner_died(t, word, entry & 1, false))
			return;
		if (!more)
			return;
	}
	if (pending & ~1UL)
		owner_died(t, UADDR((pending & ~1UL) + (u64)head.futex_offset), pending & 1, true);
}

void futex_leave_space(struct task *t)
{
	u32 zero = 0;

	robust_walk(t);
	t->robust_list = UADDR(0);
	/* Alone in the space there is nobody to be told. */
	if (t->clear_child_tid.va && read_once(t->thread.aspace->refs) > 1 &&
	    copyout(t->clear_child_tid, &zero, sizeof(zero)) == 0)
		futex_wake(t->clear_child_tid, 1, FUTEX_BITSET_MATCH_ANY, false);
	t->clear_child_tid = UADDR(0);
}
