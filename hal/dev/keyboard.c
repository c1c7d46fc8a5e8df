/* The PS/2 controller (Intel 8042 and what imitates it) and the keyboard behind it: IBM, Personal System/2 Hardware
 * Interface Technical Reference, "Keyboard and Auxiliary Device Controller". Firmware often puts a USB keyboard in
 * its place until somebody drives USB. */
#include "hal/dev/keyboard.h"
#include "hal/base/log.h"
#include "hal/console/console.h"
#include "hal/cpu/regs.h"
#include "hal/dev/acpi.h"
#include "hal/dev/keymap.h"
#include "hal/irq/irq.h"
#include "hal/time/clock.h"

#define PORT_DATA 0x60
#define PORT_COMMAND 0x64 /* written; read: the status */

#define STATUS_OUTPUT BIT(0) /* a byte is there to be read */
#define STATUS_INPUT BIT(1)  /* the last byte written was not taken yet */
#define STATUS_MOUSE BIT(5)  /* the byte is the mouse's */
#define STATUS_NOTHING 0xff  /* no controller: the bus floats */

#define COMMAND_READ_CONFIG 0x20
#define COMMAND_WRITE_CONFIG 0x60
#define COMMAND_MOUSE_OFF 0xa7
#define COMMAND_KEYBOARD_OFF 0xad
#define COMMAND_KEYBOARD_ON 0xae

#define CONFIG_KEYBOARD_IRQ BIT(0)
#define CONFIG_MOUSE_IRQ BIT(1)
#define CONFIG_KEYBOARD_OFF BIT(4)
#define CONFIG_TRANSLATE BIT(6) /* scan code set 2 to set 1 */

#define KEYBOARD_LEDS 0xed
#define KEYBOARD_ENABLE 0xf4
#define KEYBOARD_DEFAULTS 0xf6
#define KEYBOARD_ACK 0xfa
#define KEYBOARD_RESEND 0xfe
#define LED_SCROLL BIT(0)
#define LED_NUM BIT(1)
#define LED_CAPS BIT(2)

#define ISA_IRQ 1
#define WAIT_NS (20 * NS_PER_MSEC) /* for the controller, and for the keyboard's answer */
#define ROUNDS_MAX 64              /* bytes an interrupt takes before it lets others run */

/* What was last sent to the keyboard and is not acknowledged yet. */
enum leds {
	LEDS_IDLE,
	LEDS_COMMAND,
	LEDS_VALUE,
};

/* All of it belongs to the interrupt handler, once that is attached. */
static struct keymap keymap;
static enum leds leds;
static u8 leds_shown;

/* --- the controller, polled --- */

static bool wait_status(u8 mask, u8 value)
{
	u64 deadline = clock_mono() + WAIT_NS;

	while ((inb(PORT_COMMAND) & mask) != value) {
		if (clock_mono() > deadline)
			return false;
		cpu_relax();
	}
	return true;
}

static bool send(u16 port, u8 byte)
{
	if (!wait_status(STATUS_INPUT, 0))
		return false;
	outb(port, byte);
	return true;
}

static bool receive(u8 *ret)
{
	if (!wait_status(STATUS_OUTPUT, STATUS_OUTPUT))
		return false;
	*ret = inb(PORT_DATA);
	return true;
}

/* drain: what firmware left. */
static void drain(void)
{
	for (u32 i = 0; i < ROUNDS_MAX && (inb(PORT_COMMAND) & STATUS_OUTPUT); i++)
		inb(PORT_DATA);
}

/* ask: a command for the keyboard itself. => it said yes */
static bool ask(u8 command)
{
	u8 answer;

	return send(PORT_DATA, command) && receive(&answer) && answer == KEYBOARD_ACK;
}

static bool controller_start(void)
{
	u8 config;

	if (!send(PORT_COMMAND, COMMAND_KEYBOARD_OFF) || !send(PORT_COMMAND, COMMAND_MOUSE_OFF))
		return false;
	drain();
	if (!send(PORT_COMMAND, COMMAND_READ_CONFIG) || !receive(&config))
		return false;
	config &= ~(CONFIG_KEYBOARD_IRQ | CONFIG_MOUSE_IRQ | CONFIG_KEYBOARD_OFF);
	config |= CONFIG_TRANSLATE;
	return send(PORT_COMMAND, COMMAND_WRITE_CONFIG) && send(PORT_DATA, config) &&
	       send(PORT_COMMAND, COMMAND_KEYBOARD_ON) && ask(KEYBOARD_DEFAULTS) && ask(KEYBOARD_ENABLE) &&
	       send(PORT_COMMAND, COMMAND_WRITE_CONFIG) && send(PORT_DATA, config | CONFIG_KEYBOARD_IRQ);
}

/* --- keys --- */

static u8 leds_wanted(void)
{
	return (keymap.scroll_lock ? LED_SCROLL : 0) | (keymap.num_lock ? LED_NUM : 0) |
	       (keymap.caps_lock ? LED_CAPS : 0);
}

/* leds_update: one byte at a time, each after the last was acknowledged. */
static void leds_update(void)
{
	if (leds != LEDS_IDLE || leds_wanted() == leds_shown)
		return;
	leds = LEDS_COMMAND;
	outb(PORT_DATA, KEYBOARD_LEDS);
}

static void leds_acknowledged(void)
{
	if (leds == LEDS_COMMAND) {
		leds = LEDS_VALUE;
		leds_shown = leds_wanted();
		outb(PORT_DATA, leds_shown);
	} else {
		leds = LEDS_IDLE;
	}
}

static void take_byte(u8 byte)
{
	u8 typed[KEYMAP_BYTES];
	size_t n;

	if (byte == KEYBOARD_ACK) {
		leds_acknowledged();
	} else if (byte == KEYBOARD_RESEND) {
		leds = LEDS_IDLE; /* it has no lights */
		leds_shown = leds_wanted();
	} else if ((n = keymap_feed(&keymap, byte, screen_cursor_keys(), typed))) {
		screen_type(typed, n);
	}
	leds_update();
}

static void keyboard_interrupt(void *arg)
{
	u8 status, byte;

	for (u32 i = 0; i < ROUNDS_MAX && ((status = inb(PORT_COMMAND)) & STATUS_OUTPUT); i++) {
		byte = inb(PORT_DATA);
		if (!(status & STATUS_MOUSE))
			take_byte(byte);
	}
}

void keyboard_init(void)
{
	int err;

	if (!screen_device())
		return;
	if (!acpi_has_8042() || inb(PORT_COMMAND) == STATUS_NOTHING || !controller_start()) {
		klog(LOG_NOTICE, "keyboard: no PS/2 keyboard");
		return;
	}
	err = irq_attach_isa(ISA_IRQ, keyboard_interrupt, NULL, "keyboard");
	if (err < 0)
		klog(LOG_WARN, "keyboard: no interrupt (error %d)", -err);
	else
		keyboard_interrupt(NULL); /* what came before has raised its edge in vain */
}
