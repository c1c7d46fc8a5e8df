/* /proc: the tree. What is in the files: proc_system.c and proc_pid.c. */
#include "kernel/fs/procfs.h"
#include "hal/base/printf.h"
#include "hal/base/string.h"
#include "kernel/fs/file.h"
#include "kernel/fs/inode.h"
#include "vm/kmem.h"

static const struct inode_ops proc_dir_ops, proc_file_ops, proc_link_ops, proc_jump_ops;
static const struct file_ops proc_file_fops, proc_dir_fops;

/* --- nodes --- */

static struct proc_node *node_of(const struct inode *i)
{
	return i->private;
}

struct proc *node_proc(struct proc_node *n)
{
	if (!n->pid)
		return NULL;
	return n->pid->task ? n->pid->task->proc : n->pid->proc;
}

struct task *node_task(struct proc_node *n)
{
	struct proc *p = node_proc(n);

	if (n->task)
		return n->pid->task;
	return p && !list_empty(&p->tasks) ? p->leader : NULL;
}

struct pid *procfs_folder_pid(const struct file *f)
{
	const struct proc_node *n = f->inode->fops == &proc_dir_fops ? node_of(f->inode) : NULL;

	return n && n->entry->dir == &proc_pid_dir ? n->pid : NULL;
}

static struct proc_node *node_new(const struct proc_entry *e, const struct proc_node *dir)
{
	struct proc_node *n = kzalloc(sizeof(*n));

	if (!n)
		return NULL;
	n->entry = e;
	n->mode = e->mode;
	if (dir && dir->pid) {
		n->pid = dir->pid;
		n->task = dir->task;
		pid_get(n->pid);
	}
	return n;
}

static void node_free(struct proc_node *n)
{
	if (n->pid) {
		spin_lock(&proc_lock);
		pid_put(n->pid);
		spin_unlock(&proc_lock);
	}
	kfree(n);
}

static void proc_drop(struct inode *i)
{
	if (i->private)
		node_free(i->private);
}

static const struct inode_ops *ops_of(enum proc_kind kind)
{
	static const struct inode_ops *const ops[] = {
	        [PROC_DIR] = &proc_dir_ops,
	        [PROC_FILE] = &proc_file_ops,
	        [PROC_TEXT_LINK] = &proc_link_ops,
	        [PROC_JUMP] = &proc_jump_ops,
	};

	return ops[kind];
}

static u32 type_of(const struct proc_entry *e)
{
	static const u32 types[] = {
	        [PROC_DIR] = S_IFDIR,
	        [PROC_FILE] = S_IFREG,
	        [PROC_TEXT_LINK] = S_IFLNK,
	        [PROC_JUMP] = S_IFLNK,
	};

	return types[e->kind];
}

static const struct file_ops *fops_of(enum proc_kind kind)
{
	if (kind == PROC_DIR)
		return &proc_dir_fops;
	return kind == PROC_FILE ? &proc_file_fops : NULL;
}

/* node_ino: the same each time that the name is looked up. */
static u64 node_ino(const struct proc_node *n)
{
	u64 hash = name_of(n->entry->name).hash;

	return (u64)(n->pid ? n->pid->nr : 0) << 40 | (u64)n->fd << 33 | (u64)n->task << 32 | hash;
}

/* inode_set_process_owner: files of a process are its user's. */
static void inode_set_process_owner(struct inode *i)
{
	struct proc *p;

	spin_lock(&proc_lock);
	p = node_proc(node_of(i));
	if (p) {
		i->uid = p->creds.euid;
		i->gid = p->creds.egid;
	}
	spin_unlock(&proc_lock);
}

/* node_dentry: N (taken over) as a file under the name NAME in DIR. */
static int node_dentry(struct mount *m, struct dentry *dir, const struct name *name, struct proc_node *n,
                       struct dentry **ret)
{
	struct inode *i =
	        inode_new(m, type_of(n->entry) | n->mode, ops_of(n->entry->kind), fops_of(n->entry->kind));
	struct dentry *d;

