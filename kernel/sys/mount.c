/* mount and umount2, for what lies in memory or is made up. */
#include "kernel/fs/mount.h"
#include "kernel/fs/perm.h"
#include "hal/base/string.h"
#include "kernel/abi/capability.h"
#include "kernel/sys/path.h"
#include "vm/kmem.h"

#define KEPT_FLAGS (MS_NOSUID | MS_NODEV | MS_NOEXEC)
/* Of no effect: access times are kept as they are, and nothing is on a disk. */
#define HARMLESS_FLAGS                                                                                      \
	(MS_SYNCHRONOUS | MS_DIRSYNC | MS_MANDLOCK | MS_NOATIME | MS_NODIRATIME | MS_RELATIME | MS_SILENT | \
	 MS_STRICTATIME | MS_LAZYTIME | MS_I_VERSION)
#define PROPAGATION_FLAGS (MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE)

#define UMOUNT_KNOWN (1 | 2 | 4 | 8) /* MNT_FORCE, MNT_DETACH, MNT_EXPIRE, UMOUNT_NOFOLLOW: umount(2) */
#define UMOUNT_NOFOLLOW 8

static bool is_mount_root(const struct dentry *d)
{
	return d->inode->mount->root == d;
}

/* option_mode: "mode=1777" among the options of a tmpfs; others are passed over. */
static u32 option_mode(const char *data)
{
	u32 mode = 0;

	for (const char *s = data; *s; s++) {
		if ((s != data && s[-1] != ',') || strncmp(s, "mode=", 5))
			continue;
		for (s += 5; *s >= '0' && *s <= '7'; s++)
			mode = mode * 8 + (*s - '0');
		return mode & 07777;
	}
	return 01777;
}

/* mount_new_at: fs_lock held. */
static int mount_new_at(struct dentry *target, const char *source, const char *type, u32 flags, uaddr_t data)
{
	char options[256] = "";

	if (data.va && copyinstr(options, data, sizeof(options)) < 0)
		return -EINVAL;
	return mount_make(type, source, option_mode(options), flags & KEPT_FLAGS, target);
}

/* mount_change: what was mounted gets other flags; who sees it is always everybody. fs_lock held. */
static int mount_change(struct dentry *target, u64 flags)
{
	if (!is_mount_root(target))
		return -EINVAL;
	if (flags & MS_REMOUNT)
		atomic_store(&target->inode->mount->flags, flags & KEPT_FLAGS);
	return 0;
}

static int mount_at(struct dentry *target, const char *source, const char *type, u64 flags, uaddr_t data)
{
	if (flags & (MS_REMOUNT | PROPAGATION_FLAGS))
		return mount_change(target, flags);
	return mount_new_at(target, source, type, flags, data);
}

/* name_get: a word, or none for a NULL. */
static int name_get(char *buf, size_t size, ustr_t user)
{
	isize_t n;

	*buf = '\0';
	if (!user.va)
		return 0;
	n = copyinstr(buf, user, size);
	return n == -ENAMETOOLONG ? -EINVAL : n < 0 ? n : 0;
}

i64 sys_mount(ustr_t source, ustr_t target, ustr_t type, u64 flags, uaddr_t data)
{
	char source_name[128], type_name[32];
	struct walk w;
	int err;

	if ((flags & MS_MGC_MSK) == MS_MGC_VAL)
		flags &= ~(u64)MS_MGC_MSK;
	if ((err = name_get(source_name, sizeof(source_name), source)) < 0 ||
	    (err = name_get(type_name, sizeof(type_name), type)) < 0)
		return err;
	if ((err = upath_walk(&w, AT_FDCWD, target, WALK_FOLLOW)) < 0)
		return err;
	if (!perm_capable(CAP_SYS_ADMIN))
		err = -EPERM;
	else if (flags & ~(u64)(KEPT_FLAGS | HARMLESS_FLAGS | PROPAGATION_FLAGS | MS_REMOUNT | MS_REC))
		err = -EINVAL;
	else
		err = mount_at(w.target, *source_name ? source_name : "none", type_name, flags, data);
	walk_unlock(&w);
	return err;
}

/* A mount that is in use stays, whatever the flags say: it is not taken out of sight first. */
i64 sys_umount2(ustr_t target, int flags)
{
	struct mount *m = NULL;
	struct walk w;
	int err;

	if (flags & ~UMOUNT_KNOWN)
		return -EINVAL;
	if ((err = upath_walk(&w, AT_FDCWD, target, flags & UMOUNT_NOFOLLOW ? 0 : WALK_FOLLOW)) < 0)
		return err;
	if (!perm_capable(CAP_SYS_ADMIN))
		err = -EPERM;
	else if (!is_mount_root(w.target))
		err = -EINVAL;
	else
		m = w.target->inode->mount;
	walk_done(&w); /* which holds what may be going to go */
	if (m)
		err = mount_remove(m);
	mutex_unlock(&fs_lock);
	return err;
}
