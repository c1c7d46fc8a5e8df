/* Mappings: mmap, munmap, mprotect, mremap, brk, madvise, the stack, files in memory. */
#include "testsuite/prog/tap.h"
#include "testsuite/prog/touch.h"

static void *map_at(void *addr, u64 count, int prot, int flags)
{
	return mmap(addr, count * PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

static bool all_zero(const u8 *p, u64 n)
{
	for (u64 i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

/* --- mmap --- */

TEST(mmap_zero, "[V3] fresh anonymous memory is zero, readable and writable")
{
	u8 *p = pages(100, PROT_READ | PROT_WRITE);

	CHECK(all_zero(p, 100 * PAGE));
	memset(p, 0xff, 100 * PAGE);
	OK(munmap(p, 100 * PAGE));
	p = pages(200, PROT_READ | PROT_WRITE);
	CHECK(all_zero(p, 200 * PAGE));
}

TEST(mmap_errors, "[V3] mmap refuses what Linux refuses, with its errno")
{
	u8 *p = pages(1, PROT_READ);
	int rd, wr, fds[2];

	enter_scratch();
	make_closed_file("file", "x", 1, 0644);
	rd = OK(open("file", O_RDONLY));
	wr = OK(open("file", O_WRONLY));
	OK(pipe(fds));
	FAILS(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), EINVAL);
	FAILS(mmap(NULL, PAGE, PROT_READ, MAP_ANONYMOUS, -1, 0), EINVAL);
	FAILS(mmap(p + 1, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), EINVAL);
	FAILS(syscall(SYS_mmap, 0, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 1), EINVAL);
	FAILS(syscall(SYS_mmap, 0, ~0UL, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ENOMEM);
	FAILS(syscall(SYS_mmap, 0, 1UL << 63, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ENOMEM);
	FAILS(syscall(SYS_mmap, 0, 1UL << 47, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ENOMEM);
	FAILS(syscall(SYS_mmap, 0, PAGE, PROT_READ, MAP_PRIVATE, rd, -PAGE), EOVERFLOW);
	FAILS(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, -1, 0), EBADF);
	FAILS(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 999, 0), EBADF);
	FAILS(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, wr, 0), EACCES);
	FAILS(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, rd, 0), EACCES);
	FAILS(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fds[0], 0), ENODEV);
	FAILS(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, OK(open("/", O_RDONLY)), 0), ENODEV);
}

TEST(mmap_kernel_addresses, "[V7] no mapping, fixed or not, reaches the kernel's half")
{
	static const u64 bad[] = {0x7ffffffff000, 0x800000000000, 0xffff800000000000, 0xffffffff80000000,
	                          -PAGE};

	for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
		u64 got;

		FAILS(map_at(opaque(bad[i]), 1, PROT_READ, MAP_FIXED), ENOMEM);
		FAILS(map_at(opaque(bad[i]), 1, PROT_READ, MAP_FIXED_NOREPLACE), ENOMEM);
		got = (u64)map_at(opaque(bad[i]), 1, PROT_READ, 0);
		CHECK(got < 0x7ffffffff000);
		FAILS(munmap(opaque(bad[i]), PAGE), EINVAL);
		FAILS(mprotect(opaque(bad[i]), PAGE, PROT_READ), ENOMEM);
	}
	FAILS(map_at(opaque(0x7fffffffe000), 2, PROT_READ, MAP_FIXED), ENOMEM);
	FAILS(munmap(opaque(0x7fffffffe000), 2 * PAGE), EINVAL);
	FAILS(munmap(opaque(PAGE), ~0UL & -PAGE), EINVAL);
}

TEST(mmap_zero_page, "[B3] nothing can be mapped at zero")
{
	BULKHEAD_ONLY("root may");
	FAILS(map_at(NULL, 1, PROT_READ, MAP_FIXED), EPERM);
	FAILS(map_at(opaque(PAGE), 1, PROT_READ, MAP_FIXED), EPERM);
	CHECK(map_at(opaque(PAGE), 1, PROT_READ, 0) >= opaque(0x10000));
}

