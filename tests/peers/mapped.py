"""Where a guest's code comes from: of an address the file, the place in it and what the file itself says of
it (symbol table, line table by addr2line, .debug_frame). The second witness of what peers disagree on."""
import bisect
import functools

import rig
import truth
from cfi import Covered
from files import functions_named, inline_places, labels, memory_sections, run, same_place, section_index


class Mapped:
    """One piece of code: [begin, end) in the guest is a file's from link on (of a section, in a .ko)."""

    def __init__(self, path, begin, end, link, section=None):
        self.path, self.begin, self.end, self.link, self.section = path, begin, end, link, section
        self.options = ("-j", section) if section else ()

    @functools.cached_property
    def cfi(self):
        return Covered(self.path, self.section)

    @functools.cached_property
    def functions(self):
        index = section_index(self.path, self.section) if self.section else None
        return functions_named(self.path, index)

    @functools.cached_property
    def labels(self):
        return labels(self.path, section_index(self.path, self.section) if self.section else None)

    def link_of(self, pc):
        return pc - self.begin + self.link


class Code:
    """All code of a guest that peers have files for."""

    def __init__(self, g, text, etext, link, modules=("kvm", "kvm_amd")):
        """text, etext: the kernel's in the guest; link: of _text in the file."""
        self.sections = {}  # of each module: {section: address}
        self.parts = [Mapped(rig.vmlinux(g.kernel), text, etext, link)]
        for m in modules:
            ko = rig.module_debug(g.kernel, m.replace("_", "[-_]"))
            there = dict(truth.sections(g, m))
            self.sections[m] = {s: int(a, 16) for s, a in there.items()}
            for section in memory_sections(ko, code=True) if ko else ():
                if section in there and section not in (".init.text", ".exit.text"):
                    part = Mapped(ko, int(there[section], 16), 0, 0, section)
                    part.end = part.begin + max((a + z for _, a, z in part.functions), default=0)
                    self.parts.append(part)

    def part(self, pc):
        return next((p for p in self.parts if p.begin <= pc < p.end), None)

    def vouch(self, file, line, pc):
        """True where addr2line has that file and line at the pc, of the function or one inlined there."""
        p = self.part(pc)
        return bool(p and file) and any(same_place(x, (file, line))
                                        for x in inline_places(p.path, p.link_of(pc), *p.options))

    def bytes(self, pc, count):
        """The file's bytes at a pc."""
        p = self.part(pc)
        if not p:
            return b""
        at = p.link_of(pc)
        out = run(["objdump", "-s", *p.options, f"--start-address={at:#x}", f"--stop-address={at + count:#x}", p.path])
        return b"".join(bytes.fromhex("".join(l[1:].split("  ")[0].split()[1:5]))
                        for l in out.splitlines() if l.startswith(" "))[:count]

    def by_text(self, mine, theirs):
        """True where theirs is mine with a module's .text taken for the section that mine lies in."""
        return any(mine - at == theirs - there[".text"] for there in self.sections.values() if ".text" in there
                   for section, at in there.items() if section != ".text")

    def covered(self, pc):
        """True where the file has call frame information for the pc; None where no file is known."""
        p = self.part(pc)
        return p.link_of(pc) in p.cfi if p else None

    def names(self, pc):
        """The functions that have the pc by the symbol table, and the names of the nearest label."""
        p = self.part(pc)
        if not p:
            return set()
        at = p.link_of(pc)
        i = bisect.bisect_right(p.labels, at, key=lambda l: l[0]) - 1
        near = {n for a, n in p.labels if i >= 0 and a == p.labels[i][0]}
        return near | {n for n, a, z in p.functions if a <= at < a + z}
