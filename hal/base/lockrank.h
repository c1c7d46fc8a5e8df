/* The lock order, in one place (leaf). A lock may be taken only while every spinlock already held
 * by this CPU has a smaller rank; a debug build checks it at each acquisition (hal/cpu/spinlock.h).
 * Sleeping locks (sched/mutex.h) come before every spinlock: none may be taken with a spinlock
 * held.
 *
 * mutexes, in this order:
 *   fs_lock                 names, links, mounts (kernel/fs)
 *     file->pos_lock        one file description's offset
 *       inode->lock         one file's data and size; a pipe
 * spinlocks:
 *   RANK_PROC               the process tree: parents, groups, sessions, pids
 *     RANK_TTY              one terminal: line discipline, foreground group
 *       RANK_SIGNAL         one process's signal actions and pending signals
 *         RANK_FDTABLE      one descriptor table
 *           RANK_FILE       small per-file state
 *             RANK_ASPACE   one address space: regions and its tables
 *               RANK_OBJECT one memory object: its pages
 *                 RANK_TABLES page tables shared since a fork
 *                 RANK_FUTEX a futex bucket: two, in order of their addresses
 *                   RANK_WAITQ a wait queue
 *                     RANK_EPOLL an epoll's own queue: several, from the watched to the watcher
 *                     RANK_TIMER this CPU's timers
 *                       RANK_RUNQ this CPU's run queue
 *                         RANK_KMEM kernel heap caches
 *                           RANK_KVA the dynamic area's addresses
 *                             RANK_FRAME the free frames
 *                               RANK_INPUT a terminal's bytes on their way in from an interrupt
 *                                 RANK_DEVICE a device's registers (serial port, ...)
 *                                   RANK_RANDOM the generator
 *                                     RANK_LOG the log
 *                                       RANK_CONSOLE what the log writes to
 */
#pragma once

enum lock_rank {
	RANK_NONE,
	RANK_PROC,
	RANK_TTY,
	RANK_SIGNAL,
	RANK_FDTABLE,
	RANK_FILE,
	RANK_ASPACE,
	RANK_OBJECT,
	RANK_TABLES,
	RANK_FUTEX,
	RANK_WAITQ,
	RANK_EPOLL,
	RANK_TIMER,
	RANK_RUNQ,
	RANK_KMEM,
	RANK_KVA,
	RANK_KVA_TABLES,
	RANK_FRAME,
	RANK_INPUT,
	RANK_DEVICE,
	RANK_RANDOM,
	RANK_LOG,
	RANK_CONSOLE,
};
