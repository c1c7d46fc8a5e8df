/* The boot CPU's tables and features: GDT, TSS, IDT, control registers, system-call entry. */
#include "hal/cpu/cpu.h"
#include "hal/base/assert.h"
#include "hal/base/dmap.h"
#include "hal/base/log.h"
#include "hal/base/sabotage.h"
#include "hal/base/string.h"
#include "hal/cpu/offsets.h"
#include "hal/cpu/percpu.h"
#include "hal/cpu/trapframe.h"
#include "hal/irq/irq.h"
#include "kernel/abi/vdso.h"

_Static_assert(PERCPU_OFFSET(self) == 0, "P1");
_Static_assert(PERCPU_OFFSET(current) == PCPU_CURRENT, "offsets.h");
_Static_assert(PERCPU_OFFSET(user_rsp) == PCPU_USER_RSP, "offsets.h");
_Static_assert(PERCPU_OFFSET(canary) == PCPU_CANARY, "Makefile");
_Static_assert(PERCPU_OFFSET(tss) + offsetof(struct tss, rsp0) == PCPU_RSP0, "offsets.h");
_Static_assert(offsetof(struct cpu_thread, work) == 0, "entry.S");
_Static_assert(offsetof(struct cpu_thread, sp) == CPU_THREAD_SP, "offsets.h");
_Static_assert(offsetof(struct cpu_thread, kstack_low) == CPU_THREAD_KSTACK_LOW, "offsets.h");
_Static_assert(offsetof(struct cpu_thread, canary) == CPU_THREAD_CANARY, "offsets.h");
_Static_assert(offsetof(struct trapframe, rax) == TF_RAX, "offsets.h");
_Static_assert(offsetof(struct trapframe, rcx) == TF_RCX, "offsets.h");
_Static_assert(offsetof(struct trapframe, r11) == TF_R11, "offsets.h");
_Static_assert(offsetof(struct trapframe, orig_rax) == TF_ORIG_RAX, "offsets.h");
_Static_assert(offsetof(struct trapframe, rip) == TF_RIP, "offsets.h");
_Static_assert(offsetof(struct trapframe, cs) == TF_CS, "offsets.h");
_Static_assert(offsetof(struct trapframe, rflags) == TF_RFLAGS, "offsets.h");
_Static_assert(offsetof(struct trapframe, rsp) == TF_RSP, "offsets.h");
_Static_assert(sizeof(struct trapframe) == TF_SIZE, "offsets.h");

struct cpu_features cpu_features;
struct percpu boot_percpu;
struct percpu *percpu_table[MAX_CPUS];
u32 cpu_count;

/* Until there are threads, %gs:current points here. */
static struct cpu_thread boot_cpu_thread;

#define IST_STACK_SIZE (8 * KIB)
static u8 boot_ist_stacks[IST_COUNT][IST_STACK_SIZE] __aligned(16);

/* --- GDT, %gs and TSS (Intel SDM vol. 3, 3.4.5 and 7.2.3) --- */
#define SEG_KERNEL_CODE 0x00af9b000000ffffUL
#define SEG_KERNEL_DATA 0x00cf93000000ffffUL
#define SEG_USER_DATA 0x00cff3000000ffffUL
#define SEG_USER_CODE 0x00affb000000ffffUL
#define SEG_USER_NUMBER 0x0040f10000000000UL /* read-only data; the limit is what LSL tells */

struct table_register {
	u16 limit;
	u64 base;
} __packed;

