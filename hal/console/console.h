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
 *   default        log and a terminal each on COM1 and on the screen
 *   console=ttyS0  COM1 only (no screen); ttyS1 likewise; console=tty0: screen only
 *   log=ttyS1      the log goes to COM2 alone (ttyS0, tty0 likewise); log=off: to the ring only
 *   quiet          only warnings and worse; also notices when `log=` gives the log its own device
 *   debug          everything */
void console_init(const char *cmdline, const struct boot_framebuffer *fb);

/* The devices, NULL when absent. serial_device: 0: COM1, 1: COM2. screen_device: also NULL when no
 * console is wanted there. console_device: what /dev/console is on: the first of these that is a
 * console. */
struct chardev *serial_device(u32 port);
struct chardev *screen_device(void);
struct chardev *console_device(void);

/* screen_type: BYTES were typed at the screen's keyboard; at most CHARDEV_RX_BATCH at once. Callable
 * in interrupts. screen_cursor_keys: it is to send what applications ask for (DECCKM). */
void screen_type(const u8 *bytes, size_t n);
bool screen_cursor_keys(void);

/* screen_look: up to N cells (hal/console/vt.h), FROM counted row by row, and where the cursor is.
 * => false when there is no screen */
struct screen_view {
	u32 rows, cols, x, y;
};
bool screen_look(u32 from, u32 *cells, u32 n, struct screen_view *ret);

/* console_flush: everything written has left, by polling. For panic and power-off. */
void console_flush(void);