TEST(mmap_hint, "[V3] a free hint is taken, a taken one is not, MAP_FIXED replaces")
{
	u8 *area = pages(10, PROT_NONE), *p;

	OK(munmap(area, 10 * PAGE));
	CHECK(map_at(area + 2 * PAGE, 1, PROT_READ | PROT_WRITE, 0) == area + 2 * PAGE);
	CHECK(map_at(area + 4 * PAGE + 5, 1, PROT_READ, 0) == area + 4 * PAGE);
	p = map_at(area + 2 * PAGE, 1, PROT_READ, 0);
	CHECK(p != MAP_FAILED && p != area + 2 * PAGE);
	area[2 * PAGE] = 7;
	FAILS(map_at(area + 2 * PAGE, 1, PROT_READ, MAP_FIXED_NOREPLACE), EEXIST);
	FAILS(map_at(area + PAGE, 2, PROT_READ, MAP_FIXED_NOREPLACE), EEXIST);
	IS(area[2 * PAGE], 7);
	CHECK(map_at(area + PAGE, 3, PROT_READ, MAP_FIXED) == area + PAGE);
	IS(area[2 * PAGE], 0);
}

TEST(mmap_length, "[V3] a length is rounded up to pages, the rest of the last page is there")
{
	u8 *area = pages(4, PROT_NONE);

	catch_faults();
	OK(munmap(area, 4 * PAGE));
	CHECK(mmap(area, PAGE + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
	      area);
	IS(touch(area + 2 * PAGE - 1, true), 0);
	READ_FAULT(area + 2 * PAGE, SIGSEGV, SEGV_MAPERR);
	OK(munmap(area, 1));
	READ_FAULT(area, SIGSEGV, SEGV_MAPERR);
	IS(touch(area + PAGE, false), 0);
}

TEST(faults, "[V3] a touch outside is SEGV_MAPERR, one that the rights forbid SEGV_ACCERR")
{
	u8 *p = pages(4, PROT_READ | PROT_WRITE);

	catch_faults();
	OK(mprotect(p, PAGE, PROT_NONE));
	OK(mprotect(p + PAGE, PAGE, PROT_READ));
	OK(munmap(p + 3 * PAGE, PAGE));
	READ_FAULT(p + 5, SIGSEGV, SEGV_ACCERR);
	WRITE_FAULT(p + 6, SIGSEGV, SEGV_ACCERR);
	IS(touch(p + PAGE, false), 0);
	WRITE_FAULT(p + PAGE + 7, SIGSEGV, SEGV_ACCERR);
	IS(touch(p + 2 * PAGE, true), 0);
	WRITE_FAULT(p + 3 * PAGE, SIGSEGV, SEGV_MAPERR);
	READ_FAULT(opaque(0), SIGSEGV, SEGV_MAPERR);
	READ_FAULT(opaque(0x1234), SIGSEGV, SEGV_MAPERR);
}

TEST(no_execute, "[V5] memory without PROT_EXEC does not execute; read and execute does")
{
	static const u8 code[] = {0xb8, 42, 0, 0, 0, 0xc3}; /* mov $42, %eax; ret */
	u8 *p = pages(2, PROT_READ | PROT_WRITE);
	int (*volatile fn)(void) = (int (*)(void))p;

	memcpy(p, code, sizeof(code));
	IS(CHILD(fn()), KILLED(SIGSEGV));
	OK(mprotect(p, PAGE, PROT_READ));
	IS(CHILD(fn()), KILLED(SIGSEGV));
	OK(mprotect(p, PAGE, PROT_READ | PROT_EXEC));
	IS(fn(), 42);
	IS(CHILD(*p = 1), KILLED(SIGSEGV));
	OK(mprotect(p, PAGE, PROT_READ | PROT_WRITE));
	IS(CHILD(fn()), KILLED(SIGSEGV));
	p[1] = 43;
	OK(mprotect(p, PAGE, PROT_READ | PROT_EXEC));
	IS(fn(), 43);
}

TEST(write_exec_refused, "[V5] writable and executable at once is refused by mmap and mprotect")
{
	u8 *p;

	BULKHEAD_ONLY("it allows that");
	FAILS(map_at(NULL, 1, PROT_READ | PROT_WRITE | PROT_EXEC, 0), EACCES);
	FAILS(map_at(NULL, 1, PROT_WRITE | PROT_EXEC, 0), EACCES);
	p = pages(3, PROT_READ | PROT_WRITE);
	FAILS(mprotect(p, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC), EACCES);
	*p = 1;
	OK(mprotect(p, PAGE, PROT_READ | PROT_EXEC));
	FAILS(mprotect(p, 3 * PAGE, PROT_WRITE | PROT_EXEC), EACCES);
}

/* --- munmap, mprotect: splitting and merging --- */

TEST(munmap_errors, "[V3] munmap: errors, and holes are no error")
{
	u8 *p = pages(4, PROT_READ);

	FAILS(munmap(p + 1, PAGE), EINVAL);
	FAILS(munmap(p, 0), EINVAL);
	OK(munmap(p + PAGE, PAGE));
	OK(munmap(p, 4 * PAGE));
	OK(munmap(p, 4 * PAGE));
}

TEST(munmap_middle, "[V3] unmapping the middle leaves both ends with their contents")
{
	u8 *p = pages(9, PROT_READ | PROT_WRITE);

	catch_faults();
	for (u32 i = 0; i < 9; i++)
		p[i * PAGE] = i + 1;
	OK(munmap(p + 3 * PAGE, 3 * PAGE));
	for (u32 i = 0; i < 9; i++) {
		bool gone = i >= 3 && i < 6;

		IS(touch(p + i * PAGE, false), gone ? SIGSEGV : 0);
		if (!gone)
			IS(p[i * PAGE], i + 1);
	}
	CHECK(map_at(p + 3 * PAGE, 3, PROT_READ | PROT_WRITE, MAP_FIXED_NOREPLACE) == p + 3 * PAGE);
	CHECK(all_zero(p + 3 * PAGE, 3 * PAGE));
	IS(p[2 * PAGE], 3);
	IS(p[6 * PAGE], 7);
	OK(munmap(p, 9 * PAGE));
}

TEST(mprotect_errors, "[V3] mprotect: errors")
{
	u8 *p = pages(4, PROT_READ | PROT_WRITE);

	FAILS(syscall(SYS_mprotect, p + 1, PAGE, PROT_READ), EINVAL);
	FAILS(mprotect(p, PAGE, 0x40), EINVAL);
	IS(syscall(SYS_mprotect, p, 0, PROT_READ), 0);
	FAILS(syscall(SYS_mprotect, p, ~0UL, PROT_READ), ENOMEM);
	OK(munmap(p + 2 * PAGE, PAGE));
	FAILS(mprotect(p, 4 * PAGE, PROT_NONE), ENOMEM);
	FAILS(mprotect(p + 2 * PAGE, PAGE, PROT_READ), ENOMEM);
}

TEST(mprotect_split, "[V3] mprotect page by page, back and forth, in a region of fifty")
{
	u8 *p = pages(50, PROT_READ | PROT_WRITE);

	catch_faults();
	for (u32 i = 0; i < 50; i++)
		p[i * PAGE] = i;
	for (u32 i = 0; i < 50; i += 3)
		OK(mprotect(p + i * PAGE, PAGE, PROT_READ));
	for (u32 i = 0; i < 50; i += 5)
		OK(mprotect(p + i * PAGE, PAGE, PROT_NONE));
	for (u32 i = 0; i < 50; i++) {
		IS(touch(p + i * PAGE + 1, true), i % 3 && i % 5 ? 0 : SIGSEGV);
		IS(touch(p + i * PAGE + 1, false), i % 5 ? 0 : SIGSEGV);
	}
	OK(mprotect(p, 50 * PAGE, PROT_READ | PROT_WRITE));
	for (u32 i = 0; i < 50; i++)
		IS(p[i * PAGE], i);
}

/* Lines of /proc/self/maps between two addresses: regions. Without the C library's buffers, which would
 * be mapped into the very holes. */
static u32 regions_between(const void *start, const void *end)
{
	static char text[65536];
	u64 from, to, size = 0;
	ssize_t n;
	int fd = OK(open("/proc/self/maps", O_RDONLY));
	u32 count = 0;

	while ((n = read(fd, text + size, sizeof(text) - 1 - size)) > 0)
		size += n;
	close(fd);
	text[size] = 0;
	for (char *line = text; line && *line; line = strchr(line, '\n'), line += line != NULL) {
		char *p;

		from = strtoul(line, &p, 16);
		to = strtoul(p + 1, NULL, 16);
		count += from < (u64)end && to > (u64)start;
	}
	return count;
}

TEST(regions_merge, "[V3] neighbours with equal rights become one region again")
{
	u8 *area = pages(12, PROT_NONE), *p = area + PAGE;

	SKIP_IF(access("/proc/self/maps", R_OK) < 0, "no /proc/self/maps");
	OK(mprotect(p, 10 * PAGE, PROT_READ | PROT_WRITE));
	IS(regions_between(p, p + 10 * PAGE), 1);
	OK(mprotect(p + 4 * PAGE, PAGE, PROT_READ));
	IS(regions_between(p, p + 10 * PAGE), 3);
	OK(mprotect(p + 4 * PAGE, PAGE, PROT_READ | PROT_WRITE));
	IS(regions_between(p, p + 10 * PAGE), 1);
	OK(munmap(p + 4 * PAGE, PAGE));
	IS(regions_between(p, p + 10 * PAGE), 2);
	CHECK(map_at(p + 4 * PAGE, 1, PROT_READ | PROT_WRITE, MAP_FIXED) == p + 4 * PAGE);
	IS(regions_between(p, p + 10 * PAGE), 1);
}

TEST(many_regions, "[V3] a thousand regions, found and removed in any order")
{
	u8 *area = pages(2000, PROT_READ | PROT_WRITE);
	u32 at = 0;

	for (u32 i = 0; i < 2000; i += 2)
		OK(mprotect(area + i * PAGE, PAGE, PROT_READ));
	for (u32 i = 1; i < 2000; i += 2)
		area[i * PAGE] = i;
	for (u32 i = 0; i < 1000; i++) {
		at = (at + 617) % 1000;
		OK(munmap(area + 2 * at * PAGE, PAGE));
	}
	for (u32 i = 1; i < 2000; i += 2)
		IS(area[i * PAGE], (u8)i);
	OK(munmap(area, 2000 * PAGE));
}

/* --- mremap --- */

TEST(mremap_shrink_grow, "[V3] mremap shrinks and grows in place when there is room")
{
	u8 *p = pages(10, PROT_READ | PROT_WRITE);

	catch_faults();
	memset(p, 3, 10 * PAGE);
	CHECK(mremap(p, 10 * PAGE, 4 * PAGE, 0) == p);
	IS(touch(p + 4 * PAGE, false), SIGSEGV);
	CHECK(mremap(p, 4 * PAGE, 10 * PAGE, 0) == p);
	IS(p[4 * PAGE - 1], 3);
	CHECK(all_zero(p + 4 * PAGE, 6 * PAGE));
	CHECK(mremap(p, 10 * PAGE, 10 * PAGE, 0) == p);
}

TEST(mremap_move, "[V3] mremap moves with its contents when it may, and fails when it may not")
{
	u8 *p = pages(10, PROT_READ | PROT_WRITE), *q;

	catch_faults();
	memset(p, 4, 5 * PAGE);
	OK(mprotect(p + 5 * PAGE, 5 * PAGE, PROT_READ));
	FAILS(mremap(p, 5 * PAGE, 20 * PAGE, 0), ENOMEM);
	q = mremap(p, 5 * PAGE, 20 * PAGE, MREMAP_MAYMOVE);
	NEED(q != MAP_FAILED && q != p);
	IS(touch(p, false), SIGSEGV);
	for (u32 i = 0; i < 5 * PAGE; i++)
		CHECK(q[i] == 4);
	CHECK(all_zero(q + 5 * PAGE, 15 * PAGE));
	IS(touch(q + 19 * PAGE, true), 0);
}

TEST(mremap_fixed, "[V3] mremap to a given place replaces what is there")
{
	u8 *p = pages(2, PROT_READ | PROT_WRITE), *q = pages(4, PROT_READ | PROT_WRITE);

	catch_faults();
	memset(p, 5, 2 * PAGE);
	memset(q, 6, 4 * PAGE);
	CHECK(mremap(p, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q + PAGE) == q + PAGE);
	IS(touch(p, false), SIGSEGV);
	IS(q[0], 6);
	IS(q[PAGE], 5);
	IS(q[3 * PAGE - 1], 5);
	IS(q[3 * PAGE], 6);
}

TEST(mremap_errors, "[V3] mremap: errors")
{
	u8 *p = pages(4, PROT_READ | PROT_WRITE);

	FAILS(mremap(p + 1, PAGE, 2 * PAGE, MREMAP_MAYMOVE), EINVAL);
	FAILS(mremap(p, PAGE, 0, MREMAP_MAYMOVE), EINVAL);
	FAILS(mremap(p, PAGE, PAGE, 0x80), EINVAL);
	FAILS(mremap(p, PAGE, PAGE, MREMAP_FIXED, p + PAGE), EINVAL);
	FAILS(mremap(p, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p + PAGE), EINVAL);
	OK(munmap(p + 2 * PAGE, PAGE));
	FAILS(mremap(p + 2 * PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE), EFAULT);
	FAILS(mremap(p, 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE), EFAULT);
}

/* --- brk --- */

static u8 *brk_to(u8 *want)
{
	return (u8 *)syscall(SYS_brk, want);
}

TEST(brk_moves, "[P9] brk grows with zeroes, shrinks, and grows with zeroes again")
{
	u8 *start = brk_to(NULL);

	catch_faults();
	CHECK(brk_to(start + 20 * PAGE) == start + 20 * PAGE);
	CHECK(all_zero((u8 *)(((u64)start + PAGE - 1) & -PAGE), 19 * PAGE));
	memset(start, 9, 20 * PAGE);
	CHECK(brk_to(start + 5 * PAGE) == start + 5 * PAGE);
	IS(touch(start + 7 * PAGE, false), SIGSEGV);
	IS(start[5 * PAGE - 1], 9);
	CHECK(brk_to(start + 20 * PAGE) == start + 20 * PAGE);
	CHECK(all_zero((u8 *)(((u64)start + 6 * PAGE - 1) & -PAGE), 14 * PAGE));
	CHECK(brk_to(start) == start);
}

TEST(brk_odd, "[P9] brk by single bytes; the break is what was asked for, not rounded")
{
	u8 *start = brk_to(NULL);

	for (u32 i = 1; i < 3 * PAGE; i += 511) {
		CHECK(brk_to(start + i) == start + i);
		start[i - 1] = 1;
	}
	CHECK(brk_to(start) == start);
}

TEST(brk_refused, "[P9] brk below its start, into the kernel or over a mapping stays where it is")
{
	u8 *start = brk_to(NULL), *top;
	void *p;

	CHECK(brk_to(start + 4 * PAGE) == start + 4 * PAGE);
	top = start + 4 * PAGE;
	CHECK(brk_to(opaque(0x10000)) == top);
	CHECK(brk_to(opaque(0xffff800000000000)) == top);
	CHECK(brk_to(opaque(0x7ffffffff000)) == top);
	CHECK(brk_to(opaque(~0UL)) == top);
	p = map_at((u8 *)(((u64)top + 20 * PAGE) & -PAGE), 1, PROT_READ, MAP_FIXED_NOREPLACE);
	NEED(p != MAP_FAILED);
	CHECK(brk_to(top + 40 * PAGE) == top);
	CHECK(brk_to(top + 10 * PAGE) == top + 10 * PAGE);
	CHECK(brk_to(start) == start);
}

TEST(brk_forked, "[P8] the child's break moves alone")
{
	u8 *start = brk_to(NULL);

	CHECK(brk_to(start + PAGE) == start + PAGE);
	IS(CHILD({
		   CHECK(brk_to(NULL) == start + PAGE);
		   CHECK(brk_to(start + 9 * PAGE) == start + 9 * PAGE);
	   }),
	   EXITED(0));
	CHECK(brk_to(NULL) == start + PAGE);
}

/* --- demand paging --- */

static u64 resident_pages(void)
{
	u64 size, resident;
	FILE *f = fopen("/proc/self/statm", "r");

	NEED(f && fscanf(f, "%lu %lu", &size, &resident) == 2);
	fclose(f);
	return resident;
}

TEST(demand_frames, "[V3] memory not touched costs no frame")
{
	u64 before, count = 16384; /* 64 MiB */
	u8 *p;

	SKIP_IF(access("/proc/self/statm", R_OK) < 0, "no /proc/self/statm");
	before = resident_pages();
	p = pages(count, PROT_READ | PROT_WRITE);
	CHECK(resident_pages() < before + 100);
	for (u64 i = 0; i < 1000; i++)
		p[i * 16 * PAGE] = 1;
	CHECK(resident_pages() >= before + 900);
	OK(munmap(p, count * PAGE));
	CHECK(resident_pages() < before + 100);
}

TEST(mincore_shows, "[V3] mincore: what was touched is there, what was not is not")
{
	u8 *p = pages(16, PROT_READ | PROT_WRITE), seen[16];

	for (u32 i = 0; i < 16; i += 2)
		p[i * PAGE] = 1;
	memset(seen, 0xff, sizeof(seen));
	OK(syscall(SYS_mincore, p, 16 * PAGE, seen));
	for (u32 i = 0; i < 16; i++)
		IS(seen[i] & 1, i % 2 ? 0 : 1);
	FAILS(syscall(SYS_mincore, p + 1, PAGE, seen), EINVAL);
	OK(munmap(p + PAGE, PAGE));
	FAILS(syscall(SYS_mincore, p, 16 * PAGE, seen), ENOMEM);
	FAILS(syscall(SYS_mincore, p + 2 * PAGE, PAGE, 8), EFAULT);
}

TEST(huge_reservation, "[V3] a gigabyte without access rights or reserve can be had, and given back")
{
	u8 *p = map_at(NULL, 1UL << 18, PROT_NONE, MAP_NORESERVE);

	NEED(p != MAP_FAILED);
	OK(mprotect(p + (1UL << 29), PAGE, PROT_READ | PROT_WRITE));
	p[1UL << 29] = 1;
	OK(munmap(p, 1UL << 30));
}

TEST(discard, "[V3] MADV_DONTNEED: private memory is zero again, a private file page the file's again")
{
	u8 *p = pages(8, PROT_READ | PROT_WRITE), *f;
	int fd;

	memset(p, 7, 8 * PAGE);
	OK(madvise(p + 2 * PAGE, 3 * PAGE, MADV_DONTNEED));
	IS(p[2 * PAGE - 1], 7);
	CHECK(all_zero(p + 2 * PAGE, 3 * PAGE));
	IS(p[5 * PAGE], 7);
	enter_scratch();
	fd = make_file("file", "original", 8, 0600);
	f = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	memcpy(f, "changed!", 8);
	OK(madvise(f, PAGE, MADV_DONTNEED));
	CHECK(memcmp(f, "original", 8) == 0);
}

TEST(madvise_errors, "[V3] madvise: errors")
{
	u8 *p = pages(4, PROT_READ | PROT_WRITE);

	FAILS(madvise(p + 1, PAGE, MADV_DONTNEED), EINVAL);
	FAILS(madvise(p, PAGE, 0x7777), EINVAL);
	IS(madvise(p, 0, MADV_DONTNEED), 0);
	OK(munmap(p + PAGE, PAGE));
	FAILS(madvise(p, 4 * PAGE, MADV_DONTNEED), ENOMEM);
	IS(madvise(p, PAGE, MADV_WILLNEED), 0);
}

/* --- files --- */

static int patterned_file(u32 count)
{
	int fd;
	static u8 page[PAGE];

	fd = OK(open("file", O_RDWR | O_CREAT | O_TRUNC, 0600));
	for (u32 i = 0; i < count; i++) {
		memset(page, i + 1, PAGE);
		NEED(write(fd, page, PAGE) == (ssize_t)PAGE);
	}
	return fd;
}

static u8 *map_file(int fd, u64 count, int prot, int how, u64 offset)
{
	u8 *p = mmap(NULL, count * PAGE, prot, how, fd, offset);

	NEED(p != MAP_FAILED);
	return p;
}

TEST(file_read, "[V3] a file mapping shows the file, from any page of it, after the close too")
{
	u8 *p;
	int fd;

	enter_scratch();
	fd = patterned_file(20);
	p = map_file(fd, 8, PROT_READ, MAP_PRIVATE, 5 * PAGE);
	close(fd);
	OK(unlink("file"));
	for (u32 i = 0; i < 8; i++)
		IS(p[i * PAGE + 100], i + 6);
}

TEST(file_shared, "[V3] a shared mapping and read and write see each other at once")
{
	u8 *p, *q, c = 0;
	int fd;

	enter_scratch();
	fd = patterned_file(4);
	p = map_file(fd, 4, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	q = map_file(fd, 2, PROT_READ | PROT_WRITE, MAP_SHARED, 2 * PAGE);
	p[2 * PAGE + 5] = 'm';
	NEED(pread(fd, &c, 1, 2 * PAGE + 5) == 1);
	IS(c, 'm');
	IS(q[5], 'm');
	NEED(pwrite(fd, "w", 1, 3 * PAGE) == 1);
	IS(p[3 * PAGE], 'w');
	IS(q[PAGE], 'w');
	IS(CHILD(q[6] = 'c'), EXITED(0));
	IS(p[2 * PAGE + 6], 'c');
	OK(msync(p, 4 * PAGE, MS_SYNC));
	OK(munmap(p, 4 * PAGE));
	NEED(pread(fd, &c, 1, 2 * PAGE + 6) == 1);
	IS(c, 'c');
}

static long frames_in_use(void)
{
	static struct accounts a;
	long frames = -1;

	accounts_take(&a);
	IS(sscanf(a.text, "frames %ld", &frames), 1);
	return frames;
}

/* Four that read every page of it, by a private mapping; what each costs is its tables. */
TEST(file_frames, "[V3] a file's pages are the same frames for all who map it")
{
	int fd, ready[2], done[2];
	long before, during;
	pid_t child[4];
	char c;

	BULKHEAD_ONLY("nobody counts the frames");
	enter_scratch();
	fd = make_file("file", "", 0, 0600);
	for (u32 i = 0; i < 256; i++)
		NEED(pwrite(fd, &i, sizeof(i), i * PAGE) == sizeof(i));
	OK(pipe(ready));
	OK(pipe(done));
	before = frames_in_use();
	for (u32 n = 0; n < 4; n++)
		child[n] = SPAWN({
			u8 *p = mmap(NULL, 256 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

			NEED(p != MAP_FAILED);
			for (u32 i = 0; i < 256; i++)
				IS(*(u32 *)(p + i * PAGE), i);
			NEED(write(ready[1], "x", 1) == 1);
			NEED(read(done[0], &c, 1) == 1);
		});
	for (u32 n = 0; n < 4; n++)
		NEED(read(ready[0], &c, 1) == 1);
	during = frames_in_use();
	CHECK(during - before < 256);
	NEED(write(done[1], "xxxx", 4) == 4);
	for (u32 n = 0; n < 4; n++)
		IS(wait_status(child[n]), EXITED(0));
}

TEST(file_private, "[V3] a private mapping's writes stay private")
{
	u8 *p, *q, c = 0;
	int fd;

	enter_scratch();
	fd = patterned_file(2);
	p = map_file(fd, 2, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);
	q = map_file(fd, 2, PROT_READ, MAP_SHARED, 0);
	p[0] = 'p';
	IS(q[0], 1);
	NEED(pread(fd, &c, 1, 0) == 1);
	IS(c, 1);
	NEED(pwrite(fd, "w", 1, 0) == 1);
	IS(p[0], 'p');
	IS(q[0], 'w');
}

TEST(file_end, "[V3] the last page is zero behind the file's end; pages behind it are SIGBUS")
{
	u8 *p;
	int fd;

	catch_faults();
	enter_scratch();
	fd = make_file("file", "0123456789", 10, 0600);
	p = map_file(fd, 4, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	CHECK(all_zero(p + 10, PAGE - 10));
	IS(touch(p + PAGE - 1, true), 0);
	READ_FAULT(p + PAGE, SIGBUS, BUS_ADRERR);
	WRITE_FAULT(p + 2 * PAGE, SIGBUS, BUS_ADRERR);
	OK(ftruncate(fd, 2 * PAGE));
	IS(touch(p + PAGE, true), 0);
	READ_FAULT(p + 2 * PAGE, SIGBUS, BUS_ADRERR);
	IS(CHILD(signal(SIGBUS, SIG_DFL); (void)*(volatile u8 *)(p + 2 * PAGE)), KILLED(SIGBUS));
}

TEST(file_truncated, "[V3] truncating takes the pages out of every mapping; what is cut off reads zero later")
{
	u8 *p, *q;
	int fd;

	catch_faults();
	enter_scratch();
	fd = patterned_file(4);
	p = map_file(fd, 4, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	q = map_file(fd, 4, PROT_READ, MAP_PRIVATE, 0);
	IS(p[3 * PAGE], 4);
	IS(q[3 * PAGE], 4);
	OK(ftruncate(fd, PAGE + 100));
	IS(touch(p + 2 * PAGE, false), SIGBUS);
	IS(touch(q + 3 * PAGE, false), SIGBUS);
	IS(p[PAGE + 99], 2);
	IS(p[PAGE + 100], 0);
	OK(ftruncate(fd, 4 * PAGE));
	IS(p[PAGE + 100], 0);
	CHECK(all_zero(p + 2 * PAGE, 2 * PAGE));
}

TEST(file_protect, "[V3] a shared mapping of a file opened for reading cannot be made writable")
{
	u8 *p;
	int fd;

	enter_scratch();
	close(patterned_file(1));
	fd = OK(open("file", O_RDONLY));
	p = map_file(fd, 1, PROT_READ, MAP_SHARED, 0);
	FAILS(mprotect(p, PAGE, PROT_READ | PROT_WRITE), EACCES);
	p = map_file(fd, 1, PROT_READ, MAP_PRIVATE, 0);
	OK(mprotect(p, PAGE, PROT_READ | PROT_WRITE));
	p[0] = 9;
}

TEST(dev_zero, "[V3] /dev/zero maps as fresh memory")
{
	int fd = OK(open("/dev/zero", O_RDWR));
	u8 *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

	NEED(p != MAP_FAILED);
	CHECK(all_zero(p, 4 * PAGE));
	p[PAGE] = 1;
	IS(p[PAGE], 1);
}

TEST(read_into_mapping, "[V7] read and write between a file and its own mapping")
{
	u8 *p;
	int fd;

	enter_scratch();
	fd = patterned_file(3);
	p = map_file(fd, 3, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	IS(pwrite(fd, p + 2 * PAGE, PAGE, 0), PAGE);
	IS(p[0], 3);
	IS(pread(fd, p + PAGE, PAGE, 0), PAGE);
	IS(p[PAGE], 3);
}

/* --- the stack --- */

static __attribute__((noinline)) u8 *stack_here(void)
{
	return opaque((u64)__builtin_frame_address(0));
}

static __attribute__((noinline)) u64 use_stack(u64 bytes)
{
	volatile u8 frame[PAGE];

	frame[0] = bytes;
	if (bytes > PAGE)
		frame[1] = use_stack(bytes - PAGE);
	return frame[0] + frame[1];
}

static u64 stack_limit(void)
{
	struct rlimit limit;

	OK(getrlimit(RLIMIT_STACK, &limit));
	return limit.rlim_cur;
}

TEST(stack_grows, "[V6] the stack grows on touch to nearly its 8 MiB")
{
	SKIP_IF(stack_limit() != 8UL << 20, "another stack limit");
	IS(CHILD(use_stack((8UL << 20) - (1UL << 19))), EXITED(0));
}

TEST(stack_limit_kills, "[V6] running past the stack's limit is SIGSEGV")
{
	SKIP_IF(stack_limit() != 8UL << 20, "another stack limit");
	IS(CHILD(use_stack(9UL << 20)), KILLED(SIGSEGV));
}

TEST(stack_overflow_handled, "[V6] a handler on the signal stack sees the overflow and its address")
{
	static u8 alternate[65536];
	stack_t ss = {.ss_sp = alternate, .ss_size = sizeof(alternate)};
	struct sigaction act = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};

	SKIP_IF(stack_limit() != 8UL << 20, "another stack limit");
	OK(sigaltstack(&ss, NULL));
	OK(sigaction(SIGSEGV, &act, NULL));
	if (sigsetjmp(fault_jump, 1) == 0)
		use_stack(64UL << 20);
	IS(fault_signal, SIGSEGV);
	CHECK((u8 *)fault_addr < stack_here() - (7UL << 20));
	CHECK((u8 *)fault_addr > stack_here() - (9UL << 20));
	IS(CHILD(use_stack(1UL << 20)), EXITED(0));
}

TEST(stack_by_kernel, "[V6] the kernel's own writes grow the stack as well")
{
	u8 *below = stack_here() - (2UL << 20);
	int fd = OK(open("/dev/zero", O_RDONLY));

	IS(read(fd, below, 100), 100);
	IS(below[50], 0);
}

TEST(stack_no_exec, "[V5] the stack does not execute")
{
	u8 code[] = {0xc3};
	void (*volatile fn)(void) = (void (*)(void))code;

	IS(CHILD(fn()), KILLED(SIGSEGV));
}

TEST(growsdown_stops, "[V6] a mapping just below the stack is never grown over")
{
	u8 *guard = (u8 *)((u64)(stack_here() - (1UL << 20)) & -PAGE);

	/* Linux keeps a gap of 256 pages from such a neighbour, so the stack ends early. */
	NEED(map_at(guard, 1, PROT_READ | PROT_WRITE, MAP_FIXED_NOREPLACE) == guard);
	guard[0] = 0x77;
	IS(CHILD(use_stack(2UL << 20)), KILLED(SIGSEGV));
	IS(guard[0], 0x77);
}

/* --- shared anonymous memory --- */

TEST(shared_anonymous, "[V2] shared memory across three generations, and it goes on when its maker ends")
{
	volatile u32 *p = shared_pages(300);

	IS(CHILD({
		   p[0]++;
		   IS(CHILD({
			      p[0]++;
			      for (u32 i = 0; i < 300; i++)
				      p[i * 1024 + 1] = i;
		      }),
		      EXITED(0));
	   }),
	   EXITED(0));
	IS(p[0], 2);
	for (u32 i = 0; i < 300; i++)
		IS(p[i * 1024 + 1], i);
}

TEST(shared_protect, "[V2] rights of shared memory are each process's own")
{
	volatile u8 *p = shared_pages(1);

	IS(CHILD(OK(mprotect((void *)p, PAGE, PROT_READ)); p[0] = 1), KILLED(SIGSEGV));
	p[0] = 2;
	IS(CHILD(IS(p[0], 2)), EXITED(0));
}

TEST(out_of_memory_call, "[V10] more than all memory at once is ENOMEM or costs nothing until touched")
{
	void *p = map_at(NULL, 1UL << 30, PROT_READ | PROT_WRITE, 0); /* 4 TiB */

	if (p == MAP_FAILED)
		IS(errno, ENOMEM);
	else
		OK(munmap(p, PAGE << 30));
}
