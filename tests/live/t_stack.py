#!/usr/bin/env python3
"""Stacks: k at a breakpoint tells the call chain that the guest's own kernel tells there."""
import re

from rig import Guest, Tap, answers, mark, xkd

xkd()
tap = Tap()

WHERE = "kvm_io_bus_write"
HITS = 6


def base(name):
    """A function's name without what compilers add to copies of it."""
    return re.sub(r"\.(isra|constprop|part|cold|llvm)\b.*", "", name)


def guest_stacks(g):
    """The distinct call chains, innermost first, that a kprobe in the guest sees."""
    trace = "/sys/kernel/debug/tracing"
    g.ask(f"cd {trace} && echo 'p:xkd {WHERE}' >kprobe_events && "
          "echo stacktrace >events/kprobes/xkd/trigger && echo 1 >events/kprobes/xkd/enable; sleep 1")
    text = g.ask(f"head -c 60000 {trace}/trace", 30)
    chains = set()
    for part in re.findall(r"<stack trace>\n((?: *=> .*\n)+)", text):
        names = [base(re.sub(r"[+/ ].*", "", l.split("=> ")[1])) for l in part.splitlines()]
        # The probe's own handlers come first.
        if WHERE in names:
            chains.add(tuple(names[names.index(WHERE):]))
    # A text that head cut off ends in a chain that is not whole.
    return {c for c in chains if "entry_SYSCALL_64_after_hwframe" in c[-1]}


def xkd_stack(text):
    """The names of k's rows, innermost first, without frames that have no address of their own."""
    rows = re.findall(r"^(?:[0-9a-f]{2} )?[0-9a-f]{8}`[0-9a-f]{8} [0-9a-f]{8}`[0-9a-f]{8} .*?"
                      r"(\w+)!([\w.]+)", text, re.M)
    return tuple(base(n) for _, n in rows)


# One CPU: the guest patches its own text for the kprobe, and emulated CPUs that run
# text while another one patches it can trip over it. After xkd, for the same reason.
with Guest("--smp", "1") as g:
    status, out = g.xkd(mark([f"bp kvm!{WHERE}"] + ["g", "k"] * HITS + ["bc *"]))
    tap.equal(status, 0, "xkd ends with 0") or tap.note(out[-2000:])
    tap.ok(g.goes_on(), "the guest goes on after")
    want = guest_stacks(g)
    tap.ok(len(want) >= 2, "the guest's own kernel tells its call chains", want)

    parts = answers(out, 1 + 2 * HITS)
    bad = []
    for i in range(HITS):
        text = parts[2 + 2 * i]
        got = xkd_stack(text)
        if not any(got[:len(w)] == w for w in want):
            bad.append(f"hit {i}: {got}\n{text}")
    tap.ok(not bad, f"k agrees with the guest's own kernel at {HITS} hits",
           "\n".join(bad) + "\nthe guest's:\n" + "\n".join(map(str, want)))
tap.done()
