"""The whole comparison as one value: what was measured, who is faster, and one sentence to act on."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import exp, log
from statistics import median
from typing import Any, Final

from fetcher.comparison.bottleneck import bottleneck
from fetcher.comparison.inference import Difference, Interval, differences, furthest, interval
from fetcher.comparison.lap import Lap
from fetcher.comparison.notes import died_in, notes
from fetcher.comparison.parity import Odd, Parity
from fetcher.comparison.plan import Arm, Plan
from fetcher.comparison.sentence import sentence
from fetcher.histogram import merged

FLOOR: Final = 0.01  # a difference of 1 % is of no use to anybody
ITSELF: Final = Interval(1.0, 1.0, 1.0)  # what the best one is to itself
UNEQUAL: Final = 0.01  # of the answers: whoever fails more has less to do
CONTROL: Final = 0.01  # p below which an engine differs from itself; as far as so few blocks can show it
SHOWN: Final = 20  # URLs on which engines disagree


@dataclass
class Entry:
    """One arm's figures: seconds, bytes, and what they are to the best arm's."""

    arm: Arm
    laps: list[Lap]
    urls_per_s: Interval
    cpu_per_url: Interval
    limit: str
    time: Difference | None = None  # against the fastest; None where time ranks nobody
    cpu: Difference | None = None  # against the one that needs least CPU
    ranked: tuple[str, ...] = ()  # by what

    def record(self) -> dict[str, Any]:
        """For the JSON, and for whatever shows it."""
        laps, elapsed = self.laps, merged(one.elapsed for one in self.laps)
        wire = median(one.wire / one.wall for one in laps)
        percents = {f"p{percent}": elapsed.percentile(percent) for percent in (50, 95, 99)}
        return {
            "engine": self.arm.engine,
            "concurrency": laps[0].width,
            "urls_per_s": self.urls_per_s.record(),
            "bytes_per_s": round(wire),
            "ratio": (self.time.ratio if self.time else ITSELF).record() if "time" in self.ranked else None,
            "p": self.time.p if self.time else None,
            "same": (self.time.same if self.time else True) if "time" in self.ranked else None,
            "cpu_per_url": self.cpu_per_url.median,
            "cpu_ratio": (self.cpu.ratio if self.cpu else ITSELF).record() if "cpu" in self.ranked else None,
            "cpu_same": (self.cpu.same if self.cpu else True) if "cpu" in self.ranked else None,
            "latency": {**percents, "max": elapsed.max},
            "seconds": median(one.wall for one in laps),
            "peak_rss": max(one.rss for one in laps),
            "startup": median(one.startup for one in laps),
            "connections": round(median(one.connections for one in laps)),
            "ok": min(one.ok for one in laps),  # a failure in one lap is a failure
            "failed": max(one.urls - one.ok for one in laps),
            "errors": dict(sum((Counter(one.errors) for one in laps), Counter())),
            "statuses": dict(sum((Counter(one.statuses) for one in laps), Counter())),
            "limit": self.limit,
            "blocks": [one.record() for one in laps],
        }


@dataclass
class Comparison:
    """What came of it. `verdict` is ok, server-bound, disagree or invalid; only the first two rank."""

    verdict: str
    plan: Plan
    entries: list[Entry]  # the best first, where they are ranked
    control: Difference
    twin: list[Lap]  # the control's laps
    floor: float  # the ratio below which differences are noise
    why: str = ""
    odd: list[Odd] = field(default_factory=list)
    changing: int = 0  # URLs that changed by themselves
    alone: float | None = None  # seconds
    warnings: list[str] = field(default_factory=list)
    environment: dict[str, Any] = field(default_factory=dict)  # see `machine`

    @property
    def fastest(self) -> str | None:
        """The engine that took least time, where time says anything."""
        return self.entries[0].arm.name if self.verdict == "ok" else None

    @property
    def sentence(self) -> str:
        """What to do."""
        return sentence(self)

    def record(self) -> dict[str, Any]:
        """As data for JSON (DESIGN section 2, and more)."""
        host, most = self.plan.most()
        return {
            "verdict": self.verdict,
            "sentence": self.sentence,
            "why": self.why,
            "seed": self.plan.seed,
            "blocks": self.plan.blocks,
            "urls": len(self.plan.pieces),
            "warmup": self.plan.warm,
            "requests": self.plan.requests,
            "most": {"host": host, "requests": most},
            "fastest": self.fastest,
            "engines": {entry.arm.name: entry.record() for entry in self.entries},
            "control": {
                "engine": self.plan.arms[0].name,
                "ratio": self.control.ratio.record(),
                "p": self.control.p,
                "floor": self.floor,
                "blocks": [one.record() for one in self.twin],
            },
            "alone": self.alone,
            "disagree": [{"row": one.row, "url": one.url, "fields": one.fields} for one in self.odd[:SHOWN]],
            "disagreeing": len(self.odd),
            "changing": self.changing,
            "warnings": self.warnings,
            "environment": self.environment,
        }


def judged(plan: Plan, done: dict[Arm, list[Lap]], parity: Parity, alone: float | None) -> Comparison:
    """The verdict on these laps."""
    rng = random.Random(plan.seed)  # noqa: S311 - chance, not secrecy
    entries = [_entry(arm, laps, alone, rng) for arm, laps in done.items() if not arm.control]
    twin = next(laps for arm, laps in done.items() if arm.control)
    walls = {entry.arm: [one.wall for one in entry.laps] for entry in entries}
    first = entries[0]
    control = differences(walls[first.arm], [[one.wall for one in twin]], log(1 + FLOOR), rng)[0]
    floor = max(log(1 + FLOOR), furthest(control.ratio))
    odd, changing = parity.judge()
    shares = {entry.arm.name: _share(entry.laps) for entry in entries}
    entries.sort(key=lambda entry: -entry.urls_per_s.median)
    found = Comparison("ok", plan, entries, control, twin, exp(floor), "", odd, changing, alone)
    found.warnings = notes(found)
    if odd:
        found.verdict, found.why = "disagree", f"{len(odd):,} of {len(plan.pieces):,} URLs"
    elif died := died_in([*(entry.laps for entry in entries), twin]):
        found.verdict, found.why = "invalid", died
    elif max(shares.values()) - min(shares.values()) > UNEQUAL:
        said = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
        found.verdict, found.why = "disagree", f"how many answers are good ({said})"
    elif not any(one.ok for entry in entries for one in entry.laps):
        found.verdict, found.why = "invalid", "not one URL was answered well"
    elif control.p <= max(CONTROL, 2 / 2**plan.blocks) and not control.same:
        found.verdict, found.why = "invalid", f"{first.arm.name} differs from itself"
    else:
        _rank(found, floor, rng)
    return found


def _entry(arm: Arm, laps: list[Lap], alone: float | None, rng: random.Random) -> Entry:
    rates = interval([max(one.urls, 1) / one.wall for one in laps], rng)
    used = interval([max(one.cpu, 1e-6) / max(one.urls, 1) for one in laps], rng)
    return Entry(arm, laps, rates, used, bottleneck(laps, alone))


def _share(laps: Sequence[Lap]) -> float:
    """Of good answers."""
    return sum(one.ok for one in laps) / max(sum(one.urls for one in laps), 1)


def _rank(found: Comparison, floor: float, rng: random.Random) -> None:
    """Compare with the best: in time, and in CPU; where the server was the limit, by CPU alone."""
    entries = found.entries
    if entries[0].limit == "server":
        found.verdict = "server-bound"
        found.why = "answers queued at the server while the client had time to spare"
    else:
        _against(entries, "time", [[one.wall for one in entry.laps] for entry in entries], floor, rng)
    thrifty = sorted(entries, key=lambda entry: entry.cpu_per_url.median)
    used = [[max(one.cpu, 1e-6) for one in entry.laps] for entry in thrifty]
    first = found.plan.arms[0]
    own = next([one.cpu for one in entry.laps] for entry in entries if entry.arm == first)
    pairs = zip(own, found.twin, strict=True)
    noise = interval([max(two.cpu, 1e-6) / max(one, 1e-6) for one, two in pairs], rng)
    _against(thrifty, "cpu", used, max(log(1 + FLOOR), furthest(noise)), rng)
    if found.verdict == "server-bound":
        found.entries = thrifty


def _against(
    entries: Sequence[Entry], name: str, values: list[list[float]], floor: float, rng: random.Random
) -> None:
    for entry in entries:
        entry.ranked = (*entry.ranked, name)
    for entry, one in zip(entries[1:], differences(values[0], values[1:], floor, rng), strict=True):
        setattr(entry, name, one)
