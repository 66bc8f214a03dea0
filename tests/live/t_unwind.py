#!/usr/bin/env python3
"""Stacks where they are hard: in interrupts, softirqs, NMIs, page faults, at a system call's first
instructions, in what probes, the function graph tracer and BPF put between. The guest's own kernel
tells the truth: its stacks at probes on the same functions, and /proc/PID/stack."""
import re
import socket

from rig import ADDR, Guest, Tap, answers, mark, show, xkd

xkd()
tap = Tap()
TRACE = "/sys/kernel/debug/tracing"
HITS = 6

ROW = re.compile(rf"^(?:[0-9a-f]{{2}} )?(?:(\(Inline Function\))|({ADDR})) +(?:{ADDR}|-+`-+)? +"
                 r"(?:([\w-]+)!([\w.]+)|[0-9a-f]+`[0-9a-f]+)?(?:\+0x([0-9a-f]+))?.*?(?:\[([^\]@]*)\])?(?: \(\w+\))?$", re.M)


def base(name):
    name = name.removesuffix("_after_hwframe").removesuffix("_safe_stack")
    name = re.sub(r"^asm_call_(irq_|sysvec_)?on_stack$", "asm_call_on_stack", name)  # one place
    return re.sub(r"\.(isra|constprop|part|cold|llvm)\b.*", "", name)


def rows(text):
    """[(function or None, note)] of k's real frames, innermost first."""
    return [(m[4] and base(m[4]), m[6] or "") for m in ROW.finditer(text) if not m[1]]


def chain(text):
    return tuple(n for n, note in rows(text) if n)


def whole(text):
    """Does the stack end where stacks end, without a guess on the way?"""
    r = rows(text)
    return bool(r) and "ends here" not in text and not any("guess" in n for _, n in r) and \
        r[-1][1].split("; ")[-1] in ("user", "end")


def first_part(names):
    """Up to and with the entry code through which the innermost interrupt or exception came."""
    out = []
    for n in names:
        out.append(n)
        if n != "asm_call_on_stack" and n.startswith(("asm_", "entry_", "ret_from_intr",
                                                      "apic_timer_interrupt", "common_interrupt")):
            break
    return tuple(out)


def guest_chains(g, where):
    """The distinct call chains that a probe in the guest sees at the function where."""
    g.ask(f"cd {TRACE} && echo 0 >tracing_on; echo >trace; echo 'p:xkd {where}' >kprobe_events && "
          "echo stacktrace >events/kprobes/xkd/trigger && echo 1 >events/kprobes/xkd/enable && "
          "echo 1 >tracing_on; sleep 2; echo 0 >tracing_on; echo 0 >events/kprobes/xkd/enable", 60)
    text = g.ask(f"head -c 60000 {TRACE}/trace; cd {TRACE}; echo '!stacktrace' >events/kprobes/xkd/trigger; "
                 "echo >kprobe_events; echo >trace; echo 1 >tracing_on", 60)
    chains = set()
    parts = re.findall(r"<stack trace>\n((?: *=> .*\n)+)", text)
    for part in parts[:-1] if len(text) >= 60000 else parts:
        names = [base(re.sub(r"[+/ ].*", "", l.split("=> ")[1])) for l in part.splitlines()]
        if where in names:
            chains.add(tuple(names[names.index(where):]))
    return chains


def monitor(g, command):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(10)
        s.connect(g.dir + "/mon.sock")
        s.recv(4096)
        s.sendall(command.encode() + b"\n")
        s.recv(4096)


def against_guest(g, where, what, must=None):
    """k at a function, hit by hit, against the guest's own chains there."""
    status, out = g.xkd(mark([f"bp {where}"] + ["g", "k"] * HITS + ["bc *"]), 120)
    tap.ok(status == 0, f"{what}: {HITS} stops") or tap.note(out[-1500:])
    parts = answers(out, 1 + 2 * HITS)[2::2]
    bad = [p for p in parts if not whole(p)]
    tap.ok(not bad, f"{what}: every stack is whole", bad and bad[0])
    if must:
        tap.ok(all(re.search(must, p) for p in parts), f"{what}: {must}", parts[0])
    g.recover()
    name = where.split("!")[-1]
    return name, parts


def judge(g, name, parts, what):
    want = guest_chains(g, name)
    tap.ok(want, f"{what}: the guest tells chains of {name}")
    heads = {first_part(w) for w in want}
    bad = [p for p in parts if first_part(chain(p)) not in heads]
    tap.ok(not bad, f"{what}: up to the entry as the guest's own kernel has it",
           bad and bad[0] + "\n" + "\n".join(map(str, heads)))
    same = [p for p in parts if chain(p) in want]
    tap.note(f"{what}: {len(same)} of {len(parts)} are among the guest's {len(want)} whole chains")
    return want


