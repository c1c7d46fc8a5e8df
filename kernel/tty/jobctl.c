/* Job control: whose terminal it is, and which group is in the foreground (POSIX 11.1). All of it is under
 * proc_lock, as sessions and groups are. */
#define KERNEL_TTY
#include "kernel/tty/internal.h"
#include "kernel/abi/capability.h"

static bool is_session_leader(const struct proc *p)
{
	return p->pid == p->session;
}

/* is_controlling: of the caller. */
static bool is_controlling(const struct tty *t)
{
	return proc_current()->session->tty == t;
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

	WITH_LOCK (&proc_lock)
		t = proc_current()->session->tty;
	return t;
}

/* set_owner: hand T to SESSION (NULL: to nobody), with GROUP in the foreground. proc_lock held. */
static void set_owner(struct tty *t, struct pid *session, struct pid *group)
{
	struct pid *old_session = t->session, *old_group = t->foreground;

	if (session) {
		pid_get(session);
		pid_get(group);
	}
	if (old_session)
		old_session->tty = NULL;
	if (session)
		session->tty = t;
	t->session = session;
	t->foreground = group;
	if (old_session) {
		pid_put(old_session);
		pid_put(old_group);
	}
}

static void hang_up_foreground(struct tty *t)
{
	signal_send_group(t->foreground, SIGHUP);
	signal_send_group(t->foreground, SIGCONT);
}

int tty_acquire(struct tty *t, bool steal)
{
	struct proc *p = proc_current();

	WITH_LOCK (&proc_lock) {
		if (is_session_leader(p) && t->session == p->session)
			return 0;
		if (!is_session_leader(p) || p->session->tty || (t->session && !steal))
			return -EPERM;
		set_owner(t, p->session, p->group);
	}
	return 0;
}

i64 tty_release(struct tty *t)
{
	WITH_LOCK (&proc_lock) {
		if (!is_controlling(t))
			return -ENOTTY;
		if (!is_session_leader(proc_current()))
			return -EPERM; /* a terminal is the session's, not each process's */
		hang_up_foreground(t);
		set_owner(t, NULL, NULL);
	}
	return 0;
}

void tty_session_exit(struct pid *session)
{
	struct tty *t = session->tty;

	if (!t)
		return;
	hang_up_foreground(t);
	set_owner(t, NULL, NULL);
	atomic_add(&t->hangups, 1);
	waitq_wake_all(&t->readers);
	waitq_wake_all(&t->writers);
}

i64 tty_get_group(struct tty *t, pid_t *ret)
{
	WITH_LOCK (&proc_lock) {
		if (!is_controlling(t))
			return -ENOTTY;
		*ret = t->foreground->nr;
	}
	return 0;
}

i64 tty_get_session(struct tty *t, pid_t *ret)
{
	WITH_LOCK (&proc_lock) {
		if (!is_controlling(t))
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
