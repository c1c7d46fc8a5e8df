/* Directory entries for getdents64. */
#include "hal/base/string.h"
#include "kernel/fs/file.h"
#include "kernel/fs/inode.h"
#include "kernel/fs/walk.h"

struct dir_sink {
	uaddr_t at; /* where the next record goes */
	u64 room;   /* bytes left */
	bool old;   /* in the form of getdents */
	int err;    /* why a record could not be put, or 0 */
};

static u8 dirent_type(u32 mode)
{
	return S_TYPE(mode) >> 12;
}

bool dir_emit(struct dir_sink *s, const char *name, size_t len, u64 ino, u32 mode, u64 next)
{
	union {
		struct linux_dirent64 d;
		char bytes[offsetof(struct linux_dirent64, d_name) + FS_NAME_MAX + 1 + 8];
	} rec;
	u64 head = s->old ? offsetof(struct linux_dirent64, d_type) : offsetof(struct linux_dirent64, d_name);
	u64 n = ALIGN_UP(head + len + 1 + s->old, 8UL);

	if (n > s->room) {
		s->err = -EINVAL;
		return false;
	}
	memset(rec.bytes + n - 8, 0, 8);
	rec.d.d_ino = ino;
	rec.d.d_off = next;
	rec.d.d_reclen = n;
	memcpy(rec.bytes + head, name, len);
	rec.bytes[head + len] = '\0';
	rec.bytes[s->old ? n - 1 : offsetof(struct linux_dirent64, d_type)] = dirent_type(mode);
	if ((s->err = copyout(s->at, &rec, n)) < 0)
		return false;
	s->at.va += n;
	s->room -= n;
	return true;
}

bool dir_emit_dots(struct file *f, struct dir_sink *s, u64 *pos)
{
	struct dentry *d = f->dentry, *up;
	u64 ino;

	if (*pos == 0) {
		if (!dir_emit(s, ".", 1, d->inode->ino, S_IFDIR, 1))
			return false;
		*pos = 1;
	}
	if (*pos == 1) {
		up = dentry_up(d, NULL);
		ino = up->inode->ino;
		dentry_put(up);
		if (!dir_emit(s, "..", 2, ino, S_IFDIR, 2))
			return false;
		*pos = 2;
	}
	return true;
}

i64 dir_read(struct file *f, uaddr_t buf, u64 size, bool old)
{
	struct dir_sink s = {buf, MIN(size, 1UL << 30), old, 0};
	int err;

	if (!f->ops->iterate)
		return -ENOTDIR;
	mutex_lock(&fs_lock);
	err = f->ops->iterate(f, &s, &f->pos);
	mutex_unlock(&fs_lock);
	if (err < 0)
		return err;
	if (s.at.va == buf.va && s.err)
		return s.err;
	return s.at.va - buf.va;
}
