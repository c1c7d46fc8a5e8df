/* Files, names and mounts.
 *
 * A struct inode is one file: its type, owner, times and data. A struct dentry is one name of it; names form
 * the tree that paths walk. A struct file is one open file description (what dup and fork share). A struct
 * mount is one file system, hung onto a dentry of another.
 *
 * N1: a dentry that is linked (found by a lookup) holds a reference to itself; every dentry holds one to its
 *     parent and one to its inode.
 * N2: a directory has one dentry; its entries hang on its inode (struct dir).
 * N3: names, links and mounts change under fs_lock only. With it held, nothing linked goes away.
 * N4: an inode without references has no name, no open file and no mapping: its data go with it.
 * N5: file systems that make their names up (procfs) give unlinked dentries that live as long as they are
 *     referenced.
 * Locks: hal/base/lockrank.h; fs_lock, then file->pos_lock, then inode->lock. Letters below:
 *   I immutable   n fs_lock   i inode->lock   p pos_lock   a atomic */
#pragma once

#include "hal/base/types.h"
#include "hal/base/atomic.h"
#include "hal/base/tree.h"
#include "hal/base/list.h"
#include "sched/mutex.h"
#include "vm/object.h"
#include "vm/uaccess.h"
#include "kernel/abi/linux.h"

struct file;
struct inode;
struct dentry;
struct mount;
struct pipe;
struct poll_table;
struct epoll_item;
struct seq;
struct creds;
struct dir_sink;

#define FS_NAME_MAX 255
#define FS_PATH_MAX 4096        /* bytes, the terminator included */
#define FS_LINKS_MAX 40         /* symbolic links followed in one walk */
#define FS_SIZE_MAX (1UL << 46) /* of a regular file, bytes; what struct vmobject can index */

extern struct mutex fs_lock;

/* --- names ------------------------------------------------------------------------------------- */

struct name { /* one component of a path; not terminated */
	const char *s;
	u32 len, hash;
};

struct dentry {
	u32 refs;                   /* [a] */
	u32 hash;                   /* [n] of the name */
	u16 len;                    /* [n] of the name, bytes */
	bool linked;                /* [n] in its parent's trees */
	struct inode *inode;        /* [I] */
	struct dentry *parent;      /* [n] NULL: the root of a file system, or a file without a name */
	struct mount *mounted;      /* [n] what covers it, or NULL */
	struct tree_node name_node; /* [n] by (hash, name) */
	struct tree_node seq_node;  /* [n] by seq */
	u64 seq;                    /* [n] its cookie for getdents64 */
	char *name;                 /* [n] terminated; short_name, or of its own */
	char short_name[40];        /* [n] */
};

static inline void dentry_get(struct dentry *d)
{
	ref_get(&d->refs);
}

void dentry_free(struct dentry *d);
/* dentry_put: the last frees; does not sleep; NULL is fine. */
static inline void dentry_put(struct dentry *d)
{
	if (d && unlikely(ref_put(&d->refs)))
		dentry_free(d);
}

/* A directory's entries, newest first: a new one gets a smaller cookie than all others. */
struct dir {
	struct tree by_name, by_seq; /* [n] */
	u64 next_seq;                /* [n] counts downwards */
};

/* --- inodes ------------------------------------------------------------------------------------ */

