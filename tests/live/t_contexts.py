#!/usr/bin/env python3
"""What a CPU is doing: NMI, interrupt, idle; and modules that come and go while attached."""
import re
import threading
import time

from rig import Guest, Tap, answers, mark, xkd

xkd()
tap = Tap()

with Guest("--append", "xkd.novm") as g:
    def nmi():
        time.sleep(2)
        g.qmp("inject-nmi")

    t = threading.Thread(target=nmi, daemon=True)
    t.start()
    status, out = g.xkd(mark(["bp lk!default_do_nmi", "g", "k", "!cpus", "bc *"]), 60)
    t.join()
    _, hit, k, rows, _ = answers(out, 5)
    tap.ok("Breakpoint 0 hit" in hit, "NMI: its handler is hit", out)
    m = re.search(r"\[NMI\]\n", k)
    tap.ok(m and "exc_nmi" in k[:m.start()] and re.search(r"!|\[user\]", k[m.end():]),
           "NMI: the stack crosses to the interrupted code", k)
    tap.ok(re.search(r"^\* +\d+  nmi +off +[0-9a-f]{2}1", rows, re.M), "NMI: !cpus says so, and its count", rows)

    status, out = g.xkd(mark(["bp lk!hrtimer_interrupt", "g", "!cpus", "bc *"]), 60)
    _, hit, rows, _ = answers(out, 4)
    tap.ok(re.search(r"^\* +\d+  irq +off +[0-9a-f]{3}1", rows, re.M), "interrupt: !cpus says so", hit + rows)

    # Most of the time this guest sleeps: the count of the idle task is that of the kernel's headers.
    for _ in range(20):
        status, out = g.xkd("!cpus; q")
        idle = re.findall(r"^[* ] +\d+  idle +on +8000000[01]  [0-9a-f`]{17} +0  swapper/\d", out, re.M)
        if idle:
            break
    tap.ok(idle, "idle: !cpus says so", out)

    before = g.ask("rmmod kvm_amd; cut -d' ' -f1 /proc/modules").split()
    tap.ok("kvm_amd" not in before, "unload: the module is gone", before)

    def load():
        time.sleep(2)
        g.ask("insmod /modules/kvm-amd.ko; rmmod kvm_amd; echo done", 40)

    t = threading.Thread(target=load, daemon=True)
    t.start()
    status, out = g.xkd(mark(["bp kvm_amd!svm_init", "bp kvm_amd!svm_exit", "lm", "g", "lm", "k 2",
                              "u kvm_amd!svm_init L1", "g", "bc *"]), 60)
    t.join()
    a = answers(out, 9)
    tap.ok("waits for its module" in a[0] and "kvm_amd" not in a[2], "load: a breakpoint waits", a[0])
    tap.ok("Breakpoint 0 is set now" in a[3] and "Breakpoint 0 hit" in a[3], "load: it is set and hit", a[3])
    tap.ok(" kvm_amd " in a[4] and "kvm_amd!" in a[5] and "kvm_amd!" in a[6], "load: names follow", a[4] + a[5])
    tap.ok("Breakpoint 1 hit" in a[7], "unload: the exit function is hit", a[7])
    tap.ok(g.goes_on(), "the guest goes on")
tap.done()
