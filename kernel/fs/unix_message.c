/* What goes through sockets of AF_UNIX: sending, receiving, and files in flight. */
#include "hal/base/string.h"
#include "kernel/fs/file.h"
#include "kernel/fs/unix.h"
#include "kernel/proc/proc.h"
#include "vm/kmem.h"

#define STREAM_PIECE (16 * KIB) /* of a stream, in one message */
#define QUEUE_MAX 512U          /* datagrams that wait for one socket */
#define COLLECT_ABOVE 256U      /* files in flight: look for garbage at each that is sent */

struct spinlock unix_lock = SPINLOCK_INIT("unix", RANK_FILE);
u32 unix_in_flight;
struct list unix_all = LIST_INIT(unix_all);

/* --- messages --- */

static u32 message_charge(const struct unix_message *m)
{
	return m->len + sizeof(*m);
}

int unix_message_new(struct unix_sock *s, struct uio *u, u32 len, const struct user_ucred *creds,
                     struct unix_files *files, struct unix_message **ret)
{
	struct unix_message *m = kmalloc(sizeof(*m) + len);

	if (!m)
		return -ENOMEM;
	if (len && uio_in(u, m->data, len) != (isize_t)len) {
		kfree(m);
		return -EFAULT;
	}
	list_init(&m->link);
	ref_get(&s->refs);
	m->from = s;
	m->name.len = 0;
	m->creds = *creds;
	m->files = files;
	m->len = len;
	m->done = 0;
	*ret = m;
	return 0;
}

/* message_discard: one that was never queued. Its files stay the caller's. */
static void message_discard(struct unix_message *m)
{
	unix_put(m->from);
	kfree(m);
}

/* files_count: they enter or leave a queue. U1 */
static void files_count(const struct unix_files *files, i32 step)
{
	for (u32 i = 0; files && i < files->count; i++) {
		atomic_store(&unix_in_flight, unix_in_flight + step);
		if (file_is_unix(files->files[i]))
			unix_of(files->files[i])->in_flight += step;
	}
}

/* message_queue: U1 */
static void message_queue(struct unix_sock *to, struct unix_message *m)
{
	files_count(m->files, 1);
	m->from->sent += message_charge(m);
	to->queued += m->len;
	to->messages++;
	list_push_back(&to->queue, &m->link);
	waitq_wake_events(&to->wait, POLLIN | POLLRDNORM);
}

/* message_unqueue: its sender has room again. U1 */
static void message_unqueue(struct unix_sock *s, struct unix_message *m)
{
	list_remove(&m->link);
	s->queued -= m->len - m->done;
	s->messages--;
	m->from->sent -= message_charge(m);
	waitq_wake_events(&m->from->wait, POLLOUT | POLLWRNORM | POLLWRBAND);
}

void unix_take_all(struct unix_sock *s, struct list *list)
{
	while (!list_empty(&s->queue)) {
		struct unix_message *m = list_first(&s->queue, struct unix_message, link);

		message_unqueue(s, m);
		list_push_back(list, &m->link);
	}
}

void unix_files_put(struct unix_files *files)
{
	for (u32 i = 0; files && i < files->count; i++)
		file_put(files->files[i]);
	kfree(files);
}

/* A file that is dropped may be a socket with messages, which hold files, ...: all go onto one list, and whoever is at
 * work on it takes them from there, so that no chain is too long for the stack. */
static struct list dropped = LIST_INIT(dropped); /* [u] */
static bool dropping;                            /* [u] */

static struct unix_message *dropped_next(void)
{
	struct unix_message *m = NULL;

	WITH_LOCK (&unix_lock) {
		dropping = !list_empty(&dropped);
		if (!dropping)
			break;
		m = list_first(&dropped, struct unix_message, link);
		list_remove(&m->link);
		files_count(m->files, -1);
	}
	return m;
}

