/* Files: paths, open's flags, links, names, modes, folders, times, sizes. */
#include "testsuite/prog/tap.h"

#include <dirent.h>
#include <limits.h>
#include <sys/xattr.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>

static u64 size_of(const char *path)
{
	struct stat st;

	OK(stat(path, &st));
	return st.st_size;
}

static u64 inode_of(const char *path)
{
	struct stat st;

	OK(lstat(path, &st));
	return st.st_ino;
}

static u32 links_of(const char *path)
{
	struct stat st;

	OK(lstat(path, &st));
	return st.st_nlink;
}

static bool holds(const char *path, const char *text)
{
	char now[256] = {0};
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, now, sizeof(now) - 1);

	close(fd);
	return n == (ssize_t)strlen(text) && !strcmp(now, text);
}

static void put(const char *path, const char *text)
{
	make_closed_file(path, text, strlen(text), 0644);
}

/* Most of these need permission checks to apply to the caller: root passes all. */
static void become_nobody(void)
{
	if (getuid() != 0)
		return;
	OK(syscall(SYS_setgroups, 0, NULL));
	OK(setresgid(65534, 65534, 65534));
	OK(setresuid(65534, 65534, 65534));
}

/* --- opening --- */

TEST(open_flags, "[P9] open: O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_DIRECTORY, O_NOFOLLOW")
{
	int fd;

	enter_scratch();
	FAILS(open("file", O_RDWR), ENOENT);
	OK(open("file", O_RDWR | O_CREAT, 0644));
	FAILS(open("file", O_RDWR | O_CREAT | O_EXCL, 0644), EEXIST);
	put("file", "0123456789");
	fd = OK(open("file", O_WRONLY | O_APPEND));
	OK(lseek(fd, 2, SEEK_SET));
	IS(write(fd, "ab", 2), 2);
	CHECK(holds("file", "0123456789ab"));
	OK(open("file", O_WRONLY | O_TRUNC));
	IS(size_of("file"), 0);
	FAILS(open("file", O_RDONLY | O_DIRECTORY), ENOTDIR);
	OK(open(".", O_RDONLY | O_DIRECTORY));
	FAILS(open(".", O_WRONLY), EISDIR);
	FAILS(open(".", O_RDWR | O_CREAT, 0600), EISDIR);
	OK(symlink("file", "link"));
	FAILS(open("link", O_RDONLY | O_NOFOLLOW), ELOOP);
	OK(symlink("nowhere", "dangling"));
	FAILS(open("dangling", O_RDONLY), ENOENT);
	FAILS(open("dangling", O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
	OK(open("dangling", O_RDWR | O_CREAT, 0600));
	IS(size_of("nowhere"), 0);
}

TEST(access_modes, "[P9] a descriptor reads and writes only as it was opened")
{
	int rd, wr;
	char c;

	enter_scratch();
	put("file", "x");
	rd = OK(open("file", O_RDONLY));
	wr = OK(open("file", O_WRONLY));
	FAILS(write(rd, "y", 1), EBADF);
	FAILS(read(wr, &c, 1), EBADF);
	FAILS(ftruncate(rd, 0), EINVAL);
	IS(fcntl(rd, F_GETFL) & O_ACCMODE, O_RDONLY);
	IS(fcntl(wr, F_GETFL) & O_ACCMODE, O_WRONLY);
	FAILS(read(999, &c, 1), EBADF);
	FAILS(read(-1, &c, 1), EBADF);
	FAILS(read(open(".", O_RDONLY), &c, 1), EISDIR);
}

TEST(lowest_descriptor, "[P9] the lowest free descriptor is taken; EMFILE at the limit")
{
	struct rlimit few = {20, 20};
	int a, b, c;

	a = OK(open("/dev/null", O_RDONLY));
	b = OK(open("/dev/null", O_RDONLY));
	c = OK(open("/dev/null", O_RDONLY));
	IS(b, a + 1);
	IS(c, a + 2);
	OK(close(b));
	IS(open("/dev/null", O_RDONLY), b);
	FAILS(close(999), EBADF);
	OK(setrlimit(RLIMIT_NOFILE, &few));
	while (open("/dev/null", O_RDONLY) >= 0)
		;
	IS(errno, EMFILE);
	FAILS(dup(0), EMFILE);
	FAILS(dup2(0, 20), EBADF);
	IS(dup2(0, 19), 19);
}

/* --- paths --- */

TEST(paths, "[P9] paths: dots, double and trailing slashes, too long, through what is no folder")
{
	static char long_path[PATH_MAX + 10];
	char name[300];
	struct stat st;

	enter_scratch();
	OK(mkdir("a", 0755));
	OK(mkdir("a/b", 0755));
	put("a/file", "x");
	OK(stat("a/./b/../file", &st));
	OK(stat(".//a///file", &st));
	OK(stat("a/b/", &st));
	OK(stat("../../../../../../..", &st));
	OK(stat("/..", &st));
	FAILS(stat("a/file/", &st), ENOTDIR);
	FAILS(stat("a/file/..", &st), ENOTDIR);
	FAILS(stat("a/missing/..", &st), ENOENT);
	FAILS(stat("", &st), ENOENT);
	memset(name, 'n', sizeof(name));
	name[255] = 0;
	OK(mkdir(name, 0755));
	name[255] = 'n';
	name[256] = 0;
	FAILS(mkdir(name, 0755), ENAMETOOLONG);
	memset(long_path, '/', PATH_MAX);
	memcpy(long_path, "a", 1);
	long_path[PATH_MAX - 1] = 0;
	OK(stat(long_path, &st));
	long_path[PATH_MAX - 1] = '/';
	long_path[PATH_MAX] = 0;
	FAILS(stat(long_path, &st), ENAMETOOLONG);
}

TEST(symlink_walk, "[P9] symbolic links: relative, absolute, in the middle, chains, loops")
{
	char name[16], target[16], text[64];
	struct stat st;

	enter_scratch();
	OK(mkdir("folder", 0755));
	put("folder/file", "x");
	OK(symlink("folder", "to_folder"));
	OK(symlink("../folder/file", "folder/up"));
	OK(symlink("/dev/null", "absolute"));
	OK(stat("to_folder/file", &st));
	OK(stat("to_folder/up", &st));
	CHECK(S_ISREG(st.st_mode));
	OK(stat("absolute", &st));
	CHECK(S_ISCHR(st.st_mode));
	OK(lstat("absolute", &st));
	CHECK(S_ISLNK(st.st_mode));
	IS(st.st_size, 9);
	IS(st.st_mode & 0777, 0777);
	IS(readlink("absolute", text, sizeof(text)), 9);
	IS(readlink("absolute", text, 4), 4);
	FAILS(syscall(SYS_readlink, "absolute", text, 0), EINVAL);
	FAILS(readlink("folder", text, sizeof(text)), EINVAL);
	FAILS(lstat("absolute/", &st), ENOTDIR);
	OK(lstat("to_folder/", &st));
	CHECK(S_ISDIR(st.st_mode));
	OK(symlink("chain0", "chain_start"));
	for (u32 i = 0; i < 45; i++) {
		snprintf(name, sizeof(name), "chain%u", i);
		snprintf(target, sizeof(target), "chain%u", i + 1);
		OK(symlink(i == 44 ? "folder" : target, name));
	}
	OK(stat("chain10", &st));
	OK(stat("chain5", &st)); /* 40 links */
	FAILS(stat("chain4", &st), ELOOP);
	OK(symlink("loop", "loop"));
	OK(symlink("pong", "ping"));
	OK(symlink("ping", "pong"));
	FAILS(stat("loop", &st), ELOOP);
	FAILS(open("ping", O_RDONLY), ELOOP);
	FAILS(symlink("", "empty"), ENOENT);
	FAILS(symlink("x", "loop"), EEXIST);
}

TEST(at_calls, "[P9] the -at calls: relative to a folder's descriptor, AT_FDCWD, AT_EMPTY_PATH")
{
	struct stat st, st2;
	int dir, fd;

	enter_scratch();
	OK(mkdir("folder", 0755));
	dir = OK(open("folder", O_RDONLY | O_DIRECTORY));
	fd = OK(openat(dir, "file", O_RDWR | O_CREAT, 0644));
	OK(stat("folder/file", &st));
	OK(fstatat(fd, "", &st2, AT_EMPTY_PATH));
	IS(st.st_ino, st2.st_ino);
	FAILS(fstatat(fd, "", &st2, 0), ENOENT);
	FAILS(fstatat(fd, "x", &st2, 0), ENOTDIR);
	FAILS(fstatat(999, "x", &st2, 0), EBADF);
	OK(fstatat(999, "/", &st2, 0));
	OK(mkdirat(dir, "sub", 0700));
	OK(symlinkat("file", dir, "link"));
	OK(linkat(dir, "file", AT_FDCWD, "other", 0));
	OK(renameat(dir, "file", AT_FDCWD, "moved"));
	OK(unlinkat(dir, "link", 0));
	FAILS(unlinkat(dir, "sub", 0), EISDIR);
	OK(unlinkat(dir, "sub", AT_REMOVEDIR));
	FAILS(unlinkat(dir, "sub", 0x4), EINVAL);
	OK(fchdir(dir));
	OK(stat("../moved", &st));
	FAILS(fchdir(fd), ENOTDIR);
}

TEST(working_folder, "[P9] chdir and getcwd; a removed working folder")
{
	char here[256], now[256];
	struct stat st;

	enter_scratch();
	NEED(getcwd(here, sizeof(here)));
	IS_STR(here, scratch_dir);
	OK(mkdir("a", 0755));
	OK(mkdir("a/b", 0755));
	OK(chdir("a/b"));
	NEED(getcwd(now, sizeof(now)));
	CHECK(!strncmp(now, here, strlen(here)) && !strcmp(now + strlen(here), "/a/b"));
	OK(rename("../../a", "../../z"));
	NEED(getcwd(now, sizeof(now)));
	IS_STR(now + strlen(here), "/z/b");
	FAILS(syscall(SYS_getcwd, now, 3), ERANGE);
	OK(rmdir("../b"));
	FAILS(syscall(SYS_getcwd, now, sizeof(now)), ENOENT);
	FAILS(open("new", O_CREAT | O_RDWR, 0600), ENOENT);
	OK(stat(".", &st));
	OK(chdir(".."));
	FAILS(chdir("missing"), ENOENT);
	FAILS(chdir("/dev/null"), ENOTDIR);
}

/* --- names --- */

TEST(hard_links, "[P9] hard links: one file, counted names, folders refused")
{
	int fd;

	enter_scratch();
	put("one", "text");
	OK(link("one", "two"));
	IS(inode_of("one"), inode_of("two"));
	IS(links_of("one"), 2);
	OK(unlink("one"));
	IS(links_of("two"), 1);
	CHECK(holds("two", "text"));
	FAILS(link("two", "two"), EEXIST);
	FAILS(link("missing", "x"), ENOENT);
	OK(mkdir("folder", 0755));
	FAILS(link("folder", "x"), EPERM);
	fd = OK(open("two", O_RDWR));
	OK(unlink("two"));
	IS(write(fd, "after", 5), 5);
	struct stat st;

	OK(fstat(fd, &st));
	IS(st.st_nlink, 0);
	OK(symlink("nowhere", "link"));
	OK(link("link", "link2")); /* of the link itself */
	IS(links_of("link"), 2);
}

TEST(rename_files, "[P9] rename: onto nothing, a file, itself, a folder; the old file lives on while open")
{
	int old;

	enter_scratch();
	put("a", "from a");
	put("b", "from b");
	old = OK(open("b", O_RDONLY));
	OK(rename("a", "c"));
	CHECK(holds("c", "from a"));
	OK(rename("c", "b"));
	CHECK(holds("b", "from a"));
	char text[8] = {0};

	IS(read(old, text, 6), 6);
	IS_STR(text, "from b");
	OK(rename("b", "b"));
	OK(link("b", "b2"));
	OK(rename("b", "b2")); /* two names of one file: nothing happens */
	OK(access("b", F_OK));
	FAILS(rename("missing", "x"), ENOENT);
	FAILS(rename("missing", "b"), ENOENT);
	OK(mkdir("folder", 0755));
	FAILS(rename("b", "folder"), EISDIR);
	FAILS(rename("folder", "b"), ENOTDIR);
	FAILS(rename("b", "b/x"), ENOTDIR);
	OK(rename("b", "folder/b"));
	FAILS(rename("folder/b", "."), EBUSY);
}

TEST(rename_folders, "[P9] rename: folders onto empty ones only, never into themselves")
{
	enter_scratch();
	OK(mkdir("a", 0755));
	OK(mkdir("a/sub", 0755));
	OK(mkdir("empty", 0755));
	OK(mkdir("full", 0755));
	put("full/file", "x");
	FAILS(rename("a", "full"), ENOTEMPTY);
	OK(rename("a", "empty"));
	OK(access("empty/sub", F_OK));
	FAILS(rename("empty", "empty/sub/x"), EINVAL);
	FAILS(rename("empty", "empty/sub"), EINVAL);
	FAILS(rename("empty/sub", "empty"), ENOTEMPTY);
	IS(links_of("."), 4);
	OK(rename("empty/sub", "top"));
	IS(links_of("empty"), 2);
	IS(links_of("."), 5);
	FAILS(rename(".", "x"), EBUSY);
	FAILS(rename("top/..", "x"), EBUSY);
}

TEST(rename_flags, "[P9] renameat2: NOREPLACE and EXCHANGE")
{
	enter_scratch();
	put("a", "A");
	put("b", "B");
	FAILS(syscall(SYS_renameat2, AT_FDCWD, "a", AT_FDCWD, "b", 1), EEXIST);
	OK(syscall(SYS_renameat2, AT_FDCWD, "a", AT_FDCWD, "c", 1));
	FAILS(syscall(SYS_renameat2, AT_FDCWD, "c", AT_FDCWD, "b", 3), EINVAL);
	OK(syscall(SYS_renameat2, AT_FDCWD, "c", AT_FDCWD, "b", 2));
	CHECK(holds("b", "A"));
	CHECK(holds("c", "B"));
	FAILS(syscall(SYS_renameat2, AT_FDCWD, "c", AT_FDCWD, "missing", 2), ENOENT);
	FAILS(syscall(SYS_renameat2, AT_FDCWD, "c", AT_FDCWD, "b", 0x80), EINVAL);
}

TEST(folders, "[P9] mkdir and rmdir: counts, errors, dots")
{
	enter_scratch();
	OK(mkdir("a", 0755));
	IS(links_of("a"), 2);
	OK(mkdir("a/b", 0755));
	IS(links_of("a"), 3);
	FAILS(mkdir("a", 0755), EEXIST);
	FAILS(mkdir("missing/x", 0755), ENOENT);
	FAILS(mkdir("a/", 0755), EEXIST);
	OK(mkdir("slash/", 0755));
	FAILS(rmdir("a"), ENOTEMPTY);
	FAILS(rmdir("a/."), EINVAL);
	FAILS(rmdir("a/b/.."), ENOTEMPTY);
	FAILS(rmdir("missing"), ENOENT);
	put("file", "x");
	FAILS(rmdir("file"), ENOTDIR);
	FAILS(unlink("a"), EISDIR);
	OK(rmdir("a/b"));
	IS(links_of("a"), 2);
	OK(rmdir("a"));
	FAILS(mkdir("/", 0755), EEXIST);
	FAILS(rmdir("/"), EBUSY);
	FAILS(open("file/x", O_CREAT | O_RDWR, 0600), ENOTDIR);
	FAILS(open("new/", O_CREAT | O_RDWR, 0600), EISDIR);
}

/* --- reading folders --- */

struct dent {
	u64 ino;
	i64 off;
	u16 reclen;
	u8 type;
	char name[];
};

TEST(many_entries, "[P9] three thousand entries in a folder: each listed once, with its type")
{
	enum {
		N = 3000
	};
	static u8 seen[N];
	char name[32], buf[1024];
	u32 dots = 0;
	int fd;
	i64 n;

	enter_scratch();
	for (u32 i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "entry-%u", i);
		if (i % 3)
			close(OK(open(name, O_CREAT | O_WRONLY, 0600)));
		else
			OK(symlink("x", name));
	}
	fd = OK(open(".", O_RDONLY | O_DIRECTORY));
	while ((n = OK(syscall(SYS_getdents64, fd, buf, sizeof(buf)))) > 0)
		for (i64 at = 0; at < n; at += ((struct dent *)(buf + at))->reclen) {
			struct dent *d = (struct dent *)(buf + at);
			u32 i;

			if (sscanf(d->name, "entry-%u", &i) == 1 && i < N) {
				seen[i]++;
				IS(d->type, i % 3 ? DT_REG : DT_LNK);
				CHECK(d->ino != 0);
			} else {
				dots += !strcmp(d->name, ".") || !strcmp(d->name, "..");
				IS(d->type, DT_DIR);
			}
			IS(d->reclen % 8, 0);
		}
	IS(dots, 2);
	for (u32 i = 0; i < N; i++)
		IS(seen[i], 1);
	OK(lseek(fd, 0, SEEK_SET));
	CHECK(syscall(SYS_getdents64, fd, buf, sizeof(buf)) > 0);
	FAILS(syscall(SYS_getdents64, fd, buf, 10), EINVAL);
}

TEST(remove_while_listing, "[P9] removing each entry as it is listed leaves none behind")
{
	char name[32];
	struct dirent *e;
	DIR *d;

	enter_scratch();
	OK(mkdir("folder", 0700));
	for (u32 i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "folder/%u", i);
		close(OK(open(name, O_CREAT | O_WRONLY, 0600)));
	}
	d = opendir("folder");
	NEED(d);
	while ((e = readdir(d)))
		if (e->d_name[0] != '.')
			OK(unlinkat(dirfd(d), e->d_name, 0));
	closedir(d);
	OK(rmdir("folder"));
}

