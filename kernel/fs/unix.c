/* Sockets of AF_UNIX: their life, their names, and who is connected to whom. */
#include "kernel/fs/unix.h"
#include "hal/base/assert.h"
#include "hal/base/string.h"
#include "kernel/abi/magic.h"
#include "kernel/fs/file.h"
#include "kernel/fs/fsctx.h"
#include "kernel/fs/inode.h"
#include "kernel/fs/mount.h"
#include "kernel/fs/perm.h"
#include "kernel/fs/poll.h"
#include "kernel/fs/walk.h"
#include "kernel/proc/proc.h"
#include "vm/kmem.h"

#define BUFFER_DEFAULT 212992U
#define NAMES_BITS 6

static struct mount *sock_mount;
static struct list names[1 << NAMES_BITS]; /* [u] abstract ones, by hash */
static const struct file_ops unix_fops;

void unix_init(void)
{
	for (u32 i = 0; i < ARRAY_SIZE(names); i++)
		list_init(&names[i]);
	sock_mount = mount_new("sockfs", "none", SOCKFS_MAGIC);
	if (!sock_mount)
		panic("out of memory for sockets");
}

bool file_is_unix(const struct file *f)
{
	return f->ops == &unix_fops;
}

/* --- life --- */

static struct unix_sock *sock_new(int type)
{
	struct unix_sock *s = kzalloc(sizeof(*s));

	if (!s)
		return NULL;
	s->refs = 1;
	s->type = type;
	waitq_init(&s->wait);
	mutex_init(&s->read_lock);
	list_init(&s->queue);
	s->send_buffer = s->receive_buffer = BUFFER_DEFAULT;
	list_init(&s->name_link);
	list_init(&s->accept_queue);
	list_init(&s->accept_link);
	list_init(&s->all_link);
	list_init(&s->reached_link);
	return s;
}

void unix_put(struct unix_sock *s)
{
	if (s && ref_put(&s->refs))
		kfree(s);
}

/* sock_file: the file of S, whose reference it takes over on success. => 0; -ENOMEM */
static int sock_file(struct unix_sock *s, u32 flags, struct file **ret)
{
	static const struct inode_ops ops = {0};
	const struct creds *cr = perm_creds();
	struct inode *i = inode_new(sock_mount, S_IFSOCK | 0777, &ops, NULL);
	struct file *f = i ? file_new(i, &unix_fops, O_RDWR | flags, s) : NULL;

	if (!f) {
		if (i)
			inode_put(i);
		return -ENOMEM;
	}
	if (cr) {
		i->uid = cr->fsuid;
		i->gid = cr->fsgid;
	}
	WITH_LOCK (&unix_lock) {
		s->file = f;
		list_push_back(&unix_all, &s->all_link);
	}
	*ret = f;
	return 0;
}

int unix_open(int type, u32 flags, struct file **ret)
{
	struct unix_sock *s = sock_new(type);
	int err = s ? sock_file(s, flags, ret) : -ENOMEM;

	if (err < 0)
		unix_put(s);
	return err;
}

/* own_creds: what the other end of a connection learns by SO_PEERCRED. */
static struct user_ucred own_creds(void)
{
	const struct proc *p = proc_current();

	return (struct user_ucred){p->pid->nr, p->creds.euid, p->creds.egid};
}

/* sock_join: U1 */
static void sock_join(struct unix_sock *s, struct unix_sock *peer)
{
	ref_get(&peer->refs);
	s->peer = peer;
	s->state = UNIX_CONNECTED;
}

int unix_pair(int type, u32 flags, struct file **ret_a, struct file **ret_b)
{
	struct file *a, *b;
	int err = unix_open(type, flags, &a);

	if (err < 0)
		return err;
	if ((err = unix_open(type, flags, &b)) < 0) {
		file_put(a);
		return err;
	}
	WITH_LOCK (&unix_lock) {
		sock_join(unix_of(a), unix_of(b));
		sock_join(unix_of(b), unix_of(a));
		unix_of(a)->peer_creds = unix_of(b)->peer_creds = own_creds();
	}
	*ret_a = a;
	*ret_b = b;
	return 0;
}