	if (!i) {
		node_free(n);
		return -ENOMEM;
	}
	i->private = n;
	i->ino = node_ino(n);
	i->size = n->entry->size;
	if (S_ISDIR(i->mode))
		i->nlink = 2;
	if (n->pid)
		inode_set_process_owner(i);
	d = dentry_new(dir, name, i);
	inode_put(i);
	if (!d)
		return -ENOMEM;
	*ret = d;
	return 0;
}

struct dentry *procfs_root(struct mount *m)
{
	static const struct proc_entry root = {"", PROC_DIR, 0555, .dir = &proc_root_dir};
	struct proc_node *n = node_new(&root, NULL);
	struct name name = name_of("");
	struct dentry *d;

	return n && node_dentry(m, NULL, &name, n, &d) == 0 ? d : NULL;
}

/* --- looking up --- */

static const struct proc_entry *entry_find(const struct proc_dir *dir, const struct name *name)
{
	for (const struct proc_entry *e = dir->entries; e->name; e++)
		if (strlen(e->name) == name->len && !memcmp(e->name, name->s, name->len))
			return e;
	return NULL;
}

/* name_number: NAME is a number without needless zeroes. */
static bool name_number(const struct name *name, u32 *ret)
{
	u64 v = 0;

	if (!name->len || name->len > 9 || (name->s[0] == '0' && name->len > 1))
		return false;
	for (u32 i = 0; i < name->len; i++) {
		if (name->s[i] < '0' || name->s[i] > '9')
			return false;
		v = v * 10 + (name->s[i] - '0');
	}
	*ret = v;
	return true;
}

/* node_make_text: what a link says is fixed when it is looked up, for this process. */
static int node_make_text(struct proc_node *n)
{
	struct seq s;
	int err;

	seq_init(&s);
	err = n->entry->show(&s, n);
	if (!err && s.failed)
		err = -ENOMEM;
	if (!err)
		str_copy(n->text, s.buf, sizeof(n->text));
	seq_free(&s);
	return err;
}

static int proc_lookup(struct dentry *dir, const struct name *name, struct dentry **ret)
{
	struct proc_node *dn = node_of(dir->inode), *n;
	const struct proc_dir *pd = dn->entry->dir;
	const struct proc_entry *e = entry_find(pd, name);
	u32 nr = 0;
	int err = 0;

	if (!e && (!pd->numbered || !name_number(name, &nr)))
		return -ENOENT;
	if (!(n = node_new(e ? e : pd->numbered, dn)))
		return -ENOMEM;
	if (!e)
		err = pd->adopt(dn, nr, n);
	else if (e->kind == PROC_TEXT_LINK)
		err = node_make_text(n);
	if (err < 0) {
		node_free(n);
		return err;
	}
	return node_dentry(dir->inode->mount, dir, name, n, ret);
}

/* --- directories --- */

/* Positions: 0 and 1 are the dots, then the entries, then 256 + number. */
#define POS_ENTRIES 2U
#define POS_NUMBERS 256U

static bool entries_emit(const struct proc_node *dn, struct dir_sink *s, u64 *pos)
{
	const struct proc_entry *e = dn->entry->dir->entries;
	struct proc_node n = {.pid = dn->pid, .task = dn->task};
	u64 at = POS_ENTRIES;

	for (; e->name; e++, at++) {
		if (at < *pos)
			continue;
		n.entry = e;
		if (!dir_emit(s, e->name, strlen(e->name), node_ino(&n), type_of(e), at + 1))
			return false;
		*pos = at + 1;
	}
	return true;
}

static void numbers_emit(struct proc_node *dn, struct dir_sink *s, u64 *pos)
{
	const struct proc_dir *pd = dn->entry->dir;
	char name[12];
	i32 nr;

	for (*pos = MAX(*pos, POS_NUMBERS); (nr = pd->next(dn, *pos - POS_NUMBERS)) >= 0;
	     *pos = POS_NUMBERS + nr + 1) {
		int len = ksnprintf(name, sizeof(name), "%d", nr);

		if (!dir_emit(s, name, len, (u64)nr << 40 | 1, type_of(pd->numbered), POS_NUMBERS + nr + 1))
			return;
	}
}