TEST(seek_in_folder, "[P9] telldir and seekdir come back to the same entry")
{
	char name[32], first[64];
	struct dirent *e;
	long here;
	DIR *d;

	enter_scratch();
	for (u32 i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "%u", i);
		close(OK(open(name, O_CREAT | O_WRONLY, 0600)));
	}
	d = opendir(".");
	for (u32 i = 0; i < 20; i++)
		NEED(readdir(d));
	here = telldir(d);
	NEED(e = readdir(d));
	strcpy(first, e->d_name);
	while (readdir(d))
		;
	seekdir(d, here);
	NEED(e = readdir(d));
	IS_STR(e->d_name, first);
}

TEST(getdents_of_file, "[P9] getdents64 of what is no folder: ENOTDIR; of a removed one: ENOENT")
{
	char buf[512];
	int fd;

	enter_scratch();
	fd = make_file("file", "x", 1, 0600);
	FAILS(syscall(SYS_getdents64, fd, buf, sizeof(buf)), ENOTDIR);
	OK(mkdir("folder", 0700));
	fd = OK(open("folder", O_RDONLY));
	OK(rmdir("folder"));
	FAILS(syscall(SYS_getdents64, fd, buf, sizeof(buf)), ENOENT);
}

/* --- contents --- */

TEST(seek, "[P9] lseek: from the start, the place, the end; before the start is EINVAL")
{
	char c;
	int fd;

	enter_scratch();
	fd = make_file("file", "0123456789", 10, 0600);
	IS(lseek(fd, 4, SEEK_SET), 4);
	IS(lseek(fd, 3, SEEK_CUR), 7);
	IS(lseek(fd, -2, SEEK_END), 8);
	IS(read(fd, &c, 1), 1);
	IS(c, '8');
	FAILS(lseek(fd, -1, SEEK_SET), EINVAL);
	FAILS(lseek(fd, -100, SEEK_CUR), EINVAL);
	FAILS(lseek(fd, 0, 9), EINVAL);
	IS(lseek(fd, 0, SEEK_CUR), 9);
	IS(lseek(fd, 1000, SEEK_SET), 1000);
	IS(read(fd, &c, 1), 0);
	IS(size_of("file"), 10);
}

