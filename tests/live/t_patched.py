#!/usr/bin/env python3
"""Breakpoints in code that the kernel patches while they are in: ftrace's places, static keys. None is lost,
nothing is put back that the kernel changed, and the text in memory is afterwards byte by byte that of a
guest which no debugger ever saw."""
import os
import re
import signal
import subprocess
import time

from rig import SMP, Guest, Tap, answers, mark, xkd
from stub import Stub

xkd()
tap = Tap()
SYSCALL = "__x64_sys_sched_get_priority_max"  # what calls.c calls
TRACE = "/sys/kernel/tracing"
KEY = "/proc/sys/kernel/sched_schedstats"
# A TSC that the kernel comes to doubt switches a static key of its own.
BOOT = ("--append", "nokaslr xkd.novm tsc=reliable")


def ranges(g):
    """{name: (address, size)} of the text that is compared."""
    syms = {m[2]: int(m[1], 16) for m in re.finditer(
        r"^([0-9a-f]+) \w (\w+)$", g.ask("grep -E ' (_stext|_etext)$' /proc/kallsyms"), re.M)}
    size = int(g.ask("grep -w ^kvm /proc/modules").split()[1])
    kvm = int(g.ask("cat /sys/module/kvm/sections/.text"), 16)
    after = sorted(int(x, 16) for x in g.ask("cat /sys/module/kvm/sections/.[a-z]*").split())
    end = next((x for x in after if x > kvm), kvm + min(size, 0x40000))
    return {"vmlinux": (syms["_stext"], syms["_etext"] - syms["_stext"]), "kvm": (kvm, end - kvm)}


def text(g, where):
    """The bytes as QEMU has them, with the guest stopped: no debugger is asked."""
    path = os.path.join(g.dir, "text.bin")
    g.qmp("stop")
    try:
        got = {}
        for name, (start, size) in where.items():
            # QMP's numbers are signed
            g.qmp("memsave", val=start - (1 << 64), size=size, filename=path)
            with open(path, "rb") as f:
                got[name] = f.read()
    finally:
        g.qmp("cont")
    return got


def places(a, b, start):
    """Where two texts differ, as [(address, bytes, bytes)]; neighbours are one place."""
    out, i = [], 0
    while i < len(a):
        if a[i:i + 4096] == b[i:i + 4096]:
            i += 4096
            continue
        if a[i] != b[i]:
            end = i + max(k for k in range(1, 6) if a[i + k - 1:i + k] != b[i + k - 1:i + k])
            out.append((start + i, a[i:end], b[i:end]))
            i = end
        else:
            i += 1
    return out


def moved(a, b, at, slides):
    """Is the difference at that place a distance or an address that moved with a module?"""
    for width in (4, 8):
        for i in range(max(0, at - width + 1), at + 1):
            if (int.from_bytes(b[i:i + width], "little") - int.from_bytes(a[i:i + width], "little")) % (
                    1 << 8 * width) in {s % (1 << 8 * width) for s in slides}:
                return True
    return False


def allocated(a, b, at):
    """Is it part of an address in the direct map that the kernel writes into its code as it boots (6.11's
    runtime constants: mov reg, imm64)?"""
    return any(a[i - 2] & 0xfe == 0x48 and a[i - 1] & 0xf8 == 0xb8 and
               all(0xffff8880 == int.from_bytes(x[i + 4:i + 8], "little") for x in (a, b))
               for i in range(max(2, at - 7), at + 1))


def same(got, want, where, slides, what):
    """Byte by byte, but for what a module that lies elsewhere makes of its addresses, and addresses of
    what is allocated at boot."""
    for name, (start, size) in where.items():
        d = [p for p in places(want[name], got[name], start)
             if not moved(want[name], got[name], p[0] - start, slides)
             and not allocated(want[name], got[name], p[0] - start)]
        tap.ok(not d and len(got[name]) == len(want[name]) == size,
               f"{what}: {name} .text ({size} bytes) is as in a guest without a debugger",
               "\n".join(f"{a:x} {x.hex()} {y.hex()}" for a, x, y in d))


def modules(g):
    return {m[1]: int(m[2], 16) for m in re.finditer(r"^(\w+) .* 0x([0-9a-f]+)", g.ask("cat /proc/modules"), re.M)}


def session(g, commands, meanwhile, *options):
    """The commands, the last of which is g, while meanwhile() goes on in the guest; then Ctrl-C and bl.
    Returns what bl said and all of it."""
    path = os.path.join(g.dir, "patched.xkd")
    with open(path, "w") as f:
        f.write("\n".join([*commands[:-1], ".echo READY", commands[-1], ".echo @@0", "bl", ".echo @@1", "bc *", "q"]))
    with open(os.path.join(g.dir, "patched.out"), "w+") as log:
        p = subprocess.Popen(g.xkd_argv(*options, "-f", path), stdin=subprocess.DEVNULL, stdout=log,
                             stderr=subprocess.STDOUT)
        end = time.monotonic() + 60
        while "READY" not in open(log.name).read() and time.monotonic() < end and p.poll() is None:
            time.sleep(0.1)
        said = meanwhile()
        p.send_signal(signal.SIGINT)
        p.wait(timeout=60)
        out = open(log.name).read()
    return answers(out, 1)[0], out, said


def counts(bl):
    return [int(m) for m in re.findall(r"\((\d+) hits?\)", bl)]


