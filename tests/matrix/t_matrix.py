#!/usr/bin/env python3
"""Debug info of many compilers: names as nm, members as gdb, parameters as gdb, lines and inlined
functions as addr2line. TAP on standard output.

usage: t_matrix.py [--all] [--write FILE]
  (nothing)      a sample: gcc and clang as installed, DWARF 4 and 5
  --all          every gcc-N and clang-N on the PATH, and those unpacked below
                 ${XKD_CACHE:-~/.cache/xkd}/compilers/*/bin (tools/compilers); all options
  --write FILE   the results as a table
"""
import contextlib, glob, io, multiprocessing, os, re, shutil, subprocess, sys, tempfile

XKD = os.path.abspath(os.environ.get("XKD", "./xkd"))
HERE = os.path.dirname(os.path.abspath(__file__))
ALL = "--all" in sys.argv
TYPES = ("bits", "anon", "ops", "node", "tight")
FUNCS = ("first", "second", "fails", "setup")
JOBS = int(os.environ.get("JOBS", "2"))  # compilers at a time
n = 0
table = {}
OUT = os.path.abspath(sys.argv[sys.argv.index("--write") + 1]) if "--write" in sys.argv else None


def ok(cond, name, why=""):
    global n
    n += 1
    print(("ok" if cond else "not ok"), n, "-", name)
    if not cond:
        for l in str(why).split("\n")[:30]:
            print("#", l)
    sys.stdout.flush()
    return cond


def skip(name, why):
    global n
    n += 1
    print("ok %d - %s # SKIP %s" % (n, name, why.strip().split("\n")[0][:120]))


def run(*argv, stdin=None, env=None):
    p = subprocess.run(argv, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, env=env)
    return p.returncode, p.stdout.decode(errors="replace"), p.stderr.decode(errors="replace")


def compilers():
    """(name, path)"""
    if not ALL:
        return [(c, shutil.which(c)) for c in ("gcc", "clang") if shutil.which(c)]
    found = {}
    cache = os.environ.get("XKD_CACHE", os.path.expanduser("~/.cache/xkd"))
    dirs = os.environ.get("PATH", "").split(":") + sorted(glob.glob(cache + "/compilers/*/bin"))
    for d in dirs:
        for p in glob.glob(d + "/gcc-[0-9]*") + glob.glob(d + "/clang-[0-9]*"):
            name = os.path.basename(p)
            if re.fullmatch(r"(gcc|clang)-\d+", name):
                found.setdefault(name, p)
    return sorted(found.items(), key=lambda k: (k[0].split("-")[0], int(k[0].split("-")[1])))


GDB = r"""
import gdb
def walk(t, base):
    for f in t.fields():
        if not hasattr(f, "bitpos"):
            continue
        if f.name:
            print("M", f.name, base + f.bitpos, f.bitsize)
        else:
            walk(f.type.strip_typedefs(), base + f.bitpos)
for name in NAMES:
    t = gdb.lookup_type("struct " + name)
    print("T", name, t.sizeof)
    walk(t, 0)
"""


def gdb_types(path):
    """{type: (size, {(member, first bit, bits of a bit-field)})}; None: this gdb cannot."""
    with open("types.py", "w") as f:
        f.write(GDB.replace("NAMES", repr(TYPES)))
    res = {}
    for l in run("gdb", "-nx", "-batch", "-ex", "source types.py", path)[1].splitlines():
        p = l.split()
        if p and p[0] == "T":
            res[p[1]] = (int(p[2]), set())
            last = p[1]
        elif p and p[0] == "M":
            res[last][1].add((p[1], int(p[2]), int(p[3])))
    return res if set(res) == set(TYPES) else None


def members(text):
    """What dt says: the same, bits counted from the storage unit."""
    got = set()
    for m in re.finditer(r"^   \+0x([0-9a-f]+) (\w+)\s*:(?: Pos (\d+), (\d+) Bit)?", text, re.M):
        got.add((m[2], int(m[1], 16), int(m[3] or 0), int(m[4] or 0)))
    return got


def flat(s):
    """Storage units differ between tools, bits do not."""
    return {(name, off * 8 + bit, bits) for name, off, bit, bits in s}


