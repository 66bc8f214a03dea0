"""Runs inside gdb for as long as XKD_FDS's first pipe is open: a line of JSON in, one out. A gdb that
stays has its symbols read once for many stops.

{"rows": [[start, end], ...]}  the addresses of the line table's rows in each
{"stop": N}                    attaches, tells at most N frames of each CPU, lets go"""
import json
import os
import sys

import gdb

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import gdb_frames  # noqa: E402

with open(os.environ["XKD_JOB"]) as f:
    job = json.load(f)
for command in ("set pagination off", "set confirm off", "set width 0", "set backtrace past-main on",
                "set architecture i386:x86-64", *job["setup"]):
    gdb.execute(command, to_string=True)


def rows(start, end):
    symtab = gdb.find_pc_line(start).symtab
    return sorted({row.pc for row in symtab.linetable() if start < row.pc < end}) if symtab else []


def cpus(count):
    gdb.execute(job["remote"], to_string=True)
    found = {}
    for t in gdb.selected_inferior().threads():
        t.switch()
        found[t.ptid[1] - 1] = {"pc": gdb.newest_frame().pc() & (1 << 64) - 1, "stack": gdb_frames.stack(count)}
    gdb.execute("detach", to_string=True)
    return found


def answer(asked):
    try:
        if "rows" in asked:
            return {"rows": [rows(*r) for r in asked["rows"]]}
        return {"cpus": cpus(asked["stop"])}
    except gdb.error as e:
        return {"error": str(e)}


fds = [int(n) for n in os.environ["XKD_FDS"].split()]
with os.fdopen(fds[0]) as source, os.fdopen(fds[1], "w") as sink:
    for line in source:
        sink.write(json.dumps(answer(json.loads(line))) + "\n")
        sink.flush()
