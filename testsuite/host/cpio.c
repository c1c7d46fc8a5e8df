/* with: kernel/fs/cpio.c */
/* The reader of cpio archives: good ones, and every kind of bad one. Each archive lies at the end of an
 * allocation of its exact size, so that the address sanitizer sees a read behind it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kernel/abi/errno.h"
#include "kernel/fs/cpio.h"
#include "testsuite/host/tap.h"

#define ARCHIVE_MAX 8192

struct archive {
	u8 bytes[ARCHIVE_MAX];
	size_t size;
};

static void put(struct archive *a, const void *data, size_t n)
{
	memcpy(a->bytes + a->size, data, n);
	a->size += n;
}

static void align(struct archive *a)
{
	while (a->size % 4)
		a->bytes[a->size++] = 0;
}

/* PADDING: zeroes behind the name, which count as part of it. */
static void add_padded(struct archive *a, const char *name, u32 mode, const void *data, u32 size, u32 padding)
{
	char header[111];

	snprintf(header, sizeof(header), "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", 7,
	         mode, 10, 20, 1, 1700000000, size, 0, 3, 1, 5, (u32)strlen(name) + 1 + padding, 0);
	put(a, header, 110);
	put(a, name, strlen(name) + 1);
	memset(a->bytes + a->size, 0, padding);
	a->size += padding;
	align(a);
	put(a, data, size);
	align(a);
}

static void add(struct archive *a, const char *name, u32 mode, const char *data)
{
	add_padded(a, name, mode, data, strlen(data), 0);
}

static void end(struct archive *a)
{
	add(a, "TRAILER!!!", 0, "");
}

static struct archive *sample(void)
{
	struct archive *a = calloc(1, sizeof(*a));

	add(a, ".", 040755, "");
	add(a, "./dir", 040700, "");
	add(a, "dir/hello", 0100644, "hello, world\n");
	add(a, "/dir/link", 0120777, "hello");
	add_padded(a, "dir/padded", 0100755, "12345", 5, 37);
	end(a);
	return a;
}

/* read_all: on a copy of its exact size. => entries, or a negative error; the sum of all data in *RET_SUM */
static int read_all(const u8 *bytes, size_t size, u64 *ret_sum, struct cpio_reader *ret)
{
	u8 *copy = malloc(size ? size : 1);
	struct cpio_reader r;
	struct cpio_entry e;
	int n = 0, more;
	u64 sum = 0;

	memcpy(copy, bytes, size);
	cpio_open(&r, copy, size);
	while ((more = cpio_next(&r, &e)) > 0) {
		n++;
		sum += strlen(e.name);
		for (u32 i = 0; i < e.size; i++)
			sum += e.data[i];
	}
	if (ret_sum)
		*ret_sum = sum;
	if (ret)
		*ret = r;
	free(copy);
	return more < 0 ? more : n;
}

static bool test_entries(void)
{
	struct archive *a = sample();
	struct cpio_reader r;
	struct cpio_entry e;
	bool ok = true;

	cpio_open(&r, a->bytes, a->size);
	ok &= cpio_next(&r, &e) == 1 && !strcmp(e.name, "") && e.mode == 040755 && e.at == 0;
	ok &= cpio_next(&r, &e) == 1 && !strcmp(e.name, "dir") && e.mode == 040700;
	ok &= cpio_next(&r, &e) == 1 && !strcmp(e.name, "dir/hello") && e.size == 13 &&
	      !memcmp(e.data, "hello, world\n", 13) && e.uid == 10 && e.gid == 20 && e.nlink == 1 &&
	      e.mtime == 1700000000 && e.rdev == (1 << 8 | 5);
	ok &= cpio_next(&r, &e) == 1 && !strcmp(e.name, "dir/link") && e.size == 5;
	ok &= cpio_next(&r, &e) == 1 && !strcmp(e.name, "dir/padded") && !memcmp(e.data, "12345", 5);
	ok &= cpio_next(&r, &e) == 0;
	free(a);
	return ok;
}

static bool test_concatenated(void)
{
	struct archive *a = sample();
	size_t one = a->size;
	bool ok;

	a->size += 508; /* zeroes; an archive begins on a word */
	memcpy(a->bytes + a->size, a->bytes, one);
	a->size += one;
	ok = read_all(a->bytes, a->size, NULL, NULL) == 10;
	a->size += 100;
	ok &= read_all(a->bytes, a->size, NULL, NULL) == 10;
	free(a);
	return ok;
}