void unix_drop(struct list *list)
{
	struct unix_message *m;
	bool others;

	WITH_LOCK (&unix_lock) {
		list_append(&dropped, list);
		others = dropping;
		dropping = true;
	}
	if (others)
		return;
	while ((m = dropped_next())) {
		unix_files_put(m->files);
		unix_put(m->from);
		kfree(m);
	}
}

/* --- waiting --- */

static u64 deadline_after(u64 timeout)
{
	return timeout ? clock_mono() + timeout : CLOCK_NEVER;
}

/* wait_error: how a wait that failed ends the call (socket(7), SO_RCVTIMEO). */
static int wait_error(int err, u64 deadline)
{
	if (err == -ETIMEDOUT)
		return -EAGAIN;
	return err == -ERESTARTSYS && deadline != CLOCK_NEVER ? -EINTR : err;
}

/* --- sending --- */

/* send_trouble: why S can send nothing to TO. U1 => 0; -EPIPE; -ECONNREFUSED; -ECONNRESET */
static int send_trouble(struct unix_sock *s, struct unix_sock *to)
{
	if (s->shut & UNIX_NO_SEND)
		return -EPIPE;
	if (to->dead)
		return s->type == SOCK_DGRAM ? -ECONNREFUSED : -EPIPE;
	if (to->shut & UNIX_NO_RECEIVE)
		return -EPIPE;
	if (s->type == SOCK_DGRAM && to->peer && to->peer != s)
		return -EPERM;
	return 0;
}

/* send_room: U1 */
static bool send_own_room(const struct unix_sock *s)
{
	return s->sent < s->send_buffer;
}

static bool send_queue_room(const struct unix_sock *s, const struct unix_sock *to)
{
	return s->type != SOCK_DGRAM || to->messages < QUEUE_MAX;
}

static bool own_room_or_trouble(struct unix_sock *s, struct unix_sock *to)
{
	bool yes;

	WITH_LOCK (&unix_lock)
		yes = send_own_room(s) || send_trouble(s, to);
	return yes;
}

static bool queue_room_or_trouble(struct unix_sock *s, struct unix_sock *to)
{
	bool yes;

	WITH_LOCK (&unix_lock)
		yes = send_queue_room(s, to) || send_trouble(s, to);
	return yes;
}

/* send_try: => 0: it is queued; -EAGAIN: *RET_OWN tells whose room is missing; why not */
static int send_try(struct unix_sock *s, struct unix_sock *to, struct unix_message *m, bool *ret_own)
{
	int err;

	WITH_LOCK (&unix_lock) {
		err = send_trouble(s, to);
		if (err)
			break;
		*ret_own = !send_own_room(s);
		if (*ret_own || !send_queue_room(s, to)) {
			err = -EAGAIN;
			break;
		}
		if (s->name.len)
			m->name = s->name;
		message_queue(to, m);
	}
	return err;
}

/* send_message: on success M is no longer the caller's. */
static int send_message(struct unix_sock *s, struct unix_sock *to, struct unix_message *m, bool nonblock)
{
	u64 deadline = deadline_after(s->send_timeout);
	bool own;
	int err;

	for (;;) {
		err = send_try(s, to, m, &own);
		if (err != -EAGAIN || nonblock)
			return err;
		if (own)
			err = wait_event(&s->wait, WAIT_INTERRUPTIBLE, deadline, own_room_or_trouble(s, to));
		else
			err = wait_event(&to->wait, WAIT_INTERRUPTIBLE, deadline,
			                 queue_room_or_trouble(s, to));
		if (err < 0)
			return wait_error(err, deadline);
	}
}

/* send_piece: LEN bytes of U as one message. => 0 or an error; then U may have moved */
static int send_piece(struct unix_sock *s, struct unix_sock *to, struct uio *u, u32 len,
                      struct unix_send *how)
{
	struct unix_message *m;
	int err = unix_message_new(s, u, len, &how->creds, how->files, &m);

	if (err < 0)
		return err;
	if ((err = send_message(s, to, m, how->nonblock)) < 0)
		message_discard(m);
	else
		how->files = NULL;
	return err;
}

