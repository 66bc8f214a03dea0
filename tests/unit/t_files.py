#!/usr/bin/env python3
"""Sessions on files alone, against nm, addr2line, objdump, pahole and the compilers' own words.
Small ELF files are built here; TAP on standard output."""
import glob, os, re, shutil, struct, subprocess, sys, tempfile

XKD = os.path.abspath(os.environ.get("XKD", "./xkd"))
n = fails = 0


def ok(cond, name, why=""):
    global n, fails
    n += 1
    print(("ok" if cond else "not ok"), n, "-", name)
    if not cond:
        fails += 1
        for l in str(why).split("\n")[:40]:
            print("#", l)
    sys.stdout.flush()


def skip(name, why):
    global n
    n += 1
    print("ok %d - %s # SKIP %s" % (n, name, why))


def run(*argv, stdin=b"", check=False):
    p = subprocess.run(argv, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    if check and p.returncode:
        raise SystemExit("Bail out! %s: %s" % (" ".join(argv), p.stderr.decode()))
    return p.returncode, p.stdout.decode(errors="replace"), p.stderr.decode(errors="replace")


def xkd(*argv, stdin=b""):
    rc, out, err = run(XKD, *argv, stdin=stdin)
    return rc, "\n".join(l for l in out.split("\n") if not l.startswith("xkd ")), err


def kd(a):
    return "%08x`%08x" % (a >> 32, a & 0xffffffff)


def symbols(path):
    r = {}
    for l in run("nm", path, check=True)[1].splitlines():
        p = l.split()
        if len(p) == 3:
            r[p[2]] = int(p[0], 16)
    return r


def addr2line(path, addrs):
    """Each address's (function, file, line), innermost first."""
    text = run("addr2line", "-e", path, "-afi", *["%x" % a for a in addrs], check=True)[1]
    out = []
    lines = text.splitlines()
    i = 0
    while i < len(lines):
        if lines[i].startswith("0x"):
            out.append([])
            i += 1
            continue
        f, no = re.sub(r" \(disc.*", "", lines[i + 1]).rsplit(":", 1)
        out[-1].append((lines[i], f, int(no) if no.isdigit() else 0))
        i += 2
    return out


SOURCE = """enum colour { RED, GREEN = 5, BLUE };
struct inner { int a:3; unsigned b:5; unsigned long big; };
union u { int i; float f; };
struct outer {
	struct inner in[2];
	union u u;
	enum colour c;
	const char *name;
	struct outer *next;
	int (*fn)(int, char);
};
struct outer global_outer = { .name = "hello", .c = BLUE };
static int counter = 0x1234;
static inline __attribute__((always_inline)) int twice(int x)
{
	return x * 2 + counter;
}
__attribute__((noinline)) int work(int n)
{
	int s = 0;

	for (int i = 0; i < n; i++)
		s += twice(i) ^ global_outer.c;
	return s;
}
int main(int argc, char **argv)
{
	counter += argc;
	return work(argc) & 1;
}
"""


def code_range(path, name):
    for l in run("nm", "-S", path, check=True)[1].splitlines():
        p = l.split()
        if len(p) == 4 and p[3] == name:
            return int(p[0], 16), int(p[1], 16)
    raise SystemExit("Bail out! no " + name)


def instructions(path, name):
    start, size = code_range(path, name)
    text = run("objdump", "-d", "--start-address=%d" % start, "--stop-address=%d" % (start + size), path,
               check=True)[1]
    return [int(m[1], 16) for m in re.finditer(r"^\s*([0-9a-f]+):\t", text, re.M)]


def one_compiler(cc, dwarf, packing):
    what = "%s -gdwarf-%d, %s" % (cc, dwarf, packing)
    path = "a"
    run(cc, "-O2", "-gdwarf-%d" % dwarf, "-o", path, "a.c", check=True)
    if packing != "plain":
        rc, _, err = run("objcopy", "--compress-debug-sections=" + packing, path)
        if rc:
            return skip(what, "objcopy cannot: " + err.strip())
        if packing == "zstd" and "without libzstd" in xkd(path, "-c", "dt outer")[2]:
            return skip(what, "built without libzstd")
    sym = symbols(path)
    _, out, _ = xkd(path, "-c", "x a!work; x a!counter; x a!main")
    ok(all(kd(sym[s]) + " a!" + s in out for s in ("work", "counter", "main")), what + ": names as nm", out)
    addrs = instructions(path, "work") + instructions(path, "main")
    want = [t[0] for t in addr2line(path, addrs)]
    _, out, _ = xkd(path, "-c", "; ".join("ln %x" % a for a in addrs))
    bad = []
    # line 0 is "none": no row, and addr2line's "?"
    rows = re.findall(r"(?:\[(\S+) @ (\d+)\]\n)?\(([0-9a-f`]+)\)", out)
    got = {int(r[2].replace("`", ""), 16): (r[0], int(r[1] or 0)) for r in rows}
    for a, (fn, f, no) in zip(addrs, want):
        if got.get(a, ("", -1))[1] != no or (no and os.path.basename(got[a][0]) != os.path.basename(f)):
            bad.append("%x: %s, addr2line %s:%d" % (a, got.get(a), f, no))
    ok(not bad and len(addrs) > 10, what + ": lines of %d instructions as addr2line" % len(addrs), "\n".join(bad) + out)
    _, out, _ = xkd(path, "-c", "dt outer; ?? global_outer.c; ?? counter; ?? sizeof(struct outer); da @@c++(global_outer.name)")
    got = [(int(m[1], 16), m[2]) for m in re.finditer(r"^   \+0x([0-9a-f]+) (\w+)", out, re.M)]
    if shutil.which("gdb"):
        rc, text, _ = run("gdb", "-nx", "-batch", "-ex", "print/d sizeof(struct outer)",
                          *sum([["-ex", "print/d (long)&((struct outer *)0)->" + m]
                                for m in ("in", "u", "c", "name", "next", "fn")], []), path)
        nums = [int(x) for x in re.findall(r"= (\d+)", text)]
        if len(nums) == 7:
            ok([o for o, _ in got] == nums[1:], what + ": offsets as gdb", out + text)
            ok(re.search(r"unsigned \S+ ?\S* ?0x%x\b" % nums[0], out), what + ": size as gdb", out)
        else:
            skip(what + ": offsets", "this gdb reads no such file: " + text[:80])
    ok("BLUE (0n6)" in out and "int 0n4660" in out and '"hello"' in out, what + ": values of the file", out)
    if packing == "plain":
        _, out, _ = xkd(path, "-c", "dx -r3 global_outer; dx -r0 global_outer; dx global_outer.in; dx *&counter")
        rows = [(int(m[1], 16), m[2]) for m in re.finditer(r"^    \[\+0x([0-9a-f]+)\] (\w+)", out, re.M)]
        ok(rows == got and re.search(r"\] c +: BLUE \(0n6\) \[Type: enum colour\]$", out, re.M),
           what + ": dx has dt's members", out)
        ok(len(re.findall(r"^ {12}\[\+0x000 \( 7: 3\)\] b +: ", out, re.M)) == 2 and
           len(re.findall(r"^    \[[01]\] +\[Type: struct inner\]$", out, re.M)) == 2 and
           "*&counter : 0n4660 [Type: int]" in out, what + ": dx goes as deep as it is told", out)


def compilers():
    open("a.c", "w").write(SOURCE)
    for cc in ("gcc", "clang"):
        if not shutil.which(cc):
            skip(cc, "not there")
            continue
        for dwarf in (4, 5):
            for packing in ("plain", "zlib", "zstd") if cc == "gcc" else ("plain", "zlib"):
                one_compiler(cc, dwarf, packing)


def bytes_and_words():
    run("gcc", "-O2", "-g", "-o", "a", "a.c", check=True)
    start, size = code_range("a", "work")
    raw = run("objdump", "-s", "-j", ".text", "--start-address=%d" % start, "--stop-address=%d" % (start + 16),
              "a", check=True)[1]
    hexed = "".join(re.search(r"^ %x ((?:[0-9a-f]+ ){1,4})" % start, raw, re.M)[1].split())
    _, out, _ = xkd("a", "-c", "db work L10")
    got = "".join(re.findall(r"[0-9a-f]{2}", out.split("  ")[1].replace("-", " "))[:16])
    ok(got == hexed, "db shows the file's bytes as objdump", out + raw)
    _, out, _ = xkd("a", "-c", "s -a %x L1000 \"hello\"" % (symbols("a")["_IO_stdin_used"] & ~0xfff))
    ok("hello" in out, "s finds a string in the file", out)
    _, out, _ = xkd("a", "-c", "u work L3; ub work+2 L1; uf main; lm")
    ok("a!work" in out and "ret" in out and "(dwarf)" in out, "u, uf, lm work", out)
    for c in ("r", "k", "g", "p", "t", "gu", "bp work", "ba w4 counter", "~0s", "~*k", "dv", "!pte 1000", "!vtop 0 1000",
              "ed counter 1", "rdmsr 10", ".frame 1", "!cpus", ".monitor x", "r rax=1"):
        rc, out, err = xkd("a", "-c", c)
        lines = [l for l in out.split("\n") if l]
        ok(rc == 1 and len(lines) == 1 and re.search(r"needs a machine|these are files", out), c + " says that it needs a machine", out + err)
    _, out, _ = xkd("a", "-e", "-c", "? 1")
    ok("kd> ? 1" in out and ": kd>" not in out, "the prompt has no CPU", out)
    rc, out, _ = xkd("-z", "a=10000000", "-c", "x a!work")
    ok(kd(0x10000000 - first_section("a") + symbols("a")["work"]) in out, "FILE=ADDR puts it there", out)
    run("gcc", "-g", "-c", "-o", "m.ko", "a.c", check=True)
    rc, out, _ = xkd("-z", "m.ko=ffffffffc0100000,a", "-c", "x m!work; x a!work; lm")
    off = symbols("m.ko")["work"]
    ok(kd(0xffffffffc0100000 + off) + " m!work" in out and kd(symbols("a")["work"]) in out, "a .ko by its .text, beside a program", out)
    shutil.copy("a", "b")
    _, out, _ = xkd("a", "b", "-c", "lm")
    rows = re.findall(r"^([0-9a-f]{8}`[0-9a-f]{8}) ([0-9a-f]{8}`[0-9a-f]{8})", out, re.M)
    ok(len(rows) == 2 and rows[1][0] > rows[0][1] and "its own place is taken" in out, "two at one place: the second moves and says so", out)


def first_section(path):
    text = run("readelf", "-SW", path, check=True)[1]
    addrs = [int(m[1], 16) for m in re.finditer(r"\] \S+ +\w+ +([0-9a-f]{16}) .* +W?A", text)]
    return min(a for a in addrs if a)


def kinds():
    open("s.xkd", "w").write("? 0n42\n")
    rc, out, _ = xkd("a", "s.xkd")
    ok(rc == 0 and "0000002a" in out, "a text is a script", out)
    rc, _, err = xkd("s.xkd")
    ok(rc == 2 and "which target" in err, "a script alone asks for a target", err)
    rc, _, err = xkd("/")
    ok(rc == 2 and "is a folder" in err, "a folder is named so", err)
    rc, _, err = xkd("nosuch")
    ok(rc == 2 and "nosuch: No such file" in err, "no such file", err)
    open("rnd", "wb").write(bytes(range(256)))
    rc, _, err = xkd("rnd")
    ok(rc == 2 and "neither" in err, "anything else is an error", err)
    open("empty", "w")
    rc, _, err = xkd("empty")
    ok(rc == 2 and "is empty" in err, "an empty file", err)
    head = bytearray(open("a", "rb").read()[:64])
    head[16:18] = struct.pack("<H", 4)
    open("core", "wb").write(head)
    open("kd", "wb").write(b"KDUMP   " + bytes(4096))
    for f in ("core", "kd"):
        rc, _, err = xkd(f)
        ok(rc == 2 and "reads none yet" in err, f + ": dumps are told to come later", err)
    open("cut", "wb").write(open("a", "rb").read()[:3000])
    rc, _, err = xkd("cut")
    ok(rc == 3 and "truncated" in err, "a truncated file", err)
    os.mkfifo("fifo")
    rc, _, err = xkd("-z", "fifo")
    ok(rc == 3 and "no regular file" in err, "a FIFO does not hang", err)


def built_in():
    """A kernel with KVM in it: kvm!name by the folder of the unit."""
    for d in ("k/arch/x86/kvm", "k/virt/kvm", "k/kernel"):
        os.makedirs(d)
    open("k/arch/x86/kvm/x86.c", "w").write("int kvm_count = 3; static int twice(int n) { return n * 2; }\n"
        "static __attribute__((noinline)) int init(int n) { return twice(n) + kvm_count; }\n"
        "int kvm_arch_init(int n) { return init(n); }\n")
    open("k/virt/kvm/kvm_main.c", "w").write("__attribute__((noinline)) static int init(int n) { return n - 5; }\n"
        "int kvm_init(int n) { return init(n); }\n")
    open("k/kernel/fork.c", "w").write("int other_count = 4; int kvm_arch_init(int), kvm_init(int);\n"
        "static __attribute__((noinline)) int init(int n) { return n + other_count; }\n"
        "long table __attribute__((section(\"__ksymtab\"), used)) = 1;\n"
        "__attribute__((section(\".init.text\"), noinline)) int start(int n) { return init(n) + kvm_init(n); }\n"
        "int main(int n, char **v) { (void)v; return start(n) + kvm_arch_init(n); }\n")
    p = subprocess.run(["gcc", "-O2", "-g", "-fno-ipa-icf", "-mcmodel=kernel", "-fno-pic", "-no-pie", "-static", "-nostdlib",
                        "-fcf-protection=none", "-fno-asynchronous-unwind-tables", "-Wl,-Ttext-segment=0xffffffff81000000,-e,main,--build-id", "arch/x86/kvm/x86.c", "virt/kvm/kvm_main.c", "kernel/fork.c", "-o", "vmlinux"], cwd="k")
    if p.returncode:
        return skip("KVM built in", "the compiler fails")
    inits = {kd(int(l.split()[0], 16)) for l in run("nm", "k/vmlinux", check=True)[1].splitlines() if l.endswith(" init")}
    main = kd(symbols("k/vmlinux")["main"])
    rc, out, err = xkd("k/vmlinux", "-c", "x lk!init; .echo ==; x kvm!init; .echo ==; x fork!init; .echo ==; x kvm!*; .echo ==; x kvm!main; .echo ==; ? kvm!kvm_init; .echo ==; x kvm!twice; .echo ==; x nosuch!init; q")
    part = out.split("==\n")
    found = [set(l.split()[0] for l in p.splitlines() if "`" in l and "!init" in l) for p in part]
    ok(len(inits) == 3 and found[0] == inits, "three functions of one name, as nm", out + err)
    ok(len(found[1]) == 2 and len(found[2]) == 1 and found[1] | found[2] == inits, "kvm!init: those of arch/x86/kvm and virt/kvm", out + err)
    ok("kvm_arch_init" in part[3] and "kvm_count" in part[3] and "other_count" not in part[3] and "main" not in part[3], "kvm!*: all of these folders and nothing else", part[3] + err)
    ok(main not in part[4] and "nothing built in" in part[4], "kvm!main is none", out + err)
    ok(kd(symbols("k/vmlinux")["kvm_init"]) in part[5], "an expression takes it", out + err)
    ok("inlined in init" in part[6], "inlined functions, too", out + err)
    ok("no module 'nosuch'" in part[7], "no folder and no module of a name", out + err)


SHARED = """struct inner { int x; union { long l; char c[8]; }; };
struct outer { struct inner in; unsigned f1:3, f2:5; enum kind { K_A = -1, K_B = 5 } k; struct outer *next;
	int (*fn)(struct inner *, long); char tail[]; };
typedef struct outer outer_t;
static inline __attribute__((always_inline)) int twice(struct inner *i) { return i->x * 2 + (int)i->l; }
"""
ASKED = ("dt outer; dt outer_t; dt first in.; dt inner; u %s!useit L3; x %s!*e*t*; x %s!twice; ln %s!second+4; "
         "?? first.k; ?? &first.in; q")


def asked(f):
    rc, out, err = xkd(f, "-c", ASKED.replace("%s", f.replace("-", "_")))
    return out.replace(f, "F"), err


def two_files():
    """What dwz shares, types in units of their own, split DWARF: answers as without all that."""
    open("sh1.c", "w").write(SHARED + """outer_t first = { .in = { .x = 3 }, .k = K_B };
__attribute__((noinline)) int useit(outer_t *o) { return twice(&o->in) + o->k; }
int second(outer_t *, int);
int main(int c, char **v) { (void)v; return useit(&first) + second(&first, c); }
""")
    open("sh2.c", "w").write(SHARED + "__attribute__((noinline)) int second(outer_t *o, int n) { return twice(&o->in) * n; }\n")
    for v in ("4", "5"):
        flags = ["-O2", "-g", "-gdwarf-" + v, "-Wl,--build-id"]
        run("gcc", *flags, "sh1.c", "sh2.c", "-o", "pl" + v, check=True)
        want, err = asked("pl" + v)
        ok("+0x020 fn" in want and "twice (inlined in second)" in want and "0n3" in want and not err, "DWARF %s: the plain file" % v, want + err)
        run("gcc", *flags, "-fdebug-types-section", "sh1.c", "sh2.c", "-o", "ts" + v, check=True)
        got, err = asked("ts" + v)
        if v == "5":
            ok(got == want and not err, "DWARF 5: types in units of their own", got + err)
        else:
            ok(".debug_types" in err and "are not read" in err, "DWARF 4: .debug_types is said to be not read", got + err)
        run("gcc", *flags, "-gsplit-dwarf", "sh1.c", "sh2.c", "-o", "sp" + v, check=True)
        got, err = asked("sp" + v)
        ok(err.count("is split") == 1 and ".dwo" in err and "sh1.c @ " in got, "DWARF %s: split debug info is named, lines are there" % v, got + err)
        if not shutil.which("dwz"):
            skip("dwz, DWARF " + v, "no dwz")
            continue
        for how, flag in (("", []), (" with .debug_sup", ["--dwarf-5"])):
            if flag and v == "4":
                continue
            a, b, alt = "dz" + v + str(len(flag)), "dy" + v + str(len(flag)), "alt" + v + str(len(flag))
            run("gcc", *flags, "sh1.c", "sh2.c", "-o", a, check=True)
            run("gcc", *flags, "-DOTHER", "sh1.c", "sh2.c", "-o", b, check=True)
            rc, out, err = run("dwz", *flag, "-m", alt, a, b)
            if rc or not os.path.exists(alt):
                skip("dwz%s, DWARF %s" % (how, v), "dwz: " + (out + err).strip()[:100])
                continue
            got, err = asked(a)
            ok(got == want and not err, "DWARF %s in two files by dwz%s" % (v, how), got + err)
            os.rename(alt, "gone")
            got, err = asked(a)
            ok("which is not there" in err and alt in err and "F!useit" in got, "DWARF %s%s: the shared file is missing" % (v, how), got + err)
            shutil.copy("pl" + v, alt)
            got, err = asked(a)
            ok("which is not there" in err, "DWARF %s%s: another file in its place is not taken" % (v, how), got + err)
            os.rename("gone", alt)
            got, err = asked(a)
            ok(got == want, "DWARF %s%s: there again, the index is made anew" % (v, how), got + err)


def separate():
    os.makedirs("sep/.debug")
    run("gcc", "-O2", "-g", "-o", "full", "a.c", check=True)
    want = symbols("full")["work"]
    run("objcopy", "--only-keep-debug", "full", "sep/.debug/p.debug", check=True)
    run("objcopy", "--strip-all", "full", "sep/p", check=True)
    rc, out, _ = xkd("sep/p", "-c", "x p!work")
    ok(rc == 1, "stripped: no names", out)
    os.makedirs("ids")
    note = run("readelf", "-n", "full", check=True)[1]
    bid = re.search(r"Build ID: (\w+)", note)[1]
    os.makedirs("ids/.build-id/" + bid[:2])
    shutil.copy("sep/.debug/p.debug", "ids/.build-id/%s/%s.debug" % (bid[:2], bid[2:]))
    rc, out, _ = xkd("-y", "ids", "sep/p", "-c", "x p!work; ?? counter; ls work")
    ok(kd(want) in out and "int 0n4660" in out and "noinline" in out, "a debug file by build-id", out)
    run("objcopy", "--add-gnu-debuglink=sep/.debug/p.debug", "sep/p", check=True)
    rc, out, _ = xkd("sep/p", "-c", "x p!work; ?? counter; lm")
    ok(kd(want) in out and "int 0n4660" in out and "(dwarf)" in out, "by .gnu_debuglink", out)
    os.makedirs("noid")
    run("gcc", "-O2", "-g", "-Wl,--build-id=none", "-o", "noid/full", "a.c", check=True)
    run("objcopy", "--only-keep-debug", "noid/full", "noid/p.debug", check=True)
    run("objcopy", "--strip-all", "--add-gnu-debuglink=noid/p.debug", "noid/full", "noid/p", check=True)
    rc, out, _ = xkd("noid/p", "-c", "x p!work")
    ok(kd(symbols("noid/full")["work"]) in out, "without build-ids by checksum", out)
    open("noid/p.debug", "ab").write(b"x")
    rc, out, err = xkd("noid/p", "-c", "x p!work")
    ok(rc == 1 and "checksum" in err, "a wrong checksum is refused and told", out + err)
    open("a2.c", "w").write(SOURCE + "int more;\n")
    run("gcc", "-O0", "-g", "-o", "other", "a2.c", check=True)
    run("objcopy", "--only-keep-debug", "other", "sep/.debug/p.debug", check=True)
    rc, out, err = xkd("sep/p", "-c", "x p!work")
    ok(rc == 1 and "build-id" in err, "another build's debug file is refused", out + err)
    two_files()
    built_in()
    for tool, ext in (("gzip", "gz"), ("xz", "xz"), ("zstd", "zst")):
        if not shutil.which(tool):
            skip("m.ko." + ext, "no " + tool)
            continue
        data = subprocess.run([tool, "-c", "m.ko"], stdout=subprocess.PIPE, check=True).stdout
        open("m.ko." + ext, "wb").write(data)
        rc, out, err = xkd("m.ko." + ext, "-c", "x m!work; ls work")
        if "was built without" in err:
            skip("m.ko." + ext, err.strip())
            continue
        ok("m!work" in out and "noinline" in out, "m.ko.%s is unpacked" % ext, out + err)
        for cut in (7, len(data) // 2, len(data) - 1):
            open("cut.ko." + ext, "wb").write(data[:cut])
            rc, out, err = xkd("cut.ko." + ext)
            ok(rc == 3 and "broken" in err, "cut.ko.%s of %d bytes: an error" % (ext, cut), out + err)
    bomb = subprocess.run(["gzip", "-9"], input=bytes(64 << 20), stdout=subprocess.PIPE, check=True).stdout
    open("bomb.ko.gz", "wb").write(bomb)
    rc, out, err = xkd("bomb.ko.gz")
    ok(rc == 3, "a file of zeros is no ELF file: " + err.strip(), err)


KERNEL = """#define IN(s) __attribute__((section(s), used))
char tab[16] IN("__ksymtab") = { 1 };
void IN(".init.text") start_kernel(void) { }
static volatile int sink;
static inline __attribute__((always_inline)) void inner(int x)
{
	sink += x;
}
static inline __attribute__((always_inline)) void middle(int x)
{
	inner(x + 1);
	sink--;
}
__attribute__((noinline)) void callee(int x)
{
	middle(x);
}
__attribute__((noinline)) int caller(int x)
{
	callee(x);
	sink = 7;
	return x + sink;
}
void _start(void) { caller(1); }
const char linux_banner[] = "Linux version 9.9.9-test (me) #1";
"""
TWIN = """static volatile int s%d;
static __attribute__((noinline, used)) void twin(void) { %s s%d++; }
"""


def logs():
    open("k.c", "w").write(KERNEL)
    open("t1.c", "w").write(TWIN % (1, "", 1))
    open("t2.c", "w").write("\n" + TWIN % (2, "s2 = 9; s2 += 8;", 2))
    run("gcc", "-O2", "-g", "-fno-stack-protector", "-fcf-protection=none", "-nostdlib", "-static", "-mcmodel=kernel", "-fno-pic",
        "-no-pie", "-Wl,-Ttext=0xffffffff81000000,-z,max-page-size=4096", "-o", "vmlinux", "k.c", "t1.c", "t2.c", check=True)
    start, size = code_range("vmlinux", "caller")
    cstart, csize = code_range("vmlinux", "callee")
    text, want = [], []
    offs = [a - start for a in instructions("vmlinux", "caller")][1:]
    coffs = [a - cstart for a in instructions("vmlinux", "callee")]
    for o in offs:
        text.append("[    1.25] [T7]  ? caller+0x%x/0x%x" % (o, size))
    for o in coffs:
        text.append("[    1.50] RIP: 0010:callee+0x%x/0x%x" % (o, csize))
    chains = addr2line("vmlinux", [start + o - 1 for o in offs] + [cstart + o for o in coffs])
    for l, c in zip(text, chains):
        pre = re.match(r"(\[.*?\] )+ *", l)[0]
        want += ["%s%s (inline) [%s @ %d]" % (pre, f, "k.c", no) for f, p, no in c[:-1]]
        want.append("%s [k.c @ %d]" % (l, c[-1][2]) if c[-1][2] else "%s [k.c]" % l)
    rc, out, err = run(XKD, "symbolize", "-z", "vmlinux", "-", stdin="\n".join(text).encode() + b"\n")
    ok(rc == 0 and out == "\n".join(want) + "\n", "%d places with their inlined functions as addr2line" % len(text),
       out + "\nwanted\n" + "\n".join(want))
    ok(any("(inline)" in w for w in want), "there are inlined functions among them")
    open("log.txt", "w").write("\n".join(text) + "\n")
    rc, out2, _ = run(XKD, "-z", "vmlinux", "-c", ".symbolize log.txt")
    ok(out2.split("\n", 1)[1] == out, ".symbolize says the same", out2)
    slides(start, cstart, size)
    others(start, size)


def slides(start, cstart, size):
    slide = 0x1cc00000
    at = start + slide + 4
    line = addr2line("vmlinux", [start + 3])[0][-1][2]
    raw = "[<%x>]\nx\nKernel Offset: 0x%x from 0xffffffff81000000\n" % (at, slide)
    named = "[<%x>] caller+0x4/0x%x [k.c @ %d]\n" % (at, size, line)
    rc, out, err = run(XKD, "symbolize", "-z", "vmlinux", stdin=raw.encode())
    ok(out.startswith(named) and out.endswith(raw.split("\n", 1)[1]), "a bare address waits for Kernel Offset", out)
    rc, out, err = run(XKD, "symbolize", "-z", "vmlinux", "--slide", "%x" % slide, stdin=("[<%x>]\n" % at).encode())
    ok(out == named, "--slide", out)
    rc, out, err = run(XKD, "symbolize", "-z", "vmlinux", stdin=("[<%x>] caller+0x4/0x%x\n%016x\n" % (at, size, at)).encode())
    ok(out.count("[k.c @ %d]" % line) == 2, "a line with name and address tells the offset", out)
    rc, out, err = run(XKD, "symbolize", "-z", "vmlinux", stdin=("[<%x>]\n" % (start + 4)).encode())
    ok("caller+0x4" in out and "--slide" in err, "none: 0 is taken, which is told", out + err)
    rc, out, err = run(XKD, "symbolize", "-z", "vmlinux", stdin=("R13: %x\n" % (start + 4)).encode())
    ok(out == "R13: %x\n" % (start + 4), "registers stay as they are", out)


def others(start, size):
    run("gcc", "-O2", "-g", "-fno-pic", "-mcmodel=kernel", "-c", "-o", "tm.ko", "a.c", check=True)
    os.makedirs("mods", exist_ok=True)
    shutil.copy("tm.ko", "mods/t-m.ko")
    w, ws = code_range("tm.ko", "work")
    line = addr2line("tm.ko", [w + 3])[0]
    rc, out, err = run(XKD, "symbolize", "-z", "vmlinux", "-y", "mods", stdin=("work+0x4/0x%x [t_m]\n" % ws).encode())
    ok("work+0x4/0x%x [t_m] [a.c @ " % ws in out, "a module's file is found by its name", out + err)
    sizes = sorted(int(l.split()[1], 16) for l in run("nm", "-S", "vmlinux")[1].splitlines() if l.endswith(" twin"))
    rc, out, _ = run(XKD, "symbolize", "-z", "vmlinux", stdin=b"twin+0x1/0x%x\n" % sizes[1])
    ok(re.search(r"\[t2\.c @ \d+\]|\[t1\.c @ \d+\] or \[t2\.c @ \d+\]|\[t2\.c @ \d+\] or \[t1\.c", out), "names that stand twice are told apart by size, or both shown", out)
    rc, out, _ = run(XKD, "symbolize", "-z", "vmlinux", stdin=b"twin+0x1/0x%x\n" % sizes[0])
    ok("t2.c" not in out and "t1.c" in out, "the smaller fits one alone", out)
    rc, out, err = run(XKD, "symbolize", "-z", "vmlinux", stdin=b"caller+0x4/0x99999\nnosuch+0x1/0x2\n")
    ok(out == "caller+0x4/0x99999\nnosuch+0x1/0x2\n" and "2 of 2" in err, "another size names nothing, and that is told", out + err)
    odd = b"a\x00b\xff\xfe\tc\r\n" + b"x" * 200000 + b"\n\n" + b"caller+0x /0x 1\n[<>]\n[<ff\ncaller+0x4/0x%x" % size
    p = subprocess.run([XKD, "symbolize", "-z", "vmlinux"], input=odd, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    ok(p.stdout.startswith(odd) and p.stdout[len(odd):].startswith(b" [k.c @"), "all other bytes pass unchanged, the end without newline too",
       p.stdout[-200:])
    big = b"[    1.0] nothing to see here, move along\n" * 1000000
    open("big", "wb").write(big)
    limit = "" if sanitized() else "ulimit -v 400000; "
    p = subprocess.run(["sh", "-c", limit + "exec \"$0\" symbolize -z vmlinux big", XKD], stdout=subprocess.PIPE)
    ok(p.returncode == 0 and p.stdout == big, "42 MB pass as a stream")
    rc, out, err = run(XKD, "symbolize", "nosuch")
    ok(rc == 1 and "nosuch: No such" in err, "no such text", err)
    rc, out, err = run(XKD, "symbolize", "--bogus")
    ok(rc == 2 and "unknown option" in err, "an unknown option", err)
    rc, out, err = run(XKD, "symbolize", stdin=b"[    0.0] caller+0x4/0x20\n")
    ok(rc == 0 and out == "[    0.0] caller+0x4/0x20\n" and "-z" in err, "no kernel: the text passes, the reason is told", out + err)
    os.makedirs("tree", exist_ok=True)
    shutil.copy("vmlinux", "tree/vmlinux-9.9.9-test")
    rc, out, err = run(XKD, "symbolize", "-y", "tree", stdin=("Linux version 9.9.9-test (me) #1\ncaller+0x4/0x%x\n" % size).encode())
    ok("[k.c @" in out, "the kernel is found by the release that the text names", out + err)


def sanitized():
    return b"__asan_init" in open(XKD, "rb").read()


def sources():
    os.makedirs("proj/lib")
    text = SOURCE
    open("proj/lib/a.c", "w").write(text)
    os.chdir("proj")
    run("gcc", "-O2", "-g", "-o", "../srcprog", "lib/a.c", check=True)
    os.chdir("..")
    no = 1 + text[:text.index("int work")].count("\n")
    # work's first row
    first = addr2line("srcprog", [symbols("srcprog")["work"]])[0][-1][2]
    row = ">%5d: %s" % (first, text.split("\n")[first - 1].replace("\t", " " * 8))
    _, out, _ = xkd("srcprog", "-c", "lsa work")
    ok(row.rstrip() in out, "lsa: the folder it was compiled in", out)
    os.rename("proj", "moved")
    _, out, _ = xkd("srcprog", "-c", "lsa work")
    ok("lib/a.c is not there" in out and ".srcpath" in out, "gone: says what to do", out)
    for how, arg in ((".srcpath moved", "the tree"), (".srcpath moved/lib", "a folder in it"),
                     (".srcmap %s/proj=%s/moved" % (os.path.realpath("."), os.path.realpath(".")), "a map"),
                     (".srcpath /nowhere; .srcpath + moved", "added")):
        _, out, _ = xkd("srcprog", "-c", how + "; ls work; ls; ls 1,2; l 3,1; lsa work,-1,3")
        ok(row.rstrip() in out and "    1: " + text.split("\n")[0] in out and "    3: " + text.split("\n")[2] in out, "sources by " + arg, out)
    _, out, _ = xkd("srcprog", "-c", ".srcpath moved; ls a.c:%d; ls 99999; ls" % first)
    ok(row.rstrip() in out and "has %d lines" % text.count("\n") in out, "ls FILE:LINE, lines beyond the end", out)
    _, out, _ = xkd("srcprog", "-c", "ls")
    ok("no current place" in out, "ls without a place says what to give", out)


def kernel():
    k = os.environ.get("XKD_KERNEL")
    if not k:
        return skip("a real kernel", "no kernel given")
    v = glob.glob(os.path.join(k, "usr/lib/debug/boot/vmlinux-*"))[0]
    sym = symbols(v)
    _, out, _ = xkd(v, "-c", "x lk!schedule; ?? sizeof(struct task_struct); lm")
    ok(kd(sym["schedule"]) in out and "lk " in out, "a real kernel's names", out)


def main():
    tmp = tempfile.mkdtemp(prefix="xkd-files-")
    os.chdir(tmp)
    os.environ["XDG_CACHE_HOME"] = os.path.join(tmp, "cache")
    try:
        compilers()
        bytes_and_words()
        kinds()
        separate()
        logs()
        sources()
        kernel()
    finally:
        os.chdir("/")
        shutil.rmtree(tmp)
    print("1..%d" % n)
    return 1 if fails else 0


sys.exit(main())
