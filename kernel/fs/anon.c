/* Files without a name that are no more than their operations. */
#include "kernel/fs/anon.h"
#include "hal/base/assert.h"
#include "kernel/abi/magic.h"
#include "kernel/fs/inode.h"
#include "kernel/fs/mount.h"

static struct inode *anon_inode;

void anon_init(void)
{
	static const struct inode_ops ops = {0};
	struct mount *m = mount_new("anon_inodefs", "none", ANON_INODE_FS_MAGIC);

	anon_inode = m ? inode_new(m, 0600, &ops, NULL) : NULL;
	if (!anon_inode)
		panic("out of memory for files without names");
}

int anon_file(const struct file_ops *ops, u32 flags, void *private, struct file **ret)
{
	struct file *f = file_new(anon_inode, ops, flags, private);

	if (!f)
		return -ENOMEM;
	inode_get(anon_inode);
	*ret = f;
	return 0;
}