static isize_t send_stream(struct unix_sock *s, struct unix_sock *to, struct uio *u, struct unix_send *how)
{
	isize_t done = 0;
	int err = 0;

	if (!u->resid)
		WITH_LOCK (&unix_lock)
			err = send_trouble(s, to);
	while (u->resid && !err) {
		u32 len = MIN(u->resid, STREAM_PIECE);

		err = send_piece(s, to, u, len, how);
		if (!err)
			done += len;
	}
	if (err == -EPIPE && !done && !how->no_signal)
		file_signal(SIGPIPE);
	return done ? done : err;
}

static isize_t send_packet(struct unix_sock *s, struct unix_sock *to, struct uio *u, struct unix_send *how)
{
	u32 len = u->resid;
	int err;

	if (u->resid > s->send_buffer - 32)
		return -EMSGSIZE;
	err = send_piece(s, to, u, len, how);
	return err < 0 ? err : (isize_t)len;
}

/* peer_get => a reference, or NULL */
static struct unix_sock *peer_get(struct unix_sock *s)
{
	struct unix_sock *peer;

	WITH_LOCK (&unix_lock) {
		peer = s->peer;
		if (peer)
			ref_get(&peer->refs);
	}
	return peer;
}

/* send_target: => 0 and a reference */
static int send_target(struct unix_sock *s, const struct unix_name *to, struct unix_sock **ret)
{
	if (to && s->type == SOCK_DGRAM)
		return unix_find(to, s->type, ret);
	if (to && s->type == SOCK_STREAM)
		return s->state == UNIX_CONNECTED ? -EISCONN : -EOPNOTSUPP;
	*ret = peer_get(s);
	return *ret ? 0 : -ENOTCONN;
}

/* datagrams_end: the one to whom they went has gone: the next call finds S unconnected. */
static void datagrams_end(struct unix_sock *s, struct unix_sock *to)
{
	bool was;

	WITH_LOCK (&unix_lock) {
		was = s->peer == to;
		if (was)
			s->peer = NULL;
	}
	if (was)
		unix_put(to);
}

isize_t unix_send(struct unix_sock *s, struct uio *u, struct unix_send *how)
{
	struct unix_sock *to;
	isize_t n = send_target(s, how->to, &to);

	if (n < 0)
		return n;
	if (how->files && atomic_load(&unix_in_flight) > COLLECT_ABOVE)
		unix_collect();
	n = s->type == SOCK_STREAM ? send_stream(s, to, u, how) : send_packet(s, to, u, how);
	if (n == -ECONNREFUSED)
		datagrams_end(s, to);
	unix_put(to);
	return n;
}

/* --- receiving --- */

static bool receive_some(struct unix_sock *s)
{
	bool some;

	WITH_LOCK (&unix_lock)
		some = !list_empty(&s->queue) || s->error || (s->shut & UNIX_NO_RECEIVE);
	return some;
}

/* receive_first: the oldest message, or AFTER's next. read_lock held.
 * => 0; 1: the end; -EAGAIN: none yet; the socket's error */
static int receive_first(struct unix_sock *s, struct unix_message *after, struct unix_message **ret)
{
	struct list *next;
	int err = 0;

	WITH_LOCK (&unix_lock) {
		next = after ? after->link.next : s->queue.next;
		if (next != &s->queue) {
			*ret = list_entry(next, struct unix_message, link);
		} else if (s->error) {
			err = -s->error;
			s->error = 0;
		} else {
			err = s->shut & UNIX_NO_RECEIVE ? 1 : -EAGAIN;
		}
	}
	return err;
}

/* files_copy: for who only looks. => -ENOMEM */
static int files_copy(const struct unix_files *from, struct unix_files **ret)
{
	struct unix_files *copy;

	if (!from)
		return 0;
	if (!(copy = kmalloc(sizeof(*copy) + from->count * sizeof(copy->files[0]))))
		return -ENOMEM;
	copy->count = from->count;
	for (u32 i = 0; i < from->count; i++) {
		copy->files[i] = from->files[i];
		file_get(copy->files[i]);
	}
	*ret = copy;
	return 0;
}

