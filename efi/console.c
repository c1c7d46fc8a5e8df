/* Messages on the firmware's console, which most firmware copies to the serial line. */
#define BULKHEAD_STUB
#include "efi/stub.h"

static CHAR16 line[256];
static u32 line_len;

static void line_flush(void)
{
	line[line_len] = 0;
	st->ConOut->OutputString(st->ConOut, line);
	line_len = 0;
}

static void put(char c)
{
	if (line_len == ARRAY_SIZE(line) - 1)
		line_flush();
	line[line_len++] = (CHAR16)(u8)c;
}

static void put_string(const char *s)
{
	while (*s)
		put(*s++);
}

static void put_number(u64 n, u32 radix)
{
	char digits[24];
	u32 count = 0;

	do {
		digits[count++] = "0123456789abcdef"[n % radix];
		n /= radix;
	} while (n);
	while (count)
		put(digits[--count]);
}

EFI_STATUS fail(EFI_STATUS status, const char *fmt, ...)
{
	va_list ap;

	put_string("bulkhead: ");
	va_start(ap, fmt);
	for (; *fmt; fmt++) {
		if (*fmt != '%') {
			put(*fmt);
			continue;
		}
		switch (*++fmt) {
		case 's':
			put_string(va_arg(ap, const char *));
			break;
		case 'u':
			put_number(va_arg(ap, u64), 10);
			break;
		default:
			put_string("0x");
			put_number(va_arg(ap, u64), 16);
			break;
		}
	}
	va_end(ap);
	put_string("\r\n");
	line_flush();
	return status;
}
