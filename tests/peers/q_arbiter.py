"""Question: where the functions of a module (tests/arbiter/xkd_arbiter.c) say themselves what their
parameters and locals are and by whom they were called, xkd sees the same at the same stop; where gdb
sees something else, the module is who says that gdb is wrong.

A value that xkd does not know is no difference, but told and counted; a value that it shows and that
is another one is."""
import os
import re
import subprocess
import threading
import time

import gdbpeer
import q_stops
import q_values
import reasons
import rig
import stacks
import truth
from files import symbols
from rig import answers, mark
from tally import Tally
from xkdside import stack

SOURCE = os.path.join(rig.TOP, "tests/arbiter")
CASES = {1: "parameters in registers", 2: "parameters that only callers know", 3: "parameters on the stack",
         4: "inlined functions", 5: "a tail call", 6: "a loop", 7: "recursion", 8: "a call by pointer",
         9: "a static call", 10: "an interrupt from another CPU", 11: "a high-resolution timer",
         12: "a work queue", 13: "a timer", 14: "a tasklet", 15: "a kprobe", 16: "a kretprobe", 17: "parameters that are calculated at the call",
         18: "a debug exception", 19: "a breakpoint exception"}
MEMBERS = {3: ("p.low", "p.high", "p.kind", "p.last", "w.a", "w.d"), 6: ("rows[2]",)}
FRAMES = 12
RUN = "/sys/module/xkd_arbiter/parameters/run"


def build(kernel, where):
    """The module for a kernel, (path, "") or (None, why)."""
    release = re.sub("^vmlinux-", "", os.path.basename(rig.vmlinux(kernel)))
    p = subprocess.run([os.path.join(rig.TOP, "tools/headers"), release], stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, text=True)
    if p.returncode:
        return None, "no headers: " + p.stderr.strip().splitlines()[-1]
    for f in ("xkd_arbiter.c", "Kbuild"):
        with open(os.path.join(SOURCE, f)) as src, open(os.path.join(where, f), "w") as dst:
            dst.write(src.read())
    b = subprocess.run(["make", "-C", p.stdout.strip(), f"M={where}", "modules"], stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True)
    path = os.path.join(where, "xkd_arbiter.ko")
    return (path, "") if os.path.exists(path) else (None, "the module does not build: " + b.stdout[-2000:])


def said(g, case):
    """What the module said at the stop of a case: ({(function, name): value}, [function])."""
    lines = [re.sub(r"^\[ *\d+\.\d+\] (?:\[.*?\] )?(?:xkd_arbiter: )?", "", l) for l in g.serial().splitlines()]
    lines = [l for l in lines if l.startswith("arb ")]
    # What an earlier case says after its stop may come late.
    lines = [l for l in lines if l.startswith(f"arb {case} ")]
    values, chain = {}, []
    for line in lines:
        f = line.split()
        if f[2] == "v":
            values[f[3], f[4]] = int(f[5])
        elif f[2] == "at":
            chain.append(f[3])
    return values, chain


def ended(g, case):
    """Waits until the case is over: a CPU that still stands at the stop would hit a new breakpoint there."""
    for _ in range(600):
        if re.search(rf"arb {case} end$", g.serial(), re.M):
            return True
        time.sleep(0.05)
    return False


class Asked:
    """One stop: xkd's words, gdb's and the module's."""

    def __init__(self, g, at, case):
        commands = ["bp xkd_arbiter!arbiter_stop" if at is None else f"bp {at:#x}", "g", "bc *", "kn", "r rip"]
        for i in range(FRAMES):
            commands += [f".frame {i:x}", "dv /v"]
        members = MEMBERS.get(case, ())
        commands += [".frame 2"] + [f"?? {m}" for m in members]
        path, said_to = os.path.join(g.dir, "arb.xkd"), os.path.join(g.dir, "arb.said")
        with open(path, "w") as f:
            f.write("\n".join(mark(commands)) + "\n")
        # Its answer comes when the guest goes on.
        self.trigger = threading.Thread(target=g.ask, args=(f"(usleep 200000; echo {case} >{RUN}) >/dev/null 2>&1 &",),
                                        daemon=True)
        with open(said_to, "w") as out:
            p = subprocess.Popen(g.xkd_argv("--leave-halted", "-f", path), stdin=subprocess.DEVNULL,
                                 stdout=out, stderr=subprocess.STDOUT)
            q_stops.wait_mark(p, said_to, 1, 60)
            self.trigger.start()
            try:
                p.wait(60)
            except subprocess.TimeoutExpired:
                p.terminate()  # not stopped: it lets the guest go
                p.wait()
        with open(said_to, errors="replace") as f:
            self.text = f.read()
        parts = answers(self.text, len(commands))
        self.stack = stack(parts[3])
        rip = re.search(r"rip=([0-9a-f]+)", parts[4])
        self.rip = int(rip[1], 16) if rip else None
        self.frames = q_values.xkd_frames(parts[5:5 + 2 * FRAMES])
        self.members = {m: parts[6 + 2 * FRAMES + i].strip() for i, m in enumerate(members)}


