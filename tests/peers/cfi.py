"""Which addresses a file's .debug_frame covers: beyond a frame without call frame information a
debugger that has nothing else guesses."""
import bisect
import re
import struct

from files import run


def relocations(path):
    """{offset in .debug_frame: (section, offset there)} of a relocatable file's FDEs."""
    text = run(["readelf", "-rW", path])
    m = re.search(r"^Relocation section '\.rela\.debug_frame'.*\n((?:.*\S.*\n)*)", text, re.M)
    return {int(f[0], 16): (f[4], int(f[6], 16)) for f in map(str.split, m[1].splitlines() if m else ())
            if len(f) == 7 and f[2] == "R_X86_64_64"}


class Covered:
    def __init__(self, path, section=None):
        """path: a linked file; or a relocatable one, and the section whose offsets are asked for."""
        m = re.search(r"\] \.debug_frame +PROGBITS +[0-9a-f]+ ([0-9a-f]+) ([0-9a-f]+) ",
                      run(["readelf", "-SW", path]))
        moved = relocations(path) if section else {}
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
                begin, length = struct.unpack_from("<QQ", data, at + 8)
                where, begin = moved.get(at + 8, (None, begin))
                # In a relocatable file a CIE's mark is there, an FDE's pointer may be a relocation's.
                if cie != 0xffffffff and size >= 20 and where == section:
                    ranges.append((begin, length))
                at += 4 + size
        self.ranges = sorted(ranges)
        self.starts = [b for b, _ in self.ranges]

    def __contains__(self, address):
        i = bisect.bisect_right(self.starts, address) - 1
        return i >= 0 and address < self.ranges[i][0] + self.ranges[i][1]