/* sock_wake: anything may have changed. */
static void sock_wake(struct unix_sock *s)
{
	waitq_wake_all(&s->wait);
}

/* sock_end: S has gone: who it was connected to learns it. LOST: with what S had not read. U1
 * => S's reference to its peer, which the caller puts */
static struct unix_sock *sock_end(struct unix_sock *s, bool lost)
{
	struct unix_sock *peer = s->peer;

	s->dead = true;
	s->shut = UNIX_SHUT;
	s->peer = NULL;
	if (peer && s->type != SOCK_DGRAM && peer->peer == s) {
		peer->shut = UNIX_SHUT;
		if (lost)
			peer->error = ECONNRESET;
		sock_wake(peer);
	}
	sock_wake(s);
	return peer;
}

/* listener_end: the connections that nobody will accept. U1 */
static void listener_end(struct unix_sock *s, struct list *messages, struct list *ended)
{
	while (!list_empty(&s->accept_queue)) {
		struct unix_sock *c = list_first(&s->accept_queue, struct unix_sock, accept_link);

		list_remove(&c->accept_link);
		unix_take_all(c, messages);
		unix_put(sock_end(c, true));
		list_push_back(ended, &c->accept_link);
	}
}

static void unix_release(struct file *f)
{
	struct list messages = LIST_INIT(messages), ended = LIST_INIT(ended);
	struct unix_sock *s = unix_of(f), *peer;
	struct dentry *d;

	WITH_LOCK (&unix_lock) {
		bool lost = !list_empty(&s->queue);

		list_remove(&s->all_link);
		list_remove(&s->name_link);
		s->file = NULL;
		d = s->dentry;
		s->dentry = NULL;
		if (d)
			d->inode->sock = NULL;
		unix_take_all(s, &messages);
		listener_end(s, &messages, &ended);
		peer = sock_end(s, lost);
	}
	while (!list_empty(&ended)) {
		struct unix_sock *c = list_first(&ended, struct unix_sock, accept_link);

		list_remove(&c->accept_link);
		unix_put(c);
	}
	dentry_put(d);
	unix_put(peer);
	unix_put(s);
	unix_drop(&messages);
	unix_collect();
}

/* --- names --- */

static bool name_is_path(const struct unix_name *n)
{
	return n->len && n->path[0];
}

static struct list *names_of(const struct unix_name *n)
{
	return &names[name_hash(n->path, n->len) % ARRAY_SIZE(names)];
}

/* abstract_find: U1 => borrowed, or NULL */
static struct unix_sock *abstract_find(const struct unix_name *n)
{
	struct unix_sock *s;

	list_for_each (s, names_of(n), name_link)
		if (s->name.len == n->len && !memcmp(s->name.path, n->path, n->len))
			return s;
	return NULL;
}

static int abstract_bind(struct unix_sock *s, const struct unix_name *name)
{
	int err = 0;

	WITH_LOCK (&unix_lock) {
		if (s->name.len)
			err = -EINVAL;
		else if (abstract_find(name))
			err = -EADDRINUSE;
		if (err)
			break;
		s->name = *name;
		list_push_back(names_of(name), &s->name_link);
	}
	return err;
}

/* bind_unnamed: five digits that nobody has (unix(7), "Autobind feature"). */
static int bind_unnamed(struct unix_sock *s)
{
	static u32 last;
	static const char digits[] = "0123456789abcdef";
	struct unix_name n = {.len = 6};
	int err = -EADDRINUSE;

	for (u32 tries = 0; err == -EADDRINUSE && tries < 1 << 20; tries++) {
		u32 v = atomic_add(&last, 1);

		for (u32 i = 0; i < 5; i++)
			n.path[1 + i] = digits[v >> (16 - 4 * i) & 0xf];
		err = abstract_bind(s, &n);
	}
	return err;
}

