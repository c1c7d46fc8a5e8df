/* with: testsuite/fuzz/elf.c kernel/proc/elf.c */
/* The loader's checks against mutated files (E4): the fuzz target with its first inputs, changed at random from a fixed
 * seed. The same each time; `make fuzz` goes on where this ends. */
#include "testsuite/fuzz/fuzz.h"
#include "testsuite/host/tap.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEED 1
#define MUTANTS 400000
#define INPUTS_MAX 100
#define INPUT_BYTES 8192
#define HEADERS 400 /* bytes at the beginning, in which most changes fall */

struct input {
	size_t size;
	u8 bytes[INPUT_BYTES];
};

static struct input inputs[INPUTS_MAX];
static u32 input_count;
static const char *failure; /* the first thing that did not hold */
static u64 rng = SEED;

void fuzz_failed(const char *what)
{
	if (!failure)
		failure = what;
}

static u64 rnd(u64 below)
{
	u64 z = rng += 0x9e3779b97f4a7c15UL; /* splitmix64 */

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9UL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebUL;
	return (z ^ z >> 31) % below;
}

static void read_inputs(const char *folder)
{
	struct dirent **names;
	int n = scandir(folder, &names, NULL, alphasort);

	for (int i = 0; i < n && input_count < INPUTS_MAX; i++) {
		char path[512];
		FILE *f;

		snprintf(path, sizeof(path), "%s/%s", folder, names[i]->d_name);
		f = names[i]->d_name[0] == '.' ? NULL : fopen(path, "rb");
		free(names[i]);
		if (!f)
			continue;
		inputs[input_count].size = fread(inputs[input_count].bytes, 1, INPUT_BYTES, f);
		input_count++;
		fclose(f);
	}
	free(names);
}

/* make_inputs: by the script that makes the fuzzer's, too. => their number */
static u32 make_inputs(void)
{
	char folder[] = "/tmp/elf-seeds-XXXXXX", command[256];

	if (!mkdtemp(folder))
		return 0;
	snprintf(command, sizeof(command), "testsuite/fuzz/seeds.py %s", folder);
	if (system(command) == 0)
		read_inputs(folder);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command) == 0 ? input_count : 0;
}

static u64 edge(void)
{
	static const u64 edges[] = {0,
	                            1,
	                            2,
	                            3,
	                            7,
	                            0xff,
	                            0xfff,
	                            0x1000,
	                            0x1001,
	                            0xffff,
	                            0x10000,
	                            0x7fffffff,
	                            0xffffffff,
	                            0x7fffffffefffUL,
	                            0x7ffffffff000UL,
	                            0x800000000000UL,
	                            1UL << 63,
	                            -0x1000UL,
	                            -1UL};

	return rnd(4) ? edges[rnd(ARRAY_SIZE(edges))] : rnd(~0UL);
}

static void mutate(struct input *in)
{
	static const u32 widths[] = {1, 2, 4, 8};
	u32 width = widths[rnd(4)];
	size_t at = rnd(rnd(8) ? HEADERS : INPUT_BYTES);
	u64 value = edge();

	switch (rnd(12)) {
	case 0:
		in->size = rnd(INPUT_BYTES);
		return;
	case 1: /* one field as another */
		at = ALIGN_DOWN(at % HEADERS, 8UL);
		memmove(in->bytes + at, in->bytes + rnd(HEADERS / 8) * 8, 8);
		return;
	case 2:
		in->bytes[at] ^= 1 << rnd(8);
		return;
	case 3: /* a little more, a little less */
		at = ALIGN_DOWN(at, 8UL);
		memcpy(&value, in->bytes + at, 8);
		value += rnd(0x2002) - 0x1001;
		width = 8;
		break;
	}
	at = MIN(ALIGN_DOWN(at, (size_t)width), (size_t)INPUT_BYTES - width);
	memcpy(in->bytes + at, &value, width);
}

static void run(const struct input *in)
{
	u8 *copy = malloc(in->size); /* the sanitizer sees its end */

	memcpy(copy, in->bytes, in->size);
	LLVMFuzzerTestOneInput(copy, in->size);
	free(copy);
}

int main(void)
{
	static struct input in;
	u32 n = 0;

	tap_plan(3);
	if (!tap_ok(make_inputs() > 30, "[E4] there are inputs to begin with"))
		return tap_end();
	for (u32 i = 0; i < input_count; i++)
		run(&inputs[i]);
	tap_ok(fuzz_accepted >= 5 && fuzz_accepted < input_count - 5 && !failure,
	       "[E4] of the first inputs, the good ones are accepted and no others");
	for (; n < MUTANTS && !failure; n++) {
		in = inputs[rnd(input_count)];
		for (u32 changes = 1 + (u32)rnd(5); changes > 0; changes--)
			mutate(&in);
		run(&in);
	}
	if (failure)
		printf("# mutant %u of seed %d: %s does not hold\n", n, SEED, failure);
	tap_ok(!failure && fuzz_accepted > MUTANTS / 100,
	       "[E4] %d mutated files, of which %lu are accepted: each can be mapped as it says", MUTANTS,
	       fuzz_accepted);
	return tap_end();
}
