/* signalfd(2): what is pending for the thread that reads, and for its process. */
#include "kernel/fs/signalfd.h"
#include "hal/base/string.h"
#include "kernel/fs/anon.h"
#include "kernel/fs/poll.h"
#include "kernel/fs/seq.h"
#include "kernel/proc/proc.h"
#include "vm/kmem.h"

struct signalfd {
	u64 mask; /* [atomic] */
};

static bool signalfd_some(struct signalfd *s)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return signal_pending() & atomic_load(&s->mask);
}

/* --- records: signalfd(2); which fields a signal has follows from its code and number (sigaction(2)) --- */

static void record_sender(struct signalfd_siginfo *r, const siginfo_t *i)
{
	r->ssi_pid = i->si_pid;
	r->ssi_uid = i->si_uid;
}

static void record_value(struct signalfd_siginfo *r, const siginfo_t *i)
{
	r->ssi_ptr = (u64)i->si_ptr;
	r->ssi_int = i->si_int;
}

static void record_child(struct signalfd_siginfo *r, const siginfo_t *i)
{
	record_sender(r, i);
	r->ssi_status = i->si_status;
	r->ssi_utime = i->si_utime;
	r->ssi_stime = i->si_stime;
}

/* record_fault: what the kernel itself tells (si_code > 0, not SI_KERNEL). */
static void record_fault(struct signalfd_siginfo *r, const siginfo_t *i)
{
	switch (i->si_signo) {
	case SIGCHLD:
		record_child(r, i);
		break;
	case SIGPOLL:
		r->ssi_band = i->si_band;
		r->ssi_fd = i->si_fd;
		break;
	case SIGILL:
	case SIGFPE:
	case SIGSEGV:
	case SIGBUS:
	case SIGTRAP:
		r->ssi_addr = (u64)i->si_addr;
		break;
	default:
		record_sender(r, i);
	}
}

static void record_fill(struct signalfd_siginfo *r, const siginfo_t *i)
{
	memset(r, 0, sizeof(*r));
	r->ssi_signo = i->si_signo;
	r->ssi_errno = i->si_errno;
	r->ssi_code = i->si_code;
	if (i->si_code == SI_TIMER) {
		r->ssi_tid = i->si_tid;
		r->ssi_overrun = i->si_overrun;
		record_value(r, i);
	} else if (i->si_code > 0 && i->si_code != SI_KERNEL) {
		record_fault(r, i);
	} else {
		record_sender(r, i);
		if (i->si_code < 0 && i->si_code != SI_TKILL)
			record_value(r, i);
	}
}

/* --- the file --- */

/* signalfd_wait: until the running thread may take one. => its number; -EAGAIN; -ERESTARTSYS */
static int signalfd_wait(struct file *f, siginfo_t *ret)
{
	struct signalfd *s = f->private;
	int sig, err;

	while (!(sig = signal_take(atomic_load(&s->mask), ret))) {
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		err = wait_event(signal_waitq(proc_current()), WAIT_INTERRUPTIBLE, CLOCK_NEVER,
		                 signalfd_some(s));
		if (err < 0)
			return err;
	}
	return sig;
}

/* signalfd_read: the first is waited for, and as many more as there are and fit. One that cannot be copied is gone, as
 * on Linux. */
static isize_t signalfd_read(struct file *f, struct uio *u, u64 *pos)
{
	struct signalfd *s = f->private;
	struct signalfd_siginfo r;
	isize_t done = 0;
	siginfo_t info;
	int sig;

	if (u->resid < sizeof(r))
		return -EINVAL;
	if ((sig = signalfd_wait(f, &info)) < 0)
		return sig;
	while (sig) {
		record_fill(&r, &info);
		if (uio_out(u, &r, sizeof(r)) != sizeof(r))
			return done ? done : -EFAULT;
		done += sizeof(r);
		sig = u->resid < sizeof(r) ? 0 : signal_take(atomic_load(&s->mask), &info);
	}
	return done;
}

static u32 signalfd_poll(struct file *f, struct poll_table *pt)
{
	poll_wait(pt, signal_waitq(proc_current()));
	return signalfd_some(f->private) ? POLLIN | POLLRDNORM : 0;
}

static void signalfd_release(struct file *f)
{
	kfree(f->private);
}

static void signalfd_show(struct file *f, struct seq *s)
{
	struct signalfd *sfd = f->private;

	seq_printf(s, "sigmask:\t%016lx\n", atomic_load(&sfd->mask));
}

static const struct file_ops signalfd_fops = {
        .read = signalfd_read,
        .poll = signalfd_poll,
        .release = signalfd_release,
        .show = signalfd_show,
        .kind = "[signalfd]",
};

bool file_is_signalfd(const struct file *f)
{
	return f->ops == &signalfd_fops;
}

void signalfd_set(struct file *f, u64 mask)
{
	struct signalfd *s = f->private;

	atomic_store(&s->mask, mask & ~SIG_UNBLOCKABLE);
	waitq_wake_all(signal_waitq(proc_current()));
}

int signalfd_open(u64 mask, u32 flags, struct file **ret)
{
	struct signalfd *s = kmalloc(sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	s->mask = mask & ~SIG_UNBLOCKABLE;
	if ((err = anon_file(&signalfd_fops, O_RDWR | (flags & O_NONBLOCK), s, ret)) < 0)
		kfree(s);
	return err;
}
