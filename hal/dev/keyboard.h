/* The PS/2 keyboard: types on the screen's terminal (hal/console/console.h). */
#pragma once

/* keyboard_init: find it and let it interrupt; nothing to do without a screen. After irq_init, clock_init and
 * console_init. */
void keyboard_init(void);
