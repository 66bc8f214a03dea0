#!/usr/bin/env python3
"""A session outlives its connection: the three ways one ends, a reset under a set breakpoint, another
debugger before, a killed keeper. Breakpoints keep numbers and counts and follow the kernel; nothing is
left in the guest, and it is never left stopped."""
import os
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

from rig import Guest, Tap, rng, show, xkd

xkd()
tap = Tap()
r = rng(tap)
BUSY = "kvm_io_bus_write"
state = tempfile.mkdtemp(prefix="xkd-state.")
os.environ["XDG_STATE_HOME"] = state


class Proxy:
    """Stands between xkd and the guest's stub, and ends connections in the three ways there are."""

    def __init__(self, target):
        host, port = target.removeprefix("gdb:").rsplit(":", 1)
        self.behind = (host, int(port))
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.target = "gdb:127.0.0.1:%d" % self.listener.getsockname()[1]
        self.pair, self.deaf = None, False
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                near = self.listener.accept()[0]
            except OSError:
                return
            if self.pair:  # the stub takes one client at a time
                self.end(self.pair[1])
            far = socket.create_connection(self.behind)
            for s in (near, far):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.pair, self.deaf = (near, far), False
            threading.Thread(target=self.carry, args=(near, far), daemon=True).start()

    def carry(self, near, far):
        try:
            while True:
                for s in select.select([near, far], [], [])[0]:
                    data = s.recv(65536)
                    if not data:
                        raise OSError
                    if not self.deaf:
                        (far if s is near else near).sendall(data)
        except (OSError, ValueError):
            self.end(near)
            self.end(far)

    @staticmethod
    def end(s):
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def drop(self, rst=False):
        near, far = self.pair
        if rst:
            near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            near.close()
        else:
            self.end(near)
        self.end(far)

    def hang(self):
        self.deaf = True


class Typed:
    """xkd on a terminal."""

    def __init__(self, g, target):
        self.master, slave = pty.openpty()
        argv = g.xkd_argv()
        argv[argv.index("-k") + 1] = target
        self.p = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                                  env={**os.environ, "TERM": "dumb", "XKD_PAGER": "", "PAGER": ""})
        os.close(slave)
        self.out = ""
        self.wait()

    def wait(self, pattern=r"(^|\n)[^\n]*kd> $", within=60):
        """What was said until the pattern, by default the next prompt."""
        end, seen = time.monotonic() + within, ""
        while time.monotonic() < end and not re.search(pattern, seen):
            if not select.select([self.master], [], [], 0.1)[0]:
                continue
            try:
                data = os.read(self.master, 65536)
            except OSError:
                break
            seen += data.decode("utf-8", "replace").replace("\r", "")
        self.out += seen
        return seen

    def send(self, line):
        os.write(self.master, line.encode() + b"\n")

    def do(self, line, **how):
        self.send(line)
        return self.wait(**how)

    def leave(self, within=20):
        """The exit status; None: it hung."""
        try:
            self.send("q")
            self.wait("(?!)", within)  # to its end
            return self.p.wait(timeout=within)
        except (subprocess.TimeoutExpired, OSError):
            self.p.kill()
            return None


def came_up(g, before, within=90):
    end = time.monotonic() + within
    while boots(g) <= before and time.monotonic() < end:
        time.sleep(0.1)
    return boots(g) > before


def boots(g):
    """How often the guest came up: each time it counts from 1."""
    return len(re.findall(r"^xkd-tick 1$", g.serial(), re.M))


def killed_with_keeper(g):
    """A session that stands at a breakpoint goes, and its keeper too, as when their machine goes down."""
    p = subprocess.Popen(g.xkd_argv("-c", f"bp kvm!{BUSY}; g; .echo READY; .sleep 60000"),
                         stdout=subprocess.PIPE, text=True)
    while "READY" not in (line := p.stdout.readline()) and line:
        pass
    children = subprocess.run(["pgrep", "-P", str(p.pid)], stdout=subprocess.PIPE, text=True, check=False)
    for child in children.stdout.split():
        with open(f"/proc/{child}/comm") as f:
            if f.read().strip() == "xkd-keeper":
                os.kill(int(child), signal.SIGKILL)
    p.kill()
    p.wait()


def journals():
    path = os.path.join(state, "xkd/journal")
    return os.listdir(path) if os.path.isdir(path) else []


def free_of_us(g, what):
    """The busy function runs, and nothing stops there."""
    tap.ok(g.goes_on(), f"{what}: the guest goes on", f"QEMU says {g.status()}")
    time.sleep(0.5)
    tap.ok(g.goes_on(), f"{what}: and no breakpoint is left in it", f"QEMU says {g.status()}")
    g.recover()


def where(g, name):
    return int(g.ask(f"grep -w {name} /proc/kallsyms").split()[0], 16)


def lost_and_back(x, what, say):
    """The connection is gone: the session says so, and comes back."""
    tap.ok(re.search(say, x.out), f"{what}: it is said", x.out[-800:])
    tap.ok(re.search(r"lost: kd> $", x.out), f"{what}: the prompt stays and says that the target is lost",
           x.out[-300:])
    tap.ok(".reconnect" in x.do("k"), f"{what}: commands say what to do", x.out[-300:])
    back = x.do(".reconnect")
    tap.ok("Reconnected to the same boot" in back, f"{what}: .reconnect comes back to the same boot", back)
    bl = x.do("bl")
    tap.ok(re.search(r"^ +3 e.*lk!.*\((\d+) hits?\)|^ +3 e.*kvm!kvm_io_bus_write.*hits?\)", bl, re.M),
           f"{what}: number and hits are kept", bl)
    return bl


