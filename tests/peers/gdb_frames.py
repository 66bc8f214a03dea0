"""Used inside gdb: the frames of the selected thread with their parameters and locals."""
import gdb


def number(v, type_):
    """A scalar as an unsigned number of its size."""
    return int(v.cast(gdb.lookup_type("unsigned long")) if type_.code == gdb.TYPE_CODE_PTR else v) & (
        (1 << 8 * type_.sizeof) - 1)


def value(sym, frame):
    """{"num"}, {"addr"}, {"text"} of one that is known; {"none": why} of one that is not."""
    try:
        v = sym.value(frame)
        t = v.type.strip_typedefs()
        if v.is_optimized_out:
            return {"none": str(v)}
        if t.code in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION, gdb.TYPE_CODE_ARRAY, gdb.TYPE_CODE_FUNC):
            if v.address is not None:
                return {"addr": int(v.address)}
            return {"text": str(v)}
        text = str(v)
        if "synthetic pointer" in text or "optimized out" in text or "not saved" in text:
            return {"none": text}
        out = {"num": number(v, t), "size": t.sizeof}
        if v.is_lazy:
            v.fetch_lazy()
        return out
    except (gdb.error, gdb.MemoryError, OverflowError, RuntimeError) as e:
        return {"none": str(e)}


def frame_vars(frame):
    """[[name, is_argument, value]], from the outermost block inwards."""
    try:
        block = frame.block()
    except RuntimeError:
        return None
    blocks = []
    while block is not None:
        blocks.append(block)
        if block.function is not None:
            break
        block = block.superblock
    out = []
    for b in reversed(blocks):
        for sym in b:
            if sym.is_argument or sym.is_variable:
                static = sym.addr_class == gdb.SYMBOL_LOC_STATIC
                out.append([sym.print_name, sym.is_argument, {**value(sym, frame), **({"static": True} if static else {})}])
    return out


def source(frame):
    sal = frame.find_sal()
    if sal is None or sal.symtab is None or not sal.line:
        return None, 0
    return sal.symtab.filename, sal.line


def stack(count):
    """At most so many, innermost first; each has what xkdside.frame() gives one, too."""
    out = []
    frame = gdb.newest_frame()
    while frame is not None and len(out) < count:
        file, line = source(frame)
        out.append({"pc": frame.pc() & (1 << 64) - 1, "name": frame.name(), "kind": frame.type(),
                    "inline": frame.type() == gdb.INLINE_FRAME, "file": file, "line": line,
                    "vars": frame_vars(frame)})
        try:
            frame = frame.older()
        except gdb.error:
            break
    return out