/* make_node: fs_lock held. */
static int make_node(struct walk *w)
{
	struct fsctx *c = perm_fsctx();
	u32 umask = c ? atomic_load(&c->umask) : 0;
	int err = walk_may_create(w);

	if (err < 0)
		return err == -EEXIST ? -EADDRINUSE : err;
	if (!w->parent->inode->ops->mknod)
		return -EPERM;
	return w->parent->inode->ops->mknod(w->parent, &w->last, S_IFSOCK | (0777 & ~umask), 0, &w->target);
}

/* path_take: the node of W becomes S's. */
static int path_take(struct unix_sock *s, const struct unix_name *name, struct walk *w)
{
	int err = 0;

	WITH_LOCK (&unix_lock) {
		if (s->name.len) { /* another thread was faster */
			err = -EINVAL;
			break;
		}
		dentry_get(w->target);
		s->dentry = w->target;
		s->name = *name;
		w->target->inode->sock = s;
	}
	return err;
}

static int path_bind(struct unix_sock *s, const struct unix_name *name)
{
	struct walk w;
	int err;

	if (read_once(s->name.len))
		return -EINVAL;
	err = walk_at(&w, AT_FDCWD, name->path, WALK_PARENT);
	if (!err)
		err = make_node(&w);
	if (!err)
		err = path_take(s, name, &w);
	walk_unlock(&w);
	return err;
}

int unix_bind(struct unix_sock *s, const struct unix_name *name)
{
	if (!name->len)
		return read_once(s->name.len) ? 0 : bind_unnamed(s);
	return name_is_path(name) ? path_bind(s, name) : abstract_bind(s, name);
}

static int find_check(struct unix_sock *s, int type, struct unix_sock **ret)
{
	if (!s)
		return -ECONNREFUSED;
	if (s->type != type)
		return -EPROTOTYPE;
	ref_get(&s->refs);
	*ret = s;
	return 0;
}

static int path_find(const char *path, int type, struct unix_sock **ret)
{
	struct walk w;
	int err = walk_at(&w, AT_FDCWD, path, WALK_FOLLOW);

	if (!err)
		err = inode_permission(w.target->inode, MAY_WRITE);
	if (!err && !S_ISSOCK(w.target->inode->mode))
		err = -ECONNREFUSED;
	if (!err)
		WITH_LOCK (&unix_lock)
			err = find_check(w.target->inode->sock, type, ret);
	walk_unlock(&w);
	return err;
}

int unix_find(const struct unix_name *name, int type, struct unix_sock **ret)
{
	int err = -EINVAL;

	if (name_is_path(name))
		return path_find(name->path, type, ret);
	if (name->len)
		WITH_LOCK (&unix_lock)
			err = find_check(abstract_find(name), type, ret);
	return err;
}

/* --- connections --- */

int unix_listen(struct unix_sock *s, int backlog)
{
	int err = 0;

	if (s->type == SOCK_DGRAM)
		return -EOPNOTSUPP;
	WITH_LOCK (&unix_lock) {
		if (!s->name.len || s->state == UNIX_CONNECTED) {
			err = -EINVAL;
			break;
		}
		s->state = UNIX_LISTENING;
		s->backlog = backlog < 0 || backlog > SOMAXCONN ? SOMAXCONN : backlog;
		s->peer_creds = own_creds();
		sock_wake(s);
	}
	return err;
}

/* connect_check: U1 => 0; -EAGAIN: its queue is full */
static int connect_check(const struct unix_sock *s, const struct unix_sock *to)
{
	if (s->state != UNIX_UNCONNECTED)
		return s->state == UNIX_CONNECTED ? -EISCONN : -EINVAL;
	if (to->dead || to->state != UNIX_LISTENING || (to->shut & UNIX_NO_RECEIVE))
		return -ECONNREFUSED;
	return to->waiting > to->backlog ? -EAGAIN : 0;
}

static bool connect_may_go_on(struct unix_sock *s, struct unix_sock *to)
{
	bool yes;

	WITH_LOCK (&unix_lock)
		yes = connect_check(s, to) != -EAGAIN;
	return yes;
}

