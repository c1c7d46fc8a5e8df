/* execve: what a good one does, what a bad one leaves alone, and every malformed ELF file. */
#include "testsuite/prog/tap.h"

#include <elf.h>
#include <limits.h>

extern char **environ;

/* --- a small program, made by hand --- */

#define IMAGE_BASE 0x400000UL
#define CODE_OFFSET 0x1000UL
#define DATA_BASE 0x600000UL
#define DATA_OFFSET 0x2000UL
#define IMAGE_SIZE 0x3000UL

/* exit(42): mov $60, %eax; mov $42, %edi; syscall */
static const u8 code_exit[] = {0xb8, 60, 0, 0, 0, 0xbf, 42, 0, 0, 0, 0x0f, 0x05};

struct image {
	u8 bytes[IMAGE_SIZE + 0x8000];
	u64 size;
	Elf64_Ehdr *e;
	Elf64_Phdr *text, *data; /* two PT_LOAD headers, and room for more behind them */
};

static struct image image;

static void image_make(const u8 *code, u64 code_size)
{
	memset(&image, 0, sizeof(image));
	image.size = IMAGE_SIZE;
	image.e = (Elf64_Ehdr *)image.bytes;
	*image.e = (Elf64_Ehdr){
	        .e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
	        .e_type = ET_EXEC,
	        .e_machine = EM_X86_64,
	        .e_version = EV_CURRENT,
	        .e_entry = IMAGE_BASE + CODE_OFFSET,
	        .e_phoff = sizeof(Elf64_Ehdr),
	        .e_ehsize = sizeof(Elf64_Ehdr),
	        .e_phentsize = sizeof(Elf64_Phdr),
	        .e_phnum = 2,
	};
	image.text = (Elf64_Phdr *)(image.bytes + sizeof(Elf64_Ehdr));
	image.data = image.text + 1;
	*image.text = (Elf64_Phdr){
	        .p_type = PT_LOAD,
	        .p_flags = PF_R | PF_X,
	        .p_vaddr = IMAGE_BASE,
	        .p_paddr = IMAGE_BASE,
	        .p_filesz = CODE_OFFSET + 0x800,
	        .p_memsz = CODE_OFFSET + 0x800,
	        .p_align = PAGE,
	};
	*image.data = (Elf64_Phdr){
	        .p_type = PT_LOAD,
	        .p_flags = PF_R | PF_W,
	        .p_offset = DATA_OFFSET,
	        .p_vaddr = DATA_BASE,
	        .p_paddr = DATA_BASE,
	        .p_filesz = 0x100,
	        .p_memsz = 0x3000,
	        .p_align = PAGE,
	};
	memcpy(image.bytes + CODE_OFFSET, code, code_size);
	memset(image.bytes + DATA_OFFSET, 0xdd, PAGE); /* behind p_filesz must never be seen */
}

static char *const no_arguments[] = {"image", NULL};

static void image_write(void)
{
	make_closed_file("image", image.bytes, image.size, 0755);
}

/* What becomes of a child that executes the image: its status; EXITED(128 + errno) when exec came back. */
static int image_run(void)
{
	image_write();
	return CHILD({
		execv("./image", no_arguments);
		_exit(128 + errno);
	});
}

#define CAME_BACK(err) EXITED(128 + (err))

TEST(good_image, "[E1] the hand-made image runs")
{
	enter_scratch();
	image_make(code_exit, sizeof(code_exit));
	IS(image_run(), EXITED(42));
}

/* A change after which Linux and Bulkhead both refuse, and the caller goes on. */
#define REFUSED(name, text, err, ...)                     \
	TEST(name, "[E1] " text)                          \
	{                                                 \
		enter_scratch();                          \
		image_make(code_exit, sizeof(code_exit)); \
		__VA_ARGS__;                              \
		IS(image_run(), CAME_BACK(err));          \
	}

/* A change that Linux lets pass, or finds after it has given up the old image. */
#define REFUSED_HERE(name, text, ...)                                           \
	TEST(name, "[E1] " text)                                                \
	{                                                                       \
		int status;                                                     \
                                                                                \
		BULKHEAD_ONLY("it does not check this, or too late");           \
		enter_scratch();                                                \
		image_make(code_exit, sizeof(code_exit));                       \
		__VA_ARGS__;                                                    \
		status = image_run();                                           \
		if (status != CAME_BACK(EINVAL) && status != CAME_BACK(EACCES)) \
			IS(status, CAME_BACK(ENOEXEC));                         \
	}

