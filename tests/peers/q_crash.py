"""Questions to crash, which reads a dump taken while xkd sees the guest stopped: bases of modules,
structs, and the stacks of sleeping tasks (functions and return addresses; crash knows no inlined
ones) where it sees them."""
import crashpeer
import stacks
import truth
from files import pahole
from q_dump import Stopped, run
from rig import vmlinux
from tally import Tally
from xkdside import bases, layout, stack

BASES, STRUCTS, STACKS = "bases of modules", "sizes and offsets of structs", "stacks of sleeping tasks"


def compare_structs(t, names, theirs, texts):
    for n, text, mine in zip(names, theirs, texts):
        size, members = crashpeer.layout(text)
        if size is None:
            t.no_answer("crash finds no such struct")
            continue
        got = layout(mine)
        wrong = {m: (got[1].get(m), o * 8) for m, o in members.items() if got[1].get(m) != o * 8}
        if got[0] == size and not wrong:
            t.agree()
        else:
            t.unlike(f"{n}: size {got[0]} want {size}; members that differ: {sorted(wrong.items())[:6]}")


def compare_stacks(t, pids, theirs, texts):
    """crash names assembly by another label, and ends where the user's begins."""
    for pid, text, which, mine in zip(pids, theirs, texts[::2], texts[1::2]):
        if "last on CPU" not in which:
            continue  # it runs now, and crash would read what a sleep long ago has left
        want = crashpeer.stack(text)
        if not want:
            t.no_answer("crash sees no such task, or no stack")
            continue
        got = []
        for f in stacks.kernel_frames(stack(mine)):
            if not f["inline"]:
                got.append((stacks.base(f["name"]), f["pc"] if got else want[0][1]))
        bad = [(a, b) for a, b in zip(got, want)
               if a[1] != b[1] or not (b[0].startswith(("entry_", "ret_from_")) or a[0] == stacks.base(b[0]))]
        if bad or len(got) != len(want):
            t.unlike(f"pid {pid}: {bad[:3]} {len(got)} frames, crash {len(want)}: {got} | {want}")
        else:
            t.agree()


def last_words(text):
    """What crash said at last, without its own addresses."""
    return " ".join(text.split("[/usr/")[0].split())[-160:]


def ask(g, r, count=200):
    tallies = [Tally(q, "crash") for q in (BASES, STRUCTS, STACKS)]
    if not crashpeer.here():
        for t in tallies:
            t.cannot("no crash")
        return tallies
    names = r.sample(sorted(pahole(vmlinux(g.kernel))), count)
    pids = sorted(p for p, x in truth.tasks(g).items() if x[1] in "SI" and x[2] != "sh")
    with Stopped(g) as there:
        theirs, why = crashpeer.ask(g.kernel, there.dump,
                                    ["mod", *(f"struct -o {n}" for n in names), *(f"bt {p}" for p in pids)])
        if theirs is None:
            for t in tallies:
                t.cannot("crash does not read the dump: " + last_words(why))
            return tallies
        texts = run(g, ["lm", *(f"dt -v lk!{n}" for n in names),
                        *(c for p in pids for c in (f".task {p}", "k"))], tallies[0])
    if texts is None:
        return tallies
    mine = bases(texts[0])
    for m, base in crashpeer.modules(theirs[0]).items():
        if mine.get(m) == base:
            tallies[0].agree()
        else:
            tallies[0].unlike(f"{m}: got {mine.get(m)} want {base:x}")
    compare_structs(tallies[1], names, theirs[1:], texts[1:])
    compare_stacks(tallies[2], pids, theirs[1 + count:], texts[1 + count:])
    for t in tallies:
        if not t.asked:
            t.cannot(next(iter(t.silent), "no answer"))
    return tallies
