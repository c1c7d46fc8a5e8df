/* Semaphores (semget(2)). A call's operations are done all at once or not at all; who waits tries again whenever the
 * set has changed. */
#include "hal/base/string.h"
#include "kernel/proc/proc.h"
#include "kernel/sys/ipc.h"
#include "kernel/sys/syscall.h"
#include "kernel/sys/usertime.h"
#include "vm/kmem.h"

#define VALUE_MAX 32767 /* SEMVMX */
#define SET_MAX 32000U  /* semaphores of a set: SEMMSL */
#define OPS_MAX 500U    /* of one call: SEMOPM */
#define OPS_FEW 8U

struct sem {
	u16 value;
	pid_t last;
	u32 wait_more, wait_zero; /* threads that wait for it to grow, to be zero */
};

struct sem_set {
	struct ipc_object ipc; /* first */
	u32 count;             /* [I] */
	i64 otime, ctime;      /* [V1] s */
	struct list undos;     /* [V1] struct undo by set_link */
	struct sem sems[];     /* [V1] */
};

/* What a process wants undone at its end. */
struct undo {
	struct list set_link, proc_link; /* [V1] */
	struct sem_set *set;             /* [I] */
	struct proc *proc;               /* [I] */
	i16 adjust[];                    /* [V1] of each semaphore of the set */
};

static void undo_free(struct undo *u)
{
	list_remove(&u->set_link);
	list_remove(&u->proc_link);
	kfree(u);
}

static void set_free(struct ipc_object *o)
{
	kfree(o);
}

static struct ipc_table sets = {.free = set_free};

static int enough(const struct ipc_object *o, u64 count)
{
	return count > ((const struct sem_set *)o)->count ? -EINVAL : 0;
}

i64 sys_semget(int key, int count, int flags)
{
	struct sem_set *s;

	if (count < 0 || (u32)count > SET_MAX)
		return -EINVAL;
	if (!count && key == IPC_PRIVATE)
		return -EINVAL;
	if (!count) /* only what is there */
		flags &= ~IPC_CREAT;
	if (!(s = kzalloc(sizeof(*s) + count * sizeof(s->sems[0]))))
		return -ENOMEM;
	ipc_init(&s->ipc);
	s->count = count;
	s->ctime = ipc_seconds();
	list_init(&s->undos);
	return ipc_get(&sets, key, flags, &s->ipc, enough, count);
}

/* --- operations --- */

struct call {
	struct sem_set *set;
	struct sembuf *ops;
	u32 count;
	struct undo *undo; /* of the caller, or NULL: nothing is to be undone */
	u32 blocked;       /* the operation that cannot be done yet */
	bool counted;      /* as one who waits for it */
};

#define MUST_WAIT 1

/* op_try => 0; MUST_WAIT; -ERANGE */
static int op_try(struct call *c, const struct sembuf *op)
{
	struct sem *s = &c->set->sems[op->num];
	int value = s->value + op->op, adjust;

	if (op->op == 0 ? s->value != 0 : value < 0)
		return MUST_WAIT;
	if (value > VALUE_MAX)
		return -ERANGE;
	if (op->flags & SEM_UNDO) {
		adjust = c->undo->adjust[op->num] - op->op;
		if (adjust < -VALUE_MAX - 1 || adjust > VALUE_MAX)
			return -ERANGE;
		c->undo->adjust[op->num] = adjust;
	}
	s->value = value;
	return 0;
}

static void ops_undo(struct call *c, u32 n)
{
	while (n--) {
		const struct sembuf *op = &c->ops[n];

		c->set->sems[op->num].value -= op->op;
		if (op->flags & SEM_UNDO)
			c->undo->adjust[op->num] += op->op;
	}
}

static void ops_done(struct call *c)
{
	for (u32 i = 0; i < c->count; i++)
		c->set->sems[c->ops[i].num].last = proc_current()->pid->nr;
	c->set->otime = ipc_seconds();
	waitq_wake_all(&c->set->ipc.wait);
}

