/* Error numbers: Linux's own header (leaf), and those that never leave the kernel. */
#pragma once

#include <linux/errno.h>

/* A blocking call was interrupted. On the way back to ring 3 these become EINTR or a repeated call,
 * by the signal's action (signal(7), "Interruption of system calls by signal handlers"). */
#define ERESTARTSYS 512           /* repeated when there is no handler, or it has SA_RESTART */
#define ERESTARTNOINTR 513        /* repeated in any case */
#define ERESTARTNOHAND 514        /* repeated when there is no handler */
#define ERESTART_RESTARTBLOCK 516 /* gone on with by restart_syscall(2) when there is no handler */
