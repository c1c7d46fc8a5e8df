/* Shared memory (shmget(2)). A segment is a file in memory that its table holds, and each mapping of it: the number of
 * attaches is that of the file's other references. When it is removed the table lets go of the file, and the last
 * mapping's end takes it out of the table. */
#include "hal/base/printf.h"
#include "hal/base/string.h"
#include "kernel/fs/file.h"
#include "kernel/fs/memfd.h"
#include "kernel/fs/ramfs.h"
#include "kernel/proc/proc.h"
#include "kernel/sys/ipc.h"
#include "kernel/sys/syscall.h"
#include "vm/aspace.h"
#include "vm/kmem.h"

struct segment {
	struct ipc_object ipc;   /* first */
	struct file *file;       /* [I] counted, while it is not removed */
	u64 size;                /* [I] bytes, as asked for */
	i64 atime, dtime, ctime; /* [V1] s */
	pid_t creator, last;     /* [V1] */
};

static void segment_free(struct ipc_object *o);
static struct ipc_table segments = {.free = segment_free};

static bool removed(const struct segment *s)
{
	return s->ipc.perm.mode & SHM_DEST;
}

/* shm_release: the last mapping of a removed segment has gone, or one was never in the table. */
static void shm_release(struct file *f)
{
	struct segment *s = f->private;

	WITH_LOCK (&ipc_lock)
		if (removed(s))
			ipc_remove(&segments, &s->ipc);
}

static struct file_ops shm_fops; /* [I] after shm_init: those of a file in memory, and shm_release */

void shm_init(void)
{
	shm_fops = ramfs_file_fops;
	shm_fops.release = shm_release;
}

static void segment_free(struct ipc_object *o)
{
	struct segment *s = (struct segment *)o;

	if (!removed(s))
		file_put(s->file);
	kfree(s);
}

static int segment_new(int key, u64 size, struct segment **ret)
{
	struct segment *s = kzalloc(sizeof(*s));
	char name[32];
	int err;

	if (!s)
		return -ENOMEM;
	ksnprintf(name, sizeof(name), "/SYSV%08x (deleted)", key);
	err = memfd_open_sized(name, ALIGN_UP(size, PAGE_SIZE), &s->file);
	if (err < 0) {
		kfree(s);
		return err;
	}
	s->file->private = s;
	s->file->ops = &shm_fops;
	ipc_init(&s->ipc);
	s->size = size;
	s->ctime = ipc_seconds();
	s->creator = proc_current()->pid->nr;
	*ret = s;
	return 0;
}

static int large_enough(const struct ipc_object *o, u64 size)
{
	return size > ((const struct segment *)o)->size ? -EINVAL : 0;
}

i64 sys_shmget(int key, u64 size, int flags)
{
	struct segment *s;
	u64 make = size ? size : 1; /* a size is only asked of what is there */
	int err, id;

	if (size > FS_SIZE_MAX)
		return -EINVAL;
	if ((err = segment_new(key, make, &s)) < 0)
		return err;
	if (!size)
		flags &= key == IPC_PRIVATE ? ~0 : ~IPC_CREAT;
	if (!size && key == IPC_PRIVATE) {
		segment_free(&s->ipc);
		return -EINVAL;
	}
	id = ipc_get(&segments, key, flags, &s->ipc, large_enough, size);
	return id;
}

/* --- attaching --- */

/* segment_file => 0 and a reference; -EINVAL; -EACCES */
static int segment_file(int id, bool readonly, struct file **ret)
{
	struct ipc_object *o;
	int err;

	WITH_LOCK (&ipc_lock) {
		err = ipc_find(&segments, id, readonly ? 0444 : 0666, &o);
		if (!err && !ref_get_unless_zero(&((struct segment *)o)->file->refs))
			err = -EINVAL;
		if (!err)
			*ret = ((struct segment *)o)->file;
	}
	return err;
}

static void segment_touched(struct segment *s, bool attached)
{
	WITH_LOCK (&ipc_lock) {
		if (attached)
			s->atime = ipc_seconds();
		else
			s->dtime = ipc_seconds();
		s->last = proc_current()->pid->nr;
	}
}

static int attach(struct file *f, u64 addr, int flags, vaddr_t *ret)
{
	struct map_request req = {
	        .addr = addr,
	        .len = ALIGN_UP(((struct segment *)f->private)->size, PAGE_SIZE),
	        .prot = VM_READ | (flags & SHM_RDONLY ? 0 : VM_WRITE) | (flags & SHM_EXEC ? VM_EXEC : 0),
	        .max_prot = VM_READ | VM_EXEC | (flags & SHM_RDONLY ? 0 : VM_WRITE),
	        .flags = REGION_SHARED,
	        .fixed = addr,
	        .noreplace = !(flags & SHM_REMAP),
	        .object = f->inode->object,
	        .file = f,
	};
	int err = aspace_map(thread_current()->aspace, &req, ret);

	return err == -EEXIST ? -EINVAL : err;
}

i64 sys_shmat(int id, u64 addr, int flags)
{
	struct file *f;
	vaddr_t at;
	int err;

	if (flags & SHM_RND)
		addr = ALIGN_DOWN(addr, PAGE_SIZE);
	if ((addr & PAGE_MASK) || (!addr && (flags & SHM_REMAP)))
		return -EINVAL;
	if ((err = segment_file(id, flags & SHM_RDONLY, &f)) < 0)
		return err;
	err = attach(f, addr, flags, &at);
	if (!err)
		segment_touched(f->private, true);
	file_put(f);
	return err ? err : (i64)at;
}

