/* Descriptor tables. */
#include "kernel/fs/fdtable.h"
#include "hal/base/assert.h"
#include "hal/base/sabotage.h"
#include "hal/base/string.h"
#include "kernel/fs/locks.h"
#include "kernel/fs/unix.h"
#include "vm/kmem.h"

#define WORD_BITS 64U

/* --- storage --- */

/* A table's arrays, as one allocation: the slots, then the two bitmaps. */
struct fd_arrays {
	u32 size;
	struct file **files;
	u64 *open, *cloexec;
};

static int arrays_alloc(struct fd_arrays *a, u32 size)
{
	u64 words = size / WORD_BITS;
	void *p = kzalloc(size * sizeof(struct file *) + 2 * words * sizeof(u64));

	if (!p)
		return -ENOMEM;
	a->size = size;
	a->files = p;
	a->open = (u64 *)(a->files + size);
	a->cloexec = a->open + words;
	return 0;
}

static struct fd_arrays table_arrays(const struct fdtable *t)
{
	return (struct fd_arrays){t->size, t->files, t->open, t->cloexec};
}

static void table_set_arrays(struct fdtable *t, const struct fd_arrays *a)
{
	t->files = a->files;
	t->open = a->open;
	t->cloexec = a->cloexec;
	t->size = a->size;
}

static void arrays_free(struct fdtable *t, struct file **files)
{
	if (files != t->few)
		kfree(files);
}

/* arrays_copy: the first WORDS words and their slots. */
static void arrays_copy(struct fd_arrays *to, const struct fd_arrays *from, u32 words)
{
	memcpy(to->files, from->files, words * WORD_BITS * sizeof(struct file *));
	memcpy(to->open, from->open, words * sizeof(u64));
	memcpy(to->cloexec, from->cloexec, words * sizeof(u64));
}

static struct fdtable *table_new(void)
{
	struct fdtable *t = kzalloc(sizeof(*t));

	if (!t)
		return NULL;
	t->refs = 1;
	spin_init(&t->lock, "fdtable", RANK_FDTABLE);
	table_set_arrays(t, &(struct fd_arrays){FD_INLINE, t->few, &t->bits[0], &t->bits[1]});
	return t;
}

/* table_grow: room for number FD. Not with the lock held. => 0 or -ENOMEM */
static int table_grow(struct fdtable *t, u32 fd)
{
	struct fd_arrays new, old;
	u32 size = read_once(t->size);

	while (size <= fd)
		size *= 2;
	if (arrays_alloc(&new, size) < 0)
		return -ENOMEM;
	spin_lock(&t->lock);
	old = table_arrays(t);
	if (old.size >= size) { /* another task was faster */
		spin_unlock(&t->lock);
		kfree(new.files);
		return 0;
	}
	arrays_copy(&new, &old, old.size / WORD_BITS);
	table_set_arrays(t, &new);
	spin_unlock(&t->lock);
	arrays_free(t, old.files);
	return 0;
}

/* --- bits --- */

static bool bit_test(const u64 *map, u32 n)
{
	return map[n / WORD_BITS] & BIT(n % WORD_BITS);
}

static void bit_put(u64 *map, u32 n, bool on)
{
	if (on)
		map[n / WORD_BITS] |= BIT(n % WORD_BITS);
	else
		map[n / WORD_BITS] &= ~BIT(n % WORD_BITS);
}

/* bits_next_zero: the lowest clear bit >= MIN, or t->size. */
static u32 bits_next_zero(const struct fdtable *t, u32 min)
{
	u32 words = t->size / WORD_BITS, w = MAX(min / WORD_BITS, t->first);
	u64 busy;

	for (; w < words; w++) {
		busy = t->open[w];
		if (w == min / WORD_BITS)
			busy |= BIT(min % WORD_BITS) - 1;
		if (~busy)
			return w * WORD_BITS + __builtin_ctzl(~busy);
	}
	return MAX(t->size, min);
}

