/* Numbers. They are given out in ascending order and used again only after the range has been gone through, so that a
 * number that just ended does not name somebody else. */
#include "hal/base/sabotage.h"
#include "hal/base/string.h"
#include "kernel/proc/proc.h"
#include "vm/kmem.h"

#define HASH_BITS 10
#define FIRST_AGAIN 300 /* the numbers below are left to those that started early */

struct spinlock proc_lock = SPINLOCK_INIT("proc", RANK_PROC);

static struct list hash[1 << HASH_BITS]; /* [proc_lock] */
static pid_t last_nr;                    /* [proc_lock] */
static struct kmem_cache *pid_cache;

void pid_init(void)
{
	pid_cache = kmem_cache_create("pid", sizeof(struct pid), 16);
	for (u32 i = 0; i < ARRAY_SIZE(hash); i++)
		list_init(&hash[i]);
}

static struct list *bucket(pid_t nr)
{
	return &hash[(u32)nr & (ARRAY_SIZE(hash) - 1)];
}

struct pid *pid_find(pid_t nr)
{
	struct pid *p;

	spin_assert_held(&proc_lock);
	list_for_each (p, bucket(nr), hash)
		if (p->nr == nr)
			return p;
	return NULL;
}

/* next_free: => 0 when all are taken. proc_lock held. */
static pid_t next_free(void)
{
	pid_t nr = last_nr;

	for (u32 tries = 0; tries < PID_MAX; tries++) {
		nr = nr + 1 < PID_MAX ? nr + 1 : FIRST_AGAIN;
		if (!pid_find(nr))
			return nr;
	}
	return 0;
}

int pid_alloc(struct pid **ret)
{
	struct pid *p = kmem_cache_alloc(pid_cache);

	if (!p)
		return -ENOMEM;
	*p = (struct pid){.refs = 1};
	waitq_init(&p->ended);
	list_init(&p->group);
	list_init(&p->session);
	WITH_LOCK (&proc_lock) {
		p->nr = next_free();
		if (p->nr) {
			last_nr = p->nr;
			list_push_front(bucket(p->nr), &p->hash);
		}
	}
	if (!p->nr) {
		kmem_cache_free(pid_cache, p);
		return -EAGAIN;
	}
	*ret = p;
	return 0;
}

void pid_get(struct pid *p)
{
	ref_get(&p->refs);
}

/* pid_put: proc_lock held, because the last reference takes it out of the hash. */
void pid_put(struct pid *p)
{
	spin_assert_held(&proc_lock);
	if (!ref_put(&p->refs) || (sabotage(pid_leak) && p->nr % 16 == 0))
		return;
	list_remove(&p->hash);
	kmem_cache_free(pid_cache, p);
}

pid_t proc_last_pid(void)
{
	return read_once(last_nr);
}
