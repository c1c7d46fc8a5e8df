/* Permissions: owner, group, others, and the privileges that override them. */
#include "kernel/fs/perm.h"
#include "kernel/abi/capability.h"
#include "kernel/proc/proc.h"

struct proc *perm_proc(void)
{
	return thread_current()->tid ? proc_current() : NULL;
}

const struct creds *perm_creds(void)
{
	struct proc *p = perm_proc();

	return p ? &p->creds : NULL;
}

struct fsctx *perm_fsctx(void)
{
	struct proc *p = perm_proc();

	return p ? p->fs : NULL;
}

static bool creds_capable(const struct creds *cr, int cap)
{
	return cr->caps & BIT(cap);
}

bool perm_capable(int cap)
{
	const struct creds *cr = perm_creds();

	return !cr || creds_capable(cr, cap);
}

bool perm_in_group(const struct creds *cr, u32 gid)
{
	if (cr->fsgid == gid)
		return true;
	for (u32 i = 0; i < cr->ngroups; i++)
		if (cr->groups[i] == gid)
			return true;
	return false;
}

static bool creds_override(const struct creds *cr, const struct inode *i, u32 mask)
{
	bool dir = S_ISDIR(i->mode);

	if (creds_capable(cr, CAP_DAC_OVERRIDE))
		return dir || !(mask & MAY_EXEC) || (i->mode & 0111);
	if (creds_capable(cr, CAP_DAC_READ_SEARCH))
		return mask == MAY_READ || (dir && !(mask & MAY_WRITE));
	return false;
}

int perm_check(const struct creds *cr, const struct inode *i, u32 mask)
{
	u32 bits = i->mode;

	if (!cr)
		return 0;
	if (cr->fsuid == i->uid)
		bits >>= 6;
	else if (perm_in_group(cr, i->gid))
		bits >>= 3;
	if ((bits & mask) == mask || creds_override(cr, i, mask))
		return 0;
	return -EACCES;
}

int inode_permission(struct inode *i, u32 mask)
{
	return perm_check(perm_creds(), i, mask);
}

bool inode_owned(struct inode *i)
{
	const struct creds *cr = perm_creds();

	return !cr || cr->fsuid == i->uid || creds_capable(cr, CAP_FOWNER);
}

int perm_may_remove(struct dentry *d)
{
	struct inode *dir = d->parent->inode;
	int err = inode_permission(dir, MAY_WRITE | MAY_EXEC);
	const struct creds *cr = perm_creds();

	if (err < 0)
		return err;
	if ((dir->mode & S_ISVTX) && cr && cr->fsuid != d->inode->uid && cr->fsuid != dir->uid &&
	    !creds_capable(cr, CAP_FOWNER))
		return -EPERM;
	return 0;
}
