#!/usr/bin/env python3
"""Events on a live kernel: a module that comes and goes again and again is met at each load before its code
runs and at each unload; a task that ends, a WARN, an oops and a panic stop where the guest's log says that
they happened. The oops and the WARN are made by giving the kernel a wrong argument."""
import os
import re
import subprocess
import time

from rig import Guest, Loop, Tap, answers, mark, xkd

xkd()
tap = Tap()


def modules(g):
    stops = ["g"] * 15
    # Set when the module comes or goes: of one that goes the code of its init is gone already.
    g.ask("rmmod kvm_amd")
    with Loop(g, "insmod /modules/kvm-amd.ko; usleep 200000; rmmod kvm_amd; usleep 500000"):
        status, out = g.xkd(mark(["sxe ud kvm_amd", "sxe ld kvm_amd", "g; bc *; bu kvm_amd!svm_init", "g"] + stops +
                                 ["sx", "sxr", "bc *"]), 300)
    a = answers(out, len(stops) + 7)
    kinds = [("ud" if "Event ud" in t else "ld" if "Event ld" in t else "init" if "kvm_amd!svm_init:" in t else "?")
             for t in a[3:4 + len(stops)]]
    start = kinds.index("ud") if "ud" in kinds else 0
    want = ["ud", "ld", "init"] * 6
    tap.ok("?" not in kinds and kinds[start:] == want[:len(kinds) - start] and len(kinds) - start > 12,
           "a module again and again: unload, load, then its init", str(kinds) + "".join(a[3:7]))
    tap.ok(all(": kvm_amd" in t for t in a[3:4 + len(stops)] if "Event" in t), "the events say which module", "".join(a[3:7]))
    with Loop(g, "rmmod kvm_amd; usleep 200000; insmod /modules/kvm-amd.ko; usleep 200000"):
        status, out = g.xkd(mark(["sxe ld kvm_amd", "g", "lm m kvm_amd", "x kvm_amd!svm_init",
                                  "dt lk!module name state @rdi"]), 120)
    a = answers(out, 5)
    tap.ok("kvm_amd" in a[2] and "kvm_amd!svm_init" in a[3] and "MODULE_STATE_COMING" in a[4] and '"kvm_amd"' in a[4],
           "at a load its symbols are there and its code has not run", "".join(a[1:]))
    with Loop(g, "insmod /modules/kvm-intel.ko; usleep 100000"):
        status, out = g.xkd(mark(["bu kvm_intel!vmx_init", "g", "k 3", "gu", "r rax", "sxe ud", "g", "bc *"]), 120)
    a = answers(out, 8)
    tap.ok("kvm_intel!vmx_init:" in a[1] and "do_one_initcall" in a[2], "bu of a module that then refuses to load is hit",
           "".join(a[:3]))
    tap.ok(re.search(r"rax=0*f{8}|rax=00000000f", a[4]) and "Event ud: a module is unloaded: kvm_intel" in a[6],
           "and its refusal is seen, and that it goes", "".join(a[3:7]))
    # The loop's last insmod outlives it: places by the hundred are patched before init refuses.
    end = time.monotonic() + 150
    while (left := g.ask("grep ^kvm_intel /proc/modules")) and time.monotonic() < end:
        time.sleep(1)
    if left:
        left += g.ask("for p in $(pidof insmod); do cat /proc/$p/stack; done")
    tap.ok(not left and g.goes_on(10), "the guest goes on", left)


def tasks(g):
    with Loop(g, "/bin/uname; usleep 50000"):
        status, out = g.xkd(mark(["sxe et:una*", "sxe et:unam?", "g", "? @$tid", "dt task_struct comm @$thread",
                                  "sxn et", "bp __x64_sys_newuname 3", "g", "sx"]), 120)
    a = answers(out, 9)
    tap.ok("Event et: a task ends: uname" in a[2] and '"uname"' in a[4], "a task's end, by its name", "".join(a[2:5]))
    tap.ok("Event et: a task ends: uname" in a[7] and "Breakpoint" in a[7], "told, not stopped at", a[7])


def oops(g):
    """A system call that is given a wrong pointer to its registers."""
    before = len(re.findall("BUG: ", g.ask("dmesg")))
    with Loop(g, "/bin/uname; usleep 50000"):
        status, out = g.xkd(mark(["bp /1 __x64_sys_newuname", "g", "bl", "r rdi=10", "sxe oops", "g", "k",
                                  "sxe et", "g", "sxr"]), 120)
    a = answers(out, 10)
    tap.ok("Event oops" in a[5] and ": uname" in a[5] and "newuname" in a[6] and "#PF" in a[6],
           "an oops stops, its stack leads to it", a[5] + a[6])
    tap.ok("Event et: a task ends: uname" in a[8], "the task that met it ends", a[8])
    log = g.ask("dmesg")
    tap.ok(len(re.findall("BUG: ", log)) == before + 1 and g.goes_on(10), "the guest's log has one, and it goes on", log[-300:])


def warn(g):
    """Pages of an order that there is not."""
    name = g.ask("grep -oE '\\b(__alloc_pages_noprof|__alloc_pages_nodemask|__alloc_pages)$' /proc/kallsyms").split()[0]
    before = len(re.findall("WARNING: ", g.ask("dmesg")))
    with Loop(g, "/bin/uname; usleep 50000"):
        status, out = g.xkd(mark(["bp __x64_sys_newuname", "g", f"bp /p @$thread {name}", "bc 0", "g", "r rsi=20", "bc *", "sxe warn",
                                  "g", "k", "sxr"]), 120)
    a = answers(out, 11)
    log = g.ask("dmesg")
    if "Event warn" not in a[8] and len(re.findall("WARNING: ", log)) == before:
        tap.skip("a WARN", f"{name} has none for an order too high")
        return
    tap.ok("Event warn" in a[8] and name in a[9], "a WARN stops, its stack leads to it", a[8] + a[9])
    tap.ok(len(re.findall("WARNING: ", log)) == before + 1 and g.goes_on(10), "the guest's log has one, and it goes on", log[-300:])


def panic(g):
    path = os.path.join(g.dir, "panic.xkd")
    with open(path, "w") as f:
        f.write("\n".join(mark(["sxe panic", "sxe oops", ".echo READY", "g", "k", "sxr"])))
    with open(os.path.join(g.dir, "panic.out"), "w+") as log:
        p = subprocess.Popen(g.xkd_argv("-f", path), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        end = time.monotonic() + 60
        while "READY" not in open(log.name).read() and time.monotonic() < end and p.poll() is None:
            time.sleep(0.1)
        g.ask("(sleep 1; echo c >/proc/sysrq-trigger) >/dev/null 2>&1 &")
        p.wait(timeout=120)
        out = open(log.name).read()
    a = answers(out, 6)
    tap.ok("Event panic: the kernel gives up: sysrq triggered crash" in a[3] and "sysrq" in a[4],
           "a panic stops with its text", a[3] + a[4])


with Guest("--append", "xkd.novm panic=0") as g:
    for part in (modules, tasks, oops, warn):
        part(g)
        g.recover()
    panic(g)
tap.done()
