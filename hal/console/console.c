/* Which devices the console and the log are on, and the mux when the console is on several. */
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
#define DEV_COUNT 3

static u32 console_devs; /* [I] once the command line was read: DEV_*, as far as they exist */
static u32 log_devs;     /* [I] the same */
static u32 log_on;       /* [I] after console_init: those the log has been added to */

/* The mux. Everything goes to each part; a part's input comes up as the mux's. */
static struct chardev *parts[DEV_COUNT]; /* [I] after console_init */
static u32 part_count;                   /* [I] the same */

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

/* mux_write: the first part decides how much is taken. The others have to keep up: only the first
 * can be a serial line, and the screen takes everything. */
static size_t mux_write(struct chardev *d, const char *buf, size_t n)
{
	n = parts[0]->write(parts[0], buf, n);
	for (u32 i = 1; i < part_count; i++)
		parts[i]->write(parts[i], buf, n);
	return n;
}

static bool mux_drained(struct chardev *d)
{
	for (u32 i = 0; i < part_count; i++)
		if (!parts[i]->drained(parts[i]))
			return false;
	return true;
}

static void mux_throttle(struct chardev *d, bool on)
{
	for (u32 i = 0; i < part_count; i++)
		parts[i]->throttle(parts[i], on);
}

/* mux_size: whoever sits at the serial line has another size than the screen. */
static bool mux_size(struct chardev *d, u16 *ret_rows, u16 *ret_cols)
{
	return false;
}

static struct chardev mux = {
        .name = "console",
        .write = mux_write,
        .drained = mux_drained,
        .throttle = mux_throttle,
        .size = mux_size,
};

static void mux_rx(void *arg, const u8 *buf, size_t n)
{
	if (mux.rx)
		mux.rx(mux.arg, buf, n);
}

static void mux_tx_ready(void *arg)
{
	if (mux.tx_ready)
		mux.tx_ready(mux.arg);
}

static void mux_add(struct chardev *d)
{
	d->rx = mux_rx;
	d->tx_ready = mux_tx_ready;
	parts[part_count++] = d;
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
	for (u32 dev = DEV_SERIAL0; dev <= DEV_SCREEN; dev <<= 1)
		if (console_devs & dev)
			mux_add(dev_chardev(dev));
}

/* console_device: a console on one device is that device; the mux is there for several. */
struct chardev *console_device(void)
{
	if (part_count == 0)
		return NULL;
	return part_count == 1 ? parts[0] : &mux;
}

struct chardev *serial_device(u32 port)
{
	struct chardev *d = serial_chardev(port);

	for (u32 i = 0; i < part_count; i++)
		if (d && parts[i] == d)
			return console_device();
	return d;
}

void console_flush(void)
{
	for (u32 port = 0; port < SERIAL_PORTS; port++)
		serial_flush(port);
}