REFUSED(empty_file, "an empty file", ENOEXEC, image.size = 0)
REFUSED(one_byte, "a file of one byte", ENOEXEC, image.size = 1)
REFUSED(magic_alone, "a file that ends behind the magic", ENOEXEC, image.size = 4)
REFUSED(half_header, "a file that ends in the header", ENOEXEC, image.size = 40)
REFUSED(header_alone, "a file that ends behind the header", ENOEXEC, image.size = sizeof(Elf64_Ehdr))
REFUSED(bad_magic_0, "wrong first byte of the magic", ENOEXEC, image.e->e_ident[0] = 0x7e)
REFUSED(bad_magic_3, "wrong last byte of the magic", ENOEXEC, image.e->e_ident[3] = 'G')
REFUSED_HERE(class_32, "class 32", image.e->e_ident[EI_CLASS] = ELFCLASS32)
REFUSED_HERE(class_none, "class 0", image.e->e_ident[EI_CLASS] = ELFCLASSNONE)
REFUSED_HERE(big_endian, "big-endian byte order", image.e->e_ident[EI_DATA] = ELFDATA2MSB)
REFUSED_HERE(ident_version, "version 0 in e_ident", image.e->e_ident[EI_VERSION] = EV_NONE)
REFUSED_HERE(version, "e_version 2", image.e->e_version = 2)
REFUSED(type_none, "type NONE", ENOEXEC, image.e->e_type = ET_NONE)
REFUSED(type_rel, "type REL", ENOEXEC, image.e->e_type = ET_REL)
REFUSED(type_core, "type CORE", ENOEXEC, image.e->e_type = ET_CORE)
REFUSED(type_high, "type 0xffff", ENOEXEC, image.e->e_type = 0xffff)
REFUSED(machine_arm, "machine AArch64", ENOEXEC, image.e->e_machine = EM_AARCH64)
REFUSED(machine_none, "machine NONE", ENOEXEC, image.e->e_machine = EM_NONE)
REFUSED_HERE(header_size, "e_ehsize 0", image.e->e_ehsize = 0)
REFUSED(phentsize_0, "e_phentsize 0", ENOEXEC, image.e->e_phentsize = 0)
REFUSED(phentsize_32, "e_phentsize 32", ENOEXEC, image.e->e_phentsize = 32)
REFUSED(phentsize_57, "e_phentsize 57", ENOEXEC, image.e->e_phentsize = 57)
REFUSED(phnum_0, "no program header", ENOEXEC, image.e->e_phnum = 0)
REFUSED(phnum_2000, "2000 program headers", ENOEXEC, image.e->e_phnum = 2000)
REFUSED(phnum_max, "65535 program headers", ENOEXEC, image.e->e_phnum = 0xffff)
REFUSED_HERE(phnum_101, "101 program headers", image.e->e_phnum = 101)
REFUSED(phoff_behind_end, "program headers behind the end of the file", ENOEXEC, image.e->e_phoff = 0x100000)
REFUSED(phoff_across_end, "program headers across the end of the file", ENOEXEC,
        image.e->e_phoff = IMAGE_SIZE - 60)
REFUSED(phoff_negative, "program headers at offset -1", ENOEXEC, image.e->e_phoff = ~0UL)
REFUSED(phoff_overflow, "program headers of which the end overflows", ENOEXEC, image.e->e_phoff = ~0UL - 100)
REFUSED_HERE(no_load, "no PT_LOAD", image.text->p_type = PT_NULL, image.data->p_type = PT_NULL)
REFUSED_HERE(memsz_small, "memory size below file size", image.data->p_memsz = 0x80)
REFUSED_HERE(offset_behind_end, "a segment behind the end of the file", image.data->p_offset = 0x100000)
REFUSED_HERE(filesz_behind_end, "a segment across the end of the file", image.data->p_filesz = 0x2000,
             image.data->p_memsz = 0x3000)
REFUSED_HERE(offset_overflow, "a segment of which offset + size overflows", image.data->p_offset = -PAGE,
             image.data->p_filesz = 2 * PAGE)
REFUSED_HERE(filesz_huge, "a file size of 2^63", image.data->p_filesz = 1UL << 63,
             image.data->p_memsz = 1UL << 63)
