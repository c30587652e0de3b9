"""The figures of a load test in words: a lower bound says so, and what too few samples cannot tell is `-`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import floor, log10
from typing import Any, Final, NamedTuple

from fetcher.histogram import ABOVE, Histogram
from fetcher.report.page import visible
from fetcher.report.units import seconds
from fetcher.report.words import count, number, span

Record = Mapping[str, Any]

NAMES: Final = ("p50", "p75", "p90", "p95", "p99", "p99.9", "p99.99", "max", "mean")
BINS: Final = 12  # of a histogram, at most
# How a decade is parted, the finest first: each step about as much longer as the one before.
STEPS: Final = (
    (1, 1.2, 1.5, 1.8, 2.2, 2.7, 3.3, 3.9, 4.7, 5.6, 6.8, 8.2),
    (1, 1.5, 2, 3, 5, 7),
    (1, 2, 5),
    (1, 3),
    (1,),
)


class Judged(NamedTuple):
    """One limit and what came of it."""

    ok: bool
    rule: str
    value: str
    note: str = ""  # of one that was kept

    @property
    def mark(self) -> str:
        """As it is printed."""
        return "PASS" if self.ok else "FAIL"


def said(figures: Record, name: str) -> str:
    """A duration: 41.2 ms, >= 30.0 s, or - where it is refused."""
    value = figures.get(name)
    return at_least(seconds(value), value is not None and name in figures.get("bounds", ()))


def at_least(text: str, bound: bool) -> str:
    """With the sign of a lower bound, if it is one."""
    return f">= {text}" if bound else text


def a_second(value: float | None) -> str:
    """How many of something in a second."""
    return "-" if value is None else f"{number(value)}/s"


def percent(value: float) -> str:
    """Of a core, without a fraction."""
    return f"{100 * value:,.0f} %"


UNITS: Final[Mapping[str, Callable[[float], str]]] = {
    "s": seconds,
    "share": lambda value: f"{number(100 * value)} %",
    "/s": a_second,
}


def judged(rule: Record) -> Judged:
    """What a limit asked for, and the figure that it met, in its unit."""
    value = rule["value"]
    words = "too few samples" if value is None else UNITS.get(rule["unit"], number)(value)
    note = (
        f" ({visible(str(rule['note']))})" if rule["ok"] and rule.get("note") else ""
    )  # else it is in `why`
    return Judged(bool(rule["ok"]), visible(str(rule["rule"])), at_least(words, bool(rule["bound"])), note)


def legend(record: Record) -> list[str]:
    """What `>=` and `-` mean, where they stand in the figures."""
    both = [record["service"], record["response"]]
    found = []
    if any(name in one.get("bounds", ()) for one in both for name in NAMES):
        found.append(">=: at least so long: what timed out or was cut counts at its age")
    if record["requests"] and any(one.get(name) is None for one in both for name in NAMES):
        found.append(f"-: too few samples: fewer than {ABOVE} lie above")
    return found


def requests(record: Record) -> str:
    """How many there were, and how they ended."""
    ends = [f"{count(record['ok'])} ok", f"{count(record['failed'])} failed"]
    more = (("cut", "cut off at the end"), ("unsent", "due but never sent"))
    ends += [f"{count(record[key])} {words}" for key, words in more if record.get(key)]
    return f"{count(record['requests'])} in {seconds(record['seconds'])}: {', '.join(ends)}"


def rate(record: Record) -> str:
    """What was answered, how sure that is, and what was asked."""
    text, interval = a_second(record["rate"]), record.get("rate_interval")
    if interval:
        text += f" (95 % interval {span(interval['low'], interval['high'])})"
    if record.get("asked") is not None:
        return f"{text}, asked {a_second(record['asked'])}"
    return f"{text}, {count(record['concurrency'])} at once, each as soon as it was answered"


def client(record: Record) -> str:
    """What the client itself took: only with this can the rest be believed."""
    each, late = record.get("cpu_per_request"), record.get("lateness") or {}
    parts = [f"{percent(record['client']['cpu'])} of a core"]
    if (record.get("workers") or 1) > 1:
        parts[0] += f" (the busiest of {count(record['workers'])} workers)"
    if each is not None:
        parts.append(f"{seconds(each)} CPU per request")
    if (name := next((name for name in ("p99", "max") if late.get(name) is not None), "")) and (
        record.get("asked") is not None
    ):
        parts.append(f"sent late by {said(late, name)} ({name})")
    if record["client"].get("saturated"):
        parts.append("it was the limit")
    return ", ".join(parts)


def server(record: Record) -> str:
    """What a server that we started took; empty for any other."""
    found = record.get("server") or {}
    parts = [f"{percent(found['cpu'])} of a core"] if found.get("cpu") is not None else []
    if found.get("rss") is not None:
        parts.append(f"{found['rss'] / 1e6:,.0f} MB")
    return ", ".join(parts)


def histogram(record: Record, name: str) -> Histogram:
    """That of the service or the response times."""
    return Histogram.from_record(record["histogram"][name])


def bins(found: Histogram, most: int = BINS) -> list[tuple[float, float, int]]:
    """(from, below, how many) in steps of one ratio, from the first that has any to the last."""
    if not found.total:
        return []
    edges: list[float] = []
    for steps in STEPS:
        edges = _edges(max(found.min, 1e-6), found.max, steps)
        if len(edges) <= most + 1:
            break
    counts = [0] * (len(edges) - 1)
    at = 0
    for value, times in found.values():
        while at < len(counts) - 1 and value >= edges[at + 1]:
            at += 1
        counts[at] += times
    return list(zip(edges, edges[1:], counts, strict=False))


def _edges(low: float, high: float, steps: tuple[float, ...]) -> list[float]:
    """Those round `low` and `high`."""
    powers = range(floor(log10(low)), floor(log10(max(high, low))) + 2)
    found = [float(f"{step}e{power}") for power in powers for step in steps]
    first = max(at for at, edge in enumerate(found) if edge <= low * (1 + 1e-9))
    last = next(at for at, edge in enumerate(found) if edge > high)
    return found[first : max(last, first + 1) + 1]
