/* System V IPC: numbers, keys, rights. */
#include "kernel/sys/ipc.h"
#include "kernel/abi/capability.h"
#include "kernel/fs/perm.h"
#include "kernel/proc/proc.h"

#define SEQUENCE_MAX 32768U

struct spinlock ipc_lock = SPINLOCK_INIT("ipc", RANK_FILE);

i64 ipc_seconds(void)
{
	return clock_real() / NS_PER_SEC;
}

void ipc_init(struct ipc_object *o)
{
	const struct creds *cr = &proc_current()->creds;

	o->refs = 1;
	waitq_init(&o->wait);
	o->perm.uid = o->perm.cuid = cr->euid;
	o->perm.gid = o->perm.cgid = cr->egid;
}

/* permitted: the bits of MODE, each three times over, as of a file. */
static bool permitted(const struct ipc64_perm *p, u32 mode)
{
	const struct creds *cr = &proc_current()->creds;
	u32 want = (mode >> 6 | mode >> 3 | mode) & 7, granted = p->mode;

	if (cr->euid == p->cuid || cr->euid == p->uid)
		granted >>= 6;
	else if (perm_in_group(cr, p->cgid) || perm_in_group(cr, p->gid))
		granted >>= 3;
	return !(want & ~granted) || capable(CAP_IPC_OWNER);
}

int ipc_owned(const struct ipc_object *o)
{
	u32 euid = proc_current()->creds.euid;

	return euid == o->perm.cuid || euid == o->perm.uid || capable(CAP_SYS_ADMIN) ? 0 : -EPERM;
}

void ipc_set(struct ipc_object *o, const struct ipc64_perm *perm)
{
	o->perm.uid = perm->uid;
	o->perm.gid = perm->gid;
	o->perm.mode = (o->perm.mode & ~0777U) | (perm->mode & 0777);
}

static struct ipc_object *find_key(struct ipc_table *t, int key)
{
	for (u32 i = 0; i < IPC_MAX; i++)
		if (t->objects[i] && t->objects[i]->perm.key == key)
			return t->objects[i];
	return NULL;
}

/* insert => its id; -ENOSPC */
static int insert(struct ipc_table *t, struct ipc_object *o, int key, u32 mode)
{
	u32 i = 0;

	while (i < IPC_MAX && t->objects[i])
		i++;
	if (i == IPC_MAX)
		return -ENOSPC;
	o->perm.key = key;
	o->perm.mode = mode & 0777;
	o->perm.seq = t->sequence;
	o->id = t->sequence * IPC_MAX + i;
	t->sequence = (t->sequence + 1) % SEQUENCE_MAX;
	t->objects[i] = o;
	t->count++;
	return o->id;
}

/* get_locked: *USED: NEW is the table's now. */
static int get_locked(struct ipc_table *t, int key, int flags, struct ipc_object *new,
                      int (*check)(const struct ipc_object *o, u64 arg), u64 arg, bool *used)
{
	struct ipc_object *o = key == IPC_PRIVATE ? NULL : find_key(t, key);
	int id;

	if (!o && key != IPC_PRIVATE && !(flags & IPC_CREAT))
		return -ENOENT;
	if (!o) {
		id = insert(t, new, key, flags);
		*used = id >= 0;
		return id;
	}
	if ((flags & (IPC_CREAT | IPC_EXCL)) == (IPC_CREAT | IPC_EXCL))
		return -EEXIST;
	if (!permitted(&o->perm, flags & 0777))
		return -EACCES;
	id = check(o, arg);
	return id < 0 ? id : o->id;
}

int ipc_get(struct ipc_table *t, int key, int flags, struct ipc_object *new,
            int (*check)(const struct ipc_object *o, u64 arg), u64 arg)
{
	bool used = false;
	int id;

	spin_lock(&ipc_lock);
	id = get_locked(t, key, flags, new, check, arg, &used);
	spin_unlock(&ipc_lock);
	if (!used)
		t->free(new);
	return id;
}

struct ipc_object *ipc_at(struct ipc_table *t, u32 index)
{
	return index < IPC_MAX ? t->objects[index] : NULL;
}

int ipc_find(struct ipc_table *t, int id, u32 want, struct ipc_object **ret)
{
	struct ipc_object *o = id < 0 ? NULL : ipc_at(t, id % IPC_MAX);

	spin_assert_held(&ipc_lock);
	if (!o || o->id != id)
		return -EINVAL;
	if (!permitted(&o->perm, want))
		return -EACCES;
	*ret = o;
	return 0;
}

void ipc_put(struct ipc_table *t, struct ipc_object *o)
{
	if (!--o->refs)
		t->free(o);
}

void ipc_remove(struct ipc_table *t, struct ipc_object *o)
{
	t->objects[o->id % IPC_MAX] = NULL;
	t->count--;
	o->removed = true;
	waitq_wake_all(&o->wait);
	ipc_put(t, o);
}
