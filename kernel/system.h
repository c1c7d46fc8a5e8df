/* What everybody may know of this boot. */
#pragma once

extern const char *kernel_cmdline; /* [I] */
