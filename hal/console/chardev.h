/* A device that takes and gives characters: a serial port, or a screen with keyboard. The terminal
 * layer (kernel/tty) sits on this and hands its callbacks down. */
#pragma once

#include "hal/base/types.h"

/* The most bytes that one rx() call brings. */
#define CHARDEV_RX_BATCH 16

struct chardev {
	const char *name; /* [I] "ttyS0", "tty1" */

	/* write: queue up to N bytes. => how many were taken; fewer means "full": tx_ready will be
	 * called. Never sleeps, never loses what it took. Callable with spinlocks below RANK_DEVICE
	 * held. */
	size_t (*write)(struct chardev *d, const char *buf, size_t n);

	/* drained: true when everything taken has left the device (tcdrain). */
	bool (*drained)(struct chardev *d);

	/* throttle: ON stops rx() calls without losing input where the device can hold it back; at
	 * most CHARDEV_RX_BATCH bytes still come. Every device is throttled until chardev_attach.
	 */
	void (*throttle)(struct chardev *d, bool on);

	/* size: rows and columns. => false when the device has none of its own (a serial line). */
	bool (*size)(struct chardev *d, u16 *ret_rows, u16 *ret_cols);

	/* Set by chardev_attach; called in interrupt context, no lock of the device held. */
	void (*rx)(void *arg, const u8 *buf, size_t n);
	void (*tx_ready)(void *arg);
	void *arg;
};

/* chardev_attach: hand down the callbacks and let input come; what arrived earlier was held back.
 * Either callback may be NULL. */
static inline void chardev_attach(struct chardev *d, void (*rx)(void *arg, const u8 *buf, size_t n),
                                  void (*tx_ready)(void *arg), void *arg)
{
	d->arg = arg;
	d->rx = rx;
	d->tx_ready = tx_ready;
	__asm__ volatile("" ::: "memory");
	d->throttle(d, false);
}
