/* splice, tee, vmsplice: bytes between pipes and files without a way through ring 3. */
#include "kernel/fs/pipe.h"
#include "kernel/sys/iov.h"
#include "kernel/sys/path.h"
#include "vm/kmem.h"

#define SPLICE_F_NONBLOCK 2U
#define SPLICE_F_ALL 0xfU
#define SPLICE_PIECE (16 * KIB) /* of a file, in one step */

/* One side that is no pipe. */
struct end {
	struct file *file;
	u64 *pos;
};

static isize_t end_sink(void *arg, const void *data, size_t n)
{
	struct end *e = arg;
	struct uio u;

	uio_kernel(&u, (void *)data, n);
	return e->file->ops->write(e->file, &u, e->pos);
}

/* fill: at most N bytes of E into the pipe TO, no more than it has room for: what was read must go in. */
static isize_t fill(struct end *e, struct file *to, u64 n, bool nonblock)
{
	i64 room = pipe_wait_writable(to, nonblock);
	struct uio u;
	isize_t r;
	void *buf;

	if (room < 0)
		return room;
	n = MIN(MIN(n, (u64)room), SPLICE_PIECE);
	if (!(buf = kmalloc(n)))
		return -ENOMEM;
	uio_kernel(&u, buf, n);
	r = e->file->ops->read(e->file, &u, e->pos);
	if (r > 0) {
		uio_kernel(&u, buf, r);
		r = pipe_send(to, &u, false);
	}
	kfree(buf);
	return r;
}

static isize_t fill_loop(struct end *e, struct file *to, u64 n, bool nonblock)
{
	u64 done = 0;
	isize_t r;

	do {
		r = fill(e, to, n - done, nonblock || done);
		done += r > 0 ? r : 0;
	} while (r > 0 && done < n && S_ISREG(e->file->inode->mode));
	return done ? (isize_t)done : r;
}

/* end_check: can the file that is no pipe take part, at an offset of its own? */
static int end_check(const struct file *f, bool writes, bool at)
{
	if (S_ISDIR(f->inode->mode) || (writes ? !f->ops->write : !f->ops->read))
		return -EINVAL;
	if (!S_ISREG(f->inode->mode) && !S_ISCHR(f->inode->mode) && !S_ISSOCK(f->inode->mode))
		return -EINVAL;
	if (writes && (f->flags & O_APPEND))
		return -EINVAL;
	return at && !f->ops->seek ? -EINVAL : 0;
}

/* splice_end: between the pipe P and F, at *POS, or at F's own offset. */
static isize_t splice_end(struct file *p, struct file *f, u64 *pos, bool to_pipe, u64 len, bool nonblock)
{
	struct end e = {f, pos};
	bool locked = !pos && f->ops->seek;
	isize_t r;

	if (locked)
		mutex_lock(&f->pos_lock);
	if (!pos)
		e.pos = &f->pos;
	r = to_pipe ? fill_loop(&e, p, len, nonblock) : pipe_drain(p, len, nonblock, end_sink, &e);
	if (locked)
		mutex_unlock(&f->pos_lock);
	return r;
}

/* splice_at: as splice_end, with the offset that USER points to, if it does. */
static i64 splice_at(struct file *p, struct file *f, uaddr_t user, bool to_pipe, u64 len, bool nonblock)
{
	u64 pos;
	i64 n = end_check(f, !to_pipe, user.va);

	if (n < 0)
		return n;
	if (user.va && copyin(&pos, user, sizeof(pos)) < 0)
		return -EFAULT;
	if (user.va && (i64)pos < 0)
		return -EINVAL;
	n = splice_end(p, f, user.va ? &pos : NULL, to_pipe, len, nonblock);
	if (n > 0 && user.va && copyout(user, &pos, sizeof(pos)) < 0)
		return -EFAULT;
	return n;
}

static i64 splice_files(struct file *in, uaddr_t in_off, struct file *out, uaddr_t out_off, u64 len,
                        bool nonblock)
{
	bool from_pipe, to_pipe;

	if (!in || !out || !in->readable || !out->writable)
		return -EBADF;
	from_pipe = file_is_pipe_end(in);
	to_pipe = file_is_pipe_end(out);
	if ((from_pipe && in_off.va) || (to_pipe && out_off.va))
		return -ESPIPE;
	if (from_pipe && to_pipe)
		return pipe_transfer(in, out, len, nonblock || ((in->flags | out->flags) & O_NONBLOCK),
		                     false);
	if (from_pipe)
		return splice_at(in, out, out_off, false, len, nonblock || (in->flags & O_NONBLOCK));
	if (to_pipe)
		return splice_at(out, in, in_off, true, len, nonblock || (out->flags & O_NONBLOCK));
	return -EINVAL;
}

i64 sys_splice(int in_fd, uaddr_t in_off, int out_fd, uaddr_t out_off, u64 len, u32 flags)
{
	struct fdref in, out;
	i64 n;

	if (!len)
		return 0;
	if (flags & ~SPLICE_F_ALL)
		return -EINVAL;
	in = fd_use(in_fd);
	out = fd_use(out_fd);
	n = splice_files(in.file, in_off, out.file, out_off, MIN(len, IO_MAX), flags & SPLICE_F_NONBLOCK);
	fd_return(out);
	fd_return(in);
	return n;
}

static i64 tee_files(struct file *in, struct file *out, u64 len, bool nonblock)
{
	if (!in || !out || !in->readable || !out->writable)
		return -EBADF;
	if (!file_is_pipe_end(in) || !file_is_pipe_end(out))
		return -EINVAL;
	return pipe_transfer(in, out, len, nonblock || ((in->flags | out->flags) & O_NONBLOCK), true);
}

i64 sys_tee(int in_fd, int out_fd, u64 len, u32 flags)
{
	struct fdref in, out;
	i64 n;

	if (flags & ~SPLICE_F_ALL)
		return -EINVAL;
	if (!len)
		return 0;
	in = fd_use(in_fd);
	out = fd_use(out_fd);
	n = tee_files(in.file, out.file, MIN(len, IO_MAX), flags & SPLICE_F_NONBLOCK);
	fd_return(out);
	fd_return(in);
	return n;
}

/* vmsplice_file: the bytes are copied: what the caller does to its buffer later, no reader sees (vmsplice(2) leaves
 * that open). */
static i64 vmsplice_file(struct file *f, struct uio *u, bool nonblock)
{
	if (!f || !file_is_pipe_end(f))
		return -EBADF;
	if (!u->resid)
		return 0;
	return f->writable ? pipe_send(f, u, nonblock) : pipe_receive(f, u, nonblock);
}

i64 sys_vmsplice(int fd, uaddr_t iov, u64 iovcnt, u32 flags)
{
	struct uio_seg few[IOV_FEW], *segs;
	struct fdref r;
	struct uio u;
	i64 n;

	if (flags & ~SPLICE_F_ALL)
		return -EINVAL;
	if ((n = iov_get(&u, iov, iovcnt, few)) < 0)
		return n;
	segs = u.segs;
	r = fd_use(fd);
	n = vmsplice_file(r.file, &u, flags & SPLICE_F_NONBLOCK);
	fd_return(r);
	iov_put(segs, few);
	return n;
}
