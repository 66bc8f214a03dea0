"""Question: what each CPU does when the guest is stopped at random (~Nk) is what gdb reads from a dump
of the same stop: functions, inlined ones too, and lines."""
import time

import gdbpeer
import stacks
from q_dump import Stopped, Witness, differences, run
from tally import Tally
from xkdside import stack

KERNEL = 1 << 63


def in_kernel(frames):
    """One in user mode or in a guest of its own says nothing of the kernel."""
    frames = stacks.kernel_frames(frames)
    return bool(frames) and frames[0]["pc"] >= KERNEL


def ask_stop(g, setup, witness, t):
    with Stopped(g) as there:
        theirs, why = gdbpeer.cpus(setup, there.dump)
        if not theirs:
            t.unlike("gdb does not read the dump: " + why[-300:])
            return
        chosen = [c for c in sorted(theirs) if in_kernel(theirs[c])]
        texts = run(g, [f"~{c}k" for c in chosen], t) if chosen else None
        for c, text in zip(chosen, texts or []):
            differences(t, f"CPU {c}", stack(text), theirs[c], witness)


def ask(g, r, stops=5):
    t = Tally("stacks of CPUs at random stops, with inlined functions and lines", "gdb")
    if not gdbpeer.here():
        t.cannot("no gdb")
        return [t]
    witness = Witness(g)
    setup = gdbpeer.symbol_files(g, witness.slide)
    for _ in range(stops):
        ask_stop(g, setup, witness, t)
        time.sleep(r.random())
    return [t]
