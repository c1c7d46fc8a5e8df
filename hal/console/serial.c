/* Serial ports: 16550 and its ancestors (National Semiconductor PC16550D data sheet).
 *
 * S1: what is queued leaves in order and is never dropped.
 * S2: while the queue holds anything and interrupts are in use, THRI is on in the port's IER; so the
 *     port itself asks for more.
 * S3: RDI is on in the IER iff the upper layer wants input. What nobody wants stays in the FIFO,
 *     and RTS tells the other side.
 *
 * Bytes go to the port directly for as long as it takes them, so a port as fast as a virtual one
 * raises no transmit interrupts at all. */
#define HAL_CONSOLE
#include "hal/console/internal.h"
#include "hal/console/console.h"
#include "hal/cpu/regs.h"
#include "hal/irq/irq.h"

enum {
	REG_DATA = 0, /* DLAB: divisor, low */
	REG_IER = 1,  /* DLAB: divisor, high */
	REG_IIR = 2,
	REG_FCR = 2,
	REG_LCR = 3,
	REG_MCR = 4,
	REG_LSR = 5,
	REG_SCRATCH = 7,
};

#define IER_RDI BIT(0)
#define IER_THRI BIT(1)
#define IIR_NONE BIT(0)
#define IIR_FIFO 0xc0
#define FCR_ENABLE BIT(0)
#define FCR_TRIGGER_8 0x80
#define LCR_8N1 0x03
#define LCR_DLAB BIT(7)
#define MCR_DTR BIT(0)
#define MCR_RTS BIT(1)
#define MCR_OUT2 BIT(3) /* lets the interrupt line through */
#define LSR_DATA BIT(0)
#define LSR_BREAK BIT(4)
#define LSR_THRE BIT(5)
#define LSR_TEMT BIT(6)

#define DIVISOR_115200 1
#define QUEUE_SIZE (8 * KIB)
#define ROUNDS_MAX 64 /* batches an interrupt handles before it lets others run */

struct serial {
	struct chardev dev; /* its callbacks: [I] once input was let in */
	struct log_sink sink;
	struct spinlock lock;
	u16 base;        /* [I] first I/O port */
	u8 isa_irq;      /* [I] */
	bool present;    /* [I] */
	u8 fifo;         /* [I] bytes the transmitter takes at once */
	bool interrupts; /* [lock] in use */
	bool full;       /* [lock] a write was cut short; tx_ready is owed */
	u8 ier;          /* [lock] what the port's IER holds */
	u32 head, tail;  /* [lock] free-running: bytes put in, bytes taken out */
	char *queue;     /* [I]; its QUEUE_SIZE bytes: [lock] */
};

static size_t serial_write(struct chardev *d, const char *buf, size_t n);
static bool serial_drained(struct chardev *d);
static void serial_throttle(struct chardev *d, bool on);
static bool serial_size(struct chardev *d, u16 *ret_rows, u16 *ret_cols);
static void serial_sink_write(struct log_sink *sink, const char *text, size_t n);

static char queues[SERIAL_PORTS][QUEUE_SIZE];

#define SERIAL(i, n, port, irq)                                                               \
	{                                                                                     \
		.dev = {.name = n,                                                            \
		        .write = serial_write,                                                \
		        .drained = serial_drained,                                            \
		        .throttle = serial_throttle,                                          \
		        .size = serial_size},                                                 \
		.sink = {.write = serial_sink_write}, .lock = SPINLOCK_INIT(n, RANK_CONSOLE), \
		.base = (port), .isa_irq = (irq), .queue = queues[i]                          \
	}

static struct serial ports[SERIAL_PORTS] = {
        SERIAL(0, "ttyS0", 0x3f8, 4),
        SERIAL(1, "ttyS1", 0x2f8, 3),
};

static u8 reg_read(struct serial *s, u32 reg)
{
	return inb(s->base + reg);
}

static void reg_write(struct serial *s, u32 reg, u8 v)
{
	outb(s->base + reg, v);
}

static void ier_set(struct serial *s, u8 ier)
{
	if (s->ier == ier)
		return;
	s->ier = ier;
	reg_write(s, REG_IER, ier);
}

static u32 queue_used(const struct serial *s)
{
	return s->head - s->tail;
}

static u32 queue_free(const struct serial *s)
{
	return QUEUE_SIZE - queue_used(s);
}

static void queue_put(struct serial *s, char c)
{
	s->queue[s->head++ % QUEUE_SIZE] = c;
}

/* tx_push: hand the port as much as it takes now; S2. */
static void tx_push(struct serial *s)
{
	while (queue_used(s) && (reg_read(s, REG_LSR) & LSR_THRE))
		for (u32 n = MIN(queue_used(s), s->fifo); n; n--)
			reg_write(s, REG_DATA, s->queue[s->tail++ % QUEUE_SIZE]);
	if (s->interrupts)
		ier_set(s, queue_used(s) ? s->ier | IER_THRI : s->ier & ~IER_THRI);
}

/* tx_wait: until at most LIMIT bytes are queued. */
static void tx_wait(struct serial *s, u32 limit)
{
	tx_push(s);
	while (queue_used(s) > limit) {
		cpu_relax();
		tx_push(s);
	}
}

static size_t serial_write(struct chardev *d, const char *buf, size_t n)
{
	struct serial *s = container_of(d, struct serial, dev);
	bool irq = console_lock(&s->lock);
	size_t done = 0;

	while (done < n && queue_free(s)) {
		while (done < n && queue_free(s))
			queue_put(s, buf[done++]);
		if (s->interrupts)
			tx_push(s);
		else
			tx_wait(s, 0);
	}
	s->full |= done < n;
	console_unlock(&s->lock, irq);
	return done;
}

