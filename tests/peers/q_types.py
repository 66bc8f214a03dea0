"""Question: sizes and members' offsets (dt -v) are pahole's."""
from files import pahole
from rig import answers, mark, module_debug, vmlinux
from tally import Tally
from xkdside import layout


def compare(g, t, module, truth, names):
    status, out = g.xkd(mark([f"dt -v {module}!{n}" for n in names]), timeout=300)
    if status != 0:
        t.unlike(f"xkd ended with {status}: {out[-1000:]}")
        return
    for n, text in zip(names, answers(out, len(names))):
        got, want = layout(text), truth[n]
        if got[0] == want[0] and got[1] == want[1]:
            t.agree()
        else:
            diff = sorted(set(got[1].items()) ^ set(want[1].items()))[:6]
            t.unlike(f"{module}!{n}: size {got[0]} want {want[0]}; members that differ: {diff}")


def ask(g, r, count=500):
    """That many random structs of the kernel, all of kvm's."""
    t = Tally("sizes and offsets of structs", "pahole")
    truth = pahole(vmlinux(g.kernel))
    if len(truth) < 1000:
        t.unlike(f"pahole tells only of {len(truth)} structs of the kernel")
    compare(g, t, "lk", truth, r.sample(sorted(truth), min(count, len(truth))))
    tallies = [t]
    ko = module_debug(g.kernel, "kvm")
    t = Tally("sizes and offsets of kvm's structs", "pahole")
    if ko:
        truth = pahole(ko)
        if len(truth) < 400:
            t.unlike(f"pahole tells only of {len(truth)} structs of kvm")
        compare(g, t, "kvm", truth, sorted(truth))
    else:
        t.cannot("no kvm.ko with debug info")
    return tallies + [t]
