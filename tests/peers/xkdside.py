"""xkd's answers in the shape that the peers' have, so that a comparison compares like with like."""
import re

from rig import ADDR, addr

ROW = re.compile(rf"^(?:([0-9a-f]{{2,3}}) )?(?:(\(Inline Function\))\s+-+`-+|({ADDR}) ({ADDR}|\s{{17}}))\s+(.*)$")
CALL = re.compile(r"^([\w.-]+)!([^\s+\[(]+)(?:\(.*\))?(?:\+0x([0-9a-f]+))?(?: \[(.+?) @ (\d+)\])?((?: \[[^]@]*\])*)$")


def frame(name, pc, inline, file, line, notes=""):
    """What one frame is, for all peers: name without its module, the address it stands at (for a
    caller the address its callee returns to), whether it was inlined, file and line; notes are
    xkd's own remarks."""
    return {"name": name, "pc": pc, "inline": inline, "file": file, "line": line, "notes": notes}


def stack(text):
    """The frames of k's or kn's output, innermost first. An inlined frame has the pc of the
    function it is in; the innermost frames' pc is not in the rows and is None."""
    found, pc = [], None
    for row in text.splitlines():
        m = ROW.match(row)
        if not m:
            continue
        c = CALL.match(m[5].strip())
        one = frame(c[2] if c else None, pc, bool(m[2]), c[4] if c else None,
                    int(c[5]) if c and c[5] else 0, (c[6] if c else m[5]).strip())
        found.append(one)
        if not m[2]:
            pc = addr(m[4]) if m[4].strip() else None
    return found


BITS = re.compile(r"Pos (\d+), (\d+) Bit")
MEMBER = re.compile(r"^ +\+0x([0-9a-f]+) (\S+) *: (.*)$")


def layout(text):
    """(size, {member: bit offset}) of `dt -v T`."""
    size, members = None, {}
    for line in text.splitlines():
        z = re.search(r"(?:struct|union) .*, \d+ elements?, 0x([0-9a-f]+) bytes", line)
        if z and size is None:
            size = int(z[1], 16)
        m = MEMBER.match(line)
        if m:
            bits = BITS.search(m[3])
            members[m[2]] = int(m[1], 16) * 8 + (int(bits[1]) if bits else 0)
    return size, members


def place(text):
    """(file, line) of ln's answer, or None."""
    m = re.search(r"\[(.+?) @ (\d+)\]", text)
    return (m[1], int(m[2])) if m else None


def bases(text):
    """{module: base} of lm's rows."""
    return {m[3]: addr(m[1]) for m in re.finditer(rf"^({ADDR})\s+({ADDR})\s+(\S+)", text, re.M)}


def value(text):
    """The number of a value as dv or kp shows it; None when there is none; else the text."""
    if text.startswith("<"):
        return None
    m = re.match(r"^\w+ \(0n(-?\d+)\)", text) or re.match(r"^0n(-?\d+)", text)
    if m:
        return int(m[1])
    m = re.match(r"^0x([0-9a-f`]+)", text)
    if m:
        return int(m[1].replace("`", ""), 16)
    m = re.match(r"^(true|false)\b", text)
    if m:
        return int(m[1] == "true")
    return text


def values(text):
    """{name: value()} of dv's rows."""
    return {m[1]: value(m[2]) for m in re.finditer(r"^ +(\w+) = (.*)$", text, re.M)}
