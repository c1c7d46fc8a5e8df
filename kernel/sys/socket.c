/* Sockets. */
#include "hal/base/string.h"
#include "kernel/abi/capability.h"
#include "kernel/fs/perm.h"
#include "kernel/fs/unix.h"
#include "kernel/sys/iov.h"
#include "kernel/sys/path.h"
#include "kernel/sys/poll.h"
#include "kernel/sys/syscall.h"
#include "kernel/sys/usertime.h"
#include "vm/kmem.h"

#define NAME_OFFSET offsetof(struct sockaddr_un, sun_path)
#define CONTROL_MAX (16 * KIB)

/* sock_use: the socket of FD. => NULL, *RET_ERR is -EBADF or -ENOTSOCK; fd_return(*RET) is due in any case */
static struct unix_sock *sock_use(int fd, struct fdref *ret, int *ret_err)
{
	*ret = fd_use(fd);
	*ret_err = !ret->file ? -EBADF : file_is_unix(ret->file) ? 0 : -ENOTSOCK;
	return *ret_err ? NULL : unix_of(ret->file);
}

/* --- addresses --- */

/* name_get: of a sockaddr of LEN bytes. A path ends at its first zero byte. => 0; -EFAULT; -EINVAL */
static int name_get(uaddr_t user, u32 len, struct unix_name *ret)
{
	struct sockaddr_un addr;

	if (len < NAME_OFFSET || len > sizeof(addr))
		return -EINVAL;
	if (copyin(&addr, user, len) < 0)
		return -EFAULT;
	if (addr.sun_family != AF_UNIX)
		return -EINVAL;
	ret->len = len - NAME_OFFSET;
	memcpy(ret->path, addr.sun_path, ret->len);
	ret->path[ret->len] = '\0';
	if (ret->len && ret->path[0])
		ret->len = strlen(ret->path) + 1;
	return 0;
}

/* name_put: as much as the caller has room for; *LEN is what it would have been. */
static int name_put(const struct unix_name *name, uaddr_t user, uaddr_t user_len)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int room, len = NAME_OFFSET + name->len;

	if (copyin(&room, user_len, sizeof(room)) < 0)
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	memcpy(addr.sun_path, name->path, MIN(name->len, sizeof(addr.sun_path)));
	if (copyout(user, &addr, MIN((u32)room, MIN((u32)len, sizeof(addr)))) < 0)
		return -EFAULT;
	return copyout(user_len, &len, sizeof(len));
}

/* sender_put: as name_put, but one without a name has no address at all. */
static int sender_put(const struct unix_name *name, uaddr_t user, uaddr_t user_len)
{
	int none = 0;

	return name->len ? name_put(name, user, user_len) : copyout(user_len, &none, sizeof(none));
}

/* --- making --- */

static int type_check(int domain, int *type, int protocol)
{
	if (*type & ~(SOCK_TYPE_MASK | SOCK_CLOEXEC | SOCK_NONBLOCK))
		return -EINVAL;
	if (domain != AF_UNIX)
		return -EAFNOSUPPORT;
	if (protocol && protocol != AF_UNIX)
		return -EPROTONOSUPPORT;
	switch (*type & SOCK_TYPE_MASK) {
	case SOCK_RAW: /* as Linux has it since the beginning */
		*type += SOCK_DGRAM - SOCK_RAW;
		return 0;
	case SOCK_STREAM:
	case SOCK_DGRAM:
	case SOCK_SEQPACKET:
		return 0;
	default:
		return -ESOCKTNOSUPPORT;
	}
}

i64 sys_socket(int domain, int type, int protocol)
{
	struct file *f;
	int err = type_check(domain, &type, protocol);

	if (err < 0 || (err = unix_open(type & SOCK_TYPE_MASK, type & O_NONBLOCK, &f)) < 0)
		return err;
	return fd_install_new(f, type & SOCK_CLOEXEC);
}

