/* Pipes: a ring of bytes in page frames that come and go with the bytes.
 *
 * I1: byte n of the pipe (0 <= n < used) lies at ring offset (head + n) mod capacity.
 * I2: a slot has a frame while bytes lie in it; one emptied frame is kept for the next byte.
 * I3: a write of at most PIPE_BUF bytes goes in as one (pipe(7)).
 * I4: `used` and the counts of ends change under inode->lock, before the wake; those who sleep or poll read
 *     them without it. */
#include "kernel/fs/pipe.h"
#include "hal/base/assert.h"
#include "hal/base/dmap.h"
#include "hal/base/string.h"
#include "kernel/abi/capability.h"
#include "kernel/abi/magic.h"
#include "kernel/fs/file.h"
#include "kernel/fs/inode.h"
#include "kernel/fs/mount.h"
#include "kernel/fs/perm.h"
#include "kernel/fs/poll.h"
#include "kernel/proc/proc.h"
#include "vm/frame.h"
#include "vm/kmem.h"

struct pipe {
	struct waitq readers, writers;  /* who waits for bytes; for room */
	u32 capacity;                   /* [i] bytes, a power of two */
	u32 head;                       /* [i] ring offset of the first byte */
	u32 used;                       /* [i], read with atomic_load: bytes */
	u32 nreaders, nwriters;         /* [i], read with atomic_load: open ends */
	u32 reader_opens, writer_opens; /* [i], read with atomic_load: ever, for those whose open waits */
	u32 users;                      /* [i] open files, and opens in progress */
	paddr_t spare;                  /* [i] an empty frame, or 0 */
	paddr_t *frames;                /* [i] of each slot, 0: none */
	paddr_t few[PIPE_PAGES];        /* [i] the slots of a new pipe */
};

static struct kmem_cache *pipe_cache;
static struct mount *pipe_mount;

/* --- the ring --- */

static u32 pipe_slots(const struct pipe *p)
{
	return p->capacity >> PAGE_SHIFT;
}

static u32 pipe_room(const struct pipe *p)
{
	return p->capacity - p->used;
}

/* slot_fill: a frame for an empty slot that is to be written. => 0: out of memory */
static __noinline paddr_t slot_fill(struct pipe *p, u32 slot)
{
	p->frames[slot] = p->spare ? p->spare : frame_alloc();
	p->spare = 0;
	return p->frames[slot];
}

static __noinline void slot_empty(struct pipe *p, u32 slot)
{
	if (p->spare)
		frame_put(p->frames[slot]);
	else
		p->spare = p->frames[slot];
	p->frames[slot] = 0;
}

/* pipe_consumed: N bytes of the head's slot have been read. An empty pipe starts at its slot's beginning. */
static void pipe_consumed(struct pipe *p, u32 n)
{
	u32 slot = p->head >> PAGE_SHIFT;

	p->head += n;
	atomic_store(&p->used, p->used - n);
	if ((p->head & PAGE_MASK) == 0) {
		p->head &= p->capacity - 1;
		if (p->used <= p->capacity - PAGE_SIZE) /* else the tail has come round to it */
			slot_empty(p, slot);
	} else if (!p->used) {
		p->head &= ~(u32)PAGE_MASK;
	}
}

/* pipe_take: as much as there is and U wants. => bytes, or -EFAULT */
static isize_t pipe_take(struct pipe *p, struct uio *u)
{
	isize_t done = 0, r;

	while (u->resid && p->used) {
		u32 off = p->head & PAGE_MASK, n = MIN(MIN(u->resid, p->used), PAGE_SIZE - off);

		r = uio_out(u, (char *)phys_to_virt(p->frames[p->head >> PAGE_SHIFT]) + off, n);
		if (r < (isize_t)n) /* a piece of which a part cannot be copied stays whole, as in Linux */
			return done ? done : -EFAULT;
		pipe_consumed(p, r);
		done += r;
	}
	return done;
}