static u32 bits_next_one(const struct fdtable *t, u32 min)
{
	u32 words = t->size / WORD_BITS;

	for (u32 w = min / WORD_BITS; w < words; w++) {
		u64 set = t->open[w];

		if (w == min / WORD_BITS)
			set &= ~(BIT(min % WORD_BITS) - 1);
		if (set)
			return w * WORD_BITS + __builtin_ctzl(set);
	}
	return t->size;
}

static void number_take(struct fdtable *t, u32 fd, bool cloexec)
{
	bit_put(t->open, fd, true);
	bit_put(t->cloexec, fd, cloexec);
	while (t->first < t->size / WORD_BITS && !~t->open[t->first])
		t->first++;
}

static void number_release(struct fdtable *t, u32 fd)
{
	bit_put(t->open, fd, false);
	bit_put(t->cloexec, fd, false);
	t->first = MIN(t->first, fd / WORD_BITS);
}

/* --- tables --- */

int fdtable_create(struct fdtable **ret)
{
	struct fdtable *t = table_new();

	if (!t)
		return -ENOMEM;
	*ret = t;
	return 0;
}

void fdtable_get(struct fdtable *t)
{
	ref_get(&t->refs);
}

/* file_close: F is no longer at a number of T; a close by any number drops the process's record locks. */
static void file_close(struct fdtable *t, struct file *f)
{
	bool sock = unlikely(atomic_load(&unix_in_flight)) && file_is_unix(f);

	if (locks_any(f->inode))
		locks_release_process(f->inode, t);
	if (unlikely(f->ops->closed))
		f->ops->closed(f);
	file_put(f);
	if (sock) /* messages may be all that holds it now */
		unix_collect();
}

void fdtable_put(struct fdtable *t)
{
	if (!t || !ref_put(&t->refs))
		return;
	for (u32 fd = bits_next_one(t, 0); fd < t->size; fd = bits_next_one(t, fd + 1))
		if (t->files[fd] && (!sabotage(fd_leak) || fd != 3))
			file_close(t, t->files[fd]);
	arrays_free(t, t->files);
	kfree(t);
}

/* words_used: how many words of the bitmaps have a bit set, up to the last such. */
static u32 words_used(const struct fdtable *t)
{
	u32 w = t->size / WORD_BITS;

	while (w && !t->open[w - 1])
		w--;
	return w;
}

/* fork_copy: what FROM holds now. Numbers that are only reserved are free in the copy. */
static void fork_copy(struct fdtable *t, struct fdtable *from, u32 words)
{
	struct fd_arrays to = table_arrays(t), src = table_arrays(from);

	memcpy(to.open, src.open, words * sizeof(u64));
	memcpy(to.cloexec, src.cloexec, words * sizeof(u64));
	for (u32 fd = bits_next_one(t, 0); fd < t->size; fd = bits_next_one(t, fd + 1)) {
		struct file *f = src.files[fd];

		to.files[fd] = f;
		if (f)
			file_get(f);
		else
			number_release(t, fd);
	}
	t->first = MIN(t->first, from->first);
}

int fdtable_fork(struct fdtable *from, struct fdtable **ret)
{
	struct fdtable *t = table_new();
	u32 words;

	if (!t)
		return -ENOMEM;
	for (;;) {
		spin_lock(&from->lock);
		words = words_used(from);
		if (words * WORD_BITS <= t->size)
			break;
		spin_unlock(&from->lock);
		if (table_grow(t, words * WORD_BITS - 1) < 0) {
			fdtable_put(t);
			return -ENOMEM;
		}
	}
	fork_copy(t, from, words);
	spin_unlock(&from->lock);
	*ret = t;
	return 0;
}

struct file *fdtable_file(struct fdtable *t, u32 fd)
{
	struct file *f = NULL;

	spin_lock(&t->lock);
	if (fd < t->size && (f = t->files[fd]))
		file_get(f);
	spin_unlock(&t->lock);
	return f;
}