struct inode {
	u32 refs;                       /* [a] */
	u32 mode;                       /* [n] S_IFMT is immutable */
	u32 uid, gid;                   /* [n] */
	u32 nlink;                      /* [n] */
	u32 rdev;                       /* [I] devices, as MAKEDEV */
	i32 writers;                    /* [a] files open for writing; negative: programs that run from it */
	bool linkable;                  /* [I] without a name, but may get one (O_TMPFILE) */
	u64 ino;                        /* [I] */
	struct mount *mount;            /* [I] */
	const struct inode_ops *ops;    /* [I] */
	const struct file_ops *fops;    /* [I] NULL: found when opened (fifos, devices by number) */
	i64 atime, mtime, ctime, btime; /* [a] ns since 1970 */
	struct mutex lock;              /* writers of data and size; a pipe */
	u64 size;                       /* [i], read with atomic_load: bytes */
	union {
		struct vmobject *object; /* [I] regular files in memory: data; may be mapped */
		struct dir dir;          /* [n] directories in memory */
		char *link;              /* [I] symbolic links in memory: the text */
		struct pipe *pipe;       /* [i] fifos and pipes: while open */
		struct unix_sock *sock;  /* [unix_lock] sockets: who is bound to it, or NULL */
	};
	void *private;     /* [I] the file system's */
	u32 seals;         /* [i] F_SEAL_* (kernel/fs/memfd.c) */
	u64 pages;         /* [i] of data in memory, as far as ramfs_pages has counted them */
	struct list locks; /* [locks_lock] flock, fcntl (kernel/fs/locks.c) */
};

#define SEALS_WRITE (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)
#define S_TYPE(mode) ((mode)&S_IFMT)

/* All with fs_lock held, all but lookup after the caller checked permissions and that the name is free (or is
 * that of D). A missing operation is -EPERM. Dentries given back are references. */
struct inode_ops {
	/* => 0; -ENOENT */
	int (*lookup)(struct dentry *dir, const struct name *n, struct dentry **ret);
	/* mknod: any type but a symbolic link; MODE with type bits, umask applied. */
	int (*mknod)(struct dentry *dir, const struct name *n, u32 mode, u32 rdev, struct dentry **ret);
	int (*symlink)(struct dentry *dir, const struct name *n, const char *target);
	int (*link)(struct dentry *dir, const struct name *n, struct inode *target);
	int (*unlink)(struct dentry *d); /* directories too: the caller checked that they are empty */
	/* rename: D becomes DIR/N; OVER, if not NULL, had that name and goes (or, with EXCHANGE, gets D's) */
	int (*rename)(struct dentry *d, struct dentry *dir, const struct name *n, struct dentry *over,
	              bool exchange);
	/* text: of a symbolic link; valid while the inode is referenced. */
	const char *(*text)(struct inode *i);
	/* For links that lead to a file rather than a text (/proc/PID/exe), instead of text: */
	int (*follow)(struct dentry *d, struct dentry **ret);
	int (*readlink)(struct dentry *d, char *buf, size_t size); /* => length, may be cut; no fs_lock */
	/* tmpfile: a regular file without a name */
	int (*tmpfile)(struct dentry *dir, u32 mode, struct dentry **ret);
	/* resize: truncate; inode->lock held, fs_lock not. => 0 or an error */
	int (*resize)(struct inode *i, u64 size);
	/* allocate: bytes [START, END), which lie within the object, have memory; CLEAR: or read as zeroes.
	 * inode->lock held. => 0; -ENOSPC; -ENOMEM; -EINTR */
	int (*allocate)(struct inode *i, u64 start, u64 end, bool clear);
	/* stat: fill in what is made up (sizes, times) before inode's fields are read. May be NULL. */
	void (*stat)(struct inode *i);
	/* drop: the last reference has gone; free what private holds. May not sleep. May be NULL. */
	void (*drop)(struct inode *i);
};

void inode_get(struct inode *i);
void inode_put(struct inode *i); /* the last frees; does not sleep */

/* inode_new: one reference; owner, mode and times as given: now, and uid 0. => NULL: out of memory */
struct inode *inode_new(struct mount *m, u32 mode, const struct inode_ops *ops, const struct file_ops *fops);

/* dentry_new: unlinked, one reference; takes references to DIR (may be NULL) and to INODE. => NULL */
struct dentry *dentry_new(struct dentry *dir, const struct name *n, struct inode *i);