REFUSED_HERE(memsz_huge, "a memory size of 2^64 - 1", image.data->p_memsz = ~0UL)
REFUSED_HERE(memsz_user_end, "a segment across the end of user space", image.data->p_vaddr = 0x7fffffffe000,
             image.data->p_memsz = 0x10000)
REFUSED_HERE(vaddr_kernel, "a segment in the kernel's half", image.data->p_vaddr = 0xffffffff80000000)
REFUSED_HERE(vaddr_direct_map, "a segment at 0xffff888000000000", image.data->p_vaddr = 0xffff888000000000)
REFUSED_HERE(vaddr_noncanonical, "a segment at a non-canonical address", image.data->p_vaddr = 0x800000000000)
REFUSED_HERE(vaddr_overflow, "a segment of which address + size overflows", image.data->p_vaddr = -PAGE,
             image.data->p_memsz = 3 * PAGE)
REFUSED_HERE(vaddr_null, "a segment at zero", image.data->p_vaddr = 0)
REFUSED_HERE(misaligned, "offset and address differ in their place in the page",
             image.data->p_vaddr = DATA_BASE + 0x10)
REFUSED_HERE(align_3, "an alignment that is no power of two", image.data->p_align = 3)
REFUSED_HERE(overlap, "segments that overlap", image.data->p_vaddr = IMAGE_BASE + CODE_OFFSET)
REFUSED_HERE(overlap_page, "segments that share a page",
             image.data->p_vaddr = IMAGE_BASE + CODE_OFFSET + 0x900,
             image.data->p_offset = DATA_OFFSET + 0x900)
REFUSED_HERE(write_exec, "[V5] a segment that is writable and executable",
             image.data->p_flags = PF_R | PF_W | PF_X)
REFUSED_HERE(text_writable, "[V5] code that is writable", image.text->p_flags = PF_R | PF_W | PF_X)
REFUSED_HERE(entry_data, "the entry point in data", image.e->e_entry = DATA_BASE)
REFUSED_HERE(entry_outside, "the entry point outside all segments", image.e->e_entry = 0x500000)
REFUSED_HERE(entry_null, "the entry point at zero", image.e->e_entry = 0)
REFUSED_HERE(entry_kernel, "the entry point in the kernel", image.e->e_entry = 0xffffffff80000000)
REFUSED_HERE(entry_end, "the entry point just behind the code", image.e->e_entry = IMAGE_BASE + 0x2000)

static void image_interp(const char *path, u64 filesz)
{
	Elf64_Phdr *p = image.data + 1;

	image.e->e_phnum = 3;
	*p = (Elf64_Phdr){.p_type = PT_INTERP, .p_offset = 0x1f00, .p_filesz = filesz, .p_memsz = filesz};
	memcpy(image.bytes + 0x1f00, path, strlen(path) + 1);
}

REFUSED(interp_missing, "an interpreter that does not exist", ENOENT, image_interp("/nowhere/ld.so", 15))
REFUSED(interp_empty, "an interpreter's name of no byte", ENOEXEC, image_interp("", 0))
REFUSED(interp_unterminated, "an interpreter's name without its end", ENOEXEC,
        image_interp("/nowhere/ld.so", 5))
REFUSED(interp_long, "an interpreter's name of 5000 bytes", ENOEXEC, image_interp("/nowhere/ld.so", 5000))

static void image_stack(u32 flags)
{
	Elf64_Phdr *p = image.data + 1;

	image.e->e_phnum = 3;
	*p = (Elf64_Phdr){.p_type = PT_GNU_STACK, .p_flags = flags, .p_align = 16};
}

REFUSED_HERE(exec_stack, "[E3] [V5] PT_GNU_STACK that asks for an executable stack",
             image_stack(PF_R | PF_W | PF_X))

TEST(plain_stack, "[E3] PT_GNU_STACK that asks for a stack to read and write")
{
	enter_scratch();
	image_make(code_exit, sizeof(code_exit));
	image_stack(PF_R | PF_W);
	IS(image_run(), EXITED(42));
}

/* --- what a good image finds --- */

/* exit(byte at ADDR): movabs $ADDR, %rax; movzbl (%rax), %edi; mov $60, %eax; syscall */
static int exit_byte_at(u64 addr)
{
	u8 code[] = {0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0x0f, 0xb6, 0x38, 0xb8, 60, 0, 0, 0, 0x0f, 0x05};

	memcpy(code + 2, &addr, 8);
	image_make(code, sizeof(code));
	return image_run();
}

