"""Question: the bases of the kernel and its modules (lm) are /proc's."""
import truth
from rig import show
from tally import Tally
from xkdside import bases


def ask(g, r=None):
    t = Tally("bases of kernel and modules", "/proc/modules")
    want = {**truth.modules(g), "lk": truth.address(g, "_text")}
    status, out = g.xkd("lm; q")
    got = bases(out)
    if status != 0:
        t.unlike(f"xkd ended with {status}: {out[-1000:]}")
    for m in sorted(set(want) | set(got)):
        if want.get(m) == got.get(m):
            t.agree()
        else:
            t.unlike(f"{m}: got {show(got[m]) if m in got else 'none'} "
                     f"want {show(want[m]) if m in want else 'none'}")
    return [t]