static void gdt_load(struct percpu *cpu)
{
	u64 tss = (u64)&cpu->tss;

	cpu->gdt[SEL_KERNEL_CS / 8] = SEG_KERNEL_CODE;
	cpu->gdt[SEL_KERNEL_DS / 8] = SEG_KERNEL_DATA;
	/* SEL_USER_CS32 names no segment: SYSRET needs the selector alone, and there are no 32-bit programs. */
	cpu->gdt[SEL_USER_DS / 8] = SEG_USER_DATA;
	cpu->gdt[SEL_USER_CS / 8] = SEG_USER_CODE;
	cpu->gdt[SEL_TSS / 8] =
	        (sizeof(struct tss) - 1) | (tss & 0xffffff) << 16 | 0x89UL << 40 | (tss >> 24 & 0xff) << 56;
	cpu->gdt[SEL_TSS / 8 + 1] = tss >> 32;
	cpu->gdt[VDSO_CPU_SELECTOR / 8] = SEG_USER_NUMBER | cpu->cpu;
	cpu->tss.iomap_base = sabotage(io_ports) ? 0 : sizeof(struct tss); /* no port is allowed to ring 3 */

	struct table_register gdtr = {sizeof(cpu->gdt) - 1, (u64)cpu->gdt};
	__asm__ volatile("lgdt %0\n\t"
	                 "pushq %1\n\t"
	                 "leaq 1f(%%rip), %%rax\n\t"
	                 "pushq %%rax\n\t"
	                 "lretq\n"
	                 "1:\n\t"
	                 "movl %2, %%eax\n\t"
	                 "movl %%eax, %%ss\n\t"
	                 "xorl %%eax, %%eax\n\t"
	                 "movl %%eax, %%ds\n\t"
	                 "movl %%eax, %%es\n\t"
	                 "movl %%eax, %%fs\n\t"
	                 "movl %%eax, %%gs\n\t" /* this may have cleared its base (P1) */
	                 "movl %4, %%eax\n\t"
	                 "movl %5, %%ecx\n\t"
	                 "wrmsr\n\t"
	                 "movl %3, %%eax\n\t"
	                 "ltr %%ax" ::"m"(gdtr),
	                 "i"(SEL_KERNEL_CS), "i"(SEL_KERNEL_DS), "i"(SEL_TSS), "r"((u32)(u64)cpu),
	                 "i"(MSR_GS_BASE), "d"((u32)((u64)cpu >> 32))
	                 : "rax", "rcx", "memory");
}

static void ist_init(struct percpu *cpu, u8 (*stacks)[IST_STACK_SIZE])
{
	for (u32 i = 0; i < IST_COUNT; i++)
		cpu->tss.ist[i] = (u64)stacks[i] + IST_STACK_SIZE;
}

/* --- IDT (Intel SDM vol. 3, 6.14.1) --- */
struct gate {
	u16 offset_low;
	u16 selector;
	u8 ist;
	u8 type;
	u16 offset_mid;
	u32 offset_high;
	u32 reserved;
} __packed;

#define GATE_INTERRUPT 0x8e
#define GATE_DPL3 0x60

static struct gate idt[256] __aligned(16); /* [I] shared by all CPUs */
extern const u8 trap_vectors[256][16];     /* entry.S */

static void idt_set(u32 vector, u8 ist, u8 type)
{
	u64 entry = (u64)trap_vectors[vector];

	idt[vector] = (struct gate){
	        .offset_low = (u16)entry,
	        .selector = SEL_KERNEL_CS,
	        .ist = ist,
	        .type = type,
	        .offset_mid = (u16)(entry >> 16),
	        .offset_high = (u32)(entry >> 32),
	};
}

static void idt_init(void)
{
	for (u32 v = 0; v < 256; v++)
		idt_set(v, v < 32 || sabotage(irq_stack) ? 0 : IST_IRQ, GATE_INTERRUPT);
	idt_set(VEC_PF, IST_PF, GATE_INTERRUPT);
	idt_set(VEC_DB, IST_DB, GATE_INTERRUPT);
	idt_set(VEC_NMI, IST_NMI, GATE_INTERRUPT);
	idt_set(VEC_DF, sabotage(fault_stack) ? 0 : IST_DF, GATE_INTERRUPT);
	idt_set(VEC_MC, IST_MC, GATE_INTERRUPT);
	idt_set(VEC_DE, 0, GATE_INTERRUPT | (sabotage(gate_rights) ? GATE_DPL3 : 0));
	idt_set(VEC_BP, 0, GATE_INTERRUPT | GATE_DPL3);
	idt_set(VEC_OF, 0, GATE_INTERRUPT | GATE_DPL3);
	idt_set(VEC_SYSCALL, 0, GATE_INTERRUPT | (sabotage(int80) ? 0 : GATE_DPL3));
}

static void idt_load(void)
{
	struct table_register idtr = {sizeof(idt) - 1, (u64)idt};

	__asm__ volatile("lidt %0" ::"m"(idtr));
}

