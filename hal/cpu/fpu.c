/* Extended state by XSAVE where the CPU has it, FXSAVE otherwise. */
#include "hal/cpu/fpu.h"
#include "hal/base/string.h"
#include "hal/cpu/cpu.h"
#include "hal/cpu/usercopy.h"
#include "kernel/abi/errno.h"

#define FXSAVE_SIZE 512
#define XSAVE_HEADER 512 /* offset of XSTATE_BV (Intel SDM vol. 1, 13.4.2) */
#define XSAVE_HEADER_SIZE 64
#define MXCSR_OFFSET 24
#define MXCSR_DEFAULT 0x1f80
#define MXCSR_VALID 0xffff
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

/* Where the components of the legacy area lie (Intel SDM vol. 1, tables 10-2 and 13-1). */
static const struct {
	u16 offset, size;
} x87_parts[] = {{0, 24}, {32, 128}}, sse_part = {160, 256};

#define SW_RESERVED 464 /* of the legacy area, free for software: Linux tells XCR0 there */

/* component_place: where component I lies in the standard form (CPUID leaf 0xd). */
static void component_place(u32 i, u32 *ret_offset, u32 *ret_size)
{
	struct cpuid c = cpuid(0xd, i);

	*ret_size = c.eax;
	*ret_offset = c.ebx;
}

void fpu_export(void *dst, const void *area, size_t size)
{
	u64 present = cpu_features.xcr0 ? *(const u64 *)(area + XSAVE_HEADER) : 3;

	/* A component that is not given is in its initial state, which is zero but for x87's control word. */
	memcpy(dst + MXCSR_OFFSET, area + MXCSR_OFFSET, 4);
	*(u32 *)(dst + MXCSR_OFFSET + 4) = MXCSR_VALID; /* which bits may be set */
	*(u16 *)dst = FCW_DEFAULT;
	for (u32 i = 0; (present & 1) && i < ARRAY_SIZE(x87_parts); i++)
		memcpy(dst + x87_parts[i].offset, area + x87_parts[i].offset, x87_parts[i].size);
	if (present & 2)
		memcpy(dst + sse_part.offset, area + sse_part.offset, sse_part.size);
	if (size <= FPU_LEGACY_SIZE)
		return;
	*(u64 *)(dst + SW_RESERVED) = cpu_features.xcr0;
	*(u64 *)(dst + XSAVE_HEADER) = present;
	for (u32 i = 2; i < 63; i++) {
		u32 offset, bytes;

		if (!(present & cpu_features.xcr0 & BIT(i)))
			continue;
		component_place(i, &offset, &bytes);
		memcpy(dst + offset, area + offset, bytes);
	}
}

int fpu_import(void *area, const void *src, size_t size)
{
	const u64 *header = src + XSAVE_HEADER;

	if (*(const u32 *)(src + MXCSR_OFFSET) & ~MXCSR_VALID)
		return -EINVAL;
	if (size > FPU_LEGACY_SIZE) {
		if (header[0] & ~cpu_features.xcr0)
			return -EINVAL;
		for (u32 i = 1; i < 8; i++) /* XCOMP_BV and the reserved words */
			if (header[i])
				return -EINVAL;
	}
	memcpy(area, src, size);
	if (size <= FPU_LEGACY_SIZE && cpu_features.xcr0)
		*(u64 *)(area + XSAVE_HEADER) |= 3;
	return 0;
}
