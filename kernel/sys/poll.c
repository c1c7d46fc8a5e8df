/* poll, ppoll, select, pselect6. */
#include "kernel/fs/poll.h"
#include "hal/base/string.h"
#include "hal/time/clock.h"
#include "kernel/fs/fdtable.h"
#include "kernel/proc/proc.h"
#include "kernel/sys/poll.h"
#include "kernel/sys/syscall.h"
#include "vm/kmem.h"
#include "vm/uaccess.h"

/* --- deadlines --- */

#define NEVER_SECONDS (1L << 33) /* beyond what ns can tell from never */

u64 wait_deadline_in(u64 ns)
{
	return ns ? clock_mono() + ns : 0;
}

u64 wait_deadline_ms(int ms)
{
	return ms < 0 ? CLOCK_NEVER : wait_deadline_in(ms * NS_PER_MSEC);
}

/* timeout_ns => 0, or -EINVAL; *RET is ns, CLOCK_NEVER for what is as good as that */
static int timeout_ns(i64 sec, i64 part, u64 part_per_sec, u64 *ret)
{
	if (sec < 0 || (u64)part >= part_per_sec)
		return -EINVAL;
	*ret = sec >= NEVER_SECONDS ? CLOCK_NEVER : sec * NS_PER_SEC + part * (NS_PER_SEC / part_per_sec);
	return 0;
}

int wait_deadline_of(uaddr_t user, u64 part_per_sec, u64 *ret)
{
	i64 t[2];
	u64 ns;

	*ret = CLOCK_NEVER;
	if (!user.va)
		return 0;
	if (copyin(t, user, sizeof(t)) < 0)
		return -EFAULT;
	if (part_per_sec == 1000000 && t[1] >= 1000000) { /* select(2) carries over */
		t[0] += t[1] / 1000000;
		t[1] %= 1000000;
	}
	if (timeout_ns(t[0], t[1], part_per_sec, &ns) < 0)
		return -EINVAL;
	if (ns != CLOCK_NEVER)
		*ret = wait_deadline_in(ns);
	return 0;
}

/* deadline_report: what is left, where the timeout came from; it does not matter if that cannot be written. */
static void deadline_report(uaddr_t user, u64 part_per_sec, u64 deadline)
{
	u64 now = clock_mono(), left = deadline > now ? deadline - now : 0;
	i64 t[2] = {left / NS_PER_SEC, left % NS_PER_SEC / (NS_PER_SEC / part_per_sec)};

	if (user.va && deadline != CLOCK_NEVER && copyout(user, t, sizeof(t)) < 0)
		return;
}

/* --- masks --- */

int wait_mask_set(uaddr_t user, u64 size)
{
	u64 mask;

	if (!user.va)
		return 0;
	if (size != sizeof(mask))
		return -EINVAL;
	if (copyin(&mask, user, sizeof(mask)) < 0)
		return -EFAULT;
	signal_set_mask_temporarily(mask);
	return 0;
}

void wait_mask_restore(uaddr_t user, i64 result)
{
	struct task *t = task_current();

	if (!user.va || result == -ERESTARTNOHAND || result == -EINTR || !t->sig_restore)
		return;
	t->sig_restore = false;
	signal_set_mask(t->sig_saved);
}

/* --- asking --- */

/* One pass over descriptors. */
struct asker {
	struct fdtable *files;
	struct poll_table *pt; /* NULL: only look */
	bool shared; /* others may close a file meanwhile: it is counted while it is asked, and waited for */
};

static inline struct asker asker_begin(struct poll_table *pt)
{
	struct proc *p = proc_current();

	return (struct asker){p->files, pt, fdtable_is_shared(p)};
}

static __noinline u32 fd_ask_shared(struct asker *a, u32 fd)
{
	struct file *f = fd_get_counted(a->files, fd);
	u32 events;

	if (!f)
		return POLLNVAL;
	if (a->pt)
		a->pt->hold = f;
	events = file_poll(f, a->pt);
	file_put(f);
	return events;
}

/* fd_ask => the POLL* that hold for FD; POLLNVAL: no such descriptor */
static inline u32 fd_ask(struct asker *a, u32 fd)
{
	struct file *f;

	if (unlikely(a->shared))
		return fd_ask_shared(a, fd);
	f = fd < a->files->size ? a->files->files[fd] : NULL;
	return f ? file_poll(f, a->pt) : POLLNVAL;
}

/* --- poll --- */

#define POLL_STACK 64U

struct poll_set {
	struct pollfd *fds; /* as ring 3 gave them */
	u16 *revents;
	u32 n;
	bool changed; /* the last pass found what is not in FDS */
};

