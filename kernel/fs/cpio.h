/* Reading cpio archives of the "newc" format (cpio(5); Linux, Documentation/driver-api/early-userspace/
 * buffer-format.rst). Portable: works on any bytes, allocates nothing, trusts nothing. */
#pragma once

#include "hal/base/types.h"

struct cpio_reader {
	const u8 *data;    /* [I] */
	size_t size;       /* [I] bytes */
	size_t pos;        /* where the next entry begins */
	const char *error; /* after -EINVAL: what is wrong */
	size_t error_at;   /* and at which byte */
};

struct cpio_entry {
	const char
	        *name; /* terminated, within the archive; without leading slashes and "./"; "" is the root */
	u32 mode, uid, gid, nlink, mtime;
	u64 id;   /* equal for names of one file, if nlink > 1 */
	u32 rdev; /* as MAKEDEV */
	const u8 *data;
	u32 size;  /* bytes */
	size_t at; /* where the entry begins */
};

void cpio_open(struct cpio_reader *r, const void *data, size_t size);

/* cpio_next: archives may follow one another with zeroes between. Each must end with its trailer.
 * => 1 and the next entry; 0 at the end of the last archive; -EINVAL */
int cpio_next(struct cpio_reader *r, struct cpio_entry *ret);