static int pair_open(int type, int fds[2], uaddr_t user)
{
	struct file *a, *b;
	int err;

	if (copyout(user, fds, 2 * sizeof(fds[0])) < 0)
		return -EFAULT;
	if ((err = unix_pair(type & SOCK_TYPE_MASK, type & O_NONBLOCK, &a, &b)) < 0)
		return err;
	fd_commit(fds[0], a);
	fd_commit(fds[1], b);
	return 0;
}

i64 sys_socketpair(int domain, int type, int protocol, uaddr_t user)
{
	int fds[2], err = type_check(domain, &type, protocol);

	if (err < 0 || (err = fd_reserve_pair(fds, type & SOCK_CLOEXEC)) < 0)
		return err;
	if ((err = pair_open(type, fds, user)) < 0) {
		fd_cancel(fds[0]);
		fd_cancel(fds[1]);
	}
	return err;
}

/* --- connecting --- */

i64 sys_bind(int fd, uaddr_t user, u32 len)
{
	struct unix_name name;
	struct fdref r;
	int err;
	struct unix_sock *s = sock_use(fd, &r, &err);

	if (s)
		err = name_get(user, len, &name);
	if (!err)
		err = unix_bind(s, &name);
	fd_return(r);
	return err;
}

i64 sys_listen(int fd, int backlog)
{
	struct fdref r;
	int err;
	struct unix_sock *s = sock_use(fd, &r, &err);

	if (s)
		err = unix_listen(s, backlog);
	fd_return(r);
	return err;
}

static int connect(struct fdref r, uaddr_t user, u32 len)
{
	struct unix_name name;
	u16 family;
	int err;

	if (len >= sizeof(family) && copyin(&family, user, sizeof(family)) < 0)
		return -EFAULT;
	if (len >= sizeof(family) && family == AF_UNSPEC)
		return unix_disconnect(unix_of(r.file));
	if ((err = name_get(user, len, &name)) < 0)
		return err;
	return unix_connect(unix_of(r.file), &name, r.file->flags & O_NONBLOCK);
}

i64 sys_connect(int fd, uaddr_t user, u32 len)
{
	struct fdref r;
	int err;

	if (sock_use(fd, &r, &err))
		err = connect(r, user, len);
	fd_return(r);
	return err;
}

/* sock_name: the name of S, or of its peer. => 0; -ENOTCONN */
static int sock_name(struct unix_sock *s, bool peer, struct unix_name *ret)
{
	int err = 0;

	WITH_LOCK (&unix_lock) {
		if (peer)
			s = s->peer;
		if (s)
			*ret = s->name;
		else
			err = -ENOTCONN;
	}
	return err;
}

static i64 accept_file(struct fdref r, uaddr_t user, uaddr_t user_len, int flags, struct file **ret)
{
	struct unix_name name = {.len = 0};
	struct file *f;
	i64 err = unix_accept(unix_of(r.file), r.file->flags & O_NONBLOCK, flags & O_NONBLOCK, &f);

	if (err < 0)
		return err;
	if (user.va && sock_name(unix_of(f), true, &name) < 0)
		name.len = 0; /* it has gone already */
	if (user.va)
		err = name_put(&name, user, user_len);
	if (err < 0)
		file_put(f);
	else
		*ret = f;
	return err;
}

i64 sys_accept4(int fd, uaddr_t user, uaddr_t user_len, int flags)
{
	struct fdref r;
	struct file *f;
	int err, new = -1;

	if (flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK))
		return -EINVAL;
	if (sock_use(fd, &r, &err) && (err = new = fd_reserve(0, flags & SOCK_CLOEXEC)) >= 0)
		err = accept_file(r, user, user_len, flags, &f);
	fd_return(r);
	if (err < 0 && new >= 0)
		fd_cancel(new);
	if (err < 0)
		return err;
	fd_commit(new, f);
	return new;
}

i64 sys_accept(int fd, uaddr_t user, uaddr_t user_len)
{
	return sys_accept4(fd, user, user_len, 0);
}

