"""What is a difference, and what is chance: intervals and exact tests over blocks.

A block gives one ratio; ratios are compared as logarithms, in which twice and half as much lie equally far
from 1. The middle is the pseudo-median (Hodges and Lehmann 1963, Ann. Math. Stat. 34: the median of the means
of all pairs), which a wild block hardly moves. This is written out here, and held against scipy in the tests:
200 MB of libraries and half a second of imports for so few lines would be a bad bargain.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import combinations_with_replacement, product
from math import exp, log, sqrt
from statistics import NormalDist, median
from typing import Final, NamedTuple

ALPHA: Final = 0.05
RESAMPLES: Final = 4000
EXACT: Final = 16  # blocks up to which every pattern of signs is tried: 65,536


class Interval(NamedTuple):
    """A middle, and between what it lies with 95 % confidence."""

    median: float
    low: float
    high: float

    def record(self) -> dict[str, float]:
        """For JSON, to six digits."""
        return {name: float(f"{value:.6g}") for name, value in zip(self._fields, self, strict=True)}


def middle(values: Sequence[float]) -> float:
    """The pseudo-median."""
    return median([(one + other) / 2 for one, other in combinations_with_replacement(values, 2)])


def interval(values: Sequence[float], rng: random.Random) -> Interval:
    """Of positive values, one for each block, by bootstrap over blocks.

    The percentiles are the expanded ones (Hesterberg 2015, Am. Stat. 69: the plain ones are too narrow where
    there are few blocks): with them 7 to 20 blocks of normal, heavy-tailed or skew noise cover in 93 to 97 %.
    """
    logs = [log(value) for value in values]
    count = len(logs)
    if count < 2 or min(logs) == max(logs):
        return Interval(exp(middle(logs)), *(exp(logs[0]),) * 2)
    beyond = NormalDist().cdf(-sqrt(count / (count - 1)) * student(count - 1))
    found = sorted(middle(rng.choices(logs, k=count)) for _ in range(RESAMPLES))
    low, high = (found[round(share * (RESAMPLES - 1))] for share in (beyond, 1 - beyond))
    return Interval(exp(middle(logs)), exp(low), exp(high))


def student(freedom: int) -> float:
    """The 97.5 % quantile of Student's t (Abramowitz and Stegun 26.7.5; 0.1 % off at 5 degrees)."""
    z = NormalDist().inv_cdf(1 - ALPHA / 2)
    return (
        z
        + (z**3 + z) / (4 * freedom)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    )


def permutation(logs: Sequence[float], rng: random.Random) -> float:
    """The two-sided p of paired differences: how often would chance signs give a mean so far from 0?

    Exact (Fisher 1935: every pattern of signs) up to 16 blocks; beyond, of 65,536 random patterns.
    """
    count = len(logs)
    seen = abs(sum(logs)) * (1 - 1e-12)  # the sums of two orders differ in their last digits
    if count <= EXACT:
        # Of each pattern and its mirror image one is enough.
        signs = product((1, -1), repeat=count - 1)
        hits = sum(abs(logs[0] + sum(map(_times, row, logs[1:]))) >= seen for row in signs)
        return float(hits / 2 ** (count - 1))
    patterns = 1 << EXACT
    hits = sum(abs(sum(rng.choice((one, -one)) for one in logs)) >= seen for _ in range(patterns))
    return (hits + 1) / (patterns + 1)


def holm(chances: Sequence[float]) -> list[float]:
    """p adjusted for so many comparisons (Holm 1979, Scand. J. Stat. 6)."""
    found, least = list(chances), 0.0
    for done, at in enumerate(sorted(range(len(found)), key=lambda at: chances[at])):
        least = max(least, min((len(found) - done) * chances[at], 1.0))
        found[at] = least
    return found


class Difference(NamedTuple):
    """One arm against another: the ratio of its figure, and whether that is more than chance."""

    ratio: Interval
    p: float  # adjusted
    same: bool


def differences(
    base: Sequence[float], others: Sequence[Sequence[float]], floor: float, rng: random.Random
) -> list[Difference]:
    """Each of the others against the base, block by block.

    One is the same as the base unless the test says no, and the interval does not include 1, nor lies within
    the noise floor (a logarithm).
    """
    logs = [[log(one / b) for one, b in zip(other, base, strict=True)] for other in others]
    chances = holm([permutation(row, rng) for row in logs])
    found = []
    for row, p in zip(logs, chances, strict=True):
        ratio = interval([exp(one) for one in row], rng)
        within = ratio.low <= 1 <= ratio.high or furthest(ratio) <= floor
        found.append(Difference(ratio, p, p > ALPHA or within))
    return found


def furthest(ratio: Interval) -> float:
    """How far from 1 its interval reaches, as a logarithm."""
    return max(abs(log(ratio.low)), abs(log(ratio.high)))


def _times(sign: int, value: float) -> float:
    return sign * value
