"""gdb as a peer: it is given the slide and the modules' sections by hand, and asked through its
Python (gdb_answers.py). It reads files, a live guest or a dump."""
import json
import os
import re
import shutil
import subprocess
import tempfile

import files
import rig
import truth

HERE = os.path.dirname(os.path.abspath(__file__))


def here():
    return bool(shutil.which("gdb"))


def symbol_files(g, slide, modules=("kvm", "kvm_amd")):
    """The commands that load the kernel's and its modules' symbols where they are in a guest. A module's
    initialization is over and its memory another's: that section goes where no kernel is, lest gdb finds
    it in the other's (and not told of a section, gdb picks a place itself, perhaps inside another)."""
    nowhere = 0x10000000
    commands = [f"add-symbol-file {rig.vmlinux(g.kernel)} -o {slide:#x}"]
    for m in modules:
        ko = rig.module_debug(g.kernel, m.replace("_", "[-_]"))
        places = {s: a for s, a in truth.sections(g, m)
                  if s.startswith((".text", ".data", ".bss", ".rodata", ".noinstr", ".exit.text"))}
        for s in files.memory_sections(ko) if ko else ():
            if s not in places:
                nowhere += 0x100000
                places[s] = hex(nowhere)
        traced = g.ask(f"cat /sys/module/{m}/sections/__tracepoints").strip()
        if re.fullmatch("0x[0-9a-f]+", traced):  # the keys of static branches lie there
            places["__tracepoints"] = traced
        if ko and ".text" in places:
            commands.append(f"add-symbol-file {ko} " + " ".join(f"-s {s} {a}" for s, a in places.items()))
    return commands


def ask(setup, questions, live=False, timeout=300):
    """questions: {name of a function of gdb_answers.py: its arguments}. Returns (answers, "") or
    (None, what gdb said)."""
    with tempfile.TemporaryDirectory(prefix="xkd-gdb.") as d:
        job = os.path.join(d, "job")
        with open(job, "w") as f:
            json.dump({"setup": setup, "ask": questions, "live": live, "out": os.path.join(d, "out")}, f)
        try:
            p = subprocess.run(["gdb", "-nx", "-batch", "-x", os.path.join(HERE, "gdb_answers.py")],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               stdin=subprocess.DEVNULL, timeout=timeout, env={**os.environ, "XKD_JOB": job})
        except subprocess.TimeoutExpired as e:
            return None, f"gdb did not end within {timeout} s: {(e.stdout or b'')[-2000:]}"
        try:
            with open(os.path.join(d, "out")) as f:
                return json.load(f), ""
        except (OSError, ValueError):
            return None, p.stdout[-3000:]


def lines(setup, addresses):
    """{address: (file, line) or None}"""
    got, why = ask(setup, {"lines": [addresses]})
    if got is None:
        print("# " + why.replace("\n", "\n# "))
        return {}
    return {a: tuple(x) if x else None for a, x in zip(addresses, got["lines"])}


def hits(g, setup, where, count):
    """The stacks at count hits of an address in a live guest; (stacks, "") or ([], why)."""
    got, why = ask([*setup, "target remote " + g.target.split(":", 1)[1]], {"hits": [where, count]}, live=True)
    return (got["hits"], "") if got else ([], why)


def cpus(setup, dump):
    """{CPU: stack} of a dump."""
    got, why = ask([*setup, f"core-file {dump}"], {"cpus": []})
    return ({int(c): s for c, s in got["cpus"].items()}, "") if got else ({}, why)
