/* The table of contents: everything, in the order in which it comes to life. */
#include "efi/bootinfo.h"
#include "hal/base/assert.h"
#include "hal/base/cmdline.h"
#include "hal/base/dmap.h"
#include "hal/base/log.h"
#include "hal/base/printf.h"
#include "hal/base/sabotage.h"
#include "hal/base/string.h"
#include "hal/console/console.h"
#include "hal/cpu/backtrace.h"
#include "hal/cpu/cpu.h"
#include "hal/cpu/random.h"
#include "hal/dev/acpi.h"
#include "hal/dev/keyboard.h"
#include "hal/dev/pci.h"
#include "hal/dev/power.h"
#include "hal/irq/irq.h"
#include "hal/time/clock.h"
#include "kernel/firmware.h"
#include "kernel/fs/vfs.h"
#include "kernel/initrd.h"
#include "kernel/proc/proc.h"
#include "kernel/proc/vdso.h"
#include "kernel/sys/ipc.h"
#include "kernel/sys/memory.h"
#include "kernel/sys/syscall.h"
#include "kernel/system.h"
#include "kernel/tty/tty.h"
#include "sched/thread.h"
#include "vm/aspace.h"
#include "vm/frame.h"
#include "vm/kmem.h"
#include "vm/kva.h"
#include "vm/pmap.h"
#ifdef BULKHEAD_TESTING
#include "testsuite/kern/kern.h"
#endif

const char *kernel_cmdline;

static struct bootinfo boot; /* a copy: the stub's memory is given back */
static char cmdline_copy[BOOT_CMDLINE_MAX];

static void take_bootinfo(const struct bootinfo *bi)
{
	dmap_base = bi->dmap_base;
	boot = *bi;
	str_copy(cmdline_copy, phys_to_virt(bi->cmdline), sizeof(cmdline_copy));
	kernel_cmdline = cmdline_copy;
}

/* As soon as a panic can be seen. */
static void check_bootinfo(void)
{
	if (boot.magic != BOOTINFO_MAGIC || boot.version != BOOTINFO_VERSION || boot.size != sizeof(boot))
		panic("the stub speaks version %u of the boot contract, the kernel %u", boot.version,
		      BOOTINFO_VERSION);
	sabotage_check(kernel_cmdline);
}

static void read_switches(void)
{
	char value[32];

	aspace_randomize = !cmdline_has(kernel_cmdline, "norandmaps");
	aspace_allow_wx =
	        cmdline_get(kernel_cmdline, "wx", value, sizeof(value)) > 0 && strcmp(value, "allow") == 0;
	syscall_trace_all = cmdline_get(kernel_cmdline, "trace", value, sizeof(value)) > 0 &&
	                    strcmp(value, "syscalls") == 0;
	failalloc_init(kernel_cmdline);
}

/* The kernel's own symbols stay, for backtraces; the rest of what the stub brought is given back. */
static void keep_symbols(void)
{
	ksyms_init(phys_to_virt(boot.kernel_elf), boot.kernel_elf_size, boot.image_slide);
	frame_keep(boot.kernel_elf, boot.kernel_elf_size);
}

/* What needs a thread: it may sleep. The first thread of the kernel ends here. */
static void kernel_init(void *arg)
{
	vfs_init();
	shm_init();
	tty_init();
	initrd_unpack(&boot);
	frame_reclaim();
#ifdef BULKHEAD_TESTING
	if (cmdline_has(kernel_cmdline, "kerntest"))
		kern_tests_run();
#endif
	initrd_start_init(&boot);
}

void __noreturn kernel_main(const struct bootinfo *bi)
{
	take_bootinfo(bi);
	sabotage_init(kernel_cmdline);
	cpu_init_boot(boot.image_phys, boot.image_virt);
	random_init(boot.entropy, sizeof(boot.entropy));
	console_init_early(kernel_cmdline);
	power_init(kernel_cmdline, NULL); /* for a panic; what firmware offers follows */
	check_bootinfo();
	klog(LOG_INFO, "Bulkhead, on %s", cpu_features.brand[0] ? cpu_features.brand : cpu_features.vendor);

	frame_init_early(&boot);
	pmap_init(&boot);
	frame_init(&boot);
	kmem_init();
	kva_init();
	aspace_init(file_get, file_put, memory_limit);
	keep_symbols();
	read_switches();

	acpi_init(boot.acpi_rsdp);
	power_init(kernel_cmdline, firmware_init(&boot));
	if (irq_init() < 0)
		panic("no interrupt controller that ACPI knows of");
	clock_init(kernel_cmdline, boot.real_time, boot.tsc_entry);
	console_init(kernel_cmdline, &boot.fb);
	keyboard_init();
	pci_init();

	sched_init();
	proc_init();
	vdso_init();
	klog(LOG_INFO, "%lu MiB of memory, %lu free", frame_total() / 256, frame_free_count() / 256);
	if (thread_spawn("kernel_init", kernel_init, NULL) < 0)
		panic("out of memory at boot");
	sched_start();
}
