/* POSIX message queues. They are inodes of a file system that is mounted nowhere; their names are in its root.
 * Letters below: q queue->lock   I immutable */
#include "kernel/fs/mqueue.h"
#include "hal/base/assert.h"
#include "hal/base/string.h"
#include "kernel/abi/capability.h"
#include "kernel/fs/file.h"
#include "kernel/fs/fsctx.h"
#include "kernel/fs/inode.h"
#include "kernel/fs/mount.h"
#include "kernel/fs/perm.h"
#include "kernel/fs/poll.h"
#include "kernel/fs/ramfs.h"
#include "kernel/proc/proc.h"
#include "vm/kmem.h"

#define MQUEUE_MAGIC 0x19800202
/* For the unprivileged, and for all (mq_overview(7), "/proc interfaces"). */
#define DEFAULT_MESSAGES 10
#define DEFAULT_SIZE 8192
#define MOST_MESSAGES 65536
#define MOST_SIZE (16 * (i64)MIB)
#define MOST_QUEUES 256U

struct mq_message {
	struct list link; /* [q] */
	u32 priority, len;
	u8 data[];
};

struct queue {
	struct spinlock lock;            /* RANK_FILE */
	struct waitq receivers, senders; /* who waits for messages, for room */
	u32 waiting;                     /* [q] threads that wait for messages */
	struct list messages;            /* [q] highest priority first, then oldest first */
	u32 count;                       /* [q], read with atomic_load */
	u32 most, size;                  /* [I] messages, bytes of each */
	struct pid *owner;               /* [q] counted: who is to be told of a message, or NULL */
	struct mqueue_notice notice;     /* [q] */
};

static struct mount *mq_mount;
static u32 queue_count; /* [fs_lock] with names */
static const struct file_ops mq_fops;

void mqueue_init(void)
{
	mq_mount = mount_new("mqueue", "none", MQUEUE_MAGIC);
	if (!mq_mount || !(mq_mount->root = ramfs_root(mq_mount, 01777)))
		panic("out of memory for message queues");
}

bool file_is_mqueue(const struct file *f)
{
	return f->ops == &mq_fops;
}

static struct queue *queue_of(const struct file *f)
{
	return f->inode->private;
}

/* --- life --- */

static void mq_drop(struct inode *i)
{
	struct queue *q = i->private;
	struct mq_message *m, *next;

	if (!q)
		return;
	list_for_each_safe (m, next, &q->messages, link)
		kfree(m);
	kfree(q);
}

static const struct inode_ops mq_inode_ops = {.drop = mq_drop};

static int attr_check(const struct mq_attr *a)
{
	bool root = perm_capable(CAP_SYS_RESOURCE);

	if (a->mq_maxmsg <= 0 || a->mq_maxmsg > (root ? MOST_MESSAGES : DEFAULT_MESSAGES))
		return -EINVAL;
	return a->mq_msgsize <= 0 || a->mq_msgsize > (root ? MOST_SIZE : DEFAULT_SIZE) ? -EINVAL : 0;
}

static int queue_new(const struct mq_attr *attr, u32 mode, struct inode **ret)
{
	const struct creds *cr = perm_creds();
	struct inode *i = inode_new(mq_mount, S_IFREG | mode, &mq_inode_ops, &mq_fops);
	struct queue *q = i ? kzalloc(sizeof(*q)) : NULL;

	if (!q) {
		if (i)
			inode_put(i);
		return -ENOMEM;
	}
	spin_init(&q->lock, "mqueue", RANK_FILE);
	waitq_init(&q->receivers);
	waitq_init(&q->senders);
	list_init(&q->messages);
	q->most = attr->mq_maxmsg;
	q->size = attr->mq_msgsize;
	i->private = q;
	i->uid = cr ? cr->fsuid : 0;
	i->gid = cr ? cr->fsgid : 0;
	*ret = i;
	return 0;
}