TEST(sparse, "[P9] holes read as zeroes and take no room; offsets beyond 4 GiB")
{
	u64 far = 5UL << 30;
	char buf[100];
	struct stat st;
	int fd;

	enter_scratch();
	fd = make_file("file", "start", 5, 0600);
	IS(pwrite(fd, "end", 3, far), 3);
	OK(fstat(fd, &st));
	IS(st.st_size, far + 3);
	CHECK(st.st_blocks < 1000);
	memset(buf, 1, sizeof(buf));
	IS(pread(fd, buf, 100, far / 2), 100);
	for (u32 i = 0; i < 100; i++)
		IS(buf[i], 0);
	IS(pread(fd, buf, 100, far), 3);
	CHECK(!memcmp(buf, "end", 3));
	IS(pread(fd, buf, 10, 0), 10);
	CHECK(!memcmp(buf, "start\0\0\0\0\0", 10));
}

TEST(truncate_sizes, "[P9] truncate and ftruncate: shorter, longer with zeroes, errors")
{
	char buf[16];
	int fd;

	enter_scratch();
	fd = make_file("file", "0123456789", 10, 0600);
	OK(ftruncate(fd, 4));
	IS(size_of("file"), 4);
	OK(truncate("file", 8));
	IS(pread(fd, buf, 16, 0), 8);
	CHECK(!memcmp(buf, "0123\0\0\0\0", 8));
	FAILS(ftruncate(fd, -1), EINVAL);
	FAILS(truncate(".", 0), EISDIR);
	FAILS(truncate("missing", 0), ENOENT);
	IS(lseek(fd, 0, SEEK_CUR), 0);
}