i64 sys_shutdown(int fd, int how)
{
	struct fdref r;
	int err;
	struct unix_sock *s = sock_use(fd, &r, &err);

	if (s)
		err = unix_shutdown(s, how);
	fd_return(r);
	return err;
}

static i64 name_of_fd(int fd, bool peer, uaddr_t user, uaddr_t user_len)
{
	struct unix_name name;
	struct fdref r;
	int err;
	struct unix_sock *s = sock_use(fd, &r, &err);

	if (s)
		err = sock_name(s, peer, &name);
	if (!err)
		err = name_put(&name, user, user_len);
	fd_return(r);
	return err;
}

i64 sys_getsockname(int fd, uaddr_t user, uaddr_t user_len)
{
	return name_of_fd(fd, false, user, user_len);
}

i64 sys_getpeername(int fd, uaddr_t user, uaddr_t user_len)
{
	return name_of_fd(fd, true, user, user_len);
}

/* --- what goes with a message --- */

static struct user_ucred sender_creds(void)
{
	const struct proc *p = proc_current();

	return (struct user_ucred){p->pid->nr, p->creds.uid, p->creds.gid};
}

/* creds_check: may the caller say this of itself? unix(7), SCM_CREDENTIALS */
static bool creds_allowed(const struct user_ucred *c)
{
	const struct proc *p = proc_current();
	const struct creds *cr = &p->creds;

	return (c->pid == p->pid->nr || capable(CAP_SYS_ADMIN)) &&
	       (c->uid == cr->uid || c->uid == cr->euid || c->uid == cr->suid || capable(CAP_SETUID)) &&
	       (c->gid == cr->gid || c->gid == cr->egid || c->gid == cr->sgid || capable(CAP_SETGID));
}

/* files_get: the files of COUNT numbers. => 0; -EBADF; -EINVAL; -ENOMEM */
static int files_get(const int *fds, u32 count, struct unix_files **ret)
{
	struct unix_files *files;

	if (*ret || count > SCM_MAX_FD)
		return -EINVAL;
	if (!count)
		return 0;
	if (!(files = kmalloc(sizeof(*files) + count * sizeof(files->files[0]))))
		return -ENOMEM;
	for (files->count = 0; files->count < count; files->count++) {
		struct file *f = fd_get(fds[files->count]);

		if (!f || (f->flags & O_PATH && (file_put(f), true))) {
			unix_files_put(files);
			return -EBADF;
		}
		files->files[files->count] = f;
	}
	*ret = files;
	return 0;
}

/* control_one: one header with its data at C, which has them all. */
static int control_one(const struct user_cmsghdr *c, struct unix_send *how)
{
	u64 len = c->len - sizeof(*c);

	if (c->level != SOL_SOCKET)
		return 0;
	if (c->type == SCM_RIGHTS)
		return files_get((const int *)(c + 1), len / sizeof(int), &how->files);
	if (c->type != SCM_CREDENTIALS || len != sizeof(how->creds))
		return -EINVAL;
	memcpy(&how->creds, c + 1, sizeof(how->creds));
	return creds_allowed(&how->creds) ? 0 : -EPERM;
}

static int control_parse(const char *buf, u64 size, struct unix_send *how)
{
	u64 at = 0;
	int err = 0;

	while (!err && at + sizeof(struct user_cmsghdr) <= size) {
		const struct user_cmsghdr *c = (const struct user_cmsghdr *)(buf + at);

		if (c->len < sizeof(*c) || c->len > size - at)
			return -EINVAL;
		err = control_one(c, how);
		at += ALIGN_UP(c->len, 8UL);
	}
	return err;
}

