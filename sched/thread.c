/* Threads: making them, their weights. */
#include "hal/base/assert.h"
#include "hal/base/string.h"
#include "hal/cpu/cpu.h"
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
	t->weight = 1024;
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

void thread_set_nice(struct thread *t, int nice)
{
	/* Each level is a tenth more or less of the CPU (sched(7)); 1024 * 1.25^-nice */
	static const u32 weights[40] = {
	        88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916, 9548, 7620, 6100, 4904,
	        3906,  3121,  2501,  1991,  1586,  1277,  1024,  820,   655,   526,   423,  335,  272,  215,
	        172,   137,   110,   87,    70,    56,    45,    36,    29,    23,    18,   15,
	};

	write_once(t->weight, weights[MAX(-20, MIN(19, nice)) + 20]);
}
