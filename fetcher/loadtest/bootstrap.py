"""How far the rate and p99 of a single run can be trusted: a bootstrap over its seconds.

Requests of one second share whatever slowed it, so the second is the sample, not the request; and seconds in
a row are drawn together, for they share it too (circular block bootstrap: Politis and Romano 1992, in
Exploring the Limits of Bootstrap). The percentiles are the expanded ones (Hesterberg 2015, Am. Stat. 69).
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from math import sqrt
from operator import mul
from statistics import NormalDist, median
from typing import Final, TypeVar

from fetcher.histogram import Histogram, merged

FEWEST: Final = 5  # whole seconds
MOST: Final = 120  # samples: beyond that, neighbours are merged
RESAMPLES: Final = 1000
ALPHA: Final = 0.05
Interval = dict[str, float]
T = TypeVar("T")


def of_counts(counts: Sequence[float], seed: int = 0) -> Interval | None:
    """The mean of a figure of each second; None: there are too few seconds."""
    means = [sum(part) / len(part) for part in joined(counts)]
    size = len(means)
    return _interval(size, lambda times: sum(map(mul, times, means)) / sum(times), seed)


def of_percentile(parts: Sequence[Histogram], percent: float, seed: int = 0) -> Interval | None:
    """A percentile of all these together (see `joined`); None: they are too few, or nothing is in them."""
    whole = merged(parts)
    if not whole.total:
        return None
    buckets, values = sorted(whole.counts), [value for value, _ in whole.values()]
    below = _below(parts, buckets)
    totals = [part.total for part in parts]

    def percentile(times: Sequence[int]) -> float:
        """By halving: how many are not above this bucket, with so many of each part?"""
        wanted = sum(map(mul, times, totals)) * percent / 100
        low, high = 0, len(buckets) - 1
        while low < high:
            middle = (low + high) // 2
            if sum(map(mul, times, below(middle))) >= wanted:
                high = middle
            else:
                low = middle + 1
        return values[low]

    return _interval(len(parts), percentile, seed)


def _below(parts: Sequence[Histogram], buckets: Sequence[int]) -> Callable[[int], list[int]]:
    """For each bucket, how many of each part are in it or below; counted when asked for, and kept."""
    keys = [sorted(part.counts) for part in parts]
    sums = [
        list(accumulate((part.counts[bucket] for bucket in key), initial=0))
        for part, key in zip(parts, keys, strict=True)
    ]
    kept: dict[int, list[int]] = {}

    def row(at: int) -> list[int]:
        found = kept.get(at)
        if found is None:
            edge = buckets[at]
            found = [total[bisect_right(key, edge)] for key, total in zip(keys, sums, strict=True)]
            kept[at] = found
        return found

    return row


def _interval(size: int, figure: Callable[[Sequence[int]], float], seed: int) -> Interval | None:
    """The figure of resamples, each said as how often it holds each of so many samples."""
    if size < FEWEST:
        return None
    rng = random.Random(seed)  # noqa: S311 - chance, not secrecy
    run = max(round(size ** (1 / 3)) - 1, 1)  # samples that are drawn together
    found = []
    for _ in range(RESAMPLES):
        times = [0] * size
        for at in rng.choices(range(size), k=-(-size // run)):
            for near in range(at, at + run):
                times[near % size] += 1
        found.append(figure(times))
    found.sort()
    beyond = NormalDist().cdf(-sqrt(size / (size - 1)) * _student(size - 1))
    low, high = (found[round(share * (RESAMPLES - 1))] for share in (beyond, 1 - beyond))
    return {"median": median(found), "low": low, "high": high}


def _student(freedom: int) -> float:
    """The 97.5 % quantile of Student's t (Abramowitz and Stegun 26.7.5)."""
    z = NormalDist().inv_cdf(1 - ALPHA / 2)
    first = (z**3 + z) / (4 * freedom)
    second = (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    return z + first + second + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)


def joined(seconds: Sequence[T]) -> list[Sequence[T]]:
    """Neighbours in at most MOST parts."""
    each = -(-len(seconds) // MOST) or 1
    return [seconds[at : at + each] for at in range(0, len(seconds), each)]
