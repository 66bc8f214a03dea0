#!/usr/bin/env python3
"""Walkers of the kernel's containers: what they find in a stopped guest is what drgn finds in a dump
of the same moment, and a process's VMAs are what /proc/PID/maps said."""
import json
import os
import re
import socket
import subprocess

from rig import Guest, Tap, answers, mark, skip_all, vmlinux, xkd

DRGN = r"""
import json, sys
from drgn import MissingDebugInfoError, Program
from drgn.helpers.linux.cpumask import for_each_online_cpu
from drgn.helpers.linux.idr import idr_for_each
from drgn.helpers.linux.list import hlist_for_each, list_for_each_entry
from drgn.helpers.linux.percpu import per_cpu
from drgn.helpers.linux.pid import find_task
from drgn.helpers.linux.rbtree import rbtree_inorder_for_each
from drgn.helpers.linux.xarray import xa_for_each

p = Program()
p.set_core_dump(sys.argv[1])
try:
    p.load_debug_info(sys.argv[2:])
except MissingDebugInfoError:
    pass  # of modules, which nothing here needs
init = find_task(p, 1)
out = {}

def say(name, head, found):
    out[name] = [int(head), [[int(x) for x in (f if isinstance(f, tuple) else (f,))] for f in found]]

tasks = p["init_task"].tasks
say("tasks", tasks.address_of_(), list_for_each_entry("struct task_struct", tasks.address_of_(), "tasks"))
say("modules", p["modules"].address_of_(), list_for_each_entry("struct module", p["modules"].address_of_(),
                                                               "list"))
say("vmap", p["vmap_area_root"].address_of_() if "vmap_area_root" in p else 0,
    rbtree_inorder_for_each(p["vmap_area_root"].address_of_()) if "vmap_area_root" in p else [])
cpu = next(for_each_online_cpu(p))
base = per_cpu(p["hrtimer_bases"], cpu).clock_base[0].active
say("hrtimers", base.address_of_(), rbtree_inorder_for_each(base.rb_root.rb_root.address_of_()
    if hasattr(base, "rb_root") else base.head.address_of_()))
say("pids", p["init_pid_ns"].idr.address_of_(), idr_for_each(p["init_pid_ns"].idr.address_of_()))
pages = init.mm.exe_file.f_mapping.i_pages
say("pages", pages.address_of_(), xa_for_each(pages.address_of_()))
pid = init.thread_pid
say("pid1", pid.tasks[0].address_of_(), hlist_for_each(pid.tasks[0].address_of_()))
say("mm", init.mm, [])
json.dump(out, sys.stdout)
"""
DRGN_PYTHON = "/usr/bin/python3"

xkd()
if subprocess.run([DRGN_PYTHON, "-c", "import drgn"], stderr=subprocess.DEVNULL).returncode:
    skip_all("no drgn here (package python3-drgn)")
tap = Tap()


def numbers(text):
    """The rows of a walk as numbers: the index or the range where there is one, the address."""
    rows = []
    for line in text.splitlines():
        m = re.match(r"^(?: *([0-9a-f]+)  |([0-9a-f`]{17})-([0-9a-f`]{17})  )?"
                     r"([0-9a-f]{8}`[0-9a-f]{8})$", line)
        if m:
            rows.append([int(x.replace("`", ""), 16) for x in m.groups() if x])
    return rows


def drgn(dump, kernel):
    p = subprocess.run([DRGN_PYTHON, "-c", DRGN, dump, vmlinux(kernel)], stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, text=True, timeout=120)
    if p.returncode:
        tap.ok(False, "drgn answers", p.stderr)
        tap.done()
    return json.loads(p.stdout)


def qmp(g, *commands):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(60)
        s.connect(os.path.join(g.dir, "qmp.sock"))
        f = s.makefile("rw")
        f.readline()
        for c in ({"execute": "qmp_capabilities"}, *commands):
            f.write(json.dumps(c) + "\n")
            f.flush()
            while "return" not in (answer := json.loads(f.readline())):
                if "error" in answer:
                    raise OSError(answer["error"])