TEST(file_limit, "[P9] RLIMIT_FSIZE: EFBIG and SIGXFSZ")
{
	struct rlimit small = {100, 100};
	static char big[200];
	int fd;

	enter_scratch();
	fd = make_file("file", "", 0, 0600);
	OK(setrlimit(RLIMIT_FSIZE, &small));
	IS(CHILD(write(fd, big, 200); write(fd, big, 1)), KILLED(SIGXFSZ));
	IS(size_of("file"), 100);
	signal(SIGXFSZ, SIG_IGN);
	FAILS(pwrite(fd, big, 1, 100), EFBIG);
	IS(pwrite(fd, big, 20, 90), 10);
	FAILS(ftruncate(fd, 101), EFBIG);
}

TEST(append_together, "[P9] O_APPEND writers of several processes never overwrite each other")
{
	char record[16], all[16 * 4 * 50];
	u32 seen[4] = {0};
	pid_t child[4];
	int fd;

	enter_scratch();
	close(OK(open("log", O_CREAT | O_WRONLY, 0600)));
	for (u32 i = 0; i < 4; i++)
		child[i] = SPAWN({
			fd = OK(open("log", O_WRONLY | O_APPEND));
			memset(record, 'a' + i, sizeof(record));
			for (u32 k = 0; k < 50; k++)
				NEED(write(fd, record, sizeof(record)) == sizeof(record));
		});
	for (u32 i = 0; i < 4; i++)
		IS(wait_status(child[i]), EXITED(0));
	fd = OK(open("log", O_RDONLY));
	IS(read(fd, all, sizeof(all)), sizeof(all));
	for (u32 r = 0; r < 200; r++) {
		for (u32 k = 1; k < 16; k++)
			CHECK(all[r * 16 + k] == all[r * 16]);
		seen[all[r * 16] - 'a']++;
	}
	for (u32 i = 0; i < 4; i++)
		IS(seen[i], 50);
}

