/* Message queues (msgget(2)). */
#include "hal/base/string.h"
#include "kernel/abi/capability.h"
#include "kernel/proc/proc.h"
#include "kernel/sys/ipc.h"
#include "kernel/sys/syscall.h"
#include "vm/kmem.h"

#define MESSAGE_MAX 8192U  /* bytes: MSGMAX */
#define QUEUE_BYTES 16384U /* MSGMNB */

struct message {
	struct list link;
	i64 type;
	u64 len;
	u8 text[];
};

struct queue {
	struct ipc_object ipc; /* first */
	struct list messages;  /* [V1] oldest first */
	struct msqid64_ds ds;  /* [V1] all but msg_perm */
};

static void queue_free(struct ipc_object *o)
{
	struct queue *q = (struct queue *)o;
	struct message *m, *next;

	list_for_each_safe (m, next, &q->messages, link)
		kfree(m);
	kfree(q);
}

static struct ipc_table queues = {.free = queue_free};

static int any(const struct ipc_object *o, u64 arg)
{
	return 0;
}

i64 sys_msgget(int key, int flags)
{
	struct queue *q = kzalloc(sizeof(*q));

	if (!q)
		return -ENOMEM;
	ipc_init(&q->ipc);
	list_init(&q->messages);
	q->ds.msg_qbytes = QUEUE_BYTES;
	q->ds.msg_ctime = ipc_seconds();
	return ipc_get(&queues, key, flags, &q->ipc, any, 0);
}

/* --- sending --- */

static int message_get(uaddr_t user, u64 len, struct message **ret)
{
	struct message *m;
	i64 type;

	if (len > MESSAGE_MAX)
		return -EINVAL;
	if (copyin(&type, user, sizeof(type)) < 0)
		return -EFAULT;
	if (type < 1)
		return -EINVAL;
	if (!(m = kmalloc(sizeof(*m) + len)))
		return -ENOMEM;
	if (copyin(m->text, UADDR(user.va + sizeof(type)), len) < 0) {
		kfree(m);
		return -EFAULT;
	}
	m->type = type;
	m->len = len;
	*ret = m;
	return 0;
}

/* send_try: V1 => 0; -EAGAIN; -EIDRM */
static int send_try(struct queue *q, struct message *m)
{
	if (q->ipc.removed)
		return -EIDRM;
	if (q->ds.msg_cbytes + m->len > q->ds.msg_qbytes || q->ds.msg_qnum >= q->ds.msg_qbytes)
		return -EAGAIN;
	list_push_back(&q->messages, &m->link);
	q->ds.msg_cbytes += m->len;
	q->ds.msg_qnum++;
	q->ds.msg_lspid = proc_current()->pid->nr;
	q->ds.msg_stime = ipc_seconds();
	waitq_wake_all(&q->ipc.wait);
	return 0;
}

static int send_now(struct queue *q, struct message *m)
{
	int err;

	WITH_LOCK (&ipc_lock)
		err = send_try(q, m);
	return err;
}

/* queue_hold: a reference, to wait for it. => 0; -EINVAL; -EACCES */
static int queue_hold(int id, u32 want, struct queue **ret)
{
	struct ipc_object *o;
	int err;

	WITH_LOCK (&ipc_lock) {
		err = ipc_find(&queues, id, want, &o);
		if (err)
			break;
		o->refs++;
		*ret = (struct queue *)o;
	}
	return err;
}

static void queue_release(struct queue *q)
{
	WITH_LOCK (&ipc_lock)
		ipc_put(&queues, &q->ipc);
}

i64 sys_msgsnd(int id, uaddr_t user, u64 len, int flags)
{
	struct message *m;
	struct queue *q;
	int err, waited;

	if ((err = message_get(user, len, &m)) < 0)
		return err;
	if ((err = queue_hold(id, 0222, &q)) < 0) {
		kfree(m);
		return err;
	}
	err = send_now(q, m);
	if (err == -EAGAIN && !(flags & IPC_NOWAIT)) {
		waited = wait_event(&q->ipc.wait, WAIT_INTERRUPTIBLE, CLOCK_NEVER,
		                    (err = send_now(q, m)) != -EAGAIN);
		err = waited < 0 ? -ERESTARTNOHAND : err;
	}
	queue_release(q);
	if (err < 0)
		kfree(m);
	return err;
}

/* --- receiving --- */

static bool wanted(const struct message *m, i64 type, int flags)
{
	if (type > 0)
		return (m->type == type) != !!(flags & MSG_EXCEPT);
	return type == 0 || m->type <= -type;
}

/* find_message: the first that is wanted; below zero, of the lowest type. V1 => NULL */
static struct message *find_message(struct queue *q, i64 type, int flags)
{
	struct message *m, *best = NULL;

	list_for_each (m, &q->messages, link) {
		if (!wanted(m, type, flags) || (best && m->type >= best->type))
			continue;
		best = m;
		if (type >= 0)
			break;
	}
	return best;
}

