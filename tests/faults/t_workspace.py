#!/usr/bin/env python3
""".workspace: what a session on a terminal had set up is offered to the next one of the same kernel and
comes back; a script neither keeps nor restores by itself. The machine is that of t_faults."""
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time

XKD = os.path.abspath(os.environ.get("XKD", "./xkd"))
KERNEL = "tests/faults/minikernel"
if not os.path.exists(KERNEL) or not os.path.getsize(KERNEL):
    print("1..0 # SKIP no minikernel here")
    sys.exit(0)
state = tempfile.mkdtemp(prefix="xkd-state.")
env = {**os.environ, "XDG_STATE_HOME": state, "XDG_CACHE_HOME": state, "TERM": "dumb", "PAGER": "",
       "ASAN_OPTIONS": "detect_leaks=0"}
machine = subprocess.Popen(["tests/faults/t_faults", "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                           text=True)
target = machine.stdout.readline().strip()
n = failed = 0


def ok(cond, name, detail=""):
    global n, failed
    n += 1
    print(f"{'ok' if cond else 'not ok'} {n} - {name}", flush=True)
    if not cond:
        failed += 1
        print("".join(f"# {line}\n" for line in str(detail).splitlines()[-14:]), end="", flush=True)


def typed(*lines):
    """What is said to a person who types the lines, and q."""
    master, slave = pty.openpty()
    p = subprocess.Popen([XKD, "-k", target, "-y", KERNEL], stdin=slave, stdout=slave, stderr=slave,
                         start_new_session=True, env=env)
    os.close(slave)
    out, todo = "", [*lines, "q"]
    end, at = time.monotonic() + 120, 0
    while time.monotonic() < end:
        if not select.select([master], [], [], 0.1)[0]:
            continue
        try:
            out += os.read(master, 65536).decode("utf-8", "replace").replace("\r", "")
        except OSError:
            break
        if todo and re.search(r"kd> $", out[at:]):
            at = len(out)
            os.write(master, todo.pop(0).encode() + b"\n")
    p.wait()
    return out


def script(commands):
    p = subprocess.run([XKD, "-k", target, "-y", KERNEL, "-c", commands], stdin=subprocess.DEVNULL, env=env,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False)
    return p.stdout


def rows(out):
    """bl's rows: number, letters, symbol and what comes behind it."""
    return [(int(m[1]), m[2].strip(), m[3]) for m in
            re.finditer(r"^ +(\d+) (e|d)[ u].*?\) (lk!\S+.*)$", out, re.M)]


def kept():
    return script(".workspace show")


SET = ['bp3 work', 'bp /w "counter % 5 == 0" lk!leaf', 'bp1 other 0n4 "r rax; g"', 'bd 1', 'ba5 e1 leaf',
       'bp9 ffffffff81000037']

script("bp work; q")
ok("nothing is kept" in kept(), "a script keeps nothing by itself")
first = typed(*SET, "bl")
before = rows(first)
ok(len(before) >= 4, "breakpoints are set", first)
out = script("bl")
ok("of an earlier session" not in out and not rows(out), "a script is offered nothing, and gets nothing", out)
shown = kept()
ok("ffffffff81000037" not in shown and "bp3 work" in shown, "those with names are kept, a bare address is not", shown)
out = typed(".workspace", "bl")
ok(re.search(r"4 breakpoints.* of an earlier session \(.*\): \.workspace restores them", out),
   "the next session is told in a line", out)
ok(rows(out) == [r for r in before if r[0] != 9], "numbers, conditions, passes, commands and state come back",
   f"{rows(out)}\n{before}")
out = typed("bp3 other", ".workspace", ".workspace", "bl")
ok(sorted(r[2] for r in rows(out)).count("lk!work") == 1 and "0 breakpoints restored" in out,
   "a number that is taken gives way, and what is there is not set twice", out)
ok(rows(typed(".workspace", "bl")) == rows(out), "what is kept is what was there last")
typed("bc *")
ok("bp" in kept(), "a session that set nothing up leaves it as it is")
typed(".workspace", "bc *")
ok("nothing is kept" in kept(), "one that cleared all keeps nothing")
out = script("bp work; .workspace save; bc *; .workspace restore; bl")
ok(len(rows(out)) == 1 and "1 breakpoint restored" in out, "a script saves and restores where it says so", out)
script(".workspace drop")
ok("nothing is kept" in kept(), "and drops it")
machine.stdin.close()
machine.wait()
shutil.rmtree(state, ignore_errors=True)
print(f"1..{n}")
sys.exit(failed != 0)
