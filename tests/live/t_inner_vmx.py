#!/usr/bin/env python3
"""A guest that QEMU runs by KVM, inside a guest that Bochs runs: breakpoints are int3 in its memory, and
Bochs's processor gives #BP and #DB of an inner guest to KVM, so they are hit. All of it is slow: a minute or
two for each of the kernels, some seconds for each stop."""
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

from inner import Code, Inner, need_kvm
from rig import HERE, Guest, Tap, answers, kernel_dir, mark, need_tools, skip_all, xkd

xkd()
need_tools("nm", "objdump")
tap = Tap()
kernel = kernel_dir()
need_kvm(kernel, "CONFIG_KVM_INTEL", "Bochs")
if not shutil.which("bochs-bin") or not shutil.which("xorriso") or not os.path.exists("/usr/lib/ISOLINUX/isolinux.bin"):
    skip_all("no Bochs here: apt-get install --no-install-recommends bochs bochs-term bochsbios vgabios "
             "xorriso isolinux syslinux-common")

# What init's sleep calls; KVM is left by it once a turn.
FUNCTION = "__x64_sys_clock_nanosleep"
WAIT = 900  # s for a script, on a machine that has other work


class Bochs(Guest):
    booter, patience, smp = "bochs-boot", 1000, ()


def rip(text):
    m = re.search(r"^rip=([0-9a-f]{16})", text, re.M)
    return int(m[1], 16) if m else None


def hits(inner, pa, code):
    """int3 in memory, hit, stepped off, stepped from, over a call, out of it."""
    xp = inner.shell(f"xp /4bx {pa:#x}")
    before = inner.memory(pa)
    first, second, third = code.body
    status, out = inner.xkd(mark([
        f"? lk!{code.name}", f"bp {code.at(first)}", xp, f"db {code.at(first)} L4", "g", "r rip", "k", xp,
        "t", "r rip", "t", "r rip", "g", "bl", "bc *", xp,
        f"bp {code.at(code.call)}; g; r rip", "p", "r rip", "bc *; gu", xp]), WAIT)
    a = answers(out, 21)
    start = int(a[0].split("=")[-1].strip().replace("`", "") or "0", 16) if "=" in a[0] else 0
    tap.equal(status, 0, "xkd ends with 0") or tap.note(out)
    tap.equal((inner.bytes(a[2]) or [0])[0], 0xcc, "a breakpoint is int3 in memory")
    tap.ok(" ".join(f"{b:02x}" for b in before or []) in a[3], "which reads do not show", a[3])
    tap.ok("Breakpoint 0 hit" in a[4], "it is hit", a[4])
    tap.equal(rip(a[5]), start + first, "rip is at it")
    tap.ok("do_syscall_64" in a[6], "and the stack is a system call's", a[6])
    tap.equal((inner.bytes(a[7]) or [0])[0], 0xcc, "int3 is still in")
    tap.equal(rip(a[9]), start + second, "a step off it")
    tap.equal(rip(a[11]), start + third, "and a step from there")
    tap.ok("Breakpoint 0 hit" in a[12] and "(2 hits)" in a[13], "hit again", a[12] + a[13])
    tap.equal(inner.bytes(a[15]), before, "taken out, the byte is back")
    tap.equal(rip(a[16]), start + code.call, "hit at a call")
    tap.equal(rip(a[18]), start + code.behind, "which is stepped over")
    tap.ok("do_syscall_64" in a[19], "out of the function", a[19])
    tap.ok(inner.goes_on(), "left, the inner guest goes on")
    tap.equal(inner.memory(pa), before, "and its text is as before")
    return before


def filters(inner, code):
    """Conditions, passes, what only a debug register can do."""
    first = code.body[0]
    status, out = inner.xkd(mark([
        f'bp /w "@rsp == 0" {code.at(first)}; bp {code.at(code.call)} 5', "g", "bl", "bc *",
        f'bp /w "@rax == 0n230" {code.at(first)}', "g", "bc *",
        f"bp lk!{code.name}", "g", "r rip; t; r rip; r rip=@rip; t; r rip", "bc *",
        "ba e1 lk!hrtimer_nanosleep", "g", "k 3", "bc *",
        "ba w8 lk!jiffies_64", "g", "k", "bc *"]), WAIT)
    a = answers(out, 19)
    tap.equal(status, 0, "xkd ends with 0") or tap.note(out)
    tap.ok("Breakpoint 1 hit" in a[1], "a false condition is passed, another place is hit", a[1])
    tap.ok(re.search(r"^ +1 .*\(5 hits\)", a[2], re.M), "at its fifth hit", a[2])
    tap.ok(re.search(r"Breakpoint \d+ hit", a[5]), "a true condition stops", a[5])
    tap.ok("hardware breakpoint" in a[7] and "ftrace" in a[7], "where ftrace patches, a debug register", a[7])
    tap.ok(re.search(r"Breakpoint \d+ hit", a[8]), "is hit", a[8])
    tap.equal(len(set(re.findall(r"^rip=([0-9a-f]{16})", a[9], re.M))), 3, "stepped off, and from a written rip")
    tap.ok(re.search(r"Breakpoint \d+ hit", a[12]) and "hrtimer_nanosleep" in a[13], "ba e", a[12] + a[13])
    tap.ok(re.search(r"Breakpoint \d+ hit", a[16]), "ba w", a[16] + a[17])
    tap.ok(inner.goes_on(), "left, the inner guest goes on")


def killed(inner, pa, before, code):
    """Interrupted among hits that pass by, then killed among them."""
    place = code.at(code.body[0])
    p = subprocess.Popen(inner.argv("-c", f'bp /w "@rsp == 0" {place}; .echo READY; g; bl; .echo AGAIN; g'),
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for line in p.stdout:
        if line.startswith("READY"):
            break
    tap.ok(inner.goes_on(60), "it runs through hits that pass", p.poll())
    tap.equal((inner.memory(pa) or [0])[0], 0xcc, "with int3 in")
    p.send_signal(signal.SIGINT)
    out = ""
    for line in p.stdout:
        out += line
        if line.startswith("AGAIN"):
            break
    tap.ok("Interrupted" in out and "AGAIN" in out, "is interrupted, and on", out)
    tap.ok(inner.goes_on(60), "it runs")
    p.kill()
    p.wait()
    tap.ok(inner.goes_on(60), "SIGKILL: the inner guest goes on")
    tap.equal(inner.memory(pa), before, "SIGKILL: its text is as before")


where = tempfile.mkdtemp(prefix="xkd-inner.")
try:
    more = os.path.join(where, "inner.gz")
    subprocess.run([os.path.join(HERE, "mkinner"), kernel, more], check=True)
    with Bochs("--append", "xkd.novm xkd.brief", "--initrd", more, "--timeout", "900", "--life", "3600") as guest:
        shutil.rmtree(where)
        began = time.monotonic()
        it = Inner(guest, guest.dir, "env RELAY=1 /inner -smp 1 -m 192 -append "
                   "'console=ttyS0 quiet panic=-1 tsc=reliable mitigations=off xkd.novm xkd.brief'", 1500)
        if tap.ok(it.ticks(), "the inner guest runs", it.last_words()):
            tap.note(f"after {time.monotonic() - began:.0f} s")
            c = Code(kernel, FUNCTION)
            at = it.base() + c.offset + c.body[0]
            was = hits(it, at, c)
            filters(it, c)
            killed(it, at, was, c)
finally:
    shutil.rmtree(where, ignore_errors=True)
tap.done()
