/* The machine's consoles. */
#pragma once

#include "hal/base/types.h"
#include "hal/console/chardev.h"
#include "efi/bootinfo.h"

/* serial_init_early: COM1 by polling, as the log's first sink; needs nothing else. => false: no
 * port. */
bool serial_init_early(void);

/* console_init: read `console=`, `log=`, `quiet` from the command line; framebuffer console when FB
 * is usable (needs vm's device mappings); serial ports with interrupts (needs irq_init). default
 * log and console on COM1 and the screen console=ttyS0  console on COM1 only (no screen);
 * console=tty0: screen only log=ttyS1      the log goes to COM2 alone; log=off: to the ring only */
void console_init(const char *cmdline, const struct boot_framebuffer *fb);

/* The devices, NULL when absent. console_device: what /dev/console is on: a mux of the chosen ones.
 */
struct chardev *console_device(void);
struct chardev *serial_device(u32 port); /* 0: COM1, 1: COM2 */

/* console_flush: everything written has left, by polling. For panic and power-off. */
void console_flush(void);
