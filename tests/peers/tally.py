"""What a question came to: how often it was asked, how often xkd and the peer agreed, which
differences are known slips of the peer (with the reason, proved case by case by a second
witness), and which are unexplained. A question with an unexplained difference failed."""
from collections import Counter


class Tally:
    def __init__(self, question, peer):
        self.question, self.peer = question, peer
        self.asked = self.agreed = 0
        self.accepted = Counter()
        self.silent = Counter()
        self.counts = Counter()   # what was met on the way: stops, frames ...
        self.examples = {}        # one of each kind of what was not asked
        self.differ = []
        self.unable = ""

    def agree(self, count=1):
        self.asked += count
        self.agreed += count

    def accept(self, reason):
        """A difference that is the peer's; the reason is a row of reasons.py."""
        self.asked += 1
        self.accepted[reason] += 1

    def unlike(self, detail):
        self.asked += 1
        self.differ.append(str(detail))

    def no_answer(self, why):
        """The peer has no answer here, and says why: not asked, but told."""
        self.silent[why] += 1

    def cannot(self, why):
        """The peer has no answer at all: the question was not asked."""
        self.unable = why

    @property
    def good(self):
        return not self.differ and (self.asked > 0 or bool(self.unable))

    def as_dict(self):
        return {"question": self.question, "peer": self.peer, "asked": self.asked,
                "agreed": self.agreed, "accepted": dict(self.accepted), "differ": self.differ[:200],
                "unable": self.unable, "silent": dict(self.silent),
                "counts": dict(self.counts), "examples": self.examples}

    def tell(self, tap):
        """One result of a test."""
        what = f"{self.question} as {self.peer} has it"
        if self.unable:
            tap.skip(what, self.unable)
            return
        for met, n in sorted(self.counts.items()):
            tap.note(f"{n} {met}")
        for reason, n in sorted(self.accepted.items()):
            tap.note(f"{n} accepted: {reason}")
        for why, n in sorted(self.silent.items()):
            tap.note(f"{n} without an answer of {self.peer}: {why}")
        tap.ok(self.good, f"{what}: {self.agreed} of {self.asked}, {sum(self.accepted.values())} accepted",
               f"{len(self.differ)} differ\n" + "\n".join(self.differ))
