#!/usr/bin/env python3
"""Stops all over a kernel under load: stacks of every CPU and all that is in them, as gdb has them, and
sleeping tasks as drgn has them. tools/peers --stops asks much more."""
from rig import peers
import q_stops

peers("q_stops", *q_stops.GUEST, stops=20)
