#!/usr/bin/env python3
"""Bad input, row by row (table.py): files, sockets, packets, expressions, options, surroundings.
TAP. Each row is a process of its own, with a home and, where it asks for one, a misbehaving stub
(stub.py) of its own; rows run side by side.

For every row, whatever it says: no signal, no sanitizer's word, no assertion, no control character
of a stranger in what is shown, and the time limit."""
import concurrent.futures
import os
import pty
import re
import resource
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import fcntl
import termios

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import files  # noqa: E402
import stub   # noqa: E402
import table  # noqa: E402

XKD = os.path.abspath(os.environ.get("XKD", "./xkd"))
LIMIT = 60      # seconds for a row; the machine may be loaded
NEVER = re.compile(r"Sanitizer|runtime error:|[Aa]ssert|Segmentation|core dumped|\(null\)")
CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
MEMORY = 0 if "asan" in subprocess.run(["ldd", XKD], capture_output=True, text=True).stdout \
    else 2 << 30


def surroundings(home, row):
    env = {"PATH": os.environ["PATH"], "HOME": home, "LC_ALL": "C.UTF-8", "TERM": "xterm"}
    for key in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LD_LIBRARY_PATH"):
        if key in os.environ:
            env[key] = os.environ[key]
    if row.size:  # libedit forgets a string or two
        env["ASAN_OPTIONS"] = "detect_leaks=0"
    for key, value in row.env.items():
        if value is None:
            env.pop(key, None)
        else:
            env[key] = value.replace("{home}", home)
    return env


def limits():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if MEMORY:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def in_pipes(argv, row, env):
    if row.shell:
        # the shell text places the program as "$@" where it likes
        argv = ["bash", "-c", row.shell, "xkd"] + argv
    p = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, env=env, preexec_fn=limits)
    try:
        out, err = p.communicate(row.stdin, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        p.kill()
        out, err = p.communicate()
        return "no end within %d s" % LIMIT, out, err
    return p.returncode, out, err


def in_terminal(argv, row, env):
    """Keys go in one piece each, the next when the screen is quiet."""
    rows, cols = row.size
    pid, fd = pty.fork()
    if not pid:
        limits()
        os.execvpe(argv[0], argv, env)
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("4H", rows, cols, 0, 0))
    out, keys, end = b"", [row.stdin[i:i + 40] for i in range(0, len(row.stdin), 40)], \
        time.monotonic() + LIMIT
    while time.monotonic() < end:
        if not select.select([fd], [], [], 0.5)[0]:
            if keys:
                os.write(fd, keys.pop(0))
            continue
        try:
            got = os.read(fd, 65536)
        except OSError:
            got = b""
        if not got:
            break
        out += got
    else:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return "no end within %d s" % LIMIT, out, b""
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(fd)
    return code, out, b""


def judge(row, code, out, err):
    """What is wrong, in words; nothing when all is well."""
    said = (out + err).decode("utf-8", "replace")
    codes = row.code if isinstance(row.code, tuple) else (row.code,)
    if code not in codes:
        yield "exit status %s, not %s" % (code, " or ".join(map(str, codes)))
    m = NEVER.search(said)
    if m:
        yield "says '%s'" % m.group()
    if row.size is None:
        m = CONTROL.search(out + err)
        if m:
            yield "a raw control character %r" % m.group()
        sentences = [x for x in err.decode("utf-8", "replace").splitlines()
                     if x.startswith("xkd: ")]
        if len(sentences) > row.lines:
            yield "%d sentences on stderr, not %d" % (len(sentences), row.lines)
        if code in (2, 3) and not sentences and not row.shell:
            yield "no sentence on stderr"
    longest = max(map(len, said.split("\n")))
    if longest > row.width:
        yield "a line of %d characters" % longest
    if not re.search(row.says, said, re.M):
        yield "does not say /%s/" % row.says
    if row.never and re.search(row.never, said, re.M):
        yield "says /%s/" % row.never


def attempt(row, d, home, s):
    try:
        words = {"dir": d, "home": home, "target": s.target if s else ""}
        argv = [XKD] + [re.sub(r"\{(dir|home|target)\}", lambda m: words[m[1]], a)
                        for a in row.args]
        if row.before:
            row.before(home)
        began = time.monotonic()
        run = in_terminal if row.size else in_pipes
        code, out, err = run(argv, row, surroundings(home, row))
        return list(judge(row, code, out, err)), argv, out, err, time.monotonic() - began
    except Exception as e:  # the runner's own trouble is a failed row, not the end of all
        return ["%s: %s" % (type(e).__name__, e)], [], b"", b"", 0
    finally:
        if s:
            s.close()


def show(argv, out, err):
    print("# " + " ".join(a if len(a) < 200 else a[:200] + "..." for a in argv[1:]))
    for what, text in (("out", out), ("err", err)):
        for line in text[:1500].decode("utf-8", "backslashreplace").splitlines():
            print("#   %s: %s" % (what, line[:300].encode("unicode_escape").decode()))


def main():
    if not all(shutil.which(x) for x in ("gcc", "objcopy", "strip")):
        print("1..0 # SKIP no gcc and binutils to make the files with")
        return 0
    rows = [r for r in table.rows() if len(sys.argv) < 2 or re.search(sys.argv[1], r.name)]
    d = tempfile.mkdtemp(prefix="xkd-bad-")
    bad = 0
    print("1..%d" % len(rows))
    try:
        os.chmod(d, 0o755)
        files.make(d)
        places = {}
        for row in rows:  # before there are threads: stubs are forked
            home = tempfile.mkdtemp(prefix="home-", dir=d)
            places[id(row)] = home, row.stub and stub.Stub(row.stub, home + "/stub.sock")
        with concurrent.futures.ThreadPoolExecutor(24) as pool:
            # those that wait for a time limit first, so that the others run meanwhile
            waits = sorted(rows, key=lambda r: not re.search(table.WAITS, r.name))
            runs = {id(r): pool.submit(attempt, r, d, *places[id(r)]) for r in waits}
            for i, row in enumerate(rows, 1):
                wrong, argv, out, err, took = runs[id(row)].result()
                skip = row.skip and row.skip()
                if skip:
                    print("ok %d - %s # SKIP %s" % (i, row.name, skip))
                elif wrong:
                    bad += 1
                    print("not ok %d - %s: %s (%.1f s)" % (i, row.name, "; ".join(wrong), took))
                    show(argv, out, err)
                else:
                    print("ok %d - %s%s" % (i, row.name, " (%.1f s)" % took if took > 5 else ""))
                sys.stdout.flush()
                if "-v" in sys.argv:
                    show(argv, out, err)
    finally:
        subprocess.run(["chmod", "-R", "u+rwx", d], stderr=subprocess.DEVNULL)
        shutil.rmtree(d, ignore_errors=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
