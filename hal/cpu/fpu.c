/* Extended state by XSAVE where the CPU has it, FXSAVE otherwise. */
#include "hal/cpu/fpu.h"
#include "hal/base/string.h"
#include "hal/cpu/cpu.h"
#include "hal/cpu/usercopy.h"

#define FXSAVE_SIZE 512
#define XSAVE_HEADER 512 /* offset of XSTATE_BV (Intel SDM vol. 1, 13.4.2) */
#define XSAVE_HEADER_SIZE 64
#define MXCSR_OFFSET 24
#define MXCSR_DEFAULT 0x1f80
#define FCW_DEFAULT 0x37f

size_t fpu_size(void)
{
	return cpu_features.xcr0 ? cpu_features.xsave_size : FXSAVE_SIZE;
}

void fpu_init_area(void *area)
{
	if (cpu_features
	            .xcr0) /* a header that gives nothing: all is initial but MXCSR, which is always read */
		memset(area + XSAVE_HEADER, 0, XSAVE_HEADER_SIZE);
	else
		memset(area, 0, FXSAVE_SIZE);
	*(u16 *)area = FCW_DEFAULT;
	*(u32 *)(area + MXCSR_OFFSET) = MXCSR_DEFAULT;
}

void fpu_save(void *area)
{
	u32 lo = (u32)cpu_features.xcr0, hi = (u32)(cpu_features.xcr0 >> 32);

	if (cpu_features.xsaveopt)
		__asm__ volatile("xsaveopt64 (%0)" ::"r"(area), "a"(lo), "d"(hi) : "memory");
	else if (cpu_features.xcr0)
		__asm__ volatile("xsave64 (%0)" ::"r"(area), "a"(lo), "d"(hi) : "memory");
	else
		__asm__ volatile("fxsave64 (%0)" ::"r"(area) : "memory");
}

void fpu_restore(const void *area)
{
	u32 lo = (u32)cpu_features.xcr0, hi = (u32)(cpu_features.xcr0 >> 32);

	if (cpu_features.xcr0)
		__asm__ volatile("xrstor64 (%0)" ::"r"(area), "a"(lo), "d"(hi) : "memory");
	else
		__asm__ volatile("fxrstor64 (%0)" ::"r"(area) : "memory");
}

u32 fpu_exceptions(bool simd)
{
	u16 status, control;
	u32 mxcsr;

	if (simd) {
		__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
		return mxcsr & ~(mxcsr >> 7) & 0x3f;
	}
	__asm__ volatile("fnstsw %0; fnstcw %1" : "=m"(status), "=m"(control));
	return status & ~control & 0x3f;
}

int fpu_save_user(u64 to)
{
	return cpu_features.xcr0 ? usercopy_xsave(to, cpu_features.xcr0) : usercopy_fxsave(to);
}

int fpu_restore_user(u64 from, bool extended)
{
	return extended ? usercopy_xrstor(from, cpu_features.xcr0) : usercopy_fxrstor(from);
}
