/* The machine's own terminals: serial lines and the console. An interrupt puts what comes in into a ring; one
 * kernel thread takes it from there, sends the signals that are typed, and wakes whoever waits. */
#define KERNEL_TTY
#include "kernel/tty/internal.h"
#include "hal/base/assert.h"
#include "hal/base/log.h"
#include "hal/console/console.h"
#include "sched/thread.h"

#define LINES_MAX 3                     /* two serial ports, and the screen */
#define LINE_INPUT 1024                 /* bytes on their way from the interrupt to the line discipline */
#define IN_SPARE (4 * CHARDEV_RX_BATCH) /* what may still come after the throttle */

/* i in_lock */
struct line {
	struct tty tty;
	struct spinlock in_lock; /* RANK_INPUT, taken in interrupts */
	u32 in_head, in_tail;    /* [i] free-running */
	bool throttled;          /* [i] */
	u8 in[LINE_INPUT];       /* [i] */
};

static struct line lines[LINES_MAX]; /* [I] after line_init */
static u32 line_count;               /* [I] the same */
static struct waitq work_wait = WAITQ_INIT(work_wait);
static bool work_wanted; /* [atomic] */

/* --- the interrupt's half --- */

/* line_kick: have the thread look at all lines. */
static void line_kick(void)
{
	atomic_store(&work_wanted, true);
	waitq_wake_all(&work_wait);
}

static u32 in_used(const struct line *l)
{
	return l->in_head - l->in_tail;
}

/* in_throttle: the device is called with in_lock held, so that no two calls change places. */
static void in_throttle(struct line *l, bool on)
{
	struct chardev *dev = l->tty.dev;

	if (l->throttled == on)
		return;
	l->throttled = on;
	dev->throttle(dev, on);
}

static void line_rx(void *arg, const u8 *buf, size_t n)
{
	struct line *l = arg;
	bool irq = spin_lock_irq(&l->in_lock);

	for (size_t i = 0; i < n && in_used(l) < LINE_INPUT; i++)
		l->in[l->in_head++ % LINE_INPUT] = buf[i];
	if (LINE_INPUT - in_used(l) <= IN_SPARE)
		in_throttle(l, true);
	spin_unlock_irq(&l->in_lock, irq);
	line_kick();
}

static void line_tx_ready(void *arg)
{
	line_kick();
}

/* --- the thread's half --- */

static u32 in_peek(struct line *l, u8 *buf, u32 max)
{
	bool irq = spin_lock_irq(&l->in_lock);
	u32 n = MIN(in_used(l), max);

	for (u32 i = 0; i < n; i++)
		buf[i] = l->in[(l->in_tail + i) % LINE_INPUT];
	spin_unlock_irq(&l->in_lock, irq);
	return n;
}

static void in_drop(struct line *l, u32 n)
{
	bool irq = spin_lock_irq(&l->in_lock);

	l->in_tail += n;
	if (in_used(l) <= LINE_INPUT / 4)
		in_throttle(l, false);
	spin_unlock_irq(&l->in_lock, irq);
}

static void take_input(struct line *l)
{
	u8 buf[TTY_CHUNK];
	u32 used;

	do {
		used = tty_feed(&l->tty, buf, in_peek(l, buf, sizeof(buf)));
		in_drop(l, used);
	} while (used);
}

static void line_service(struct line *l)
{
	take_input(l);
	WITH_LOCK (&l->tty.lock)
		tty_push(&l->tty);
	tty_wake(&l->tty);
}

static void __noreturn line_thread(void *arg)
{
	for (;;) {
		wait_event(&work_wait, WAIT_UNINTERRUPTIBLE, CLOCK_NEVER, atomic_swap(&work_wanted, false));
		for (u32 i = 0; i < line_count; i++)
			line_service(&lines[i]);
	}
}

static void line_room(struct tty *t)
{
	struct line *l = container_of(t, struct line, tty);

	if (read_once(l->in_head) != read_once(l->in_tail))
		line_kick();
}

static const struct tty_kind line_kind = {.room = line_room};

/* --- files --- */

/* line_open: as on Linux, /dev/console becomes nobody's controlling terminal by being opened. */
static int line_open(struct file *f)
{
	struct line *l = f->private;
	bool console = f->inode->rdev == MAKEDEV(TTYAUX_MAJOR, 1);
	int err = tty_file_open(f, &l->tty, console);

	if (!err && !console && !(f->flags & O_NOCTTY) && f->readable)
		tty_acquire(&l->tty, false); /* if it can */
	return err;
}

static const struct file_ops line_fops = {.open = line_open, TTY_FOPS};

/* --- start --- */

static struct line *line_create(struct chardev *dev, u32 rdev)
{
	struct line *l = &lines[line_count++];

	l->throttled = true;
	spin_init(&l->in_lock, "tty input", RANK_INPUT);
	tty_setup(&l->tty, &line_kind, dev, rdev);
	return l;
}

/* line_register: /dev/NAME is a terminal on DEV; names that share a character device share the terminal. */
static void line_register(const char *name, u32 mode, u32 rdev, struct chardev *dev)
{
	struct line *l = NULL;
	int err;

	if (!dev)
		return;
	for (u32 i = 0; i < line_count; i++)
		if (lines[i].tty.dev == dev)
			l = &lines[i];
	if (!l)
		l = line_create(dev, rdev);
	err = devfs_register(name, mode, rdev, &line_fops, l);
	if (err)
		klog(LOG_ERROR, "tty: /dev/%s: error %d", name, -err);
}

void line_init(void)
{
	line_register("ttyS0", 0620, MAKEDEV(TTY_MAJOR, 64), serial_device(0));
	line_register("ttyS1", 0620, MAKEDEV(TTY_MAJOR, 65), serial_device(1));
	line_register("tty1", 0620, MAKEDEV(TTY_MAJOR, 1), screen_device());
	line_register("tty0", 0620, MAKEDEV(TTY_MAJOR, 0), screen_device());
	line_register("console", 0600, MAKEDEV(TTYAUX_MAJOR, 1), console_device());
	if (thread_spawn("tty", line_thread, NULL))
		panic("tty: out of memory");
	for (u32 i = 0; i < line_count; i++) {
		struct line *l = &lines[i];

		l->throttled = false;
		chardev_attach(l->tty.dev, line_rx, line_tx_ready, l);
	}
}
