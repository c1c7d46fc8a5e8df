/* Numbers of system calls that nobody built; which, the table says (kernel/abi/SYSCALLS.md, scenarios/table.py). */
#include "testsuite/prog/tap.h"

TEST(beyond, "[P7] a number behind the last call is ENOSYS, whatever the arguments")
{
	static const long numbers[] = {600, 1000, 65536, 0x7fffffff, -1, -4096};

	for (u32 i = 0; i < ARRAY_SIZE(numbers); i++) {
		FAILS(syscall(numbers[i], 0, 0, 0, 0, 0, 0), ENOSYS);
		FAILS(syscall(numbers[i], -1, -1, -1, -1, -1, -1), ENOSYS);
	}
}

/* @missing N...: each is ENOSYS. Only for Bulkhead: on Linux they do something. */
int role_main(int argc, char **argv)
{
	if (!on_bulkhead())
		return 1;
	for (int i = 2; i < argc; i++)
		if (syscall(atoi(argv[i]), 0, 0, 0, 0, 0, 0) != -1 || errno != ENOSYS)
			say("%s is there\n", argv[i]);
	return 0;
}
