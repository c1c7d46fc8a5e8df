/* The vDSO (vdso(7)): a shared object that the kernel maps into every program, behind the page of clock parameters
 * (kernel/abi/vdso.h). A C library finds it by AT_SYSINFO_EHDR and calls it in place of the system calls; what it cannot
 * answer goes on to the system call. It has no data of its own and no relocations. */
#include "kernel/abi/linux.h"
#include "kernel/abi/vdso.h"

/* The page in front of our ELF header, which is where the image begins. Not const: the kernel changes it. */
extern char __ehdr_start[] __attribute__((visibility("hidden")));
#define CLOCKS ((const struct clock_page *)(__ehdr_start - PAGE_SIZE))

#define VDSO(name) __typeof__(__vdso_##name) name __attribute__((weak, alias("__vdso_" #name)))

static long system_call(long nr, long a, const void *b, const void *c)
{
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "0"(nr), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return ret;
}

int __vdso_clock_gettime(__kernel_clockid_t clock, struct __kernel_timespec *ts)
{
	if (!clock_shared(CLOCKS, (u32)clock))
		return (int)system_call(__NR_clock_gettime, clock, ts, NULL);
	u64 ns = clock_page_read(CLOCKS, (u32)clock);
	ts->tv_sec = (i64)(ns / NS_PER_SEC);
	ts->tv_nsec = (i64)(ns % NS_PER_SEC);
	return 0;
}

int __vdso_clock_getres(__kernel_clockid_t clock, struct __kernel_timespec *res)
{
	if (!clock_shared(CLOCKS, (u32)clock))
		return (int)system_call(__NR_clock_getres, clock, res, NULL);
	if (res)
		*res = (struct __kernel_timespec){.tv_nsec = 1};
	return 0;
}

int __vdso_gettimeofday(struct timeval *tv, struct timezone *tz)
{
	if (!clock_shared(CLOCKS, CLOCK_REALTIME))
		return (int)system_call(__NR_gettimeofday, (long)tv, tz, NULL);
	if (tv) {
		u64 ns = clock_page_read(CLOCKS, CLOCK_REALTIME);

		tv->tv_sec = (i64)(ns / NS_PER_SEC);
		tv->tv_usec = (i64)(ns % NS_PER_SEC / NS_PER_USEC);
	}
	if (tz)
		*tz = (struct timezone){0};
	return 0;
}

__kernel_old_time_t __vdso_time(__kernel_old_time_t *ret)
{
	if (!clock_shared(CLOCKS, CLOCK_REALTIME))
		return system_call(__NR_time, (long)ret, NULL, NULL);
	__kernel_old_time_t now = (i64)(clock_page_read(CLOCKS, CLOCK_REALTIME) / NS_PER_SEC);
	if (ret)
		*ret = now;
	return now;
}

int __vdso_getcpu(u32 *ret_cpu, u32 *ret_node, void *unused)
{
	u32 cpu;
	bool known;

	__asm__ volatile("lsl %2, %0" : "=r"(cpu), "=@ccz"(known) : "r"(VDSO_CPU_SELECTOR));
	if (!known)
		return (int)system_call(__NR_getcpu, (long)ret_cpu, ret_node, unused);
	if (ret_cpu)
		*ret_cpu = cpu;
	if (ret_node)
		*ret_node = 0;
	return 0;
}

/* The same without the prefix, for who looks them up by their plain names. */
VDSO(clock_gettime);
VDSO(clock_getres);
VDSO(gettimeofday);
VDSO(time);
VDSO(getcpu);
