"""When two stacks are the same: function by function, line by line, inlined frames and all.

What is no difference, each with its reason:
- a name without what compilers add to copies of a function (.isra.0, .cold ...);
- assembly has no function in DWARF: there peers take a symbol, and may take another one at the
  same place, or the nearest label; the place then tells;
- user frames, and what a peer shows beyond the kernel's outermost frame.
"""
import re

from files import same_file


def base(name):
    return re.sub(r"\.(isra|constprop|part|cold|llvm)\b.*", "", name or "").removesuffix("_after_hwframe")


def kernel_frames(frames):
    """Down to the first frame that has no name and no place: the user's, or none."""
    out = []
    for f in frames:
        if not f["name"] and not f.get("symbol") and not f["file"]:
            break
        out.append(f)
    return out


def show(f):
    if f is None:
        return "nothing"
    pc = f"{f['pc']:x} " if f["pc"] is not None else ""
    return f"{pc}{'~' if f['inline'] else ''}{f['name'] or f.get('symbol')} {f['file']}:{f['line']}"


def same_frame(mine, theirs):
    """Why two frames differ, or an empty text."""
    if mine["inline"] != theirs["inline"]:
        return "inline"
    if mine["pc"] is not None and theirs["pc"] is not None and mine["pc"] != theirs["pc"]:
        return "pc"
    asm = (theirs["file"] or mine["file"] or "").endswith(".S")
    if theirs["name"] and not asm and base(mine["name"]) != base(theirs["name"]):
        return "name"
    if theirs["file"] and theirs["line"]:
        if mine["line"] != theirs["line"]:
            return "line"
        if not mine["file"] or not same_file(mine["file"], theirs["file"]):
            return "file"
    return ""


def compare(mine, theirs):
    """[(why, mine, theirs)] of the frames that differ; empty when the stacks are the same. After a
    difference that shifts what follows there is no more to compare."""
    mine, theirs = kernel_frames(mine), kernel_frames(theirs)
    differ = []
    for i in range(max(len(mine), len(theirs))):
        a = mine[i] if i < len(mine) else None
        b = theirs[i] if i < len(theirs) else None
        why = same_frame(a, b) if a and b else "length"
        if why:
            differ.append((why, a, b))
            if why in ("inline", "pc", "name", "length"):
                break
    return differ
