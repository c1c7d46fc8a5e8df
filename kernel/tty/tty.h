/* Terminals: a line discipline (ldisc.h) over a character device (hal/console/chardev.h), as /dev/console,
 * /dev/ttyS0, /dev/ttyS1 and, for whoever has a controlling terminal, /dev/tty.
 *
 * In: an interrupt puts the bytes into tty->in and wakes the kernel thread `tty`, which alone feeds the line
 * discipline, sends the signals that are typed, and wakes readers. When `in` runs full the device is throttled;
 * it goes on when readers have made room.
 * Out: writers and echo fill the line discipline's output; whoever fills it pushes it into the device. What
 * the device does not take is pushed by the thread when the device has room again. */
#pragma once

#include "hal/base/types.h"

struct tty;
struct pid;

/* tty_init: all terminals of the machine. After console_init and vfs_init; threads can be started. */
void tty_init(void);

/* tty_session_exit: the leader of SESSION ends: its terminal is nobody's again, the foreground group gets
 * SIGHUP and SIGCONT, and files open on it are hung up (the console's excepted). proc_lock held. */
void tty_session_exit(struct pid *session);

/* tty_get_number: its device number as /proc/PID/stat has it; NULL: 0. */
u32 tty_get_number(const struct tty *t);

/* tty_get_foreground: the foreground group's number, -1 when there is none. proc_lock held; NULL is fine. */
i32 tty_get_foreground(const struct tty *t);
