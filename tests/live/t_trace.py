#!/usr/bin/env python3
"""Trace points: a program of the guest does a thing a known number of times with known arguments
(count.c); what is recorded is that, no more and no less, with its pid, whether conditions and
expressions are compiled or evaluated, and whatever ends xkd. The guest goes on."""
import collections
import csv
import json
import os
import re
import resource
import signal
import sqlite3
import subprocess
import time

from rig import Guest, Tap, xkd

xkd()
tap = Tap()
PLACE = "lk!__x64_sys_ioctl"
OURS = "(regs->si >> 16) == 0x7a6b"
EXPRS = "regs->si, (long)regs->dx, @$tpid, @$tid, @$cpu, runqueues.cpu, regs->ip"


class Traced:
    """xkd at work in the background: runs commands, then g; end() interrupts it."""

    def __init__(self, g, before, after=(), **how):
        path = os.path.join(g.dir, "trace.xkd")
        with open(path, "w") as f:
            f.write("\n".join([*before, ".echo @@ready", "g", *after, "q"]) + "\n")
        self.p = subprocess.Popen(g.xkd_argv("-f", path), stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **how)
        self.out = ""
        for line in self.p.stdout:
            self.out += line
            if line.startswith("@@ready"):
                break

    def end(self, how=signal.SIGINT):
        self.p.send_signal(how)
        self.out += self.p.communicate(timeout=90)[0]
        return self.out


def done(g, n, threads=1):
    """(pid, how many) by the guest's own program."""
    m = re.search(r"(\d+) did (\d+)", g.ask(f"/count {n} {threads}", timeout=120))
    return (int(m[1]), int(m[2])) if m else (None, None)


def rows(path):
    with sqlite3.connect(path) as db:
        return db.execute("SELECT h.id, h.pid, h.comm, h.cpu, v.pos, v.num, v.text FROM hit h LEFT JOIN"
                          " value v ON v.hit = h.id ORDER BY 1, 5").fetchall()


def numbers(path):
    """{hit: [num of each value]}"""
    got = collections.defaultdict(list)
    for r in rows(path):
        got[r[0]].append(r[5])
    return got


def want(n):
    return sorted((0x7a6b0000 + i, i * 7 - 3) for i in range(n))


def exact(g, path):
    """The compiled way, two threads; every figure against the program's."""
    js, cs = os.path.join(g.dir, "h.json"), os.path.join(g.dir, "h.csv")
    t = Traced(g, [f"!hits /f {path}", f'tp3 /w "{OURS}" {PLACE} "{EXPRS}"'],
               ["bl", "!hits /n 3", "!hits /c", "!hits /g comm", '!hits /g "@$cpu"', f"!hits /json {js}",
                f"!hits /csv {cs}", "!hits 7"])
    pid, n = done(g, 400, 2)
    out = t.end()
    tap.ok(f"({n} hits)" in out and re.search(rf"Trace points: {n} hits in [\d.]+ s", out),
           "bl and the end of g count what the program counted", out[-1500:])
    tap.ok("Interrupted" in out, "Ctrl-C ends g", out[-1500:])
    got = numbers(path)
    tap.equal(len(got), n, "as many hits as the program made calls")
    tap.equal(sorted((v[0], v[1]) for v in got.values()), want(n), "with the values it passed")
    tap.ok({v[2] for v in got.values()} == {pid} and len({v[3] for v in got.values()}) == 2,
           "of its process and its two threads", str(pid))
    tap.equal({r[2] for r in rows(path)}, {"count"}, "by its name")
    tap.ok(all(r[1] == got[r[0]][3] and r[3] == got[r[0]][4] for r in rows(path)),
           "task and CPU of a hit are those that its expressions see")
    tap.ok(all(v[4] == v[5] for v in got.values()) and len({v[4] for v in got.values()}) == 2,
           "a per-CPU variable is the copy of the CPU that hits, on both of them",
           str({(v[4], v[5]) for v in got.values()}))
    with open(js) as f:
        hits = json.load(f)
    tap.equal(sorted((h["values"][0]["num"], h["values"][1]["num"]) for h in hits), want(n),
              "the JSON file has them")
    tap.ok(all(h["values"][1]["text"] == f"0n{h['values'][1]['num']}" and
               h["values"][1]["type"] == "long" for h in hits), "with text and type")
    with open(cs, newline="") as f:
        table = list(csv.DictReader(f))
    tap.equal(sorted((int(r["num(regs->si)"]), int(r["num((long)regs->dx)"])) for r in table), want(n),
              "the CSV file has them")
    times = [h["mono_ns"] for h in hits]
    tap.ok(times == sorted(times) and hits[0]["wall_ns"] > 1.6e18, "in the order of time")
    tap.ok(re.search(rf"^ +{n}  count$", out, re.M) is not None, "!hits /g groups", out[-1500:])
    tap.ok(len(re.findall(r"^ +\d+  \d\d:\d\d:\d\d\.\d+ +3 ", out, re.M)) == 3,
           "!hits /n lists so many", out[-1500:])
    tap.ok(g.goes_on(), "the guest goes on")


