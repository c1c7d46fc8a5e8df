/* What firmware knows: our own sections, files of the ESP, the command line, ACPI, the screen, time. */
#define BULKHEAD_STUB
#include "efi/stub.h"
#include <efishell.h>

bool exit_qemu;

static const char blanks[] = " \t\r\n";

/* --- our own PE sections (Microsoft PE format 3.4 and 4) --- */

struct pe_section {
	char name[8]; /* not terminated when all eight are used */
	u32 virtual_size, virtual_address, raw_size, raw_offset;
	u32 unused[4];
};
_Static_assert(sizeof(struct pe_section) == 40, "PE section header");

#define PE_OFFSET 0x3c      /* in the DOS header: where "PE\0\0" lies */
#define COFF_SECTIONS 6     /* from "PE\0\0": number of sections */
#define COFF_OPT_SIZE 20    /* size of the optional header */
#define COFF_HEADER_SIZE 24 /* signature included */

static struct blob section_find(const struct stub *s, const char *name)
{
	const u8 *base = s->loaded->ImageBase;
	const u8 *pe = base + *(const u32 *)(base + PE_OFFSET);
	u32 count = *(const u16 *)(pe + COFF_SECTIONS);
	const struct pe_section *sec =
	        (const void *)(pe + COFF_HEADER_SIZE + *(const u16 *)(pe + COFF_OPT_SIZE));

	for (; count; count--, sec++) {
		u64 len = strlen(name);

		if (memcmp(sec->name, name, len) || (len < 8 && sec->name[len]))
			continue;
		/* The file's part is padded to the alignment, the size in memory may be exact. */
		return (struct blob){base + sec->virtual_address, MIN(sec->virtual_size, sec->raw_size)};
	}
	return (struct blob){NULL, 0};
}

EFI_STATUS gather_sections(struct stub *s)
{
	EFI_STATUS status =
	        bs->HandleProtocol(s->handle, &(EFI_GUID)EFI_LOADED_IMAGE_PROTOCOL_GUID, (void **)&s->loaded);
	struct blob initrd;

	if (!ok(status))
		return fail(status, "firmware does not say where it loaded us (%x)", (u64)status);
	s->kernel = section_find(s, ".kernel");
	initrd = section_find(s, ".initrd");
	s->info->initrd = initrd.size ? (u64)initrd.data : 0;
	s->info->initrd_size = initrd.size;
	s->info->kernel_elf = (u64)s->kernel.data;
	s->info->kernel_elf_size = s->kernel.size;
	return EFI_SUCCESS;
}

/* --- files beside us --- */

/* file_read => EFI_SUCCESS with an empty blob when there is no such file. */
static EFI_STATUS file_read(struct stub *s, CHAR16 *path, const char *name, struct blob *ret_file)
{
	EFI_FILE_HANDLE file;
	EFI_STATUS status;
	UINT64 size = 0;
	void *data = NULL;

	*ret_file = (struct blob){NULL, 0};
	if (!s->volume)
		return EFI_SUCCESS;
	status = s->volume->Open(s->volume, &file, path, EFI_FILE_MODE_READ, 0);
	if (status == EFI_NOT_FOUND)
		return EFI_SUCCESS;
	if (!ok(status))
		return fail(status, "%s: cannot be opened (%x)", name, (u64)status);
	/* UEFI 2.10, 13.5 SetPosition(): all ones is the end of the file */
	status = file->SetPosition(file, ~0ULL);
	if (ok(status))
		status = file->GetPosition(file, &size);
	if (ok(status))
		status = file->SetPosition(file, 0);
	if (ok(status) && size) {
		UINTN got = size;

		data = pages_alloc(DIV_UP(size, PAGE), name);
		if (!data) {
			file->Close(file);
			return EFI_OUT_OF_RESOURCES;
		}
		status = file->Read(file, &got, data);
		if (ok(status) && got != size)
			status = EFI_VOLUME_CORRUPTED;
	}
	file->Close(file);
	if (!ok(status))
		return fail(status, "%s: cannot be read (%x)", name, (u64)status);
	*ret_file = (struct blob){data, size};
	return EFI_SUCCESS;
}

/* gather_volume: the file system that we were loaded from. There is none when a shell's memory or the
 * network was the source: then no file overrides anything. */