/* --- features --- */
static void features_detect(void)
{
	struct cpu_features *f = &cpu_features;
	u32 max = cpuid(0, 0).eax, max_ext = cpuid(0x80000000, 0).eax;
	struct cpuid c = cpuid(0, 0);

	memcpy(f->vendor, &c.ebx, 4);
	memcpy(f->vendor + 4, &c.edx, 4);
	memcpy(f->vendor + 8, &c.ecx, 4);
	c = cpuid(1, 0);
	f->hwcap = c.edx;
	f->stepping = c.eax & 0xf;
	f->model = (c.eax >> 4 & 0xf) | (c.eax >> 12 & 0xf0);
	f->family = (c.eax >> 8 & 0xf) + (c.eax >> 20 & 0xff);
	f->pge = c.edx & BIT(13);
	f->pcid = c.ecx & BIT(17);
	f->x2apic = c.ecx & BIT(21);
	f->tsc_deadline = c.ecx & BIT(24);
	f->xsave = c.ecx & BIT(26);
	f->rdrand = c.ecx & BIT(30);
	f->hypervisor = c.ecx & BIT(31);
	if (max >= 7) {
		c = cpuid(7, 0);
		f->fsgsbase = c.ebx & BIT(0);
		f->smep = c.ebx & BIT(7);
		f->erms = c.ebx & BIT(9);
		f->rdseed = c.ebx & BIT(18);
		f->smap = c.ebx & BIT(20);
		f->umip = c.ecx & BIT(2);
		f->fsrm = c.edx & BIT(4);
	}
	if (f->xsave && max >= 0xd)
		f->xsaveopt = cpuid(0xd, 1).eax & BIT(0);
	c = cpuid(0x80000001, 0);
	f->nx = c.edx & BIT(20);
	f->page_1g = c.edx & BIT(26);
	f->rdtscp = c.edx & BIT(27);
	if (max_ext >= 0x80000007)
		f->invariant_tsc = cpuid(0x80000007, 0).edx & BIT(8);
	f->phys_bits = max_ext >= 0x80000008 ? cpuid(0x80000008, 0).eax & 0xff : 36;
	for (u32 i = 0; max_ext >= 0x80000004 && i < 3; i++) {
		c = cpuid(0x80000002 + i, 0);
		memcpy(f->brand + 16 * i, &c, 16);
	}
}

/* Put STAC and CLAC where asm.h left room. The text is read-only: write through the direct map. */
static void smap_patch(u64 image_phys, u64 image_virt)
{
	struct site {
		i32 where;
		u32 opcode;
	};
	extern struct site __smap_sites_start[], __smap_sites_end[];

	for (struct site *s = __smap_sites_start; s < __smap_sites_end; s++) {
		u8 *insn = phys_to_virt(image_phys + ((u64)&s->where + (i64)s->where - image_virt));

		insn[0] = 0x0f;
		insn[1] = 0x01;
		insn[2] = (u8)s->opcode;
	}
}

void cpu_init_boot(u64 image_phys, u64 image_virt)
{
	struct percpu *cpu = &boot_percpu;

	cpu->self = cpu;
	cpu->current = (struct thread *)&boot_cpu_thread;
	cpu->preempt_count = 1; /* nothing to switch to until sched_start */
	percpu_table[0] = cpu;
	cpu_count = 1;
	ist_init(cpu, boot_ist_stacks);
	gdt_load(cpu);
	wrmsr(MSR_KERNEL_GS_BASE, 0);
	idt_init();
	idt_load();
	features_detect();
	if (cpu_features.smap)
		smap_patch(image_phys, image_virt);
	cpu_init_features();
	cpu->online = true;
}

static void xsave_init(void)
{
	u64 wanted = cpuid(0xd, 0).eax & 0xe7; /* x87, SSE, AVX, AVX-512 */

	write_cr4(read_cr4() | CR4_OSXSAVE);
	__asm__ volatile("xsetbv" ::"c"(0), "a"((u32)wanted), "d"(0));
	cpu_features.xcr0 = wanted;
	cpu_features.xsave_size = cpuid(0xd, 0).ebx;
}

void syscall_entry(void);