def squeeze(s):
    s = re.sub(r"\b(long|short)( unsigned)? int\b", r"\1\2", re.sub(r"\s+", " ", s))
    return re.sub(r"\s*([*(),])\s*", r"\1", s).strip()


def symbols(path):
    """{name: [(addr, size, kind)]}"""
    r = {}
    for l in run("nm", "-S", path)[1].splitlines():
        p = l.split()
        if len(p) == 4:
            r.setdefault(p[3], []).append((int(p[0], 16), int(p[1], 16), p[2]))
    return r


def kd(a):
    return "%08x`%08x" % (a >> 32, a & 0xffffffff)


def instructions(path, start, size):
    out = run("objdump", "-d", "--start-address=%d" % start, "--stop-address=%d" % (start + size), path)[1]
    return [int(m[1], 16) for m in re.finditer(r"^\s*([0-9a-f]+):\t", out, re.M)]


LLVM = next((p for p in sorted(glob.glob("/usr/bin/llvm-symbolizer*"), reverse=True)), None)


def addr2line(path, addrs, clang):
    """Chains of (function, file, line), innermost first. binutils finds no inlined function in clang's
    DWARF 5: LLVM's own reader is asked there."""
    if clang and LLVM:
        cmd = [LLVM, "--output-style=GNU", "--no-demangle", "-e", path, "-a", "-f", "-i"]
    else:
        cmd = ["addr2line", "-e", path, "-afi"]
    out, chains = run(*cmd, *["0x%x" % a for a in addrs])[1].splitlines(), []
    i = 0
    while i < len(out):
        if out[i].startswith("0x"):
            chains.append([])
            i += 1
            continue
        f, no = re.sub(r" \(disc.*", "", out[i + 1]).rsplit(":", 1)
        chains[-1].append((out[i], os.path.basename(f), int(no) if no.isdigit() else 0))
        i += 2
    return chains


def check_names(path, syms):
    cmds = "; ".join("x lk!" + s for s in sorted(syms))
    out = run(XKD, "-z", path, "-c", cmds + "; q")[1]
    return [s for s in syms for a, _, _ in syms[s] if kd(a) + " " not in out], out


def check_lines(path, syms, inlines, clang, truth):
    """truth: the file to ask others about; what dwz has made they read in part."""
    text, want = [], []
    for f in syms:
        if len(syms[f]) != 1 or syms[f][0][2] not in "tT":
            continue
        start, size, _ = syms[f][0]
        addrs = instructions(path, start, size)
        for a, chain in zip(addrs, addr2line(truth, addrs, clang)):
            if LLVM and any(p == "<artificial>" for _, p, _ in chain):
                # DWARF 5's line programs begin with file 1; binutils takes 0, which link-time optimization
                # names so. gdb, readelf and LLVM take 1.
                chain = addr2line(truth, [a], True)[0]
            l = "[    1.50] RIP: 0010:%s+0x%x/0x%x" % (f, a - start, size)
            text.append(l)
            pre = "[    1.50] "
            if inlines:
                want += ["%s%s (inline) [%s%s]" % (pre, fn, p, " @ %d" % no if no else "") for fn, p, no in chain[:-1]]
                last = chain[-1]
            else:
                last = chain[0]
            want.append(("%s [%s @ %d]" % (l, last[1], last[2]), "%s [%s]" % (l, last[1])) if last[2] else
                        ("%s [%s]" % (l, last[1]), l))
    out = run(XKD, "symbolize", "-z", path, "-", stdin="\n".join(text).encode() + b"\n")[1].splitlines()
    if not inlines:
        out = [l for l in out if "(inline)" not in l]
    bad = []
    for i, w in enumerate(want):
        o = re.sub(r"\[(\S*/)", "[", out[i]) if i < len(out) else "(nothing)"
        if o != w and o not in w:
            bad.append("xkd: %s\nwant: %s" % (o, w))
    return bad, len(text)


