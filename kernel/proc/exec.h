/* Replacing a program by another (execve(2)). */
#pragma once

#include "kernel/abi/linux.h"

/* The strings of a new program: of ring 3, or (for pid 1) the kernel's own. */
struct exec_strings {
	bool kernel;
	union {
		uaddr_t user;       /* an array of user addresses, ended by 0; 0 itself is an empty one */
		char *const *array; /* the same in kernel memory, ended by NULL */
	};
};

/* exec_run: run PATH (kernel memory). Everything is checked, and the new address space is complete, before the old
 * program is touched; on failure it goes on. => 0: the caller's frame is that of the new program */
i64 exec_run(const char *path, struct exec_strings argv, struct exec_strings envp);
