/* The ABI: Linux's own user-space headers (leaf; package linux-libc-dev). What they lack is below. */
#pragma once

#include "hal/base/types.h"
#include "kernel/abi/errno.h"

#include <asm/ioctls.h>
#include <asm/mman.h>
#include <asm/poll.h>
#include <asm/prctl.h>
#include <asm/sigcontext.h>
#include <asm/siginfo.h>
#include <asm/signal.h>
#include <asm/stat.h>
#include <asm/statfs.h>
#include <asm/termbits.h>
#include <asm/termios.h>
#include <asm/ucontext.h>
#include <asm/unistd.h>
#include <linux/audit.h>
#include <linux/auxvec.h>
#include <linux/close_range.h>
#include <linux/elf.h>
#include <linux/eventpoll.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/limits.h>
#include <linux/major.h>
#include <linux/memfd.h>
#include <linux/mman.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/personality.h>
#include <linux/pidfd.h>
#include <linux/membarrier.h>
#include <linux/prctl.h>
#include <linux/ptrace.h>
#include <linux/random.h>
#include <linux/reboot.h>
#include <linux/resource.h>
#include <linux/sched.h>
#include <linux/signal.h>
#include <linux/signalfd.h>
#include <linux/sysinfo.h>
#include <linux/time.h>
#include <linux/time_types.h>
#include <linux/timerfd.h>
#include <linux/times.h>
#include <linux/timex.h>
#include <linux/tty.h>
#include <linux/uio.h>
#include <linux/utsname.h>
#include <linux/wait.h>

/* In the host's tests the C library would hide the types and modes of files. */
#if __STDC_HOSTED__
#define __KERNEL__
#include <linux/stat.h>
#undef __KERNEL__
#else
#include <linux/stat.h>
#endif

struct linux_dirent64 { /* getdents64(2) */
	u64 d_ino;
	i64 d_off;
	u16 d_reclen;
	u8 d_type;
	char d_name[];
};

#define DT_UNKNOWN 0
#define DT_FIFO 1
#define DT_CHR 2
#define DT_DIR 4
#define DT_BLK 6
#define DT_REG 8
#define DT_LNK 10
#define DT_SOCK 12

/* eventfd2(2) */
#define EFD_SEMAPHORE 1
#define EFD_CLOEXEC O_CLOEXEC
#define EFD_NONBLOCK O_NONBLOCK

#define MAKEDEV(major, minor) ((u32)(((major) << 8) | ((minor)&0xff) | (((minor) & ~0xffU) << 12)))
#define DEV_MINOR(dev) (((dev)&0xff) | ((dev) >> 12 & ~0xffU))

/* Only in the testing build (missions I1 and V10) */
#define __NR_test_share 400
#define __NR_test_fetch 401
#define __NR_test_failalloc 402
#define __NR_test_ranges 403
