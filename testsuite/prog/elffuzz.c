/* linux: no (it runs what chance made of programs) */
/* E4: the loader against mutated programs, thousands of them, each executed. A program may run, die or be refused;
 * nothing of the kernel is lost by it, and a neighbour's memory stays as it was.
 *
 *	elffuzz                    the short run
 *	elffuzz @run COUNT SEED    a longer one */
#include "testsuite/prog/tap.h"

#include <elf.h>
#include <sys/random.h>

#define MUTANTS 3000
#define SECONDS 5 /* of one mutant, which may go round for ever */
#define IMAGE_SIZE 0x3000UL
#define CODE 0x800UL
#define HEADERS (sizeof(Elf64_Ehdr) + 4 * sizeof(Elf64_Phdr))

/* exit(42): mov $60, %eax; mov $42, %edi; syscall */
static const u8 code_exit[] = {0xb8, 60, 0, 0, 0, 0xbf, 42, 0, 0, 0, 0x0f, 0x05};

static u64 rng;

static u64 rnd(u64 below)
{
	u64 z = rng += 0x9e3779b97f4a7c15UL; /* splitmix64 */

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9UL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebUL;
	return (z ^ z >> 31) % below;
}

/* --- good programs: fixed, position-independent, with a loader --- */

enum kind {
	FIXED,
	PIE,
	LOADED,
	KINDS
};

static union image {
	u8 bytes[IMAGE_SIZE];
	struct {
		Elf64_Ehdr e;
		Elf64_Phdr p[4];
	};
} good[KINDS], mutant;

static void make_good(union image *m, enum kind kind)
{
	static const char loader[] = "/tmp/elffuzz.loader";
	u64 base = kind == FIXED ? 0x400000 : 0;

	m->e = (Elf64_Ehdr){
	        .e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
	        .e_type = kind == FIXED ? ET_EXEC : ET_DYN,
	        .e_machine = EM_X86_64,
	        .e_version = EV_CURRENT,
	        .e_entry = base + CODE,
	        .e_phoff = sizeof(Elf64_Ehdr),
	        .e_ehsize = sizeof(Elf64_Ehdr),
	        .e_phentsize = sizeof(Elf64_Phdr),
	        .e_phnum = kind == LOADED ? 4 : 3,
	};
	m->p[0] = (Elf64_Phdr){PT_LOAD, PF_R | PF_X, 0, base, base, 0x1000, 0x1000, PAGE};
	m->p[1] =
	        (Elf64_Phdr){PT_LOAD, PF_R | PF_W, 0x1800, base + 0x2800, base + 0x2800, 0x700, 0x5000, PAGE};
	m->p[2] = (Elf64_Phdr){PT_GNU_STACK, PF_R | PF_W, 0, 0, 0, 0, 0, 16};
	m->p[3] = (Elf64_Phdr){PT_INTERP,    PF_R,           0x600,          base + 0x600,
	                       base + 0x600, sizeof(loader), sizeof(loader), 1};
	memcpy(m->bytes + 0x600, loader, sizeof(loader));
	memcpy(m->bytes + CODE, code_exit, sizeof(code_exit));
}

static void make_all_good(void)
{
	for (u32 kind = 0; kind < KINDS; kind++)
		make_good(&good[kind], kind);
	make_closed_file("/tmp/elffuzz.loader", &good[PIE], IMAGE_SIZE, 0755);
}

/* --- what chance makes of them --- */

static u64 edge(void)
{
	/* clang-format off */
	static const u64 edges[] = {
		0, 1, 2, 3, 7, 0xfff, 0x1000, 0x1001, 0x7fffffff, 0xffffffff, 0x400000, 0x7fffffffe000UL,
		0x7fffffffefffUL, 0x7ffffffff000UL, 0x800000000000UL, 0xffff800000000000UL, 1UL << 63, -0x1000UL, -1UL
	};
	/* clang-format on */

	return rnd(4) ? edges[rnd(ARRAY_SIZE(edges))] : rnd(~0UL);
}

static void mutate(union image *m)
{
	u64 width = 1UL << rnd(4), at = rnd(HEADERS / width) * width, value = edge();

	if (rnd(3) == 0) { /* a few pages more or less */
		at &= ~7UL;
		width = 8;
		memcpy(&value, m->bytes + at, 8);
		value += (rnd(9) - 4) * (rnd(2) ? PAGE : 1);
	}
	memcpy(m->bytes + at, &value, width);
}

