"""What the live tests share: a guest, xkd runs against it, TAP.

Environment: XKD (the binary), XKD_KERNEL (an unpacked kernel package's root; by
default tools/kernels get 6.1-cloud), XKD_SEED (a number: repeats a random choice),
XKD_SMP (how many CPUs a guest has where its test does not say: 2).
"""
import importlib
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.append(os.path.join(TOP, "tests/peers"))
SMP = int(os.environ.get("XKD_SMP", "2"))


# A test that is told to end still ends its guest: with-blocks run for this.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


# ---- the second serial line

class Timeout(Exception):
    pass


def ask(rundir, command, timeout=60):
    """Runs a shell command in the guest. Returns (status, output bytes)."""
    if "\n" in command:
        raise ValueError("one line only")
    token = os.urandom(6).hex()
    begin, done = f"@@begin {token}\n".encode(), f"@@end {token} ".encode()
    end = time.monotonic() + timeout
    data = b""
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(os.path.join(rundir, "ask.sock"))
        # The empty line ends what a client that went away may have left unfinished.
        s.sendall(f"\n{token} {command}\n".encode())
        while True:
            left = end - time.monotonic()
            if left <= 0:
                raise Timeout(command)
            s.settimeout(left)
            try:
                part = s.recv(65536)
            except socket.timeout:
                raise Timeout(command) from None
            if not part:
                raise Timeout("the guest went away")
            data += part
            # Parts end anywhere: search again from where a whole last line could begin.
            at = data.find(done, max(0, len(data) - len(part) - len(done) - 8))
            if at >= 0 and b"\n" in data[at:]:
                status = int(data[at + len(done):].split(b"\n")[0])
                return status, data[data.index(begin) + len(begin):at]


# ---- TAP

class Tap:
    """Counts and prints; done() prints the plan and ends the program."""
    bad = False  # anything failed

    def __init__(self):
        self.n = self.failed = 0

    def ok(self, cond, name, detail=""):
        self.n += 1
        print(f"{'ok' if cond else 'not ok'} {self.n} - {name}")
        if not cond:
            self.failed += 1
            Tap.bad = True
            self.note(detail)
        sys.stdout.flush()
        return bool(cond)

    def equal(self, got, want, name):
        return self.ok(got == want, name, f"got  {got!r}\nwant {want!r}")

    def skip(self, name, why):
        self.n += 1
        print(f"ok {self.n} - {name} # SKIP {why}", flush=True)

    def note(self, text):
        for line in str(text).splitlines()[:16]:
            print(f"# {line}")

    def done(self):
        print(f"1..{self.n}", flush=True)
        sys.exit(1 if self.failed else 0)


def skip_all(why):
    print(f"1..0 # SKIP {why}")
    sys.exit(0)


def need_tools(*names):
    for n in names:
        if not shutil.which(n):
            skip_all(f"no {n} here")


def rng(tap):
    """A random choice that a failure can be repeated with."""
    seed = int(os.environ.get("XKD_SEED") or random.SystemRandom().randrange(1 << 31))
    tap.note(f"XKD_SEED={seed}")
    return random.Random(seed)


# ---- the guest

def kernel_dir():
    d = os.environ.get("XKD_KERNEL")
    if not d:
        p = subprocess.run([os.path.join(TOP, "tools/kernels"), "get", "6.1-cloud"],
                           stdout=subprocess.PIPE, text=True)
        if p.returncode != 0:
            skip_all("no kernel to be had (tools/kernels get 6.1-cloud)")
        d = p.stdout.strip()
    return d


def kernel_files(kernel, pattern):
    """The paths below KERNEL that match a regular expression."""
    return [path for base, _, files in os.walk(kernel) for f in files
            if re.search(pattern, (path := os.path.join(base, f))[len(kernel):])]


def kernel_file(kernel, pattern):
    """The one path below KERNEL that matches a regular expression, the file rather than a link to it, or None."""
    return min(kernel_files(kernel, pattern), key=lambda p: (os.path.islink(p), p), default=None)


def vmlinux(kernel):
    return kernel_file(kernel, r"/usr/lib/debug/.*/vmlinux(-[^/]*)?$")


def module_debug(kernel, name):
    return kernel_file(kernel, r"/usr/lib/debug/.*/%s\.ko(\.debug)?$" % name)


def grows(count, within, pause=0.05):
    """Does count() return more within so many seconds?"""
    before, end = count(), time.monotonic() + within
    while time.monotonic() < end:
        if count() > before:
            return True
        time.sleep(pause)
    return False


