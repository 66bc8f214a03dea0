#!/usr/bin/env python3
"""A guest that QEMU runs by KVM, inside the emulated guest: breakpoints are int3 in its memory, its
stub has a serial line. The emulated processor gives int3 and debug registers of an inner guest to
that guest alone (no #BP or #DB reaches KVM), so nothing here may be hit."""
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

from inner import Code, Inner, need_kvm
from rig import HERE, Guest, Tap, answers, kernel_dir, mark, need_tools, xkd

xkd()
need_tools("nm", "objdump")
tap = Tap()
kernel = kernel_dir()
need_kvm(kernel, "CONFIG_KVM_AMD", "QEMU")

# Behind ftrace's place, which takes a debug register; nobody comes here.
code = Code(kernel, "panic")
PLACE = code.at(code.body[0])


def session(inner, pa):
    xp = inner.shell(f"xp /4bx {pa:#x}")
    before = inner.memory(pa)
    tap.ok(before and before[0] != 0xcc, "the place's bytes, by the inner QEMU", before)
    status, out = inner.xkd(mark([
        "~", "k", "r rip", inner.shell("info registers"), f"bp {PLACE}", xp, f"db {PLACE} L4",
        "bc *", xp, "t", "r rip", inner.shell("info registers"), f"bp {PLACE}", xp]))
    a = answers(out, 14)
    tap.equal(status, 0, "xkd ends with 0") or tap.note(out)
    tap.equal(len(re.findall(r"^[* ] +\d+  \w+ ", a[0], re.M)), 2, "two CPUs")
    tap.ok("lk!" in a[1], "a stack", a[1])
    rip = [re.search(r"^rip=([0-9a-f]{16})", t, re.M) for t in (a[2], a[10])]
    hmp = [re.search(r"RIP=([0-9a-f]{16})", t) for t in (a[3], a[11])]
    tap.ok(rip[0] and hmp[0] and rip[0][1] == hmp[0][1], "rip is the inner QEMU's", a[2] + a[3])
    tap.equal((inner.bytes(a[5]) or [0])[0], 0xcc, "a breakpoint is int3 in memory")
    tap.ok(" ".join(f"{b:02x}" for b in before or []) in a[6], "which reads do not show", out)
    tap.equal(inner.bytes(a[8]), before, "taken out, the byte is back")
    tap.ok(rip[1] and hmp[1] and rip[1][1] == hmp[1][1] != hmp[0][1], "a step moves it", a[10] + a[11])
    tap.equal((inner.bytes(a[13]) or [0])[0], 0xcc, "and int3 is in again")
    tap.ok(inner.goes_on(), "left, the inner guest goes on")
    tap.equal(inner.memory(pa), before, "and its text is as before")
    return before


def interrupted(inner, pa, before):
    p = subprocess.Popen(inner.argv("-c", f"bp {PLACE}; g; bl; q"), stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    end = time.monotonic() + 60
    while inner.memory(pa) == before and time.monotonic() < end:
        time.sleep(0.5)
    tap.ok(inner.goes_on(), "it runs with a breakpoint in", p.poll())
    p.send_signal(signal.SIGINT)
    out = p.communicate(timeout=60)[0]
    tap.ok("Interrupted" in out and "lk!panic" in out, "and is interrupted", out)
    tap.ok(inner.goes_on() and inner.memory(pa) == before, "and left as it was")


def killed(inner, pa, before):
    p = subprocess.Popen(inner.argv("-c", f"bp {PLACE}; .echo READY; .sleep 0n60000"), stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for line in p.stdout:
        if line.startswith("READY"):
            break
    tap.equal((inner.memory(pa) or [0])[0], 0xcc, "a session that stands, with its int3")
    p.kill()
    p.wait()
    tap.ok(inner.goes_on(), "SIGKILL: the inner guest goes on")
    tap.equal(inner.memory(pa), before, "SIGKILL: its text is as before")


where = tempfile.mkdtemp(prefix="xkd-inner.")
try:
    more = os.path.join(where, "inner.gz")
    subprocess.run([os.path.join(HERE, "mkinner"), kernel, more], check=True)
    # An interrupt of its own: QEMU does not join the lines of ports that share one.
    with Guest("--append", "xkd.novm", "--mem", "1024", "--initrd", more,
               "--qemu", "-chardev", "--qemu", f"socket,id=inner,path={where}/inner.sock,server=on,wait=off",
               "--qemu", "-device", "--qemu", "isa-serial,chardev=inner,iobase=0x3e8,irq=5,index=2") as guest:
        os.unlink(more)
        it = Inner(guest, where, "/inner -smp 2 -append 'console=ttyS0 panic=-1 xkd.novm'")
        if tap.ok(it.ticks(), "the inner guest runs", it.last_words()):
            at = it.base() + code.offset + code.body[0]
            was = session(it, at)
            interrupted(it, at, was)
            killed(it, at, was)
finally:
    shutil.rmtree(where, ignore_errors=True)
tap.done()
