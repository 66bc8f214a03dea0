#!/usr/bin/env python3
"""Lines: ln names the line that addr2line names, for 1,000 random text addresses.

addr2line takes the file of a function that a header's macro defines (trace points) from the
unit, not from the line table; where it differs, gdb, which reads the table, has the last word.
"""
import re
import shutil
import subprocess

from rig import (Guest, Tap, answers, mark, module_debug, need_tools, rng, show, vmlinux, xkd)

xkd()
need_tools("addr2line", "readelf")
tap = Tap()
r = rng(tap)


def functions(path, section=None):
    """(address, size) of the functions of a file; of one section only, in a .ko."""
    out = subprocess.run(["readelf", "-sW", path], stdout=subprocess.PIPE, text=True, check=True).stdout
    found = []
    for line in out.splitlines():
        f = line.split()
        if len(f) >= 8 and f[3] == "FUNC" and (section is None or f[6] == section):
            size = int(f[2], 0)
            if size > 0:
                found.append((int(f[1], 16), size))
    return found


def section_index(path, name):
    out = subprocess.run(["readelf", "-SW", path], stdout=subprocess.PIPE, text=True, check=True).stdout
    return re.search(rf"\[ *(\d+)\] {re.escape(name)} ", out)[1]


def addr2line(path, addresses, *options):
    """(file, line) of each, or None where the file does not say."""
    p = subprocess.run(["addr2line", *options, "-e", path], text=True, check=True,
                       input="".join(f"{a:x}\n" for a in addresses), stdout=subprocess.PIPE)
    found = []
    for line in p.stdout.splitlines():
        m = re.match(r"(.*):(\d+)", line)
        found.append((m[1], int(m[2])) if m and m[1] != "??" and int(m[2]) else None)
    return found


def gdb_lines(files, addresses):
    """What gdb's "info line" says: (file, line) or None of each; files are (path, options)."""
    argv = ["gdb", "-nx", "-batch", "-ex", "set confirm off", "-ex", "set width 0"]
    for path, options in files:
        argv += ["-ex", f"add-symbol-file {path} {options}"]
    for a in addresses:
        argv += ["-ex", f"echo @@{a:x}\\n", "-ex", f"info line *{a:#x}"]
    out = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                         stdin=subprocess.DEVNULL, timeout=120).stdout
    found = {}
    for part in out.split("@@")[1:]:
        m = re.search(r'Line (\d+) of "([^"]*)"', part)
        found[int(part.split("\n")[0], 16)] = (m[2], int(m[1])) if m else None
    return found


def same_file(a, b):
    """True where one path is the other's tail; build paths differ in their heads."""
    def parts(p):
        out = []
        for x in p.split("/"):
            if x == ".." and out:
                out.pop()
            elif x not in ("", "."):
                out.append(x)
        return out
    a, b = parts(a), parts(b)
    n = min(len(a), len(b))
    return n > 0 and a[-n:] == b[-n:]


def pick(funcs, count):
    return [base + r.randrange(size) for base, size in (r.choice(funcs) for _ in range(count))]


with Guest() as g:
    syms = {}
    for line in g.ask("grep -E ' (_text|_stext|_etext)$' /proc/kallsyms").splitlines():
        f = line.split()
        syms[f[2]] = int(f[0], 16)
    vm = vmlinux(g.kernel)
    out = subprocess.run(["readelf", "-sW", vm], stdout=subprocess.PIPE, text=True, check=True).stdout
    link = {f[7]: int(f[1], 16) for f in map(str.split, out.splitlines())
            if len(f) == 8 and f[7] in ("_text", "_stext", "_etext")}
    slide = syms["_text"] - link["_text"]
    funcs = [f for f in functions(vm) if link["_stext"] <= f[0] < link["_etext"]]

    asked, want = [], []
    files = [(vm, f"-o {slide:#x}")]
    addresses = pick(funcs, 700)
    asked += [a + slide for a in addresses]
    want += addr2line(vm, addresses)
    for module, count in (("kvm", 250), ("kvm_amd", 50)):
        text = g.ask(f"cat /sys/module/{module}/sections/.text").strip()
        ko = module_debug(g.kernel, module.replace("_", "[-_]"))
        if not text or not ko:
            tap.skip(f"lines of {module}", "not a module here")
            continue
        files.append((ko, f"-s .text {text}"))
        addresses = pick(functions(ko, section_index(ko, ".text")), count)
        asked += [a + int(text, 16) for a in addresses]
        want += addr2line(ko, addresses, "-j", ".text")

    status, out = g.xkd(mark([f"ln {a:#x}" for a in asked]), timeout=300)
    tap.equal(status, 0, "xkd ends with 0") or tap.note(out[-2000:])
    def same(got, want):
        return got == want if not (got and want) else got[1] == want[1] and same_file(got[0], want[0])

    differ = []
    for a, w, text in zip(asked, want, answers(out, len(asked))):
        m = re.search(r"\[(.+?) @ (\d+)\]", text)
        got = (m[1], int(m[2])) if m else None
        if not same(got, w):
            differ.append((a, got, w))
    gdb = gdb_lines(files, [d[0] for d in differ[:200]]) if differ and shutil.which("gdb") else {}
    # The file must be gdb's; the line one of theirs (they differ where a line has several rows).
    bad = [f"{show(a)}: got {got} addr2line {w} gdb {gdb.get(a)}" for a, got, w in differ
           if not (got and gdb.get(a) and same_file(got[0], gdb[a][0]) and
                   got[1] in (gdb[a][1], w[1] if w else None))]
    tap.note(f"{len(differ) - len(bad)} where gdb and xkd agree against addr2line")
    tap.ok(not bad, f"ln equals addr2line for {len(asked)} addresses",
           f"{len(bad)} differ\n" + "\n".join(bad))
tap.done()
