/* Strings and memory (leaf). In the host's tests these are the C library's own. */
#pragma once

#include "hal/base/types.h"

#if __STDC_HOSTED__
#include <string.h>
#else
void *memcpy(void *restrict dst, const void *restrict src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int c, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);

/* Of constant size these become plain moves; -ffreestanding alone would make each a call. */
#define memcpy(...) __builtin_memcpy(__VA_ARGS__)
#define memmove(...) __builtin_memmove(__VA_ARGS__)
#define memset(...) __builtin_memset(__VA_ARGS__)
#define memcmp(...) __builtin_memcmp(__VA_ARGS__)
#define strlen(...) __builtin_strlen(__VA_ARGS__)
#endif

/* str_copy: copy SRC into DST of SIZE bytes, always terminated.
 * => returns the length, or -1 when it had to be cut. */
isize_t str_copy(char *dst, const char *src, size_t size);

/* str_to_u64: parse an unsigned number (0x.. for hexadecimal) at S.
 * => true and *ret_value when there was at least one digit and the value fits;
 *    *ret_end is the first character behind it. */
bool str_to_u64(const char *s, u64 *ret_value, const char **ret_end);

/* page_zero, page_copy: one page, both page-aligned. */
void page_zero(void *page);
void page_copy(void *dst, const void *src);
