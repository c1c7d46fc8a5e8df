/* pidfd_open(2): a process as a descriptor. */
#include "kernel/fs/pidfd.h"
#include "kernel/fs/anon.h"
#include "kernel/fs/poll.h"
#include "kernel/fs/seq.h"

/* pidfd_poll: readable from its end on, POLLHUP when its parent has waited for it. */
static u32 pidfd_poll(struct file *f, struct poll_table *pt)
{
	struct pid *pid = f->private;
	u32 events = POLLIN | POLLRDNORM | POLLHUP;

	poll_wait(pt, &pid->ended);
	WITH_LOCK (&proc_lock)
		if (pid->proc)
			events = pid->proc->state == PROC_ZOMBIE ? POLLIN | POLLRDNORM : 0;
	return events;
}

static void pidfd_release(struct file *f)
{
	WITH_LOCK (&proc_lock)
		pid_put(f->private);
}

static void pidfd_show(struct file *f, struct seq *s)
{
	struct pid *pid = f->private;
	int nr = read_once(pid->proc) ? pid->nr : -1;

	seq_printf(s, "Pid:\t%d\nNSpid:\t%d\n", nr, nr);
}

static const struct file_ops pidfd_fops = {
        .poll = pidfd_poll,
        .release = pidfd_release,
        .show = pidfd_show,
        .kind = "[pidfd]",
};

bool file_is_pidfd(const struct file *f)
{
	return f->ops == &pidfd_fops;
}

struct pid *pidfd_pid(const struct file *f)
{
	return f->private;
}

int pidfd_open(struct pid *pid, u32 flags, struct file **ret)
{
	int err = anon_file(&pidfd_fops, O_RDWR | (flags & O_NONBLOCK), pid, ret);

	if (!err)
		pid_get(pid);
	return err;
}
