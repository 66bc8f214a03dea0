"""Question: the addresses of a name (x) are those of the guest's /proc/kallsyms."""
import re

import truth
from rig import ADDR, addr, answers, mark, show
from tally import Tally


def ask(g, r, count=1000):
    t = Tally("addresses of names", "/proc/kallsyms")
    names = truth.kallsyms(g)
    # The names x's patterns would read as patterns are for the unit tests.
    plain = [k for k in sorted(names) if re.fullmatch(r"[A-Za-z0-9_.$]+", k[1])]
    kernel = [k for k in plain if k[0] == "lk"]
    modules = [k for k in plain if k[0] != "lk"]
    chosen = r.sample(kernel, min(count * 7 // 10, len(kernel))) + \
        r.sample(modules, min(count * 3 // 10, len(modules)))
    status, out = g.xkd(mark([f"x {m}!{n}" for m, n in chosen]), timeout=300)
    if status != 0:
        t.unlike(f"xkd ended with {status}: {out[-1000:]}")
        return [t]
    for (module, name), text in zip(chosen, answers(out, len(chosen))):
        got = {addr(m[1]) for m in re.finditer(
            # inlined copies and replaced weak definitions have no symbol of their own
            rf"^({ADDR})\s+{re.escape(module)}!{re.escape(name)}(?![\w.$])(?! \((?:inlined|no symbol))", text, re.M)}
        # A per-CPU variable of the same name is listed as well.
        got -= g.offsets.get((module, name), set()) - names[module, name]
        if got == names[module, name]:
            t.agree()
        else:
            t.unlike(f"{module}!{name}: got {sorted(map(show, got))} "
                     f"want {sorted(map(show, names[module, name]))}")
    return [t]
