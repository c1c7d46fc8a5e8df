/* Every pointer of every system call (kernel/abi/syscalls.def), bad in each way: EFAULT, and nothing changed. The calls
 * are those of calls.h; what does not fit a line there is in uaccess.c. */
#include "testsuite/prog/badaddr.h"
#include "testsuite/prog/calls.h"
#include "testsuite/prog/tap.h"

#include <sys/param.h>

static void try_bad(const struct call *c, u32 which, u64 value, const char *what, bool part)
{
	static struct state before, after;
	i64 ret;

	if (c->before)
		c->before();
	state_take(&before);
	ret = call_with(c, which, value);
	if (ret == -ENOSYS && !on_bulkhead()) /* an old Linux */
		return;
	if (ret != -EFAULT && !(c->flags & TAKES) && !(part && ret > 0)) {
		note("%s: argument %u is %s (0x%llx): %lld, %s", c->name, which + 1, what,
		     (unsigned long long)value, (long long)ret, ret < 0 ? strerror(-ret) : "no error");
		tap_failures++;
	}
	state_take(&after);
	if (!part && memcmp(&before, &after, sizeof(before))) {
		note("%s: argument %u is %s: something has changed", c->name, which + 1, what);
		tap_failures++;
	}
}

/* The first half of what the argument points to lies before the end of a mapping. */
static void try_straddle(const struct call *c, u32 which)
{
	const struct arg *a = &c->args[which];
	u32 size = a->kind == STRING ? strlen((char *)a->value) : a->size / 2;
	u8 *p = edge(size);

	if (!size || (c->flags & ALIGNED))
		return;
	if (a->kind != OUT)
		memcpy(p, (void *)a->value, size);
	try_bad(c, which, (u64)p, "across the end of a mapping", c->flags & PART);
}

static void try_argument(const struct call *c, u32 which)
{
	const struct arg *a = &c->args[which];

	FOR_BAD(b, a->kind == OUT ? BAD_WRITE : BAD_READ)
	{
		if (!(c->flags & ALIGNED) || b->addr % 8 == 0)
			try_bad(c, which, b->addr, b->what, false);
	}
	try_straddle(c, which);
}

static void try_call(const struct call *c, u8 kind)
{
	for (u32 i = 0; i < 6; i++) {
		int status;

		if (c->args[i].kind != kind)
			continue;
		status = CALL_CHILD(bad_fill(); try_argument(c, i));
		if (status != EXITED(0))
			note("%s: argument %u: status 0x%x", c->name, i + 1, status);
		CHECK(status == EXITED(0));
	}
}

static void try_all(u8 kind)
{
	for (u32 i = 0; i < ARRAY_SIZE(calls); i++)
		try_call(&calls[i], kind);
}

TEST(outputs, "[V7] every result of every system call, to a bad place: EFAULT, and nothing changed")
{
	try_all(OUT);
}

TEST(inputs, "[V7] every structure of every system call, at a bad place: EFAULT, and nothing changed")
{
	try_all(IN);
}

TEST(strings, "[V7] every string of every system call, at a bad place: EFAULT, and nothing changed")
{
	try_all(STRING);
}

TEST(good, "[V7] with good pointers none of these calls says EFAULT")
{
	for (u32 i = 0; i < ARRAY_SIZE(calls); i++) {
		const struct call *c = &calls[i];

		if (c->flags & NO_GOOD)
			continue;
		int status = CALL_CHILD({
			if (c->before)
				c->before();
			i64 ret = call_with(c, 6, 0);

			if (ret < 0)
				say("# %s: %s\n", c->name, strerror(-ret));
			CHECK(ret != -EFAULT && ret != -EINVAL && ret != -EBADF && ret != -ENOSYS);
		});
		if (status != EXITED(0))
			note("%s: status 0x%x", c->name, status);
		CHECK(status == EXITED(0));
	}
}

/* --- memory that comes and goes meanwhile --- */

