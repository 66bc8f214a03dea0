"""Runs inside gdb: does the job that $XKD_JOB names (see gdbpeer.py) and writes the answers
as JSON into the job's "out"."""
import json
import os

import gdb

with open(os.environ["XKD_JOB"]) as f:
    job = json.load(f)


def sal_of(frame):
    sal = frame.find_sal()
    if sal is None or sal.symtab is None or not sal.line:
        return None, 0
    return sal.symtab.filename, sal.line


def frames():
    """Of the selected thread, innermost first, each as xkdside.frame() makes them."""
    found, frame = [], gdb.newest_frame()
    while frame is not None and len(found) < 200:
        file, line = sal_of(frame)
        # What a jump at a function's end left is no frame of the stack; gdb makes one of call sites.
        if frame.type() != gdb.TAILCALL_FRAME:
            found.append({"name": frame.name(), "pc": frame.pc() & (1 << 64) - 1,
                          "inline": frame.type() == gdb.INLINE_FRAME, "file": file, "line": line})
        try:
            frame = frame.older()
        except gdb.error:
            break
    return found


def lines(addresses):
    found = []
    for a in addresses:
        sal = gdb.find_pc_line(a)
        found.append([sal.symtab.filename, sal.line] if sal.symtab and sal.line else None)
    return found


def hits(where, count):
    gdb.execute(f"hbreak *{where:#x}")
    found = []
    for _ in range(count):
        gdb.execute("continue")
        found.append(frames())
    gdb.execute("delete")
    return found


def cpus():
    found = {}
    for t in gdb.selected_inferior().threads():
        t.switch()
        found[t.num - 1] = frames()
    return found


for command in ("set pagination off", "set confirm off", "set width 0", "set backtrace past-main on"):
    gdb.execute(command)
for command in job["setup"]:
    gdb.execute(command)
answers = {}
for name, args in job["ask"].items():
    answers[name] = {"lines": lines, "hits": hits, "cpus": cpus}[name](*args)
with open(job["out"], "w") as f:
    json.dump(answers, f)
if job["live"]:
    gdb.execute("detach")