/* control_get: what the caller sends along. => as unix(7) */
static int control_get(const struct user_msghdr *h, struct unix_send *how)
{
	char *buf;
	int err;

	if (!h->control || !h->controllen)
		return 0;
	if (h->controllen > CONTROL_MAX)
		return -ENOBUFS;
	if (!(buf = kmalloc(h->controllen)))
		return -ENOMEM;
	err = copyin(buf, UADDR(h->control), h->controllen);
	if (!err)
		err = control_parse(buf, h->controllen, how);
	kfree(buf);
	if (err < 0) {
		unix_files_put(how->files);
		how->files = NULL;
	}
	return err;
}

/* Where control messages go. */
struct control {
	u64 at, room, used; /* bytes */
	u32 flags;          /* MSG_CTRUNC */
};

/* control_put: as much of it as there is room for. => 0; -EFAULT */
static int control_put(struct control *c, int type, const void *data, u64 len)
{
	struct user_cmsghdr h = {sizeof(h) + len, SOL_SOCKET, type};
	u64 space = ALIGN_UP(h.len, 8UL);

	if (c->room < sizeof(h)) {
		c->flags |= MSG_CTRUNC;
		return 0;
	}
	if (h.len > c->room) {
		c->flags |= MSG_CTRUNC;
		h.len = c->room;
	}
	if (copyout(UADDR(c->at), &h, sizeof(h)) < 0 ||
	    copyout(UADDR(c->at + sizeof(h)), data, h.len - sizeof(h)) < 0)
		return -EFAULT;
	space = MIN(space, c->room);
	c->at += space;
	c->room -= space;
	c->used += space;
	return 0;
}

/* files_install: as many as the control buffer and the table have room for. => how many */
static u32 files_install(const struct unix_files *files, u32 most, bool cloexec, int *fds)
{
	u32 n;

	for (n = 0; n < files->count && n < most; n++) {
		if ((fds[n] = fd_reserve(0, cloexec)) < 0)
			break;
		file_get(files->files[n]);
		fd_commit(fds[n], files->files[n]);
	}
	return n;
}

static int control_put_files(struct control *c, const struct unix_files *files, bool cloexec)
{
	int fds[SCM_MAX_FD];
	u64 head = sizeof(struct user_cmsghdr);
	u32 n = c->room < head ? 0 : files_install(files, (c->room - head) / sizeof(int), cloexec, fds);

	if (n < files->count)
		c->flags |= MSG_CTRUNC;
	return n ? control_put(c, SCM_RIGHTS, fds, n * sizeof(int)) : 0;
}

/* --- sending and receiving --- */

static i64 send_to(struct fdref r, struct uio *u, const struct unix_name *to, struct unix_send *how,
                   u32 flags)
{
	i64 n;

	if (flags & MSG_OOB)
		return -EOPNOTSUPP;
	how->to = to;
	how->nonblock = (flags & MSG_DONTWAIT) || (r.file->flags & O_NONBLOCK);
	how->no_signal = flags & MSG_NOSIGNAL;
	n = unix_send(unix_of(r.file), u, how);
	unix_files_put(how->files);
	return n;
}

i64 sys_sendto(int fd, uaddr_t buf, u64 len, u32 flags, uaddr_t user, u32 addrlen)
{
	struct unix_send how = {.creds = sender_creds()};
	struct unix_name name;
	struct fdref r;
	struct uio u;
	i64 n;
	int err;

	bool named = user.va && addrlen;

	if (sock_use(fd, &r, &err) && named)
		err = name_get(user, addrlen, &name);
	if (!err)
		err = iov_one(&u, buf, len);
	n = err < 0 ? err : send_to(r, &u, named ? &name : NULL, &how, flags);
	fd_return(r);
	return n;
}

static u32 receive_flags(struct fdref r, u32 flags)
{
	return flags | (r.file->flags & O_NONBLOCK ? MSG_DONTWAIT : 0);
}

