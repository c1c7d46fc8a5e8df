/* /proc/PID/smaps, smaps_rollup and auxv: what a program has of memory, told as on Linux. */
#include "testsuite/prog/tap.h"
#include <elf.h>
#include <sys/auxv.h>

/* The value of KEY in FILE, in kB: of the mapping at ADDR, or the first. */
static i64 value(const char *file, u64 addr, const char *key)
{
	FILE *f = fopen(file, "r");
	bool here = !addr;
	i64 found = -1;
	char line[512];

	NEED(f);
	while (found < 0 && fgets(line, sizeof(line), f)) {
		u64 start, end;

		if (addr && sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = start <= addr && addr < end;
		else if (here && !strncmp(line, key, strlen(key)) && line[strlen(key)] == ':')
			found = atol(line + strlen(key) + 1);
	}
	fclose(f);
	return found;
}

static i64 kb(const void *p, const char *key)
{
	return value("/proc/self/smaps", (u64)p, key);
}

#define SIZE (16 * PAGE)

/* SIZE bytes that are no neighbours of others. */
static u8 *alone(void)
{
	u8 *p = mmap(NULL, SIZE + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	OK(mprotect(p + PAGE, SIZE, PROT_READ | PROT_WRITE));
	return p + PAGE;
}

TEST(anonymous,
     "[V3] smaps: memory that was not touched has no Rss; touched, it is private, dirty and anonymous")
{
	u8 *p = alone();

	IS(kb(p, "Size"), 64);
	IS(kb(p, "Rss"), 0);
	p[0] = p[PAGE] = 1;
	IS(kb(p, "Rss"), 8);
	IS(kb(p, "Pss"), 8);
	IS(kb(p, "Private_Dirty"), 8);
	IS(kb(p, "Private_Clean"), 0);
	IS(kb(p, "Shared_Dirty"), 0);
	IS(kb(p, "Anonymous"), 8);
	IS(kb(p - PAGE, "Rss"), 0);
}

TEST(after_fork, "[V2] smaps: after fork the pages are shared by halves, and the writer's own again")
{
	u8 *p = alone();
	int go[2];

	memset(p, 1, SIZE - PAGE);
	OK(pipe(go));
	pid_t pid = fork();
	if (pid == 0) {
		char c;

		_exit(read(go[0], &c, 1) != 1);
	}
	IS(kb(p, "Rss"), 60);
	IS(kb(p, "Pss"), 30);
	IS(kb(p, "Shared_Dirty"), 60);
	IS(kb(p, "Private_Dirty"), 0);
	p[0] = 2;
	IS(kb(p, "Private_Dirty"), 4);
	IS(kb(p, "Shared_Dirty"), 56);
	IS(kb(p, "Pss"), 32);
	IS(write(go[1], "x", 1), 1);
	IS(waitpid(pid, NULL, 0), pid);
}

TEST(rollup, "[X6] smaps_rollup is the sum of smaps")
{
	FILE *f = fopen("/proc/self/smaps", "r");
	char line[512];
	i64 rss = 0;

	NEED(f);
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, "Rss:", 4))
			rss += atol(line + 4);
	fclose(f);
	IS(llabs(value("/proc/self/smaps_rollup", 0, "Rss") - rss) < 32, true);
	IS(rss > 0, true);
}

TEST(auxiliary, "[X6] /proc/PID/auxv is the vector that the program got")
{
	Elf64_auxv_t aux[64];
	int fd = OK(open("/proc/self/auxv", O_RDONLY));
	i64 n = OK(read(fd, aux, sizeof(aux))) / (i64)sizeof(aux[0]);

	IS(n > 10, true);
	IS(aux[n - 1].a_type, AT_NULL);
	for (i64 i = 0; i < n - 1; i++)
		IS(aux[i].a_un.a_val, getauxval(aux[i].a_type));
}
