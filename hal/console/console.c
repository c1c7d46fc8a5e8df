/* Which devices the consoles and the log are on. */
#define HAL_CONSOLE
#include "hal/console/internal.h"
#include "hal/console/console.h"
#include "hal/base/cmdline.h"
#include "hal/base/string.h"

enum {
	DEV_SERIAL0 = BIT(0),
	DEV_SERIAL1 = BIT(1),
	DEV_SCREEN = BIT(2),
};

static u32 console_devs; /* [I] once the command line was read: DEV_*, as far as they exist */
static u32 log_devs;     /* [I] the same */
static u32 log_on;       /* [I] after console_init: those the log has been added to */

static struct chardev *dev_chardev(u32 dev)
{
	switch (dev) {
	case DEV_SERIAL0:
		return serial_chardev(0);
	case DEV_SERIAL1:
		return serial_chardev(1);
	default:
		return fb_chardev();
	}
}

static struct log_sink *dev_sink(u32 dev)
{
	switch (dev) {
	case DEV_SERIAL0:
		return serial_log_sink(0);
	case DEV_SERIAL1:
		return serial_log_sink(1);
	default:
		return fb_log_sink();
	}
}

/* choose: the devices that NAME=value stands for; BY_DEFAULT without such a word. */
static u32 choose(const char *cmdline, const char *name, u32 by_default)
{
	char value[16];

	if (cmdline_get(cmdline, name, value, sizeof(value)) < 0)
		return by_default;
	if (!strcmp(value, "ttyS0"))
		return DEV_SERIAL0;
	if (!strcmp(value, "ttyS1"))
		return DEV_SERIAL1;
	if (!strcmp(value, "tty0"))
		return DEV_SCREEN;
	return strcmp(value, "off") ? by_default : 0;
}

/* log_attach: add those of the log's devices that exist by now and were not added before. */
static void log_attach(void)
{
	for (u32 dev = DEV_SERIAL0; dev <= DEV_SCREEN; dev <<= 1) {
		if (!(log_devs & ~log_on & dev) || !dev_sink(dev))
			continue;
		log_on |= dev;
		log_add_sink(dev_sink(dev));
	}
}

void console_init_early(const char *cmdline)
{
	char value[16];
	bool own_log = cmdline_get(cmdline, "log", value, sizeof(value)) >= 0;

	console_devs = choose(cmdline, "console", DEV_SERIAL0 | DEV_SCREEN);
	log_devs = choose(cmdline, "log", console_devs);
	if (cmdline_has(cmdline, "debug"))
		log_set_level(LOG_DEBUG);
	else if (cmdline_has(cmdline, "quiet"))
		log_set_level(own_log ? LOG_NOTICE : LOG_WARN);

	for (u32 port = 0; port < SERIAL_PORTS; port++)
		serial_probe(port);
	log_attach();
}

/* devs_present: those of DEVS that exist, or else any that does. */
static u32 devs_present(u32 devs)
{
	u32 present = 0;

	for (u32 dev = DEV_SERIAL0; dev <= DEV_SCREEN; dev <<= 1)
		if (dev_chardev(dev))
			present |= dev;
	devs &= present;
	return devs ? devs : present & (DEV_SERIAL0 | DEV_SCREEN);
}

void console_init(const char *cmdline, const struct boot_framebuffer *fb)
{
	if (((console_devs | log_devs) & DEV_SCREEN) || !serial_chardev(0))
		if (fb)
			fb_init(fb);
	for (u32 port = 0; port < SERIAL_PORTS; port++)
		if (serial_chardev(port))
			serial_start(port);

	console_devs = devs_present(console_devs);
	if (log_devs)
		log_devs = devs_present(log_devs);
	log_attach();
}

struct chardev *console_device(void)
{
	for (u32 dev = DEV_SERIAL0; dev <= DEV_SCREEN; dev <<= 1)
		if (console_devs & dev)
			return dev_chardev(dev);
	return NULL;
}

struct chardev *serial_device(u32 port)
{
	return serial_chardev(port);
}

struct chardev *screen_device(void)
{
	return console_devs & DEV_SCREEN ? fb_chardev() : NULL;
}

void console_flush(void)
{
	for (u32 port = 0; port < SERIAL_PORTS; port++)
		serial_flush(port);
}
