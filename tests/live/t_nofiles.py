#!/usr/bin/env python3
"""A kernel without any file: names, modules, stacks and types out of its memory are what the guest
says and what the files say."""
import os
import re
import subprocess
import zlib

from rig import ADDR, Guest, Tap, addr, answers, ask, mark, show, xkd

xkd()
tap = Tap()
WHERE = "kvm_io_bus_write"
ROW = re.compile(r"^(?:[0-9a-f]{2} )?(\(Inline Function\)|[0-9a-f]{8}`[0-9a-f]{8}) \S+ +(\w+![\w.]+)",
                 re.M)


def kallsyms(g):
    """{(module, name, address)}; the kernel's own names are module lk's."""
    _, packed = ask(g.dir, "gzip -1 </proc/kallsyms", timeout=120)
    names = set()
    for line in zlib.decompress(packed, wbits=31).decode().splitlines():
        f = line.split()
        module = f[3].strip("[]") if len(f) > 3 else "lk"
        # Texts of ftrace and bpf are in no table.
        if not module.startswith(("__builtin", "bpf")):
            names.add((module, f[2], int(f[0], 16)))
    return names


def run(g, path, commands):
    """xkd with this symbol path, and a home and a cache that hold nothing."""
    script = os.path.join(g.dir, "nofiles.xkd")
    with open(script, "w") as f:
        f.write("\n".join(commands) + "\n")
    env = dict(os.environ, HOME=g.dir, XDG_CACHE_HOME=g.dir)
    env.pop("_NT_SYMBOL_PATH", None)
    p = subprocess.run([xkd(), "-k", g.target, "-y", path, "-f", script], stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300, env=env)
    return p.returncode, p.stdout.decode("utf-8", "replace")


def functions(text):
    """k's functions that are frames of their own, innermost first."""
    return [m[2] for m in ROW.finditer(text) if not m[1].startswith("(")]


def offsets(text):
    """(offset, member) of dt's rows."""
    return re.findall(r"^ +\+0x([0-9a-f]+) (\S+) *:", text, re.M)


with Guest("--smp", "1") as g:
    nowhere = os.path.join(g.dir, "nothing-here")
    want = kallsyms(g)
    bases = {f[0]: show(int(f[5], 16)) for f in
             (l.split() for l in g.ask("cat /proc/modules").splitlines())}

    status, out = run(g, nowhere, mark(["lm", "x *!*", "dt kvm!kvm_io_bus", "dt kvm!kvm"]))
    tap.equal(status, 0, "xkd ends with 0") or tap.note(out[-2000:])
    tap.ok(re.search(r"names from kallsyms in memory \([\d,]+\)", out), "it says where the names are from",
           out[:600])
    lm, names, bus, kvm = answers(out, 4)
    got = {m[2]: m[1] for m in re.finditer(rf"^({ADDR}) {ADDR}\s+(\w+)\s.*from memory$", lm, re.M)}
    got.pop("lk", None)
    tap.equal(got, bases, "lm equals /proc/modules, all from memory") or tap.note(lm)
    got = {(m[2], m[3], addr(m[1])) for m in
           re.finditer(rf"^({ADDR}) (\w+)!(\S+)", names, re.M)}
    tap.ok(len(want) > 50000 and got == want, f"all {len(want)} names equal /proc/kallsyms",
           f"{len(want - got)} missing: {sorted(want - got)[:5]}\n"
           f"{len(got - want)} too many: {sorted(got - want)[:5]}")

    script = mark([f"bp kvm!{WHERE}"] + ["g", "k"] * 3 + ["bc *"])
    status, out = run(g, nowhere, script)
    tap.equal(status, 0, "a breakpoint by a name from memory") or tap.note(out[-2000:])
    without = [functions(t) for t in answers(out, 8)[2::2]]
    status, out = run(g, g.kernel, script)
    withfiles = [functions(t) for t in answers(out, 8)[2::2]]
    tap.ok(len(without) == 3 and all(len(s) >= 6 and s[0] == f"kvm!{WHERE}" and
                                     s[-1].startswith("lk!entry_SYSCALL_64") for s in without),
           "k goes from the breakpoint down to the system call", without)
    both = {tuple(s) for s in withfiles}
    tap.ok(any(tuple(s) in both for s in without), "k's functions equal those with files",
           f"{without}\n{withfiles}")

    status, out = run(g, g.kernel, mark(["dt kvm!kvm_io_bus", "dt kvm!kvm"]))
    fbus, fkvm = answers(out, 2)
    tap.ok(len(offsets(bus)) >= 3 and offsets(bus) == offsets(fbus),
           "dt kvm_io_bus equals the one with files", f"{bus}\n{fbus}")
    tap.ok(len(offsets(kvm)) >= 30 and offsets(kvm) == offsets(fkvm),
           "dt kvm equals the one with files", f"{kvm}\n{fkvm}")

    status, out = run(g, nowhere, mark([".reload", f".sympath {g.kernel}", ".reload", "lm"]))
    lm = answers(out, 4)[3]
    tap.ok(status == 0 and "from memory" not in lm and len(re.findall(r"\(dwarf\)", lm)) == 1 + len(bases),
           ".reload takes files in place of memory when the path has them", out)
    tap.ok(g.goes_on(), "the guest goes on after")
tap.done()