/* connect_commit: C, new, is the other end of S, and waits for TO to accept it. U1 */
static void connect_commit(struct unix_sock *s, struct unix_sock *to, struct unix_sock *c)
{
	sock_join(s, c);
	sock_join(c, s);
	s->peer_creds = to->peer_creds;
	c->peer_creds = own_creds();
	c->name = to->name;
	c->pass_creds = to->pass_creds;
	list_push_back(&to->accept_queue, &c->accept_link);
	to->waiting++;
	waitq_wake_events(&to->wait, POLLIN | POLLRDNORM);
	sock_wake(s);
}

static int connect_stream(struct unix_sock *s, struct unix_sock *to, struct unix_sock *c, bool nonblock)
{
	u64 deadline = s->send_timeout ? clock_mono() + s->send_timeout : CLOCK_NEVER;
	int err;

	for (;;) {
		WITH_LOCK (&unix_lock) {
			err = connect_check(s, to);
			if (!err)
				connect_commit(s, to, c);
		}
		if (err != -EAGAIN || nonblock)
			return err;
		err = wait_event(&to->wait, WAIT_INTERRUPTIBLE, deadline, connect_may_go_on(s, to));
		if (err < 0)
			return err == -ETIMEDOUT ? -EAGAIN : err;
	}
}

static int connect_datagrams(struct unix_sock *s, struct unix_sock *to)
{
	struct unix_sock *old = NULL;
	int err = 0;

	WITH_LOCK (&unix_lock) {
		if (to->peer && to->peer != s) {
			err = -EPERM;
			break;
		}
		old = s->peer;
		sock_join(s, to);
		sock_wake(s);
	}
	unix_put(old);
	return err;
}

int unix_connect(struct unix_sock *s, const struct unix_name *name, bool nonblock)
{
	struct unix_sock *to, *c;
	int err = unix_find(name, s->type, &to);

	if (err < 0)
		return err;
	if (s->type == SOCK_DGRAM) {
		err = connect_datagrams(s, to);
	} else if (!(c = sock_new(s->type))) {
		err = -ENOMEM;
	} else if ((err = connect_stream(s, to, c, nonblock)) < 0) {
		unix_put(c);
	}
	unix_put(to);
	return err;
}

int unix_disconnect(struct unix_sock *s)
{
	struct unix_sock *old;

	if (s->type != SOCK_DGRAM)
		return -EINVAL;
	WITH_LOCK (&unix_lock) {
		old = s->peer;
		s->peer = NULL;
		s->state = UNIX_UNCONNECTED;
	}
	unix_put(old);
	return 0;
}

/* accept_take: => 0 and a connection, with its reference; -EAGAIN; -EINVAL */
static int accept_take(struct unix_sock *s, struct unix_sock **ret)
{
	int err = 0;

	WITH_LOCK (&unix_lock) {
		if (s->state != UNIX_LISTENING || (s->shut & UNIX_NO_RECEIVE)) {
			err = -EINVAL;
		} else if (list_empty(&s->accept_queue)) {
			err = -EAGAIN;
		} else {
			*ret = list_first(&s->accept_queue, struct unix_sock, accept_link);
			list_remove(&(*ret)->accept_link);
			s->waiting--;
			waitq_wake_events(&s->wait, POLLOUT); /* who waits to connect */
		}
	}
	return err;
}

static bool accept_some(struct unix_sock *s)
{
	bool some;

	WITH_LOCK (&unix_lock)
		some = !list_empty(&s->accept_queue) || (s->shut & UNIX_NO_RECEIVE);
	return some;
}

static int accept_wait(struct unix_sock *s, bool nonblock, struct unix_sock **ret)
{
	u64 deadline = s->receive_timeout ? clock_mono() + s->receive_timeout : CLOCK_NEVER;
	int err;

	for (;;) {
		if ((err = accept_take(s, ret)) != -EAGAIN || nonblock)
			return err;
		err = wait_event(&s->wait, WAIT_INTERRUPTIBLE, deadline, accept_some(s));
		if (err < 0)
			return err == -ETIMEDOUT ? -EAGAIN : err;
	}
}

