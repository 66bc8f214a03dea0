"""A small GDB stub that can misbehave: one server a test, a process each, one client.

It speaks enough of the GDB remote protocol for a session without a kernel: the register block all
amd64 stubs share, a page of memory at 0x1000, breakpoints, step, detach. A mode is a named way to
be wrong; MODES lists them. A mode is a function (stub, packet) that returns the answer's payload,
None for the sound answer, or acts on the connection and raises Gone."""
import os
import random
import signal
import socket
import struct
import time

MEM_AT, MEM = 0x1000, bytes(range(256)) * 16
REGS = b"".join(struct.pack("<Q", n + 1) for n in range(16)) + struct.pack("<Q", 0x1000) \
    + struct.pack("<7I", 0x202, 0x10, 0x18, 0, 0, 0, 0)


class Gone(Exception):
    pass


class Sent(Exception):
    """The mode has answered by itself."""


def frame(payload):
    if isinstance(payload, str):
        payload = payload.encode("latin-1")
    return b"$" + payload + b"#%02x" % (sum(payload) & 255)


def sound(p):
    """The answer of a stub that is in order."""
    if p.startswith("qSupported"):
        return "PacketSize=1000"
    if p == "?" or p[0] == "s":
        return "S05"
    if p == "g":
        return REGS.hex()
    if p[0] == "m":
        addr, n = (int(x, 16) for x in p[1:].split(","))
        n = min(n, MEM_AT + len(MEM) - addr)
        return MEM[addr - MEM_AT:addr - MEM_AT + n].hex() if addr >= MEM_AT and n > 0 else "E14"
    if p[0] in "GMPZzHD":
        return "OK"
    return ""


class Stub:
    def __init__(self, mode, path=None):
        self.before, self.answer = MODES[mode]
        self.sock = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        self.sock.bind(path or ("127.0.0.1", 0))
        self.sock.listen(1)
        self.target = "gdb:" + (path or "127.0.0.1:%d" % self.sock.getsockname()[1])
        self.conn, self.buf, self.over = None, b"", False
        self.pid = os.fork()
        if not self.pid:
            try:
                self.serve()
            finally:
                os._exit(0)
        self.sock.close()

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)

    def serve(self):
        try:
            self.conn, _ = self.sock.accept()
            if self.before:
                self.before(self)
            while not self.over:
                self.reply(self.packet())
        except (Gone, OSError, ValueError):
            pass
        finally:
            if self.conn:
                self.conn.close()

    def raw(self, data):
        self.conn.sendall(data)

    def send(self, payload):
        self.raw(frame(payload))

    def packet(self):
        while True:
            self.buf = self.buf.lstrip(b"+-\x03")
            at, end = self.buf.find(b"$"), self.buf.find(b"#")
            if 0 <= at < end and len(self.buf) >= end + 3:
                p = self.buf[at + 1:end].decode("latin-1")
                self.buf = self.buf[end + 3:]
                return p
            got = self.conn.recv(65536)
            if not got:
                raise Gone
            self.buf += got

    def reply(self, p):
        self.raw(b"+")
        try:
            a = self.answer(self, p) if self.answer else None
        except Sent:
            return
        self.send(sound(p) if a is None else a)

    def idle(self):
        """Takes all and says nothing, until the client has enough."""
        while not self.over and self.conn.recv(65536):
            pass
        raise Gone

    def stream(self, data):
        while not self.over:
            self.raw(data)


def on(prefix, act):
    """A mode that is sound save for packets that begin so; act: a payload or a function of
    (stub, packet)."""
    def answer(s, p):
        if not p.startswith(prefix):
            return None
        return act(s, p) if callable(act) else act
    return None, answer


def gone(s, p=None):
    raise Gone