/* pipe_put: as much as U has and fits. => bytes, or -EFAULT, -ENOMEM */
static isize_t pipe_put(struct pipe *p, struct uio *u)
{
	isize_t done = 0, r;

	while (u->resid && pipe_room(p)) {
		u32 tail = (p->head + p->used) & (p->capacity - 1), off = tail & PAGE_MASK;
		u32 n = MIN(MIN(u->resid, pipe_room(p)), PAGE_SIZE - off);
		paddr_t pa = p->frames[tail >> PAGE_SHIFT];

		if (unlikely(!pa))
			pa = slot_fill(p, tail >> PAGE_SHIFT);
		r = pa ? uio_in(u, (char *)phys_to_virt(pa) + off, n) : -ENOMEM;
		if (r < (isize_t)n)
			return done ? done : r == -ENOMEM ? r : -EFAULT;
		atomic_store(&p->used, p->used + r);
		done += r;
	}
	return done;
}

/* --- reading and writing --- */

/* pipe_wake: the state has changed; the barrier pairs with that of the sleeper's look at it. */
static void pipe_wake(struct waitq *q)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!list_empty(&q->waiters))
		waitq_wake_all(q);
}

static bool pipe_readable(struct pipe *p)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return atomic_load(&p->used) || !atomic_load(&p->nwriters);
}

static bool pipe_writable(struct pipe *p, u32 need)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return p->capacity - atomic_load(&p->used) >= need || !atomic_load(&p->nreaders);
}

/* pipe_wait_data: sleep with inode->lock released. => 0 (look again); -EAGAIN; -ERESTARTSYS */
static __noinline int pipe_wait_data(struct file *f, struct pipe *p, bool nonblock)
{
	int err;

	if (nonblock)
		return -EAGAIN;
	mutex_unlock(&f->inode->lock);
	err = wait_event(&p->readers, WAIT_INTERRUPTIBLE, CLOCK_NEVER, pipe_readable(p));
	mutex_lock(&f->inode->lock);
	return err;
}

isize_t pipe_receive(struct file *f, struct uio *u, bool nonblock)
{
	struct pipe *p = f->inode->pipe;
	isize_t r = 0;
	bool was_full;

	if (!u->resid)
		return 0;
	mutex_lock(&f->inode->lock);
	while (!p->used && p->nwriters && !r)
		r = pipe_wait_data(f, p, nonblock);
	was_full = pipe_room(p) < PIPE_BUF;
	if (p->used)
		r = pipe_take(p, u);
	was_full &= pipe_room(p) >= PIPE_BUF;
	mutex_unlock(&f->inode->lock);
	if (was_full)
		pipe_wake(&p->writers);
	return r;
}

static isize_t pipe_read(struct file *f, struct uio *u, u64 *pos)
{
	return pipe_receive(f, u, f->flags & O_NONBLOCK);
}

/* pipe_wait_room: as pipe_wait_data. NEED bytes, but never more often than a PIPE_BUF of room. */
static __noinline int pipe_wait_room(struct file *f, struct pipe *p, u32 need, bool nonblock)
{
	int err;

	if (nonblock)
		return -EAGAIN;
	mutex_unlock(&f->inode->lock);
	pipe_wake(&p->readers);
	err = wait_event(&p->writers, WAIT_INTERRUPTIBLE, CLOCK_NEVER, pipe_writable(p, need));
	mutex_lock(&f->inode->lock);
	return err;
}

/* pipe_write_some: one stretch without sleeping, or one sleep. => bytes > 0; 0 to go on; an error */
static isize_t pipe_write_some(struct file *f, struct pipe *p, struct uio *u, u32 need, bool nonblock)
{
	if (!p->nreaders) {
		file_signal(SIGPIPE);
		return -EPIPE;
	}
	if (pipe_room(p) >= need)
		return pipe_put(p, u);
	return pipe_wait_room(f, p, need == 1 ? PIPE_BUF : need, nonblock);
}

