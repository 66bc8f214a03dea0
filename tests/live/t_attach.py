#!/usr/bin/env python3
"""Attach to a running guest: the slide, the modules' bases, and a guest that goes on after q."""
from rig import Guest, Tap, xkd
import q_modules

xkd()
tap = Tap()

for options in (["--no-la57"], ["--la57"]):
    what = options[0].strip("-")
    with Guest(*options) as g:
        tap.ok(g.goes_on(), f"{what}: the guest runs before")
        for tally in q_modules.ask(g):
            tally.tell(tap)
        tap.ok(g.goes_on(), f"{what}: the guest goes on within 2 s", g.status())
tap.done()