class Guest:
    """A booted guest; ends with the with-block."""
    booter, patience, smp = "boot", 300, ("--smp", str(SMP))

    def __init__(self, *options, kernel=None):
        self.kernel = kernel or kernel_dir()
        self.options = options
        self.symbols = [self.kernel]  # folders that xkd is told of
        self.dir = None

    def __enter__(self):
        errors = self.boot()
        if errors:
            # The emulator's: another CPU ran into an instruction that the kernel was patching, or all wait
            # for one that hears nothing. Nobody has attached yet.
            print("# the guest did not come up; booted again. The first time:")
            print("".join(f"#   {line}\n" for line in errors.splitlines()[-24:]), end="")
            errors = self.boot()
        if errors:
            print("Bail out! the guest did not boot")
            print(errors, file=sys.stderr)
            sys.exit(1)
        target = os.path.join(self.dir, "target")
        self.target = open(target).read().strip() if os.path.exists(target) else None
        return self

    def boot(self):
        """Boots; "" or what went wrong."""
        self.dir = tempfile.mkdtemp(prefix="xkd-live.")
        p = subprocess.Popen([os.path.join(HERE, self.booter), "--kernel", self.kernel, "--dir", self.dir,
                              *self.smp, *self.options], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                             text=True)
        try:
            _, errors = p.communicate(timeout=self.patience)
        except BaseException:
            # By its own trap boot takes along what it has started.
            p.terminate()
            p.wait()
            self.__exit__()
            raise
        if p.returncode == 0:
            return ""
        self.__exit__()
        return errors or "no word why"

    def tell_if_it_stands(self):
        """For who reads of a failure: a guest that runs by QEMU's word and comes to nothing."""
        try:
            if self.status() == "running" and not self.goes_on(5):
                print("# its guest stands still, though QEMU runs it:")
                said = self.qmp("human-monitor-command", **{"command-line": "info registers -a"})
                print("".join(f"#   {line}\n" for line in re.findall(r"CPU#\d+|RIP=.*", said)), end="", flush=True)
        except (OSError, RuntimeError, ValueError):
            pass  # it is gone

    def __exit__(self, kind=None, *_):
        if kind or Tap.bad:
            self.tell_if_it_stands()
        subprocess.run([os.path.join(HERE, "stop"), self.dir], check=False)
        if os.environ.get("XKD_KEEP"):
            print(f"# kept {self.dir}")
        else:
            shutil.rmtree(self.dir, ignore_errors=True)

    def ask(self, command, timeout=60):
        try:
            status, out = ask(self.dir, command, timeout)
        except Timeout:
            # An emulated machine on a busy host may lose a line: what is asked here may be asked twice.
            print(f"# asked again: {command[:60]}")
            status, out = ask(self.dir, command, timeout)
        return out.decode("utf-8", "replace")

    def serial(self):
        with open(os.path.join(self.dir, "serial.log"), "rb") as f:
            return f.read().replace(b"\r", b"").decode("utf-8", "replace")

    def ticks(self):
        return len(re.findall(r"^xkd-tick \d+$", self.serial(), re.M))

    def goes_on(self, within=2.0):
        """True when a new tick comes within so many seconds."""
        return grows(self.ticks, within)

    def status(self):
        """QEMU's word for the run state: running, paused, prelaunch ..."""
        return self.qmp("query-status")["status"]

    def recover(self):
        """Lets a guest go on that a failed step has left halted, so that the next step's
        result is its own."""
        if not self.goes_on():
            self.qmp("cont")

    def qmp(self, command, **arguments):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(120)
            s.connect(os.path.join(self.dir, "qmp.sock"))
            f = s.makefile("rw")
            f.readline()
            for cmd in ({"execute": "qmp_capabilities"}, {"execute": command, "arguments": arguments}):
                f.write(json.dumps(cmd) + "\n")
                f.flush()
                while True:
                    answer = json.loads(f.readline())
                    if "error" in answer:
                        raise RuntimeError(f"{command}: {answer['error']}")
                    if "return" in answer:
                        break
            return answer["return"]

    def dump(self, name="core"):
        """An ELF dump of the guest, which must be stopped, with its virtual addresses (gdb and drgn
        ask for them). Returns its path."""
        path = os.path.join(self.dir, name)
        if os.path.exists(path):
            os.unlink(path)
        self.qmp("dump-guest-memory", paging=True, protocol="file:" + path)
        return path

    # -- xkd against it

    def xkd_argv(self, *args):
        paths = [a for s in self.symbols for a in ("-y", s)]
        return [xkd(), "-k", self.target, *paths, *args]

    def xkd(self, commands, timeout=120, options=()):
        """Runs commands in batch. A text for -c, a list for a script by -f.
        Returns (exit status, output). The exit status is None after a timeout."""
        if isinstance(commands, str):
            argv = self.xkd_argv(*options, "-c", commands)
        else:
            path = os.path.join(self.dir, "script.xkd")
            with open(path, "w") as f:
                f.write("\n".join(commands) + "\n")
            argv = self.xkd_argv(*options, "-f", path)
        try:
            p = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, timeout=timeout)
            return p.returncode, p.stdout.decode("utf-8", "replace")
        except subprocess.TimeoutExpired as e:
            return None, (e.stdout or b"").decode("utf-8", "replace")


class Loop:
    """A loop in the guest, as long as the with-block."""

    def __init__(self, g, body):
        self.g, self.body = g, body

    def __enter__(self):
        self.pid = self.g.ask(f"(while :; do {self.body}; done) >/dev/null 2>&1 & echo $!").split()[-1]
        return self

    def __exit__(self, *_):
        self.g.ask(f"kill {self.pid}")


def peers(question, *options, **arguments):
    """A test that is one question of tests/peers, put to a guest of its own."""
    xkd()
    tap = Tap()
    r = rng(tap)
    with Guest(*options) as g:
        for tally in importlib.import_module(question).ask(g, r, **arguments):
            tally.tell(tap)
    tap.done()


def xkd():
    path = os.environ.get("XKD")
    if not path or not os.access(path, os.X_OK):
        skip_all("no xkd binary (XKD names none)")
    return path


# ---- reading xkd's output

ADDR = r"[0-9a-f]{8}`[0-9a-f]{8}"


def addr(text):
    return int(text.replace("`", ""), 16)


def show(value):
    return f"{value >> 32:08x}`{value & 0xffffffff:08x}"


def answers(output, count):
    """Splits a script's output at the marks that mark() puts between commands."""
    parts = re.split(r"^@@(\d+)\n", output, flags=re.M)
    got = {int(parts[i]): parts[i + 1] for i in range(1, len(parts) - 1, 2)}
    return [got.get(i, "") for i in range(count)]


def mark(commands):
    """The script that runs commands with a mark before each one's output."""
    lines = []
    for i, c in enumerate(commands):
        lines += [f".echo @@{i}", c]
    return lines + [f".echo @@{len(commands)}", "q"]
