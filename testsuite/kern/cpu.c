/* Tests of hal/cpu: descriptor tables, control registers, features. */
#include "hal/cpu/cpu.h"
#include "hal/base/string.h"
#include "hal/cpu/fpu.h"
#include "hal/cpu/percpu.h"
#include "hal/cpu/random.h"
#include "hal/cpu/trapframe.h"
#include "testsuite/kern/kern.h"
#include "vm/pmap.h"

struct table_register {
	u16 limit;
	u64 base;
} __packed;

/* A gate of the IDT (Intel SDM vol. 3, 6.14.1) */
struct gate {
	u16 offset_low, selector;
	u8 ist, type;
	u16 offset_mid;
	u32 offset_high, reserved;
} __packed;

extern char text_start[], text_end[];

static const struct gate *idt(void)
{
	struct table_register r;

	__asm__("sidt %0" : "=m"(r));
	return (const struct gate *)r.base;
}

static u64 gate_target(const struct gate *g)
{
	return g->offset_low | (u64)g->offset_mid << 16 | (u64)g->offset_high << 32;
}

static bool mapped(vaddr_t va, u32 want)
{
	paddr_t pa;
	u32 prot;

	return pmap_kernel_query(va, &pa, &prot) && (prot & (VM_READ | VM_WRITE | VM_EXEC)) == want;
}

KERNEL_TEST(idt_complete, "[B4] each of the 256 gates is present and leads into the kernel's text")
{
	struct table_register r;

	__asm__("sidt %0" : "=m"(r));
	KT_ASSERT(r.limit == 256 * sizeof(struct gate) - 1);
	for (u32 v = 0; v < 256; v++) {
		const struct gate *g = &idt()[v];

		KT_CHECK((g->type & 0x9f) == 0x8e); /* present interrupt gate */
		KT_CHECK(g->selector == SEL_KERNEL_CS);
		KT_CHECK(gate_target(g) >= (u64)text_start && gate_target(g) < (u64)text_end);
		for (u32 w = 0; w < v; w++)
			KT_ASSERT(gate_target(g) != gate_target(&idt()[w]));
	}
}

KERNEL_TEST(idt_rights, "[B4] ring 3 may raise breakpoint, overflow and the system call, nothing else")
{
	for (u32 v = 0; v < 256; v++) {
		bool open = v == VEC_BP || v == VEC_OF || v == VEC_SYSCALL;

		KT_CHECK((idt()[v].type >> 5 & 3) == (open ? 3 : 0));
	}
}

KERNEL_TEST(idt_stacks, "[B4] double fault, NMI and machine check have a stack of their own")
{
	KT_CHECK(idt()[VEC_DF].ist != 0);
	KT_CHECK(idt()[VEC_NMI].ist != 0);
	KT_CHECK(idt()[VEC_MC].ist != 0);
	KT_CHECK(idt()[VEC_DF].ist != idt()[VEC_NMI].ist && idt()[VEC_DF].ist != idt()[VEC_MC].ist &&
	         idt()[VEC_NMI].ist != idt()[VEC_MC].ist);
	KT_CHECK(idt()[VEC_GP].ist == 0 && idt()[VEC_SYSCALL].ist == 0);
}

KERNEL_TEST(idt_growth_stacks,
            "[P5] what a growing stack cannot take is delivered elsewhere: page faults, interrupts")
{
	u32 irq = idt()[VEC_TIMER].ist, wrong = 0;

	KT_CHECK(irq != 0 && idt()[VEC_PF].ist != 0 && idt()[VEC_PF].ist != irq);
	for (u32 v = 32; v < 256; v++)
		wrong += v != VEC_SYSCALL && idt()[v].ist != irq;
	KT_CHECK(wrong == 0);
	for (u32 v = 0; v < 32; v++)
		KT_CHECK(v == VEC_PF || idt()[v].ist == 0 ||
		         (idt()[v].ist != idt()[VEC_PF].ist && idt()[v].ist != irq));
}

KERNEL_TEST(tss_stacks, "[B4] the TSS: separate stacks, mapped and writable; RSP0 is the running thread's")
{
	const struct tss *tss = &this_cpu()->tss;

	for (u32 i = 0; i < IST_COUNT; i++) {
		KT_CHECK(mapped(tss->ist[i] - 8, VM_READ | VM_WRITE));
		KT_CHECK(mapped(tss->ist[i] - 4096, VM_READ | VM_WRITE));
		for (u32 k = 0; k < i; k++)
			KT_CHECK(tss->ist[i] != tss->ist[k]);
	}
	KT_CHECK(tss->rsp0 == ((struct cpu_thread *)thread_current())->kstack_top);
	KT_CHECK(tss->iomap_base >= sizeof(*tss)); /* no port for ring 3 */
}