static inline u32 pollfd_ask(const struct pollfd *p, struct asker *a)
{
	if (unlikely(p->fd < 0))
		return 0;
	return fd_ask(a, p->fd) & ((u16)p->events | POLLERR | POLLHUP | POLLNVAL);
}

/* poll_pass: once something is ready there will be no waiting, and no more queues are needed. */
static int poll_pass(void *arg, struct poll_table *pt)
{
	struct asker a = asker_begin(pt);
	struct poll_set *s = arg;
	const struct pollfd *p = s->fds, *end = p + s->n;
	u32 ready = 0, changed = 0;

	for (u16 *revents = s->revents; p < end; p++, revents++) {
		u16 r = pollfd_ask(p, &a);

		*revents = r;
		changed |= r ^ (u16)p->revents;
		if (unlikely(r)) {
			ready++;
			a.pt = NULL;
		}
	}
	s->changed = changed;
	return ready;
}

/* revents_out: those that differ from what is there. */
static int revents_out(uaddr_t user, const struct poll_set *s)
{
	for (u32 i = 0; i < s->n; i++) {
		uaddr_t at = UADDR(user.va + i * sizeof(*s->fds) + offsetof(struct pollfd, revents));

		if (s->revents[i] != (u16)s->fds[i].revents &&
		    copyout(at, &s->revents[i], sizeof(s->revents[i])) < 0)
			return -EFAULT;
	}
	return 0;
}

static i64 poll_with(uaddr_t user, struct poll_set *s, u64 deadline)
{
	i64 n;

	if (copyin(s->fds, user, s->n * sizeof(*s->fds)) < 0)
		return -EFAULT;
	n = poll_run(poll_pass, s, deadline);
	if (n >= 0 && s->changed && revents_out(user, s) < 0)
		return -EFAULT;
	return n;
}

static i64 poll_many(uaddr_t user, u32 nfds, u64 deadline)
{
	struct poll_set s = {.n = nfds};
	i64 n;

	if (nfds > proc_current()->limits[RLIMIT_NOFILE].rlim_cur)
		return -EINVAL;
	if (!(s.fds = kmalloc(nfds * (sizeof(*s.fds) + sizeof(*s.revents)))))
		return -ENOMEM;
	s.revents = (u16 *)(s.fds + nfds);
	n = poll_with(user, &s, deadline);
	kfree(s.fds);
	return n;
}

static i64 poll_user(uaddr_t user, u32 nfds, u64 deadline)
{
	struct pollfd fds[POLL_STACK];
	u16 revents[POLL_STACK];
	struct poll_set s = {.fds = fds, .revents = revents, .n = nfds};

	if (nfds > POLL_STACK || nfds > proc_current()->limits[RLIMIT_NOFILE].rlim_cur)
		return poll_many(user, nfds, deadline);
	return poll_with(user, &s, deadline);
}

i64 poll_until(uaddr_t fds, u32 nfds, u64 deadline)
{
	i64 n = poll_user(fds, nfds, deadline);

	if (n != -ERESTARTNOHAND || deadline == CLOCK_NEVER)
		return n;
	task_current()->restart_deadline = deadline;
	task_current()->restart_what = RESTART_POLL;
	return -ERESTART_RESTARTBLOCK;
}

i64 sys_poll(uaddr_t fds, u32 nfds, int timeout)
{
	return poll_until(fds, nfds, wait_deadline_ms(timeout));
}

i64 sys_ppoll(uaddr_t fds, u32 nfds, uaddr_t timeout, uaddr_t sigmask, u64 sigsetsize)
{
	u64 deadline;
	i64 n;

	if ((n = wait_deadline_of(timeout, NS_PER_SEC, &deadline)) < 0 ||
	    (n = wait_mask_set(sigmask, sigsetsize)) < 0)
		return n;
	n = poll_user(fds, nfds, deadline);
	wait_mask_restore(sigmask, n);
	deadline_report(timeout, NS_PER_SEC, deadline);
	return n;
}

/* --- select --- */

#define SELECT_READ (POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR)
#define SELECT_WRITE (POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR)
#define SELECT_EXCEPT POLLPRI
#define SELECT_SETS 3U
#define FD_SETSIZE 1024U
#define SELECT_FEW 4U /* words of a set on the stack: 256 descriptors */

struct select_set {
	u64 *in, *out; /* SELECT_SETS sets of `words` words each */
	u32 n, words;
};

static const u32 select_masks[SELECT_SETS] = {SELECT_READ, SELECT_WRITE, SELECT_EXCEPT};

/* select_mark => how many of the sets that ask for FD have it ready */
static int select_mark(struct select_set *s, u32 fd, u32 events)
{
	u32 word = fd / 64, ready = 0;

	for (u32 i = 0; i < SELECT_SETS; i++) {
		u64 bit = s->in[i * s->words + word] & BIT(fd % 64);

		if (bit && (events & select_masks[i])) {
			s->out[i * s->words + word] |= bit;
			ready++;
		}
	}
	return ready;
}

