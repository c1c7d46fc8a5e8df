/* exec, in two parts: exec_prepare makes a whole new address space and may fail at any point without a trace;
 * exec_commit moves the process into it and cannot fail.
 *
 * The new stack, from the top (System V ABI x86-64, 3.4.1):
 *   file name, environment strings, argument strings, platform and random bytes,
 *   auxiliary vector, environment pointers, argument pointers, argc      <- RSP, aligned to 16 */
#include "kernel/proc/exec.h"
#include "hal/base/log.h"
#include "hal/base/sabotage.h"
#include "hal/base/string.h"
#include "hal/cpu/cpu.h"
#include "hal/cpu/fpu.h"
#include "hal/cpu/random.h"
#include "kernel/abi/capability.h"
#include "kernel/fs/fdtable.h"
#include "kernel/fs/vfs.h"
#include "kernel/proc/elf.h"
#include "kernel/proc/futex.h"
#include "kernel/proc/posix_timer.h"
#include "kernel/proc/ptrace.h"
#include "kernel/proc/vdso.h"
#include "vm/aspace.h"
#include "vm/kmem.h"
#include "vm/uaccess.h"

#define STACK_BITS 30 /* V4: random bits of the stack's and the mmap area's place, in pages */
#define MMAP_BITS 30
#define IMAGE_BITS 28
#define BRK_BITS 13
#define SP_BITS 9 /* in units of 16 bytes */
#define IMAGE_BASE 0x555555554000UL
#define STACK_INITIAL (128 * KIB)
#define STACK_GAP_MIN (128 * MIB)
#define STRING_MAX (32 * PAGE_SIZE) /* one argument, as Linux's MAX_ARG_STRLEN */
#define SCRIPT_DEPTH 4
#define START_SIZE 256 /* of a script's first line, or an ELF header */

struct exec {
	struct aspace *as;
	struct file *file;    /* what is executed: the program, or a script's interpreter */
	u8 start[START_SIZE]; /* how that file begins; zero behind its end */
	struct file *interp;  /* PT_INTERP's file, or NULL */
	char *path;           /* kernel memory: what the file was called */
	char name[16];
	u64 sp;         /* where the next string goes below */
	u64 sp_limit;   /* how far strings may go down */
	u64 filename;   /* address of the name, AT_EXECFN */
	u64 args_start; /* the lowest argument string */
	u64 envs_start;
	u64 envs_end;
	u32 argc, envc;
	u64 random; /* addresses of AT_RANDOM's bytes and AT_PLATFORM */
	u64 platform;
	struct elf_image *image, *loader; /* NULL: none */
	u64 image_base, loader_base;      /* added to the addresses in the images */
	u64 entry;
	u64 vdso;           /* AT_SYSINFO_EHDR */
	struct creds creds; /* what the new program runs with */
};

/* --- strings --- */

/* strings_get: the INDEXth string. => 1 and its address; 0: the end; -EFAULT */
static int strings_get(const struct exec_strings *s, u32 index, u64 *ret)
{
	if (s->kernel)
		*ret = (u64)s->array[index];
	else if (!s->user.va)
		*ret = 0;
	else if (copyin(ret, UADDR(s->user.va + index * 8UL), 8) < 0)
		return -EFAULT;
	return *ret != 0;
}

static int strings_count(const struct exec_strings *s, u32 *ret)
{
	u64 p;
	u32 n = 0;
	int more;

	while ((more = strings_get(s, n, &p)) > 0)
		if (++n > 0x7fff00 / 8)
			return -E2BIG;
	*ret = n;
	return more;
}

/* push_bytes: N bytes below what is there already. => 0, -E2BIG, -ENOMEM */
static int push_bytes(struct exec *x, const void *s, size_t n)
{
	if (n > x->sp - x->sp_limit)
		return -E2BIG;
	x->sp -= n;
	return aspace_write(x->as, x->sp, s, n) < 0 ? -ENOMEM : 0;
}

static int push_kernel(struct exec *x, const char *s)
{
	return push_bytes(x, s, strlen(s) + 1);
}

