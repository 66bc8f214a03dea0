#!/usr/bin/env python3
"""A real stub that writes int3 and keeps a Ctrl-C that comes to a program that stands, as a SIGINT that
would end it: a session with a program behind gdbserver is killed, or told to end, at a drawn moment, most
of them among hits; the program then runs on, and its memory (/proc/PID/mem) holds no int3.
Usage: t_gdbserver.py [ROUNDS]"""
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

XKD = os.path.abspath(os.environ.get("XKD", "./xkd"))
ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 12
SOURCE = """
#include <unistd.h>
volatile unsigned long counter;
__attribute__((noinline)) void work(void) { counter++; }
int main(void) { for (;;) { work(); usleep(1000); } }
"""
if not shutil.which("gdbserver") or not shutil.which("cc"):
    print("1..0 # SKIP no gdbserver or no cc here")
    sys.exit(0)
seed = int(os.environ.get("XKD_SEED") or 1)
print(f"# XKD_SEED={seed}")
random.seed(seed)
folder = tempfile.mkdtemp(prefix="xkd-gdbserver.")
program = os.path.join(folder, "victim")
subprocess.run(["cc", "-g", "-O0", "-no-pie", "-x", "c", "-o", program, "-"], input=SOURCE, text=True, check=True)
HITS = "g; " * 400
names = dict((m[2], int(m[1], 16)) for m in re.finditer(r"^(\w+) \w (\w+)$", subprocess.run(
    ["nm", program], stdout=subprocess.PIPE, text=True, check=True).stdout, re.M))


def memory(pid, addr):
    try:
        with open(f"/proc/{pid}/mem", "rb") as f:
            f.seek(addr)
            return f.read(8)
    except OSError:
        return b""


def counts_on(pid):
    before = memory(pid, names["counter"])
    for _ in range(100):
        time.sleep(0.02)
        if memory(pid, names["counter"]) != before:
            return True
    return False


n = failed = was_in = 0


def ok(cond, name, detail=""):
    global n, failed
    n += 1
    failed += not cond
    print(f"{'ok' if cond else 'not ok'} {n} - {name}", flush=True)
    if not cond:
        print("".join(f"# {line}\n" for line in str(detail).splitlines()[-12:]), end="", flush=True)


for i in range(ROUNDS):
    server = subprocess.Popen(["gdbserver", "127.0.0.1:0", program], stderr=subprocess.PIPE,
                              stdout=subprocess.DEVNULL, text=True)
    said = ""
    while not ((pid := re.search(r"pid = (\d+)", said)) and (port := re.search(r"port (\d+)", said))):
        line = server.stderr.readline()
        if not line:
            print(f"1..0 # SKIP gdbserver does not start: {said[-100:]!r}")
            sys.exit(0)
        said += line
    pid = int(pid[1])
    good = memory(pid, names["work"])
    x = subprocess.Popen([XKD, "-k", f"gdb:127.0.0.1:{port[1]}", "-y", program, "-c",
                          f"bp {names['work']:x}; g; g; t; t; g; g; .echo READY; {HITS} .sleep 0n10000"],
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    while line and "Remote debugging from" not in line:  # before that nobody has stopped anything
        line = server.stderr.readline()
    out = ""
    if i % 4 == 3:  # somewhere
        time.sleep(random.uniform(0.002, 0.1))
    else:  # among hits
        while "READY" not in out and (more := x.stdout.readline()):
            out += more
        time.sleep(random.uniform(0, 0.05))
    was_in += memory(pid, names["work"]) != good
    x.send_signal(signal.SIGTERM if i % 4 == 1 else signal.SIGKILL)
    how = "told to end" if i % 4 == 1 else "killed"
    try:
        out += x.communicate(timeout=60)[0]
    except subprocess.TimeoutExpired:
        x.kill()
        how += ", hangs"
    for _ in range(100):
        if memory(pid, names["work"]) == good:
            break
        time.sleep(0.02)
    ok(memory(pid, names["work"]) == good, f"{how}, {i}: the program's code is its own", out)
    ok(counts_on(pid), f"{how}, {i}: and it runs", out)
    server.kill()
    server.wait()
    try:
        os.kill(pid, 9)
    except OSError:
        pass
ok(was_in, "int3 was in its memory before")
shutil.rmtree(folder, ignore_errors=True)
print(f"1..{n}")
sys.exit(failed != 0)
