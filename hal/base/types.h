/* Fixed-width types, sizes and the few macros that everything uses (leaf). */
#pragma once

#include <stdbool.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t i8;
typedef int16_t i16;
typedef int32_t i32;
typedef int64_t i64;

typedef u64 paddr_t; /* physical address, bytes */
typedef u64 vaddr_t; /* virtual address, bytes */
typedef i32 pid_t;   /* process or thread number, as Linux's */
typedef i64 isize_t; /* a count of bytes, or a negative errno */

/* An address that ring 3 gave: an allegation. Only copyin, copyout and copyinstr
 * (vm/uaccess.h) take it; nothing else may turn it into a pointer. */
typedef struct {
	u64 va;
} uaddr_t;
#define UADDR(x) ((uaddr_t){(u64)(x)})

#define PAGE_SHIFT 12
#define PAGE_SIZE 4096UL
#define PAGE_MASK (PAGE_SIZE - 1)

#define KIB (1024UL)
#define MIB (1024UL * KIB)
#define GIB (1024UL * MIB)

#define NS_PER_SEC 1000000000UL
#define NS_PER_MSEC 1000000UL
#define NS_PER_USEC 1000UL

#define BIT(n) (1UL << (n))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define ALIGN_DOWN(x, a) ((x) & ~((__typeof__(x))(a)-1))
#define ALIGN_UP(x, a) ALIGN_DOWN((x) + ((__typeof__(x))(a)-1), a)
#define DIV_UP(x, y) (((x) + (y)-1) / (y))
#define container_of(p, type, member) ((type *)((char *)(p)-offsetof(type, member)))

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define __noreturn __attribute__((noreturn))
#define __noinline __attribute__((noinline))
#define __inline_always inline __attribute__((always_inline))
#define __packed __attribute__((packed))
#define __aligned(n) __attribute__((aligned(n)))
#define __section(s) __attribute__((section(s), used))
#define __printf(f, a) __attribute__((format(printf, f, a)))
#define __must_check __attribute__((warn_unused_result))
#define __cleanup(fn) __attribute__((cleanup(fn)))
