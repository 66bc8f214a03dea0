#!/usr/bin/env python3
"""The arbiter: a module whose functions say their own parameters, locals and callers (tests/arbiter)."""
import tempfile

import rig
import q_arbiter

rig.xkd()
rig.need_tools("make", "gcc")
tap = rig.Tap()
with tempfile.TemporaryDirectory(prefix="xkd-arbiter.") as d:
    module, why = q_arbiter.build(rig.kernel_dir(), d)
    if not module:
        rig.skip_all(why)
    with rig.Guest("--module", module, "--append", "xkd.novm") as g:
        g.symbols.append(d)
        for tally in q_arbiter.ask(g, None, module):
            for what, why in tally.examples.items():
                tap.note(f"{what}: {why}")
            tally.tell(tap)
tap.done()
