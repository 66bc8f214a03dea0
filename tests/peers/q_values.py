"""Question: parameters and locals (dv) of every frame at random places of KVM's code are what gdb,
given slide and modules by hand, says of the same stop.

What is no difference: one of the two does not know a value and says so. That is told, with the reason:
xkd is the stricter one where a function was reached by a jump or called through a pointer (gdb follows
what the debug info says of tail calls; xkd wants the call's instruction to prove it), and knows more
where it has the proof. A value that both give must be the same, bit for bit; so must the address of
what lies in memory."""
import json
import os
import re
import subprocess

import gdbpeer
import reasons
import truth
from files import symbols
from rig import addr, answers, mark, vmlinux
from stacks import base
from tally import Tally

HERE = os.path.dirname(os.path.abspath(__file__))
# Places that the inner VM's port I/O goes through.
HOT = ("kvm!kvm_io_bus_write", "kvm!emulator_pio_in_out", "kvm!kvm_fast_pio", "kvm!kvm_vcpu_ioctl",
       "kvm!kvm_arch_vcpu_ioctl_run", "kvm_amd!svm_vcpu_run", "kvm_amd!svm_handle_exit")
STOPS = 20
FRAMES = 16
INLINE = 2  # gdb.INLINE_FRAME
TAIL_CALL = 3  # gdb.TAILCALL_FRAME: made up by gdb, no activation of its own

DISCARDED = "___addressable_"  # of __ADDRESSABLE, include/linux/compiler.h: section .discard.addressable

LINE = re.compile(r"^(.*?)\s*\b([A-Za-z_]\w*) = (.*)$")
ROW = re.compile(r"^[0-9a-f]{2,} (?:\(Inline Function\) \S+|\S+ \S+) +(?:\w+!([\w.]+)|\S+)")


def parse(text):
    """dv's value: ("num", n), ("addr", a), ("none", why) or ("text", all of it)."""
    place, _, val = text
    if val.startswith("<"):
        return "none", val
    if val == "??":
        return "none", "cannot be read"
    m = re.match(r"0n(-?\d+)", val) or re.search(r"\(0n(-?\d+)\)$", val)
    if m:
        return "num", int(m[1])
    m = re.match(r"(0x[0-9a-f`]+|0)(?![\w])", val) or re.search(r"\((0x[0-9a-f`]+)\)$", val)
    if m:
        return "num", int(m[1].replace("`", ""), 16)
    if val in ("true", "false"):
        return "num", int(val == "true")
    if re.match(r"[0-9a-f]{8}`[0-9a-f]{8}", place.strip()):
        return "addr", addr(place.strip())
    return "text", val


def xkd_frames(parts):
    """[(function, {name: [(kind, value, line)]})] of the answers to .frame and dv."""
    out = []
    for row, text in zip(parts[::2], parts[1::2]):
        m = ROW.search(row)
        if not m:
            break
        named = {}
        for line in text.splitlines():
            v = LINE.match(line)
            if v:
                named.setdefault(v[2], []).append((*parse(v.groups()), line))
        out.append((m[1] or "", named))
    return out


def same(kind, mine, theirs):
    if "num" in theirs and kind == "num":
        mask = (1 << 8 * theirs["size"]) - 1
        return mine & mask == theirs["num"] & mask
    if "addr" in theirs and kind == "addr":
        return mine == theirs["addr"]
    return None


def inline_entry(line, val, around):
    """Does gdb give xkd's value for the same register at entry, in the function that the inlined one
    is part of? around: (gdb's variables, xkd's) of the frames out to the real function's."""
    place = line.split("  ")[0].strip()
    return place.startswith("@ entry ") and any(
        theirs.get("num") == val and o[1] == val and o[2].startswith(place + " ")
        for gdbs, ours in around for name, _, theirs in gdbs for o in ours.get(name, []))


def pairs(mine, theirs, around):
    """(class, name, xkd's, gdb's) of each variable of a frame. Classes: equal; unknown, by both; gap, gdb
    alone knows; more, xkd alone knows; parts, xkd shows what is no number in parts; slip, a known one of
    gdb's, whose reason stands for gdb's; differ; count, where they do not have the same variables."""
    for name in dict.fromkeys(n for n, _, _ in theirs):
        gdbs = [v for n, _, v in theirs if n == name]
        ours = mine.get(name, [])
        if len(ours) > len(gdbs):  # gdb leaves out what only the abstract function names
            ours = [o for o in ours if o[0] != "none"] or ours[:len(gdbs)]
        if len(gdbs) > len(ours):  # gdb lists an inlined function's again from its abstract original
            gdbs = [v for v in gdbs if "none" not in v] or gdbs[:len(ours)] or gdbs
        if len(gdbs) != len(ours):  # what neither knows is listed as often as each likes
            known = [o for o in ours if o[0] != "none"], [v for v in gdbs if "none" not in v]
            ours, gdbs = known if len(known[0]) == len(known[1]) else (ours, gdbs)
        if len(gdbs) > len(ours) == 1 and all(g == gdbs[0] for g in gdbs):
            gdbs = gdbs[:1]  # gcc names a parameter twice, and gdb lists it as often
        if DISCARDED in name and (not ours or "in no loaded section" in ours[0][1]):
            yield "slip", name, None, reasons.GDB_DISCARDED
            continue
        if not ours and all("none" in g for g in gdbs):
            # Of a block without code, which gdb takes for a part of the one around it.
            yield "unknown", name, None, None
            continue
        if not ours and all("static" in g for g in gdbs):
            yield "slip", name, None, reasons.GDB_STATIC
            continue
        if len(ours) != len(gdbs):
            yield "count", name, ours, gdbs
            continue
        for o, g in zip(ours, gdbs):
            if o[0] == "none":
                yield ("unknown" if "none" in g else "gap"), name, o, g
            elif "none" in g:
                yield "more", name, o, g
            elif same(o[0], o[1], g) is False and inline_entry(o[2], o[1], around):
                yield "slip", name, o, reasons.GDB_INLINE_ENTRY
            else:
                yield {None: "parts", True: "equal", False: "differ"}[same(o[0], o[1], g)], name, o, g


