/* Terminals: a line discipline (ldisc.h) over a character device (hal/console/chardev.h).
 *
 * The machine's own are /dev/console, /dev/ttyS0, /dev/ttyS1 (line.c). In: an interrupt puts the bytes into a ring and
 * wakes the kernel thread `tty`, which alone feeds the line discipline, sends the signals that are typed, and wakes
 * readers. When the ring runs full the device is throttled; it goes on when readers have made room. Out: writers and
 * echo fill the line discipline's output; whoever fills it pushes it into the device. What the device does not take
 * is pushed by the thread when the device has room again.
 * Pseudo-terminals are /dev/ptmx and /dev/pts/N (pty.c): whoever writes to the master feeds the line discipline, and
 * the device is a ring from which the master reads.
 * /dev/tty is the caller's controlling terminal. */
#pragma once

#include "hal/base/types.h"

struct tty;
struct pid;
struct proc;

/* tty_init: all terminals of the machine. After console_init and vfs_init; threads can be started. */
void tty_init(void);

/* tty_session_exit: the leader of SESSION ends: its terminal is nobody's again, the foreground group gets
 * SIGHUP and SIGCONT, and files open on it are hung up (the console's excepted). Of a pseudo-terminal the group gets
 * SIGHUP, and the files stay good. proc_lock held. */
void tty_session_exit(struct pid *session);

/* tty_vhangup: vhangup(2): hang up the caller's controlling terminal, if any. */
void tty_vhangup(void);

/* tty_of: the controlling terminal of P, or NULL. proc_lock held. */
struct tty *tty_of(const struct proc *p);

/* tty_get_number: its device number as /proc/PID/stat has it; NULL: 0. */
u32 tty_get_number(const struct tty *t);

/* tty_get_foreground: the foreground group's number, -1 when there is none. proc_lock held; NULL is fine. */
i32 tty_get_foreground(const struct tty *t);