/* What shmdt looks for: a mapping that begins with the first byte of a segment. */
struct place {
	u64 addr, size;
	struct file *file; /* NULL: none is there */
};

static bool place_look(const struct region *r, void *arg)
{
	struct place *p = arg;

	if (r->start < p->addr)
		return true;
	if (r->start == p->addr && r->file && r->file->ops == &shm_fops && !r->offset) {
		p->file = r->file;
		p->size = ((struct segment *)r->file->private)->size;
		file_get(p->file);
	}
	return false;
}

i64 sys_shmdt(u64 addr)
{
	struct aspace *as = thread_current()->aspace;
	struct place p = {.addr = addr};
	int err;

	if (addr & PAGE_MASK)
		return -EINVAL;
	aspace_for_each(as, place_look, &p);
	if (!p.file)
		return -EINVAL;
	err = aspace_unmap(as, addr, ALIGN_UP(p.size, PAGE_SIZE));
	if (!err)
		segment_touched(p.file->private, false);
	file_put(p.file);
	return err;
}

/* --- shmctl --- */

/* attaches: V1 */
static u64 attaches(const struct segment *s)
{
	return atomic_load(&s->file->refs) - !removed(s);
}

static void segment_stat(const struct segment *s, struct shmid64_ds *ret)
{
	*ret = (struct shmid64_ds){
	        .shm_perm = s->ipc.perm,
	        .shm_segsz = s->size,
	        .shm_atime = s->atime,
	        .shm_dtime = s->dtime,
	        .shm_ctime = s->ctime,
	        .shm_cpid = s->creator,
	        .shm_lpid = s->last,
	        .shm_nattch = attaches(s),
	};
}

static i64 shm_stat(int id, int cmd, uaddr_t user)
{
	struct shmid64_ds ds;
	struct ipc_object *o = NULL;
	i64 ret;

	WITH_LOCK (&ipc_lock) {
		if (cmd == SHM_STAT && (o = ipc_at(&segments, id)))
			id = o->id;
		else if (cmd == SHM_STAT)
			id = -1;
		ret = ipc_find(&segments, id, 0444, &o);
		if (ret)
			break;
		segment_stat((struct segment *)o, &ds);
		ret = cmd == SHM_STAT ? o->id : 0;
	}
	return ret >= 0 && copyout(user, &ds, sizeof(ds)) < 0 ? -EFAULT : ret;
}

static i64 shm_limits(uaddr_t user)
{
	struct shminfo64 i = {.shmmax = FS_SIZE_MAX,
	                      .shmmin = 1,
	                      .shmmni = IPC_MAX,
	                      .shmseg = IPC_MAX,
	                      .shmall = FS_SIZE_MAX >> PAGE_SHIFT};

	return copyout(user, &i, sizeof(i));
}

struct shm_totals { /* struct shm_info */
	int used;
	u64 total, resident, swapped, swap_attempts, swap_successes;
};

/* shm_totals => the highest index in use */
static i64 shm_info(uaddr_t user)
{
	struct shm_totals t = {0};
	i64 highest = 0;

	WITH_LOCK (&ipc_lock)
		for (u32 i = 0; i < IPC_MAX; i++) {
			const struct segment *s = (struct segment *)ipc_at(&segments, i);

			if (!s)
				continue;
			highest = i;
			t.used++;
			t.total += ALIGN_UP(s->size, PAGE_SIZE) >> PAGE_SHIFT;
			t.resident += read_once(s->file->inode->object->pages);
		}
	return copyout(user, &t, sizeof(t)) < 0 ? -EFAULT : highest;
}

/* shm_change: V1 => 0, and *RET_DROP is the table's file, to be put without the lock */
static i64 shm_change(struct segment *s, int cmd, const struct shmid64_ds *ds, struct file **ret_drop)
{
	i64 err = ipc_owned(&s->ipc);

	if (err)
		return err;
	if (cmd == IPC_SET) {
		ipc_set(&s->ipc, &ds->shm_perm);
		s->ctime = ipc_seconds();
	} else if (cmd == IPC_RMID && !removed(s)) {
		s->ipc.perm.mode |= SHM_DEST;
		s->ipc.perm.key = IPC_PRIVATE;
		*ret_drop = s->file;
	}
	return 0; /* all of it is always in memory: SHM_LOCK has nothing to do */
}

i64 sys_shmctl(int id, int cmd, uaddr_t user)
{
	struct shmid64_ds ds = {.shm_segsz = 0};
	struct file *drop = NULL;
	struct ipc_object *o;
	i64 err;

	cmd &= ~IPC_64;
	if (cmd == IPC_INFO)
		return shm_limits(user);
	if (cmd == SHM_INFO)
		return shm_info(user);
	if (cmd == IPC_STAT || cmd == SHM_STAT)
		return shm_stat(id, cmd, user);
	if (cmd != IPC_RMID && cmd != IPC_SET && cmd != SHM_LOCK && cmd != SHM_UNLOCK)
		return -EINVAL;
	if (cmd == IPC_SET && copyin(&ds, user, sizeof(ds)) < 0)
		return -EFAULT;
	WITH_LOCK (&ipc_lock) {
		err = ipc_find(&segments, id, 0, &o);
		if (!err)
			err = shm_change((struct segment *)o, cmd, &ds, &drop);
	}
	file_put(drop);
	return err;
}