static int proc_iterate(struct file *f, struct dir_sink *s, u64 *pos)
{
	struct proc_node *dn = node_of(f->inode);

	if (!dir_emit_dots(f, s, pos) || (*pos < POS_NUMBERS && !entries_emit(dn, s, pos)))
		return 0;
	if (dn->entry->dir->numbered)
		numbers_emit(dn, s, pos);
	return 0;
}

/* --- files --- */

static int text_make(struct file *f)
{
	struct proc_node *n = node_of(f->inode);
	struct seq *s = f->private;
	int err;

	seq_free(s);
	err = n->entry->show(s, n);
	if (!err && s->failed)
		err = -ENOMEM;
	if (err < 0)
		seq_free(s);
	return err;
}

static isize_t text_read(struct file *f, struct uio *u, u64 *pos)
{
	struct seq *s = f->private;
	int err = 0;
	isize_t r;

	if (!*pos || !s->buf)
		err = text_make(f);
	if (err < 0 || *pos >= s->len)
		return err;
	r = uio_out(u, s->buf + *pos, MIN(u->resid, s->len - *pos));
	if (r > 0)
		*pos += r;
	return r;
}

/* A read from the start makes the text anew, so that `lseek` to 0 is a fresh look. */
static isize_t proc_read(struct file *f, struct uio *u, u64 *pos)
{
	isize_t r;

	mutex_lock(&f->inode->lock);
	r = text_read(f, u, pos);
	mutex_unlock(&f->inode->lock);
	return r;
}

static isize_t proc_write(struct file *f, struct uio *u, u64 *pos)
{
	struct proc_node *n = node_of(f->inode);
	u64 size = u->resid;
	char text[128];
	isize_t r;
	int err;

	if (!n->entry->store)
		return -EIO;
	if (size >= sizeof(text))
		return -EINVAL;
	if ((r = uio_in(u, text, size)) < 0)
		return r;
	text[r] = '\0';
	if (r && text[r - 1] == '\n')
		text[r - 1] = '\0';
	err = n->entry->store(text, n);
	return err < 0 ? err : (isize_t)size;
}

static int proc_open(struct file *f)
{
	struct seq *s = kmalloc(sizeof(*s));

	if (!s)
		return -ENOMEM;
	seq_init(s);
	f->private = s;
	return 0;
}

static void proc_release(struct file *f)
{
	seq_free(f->private);
	kfree(f->private);
}

static i64 proc_seek(struct file *f, i64 off, int whence)
{
	return whence == SEEK_SET || whence == SEEK_CUR ? file_seek_data(f, off, whence) : -EINVAL;
}

/* --- links --- */

static const char *proc_text(struct inode *i)
{
	return node_of(i)->text;
}

static int proc_follow(struct dentry *d, struct dentry **ret)
{
	struct proc_node *n = node_of(d->inode);

	return n->entry->jump(n, ret);
}

static int proc_readlink(struct dentry *d, char *buf, size_t size)
{
	struct dentry *to;
	int err;

	mutex_lock(&fs_lock);
	err = proc_follow(d, &to);
	mutex_unlock(&fs_lock);
	if (err < 0)
		return err;
	err = dentry_path(to, buf, size);
	dentry_put(to);
	return err;
}

static const struct inode_ops proc_dir_ops = {.lookup = proc_lookup, .drop = proc_drop};
static const struct inode_ops proc_file_ops = {.drop = proc_drop};
static const struct inode_ops proc_link_ops = {.text = proc_text, .drop = proc_drop};
static const struct inode_ops proc_jump_ops = {
        .follow = proc_follow, .readlink = proc_readlink, .drop = proc_drop};

static const struct file_ops proc_file_fops = {
        .read = proc_read,
        .write = proc_write,
        .seek = proc_seek,
        .open = proc_open,
        .release = proc_release,
};

static const struct file_ops proc_dir_fops = {
        .iterate = proc_iterate,
        .seek = dir_seek,
};
