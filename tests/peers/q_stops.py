"""Question: at many stops of a guest under load (breakpoints all over the kernel, at function entries and
inside, and plain interrupts) the stack of every CPU, and each parameter and local in it, is what gdb says
of the same stop; at some of them every sleeping task's stack is what drgn reads from a dump.

At each stop xkd tells all and leaves the guest halted; then gdb, which was given slide and modules by hand
and stays through all stops, attaches, tells, and lets the guest go on."""
import json
import os
import re
import signal
import subprocess
import time
import types

import drgnpeer
import gdbpeer
import q_dump
import q_values
import reasons
import rig
import stacks
from places import Places
from files import symbols
from rig import answers, mark
from tally import Tally
from xkdside import stack

HERE = os.path.dirname(os.path.abspath(__file__))
GUEST = ("--mem", "256", "--life", "5400", "--append", "xkd.load=20000",
         "--qemu", "-drive", "--qemu", "if=none,id=load,driver=null-co,size=64M",
         "--qemu", "-device", "--qemu", "nvme,serial=load,drive=load")
KERNEL = 1 << 63
POPF = b"\x9d"
# Registers that a called function need not keep (psABI).
CLOBBERED = re.compile(r"<in (rax|rcx|rdx|rsi|rdi|r8|r9|r10|r11), which is not known in this frame>")
FRAMES = 28
AT_ONCE = 5      # functions with a breakpoint; the first hit counts
PATIENCE = 2.0   # seconds until they are given up
DRGN = 15        # stops from one dump for drgn to the next


class Gdb:
    """One gdb through all stops."""

    def __init__(self, g, setup):
        self.job = os.path.join(g.dir, "gdb.job")
        with open(self.job, "w") as f:
            json.dump({"setup": setup, "remote": "target remote " + g.target.split(":", 1)[1]}, f)
        (child_in, us_out), (us_in, child_out) = os.pipe(), os.pipe()
        self.said = open(os.path.join(g.dir, "gdb.said"), "w+")
        self.p = subprocess.Popen(["gdb", "-nx", "-batch", "-x", os.path.join(HERE, "gdb_stops.py")],
                                  stdin=subprocess.DEVNULL, stdout=self.said, stderr=subprocess.STDOUT,
                                  pass_fds=(child_in, child_out),
                                  env={**os.environ, "XKD_JOB": self.job, "XKD_FDS": f"{child_in} {child_out}"})
        os.close(child_in)
        os.close(child_out)
        self.sink, self.source = os.fdopen(us_out, "w"), os.fdopen(us_in)

    def ask(self, **what):
        self.sink.write(json.dumps(what) + "\n")
        self.sink.flush()
        line = self.source.readline()
        if not line:
            self.said.seek(0)
            raise RuntimeError("gdb ended: " + self.said.read()[-1000:])
        return json.loads(line)

    def close(self):
        self.sink.close()
        try:
            self.p.wait(10)
        except subprocess.TimeoutExpired:
            self.p.kill()
        self.said.close()


class Stop:
    """What xkd said at one stop."""

    def __init__(self, said, commands, cpus, hit):
        self.said, self.hit = said, hit
        parts = answers(said, len(commands))
        self.cpus = {}
        for c in range(cpus):
            at = next((i for i, x in enumerate(commands) if x == f"~{c}k"), None)
            one = parts[at:at + 3 + 2 * FRAMES]
            rip = re.search(r"rip=([0-9a-f]+)", one[2])
            self.cpus[c] = {"text": one[0], "rip": int(rip[1], 16) if rip else None,
                            "vars": q_values.xkd_frames(one[3:])}


def stop_commands(addresses, cpus):
    first = [f"bp {a:#x}" for a in addresses] + ["g", "bc *"]
    for c in range(cpus):
        first += [f"~{c}k", f"~{c}s", "r rip"]
        for n in range(FRAMES):
            first += [f".frame {n:x}", "dv /v"]
    return first, len(addresses)


