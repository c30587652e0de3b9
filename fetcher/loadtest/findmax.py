"""The highest rate that meets the SLO: which rate to probe next, and when that is enough.

Pure: it starts nothing and has no clock. `next` says what to do, `tell` hears what came of it.

The rate is doubled until one is missed (quartered while the first ones are missed), then the gap between the
highest rate held and the lowest one missed above it is halved, until it is within the resolution. At this
edge both rates are probed again: 2 of 3 probes decide. If that overturns one of them, the search goes on
from there, so that one unlucky probe costs time, not the truth. So are the next rates tried that lie 10 %
below and above: a server that flaps would else look steady, for nothing contradicts a bisection. Near the
edge probes are longer, where the SLO asks for a percentile: a short one begins with an empty queue, and
flatters. Rates are whole requests per second.

A probe in which the client was the limit (INVALID) says nothing of the server: nothing above is tried, and
the answer is "at least". Where even the first rate is, it is tried once more; lower ones only if it was the
client's own work: where something else kept it from working, a lower rate would not help.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil, sqrt
from typing import Any, Final, NamedTuple

from fetcher.loadtest.probed import VERDICTS, Answer, Record, Tried, Verdict, behind, client
from fetcher.loadtest.probed import needed as needed

DOWN: Final = 4  # a first rate far too high hurts the server: leave it faster than it was come to
COARSE: Final = 0.1  # the resolution below a client's limit: "at least" needs no fine one
LONGEST: Final = 120.0  # seconds of one probe, to gather the samples of a high percentile at a low rate
SPARE: Final = 1.1  # times the samples: chance sends a few less
REST: Final = 10  # times the cool-down, at most, after a miss: the backlog must drain
NEAR: Final = 0.1  # from this gap on probes take longer, for then they decide
SOLID: Final = 10  # times the samples: 10 above a percentile place it to a third, 100 to a tenth
LONG: Final = 60.0  # seconds that they take for it, at most
APART: Final = 0.1  # probes that contradict the answer this far from it are chance no longer: they are noted
FLAPS: Final = 2  # rates of that kind
WORKS: Final = 0.5  # of a core, from which on it is its own work that is too much for a client


class Probe(NamedTuple):
    """Load to be tried: rest for `cooldown` seconds, then ask at `rate` for `seconds`."""

    rate: int
    seconds: float
    cooldown: float


@dataclass
class Search:
    """`next` gives the same Probe until `tell` has heard of it, then another one; in the end the Answer."""

    start: float = 50.0  # requests per second
    seconds: float = 10.0  # of a probe
    cooldown: float = 2.0
    resolution: float = 0.02  # or 1/s, whichever is more
    probes: int = 40  # at most
    highest: float = 1_000_000.0  # rate that is tried
    samples: int = 0  # requests that a probe needs, see `needed`; it lasts longer at low rates
    _tried: dict[int, Tried] = field(default_factory=dict, init=False)
    _told: int = field(default=0, init=False)
    _rest: float = field(default=0.0, init=False)
    _late: set[int] = field(default_factory=set, init=False)  # rates with a probe whose PASS did not count

    def next(self) -> Probe | Answer:
        """What to do now."""
        rate = self._rate() if self._told < self.probes else None
        if rate is None:
            return self._answer()
        low, high = self._edge()
        near = low is not None and high is not None and high <= low * (1 + NEAR) and low <= rate <= high
        seconds = max(self.seconds, min(SPARE * self.samples / rate, LONGEST))
        if near:
            seconds = max(seconds, min(SOLID * self.samples / rate, LONG))
        return Probe(rate, seconds, self._rest)

    def tell(self, rate: float, verdict: str, record: Record) -> None:
        """What came of a probe. A PASS that left a backlog is a miss: no such rate lasts."""
        vote = VERDICTS[verdict]
        if vote == "PASS" and behind(record):
            self._late.add(round(rate))
            vote = "INVALID" if (record.get("client") or {}).get("saturated") else "FAIL"
        tried = self._tried.setdefault(round(rate), Tried())
        tried.votes.append(vote)
        tried.records.append(record)
        self._told += 1
        backlog = (record.get("response") or {}).get("max") or 0.0
        missed = vote != "PASS"
        self._rest = max(self.cooldown, min(backlog, REST * self.cooldown)) if missed else self.cooldown

    @property
    def floor(self) -> int:
        """The lowest rate that is tried: below, no probe gathers the samples in `LONGEST` seconds."""
        return max(1, ceil(SPARE * self.samples / max(LONGEST, self.seconds)))

    def _edge(self) -> tuple[int | None, int | None]:
        """The highest rate held below any confirmed miss, and the lowest one missed above it."""
        held = [rate for rate, tried in self._tried.items() if tried.verdict == "PASS"]
        missed = self._tried.keys() - held
        cap = min((rate for rate in missed if self._tried[rate].settled), default=None)
        low = max((rate for rate in held if cap is None or rate < cap), default=None)
        return low, min((rate for rate in missed if low is None or rate > low), default=None)

    def _rate(self) -> int | None:
        """The next rate; None: the edge is known."""
        low, high = self._edge()
        ceiling = max(int(self.highest), self.floor)
        if tied := [rate for rate, tried in self._tried.items() if tried.tied]:
            return tied[0]
        if high is None:
            if low is None:
                return min(max(round(self.start), self.floor), ceiling)
            return min(low * 2, ceiling) if low < ceiling else self._unsettled(low, high)
        if low is None:
            tried = self._tried[high]
            if tried.verdict == "INVALID" and not (tried.settled and tried.cpu > WORKS):
                return None if tried.settled else high
            return max(high // DOWN, self.floor) if high > self.floor else self._unsettled(low, high)
        if high - low > self._width(low, high):
            return round(sqrt(low * high))  # strictly between: they are at least 2 apart
        return self._unsettled(low, high)

    def _width(self, low: int, high: int) -> float:
        fine = self.resolution if self._tried[high].verdict == "FAIL" else max(COARSE, self.resolution)
        return max(1.0, fine * low)

    def _unsettled(self, low: int | None, high: int | None) -> int | None:
        """What must be probed again: the edge, and the next rates apart from it, for a server that flaps."""
        below = max((rate for rate in self._tried if low and rate < low * (1 - APART)), default=None)
        above = min((rate for rate in self._tried if high and rate > high * (1 + APART)), default=None)
        if any(rate and self._tried[rate].verdict == "INVALID" for rate in (high, above)):
            above = None  # the client would be the limit again
        edge = (rate for rate in (low, high, below, above) if rate is not None)
        return next((rate for rate in edge if not self._tried[rate].settled), None)

    def stopped(self) -> Answer:
        """What is known of it before its end."""
        low, high = self._edge()
        above = f", and {high:,}/s is too much" if high else ""
        why = f"the search was stopped by hand after {self._told} probes{above}"
        verdict: Verdict = "PASS" if low else self._tried[high].verdict if high else "INVALID"
        return Answer(low, low is not None, why, verdict, self._curve(), self._notes(low, high), self._told)

    def _answer(self) -> Answer:
        low, high = self._edge()
        done = self._rate() is None
        if low is None:
            verdict: Verdict = "INVALID" if high and self._tried[high].verdict == "INVALID" else "FAIL"
            return Answer(
                None,
                False,
                self._none(high, done),
                verdict,
                self._curve(),
                self._notes(None, high),
                self._told,
            )
        limited = high is not None and self._tried[high].verdict == "INVALID"
        at_least = limited or high is None or (not done and high - low > self._width(low, high))
        if limited:
            why = "client-limited"
        elif high is None and done:
            why = "the highest rate that was to be tried"
        elif at_least:
            above = f", and {high:,}/s is too much" if high else ""
            why = f"the search ended after {self._told} probes{above}"
        else:
            why = client(self._tried[low])
        notes = self._notes(low, high)
        if not done and not at_least:
            notes.append(f"the search ended after {self._told} probes, before the edge was confirmed")
        return Answer(low, at_least, why, "PASS", self._curve(), notes, self._told)

    def _none(self, high: int | None, done: bool) -> str:
        if high is None:
            return "nothing was probed"
        if self._tried[high].verdict == "INVALID":
            return f"the client was the limit even at {high:,}/s"
        if not done:
            return f"{high:,}/s is too much, and the search ended after {self._told} probes"
        samples = f" (lower ones give too few samples in {LONGEST:g} s)" if self.floor > 1 else ""
        return f"the SLO is missed even at {high:,}/s{samples}"

    def _curve(self) -> list[dict[str, Any]]:
        return [self._tried[rate].point(rate) for rate in sorted(self._tried)]

    def _notes(self, low: int | None, high: int | None) -> list[str]:
        """What contradicts the answer: probes missed well below it, or held well above it."""
        notes = []
        for rate, tried in sorted(self._tried.items()):
            held, count = tried.votes.count("PASS"), len(tried.votes)
            if low is not None and rate < low * (1 - APART) and held < count:
                missed = f"{rate:,}/s was missed in {count - held} of {count} probes"
                notes.append(f"{missed}, though {low:,}/s held")
            if high is not None and rate > high * (1 + APART) and held:
                notes.append(f"{rate:,}/s held in {held} of {count} probes, though {high:,}/s was missed")
        if len(notes) >= FLAPS:
            notes.append("probes contradict each other: take the answer as rough, or probe for longer")
        if self._late:
            rates = ", ".join(f"{rate:,}/s" for rate in sorted(self._late))
            notes.append(f"the SLO was met at {rates}, but a backlog grew: it does not count as held")
        return notes