void gather_volume(struct stub *s)
{
	EFI_FILE_IO_INTERFACE *fs;

	if (s->loaded->DeviceHandle &&
	    ok(bs->HandleProtocol(s->loaded->DeviceHandle, &(EFI_GUID)EFI_SIMPLE_FILE_SYSTEM_PROTOCOL_GUID,
	                          (void **)&fs)))
		fs->OpenVolume(fs, &s->volume);
}

EFI_STATUS gather_initrd(struct stub *s)
{
	struct blob file;
	EFI_STATUS status = file_read(s, L"\\initrd.cpio", "\\initrd.cpio", &file);

	if (!ok(status))
		return status;
	s->info->initrd_extra = (u64)file.data;
	s->info->initrd_extra_size = file.size;
	return EFI_SUCCESS;
}

/* --- the command line --- */

static bool is_blank(char c)
{
	for (const char *b = blanks; *b; b++)
		if (c == *b)
			return true;
	return c == 0;
}

/* cmdline_put: one more character; beyond the limit only the size is counted. */
static void cmdline_put(struct stub *s, char c)
{
	u64 at = s->info->cmdline_size++;

	if (at < BOOT_CMDLINE_MAX)
		s->cmdline[at] = c;
}

/* cmdline_add: append TEXT, without the blanks around it, behind one space. */
static void cmdline_add(struct stub *s, const char *text, u64 size)
{
	while (size && is_blank(*text))
		text++, size--;
	while (size && is_blank(text[size - 1]))
		size--;
	if (size && s->info->cmdline_size)
		cmdline_put(s, ' ');
	for (; size; text++, size--)
		cmdline_put(s, is_blank(*text) ? ' ' : *text);
}

/* cmdline_add_wide: the same of UTF-16, where only ASCII is of use. */
static void cmdline_add_wide(struct stub *s, const CHAR16 *text, u64 chars)
{
	while (chars && (text[chars - 1] == 0 || text[chars - 1] == ' '))
		chars--;
	if (chars && s->info->cmdline_size)
		cmdline_put(s, ' ');
	for (; chars; text++, chars--)
		cmdline_put(s, *text < ' ' ? ' ' : *text < 0x7f ? (char)*text : '?');
}

static u64 wide_len(const CHAR16 *text)
{
	u64 n = 0;

	while (text[n])
		n++;
	return n;
}

/* The shell gives words, our own name first; a boot entry gives text, or something of firmware's own
 * that is no text at all. */
static void cmdline_add_options(struct stub *s)
{
	EFI_SHELL_PARAMETERS_PROTOCOL *shell;
	const CHAR16 *text = s->loaded->LoadOptions;
	u64 chars = s->loaded->LoadOptionsSize / sizeof(CHAR16);

	if (ok(bs->HandleProtocol(s->handle, &(EFI_GUID)EFI_SHELL_PARAMETERS_PROTOCOL_GUID,
	                          (void **)&shell))) {
		for (u64 i = 1; i < shell->Argc; i++)
			cmdline_add_wide(s, shell->Argv[i], wide_len(shell->Argv[i]));
		return;
	}
	if (!text || s->loaded->LoadOptionsSize % sizeof(CHAR16))
		return;
	for (u64 i = 0; i < chars && text[i]; i++)
		if (text[i] < ' ' || text[i] > '~')
			return;
	cmdline_add_wide(s, text, chars);
}

bool cmdline_has(const struct stub *s, const char *word)
{
	u64 len = strlen(word);

	for (const char *p = s->cmdline; *p; p++) {
		const char *end = p;

		while (*end && *end != ' ')
			end++;
		if ((u64)(end - p) == 2 && !memcmp(p, "--", 2))
			return false;
		if ((u64)(end - p) == len && !memcmp(p, word, len))
			return true;
		if (!*end)
			return false;
		p = end;
	}
	return false;
}