/* write 1 to ADDR, exit(0): movabs $ADDR, %rax; movb $1, (%rax); xor %edi, %edi; mov $60, %eax; syscall */
static int write_byte_at(u64 addr)
{
	u8 code[] = {0x48, 0xb8, 0,    0,    0,    0,  0, 0, 0, 0,    0xc6,
	             0x00, 1,    0x31, 0xff, 0xb8, 60, 0, 0, 0, 0x0f, 0x05};

	memcpy(code + 2, &addr, 8);
	image_make(code, sizeof(code));
	return image_run();
}

/* jump to ADDR: movabs $ADDR, %rax; jmp *%rax */
static int jump_to(u64 addr)
{
	u8 code[] = {0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xe0};

	memcpy(code + 2, &addr, 8);
	image_make(code, sizeof(code));
	memcpy(image.bytes + DATA_OFFSET, code_exit, sizeof(code_exit));
	return image_run();
}

TEST(bss_zero, "[E2] what lies beyond the file's part of a segment is zero")
{
	enter_scratch();
	IS(exit_byte_at(DATA_BASE), EXITED(0xdd));
	IS(exit_byte_at(DATA_BASE + 0xff), EXITED(0xdd));
	IS(exit_byte_at(DATA_BASE + 0x100), EXITED(0));
	IS(exit_byte_at(DATA_BASE + 0xfff), EXITED(0));
	IS(exit_byte_at(DATA_BASE + 0x1000), EXITED(0));
	IS(exit_byte_at(DATA_BASE + 0x2fff), EXITED(0));
}

TEST(segment_ends, "[E2] a segment is mapped to the end of its last page, and no further")
{
	enter_scratch();
	IS(exit_byte_at(DATA_BASE + 0x3000), KILLED(SIGSEGV));
	IS(exit_byte_at(IMAGE_BASE - 1), KILLED(SIGSEGV));
	IS(exit_byte_at(IMAGE_BASE + 0x2000), KILLED(SIGSEGV));
	IS(exit_byte_at(0), KILLED(SIGSEGV));
}

TEST(segment_permissions, "[E2] segments get exactly their permissions")
{
	enter_scratch();
	IS(write_byte_at(DATA_BASE), EXITED(0));
	IS(write_byte_at(DATA_BASE + 0x2000), EXITED(0));
	IS(write_byte_at(IMAGE_BASE), KILLED(SIGSEGV));
	IS(write_byte_at(IMAGE_BASE + CODE_OFFSET), KILLED(SIGSEGV));
	IS(exit_byte_at(IMAGE_BASE + 1), EXITED('E'));
	IS(jump_to(DATA_BASE), KILLED(SIGSEGV));
	IS(jump_to(DATA_BASE + 0x2000), KILLED(SIGSEGV));
}

TEST(read_only_segment, "[E2] a read-only segment is neither writable nor executable")
{
	u8 code[] = {0x48, 0xb8, 0, 0, 0x60, 0, 0, 0, 0, 0, 0xff, 0xe0};

	enter_scratch();
	image_make(code, sizeof(code));
	image.data->p_flags = PF_R;
	image.data->p_memsz = image.data->p_filesz;
	memcpy(image.bytes + DATA_OFFSET, code_exit, sizeof(code_exit));
	IS(image_run(), KILLED(SIGSEGV));
	image.data->p_flags = PF_R | PF_X;
	IS(image_run(), EXITED(42));
}

static const char read_only_text[] = "constant";
static char data_text[64] = "data";

TEST(own_permissions, "[E2] this program's own segments have exactly their permissions")
{
	char stack_text[64] = "stack";
	void (*volatile jump)(void);

	IS(CHILD(*(volatile char *)opaque((u64)&image_run) = 1), KILLED(SIGSEGV));
	IS(CHILD(*(volatile char *)opaque((u64)read_only_text) = 1), KILLED(SIGSEGV));
	IS(CHILD(*(volatile char *)opaque((u64)data_text) = 1), EXITED(0));
	memcpy(data_text, code_exit, sizeof(code_exit));
	memcpy(stack_text, code_exit, sizeof(code_exit));
	jump = opaque((u64)data_text);
	IS(CHILD(jump()), KILLED(SIGSEGV));
	jump = opaque((u64)stack_text);
	IS(CHILD(jump()), KILLED(SIGSEGV));
	jump = opaque((u64)read_only_text);
	IS(CHILD(jump()), KILLED(SIGSEGV));
}