/* receive_consume: N bytes of M are received, and with the first of them its files. WHOLE: what is left is lost.
 * => M is finished: the caller frees it */
static bool receive_consume(struct unix_sock *s, struct unix_message *m, u32 n, bool whole,
                            struct unix_received *ret)
{
	bool finished;

	WITH_LOCK (&unix_lock) {
		if (m->files) {
			files_count(m->files, -1);
			ret->files = m->files;
			m->files = NULL;
		}
		m->done += n;
		s->queued -= n;
		finished = whole || m->done == m->len;
		if (finished)
			message_unqueue(s, m);
	}
	return finished;
}

static void receive_free(struct unix_message *m)
{
	unix_put(m->from);
	kfree(m);
}

/* receive_part: of M as much as U wants. => bytes; -EFAULT; -ENOMEM; *RET_GONE: M is no more */
static isize_t receive_part(struct unix_sock *s, struct unix_message *m, struct uio *u, u32 flags,
                            struct unix_received *ret, bool *ret_gone)
{
	bool whole = s->type != SOCK_STREAM, peek = flags & MSG_PEEK;
	u32 n = MIN(u->resid, m->len - m->done);
	isize_t r = n ? uio_out(u, m->data + m->done, n) : 0;

	*ret_gone = false;
	if (r < (isize_t)n && (r <= 0 || whole))
		return -EFAULT;
	ret->creds = m->creds;
	ret->name = m->name;
	if (whole && n < m->len)
		ret->flags |= MSG_TRUNC;
	if (peek)
		return files_copy(m->files, &ret->files) < 0 ? -ENOMEM : r;
	*ret_gone = receive_consume(s, m, r, whole, ret);
	return r;
}

/* receive_packet: read_lock held. */
static isize_t receive_packet(struct unix_sock *s, struct uio *u, u32 flags, struct unix_received *ret)
{
	struct unix_message *m;
	bool gone;
	isize_t r = receive_first(s, NULL, &m);
	u32 len;

	if (r)
		return r == 1 ? 0 : r;
	len = m->len;
	r = receive_part(s, m, u, flags, ret, &gone);
	if (gone)
		receive_free(m);
	return r >= 0 && (flags & MSG_TRUNC) ? (isize_t)len : r;
}

/* stream_joins: may bytes of M follow others in the same call? Not those of another sender, where that matters. */
static bool stream_joins(const struct unix_sock *s, const struct unix_message *m,
                         const struct user_ucred *creds)
{
	return !s->pass_creds || !memcmp(&m->creds, creds, sizeof(*creds));
}

/* receive_stream: what is there now, DONE bytes having come before. read_lock held. => bytes; 0: the end; an error */
static isize_t receive_stream(struct unix_sock *s, struct uio *u, u32 flags, struct unix_received *ret,
                              isize_t before)
{
	struct unix_message *m = NULL, *last = NULL;
	isize_t done = 0, r = 0;
	bool gone;

	while (u->resid && !ret->files) {
		if ((r = receive_first(s, last, &m)) != 0)
			break;
		if (done + before && !stream_joins(s, m, &ret->creds))
			break;
		if ((r = receive_part(s, m, u, flags, ret, &gone)) < 0)
			break;
		done += r;
		last = flags & MSG_PEEK ? m : NULL;
		if (gone)
			receive_free(m);
	}
	if (done)
		return done;
	return r == 1 ? 0 : r;
}

/* receive_now: => as unix_receive, without waiting */
static isize_t receive_now(struct unix_sock *s, struct uio *u, u32 flags, struct unix_received *ret,
                           isize_t done)
{
	isize_t r;

	mutex_lock(&s->read_lock);
	if (s->type == SOCK_STREAM)
		r = receive_stream(s, u, flags, ret, done);
	else
		r = receive_packet(s, u, flags, ret);
	mutex_unlock(&s->read_lock);
	return r;
}

