/* Job control: whose terminal it is, and which group is in the foreground (POSIX 11.1). All of it is under
 * proc_lock, as sessions and groups are. */
#define KERNEL_TTY
#include "kernel/tty/internal.h"
#include "kernel/abi/capability.h"

static bool is_session_leader(const struct proc *p)
{
	return p->pid == p->session;
}

struct tty *tty_of(const struct proc *p)
{
	return p->gave_tty_up ? NULL : p->session->tty;
}

/* is_controlling: of the caller. */
static bool is_controlling(const struct tty *t)
{
	return tty_of(proc_current()) == t;
}

int tty_check_foreground(struct tty *t, int sig)
{
	WITH_LOCK (&proc_lock) {
		struct pid *group = proc_current()->group;

		if (!is_controlling(t) || !t->foreground || t->foreground == group)
			return 0;
		if (signal_blocked_or_ignored(sig))
			return sig == SIGTTIN ? -EIO : 0;
		if (group_is_orphaned(group))
			return -EIO;
		signal_send_group(group, sig);
	}
	return -ERESTARTSYS;
}

void tty_signal_foreground(struct tty *t, int sig)
{
	WITH_LOCK (&proc_lock)
		if (t->foreground)
			signal_send_group(t->foreground, sig);
}

struct tty *tty_controlling(void)
{
	struct tty *t = NULL;

	WITH_LOCK (&proc_lock) {
		t = tty_of(proc_current());
		if (t)
			tty_get(t);
	}
	return t;
}

/* session_forget: the group of a terminal that SESSION lost is not to be told any more. proc_lock held. */
static void session_forget(struct pid *session)
{
	if (session->hung_group)
		pid_put(session->hung_group);
	session->hung_group = NULL;
}

/* set_owner: hand T, which is nobody's, to SESSION, with GROUP in the foreground. proc_lock held. */
static void set_owner(struct tty *t, struct pid *session, struct pid *group)
{
	session_forget(session);
	tty_get(t);
	pid_get(session);
	pid_get(group);
	session->tty = t;
	t->session = session;
	t->foreground = group;
}

/* clear_owner: T is nobody's any more. proc_lock held; T may be gone after it. */
static void clear_owner(struct tty *t)
{
	struct pid *session = t->session, *group = t->foreground;

	session->tty = NULL;
	t->session = t->foreground = NULL;
	pid_put(session);
	pid_put(group);
	tty_put(t);
}

static void hang_up_group(struct pid *group)
{
	signal_send_group(group, SIGHUP);
	signal_send_group(group, SIGCONT);
}

int tty_acquire(struct tty *t, bool steal)
{
	struct proc *p = proc_current();

	WITH_LOCK (&proc_lock) {
		if (is_session_leader(p) && t->session == p->session)
			return 0;
		if (!is_session_leader(p) || p->session->tty || (t->session && !steal))
			return -EPERM;
		if (t->session)
			clear_owner(t); /* the caller's file keeps it */
		set_owner(t, p->session, p->group);
	}
	return 0;
}

i64 tty_release(struct tty *t)
{
	WITH_LOCK (&proc_lock) {
		if (!is_controlling(t))
			return -ENOTTY;
		if (!is_session_leader(proc_current())) {
			proc_current()->gave_tty_up = true;
			return 0;
		}
		hang_up_group(t->foreground);
		clear_owner(t);
	}
	return 0;
}

/* invalidate: the files that are open now are hung up. */
static void invalidate(struct tty *t)
{
	atomic_add(&t->hangups, 1);
	waitq_wake_all(&t->readers);
	waitq_wake_all(&t->writers);
}

void tty_hang_up(struct tty *t)
{
	struct pid *session = t->session;
	struct proc *leader = session ? session->proc : NULL;

	invalidate(t);
	if (!session)
		return;
	if (leader && leader->state != PROC_ZOMBIE) {
		signal_kernel(leader, SIGHUP);
		signal_kernel(leader, SIGCONT);
		session_forget(session);
		pid_get(t->foreground);
		session->hung_group = t->foreground;
	}
	clear_owner(t);
}

void tty_session_exit(struct pid *session)
{
	struct tty *t = session->tty;

	if (session->hung_group)
		hang_up_group(session->hung_group);
	session_forget(session);
	if (!t)
		return;
	signal_send_group(t->foreground, SIGHUP);
	if (!t->kind->free) { /* a pseudo-terminal is whole as long as it has a master */
		signal_send_group(t->foreground, SIGCONT);
		invalidate(t);
	}
	clear_owner(t);
}

void tty_vhangup(void)
{
	struct tty *t = tty_controlling();

	if (!t)
		return;
	tty_flush(t, true, false);
	WITH_LOCK (&proc_lock)
		tty_hang_up(t);
	tty_put(t);
}

i64 tty_get_group(struct tty *t, bool master, pid_t *ret)
{
	WITH_LOCK (&proc_lock) {
		if (!master && !is_controlling(t))
			return -ENOTTY;
		*ret = t->foreground ? t->foreground->nr : 0;
	}
	return 0;
}

i64 tty_get_session(struct tty *t, bool master, pid_t *ret)
{
	WITH_LOCK (&proc_lock) {
		if (!t->session || (!master && !is_controlling(t)))
			return -ENOTTY;
		*ret = t->session->nr;
	}
	return 0;
}

i32 tty_get_foreground(const struct tty *t)
{
	return t && t->foreground ? t->foreground->nr : -1;
}

/* group_in_session: GROUP has members, and they are of SESSION. */
static bool group_in_session(const struct pid *group, const struct pid *session)
{
	return !list_empty(&group->group) &&
	       list_first(&group->group, struct proc, group_link)->session == session;
}

i64 tty_set_group(struct tty *t, pid_t nr)
{
	int err = tty_check_foreground(t, SIGTTOU);
	struct pid *group;

	if (err)
		return err == -EIO ? -ENOTTY : err;
	if (nr < 0)
		return -EINVAL;
	WITH_LOCK (&proc_lock) {
		if (!is_controlling(t))
			return -ENOTTY;
		group = pid_find(nr);
		if (!group || list_empty(&group->group))
			return -ESRCH;
		if (!group_in_session(group, t->session))
			return -EPERM;
		pid_get(group);
		pid_put(t->foreground);
		t->foreground = group;
	}
	return 0;
}
