#!/usr/bin/env python3
"""Names: what x finds for random names is what /proc/kallsyms says (tests/peers/q_names.py)."""
from rig import peers

peers("q_names")
