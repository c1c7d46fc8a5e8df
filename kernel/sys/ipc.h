/* System V IPC: what shared memory, semaphores and message queues have in common: numbers, keys, rights.
 *
 * V1: all of it changes under ipc_lock. An object lives as long as it has a reference: one of its table's, and one of
 *     each thread that waits for it. */
#pragma once

#include "hal/cpu/spinlock.h"
#include "kernel/abi/ipc.h"
#include "sched/waitq.h"
#include "vm/uaccess.h"

#define IPC_MAX 1024U /* objects of a kind */

struct ipc_object {
	u32 refs;
	int id;
	bool removed;
	struct ipc64_perm perm;
	struct waitq wait; /* something has changed, or it has been removed */
};

struct ipc_table {
	struct ipc_object *objects[IPC_MAX];
	u32 count, sequence;
	void (*free)(struct ipc_object *o); /* does not sleep */
};

extern struct spinlock ipc_lock;

/* ipc_get: the object of KEY, or (IPC_CREAT, IPC_PRIVATE) NEW, whose reference the table then takes; if it is not
 * needed it is freed. CHECK: is the one that is there good enough? => its id; -ENOENT; -EEXIST; -EACCES; -ENOSPC */
int ipc_get(struct ipc_table *t, int key, int flags, struct ipc_object *new,
            int (*check)(const struct ipc_object *o, u64 arg), u64 arg);

/* ipc_init: of a new object. */
void ipc_init(struct ipc_object *o);

/* ipc_find: with ipc_lock held. WANT: S_IRUGO or S_IWUGO bits, 0: whoever asks. => 0; -EINVAL; -EACCES */
int ipc_find(struct ipc_table *t, int id, u32 want, struct ipc_object **ret);
struct ipc_object *ipc_at(struct ipc_table *t, u32 index); /* borrowed, or NULL; V1 */

/* ipc_owned: may the caller change or remove it? V1 => 0 or -EPERM */
int ipc_owned(const struct ipc_object *o);

/* ipc_set: IPC_SET's part of all kinds. V1 */
void ipc_set(struct ipc_object *o, const struct ipc64_perm *perm);

/* ipc_remove: no number leads to it any more; those who wait learn it. V1 */
void ipc_remove(struct ipc_table *t, struct ipc_object *o);
void ipc_put(struct ipc_table *t, struct ipc_object *o); /* V1 */

i64 ipc_seconds(void); /* now */

void shm_init(void);

/* sem_exit: undo what the ending process P wants undone. */
struct proc;
void sem_exit(struct proc *p);
