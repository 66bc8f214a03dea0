#!/usr/bin/env python3
"""Names: what x finds for 1,000 random names is what /proc/kallsyms says."""
import re
import zlib
from collections import defaultdict

from rig import ADDR, Guest, Tap, addr, answers, ask, mark, rng, show, xkd

xkd()
tap = Tap()
r = rng(tap)


def kallsyms(g):
    """{(module, name): set of addresses}; the kernel's own names are module lk's."""
    _, packed = ask(g.dir, "gzip -1 </proc/kallsyms", timeout=120)
    names = defaultdict(set)
    for line in zlib.decompress(packed, wbits=31).decode().splitlines():
        f = line.split()
        module = f[3].strip("[]") if len(f) > 3 else "lk"
        # Absolute per-CPU offsets are no addresses; ftrace's and bpf's texts have no file.
        if f[1] in "aA" or module.startswith(("__builtin", "bpf")):
            continue
        names[module, f[2]].add(int(f[0], 16))
    return names


with Guest() as g:
    names = kallsyms(g)
    # The names x's patterns would read as patterns are for the unit tests.
    plain = [k for k in sorted(names) if re.fullmatch(r"[A-Za-z0-9_.$]+", k[1])]
    kernel = [k for k in plain if k[0] == "lk"]
    modules = [k for k in plain if k[0] != "lk"]
    chosen = r.sample(kernel, min(700, len(kernel))) + r.sample(modules, min(300, len(modules)))
    status, out = g.xkd(mark([f"x {m}!{n}" for m, n in chosen]), timeout=300)
    tap.equal(status, 0, "xkd ends with 0") or tap.note(out[-2000:])
    bad = []
    for (module, name), text in zip(chosen, answers(out, len(chosen))):
        got = {addr(m[1]) for m in re.finditer(
            # inlined copies and replaced weak definitions have no symbol of their own
            rf"^({ADDR})\s+{re.escape(module)}!{re.escape(name)}(?![\w.$])(?! \((?:inlined|no symbol))", text, re.M)}
        if got != names[module, name]:
            bad.append(f"{module}!{name}: got {sorted(map(show, got))} "
                       f"want {sorted(map(show, names[module, name]))}")
    tap.ok(not bad, f"x equals /proc/kallsyms for {len(chosen)} names",
           f"{len(bad)} differ\n" + "\n".join(bad))
tap.done()