isize_t pipe_send(struct file *f, struct uio *u, bool nonblock)
{
	struct pipe *p = f->inode->pipe;
	u32 need = u->resid <= PIPE_BUF ? u->resid : 1; /* I3 */
	isize_t r = 0, done = 0;

	if (!u->resid)
		return 0;
	mutex_lock(&f->inode->lock);
	while (u->resid && r >= 0) {
		r = pipe_write_some(f, p, u, need, nonblock);
		if (r > 0) {
			done += r;
			need = 1;
		}
	}
	mutex_unlock(&f->inode->lock);
	if (done)
		pipe_wake(&p->readers);
	return done ? done : r;
}

static isize_t pipe_write(struct file *f, struct uio *u, u64 *pos)
{
	return pipe_send(f, u, f->flags & O_NONBLOCK);
}

static __noinline void pipe_poll_wait(struct file *f, struct pipe *p, struct poll_table *pt)
{
	if (f->readable)
		poll_wait(pt, &p->readers);
	if (f->writable)
		poll_wait(pt, &p->writers);
}

static u32 pipe_poll(struct file *f, struct poll_table *pt)
{
	struct pipe *p = f->inode->pipe;
	u32 events = 0;

	if (unlikely(pt))
		pipe_poll_wait(f, p, pt);
	if (f->readable) {
		if (atomic_load(&p->used))
			events = POLLIN | POLLRDNORM;
		if (!atomic_load(&p->nwriters) && atomic_load(&p->writer_opens) != f->pos)
			events |= POLLHUP;
	}
	if (f->writable) {
		if (p->capacity - atomic_load(&p->used) >= PIPE_BUF)
			events |= POLLOUT | POLLWRNORM;
		if (!atomic_load(&p->nreaders))
			events |= POLLERR;
	}
	return events;
}

static i64 pipe_ioctl(struct file *f, u32 req, u64 arg)
{
	int used;

	if (req != FIONREAD)
		return -ENOTTY;
	used = atomic_load(&f->inode->pipe->used);
	return copyout(UADDR(arg), &used, sizeof(used));
}

/* --- from file to file (splice, tee) --- */

/* drain_locked: what is there, piece by piece, while SINK takes all of each. inode->lock held */
static isize_t drain_locked(struct pipe *p, u64 n, pipe_sink sink, void *arg)
{
	isize_t done = 0, r = 0;
	u32 piece;

	while (n && p->used) {
		u32 off = p->head & PAGE_MASK;

		piece = MIN(MIN(n, p->used), PAGE_SIZE - off);
		r = sink(arg, (char *)phys_to_virt(p->frames[p->head >> PAGE_SHIFT]) + off, piece);
		if (r <= 0)
			break;
		pipe_consumed(p, r);
		done += r;
		n -= r;
		if (r < (isize_t)piece)
			break;
	}
	return done ? done : r;
}

isize_t pipe_drain(struct file *f, u64 n, bool nonblock, pipe_sink sink, void *arg)
{
	struct pipe *p = f->inode->pipe;
	isize_t r = 0;

	mutex_lock(&f->inode->lock);
	while (!p->used && p->nwriters && !r)
		r = pipe_wait_data(f, p, nonblock);
	if (p->used)
		r = drain_locked(p, n, sink, arg);
	mutex_unlock(&f->inode->lock);
	if (r > 0)
		pipe_wake(&p->writers);
	return r;
}

/* pipe_copy: N bytes of FROM, which has them, into TO, as far as they fit. Both locks held. => bytes; -ENOMEM */
static isize_t pipe_copy(struct pipe *from, struct pipe *to, u32 n)
{
	isize_t done = 0, r = 0;

	while ((u32)done < n && r >= 0 && pipe_room(to)) {
		u32 at = (from->head + done) & (from->capacity - 1), off = at & PAGE_MASK;
		struct uio u;

		uio_kernel(&u, (char *)phys_to_virt(from->frames[at >> PAGE_SHIFT]) + off,
		           MIN((u64)(n - done), PAGE_SIZE - off));
		if ((r = pipe_put(to, &u)) > 0)
			done += r;
	}
	return done ? done : r;
}

static void pipe_discard(struct pipe *p, u32 n)
{
	while (n) {
		u32 piece = MIN(n, PAGE_SIZE - (p->head & PAGE_MASK));

		pipe_consumed(p, piece);
		n -= piece;
	}
}