static bool receive_wants_more(const struct unix_sock *s, const struct uio *u, u32 flags,
                               const struct unix_received *ret)
{
	return s->type == SOCK_STREAM && (flags & MSG_WAITALL) && !(flags & MSG_PEEK) && u->resid &&
	       !ret->files;
}

isize_t unix_receive(struct unix_sock *s, struct uio *u, u32 flags, struct unix_received *ret)
{
	u64 deadline = deadline_after(s->receive_timeout);
	isize_t done = 0, r;

	*ret = (struct unix_received){.files = NULL};
	if (s->type != SOCK_DGRAM && s->state != UNIX_CONNECTED)
		return s->type == SOCK_STREAM ? -EINVAL : -ENOTCONN;
	if (s->type == SOCK_STREAM && !u->resid)
		return 0;
	for (;;) {
		r = receive_now(s, u, flags, ret, done);
		if (r > 0)
			done += r;
		if (r != -EAGAIN && (r <= 0 || !receive_wants_more(s, u, flags, ret)))
			break;
		if (r > 0)
			continue;
		if (flags & MSG_DONTWAIT)
			break;
		r = wait_event(&s->wait, WAIT_INTERRUPTIBLE, deadline, receive_some(s));
		if (r < 0) {
			r = wait_error(r, deadline);
			break;
		}
	}
	return done ? done : r;
}

/* --- files that nobody can receive any more --- */

typedef void (*visit_fn)(struct unix_sock *s, struct list *reached);

/* visit_queue: FN for each socket whose file is in a message of S. U1 */
static void visit_queue(struct unix_sock *s, visit_fn fn, struct list *reached)
{
	struct unix_message *m;

	list_for_each (m, &s->queue, link)
		for (u32 i = 0; m->files && i < m->files->count; i++)
			if (file_is_unix(m->files->files[i]))
				fn(unix_of(m->files->files[i]), reached);
}

/* visit_held: those in S's queue, and in the queues of connections that wait for S to accept them. U1 */
static void visit_held(struct unix_sock *s, visit_fn fn, struct list *reached)
{
	struct unix_sock *c;

	visit_queue(s, fn, reached);
	list_for_each (c, &s->accept_queue, accept_link)
		visit_queue(c, fn, reached);
}

static void see(struct unix_sock *s, struct list *reached)
{
	(void)reached;
	if (s->garbage)
		s->unseen--;
}

static void reach(struct unix_sock *s, struct list *reached)
{
	if (!s->garbage)
		return;
	s->garbage = false;
	list_push_back(reached, &s->reached_link);
}

/* suspects: sockets whose file is held by messages alone. U1 */
static void suspects_find(void)
{
	struct unix_sock *s;

	list_for_each (s, &unix_all, all_link) {
		s->garbage = s->in_flight && atomic_load(&s->file->refs) == s->in_flight;
		s->unseen = s->in_flight;
	}
	list_for_each (s, &unix_all, all_link)
		if (s->garbage)
			visit_held(s, see, NULL);
}

/* suspects_clear: those that a message outside holds, and what they hold, and so on, are none. U1 */
static void suspects_clear(void)
{
	struct list reached = LIST_INIT(reached);
	struct unix_sock *s;

	list_for_each (s, &unix_all, all_link)
		if (s->garbage && s->unseen > 0)
			reach(s, &reached);
	while (!list_empty(&reached)) {
		s = list_first(&reached, struct unix_sock, reached_link);
		list_remove(&s->reached_link);
		visit_held(s, reach, &reached);
	}
}

void unix_collect(void)
{
	struct list garbage = LIST_INIT(garbage);
	struct unix_sock *s, *c;

	if (!atomic_load(&unix_in_flight))
		return;
	WITH_LOCK (&unix_lock) {
		suspects_find();
		suspects_clear();
		list_for_each (s, &unix_all, all_link) {
			if (!s->garbage)
				continue;
			unix_take_all(s, &garbage);
			list_for_each (c, &s->accept_queue, accept_link)
				unix_take_all(c, &garbage);
		}
	}
	unix_drop(&garbage);
}
