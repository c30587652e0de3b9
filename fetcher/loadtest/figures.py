"""Percentiles of durations of which some are only known as "at least so long", and which of them say no more.

A censored value counts at its age, so every figure is a lower bound of the truth. It is marked as such (it
stands in `bounds`) where it would move by more than 1 % if the censored values had never ended. But a few are
always on their way at the end: where they are no more than one standard error of the rank, which chance moves
as far, only if it would move though they had gone on as the others of their age did (Kaplan and Meier 1958,
JASA 53). The maximum is marked where it is the age of a censored value; the mean where more than 1 % of the
values, or of their sum, is censored.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import fsum, sqrt
from typing import Any, Final

from fetcher.histogram import LONGEST, Histogram, merged, seconds_of

PERCENTS: Final = {f"p{one:g}": float(one) for one in (50, 75, 90, 95, 99, 99.9, 99.99)}
MOVED: Final = 0.01
TINY: Final = 1e-12  # of rounding
# A failure of these kinds was given up: it would have taken longer still.
CENSORED: Final = frozenset(
    {"connect_timeout", "read_timeout", "total_timeout", "deadline_exceeded", "dns_temporary"}
)


def figures(known: Histogram, cut: Histogram) -> dict[str, Any]:
    """All figures of what is known exactly and what was cut: null where too few samples say anything."""
    both = merged((known, cut))
    found: dict[str, Any] = {name: _percentile(both, percent) for name, percent in PERCENTS.items()}
    bounds = [name for name, value in found.items() if _moves(value, PERCENTS[name], known, cut)]
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
    known, cut = _opened(record)
    value = _percentile(merged((known, cut)), percent)
    return value, _moves(value, percent, known, cut)


def at_most(record: Mapping[str, Any], percent: float) -> float | None:
    """The percentile if what is censored had never ended; None where that says nothing."""
    value = _percentile(_endless(*_opened(record)), percent)
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
    """What `stored` gave: the values that are known, and the censored ones."""
    both = Histogram.from_record(record)
    cut = Histogram.from_record(record["cut"]) if record.get("cut") else Histogram()
    known = Histogram()
    known.counts.update(both.counts)
    known.counts.subtract(cut.counts)
    known.total, known.max, known.min = both.total - cut.total, both.max, both.min
    return known, cut


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


def _moves(value: float | None, percent: float, known: Histogram, cut: Histogram) -> bool:
    """Whether what was cut off may make this percentile more than chance and its lower bound say."""
    if value is None or not cut.total:
        return False
    most, share = _endless(known, cut).percentile(percent), percent / 100
    if most is None or most <= value * (1 + MOVED):
        return False
    if cut.total > sqrt((known.total + cut.total) * share * (1 - share)):
        return True
    likely = _likely(known, cut, share)
    return likely is None or likely > value * (1 + MOVED)


def _likely(known: Histogram, cut: Histogram, share: float) -> float | None:
    """The percentile by the product limit; None where that does not come down so far."""
    left, at_risk = 1.0, known.total + cut.total
    for bucket in sorted(known.counts.keys() | cut.counts.keys()):
        if ended := known.counts[bucket]:
            left *= 1 - ended / at_risk
            if left <= 1 - share + TINY:
                return seconds_of(bucket)
        at_risk -= ended + cut.counts[bucket]
    return None
