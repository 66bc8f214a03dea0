#!/usr/bin/env python3
"""Types: dt's offsets and sizes are pahole's, of random structs and of all of kvm's
(tests/peers/q_types.py)."""
from rig import need_tools, peers

need_tools("pahole")
peers("q_types")