void cpu_init_features(void)
{
	const struct cpu_features *f = &cpu_features;
	u64 cr4 = read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT;

	cr4 &= ~CR4_FSGSBASE; /* bases change by arch_prctl alone, so the thread's record is true */
	cr4 |= f->pge ? CR4_PGE : 0;
	cr4 |= f->umip && !sabotage(umip) ? CR4_UMIP : 0;
	/* With pages of the kernel open to ring 3 these two would not let the kernel itself at them. */
	cr4 |= f->smep && !sabotage(smep) && !sabotage(kernel_user) ? CR4_SMEP : 0;
	cr4 |= f->smap && !sabotage(smap) && !sabotage(kernel_user) ? CR4_SMAP : 0;
	write_cr4(cr4);
	write_cr0((read_cr0() | CR0_WP | CR0_MP | CR0_NE | CR0_AM) &
	          ~(CR0_EM | CR0_TS | (sabotage(wp) ? CR0_WP : 0)));
	if (f->xsave)
		xsave_init();

	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE | (f->nx ? EFER_NXE : 0));
	wrmsr(MSR_STAR, (u64)SEL_USER_CS32 << 48 | (u64)SEL_KERNEL_CS << 32);
	wrmsr(MSR_CSTAR, (u64)syscall_entry); /* from 32-bit code, on the CPUs that have it there */
	wrmsr(MSR_SYSENTER_CS, 0);            /* SYSENTER: a general protection fault */
	wrmsr(MSR_LSTAR, (u64)syscall_entry);
	wrmsr(MSR_SFMASK,
	      RFLAGS_IF | RFLAGS_TF | RFLAGS_DF | RFLAGS_AC | RFLAGS_NT | RFLAGS_IOPL | RFLAGS_RF);
	write_dr7(0x400);
}

/* --- threads --- */
void cpu_start_thread(void); /* switch.S */

u64 cpu_prepare_stack(u64 top, void (*fn)(void *), void *arg)
{
	u64 *sp = (u64 *)(top - TF_SIZE - 8); /* below the frame of ring 3; aligned to 16 at the call */

	*--sp = (u64)cpu_start_thread; /* return address of cpu_switch */
	*--sp = (u64)fn;               /* rbx */
	*--sp = 0;                     /* rbp */
	*--sp = (u64)arg;              /* r12 */
	*--sp = 0;                     /* r13 */
	*--sp = 0;                     /* r14 */
	*--sp = 0;                     /* r15 */
	return (u64)sp;
}

struct trapframe *cpu_user_frame(u64 top)
{
	return (struct trapframe *)(top - TF_SIZE);
}

void cpu_set_kernel_stack(u64 top)
{
	if (!sabotage(rsp0) || !this_cpu()->tss.rsp0)
		this_cpu()->tss.rsp0 = top;
}

void cpu_set_user_bases(u64 fs, u64 gs)
{
	wrmsr(MSR_FS_BASE, fs);
	wrmsr(MSR_KERNEL_GS_BASE, gs);
}

/* --- data selectors: all zero in nearly every program, so the common case is four reads --- */

void cpu_save_selectors(struct cpu_selectors *s)
{
	__asm__ volatile("movw %%ds, %0; movw %%es, %1; movw %%fs, %2; movw %%gs, %3"
	                 : "=m"(s->ds), "=m"(s->es), "=m"(s->fs), "=m"(s->gs));
}

/* Loading GS changes the base behind %gs: it is done while that is ring 3's. A selector that ring 3 could load can
 * be loaded here: the GDT never changes, and RPL 3 is no obstacle. */
void cpu_load_selectors(const struct cpu_selectors *s)
{
	__asm__ volatile("movw %0, %%ds; movw %1, %%es; movw %2, %%fs\n\t"
	                 "swapgs; movw %w3, %%gs; swapgs" ::"m"(s->ds),
	                 "m"(s->es), "m"(s->fs), "r"((u32)s->gs)
	                 : "memory");
}

void cpu_send_resched(u32 cpu)
{
	if (cpu != this_cpu_read(cpu))
		lapic_send(percpu_table[cpu]->apic_id, VEC_RESCHED);
}

bool cpu_hw_random(u64 *ret)
{
	bool ok = false;

	for (int tries = 0; tries < 10 && !ok; tries++) {
		if (cpu_features.rdseed)
			__asm__ volatile("rdseed %0" : "=r"(*ret), "=@ccc"(ok));
		else if (cpu_features.rdrand)
			__asm__ volatile("rdrand %0" : "=r"(*ret), "=@ccc"(ok));
		else
			return false;
	}
	return ok;
}
