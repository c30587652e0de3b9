"""The article's advice as an experiment: three workloads on the embedded site, and whether its word held.

The advice: processes for work that needs the CPU, threads for fast I/O on few connections, asyncio for slow
I/O on many. It speaks of these three ways only; other engines take part, and may win.
"""

from __future__ import annotations

import random
from math import log
from typing import Any, Final, NamedTuple

from fetcher.comparison.inference import differences
from fetcher.comparison.verdict import FLOOR, Comparison

ADVISED: Final = ("threads", "processes", "asyncio")


class Workload(NamedTuple):
    """One of the three: `length` URLs of the embedded site, so many at once."""

    name: str
    title: str
    path: str
    length: int  # URLs
    concurrency: int
    advised: str
    claim: str
    readers: tuple[str, ...] = ()

    def urls(self, base: str) -> list[str]:
        """Its list; no URL comes twice."""
        return [f"{base}{self.path}?{number}" for number in range(self.length)]


WORKLOADS: Final = (
    Workload(
        *("fast", "fast: 10 kB at once, 4 connections", "/bytes/10000", 4000, 4),
        *("threads", "threads for fast I/O on few connections"),
    ),
    Workload(
        *("slow", "slow: answers after 200 ms, 200 connections", "/delay/0.2/10000", 600, 200),
        *("asyncio", "asyncio for slow I/O on many connections"),
    ),
    Workload(
        *("cpu", "cpu: pages of 200 kB, each parsed and hashed, 4 connections", "/html/200000", 200, 4),
        *("processes", "processes for CPU-bound work", ("hash", "parse")),
    ),
)
MOST: Final = 8  # times what an engine takes by itself: 200 processes would be another experiment
HIDDEN: Final = "sequential"  # by default: one after the other, 600 answers of 200 ms take minutes


class Advice(NamedTuple):
    """One claim, whether it held here (None: cannot be told), and why."""

    claim: str
    held: bool | None
    why: str

    def record(self) -> dict[str, Any]:
        """For the JSON."""
        return self._asdict()


def advice(one: Workload, found: Comparison) -> Advice:
    """Whether the advised engine was the fastest of the three, or as fast as that, as far as can be told."""
    entries = {entry.arm.engine: entry for entry in found.entries if entry.arm.engine in ADVISED}
    if len(entries) < len(ADVISED):
        missing = " and ".join(name for name in ADVISED if name not in entries)
        return Advice(one.claim, None, f"{missing} did not take part")
    if found.verdict != "ok":
        return Advice(one.claim, None, found.why)
    walls = {name: [lap.wall for lap in entry.laps] for name, entry in entries.items()}
    best = next(entry.arm.engine for entry in found.entries if entry.arm.engine in ADVISED)
    others = [name for name in ADVISED if name != best]
    floor = max(log(found.floor), log(1 + FLOOR))
    rng = random.Random(found.plan.seed)  # noqa: S311 - chance, not secrecy
    ratios = dict(
        zip(others, differences(walls[best], [walls[name] for name in others], floor, rng), strict=True)
    )
    if best == one.advised:
        second = min(others, key=lambda name: ratios[name].ratio.median)
        what = "as fast as" if ratios[second].same else f"{_times(ratios[second].ratio)} as fast as"
        return Advice(one.claim, True, f"{best} was {what} {second}")
    ratio = ratios[one.advised]
    if ratio.same:
        return Advice(one.claim, True, f"{one.advised} was as fast as {best}, as far as can be told")
    return Advice(one.claim, False, f"{best} was {_times(ratio.ratio)} as fast as {one.advised}")


def _times(ratio: tuple[float, float, float]) -> str:
    middle, low, high = ratio
    return f"{middle:.2f} times ({low:.2f}-{high:.2f})"


def sentence(found: dict[str, dict[str, Any]]) -> str:
    """Which engine for which of the three, from their records."""
    said = []
    for name, record in found.items():
        if record["verdict"] == "ok":
            best = [engine for engine, one in record["engines"].items() if one["same"]]
            said.append(f"{name}: {' or '.join(best)}")
        else:
            said.append(f"{name}: {record['verdict']}")
    return "on this machine " + "; ".join(said)
