"""crash as a peer: it reads a dump of the guest and finds the slide by itself. What it knows of a
kernel's structures decides what it can answer: 8.0.2 does not see the tasks of every kernel."""
import os
import re
import shutil
import subprocess

import rig


def here():
    return bool(shutil.which("crash"))


def ask(kernel, dump, commands, timeout=300):
    """The output of each command, or None and what crash said."""
    lines = []
    for i, c in enumerate(commands):
        lines += [f"gdb echo @@{i}\\n", c]
    try:
        p = subprocess.run(["crash", "-s", "--kaslr", "auto", rig.vmlinux(kernel), dump],
                           input="\n".join([*lines, f"gdb echo @@{len(commands)}\\n", "quit"]) + "\n",
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout,
                           errors="replace", env={**os.environ, "TERM": "dumb"})
    except subprocess.TimeoutExpired as e:
        return None, f"crash did not end within {timeout} s: {(e.stdout or b'')[-500:]}"
    if f"@@{len(commands)}\n" not in p.stdout:
        return None, p.stdout[-1000:]
    return rig.answers(p.stdout, len(commands)), ""


def modules(text):
    """{module: base} of mod."""
    return {m[1]: int(m[2], 16) for m in re.finditer(r"^[0-9a-f]{16}\s+(\S+)\s+([0-9a-f]{16})\s", text, re.M)}


def layout(text):
    """(size, {member: offset in bytes}) of struct -o: only the members at the outermost level that
    have an offset of their own and are no bit-fields."""
    members = {}
    depth = 0
    for line in text.splitlines()[1:]:
        s = line.strip()
        m = re.match(r"\[(\d+)\] (.*);$", s)
        closing = s.split("] ")[-1].startswith("}")
        if depth == 0 and m and not closing:
            # A bit-field's offset may be that of its own byte or of its type.
            n = None if re.search(r":\s*\d+$", m[2]) else \
                re.search(r"\(\*(\w+)\)", m[2]) or re.search(r"(\w+)(?:\[\d*\])*$", m[2])
            if n:
                members[n[1]] = int(m[1])
        if s.endswith("{"):
            depth += 1
        elif closing:
            depth -= 1
    size = re.search(r"^SIZE: (\d+)", text, re.M)
    return (int(size[1]) if size else None), members


def stack(text):
    """[(function, address)] of bt; the innermost first."""
    return [(m[1], int(m[2], 16)) for m in
            re.finditer(r"^ *#\d+ \[[0-9a-f]+\] (\S+?)(?:\+\d+)? at ([0-9a-f]+)", text, re.M)]