EFI_STATUS gather_cmdline(struct stub *s)
{
	struct blob builtin = section_find(s, ".cmdline"), file;
	EFI_STATUS status = file_read(s, L"\\cmdline.txt", "\\cmdline.txt", &file);
	u64 size;

	if (!ok(status))
		return status;
	s->cmdline = arena_alloc(BOOT_CMDLINE_MAX + 1);
	if (!s->cmdline)
		return EFI_OUT_OF_RESOURCES;
	cmdline_add(s, builtin.data, builtin.size);
	cmdline_add(s, file.data, file.size);
	cmdline_add_options(s);
	exit_qemu = cmdline_has(s, "exit=qemu");
	size = ++s->info->cmdline_size;
	if (size > BOOT_CMDLINE_MAX)
		return fail(EFI_BUFFER_TOO_SMALL, "the command line has %u bytes, more than %u", size - 1,
		            (u64)BOOT_CMDLINE_MAX - 1);
	s->info->cmdline = (u64)s->cmdline;
	return EFI_SUCCESS;
}

/* --- tables and devices --- */

/* ACPI 6.5, 5.2.5.3: the root of all tables. Revision 2 brought the 64-bit one. */
EFI_STATUS gather_acpi(struct stub *s)
{
	static const EFI_GUID acpi20 = ACPI_20_TABLE_GUID;

	for (UINTN i = 0; i < st->NumberOfTableEntries; i++) {
		const u8 *rsdp = st->ConfigurationTable[i].VendorTable;

		if (memcmp(&st->ConfigurationTable[i].VendorGuid, &acpi20, sizeof(acpi20)))
			continue;
		if (memcmp(rsdp, "RSD PTR ", 8) || rsdp[15] < 2)
			return fail(EFI_UNSUPPORTED, "firmware's ACPI root table is damaged");
		s->info->acpi_rsdp = (u64)rsdp;
		return EFI_SUCCESS;
	}
	return fail(EFI_UNSUPPORTED, "firmware has no ACPI 2.0 tables");
}

void gather_framebuffer(struct stub *s)
{
	EFI_GRAPHICS_OUTPUT_PROTOCOL *gop;
	EFI_GRAPHICS_OUTPUT_MODE_INFORMATION *mode;
	bool bgr, rgb;

	if (!ok(bs->LocateProtocol(&(EFI_GUID)EFI_GRAPHICS_OUTPUT_PROTOCOL_GUID, NULL, (void **)&gop)) ||
	    !gop->Mode || !gop->Mode->Info)
		return;
	mode = gop->Mode->Info;
	bgr = mode->PixelFormat == PixelBlueGreenRedReserved8BitPerColor ||
	      (mode->PixelFormat == PixelBitMask && mode->PixelInformation.RedMask == 0xff0000);
	rgb = mode->PixelFormat == PixelRedGreenBlueReserved8BitPerColor ||
	      (mode->PixelFormat == PixelBitMask && mode->PixelInformation.RedMask == 0xff);
	if (!bgr && !rgb)
		return;
	s->info->fb = (struct boot_framebuffer){
	        .base = gop->Mode->FrameBufferBase,
	        .size = gop->Mode->FrameBufferSize,
	        .width = mode->HorizontalResolution,
	        .height = mode->VerticalResolution,
	        .stride = mode->PixelsPerScanLine * 4,
	        .bgr = bgr,
	};
}

/* days_from_civil: days from 1970-01-01 to a date of the Gregorian calendar. */
static u64 days_from_civil(u64 year, u64 month, u64 day)
{
	u64 y = month <= 2 ? year - 1 : year;
	u64 year_day = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

	return y * 365 + y / 4 - y / 100 + y / 400 + year_day - 719468;
}

void gather_time(struct stub *s)
{
	EFI_TIME t;
	i64 zone;

	s->info->efi_runtime = (u64)st->RuntimeServices;
	if (!st->RuntimeServices || !ok(st->RuntimeServices->GetTime(&t, NULL)))
		return;
	if (t.Year < 1970 || t.Month < 1 || t.Month > 12 || t.Day < 1 || t.Day > 31)
		return;
	/* TimeZone: minutes from UTC to local time's negative (UEFI 2.10, 8.3): UTC = local + zone */
	zone = t.TimeZone == EFI_UNSPECIFIED_TIMEZONE ? 0 : t.TimeZone;
	s->info->real_time = days_from_civil(t.Year, t.Month, t.Day) * 86400 + t.Hour * 3600ULL +
	                     t.Minute * 60ULL + t.Second + (u64)(zone * 60);
}
