/* Mounting and unmounting, in a mount namespace of its own where there are any. */
#include "testsuite/prog/tap.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

static void alone(void)
{
	SKIP_IF(getuid() != 0, "only root mounts");
	if (!on_bulkhead())
		SKIP_IF(unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0,
		        "no mount namespace");
	enter_scratch();
	OK(mkdir("at", 0755));
}

static bool mounted(const char *where)
{
	char line[512];
	FILE *f = fopen("/proc/mounts", "r");
	bool found = false;

	NEED(f);
	while (fgets(line, sizeof(line), f))
		found |= strstr(line, where) != NULL;
	fclose(f);
	return found;
}

TEST(memory, "[P9] a tmpfs covers a folder, holds files, and uncovers it again")
{
	struct stat st, below;
	struct statfs fs;
	char where[128];

	alone();
	make_closed_file("at/below", "x", 1, 0600);
	snprintf(where, sizeof(where), "%s/at tmpfs rw,nosuid,nodev", scratch_dir);
	OK(stat("at", &below));
	OK(mount("some", "at", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0711"));
	OK(stat("at", &st));
	IS(st.st_mode & 07777, 0711);
	CHECK(st.st_dev != below.st_dev);
	FAILS(stat("at/below", &st), ENOENT);
	OK(statfs("at", &fs));
	IS(fs.f_type, 0x01021994);
	CHECK(mounted(where));
	OK(mkdir("at/folder", 0755));
	make_closed_file("at/folder/file", "contents", 8, 0600);
	OK(link("at/folder/file", "at/other"));
	OK(symlink("file", "at/folder/link"));
	OK(chdir("at/folder"));
	OK(stat("../../at", &st));
	OK(chdir("../.."));
	FAILS(rename("at/other", "other"), EXDEV);
	FAILS(rmdir("at"), EBUSY);
	OK(umount2("at", 0));
	OK(stat("at/below", &st));
	CHECK(!mounted(where));
	FAILS(umount2("at", 0), EINVAL);
}

TEST(busy, "[P9] what is in use is not unmounted: open files, working folders, mounts in it")
{
	int fd;

	alone();
	OK(mount("some", "at", "tmpfs", 0, NULL));
	fd = make_file("at/file", "x", 1, 0600);
	FAILS(umount2("at", 0), EBUSY);
	OK(unlink("at/file"));
	FAILS(umount2("at", 0), EBUSY);
	close(fd);
	OK(mkdir("at/in", 0755));
	OK(chdir("at/in"));
	FAILS(umount2("..", 0), EBUSY);
	OK(chdir("../.."));
	OK(mount("some", "at/in", "tmpfs", 0, NULL));
	make_closed_file("at/in/file", "x", 1, 0600);
	FAILS(umount2("at", 0), EBUSY);
	OK(mount("more", "at/in", "tmpfs", 0, NULL)); /* over the other */
	FAILS(access("at/in/file", F_OK), ENOENT);
	OK(umount2("at/in", 0));
	OK(access("at/in/file", F_OK));
	OK(umount2("at/in", 0));
	OK(umount2("at", 0));
}

TEST(processes, "[P9] another /proc, elsewhere")
{
	char text[64];
	ssize_t n;

	alone();
	OK(mount("proc", "at", "proc", 0, NULL));
	n = OK(readlink("at/self", text, sizeof(text) - 1));
	text[n] = 0;
	IS(atoi(text), getpid());
	OK(umount2("at", 0));
}

int role_main(int argc, char **argv)
{
	(void)argv;
	return argc == 2 ? 23 : 1;
}

TEST(options, "[P9] noexec and nodev are kept to, and change by a remount")
{
	int fd, self;
	char buf[4096];
	ssize_t n;

	alone();
	OK(mount("some", "at", "tmpfs", MS_NOEXEC | MS_NODEV, NULL));
	self = OK(open("/proc/self/exe", O_RDONLY));
	fd = make_file("at/program", "", 0, 0755);
	while ((n = read(self, buf, sizeof(buf))) > 0)
		NEED(write(fd, buf, n) == n);
	close(fd);
	FAILS(execl("at/program", "program", "@exit", NULL), EACCES);
	OK(mknod("at/null", S_IFCHR | 0666, makedev(1, 3)));
	FAILS(open("at/null", O_RDONLY), EACCES);
	OK(mount(NULL, "at", NULL, MS_REMOUNT, NULL));
	IS(CHILD(execl("at/program", "program", "@exit", NULL)), EXITED(23));
	close(OK(open("at/null", O_RDONLY)));
	OK(umount2("at", 0));
}

TEST(refused, "[P9] what mount and umount2 refuse")
{
	alone();
	make_closed_file("file", "x", 1, 0600);
	FAILS(mount("some", "at", "nofs", 0, NULL), ENODEV);
	FAILS(mount("some", "file", "tmpfs", 0, NULL), ENOTDIR);
	FAILS(mount("some", "none", "tmpfs", 0, NULL), ENOENT);
	FAILS(mount("some", "at", "tmpfs", MS_REMOUNT, NULL), EINVAL);
	FAILS(umount2("at", 0), EINVAL);
	FAILS(umount2("at", 64), EINVAL);
	FAILS(umount2("none", 0), ENOENT);
	FAILS(umount2("/", 0), EBUSY);
	IS(CHILD({
		   OK(setresuid(1000, 1000, 1000));
		   FAILS(mount("some", "at", "tmpfs", 0, NULL), EPERM);
		   FAILS(umount2("at", 0), EPERM);
	   }),
	   EXITED(0));
}
