/* Waiting for children: wait4(2), waitid(2). */
#pragma once

#include "kernel/abi/linux.h"

struct wait_request {
	int pid;     /* as wait4's: > 0 one child, 0 own group, -1 any, < -1 a group */
	u32 options; /* WEXITED WUNTRACED WCONTINUED WNOHANG WNOWAIT __WALL __WCLONE */
};

struct wait_result {
	int status;
	u32 uid;
	struct rusage usage;
};

/* proc_wait: => the child's pid and *RET; 0: WNOHANG and nothing to tell; -ECHILD; -ERESTARTSYS */
i64 proc_wait(const struct wait_request *w, struct wait_result *ret);
