#!/usr/bin/env python3
"""Tasks and the kernel's log: ps is what /proc says, !dmesg what the guest's dmesg says, a sleeping
task's stack what /proc/PID/stack says."""
import re

from rig import ADDR, Guest, Tap, answers, mark, xkd

xkd()
tap = Tap()


def proc_tasks(g):
    """{pid: (tgid, state, comm)} of all threads."""
    out = g.ask("for f in /proc/[0-9]*/task/[0-9]*/stat; do echo $f; cat $f; done")
    tasks = {}
    for m in re.finditer(r"^/proc/(\d+)/task/(\d+)/stat\n\d+ \((.*)\) (\w) ", out, re.M):
        tasks[int(m[2])] = (int(m[1]), m[4], m[3])
    return tasks


def stack_names(text):
    """Functions of a k or a /proc/PID/stack, without offsets."""
    return re.findall(r"(?:lk!|\] )([A-Za-z_][\w.]*)\+0x", text)


with Guest() as g:
    before = proc_tasks(g)
    log = [x.rstrip() for x in g.ask("dmesg").replace("\t", " ").splitlines()]
    sleeper = next(p for p, t in sorted(before.items()) if t[2] == "kthreadd")
    want_stack = stack_names(g.ask(f"cat /proc/{sleeper}/stack"))
    status, out = g.xkd(mark(["ps", "!dmesg", f".task {sleeper}", "k", "? @$tid", ".task 1",
                              "dv", ".task .", "? @$tid", "!process 0 0 init",
                              "!process 1 7", ".task 3999999", ".task 0xffffffff81000000"]))
    tap.ok(status is not None, "xkd ends") or tap.note(out[-2000:])
    after = proc_tasks(g)
    a = answers(out, 13)
    got = {}
    for m in re.finditer(rf"^[> ]\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S)\s+{ADDR}  \[?(.*?)\]?$", a[0], re.M):
        got[int(m[1])] = (int(m[2]), m[4], m[5])
    same = {p for p in before if after.get(p, [0, 0, 0])[::2] == before[p][::2]}
    tap.ok(len(same) > 20, f"{len(same)} tasks to compare")

    def alike(mine, theirs):
        """/proc knows more of a kernel thread's name than its comm, which has 15 bytes."""
        return mine[0] == theirs[0] and (
            mine[2] == theirs[2] or
            (len(mine[2]) == 15 or mine[2].startswith("kworker/")) and theirs[2].startswith(mine[2]))

    wrong = {p: (got.get(p), before[p]) for p in same
             if p not in got or not alike(got[p], before[p])}
    tap.ok(not wrong, "ps has each pid, tgid and name of /proc", wrong)
    # What runs now may sleep then.
    steady = {p for p in same if before[p][1] == after[p][1] and before[p][1] in "SIDTZ"}
    wrong = {p: (got[p], before[p]) for p in steady
             if p in got and got[p][1] != before[p][1] and before[p][2] != "init"}
    tap.ok(len(wrong) <= 1, f"states of {len(steady)} sleeping tasks", str(wrong))

    def bare(line):
        return re.sub(r"\s+", " ", line).strip()

    shown = [bare(x) for x in a[1].splitlines()]
    missing = [x for x in map(bare, log) if x and x not in shown]
    tap.ok(len(log) > 100 and not missing, f"!dmesg has all {len(log)} lines of dmesg",
           "\n".join(missing[:5]))
    order = [x for x in shown if x in set(map(bare, log))]
    tap.equal(order[:len(log)], [x for x in map(bare, log) if x][:len(order)],
              "and in the same order")

    have = stack_names(a[3])
    tap.ok([f for f in have if f in want_stack] == [f for f in want_stack if f in have] and
           len(set(have) & set(want_stack)) >= 1,
           "k of a sleeping task has the functions of /proc/PID/stack", f"{have}\n{want_stack}")
    tap.ok(f"= 00000000`{sleeper:08x}" in a[4], "$tid is the chosen task's", a[4])
    tap.ok("prev" in a[6], "dv in a sleeping task: __schedule's locals", a[6])
    tap.ok(f"= 00000000`{sleeper:08x}" not in a[8], ".task . goes back to the CPU", a[8])
    tap.ok(re.search(rf"^\s+1\s+1\s.*{ADDR}  init$", a[9], re.M), "!process 0 0 NAME", a[9])
    tap.ok("comm: init" in a[10] and "lk!" in a[10] and "pgd:" in a[10], "!process 1 7", a[10])
    tap.ok("no task with pid 3999999" in a[11], "a pid that is not there", a[11])
    tap.ok("is in no list of tasks" in a[12] or "error: " in a[12], "an address that is no task's",
           a[12])
    tap.ok(g.goes_on(), "the guest goes on")
tap.done()