def compare_vars(t, where, mine, theirs, around):
    quiet = os.environ.get("XKD_QUIET")
    for what, name, o, g in pairs(mine, theirs, around):
        if what in ("equal", "unknown"):
            t.agree()
        elif what == "slip":
            t.accept(g)
        elif what == "count":
            t.unlike(f"{where}: {name}: {len(o)} times, gdb {len(g)}")
        elif what == "gap":
            t.no_answer("xkd: " + re.sub(r"\br([a-d]x|[sd]i|[sb]p|\d+)\b|tail call from .*", "...", o[1]) +
                        ("" if quiet else f" [{where}: {name}: gdb {g}]"))
        elif what == "more":
            t.no_answer("gdb has no value where xkd has one" +
                        ("" if quiet else f" [{where}: {o[2]}: gdb {g['none']}]"))
        elif what == "parts":
            t.no_answer(f"shown in parts [{where}: {o[2]}: gdb {g}]")
        else:
            t.unlike(f"{where}: {o[2].strip()} | gdb {g}")


def compare_stop(t, said, stack):
    parts = answers(said, 2 * FRAMES + 9)
    begin = next((i for i, p in enumerate(parts) if ROW.search(p)), len(parts))
    mine = xkd_frames(parts[begin:])
    theirs = [f for f in stack if f["kind"] != TAIL_CALL]
    at = next((i for i, f in enumerate(theirs) if not f["vars"] and f["name"] in (None, "entry_SYSCALL_64")),
              len(theirs))
    n = 0
    for i, (g, (func, named)) in enumerate(zip(theirs[:at], mine)):
        if g["name"] is None or base(g["name"]) != base(func):
            t.no_answer(f"frames differ: {func} | {g['name']}")
            break
        where = f"frame {i} {func} {g['pc']:#x}"
        end = next((k for k in range(i, len(theirs)) if theirs[k]["kind"] != INLINE), i)
        around = [(theirs[k]["vars"] or [], mine[k][1]) for k in range(i + 1, min(end + 1, len(mine)))]
        compare_vars(t, where, named, g["vars"] or [], around)
        n += 1
    return n


def ask(g, r, stops=int(os.environ.get("XKD_STOPS", STOPS))):
    t = Tally("parameters and locals of every frame at random places", "gdb")
    if not (gdbpeer.here() and vmlinux(g.kernel)):
        t.cannot("no gdb, or no debug info")
        return [t]
    link = symbols(vmlinux(g.kernel), ("_text",))["_text"]
    setup = gdbpeer.symbol_files(g, truth.text_bounds(g)["_text"] - link)
    scripts = []
    for i in range(stops):
        path = os.path.join(g.dir, f"values.{i}")
        commands = [f"bp {r.choice(HOT)}", "g", "bc *", f"t 0n{r.randrange(1, 90)}" if i % 4 else "r"]
        for n in range(FRAMES):
            commands += [f".frame {n:x}", "dv /v"]
        with open(path, "w") as f:
            f.write("\n".join(mark(commands)) + "\n")
        scripts.append(g.xkd_argv("--leave-halted", "-f", path))
    job, out = os.path.join(g.dir, "job"), os.path.join(g.dir, "out")
    with open(job, "w") as f:
        json.dump({"setup": setup, "stops": scripts, "out": out,
                   "remote": "target remote " + g.target.split(":", 1)[1]}, f)
    p = subprocess.run(["gdb", "-nx", "-batch", "-x", os.path.join(HERE, "gdb_values.py")],
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900,
                       stdin=subprocess.DEVNULL, env={**os.environ, "XKD_JOB": job})
    if not os.path.exists(out):
        t.unlike("gdb: " + p.stdout[-2000:])
        return [t]
    with open(out) as f:
        stops = json.load(f)
    if os.environ.get("XKD_KEEP_VALUES"):
        with open(os.environ["XKD_KEEP_VALUES"], "w") as f:
            json.dump(stops, f)
    frames = [compare_stop(t, s["said"], s["stack"]) for s in stops if s["stack"]]
    if sum(n >= 3 for n in frames) < len(stops) // 2:
        t.unlike(f"too few stops had frames to compare: {frames}")
    return [t]