def http(s):
    s.conn.recv(65536)
    s.raw(b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\nContent-Length: 5\r\n\r\nwhat?")
    raise Gone


def greeting(s):
    s.raw(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")
    s.idle()


def noise(s):
    rnd = random.Random(1)
    s.raw(bytes(rnd.randrange(256) for _ in range(5000)))
    s.idle()


def mid_packet(s, p):
    s.raw(b"$0011223344")
    raise Gone


def endless_packet(s, p):
    s.raw(b"$")
    s.stream(b"00" * 32768)


def wrong_sum(s, p):
    while not s.over:
        s.raw(b"$" + sound(p).encode() + b"#00")
        s.packet()


def wrong_once(s, p):
    s.raw(b"$" + sound(p).encode() + b"#zz")
    if b"-" not in s.conn.recv(1):
        raise Gone
    return None


def slow(s, p):
    """A byte at a time, but in time."""
    for c in frame(sound(p)):
        s.raw(bytes([c]))
        time.sleep(0.0005)
    raise Sent


def xml(doc):
    """A description of registers, sent in pieces as it is asked for; doc(offset, length)."""
    def answer(s, p):
        if p.startswith("qSupported"):
            return "PacketSize=1000;qXfer:features:read+"
        if p.startswith("qXfer:features:read:"):
            off, n = (int(x, 16) for x in p.rsplit(":", 1)[1].split(","))
            return doc(off, n)
        return None
    return None, answer


def text(doc):
    def part(off, n):
        more = "m" if off + n < len(doc) else "l"
        return more + doc[off:off + n]
    return part


def memory(answer):
    """Connecting reads memory of its own accord; only what a command asks for is answered wrong."""
    return on("m10", answer)


HUGE_REGS = "<target><architecture>i386:x86-64</architecture><feature name='x'>" + "".join(
    "<reg name='r%d' bitsize='4294967295'/>" % i for i in range(500)) + "</feature></target>"
DEEP = "<target>" + "<feature>" * 5000

MODES = {
    "sound": (None, None),
    "silent": (Stub.idle, None),
    "closes at once": (gone, None),
    "http": (http, None),
    "ssh": (greeting, None),
    "noise": (noise, None),
    "stream": (lambda s: s.stream(b"x" * 65536), None),
    "zeros": (lambda s: s.stream(b"\0" * 65536), None),
    "acks": (lambda s: s.stream(b"+" * 65536), None),
    "naks": (lambda s: s.stream(b"-"), None),
    "packets": (lambda s: s.stream(frame("T05thread:01;") * 100), None),
    "closes in a packet": on("qSupported", mid_packet),
    "closes after hello": on("?", gone),
    "endless packet": on("qSupported", endless_packet),
    "wrong checksums": on("", wrong_sum),
    "one wrong checksum": on("qSupported", wrong_once),
    "slow": on("g", slow),
    "errors to all": on("", "E01"),
    "errors in words": on("m", "E.no \x1b[31mmemory\x07 here"),
    "nothing to all": on("", ""),
    "OK to all": on("", "OK"),
    "all is a stop": on("", "S05"),
    "short g": on("g", "00112233"),
    "odd g": on("g", "123"),
    "empty g": on("g", ""),
    "g not hex": on("g", "zz" * 164),
    "g unavailable": on("g", "xx" * 164),
    "long g": on("g", "41" * 60000),
    "g with error": on("g", "E02"),
    "absurd qSupported": on("qSupported", "PacketSize=;;;=;+;-;" + "A" * 100000 + ";PacketSize"),
    "binary qSupported": on("qSupported", bytes(set(range(256)) - set(b"#$*}")).decode("latin-1")),
    "huge PacketSize": on("qSupported", "PacketSize=ffffffffffffffff"),
    "small PacketSize": on("qSupported", "PacketSize=1"),
    "negative PacketSize": on("qSupported", "PacketSize=-1"),
    "bad stop": on("?", "T05thread:zzzz;;;=:;core:ffffffffffffffffff;"),
    "exited": on("?", "W00"),
    "console without end": on("?", lambda s, p: s.stream(frame("O41414141"))),
    "threads without end": on("qfThreadInfo", lambda s, p: "m" + ",".join(
        "%x" % n for n in range(1, 150))),
    "more threads without end": (None, lambda s, p: "m1" if p == "qfThreadInfo" else
                                 "m%x" % random.randrange(1, 1 << 30) if p == "qsThreadInfo"
                                 else None),
    "bad threads": on("qfThreadInfo", "m-1,0,p0.0,zz,,,ffffffffffffffffff"),
    "memory not hex": memory("zz" * 64),
    "memory short": memory("00"),
    "memory odd": memory("000"),
    "memory long": memory("41" * 30000),
    "memory error": memory("E14"),
    "memory hangs": memory(lambda s, p: s.idle()),
    "memory closes": memory(gone),
    "memory in mid-packet": memory(mid_packet),
    "memory run too far": memory(lambda s, p: "0*~0*~0*~0*~" * 50),
    "memory run of nothing": memory("*~"),
    "memory wrong checksums": memory(wrong_sum),
    "memory is S05": memory("S05"),
    "resume hangs": on("s", lambda s, p: s.idle()),
    "resume closes": on("s", gone),
    "resume is an error": on("s", "E01"),
    "resume is noise": on("s", "T zz;\x1b[2J"),
    "resume exits": on("s", "W2a"),
    "detach hangs": on("D", lambda s, p: s.idle()),
    "detach is an error": on("D", "E01"),
    "xml empty": xml(text("")),
    "xml broken": xml(text("<target><architecture>i386:x86-64</architecture><feature <reg")),
    "xml endless": xml(lambda off, n: "m" + "<!-- -->" * (n // 8)),
    "xml nothing": xml(lambda off, n: "m"),
    "xml error": xml(lambda off, n: "E00"),
    "xml huge registers": xml(text(HUGE_REGS)),
    "xml deep": xml(text(DEEP)),
    "xml includes itself": xml(text("<target><xi:include href=\"target.xml\"/></target>")),
    "xml of another machine": xml(text("<target><architecture>aarch64</architecture></target>")),
    "xml is binary": xml(text("".join(chr(c) for c in range(1, 35) if chr(c) not in "#$"))),
}
