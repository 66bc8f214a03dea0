#!/usr/bin/env python3
"""However xkd ends, the guest is left as it was found: running and with no breakpoint in it,
or halted where it was found halted."""
import os
import signal
import subprocess
import time

from rig import Guest, Tap, xkd

xkd()
tap = Tap()

# The inner VM passes here all the time: a breakpoint left in stops the guest at once.
BUSY = "kvm!kvm_io_bus_write"


def start(g, commands, stdin):
    """Runs xkd until it has said READY. Returns the process."""
    path = os.path.join(g.dir, "leave.xkd")
    with open(path, "w") as f:
        f.write("\n".join([*commands, ".echo READY"]) + "\n")
    p = subprocess.Popen(g.xkd_argv(*stdin(path)), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT)
    os.set_blocking(p.stdout.fileno(), False)
    seen, end = b"", time.monotonic() + 60
    if stdin is typed:
        p.stdin.write(open(path, "rb").read())
        p.stdin.flush()
    while b"READY\n" not in seen and time.monotonic() < end and p.poll() is None:
        seen += p.stdout.read() or b""
        time.sleep(0.05)
    if b"READY\n" not in seen:
        tap.note(seen.decode("utf-8", "replace"))
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


stop_there = [f"bp {BUSY}", "g"]
wait_there = [*stop_there, ".echo READY", ".sleep 60000"]

with Guest() as g:
    status, out = g.xkd("; ".join([*stop_there, "q"]))
    tap.equal(status, 0, "q: xkd ends with 0") or tap.note(out)
    left_alone(g, "q")

    status, out = g.xkd(stop_there)
    tap.ok(status is not None, "a script's end: xkd ends", out)
    left_alone(g, "a script's end")

    p = start(g, stop_there, typed)
    p.stdin.close()
    tap.ok(finish(p) is not None, "EOF: xkd ends")
    left_alone(g, "EOF")

    for sig in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL):
        name = sig.name
        # SIGINT only interrupts a command; with a batch it ends the session.
        p = start(g, wait_there, script)
        p.send_signal(sig)
        tap.ok(finish(p) is not None, f"{name}: xkd ends")
        left_alone(g, name)

with Guest("--halted") as g:
    tap.equal(g.status(), "prelaunch", "a guest not started yet is found so")
    status, out = g.xkd("r; q")
    tap.equal(status, 0, "not started yet: xkd ends with 0") or tap.note(out)
    tap.ok(g.status() in ("prelaunch", "paused"), "not started yet: left halted", g.status())
tap.done()
