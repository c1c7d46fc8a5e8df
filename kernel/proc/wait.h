/* Waiting for children: wait4(2), waitid(2). */
#pragma once

#include "kernel/abi/linux.h"

struct wait_request {
	u32 which;   /* P_ALL, P_PID, P_PGID */
	pid_t nr;    /* of the child, of the group; 0: the caller's own group */
	u32 options; /* WEXITED WUNTRACED WCONTINUED WNOHANG WNOWAIT __WALL __WCLONE */
};

struct wait_result {
	int status; /* as wait4 tells it */
	u32 uid;
	bool traced; /* told to a tracer */
	struct rusage usage;
};

/* proc_wait: => the child's pid and *RET; 0: WNOHANG and nothing to tell; -ECHILD; -ERESTARTSYS */
i64 proc_wait(const struct wait_request *w, struct wait_result *ret);
