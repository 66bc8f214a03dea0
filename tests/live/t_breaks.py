#!/usr/bin/env python3
"""Breakpoints of every kind on a live kernel: they are where /proc/kallsyms and addr2line say, a watch
tells the values that the guest wrote, and as many hits are counted as there were calls and interrupts, on
all CPUs at once. Arguments: only these parts."""
import os
import re
import signal
import subprocess
import sys
import time

from rig import ADDR, SMP, Guest, Loop, Tap, addr, answers, mark, module_debug, need_tools, vmlinux, xkd
from stub import Stub

xkd()
need_tools("addr2line", "objdump")
tap = Tap()
SYSCALL = "__x64_sys_sched_get_priority_max"  # what calls.c calls


def kallsyms(g, *names):
    """{name: address} as the guest says."""
    text = g.ask("grep -E ' (%s)( |\t|$)' /proc/kallsyms" % "|".join(names))
    return {m[2]: int(m[1], 16) for m in re.finditer(r"^([0-9a-f]+) \w (\S+)", text, re.M)}


def where(text):
    """The address of the last stop that is shown: its instruction line."""
    found = re.findall(rf"^({ADDR}) [0-9a-f]+ ", text, re.M)
    return addr(found[-1]) if found else None


def lines_of(path, offset, *options):
    """[(function, file:line)], the innermost first, by addr2line."""
    out = subprocess.run(["addr2line", "-fi", *options, "-e", path, hex(offset)], stdout=subprocess.PIPE,
                         text=True, check=True).stdout.split("\n")
    return list(zip(out[::2], out[1::2]))


def hits(bl):
    """{id: hits} of a bl."""
    return {int(m[1]): int(m[2]) for m in re.finditer(r"^ +(\d+) e.*\((\d+) hits?\)", bl, re.M)}


def kinds(g, syms, slide):
    """The same place by all its names."""
    name = "__x64_sys_newuname"
    at = syms[name]
    row = lines_of(vmlinux(g.kernel), at - slide)[0]
    line = re.search(r"([^/]+\.c:\d+)", row[1])[1]
    ways = [f"bp lk!{name}", f"bp {name}", f"bp {at:x}", f"ba e1 lk!{name}", f"ba e {at:x}", f"bm lk!__x64_sys_newunam?",
            f"bp {line}", f"bp `{line}`", f"bu lk!{name}", f"bp /1 {name}"]
    with Loop(g, "uname; usleep 20000"):
        status, out = g.xkd(mark([c for w in ways for c in (w, "g", "bc *")]), 240)
    a = answers(out, 3 * len(ways))
    for i, way in enumerate(ways):
        way = re.sub(r"ffff\w+", "ADDRESS", way)
        tap.ok("hit" in a[3 * i + 1] and where(a[3 * i + 1]) == at, f"{way} stops where the guest says it is",
               "".join(a[3 * i:3 * i + 3]))


def inlined(g):
    """A function that is only inlined, in a module; every match of a module's pattern."""
    text = int(g.ask("cat /sys/module/kvm/sections/.text"), 16)
    status, out = g.xkd(mark([".index build kvm", "bp kvm!kvm_check_request", "g", "bc *", "bm kvm!kvm_io_bus_*", "g",
                              "bl"]), 300)
    _, places, hit, _, _, wild, bl = answers(out, 7)
    pc = where(hit)
    chain = lines_of(module_debug(g.kernel, "kvm"), pc - text, "-j", ".text") if pc else []
    tap.ok("Breakpoint 0 hit" in hit and "kvm_check_request" in [c[0] for c in chain],
           "an inlined copy is hit where addr2line has it", f"{places}{hit}{chain}")
    tap.ok(re.search(r"^kvm!kvm_io_bus_\w+:", wild, re.M) and len(re.findall(r"kvm!kvm_io_bus_", bl)) >= 3,
           "a module's pattern is hit", wild + bl)
    tap.ok("kvm!kvm_io_bus_* at kvm!kvm_io_bus_" in bl, "bl has the pattern as it was typed", bl)


