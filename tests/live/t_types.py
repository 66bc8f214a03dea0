#!/usr/bin/env python3
"""Types: dt's offsets and sizes are pahole's, for 500 random structs and all of kvm's."""
import re
import subprocess

from rig import Guest, Tap, answers, mark, module_debug, need_tools, rng, vmlinux, xkd

xkd()
need_tools("pahole")
tap = Tap()
r = rng(tap)

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


def parse_pahole(text):
    """{name: (size, {member: bit offset})}; members of nameless structs count as the outer's.
    A name that occurs twice with different contents is left out: there is no one truth."""
    types, twice = {}, set()
    for m in re.finditer(r"^struct (\w+) \{\n(.*?)^\}.*?;\n", text, re.M | re.S):
        name, body = m[1], m[2]
        stack, members, size = [{}], None, None
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
                    stack[-1][n] = int(place[1]) * 8
                elif not n:
                    stack[-1].update(inner)
                continue
            n = member_name(s.split("/*")[0])
            if n and place:
                stack[-1][n] = int(place[1]) * 8 + int(place[2] or 0)
        members = stack[0]
        if name in types and types[name] != (size, members):
            twice.add(name)
        types[name] = (size, members)
    return {n: t for n, t in types.items() if n not in twice and t[0]}


def pahole(path):
    p = subprocess.run(["pahole", "-F", "dwarf", path], stdout=subprocess.PIPE,
                       stderr=subprocess.DEVNULL, text=True)
    return parse_pahole(p.stdout)


ROW = re.compile(r"^ +\+0x([0-9a-f]+) (\S+) *: (.*)$")
BITS = re.compile(r"Pos (\d+), (\d+) Bit")


def parse_dt(text):
    """(size, {member: bit offset}) of `dt -v T`."""
    size, members = None, {}
    for line in text.splitlines():
        z = re.search(r"(?:struct|union) .*, \d+ elements?, 0x([0-9a-f]+) bytes", line)
        if z and size is None:
            size = int(z[1], 16)
        m = ROW.match(line)
        if m:
            bits = BITS.search(m[3])
            members[m[2]] = int(m[1], 16) * 8 + (int(bits[1]) if bits else 0)
    return size, members


def compare(g, module, truth, names):
    status, out = g.xkd(mark([f"dt -v {module}!{n}" for n in names]), timeout=300)
    tap.equal(status, 0, f"{module}: xkd ends with 0") or tap.note(out[-2000:])
    bad = []
    for n, text in zip(names, answers(out, len(names))):
        got = parse_dt(text)
        if got == truth[n]:
            continue
        diff = sorted(set(got[1].items()) ^ set(truth[n][1].items()))[:6]
        bad.append(f"{n}: size {got[0]} want {truth[n][0]}; members that differ: {diff}")
    tap.ok(not bad, f"{module}: dt equals pahole for {len(names)} structs",
           f"{len(bad)} differ\n" + "\n".join(bad))


with Guest() as g:
    truth = pahole(vmlinux(g.kernel))
    tap.ok(len(truth) >= 1000, "pahole tells of the kernel's structs", len(truth))
    compare(g, "lk", truth, r.sample(sorted(truth), min(500, len(truth))))

    ko = module_debug(g.kernel, "kvm")
    if ko:
        truth = pahole(ko)
        tap.ok(len(truth) >= 400, "pahole tells of kvm's structs", len(truth))
        compare(g, "kvm", truth, sorted(truth))
    else:
        tap.skip("kvm: dt equals pahole", "no kvm.ko with debug info")
tap.done()
