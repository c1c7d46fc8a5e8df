/* What the files of hal/console share; nobody else includes it. */
#pragma once

#ifndef HAL_CONSOLE
#error "hal/console/internal.h is private to hal/console"
#endif

#include "hal/base/log.h"
#include "hal/console/chardev.h"
#include "hal/cpu/spinlock.h"
#include "efi/bootinfo.h"

/* The locks below the log: ordinary until log_force_unlock, none afterwards. */
extern bool console_forced; /* set once, by a panic, when no other code runs any more */

static inline bool console_lock(struct spinlock *l)
{
	return console_forced ? irq_save() : spin_lock_irq(l);
}

static inline void console_unlock(struct spinlock *l, bool was_on)
{
	if (console_forced)
		irq_restore(was_on);
	else
		spin_unlock_irq(l, was_on);
}

/* serial.c. PORT is 0 or 1. */
#define SERIAL_PORTS 2
bool serial_probe(u32 port);                /* find it and set it up, polled; once */
void serial_start(u32 port);                /* from here on with interrupts */
struct chardev *serial_chardev(u32 port);   /* NULL when there is no such port */
struct log_sink *serial_log_sink(u32 port); /* the same */
void serial_flush(u32 port);

/* fb.c. => false when there is no usable frame buffer */
bool fb_init(const struct boot_framebuffer *fb);
struct chardev *fb_chardev(void);
struct log_sink *fb_log_sink(void);

/* glyphs.c: the font built in, in PSF form (version 1 or 2). */
struct font {
	const u8 *glyphs;
	u32 count;
	u32 width, height; /* pixels */
	u32 row_bytes;     /* bytes of one line of a glyph; the leftmost pixel is bit 7 of the first */
	u32 glyph_bytes;
};
bool font_init(struct font *ret);
u32 font_glyph(u32 code_point); /* => the glyph's index; that of '?' for what the font lacks */