with Guest("--reboot") as g:
    proxy = Proxy(g.target)
    x = Typed(g, proxy.target)
    x.do(f"bp3 kvm!{BUSY}")
    x.do("bp5 /w \"1 == 2\" lk!vfs_write")
    x.do("bp7 @$proc")
    for _ in range(2):
        tap.ok("Breakpoint 3 hit" in x.do("g"), "a breakpoint is hit", x.out[-400:])
    tap.ok(journals(), "a journal is kept while breakpoints are in")

    proxy.drop()
    x.do("k")
    bl = lost_and_back(x, "closed", r"closed the connection")
    tap.ok("(2 hits)" in bl, "closed: two hits were counted before", bl)
    tap.ok(re.search(r"^ +7 e", bl, re.M), "closed: a bare address holds in the same boot", bl)
    tap.ok("Breakpoint 3 hit" in x.do("g"), "closed: the breakpoint is hit again", x.out[-400:])
    tap.ok("(3 hits)" in x.do("bl"), "closed: and counted on", x.out[-400:])

    x.do("bd 3")  # nothing stops: the connection ends while the guest runs
    x.send("g")
    time.sleep(1 + r.random())
    proxy.drop(rst=True)
    said = x.wait()
    tap.ok(re.search(r"connection .*lost", said), "RST while it ran: it is said", said)
    back = x.do(".reconnect")
    tap.ok("Reconnected to the same boot" in back and "1 disabled" in back,
           "RST while it ran: back, a disabled breakpoint stays disabled", back)
    x.do("be 3")

    proxy.hang()
    said = x.do("db lk!_text")
    tap.ok("no answer" in said, "no answer: it is said within the time", said)
    other = Proxy(g.target)
    proxy.end(proxy.pair[1])  # the stub takes one client
    back = x.do(f".reconnect {other.target}")
    tap.ok("Reconnected to the same boot" in back, "no answer: .reconnect by another way", back)
    tap.ok("Breakpoint 3 hit" in x.do("g"), "no answer: the breakpoint is hit again", x.out[-400:])

    # The guest resets while nobody is there: another slide.
    other.drop()
    x.do("k")
    before = boots(g)
    g.qmp("system_reset")
    g.qmp("cont")
    tap.ok(came_up(g, before), "reset meanwhile: the guest comes up", g.status())
    back = x.do(".reconnect")
    tap.ok("Reconnected to another boot" in back, "reset meanwhile: .reconnect finds another boot", back)
    bl = x.do("bl")
    x.do("bc *")
    x.leave()
    g.recover()
    want = where(g, "vfs_write")
    tap.ok(show(want) in bl, "reset meanwhile: a name follows to its new place", bl)
    tap.ok(re.search(r"^ +7 d", bl, re.M), "reset meanwhile: a bare address is disabled", bl)

with Guest("--reboot") as g:
    proxy = Proxy(g.target)
    x = Typed(g, proxy.target)
    x.do(f"bp kvm!{BUSY}")
    x.do("g")
    proxy.drop(rst=True)
    x.do("k")
    for name in journals():  # of the first guest's boots
        os.unlink(os.path.join(state, "xkd/journal", name))
    tap.equal(x.leave(), 3, "q of a lost session: exit status 3")
    tap.ok("reached once more" in x.out, "q of a lost session: the target is left in order", x.out[-400:])
    free_of_us(g, "q of a lost session")
    tap.equal(journals(), [], "q of a lost session: no journal stays")


    # Places that both CPUs pass: the busy one and the idle one.
    p = subprocess.Popen(g.xkd_argv("-c", "bp lk!update_process_times; bp lk!do_idle; bp lk!__schedule; g; .echo READY; .sleep 60000"),
                         stdout=subprocess.PIPE, text=True)
    while "READY" not in (line := p.stdout.readline()) and line:
        pass
    p.kill()
    p.wait()
    free_of_us(g, "killed: every CPU")

    killed_with_keeper(g)
    tap.equal(len(journals()), 1, "killed with its keeper: the journal stays")
    tap.ok(not g.goes_on(1), "killed with its keeper: the guest stands")
    status, out = g.xkd("bl; q")
    tap.ok("lost with 1 breakpoint in the target: taken out" in out, "the next session takes it out and says so", out)
    free_of_us(g, "after the next session")
    tap.equal(journals(), [], "after the next session: no journal stays")

    killed_with_keeper(g)
    before = boots(g)
    g.qmp("system_reset")
    g.qmp("cont")
    tap.ok(came_up(g, before), "another boot: the guest comes up", g.status())
    status, out = g.xkd("q")
    tap.ok("lost with" not in out and status == 0, "another boot: nothing is taken out of it", out)
    tap.equal(len(journals()), 1, "another boot: the old one's journal is not touched")

    # Another debugger was there before and died.
    if shutil.which("gdb"):
        place = where(g, BUSY)
        p = subprocess.Popen(["gdb", "-batch", "-nx", "-ex", "set pagination off", "-ex", "set architecture i386:x86-64",
                              "-ex", "target remote " + g.target.removeprefix("gdb:"), "-ex", f"break *{place:#x}",
                              "-ex", "c", "-ex", "echo THERE\\n", "-ex", "shell sleep 60"],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        while "THERE" not in (line := p.stdout.readline()) and line:
            pass
        p.kill()
        p.wait()
        status, out = g.xkd("bl; q")
        tap.equal(status, 0, "after another debugger that was killed: xkd attaches and leaves") or tap.note(out)
        free_of_us(g, "after another debugger that was killed")
    else:
        tap.skip("after another debugger", "no gdb here")
shutil.rmtree(state, ignore_errors=True)
tap.done()
