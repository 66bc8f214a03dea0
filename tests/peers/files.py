"""Peers that answer from files alone: readelf, addr2line, pahole. And what is
needed to compare their answers: paths that mean the same file."""
import re
import subprocess


def run(argv, text=None):
    return subprocess.run(argv, input=text, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True, check=True).stdout


# ---- readelf

def functions(path, section=None):
    """(address, size) of the functions of a file; of one section (its index) only, in a .ko."""
    found = []
    for line in run(["readelf", "-sW", path]).splitlines():
        f = line.split()
        if len(f) >= 8 and f[3] == "FUNC" and f[6] != "UND" and (section is None or f[6] == section):
            size = int(f[2], 0)
            if size > 0:
                found.append((int(f[1], 16), size))
    return found


def functions_named(path, section=None):
    """(name, address, size) of the functions of a file; of one section (its index) only, in a .ko."""
    return [(f[7], int(f[1], 16), int(f[2], 0)) for f in map(str.split, run(["readelf", "-sW", path]).splitlines())
            if len(f) >= 8 and f[3] == "FUNC" and f[6] != "UND" and (section is None or f[6] == section)
            and int(f[2], 0) > 0]


def labels(path, section=None):
    """Sorted (address, name) of all that may name code; of one section (its index) only, in a .ko."""
    return sorted((int(f[1], 16), f[7]) for f in map(str.split, run(["readelf", "-sW", path]).splitlines())
                  if len(f) >= 8 and f[3] in ("FUNC", "NOTYPE") and f[6].isdigit() and section in (None, f[6]))


def symbols(path, names):
    """{name: address} of those names."""
    return {f[7]: int(f[1], 16) for f in map(str.split, run(["readelf", "-sW", path]).splitlines())
            if len(f) == 8 and f[7] in names}


def section_index(path, name):
    return re.search(rf"\[ *(\d+)\] {re.escape(name)} ", run(["readelf", "-SW", path]))[1]


def memory_sections(path, code=False):
    """The names of the sections that a loaded file has in memory; of those with instructions only."""
    flags = "W?AX" if code else "[WXMS]*A"
    return re.findall(rf"^ *\[ *\d+\] (\S+) +(?:PROGBITS|NOBITS|NOTE|INIT_ARRAY) +(?:[0-9a-f]+ +){{4}}{flags}",
                      run(["readelf", "-SW", path]), re.M)


# ---- addr2line

def _place(line):
    m = re.match(r"(.*?):(\d+)", line)
    return (m[1], int(m[2])) if m and m[1] != "??" and int(m[2]) else None


def addr2line(path, addresses, *options):
    """(file, line) of each, or None where the file does not say."""
    out = run(["addr2line", *options, "-e", path], "".join(f"{a:x}\n" for a in addresses))
    return [_place(line) for line in out.splitlines()]


def inline_places(path, address, *options):
    """[(file, line)] of an address and of the calls it is inlined in, by addr2line."""
    return [p for p in map(_place, run(["addr2line", "-i", *options, "-e", path, f"{address:x}"]).splitlines()) if p]


def path_parts(path):
    out = []
    for x in path.split("/"):
        if x == ".." and out:
            out.pop()
        elif x not in ("", ".", ".."):
            out.append(x)
    return out


def same_file(a, b):
    """True where one path is the other's tail; build paths differ in their heads."""
    a, b = path_parts(a), path_parts(b)
    n = min(len(a), len(b))
    return n > 0 and a[-n:] == b[-n:]


def same_place(a, b):
    """(file, line) or None each."""
    if not (a and b):
        return a == b
    return a[1] == b[1] and same_file(a[0], b[0])


# ---- pahole

OPEN = re.compile(r"^(?:const |volatile )*(?:struct|union|enum)\b(?:\s+\w+)?\s*\{")
ATTRIBUTE = re.compile(r"\s*__attribute__\s*\(\(\w+(?:\(\d+\))?\)\)")
PLACE = re.compile(r"/\*\s*(\d+)(?::\s*(\d+))?\s+(\d+)\s*\*/")


def member_name(decl):
    """The name in a C member declaration (arrays, bit-fields, function pointers), or None."""
    m = re.search(r"\(\*+\s*(?:const\s+)?(\w+)\s*(?:\[[^]]*\])*\)\s*\(", decl)
    if m:
        return m[1]
    m = re.search(r"(\w+)\s*(?:\[[^]]*\]\s*)*(?::\s*\d+)?\s*;", decl)
    return m[1] if m and re.search(r"[\w*]\s+\*?\s*\w+\s*(?:\[[^]]*\]\s*)*(?::\s*\d+)?\s*;", decl) else None


# A member without a name, of a struct that has one (-fms-extensions): pahole does not unfold it.
UNFOLDED = re.compile(r"^(?:const |volatile )*(?:struct|union) (\w+)\s*;")


def unfold(types, kept):
    """The members of {struct: [(bit offset, type)]} become the struct's own; without a known type the
    struct goes."""
    while kept:
        name = next((n for n in kept if not any(t in kept for _, t in kept[n])), None)
        if name is None or not all(t in types for _, t in kept[name]):
            name = name or next(iter(kept))
            types.pop(name, None)
        else:
            for at, t in kept[name]:
                types[name][1].update({m: at + o for m, o in types[t][1].items()})
        del kept[name]


def parse_pahole(text):
    """{name: (size, {member: bit offset})}; members of nameless structs count as the outer's.
    A name that occurs twice with different contents is left out: there is no one truth."""
    types, twice, kept = {}, set(), {}
    for m in re.finditer(r"^struct (\w+) \{\n(.*?)^\}.*?;\n", text, re.M | re.S):
        name, body = m[1], m[2]
        stack, members, size, unfolded = [{}], None, None, []
        for line in body.splitlines():
            s = ATTRIBUTE.sub("", line.strip())
            z = re.match(r"/\* size: (\d+)", s)
            if z:
                # The outer struct's own comes last.
                size = int(z[1])
                continue
            if s.startswith("/*") or not s:
                continue
            if OPEN.match(s):
                stack.append({})
                continue
            place = PLACE.search(s)
            if s.startswith("}"):
                inner = stack.pop()
                n = re.match(r"\}\s*(\w+)?", s)[1]
                if n and place:
                    stack[-1][n] = int(place[1]) * 8 + int(place[2] or 0)
                elif not n:
                    stack[-1].update(inner)
                continue
            n = member_name(s.split("/*")[0])
            whole = UNFOLDED.match(s)
            if whole and place:
                unfolded.append((int(place[1]) * 8, whole[1]))
            elif n and place:
                stack[-1][n] = int(place[1]) * 8 + int(place[2] or 0)
        members = stack[0]
        if name in types and types[name] != (size, members):
            twice.add(name)
        types[name] = (size, members)
        if unfolded:
            kept[name] = unfolded
    unfold(types, kept)
    return {n: t for n, t in types.items() if n not in twice and t[0]}


def pahole(path):
    p = subprocess.run(["pahole", "-F", "dwarf", path], stdout=subprocess.PIPE,
                       stderr=subprocess.DEVNULL, text=True)
    return parse_pahole(p.stdout)
