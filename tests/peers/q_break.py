"""Question: the stack at a breakpoint (bp, g, k) is one that gdb, given slide and modules by hand,
sees at the same place (functions, inlined ones too, and lines), and one that the guest's own
kernel tells of by a kprobe there.

The guest has one CPU: it patches its own text for the kprobe, and emulated CPUs that run text
while another one patches it can trip over it. The kprobe comes last for the same reason."""
import re

import gdbpeer
import stacks
import truth
from files import symbols
from rig import answers, mark, vmlinux
from tally import Tally
from xkdside import stack

WHERE = "kvm_io_bus_write"


def guest_stacks(g):
    """The distinct call chains, innermost first, that a kprobe in the guest sees."""
    trace = "/sys/kernel/debug/tracing"
    g.ask(f"cd {trace} && echo 'p:xkd {WHERE}' >kprobe_events && "
          "echo stacktrace >events/kprobes/xkd/trigger && echo 1 >events/kprobes/xkd/enable; sleep 1")
    text = g.ask(f"head -c 60000 {trace}/trace", 90)
    chains = set()
    for part in re.findall(r"<stack trace>\n((?: *=> .*\n)+)", text):
        names = [stacks.base(re.sub(r"[+/ ].*", "", l.split("=> ")[1])) for l in part.splitlines()]
        # The probe's own handlers come first.
        if WHERE in names:
            chains.add(tuple(names[names.index(WHERE):]))
    # A text that head cut off ends in a chain that is not whole.
    return {c for c in chains if c[-1] == "entry_SYSCALL_64"}


def entry_cut(frames):
    """Down to the system call's entry: gdb makes frames of its own beyond."""
    at = [i for i, f in enumerate(frames) if (f["name"] or "").startswith("entry_SYSCALL_64")]
    return frames[:at[0]] if at else []


def with_gdb(g, mine):
    t = Tally(f"stacks at {WHERE}, with inlined functions and lines", "gdb")
    if not (gdbpeer.here() and vmlinux(g.kernel)):
        t.cannot("no gdb, or no debug info")
        return t
    link = symbols(vmlinux(g.kernel), ("_text",))["_text"]
    setup = gdbpeer.symbol_files(g, truth.text_bounds(g)["_text"] - link)
    theirs, why = gdbpeer.hits(g, setup, truth.address(g, WHERE, "kvm"), 3 * len(mine))
    theirs = [c for c in map(entry_cut, theirs) if c]
    if not theirs:
        t.unlike("gdb tells no call chain: " + why)
    for i, frames in enumerate(mine):
        differ = [stacks.compare(entry_cut(frames), w) for w in theirs]
        if any(not d for d in differ):
            t.agree()
        elif differ:
            # The nearest tells most.
            t.unlike(f"hit {i}: " + "; ".join(f"{why}: {stacks.show(a)} | {stacks.show(b)}"
                                              for why, a, b in min(differ, key=len)))
    return t


def with_guest(g, mine):
    t = Tally(f"stacks at {WHERE}", "the guest's kernel")
    want = guest_stacks(g)
    if not want:
        t.unlike("the guest tells no call chain")
    for i, frames in enumerate(mine):
        got = tuple(stacks.base(f["name"]) for f in frames if not f["inline"] and f["name"])
        if any(got[:len(w)] == w for w in want):
            t.agree()
        else:
            t.unlike(f"hit {i}: {got}; the guest's: {sorted(want)}")
    return t


def ask(g, r=None, count=6):
    status, out = g.xkd(mark([f"bp kvm!{WHERE}"] + ["g", "k"] * count + ["bc *"]))
    mine = [stack(text) for text in answers(out, 1 + 2 * count)[2::2]]
    ends = Tally("the guest goes on after breakpoints", "the guest")
    if status == 0 and g.goes_on():
        ends.agree()
    else:
        ends.unlike(f"xkd ended with {status}: {out[-1000:]}")
    g.recover()
    return [ends, with_gdb(g, mine), with_guest(g, mine)]