static volatile bool stop_flicker;
static u8 *flicker; /* its second page comes and goes */

static int flicker_main(void *arg)
{
	u8 *second = flicker + PAGE;

	(void)arg;
	while (!stop_flicker) {
		munmap(second, PAGE);
		sched_yield();
		mmap(second, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		sched_yield();
		mprotect(second, PAGE, PROT_NONE);
		mprotect(second, PAGE, PROT_READ);
		sched_yield();
		mprotect(second, PAGE, PROT_READ | PROT_WRITE);
	}
	return 0;
}

static void race_argument(const struct call *c, u32 which)
{
	const struct arg *a = &c->args[which];
	u32 size = a->kind == STRING ? strlen((char *)a->value) + 1 : a->size;
	i64 good = call_with(c, 6, 0);
	u8 *at = flicker + PAGE - size / 2 / 8 * 8;

	for (u32 i = 0; i < 24; i++) {
		i64 ret;

		if (a->kind != OUT)
			memcpy(at, (void *)a->value, MIN(size, (u64)(flicker + PAGE - at)));
		ret = call_with(c, which, (u64)at);
		if (a->kind == OUT && ret < 0 && ret != -EFAULT && ret != good) {
			note("%s: argument %u comes and goes: %s", c->name, which + 1, strerror(-ret));
			tap_failures++;
		}
		if (ret > 2 && ret < 64 && c->args[0].kind == STRING)
			close(ret);
	}
}

static void race_call(const struct call *c, u32 which)
{
	static u8 stack[16384] __attribute__((aligned(16)));
	pid_t pid;

	flicker = pages(2, PROT_READ | PROT_WRITE);
	pid = OK(clone(flicker_main, stack + sizeof(stack), CLONE_VM | SIGCHLD, NULL));
	race_argument(c, which);
	stop_flicker = true;
	IS(wait_status(pid), EXITED(0));
}

TEST(races,
     "[V7] a pointer into memory that another thread unmaps and protects meanwhile: the result or EFAULT")
{
	for (u32 i = 0; i < ARRAY_SIZE(calls); i++)
		for (u32 k = 0; k < 6; k++) {
			const struct call *c = &calls[i];
			int status;

			if (!is_pointer(&c->args[k]) || c->before || (c->flags & (NO_GOOD | TAKES)) ||
			    c->nr == SYS_execve)
				continue;
			status = CALL_CHILD(race_call(c, k));
			if (status != EXITED(0))
				note("%s: argument %u: status 0x%x", c->name, k + 1, status);
			CHECK(status == EXITED(0));
		}
}

/* Linux looks at neither result of these two stores. */
TEST(clone_tids, "[V7] clone with a bad place for the child's number: the child is made, and lives")
{
	FOR_BAD(b, BAD_WRITE)
	{
		pid_t pid = syscall(SYS_clone,
		                    CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD,
		                    NULL, b->addr, b->addr, 0);

		if (pid == 0)
			_exit(3);
		CHECK(pid > 0);
		IS(wait_status(pid), EXITED(3));
	}
}

/* --- addresses that are arguments themselves --- */

TEST(addresses, "[V7] mmap and its like at addresses that no program may have")
{
	static const u64 places[] = {
	        0x7ffffffff000,     0x800000000000,     0x8000000000000000, 0xffff7ffffffff000,
	        0xffff800000000000, 0xffff888000001000, 0xffffffff80000000, -PAGE};
	u64 brk_now = syscall(SYS_brk, 0);
	u8 *own = pages(1, PROT_READ);

	for (u32 i = 0; i < ARRAY_SIZE(places); i++) {
		u64 p = places[i];

		FAILS(syscall(SYS_mmap, p, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
		      ENOMEM);
		FAILS(syscall(SYS_munmap, p, PAGE), EINVAL);
		FAILS(syscall(SYS_mprotect, p, PAGE, PROT_READ), ENOMEM);
		if (p + PAGE) /* the end is address 0 */
			FAILS(syscall(SYS_madvise, p, PAGE, MADV_DONTNEED), ENOMEM);
		FAILS(syscall(SYS_msync, p, PAGE, MS_SYNC), ENOMEM);
		FAILS(syscall(SYS_mincore, p, PAGE, scratch), ENOMEM);
		FAILS(syscall(SYS_mremap, p, PAGE, 2 * PAGE, MREMAP_MAYMOVE), EFAULT);
		FAILS(syscall(SYS_mremap, own, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p), EINVAL);
		IS(syscall(SYS_brk, p), brk_now);
	}
	IS(msync(own, PAGE, MS_SYNC), 0);
	FAILS(msync(own, 1 << 30, MS_SYNC), ENOMEM);
	FAILS(syscall(SYS_munmap, own, -PAGE), EINVAL);
	FAILS(syscall(SYS_mprotect, own, -PAGE, PROT_NONE), ENOMEM);
	IS(own[0], 0);
}

/* --- every call there is --- */

struct entry {
	const char *name, *types[6];
	u32 nr;
};

#define SYSCALL0(n, name)
#define SYSCALL1(n, name, a, b) {#name, {#a}, n},
#define SYSCALL2(n, name, a, b, c, d) {#name, {#a, #c}, n},
#define SYSCALL3(n, name, a, b, c, d, e, f) {#name, {#a, #c, #e}, n},
#define SYSCALL4(n, name, a, b, c, d, e, f, g, h) {#name, {#a, #c, #e, #g}, n},
#define SYSCALL5(n, name, a, b, c, d, e, f, g, h, i, j) {#name, {#a, #c, #e, #g, #i}, n},
#define SYSCALL6(n, name, a, b, c, d, e, f, g, h, i, j, k, l) {#name, {#a, #c, #e, #g, #i, #k}, n},
static const struct entry entries[] = {
#include "kernel/abi/syscalls.def"
};

static bool has_line(u32 nr, u32 which)
{
	for (u32 i = 0; i < ARRAY_SIZE(calls); i++)
		if (calls[i].nr == nr && is_pointer(&calls[i].args[which]))
			return true;
	return false;
}

/* What is only used later, or is no business of a test: told by hand in uaccess.c where it matters. */
static bool is_elsewhere(const struct entry *e, u32 which)
{
	static const char *const names[] = {
	        "clone",       "reboot",      "nanosleep 2",  "clock_nanosleep 4", "getcpu 3",
	        "syslog",      "getxattr 3",  "lgetxattr 3",  "fgetxattr 3",       "fsetxattr 3",
	        "lsetxattr 3", "listxattr 2", "llistxattr 2", "flistxattr 2",      "recvfrom 5"};
	char name[64];

	snprintf(name, sizeof(name), "%s %u", e->name, which + 1);
	for (u32 i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(names[i], name) || !strcmp(names[i], e->name))
			return true;
	return false;
}

/* A call that has no line gets bad pointers all the same, and zeroes; what it gives is not looked at. */
TEST(no_line, "[V7] a call that the table does not know survives bad pointers, too")
{
	for (u32 i = 0; i < ARRAY_SIZE(entries); i++)
		for (u32 k = 0; k < 6; k++) {
			const struct entry *e = &entries[i];
			const char *type = e->types[k];
			struct call c = {.name = e->name, .nr = e->nr, .flags = TAKES};

			if (!type || (strcmp(type, "uaddr_t") && strcmp(type, "ustr_t")) ||
			    has_line(e->nr, k) || is_elsewhere(e, k))
				continue;
			say("# %s, argument %u (%s) has no line\n", e->name, k + 1, type);
			if (on_bulkhead())
				IS(CALL_CHILD(c.args[k] = (struct arg)O(16);
				              FOR_BAD(b, BAD_BOTH) call_with(&c, k, b->addr)),
				   EXITED(0));
		}
}
