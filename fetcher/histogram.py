"""How long things took, in constant space: counts in buckets, which add, merge and give percentiles.

The scheme is that of HdrHistogram (http://hdrhistogram.org): whole microseconds, and from 2,048 of them on
buckets that double in width every 1,024, so that no value is off by more than a thousandth.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

EXACT: Final = 2048  # microseconds below which each has a bucket of its own
HALF: Final = EXACT // 2
BITS: Final = EXACT.bit_length() - 1
LONGEST: Final = 1e9  # seconds; what is longer counts as this
ABOVE: Final = 10  # samples that must lie above a percentile, or it says nothing


class Histogram:
    """Durations in seconds. `max` and `min` are exact, `percentile` and `mean` to a thousandth."""

    __slots__ = ("counts", "max", "min", "total")

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()
        self.total = 0
        self.min = float("inf")
        self.max = 0.0

    def add(self, seconds: float, times: int = 1) -> None:
        """One duration, `times` over; below 0 counts as 0."""
        seconds = min(max(seconds, 0.0), LONGEST)
        micro = round(seconds * 1e6)
        if micro >= EXACT:
            shift = micro.bit_length() - BITS
            micro = (shift << BITS) + (micro >> shift)
        self.counts[micro] += times
        self.total += times
        self.max = max(self.max, seconds)
        self.min = min(self.min, seconds)

    def merge(self, other: Histogram) -> None:
        """All that the other one has counted. Percentiles are taken of the sum; never average them."""
        self.counts.update(other.counts)
        self.total += other.total
        self.max = max(self.max, other.max)
        self.min = min(self.min, other.min)

    def percentile(self, percent: float) -> float | None:
        """Seconds that so many percent do not exceed; at most `max`.

        None where fewer than 10 samples lie above it: then it would be the word of a few outliers.
        """
        rank = self.total * percent / 100
        if not self.total or (percent > 50 and self.total - rank < ABOVE):
            return None
        seen = 0
        for bucket in sorted(self.counts):
            seen += self.counts[bucket]
            if seen >= rank:
                return min(seconds_of(bucket), self.max)
        return self.max

    def values(self) -> Iterator[tuple[float, int]]:
        """(seconds, how often), the shortest first; none exceeds `max`."""
        for bucket in sorted(self.counts):
            yield min(seconds_of(bucket), self.max), self.counts[bucket]

    def mean(self) -> float | None:
        """Seconds."""
        if not self.total:
            return None
        return sum(seconds_of(bucket) * times for bucket, times in self.counts.items()) / self.total

    def record(self) -> dict[str, object]:
        """As data for JSON: bucket -> count; `from_record` reads it."""
        least = self.min if self.total else None  # JSON knows no infinity
        return {"counts": dict(sorted(self.counts.items())), "min": least, "max": self.max}

    @classmethod
    def from_record(cls, record: Mapping[str, object]) -> Histogram:
        """What `record` gave, also after JSON has made its keys text."""
        made = cls()
        counts = record["counts"]
        assert isinstance(counts, Mapping)
        made.counts.update({int(bucket): int(times) for bucket, times in counts.items()})
        made.total = sum(made.counts.values())
        if made.total:
            made.min, made.max = float(str(record["min"])), float(str(record["max"]))
        return made


def merged(many: Iterable[Histogram]) -> Histogram:
    """All of them in one."""
    made = Histogram()
    for one in many:
        made.merge(one)
    return made


def seconds_of(bucket: int) -> float:
    """The highest value that falls into this bucket."""
    shift, rest = bucket >> BITS, bucket & (EXACT - 1)
    if not shift:
        return bucket / 1e6
    return (((rest + 1) << shift) - 1) / 1e6
