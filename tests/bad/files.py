"""The files of the rows: one sound program made by the compiler, and copies that are damaged in
one way each. make(dir) fills a folder; table.py names the files in it."""
import os
import socket
import struct
import subprocess

SOURCE = r"""
struct s { int a : 3, b : 9; struct s *next; union { long l; char c[8]; }; } gs[2][3];
enum e { A = -1, B } ge;
static volatile int sink;
static inline int leaf(int v) { int t = v * 2; sink = t; return sink; }
__attribute__((noinline)) int outer(int p, long q)
{
	int local = leaf(p);
	for (int i = 0; i < 4; i++) { int in = local + i; sink = in; }
	gs[1][2].b = q; ge = B;
	return local + (int)q;
}
int _start(void) { return outer(sink, 3); }
"""


def run(*args, cwd=None):
    subprocess.run(args, cwd=cwd, check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def put(path, data):
    with open(path, "wb") as f:
        f.write(data)


def sections(elf):
    """name -> (file offset, size, offset of the header)"""
    off, = struct.unpack_from("<Q", elf, 40)
    n, strs = struct.unpack_from("<HH", elf, 60)
    heads = [(off + i * 64, struct.unpack_from("<IIQQQQ", elf, off + i * 64)) for i in range(n)]
    base = heads[strs][1][4]
    return {elf[base + h[0]:elf.index(b"\0", base + h[0])].decode(): (h[4], h[5], at)
            for at, h in heads}


def damaged(elf, at, data):
    return elf[:at] + data + elf[at + len(data):]


def poke(elf, d, name, fmt, at, value):
    put(os.path.join(d, name), damaged(elf, at, struct.pack(fmt, value)))


def truncated(elf, d):
    s = sections(elf)
    for name, n in (("1", 1), ("16", 16), ("63", 63), ("64", 64), ("text", s[".text"][0] + 3),
                    ("info", s[".debug_info"][0] + 20), ("symtab", s[".symtab"][0] + 30),
                    ("strtab", s[".strtab"][0] + 1), ("heads", len(elf) - 100),
                    ("last", len(elf) - 1)):
        put(d + "/cut-" + name, elf[:n])


def header(elf, d):
    poke(elf, d, "elf32", "<B", 4, 1)
    poke(elf, d, "big-endian", "<B", 5, 2)
    poke(elf, d, "arm64", "<H", 18, 183)
    poke(elf, d, "i386", "<H", 18, 3)
    poke(elf, d, "elf-version", "<B", 6, 9)
    poke(elf, d, "shoff-far", "<Q", 40, 1 << 62)
    poke(elf, d, "shoff-wraps", "<Q", 40, (1 << 64) - 64)
    poke(elf, d, "shentsize", "<H", 58, 7)
    poke(elf, d, "shnum-many", "<H", 60, 0xfeff)
    poke(elf, d, "shnum-none", "<H", 60, 0)
    poke(elf, d, "shstrndx", "<H", 62, 0xfff0)


def section_heads(elf, d):
    s = sections(elf)
    for name in (".symtab", ".strtab", ".debug_info", ".debug_abbrev", ".debug_line", ".text"):
        at = s[name][2]
        poke(elf, d, "far" + name, "<Q", at + 24, 1 << 60)
        poke(elf, d, "huge" + name, "<Q", at + 32, (1 << 64) - 1)
    at = s[".symtab"][2]
    poke(elf, d, "symtab-entsize", "<Q", at + 56, 0)
    poke(elf, d, "symtab-link", "<I", at + 40, 9999)
    poke(elf, d, "packed-info", "<Q", s[".debug_info"][2] + 8, 0x800)  # SHF_COMPRESSED, it is not
    bomb = struct.pack("<IIQQ", 1, 0, 1 << 50, 1)  # a head that promises a petabyte
    off, size, at = s[".debug_info"]
    poke(damaged(elf, off, bomb), d, "bomb-info", "<Q", at + 8, 0x800)


def contents(elf, d):
    s = sections(elf)
    for name in (".debug_info", ".debug_abbrev", ".debug_line", ".debug_aranges", ".symtab",
                 ".strtab", ".debug_str", ".shstrtab", ".debug_rnglists", ".debug_loclists",
                 ".eh_frame", ".note.gnu.build-id"):
        if name not in s:
            continue
        off, size, _ = s[name]
        put(d + "/ff" + name, damaged(elf, off, b"\xff" * size))
        put(d + "/zero" + name, damaged(elf, off, b"\0" * size))
        put(d + "/text" + name, damaged(elf, off, (b"\x1b[31m%n%s" * (size // 9 + 1))[:size]))


def make(d):
    put(d + "/a.c", SOURCE.encode())
    run("gcc", "-g", "-O1", "-ffreestanding", "-nostdlib", "-static", "-fno-pie", "-no-pie",
        "-fno-stack-protector", "-gdwarf-5", "-Wl,--build-id", "-o", "good", "a.c", cwd=d)
    run("gcc", "-g", "-O1", "-ffreestanding", "-fno-stack-protector", "-fno-pie", "-mcmodel=kernel",
        "-c", "-o", "good.o", "a.c", cwd=d)
    with open(d + "/good", "rb") as f:
        elf = f.read()
    for part in (truncated, header, section_heads, contents):
        part(elf, d)
    put(d + "/btf.bin", b"\x9f\xeb\x01\0" + struct.pack("<5I", 24, 0, 1 << 31, 1 << 31, 1 << 31))
    run("objcopy", "--add-section", ".BTF=btf.bin", "good", "bad-btf", cwd=d)
    put(d + "/orc.bin", b"\xff" * 600)
    run("objcopy", "--add-section", ".orc_unwind=orc.bin", "--add-section",
        ".orc_unwind_ip=orc.bin", "good", "bad-orc", cwd=d)
    run("strip", "-o", "stripped", "good", cwd=d)
    with open(d + "/good.o", "rb") as f:
        ko = f.read()
    off, size, _ = sections(ko)[".rela.text"]
    put(d + "/bad-rela.o", damaged(ko, off, b"\xff" * size))
    put(d + "/cut.o", ko[:len(ko) // 2])

    put(d + "/empty", b"")
    put(d + "/zeros", bytes(4096))
    put(d + "/text.txt", b"version\n? 1+1\n")
    put(d + "/script-nul", b"? 1+1\n? 2\0+3\n? 4\n")
    put(d + "/script-latin", "? 1+1\n? gr\xfc\xdfe\n? 4\n".encode("latin-1"))
    put(d + "/script-binary", elf)
    put(d + "/script-crlf", b"? 1+1\r\n? 4\r\n")
    put(d + "/script-open", b"? 1\n.if (1) {\n? 2\n")
    put(d + "/script-itself", b"$$<%s/script-itself\n" % d.encode())
    put(d + "/script-long", b"? " + b"1+" * 500000 + b"1\n? 4\n")
    put(d + "/core", damaged(elf, 16, b"\4\0"))
    put(d + "/elf.gz", b"\x1f\x8b\x08\0" + elf[:300])
    put(d + "/elf.xz", b"\xfd7zXZ\0" + elf[:300])
    put(d + "/noaccess", elf)
    os.chmod(d + "/noaccess", 0)
    os.mkdir(d + "/folder")
    os.mkdir(d + "/readonly")
    os.chmod(d + "/readonly", 0o500)
    os.symlink("nowhere", d + "/dangling")
    os.symlink("loop", d + "/loop")
    os.mkfifo(d + "/fifo")
    s = socket.socket(socket.AF_UNIX)
    s.bind(d + "/dead.sock")
    s.close()
