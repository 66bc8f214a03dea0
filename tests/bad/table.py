"""The rows of t_bad.py. One row: what is wrong, the command line, what must come of it.

{dir} is the folder that files.py fills, {home} the row's own home, {target} its stub's address.
code: the exit status, or a tuple of those that are right. says: a regular expression that stdout or
stderr must have; never: one that neither may have. lines: how many sentences stderr may have."""
import os
import socket
from dataclasses import dataclass, field


@dataclass
class Row:
    name: str
    args: list
    code: object = 0
    says: str = ""
    never: str = ""
    stub: str = ""            # a mode of stub.py
    stdin: bytes = b""
    env: dict = field(default_factory=dict)     # None: unset
    shell: str = ""           # bash text around the program, which is "$@"
    size: tuple = None        # rows and columns of a terminal; stdin is then typed there
    before: object = None     # called with the row's home
    lines: int = 1
    width: int = 2000
    skip: object = None       # why the row cannot run, or nothing


# Rows that last as long as a time limit.
WAITS = "memory (hangs|run|wrong|is)|resume is noise|hangs|silent|ssh|threads|packets$|is a stop|" \
    "wrong checksums|console|given up"


# What every file that opens is asked; then that the session still goes on.
ASK = "lm; x *; x *!out*; dt s; ?? gs[1]; u outer; ln outer; ls outer; ?? &gs[0].b; ? gs; " \
      "!lines; .frame; k; dv; db outer; ? 0n40+2"
ON = "evaluate|= 0*`?0*2a|2a"


def file_rows():
    whole = "{dir}/"

    def refused(name, file, says, code=3):
        return Row("file: " + name, ["-z", whole + file, "-c", ASK], code, says)

    yield Row("file: a sound one", ["-z", "{dir}/good", "-c", "lm; x *!outer; ? 0n40+2"], 0,
              r"outer[^$]*2a")
    yield refused("none", "nosuch", r"nosuch: No such file")
    yield refused("a dangling link", "dangling", r"dangling: No such file")
    yield refused("a circle of links", "loop", r"loop: Too many levels")
    yield refused("a folder", "folder", r"folder is (a folder|no regular file)")
    yield refused("a pipe", "fifo", r"fifo is no regular file")
    yield refused("a device", "../../dev/null", r"null is no regular file|No such file")
    yield refused("empty", "empty", r"empty")
    yield refused("of zeros", "zeros", r"zeros")
    yield refused("a text", "text.txt", r"text\.txt")
    yield refused("a core", "core", r"core")
    yield refused("broken gzip", "elf.gz", r"elf\.gz")
    yield refused("broken xz", "elf.xz", r"elf\.xz")
    yield refused("a name that is too long", "x" * 5000, r"too long|longer than")
    yield Row("file: no permission", ["-z", "{dir}/noaccess", "-c", "lm"], 3,
              r"noaccess: Permission denied", shell=UNPRIVILEGED)
    yield Row("file: an empty list", ["-z", "", "-c", "lm"], (0, 1, 2, 3), "")
    yield Row("file: commas only", ["-z", ",,", "-c", "lm"], 3, "name is missing")
    for cut in ("1", "16", "63", "64", "text", "info", "symtab", "strtab", "heads", "last"):
        yield refused("ELF cut at " + cut, "cut-" + cut, r"cut-" + cut)
    for name, says in (("elf32", "32"), ("big-endian", "endian"), ("arm64", "aarch64|ARM|machine"),
                       ("i386", "386|machine|x86-64"), ("elf-version", "version"),
                       ("shoff-far", "section"), ("shoff-wraps", "section"),
                       ("shentsize", "section"), ("shnum-many", "section")):
        yield refused("ELF header: " + name, name, says)
    for file in ("shnum-none", "shstrndx", "far.text", "huge.text", "far.symtab", "huge.symtab", "far.strtab",
                 "far.debug_info", "huge.debug_info", "far.debug_abbrev", "far.debug_line",
                 "symtab-entsize", "symtab-link", "packed-info", "bomb-info"):
        yield Row("file: section header: " + file, ["-z", whole + file, "-c", ASK], (1, 3),
                  "", lines=3)
    for how in ("ff", "zero", "text"):
        for sec in (".debug_info", ".debug_abbrev", ".debug_line", ".debug_aranges", ".symtab",
                    ".strtab", ".debug_str", ".shstrtab", ".debug_rnglists", ".debug_loclists",
                    ".eh_frame", ".note.gnu.build-id"):
            yield Row("file: %s of %s" % (sec, how), ["-z", whole + how + sec, "-c", ASK],
                      (0, 1, 3), "", lines=3)
    for file in ("bad-btf", "bad-orc", "stripped", "good.o", "bad-rela.o"):
        yield Row("file: " + file, ["-z", whole + file, "-c", ASK], (0, 1), ON)
    yield refused("a .o cut in the middle", "cut.o", r"cut\.o")
    yield Row("file: two of one name", ["-z", "{dir}/good,{dir}/good", "-c", "lm; x *!outer"],
              (0, 1, 3), "good")
    yield Row("file: at a broken address", ["-z", "{dir}/good=zz", "-c", "lm"], (2, 3), "good")
    yield Row("file: at the end of the world", ["-z", "{dir}/good=ffffffffffffffff", "-c", "lm; x *!*"],
              (0, 1, 2, 3), "")