static int run_file(void)
{
	static char *const argv[] = {"mutant", NULL};

	return CHILD({
		struct rlimit no_core = {0, 0};

		alarm(SECONDS); /* goes on through exec */
		setrlimit(RLIMIT_CORE, &no_core);
		if (setgid(65534) || setuid(65534)) /* whatever it should be: it is nobody */
			_exit(1);
		execv("./mutant", argv);
		_exit(128 + errno);
	});
}

struct counts {
	u32 ran, refused, died, other;
};

static void count(struct counts *c, int status)
{
	if (status >= 256 && status < EXITED(128)) { /* 42, or what it made of itself */
		c->ran++;
		return;
	}
	switch (status) {
	case EXITED(128 + ENOEXEC):
	case EXITED(128 + EACCES):
	case EXITED(128 + EPERM):
	case EXITED(128 + ENOENT):
	case EXITED(128 + ENOMEM):
	case EXITED(128 + ELIBBAD):
	case EXITED(128 + EINVAL):
		c->refused++;
		break;
	case KILLED(SIGSEGV):
	case KILLED(SIGBUS):
	case KILLED(SIGILL):
	case KILLED(SIGFPE):
	case KILLED(SIGTRAP):
	case KILLED(SIGALRM):
	case KILLED(SIGKILL): /* too far in to be refused */
		c->died++;
		break;
	default:
		c->other++;
		note("status 0x%x", status);
	}
}

static void run_mutants(u32 mutants, struct counts *c)
{
	for (u32 i = 0; i < mutants; i++) {
		u32 kind = (u32)rnd(KINDS);
		u64 size = rnd(20) ? IMAGE_SIZE : rnd(IMAGE_SIZE);

		memcpy(&mutant, &good[kind], IMAGE_SIZE);
		for (u32 changes = 1 + (u32)rnd(3); changes > 0; changes--)
			mutate(&mutant);
		make_closed_file("mutant", &mutant, size, 0755);
		count(c, run_file());
	}
}

/* A neighbour that looks at its memory all the time. => its pid; it ends with 7 when something has changed */
static pid_t neighbour(void)
{
	return SPAWN({
		u64 *p = pages(64, PROT_READ | PROT_WRITE);

		for (u64 i = 0; i < 64 * PAGE / 8; i++)
			p[i] = i * 0x9e3779b97f4a7c15UL;
		for (;; sleep_ms(20))
			for (u64 i = 0; i < 64 * PAGE / 8; i++)
				if (p[i] != i * 0x9e3779b97f4a7c15UL)
					_exit(7);
	});
}

static void fuzz(u32 mutants, u64 seed)
{
	static struct accounts before;
	struct counts warm = {0}, c = {0};
	pid_t other;

	enter_scratch();
	OK(chmod(".", 0755));
	make_all_good();
	say("# seed %llu\n", (unsigned long long)seed);
	rng = seed;
	for (u32 kind = 0; kind < KINDS; kind++) {
		make_closed_file("mutant", &good[kind], IMAGE_SIZE, 0755);
		IS(run_file(), EXITED(42));
	}
	run_mutants(10, &warm); /* for this process's own memory */
	unlink("mutant");
	accounts_take(&before);
	other = neighbour();
	run_mutants(mutants, &c);
	say("# %u ran, %u were refused, %u died\n", c.ran, c.refused, c.died);
	CHECK(c.ran > mutants / 20 && c.refused > mutants / 20 && c.died > 0 && c.other == 0);
	CHECK(waitpid(other, NULL, WNOHANG) == 0);
	kill(other, SIGKILL);
	IS(wait_status(other), KILLED(SIGKILL));
	unlink("mutant");
	CHECK(accounts_even(&before));
	unlink("/tmp/elffuzz.loader");
}

TEST(mutants, "[E4] three thousand mutated programs run, die or are refused; nothing is lost by any, no "
              "other is touched")
{
	BULKHEAD_ONLY("what chance makes is not run there");
	fuzz(MUTANTS, 1);
}

TEST(more_mutants, "[E4] five hundred that nobody has seen before")
{
	u64 seed;

	BULKHEAD_ONLY("what chance makes is not run there");
	OK(getrandom(&seed, sizeof(seed), 0));
	fuzz(500, seed);
}

int role_main(int argc, char **argv)
{
	if (argc != 4 || strcmp(argv[1], "@run") || !on_bulkhead())
		return 2;
	fuzz((u32)strtoul(argv[2], NULL, 0), strtoull(argv[3], NULL, 0));
	return tap_failures ? 1 : 0;
}
