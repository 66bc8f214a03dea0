#!/usr/bin/env python3
"""A stub that is not QEMU's, as a real peer: gdbserver on a user program. (kgdb and Bochs are in no
package that Debian has built so; docs/stubs.md says what they were tried on.)"""
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from rig import HERE, Tap, answers, grows, mark, xkd

xkd()
tap = Tap()
where = tempfile.mkdtemp(prefix="xkd-stubs.")


def run_xkd(target, lines, *options, timeout=100):
    path = os.path.join(where, "script.xkd")
    with open(path, "w") as f:
        f.write("\n".join(lines) + "\n")
    p = subprocess.run([xkd(), "-k", target, *options, "-f", path], stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout, text=True,
                       errors="replace")
    return p.returncode, p.stdout


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def reg(text, name):
    m = re.search(r"\b%s=([0-9a-f]{16})" % name, text)
    return int(m[1], 16) if m else None


# ---- gdbserver

class Program:
    """The program, running by itself, in a process group of its own (gdbserver interrupts the group)."""

    def __init__(self, *flags):
        self.path, self.out = os.path.join(where, "program"), os.path.join(where, "program.out")
        subprocess.run([os.environ.get("CC", "cc"), "-g", "-O1", *flags, "-o", self.path,
                        os.path.join(HERE, "program.c")], check=True)
        with open(self.out, "w") as f:
            self.p = subprocess.Popen([self.path], stdout=f, start_new_session=True)
        self.goes_on()

    def end(self):
        self.p.kill()
        self.p.wait()

    def lines(self):
        with open(self.out) as f:
            return f.read().count("\n")

    def goes_on(self, within=5):
        return grows(self.lines, within)

    def base(self):
        """Where its file lies, by the kernel."""
        with open(f"/proc/{self.p.pid}/maps") as f:
            return int(f.readline().split("-")[0], 16)

    def memory(self, va, n):
        with open(f"/proc/{self.p.pid}/mem", "rb") as f:
            f.seek(va)
            return f.read(n)

    def tracer(self):
        with open(f"/proc/{self.p.pid}/status") as f:
            return int(re.search(r"^TracerPid:\s*(\d+)", f.read(), re.M)[1])

    def serve(self):
        port = free_port()
        server = subprocess.Popen(["gdbserver", "--once", "--attach", f"127.0.0.1:{port}", str(self.p.pid)],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, text=True, start_new_session=True)
        for line in server.stderr:
            if line.startswith("Listening"):
                break
        return server, f"gdb:127.0.0.1:{port}"


def link_address(path, name):
    out = subprocess.run(["nm", path], stdout=subprocess.PIPE, text=True, check=True).stdout
    return int(re.search(r"^([0-9a-f]+) \w %s$" % name, out, re.M)[1], 16)


def first_bytes(path, name):
    """The function's first instructions: [(bytes, mnemonic)], by objdump."""
    out = subprocess.run(["objdump", "-d", f"--disassemble={name}", path], stdout=subprocess.PIPE, text=True,
                         check=True).stdout
    return [(m[1].replace(" ", ""), m[2])
            for m in re.finditer(r"^\s+[0-9a-f]+:\t((?:[0-9a-f]{2} )+)\s*\t(\w+)", out, re.M)]