/* user_length: of a string of ring 3, terminator included. BUF is a page. => -EFAULT, -E2BIG */
static isize_t user_length(uaddr_t s, char *buf)
{
	for (size_t n = 0; n < STRING_MAX; n += PAGE_SIZE) {
		isize_t len = copyinstr(buf, UADDR(s.va + n), PAGE_SIZE);

		if (len >= 0)
			return (isize_t)n + len + 1;
		if (len != -ENAMETOOLONG)
			return len;
	}
	return -E2BIG;
}

static int push_user(struct exec *x, uaddr_t s, char *buf)
{
	isize_t len = user_length(s, buf);
	size_t done = 0;

	if (len < 0)
		return (int)len;
	if ((size_t)len > x->sp - x->sp_limit)
		return -E2BIG;
	x->sp -= (size_t)len;
	while (done < (size_t)len) {
		size_t part = MIN((size_t)len - done, PAGE_SIZE);

		if (copyin(buf, UADDR(s.va + done), part) < 0)
			return -EFAULT;
		if (done + part == (size_t)len)
			buf[part - 1] = 0; /* whatever another thread made of it meanwhile */
		if (aspace_write(x->as, x->sp + done, buf, part) < 0)
			return -ENOMEM;
		done += part;
	}
	return 0;
}

/* push_strings: the last one first, so that they lie in order. */
static int push_strings(struct exec *x, const struct exec_strings *s, u32 n, char *buf)
{
	int err = 0;

	while (n-- > 0 && !err) {
		u64 p;

		err = strings_get(s, n, &p);
		if (err <= 0)
			return err < 0 ? err : -EFAULT;
		err = s->kernel ? push_kernel(x, (const char *)p) : push_user(x, UADDR(p), buf);
	}
	return err;
}

static int push_all(struct exec *x, const struct exec_strings *argv, const struct exec_strings *envp)
{
	char *buf = kmalloc(PAGE_SIZE);
	int err = buf ? strings_count(argv, &x->argc) : -ENOMEM;

	if (!err)
		err = strings_count(envp, &x->envc);
	if (!err)
		err = push_kernel(x, x->path);
	x->filename = x->envs_end = x->sp;
	if (!err)
		err = push_strings(x, envp, x->envc, buf);
	x->envs_start = x->sp;
	if (!err)
		err = push_strings(x, argv, x->argc, buf);
	if (!err && x->argc == 0) { /* as Linux since 5.18: an empty first argument */
		err = push_kernel(x, "");
		x->argc = 1;
	}
	x->args_start = x->sp;
	kfree(buf);
	return err;
}

/* --- the stack's place --- */

/* place_random: a page-aligned offset of BITS random bits, unless the process, or the boot, wants none (V4). */
static u64 place_random(u32 bits)
{
	return proc_current()->personality & ADDR_NO_RANDOMIZE ? 0 : aspace_random(bits);
}

static int make_stack(struct exec *x)
{
	struct aspace *as = x->as;
	struct proc *p = proc_current();
	u64 limit = MIN(MAX(p->limits[RLIMIT_STACK].rlim_cur, STACK_INITIAL), 1UL << 40);
	vaddr_t addr;

	as->stack_top = USER_MAX - place_random(STACK_BITS);
	as->mmap_base = USER_MAX - (1UL << 43) - place_random(MMAP_BITS);
	struct map_request req = {
	        .addr = as->stack_top - STACK_INITIAL,
	        .len = STACK_INITIAL,
	        .prot = VM_READ | VM_WRITE,
	        .max_prot = VM_READ | VM_WRITE | VM_EXEC,
	        .flags = REGION_STACK,
	        .fixed = true,
	};
	int err = aspace_map(as, &req, &addr);
	x->sp = as->stack_top - 8;
	x->sp_limit = as->stack_top - MIN(limit / 4, 6 * MIB);
	return err;
}

static bool find_stack(const struct region *r, void *arg)
{
	if (r->flags & REGION_STACK)
		*(vaddr_t *)arg = r->start;
	return true;
}

/* open_stack: code may run there (PT_GNU_STACK), where that is allowed at all. */
static int open_stack(struct exec *x)
{
	vaddr_t start = 0;

	aspace_for_each(x->as, find_stack, &start);
	return aspace_protect(x->as, start, x->as->stack_top - start, VM_READ | VM_WRITE | VM_EXEC);
}

