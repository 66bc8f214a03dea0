#!/usr/bin/env python3
"""From reset to the kernel, and to the next kernel: firmware is looked at raw, breakpoints with
names wait for the kernel, its slide is found at its start, and a reboot is noticed."""
import re
import subprocess
import threading
import time

from rig import Guest, Tap, answers, mark, xkd

xkd()
tap = Tap()
SLIDE = re.compile(r"slide 0x([0-9a-f]+)")


def meanwhile(g, *steps):
    """Runs (delay, QMP command) pairs beside what follows."""
    def run():
        for delay, command in steps:
            time.sleep(delay)
            g.qmp(command)
    t = threading.Thread(target=run, daemon=True)
    t.start()
    return t


def slide_of(g):
    text = g.ask("grep ' _text$' /proc/kallsyms").split()[0]
    return int(text, 16) - 0xffffffff81000000


def boots(g):
    """How often the guest came up and ticked."""
    return sum("xkd-tick " in part for part in g.serial().split("@@begin end")[1:])


def wait_boot(g, before, within=60):
    end = time.monotonic() + within
    while boots(g) <= before and time.monotonic() < end:
        time.sleep(0.1)
    return boots(g) > before


with Guest("--halted", "--reboot") as g:
    status, out = g.xkd(mark(["r", "u L1", "db /p ffff0 L10", "!cpus", "bp lk!start_kernel", "bl"]))
    r, u, db, rows, bp, bl = answers(out, 6)
    tap.equal(status, 0, "reset: xkd ends with 0") or tap.note(out)
    tap.ok("no kernel is there yet" in out and "16-bit" in out, "reset: one sentence says what is there", out)
    tap.ok(re.search(r"^00000000`fffffff0 ea5be000f0 +jmp", u, re.M),
           "reset: the instruction at the reset vector, by its segment's base and width", u)
    tap.ok("ea 5b e0 00 f0" in db, "reset: physical memory", db)
    tap.ok("16-bit" in rows and "f000:fff0" in rows, "reset: !cpus shows mode and place", rows)
    tap.ok("waits for the kernel" in bp and "not loaded" in bl, "reset: a breakpoint waits", bp + bl)
    tap.equal(g.status(), "prelaunch", "reset: q leaves it not started")

    status, out = g.xkd(mark(["bp lk!start_kernel", "bp panic", "bp kvm!kvm_init", "g", "k", "bl",
                              "dt lk!task_struct comm lk!init_task", "!cpus", "g", "k 1", "lm", "bc *"]), 200)
    _, _, _, hit, k, bl, dt, rows, kvm, k2, lm, _ = answers(out, 12)
    first = SLIDE.search(hit)
    tap.ok(first and "Breakpoint 0 hit" in hit, "boot: start_kernel is hit from reset", out[-1500:])
    tap.ok("lk!start_kernel" in k and re.search(r"lk!(secondary|common)_startup_64", k), "boot: its stack", k)
    tap.ok("lk!panic" in bl, "boot: other names were resolved", bl)
    tap.ok('"swapper"' in dt, "boot: memory and types", dt)
    tap.ok("outside" in rows, "boot: the second CPU is not started yet", rows)
    tap.ok("Breakpoint 2 is set now" in kvm and "Breakpoint 2 hit" in kvm and "kvm!kvm_init" in k2,
           "boot: a module's breakpoint is set when the module comes, before its code runs", kvm + k2)
    tap.ok(" kvm " in lm, "boot: lm lists it", lm)
    g.recover()  # found not started, so q left it halted
    tap.ok(wait_boot(g, 0), "boot: the guest boots to its end", g.status())
    tap.equal(first and int(first[1], 16), slide_of(g), "boot: the slide is the guest's own")

    # A reboot while attached; stopped again when the new kernel is up.
    before = boots(g)
    argv = g.xkd_argv("-f", g.dir + "/reboot.xkd")
    with open(g.dir + "/reboot.xkd", "w") as f:
        f.write("\n".join(mark(["bp lk!machine_restart", "bp @$proc", "g", "bl", "!cpus", "lm"])) + "\n")
    p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         text=True)
    time.sleep(2)
    g.qmp("system_reset")
    up = wait_boot(g, before)
    g.qmp("stop")
    try:
        out = p.communicate(timeout=30)[0]
    except subprocess.TimeoutExpired:
        p.kill()
        out = p.communicate()[0]
    _, _, hit, bl, rows, lm = answers(out, 6)
    again = SLIDE.search(hit)
    tap.ok(up and "Another boot: Linux" in hit, "reboot: noticed at the next stop, the kernel found again", out)
    tap.equal(again and int(again[1], 16), slide_of(g), "reboot: its new slide is the guest's own")
    want = int(g.ask("grep ' machine_restart$' /proc/kallsyms").split()[0], 16)
    tap.ok(f"{want >> 32:08x}`{want & 0xffffffff:08x}" in bl, "reboot: a name's breakpoint went to its new place", bl)
    tap.ok("disabled" in hit and re.search(r"^ +1 d", bl, re.M), "reboot: a bare address' one did not", hit + bl)
    tap.ok(" kvm " in lm, "reboot: modules follow", lm)
    tap.ok(g.goes_on(), "reboot: the guest goes on after q")

    # A reboot stopped in firmware: nothing known, then the kernel at its start.
    t = meanwhile(g, (2, "system_reset"), (0.2, "stop"))
    status, out = g.xkd(mark(["bp lk!start_kernel", "g", "!cpus", "g", "k", "bc *"]), 200)
    t.join()
    _, stop, rows, hit, k, _ = answers(out, 6)
    tap.ok("Another boot: no kernel is there yet" in stop, "firmware after a reboot: the old kernel is gone", stop)
    tap.ok("Breakpoint 0 hit" in hit and "lk!start_kernel" in k, "firmware after a reboot: the next one is caught",
           out[-1500:])
tap.done()
