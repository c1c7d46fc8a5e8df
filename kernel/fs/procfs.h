/* /proc: the system and its processes as text. Names, inodes and texts are made when somebody looks.
 *
 * The tree is a table of entries: the root's in proc_system.c, a process's in proc_pid.c. No address of the
 * kernel appears in any file (V9). */
#pragma once

#include "kernel/fs/seq.h"
#include "kernel/fs/vfs.h"
#include "kernel/proc/proc.h"

struct aspace;

struct dentry *procfs_root(struct mount *m); /* => NULL: out of memory */

/* procfs_folder_pid: of which process F, which is open, is the folder /proc/PID. => borrowed, or NULL: it is none */
struct pid *procfs_folder_pid(const struct file *f);

struct proc_node;

enum proc_kind {
	PROC_DIR,
	PROC_FILE,
	PROC_TEXT_LINK, /* show writes the text when the name is looked up */
	PROC_JUMP,      /* jump finds the file */
};

/* One name of a directory. */
struct proc_entry {
	const char *name;
	enum proc_kind kind;
	u32 mode;                                              /* permission bits */
	int (*show)(struct seq *s, struct proc_node *n);       /* => 0 or an error (-ESRCH: it has ended) */
	int (*store)(const char *text, struct proc_node *n);   /* files that can be written; TEXT is a line */
	int (*jump)(struct proc_node *n, struct dentry **ret); /* fs_lock held; => a reference */
	const struct proc_dir *dir;
	u32 size; /* as stat shows it, bytes */
};

struct proc_dir {
	const struct proc_entry *entries; /* ends with a NULL name */
	/* names that are numbers, beside the entries; both may be NULL */
	const struct proc_entry *numbered; /* what such a name is */
	bool (*exists)(struct proc_node *dir, u32 nr);
	/* next: the lowest number >= FROM, or -1 */
	i32 (*next)(struct proc_node *dir, u32 from);
	/* adopt: fill in N, found by number NR in DIR, and its mode. => 0; -ENOENT */
	int (*adopt)(struct proc_node *dir, u32 nr, struct proc_node *n);
};

/* What an inode of procfs is: inode->private. */
struct proc_node {
	const struct proc_entry *entry; /* [I] */
	struct pid *pid;                /* [I] counted: the process or task, or NULL */
	bool task;                      /* [I] below task/: pid is that of a task */
	u32 fd;                         /* [I] of PID/fd/N */
	u32 mode;                       /* [I] permission bits: the entry's, or what adopt says */
	char text[40];                  /* [I] of a text link */
};

extern const struct proc_dir proc_root_dir, proc_pid_dir;

/* node_proc: the process of N with proc_lock held. => NULL: it has been waited for */
struct proc *node_proc(struct proc_node *n);
/* node_task: the task of N (its own below task/, else the leader), with proc_lock held. => NULL: ended */
struct task *node_task(struct proc_node *n);

/* node_aspace: the address space of N, if the running process may look into it; *RET NULL for a zombie.
 * => 0; -ESRCH; -EACCES */
int node_aspace(struct proc_node *n, struct aspace **ret);

/* proc_maps.c */
int maps_show(struct seq *s, struct proc_node *n);
int smaps_show(struct seq *s, struct proc_node *n);
int smaps_rollup_show(struct seq *s, struct proc_node *n);

int mounts_show(struct seq *s, struct proc_node *n);
int mountinfo_show(struct seq *s, struct proc_node *n);