TEST(vectors, "[P9] readv, writev, pread, pwrite, sendfile move what they say, where they say")
{
	struct iovec v[3] = {{"one", 3}, {"", 0}, {"three", 5}};
	char a[4] = {0}, b[16] = {0};
	off_t at = 2;
	int fd, out;

	enter_scratch();
	fd = make_file("file", "", 0, 0600);
	IS(writev(fd, v, 3), 8);
	CHECK(holds("file", "onethree"));
	IS(lseek(fd, 0, SEEK_CUR), 8);
	IS(pwrite(fd, "X", 1, 3), 1);
	IS(lseek(fd, 1, SEEK_SET), 1);
	v[0] = (struct iovec){a, 3};
	v[1] = (struct iovec){b, 15};
	IS(readv(fd, v, 2), 7);
	IS_STR(a, "neX");
	IS_STR(b, "hree");
	FAILS(pread(fd, a, 1, -1), EINVAL);
	out = make_file("out", "", 0, 0600);
	IS(syscall(SYS_sendfile, out, fd, &at, 4), 4);
	IS(at, 6);
	CHECK(holds("out", "eXhr"));
	OK(lseek(fd, 0, SEEK_SET));
	IS(syscall(SYS_sendfile, out, fd, NULL, 100), 8);
	CHECK(holds("out", "eXhroneXhree"));
}

TEST(allocate, "[P9] fallocate reserves, keeps the size on request, punches holes")
{
	char buf[8192];
	int fd;

	enter_scratch();
	fd = make_file("file", "0123456789", 10, 0600);
	if (fallocate(fd, 0, 0, 10000) < 0)
		SKIP_IF(errno == EOPNOTSUPP || errno == ENOSYS, "no fallocate here");
	IS(size_of("file"), 10000);
	OK(fallocate(fd, 1, 0, 20000)); /* FALLOC_FL_KEEP_SIZE */
	IS(size_of("file"), 10000);
	memset(buf, 'x', sizeof(buf));
	IS(pwrite(fd, buf, 8192, 0), 8192);
	OK(fallocate(fd, 3, 0, 4096)); /* FALLOC_FL_PUNCH_HOLE | KEEP_SIZE */
	IS(pread(fd, buf, 8192, 0), 8192);
	IS(buf[0], 0);
	IS(buf[4095], 0);
	IS(buf[4096], 'x');
	FAILS(fallocate(fd, 0, -1, 1), EINVAL);
	FAILS(fallocate(fd, 0, 0, 0), EINVAL);
}

