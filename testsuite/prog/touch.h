/* Touching memory that may not be there: the fault is caught, and the test goes on. */
#pragma once

#include <setjmp.h>

static sigjmp_buf fault_jump UNUSED;
static volatile int fault_signal, fault_code;
static void *volatile fault_addr;

static UNUSED void on_fault(int sig, siginfo_t *info, void *context)
{
	(void)context;
	fault_signal = sig;
	fault_code = info->si_code;
	fault_addr = info->si_addr;
	siglongjmp(fault_jump, 1);
}

static UNUSED void catch_faults(void)
{
	struct sigaction act = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};

	sigaction(SIGSEGV, &act, NULL);
	sigaction(SIGBUS, &act, NULL);
}

/* => 0 when the touch went well, else the signal */
static UNUSED int touch(const void *p, bool write)
{
	fault_signal = 0;
	if (sigsetjmp(fault_jump, 1) == 0) {
		if (write)
			*(volatile u8 *)p = 1;
		else
			(void)*(volatile u8 *)p;
	}
	return fault_signal;
}

#define READ_FAULT(p, sig, code)             \
	do {                                 \
		IS(touch(p, false), sig);    \
		IS(fault_code, code);        \
		IS(fault_addr, (void *)(p)); \
	} while (0)
#define WRITE_FAULT(p, sig, code)            \
	do {                                 \
		IS(touch(p, true), sig);     \
		IS(fault_code, code);        \
		IS(fault_addr, (void *)(p)); \
	} while (0)
