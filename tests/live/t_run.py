#!/usr/bin/env python3
"""Running: each kind of step ends at an instruction that objdump calls so; conditions stop when and
only when they hold; source lines and inlined copies are the line table's; modules that come and go
are events; the guest goes on afterwards and its code is as it was."""
import functools
import re
import signal
import subprocess
import threading
import time

from rig import ADDR, Guest, Tap, answers, kernel_dir, mark, module_debug, need_tools, xkd

xkd()
need_tools("objdump")
tap = Tap()
kernel = kernel_dir()


@functools.lru_cache
def code(module, function):
    """{offset in the function: instruction} by objdump. A return may be a jump to a thunk in the
    file, which the kernel patches."""
    out = subprocess.run(["objdump", "-dr", "--no-show-raw-insn", f"--disassemble={function}",
                          module_debug(kernel, module)], stdout=subprocess.PIPE, text=True,
                         check=True).stdout
    rows = [[int(m[1], 16), m[2]] for m in re.finditer(
        r"^\s*([0-9a-f]+):\t(.*(?:\n\t.*R_X86.*)?)", out, re.M)]
    return {a - rows[0][0]: "ret" if "__x86_return_thunk" in m else m for a, m in rows} if rows else {}


def at(text):
    """The instruction at the last stop of an answer, None when it is unknown to the files."""
    found = re.findall(r"^(kvm\w*)!([\w.]+)(?:\+0x([0-9a-f]+))?:", text, re.M)
    if not found:
        return None
    module, function, offset = found[-1]
    return code(module.replace("_", "-"), function).get(int(offset or "0", 16))


with Guest() as g:
    steps = ["pc", "pt", "ph", "tc", "tt", "th", "p 2", "t 2"]
    lines = ["bp kvm!kvm_io_bus_write", "g"] + steps
    status, out = g.xkd(mark(lines + ["gu"]))
    a = answers(out, len(lines) + 1)
    kinds = {"c": lambda m: m.startswith("call"), "t": lambda m: m.startswith("ret"),
             "h": lambda m: m[0] == "j" or m.startswith(("call", "ret"))}
    for command, text in zip(steps, a[2:]):
        insn = at(text)
        if command in ("p 2", "t 2"):
            tap.ok(insn is not None, f"{command} ends at an instruction", text[-300:])
        else:
            tap.ok(insn is not None and kinds[command[1]](insn), f"{command} ends at {insn!r}",
                   text[-300:])
    tap.ok(g.goes_on(), "the guest goes on after steps")

    status, out = g.xkd(mark(["bp kvm!kvm_io_bus_write", "g", "?? vcpu->kvm->created_vcpus",
                              'bc *; bp /w "vcpu->kvm->created_vcpus == 1 && len > 0" kvm!kvm_io_bus_write',
                              "g", "? @rip - kvm!kvm_io_bus_write", "bl",
                              'bc *; bp kvm!kvm_io_bus_write "r $t0 = @$t0 + 1; gc"; '
                              'bp1 /w "vcpu->kvm->created_vcpus == 7" kvm!kvm_io_bus_write; '
                              "bp kvm!kvm_arch_vcpu_load; bd 0",
                              "bl"]))
    a = answers(out, 9)
    tap.ok(re.search(r"\b0n1\b|= 1$|\b1$", a[2].strip()) is not None, "one virtual CPU", a[2])
    tap.ok("Breakpoint 0 hit" in a[4] and "= 00000000`00000000" in a[5],
           "a condition that holds stops at its place", a[4] + a[5])
    tap.ok(g.goes_on(), "the guest goes on after a condition")

    # One that never holds lets the guest run; Ctrl-C gets it back.
    p = subprocess.Popen(g.xkd_argv("-c", 'bp /w "len == 0x77" kvm!kvm_io_bus_write; g; bl; q'),
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    time.sleep(3)
    tap.ok(g.goes_on(8) and g.goes_on(8), "the guest runs under a condition that never holds")
    p.send_signal(signal.SIGINT)
    out = p.communicate(timeout=60)[0]
    tap.ok("Interrupted" in out and not re.search(r"hits?\)", out) and 'w "len == 0x77"' in out,
           "and is interrupted, without a hit", out[-400:])

    # file.c:line and inlined copies against addr2line: the place has that line.
    status, out = g.xkd(mark(["bp kvm!kvm_io_bus_write", "g", "k 1", "bc *"]))
    m = re.search(r"kvm_io_bus_write \[(\S+) @ (\d+)\]", out)
    tap.ok(m is not None, "the function's line is known", out[-400:])
    if m:
        status, out = g.xkd(mark([f"bp {m[1].split('/')[-1]}:{m[2]}", "bl", "g", "bc *"]))
        a = answers(out, 4)
        tap.ok("kvm!kvm_io_bus_write" in a[1] and "Breakpoint 0 hit" in a[2],
               "a source line's breakpoint is the function's start and is hit", a[1] + a[2])

    # Modules that come and go.

    def reload():
        time.sleep(3)
        try:
            g.ask("M=$(find / -name qemu_fw_cfg.ko | head -n 1); rmmod qemu_fw_cfg; insmod $M; echo $?",
                  timeout=60)
        except Exception as e:  # told by what xkd saw or not
            tap.note(str(e))

    worker = threading.Thread(target=reload)
    worker.start()
    status, out = g.xkd(mark(["sxn ud", "sxe ld:qemu*", "sx", "g", "k 3", "lm m qemu*", "sxr", "sx"]),
                        timeout=90)
    a = answers(out, 8)
    worker.join()
    tap.ok(re.search(r"ld - stops .*\(only qemu\*\)", a[2]) is not None, "sx lists", a[2])
    tap.ok("Event ud: a module is unloaded: qemu_fw_cfg" in a[3], "an unload is told", a[3])
    tap.ok("Event ld: a module is loaded, before its own code runs: qemu_fw_cfg" in a[3] and
           "do_init_module" in a[4], "a load stops before the module's code", a[3] + a[4])
    tap.ok("qemu_fw_cfg" in a[5], "its symbols are there", a[5])
    tap.ok("stops" not in a[7] and "told" not in a[7], "sxr ignores all", a[7])
    tap.ok(g.goes_on(), "the guest goes on after events")
tap.done()