with Guest("--smp", "1", "--timeout", "300") as g:
    g.ask("/bpf >/dev/null 2>&1 & while :; do cat /proc/self/maps >/dev/null; usleep 20000; done >/dev/null 2>&1 &")
    seen = []
    for where, what, must in (
            ("lk!update_process_times", "timer interrupt", r"\[interrupt (apic_timer|sysvec)[^\]]*\]"),
            ("lk!rcu_core", "softirq", None),
            ("lk!handle_mm_fault", "page fault", None),
            ("lk!do_exit", "exit", r"\[system call exit_group \(231\)\]"),
            ("lk!bpf_ktime_get_ns", "BPF program", r"bpf!bpf_prog_[0-9a-f]{16}_xkd_filter\+0x")):
        seen.append((what, *against_guest(g, where, what, must)))
    faults = next(p for w, n, p in seen if w == "page fault")
    tap.ok(any("[exception #PF]" in p for p in faults), "page faults are called so", faults[0])

    # The system call's entry: no table covers its first instructions.
    status, out = g.xkd(mark(["ba e1 lk!entry_SYSCALL_64", "g", "k", "r rcx", "t", "t", "k", "t 8", "k",
                              "bc *"]), 60)
    a = answers(out, 10)
    rcx = re.search(r"rcx=([0-9a-f]+)", a[3])
    for part, what in ((a[2], "first instruction"), (a[6], "third"), (a[8], "some more")):
        user = rows(part)
        tap.ok(whole(part) and rcx and f"{rcx[1][:8]}`{rcx[1][8:]} [user]" in part,
               f"system call entry, {what}: user space is next", part + a[3])
    g.recover()

    # A line's interrupt, and an NMI: told by name.
    status, out = g.xkd(mark(["bp lk!serial8250_interrupt", "g", "k", "bc *"]), 60)
    a = answers(out, 4)
    tap.ok(whole(a[2]) and re.search(r"common_interrupt\S*.*\[interrupt 4 ttyS0\]", a[2]),
           "a device's interrupt, by number and name", a[2])
    g.recover()
    status, out = g.xkd(mark(["bp lk!default_do_nmi", ".monitor nmi", "g", "k", "bc *"]), 60)
    a = answers(out, 5)
    tap.ok(whole(a[3]) and "[NMI]" in a[3], "an NMI", out[-1500:])
    g.recover()

    # Probes: what sleeps under them, and inside their trampolines.
    # Without them the same sleep has the same stack, which the guest's kernel can tell whatever its
    # unwinder makes of trampolines.
    plain = int(g.ask("sleep 100000 >/dev/null 2>&1 & echo $!; sleep 0.5", 60).split()[0])
    want = [m[1] for m in re.finditer(r"\] (\S+?)/0x", g.ask(f"cat /proc/{plain}/stack", 60))]
    g.ask(f"cd {TRACE}; echo 'r100:xr hrtimer_nanosleep' >kprobe_events; echo 1 >events/kprobes/enable", 60)
    fgraph = "function_graph" in g.ask(f"cat {TRACE}/available_tracers")
    if fgraph:
        g.ask(f"cd {TRACE}; echo do_nanosleep common_nsleep >set_ftrace_filter; "
              "echo function_graph >current_tracer", 60)
    pid = int(g.ask("sleep 100001 >/dev/null 2>&1 & echo $!; sleep 0.5", 60).split()[0])
    status, out = g.xkd(mark([f".task {pid}", "kL", "bp lk!do_nanosleep", "g", "k", "bc *",
                              "bp lk!kretprobe_dispatcher", "g", "k", "bc *"] +
                             (["bp lk!ftrace_return_to_handler", "g", "k", "bc *"] if fgraph else [])), 120)
    a = answers(out, 14)
    mine = re.findall(r"lk!(\S+\+0x[0-9a-f]+)", a[1])
    tap.ok(len(want) > 4 and mine[-len(want):] == want and whole(a[1]),
           "asleep under a return probe and the function graph tracer: as /proc has it", f"{a[1]}\n{want}")
    tap.ok("[returns through a return probe]" in a[1], "the return probe is told", a[1])
    tap.ok(whole(a[4]) and "entry_SYSCALL_64" in a[4], "under them, awake", a[4])
    tap.ok(whole(a[8]) and "trampoline" in a[8] and "entry_SYSCALL_64" in a[8], "in the return probe's handler",
           a[8])
    if fgraph:
        tap.ok("[returns through the function graph tracer" in a[1], "the tracer is told", a[1])
        tap.ok(whole(a[12]) and "return_to_handler" in a[12], "in the tracer's handler", a[12])
    else:
        tap.skip("the function graph tracer", "this kernel has none")
    g.recover()
    g.ask(f"cd {TRACE}; echo nop >current_tracer; echo >set_ftrace_filter; echo 0 >events/kprobes/enable; "
          "echo >kprobe_events", 60)
    tap.ok(g.goes_on(20), "the guest goes on")

    for what, name, parts in seen:
        judge(g, name, parts, what)
    tap.ok(g.goes_on(20), "the guest goes on after its own probes")

    has_mce = g.ask("grep -w do_machine_check /proc/kallsyms")
    # The exceptions that kernels do not survive. A push where no stack is makes #DF of its #PF.
    nowhere = 0xffff900000000008
    status, out = g.xkd(mark(["bp lk!__x64_sys_openat", "g", "k 1", "bc *", "bp lk!exc_double_fault", f"r rsp={nowhere:x}", "g",
                              "k"]), 60)
    a = answers(out, 8)
    names = rows(a[7])
    tap.ok([n for n, _ in names] == ["exc_double_fault", "asm_exc_double_fault", "__x64_sys_openat"] and
           names[1][1] == "exception #DF" and f"{show(nowhere)} cannot be read" in a[7],
           "a double fault: to where the stack is none, and why it ends", a[7])

if has_mce:
    with Guest("--smp", "1", "--append", "xkd.novm") as g:
        status, out = g.xkd(mark(["bp lk!do_machine_check", ".monitor mce 0 1 0xb200000000000000 5 0 0", "g", "k", "bc *"]), 60)
        a = answers(out, 4)
        tap.ok(whole(a[3]) and "[exception #MC]" in a[3], "a machine check", out[-1500:])
else:
    tap.skip("a machine check", "this kernel has none")
tap.done()