/* transfer_locked: => bytes; 0: nothing can come any more; -EAGAIN: nothing now; -EPIPE; -ENOMEM. Both locks held. */
static isize_t transfer_locked(struct pipe *from, struct pipe *to, u64 n, bool keep)
{
	isize_t r;

	if (!to->nreaders) {
		file_signal(SIGPIPE);
		return -EPIPE;
	}
	if (!from->used)
		return from->nwriters ? -EAGAIN : 0;
	if (!pipe_room(to))
		return -EAGAIN;
	r = pipe_copy(from, to, MIN(n, from->used));
	if (r > 0 && !keep)
		pipe_discard(from, r);
	return r;
}

/* pair_lock: of two pipes, always in the same order. */
static void pair_lock(struct inode *a, struct inode *b)
{
	mutex_lock(a < b ? &a->lock : &b->lock);
	mutex_lock(a < b ? &b->lock : &a->lock);
}

/* transfer_wait: until both may be ready. => 0; -ERESTARTSYS */
static int transfer_wait(struct pipe *from, struct pipe *to)
{
	int err = wait_event(&from->readers, WAIT_INTERRUPTIBLE, CLOCK_NEVER, pipe_readable(from));

	return err < 0 ? err
	               : wait_event(&to->writers, WAIT_INTERRUPTIBLE, CLOCK_NEVER, pipe_writable(to, 1));
}

isize_t pipe_transfer(struct file *from, struct file *to, u64 n, bool nonblock, bool keep)
{
	struct pipe *a = from->inode->pipe, *b = to->inode->pipe;
	isize_t r;

	if (a == b)
		return -EINVAL;
	for (;;) {
		pair_lock(from->inode, to->inode);
		r = transfer_locked(a, b, n, keep);
		mutex_unlock(&from->inode->lock);
		mutex_unlock(&to->inode->lock);
		if (r != -EAGAIN || nonblock)
			break;
		if ((r = transfer_wait(a, b)) < 0)
			break;
	}
	if (r > 0) {
		pipe_wake(&a->writers);
		pipe_wake(&b->readers);
	}
	return r;
}

i64 pipe_wait_writable(struct file *f, bool nonblock)
{
	struct pipe *p = f->inode->pipe;
	int err = 0;

	if (!pipe_writable(p, 1))
		err = nonblock
		              ? -EAGAIN
		              : wait_event(&p->writers, WAIT_INTERRUPTIBLE, CLOCK_NEVER, pipe_writable(p, 1));
	if (err < 0)
		return err;
	if (!atomic_load(&p->nreaders)) {
		file_signal(SIGPIPE);
		return -EPIPE;
	}
	return MAX(p->capacity - atomic_load(&p->used), 1U);
}

/* --- life --- */

static struct pipe *pipe_new(void)
{
	struct pipe *p = kmem_cache_alloc(pipe_cache);

	if (!p)
		return NULL;
	memset(p, 0, sizeof(*p));
	waitq_init(&p->readers);
	waitq_init(&p->writers);
	p->capacity = PIPE_PAGES * PAGE_SIZE;
	p->frames = p->few;
	return p;
}

static void pipe_free(struct pipe *p)
{
	for (u32 i = 0; i < pipe_slots(p); i++)
		if (p->frames[i])
			frame_put(p->frames[i]);
	if (p->spare)
		frame_put(p->spare);
	if (p->frames != p->few)
		kfree(p->frames);
	kmem_cache_free(pipe_cache, p);
}

/* pipe_opened, pipe_closed: F is one more, or one less, end. inode->lock held. */
static void pipe_opened(struct file *f, struct pipe *p)
{
	if (f->readable) {
		atomic_store(&p->nreaders, p->nreaders + 1);
		atomic_store(&p->reader_opens, p->reader_opens + 1);
	}
	if (f->writable) {
		atomic_store(&p->nwriters, p->nwriters + 1);
		atomic_store(&p->writer_opens, p->writer_opens + 1);
	}
	pipe_wake(&p->readers);
	pipe_wake(&p->writers);
}