TEST(devices, "[P9] /dev/null, zero, full, random, urandom, tty")
{
	char buf[64];
	u32 zeroes = 0;
	int fd = OK(open("/dev/null", O_RDWR));

	IS(write(fd, "x", 1), 1);
	IS(read(fd, buf, 1), 0);
	IS(lseek(fd, 5, SEEK_SET), 0);
	fd = OK(open("/dev/zero", O_RDWR));
	memset(buf, 1, sizeof(buf));
	IS(read(fd, buf, 64), 64);
	IS(buf[63], 0);
	IS(write(fd, buf, 64), 64);
	fd = OK(open("/dev/full", O_RDWR));
	FAILS(write(fd, "x", 1), ENOSPC);
	IS(read(fd, buf, 64), 64);
	fd = OK(open("/dev/urandom", O_RDONLY));
	IS(read(fd, buf, 64), 64);
	for (u32 i = 0; i < 64; i++)
		zeroes += buf[i] == 0;
	CHECK(zeroes < 10);
	struct stat st;

	OK(stat("/dev/null", &st));
	CHECK(S_ISCHR(st.st_mode));
	IS(st.st_rdev, makedev(1, 3));
	OK(stat("/dev/zero", &st));
	IS(st.st_rdev, makedev(1, 5));
	OK(stat("/dev/tty", &st));
	IS(st.st_rdev, makedev(5, 0));
	IS(CHILD(setpgid(0, getppid()); setsid(); FAILS(open("/dev/tty", O_RDWR), ENXIO)), EXITED(0));
}

/* --- modes --- */

TEST(modes, "[P9] umask, chmod, special bits")
{
	struct stat st;
	int fd;

	enter_scratch();
	umask(027);
	fd = OK(open("file", O_CREAT | O_RDWR, 0777));
	OK(fstat(fd, &st));
	IS(st.st_mode, S_IFREG | 0750);
	OK(mkdir("folder", 01777));
	OK(stat("folder", &st));
	IS(st.st_mode, S_IFDIR | 01750);
	OK(chmod("file", 06755));
	OK(stat("file", &st));
	IS(st.st_mode & 07777, 06755);
	OK(fchmod(fd, 0600));
	OK(fchmodat(AT_FDCWD, "file", 0640, 0));
	OK(stat("file", &st));
	IS(st.st_mode & 07777, 0640);
	OK(mknod("fifo", S_IFIFO | 0666, 0));
	OK(stat("fifo", &st));
	IS(st.st_mode, S_IFIFO | 0640);
	OK(mknod("plain", S_IFREG | 0666, 0));
	FAILS(mknod("folder2", S_IFDIR | 0666, 0), EPERM);
	IS(st.st_uid, getuid());
}

TEST(permissions, "[P9] what the mode forbids is EACCES, for reading, writing, searching, executing")
{
	enter_scratch();
	OK(chmod(".", 0777));
	put("none", "x");
	put("read", "x");
	OK(chmod("none", 0));
	OK(chmod("read", 0444));
	OK(mkdir("closed", 0700));
	put("closed/file", "x");
	OK(mkdir("list", 0755));
	put("list/file", "x");
	SKIP_IF(getuid() != 0, "not root, who could become another");
	become_nobody();
	FAILS(open("none", O_RDONLY), EACCES);
	OK(open("read", O_RDONLY));
	FAILS(open("read", O_WRONLY), EACCES);
	FAILS(open("closed/file", O_RDONLY), EACCES);
	FAILS(open("closed", O_RDONLY), EACCES);
	FAILS(chdir("closed"), EACCES);
	OK(open("list/file", O_RDONLY));
	FAILS(unlink("list/file"), EACCES);
	FAILS(open("list/new", O_CREAT | O_RDWR, 0600), EACCES);
	FAILS(mkdir("list/new", 0700), EACCES);
	FAILS(rename("list/file", "moved"), EACCES);
	FAILS(chmod("read", 0777), EPERM);
	FAILS(chown("read", 65534, 65534), EPERM);
	FAILS(access("none", R_OK), EACCES);
	FAILS(access("read", X_OK), EACCES);
	OK(access("read", R_OK));
	OK(access("none", F_OK));
	FAILS(truncate("read", 0), EACCES);
	FAILS(execv("./read", (char *[]){"read", NULL}), EACCES);
	FAILS(mknod("dev", S_IFCHR | 0666, makedev(1, 3)), EPERM);
}

TEST(sticky, "[P9] in a sticky folder only owners remove")
{
	SKIP_IF(getuid() != 0, "not root, who could become another");
	enter_scratch();
	OK(mkdir("sticky", 01777));
	OK(chmod("sticky", 01777));
	put("sticky/of_root", "x");
	become_nobody();
	put("sticky/of_nobody", "x");
	FAILS(unlink("sticky/of_root"), EPERM);
	FAILS(rename("sticky/of_root", "sticky/x"), EPERM);
	OK(unlink("sticky/of_nobody"));
}

