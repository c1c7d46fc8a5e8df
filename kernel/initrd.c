#include "kernel/initrd.h"
#include "hal/base/assert.h"
#include "hal/base/cmdline.h"
#include "hal/base/dmap.h"
#include "hal/base/log.h"
#include "hal/base/string.h"
#include "hal/dev/power.h"
#include "kernel/abi/errno.h"
#include "kernel/fs/vfs.h"
#include "kernel/proc/proc.h"
#include "kernel/system.h"

#define STATUS_BAD_ROOT 123
#define WORDS_MAX 64

static void unpack(paddr_t where, u64 size, const char *what)
{
	int err = where ? cpio_unpack(phys_to_virt(where), size) : 0;

	if (!err)
		return;
	klog(LOG_ERROR, "bulkhead: cannot unpack %s: %s", what,
	     err == -ENOMEM || err == -ENOSPC ? "out of memory" : "the archive is broken");
	power_off(STATUS_BAD_ROOT);
}

void initrd_unpack(const struct bootinfo *bi)
{
	unpack(bi->initrd, bi->initrd_size, "the built-in root");
	unpack(bi->initrd_extra, bi->initrd_extra_size, "\\initrd.cpio");
}

/* The command line's other words, NAME=value in capitals, are pid 1's environment, as with Linux. */
static void environment(char **envp, char *buf, u32 max)
{
	u32 n = 0;
	char *s = buf;

	str_copy(buf, kernel_cmdline, BOOT_CMDLINE_MAX);
	while (*s && n < max - 1) {
		char *word = s, *equals;

		while (*s && *s != ' ')
			s++;
		if (*s)
			*s++ = 0;
		if (strcmp(word, "--") == 0)
			break;
		equals = strchr(word, '=');
		if (equals && *word >= 'A' && *word <= 'Z')
			envp[n++] = word;
	}
	envp[n] = NULL;
}

void initrd_start_init(const struct bootinfo *bi)
{
	static char path[256], words[BOOT_CMDLINE_MAX], env[BOOT_CMDLINE_MAX];
	static char *argv[WORDS_MAX + 2], *envp[WORDS_MAX + 1];
	char bench[8];
	u32 n;

	if (cmdline_get(kernel_cmdline, "init", path, sizeof(path)) <= 0)
		str_copy(path, "/sbin/init", sizeof(path));
	argv[0] = path;
	n = cmdline_rest(kernel_cmdline, words, sizeof(words), &argv[1], WORDS_MAX);
	argv[n + 1] = NULL;
	environment(envp, env, WORDS_MAX + 1);
	if (cmdline_get(kernel_cmdline, "bench", bench, sizeof(bench)) > 0 && strcmp(bench, "boot") == 0)
		proc_measure_boot(bi->tsc_entry);
	if (proc_start_init(path, argv, envp) < 0)
		panic("out of memory for pid 1");
}