static u64 select_wanted(const struct select_set *s, u32 word)
{
	return s->in[word] | s->in[s->words + word] | s->in[2 * s->words + word];
}

static int select_pass(void *arg, struct poll_table *pt)
{
	struct asker a = asker_begin(pt);
	struct select_set *s = arg;
	int ready = 0;

	for (u32 w = 0; w < s->words; w++)
		for (u64 left = select_wanted(s, w); left; left &= left - 1) {
			u32 fd = w * 64 + __builtin_ctzl(left), events = fd_ask(&a, fd);

			if (unlikely(events & POLLNVAL))
				return -EBADF;
			if (events & (SELECT_READ | SELECT_WRITE | SELECT_EXCEPT))
				ready += select_mark(s, fd, events);
			if (ready)
				a.pt = NULL;
		}
	return ready;
}

/* select_in, select_out: N bits of each set, as bytes of whole words (fd_set is made of longs). */
static int select_in(struct select_set *s, const uaddr_t user[SELECT_SETS])
{
	memset(s->out, 0, SELECT_SETS * s->words * sizeof(u64));
	for (u32 i = 0; i < SELECT_SETS; i++) {
		u64 *set = s->in + i * s->words;

		if (!user[i].va)
			memset(set, 0, s->words * sizeof(u64));
		else if (copyin(set, user[i], s->words * sizeof(u64)) < 0)
			return -EFAULT;
		if (s->n % 64)
			set[s->words - 1] &= BIT(s->n % 64) - 1;
	}
	return 0;
}

static int select_out(const struct select_set *s, const uaddr_t user[SELECT_SETS])
{
	for (u32 i = 0; i < SELECT_SETS; i++)
		if (user[i].va && copyout(user[i], s->out + i * s->words, s->words * sizeof(u64)) < 0)
			return -EFAULT;
	return 0;
}

static i64 select_with(struct select_set *s, const uaddr_t user[SELECT_SETS], u64 deadline)
{
	i64 n = select_in(s, user);

	if (!n)
		n = poll_run(select_pass, s, deadline);
	if (n >= 0 && select_out(s, user) < 0)
		return -EFAULT;
	return n;
}

static i64 select_user(int nfds, const uaddr_t user[SELECT_SETS], u64 deadline)
{
	u64 few[2 * SELECT_SETS * SELECT_FEW];
	struct select_set s = {.in = few};
	i64 n;

	if (nfds < 0)
		return -EINVAL;
	/* no descriptor lies beyond the table; an fd_set is never smaller than FD_SETSIZE */
	s.n = MIN((u32)nfds, MAX(read_once(proc_current()->files->size), FD_SETSIZE));
	s.words = DIV_UP(s.n, 64);
	if (s.words > SELECT_FEW && !(s.in = kmalloc(2 * SELECT_SETS * s.words * sizeof(u64))))
		return -ENOMEM;
	s.out = s.in + SELECT_SETS * s.words;
	n = select_with(&s, user, deadline);
	if (s.in != few)
		kfree(s.in);
	return n;
}

i64 sys_select(int nfds, uaddr_t readfds, uaddr_t writefds, uaddr_t exceptfds, uaddr_t timeout)
{
	const uaddr_t sets[SELECT_SETS] = {readfds, writefds, exceptfds};
	u64 deadline;
	i64 n = wait_deadline_of(timeout, 1000000, &deadline);

	if (n < 0)
		return n;
	n = select_user(nfds, sets, deadline);
	deadline_report(timeout, 1000000, deadline);
	return n;
}

/* pselect6's last argument: where the mask is, and its size. */
struct sigmask_arg {
	uaddr_t mask;
	u64 size;
};

i64 sys_pselect6(int nfds, uaddr_t readfds, uaddr_t writefds, uaddr_t exceptfds, uaddr_t timeout,
                 uaddr_t sigmask)
{
	const uaddr_t sets[SELECT_SETS] = {readfds, writefds, exceptfds};
	struct sigmask_arg arg = {UADDR(0), 0};
	u64 deadline;
	i64 n;

	if (sigmask.va && copyin(&arg, sigmask, sizeof(arg)) < 0)
		return -EFAULT;
	if ((n = wait_deadline_of(timeout, NS_PER_SEC, &deadline)) < 0 ||
	    (n = wait_mask_set(arg.mask, arg.size)) < 0)
		return n;
	n = select_user(nfds, sets, deadline);
	wait_mask_restore(arg.mask, n);
	deadline_report(timeout, NS_PER_SEC, deadline);
	return n;
}