u32 fdtable_count(struct fdtable *t)
{
	u32 n = 0;

	spin_lock(&t->lock);
	for (u32 w = 0; w < t->size / WORD_BITS; w++)
		for (u64 bits = t->open[w]; bits; bits &= bits - 1)
			n++;
	spin_unlock(&t->lock);
	return n;
}

int fdtable_next(struct fdtable *t, u32 fd)
{
	int found = -1;

	spin_lock(&t->lock);
	for (; found < 0 && fd < t->size; fd++) {
		fd = bits_next_one(t, fd);
		if (fd < t->size && t->files[fd])
			found = fd;
	}
	spin_unlock(&t->lock);
	return found;
}

u64 fdtable_held(struct fdtable *t)
{
	u64 bytes = t->size * sizeof(struct file *);

	spin_lock(&t->lock);
	for (u32 fd = bits_next_one(t, 0); fd < t->size; fd = bits_next_one(t, fd + 1)) {
		const struct file *f = t->files[fd];

		if (f)
			bytes += sizeof(*f) + sizeof(struct inode) + (f->ops->held ? f->ops->held(f) : 0);
	}
	spin_unlock(&t->lock);
	return bytes;
}

/* --- numbers of the running process --- */

struct file *fd_get_counted(struct fdtable *t, int fd)
{
	return fdtable_file(t, fd);
}

struct file *fd_get(int fd)
{
	return fdtable_file(proc_current()->files, fd);
}

static u32 fd_limit(void)
{
	return MIN(proc_current()->limits[RLIMIT_NOFILE].rlim_cur, FD_MAX);
}

int fd_reserve(u32 min, bool cloexec)
{
	struct fdtable *t = proc_current()->files;
	u32 limit = fd_limit(), fd;

	if (min >= limit && min)
		return -EINVAL;
	for (;;) {
		spin_lock(&t->lock);
		fd = bits_next_zero(t, min);
		if (fd >= limit) {
			spin_unlock(&t->lock);
			return -EMFILE;
		}
		if (fd < t->size)
			break;
		spin_unlock(&t->lock);
		if (table_grow(t, fd) < 0)
			return -ENOMEM;
	}
	number_take(t, fd, cloexec);
	spin_unlock(&t->lock);
	return fd;
}

void fd_commit(int fd, struct file *f)
{
	struct fdtable *t = proc_current()->files;

	spin_lock(&t->lock);
	assert(!t->files[fd]); /* T1 */
	t->files[fd] = f;
	spin_unlock(&t->lock);
}

void fd_cancel(int fd)
{
	struct fdtable *t = proc_current()->files;

	spin_lock(&t->lock);
	number_release(t, fd);
	spin_unlock(&t->lock);
}

int fd_reserve_pair(int fds[2], bool cloexec)
{
	fds[0] = fd_reserve(0, cloexec);
	if (fds[0] < 0)
		return fds[0];
	fds[1] = fd_reserve(0, cloexec);
	if (fds[1] < 0) {
		fd_cancel(fds[0]);
		return fds[1];
	}
	return 0;
}

int fd_install(struct file *f, u32 min, bool cloexec)
{
	int fd = fd_reserve(min, cloexec);

	if (fd >= 0)
		fd_commit(fd, f);
	return fd;
}

int fd_install_new(struct file *f, bool cloexec)
{
	int fd = fd_install(f, 0, cloexec);

	if (fd < 0)
		file_put(f);
	return fd;
}

/* number_replace: FD becomes F. => 0, *RET_OLD what was there; -EBUSY */
static int number_replace(struct fdtable *t, u32 fd, struct file *f, bool cloexec, struct file **ret_old)
{
	struct file *old = t->files[fd];

	if (!old && bit_test(t->open, fd))
		return -EBUSY;
	t->files[fd] = f;
	number_take(t, fd, cloexec);
	*ret_old = old;
	return 0;
}

