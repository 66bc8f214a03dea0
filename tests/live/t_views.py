#!/usr/bin/env python3
"""CPUs whose page tables are not the kernel's: in user mode under page-table isolation, and inside
a guest. The kernel reads right all the same, and what is not the kernel's gets no names of it."""
import re
import time

from rig import Guest, Tap, answers, mark, xkd

xkd()
tap = Tap()

CPU = re.compile(r"^[* ] +(\d+)  (\S+) +(on|off) +(\S+) +(\S+) +(-?\d+)  (\S+) +(.*)$", re.M)


def cpus(text):
    """{number: (state, pid, comm, where)} of !cpus' rows."""
    return {int(m[1]): (m[2], int(m[6]), m[7], m[8].strip()) for m in CPU.finditer(text)}


def modules(g):
    return sorted(l.split()[0] for l in g.ask("cat /proc/modules").splitlines())


def named(text):
    """The modules that lm lists."""
    return sorted(set(re.findall(r"^[0-9a-f`]{17} [0-9a-f`]{17}\s+(\S+)", text, re.M)) - {"lk"})


# More loops than CPUs, so that at some attach every CPU is in user mode.
with Guest("--append", "pti=on xkd.novm") as g:
    tap.ok("isolation: enabled" in g.ask("dmesg | grep -i isolation"), "pti: the guest isolates its tables")
    mods, version = modules(g), g.ask("cat /proc/version").strip()
    g.ask("for i in 1 2 3 4 5; do (while :; do :; done) </dev/null >/dev/null 2>&1 & done")
    all_user = 0
    for _ in range(25):
        status, out = g.xkd(mark(["!cpus", "lm", "~*k", "da lk!linux_banner", "dt lk!task_struct pid @$proc"]))
        rows, lm, stacks, banner, dt = answers(out, 5)
        got = cpus(rows)
        if status or len(got) != 2 or named(lm) != mods or version[:40] not in banner or "note:" in out:
            tap.ok(False, "pti: everything reads", out)
            break
        if all(r[0] == "user" for r in got.values()):
            all_user += 1
            if stacks.count("[user]") != 2 or "pid " not in dt:
                tap.ok(False, "pti: k shows a user frame for each CPU", out)
                break
            if all_user == 3:
                break
        time.sleep(0.1)
    tap.equal(all_user, 3, "pti: attached with all CPUs in user mode; modules, memory, types, stacks are right")

# A guest each: one whose VM spins may be slow to end it.
for mode, pc in (("spin32", "00000000`0000100"), ("spin64", "ffffffff`8100100")):
    with Guest("--append", "xkd.novm") as g:
        mods, version = modules(g), g.ask("cat /proc/version").strip()
        pid = int(g.ask(f"/vm {mode} </dev/null >/dev/null 2>&1 & sleep 1; echo $!"))
        guest = None
        for _ in range(20):
            status, out = g.xkd("!cpus; q")
            guest = [n for n, r in cpus(out).items() if r[0] == "guest"]
            if guest:
                break
            time.sleep(0.1)
        if not tap.ok(guest, f"{mode}: a CPU is found inside the guest", out):
            continue
        # It may have left the guest by the next attach: until one sees it there again.
        for _ in range(20):
            status, out = g.xkd(mark(["!cpus", f"~{guest[0]}s", "k", "r", "lm", "da lk!linux_banner", "u"]))
            rows, switched, k, regs, lm, banner, u = answers(out, 7)
            row = cpus(rows).get(guest[0])
            if row and row[0] == "guest":
                break
            time.sleep(0.1)
        tap.ok(row and row[1] == pid and row[2] == "vm", f"{mode}: !cpus names the task that runs it", rows)
        tap.ok(row and row[3].startswith(pc), f"{mode}: and the guest's own address, without a name", rows)
        tap.ok("guest or another address space" in k and "!" not in k and k.count("\n") == 2,
               f"{mode}: k says so instead of naming things", k)
        tap.ok("runs a guest (or another address space)" in regs and "lk!" not in regs,
               f"{mode}: r shows raw registers and says whose they are", regs)
        tap.ok("give an address" in u, f"{mode}: u does not show the kernel's bytes as the guest's", u)
        tap.equal(named(lm), mods, f"{mode}: modules read right")
        tap.ok(version[:40] in banner, f"{mode}: kernel memory reads right", banner)
        tap.ok(g.goes_on(), f"{mode}: the guest goes on")

# One CPU, and it is in its guest: only memory tells of the kernel.
for mode in ("spin32", "spin64"):
    with Guest("--smp", "1", "--append", "xkd.novm") as g:
        mods = modules(g)
        slide = g.ask("grep ' _text$' /proc/kallsyms").split()[0]
        g.ask(f"/vm {mode} </dev/null >/dev/null 2>&1 & sleep 1")
        out = ""
        for _ in range(40):
            status, out = g.xkd(mark(["!cpus", "lm", "? lk!_text"]))
            if "VMCOREINFO" in out:
                break
            time.sleep(0.1)
        rows, lm, text = answers(out, 3)
        row = cpus(rows).get(0)
        tap.ok("by VMCOREINFO in memory, verified by the build-id" in out, f"{mode}: no CPU in the kernel, it is found", out)
        tap.ok(row and row[0] == "guest" and row[2] == "vm", f"{mode}: its CPU is in the guest", rows)
        tap.equal(named(lm), mods, f"{mode}: its modules read right")
        tap.ok(slide in text.replace("`", ""), f"{mode}: _text lies where the kernel says", text)
tap.done()
