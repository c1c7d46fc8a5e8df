/* Moving bytes: read, write and their kin. */
#include "hal/base/string.h"
#include "kernel/fs/file.h"
#include "kernel/sys/iov.h"
#include "kernel/sys/path.h"
#include "vm/kmem.h"

#define IO_MAX 0x7ffff000UL /* bytes in one call, as Linux's MAX_RW_COUNT */
#define IOV_MAX 1024U

enum io_op {
	IO_READ,
	IO_WRITE
};

static inline bool file_allows(const struct file *f, enum io_op op)
{
	return f && (op == IO_READ ? f->readable : f->writable);
}

/* file_io: at *POS. */
static inline i64 file_io(struct file *f, enum io_op op, struct uio *u, u64 *pos)
{
	isize_t (*fn)(struct file *, struct uio *, u64 *) = op == IO_READ ? f->ops->read : f->ops->write;

	if (unlikely(!fn))
		return S_ISDIR(f->inode->mode) ? -EISDIR : -EINVAL;
	return fn(f, u, pos);
}

static __noinline i64 file_io_locked(struct file *f, enum io_op op, struct uio *u)
{
	i64 n;

	mutex_lock(&f->pos_lock);
	n = file_io(f, op, u, &f->pos);
	mutex_unlock(&f->pos_lock);
	return n;
}

/* io_here: at the file's own offset. Streams have none, and must not keep each other waiting; one that nobody
 * else can reach needs no lock. */
static inline i64 io_here(int fd, enum io_op op, struct uio *u)
{
	struct fdref r = fd_borrow(fd);
	struct file *f = r.file;
	i64 n = -EBADF;

	if (unlikely(f && f->ops->seek && (r.counted || atomic_load(&f->refs) > 1) && file_allows(f, op)))
		n = file_io_locked(f, op, u);
	else if (likely(file_allows(f, op)))
		n = file_io(f, op, u, &f->pos);
	fd_return(r);
	return n;
}

static inline i64 file_io_at(struct file *f, enum io_op op, struct uio *u, i64 offset)
{
	u64 pos = offset;

	if (!f)
		return -EBADF;
	if (!f->ops->seek)
		return -ESPIPE;
	return file_allows(f, op) ? file_io(f, op, u, &pos) : -EBADF;
}

static inline i64 io_at(int fd, enum io_op op, struct uio *u, i64 offset)
{
	struct fdref r;
	i64 n;

	if (offset < 0)
		return -EINVAL;
	r = fd_borrow(fd);
	n = file_io_at(r.file, op, u, offset);
	fd_return(r);
	return n;
}

static inline int user_buffer(struct uio *u, uaddr_t buf, u64 count)
{
	if (!user_range_ok(buf, count))
		return -EFAULT;
	uio_user(u, buf, MIN(count, IO_MAX));
	return 0;
}

i64 sys_read(int fd, uaddr_t buf, u64 count)
{
	struct uio u;
	int err = user_buffer(&u, buf, count);

	return err < 0 ? err : io_here(fd, IO_READ, &u);
}

i64 sys_write(int fd, uaddr_t buf, u64 count)
{
	struct uio u;
	int err = user_buffer(&u, buf, count);

	return err < 0 ? err : io_here(fd, IO_WRITE, &u);
}

i64 sys_pread64(int fd, uaddr_t buf, u64 count, i64 offset)
{
	struct uio u;
	int err = user_buffer(&u, buf, count);

	return err < 0 ? err : io_at(fd, IO_READ, &u, offset);
}

i64 sys_pwrite64(int fd, uaddr_t buf, u64 count, i64 offset)
{
	struct uio u;
	int err = user_buffer(&u, buf, count);

	return err < 0 ? err : io_at(fd, IO_WRITE, &u, offset);
}

/* --- lists of buffers --- */

_Static_assert(sizeof(struct uio_seg) == sizeof(struct iovec), "an iovec is copied in as it is");

/* segs_check: the total, cut to IO_MAX. => 0; -EINVAL; -EFAULT */
static int segs_check(struct uio_seg *segs, u32 n, u64 *ret_total)
{
	u64 total = 0;

	for (u32 i = 0; i < n; i++) {
		if ((i64)segs[i].len < 0)
			return -EINVAL;
		if (!user_range_ok(segs[i].base, segs[i].len))
			return -EFAULT;
		segs[i].len = MIN(segs[i].len, IO_MAX - total);
		total += segs[i].len;
	}
	*ret_total = total;
	return 0;
}

int iov_get(struct uio *u, uaddr_t iov, u64 count, struct uio_seg *few)
{
	struct uio_seg *segs = few;
	u64 total;
	int err;

	if (count > IOV_MAX)
		return -EINVAL;
	if (count > IOV_FEW && !(segs = kmalloc(count * sizeof(*segs))))
		return -ENOMEM;
	err = copyin(segs, iov, count * sizeof(*segs));
	if (!err)
		err = segs_check(segs, count, &total);
	if (err < 0) {
		iov_put(segs, few);
		return err;
	}
	*u = (struct uio){.segs = segs, .nsegs = count, .resid = total};
	return 0;
}