TEST(image_not_changed, "[E2] what a program writes to its data does not reach its file")
{
	static u8 now[IMAGE_SIZE];
	int fd;

	enter_scratch();
	IS(write_byte_at(DATA_BASE), EXITED(0));
	fd = OK(open("image", O_RDONLY));
	NEED(read(fd, now, IMAGE_SIZE) == (ssize_t)IMAGE_SIZE);
	CHECK(memcmp(now, image.bytes, IMAGE_SIZE) == 0);
	IS(exit_byte_at(DATA_BASE), EXITED(0xdd));
}

/* --- failing execs --- */

TEST(errno_of_path, "[P9] a path that cannot be executed: its errno, and the caller goes on")
{
	static char long_name[5000];

	enter_scratch();
	make_closed_file("plain", "text\n", 5, 0644);
	make_closed_file("text", "no program\n", 11, 0755);
	OK(mkdir("folder", 0755));
	OK(symlink("loop", "loop"));
	memset(long_name, 'x', sizeof(long_name) - 1);
	FAILS(execv("./missing", no_arguments), ENOENT);
	FAILS(execv("", no_arguments), ENOENT);
	FAILS(execv("./plain", no_arguments), EACCES);
	FAILS(execv("./folder", no_arguments), EACCES);
	FAILS(execv("./text", no_arguments), ENOEXEC);
	FAILS(execv("./plain/x", no_arguments), ENOTDIR);
	FAILS(execv("./text/", no_arguments), ENOTDIR);
	FAILS(execv("./loop", no_arguments), ELOOP);
	FAILS(execv(long_name, no_arguments), ENAMETOOLONG);
	FAILS(execv(long_name + sizeof(long_name) - 300, no_arguments), ENAMETOOLONG);
	FAILS(execv("/dev/null", no_arguments), EACCES);
}

TEST(errno_of_pointers, "[V7] bad pointers to path, argv, envp and their strings: EFAULT")
{
	char **end = (char **)((u8 *)pages(2, PROT_READ | PROT_WRITE) + PAGE);
	char *bad_string[] = {"x", opaque(0xffff800000000000), NULL};
	static const u64 bad[] = {1, 0xdead0000, 0x800000000000, 0xffff800000000000, ~0UL, ~7UL};

	OK(munmap(end, PAGE));
	end[-1] = "never terminated";
	for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
		FAILS(syscall(SYS_execve, bad[i], no_arguments, environ), EFAULT);
		FAILS(syscall(SYS_execve, "/proc/self/exe", bad[i], environ), EFAULT);
		FAILS(syscall(SYS_execve, "/proc/self/exe", no_arguments, bad[i]), EFAULT);
		bad_string[1] = opaque(bad[i]);
		FAILS(syscall(SYS_execve, "/proc/self/exe", bad_string, environ), EFAULT);
		FAILS(syscall(SYS_execve, "/proc/self/exe", no_arguments, bad_string), EFAULT);
	}
	FAILS(syscall(SYS_execve, NULL, no_arguments, environ), EFAULT);
	FAILS(syscall(SYS_execve, "/proc/self/exe", end - 1, environ), EFAULT);
	memset((char *)end - 16, 'x', 16);
	FAILS(syscall(SYS_execve, (char *)end - 16, no_arguments, environ), EFAULT);
}

TEST(too_big, "[P9] more than the limits of arguments: E2BIG")
{
	u64 one = 32 * PAGE; /* MAX_ARG_STRLEN */
	char *string = pages(40, PROT_READ | PROT_WRITE);
	char *args[] = {"exec", string, NULL};
	static char *many[200002];

	memset(string, 'a', one);
	FAILS(execv("/proc/self/exe", args), E2BIG);
	string[1000] = 0;
	many[0] = "exec";
	for (u32 i = 1; i < 20000; i++)
		many[i] = string;
	FAILS(execv("/proc/self/exe", many), E2BIG);
	FAILS(execve("/proc/self/exe", args, many), E2BIG);
}

TEST(longest_argument, "[P9] an argument just below the limit arrives")
{
	u64 one = 32 * PAGE;
	char *string = pages(40, PROT_READ | PROT_WRITE), number[32];
	char *args[] = {"exec", "@length", number, string, NULL};

	memset(string, 'a', one - 1);
	snprintf(number, sizeof(number), "%lu", one - 1);
	IS(CHILD(execv("/proc/self/exe", args)), EXITED(0));
}

