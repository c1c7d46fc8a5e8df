/* Mappings that change: mremap with all it can, mprotect over holes, what grows downwards, the limit on address space,
 * and the errors of the calls that ask or advise. */
#include "testsuite/prog/tap.h"
#include "testsuite/prog/touch.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

#define RW (PROT_READ | PROT_WRITE)
#define MOVE (MREMAP_MAYMOVE | MREMAP_FIXED)
#define KEEP (MREMAP_MAYMOVE | MREMAP_DONTUNMAP)

static u8 *map_at(void *addr, u64 count, int prot, int flags)
{
	return mmap(addr, count * PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

static u8 *remap(u8 *p, u64 old, u64 new, int flags, const void *to)
{
	return (u8 *)syscall(SYS_mremap, p, old, new, flags, to);
}

static void fill(u8 *p, u64 count)
{
	for (u64 i = 0; i < count; i++)
		p[i * PAGE] = i + 1;
}

static bool filled(const u8 *p, u64 count)
{
	for (u64 i = 0; i < count; i++)
		if (p[i * PAGE] != (u8)(i + 1))
			return false;
	return true;
}

static void limit_set(int resource, u64 bytes)
{
	struct rlimit limit = {bytes, bytes};

	OK(setrlimit(resource, &limit));
}

/* bytes_mapped: of the whole process. */
static u64 bytes_mapped(void)
{
	char text[64];
	int fd = OK(open("/proc/self/statm", O_RDONLY));
	ssize_t n = OK(read(fd, text, sizeof(text) - 1));

	close(fd);
	text[n] = 0;
	return strtoul(text, NULL, 10) * PAGE;
}

/* --- mremap --- */

TEST(remap_errors, "[V3] mremap: each error of the manual")
{
	u8 *p = pages(8, RW), *q = pages(8, RW);

	FAILS(remap(p + 1, PAGE, PAGE, MREMAP_MAYMOVE, 0), EINVAL);
	FAILS(remap(p, PAGE, 0, MREMAP_MAYMOVE, 0), EINVAL);
	FAILS(remap(p, PAGE, PAGE, 8, 0), EINVAL);
	FAILS(remap(p, PAGE, PAGE, MREMAP_FIXED, q), EINVAL);
	FAILS(remap(p, PAGE, PAGE, MREMAP_DONTUNMAP, q), EINVAL);
	FAILS(remap(p, PAGE, 2 * PAGE, KEEP, q), EINVAL);
	FAILS(remap(p, PAGE, PAGE, MOVE, q + 1), EINVAL);
	FAILS(remap(p, PAGE, PAGE, MOVE, (void *)-PAGE), EINVAL);
	FAILS(remap(p, PAGE, PAGE, MOVE, (void *)0x7ffffffff000), EINVAL);
	FAILS(remap(p, 4 * PAGE, 4 * PAGE, MOVE, p + 2 * PAGE), EINVAL);
	FAILS(remap(p, 2 * PAGE, 4 * PAGE, MOVE, p + PAGE), EINVAL);
	FAILS(remap(p + 2 * PAGE, PAGE, 4 * PAGE, MOVE, p), EINVAL);
	FAILS(remap(p, 0, PAGE, MREMAP_MAYMOVE, 0), EINVAL); /* private */
	FAILS(remap(p, PAGE, (1UL << 47) - (1UL << 20), MREMAP_MAYMOVE, 0), ENOMEM);
	OK(munmap(p + 4 * PAGE, PAGE));
	FAILS(remap(p + 4 * PAGE, PAGE, PAGE, MREMAP_MAYMOVE, 0), EFAULT);
	FAILS(remap(p + 3 * PAGE, 2 * PAGE, 3 * PAGE, MREMAP_MAYMOVE, 0), EFAULT);
	FAILS(remap((u8 *)0x7ffffffff000, PAGE, PAGE, MREMAP_MAYMOVE, 0), EFAULT);
}

TEST(remap_in_place,
     "[V3] mremap: the same length is no change, over holes too; it shrinks over what is not there")
{
	u8 *p = pages(8, RW);

	fill(p, 8);
	OK(munmap(p + 2 * PAGE, PAGE));
	CHECK(remap(p, 8 * PAGE, 8 * PAGE, 0, 0) == p);
	CHECK(remap(p, 8 * PAGE, PAGE, 0, 0) == p);
	IS(p[0], 1);
	catch_faults();
	IS(touch(p + PAGE, false), SIGSEGV);
	IS(touch(p + 5 * PAGE, false), SIGSEGV);
}

TEST(remap_of_region, "[V3] a part of a region moves over another part of it, up and down")
{
	u8 *p = pages(20, RW);

	catch_faults();
	fill(p, 20);
	CHECK(remap(p + 2 * PAGE, 3 * PAGE, 3 * PAGE, MOVE, p + 10 * PAGE) == p + 10 * PAGE);
	IS(p[PAGE], 2);
	IS(touch(p + 2 * PAGE, false), SIGSEGV);
	IS(touch(p + 4 * PAGE, false), SIGSEGV);
	IS(p[5 * PAGE], 6);
	IS(p[9 * PAGE], 10);
	IS(p[10 * PAGE], 3);
	IS(p[12 * PAGE], 5);
	IS(p[13 * PAGE], 14);
	CHECK(remap(p + 15 * PAGE, 5 * PAGE, 2 * PAGE, MOVE, p + 2 * PAGE) == p + 2 * PAGE);
	IS(p[2 * PAGE], 16);
	IS(p[3 * PAGE], 17);
	IS(touch(p + 4 * PAGE, false), SIGSEGV);
	IS(p[14 * PAGE], 15);
	for (u32 i = 15; i < 20; i++)
		IS(touch(p + i * PAGE, false), SIGSEGV);
}

TEST(remap_grow_fixed, "[V3] to a given place it may grow: the rest is fresh, not what was there")
{
	u8 *p = pages(2, RW), *q = pages(10, RW);

	fill(p, 2);
	memset(q, 9, 10 * PAGE);
	CHECK(remap(p, 2 * PAGE, 6 * PAGE, MOVE, q + 2 * PAGE) == q + 2 * PAGE);
	IS(q[2 * PAGE - 1], 9);
	CHECK(filled(q + 2 * PAGE, 2));
	for (u32 i = 4; i < 8; i++)
		IS(q[i * PAGE], 0);
	IS(q[8 * PAGE], 9);
}

TEST(remap_shared_tables, "[V2] mappings that a fork shares move in one process and stay in the other")
{
	u64 count = 1024;
	u8 *p = pages(count, RW), *q = pages(count, RW);
	int go[2], c;

	OK(pipe(go));
	fill(p, count);
	memset(q, 9, count * PAGE);
	pid_t child = SPAWN({
		close(go[1]);
		IS(read(go[0], &c, 1), 0);
		CHECK(filled(p, count));
		for (u64 i = 0; i < count; i++)
			IS(q[i * PAGE], 9);
	});
	close(go[0]);
	CHECK(remap(p, count * PAGE, (count - 3) * PAGE, MOVE, q) == q);
	CHECK(filled(q, count - 3));
	IS(q[(count - 1) * PAGE], 9);
	q[0] = 77;
	close(go[1]);
	IS(wait_status(child), EXITED(0));
}

TEST(remap_fails_whole, "[V3] mremap to a given place that fails leaves what is there")
{
	u8 *p = pages(4, RW), *q = pages(16, RW);

	BULKHEAD_ONLY("it unmaps the target first");
	fill(q, 16);
	OK(munmap(p + 2 * PAGE, PAGE));
	FAILS(remap(p, 4 * PAGE, 4 * PAGE, MOVE, q), EFAULT);
	FAILS(remap(p, 0, 4 * PAGE, MOVE, q), EINVAL);
	CHECK(filled(q, 16));
	limit_set(RLIMIT_AS, bytes_mapped() - 20 * PAGE);
	FAILS(remap(p, 2 * PAGE, 16 * PAGE, MOVE, q), ENOMEM);
	CHECK(filled(q, 16));
	p[PAGE] = 1;
}

TEST(remap_double, "[V3] an old length of 0 maps shared memory a second time")
{
	u8 *p = shared_pages(8), *q, *r;

	fill(p, 8);
	q = remap(p + 2 * PAGE, 0, 6 * PAGE, MREMAP_MAYMOVE, 0);
	NEED(q != MAP_FAILED);
	IS(q[0], 3);
	IS(q[5 * PAGE], 8);
	q[PAGE] = 55;
	IS(p[3 * PAGE], 55);
	r = pages(8, RW);
	CHECK(remap(p, 0, 2 * PAGE, MOVE, r + 2 * PAGE) == r + 2 * PAGE);
	p[PAGE] = 66;
	IS(r[3 * PAGE], 66);
	FAILS(remap(p, 0, PAGE, 0, 0), ENOMEM);
	OK(munmap(p, 8 * PAGE));
	IS(q[PAGE], 55);
	catch_faults();
	IS(touch(q, true), 0);
}

TEST(remap_keep, "[V3] MREMAP_DONTUNMAP takes the pages away and leaves the mapping, which is empty")
{
	u8 *p = pages(8, RW), *q, *r = pages(8, RW);

	fill(p, 8);
	q = remap(p + PAGE, 4 * PAGE, 4 * PAGE, KEEP, 0);
	NEED(q != MAP_FAILED && q != p + PAGE);
	for (u32 i = 0; i < 4; i++) {
		IS(q[i * PAGE], i + 2);
		IS(p[(i + 1) * PAGE], 0);
	}
	IS(p[0], 1);
	IS(p[5 * PAGE], 6);
	p[PAGE] = 99;
	IS(q[0], 2);
	memset(r, 7, 8 * PAGE);
	CHECK(remap(q, 4 * PAGE, 4 * PAGE, KEEP | MREMAP_FIXED, r + PAGE) == r + PAGE);
	IS(r[0], 7);
	IS(r[PAGE], 2);
	IS(r[5 * PAGE], 7);
	IS(q[0], 0);
}

/* --- mprotect --- */

TEST(protect_hole, "[V3] mprotect over a hole changes what lies before it, and says ENOMEM")
{
	u8 *p = pages(10, RW);

	catch_faults();
	memset(p, 1, 10 * PAGE);
	OK(munmap(p + 4 * PAGE, PAGE));
	FAILS(mprotect(p + PAGE, 9 * PAGE, PROT_READ), ENOMEM);
	IS(touch(p, true), 0);
	IS(touch(p + PAGE, true), SIGSEGV);
	IS(touch(p + 3 * PAGE, true), SIGSEGV);
	IS(touch(p + 5 * PAGE, true), 0);
	FAILS(mprotect(p + 4 * PAGE, 4 * PAGE, PROT_READ), ENOMEM);
	IS(touch(p + 5 * PAGE, true), 0);
}

TEST(protect_denied, "[V3] mprotect changes what lies before a file that may not be written, and says EACCES")
{
	u8 *p = pages(4, PROT_READ);
	int fd;

	catch_faults();
	enter_scratch();
	make_closed_file("file", p, PAGE, 0600);
	fd = OK(open("file", O_RDONLY));
	NEED(mmap(p + 2 * PAGE, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) == p + 2 * PAGE);
	FAILS(mprotect(p, 4 * PAGE, RW), EACCES);
	IS(touch(p + PAGE, true), 0);
	IS(touch(p + 2 * PAGE, true), SIGSEGV);
	IS(touch(p + 3 * PAGE, true), SIGSEGV);
}

/* --- what grows downwards --- */

/* room: COUNT pages in which nothing is mapped, in the middle of a hole. */
static u8 *room(u64 count)
{
	u8 *p = pages(count + 1024, PROT_NONE);

	OK(munmap(p, (count + 1024) * PAGE));
	return p + 512 * PAGE;
}

TEST(grows_down, "[V6] a MAP_GROWSDOWN mapping grows when the page below it is touched, by any distance")
{
	u8 *p = room(1000), *top = p + 1000 * PAGE;

	catch_faults();
	NEED(map_at(top - PAGE, 1, RW, MAP_GROWSDOWN | MAP_FIXED) == top - PAGE);
	IS(touch(top - PAGE, true), 0);
	IS(touch(top - 2 * PAGE, true), 0);
	IS(touch(top - 300 * PAGE, true), 0);
	IS(*(top - 299 * PAGE), 0);
	IS(touch(top, false), SIGSEGV);
	OK(munmap(top - 300 * PAGE, 300 * PAGE));
	IS(touch(top - PAGE, false), SIGSEGV);
}

TEST(grow_guard, "[V6] what grows keeps 256 pages from a neighbour, but not from one that nobody may touch")
{
	u8 *p = room(2000), *top = p + 2000 * PAGE;

	catch_faults();
	NEED(map_at(top - PAGE, 1, RW, MAP_GROWSDOWN | MAP_FIXED) == top - PAGE);
	NEED(map_at(p, 1, RW, MAP_FIXED) == p);
	IS(touch(p + 256 * PAGE, true), SIGSEGV);
	IS(fault_code, SEGV_MAPERR);
	IS(touch(p + 257 * PAGE, true), 0);
	IS(touch(p + 256 * PAGE, true), SIGSEGV);
	OK(mprotect(p, PAGE, PROT_NONE));
	IS(touch(p + PAGE, true), 0);
	IS(touch(p, true), SIGSEGV);
	IS(fault_code, SEGV_ACCERR);
}

TEST(grow_placed, "[V6] nothing is placed into the guard below what grows, unless by force")
{
	u8 *p = room(1000), *top = p + 1000 * PAGE, *q;

	NEED(map_at(top - PAGE, 1, RW, MAP_GROWSDOWN | MAP_FIXED) == top - PAGE);
	q = map_at(top - 11 * PAGE, 10, RW, 0);
	CHECK(q != MAP_FAILED && (q + 10 * PAGE <= top - 257 * PAGE || q >= top));
	CHECK(map_at(top - 270 * PAGE, 10, RW, 0) == top - 270 * PAGE);
	CHECK(map_at(top - 20 * PAGE, 10, RW, MAP_FIXED_NOREPLACE) == top - 20 * PAGE);
}

TEST(grow_limit, "[V6] RLIMIT_STACK holds for each mapping that grows, as it is when it does")
{
	u8 *p = room(1000), *top = p + 1000 * PAGE;

	catch_faults();
	NEED(map_at(top - PAGE, 1, RW, MAP_GROWSDOWN | MAP_FIXED) == top - PAGE);
	limit_set(RLIMIT_STACK, 200 * PAGE);
	IS(touch(top - 201 * PAGE, true), SIGSEGV);
	IS(touch(top - 200 * PAGE, true), 0);
	IS(touch(top - 201 * PAGE, true), SIGSEGV);
}

static __attribute__((noinline)) u64 use_stack(u64 bytes)
{
	volatile u8 frame[PAGE];

	frame[0] = bytes;
	if (bytes > PAGE)
		frame[1] = use_stack(bytes - PAGE);
	return frame[0] + frame[1];
}

TEST(grow_counted, "[V6] [V10] the stack's growth counts against RLIMIT_AS")
{
	IS(CHILD({
		   limit_set(RLIMIT_AS, bytes_mapped() + (1UL << 20));
		   use_stack(1UL << 19);
	   }),
	   EXITED(0));
	IS(CHILD({
		   limit_set(RLIMIT_AS, bytes_mapped() + (1UL << 20));
		   use_stack(4UL << 20);
	   }),
	   KILLED(SIGSEGV));
}

/* --- limits --- */

TEST(space_limit, "[V10] RLIMIT_AS holds for mmap, brk and mremap; what is replaced does not count twice")
{
	u8 *p = pages(64, RW), *q;
	u64 brk = syscall(SYS_brk, 0);

	limit_set(RLIMIT_AS, bytes_mapped() + 8 * PAGE);
	FAILS(map_at(NULL, 9, RW, 0), ENOMEM);
	q = map_at(NULL, 8, RW, 0);
	NEED(q != MAP_FAILED);
	FAILS(map_at(NULL, 1, PROT_NONE, 0), ENOMEM);
	IS(syscall(SYS_brk, brk + 2 * PAGE), brk);
	FAILS(remap(p, 64 * PAGE, 66 * PAGE, MREMAP_MAYMOVE, 0), ENOMEM);
	FAILS(remap(p, 8 * PAGE, 8 * PAGE, KEEP, 0), ENOMEM);
	CHECK(map_at(p, 64, RW, MAP_FIXED) == p);
	OK(munmap(q, 4 * PAGE));
	CHECK(map_at(NULL, 4, RW, 0) != MAP_FAILED);
}

/* --- asking and advising --- */

TEST(advise_errors, "[V3] madvise: errors; a hint for what is not mapped is refused as well")
{
	static const int hints[] = {MADV_NORMAL,   MADV_RANDOM,   MADV_SEQUENTIAL,
	                            MADV_WILLNEED, MADV_DONTDUMP, MADV_DODUMP};
	u8 *p = pages(6, RW), *f;
	int fd;

	enter_scratch();
	fd = make_file("file", p, PAGE, 0600);
	f = mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0);
	NEED(f != MAP_FAILED);
	FAILS(madvise(p + 1, PAGE, MADV_NORMAL), EINVAL);
	FAILS(syscall(SYS_madvise, p, -1UL, MADV_NORMAL), EINVAL);
	FAILS(syscall(SYS_madvise, p, -PAGE, MADV_NORMAL), EINVAL);
	FAILS(madvise(p, PAGE, 12345), EINVAL);
	FAILS(madvise(p, 0, 12345), EINVAL);
	FAILS(madvise(p, PAGE, -1), EINVAL);
	FAILS(madvise(f, PAGE, MADV_FREE), EINVAL);
	OK(munmap(p + 2 * PAGE, PAGE));
	for (u32 i = 0; i < ARRAY_SIZE(hints); i++) {
		OK(madvise(p, 2 * PAGE, hints[i]));
		OK(madvise(p, 0, hints[i]));
		FAILS(madvise(p, 4 * PAGE, hints[i]), ENOMEM);
		FAILS(madvise(p + 2 * PAGE, PAGE, hints[i]), ENOMEM);
	}
}

TEST(advise_over_hole, "[V3] MADV_DONTNEED over a hole drops what is on both sides, and says ENOMEM")
{
	u8 *p = pages(6, RW);

	memset(p, 1, 6 * PAGE);
	OK(munmap(p + 2 * PAGE, PAGE));
	FAILS(madvise(p + PAGE, 4 * PAGE, MADV_DONTNEED), ENOMEM);
	IS(p[0], 1);
	IS(p[PAGE], 0);
	IS(p[3 * PAGE], 0);
	IS(p[4 * PAGE], 0);
	IS(p[5 * PAGE], 1);
}

TEST(sync_errors, "[V3] msync: errors")
{
	u8 *p = pages(4, RW);

	OK(msync(p, 4 * PAGE, MS_SYNC));
	OK(msync(p, 4 * PAGE, MS_ASYNC | MS_INVALIDATE));
	OK(msync(p, 4 * PAGE, 0));
	FAILS(msync(p + 1, PAGE, MS_SYNC), EINVAL);
	FAILS(msync(p, PAGE, MS_SYNC | MS_ASYNC), EINVAL);
	FAILS(msync(p, PAGE, 8), EINVAL);
	FAILS(syscall(SYS_msync, p, -PAGE, MS_SYNC), ENOMEM);
	OK(munmap(p + 2 * PAGE, PAGE));
	FAILS(msync(p, 4 * PAGE, MS_SYNC), ENOMEM);
	OK(msync(p, 0, MS_SYNC));
}

TEST(incore_errors, "[V3] mincore: errors, in their order")
{
	u8 *p = pages(4, RW), seen[8];

	FAILS(syscall(SYS_mincore, p + 1, PAGE, seen), EINVAL);
	FAILS(syscall(SYS_mincore, p, -PAGE, seen), ENOMEM);
	FAILS(syscall(SYS_mincore, p, 1UL << 48, seen), ENOMEM);
	FAILS(syscall(SYS_mincore, 0xffff800000000000, PAGE, seen), ENOMEM);
	FAILS(syscall(SYS_mincore, p, PAGE, 16), EFAULT);
	FAILS(syscall(SYS_mincore, p, PAGE, 0xffff800000000000), EFAULT);
	OK(syscall(SYS_mincore, p, 0, seen));
	OK(syscall(SYS_mincore, p, 1, seen));
	OK(munmap(p + PAGE, PAGE));
	FAILS(syscall(SYS_mincore, p, 2 * PAGE, seen), ENOMEM);
	FAILS(syscall(SYS_mincore, p + PAGE, PAGE, 16), ENOMEM);
	FAILS(syscall(SYS_mincore, p + PAGE, PAGE, 0xffff800000000000), EFAULT);
}

TEST(no_random, "[V4] with ADDR_NO_RANDOMIZE a program is at the same places each time")
{
	const unsigned ADDR_NO_RANDOMIZE_ = 0x0040000;
	char first[4096] = "", again[4096] = "";

	for (u32 i = 0; i < 2; i++) {
		char *text = i ? again : first;
		int fds[2], n, size = 0;

		OK(pipe(fds));
		pid_t pid = fork();
		NEED(pid >= 0);
		if (pid == 0) {
			dup2(fds[1], 1);
			syscall(SYS_personality, ADDR_NO_RANDOMIZE_);
			execl("/proc/self/exe", "mm_remap", "@places", NULL);
			_exit(1);
		}
		close(fds[1]);
		while ((n = read(fds[0], text + size, sizeof(first) - 1 - size)) > 0)
			size += n;
		close(fds[0]);
		IS(wait_status(pid), EXITED(0));
		CHECK(size > 10);
	}
	IS_STR(again, first);
}

int role_main(int argc, char **argv)
{
	static int image;
	int local;

	(void)argc;
	(void)argv;
	printf("%p %p %p %p %lx\n", (void *)&image, (void *)&local, pages(1, RW), (void *)role_main,
	       (unsigned long)syscall(SYS_brk, 0));
	fflush(stdout);
	return 0;
}
