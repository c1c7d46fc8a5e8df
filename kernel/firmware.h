/* UEFI runtime services, called under firmware's own view of memory (UEFI 2.9, chapter 8). */
#pragma once

#include "efi/bootinfo.h"

/* firmware_init => a function that calls ResetSystem(TYPE), or NULL when there are no usable runtime services. */
void (*firmware_init(const struct bootinfo *bi))(u32 type);
