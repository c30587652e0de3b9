"""What a meter counts in: times in buckets, and all that ended in one second, or of one URL."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from fetcher.histogram import BITS, EXACT


class Buckets:
    """A `Histogram` in the making: its scheme, without what only a reader needs."""

    __slots__ = ("counts", "max", "min")

    def __init__(self) -> None:
        self.counts: defaultdict[int, int] = defaultdict(int)
        self.min = float("inf")
        self.max = 0.0

    def add(self, seconds: float) -> None:
        """One duration; below 0 counts as 0."""
        if seconds > self.max:
            self.max = seconds
        if seconds < self.min:
            self.min = max(0.0, seconds)
        micro = int(seconds * 1e6 + 0.5)
        if micro >= EXACT:
            shift = micro.bit_length() - BITS
            micro = (shift << BITS) + (micro >> shift)
        elif micro < 0:
            micro = 0
        self.counts[micro] += 1

    def record(self) -> dict[str, Any]:
        """As `Histogram.record` has it."""
        return {"counts": dict(self.counts), "min": self.min if self.counts else None, "max": self.max}


class Second:
    """What ended in one second."""

    __slots__ = (
        *("at", "cut", "failed", "ok", "response", "response_cut", "service", "service_cut"),
        *("started", "unsent"),
    )

    def __init__(self, at: int) -> None:
        self.at = at
        self.started = self.ok = self.failed = self.cut = self.unsent = 0
        self.service, self.response = Buckets(), Buckets()
        self.service_cut, self.response_cut = Buckets(), Buckets()

    def record(self) -> dict[str, Any]:
        """What of it is not empty."""
        found = {name: getattr(self, name) for name in ("started", "ok", "failed", "cut", "unsent")}
        for name in ("service", "response", "service_cut", "response_cut"):
            if (made := getattr(self, name)).counts:
                found[name] = made.record()
        return {name: value for name, value in found.items() if value}


class Target:
    """What became of one URL."""

    __slots__ = ("cut", "failed", "ok", "response")

    def __init__(self) -> None:
        self.ok = self.failed = 0
        self.response, self.cut = Buckets(), Buckets()
