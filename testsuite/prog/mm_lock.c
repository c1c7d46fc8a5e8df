/* Memory that is locked or brought in at once: mlock and its kin, MAP_LOCKED, MAP_POPULATE. */
#include "testsuite/prog/tap.h"

#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT 1
#endif
#ifndef MCL_ONFAULT
#define MCL_ONFAULT 4
#endif

/* VmLck, in pages */
static u64 pages_locked(void)
{
	static char text[4096];
	char *line;
	int fd = OK(open("/proc/self/status", O_RDONLY));
	ssize_t n = OK(read(fd, text, sizeof(text) - 1));

	close(fd);
	text[n] = 0;
	line = strstr(text, "VmLck:");
	NEED(line);
	return strtoul(line + 6, NULL, 10) * 1024 / PAGE;
}

static u64 pages_present(const void *p, u64 count)
{
	static u8 seen[4096];
	u64 n = 0;

	OK(syscall(SYS_mincore, p, count * PAGE, seen));
	for (u64 i = 0; i < count; i++)
		n += seen[i] & 1;
	return n;
}

/* limited: an ordinary user who may lock COUNT pages. */
static void limited(u64 count)
{
	struct rlimit limit = {count * PAGE, count * PAGE};

	OK(setrlimit(RLIMIT_MEMLOCK, &limit));
	if (geteuid() == 0)
		OK(setuid(65534));
}

static void *map(u64 count, int prot, int flags)
{
	/* not by the C library, which makes ENOMEM of EPERM */
	return (void *)syscall(SYS_mmap, NULL, count * PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1,
	                       0);
}

static int mlock_on_fault(void *p, u64 count)
{
	return syscall(SYS_mlock2, p, count * PAGE, MLOCK_ONFAULT);
}

#define RW (PROT_READ | PROT_WRITE)

TEST(lock_brings_in, "[V3] mlock brings every page in and counts it; munlock and munmap count back")
{
	u8 *p = pages(20, RW);

	IS(pages_locked(), 0);
	IS(pages_present(p, 20), 0);
	OK(mlock(p + 3 * PAGE + 7, 4 * PAGE)); /* of five pages a part */
	IS(pages_present(p, 20), 5);
	IS(pages_present(p + 3 * PAGE, 5), 5);
	IS(pages_locked(), 5);
	OK(mlock(p, 20 * PAGE));
	IS(pages_locked(), 20);
	OK(munlock(p + 5 * PAGE, 5 * PAGE));
	IS(pages_locked(), 15);
	IS(pages_present(p, 20), 20);
	OK(munmap(p, 20 * PAGE));
	IS(pages_locked(), 0);
}

TEST(lock_limit, "[V10] RLIMIT_MEMLOCK holds for mlock, mlockall and MAP_LOCKED; what is locked counts once")
{
	u8 *p = pages(20, RW);

	limited(8);
	FAILS(mlock(p, 9 * PAGE), ENOMEM);
	IS(pages_locked(), 0);
	OK(mlock(p, 8 * PAGE));
	OK(mlock(p, 8 * PAGE));
	FAILS(mlock(p + 4 * PAGE, 5 * PAGE), ENOMEM);
	FAILS(mlock(p + 10 * PAGE, PAGE), ENOMEM);
	FAILS(mlock_on_fault(p + 10 * PAGE, 1), ENOMEM);
	FAILS(map(1, RW, MAP_LOCKED), EAGAIN);
	FAILS(mlockall(MCL_CURRENT), ENOMEM);
	OK(munlock(p, 4 * PAGE));
	CHECK(map(4, RW, MAP_LOCKED) != MAP_FAILED);
	FAILS(map(1, RW, MAP_LOCKED), EAGAIN);
	IS(pages_locked(), 8);
}

TEST(lock_forbidden, "[V10] with a limit of nothing nothing is locked, but munlock goes")
{
	u8 *p = pages(2, RW);

	limited(0);
	FAILS(mlock(p, PAGE), EPERM);
	FAILS(mlock_on_fault(p, 1), EPERM);
	FAILS(mlockall(MCL_CURRENT), EPERM);
	FAILS(map(1, RW, MAP_LOCKED), EPERM);
	OK(munlock(p, PAGE));
	OK(munlockall());
}

TEST(lock_hole, "[V3] at a hole mlock fails, and what lies before it is locked")
{
	u8 *p = pages(10, RW);

	OK(munmap(p + 4 * PAGE, PAGE));
	FAILS(mlock(p, 10 * PAGE), ENOMEM);
	IS(pages_locked(), 4);
	FAILS(munlock(p, 10 * PAGE), ENOMEM);
	IS(pages_locked(), 0);
	FAILS(mlock(p + 4 * PAGE, PAGE), ENOMEM);
}

TEST(lock_untouchable, "[V3] what nobody may touch is locked in name only, and mlock says so")
{
	u8 *p = pages(4, PROT_NONE);

	FAILS(mlock(p, 4 * PAGE), ENOMEM);
	IS(pages_locked(), 4);
	OK(mprotect(p, 4 * PAGE, RW)); /* and is brought in when somebody may */
	IS(pages_present(p, 4), 4);
}

TEST(lock_on_fault, "[V3] MLOCK_ONFAULT counts at once and brings in what is touched")
{
	u8 *p = pages(10, RW);

	OK(mlock_on_fault(p, 10));
	IS(pages_locked(), 10);
	IS(pages_present(p, 10), 0);
	p[3 * PAGE] = 1;
	IS(pages_present(p, 10), 1);
	OK(mlock(p, 2 * PAGE));
	IS(pages_present(p, 10), 3);
	IS(pages_locked(), 10);
}