UNPRIVILEGED = 'if [ $(id -u) = 0 ]; then exec setpriv --reuid 65534 --clear-groups "$@"; ' \
    'else exec "$@"; fi'


def closed_port():
    """A port nobody listens on."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def socket_rows():
    def lost(name, mode, says, code=3, **kw):
        return Row("socket: " + name, ["-k", "{target}", "-c", "r; ? 0n40+2"], code, says,
                   stub=mode, **kw)

    port = closed_port()
    yield Row("socket: nobody listens", ["-k", "gdb:127.0.0.1:%d" % port, "-c", "k"], 3,
              r"nobody listens on .*%d" % port)
    for name, uri, says in (
            ("none such", "gdb:{home}/none.sock", "there is no socket"),
            ("nobody behind it", "gdb:{dir}/dead.sock", "dead.sock"),
            ("a file", "gdb:{dir}/text.txt", "text.txt"),
            ("a folder", "gdb:{dir}/folder", "folder"),
            ("too long", "gdb:/" + "s" * 500, "no path for a socket"),
            ("nothing", "gdb:", "gdb:|HOST:PORT"),
            ("port 0", "gdb:127.0.0.1:0", "HOST:PORT"),
            ("port 65536", "gdb:127.0.0.1:65536", "HOST:PORT"),
            ("port in letters", "gdb:127.0.0.1:http", "HOST:PORT"),
            ("a bare IPv6 address", "gdb:::1:1234", "IPV6"),
            ("an unknown host", "gdb:no-such-host.invalid:1", "no-such-host"),
            ("a very long host", "gdb:" + "h" * 5000 + ":1", "HOST:PORT|h{50}")):
        yield Row("socket: " + name, ["-k", uri, "-c", "k"], (2, 3), says)
    yield lost("sound", "sound", "2a", 0)
    yield lost("silent", "silent", "(answer|said|says|silent|time)")
    yield lost("closes at once", "closes at once", "(closed|gone|went away|ended|hung up)")
    yield lost("closes in a packet", "closes in a packet", "(closed|gone|went away|ended|hung up)")
    yield lost("closes after hello", "closes after hello", "(closed|gone|went away|ended|hung up)")
    for mode in ("http", "ssh", "noise", "stream", "zeros", "acks", "naks", "packets",
                 "endless packet", "wrong checksums", "console without end"):
        yield lost(mode, mode, "^xkd: ")
    yield lost("one wrong checksum", "one wrong checksum", "2a", 0)
    yield lost("slow", "slow", "2a", 0)


def packet_rows():
    def goes_on(mode, cmd="r; ? 0n40+2", code=(0, 1), says="2a", **kw):
        return Row("packets: " + mode, ["-k", "{target}", "-c", cmd], code, says, stub=mode, **kw)

    for mode in ("empty g", "g with error"):
        yield goes_on(mode, code=(1, 3), says="gives no registers")
    for mode in ("errors to all", "nothing to all", "OK to all", "all is a stop", "short g", "odd g",
                 "g not hex", "g unavailable", "long g", "absurd qSupported",
                 "binary qSupported", "huge PacketSize", "small PacketSize", "negative PacketSize",
                 "bad stop", "exited", "threads without end", "more threads without end",
                 "bad threads", "errors in words"):
        yield goes_on(mode, code=(0, 1, 3), says="2a|^xkd: ", lines=3)
    for mode in ("xml empty", "xml broken", "xml endless", "xml nothing", "xml error",
                 "xml huge registers", "xml deep", "xml includes itself", "xml is binary"):
        yield goes_on(mode, code=(0, 1, 3), says="2a|^xkd: ", lines=3)
    yield goes_on("xml of another machine", code=3, says="aarch64|x86-64")
    read = "db 1000 L20; ? 0n40+2"
    for mode in ("memory not hex", "memory odd", "memory error", "memory short", "memory long",
                 "memory run of nothing", "memory run too far", "memory is S05"):
        yield goes_on(mode, read, (0, 1, 3), "2a|^xkd: ")
    for mode in ("memory hangs", "memory closes", "memory in mid-packet", "memory wrong checksums"):
        yield goes_on(mode, read, (1, 3), "xkd: |lost|answer|time|closed", lines=2)
    for mode in ("resume hangs", "resume closes", "resume is an error", "resume is noise",
                 "resume exits"):
        if mode != "resume hangs":  # a step may last for ever; only Ctrl-C ends that
            yield goes_on(mode, "t; ? 0n40+2", (0, 1, 3), "", lines=2)
    yield goes_on("detach hangs", code=(0, 3), lines=2)
    yield goes_on("detach is an error", code=(0, 3), lines=2)


def expression_rows():
    deep = "(" * 10000 + "1" + ")" * 10000

    def fails(name, text, says, code=1):
        return Row("expression: " + name, ["-k", "{target}"], code, says, stub="sound",
                   stdin=text if isinstance(text, bytes) else text.encode() + b"\n? 0n40+2\n",
                   never=r"\x1b")

    for name, text, says in (
            ("nothing", "?", ""),
            ("open parenthesis", "? (1+2", "\\)"),
            ("closing one", "? 1+2)", "\\)"),
            ("an operator alone", "? *", ""),
            ("an unknown symbol", "? nosuchsymbol", "nosuchsymbol"),
            ("an unknown module", "? nosuch!symbol", "nosuch"),
            ("a number too long", "? 123456789abcdef01", "64|too (large|long|big)"),
            ("a decimal too long", "? 0n99999999999999999999", "64|too (large|long|big)"),
            ("a bad digit", "? 0n12a", ""),
            ("division by zero", "? 1/0", "zero"),
            ("remainder of zero", "? 1%0", "zero"),
            ("C division by zero", "?? 1/0", "zero"),
            ("smallest by -1", "?? (long long)0x8000000000000000/-1", ""),
            ("a shift of 1000", "? 1<<0n1000", ""),
            ("nested 10,000 deep", "? " + deep, "nest|deep"),
            ("C nested 10,000 deep", "?? " + deep, "nest|deep"),
            ("10,000 minus signs", "? " + "-" * 10000 + "1", ""),
            ("10,000 dereferences", "?? " + "*" * 10000 + "1", ""),
            ("casts without end", "?? " + "(int)" * 10000 + "1", ""),
            ("1 MB of digits", "? " + "1" * 1000000, "64|too (large|long|big)|longer"),
            ("1 MB of sums", "? " + "1+" * 500000 + "1", ""),
            ("1 MB of a name", "? " + "n" * 1000000, "nnn|too long"),
            ("poi of nothing", "? poi(0)", "0"),
            ("poi of the end", "? poi(ffffffffffffffff)", "ffffffff"),
            ("an unfinished string", 'bp 1000 "k', ""),
            ("an unfinished brace", ".if (1) { ? 1", ""),
            ("an unknown register", "? @nosuch", "nosuch"),
            ("a type nobody knows", "dt nosuch_type", "nosuch_type"),
            ("a cast to it", "?? (struct nosuch *)1", "nosuch"),
            ("a member of a number", "?? 1->x", ""),
            ("a CPU there is not", "~99999999999s", ""),
            ("a frame there is not", ".frame 99999", ""),
            ("a range that wraps", "db ffffffffffffff00 L200", ""),
            ("a range without end", "db 1000 Lffffffffffffffff", ""),
            ("a range backwards", "db 2000 1000", ""),
            ("a breakpoint nowhere", "bp nosuch", "nosuch"),
            ("no such breakpoint", "bc 77", "77"),
            ("an unknown command", "frobnicate", "frobnicate"),
            ("an unknown extension", "!frobnicate", "frobnicate"),
            ("a thousand repeats", "j 1 'j 1 'j 1 'x'''", "")):
        yield fails(name, text, says, (0, 1))
    yield fails("NUL bytes", b"? 1\0+2\n? 0n40+2\n", "2a", (0, 1))
    yield fails("not UTF-8", b"? gr\xfc\xdfe\n? 0n40+2\n", "2a")
    yield fails("escape sequences", b"? \x1b]0;title\x07\x1b[2J\n? 0n40+2\n", "2a")
    yield fails("a name in Greek", "? \u03b1\u03b2\u03b3\n", "2a")
    yield fails("no newline at the end", b"? 0n40+2", "2a", 0)
    yield fails("nothing but newlines", b"\n" * 10000 + b"? 0n40+2\n", "2a", 0)
    yield fails("ten thousand separators", b";" * 10000 + b"? 0n40+2\n", "2a", 0)
    yield fails("a number in a symbol of a file", b"? 40`2\n? 0n40+2\n", "2a", (0, 1))
    yield Row("expression: several answers", ["-z", "{dir}/good,{dir}/stripped,{dir}/good.o", "-c",
                                              "? outer; ? 0n40+2"], (0, 1), "outer|2a")


def option_rows():
    t = ["-k", "{target}"]
    yield Row("option: unknown", ["--nosuch"], 2, "unknown option: --nosuch", lines=1)
    yield Row("option: an unknown letter", ["-Q"], 2, "-Q")
    yield Row("option: unknown letter among others", ["-bQe"], 2, "Q")
    yield Row("option: without its argument", ["-k"], 2, "missing: -k")
    yield Row("option: long, without its argument", ["--trace"], 2, "missing: --trace")
    yield Row("option: an argument it does not take", ["--batch=yes"], 2, "--batch")
    yield Row("option: two targets", ["-k", "gdb:1", "-k", "gdb:2"], 2, "only one target")
    yield Row("option: an unknown way", ["-k", "ftp:x"], 2, "ftp:x")
    yield Row("option: a way of control characters", ["-k", "\x1b[2Jgdb:x"], 2, "gdb:x")
    yield Row("option: an empty target", ["-k", ""], 2, "")
    yield Row("option: empty -c", t + ["-c", ""], 0, "", stub="sound")
    yield Row("option: -c of blanks", t + ["-c", " ; ;; "], 0, "", stub="sound")
    yield Row("option: -c of a megabyte", t + ["-c", "? 1;" * 30000], 0, "", stub="sound")
    yield Row("option: one huge word", t + ["-c", "?" + "x" * 130000], 1, "xxx|too long",
              stub="sound", width=140000)
    yield Row("option: empty -y", t + ["-y", "", "-c", "? 0n40+2"], 0, "2a", stub="sound")
    yield Row("option: -y of nothing there", t + ["-y", "/nosuch:{dir}/text.txt:;;::", "-c",
                                                  "? 0n40+2"], 0, "2a", stub="sound", lines=2)
    yield Row("option: -y of 120 KB", t + ["-y", ("/" + "x" * 60 + ":") * 2000, "-c",
                                                       "? 0n40+2"], 0,
              "2a", stub="sound", lines=2)
    yield Row("option: -y of another build", t + ["-y", "{dir}/good", "-c", "lm; ? 0n40+2"], (0, 1), "2a",
              stub="sound", lines=2)
    for name, file, code, says in (
            ("none such", "nosuch", 1, "nosuch.*No such file"),
            ("a folder", "folder", 1, "folder"),
            ("empty", "empty", 0, ""),
            ("a program", "script-binary", 1, "script-binary|ELF"),
            ("NUL bytes in it", "script-nul", 1, "script-nul|NUL"),
            ("not UTF-8", "script-latin", 1, "script-latin"),
            ("DOS line ends", "script-crlf", 0, "4"),
            ("an open brace", "script-open", 1, "script-open|\\}"),
            ("runs itself", "script-itself", 1, "nest|deep"),
            ("a line of a megabyte", "script-long", (0, 1), "4")):
        yield Row("option: -f " + name, t + ["-f", "{dir}/" + file], code, says, stub="sound")
    yield Row("option: -f a pipe nobody writes, given up", t + ["-f", "{dir}/fifo"], (0, 1, 130), "",
              stub="sound", shell='timeout --preserve-status -s INT 6 "$@"')
    yield Row("option: -o in no folder", t + ["-o", "{home}/no/log", "-c", "? 1"], 2, "no/log",
              stub="sound")
    yield Row("option: -o a folder", t + ["-o", "{dir}/folder", "-c", "? 1"], 2, "folder",
              stub="sound")
    yield Row("option: -o a full disk", t + ["-o", "/dev/full", "-c", "? 0n40+2"], (0, 1),
              "/dev/full.*No space", stub="sound")
    yield Row("option: -o without permission", t + ["-o", "{dir}/readonly/log", "-c", "? 1"], 2,
              "readonly/log: Permission|Permission denied", stub="sound", shell=UNPRIVILEGED)
    yield Row("option: a log in a session to nowhere", t + ["-c", ".logopen {home}/no/log; ? 0n40+2"],
              1, "2a", stub="sound")
    yield Row("option: symbolize without anything", ["symbolize"], (0, 1, 2), "")
    yield Row("option: symbolize of noise", ["symbolize", "-z", "{dir}/good"], (0, 1, 2), "",
              stdin=bytes(range(128, 256)) * 20, width=3000)


def environment_rows():
    t = ["-k", "{target}", "-c", "? 0n40+2"]

    def fine(name, env=None, code=0, says="2a", **kw):
        return Row("surroundings: " + name, t, code, says, stub="sound", env=env or {}, **kw)

    yield fine("no HOME", {"HOME": None})
    yield fine("HOME is nowhere", {"HOME": "/nosuch"})
    yield fine("HOME is empty", {"HOME": ""})
    yield fine("HOME is a file", {"HOME": "/etc/passwd"})
    yield fine("XDG folders are nowhere", {"XDG_STATE_HOME": "/nosuch", "XDG_CACHE_HOME": "/nosuch",
                                          "XDG_CONFIG_HOME": "/nosuch"})
    yield fine("XDG folders are files", {"XDG_STATE_HOME": "/dev/null", "XDG_CACHE_HOME": "/dev/null"})
    yield fine("XDG folder of 5000 letters", {"XDG_STATE_HOME": "/" + "x" * 5000})
    yield fine("no TERM", {"TERM": None})
    yield fine("a TERM nobody knows", {"TERM": "nosuch"})
    yield fine("no locale of this name", {"LC_ALL": "xx_YY.nosuch"})
    yield fine("DEBUGINFOD_URLS is noise", {"DEBUGINFOD_URLS": "://\x1b[2J %n"})
    yield fine("no environment at all", shell='exec env -i "$@"')
    yield fine("stdin closed", shell='exec "$@" <&-')
    yield fine("stdin is a folder", shell='exec "$@" </')
    yield fine("stderr closed", shell='exec "$@" 2>&-')
    yield fine("stdout closed", shell='exec "$@" >&-', code=1, says="")
    yield fine("stdout is full", shell='exec "$@" >/dev/full', code=1, says="No space|standard output|stdout")
    yield fine("all three closed", shell='exec "$@" <&- >&- 2>&-', code=1, says="")
    yield Row("surroundings: commands from a folder", ["-k", "{target}"], 1, "standard input: Is a dir",
              stub="sound", shell='exec "$@" </')
    yield Row("surroundings: commands from nowhere", ["-k", "{target}"], (0, 1), "", stub="sound",
              shell='exec "$@" <&-')
    yield Row("surroundings: read by head", ["-k", "{target}", "-c", "db 1000 L800;" * 200], 0, "xkd ",
              stub="sound", shell='"$@" | head -1; s=${PIPESTATUS[0]}; '
              '[ $s = 0 ] || [ $s = 1 ] || [ $s = 141 ] || exit $s')
    yield Row("surroundings: few descriptors", t, (0, 3), "2a|^xkd: ", stub="sound",
              shell='ulimit -n 5; exec "$@"', env={"ASAN_OPTIONS": "detect_leaks=0"})
    yield Row("surroundings: little stack", ["-k", "{target}", "-c", "? " + "(" * 5000 + "; ? 0n40+2"],
              1, "2a", stub="sound", shell='ulimit -s 1024; exec "$@"')
    keys = b"? 0n40+2\nr\nq\n"
    for name, size, env in (("5 columns by 2 rows", (2, 5), {"PAGER": "cat"}),
                            ("1 by 1", (1, 1), {"PAGER": "cat"}),
                            ("0 by 0", (0, 0), {}), ("a dumb terminal", (24, 80), {"TERM": "dumb"}),
                            ("no TERM on a terminal", (24, 80), {"TERM": None}),
                            ("an unknown TERM on a terminal", (24, 80), {"TERM": "nosuch"}),
                            ("a very wide one", (500, 5000), {})):
        yield Row("terminal: " + name, ["-k", "{target}"], 0, "", stub="sound", stdin=keys, size=size,
                  env=env)
    yield Row("terminal: HOME is nowhere", ["-k", "{target}"], 0, "2a", stub="sound", stdin=keys,
              size=(24, 80), env={"HOME": "/nosuch/x"})
    yield Row("terminal: a history of noise", ["-k", "{target}"], 0, "2a", stub="sound", stdin=keys,
              size=(24, 80), before=noisy_history)
    yield Row("terminal: keys of noise", ["-k", "{target}"], (0, 1), "", stub="sound",
              stdin=b"\x1b[999;999H\x00\xff\xfe\t\t\x01\x0b\n" + b"q\n", size=(24, 80))


def noisy_history(home):
    os.makedirs(home + "/.local/state/xkd")
    with open(home + "/.local/state/xkd/history", "wb") as f:
        f.write(bytes(range(256)) * 300 + b"\n")
    with open(home + "/.editrc", "wb") as f:
        f.write(bytes(range(256)) * 3 + b"\nbind\nbind \x01 \x02\n")


def rows():
    for part in (file_rows, socket_rows, packet_rows, expression_rows, option_rows,
                 environment_rows):
        yield from part()
