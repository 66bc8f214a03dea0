"""Which addresses a file's .debug_frame covers: beyond a frame without call frame information a
debugger that has nothing else guesses."""
import bisect
import re
import struct

from files import run


class Covered:
    def __init__(self, path):
        """path: a linked file; what is relocatable has no addresses there yet."""
        m = re.search(r"\] \.debug_frame +PROGBITS +[0-9a-f]+ ([0-9a-f]+) ([0-9a-f]+) ",
                      run(["readelf", "-SW", path]))
        ranges = []
        if m:
            with open(path, "rb") as f:
                f.seek(int(m[1], 16))
                data = f.read(int(m[2], 16))
            at = 0
            while at + 24 <= len(data):
                size, cie = struct.unpack_from("<II", data, at)
                if size >= 0xfffffff0:
                    break
                if cie != 0xffffffff and size >= 20:
                    ranges.append(struct.unpack_from("<QQ", data, at + 8))
                at += 4 + size
        self.ranges = sorted(ranges)
        self.starts = [b for b, _ in self.ranges]

    def __contains__(self, address):
        i = bisect.bisect_right(self.starts, address) - 1
        return i >= 0 and address < self.ranges[i][0] + self.ranges[i][1]
