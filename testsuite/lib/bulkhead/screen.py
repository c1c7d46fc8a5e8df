"""The guest's screen: pictures of it, and the text in them."""

import gzip
import re
import struct
import zlib

FONT = "/usr/share/consolefonts/Lat15-VGA16.psf.gz"


class Font:
    """A PSF font's glyphs: 8 pixels wide, one byte a line."""

    def __init__(self, path=FONT):
        with gzip.open(path) as f:
            data = f.read()
        if data[:2] == b"\x36\x04":
            count, self.height, start = 512 if data[2] & 1 else 256, data[3], 4
            entries, wide = data[start + count * self.height:], True
        else:
            start, _, count, _, self.height = struct.unpack_from("<5I", data, 8)
            entries, wide = data[start + count * self.height:], False
        self.letters = {}
        for number, letter in enumerate(self._unicode(entries, wide)[:count]):
            glyph = data[start + number * self.height:start + (number + 1) * self.height]
            if letter and " " <= letter <= "~":
                self.letters.setdefault(glyph, letter)

    @staticmethod
    def _unicode(entries, wide):
        """The ASCII letter, else the first one, that each glyph stands for."""
        if wide:
            rows = entries.decode("utf-16-le", errors="replace").split("\uffff")
        else:
            rows = [row.decode(errors="replace") for row in entries.split(b"\xff")]
        return [next((c for c in row if " " <= c <= "~"), row[:1]) for row in rows]


class Picture:
    """A screen dump (binary PPM)."""

    def __init__(self, ppm):
        head = re.match(rb"P6\s+(\d+)\s+(\d+)\s+255\s", ppm)
        self.width, self.height = int(head.group(1)), int(head.group(2))
        self.rgb = ppm[head.end():]

    def _row_bits(self, x, y, ground):
        bits = 0
        for i in range(8):
            at = (y * self.width + x + i) * 3
            bits = bits << 1 | (self.rgb[at:at + 3] != ground)
        return bits

    def _letter(self, x, y, font):
        ground = self.rgb[:3]
        for turned in (0, 0xFF):  # as it is, or in inverse video: the cursor
            glyph = bytes(self._row_bits(x, y + i, ground) ^ turned for i in range(font.height))
            if glyph in font.letters:
                return font.letters[glyph]
        return "\ufffd"

    def text(self, font=None):
        """The screen's lines, by comparing each cell with the font. The top left corner's colour is
        taken for the background."""
        font = font or Font()
        lines = ["".join(self._letter(x, y, font) for x in range(0, self.width - 7, 8)).rstrip()
                 for y in range(0, self.height - font.height + 1, font.height)]
        return "\n".join(lines).rstrip()

    def png(self):
        """The same as a PNG file (RFC 2083)."""
        def chunk(kind, data):
            return (struct.pack(">I", len(data)) + kind + data
                    + struct.pack(">I", zlib.crc32(kind + data)))
        stride = self.width * 3
        rows = b"".join(b"\0" + self.rgb[y * stride:(y + 1) * stride] for y in range(self.height))
        return (b"\x89PNG\r\n\x1a\n"
                + chunk(b"IHDR", struct.pack(">2I5B", self.width, self.height, 8, 2, 0, 0, 0))
                + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))
