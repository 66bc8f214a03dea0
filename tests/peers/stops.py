#!/usr/bin/env python3
"""Puts q_stops, the question at many stops, to guests of several kernels and prints its part of
docs/peers.md. tools/peers --stops runs it.

usage: stops.py [--stops N] [--seconds S] [--json FILE] [--read FILE ...] [--write FILE] [NAME=KERNELDIR...]

--seconds ends a guest's stops after that time. --json keeps the results; --read takes those of earlier
runs, and what was asked of the same kernel is added up. --write puts the part into FILE, in the place of
an earlier one. Exit status 1 where anything differs unexplained."""
import argparse
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../live"))
import rig  # noqa: E402
import reasons  # noqa: E402
import q_stops  # noqa: E402

HEAD = "## Stops all over the kernel"
ROWS = (("stacks of CPUs", "stops", "stops"), ("stacks of CPUs", "asked", "stacks of CPUs compared"),
        ("stacks of CPUs", "agreed", "- the same, frame by frame (function, inlined, line)"),
        ("stacks of CPUs", "accepted", "- that differ by a slip of gdb's"),
        ("stacks of CPUs", "differ", "- that differ without an explanation"),
        ("stacks of CPUs", "frames", "frames compared"), ("stacks of CPUs", "inlined frames", "- of them inlined"),
        ("stacks of CPUs", "CPUs in user mode or in the inner VM", "CPUs that ran no code of the kernel's"),
        ("parameters", "all", "parameters and locals compared"), ("parameters", "equal", "- equal"),
        ("parameters", "unknown", "- unknown to both"), ("parameters", "more", "- that xkd alone has"),
        ("parameters", "gap", "- that gdb alone has"), ("parameters", "parts", "- shown in parts"),
        ("parameters", "slip", "- that differ by a slip of gdb's"),
        ("parameters", "differ", "- that differ without an explanation"),
        ("stacks of sleeping", "dumps", "dumps for drgn"),
        ("stacks of sleeping", "asked", "stacks of sleeping tasks compared"),
        ("stacks of sleeping", "agreed", "- the same"),
        ("stacks of sleeping", "differ", "- that differ without an explanation"),
        ("parameters and locals of sleeping", "asked", "values in them compared"),
        ("parameters and locals of sleeping", "agreed", "- equal"),
        ("parameters and locals of sleeping", "accepted", "- that differ by a slip of drgn's"),
        ("parameters and locals of sleeping", "differ", "- that differ without an explanation"))


def merge(a, b):
    """The sum of two tallies, as dicts."""
    out = dict(b)
    for key in ("asked", "agreed"):
        out[key] = a[key] + b[key]
    for key in ("accepted", "silent", "counts"):
        out[key] = {k: a[key].get(k, 0) + b[key].get(k, 0) for k in {**a[key], **b[key]}}
    out["differ"] = a["differ"] + b["differ"]
    out["examples"] = {**b["examples"], **a["examples"]}
    return out


def resort(t):
    """What a peer said where it has no answer may have become known since."""
    left = []
    for d in t["differ"]:
        why = reasons.silent(d) if re.match(r"pid \d+: drgn: ", d) else None
        if why:
            t["silent"][why] = t["silent"].get(why, 0) + 1
            t["asked"] -= 1
        else:
            left.append(d)
    t["differ"] = left


def take(results, kernel, tallies):
    mine = results.setdefault(kernel, {})
    for t in tallies:
        resort(t)
        q = t["question"]
        mine[q] = merge(mine[q], t) if q in mine else t


def number(tallies, question, what):
    t = next((t for q, t in tallies.items()
              if q.startswith(question) and ("sleeping" in q) == ("sleeping" in question)), None)
    if t is None:
        return "-"
    if what == "all":
        return len(t["differ"]) + sum(t["counts"].get(k, 0)
                                      for k in ("equal", "unknown", "more", "gap", "parts", "slip"))
    if what == "accepted":
        return sum(t["accepted"].values())
    if what == "differ":
        return len(t["differ"])
    return t[what] if what in t else t["counts"].get(what, 0)


def kinds(tallies):
    """{part of the kernel: stops there}"""
    found = {}
    for t in tallies.values():
        for k, n in t["counts"].items():
            if k.startswith("stops: "):
                part = k.removeprefix("stops: ").split(",")[0]
                found[part] = found.get(part, 0) + n
    return found


def listed(results, key):
    total = {}
    for tallies in results.values():
        for t in tallies.values():
            for k, n in t[key].items():
                total[k] = total.get(k, 0) + n
    return [f"- {n}: {k}" for k, n in sorted(total.items(), key=lambda x: -x[1])]


def markdown(results, command):
    names = list(results)
    out = [HEAD, "",
           "Guests under load (tests/live/load.c) were stopped at random functions, at their entries and at rows "
           "of the line table inside, and by plain interrupts. At each stop gdb, on the same halted guest, had to "
           "see every CPU's stack and all in it as xkd does; at some of them drgn read a dump. Made by",
           "", f"    {command}", "",
           "| | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    for question, what, words in ROWS:
        out.append(f"| {words} | " + " | ".join(str(number(results[k], question, what)) for k in names) + " |")
    parts = sorted({p for k in names for p in kinds(results[k])})
    out += ["", "Stops were in " + "; ".join(
        f"{p} {'/'.join(str(kinds(results[k]).get(p, 0)) for k in names)}" for p in parts) + ".", ""]
    for title, key in (("Slips of peers here:", "accepted"),
                       ("What gdb has and xkd says is unknown, or a peer has not:", "silent")):
        rows = listed(results, key)
        out += [title, "", *rows, ""] if rows else []
    out += ["Without an explanation:", ""]
    differ = [f"- {k}: `{d}`" for k in names for t in results[k].values() for d in t["differ"]]
    return "\n".join(out + (differ or ["None."])) + "\n"


PART = re.compile(rf"^{re.escape(HEAD)}\n.*?(?=^## |\Z)", re.M | re.S)


def part_of(path):
    """The part that a page has, or an empty text."""
    if not os.path.exists(path):
        return ""
    with open(path) as f:
        m = PART.search(f.read())
    return m[0] if m else ""


def put_into(path, text):
    """In the place of the earlier part, or at the end."""
    with open(path) as f:
        old = PART.sub("", f.read()).rstrip("\n")
    with open(path, "w") as f:
        f.write(old + "\n\n" + text)


def main():
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument("--stops", type=int, default=300)
    p.add_argument("--seconds", type=int, default=0)
    p.add_argument("--json")
    p.add_argument("--read", action="append", default=[])
    p.add_argument("--write")
    p.add_argument("--command", default="tools/peers --stops 300")
    p.add_argument("kernels", nargs="*")
    a = p.parse_args()
    r = rig.rng(rig.Tap())
    results, own = {}, {}
    for path in a.read:
        with open(path) as f:
            for k, tallies in json.load(f).items():
                take(results, k, tallies)
    for k in a.kernels:
        name, path = k.split("=", 1)
        with rig.Guest(*q_stops.GUEST, kernel=path) as g:
            own[name] = [t.as_dict() for t in q_stops.ask(g, r, stops=a.stops, seconds=a.seconds)]
        take(results, name, own[name])
        if a.json:
            with open(a.json, "w") as f:
                json.dump(own, f, indent=1)
    text = markdown(results, a.command)
    if a.write:
        put_into(a.write, text)
    print(text, end="")
    return 1 if any(t["differ"] for ts in results.values() for t in ts.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