static void pipe_closed(struct file *f, struct pipe *p)
{
	if (f->readable)
		atomic_store(&p->nreaders, p->nreaders - 1);
	if (f->writable)
		atomic_store(&p->nwriters, p->nwriters - 1);
	pipe_wake(&p->readers);
	pipe_wake(&p->writers);
}

static void pipe_leave(struct inode *i)
{
	struct pipe *p = i->pipe;

	if (--p->users)
		return;
	i->pipe = NULL;
	pipe_free(p);
}

static void pipe_release(struct file *f)
{
	struct inode *i = f->inode;

	mutex_lock(&i->lock);
	pipe_closed(f, i->pipe);
	pipe_leave(i);
	mutex_unlock(&i->lock);
}

static bool opens_changed(u32 *opens, u32 was)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return atomic_load(opens) != was;
}

/* fifo_wait: sleep until the other end is opened, if it is not. inode->lock held, released meanwhile. */
static int fifo_wait(struct inode *i, struct waitq *q, u32 *others, u32 *opens)
{
	u32 was = *opens;
	int err;

	if (*others)
		return 0;
	mutex_unlock(&i->lock);
	err = wait_event(q, WAIT_INTERRUPTIBLE, CLOCK_NEVER, opens_changed(opens, was));
	mutex_lock(&i->lock);
	return err;
}

/* A pipe that is opened again through /proc/PID/fd waits for nobody: its ends are known. */
static bool file_is_pipe(const struct file *f)
{
	return f->inode->mount == pipe_mount;
}

/* fifo_meet: F is counted already; fifo(7). Who reads without waiting sees no end of file (POLLHUP) before a
 * first writer: f->pos keeps how many there had been. */
static int fifo_meet(struct file *f, struct pipe *p)
{
	if ((f->readable && f->writable) || file_is_pipe(f))
		return 0;
	if (f->writable)
		return fifo_wait(f->inode, &p->writers, &p->nreaders, &p->reader_opens);
	if (f->flags & O_NONBLOCK) {
		f->pos = p->nwriters ? 0 : p->writer_opens;
		return 0;
	}
	return fifo_wait(f->inode, &p->readers, &p->nwriters, &p->writer_opens);
}

static int fifo_open_locked(struct file *f)
{
	struct inode *i = f->inode;
	int err;

	if (!i->pipe && !(i->pipe = pipe_new()))
		return -ENOMEM;
	i->pipe->users++;
	if (f->writable && !f->readable && (f->flags & O_NONBLOCK) && !i->pipe->nreaders &&
	    !file_is_pipe(f)) {
		pipe_leave(i);
		return -ENXIO;
	}
	pipe_opened(f, i->pipe);
	if ((err = fifo_meet(f, i->pipe)) < 0) {
		pipe_closed(f, i->pipe);
		pipe_leave(i);
	}
	return err;
}

static int fifo_open(struct file *f)
{
	int err;

	mutex_lock(&f->inode->lock);
	err = fifo_open_locked(f);
	mutex_unlock(&f->inode->lock);
	return err;
}

static u64 pipe_held(const struct file *f)
{
	const struct pipe *p = f->inode->pipe;

	if (!p)
		return 0;
	return (sizeof(*p) + ALIGN_UP(atomic_load(&p->used), PAGE_SIZE)) / MAX(read_once(p->users), 1U);
}

const struct file_ops fifo_fops = {
        .read = pipe_read,
        .write = pipe_write,
        .poll = pipe_poll,
        .ioctl = pipe_ioctl,
        .open = fifo_open,
        .held = pipe_held,
        .release = pipe_release,
};

static const struct inode_ops pipe_inode_ops = {0};

void pipe_init(void)
{
	pipe_cache = kmem_cache_create("pipe", sizeof(struct pipe), 16);
	pipe_mount = mount_new("pipefs", "none", PIPEFS_MAGIC);
	if (!pipe_mount)
		panic("out of memory for pipes");
}

