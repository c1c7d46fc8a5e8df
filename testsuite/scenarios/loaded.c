/* What a program finds when it has been loaded, whoever linked it and however: scenarios/loaded.py builds it in eight
 * ways. It prints one line for each thing that is wrong, and `as it should` when none is.
 *
 * usage: PATH static|dynamic pie|fixed, with ONE=1 and TWO=2 as the whole environment */
#define _GNU_SOURCE
#include <elf.h>
#include <link.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#define THREADS 4
#define PAGE 4096UL

static int wrong;

#define MUST(cond)                                    \
	do {                                          \
		if (!(cond)) {                        \
			printf("wrong: %s\n", #cond); \
			wrong = 1;                    \
		}                                     \
	} while (0)

/* --- thread-local storage, with initial values and without, and a place that asks for more than a word --- */

static __thread int local = 42;
static __thread char text[16] = "of each thread";
static __thread uint64_t zeroes[100];
static __thread struct {
	uint64_t word;
} __attribute__((aligned(64))) aligned = {7};

static int locals_are_fresh(void)
{
	for (int i = 0; i < 100; i++)
		if (zeroes[i])
			return 0;
	return local == 42 && !strcmp(text, "of each thread") && aligned.word == 7 &&
	       (uintptr_t)&aligned % 64 == 0;
}

static pthread_barrier_t barrier;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int sum, fresh;

static void *thread_main(void *arg)
{
	int mine = (int)(intptr_t)arg, was_fresh = locals_are_fresh();

	local = mine;
	memset(text, 'a' + mine, sizeof(text) - 1);
	memset(zeroes, mine, sizeof(zeroes));
	aligned.word = (uint64_t)mine;
	pthread_barrier_wait(&barrier); /* by now each has written its own */
	for (int i = 0; i < 1000; i++) {
		pthread_mutex_lock(&lock);
		sum++;
		pthread_mutex_unlock(&lock);
	}
	pthread_mutex_lock(&lock);
	fresh += was_fresh && local == mine && text[3] == 'a' + mine && aligned.word == (uint64_t)mine;
	pthread_mutex_unlock(&lock);
	return &local;
}

static void check_threads(void)
{
	pthread_t thread[THREADS];
	void *place[THREADS];

	MUST(pthread_barrier_init(&barrier, NULL, THREADS) == 0);
	for (intptr_t i = 0; i < THREADS; i++)
		MUST(pthread_create(&thread[i], NULL, thread_main, (void *)i) == 0);
	for (int i = 0; i < THREADS; i++)
		MUST(pthread_join(thread[i], &place[i]) == 0 && place[i] != &local);
	MUST(sum == THREADS * 1000 && fresh == THREADS);
	MUST(locals_are_fresh());
}

/* --- constructors --- */

static int constructed[3], turn;

__attribute__((constructor(201))) static void second(void)
{
	constructed[1] = ++turn;
}

__attribute__((constructor(101))) static void first(void)
{
	constructed[0] = ++turn;
}

__attribute__((constructor)) static void third(void)
{
	constructed[2] = ++turn;
}

__attribute__((destructor)) static void last(void)
{
	static const char end[] = "destroyed\n";

	if (write(1, end, sizeof(end) - 1) < 0)
		_exit(3);
}

/* --- relocations: addresses in data that only loading can fill in --- */

static int number = 5;
static int *const pointer = &number;
static int (*const function)(const char *, const char *) = strcmp;
static const char *const names[] = {"zero", "one", "two"};

/* --- what the kernel said --- */

static void check_vectors(int argc, char **argv, char **envp, int dynamic)
{
	char exe[256] = {0};
	const char *random = (const char *)getauxval(AT_RANDOM);

	MUST(argc == 3 && !argv[3]);
	MUST(envp == argv + 4 && envp[0] && envp[1] && !envp[2]);
	MUST(!strcmp(getenv("ONE"), "1") && !strcmp(getenv("TWO"), "2"));
	MUST(getauxval(AT_PAGESZ) == PAGE && getauxval(AT_CLKTCK) == 100 && !getauxval(AT_SECURE));
	MUST(!strcmp((char *)getauxval(AT_EXECFN), argv[0]));
	MUST(!strcmp((char *)getauxval(AT_PLATFORM), "x86_64"));
	MUST(random && memcmp(random, random + 8, 8));
	MUST(getauxval(AT_UID) == getuid() && getauxval(AT_EGID) == getegid());
	MUST(!getauxval(AT_BASE) == !dynamic);
	MUST(readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0 && !strcmp(exe, argv[0]));
}

extern char __executable_start, _end;

static void check_headers(int pie, int dynamic)
{
	uintptr_t start = (uintptr_t)&__executable_start, entry = getauxval(AT_ENTRY);
	const ElfW(Phdr) *p = (const void *)getauxval(AT_PHDR);
	int loads = 0, interp = 0, stack = 0, tls = 0;

	MUST(getauxval(AT_PHENT) == sizeof(*p) && (uintptr_t)p == start + sizeof(ElfW(Ehdr)));
	for (size_t i = 0; i < getauxval(AT_PHNUM); i++) {
		loads += p[i].p_type == PT_LOAD;
		interp += p[i].p_type == PT_INTERP;
		tls += p[i].p_type == PT_TLS;
		stack += p[i].p_type == PT_GNU_STACK && p[i].p_flags == (PF_R | PF_W);
	}
	MUST(loads >= 2 && interp == dynamic && stack == 1 && tls == 1);
	MUST(entry > start && entry < (uintptr_t)&_end);
	MUST((start >= 1UL << 40) == pie);
}

/* No mapping is writable and executable; the stack is no code. */
static void check_maps(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512], rights[8];
	int stack = 0;

	while (f && fgets(line, sizeof(line), f)) {
		MUST(sscanf(line, "%*s %7s", rights) == 1);
		MUST(rights[1] != 'w' || rights[2] != 'x');
		stack += strstr(line, "[stack]") && !strcmp(rights, "rw-p");
	}
	MUST(f && fclose(f) == 0 && stack == 1);
}

int main(int argc, char **argv, char **envp)
{
	int dynamic = argc > 1 && !strcmp(argv[1], "dynamic"), pie = argc > 2 && !strcmp(argv[2], "pie");

	MUST(constructed[0] == 1 && constructed[1] == 2 && constructed[2] == 3);
	MUST(*pointer == 5 && function("a", "a") == 0 && !strcmp(names[argc - 1], "two"));
	check_vectors(argc, argv, envp, dynamic);
	check_headers(pie, dynamic);
	check_maps();
	check_threads();
	if (!wrong)
		printf("as it should\n");
	fflush(stdout);
	return wrong;
}