TEST(ownership, "[P9] chown changes owner and group, -1 leaves; set-id bits are cleared")
{
	struct stat st;

	SKIP_IF(getuid() != 0, "not root");
	enter_scratch();
	put("file", "x");
	OK(chmod("file", 06777));
	OK(chown("file", 12, -1));
	OK(stat("file", &st));
	IS(st.st_uid, 12);
	IS(st.st_gid, 0);
	IS(st.st_mode & 07000, 0);
	OK(chown("file", -1, 34));
	OK(symlink("file", "link"));
	OK(lchown("link", 56, 78));
	OK(lstat("link", &st));
	IS(st.st_uid, 56);
	OK(stat("link", &st));
	IS(st.st_uid, 12);
	IS(st.st_gid, 34);
	OK(fchownat(AT_FDCWD, "link", 9, 9, AT_SYMLINK_NOFOLLOW));
	OK(lstat("link", &st));
	IS(st.st_gid, 9);
}

TEST(set_id_exec, "[P9] a set-user-id program runs as its owner")
{
	/* geteuid; exit(euid): mov $107, %eax; syscall; mov %eax, %edi; mov $60, %eax; syscall as an ELF */
	static u8 elf[64 + 56 + 16] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
	static const u8 code[] = {0xb8, 107, 0, 0, 0, 0x0f, 0x05, 0x89, 0xc7, 0xb8, 60, 0, 0, 0, 0x0f, 0x05};

	SKIP_IF(getuid() != 0, "not root");
	*(u16 *)(elf + 16) = 2;
	*(u16 *)(elf + 18) = 62;
	*(u32 *)(elf + 20) = 1;
	*(u64 *)(elf + 24) = 0x400000 + 120;
	*(u64 *)(elf + 32) = 64;
	*(u16 *)(elf + 52) = 64;
	*(u16 *)(elf + 54) = 56;
	*(u16 *)(elf + 56) = 1;
	*(u32 *)(elf + 64) = 1;
	*(u32 *)(elf + 68) = 5;
	*(u64 *)(elf + 80) = 0x400000;
	*(u64 *)(elf + 96) = sizeof(elf);
	*(u64 *)(elf + 104) = sizeof(elf);
	*(u64 *)(elf + 112) = PAGE;
	memcpy(elf + 120, code, sizeof(code));
	enter_scratch();
	OK(chmod(".", 0755));
	make_closed_file("program", elf, sizeof(elf), 0755);
	OK(chown("program", 33, 44));
	IS(CHILD(execv("./program", (char *[]){"program", NULL})), EXITED(0));
	OK(chmod("program", 04755));
	IS(CHILD(execv("./program", (char *[]){"program", NULL})), EXITED(33));
	IS(CHILD(become_nobody(); execv("./program", (char *[]){"program", NULL})), EXITED(33));
}

/* --- times and stat --- */

static bool later(struct timespec a, struct timespec b)
{
	return a.tv_sec > b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec > b.tv_nsec);
}

TEST(times_change, "[P9] writing changes mtime and ctime, chmod ctime alone, entries their folder's mtime")
{
	struct stat a, b, da, db;
	int fd;

	enter_scratch();
	fd = make_file("file", "x", 1, 0600);
	OK(fstat(fd, &a));
	OK(stat(".", &da));
	sleep_ms(30);
	IS(write(fd, "y", 1), 1);
	OK(fstat(fd, &b));
	CHECK(later(b.st_mtim, a.st_mtim));
	CHECK(later(b.st_ctim, a.st_ctim));
	sleep_ms(30);
	OK(fchmod(fd, 0640));
	OK(fstat(fd, &a));
	IS(a.st_mtim.tv_nsec, b.st_mtim.tv_nsec);
	CHECK(later(a.st_ctim, b.st_ctim));
	OK(stat(".", &db));
	IS(da.st_mtim.tv_nsec, db.st_mtim.tv_nsec);
	put("other", "x");
	OK(stat(".", &db));
	CHECK(later(db.st_mtim, da.st_mtim));
}

TEST(times_set, "[P9] utimensat: given times, UTIME_NOW, UTIME_OMIT, links, errors")
{
	struct timespec t[2] = {{1000000000, 123456789}, {2000000000, 987654321}};
	struct stat st;

	enter_scratch();
	put("file", "x");
	OK(symlink("file", "link"));
	OK(utimensat(AT_FDCWD, "file", t, 0));
	OK(stat("file", &st));
	IS(st.st_atim.tv_sec, 1000000000);
	IS(st.st_atim.tv_nsec, 123456789);
	IS(st.st_mtim.tv_sec, 2000000000);
	IS(st.st_mtim.tv_nsec, 987654321);
	t[0].tv_nsec = UTIME_OMIT;
	t[1].tv_nsec = UTIME_NOW;
	OK(utimensat(AT_FDCWD, "file", t, 0));
	OK(stat("file", &st));
	IS(st.st_atim.tv_nsec, 123456789);
	CHECK(st.st_mtim.tv_sec != 2000000000 && st.st_mtim.tv_sec > 1000000);
	t[0] = t[1] = (struct timespec){77, 5};
	OK(utimensat(AT_FDCWD, "link", t, AT_SYMLINK_NOFOLLOW));
	OK(lstat("link", &st));
	IS(st.st_mtim.tv_sec, 77);
	OK(stat("link", &st));
	CHECK(st.st_mtim.tv_sec != 77);
	t[0].tv_nsec = 1000000000;
	FAILS(utimensat(AT_FDCWD, "file", t, 0), EINVAL);
	FAILS(utimensat(AT_FDCWD, "missing", NULL, 0), ENOENT);
}