/* ops_try: V1 => 0; MUST_WAIT; -EAGAIN; -ERANGE; -EIDRM */
static int ops_try(struct call *c)
{
	int r = 0;
	u32 i;

	if (c->set->ipc.removed)
		return -EIDRM;
	for (i = 0; i < c->count && !r; i++)
		r = op_try(c, &c->ops[i]);
	if (!r) {
		ops_done(c);
		return 0;
	}
	ops_undo(c, --i);
	c->blocked = i;
	return r == MUST_WAIT && (c->ops[i].flags & IPC_NOWAIT) ? -EAGAIN : r;
}

/* count_waiter: V1 */
static void count_waiter(struct call *c, bool waits)
{
	const struct sembuf *op = &c->ops[c->blocked];
	struct sem *s = &c->set->sems[op->num];

	if (c->counted == waits)
		return;
	c->counted = waits;
	if (op->op)
		s->wait_more += waits ? 1 : -1;
	else
		s->wait_zero += waits ? 1 : -1;
}

static int call_try(struct call *c)
{
	int r;

	WITH_LOCK (&ipc_lock) {
		count_waiter(c, false);
		r = ops_try(c);
		count_waiter(c, r == MUST_WAIT);
	}
	return r;
}

static int call_wait(struct call *c, u64 deadline)
{
	int r = call_try(c), err;

	if (r != MUST_WAIT)
		return r;
	err = wait_event(&c->set->ipc.wait, WAIT_INTERRUPTIBLE, deadline, (r = call_try(c)) != MUST_WAIT);
	WITH_LOCK (&ipc_lock)
		count_waiter(c, false);
	if (err == -ETIMEDOUT)
		return -EAGAIN;
	return err < 0 ? -EINTR : r;
}

static struct undo *undo_find(struct sem_set *s, const struct proc *p)
{
	struct undo *u;

	list_for_each (u, &s->undos, set_link)
		if (u->proc == p)
			return u;
	return NULL;
}

/* undo_get: the caller's of a set that is held. => 0; -ENOMEM; -EIDRM */
static int undo_get(struct sem_set *s, struct undo **ret)
{
	struct undo *new = kzalloc(sizeof(*new) + s->count * sizeof(new->adjust[0]));
	int err = 0;

	if (!new)
		return -ENOMEM;
	new->set = s;
	new->proc = proc_current();
	list_init(&new->set_link);
	list_init(&new->proc_link);
	WITH_LOCK (&ipc_lock) {
		err = s->ipc.removed ? -EIDRM : 0;
		*ret = err ? NULL : undo_find(s, proc_current());
		if (err || *ret)
			break;
		list_push_back(&s->undos, &new->set_link);
		list_push_back(&proc_current()->sem_undos, &new->proc_link);
		*ret = new;
		new = NULL;
	}
	kfree(new);
	return err;
}

/* ops_check => 0; -EFBIG; *RET_ALTERS, *RET_UNDO: is any of them such? */
static int ops_check(const struct sembuf *ops, u32 n, u32 sems, bool *ret_undo)
{
	*ret_undo = false;
	for (u32 i = 0; i < n; i++) {
		if (ops[i].num >= sems)
			return -EFBIG;
		*ret_undo |= ops[i].flags & SEM_UNDO;
	}
	return 0;
}

static int call_run(struct call *c, u64 deadline)
{
	bool undo;
	int err = ops_check(c->ops, c->count, c->set->count, &undo);

	if (!err && undo)
		err = undo_get(c->set, &c->undo);
	return err < 0 ? err : call_wait(c, deadline);
}

static int set_hold(int id, u32 want, struct sem_set **ret)
{
	struct ipc_object *o;
	int err;

	WITH_LOCK (&ipc_lock) {
		err = ipc_find(&sets, id, want, &o);
		if (err)
			break;
		o->refs++;
		*ret = (struct sem_set *)o;
	}
	return err;
}

static void set_release(struct sem_set *s)
{
	WITH_LOCK (&ipc_lock)
		ipc_put(&sets, &s->ipc);
}

