/* Moving bytes: read, write and their kin. */
#include "hal/base/string.h"
#include "kernel/fs/file.h"
#include "kernel/sys/iov.h"
#include "kernel/sys/path.h"
#include "vm/kmem.h"

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

i64 sys_read(int fd, uaddr_t buf, u64 count)
{
	struct uio u;
	int err = iov_one(&u, buf, count);

	return err < 0 ? err : io_here(fd, IO_READ, &u);
}

i64 sys_write(int fd, uaddr_t buf, u64 count)
{
	struct uio u;
	int err = iov_one(&u, buf, count);

	return err < 0 ? err : io_here(fd, IO_WRITE, &u);
}

i64 sys_pread64(int fd, uaddr_t buf, u64 count, i64 offset)
{
	struct uio u;
	int err = iov_one(&u, buf, count);

	return err < 0 ? err : io_at(fd, IO_READ, &u, offset);
}

i64 sys_pwrite64(int fd, uaddr_t buf, u64 count, i64 offset)
{
	struct uio u;
	int err = iov_one(&u, buf, count);

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

static i64 io_vector_at(int fd, enum io_op op, uaddr_t iov, u64 count, i64 offset)
{
	struct uio_seg few[IOV_FEW];
	struct uio u;
	struct uio_seg *segs;
	i64 n = iov_get(&u, iov, count, few);

	if (n < 0)
		return n;
	segs = u.segs;
	n = io_at(fd, op, &u, offset);
	iov_put(segs, few);
	return n;
}

i64 sys_preadv(int fd, uaddr_t iov, u64 iovcnt, i64 offset)
{
	return io_vector_at(fd, IO_READ, iov, iovcnt, offset);
}

i64 sys_pwritev(int fd, uaddr_t iov, u64 iovcnt, i64 offset)
{
	return io_vector_at(fd, IO_WRITE, iov, iovcnt, offset);
}

/* Nothing here waits for a disk: to be written through, or with priority, is what everything is. */
#define RWF_KNOWN (RWF_HIPRI | RWF_DSYNC | RWF_SYNC)

/* vector_2: preadv2, pwritev2: offset -1 is the file's own. The unused argument is the offset's upper half on machines
 * of 32 bits. */
static i64 vector_2(int fd, enum io_op op, uaddr_t iov, u64 iovcnt, i64 offset, u32 flags)
{
	if (flags & ~(u32)RWF_KNOWN)
		return -EOPNOTSUPP;
	return offset == -1 ? io_vector(fd, op, iov, iovcnt) : io_vector_at(fd, op, iov, iovcnt, offset);
}

i64 sys_preadv2(int fd, uaddr_t iov, u64 iovcnt, i64 offset, u64 upper, u32 flags)
{
	return vector_2(fd, IO_READ, iov, iovcnt, offset, flags);
}

i64 sys_pwritev2(int fd, uaddr_t iov, u64 iovcnt, i64 offset, u64 upper, u32 flags)
{
	return vector_2(fd, IO_WRITE, iov, iovcnt, offset, flags);
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
static i64 send_part(struct file *out, u64 *out_pos, struct file *in, u64 *pos, void *buf, u64 n)
{
	struct uio u;
	u64 at = *pos;
	i64 got, put;

	uio_kernel(&u, buf, n);
	if ((got = in->ops->read(in, &u, &at)) <= 0)
		return got;
	uio_kernel(&u, buf, got);
	if ((put = file_io(out, IO_WRITE, &u, out_pos)) > 0)
		*pos += put;
	return put;
}

/* send_loop: to OUT_POS, from *POS. => bytes; an error, when none went */
static i64 send_loop(struct file *out, u64 *out_pos, struct file *in, u64 *pos, u64 count)
{
	void *buf = kmalloc(4 * PAGE_SIZE);
	u64 done = 0;
	i64 n = 0;

	if (!buf)
		return -ENOMEM;
	while (done < count) {
		n = send_part(out, out_pos, in, pos, buf, MIN(count - done, 4 * PAGE_SIZE));
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
		n = send_loop(out, &out->pos, in, &in->pos, count);
		mutex_unlock(&in->pos_lock);
		return n;
	}
	if (copyin(&pos, offset, sizeof(pos)) < 0)
		return -EFAULT;
	if ((i64)pos < 0)
		return -EINVAL;
	n = send_loop(out, &out->pos, in, &pos, count);
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

/* --- copy_file_range --- */

static int copy_check(struct file *in, struct file *out)
{
	if (!file_allows(in, IO_READ) || !file_allows(out, IO_WRITE) || (out->flags & O_APPEND))
		return -EBADF;
	if (S_ISDIR(in->inode->mode) || S_ISDIR(out->inode->mode))
		return -EISDIR;
	if (!S_ISREG(in->inode->mode) || !S_ISREG(out->inode->mode))
		return -EINVAL;
	return in->inode->mount == out->inode->mount ? 0 : -EXDEV;
}

/* offset_get: *USER, or where F stands. => 0; -EFAULT; -EINVAL */
static int offset_get(uaddr_t user, struct file *f, u64 *ret)
{
	*ret = f->pos;
	if (user.va && copyin(ret, user, sizeof(*ret)) < 0)
		return -EFAULT;
	return (i64)*ret < 0 ? -EINVAL : 0;
}

static int offset_put(uaddr_t user, struct file *f, u64 pos)
{
	if (user.va)
		return copyout(user, &pos, sizeof(pos));
	f->pos = pos;
	return 0;
}

static i64 copy_range(struct file *in, uaddr_t in_user, struct file *out, uaddr_t out_user, u64 len)
{
	u64 from, to;
	i64 n;

	if ((n = copy_check(in, out)) < 0 || (n = offset_get(in_user, in, &from)) < 0 ||
	    (n = offset_get(out_user, out, &to)) < 0)
		return n;
	len = MIN(len, IO_MAX);
	if (in->inode == out->inode && from < to + len && to < from + len)
		return -EINVAL;
	n = len ? send_loop(out, &to, in, &from, len) : 0;
	if (n > 0 && (offset_put(in_user, in, from) < 0 || offset_put(out_user, out, to) < 0))
		return -EFAULT;
	return n;
}

i64 sys_copy_file_range(int in_fd, uaddr_t in_off, int out_fd, uaddr_t out_off, u64 len, u32 flags)
{
	struct fdref in, out;
	i64 n;

	if (flags)
		return -EINVAL;
	in = fd_borrow(in_fd);
	out = fd_borrow(out_fd);
	n = copy_range(in.file, in_off, out.file, out_off, len);
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

i64 sys_syncfs(int fd)
{
	return fd_check(fd);
}

i64 sys_readahead(int fd, i64 offset, u64 count)
{
	struct fdref r = fd_use(fd);
	i64 err = 0;

	if (!file_allows(r.file, IO_READ))
		err = -EBADF;
	else if (!S_ISREG(r.file->inode->mode))
		err = -EINVAL;
	fd_return(r);
	return err;
}

i64 sys_sync_file_range(int fd, i64 offset, i64 len, u32 flags)
{
	struct fdref r;
	i64 err = 0;

	if (flags >= 8 || offset < 0 || len < 0 || offset + len < 0) /* SYNC_FILE_RANGE_* are three bits */
		return -EINVAL;
	r = fd_use(fd);
	if (!r.file)
		err = -EBADF;
	else if (!S_ISREG(r.file->inode->mode) && !S_ISDIR(r.file->inode->mode))
		err = -ESPIPE;
	fd_return(r);
	return err;
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