/* inode_permission: may the running process (the kernel: always) do MASK (MAY_*)? => 0 or -EACCES */
enum {
	MAY_EXEC = 1,
	MAY_WRITE = 2,
	MAY_READ = 4
};
int inode_permission(struct inode *i, u32 mask);
/* inode_owned: the running process owns it, or is privileged. */
bool inode_owned(struct inode *i);

/* --- open files -------------------------------------------------------------------------------- */

struct file {
	u32 refs;                   /* [a] */
	u32 flags;                  /* [a] O_*, as F_GETFL shows them */
	const struct file_ops *ops; /* [I] after open */
	struct inode *inode;        /* [I] */
	struct dentry *dentry;      /* [I] NULL: a pipe */
	void *private;              /* [I] after open: the ops' own */
	u64 pos;                    /* [p] bytes, or a directory's cookie */
	struct mutex pos_lock;
	bool readable, writable;    /* [I] */
	bool flocked;               /* [a] holds, or held, a lock of flock or F_OFD_SETLK */
	bool executed;              /* [a] a program runs from it: nobody may open it for writing */
	struct epoll_item *watched; /* [watch_lock] the epolls that watch it, or NULL (kernel/fs/epoll.c) */
};

/* Operations may be missing: read and write are then -EINVAL, poll always ready, ioctl -ENOTTY, seek -ESPIPE.
 * read and write have been checked for readable and writable; POS points to file->pos, or to the offset of
 * pread and pwrite, and is to be advanced. They may sleep and copy to ring 3; no lock but pos_lock is held.
 * Blocking ones honour file->flags & O_NONBLOCK and return -ERESTARTSYS when interrupted. */
struct file_ops {
	isize_t (*read)(struct file *f, struct uio *u, u64 *pos);
	isize_t (*write)(struct file *f, struct uio *u, u64 *pos);
	/* poll: call poll_wait(PT, q) for each queue that will be woken at a change (kernel/fs/poll.h);
	 * => POLL* that hold now */
	u32 (*poll)(struct file *f, struct poll_table *pt);
	i64 (*ioctl)(struct file *f, u32 req, u64 arg);
	/* iterate: emit entries from *POS on by dir_emit, until it says no. fs_lock held. */
	int (*iterate)(struct file *f, struct dir_sink *s, u64 *pos);
	/* seek: pos_lock held. => the new offset. file_seek_data is that of plain files. */
	i64 (*seek)(struct file *f, i64 off, int whence);
	/* object: what mmap is to map; *RET stays NULL for private zeroes (/dev/zero). Missing: -ENODEV. */
	int (*object)(struct file *f, struct vmobject **ret);
	/* open: may change ops and private, may sleep; fs_lock not held. */
	int (*open)(struct file *f);
	/* held: bytes of the kernel's memory that the file keeps, besides itself: its part of them; any lock may be held. Missing: none */
	u64 (*held)(const struct file *f);
	/* closed: the running process has let go of one of its descriptors for it. */
	void (*closed)(struct file *f);
	/* release: the last reference has gone. */
	void (*release)(struct file *f);
	/* show: its own lines of /proc/PID/fdinfo/N. */
	void (*show)(struct file *f, struct seq *s);
	/* kind: what a file without a name is called: "anon_inode:[eventfd]". NULL: by its inode. */
	const char *kind;
};

/* dir_emit: one name for getdents64; NEXT is the position behind it. => false: no more room */
bool dir_emit(struct dir_sink *s, const char *name, size_t len, u64 ino, u32 mode, u64 next);

static inline void file_get(struct file *f)
{
	ref_get(&f->refs);
}
/* file_put: the last reference releases the file. Sleeps only if ops->release does, which is never so for a
 * file that can be mapped; no spinlock of rank RANK_FILE or above may be held. NULL is fine. */
void file_put(struct file *f);

/* file_new: an open file without a name: a pipe, later sockets and the like. Takes over the reference to I.
 * => NULL: out of memory (the reference stays the caller's) */