def number(text):
    """The number in ??'s answer, or None."""
    m = re.search(r"(0n-?\d+|0x[0-9a-f`]+)\)?$", text.strip())
    return None if not m else int(m[1][2:]) if m[1][:2] == "0n" else int(m[1].replace("`", ""), 16)


def equal(mine, theirs):
    return (mine - theirs) & (1 << 64) - 1 == 0 or 0 <= mine < 1 << 32 and (mine - theirs) & (1 << 32) - 1 == 0 \
        or 0 <= mine < 1 << 16 and (mine - theirs) & 0xffff == 0 or 0 <= mine < 256 and (mine - theirs) & 0xff == 0


def judge_values(t, where, asked, gdb, values):
    for (function, name), want in values.items():
        at = next((i for i, (f, _) in enumerate(asked.frames) if stacks.base(f) == function), None)
        theirs = next((v for f in gdb if stacks.base(f["name"]) == function for n, _, v in f["vars"] or []
                       if n == name), None)
        said_by_gdb = "gdb is right" if theirs and "num" in theirs and equal(theirs["num"], want) else \
            "gdb is wrong" if theirs and "num" in theirs else "gdb does not know"
        if at is None:
            t.unlike(f"{where}: no frame of {function}")
            continue
        if name in asked.members:
            value = number(asked.members[name])
            got = [("num", value) if value is not None else ("none", asked.members[name])]
            said_by_gdb = "gdb is not asked"
        else:
            got = [(kind, v) for kind, v, _ in asked.frames[at][1].get(name, [])]
        if not got:
            t.unlike(f"{where}: {function} {name} is not listed")
        elif got[0][0] != "num":
            t.no_answer(f"not known to xkd; {said_by_gdb}")
            t.examples[f"{where}: {function} {name}"] = got[0][1]
        elif equal(got[0][1], want):
            t.agree()
            t.counts[f"values that xkd has; {said_by_gdb}"] += 1
        else:
            t.unlike(f"{where}: {function} {name} is {want}, xkd has {got[0][1]:#x}; {said_by_gdb}")


def chain(names):
    """Functions alone: what entry code calls itself, and each label in it, differs by kernel."""
    return [n for n in map(plain, names) if n]


def plain(name):
    name = stacks.base(re.sub(r"[+/].*", "", name or ""))
    return "" if re.match(r"(asm_|entry_|ret_from_fork|__?do_sys|call_on|asm_call|common_interrupt$|sysvec_|"
                          r"apic_timer|error_entry|ftrace_|__kretprobe_tramp|arch_rethook_tramp|trampoline|0x)", name) else name


def judge_stack(t, where, asked, theirs):
    real = [f for f in asked.stack if not f["inline"]]
    mine = chain([f["name"] for f in stacks.kernel_frames(real)][1:])
    theirs = chain(theirs)
    notes = " ".join(f["notes"] or "" for f in asked.stack)
    # What the module's own walk leaves out (the frame it walks from may come in by another name).
    if mine == theirs:
        t.agree()
    elif theirs[-1:] == ["kretprobe_trampoline"] and mine[:len(theirs)] == theirs:
        t.accept(reasons.OWN_WALK_ENDS)
    else:
        t.unlike(f"{where}: {mine} | {theirs} | {notes}")
    if "guess" in notes or not asked.stack or "ends here" in asked.text:
        t.unlike(f"{where}: a guess, or no end: {asked.text[-600:]}")


def ask(g, r, module):
    values = Tally("parameters and locals, as their functions say themselves", "the arbiter module")
    chains = Tally("stacks, as their functions say themselves", "the arbiter module")
    g.ask("dmesg -n 8; insmod /extra/xkd_arbiter.ko")
    sections = dict(truth.sections(g, "xkd_arbiter"))
    if ".text" not in sections:
        values.unlike("the guest does not load the module: " + g.serial()[-500:])
        return [values]
    link = symbols(rig.vmlinux(g.kernel), ("_text",))["_text"]
    q_stops.bounds_only(g)
    setup = gdbpeer.symbol_files(g, truth.address(g, "_text") - link, ())
    setup.append(f"add-symbol-file {module} " + " ".join(
        f"-s {s} {a}" for s, a in sections.items() if s.startswith((".text", ".data", ".bss", ".rodata"))))
    gdb = q_stops.Gdb(g, setup) if gdbpeer.here() else None
    at = None
    try:
        for case in CASES:
            asked = Asked(g, at, case)
            at = at or asked.rip
            where = f"case {case}, {CASES[case]}"
            if not asked.frames:
                chains.unlike(f"{where}: no stop: {asked.text[-800:]}")
                g.recover()
                continue
            theirs = []
            if gdb:
                cpus = gdb.ask(stop=24).get("cpus", {}).values()
                theirs = next((c["stack"] for c in cpus if c["pc"] == asked.rip), [])
            else:
                g.qmp("cont")
            asked.trigger.join(60)
            if not ended(g, case):
                chains.unlike(f"{CASES[case]}: the guest did not go on")
            told, calls = said(g, case)  # from where it may not wait for a console, it is told later
            judge_values(values, where, asked, theirs, told)
            judge_stack(chains, where, asked, calls)
    finally:
        if gdb:
            gdb.close()
        g.qmp("cont")
    return [values, chains]
