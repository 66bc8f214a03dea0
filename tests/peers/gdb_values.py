"""Runs inside gdb: the parameters and locals of every frame at many stops of a live guest. Each stop is
made by another program (XKD_JOB: a JSON file with its command lines), which leaves the guest halted and
whose output is kept beside what gdb says of the same stop; gdb loads its symbols but once."""
import json
import os
import subprocess
import sys

import gdb

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import gdb_frames  # noqa: E402

FRAMES = 24

with open(os.environ["XKD_JOB"]) as f:
    job = json.load(f)
gdb.execute("set pagination off")
gdb.execute("set confirm off")
gdb.execute("set architecture i386:x86-64")
for c in job["setup"]:
    gdb.execute(c, to_string=True)
answers = []
for argv in job["stops"]:
    try:
        p = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           timeout=60)
    except subprocess.TimeoutExpired as e:
        answers.append({"said": (e.stdout or b"").decode("utf-8", "replace"), "stack": None})
        continue
    gdb.execute(job["remote"], to_string=True)
    answers.append({"said": p.stdout.decode("utf-8", "replace"), "stack": gdb_frames.stack(FRAMES)})
    gdb.execute("detach", to_string=True)
with open(job["out"], "w") as f:
    json.dump(answers, f)
