/* Extended attributes (xattr(7)): no file system here keeps any. Programs that look for them find none, as on a Linux
 * file system without them. */
#include "kernel/fs/file.h"
#include "kernel/sys/path.h"
#include "vm/uaccess.h"

#include <linux/limits.h>
#include <linux/xattr.h>

/* name_check => 0; -ERANGE (empty, or too long), -EFAULT */
static int name_check(ustr_t user)
{
	char name[XATTR_NAME_MAX + 1];
	isize_t n = copyinstr(name, user, sizeof(name));

	if (n == -EFAULT)
		return -EFAULT;
	return n <= 0 ? -ERANGE : 0;
}

/* value_check => 0; -EINVAL, -E2BIG; -EFAULT: it is read, though nobody keeps it */
static int value_check(uaddr_t value, u64 size, int flags)
{
	char part[256];
	int err = 0;

	if (flags & ~(XATTR_CREATE | XATTR_REPLACE))
		return -EINVAL;
	if (size > XATTR_SIZE_MAX)
		return -E2BIG;
	for (u64 at = 0; at < size && !err; at += sizeof(part))
		err = copyin(part, UADDR(value.va + at), MIN(size - at, sizeof(part)));
	return err;
}

/* at_path, at_fd: ANSWER, if there is such a file. */
static i64 at_path(ustr_t path, u32 walk_flags, i64 answer)
{
	struct walk w;
	int err = upath_walk(&w, AT_FDCWD, path, walk_flags);

	if (err < 0)
		return err;
	walk_unlock(&w);
	return answer;
}

static i64 at_fd(int fd, i64 answer)
{
	struct fdref r = fd_use(fd);
	i64 ret = r.file ? answer : -EBADF;

	fd_return(r);
	return ret;
}

static i64 named_at_path(ustr_t path, u32 walk_flags, ustr_t name)
{
	int err = name_check(name);

	return at_path(path, walk_flags, err ? err : -EOPNOTSUPP);
}

static i64 named_at_fd(int fd, ustr_t name)
{
	int err = name_check(name);

	return at_fd(fd, err ? err : -EOPNOTSUPP);
}

i64 sys_setxattr(ustr_t path, ustr_t name, uaddr_t value, u64 size, int flags)
{
	int err = value_check(value, size, flags);

	return err ? err : named_at_path(path, WALK_FOLLOW, name);
}

i64 sys_lsetxattr(ustr_t path, ustr_t name, uaddr_t value, u64 size, int flags)
{
	int err = value_check(value, size, flags);

	return err ? err : named_at_path(path, 0, name);
}

i64 sys_fsetxattr(int fd, ustr_t name, uaddr_t value, u64 size, int flags)
{
	int err = value_check(value, size, flags);

	return err ? err : named_at_fd(fd, name);
}

i64 sys_getxattr(ustr_t path, ustr_t name, uaddr_t value, u64 size)
{
	return named_at_path(path, WALK_FOLLOW, name);
}

i64 sys_lgetxattr(ustr_t path, ustr_t name, uaddr_t value, u64 size)
{
	return named_at_path(path, 0, name);
}

i64 sys_fgetxattr(int fd, ustr_t name, uaddr_t value, u64 size)
{
	return named_at_fd(fd, name);
}

i64 sys_listxattr(ustr_t path, uaddr_t list, u64 size)
{
	return at_path(path, WALK_FOLLOW, 0);
}

i64 sys_llistxattr(ustr_t path, uaddr_t list, u64 size)
{
	return at_path(path, 0, 0);
}

i64 sys_flistxattr(int fd, uaddr_t list, u64 size)
{
	return at_fd(fd, 0);
}

i64 sys_removexattr(ustr_t path, ustr_t name)
{
	return named_at_path(path, WALK_FOLLOW, name);
}

i64 sys_lremovexattr(ustr_t path, ustr_t name)
{
	return named_at_path(path, 0, name);
}

i64 sys_fremovexattr(int fd, ustr_t name)
{
	return named_at_fd(fd, name);
}