/* --- segments --- */

/* clear_tail: what lies behind the file's part of a writable segment's last page is zero (E2). */
static int clear_tail(struct exec *x, const struct elf_segment *s, u64 base)
{
	static const char zeroes[PAGE_SIZE];
	u64 end = base + s->vaddr + s->filesz;

	if (sabotage(bss_tail) || s->memsz == s->filesz || !(end & PAGE_MASK) || !(s->prot & VM_WRITE))
		return 0;
	return aspace_write(x->as, end, zeroes, PAGE_SIZE - (end & PAGE_MASK)) < 0 ? -ENOMEM : 0;
}

static int map_segment(struct exec *x, struct file *f, const struct elf_segment *s, u64 base)
{
	vaddr_t start = ALIGN_DOWN(base + s->vaddr, PAGE_SIZE), addr;
	vaddr_t file_end = s->filesz ? ALIGN_UP(base + s->vaddr + s->filesz, PAGE_SIZE) : start;
	vaddr_t end = ALIGN_UP(base + s->vaddr + s->memsz, PAGE_SIZE);
	struct map_request req = {
	        .addr = start,
	        .len = file_end - start,
	        .prot = s->prot,
	        .max_prot = VM_READ | VM_WRITE | VM_EXEC,
	        .fixed = true,
	        .object = f->inode->object,
	        .offset = s->offset - (s->vaddr & PAGE_MASK),
	        .file = f,
	};
	int err = req.len ? aspace_map(x->as, &req, &addr) : 0;

	if (!err && end > file_end) {
		req = (struct map_request){
		        .addr = file_end,
		        .len = end - file_end,
		        .prot = s->prot,
		        .max_prot = VM_READ | VM_WRITE | VM_EXEC,
		        .fixed = true,
		};
		err = aspace_map(x->as, &req, &addr);
	}
	return err ? err : clear_tail(x, s, base);
}

static int map_image(struct exec *x, struct file *f, const struct elf_image *img, u64 base)
{
	int err = 0;

	for (u32 i = 0; i < img->count && !err; i++)
		err = map_segment(x, f, &img->segments[i], base);
	return err;
}

/* --- reading and checking a file --- */

/* elf_read: START is how F begins. => 0 and the image, the caller's to free */
static int elf_read(struct file *f, const u8 *start, const char *what, struct elf_image **ret)
{
	const Elf64_Ehdr *head = (const Elf64_Ehdr *)start;
	u64 size = atomic_load(&f->inode->size);
	const char *why = "cannot be read";
	struct elf_image *img = NULL;
	Elf64_Phdr *phdrs = NULL;
	int err = elf_check_header(head, size, &why);

	if (!err) {
		isize_t n = head->e_phnum * (isize_t)sizeof(Elf64_Phdr);

		phdrs = kmalloc((size_t)n);
		img = kmalloc(sizeof(*img) + head->e_phnum * sizeof(img->segments[0]));
		err = phdrs && img ? 0 : -ENOMEM;
		if (!err && file_read_kernel(f, phdrs, (size_t)n, head->e_phoff) != n)
			err = -ENOEXEC;
		if (!err)
			err = elf_check_segments(head, phdrs, size, aspace_allow_wx, img, &why);
		kfree(phdrs);
	}
	if (err) {
		klog(LOG_INFO, "exec: %s: %s", what, why);
		kfree(img);
		return err;
	}
	*ret = img;
	return 0;
}

/* open_exec: => 0, the file, and how it begins in START */
static int open_exec(const char *path, struct file **ret, u8 start[START_SIZE])
{
	struct file *f;
	int err = vfs_open_kernel(path, O_RDONLY, 0, &f);

	if (err)
		return err;
	err = file_check_exec(f);
	if (!err) {
		isize_t n = file_read_kernel(f, start, START_SIZE, 0);

		if (n < 0)
			err = (int)n;
		else if (n < START_SIZE)
			memset(start + n, 0, START_SIZE - (size_t)n);
	}
	if (err)
		file_put(f);
	else
		*ret = f;
	return err;
}