KERNEL_TEST(gdt_loaded, "[B4] GDT and task register are this CPU's own")
{
	struct table_register r;
	u16 tr, cs, ss;

	__asm__("sgdt %0" : "=m"(r));
	__asm__("str %0" : "=r"(tr));
	__asm__("mov %%cs, %0" : "=r"(cs));
	__asm__("mov %%ss, %0" : "=r"(ss));
	KT_CHECK(r.base == (u64)this_cpu()->gdt);
	KT_CHECK(tr == SEL_TSS);
	KT_CHECK(cs == SEL_KERNEL_CS);
	KT_CHECK(ss == SEL_KERNEL_DS || ss == 0);
	KT_CHECK((this_cpu()->gdt[SEL_TSS / 8] >> 40 & 0x1f) == 0x0b); /* busy */
}

KERNEL_TEST(percpu_self, "[P1] %gs leads to this CPU's data, and ring 3's base waits in the other register")
{
	KT_CHECK(rdmsr(MSR_GS_BASE) == (u64)this_cpu());
	KT_CHECK(percpu_table[this_cpu()->cpu] == this_cpu());
	KT_CHECK(cpu_count >= 1 && this_cpu()->online);
}

KERNEL_TEST(protections_on, "[V8] WP, NX, SMEP, SMAP and UMIP are on where the CPU has them")
{
	u64 cr0 = read_cr0(), cr4 = read_cr4();

	KT_CHECK(cr0 & CR0_WP);
	KT_CHECK(cr0 & CR0_AM);
	KT_CHECK(cr0 & CR0_NE);
	KT_CHECK(!(cr0 & CR0_EM));
	KT_CHECK(!cpu_features.nx || rdmsr(MSR_EFER) & EFER_NXE);
	KT_CHECK(!cpu_features.smep || cr4 & CR4_SMEP);
	KT_CHECK(!cpu_features.smap || cr4 & CR4_SMAP);
	KT_CHECK(!cpu_features.umip || cr4 & CR4_UMIP);
	KT_CHECK(cr4 & CR4_OSFXSR && cr4 & CR4_OSXMMEXCPT);
	kern_test_note("nx %u smep %u smap %u umip %u fsgsbase %u xsave %u", cpu_features.nx,
	               cpu_features.smep, cpu_features.smap, cpu_features.umip, cpu_features.fsgsbase,
	               cpu_features.xsave);
}

KERNEL_TEST(features_found, "[V8] the features are the CPU's own answer")
{
	KT_CHECK(cpu_features.smep == !!(cpuid(7, 0).ebx & BIT(7)));
	KT_CHECK(cpu_features.smap == !!(cpuid(7, 0).ebx & BIT(20)));
	KT_CHECK(cpu_features.umip == !!(cpuid(7, 0).ecx & BIT(2)));
	KT_CHECK(cpu_features.nx == !!(cpuid(0x80000001, 0).edx & BIT(20)));
}

KERNEL_TEST(syscall_registers, "[P7] the system-call registers: entry in the text, flags masked")
{
	u64 mask = rdmsr(MSR_SFMASK), entry = rdmsr(MSR_LSTAR);

	KT_CHECK(rdmsr(MSR_EFER) & EFER_SCE);
	KT_CHECK(entry >= (u64)text_start && entry < (u64)text_end);
	KT_CHECK((rdmsr(MSR_STAR) >> 32 & 0xffff) == SEL_KERNEL_CS);
	KT_CHECK((rdmsr(MSR_STAR) >> 48) + 16 == (SEL_USER_CS & ~3UL) ||
	         (rdmsr(MSR_STAR) >> 48) + 16 == SEL_USER_CS);
	KT_CHECK(mask & RFLAGS_IF && mask & RFLAGS_TF && mask & RFLAGS_DF && mask & RFLAGS_AC &&
	         mask & RFLAGS_NT);
}

KERNEL_TEST(fresh_fpu, "[P6] a fresh program's extended state: x87 0x37f, MXCSR 0x1f80, all else zero")
{
	static u8 area[8192] __aligned(64), shown[8192];

	KT_ASSERT(fpu_size() <= sizeof(area));
	memset(area, 0xaa, sizeof(area));
	fpu_init_area(area);
	memset(shown, 0, sizeof(shown));
	fpu_export(shown, area, fpu_size()); /* as a tracer sees it */
	KT_CHECK(*(u16 *)shown == 0x37f);
	KT_CHECK(*(u32 *)(shown + 24) == 0x1f80);
	for (u32 i = 32; i < 416; i++)
		KT_CHECK(shown[i] == 0);
	for (size_t i = 0; i < fpu_size(); i++)
		KT_CHECK(shown[i] != 0xaa);
}

KERNEL_TEST(random_differs, "[V4] random numbers differ, and every bit of them is set at times")
{
	u64 ones = 0, zeroes = ~0UL, last = 0;

	for (u32 i = 0; i < 200; i++) {
		u64 r = random_u64();

		KT_CHECK(r != last);
		last = r;
		ones |= r;
		zeroes &= r;
	}
	KT_CHECK(ones == ~0UL && zeroes == 0);
}
