"""Questions to those who read a dump, taken while xkd sees the guest stopped, so that all look at
the same bytes: every task's stack, function by function and line by line, and the values of
parameters and locals in them (drgn); structs' sizes and offsets (drgn)."""
import re

import drgnpeer
import reasons
import stacks
import truth
from files import pahole, symbols
from mapped import Code
from rig import answers, mark, vmlinux
from stacks import kernel_frames
from tally import Tally
from xkdside import layout, stack, values


class Stopped:
    """The guest stopped and dumped; goes on afterwards."""

    def __init__(self, g):
        self.g = g

    def __enter__(self):
        self.g.qmp("stop")
        self.dump = self.g.dump()
        drgnpeer.take_pids(self.dump)
        return self

    def __exit__(self, *_):
        self.g.qmp("cont")


def run(g, commands, t):
    status, out = g.xkd(mark(commands), timeout=400, options=["--leave-halted"])
    if status != 0:
        t.unlike(f"xkd ended with {status}: {out[-1000:]}")
        return None
    return answers(out, len(commands))


class Witness:
    """Where the guest's kernel is, and what the files of its code say of an address."""

    def __init__(self, g):
        link = symbols(vmlinux(g.kernel), ("_text", "_etext"))
        bounds = truth.text_bounds(g)
        self.slide = bounds["_text"] - link["_text"]
        self.end = bounds["_etext"]
        self.image = bounds["_text"], truth.address(g, "_end")
        self.code = Code(g, bounds["_text"], bounds["_etext"], link["_text"])

    def in_image(self, address):
        return self.image[0] <= address < self.image[1]


# What xkd calls a frame through which an interrupt or exception came.
INTERRUPTED = re.compile(r"interrupt|exception|nmi|trap", re.I)
ENTRY = ("asm_", "entry_", "common_interrupt", "apic_timer_interrupt", "ret_from_", "error_entry")
POP_RSP = b"\x5c"


def place_of(frame, frames):
    return next(i for i, f in enumerate(frames) if f is frame)


def guessed(frames, witness):
    """True where gdb left one of these frames without call frame information."""
    return any(witness.code.covered(f["pc"] - (i > 0)) is False for i, f in enumerate(frames) if not f["inline"])


def end_slip(a, mine, theirs, witness):
    """The reason why the peer's stack ends before xkd's frame a, or None."""
    at = place_of(a, mine)
    if any((f["name"] or "").startswith(ENTRY) for f in mine[max(at - 1, 0):at + 1]):
        return reasons.GDB_ENDS
    if guessed(theirs[:at], witness):
        return reasons.GDB_NO_CFI
    if 0 < at <= len(theirs) and witness.code.bytes(theirs[at - 1]["pc"], 1) == POP_RSP:
        return reasons.GDB_SWITCH
    return None


def line_slip(a, b, mine, witness):
    """The reason why the peer has another line, or None."""
    if witness.code.vouch(a["file"], a["line"], b["pc"] - (a["pc"] is not None)):
        return reasons.GDB_ROW
    inner = next((f for f in reversed(mine[:place_of(a, mine)]) if not f["inline"]), None)
    if inner and INTERRUPTED.search(inner["notes"] or "") and witness.code.vouch(a["file"], a["line"], b["pc"]):
        return reasons.GDB_CALLED
    return None


def name_slip(differ, mine, theirs, witness):
    """The reason why the one difference is a name's, by the symbol table, or a line's of a task that has
    not run yet; or None."""
    (why, a, b), *more = differ
    if not more and why == "line" and a["pc"] is None and a["name"] == "ret_from_fork" and \
            witness.code.vouch(a["file"], a["line"], b["pc"]):
        return reasons.DRGN_FIRST
    if more or why != "name" or b["pc"] is None or a["pc"] not in (None, b["pc"]):
        return None
    names = {stacks.base(n) for n in witness.code.names(b["pc"] - (a["pc"] is not None))}
    if stacks.base(a["name"]) not in names:
        return None
    return reasons.TWO_NAMES if stacks.base(b["name"]) in names else reasons.GDB_BLOCK


def slip(differ, mine, theirs, witness):
    """The reason why all differences of a stack are gdb's, or None."""
    reason = None
    for why, a, b in differ:
        found = None
        if why == "name":
            found = name_slip([(why, a, b)], mine, theirs, witness)
        elif why == "inline" and b["inline"] and a["pc"] in (None, b["pc"]):
            names = {stacks.base(n) for n in witness.code.names(b["pc"] - (a["pc"] is not None))}
            found = reasons.GDB_BLOCK if stacks.base(a["name"]) in names and not a["inline"] else None
        elif why == "length" and not a and mine and guessed(theirs[:len(mine)], witness):
            found = reasons.GDB_NO_CFI
        elif why in ("line", "file"):
            found = line_slip(a, b, mine, witness)
        elif why == "length" and a and not b:
            found = end_slip(a, mine, theirs, witness)
        if not found and a and why in ("pc", "name", "length", "inline") and \
                guessed(theirs[:place_of(a, mine)], witness):
            found = reasons.GDB_NO_CFI
        if not found:
            return None
        reason = found
    return reason


