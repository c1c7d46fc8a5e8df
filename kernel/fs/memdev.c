/* The devices that need no device: null, zero, full, random, and the log as kmsg. */
#include "kernel/fs/devfs.h"
#include "hal/base/log.h"
#include "hal/base/string.h"
#include "hal/cpu/random.h"
#include "kernel/fs/file.h"
#include "sched/thread.h"
#include "vm/kmem.h"

static isize_t null_read(struct file *f, struct uio *u, u64 *pos)
{
	return 0;
}

/* Bytes that go nowhere still must be readable, or not: Linux does not look either. */
static isize_t null_write(struct file *f, struct uio *u, u64 *pos)
{
	return u->resid;
}

static i64 null_seek(struct file *f, i64 off, int whence)
{
	f->pos = 0;
	return 0;
}

/* device_fill: hand out made-up bytes by pages, until the reader is full or has a signal. */
static isize_t device_fill(struct uio *u, isize_t (*fill)(struct uio *u, size_t n))
{
	isize_t done = 0, r;

	while (u->resid) {
		r = fill(u, MIN(u->resid, PAGE_SIZE));
		if (r <= 0)
			return done ? done : r;
		done += r;
		if (thread_interrupted(WAIT_INTERRUPTIBLE))
			break;
	}
	return done;
}

static isize_t zero_read(struct file *f, struct uio *u, u64 *pos)
{
	return device_fill(u, uio_out_zero);
}

static int zero_object(struct file *f, struct vmobject **ret)
{
	return 0;
}

static isize_t full_write(struct file *f, struct uio *u, u64 *pos)
{
	return u->resid ? -ENOSPC : 0;
}

static isize_t random_fill(struct uio *u, size_t n)
{
	u8 buf[256];
	isize_t r;

	n = MIN(n, sizeof(buf));
	random_bytes(buf, n);
	r = uio_out(u, buf, n);
	memset(buf, 0, sizeof(buf));
	return r;
}

static isize_t random_read(struct file *f, struct uio *u, u64 *pos)
{
	return device_fill(u, random_fill);
}

static isize_t random_write(struct file *f, struct uio *u, u64 *pos)
{
	isize_t done = 0, r;
	u8 buf[256];

	while (u->resid) {
		r = uio_in(u, buf, MIN(u->resid, sizeof(buf)));
		if (r <= 0)
			return done ? done : r;
		random_mix(buf, r);
		done += r;
		if (thread_interrupted(WAIT_INTERRUPTIBLE))
			break;
	}
	return done;
}

/* --- kmsg: a record for each read, a line for each write --- */

#define KMSG_LINE_MAX (LOG_LINE_MAX - 32)

static isize_t kmsg_read(struct file *f, struct uio *u, u64 *pos)
{
	char line[LOG_LINE_MAX];
	u64 next;
	size_t n = log_read(*pos, line, sizeof(line), &next);
	char *end = memchr(line, '\n', n);
	isize_t r;

	if (!end)
		return f->flags & O_NONBLOCK ? -EAGAIN : 0;
	if ((size_t)(end + 1 - line) > u->resid)
		return -EINVAL;
	r = uio_out(u, line, end + 1 - line);
	if (r > 0)
		*pos = next - (n - (end + 1 - line));
	return r;
}

static isize_t kmsg_write(struct file *f, struct uio *u, u64 *pos)
{
	char line[KMSG_LINE_MAX + 1], *text = line;
	u64 n = u->resid;
	isize_t r = uio_in(u, line, MIN(n, KMSG_LINE_MAX));
	u32 level = LOG_INFO;

	if (r < 0)
		return r;
	line[r] = '\0';
	if (r >= 3 && line[0] == '<' && line[1] >= '0' && line[1] <= '7' && line[2] == '>') {
		level = line[1] - '0';
		text += 3;
	}
	if (r && line[r - 1] == '\n')
		line[r - 1] = '\0';
	klog(level, "%s", text);
	return n;
}

const struct file_ops null_fops = {
        .read = null_read,
        .write = null_write,
        .seek = null_seek,
};

const struct file_ops zero_fops = {
        .read = zero_read,
        .write = null_write,
        .seek = null_seek,
        .object = zero_object,
};

const struct file_ops full_fops = {
        .read = zero_read,
        .write = full_write,
        .seek = null_seek,
};

const struct file_ops random_fops = {
        .read = random_read,
        .write = random_write,
        .seek = null_seek,
};

const struct file_ops kmsg_fops = {
        .read = kmsg_read,
        .write = kmsg_write,
        .seek = file_seek_data,
};