/* queue_make: fs_lock held. => 0 and a reference to its name */
static int queue_make(const struct name *n, u32 mode, const struct mq_attr *attr, struct dentry **ret)
{
	static const struct mq_attr defaults = {.mq_maxmsg = DEFAULT_MESSAGES, .mq_msgsize = DEFAULT_SIZE};
	struct fsctx *c = perm_fsctx();
	struct dentry *d;
	struct inode *i;
	int err = attr ? attr_check(attr) : 0;

	if (err < 0)
		return err;
	if (queue_count >= MOST_QUEUES && !perm_capable(CAP_SYS_RESOURCE))
		return -ENOSPC;
	err = queue_new(attr ? attr : &defaults, mode & 0777 & ~(c ? atomic_load(&c->umask) : 0), &i);
	if (err < 0)
		return err;
	d = dentry_new(mq_mount->root, n, i);
	inode_put(i);
	if (!d)
		return -ENOMEM;
	dir_insert(d);
	queue_count++;
	*ret = d;
	return 0;
}

static int name_check(const char *name)
{
	if (!*name)
		return -ENOENT;
	return strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, "..") ? -EACCES : 0;
}

/* queue_find: fs_lock held. */
static int queue_find(const char *name, u32 flags, u32 mode, const struct mq_attr *attr, struct dentry **ret)
{
	static const u32 access[4] = {MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE, MAY_READ | MAY_WRITE};
	struct name n = name_of(name);
	struct dentry *d = dir_find(mq_mount->root, &n);
	int err;

	if (!d)
		return flags & O_CREAT ? queue_make(&n, mode, attr, ret) : -ENOENT;
	if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return -EEXIST;
	if ((flags & O_ACCMODE) == O_ACCMODE)
		return -EINVAL;
	if ((err = inode_permission(d->inode, access[flags & O_ACCMODE])) < 0)
		return err;
	dentry_get(d);
	*ret = d;
	return 0;
}

static void name_remove(struct dentry *d)
{
	dir_remove(d);
	queue_count--;
}

int mqueue_open(const char *name, u32 flags, u32 mode, const struct mq_attr *attr, struct file **ret)
{
	struct dentry *d;
	int err = name_check(name);

	if (err < 0)
		return err;
	mutex_lock(&fs_lock);
	err = queue_find(name, flags, mode, attr, &d);
	mutex_unlock(&fs_lock);
	if (err < 0)
		return err;
	err = file_open_new(d, flags & (O_ACCMODE | O_NONBLOCK), ret);
	dentry_put(d);
	return err;
}

int mqueue_unlink(const char *name)
{
	struct name n = name_of(name);
	struct dentry *d;
	int err = name_check(name);

	if (err < 0)
		return err;
	mutex_lock(&fs_lock);
	d = dir_find(mq_mount->root, &n);
	err = d ? perm_may_remove(d) : -ENOENT;
	if (!err)
		name_remove(d);
	mutex_unlock(&fs_lock);
	return err;
}

/* --- telling --- */

/* queue_untell: nobody is to be told any more. q held => whom that was: the caller puts it */
static struct pid *queue_untell(struct queue *q)
{
	struct pid *owner = q->owner;

	q->owner = NULL;
	return owner;
}

static void pid_drop(struct pid *pid)
{
	if (!pid)
		return;
	WITH_LOCK (&proc_lock)
		pid_put(pid);
}

/* tell: OWNER (a reference, given up) of a message that came. */
static void tell(struct pid *owner, const struct mqueue_notice *notice)
{
	const struct proc *me = proc_current();
	siginfo_t info = {.si_signo = notice->sig, .si_code = SI_MESGQ};

	info.si_pid = me->pid->nr;
	info.si_uid = me->creds.uid;
	info.si_value.sival_ptr = (void *)notice->value;
	WITH_LOCK (&proc_lock) {
		if (owner->proc && notice->sig)
			signal_send_proc(owner->proc, &info);
		pid_put(owner);
	}
}

int mqueue_notify(struct file *f, const struct mqueue_notice *notice)
{
	struct pid *me = proc_current()->pid, *drop = NULL;
	struct queue *q = queue_of(f);
	int err = 0;

	WITH_LOCK (&q->lock) {
		if (!notice) {
			drop = q->owner == me ? queue_untell(q) : NULL;
		} else if (q->owner) {
			err = -EBUSY;
		} else {
			pid_get(me);
			q->owner = me;
			q->notice = *notice;
		}
	}
	pid_drop(drop);
	return err;
}

static void mq_closed(struct file *f)
{
	mqueue_notify(f, NULL);
}

