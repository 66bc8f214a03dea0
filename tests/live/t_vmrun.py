#!/usr/bin/env python3
"""The guest boundary: the instruction after vmrun, where the registers are still the inner guest's, and
kvm_io_bus_read with its parameters; and every CPU's stack ends with a word, wherever it is stopped."""
import re
import subprocess


from rig import Guest, Tap, answers, mark, module_debug, need_tools, xkd
import truth

xkd()
need_tools("objdump")
tap = Tap()
ENDS = re.compile(r"\[(?:[^]]*; )?(?:user|idle|end)(?:;[^]]*)?\]|^The stack ends here", re.M)


def after_vmrun(g):
    """[address of the instruction behind each vmrun], by the file's own disassembly."""
    found, places = [], dict(truth.sections(g, "kvm_amd"))
    ko = module_debug(g.kernel, "kvm[-_]amd")
    for section in (".text", ".noinstr.text"):
        if section not in places:
            continue
        text = subprocess.run(["objdump", "-d", "-j", section, ko], stdout=subprocess.PIPE, text=True).stdout
        for m in re.finditer(r"\tvmrun.*\n *([0-9a-f]+):", text):
            found.append(int(places[section], 16) + int(m[1], 16))
    return found


def stacks_end(text, what):
    """Each CPU's stack in ~*k."""
    one = [s for s in re.split(r"^CPU \d+\n", text, flags=re.M) if "Child-SP" in s]
    bad = [s for s in one if not ENDS.search(s.strip().splitlines()[-1])]
    tap.ok(one and not bad, f"{what}: each of {len(one)} stacks ends with a word", "\n".join(bad) or text)


with Guest() as g:
    places = after_vmrun(g)
    tap.ok(places, "vmrun is in kvm-amd's code")
    for place in places:
        status, out = g.xkd(mark([f"ba e 1 {place:#x}", "g", "k", "~*k", "bc *", "r rip"]))
        parts = answers(out, 6)
        hit = re.search(r"rip=([0-9a-f]+)", parts[5])
        if not hit or int(hit[1], 16) != place:
            # SEV-ES guests have a vmrun of their own, which this inner VM does not come to.
            tap.skip(f"the instruction after vmrun at {place:#x}", "nothing comes here")
            g.recover()
            continue
        names = re.findall(r" (?:kvm|kvm_amd|lk)!([\w.]+)", parts[2])
        tap.ok(names[:1] == ["__svm_vcpu_run"], "after vmrun: in __svm_vcpu_run", parts[2])
        wanted = ["svm_vcpu_run", "kvm_vcpu_ioctl", "do_syscall_64"]
        at = [next((i for i, n in enumerate(names) if n.startswith(w)), -1) for w in wanted]
        tap.ok(-1 not in at and at == sorted(at), f"after vmrun: by way of {', '.join(wanted)}", parts[2])
        tap.ok("ioctl" in parts[2] and "[user]" in parts[2] and "guess" not in parts[2],
               "after vmrun: the system call ioctl, then user space, and no guess", parts[2])
        stacks_end(parts[3], "after vmrun")

    status, out = g.xkd(mark(["bp kvm!kvm_io_bus_read", "g", "bc *", "kp", "dv /t", "~*k"] +
                             [c for _ in range(3) for c in ("bp kvm!kvm_io_bus_read", "g", "bc *", "kp")]))
    parts = answers(out, 18)
    seen = []
    for text in (parts[3], parts[9], parts[13], parts[17]):
        m = re.search(r"kvm_io_bus_read\((?s:.*?)bus_idx = (\w+)[^,]*,(?s:.*?)addr = (?:0x)?([0-9a-f`]+),"
                      r"(?s:.*?)len = 0n(\d+)", text)
        seen.append((m[1], int(m[2].replace("`", ""), 16), int(m[3])) if m else text[:400])
    # vm.c: in al, 0x40 of the PIT; mov al, [0xd0100] of MMIO.
    tap.ok(set(seen) <= {("KVM_PIO_BUS", 0x40, 1), ("KVM_MMIO_BUS", 0xd0100, 1)},
           "kvm_io_bus_read: bus_idx, addr and len are what the inner VM does", seen)
    tap.ok(re.search(r"vcpu = (?:0x)?ffff[0-9a-f`]+", parts[3]), "kvm_io_bus_read: vcpu is a pointer of the kernel's",
           parts[3][:600])
    stacks_end(parts[5], "in kvm_io_bus_read")
tap.done()