static volatile int handled;

static void on_signal(int sig)
{
	handled = sig;
}

TEST(failure_changes_nothing,
     "[P9] after a failed exec: memory, handlers, descriptors and name are as before")
{
	u8 *map = pages(4, PROT_READ | PROT_WRITE);
	char before[64], after[64];
	int fd;

	enter_scratch();
	make_closed_file("text", "no program\n", 11, 0755);
	image_make(code_exit, sizeof(code_exit));
	image.e->e_machine = EM_AARCH64;
	image_write();
	fd = OK(open("/dev/null", O_RDWR | O_CLOEXEC));
	memset(map, 5, 4 * PAGE);
	signal(SIGUSR1, on_signal);
	OK(syscall(SYS_prctl, 16, before, 0, 0, 0)); /* PR_GET_NAME */
	for (u32 i = 0; i < 10; i++) {
		FAILS(execv("./text", no_arguments), ENOEXEC);
		FAILS(execv("./image", no_arguments), ENOEXEC);
	}
	OK(syscall(SYS_prctl, 16, after, 0, 0, 0));
	IS_STR(after, before);
	IS(fcntl(fd, F_GETFD), FD_CLOEXEC);
	for (u32 i = 0; i < 4 * PAGE; i++)
		CHECK(map[i] == 5);
	raise(SIGUSR1);
	IS(handled, SIGUSR1);
}

/* --- what goes through --- */

/* Role @echo: write argc, then every argument and variable with its terminator, to descriptor 3. */
static int role_echo(int argc, char **argv)
{
	dprintf(3, "%d", argc);
	if (write(3, "", 1) != 1)
		return 1;
	for (char **a = argv; *a; a++)
		if (write(3, *a, strlen(*a) + 1) < 0)
			return 1;
	if (write(3, "|", 2) != 2)
		return 1;
	for (char **e = environ; *e; e++)
		if (write(3, *e, strlen(*e) + 1) < 0)
			return 1;
	return 0;
}

/* Execute PATH in a child and read what it writes to descriptor 3, up to SIZE bytes. => bytes */
static u64 run_and_read(const char *path, char *const *argv, char *const *envp, char *buf, u64 size)
{
	u64 got = 0;
	ssize_t n;
	int fds[2];
	pid_t child;

	OK(pipe2(fds, O_CLOEXEC));
	child = SPAWN({
		if (fds[1] == 3)
			fcntl(3, F_SETFD, 0);
		else
			dup2(fds[1], 3);
		execve(path, argv, envp);
		_exit(128 + errno);
	});
	close(fds[1]);
	while ((n = read(fds[0], buf + got, size - got)) > 0)
		got += n;
	close(fds[0]);
	IS(wait_status(child), EXITED(0));
	return got;
}

TEST(strings_exact, "[P9] argv and envp arrive exactly, empty strings and odd bytes too")
{
	char *argv[] = {"the name", "@echo", "", "a b", "\x80\xff\n\t", "--", NULL};
	char *envp[] = {"", "A=1", "no equals sign", "A=2", "PATH=", NULL};
	static const char want[] =
	        "6\0the name\0@echo\0\0a b\0\x80\xff\n\t\0--\0|\0\0A=1\0no equals sign\0A=2\0PATH=";
	char got[256];

	IS(run_and_read("/proc/self/exe", argv, envp, got, sizeof(got)), sizeof(want));
	CHECK(memcmp(got, want, sizeof(want)) == 0);
}

TEST(many_arguments, "[P9] five thousand arguments arrive in order")
{
	static char *argv[5003], names[5000][8], got[64 * 1024];
	u64 size, at = 5;

	argv[0] = "exec";
	argv[1] = "@echo";
	for (u32 i = 0; i < 5000; i++) {
		snprintf(names[i], 8, "a%u", i);
		argv[2 + i] = names[i];
	}
	size = run_and_read("/proc/self/exe", argv, environ, got, sizeof(got));
	IS_STR(got, "5002");
	at += sizeof("exec") + sizeof("@echo");
	for (u32 i = 0; i < 5000 && at < size; i++) {
		IS_STR(got + at, names[i]);
		at += strlen(names[i]) + 1;
	}
	IS_STR(got + at, "|");
}

