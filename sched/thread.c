/* Threads: making them, their weights. */
#include "hal/base/assert.h"
#include "hal/base/sabotage.h"
#include "hal/base/string.h"
#include "hal/cpu/cpu.h"
#include "hal/cpu/random.h"
#include "kernel/abi/errno.h"
#include "sched/internal.h"
#include "vm/aspace.h"
#include "vm/kmem.h"

struct start {
	void (*fn)(void *);
	void *arg;
};

/* The first function on a fresh stack; START lies at the stack's bottom. */
static void thread_main(void *arg)
{
	struct start s = *(struct start *)arg;

	switch_finish();
	irq_enable();
	s.fn(s.arg);
	thread_exit();
}

int thread_init(struct thread *t, const char *name, void (*fn)(void *), void *arg)
{
	if (kstack_alloc(t) < 0)
		return -ENOMEM;
	t->cpu.canary = sabotage(canary) ? 0 : random_u64() & ~0xffUL; /* no string can hold a zero */
	t->weight = 1024;
	list_init(&t->rt_link);
	t->state = THREAD_NEW;
	str_copy(t->name, name, sizeof(t->name));
	*(struct start *)t->kstack = (struct start){fn, arg};
	t->cpu.sp = cpu_prepare_stack(t->cpu.kstack_top, thread_main, t->kstack);
	return 0;
}

void thread_release(struct thread *t)
{
	assert(t->state == THREAD_NEW);
	kstack_free(t);
}

static void spawned_dead(struct thread *t)
{
	kfree(t);
}

int thread_spawn(const char *name, void (*fn)(void *), void *arg)
{
	struct thread *t = kzalloc(sizeof(*t));
	int err = t ? thread_init(t, name, fn, arg) : -ENOMEM;

	if (err) {
		kfree(t);
		return err;
	}
	t->on_dead = spawned_dead;
	thread_start(t);
	return 0;
}

struct aspace *thread_set_aspace(struct aspace *as)
{
	struct thread *t = thread_current();
	struct aspace *old = t->aspace;

	preempt_disable();
	t->aspace = as;
	if (as)
		pmap_activate(&as->pmap);
	else
		pmap_activate_kernel();
	preempt_enable();
	return old;
}