/* load_interp: PT_INTERP names the loader, a program like any other, which is mapped beside. */
static int load_interp(struct exec *x)
{
	u64 size = x->image->interp_size;
	char *path = kzalloc(size + 1);
	u8 start[START_SIZE];
	int err = path ? 0 : -ENOMEM;

	if (!err && file_read_kernel(x->file, path, size, x->image->interp_offset) != (isize_t)size)
		err = -ENOEXEC;
	if (!err && path[size - 1] != 0)
		err = -ENOEXEC;
	if (!err)
		err = open_exec(path, &x->interp, start);
	if (!err)
		err = elf_read(x->interp, start, path, &x->loader);
	if (!err && x->loader->interp_size)
		err = -ELIBBAD;
	kfree(path);
	return err;
}

static u64 image_place(const struct elf_image *img)
{
	return img->dynamic ? IMAGE_BASE + place_random(IMAGE_BITS) - img->low : 0;
}

static int load_images(struct exec *x)
{
	int err = elf_read(x->file, x->start, x->path, &x->image);

	if (!err && x->image->interp_size)
		err = load_interp(x);
	if (!err && x->image->exec_stack)
		err = open_stack(x);
	if (err)
		return err;
	x->image_base = image_place(x->image);
	err = map_image(x, x->file, x->image, x->image_base);
	x->entry = x->image_base + x->image->entry;
	if (err || !x->interp)
		return err;
	if (x->loader->dynamic) {
		/* Somewhere in the mmap area: a request without an address finds the place. */
		struct map_request req = {.len = x->loader->high - x->loader->low, .max_prot = VM_READ};
		vaddr_t at;

		err = aspace_map(x->as, &req, &at);
		if (err)
			return err;
		x->loader_base = at - x->loader->low;
	}
	x->entry = x->loader_base + x->loader->entry;
	return map_image(x, x->interp, x->loader, x->loader_base);
}

static void place_brk(struct exec *x)
{
	struct aspace *as = x->as;

	as->brk_start = as->brk = x->image_base + x->image->high + place_random(BRK_BITS);
	as->code_start = x->image_base + x->image->low;
	as->code_end = x->image_base + x->image->high;
}

/* --- rights --- */