TEST(no_argv, "[P9] without any argument the program gets one empty string")
{
	char *none[] = {NULL};

	/* mov (%rsp), %edi; mov $60, %eax; syscall */
	static const u8 code[] = {0x8b, 0x3c, 0x24, 0xb8, 60, 0, 0, 0, 0x0f, 0x05};

	enter_scratch();
	image_make(code, sizeof(code));
	image_write();
	IS(CHILD(syscall(SYS_execve, "./image", none, none)), EXITED(1));
	IS(CHILD(syscall(SYS_execve, "./image", NULL, NULL)), EXITED(1));
	IS(CHILD(syscall(SYS_execve, "./image", no_arguments, NULL)), EXITED(1));
}

/* --- scripts --- */

static void make_script(const char *path, const char *first_line)
{
	make_closed_file(path, first_line, strlen(first_line), 0755);
}

/* A link to this program in the scratch folder, so that a script can name it. */
static void link_self(void)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	NEED(n > 0);
	self[n] = 0;
	OK(symlink(self, "self"));
}

TEST(script_argument, "[P9] #!: interpreter, its one argument, the script's path, then the arguments")
{
	char *argv[] = {"lost", "one", "two", NULL}, *envp[] = {NULL};
	static const char want[] = "5\0./self\0@echo  x\0./script\0one\0two\0|";
	char got[256];

	enter_scratch();
	link_self();
	make_script("script", "#!  ./self \t @echo  x \t\nignored\n");
	IS(run_and_read("./script", argv, envp, got, sizeof(got)), sizeof(want));
	CHECK(memcmp(got, want, sizeof(want)) == 0);
}

TEST(script_of_script, "[P9] #!: a script may be the interpreter of a script")
{
	char *argv[] = {"lost", "one", NULL}, *envp[] = {NULL};
	static const char want[] = "5\0./self\0@echo\0./inner\0./outer\0one\0|";
	char got[256];

	enter_scratch();
	link_self();
	make_script("inner", "#!./self @echo\n");
	make_script("outer", "#!./inner\n");
	IS(run_and_read("./outer", argv, envp, got, sizeof(got)), sizeof(want));
	CHECK(memcmp(got, want, sizeof(want)) == 0);
}

TEST(script_errors, "[P9] #!: no interpreter, a missing one, a folder, one not executable, a loop")
{
	enter_scratch();
	make_script("nothing", "#!\n");
	make_script("blank", "#!   \n");
	make_script("missing", "#!/nowhere/sh\n");
	make_script("folder", "#!/dev\n");
	make_closed_file("plain", "x", 1, 0644);
	make_script("not_executable", "#!./plain\n");
	make_script("loop", "#!./loop\n");
	FAILS(execv("./nothing", no_arguments), ENOEXEC);
	FAILS(execv("./blank", no_arguments), ENOEXEC);
	FAILS(execv("./missing", no_arguments), ENOENT);
	FAILS(execv("./folder", no_arguments), EACCES);
	FAILS(execv("./not_executable", no_arguments), EACCES);
	FAILS(execv("./loop", no_arguments), ELOOP);
}

/* --- what exec keeps and what it resets --- */

/* Role @state: check, as the fresh program, what the caller set up; its pid is argv[2]. */
static int role_state(char **argv)
{
	struct sigaction now;
	stack_t stack;
	sigset_t set;

	CHECK(getpid() == atoi(argv[2]));
	FAILS(fcntl(10, F_GETFD), EBADF);
	IS(fcntl(11, F_GETFD), 0);
	IS(lseek(11, 0, SEEK_CUR), 3);
	sigaction(SIGUSR1, NULL, &now);
	CHECK(now.sa_handler == SIG_DFL);
	sigaction(SIGUSR2, NULL, &now);
	CHECK(now.sa_handler == SIG_IGN);
	sigprocmask(SIG_BLOCK, NULL, &set);
	IS(sigismember(&set, SIGHUP), 1);
	IS(sigismember(&set, SIGINT), 0);
	sigpending(&set);
	IS(sigismember(&set, SIGHUP), 1);
	sigaltstack(NULL, &stack);
	IS(stack.ss_flags, SS_DISABLE);
	CHECK(alarm(0) > 90);
	IS(umask(0), 0123);
	return tap_failures ? 1 : 0;
}

