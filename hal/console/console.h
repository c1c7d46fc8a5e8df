/* The machine's consoles. */
#pragma once

#include "hal/base/types.h"
#include "hal/console/chardev.h"
#include "efi/bootinfo.h"

/* console_init_early: COM1 by polling, and the log where the command line wants it (see below), so
 * that the first line already goes to the right place. Right after cpu_init_boot; needs nothing
 * else. */
void console_init_early(const char *cmdline);

/* console_init: the framebuffer console when FB is usable (needs vm's device mappings); serial
 * ports with interrupts (needs irq_init). FB may be NULL. Words on the command line:
 *   default        log and console on COM1 and the screen
 *   console=ttyS0  console on COM1 only (no screen); ttyS1 likewise; console=tty0: screen only
 *   log=ttyS1      the log goes to COM2 alone (ttyS0, tty0 likewise); log=off: to the ring only
 *   quiet          only warnings and worse; also notices when `log=` gives the log its own device
 *   debug          everything */
void console_init(const char *cmdline, const struct boot_framebuffer *fb);

/* The devices, NULL when absent. console_device: what /dev/console is on: a mux of the chosen ones.
 * serial_device: 0: COM1, 1: COM2. A port that is part of the console gives the console's own
 * device, so that nobody else takes the callbacks away. */
struct chardev *console_device(void);
struct chardev *serial_device(u32 port);

/* console_flush: everything written has left, by polling. For panic and power-off. */
void console_flush(void);