def watches(g, syms):
    """Sizes 1 to 8 on a word of the kernel that the guest writes and reads."""
    one, two, at = 0x1122334455667788, 0x99aabbccddeeff01, syms["panic_print"]
    values = {one.to_bytes(8, "little"), two.to_bytes(8, "little")}
    path = "/proc/sys/kernel/panic_print"
    # The loop's other value is there before its first round: no write tells of a third one.
    before = g.ask(f"cat {path}; echo {two} >{path}").strip()
    cases = [(size, off) for size in (1, 2, 4, 8) for off in {0, 8 - size}]
    script = []
    for size, off in cases:
        script += [f"ba w{size} {at + off:x}", "g", "g", "bc *"]
    script += ["ba w panic_print", "g", "bl", "bc *", "ba r4 lk!panic_print", "g", "g", "g", "g", "g", "g", "bc *"]
    change = ["ba w /change &panic_print"] + ["g"] * 8 + ["bl", "bc *"]
    with Loop(g, f"echo {one} >{path}; echo {one} >{path}; cat {path}; echo {two} >{path}; usleep 20000"):
        status, out = g.xkd(mark(script + change + ["ba w panic_print"] + ["g"] * 8), 300)
    a = answers(out, len(script) + len(change) + 9)
    said = r"^  (\S+): (0x[0-9a-f`]+) -> (0x[0-9a-f`]+)$"

    def shown(text):
        m = re.search(said, text, re.M)
        return {int(v.replace("`", ""), 16) for v in m.groups()[1:]} if m else None
    for i, (size, off) in enumerate(cases):
        want = {int.from_bytes(v[off:off + size], "little") for v in values}
        got = [shown(t) for t in a[4 * i + 1:4 * i + 3]]
        # Of two writes of the same value the second changes nothing: at least one of two hits does.
        tap.ok(want in got and all("hit" in t for t in a[4 * i + 1:4 * i + 3]),
               f"ba w{size} at +{off} tells the guest's two values", "".join(a[4 * i:4 * i + 4]))
    n = 4 * len(cases)
    tap.ok("hit" in a[n + 1] and re.search(r" w 8 .*panic_print", a[n + 2]), "ba w takes the size from the type",
           a[n + 1] + a[n + 2])
    tap.ok("reads and on writes" in a[n + 4] and "as it was" in "".join(a[n + 5:n + 11]),
           "ba r stops on reads too, and says that it does on writes", "".join(a[n + 4:n + 11]))
    c = a[len(script):]
    tap.ok(all(shown(t) == {one, two} for t in c[1:9]), "/change stops when the value changed", "".join(c[1:9]))
    tap.ok(" /change" in c[9], "bl shows /change", c[9])
    every = "".join(c[12:20])
    tap.ok("as it was" in every and re.search(said, every, re.M), "without it every write stops", every)
    g.ask(f"echo {before} >{path}")

    status, out = g.xkd(mark([f"ba w4 {at + 1:x}", f"ba w3 {at:x}", f"ba w {at:x}", "ba w lk!init_task", "ba w @rip",
                              "ba w nonsense_there", "ba w4", "ba q4 1", "bl"]))
    a = answers(out, 9)
    tap.ok("not aligned" in a[0] and "no size" in a[1] and "1, 2, 4 or 8" in a[3] and "register" in a[4] and
           all("error" in t for t in a[:8]) and not a[8].strip(), "a watch that cannot be is refused in words", out)


def numbers(g):
    """Ids, tasks, CPUs, passes."""
    with Loop(g, "uname; usleep 10000"):
        status, out = g.xkd(mark(["bp __x64_sys_newuname 5", "g", "bl", "br 0 7", "bl", "br 7 3 3 7", "bc 7",
                                  "bp /p 1 __x64_sys_newuname", "bp __x64_sys_newuname 3", "g", "bl", "bc *",
                                  "bp /cpu 99 schedule", "br 1", "br 5 6", "bl"]))
    a = answers(out, 16)
    tap.ok("Breakpoint 0 hit" in a[1] and "(5 hits)" in a[2] and "0001 (0005)" in a[2], "passes stop at that hit",
           a[1] + a[2])
    tap.ok(re.match(r" +7 e .*newuname", a[4]) and not a[6].strip(), "br gives another id", "".join(a[3:7]))
    tap.ok("Breakpoint 1 hit" in a[9] and hits(a[10]) == {1: 3}, "/p of another task is not hit", a[9] + a[10])
    tap.ok(all("error" in t for t in a[12:15]) and not a[15].strip(), "no such CPU or breakpoint is said",
           "".join(a[12:]))


