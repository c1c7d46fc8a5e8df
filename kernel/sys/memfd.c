/* memfd_create(2). */
#include "kernel/fs/memfd.h"
#include "kernel/sys/path.h"

i64 sys_memfd_create(ustr_t name, u32 flags)
{
	char text[MEMFD_NAME_MAX + 1];
	struct file *f;
	i64 err;

	if (flags & ~(MFD_CLOEXEC | MFD_ALLOW_SEALING))
		return -EINVAL;
	err = copyinstr(text, name, sizeof(text));
	if (err < 0)
		return err == -ENAMETOOLONG ? -EINVAL : err;
	if ((err = memfd_open(text, flags, &f)) < 0)
		return err;
	return fd_install_new(f, flags & MFD_CLOEXEC);
}