def evaluated(g, path):
    """$ra is not compiled: condition and values go the long way round."""
    t = Traced(g, [f"!hits /f {path}",
                   f'tp /w "@$ra != 0 && {OURS}" {PLACE} "regs->si, (long)regs->dx, *regs, @$ra"'])
    pid, n = done(g, 25)
    out = t.end()
    got = numbers(path)
    tap.equal(sorted((v[0], v[1]) for v in got.values()), want(n or 0),
              "what is not compiled is recorded the same")
    texts = {r[6] for r in rows(path) if r[4] == 2}
    tap.equal(texts, {"const struct pt_regs"}, "an aggregate has its type for a text")
    tap.ok("Interrupted" in out, "Ctrl-C ends that, too, and nothing else did", out[-1000:])


def killed(g, path):
    t = Traced(g, [f"!hits /f {path}", f'tp /w "{OURS}" {PLACE} "regs->si"'])
    pid, n = done(g, 60)
    time.sleep(1.0)
    t.end(signal.SIGKILL)
    tap.equal(sorted(v[0] for v in numbers(path).values()), sorted(a for a, _ in want(n)),
              "what was recorded a second before xkd is killed is there")
    tap.ok(g.goes_on(10), "the guest goes on without it")


def ended(g, path):
    t = Traced(g, [f"!hits /f {path}", f'tp /w "{OURS}" {PLACE} "regs->si"'])
    pid, n = done(g, 30)
    t.end(signal.SIGTERM)
    tap.equal(len(numbers(path)), n, "SIGTERM at once after the last hit loses none")
    tap.ok(g.goes_on(10), "the guest goes on after it")


def little_room(g, path):
    """A file that may not grow: said, and the guest goes on."""
    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100 << 10, 100 << 10))

    t = Traced(g, [f"!hits /f {path}", f'tp /w "{OURS}" {PLACE} "regs->si, regs->dx, regs->di, *regs"'],
               ["bl", "!hits /c"], preexec_fn=limit)
    pid, n = done(g, 800)
    time.sleep(0.5)
    out = t.end()
    tap.ok(f"({n} hits)" in out and f"trace database {path}" in out and
           re.search(r"disk is full|File too large|disk I/O error", out) and "not written yet" in out,
           "a file that cannot grow is said in words, hits are counted on", out[-1500:])
    tap.ok(g.goes_on(), "and the guest goes on")


def passes(g):
    """bp PLACE N stops at the Nth hit for which the condition holds, in the task that /p names."""
    path = os.path.join(g.dir, "passes.xkd")
    with open(path, "w") as f:
        f.write("\n".join([f'bp /w "{OURS}" {PLACE} 0n50', "g", "?? regs->si", "bl", "r $t0 = @$thread",
                           "bc *", f'bp /p @$t0 {PLACE} 0n20', "g", "?? regs->si", "bc *", f'bp /w "{OURS} && '
                           f'@$thread == {{t0}}" {PLACE}'.format(t0="@$t0"), "g", "?? regs->si", "bc *", "q"]) + "\n")
    with open(os.path.join(g.dir, "passes.out"), "w+") as out:
        p = subprocess.Popen(g.xkd_argv("-f", path), stdin=subprocess.DEVNULL, stdout=out,
                             stderr=subprocess.STDOUT)
        pid, n = done(g, 120)
        p.wait(120)
        out.seek(0)
        text = out.read()
    got = [int(x, 16) for x in re.findall(r"0x(7a6b[0-9a-f]{4})$", text, re.M)]
    tap.equal(got, [0x7a6b0000 + 49, 0x7a6b0000 + 69, 0x7a6b0000 + 70],
              "passes count down, of a condition and of a task")
    tap.ok("(50 hits)" in text, "and are counted", text[-1500:])
    tap.equal(n, 120, "the program is done then")


def refused(g):
    status, out = g.xkd([f'tp {PLACE} "regs->nosuch"', f'tp {PLACE} "1 +"', f'tp {PLACE} "a,,b"',
                         f'tp /1 {PLACE} "1"', "bl", "!hits", "!hits /f /nowhere/x.db",
                         "!hits /f /proc/x.db", f"tp {PLACE}", "tp kvm!kvm_io_bus_write \"addr, len\"",
                         "bl", "bd 0", "bc 1", "bl", "q"])
    for what in ("nosuch", "expression is missing", "tp takes /w", "no trace point was set",
                 "/nowhere/x.db", "/proc/x.db"):
        tap.ok(what in out, f"said: {what}", out[-2000:])
    shown = re.findall(r"^ +(\d) ([ed]) .* tp \"(.*)\"", out, re.M)
    tap.equal(shown, [("0", "e", ""), ("1", "e", "addr, len"), ("0", "d", "")],
              "bl shows trace points, bd and bc serve them")


with Guest() as g:
    os.environ["XDG_STATE_HOME"] = g.dir
    exact(g, os.path.join(g.dir, "a.db"))
    evaluated(g, os.path.join(g.dir, "b.db"))
    killed(g, os.path.join(g.dir, "c.db"))
    ended(g, os.path.join(g.dir, "d.db"))
    little_room(g, os.path.join(g.dir, "e.db"))
    passes(g)
    refused(g)
    tap.ok(g.goes_on(), "the guest goes on after all")
tap.done()