static i64 receive_from(struct fdref r, struct uio *u, u32 flags, uaddr_t user, uaddr_t user_len)
{
	struct unix_received got;
	i64 n;

	if (flags & MSG_OOB)
		return -EOPNOTSUPP;
	n = unix_receive(unix_of(r.file), u, receive_flags(r, flags), &got);
	unix_files_put(got.files);
	if (n >= 0 && user.va && sender_put(&got.name, user, user_len) < 0)
		return -EFAULT;
	return n;
}

i64 sys_recvfrom(int fd, uaddr_t buf, u64 len, u32 flags, uaddr_t user, uaddr_t user_len)
{
	struct fdref r;
	struct uio u;
	i64 n;
	int err;

	if (sock_use(fd, &r, &err))
		err = iov_one(&u, buf, len);
	n = err < 0 ? err : receive_from(r, &u, flags, user, user_len);
	fd_return(r);
	return n;
}

/* hdr_get: => 0; -EFAULT; -EMSGSIZE; -EINVAL */
static int hdr_get(uaddr_t user, struct user_msghdr *ret)
{
	if (copyin(ret, user, sizeof(*ret)) < 0)
		return -EFAULT;
	if (!ret->name)
		ret->namelen = 0;
	if (ret->namelen < 0)
		return -EINVAL;
	return ret->iovlen > IOV_MAX ? -EMSGSIZE : 0;
}

static i64 send_message(struct fdref r, uaddr_t user, u32 flags)
{
	struct unix_send how = {.creds = sender_creds()};
	struct uio_seg few[IOV_FEW], *segs;
	struct uio u;
	struct unix_name name;
	struct user_msghdr h;
	i64 n = hdr_get(user, &h);

	if (!n && h.namelen)
		n = name_get(UADDR(h.name), h.namelen, &name);
	if (n < 0 || (n = iov_get(&u, UADDR(h.iov), h.iovlen, few)) < 0)
		return n;
	segs = u.segs;
	if ((n = control_get(&h, &how)) == 0)
		n = send_to(r, &u, h.namelen ? &name : NULL, &how, flags);
	iov_put(segs, few);
	return n;
}

i64 sys_sendmsg(int fd, uaddr_t msg, u32 flags)
{
	struct fdref r;
	i64 n;
	int err;

	sock_use(fd, &r, &err);
	n = err < 0 ? err : send_message(r, msg, flags);
	fd_return(r);
	return n;
}

/* received_put: what came with the bytes, and the header's results. */
static int received_put(struct fdref r, uaddr_t user, const struct user_msghdr *h, u32 flags,
                        const struct unix_received *got)
{
	struct control c = {.at = h->control, .room = h->control ? h->controllen : 0};
	uaddr_t namelen = UADDR(user.va + offsetof(struct user_msghdr, namelen));
	int err = 0;

	if (h->name)
		err = sender_put(&got->name, UADDR(h->name), namelen);
	if (!err && unix_of(r.file)->pass_creds)
		err = control_put(&c, SCM_CREDENTIALS, &got->creds, sizeof(got->creds));
	if (!err && got->files)
		err = control_put_files(&c, got->files, flags & MSG_CMSG_CLOEXEC);
	c.flags |= got->flags | (flags & MSG_CMSG_CLOEXEC);
	if (!err)
		err = copyout(UADDR(user.va + offsetof(struct user_msghdr, flags)), &c.flags,
		              sizeof(c.flags));
	if (!err)
		err = copyout(UADDR(user.va + offsetof(struct user_msghdr, controllen)), &c.used,
		              sizeof(c.used));
	return err;
}

