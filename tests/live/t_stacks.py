#!/usr/bin/env python3
"""!stacks: every sleeping task's stack is, function by function and offset by offset, the one that the
guest tells in /proc/PID/task/TID/stack; every task is in one group; a filter keeps what it names.
XKD_MANY: how many tasks to make in the guest (300)."""
import os
import re
import time

from rig import Guest, Tap, answers, mark, xkd

xkd()
tap = Tap()
MANY = int(os.environ.get("XKD_MANY", "300"))


def proc_stacks(g):
    """{tid: ["name+0xoff", ...]} as the guest's kernel walks them."""
    out = g.ask("grep '' /proc/[0-9]*/task/[0-9]*/stack 2>/dev/null", 300)
    stacks = {}
    for m in re.finditer(r"^/proc/\d+/task/(\d+)/stack:\[<0>\] (\S+?)/0x[0-9a-f]+", out, re.M):
        stacks.setdefault(int(m[1]), []).append(m[2])
    return stacks


def xkd_stacks(text):
    """{tid: (["name+0xoff", ...], on a CPU)} the number of groups, that of tasks in them."""
    stacks, groups, listed, tids, rows = {}, 0, 0, [], []
    for line in text.splitlines() + ["0 tasks"]:
        head = re.match(r"(\d+) tasks? .*?  pid (.*)$", line)
        if head or re.match(r"\d+ tasks?\b", line):
            for tid, runs in tids:
                stacks[tid] = (rows, runs)
            tids, rows = [], []
        if head:
            groups += 1
            listed += int(line.split()[0])
            tids = [(int(m[1]), m[2] is not None) for m in
                    re.finditer(r"(?:^|, )(\d+) [^,]*?( \(on CPU \d+\))?(?=, \d+ |$)", head[2])]
        else:
            frame = re.match(r"    [\w-]+!(\S+\+0x[0-9a-f]+)", line)
            if frame:
                rows.append(frame[1])
    return stacks, groups, listed


class Names:
    """The guest's /proc/kallsyms: aliases are one place, and which functions are the scheduler's own, that
    the guest leaves out."""

    def __init__(self, g):
        g.ask("cat /proc/kallsyms >/tmp/kallsyms", 120)
        text = g.ask("grep -E ' (__sched_text_(start|end))$' /tmp/kallsyms", 60)
        low, high = sorted(int(l.split()[0], 16) for l in text.splitlines())
        self.addr, self.sched = {}, set()
        for line in g.ask("grep -i ' t ' /tmp/kallsyms", 300).splitlines():
            f = line.split()
            at = int(f[0], 16)
            self.addr.setdefault(f[2], set()).add(at)
            if low <= at < high:
                self.sched.add(f[2])

    def same(self, a, b):
        (a, x), (b, y) = a.split("+"), b.split("+")
        return x == y and (a == b or bool(self.addr.get(a, set()) & self.addr.get(b, set())))

    def agree(self, mine, theirs):
        """Theirs is mine without leading functions of the scheduler."""
        skip = 0
        while skip < len(mine) and mine[skip].split("+")[0] in self.sched:
            skip += 1
        rest = mine[skip:]
        return len(rest) == len(theirs) and all(map(self.same, rest, theirs))


with Guest("--mem", os.environ.get("XKD_MEM", "768")) as g:
    g.ask(f"/many {MANY} >/tmp/many 2>&1 & for i in $(seq 100); do grep -q many /tmp/many && break; "
          "usleep 200000; done; cat /tmp/many", 300)
    names = Names(g)
    server = int(g.ask("echo $PPID"))
    before = proc_stacks(g)
    start = time.monotonic()
    status, out = g.xkd(mark(["!stacks -v", "!stacks do_sys_poll", "!stacks -s S kthreadd",
                              "!stacks no_such_function_here", "!stacks kvm!*"]), 300)
    took = time.monotonic() - start
    tap.ok(status is not None, "xkd ends") or tap.note(out[-2000:])
    tap.ok(g.goes_on(10), "the guest goes on")
    after = proc_stacks(g)
    a = answers(out, 5)
    got, groups, listed = xkd_stacks(a[0])
    tap.note(f"{len(got)} tasks in {groups} groups, xkd ran {took:.1f} s")
    steady = [t for t in before if after.get(t) == before[t]]
    tap.ok(len(steady) >= MANY, f"{len(steady)} tasks to compare")
    missing = [t for t in steady if t not in got]
    tap.ok(not missing, "each task is in a group", missing)
    wrong = [f"{t}: {got[t][0]}\n  guest: {before[t]}" for t in steady
             if t in got and t != server and not got[t][1] and not names.agree(got[t][0], before[t])]
    # What runs now and then may have slept in another place.
    tap.ok(len(wrong) <= 1, f"stacks of {len(steady)} tasks are the guest's own", "\n".join(wrong))
    tap.ok("stack ends here" not in a[0] and "[guess" not in a[0], "none ends too early",
           [l for l in a[0].splitlines() if "ends here" in l or "guess" in l])
    m = re.search(r"^(\d+) tasks? in (\d+) stacks?$", a[0], re.M)
    tap.ok(m and int(m[1]) == listed and int(m[2]) == groups, "the sum is that of the groups", m and m[0])
    tap.ok(m and groups < 60, "the same stacks are one group", groups)
    polls = xkd_stacks(a[1])[0]
    tap.ok(len(polls) >= 1 and all(any(f.startswith("do_sys_poll+") for f in s[0]) for s in polls.values()),
           "a function as filter", a[1][:600])
    tap.ok("kthreadd" in a[2] and re.search(r"^1 task in 1 stack$", a[2], re.M), "a task and a state", a[2])
    tap.ok("no task's stack passes 'no_such_function_here'" in a[3], "a filter that nothing passes", a[3])
    if not g.ask("grep -l '\\[kvm]' /proc/[0-9]*/task/[0-9]*/stack 2>/dev/null", 300).strip():
        tap.skip("a module as filter", "no task sleeps in kvm here")
    else:
        tap.ok("kvm!" in a[4] and re.search(r"^\d+ tasks? in \d+ stacks?$", a[4], re.M), "a module as filter",
           a[4][:600])
tap.done()
