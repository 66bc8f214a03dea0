#!/usr/bin/env python3
"""The console on a real terminal (tmux): Tab, the pager, colours. Files alone are looked into: a
program made here. With XKD_TMUX_GUEST (a rig's folder) a live guest as well."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

XKD = os.path.abspath(os.environ.get("XKD", "./xkd"))
SOURCE = """
struct inner_thing { int first_member; long second_member; };
struct outer_thing { struct inner_thing in_side; struct outer_thing *next_outer; char tail[8]; };
struct outer_thing a_global_thing;
int a_function_of_ours(int x) { return x + (int)a_global_thing.in_side.second_member; }
int main(void) { return a_function_of_ours(1); }
"""
n = failed = 0


def ok(cond, name, detail=""):
    global n, failed
    n += 1
    print(f"{'ok' if cond else 'not ok'} {n} - {name}", flush=True)
    if not cond:
        failed += 1
        for line in str(detail).splitlines()[-14:]:
            print(f"# {line}")


class Screen:
    """xkd in a terminal of 100 by 24."""

    def __init__(self, folder, *args, env=()):
        self.tmux = ["tmux", "-f", "/dev/null", "-S", tempfile.mktemp("", "tmux.", folder)]
        # libedit keeps two strings of its own to the end: that is no leak of ours
        command = ["env", f"HOME={folder}", f"XDG_STATE_HOME={folder}", "ASAN_OPTIONS=detect_leaks=0",
                   *env, XKD, *args]
        self.run("new-session", "-d", "-x", "100", "-y", "24", " ".join(map(quote, command)) +
                 "; echo status $?; sleep 100")
        self.wait(r"kd> *$")

    def run(self, *args):
        return subprocess.run(self.tmux + list(args), stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True, check=False).stdout

    def text(self, escapes=False):
        return self.run("capture-pane", "-p", *(["-e"] if escapes else [])).rstrip()

    def keys(self, *keys):
        self.run("send-keys", *keys)

    def type(self, text):
        self.run("send-keys", "-l", text)

    def wait(self, pattern, seconds=30):
        """The screen once its end matches; else as it is after that time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            text = self.text()
            if re.search(pattern, text):
                return text
            time.sleep(0.05)
        return self.text()

    def tab(self, text, pattern):
        """Types a beginning and Tab on a fresh line."""
        self.keys("C-u")
        self.type(text)
        self.keys("Tab")
        got = self.wait(pattern)
        ok(re.search(pattern, got), f"{text}<Tab>", got)

    def line(self, text, pattern):
        self.keys("C-u")
        self.type(text)
        self.keys("Enter")
        return self.wait(pattern)

    def close(self):
        self.run("kill-server")


def quote(s):
    return "'" + s.replace("'", "'\\''") + "'"


def completion(folder, program):
    s = Screen(folder, "-z", program)
    s.tab(".logo", r"kd> \.logopen *$")
    s.tab("~0 .logc", r"kd> ~0 \.logclose *$")
    s.tab("k; .logc", r"kd> k; \.logclose *$")
    s.tab("dt outer_th", r"kd> dt outer_thing *$")
    s.tab("dt outer_thing in_side.sec", r"kd> dt outer_thing in_side\.second_member *$")
    s.tab("dt outer_thing next_outer.ta", r"kd> dt outer_thing next_outer\.tail *$")
    s.tab("?? a_global_thing.in_side.fi", r"kd> \?\? a_global_thing\.in_side\.first_member *$")
    s.tab("?? a_global_thing.next_outer->ta", r"kd> \?\? a_global_thing\.next_outer->tail *$")
    s.tab("?? sizeof(struct outer_thing) + a_global_thing.ta", r"\+ a_global_thing\.tail *$")
    s.tab("u a_function_of", r"kd> u a_function_of_ours *$")
    s.tab(".help .logo", r"kd> \.help \.logopen *$")
    s.tab("dt -", r"-a .*-v")
    s.tab("ln @$thr", r"kd> ln @\$thread *$")
    s.tab(f".logopen {folder}/unique-na", r"unique-name\.txt *$")
    s.tab(f".logopen {folder}/a-fold", r"a-folder/$")
    s.tab("?? nonsense_there.x", r"kd> \?\? nonsense_there\.x *$")
    s.keys("C-u")
    ok("status 0" in s.line("q", r"status \d+"), "q leaves with status 0")
    s.close()


