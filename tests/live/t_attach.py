#!/usr/bin/env python3
"""Attach to a running guest: the slide, the modules' bases, and a guest that goes on after q."""
import re

from rig import ADDR, Guest, Tap, addr, show, xkd

xkd()
tap = Tap()


def bases(output):
    """{module: base} of lm's rows."""
    return {m[3]: show(addr(m[1])) for m in
            re.finditer(rf"^({ADDR})\s+({ADDR})\s+(\S+)", output, re.M)}


for options in (["--no-la57"], ["--la57"]):
    what = options[0].strip("-")
    with Guest(*options) as g:
        want = {}
        for line in g.ask("cat /proc/modules").splitlines():
            f = line.split()
            want[f[0]] = show(int(f[5], 16))
        text = show(int(g.ask("grep ' _text$' /proc/kallsyms").split()[0], 16))
        tap.ok(g.goes_on(), f"{what}: the guest runs before")
        status, out = g.xkd("lm; q")
        tap.equal(status, 0, f"{what}: xkd ends with 0") or tap.note(out)
        tap.ok(g.goes_on(), f"{what}: the guest goes on within 2 s", g.status())
        got = bases(out)
        tap.equal(got.pop("lk", None), text, f"{what}: lk starts at _text") or tap.note(out)
        tap.equal(got, want, f"{what}: module bases are those of /proc/modules") or tap.note(out)
tap.done()
