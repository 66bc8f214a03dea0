#!/usr/bin/env python3
"""Lines: ln names the line that addr2line names, for random addresses (tests/peers/q_lines.py)."""
from rig import need_tools, peers

need_tools("addr2line", "readelf")
peers("q_lines")
