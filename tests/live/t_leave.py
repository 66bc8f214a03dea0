#!/usr/bin/env python3
"""However xkd ends, the guest is left as it was found: running and with no breakpoint in it,
or halted where it was found halted."""
import os
import re
import signal
import subprocess
import time

from rig import Guest, Tap, xkd

xkd()
tap = Tap()

# The inner VM passes here all the time: a breakpoint left in stops the guest at once.
BUSY = "kvm!kvm_io_bus_write"
HIT = re.compile(r"^Breakpoint \d+ hit", re.M)


def start(g, what, commands, stdin):
    """Runs xkd until its breakpoint was hit and it has said READY. Returns the process."""
    path = os.path.join(g.dir, "leave.xkd")
    with open(path, "w") as f:
        f.write("\n".join(commands) + "\n")
    p = subprocess.Popen(g.xkd_argv(*stdin(path)), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT)
    os.set_blocking(p.stdout.fileno(), False)
    seen, end = "", time.monotonic() + 60
    if stdin is typed:
        p.stdin.write(open(path, "rb").read())
        p.stdin.flush()
    # Not the command itself, should it be echoed.
    while not re.search(r"(^|> )READY$", seen, re.M) and time.monotonic() < end and p.poll() is None:
        seen += (p.stdout.read() or b"").decode("utf-8", "replace")
        time.sleep(0.05)
    tap.ok(p.poll() is None and HIT.search(seen), f"{what}: a session that stands at a breakpoint",
           f"exit status {p.poll()}\n{seen}")
    return p


def script(path):
    return ["-f", path]


def typed(path):
    return []


def finish(p, within=10):
    """Returns the exit status, or None (and ends it) when it hangs."""
    try:
        return p.wait(timeout=within)
    except subprocess.TimeoutExpired:
        p.kill()
        p.wait()
        return None


def left_alone(g, what):
    tap.ok(g.goes_on(), f"{what}: the guest goes on within 2 s", f"QEMU says {g.status()}")
    time.sleep(0.5)
    tap.ok(g.goes_on(), f"{what}: and no breakpoint is left in it", f"QEMU says {g.status()}")
    g.recover()


stop_there = [f"bp {BUSY}", "g"]
say = ".echo READY"

with Guest() as g:
    status, out = g.xkd("; ".join([*stop_there, "q"]))
    tap.equal(status, 0, "q: xkd ends with 0") or tap.note(out)
    tap.ok(HIT.search(out), "q: after a breakpoint was hit", out)
    left_alone(g, "q")

    status, out = g.xkd(stop_there)
    tap.equal(status, 0, "a script's end: xkd ends with 0") or tap.note(out)
    tap.ok(HIT.search(out), "a script's end: after a breakpoint was hit", out)
    left_alone(g, "a script's end")

    p = start(g, "EOF", [*stop_there, say], typed)
    try:
        p.stdin.close()
    except BrokenPipeError:
        pass
    tap.ok(finish(p) is not None, "EOF: xkd ends")
    left_alone(g, "EOF")

    for sig in (signal.SIGTERM, signal.SIGHUP):
        p = start(g, sig.name, [*stop_there, say, ".sleep 60000"], script)
        p.send_signal(sig)
        tap.ok(finish(p) is not None, f"{sig.name}: xkd ends")
        left_alone(g, sig.name)

# Nothing can be done by a process that is killed; another one has to notice. What that one
# leaves undone would spoil later steps: a guest for each.
with Guest() as g:
    p = start(g, "SIGKILL", [*stop_there, say, ".sleep 60000"], script)
    p.send_signal(signal.SIGKILL)
    finish(p)
    left_alone(g, "SIGKILL")

with Guest() as g:
    # While the guest runs and the breakpoint, which nothing hits, is in.
    what = "SIGKILL while it runs"
    p = start(g, what, [*stop_there, say, "bc *", "bp lk!panic", "g"], script)
    time.sleep(1)
    if not tap.ok(p.poll() is None, f"{what}: the session waits for a stop"):
        tap.note((p.stdout.read() or b"").decode("utf-8", "replace"))
    p.send_signal(signal.SIGKILL)
    finish(p)
    left_alone(g, what)

with Guest("--halted") as g:
    tap.equal(g.status(), "prelaunch", "a guest not started yet is found so")
    status, out = g.xkd("r; q")
    tap.equal(status, 0, "not started yet: xkd ends with 0") or tap.note(out)
    tap.ok(g.status() in ("prelaunch", "paused"), "not started yet: left halted", g.status())
tap.done()