void iov_put(struct uio_seg *segs, const struct uio_seg *few)
{
	if (segs != few)
		kfree(segs);
}

static i64 io_vector(int fd, enum io_op op, uaddr_t iov, u64 count)
{
	struct uio_seg few[IOV_FEW];
	struct uio u;
	struct uio_seg *segs;
	i64 n = iov_get(&u, iov, count, few);

	if (n < 0)
		return n;
	segs = u.segs;
	n = io_here(fd, op, &u);
	iov_put(segs, few);
	return n;
}

i64 sys_readv(int fd, uaddr_t iov, u64 iovcnt)
{
	return io_vector(fd, IO_READ, iov, iovcnt);
}

i64 sys_writev(int fd, uaddr_t iov, u64 iovcnt)
{
	return io_vector(fd, IO_WRITE, iov, iovcnt);
}

/* --- offsets --- */

static i64 file_seek(struct file *f, i64 offset, int whence)
{
	i64 to;

	if (!f)
		return -EBADF;
	if (whence < SEEK_SET || whence > SEEK_HOLE)
		return -EINVAL;
	if (!f->ops->seek)
		return -ESPIPE;
	mutex_lock(&f->pos_lock);
	to = f->ops->seek(f, offset, whence);
	mutex_unlock(&f->pos_lock);
	return to;
}

i64 sys_lseek(int fd, i64 offset, int whence)
{
	struct fdref r = fd_use(fd);
	i64 to = file_seek(r.file, offset, whence);

	fd_return(r);
	return to;
}

/* --- sendfile --- */

/* send_part: one buffer's worth from *POS. => bytes that went out, fewer than N at an end; an error */
static i64 send_part(struct file *out, struct file *in, u64 *pos, void *buf, u64 n)
{
	struct uio u;
	u64 at = *pos;
	i64 got, put;

	uio_kernel(&u, buf, n);
	if ((got = in->ops->read(in, &u, &at)) <= 0)
		return got;
	uio_kernel(&u, buf, got);
	if ((put = file_io(out, IO_WRITE, &u, &out->pos)) > 0)
		*pos += put;
	return put;
}

static i64 send_loop(struct file *out, struct file *in, u64 *pos, u64 count)
{
	void *buf = kmalloc(4 * PAGE_SIZE);
	u64 done = 0;
	i64 n = 0;

	if (!buf)
		return -ENOMEM;
	while (done < count) {
		n = send_part(out, in, pos, buf, MIN(count - done, 4 * PAGE_SIZE));
		if (n <= 0)
			break;
		done += n;
		if (thread_interrupted(WAIT_INTERRUPTIBLE)) {
			n = -ERESTARTSYS;
			break;
		}
	}
	kfree(buf);
	return done ? (i64)done : n;
}

static int send_check(struct file *out, struct file *in)
{
	if (!file_allows(out, IO_WRITE) || !file_allows(in, IO_READ))
		return -EBADF;
	if (!in->ops->read || !in->ops->seek || !S_ISREG(in->inode->mode) || (out->flags & O_APPEND))
		return -EINVAL;
	return out->inode == in->inode ? -EINVAL : 0;
}

static i64 send_file(struct file *out, struct file *in, uaddr_t offset, u64 count)
{
	u64 pos;
	i64 n = send_check(out, in);

	if (n < 0)
		return n;
	count = MIN(count, IO_MAX);
	if (!offset.va) {
		mutex_lock(&in->pos_lock);
		n = send_loop(out, in, &in->pos, count);
		mutex_unlock(&in->pos_lock);
		return n;
	}
	if (copyin(&pos, offset, sizeof(pos)) < 0)
		return -EFAULT;
	if ((i64)pos < 0)
		return -EINVAL;
	n = send_loop(out, in, &pos, count);
	return copyout(offset, &pos, sizeof(pos)) < 0 ? -EFAULT : n;
}

i64 sys_sendfile(int out_fd, int in_fd, uaddr_t offset, u64 count)
{
	struct fdref out = fd_borrow(out_fd), in = fd_borrow(in_fd);
	i64 n = send_file(out.file, in.file, offset, count);

	fd_return(out);
	fd_return(in);
	return n;
}

/* --- what needs no more than a check: nothing here is on a disk --- */

static i64 fd_check(int fd)
{
	struct fdref r = fd_use(fd);

	fd_return(r);
	return r.file ? 0 : -EBADF;
}

i64 sys_fsync(int fd)
{
	return fd_check(fd);
}

i64 sys_fdatasync(int fd)
{
	return fd_check(fd);
}

i64 sys_sync(void)
{
	return 0;
}

i64 sys_fadvise64(int fd, i64 offset, i64 len, int advice)
{
	struct fdref r = fd_use(fd);
	i64 err = 0;

	if (!r.file)
		err = -EBADF;
	else if (S_ISFIFO(r.file->inode->mode))
		err = -ESPIPE;
	else if (len < 0 || (u32)advice > 5) /* POSIX_FADV_NOREUSE */
		err = -EINVAL;
	fd_return(r);
	return err;
}
