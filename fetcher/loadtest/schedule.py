"""When each request of an open load test is due: a pure function of its number, so that it cannot drift.

With a rate that changes, the n-th request is due when the integral of the rate reaches n, which is solved
exactly. Worker i of n takes every n-th one. Poisson: the gaps of that integral are exponential ones with mean
1, each worker's own; together they are one Poisson process again (Kingman 1993, Poisson Processes, ch. 2).
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from math import inf, isfinite, sqrt
from typing import Final, NamedTuple, Protocol

from fetcher.errors import UsageError

NEXT: Final = 1e-6  # of a request: so near to the end of a stage, it belongs to the next one
UNITS: Final = {"us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
PER: Final = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_NUMBER: Final = r"(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?"
_PART: Final = re.compile(rf"({_NUMBER})([a-zµμ]+)")
_RATE: Final = re.compile(rf"({_NUMBER})(?:/([a-z]+))?")


class Stage(NamedTuple):
    """So many seconds, in which the rate goes evenly from one to another."""

    seconds: float
    first: float
    last: float

    @property
    def requests(self) -> float:
        """How many are due in it."""
        return self.until(self.seconds)

    def until(self, seconds: float) -> float:
        """How many are due in its first so many seconds."""
        if self.first == self.last:
            return self.first * seconds if self.first else 0.0
        return seconds * (self.first + (self.last - self.first) * seconds / self.seconds / 2)

    def when(self, requests: float) -> float:
        """After how many seconds so many have been due."""
        if requests <= 0:
            return 0.0
        if self.first == self.last:
            return requests / self.first
        # Of the quadratic's root the form that loses no digits, also where the rate falls to 0.
        slope = (self.last - self.first) / self.seconds
        speed = sqrt(max(self.first * self.first + 2 * slope * requests, 0.0))
        return min(2 * requests / (self.first + speed), self.seconds)


@dataclass(frozen=True, slots=True)
class Schedule:
    """The rate over time, and whether requests come evenly or by chance (`seed`)."""

    pieces: tuple[Stage, ...]
    seed: int | None = None

    @property
    def total(self) -> float | None:
        """Seconds that it lasts; None: without an end."""
        found = sum(piece.seconds for piece in self.pieces)
        return found if isfinite(found) else None

    @property
    def peak(self) -> float:
        """The highest rate, per second."""
        return max(max(piece.first, piece.last) for piece in self.pieces)

    def asked(self, seconds: float) -> float:
        """How many are due in the first so many seconds (if by chance: on average)."""
        found = 0.0
        for piece in self.pieces:
            if seconds <= 0:
                break
            found += piece.until(min(seconds, piece.seconds))
            seconds -= piece.seconds
        return found

    def offsets(self, worker: int = 0, workers: int = 1) -> Iterator[float]:
        """Seconds from the start at which this worker's requests are due, in order."""
        numbers: Iterator[float] = count(worker, workers)
        if self.seed is not None:
            numbers = _chance(random.Random(f"{self.seed}/{worker}/{workers}"), workers)  # noqa: S311
        number = next(numbers)
        began = before = 0.0
        for piece in self.pieces:
            after = before + piece.requests
            while number < after - NEXT:
                yield began + piece.when(number - before)
                number = next(numbers)
            began += piece.seconds
            before = after


def constant(rate: float) -> Schedule:
    """Evenly, so many per second, without an end."""
    return Schedule((Stage(inf, rate, rate),))


def poisson(rate: float, seed: int) -> Schedule:
    """By chance, on average so many per second, without an end."""
    return Schedule((Stage(inf, rate, rate),), seed)


def stages(parts: Sequence[tuple[float, float]], seed: int | None = None) -> Schedule:
    """(seconds, rate): in so many seconds evenly from the rate before to this one; at first from 0."""
    made, first = [], 0.0
    for seconds, last in parts:
        made.append(Stage(seconds, first, last))
        first = last
    return Schedule(tuple(made), seed)


class Asked(Protocol):
    """What is asked for; see `loadtest.plan.Load`."""

    rate: float
    poisson: bool
    stages: tuple[tuple[float, float], ...]
    seed: int


def schedule(load: Asked) -> Schedule | None:
    """The schedule of this load; None in the closed model, where there is none."""
    if load.stages:
        return stages(load.stages, load.seed if load.poisson else None)
    if load.rate:
        return poisson(load.rate, load.seed) if load.poisson else constant(load.rate)
    return None


def parse_seconds(text: str) -> float:
    """Seconds from "30s", "500ms", "1m30s", "2h" or "10". Raises UsageError."""
    plain = text.strip().lower().replace(" ", "")
    if re.fullmatch(_NUMBER, plain):
        return _finite(float(plain), text)
    parts = _PART.findall(plain)
    if not parts or "".join(map("".join, parts)) != plain:
        raise UsageError(f"{text!r} is no time: write 30s, 500ms, 1m30s or 2h; a number alone means seconds")
    for _, unit in parts:
        if unit not in UNITS:
            raise UsageError(f"{text!r}: {unit!r} is no unit of time: use one of us, ms, s, m, h")
    return _finite(sum(float(number) * UNITS[unit] for number, unit in parts), text)


def parse_rate(text: str) -> float:
    """Requests per second from "100", "100/s" or "6000/m". Raises UsageError."""
    match = _RATE.fullmatch(text.strip().lower().replace(" ", ""))
    if match is None or (match[2] or "") not in PER:
        raise UsageError(f"{text!r} is no rate: write 100 or 100/s (requests per second), or 6000/m")
    return _finite(float(match[1]) / PER[match[2] or ""], text)


def parse_stages(text: str) -> tuple[tuple[float, float], ...]:
    """(seconds, rate) of each stage of "30s:100,1m:500". Raises UsageError."""
    form = "write SECONDS:RATE, as 30s:100,1m:500 (in 30 s from 0 to 100/s, then in 1 min to 500/s)"
    found = []
    for part in text.split(","):
        seconds, colon, rate = part.partition(":")
        if not colon or not seconds.strip() or not rate.strip():
            raise UsageError(f"--stages {text!r}: {part.strip()!r} is no stage: {form}")
        found.append((parse_seconds(seconds), parse_rate(rate)))
        if not found[-1][0]:
            raise UsageError(f"--stages {text!r}: {part.strip()!r} takes no time: {form}")
    if not any(rate for _, rate in found):
        raise UsageError(f"--stages {text!r}: every rate is 0, so nothing would be sent: {form}")
    return tuple(found)


def _chance(rng: random.Random, mean: float) -> Iterator[float]:
    at = 0.0
    while True:
        at += rng.expovariate(1 / mean)
        yield at


def _finite(value: float, text: str) -> float:
    if not isfinite(value):
        raise UsageError(f"{text!r} is too much: give a smaller number")
    return value
