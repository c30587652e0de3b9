"""Percentiles of durations of which some are only known as "at least so long", and which of them say no more.

A censored value counts at its age, so every figure is a lower bound of the truth. It is marked as such (it
stands in `bounds`) where it would move by more than 1 % if the censored values had never ended; of the
maximum: where it is the age of a censored value; of the mean: where more than 1 % of the values, or of their
sum, is censored.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import fsum
from typing import Any, Final

from fetcher.histogram import LONGEST, Histogram, merged

PERCENTS: Final = {f"p{one:g}": float(one) for one in (50, 75, 90, 95, 99, 99.9, 99.99)}
MOVED: Final = 0.01
# A failure of these kinds was given up: it would have taken longer still.
CENSORED: Final = frozenset(
    {"connect_timeout", "read_timeout", "total_timeout", "deadline_exceeded", "dns_temporary"}
)


def figures(known: Histogram, cut: Histogram) -> dict[str, Any]:
    """All figures of what is known exactly and what was cut: null where too few samples say anything."""
    both = merged((known, cut))
    endless = _endless(known, cut)
    found: dict[str, Any] = {name: _percentile(both, percent) for name, percent in PERCENTS.items()}
    bounds = [name for name, value in found.items() if _moves(value, endless, PERCENTS[name])]
    mean = _mean(both)
    if cut.total and cut.max >= both.max:
        bounds.append("max")
    if cut.total and mean is not None:
        of_sum = (_mean(cut) or 0.0) * cut.total / (mean * both.total) if mean else 0.0
        if max(cut.total / both.total, of_sum) > MOVED:
            bounds.append("mean")
    some = both.total > 0
    return found | {
        "max": both.max if some else None,
        "mean": mean,
        "min": both.min if some else None,
        "bounds": bounds,
    }


def percentile(record: Mapping[str, Any], percent: float) -> tuple[float | None, bool]:
    """Any percentile of a histogram in a record (see `stored`), and whether it is only a lower bound."""
    both, endless = _opened(record)
    value = _percentile(both, percent)
    return value, _moves(value, endless, percent)


def at_most(record: Mapping[str, Any], percent: float) -> float | None:
    """The percentile if what is censored had never ended; None where that says nothing."""
    value = _percentile(_opened(record)[1], percent)
    return None if value is None or value >= LONGEST / 2 else value


def stored(known: Histogram, cut: Histogram) -> dict[str, Any]:
    """For the record: all of them, and under "cut" those of them that are censored."""
    return merged((known, cut)).record() | {"cut": cut.record() if cut.total else None}


def ranks(histogram: Histogram, *percents: float) -> list[float | None]:
    """Percentiles in rising order, also where few samples make them: of a second, of a resample."""
    found: list[float | None] = []
    seen = 0
    for value, times in histogram.values():
        seen += times
        while len(found) < len(percents) and seen >= histogram.total * percents[len(found)] / 100:
            found.append(value)
    return found or [None] * len(percents)


def _opened(record: Mapping[str, Any]) -> tuple[Histogram, Histogram]:
    """What `stored` gave: all values, and the same if the censored ones had never ended."""
    both = Histogram.from_record(record)
    cut = Histogram.from_record(record["cut"]) if record.get("cut") else Histogram()
    known = Histogram()
    known.counts.update(both.counts)
    known.counts.subtract(cut.counts)
    known.total, known.max, known.min = both.total - cut.total, both.max, both.min
    return both, _endless(known, cut)


def _percentile(both: Histogram, percent: float) -> float | None:
    """Never below the minimum either, which is exact where a bucket is a whole microsecond."""
    value = both.percentile(percent)
    return None if value is None else max(value, both.min)


def _mean(made: Histogram) -> float | None:
    """The same to the last digit in whatever order it was counted."""
    return fsum(value * times for value, times in made.values()) / made.total if made.total else None


def _endless(known: Histogram, cut: Histogram) -> Histogram:
    made = merged((known,))
    if cut.total:
        made.add(LONGEST, cut.total)
    return made


def _moves(value: float | None, endless: Histogram, percent: float) -> bool:
    if value is None:
        return False
    moved = endless.percentile(percent)
    return moved is not None and moved > value * (1 + MOVED)
