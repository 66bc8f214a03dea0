"""Runs inside drgn: does the job that $XKD_JOB names (see drgnpeer.py) and writes the answers
as JSON into the job's "out"."""
import json
import os

from drgn import ObjectAbsentError, TypeKind
from drgn.helpers.linux import for_each_online_cpu, for_each_task, per_cpu

with open(os.environ["XKD_JOB"]) as f:
    job = json.load(f)


def source(frame):
    try:
        file, line, _ = frame.source()
        return file, line
    except LookupError:
        return None, 0


def symbol(pc):
    try:
        return prog.symbol(pc).name
    except LookupError:
        return None


def local_values(frame):
    """{name: number, or None where drgn says it is not there}; what is no number is left out."""
    found = {}
    try:
        names = frame.locals()
    except Exception:
        return found
    for n in names:
        try:
            o = frame[n]
            t = o.type_
            while t.kind == TypeKind.TYPEDEF:
                t = t.type
            if t.kind in (TypeKind.INT, TypeKind.BOOL, TypeKind.POINTER, TypeKind.ENUM):
                found[n] = int(o.value_())
        except ObjectAbsentError:
            found[n] = None
        except Exception as e:
            found[n] = str(e)
    return found


def frames(task, values):
    found = []
    for f in prog.stack_trace(task):
        file, line = source(f)
        one = {"name": f.name, "symbol": symbol(f.pc if f.interrupted or not found else f.pc - 1),
               "pc": f.pc, "inline": f.is_inline, "file": file, "line": line}
        if values:
            one["values"] = local_values(f)
        found.append(one)
    return found


def stack_or_why(task, values):
    try:
        return frames(task, values)
    except Exception as e:
        return str(e)


def tasks(values=False):
    """{pid: {comm, task, on_cpu, stack or why not}}"""
    return {t.pid.value_(): {"comm": t.comm.string_().decode("latin-1"), "task": t.value_(),
                             "on_cpu": int(t.on_cpu), "stack": stack_or_why(t, values)}
            for t in for_each_task(prog)}


def cpus(values=False):
    """{cpu: stack} of what each CPU runs."""
    return {c: stack_or_why(per_cpu(prog["runqueues"], c).curr, values) for c in for_each_online_cpu(prog)}


def members(t, base, into):
    for m in t.members:
        offset = base + m.bit_offset
        if m.name:
            into[m.name] = offset
        elif m.type.kind in (TypeKind.STRUCT, TypeKind.UNION):
            members(m.type, offset, into)


def structs(names):
    """{name: [size, {member: bit offset}] or None}"""
    found = {}
    for n in names:
        try:
            t = prog.type("struct " + n)
            into = {}
            members(t, 0, into)
            found[n] = [t.size, into]
        except (LookupError, TypeError, SyntaxError):
            found[n] = None
    return found


answers = {}
for name, args in job["ask"].items():
    answers[name] = {"tasks": tasks, "cpus": cpus, "structs": structs}[name](*args)
with open(job["out"], "w") as f:
    json.dump(answers, f)
