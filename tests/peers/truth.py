"""What a running guest says about itself in /proc and /sys: the first of the peers."""
import re
import zlib
from collections import defaultdict

import rig


def kallsyms(g):
    """{(module, name): set of addresses}; the kernel's own names are module lk's. The guest is asked
    once: the list takes an emulated one seconds to make."""
    if getattr(g, "kallsyms", None):
        return g.kallsyms
    _, packed = rig.ask(g.dir, "gzip -1 </proc/kallsyms", timeout=180)
    names, g.offsets = defaultdict(set), defaultdict(set)
    for line in zlib.decompress(packed, wbits=31).decode().splitlines():
        f = line.split()
        module = f[3].strip("[]") if len(f) > 3 else "lk"
        # Absolute per-CPU offsets are no addresses; ftrace's and bpf's texts have no file.
        if f[1] in "aA":
            g.offsets[module, f[2]].add(int(f[0], 16))
        if f[1] in "aA" or module.startswith(("__builtin", "bpf")):
            continue
        names[module, f[2]].add(int(f[0], 16))
    g.kallsyms = names
    return names


def address(g, name, module="lk"):
    """Of a name that is there once, by /proc/kallsyms."""
    return next(iter(kallsyms(g)[module, name]))


def text_bounds(g):
    """{_text, _stext, _etext: address}."""
    return {n: address(g, n) for n in ("_text", "_stext", "_etext")}


def modules(g):
    """{module: base}"""
    return {f[0]: int(f[5], 16) for f in map(str.split, g.ask("cat /proc/modules").splitlines())}


def sections(g, module):
    """[(section, address)] of a loaded module. What the guest told of itself when it booted is at hand; it
    is asked where a part of that is lost among the kernel's messages."""
    logged = re.findall(rf"^{module} (\.\S+) (0x[0-9a-f]{{16}})$", g.serial(), re.M)
    if ".text" in dict(logged) and ".data" in dict(logged):
        return logged
    out = g.ask(f"cd /sys/module/{module}/sections && for f in .[a-z]*; do echo $f $(cat $f); done")
    return [(f[0], f[1]) for f in map(str.split, out.splitlines()) if len(f) == 2]


def tasks(g):
    """{pid: (tgid, state, comm)} of all threads."""
    out = g.ask("for f in /proc/[0-9]*/task/[0-9]*/stat; do echo $f; cat $f; done")
    return {int(m[2]): (int(m[1]), m[4], m[3]) for m in
            re.finditer(r"^/proc/(\d+)/task/(\d+)/stat\n\d+ \((.*)\) (\w) ", out, re.M)}