/* --- messages --- */

static void message_insert(struct queue *q, struct mq_message *m)
{
	struct list *at = q->messages.prev;

	while (at != &q->messages && list_entry(at, struct mq_message, link)->priority < m->priority)
		at = at->prev;
	list_insert_between(&m->link, at, at->next);
	atomic_store(&q->count, q->count + 1);
}

/* send_try => 0; -EAGAIN */
static int send_try(struct queue *q, struct mq_message *m)
{
	struct mqueue_notice notice = {0};
	struct pid *owner = NULL;
	bool room;

	WITH_LOCK (&q->lock) {
		room = q->count < q->most;
		if (!room)
			break;
		if (!q->count && !q->waiting && q->owner) {
			notice = q->notice;
			owner = queue_untell(q);
		}
		message_insert(q, m);
		waitq_wake_events(&q->receivers, POLLIN | POLLRDNORM);
	}
	if (owner)
		tell(owner, &notice);
	return room ? 0 : -EAGAIN;
}

static int wait_result(int err, int r)
{
	return err < 0 ? err : r;
}

int mqueue_send(struct file *f, uaddr_t buf, u64 len, u32 priority, u64 deadline)
{
	struct queue *q = queue_of(f);
	struct mq_message *m;
	int err, r;

	if (len > q->size)
		return -EMSGSIZE;
	if (!(m = kmalloc(sizeof(*m) + len)))
		return -ENOMEM;
	m->priority = priority;
	m->len = len;
	r = copyin(m->data, buf, len);
	if (!r)
		r = send_try(q, m);
	if (r == -EAGAIN && !(f->flags & O_NONBLOCK)) {
		err = wait_event(&q->senders, WAIT_INTERRUPTIBLE, deadline, (r = send_try(q, m)) != -EAGAIN);
		r = wait_result(err, r);
	}
	if (r < 0)
		kfree(m);
	return r;
}

static struct mq_message *receive_try(struct queue *q)
{
	struct mq_message *m = NULL;

	WITH_LOCK (&q->lock) {
		if (!q->count)
			break;
		m = list_first(&q->messages, struct mq_message, link);
		list_remove(&m->link);
		atomic_store(&q->count, q->count - 1);
		waitq_wake_events(&q->senders, POLLOUT | POLLWRNORM);
	}
	return m;
}

static void waiting_add(struct queue *q, i32 n)
{
	WITH_LOCK (&q->lock)
		q->waiting += n;
}

static int receive_wait(struct queue *q, u64 deadline, struct mq_message **ret)
{
	int err;

	waiting_add(q, 1);
	err = wait_event(&q->receivers, WAIT_INTERRUPTIBLE, deadline, (*ret = receive_try(q)) != NULL);
	waiting_add(q, -1);
	return err;
}

i64 mqueue_receive(struct file *f, uaddr_t buf, u64 len, u64 deadline, u32 *ret_priority)
{
	struct queue *q = queue_of(f);
	struct mq_message *m;
	i64 r;

	if (len < q->size)
		return -EMSGSIZE;
	if (!(m = receive_try(q))) {
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		if ((r = receive_wait(q, deadline, &m)) < 0)
			return r;
	}
	r = copyout(buf, m->data, m->len) < 0 ? -EFAULT : (i64)m->len;
	*ret_priority = m->priority;
	kfree(m);
	return r;
}

void mqueue_attr(struct file *f, struct mq_attr *ret)
{
	struct queue *q = queue_of(f);

	*ret = (struct mq_attr){
	        .mq_flags = f->flags & O_NONBLOCK,
	        .mq_maxmsg = q->most,
	        .mq_msgsize = q->size,
	        .mq_curmsgs = atomic_load(&q->count),
	};
}

static u32 mq_poll(struct file *f, struct poll_table *pt)
{
	struct queue *q = queue_of(f);
	u32 count;

	poll_wait(pt, &q->receivers);
	poll_wait(pt, &q->senders);
	count = atomic_load(&q->count);
	return (count ? POLLIN | POLLRDNORM : 0) | (count < q->most ? POLLOUT | POLLWRNORM : 0);
}

static const struct file_ops mq_fops = {
        .poll = mq_poll,
        .closed = mq_closed,
};