/* What the file's mode grants (execve(2)): its owner's or group's rights. */
static void find_rights(struct exec *x)
{
	const struct proc *p = proc_current();
	const struct inode *i = x->file->inode;
	bool traced = task_current()->pid->tracee; /* who traces it would get them, too */
	bool nosuid = atomic_load(&i->mount->flags) & MS_NOSUID;
	u32 mode = p->no_new_privs || traced || nosuid ? 0 : i->mode;
	struct creds *c = &x->creds;

	*c = p->creds;
	if (mode & S_ISUID)
		c->euid = i->uid;
	if ((mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
		c->egid = i->gid;
	c->suid = c->fsuid = c->euid;
	c->sgid = c->fsgid = c->egid;
	c->caps = c->caps_permitted = c->euid == 0 ? CAP_ALL : 0;
}

/* --- the vectors --- */

#define AUX_MAX 24

static u64 phdr_base(const struct exec *x)
{
	return sabotage(phdr_place) ? 0 : x->image_base;
}

static u32 aux_fill(const struct exec *x, u64 (*aux)[2])
{
	const struct creds *c = &x->creds;
	u32 n = 0;
#define AUX(type, value) (aux[n][0] = (type), aux[n][1] = (value), n++)
	AUX(AT_SYSINFO_EHDR, x->vdso);
	AUX(AT_HWCAP, cpu_features.hwcap);
	AUX(AT_PAGESZ, PAGE_SIZE);
	AUX(AT_CLKTCK, 100);
	AUX(AT_PHDR, x->image->phdr ? phdr_base(x) + x->image->phdr : 0);
	AUX(AT_PHENT, sizeof(Elf64_Phdr));
	AUX(AT_PHNUM, x->image->phnum);
	AUX(AT_BASE, x->loader_base);
	AUX(AT_FLAGS, 0);
	AUX(AT_ENTRY, x->image_base + x->image->entry);
	AUX(AT_UID, c->uid);
	AUX(AT_EUID, c->euid);
	AUX(AT_GID, c->gid);
	AUX(AT_EGID, c->egid);
	AUX(AT_SECURE, c->uid != c->euid || c->gid != c->egid);
	AUX(AT_RANDOM, x->random);
	AUX(AT_HWCAP2, 0);
	AUX(AT_EXECFN, x->filename);
	AUX(AT_PLATFORM, x->platform);
	AUX(AT_MINSIGSTKSZ, fpu_size() + 1024);
	AUX(AT_NULL, 0);
#undef AUX
	return n;
}

/* Words gathered on their way to the new stack. */
struct words {
	struct aspace *as;
	u64 at; /* where the first of them goes */
	u32 count;
	u64 buf[64];
};

static int words_flush(struct words *w)
{
	int err = aspace_write(w->as, w->at, w->buf, w->count * 8UL);

	w->at += w->count * 8UL;
	w->count = 0;
	return err;
}

static int words_put(struct words *w, u64 word)
{
	w->buf[w->count++] = word;
	return w->count < ARRAY_SIZE(w->buf) ? 0 : words_flush(w);
}

/* put_pointers: the addresses of the N strings in [at, end), and a null. */
static int put_pointers(struct words *w, u64 at, u64 end, u32 n)
{
	u64 string = at;
	char part[256];
	int err = 0;

	while (n && !err) {
		size_t size = MIN(sizeof(part), end - at);
		char *s = part, *zero;

		err = aspace_read(w->as, at, part, size);
		while (n && !err && (zero = memchr(s, 0, (size_t)(part + size - s)))) {
			err = words_put(w, string);
			s = zero + 1;
			string = at + (u64)(s - part);
			n--;
		}
		at += size;
	}
	return err ? err : words_put(w, 0);
}

static int push_vectors(struct exec *x)
{
	struct {
		u64 random[2];
		char platform[8];
	} bytes = {.platform = "x86_64"};
	u64 aux[AUX_MAX][2];
	struct words w;

	random_bytes(bytes.random, sizeof(bytes.random));
	x->sp = ALIGN_DOWN(x->sp - (place_random(SP_BITS) >> (PAGE_SHIFT - 4)), 16UL);
	int err = push_bytes(x, &bytes, sizeof(bytes));
	x->random = x->sp;
	x->platform = x->sp + offsetof(__typeof__(bytes), platform);
	u32 n = aux_fill(x, aux);
	u64 words = 1 + x->argc + 1 + x->envc + 1 + 2UL * n;
	u64 sp = ALIGN_DOWN(x->sp - words * 8, 16UL);
	if (err || sp < x->sp_limit)
		return err ? err : -E2BIG;
	w.as = x->as;
	w.at = sp;
	w.count = 0;
	err = words_put(&w, x->argc);
	if (!err)
		err = put_pointers(&w, x->args_start, x->envs_start, x->argc);
	if (!err)
		err = put_pointers(&w, x->envs_start, x->envs_end, x->envc);
	if (!err)
		err = words_flush(&w);
	if (!err)
		err = aspace_write(x->as, w.at, aux, n * sizeof(aux[0]));
	x->as->aux_start = w.at;
	x->as->aux_end = w.at + n * sizeof(aux[0]);
	x->sp = sp;
	x->as->arg_start = x->args_start;
	x->as->arg_end = x->as->env_start = x->envs_start;
	x->as->env_end = x->envs_end;
	return err < 0 ? -ENOMEM : 0;
}

/* --- scripts --- */

/* script_parse: LINE is "#! interpreter [argument]", ended. => 0 or -ENOEXEC; *RET_ARG NULL: none */
static int script_parse(char *line, char **ret_interp, char **ret_arg)
{
	char *s = line + 2, *end = strchr(line, '\n');

	if (end)
		*end = 0;
	end = s + strlen(s);
	while (end > s && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = 0;
	while (*s == ' ' || *s == '\t')
		s++;
	if (!*s)
		return -ENOEXEC;
	*ret_interp = s;
	while (*s && *s != ' ' && *s != '\t')
		s++;
	*ret_arg = NULL;
	if (*s) {
		*s++ = 0;
		while (*s == ' ' || *s == '\t')
			s++;
		*ret_arg = s;
	}
	return 0;
}

/* drop_argument: the first argument goes; a script's name takes its place. */
static int drop_argument(struct exec *x)
{
	char c = 1;

	while (c) {
		if (aspace_read(x->as, x->sp, &c, 1) < 0)
			return -EFAULT;
		x->sp++;
	}
	x->argc--;
	return 0;
}

/* load_script: the file is a script: its interpreter is what runs. */
static int load_script(struct exec *x)
{
	char line[START_SIZE], *interp, *arg;
	memcpy(line, x->start, START_SIZE);
	line[START_SIZE - 1] = 0;
	int err = script_parse(line, &interp, &arg);

	if (!err)
		err = drop_argument(x);
	if (!err)
		err = push_kernel(x, x->path);
	if (!err && arg)
		err = push_kernel(x, arg);
	if (!err)
		err = push_kernel(x, interp);
	if (err)
		return err;
	x->argc += arg ? 3 : 2;
	x->args_start = x->sp;
	char *path = kstrdup(interp);
	struct file *f;
	err = path ? open_exec(path, &f, x->start) : -ENOMEM;
	if (err) {
		kfree(path);
		return err;
	}
	kfree(x->path);
	file_put(x->file);
	x->path = path;
	x->file = f;
	return 0;
}

static int resolve_scripts(struct exec *x)
{
	for (int depth = 0; x->start[0] == '#' && x->start[1] == '!'; depth++) {
		int err = depth == SCRIPT_DEPTH ? -ELOOP : load_script(x);

		if (err)
			return err;
	}
	return 0;
}

/* --- the two parts --- */

static void name_from(char *name, size_t size, const char *path)
{
	const char *slash = strrchr(path, '/');

	str_copy(name, slash ? slash + 1 : path, size);
}

static void exec_release(struct exec *x)
{
	if (x->as)
		aspace_put(x->as);
	file_put(x->file);
	file_put(x->interp);
	kfree(x->image);
	kfree(x->loader);
	kfree(x->path);
	kfree(x);
}

static int exec_prepare(struct exec *x, const char *path, struct exec_strings argv, struct exec_strings envp)
{
	x->path = kstrdup(path);
	name_from(x->name, sizeof(x->name), path);
	int err = x->path ? open_exec(path, &x->file, x->start) : -ENOMEM;
	if (!err)
		err = aspace_create(&x->as);
	if (!err)
		err = make_stack(x);
	if (!err)
		err = push_all(x, &argv, &envp);
	if (!err)
		err = resolve_scripts(x);
	if (!err)
		err = load_images(x);
	if (!err)
		err = vdso_map(x->as, proc_current()->personality & ADDR_NO_RANDOMIZE, &x->vdso);
	if (err)
		return err;
	place_brk(x);
	find_rights(x);
	return push_vectors(x);
}

/* leave_others: all other tasks of the process end first. => 0; -EINTR: another one's exec or end came first */
static int leave_others(struct proc *p)
{
	struct task *me = task_current();
	bool on = signal_lock(p->sighand), first = !p->group_exit && !p->exec_task;

	if (first && p->task_count > 1) {
		p->exec_task = me;
		signal_end_tasks(p, me);
	}
	signal_unlock(p->sighand, on);
	if (!first)
		return -EINTR;
	wait_event(&p->stop_wait, WAIT_UNINTERRUPTIBLE, CLOCK_NEVER, read_once(p->task_count) == 1);
	on = signal_lock(p->sighand);
	p->exec_task = NULL;
	signal_unlock(p->sighand, on);
	return 0;
}

/* own_sighand: handlers shared with others (CLONE_SIGHAND) become the process's own. => 0 or -ENOMEM */
static int own_sighand(struct proc *p)
{
	struct sighand *old = p->sighand, *new;

	if (atomic_load(&old->refs) == 1)
		return 0;
	new = sighand_copy(old);
	if (!new)
		return -ENOMEM;
	bool armed = timer_cancel(&p->real_timer); /* it sends from interrupts, under the old one's lock */
	WITH_LOCK (&proc_lock) {
		bool on = signal_lock(old);

		p->sighand = new;
		signal_unlock(old, on);
	}
	if (armed)
		timer_set(&p->real_timer, p->real_timer.deadline);
	sighand_put(old);
	return 0;
}

/* own_shared: with the other tasks gone, who may be in the middle of using what is replaced. They do not come back: as
 * on Linux, to fail now is the end of the process. */
static int own_shared(struct proc *p)
{
	int err = own_sighand(p);

	if (!err)
		err = fd_unshare();
	if (err)
		signal_fault(SIGKILL, SI_KERNEL, 0);
	return err;
}

/* The executing task takes over the number of its process (execve(2), "Effect on process attributes"). */
static void become_leader(struct proc *p, struct task *t)
{
	WITH_LOCK (&proc_lock) {
		p->leader = t;
		if (t->pid == p->pid)
			break;
		ptrace_renumber(t, p->pid);
		t->pid->task = NULL;
		pid_put(t->pid);
		pid_get(p->pid);
		t->pid = p->pid;
		t->pid->task = t;
		t->thread.tid = t->pid->nr;
	}
}

static void reset_signals(struct proc *p, struct task *t)
{
	sighand_reset(p->sighand);
	t->altstack = (stack_t){.ss_flags = SS_DISABLE};
	t->set_child_tid = UADDR(0);
}

static void reset_registers(struct exec *x, struct task *t)
{
	struct trapframe *tf = task_frame(t);

	if (!sabotage(entry_registers))
		memset(tf, 0, sizeof(*tf));
	tf->rip = x->entry;
	tf->rsp = x->sp;
	tf->cs = SEL_USER_CS;
	tf->ss = SEL_USER_DS;
	tf->rflags = RFLAGS_IF | RFLAGS_FIXED | (sabotage(io_privilege) ? RFLAGS_IOPL : 0);
	tf->orig_rax = ~0UL;
	preempt_disable();
	t->thread.fs_base = t->thread.gs_base = 0;
	t->thread.selectors = (struct cpu_selectors){0};
	irq_disable();
	cpu_load_selectors(&t->thread.selectors);
	cpu_set_user_bases(0, 0);
	irq_enable();
	fpu_init_area(t->thread.fpu);
	fpu_restore(t->thread.fpu);
	preempt_enable();
}

/* A new program on either side knows nothing of the signal that clone was given (clone(2)).
 * => proc_lock held */
static void reset_exit_signals(struct proc *p)
{
	struct proc *c;

	p->exit_signal = SIGCHLD;
	list_for_each (c, &p->children, sibling)
		c->exit_signal = SIGCHLD;
}

static void exec_commit(struct exec *x)
{
	struct task *t = task_current();
	struct proc *p = t->proc;
	struct file *old_exe = p->exe;

	pid_t nr = t->pid->nr;
	futex_leave_space(t);
	become_leader(p, t);
	futex_owner_gone(t, nr);
	struct aspace *old = NULL;
	WITH_LOCK (&proc_lock) /* proc_aspace looks at it */
		old = thread_set_aspace(x->as);
	x->as = NULL;
	proc_release_vfork(p);
	if (old)
		aspace_put(old);
	WITH_LOCK (&proc_lock) {
		p->exe = x->file;
		p->did_exec = true;
		reset_exit_signals(p);
		p->dumpable = x->creds.euid == x->creds.uid && x->creds.egid == x->creds.gid;
		if (x->creds.euid != p->creds.euid || x->creds.egid != p->creds.egid)
			p->parent_death_signal = 0;
		p->creds = x->creds;
		p->keep_caps = p->membarrier = false;
		memcpy(p->name, x->name, sizeof(p->name));
		memcpy(t->thread.name, x->name, sizeof(t->thread.name));
	}
	x->file = old_exe;
	fdtable_close_exec(p->files);
	reset_signals(p, t);
	reset_registers(x, t);
}

i64 exec_run(const char *path, struct exec_strings argv, struct exec_strings envp)
{
	struct proc *p = proc_current();
	struct exec *x = kzalloc(sizeof(*x));
	int err = x ? exec_prepare(x, path, argv, envp) : -ENOMEM;

	if (sabotage(exec_early))
		reset_signals(p, task_current());
	if (!err)
		err = leave_others(p);
	if (!err) {
		posix_timers_end(p);
		err = own_shared(p);
	}
	pid_t nr = task_current()->pid->nr;
	if (!err)
		exec_commit(x);
	if (x)
		exec_release(x);
	if (!err)
		ptrace_exec(nr);
	return err;
}