int fd_install_at(int fd, struct file *f, bool cloexec)
{
	struct fdtable *t = proc_current()->files;
	struct file *old = NULL;
	int err = 0;

	if ((u32)fd >= fd_limit())
		err = -EBADF;
	else if ((u32)fd >= read_once(t->size))
		err = table_grow(t, fd);
	if (!err) {
		spin_lock(&t->lock);
		err = number_replace(t, fd, f, cloexec, &old);
		spin_unlock(&t->lock);
	}
	if (err < 0)
		file_put(f);
	else if (old)
		file_close(t, old);
	return err < 0 ? err : fd;
}

/* number_close => what was there, or NULL */
static struct file *number_close(struct fdtable *t, u32 fd)
{
	struct file *f = fd < t->size ? t->files[fd] : NULL;

	if (!f)
		return NULL;
	t->files[fd] = NULL;
	number_release(t, fd);
	return f;
}

int fd_close(int fd)
{
	struct fdtable *t = proc_current()->files;
	struct file *f;

	spin_lock(&t->lock);
	f = number_close(t, fd);
	spin_unlock(&t->lock);
	if (!f)
		return -EBADF;
	file_close(t, f);
	return 0;
}

/* range_next_close => a file to close of those up to LAST; *FD goes behind it. NULL: none is left */
static struct file *range_next_close(struct fdtable *t, u32 *fd, u32 last)
{
	struct file *f = NULL;

	spin_lock(&t->lock);
	while (!f && *fd < t->size && *fd <= last) {
		*fd = bits_next_one(t, *fd);
		if (*fd < t->size && *fd <= last)
			f = number_close(t, *fd);
		(*fd)++;
	}
	spin_unlock(&t->lock);
	return f;
}

void fd_close_range(u32 first, u32 last)
{
	struct fdtable *t = proc_current()->files;
	struct file *f;

	while ((f = range_next_close(t, &first, last)))
		file_close(t, f);
}

void fd_mark_range(u32 first, u32 last)
{
	struct fdtable *t = proc_current()->files;

	spin_lock(&t->lock);
	for (u32 fd = first; fd < t->size && fd <= last; fd++)
		if (bit_test(t->open, fd))
			bit_put(t->cloexec, fd, true);
	spin_unlock(&t->lock);
}

int fd_unshare(void)
{
	struct proc *p = proc_current();
	struct fdtable *old = p->files, *new;
	int err = 0;

	if (atomic_load(&old->refs) == 1)
		return 0;
	if ((err = fdtable_fork(old, &new)) < 0)
		return err;
	WITH_LOCK (&proc_lock)
		p->files = new;
	fdtable_put(old);
	return 0;
}

/* word_close_exec => a file to close of word W, or NULL when none is left */
static struct file *word_close_exec(struct fdtable *t, u32 w)
{
	struct file *f = NULL;

	spin_lock(&t->lock);
	for (u64 marked = t->cloexec[w]; !f && marked; marked &= marked - 1)
		f = number_close(t, w * WORD_BITS + __builtin_ctzl(marked));
	spin_unlock(&t->lock);
	return f;
}

void fdtable_close_exec(struct fdtable *t)
{
	struct file *f;

	for (u32 w = 0; w < t->size / WORD_BITS; w++)
		while ((f = word_close_exec(t, w)))
			file_close(t, f);
}

int fd_get_cloexec(int fd)
{
	struct fdtable *t = proc_current()->files;
	int r = -EBADF;

	spin_lock(&t->lock);
	if ((u32)fd < t->size && t->files[fd])
		r = bit_test(t->cloexec, fd);
	spin_unlock(&t->lock);
	return r;
}

int fd_set_cloexec(int fd, bool on)
{
	struct fdtable *t = proc_current()->files;
	int r = -EBADF;

	spin_lock(&t->lock);
	if ((u32)fd < t->size && t->files[fd]) {
		bit_put(t->cloexec, fd, on);
		r = 0;
	}
	spin_unlock(&t->lock);
	return r;
}
