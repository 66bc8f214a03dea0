#!/usr/bin/env python3
"""Values: at random places of KVM's code every parameter and local of every frame is what gdb says it
is, or both say that it is not known (tests/peers/q_values.py says what else may be)."""
from rig import peers

# One CPU: what steps is what was stopped.
peers("q_values", "--smp", "1")