static int semop_with(int id, struct sembuf *ops, uaddr_t user, u32 n, u64 deadline)
{
	struct call c = {.ops = ops, .count = n};
	u32 want = 0444;
	int err;

	if (copyin(ops, user, n * sizeof(*ops)) < 0)
		return -EFAULT;
	for (u32 i = 0; i < n; i++)
		want = ops[i].op ? 0222 : want;
	if ((err = set_hold(id, want, &c.set)) < 0)
		return err;
	err = call_run(&c, deadline);
	set_release(c.set);
	return err;
}

i64 sys_semtimedop(int id, uaddr_t user, u32 n, uaddr_t timeout)
{
	struct sembuf few[OPS_FEW], *ops = few;
	u64 ns, deadline = CLOCK_NEVER;
	int err;

	if (!n || id < 0)
		return -EINVAL;
	if (n > OPS_MAX)
		return -E2BIG;
	if (timeout.va && (err = timespec_get(timeout, &ns)) < 0)
		return err;
	if (timeout.va)
		deadline = clock_mono() + ns;
	if (n > OPS_FEW && !(ops = kmalloc(n * sizeof(*ops))))
		return -ENOMEM;
	err = semop_with(id, ops, user, n, deadline);
	if (ops != few)
		kfree(ops);
	return err;
}

i64 sys_semop(int id, uaddr_t user, u32 n)
{
	return sys_semtimedop(id, user, n, UADDR(0));
}

void sem_exit(struct proc *p)
{
	WITH_LOCK (&ipc_lock)
		while (!list_empty(&p->sem_undos)) {
			struct undo *u = list_first(&p->sem_undos, struct undo, proc_link);

			for (u32 i = 0; i < u->set->count; i++) {
				struct sem *s = &u->set->sems[i];

				if (!u->adjust[i])
					continue;
				s->value = MIN(MAX(s->value + u->adjust[i], 0), VALUE_MAX);
				s->last = p->pid->nr;
			}
			waitq_wake_all(&u->set->ipc.wait);
			undo_free(u);
		}
}

/* --- semctl --- */

static void set_changed(struct sem_set *s)
{
	s->ctime = ipc_seconds();
	waitq_wake_all(&s->ipc.wait);
}

/* value_set: what was to be undone is so no longer. V1 */
static void value_set(struct sem_set *s, u32 i, u16 value)
{
	struct undo *u;

	s->sems[i].value = value;
	s->sems[i].last = proc_current()->pid->nr;
	list_for_each (u, &s->undos, set_link)
		u->adjust[i] = 0;
}

static i64 ctl_one(struct sem_set *s, u32 num, int cmd, int value)
{
	struct sem *sem = &s->sems[num];

	if (num >= s->count)
		return -EINVAL;
	switch (cmd) {
	case GETVAL:
		return sem->value;
	case GETPID:
		return sem->last;
	case GETNCNT:
		return sem->wait_more;
	case GETZCNT:
		return sem->wait_zero;
	default:
		if (value < 0 || value > VALUE_MAX)
			return -ERANGE;
		value_set(s, num, value);
		set_changed(s);
		return 0;
	}
}

/* ctl_all: GETALL, SETALL, through a copy. */
static i64 ctl_all(struct sem_set *s, int cmd, uaddr_t user)
{
	u64 size = s->count * sizeof(u16);
	u16 *values = kmalloc(size);
	i64 err = 0;

	if (!values)
		return -ENOMEM;
	if (cmd == SETALL && copyin(values, user, size) < 0)
		err = -EFAULT;
	for (u32 i = 0; !err && cmd == SETALL && i < s->count; i++)
		err = values[i] > VALUE_MAX ? -ERANGE : 0;
	if (!err)
		WITH_LOCK (&ipc_lock) {
			for (u32 i = 0; i < s->count; i++)
				if (cmd == SETALL)
					value_set(s, i, values[i]);
				else
					values[i] = s->sems[i].value;
			if (cmd == SETALL)
				set_changed(s);
		}
	if (!err && cmd == GETALL)
		err = copyout(user, values, size);
	kfree(values);
	return err;
}