def counted(g, commands, per_cpu, timeout=240):
    """Runs calls in the guest while the commands, the last of which is g, wait; interrupts when the guest is
    done. Returns (output, calls made)."""
    path = os.path.join(g.dir, "counted.xkd")
    with open(path, "w") as f:
        f.write("\n".join([*commands[:-1], ".echo READY", commands[-1], ".echo @@0", "bl", ".echo @@1", "q"]) + "\n")
    with open(os.path.join(g.dir, "counted.out"), "w+") as log:
        p = subprocess.Popen(g.xkd_argv("-f", path), stdin=subprocess.DEVNULL, stdout=log,
                             stderr=subprocess.STDOUT)
        end = time.monotonic() + 60
        while "READY" not in open(log.name).read() and time.monotonic() < end and p.poll() is None:
            time.sleep(0.1)
        said = g.ask(f"/calls {per_cpu}", timeout)
        p.send_signal(signal.SIGINT)
        p.wait(timeout=60)
        out = open(log.name).read()
    return out, int(re.search(r"calls (\d+)", said)[1])


def everywhere(g):
    """Thousands of hits on all CPUs at once: each call is counted, once."""
    n = 1500 // SMP
    out, calls = counted(g, [f"bp {SYSCALL} 0n1000000", "g"], n)
    tap.equal((hits(answers(out, 1)[0]), calls), ({0: SMP * n}, SMP * n), f"{SMP * n} calls on {SMP} CPUs are as many hits") \
        or tap.note(out[-800:])
    out, calls = counted(g, [f'bp /w "@rsp == 1" {SYSCALL}', f"bp0 {SYSCALL} 0n1000000"] +
                         [f"~{i} bp {SYSCALL} 0n1000000" for i in range(SMP)] + ["g"], n // 2)
    want = {i: n // 2 for i in range(1, SMP + 1)}
    tap.equal(hits(answers(out, 1)[0]), {0: calls, **want}, "and each CPU's own breakpoint counts that CPU's") \
        or tap.note(out[-800:])
    # Every instruction of a function that all CPUs run: those that are carried out and those that are stepped.
    dis = subprocess.run(["objdump", "-d", "--no-show-raw-insn", f"--disassemble={SYSCALL}", vmlinux(g.kernel)],
                         stdout=subprocess.PIPE, text=True, check=True).stdout
    at = [int(m, 16) for m in re.findall(r"^(ffffffff[0-9a-f]+):\t", dis, re.M)]
    first = at[0]
    out, calls = counted(g, [f"bp {SYSCALL}+{a - first:x} 0n1000000" for a in at] + ["g"], 60)
    got = hits(answers(out, 1)[0])
    tap.ok(got.get(0) == calls and all(v in (calls, 0) or v < calls for v in got.values()) and
           sum(v == calls for v in got.values()) >= 4, "every instruction of what all CPUs run", f"{got} of {calls}")


def interrupts(g):
    """In the timer's interrupt and in the NMI."""
    rows = "grep -E '^ *(NMI|LOC):' /proc/interrupts"

    def count():
        return {m[1]: sum(map(int, m[2].split())) for m in re.finditer(r"(\w+): +([\d ]+)", g.ask(rows))}
    timer = "__sysvec_apic_timer_interrupt"
    status, out = g.xkd(mark([f"~{i} bp {timer} 0n150" for i in range(SMP)] +
                             ["g", "k 3", "bl"]), 240)
    a = answers(out, SMP + 3)
    tap.ok("hit" in a[SMP] and timer in a[SMP + 1] and "(150 hits)" in a[SMP + 2],
           "150 hits in the timer interrupt of a CPU", "".join(a[SMP:SMP + 3]))
    tap.ok(g.goes_on(5), "the guest goes on after the timer interrupt")
    before = count()
    name = "exc_nmi"
    path = os.path.join(g.dir, "nmi.xkd")
    with open(path, "w") as f:
        f.write("\n".join([f"bp {name} 0n100000", ".echo READY", "g", ".echo @@0", "bl", ".echo @@1", "bc *",
                           f"bp {name}", ".echo READY2", "g", ".echo @@2", "k", ".echo @@3", "t 5", "r rip",
                           ".echo @@4", "q"]) + "\n")
    log = open(os.path.join(g.dir, "nmi.out"), "w+")
    p = subprocess.Popen(g.xkd_argv("-f", path), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)

    def wait_for(word):
        end = time.monotonic() + 60
        while word not in open(log.name).read() and time.monotonic() < end and p.poll() is None:
            time.sleep(0.1)
    wait_for("READY")
    time.sleep(1)
    for _ in range(20):
        g.qmp("inject-nmi")
        time.sleep(0.2)
    after = count()
    p.send_signal(signal.SIGINT)
    wait_for("READY2")
    time.sleep(1)
    g.qmp("inject-nmi")
    p.wait(timeout=60)
    out = open(log.name).read()
    a = answers(out, 4)
    tap.ok(after["NMI"] - before["NMI"] >= 20 and hits(a[0]) == {0: after["NMI"] - before["NMI"]},
           f"as many hits in the NMI as the guest counts ({after['NMI'] - before['NMI']})", a[0] + str(before) + str(after))
    tap.ok(name in a[2] and "[NMI" in a[2] or "NMI" in a[2], "a stack in the NMI", a[2])
    tap.ok(re.search(r"rip=ffffffff", a[3]), "steps in the NMI", a[3])
    tap.ok(g.goes_on(5), "the guest goes on after NMIs")


def steps(g, syms):
    """A step that comes to a breakpoint is a hit; policies."""
    with Loop(g, "uname; usleep 10000"):
        status, out = g.xkd(mark([f"bp {SYSCALL}", "bc *", "bp __x64_sys_newuname", "g", "bp @rip+5 2; bp @rip+4 2", "t", "t", "bl",
                                  ".step", ".step run", "t 20", ".step irq", "t 20", "p 3", ".step hold noirq", "t 20",
                                  "bl"]))
    a = answers(out, 17)
    tap.ok("Breakpoint" not in a[5] and sorted(hits(a[7]).values()) == [1, 1], "a step counts what it comes to", "".join(a[3:8]))
    tap.ok("others hold; no interrupt" in a[8] and "others run; no interrupt" in a[9] and "taken" in a[11] and
           "others hold; no interrupt" in a[14], ".step says what it does", a[8] + a[9] + a[11] + a[14])
    tap.ok(where(a[10]) and where(a[12]) and where(a[15]), "steps under each policy", a[10] + a[12] + a[15])
    tap.ok(g.goes_on(5), "the guest goes on after steps of all kinds")


def four(g, syms):
    """A processor that can watch four places."""
    inside = set()

    def answer(body):
        if body[:1] in b"Zz" and body[1:2] in b"1234":
            if body[:1] == b"z":
                inside.discard(body[1:])
            elif len(inside) == 4:
                return [b"E22"]
            else:
                inside.add(body[1:])
        return None
    at = syms["panic_print"]
    with Stub(g, answer):
        status, out = g.xkd(mark([f"ba w1 {at + i:x}" for i in range(4)] + [f"ba w1 {at + 4:x}", "ba e schedule", "bc 1",
                                  f"ba w1 {at + 4:x}", "bl"]))
    a = answers(out, 9)
    tap.ok(all("all 4 breakpoints" in t and "error" in t for t in a[4:6]) and not "".join(a[:4] + a[6:8]).strip() and
           len(a[8].splitlines()) == 4, "a fifth is refused in words, and set when one is cleared", out)
    tap.ok(not inside and g.goes_on(10), "none is left in", str(inside))


def broken_off(g):
    """What .onbreak says runs at Ctrl-C, of g and of a script."""
    path = os.path.join(g.dir, "onbreak.xkd")
    with open(path, "w") as f:
        f.write("\n".join([".onbreak", ".onbreak {.echo LOOKED; ? 1234; g; .echo NOT-HERE}", ".onbreak", ".echo READY1", "g",
                           ".echo READY2", ".onbreak {.echo AFTER; k 1}", ".echo READY3", ".sleep 0n100000",
                           ".echo NEVER"]) + "\n")
    with open(os.path.join(g.dir, "onbreak.out"), "w+") as log:
        p = subprocess.Popen(g.xkd_argv("-f", path), stdin=subprocess.DEVNULL, stdout=log,
                             stderr=subprocess.STDOUT)

        def wait_for(pattern, n=1):
            end = time.monotonic() + 60
            while len(re.findall(pattern, open(log.name).read(), re.M)) < n and time.monotonic() < end and \
                    p.poll() is None:
                time.sleep(0.1)
        wait_for("^READY1$")
        for i in (1, 2):
            time.sleep(1.5)  # another one within a second means to stay
            p.send_signal(signal.SIGINT)
            wait_for("^LOOKED$", i)
        ran = g.goes_on(10)
        g.qmp("stop")  # a pause from elsewhere is no person's Ctrl-C
        wait_for("^READY3$")
        time.sleep(0.5)
        p.send_signal(signal.SIGINT)
        p.wait(timeout=60)
        out = open(log.name).read()
    tap.ok("no commands run" in out and "After Ctrl-C: {.echo LOOKED; ? 1234; g; .echo NOT-HERE}" in out,
           ".onbreak shows what it says", out[:900])
    tap.ok(len(re.findall("^LOOKED$", out, re.M)) == 2 and out.count("= 00000000`00001234") == 2 and
           not re.search("^NOT-HERE", out, re.M) and ran,
           "its commands run after Ctrl-C, up to the one that resumes", out[-1500:])
    tap.ok(len(re.findall("^AFTER$", out, re.M)) == 1 and not re.search("^NEVER", out, re.M) and "Call Site" in out,
           "and where a script is broken off", out[-900:])
    tap.ok(g.goes_on(10), "the guest goes on after that")


def unmasked(g):
    """Where the stub cannot hold interrupts off, a step still ends where its instruction leads."""
    handler = re.compile(r"^lk!(asm_\w+|\w*sysvec\w*|irq\w+|__irq\w+|common_interrupt)", re.M)
    with Loop(g, "uname; usleep 10000"), Stub(g, {b"qqemu.sstepbits": [b"ENABLE=1"]}):
        status, out = g.xkd(mark(["bp __x64_sys_newuname", "g", "bc *", ".step", 't 0n150 "r."',
                                  ".step irq", "bp __x64_sys_newuname; g; bc *", 't 0n150 "r."']), 240)
    a = answers(out, 8)
    through = re.findall(r"^lk!(\w+)", a[4], re.M)
    tap.ok("run through" in a[3], ".step says that interrupts are run through", a[3])
    tap.ok(len(through) >= 150 and not handler.search(a[4]), "150 steps, none of them in an interrupt's code",
           f"{len(through)} {handler.findall(a[4])} " + a[4][-300:])
    tap.ok(handler.search(a[7]) is not None, "and into it when asked", a[7][-300:])
    tap.ok(g.goes_on(5), "the guest goes on after steps without a mask")


with Guest() as g:
    syms = kallsyms(g, "__x64_sys_newuname", "panic_print", "_text")
    slide = syms["_text"] - 0xffffffff81000000
    parts = {"kinds": lambda: kinds(g, syms, slide), "inlined": lambda: inlined(g), "watches": lambda: watches(g, syms),
             "numbers": lambda: numbers(g), "everywhere": lambda: everywhere(g),
             "interrupts": lambda: interrupts(g), "steps": lambda: steps(g, syms), "unmasked": lambda: unmasked(g),
             "four": lambda: four(g, syms), "broken_off": lambda: broken_off(g)}
    for name in sys.argv[1:] or parts:
        parts[name]()
        if not tap.ok(g.goes_on(10), f"the guest goes on ({name})"):
            g.recover()
tap.done()
