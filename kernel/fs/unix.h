/* Sockets of AF_UNIX (unix(7)): streams, datagrams, and packets in sequence, within this machine.
 *
 * U1: who is connected to whom, what is queued where, and which files are in flight changes under unix_lock.
 * U2: of a socket's queue only one at a time takes messages (read_lock), so what the first one holds can be copied
 *     without unix_lock.
 * U3: a socket without its file (`dead`) sends and receives nothing; it is memory that its peer still points to.
 * U4: a message counts against its sender's buffer until it has been received or dropped.
 * Letters below: u unix_lock   I immutable   a atomic */
#pragma once

#include "kernel/abi/socket.h"
#include "kernel/fs/vfs.h"
#include "sched/waitq.h"

enum unix_state {
	UNIX_UNCONNECTED,
	UNIX_LISTENING,
	UNIX_CONNECTED
};

enum {
	UNIX_NO_RECEIVE = 1,
	UNIX_NO_SEND = 2,
	UNIX_SHUT = 3
};

struct unix_name { /* a name: a path, or after a zero byte any bytes (abstract) */
	u32 len;   /* of path, bytes; 0: none */
	char path[UNIX_PATH_MAX + 1];
};

struct unix_sock {
	u32 refs;                          /* [a] */
	int type;                          /* [I] SOCK_* */
	enum unix_state state;             /* [u] */
	bool dead;                         /* [u] */
	u32 shut;                          /* [u] UNIX_NO_* */
	int error;                         /* [u] positive; told once */
	struct unix_sock *peer;            /* [u] counted, or NULL */
	struct waitq wait;                 /* for messages, room, connections, ends */
	struct mutex read_lock;            /* U2 */
	struct list queue;                 /* [u] struct unix_message, oldest first */
	u32 queued;                        /* [u] bytes in it */
	u32 messages;                      /* [u] */
	u32 sent;                          /* [u] bytes of its own that were not received yet */
	u32 send_buffer, receive_buffer;   /* [a] bytes */
	u64 send_timeout, receive_timeout; /* [a] ns, 0: none */
	bool pass_creds;                   /* [a] */
	struct user_ucred peer_creds;      /* [u] */
	struct unix_name name;             /* [u] */
	struct dentry *dentry;             /* [u] of a name that is a path */
	struct list name_link;             /* [u] of an abstract name, or empty */
	struct list accept_queue;          /* [u] of a listener: connections by accept_link */
	struct list accept_link;           /* [u] */
	u32 backlog, waiting;              /* [u] how many may wait there, and do */
	struct file *file;                 /* [u] NULL: dead, or not accepted yet */
	struct list all_link;              /* [u] all that have a file */
	u32 in_flight;                     /* [u] messages' references to its file */
	i32 unseen;                        /* [u] of the collector: of these, from where it has not looked */
	bool garbage;                      /* [u] of the collector: not known to be reachable */
	struct list reached_link;          /* [u] of the collector */
};

/* Files on their way. */
struct unix_files {
	u32 count;
	struct file *files[];
};

struct unix_message {
	struct list link;         /* [u] */
	struct unix_sock *from;   /* [I] counted */
	struct unix_name name;    /* [I] its sender's, when it was sent */
	struct user_ucred creds;  /* [I] */
	struct unix_files *files; /* [u] or NULL */
	u32 len;                  /* [I] bytes */
	u32 done;                 /* [u] of them, received */
	u8 data[];
};

/* --- sockets (unix.c) --- */

void unix_init(void);

/* unix_open: a socket of TYPE and its file. FLAGS: O_NONBLOCK. => 0; -ENOMEM. unix_pair: two, connected. */
int unix_open(int type, u32 flags, struct file **ret);
int unix_pair(int type, u32 flags, struct file **ret_a, struct file **ret_b);
bool file_is_unix(const struct file *f);
static inline struct unix_sock *unix_of(const struct file *f)
{
	return f->private;
}

int unix_bind(struct unix_sock *s, const struct unix_name *name);
int unix_listen(struct unix_sock *s, int backlog);
int unix_connect(struct unix_sock *s, const struct unix_name *name, bool nonblock);
int unix_disconnect(struct unix_sock *s); /* of datagrams */
int unix_accept(struct unix_sock *s, bool nonblock, u32 flags, struct file **ret);
int unix_shutdown(struct unix_sock *s, int how);

/* unix_find: the socket of a name. => 0 and a reference; -ECONNREFUSED; -EPROTOTYPE; of the path: as open(2) */
int unix_find(const struct unix_name *name, int type, struct unix_sock **ret);
void unix_put(struct unix_sock *s); /* does not sleep */

/* --- messages (unix_message.c) --- */

extern struct spinlock unix_lock;

/* unix_message_new: LEN bytes of U, which moves on. FILES is taken over on success. => -ENOMEM; -EFAULT */
int unix_message_new(struct unix_sock *s, struct uio *u, u32 len, const struct user_ucred *creds,
                     struct unix_files *files, struct unix_message **ret);

struct unix_send {
	const struct unix_name *to; /* NULL: the peer */
	struct user_ucred creds;
	struct unix_files *files; /* taken over when a byte went out; or NULL */
	bool nonblock, no_signal;
};
isize_t unix_send(struct unix_sock *s, struct uio *u, struct unix_send *how);

struct unix_received {
	struct unix_name name;
	struct user_ucred creds;
	struct unix_files *files; /* the caller's from then on; or NULL */
	u32 flags;                /* MSG_TRUNC */
};
/* unix_receive: FLAGS: MSG_PEEK, MSG_DONTWAIT, MSG_TRUNC, MSG_WAITALL. */
isize_t unix_receive(struct unix_sock *s, struct uio *u, u32 flags, struct unix_received *ret);

/* unix_files_put: drop the files, and the array. NULL is fine. */
void unix_files_put(struct unix_files *files);

/* unix_drop: free the messages of LIST, which no socket has any more. No lock held. */
void unix_drop(struct list *list);

/* unix_take_all: all messages of S (U1) go to LIST. */
void unix_take_all(struct unix_sock *s, struct list *list);

/* unix_collect: sockets that are reached from nothing but each other's queues lose what is queued.
 * unix_in_flight: files on their way, all in all: without any there is nothing to collect. */
void unix_collect(void);
extern u32 unix_in_flight; /* [u], read with atomic_load */

extern struct list unix_all; /* [u] */
