/* Tests of hal/dev, hal/console and the log. */
#include "hal/base/log.h"
#include "hal/base/string.h"
#include "hal/console/console.h"
#include "hal/cpu/backtrace.h"
#include "hal/dev/acpi.h"
#include "hal/dev/pci.h"
#include "testsuite/kern/kern.h"
#include "vm/uaccess.h"

static bool sums_to_zero(const u8 *p, u32 n)
{
	u8 sum = 0;

	for (u32 i = 0; i < n; i++)
		sum += p[i];
	return sum == 0;
}

KERNEL_TEST(acpi_tables, "[B6] ACPI: the MADT and the FADT are found, with good check sums")
{
	static const char *const wanted[] = {"APIC", "FACP"};

	for (u32 i = 0; i < ARRAY_SIZE(wanted); i++) {
		const struct acpi_header *h = acpi_find(wanted[i], 0);

		KT_ASSERT(h);
		KT_CHECK(memcmp(h->signature, wanted[i], 4) == 0);
		KT_CHECK(h->length >= sizeof(*h) && sums_to_zero((const u8 *)h, h->length));
	}
	KT_CHECK(acpi_find("NONE", 0) == NULL);
	KT_CHECK(acpi_find("APIC", 99) == NULL);
	KT_CHECK(madt_lapic_base() != 0);
}

static void count_entry(const struct madt_entry *e, void *arg)
{
	u32 *count = arg;

	if (e->type < 4)
		count[e->type]++;
}

KERNEL_TEST(madt_entries, "[B6] the MADT lists at least one CPU and one IO-APIC")
{
	u32 count[4] = {0};

	madt_for_each(count_entry, count);
	KT_CHECK(count[0] >= 1);
	KT_CHECK(count[1] >= 1);
}

KERNEL_TEST(pci_devices, "[B6] PCI devices are found, and answer")
{
	KT_ASSERT(pci_count() > 0);
	for (u32 i = 0; i < pci_count(); i++) {
		const struct pci_device *d = pci_get(i);

		KT_ASSERT(d);
		KT_CHECK(d->vendor != 0xffff && d->vendor != 0);
		KT_CHECK(pci_read32(d, 0) == (d->vendor | (u32)d->device << 16));
	}
	KT_CHECK(pci_get(pci_count()) == NULL);
}

KERNEL_TEST(log_keeps, "[B7] what was logged is in the ring, with its level; control characters are not")
{
	static char buf[512];
	u64 pos = 0, next;
	bool found = false;

	klog(LOG_DEBUG, "kerntest marker %d \033[31m", 4711);
	while (!found) {
		size_t n = log_read(pos, buf, sizeof(buf) - 1, &next);

		if (n == 0)
			break;
		buf[n] = 0;
		for (char *p = buf; *p; p++) {
			KT_CHECK(*p != '\033');
			found |= strncmp(p, "kerntest marker 4711", 20) == 0;
		}
		pos = next;
	}
	KT_CHECK(found);
}

KERNEL_TEST(console_there, "[B7] there is a console, and the symbols for a backtrace")
{
	u64 offset;

	KT_CHECK(console_device() != NULL);
	KT_CHECK(strcmp(ksyms_lookup((u64)kern_tests_run + 4, &offset), "kern_tests_run") == 0);
	KT_CHECK(offset == 4);
	KT_CHECK(strcmp(ksyms_lookup(0x1234, &offset), "?") == 0);
}

KERNEL_TEST(bad_user_addresses,
            "[V7] copies from and to addresses that are not ring 3's: -EFAULT, nothing moved")
{
	static const u64 bad[] = {0,          0x1000, 0x10000, 0x7ffffffff000, 1UL << 47, 1UL << 63,
	                          ~0UL << 47, ~0UL,   ~7UL};
	u8 buf[16] = {1};

	for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
		KT_CHECK(copyin(buf, UADDR(bad[i]), 16) == -EFAULT);
		KT_CHECK(copyout(UADDR(bad[i]), buf, 16) == -EFAULT);
		KT_CHECK(copyout_zero(UADDR(bad[i]), 16) == -EFAULT);
		KT_CHECK(copyinstr((char *)buf, UADDR(bad[i]), 16) == -EFAULT);
	}
	KT_CHECK(copyin(buf, UADDR((u64)bad), 8) == -EFAULT); /* the kernel's own data */
	KT_CHECK(!user_range_ok(UADDR(0x10000), ~0UL));
	KT_CHECK(!user_range_ok(UADDR(0x7fffffffe000), 0x2000));
	KT_CHECK(user_range_ok(UADDR(0x7fffffffe000), 0x1000));
	KT_CHECK(copyin(buf, UADDR(bad[4]), 0) == 0 || copyin(buf, UADDR(bad[4]), 0) == -EFAULT);
}