TEST(lock_all, "[V3] mlockall: all there is, all there will be, or both; munlockall ends both")
{
	u8 *p = pages(10, RW), *q, *end;
	u64 all;

	OK(mlockall(MCL_CURRENT));
	IS(pages_present(p, 10), 10);
	all = pages_locked();
	CHECK(all > 10);
	q = map(5, RW, 0);
	IS(pages_present(q, 5), 0);
	OK(mlockall(MCL_FUTURE)); /* what is locked stays so */
	IS(pages_locked(), all);
	q = map(7, RW, 0);
	IS(pages_present(q, 7), 7);
	IS(pages_locked(), all + 7);
	end = (u8 *)syscall(SYS_brk, 0);
	end = (u8 *)(((u64)end + PAGE - 1) & -PAGE);
	IS(syscall(SYS_brk, end + 3 * PAGE), end + 3 * PAGE);
	IS(pages_present(end, 3), 3);
	OK(mlockall(MCL_FUTURE | MCL_ONFAULT));
	q = map(9, RW, 0);
	IS(pages_present(q, 9), 0);
	OK(munlockall());
	IS(pages_locked(), 0);
	q = map(9, RW, 0);
	IS(pages_locked(), 0);
	IS(pages_present(p, 10), 10);
}

TEST(lock_not_inherited, "[P8] a child has nothing locked, nor what it maps")
{
	u8 *p = pages(10, RW);

	OK(mlock(p, 5 * PAGE));
	OK(mlockall(MCL_CURRENT | MCL_FUTURE));
	IS(CHILD({
		   IS(pages_locked(), 0);
		   u8 *q = map(5, RW, 0);
		   IS(pages_present(q, 5), 0);
		   p[0] = 1;
	   }),
	   EXITED(0));
	CHECK(pages_locked() > 10);
}

TEST(lock_errors, "[V3] mlock and its kin: errors")
{
	u8 *p = pages(2, RW);

	FAILS(syscall(SYS_mlock2, p, PAGE, 2), EINVAL);
	FAILS(syscall(SYS_mlockall, 0), EINVAL);
	FAILS(syscall(SYS_mlockall, MCL_ONFAULT), EINVAL);
	FAILS(syscall(SYS_mlockall, 8), EINVAL);
	FAILS(syscall(SYS_mlockall, MCL_CURRENT | 0x100), EINVAL);
	FAILS(syscall(SYS_mlock, -PAGE, 2 * PAGE), EINVAL);
	FAILS(syscall(SYS_munlock, -PAGE, 2 * PAGE), EINVAL);
	FAILS(syscall(SYS_mlock, 0x7ffffffff000, PAGE), ENOMEM);
	FAILS(syscall(SYS_mlock, 0xffff800000000000, PAGE), ENOMEM);
	OK(syscall(SYS_mlock, p, 0));
	OK(syscall(SYS_munlock, 0, 0));
}

TEST(lock_keeps, "[V3] what is locked is not discarded")
{
	u8 *p = pages(4, RW);

	memset(p, 5, 4 * PAGE);
	OK(mlock(p + PAGE, PAGE));
	FAILS(madvise(p, 4 * PAGE, MADV_DONTNEED), EINVAL);
	IS(p[0], 0); /* what lies before it is */
	IS(p[PAGE], 5);
	IS(p[2 * PAGE], 5);
	FAILS(msync(p, 4 * PAGE, MS_INVALIDATE), EBUSY);
	OK(munlock(p + PAGE, PAGE));
	OK(madvise(p, 4 * PAGE, MADV_DONTNEED));
	IS(p[PAGE], 0);
}

TEST(lock_remap, "[V3] a locked mapping that grows is brought in and counted, as far as the limit goes")
{
	u8 *p = pages(6, RW), *q;

	OK(munmap(p + 4 * PAGE, 2 * PAGE));
	limited(12);
	OK(mlock(p, 4 * PAGE));
	q = mremap(p, 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE);
	NEED(q != MAP_FAILED);
	IS(pages_present(q, 8), 8);
	IS(pages_locked(), 8);
	FAILS(mremap(q, 8 * PAGE, 13 * PAGE, MREMAP_MAYMOVE), EAGAIN);
	CHECK(mremap(q, 8 * PAGE, 3 * PAGE, 0) == q);
	IS(pages_locked(), 3);
}

TEST(populate, "[V3] MAP_POPULATE and MAP_LOCKED bring all in, of a file too")
{
	u8 *p = map(50, RW, MAP_POPULATE);
	static u8 page[8 * PAGE];
	int fd;

	IS(pages_present(p, 50), 50);
	p = map(50, RW, MAP_POPULATE | MAP_NONBLOCK);
	IS(pages_present(p, 50), 0);
	p = map(20, RW, MAP_LOCKED);
	IS(pages_present(p, 20), 20);
	IS(pages_locked(), 20);
	p = map(20, PROT_NONE, MAP_POPULATE);
	CHECK(p != MAP_FAILED);
	enter_scratch();
	fd = make_file("file", page, sizeof(page), 0600);
	p = mmap(NULL, 12 * PAGE, RW, MAP_SHARED | MAP_POPULATE, fd, 0);
	NEED(p != MAP_FAILED);
	p[0] = 1;
	IS(pages_present(p, 8), 8);
}
