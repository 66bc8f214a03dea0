"""Question: the line of an address (ln) is addr2line's, for random addresses of the kernel's,
kvm's and kvm-amd's functions. addr2line takes the file of a function that a header's macro
defines (trace points) from the unit, not from the line table; where it differs, gdb, which reads
the table, has the last word."""
import gdbpeer
import reasons
import truth
from files import addr2line, functions, same_file, same_place, section_index, symbols
from rig import answers, mark, module_debug, show, vmlinux
from tally import Tally
from xkdside import place


def pick(r, funcs, count):
    return [base + r.randrange(size) for base, size in (r.choice(funcs) for _ in range(count))]


def choose(g, r, count):
    """[(address in the guest, addr2line's answer, how to ask it again)], and gdb's commands to have
    the same files."""
    where, vm = truth.text_bounds(g), vmlinux(g.kernel)
    link = symbols(vm, where)
    slide = where["_text"] - link["_text"]
    addresses = pick(r, [f for f in functions(vm) if link["_stext"] <= f[0] < link["_etext"]], count * 7 // 10)
    asked = [(a + slide, w, (vm, a)) for a, w in zip(addresses, addr2line(vm, addresses))]
    setup = gdbpeer.symbol_files(g, slide)
    for module, share in (("kvm", count // 4), ("kvm_amd", count // 20)):
        text = dict(truth.sections(g, module)).get(".text")
        ko = module_debug(g.kernel, module.replace("_", "[-_]"))
        if not text or not ko:
            continue
        addresses = pick(r, functions(ko, section_index(ko, ".text")), share)
        asked += [(a + int(text, 16), w, (ko, a, "-j", ".text"))
                  for a, w in zip(addresses, addr2line(ko, addresses, "-j", ".text"))]
    return asked, setup


def alone(path, address, *options):
    """addr2line's answer when it is asked nothing else."""
    return addr2line(path, [address], *options)[0]


def reason(got, theirs, gdb, again):
    """Why a difference is the peer's; None where it is not."""
    if not got and not gdb and alone(*again) is None:
        return reasons.ADDR2LINE_KEPT
    if not (got and gdb and same_file(got[0], gdb[0])):
        return None
    if got[1] == gdb[1]:
        return reasons.ADDR2LINE_FILE
    return reasons.ADDR2LINE_ROW if theirs and got[1] == theirs[1] else None


def ask(g, r, count=1000):
    t = Tally("lines of addresses", "addr2line")
    asked, setup = choose(g, r, count)
    status, out = g.xkd(mark([f"ln {a:#x}" for a, _, _ in asked]), timeout=300)
    if status != 0:
        t.unlike(f"xkd ended with {status}: {out[-1000:]}")
        return [t]
    differ = []
    for (a, w, again), text in zip(asked, answers(out, len(asked))):
        got = place(text)
        if same_place(got, w):
            t.agree()
        else:
            differ.append((a, got, w, again))
    gdb = gdbpeer.lines(setup, [d[0] for d in differ]) if differ and gdbpeer.here() else {}
    for a, got, w, again in differ:
        why = reason(got, w, gdb.get(a), again)
        if why:
            t.accept(why)
        else:
            t.unlike(f"{show(a)}: got {got} addr2line {w} gdb {gdb.get(a)}")
    return [t]