def differences(t, what, mine, theirs, witness=None, slip=slip):
    """One stack is one question."""
    differ = stacks.compare(mine, theirs)
    why = slip(differ, kernel_frames(mine), kernel_frames(theirs), witness) if differ and witness else None
    if not differ:
        t.agree()
    elif why:
        t.accept(why)
    else:
        t.unlike(what + ": " + "; ".join(f"{w}: {stacks.show(a)} | {stacks.show(b)}" for w, a, b in differ))
    return not differ


def compare_values(t, what, mine, theirs, witness):
    """Values of one frame, both {name: number, None or text}. Asked is only where both name a number:
    what has none in one of them says nothing of the other."""
    for name in sorted(set(mine) & set(theirs)):
        a, b = mine[name], theirs[name]
        if not isinstance(a, int) or not isinstance(b, int):
            continue
        if a & (1 << 64) - 1 == b & (1 << 64) - 1:
            t.agree()
        elif witness.slide and a - b == witness.slide and witness.in_image(a):
            t.accept(reasons.DRGN_SLIDE)
        else:
            t.unlike(f"{what} {name}: {a:#x} | {b:#x}")


def ask_tasks(g, there, same, witness):
    """Stacks of all sleeping tasks: [(pid, drgn's frames)] that are the same go into same."""
    t = Tally("stacks of sleeping tasks, with inlined functions and lines", "drgn")
    if not drgnpeer.here():
        t.cannot("no drgn")
        return t
    got, why = drgnpeer.ask(g.kernel, there.dump, {"tasks": [True]})
    if got is None:
        t.cannot("drgn does not read the dump: " + why.strip().splitlines()[-1] if why.strip() else "drgn failed")
        return t
    tasks = {int(p): x for p, x in got["tasks"].items() if not x["on_cpu"]}
    pids = sorted(p for p, x in tasks.items() if isinstance(x["stack"], list))
    for p in sorted(set(tasks) - set(pids)):
        why = reasons.silent(tasks[p]["stack"])
        if why:
            t.no_answer(why)
        else:
            t.unlike(f"pid {p}: drgn: {tasks[p]['stack']}")
    texts = run(g, [c for p in pids for c in (f".task {p}", "kn")], t)
    if texts is None:
        return t
    for p, text in zip(pids, texts[1::2]):
        if differences(t, f"pid {p} {tasks[p]['comm']}", stack(text), tasks[p]["stack"], witness, name_slip):
            same.append((p, tasks[p]["stack"]))
    return t


def ask_values(g, same, r, witness, limit=40):
    """Parameters and locals of the kernel frames of tasks whose stacks are the same."""
    t = Tally("parameters and locals of sleeping tasks", "drgn")
    asked, commands = [], []
    for pid, frames in r.sample(same, min(limit, len(same))):
        commands.append(f".task {pid}")
        for i, f in enumerate(stacks.kernel_frames(frames)):
            if any(isinstance(v, int) for v in f["values"].values()):
                asked.append((pid, i, f, len(commands) + 1))
                commands += [f".frame {i:x}", "dv"]
    if not asked:
        t.cannot("drgn tells no value")
        return t
    texts = run(g, commands, t)
    for pid, i, f, at in asked if texts else []:
        compare_values(t, f"pid {pid} frame {i:x} {f['name']}", values(texts[at]), f["values"], witness)
    return t


def ask_structs(g, there, r, count):
    t = Tally("sizes and offsets of structs", "drgn")
    if not drgnpeer.here():
        t.cannot("no drgn")
        return t
    names = r.sample(sorted(pahole(vmlinux(g.kernel))), count)
    got, why = drgnpeer.ask(g.kernel, there.dump, {"structs": [names]})
    if got is None:
        t.cannot("drgn does not read the dump: " + why.strip().splitlines()[-1] if why.strip() else "drgn failed")
        return t
    texts = run(g, [f"dt -v lk!{n}" for n in names], t)
    for n, text in zip(names, texts or []):
        want, mine = got["structs"][n], layout(text)
        if want is None:
            continue
        if mine[0] == want[0] and mine[1] == want[1]:
            t.agree()
        else:
            t.unlike(f"{n}: size {mine[0]} want {want[0]}; members that differ: "
                     f"{sorted(set(mine[1].items()) ^ set(want[1].items()))[:6]}")
    return t


def ask(g, r, count=300):
    witness = Witness(g)
    same = []
    with Stopped(g) as there:
        return [ask_tasks(g, there, same, witness), ask_values(g, same, r, witness), ask_structs(g, there, r, count)]