static i64 ctl_held(int id, int cmd, uaddr_t user)
{
	struct sem_set *s;
	i64 err = set_hold(id, cmd == SETALL ? 0222 : 0444, &s);

	if (err)
		return err;
	err = ctl_all(s, cmd, user);
	set_release(s);
	return err;
}

static i64 ctl_stat(int id, int cmd, uaddr_t user)
{
	struct semid64_ds ds = {.sem_nsems = 0};
	struct ipc_object *o = NULL;
	i64 ret;

	WITH_LOCK (&ipc_lock) {
		if (cmd == SEM_STAT && (o = ipc_at(&sets, id)))
			id = o->id;
		else if (cmd == SEM_STAT)
			id = -1;
		ret = ipc_find(&sets, id, 0444, &o);
		if (ret)
			break;
		ds.sem_perm = o->perm;
		ds.sem_otime = ((struct sem_set *)o)->otime;
		ds.sem_ctime = ((struct sem_set *)o)->ctime;
		ds.sem_nsems = ((struct sem_set *)o)->count;
		ret = cmd == SEM_STAT ? o->id : 0;
	}
	return ret >= 0 && copyout(user, &ds, sizeof(ds)) < 0 ? -EFAULT : ret;
}

struct sem_totals { /* struct seminfo */
	int map, mni, mns, mnu, msl, opm, ume, usz, vmx, aem;
};

static i64 ctl_info(int cmd, uaddr_t user)
{
	struct sem_totals t = {.mni = IPC_MAX,
	                       .mns = IPC_MAX * SET_MAX,
	                       .msl = SET_MAX,
	                       .opm = OPS_MAX,
	                       .vmx = VALUE_MAX,
	                       .aem = VALUE_MAX};
	i64 highest = 0;

	WITH_LOCK (&ipc_lock)
		for (u32 i = 0; i < IPC_MAX; i++) {
			const struct sem_set *s = (struct sem_set *)ipc_at(&sets, i);

			if (!s)
				continue;
			highest = i;
			t.usz += cmd == SEM_INFO;
			t.aem = cmd == SEM_INFO ? t.aem + (int)s->count : t.aem;
		}
	return copyout(user, &t, sizeof(t)) < 0 ? -EFAULT : highest;
}

static i64 ctl_change(struct sem_set *s, int cmd, const struct semid64_ds *ds)
{
	i64 err = ipc_owned(&s->ipc);

	if (err)
		return err;
	if (cmd == IPC_SET) {
		ipc_set(&s->ipc, &ds->sem_perm);
		s->ctime = ipc_seconds();
		return 0;
	}
	while (!list_empty(&s->undos))
		undo_free(list_first(&s->undos, struct undo, set_link));
	ipc_remove(&sets, &s->ipc);
	return 0;
}

i64 sys_semctl(int id, int num, int cmd, u64 arg)
{
	struct semid64_ds ds = {.sem_nsems = 0};
	struct ipc_object *o;
	i64 err = -EINVAL;

	cmd &= ~IPC_64;
	if (cmd == IPC_INFO || cmd == SEM_INFO)
		return ctl_info(cmd, UADDR(arg));
	if (cmd == IPC_STAT || cmd == SEM_STAT)
		return ctl_stat(id, cmd, UADDR(arg));
	if (cmd == GETALL || cmd == SETALL)
		return ctl_held(id, cmd, UADDR(arg));
	if (cmd == IPC_SET && copyin(&ds, UADDR(arg), sizeof(ds)) < 0)
		return -EFAULT;
	if (cmd != IPC_RMID && cmd != IPC_SET && (cmd < GETPID || cmd > SETVAL))
		return -EINVAL;
	WITH_LOCK (&ipc_lock) {
		err = ipc_find(&sets, id, cmd == SETVAL ? 0222 : cmd >= GETPID ? 0444 : 0, &o);
		if (err)
			break;
		err = cmd >= GETPID ? ctl_one((struct sem_set *)o, num, cmd, (int)arg)
		                    : ctl_change((struct sem_set *)o, cmd, &ds);
	}
	return err;
}