static i64 receive_message(struct fdref r, uaddr_t user, u32 flags)
{
	struct unix_received got;
	struct uio_seg few[IOV_FEW], *segs;
	struct uio u;
	struct user_msghdr h;
	i64 n = hdr_get(user, &h);
	int err;

	if (flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (n < 0 || (n = iov_get(&u, UADDR(h.iov), h.iovlen, few)) < 0)
		return n;
	segs = u.segs;
	n = unix_receive(unix_of(r.file), &u, receive_flags(r, flags), &got);
	iov_put(segs, few);
	if (n >= 0 && (err = received_put(r, user, &h, flags, &got)) < 0)
		n = err;
	unix_files_put(got.files);
	return n;
}

i64 sys_recvmsg(int fd, uaddr_t msg, u32 flags)
{
	struct fdref r;
	i64 n;
	int err;

	sock_use(fd, &r, &err);
	n = err < 0 ? err : receive_message(r, msg, flags);
	fd_return(r);
	return n;
}

/* --- several messages --- */

/* many: ONE for each of COUNT headers, until an error, which counts only when it was the first. */
static i64 many(int fd, uaddr_t user, u32 count, u32 flags, u64 deadline,
                i64 (*one)(struct fdref r, uaddr_t user, u32 flags))
{
	struct fdref r;
	u32 done = 0, len;
	int err;
	i64 n;

	sock_use(fd, &r, &err);
	for (n = err; n >= 0 && done < MIN(count, IOV_MAX); done++) {
		uaddr_t at = UADDR(user.va + done * sizeof(struct user_mmsghdr));

		if (done && clock_mono() >= deadline)
			break;
		if ((n = one(r, at, flags & ~MSG_WAITFORONE)) < 0)
			break;
		len = n;
		if ((n = copyout(UADDR(at.va + offsetof(struct user_mmsghdr, len)), &len, sizeof(len))) < 0)
			break;
		flags |= flags & MSG_WAITFORONE ? MSG_DONTWAIT : 0;
	}
	fd_return(r);
	return done ? done : n;
}

i64 sys_sendmmsg(int fd, uaddr_t msgs, u32 count, u32 flags)
{
	return many(fd, msgs, count, flags, CLOCK_NEVER, send_message);
}

i64 sys_recvmmsg(int fd, uaddr_t msgs, u32 count, u32 flags, uaddr_t timeout)
{
	u64 deadline;
	int err = wait_deadline_of(timeout, NS_PER_SEC, &deadline);

	return err < 0 ? err : many(fd, msgs, count, flags, deadline, receive_message);
}

/* --- options --- */

#define BUFFER_LEAST 4608U
#define BUFFER_MOST 425984U /* twice what net.core.wmem_max is on Linux */

static int option_timeout(uaddr_t value, u32 len, u64 *ret)
{
	u64 ns;
	int err;

	if (len < sizeof(struct timeval))
		return -EINVAL;
	if ((err = timeval_get(value, &ns)) < 0)
		return err == -EINVAL ? -EDOM : err;
	atomic_store(ret, ns);
	return 0;
}

static int option_buffer(u32 *buffer, int value)
{
	u64 bytes = 2UL * (u32)MAX(value, 0);

	atomic_store(buffer, MAX(MIN(bytes, BUFFER_MOST), BUFFER_LEAST));
	return 0;
}

static int option_set(struct unix_sock *s, int name, int value)
{
	switch (name) {
	case SO_PASSCRED:
		atomic_store(&s->pass_creds, value != 0);
		return 0;
	case SO_SNDBUF:
	case SO_SNDBUFFORCE:
		return option_buffer(&s->send_buffer, value);
	case SO_RCVBUF:
	case SO_RCVBUFFORCE:
		return option_buffer(&s->receive_buffer, value);
	case SO_REUSEADDR: /* of no effect within one machine */
	case SO_KEEPALIVE:
	case SO_BROADCAST:
	case SO_DONTROUTE:
	case SO_OOBINLINE:
	case SO_LINGER:
	case SO_PRIORITY:
	case SO_RCVLOWAT:
		return 0;
	case SO_TYPE:
	case SO_DOMAIN:
	case SO_PROTOCOL:
	case SO_ERROR:
	case SO_PEERCRED:
	case SO_ACCEPTCONN:
	default:
		return -ENOPROTOOPT;
	}
}

static int setsockopt(struct unix_sock *s, int level, int name, uaddr_t value, u32 len)
{
	int number;

	if (level != SOL_SOCKET)
		return -EOPNOTSUPP;
	if (name == SO_RCVTIMEO_OLD)
		return option_timeout(value, len, &s->receive_timeout);
	if (name == SO_SNDTIMEO_OLD)
		return option_timeout(value, len, &s->send_timeout);
	if (len < sizeof(number))
		return -EINVAL;
	if (copyin(&number, value, sizeof(number)) < 0)
		return -EFAULT;
	return option_set(s, name, number);
}

i64 sys_setsockopt(int fd, int level, int name, uaddr_t value, u32 len)
{
	struct fdref r;
	int err;
	struct unix_sock *s = sock_use(fd, &r, &err);

	if (s)
		err = setsockopt(s, level, name, value, len);
	fd_return(r);
	return err;
}

/* An option's value, whatever its form. */
union option {
	int number;
	struct user_ucred creds;
	struct timeval time;
};

static int take_error(struct unix_sock *s)
{
	int err = 0;

	WITH_LOCK (&unix_lock) {
		err = s->error;
		s->error = 0;
	}
	return err;
}

static struct user_ucred peer_creds(struct unix_sock *s)
{
	struct user_ucred none = {0, ~0U, ~0U}, creds = none;

	WITH_LOCK (&unix_lock)
		creds = s->state == UNIX_UNCONNECTED ? none : s->peer_creds;
	return creds;
}

static int option_number(struct unix_sock *s, int name, int *ret)
{
	switch (name) {
	case SO_TYPE:
		*ret = s->type;
		return 0;
	case SO_DOMAIN:
		*ret = AF_UNIX;
		return 0;
	case SO_ERROR:
		*ret = take_error(s);
		return 0;
	case SO_ACCEPTCONN:
		*ret = s->state == UNIX_LISTENING;
		return 0;
	case SO_PASSCRED:
		*ret = s->pass_creds;
		return 0;
	case SO_SNDBUF:
		*ret = s->send_buffer;
		return 0;
	case SO_RCVBUF:
		*ret = s->receive_buffer;
		return 0;
	case SO_RCVLOWAT:
		*ret = 1;
		return 0;
	case SO_PROTOCOL:
	case SO_REUSEADDR:
	case SO_KEEPALIVE:
	case SO_BROADCAST:
	case SO_PRIORITY:
		*ret = 0;
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

/* option_get => its size; an error */
static int option_get(struct unix_sock *s, int name, union option *ret)
{
	int err;

	switch (name) {
	case SO_PEERCRED:
		ret->creds = peer_creds(s);
		return sizeof(ret->creds);
	case SO_RCVTIMEO_OLD:
		ret->time = timeval_from_ns(s->receive_timeout);
		return sizeof(ret->time);
	case SO_SNDTIMEO_OLD:
		ret->time = timeval_from_ns(s->send_timeout);
		return sizeof(ret->time);
	default:
		err = option_number(s, name, &ret->number);
		return err < 0 ? err : (int)sizeof(ret->number);
	}
}

static int getsockopt(struct unix_sock *s, int level, int name, uaddr_t value, uaddr_t user_len)
{
	union option o;
	int len, size;

	if (level != SOL_SOCKET)
		return -EOPNOTSUPP;
	if (copyin(&len, user_len, sizeof(len)) < 0)
		return -EFAULT;
	if (len < 0)
		return -EINVAL;
	if ((size = option_get(s, name, &o)) < 0)
		return size;
	len = MIN(len, size);
	return copyout(value, &o, len) < 0 ? -EFAULT : copyout(user_len, &len, sizeof(len));
}

i64 sys_getsockopt(int fd, int level, int name, uaddr_t value, uaddr_t user_len)
{
	struct fdref r;
	int err;
	struct unix_sock *s = sock_use(fd, &r, &err);

	if (s)
		err = getsockopt(s, level, name, value, user_len);
	fd_return(r);
	return err;
}
