#!/usr/bin/env python3
"""debuginfod: debug info, code and sources from a server on loopback, by build-id; servers that are
gone, silent or lie; nothing asked unless told to. TAP on standard output; skipped where the server
program or the client library is not there."""
import ctypes, http.server, os, shutil, signal, socket, subprocess, sys, tempfile, threading, time

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


def skip_all(why):
    print("1..0 # SKIP", why)
    sys.exit(0)


if not shutil.which("debuginfod"):
    skip_all("no debuginfod server program (Debian: package debuginfod)")
try:
    ctypes.CDLL("libdebuginfod.so.1")
except OSError:
    skip_all("no libdebuginfod.so.1 (Debian: package libdebuginfod1)")

top = os.path.realpath(tempfile.mkdtemp(prefix="xkd-server-"))
srv, loc, src = (os.path.join(top, d) for d in ("srv", "local", "src"))
for d in (srv, loc, src):
    os.mkdir(d)


def sh(*argv):
    p = subprocess.run(argv, cwd=top, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if p.returncode:
        skip_all("%s: %s" % (" ".join(argv), p.stdout.decode(errors="replace").strip().replace("\n", " ")))
    return p.stdout.decode(errors="replace")


class Server(http.server.BaseHTTPRequestHandler):
    """One that counts what it is asked, and answers everything with what it was given."""
    body, asked, wait = None, [], 0

    def do_GET(self):
        Server.asked.append(self.path)
        end = time.time() + Server.wait
        if Server.body is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(Server.body) + 1000000 * bool(Server.wait)))
        self.end_headers()
        self.wfile.write(Server.body)
        self.wfile.flush()
        while time.time() < end and not Server.stop:
            time.sleep(0.1)

    stop = False

    def log_message(self, *a):
        pass


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def env(cache, urls=None, **more):
    e = {k: v for k, v in os.environ.items() if not k.startswith("DEBUGINFOD")}
    e.update(DEBUGINFOD_CACHE_PATH=os.path.join(top, cache), XDG_CACHE_HOME=os.path.join(top, "xdg"), **more)
    if urls:
        e["DEBUGINFOD_URLS"] = urls
    return e


