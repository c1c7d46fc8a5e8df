/* Linux's structures of POSIX message queues (leaf). */
#pragma once

#include <linux/mqueue.h>