def wait_mark(p, path, n, seconds):
    """True when mark n is in the output within that time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with open(path, errors="replace") as f:
            if f"@@{n}\n" in f.read():
                return True
        if p.poll() is not None:
            return True
        time.sleep(0.02)
    return False


def xkd_stop(g, addresses, cpus, patience):
    """Lets the guest run until one of the addresses is hit, or no longer than patience."""
    commands, go = stop_commands(addresses, cpus)
    script, said = os.path.join(g.dir, "stop.xkd"), os.path.join(g.dir, "stop.said")
    with open(script, "w") as f:
        f.write("\n".join(mark(commands)) + "\n")
    with open(said, "w") as out:
        p = subprocess.Popen(g.xkd_argv("--leave-halted", "-f", script), stdin=subprocess.DEVNULL, stdout=out,
                             stderr=subprocess.STDOUT)
        hit = wait_mark(p, said, go, 60) and wait_mark(p, said, go + 1, patience)
        if not hit:
            p.send_signal(signal.SIGINT)
        try:
            p.wait(60)
        except subprocess.TimeoutExpired:
            p.kill()
            p.wait()
    with open(said, errors="replace") as f:
        text = f.read()
    return Stop(text, commands, cpus, hit and "hit" in answers(text, len(commands))[go])


class Judge:
    """Compares stop after stop."""

    def __init__(self, witness):
        self.witness = witness
        self.stacks = Tally("stacks of CPUs at stops all over the kernel, with inlined functions and lines", "gdb")
        self.values = Tally("parameters and locals at stops all over the kernel", "gdb")
        self.tasks = Tally("stacks of sleeping tasks at these stops", "drgn")
        self.task_values = Tally("parameters and locals of sleeping tasks at these stops", "drgn")

    def cpu(self, where, mine, theirs):
        if mine["rip"] != theirs["pc"]:
            self.stacks.unlike(f"{where}: rip {mine['rip'] or 0:x}, gdb's pc {theirs['pc']:x}")
            return
        if theirs["pc"] < KERNEL:
            self.stacks.counts["CPUs in user mode or in the inner VM"] += 1
            return
        a = stack(mine["text"])
        b = [f for f in theirs["stack"] if f["kind"] != q_values.TAIL_CALL]
        differ = stacks.compare(a, b)
        # A stack may be longer than what was asked for.
        differ = [d for d in differ if not (d[0] == "length" and len(theirs["stack"]) >= FRAMES)]
        why = q_dump.slip(differ, stacks.kernel_frames(a), stacks.kernel_frames(b), self.witness) if differ else None
        if not differ:
            self.stacks.agree()
        elif why:
            self.stacks.accept(why)
        else:
            self.stacks.unlike(f"{where}: " + "; ".join(f"{w}: {stacks.show(x)} | {stacks.show(y)}"
                                                        for w, x, y in differ))
        self.frames(where, a, b, mine["vars"])

    def frames(self, where, a, b, named):
        for i, (x, y) in enumerate(zip(stacks.kernel_frames(a), stacks.kernel_frames(b))):
            if stacks.same_frame(x, y) not in ("", "line", "file"):
                break
            self.stacks.counts["frames"] += 1
            self.stacks.counts["inlined frames"] += x["inline"]
            if i < len(named) and stacks.base(named[i][0]) == stacks.base(x["name"]):
                end = next((k for k in range(i, len(b)) if not b[k]["inline"]), i)
                around = [(b[k]["vars"] or [], named[k][1]) for k in range(i + 1, min(end + 1, len(named)))]
                innermost = not any(not f["inline"] for f in b[:i])
                pushed = self.witness.code.bytes(y["pc"], 1) == POPF if innermost or interrupted(a, i) else False
                self.variables(f"{where} frame {i} {x['name']} {y['pc']:#x}", named[i][1], y["vars"] or [], around,
                               not innermost, pushed)

    def variables(self, where, mine, theirs, around, outer, pushed):
        t = self.values
        for what, name, o, g in q_values.pairs(mine, theirs, around):
            t.counts[what] += 1
            if what in ("equal", "unknown"):
                t.agree()
            elif what == "slip":
                t.accept(g)
            elif what == "gap" and outer and CLOBBERED.match(o[1]):
                t.accept(reasons.GDB_CLOBBERED)
                t.counts["gap"] -= 1
                t.counts["slip"] += 1
            elif what == "gap":
                t.no_answer(f"xkd: {reason_words(o[1])}")
                t.examples[f"gap {sum(t.silent.values())}"] = f"{where}: {o[2].strip()}; gdb {g}"
            elif what in ("more", "parts"):
                t.examples.setdefault(f"{what} {where.split()[0]}", f"{where}: {o[2].strip()}; gdb {g}")
            elif what == "count":
                t.unlike(f"{where}: {name}: {[x[2].strip() for x in o]} | gdb {g}")
            elif what == "differ" and "num" in g and self.witness.code.by_text(o[1], g["num"]):
                t.accept(reasons.GDB_TEXT_OFFSET)
            elif pushed and "`" in o[2].split("  ")[0]:
                t.accept(reasons.GDB_PUSHED)
            else:
                t.unlike(f"{where}: {o[2].strip()} | gdb {g}")


def interrupted(frames, i):
    """True where the real function's frame around frame i is one that was interrupted, not one that called."""
    inner = next((f for f in reversed(frames[:i]) if not f["inline"]), None)
    return bool(inner and q_dump.INTERRUPTED.search(inner["notes"] or ""))


def reason_words(text):
    """A reason without what is of its case alone."""
    text = re.sub(r"\br([a-d]x|[sd]i|[sb]p|\d+)\b|tail call from .*", "...", text)
    return re.sub(r"\b(0x)?[0-9a-f`]{8,}\b", "...", text)


