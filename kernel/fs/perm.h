/* Who may do what to a file. Threads of the kernel may do everything. */
#pragma once

#include "hal/base/types.h"
#include "kernel/fs/vfs.h"
#include "kernel/proc/proc.h"

struct fsctx;

/* perm_proc: the process on whose behalf the running thread acts, or NULL: the kernel's own. */
struct proc *perm_proc(void);
const struct creds *perm_creds(void); /* its credentials, or NULL: all rights */
struct fsctx *perm_fsctx(void);       /* its root and working directory, or NULL: the first root */

/* perm_check: as inode_permission, for any credentials (access(2) asks for the real ids'). */
int perm_check(const struct creds *cr, const struct inode *i, u32 mask);
/* perm_by_owner: the owner's bits alone suffice; most checks end here. */
static inline bool perm_by_owner(const struct creds *cr, const struct inode *i, u32 mask)
{
	return !cr || (cr->fsuid == i->uid && (i->mode >> 6 & mask) == mask);
}
bool perm_in_group(const struct creds *cr, u32 gid);
bool perm_capable(int cap);

/* perm_may_remove: may the running process take the name D out of its directory? => 0; -EACCES; -EPERM */
int perm_may_remove(struct dentry *d);