struct file *file_new(struct inode *i, const struct file_ops *ops, u32 flags, void *private);

/* file_open_new: an open file of D, a regular file in memory that nobody else knows yet.
 * => 0 and a reference; -ENOMEM */
int file_open_new(struct dentry *d, u32 flags, struct file **ret);

/* vfs_open_kernel: open PATH (kernel memory) as the running process would: relative to its working directory,
 * with its rights and umask. A thread of the kernel has all rights and starts at the root.
 * => 0 and a reference, or the errors of open(2) */
int vfs_open_kernel(const char *path, u32 flags, u32 mode, struct file **ret);
/* vfs_open_dentry: open D itself, a device or a directory, whatever its permissions. => 0 and a reference; -ENXIO;
 * -ENOMEM; what its ops say */
int vfs_open_dentry(struct dentry *d, u32 flags, struct file **ret);

/* file_read_kernel: N bytes at OFF into kernel memory. => bytes read, fewer only at the end of the file */
isize_t file_read_kernel(struct file *f, void *buf, size_t n, u64 off);

/* file_check_exec: may the running process execute it? From then on until F is released nobody can write to it.
 * => 0; -EACCES (not regular, or no permission); -ETXTBSY (open for writing) */
int file_check_exec(struct file *f);

/* file_object: what mmap(PROT_*, shared or private) maps; a borrowed pointer, NULL for private zeroes.
 * => 0; -EACCES (not opened for that); -ENODEV */
int file_object(struct file *f, u32 prot, bool shared, struct vmobject **ret);

/* file_path: its path from the caller's root, as /proc shows it (" (deleted)", "pipe:[7]").
 * => length; -ENAMETOOLONG */
isize_t file_path(struct file *f, char *buf, size_t size);
isize_t dentry_path(struct dentry *d, char *buf, size_t size);
/* dentry_path_from: from ROOT. fs_lock held. */
isize_t dentry_path_from(struct dentry *d, struct dentry *root, char *buf, size_t size);
/* file_kind: what stands for the path of a file without a name. => length, as of snprintf */
int file_kind(struct file *f, char *buf, size_t size);

i64 file_seek_data(struct file *f, i64 off, int whence);

/* --- mounts ------------------------------------------------------------------------------------ */

struct mount {
	struct list link;      /* [n] all mounts, in order */
	u32 id;                /* [I] */
	u32 dev;               /* [I] st_dev */
	const char *type;      /* [I] "rootfs", "proc" */
	char *source;          /* [I] its own */
	u32 flags;             /* [n], read with atomic_load: MS_NOSUID, MS_NODEV, MS_NOEXEC */
	u32 magic;             /* [I] statfs's f_type */
	u64 next_ino;          /* [a] */
	struct dentry *root;   /* [I] */
	struct dentry *covers; /* [n] where it is mounted; NULL: the first root */
};

extern struct list mount_list;    /* [n] */
extern struct mount *mount_first; /* [I] after vfs_init: the root file system */

/* --- start ------------------------------------------------------------------------------------- */

/* vfs_init: an empty root, /dev with its devices, /proc. After kmem_init. Panics when memory is too small. */
void vfs_init(void);

/* cpio_unpack: lay an archive ("newc", several one behind another) over the root. What is wrong is one line
 * in the log. => 0; -EINVAL (truncated, corrupt: what came before it stays); -ENOMEM, ... */
int cpio_unpack(const void *data, size_t size);

/* devfs_register: the character device RDEV (MAKEDEV) with OPS; PRIVATE becomes file->private before
 * ops->open. A node /dev/NAME of MODE (permission bits) is made unless NAME is NULL; folders in NAME are made
 * as needed. => 0; -ENOMEM; -EEXIST */
int devfs_register(const char *name, u32 mode, u32 rdev, const struct file_ops *ops, void *private);
/* devfs_unregister: remove both again (pseudo-terminals); open files stay. */
void devfs_unregister(const char *name, u32 rdev);
