"""Runs inside gdb: the parameters and locals of every frame at many stops of a live guest. Each stop is
made by another program (XKD_JOB: a JSON file with its command lines), which leaves the guest halted and
whose output is kept beside what gdb says of the same stop; gdb loads its symbols but once."""
import json
import os
import subprocess

import gdb

FRAMES = 24


def number(v, type_):
    """A scalar as an unsigned number of its size."""
    return int(v.cast(gdb.lookup_type("unsigned long")) if type_.code == gdb.TYPE_CODE_PTR else v) & (
        (1 << 8 * type_.sizeof) - 1)


def value(sym, frame):
    """{"num"}, {"addr"}, {"text"} of one that is known; {"none": why} of one that is not."""
    try:
        v = sym.value(frame)
        t = v.type.strip_typedefs()
        if v.is_optimized_out:
            return {"none": str(v)}
        if t.code in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION, gdb.TYPE_CODE_ARRAY, gdb.TYPE_CODE_FUNC):
            if v.address is not None:
                return {"addr": int(v.address)}
            return {"text": str(v)}
        text = str(v)
        if "synthetic pointer" in text or "optimized out" in text or "not saved" in text:
            return {"none": text}
        out = {"num": number(v, t), "size": t.sizeof}
        if v.is_lazy:
            v.fetch_lazy()
        return out
    except (gdb.error, gdb.MemoryError, OverflowError, RuntimeError) as e:
        return {"none": str(e)}


def frame_vars(frame):
    """[[name, is_argument, value]], from the outermost block inwards."""
    try:
        block = frame.block()
    except RuntimeError:
        return None
    blocks = []
    while block is not None:
        blocks.append(block)
        if block.function is not None:
            break
        block = block.superblock
    out = []
    for b in reversed(blocks):
        for sym in b:
            if sym.is_argument or sym.is_variable:
                out.append([sym.print_name, sym.is_argument, value(sym, frame)])
    return out


def stack():
    out = []
    frame = gdb.newest_frame()
    while frame is not None and len(out) < FRAMES:
        out.append({"pc": frame.pc(), "name": frame.name(), "kind": frame.type(),
                    "vars": frame_vars(frame)})
        try:
            frame = frame.older()
        except gdb.error:
            break
    return out


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
    answers.append({"said": p.stdout.decode("utf-8", "replace"), "stack": stack()})
    gdb.execute("detach", to_string=True)
with open(job["out"], "w") as f:
    json.dump(answers, f)