static struct inode *pipe_inode(void)
{
	struct inode *i = inode_new(pipe_mount, S_IFIFO | 0600, &pipe_inode_ops, NULL);
	const struct creds *cr = perm_creds();

	if (!i)
		return NULL;
	if (!(i->pipe = pipe_new())) {
		inode_put(i);
		return NULL;
	}
	if (cr) {
		i->uid = cr->fsuid;
		i->gid = cr->fsgid;
	}
	return i;
}

/* pipe_end: one end of the pipe of I, with a reference of its own to I. */
static struct file *pipe_end(struct inode *i, u32 flags)
{
	struct file *f = file_new(i, &fifo_fops, flags, NULL);

	if (!f)
		return NULL;
	inode_get(i);
	i->pipe->users++;
	pipe_opened(f, i->pipe);
	return f;
}

int pipe_create(u32 flags, struct file **ret_read, struct file **ret_write)
{
	struct inode *i = pipe_inode();
	struct file *r, *w;

	if (!i)
		return -ENOMEM;
	i->pipe->users = 1; /* while both ends are being made */
	r = pipe_end(i, O_RDONLY | flags);
	w = r ? pipe_end(i, O_WRONLY | flags) : NULL;
	pipe_leave(i);
	inode_put(i);
	if (!w) {
		file_put(r);
		return -ENOMEM;
	}
	*ret_read = r;
	*ret_write = w;
	return 0;
}

/* --- capacity --- */

i64 pipe_capacity(struct file *f)
{
	return S_ISFIFO(f->inode->mode) && f->ops == &fifo_fops ? (i64)f->inode->pipe->capacity : -EBADF;
}

/* frames_move: the slots in use, in order, to the beginning of TO. The tail's part of a slot that it shares
 * with the head goes to EXTRA. */
static void frames_move(struct pipe *p, paddr_t *to, paddr_t *extra)
{
	u32 slots = pipe_slots(p), first = p->head >> PAGE_SHIFT, off = p->head & PAGE_MASK;

	for (u32 i = 0; i < slots; i++)
		to[i] = p->frames[(first + i) & (slots - 1)];
	if (off + p->used > p->capacity) {
		memcpy(phys_to_virt(*extra), phys_to_virt(to[0]), off + p->used - p->capacity);
		to[slots] = *extra;
		*extra = 0;
	}
	p->head = off;
}

static int pipe_resize(struct pipe *p, u32 capacity)
{
	u32 old = pipe_slots(p), new = capacity >> PAGE_SHIFT;
	paddr_t *frames, extra;

	if (capacity < p->used ||
	    (p->used && capacity - (p->head & PAGE_MASK) < p->used && capacity < p->capacity))
		return -EBUSY;
	frames = kzalloc(sizeof(*frames) * MAX(old, new));
	extra = frame_alloc();
	if (!frames || !extra) {
		kfree(frames);
		if (extra)
			frame_put(extra);
		return -ENOMEM;
	}
	frames_move(p, frames, &extra);
	if (extra)
		frame_put(extra);
	for (u32 i = new; i < old; i++)
		if (frames[i])
			frame_put(frames[i]);
	if (p->frames != p->few)
		kfree(p->frames);
	p->frames = frames;
	p->capacity = capacity;
	return 0;
}

i64 pipe_set_capacity(struct file *f, u64 bytes)
{
	u32 pages = 1;
	int err = 0;

	if (pipe_capacity(f) < 0)
		return -EBADF;
	if (bytes > 1UL << 31)
		return -EINVAL;
	while (pages * PAGE_SIZE < bytes)
		pages *= 2;
	if (pages > PIPE_PAGES_MAX && !perm_capable(CAP_SYS_RESOURCE))
		return -EPERM;
	mutex_lock(&f->inode->lock);
	if (pages != pipe_slots(f->inode->pipe))
		err = pipe_resize(f->inode->pipe, pages * PAGE_SIZE);
	mutex_unlock(&f->inode->lock);
	pipe_wake(&f->inode->pipe->writers);
	return err < 0 ? err : (i64)(pages * PAGE_SIZE);
}