static bool test_empty(void)
{
	static const u8 zeroes[512];

	return read_all(zeroes, 0, NULL, NULL) == 0 && read_all(zeroes, 512, NULL, NULL) == -EINVAL &&
	       read_all((const u8 *)"\x1f\x8b", 2, NULL, NULL) == -EINVAL;
}

/* Cut anywhere, an archive is an error that says so; never a crash, never a success. */
static bool test_truncated(void)
{
	struct archive *a = sample();
	struct cpio_reader r;
	bool ok = true;

	for (size_t n = 1; n < a->size; n++) {
		int got = read_all(a->bytes, n, NULL, &r);

		if (got != -EINVAL || !r.error || r.error_at > n) {
			printf("# cut at %zu: %d\n", n, got);
			ok = false;
		}
	}
	free(a);
	return ok;
}

static bool broken(size_t at, const char *with, const char *want)
{
	struct archive *a = sample();
	struct cpio_reader r;
	int got;
	bool ok;

	memcpy(a->bytes + at, with, strlen(with));
	got = read_all(a->bytes, a->size, NULL, &r);
	ok = got == -EINVAL && strstr(r.error, want);
	if (!ok)
		printf("# %zu \"%s\": %d %s\n", at, with, got, r.error ? r.error : "");
	free(a);
	return ok;
}

static bool test_fields(void)
{
	enum {
		FILESIZE = 6 + 6 * 8,
		NAMESIZE = 6 + 11 * 8,
		NAME = 110
	};

	return broken(0, "070707", "header") && broken(6, "g", "number") && broken(6 + 8, " ", "number") &&
	       broken(NAMESIZE, "00000000", "empty") && broken(NAMESIZE, "ffffffff", "cut off") &&
	       broken(NAMESIZE, "00000001", "end") && broken(FILESIZE, "ffffffff", "cut off") &&
	       broken(FILESIZE, "7fffffff", "cut off") && broken(FILESIZE, "00000001", "header") &&
	       broken(NAME + 1, "x", "end");
}

static bool name_refused(const char *name)
{
	struct archive *a = calloc(1, sizeof(*a));
	int got;

	add(a, name, 0100644, "");
	end(a);
	got = read_all(a->bytes, a->size, NULL, NULL);
	free(a);
	return got == -EINVAL;
}

static bool test_names(void)
{
	char longest[5000];

	memset(longest, 'x', sizeof(longest));
	longest[4096] = '\0';
	if (!name_refused("..") || !name_refused("../x") || !name_refused("a/../b") ||
	    !name_refused("a/..") || !name_refused("/..") || !name_refused("./..") || !name_refused(longest))
		return false;
	longest[4095] = '\0';
	return !name_refused("..x") && !name_refused("x..") && !name_refused("a/..b/c") &&
	       !name_refused("...") && !name_refused(longest);
}

static u64 next_random(u64 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static bool test_mutations(void)
{
	static const u8 likely[] = {0, 0xff, '0', 'f', '7', '/', '.', 0x80};
	u64 seed = 0x9e3779b97f4a7c15, kept = 0;
	struct archive *good = sample(), *a = malloc(sizeof(*a));

	printf("# seed %#lx\n", seed);
	for (u32 round = 0; round < 50000; round++) {
		*a = *good;
		for (u32 n = next_random(&seed) % 4 + 1; n; n--) {
			u64 x = next_random(&seed);

			a->bytes[x % a->size] = x & 1UL << 40 ? likely[x >> 48 & 7] : (u8)(x >> 56);
		}
		if (next_random(&seed) % 8 == 0)
			a->size = next_random(&seed) % (a->size + 1);
		kept += read_all(a->bytes, a->size, NULL, NULL) >= 0;
	}
	printf("# %lu still archives\n", kept);
	free(good);
	free(a);
	return kept > 0 && kept < 50000;
}

int main(void)
{
	tap_plan(7);
	tap_ok(test_entries(), "[B2] a cpio archive's entries and fields are read");
	tap_ok(test_concatenated(), "[B2] archives may follow one another, with zeroes between and behind");
	tap_ok(test_empty(), "[B2] no bytes are an empty archive; zeroes or a compressed file are none");
	tap_ok(test_truncated(), "[B2] an archive cut off at any byte is an error that says where");
	tap_ok(test_fields(), "[B2] each broken field is an error that names it");
	tap_ok(test_names(), "[B2] names with .. and names that are too long are refused");
	tap_ok(test_mutations(), "[X5] 50000 mutated archives do no harm");
	return tap_end();
}