def add(total, t):
    total.asked += t.asked
    total.agreed += t.agreed
    total.accepted += t.accepted
    total.silent += t.silent
    total.differ += t.differ
    total.unable = t.unable


def sleeping(g, r, judge):
    """The guest is halted and stays so."""
    dump = g.dump()
    drgnpeer.take_pids(dump)
    same = []
    there = types.SimpleNamespace(dump=dump)
    add(judge.tasks, q_dump.ask_tasks(g, there, same, judge.witness))
    judge.tasks.counts["dumps"] += 1
    add(judge.task_values, q_dump.ask_values(g, same, r, judge.witness, limit=12))
    os.unlink(dump)


def address_in(gdb, r, function):
    """(address, "entry" or "inside")"""
    _, _, begin, size = function
    if r.random() < 0.4:
        return begin, "entry"
    rows = gdb.ask(rows=[[begin, begin + size]]).get("rows", [[]])[0]
    return (r.choice(rows), "inside") if rows else (begin, "entry")


class Round:
    """A guest and what is asked of it."""

    def __init__(self, g, r, cpus):
        self.g, self.r, self.cpus = g, r, cpus
        witness = q_dump.Witness(g)
        self.judge = Judge(witness)
        self.places = Places(g, witness.slide, witness.end)
        self.gdb = Gdb(g, gdbpeer.symbol_files(g, witness.slide))

    def stop(self):
        """One stop; (what it was, Stop), or None when nothing was hit."""
        if self.r.random() < 0.15:
            got = xkd_stop(self.g, [], self.cpus, self.r.random() * 0.3)
            # The interrupt may come before xkd lets the guest go, and then ends the script.
            return ("interrupt", "plain interrupt", got) if all(c["rip"] for c in got.cpus.values()) else None
        functions = self.places.draw(self.r, AT_ONCE)
        at = {}
        for f in functions:
            address, kind = address_in(self.gdb, self.r, f)
            at[address] = f, kind
        got = xkd_stop(self.g, list(at), self.cpus, PATIENCE)
        rips = [c["rip"] for c in got.cpus.values()]
        f, kind = next((at[x] for x in rips if x in at), (None, None))
        if not got.hit or not f:
            self.places.drop(functions)
            return None
        self.places.drop([f])
        return f"{f[0]}: {f[1]} ({kind})", f"{f[0]}, {kind}", got

    def ask(self, n):
        """Stop number n, asked of all; False when nothing was hit."""
        found = self.stop()
        if not found:
            return False
        what, kind, got = found
        if n % DRGN == DRGN - 1:
            sleeping(self.g, self.r, self.judge)
        theirs = self.gdb.ask(stop=FRAMES)
        if "error" in theirs:
            self.judge.stacks.unlike(f"{what}: gdb: {theirs['error']}")
            self.g.recover()
            return True
        self.judge.stacks.counts["stops"] += 1
        self.judge.stacks.counts["stops: " + kind] += 1
        for c, x in theirs["cpus"].items():
            if int(c) in got.cpus:
                self.judge.cpu(f"stop {n} at {what}, CPU {c},", got.cpus[int(c)], x)
        return True


def bounds_only(g):
    """What is asked of /proc/kallsyms here, of its first lines alone: under load the guest takes minutes
    for all. The rest of the image moved by as much as its begin."""
    begin = int(g.ask("grep -m 1 ' _text$' /proc/kallsyms", 120).split()[0], 16)
    link = symbols(rig.vmlinux(g.kernel), ("_text", "_stext", "_etext", "_end"))
    g.kallsyms = {("lk", n): {a - link["_text"] + begin} for n, a in link.items()}


def ask(g, r, stops=30, cpus=2, seconds=0):
    if not gdbpeer.here():
        t = Tally("stacks of CPUs at stops all over the kernel, with inlined functions and lines", "gdb")
        t.cannot("no gdb")
        return [t]
    begin, done, tries = time.monotonic(), 0, 0
    bounds_only(g)
    whole = Round(g, r, cpus)
    judge = whole.judge
    try:
        while done < stops and tries < 4 * stops + 20 and not (seconds and time.monotonic() - begin > seconds):
            tries += 1
            done += whole.ask(done)
    except RuntimeError as e:
        judge.stacks.unlike(str(e))
    finally:
        whole.gdb.close()
    if done < stops and not (seconds and done):
        judge.stacks.unlike(f"only {done} stops of {stops} were hit in {tries} tries")
    g.qmp("cont")  # a stop that nothing hit leaves it halted
    if not g.goes_on(60):
        status = g.status()  # before xkd halts it
        judge.stacks.unlike(f"the guest does not go on after the last stop: {status}\n{g.xkd('~*k')[1][:3000]}")
    judge.stacks.counts["seconds"] = round(time.monotonic() - begin)
    return [t for t in (judge.stacks, judge.values, judge.tasks, judge.task_values) if t.asked or t.unable]
