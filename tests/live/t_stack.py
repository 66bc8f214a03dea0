#!/usr/bin/env python3
"""Stacks: k at a breakpoint tells the call chain that the guest's own kernel tells there, and
with its inline frames and lines the one that gdb tells (tests/peers/q_break.py)."""
from rig import peers

# One CPU: q_break.py says why.
peers("q_break", "--smp", "1")
