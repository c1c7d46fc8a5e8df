/* cflags: -fPIE -nostartfiles -l:rcrt1.o -Wl,-pie,--no-dynamic-linker,-z,text */
/* Where exec places a program: this one, which is position-independent, executes itself some hundred times and tells
 * each time where its parts are. The entropy of a place is measured in two ways, of which the smaller counts: the sum
 * over its bits of what each tells (a bit that is always the same tells nothing), and how many of the bits are
 * independent of each other, the rank of the differences between the samples over GF(2). */
#include "testsuite/prog/tap.h"

#include <math.h>
#include <spawn.h>
#include <sys/auxv.h>
#include <sys/personality.h>

#define SAMPLES 400

enum part {
	IMAGE,
	HEAP,
	MMAP,
	STACK,
	VDSO,
	PARTS
};

struct places {
	u64 at[PARTS];
};

extern char **environ;
extern const char __ehdr_start[];

static struct places places_here(void *argv)
{
	return (struct places){{
	        [IMAGE] = (u64)__ehdr_start,
	        [HEAP] = (u64)syscall(SYS_brk, 0),
	        [MMAP] = (u64)pages(1, PROT_READ),
	        [STACK] = (u64)argv,
	        [VDSO] = getauxval(AT_SYSINFO_EHDR),
	}};
}

/* places_of: those of a new program. */
static struct places places_of(void)
{
	static char *const argv[] = {"layout", "@where", NULL}, *const no_environment[] = {NULL};
	posix_spawn_file_actions_t actions;
	struct places p;
	int ends[2];
	pid_t pid;

	OK(pipe(ends));
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
	IS(posix_spawn(&pid, "/proc/self/exe", &actions, NULL, argv, no_environment), 0);
	IS(read(ends[0], &p, sizeof(p)), sizeof(p));
	posix_spawn_file_actions_destroy(&actions);
	close(ends[0]);
	close(ends[1]);
	IS(wait_status(pid), EXITED(0));
	return p;
}

/* --- entropy --- */

static u32 rank_of(const u64 *value, u32 n)
{
	u64 basis[64] = {0};
	u32 rank = 0;

	for (u32 i = 1; i < n; i++) {
		u64 v = value[i] ^ value[0];

		for (int bit = 63; bit >= 0 && v; bit--) {
			if (!(v >> bit & 1))
				continue;
			if (!basis[bit]) {
				basis[bit] = v;
				rank++;
				break;
			}
			v ^= basis[bit];
		}
	}
	return rank;
}

static double bits_of(const u64 *value, u32 n)
{
	double sum = 0;

	for (u32 bit = 0; bit < 64; bit++) {
		double ones = 0;

		for (u32 i = 0; i < n; i++)
			ones += value[i] >> bit & 1;
		ones /= n;
		if (ones > 0 && ones < 1)
			sum -= ones * log2(ones) + (1 - ones) * log2(1 - ones);
	}
	return sum;
}

static double entropy(const u64 *value, u32 n)
{
	u32 rank = rank_of(value, n);
	double bits = bits_of(value, n);

	return bits < rank ? bits : rank;
}

TEST(measure, "[V4] the measure itself: of known bits, of bits that depend on each other, of none")
{
	static u64 value[SAMPLES];
	u64 x = 88172645463325252;

	IS(entropy(value, SAMPLES), 0);
	for (u32 i = 0; i < SAMPLES; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		value[i] = (x >> 20 & 0x3ffffff) << 12;
	}
	CHECK(entropy(value, SAMPLES) > 25.9 && entropy(value, SAMPLES) <= 26);
	for (u32 i = 0; i < SAMPLES; i++)
		value[i] |= value[i] << 26;
	CHECK(entropy(value, SAMPLES) > 25.9 && entropy(value, SAMPLES) <= 26);
}

static struct places sample[SAMPLES];

static void samples_take(void)
{
	for (u32 i = 0; i < SAMPLES; i++)
		sample[i] = places_of();
}

/* entropy_is: of the distance between two parts, in pages, or of one part's place (FROM is PARTS). */
static void entropy_is(enum part of, enum part from, double least)
{
	static const char *const names[] = {"image", "heap", "mmap area", "stack", "vDSO", "0"};
	u64 value[SAMPLES];
	double got;

	for (u32 i = 0; i < SAMPLES; i++)
		value[i] = from == PARTS ? sample[i].at[of]
		                         : sample[i].at[of] / PAGE - sample[i].at[from] / PAGE;
	got = entropy(value, SAMPLES);
	say("# %s, seen from %s: %.2f bits\n", names[of], names[from], got);
	if (got < least) {
		note("less than %.2f", least);
		tap_failures++;
	}
}

TEST(random_places,
     "[V4] over 400 execs: image, heap, mmap area, stack and vDSO each have their bits of entropy")
{
	bool ours = on_bulkhead();

	/* Linux: what it is configured to, and its vDSO and heap have less. */
	samples_take();
	entropy_is(IMAGE, PARTS, 27);
	entropy_is(HEAP, PARTS, ours ? 28 : 12);
	entropy_is(MMAP, PARTS, ours ? 28 : 27);
	entropy_is(STACK, PARTS, 28);
	entropy_is(VDSO, PARTS, ours ? 28 : 15);
}

TEST(independent_places, "[V4] who knows the place of one does not know another's")
{
	bool ours = on_bulkhead();

	samples_take();
	entropy_is(HEAP, IMAGE, 12);
	entropy_is(STACK, MMAP, 27);
	entropy_is(STACK, IMAGE, 27);
	entropy_is(VDSO, MMAP, ours ? 28 : 0);
	entropy_is(MMAP, IMAGE,
	           ours ? 27 : 0); /* Linux takes a program without a loader for one, into the mmap area */
	entropy_is(VDSO, STACK, ours ? 7 : 0);
}

TEST(fork_keeps, "[V4] a child of fork is where its parent is")
{
	u64 *told = shared_pages(1);
	struct places here = places_here(environ);

	munmap(opaque(here.at[MMAP]), PAGE);
	IS(CHILD({
		   struct places child = places_here(environ);

		   memcpy(told, &child, sizeof(child));
	   }),
	   EXITED(0));
	IS(memcmp(told, &here, sizeof(here)), 0);
}

TEST(no_randomize,
     "[V4] under personality(ADDR_NO_RANDOMIZE) every exec is the same, and without it again not")
{
	struct places first, next;
	int before = OK(personality(0xffffffff));

	IS(OK(personality(before | ADDR_NO_RANDOMIZE)), before);
	first = places_of();
	for (u32 i = 0; i < 5; i++) {
		next = places_of();
		IS(memcmp(&first, &next, sizeof(first)), 0);
	}
	OK(personality(before));
	for (u32 i = 0; i < PARTS; i++) {
		u32 same = 0;

		for (u32 k = 0; k < 4; k++)
			same += places_of().at[i] == first.at[i];
		CHECK(same < 4);
	}
}

/* @where: the places as they are, to whoever started us; @say: to be read. */
int role_main(int argc, char **argv)
{
	struct places p = places_here(argv);

	(void)argc;
	if (!strcmp(argv[1], "@say")) {
		for (u32 i = 0; i < PARTS; i++)
			say("%lx\n", p.at[i]);
		return 0;
	}
	return write(1, &p, sizeof(p)) != sizeof(p);
}