/* serial_sink_write: the log may come from anywhere, so this waits for room, by polling. */
static void serial_sink_write(struct log_sink *sink, const char *text, size_t n)
{
	struct serial *s = container_of(sink, struct serial, sink);
	bool irq = console_lock(&s->lock);

	for (; n; n--, text++) {
		if (queue_free(s) < 2)
			tx_wait(s, QUEUE_SIZE - 2);
		if (*text == '\n')
			queue_put(s, '\r');
		queue_put(s, *text);
	}
	tx_wait(s, s->interrupts && !console_forced ? QUEUE_SIZE : 0);
	console_unlock(&s->lock, irq);
}

static bool serial_drained(struct chardev *d)
{
	struct serial *s = container_of(d, struct serial, dev);
	bool irq = console_lock(&s->lock);
	bool drained = !queue_used(s) && (reg_read(s, REG_LSR) & LSR_TEMT);

	console_unlock(&s->lock, irq);
	return drained;
}

static void serial_throttle(struct chardev *d, bool on)
{
	struct serial *s = container_of(d, struct serial, dev);
	bool irq = console_lock(&s->lock);

	if (s->interrupts) {
		ier_set(s, on ? s->ier & ~IER_RDI : s->ier | IER_RDI);
		reg_write(s, REG_MCR, MCR_DTR | MCR_OUT2 | (on ? 0 : MCR_RTS));
	}
	console_unlock(&s->lock, irq);
}

static bool serial_size(struct chardev *d, u16 *ret_rows, u16 *ret_cols)
{
	return false;
}

/* rx_take: what has arrived, a break's empty byte left out. => bytes, at most CHARDEV_RX_BATCH */
static size_t rx_take(struct serial *s, u8 *buf)
{
	size_t n = 0;
	u8 status;

	while (n < CHARDEV_RX_BATCH && (s->ier & IER_RDI)) {
		status = reg_read(s, REG_LSR);
		if (!(status & LSR_DATA))
			break;
		buf[n] = reg_read(s, REG_DATA);
		n += !(status & LSR_BREAK);
	}
	return n;
}

static void serial_service(struct serial *s)
{
	u8 buf[CHARDEV_RX_BATCH];
	bool irq = console_lock(&s->lock), ready;
	size_t n = rx_take(s, buf);

	tx_push(s);
	ready = s->full && queue_free(s) >= QUEUE_SIZE / 2;
	if (ready)
		s->full = false;
	console_unlock(&s->lock, irq);

	if (n && s->dev.rx)
		s->dev.rx(s->dev.arg, buf, n);
	if (ready && s->dev.tx_ready)
		s->dev.tx_ready(s->dev.arg);
}

/* serial_interrupt: the line is edge-triggered: it has to be seen low, or made so, before the
 * handler returns. */
static void serial_interrupt(void *arg)
{
	struct serial *s = arg;
	bool irq;

	for (u32 round = 0; round < ROUNDS_MAX; round++) {
		if (reg_read(s, REG_IIR) & IIR_NONE)
			return;
		serial_service(s);
	}
	irq = console_lock(&s->lock);
	reg_write(s, REG_IER, 0);
	reg_write(s, REG_IER, s->ier);
	console_unlock(&s->lock, irq);
}

/* port_exists: a register without a function keeps what is written to it. */
static bool port_exists(struct serial *s)
{
	reg_write(s, REG_SCRATCH, 0x5a);
	if (reg_read(s, REG_SCRATCH) != 0x5a)
		return false;
	reg_write(s, REG_SCRATCH, 0xa5);
	return reg_read(s, REG_SCRATCH) == 0xa5;
}

/* port_setup: the receive FIFO is not emptied: input may wait there already. */
static void port_setup(struct serial *s)
{
	reg_write(s, REG_IER, 0);
	reg_write(s, REG_LCR, LCR_8N1 | LCR_DLAB);
	reg_write(s, REG_DATA, DIVISOR_115200);
	reg_write(s, REG_IER, 0); /* DLAB: the divisor's upper half */
	reg_write(s, REG_LCR, LCR_8N1);
	reg_write(s, REG_FCR, FCR_ENABLE | FCR_TRIGGER_8);
	reg_write(s, REG_MCR, MCR_DTR | MCR_OUT2);
	s->fifo = (reg_read(s, REG_IIR) & IIR_FIFO) == IIR_FIFO ? 16 : 1;
}

bool serial_probe(u32 port)
{
	struct serial *s = &ports[port];

	if (!s->present && port_exists(s)) {
		/* firmware's last bytes leave at firmware's speed */
		while (!(reg_read(s, REG_LSR) & LSR_TEMT))
			cpu_relax();
		port_setup(s);
		s->present = true;
	}
	return s->present;
}

void serial_start(u32 port)
{
	struct serial *s = &ports[port];
	int err = irq_attach_isa(s->isa_irq, serial_interrupt, s, s->dev.name);
	bool irq;

	if (err < 0) {
		klog(LOG_WARN, "%s: no interrupt (error %d): output only", s->dev.name, -err);
		return;
	}
	irq = console_lock(&s->lock);
	s->interrupts = true;
	console_unlock(&s->lock, irq);
}

struct chardev *serial_chardev(u32 port)
{
	return port < SERIAL_PORTS && ports[port].present ? &ports[port].dev : NULL;
}

struct log_sink *serial_log_sink(u32 port)
{
	return port < SERIAL_PORTS && ports[port].present ? &ports[port].sink : NULL;
}

void serial_flush(u32 port)
{
	struct serial *s = &ports[port];
	bool irq;

	if (!s->present)
		return;
	irq = console_lock(&s->lock);
	tx_wait(s, 0);
	while (!(reg_read(s, REG_LSR) & LSR_TEMT))
		cpu_relax();
	console_unlock(&s->lock, irq);
}