def gdbserver(kind, *flags):
    prog = Program(*flags)
    pid = prog.p.pid
    # A fixed program is linked where it runs; what a PIE is linked to counts from its base.
    at = link_address(prog.path, "one_round") + (prog.base() if kind == "PIE" else 0)
    var = link_address(prog.path, "tally") + (prog.base() if kind == "PIE" else 0)
    code = prog.memory(at, 4)
    server, target = prog.serve()
    status, out = run_xkd(target, mark([
        "lm", "r", f".shell cat /proc/{pid}/syscall", "k", "? program!one_round", "u program!one_round L4",
        "bp program!one_round", "g", "r", f".shell cat /proc/{pid}/syscall", "k", "dv",
        f".shell dd if=/proc/{pid}/mem bs=1 skip={at} count=4 2>/dev/null | od -An -tx1", "db program!one_round L4",
        "p", "r rip", f".shell cat /proc/{pid}/syscall", "?? tally", f".shell dd if=/proc/{pid}/mem bs=1 "
        f"skip={var + 8} count=8 2>/dev/null | od -An -td8", "gu", "k 1"]))
    a = answers(out, 21)
    name = f"gdbserver, {kind}"
    tap.equal(status, 0, f"{name}: xkd ends with 0") or tap.note(out)

    def same_place(regs, syscall):
        """/proc/PID/syscall ends with the stack pointer and the program counter."""
        words = syscall.split()[-2:]
        return len(words) == 2 and reg(regs, "rip") == int(words[1], 16) and \
            (reg(regs, "rsp") in (None, int(words[0], 16)))

    tap.ok(re.search(r"program +\(dwarf\) +%s$" % re.escape(prog.path), a[0], re.M) and "libc" in a[0],
           f"{name}: the program and its libraries are modules", a[0])
    tap.ok(same_place(a[1], a[2]), f"{name}: rip and rsp are the kernel's", a[1] + a[2])
    tap.ok("program!main" in a[3], f"{name}: the stack from inside the library leads to main", a[3])
    tap.ok(f"{at:016x}" in a[4].replace("`", ""), f"{name}: a symbol's address", a[4])
    want = first_bytes(prog.path, "one_round")[:4]
    got = re.findall(r"[0-9a-f`]{17} ([0-9a-f]+) +(\w+)", a[5])
    tap.equal([b for b, _ in got], [b for b, _ in want], f"{name}: instructions are objdump's")
    # The kernel's own word for it is behind the int3 until the program is let go.
    tap.ok("Breakpoint 0 hit" in a[7] and reg(a[8], "rip") == at and a[9].split()[-1:] == [f"{at + 1:#x}"],
           f"{name}: a breakpoint is hit", a[7] + a[8] + a[9])
    tap.ok(re.search(r"program!one_round.*\n.*program!main", a[10]) and re.search(r"\bn = 0n10$", a[11], re.M),
           f"{name}: the stack and a parameter there", a[10] + a[11])
    tap.ok(a[12].split()[:1] == ["cc"], f"{name}: it is int3 in the program's memory", a[12])
    tap.ok(" ".join(f"{b:02x}" for b in code) in a[13], f"{name}: which reads do not show", a[13])
    step = len(want[0][0]) // 2 if want else 0
    tap.ok(reg(a[15], "rip") == at + step and same_place(a[15], a[16]), f"{name}: a step", a[15] + a[16])
    sum_ = re.search(r"sum +: 0n(-?\d+)", a[17])
    tap.ok(sum_ and sum_[1] == a[18].strip(), f"{name}: a variable", a[17] + a[18])
    tap.ok(re.search(r"program!main\+", a[20]), f"{name}: gu", a[20])
    tap.ok(prog.goes_on() and prog.memory(at, 4) == code and not prog.tracer(),
           f"{name}: left running, unchanged and without a tracer")
    server.wait()

    server, target = prog.serve()
    p = subprocess.Popen([xkd(), "-k", target, "-c", "bp program!main; g; q"], stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    tap.ok(prog.goes_on(20), f"{name}: it runs with a breakpoint in")
    p.send_signal(signal.SIGINT)
    out = p.communicate(timeout=60)[0]
    tap.ok("Interrupted" in out and p.returncode == 0 and prog.goes_on(), f"{name}: Ctrl-C, and left", out)
    server.wait()

    server, target = prog.serve()
    p = subprocess.Popen([xkd(), "-k", target, "-c", "bp program!one_round; g; .echo READY; .sleep 0n60000"],
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for line in p.stdout:
        if line.startswith("READY"):
            break
    p.kill()
    p.wait()
    tap.ok(prog.goes_on() and prog.memory(at, 4) == code and not prog.tracer(),
           f"{name}: xkd killed, the program goes on unchanged",
           f"{prog.memory(at, 4)} {code} {prog.tracer()} {prog.lines()}")
    server.wait()
    prog.end()


try:
    if all(shutil.which(n) for n in ("gdbserver", "nm", "objdump", os.environ.get("CC", "cc"))):
        gdbserver("PIE", "-fPIE", "-pie")
        gdbserver("fixed", "-fno-PIE", "-no-pie")
    else:
        tap.skip("gdbserver", "not all of gdbserver, nm, objdump and a compiler are here")
finally:
    shutil.rmtree(where, ignore_errors=True)
tap.done()
