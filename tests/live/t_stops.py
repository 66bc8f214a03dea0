#!/usr/bin/env python3
"""Stops all over a kernel under load: stacks of every CPU and all that is in them, as gdb has them, and
sleeping tasks as drgn has them. tools/peers --stops asks much more, and fails at any difference that is
not explained. Here a guest is at other instructions each time, and a change is to be judged by what it
did: a difference is told, and fails when another sample has one, too."""
import rig
import q_stops

STOPS = 30
rig.xkd()
tap = rig.Tap()
r = rig.rng(tap)


def sample():
    with rig.Guest(*q_stops.GUEST) as g:
        return q_stops.ask(g, r, stops=STOPS)


tallies = sample()
if any(t.differ for t in tallies):
    for line in (d for t in tallies for d in t.differ):
        tap.note(f"a difference, looked for in another sample: {line[:400]}")
    tallies = sample()
for tally in tallies:
    tally.tell(tap)
tap.done()