/* accept_undo: C could not be given a file: it waits again, in front. */
static void accept_undo(struct unix_sock *s, struct unix_sock *c)
{
	WITH_LOCK (&unix_lock) {
		list_push_front(&s->accept_queue, &c->accept_link);
		s->waiting++;
		waitq_wake_events(&s->wait, POLLIN | POLLRDNORM);
	}
}

int unix_accept(struct unix_sock *s, bool nonblock, u32 flags, struct file **ret)
{
	struct unix_sock *c;
	int err;

	if (s->type == SOCK_DGRAM)
		return -EOPNOTSUPP;
	if ((err = accept_wait(s, nonblock, &c)) < 0)
		return err;
	if ((err = sock_file(c, flags, ret)) < 0)
		accept_undo(s, c);
	return err;
}

int unix_shutdown(struct unix_sock *s, int how)
{
	u32 bits = how + 1; /* SHUT_RD, SHUT_WR, SHUT_RDWR: one bit, the other, both */

	if (how < SHUT_RD || how > SHUT_RDWR)
		return -EINVAL;
	WITH_LOCK (&unix_lock) {
		struct unix_sock *peer = s->type != SOCK_DGRAM ? s->peer : NULL;

		s->shut |= bits;
		sock_wake(s);
		if (!peer)
			break;
		peer->shut |= (bits & UNIX_NO_RECEIVE ? UNIX_NO_SEND : 0) |
		              (bits & UNIX_NO_SEND ? UNIX_NO_RECEIVE : 0);
		sock_wake(peer);
	}
	return 0;
}

/* --- as a file --- */

static isize_t unix_read(struct file *f, struct uio *u, u64 *pos)
{
	struct unix_received r;
	isize_t n = unix_receive(unix_of(f), u, f->flags & O_NONBLOCK ? MSG_DONTWAIT : 0, &r);

	unix_files_put(r.files);
	return n;
}

static isize_t unix_write(struct file *f, struct uio *u, u64 *pos)
{
	const struct proc *p = proc_current();
	struct unix_send how = {
	        .creds = {p->pid->nr, p->creds.uid, p->creds.gid},
	        .nonblock = f->flags & O_NONBLOCK,
	};

	return unix_send(unix_of(f), u, &how);
}

static u32 poll_locked(const struct unix_sock *s)
{
	bool stream = s->type != SOCK_DGRAM;
	u32 events = s->error ? POLLERR : 0;

	if (s->shut == UNIX_SHUT || (stream && s->state == UNIX_UNCONNECTED))
		events |= POLLHUP;
	if (s->shut & UNIX_NO_RECEIVE)
		events |= POLLRDHUP | POLLIN | POLLRDNORM;
	if (!list_empty(&s->queue) || !list_empty(&s->accept_queue))
		events |= POLLIN | POLLRDNORM;
	if (s->state != UNIX_LISTENING && s->sent * 4 <= s->send_buffer)
		events |= POLLOUT | POLLWRNORM | POLLWRBAND;
	return events;
}

static u32 unix_poll(struct file *f, struct poll_table *pt)
{
	struct unix_sock *s = unix_of(f);
	u32 events;

	poll_wait(pt, &s->wait);
	WITH_LOCK (&unix_lock)
		events = poll_locked(s);
	return events;
}

static i64 unix_ioctl(struct file *f, u32 req, u64 arg)
{
	struct unix_sock *s = unix_of(f);
	int n = 0;

	if (req != FIONREAD && req != TIOCOUTQ)
		return -ENOTTY;
	if (s->state == UNIX_LISTENING)
		return -EINVAL;
	WITH_LOCK (&unix_lock) {
		if (req == TIOCOUTQ)
			n = s->sent;
		else if (s->type != SOCK_DGRAM)
			n = s->queued;
		else if (!list_empty(&s->queue)) /* the first alone: datagram(7) */
			n = list_first(&s->queue, struct unix_message, link)->len;
	}
	return copyout(UADDR(arg), &n, sizeof(n));
}

static const struct file_ops unix_fops = {
        .read = unix_read,
        .write = unix_write,
        .poll = unix_poll,
        .ioctl = unix_ioctl,
        .release = unix_release,
};
