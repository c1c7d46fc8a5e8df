/* Open files: what kernel/sys and the file systems use beside vfs.h. */
#pragma once

#include "kernel/fs/vfs.h"

void file_init(void);

/* The bits of open(2)'s flags that stay with the file. */
#define FILE_OPEN_FLAGS ((u32)(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC))
/* Those that F_SETFL changes. */
#define FILE_SET_FLAGS ((u32)(O_APPEND | O_NONBLOCK | O_NOATIME | O_DIRECT | FASYNC))

/* vfs_open_at: openat(2) with a path in kernel memory. WALK_FLAGS: WALK_NO_LINKS, or 0. => 0 and a reference */
int vfs_open_at(int dirfd, const char *path, u32 flags, u32 mode, u32 walk_flags, struct file **ret);

/* file_write_limit: how many of *N bytes may be written at POS: RLIMIT_FSIZE (SIGXFSZ) and FS_SIZE_MAX.
 * => 0, *N at least 1; -EFBIG; -EINVAL (no such offset) */
int file_write_limit(u64 pos, u64 *n);

/* file_signal: SIGPIPE or SIGXFSZ for the running task, as if it had sent it to itself. */
void file_signal(int sig);

/* inode_resize: truncate a regular file. => 0; -EFBIG; -EINVAL; -EPERM */
int inode_resize(struct inode *i, u64 size);

/* dir_seek: the seek of directories. dir_emit_dots: "." and "..". => false: no more room */
i64 dir_seek(struct file *f, i64 off, int whence);
bool dir_emit_dots(struct file *f, struct dir_sink *s, u64 *pos);

/* dir_read: getdents64, or (OLD: the type is a record's last byte) getdents: entries from f->pos on to ring 3.
 * => bytes; -EINVAL (no room for one); -EFAULT;
 * -ENOTDIR; -ENOENT (removed) */
i64 dir_read(struct file *f, uaddr_t buf, u64 size, bool old);
