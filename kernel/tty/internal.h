/* What the files of kernel/tty share; nobody else includes it. */
#pragma once

#ifndef KERNEL_TTY
#error "kernel/tty/internal.h is private to kernel/tty"
#endif

#include "hal/console/chardev.h"
#include "hal/cpu/spinlock.h"
#include "kernel/fs/vfs.h"
#include "kernel/proc/proc.h"
#include "kernel/tty/ldisc.h"
#include "kernel/tty/tty.h"
#include "sched/waitq.h"

struct tty;

/* What terminals differ in: the machine's own (line.c) and pseudo-terminals (pty.c). */
struct tty_kind {
	/* pushed: output was pushed, or the modes changed. tty->lock held. May be NULL. */
	void (*pushed)(struct tty *t);
	/* room: readers have made room for input. */
	void (*room)(struct tty *t);
	/* opened, closed: one file for programs more, one fewer. opened => 0, or why not. May be NULL. */
	int (*opened)(struct tty *t);
	void (*closed)(struct tty *t);
	/* free: the last reference has gone; proc_lock may be held. NULL: it lives for ever. */
	void (*free)(struct tty *t);
};

/* I immutable   l lock   p proc_lock   a atomic */
struct tty {
	const struct tty_kind *kind; /* [I] */
	u32 refs;                    /* [a] open files, the session, and who made it */
	u32 rdev;                    /* [I] */
	struct chardev *dev;         /* [I] where output goes */
	struct spinlock lock;        /* RANK_TTY */
	struct ldisc ldisc;          /* [l] */
	u32 ispeed, ospeed;          /* [l] bits per second, as programs asked for them */
	struct winsize size;         /* [l] */
	struct waitq readers;        /* something to read, or a hang-up */
	struct waitq writers;        /* room to write, everything written, or a hang-up */
	struct pid *session;         /* [p] whose controlling terminal it is, or NULL; counted */
	struct pid *foreground;      /* [p] the group that may read; counted */
	bool exclusive;              /* [l] TIOCEXCL: nobody else may open it */
	bool master_closed;          /* [l] a pseudo-terminal that nobody holds any more */
	u32 hangups;                 /* [a] */
};

/* One open file description: file->private. */
struct tty_file {
	struct tty *tty; /* [I] */
	u32 hangups;     /* [I] tty->hangups when it was opened: another number now means hung up */
	bool console;    /* [I] opened as /dev/console: never hung up */
};

static inline struct tty *file_tty(struct file *f)
{
	return ((struct tty_file *)f->private)->tty;
}

static inline void tty_get(struct tty *t)
{
	ref_get(&t->refs);
}

static inline void tty_put(struct tty *t)
{
	if (ref_put(&t->refs))
		t->kind->free(t);
}

/* tty.c */
#define TTY_CHUNK 256 /* bytes moved at a time, on the stack */

/* tty_setup: a terminal with one reference. */
void tty_setup(struct tty *t, const struct tty_kind *kind, struct chardev *dev, u32 rdev);
bool tty_hung_up(struct file *f);
void tty_push(struct tty *t); /* as much output as the device takes; tty->lock held */
void tty_wake(struct tty *t); /* whoever can go on now */
int tty_drain(struct tty *t); /* wait until all output has left. => 0; -ERESTARTSYS */
/* tty_feed: input for the line discipline, and the signals that are typed. => how many bytes it took */
u32 tty_feed(struct tty *t, const u8 *buf, u32 n);
/* tty_file_open: F is one more file of T. => 0; -EBUSY; -ENOMEM; what kind->opened says */
int tty_file_open(struct file *f, struct tty *t, bool console);

static inline bool file_may_not_wait(struct file *f)
{
	return atomic_load(&f->flags) & O_NONBLOCK;
}

/* The operations of a file whose `open` made it one by tty_file_open. */
isize_t tty_read(struct file *f, struct uio *u, u64 *pos);
isize_t tty_write(struct file *f, struct uio *u, u64 *pos);
u32 tty_poll(struct file *f, struct poll_table *pt);
void tty_file_release(struct file *f);
#define TTY_FOPS                                                                    \
	.read = tty_read, .write = tty_write, .poll = tty_poll, .ioctl = tty_ioctl, \
	.release = tty_file_release

/* line.c */
void line_init(void); /* the machine's terminals, and the thread that feeds them */

/* pty.c */
void pty_init(void);

/* vcs.c */
void vcs_init(void); /* /dev/vcs1, vcsa1, vcsu1: the screen's text */

/* ioctl.c */
i64 tty_ioctl(struct file *f, u32 req, u64 arg);
/* tty_ioctl_any: what a pseudo-terminal's master may ask, too. => -ENOTTY: neither knows it */
i64 tty_ioctl_any(struct tty *t, struct file *f, u32 req, u64 arg, bool master);
void tty_flush(struct tty *t, bool input, bool output);
/* tty_changed: what was typed may be readable now, and what could not be taken may be. */
void tty_changed(struct tty *t);

/* modes.c. REQ is one of TCGETS, TCSETS and their kin. */
void tty_modes_init(struct tty *t); /* the speeds, from the modes of the line discipline */
i64 tty_get_modes(struct tty *t, u32 req, uaddr_t arg);
i64 tty_set_modes(struct tty *t, u32 req, uaddr_t arg);

/* jobctl.c */
/* tty_check_foreground: the caller, of a background group, does what only the foreground may: SIG stops it.
 * => 0: go on; -ERESTARTSYS; -EIO */
int tty_check_foreground(struct tty *t, int sig);
void tty_signal_foreground(struct tty *t, int sig);
struct tty *tty_controlling(void); /* the caller's, with a reference; NULL: none */
/* tty_hang_up: from now on all its files are of no use, and it is no session's. The session's leader gets SIGHUP
 * and SIGCONT; the foreground group does when the leader ends. proc_lock held. */
void tty_hang_up(struct tty *t);
/* tty_acquire: becomes the controlling terminal of the caller's session. STEAL: from another session too.
 * => 0; -EPERM */
int tty_acquire(struct tty *t, bool steal);
i64 tty_release(struct tty *t); /* TIOCNOTTY */
/* MASTER: asked through a pseudo-terminal's master, which need not be the caller's own terminal. */
i64 tty_get_group(struct tty *t, bool master, pid_t *ret);
i64 tty_get_session(struct tty *t, bool master, pid_t *ret);
i64 tty_set_group(struct tty *t, pid_t nr);