def check_types(path):
    want = gdb_types(path)
    if want is None:
        return None, ""
    out = run(XKD, "-z", path, "-c", "; ".join(".echo @@; dt -v %s; ?? sizeof(struct %s)" % (t, t) for t in TYPES) + "; q")[1]
    bad = []
    for t, part in zip(TYPES, out.split("@@\n")[1:]):
        size = re.search(r"0x([0-9a-f]+) bytes", part)
        got = flat(members(part))
        if not size or int(size[1], 16) != want[t][0] or got != want[t][1]:
            bad.append("%s: xkd only %s, gdb only %s\n%s" % (t, got - want[t][1], want[t][1] - got, part[:600]))
    return bad, out


def check_params(path):
    rc, out, err = run("gdb", "-nx", "-batch", *sum([["-ex", "whatis " + f] for f in FUNCS], []), path)
    want = [squeeze(l[7:]) for l in out.splitlines() if l.startswith("type = ")]
    if len(want) != len(FUNCS):
        return None, out + err
    out = run(XKD, "-z", path, "-c", "; ".join("x /t lk!" + f for f in FUNCS) + "; q")[1]
    bad = []
    for f, w in zip(FUNCS, want):
        m = re.search(r"^[0-9a-f`]+ (.*?)\s*lk!%s(\(.*\))" % f, out, re.M)
        got = squeeze(m[1] + m[2]) if m else "nothing"
        if got != w:
            bad.append("%s: xkd %s, gdb %s" % (f, got, w))
    return bad, out


FLAGS = ["-ffreestanding", "-fno-stack-protector", "-fcf-protection=none", "-mcmodel=kernel", "-fno-pic",
         "-fno-asynchronous-unwind-tables", "-mno-sse", "-w"]
LINK = ["-nostdlib", "-static", "-no-pie", "-Wl,-Ttext-segment=0xffffffff81000000,-z,max-page-size=4096,--build-id"]


def compile(cc, flags, out):
    """None, or why not. A clang that was unpacked cannot call a linker: the machine's compiler links."""
    name, path = cc
    src = [HERE + "/one.c", HERE + "/two.c"]
    steps = [[path, *flags, *FLAGS, *LINK, *src, "-o", out]]
    if name.startswith("clang"):
        objs = ["one.o", "two.o"]
        steps = [[path, *flags, *FLAGS, "-c", s, "-o", o] for s, o in zip(src, objs)]
        steps.append(["gcc", *[f for f in flags if f == "-gz"], *LINK, *objs, "-o", out])
    for s in steps:
        rc, text, err = run(*s)
        if rc:
            return (err.strip().split("\n") or [""])[-1]
    return None


def same_code(a, b):
    return [l for l in run("objdump", "-d", a)[1].split("\n")[3:]] == \
           [l for l in run("objdump", "-d", b)[1].split("\n")[3:]]


def one(cc, dwarf, opt, extra):
    name = cc[0]
    what = "%s -gdwarf-%d %s %s" % (name, dwarf, opt, extra)
    clang = name.startswith("clang")
    flags = [opt, "-g", "-gdwarf-%d" % dwarf]
    if clang and extra == "-flto":
        return "-"
    for f in os.listdir("."):
        os.remove(f)
    why = compile(cc, flags + ([extra] if extra.startswith("-") else []), "vmlinux")
    if why is not None:
        skip(what, "does not compile: " + why)
        return "-"
    truth = "vmlinux"
    if extra == "dwz":
        shutil.copy("vmlinux", "twin")
        shutil.copy("vmlinux", "before")
        truth = "before"
        rc, out, err = run("dwz", "-m", "shared", "vmlinux", "twin")
        if rc or not os.path.exists("shared"):
            skip(what, "dwz: " + (out + err))
            return "-"
    elif extra in ("-fdebug-types-section", "-gsplit-dwarf") and compile(cc, flags, "plain") is None and same_code("vmlinux", "plain"):
        # binutils loses inlined functions behind type units, and lines with split DWARF 5: it is asked about
        # the same code without them.
        truth = "plain"
    syms = symbols("vmlinux")
    warn = run(XKD, "-z", "vmlinux", "-c", "dt node; q")[2]
    split = extra == "-gsplit-dwarf"
    types4 = ".debug_types" in run("readelf", "-SW", "vmlinux")[1]
    bad, out = check_names("vmlinux", syms)
    res = [ok(not bad and len(syms) > 10, what + ": %d names as nm" % len(syms), "%s\n%s" % (bad, out))]
    bad, k = check_lines("vmlinux", syms, not split, clang, truth)
    res.append(ok(not bad and k > 50, what + ": %d places as addr2line" % k, "\n".join(bad[:8])))
    if split or types4:
        res.append(ok("not read" in warn, what + ": says what is not read", warn))
        return "said" if all(res) else "NO"
    for check, peer in ((check_types, "members as gdb"), (check_params, "parameters as gdb")):
        bad, out = check("vmlinux")
        if bad is None:
            skip(what + ": " + peer, "the peer cannot read it")
        else:
            res.append(ok(not bad, what + ": " + peer, "\n".join(bad)))
    if warn.strip():
        res.append(ok(False, what + ": no warning", warn))
    return "yes" if all(res) else "NO"