def tracer(g):
    """The tracer goes on and off under a breakpoint on its place; calls go on meanwhile."""
    g.ask(f"mount -t tracefs t {TRACE}; echo {SYSCALL} do_exit >{TRACE}/set_ftrace_filter")
    if "function" not in g.ask(f"cat {TRACE}/available_tracers").split():
        tap.skip("the function tracer under breakpoints", "this kernel has none")
        return

    def meanwhile():
        said = []
        for how in ("function", "nop", "function", "nop"):
            said.append(g.ask(f"echo {how} >{TRACE}/current_tracer; /calls 60", 100))
        return sum(int(re.search(r"calls (\d+)", s)[1]) for s in said), g.ask(f"cat {TRACE}/current_tracer")
    bl, out, (calls, on) = session(g, [f"bp {SYSCALL} 0n1000000", "bp lk!do_exit 0n1000000", "g"], meanwhile)
    tap.equal(counts(bl)[:1], [calls], "every call is a hit while the tracer goes on and off") or tap.note(out[-800:])
    tap.ok(len(counts(bl)) == 2 and counts(bl)[1] >= 4, "and in do_exit", bl)
    tap.ok(on.strip() == "nop" and g.goes_on(10), "the guest goes on, its tracer off", on)

    # What the tracer puts there is seen through a breakpoint, and stays.
    status, out = g.xkd(mark([f"u {SYSCALL} L2", f"bp {SYSCALL}", f"u {SYSCALL} L2"]))
    nop = answers(out, 3)
    g.ask(f"echo function >{TRACE}/current_tracer")
    bl, out, _ = session(g, [f"bp {SYSCALL} 0n1000000", f"u {SYSCALL} L2", "g"], lambda: g.ask("/calls 20"))
    tap.ok(re.search("0f1f440000|6666666690", nop[2]) and re.search(r" e8[0-9a-f]{8} +call", out), "a traced place is seen as it is", nop[2] + out)
    tap.equal(counts(bl), [20 * SMP], "and hit") or tap.note(out[-600:])
    g.ask(f"echo nop >{TRACE}/current_tracer; echo >{TRACE}/set_ftrace_filter")


def static_key(g, where):
    """Breakpoints on each place of a static key that is switched meanwhile."""
    off = text(g, where)
    g.ask(f"echo 1 >{KEY}; sleep 1")
    on = text(g, where)
    sites = places(off["vmlinux"], on["vmlinux"], where["vmlinux"][0])
    g.ask(f"echo 0 >{KEY}")
    tap.ok(len(sites) > 2, f"switching a static key changes the text ({len(sites)} places)")

    def meanwhile():
        for how in (1, 0, 1, 0):
            g.ask(f"echo {how} >{KEY}; for i in 1 2 3; do uname; usleep 50000; done")
        return g.ask(f"echo 1 >{KEY}; cat {KEY}")
    bl, out, said = session(g, [f"bp {a:x} 0n1000000" for a, _, _ in sites[:12]] + ["g"], meanwhile)
    tap.ok(len([c for c in counts(bl) if c > 5]) >= 1 and sum(counts(bl)) > 20, "places of a static key are hit", bl)
    tap.ok(said.strip() == "1" and g.goes_on(10), "the guest goes on, the key switched", said)
    d = places(on["vmlinux"], text(g, where)["vmlinux"], where["vmlinux"][0])
    tap.ok(not d, "what the kernel patched under a breakpoint stays", d)
    g.ask(f"echo 0 >{KEY}")
    return [a for a, _, _ in sites]


def in_memory(g, sites):
    """Where software breakpoints are written into memory, places that the kernel patches take hardware
    ones, and others do not."""
    status, out = g.xkd(f"u {SYSCALL} L1")
    ftraced = f"{SYSCALL}+4" if "endbr64" in out else SYSCALL
    said = b"kvm support: enabled\r\n".hex().encode()
    with Stub(g, {b"qRcmd," + b"info kvm".hex().encode(): [b"O" + said, b"OK"]}) as s:
        status, out = g.xkd(mark([f"bp {sites[0]:x}", "bl", "bc *", f"bp {ftraced}", "bp do_exit+20", "bp do_exit+24",
                                  f"bp {sites[1]:x}", f"bp {sites[2]:x}", "bl", f"bp {sites[-1]:x}", f"bp {sites[-2]:x}",
                                  "bl"]))
    a = answers(out, 12)
    z = [p.decode() for p in s.asked if p[:1] == b"Z"]
    tap.ok(z[:1] == [f"Z1,{sites[0]:x},1"] and "the kernel patches its place" in a[0],
           "a static key's place takes a hardware breakpoint, and it is said", f"{z} {a[0]}")
    tap.ok(z[1:2] and z[1].startswith("Z1,"), "and so does ftrace's", str(z))
    tap.ok(len(z) > 3 and all(p.startswith("Z0,") for p in z[2:4]), "other code has software ones", str(z))


with Guest(*BOOT) as g:
    first, lie = ranges(g), modules(g)
    time.sleep(2)
    want = text(g, first)
    # A second guest, that xkd comes to. What differs before it comes is no debugger's doing.
with Guest(*BOOT) as g:
    where, now = ranges(g), modules(g)
    tap.equal([r[1] for r in where.values()], [r[1] for r in first.values()], "two guests have the same text")
    slides = {d for m in now for n in [*now, None] for d in (
        now[m] - lie[m] - (now[n] - lie[n] if n else 0),) for d in (d, -d) if d}
    time.sleep(2)
    same(text(g, where), want, where, slides, "before xkd came")
    tracer(g)
    sites = static_key(g, where)
    status, out = g.xkd("bm lk!*schedule; bm lk!tick_*; bm kvm!*; bp lk!do_exit; g; g; g; g; q")
    tap.ok(out.count(" hit") >= 4, "many breakpoints at once", out[-500:])
    same(text(g, where), want, where, slides, "after all")
    in_memory(g, sites)
    tap.ok(g.goes_on(10), "the guest goes on at the end")
tap.done()