struct statx_result {
	u32 mask, blksize;
	u64 attributes;
	u32 nlink, uid, gid;
	u16 mode, pad;
	u64 ino, size, blocks, attributes_mask;
	u8 rest[184];
};

TEST(statx_agrees, "[P9] statx and stat agree")
{
	struct statx_result x;
	struct stat st;

	enter_scratch();
	put("file", "0123456789");
	OK(stat("file", &st));
	OK(syscall(SYS_statx, AT_FDCWD, "file", 0, 0x7ff, &x));
	CHECK((x.mask & 0x7ff) == 0x7ff);
	IS(x.nlink, st.st_nlink);
	IS(x.uid, st.st_uid);
	IS(x.mode, st.st_mode);
	IS(x.ino, st.st_ino);
	IS(x.size, 10);
	IS(x.blocks, st.st_blocks);
	IS(x.blksize, st.st_blksize);
	FAILS(syscall(SYS_statx, AT_FDCWD, "missing", 0, 0x7ff, &x), ENOENT);
	FAILS(syscall(SYS_statx, AT_FDCWD, "file", 0, 0x80000000, &x), EINVAL);
}

TEST(inode_numbers, "[P9] two files have two inode numbers, kept over rename")
{
	u64 a;

	enter_scratch();
	put("a", "x");
	put("b", "x");
	a = inode_of("a");
	CHECK(a != inode_of("b"));
	OK(rename("a", "c"));
	IS(inode_of("c"), a);
}

TEST(statfs_sane, "[P9] statfs tells a block size and a name length")
{
	struct {
		u64 type, bsize, blocks, bfree, bavail, files, ffree, fsid, namelen, frsize, flags, spare[4];
	} fs;

	OK(syscall(SYS_statfs, "/tmp", &fs));
	CHECK(fs.bsize >= 512 && fs.bsize <= 1 << 20);
	IS(fs.namelen, 255);
	CHECK(fs.bfree <= fs.blocks);
}

/* --- chroot --- */

TEST(changed_root, "[P9] chroot: / and .. end at the new root")
{
	struct stat st, root;

	SKIP_IF(getuid() != 0, "not root");
	enter_scratch();
	OK(mkdir("jail", 0755));
	put("jail/inside", "x");
	put("outside", "x");
	OK(symlink("/inside", "jail/link"));
	OK(chroot("jail"));
	OK(chdir("/"));
	OK(stat("/inside", &st));
	OK(stat("/../../inside", &st));
	OK(stat("/link", &st));
	FAILS(stat("/outside", &st), ENOENT);
	FAILS(stat("../outside", &st), ENOENT);
	OK(stat("/", &root));
	OK(stat("..", &st));
	IS(st.st_ino, root.st_ino);
	FAILS(chroot("/inside"), ENOTDIR);
}

TEST(deep_tree, "[P9] two hundred folders deep, and back by ..")
{
	char here[4096], back[64 * 1024] = "";
	u32 len;

	enter_scratch();
	for (u32 i = 0; i < 200; i++) {
		OK(mkdir("deeper", 0755));
		OK(chdir("deeper"));
	}
	NEED(getcwd(here, sizeof(here)));
	len = strlen(here);
	CHECK(len > 1400);
	IS_STR(here + len - 7, "/deeper");
	for (u32 i = 0; i < 200; i++)
		strcat(back, "../");
	OK(chdir(back));
	NEED(getcwd(here, sizeof(here)));
	IS_STR(here, scratch_dir);
}

TEST(extended_attributes, "[X1] extended attributes: a new file has none; what is wrong with a call is said")
{
	char long_name[300], buf[64];
	int fd;

	enter_scratch();
	fd = make_file("file", "x", 1, 0644);
	OK(symlink("nowhere", "dangling"));
	IS(listxattr("file", buf, sizeof(buf)), 0);
	IS(flistxattr(fd, buf, sizeof(buf)), 0);
	IS(llistxattr("dangling", buf, sizeof(buf)), 0);
	FAILS(listxattr("dangling", buf, sizeof(buf)), ENOENT);
	FAILS(getxattr("missing", "user.name", buf, sizeof(buf)), ENOENT);
	FAILS(fgetxattr(-1, "user.name", buf, sizeof(buf)), EBADF);
	FAILS(getxattr("file", "", buf, sizeof(buf)), ERANGE);
	memset(long_name, 'n', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = 0;
	FAILS(getxattr("file", long_name, buf, sizeof(buf)), ERANGE);
	FAILS(getxattr("file", opaque(1), buf, sizeof(buf)), EFAULT);
	FAILS(setxattr("file", "user.name", "v", 1, 77), EINVAL);
	FAILS(setxattr("file", "user.name", buf, 1 << 20, 0), E2BIG);
	FAILS(getxattr("file", "no_such_space.name", buf, sizeof(buf)), EOPNOTSUPP);
	FAILS(removexattr("file", "no_such_space.name"), EOPNOTSUPP);
}
