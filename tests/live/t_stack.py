#!/usr/bin/env python3
"""Stacks: k at a breakpoint tells the call chain that the guest's own kernel tells there, and
with its inline frames the one that gdb tells, which is given the slide and the modules by hand."""
import os
import re
import shutil
import subprocess

from rig import Guest, Tap, answers, mark, module_debug, vmlinux, xkd

xkd()
tap = Tap()

WHERE = "kvm_io_bus_write"
HITS = 6


def base(name):
    """A function's name without what compilers add to copies of it."""
    # A label inside the function, which the guest's kernel names instead of it.
    name = name.removesuffix("_after_hwframe")
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
    return {c for c in chains if c[-1] == "entry_SYSCALL_64"}


GDB = """
import gdb
gdb.execute("set pagination off")
gdb.execute("set confirm off")
%(files)s
gdb.execute("target remote %(remote)s")
gdb.execute("hbreak *%(where)#x")
for i in range(%(hits)d):
    gdb.execute("continue")
    frame, names = gdb.newest_frame(), []
    while frame is not None and frame.name():
        names.append(("~" if frame.type() == gdb.INLINE_FRAME else "") + frame.name())
        try:
            frame = frame.older()
        except gdb.error:
            break
    print("@@chain " + " ".join(names))
gdb.execute("delete")
gdb.execute("detach")
"""


def gdb_stacks(g):
    """The distinct call chains that gdb sees, down to the system call's entry; inline frames
    are marked with ~."""
    where = int(g.ask(f"grep ' {WHERE}\\>' /proc/kallsyms").split()[0], 16)
    text = int(g.ask("grep ' _text$' /proc/kallsyms").split()[0], 16)
    files = [f'gdb.execute("add-symbol-file {vmlinux(g.kernel)} -o {text - 0xffffffff81000000:#x}")']
    for module in ("kvm", "kvm_amd"):
        ko = module_debug(g.kernel, module.replace("_", "[-_]"))
        sections = [l.split() for l in g.ask(
            f"cd /sys/module/{module}/sections; for f in .[a-z]*; do echo $f $(cat $f); done").splitlines()]
        opts = " ".join(f"-s {n} {a}" for n, a in sections
                        if n.startswith((".text", ".data", ".bss", ".rodata", ".noinstr")))
        files.append(f'gdb.execute("add-symbol-file {ko} {opts}")')
    path = os.path.join(g.dir, "stacks.py")
    with open(path, "w") as f:
        f.write(GDB % {"files": "\n".join(files), "remote": g.target.split(":", 1)[1],
                       "where": where, "hits": 3 * HITS})
    p = subprocess.run(["gdb", "-nx", "-batch", "-x", path], stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, timeout=120, stdin=subprocess.DEVNULL)
    chains = set()
    for line in re.findall(r"^@@chain (.*)$", p.stdout, re.M):
        names = line.split()
        entry = [i for i, n in enumerate(names) if n.startswith("entry_SYSCALL_64")]
        if entry:
            chains.add(tuple(map(base, names[:entry[0]])))
    if not chains:
        tap.note(p.stdout[-2000:])
    return chains


ROW = re.compile(r"^(?:[0-9a-f]{2} )?(?:(\(Inline Function\))|[0-9a-f]{8}`[0-9a-f]{8}) \S+ .*?"
                 r"(\w+)!([\w.]+)", re.M)


def xkd_stack(text, inline=False):
    """The names of k's rows, innermost first; inline frames left out or marked with ~."""
    if inline:
        return tuple(("~" if m[1] else "") + base(m[3]) for m in ROW.finditer(text))
    return tuple(base(m[3]) for m in ROW.finditer(text) if not m[1])


# One CPU: the guest patches its own text for the kprobe, and emulated CPUs that run
# text while another one patches it can trip over it. After xkd, for the same reason.
with Guest("--smp", "1") as g:
    status, out = g.xkd(mark([f"bp kvm!{WHERE}"] + ["g", "k"] * HITS + ["bc *"]))
    tap.equal(status, 0, "xkd ends with 0") or tap.note(out[-2000:])
    tap.ok(g.goes_on(), "the guest goes on after")
    g.recover()
    parts = answers(out, 1 + 2 * HITS)[2::2]

    if shutil.which("gdb") and vmlinux(g.kernel):
        want = gdb_stacks(g)
        tap.ok(len(want) >= 2, "gdb tells call chains", want)
        bad = []
        for i, text in enumerate(parts):
            got = xkd_stack(text, inline=True)
            if not any(got[:len(w)] == w for w in want):
                bad.append(f"hit {i}: {got}\n{text}")
        tap.ok(not bad, f"k agrees with gdb at {HITS} hits, inline frames and all",
               "\n".join(bad) + "\ngdb's:\n" + "\n".join(map(str, want)))
        tap.ok(g.goes_on(), "the guest goes on after gdb")
    else:
        tap.skip("k agrees with gdb", "no gdb, or no debug info")

    want = guest_stacks(g)
    tap.ok(len(want) >= 2, "the guest's own kernel tells its call chains", want)
    bad = []
    for i, text in enumerate(parts):
        got = xkd_stack(text)
        if not any(got[:len(w)] == w for w in want):
            bad.append(f"hit {i}: {got}\n{text}")
    tap.ok(not bad, f"k agrees with the guest's own kernel at {HITS} hits",
           "\n".join(bad) + "\nthe guest's:\n" + "\n".join(map(str, want)))
tap.done()