TEST(state, "[P9] exec resets handlers and the signal stack, closes close-on-exec, keeps the rest")
{
	static char stack[16384];
	char pid[16], *argv[] = {"exec", "@state", pid, NULL};

	enter_scratch();
	IS(CHILD({
		   stack_t ss = {.ss_sp = stack, .ss_size = sizeof(stack)};
		   sigset_t set;
		   int fd = make_file("file", "0123456789", 10, 0600);

		   snprintf(pid, sizeof(pid), "%d", getpid());
		   OK(dup2(fd, 11));
		   OK(dup3(fd, 10, O_CLOEXEC));
		   OK(lseek(11, 3, SEEK_SET));
		   signal(SIGUSR1, on_signal);
		   signal(SIGUSR2, SIG_IGN);
		   sigemptyset(&set);
		   sigaddset(&set, SIGHUP);
		   sigprocmask(SIG_BLOCK, &set, NULL);
		   raise(SIGHUP);
		   OK(sigaltstack(&ss, NULL));
		   alarm(100);
		   umask(0123);
		   execv("/proc/self/exe", argv);
	   }),
	   EXITED(0));
}

TEST(name, "[P9] exec sets the process's name from the file's")
{
	/* prctl(PR_GET_NAME, sp - 64); exit(first byte): lea -64(%rsp), %rsi; mov $16, %edi; mov $157, %eax;
	 * syscall; movzbl -64(%rsp), %edi; mov $60, %eax; syscall */
	static const u8 code[] = {0x48, 0x8d, 0x74, 0x24, 0xc0, 0xbf, 16,   0,    0,    0,
	                          0xb8, 157,  0,    0,    0,    0x0f, 0x05, 0x0f, 0xb6, 0x7c,
	                          0x24, 0xc0, 0xb8, 60,   0,    0,    0,    0x0f, 0x05};

	enter_scratch();
	image_make(code, sizeof(code));
	IS(image_run(), EXITED('i'));
}

TEST(old_memory_gone, "[P9] nothing of the old image is left")
{
	void *map = mmap((void *)0x10000000, PAGE, PROT_READ | PROT_WRITE,
	                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	NEED(map != MAP_FAILED);
	*(char *)map = 1;
	enter_scratch();
	IS(exit_byte_at(0x10000000), KILLED(SIGSEGV));
}

TEST(deleted_program, "[P9] a program goes on when its file is deleted or replaced")
{
	/* read(0, ...) until the pipe ends, then exit(42) */
	static const u8 code[] = {0x31, 0xc0, 0x31, 0xff, 0x48, 0x8d, 0x74, 0x24, 0xc0, 0xba,
	                          1,    0,    0,    0,    0x0f, 0x05, 0xb8, 60,   0,    0,
	                          0,    0xbf, 42,   0,    0,    0,    0x0f, 0x05};
	pid_t child;
	int fds[2], ready[2];
	char c;

	enter_scratch();
	image_make(code, sizeof(code));
	image_write();
	OK(pipe2(fds, O_CLOEXEC));
	OK(pipe2(ready, O_CLOEXEC));
	child = SPAWN({
		dup2(fds[0], 0);
		execv("./image", no_arguments);
	});
	close(ready[1]);
	NEED(read(ready[0], &c, 1) == 0); /* closed by exec */
	OK(unlink("image"));
	make_closed_file("image", "other", 5, 0755);
	close(fds[0]);
	close(fds[1]);
	IS(wait_status(child), EXITED(42));
}

TEST(repeated, "[P9] forty execs in a row by one process")
{
	char *argv[] = {"exec", "@again", "40", NULL};

	IS(CHILD(execv("/proc/self/exe", argv)), EXITED(0));
}

static int role_again(char **argv)
{
	char left[16];

	if (!strcmp(argv[2], "0"))
		return 0;
	snprintf(left, sizeof(left), "%d", atoi(argv[2]) - 1);
	argv[2] = left;
	execv("/proc/self/exe", argv);
	return 1;
}

int role_main(int argc, char **argv)
{
	const char *role = argv[1];

	if (!strncmp(role, "@echo", 5))
		return role_echo(argc, argv);
	if (!strcmp(role, "@length"))
		return strlen(argv[3]) == strtoul(argv[2], NULL, 10) ? 0 : 1;
	if (!strcmp(role, "@state"))
		return role_state(argv);
	if (!strcmp(role, "@again"))
		return role_again(argv);
	return 1;
}
