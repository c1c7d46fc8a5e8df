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

#define TTY_INPUT 1024 /* bytes on their way from the interrupt to the line discipline */

/* I immutable   l lock   i in_lock   p proc_lock   a atomic */
struct tty {
	u32 rdev;               /* [I] */
	struct chardev *dev;    /* [I] */
	struct spinlock lock;   /* RANK_TTY */
	struct ldisc ldisc;     /* [l] */
	struct winsize size;    /* [l] */
	struct waitq readers;   /* something to read, or a hang-up */
	struct waitq writers;   /* room to write, everything written, or a hang-up */
	struct pid *session;    /* [p] whose controlling terminal it is, or NULL; counted */
	struct pid *foreground; /* [p] the group that may read; counted */
	u32 hangups;            /* [a] */

	struct spinlock in_lock; /* RANK_INPUT, taken in interrupts */
	u32 in_head, in_tail;    /* [i] free-running */
	bool throttled;          /* [i] */
	u8 in[TTY_INPUT];        /* [i] */
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

/* tty.c */
bool tty_hung_up(struct file *f);
void tty_push(struct tty *t); /* as much output as the device takes; tty->lock held */
void tty_kick(void);          /* have the thread look at all terminals; callable from interrupts */
int tty_drain(struct tty *t); /* wait until all output has left. => 0; -ERESTARTSYS */

/* ioctl.c */
i64 tty_ioctl(struct file *f, u32 req, u64 arg);

/* jobctl.c */
/* tty_check_foreground: the caller, of a background group, does what only the foreground may: SIG stops it.
 * => 0: go on; -ERESTARTSYS; -EIO */
int tty_check_foreground(struct tty *t, int sig);
void tty_signal_foreground(struct tty *t, int sig);
struct tty *tty_controlling(void); /* the caller's; NULL: none */
/* tty_acquire: becomes the controlling terminal of the caller's session. STEAL: from another session too.
 * => 0; -EPERM */
int tty_acquire(struct tty *t, bool steal);
i64 tty_release(struct tty *t); /* TIOCNOTTY */
i64 tty_get_group(struct tty *t, pid_t *ret);
i64 tty_set_group(struct tty *t, pid_t nr);
i64 tty_get_session(struct tty *t, pid_t *ret);
