"""A guest that QEMU runs by KVM inside the test guest (mkinner): asked through the outer guest's shell,
debugged through the outer guest's third serial line."""
import os
import re
import subprocess
import time

from rig import HERE, grows, kernel_file, skip_all, vmlinux, xkd


def need_kvm(kernel, option, who):
    """Ends the test where the kernel was built without KVM for the processor that WHO emulates."""
    config = kernel_file(kernel, r"/config(-[^/]*)?$")
    if not config or f"{option}=" not in open(config).read():
        skip_all(f"this kernel has no KVM for the processor that {who} emulates")


class Code:
    """Places in a function of the kernel, as offsets, by nm and objdump: its first instructions behind the
    call of ftrace (body), a call and what follows it. offset: how far behind _text the function lies."""

    def __init__(self, kernel, name):
        file = vmlinux(kernel)
        nm = subprocess.run(["nm", file], stdout=subprocess.PIPE, text=True, check=True).stdout
        at = {m[2]: int(m[1], 16) for m in re.finditer(r"^([0-9a-f]+) [Tt] (_text|%s)$" % name, nm, re.M)}
        start = at[name]
        out = subprocess.run(["objdump", "-d", "--no-show-raw-insn", f"--start-address={start:#x}",
                              f"--stop-address={start + 0x100:#x}", file], stdout=subprocess.PIPE, text=True,
                             check=True).stdout
        insns = [(int(m[1], 16) - start, m[2]) for m in re.finditer(r"^([0-9a-f]{16}):\s+(.*)$", out, re.M)]
        entry = next(i for i, (_, text) in enumerate(insns) if "__fentry__" in text)
        call = next(i for i, (_, text) in enumerate(insns) if text.startswith("call") and i > entry)
        self.name, self.offset = name, start - at["_text"]
        self.body = [off for off, _ in insns[entry + 1:entry + 4]]
        self.call, self.behind = insns[call][0], insns[call + 1][0]

    def at(self, off):
        return f"lk!{self.name}+{off:x}"


class Inner:
    def __init__(self, g, where, start, timeout=150):
        """START: what runs it, a line for the outer guest's shell. WHERE: holds inner.sock, its stub's line."""
        self.g, self.where = g, where
        g.ask(f"(setsid {start} >/dev/null 2>&1 &)")
        end = time.monotonic() + timeout
        while not self.ticks() and time.monotonic() < end:
            time.sleep(1)

    def ticks(self):
        return int(self.g.ask("grep -c '^xkd-tick' /tmp/inner.log 2>/dev/null") or 0)

    def goes_on(self, within=10):
        return grows(self.ticks, within, 0.3)

    def last_words(self):
        return self.g.ask("cat /tmp/inner.err; tail -n 20 /tmp/inner.log")

    def base(self):
        """Where its kernel lies in its physical memory, by its own word."""
        text = self.g.ask("cat /tmp/inner.log")
        return int(re.search(r"^\s*([0-9a-f]+)-[0-9a-f]+ : Kernel code", text, re.M)[1], 16)

    @staticmethod
    def monitor(line):
        return f"(echo '{line}'; sleep 1) | nc 127.0.0.1 4444; echo"

    def bytes(self, text):
        """The bytes in the monitor's answer to xp."""
        m = re.search(r"^[0-9a-f]+: ((?:0x[0-9a-f]{2} ?)+)", text.replace("\r", ""), re.M)
        return [int(b, 16) for b in m[1].split()] if m else None

    def memory(self, pa):
        return self.bytes(self.g.ask(self.monitor(f"xp /4bx {pa:#x}")))

    def shell(self, line):
        """An xkd command that runs a monitor's command."""
        return f'.shell {HERE}/ask --timeout 60 {self.g.dir} "{self.monitor(line)}"'

    def argv(self, *args):
        return [xkd(), "-k", f"gdb:{self.where}/inner.sock", "-y", self.g.kernel, *args]

    def xkd(self, lines, timeout=200):
        path = os.path.join(self.where, "script.xkd")
        with open(path, "w") as f:
            f.write("\n".join(lines) + "\n")
        p = subprocess.run(self.argv("-f", path), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, timeout=timeout, text=True, errors="replace")
        return p.returncode, p.stdout
