#!/usr/bin/env python3
"""usage: mkimage.py IMAGE BOOTX64.EFI ESP-FOLDER   (a disk that firmware can boot from)"""

import sys

from bulkhead import image

image.build(sys.argv[1], image.staged(sys.argv[2], sys.argv[3]))
