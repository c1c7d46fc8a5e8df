/* From the archives that the stub brought to the first program. */
#pragma once

#include "efi/bootinfo.h"

/* initrd_unpack: the built-in root, then what the ESP lays over it. Ends the machine with a message when one is broken. */
void initrd_unpack(const struct bootinfo *bi);

/* initrd_start_init: pid 1 is init= of the command line, or /sbin/init. Ends the machine when it cannot be run. */
void initrd_start_init(const struct bootinfo *bi);
