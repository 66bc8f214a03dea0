#!/usr/bin/env python3
"""Puts the questions of this folder (q_*.py) to guests of several kernels and makes a table of what
came out: rows are questions, columns kernels, cells agreed/asked. tools/peers runs it.

usage: table.py [--only q_names,q_lines ...] [--write FILE] [--json FILE] [--read FILE ...] NAME=KERNELDIR...

A kernel's guest answers all questions but q_break, which has a guest with one CPU. What a question
has told is kept when another one fails. --json keeps the results, --read takes those of an earlier
run first: a table can be made of several, and the later answer to a question counts. Exit status 1 where anything differs unexplained."""
import argparse
import importlib
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../live"))
import rig  # noqa: E402
import stops  # noqa: E402
from tally import Tally  # noqa: E402

QUESTIONS = ("q_modules", "q_names", "q_lines", "q_types", "q_dump", "q_cpus", "q_crash", "q_break")
ONE_CPU = {"q_break"}


def put(question, g, r, tallies):
    begin = time.monotonic()
    try:
        got = importlib.import_module(question).ask(g, r)
    except Exception as e:  # whatever a peer does, the other questions are still asked
        t = Tally(question, "its peer")
        t.unlike(f"the question failed: {type(e).__name__}: {e}")
        got = [t]
    for t in got:
        cell = t.unable or f"{t.agreed}/{t.asked}, {sum(t.accepted.values())} accepted"
        print(f"  {t.question}, {t.peer}: {cell}", flush=True)
        for d in t.differ:
            print(f"    {d}")
    print(f"  ({question}: {time.monotonic() - begin:.0f} s)", flush=True)
    tallies += got


def put_all(kernel, questions, r):
    tallies = []
    for options, chosen in (((), [q for q in questions if q not in ONE_CPU]),
                            (("--smp", "1"), [q for q in questions if q in ONE_CPU])):
        if not chosen:
            continue
        with rig.Guest(*options, kernel=kernel) as g:
            for q in chosen:
                put(q, g, r, tallies)
    return tallies


def cell(t):
    if t is None:
        return ""
    if t["unable"]:
        return "-"
    text = f"{t['agreed']}/{t['asked']}"
    accepted = sum(t["accepted"].values())
    return text + (f" +{accepted}" if accepted else "")


def markdown(results, release, command, runs):
    """results: {kernel: [tally as a dict]}; runs: how many they come of."""
    kernels = list(results)
    rows, by = [], {}
    for k in kernels:
        for t in results[k]:
            key = (t["question"], t["peer"])
            if key not in by:
                rows.append(key)
            by.setdefault(key, {})[k] = t
    out = ["# Peers", "",
           "xkd and others were asked the same of the same guests (QEMU, TCG; Debian's stock kernels) and "
           "had to give the same answer. This page is made by", "", f"    {command}", "",
           *([f"These figures are of {runs} runs, put together with `tests/peers/table.py --read`.", ""]
             if runs > 1 else []),
           "Cells are agreed/asked; `+N` are answers that differ by a known slip of the peer's, proved for "
           "each of them (reasons below); `-` means that the peer cannot "
           "answer there. What is asked is chosen at random anew each time.", "",
           "| question | peer | " + " | ".join(kernels) + " |", "|---|---|" + "---|" * len(kernels)]
    rows.sort(key=lambda row: order(*row))
    for q, p in rows:
        out.append(f"| {q} | {p} | " + " | ".join(cell(by[q, p].get(k)) for k in kernels) + " |")
    out += ["", "Kernels: " + ", ".join(f"{k} is {release[k]}" for k in kernels) + ".", ""]
    out += notes(results)
    return "\n".join(out) + "\n"


def order(question, peer):
    """What needs least of the guest comes first; a question's peers stand together."""
    words = ("bases", "addresses", "lines", "sizes", "parameters", "stacks of", "stacks at", "the guest goes")
    return next((i for i, w in enumerate(words) if question.startswith(w)), len(words)), question, peer


def notes(results):
    reasons, unable, differ = {}, [], []
    for k, tallies in results.items():
        for t in tallies:
            for reason, n in t["accepted"].items():
                reasons[reason] = reasons.get(reason, 0) + n
            if t["unable"]:
                unable.append(f"- {k}, {t['question']}, {t['peer']}: {t['unable']}")
            unable += [f"- {k}, {t['question']}, {t['peer']}, {n} of them: {why}"
                       for why, n in t.get("silent", {}).items()]
            differ += [f"- {k}, {t['question']}, {t['peer']}: `{d}`" for d in t["differ"]]
    out = []
    if reasons:
        out += ["## Accepted", ""] + [f"- {n}: {why}" for why, n in sorted(reasons.items())] + [""]
    if unable:
        out += ["## Not answered", ""] + unable + [""]
    out += ["## Differences without an explanation", ""] + (differ or ["None."])
    return out


def main():
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument("--only", default=",".join(QUESTIONS))
    p.add_argument("--write")
    p.add_argument("--json")
    p.add_argument("--command", default="tools/peers")
    p.add_argument("--read", action="append", default=[])
    p.add_argument("kernels", nargs="*")
    a = p.parse_args()
    tap = rig.Tap()
    r = rig.rng(tap)
    results, release = {}, {}
    for path in a.read:
        with open(path) as f:
            old = json.load(f)
        release.update(old["release"])
        for k, tallies in old["results"].items():
            again = {(t["question"], t["peer"]) for t in tallies}
            results[k] = [t for t in results.get(k, []) if (t["question"], t["peer"]) not in again] + tallies
    for k in a.kernels:
        name, path = k.split("=", 1)
        release[name] = os.path.basename(path)
        print(f"{name} ({release[name]})", flush=True)
        results.setdefault(name, []).extend(t.as_dict() for t in put_all(path, a.only.split(","), r))
    if a.json:
        with open(a.json, "w") as f:
            json.dump({"results": results, "release": release}, f, indent=1)
    text = markdown(results, release, a.command, len(a.read) + bool(a.kernels))
    if a.write:
        # The stops have a run and a part of the page of their own.
        kept = stops.part_of(a.write)
        with open(a.write, "w") as f:
            f.write(text + ("\n" + kept if kept else ""))
    print(text, end="")
    return 1 if any(t["differ"] for ts in results.values() for t in ts) else 0


if __name__ == "__main__":
    sys.exit(main())