def xkd(cache, *argv, urls=None, hide=None, **more):
    cmd = [XKD, *argv]
    if hide:  # a file system of nothing over a folder, for this process alone
        cmd = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', hide, *cmd]
    t = time.time()
    p = subprocess.run(cmd, cwd=top, env=env(cache, urls, **more), stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    xkd.took = time.time() - t
    return p.stdout.decode(errors="replace"), p.stderr.decode(errors="replace")


def buildid(path):
    for l in sh("readelf", "-n", path).split("\n"):
        if "Build ID:" in l:
            return l.split()[-1]
    skip_all("this linker makes no build-ids")


def build(name, text, *flags):
    with open(os.path.join(src, name + ".c"), "w") as f:
        f.write(text)
    sh("gcc", "-g", "-O1", *flags, os.path.join(src, name + ".c"), "-o", name, "-Wl,--build-id")


child = None
fake = None
try:
    TEXT = """struct item { int a; long b; };
struct item thing = { 17, 2 };
__attribute__((noinline)) int work(int n) { return n * thing.a + 3; }
int main(int c, char **v) { (void)v; return work(c); }
"""
    build("prog", TEXT)
    build("other", TEXT.replace("17", "18"))
    sh("objcopy", "--only-keep-debug", "prog", "srv/prog.debug")
    sh("objcopy", "--strip-all", "prog", "local/prog")
    bid = buildid("prog")

    port = free_port()
    url = "http://127.0.0.1:%d" % port
    log = open(os.path.join(top, "log"), "w")
    child = subprocess.Popen(["debuginfod", "-p", str(port), "-d", ":memory:", "-F", "-g", "0", srv],
                             cwd=top, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    import urllib.request
    for _ in range(150):
        try:
            urllib.request.urlopen(url + "/buildid/%s/debuginfo" % bid, timeout=5).read()
            break
        except OSError:
            if child.poll() is not None:
                skip_all("debuginfod ends at once: " + open(os.path.join(top, "log")).read()[:200].replace("\n", " "))
            time.sleep(0.2)

    def asked():
        return open(os.path.join(top, "log")).read().count("UA:elfutils")

    out, err = xkd("c0", "-z", "local/prog", "-c", "lm; q")
    ok("(symtab)" in out and not asked(), "nothing is asked unless told to", out + err)
    out, err = xkd("c1", "-z", "local/prog", "-y", "srv*" + url, "-c", "lm; dt item; dt thing; q")
    ok("(dwarf)" in out and "+0x008 b" in out and "0n17" in out, "srv*URL: debug info by build-id, values of the local file", out + err)
    ok(os.path.exists(os.path.join(top, "c1", bid, "debuginfo")), "it is kept in libdebuginfod's cache")
    k = asked()
    out, err = xkd("c1", "-z", "local/prog", "-y", "srv*" + url, "-c", "lm; q")
    ok("(dwarf)" in out and asked() == k, "the second time it comes from the cache", out + err)
    out, err = xkd("c2", "-z", "local/prog", "-y", "srv*%s/mine*%s" % (top, url), "-c", "lm; q")
    ok("(dwarf)" in out and os.path.exists(os.path.join(top, "mine", bid, "debuginfo")), "srv*DIR*URL keeps it there", out + err)
    out, err = xkd("c3", "-z", "local/prog", "-c", "lm; q", urls=url)
    ok("(dwarf)" in out, "$DEBUGINFOD_URLS", out + err)
    out, err = xkd("c4", "-z", "local/prog", "-y", "cache*%s/his;srv*" % top, "-c", "lm; q", urls=url)
    ok("(dwarf)" in out and os.path.exists(os.path.join(top, "his", bid, "debuginfo")), "cache*DIR;srv* with $DEBUGINFOD_URLS", out + err)
    out, err = xkd("c5", "-z", "local/prog", "-y", url, "-c", "lm; q")
    ok("(dwarf)" in out, "a bare URL", out + err)

    out, err = xkd("c6", "-z", "local/prog", "-y", "srv*" + url, "-c", "ls prog!work; q", hide=src)
    if "unshare" in err or "mount" in err:
        n += 1
        print("ok %d - a source by build-id # SKIP %s" % (n, err.strip().split("\n")[0]))
    else:
        ok(">    3: " + TEXT.split("\n")[2] in out and src + "/prog.c" in out, "a source by build-id", out + err)
    os.remove(os.path.join(src, "prog.c"))
    out, err = xkd("c7", "-z", "local/prog", "-y", "srv*" + url, "-c", "ls prog!work; q")
    ok("prog.c is not there" in out, "a source that the server has not either", out + err)

    sh("objcopy", "--strip-all", "other", "local/other")
    out, err = xkd("c8", "-z", "local/other", "-y", "srv*" + url, "-c", "lm; q")
    ok("(symtab)" in out and "debuginfod" not in err, "a file that no server has: no noise", out + err)

    gone = "http://127.0.0.1:%d" % free_port()
    out, err = xkd("c9", "-z", "local/prog", "-z", "local/other", "-y", "srv*" + gone, "-c", "lm; q")
    ok(out.count("(symtab)") == 2 and err.count("debuginfod:") == 1 and gone in err, "a server that is gone: told once", out + err)
    out, err = xkd("c10", "-z", "local/prog", "-y", "srv*%s;srv*%s" % (gone, url), "-c", "lm; q")
    ok("(dwarf)" in out and gone in err, "the next one is asked", out + err)

    fake = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    fake.daemon_threads = True
    threading.Thread(target=fake.serve_forever, daemon=True).start()
    liar = "http://127.0.0.1:%d" % fake.server_port
    sh("objcopy", "--only-keep-debug", "other", "other.debug")
    with open(os.path.join(top, "other.debug"), "rb") as f:
        Server.body = f.read()
    out, err = xkd("c11", "-z", "local/prog", "-y", "srv*" + liar, "-c", "lm; q")
    ok("(symtab)" in out and "has another build-id" in err, "another build's file is not taken, which is told", out + err)
    ok(Server.asked == ["/buildid/%s/debuginfo" % bid], "one question", Server.asked)
    Server.body = b"\x7fELF nonsense" * 100
    out, err = xkd("c12", "-z", "local/prog", "-y", "srv*" + liar, "-c", "lm; q")
    ok("(symtab)" in out and "debuginfod:" in err, "nonsense is not taken, which is told", out + err)

    # a connection that says nothing; an answer that stops in the middle
    mute = socket.socket()
    mute.bind(("127.0.0.1", 0))
    mute.listen(8)
    silent = "http://127.0.0.1:%d" % mute.getsockname()[1]
    out, err = xkd("c13", "-z", "local/prog", "-y", "srv*" + silent, "-c", "lm; q", DEBUGINFOD_TIMEOUT="2")
    ok("(symtab)" in out and 1.5 < xkd.took < 20 and ("told nothing for 2 seconds" in err or "does not answer" in err),
       "a silent server: given up after $DEBUGINFOD_TIMEOUT", "%s\n%.1f s\n%s" % (out, xkd.took, err))
    Server.wait = 30
    p = subprocess.Popen([XKD, "-z", "local/prog", "-y", "srv*" + liar, "-c", "lm; q"], cwd=top, env=env("c14"),
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    for _ in range(100):
        if len(Server.asked) > 2:
            break
        time.sleep(0.1)
    time.sleep(1)
    t = time.time()
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=60)
    ok(time.time() - t < 5 and b"(symtab)" in out, "Ctrl-C ends the wait", out + err)
    left = ()
    for _ in range(60):
        left = [f for d, _, fs in os.walk(os.path.join(top, "c14")) for f in fs if f.startswith("debuginfo.")]
        if not left:
            break
        time.sleep(0.1)
    ok(not left, "and leaves no half a file", left)
    Server.stop = True
finally:
    if child:
        child.terminate()
        child.wait()
    if fake:
        fake.shutdown()
    if not fails:
        shutil.rmtree(top, ignore_errors=True)
print("1..%d" % n)
sys.exit(fails > 0)
