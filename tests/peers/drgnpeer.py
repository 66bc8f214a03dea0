"""drgn as a peer: it reads a dump of the guest taken while xkd sees the guest stopped, finds the
slide in the dump's VMCOREINFO, and is asked through a script of its own (drgn_answers.py)."""
import json
import os
import shutil
import struct
import subprocess
import tempfile

import rig

HERE = os.path.dirname(os.path.abspath(__file__))


def here():
    return bool(shutil.which("drgn"))


def ask(kernel, dump, questions, timeout=400):
    """questions: {name of a function of drgn_answers.py: its arguments}. Returns (answers, "") or
    (None, what drgn said)."""
    files = []
    for path in rig.kernel_files(kernel, r"/usr/lib/debug/.*(/vmlinux(-[^/]*)?|/(kvm|kvm[-_]amd|irqbypass|ccp|"
                                         r"qemu_fw_cfg)\.ko(\.debug)?)$"):
        files += ["-s", path]
    with tempfile.TemporaryDirectory(prefix="xkd-drgn.") as d:
        job, out = os.path.join(d, "job"), os.path.join(d, "out")
        with open(job, "w") as f:
            json.dump({"ask": questions, "out": out}, f)
        try:
            p = subprocess.run(["drgn", "-q", "-c", dump, *files, os.path.join(HERE, "drgn_answers.py")],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               stdin=subprocess.DEVNULL, timeout=timeout, env={**os.environ, "XKD_JOB": job})
        except subprocess.TimeoutExpired as e:
            return None, f"drgn did not end within {timeout} s: {(e.stdout or b'')[-2000:]}"
        try:
            with open(out) as f:
                return json.load(f), ""
        except (OSError, ValueError):
            return None, p.stdout[-3000:]


def take_pids(dump):
    """QEMU gives each CPU's registers (NT_PRSTATUS) the CPU's number and one as a pid; drgn takes
    them for those of the task with that pid. Makes these pids ones that no task has."""
    with open(dump, "r+b") as f:
        head = f.read(64)
        phoff, phentsize, phnum = struct.unpack_from("<Q", head, 32)[0], *struct.unpack_from("<HH", head, 54)
        for i in range(phnum):
            f.seek(phoff + i * phentsize)
            kind, _, offset, _, _, size = struct.unpack("<IIQQQQ", f.read(40))
            if kind == 4:
                break
        else:
            return
        f.seek(offset)
        notes, at, cpu = f.read(size), 0, 0
        while at + 12 <= len(notes):
            namesz, descsz, kind = struct.unpack_from("<III", notes, at)
            desc = at + 12 + (namesz + 3 & ~3)
            if kind == 1 and notes[at + 12:at + 16] == b"CORE":
                f.seek(offset + desc + 32)
                f.write(struct.pack("<i", 0x7ffffff0 - cpu))
                cpu += 1
            at = desc + (descsz + 3 & ~3)