static int receive_try(struct queue *q, i64 type, u64 room, int flags, struct message **ret)
{
	struct message *m;

	if (q->ipc.removed)
		return -EIDRM;
	if (!(m = find_message(q, type, flags)))
		return -EAGAIN;
	if (m->len > room && !(flags & MSG_NOERROR))
		return -E2BIG;
	list_remove(&m->link);
	q->ds.msg_cbytes -= m->len;
	q->ds.msg_qnum--;
	q->ds.msg_lrpid = proc_current()->pid->nr;
	q->ds.msg_rtime = ipc_seconds();
	waitq_wake_all(&q->ipc.wait);
	*ret = m;
	return 0;
}

static int receive_now(struct queue *q, i64 type, u64 room, int flags, struct message **ret)
{
	int err;

	WITH_LOCK (&ipc_lock)
		err = receive_try(q, type, room, flags, ret);
	return err;
}

static i64 message_put(struct message *m, uaddr_t user, u64 room)
{
	u64 len = MIN(m->len, room);
	i64 ret = len;

	if (copyout(user, &m->type, sizeof(m->type)) < 0 ||
	    copyout(UADDR(user.va + sizeof(m->type)), m->text, len) < 0)
		ret = -EFAULT;
	kfree(m);
	return ret;
}

i64 sys_msgrcv(int id, uaddr_t user, u64 room, i64 type, int flags)
{
	struct message *m = NULL;
	struct queue *q;
	int err, waited;

	if ((i64)room < 0 || (flags & MSG_COPY))
		return (i64)room < 0 ? -EINVAL : -ENOSYS;
	if ((err = queue_hold(id, 0444, &q)) < 0)
		return err;
	err = receive_now(q, type, room, flags, &m);
	if (err == -EAGAIN && !(flags & IPC_NOWAIT)) {
		waited = wait_event(&q->ipc.wait, WAIT_INTERRUPTIBLE, CLOCK_NEVER,
		                    (err = receive_now(q, type, room, flags, &m)) != -EAGAIN);
		err = waited < 0 ? -ERESTARTNOHAND : err;
	}
	queue_release(q);
	if (err < 0)
		return err == -EAGAIN ? -ENOMSG : err;
	return message_put(m, user, room);
}

/* --- msgctl --- */

struct msg_totals { /* struct msginfo */
	int pool, map, max, mnb, mni, ssz, tql;
	u16 seg;
};

static i64 msg_info(int cmd, uaddr_t user)
{
	struct msg_totals t = {
	        .max = MESSAGE_MAX, .mnb = QUEUE_BYTES, .mni = IPC_MAX, .ssz = 16, .seg = 0xffff};
	i64 highest = 0;

	WITH_LOCK (&ipc_lock)
		for (u32 i = 0; i < IPC_MAX; i++) {
			const struct queue *q = (struct queue *)ipc_at(&queues, i);

			if (!q)
				continue;
			highest = i;
			t.pool += cmd == MSG_INFO;
			t.map += cmd == MSG_INFO ? q->ds.msg_qnum : 0;
			t.tql += cmd == MSG_INFO ? q->ds.msg_cbytes : 0;
		}
	return copyout(user, &t, sizeof(t)) < 0 ? -EFAULT : highest;
}

static i64 msg_stat(int id, int cmd, uaddr_t user)
{
	struct msqid64_ds ds;
	struct ipc_object *o = NULL;
	i64 ret;

	WITH_LOCK (&ipc_lock) {
		if (cmd == MSG_STAT && (o = ipc_at(&queues, id)))
			id = o->id;
		else if (cmd == MSG_STAT)
			id = -1;
		ret = ipc_find(&queues, id, 0444, &o);
		if (ret)
			break;
		ds = ((struct queue *)o)->ds;
		ds.msg_perm = o->perm;
		ret = cmd == MSG_STAT ? o->id : 0;
	}
	return ret >= 0 && copyout(user, &ds, sizeof(ds)) < 0 ? -EFAULT : ret;
}

/* msg_change: V1 */
static i64 msg_change(struct queue *q, int cmd, const struct msqid64_ds *ds)
{
	i64 err = ipc_owned(&q->ipc);

	if (err)
		return err;
	if (cmd == IPC_RMID) {
		ipc_remove(&queues, &q->ipc);
		return 0;
	}
	if (ds->msg_qbytes > QUEUE_BYTES && !capable(CAP_SYS_RESOURCE))
		return -EPERM;
	ipc_set(&q->ipc, &ds->msg_perm);
	q->ds.msg_qbytes = ds->msg_qbytes;
	q->ds.msg_ctime = ipc_seconds();
	waitq_wake_all(&q->ipc.wait);
	return 0;
}

i64 sys_msgctl(int id, int cmd, uaddr_t user)
{
	struct msqid64_ds ds = {.msg_qbytes = 0};
	struct ipc_object *o;
	i64 err = -EINVAL;

	cmd &= ~IPC_64;
	if (cmd == IPC_INFO || cmd == MSG_INFO)
		return msg_info(cmd, user);
	if (cmd == IPC_STAT || cmd == MSG_STAT)
		return msg_stat(id, cmd, user);
	if (cmd != IPC_RMID && cmd != IPC_SET)
		return -EINVAL;
	if (cmd == IPC_SET && copyin(&ds, user, sizeof(ds)) < 0)
		return -EFAULT;
	WITH_LOCK (&ipc_lock) {
		err = ipc_find(&queues, id, 0, &o);
		if (!err)
			err = msg_change((struct queue *)o, cmd, &ds);
	}
	return err;
}