def pager(folder, program):
    s = Screen(folder, "-z", program, env=("PAGER=less -FRX",))
    got = s.line(".help", r"\n:$")
    ok(re.search(r"^Stacks$", got, re.M) and got.endswith(":"), "long output waits in the pager", got)
    s.keys("q")
    got = s.wait(r"kd> *$")
    ok("error" not in got and got.endswith("kd>"), "leaving the pager gives the prompt, no error", got)
    got = s.line(".echo short", r"\nshort\n.*kd> *$")
    ok("short" in got, "short output is not paged", got)
    got = s.line(".pager off", r"not paged\n.*kd> *$")
    got = s.line(".help", r"joins\s+commands\.\n.*kd> *$")
    ok(got.endswith("kd>"), ".pager off", got[-300:])
    s.line(".pager on", r"is paged\n.*kd> *$")
    got = s.line(".help | less", r"\n(:|\(END\))$")
    ok(got.endswith(":"), "COMMAND | less", got)
    s.keys("q")
    s.wait(r"kd> *$")
    got = s.line(".help | wc -l", r"\n *\d+\n.*kd> *$")
    ok(re.search(r"\n *\d+\n", got), "COMMAND | wc -l", got)
    s.close()


def colours(folder, program):
    for env, wanted in (((), True), (("NO_COLOR=1",), False), (("TERM=dumb",), False)):
        s = Screen(folder, "-z", program, env=env + ("PAGER=cat",))
        s.line("ln a_function_of_ours", r"a_function_of_ours.*\n.*kd> *$")
        text = s.text(escapes=True)
        ok(("\033[" in text) == wanted, f"{env or 'a terminal'}: {'' if wanted else 'no '}colours",
           repr(text[-300:]))
        s.close()
    out = subprocess.run([XKD, "-z", program, "-b", "-c", "ln a_function_of_ours"],
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False).stdout
    ok(b"\033" not in out, "no terminal: no colours", out)


def guest(folder, rig):
    s = Screen(folder, "-k", open(os.path.join(rig, "target")).read().strip(), "-y",
               os.environ["XKD_KERNEL"])
    s.tab("dt kvm!kvm_io_b", r"kd> dt kvm!kvm_io_bus")
    s.tab("?? ((struct task_struct *)@$thread)->real_p", r"->real_parent *$")
    got = s.line("ps", r"\n:$")
    ok(got.endswith(":"), "ps is paged", got)
    s.keys("q")
    s.wait(r"kd> *$")
    s.line("q", r"status 0")
    s.close()


def main():
    for tool in ("tmux", "less", "gcc"):
        if not shutil.which(tool):
            print(f"1..0 # SKIP no {tool} here")
            sys.exit(0)
    with tempfile.TemporaryDirectory(prefix="xkd-console.") as folder:
        program = os.path.join(folder, "program")
        with open(program + ".c", "w") as f:
            f.write(SOURCE)
        subprocess.run(["gcc", "-g", "-O0", "-o", program, program + ".c"], check=True)
        open(os.path.join(folder, "unique-name.txt"), "w").close()
        os.mkdir(os.path.join(folder, "a-folder"))
        try:
            completion(folder, program)
            pager(folder, program)
            colours(folder, program)
            if os.environ.get("XKD_TMUX_GUEST"):
                guest(folder, os.environ["XKD_TMUX_GUEST"])
        finally:
            for name in os.listdir(folder):
                if name.startswith("tmux."):
                    subprocess.run(["tmux", "-S", os.path.join(folder, name), "kill-server"],
                                   check=False, stderr=subprocess.DEVNULL)
    print(f"1..{n}")
    sys.exit(1 if failed else 0)


main()