def main():
    for tool in ("gdb", "addr2line", "nm", "objdump", "readelf"):
        if not shutil.which(tool):
            print("1..0 # SKIP no " + tool)
            return
    os.environ.pop("DEBUGINFOD_URLS", None)
    extras = ["plain", "-gz", "-fdebug-types-section", "-gsplit-dwarf", "-flto"] if ALL else ["plain"]
    if ALL and shutil.which("dwz"):
        extras.append("dwz")
    total = bad = 0
    with multiprocessing.Pool(JOBS) as pool:
        for text, part in pool.imap(all_of, [(cc, extras) for cc in compilers()], chunksize=1):
            table.update(part)
            for l in text.splitlines():
                m = re.match(r"(not )?ok \d+ ", l)
                total += m is not None
                bad += m is not None and m[1] is not None
                print("%sok %d %s" % (m[1] or "", total, l[m.end():]) if m else l)
            sys.stdout.flush()
    print("1..%d" % total)
    if OUT:
        write(OUT, extras)
    sys.exit(bad > 0)


def all_of(job):
    """Every build of one compiler, in a folder and a process of its own: its TAP, its part of the table."""
    cc, extras = job
    top = tempfile.mkdtemp(prefix="xkd-matrix-")
    os.environ["XDG_CACHE_HOME"] = top + "/cache"
    os.mkdir(top + "/w")
    os.chdir(top + "/w")
    part, text = {}, io.StringIO()
    with contextlib.redirect_stdout(text):
        try:
            for dwarf in (4, 5):
                for extra in extras:
                    opts = ("-O2", "-O1", "-Os") if ALL and extra == "plain" else ("-O2",)
                    r = [one(cc, dwarf, o, extra) for o in opts]
                    part[cc[0], dwarf, extra] = next((x for x in ("NO", "said", "yes") if x in r), "-")
        except Exception as e:
            ok(False, "%s: %r" % (cc[0], e))
    os.chdir("/")
    shutil.rmtree(top, ignore_errors=True)
    return text.getvalue(), part


def write(path, extras):
    with open(path, "w") as f:
        f.write("""# Debug info of which compilers is read

Made by `tools/matrix`: a corpus of what kernel code does (`tests/matrix`), compiled at -O2 (plain: -O1 and -Os,
too); names compared with nm, lines and inlined functions with addr2line (clang: llvm-symbolizer;
-fdebug-types-section and -gsplit-dwarf: asked about the same code built without), members and parameters with gdb.
yes: all agree. said: xkd says in words that this part of the debug info is not read, the rest agrees. -: this compiler or dwz does not make it. NO: something differs.

""")
        f.write("| compiler | DWARF | " + " | ".join(extras) + " |\n|---" * 1 + "|---" * (len(extras) + 1) + "|\n")
        for cc, dwarf in sorted({(k[0], k[1]) for k in table}, key=lambda k: (k[0].split("-")[0], int((k[0].split("-") + ["0"])[1]), k[1])):
            f.write("| %s | %d | " % (cc, dwarf) + " | ".join(table.get((cc, dwarf, e), "NO") for e in extras) + " |\n")


main()