with Guest("--append", "xkd.pause=100000") as g:
    maps = [[int(x, 16) for x in m.groups()] for m in
            re.finditer(r"^([0-9a-f]+)-([0-9a-f]+) .*$", g.ask("cat /proc/1/maps"), re.M)]
    dump = os.path.join(g.dir, "dump")
    qmp(g, {"execute": "stop"}, {"execute": "dump-guest-memory",
                                 "arguments": {"paging": True, "protocol": "file:" + dump}})
    want = drgn(dump, g.kernel)
    os.unlink(dump)
    mm = want["mm"][0]
    status, out = g.xkd(mark([
        f"!list -t task_struct.tasks {want['tasks'][0]:#x}",
        f"!list -t module.list {want['modules'][0]:#x}",
        f"!rbtree {want['vmap'][0]:#x}",
        f"!rbtree {want['hrtimers'][0]:#x}",
        f"!xarray {want['pids'][0]:#x}",
        f"!xarray {want['pages'][0]:#x}",
        f"!hlist {want['pid1'][0]:#x}",
        f"!maple ((struct mm_struct*){mm:#x})->mm_mt",
        f"!rbtree -t vm_area_struct.vm_rb ((struct mm_struct*){mm:#x})->mm_rb vm_start vm_end",
        "!list -t task_struct.tasks -p init_task.tasks",
        "!list -t task_struct.tasks -r init_task.tasks",
        "!list -t task_struct.tasks -c init_task",
        "!list -t task_struct.tasks init_task.tasks pid comm",
        "!list -t task_struct.tasks -x \"? by(@$extret)\" -m 3 init_task.tasks",
        "!list init_task.comm", "!list 0", "!rbtree lk!modules", "!hlist init_task.tasks",
        "list task_struct.tasks -h lk!init_task -s task_struct.pid",
        "tree -t xarray " + hex(want["pages"][0]),
        "?? runqueues.cpu", "~1s", "?? runqueues.cpu", "?? per_cpu(runqueues, 0).cpu",
        "dt rq lk!runqueues cpu", "?? per_cpu_ptr(&runqueues, 1)->cpu", "? lk!runqueues",
        ".foreach (m {!list -p -t module.list lk!modules}) {?? ((struct module *)m)->name}",
        f".foreach (n {{!rbtree -p {want['vmap'][0]:#x}}}) {{? n}}",
        ".foreach (i {!xarray -p init_pid_ns.idr}) {? i}",
    ]))
    tap.ok(status is not None, "xkd ends") or tap.note(out[-2000:])
    a = answers(out, 30)
    for i, name in enumerate(("tasks", "modules", "vmap", "hrtimers", "pids", "pages", "pid1")):
        if name == "vmap" and not want[name][0]:
            tap.skip("vmap", "this kernel has no vmap_area_root")
            continue
        ok = tap.ok(numbers(a[i]) == want[name][1] and (len(want[name][1]) > 0 or "0 entries" in a[i]),
                    f"{name}: the {len(want[name][1])} entries that drgn finds")
        if not ok:
            tap.note(a[i][:600])
            tap.note(str(want[name][1][:8]))
    tap.ok(len(want["tasks"][1]) > 20 and len(want["pages"][1]) > 20, "that is not nothing")
    # [vvar] and [vdso] are VMAs, [vsyscall] is none
    maps = [m for m in maps if m[0] < 1 << 63]
    if "no maple trees" in a[7] or "no member mm_mt" in a[7]:
        rows = [[int(x.replace("`", ""), 16) for x in m] for m in
                re.findall(r"vm_start : 0x([0-9a-f`]+)  vm_end : 0x([0-9a-f`]+)", a[8])]
        tap.equal(rows, maps, "init's VMAs by mm_rb")
    else:
        tap.equal([[f, l + 1] for f, l, _ in numbers(a[7])], maps, "init's VMAs by the maple tree")
    tasks = [x[0] for x in want["tasks"][1]]
    tap.equal([x[0] for x in numbers(a[9])], tasks, "-p: the same")
    tap.ok("entries" not in a[9], "... and nothing else", a[9][-200:])
    tap.equal([x[0] for x in numbers(a[10])], tasks[::-1], "-r: backwards")
    tap.ok(a[11].strip() == f"{len(tasks) + 1} entries", "-c of an object in the ring counts it too", a[11])
    tap.ok(re.search(r"^[0-9a-f`]+  pid : 0n1  comm : \"init\"$", a[12], re.M), "members in a row", a[12][:300])
    tap.equal(a[13].count("Evaluate expression"), 3, "-x runs the command for as many as -m says")
    tap.ok("error" in a[14] or "entr" in a[14], "what is no list", a[14])
    tap.ok("cannot be read" in a[15], "an address that is not there", a[15])
    tap.ok("!list walks it" in a[16], "a list is no tree", a[16])
    tap.ok("!list walks it" in a[17], "a list is no hlist", a[17])
    tap.equal(len(re.findall(r"pid : 0n\d+$", a[18], re.M)), len(tasks) + 1, "crash's list")
    tap.equal(numbers(a[19]), want["pages"][1], "crash's tree")
    tap.ok("of CPU 0" in a[20] and "int 0n0" in a[20] and "of CPU 1" in a[22] and "int 0n1" in a[22],
           "a per-CPU variable is the CPU's", a[20] + a[22])
    tap.ok("int 0n0" in a[23] and "int 0n1" in a[25], "... or another's when asked", a[23] + a[25])
    tap.ok(re.search(r"of CPU 1 @ .*\n   \+0x[0-9a-f]+ cpu +: 0n1$", a[24], re.M), "dt of its symbol", a[24])
    named = re.findall(r'"(\w+)"', a[27])
    tap.equal(named, [l.split()[0] for l in g.ask("cat /proc/modules").splitlines()],
              ".foreach over !list -p: the modules of /proc/modules") or tap.note(a[27])
    tap.equal([int(x.replace("`", ""), 16) for x in re.findall(r"= ([0-9a-f`]+)$", a[28], re.M)],
              [x[0] for x in want["vmap"][1]], ".foreach over !rbtree -p: the objects of the walk")
    tap.ok(len(re.findall(r"= ([0-9a-f`]+)$", a[29], re.M)) > len(tasks) // 2, ".foreach over !xarray -p", a[29][:300])
tap.done()
